//! How many events each of the different values of a field has, by pair of code and action.
//!
//! Most values are met once or with one pair only: that one lies beside the value, the others in a map. Pairs of a value that come
//! again soon are added up before they go there.

use crate::hash::Counts;

/// Sums kept before they go into the map; a power of two.
const SUMS: usize = 1 << 12;

/// The pair a value was first met with, and its events with it.
#[derive(Clone, Copy, Default)]
struct First {
    pair: u16,
    events: u32,
}

/// Events by place of the value and pair.
pub(super) struct Tally {
    firsts: Vec<First>,
    /// What came with a pair that is not the first, by place and pair.
    others: Counts<u64>,
    /// The same, on its way.
    sums: Vec<(u64, u32)>,
}

impl Tally {
    /// For so many values.
    pub(super) fn new(values: usize) -> Tally {
        Tally { firsts: vec![First::default(); values], others: Counts::default(), sums: vec![(0, 0); SUMS] }
    }

    /// Counts events of the value at a place.
    pub(super) fn count(&mut self, place: u32, pair: u16, events: u32) {
        let first = &mut self.firsts[place as usize];
        if first.events == 0 {
            *first = First { pair, events };
        } else if first.pair == pair {
            first.events += events;
        } else {
            self.count_other(u64::from(place) << 16 | u64::from(pair), events);
        }
    }

    fn count_other(&mut self, key: u64, events: u32) {
        // Places go up by one and pairs are few: both are in the low bits.
        let sum = &mut self.sums[((key >> 12) ^ key) as usize % SUMS];
        if sum.0 == key {
            sum.1 += events;
            return;
        }
        let (before, many) = std::mem::replace(sum, (key, events));
        if many > 0 {
            *self.others.entry(before).or_default() += many;
        }
    }

    /// Place, pair and events, all of one place together, in the order of places.
    pub(super) fn counted(&mut self) -> impl Iterator<Item = (u32, u16, u32)> {
        for (key, events) in self.sums.iter_mut().filter(|(_, events)| *events > 0) {
            *self.others.entry(*key).or_default() += std::mem::take(events);
        }
        let mut others: Vec<(u64, u32)> = self.others.iter().map(|(key, events)| (*key, *events)).collect();
        others.sort_unstable();
        let mut others = others.into_iter().peekable();
        let mut firsts = (0_u32..).zip(self.firsts.iter()).filter(|(_, first)| first.events > 0);
        let mut place = 0;
        std::iter::from_fn(move || {
            if let Some((key, events)) = others.next_if(|(key, _)| key >> 16 < u64::from(place)) {
                return Some(((key >> 16) as u32, key as u16, events));
            }
            let (at, first) = firsts.next()?;
            place = at + 1;
            Some((at, first.pair, first.events))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn events_are_counted_by_pair_in_the_order_of_places() {
        let mut tally = Tally::new(9_974);
        let mut expected: BTreeMap<(u32, u16), u32> = BTreeMap::new();
        for number in 0_u32..50_000 {
            let (place, pair) = (number * number % 9_973, (number % 7 * (number % 2)) as u16);
            tally.count(place, pair, 1);
            *expected.entry((place, pair)).or_default() += 1;
        }
        for _ in 0..2 {
            let counted: Vec<(u32, u16, u32)> = tally.counted().collect();
            assert!(counted.is_sorted_by_key(|(place, ..)| *place));
            let found: BTreeMap<(u32, u16), u32> =
                counted.into_iter().map(|(place, pair, events)| ((place, pair), events)).collect();
            assert_eq!(found, expected);
        }
    }
}
