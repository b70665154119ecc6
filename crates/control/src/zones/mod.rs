//! Zones kept: read from files, made durable in journals, copied from primaries, told to secondaries.
//!
//! A primary zone begins as its *source* (a file, or records of the configuration) and goes on as its *journal*: a checkpoint
//! and every change since, synced before an update is answered. A secondary is its journal alone, brought up to date from its
//! primaries. The journal of a zone lies in `zones/NAME.journal` of the state folder; one that cannot be read is never
//! written over.
//!
//! ```text
//! file ---read--+                      +--NOTIFY--> secondaries
//!               v                      |
//!  UPDATE --> change --> journal --> Held --> readers
//!               ^
//! primary --transfer
//! ```
//!
//! Knows no client and no rule of access; what an update may do was decided above.

mod exchange;
mod herald;
mod journal;
mod kept;
mod registrar;
mod secondary;
mod settings;
mod source;
#[cfg(test)]
mod tests;

pub use registrar::{Clock, Heard, Registrar, ZoneStatus};
pub use settings::{Peer, ZONES_MAX, ZoneLimits, ZoneSettings, ZoneSource, ZonesError};
pub use source::check_records;
