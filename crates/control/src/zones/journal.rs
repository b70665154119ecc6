//! The journal of one zone on disk: octets of `zone::journal` appended and synced, or written anew aside and renamed.
//!
//! What was acknowledged is on disk. A write that fails is cut off again, so that the next one begins where the last good one
//! ended; until that cutting works nothing more is written.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wire::name::Folded;
use zone::journal::{Replayed, begin_to, entry, replay};
use zone::{Delta, Zone};

/// Largest journal read.
const JOURNAL_BYTES_MAX: u64 = 2 << 30;
/// Longest part of a file name that spells a zone; longer names are cut and told apart by a hash.
const STEM_LEN_MAX: usize = 180;

/// The journal of one zone.
#[derive(Debug)]
pub(crate) struct JournalFile {
    path: PathBuf,
    disk: Disk,
}

#[derive(Debug)]
enum Disk {
    /// There is none yet.
    None,
    /// One that can be appended to.
    Good(Good),
    /// One that we must not touch, and why.
    Untouchable(String),
}

#[derive(Debug)]
struct Good {
    file: File,
    /// Where the next entry goes.
    len: u64,
    /// Octets of head and checkpoint.
    checkpoint_len: u64,
    /// Whether something of a failed write may lie behind `len`.
    frayed: bool,
}

/// What lay on disk.
pub(crate) struct Found {
    pub(crate) zone: Zone,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) deltas: Vec<Delta>,
    /// What was cut off, if anything.
    pub(crate) torn: Option<String>,
}

impl JournalFile {
    /// Opens the journal of a zone in this folder and reads it; cuts off a torn tail.
    pub(crate) fn open(folder: &Path, origin: &Folded) -> (JournalFile, Option<Found>) {
        let path = folder.join(format!("{}.journal", stem(origin)));
        // A part that a crash left behind holds nothing that was acknowledged.
        let _ = fs::remove_file(part_path(&path));
        let (disk, found) = match open(&path, origin) {
            Ok(Some((good, found))) => (Disk::Good(good), Some(found)),
            Ok(None) => (Disk::None, None),
            Err(why) => (Disk::Untouchable(format!("journal {}: {why}", path.display())), None),
        };
        (JournalFile { path, disk }, found)
    }

    /// Why it must not be touched.
    pub(crate) fn untouchable(&self) -> Option<&str> {
        match &self.disk {
            Disk::Untouchable(why) => Some(why),
            Disk::None | Disk::Good(_) => None,
        }
    }

    /// Whether there is one to append to.
    pub(crate) fn exists(&self) -> bool {
        matches!(self.disk, Disk::Good(_))
    }

    /// Octets on disk.
    pub(crate) fn len(&self) -> u64 {
        match &self.disk {
            Disk::Good(good) => good.len,
            Disk::None | Disk::Untouchable(_) => 0,
        }
    }

    /// Octets of head and checkpoint.
    pub(crate) fn checkpoint_len(&self) -> u64 {
        match &self.disk {
            Disk::Good(good) => good.checkpoint_len,
            Disk::None | Disk::Untouchable(_) => 0,
        }
    }

    /// Appends changes, all or none; they are on disk when this returns.
    pub(crate) fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.disk {
            Disk::Good(good) => good.append(octets),
            Disk::None => Err(io::Error::other("there is no journal to append to")),
            Disk::Untouchable(why) => Err(io::Error::other(why.clone())),
        }
    }

    /// Writes the journal anew: this zone and the changes since. The old one stays whole until the new one is on disk.
    pub(crate) fn rewrite(&mut self, base: &Zone, deltas: &[Arc<Delta>], fingerprint: [u8; 32]) -> io::Result<()> {
        if let Disk::Untouchable(why) = &self.disk {
            return Err(io::Error::other(why.clone()));
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let part = part_path(&self.path);
        let file = File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        let written = (|| {
            let mut out = BufWriter::new(&file);
            begin_to(base, fingerprint, &mut out)?;
            out.flush()?;
            let checkpoint_len = (&file).stream_position()?;
            deltas.iter().try_for_each(|delta| out.write_all(&entry(delta)))?;
            out.flush()?;
            let len = (&file).stream_position()?;
            file.sync_all()?;
            fs::rename(&part, &self.path)?;
            Ok((len, checkpoint_len))
        })();
        let (len, checkpoint_len) = written.inspect_err(|_: &io::Error| {
            let _ = fs::remove_file(&part);
        })?;
        // From here on the new file is the journal, whatever happens: the old one has no name any more.
        self.disk = Disk::Good(Good { file, len, checkpoint_len, frayed: false });
        File::open(folder)?.sync_all()
    }

    /// When the zone was last known to be up to date: kept as the file's time of change.
    pub(crate) fn touched(&self) -> Option<SystemTime> {
        match &self.disk {
            Disk::Good(good) => good.file.metadata().and_then(|metadata| metadata.modified()).ok(),
            Disk::None | Disk::Untouchable(_) => None,
        }
    }

    /// Writes down that the zone is up to date. Not synced: after a power cut an older time only asks the primary sooner.
    pub(crate) fn touch(&self, now: SystemTime) -> io::Result<()> {
        match &self.disk {
            Disk::Good(good) => good.file.set_modified(now),
            Disk::None | Disk::Untouchable(_) => Ok(()),
        }
    }
}

impl Good {
    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.mend()?;
        self.frayed = true;
        let written = self.file.write_all_at(octets, self.len).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.len += octets.len() as u64;
                self.frayed = false;
                Ok(())
            }
            Err(error) => {
                let _ = self.mend();
                Err(error)
            }
        }
    }

    /// Cuts off what a failed write may have left.
    fn mend(&mut self) -> io::Result<()> {
        if self.frayed {
            self.file.set_len(self.len)?;
            self.file.sync_data()?;
            self.frayed = false;
        }
        Ok(())
    }
}

/// Opens and reads; `None` when there is nothing. The error says why it must not be touched.
fn open(path: &Path, origin: &Folded) -> Result<Option<(Good, Found)>, String> {
    let text = |error: io::Error| error.to_string();
    let mut file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(text(error)),
    };
    let metadata = file.metadata().map_err(text)?;
    if !metadata.is_file() {
        return Err("not a file".to_owned());
    }
    if metadata.len() == 0 {
        return Ok(None);
    }
    if metadata.len() > JOURNAL_BYTES_MAX {
        return Err(format!("{} bytes, at most {JOURNAL_BYTES_MAX} are read", metadata.len()));
    }
    let mut octets = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.read_to_end(&mut octets).map_err(text)?;
    let Replayed { zone, fingerprint, deltas, good_len, torn, foreign } = replay(&octets);
    if let Some(why) = foreign {
        return Err(why);
    }
    let Some(zone) = zone else {
        return Err(torn.unwrap_or_else(|| "it has no checkpoint".to_owned()));
    };
    if zone.origin() != origin {
        return Err(format!("it is of the zone {}", zone.origin()));
    }
    let entries_len: usize = deltas.iter().map(|delta| entry(delta).len()).sum();
    let mut good = Good {
        file,
        len: good_len as u64,
        checkpoint_len: good_len.saturating_sub(entries_len) as u64,
        frayed: good_len < octets.len(),
    };
    let torn = torn.map(|torn| {
        // Kept aside: should more than an unacknowledged update be damaged, someone may want to look.
        let tail = octets.get(good_len..).unwrap_or_default();
        let aside = path.with_extension("torn");
        let told = match fs::write(&aside, tail).and_then(|()| good.mend()) {
            Ok(()) => format!("cut off and kept in {}", aside.display()),
            Err(error) => format!("cannot be cut off yet: {error}"),
        };
        format!("journal {}: {torn}; {} octets {told}", path.display(), tail.len())
    });
    Ok(Some((good, Found { zone, fingerprint, deltas, torn })))
}

fn part_path(path: &Path) -> PathBuf {
    path.with_extension("part")
}

/// The zone's name as a file name: letters, digits, `-` and `_` as they are, dots between labels, the rest as `%xx`.
pub(crate) fn stem(origin: &Folded) -> String {
    use std::fmt::Write as _;
    let mut stem = String::new();
    let mut labels = origin.label_starts().peekable();
    if labels.peek().is_none() {
        return "%root".to_owned();
    }
    for start in labels {
        if start > 0 {
            stem.push('.');
        }
        let wire = origin.wire();
        let len = wire.get(start).map_or(0, |&len| usize::from(len));
        for &octet in wire.get(start + 1..start + 1 + len).unwrap_or_default() {
            match octet {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => stem.push(char::from(octet)),
                _ => {
                    let _ = write!(stem, "%{octet:02x}");
                }
            }
        }
    }
    if stem.len() > STEM_LEN_MAX {
        let hash = Sha256::digest(origin.wire());
        stem.truncate(STEM_LEN_MAX);
        stem.push('~');
        for octet in hash.iter().take(8) {
            let _ = write!(stem, "{octet:02x}");
        }
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_file_names() {
        for (name, expected) in [
            ("home.example", "home.example"),
            ("_acme-challenge.home.example", "_acme-challenge.home.example"),
            (".", "%root"),
            (r"a/b.\..example", "a%2fb.%2e.example"),
            (r"\000*.example", "%00%2a.example"),
            ("0-25.2.0.192.in-addr.arpa", "0-25.2.0.192.in-addr.arpa"),
        ] {
            assert_eq!(stem(&Folded::from_text(name).unwrap()), expected, "{name}");
        }
        let long = |last: &str| Folded::from_text(&[&"a".repeat(63), &"b".repeat(63), &"c".repeat(63), last].join("."));
        let (one, two) = (stem(&long("one").unwrap()), stem(&long("two").unwrap()));
        assert!(one != two && one.len() < 200, "{one} {two}");
    }
}
