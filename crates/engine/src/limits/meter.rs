//! Buckets that fill up by what is taken and drain with time, in a table of a fixed size.

/// Sets of the table; a power of two, since a set is found by masking.
const SETS: usize = 2_048;
/// Buckets of one set.
const WAYS: usize = 4;

/// Buckets found by key. Takes 128 KiB once something is counted, and no more whoever asks: when a set is full, the bucket that is
/// nearest to empty makes room, so who is held back stays held back.
#[derive(Default)]
pub(super) struct Meter {
    sets: Vec<[Bucket; WAYS]>,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    key: u64,
    /// When it will be empty again, nanoseconds.
    empty_at: u64,
}

impl Meter {
    /// Takes once from the bucket of `key`, unless it is full. What is taken drains in `cost_nanos`; a bucket holds what drains in
    /// `burst_nanos`.
    pub(super) fn take(&mut self, key: u64, cost_nanos: u64, burst_nanos: u64, now_nanos: u64) -> bool {
        if self.sets.is_empty() {
            self.sets = vec![[Bucket::default(); WAYS]; SETS];
        }
        let at = key as usize & (SETS - 1);
        let set = &mut self.sets[at];
        let way = set.iter().position(|bucket| bucket.key == key).unwrap_or_else(|| {
            let (way, _) = set.iter().enumerate().min_by_key(|(_, bucket)| bucket.empty_at).unwrap_or((0, &set[0]));
            set[way] = Bucket { key, empty_at: 0 };
            way
        });
        let bucket = &mut set[way];
        let from = bucket.empty_at.max(now_nanos);
        if from - now_nanos > burst_nanos {
            return false;
        }
        bucket.empty_at = from.saturating_add(cost_nanos);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn taken(meter: &mut Meter, key: u64, times: usize, now: u64) -> usize {
        (0..times).filter(|_| meter.take(key, SECOND / 100, SECOND, now)).count()
    }

    #[test]
    fn a_bucket_drains_at_its_rate() {
        let mut meter = Meter::default();
        assert_eq!(taken(&mut meter, 1, 1_000, SECOND), 101, "a burst");
        assert_eq!(taken(&mut meter, 1, 1_000, SECOND), 0);
        assert_eq!(taken(&mut meter, 1, 1_000, 2 * SECOND), 100, "what drained in a second");
        assert_eq!(taken(&mut meter, 1, 1_000, 2 * SECOND + SECOND / 10), 10);
        assert_eq!(taken(&mut meter, 1, 1_000, 100 * SECOND), 101, "no more than a burst after any time");
    }

    #[test]
    fn many_who_ask_once_do_not_empty_the_bucket_of_one_who_asks_always() {
        let mut meter = Meter::default();
        taken(&mut meter, u64::MAX, 1_000, SECOND);
        for key in 0..100_000 {
            assert!(meter.take(key * 0x9e37_79b9, SECOND / 100, SECOND, SECOND));
        }
        assert_eq!(taken(&mut meter, u64::MAX, 10, SECOND), 0);
    }
}
