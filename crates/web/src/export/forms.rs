//! Events as files: CSV for spreadsheets, NDJSON for scripts, Parquet with the log's own columns.
//!
//! A writer takes batches and gives octets, never holding more than one batch, or one row group, of them.

use api::EventRow;
use event::Batch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::rows::event_row;

/// Events of one row group of an exported Parquet file; so many are in memory while it is written.
const GROUP_ROWS: usize = 65_536;

/// Form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Comma separated values (RFC 4180) with a heading.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// The log's columns.
    Parquet,
}

impl Form {
    /// Every form.
    pub(crate) const ALL: [Form; 3] = [Form::Csv, Form::Ndjson, Form::Parquet];

    /// As one asks for it, and the end of the file's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Form::Csv => "csv",
            Form::Ndjson => "ndjson",
            Form::Parquet => "parquet",
        }
    }

    /// The media type.
    pub(crate) fn media(self) -> &'static str {
        match self {
            Form::Csv => "text/csv; charset=utf-8; header=present",
            Form::Ndjson => "application/x-ndjson",
            Form::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// A writer of this form.
    pub(crate) fn writer(self) -> Result<FileWriter, String> {
        Ok(match self {
            Form::Csv => FileWriter::Csv { begun: false },
            Form::Ndjson => FileWriter::Ndjson,
            Form::Parquet => {
                let level = ZstdLevel::try_new(1).map_err(|error| error.to_string())?;
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(level))
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(Vec::new(), event::schema(), Some(properties));
                FileWriter::Parquet(Box::new(writer.map_err(|error| error.to_string())?))
            }
        })
    }
}

/// Writes one file, batch by batch.
pub(crate) enum FileWriter {
    /// Whether the heading was written.
    Csv {
        /// It was.
        begun: bool,
    },
    /// Needs no memory.
    Ndjson,
    /// Holds the row group at work.
    Parquet(Box<ArrowWriter<Vec<u8>>>),
}

impl FileWriter {
    /// What the file goes on with.
    pub(crate) fn write(&mut self, batch: &Batch) -> Result<Vec<u8>, String> {
        let rows = || event::rows(batch).map_err(|error| error.to_string());
        match self {
            FileWriter::Csv { begun } => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                if !std::mem::replace(begun, true) {
                    writer.write_record(CSV_COLUMNS).map_err(|error| error.to_string())?;
                }
                for row in rows()? {
                    writer.write_record(csv_cells(&event_row(&row))).map_err(|error| error.to_string())?;
                }
                writer.into_inner().map_err(|error| error.to_string())
            }
            FileWriter::Ndjson => {
                let mut text = Vec::new();
                for row in rows()? {
                    serde_json::to_writer(&mut text, &event_row(&row)).map_err(|error| error.to_string())?;
                    text.push(b'\n');
                }
                Ok(text)
            }
            FileWriter::Parquet(writer) => {
                writer.write(batch).map_err(|error| error.to_string())?;
                Ok(std::mem::take(writer.inner_mut()))
            }
        }
    }

    /// The end of the file.
    pub(crate) fn finish(self) -> Result<Vec<u8>, String> {
        match self {
            FileWriter::Csv { begun: false } => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(CSV_COLUMNS).map_err(|error| error.to_string())?;
                writer.into_inner().map_err(|error| error.to_string())
            }
            FileWriter::Csv { begun: true } | FileWriter::Ndjson => Ok(Vec::new()),
            FileWriter::Parquet(writer) => writer.into_inner().map_err(|error| error.to_string()),
        }
    }
}

/// The heading of a CSV file.
const CSV_COLUMNS: &[&str] = &[
    "time",
    "client",
    "client_port",
    "transport",
    "opcode",
    "domain",
    "reg_domain",
    "qtype",
    "qclass",
    "flags",
    "outcome",
    "code",
    "code_number",
    "rcode_header",
    "rcode",
    "tsig_error",
    "tkey_error",
    "ede",
    "answer",
    "answer_count",
    "ttl",
    "action",
    "list",
    "rule",
    "cache",
    "upstream",
    "upstream_latency_ms",
    "attempts",
    "key",
    "update",
    "repeats",
    "latency_ms",
    "query_size",
    "reply_size",
    "tenant",
    "node",
    "id",
];

fn csv_cells(row: &EventRow) -> Vec<String> {
    fn text(value: Option<&String>) -> String {
        value.map_or_else(String::new, |text| guarded(text))
    }
    fn figure(value: Option<impl ToString>) -> String {
        value.map_or_else(String::new, |figure| figure.to_string())
    }
    let ede = |ede: &api::EdeEntry| {
        if ede.text.is_empty() {
            format!("{} {}", ede.code, ede.name)
        } else {
            format!("{} {}: {}", ede.code, ede.name, ede.text)
        }
    };
    vec![
        row.time.clone(),
        row.client.clone(),
        row.client_port.to_string(),
        row.transport.clone(),
        row.opcode.clone(),
        text(row.domain.as_ref()),
        text(row.reg_domain.as_ref()),
        row.qtype.clone(),
        row.qclass.clone(),
        row.flags.join(" "),
        row.outcome.clone(),
        figure(row.code.as_ref()),
        figure(row.code_number),
        figure(row.rcode_header),
        figure(row.rcode),
        figure(row.tsig_error),
        figure(row.tkey_error),
        guarded(&row.ede.iter().map(ede).collect::<Vec<_>>().join("; ")),
        text(row.answer.as_ref()),
        row.answer_count.to_string(),
        figure(row.ttl),
        row.action.clone(),
        text(row.list.as_ref()),
        text(row.rule.as_ref()),
        row.cache.clone(),
        text(row.upstream.as_ref()),
        figure(row.upstream_latency_ms),
        row.attempts.to_string(),
        text(row.key.as_ref()),
        text(row.update.as_ref()),
        row.repeats.to_string(),
        row.latency_ms.to_string(),
        row.query_size.to_string(),
        row.reply_size.to_string(),
        text(row.tenant.as_ref()),
        text(row.node.as_ref()),
        row.id.clone(),
    ]
}

/// A text from strangers as a cell: a spreadsheet must not take it for a formula, and a line is one event.
///
/// Control characters are written `\u{1b}`; an apostrophe stands before what would begin a formula.
fn guarded(text: &str) -> String {
    let mut cell = String::with_capacity(text.len() + 1);
    if text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
        || text.starts_with(['\t', '\r', '\n'])
    {
        cell.push('\'');
    }
    for char in text.chars() {
        if char.is_control() { cell.extend(char.escape_unicode()) } else { cell.push(char) }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn no_cell_is_a_formula_or_breaks_a_line() {
        for (text, cell) in [
            ("www.example.com", "www.example.com"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1", "'  =1"),
            ("＝1", "'＝1"),
            ("\t=1", "'\\u{9}=1"),
            ("\r=1", "'\\u{d}=1"),
            ("a\nb\u{1b}[31m", "a\\u{a}b\\u{1b}[31m"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(guarded(text), cell, "{text:?}");
        }
    }
}
