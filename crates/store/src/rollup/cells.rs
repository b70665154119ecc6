//! Counts by stretch of time and group: what a count, a series or a facet of small fields is added up from.

use std::sync::Arc;

/// Tenants of one segment, so that a group packs into 64 bits.
pub(super) const TENANTS_MAX: usize = (1 << 23) - 1;
/// The packed code of events without a reply.
const NO_CODE: u64 = 1 << 16;

/// Values of the columns that rollups keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Number of the tenant in `Cells::tenant`, from 1; 0 for none.
    pub(super) tenant: u32,
    /// The return code as the column has it; `None` when there was no reply.
    pub code: Option<u16>,
    /// What policy did, by number.
    pub action: u8,
    /// What the client got, by number.
    pub outcome: u8,
    /// Where the answer came from, by number.
    pub cache: u8,
}

impl Group {
    pub(super) fn packed(&self) -> u64 {
        u64::from(self.tenant) << 41
            | self.code.map_or(NO_CODE, u64::from) << 24
            | u64::from(self.action) << 16
            | u64::from(self.outcome) << 8
            | u64::from(self.cache)
    }

    pub(super) fn unpacked(packed: u64) -> Group {
        let code = packed >> 24 & 0x1_ffff;
        let byte = |at: u32| (packed >> at) as u8;
        let code = (code != NO_CODE).then_some(code as u16);
        Group { tenant: (packed >> 41) as u32, code, action: byte(16), outcome: byte(8), cache: byte(0) }
    }
}

/// Events of one group in one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Place of the group in `Cells::groups`.
    pub group: u32,
    /// Events.
    pub events: u32,
}

/// The counts of one segment by minute or hour.
#[derive(Debug, Default)]
pub struct Cells {
    pub(super) tenants: Vec<Arc<str>>,
    pub(super) groups: Vec<Group>,
    /// Start of each stretch, and where its cells end.
    pub(super) stretches: Vec<(i64, u32)>,
    pub(super) cells: Vec<Cell>,
}

impl Cells {
    /// The groups.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The tenant of a group.
    #[must_use]
    pub fn tenant(&self, group: &Group) -> Option<&str> {
        let place = usize::try_from(group.tenant).ok()?.checked_sub(1)?;
        self.tenants.get(place).map(AsRef::as_ref)
    }

    /// Start of each stretch, microseconds, with its cells.
    pub fn stretches(&self) -> impl Iterator<Item = (i64, &[Cell])> {
        let starts = std::iter::once(0).chain(self.stretches.iter().map(|(_, end)| *end as usize));
        self.stretches.iter().zip(starts).map(|((start, end), from)| (*start, &self.cells[from..*end as usize]))
    }

    pub(super) fn bytes(&self) -> usize {
        self.tenants.iter().map(|tenant| tenant.len() + 32).sum::<usize>()
            + size_of_val(self.groups.as_slice())
            + size_of_val(self.stretches.as_slice())
            + size_of_val(self.cells.as_slice())
    }
}
