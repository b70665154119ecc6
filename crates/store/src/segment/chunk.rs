//! A column of a segment as Parquet has it: a page with the different values, then pages with the numbers of the rows' values.
//!
//! ```text
//! chunk:  head | values, plain, zstd      dictionary page
//!         head | page, zstd …             data pages (version 1), of so many rows each
//! page:   levels: length u32, hybrid      0 without a value, 1 with; only in columns that may have none
//!         width u8 | numbers: hybrid
//! ```
//!
//! Knows nothing of events.

use std::io;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::hybrid;
use crate::numbered::EMPTY;

/// Longest value by which a chunk says what it spans.
const SPAN_OCTETS_MAX: usize = 64;

/// The different values of a column.
#[derive(Clone, Copy)]
pub(super) enum Values<'a> {
    Numbers(&'a [u32]),
    Addresses(&'a [[u8; 16]]),
    Texts(&'a [&'a str]),
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Values::Numbers(values) => values.len(),
            Values::Addresses(values) => values.len(),
            Values::Texts(values) => values.len(),
        }
    }

    /// Octets of all, as they are written.
    pub(super) fn octets(&self) -> usize {
        match self {
            Values::Numbers(values) => values.len() * 4,
            Values::Addresses(values) => values.len() * 16,
            Values::Texts(values) => values.iter().map(|text| text.len() + 4).sum(),
        }
    }

    fn put_plain(&self, out: &mut Vec<u8>) {
        match self {
            Values::Numbers(values) => values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes())),
            Values::Addresses(values) => out.extend_from_slice(values.as_flattened()),
            Values::Texts(values) => values.iter().for_each(|text| {
                out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }),
        }
    }

    /// One value as spans are written.
    fn span(&self, place: u32) -> Vec<u8> {
        match self {
            Values::Numbers(values) => values[place as usize].to_le_bytes().to_vec(),
            Values::Addresses(values) => values[place as usize].to_vec(),
            Values::Texts(values) => values[place as usize].as_bytes().to_vec(),
        }
    }

    /// The places of all values, in the order of the values.
    fn sorted(&self) -> Vec<u32> {
        let mut places: Vec<u32> = (0..self.len() as u32).collect();
        match self {
            Values::Numbers(values) => places.sort_unstable_by_key(|place| values[*place as usize]),
            Values::Addresses(values) => places.sort_unstable_by_key(|place| values[*place as usize]),
            Values::Texts(values) => places.sort_unstable_by_key(|place| values[*place as usize]),
        }
        places
    }

    fn ends(&self) -> Option<(u32, u32)> {
        fn ends<T: Ord>(values: &[T]) -> Option<(u32, u32)> {
            let places = || 0..values.len() as u32;
            let least = places().min_by_key(|place| &values[*place as usize])?;
            Some((least, places().max_by_key(|place| &values[*place as usize])?))
        }
        match self {
            Values::Numbers(values) => ends(values),
            Values::Addresses(values) => ends(values),
            Values::Texts(values) => ends(values),
        }
    }

    fn statistics(&self, nulls: u64) -> Statistics {
        let ends = self.ends().map(|(least, most)| (self.span(least), self.span(most)));
        let (least, most) = match ends {
            Some((least, most)) if least.len().max(most.len()) <= SPAN_OCTETS_MAX => (Some(least), Some(most)),
            _ => (None, None),
        };
        let number = |octets: Vec<u8>| octets.try_into().map(i32::from_le_bytes).unwrap_or_default();
        let nulls = Some(nulls);
        match self {
            Values::Numbers(_) => Statistics::int32(least.map(number), most.map(number), None, nulls, false),
            Values::Addresses(_) => {
                let fixed = |octets: Vec<u8>| FixedLenByteArray::from(octets);
                Statistics::fixed_len_byte_array(least.map(fixed), most.map(fixed), None, nulls, false)
            }
            Values::Texts(_) => {
                Statistics::byte_array(least.map(ByteArray::from), most.map(ByteArray::from), None, nulls, false)
            }
        }
    }
}

/// What a chunk says of what it spans.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spans {
    Nothing,
    /// All of it.
    Chunk,
    /// All of it, and each page.
    Pages,
}

/// The rows of a column, packed: what two columns with the same numbers share.
pub(super) struct Packed {
    pages: Vec<PackedPage>,
    nulls: u64,
    rows: u64,
}

struct PackedPage {
    octets: Bytes,
    plain_octets: usize,
    rows: usize,
    nulls: usize,
}

/// Makes chunks.
pub(super) struct Chunks<'a> {
    compressor: Compressor<'static>,
    level: i32,
    page_rows: usize,
    /// The place of each row among the numbers, in the order they are written in; `None` when that is theirs.
    order: Option<&'a [u32]>,
    plain: Vec<u8>,
    numbers: Vec<u32>,
    levels: Vec<u32>,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(level: i32, page_rows: usize, order: Option<&'a [u32]>) -> io::Result<Chunks<'a>> {
        let compressor = Compressor::new(level)?;
        let (plain, numbers, levels) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Chunks { compressor, level, page_rows, order, plain, numbers, levels })
    }

    /// Packs the numbers of all rows.
    pub(super) fn pack(&mut self, rows: &[u32], may_be_empty: bool) -> io::Result<Packed> {
        let mut packed = Packed { pages: Vec::new(), nulls: 0, rows: rows.len() as u64 };
        for from in (0..rows.len()).step_by(self.page_rows) {
            let to = (from + self.page_rows).min(rows.len());
            self.numbers.clear();
            match self.order {
                Some(order) => self.numbers.extend(order[from..to].iter().map(|at| rows[*at as usize])),
                None => self.numbers.extend_from_slice(&rows[from..to]),
            }
            self.plain.clear();
            let mut nulls = 0;
            if may_be_empty {
                nulls = self.numbers.iter().filter(|number| **number == EMPTY).count();
                self.put_levels(nulls);
            }
            let width = hybrid::width_of(self.numbers.iter().copied().max().unwrap_or(0));
            self.plain.push(width as u8);
            hybrid::put(&mut self.plain, &self.numbers, width);
            let octets = self.compressor.compress(&self.plain)?.into();
            packed.nulls += nulls as u64;
            packed.pages.push(PackedPage { octets, plain_octets: self.plain.len(), rows: to - from, nulls });
        }
        Ok(packed)
    }

    /// Writes which rows have a value, and leaves the others out.
    fn put_levels(&mut self, nulls: usize) {
        self.levels.clear();
        self.levels.extend(self.numbers.iter().map(|number| u32::from(*number != EMPTY)));
        self.plain.extend_from_slice(&[0; 4]);
        hybrid::put(&mut self.plain, &self.levels, 1);
        let length = (self.plain.len() - 4) as u32;
        self.plain[..4].copy_from_slice(&length.to_le_bytes());
        if nulls > 0 {
            self.numbers.retain(|number| *number != EMPTY);
        }
    }

    /// The octets of a chunk, and what the footer says of it. The rows are those that were packed.
    pub(super) fn chunk(
        &mut self,
        column: ColumnDescPtr,
        values: Values<'_>,
        rows: &[u32],
        packed: &Packed,
        spans: Spans,
    ) -> parquet::errors::Result<(Bytes, ColumnCloseResult)> {
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        self.plain.clear();
        values.put_plain(&mut self.plain);
        let buf = self.compressor.compress(&self.plain)?.into();
        let dictionary =
            Page::DictionaryPage { buf, num_values: values.len() as u32, encoding: Encoding::PLAIN, is_sorted: false };
        let written = pages.write_page(CompressedPage::new(dictionary, self.plain.len()))?;
        let (mut plain, mut compressed) = (written.uncompressed_size, written.compressed_size);
        let data_page_offset = compressed as i64;
        let mut places = OffsetIndexBuilder::new();
        for page in &packed.pages {
            let data = Page::DataPage {
                buf: page.octets.clone(),
                num_values: page.rows as u32,
                encoding: Encoding::RLE_DICTIONARY,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            };
            let written = pages.write_page(CompressedPage::new(data, page.plain_octets))?;
            plain += written.uncompressed_size;
            compressed += written.compressed_size;
            places.append_row_count(page.rows as i64);
            places.append_offset_and_size(written.offset as i64, written.compressed_size as i32);
        }
        let column_index = match spans {
            Spans::Pages => Some(self.page_spans(&column, values, rows, packed).build()?),
            Spans::Chunk | Spans::Nothing => None,
        };
        let mut metadata = ColumnChunkMetaData::builder(column)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(self.level)?))
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_num_values(packed.rows as i64)
            .set_total_compressed_size(compressed as i64)
            .set_total_uncompressed_size(plain as i64)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(data_page_offset);
        if spans != Spans::Nothing {
            metadata = metadata.set_statistics(values.statistics(packed.nulls));
        }
        let close = ColumnCloseResult {
            bytes_written: compressed as u64,
            rows_written: packed.rows,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index,
            offset_index: Some(places.build()),
        };
        Ok((sink.into_inner()?.into(), close))
    }

    fn page_spans(
        &self,
        column: &ColumnDescPtr,
        values: Values<'_>,
        rows: &[u32],
        packed: &Packed,
    ) -> ColumnIndexBuilder {
        let sorted = values.sorted();
        let mut ranks = vec![0; sorted.len()];
        (0_u32..).zip(&sorted).for_each(|(rank, place)| ranks[*place as usize] = rank);
        let mut spans = ColumnIndexBuilder::new(column.physical_type());
        let mut from = 0;
        for page in &packed.pages {
            let all = from..from + page.rows;
            from = all.end;
            let mut ends: Option<(u32, u32)> = None;
            let mut widen = |number: u32| {
                if number != EMPTY {
                    let rank = ranks[number as usize];
                    ends = Some(ends.map_or((rank, rank), |(least, most)| (least.min(rank), most.max(rank))));
                }
            };
            match self.order {
                Some(order) => order[all].iter().for_each(|at| widen(rows[*at as usize])),
                None => rows[all].iter().for_each(|number| widen(*number)),
            }
            let span = |rank: u32| values.span(sorted[rank as usize]);
            let (least, most) = ends.map(|(least, most)| (span(least), span(most))).unwrap_or_default();
            spans.append(ends.is_none(), least, most, page.nulls as i64);
        }
        spans
    }
}
