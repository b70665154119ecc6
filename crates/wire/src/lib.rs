//! DNS bytes.
//!
//! *Arriving*: `view` borrows a query where it lies. *Leaving*: `reply` patches stored packets and builds short replies, both
//! without allocating. *Once per miss*: `reply::take` takes an upstream's message apart and keeps what is needed of it.
//! *Off the hot path*: `message` reads and writes whole messages, `tsig` signs and checks them, `tkey` agrees on keys.
//! Beside them the registries: return codes, extended errors, types, classes, opcodes. Knows no sockets, clock,
//! policy or cache.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bytes;
pub mod code;
pub mod cookie;
pub mod dso;
pub mod ede;
pub mod kind;
pub mod message;
pub mod name;
pub mod reply;
mod summary;
pub mod tkey;
pub mod tsig;
pub mod view;
mod walk;

#[cfg(test)]
mod testing;
