//! The zones held, found by the names below them, and each one's present state.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use wire::name::{Folded, Name};

use crate::delta::Delta;
use crate::tree::Zone;
use crate::update::Denial;

/// Deltas kept in memory for IXFR.
pub const HISTORY_MAX: usize = 1_000;

/// Where a zone's truth is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Here: file, updates.
    Primary,
    /// At another server; we hold a copy.
    Secondary,
}

/// A zone in service.
#[derive(Debug)]
pub struct Loaded {
    /// The records.
    pub zone: Zone,
    /// Changes that led here, oldest first, at most [`HISTORY_MAX`].
    pub history: Vec<Arc<Delta>>,
}

/// What is to be said of a zone now.
#[derive(Clone, Debug)]
pub enum State {
    /// In service.
    Loaded(Arc<Loaded>),
    /// Not in service: SERVFAIL with this extended error.
    Unavailable {
        /// INFO-CODE (RFC 8914): 14 not ready, 24 invalid data, 0 other.
        ede: u16,
        /// Why, in one line.
        why: Arc<str>,
    },
}

/// Who keeps zones: makes changes durable and tells others. All calls come without locks of readers held.
pub trait Keeper: Send + Sync {
    /// Makes a change durable; returns once it would survive a crash.
    ///
    /// # Errors
    /// When it could not; the change is then not made.
    fn commit(&self, origin: &Folded, delta: &Delta, after: &Zone) -> io::Result<()>;

    /// The zone has another serial now: secondaries are to be told.
    fn changed(&self, origin: &Folded);

    /// A NOTIFY came for a zone we hold as secondary.
    fn notified(&self, origin: &Folded, serial: Option<u32>, from: SocketAddr);
}

/// One zone held.
pub struct Held {
    origin: Folded,
    role: Role,
    state: ArcSwap<State>,
    /// Held while a change is made, so that each begins where the one before ended.
    changing: Mutex<()>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("origin", &self.origin).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Held {
    /// A zone in this state.
    #[must_use]
    pub fn new(origin: Folded, role: Role, state: State) -> Held {
        Held { origin, role, state: ArcSwap::from_pointee(state), changing: Mutex::new(()) }
    }

    /// The apex.
    #[must_use]
    pub fn origin(&self) -> &Folded {
        &self.origin
    }

    /// Primary or secondary.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The present state; cheap.
    #[must_use]
    pub fn state(&self) -> Guard<Arc<State>> {
        self.state.load()
    }

    /// Puts another state in its place; waits for a change under way.
    pub fn set(&self, state: State) {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.state.store(Arc::new(state));
    }

    /// Makes one change: `make` gets the zone and gives the next version with its delta, or `None` for no change; the keeper
    /// makes it durable; then readers see it. Blocks while another change is under way and while the keeper writes.
    ///
    /// # Errors
    /// What `make` denies; SERVFAIL when the zone is not in service or the change could not be kept.
    pub fn change(
        &self,
        keeper: &dyn Keeper,
        make: impl FnOnce(&Zone) -> Result<Option<(Zone, Delta)>, Denial>,
    ) -> Result<Option<u32>, Denial> {
        let servfail = |reason: String| Denial { code: wire::code::Code::SERVFAIL, reason };
        let turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Loaded(before) = State::clone(&self.state.load()) else {
            return Err(servfail("the zone is not in service".to_owned()));
        };
        let Some((zone, delta)) = make(&before.zone)? else { return Ok(None) };
        keeper
            .commit(&self.origin, &delta, &zone)
            .map_err(|error| servfail(format!("the change could not be kept: {error}")))?;
        let serial = delta.serials().1;
        let skipped = (before.history.len() + 1).saturating_sub(HISTORY_MAX);
        let history = before.history.iter().skip(skipped).cloned().chain([Arc::new(delta)]).collect();
        self.state.store(Arc::new(State::Loaded(Arc::new(Loaded { zone, history }))));
        drop(turn);
        keeper.changed(&self.origin);
        Ok(Some(serial))
    }
}

/// All zones held. Immutable: a change of the set is another set; a zone's own changes happen in its [`Held`].
#[derive(Debug, Default)]
pub struct Zones {
    by_origin: HashMap<Folded, Arc<Held>>,
}

impl Zones {
    /// A set; of two with one origin the later counts.
    #[must_use]
    pub fn new(zones: impl IntoIterator<Item = Arc<Held>>) -> Zones {
        Zones { by_origin: zones.into_iter().map(|held| (held.origin().clone(), held)).collect() }
    }

    /// Whether there are none: the hot path then asks no further.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_origin.is_empty()
    }

    /// The zone with this apex.
    #[must_use]
    pub fn get(&self, origin: &Folded) -> Option<&Arc<Held>> {
        self.by_origin.get(origin)
    }

    /// The zone a name belongs to: the one with the longest apex at or above it.
    #[must_use]
    pub fn find(&self, qname: &Folded) -> Option<&Arc<Held>> {
        if self.by_origin.is_empty() {
            return None;
        }
        let ends = qname.label_starts().chain([qname.wire().len() - 1]);
        ends.map(|start| &qname.wire()[start..]).find_map(|wire| {
            let name = Name::new(wire)?.fold();
            self.by_origin.get(&name)
        })
    }

    /// Every zone.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Held>> {
        self.by_origin.values()
    }
}

#[cfg(test)]
mod tests;
