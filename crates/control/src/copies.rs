//! The last good copies on disk: `lists/NAME.txt` holds a list, `lists/NAME.json` says where it came from.
//!
//! A copy is written beside its place, flushed to disk and renamed, so that a reader or a power cut finds the old copy
//! or the new one, never half of one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Version of the origin file; one of another version is as good as none.
const ORIGIN_VERSION: u32 = 1;
/// Longest origin file read, bytes: two header values of 1 KiB and a URL fit many times.
const ORIGIN_BYTES_MAX: u64 = 64 * 1024;

/// Where a copy came from, and what tells whether the place holds something newer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    version: u32,
    /// The place, as shown.
    pub(crate) source: String,
    /// Size and time of change of a file.
    pub(crate) stamp: Option<String>,
    /// `ETag` of a download.
    pub(crate) etag: Option<String>,
    /// `Last-Modified` of a download.
    pub(crate) last_modified: Option<String>,
    /// When the copy was taken.
    loaded_unix_seconds: u64,
    /// When the place was last found to hold nothing newer.
    checked_unix_seconds: u64,
}

impl Origin {
    pub(crate) fn new(source: String, now: SystemTime) -> Origin {
        let seconds = unix_seconds(now);
        Origin {
            version: ORIGIN_VERSION,
            source,
            loaded_unix_seconds: seconds,
            checked_unix_seconds: seconds,
            ..Origin::default()
        }
    }

    pub(crate) fn loaded(&self) -> SystemTime {
        from_unix_seconds(self.loaded_unix_seconds)
    }

    pub(crate) fn checked(&self) -> SystemTime {
        from_unix_seconds(self.checked_unix_seconds)
    }

    pub(crate) fn set_checked(&mut self, now: SystemTime) {
        self.checked_unix_seconds = unix_seconds(now);
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn from_unix_seconds(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

/// The folder of copies.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    folder: PathBuf,
}

/// A file being written; gone when dropped before it is kept.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file: File,
    path: PathBuf,
}

impl Drop for Part {
    fn drop(&mut self) {
        // Fails when it has been kept, that is renamed.
        let _ = fs::remove_file(&self.path);
    }
}

impl Copies {
    /// The copies in this folder; made when the first is kept.
    pub(crate) fn new(folder: &Path) -> Copies {
        Copies { folder: folder.join("lists") }
    }

    /// Removes parts that a crash left behind.
    pub(crate) fn sweep(&self) {
        let Ok(files) = fs::read_dir(&self.folder) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && name.ends_with(".part") {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// The copy of a list and its origin, when there is one that came from this place.
    pub(crate) fn find(&self, list: &str, source: &str) -> Option<(PathBuf, Origin)> {
        let mut text = Vec::new();
        File::open(self.origin_path(list)).ok()?.take(ORIGIN_BYTES_MAX).read_to_end(&mut text).ok()?;
        let origin: Origin = serde_json::from_slice(&text).ok()?;
        let path = self.copy_path(list);
        (origin.version == ORIGIN_VERSION && origin.source == source && path.is_file()).then_some((path, origin))
    }

    /// A new file beside the copy.
    pub(crate) fn part(&self, list: &str) -> io::Result<Part> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.folder)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!(".{list}.{}-{number}.part", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(Part { file, path })
    }

    /// Makes a part the last good copy.
    pub(crate) fn keep(&self, list: &str, part: Part, origin: &Origin) -> io::Result<PathBuf> {
        let path = self.copy_path(list);
        // The origin of a copy from elsewhere goes first: after a crash it must not vouch for this one. The same place's may
        // stay, its validators then only make the next look fetch the list once more.
        if self.find(list, &origin.source).is_none() {
            match fs::remove_file(self.origin_path(list)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.publish(&part, &path)?;
        self.note(list, origin)?;
        Ok(path)
    }

    /// Writes down where a copy came from.
    pub(crate) fn note(&self, list: &str, origin: &Origin) -> io::Result<()> {
        let mut part = self.part(list)?;
        part.file.write_all(&serde_json::to_vec_pretty(origin)?)?;
        self.publish(&part, &self.origin_path(list))
    }

    fn publish(&self, part: &Part, path: &Path) -> io::Result<()> {
        part.file.sync_all()?;
        fs::rename(&part.path, path)?;
        File::open(&self.folder)?.sync_all()
    }

    fn copy_path(&self, list: &str) -> PathBuf {
        self.folder.join(format!("{list}.txt"))
    }

    fn origin_path(&self, list: &str) -> PathBuf {
        self.folder.join(format!("{list}.json"))
    }
}
