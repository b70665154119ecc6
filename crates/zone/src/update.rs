//! UPDATE (RFC 2136): read, check against a zone, apply. Nothing here knows who asks: access is the caller's, between `read`
//! and `apply` (`Update::touched` says what would change).

use wire::code::Code;
use wire::message::{Message, Record};
use wire::name::Folded;

use crate::delta::Delta;
use crate::tree::Zone;

/// An update message taken apart.
#[derive(Clone, Debug)]
pub struct Update {
    /// Zone name.
    pub zone: Folded,
    /// Class of the zone.
    pub class: u16,
    /// Prerequisites as sent.
    pub prerequisites: Vec<Record>,
    /// Updates as sent.
    pub updates: Vec<Record>,
}

/// Why an update is not done: the code and a reason that names the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Denial {
    /// FORMERR, NXDOMAIN, YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH, NOTZONE, REFUSED, SERVFAIL.
    pub code: Code,
    /// Why, in one line.
    pub reason: String,
}

#[expect(unused_variables, clippy::todo, reason = "filled in next")]
impl Update {
    /// Takes a message with opcode UPDATE apart (RFC 2136 §3.1.1: one zone, type SOA).
    ///
    /// # Errors
    /// FORMERR.
    pub fn read(message: &Message) -> Result<Update, Denial> {
        todo!()
    }

    /// Checks all prerequisites (§3.2): NOTZONE before the others, value-dependent ones by set equality.
    ///
    /// # Errors
    /// The first that fails.
    pub fn check_prerequisites(&self, zone: &Zone) -> Result<(), Denial> {
        todo!()
    }

    /// Checks the update section as §3.4.1.3 has it, before anything changes.
    ///
    /// # Errors
    /// NOTZONE, FORMERR.
    pub fn prescan(&self, zone: &Zone) -> Result<(), Denial> {
        todo!()
    }

    /// Names and types the updates would touch, for access: type 255 (ANY) where all sets of a name go.
    pub fn touched(&self) -> impl Iterator<Item = (&Folded, u16)> {
        std::iter::empty()
    }

    /// Applies the updates (§3.4.2) and moves the serial on (§3.6); `None` when nothing changed.
    ///
    /// # Errors
    /// SERVFAIL when the result would be no zone.
    pub fn apply(&self, zone: &Zone) -> Result<Option<(Zone, Delta)>, Denial> {
        todo!()
    }

    /// In one line for the log, at most 512 octets: `need www.example A; add www.example A 192.0.2.1; delete old.example`.
    #[must_use]
    pub fn summary(&self) -> String {
        todo!()
    }
}
