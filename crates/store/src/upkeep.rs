//! What an operator asks of an open log: status, verification, compaction, imports.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use crate::importer::{ImportError, Importer};
use crate::jobs::Job;
use crate::live::lock;
use crate::manifest::Manifest;
use crate::status::{Compacted, RemoteStatus, Status};
use crate::verify::{self, Report};
use crate::{Store, StoreError, recover, segmenter};

impl Store {
    /// Begins or goes on with the import of a source: what names the input, such as its format and a fingerprint of its
    /// content.
    ///
    /// # Errors
    /// The source is being imported, its name is no name, or the log is closed.
    pub fn importer(&self, source: &str) -> Result<Importer, ImportError> {
        let held = lock(&self.inner.running).as_ref().map(|running| Arc::clone(&running.lock));
        Importer::new(&self.inner.shared, held.ok_or(ImportError::Closed)?, source)
    }

    /// Does now what house-keeping does in time: drops what is due, merges what can be merged. May take long; events that
    /// arrive meanwhile are kept.
    ///
    /// # Errors
    /// The disk said no, or the log is closed.
    pub fn compact(&self) -> Result<Compacted, ImportError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.inner.shared.ask(Job::Compact(reply)).map_err(|_| ImportError::Closed)?;
        Ok(answer.recv().map_err(|_| ImportError::Closed)??)
    }

    /// How the log is, whole. Waits for nobody.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.inner.shared;
        let (manifest, contents) = (shared.manifest.load(), shared.snapshot());
        let entries: Vec<_> = contents.segments.iter().map(|segment| &segment.entry).collect();
        let bounds = lock(&shared.retention).clone();
        let purged = shared.purged.load(Ordering::Relaxed);
        let remote = RemoteStatus::of(shared.remote.as_deref(), &entries, &manifest, segmenter::now_micros());
        Status::of(shared.health(), &entries, &manifest, purged, &bounds, remote)
    }

    /// The manifest when the segment thread is between two changes; `None` when it has ended.
    pub(crate) fn manifest(&self) -> Option<Manifest> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.inner.shared.ask(Job::Look(reply)).ok()?;
        answer.recv().ok()
    }

    /// Reads every file of the log and every object of it in the remote store, and names what is damaged, missing or unknown.
    /// Changes nothing; takes as long as reading all bytes does. Not for an async thread.
    ///
    /// # Errors
    /// The log is closed (use `verify`), or a folder cannot be listed.
    pub fn verify(&self) -> Result<Report, StoreError> {
        let shared = &self.inner.shared;
        let closed = || recover::at(&shared.folder, io::Error::other("the log is closed"));
        let (wals, contents) = (shared.wals(), shared.snapshot());
        let manifest = self.manifest().ok_or_else(closed)?;
        let still_live = |number| shared.wals().iter().any(|(live, _)| *live == number);
        let still_unknown = |file: &Path| {
            let importing = !lock(&shared.importing).is_empty();
            let import = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("import-"));
            let path = shared.folder.join(file);
            let now = self.manifest();
            let named = |now: &Manifest| {
                let mut files = now.segments.iter().map(|entry| &entry.file).chain(&now.removed);
                files.any(|name| path.ends_with(name))
            };
            path.exists() && !(importing && import) && !now.as_ref().is_some_and(named)
        };
        let mut report =
            verify::verify_open(&shared.folder, &manifest, &contents.segments, &wals, still_live, still_unknown)?;
        if let Some(remote) = &shared.remote {
            // Objects that come or go meanwhile are named before or after.
            let named = |manifest: &Manifest, file: &str| {
                let loose = manifest.remote.iter().flat_map(|kept| &kept.loose);
                let there = manifest.segments.iter().filter(|entry| entry.remote).map(|entry| &entry.file);
                loose.chain(there).any(|name| name == file)
            };
            let still_unknown =
                |file: &str| !named(&manifest, file) && !self.manifest().is_some_and(|now| named(&now, file));
            verify::verify_remote(remote, &contents.segments, still_unknown, &mut report);
        }
        Ok(report)
    }
}
