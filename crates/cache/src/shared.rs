//! L2: the cache all threads share.
//!
//! Shards, each a hash index over a slab. An entry is young first: the young have a tenth of the room, and leave in the order they
//! came, the ones that were asked for again into the rest, the others for good. So names that are asked for once, however many are made
//! up, push out each other and nothing that is used. In the rest, entries go round: those asked for since they last came by stay. Who was
//! put out young and comes again soon is taken for used. A hit only sets a bit, so that readers share the lock.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ahash::RandomState;
use wire::name::Folded;
use wire::reply::Stored;

use crate::{Age, Entry, Figures, Key, Settings, hash, is_failure};

/// Shards at most: enough that threads of a large machine rarely meet.
const SHARDS_MAX: usize = 64;

/// Smallest shard worth having; smaller caches have fewer shards, so that large answers still fit.
const SHARD_BYTES_MIN: usize = 1 << 20;

/// Part of a shard's room for entries that were not asked for again yet.
const YOUNG_PART: usize = 10;

/// Bytes of a shard for each name remembered of those put out young: about as many as there are entries.
const BYTES_PER_GONE: usize = 512;

/// What an entry costs besides its own heap data: slab slot, index slot with its share of empty ones, counts of the two
/// allocations behind `Arc`s.
const ENTRY_OVERHEAD_BYTES: usize = size_of::<Slot>() + size_of::<Entry>() + 2 * size_of::<(u64, u32)>() + 64;

/// The shared cache (L2).
pub struct Cache {
    settings: Settings,
    state: RandomState,
    shards: Box<[RwLock<Shard>]>,
    shard_bytes: usize,
    evicted: AtomicU64,
    epoch: AtomicU64,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("settings", &self.settings).finish_non_exhaustive()
    }
}

struct Shard {
    bytes_max: usize,
    /// From the key's hash to its slot. Two keys with one hash displace each other: with a keyed 64-bit hash that costs
    /// an answer once in ages, and the index holds no keys.
    index: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    /// Slots of young entries, the oldest first; empty ones are free once they come by.
    young: VecDeque<u32>,
    young_bytes: usize,
    /// Slots of the others, in the order they come by.
    used: VecDeque<u32>,
    bytes: usize,
    /// Upper halves of hashes put out young, each in the place the lower half says; a newer one takes the place of an older.
    gone: Box<[u32]>,
}

struct Slot {
    hash: u64,
    key: Key,
    entry: Arc<Entry>,
    bytes: usize,
    is_young: bool,
    asked: AtomicBool,
}

/// Passes through what is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(octet);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(settings: Settings) -> Cache {
        let shards = (settings.size_bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        // A power of two, rounded down: the shard is found by masking.
        let shards: usize = 1 << shards.ilog2();
        let shard_bytes = settings.size_bytes / shards;
        Cache {
            settings,
            state: RandomState::new(),
            shards: std::iter::repeat_with(|| RwLock::new(Shard::new(shard_bytes))).take(shards).collect(),
            shard_bytes,
            evicted: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
        }
    }

    /// Its bounds.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Looks up; never returns an entry past `stale_max`.
    #[must_use]
    pub fn get(&self, key: &Key, now_seconds: u32) -> Option<(Arc<Entry>, Age)> {
        let (name, tail) = key.parts();
        self.find(name, tail, now_seconds)
    }

    /// Looks up without building a [`Key`].
    #[must_use]
    pub fn get_question(
        &self,
        qname: &Folded,
        qtype: u16,
        qclass: u16,
        checking_disabled: bool,
        dnssec_ok: bool,
        now_seconds: u32,
    ) -> Option<(Arc<Entry>, Age)> {
        self.find(qname.wire(), crate::tail(qtype, qclass, checking_disabled, dnssec_ok), now_seconds)
    }

    fn find(&self, name: &[u8], tail: crate::Tail, now_seconds: u32) -> Option<(Arc<Entry>, Age)> {
        let hash = hash(&self.state, name, tail);
        let shard = self.read(hash);
        let slot = shard.slot(hash).filter(|slot| slot.key.is(name, tail))?;
        let age = slot.entry.age(now_seconds, self.settings.stale_max)?;
        // Written only when it changes: readers on other cores keep their copy of the line.
        if !slot.asked.load(Relaxed) {
            slot.asked.store(true, Relaxed);
        }
        Some((Arc::clone(&slot.entry), age))
    }

    /// Keeps an answer; only `resolve` calls this. Returns the entry, kept or not: TTL 0 and negative answers without SOA
    /// are not kept, nor is what is larger than a shard. A failure is not put in place of an answer that may still be given
    /// (RFC 8767 §4).
    pub fn put(&self, key: Key, stored: Stored, upstream: Option<Arc<str>>, now_seconds: u32) -> Arc<Entry> {
        let kept_seconds = self.settings.kept_seconds(&stored);
        let failure = is_failure(&stored);
        let entry = Arc::new(Entry::new(&key, stored, upstream, kept_seconds, now_seconds));
        if kept_seconds == 0 {
            return entry;
        }
        let (name, tail) = key.parts();
        let hash = hash(&self.state, name, tail);
        let bytes = weight(&key, &entry);
        let asked = AtomicBool::new(false);
        let slot = Slot { hash, key, entry: Arc::clone(&entry), bytes, is_young: true, asked };
        let mut shard = self.write(hash);
        let still_good = |held: &Slot| {
            held.key == slot.key
                && !held.entry.is_failure()
                && held.entry.age(now_seconds, self.settings.stale_max).is_some()
        };
        if failure && shard.slot(hash).is_some_and(still_good) {
            return entry;
        }
        if bytes > self.shard_bytes {
            shard.remove(hash);
            return entry;
        }
        shard.insert(slot);
        let evicted = shard.make_room(now_seconds, self.settings.stale_max);
        drop(shard);
        if evicted > 0 {
            self.evicted.fetch_add(evicted, Relaxed);
        }
        entry
    }

    /// Empties the cache (new upstreams, operator's wish) and counts its epoch up.
    pub fn clear(&self) {
        for shard in &self.shards {
            *shard.write().unwrap_or_else(PoisonError::into_inner) = Shard::new(self.shard_bytes);
        }
        self.epoch.fetch_add(1, Relaxed);
    }

    /// Counts how often the cache was emptied: part of the epoch that callers give to [`crate::Front`].
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Relaxed)
    }

    /// Figures for status and metrics.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut figures = Figures { evicted: self.evicted.load(Relaxed), ..Figures::default() };
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            figures.entries += shard.index.len() as u64;
            figures.bytes += shard.bytes as u64;
        }
        figures
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        // The index uses the lowest and highest bits of the hash; these are others.
        &self.shards[(hash >> 32) as usize & (self.shards.len() - 1)]
    }

    fn read(&self, hash: u64) -> RwLockReadGuard<'_, Shard> {
        self.shard(hash).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, hash: u64) -> RwLockWriteGuard<'_, Shard> {
        self.shard(hash).write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn new(bytes_max: usize) -> Shard {
        let gone = (bytes_max / BYTES_PER_GONE).max(1).next_power_of_two();
        Shard {
            bytes_max,
            index: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            young: VecDeque::new(),
            young_bytes: 0,
            used: VecDeque::new(),
            bytes: 0,
            gone: vec![0; gone].into(),
        }
    }

    fn slot(&self, hash: u64) -> Option<&Slot> {
        let &at = self.index.get(&hash)?;
        self.slots.get(at as usize)?.as_ref()
    }

    fn insert(&mut self, mut slot: Slot) {
        if let Some(&at) = self.index.get(&slot.hash)
            && let Some(held) = self.slots.get_mut(at as usize).and_then(Option::as_mut)
        {
            // It keeps its place, and what is known of how it is asked for.
            slot.is_young = held.is_young;
            *slot.asked.get_mut() = *held.asked.get_mut();
            self.bytes = self.bytes - held.bytes + slot.bytes;
            if slot.is_young {
                self.young_bytes = self.young_bytes - held.bytes + slot.bytes;
            }
            *held = slot;
            return;
        }
        let (gone_at, gone) = self.gone_at(slot.hash);
        slot.is_young = self.gone[gone_at] != gone;
        let (hash, bytes, is_young) = (slot.hash, slot.bytes, slot.is_young);
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = Some(slot);
                at
            }
            None => {
                // Slots are bounded by bytes: each costs more than ENTRY_OVERHEAD_BYTES.
                let Ok(at) = u32::try_from(self.slots.len()) else { return };
                self.slots.push(Some(slot));
                at
            }
        };
        self.index.insert(hash, at);
        self.bytes += bytes;
        if is_young {
            self.young_bytes += bytes;
            self.young.push_back(at);
        } else {
            self.used.push_back(at);
        }
    }

    /// Takes an entry out; its slot is free once it comes by.
    fn remove(&mut self, hash: u64) {
        let Some(at) = self.index.remove(&hash) else { return };
        if let Some(slot) = self.slots[at as usize].take() {
            self.bytes -= slot.bytes;
            if slot.is_young {
                self.young_bytes -= slot.bytes;
            }
        }
    }

    /// Evicts until what is held fits. Gives the number evicted.
    fn make_room(&mut self, now_seconds: u32, stale_max: u32) -> u64 {
        let mut evicted = 0;
        // Ends: each turn takes an entry out, or frees a slot, or clears a bit that nobody sets meanwhile, or makes one less young.
        while self.bytes > self.bytes_max {
            let from_young = self.young_bytes > self.bytes_max / YOUNG_PART || self.used.is_empty();
            let queue = if from_young { &mut self.young } else { &mut self.used };
            let Some(at) = queue.pop_front() else { break };
            let Some(slot) = self.slots[at as usize].as_mut() else {
                self.free.push(at);
                continue;
            };
            let asked = std::mem::take(slot.asked.get_mut());
            let over = slot.entry.age(now_seconds, stale_max).is_none();
            if asked && !over {
                if std::mem::take(&mut slot.is_young) {
                    self.young_bytes -= slot.bytes;
                }
                self.used.push_back(at);
                continue;
            }
            let hash = slot.hash;
            if from_young && !over {
                let (gone_at, gone) = self.gone_at(hash);
                self.gone[gone_at] = gone;
            }
            self.remove(hash);
            self.free.push(at);
            evicted += 1;
        }
        evicted
    }

    /// Where a hash is remembered, and as what. The shard is found by other bits of the upper half, which differ enough without them.
    fn gone_at(&self, hash: u64) -> (usize, u32) {
        // The length is a power of two.
        (hash as usize & (self.gone.len() - 1), (hash >> 32) as u32)
    }
}

/// Bytes an entry costs, by what it holds. The upstream's name is shared and not counted.
fn weight(key: &Key, entry: &Entry) -> usize {
    let stored = &entry.stored;
    let ede: usize = stored.ede.iter().map(|(_, text)| text.len() + size_of::<(u16, String)>()).sum();
    ENTRY_OVERHEAD_BYTES
        + key.octets.len()
        + entry.domain.len()
        + entry.summary.as_deref().map_or(0, str::len)
        + stored.packet.len()
        + size_of_val(&*stored.ttl_offsets)
        + ede
        + size_of_val(&*stored.targets)
        + size_of_val(&*stored.addresses)
}
