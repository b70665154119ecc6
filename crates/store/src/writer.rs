//! The writer thread: drains the rings into batches, appends them to the WAL, shows them to readers, and has the
//! WAL synced and sealed in time.
//!
//! When the disk says no it drops and counts events, keeps what is there, and tries again every few seconds.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use event::{Builder, Event};
use rtrb::Consumer;

use crate::live::Shared;
use crate::sender::{RING_EVENTS_MAX, Rings};
use crate::wal::{self, AppendError, RECORD_ROWS_MAX, Wal};

/// Longest nap of the writer.
const NAP: Duration = Duration::from_millis(20);
/// Longest time events wait for more to share their batch.
const COMMIT_EVERY: Duration = Duration::from_millis(40);
/// Generations that may wait as live rows for the segment thread before events are dropped.
const LIVE_GENERATIONS_MAX: usize = 4;
/// Syncs asked for and not yet done.
pub(crate) const SYNCS_WAITING_MAX: usize = 8;

/// A WAL file to sync.
pub(crate) struct SyncJob {
    file: Arc<File>,
    wal: u64,
    /// Number after the last event in the file so far.
    seq_end: u64,
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) arrivals: Arc<Rings>,
    pub(crate) rings: Vec<Consumer<Event>>,
    pub(crate) builder: Builder,
    pub(crate) wal: Wal,
    pub(crate) syncs: SyncSender<SyncJob>,
    pub(crate) segmenter: Thread,
    pub(crate) times: Times,
}

/// When things were last done.
pub(crate) struct Times {
    committed: Instant,
    /// First commit that no sync was asked for.
    unsynced: Option<Instant>,
    /// First commit of the growing generation.
    generation: Option<Instant>,
    /// Next attempt, while the disk says no.
    retry: Option<Instant>,
}

impl Times {
    pub(crate) fn new(now: Instant) -> Times {
        Times { committed: now, unsynced: None, generation: None, retry: None }
    }
}

impl Writer {
    pub(crate) fn run(mut self) {
        while !self.shared.closing.load(Ordering::Acquire) {
            self.rings.extend(self.arrivals.arrivals());
            if !self.turn(Instant::now()) {
                thread::park_timeout(NAP);
            }
        }
        self.rings.extend(self.arrivals.close());
        // What the rings hold now; a sender that goes on sending does not keep the log open.
        for _ in 0..=self.rings.len() * RING_EVENTS_MAX / RECORD_ROWS_MAX {
            self.turn(Instant::now());
        }
        self.finish();
    }

    /// One round; whether the rings may hold more.
    fn turn(&mut self, now: Instant) -> bool {
        let full = self.drain();
        if full || now.duration_since(self.times.committed) >= COMMIT_EVERY {
            self.commit(now);
        }
        self.retry_if_due(now);
        self.sync_if_due(now);
        self.rotate_if_due(now);
        full
    }

    /// Moves events into the builder; whether it is full.
    fn drain(&mut self) -> bool {
        // The ring that was first becomes last: under overload no thread's events are favoured.
        if !self.rings.is_empty() {
            self.rings.rotate_left(1);
        }
        let builder = &mut self.builder;
        let gate = self.shared.gate.load();
        self.rings.retain_mut(|ring| {
            // Before the drain: what the sender pushed last is then surely seen by it.
            let abandoned = ring.is_abandoned();
            let room = RECORD_ROWS_MAX - builder.len();
            let waiting = ring.slots();
            if let Ok(chunk) = ring.read_chunk(waiting.min(room)) {
                chunk.into_iter().for_each(|mut event| {
                    gate.admit(&mut event);
                    builder.push(&event);
                });
            }
            !abandoned || waiting > room
        });
        builder.len() >= RECORD_ROWS_MAX
    }

    fn commit(&mut self, now: Instant) {
        self.times.committed = now;
        if !self.builder.is_empty() {
            let batch = self.builder.finish();
            self.keep(batch, now);
        }
    }

    /// Appends a batch to the WAL and shows it, or drops and counts it.
    fn keep(&mut self, batch: RecordBatch, now: Instant) {
        if self.times.retry.is_some() {
            return self.drop_rows(&batch);
        }
        if self.shared.live_rows().0 >= LIVE_GENERATIONS_MAX * self.shared.pace.segment_rows.max(RECORD_ROWS_MAX) {
            self.stop("segments are not written as fast as events arrive".to_owned(), now);
            return self.drop_rows(&batch);
        }
        match self.wal.append(&batch) {
            Ok(()) => {
                self.times.unsynced.get_or_insert(now);
                self.times.generation.get_or_insert(now);
                self.shared.append(batch, self.wal.good_bytes());
            }
            Err(AppendError::TooLarge) if batch.num_rows() > 1 => {
                let half = batch.num_rows() / 2;
                self.keep(batch.slice(0, half), now);
                self.keep(batch.slice(half, batch.num_rows() - half), now);
            }
            Err(AppendError::TooLarge) => self.drop_rows(&batch),
            Err(AppendError::Io(error)) => {
                self.stop(format!("cannot write the WAL: {error}"), now);
                self.drop_rows(&batch);
            }
        }
    }

    fn drop_rows(&self, batch: &RecordBatch) {
        self.shared.dropped.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
    }

    fn stop(&mut self, reason: String, now: Instant) {
        if self.times.retry.is_none() {
            tracing::error!(%reason, "the log is not being written; answers go on");
        }
        // Frees what a half-written record took; if that fails too, the next append tries again.
        let _ = self.wal.cut_torn_tail();
        self.times.retry = Some(now + self.shared.retry_every);
        self.shared.writing_stopped(Some(reason));
    }

    /// Tries the disk again, also when no event comes.
    fn retry_if_due(&mut self, now: Instant) {
        if self.times.retry.is_none_or(|retry| now < retry) {
            return;
        }
        let attempt = if self.sync_failed() {
            self.rotate(now)
        } else {
            match self.wal.append(&RecordBatch::new_empty(event::schema())) {
                Ok(()) => Ok(()),
                Err(AppendError::Io(error)) => Err(error),
                Err(AppendError::TooLarge) => Ok(()),
            }
        };
        match attempt {
            Ok(()) => {
                self.times.retry = None;
                self.shared.writing_stopped(None);
                tracing::info!("the log is being written again");
            }
            Err(error) => self.stop(format!("cannot write the WAL: {error}"), now),
        }
    }

    fn sync_failed(&self) -> bool {
        self.shared.failed_wal.load(Ordering::Acquire) == self.wal.number()
    }

    fn sync_if_due(&mut self, now: Instant) {
        // After a failed sync the kernel may have forgotten what it could not write: the file is not trusted any more.
        // Its rows go to a segment, and the next ones to a new file.
        if self.sync_failed() && self.times.retry.is_none() && self.rotate(now).is_err() {
            self.stop("cannot sync the WAL".to_owned(), now);
        }
        let every = self.shared.pace.sync_every;
        // Events waited for the nap and the commit before; together it should stay within the bound.
        let wait = every.saturating_sub(NAP + COMMIT_EVERY).max(every / 2);
        if self.times.unsynced.is_some_and(|unsynced| now.duration_since(unsynced) >= wait) {
            self.ask_sync();
        }
    }

    /// Hands the file to the sync thread; if it is far behind, the next turn tries again.
    fn ask_sync(&mut self) -> bool {
        let (file, wal) = (self.wal.file(), self.wal.number());
        // All events taken from the builder are in this file or dropped.
        let seq_end = self.builder.next_seq() - self.builder.len() as u64;
        match self.syncs.try_send(SyncJob { file, wal, seq_end }) {
            Ok(()) => {
                self.times.unsynced = None;
                true
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    fn rotate_if_due(&mut self, now: Instant) {
        let old = |generation| now.duration_since(generation) >= self.shared.pace.segment_age;
        let due =
            self.times.generation.is_some_and(old) || self.shared.live_rows().1 >= self.shared.pace.segment_rows.max(1);
        if due
            && self.times.retry.is_none()
            && let Err(error) = self.rotate(now)
        {
            self.stop(format!("cannot make a new WAL: {error}"), now);
        }
    }

    /// Seals the growing generation and starts the next.
    fn rotate(&mut self, now: Instant) -> std::io::Result<()> {
        if self.times.unsynced.is_some() && !self.ask_sync() {
            return Ok(());
        }
        let folder = self.shared.wal_folder();
        let next = Wal::create(&self.shared.disk, &folder, self.wal.number() + 1)?;
        if let Some(empty) = self.shared.seal(next.number()) {
            let _ = std::fs::remove_file(wal::path(&folder, empty));
            let _ = self.shared.failed_wal.compare_exchange(empty, 0, Ordering::AcqRel, Ordering::Acquire);
        }
        self.wal = next;
        self.times.generation = None;
        self.times.committed = now;
        self.segmenter.unpark();
        Ok(())
    }

    /// The last words: what was drained is committed and synced, and all generations are sealed.
    fn finish(mut self) {
        self.commit(Instant::now());
        if self.times.unsynced.is_some() {
            let seq_end = self.builder.next_seq();
            sync(&self.shared, &SyncJob { file: self.wal.file(), wal: self.wal.number(), seq_end });
        }
        let left: usize = self.rings.iter().map(Consumer::slots).sum();
        self.shared.dropped.fetch_add(left as u64, Ordering::Relaxed);
        self.shared.end();
        self.segmenter.unpark();
    }
}

/// The sync thread: a slow disk then delays neither the rings nor readers.
pub(crate) fn run_syncs(shared: &Shared, jobs: &Receiver<SyncJob>) {
    for job in jobs {
        sync(shared, &job);
    }
}

fn sync(shared: &Shared, job: &SyncJob) {
    match shared.disk.sync(&job.file) {
        // While an earlier file is in doubt, later events are not safe in the order promised.
        Ok(()) if shared.failed_wal.load(Ordering::Acquire) == 0 => {
            shared.synced_seq.fetch_max(job.seq_end, Ordering::AcqRel);
        }
        Ok(()) => {}
        Err(error) => {
            tracing::error!(wal = job.wal, %error, "cannot sync the WAL");
            let _ = shared.failed_wal.compare_exchange(0, job.wal, Ordering::AcqRel, Ordering::Acquire);
        }
    }
}
