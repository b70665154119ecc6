//! Single flight: clients who ask the same while a lookup is under way wait for that lookup.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use cache::Key;
use tokio::sync::watch;

use crate::resolver::Found;

/// What waiters watch: `None` until the lookup ends.
pub(crate) type Ending = watch::Receiver<Option<Found>>;

/// Lookups under way.
pub(crate) struct Flights {
    under_way: Arc<Mutex<HashMap<Key, Ending>>>,
    max: usize,
}

/// How one comes to wait for a lookup.
pub(crate) enum Boarding {
    /// Nobody asks this yet: whoever boards first runs the lookup.
    First(Pilot, Ending),
    /// A lookup is under way.
    Joined(Ending),
    /// As many lookups as allowed are under way.
    Full,
}

/// Ends the flight: lands with what was found, or, dropped without landing, leaves the waiters with a closed channel.
pub(crate) struct Pilot {
    under_way: Arc<Mutex<HashMap<Key, Ending>>>,
    key: Key,
    ending: watch::Sender<Option<Found>>,
}

impl Flights {
    pub(crate) fn new(max: usize) -> Flights {
        Flights { under_way: Arc::default(), max }
    }

    pub(crate) fn board(&self, key: Key) -> Boarding {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let full = under_way.len() >= self.max;
        match under_way.entry(key) {
            Entry::Occupied(flight) => Boarding::Joined(flight.get().clone()),
            Entry::Vacant(_) if full => Boarding::Full,
            Entry::Vacant(free) => {
                let (ending, watched) = watch::channel(None);
                let key = free.key().clone();
                free.insert(watched.clone());
                Boarding::First(Pilot { under_way: Arc::clone(&self.under_way), key, ending }, watched)
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Pilot {
    pub(crate) fn land(self, found: Found) {
        self.ending.send_replace(Some(found));
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
