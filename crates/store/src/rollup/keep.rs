//! Rollups looked after by the segment thread: damage is found before a search finds it, and what is missing is made.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{FOLDER, Rollup, try_write};
use crate::numbered::Names;
use crate::recover;
use crate::segment::{self, Fault, Segment};
use crate::segmenter::Segmenter;

/// Rollups whose checksums are looked at in one go.
const CHECKED_AT_ONCE: usize = 16;

impl Segmenter {
    /// Checks a few rollups and makes at most one, the newest first; whether there was anything to do.
    pub(crate) fn keep_rollups(&mut self) -> bool {
        let segments = Arc::clone(&self.shared.snapshot().segments);
        let mut any = false;
        let unverified = segments.iter().rev().filter_map(|segment| segment.rollup.good());
        for rollup in unverified.filter(|rollup| !rollup.verified.load(Ordering::Acquire)).take(CHECKED_AT_ONCE) {
            any |= rollup.octets().is_ok() || rollup.bad.load(Ordering::Acquire);
        }
        let mut missing = segments.iter().rev().filter(|segment| segment.rollup.good().is_none());
        let next = missing.find(|segment| !self.is_passed_over(&segment.entry.file) && self.at_hand(segment));
        let Some(segment) = next else { return any };
        match self.make_rollup(segment) {
            Ok(()) => {}
            Err(Fault::Wrong(reason)) => self.set_aside(segment, &reason),
            Err(Fault::Io(error)) => self.pass_over(&segment.entry.file, &error),
        }
        true
    }

    /// Makes the rollup of a segment, unless the one it has is good after all. What is wrong is wrong with the segment.
    fn make_rollup(&mut self, segment: &Arc<Segment>) -> Result<(), Fault> {
        let place = &segment.rollup;
        if let Some(bad) = place.current.load_full() {
            match bad.read() {
                Ok(_) if !bad.undecodable.load(Ordering::Acquire) => {
                    bad.bad.store(false, Ordering::Release);
                    return Ok(());
                }
                Ok(_) => {}
                Err(Fault::Io(error)) => return Err(Fault::Io(error)),
                Err(Fault::Wrong(reason)) => self.set_rollup_aside(segment, &bad, &reason),
            }
            place.current.store(None);
        }
        let rows = segment::read_rows(segment)?;
        self.let_go(segment);
        let disk = self.shared.disk.clone();
        let names = Names::of(&rows).ok_or("its columns are not those of events")?;
        let made = try_write(&disk, &self.shared.folder, &segment.entry, &rows, &names).map_err(Fault::Io)?;
        self.change(|manifest| {
            let entry = manifest.segments.iter_mut().find(|entry| entry.file == segment.entry.file);
            if let Some(entry) = entry {
                entry.rollup = Some(made);
            }
        })
        .map_err(Fault::Io)?;
        place.current.store(Some(Arc::new(Rollup::new(place.path.clone(), made))));
        Ok(())
    }

    /// Says what is wrong with a rollup, and moves it out of the way when it is there at all.
    fn set_rollup_aside(&self, segment: &Segment, bad: &Rollup, reason: &str) {
        let file = Path::new(FOLDER).join(&segment.entry.file);
        if bad.path.exists() {
            // Not as an argument: without anybody who listens it would not be done.
            let note = recover::move_aside(&self.shared.folder, &file, reason);
            tracing::error!("{note}");
        } else {
            tracing::error!("{} is missing and is made again", file.display());
        }
    }
}
