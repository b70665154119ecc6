//! The different values of a column, numbered in the order they are met.
//!
//! A value costs one look into a table of eight octets a slot, and when it is met again one comparison; it is hashed once.

use std::hash::{BuildHasher, Hash};

use crate::hash::Keyed;

/// Slots of an empty table.
const SLOTS_MIN: usize = 1 << 10;
/// The place of a slot without a value.
const FREE: u32 = u32::MAX;

/// A place in `Different::values`, and the hash of the value there.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    place: u32,
}

/// Values in the order they were met.
pub(crate) struct Different<V> {
    keyed: Keyed,
    /// Open addressing, at most half full; as many as a power of two.
    slots: Vec<Slot>,
    values: Vec<V>,
}

impl<V> Default for Different<V> {
    fn default() -> Different<V> {
        Different::with_room(0)
    }
}

impl<V> Different<V> {
    /// With room for so many.
    pub(crate) fn with_room(values: usize) -> Different<V> {
        let slots = vec![Slot { hash: 0, place: FREE }; (2 * values).next_power_of_two().max(SLOTS_MIN)];
        Different { keyed: Keyed::default(), slots, values: Vec::with_capacity(values) }
    }
}

impl<V: Copy + Eq + Hash> Different<V> {
    /// The place of a value, which is added when it is new.
    pub(crate) fn place(&mut self, value: V) -> u32 {
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

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The values, each at its place.
    pub(crate) fn into_values(self) -> Vec<V> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_the_place_they_were_met_at() {
        let mut different = Different::default();
        let mut met: Vec<u32> = Vec::new();
        for number in 0_u32..50_000 {
            let value = number * number % 9_973;
            let known = met.iter().position(|met| *met == value);
            let place = different.place(value);
            assert_eq!(place as usize, known.unwrap_or(met.len()));
            if known.is_none() {
                met.push(value);
            }
        }
        assert_eq!((different.len(), different.into_values()), (met.len(), met));
    }
}
