//! Which segments to merge next. Plain arithmetic over the manifest's entries; time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::manifest::Entry;
use crate::segment::HOUR_MICROS;

/// Rows a merged segment has at most: what fits in memory next to everything else.
pub(super) const MERGED_ROWS_MAX: u64 = 1 << 20;
/// Rows from which a segment is worth a change of order by itself.
const REORDERED_ROWS_MIN: u64 = 1 << 16;
/// An hour or a day is merged this long after its end: late segments are then in.
const MERGE_AFTER_MICROS: i64 = HOUR_MICROS / 4;
const DAY_HOURS: i64 = 24;

/// Whether a segment is as it will stay until its time is over, and older than what is kept here: then it may go to the
/// remote store. Its day must be over, for a small one becomes one segment.
pub(crate) fn is_settled(entry: &Entry, now_micros: i64, keep_local: Duration) -> bool {
    let day_end = (entry.hour().div_euclid(DAY_HOURS).saturating_add(1)).saturating_mul(DAY_HOURS * HOUR_MICROS);
    let keep_micros = i64::try_from(keep_local.as_micros()).unwrap_or(i64::MAX);
    !entry.remote
        && day_end.saturating_add(MERGE_AFTER_MICROS) < now_micros
        && entry.time_max_micros < now_micros.saturating_sub(keep_micros)
}

/// Files that one segment is to replace, or none: first a day gone by that fits as a whole; then of an hour gone by what
/// fits together; then a large segment that is still in the order of time, or one of an older schema.
pub(super) fn next(entries: &[&Entry], now_micros: i64) -> Vec<String> {
    let over = |end_hour: i64| end_hour.saturating_mul(HOUR_MICROS).saturating_add(MERGE_AFTER_MICROS) < now_micros;
    let groups = |hours: i64| {
        let mut groups: BTreeMap<i64, Vec<&Entry>> = BTreeMap::new();
        for &entry in entries {
            groups.entry(entry.hour().div_euclid(hours)).or_default().push(entry);
        }
        groups.into_iter().filter(move |(group, _)| over(group.saturating_add(1).saturating_mul(hours)))
    };
    let names = |entries: &[&Entry]| entries.iter().map(|entry| entry.file.clone()).collect::<Vec<_>>();
    let days = || {
        groups(DAY_HOURS)
            .map(|(_, day)| day)
            .filter(|day| day.len() > 1 && day.iter().map(|entry| entry.rows).sum::<u64>() <= MERGED_ROWS_MAX)
    };
    if let Some(day) = days().next() {
        return names(&day);
    }
    if let Some(run) = groups(1).find_map(|(_, hour)| run_of(hour)) {
        return names(&run);
    }
    let mut gone_by = groups(1).flat_map(|(_, hour)| hour);
    let reorder = gone_by.find(|entry| {
        let old = entry.schema_version < event::SCHEMA_VERSION;
        (old || !entry.by_client && entry.rows >= REORDERED_ROWS_MIN) && entry.rows <= 2 * MERGED_ROWS_MAX
    });
    reorder.map(|entry| vec![entry.file.clone()]).unwrap_or_default()
}

/// The first segments of an hour that are together not too many rows.
fn run_of(mut hour: Vec<&Entry>) -> Option<Vec<&Entry>> {
    hour.sort_by_key(|entry| entry.time_min_micros);
    let (mut run, mut rows) = (Vec::new(), 0);
    for entry in hour {
        if rows + entry.rows > MERGED_ROWS_MAX {
            if run.len() > 1 {
                return Some(run);
            }
            (run, rows) = (Vec::new(), 0);
        }
        rows += entry.rows;
        run.push(entry);
    }
    (run.len() > 1).then_some(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::entry;

    /// Segments are `hour:rows`, named by their place, and merged ones have rows below zero; the answer is the places merged.
    fn check(segments: &[(i64, i64)], now_hour: i64, expect: &[usize]) {
        let entry = |(at, &(hour, rows)): (usize, &(i64, i64))| {
            let time = hour * HOUR_MICROS + at as i64;
            Entry { rows: rows.unsigned_abs(), by_client: rows < 0, ..entry(&at.to_string(), time, time) }
        };
        let entries: Vec<Entry> = segments.iter().enumerate().map(entry).collect();
        let expect: Vec<String> = expect.iter().map(usize::to_string).collect();
        assert_eq!(
            next(&entries.iter().collect::<Vec<_>>(), now_hour * HOUR_MICROS + HOUR_MICROS / 2),
            expect,
            "{segments:?}"
        );
    }

    const MAX: i64 = MERGED_ROWS_MAX as i64;

    #[test]
    fn small_segments_of_an_hour_gone_by_are_merged() {
        check(&[(1, 10), (1, 10), (2, 10), (1, 10)], 3, &[0, 1, 3]);
        check(&[(1, 10), (2, 10), (2, 10)], 3, &[1, 2]);
    }

    #[test]
    fn the_present_hour_and_small_lone_segments_are_left() {
        check(&[(3, 10), (3, 10)], 3, &[]);
        check(&[(1, 10), (2, 10)], 9, &[]);
        // An hour of the future is never over.
        check(&[(90_000, 10), (90_000, 10)], 9, &[]);
    }

    #[test]
    fn a_merged_segment_stays_within_a_row_group() {
        check(&[(1, -MAX), (1, 5), (1, 5)], 3, &[1, 2]);
        check(&[(1, MAX - 5), (1, 5), (1, 5), (1, 5)], 3, &[0, 1]);
        check(&[(1, -MAX), (1, -MAX)], 3, &[]);
    }

    #[test]
    fn a_small_day_gone_by_becomes_one() {
        check(&[(1, -10), (2, 10), (23, 10), (24, 10)], 24, &[0, 1, 2]);
        check(&[(1, -10), (2, 10), (23, 10), (24, 10)], 23, &[]);
        check(&[(1, -MAX), (2, 10), (23, 10)], 24, &[]);
        check(&[(1, -10)], 50, &[]);
    }

    #[test]
    fn a_large_segment_of_an_hour_gone_by_changes_its_order() {
        check(&[(1, MAX), (2, -MAX), (3, 10)], 4, &[0]);
        check(&[(1, -MAX)], 4, &[]);
        check(&[(4, MAX)], 4, &[]);
    }

    #[test]
    fn a_segment_is_settled_when_its_day_is_over_and_it_is_old_enough() {
        let settled = |hour: i64, now_hour: i64, keep_hours: u64| {
            let entry = entry("0", hour * HOUR_MICROS, hour * HOUR_MICROS + 1);
            let now = now_hour * HOUR_MICROS + HOUR_MICROS / 2;
            is_settled(&entry, now, Duration::from_secs(keep_hours * 3_600))
        };
        assert!(!settled(1, 23, 1), "its day is not over");
        assert!(settled(1, 24, 1));
        assert!(!settled(23, 24, 2) && settled(23, 25, 2));
        assert!(!settled(90_000, 24, 1), "an event of the future");
        assert!(!settled(1, 90_000, u64::MAX / 3_600));
        let there = Entry { remote: true, ..entry("0", 0, 0) };
        assert!(!is_settled(&there, 90_000 * HOUR_MICROS, Duration::ZERO));
    }

    #[test]
    fn a_segment_of_an_older_schema_is_written_in_the_present_one() {
        let old = Entry { schema_version: 1, by_client: true, ..entry("old", HOUR_MICROS, HOUR_MICROS) };
        assert_eq!(next(&[&old], 9 * HOUR_MICROS), ["old"]);
    }
}
