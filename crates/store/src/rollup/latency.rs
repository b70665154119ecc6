//! Latencies as a histogram of buckets that widen with the value: two of them add up exactly, and a quantile is off by
//! less than one in 128.

use crate::varint::{put_varint, take_varint};

/// Buckets of one doubling.
const BUCKETS_PER_DOUBLING: u32 = 64;
/// All buckets of a 32-bit number of microseconds.
pub(super) const BUCKETS: usize = 1_728;
/// Largest relative error of a quantile.
pub const LATENCY_ERROR: f64 = 1.0 / 128.0;
/// What rounding may add to the rank of a quantile.
const RANK_ROUNDING: f64 = 1e-9;

/// How many events took how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Latencies {
    /// Counts one event.
    pub fn add(&mut self, micros: u32) {
        self.counts[usize::from(bucket(micros))] += 1;
        self.total += 1;
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Latencies) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
        self.total = self.total.saturating_add(other.total);
    }

    /// Adds what a packed one has counted; buckets that do not exist are left out.
    pub(super) fn merge_packed(&mut self, packed: &[u8]) -> Option<()> {
        let mut rest = packed;
        let mut at = 0_usize;
        while !rest.is_empty() {
            at = at.checked_add(usize::try_from(take_varint(&mut rest)?).ok()?)?;
            let count = take_varint(&mut rest)?;
            let sum = self.counts.get_mut(at)?;
            *sum = sum.checked_add(count)?;
            self.total = self.total.checked_add(count)?;
        }
        Some(())
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.counts.as_slice())
    }

    /// Events counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency, microseconds, that this part (0 to 1) of the events did not exceed; off by `LATENCY_ERROR` at most.
    /// `None` when nothing was counted.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        // 0.07 of 100 is a hair over 7: no part is meant so exactly.
        let place = ((part.clamp(0.0, 1.0) * self.total as f64 - RANK_ROUNDING).ceil() as u64).max(1);
        let mut seen = 0_u64;
        for (at, count) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if seen >= place {
                return Some(middle(at as u32));
            }
        }
        None
    }
}

/// The bucket of a latency: itself below 128, else 64 to a doubling.
pub(super) fn bucket(micros: u32) -> u16 {
    let shift = micros.checked_ilog2().unwrap_or(0).saturating_sub(BUCKETS_PER_DOUBLING.ilog2());
    (BUCKETS_PER_DOUBLING * shift + (micros >> shift)) as u16
}

fn middle(bucket: u32) -> f64 {
    if bucket < 2 * BUCKETS_PER_DOUBLING {
        return f64::from(bucket);
    }
    let shift = bucket / BUCKETS_PER_DOUBLING - 1;
    let low = u64::from(bucket % BUCKETS_PER_DOUBLING + BUCKETS_PER_DOUBLING) << shift;
    low as f64 + ((1_u64 << shift) - 1) as f64 / 2.0
}

/// Buckets in order with their counts, each as the distance from the one before and the count, both LEB128.
pub(super) fn pack(buckets: impl Iterator<Item = (u16, u32)>) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut before = 0;
    for (bucket, count) in buckets {
        put_varint(&mut packed, u64::from(bucket - before));
        put_varint(&mut packed, count.into());
        before = bucket;
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_within_the_error_of_its_bucket() {
        let mut micros = 0_u32;
        let mut before = 0;
        while micros < u32::MAX - micros / 97 - 1 {
            let bucket = bucket(micros);
            assert!(usize::from(bucket) < BUCKETS && bucket >= before, "{micros}");
            let off = (middle(bucket.into()) - f64::from(micros)).abs();
            assert!(off <= f64::from(micros) * LATENCY_ERROR, "{micros}: off by {off}");
            before = bucket;
            micros += micros / 97 + 1;
        }
        assert_eq!(usize::from(bucket(u32::MAX)), BUCKETS - 1);
    }

    #[test]
    fn packed_counts_come_back() {
        let mut plain = Latencies::default();
        let mut counts = std::collections::BTreeMap::new();
        for micros in [0, 1, 1, 127, 128, 300, 300_000, u32::MAX] {
            plain.add(micros);
            *counts.entry(bucket(micros)).or_insert(0) += 1;
        }
        let packed = pack(counts.into_iter());
        let mut read = Latencies::default();
        read.merge_packed(&packed).unwrap();
        assert_eq!(read, plain);
        assert_eq!(read.quantile(0.0), Some(0.0));
        assert_eq!(read.quantile(0.375), Some(1.0));
        assert_eq!(Latencies::default().quantile(0.5), None);
    }

    #[test]
    fn a_quantile_is_of_the_rank_meant() {
        let mut hundred = Latencies::default();
        (1..=100).for_each(|micros| hundred.add(micros));
        for part in 1..=100 {
            assert_eq!(hundred.quantile(f64::from(part) / 100.0), Some(middle(bucket(part).into())), "{part}");
        }
    }

    #[test]
    fn counts_too_large_to_add_up_are_refused() {
        let mut packed = Vec::new();
        for _ in 0..2 {
            put_varint(&mut packed, 0);
            put_varint(&mut packed, u64::MAX);
        }
        assert_eq!(Latencies::default().merge_packed(&packed), None);
    }

    #[test]
    fn what_is_not_packed_counts_is_refused() {
        for bad in [&[0x80][..], &[1], &[0xff, 0xff, 0xff, 0xff, 0x7f, 1], &[0xff; 12]] {
            assert_eq!(Latencies::default().merge_packed(bad), None, "{bad:?}");
        }
    }
}
