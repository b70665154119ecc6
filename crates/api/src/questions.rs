//! Questions about many events at once: distinct values, quantiles, comparisons, explanations, SQL; and the searches
//! that are running.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{EventRow, Range};

/// Most events on either side of one.
pub const AROUND_MAX: u32 = 500;
/// Most rows of one SQL statement.
pub const SQL_ROWS_MAX: u32 = 10_000;
/// Rows of a SQL statement when the request does not say.
pub const SQL_ROWS_DEFAULT: u32 = 1000;

/// `GET /log/distinct`: how many different values a field has.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct DistinctRequest {
    /// The search; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// The field whose values are told apart, such as `domain`, `client`.
    pub field: String,
    /// Count for each value of this field, such as `client`; over all events when absent.
    pub by: Option<String>,
    /// Values of `by` wanted, those with the most distinct values; 10 when absent.
    pub n: Option<u32>,
}

/// Reply to `GET /log/distinct`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DistinctReply {
    /// The range searched.
    pub range: Range,
    /// The field whose values were told apart.
    pub field: String,
    /// The field that was counted by; null: over all events.
    pub by: Option<String>,
    /// A value of `by` each, those with most first; one with an empty value when `by` is null.
    pub values: Vec<DistinctCount>,
    /// Values of `by` that are not listed.
    pub others: u64,
    /// Relative standard error of the numbers: two of three are off by less; 0 when they are exact.
    pub error: f64,
    /// Milliseconds the search took.
    pub took_ms: f64,
}

/// How many different values go with one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DistinctCount {
    /// The value as one writes it in a search; empty when the field is empty.
    pub value: String,
    /// Wire number, for codes.
    pub number: Option<u16>,
    /// Colour family, for codes.
    pub family: Option<String>,
    /// Different values of the field that was counted; an empty field is none.
    pub distinct: u64,
}

/// `GET /log/quantiles`: how large a number is for most events.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct QuantilesRequest {
    /// The search; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// A field that holds a number; `latency` when absent.
    pub field: Option<String>,
    /// Parts from 0 to 1, comma separated; `0.5,0.9,0.95,0.99` when absent.
    pub parts: Option<String>,
    /// For each value of this field; over all events when absent.
    pub by: Option<String>,
    /// Values of `by` wanted, those with the most events; 10 when absent.
    pub n: Option<u32>,
}

/// Reply to `GET /log/quantiles`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QuantilesReply {
    /// The range searched.
    pub range: Range,
    /// The field.
    pub field: String,
    /// Unit of the figures: `ms`, `bytes`, `s`, or empty for plain numbers.
    pub unit: String,
    /// The field that was told apart by; null: over all events.
    pub by: Option<String>,
    /// The parts, as asked.
    pub parts: Vec<f64>,
    /// A value of `by` each, those with most events first; one with an empty value when `by` is null.
    pub values: Vec<ValueQuantiles>,
    /// Largest error in rank, as a part of all numbers; 0 when they are exact.
    pub error: f64,
    /// Milliseconds the search took.
    pub took_ms: f64,
}

/// Quantiles of the events with one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueQuantiles {
    /// The value as one writes it in a search; empty when the field is empty.
    pub value: String,
    /// Wire number, for codes.
    pub number: Option<u16>,
    /// Colour family, for codes.
    pub family: Option<String>,
    /// Events that have a number.
    pub count: u64,
    /// One for each part: so large is that part of the numbers at most. Empty without a number.
    pub quantiles: Vec<f64>,
}

/// `GET /log/compare`: what became more or less than in the range of the same length just before.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct CompareRequest {
    /// The search; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// The field, such as `code`, `client`, `reg_domain`.
    pub field: String,
    /// Values wanted, those that changed most; 10 when absent.
    pub n: Option<u32>,
}

/// Reply to `GET /log/compare`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CompareReply {
    /// The range searched.
    pub range: Range,
    /// The range before, which it is compared with.
    pub before: Range,
    /// The field.
    pub field: String,
    /// Values by how much they changed, most first; codes in the order of the table, zeros included.
    pub changes: Vec<Change>,
    /// Events in the range.
    pub now_total: u64,
    /// Events in the range before.
    pub before_total: u64,
    /// How far a value that is not listed may have moved unseen; 0 when all were looked at.
    pub missed: u64,
    /// Milliseconds the search took.
    pub took_ms: f64,
}

/// How often a value came, now and before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The value as one writes it in a search; empty when the field is empty.
    pub value: String,
    /// Wire number, for codes.
    pub number: Option<u16>,
    /// Colour family, for codes.
    pub family: Option<String>,
    /// Events in the range.
    pub now: u64,
    /// Events in the range before.
    pub before: u64,
}

/// `GET /log/around/{id}`: what the same client asked before and after.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct AroundRequest {
    /// Events before; 20 when absent, at most `AROUND_MAX`.
    pub before: Option<u32>,
    /// Events after; 20 when absent, at most `AROUND_MAX`.
    pub after: Option<u32>,
}

/// Reply to `GET /log/around/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AroundReply {
    /// The event asked about.
    pub id: String,
    /// Its client.
    pub client: String,
    /// Events of this client within a day, newest first, the one asked about among them.
    pub rows: Vec<EventRow>,
    /// Milliseconds the search took.
    pub took_ms: f64,
}

/// `GET /log/explain`: which values are over-represented among the events selected.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct ExplainRequest {
    /// The search that selects; empty for all events of the range.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// What the selection is held against; empty for all events.
    pub base: String,
    /// The base from this instant on; when absent, so far before `from` that its range is four times as long.
    pub base_from: Option<String>,
    /// The base up to but without this instant; `to` when absent.
    pub base_to: Option<String>,
    /// Fields looked at, comma separated; a fixed set of telling ones when absent.
    pub fields: Option<String>,
    /// Values wanted; 10 when absent.
    pub n: Option<u32>,
}

/// `POST /log/sql`: one SELECT over the view `events`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SqlRequest {
    /// The statement.
    pub sql: String,
    /// The view holds events from this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// Rows wanted; `SQL_ROWS_DEFAULT` when absent, at most `SQL_ROWS_MAX`.
    pub rows: Option<u32>,
}

/// `GET /log/export`: every event that matches, as a file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct ExportRequest {
    /// The search; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// `csv`, `ndjson` or `parquet`; `csv` when absent.
    pub format: Option<String>,
    /// `newest` or `oldest` first; `newest` when absent.
    pub order: Option<String>,
    /// Rows wanted; all when absent.
    pub limit: Option<u64>,
}

/// `GET /log/tail`: the newest events, then events as they come.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct TailRequest {
    /// The search; empty for all events.
    pub q: String,
    /// Newest events of the last day to begin with; none when absent, at most `ROWS_MAX`.
    pub last: Option<u32>,
}

/// A search that is running (`GET /log/searches`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunningSearch {
    /// Names it for `DELETE /log/searches/{id}`.
    pub id: u64,
    /// What it does: `rows`, `top`, `sql`, …
    pub kind: String,
    /// The search, or the SQL statement.
    pub search: String,
    /// Milliseconds it has been running.
    pub running_ms: f64,
}

/// Reply to `GET /log/explain`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainReply {
    /// The range of the selection.
    pub range: Range,
    /// The range of the base.
    pub base_range: Range,
    /// What is over-represented, most telling first.
    pub findings: Vec<Finding>,
    /// Events of the selection.
    pub inside: u64,
    /// Events of the base that are not selected.
    pub outside: u64,
    /// Fields that were left out because the selection is made by them.
    pub given: Vec<String>,
    /// Milliseconds the search took.
    pub took_ms: f64,
}

/// A value that is more frequent among the events selected than among the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The field.
    pub field: String,
    /// The value as one writes it in a search, for clients also a network; empty when the field is empty.
    pub value: String,
    /// Wire number, for codes.
    pub number: Option<u16>,
    /// Colour family, for codes.
    pub family: Option<String>,
    /// A term that finds events with this value.
    pub term: String,
    /// Events of the selection with the value.
    pub inside: u64,
    /// Other events with the value.
    pub outside: u64,
    /// `inside` as a part of the selection, 0 to 1.
    pub inside_share: f64,
    /// `outside` as a part of the others, 0 to 1.
    pub outside_share: f64,
    /// How much larger the first share is than the second at least.
    pub difference: f64,
}

/// Reply to `POST /log/sql`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SqlReply {
    /// The range the view held.
    pub range: Range,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows; each has a value per column: null, true or false, a number, a text, or a list of these.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<serde_json::Value>>,
    /// Whether there were more rows than these.
    pub more: bool,
    /// Milliseconds it took.
    pub took_ms: f64,
}
