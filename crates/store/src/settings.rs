//! How the log is kept, as its owner says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::admission::Admission;
use crate::remote::Remote;

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the log; made when missing.
    pub folder: PathBuf,
    /// Segments whose newest event is older are dropped when its hour is; of segments of many hours, the older events. `None`
    /// keeps them.
    pub keep_age: Option<Duration>,
    /// The oldest segments are dropped when the log is larger: an hour's together, those of the last hour one by one. `None`
    /// has no bound.
    pub keep_bytes: Option<u64>,
    /// Live rows at which a segment is written.
    pub segment_rows: usize,
    /// Age of the oldest live row at which a segment is written.
    pub segment_age: Duration,
    /// Longest time between two syncs of the WAL: what a power cut may cost.
    pub sync_every: Duration,
    /// What is taken in of each event.
    pub admission: Admission,
    /// How long events of these tenants are kept, where that is shorter than `keep_age`.
    pub keep_tenants: Vec<(Arc<str>, Duration)>,
    /// Where settled segments go; `None`: they stay in the folder.
    pub remote: Option<Arc<Remote>>,
}

impl Default for Settings {
    /// Keeps everything, in segments of a million rows or a minute; a power cut may cost 200 ms. The folder is to be named.
    fn default() -> Settings {
        Settings {
            folder: PathBuf::new(),
            keep_age: None,
            keep_bytes: None,
            segment_rows: 1 << 20,
            segment_age: Duration::from_secs(60),
            sync_every: Duration::from_millis(200),
            admission: Admission::default(),
            keep_tenants: Vec::new(),
            remote: None,
        }
    }
}
