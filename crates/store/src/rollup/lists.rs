//! The most frequent values of one field in one segment, over all events and by code or action.

/// Which events a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// All.
    All,
    /// Those with this code, as the column has it; `None` for those without a reply.
    Code(Option<u16>),
    /// Those where policy did this, by number.
    Action(u8),
}

/// One list.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// Which events it is about.
    pub about: About,
    /// The largest count of a value that is not in it; 0 when all are.
    pub left_out: u64,
    pub(super) end: u32,
}

/// The lists of one field.
#[derive(Debug, Default)]
pub struct Lists {
    pub(super) lists: Vec<List>,
    /// Place of the value, or `EMPTY`, and events.
    pub(super) entries: Vec<(u32, u32)>,
    /// Where each value ends in `octets`.
    pub(super) ends: Vec<u32>,
    pub(super) octets: Vec<u8>,
}

/// Place of the value of events whose field is empty.
pub(super) const EMPTY: u32 = u32::MAX;

impl Lists {
    /// Each list with its values, most frequent first, and their events: octets of text, of an address, of a 16-bit number
    /// in network order; `None` where the field is empty.
    pub fn lists(&self) -> impl Iterator<Item = (&List, impl Iterator<Item = (Option<&[u8]>, u64)>)> {
        let starts = std::iter::once(0).chain(self.lists.iter().map(|list| list.end as usize));
        self.lists.iter().zip(starts).map(|(list, from)| {
            let entries = &self.entries[from..list.end as usize];
            (list, entries.iter().map(|(value, events)| (self.value(*value), u64::from(*events))))
        })
    }

    fn value(&self, place: u32) -> Option<&[u8]> {
        if place == EMPTY {
            return None;
        }
        let place = place as usize;
        let from = place.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        Some(&self.octets[from..self.ends[place] as usize])
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.lists.as_slice())
            + size_of_val(self.entries.as_slice())
            + size_of_val(self.ends.as_slice())
            + self.octets.len()
    }
}
