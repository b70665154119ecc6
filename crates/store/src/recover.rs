//! Opening: what the folder holds is checked, what is damaged is cut or set aside with a note, and the WAL becomes
//! live rows again.
//!
//! Every step can be cut short and done again: a crash while opening costs nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, TEMP_EXTENSION};
use crate::live::Generation;
use crate::manifest::{self, Manifest, Unreadable};
use crate::remote::{self, Remote};
use crate::segment::{self, Fault, Segment, Source};
use crate::{Opened, StoreError, rollup, wal};

/// Bytes of the newest segments that are read whole at start; older ones are read later, while the log is in use.
const CHECKED_AT_START_BYTES: u64 = 256 << 20;
/// Most files of one name set aside.
const SAME_NAMES_MAX: u32 = 1_000;
/// Folder of what was set aside.
pub(crate) const ASIDE: &str = "aside";

/// What opening found.
pub(crate) struct Found {
    pub(crate) manifest: Manifest,
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Segments not read whole, next to be read last.
    pub(crate) unchecked: Vec<Arc<Segment>>,
    pub(crate) generations: VecDeque<Generation>,
    pub(crate) next_wal: u64,
    pub(crate) next_seq: u64,
    pub(crate) opened: Opened,
}

/// Reads the folder, whose lock we hold.
pub(crate) fn recover(disk: &Disk, folder: &Path, remote: Option<&Remote>) -> Result<Found, StoreError> {
    let mut opened = Opened::default();
    let wal_folder = folder.join("wal");
    let segment_folder = folder.join(segment::FOLDER);
    for made in [&wal_folder, &segment_folder] {
        fs::create_dir_all(made).map_err(|source| at(made, source))?;
    }
    let (mut manifest, had_manifest) = match manifest::load(folder) {
        Ok(manifest) => (manifest, true),
        Err(Unreadable::Missing) => (Manifest::default(), false),
        Err(Unreadable::Io(source)) => return Err(at(&folder.join(manifest::NAME), source)),
        Err(Unreadable::Corrupt(reason)) => {
            opened.notes.push(move_aside(folder, Path::new(manifest::NAME), &reason));
            (Manifest::default(), false)
        }
    };
    let before = manifest.clone();
    // What was being worked on; a folder that cannot be removed is room that is lost, and no more.
    let _ = fs::remove_dir_all(folder.join(remote::FETCHED));
    let files = segment_files(&segment_folder).map_err(|source| at(&segment_folder, source))?;
    let wals = wal_numbers(&wal_folder).map_err(|source| at(&wal_folder, source))?;
    let was_used = !files.is_empty() || !wals.is_empty();
    if let Some(remote) = remote.filter(|_| was_used && !had_manifest) {
        opened.notes.push(format!(
            "without the manifest, segments of this log at {} are not known, and none of them is deleted or searched; new ones \
             are not sent there before log.remote.url names another place",
            remote.shown()
        ));
    }
    let mut generations = replay(disk, &wal_folder, &wals, &manifest, &mut opened)?;
    let strangers = strangers(&manifest, files, &segment_folder, &mut opened);
    adopt(folder, &mut manifest, strangers, &generations, had_manifest, &mut opened)?;
    generations.retain(|generation| generation.rows > 0 && !holds(&manifest, generation.wal));
    let named = manifest.segments.iter().filter_map(|entry| wal_of(&entry.file)).max();
    let next_wal = wals.last().copied().max(named).unwrap_or(0).max(manifest.wal_done) + 1;
    let (segments, unchecked) = check(folder, &mut manifest, &mut opened);
    let there = manifest.segments.iter().filter(|entry| entry.remote).count();
    if there > 0 && remote.is_none() {
        opened.notes.push(format!(
            "{there} segments are in a remote store and log.remote.url is not set: searches of their time fail"
        ));
    }

    let live_end = generations.iter().map(|generation| generation.seq_end).max().unwrap_or(0);
    let next_seq = manifest.next_seq.max(live_end);
    manifest.next_seq = next_seq;
    opened.recovered = generations.iter().map(|generation| generation.rows as u64).sum();
    if manifest != before || !had_manifest {
        manifest.version += 1;
        manifest.save(disk, folder).map_err(|source| at(&folder.join(manifest::NAME), source))?;
    }
    if let Err(error) = rollup::sweep(folder, &manifest.segments) {
        // They are room that is lost, and no more.
        opened.notes.push(format!("{} cannot be tidied up: {error}", folder.join(rollup::FOLDER).display()));
    }
    // Only now: until the manifest is in place, these files are all there is.
    let kept: HashSet<u64> = generations.iter().map(|generation| generation.wal).collect();
    for number in wals.into_iter().filter(|number| !kept.contains(number)) {
        remove(&wal::path(&wal_folder, number))?;
    }
    Ok(Found { manifest, segments, unchecked, generations, next_wal, next_seq, opened })
}

pub(crate) fn at(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), source }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(at(path, source)),
        _ => Ok(()),
    }
}

/// Moves a file of the log folder out of the way and says so. Nothing is ever deleted for being damaged.
pub(crate) fn move_aside(folder: &Path, file: &Path, reason: &str) -> String {
    match try_move_aside(folder, file) {
        Ok(target) => format!("{} was set aside as {}: {reason}", file.display(), target.display()),
        Err(error) => format!("{} is not used: {reason} (it could not be set aside: {error})", file.display()),
    }
}

/// Moves a file of the log folder out of the way; where to.
pub(crate) fn try_move_aside(folder: &Path, file: &Path) -> io::Result<PathBuf> {
    let name = file.to_string_lossy().replace('/', "_");
    fs::create_dir_all(folder.join(ASIDE))?;
    let free = (0..SAME_NAMES_MAX)
        .map(|copy| folder.join(ASIDE).join(if copy == 0 { name.clone() } else { format!("{name}.{copy}") }))
        .find(|target| !target.exists())
        .ok_or_else(|| io::Error::other("too many files of that name"))?;
    fs::rename(folder.join(file), &free)?;
    Ok(free)
}

/// Whether the manifest's segments hold all events of a WAL.
pub(crate) fn holds(manifest: &Manifest, wal: u64) -> bool {
    wal <= manifest.wal_done || manifest.segments.iter().any(|entry| wal_of(&entry.file) == Some(wal))
}

/// The WAL that a segment file was made from, by its name; `None` for merged ones.
fn wal_of(file: &str) -> Option<u64> {
    Path::new(file).file_stem()?.to_str()?.parse().ok()
}

fn wal_numbers(wal_folder: &Path) -> io::Result<BTreeSet<u64>> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(wal_folder)? {
        numbers.extend(entry?.file_name().to_str().and_then(wal::number_of));
    }
    Ok(numbers)
}

/// Replays every WAL that is not in segments, oldest first.
fn replay(
    disk: &Disk,
    wal_folder: &Path,
    wals: &BTreeSet<u64>,
    manifest: &Manifest,
    opened: &mut Opened,
) -> Result<VecDeque<Generation>, StoreError> {
    let mut generations = VecDeque::new();
    for number in wals.iter().copied().filter(|&number| !holds(manifest, number)) {
        let path = wal::path(wal_folder, number);
        let size_bytes = fs::metadata(&path).map_err(|source| at(&path, source))?.len();
        let found = wal::replay_file(&path, number).map_err(|source| at(&path, source))?;
        if let Some(fault) = &found.fault {
            opened.notes.push(cut(&path, size_bytes, &found, fault)?);
        }
        if !found.header_good {
            continue;
        }
        // After a crash of the process alone, what was read may be in memory only; from here on it counts as kept.
        fs::File::open(&path).and_then(|file| disk.sync(&file)).map_err(|source| at(&path, source))?;
        let mut generation = Generation::new(number);
        found.batches.into_iter().filter(|batch| batch.num_rows() > 0).for_each(|batch| generation.push(batch));
        generation.wal_bytes = found.good_bytes;
        generations.push_back(generation);
    }
    Ok(generations)
}

/// Cuts a WAL after its last good record, or sets it aside when none of it is ours.
fn cut(path: &Path, size_bytes: u64, found: &wal::Replay, fault: &str) -> Result<String, StoreError> {
    if found.header_good {
        wal::truncate(path, found.good_bytes).map_err(|source| at(path, source))?;
        let (lost, from) = (size_bytes - found.good_bytes, found.good_bytes);
        return Ok(format!("{}: {fault} at byte {from}; {lost} bytes were cut", path.display()));
    }
    let folder = path.parent().and_then(Path::parent).unwrap_or(path);
    Ok(move_aside(folder, path.strip_prefix(folder).unwrap_or(path), fault))
}

/// Every file below the segment folder, relative to it, left-over temporary files removed.
fn segment_files(segment_folder: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for day in folders(segment_folder)? {
        for hour in folders(&day)? {
            for file in fs::read_dir(&hour)? {
                let path = file?.path();
                let extension = path.extension().and_then(|extension| extension.to_str());
                if extension == Some(TEMP_EXTENSION) {
                    fs::remove_file(&path)?;
                } else if extension == Some(segment::EXTENSION)
                    && let Some(name) = path.strip_prefix(segment_folder).ok().and_then(Path::to_str)
                {
                    files.push(name.to_owned());
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Segment files that the manifest does not name. Those it names as removed are removed now, and those it names as being in
/// the remote store are left as they are.
fn strangers(manifest: &Manifest, files: Vec<String>, segment_folder: &Path, opened: &mut Opened) -> Vec<String> {
    let there = manifest.segments.iter().filter(|entry| entry.remote);
    let there: HashSet<&str> = there.map(|entry| entry.file.as_str()).collect();
    let named = manifest.segments.iter().filter(|entry| !entry.remote);
    let named: HashSet<&str> = named.map(|entry| entry.file.as_str()).collect();
    let removed: HashSet<&str> = manifest.removed.iter().map(String::as_str).collect();
    let (removed, strangers) = files
        .into_iter()
        .filter(|file| !named.contains(file.as_str()))
        .partition::<Vec<_>, _>(|file| removed.contains(file.as_str()));
    for file in removed {
        // It stays in the manifest's list; the next start tries again.
        let _ = fs::remove_file(segment_folder.join(file));
    }
    let (there, strangers): (Vec<_>, Vec<_>) = strangers.into_iter().partition(|file| there.contains(file.as_str()));
    for file in there {
        opened.notes.push(format!("segments/{file} is in the remote store; the file here is not used"));
    }
    strangers
}

/// Decides about segment files that the manifest does not name: a crash came between the file and the manifest, or
/// the manifest was lost.
fn adopt(
    folder: &Path,
    manifest: &mut Manifest,
    strangers: Vec<String>,
    generations: &VecDeque<Generation>,
    had_manifest: bool,
    opened: &mut Opened,
) -> Result<(), StoreError> {
    let segment_folder = folder.join(segment::FOLDER);
    let mut found = BTreeMap::new();
    for file in strangers {
        match segment::adopt(&segment_folder, &file) {
            Ok(adopted) => drop(found.insert(file, adopted)),
            // Without the manifest it may be all there is of its events, and the next start would take it for left over.
            Err(Fault::Io(source)) if !had_manifest => return Err(at(&segment_folder.join(&file), source)),
            Err(fault) => {
                let place = Path::new(segment::FOLDER).join(&file);
                opened.notes.push(move_aside(folder, &place, &fault.to_string()));
            }
        }
    }
    if had_manifest {
        // Never the only copy: of an import that was not committed, and is imported again; or made from segments that the
        // manifest names still, or whose rows are in others it names, or were dropped.
        found.retain(|file, (_, source)| {
            let kept = matches!(source, Source::Wal(_));
            if !kept {
                let _ = fs::remove_file(segment_folder.join(file));
            }
            kept
        });
    }
    // Without the manifest, the segments of an import say how far it came; those they were merged into do not.
    for (entry, source) in found.values() {
        if let Source::Import(position, source) = source {
            let import = manifest.imports.entry(source.clone()).or_default();
            import.position = import.position.max(*position);
            import.rows += entry.rows;
        }
    }
    // A merged segment and the ones it was made from hold the same rows; the merged one counts.
    let merged: Vec<(String, Vec<String>)> = found
        .iter()
        .filter_map(|(file, (_, source))| match source {
            Source::Segments(from) => Some((file.clone(), from.clone())),
            Source::Wal(_) | Source::Import(..) => None,
        })
        .collect();
    for (file, from) in merged {
        if found.contains_key(&file) {
            for file in from.iter().filter(|file| found.remove(*file).is_some()) {
                let _ = fs::remove_file(segment_folder.join(file));
            }
        }
    }
    if found.values().any(|(entry, source)| matches!(source, Source::Segments(_)) && entry.imported_max > 0) {
        opened.notes.push(format!(
            "there are merged segments with imported events, and without the manifest only {} sources are known to be \
             imported: importing others again may add events twice",
            manifest.imports.len()
        ));
    }
    for (file, (entry, source)) in found {
        let recovered = match source {
            Source::Wal(number) => generations.iter().find(|generation| generation.wal == number),
            Source::Segments(_) | Source::Import(..) => None,
        };
        // The WAL has all of its rows too, with a checksum for each record, and will become this very file again. A
        // WAL that was cut has fewer; then the segment counts.
        if recovered.is_some_and(|generation| generation.rows as u64 >= entry.rows) {
            let _ = fs::remove_file(segment_folder.join(&file));
            continue;
        }
        opened.notes.push(format!("segments/{file} was not in the manifest and was taken in: {} events", entry.rows));
        manifest.next_seq = manifest.next_seq.max(entry.seq_max + 1);
        manifest.next_imported = manifest.next_imported.max(entry.imported_max + 1);
        manifest.segments.push(entry);
    }
    if !had_manifest {
        // Names of merged segments carry the manifest's version, which must not come again.
        let named = manifest.segments.iter().filter_map(|entry| entry.file.rsplit_once("merged-"));
        let versions = named.filter_map(|(_, name)| name.split('.').next()?.parse::<u64>().ok());
        manifest.version = versions.max().unwrap_or(0);
    }
    Ok(())
}

/// Checks the segments of the manifest, the newest byte by byte, and sets bad ones aside.
fn check(folder: &Path, manifest: &mut Manifest, opened: &mut Opened) -> (Vec<Arc<Segment>>, Vec<Arc<Segment>>) {
    let mut entries = std::mem::take(&mut manifest.segments);
    entries.sort_by_key(|entry| (entry.time_max_micros, entry.seq_max));
    let (mut segments, mut unchecked) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for entry in entries.into_iter().rev() {
        let segment = Segment::new(folder, entry);
        if segment.entry.remote {
            // Opening waits for no network.
            manifest.segments.push(segment.entry.clone());
            segments.push(segment);
            continue;
        }
        let fully = bytes + segment.entry.bytes <= CHECKED_AT_START_BYTES;
        let checked = if fully { segment::check_fully(&segment) } else { segment::check_quickly(&segment) };
        let file = Path::new(segment::FOLDER).join(&segment.entry.file);
        match checked {
            Ok(()) | Err(Fault::Io(_)) => {
                if let Err(fault) = &checked {
                    opened.notes.push(format!("{} stays in the log and is read again later: {fault}", file.display()));
                }
                bytes += segment.entry.bytes;
                if !fully || checked.is_err() {
                    unchecked.push(Arc::clone(&segment));
                }
                manifest.segments.push(segment.entry.clone());
                segments.push(segment);
            }
            Err(Fault::Wrong(reason)) => {
                opened.notes.push(if segment.path.exists() {
                    move_aside(folder, &file, &reason)
                } else {
                    format!("{} is missing: {} events are lost", file.display(), segment.entry.rows)
                });
            }
        }
    }
    manifest.segments.reverse();
    segments.reverse();
    // Found newest first; the thread takes from the end, and the newest matter most.
    unchecked.reverse();
    (segments, unchecked)
}
