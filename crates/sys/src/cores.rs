//! Which processor cores this process may use, and keeping a thread on one of them.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

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

/// Lets the calling thread work whenever no other wants its core, or for its share when others do, but never take the core from one
/// that has just woken up: SCHED_BATCH, see sched(7). For work that nobody waits for beside work that somebody does. A thread that was
/// given another policy than the ordinary one keeps that.
///
/// # Errors
/// The kernel's.
pub fn step_back() -> io::Result<()> {
    if !is_ordinary() {
        return Ok(());
    }
    // SAFETY: sched_param is integers; all zeroes is the only priority this policy has.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: `parameters` is valid for the call, which only reads it. On Linux process 0 is the calling thread alone.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the calling thread have its core as soon as it wakes up, for so long, where another is in the middle of a longer turn: the
/// slice of sched_setattr(2), 0.1 to 100 ms. Its share of the core stays the same. Kernels before 6.12 take it and do nothing; a
/// thread that was given another policy than the ordinary one keeps that.
///
/// # Errors
/// The kernel's.
pub fn take_short_turns(turn: Duration) -> io::Result<()> {
    if !is_ordinary() {
        return Ok(());
    }
    // SAFETY: takes numbers only.
    let niceness = unsafe { libc::getpriority(libc::PRIO_PROCESS as _, 0) };
    // SAFETY: sched_attr is integers; all zeroes asks for the ordinary policy.
    let mut wanted: libc::sched_attr = unsafe { std::mem::zeroed() };
    wanted.size = size_of::<libc::sched_attr>() as u32;
    wanted.sched_nice = niceness;
    wanted.sched_runtime = u64::try_from(turn.as_nanos()).unwrap_or(u64::MAX);
    // SAFETY: `wanted` is valid for the call, which only reads its `size` octets; thread 0 is the caller.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wanted, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether nobody gave the calling thread, or the process it began in, another scheduling policy.
fn is_ordinary() -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::sched_getscheduler(0) == libc::SCHED_OTHER }
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
    fn turns_can_be_short() {
        let taken = |before: fn()| {
            let turns = move || {
                before();
                take_short_turns(Duration::from_micros(100)).unwrap();
                // SAFETY: takes numbers only.
                unsafe { (libc::sched_getscheduler(0), libc::getpriority(libc::PRIO_PROCESS as _, 0)) }
            };
            std::thread::spawn(turns).join().unwrap()
        };
        assert_eq!(taken(|| lower_priority(19).unwrap()), (libc::SCHED_OTHER, 19), "as nice as before");
        assert_eq!(taken(|| step_back().unwrap()).0, libc::SCHED_BATCH, "what somebody else decided stays");
    }

    #[test]
    fn only_the_thread_that_asks_steps_back() {
        // SAFETY: takes numbers only.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        let before = policy();
        let stepped_back = std::thread::spawn(move || {
            step_back().unwrap();
            policy()
        });
        assert_eq!(stepped_back.join().unwrap(), libc::SCHED_BATCH);
        assert_eq!(policy(), before);
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
