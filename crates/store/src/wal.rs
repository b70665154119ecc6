//! The write-ahead log: where events are safe before they are in a segment.
//!
//! ```text
//! file:    magic 8 | schema version u32 | number u64 | crc u32 | record …
//! record:  length u32 | crc u32 of length and payload | payload
//! ```
//!
//! The magic says the form. In form 3, which is written, a payload is the columns of one batch in the schema of the file's version
//! without those that are derived from others (`record`). Two are still read: form 2, with every column, and form 1, where it is an
//! Arrow IPC stream: schema and one batch, lz4.
//!
//! All numbers little-endian. A file is read up to its first record that is torn or corrupt; nothing after it is
//! trusted. A record is decoded only behind its checksum, so only bytes that we once wrote reach the Arrow reader.

mod record;

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;

use crate::disk::Disk;
use record::{Held, RecordError};

/// First bytes of a WAL file of each form. The line ends catch transfers that rewrite them.
const MAGIC_1: [u8; 8] = *b"NWLOG\r\n\0";
const MAGIC_2: [u8; 8] = *b"NWLG2\r\n\0";
const MAGIC: [u8; 8] = *b"NWLG3\r\n\0";
pub(crate) const HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 8;
/// Largest payload of one record. 8,192 ordinary rows take under 2 MiB; larger batches are halved.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 20;
/// Most rows in one record.
pub(crate) const RECORD_ROWS_MAX: usize = 8_192;

/// What was read from WAL bytes.
#[derive(Debug, Default)]
pub struct Replay {
    /// The batches up to the first fault, in order.
    pub batches: Vec<RecordBatch>,
    /// Bytes that are good: header and whole records.
    pub good_bytes: u64,
    /// Why reading stopped before the end; `None` when all bytes are good.
    pub fault: Option<String>,
    /// Whether the file is one of ours at all: its header is good.
    pub header_good: bool,
}

/// Reads WAL bytes up to the first fault.
#[must_use]
pub fn replay_bytes(bytes: &[u8]) -> Replay {
    replay(bytes, bytes.len() as u64, None)
}

/// Reads the WAL file with this number up to the first fault.
pub(crate) fn replay_file(path: &Path, number: u64) -> io::Result<Replay> {
    let file = File::open(path)?;
    let size_bytes = file.metadata()?.len();
    Ok(replay(BufReader::with_capacity(1 << 20, file), size_bytes, Some(number)))
}

pub(crate) fn replay(mut input: impl Read, size_bytes: u64, number: Option<u64>) -> Replay {
    let mut found = Replay::default();
    let form = match read_header(&mut input, number) {
        Ok(form) => form,
        Err(fault) => {
            found.fault = Some(fault);
            return found;
        }
    };
    found.header_good = true;
    found.good_bytes = HEADER_BYTES as u64;
    let mut payload = Vec::new();
    while found.good_bytes < size_bytes {
        match read_record(&mut input, size_bytes - found.good_bytes, &form, &mut payload) {
            Ok(batch) => found.batches.push(batch),
            Err(fault) => {
                found.fault = Some(fault);
                break;
            }
        }
        found.good_bytes += (RECORD_HEADER_BYTES + payload.len()) as u64;
    }
    found
}

/// How the records of a file are read.
struct Form {
    /// Schema of the version it was written in.
    schema: SchemaRef,
    records: Records,
}

/// How each record lies.
#[derive(Clone, Copy)]
enum Records {
    /// As an Arrow stream.
    Streams,
    Columns(Held),
}

fn read_header(input: &mut impl Read, number: Option<u64>) -> Result<Form, String> {
    let mut header = [0; HEADER_BYTES];
    input.read_exact(&mut header).map_err(|_| "header is cut short".to_owned())?;
    let ([magic @ .., _, _, _, _], crc) = (&header, u32_at(&header, 20));
    let records = match magic.first_chunk() {
        Some(&MAGIC_1) => Records::Streams,
        Some(&MAGIC_2) => Records::Columns(Held::All),
        Some(&MAGIC) => Records::Columns(Held::Needed),
        _ => return Err("not a WAL file".to_owned()),
    };
    if crc32fast::hash(magic) != crc {
        return Err("header checksum is wrong".to_owned());
    }
    let version = u32_at(&header, 8);
    let schema = event::schema_of(version).ok_or_else(|| format!("schema version {version} is not known"))?;
    let stored = (u64::from(u32_at(&header, 16)) << 32) | u64::from(u32_at(&header, 12));
    match number {
        Some(number) if number != stored => Err(format!("header says it is WAL {stored}")),
        _ => Ok(Form { schema, records }),
    }
}

fn read_record(
    input: &mut impl Read,
    left_bytes: u64,
    form: &Form,
    payload: &mut Vec<u8>,
) -> Result<RecordBatch, String> {
    let mut header = [0; RECORD_HEADER_BYTES];
    input.read_exact(&mut header).map_err(|_| "record header is cut short".to_owned())?;
    let (length, crc) = (u32_at(&header, 0) as usize, u32_at(&header, 4));
    if length > RECORD_BYTES_MAX {
        return Err(format!("record length {length} is over the limit"));
    }
    if (RECORD_HEADER_BYTES + length) as u64 > left_bytes {
        return Err("record is cut short".to_owned());
    }
    payload.resize(length, 0);
    input.read_exact(payload).map_err(|error| format!("record cannot be read: {error}"))?;
    if record_crc(&header[..4], payload) != crc {
        return Err("record checksum is wrong".to_owned());
    }
    decode(payload, form).map_err(|error| format!("record cannot be decoded: {error}"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

/// The length is under the checksum too: else a run of zeros would read as endless good, empty records.
fn record_crc(length: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(length);
    crc.update(payload);
    crc.finalize()
}

/// The batch of a record, in the present schema: every batch in memory shares one.
fn decode(payload: &[u8], form: &Form) -> Result<RecordBatch, String> {
    let batch = match form.records {
        Records::Streams => decode_stream(payload, &form.schema).map_err(|error| error.to_string())?,
        Records::Columns(held) => record::decode(payload, &form.schema, held).map_err(|error| match error {
            RecordError::TooLarge => "it is over the limits of a record".to_owned(),
            RecordError::Wrong(what) => what,
        })?,
    };
    event::upgrade(&batch).ok_or_else(|| "its columns are not those of events".to_owned())
}

fn decode_stream(payload: &[u8], schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let mut reader = StreamReader::try_new(payload, None)?;
    let wrong = |what: &str| Err(ArrowError::IpcError(what.to_owned()));
    if reader.schema() != *schema {
        return wrong("its columns are not those of events");
    }
    match (reader.next().transpose()?, reader.next()) {
        (Some(batch), None) if batch.num_rows() > RECORD_ROWS_MAX => wrong("too many rows"),
        (Some(batch), None) => Ok(batch),
        _ => wrong("not exactly one batch"),
    }
}

/// Writes one record into `buffer`, replacing what it held; `plain` is room to work in.
fn encode(batch: &RecordBatch, plain: &mut Vec<u8>, buffer: &mut Vec<u8>) -> Result<(), RecordError> {
    buffer.clear();
    buffer.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
    record::encode(batch, plain, buffer)?;
    let length = (buffer.len() - RECORD_HEADER_BYTES).min(u32::MAX as usize) as u32;
    let (header, payload) = buffer.split_at_mut(RECORD_HEADER_BYTES);
    header[..4].copy_from_slice(&length.to_le_bytes());
    let crc = record_crc(&header[..4], payload);
    header[4..].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// Why a batch was not appended.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// Its record would be over `RECORD_BYTES_MAX`.
    TooLarge,
    /// The disk said no; the file may have a torn tail, which the next append cuts first.
    Io(io::Error),
}

impl From<RecordError> for AppendError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::TooLarge => AppendError::TooLarge,
            RecordError::Wrong(what) => AppendError::Io(io::Error::other(what)),
        }
    }
}

/// One WAL file, open for appending.
pub(crate) struct Wal {
    disk: Disk,
    file: Arc<File>,
    number: u64,
    /// Bytes of header and whole records.
    good_bytes: u64,
    /// Whether a failed write may have left bytes after `good_bytes`.
    torn: bool,
    buffer: Vec<u8>,
    /// A record before it is compressed.
    plain: Vec<u8>,
}

impl Wal {
    /// Makes the file with this number, durably there but empty.
    pub(crate) fn create(disk: &Disk, folder: &Path, number: u64) -> io::Result<Wal> {
        let path = path(folder, number);
        let made = Self::create_at(disk, &path, number);
        if made.is_err() {
            // A half-made file would stand in the way of the next attempt.
            let _ = std::fs::remove_file(&path);
        }
        made
    }

    fn create_at(disk: &Disk, path: &Path, number: u64) -> io::Result<Wal> {
        let file = disk.create(path)?;
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&event::SCHEMA_VERSION.to_le_bytes());
        header.extend_from_slice(&number.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        disk.append(&file, &header)?;
        disk.sync(&file)?;
        path.parent().map_or(Ok(()), |folder| disk.sync_folder(folder))?;
        let good_bytes = HEADER_BYTES as u64;
        let (buffer, plain) = (Vec::new(), Vec::new());
        Ok(Wal { disk: disk.clone(), file: Arc::new(file), number, good_bytes, torn: false, buffer, plain })
    }

    /// Appends one batch; it survives a crash of this process at once, a power cut after the next sync.
    pub(crate) fn append(&mut self, batch: &RecordBatch) -> Result<(), AppendError> {
        encode(batch, &mut self.plain, &mut self.buffer)?;
        if self.buffer.len() > RECORD_HEADER_BYTES + RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        self.cut_torn_tail().map_err(AppendError::Io)?;
        self.torn = true;
        self.disk.append(&self.file, &self.buffer).map_err(AppendError::Io)?;
        self.torn = false;
        self.good_bytes += self.buffer.len() as u64;
        Ok(())
    }

    /// Cuts what a failed write left behind.
    pub(crate) fn cut_torn_tail(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.good_bytes)?;
            self.torn = false;
        }
        Ok(())
    }

    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn good_bytes(&self) -> u64 {
        self.good_bytes
    }
}

/// Cuts a file after its last good record, durably.
pub(crate) fn truncate(path: &Path, good_bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(good_bytes)?;
    file.sync_all()
}

/// Where the WAL file with this number is.
pub(crate) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.wal"))
}

/// The number of a WAL file by its name; `None` for other files.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(".wal")?.parse().ok()
}

#[cfg(test)]
mod tests;
