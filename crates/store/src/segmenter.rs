//! The segment thread: turns sealed generations into segments, and then keeps house: retention, merging the small
//! segments of hours gone by, and reading old segments now and then to find damage before a search does.
//!
//! The only one that changes the manifest while the log is open.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow::array::RecordBatch;

use crate::live::{Shared, lock};
use crate::manifest::{Entry, Manifest};
use crate::segment::{self, HOUR_MICROS, Segment, Source};
use crate::{recover, retention, wal};

/// Longest nap of the thread.
const NAP: Duration = Duration::from_secs(1);
/// How often retention is looked at when no segment is written.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// Rows a merged segment has at most: one row group, and what fits in memory next to everything else.
const MERGED_ROWS_MAX: u64 = 1 << 20;
/// An hour is merged this long after its end: late segments are then in.
const MERGE_AFTER_MICROS: i64 = HOUR_MICROS / 4;

pub(crate) struct Segmenter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) manifest: Manifest,
    /// Segments not yet read whole since start, next last.
    pub(crate) unchecked: Vec<Arc<Segment>>,
}

impl Segmenter {
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
            let bounds = *lock(&self.shared.retention);
            let due = retained.is_none_or(|retained| now.duration_since(retained) >= RETENTION_EVERY);
            if due || flushed || retention != Some(bounds) {
                (retained, retention) = (Some(now), Some(bounds));
                if let Err(error) = self.retain(now_micros()) {
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
    fn change(&mut self, edit: impl FnOnce(&mut Manifest)) -> io::Result<()> {
        let mut next = self.manifest.clone();
        edit(&mut next);
        next.version += 1;
        let segments = self.shared.folder.join(segment::FOLDER);
        next.removed.retain(|file| segments.join(file).exists());
        next.save(&self.shared.disk, &self.shared.folder)?;
        self.manifest = next;
        Ok(())
    }

    fn retain(&mut self, now_micros: i64) -> io::Result<()> {
        let (keep_age, keep_bytes) = *lock(&self.shared.retention);
        let other_bytes = self.shared.wal_bytes();
        let gone = retention::surplus(&self.manifest.segments, other_bytes, now_micros, keep_age, keep_bytes);
        self.replace(&gone, None)
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
        let small = mergeable(&self.manifest.segments, now_micros());
        if !small.is_empty()
            && let Err(error) = self.merge(&small)
        {
            tracing::warn!(%error, "cannot merge segments");
        }
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
        let name = format!("merged-{:010}", self.manifest.version + 1);
        let source = Source::Segments(files.to_vec());
        let entry = segment::write(&self.shared.disk, &self.shared.folder, &name, &source, &batches)?;
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

/// Files of the first run of segments that one larger one can replace: same hour, over for a while, together not
/// too many rows.
fn mergeable(entries: &[Entry], now_micros: i64) -> Vec<String> {
    let mut hours: BTreeMap<i64, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        hours.entry(entry.time_min_micros.div_euclid(HOUR_MICROS)).or_default().push(entry);
    }
    let over = |hour: i64| {
        let end = hour.saturating_add(1).saturating_mul(HOUR_MICROS);
        end.saturating_add(MERGE_AFTER_MICROS) < now_micros
    };
    for (_, mut entries) in hours.into_iter().filter(|&(hour, _)| over(hour)) {
        entries.sort_by_key(|entry| entry.time_min_micros);
        let (mut run, mut rows) = (Vec::new(), 0);
        for entry in entries {
            if rows + entry.rows > MERGED_ROWS_MAX {
                if run.len() > 1 {
                    return run;
                }
                (run, rows) = (Vec::new(), 0);
            }
            rows += entry.rows;
            run.push(entry.file.clone());
        }
        if run.len() > 1 {
            return run;
        }
    }
    Vec::new()
}

/// The wall clock: retention and merging are about calendar hours.
fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments are `hour:rows`, named by their place; the answer is the places merged.
    fn check(segments: &[(i64, u64)], now_hour: i64, expect: &[usize]) {
        let entry = |(at, &(hour, rows)): (usize, &(i64, u64))| Entry {
            file: at.to_string(),
            rows,
            time_min_micros: hour * HOUR_MICROS + at as i64,
            time_max_micros: hour * HOUR_MICROS + at as i64,
            seq_max: 0,
            bytes: 1,
            crc: 0,
            schema_version: event::SCHEMA_VERSION,
        };
        let entries: Vec<Entry> = segments.iter().enumerate().map(entry).collect();
        let expect: Vec<String> = expect.iter().map(usize::to_string).collect();
        assert_eq!(mergeable(&entries, now_hour * HOUR_MICROS + HOUR_MICROS / 2), expect, "{segments:?}");
    }

    #[test]
    fn small_segments_of_an_hour_gone_by_are_merged() {
        check(&[(1, 10), (1, 10), (2, 10), (1, 10)], 3, &[0, 1, 3]);
        check(&[(1, 10), (2, 10), (2, 10)], 3, &[1, 2]);
    }

    #[test]
    fn the_present_hour_and_lone_segments_are_left() {
        check(&[(3, 10), (3, 10)], 3, &[]);
        check(&[(1, 10), (2, 10)], 9, &[]);
    }

    #[test]
    fn a_merged_segment_stays_within_a_row_group() {
        check(&[(1, MERGED_ROWS_MAX), (1, 5), (1, 5)], 3, &[1, 2]);
        check(&[(1, MERGED_ROWS_MAX - 5), (1, 5), (1, 5), (1, 5)], 3, &[0, 1]);
        check(&[(1, MERGED_ROWS_MAX), (1, MERGED_ROWS_MAX)], 3, &[]);
    }
}
