//! What all desks share: the rules in force, the cache, the resolver.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use cache::Cache;
use policy::Snapshot;
use resolve::Resolver;
use wire::reply::UDP_SIZE_DEFAULT;

use crate::tally::{Counters, Tally};

/// What the walk goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Largest reply over UDP, whatever the client offers; also the size we put in OPT.
    pub udp_size: u16,
    /// Entries in each desk's own cache.
    pub l1_entries: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { udp_size: UDP_SIZE_DEFAULT, l1_entries: cache::Settings::default().l1_entries }
    }
}

/// What all desks share.
pub struct Shared {
    policy: ArcSwap<Snapshot>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) resolver: Resolver,
    pub(crate) settings: Settings,
    tallies: Mutex<Vec<Arc<Tally>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("epoch", &self.policy.load().epoch).finish_non_exhaustive()
    }
}

impl Shared {
    /// Brings the rooms together.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, cache: Arc<Cache>, resolver: Resolver, settings: Settings) -> Arc<Shared> {
        Arc::new(Shared { policy: ArcSwap::new(snapshot), cache, resolver, settings, tallies: Mutex::default() })
    }

    /// Puts other rules in force. Queries under way end by the rules they began with. The epoch must differ from that of
    /// any snapshot before.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.policy.store(snapshot);
    }

    /// The rules in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.policy.load_full()
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// The resolver.
    #[must_use]
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Figures of all desks together.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counters = Counters::default();
        tallies.iter().for_each(|tally| tally.add_to(&mut counters));
        counters
    }

    pub(crate) fn policy(&self) -> Guard<Arc<Snapshot>> {
        self.policy.load()
    }

    /// A tally for one more desk, counted in `counters` from now on, even after the desk is gone.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tally));
        tally
    }
}
