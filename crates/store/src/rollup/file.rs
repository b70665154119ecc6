//! The file of a rollup: Parquet, one row group for each part, all of one schema.
//!
//! What the columns mean is told in `docs/src/reference/rollups.md`.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, FixedSizeBinaryBuilder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder, UInt8Builder, UInt16Builder, UInt64Builder,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{
    DataType, Field as Column, Int32Type, Schema, SchemaRef, TimeUnit, UInt8Type, UInt16Type, UInt64Type,
};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::ByCode;
use super::build::{Contents, Field};
use super::cells::{Cell, Cells, Group, TENANTS_MAX};
use super::distinct::Sketch;
use super::latency::Latencies;
use super::lists::{About, EMPTY, List, Lists};
use crate::hash::Counts;

/// Version of the schema and of what the parts hold.
pub(super) const VERSION: u32 = 1;
const KEY_VERSION: &str = "nameward.rollup_version";
const KEY_SEGMENT: &str = "nameward.segment";
/// Most rows of a part that we read: a million minutes of a few groups, or a day of many.
const PART_ROWS_MAX: i64 = 16 << 20;

/// The parts, each the row group of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Hours,
    Minutes,
    Latencies,
    Domains,
    RegDomains,
    Clients,
    Qtypes,
    Distinct,
}

impl Part {
    const ALL: [Part; 8] = [
        Part::Hours,
        Part::Minutes,
        Part::Latencies,
        Part::Domains,
        Part::RegDomains,
        Part::Clients,
        Part::Qtypes,
        Part::Distinct,
    ];

    fn name(self) -> &'static str {
        match self {
            Part::Hours => "hour",
            Part::Minutes => "minute",
            Part::Latencies => "latency",
            Part::Domains => "domain",
            Part::RegDomains => "reg_domain",
            Part::Clients => "client",
            Part::Qtypes => "qtype",
            Part::Distinct => "distinct",
        }
    }
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let needed = |name: &str, data: DataType| Column::new(name, data, false);
    let maybe = |name: &str, data: DataType| Column::new(name, data, true);
    Arc::new(Schema::new(vec![
        needed("part", DataType::Utf8),
        maybe("start", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        maybe("about", DataType::Utf8),
        maybe("tenant", DataType::Utf8),
        maybe("code", DataType::UInt16),
        maybe("action", DataType::UInt8),
        maybe("outcome", DataType::UInt8),
        maybe("cache", DataType::UInt8),
        maybe("domain", DataType::Utf8),
        maybe("client", DataType::FixedSizeBinary(16)),
        maybe("qtype", DataType::UInt16),
        needed("events", DataType::UInt64),
        maybe("left_out", DataType::UInt64),
        maybe("sketch", DataType::Binary),
    ]))
});

/// The same as it is read: a tenant is the place of its word, so that rows are not compared by text.
static READ_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let words = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let fields = SCHEMA.fields().iter().map(|field| match field.name().as_str() {
        "tenant" => Arc::new(field.as_ref().clone().with_data_type(words.clone())),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// One row; what a part does not use is empty.
#[derive(Clone, Copy, Default)]
struct Line<'a> {
    start: Option<i64>,
    about: Option<&'static str>,
    tenant: Option<&'a str>,
    code: Option<u16>,
    action: Option<u8>,
    outcome: Option<u8>,
    cache: Option<u8>,
    domain: Option<&'a str>,
    client: Option<&'a [u8; 16]>,
    qtype: Option<u16>,
    events: u64,
    left_out: Option<u64>,
    sketch: Option<&'a [u8]>,
}

fn batch<'a>(part: Part, lines: impl Iterator<Item = Line<'a>>) -> RecordBatch {
    let mut parts = StringBuilder::new();
    let mut start = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    let (mut about, mut tenant, mut domain) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut code, mut qtype) = (UInt16Builder::new(), UInt16Builder::new());
    let (mut action, mut outcome, mut cache) = (UInt8Builder::new(), UInt8Builder::new(), UInt8Builder::new());
    let mut client = FixedSizeBinaryBuilder::new(16);
    let (mut events, mut left_out) = (UInt64Builder::new(), UInt64Builder::new());
    let mut sketch = BinaryBuilder::new();
    for line in lines {
        parts.append_value(part.name());
        start.append_option(line.start);
        about.append_option(line.about);
        tenant.append_option(line.tenant);
        code.append_option(line.code);
        action.append_option(line.action);
        outcome.append_option(line.outcome);
        cache.append_option(line.cache);
        domain.append_option(line.domain);
        match line.client {
            // Fails only on a wrong length, which the array type rules out.
            Some(address) => drop(client.append_value(address)),
            None => client.append_null(),
        }
        qtype.append_option(line.qtype);
        events.append_value(line.events);
        left_out.append_option(line.left_out);
        sketch.append_option(line.sketch);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(parts.finish()),
        Arc::new(start.finish()),
        Arc::new(about.finish()),
        Arc::new(tenant.finish()),
        Arc::new(code.finish()),
        Arc::new(action.finish()),
        Arc::new(outcome.finish()),
        Arc::new(cache.finish()),
        Arc::new(domain.finish()),
        Arc::new(client.finish()),
        Arc::new(qtype.finish()),
        Arc::new(events.finish()),
        Arc::new(left_out.finish()),
        Arc::new(sketch.finish()),
    ];
    #[expect(clippy::expect_used, reason = "columns above are the schema's, in order, all of one length")]
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns).expect("columns fit the schema")
}

/// The octets of the file for the segment of this name.
pub(super) fn encode(contents: &Contents<'_>, segment: &str) -> parquet::errors::Result<Vec<u8>> {
    let key = |key: &str, value: String| KeyValue { key: key.to_owned(), value: Some(value) };
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_max_row_group_row_count(None)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("nameward".to_owned())
        .set_key_value_metadata(Some(vec![
            key(KEY_VERSION, VERSION.to_string()),
            key(KEY_SEGMENT, segment.to_owned()),
        ]));
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&SCHEMA), Some(properties.build()))?;
    for part in Part::ALL {
        writer.write(&lines(part, contents))?;
        // Ends the row group.
        writer.flush()?;
    }
    writer.into_inner()
}

fn lines(part: Part, contents: &Contents<'_>) -> RecordBatch {
    let cells = |cells: &[(i64, u32, u32)]| {
        batch(
            part,
            cells.iter().map(|(start, group, events)| {
                let group = contents.groups[*group as usize];
                let tenant = (group.tenant as usize).checked_sub(1).map(|at| contents.tenants[at]);
                Line {
                    start: Some(*start),
                    tenant,
                    code: group.code,
                    action: Some(group.action),
                    outcome: Some(group.outcome),
                    cache: Some(group.cache),
                    events: (*events).into(),
                    ..Line::default()
                }
            }),
        )
    };
    match part {
        Part::Hours => cells(&contents.hours),
        Part::Minutes => cells(&contents.minutes),
        Part::Latencies => batch(
            part,
            contents.latencies.iter().map(|(start, code, packed, events)| Line {
                start: Some(*start),
                code: *code,
                events: (*events).into(),
                sketch: Some(packed),
                ..Line::default()
            }),
        ),
        Part::Domains => listed(part, &contents.domains, |domain, line| Line { domain: *domain, ..line }),
        Part::RegDomains => listed(part, &contents.reg_domains, |domain, line| Line { domain: *domain, ..line }),
        Part::Clients => listed(part, &contents.clients, |client, line| Line { client: Some(client), ..line }),
        Part::Qtypes => listed(part, &contents.qtypes, |qtype, line| Line { qtype: Some(*qtype), ..line }),
        Part::Distinct => {
            let sketches = [
                (Part::Domains, &contents.domains.distinct),
                (Part::RegDomains, &contents.reg_domains.distinct),
                (Part::Clients, &contents.clients.distinct),
            ];
            let packed = sketches.map(|(field, distinct)| (field.name(), distinct.pack()));
            let events = contents.hours.iter().map(|(.., events)| u64::from(*events)).sum();
            batch(
                part,
                packed.iter().map(|(field, sketch)| Line {
                    about: Some(field),
                    events,
                    sketch: Some(sketch),
                    ..Line::default()
                }),
            )
        }
    }
}

fn listed<V>(part: Part, field: &Field<V>, with: impl for<'a> Fn(&'a V, Line<'a>) -> Line<'a>) -> RecordBatch {
    let lines = field.lists.iter().flat_map(|list| {
        let mut line = Line { left_out: Some(list.left_out.into()), ..Line::default() };
        (line.about, line.code, line.action) = match list.about {
            About::All => (Some("all"), None, None),
            About::Code(code) => (Some("code"), code, None),
            About::Action(action) => (Some("action"), None, Some(action)),
        };
        let with = &with;
        list.values.iter().map(move |(value, events)| with(value, Line { events: (*events).into(), ..line }))
    });
    batch(part, lines)
}

/// Some columns of one part.
fn read(bytes: Bytes, part: Part, columns: &[&str]) -> Result<RecordBatch, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let metadata = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
    let metadata = metadata.parse_and_finish(&bytes).map_err(|error| text(&error))?;
    let mut pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let said = pairs.find(|pair| pair.key == KEY_VERSION).and_then(|pair| pair.value.as_deref());
    if said.and_then(|said| said.parse().ok()) != Some(VERSION) || metadata.num_row_groups() != Part::ALL.len() {
        return Err("it does not say that it is a rollup of a version we know".to_owned());
    }
    let rows = metadata.row_groups()[part as usize].num_rows();
    if rows > PART_ROWS_MAX {
        return Err("it has too many rows".to_owned());
    }
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&READ_SCHEMA));
    let loaded = ArrowReaderMetadata::try_new(Arc::new(metadata), options).map_err(|error| text(&error))?;
    let mask = ProjectionMask::columns(loaded.parquet_schema(), columns.iter().copied());
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, loaded)
        .with_row_groups(vec![part as usize])
        .with_projection(mask)
        .with_batch_size(usize::try_from(rows).unwrap_or(0).max(1));
    let reader = builder.build().map_err(|error| text(&error))?;
    let batches = reader.collect::<Result<Vec<RecordBatch>, _>>().map_err(|error| text(&error))?;
    let schema = batches.first().ok_or("a part is empty")?.schema();
    concat_batches(&schema, &batches).map_err(|error| text(&error))
}

/// The column of a batch that was read by our schema.
fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    batch.column_by_name(name).ok_or_else(|| format!("column {name} is missing"))
}

fn events(batch: &RecordBatch) -> Result<Vec<u32>, String> {
    let events = column(batch, "events")?.as_primitive::<UInt64Type>();
    events.values().iter().map(|events| u32::try_from(*events).map_err(|_| "a count is too large".to_owned())).collect()
}

/// Counts by hour or minute.
pub(super) fn cells(bytes: Bytes, part: Part) -> Result<Cells, String> {
    let wanted = ["start", "tenant", "code", "action", "outcome", "cache", "events"];
    let batch = read(bytes, part, &wanted)?;
    let start = column(&batch, "start")?.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
    let tenant = column(&batch, "tenant")?.as_dictionary::<Int32Type>();
    let code = column(&batch, "code")?.as_primitive::<UInt16Type>();
    let byte = |name: &str| Ok::<_, String>(column(&batch, name)?.as_primitive::<UInt8Type>());
    let (action, outcome, cache) = (byte("action")?, byte("outcome")?, byte("cache")?);
    let mut cells = Cells { cells: Vec::with_capacity(batch.num_rows()), ..Cells::default() };
    // Of each word of the dictionary; one that is in it twice is one tenant.
    let words = tenant.values().as_string_opt::<i32>().ok_or("tenants are no words")?;
    let mut known: Counts<&str> = Counts::default();
    let tenants: Vec<u32> = (0..words.len())
        .map(|word| {
            if words.is_null(word) {
                return 0;
            }
            let next = cells.tenants.len() as u32 + 1;
            let place = *known.entry(words.value(word)).or_insert(next);
            if place == next {
                cells.tenants.push(words.value(word).into());
            }
            place
        })
        .collect();
    if cells.tenants.len() > TENANTS_MAX {
        return Err("it has too many tenants".to_owned());
    }
    let mut groups: Counts<u64> = Counts::default();
    for (row, events) in events(&batch)?.into_iter().enumerate() {
        let of = tenant.key(row).and_then(|word| tenants.get(word)).copied().unwrap_or(0);
        let code = code.is_valid(row).then(|| code.value(row));
        let group =
            Group { tenant: of, code, action: action.value(row), outcome: outcome.value(row), cache: cache.value(row) };
        let next = cells.groups.len() as u32;
        let place = *groups.entry(group.packed()).or_insert(next);
        if place == next {
            cells.groups.push(group);
        }
        cells.cells.push(Cell { group: place, events });
        let (at, end) = (start.value(row), cells.cells.len() as u32);
        match cells.stretches.last_mut() {
            Some((last, last_end)) if *last == at => *last_end = end,
            _ => cells.stretches.push((at, end)),
        }
    }
    cells.groups.shrink_to_fit();
    Ok(cells)
}

/// Latencies by code.
pub(super) fn latencies(bytes: Bytes) -> Result<ByCode, String> {
    let batch = read(bytes, Part::Latencies, &["code", "sketch"])?;
    let code = column(&batch, "code")?.as_primitive::<UInt16Type>();
    let sketch = column(&batch, "sketch")?.as_binary::<i32>();
    let mut all = ByCode::new();
    for row in 0..batch.num_rows() {
        let code = code.is_valid(row).then(|| code.value(row));
        let at = all.iter().position(|(known, _)| *known == code).unwrap_or_else(|| {
            all.push((code, Latencies::default()));
            all.len() - 1
        });
        all[at].1.merge_packed(sketch.value(row)).ok_or("latencies cannot be read")?;
    }
    Ok(all)
}

/// The lists of a field.
pub(super) fn lists(bytes: Bytes, part: Part) -> Result<Lists, String> {
    let value = match part {
        Part::Clients => "client",
        Part::Qtypes => "qtype",
        _ => "domain",
    };
    let batch = read(bytes, part, &["about", "code", "action", value, "events", "left_out"])?;
    let about = column(&batch, "about")?.as_string::<i32>();
    let code = column(&batch, "code")?.as_primitive::<UInt16Type>();
    let action = column(&batch, "action")?.as_primitive::<UInt8Type>();
    let left_out = column(&batch, "left_out")?.as_primitive::<UInt64Type>();
    let values = column(&batch, value)?;
    let mut places: Counts<Vec<u8>> = Counts::default();
    let mut lists = Lists::default();
    for (row, events) in events(&batch)?.into_iter().enumerate() {
        let about = match about.value(row) {
            "all" => About::All,
            "code" => About::Code(code.is_valid(row).then(|| code.value(row))),
            "action" => About::Action(action.value(row)),
            _ => return Err("a list is about something not known".to_owned()),
        };
        let octets = match part {
            _ if values.is_null(row) => None,
            Part::Clients => Some(values.as_fixed_size_binary().value(row).to_vec()),
            Part::Qtypes => Some(values.as_primitive::<UInt16Type>().value(row).to_be_bytes().to_vec()),
            _ => Some(values.as_string::<i32>().value(row).as_bytes().to_vec()),
        };
        let place = octets.map_or(EMPTY, |octets| {
            let next = lists.ends.len() as u32;
            *places.entry(octets).or_insert_with_key(|octets| {
                lists.octets.extend_from_slice(octets);
                lists.ends.push(lists.octets.len() as u32);
                next
            })
        });
        lists.entries.push((place, events));
        let end = lists.entries.len() as u32;
        match lists.lists.last_mut() {
            Some(last) if last.about == about => last.end = end,
            _ => lists.lists.push(List { about, left_out: left_out.value(row), end }),
        }
    }
    lists.octets.shrink_to_fit();
    Ok(lists)
}

/// The sketches of names, registered domains and clients.
pub(super) fn sketches(bytes: Bytes) -> Result<[Sketch; 3], String> {
    let batch = read(bytes, Part::Distinct, &["sketch"])?;
    let packed = column(&batch, "sketch")?.as_binary::<i32>();
    let unpacked = packed.iter().map(|packed| Sketch::unpack(packed?)).collect::<Option<Vec<Sketch>>>();
    unpacked.and_then(|sketches| sketches.try_into().ok()).ok_or_else(|| "a sketch cannot be read".to_owned())
}
