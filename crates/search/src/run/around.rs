//! One row among its client's others: what the client asked just before, and just after.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ident, lit};
use event::Row;

use super::job::Job;
use super::rows::older;
use super::{Cursor, ROWS_MAX, SearchError, Searcher, Window};
use crate::ast::Search;
use crate::compile;

/// How far from the row is looked, microseconds each way.
const REACH_MICROS: i64 = 86_400_000_000;
/// Width of the first step outwards, microseconds.
const FIRST_STEP_MICROS: i64 = 60_000_000;
/// Each step outwards is this many times as wide as the one before.
const STEP_GROWTH: i64 = 6;

/// A client's rows around one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Around {
    /// In order of time.
    pub rows: Vec<Row>,
    /// Which of them it is about.
    pub place: usize,
}

impl Searcher {
    /// The rows of the same client next to one row: at most `before` earlier ones and `after` later ones, of a day each
    /// way. `None` when there is no such row.
    ///
    /// # Errors
    /// When a limit is hit or the engine fails.
    pub async fn around(&self, at: Cursor, before: usize, after: usize) -> Result<Option<Around>, SearchError> {
        self.run("around", String::new(), move |job| async move {
            let Some(row) = job.row(at).await? else { return Ok(None) };
            let client = event::address_bytes(row.client).to_vec();
            let client = ident("client").eq(Expr::Literal(ScalarValue::FixedSizeBinary(16, Some(client)), None));
            let mut rows = job.next_to(&client, at, false, before.min(ROWS_MAX)).await?;
            rows.reverse();
            let place = rows.len();
            rows.push(row);
            rows.extend(job.next_to(&client, at, true, after.min(ROWS_MAX)).await?);
            Ok(Some(Around { rows, place }))
        })
        .await
    }
}

impl Job {
    /// Rows next to a place, nearest first, on the one side or the other.
    async fn next_to(&self, which: &Expr, at: Cursor, later: bool, limit: usize) -> Result<Vec<Row>, SearchError> {
        let beyond = if later { newer(at) } else { older(at) };
        let mut rows = Vec::new();
        let (mut near, mut width) = (0, FIRST_STEP_MICROS);
        while near < REACH_MICROS && rows.len() < limit {
            let far = (near + width).min(REACH_MICROS);
            let time = |offset: i64| at.time_micros.saturating_add(offset);
            let window = match later {
                true => Window { from: time(near), to: time(far) },
                false => Window { from: time(1 - far), to: time(1 - near) },
            };
            let inside = compile::filter(&Search::default(), window);
            let wanted = which.clone().and(inside).and(beyond.clone());
            rows.extend(self.sorted(wanted, Some(which.clone()), later, limit - rows.len()).await?);
            (near, width) = (far, width.saturating_mul(STEP_GROWTH));
        }
        Ok(rows)
    }
}

fn newer(than: Cursor) -> Expr {
    let at = compile::instant(than.time_micros);
    let later = ident("time").gt(at.clone());
    later.or(ident("time").eq(at).and(ident("seq").gt(lit(than.seq))))
}
