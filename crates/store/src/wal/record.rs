//! The payload of one WAL record: a batch of events column by column, without the schema, which is that of the file.
//!
//! ```text
//! payload:  0, plain  |  1, length of plain u32, plain as an LZ4 frame
//! plain:    rows varint, then each column of the schema in order that is not derived from others
//! column:   tag u8: 0 all null, 1 none null, 2 bits of those that are not; then, unless all are null, the values of
//!           all rows, null or not:
//!   time, u64      difference from the row before (from 0), zigzag varint
//!   other numbers  little-endian
//!   addresses      16 bytes
//!   text           lengths as varints, then all bytes
//!   dictionary     count of words varint, the words as text, then a number u8 (u16 when over 256 words) for each row
//!   list           lengths as varints, then the items as a column
//!           with 16 added to the tag, one value that all rows have
//!           with 32 added to the tag, texts or addresses as a dictionary
//! ```
//!
//! A derived column is made again when a record is read. In form 2, which is still read, records have every column, and nothing is
//! added to tags.
//!
//! One event of many takes about 40 bytes and those of the texts that no other has. Decoding trusts nothing: every length is checked
//! against what is left.

mod input;

use std::io::{Read, Write};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, FixedSizeBinaryArray, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow::datatypes::{
    DataType, SchemaRef, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use lz4_flex::frame::{FrameDecoder, FrameEncoder};

use super::{RECORD_BYTES_MAX, RECORD_ROWS_MAX};
use crate::different::Different;
use crate::varint::put_varint;
use input::Input;

/// Plain bytes from which a record is compressed: below, LZ4 finds little.
const COMPRESS_FROM_BYTES: usize = 512;
/// Most items of all lists of a column in one record.
const LIST_ITEMS_MAX: usize = 1 << 20;

/// What is added to the tag of a column.
const PLAIN: u8 = 0;
const ONE_VALUE: u8 = 16;
const WORDS: u8 = 32;

/// Why a batch is no record, or bytes are not a batch.
#[derive(Debug)]
pub(crate) enum RecordError {
    /// Over one of the limits of a record.
    TooLarge,
    /// What is wrong.
    Wrong(String),
}

fn wrong<T>(what: impl std::fmt::Display) -> Result<T, RecordError> {
    Err(RecordError::Wrong(what.to_string()))
}

fn failed(error: impl std::fmt::Display) -> RecordError {
    RecordError::Wrong(error.to_string())
}

/// Appends the payload of a batch to `out`; `plain` is room to work in.
pub(crate) fn encode(batch: &RecordBatch, plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), RecordError> {
    plain.clear();
    if batch.num_rows() > RECORD_ROWS_MAX {
        return Err(RecordError::TooLarge);
    }
    put_varint(plain, batch.num_rows() as u64);
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if event::is_derived(field.name()) {
            continue;
        }
        put_column(plain, column)?;
        if plain.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge);
        }
    }
    if plain.len() < COMPRESS_FROM_BYTES {
        out.push(0);
        out.extend_from_slice(plain);
        return Ok(());
    }
    out.push(1);
    out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    let mut encoder = FrameEncoder::new(out);
    encoder.write_all(plain).map_err(failed)?;
    encoder.finish().map_err(failed)?;
    Ok(())
}

/// Which columns a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Every one, in form 2.
    All,
    /// Those that are not derived.
    Needed,
}

/// The batch of a payload.
pub(crate) fn decode(payload: &[u8], schema: &SchemaRef, held: Held) -> Result<RecordBatch, RecordError> {
    let unpacked;
    let plain = match payload {
        [0, plain @ ..] => plain,
        [1, a, b, c, d, packed @ ..] => {
            let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
            if length > RECORD_BYTES_MAX {
                return Err(RecordError::TooLarge);
            }
            let mut plain = Vec::new();
            FrameDecoder::new(packed).take(length as u64 + 1).read_to_end(&mut plain).map_err(failed)?;
            if plain.len() != length {
                return wrong("it does not unpack to its length");
            }
            unpacked = plain;
            &unpacked
        }
        _ => return wrong("its packing is not known"),
    };
    let mut input = Input::new(plain, held);
    let rows = input.count(RECORD_ROWS_MAX)?;
    let fields = schema.fields();
    let is_held = |name: &str| held == Held::All || !event::is_derived(name);
    let found = fields.iter().map(|field| match is_held(field.name()) {
        true => input.column(field.data_type(), rows).map(Some),
        false => Ok(None),
    });
    let found = found.collect::<Result<Vec<Option<ArrayRef>>, RecordError>>()?;
    if !input.is_empty() {
        return wrong("it goes on after its last column");
    }
    let of = |name: &str| schema.index_of(name).ok().and_then(|at| found[at].as_ref());
    let columns = fields.iter().zip(&found).map(|(field, found)| match found {
        Some(column) => Ok(Arc::clone(column)),
        None => event::derive(field.name(), of).map_or_else(|| wrong("a column cannot be derived"), Ok),
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, RecordError>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(failed)
}

fn put_column(out: &mut Vec<u8>, column: &ArrayRef) -> Result<(), RecordError> {
    let tag = out.len();
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    match nulls {
        Some(nulls) if nulls.null_count() == column.len() => {
            out.push(0);
            return Ok(());
        }
        Some(nulls) => {
            out.push(2);
            let mut bits = vec![0_u8; nulls.len().div_ceil(8)];
            nulls.inner().set_indices().for_each(|at| bits[at / 8] |= 1 << (at % 8));
            out.extend_from_slice(&bits);
        }
        None => out.push(1),
    }
    let shape = match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            put_differences(out, column.as_primitive::<TimestampMicrosecondType>().values().iter().copied())
        }
        DataType::UInt64 => {
            put_differences(out, column.as_primitive::<UInt64Type>().values().iter().map(|&value| value as i64))
        }
        DataType::UInt8 => put_numbers(out, column.as_primitive::<UInt8Type>().values(), u8::to_le_bytes),
        DataType::UInt16 => put_numbers(out, column.as_primitive::<UInt16Type>().values(), u16::to_le_bytes),
        DataType::UInt32 => put_numbers(out, column.as_primitive::<UInt32Type>().values(), u32::to_le_bytes),
        DataType::FixedSizeBinary(_) => put_addresses(out, column.as_fixed_size_binary()),
        DataType::Utf8 => put_texts(out, column.as_string()),
        DataType::Dictionary(..) => put_words(out, column.as_dictionary::<UInt16Type>())?,
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            let offsets = lists.value_offsets();
            offsets.windows(2).for_each(|pair| put_varint(out, (pair[1] - pair[0]) as u64));
            let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
            if last - first > LIST_ITEMS_MAX {
                return Err(RecordError::TooLarge);
            }
            put_column(out, &lists.values().slice(first, last - first))?;
            PLAIN
        }
        other => return wrong(format!("a column of type {other} has no form")),
    };
    out[tag] |= shape;
    Ok(())
}

fn put_differences(out: &mut Vec<u8>, values: impl Iterator<Item = i64>) -> u8 {
    let mut before = 0_i64;
    for value in values {
        let difference = value.wrapping_sub(before);
        put_varint(out, ((difference << 1) ^ (difference >> 63)) as u64);
        before = value;
    }
    PLAIN
}

fn put_numbers<T: Copy + PartialEq, const N: usize>(
    out: &mut Vec<u8>,
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> u8 {
    if let Some((&first, others)) = values.split_first()
        && others.iter().all(|other| *other == first)
    {
        out.extend_from_slice(&bytes(first));
        return ONE_VALUE;
    }
    out.reserve(values.len() * N);
    values.iter().for_each(|&value| out.extend_from_slice(&bytes(value)));
    PLAIN
}

fn put_addresses(out: &mut Vec<u8>, values: &FixedSizeBinaryArray) -> u8 {
    let mut different = Different::default();
    let numbers: Vec<u16> = (0..values.len()).map(|at| different.place(values.value(at)) as u16).collect();
    let addresses = different.into_values();
    if addresses.len() > numbers.len() / 2 {
        (0..values.len()).for_each(|at| out.extend_from_slice(values.value(at)));
        return PLAIN;
    }
    put_varint(out, addresses.len() as u64);
    addresses.iter().for_each(|address| out.extend_from_slice(address));
    put_numbers_of(out, &numbers, addresses.len());
    WORDS
}

/// Texts, each once when that is shorter. Those of a column are from a few to nearly as many as there are rows.
fn put_texts(out: &mut Vec<u8>, values: &StringArray) -> u8 {
    let offsets = values.value_offsets();
    let octets = &values.value_data()[offsets[0] as usize..offsets[offsets.len() - 1] as usize];
    let mut different: Different<&str> = Different::with_room(values.len());
    let mut saved = octets.len();
    let mut numbers: Vec<u16> = Vec::with_capacity(values.len());
    for at in 0..values.len() {
        // Of a row without a value the text is empty.
        let (text, known) = (values.value(at), different.len());
        numbers.push(different.place(text) as u16);
        if different.len() > known {
            saved -= text.len();
        }
    }
    if saved < values.len() * size_of::<u16>() {
        offsets.windows(2).for_each(|pair| put_varint(out, (pair[1] - pair[0]) as u64));
        out.extend_from_slice(octets);
        return PLAIN;
    }
    let words = different.into_values();
    put_plain_words(out, &words);
    put_numbers_of(out, &numbers, words.len());
    WORDS
}

fn put_plain_words(out: &mut Vec<u8>, words: &[&str]) {
    put_varint(out, words.len() as u64);
    words.iter().for_each(|word| put_varint(out, word.len() as u64));
    words.iter().for_each(|word| out.extend_from_slice(word.as_bytes()));
}

/// Numbers of so many words, in as many octets as they need.
fn put_numbers_of(out: &mut Vec<u8>, numbers: &[u16], words: usize) {
    if words <= 256 {
        out.extend(numbers.iter().map(|&number| number as u8));
    } else {
        out.reserve(2 * numbers.len());
        numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
    }
}

/// Only the words that rows use are written: after a slice or a merge the dictionary may hold others.
fn put_words(out: &mut Vec<u8>, column: &DictionaryArray<UInt16Type>) -> Result<u8, RecordError> {
    let Some(words) = column.values().as_string_opt::<i32>() else { return wrong("words are not text") };
    let mut numbers: Vec<Option<u16>> = vec![None; words.len()];
    let mut used = Vec::new();
    let rows: Vec<u16> = column
        .keys()
        .iter()
        .map(|key| {
            // A null row has the first word's number; there is one, for not all rows are null.
            let Some(key) = key.map(usize::from) else { return 0 };
            *numbers[key].get_or_insert_with(|| {
                used.push(words.value(key));
                (used.len() - 1) as u16
            })
        })
        .collect();
    if let &[word] = used.as_slice() {
        put_varint(out, word.len() as u64);
        out.extend_from_slice(word.as_bytes());
        return Ok(ONE_VALUE);
    }
    put_plain_words(out, &used);
    put_numbers_of(out, &rows, used.len());
    Ok(PLAIN)
}

#[cfg(test)]
mod tests;
