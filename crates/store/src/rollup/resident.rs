//! Parts of rollups held in memory: what was used last stays, within a limit for the whole process.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use super::ByCode;
use super::cells::Cells;
use super::distinct::Sketch;
use super::file::Part;
use super::lists::Lists;
use crate::live::lock;

/// Bytes of all parts held: those of a day of some 50 million events.
const RESIDENT_BYTES_MAX: usize = 64 << 20;

/// The parts held by this process.
pub(super) static RESIDENT: LazyLock<Resident> = LazyLock::new(|| Resident::new(RESIDENT_BYTES_MAX));

/// One part in memory.
#[derive(Clone)]
pub(super) enum Held {
    Cells(Arc<Cells>),
    Latencies(Arc<ByCode>),
    Lists(Arc<Lists>),
    Sketches(Arc<[Sketch; 3]>),
}

impl Held {
    fn bytes(&self) -> usize {
        match self {
            Held::Cells(cells) => cells.bytes(),
            Held::Latencies(all) => all.iter().map(|(_, latencies)| latencies.bytes()).sum(),
            Held::Lists(lists) => lists.bytes(),
            Held::Sketches(sketches) => sketches.iter().map(Sketch::bytes).sum(),
        }
    }
}

pub(super) struct Resident {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    parts: HashMap<(u64, Part), Used>,
    bytes: usize,
    /// Goes up with every use.
    now: u64,
}

struct Used {
    held: Held,
    bytes: usize,
    last: u64,
}

impl Resident {
    fn new(bytes_max: usize) -> Resident {
        Resident { bytes_max, state: Mutex::default() }
    }

    pub(super) fn get(&self, rollup: u64, part: Part) -> Option<Held> {
        let mut state = lock(&self.state);
        state.now += 1;
        let now = state.now;
        let used = state.parts.get_mut(&(rollup, part))?;
        used.last = now;
        Some(used.held.clone())
    }

    pub(super) fn put(&self, rollup: u64, part: Part, held: Held) {
        let bytes = held.bytes();
        let mut state = lock(&self.state);
        state.now += 1;
        let last = state.now;
        state.bytes += bytes;
        if let Some(before) = state.parts.insert((rollup, part), Used { held, bytes, last }) {
            state.bytes -= before.bytes;
        }
        if state.bytes <= self.bytes_max {
            return;
        }
        // Down to three quarters at once, so that the next one has room without another look at all of them.
        let mut oldest: Vec<(u64, (u64, Part))> = state.parts.iter().map(|(key, used)| (used.last, *key)).collect();
        oldest.sort_unstable_by_key(|(last, _)| *last);
        for (_, key) in oldest {
            if state.bytes <= self.bytes_max / 4 * 3 {
                break;
            }
            if let Some(gone) = state.parts.remove(&key) {
                state.bytes -= gone.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays_within_the_limit() {
        let cells = || Held::Cells(Arc::new(Cells { stretches: vec![(0, 0); 10], ..Cells::default() }));
        let one = cells().bytes();
        let resident = Resident::new(4 * one);
        for rollup in 0..4 {
            resident.put(rollup, Part::Hours, cells());
        }
        assert!(resident.get(0, Part::Hours).is_some());
        resident.put(4, Part::Hours, cells());
        let held: Vec<u64> = (0..5).filter(|rollup| resident.get(*rollup, Part::Hours).is_some()).collect();
        assert_eq!(held, [0, 3, 4]);
        assert_eq!(lock(&resident.state).bytes, 3 * one);
    }
}
