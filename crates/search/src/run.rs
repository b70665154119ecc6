//! Runs searches over the log: rows, counts, series, top values, facets and figures.
//!
//! One engine for all searches, with limits on memory, time and how many run at once. Reads only the columns a search
//! needs, and one state of the log per call.

mod matrix;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, UInt64Type};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::functions_aggregate::expr_fn::{approx_distinct, approx_percentile_cont, count};
use datafusion::functions_nested::expr_fn::array_distinct;
use datafusion::logical_expr::{Expr, ExprFunctionExt, cast, ident, lit};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use event::{Action, CacheState, Row};
use tokio::sync::Semaphore;
use wire::code::{CODES, Code};

use crate::ast::Search;
use crate::compile;
use crate::fault::nearest;
use crate::fields::{FIELDS, Id, field};
use crate::print;

pub use matrix::{Matrix, MatrixRow};

/// Most rows of one call; the rest comes by cursor.
pub const ROWS_MAX: usize = 10_000;
/// Most values of one top list.
pub const TOP_MAX: usize = 1_000;
/// Most points of one series.
pub const POINTS_MAX: usize = 2_000;
/// Most lines of one series; values beyond are counted together.
pub const LINES_MAX: usize = 100;

/// Threads one search may use: the answers to queries come first.
const PARTITIONS: usize = 2;

/// Newest rows are looked for in slices of the window: each this many times as wide as the one before.
const SLICE_GROWTH: i64 = 4;
/// Slices of one window; the first is 1/85 of it.
const SLICES: u32 = 4;
/// Narrower windows are one slice, microseconds.
const SLICED_MIN_MICROS: i64 = 600_000_000;

/// Widths of points, microseconds: round numbers of ms, s, min, h and days.
const STEPS_MICROS: &[i64] = {
    const MS: i64 = 1_000;
    const S: i64 = 1_000_000;
    const M: i64 = 60 * S;
    const H: i64 = 60 * M;
    &[
        MS,
        2 * MS,
        5 * MS,
        10 * MS,
        20 * MS,
        50 * MS,
        100 * MS,
        200 * MS,
        500 * MS,
        S,
        2 * S,
        5 * S,
        10 * S,
        15 * S,
        30 * S,
        M,
        2 * M,
        5 * M,
        10 * M,
        15 * M,
        30 * M,
        H,
        2 * H,
        3 * H,
        6 * H,
        12 * H,
        24 * H,
        48 * H,
        168 * H,
    ]
};

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
    /// One line per value: counts per point. Codes in table order, others by count; at most `LINES_MAX`.
    pub lines: Vec<(Count, Vec<u64>)>,
    /// Events per point with values beyond those lines.
    pub other: Vec<u64>,
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

/// Runs searches over one store.
#[derive(Clone)]
pub struct Searcher {
    inner: Arc<Inner>,
}

struct Inner {
    table: Box<dyn Fn() -> Arc<dyn TableProvider> + Send + Sync>,
    engine: SessionContext,
    permits: Semaphore,
    limits: Limits,
}

/// The value of a group as the engine gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Number(u64),
    Text(String),
    Client([u8; 16]),
    /// The field is empty.
    Nothing,
}

impl Searcher {
    /// A searcher with named limits on memory and time.
    #[must_use]
    pub fn new(store: store::Store, limits: Limits) -> Searcher {
        Searcher::over(move || store.table(), limits)
    }

    /// A searcher over any table with the columns of `event::schema`. `table` is called once per search, and gives one
    /// consistent state.
    #[must_use]
    pub fn over(table: impl Fn() -> Arc<dyn TableProvider> + Send + Sync + 'static, limits: Limits) -> Searcher {
        let mut config = SessionConfig::new().with_target_partitions(PARTITIONS);
        config.options_mut().execution.parquet.pushdown_filters = true;
        // Segments keep the types of the schema, which literals are made for.
        config.options_mut().execution.parquet.schema_force_view_types = false;
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_limit(limits.memory_bytes, 1.0)
            .with_disk_manager_builder(disk)
            .build_arc();
        #[expect(clippy::expect_used, reason = "only the disk manager can fail, and it is off")]
        let runtime = runtime.expect("an engine without a disk can be made");
        Searcher {
            inner: Arc::new(Inner {
                table: Box::new(table),
                engine: SessionContext::new_with_config_rt(config, runtime),
                permits: Semaphore::new(limits.concurrent.max(1)),
                limits,
            }),
        }
    }

    /// Newest rows first, at most `limit`, older than `after`.
    ///
    /// # Errors
    /// When a limit is hit or the engine fails.
    pub async fn rows(
        &self,
        search: &Search,
        window: Window,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Row>, SearchError> {
        self.limited(async {
            let table = (self.inner.table)();
            let limit = limit.min(ROWS_MAX);
            let search = search.clone().at(window.to);
            let mut rows = Vec::new();
            for slice in slices(window, after) {
                if rows.len() >= limit {
                    break;
                }
                let mut wanted = compile::filter(&search, slice);
                if let Some(after) = after {
                    wanted = wanted.and(older(after));
                }
                rows.extend(self.newest(&table, wanted, limit - rows.len()).await?);
            }
            Ok(rows)
        })
        .await
    }

    async fn newest(
        &self,
        table: &Arc<dyn TableProvider>,
        wanted: Expr,
        limit: usize,
    ) -> Result<Vec<Row>, SearchError> {
        let frame = self.inner.engine.read_table(Arc::clone(table))?.filter(wanted)?;
        let order = vec![ident("time").sort(false, false), ident("seq").sort(false, false)];
        let mut rows = Vec::new();
        for batch in frame.sort(order)?.limit(0, Some(limit))?.collect().await? {
            let read = event::rows(&batch).map_err(|error| DataFusionError::Execution(error.to_string()))?;
            rows.extend(read);
        }
        Ok(rows)
    }

    /// One row by place.
    ///
    /// # Errors
    /// When a limit is hit or the engine fails.
    pub async fn row(&self, at: Cursor) -> Result<Option<Row>, SearchError> {
        self.limited(async {
            let here = ident("time").eq(compile::instant(at.time_micros)).and(ident("seq").eq(lit(at.seq)));
            Ok(self.newest(&(self.inner.table)(), here, 1).await?.pop())
        })
        .await
    }

    /// Events that match.
    ///
    /// # Errors
    /// When a limit is hit or the engine fails.
    pub async fn count(&self, search: &Search, window: Window) -> Result<u64, SearchError> {
        self.limited(self.count_in((self.inner.table)(), search, window)).await
    }

    async fn count_in(
        &self,
        table: Arc<dyn TableProvider>,
        search: &Search,
        window: Window,
    ) -> Result<u64, SearchError> {
        let frame = self.matching(table, search, window)?;
        let groups = groups(frame, Vec::new(), None).await?;
        Ok(groups.first().map_or(0, |(_, count)| *count))
    }

    fn matching(
        &self,
        table: Arc<dyn TableProvider>,
        search: &Search,
        window: Window,
    ) -> Result<DataFrame, SearchError> {
        Ok(self.inner.engine.read_table(table)?.filter(compile::filter(search, window))?)
    }

    /// Counts over time, one line per value of `by`, at most `points` points. With an empty `by`, one line for all.
    ///
    /// # Errors
    /// When `by` is no field to group by, a limit is hit or the engine fails.
    pub async fn series(
        &self,
        search: &Search,
        window: Window,
        by: &str,
        points: usize,
    ) -> Result<Series, SearchError> {
        let id = if by.is_empty() { None } else { Some(groupable(by)?) };
        if let Some(id @ (Id::Ede | Id::Flags)) = id {
            let name = id.field().name;
            return Err(SearchError::Field(format!("an event can have several `{name}`: lines cannot be drawn by it")));
        }
        let axis = Axis::new(window, points);
        self.limited(async {
            let point = (cast(ident("time"), DataType::Int64) - lit(axis.start)) / lit(axis.step);
            let by = id.map(group_column);
            let frame = self.matching((self.inner.table)(), search, window)?;
            let groups = groups(frame, std::iter::once(point).chain(by).collect(), None).await?;
            Ok(axis.series(id, groups))
        })
        .await
    }

    /// The `n` most frequent values of `field`.
    ///
    /// # Errors
    /// When `field` cannot be grouped by, a limit is hit or the engine fails.
    pub async fn top(&self, search: &Search, window: Window, field: &str, n: usize) -> Result<Top, SearchError> {
        let id = groupable(field)?;
        self.limited(self.top_in((self.inner.table)(), search, window, id, n)).await
    }

    async fn top_in(
        &self,
        table: Arc<dyn TableProvider>,
        search: &Search,
        window: Window,
        id: Id,
        n: usize,
    ) -> Result<Top, SearchError> {
        let n = n.clamp(1, TOP_MAX);
        let frame = self.matching(Arc::clone(&table), search, window)?;
        if id == Id::Ede {
            let each = frame.select(vec![array_distinct(ident("ede")).alias("v0")])?.unnest_columns(&["v0"])?;
            let counts = single(groups(each, vec![ident("v0")], None).await?);
            let total = self.count_in(table, search, window).await?;
            return Ok(top_of_all(id, counts, total, n));
        }
        if is_small(id) {
            let counts = single(groups(frame, vec![group_column(id)], None).await?);
            let total = counts.values().sum();
            return Ok(top_of_all(id, counts, total, n));
        }
        // Names and clients can be as many as events: only the largest groups leave the engine.
        let counts = single(groups(frame, vec![group_column(id)], Some(n)).await?);
        let total = self.count_in(table, search, window).await?;
        let mut top = top_of_all(id, counts, total, n);
        let listed: u64 = top.values.iter().map(|value| value.count).sum();
        top.other = total.saturating_sub(listed);
        Ok(top)
    }

    /// Like `top`, for several fields, each counted without the search's own top-level terms on that field.
    ///
    /// # Errors
    /// When a field cannot be grouped by, a limit is hit or the engine fails.
    pub async fn facets(
        &self,
        search: &Search,
        window: Window,
        fields: &[&str],
        n: usize,
    ) -> Result<Vec<Top>, SearchError> {
        self.tops(|id| search.without(id), window, fields, n).await
    }

    /// Like `facets`, but every field is counted under the whole search.
    ///
    /// # Errors
    /// When a field cannot be grouped by, a limit is hit or the engine fails.
    pub async fn breakdown(
        &self,
        search: &Search,
        window: Window,
        fields: &[&str],
        n: usize,
    ) -> Result<Vec<Top>, SearchError> {
        self.tops(|_| search.clone(), window, fields, n).await
    }

    /// The most frequent values of several fields, each under its own search.
    async fn tops(
        &self,
        search_for: impl Fn(Id) -> Search,
        window: Window,
        fields: &[&str],
        n: usize,
    ) -> Result<Vec<Top>, SearchError> {
        let ids = fields.iter().map(|name| groupable(name)).collect::<Result<Vec<Id>, _>>()?;
        self.limited(async {
            let table = (self.inner.table)();
            let mut tops: HashMap<Id, Top> = HashMap::new();
            for (search, together) in shared_searches(&search_for, &ids) {
                let columns = together.iter().map(|id| group_column(*id)).collect();
                let groups = groups(self.matching(Arc::clone(&table), &search, window)?, columns, None).await?;
                for (at, id) in together.into_iter().enumerate() {
                    let mut counts: HashMap<Key, u64> = HashMap::new();
                    for (keys, count) in &groups {
                        *counts.entry(keys[at].clone()).or_default() += count;
                    }
                    let total = counts.values().sum();
                    tops.insert(id, top_of_all(id, counts, total, n.clamp(1, TOP_MAX)));
                }
            }
            let mut facets = Vec::with_capacity(ids.len());
            for id in ids {
                let top = match tops.get(&id) {
                    Some(top) => top.clone(),
                    None => self.top_in(Arc::clone(&table), &search_for(id), window, id, n).await?,
                };
                facets.push(top);
            }
            Ok(facets)
        })
        .await
    }

    /// Figures of the range.
    ///
    /// # Errors
    /// When a limit is hit or the engine fails.
    pub async fn figures(&self, search: &Search, window: Window) -> Result<Figures, SearchError> {
        self.limited(async {
            let counted = |which: Expr| count(lit(1_i64)).filter(which).build();
            let code = |code: Code| ident("code").eq(lit(code.key()));
            let hits = vec![lit(CacheState::Hit.number()), lit(CacheState::Stale.number())];
            let latency = || cast(ident("latency"), DataType::Float64);
            let percentile = |part: f64| approx_percentile_cont(latency().sort(true, false), lit(part), None);
            let figures = vec![
                count(lit(1_i64)).alias("queries"),
                counted(ident("action").eq(lit(Action::Block.number())))?.alias("blocked"),
                counted(code(Code::SERVFAIL))?.alias("servfail"),
                counted(code(Code::NXDOMAIN))?.alias("nxdomain"),
                counted(ident("cache").in_list(hits, false))?.alias("cache_hits"),
                approx_distinct(cast(ident("client"), DataType::Binary)).alias("clients"),
                percentile(0.5).alias("p50"),
                percentile(0.95).alias("p95"),
            ];
            let frame = self.matching((self.inner.table)(), search, window)?.aggregate(Vec::new(), figures)?;
            let batches = frame.collect().await?;
            let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(Figures::default()) };
            Ok(Figures {
                queries: whole(batch, "queries")?,
                blocked: whole(batch, "blocked")?,
                servfail: whole(batch, "servfail")?,
                nxdomain: whole(batch, "nxdomain")?,
                cache_hits: whole(batch, "cache_hits")?,
                clients: whole(batch, "clients")?,
                latency_p50_micros: fraction(batch, "p50")?,
                latency_p95_micros: fraction(batch, "p95")?,
            })
        })
        .await
    }

    /// Waits until fewer searches run than may.
    pub(crate) async fn take_turn(&self) -> Turn<'_> {
        self.inner.permits.acquire().await.ok()
    }

    /// Waits for its turn and runs, both within the time limit.
    async fn limited<T>(&self, work: impl Future<Output = Result<T, SearchError>>) -> Result<T, SearchError> {
        let time = self.inner.limits.time;
        let turn = async {
            let _turn = self.take_turn().await;
            work.await
        };
        match tokio::time::timeout(time, Box::pin(turn)).await {
            Err(_) => Err(SearchError::Limit(format!("it took longer than {} ms", time.as_millis()))),
            Ok(Err(SearchError::Engine(error))) => match error.find_root() {
                DataFusionError::ResourcesExhausted(_) => {
                    let bytes = self.inner.limits.memory_bytes;
                    Err(SearchError::Limit(format!("searches together may use {bytes} bytes of memory")))
                }
                _ => Err(SearchError::Engine(error)),
            },
            Ok(done) => done,
        }
    }
}

/// One turn to run a search; `None` never comes, as nothing closes the semaphore.
type Turn<'a> = Option<tokio::sync::SemaphorePermit<'a>>;

/// Parts of the window from its end, or from the cursor, to its start: the newest rows are most often in the first.
fn slices(window: Window, after: Option<Cursor>) -> Vec<Window> {
    let mut to = after.map_or(window.to, |after| window.to.min(after.time_micros.saturating_add(1)));
    let whole = to.saturating_sub(window.from);
    let mut slices = Vec::new();
    if whole >= SLICED_MIN_MICROS {
        let parts: i64 = (0..SLICES).map(|turn| SLICE_GROWTH.pow(turn)).sum();
        let mut width = whole / parts;
        for _ in 1..SLICES {
            slices.push(Window { from: to - width, to });
            to -= width;
            width = width.saturating_mul(SLICE_GROWTH);
        }
    }
    if window.from < to {
        slices.push(Window { from: window.from, to });
    }
    slices
}

fn older(than: Cursor) -> Expr {
    let at = compile::instant(than.time_micros);
    let earlier = ident("time").lt(at.clone());
    earlier.or(ident("time").eq(at).and(ident("seq").lt(lit(than.seq))))
}

fn groupable(name: &str) -> Result<Id, SearchError> {
    let names = || FIELDS.iter().filter(|field| field.groups()).map(|field| field.name);
    let near = || nearest(name, names()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    match field(name) {
        Some(field) if field.groups() => Ok(field.id),
        Some(field) => Err(SearchError::Field(format!("`{}` has too many values to count by", field.name))),
        None => Err(SearchError::Field(format!("no field `{name}`{}", near()))),
    }
}

/// Fields whose values we choose, not the clients: few, whatever the traffic.
fn is_small(id: Id) -> bool {
    matches!(
        id,
        Id::Code
            | Id::RcodeHeader
            | Id::Tsig
            | Id::Tkey
            | Id::Opcode
            | Id::Transport
            | Id::Outcome
            | Id::Action
            | Id::Cache
            | Id::List
            | Id::Upstream
            | Id::Tenant
            | Id::Node
            | Id::Flags
    )
}

/// Small fields that are counted under the same search share one pass over the log.
fn shared_searches(search_for: impl Fn(Id) -> Search, ids: &[Id]) -> Vec<(Search, Vec<Id>)> {
    let mut shared: Vec<(Search, Vec<Id>)> = Vec::new();
    for id in ids.iter().copied().filter(|id| is_small(*id)) {
        let own = search_for(id);
        match shared.iter_mut().find(|(known, _)| *known == own) {
            Some((_, together)) if together.contains(&id) => {}
            Some((_, together)) => together.push(id),
            None => shared.push((own, vec![id])),
        }
    }
    shared
}

fn group_column(id: Id) -> Expr {
    match id {
        Id::List | Id::Upstream | Id::Tenant | Id::Node => cast(ident(id.column()), DataType::Utf8),
        _ => compile::column(id),
    }
}

/// Counts per combination of columns; the largest only, when `largest` says how many.
async fn groups(
    frame: DataFrame,
    columns: Vec<Expr>,
    largest: Option<usize>,
) -> Result<Vec<(Vec<Key>, u64)>, SearchError> {
    let names: Vec<String> = (0..columns.len()).map(|at| format!("v{at}")).collect();
    let columns = columns.into_iter().zip(&names).map(|(column, name)| column.alias(name)).collect();
    let mut frame = frame.aggregate(columns, vec![count(lit(1_i64)).alias("events")])?;
    if let Some(largest) = largest {
        let mut order = vec![ident("events").sort(false, false)];
        // The same list each time, whatever came first.
        order.extend(names.iter().map(|name| ident(name).sort(true, false)));
        frame = frame.sort(order)?.limit(0, Some(largest))?;
    }
    let mut groups = Vec::new();
    for batch in frame.collect().await? {
        for row in 0..batch.num_rows() {
            let keys = (0..names.len()).map(|at| key(batch.column(at), row)).collect::<Result<Vec<Key>, _>>()?;
            let events = integer(batch.column(names.len()), row)?.unwrap_or(0);
            groups.push((keys, events));
        }
    }
    Ok(groups)
}

fn single(groups: Vec<(Vec<Key>, u64)>) -> HashMap<Key, u64> {
    groups.into_iter().filter_map(|(mut keys, count)| Some((keys.pop()?, count))).collect()
}

fn key(column: &dyn Array, row: usize) -> Result<Key, DataFusionError> {
    if column.is_null(row) {
        return Ok(Key::Nothing);
    }
    match ScalarValue::try_from_array(column, row)? {
        ScalarValue::Utf8(Some(text)) => Ok(Key::Text(text)),
        ScalarValue::FixedSizeBinary(_, Some(bytes)) => {
            let bytes =
                bytes.try_into().map_err(|_| DataFusionError::Execution("an address has 16 bytes".to_owned()))?;
            Ok(Key::Client(bytes))
        }
        _ => Ok(integer(column, row)?.map_or(Key::Nothing, Key::Number)),
    }
}

fn integer(column: &dyn Array, row: usize) -> Result<Option<u64>, DataFusionError> {
    let one = arrow::compute::cast(&column.slice(row, 1), &DataType::UInt64)?;
    let one = one.as_primitive::<UInt64Type>();
    Ok(one.is_valid(0).then(|| one.value(0)))
}

fn named<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, DataFusionError> {
    let column = batch.column_by_name(name).map(AsRef::as_ref);
    column.ok_or_else(|| DataFusionError::Execution(format!("the figure {name} is missing")))
}

fn whole(batch: &RecordBatch, name: &str) -> Result<u64, DataFusionError> {
    Ok(integer(named(batch, name)?, 0)?.unwrap_or(0))
}

fn fraction(batch: &RecordBatch, name: &str) -> Result<Option<f64>, DataFusionError> {
    let column = arrow::compute::cast(named(batch, name)?, &DataType::Float64)?;
    let column = column.as_primitive::<Float64Type>();
    Ok(column.is_valid(0).then(|| column.value(0)))
}

fn count_of(id: Id, key: &Key, count: u64) -> Count {
    let value = match key {
        Key::Nothing => None,
        Key::Number(number) => Some(print::number(id, *number)),
        Key::Text(text) => Some(text.clone()),
        Key::Client(bytes) => Some(event::address_from_bytes(*bytes).to_string()),
    };
    let code = match key {
        Key::Number(number) if id == Id::Code => u16::try_from(*number).ok().map(Code::from_key),
        _ => None,
    };
    Count { value, code, count }
}

/// Codes in table order, then those without a name by number, then no reply.
fn code_place(key: &Key) -> (usize, Key) {
    let place = CODES.iter().position(|info| *key == Key::Number(info.code.key().into()));
    (place.unwrap_or(CODES.len()), key.clone())
}

/// The list for one field from the counts of all its values.
fn top_of_all(id: Id, counts: HashMap<Key, u64>, total: u64, n: usize) -> Top {
    let mut counts = if id == Id::Flags { per_flag(&counts) } else { counts };
    if id == Id::Code {
        for info in CODES {
            counts.entry(Key::Number(info.code.key().into())).or_default();
        }
    }
    let mut counts: Vec<(Key, u64)> = counts.into_iter().collect();
    let mut listed = n;
    if id == Id::Code {
        counts.sort_by_cached_key(|(key, _)| code_place(key));
        listed = counts.len();
    } else {
        counts.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    }
    let other = counts.iter().skip(listed).map(|(_, count)| count).sum();
    let values = counts.iter().take(listed).map(|(key, count)| count_of(id, key, *count)).collect();
    Top { values, other, total }
}

/// Each flag on its own, from counts of sets of flags.
fn per_flag(sets: &HashMap<Key, u64>) -> HashMap<Key, u64> {
    let mut flags: HashMap<Key, u64> = HashMap::new();
    for (set, count) in sets {
        let Key::Number(set) = set else { continue };
        if *set == 0 {
            *flags.entry(Key::Nothing).or_default() += count;
        }
        for (flag, _) in Id::Flags.names().iter().filter(|(flag, _)| set & flag != 0) {
            *flags.entry(Key::Number(*flag)).or_default() += count;
        }
    }
    flags
}

/// The points of a series.
struct Axis {
    start: i64,
    step: i64,
    points: usize,
}

impl Axis {
    /// The narrowest round step with no more points than asked.
    fn new(window: Window, points: usize) -> Axis {
        let wanted = points.clamp(1, POINTS_MAX);
        let (from, to) = (i128::from(window.from), i128::from(window.to).max(i128::from(window.from)));
        let first = |step: i128| from.div_euclid(step) * step;
        let needed = |step: i128| (to - first(step) + step - 1) / step;
        let fits = |step: i128| needed(step) <= wanted as i128;
        let round = STEPS_MICROS.iter().map(|step| i128::from(*step)).find(|step| fits(*step));
        // Wider than the widest: whole weeks. Aligning can add one point.
        let week = 7 * 86_400_000_000_i128;
        let step = round.unwrap_or_else(|| {
            let weeks = (to - from) / week / (wanted as i128) + 1;
            if fits(weeks * week) { weeks * week } else { weeks * week * 2 }
        });
        let clamped = |value: i128| i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX });
        let points = usize::try_from(needed(step)).unwrap_or(0).min(POINTS_MAX + 1);
        Axis { start: clamped(first(step)), step: clamped(step), points }
    }

    fn series(&self, id: Option<Id>, groups: Vec<(Vec<Key>, u64)>) -> Series {
        let mut lines: HashMap<Key, Vec<u64>> = HashMap::new();
        if id.is_none() {
            lines.insert(Key::Nothing, vec![0; self.points]);
        }
        for (mut keys, count) in groups {
            let value = if id.is_some() { keys.pop().unwrap_or(Key::Nothing) } else { Key::Nothing };
            let Some(Key::Number(point)) = keys.pop() else { continue };
            let line = lines.entry(value).or_insert_with(|| vec![0; self.points]);
            if let Some(cell) = usize::try_from(point).ok().and_then(|point| line.get_mut(point)) {
                *cell += count;
            }
        }
        let mut lines: Vec<(Key, Vec<u64>)> = lines.into_iter().collect();
        let total = |line: &[u64]| line.iter().sum::<u64>();
        lines.sort_by_cached_key(|(key, line)| (std::cmp::Reverse(total(line)), key.clone()));
        let mut other = vec![0; self.points];
        for (_, line) in lines.drain(lines.len().min(LINES_MAX)..) {
            other.iter_mut().zip(line).for_each(|(sum, count)| *sum += count);
        }
        if id == Some(Id::Code) {
            lines.sort_by_cached_key(|(key, _)| code_place(key));
        }
        let count = |key: &Key, line: &[u64]| count_of(id.unwrap_or(Id::Code), key, total(line));
        let starts =
            (0..self.points).map(|at| self.start.saturating_add(self.step.saturating_mul(at as i64))).collect();
        let lines = lines.into_iter().map(|(key, line)| (count(&key, &line), line)).collect();
        Series { step_micros: self.step, starts, lines, other }
    }
}
