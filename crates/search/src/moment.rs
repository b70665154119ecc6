//! Instants as people write them: RFC 3339, Unix milliseconds, `now`, `now-1h`, `-15m`.
//!
//! Reads no clock: the present is an argument, and a span before it stays a span until someone says when now is.

use jiff::Timestamp;

use crate::fault::shown;
use crate::units::Unit;

/// A point in time, or a span before a present not yet known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Microseconds since the Unix epoch.
    At(i64),
    /// Seconds before the present.
    Ago(i64),
}

impl Moment {
    /// Reads one; `Err` says what was expected.
    pub(crate) fn read(text: &str) -> Result<Moment, String> {
        if text == "now" {
            return Ok(Moment::Ago(0));
        }
        if let Some(span) = text.strip_prefix("now-").or_else(|| text.strip_prefix('-')) {
            let seconds = Unit::Seconds.read(span).and_then(|seconds| i64::try_from(seconds).ok());
            // A span that reaches beyond what microseconds can hold is not a span of a log.
            let seconds = seconds.filter(|seconds| seconds.checked_mul(1_000_000).is_some());
            return seconds
                .map(Moment::Ago)
                .ok_or_else(|| format!("`{}` is not a span such as 90s, 15m, 1h or 7d", shown(span)));
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let micros = text.parse::<i64>().ok().and_then(|millis| millis.checked_mul(1_000));
            return micros
                .map(Moment::At)
                .ok_or_else(|| format!("`{}` is too large for Unix milliseconds", shown(text)));
        }
        match text.parse::<Timestamp>() {
            Ok(timestamp) => Ok(Moment::At(timestamp.as_microsecond())),
            Err(_) => Err(format!(
                "`{}` is not an instant: write 2026-01-31T08:00:00Z, a span before now such as -15m, or Unix milliseconds",
                shown(text)
            )),
        }
    }

    /// Whether this comes after `other` whenever now is; unknown for an instant beside a span.
    pub(crate) fn is_after(self, other: Moment) -> bool {
        match (self, other) {
            (Moment::At(this), Moment::At(other)) => this > other,
            (Moment::Ago(this), Moment::Ago(other)) => this < other,
            _ => false,
        }
    }

    /// The instant, given the present.
    pub(crate) fn micros(self, now_micros: i64) -> i64 {
        match self {
            Moment::At(micros) => micros,
            Moment::Ago(seconds) => now_micros.saturating_sub(seconds.saturating_mul(1_000_000)),
        }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Moment::At(micros) => match Timestamp::from_microsecond(*micros) {
                Ok(timestamp) => write!(f, "{timestamp}"),
                // Beyond the calendar (years -9999 to 9999): only digits can say it.
                Err(_) => write!(f, "{}", micros / 1_000),
            },
            Moment::Ago(0) => f.write_str("now"),
            Moment::Ago(seconds) => write!(f, "-{}", span(*seconds)),
        }
    }
}

fn span(seconds: i64) -> String {
    for (unit, width) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds % width == 0 {
            return format!("{}{unit}", seconds / width);
        }
    }
    format!("{seconds}s")
}

/// Reads `now`, `now-90s`, `now-1h`, `now-7d`, `-15m`, an RFC 3339 instant, or Unix milliseconds, given the present.
///
/// # Errors
/// Says which text could not be read.
pub fn instant(text: &str, now_micros: i64) -> Result<i64, String> {
    Moment::read(text.trim()).map(|moment| moment.micros(now_micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_instants() {
        let now = 1_700_000_000_000_000;
        for (text, micros) in [
            ("now", Some(now)),
            ("now-90s", Some(now - 90_000_000)),
            ("now-1h", Some(now - 3_600_000_000)),
            ("now-7d", Some(now - 604_800_000_000)),
            ("-15m", Some(now - 900_000_000)),
            ("2023-11-14T22:13:20Z", Some(now)),
            ("2023-11-14T23:13:20.000001+01:00", Some(now + 1)),
            ("1700000000000", Some(now)),
            ("", None),
            ("now+1h", None),
            ("now-", None),
            ("now-1x", None),
            ("yesterday", None),
            ("99999999999999999999", None),
            ("now-9223372036854775807s", None),
        ] {
            assert_eq!(instant(text, now).ok(), micros, "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for moment in
            [Moment::At(0), Moment::At(1_700_000_000_000_001), Moment::Ago(0), Moment::Ago(90), Moment::Ago(7200)]
        {
            assert_eq!(Moment::read(&moment.to_string()), Ok(moment));
        }
    }
}
