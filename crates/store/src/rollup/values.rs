//! The different values of one field, and how many events each has by pair of code and action.
//!
//! Most values are met once or with one pair only: that one lies beside the value, the others in a map. So a row costs one
//! look into a table of eight octets a slot, for values that are met again one comparison, and nothing is hashed twice.

use std::hash::{BuildHasher, Hash};

use super::hash::{Counts, Keyed};

/// Slots of an empty table.
const SLOTS_MIN: usize = 1 << 10;
/// The place of a slot without a value.
const FREE: u32 = u32::MAX;

/// A place in `Values::values`, and the hash of the value there.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    place: u32,
}

/// The pair a value was first met with, and its events with it.
#[derive(Clone, Copy)]
struct First {
    pair: u16,
    events: u32,
}

/// Values in the order they were met.
pub(super) struct Values<V> {
    keyed: Keyed,
    /// Open addressing, at most half full; as many as a power of two.
    slots: Vec<Slot>,
    values: Vec<V>,
    firsts: Vec<First>,
    /// By place and pair: what came with a pair that is not the first.
    others: Counts<u64>,
}

impl<V: Copy + Eq + Hash> Default for Values<V> {
    fn default() -> Values<V> {
        Values {
            keyed: Keyed::default(),
            slots: vec![Slot { hash: 0, place: FREE }; SLOTS_MIN],
            values: Vec::new(),
            firsts: Vec::new(),
            others: Counts::default(),
        }
    }
}

impl<V: Copy + Eq + Hash> Values<V> {
    /// The place of a value, which is added when it is new, to be counted at once.
    pub(super) fn place(&mut self, value: V) -> u32 {
        let hash = self.keyed.hash_one(value) as u32;
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.place == FREE {
                break;
            }
            if slot.hash == hash && self.values[slot.place as usize] == value {
                return slot.place;
            }
            at = (at + 1) & mask;
        }
        // Rows have 32-bit places, so values do.
        let place = self.values.len() as u32;
        self.slots[at] = Slot { hash, place };
        self.values.push(value);
        self.firsts.push(First { pair: 0, events: 0 });
        if self.values.len() * 2 > self.slots.len() {
            self.widen();
        }
        place
    }

    fn widen(&mut self) {
        let wider = vec![Slot { hash: 0, place: FREE }; self.slots.len() * 2];
        let mask = wider.len() - 1;
        for slot in std::mem::replace(&mut self.slots, wider).into_iter().filter(|slot| slot.place != FREE) {
            let mut at = slot.hash as usize & mask;
            while self.slots[at].place != FREE {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    /// Counts events of the value at a place.
    pub(super) fn count(&mut self, place: u32, pair: u16, events: u32) {
        let first = &mut self.firsts[place as usize];
        if first.events == 0 {
            *first = First { pair, events };
        } else if first.pair == pair {
            first.events += events;
        } else {
            *self.others.entry(u64::from(place) << 16 | u64::from(pair)).or_default() += events;
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The values, each at its place.
    pub(super) fn all(&self) -> &[V] {
        &self.values
    }

    /// Place, pair and events, all of one place together, in the order of places.
    pub(super) fn counted(&self) -> impl Iterator<Item = (u32, u16, u32)> {
        let mut others: Vec<(u64, u32)> = self.others.iter().map(|(key, events)| (*key, *events)).collect();
        others.sort_unstable();
        let mut others = others.into_iter().peekable();
        let mut firsts = (0_u32..).zip(self.firsts.iter());
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
    fn values_are_counted_by_pair_in_the_order_they_were_met() {
        let mut values = Values::default();
        let mut expected: BTreeMap<(u32, u16), u32> = BTreeMap::new();
        for number in 0_u32..50_000 {
            let (value, pair) = (number * number % 9_973, (number % 7 * (number % 2)) as u16);
            let place = values.place(value);
            assert_eq!(values.all()[place as usize], value);
            values.count(place, pair, 1);
            *expected.entry((place, pair)).or_default() += 1;
        }
        let counted: Vec<(u32, u16, u32)> = values.counted().collect();
        assert!(counted.is_sorted_by_key(|(place, ..)| *place));
        let found: BTreeMap<(u32, u16), u32> =
            counted.into_iter().map(|(place, pair, events)| ((place, pair), events)).collect();
        assert_eq!(found, expected);
        assert_eq!(
            values.len(),
            (0_u32..50_000).map(|number| number * number % 9_973).collect::<std::collections::BTreeSet<_>>().len()
        );
    }
}
