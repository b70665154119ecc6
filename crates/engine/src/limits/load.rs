//! Whether a thread keeps up with what arrives, and if not, how much one client may have of it.
//!
//! A thread that finds its receive batches full, one after the other, has a queue before it that only grows until the system drops what
//! does not fit, from whomever it comes. Then the share of each is made smaller, step by step, until the queue is gone: only those who
//! ask more than that are held back, and holding back costs much less than answering. When the queue is gone, shares grow again, slowly: each
//! time they have grown too far, the system drops again before the next step down.

/// Time over which batches are looked at, microseconds.
const SLICE_MICROS: u64 = 20_000;
/// Batches of a slice that must have been full, and all of them, to call it behind.
const BATCHES_MIN: u32 = 8;
/// Slices for which clients are counted after one that was behind.
const COUNTED_SLICES: u32 = 50;
/// Slices that may pass until a thread with a queue comes to look at the time again.
const SLICES_LATE_MAX: u32 = 4;
/// Slices between two steps down: a queue takes its time to go, and shares that are made smaller meanwhile would hold back those who do
/// not ask much.
const STEP_SLICES: u32 = 3;
/// A client that asks less than this part of all queries is not the one to hold back; unless the queue stays for so many slices.
const SMALL_PART: u32 = 256;
const SMALL_SLICES: u32 = 50;
/// What a client may always have, queries in a slice.
const SHARE_MIN: u32 = 2;
/// Slices whose share may be asked at once.
const BURST_SLICES: u64 = 4;

#[derive(Default)]
pub(super) struct Load {
    slice_began: u64,
    batches: u32,
    full: u32,
    queries: u32,
    /// Slices behind without one that was not.
    behind_for: u32,
    /// Slices for which clients are still counted.
    counted: u32,
    /// Queries of one client in a slice; `None` while nobody is held back.
    share: Option<u32>,
    /// One client of those counted, and whether there are others. One alone takes nothing from anybody.
    one: u64,
    others: bool,
    others_for: u32,
}

impl Load {
    pub(super) fn batch(&mut self, queries: usize, full: bool, now_micros: u64) {
        if now_micros.saturating_sub(self.slice_began) >= SLICE_MICROS {
            self.turn(now_micros);
        }
        self.batches += 1;
        self.full += u32::from(full);
        self.queries = self.queries.saturating_add(u32::try_from(queries).unwrap_or(u32::MAX));
    }

    /// Whether it matters now who asks.
    pub(super) fn is_counted(&self) -> bool {
        self.counted > 0
    }

    /// Nanoseconds one query of this client costs it, and that it may owe; `None` while nobody is held back.
    pub(super) fn share(&mut self, key: u64) -> Option<(u64, u64)> {
        if self.one == 0 {
            self.one = key;
        } else if self.one != key {
            self.others = true;
        }
        let slice_nanos = SLICE_MICROS * 1_000;
        self.share.map(|share| (slice_nanos / u64::from(share.max(1)), BURST_SLICES * slice_nanos))
    }

    fn turn(&mut self, now_micros: u64) {
        let slices = now_micros.saturating_sub(self.slice_began) / SLICE_MICROS;
        let passed = u32::try_from(slices).unwrap_or(u32::MAX);
        // After a pause there is no queue, whatever was before it.
        let behind = self.batches >= BATCHES_MIN && self.full == self.batches && passed <= SLICES_LATE_MAX;
        self.behind_for = if behind { self.behind_for.saturating_add(1) } else { 0 };
        self.others_for = if self.others { COUNTED_SLICES } else { self.others_for.saturating_sub(passed) };
        // As long as somebody is held back: else the flood would be let in again before anybody looks.
        let holding = self.share.is_some() && passed <= SLICES_LATE_MAX;
        self.counted = if behind || holding { COUNTED_SLICES } else { self.counted.saturating_sub(passed) };
        self.share = match self.share {
            _ if self.counted == 0 || self.others_for == 0 => None,
            share if behind && self.behind_for % STEP_SLICES != 1 => share,
            share if behind => {
                let least = if self.behind_for < SMALL_SLICES { self.queries / SMALL_PART } else { 0 };
                Some((share.unwrap_or(self.queries) / 2).max(least).max(SHARE_MIN))
            }
            // Nobody can ask more than all do.
            Some(share) if share >= self.queries => None,
            share => share.map(|share| share + (share / 64).max(1)),
        };
        (self.slice_began, self.batches, self.full, self.queries) = (now_micros, 0, 0, 0);
        (self.one, self.others) = (0, false);
    }
}

#[cfg(test)]
mod tests;
