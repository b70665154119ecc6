//! Answers we already have, and how long we may go on giving them.
//!
//! Holds what upstreams said, never what policy made of it: one entry serves every client. L1 is per thread and
//! lock-free; L2 is shared and sharded. Knows nothing of sockets, clients or rules. Time is an argument: seconds and
//! milliseconds of a monotonic clock started by the caller.

use std::sync::Arc;

use wire::name::Folded;
use wire::reply::Stored;

/// Bounds of the cache.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Memory for L2, bytes; entries are evicted beyond it.
    pub size_bytes: usize,
    /// Entries per thread in L1.
    pub l1_entries: usize,
    /// Shortest time an answer is kept, seconds.
    pub ttl_min: u32,
    /// Longest time a positive answer is kept, seconds.
    pub ttl_max: u32,
    /// Longest time a negative answer is kept, seconds (RFC 2308 §5 suggests hours; default 3 h).
    pub negative_ttl_max: u32,
    /// Time a failure (SERVFAIL) is kept, seconds (RFC 9520: 1 s to 5 min).
    pub failure_ttl: u32,
    /// How long after its end an answer may be given when no upstream answers, seconds (RFC 8767); 0 is off.
    pub stale_max: u32,
}

/// What an answer is kept under. Names compare folded.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Folded name in wire form, then type, class and the flags that change an answer (CD, DO).
    octets: Box<[u8]>,
}

impl Key {
    /// The key of a question.
    #[must_use]
    pub fn new(_qname: &Folded, _qtype: u16, _qclass: u16, _checking_disabled: bool, _dnssec_ok: bool) -> Key {
        todo!()
    }
}

/// A kept answer. Shared: cloning is a count.
#[derive(Debug)]
pub struct Entry {
    /// The packet and what is known of it.
    pub stored: Stored,
    /// Name as shown in the log, made once so that a hit allocates nothing.
    pub domain: Arc<str>,
    /// Answer in short, for the log.
    pub summary: Option<Arc<str>>,
    /// The upstream it came from.
    pub upstream: Option<Arc<str>>,
    /// When it was stored, seconds of the caller's clock.
    pub stored_at: u32,
    /// When it ends, seconds of the caller's clock.
    pub expires_at: u32,
}

/// How old an answer is. Callers must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Within its time.
    Fresh {
        /// Seconds since it was stored.
        age_seconds: u32,
        /// Seconds left.
        left_seconds: u32,
    },
    /// After its time, within `stale_max`.
    Stale {
        /// Seconds since it ended.
        since_seconds: u32,
    },
}

/// The shared cache (L2).
pub struct Cache {}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(_settings: Settings) -> Cache {
        todo!()
    }

    /// Looks up; never returns an entry past `stale_max`.
    #[must_use]
    pub fn get(&self, _key: &Key, _now_seconds: u32) -> Option<(Arc<Entry>, Age)> {
        todo!()
    }

    /// Keeps an answer; only `resolve` calls this. Returns the entry, kept or not (TTL 0 is returned but not kept).
    pub fn put(&self, _key: Key, _stored: Stored, _upstream: Option<Arc<str>>, _now_seconds: u32) -> Arc<Entry> {
        todo!()
    }

    /// Empties the cache (new upstreams, operator's wish).
    pub fn clear(&self) {
        todo!()
    }

    /// Figures for status and metrics.
    #[must_use]
    pub fn figures(&self) -> Figures {
        todo!()
    }
}

/// Figures of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Entries held.
    pub entries: u64,
    /// Bytes held.
    pub bytes: u64,
    /// Entries evicted for room.
    pub evicted: u64,
}

/// One thread's front cache: set-associative, no locks, entries shared with L2. `epoch` changes empty it at no cost.
pub struct Front {}

impl Front {
    /// An empty front for one thread.
    #[must_use]
    pub fn new(_entries: usize) -> Front {
        todo!()
    }

    /// Looks up without building a `Key`; only fresh entries of this epoch.
    #[must_use]
    pub fn get(
        &self,
        _qname: &Folded,
        _qtype: u16,
        _qclass: u16,
        _checking_disabled: bool,
        _dnssec_ok: bool,
        _epoch: u64,
        _now_seconds: u32,
    ) -> Option<&Arc<Entry>> {
        todo!()
    }

    /// Remembers an entry found in L2.
    pub fn put(&mut self, _key: &Key, _entry: Arc<Entry>, _epoch: u64) {
        todo!()
    }
}
