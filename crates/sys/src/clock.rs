//! Clocks for those at the edge who may read them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds of the monotonic clock, as of the last timer tick (1 to 10 ms ago): cheap enough for once per batch.
/// Counts from an arbitrary point, usually boot.
#[must_use]
pub fn monotonic_coarse_millis() -> u64 {
    let time = read(libc::CLOCK_MONOTONIC_COARSE);
    seconds(&time) * 1_000 + nanos(&time) / 1_000_000
}

/// Microseconds of the monotonic clock, exact: for latencies.
#[must_use]
pub fn monotonic_micros() -> u64 {
    let time = read(libc::CLOCK_MONOTONIC);
    seconds(&time) * 1_000_000 + nanos(&time) / 1_000
}

/// Microseconds since 1970 by the wall clock; 0 when that lies in the future.
#[must_use]
pub fn wall_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, exclusively borrowed timespec for the length of the call, and the call keeps no pointer.
    // It fails only for clocks the kernel lacks; both clocks used are older than any supported kernel, and on failure
    // `time` stays zero.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time
}

fn seconds(time: &libc::timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0)
}

fn nanos(time: &libc::timespec) -> u64 {
    u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_agree() {
        let before = monotonic_micros();
        let coarse = monotonic_coarse_millis();
        assert!(coarse <= before / 1_000 + 1_000 && coarse + 1_000 >= before / 1_000, "{coarse} {before}");
        assert!(monotonic_micros() >= before);
        assert!(wall_micros() > 1_700_000_000_000_000);
    }
}
