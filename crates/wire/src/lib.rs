//! DNS bytes.
//!
//! Two ways of reading, by price. *Hot*: `view` borrows a plain query where it lies and `reply` patches or builds
//! short replies without allocating. *Slow*: whole messages through the `domain` crate, re-exported as `slow`. Beside
//! them the registries: return codes, extended errors, types, classes, opcodes. Knows no sockets, clock, policy or cache.

pub mod code;
pub mod ede;
pub mod kind;
pub mod name;
pub mod reply;
pub mod summary;
pub mod view;
