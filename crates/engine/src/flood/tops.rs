//! How often each of many numbers came in one second, in a table of a fixed size: exact for those that come often.

/// Sets of the table; a power of two, since a set is found by masking.
const SETS: usize = 1_024;
/// Counts of one set.
const WAYS: usize = 4;

/// Counts found by number. Takes 64 KiB once something is counted; when a set is full, the number that came least makes room, so what
/// comes always stays.
#[derive(Default)]
pub(super) struct Tops {
    sets: Vec<[Count; WAYS]>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    number: u64,
    second: u32,
    times: u32,
}

impl Tops {
    /// Counts a number; gives how often it came in this second, or a little less.
    pub(super) fn count(&mut self, number: u64, second: u32) -> u32 {
        if self.sets.is_empty() {
            self.sets = vec![[Count::default(); WAYS]; SETS];
        }
        let at = number as usize & (SETS - 1);
        let set = &mut self.sets[at];
        let times = |count: &Count| if count.second == second { count.times } else { 0 };
        let way = set.iter().position(|count| count.number == number).unwrap_or_else(|| {
            let least = set.iter().enumerate().min_by_key(|(_, count)| times(count));
            least.map_or(0, |(way, _)| way)
        });
        let known = if set[way].number == number { times(&set[way]) } else { 0 };
        set[way] = Count { number, second, times: known.saturating_add(1) };
        set[way].times
    }
}
