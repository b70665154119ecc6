//! Finds answers the cache does not have: forwarding to upstreams.
//!
//! Two halves. `lookup` is the machine: whom to ask next, how long to wait, when to give up; it holds no socket and
//! reads no clock. `driver` owns the sockets and does what the machine says. Around them: `upstream` remembers how
//! quick and how healthy each upstream is, `flight` lets many clients wait for one lookup, `failures` keeps a failing
//! lookup from being repeated at once.
//!
//! This crate alone writes the cache; the cache's seconds are those of `sys::clock::monotonic_micros`. It knows no client, no
//! rule and no listener.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod chance;
mod clock;
mod driver;
mod failures;
mod flight;
mod lookup;
mod resolver;
mod tcp;
mod udp;
mod upstream;

pub use resolver::{Figures, Found, Question, Resolver, Settings};
pub use upstream::{GroupSettings, Transport, UpstreamSettings, UpstreamStatus};
