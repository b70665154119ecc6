//! The manifest: which segments make up the log, and up to which WAL they hold all events. One small file,
//! replaced whole; what it says is the truth about the folder.
//!
//! ```text
//! nameward log manifest <crc32 of the rest, 8 hex digits>\n
//! JSON
//! ```

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::Disk;

/// Name of the file in the log folder.
pub(crate) const NAME: &str = "manifest";
const PREFIX: &str = "nameward log manifest ";
/// Version of the file's form.
const FORM: u32 = 1;
/// Largest manifest read: some 100,000 segments.
const BYTES_MAX: u64 = 64 << 20;

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
    /// Largest event number.
    pub(crate) seq_max: u64,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// Checksum of the whole file.
    pub(crate) crc: u32,
    /// Version of the schema it was written in. Manifests that do not say are from the time of the first.
    #[serde(default = "first_version")]
    pub(crate) schema_version: u32,
}

fn first_version() -> u32 {
    1
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest { form: FORM, version: 0, next_seq: 0, wal_done: 0, segments: Vec::new(), removed: Vec::new() }
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
    /// Puts this manifest in place, durably.
    pub(crate) fn save(&self, disk: &Disk, folder: &Path) -> io::Result<()> {
        let json = serde_json::to_string(self).map_err(io::Error::other)?;
        let text = format!("{PREFIX}{:08x}\n{json}", crc32fast::hash(json.as_bytes()));
        disk.replace(&folder.join(NAME), text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let entry = Entry {
            file: "day=2026-01-02/hour=03/0000000004.parquet".to_owned(),
            rows: 5,
            time_min_micros: -6,
            time_max_micros: 7,
            seq_max: 8,
            bytes: 9,
            crc: 10,
            schema_version: event::SCHEMA_VERSION,
        };
        Manifest { version: 3, next_seq: 9, wal_done: 4, segments: vec![entry], ..Manifest::default() }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(load(folder.path()), Err(Unreadable::Missing)));
        sample().save(&Disk::default(), folder.path()).unwrap();
        assert_eq!(load(folder.path()).unwrap(), sample());
    }

    #[test]
    fn segments_of_the_first_manifests_are_of_the_first_version() {
        let mut old = serde_json::to_value(sample()).unwrap();
        old["segments"][0].as_object_mut().unwrap().remove("schema_version");
        let read: Manifest = serde_json::from_value(old).unwrap();
        assert_eq!(read.segments[0].schema_version, 1);
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
