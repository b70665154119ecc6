//! Local zones: records kept in order, the answers they give, and how they change.
//!
//! *Answers*: `lookup` follows CNAME, DNAME, wildcards and delegations within one zone. *Changes*: `update` (RFC 2136), whole
//! files, and transfers all end in a `Delta` from one serial to the next; the journal and IXFR keep deltas.
//! Knows no client, no key, no rule of access, no socket, no file and no clock: whoever keeps a zone hands octets in and out.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod delta;
pub mod file;
mod form;
pub mod journal;
pub mod lookup;
mod order;
mod proof;
mod rdata;
pub mod set;
mod text;
pub mod transfer;
pub mod tree;
pub mod update;

pub use delta::Delta;
pub use lookup::{Answer, Kind};
pub use set::{Held, Keeper, Loaded, Role, State, Zones};
pub use tree::{Rrset, Zone};
pub use wire::message::Record;

#[cfg(test)]
mod testing;
