//! Counting: what each desk has given, in cells of its own, added up when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use event::{Action, CacheState, Event, Outcome, Transport};
use wire::code::{CODES_COUNT, Code};

/// RCODEs with a cell of their own: 0 to 23. All others share the last cell.
const RCODES: usize = 24;
/// Upper bounds of the latency buckets, microseconds; one more bucket holds what is slower.
pub const LATENCY_BOUNDS_MICROS: [u32; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000,
];
const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_MICROS.len() + 1;

/// Figures since the start, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that arrived.
    pub queries: u64,
    /// By way of arrival, indexed by `Transport::number`.
    pub transports: [u64; Transport::ALL.len()],
    /// Replies by RCODE 0 to 23; the last cell holds all others.
    pub rcodes: [u64; RCODES + 1],
    /// Replies by return code in the order of the registry; the last cell holds those without a name.
    pub codes: [u64; CODES_COUNT + 1],
    /// By what the client got, indexed by `Outcome::number`.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// By what policy did, indexed by `Action::number`.
    pub actions: [u64; Action::ALL.len()],
    /// By where the answer came from, indexed by `CacheState::number`.
    pub cache: [u64; CacheState::ALL.len()],
    /// By time from arrival to reply: one cell per bound of `LATENCY_BOUNDS_MICROS`, not cumulative, and one for the rest.
    pub latency: [u64; LATENCY_BUCKETS],
    /// Sum of all latencies, microseconds.
    pub latency_sum_micros: u64,
}

impl Counters {
    /// Replies with this RCODE in header and OPT, up to 23.
    #[must_use]
    pub fn rcode(&self, code: Code) -> u64 {
        self.rcodes[..RCODES].get(usize::from(code.number())).copied().unwrap_or(0)
    }

    /// Replies with this return code; all without a name count together.
    #[must_use]
    pub fn code(&self, code: Code) -> u64 {
        self.codes[code.index().unwrap_or(CODES_COUNT)]
    }

    /// Replies with a return code that has no name.
    #[must_use]
    pub fn unnamed(&self) -> u64 {
        self.codes[CODES_COUNT]
    }

    /// Messages answered with silence.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.outcomes[usize::from(Outcome::Dropped.number())]
    }

    /// Questions policy blocked.
    #[must_use]
    pub fn blocked(&self) -> u64 {
        self.actions[usize::from(Action::Block.number())]
    }

    /// Answers from the cache.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.cache[usize::from(CacheState::Hit.number())]
    }

    /// Questions for upstreams.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.cache[usize::from(CacheState::Miss.number())]
    }
}

/// The cells of one desk. Written by its desk alone, so a count is a load and a store; read by anyone. Aligned so that two
/// desks never share a cache line.
#[repr(align(128))]
#[derive(Default)]
pub(crate) struct Tally {
    queries: AtomicU64,
    transports: [AtomicU64; Transport::ALL.len()],
    rcodes: [AtomicU64; RCODES + 1],
    codes: [AtomicU64; CODES_COUNT + 1],
    outcomes: [AtomicU64; Outcome::ALL.len()],
    actions: [AtomicU64; Action::ALL.len()],
    cache: [AtomicU64; CacheState::ALL.len()],
    latency: [AtomicU64; LATENCY_BUCKETS],
    latency_sum_micros: AtomicU64,
}

impl Tally {
    /// Counts an event. Only the desk that owns the tally may call it.
    pub(crate) fn count(&self, event: &Event) {
        bump(&self.queries, 1);
        bump(&self.transports[usize::from(event.transport.number())], 1);
        if let Some(rcode) = event.rcode {
            bump(&self.rcodes[usize::from(rcode).min(RCODES)], 1);
        }
        if let Some(code) = Code::derive(event.rcode, event.tsig_error, event.tkey_error) {
            bump(&self.codes[code.index().unwrap_or(CODES_COUNT)], 1);
        }
        bump(&self.outcomes[usize::from(event.outcome.number())], 1);
        bump(&self.actions[usize::from(event.action.number())], 1);
        bump(&self.cache[usize::from(event.cache.number())], 1);
        let bucket = LATENCY_BOUNDS_MICROS.partition_point(|&bound| bound < event.latency_micros);
        bump(&self.latency[bucket], 1);
        bump(&self.latency_sum_micros, u64::from(event.latency_micros));
    }

    /// Counts a query that got silence because of the limits, and for which no event was made: as [`Tally::count`] would. Only the
    /// desk that owns the tally may call it.
    pub(crate) fn count_held(&self, transport: Transport) {
        bump(&self.queries, 1);
        bump(&self.transports[usize::from(transport.number())], 1);
        bump(&self.outcomes[usize::from(Outcome::Dropped.number())], 1);
        bump(&self.actions[usize::from(Action::Limit.number())], 1);
        bump(&self.cache[usize::from(CacheState::None.number())], 1);
        bump(&self.latency[0], 1);
    }

    pub(crate) fn add_to(&self, counters: &mut Counters) {
        counters.queries += self.queries.load(Relaxed);
        counters.latency_sum_micros += self.latency_sum_micros.load(Relaxed);
        add(&mut counters.transports, &self.transports);
        add(&mut counters.rcodes, &self.rcodes);
        add(&mut counters.codes, &self.codes);
        add(&mut counters.outcomes, &self.outcomes);
        add(&mut counters.actions, &self.actions);
        add(&mut counters.cache, &self.cache);
        add(&mut counters.latency, &self.latency);
    }
}

fn bump(cell: &AtomicU64, by: u64) {
    cell.store(cell.load(Relaxed) + by, Relaxed);
}

fn add(sums: &mut [u64], cells: &[AtomicU64]) {
    for (sum, cell) in sums.iter_mut().zip(cells) {
        *sum += cell.load(Relaxed);
    }
}
