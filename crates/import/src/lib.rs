//! The logs of others as events: dnstap, pcap, C-DNS, BIND, Unbound, Pi-hole, AdGuard Home, Zeek.
//!
//! [`Reader`] gives record after record, each an event or the reason why it is none, and never holds more than a named part of
//! its input. Knows what a file says; does not know the store, or what becomes of an event. What a source does not say stays
//! empty; of columns that cannot, the transport is UDP and numbers are 0. Knows no clock: times without a year or a zone are read
//! with what [`Options`] says of them.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod adguard;
mod bind;
mod blank;
mod cbor;
mod cdns;
mod format;
mod input;
mod lines;
mod messages;
mod packet;
mod pair;
mod pcap;
mod pihole;
mod reader;
mod stream;
mod tap;
mod tcp;
mod times;
mod unbound;
mod zeek;

pub use format::{Format, sniff};
pub use reader::{BAD_KEPT, Bad, OpenFault, Options, Progress, Reader, Record, Tally};
pub use tap::Tap;
