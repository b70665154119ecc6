//! The manifest: which segments make up the log, and up to which WAL they hold all events. One small file,
//! replaced whole; what it says is the truth about the folder.
//!
//! ```text
//! nameward log manifest <crc32 of the rest, 8 hex digits>\n
//! JSON
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clock::Believed;
use crate::disk::Disk;
use crate::remote::Kept;
use crate::rollup::Made;
use crate::segment::HOUR_MICROS;

/// Name of the file in the log folder.
pub(crate) const NAME: &str = "manifest";
const PREFIX: &str = "nameward log manifest ";
/// Of the checksum, with the end of its line.
const CRC_BYTES: usize = 9;
/// Version of the file's form.
const FORM: u32 = 1;
/// First number of imported events: they are numbered apart from those that arrive, whose numbers the WAL hands on.
/// Numbers of both stay below 2^53, which every reader of JSON can hold.
pub const IMPORTED_FROM: u64 = 1 << 52;
/// Largest manifest written and read: some 100,000 segments and as many imported sources.
const BYTES_MAX: u64 = 128 << 20;
/// Size from which no further source is remembered: segments need the rest.
pub(crate) const SOURCES_TO_BYTES: u64 = BYTES_MAX / 2;

/// The state of the log on disk, but for the WAL.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub(crate) struct Manifest {
    form: u32,
    /// Goes up with every change.
    pub(crate) version: u64,
    /// Number the next event gets, unless the WAL knows of later ones.
    pub(crate) next_seq: u64,
    /// Every WAL up to this number is in the segments.
    pub(crate) wal_done: u64,
    /// The segments.
    pub(crate) segments: Vec<Entry>,
    /// Segment files that no longer count but may still be there, because a search was reading them.
    pub(crate) removed: Vec<String>,
    /// How far each source was imported, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) imports: BTreeMap<String, Import>,
    /// Number the next imported event gets.
    #[serde(default = "first_imported")]
    pub(crate) next_imported: u64,
    /// The time retention went by when it was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) believed: Option<Believed>,
    /// The remote store, once one was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) remote: Option<Kept>,
}

/// How far a source was imported. Saved with the segments that hold its events: both are kept or neither is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Import {
    /// Records of the source dealt with, bad ones too.
    pub(crate) position: u64,
    /// Events kept of them.
    pub(crate) rows: u64,
    /// Records that were none.
    pub(crate) bad: u64,
    /// When it was last added to.
    pub(crate) time_micros: i64,
}

/// One segment.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Entry {
    /// File, relative to the `segments` folder.
    pub(crate) file: String,
    /// Events.
    pub(crate) rows: u64,
    /// Time of the first event.
    pub(crate) time_min_micros: i64,
    /// Time of the last event.
    pub(crate) time_max_micros: i64,
    /// Largest number of an event that was not imported; 0 for none.
    pub(crate) seq_max: u64,
    /// Largest number of an imported event; 0 for none.
    #[serde(default)]
    pub(crate) imported_max: u64,
    /// Time of the event in the middle: unlike the first and the last it does not follow a single clock that was wrong.
    #[serde(default)]
    pub(crate) time_mid_micros: Option<i64>,
    /// Whether its rows are in the order of tenant, client and time rather than of time.
    #[serde(default)]
    pub(crate) by_client: bool,
    /// What its rows take in memory; `None` when that was not counted.
    #[serde(default)]
    pub(crate) memory_bytes: Option<u64>,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// Checksum of the whole file.
    pub(crate) crc: u32,
    /// Version of the schema it was written in. Manifests that do not say are from the time of the first.
    #[serde(default = "first_version")]
    pub(crate) schema_version: u32,
    /// Its rollup, when it has one. The path is that of the segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rollup: Option<Made>,
    /// Whether its file is in the remote store and not here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) remote: bool,
}

impl Entry {
    /// What the segment takes, rollup included, wherever it is.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.bytes + self.rollup.map_or(0, |rollup| rollup.bytes)
    }

    /// The hour the segment belongs to.
    pub(crate) fn hour(&self) -> i64 {
        self.time_mid_micros.unwrap_or(self.time_max_micros).div_euclid(HOUR_MICROS)
    }
}

fn first_imported() -> u64 {
    IMPORTED_FROM
}

fn first_version() -> u32 {
    1
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest {
            form: FORM,
            version: 0,
            next_seq: 0,
            wal_done: 0,
            segments: Vec::new(),
            removed: Vec::new(),
            imports: BTreeMap::new(),
            next_imported: IMPORTED_FROM,
            believed: None,
            remote: None,
        }
    }
}

/// Why a manifest could not be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// There is none.
    Missing,
    /// It is damaged, or of a version we do not know.
    Corrupt(String),
    /// The system said no.
    Io(io::Error),
}

/// Reads the manifest of a log folder.
pub(crate) fn load(folder: &Path) -> Result<Manifest, Unreadable> {
    let path = folder.join(NAME);
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unreadable::Missing),
        Err(error) => return Err(Unreadable::Io(error)),
        Ok(meta) if meta.len() > BYTES_MAX => return Err(Unreadable::Corrupt("it is too large".to_owned())),
        Ok(_) => {}
    }
    let bytes = std::fs::read(&path).map_err(Unreadable::Io)?;
    parse(&bytes).map_err(Unreadable::Corrupt)
}

fn parse(bytes: &[u8]) -> Result<Manifest, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
    let (crc, json) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('\n')).ok_or("its head is wrong")?;
    let crc = u32::from_str_radix(crc, 16).map_err(|_| "its checksum is not a number")?;
    if crc32fast::hash(json.as_bytes()) != crc {
        return Err("its checksum is wrong".to_owned());
    }
    let manifest: Manifest = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if manifest.form != FORM {
        return Err(format!("form {} is not known", manifest.form));
    }
    Ok(manifest)
}

impl Manifest {
    /// Puts this manifest in place, durably; its size. One that `load` would refuse is not written.
    pub(crate) fn save(&self, disk: &Disk, folder: &Path) -> io::Result<u64> {
        let json = serde_json::to_string(self).map_err(io::Error::other)?;
        let bytes = (PREFIX.len() + CRC_BYTES + json.len()) as u64;
        if bytes > BYTES_MAX {
            return Err(io::Error::other(format!("the manifest would have {bytes} bytes, more than {BYTES_MAX}")));
        }
        let text = format!("{PREFIX}{:08x}\n{json}", crc32fast::hash(json.as_bytes()));
        disk.replace(&folder.join(NAME), text.as_bytes())?;
        Ok(bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A segment of one row and one byte between these times.
    pub(crate) fn entry(file: &str, time_min_micros: i64, time_max_micros: i64) -> Entry {
        Entry {
            file: file.to_owned(),
            rows: 1,
            time_min_micros,
            time_max_micros,
            seq_max: 0,
            imported_max: 0,
            time_mid_micros: None,
            by_client: false,
            memory_bytes: None,
            bytes: 1,
            crc: 0,
            schema_version: event::SCHEMA_VERSION,
            rollup: None,
            remote: false,
        }
    }

    fn sample() -> Manifest {
        let entry = Entry {
            file: "day=2026-01-02/hour=03/0000000004.parquet".to_owned(),
            rows: 5,
            time_min_micros: -6,
            time_max_micros: 7,
            seq_max: 8,
            imported_max: 0,
            time_mid_micros: Some(1),
            by_client: false,
            memory_bytes: Some(11),
            bytes: 9,
            crc: 10,
            schema_version: event::SCHEMA_VERSION,
            rollup: None,
            remote: true,
        };
        let import = Import { position: 7, rows: 5, bad: 2, time_micros: 6 };
        let imports = BTreeMap::from([("pcap 1234".to_owned(), import)]);
        let believed = Some(Believed { micros: 12, ahead_micros: Some(13) });
        let segments = vec![entry];
        let remote = Some(Kept { owner: "id".to_owned(), loose: vec!["day=2026-01-01/hour=03/5.parquet".to_owned()] });
        Manifest { version: 3, next_seq: 9, wal_done: 4, segments, imports, believed, remote, ..Manifest::default() }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(load(folder.path()), Err(Unreadable::Missing)));
        let bytes = sample().save(&Disk::default(), folder.path()).unwrap();
        assert_eq!(load(folder.path()).unwrap(), sample());
        assert_eq!(bytes, std::fs::metadata(folder.path().join(NAME)).unwrap().len());
    }

    #[test]
    fn what_would_not_be_loaded_is_not_saved() {
        let folder = tempfile::tempdir().unwrap();
        sample().save(&Disk::default(), folder.path()).unwrap();
        let huge = Manifest { removed: vec!["x".repeat(BYTES_MAX as usize)], ..sample() };
        assert!(huge.save(&Disk::default(), folder.path()).is_err());
        assert_eq!(load(folder.path()).unwrap(), sample());
    }

    #[test]
    fn segments_of_the_first_manifests_are_of_the_first_version() {
        let mut old = serde_json::to_value(sample()).unwrap();
        let segment = old["segments"][0].as_object_mut().unwrap();
        for later in ["schema_version", "imported_max", "time_mid_micros", "by_client", "memory_bytes", "remote"] {
            segment.remove(later);
        }
        let manifest = old.as_object_mut().unwrap();
        manifest.remove("imports");
        manifest.remove("next_imported");
        manifest.remove("believed");
        manifest.remove("remote");
        let read: Manifest = serde_json::from_value(old).unwrap();
        assert_eq!((read.segments[0].schema_version, read.segments[0].by_client), (1, false));
        assert_eq!((read.next_imported, read.imports.len(), read.believed), (IMPORTED_FROM, 0, None));
        assert_eq!((read.segments[0].remote, read.remote), (false, None));
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        sample().save(&Disk::default(), folder.path()).unwrap();
        let good = std::fs::read(folder.path().join(NAME)).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // Case of a hex digit is the one thing a bit can change without changing what is said.
            if let Ok(manifest) = parse(&bad) {
                assert_eq!(manifest, sample(), "bit {bit}");
            }
        }
    }
}
