//! The segment thread: turns sealed generations into segments, and then keeps house: retention, merging the small
//! segments of hours gone by, and reading old segments now and then to find damage before a search does. It also does what
//! other threads ask of the manifest.
//!
//! The only one that changes the manifest while the log is open.

mod plan;
mod purge;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow::array::RecordBatch;

use crate::clock::Clock;
use crate::jobs::{self, Job};
use crate::live::{Shared, lock};
use crate::manifest::{Entry, Manifest};
use crate::segment::{self, Segment, Source};
use crate::status::Compacted;
use crate::{recover, wal};
use purge::Examined;

/// Longest nap of the thread.
const NAP: Duration = Duration::from_secs(1);
/// How often retention is looked at when no segment is written.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
pub(crate) struct Segmenter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) manifest: Manifest,
    /// Segments not yet read whole since start, next last.
    pub(crate) unchecked: Vec<Arc<Segment>>,
    pub(crate) jobs: jobs::Waiting,
    clock: Clock,
    examined: Examined,
}

impl Segmenter {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        manifest: Manifest,
        unchecked: Vec<Arc<Segment>>,
        jobs: jobs::Waiting,
    ) -> Segmenter {
        shared.manifest.store(Arc::new(manifest.clone()));
        let wall_micros = now_micros();
        let newest = manifest.segments.iter().map(|entry| entry.time_max_micros);
        let newest = newest.filter(|&newest| newest <= wall_micros).max();
        let clock = Clock::new(wall_micros, newest, Instant::now());
        Segmenter { shared: Arc::clone(shared), manifest, unchecked, jobs, clock, examined: Examined::default() }
    }

    pub(crate) fn run(mut self) {
        let mut retained: Option<Instant> = None;
        let mut retention = None;
        let mut retry: Option<Instant> = None;
        loop {
            // Before the flush: all that was sealed when the writer left is then flushed.
            let ended = self.shared.ended();
            let now = Instant::now();
            let waiting = retry.is_some_and(|retry| now < retry);
            let mut flushed = false;
            if !waiting || ended {
                match self.flush_all() {
                    Ok(any) => (flushed, retry) = (any, None),
                    Err(error) => retry = Some(self.cannot_write(&error, now)),
                }
            }
            if ended {
                return;
            }
            while let Ok(job) = self.jobs.try_recv() {
                self.work(job);
            }
            let bounds = lock(&self.shared.retention).clone();
            let due = retained.is_none_or(|retained| now.duration_since(retained) >= RETENTION_EVERY);
            if due || flushed || retention.as_ref() != Some(&bounds) {
                (retained, retention) = (Some(now), Some(bounds));
                let time_micros = self.clock.read(now_micros(), now);
                if let Err(error) = self.retain(time_micros) {
                    tracing::warn!(%error, "cannot drop old segments");
                }
            }
            if !waiting {
                self.keep_house();
            }
            thread::park_timeout(NAP);
        }
    }

    fn cannot_write(&self, error: &io::Error, now: Instant) -> Instant {
        tracing::error!(%error, "cannot write a segment; its events stay in the WAL");
        self.shared.segments_stopped(Some(format!("cannot write a segment, its events stay in the WAL: {error}")));
        now + self.shared.retry_every
    }

    /// Turns every sealed generation into a segment; whether there was any.
    fn flush_all(&mut self) -> io::Result<bool> {
        let mut any = false;
        while let Some((wal, seq_end, batches)) = self.shared.oldest_sealed() {
            self.flush(wal, seq_end, &batches)?;
            any = true;
        }
        self.shared.segments_stopped(None);
        Ok(any)
    }

    fn flush(&mut self, wal: u64, seq_end: u64, batches: &[Arc<RecordBatch>]) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let name = format!("{wal:010}");
        let entry = segment::write(&shared.disk, &shared.folder, &name, &Source::Wal(wal), batches)?;
        let segment = Segment::new(&shared.folder, entry.clone());
        self.change(|manifest| {
            manifest.segments.push(entry);
            manifest.wal_done = wal;
            manifest.next_seq = manifest.next_seq.max(seq_end);
        })?;
        shared.synced_seq.fetch_max(seq_end, Ordering::AcqRel);
        shared.became_segment(segment);
        let _ = shared.failed_wal.compare_exchange(wal, 0, Ordering::AcqRel, Ordering::Acquire);
        if let Err(error) = fs::remove_file(wal::path(&shared.wal_folder(), wal)) {
            // The manifest says it is done: the next start removes it.
            tracing::warn!(wal, %error, "cannot remove a WAL that is in a segment");
        }
        Ok(())
    }

    /// Puts a changed manifest in place, or leaves the old one.
    pub(crate) fn change(&mut self, edit: impl FnOnce(&mut Manifest)) -> io::Result<()> {
        let mut next = self.manifest.clone();
        edit(&mut next);
        next.version += 1;
        let segments = self.shared.folder.join(segment::FOLDER);
        next.removed.retain(|file| segments.join(file).exists());
        next.save(&self.shared.disk, &self.shared.folder)?;
        self.shared.manifest.store(Arc::new(next.clone()));
        self.manifest = next;
        Ok(())
    }

    /// Takes segments out of the manifest, then from readers to come; the files go with the last reader.
    fn replace(&mut self, gone: &[String], new: Option<Entry>) -> io::Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let added = new.clone();
        self.change(|manifest| {
            manifest.segments.retain(|entry| !gone.contains(&entry.file));
            manifest.segments.extend(added);
            manifest.removed.extend_from_slice(gone);
        })?;
        for segment in self.shared.snapshot().segments.iter().filter(|segment| gone.contains(&segment.entry.file)) {
            segment.doom();
        }
        self.unchecked.retain(|segment| !gone.contains(&segment.entry.file));
        self.shared.exchange(gone, new.map(|entry| Segment::new(&self.shared.folder, entry)));
        Ok(())
    }

    /// One small piece of work at a time, so that the next generation does not wait long.
    pub(crate) fn keep_house(&mut self) {
        if let Some(segment) = self.unchecked.pop()
            && let Err(reason) = segment::check_fully(&segment)
        {
            self.set_aside(&segment, &reason);
        }
        let small = plan::next(&self.manifest.segments, now_micros());
        if !small.is_empty()
            && let Err(error) = self.merge(&small)
        {
            tracing::warn!(%error, "cannot merge segments");
        }
        let time_micros = self.clock.read(now_micros(), Instant::now());
        if let Err(error) = self.trim(time_micros) {
            tracing::warn!(%error, "cannot drop events whose time is over");
        }
        self.keep_rollups();
    }

    fn work(&mut self, job: Job) {
        match job {
            // Whoever asked may have gone meanwhile.
            Job::Compact(reply) => drop(reply.send(self.compact())),
            Job::Import(commit, reply) => drop(reply.send(self.import(&commit))),
            Job::Look(reply) => drop(reply.send(self.manifest.clone())),
        }
    }

    /// All that house-keeping would do in time, now.
    fn compact(&mut self) -> io::Result<Compacted> {
        let mut done = Compacted::default();
        let time_micros = self.clock.read(now_micros(), Instant::now());
        let purged = self.shared.purged.load(Ordering::Relaxed);
        self.retain(time_micros)?;
        while self.trim(time_micros)? {}
        loop {
            let files = plan::next(&self.manifest.segments, now_micros());
            let bytes = |manifest: &Manifest| manifest.segments.iter().map(|entry| entry.bytes).sum::<u64>();
            let (before, version) = (bytes(&self.manifest), self.manifest.version);
            if files.is_empty() {
                break;
            }
            self.merge(&files)?;
            // A damaged one that could not be set aside either.
            if self.manifest.version == version {
                break;
            }
            done.merged += files.len() as u64;
            done.written += 1;
            done.saved_bytes += before as i64 - bytes(&self.manifest) as i64;
            // The events that arrive do not wait for the end of it.
            self.flush_all()?;
        }
        done.purged = self.shared.purged.load(Ordering::Relaxed) - purged;
        Ok(done)
    }

    /// Takes in the segments of an import, and how far it came, by one change of the manifest.
    fn import(&mut self, commit: &jobs::Commit) -> io::Result<()> {
        self.change(|manifest| {
            manifest.segments.extend(commit.entries.iter().cloned());
            manifest.imports.insert(commit.source.clone(), commit.import.clone());
            manifest.next_imported = manifest.next_imported.max(commit.next_imported);
        })?;
        let segments = commit.entries.iter().map(|entry| Segment::new(&self.shared.folder, entry.clone()));
        self.shared.exchange(&[], segments);
        Ok(())
    }

    /// Writes a segment of rows that were in others.
    fn write(&self, source: Source, batches: &[Arc<RecordBatch>]) -> io::Result<Entry> {
        let name = format!("merged-{:010}", self.manifest.version + 1);
        segment::write(&self.shared.disk, &self.shared.folder, &name, &source, batches)
    }

    fn merge(&mut self, files: &[String]) -> io::Result<()> {
        let snapshot = self.shared.snapshot();
        let mut batches = Vec::new();
        for segment in snapshot.segments.iter().filter(|segment| files.contains(&segment.entry.file)) {
            match segment::check_fully(segment).and_then(|()| segment::read_rows(&segment.path)) {
                Ok(rows) => batches.extend(rows),
                Err(reason) => {
                    self.set_aside(segment, &reason);
                    return Ok(());
                }
            }
        }
        let entry = self.write(Source::Segments(files.to_vec()), &batches)?;
        self.replace(files, Some(entry))
    }

    fn set_aside(&mut self, segment: &Segment, reason: &str) {
        let file = segment.entry.file.clone();
        let kept = self.change(|manifest| manifest.segments.retain(|entry| entry.file != file));
        if let Err(error) = kept {
            tracing::error!(%file, %error, "cannot set a bad segment aside");
            return;
        }
        self.shared.exchange(std::slice::from_ref(&file), None);
        self.shared.set_aside.fetch_add(1, Ordering::Relaxed);
        let note = recover::move_aside(&self.shared.folder, &Path::new(segment::FOLDER).join(&file), reason);
        tracing::error!("{note}");
    }
}

/// The wall clock: retention and merging are about calendar hours.
pub(crate) fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
