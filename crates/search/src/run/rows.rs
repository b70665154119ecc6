//! Rows, newest first, by pages, and one row by its place.

use arrow::array::AsArray;
use arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, SortExpr, ident, lit};
use event::Row;

use super::job::Job;
use super::{Cursor, ROWS_MAX, SearchError, Searcher, Window};
use crate::ast::Search;
use crate::{compile, functions};

/// Newest rows are looked for in slices of the window: each this many times as wide as the one before.
const SLICE_GROWTH: i64 = 4;
/// Slices of one window; the first is 1/1365 of it.
const SLICES: u32 = 6;
/// Narrower windows are one slice, microseconds.
const SLICED_MIN_MICROS: i64 = 600_000_000;

impl Searcher {
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
        let search = search.clone().at(window.to);
        self.run("rows", search.to_string(), move |job| async move {
            let limit = limit.min(ROWS_MAX);
            let owner = compile::owner(&search, window.to);
            let to = after.map_or(window.to, |after| window.to.min(after.time_micros.saturating_add(1)));
            let window = Window { from: window.from, to };
            let slices = match owner {
                // Where the rows of one client are together, a slice of time is not sooner found than all of them.
                Some(_) => vec![window],
                None => slices(window),
            };
            let mut places = Places::default();
            for slice in slices {
                if places.numbers.len() >= limit {
                    break;
                }
                let mut wanted = compile::filter(&search, slice);
                if let Some(after) = after {
                    wanted = wanted.and(older(after));
                }
                job.find(&mut places, wanted, false, limit).await?;
            }
            job.read(&places, owner, false).await
        })
        .await
    }

    /// One row by place.
    ///
    /// # Errors
    /// When a limit is hit or the engine fails.
    pub async fn row(&self, at: Cursor) -> Result<Option<Row>, SearchError> {
        self.run("row", String::new(), move |job| async move { job.row(at).await }).await
    }
}

impl Job {
    pub(super) async fn row(&self, at: Cursor) -> Result<Option<Row>, SearchError> {
        let here = ident("time").eq(compile::instant(at.time_micros)).and(ident("seq").eq(lit(at.seq)));
        Ok(self.sorted(here, None, false, 1).await?.pop())
    }

    /// The first rows in order of time, or the last and newest first. `owner`: what is said of tenant or client in `wanted`.
    pub(super) async fn sorted(
        &self,
        wanted: Expr,
        owner: Option<Expr>,
        ascending: bool,
        limit: usize,
    ) -> Result<Vec<Row>, SearchError> {
        let mut places = Places::default();
        self.find(&mut places, wanted, ascending, limit).await?;
        self.read(&places, owner, ascending).await
    }

    /// Finds where rows are, from few columns, until there are `limit` of them. In segments that are not in the order of time
    /// nearly every match is among the first for a while, and would be read whole.
    async fn find(&self, places: &mut Places, wanted: Expr, ascending: bool, limit: usize) -> Result<(), SearchError> {
        let missing = limit.saturating_sub(places.numbers.len());
        let all = self.all()?.filter(wanted)?.select(vec![ident("time"), ident("seq")])?;
        for batch in all.sort(in_time(ascending))?.limit(0, Some(missing))?.collect().await? {
            let times = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>();
            for time in times.into_iter().flat_map(|times| times.values()) {
                (places.from, places.to) = (places.from.min(*time), places.to.max(*time));
            }
            let numbers = batch.column(1).as_primitive_opt::<UInt64Type>();
            places.numbers.extend(numbers.into_iter().flat_map(|numbers| numbers.values()));
        }
        Ok(())
    }

    /// The rows at these places, all columns of them.
    async fn read(&self, places: &Places, owner: Option<Expr>, ascending: bool) -> Result<Vec<Row>, SearchError> {
        if places.numbers.is_empty() {
            return Ok(Vec::new());
        }
        let there = ident("time").between(compile::instant(places.from), compile::instant(places.to));
        let there = match owner {
            Some(owner) => owner.and(there),
            None => there,
        };
        let these = functions::seq_among(places.numbers.clone());
        // A row has its name once; with each column go the words of a row group.
        let frame = self.all()?.filter(there.and(these))?.drop_columns(&["domain_rev"])?.sort(in_time(ascending))?;
        let mut rows = Vec::with_capacity(places.numbers.len());
        for batch in frame.collect().await? {
            let read = event::rows(&batch).map_err(|error| DataFusionError::Execution(error.to_string()))?;
            rows.extend(read);
        }
        Ok(rows)
    }
}

/// Where rows are: their numbers, and the time from the first to the last.
struct Places {
    from: i64,
    to: i64,
    numbers: Vec<u64>,
}

impl Default for Places {
    fn default() -> Places {
        Places { from: i64::MAX, to: i64::MIN, numbers: Vec::new() }
    }
}

fn in_time(ascending: bool) -> Vec<SortExpr> {
    vec![ident("time").sort(ascending, false), ident("seq").sort(ascending, false)]
}

/// Parts of the window from its end to its start: the newest rows are most often in the first.
fn slices(window: Window) -> Vec<Window> {
    let mut to = window.to;
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

pub(super) fn older(than: Cursor) -> Expr {
    let at = compile::instant(than.time_micros);
    let earlier = ident("time").lt(at.clone());
    earlier.or(ident("time").eq(at).and(ident("seq").lt(lit(than.seq))))
}
