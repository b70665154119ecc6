//! Counts over time.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, cast, ident, lit};
use wire::code::CODES;

use super::group::{Count, Key, any_of, code_place, count_of, group_column, groupable, groups, is_small, single};
use super::{LINES_MAX, POINTS_MAX, SearchError, Searcher, Window};
use crate::ast::Search;
use crate::fields::Id;

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

/// Which lines a series has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Most lines, up to `LINES_MAX`: the values that occur most; the rest is counted together. Codes are few, and all
    /// of them have lines.
    pub most: usize,
    /// Whether codes that do not occur have lines of zeros, so that all of the table is there.
    pub zeros: bool,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines { most: LINES_MAX, zeros: false }
    }
}

impl Searcher {
    /// Counts over time, one line per value of `by` that occurs, at most `points` points. With an empty `by`, one line
    /// for all.
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
        self.series_of(search, window, by, points, Lines::default()).await
    }

    /// Like `series`, with a choice of lines.
    ///
    /// # Errors
    /// When `by` is no field to group by, a limit is hit or the engine fails.
    pub async fn series_of(
        &self,
        search: &Search,
        window: Window,
        by: &str,
        points: usize,
        lines: Lines,
    ) -> Result<Series, SearchError> {
        let id = if by.is_empty() { None } else { Some(groupable(by)?) };
        if let Some(id @ (Id::Ede | Id::Flags)) = id {
            let name = id.field().name;
            return Err(SearchError::Field(format!("an event can have several `{name}`: lines cannot be drawn by it")));
        }
        let axis = Axis::new(window, points);
        let search = search.clone();
        self.run("series", search.to_string(), move |job| async move {
            let frame = || job.matching(&search, window);
            let point = || axis.column();
            let Some(id) = id else {
                return Ok(axis.series(None, job.log().counted(&search, window, Some(&axis), &[]).await?, lines));
            };
            if is_small(id) {
                let groups = job.log().counted(&search, window, Some(&axis), &[id]).await?;
                return Ok(axis.series(Some(id), groups, lines));
            }
            // Values by points can be as many as events: only those that have lines are told apart.
            let most = lines.most.clamp(1, LINES_MAX);
            let values = single(groups(frame()?, vec![group_column(id)], Some(most)).await?);
            let all = groups(frame()?, vec![point()], None).await?;
            let listed = frame()?.filter(any_of(id, values.keys()))?;
            let listed = groups(listed, vec![point(), group_column(id)], None).await?;
            let mut series = axis.series(Some(id), listed, lines);
            series.other = axis.counts(&all);
            for (_, line) in &series.lines {
                series.other.iter_mut().zip(line).for_each(|(rest, count)| *rest = rest.saturating_sub(*count));
            }
            Ok(series)
        })
        .await
    }
}

/// The points of a series.
#[derive(Clone)]
pub(super) struct Axis {
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) points: usize,
}

impl Axis {
    /// The number of the point a row is in.
    pub(super) fn column(&self) -> Expr {
        (cast(ident("time"), DataType::Int64) - lit(self.start)) / lit(self.step)
    }

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

    fn counts(&self, groups: &[(Vec<Key>, u64)]) -> Vec<u64> {
        let mut line = vec![0; self.points];
        for (keys, count) in groups {
            let Some(Key::Number(point)) = keys.first() else { continue };
            if let Some(cell) = usize::try_from(*point).ok().and_then(|point| line.get_mut(point)) {
                *cell += count;
            }
        }
        line
    }

    fn series(&self, id: Option<Id>, groups: Vec<(Vec<Key>, u64)>, which: Lines) -> Series {
        let mut lines: HashMap<Key, Vec<u64>> = HashMap::new();
        if id == Some(Id::Code) && which.zeros {
            let zeros = |info: &wire::code::CodeInfo| (Key::Number(info.code.key().into()), vec![0; self.points]);
            lines.extend(CODES.iter().map(zeros));
        }
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
        let most = if id == Some(Id::Code) { LINES_MAX } else { which.most.clamp(1, LINES_MAX) };
        for (_, line) in lines.drain(lines.len().min(most)..) {
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
