//! Reading segments back: what is checked before one is trusted, and its rows.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::ChunkReader;

use super::order::Order;
use super::{CHUNK_ROWS, KEY_SCHEMA, KEY_SOURCE, Segment, Source, tenants, times};
use crate::manifest::Entry;

/// Bytes read at once when a file is checked.
const READ_BYTES: usize = 1 << 20;
/// Room made at once for a file read whole; a larger one makes more as it is read.
const READ_ROOM_BYTES_MAX: usize = 256 << 20;
/// Most row groups in a file we trust.
const ROW_GROUPS_MAX: usize = 64;

/// Why a file is not trusted.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Its bytes are not those that were written, or it is gone.
    Wrong(String),
    /// The system does not let us read it now, which says nothing of its bytes.
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Wrong(reason) => f.write_str(reason),
            Fault::Io(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Fault::Wrong(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Fault::Wrong(reason.to_owned())
    }
}

impl From<io::Error> for Fault {
    /// Only the system's own errors have a number: decoders speak through `io::Error` too, of what is wrong with the bytes.
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(_) if error.kind() != io::ErrorKind::NotFound => Fault::Io(error),
            _ => Fault::Wrong(format!("it cannot be read: {error}")),
        }
    }
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Self {
        let of_system = match &error {
            ParquetError::External(source) => source.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error),
            _ => None,
        };
        of_system.map_or_else(|| Fault::Wrong(error.to_string()), |code| io::Error::from_raw_os_error(code).into())
    }
}

/// Reads the footer of a Parquet file in memory and checks that it is a segment of ours.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_segment_bytes(bytes: Vec<u8>) -> Result<(), String> {
    check_footer(&Bytes::from(bytes)).map(|_| ()).map_err(|fault| fault.to_string())
}

/// What the footer of a good segment says.
struct Footer {
    source: Source,
    rows: u64,
    schema_version: u32,
}

/// The value a segment's footer has for a key.
fn said<'a>(metadata: &'a ParquetMetaData, key: &str) -> Option<&'a str> {
    let mut pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    pairs.find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref())
}

/// Reads the footer. Files are read by our schema of their version, which must fit their columns, not by the copy of it
/// that they carry for other programs: its reader panics on a damaged one.
fn load<R: ChunkReader>(reader: &R) -> Result<(ArrowReaderMetadata, u32), Fault> {
    let metadata = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
    let metadata = metadata.parse_and_finish(reader)?;
    let version = said(&metadata, KEY_SCHEMA).and_then(|version| version.parse().ok());
    let known = version.and_then(|version| Some((version, event::schema_of(version)?)));
    let (version, schema) = known.ok_or("it does not say that it is a segment of a version we know")?;
    let options = ArrowReaderOptions::new().with_schema(schema);
    Ok((ArrowReaderMetadata::try_new(Arc::new(metadata), options)?, version))
}

fn check_footer<R: ChunkReader>(reader: &R) -> Result<Footer, Fault> {
    let (loaded, schema_version) = load(reader)?;
    let metadata: &ParquetMetaData = loaded.metadata();
    let source = said(metadata, KEY_SOURCE).and_then(Source::read).ok_or("it does not say where its rows came from")?;
    if metadata.num_row_groups() > ROW_GROUPS_MAX {
        return Err("it has too many row groups".into());
    }
    let rows = metadata.row_groups().iter().try_fold(0_i64, |sum, group| sum.checked_add(group.num_rows()));
    match rows.and_then(|rows| u64::try_from(rows).ok()) {
        Some(rows) if rows > 0 && i64::try_from(rows) == Ok(metadata.file_metadata().num_rows()) => {
            Ok(Footer { source, rows, schema_version })
        }
        _ => Err("its counts of rows disagree".into()),
    }
}

fn size_is(found: u64, segment: &Segment) -> Result<(), Fault> {
    if found == segment.entry.bytes {
        return Ok(());
    }
    Err(format!("it has {found} bytes instead of {}", segment.entry.bytes).into())
}

/// Checks the size and the footer of a segment that the manifest names.
pub(crate) fn check_quickly(segment: &Segment) -> Result<(), Fault> {
    let file = File::open(&segment.path)?;
    size_is(file.metadata()?.len(), segment)?;
    let footer = check_footer(&file)?;
    if footer.rows != segment.entry.rows {
        return Err(format!("it has {} rows instead of {}", footer.rows, segment.entry.rows).into());
    }
    if footer.schema_version != segment.entry.schema_version {
        let (found, named) = (footer.schema_version, segment.entry.schema_version);
        return Err(format!("it is of schema version {found} instead of {named}").into());
    }
    Ok(())
}

/// Reads a segment whole and checks every byte of it.
pub(crate) fn check_fully(segment: &Segment) -> Result<(), Fault> {
    let (bytes, crc) = size_and_crc(&segment.path)?;
    size_is(bytes, segment)?;
    if crc != segment.entry.crc {
        return Err("its checksum is wrong".into());
    }
    Ok(())
}

fn size_and_crc(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = File::open(path)?;
    let (mut size, mut crc) = (0, crc32fast::Hasher::new());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((size, crc.finalize())),
            read => {
                crc.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}

/// All bytes of a segment, checked. What is decoded is then what was checked, whatever becomes of the file.
pub(crate) fn checked(segment: &Segment) -> Result<Bytes, Fault> {
    let bytes = read_at_most(&segment.path, segment.entry.bytes)?;
    size_is(bytes.len() as u64, segment)?;
    if crc32fast::hash(&bytes) != segment.entry.crc {
        return Err("its checksum is wrong".into());
    }
    Ok(bytes.into())
}

/// A file that should have so many bytes; of one that has more, one more.
pub(crate) fn read_at_most(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0).saturating_add(1).min(READ_ROOM_BYTES_MAX));
    File::open(path)?.take(bytes.saturating_add(1)).read_to_end(&mut read)?;
    Ok(read)
}

/// The rows of a segment whose bytes are good, in the present schema.
pub(crate) fn read_rows(segment: &Segment) -> Result<Vec<Arc<RecordBatch>>, Fault> {
    decode(checked(segment)?)
}

pub(super) fn decode<R: ChunkReader + 'static>(reader: R) -> Result<Vec<Arc<RecordBatch>>, Fault> {
    let (loaded, _) = load(&reader)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(reader, loaded);
    let reader = builder.with_batch_size(CHUNK_ROWS).build()?;
    let upgraded = |batch: &RecordBatch| event::upgrade(batch).ok_or("its columns are not those of events");
    reader.map(|batch| Ok(Arc::new(upgraded(&batch.map_err(|error| error.to_string())?)?))).collect()
}

/// The oldest event of each of these tenants in a segment whose bytes are good, decoding no other columns.
pub(crate) fn oldest_of_tenants(segment: &Segment, wanted: &HashSet<&str>) -> Result<BTreeMap<String, i64>, Fault> {
    let bytes = checked(segment)?;
    let (loaded, _) = load(&bytes)?;
    let mut oldest: BTreeMap<String, i64> = BTreeMap::new();
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, loaded);
    if builder.schema().index_of("tenant").is_err() {
        return Ok(oldest);
    }
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["time", "tenant"]);
    let reader = builder.with_projection(mask).with_batch_size(CHUNK_ROWS).build()?;
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        let (Some(times), Some(tenants)) = (times(&batch), tenants(&batch)) else {
            return Err("its columns are not those of events".into());
        };
        for (time, tenant) in times.iter().zip(tenants) {
            let Some(tenant) = tenant else { continue };
            match oldest.get_mut(tenant) {
                Some(oldest) => *oldest = (*oldest).min(*time),
                None if wanted.contains(tenant) => drop(oldest.insert(tenant.to_owned(), *time)),
                None => {}
            }
        }
    }
    Ok(oldest)
}

/// Makes the manifest's entry of a segment file that the manifest does not name, by reading all of it.
pub(crate) fn adopt(segments: &Path, file: &str) -> Result<(Entry, Source), Fault> {
    let path = segments.join(file);
    let footer = check_footer(&File::open(&path)?)?;
    let (bytes, crc) = size_and_crc(&path)?;
    let batches = decode(File::open(&path)?)?;
    let order = Order::of(&batches, &footer.source).map_err(|error| error.to_string())?;
    if order.rows != footer.rows {
        return Err("its counts of rows disagree".into());
    }
    let entry = Entry {
        file: file.to_owned(),
        rows: footer.rows,
        time_min_micros: order.time_min_micros,
        time_max_micros: order.time_max_micros,
        seq_max: order.seq_max,
        imported_max: order.imported_max,
        time_mid_micros: Some(order.time_mid_micros),
        by_client: order.by_client,
        memory_bytes: None,
        bytes,
        crc,
        schema_version: footer.schema_version,
        rollup: None,
        remote: false,
    };
    Ok((entry, footer.source))
}
