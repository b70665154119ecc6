//! When a secondary asks its primaries, and when its copy is too old (RFC 1035 §3.3.13, RFC 1996 §3.11). Times are arguments.

use std::time::{Duration, SystemTime};

use zone::Zone;

/// What is said of a copy that is too old.
pub(crate) const EXPIRED: &str = "expired: no primary has confirmed it within the time its SOA gives";

/// Bounds on what an SOA may ask for: a primary must not make us ask without end, nor never.
const REFRESH: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(7 * 86_400));
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(86_400));
const EXPIRE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(365 * 86_400));
/// First wait while there is no copy, doubled with each failure.
const FIRST: Duration = Duration::from_secs(5);
/// Longest wait while there is no copy.
const FIRST_MAX: Duration = Duration::from_secs(600);
/// As much of a wait, in percent, is taken off by chance, so that not all zones of a primary ask at once.
const JITTER_PERCENT: u64 = 10;

/// Times an SOA gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timers {
    refresh: Duration,
    retry: Duration,
    expire: Duration,
}

impl Timers {
    pub(crate) fn of(zone: &Zone) -> Option<Timers> {
        let soa = zone.soa()?;
        // After two names: SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM.
        let numbers = soa.rdata.get(soa.rdata.len().checked_sub(20)?..)?;
        let seconds = |at: usize, (min, max): (Duration, Duration)| {
            let octets = numbers.get(at..at + 4)?.try_into().ok()?;
            Some(Duration::from_secs(u64::from(u32::from_be_bytes(octets))).clamp(min, max))
        };
        Some(Timers { refresh: seconds(4, REFRESH)?, retry: seconds(8, RETRY)?, expire: seconds(12, EXPIRE)? })
    }
}

/// When to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    timers: Option<Timers>,
    /// When a primary last confirmed the copy.
    pub(crate) refreshed: Option<SystemTime>,
    /// When the primaries are asked next.
    pub(crate) due: SystemTime,
    failures: u32,
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule::new(SystemTime::UNIX_EPOCH)
    }
}

impl Schedule {
    /// Nothing is there: due at once.
    pub(crate) fn new(now: SystemTime) -> Schedule {
        Schedule { timers: None, refreshed: None, due: now, failures: 0 }
    }

    /// There is a copy from before the start; still due at once, for it may have changed meanwhile.
    pub(crate) fn restore(&mut self, refreshed: SystemTime, zone: &Zone) {
        self.timers = Timers::of(zone);
        self.refreshed = Some(refreshed);
    }

    /// A primary has confirmed or sent the zone. `chance` is a random number.
    pub(crate) fn succeeded(&mut self, now: SystemTime, zone: &Zone, chance: u64) {
        self.timers = Timers::of(zone);
        self.refreshed = Some(now);
        self.failures = 0;
        let wait = self.timers.map_or(REFRESH.0, |timers| timers.refresh);
        self.due = after(now, jittered(wait, chance));
    }

    /// No primary answered.
    pub(crate) fn failed(&mut self, now: SystemTime, chance: u64) {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16)).min(FIRST_MAX);
        self.failures = self.failures.saturating_add(1);
        self.due = after(now, jittered(self.timers.map_or(doubled, |timers| timers.retry), chance));
    }

    /// When the copy is too old; `None` while there is none.
    pub(crate) fn expires(&self) -> Option<SystemTime> {
        Some(after(self.refreshed?, self.timers?.expire))
    }

    pub(crate) fn is_expired(&self, now: SystemTime) -> bool {
        self.expires().is_some_and(|expires| expires <= now)
    }
}

fn jittered(wait: Duration, chance: u64) -> Duration {
    let percent = 100 - chance % (JITTER_PERCENT + 1);
    wait.saturating_mul(percent as u32) / 100
}

/// Some time later; every wait is bounded by [`EXPIRE`], so that only a clock near the end of time stays where it is.
fn after(time: SystemTime, wait: Duration) -> SystemTime {
    time.checked_add(wait).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use wire::name::Folded;

    use super::*;

    fn zone(refresh: u64, retry: u64, expire: u64) -> Zone {
        let text = format!("@ 60 SOA ns hostmaster 7 {refresh} {retry} {expire} 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n");
        let origin = Folded::from_text("copy.example").unwrap();
        zone::file::read("copy", &text, &origin, &mut |_| Err("none".into())).unwrap()
    }

    /// Follows one secondary: `+N good|bad`, N seconds later; gives when it is due and expires, in seconds from the start.
    fn follow(zone: &Zone, steps: &[(u64, bool)]) -> Vec<(u64, u64)> {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let since = |time: SystemTime| time.duration_since(start).unwrap().as_secs();
        let mut schedule = Schedule::new(start);
        let mut now = start;
        let step = |&(wait, good): &(u64, bool)| {
            now += Duration::from_secs(wait);
            if good {
                schedule.succeeded(now, zone, 0)
            } else {
                schedule.failed(now, 0)
            }
            (since(schedule.due), schedule.expires().map_or(0, since))
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn the_soa_says_when() {
        let plain = zone(3_600, 600, 86_400);
        assert_eq!(follow(&plain, &[(0, true), (3_600, true)]), [(3_600, 86_400), (7_200, 90_000)]);
        // A failure asks again after RETRY; the copy's age goes on.
        assert_eq!(
            follow(&plain, &[(0, true), (3_600, false), (600, false)]),
            [(3_600, 86_400), (4_200, 86_400), (4_800, 86_400)]
        );
        // Nothing there yet: 5, 10, 20 seconds.
        assert_eq!(follow(&plain, &[(0, false), (5, false), (10, false)]), [(5, 0), (15, 0), (35, 0)]);
        // Absurd times are bounded.
        assert_eq!(follow(&zone(0, 0, 0), &[(0, true), (1, false)]), [(10, 60), (6, 60)]);
        let long = u64::from(u32::MAX);
        assert_eq!(follow(&zone(long, long, long), &[(0, true)]), [(604_800, 31_536_000)]);
    }

    #[test]
    fn chance_takes_at_most_a_tenth_off() {
        let waits: Vec<u64> = (0..11).map(|chance| jittered(Duration::from_secs(1_000), chance).as_secs()).collect();
        assert_eq!((waits[0], waits[5], waits[10]), (1_000, 950, 900));
    }

    #[test]
    fn a_copy_from_before_the_start_is_due_and_may_be_expired() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let mut schedule = Schedule::new(now);
        schedule.restore(now - Duration::from_secs(86_399), &zone(3_600, 600, 86_400));
        assert!(schedule.due <= now && !schedule.is_expired(now) && schedule.is_expired(now + Duration::from_secs(1)));
    }
}
