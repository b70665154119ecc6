//! Events on disk and in memory: WAL, live rows, Parquet segments, manifest, retention, and the one table a
//! search reads.
//!
//! Knows the event schema; knows nothing of searches, of DNS, or of how an event came to be. Time is an argument.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the log; made when missing.
    pub folder: PathBuf,
    /// Segments whose newest event is older are dropped, by whole hours; `None` keeps them.
    pub keep_age: Option<Duration>,
    /// The oldest segments are dropped, by whole hours, when the log is larger; `None` has no bound.
    pub keep_bytes: Option<u64>,
    /// Live rows at which a segment is written.
    pub segment_rows: usize,
    /// Age of the oldest live row at which a segment is written.
    pub segment_age: Duration,
    /// Longest time between two syncs of the WAL: what a power cut may cost.
    pub sync_every: Duration,
}

/// The open log. Cheap to clone.
#[derive(Clone)]
pub struct Store {}

/// What was found when the log was opened; each line is for an operator.
#[derive(Debug, Default)]
pub struct Opened {
    /// Events recovered from the WAL.
    pub recovered: u64,
    /// What was cut or set aside, with file and reason.
    pub notes: Vec<String>,
}

/// How the log is, for status and metrics.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Events kept.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Events not yet in a segment.
    pub live_rows: u64,
    /// Time of the oldest event.
    pub oldest_micros: Option<i64>,
    /// Events lost since start: full rings and unwritable disk.
    pub dropped: u64,
    /// Why the log is not being written; `None` when it is.
    pub stopped: Option<String>,
    /// Events written since start.
    pub written: u64,
}

/// Where the writer thread takes its events from: one per sending thread.
pub struct Feed {}

/// The sending end: never blocks; a full ring drops the event and counts it.
pub struct Sender {}

impl Sender {
    /// Offers one event.
    pub fn offer(&mut self, _event: event::Event) {
        todo!()
    }
}

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder is in use by another process.
    #[error("log folder {folder} is in use by another process")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The system said no.
    #[error("cannot use {path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Store {
    /// Opens or makes the log: locks the folder, reads the manifest, checks segments, replays the WAL, starts the writer thread.
    pub fn open(_settings: Settings) -> Result<(Store, Opened), StoreError> {
        todo!()
    }

    /// A new sender for one thread (hot path) — the ring is drained by the writer thread.
    pub fn sender(&self) -> Sender {
        todo!()
    }

    /// One consistent state: every event appended so far, each exactly once. Registered as `events` by `search`.
    pub fn table(&self) -> Arc<dyn TableProvider> {
        todo!()
    }

    /// Batches as they become searchable, for live tail. A slow reader is told how many batches it missed
    /// (`broadcast::error::RecvError::Lagged`).
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<RecordBatch> {
        todo!()
    }

    /// How the log is.
    pub fn health(&self) -> Health {
        todo!()
    }

    /// Changes retention without a restart.
    pub fn set_retention(&self, _keep_age: Option<Duration>, _keep_bytes: Option<u64>) {
        todo!()
    }

    /// Drains the rings, writes what is live into a last segment and stops the writer.
    pub fn close(&self) {
        todo!()
    }
}
