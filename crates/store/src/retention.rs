//! Which segments have to go: by age and by size, whole hours at a time.
//!
//! Plain arithmetic over the manifest's entries; time is an argument.

use std::time::Duration;

use crate::manifest::Entry;
use crate::segment::HOUR_MICROS;

/// Files of the segments to drop, oldest first.
pub(crate) fn surplus(
    entries: &[Entry],
    other_bytes: u64,
    now_micros: i64,
    keep_age: Option<Duration>,
    keep_bytes: Option<u64>,
) -> Vec<String> {
    let mut oldest_first: Vec<&Entry> = entries.iter().collect();
    oldest_first.sort_by_key(|entry| (entry.time_max_micros, entry.seq_max));
    let too_old = keep_age.map_or(0, |age| {
        let age_micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let cutoff = hour(now_micros.saturating_sub(age_micros));
        oldest_first.iter().take_while(|entry| hour(entry.time_max_micros) < cutoff).count()
    });
    let too_many = keep_bytes.map_or(0, |bytes| over_size(&oldest_first, other_bytes, bytes));
    oldest_first.iter().take(too_old.max(too_many)).map(|entry| entry.file.clone()).collect()
}

/// How many of the oldest segments must go so that the log fits. The last hour goes segment by segment: dropping
/// all of it would leave a busy server with nothing to look at.
fn over_size(oldest_first: &[&Entry], other_bytes: u64, keep_bytes: u64) -> usize {
    let mut total: u64 = oldest_first.iter().map(|entry| entry.bytes).sum::<u64>() + other_bytes;
    let last_hour = oldest_first.last().map(|entry| hour(entry.time_max_micros));
    let mut gone = 0;
    while total > keep_bytes && gone < oldest_first.len() {
        let this_hour = hour(oldest_first[gone].time_max_micros);
        let whole = Some(this_hour) != last_hour;
        let same = oldest_first[gone..].iter().take_while(|entry| whole && hour(entry.time_max_micros) == this_hour);
        let drop = same.count().max(1);
        total -= oldest_first[gone..gone + drop].iter().map(|entry| entry.bytes).sum::<u64>();
        gone += drop;
    }
    gone
}

fn hour(time_micros: i64) -> i64 {
    time_micros.div_euclid(HOUR_MICROS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments are `hour:bytes`, named by their place; the answer is the places that go.
    fn check(segments: &[(i64, u64)], now_hour: i64, age_hours: Option<u64>, bytes: Option<u64>, expect: &[usize]) {
        let entry = |(at, &(hour, bytes)): (usize, &(i64, u64))| Entry {
            file: at.to_string(),
            rows: 1,
            time_min_micros: hour * HOUR_MICROS,
            time_max_micros: hour * HOUR_MICROS + 5,
            seq_max: at as u64,
            bytes,
            crc: 0,
            schema_version: event::SCHEMA_VERSION,
        };
        let entries: Vec<Entry> = segments.iter().enumerate().map(entry).collect();
        let now_micros = now_hour * HOUR_MICROS + HOUR_MICROS / 2;
        let gone = surplus(&entries, 10, now_micros, age_hours.map(|hours| Duration::from_secs(hours * 3600)), bytes);
        assert_eq!(gone, expect.iter().map(usize::to_string).collect::<Vec<_>>(), "{segments:?}");
    }

    #[test]
    fn nothing_goes_without_a_bound() {
        check(&[(1, 100), (2, 100)], 1_000_000, None, None, &[]);
    }

    #[test]
    fn whole_hours_go_by_age() {
        check(&[(1, 1), (1, 1), (2, 1), (3, 1)], 4, Some(2), None, &[0, 1]);
        check(&[(1, 1), (2, 1)], 4, Some(3), None, &[]);
        check(&[(1, 1), (2, 1)], 400, Some(3), None, &[0, 1]);
    }

    #[test]
    fn whole_hours_go_by_size_oldest_first() {
        check(&[(2, 50), (1, 50), (1, 50), (3, 50)], 4, None, Some(170), &[1, 2]);
        check(&[(2, 50), (1, 50), (1, 50), (3, 50)], 4, None, Some(100), &[1, 2, 0]);
    }

    #[test]
    fn the_last_hour_goes_segment_by_segment() {
        check(&[(3, 50), (3, 50), (3, 50)], 4, None, Some(110), &[0]);
        check(&[(3, 50)], 4, None, Some(0), &[0]);
    }

    #[test]
    fn a_clock_before_1970_or_an_endless_age_drops_nothing() {
        check(&[(-1, 1)], i64::MIN / HOUR_MICROS + 2, Some(u64::MAX / 3600), None, &[]);
    }
}
