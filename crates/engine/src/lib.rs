//! The walk of a query: from the octets that arrived to the octets that leave and the event that remembers both.
//!
//! `Desk` answers what can be answered at once, from zones held here, rules and cache; `pursue` does the rest, after a lookup;
//! `operate` does what is no plain query: updates, transfers, keys, and all that is signed. All leave by the same exit, so
//! every arrival gives exactly one event. Knows no socket and reads no clock: a listener brings octets, source and time.
//!
//! ```text
//! octets ─▶ Desk::answer ─┬─ Reply ────────────────────────────▶ sent ─▶ Desk::close ─▶ events
//!                         ├─ Silence
//!                         ├─ Pursue ──▶ pursue ──▶ Late ────────▶ sent ─▶ Desk::offer ─▶ event
//!                         └─ Operate ─▶ operate ─▶ Late, more ──▶ sent ─▶ Desk::offer ─▶ event
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod authority;
mod cookies;
mod exit;
mod flood;
mod hold;
mod limits;
mod local;
mod operate;
mod pursue;
mod session;
mod shared;
mod tally;
mod words;
mod zones;

pub use answer::{Desk, Outcome};
pub use authority::{Access, Authority, Grant, Names, TkeySettings, Who};
pub use cookies::{CookieMode, CookieSettings};
pub use event::{Event, Sink, Transport};
pub use exit::{Now, Source};
pub use limits::LimitSettings;
pub use operate::{More, Operated, Operating, operate};
pub use pursue::{Late, Pursuit, pursue};
pub use session::{Aborted, Session, SessionSettings};
pub use shared::{Random, Settings, Shared};
pub use tally::{Counters, LATENCY_BOUNDS_MICROS};

#[cfg(test)]
mod tests;
