//! The operator's will: lists fetched, kept and compiled, snapshots published by one pointer swap; zones kept.
//!
//! A list comes from a file, a URL or the configuration itself. What was read well is kept as the *last good copy*, and every
//! snapshot is compiled from those copies: a refresh that fails changes nothing but the list's status. Start never waits
//! for the network. Knows no queries and no clients; what a rule means is `policy`'s business. `zones` keeps local zones in the same
//! manner: what was acknowledged is on disk, and what cannot be read anew stays as it was.
//!
//! ```text
//! place --fetch--> .part file --check--> last good copy --compile (all lists)--> Arc<Snapshot> --publish--> the walk
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod control;
mod copies;
mod fetch;
mod settings;
#[cfg(test)]
mod tests;
pub mod zones;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use control::{Control, ListLines, ListState, ReloadError};
pub use settings::{LIST_NAME_BYTES_MAX, Limits, ListSource, Place, Settings, SettingsError};

/// A lock that a panic elsewhere does not take away: every value behind it is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
