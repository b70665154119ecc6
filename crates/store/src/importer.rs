//! Imports: events of the past, straight into segments.
//!
//! What was imported and how far is named in the manifest by one change, so that an import that was cut short goes on where
//! it was, and one that is done again adds nothing. Events pass the same admission as those that arrive.
//!
//! Knows nothing of the form of a source.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use event::{Builder, Event};

use crate::jobs::{Commit, Job};
use crate::live::{Shared, lock};
use crate::manifest::{Entry, Import, SOURCES_TO_BYTES};
use crate::rollup;
use crate::segment::{self, HOUR_MICROS, Source};
use crate::segmenter::now_micros;
use crate::wal::RECORD_ROWS_MAX;

/// Events held in memory before they are written and committed: a few hundred megabytes.
const HELD_ROWS_MAX: usize = 1 << 20;
/// Rows of an hour from which it has a segment of its own; below, its day has one.
const HOUR_ROWS_MIN: usize = 1 << 16;
/// Most segments of one commit: neighbouring days share one when the times are all over the calendar.
const SEGMENTS_MAX: usize = 512;
/// Longest name of a source.
pub const SOURCE_BYTES_MAX: usize = 128;
/// Most sources the log remembers. More are refused: forgetting one would import it twice.
pub const SOURCES_MAX: usize = 100_000;

/// Why an import does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Somebody is importing the same source.
    #[error("{source_name} is being imported already")]
    Busy {
        /// The source.
        source_name: String,
    },
    /// The name is empty, too long, or has line ends in it.
    #[error("a source is named by 1 to {SOURCE_BYTES_MAX} bytes on one line")]
    Name,
    /// There are `SOURCES_MAX`, or so many segments that there is no room to remember another.
    #[error(
        "the log remembers {SOURCES_MAX} imported sources, fewer beside very many segments, and cannot remember more"
    )]
    TooMany,
    /// A commit failed, and events are offered all the same.
    #[error("an earlier part of this import could not be kept; import the source again from where it is")]
    Failed,
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// The disk said no. What was committed before stays; the rest can be imported again.
    #[error("cannot write imported events: {0}")]
    Io(#[from] io::Error),
}

/// One import under way. Dropped without `commit`, it leaves what was committed before.
pub struct Importer {
    shared: Arc<Shared>,
    /// The folder stays ours while there may be files to write.
    _held: Arc<File>,
    source: String,
    kept: Import,
    /// Records since the last commit, bad ones too.
    records: u64,
    bad: u64,
    builder: Builder,
    batches: Vec<RecordBatch>,
    rows: usize,
    /// A commit failed: what was offered before it is gone, and the position with it.
    failed: bool,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Records of the source dealt with, bad ones too.
    pub position: u64,
    /// Events kept of them.
    pub rows: u64,
    /// Records that were no events.
    pub bad: u64,
}

impl Importer {
    pub(crate) fn new(shared: &Arc<Shared>, held: Arc<File>, source: &str) -> Result<Importer, ImportError> {
        if source.is_empty() || source.len() > SOURCE_BYTES_MAX || source.contains(['\n', '\r']) {
            return Err(ImportError::Name);
        }
        if !lock(&shared.importing).insert(source.to_owned()) {
            return Err(ImportError::Busy { source_name: source.to_owned() });
        }
        // From here on dropping it lets the next one in.
        let mut importer = Importer {
            shared: Arc::clone(shared),
            _held: held,
            source: source.to_owned(),
            kept: Import::default(),
            records: 0,
            bad: 0,
            builder: Builder::new(0),
            batches: Vec::new(),
            rows: 0,
            failed: false,
        };
        if shared.closing.load(Ordering::Acquire) {
            return Err(ImportError::Closed);
        }
        let manifest = shared.manifest.load();
        match manifest.imports.get(source) {
            Some(kept) => importer.kept.clone_from(kept),
            None if manifest.imports.len() >= SOURCES_MAX
                || shared.manifest_bytes.load(Ordering::Relaxed) > SOURCES_TO_BYTES =>
            {
                return Err(ImportError::TooMany);
            }
            None => {}
        }
        Ok(importer)
    }

    fn ask(&self, job: Job) -> Result<(), ImportError> {
        self.shared.ask(job).map_err(|_| ImportError::Closed)
    }

    /// Records of this source the log has dealt with for good: skip as many.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.kept.position
    }

    /// How far it is, with what is not committed yet.
    #[must_use]
    pub fn so_far(&self) -> Imported {
        Imported {
            position: self.kept.position + self.records,
            rows: self.kept.rows + self.rows as u64,
            bad: self.kept.bad + self.bad,
        }
    }

    /// Takes the next record's event; commits by itself now and then.
    ///
    /// # Errors
    /// As `commit`.
    pub fn offer(&mut self, mut event: Event) -> Result<(), ImportError> {
        if self.failed {
            return Err(ImportError::Failed);
        }
        self.shared.gate.load().admit(&mut event);
        if self.builder.is_empty() {
            let first = self.shared.next_imported.fetch_add(RECORD_ROWS_MAX as u64, Ordering::Relaxed);
            self.builder = Builder::new(first);
        }
        self.builder.push(&event);
        self.rows += 1;
        self.records += 1;
        if self.builder.len() >= RECORD_ROWS_MAX {
            self.batches.push(self.builder.finish());
        }
        if self.rows >= HELD_ROWS_MAX {
            self.commit()?;
        }
        Ok(())
    }

    /// The next record is no event.
    pub fn counted_bad(&mut self) {
        self.records += 1;
        self.bad += 1;
    }

    /// Records before this number are gone, or never were: sources that number their rows have gaps.
    pub fn skip_to(&mut self, position: u64) {
        self.records += position.saturating_sub(self.kept.position + self.records);
    }

    /// Writes what was offered and makes it part of the log, together with the position: both or neither.
    ///
    /// # Errors
    /// The disk said no or the log was closed. What was offered since the last commit is then lost to this importer, which
    /// takes no more; a new one has the position to go on from.
    pub fn commit(&mut self) -> Result<Imported, ImportError> {
        if self.failed {
            return Err(ImportError::Failed);
        }
        let committed = self.try_commit();
        self.failed = committed.is_err();
        committed
    }

    fn try_commit(&mut self) -> Result<Imported, ImportError> {
        if self.records == 0 {
            return Ok(self.so_far());
        }
        if !self.builder.is_empty() {
            self.batches.push(self.builder.finish());
        }
        let so_far = self.so_far();
        let (batches, _) = (std::mem::take(&mut self.batches), std::mem::take(&mut self.rows));
        (self.records, self.bad) = (0, 0);
        let mut entries = Vec::new();
        if let Err(error) = self.write(&batches, so_far.position, &mut entries) {
            // Nobody knows of them yet, and on a full disk somebody else may need the room.
            entries.iter().for_each(|entry| self.remove(entry));
            return Err(error.into());
        }
        let Imported { position, rows, bad } = so_far;
        let import = Import { position, rows, bad, time_micros: now_micros() };
        let commit = Commit {
            source: self.source.clone(),
            import: import.clone(),
            entries,
            next_imported: self.shared.next_imported.load(Ordering::Relaxed),
        };
        let (reply, answer) = mpsc::sync_channel(1);
        self.ask(Job::Import(Box::new(commit), reply))?;
        answer.recv().map_err(|_| ImportError::Closed)??;
        self.kept = import;
        Ok(so_far)
    }
}

impl Importer {
    fn write(&self, batches: &[RecordBatch], position: u64, entries: &mut Vec<Entry>) -> io::Result<()> {
        let source = Source::Import(position, self.source.clone());
        for part in parts(batches)? {
            let (_, numbers) = segment::times_and_numbers(&part[0])?;
            let name = format!("import-{:016}", numbers.first().copied().unwrap_or(0));
            entries.push(segment::write(&self.shared.disk, &self.shared.folder, &name, &source, &part)?);
        }
        Ok(())
    }

    fn remove(&self, entry: &Entry) {
        for inside in [segment::FOLDER, rollup::FOLDER] {
            let _ = fs::remove_file(self.shared.folder.join(inside).join(&entry.file));
        }
    }
}

impl Drop for Importer {
    fn drop(&mut self) {
        lock(&self.shared.importing).remove(&self.source);
    }
}

/// The rows by what becomes a segment each: an hour with many rows, else a day.
fn parts(batches: &[RecordBatch]) -> io::Result<Vec<Vec<Arc<RecordBatch>>>> {
    let mut hours: BTreeMap<i64, usize> = BTreeMap::new();
    for batch in batches {
        let (times, _) = segment::times_and_numbers(batch)?;
        times.iter().for_each(|time| *hours.entry(time.div_euclid(HOUR_MICROS)).or_default() += 1);
    }
    // Day, and the hour when it has a segment of its own.
    let key = |hour: i64| (hour.div_euclid(24), hours.get(&hour).filter(|rows| **rows >= HOUR_ROWS_MIN).map(|_| hour));
    let mut keys: Vec<(i64, Option<i64>)> = hours.keys().map(|&hour| key(hour)).collect();
    keys.sort_unstable();
    keys.dedup();
    let share = keys.len().div_ceil(SEGMENTS_MAX).max(1);
    let mut parts: Vec<Vec<Arc<RecordBatch>>> = vec![Vec::new(); keys.len().div_ceil(share)];
    for batch in batches {
        let (times, _) = segment::times_and_numbers(batch)?;
        let mut rows: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (at, time) in (0..).zip(times) {
            let place = keys.binary_search(&key(time.div_euclid(HOUR_MICROS))).unwrap_or_else(|place| place);
            rows.entry(place / share).or_default().push(at);
        }
        for (part, rows) in rows {
            let batch = take_record_batch(batch, &UInt32Array::from(rows)).map_err(io::Error::other)?;
            parts[part].push(Arc::new(batch));
        }
    }
    Ok(parts)
}
