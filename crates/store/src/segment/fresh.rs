//! A segment of the WAL, written column by column from numbers.
//!
//! Each value is looked at once, where it is numbered, and the names and clients that the rollup counts are those written here. What
//! numbers do not help (times, ports, lists, texts that are nearly all different) goes through the writer of `parquet`, which merged
//! segments go through as a whole.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, UInt8Type, UInt16Type, UInt32Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, compute_leaves};
use parquet::file::properties::WriterProperties;

use super::chunk::{Chunks, Spans, Values};
use super::{
    CHUNK_ROWS, DICTIONARY_BYTES_MAX, DIFFERENCES, PAGE_COLUMNS, PAGE_ROWS_MAX, UNSPANNED_COLUMNS, ZSTD_LEVEL,
};
use crate::numbered::{self, EMPTY, Names, Numbered};

/// Rows that are to become a segment.
pub(super) struct Rows<'a> {
    pub(super) batches: &'a [Arc<RecordBatch>],
    /// The place of each row among those of all batches, in the order of time; `None` when they come in it.
    pub(super) order: Option<&'a [u32]>,
    pub(super) names: &'a Names<'a>,
}

/// Writes a file with one row group; returns what it was written to.
pub(super) fn encode<W: Write + Send>(output: W, rows: &Rows<'_>, properties: WriterProperties) -> io::Result<W> {
    let schema = event::schema();
    let writer = ArrowWriter::try_new(output, Arc::clone(&schema), Some(properties))?;
    let (mut file, factory) = writer.into_serialized_writer()?;
    let plain = factory.create_column_writers(0)?;
    let columns = file.schema_descr().columns().to_vec();
    let mut group = file.next_row_group()?;
    let mut chunks = Chunks::new(ZSTD_LEVEL, PAGE_ROWS_MAX, rows.order)?;
    // A name and its reversal have the same numbers.
    let names = chunks.pack(&rows.names.domains.rows, true)?;
    for (at, ((field, column), plain)) in schema.fields().iter().zip(columns).zip(plain).enumerate() {
        let spans = match field.name().as_str() {
            name if UNSPANNED_COLUMNS.contains(&name) => Spans::Nothing,
            name if PAGE_COLUMNS.contains(&name) => Spans::Pages,
            _ => Spans::Chunk,
        };
        let derived;
        let numbered;
        let (values, numbers) = match field.name().as_str() {
            "domain" => (Values::Texts(&rows.names.domains.values), &rows.names.domains.rows),
            "domain_rev" => (Values::Texts(&rows.names.reversed), &rows.names.domains.rows),
            "reg_domain" => {
                derived = reg_domains(rows.names);
                (Values::Texts(&rows.names.reg_domains), &derived)
            }
            "client" => (Values::Addresses(&rows.names.clients.values), &rows.names.clients.rows),
            _ => {
                numbered = Column::of(rows.batches, at, field);
                match &numbered {
                    Column::Numbers(Numbered { values, rows }) => (Values::Numbers(values), rows),
                    Column::Texts(Numbered { values, rows }) => (Values::Texts(values), rows),
                    Column::Other => {
                        write_plain(plain, rows, at, field)?.close()?.append_to_row_group(&mut group)?;
                        continue;
                    }
                }
            }
        };
        if values.octets() > DICTIONARY_BYTES_MAX {
            write_plain(plain, rows, at, field)?.close()?.append_to_row_group(&mut group)?;
            continue;
        }
        let own;
        let packed = if matches!(field.name().as_str(), "domain" | "domain_rev") {
            &names
        } else {
            own = chunks.pack(numbers, field.is_nullable())?;
            &own
        };
        let (octets, close) = chunks.chunk(column, values, numbers, packed, spans)?;
        group.append_column(&octets, close)?;
    }
    group.close()?;
    Ok(file.into_inner()?)
}

/// For each row the number of its registrable domain.
fn reg_domains(names: &Names<'_>) -> Vec<u32> {
    let of = |domain: &u32| names.reg_domain_of.get(*domain as usize).copied().unwrap_or(EMPTY);
    names.domains.rows.iter().map(of).collect()
}

/// A column as numbers, if they help.
enum Column<'a> {
    Numbers(Numbered<u32>),
    Texts(Numbered<&'a str>),
    Other,
}

impl<'a> Column<'a> {
    fn of(batches: &'a [Arc<RecordBatch>], at: usize, field: &Field) -> Column<'a> {
        if DIFFERENCES.contains(&field.name().as_str()) {
            return Column::Other;
        }
        let numbers = |numbered: Option<Numbered<u32>>| numbered.map(Column::Numbers);
        let column = match field.data_type() {
            DataType::UInt8 => numbers(numbered::small::<UInt8Type>(batches, at)),
            DataType::UInt16 => numbers(numbered::small::<UInt16Type>(batches, at)),
            DataType::UInt32 => numbers(numbered::large::<UInt32Type>(batches, at)),
            DataType::Utf8 | DataType::Dictionary(..) => numbered::texts(batches, at).map(Column::Texts),
            _ => None,
        };
        column.unwrap_or(Column::Other)
    }
}

/// Writes a column as it is, in the order of rows.
fn write_plain(
    mut writer: ArrowColumnWriter,
    rows: &Rows<'_>,
    at: usize,
    field: &Field,
) -> io::Result<ArrowColumnWriter> {
    let mut put = |array: &ArrayRef| -> io::Result<()> {
        for leaf in compute_leaves(field, array)? {
            writer.write(&leaf)?;
        }
        Ok(())
    };
    let Some(order) = rows.order else {
        for batch in rows.batches {
            put(batch.column(at))?;
        }
        return Ok(writer);
    };
    let arrays: Vec<&dyn Array> = rows.batches.iter().map(|batch| batch.column(at).as_ref()).collect();
    let empty = arrays.iter().all(|array| array.null_count() == array.len());
    let mut ends = Vec::with_capacity(arrays.len());
    arrays.iter().fold(0, |sum, array| {
        ends.push(sum + array.len());
        sum + array.len()
    });
    let mut picks = Vec::with_capacity(CHUNK_ROWS);
    let mut batch = 0;
    for chunk in order.chunks(CHUNK_ROWS) {
        if empty {
            put(&new_null_array(field.data_type(), chunk.len()))?;
            continue;
        }
        picks.clear();
        for place in chunk {
            let place = *place as usize;
            let start = |batch: usize| if batch == 0 { 0 } else { ends[batch - 1] };
            // Rows are nearly in the order of batches.
            if place < start(batch) || place >= ends[batch] {
                batch = ends.partition_point(|end| *end <= place);
            }
            picks.push((batch, place - start(batch)));
        }
        put(&interleave(&arrays, &picks).map_err(io::Error::other)?)?;
    }
    Ok(writer)
}
