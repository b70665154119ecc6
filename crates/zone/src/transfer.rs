//! Zone transfers without a socket: the records AXFR (RFC 5936) and IXFR (RFC 1995) send, and the machine that takes them in.

use std::sync::Arc;

use wire::message::{Message, Record};
use wire::name::Folded;

use crate::delta::Delta;
use crate::tree::Zone;

/// The records of a whole transfer: SOA, everything else, SOA.
#[must_use]
#[expect(unused_variables, clippy::todo, reason = "filled in next")]
pub fn whole(zone: Zone) -> Box<dyn Iterator<Item = Record> + Send> {
    todo!()
}

/// The records of an incremental transfer from `serial`: `None` when history does not reach back, and a whole transfer is due.
/// When the client is up to date (or ahead), the one SOA.
#[must_use]
#[expect(unused_variables, clippy::todo, reason = "filled in next")]
pub fn since(zone: Zone, history: &[Arc<Delta>], serial: u32) -> Option<Box<dyn Iterator<Item = Record> + Send>> {
    todo!()
}

/// What a transfer brought.
#[derive(Debug)]
pub enum Brought {
    /// We are up to date.
    Nothing,
    /// The whole zone anew.
    Whole(Zone),
    /// Changes, and the zone after them.
    Deltas(Vec<Delta>, Zone),
}

/// Why a transfer is given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferFault {
    /// The primary answers with a code.
    #[error("the primary answered {0}")]
    Code(String),
    /// The messages are no transfer.
    #[error("no transfer: {0}")]
    Form(String),
    /// More records than `records_max`.
    #[error("more than {0} records")]
    TooMany(usize),
}

/// Takes a transfer in, message by message.
#[derive(Debug)]
pub struct Intake {
    _origin: Folded,
}

#[expect(unused_variables, clippy::todo, reason = "filled in next")]
impl Intake {
    /// Begins; `current` is what we hold, and what an incremental answer is applied to.
    #[must_use]
    pub fn new(origin: Folded, current: Option<Zone>, records_max: usize) -> Intake {
        todo!()
    }

    /// Takes one message (already checked for ID, opcode and TSIG). `Some` when the transfer is complete.
    ///
    /// # Errors
    /// Why it is given up.
    pub fn take(&mut self, message: &Message) -> Result<Option<Brought>, TransferFault> {
        todo!()
    }
}
