//! Which processor cores this process may use, and keeping a thread on one of them.

use std::io;
use std::sync::OnceLock;

/// The cores the process was allowed when first asked. Remembered, because a pinned thread and its children see fewer.
static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();

/// Cores this process may use: `taskset` and cpusets respected, CPU quotas not. At least 1.
#[must_use]
pub fn cores() -> usize {
    allowed().len()
}

/// Keeps the calling thread on the `core`th of the allowed cores, counted from 0; beyond the last it starts again.
///
/// # Errors
/// The kernel's, when the core has been taken away since.
pub fn pin_to_core(core: usize) -> io::Result<()> {
    let allowed = allowed();
    let mut set = empty_set();
    let number = allowed[core % allowed.len()];
    // SAFETY: `number` came out of a `cpu_set_t`, so it lies below CPU_SETSIZE and the write stays inside `set`.
    unsafe { libc::CPU_SET(number, &mut set) };
    // SAFETY: `set` is a valid cpu_set_t of the size given; thread 0 is the caller; the call only reads it.
    let result = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the calling thread run after others: `niceness` from 0 (as others) to 19 (last), see nice(2). On a busy machine
/// ten steps are a tenth of a core's time; on an idle one they cost nothing. A thread cannot take it back.
///
/// # Errors
/// The kernel's, when the thread is nicer already.
pub fn lower_priority(niceness: u8) -> io::Result<()> {
    // SAFETY: takes numbers only. On Linux process 0 is the calling thread alone.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, i32::from(niceness.min(19))) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn allowed() -> &'static [usize] {
    ALLOWED.get_or_init(|| {
        let mut set = empty_set();
        // SAFETY: `set` is a valid, exclusively borrowed cpu_set_t of the size given; the call keeps no pointer.
        let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
        // SAFETY: the number lies below CPU_SETSIZE, so the read stays inside `set`.
        let is_set = |core: &usize| unsafe { libc::CPU_ISSET(*core, &set) };
        let cores: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(is_set).collect();
        // More than 1024 cores do not fit into the set and make the call fail: then all are counted as one.
        if result != 0 || cores.is_empty() { vec![0] } else { cores }
    })
}

fn empty_set() -> libc::cpu_set_t {
    // SAFETY: cpu_set_t is an array of integers; all zeroes is the empty set.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_is_lowered() {
        // SAFETY: takes numbers only.
        let niceness = || unsafe { libc::getpriority(libc::PRIO_PROCESS as _, 0) };
        let before = niceness();
        let lowered = std::thread::spawn(move || {
            lower_priority(19).unwrap();
            niceness()
        });
        assert_eq!(lowered.join().unwrap(), 19);
        assert_eq!(niceness(), before);
    }

    #[test]
    fn a_pinned_thread_does_not_change_the_count() {
        let before = cores();
        assert!(before >= 1);
        std::thread::spawn(move || {
            pin_to_core(before + 1).unwrap();
            assert_eq!(cores(), before);
        })
        .join()
        .unwrap();
    }
}
