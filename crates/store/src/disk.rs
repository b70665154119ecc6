//! The disk as the log uses it: every write that must survive goes through here, so that tests can fill it up or
//! break it at any byte.
//!
//! Knows nothing of what is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The disk. Cheap to clone; clones share injected faults.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    #[cfg(test)]
    pub(crate) faults: std::sync::Arc<Faults>,
}

/// Faults a test injects.
#[cfg(test)]
pub(crate) struct Faults {
    /// Bytes that still fit; a write beyond them is cut short, as on a full disk.
    pub(crate) room_bytes: std::sync::atomic::AtomicI64,
    /// Whether syncs fail.
    pub(crate) syncs_fail: std::sync::atomic::AtomicBool,
}

#[cfg(test)]
impl Default for Faults {
    fn default() -> Self {
        Faults { room_bytes: i64::MAX.into(), syncs_fail: false.into() }
    }
}

impl Disk {
    /// A new file, open for appending and reading; fails when it exists.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        self.room(0)?;
        OpenOptions::new().read(true).append(true).create_new(true).open(path)
    }

    /// Writes all bytes at the end of the file. A failure may leave some of them behind.
    pub(crate) fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if let Err(error) = self.room(bytes.len()) {
            file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        file.write_all(bytes)
    }

    /// Makes the content of a file survive a power cut.
    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        if self.faults.syncs_fail.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(io::Error::other("injected: sync failed"));
        }
        file.sync_data()
    }

    /// Makes names created, renamed or removed in a folder survive a power cut.
    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    /// Puts a whole file in place at once: written aside, synced, renamed, its folder synced.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let aside = path.with_extension(TEMP_EXTENSION);
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.create(&aside)?;
        self.append(&file, bytes)?;
        self.sync(&file)?;
        fs::rename(&aside, path)?;
        path.parent().map_or(Ok(()), |folder| self.sync_folder(folder))
    }

    #[cfg(not(test))]
    fn room(&self, _bytes: usize) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn room(&self, bytes: usize) -> io::Result<()> {
        use std::sync::atomic::Ordering::SeqCst;
        let need = i64::try_from(bytes).unwrap_or(i64::MAX);
        let fits = |room: i64| (room > 0 && room >= need).then(|| if room == i64::MAX { room } else { room - need });
        match self.faults.room_bytes.fetch_update(SeqCst, SeqCst, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::new(io::ErrorKind::StorageFull, "injected: no space left")),
        }
    }
}

/// Ending of files not yet in place; whatever has it at start is left over from a crash.
pub(crate) const TEMP_EXTENSION: &str = "tmp";
