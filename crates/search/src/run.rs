//! Runs searches.

use event::Row;

use crate::ast::Search;

/// A half-open range of time, microseconds since the Unix epoch. Applied outside the search, so no `OR` escapes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First microsecond.
    pub from: i64,
    /// First microsecond after.
    pub to: i64,
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
