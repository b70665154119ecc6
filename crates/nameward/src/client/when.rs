//! Times as people say them, written as the API reads them.
//!
//! Reads no clock: the present and its time zone are an argument. What is not understood here is left for the server to
//! read, which says what it expected.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp};

/// `1h`, `-1h`, `2 days ago`, `today`, `yesterday`, `10:30`, `2026-11-24`, `2026-11-24 10:30`, `@1700000000`, or an instant
/// of the API. Words and times without a zone are of `zone`.
pub(crate) fn instant(text: &str, now: Timestamp, zone: &TimeZone) -> String {
    let text = text.trim();
    said(text, now, zone).unwrap_or_else(|| text.to_owned())
}

fn said(text: &str, now: Timestamp, zone: &TimeZone) -> Option<String> {
    let here = |at: DateTime| Some(zone.to_timestamp(at).ok()?.to_string());
    let midnight = |day: Date| here(day.to_datetime(Time::midnight()));
    let today = zone.to_datetime(now).date();
    match text {
        "now" => return Some(text.to_owned()),
        "today" => return midnight(today),
        "yesterday" => return midnight(today.yesterday().ok()?),
        "tomorrow" => return midnight(today.tomorrow().ok()?),
        _ => {}
    }
    if let Some(seconds) = text.strip_prefix('@') {
        return Some(Timestamp::from_second(seconds.parse().ok()?).ok()?.to_string());
    }
    if let Some(back) = back(text) {
        return Some(format!("now-{back}s"));
    }
    // An instant with a zone is left as it is: read as a time without one it would shift.
    if text.parse::<Timestamp>().is_ok() {
        return None;
    }
    // A date first: of a date with a time, the time alone could be read too.
    match text.parse::<DateTime>() {
        Ok(at) => here(at),
        Err(_) => here(today.to_datetime(text.parse().ok()?)),
    }
}

/// Seconds before the present: `1h`, `-1h`, `1 hour ago`, `now-1h`.
fn back(text: &str) -> Option<i64> {
    let span = text.strip_prefix("now").unwrap_or(text).trim_start_matches('-').trim_end_matches("ago").trim();
    // `+1h` lies ahead, where no event is; `10:30:00` is a time of day, though a span can be written so too.
    if span.starts_with('+') || span.contains(':') {
        return None;
    }
    let span = span.parse::<jiff::Span>().ok()?;
    let seconds = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.as_secs();
    (seconds >= 0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_api_reads_them() {
        // In a zone an hour ahead of UTC, two in summer.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now: Timestamp = "2026-11-24T09:30:00Z".parse().unwrap();
        for (said, sent) in [
            ("1h", "now-3600s"),
            ("-1h", "now-3600s"),
            ("now-1h", "now-3600s"),
            ("90s", "now-90s"),
            ("2 days", "now-172800s"),
            ("1 hour ago", "now-3600s"),
            ("now", "now"),
            ("today", "2026-11-23T23:00:00Z"),
            ("yesterday", "2026-11-22T23:00:00Z"),
            (" tomorrow ", "2026-11-24T23:00:00Z"),
            ("08:15", "2026-11-24T07:15:00Z"),
            ("08:15:30", "2026-11-24T07:15:30Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-11-20 08:15", "2026-11-20T07:15:00Z"),
            ("2026-11-20T08:15:30.5", "2026-11-20T07:15:30.5Z"),
            // Summer: another distance from UTC.
            ("2026-07-01 08:00:00", "2026-07-01T06:00:00Z"),
            ("@1700000000", "2023-11-14T22:13:20Z"),
            ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"),
            ("2026-11-24T10:00:00+05:00", "2026-11-24T10:00:00+05:00"),
            ("1700000000000", "1700000000000"),
            ("last week", "last week"),
            ("", ""),
        ] {
            assert_eq!(instant(said, now, &zone), sent, "{said:?}");
        }
    }
}
