//! What leaves the hot path at the view: UPDATE, NOTIFY, transfers, TKEY, and every message signed with TSIG.

use std::sync::Arc;

use crate::exit::{Now, Source};
use crate::pursue::Late;
use crate::shared::Shared;

/// An operation to be done. Owns all it needs.
pub struct Operating {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) source: Source,
    pub(crate) now: Now,
}

/// What became of it.
pub struct Operated {
    /// The first reply (empty when nothing is to be sent) and the event.
    pub late: Late,
    /// Further messages of a transfer, in order, for the same connection.
    pub more: Option<Box<dyn Iterator<Item = Vec<u8>> + Send>>,
}

/// Does it. Waits for lookups and for changes to be kept; must be polled on a tokio runtime.
pub async fn operate(shared: &Arc<Shared>, operating: Operating) -> Operated {
    let _ = (shared, operating.bytes, operating.source, operating.now);
    todo!()
}
