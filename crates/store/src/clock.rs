//! The time retention goes by: the wall clock, unless it has just jumped ahead. A clock that is wrong for an hour must not
//! cost the whole log.
//!
//! Time is an argument.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The wall clock may be this much further on than the time that passed.
const AHEAD_MAX_MICROS: i64 = 3_600_000_000;
/// At start it may be this much later than the time last believed: the log was not written meanwhile.
const ASLEEP_MAX_MICROS: i64 = 24 * 3_600_000_000;
/// A clock that stays ahead this long while the log is open is believed.
const BELIEVED_AFTER: Duration = Duration::from_secs(24 * 3_600);

pub(crate) struct Clock {
    /// The time at `at`.
    micros: i64,
    at: Instant,
    /// How long the wall clock has been too far ahead.
    ahead: Option<Duration>,
}

/// What the manifest keeps of a clock: what was written while the wall clock was wrong does not bear it out at the next start.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Believed {
    /// The time gone by.
    pub(crate) micros: i64,
    /// How long the wall clock had been too far ahead of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ahead_micros: Option<u64>,
}

impl Clock {
    /// Starts with the wall clock; or with the time last believed, or else the newest event that is not later, when that is
    /// long ago.
    pub(crate) fn new(wall_micros: i64, newest_micros: Option<i64>, believed: Option<Believed>, now: Instant) -> Clock {
        let ahead = believed.and_then(|believed| believed.ahead_micros).map(Duration::from_micros);
        let asleep_max_micros = if ahead.is_some() { AHEAD_MAX_MICROS } else { ASLEEP_MAX_MICROS };
        let last = believed.map(|believed| believed.micros).or(newest_micros);
        match last.filter(|&last| wall_micros.saturating_sub(last) > asleep_max_micros) {
            Some(last) => Clock { micros: last, at: now, ahead },
            None => Clock { micros: wall_micros, at: now, ahead: None },
        }
    }

    /// The time to go by. Going back is followed at once: that drops less.
    pub(crate) fn read(&mut self, wall_micros: i64, now: Instant) -> i64 {
        let passed = now.saturating_duration_since(self.at);
        let expected = self.micros.saturating_add(i64::try_from(passed.as_micros()).unwrap_or(i64::MAX));
        *self = Clock { micros: wall_micros, at: now, ahead: self.ahead };
        if wall_micros.saturating_sub(expected) <= AHEAD_MAX_MICROS {
            self.ahead = None;
            return wall_micros;
        }
        if self.ahead.is_none() {
            tracing::warn!(
                "the clock is far ahead of the time that passed: old events are not dropped by it for a day"
            );
        }
        let ahead = self.ahead.map_or(Duration::ZERO, |ahead| ahead.saturating_add(passed));
        self.ahead = (ahead < BELIEVED_AFTER).then_some(ahead);
        if self.ahead.is_some() {
            self.micros = expected;
        }
        self.micros
    }

    /// What is to be kept of it.
    pub(crate) fn believed(&mut self, wall_micros: i64, now: Instant) -> Believed {
        let micros = self.read(wall_micros, now);
        let ahead_micros = self.ahead.map(|ahead| u64::try_from(ahead.as_micros()).unwrap_or(u64::MAX));
        Believed { micros, ahead_micros }
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
        let newest = newest.map(|hours| NOON + hours * HOUR).filter(|&newest| newest <= NOON);
        let mut clock = Clock::new(NOON, newest, None, start);
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

    #[test]
    fn a_wrong_clock_is_not_borne_out_by_what_was_written_under_it() {
        let (start, year) = (Instant::now(), YEAR / HOUR);
        let at = |hours: u64| start + Duration::from_secs(hours * 3_600);
        let mut clock = Clock::new(NOON, None, None, start);
        assert_eq!(clock.read(NOON + YEAR, at(1)), NOON + HOUR);
        // Started again every eight hours, with a newest event of the wrong year; the third day is believed.
        for (session, expect) in [(0, 1), (1, 9), (2, 17), (3, 25 + year)] {
            let begun = session * 8 + 1;
            let wall = NOON + YEAR + (begun as i64) * HOUR;
            let believed = clock.believed(wall, at(begun));
            assert_eq!(believed.micros / HOUR - NOON / HOUR, expect, "session {session}");
            clock = Clock::new(wall, Some(wall), Some(believed), at(begun));
        }
        assert_eq!(clock.believed(NOON + 26 * HOUR, at(26)), Believed { micros: NOON + 26 * HOUR, ahead_micros: None });
    }
}
