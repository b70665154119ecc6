//! What listeners count besides queries: everything that was given up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Figures since the start, as of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// UDP replies the system would not take.
    pub replies_unsent: u64,
    /// UDP receive calls that failed.
    pub receive_errors: u64,
    /// Queries that found all places for waiting taken.
    pub pursuits_overflowed: u64,
    /// Queries not looked up because too many waited below the same domain, while half of all places were taken.
    pub pursuits_crowded_out: u64,
    /// Updates, transfers and other operations that found all places taken.
    pub operations_overflowed: u64,
    /// TCP connections accepted.
    pub connections: u64,
    /// TCP connections turned away by a limit.
    pub connections_turned_away: u64,
    /// TCP connections aborted because a DSO session's rules were broken or its time was over.
    pub sessions_aborted: u64,
    /// TCP connections cut because the client was too slow to send or to read.
    pub connections_cut: u64,
}

/// The cells behind the figures.
#[derive(Default)]
pub(crate) struct Cells {
    pub(crate) replies_unsent: AtomicU64,
    pub(crate) receive_errors: AtomicU64,
    pub(crate) pursuits_overflowed: AtomicU64,
    pub(crate) pursuits_crowded_out: AtomicU64,
    pub(crate) operations_overflowed: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) connections_turned_away: AtomicU64,
    pub(crate) sessions_aborted: AtomicU64,
    pub(crate) connections_cut: AtomicU64,
}

impl Cells {
    pub(crate) fn figures(&self) -> Figures {
        Figures {
            replies_unsent: self.replies_unsent.load(Relaxed),
            receive_errors: self.receive_errors.load(Relaxed),
            pursuits_overflowed: self.pursuits_overflowed.load(Relaxed),
            pursuits_crowded_out: self.pursuits_crowded_out.load(Relaxed),
            operations_overflowed: self.operations_overflowed.load(Relaxed),
            connections: self.connections.load(Relaxed),
            connections_turned_away: self.connections_turned_away.load(Relaxed),
            sessions_aborted: self.sessions_aborted.load(Relaxed),
            connections_cut: self.connections_cut.load(Relaxed),
        }
    }
}

pub(crate) fn count(cell: &AtomicU64) {
    cell.fetch_add(1, Relaxed);
}
