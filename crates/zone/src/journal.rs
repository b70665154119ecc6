//! The journal of one zone: a checkpoint (the whole zone) and the deltas since, each record with its length and checksum. The
//! codec alone; whoever keeps the file appends the octets and syncs them before an update is answered.

use crate::delta::Delta;
use crate::tree::Zone;

/// Version of the form, in the file's first octets.
pub const VERSION: u8 = 1;

/// What a journal holds.
#[derive(Debug)]
pub struct Replayed {
    /// The zone after all deltas; `None` when there is no whole checkpoint.
    pub zone: Option<Zone>,
    /// The fingerprint written with the checkpoint.
    pub fingerprint: [u8; 32],
    /// Deltas since the checkpoint, oldest first.
    pub deltas: Vec<Delta>,
    /// Octets that are good; a torn tail begins here and is to be cut off.
    pub good_len: usize,
    /// What was wrong with the tail, if there is one.
    pub torn: Option<String>,
}

/// Octets of a new journal: head and checkpoint. `fingerprint` is of the source the zone came from (a file's hash), kept for
/// the keeper.
#[must_use]
#[expect(unused_variables, clippy::todo, reason = "filled in next")]
pub fn begin(zone: &Zone, fingerprint: [u8; 32]) -> Vec<u8> {
    todo!()
}

/// Octets of one more delta.
#[must_use]
#[expect(unused_variables, clippy::todo, reason = "filled in next")]
pub fn entry(delta: &Delta) -> Vec<u8> {
    todo!()
}

/// Reads a journal; never fails: what cannot be read is a torn tail.
#[must_use]
#[expect(unused_variables, clippy::todo, reason = "filled in next")]
pub fn replay(bytes: &[u8]) -> Replayed {
    todo!()
}
