//! The payload of one WAL record: a batch of events column by column, without the schema, which is that of the file.
//!
//! ```text
//! payload:  0, plain  |  1, length of plain u32, plain as an LZ4 frame
//! plain:    rows varint, then each column of the schema in order
//! column:   tag u8: 0 all null, 1 none null, 2 bits of those that are not; then, unless all are null, the values of
//!           all rows, null or not:
//!   time, u64      difference from the row before (from 0), zigzag varint
//!   other numbers  little-endian
//!   addresses      16 bytes
//!   text           lengths as varints, then all bytes
//!   dictionary     count of words varint, the words as text, then a number u8 (u16 when over 256 words) for each row
//!   list           lengths as varints, then the items as a column
//! ```
//!
//! One event takes about as many bytes as its texts and 120 more. Decoding trusts nothing: every length is checked
//! against what is left.

use std::io::{Read, Write};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, FixedSizeBinaryArray, ListArray, PrimitiveArray, RecordBatch,
    RecordBatchOptions, StringArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, SchemaRef, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use lz4_flex::frame::{FrameDecoder, FrameEncoder};

use super::{RECORD_BYTES_MAX, RECORD_ROWS_MAX};
use crate::varint::{put_varint, take_varint};

/// Plain bytes from which a record is compressed: below, LZ4 finds little.
const COMPRESS_FROM_BYTES: usize = 512;
/// Most items of all lists of a column in one record.
const LIST_ITEMS_MAX: usize = 1 << 20;

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
    for column in batch.columns() {
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

/// The batch of a payload.
pub(crate) fn decode(payload: &[u8], schema: &SchemaRef) -> Result<RecordBatch, RecordError> {
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
    let mut input = Input { bytes: plain };
    let rows = input.count(RECORD_ROWS_MAX)?;
    let columns = schema.fields().iter().map(|field| input.column(field.data_type(), rows));
    let columns = columns.collect::<Result<Vec<ArrayRef>, RecordError>>()?;
    if !input.bytes.is_empty() {
        return wrong("it goes on after its last column");
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(failed)
}

fn put_column(out: &mut Vec<u8>, column: &ArrayRef) -> Result<(), RecordError> {
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
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            put_differences(out, column.as_primitive::<TimestampMicrosecondType>().values().iter().copied());
        }
        DataType::UInt64 => {
            put_differences(out, column.as_primitive::<UInt64Type>().values().iter().map(|&value| value as i64));
        }
        DataType::UInt8 => out.extend_from_slice(column.as_primitive::<UInt8Type>().values()),
        DataType::UInt16 => put_numbers(out, column.as_primitive::<UInt16Type>().values(), u16::to_le_bytes),
        DataType::UInt32 => put_numbers(out, column.as_primitive::<UInt32Type>().values(), u32::to_le_bytes),
        DataType::FixedSizeBinary(_) => {
            let values = column.as_fixed_size_binary();
            (0..values.len()).for_each(|at| out.extend_from_slice(values.value(at)));
        }
        DataType::Utf8 => put_text(out, column.as_string()),
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
        }
        other => return wrong(format!("a column of type {other} has no form")),
    }
    Ok(())
}

fn put_differences(out: &mut Vec<u8>, values: impl Iterator<Item = i64>) {
    let mut before = 0_i64;
    for value in values {
        let difference = value.wrapping_sub(before);
        put_varint(out, ((difference << 1) ^ (difference >> 63)) as u64);
        before = value;
    }
}

fn put_numbers<T: Copy, const N: usize>(out: &mut Vec<u8>, values: &[T], bytes: impl Fn(T) -> [u8; N]) {
    values.iter().for_each(|&value| out.extend_from_slice(&bytes(value)));
}

fn put_text(out: &mut Vec<u8>, values: &StringArray) {
    let offsets = values.value_offsets();
    offsets.windows(2).for_each(|pair| put_varint(out, (pair[1] - pair[0]) as u64));
    out.extend_from_slice(&values.value_data()[offsets[0] as usize..offsets[offsets.len() - 1] as usize]);
}

/// Only the words that rows use are written: after a slice or a merge the dictionary may hold others.
fn put_words(out: &mut Vec<u8>, column: &DictionaryArray<UInt16Type>) -> Result<(), RecordError> {
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
    put_varint(out, used.len() as u64);
    used.iter().for_each(|word| put_varint(out, word.len() as u64));
    used.iter().for_each(|word| out.extend_from_slice(word.as_bytes()));
    if used.len() <= 256 {
        out.extend(rows.iter().map(|&row| row as u8));
    } else {
        put_numbers(out, &rows, u16::to_le_bytes);
    }
    Ok(())
}

/// What is left to decode.
struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        match self.bytes.split_at_checked(length) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => wrong("it ends within a column"),
        }
    }

    fn varint(&mut self) -> Result<u64, RecordError> {
        take_varint(&mut self.bytes).map_or_else(|| wrong("a number does not end"), Ok)
    }

    fn count(&mut self, max: usize) -> Result<usize, RecordError> {
        let count = self.varint()?;
        usize::try_from(count).ok().filter(|&count| count <= max).ok_or(RecordError::TooLarge)
    }

    /// Lengths whose sum is within a limit.
    fn lengths(&mut self, count: usize, sum_max: usize) -> Result<(Vec<usize>, usize), RecordError> {
        let (mut lengths, mut sum) = (Vec::with_capacity(count), 0);
        for _ in 0..count {
            let length = self.count(sum_max - sum)?;
            sum += length;
            lengths.push(length);
        }
        Ok((lengths, sum))
    }

    fn column(&mut self, data: &DataType, rows: usize) -> Result<ArrayRef, RecordError> {
        let nulls = match self.take(1)?[0] {
            0 => return Ok(arrow::array::new_null_array(data, rows)),
            1 => None,
            2 => {
                let bits = Buffer::from(self.take(rows.div_ceil(8))?);
                Some(NullBuffer::new(BooleanBuffer::new(bits, 0, rows)))
            }
            _ => return wrong("a column's tag is not known"),
        };
        Ok(match data {
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let array = primitive::<TimestampMicrosecondType>(self.differences(rows)?, nulls)?;
                Arc::new(array.with_timezone_opt(zone.clone()))
            }
            DataType::UInt64 => {
                let values = self.differences(rows)?.into_iter().map(|value| value as u64).collect();
                Arc::new(primitive::<UInt64Type>(values, nulls)?)
            }
            DataType::UInt8 => Arc::new(primitive::<UInt8Type>(self.take(rows)?.to_vec(), nulls)?),
            DataType::UInt16 => Arc::new(primitive::<UInt16Type>(self.numbers(rows, u16::from_le_bytes)?, nulls)?),
            DataType::UInt32 => Arc::new(primitive::<UInt32Type>(self.numbers(rows, u32::from_le_bytes)?, nulls)?),
            DataType::FixedSizeBinary(size) => {
                let length = usize::try_from(*size).ok().and_then(|size| rows.checked_mul(size));
                let bytes = Buffer::from(self.take(length.ok_or(RecordError::TooLarge)?)?);
                Arc::new(FixedSizeBinaryArray::try_new(*size, bytes, nulls).map_err(failed)?)
            }
            DataType::Utf8 => Arc::new(self.text(rows, nulls)?),
            DataType::Dictionary(..) => Arc::new(self.words(rows, nulls)?),
            DataType::List(field) => {
                let (lengths, sum) = self.lengths(rows, LIST_ITEMS_MAX)?;
                let items = self.column(field.data_type(), sum)?;
                let offsets = OffsetBuffer::from_lengths(lengths);
                Arc::new(ListArray::try_new(Arc::clone(field), offsets, items, nulls).map_err(failed)?)
            }
            other => return wrong(format!("a column of type {other} has no form")),
        })
    }

    fn differences(&mut self, rows: usize) -> Result<Vec<i64>, RecordError> {
        let mut before = 0_i64;
        let mut values = Vec::with_capacity(rows);
        for _ in 0..rows {
            let zigzag = self.varint()?;
            before = before.wrapping_add((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
            values.push(before);
        }
        Ok(values)
    }

    fn numbers<T, const N: usize>(
        &mut self,
        rows: usize,
        number: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, RecordError> {
        let (chunks, _) = self.take(rows.saturating_mul(N))?.as_chunks::<N>();
        Ok(chunks.iter().map(|&bytes| number(bytes)).collect())
    }

    fn text(&mut self, count: usize, nulls: Option<NullBuffer>) -> Result<StringArray, RecordError> {
        let (lengths, sum) = self.lengths(count, self.bytes.len())?;
        let bytes = Buffer::from(self.take(sum)?);
        StringArray::try_new(OffsetBuffer::from_lengths(lengths), bytes, nulls).map_err(failed)
    }

    fn words(&mut self, rows: usize, nulls: Option<NullBuffer>) -> Result<DictionaryArray<UInt16Type>, RecordError> {
        let count = self.count(usize::from(u16::MAX) + 1)?;
        let words = self.text(count, None)?;
        let numbers = if count <= 256 {
            self.take(rows)?.iter().map(|&number| u16::from(number)).collect()
        } else {
            self.numbers(rows, u16::from_le_bytes)?
        };
        DictionaryArray::try_new(primitive::<UInt16Type>(numbers, nulls)?, Arc::new(words)).map_err(failed)
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> Result<PrimitiveArray<T>, RecordError> {
    PrimitiveArray::try_new(ScalarBuffer::from(values), nulls).map_err(failed)
}

#[cfg(test)]
mod tests;
