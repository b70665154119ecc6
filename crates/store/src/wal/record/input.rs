//! The columns of a record, read. Whatever it says is checked against what is left of it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DictionaryArray, FixedSizeBinaryArray, ListArray, PrimitiveArray, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::{Held, LIST_ITEMS_MAX, ONE_VALUE, PLAIN, RECORD_BYTES_MAX, RecordError, WORDS, failed, wrong};
use crate::varint::take_varint;

/// What is left to decode.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    held: Held,
}

/// How the values of a column lie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Plain,
    OneValue,
    Words,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8], held: Held) -> Input<'a> {
        Input { bytes, held }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

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

    pub(super) fn count(&mut self, max: usize) -> Result<usize, RecordError> {
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

    pub(super) fn column(&mut self, data: &DataType, rows: usize) -> Result<ArrayRef, RecordError> {
        let tag = self.take(1)?[0];
        let shape = match (self.held, tag & 0xf0) {
            (_, PLAIN) => Shape::Plain,
            (Held::Needed, ONE_VALUE) => Shape::OneValue,
            (Held::Needed, WORDS) => Shape::Words,
            _ => return wrong("a column's tag is not known"),
        };
        let nulls = match tag & 0xf {
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
            DataType::UInt8 => Arc::new(primitive::<UInt8Type>(self.values(rows, shape, u8::from_le_bytes)?, nulls)?),
            DataType::UInt16 => {
                Arc::new(primitive::<UInt16Type>(self.values(rows, shape, u16::from_le_bytes)?, nulls)?)
            }
            DataType::UInt32 => {
                Arc::new(primitive::<UInt32Type>(self.values(rows, shape, u32::from_le_bytes)?, nulls)?)
            }
            DataType::FixedSizeBinary(size) => {
                let size_octets = usize::try_from(*size).map_err(failed)?;
                let bytes = self.addresses(rows, size_octets, shape)?;
                Arc::new(FixedSizeBinaryArray::try_new(*size, bytes, nulls).map_err(failed)?)
            }
            DataType::Utf8 if shape == Shape::Words => Arc::new(self.texts(rows, nulls)?),
            DataType::Utf8 => Arc::new(self.text(rows, nulls)?),
            DataType::Dictionary(..) => Arc::new(self.words(rows, shape, nulls)?),
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

    /// Numbers of all rows, which may be written once.
    fn values<T: Copy, const N: usize>(
        &mut self,
        rows: usize,
        shape: Shape,
        number: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, RecordError> {
        match shape {
            Shape::OneValue => Ok(self.numbers(1, number)?.repeat(rows)),
            Shape::Plain | Shape::Words => self.numbers(rows, number),
        }
    }

    fn addresses(&mut self, rows: usize, size: usize, shape: Shape) -> Result<Buffer, RecordError> {
        let octets = |count: usize| count.checked_mul(size).ok_or(RecordError::TooLarge);
        if shape != Shape::Words {
            return Ok(Buffer::from(self.take(octets(rows)?)?));
        }
        let count = self.count(rows)?;
        let words = self.take(octets(count)?)?;
        let mut all = Vec::with_capacity(octets(rows)?);
        for number in self.numbers_of(rows, count)? {
            let from = usize::from(number) * size;
            all.extend_from_slice(words.get(from..from + size).ok_or_else(no_word)?);
        }
        Ok(all.into())
    }

    /// Texts with a dictionary, each row its own. Together they are not longer than a record may be.
    fn texts(&mut self, rows: usize, nulls: Option<NullBuffer>) -> Result<StringArray, RecordError> {
        let count = self.count(rows)?;
        let words = self.text(count, None)?;
        let numbers = self.numbers_of(rows, count)?;
        let mut octets = Vec::new();
        let mut lengths = Vec::with_capacity(rows);
        for number in numbers {
            let number = usize::from(number);
            let word = if number < words.len() { words.value(number) } else { return Err(no_word()) };
            lengths.push(word.len());
            octets.extend_from_slice(word.as_bytes());
            if octets.len() > RECORD_BYTES_MAX {
                return Err(RecordError::TooLarge);
            }
        }
        StringArray::try_new(OffsetBuffer::from_lengths(lengths), octets.into(), nulls).map_err(failed)
    }

    /// Numbers of so many words.
    fn numbers_of(&mut self, rows: usize, words: usize) -> Result<Vec<u16>, RecordError> {
        if words <= 256 {
            Ok(self.take(rows)?.iter().map(|&number| u16::from(number)).collect())
        } else {
            self.numbers(rows, u16::from_le_bytes)
        }
    }

    fn text(&mut self, count: usize, nulls: Option<NullBuffer>) -> Result<StringArray, RecordError> {
        let (lengths, sum) = self.lengths(count, self.bytes.len())?;
        let bytes = Buffer::from(self.take(sum)?);
        StringArray::try_new(OffsetBuffer::from_lengths(lengths), bytes, nulls).map_err(failed)
    }

    fn words(
        &mut self,
        rows: usize,
        shape: Shape,
        nulls: Option<NullBuffer>,
    ) -> Result<DictionaryArray<UInt16Type>, RecordError> {
        let (words, numbers) = if shape == Shape::OneValue {
            (self.text(1, None)?, vec![0; rows])
        } else {
            let count = self.count(usize::from(u16::MAX) + 1)?;
            (self.text(count, None)?, self.numbers_of(rows, count)?)
        };
        DictionaryArray::try_new(primitive::<UInt16Type>(numbers, nulls)?, Arc::new(words)).map_err(failed)
    }
}

fn no_word() -> RecordError {
    RecordError::Wrong("a row has a word that there is not".to_owned())
}

fn primitive<T: ArrowPrimitiveType>(
    values: Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> Result<PrimitiveArray<T>, RecordError> {
    PrimitiveArray::try_new(ScalarBuffer::from(values), nulls).map_err(failed)
}
