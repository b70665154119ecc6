//! The time retention goes by: the wall clock, unless it has just jumped ahead. A clock that is wrong for an hour must not
//! cost the whole log.
//!
//! Time is an argument.

use std::time::{Duration, Instant};

/// The wall clock may be this much further on than the time that passed.
const AHEAD_MAX_MICROS: i64 = 3_600_000_000;
/// At start it may be this much later than the newest event: the log was not written meanwhile.
const ASLEEP_MAX_MICROS: i64 = 24 * 3_600_000_000;
/// A clock that stays ahead this long is believed.
const BELIEVED_AFTER: Duration = Duration::from_secs(24 * 3_600);

pub(crate) struct Clock {
    /// The time at `at`.
    micros: i64,
    at: Instant,
    /// Since when the wall clock has been too far ahead.
    ahead: Option<Instant>,
}

impl Clock {
    /// Starts with the wall clock; or with the newest event that is not later, when that is long ago.
    pub(crate) fn new(wall_micros: i64, newest_micros: Option<i64>, now: Instant) -> Clock {
        let newest = newest_micros.filter(|&newest| wall_micros.saturating_sub(newest) > ASLEEP_MAX_MICROS);
        Clock { micros: newest.unwrap_or(wall_micros), at: now, ahead: None }
    }

    /// The time to go by. Going back is followed at once: that drops less.
    pub(crate) fn read(&mut self, wall_micros: i64, now: Instant) -> i64 {
        let passed = i64::try_from(now.saturating_duration_since(self.at).as_micros()).unwrap_or(i64::MAX);
        let expected = self.micros.saturating_add(passed);
        if wall_micros.saturating_sub(expected) > AHEAD_MAX_MICROS {
            let since = *self.ahead.get_or_insert_with(|| {
                tracing::warn!(
                    "the clock is far ahead of the time that passed: old events are not dropped by it for a day"
                );
                now
            });
            if now.saturating_duration_since(since) < BELIEVED_AFTER {
                return expected;
            }
        }
        *self = Clock { micros: wall_micros, at: now, ahead: None };
        wall_micros
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const YEAR: i64 = 365 * 24 * HOUR;
    const NOON: i64 = 1_800_000_000_000_000;

    /// Steps are hours passed and what the wall clock then says, in hours from noon; the answers are in hours from noon.
    fn check(newest: Option<i64>, steps: &[(u64, i64)], expect: &[i64]) {
        let start = Instant::now();
        let mut clock = Clock::new(NOON, newest.map(|hours| NOON + hours * HOUR), start);
        let read = |&(passed, wall): &(u64, i64)| {
            (clock.read(NOON + wall * HOUR, start + Duration::from_secs(passed * 3_600)) - NOON) / HOUR
        };
        assert_eq!(steps.iter().map(read).collect::<Vec<_>>(), expect, "{steps:?}");
    }

    #[test]
    fn a_clock_that_goes_is_followed() {
        check(None, &[(0, 0), (1, 1), (5, 6), (6, 5)], &[0, 1, 6, 5]);
        check(Some(-10), &[(0, 0), (1, 1)], &[0, 1]);
    }

    #[test]
    fn a_jump_ahead_is_not_believed_for_a_day_and_back_is() {
        let year = YEAR / HOUR;
        check(None, &[(1, year), (2, year + 1), (3, 3)], &[1, 2, 3]);
        check(None, &[(1, year), (24, year + 23), (25, year + 24)], &[1, 24, year + 24]);
        check(None, &[(1, -1), (2, 2)], &[-1, 0]);
    }

    #[test]
    fn a_log_that_slept_is_not_dropped_at_once() {
        check(Some(-50), &[(0, 0), (1, 1), (24, 24)], &[-50, -49, 24]);
        check(Some(-50), &[(0, -50), (1, -49)], &[-50, -49]);
        // An event of the future says nothing about now.
        check(Some(90_000), &[(0, 0), (1, 1)], &[0, 1]);
    }
}
