//! What readers see: segments and live rows as one snapshot, replaced whole by one pointer swap.
//!
//! A generation is the live rows of one WAL file. The newest is still growing; the others are sealed and wait to
//! become segments, visible all the while. The swap that adds a segment takes its generation away, so that a
//! reader sees each event exactly once.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use tokio::sync::broadcast;

use crate::admission::Gate;
use crate::disk::Disk;
use crate::jobs::{Desk, Job};
use crate::manifest::Manifest;
use crate::remote::Remote;
use crate::retention::Bounds;
use crate::segment::{Segment, times_and_numbers};
use crate::{Health, Settings, wal};

/// Batches a slow subscriber may be behind before it misses some.
const FEED_BATCHES_MAX: usize = 256;

/// One state of the log, as readers hold it.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Goes up with every change since the log was opened.
    pub(crate) version: u64,
    /// In order of their last event.
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    pub(crate) live: Vec<Arc<RecordBatch>>,
    /// Where segments are that are not here.
    pub(crate) remote: Option<Arc<Remote>>,
}

/// The live rows of one WAL file.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) wal: u64,
    pub(crate) batches: Vec<Arc<RecordBatch>>,
    pub(crate) rows: usize,
    pub(crate) wal_bytes: u64,
    /// Number after its last event.
    pub(crate) seq_end: u64,
    time_min_micros: i64,
}

impl Generation {
    pub(crate) fn new(wal: u64) -> Generation {
        Generation { wal, batches: Vec::new(), rows: 0, wal_bytes: 0, seq_end: 0, time_min_micros: i64::MAX }
    }

    pub(crate) fn push(&mut self, batch: RecordBatch) {
        if let Ok((times, numbers)) = times_and_numbers(&batch) {
            self.time_min_micros = times.iter().copied().fold(self.time_min_micros, i64::min);
            self.seq_end = numbers.iter().map(|number| number + 1).fold(self.seq_end, u64::max);
        }
        self.rows += batch.num_rows();
        self.batches.push(Arc::new(batch));
        self.merge_small();
    }

    /// Merges the last two batches while neither is much larger than the other: a quiet server makes a batch of a
    /// few rows many times a second, and each costs a search and memory as much as a thousand rows do.
    fn merge_small(&mut self) {
        while let [.., before, last] = self.batches.as_slice() {
            let rows = before.num_rows() + last.num_rows();
            if before.num_rows() > 2 * last.num_rows() || rows > wal::RECORD_ROWS_MAX {
                return;
            }
            // Fails only when the words of two dictionaries no longer fit one; then they stay apart.
            let Ok(merged) = concat_batches(&event::schema(), [before.as_ref(), last.as_ref()]) else { return };
            self.batches.truncate(self.batches.len() - 2);
            self.batches.push(Arc::new(merged));
        }
    }
}

/// What the writer and the segment thread change, each under the lock for a moment.
struct State {
    segments: Arc<Vec<Arc<Segment>>>,
    /// Oldest first; the last is growing, unless `ended`.
    generations: VecDeque<Generation>,
    /// The writer has left: every generation is sealed.
    ended: bool,
}

/// Why the log is not being written, by who found out.
#[derive(Default)]
struct Stopped {
    writing: Option<String>,
    segments: Option<String>,
}

/// When the writer syncs and seals. Of the settings no more is kept: the secret of the pseudonyms goes when it is replaced.
pub(crate) struct Pace {
    pub(crate) segment_rows: usize,
    pub(crate) segment_age: Duration,
    pub(crate) sync_every: Duration,
}

/// What all threads and handles of one log share.
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) pace: Pace,
    pub(crate) disk: Disk,
    /// Wait between two attempts on a disk that said no.
    pub(crate) retry_every: Duration,
    pub(crate) dropped: AtomicU64,
    pub(crate) written: AtomicU64,
    pub(crate) set_aside: AtomicU64,
    /// Every event with a smaller number is on disk for good.
    pub(crate) synced_seq: AtomicU64,
    /// The WAL whose sync failed; 0 for none.
    pub(crate) failed_wal: AtomicU64,
    pub(crate) closing: AtomicBool,
    pub(crate) retention: Mutex<Bounds>,
    /// Events dropped because their time was over or the log too large.
    pub(crate) purged: AtomicU64,
    /// Number of the next imported event.
    pub(crate) next_imported: AtomicU64,
    /// Sources being imported.
    pub(crate) importing: Mutex<HashSet<String>>,
    /// Jobs for the segment thread.
    pub(crate) jobs: Desk,
    /// The manifest as it was last saved.
    pub(crate) manifest: ArcSwap<Manifest>,
    /// Its size; 0 when it was not saved since start.
    pub(crate) manifest_bytes: AtomicU64,
    /// The segment thread, once it runs.
    pub(crate) segmenter: OnceLock<Thread>,
    /// Takes events in.
    pub(crate) gate: ArcSwap<Gate>,
    pub(crate) remote: Option<Arc<Remote>>,
    feed: broadcast::Sender<RecordBatch>,
    current: ArcSwap<Contents>,
    state: Mutex<State>,
    stopped: Mutex<Stopped>,
}

/// Locks; a thread that panicked while holding the lock left whole values behind, since each change is one assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(
        folder: PathBuf,
        settings: &Settings,
        disk: Disk,
        retry_every: Duration,
        mut segments: Vec<Arc<Segment>>,
        generations: VecDeque<Generation>,
        jobs: Desk,
    ) -> Shared {
        sort(&mut segments);
        let shared = Shared {
            folder,
            pace: Pace {
                segment_rows: settings.segment_rows,
                segment_age: settings.segment_age,
                sync_every: settings.sync_every,
            },
            disk,
            retry_every,
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
            set_aside: AtomicU64::new(0),
            synced_seq: AtomicU64::new(0),
            failed_wal: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            retention: Mutex::new(Bounds {
                keep_age: settings.keep_age,
                keep_bytes: settings.keep_bytes,
                tenants: settings.keep_tenants.clone(),
            }),
            purged: AtomicU64::new(0),
            next_imported: AtomicU64::new(0),
            importing: Mutex::default(),
            jobs,
            manifest: ArcSwap::default(),
            manifest_bytes: AtomicU64::new(0),
            segmenter: OnceLock::new(),
            gate: ArcSwap::from_pointee(Gate::new(&settings.admission)),
            remote: settings.remote.clone(),
            feed: broadcast::Sender::new(FEED_BATCHES_MAX),
            current: ArcSwap::default(),
            state: Mutex::new(State { segments: Arc::new(segments), generations, ended: false }),
            stopped: Mutex::default(),
        };
        shared.publish(&lock(&shared.state));
        shared
    }

    fn publish(&self, state: &State) {
        let live = state.generations.iter().flat_map(|generation| generation.batches.iter().cloned()).collect();
        let version = self.current.load().version + 1;
        let (segments, remote) = (Arc::clone(&state.segments), self.remote.clone());
        self.current.store(Arc::new(Contents { version, segments, live, remote }));
    }

    pub(crate) fn snapshot(&self) -> Arc<Contents> {
        self.current.load_full()
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<RecordBatch> {
        self.feed.subscribe()
    }

    /// Shows a batch that is in the WAL to every reader.
    pub(crate) fn append(&self, batch: RecordBatch, wal_bytes: u64) {
        let rows = batch.num_rows() as u64;
        let mut state = lock(&self.state);
        if let Some(growing) = state.generations.back_mut() {
            growing.push(batch.clone());
            growing.wal_bytes = wal_bytes;
        }
        self.publish(&state);
        drop(state);
        self.written.fetch_add(rows, Ordering::Relaxed);
        // Fails only when nobody listens.
        let _ = self.feed.send(batch);
    }

    /// Seals the growing generation; the next one has the WAL with this number. Without rows, the growing one just
    /// takes the new number; then the file it leaves is not needed, and its number is returned.
    pub(crate) fn seal(&self, next_wal: u64) -> Option<u64> {
        let mut state = lock(&self.state);
        match state.generations.back_mut() {
            Some(growing) if growing.rows == 0 => Some(std::mem::replace(&mut growing.wal, next_wal)),
            _ => {
                state.generations.push_back(Generation::new(next_wal));
                None
            }
        }
    }

    /// Seals the last generation for good.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        if state.generations.back().is_some_and(|last| last.rows == 0)
            && let Some(empty) = state.generations.pop_back()
        {
            // Without the file the next start has less to read; with it, the same.
            let _ = std::fs::remove_file(wal::path(&self.wal_folder(), empty.wal));
        }
    }

    pub(crate) fn ended(&self) -> bool {
        lock(&self.state).ended
    }

    /// WAL number, end of numbers and rows of the oldest sealed generation.
    pub(crate) fn oldest_sealed(&self) -> Option<(u64, u64, Vec<Arc<RecordBatch>>)> {
        let state = lock(&self.state);
        if state.generations.len() < 2 && !state.ended {
            return None;
        }
        state.generations.front().map(|oldest| (oldest.wal, oldest.seq_end, oldest.batches.clone()))
    }

    /// Rows not yet in a segment: all, and those of the growing generation.
    pub(crate) fn live_rows(&self) -> (usize, usize) {
        let state = lock(&self.state);
        let all = state.generations.iter().map(|generation| generation.rows).sum();
        (all, state.generations.back().map_or(0, |growing| growing.rows))
    }

    /// Numbers of the WAL files of live rows, with the bytes that are good.
    pub(crate) fn wals(&self) -> Vec<(u64, u64)> {
        lock(&self.state).generations.iter().map(|generation| (generation.wal, generation.wal_bytes)).collect()
    }

    /// Bytes of the WAL files.
    pub(crate) fn wal_bytes(&self) -> u64 {
        lock(&self.state).generations.iter().map(|generation| generation.wal_bytes).sum()
    }

    /// The oldest generation has become this segment.
    pub(crate) fn became_segment(&self, segment: Arc<Segment>) {
        let mut state = lock(&self.state);
        state.generations.pop_front();
        let mut segments = state.segments.to_vec();
        segments.push(segment);
        sort(&mut segments);
        state.segments = Arc::new(segments);
        self.publish(&state);
    }

    /// Takes segments away and puts others in their place.
    pub(crate) fn exchange(&self, gone: &[String], new: impl IntoIterator<Item = Arc<Segment>>) {
        let mut state = lock(&self.state);
        let mut segments = state.segments.to_vec();
        segments.retain(|segment| !gone.contains(&segment.entry.file));
        segments.extend(new);
        sort(&mut segments);
        state.segments = Arc::new(segments);
        self.publish(&state);
    }

    /// Puts a job before the segment thread; it is returned when that has ended.
    pub(crate) fn ask(&self, job: Job) -> Result<(), Job> {
        self.jobs.send(job).map_err(|unsent| unsent.0)?;
        if let Some(thread) = self.segmenter.get() {
            thread.unpark();
        }
        Ok(())
    }

    pub(crate) fn wal_folder(&self) -> PathBuf {
        self.folder.join("wal")
    }

    /// Says why events are not written, or that they are again.
    pub(crate) fn writing_stopped(&self, reason: Option<String>) {
        lock(&self.stopped).writing = reason;
    }

    /// Says why segments are not written, or that they are again.
    pub(crate) fn segments_stopped(&self, reason: Option<String>) {
        lock(&self.stopped).segments = reason;
    }

    pub(crate) fn health(&self) -> Health {
        let state = lock(&self.state);
        let sealed: u64 = state.segments.iter().map(|segment| segment.entry.rows).sum();
        let live_rows: u64 = state.generations.iter().map(|generation| generation.rows as u64).sum();
        let wal_bytes: u64 = state.generations.iter().map(|generation| generation.wal_bytes).sum();
        let oldest_sealed = state.segments.iter().map(|segment| segment.entry.time_min_micros).min();
        let live = state.generations.iter().filter(|generation| generation.rows > 0);
        let oldest_live = live.map(|generation| generation.time_min_micros).min();
        let stopped = lock(&self.stopped);
        Health {
            rows: sealed + live_rows,
            bytes: state.segments.iter().map(|segment| segment.disk_bytes()).sum::<u64>() + wal_bytes,
            segments: state.segments.len() as u64,
            live_rows,
            oldest_micros: oldest_sealed.into_iter().chain(oldest_live).min(),
            dropped: self.dropped.load(Ordering::Relaxed),
            stopped: stopped.writing.clone().or_else(|| stopped.segments.clone()),
            written: self.written.load(Ordering::Relaxed),
            set_aside: self.set_aside.load(Ordering::Relaxed),
            remote_fault: self.remote.as_ref().and_then(|remote| remote.fault()),
        }
    }
}

fn sort(segments: &mut [Arc<Segment>]) {
    segments.sort_by_key(|segment| (segment.entry.time_max_micros, segment.entry.seq_max));
}
