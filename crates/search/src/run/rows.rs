//! Rows, newest first, by pages, and one row by its place.

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::DataFrame;
use event::Row;

use super::job::Job;
use super::{Cursor, ROWS_MAX, SearchError, Searcher, Window};
use crate::ast::Search;
use crate::compile;

/// Newest rows are looked for in slices of the window: each this many times as wide as the one before.
const SLICE_GROWTH: i64 = 4;
/// Slices of one window; the first is 1/85 of it.
const SLICES: u32 = 4;
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
            let mut rows = Vec::new();
            for slice in slices(window, after) {
                if rows.len() >= limit {
                    break;
                }
                let mut wanted = compile::filter(&search, slice);
                if let Some(after) = after {
                    wanted = wanted.and(older(after));
                }
                rows.extend(job.sorted(wanted, false, limit - rows.len()).await?);
            }
            Ok(rows)
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
        Ok(self.sorted(here, false, 1).await?.pop())
    }

    /// The first rows in order of time, or the last and newest first.
    pub(super) async fn sorted(&self, wanted: Expr, ascending: bool, limit: usize) -> Result<Vec<Row>, SearchError> {
        let order = || vec![ident("time").sort(ascending, false), ident("seq").sort(ascending, false)];
        let first =
            |frame: DataFrame| -> Result<DataFrame, DataFusionError> { frame.sort(order())?.limit(0, Some(limit)) };
        // Where they are is found from few columns; the others are then read of a short time only. In segments that are not
        // in the order of time nearly every match is among the first for a while, and would be read whole.
        let places = self.all()?.filter(wanted.clone())?.select(vec![ident("time"), ident("seq")])?;
        let (mut from, mut to) = (i64::MAX, i64::MIN);
        for batch in first(places)?.collect().await? {
            let times = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>();
            for time in times.into_iter().flat_map(|times| times.values()) {
                (from, to) = (from.min(*time), to.max(*time));
            }
        }
        if from > to {
            return Ok(Vec::new());
        }
        let there = ident("time").between(compile::instant(from), compile::instant(to));
        let frame = first(self.all()?.filter(there.and(wanted))?)?;
        let mut rows = Vec::new();
        for batch in frame.collect().await? {
            let read = event::rows(&batch).map_err(|error| DataFusionError::Execution(error.to_string()))?;
            rows.extend(read);
        }
        Ok(rows)
    }
}

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

pub(super) fn older(than: Cursor) -> Expr {
    let at = compile::instant(than.time_micros);
    let earlier = ident("time").lt(at.clone());
    earlier.or(ident("time").eq(at).and(ident("seq").lt(lit(than.seq))))
}
