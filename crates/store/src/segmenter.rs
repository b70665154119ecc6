//! The segment thread: turns sealed generations into segments, and then keeps house: retention, merging the small
//! segments of hours gone by, and reading old segments now and then to find damage before a search does. It also does what
//! other threads ask of the manifest. Whatever may take long is done in steps, with everything else between them.
//!
//! The only one that changes the manifest while the log is open.

mod plan;
mod purge;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow::array::RecordBatch;

use crate::clock::Clock;
use crate::jobs::{self, JOBS_WAITING_MAX, Job};
use crate::live::{Shared, lock};
use crate::manifest::{Entry, Manifest};
use crate::remote::{Keeper, Kept};
use crate::segment::{self, Fault, Segment, Source};
use crate::status::Compacted;
use crate::{recover, wal};
use purge::Examined;

/// Longest nap of the thread.
const NAP: Duration = Duration::from_secs(1);
/// How often retention is looked at when no segment is written.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// How often the log is looked through when nothing in it has changed.
const LOOK_EVERY_MICROS: i64 = 60_000_000;
/// How long nothing is written anew after the disk said no: attempts would keep a full disk full.
const REST: Duration = Duration::from_secs(60);
/// How long a segment that could not be read or replaced is passed over, so that others get their turn.
const PASSED_OVER: Duration = Duration::from_secs(600);

pub(crate) use plan::is_settled;

pub(crate) struct Segmenter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) manifest: Manifest,
    /// Segments not yet read whole since start, next last.
    pub(crate) unchecked: Vec<Arc<Segment>>,
    pub(crate) jobs: jobs::Waiting,
    /// The shipper, when there is a remote store.
    pub(crate) keeper: Option<Keeper>,
    clock: Clock,
    examined: Examined,
    compacting: Option<Compacting>,
    /// Until when nothing is written anew.
    resting: Option<Instant>,
    /// Files of segments left alone, and until when.
    passed_over: HashMap<String, Instant>,
    /// The manifest's version and the minute when there was nothing to do.
    idle: Option<(u64, i64)>,
}

/// A compaction under way: house-keeping without naps until nothing is left to merge or to drop.
struct Compacting {
    replies: Vec<SyncSender<io::Result<Compacted>>>,
    done: Compacted,
    purged_before: u64,
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
        let clock = Clock::new(wall_micros, newest, manifest.believed, Instant::now());
        Segmenter {
            shared: Arc::clone(shared),
            manifest,
            unchecked,
            jobs,
            keeper: None,
            clock,
            examined: Examined::default(),
            compacting: None,
            resting: None,
            passed_over: HashMap::new(),
            idle: None,
        }
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
                    Err(error) => {
                        retry = Some(self.cannot_write(&error, now));
                        self.end_compacting(Some(&error));
                    }
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
                if retention.as_ref() != Some(&bounds) {
                    self.idle = None;
                }
                (retained, retention) = (Some(now), Some(bounds));
                let time_micros = self.clock.read(now_micros(), now);
                if let Err(error) = self.retain(time_micros) {
                    tracing::warn!(%error, "cannot drop old segments");
                }
            }
            let more = !waiting && self.keep_house();
            let time_micros = self.clock.read(now_micros(), Instant::now());
            self.ship(time_micros);
            if !more {
                thread::park_timeout(NAP);
            }
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
        next.believed = Some(self.clock.believed(now_micros(), Instant::now()));
        let segments = self.shared.folder.join(segment::FOLDER);
        next.removed.retain(|file| segments.join(file).exists());
        let bytes = next.save(&self.shared.disk, &self.shared.folder)?;
        self.shared.manifest_bytes.store(bytes, Ordering::Relaxed);
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
            let there = manifest.segments.iter().filter(|entry| entry.remote && gone.contains(&entry.file));
            let there: Vec<String> = there.map(|entry| entry.file.clone()).collect();
            if !there.is_empty() {
                manifest.remote.get_or_insert_with(Kept::default).loose.extend(there);
            }
            manifest.segments.retain(|entry| !gone.contains(&entry.file));
            manifest.segments.extend(added);
            manifest.removed.extend_from_slice(gone);
        })?;
        for segment in self.shared.snapshot().segments.iter().filter(|segment| gone.contains(&segment.entry.file)) {
            segment.doom();
            if let Some(keeper) = self.keeper.as_mut().filter(|_| segment.entry.remote) {
                keeper.hold(segment);
            }
        }
        self.unchecked.retain(|segment| !gone.contains(&segment.entry.file));
        self.shared.exchange(gone, new.map(|entry| Segment::new(&self.shared.folder, entry)));
        Ok(())
    }

    /// One small piece of each work, so that the next generation does not wait long; whether somebody waits for more.
    pub(crate) fn keep_house(&mut self) -> bool {
        let (now, wall_micros) = (Instant::now(), now_micros());
        let look = (self.manifest.version, wall_micros.div_euclid(LOOK_EVERY_MICROS));
        if self.idle == Some(look) && self.compacting.is_none() {
            return false;
        }
        self.resting = self.resting.filter(|until| now < *until);
        self.passed_over.retain(|_, until| now < *until);
        let checked = self.check_next();
        let mut written = false;
        if self.resting.is_none() {
            written |= self.merge_next(wall_micros);
        }
        if self.resting.is_none() {
            let time_micros = self.clock.read(wall_micros, now);
            written |= self.trim(time_micros);
        }
        let rolled = self.keep_rollups();
        self.idle = (!checked && !written && !rolled).then_some(look);
        if !written {
            self.end_compacting(None);
        }
        self.compacting.is_some()
    }

    /// Reads one segment that was not read whole since start; whether there was one.
    fn check_next(&mut self) -> bool {
        let passed_over = |segment: &Arc<Segment>| self.passed_over.contains_key(&segment.entry.file);
        let Some(at) = self.unchecked.iter().rposition(|segment| !passed_over(segment)) else { return false };
        let segment = self.unchecked.remove(at);
        match segment::check_fully(&segment) {
            Ok(()) => {}
            Err(Fault::Wrong(reason)) => self.set_aside(&segment, &reason),
            Err(Fault::Io(error)) => {
                self.pass_over(&segment.entry.file, &error);
                self.unchecked.insert(0, segment);
            }
        }
        true
    }

    /// Merges what is next; whether there was anything.
    fn merge_next(&mut self, wall_micros: i64) -> bool {
        let entries = self.manifest.segments.iter();
        // Nothing comes back from the remote store to be merged.
        let entries: Vec<&Entry> =
            entries.filter(|entry| !entry.remote && !self.passed_over.contains_key(&entry.file)).collect();
        let files = plan::next(&entries, wall_micros);
        if files.is_empty() {
            return false;
        }
        let bytes = |manifest: &Manifest| manifest.segments.iter().map(|entry| entry.bytes).sum::<u64>();
        let before = bytes(&self.manifest);
        match self.merge(&files) {
            Ok(merged) => {
                if let Some(Compacting { done, .. }) = self.compacting.as_mut().filter(|_| merged) {
                    done.merged += files.len() as u64;
                    done.written += 1;
                    done.saved_bytes += before as i64 - bytes(&self.manifest) as i64;
                }
            }
            Err(error) => self.not_replaced(&files, &error),
        }
        true
    }

    /// Segments could not be written anew.
    fn not_replaced(&mut self, files: &[String], error: &io::Error) {
        self.resting = Some(Instant::now() + REST);
        files.iter().for_each(|file| self.pass_over(file, error));
        self.end_compacting(Some(error));
    }

    /// Leaves a segment alone for a while.
    pub(crate) fn pass_over(&mut self, file: &str, error: &io::Error) {
        tracing::warn!(file, %error, "a segment cannot be read or written anew; it is tried again later");
        self.passed_over.insert(file.to_owned(), Instant::now() + PASSED_OVER);
    }

    /// Whether nothing was left to do in the log as it is.
    pub(crate) fn is_idle(&self) -> bool {
        self.resting.is_none() && self.idle.is_some_and(|(version, _)| version == self.manifest.version)
    }

    /// Something has become possible without a change of the manifest.
    pub(crate) fn look_again(&mut self) {
        self.idle = None;
    }

    pub(crate) fn forget_unchecked(&mut self, file: &str) {
        self.unchecked.retain(|unchecked| unchecked.entry.file != file);
    }

    pub(crate) fn is_passed_over(&self, file: &str) -> bool {
        self.passed_over.contains_key(file)
    }

    pub(crate) fn work(&mut self, job: Job) {
        match job {
            // Whoever asked may have gone meanwhile.
            Job::Compact(reply) => self.begin_compacting(reply),
            Job::Import(commit, reply) => drop(reply.send(self.import(&commit))),
            Job::Look(reply) => drop(reply.send(self.manifest.clone())),
            Job::Shipped(shipped) => self.shipped(shipped),
        }
    }

    /// All that house-keeping would do in time is done from now on, step by step.
    fn begin_compacting(&mut self, reply: SyncSender<io::Result<Compacted>>) {
        if let Some(Compacting { replies, .. }) = &mut self.compacting {
            if replies.len() < JOBS_WAITING_MAX {
                replies.push(reply);
            } else {
                let _ = reply.send(Err(io::Error::other("too many wait for it already")));
            }
            return;
        }
        (self.resting, self.idle) = (None, None);
        self.passed_over.clear();
        let purged_before = self.shared.purged.load(Ordering::Relaxed);
        self.compacting = Some(Compacting { replies: vec![reply], done: Compacted::default(), purged_before });
        let time_micros = self.clock.read(now_micros(), Instant::now());
        if let Err(error) = self.retain(time_micros) {
            self.end_compacting(Some(&error));
        }
    }

    /// Tells those who wait for a compaction what came of it.
    fn end_compacting(&mut self, error: Option<&io::Error>) {
        let Some(Compacting { replies, mut done, purged_before }) = self.compacting.take() else { return };
        done.purged = self.shared.purged.load(Ordering::Relaxed) - purged_before;
        for reply in replies {
            let answer = error.map_or(Ok(done), |error| Err(io::Error::new(error.kind(), error.to_string())));
            // Each has room for its answer; whoever asked may have gone.
            let _ = reply.send(answer);
        }
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

    /// Writes a segment of rows that were in others. Its name takes a version, and never comes again: a manifest that may or
    /// may not be in place names the file before it.
    fn write(&mut self, source: &Source, batches: &[Arc<RecordBatch>]) -> io::Result<Entry> {
        self.manifest.version += 1;
        let name = format!("merged-{:010}", self.manifest.version);
        segment::write(&self.shared.disk, &self.shared.folder, &name, source, batches)
    }

    /// Whether these files were replaced by one; a damaged one among them is set aside instead.
    fn merge(&mut self, files: &[String]) -> io::Result<bool> {
        let snapshot = self.shared.snapshot();
        let mut batches = Vec::new();
        for segment in snapshot.segments.iter().filter(|segment| files.contains(&segment.entry.file)) {
            match segment::read_rows(segment) {
                Ok(rows) => batches.extend(rows),
                Err(Fault::Io(error)) => return Err(error),
                Err(Fault::Wrong(reason)) => {
                    self.set_aside(segment, &reason);
                    return Ok(false);
                }
            }
        }
        let entry = self.write(&Source::Segments(files.to_vec()), &batches)?;
        self.replace(files, Some(entry))?;
        Ok(true)
    }

    /// Takes a damaged segment out of the log, and its rollup with it. The file goes first: one that no manifest names would
    /// be taken for what a crash left behind.
    pub(crate) fn set_aside(&mut self, segment: &Segment, reason: &str) {
        let file = segment.entry.file.as_str();
        if segment.entry.remote {
            // What was fetched is of no use; nothing is taken out of the log for what lies elsewhere.
            self.let_go(segment);
            return self.pass_over(file, &io::Error::other(reason));
        }
        let place = Path::new(segment::FOLDER).join(file);
        let note = match recover::try_move_aside(&self.shared.folder, &place) {
            Ok(target) => format!("{} was set aside as {}: {reason}", place.display(), target.display()),
            Err(_) if matches!(segment.path.try_exists(), Ok(false)) => {
                format!("{} is missing: {} events are lost", place.display(), segment.entry.rows)
            }
            Err(error) => {
                tracing::error!("{} is damaged ({reason}) and cannot be set aside", place.display());
                return self.pass_over(file, &error);
            }
        };
        // Not as an argument: without anybody who listens it would not be done.
        tracing::error!("{note}");
        self.shared.exchange(&[file.to_owned()], None);
        self.shared.set_aside.fetch_add(1, Ordering::Relaxed);
        self.forget_unchecked(file);
        segment.rollup.remove();
        if let Err(error) = self.change(|manifest| manifest.segments.retain(|entry| entry.file != file)) {
            // The next change says it, or the next start finds it missing.
            tracing::error!(file, %error, "the manifest still names a segment that was set aside");
            self.manifest.segments.retain(|entry| entry.file != file);
        }
    }
}

/// The wall clock: retention and merging are about calendar hours.
pub(crate) fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
