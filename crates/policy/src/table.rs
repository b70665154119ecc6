//! The union table of all lists: suffix hash to the set of rules at that suffix.
//!
//! ```text
//! query suffix -> depth bitmap -> binary fuse filter (9 bits a key) -> slots: hash u64 | set u32, in hash order
//! ```
//!
//! Budget at 1 M domains: 12 octets a slot at load 0.8 are 15.0 octets a domain, the filter adds 1.13. Slots lie in hash
//! order at or after their home, so a search ends at the first larger hash. A name on no list costs one look at the filter per
//! suffix and, once in 256, one at the slots.

use xorf::{BinaryFuse8, Filter};

use crate::suffix::Suffix;

/// Keys below which the table alone is fast enough: 1,024 slots are 15 KiB and stay in the first cache.
const FILTER_FROM: usize = 1024;

/// One slot: a hash in two halves, so that 12 octets suffice, and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    high: u32,
    low: u32,
    /// While compiling a rule's tag, in the table the number of a set; there 0 marks an empty slot.
    pub(crate) value: u32,
}

impl Slot {
    const EMPTY: Slot = Slot { high: 0, low: 0, value: 0 };

    pub(crate) fn new(hash: u64, value: u32) -> Slot {
        Slot { high: (hash >> 32) as u32, low: hash as u32, value }
    }

    pub(crate) fn hash(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }
}

/// The table.
pub(crate) struct Table {
    filter: Option<BinaryFuse8>,
    slots: Box<[Slot]>,
    homes: u64,
    depths: u128,
    depth_max: u8,
}

impl Table {
    /// Builds the table from entries in hash order, each hash once, each value above 0.
    pub(crate) fn build(entries: Vec<Slot>, depths: u128) -> Table {
        // A failed construction (a chance of nearly nothing) costs speed, not answers.
        let filter = (entries.len() >= FILTER_FROM)
            .then(|| BinaryFuse8::try_from_iterator(entries.iter().map(|slot| slot.hash())).ok())
            .flatten();
        let homes = entries.len() as u64 + entries.len() as u64 / 4 + 1;
        let mut slots = Vec::new();
        // Slots pushed past the last home are few; 64 spare ones save the vector from growing for them.
        slots.reserve_exact(homes as usize + 64);
        for entry in entries {
            let home = home(entry.hash(), homes);
            while slots.len() < home {
                slots.push(Slot::EMPTY);
            }
            slots.push(entry);
        }
        // Always an empty slot at the end: a search stops there.
        slots.push(Slot::EMPTY);
        while (slots.len() as u64) < homes {
            slots.push(Slot::EMPTY);
        }
        let depth_max = (u128::BITS - depths.leading_zeros()).saturating_sub(1) as u8;
        Table { filter, slots: slots.into_boxed_slice(), homes, depths, depth_max }
    }

    /// Labels of the longest suffix with a rule.
    #[inline]
    pub(crate) fn depth_max(&self) -> usize {
        usize::from(self.depth_max)
    }

    /// The set of rules at this suffix.
    #[inline]
    pub(crate) fn get(&self, suffix: Suffix) -> Option<u32> {
        if self.depths >> (suffix.depth & 127) & 1 == 0 {
            return None;
        }
        if self.filter.as_ref().is_some_and(|filter| !filter.contains(&suffix.hash)) {
            return None;
        }
        self.find(suffix.hash)
    }

    fn find(&self, hash: u64) -> Option<u32> {
        let from = self.slots.get(home(hash, self.homes)..)?;
        for slot in from {
            if slot.value == 0 || slot.hash() > hash {
                return None;
            }
            if slot.hash() == hash {
                return Some(slot.value);
            }
        }
        None
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.slots) + self.filter.as_ref().map_or(0, BinaryFuse8::len)
    }
}

/// Where a hash would like to lie: the hash scaled to the number of homes, which keeps hash order.
#[inline]
fn home(hash: u64, homes: u64) -> usize {
    ((u128::from(hash) * u128::from(homes)) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(hash: u64) -> Suffix {
        Suffix { hash, depth: 1 }
    }

    fn table(hashes: &[u64]) -> Table {
        let entries = hashes.iter().enumerate().map(|(index, &hash)| Slot::new(hash, index as u32 + 1)).collect();
        Table::build(entries, 1 << 1)
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        assert_eq!(table(&[]).get(at(0)), None);
        assert_eq!(table(&[]).get(at(u64::MAX)), None);
    }

    #[test]
    fn hashes_crowded_at_either_end_are_found() {
        let low: Vec<u64> = (0..500).collect();
        let high: Vec<u64> = (u64::MAX - 499..=u64::MAX).collect();
        for hashes in [low, high] {
            let table = table(&hashes);
            for (index, &hash) in hashes.iter().enumerate() {
                assert_eq!(table.get(at(hash)), Some(index as u32 + 1));
            }
            assert_eq!(table.get(at(u64::MAX / 2)), None);
        }
    }

    #[test]
    fn a_depth_without_rules_is_not_looked_at() {
        let table = table(&[7]);
        assert_eq!(table.get(Suffix { hash: 7, depth: 1 }), Some(1));
        assert_eq!(table.get(Suffix { hash: 7, depth: 2 }), None);
    }

    proptest! {
        #[test]
        fn all_that_went_in_is_found_and_nothing_else(
            hashes in prop::collection::btree_set(any::<u64>(), 0..3000),
            others in prop::collection::vec(any::<u64>(), 0..100),
        ) {
            let hashes: Vec<u64> = hashes.into_iter().collect();
            let table = table(&hashes);
            for (index, &hash) in hashes.iter().enumerate() {
                prop_assert_eq!(table.get(at(hash)), Some(index as u32 + 1));
            }
            for other in others {
                let expected = hashes.binary_search(&other).ok().map(|index| index as u32 + 1);
                prop_assert_eq!(table.get(at(other)), expected);
            }
        }
    }
}
