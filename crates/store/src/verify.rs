//! Verification: every file of the log read whole, and what is damaged, missing or unknown named. Changes nothing.
//!
//! Knows the files; what becomes of a damaged one is for opening and for the segment thread to decide.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::TEMP_EXTENSION;
use crate::manifest::{self, Manifest, Unreadable};
use crate::remote::{self, Remote, Unlike};
use crate::segment::{self, Segment};
use crate::{StoreError, recover, rollup, wal};

/// Most findings kept; beyond, they are counted.
const FINDINGS_MAX: usize = 10_000;
/// Most objects of a remote store that are looked at for strangers.
const OBJECTS_MAX: usize = 1_000_000;

/// What a log's files are like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, at most 10,000.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
    /// Good segments.
    pub segments: u64,
    /// Events in them.
    pub segment_rows: u64,
    /// Good WAL files.
    pub wals: u64,
    /// Events in the good records of all WAL files.
    pub wal_rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Files set aside earlier: known to be damaged, and no part of the log.
    pub aside: u64,
    /// Segments in a remote store that were not looked at: there was nobody to ask, or it does not answer.
    pub remote_unread: u64,
}

/// A file that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the log's folder.
    pub file: PathBuf,
    /// What is wrong with it.
    pub kind: FindingKind,
    /// Why, for an operator.
    pub reason: String,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// Its bytes are not those written.
    Damaged,
    /// The manifest names it and it is not there.
    Missing,
    /// It is no part of the log.
    Unknown,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }

    fn say(&mut self, file: impl Into<PathBuf>, kind: FindingKind, reason: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { file: file.into(), kind, reason: reason.into() });
        } else {
            self.more_findings += 1;
        }
    }
}

/// Reads every file of the log in a folder that no server has open.
///
/// # Errors
/// The folder is in use (ask that server instead: `Store::verify`), or a folder in it cannot be listed.
pub fn verify(folder: &Path) -> Result<Report, StoreError> {
    // Not `lock_folder`, which makes the file.
    let lock = File::open(folder.join("lock")).ok();
    if let Some(lock) = &lock
        && matches!(lock.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
    {
        return Err(StoreError::InUse { folder: folder.to_owned() });
    }
    let mut report = Report::default();
    let manifest = check_manifest(folder, "it is made again from the segments at the next start", &mut report);
    files(folder, manifest.as_ref(), &mut report)?;
    match &manifest {
        Some(manifest) => {
            let segments = manifest.segments.iter().map(|entry| Segment::new(folder, entry.clone()));
            segments.for_each(|segment| check_segment(&segment, &mut report));
            report.remote_unread = manifest.segments.iter().filter(|entry| entry.remote).count() as u64;
        }
        // Without the manifest a segment is held against what it says of itself.
        None => orphans(folder, &mut report)?,
    }
    let wal_folder = folder.join("wal");
    for number in numbers(&wal_folder)? {
        // A WAL that is in a segment is left over from a crash and is removed at the next start.
        if manifest.as_ref().is_none_or(|manifest| !recover::holds(manifest, number)) {
            check_wal(&wal_folder, number, None, &mut report);
        }
    }
    Ok(report)
}

/// Verifies a log that is open: its segments as of now, the WAL as far as it was written.
pub(crate) fn verify_open(
    folder: &Path,
    manifest: &Manifest,
    segments: &[Arc<Segment>],
    wals: &[(u64, u64)],
    still_live: impl Fn(u64) -> bool,
    still_unknown: impl Fn(&Path) -> bool,
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    check_manifest(folder, "it is written again with the next segment", &mut report);
    let mut listed = Report::default();
    files(folder, Some(manifest), &mut listed)?;
    report.aside = listed.aside;
    // Segments come and go meanwhile.
    report.findings.extend(listed.findings.into_iter().filter(|finding| still_unknown(&finding.file)));
    segments.iter().for_each(|segment| check_segment(segment, &mut report));
    report.remote_unread = segments.iter().filter(|segment| segment.entry.remote).count() as u64;
    for &(number, good_bytes) in wals {
        let mut of_one = Report::default();
        check_wal(&folder.join("wal"), number, Some(good_bytes), &mut of_one);
        if still_live(number) {
            of_one.findings.into_iter().for_each(|finding| report.say(finding.file, finding.kind, finding.reason));
            report.wals += of_one.wals;
            report.wal_rows += of_one.wal_rows;
            report.bytes += of_one.bytes;
        }
    }
    Ok(report)
}

/// Reads the manifest; what becomes of a missing one is told.
fn check_manifest(folder: &Path, when_missing: &str, report: &mut Report) -> Option<Manifest> {
    let (kind, reason) = match manifest::load(folder) {
        Ok(manifest) => return Some(manifest),
        Err(Unreadable::Missing) => (FindingKind::Missing, when_missing.to_owned()),
        Err(Unreadable::Corrupt(reason)) => (FindingKind::Damaged, reason),
        Err(Unreadable::Io(error)) => (FindingKind::Damaged, format!("it cannot be read: {error}")),
    };
    report.say(manifest::NAME, kind, reason);
    None
}

/// Reads every object of these segments, and looks for others. A far end that does not answer is not asked again.
pub(crate) fn verify_remote(
    remote: &Remote,
    segments: &[Arc<Segment>],
    still_unknown: impl Fn(&str) -> bool,
    report: &mut Report,
) {
    let mut found = Vec::new();
    let listed = remote.wait(remote.list(|object| {
        if found.len() < OBJECTS_MAX {
            found.push(object.to_owned());
        }
    }));
    if let Err(reason) = listed.map_err(|error| error.to_string()).and_then(|listed| listed) {
        return report.say(remote.shown(), FindingKind::Damaged, reason);
    }
    for object in found.iter().filter(|object| *object != remote::OWNER) {
        let file = object.strip_prefix(segment::FOLDER).and_then(|file| file.strip_prefix('/'));
        if file.is_none_or(&still_unknown) {
            let name = format!("{}/{object}", remote.shown());
            report.say(name, FindingKind::Unknown, "the manifest does not name it");
        }
    }
    for segment in segments.iter().filter(|segment| segment.entry.remote) {
        let name = remote.name_of(&segment.entry.file);
        let checked = remote.wait(remote.check(segment));
        match checked.unwrap_or_else(|error| Err(Unlike::Unread(error.to_string()))) {
            Ok(bytes) => {
                report.segments += 1;
                report.segment_rows += segment.entry.rows;
                report.bytes += bytes;
            }
            Err(Unlike::Missing) => {
                report.say(name, FindingKind::Missing, format!("{} events are lost", segment.entry.rows));
            }
            Err(Unlike::Differs(reason)) => report.say(name, FindingKind::Damaged, reason),
            Err(Unlike::Unread(reason)) => return report.say(name, FindingKind::Damaged, reason),
        }
        report.remote_unread -= 1;
    }
}

/// A segment here, and the rollup that every segment has here.
fn check_segment(segment: &Segment, report: &mut Report) {
    if !segment.entry.remote {
        check_file(segment, report);
    }
    let rollup = Path::new(rollup::FOLDER).join(&segment.entry.file);
    match segment.rollup.check() {
        Ok(bytes) => report.bytes += bytes,
        Err((true, reason)) => report.say(rollup, FindingKind::Damaged, reason),
        Err((false, _)) => report.say(rollup, FindingKind::Missing, "it is made again in the background"),
    }
}

fn check_file(segment: &Segment, report: &mut Report) {
    let file = Path::new(segment::FOLDER).join(&segment.entry.file);
    if !segment.path.exists() {
        return report.say(file, FindingKind::Missing, format!("{} events are lost", segment.entry.rows));
    }
    report.bytes += segment.entry.bytes;
    match segment::check_quickly(segment).and_then(|()| segment::check_fully(segment)) {
        Ok(()) => {
            report.segments += 1;
            report.segment_rows += segment.entry.rows;
        }
        Err(fault) => report.say(file, FindingKind::Damaged, fault.to_string()),
    }
}

fn orphans(folder: &Path, report: &mut Report) -> Result<(), StoreError> {
    let segments = folder.join(segment::FOLDER);
    for path in below(&segments)? {
        let Some(file) = path.strip_prefix(&segments).ok().and_then(Path::to_str) else { continue };
        if path.extension().is_none_or(|extension| extension != segment::EXTENSION) {
            continue;
        }
        match segment::adopt(&segments, file) {
            Ok((entry, _)) => {
                report.segments += 1;
                report.segment_rows += entry.rows;
                report.bytes += entry.bytes;
            }
            Err(fault) => {
                report.say(Path::new(segment::FOLDER).join(file), FindingKind::Damaged, fault.to_string());
            }
        }
    }
    Ok(())
}

/// Reads a WAL file, or as many bytes of it as are good for sure.
fn check_wal(wal_folder: &Path, number: u64, good_bytes: Option<u64>, report: &mut Report) {
    let path = wal::path(wal_folder, number);
    let file = Path::new("wal").join(path.file_name().unwrap_or_default());
    let replayed = File::open(&path).and_then(|file| {
        let size_bytes = file.metadata()?.len();
        let bytes = good_bytes.map_or(size_bytes, |good| good.max(wal::HEADER_BYTES as u64));
        Ok((size_bytes < bytes, wal::replay(io::BufReader::new(file.take(bytes)), bytes, Some(number)), bytes))
    });
    match replayed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            report.say(file, FindingKind::Missing, "its events are lost");
        }
        Err(error) => report.say(file, FindingKind::Damaged, format!("it cannot be read: {error}")),
        Ok((short, found, bytes)) => {
            report.bytes += found.good_bytes;
            report.wal_rows += found.batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
            match found.fault {
                None if !short => report.wals += 1,
                None => report.say(file, FindingKind::Damaged, format!("it is shorter than the {bytes} bytes written")),
                Some(fault) => {
                    let at = found.good_bytes;
                    report.say(file, FindingKind::Damaged, format!("{fault} at byte {at}"));
                }
            }
        }
    }
}

/// Names files that are no part of the log. What a crash leaves behind and the next start tidies up is not named.
fn files(folder: &Path, manifest: Option<&Manifest>, report: &mut Report) -> Result<(), StoreError> {
    let segments = folder.join(segment::FOLDER);
    let rolled: HashSet<&str> =
        manifest.into_iter().flat_map(|manifest| &manifest.segments).map(|entry| entry.file.as_str()).collect();
    let named: HashSet<&str> = manifest
        .into_iter()
        .flat_map(|manifest| {
            let here = manifest.segments.iter().filter(|entry| !entry.remote).map(|entry| entry.file.as_str());
            here.chain(manifest.removed.iter().map(String::as_str))
        })
        .collect();
    for path in below(folder)? {
        let file = path.strip_prefix(folder).unwrap_or(&path).to_owned();
        let has_ending = |ending: &str| path.extension().is_some_and(|extension| extension == ending);
        let known = match file.components().next().and_then(|first| first.as_os_str().to_str()) {
            Some("lock" | manifest::NAME | remote::FETCHED) => true,
            Some(recover::ASIDE) => {
                report.aside += 1;
                true
            }
            Some("wal") => file.file_name().and_then(|name| name.to_str()).and_then(wal::number_of).is_some(),
            Some(segment::FOLDER) => {
                let file = path.strip_prefix(&segments).ok().and_then(Path::to_str);
                has_ending(segment::EXTENSION) && (manifest.is_none() || file.is_some_and(|file| named.contains(file)))
            }
            Some(rollup::FOLDER) => {
                let file = file.strip_prefix(rollup::FOLDER).ok().and_then(Path::to_str);
                manifest.is_none() || file.is_some_and(|file| rolled.contains(file) || named.contains(file))
            }
            _ => false,
        };
        if !known && !has_ending(TEMP_EXTENSION) {
            report.say(file, FindingKind::Unknown, "the manifest does not name it");
        }
    }
    Ok(())
}

fn numbers(wal_folder: &Path) -> Result<Vec<u64>, StoreError> {
    let names = below(wal_folder)?.into_iter();
    let mut numbers: Vec<u64> =
        names.filter_map(|path| path.file_name().and_then(|name| name.to_str()).and_then(wal::number_of)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Every file below a folder, in order; none when it is not there. Files that vanish meanwhile do no harm.
fn below(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(|source| recover::at(&folder, source))?,
        };
        for entry in entries {
            let entry = entry.map_err(|source| recover::at(&folder, source))?;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found.sort();
    Ok(found)
}
