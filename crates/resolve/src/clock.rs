//! This crate's only look at a clock: the driver's edge. The cache counts in its seconds.

/// Microseconds of the system's monotonic clock.
pub(crate) fn micros() -> u64 {
    sys::clock::monotonic_micros()
}

/// Whole seconds of the same clock.
pub(crate) fn seconds() -> u32 {
    u32::try_from(sys::clock::monotonic_micros() / 1_000_000).unwrap_or(u32::MAX)
}
