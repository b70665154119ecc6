//! The spool: what could not be sent, on disk, oldest first.
//!
//! A folder of files with rising numbers. Each begins with `HEAD` and the form of what is in it; then come records: length (4
//! octets, little-endian), CRC-32 of the content (4), the content. A file is deleted when all its records were sent. What is read
//! and not yet sent is on disk still; where sending stands is written to `position` when a connection breaks and at a clean
//! stop, so that a process that is killed sends the file it was at again, from the last such place.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::status::{Loss, Lost};

/// What every file begins with: kind and version.
const HEAD: &[u8; 8] = b"NWSPOOL1";
/// Octets before the content of a record.
const RECORD_HEAD: usize = 8;
/// Longest content believed when a file is read.
const RECORD_BYTES_MAX: usize = 2 << 20;
/// Largest file, and what may be sent twice after a kill; smaller when the spool is.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files a spool is cut into at least, so that dropping the oldest does not drop all.
const FILES_MIN: u64 = 8;
/// Number of the first file. What has to go before all others counts down from it.
const FIRST: u64 = 1 << 32;
/// Where sending stands.
const POSITION: &str = "position";

/// Writes to a file of the spool; a seam for disks that are full.
pub(crate) trait Append: Write + Send {
    /// Makes what was written outlive a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

impl Append for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Opens a file to append to.
pub(crate) type Opener = Box<dyn Fn(&Path) -> io::Result<Box<dyn Append>> + Send>;

/// Files as the system opens them.
pub(crate) fn system_opener() -> Opener {
    Box::new(|path| Ok(Box::new(OpenOptions::new().create(true).append(true).open(path)?)))
}

struct Piece {
    number: u64,
    bytes: u64,
    records: u64,
    /// Records of it that were sent or are held in memory.
    read: u64,
}

/// Where a record ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    number: u64,
    end: u64,
}

pub(crate) struct Spool {
    folder: PathBuf,
    bytes_max: u64,
    file_bytes_max: u64,
    form: String,
    open: Opener,
    pieces: VecDeque<Piece>,
    /// Number of the next file behind all others: never one that was, for places in that may be held yet.
    next: u64,
    bytes: u64,
    /// The last piece, while it is written to.
    tail: Option<Box<dyn Append>>,
    is_unsynced: bool,
    /// The piece that is read, and how far.
    reader: Option<(u64, File)>,
    read_at: u64,
    /// How far the first piece was sent.
    sent_at: u64,
    sent_records: u64,
    /// That the disk cannot be read was said.
    is_unread_told: bool,
    pub(crate) lost: Lost,
    pub(crate) notes: Vec<String>,
}

impl Spool {
    /// Opens the folder, making it when it is not there; cuts torn ends.
    pub(crate) fn open(folder: &Path, bytes_max: u64, form: String, open: Opener) -> io::Result<Spool> {
        fs::create_dir_all(folder)?;
        let file_bytes_max = (bytes_max / FILES_MIN).clamp(1, FILE_BYTES_MAX);
        let mut spool = Spool {
            folder: folder.to_owned(),
            bytes_max,
            file_bytes_max,
            form,
            open,
            pieces: VecDeque::new(),
            next: FIRST,
            bytes: 0,
            tail: None,
            is_unsynced: false,
            reader: None,
            read_at: 0,
            sent_at: 0,
            sent_records: 0,
            is_unread_told: false,
            lost: Lost::default(),
            notes: Vec::new(),
        };
        let mut numbers: Vec<u64> = fs::read_dir(folder)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".spool")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        for number in numbers {
            spool.admit(number)?;
            spool.next = spool.next.max(number.saturating_add(1));
        }
        spool.resume()?;
        spool.hold_limit();
        Ok(spool)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.spool"))
    }

    /// Takes in a file found: all its whole records.
    fn admit(&mut self, number: u64) -> io::Result<()> {
        let path = self.path(number);
        let octets = fs::read(&path)?;
        let head = self.head();
        if !octets.starts_with(&head) {
            // A form of ours is told from damage: both are gone, for no far end could read it.
            let what =
                if octets.starts_with(HEAD) { "was made for another kind of far end" } else { "has no readable head" };
            self.notes.push(format!("spool: {} {what} and is dropped", path.display()));
            self.lost.add(Loss::Damaged, count_records(&octets, head_len(&octets).unwrap_or(octets.len())).0);
            return fs::remove_file(&path);
        }
        let (records, good) = count_records(&octets, head.len());
        if good < octets.len() {
            let cut = octets.len() - good;
            self.notes.push(format!("spool: {} had a torn end; {cut} octets are cut off", path.display()));
            OpenOptions::new().write(true).open(&path)?.set_len(good as u64)?;
        }
        self.pieces.push_back(Piece { number, bytes: good as u64, records, read: 0 });
        self.bytes += good as u64;
        Ok(())
    }

    /// Goes to where sending stood.
    fn resume(&mut self) -> io::Result<()> {
        self.rewind_to_head();
        let text = fs::read_to_string(self.folder.join(POSITION)).unwrap_or_default();
        let mut words = text.split_whitespace().map(str::parse::<u64>);
        if let (Some(Ok(number)), Some(Ok(at)), Some(first)) = (words.next(), words.next(), self.pieces.front())
            && number == first.number
        {
            // A place that is no longer a record's end is not believed.
            let octets = fs::read(self.path(number))?;
            let head = self.head().len();
            let at = at as usize;
            if at <= octets.len() && at >= head {
                let (records, end) = count_records(&octets[..at], head);
                if end == at {
                    (self.sent_at, self.sent_records) = (at as u64, records);
                }
            }
        }
        self.rewind();
        Ok(())
    }

    fn head(&self) -> Vec<u8> {
        let form = self.form.as_bytes();
        [&HEAD[..], &(form.len() as u16).to_le_bytes(), form].concat()
    }

    /// Octets on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records that were not sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.records).sum::<u64>() - self.sent_records
    }

    /// Whether there is nothing that has to be sent first.
    pub(crate) fn is_empty(&self) -> bool {
        self.unsent() == 0
    }

    /// Whether anything can be kept at all.
    pub(crate) fn is_off(&self) -> bool {
        self.bytes_max == 0
    }

    /// Keeps a record behind all others; the oldest go when there is no room, and only then. What the disk does not take is lost,
    /// and counted.
    pub(crate) fn append(&mut self, content: &[u8]) -> io::Result<()> {
        let record = record(content);
        let mut result = self.try_append(&record);
        if result.as_ref().is_err_and(is_full) && self.pieces.len() > 1 {
            self.drop_oldest(Loss::Disk);
            result = self.try_append(&record);
        }
        if result.is_err() {
            self.lost.add(Loss::Disk, 1);
        }
        self.hold_limit();
        result
    }

    fn try_append(&mut self, record: &[u8]) -> io::Result<()> {
        let is_full = self.pieces.back().is_some_and(|piece| piece.bytes + record.len() as u64 > self.file_bytes_max);
        if is_full || self.tail.is_none() {
            self.sync();
            self.tail = None;
            let (number, head) = (self.next, self.head());
            self.tail = Some(self.write_new(number, &head)?);
            self.next += 1;
            if self.pieces.is_empty() {
                (self.sent_at, self.read_at) = (head.len() as u64, head.len() as u64);
            }
            self.pieces.push_back(Piece { number, bytes: head.len() as u64, records: 0, read: 0 });
            self.bytes += head.len() as u64;
        }
        let (Some(tail), Some(piece)) = (&mut self.tail, self.pieces.back_mut()) else { return Ok(()) };
        let result = tail.write_all(record);
        if let Err(error) = result {
            // A part may be there: what follows must not stand behind it.
            self.tail = None;
            let (number, bytes) = (piece.number, piece.bytes);
            OpenOptions::new().write(true).open(self.path(number)).and_then(|file| file.set_len(bytes)).ok();
            return Err(error);
        }
        piece.bytes += record.len() as u64;
        piece.records += 1;
        self.bytes += record.len() as u64;
        self.is_unsynced = true;
        Ok(())
    }

    fn write_new(&self, number: u64, octets: &[u8]) -> io::Result<Box<dyn Append>> {
        let path = self.path(number);
        let mut file = (self.open)(&path)?;
        if let Err(error) = file.write_all(octets) {
            drop(file);
            fs::remove_file(&path).ok();
            return Err(error);
        }
        Ok(file)
    }

    /// Keeps records before all others: they were handed over, and the far end may not have them.
    pub(crate) fn prepend<'r>(&mut self, contents: impl Iterator<Item = &'r [u8]>) -> io::Result<()> {
        let mut octets = self.head();
        let head = octets.len() as u64;
        let mut records = 0;
        for content in contents {
            octets.extend_from_slice(&record(content));
            records += 1;
        }
        if records == 0 {
            return Ok(());
        }
        // A part of the first file may be sent: a file before it would make a second place to keep. So the rest of it moves along.
        let number = self.pieces.front().map_or(self.next, |piece| piece.number) - 1;
        let rest = match self.pieces.front() {
            Some(first) if self.sent_records > 0 => {
                let unsent = first.records - self.sent_records;
                let all = fs::read(self.path(first.number))?;
                octets.extend_from_slice(all.get(self.sent_at as usize..first.bytes as usize).unwrap_or_default());
                Some(unsent)
            }
            _ => None,
        };
        let mut file = self.write_new(number, &octets)?;
        file.sync().ok();
        if let Some(unsent) = rest {
            records += unsent;
            self.remove_first();
        }
        self.bytes += octets.len() as u64;
        self.pieces.push_front(Piece { number, bytes: octets.len() as u64, records, read: 0 });
        (self.sent_at, self.sent_records) = (head, 0);
        self.rewind();
        self.hold_limit();
        Ok(())
    }

    /// The next record; `None` when all were read, or the system cannot read now. A record that is not there or damaged ends its
    /// file, which is counted and said.
    pub(crate) fn read(&mut self) -> Option<(Vec<u8>, Place)> {
        loop {
            let at = self.pieces.iter().position(|piece| piece.read < piece.records)?;
            let number = self.pieces[at].number;
            if self.reader.as_ref().is_none_or(|(open, _)| *open != number) {
                if self.pieces[at].read == 0 {
                    self.read_at = self.head().len() as u64;
                }
                match File::open(self.path(number)) {
                    Ok(file) => self.reader = Some((number, file)),
                    Err(error) => {
                        if !self.give_up(at, &error) {
                            return None;
                        }
                        continue;
                    }
                }
            }
            let Some((_, file)) = &mut self.reader else { continue };
            match read_record(file, self.read_at) {
                Ok(content) => {
                    self.read_at += (RECORD_HEAD + content.len()) as u64;
                    self.pieces[at].read += 1;
                    self.is_unread_told = false;
                    return Some((content, Place { number, end: self.read_at }));
                }
                Err(error) if self.give_up(at, &error) => {}
                Err(_) => {
                    self.reader = None;
                    return None;
                }
            }
        }
    }

    /// What was not read of a piece is lost, when it is gone or damaged. `false`: the system has no means now (descriptors,
    /// memory), or the disk fails; the records may be there yet.
    fn give_up(&mut self, at: usize, error: &io::Error) -> bool {
        let path = self.path(self.pieces[at].number);
        if !is_gone(error) {
            if !std::mem::replace(&mut self.is_unread_told, true) {
                tracing::warn!(error = %error, "{} cannot be read now; it is tried again", path.display());
            }
            return false;
        }
        let piece = &mut self.pieces[at];
        let lost = piece.records - piece.read;
        piece.records = piece.read;
        self.lost.add(Loss::Damaged, lost);
        self.notes.push(format!("spool: {}: {error}; {lost} events are lost", path.display()));
        if at + 1 == self.pieces.len() {
            self.tail = None;
        }
        self.remove_sent();
        true
    }

    /// Whether the record that ends here is on disk still.
    pub(crate) fn has(&self, place: Place) -> bool {
        self.pieces.front().is_some_and(|piece| piece.number <= place.number)
    }

    /// The record that ends here was sent. Records are sent in the order they were read.
    pub(crate) fn sent(&mut self, place: Place) {
        while self.pieces.front().is_some_and(|piece| piece.number < place.number) {
            self.remove_first();
        }
        if self.pieces.front().is_some_and(|piece| piece.number == place.number) {
            self.sent_at = place.end;
            self.sent_records += 1;
        }
        self.remove_sent();
    }

    fn remove_sent(&mut self) {
        while self.pieces.front().is_some_and(|piece| self.sent_records >= piece.records && piece.read >= piece.records)
        {
            self.remove_first();
        }
    }

    fn remove_first(&mut self) {
        let Some(piece) = self.pieces.pop_front() else { return };
        // The place goes first: a later file of this number has nothing to do with it.
        fs::remove_file(self.folder.join(POSITION)).ok();
        fs::remove_file(self.path(piece.number)).ok();
        self.bytes -= piece.bytes;
        if self.pieces.is_empty() {
            self.tail = None;
        }
        if self.reader.as_ref().is_some_and(|(open, _)| *open == piece.number) {
            self.reader = None;
        }
        self.sent_at = self.head().len() as u64;
        self.sent_records = 0;
    }

    /// Reads again from what was sent last.
    pub(crate) fn rewind(&mut self) {
        self.reader = None;
        self.read_at = self.sent_at;
        for (at, piece) in self.pieces.iter_mut().enumerate() {
            piece.read = if at == 0 { self.sent_records } else { 0 };
        }
        self.remove_sent();
    }

    fn rewind_to_head(&mut self) {
        self.sent_at = self.head().len() as u64;
        self.sent_records = 0;
        self.read_at = self.sent_at;
    }

    fn hold_limit(&mut self) {
        while self.bytes > self.bytes_max && !self.pieces.is_empty() {
            self.drop_oldest(Loss::Spool);
        }
    }

    /// Drops the oldest file. What of it is held in memory is still sent.
    fn drop_oldest(&mut self, reason: Loss) {
        if let Some(piece) = self.pieces.front() {
            self.lost.add(reason, piece.records - piece.read);
        }
        self.remove_first();
    }

    /// Makes what was kept outlive a power cut.
    pub(crate) fn sync(&mut self) {
        if std::mem::take(&mut self.is_unsynced)
            && let Some(tail) = &mut self.tail
            && let Err(error) = tail.sync()
        {
            tracing::warn!(error = %error, "the spool may not outlive a power cut");
        }
    }

    /// Writes down where sending stands.
    pub(crate) fn keep_position(&mut self) {
        self.sync();
        let path = self.folder.join(POSITION);
        let result = match self.pieces.front() {
            Some(first) => {
                let aside = self.folder.join("position.new");
                fs::write(&aside, format!("{} {}\n", first.number, self.sent_at))
                    .and_then(|()| fs::rename(&aside, &path))
            }
            None => fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            }),
        };
        if let Err(error) = result {
            tracing::warn!(error = %error, "some events may be sent twice after a restart");
        }
    }
}

/// Whether there is no room, so that dropping what is old would make some.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether what should be in a file is not, however often it is read.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn record(content: &[u8]) -> Vec<u8> {
    let crc = crc32fast::hash(content);
    [&(content.len() as u32).to_le_bytes()[..], &crc.to_le_bytes(), content].concat()
}

/// Where records begin.
fn head_len(octets: &[u8]) -> Option<usize> {
    let len: [u8; 2] = octets.strip_prefix(HEAD)?.get(..2)?.try_into().ok()?;
    Some(HEAD.len() + 2 + usize::from(u16::from_le_bytes(len)))
}

fn record_len(head: [u8; RECORD_HEAD]) -> (usize, u32) {
    let [a, b, c, d, e, f, g, h] = head;
    (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]))
}

/// Whole records from here on, and where they end.
fn count_records(octets: &[u8], from: usize) -> (u64, usize) {
    let (mut at, mut records) = (from, 0);
    while let Some(head) = octets.get(at..).and_then(|rest| rest.first_chunk::<RECORD_HEAD>()) {
        let (len, crc) = record_len(*head);
        let content = octets.get(at + RECORD_HEAD..at + RECORD_HEAD + len);
        if len > RECORD_BYTES_MAX || content.is_none_or(|content| crc32fast::hash(content) != crc) {
            break;
        }
        at += RECORD_HEAD + len;
        records += 1;
    }
    (records, at)
}

fn read_record(file: &mut File, at: u64) -> io::Result<Vec<u8>> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a record cannot be read");
    file.seek(SeekFrom::Start(at))?;
    let mut head = [0; RECORD_HEAD];
    file.read_exact(&mut head)?;
    let (len, crc) = record_len(head);
    if len > RECORD_BYTES_MAX {
        return Err(damaged());
    }
    let mut content = vec![0; len];
    file.read_exact(&mut content)?;
    if crc32fast::hash(&content) == crc { Ok(content) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests;
