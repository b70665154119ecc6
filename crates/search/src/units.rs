//! Numbers with units: durations, sizes and spans of seconds, read and written.

use crate::fault::shown;

/// What a bare number of a field counts, and the words for its multiples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Just a number.
    One,
    /// Microseconds; a bare number is milliseconds.
    Micros,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

impl Unit {
    fn multiples(self) -> &'static [(&'static str, u64)] {
        match self {
            Unit::One => &[("", 1)],
            Unit::Micros => &[
                ("", 1_000),
                ("us", 1),
                ("µs", 1),
                ("μs", 1),
                ("ms", 1_000),
                ("s", 1_000_000),
                ("m", 60_000_000),
                ("min", 60_000_000),
                ("h", 3_600_000_000),
            ],
            Unit::Bytes => &[("", 1), ("b", 1), ("kb", 1_000), ("kib", 1_024), ("mb", 1_000_000), ("mib", 1 << 20)],
            Unit::Seconds => &[("", 1), ("s", 1), ("m", 60), ("min", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)],
        }
    }

    /// What may be written, for error texts.
    fn expected(self) -> &'static str {
        match self {
            Unit::One => "a number",
            Unit::Micros => "a duration such as 50ms, 300us or 1.5s",
            Unit::Bytes => "a size such as 512, 1232b or 4kb",
            Unit::Seconds => "a number of seconds, or such as 5m, 1h or 2d",
        }
    }

    /// Why a text cannot be read.
    pub(crate) fn refusal(self, text: &str) -> String {
        let number = text.trim_end_matches(char::is_alphabetic);
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let told = shown(text);
        if number.starts_with('-') && number.parse::<f64>().is_ok() {
            format!("`{told}` is less than 0, which this never is")
        } else if digits && self.has_unit(&text[number.len()..]) {
            format!("`{told}` is too large")
        } else {
            format!("`{told}` is not {}", self.expected())
        }
    }

    fn has_unit(self, unit: &str) -> bool {
        self.multiples().iter().any(|(name, _)| *name == unit.to_lowercase())
    }

    /// Reads a number with or without unit. Fractions are taken as long as they come out whole.
    pub(crate) fn read(self, text: &str) -> Option<u64> {
        let digits_end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits_end);
        let unit = unit.to_lowercase();
        let (_, factor) = self.multiples().iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || (number.contains('.') && fraction.is_empty()) {
            return None;
        }
        let mut value = whole.parse::<u64>().ok()?.checked_mul(*factor)?;
        let mut place = *factor;
        for digit in fraction.bytes() {
            let digit = u64::from(digit.checked_sub(b'0').filter(|digit| *digit <= 9)?);
            if place % 10 != 0 && digit != 0 {
                return None;
            }
            place /= 10;
            value = value.checked_add(digit * place)?;
        }
        Some(value)
    }

    /// The plainest text that reads back as this value.
    pub(crate) fn write(self, value: u64) -> String {
        match self {
            Unit::One | Unit::Bytes | Unit::Seconds => value.to_string(),
            Unit::Micros if value != 0 && value.is_multiple_of(1_000_000) => format!("{}s", value / 1_000_000),
            Unit::Micros if value.is_multiple_of(1_000) => format!("{}ms", value / 1_000),
            Unit::Micros => format!("{value}us"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_why_not() {
        for (unit, text, why) in [
            (Unit::Micros, "-5ms", "`-5ms` is less than 0, which this never is"),
            (Unit::Seconds, "99999999999999999999", "`99999999999999999999` is too large"),
            (Unit::Seconds, "9999999999999999999w", "`9999999999999999999w` is too large"),
            (Unit::Bytes, "5ms", "`5ms` is not a size such as 512, 1232b or 4kb"),
            (Unit::One, "-x", "`-x` is not a number"),
            (Unit::One, "", "`` is not a number"),
        ] {
            assert_eq!(unit.refusal(text), why);
        }
        assert!(unit_reads_both_micro_signs());
    }

    fn unit_reads_both_micro_signs() -> bool {
        ["5\u{b5}s", "5\u{3bc}s"].iter().all(|text| Unit::Micros.read(text) == Some(5))
    }

    #[test]
    fn reads_and_writes_units() {
        for (unit, text, value, written) in [
            (Unit::Micros, "50", Some(50_000), "50ms"),
            (Unit::Micros, "50ms", Some(50_000), "50ms"),
            (Unit::Micros, "1.5s", Some(1_500_000), "1500ms"),
            (Unit::Micros, "0.25", Some(250), "250us"),
            (Unit::Micros, "300µs", Some(300), "300us"),
            (Unit::Micros, "0", Some(0), "0ms"),
            (Unit::Micros, "2S", Some(2_000_000), "2s"),
            (Unit::Micros, "1.5us", None, ""),
            (Unit::Micros, "5 ms", None, ""),
            (Unit::Micros, "1.", None, ""),
            (Unit::Micros, ".5", None, ""),
            (Unit::Micros, "1.2.3", None, ""),
            (Unit::Bytes, "1.5kb", Some(1_500), "1500"),
            (Unit::Bytes, "4KiB", Some(4_096), "4096"),
            (Unit::Bytes, "5ms", None, ""),
            (Unit::Seconds, "1h", Some(3_600), "3600"),
            (Unit::Seconds, "99999999999999999999", None, ""),
            (Unit::Seconds, "9999999999999999999w", None, ""),
            (Unit::One, "7", Some(7), "7"),
            (Unit::One, "-7", None, ""),
            (Unit::One, "", None, ""),
        ] {
            assert_eq!(unit.read(text), value, "{text}");
            if let Some(value) = value {
                assert_eq!(unit.write(value), written, "{text}");
                assert_eq!(unit.read(&unit.write(value)), Some(value), "{text}");
            }
        }
    }
}
