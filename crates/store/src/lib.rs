//! Events on disk and in memory: WAL, live rows, Parquet segments, manifest, retention, and the one table a
//! search reads.
//!
//! Knows the event schema; knows nothing of searches, of DNS, or of how an event came to be.
//!
//! ```text
//! sender ─ ring ─┐                       ┌─ sync thread: fdatasync
//! sender ─ ring ─┴─ writer thread ─ WAL ─┤
//!                         │              └─ segment thread: Parquet, manifest, retention, merging
//!                     live rows ──────────────── segments ─ shipper ─ remote store
//!                         └──── one snapshot ────────┘ ─ table ──────────────┘
//! ```
//!
//! The folder: `lock`, `manifest`, `wal/<number>.wal`, `segments/day=…/hour=…/<number>.parquet`, `rollups/` with the same
//! paths below it, `aside/` for what was found damaged, `fetched/` for what was brought back to be worked on.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod admission;
mod clock;
mod different;
mod disk;
mod hash;
mod importer;
mod jobs;
mod live;
mod manifest;
mod numbered;
mod recover;
mod remote;
mod retention;
mod rollup;
mod segment;
mod segmenter;
mod sender;
mod settings;
mod snapshot;
mod status;
mod table;
mod upkeep;
mod varint;
mod verify;
mod wal;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use tokio::sync::watch;

use crate::admission::Gate;
use crate::disk::Disk;
use crate::live::{Generation, Shared, lock};
use crate::remote::Keeper;
use crate::segmenter::Segmenter;
use crate::sender::Rings;
use crate::wal::Wal;
use crate::writer::{SYNCS_WAITING_MAX, Times, Writer};

pub use admission::{Addresses, Admission, Network, PSEUDONYM_PREFIX, PrivacyFor, PrivacyRule};
pub use importer::{ImportError, Imported, Importer, SOURCE_BYTES_MAX, SOURCES_MAX};
pub use manifest::IMPORTED_FROM;
pub use remote::{Access, Place, Remote, remote_fault};
pub use rollup::{
    About, ByCode, Cell, Cells, Counted, DISTINCT_ERROR, Damaged, Distinct, Divided, Group, LATENCY_ERROR, Latencies,
    List, Lists, Rollup, Sketch, divide, rollup_of,
};
pub use segment::check_segment_bytes;
pub use sender::{RING_EVENTS_MAX, Sender};
pub use settings::Settings;
pub use snapshot::Snapshot;
pub use status::{Compacted, ImportStatus, Purge, RemoteStatus, Schema, Status};
pub use table::{Inside, inside};
pub use verify::{Finding, FindingKind, Report, verify};
pub use wal::{Replay, replay_bytes};

/// Wait between two attempts on a disk that said no.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// The open log. Cheap to clone; the last clone dropped closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    rings: Arc<Rings>,
    running: Mutex<Option<Running>>,
}

/// What `close` ends.
struct Running {
    writer: Option<JoinHandle<()>>,
    /// Segment thread, shipper and sync thread.
    others: Vec<JoinHandle<()>>,
    /// Held locked until the threads are gone, and by every importer, which writes files of its own.
    lock: Arc<File>,
    /// Ends what the shipper waits for.
    stop: watch::Sender<bool>,
}

/// What was found when the log was opened; each line is for an operator.
#[derive(Debug, Default)]
pub struct Opened {
    /// Events recovered from the WAL.
    pub recovered: u64,
    /// What was cut or set aside, with file and reason.
    pub notes: Vec<String>,
}

/// How the log is, for status and metrics.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Segments found damaged and set aside since start, those noted in `Opened` not counted.
    pub set_aside: u64,
    /// What the remote store last failed at; `None` when it did not.
    pub remote_fault: Option<String>,
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
    /// Opens or makes the log: locks the folder, reads the manifest, checks segments, replays the WAL, starts the threads.
    ///
    /// # Errors
    /// The folder is in use by another store, or the system does not let us read and write it. Damage is no error:
    /// it is cut or set aside, and noted.
    pub fn open(settings: Settings) -> Result<(Store, Opened), StoreError> {
        Self::open_on(Disk::default(), RETRY_EVERY, settings)
    }

    fn open_on(disk: Disk, retry_every: Duration, settings: Settings) -> Result<(Store, Opened), StoreError> {
        let io = recover::at;
        std::fs::create_dir_all(&settings.folder).map_err(|source| io(&settings.folder, source))?;
        let folder = settings.folder.canonicalize().map_err(|source| io(&settings.folder, source))?;
        let lock = lock_folder(&folder)?;
        let found = recover::recover(&disk, &folder, settings.remote.as_deref())?;

        let wal_folder = folder.join("wal");
        let wal = Wal::create(&disk, &wal_folder, found.next_wal)
            .map_err(|source| io(&wal::path(&wal_folder, found.next_wal), source))?;
        let mut generations = found.generations;
        generations.push_back(Generation::new(found.next_wal));
        let (desk, jobs) = mpsc::sync_channel(jobs::JOBS_WAITING_MAX);
        let shared = Shared::new(folder, &settings, disk, retry_every, found.segments, generations, desk);
        let shared = Arc::new(shared);
        shared.next_imported.store(found.manifest.next_imported, Ordering::Release);
        // Recovery synced what it read.
        shared.synced_seq.store(found.next_seq, Ordering::Release);

        let running =
            Running { writer: None, others: Vec::new(), lock: Arc::new(lock), stop: watch::Sender::new(false) };
        let (rings, running) = (Arc::new(Rings::default()), Mutex::new(Some(running)));
        let store = Store { inner: Arc::new(Inner { shared, rings, running }) };
        // When a thread cannot be started, dropping `store` ends those before it.
        let segmenter = Segmenter::new(&store.inner.shared, found.manifest, found.unchecked, jobs);
        store.inner.start(segmenter, event::Builder::new(found.next_seq), wal)?;
        Ok((store, found.opened))
    }

    /// A new sender for one thread (hot path): its ring is drained by the writer thread. After `close` it drops and counts.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.inner.rings.sender(&self.inner.shared)
    }

    /// One consistent state, as of this call: every event visible so far, each exactly once. Take a new one for
    /// every search; a segment that retention drops stays on disk while a snapshot or its table is held.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.inner.shared.snapshot())
    }

    /// The table of a snapshot taken now.
    #[must_use]
    pub fn table(&self) -> Arc<dyn TableProvider> {
        self.snapshot().table()
    }

    /// Batches as they become searchable, for live tail. A slow reader is told how many batches it missed
    /// (`broadcast::error::RecvError::Lagged`).
    #[must_use]
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<RecordBatch> {
        self.inner.shared.subscribe()
    }

    /// How the log is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.shared.health()
    }

    /// Every visible event with a smaller number survives a power cut.
    #[must_use]
    pub fn synced_seq(&self) -> u64 {
        self.inner.shared.synced_seq.load(Ordering::Acquire)
    }

    /// Changes what is taken in of the events to come, without a restart. Events kept before stay as they are.
    pub fn set_admission(&self, admission: &Admission) {
        self.inner.shared.gate.store(Arc::new(Gate::new(admission)));
    }

    /// Changes retention without a restart.
    pub fn set_retention(&self, keep_age: Option<Duration>, keep_bytes: Option<u64>) {
        let mut bounds = lock(&self.inner.shared.retention);
        (bounds.keep_age, bounds.keep_bytes) = (keep_age, keep_bytes);
        drop(bounds);
        self.wake();
    }

    /// Changes how long events of these tenants are kept, without a restart. Where `keep_age` is shorter, it counts.
    pub fn set_keep_tenants(&self, keep_tenants: Vec<(Arc<str>, Duration)>) {
        lock(&self.inner.shared.retention).tenants = keep_tenants;
        self.wake();
    }

    fn wake(&self) {
        if let Some(running) = &*lock(&self.inner.running) {
            running.others.iter().for_each(|thread| thread.thread().unpark());
        }
    }

    /// Drains the rings, writes what is live into a last segment and stops the threads. When the segment cannot be
    /// written its events stay in the WAL. Calling it again does nothing.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn start(&self, mut segmenter: Segmenter, builder: event::Builder, wal: Wal) -> Result<(), StoreError> {
        let mut running = lock(&self.running);
        let Some(running) = running.as_mut() else { return Ok(()) };
        let (syncs, jobs) = mpsc::sync_channel(SYNCS_WAITING_MAX);
        let shipper = self.shared.remote.clone().map(|remote| {
            let (orders, given) = mpsc::sync_channel(1);
            segmenter.keeper = Some(Keeper::new(Arc::clone(&remote), orders));
            (remote, given)
        });
        let segmenter = self.spawn("log-segments", move |_| segmenter.run())?;
        let segmenter_thread = segmenter.thread().clone();
        let _ = self.shared.segmenter.set(segmenter_thread.clone());
        running.others.push(segmenter);
        if let Some((remote, given)) = shipper {
            let stop = running.stop.subscribe();
            let run = move |shared: &Shared| remote::run(&remote, shared, &given, &stop);
            running.others.push(self.spawn("log-shipper", run)?);
        }
        running.others.push(self.spawn("log-sync", move |shared| writer::run_syncs(shared, &jobs))?);
        let writer = Writer {
            shared: Arc::clone(&self.shared),
            arrivals: Arc::clone(&self.rings),
            rings: Vec::new(),
            builder,
            wal,
            syncs,
            segmenter: segmenter_thread,
            times: Times::new(Instant::now()),
        };
        let writer = self.spawn("log-writer", move |_| writer.run())?;
        self.rings.written_by(writer.thread().clone());
        running.writer = Some(writer);
        Ok(())
    }

    fn spawn(
        &self,
        name: &'static str,
        run: impl FnOnce(&Shared) + Send + 'static,
    ) -> Result<JoinHandle<()>, StoreError> {
        let alarm = Alarm { shared: Arc::clone(&self.shared), name };
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Whoever answers woke up for a client, the log's threads for what was answered. Where it fails, they are as others are.
            let _ = sys::step_back();
            run(&alarm.shared);
        });
        spawned.map_err(|source| recover::at(&self.shared.folder, source))
    }

    fn close(&self) {
        let Some(running) = lock(&self.running).take() else { return };
        self.shared.closing.store(true, Ordering::Release);
        if let Some(writer) = running.writer {
            writer.thread().unpark();
            // A panic was said by its alarm.
            let _ = writer.join();
        }
        // The writer did this, unless it panicked or never ran; the segment thread waits for it.
        self.shared.end();
        running.stop.send_replace(true);
        for thread in running.others {
            thread.thread().unpark();
            let _ = thread.join();
        }
        drop(running.lock);
    }
}

/// Says so when a thread of the log panics: a log that stands still in silence would be a lie.
struct Alarm {
    shared: Arc<Shared>,
    name: &'static str,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            let reason = format!("thread {} of the log panicked; restart the server", self.name);
            tracing::error!("{reason}");
            self.shared.writing_stopped(Some(reason));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock_folder(folder: &std::path::Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(|source| recover::at(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(recover::at(&path, source)),
    }
}

#[cfg(test)]
mod tests;
