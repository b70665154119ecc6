//! What has to go: whole segments by age and by size; single events where a segment is long, and those of a tenant by the
//! tenant's time. Times are cut to hours.
//!
//! Plain arithmetic over the manifest's entries; time is an argument.

use std::sync::Arc;
use std::time::Duration;

use crate::manifest::Entry;
use crate::segment::HOUR_MICROS;

/// Hours a segment may touch before single hours of it are dropped: a segment that spans no more waits until all of it is
/// due.
const WAITS_HOURS_MAX: i64 = 2;

/// How long events are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) keep_age: Option<Duration>,
    pub(crate) keep_bytes: Option<u64>,
    pub(crate) tenants: Vec<(Arc<str>, Duration)>,
}

impl Bounds {
    /// Events of anybody before this time have to go.
    pub(crate) fn cutoff(&self, now_micros: i64) -> i64 {
        self.keep_age.map_or(i64::MIN, |age| cutoff(now_micros, age))
    }
}

/// The start of the first hour kept.
pub(crate) fn cutoff(now_micros: i64, keep: Duration) -> i64 {
    let keep_micros = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
    hour(now_micros.saturating_sub(keep_micros)).saturating_mul(HOUR_MICROS)
}

/// Whether a segment of many hours has events before the cutoff: one merged for a day, or with the event of a clock that was
/// wrong.
pub(crate) fn straddles(entry: &Entry, cutoff_micros: i64) -> bool {
    let hours = hour(entry.time_max_micros).saturating_sub(hour(entry.time_min_micros)) + 1;
    hours > WAITS_HOURS_MAX && entry.time_min_micros < cutoff_micros
}

/// Whether a tenant's events are due in a segment where its oldest is at this time.
pub(crate) fn has_due(entry: &Entry, oldest_micros: i64, now_micros: i64, keep: Duration) -> bool {
    let cutoff = cutoff(now_micros, keep);
    oldest_micros < cutoff && (entry.time_max_micros < cutoff || straddles(entry, cutoff))
}

/// When the next hour of whole segments is dropped by age, with its rows and bytes.
pub(crate) fn next_purge(entries: &[&Entry], keep_age: Option<Duration>) -> Option<(i64, u64, u64)> {
    let age_micros = i64::try_from(keep_age?.as_micros()).unwrap_or(i64::MAX);
    let first = entries.iter().map(|entry| hour(entry.time_max_micros)).min()?;
    let due: Vec<_> = entries.iter().filter(|entry| hour(entry.time_max_micros) == first).collect();
    let at = first.saturating_add(1).saturating_mul(HOUR_MICROS).saturating_add(age_micros);
    Some((at, due.iter().map(|entry| entry.rows).sum(), due.iter().map(|entry| entry.disk_bytes()).sum()))
}

/// Files of the segments to drop, oldest first.
pub(crate) fn surplus(entries: &[Entry], other_bytes: u64, now_micros: i64, bounds: &Bounds) -> Vec<String> {
    let cutoff = bounds.cutoff(now_micros);
    let (too_old, mut oldest_first): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|entry| entry.time_max_micros < cutoff);
    // By the event in the middle: a single one of the future must not keep a segment when younger ones go.
    oldest_first.sort_by_key(|entry| (entry.hour(), entry.time_max_micros, entry.seq_max));
    let too_many = bounds.keep_bytes.map_or(0, |bytes| over_size(&oldest_first, other_bytes, bytes));
    too_old.into_iter().chain(oldest_first.into_iter().take(too_many)).map(|entry| entry.file.clone()).collect()
}

/// How many of the oldest segments must go so that the log fits. The last hour goes segment by segment: dropping
/// all of it would leave a busy server with nothing to look at.
fn over_size(oldest_first: &[&Entry], other_bytes: u64, keep_bytes: u64) -> usize {
    let mut total: u64 = oldest_first.iter().map(|entry| entry.disk_bytes()).sum::<u64>() + other_bytes;
    let last_hour = oldest_first.last().map(|entry| entry.hour());
    let mut gone = 0;
    while total > keep_bytes && gone < oldest_first.len() {
        let this_hour = oldest_first[gone].hour();
        let whole = Some(this_hour) != last_hour;
        let same = oldest_first[gone..].iter().take_while(|entry| whole && entry.hour() == this_hour);
        let drop = same.count().max(1);
        total -= oldest_first[gone..gone + drop].iter().map(|entry| entry.disk_bytes()).sum::<u64>();
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
    use crate::manifest::tests::entry;

    /// Segments are `hour:bytes`, named by their place; the answer is the places that go.
    fn check(segments: &[(i64, u64)], now_hour: i64, age_hours: Option<u64>, bytes: Option<u64>, expect: &[usize]) {
        let entry = |(at, &(hour, bytes)): (usize, &(i64, u64))| {
            let time = hour * HOUR_MICROS;
            Entry { bytes, seq_max: at as u64, ..entry(&at.to_string(), time, time + 5) }
        };
        let entries: Vec<Entry> = segments.iter().enumerate().map(entry).collect();
        let now_micros = now_hour * HOUR_MICROS + HOUR_MICROS / 2;
        let keep_age = age_hours.map(|hours| Duration::from_secs(hours * 3600));
        let gone = surplus(&entries, 10, now_micros, &Bounds { keep_age, keep_bytes: bytes, tenants: Vec::new() });
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
    fn a_single_event_of_the_future_neither_drops_the_present_nor_keeps_the_past() {
        let hours = |count: i64| count * HOUR_MICROS;
        let wrong = Entry { time_mid_micros: Some(hours(1)), bytes: 50, ..entry("wrong", hours(1), hours(90_000)) };
        let right = Entry { bytes: 50, ..entry("right", hours(3), hours(3) + 5) };
        let both = [right, wrong.clone()];
        let by_age = Bounds { keep_age: Some(Duration::from_secs(2 * 3600)), ..Bounds::default() };
        let by_size = Bounds { keep_bytes: Some(60), ..Bounds::default() };
        assert_eq!(surplus(&both, 0, hours(4), &by_age), Vec::<String>::new());
        assert_eq!(surplus(&both, 0, hours(4), &by_size), ["wrong"]);
        // Its events of the past are dropped by writing it anew.
        assert!(straddles(&wrong, cutoff(hours(4), Duration::from_secs(2 * 3600))));
        assert!(!straddles(&both[0], cutoff(hours(6), Duration::from_secs(2 * 3600))));
    }

    #[test]
    fn a_tenants_events_are_due_by_whole_segments_unless_those_are_long() {
        let hours = |count: i64| count * HOUR_MICROS;
        let keep = Duration::from_secs(2 * 3600);
        let short = entry("short", hours(1), hours(2) - 1);
        assert!(!has_due(&short, hours(1), hours(4) - 1, keep));
        assert!(has_due(&short, hours(1), hours(4), keep));
        let day = entry("day", hours(0), hours(24) - 1);
        assert!(has_due(&day, hours(1), hours(4), keep));
        assert!(!has_due(&day, hours(2), hours(4), keep));
    }

    #[test]
    fn the_next_purge_is_of_the_oldest_hour() {
        let hours = |count: i64| count * HOUR_MICROS;
        let entries = [entry("a", hours(1), hours(1)), entry("b", hours(1), hours(1)), entry("c", hours(2), hours(2))];
        let entries: Vec<&Entry> = entries.iter().collect();
        assert_eq!(next_purge(&entries, Some(Duration::from_secs(3600))), Some((hours(3), 2, 2)));
        assert_eq!(next_purge(&entries, None), None);
        assert_eq!(next_purge(&[], Some(Duration::ZERO)), None);
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
