//! What a sink says of itself: counters since the start, and how the far end is.

use std::time::SystemTime;

/// Why events were not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The log's feed went on before they were read.
    Feed,
    /// The queue in memory was full.
    Queue,
    /// The spool reached its limit: the oldest went.
    Spool,
    /// The disk did not take them.
    Disk,
    /// The network takes no datagram of their size.
    Long,
    /// What was kept cannot be read, or was made for another kind of far end.
    Damaged,
}

impl Loss {
    /// Every reason.
    pub const ALL: [Loss; 6] = [Loss::Feed, Loss::Queue, Loss::Spool, Loss::Disk, Loss::Long, Loss::Damaged];

    /// The word in status and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Loss::Feed => "feed",
            Loss::Queue => "queue",
            Loss::Spool => "spool",
            Loss::Disk => "disk",
            Loss::Long => "long",
            Loss::Damaged => "damaged",
        }
    }
}

/// Events lost, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost([u64; Loss::ALL.len()]);

impl Lost {
    /// Events lost for this reason.
    #[must_use]
    pub fn of(&self, reason: Loss) -> u64 {
        self.0[reason as usize]
    }

    /// Events lost for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn add(&mut self, reason: Loss, events: u64) {
        self.0[reason as usize] += events;
    }
}

/// A sink at one moment. Counters are since the start.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The sink's name.
    pub name: String,
    /// Where it sends to.
    pub target: String,
    /// Events handed to the far end's connection, those sent again among them.
    pub sent: u64,
    /// Events sent again after a connection broke; the far end may have had them.
    pub again: u64,
    /// Events that wait in memory.
    pub queued: u64,
    /// Events that wait on disk.
    pub spooled: u64,
    /// Octets of the spool on disk.
    pub spooled_bytes: u64,
    /// Events lost.
    pub lost: Lost,
    /// Since when the far end is connected; `None` while it is not.
    pub connected_since: Option<SystemTime>,
    /// What went wrong last, whether or not it still does.
    pub last_error: Option<String>,
    /// What was found in the spool at the start.
    pub notes: Vec<String>,
}
