//! Reading segments back: what is checked before one is trusted, and its rows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::ChunkReader;

use super::order::Order;
use super::{CHUNK_ROWS, KEY_SCHEMA, KEY_SOURCE, Segment, Source, tenants, times};
use crate::manifest::Entry;

/// Bytes read at once when a file is checked.
const READ_BYTES: usize = 1 << 20;
/// Most row groups in a file we trust.
const ROW_GROUPS_MAX: usize = 64;

/// Reads the footer of a Parquet file in memory and checks that it is a segment of ours.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_segment_bytes(bytes: Vec<u8>) -> Result<(), String> {
    check_footer(&Bytes::from(bytes)).map(|_| ())
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
fn load<R: ChunkReader>(reader: &R) -> Result<(ArrowReaderMetadata, u32), String> {
    let metadata = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
    let metadata = metadata.parse_and_finish(reader).map_err(|error| error.to_string())?;
    let version = said(&metadata, KEY_SCHEMA).and_then(|version| version.parse().ok());
    let known = version.and_then(|version| Some((version, event::schema_of(version)?)));
    let (version, schema) = known.ok_or("it does not say that it is a segment of a version we know")?;
    let options = ArrowReaderOptions::new().with_schema(schema);
    let loaded = ArrowReaderMetadata::try_new(Arc::new(metadata), options).map_err(|error| error.to_string())?;
    Ok((loaded, version))
}

fn check_footer<R: ChunkReader>(reader: &R) -> Result<Footer, String> {
    let (loaded, schema_version) = load(reader)?;
    let metadata: &ParquetMetaData = loaded.metadata();
    let source = said(metadata, KEY_SOURCE).and_then(Source::read).ok_or("it does not say where its rows came from")?;
    if metadata.num_row_groups() > ROW_GROUPS_MAX {
        return Err("it has too many row groups".to_owned());
    }
    let rows = metadata.row_groups().iter().try_fold(0_i64, |sum, group| sum.checked_add(group.num_rows()));
    match rows.and_then(|rows| u64::try_from(rows).ok()) {
        Some(rows) if rows > 0 && i64::try_from(rows) == Ok(metadata.file_metadata().num_rows()) => {
            Ok(Footer { source, rows, schema_version })
        }
        _ => Err("its counts of rows disagree".to_owned()),
    }
}

/// Checks the size and the footer of a segment that the manifest names.
pub(crate) fn check_quickly(segment: &Segment) -> Result<(), String> {
    let file = File::open(&segment.path).map_err(|error| format!("it cannot be opened: {error}"))?;
    let bytes = file.metadata().map_err(|error| format!("it cannot be read: {error}"))?.len();
    if bytes != segment.entry.bytes {
        return Err(format!("it has {bytes} bytes instead of {}", segment.entry.bytes));
    }
    let footer = check_footer(&file)?;
    if footer.rows != segment.entry.rows {
        return Err(format!("it has {} rows instead of {}", footer.rows, segment.entry.rows));
    }
    if footer.schema_version != segment.entry.schema_version {
        let (found, named) = (footer.schema_version, segment.entry.schema_version);
        return Err(format!("it is of schema version {found} instead of {named}"));
    }
    Ok(())
}

/// Reads a segment whole and checks every byte of it.
pub(crate) fn check_fully(segment: &Segment) -> Result<(), String> {
    let (bytes, crc) = size_and_crc(&segment.path).map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes != segment.entry.bytes {
        return Err(format!("it has {bytes} bytes instead of {}", segment.entry.bytes));
    }
    if crc != segment.entry.crc {
        return Err("its checksum is wrong".to_owned());
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

/// The rows of a segment whose bytes were checked, in the present schema.
pub(crate) fn read_rows(path: &Path) -> Result<Vec<Arc<RecordBatch>>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let file = File::open(path).map_err(|error| text(&error))?;
    let (loaded, _) = load(&file)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, loaded);
    let reader = builder.with_batch_size(CHUNK_ROWS).build().map_err(|error| text(&error))?;
    let upgraded = |batch: &RecordBatch| event::upgrade(batch).ok_or("its columns are not those of events");
    reader.map(|batch| Ok(Arc::new(upgraded(&batch.map_err(|error| text(&error))?)?))).collect()
}

/// The oldest event of each tenant in a segment, reading no other columns.
pub(crate) fn oldest_of_tenants(path: &Path) -> Result<BTreeMap<String, i64>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let file = File::open(path).map_err(|error| text(&error))?;
    let (loaded, _) = load(&file)?;
    let mut oldest: BTreeMap<String, i64> = BTreeMap::new();
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, loaded);
    if builder.schema().index_of("tenant").is_err() {
        return Ok(oldest);
    }
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["time", "tenant"]);
    let reader = builder.with_projection(mask).with_batch_size(CHUNK_ROWS).build().map_err(|error| text(&error))?;
    for batch in reader {
        let batch = batch.map_err(|error| text(&error))?;
        let (Some(times), Some(tenants)) = (times(&batch), tenants(&batch)) else {
            return Err("its columns are not those of events".to_owned());
        };
        for (time, tenant) in times.iter().zip(tenants) {
            let Some(tenant) = tenant else { continue };
            match oldest.get_mut(tenant) {
                Some(oldest) => *oldest = (*oldest).min(*time),
                None => drop(oldest.insert(tenant.to_owned(), *time)),
            }
        }
    }
    Ok(oldest)
}

/// Makes the manifest's entry of a segment file that the manifest does not name, by reading all of it.
pub(crate) fn adopt(segments: &Path, file: &str) -> Result<(Entry, Source), String> {
    let path = segments.join(file);
    let unreadable = |error: io::Error| format!("it cannot be read: {error}");
    let footer = check_footer(&File::open(&path).map_err(unreadable)?)?;
    let (bytes, crc) = size_and_crc(&path).map_err(unreadable)?;
    let batches = read_rows(&path)?;
    let order = Order::of(&batches, &footer.source).map_err(|error| error.to_string())?;
    if order.rows.len() as u64 != footer.rows {
        return Err("its counts of rows disagree".to_owned());
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
    };
    Ok((entry, footer.source))
}
