//! What an analyst asks of the log: parse (with spans and suggestions), check, compile to DataFusion, run.
//!
//! Knows the event columns and the store's table; knows nothing of HTTP, of the terminal or of DNS servers.

use std::ops::Range;

use event::Row;

/// A search that was read and checked: every field exists, every value fits its field.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {}

/// What is wrong with a search text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Bytes of the text at fault.
    pub span: Range<usize>,
    /// What is wrong there.
    pub message: String,
    /// Text to put there instead, when one is near.
    pub suggestion: Option<String>,
}

/// Reads a search. Empty text matches every event.
///
/// # Errors
/// All faults found, in order of place; at least one.
pub fn parse(_text: &str) -> Result<Search, Vec<Fault>> {
    todo!()
}

impl std::fmt::Display for Search {
    /// The plainest text that reads back as this search.
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}

/// A half-open range of time, microseconds since the Unix epoch. Applied outside the search, so no `OR` escapes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First microsecond.
    pub from: i64,
    /// First microsecond after.
    pub to: i64,
}

/// Reads `now`, `now-90s`, `now-1h`, `now-7d`, an RFC 3339 instant, or Unix milliseconds, given the present.
///
/// # Errors
/// Says which text could not be read.
pub fn instant(_text: &str, _now_micros: i64) -> Result<i64, String> {
    todo!()
}

/// Place of a row in newest-first order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Time of the row.
    pub time_micros: i64,
    /// Its number.
    pub seq: u64,
}

/// One value of a field with its count. `value` is as one writes it in a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The value; `None` when the field is empty.
    pub value: Option<String>,
    /// The code, for the field `code`.
    pub code: Option<wire::code::Code>,
    /// Events.
    pub count: u64,
}

/// Values by count, with what was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Top {
    /// Largest first; codes in table order with zeros.
    pub values: Vec<Count>,
    /// Events with values that are not listed.
    pub other: u64,
    /// Events in all.
    pub total: u64,
}

/// Counts over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Width of one point, microseconds; a round number of ms, s, min, h.
    pub step_micros: i64,
    /// Start of each point, aligned to the step.
    pub starts: Vec<i64>,
    /// One line per value: counts per point.
    pub lines: Vec<(Count, Vec<u64>)>,
}

/// Figures of one range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Queries.
    pub queries: u64,
    /// Blocked.
    pub blocked: u64,
    /// SERVFAIL.
    pub servfail: u64,
    /// NXDOMAIN.
    pub nxdomain: u64,
    /// From the cache, stale included.
    pub cache_hits: u64,
    /// Distinct clients.
    pub clients: u64,
    /// Median latency, microseconds.
    pub latency_p50_micros: Option<f64>,
    /// 95th percentile, microseconds.
    pub latency_p95_micros: Option<f64>,
}

/// Why a search could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// No such field, or one that cannot be grouped by.
    #[error("{0}")]
    Field(String),
    /// The search ran longer or needed more memory than a search may.
    #[error("the search hit a limit: {0}")]
    Limit(String),
    /// The engine failed.
    #[error("the search engine failed: {0}")]
    Engine(#[from] datafusion::error::DataFusionError),
}

/// Runs searches over one store.
#[derive(Clone)]
pub struct Searcher {}

impl Searcher {
    /// A searcher with named limits on memory and time.
    pub fn new(_store: store::Store, _limits: Limits) -> Searcher {
        todo!()
    }

    /// Newest rows first, at most `limit`, older than `after`.
    pub async fn rows(
        &self,
        _search: &Search,
        _window: Window,
        _after: Option<Cursor>,
        _limit: usize,
    ) -> Result<Vec<Row>, SearchError> {
        todo!()
    }

    /// One row by place.
    pub async fn row(&self, _at: Cursor) -> Result<Option<Row>, SearchError> {
        todo!()
    }

    /// Events that match.
    pub async fn count(&self, _search: &Search, _window: Window) -> Result<u64, SearchError> {
        todo!()
    }

    /// Counts over time, one line per value of `by`, at most `points` points.
    pub async fn series(
        &self,
        _search: &Search,
        _window: Window,
        _by: &str,
        _points: usize,
    ) -> Result<Series, SearchError> {
        todo!()
    }

    /// The `n` most frequent values of `field`.
    pub async fn top(&self, _search: &Search, _window: Window, _field: &str, _n: usize) -> Result<Top, SearchError> {
        todo!()
    }

    /// Like `top`, for several fields, each counted without the search's own top-level terms on that field.
    pub async fn facets(
        &self,
        _search: &Search,
        _window: Window,
        _fields: &[&str],
        _n: usize,
    ) -> Result<Vec<Top>, SearchError> {
        todo!()
    }

    /// Figures of the range.
    pub async fn figures(&self, _search: &Search, _window: Window) -> Result<Figures, SearchError> {
        todo!()
    }
}

/// Limits of one search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Memory all searches may use together.
    pub memory_bytes: usize,
    /// Time one search may take.
    pub time: std::time::Duration,
    /// Searches running at once; more wait.
    pub concurrent: usize,
}

impl Search {
    /// Whether each row of a batch matches: the live tail's filter, and the oracle of the compiled form.
    pub fn matches(&self, _row: &Row) -> bool {
        todo!()
    }
}

/// One searchable field, for completion, help and docs.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// `code`, `name`, `address`, `number`, `duration`, `size`, `word`, `text`, `time`.
    pub kind: &'static str,
    /// What it holds.
    pub about: &'static str,
    /// Examples.
    pub examples: &'static [&'static str],
}

impl Field {
    /// All values, where they are few and fixed.
    pub fn values(&self) -> Vec<String> {
        todo!()
    }
}

/// Every searchable field.
pub static FIELDS: &[Field] = &[];
