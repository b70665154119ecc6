//! Rollups: what of a segment is counted beforehand, in a file beside it, so that questions about whole segments need not
//! read them.
//!
//! A rollup says nothing that its segment does not. It is made from the rows in hand when a segment is written; when it is
//! missing, damaged or of another version, searches read the segment instead, and the segment thread makes it again.
//!
//! Knows segments and the event schema; knows nothing of searches.

mod build;
mod cells;
mod distinct;
mod file;
mod keep;
mod latency;
mod lists;
mod resident;
mod tally;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use arrow::array::RecordBatch;
use bytes::Bytes;
use datafusion::catalog::TableProvider;
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, TEMP_EXTENSION};
use crate::live::Contents;
use crate::manifest::Entry;
use crate::numbered::Names;
use crate::segment::{self, Fault, HOUR_MICROS, Segment};
use crate::table::Events;

pub use cells::{Cell, Cells, Group};
pub use distinct::{DISTINCT_ERROR, Distinct, Sketch};
pub use latency::{LATENCY_ERROR, Latencies};
pub use lists::{About, List, Lists};

use file::Part;
use resident::{Held, RESIDENT};

/// Folder of the rollups inside the log folder; each has the path of its segment below it.
pub(crate) const FOLDER: &str = "rollups";
const MINUTE_MICROS: i64 = 60_000_000;
/// Largest rollup read.
const BYTES_MAX: u64 = 256 << 20;

/// What the manifest says of a rollup.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Made {
    /// Version of its form.
    version: u32,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// Checksum of the whole file.
    crc: u32,
}

/// Makes the rollup of a segment from its rows and puts it in place durably. `None` when it cannot be made now, which is
/// said: the segment is whole without it.
pub(crate) fn write(
    disk: &Disk,
    folder: &Path,
    entry: &Entry,
    batches: &[Arc<RecordBatch>],
    names: &Names<'_>,
) -> Option<Made> {
    match try_write(disk, folder, entry, batches, names) {
        Ok(made) => Some(made),
        Err(error) => {
            tracing::warn!(file = %entry.file, %error, "cannot make the rollup of a segment");
            None
        }
    }
}

fn try_write(
    disk: &Disk,
    folder: &Path,
    entry: &Entry,
    batches: &[Arc<RecordBatch>],
    names: &Names<'_>,
) -> io::Result<Made> {
    let contents = build::build(batches, names).map_err(io::Error::other)?;
    let octets = file::encode(&contents, &entry.file)?;
    let rollups = folder.join(FOLDER);
    let path = rollups.join(&entry.file);
    let hour = path.parent().unwrap_or(&rollups);
    fs::create_dir_all(hour)?;
    if let Err(error) = disk.replace(&path, &octets) {
        let _ = fs::remove_file(path.with_extension(TEMP_EXTENSION));
        return Err(error);
    }
    for made in hour.ancestors().skip(1).take_while(|made| made.starts_with(&rollups)) {
        disk.sync_folder(made)?;
    }
    Ok(Made { version: file::VERSION, bytes: octets.len() as u64, crc: crc32fast::hash(&octets) })
}

/// The file of a rollup of these rows, as it would lie beside their segment.
///
/// # Errors
/// Says what is wrong with the rows.
pub fn rollup_of(batches: &[Arc<RecordBatch>]) -> Result<Vec<u8>, String> {
    let names = Names::of(batches).ok_or("its columns are not those of events")?;
    file::encode(&build::build(batches, &names)?, "").map_err(|error| error.to_string())
}

/// Removes files of the rollup folder that belong to no segment of the manifest.
pub(crate) fn sweep(folder: &Path, entries: &[Entry]) -> io::Result<()> {
    let named: HashSet<&str> = entries.iter().map(|entry| entry.file.as_str()).collect();
    let rollups = folder.join(FOLDER);
    let mut folders = vec![rollups.clone()];
    while let Some(inside) = folders.pop() {
        let files = match fs::read_dir(&inside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            files => files?,
        };
        for found in files {
            let found = found?;
            let path = found.path();
            if found.file_type()?.is_dir() {
                folders.push(path);
            } else if path.strip_prefix(&rollups).ok().and_then(Path::to_str).is_none_or(|file| !named.contains(file)) {
                fs::remove_file(&path)?;
            }
        }
    }
    Ok(())
}

/// Where a segment keeps its rollup.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    current: ArcSwapOption<Rollup>,
}

impl Place {
    pub(crate) fn new(folder: &Path, entry: &Entry) -> Place {
        let path = folder.join(FOLDER).join(&entry.file);
        let made = entry.rollup.filter(|made| made.version == file::VERSION);
        let current = made.map(|made| Arc::new(Rollup::new(path.clone(), made)));
        Place { path, current: ArcSwapOption::from(current) }
    }

    /// The rollup, unless there is none or it was found damaged.
    fn good(&self) -> Option<Arc<Rollup>> {
        self.current.load_full().filter(|rollup| !rollup.bad.load(Ordering::Acquire))
    }

    /// The hour of the oldest event of each of these tenants; `None` when the rollup cannot say.
    pub(crate) fn oldest_of_tenants(&self, wanted: &HashSet<&str>) -> Option<BTreeMap<String, i64>> {
        let hours = self.good()?.hours().ok()?;
        let mut oldest: BTreeMap<String, i64> = BTreeMap::new();
        for (start, cells) in hours.stretches() {
            for cell in cells {
                let tenant = hours.groups().get(cell.group as usize).and_then(|group| hours.tenant(group));
                if let Some(tenant) = tenant.filter(|tenant| wanted.contains(tenant)) {
                    let hour = oldest.entry(tenant.to_owned()).or_insert(start);
                    *hour = start.min(*hour);
                }
            }
        }
        Some(oldest)
    }

    /// What it takes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.current.load().as_ref().map_or(0, |rollup| rollup.made.bytes)
    }

    /// Reads the rollup whole, if the manifest names one, and checks every octet. Its bytes, or whether it is there at
    /// all and what is wrong with it.
    pub(crate) fn check(&self) -> Result<u64, (bool, String)> {
        let Some(rollup) = self.current.load_full() else { return Ok(0) };
        rollup.octets().map(|octets| octets.len() as u64).map_err(|Damaged(reason)| (self.path.exists(), reason))
    }

    /// Its segment goes, and it with it.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // The next start sweeps it up.
            tracing::warn!(file = %self.path.display(), %error, "cannot remove a rollup");
        }
    }
}

/// Latencies by code; `None` for events without a reply.
pub type ByCode = Vec<(Option<u16>, Latencies)>;

/// The rollup of one segment. Its parts are read when asked for, and held for a while.
#[derive(Debug)]
pub struct Rollup {
    path: PathBuf,
    made: Made,
    /// Tells it from all others of this process.
    number: u64,
    /// Its octets are not those that were written, or they are and cannot be decoded.
    bad: AtomicBool,
    undecodable: AtomicBool,
    /// Its checksum was right once since start.
    verified: AtomicBool,
}

/// Why a rollup cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(String);

impl Rollup {
    fn new(path: PathBuf, made: Made) -> Rollup {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [bad, undecodable, verified] = [const { AtomicBool::new(false) }; 3];
        Rollup { path, made, number, bad, undecodable, verified }
    }

    /// Reads the whole file and checks every octet of it.
    fn read(&self) -> Result<Bytes, Fault> {
        if self.made.bytes > BYTES_MAX {
            return Err("it is too large".into());
        }
        let octets = segment::read_at_most(&self.path, self.made.bytes)?;
        if octets.len() as u64 != self.made.bytes {
            return Err(format!("it has not the {} bytes that were written", self.made.bytes).into());
        }
        if crc32fast::hash(&octets) != self.made.crc {
            return Err("its checksum is wrong".into());
        }
        Ok(octets.into())
    }

    /// Reads it and remembers what came of it, unless the system just did not let us.
    fn octets(&self) -> Result<Bytes, Damaged> {
        let read = self.read();
        match &read {
            Ok(_) => self.verified.store(true, Ordering::Release),
            Err(Fault::Wrong(_)) => self.bad.store(true, Ordering::Release),
            Err(Fault::Io(_)) => {}
        }
        read.map_err(|fault| Damaged(fault.to_string()))
    }

    fn part(&self, part: Part, read: impl FnOnce(Bytes) -> Result<Held, String>) -> Result<Held, Damaged> {
        if let Some(held) = RESIDENT.get(self.number, part) {
            return Ok(held);
        }
        let held = read(self.octets()?).map_err(|reason| {
            self.undecodable.store(true, Ordering::Release);
            self.bad.store(true, Ordering::Release);
            Damaged(reason)
        })?;
        RESIDENT.put(self.number, part, held.clone());
        Ok(held)
    }

    fn cells(&self, part: Part) -> Result<Arc<Cells>, Damaged> {
        match self.part(part, |octets| file::cells(octets, part).map(|cells| Held::Cells(cells.into())))? {
            Held::Cells(cells) => Ok(cells),
            _ => Err(Damaged("a part is not what it was".to_owned())),
        }
    }

    /// Counts by hour.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged; it is not used again then.
    pub fn hours(&self) -> Result<Arc<Cells>, Damaged> {
        self.cells(Part::Hours)
    }

    /// Counts by minute.
    ///
    /// # Errors
    /// As `hours`.
    pub fn minutes(&self) -> Result<Arc<Cells>, Damaged> {
        self.cells(Part::Minutes)
    }

    /// Latencies by code.
    ///
    /// # Errors
    /// As `hours`.
    pub fn latencies(&self) -> Result<Arc<ByCode>, Damaged> {
        let read = |octets| file::latencies(octets).map(|latencies| Held::Latencies(latencies.into()));
        match self.part(Part::Latencies, read)? {
            Held::Latencies(latencies) => Ok(latencies),
            _ => Err(Damaged("a part is not what it was".to_owned())),
        }
    }

    /// The most frequent values of a field.
    ///
    /// # Errors
    /// As `hours`.
    pub fn lists(&self, of: Counted) -> Result<Arc<Lists>, Damaged> {
        let part = match of {
            Counted::Domain => Part::Domains,
            Counted::RegDomain => Part::RegDomains,
            Counted::Client => Part::Clients,
            Counted::Qtype => Part::Qtypes,
        };
        match self.part(part, |octets| file::lists(octets, part).map(|lists| Held::Lists(lists.into())))? {
            Held::Lists(lists) => Ok(lists),
            _ => Err(Damaged("a part is not what it was".to_owned())),
        }
    }

    /// Sketches of the names, the registered domains and the clients.
    ///
    /// # Errors
    /// As `hours`.
    pub fn sketches(&self) -> Result<Arc<[Sketch; 3]>, Damaged> {
        let read = |octets| file::sketches(octets).map(|sketches| Held::Sketches(sketches.into()));
        match self.part(Part::Distinct, read)? {
            Held::Sketches(sketches) => Ok(sketches),
            _ => Err(Damaged("a part is not what it was".to_owned())),
        }
    }
}

/// Fields with lists of their most frequent values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Names asked.
    Domain,
    /// Their registrable parts.
    RegDomain,
    /// Who asked.
    Client,
    /// Types asked.
    Qtype,
}

/// One state of the log in two parts: segments wholly inside a range of time whose rollups are at hand, and the rest of
/// what meets the range.
pub struct Divided {
    rolled: Vec<(Arc<Segment>, Arc<Rollup>)>,
    rest: Contents,
    from: i64,
    to: i64,
}

/// Divides a table of this store by a range of time, microseconds, `to` not included. `None` for other tables, and when
/// there is nothing to use.
#[must_use]
pub fn divide(table: &dyn TableProvider, from: i64, to: i64) -> Option<Divided> {
    let snapshot = table.downcast_ref::<Events>()?.snapshot();
    let mut rolled = Vec::new();
    let mut rest = Vec::new();
    for segment in snapshot.segments.iter() {
        let inside = from <= segment.entry.time_min_micros && segment.entry.time_max_micros < to;
        match segment.rollup.good().filter(|_| inside) {
            Some(rollup) => rolled.push((Arc::clone(segment), rollup)),
            None => rest.push(Arc::clone(segment)),
        }
    }
    let rest = Contents {
        version: snapshot.version,
        segments: Arc::new(rest),
        live: snapshot.live.clone(),
        remote: snapshot.remote.clone(),
    };
    (!rolled.is_empty()).then_some(Divided { rolled, rest, from, to })
}

impl Divided {
    /// How many rollups there are to read.
    #[must_use]
    pub fn rolled(&self) -> usize {
        self.rolled.len()
    }

    /// The rollups in the opposite order of `take`: a second thread that reads them so meets the first in the middle, and
    /// what it has read is then at hand.
    #[must_use]
    pub fn from_the_end(&self) -> Vec<Arc<Rollup>> {
        self.rolled.iter().rev().map(|(_, rollup)| Arc::clone(rollup)).collect()
    }

    /// What is read of each rollup, and a table of everything else, to be searched in the same range; `None` when nothing
    /// else is in it. A rollup that cannot be read counts as everything else. Reads files: not for an async thread.
    #[must_use]
    pub fn take<T>(mut self, read: impl Fn(&Rollup) -> Result<T, Damaged>) -> (Vec<T>, Option<Arc<dyn TableProvider>>) {
        let mut taken = Vec::with_capacity(self.rolled.len());
        let mut rest = self.rest.segments.to_vec();
        for (segment, rollup) in self.rolled {
            match read(&rollup) {
                Ok(read) => taken.push(read),
                Err(reason) => {
                    tracing::debug!(file = %segment.entry.file, %reason, "a rollup is not used");
                    rest.push(segment);
                }
            }
        }
        rest.retain(|segment| segment.entry.time_min_micros < self.to && segment.entry.time_max_micros >= self.from);
        self.rest.segments = Arc::new(rest);
        let nothing = self.rest.segments.is_empty() && self.rest.live.is_empty();
        let rest = (!nothing).then(|| Arc::new(Events::new(Arc::new(self.rest))) as Arc<dyn TableProvider>);
        (taken, rest)
    }
}

#[cfg(test)]
mod tests;
