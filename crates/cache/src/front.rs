//! L1: one thread's front cache.
//!
//! Sets of four ways, found by hash: no lock, no allocation, no list. Entries are shared with L2.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use ahash::RandomState;
use wire::name::Folded;

use crate::{Entry, Key, hash, tail};

/// Entries per set.
const WAYS: usize = 4;

/// One thread's front cache: set-associative, no locks, entries shared with L2. `epoch` changes empty it at no cost.
pub struct Front {
    state: RandomState,
    sets: Box<[Set]>,
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").field("entries_max", &(self.sets.len() * WAYS)).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Set {
    /// Hashes beside each other: a lookup that misses looks at nothing else.
    hashes: [u64; WAYS],
    ways: [Option<Way>; WAYS],
    /// One bit per way: asked for since it was last passed over.
    asked: Cell<u8>,
    /// Way to look at first when one has to go.
    hand: u8,
}

struct Way {
    key: Key,
    entry: Arc<Entry>,
    epoch: u64,
}

impl Front {
    /// An empty front for one thread; rounded up to a power of two, at least 4.
    #[must_use]
    pub fn new(entries: usize) -> Front {
        let sets = entries.div_ceil(WAYS).next_power_of_two();
        Front { state: RandomState::new(), sets: std::iter::repeat_with(Set::default).take(sets).collect() }
    }

    /// Looks up without building a `Key`; only fresh entries of this epoch.
    #[must_use]
    #[allow(clippy::too_many_arguments)] // A question and the moment: a struct would be filled for this call alone.
    pub fn get(
        &self,
        qname: &Folded,
        qtype: u16,
        qclass: u16,
        checking_disabled: bool,
        dnssec_ok: bool,
        epoch: u64,
        now_seconds: u32,
    ) -> Option<&Arc<Entry>> {
        let tail = tail(qtype, qclass, checking_disabled, dnssec_ok);
        let hash = hash(&self.state, qname.wire(), tail);
        let set = &self.sets[self.set_index(hash)];
        let at = set.find(hash, |key| key.is(qname.wire(), tail))?;
        let way = set.ways[at].as_ref()?;
        if way.epoch != epoch || now_seconds >= way.entry.expires_at {
            return None;
        }
        set.asked.set(set.asked.get() | 1 << at);
        Some(&way.entry)
    }

    /// Remembers an entry found in L2.
    pub fn put(&mut self, key: &Key, entry: Arc<Entry>, epoch: u64) {
        let (name, tail) = key.parts();
        let hash = hash(&self.state, name, tail);
        let index = self.set_index(hash);
        let set = &mut self.sets[index];
        let at = set.find(hash, |held| held == key).unwrap_or_else(|| set.choose(epoch));
        set.hashes[at] = hash;
        set.ways[at] = Some(Way { key: key.clone(), entry, epoch });
        set.asked.set(set.asked.get() & !(1 << at));
    }

    fn set_index(&self, hash: u64) -> usize {
        // `sets.len()` is a power of two.
        hash as usize & (self.sets.len() - 1)
    }
}

impl Set {
    fn find(&self, hash: u64, is: impl Fn(&Key) -> bool) -> Option<usize> {
        (0..WAYS).find(|&at| self.hashes[at] == hash && self.ways[at].as_ref().is_some_and(|way| is(&way.key)))
    }

    /// The way to give up: empty, else of another epoch, else the next one not asked for.
    fn choose(&mut self, epoch: u64) -> usize {
        let free = self.ways.iter().position(|way| way.as_ref().is_none_or(|way| way.epoch != epoch));
        if let Some(at) = free {
            return at;
        }
        // Ends: passing a way over clears its bit, so the second round takes the first.
        loop {
            let at = usize::from(self.hand) % WAYS;
            self.hand = (at as u8 + 1) % WAYS as u8;
            let asked = self.asked.get();
            if asked & 1 << at == 0 {
                return at;
            }
            self.asked.set(asked & !(1 << at));
        }
    }
}
