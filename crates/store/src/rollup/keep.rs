//! Rollups looked after by the segment thread: damage is found before a search finds it, and what is missing is made.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{FOLDER, Rollup, write};
use crate::recover;
use crate::segment::{self, Segment};
use crate::segmenter::Segmenter;

/// Rollups whose checksums are looked at in one go.
const CHECKED_AT_ONCE: usize = 16;

impl Segmenter {
    /// Checks a few rollups and makes at most one, the newest first.
    pub(crate) fn keep_rollups(&mut self) {
        let segments = Arc::clone(&self.shared.snapshot().segments);
        let unverified = segments.iter().rev().filter_map(|segment| segment.rollup.good());
        for rollup in unverified.filter(|rollup| !rollup.verified.load(Ordering::Acquire)).take(CHECKED_AT_ONCE) {
            let _ = rollup.octets();
        }
        let given_up = |segment: &Segment| segment.rollup.given_up.load(Ordering::Acquire);
        let missing = segments.iter().rev().find(|segment| segment.rollup.good().is_none() && !given_up(segment));
        if let Some(segment) = missing
            && let Err(reason) = self.make_rollup(segment)
        {
            segment.rollup.given_up.store(true, Ordering::Release);
            tracing::warn!(file = %segment.entry.file, %reason, "cannot make the rollup of a segment");
        }
    }

    fn make_rollup(&mut self, segment: &Arc<Segment>) -> Result<(), String> {
        if let Some(bad) = segment.rollup.current.swap(None) {
            self.set_rollup_aside(segment, &bad);
        }
        segment::check_fully(segment)?;
        let rows = segment::read_rows(&segment.path)?;
        let disk = self.shared.disk.clone();
        let made = write(&disk, &self.shared.folder, &segment.entry, &rows).ok_or("its file cannot be written")?;
        self.change(|manifest| {
            let entry = manifest.segments.iter_mut().find(|entry| entry.file == segment.entry.file);
            if let Some(entry) = entry {
                entry.rollup = Some(made);
            }
        })
        .map_err(|error: io::Error| error.to_string())?;
        segment.rollup.current.store(Some(Arc::new(Rollup::new(segment.rollup.path.clone(), made))));
        Ok(())
    }

    /// Says what is wrong with a rollup, and moves it out of the way when it is there at all.
    fn set_rollup_aside(&self, segment: &Segment, bad: &Rollup) {
        let Err(reason) = bad.octets() else { return };
        let file = Path::new(FOLDER).join(&segment.entry.file);
        if bad.path.exists() {
            // Not as an argument: without anybody who listens it would not be done.
            let note = recover::move_aside(&self.shared.folder, &file, &reason.to_string());
            tracing::error!("{note}");
        } else {
            tracing::error!("{} is missing and is made again", file.display());
        }
    }
}
