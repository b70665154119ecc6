//! Segments: sealed Parquet files of events, and what is checked before one is trusted.
//!
//! A segment of a WAL is in the order of time, for it is read newest first. What is merged or imported is in the order of
//! tenant, client and time: searches for a tenant or a client then read a few pages instead of all.
//!
//! Knows nothing of the WAL or of searches.

mod check;
mod chunk;
mod fresh;
mod hybrid;
mod order;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, TimestampMicrosecondType, UInt16Type, UInt64Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::disk::{Disk, TEMP_EXTENSION};
use crate::manifest::Entry;
use crate::numbered::Names;
use crate::{remote, rollup};
use fresh::Rows;
use order::{Order, Sequence};

pub use check::check_segment_bytes;
pub(crate) use check::{Fault, adopt, check_fully, check_quickly, checked, oldest_of_tenants, read_at_most, read_rows};

/// Folder of the segments inside the log folder.
pub(crate) const FOLDER: &str = "segments";
/// Ending of segment files.
pub(crate) const EXTENSION: &str = "parquet";
/// Microseconds of an hour: the unit of partitions and retention.
pub(crate) const HOUR_MICROS: i64 = 3_600_000_000;

/// Rows of a row group. A segment of a WAL has one of all its rows. Others are read by tenant and client, a few rows here and there,
/// and with each row group go its dictionaries of names: shorter ones are read sooner, and make the segment larger (a fifteenth,
/// here).
const GROUP_ROWS_REWRITTEN: usize = 1 << 18;
/// Rows of a page: what a page-pruned scan reads at least.
const PAGE_ROWS_MAX: usize = 20_000;
const PAGE_ROWS_REWRITTEN: usize = 4_096;
/// Columns of which each page says what it spans: those by which pages are ruled out. In the others nearly every page spans what
/// the row group does, and a footer that says so takes room in memory.
const PAGE_COLUMNS: &[&str] = &["time", "client", "tenant", "code", "outcome", "action"];
/// Columns of which nothing says what they span: every row group spans them all, and comparing each value costs a tenth of writing.
const UNSPANNED_COLUMNS: &[&str] = &[
    "domain",
    "reg_domain",
    "domain_rev",
    "answer",
    "client_port",
    "ttl",
    "upstream_latency",
    "latency",
    "query_size",
    "reply_size",
];
/// Time and number go up from row to row, or from one event of a client to the next, so their differences are small. A dictionary of
/// them, or of ports, is as large as they are.
const DIFFERENCES: &[&str] = &["time", "seq", "client_port"];
/// How often the filter of a row group's clients may name one that is not there: a byte and a half for each client.
const CLIENT_BLOOM_FPP: f64 = 0.01;
/// Octets of a column's dictionary, from which on values are written as they are. Names come again, in all of a segment: the
/// default of a mebibyte is full after a tenth of one. Beyond this more than half are different, and a dictionary saves nothing.
const DICTIONARY_BYTES_MAX: usize = 16 << 20;
/// zstd for segments of a WAL, which events wait for, and for all others, which are written once more in the background.
const ZSTD_LEVEL: i32 = 1;
const ZSTD_LEVEL_REWRITTEN: i32 = 3;
/// Rows handed to the encoder at once.
const CHUNK_ROWS: usize = 8_192;

/// Keys of what a segment says about itself.
const KEY_SCHEMA: &str = "nameward.schema_version";
const KEY_SOURCE: &str = "nameward.source";
/// Tenants in the order of rows, each with its number of rows, as JSON.
const KEY_TENANTS: &str = "nameward.tenants";
/// Most tenants that are listed: with more the list is longer than what it saves.
const TENANTS_LISTED_MAX: usize = 10_000;

/// Where the rows of a segment came from. Decides at start what a file is that the manifest does not name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// All of the WAL with this number.
    Wal(u64),
    /// All of these segments, merged, or what was kept of them.
    Segments(Vec<String>),
    /// Records of this source up to this position.
    Import(u64, String),
}

impl Source {
    fn text(&self) -> String {
        match self {
            Source::Wal(number) => format!("wal {number}"),
            Source::Segments(files) => format!("segments {}", files.join(" ")),
            Source::Import(position, source) => format!("import {position} {source}"),
        }
    }

    fn read(text: &str) -> Option<Source> {
        match text.split_once(' ')? {
            ("wal", number) => number.parse().ok().map(Source::Wal),
            ("import", rest) => {
                let (position, source) = rest.split_once(' ')?;
                Some(Source::Import(position.parse().ok()?, source.to_owned()))
            }
            ("segments", files) => Some(Source::Segments(files.split(' ').map(str::to_owned).collect())),
            _ => None,
        }
    }
}

/// A segment that readers may hold. Once doomed, its file goes when the last reader does.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) entry: Entry,
    /// Its file; of one in the remote store, where it lies while it is worked on.
    pub(crate) path: PathBuf,
    pub(crate) rollup: rollup::Place,
    doomed: AtomicBool,
    /// Doomed is the file alone: the same segment is in the remote store now, and its rollup is still here.
    rollup_stays: AtomicBool,
}

impl Segment {
    pub(crate) fn new(folder: &Path, entry: Entry) -> Arc<Segment> {
        let path = folder.join(if entry.remote { remote::FETCHED } else { FOLDER }).join(&entry.file);
        let rollup = rollup::Place::new(folder, &entry);
        let [doomed, rollup_stays] = [const { AtomicBool::new(false) }; 2];
        Arc::new(Segment { entry, path, rollup, doomed, rollup_stays })
    }

    /// The file goes when nobody holds the segment any more. The manifest must no longer name it.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    /// The same, but its rollup stays: it is that of the segment in the remote store.
    pub(crate) fn doom_file(&self) {
        self.rollup_stays.store(true, Ordering::Release);
        self.doom();
    }

    /// What it takes on the local disk, the rollup it has now included.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let file = if self.entry.remote { 0 } else { self.entry.bytes };
        file + self.rollup.bytes()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if !*self.doomed.get_mut() {
            return;
        }
        if !*self.rollup_stays.get_mut() {
            self.rollup.remove();
        }
        let removed = fs::remove_file(&self.path);
        if self.entry.remote {
            // There is none but while it is worked on; the object is the shipper's to delete.
            return;
        }
        if let Err(error) = removed {
            // The manifest lists it as removed: the next start tries again.
            tracing::warn!(file = %self.path.display(), %error, "cannot remove segment");
        }
    }
}

/// Writes a segment and its rollup and puts them in place durably. The rows may come in any order.
pub(crate) fn write(
    disk: &Disk,
    folder: &Path,
    name: &str,
    source: &Source,
    batches: &[Arc<RecordBatch>],
) -> io::Result<Entry> {
    let order = Order::of(batches, source)?;
    let file = format!("{}/{name}.{EXTENSION}", partition(order.time_min_micros));
    let segments = folder.join(FOLDER);
    let path = segments.join(&file);
    let hour = path.parent().unwrap_or(&segments);
    fs::create_dir_all(hour)?;
    let temp = path.with_extension(TEMP_EXTENSION);
    let names =
        Names::of(batches).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a batch of events"))?;
    let written = encode(disk, &temp, source, batches, &order, &names);
    let Written { bytes, crc, memory_bytes } = match written {
        Ok(written) => written,
        Err(error) => {
            // Frees the room at once: on a full disk somebody else may need it.
            let _ = fs::remove_file(&temp);
            return Err(error);
        }
    };
    fs::rename(&temp, &path)?;
    // The day and hour folders may be new as well.
    for made in hour.ancestors().take_while(|made| made.starts_with(&segments)) {
        disk.sync_folder(made)?;
    }
    let mut entry = Entry {
        file,
        rows: order.rows,
        time_min_micros: order.time_min_micros,
        time_max_micros: order.time_max_micros,
        seq_max: order.seq_max,
        imported_max: order.imported_max,
        time_mid_micros: Some(order.time_mid_micros),
        by_client: order.by_client,
        memory_bytes: Some(memory_bytes),
        bytes,
        crc,
        schema_version: event::SCHEMA_VERSION,
        rollup: None,
        remote: false,
    };
    entry.rollup = rollup::write(disk, folder, &entry, batches, &names);
    Ok(entry)
}

/// The two columns every part of the store looks at.
pub(crate) fn times_and_numbers(batch: &RecordBatch) -> io::Result<(&[i64], &[u64])> {
    let times = times(batch);
    let numbers = batch.column_by_name("seq").and_then(|column| column.as_primitive_opt::<UInt64Type>());
    match (times, numbers) {
        (Some(times), Some(numbers)) => Ok((times, numbers.values())),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not a batch of events")),
    }
}

fn times(batch: &RecordBatch) -> Option<&[i64]> {
    let times = batch.column_by_name("time")?.as_primitive_opt::<TimestampMicrosecondType>()?;
    Some(times.values())
}

/// The tenant of each row.
pub(crate) fn tenants(batch: &RecordBatch) -> Option<impl Iterator<Item = Option<&str>>> {
    let tenants = batch.column_by_name("tenant")?.as_dictionary_opt::<UInt16Type>()?;
    Some(tenants.downcast_dict::<StringArray>()?.into_iter())
}

fn encode(
    disk: &Disk,
    temp: &Path,
    source: &Source,
    batches: &[Arc<RecordBatch>],
    order: &Order,
    names: &Names<'_>,
) -> io::Result<Written> {
    match fs::remove_file(temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let output = Output { disk, file: disk.create(temp)?, bytes: 0, crc: crc32fast::Hasher::new() };
    // One write per mebibyte or so, not one per page.
    let output = io::BufWriter::with_capacity(1 << 20, output);
    let properties = properties(source, order);
    let (output, memory_bytes) = match &order.sequence {
        Sequence::ByTime(by_time) => {
            let rows = Rows { batches, order: by_time.as_deref(), names };
            let memory_bytes = batches.iter().map(|batch| batch.get_array_memory_size() as u64).sum();
            (fresh::encode(output, &rows, properties)?, memory_bytes)
        }
        Sequence::ByClient(rows) => encode_picked(output, batches, rows, properties)?,
    };
    let output = output.into_inner().map_err(io::IntoInnerError::into_error)?;
    disk.sync(&output.file)?;
    Ok(Written { bytes: output.bytes, crc: output.crc.finalize(), memory_bytes })
}

/// Writes rows by batch and place; what it was written to, and the octets the rows have in memory.
fn encode_picked<W: Write + Send>(
    output: W,
    batches: &[Arc<RecordBatch>],
    rows: &[(u32, u32)],
    properties: WriterProperties,
) -> io::Result<(W, u64)> {
    let mut writer = ArrowWriter::try_new(output, event::schema(), Some(properties))?;
    let inputs: Vec<&RecordBatch> = batches.iter().map(AsRef::as_ref).collect();
    let mut picks = Vec::with_capacity(CHUNK_ROWS);
    let mut memory_bytes = 0;
    for chunk in rows.chunks(CHUNK_ROWS) {
        picks.clear();
        picks.extend(chunk.iter().map(|&(batch, row)| (batch as usize, row as usize)));
        let batch = interleave_record_batch(&inputs, &picks).map_err(io::Error::other)?;
        memory_bytes += batch.get_array_memory_size() as u64;
        writer.write(&batch)?;
    }
    Ok((writer.into_inner()?, memory_bytes))
}

/// What a file came to.
struct Written {
    bytes: u64,
    crc: u32,
    memory_bytes: u64,
}

/// Counts and checks what goes to the file.
struct Output<'a> {
    disk: &'a Disk,
    file: File,
    bytes: u64,
    crc: crc32fast::Hasher,
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.append(&self.file, bytes)?;
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn properties(source: &Source, order: &Order) -> WriterProperties {
    let key = |key: &str, value: String| KeyValue { key: key.to_owned(), value: Some(value) };
    let mut keys = vec![key(KEY_SCHEMA, event::SCHEMA_VERSION.to_string()), key(KEY_SOURCE, source.text())];
    if order.by_client
        && order.tenants.len() <= TENANTS_LISTED_MAX
        && let Ok(tenants) = serde_json::to_string(&order.tenants)
    {
        keys.push(key(KEY_TENANTS, tenants));
    }
    let (level, group, page) = match order.by_client {
        true => (ZSTD_LEVEL_REWRITTEN, Some(GROUP_ROWS_REWRITTEN), PAGE_ROWS_REWRITTEN),
        false => (ZSTD_LEVEL, None, PAGE_ROWS_MAX),
    };
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default()))
        .set_max_row_group_row_count(group)
        .set_data_page_row_count_limit(page)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("nameward".to_owned())
        .set_key_value_metadata(Some(keys));
    if order.by_client {
        // Of several tenants each may have clients from the same networks, so that row groups and pages all span them.
        builder = builder.set_column_bloom_filter_fpp(ColumnPath::from("client"), CLIENT_BLOOM_FPP);
    }
    for column in PAGE_COLUMNS {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(*column), EnabledStatistics::Page);
    }
    for column in UNSPANNED_COLUMNS {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(*column), EnabledStatistics::None);
    }
    for field in event::schema().fields().iter().filter(|field| *field.data_type() == DataType::Utf8) {
        let column = ColumnPath::from(field.name().as_str());
        builder = builder.set_column_dictionary_page_size_limit(column, DICTIONARY_BYTES_MAX);
    }
    for column in DIFFERENCES.iter().copied().map(ColumnPath::from) {
        builder = builder
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

/// Tenants in the order of rows with the number of rows of each, as the segment of so many rows says it. `None` when it does not,
/// or says what cannot be.
pub(crate) fn tenants_listed(keys: Option<&Vec<KeyValue>>, rows: u64) -> Option<Vec<(Option<String>, usize)>> {
    let listed = keys?.iter().find(|it| it.key == KEY_TENANTS)?.value.as_ref()?;
    let tenants: Vec<(Option<String>, usize)> = serde_json::from_str(listed).ok()?;
    let sum = tenants.iter().try_fold(0, |sum: usize, (_, rows)| sum.checked_add(*rows))?;
    (sum as u64 == rows && tenants.len() <= TENANTS_LISTED_MAX).then_some(tenants)
}

/// Folder of a segment whose first event is at this time.
fn partition(time_micros: i64) -> String {
    let hours = time_micros.div_euclid(HOUR_MICROS);
    let (year, month, day) = civil(hours.div_euclid(24));
    format!("day={year:04}-{month:02}-{day:02}/hour={:02}", hours.rem_euclid(24))
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar. Counts years from
/// March, so that the leap day is the last of its year, in eras of 400 years (146,097 days).
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, of_year - (153 * march_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests;
