//! Times as logs write them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Clocks of two machines may differ by so much before a time without a year is taken for last year's.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// How to read what a time leaves out.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    /// The zone of times that name none.
    pub(crate) zone: TimeZone,
    /// What is written in the log is not later than this, microseconds since the epoch: gives the year to times without one.
    pub(crate) until_micros: Option<i64>,
}

impl Times {
    /// The time a line begins with, microseconds since the epoch, and what follows it.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn lead<'a>(&self, line: &'a str) -> Result<(i64, &'a str), String> {
        let line = line.trim_start();
        if let Some((epoch, rest)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            return Ok((epoch_micros(epoch).ok_or_else(|| no_time(line))?, rest));
        }
        let (first, rest) = line.split_once(' ').ok_or_else(|| no_time(line))?;
        if first.contains('T') && first.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok((self.iso(first)?, rest));
        }
        if MONTHS.contains(&first) {
            let (day, rest) = rest.trim_start().split_once(' ').ok_or_else(|| no_time(line))?;
            let (clock, rest) = rest.split_once(' ').ok_or_else(|| no_time(line))?;
            return Ok((self.without_year(first, day, clock).ok_or_else(|| no_time(line))??, rest));
        }
        // 24-Nov-2026 17:59:06.123
        let (clock, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut date = first.split('-');
        let parts = (date.next(), date.next(), date.next());
        let (Some(day), Some(month), Some(year)) = parts else { return Err(no_time(line)) };
        let year = year.parse().map_err(|_| no_time(line))?;
        let civil = civil(year, month, day, clock).ok_or_else(|| no_time(line))?;
        Ok((self.zoned(civil)?, rest))
    }

    /// A time as RFC 3339 has it, or the same without a zone.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn iso(&self, text: &str) -> Result<i64, String> {
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(time.as_microsecond());
        }
        self.zoned(text.parse::<DateTime>().map_err(|_| no_time(text))?)
    }

    fn without_year(&self, month: &str, day: &str, clock: &str) -> Option<Result<i64, String>> {
        let Some(until) = self.until_micros else {
            return Some(Err("a time without a year, and nothing to tell it by".to_owned()));
        };
        let until = Timestamp::from_microsecond(until).ok()?.checked_add(AHEAD).ok()?;
        let last = self.zone.to_datetime(until).year();
        // 29 February is not in every year.
        let years = (0..8).filter_map(|back| last.checked_sub(back));
        years.into_iter().find_map(|year| {
            let time = self.zoned(civil(year, month, day, clock)?).ok()?;
            (time <= until.as_microsecond()).then_some(Ok(time))
        })
    }

    fn zoned(&self, civil: DateTime) -> Result<i64, String> {
        self.zone.to_timestamp(civil).map(|time| time.as_microsecond()).map_err(|error| error.to_string())
    }
}

fn no_time(text: &str) -> String {
    format!("no time in `{}`", crate::blank::shortened(text))
}

fn civil(year: i16, month: &str, day: &str, clock: &str) -> Option<DateTime> {
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as i8 + 1;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute, second) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
    let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
    let digits = fraction.get(..fraction.len().min(9))?;
    let nanos = if digits.is_empty() {
        0
    } else {
        digits.parse::<i32>().ok()?.checked_mul(10i32.pow(9 - digits.len() as u32))?
    };
    DateTime::new(year, month, day.parse().ok()?, hour, minute, second.parse().ok()?, nanos).ok()
}

/// Seconds since the epoch with a fraction, as microseconds. Digits by digits: a float would round.
pub(crate) fn epoch_micros(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if seconds.is_empty() || !seconds.bytes().chain(fraction.bytes()).all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.get(..fraction.len().min(6))?;
    let micros = if digits.is_empty() { 0 } else { digits.parse::<i64>().ok()? * 10i64.pow(6 - digits.len() as u32) };
    seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
}

/// Seconds as a fraction, as whole microseconds; negative and absurd ones as 0.
pub(crate) fn seconds_micros(seconds: f64) -> u32 {
    // Saturates, and is 0 for what is no number.
    (seconds * 1e6).round() as u32
}
