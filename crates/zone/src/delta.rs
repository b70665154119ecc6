//! What changed between two serials: what IXFR sends (RFC 1995 §4) and the journal keeps.

use wire::message::Record;

use crate::tree::Zone;

/// A change from one serial to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// SOA before.
    pub before: Record,
    /// SOA after.
    pub after: Record,
    /// Records that go, without the SOA.
    pub removed: Vec<Record>,
    /// Records that come, without the SOA.
    pub added: Vec<Record>,
}

/// Why a delta does not fit a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It begins at another serial.
    #[error("the change begins at serial {delta}, the zone is at {zone}")]
    Serial {
        /// Of the delta.
        delta: u32,
        /// Of the zone.
        zone: u32,
    },
    /// It removes what is not there, or adds what is.
    #[error("the change does not fit the zone at {0}")]
    Record(String),
}

#[expect(unused_variables, clippy::todo, reason = "filled in next")]
impl Delta {
    /// From one version to another of the same zone; `None` when nothing but perhaps the SOA's serial is the same too.
    #[must_use]
    pub fn between(before: &Zone, after: &Zone) -> Option<Delta> {
        todo!()
    }

    /// Serial before and after.
    #[must_use]
    pub fn serials(&self) -> (u32, u32) {
        todo!()
    }

    /// The zone after the change.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn apply(&self, zone: &Zone) -> Result<Zone, Misfit> {
        todo!()
    }
}

/// Whether serial `a` is after `b` (RFC 1982); `false` when they are equal or not comparable.
#[must_use]
pub fn serial_after(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

/// The next serial; never 0 (RFC 2136 §7.11).
#[must_use]
pub fn serial_next(serial: u32) -> u32 {
    serial.wrapping_add(1).max(1)
}
