//! What other threads ask of the segment thread, which alone changes the manifest while the log is open.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender};

use crate::manifest::{Entry, Import, Manifest};
use crate::remote::Shipped;
use crate::status::Compacted;

/// Where jobs wait; the segment thread takes them between its own.
pub(crate) type Waiting = Receiver<Job>;
/// Where jobs are put.
pub(crate) type Desk = SyncSender<Job>;

/// Jobs that wait for the segment thread; whoever brings more waits with them.
pub(crate) const JOBS_WAITING_MAX: usize = 16;

/// One thing to do, and where to say what came of it.
pub(crate) enum Job {
    /// Do now what house-keeping would do in time.
    Compact(SyncSender<io::Result<Compacted>>),
    /// Take in an import's segments.
    Import(Box<Commit>, SyncSender<io::Result<()>>),
    /// Tell the manifest as it is.
    Look(SyncSender<Manifest>),
    /// Hear what came of an order to the shipper.
    Shipped(Shipped),
}

/// Segments of an import, and how far it came with them.
pub(crate) struct Commit {
    pub(crate) source: String,
    pub(crate) import: Import,
    pub(crate) entries: Vec<Entry>,
    /// Number after the last one given out.
    pub(crate) next_imported: u64,
}
