//! Figures and numbers of different values from rollups.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, UInt16Type, UInt32Type};
use datafusion::logical_expr::{Expr, cast, ident};
use event::{Action, CacheState};
use futures::StreamExt;
use store::{Damaged, Distinct, Latencies, Rollup};
use wire::code::Code;

use super::super::figures::Figures;
use super::super::{SearchError, Window};
use super::{Log, summed};
use crate::ast::Search;
use crate::fields::Id;

/// The place of a field among the sketches of a rollup.
fn sketch_of(id: Id) -> Option<usize> {
    match id {
        Id::Domain => Some(0),
        Id::RegDomain => Some(1),
        Id::Client => Some(2),
        _ => None,
    }
}

/// Figures being added up.
#[derive(Default)]
struct Sums {
    figures: Figures,
    clients: Distinct,
    latencies: Latencies,
}

impl Sums {
    fn add(&mut self, action: u16, code: Option<u16>, cache: u16, events: u64) {
        let figures = &mut self.figures;
        let is = |code: Option<u16>, which: Code| code == Some(which.key());
        let hit = [CacheState::Hit, CacheState::Stale].iter().any(|state| cache == u16::from(state.number()));
        for (sum, whether) in [
            (&mut figures.queries, true),
            (&mut figures.blocked, action == u16::from(Action::Block.number())),
            (&mut figures.servfail, is(code, Code::SERVFAIL)),
            (&mut figures.nxdomain, is(code, Code::NXDOMAIN)),
            (&mut figures.cache_hits, hit),
        ] {
            *sum += if whether { events } else { 0 };
        }
    }

    /// Adds a segment.
    fn add_rollup(&mut self, rollup: &Rollup) -> Result<(), Damaged> {
        let (cells, by_code, sketches) = (rollup.hours()?, rollup.latencies()?, rollup.sketches()?);
        for cell in cells.stretches().flat_map(|(_, cells)| cells) {
            let group = &cells.groups()[cell.group as usize];
            self.add(group.action.into(), group.code, group.cache.into(), cell.events.into());
        }
        self.clients.merge(&sketches[2]);
        by_code.iter().for_each(|(_, of_code)| self.latencies.merge(of_code));
        Ok(())
    }

    /// Adds rows: client, latency, action, code and cache.
    fn add_rows(&mut self, columns: &[Arc<dyn Array>]) {
        columns[0].as_fixed_size_binary().iter().flatten().for_each(|client| self.clients.add(client));
        let latencies = columns[1].as_primitive::<UInt32Type>();
        latencies.values().iter().for_each(|micros| self.latencies.add(*micros));
        let number = |at: usize| columns[at].as_primitive::<UInt16Type>();
        let (action, code, cache) = (number(2), number(3), number(4));
        for row in 0..action.len() {
            let code = code.is_valid(row).then(|| code.value(row));
            self.add(action.value(row), code, cache.value(row), 1);
        }
    }
}

impl Log {
    /// The figures of all events in a window from rollups; `None` when they cannot say it.
    pub(in super::super) async fn rolled_figures(
        &self,
        search: &Search,
        window: Window,
    ) -> Result<Option<Figures>, SearchError> {
        let Some(divided) = self.divided(window).filter(|_| search.is_empty()) else { return Ok(None) };
        let add = |sums: &mut Sums, rollup: &Rollup| sums.add_rollup(rollup).map(|()| Ok(true));
        let want = |rollup: &Rollup| {
            rollup.hours()?;
            rollup.latencies()?;
            rollup.sketches().map(drop)
        };
        let Some((mut sums, rest)) = summed(divided, Sums::default(), want, add).await? else { return Ok(None) };
        if let Some(rest) = rest {
            let number = |column: &str| cast(ident(column), DataType::UInt16);
            let latency = cast(ident("latency"), DataType::UInt32);
            let columns = vec![ident("client"), latency, number("action"), number("code"), number("cache")];
            self.over(rest).each(search, window, columns, |columns| sums.add_rows(columns)).await?;
        }
        Ok(Some(Figures {
            clients: sums.clients.estimate(),
            latency_p50_micros: sums.latencies.quantile(0.5),
            latency_p95_micros: sums.latencies.quantile(0.95),
            ..sums.figures
        }))
    }

    /// The different values of a field over all events in a window from rollups; `None` when they cannot say it.
    pub(in super::super) async fn rolled_distinct(
        &self,
        search: &Search,
        window: Window,
        id: Id,
    ) -> Result<Option<Distinct>, SearchError> {
        let Some(place) = sketch_of(id).filter(|_| search.is_empty()) else { return Ok(None) };
        let Some(divided) = self.divided(window) else { return Ok(None) };
        let add = move |distinct: &mut Distinct, rollup: &Rollup| {
            distinct.merge(&rollup.sketches()?[place]);
            Ok(Ok(true))
        };
        let want = |rollup: &Rollup| rollup.sketches().map(drop);
        let Some((mut distinct, rest)) = summed(divided, Distinct::default(), want, add).await? else {
            return Ok(None);
        };
        if let Some(rest) = rest {
            let column = if id == Id::Client { ident("client") } else { cast(ident(id.column()), DataType::Utf8) };
            self.over(rest)
                .each(search, window, vec![column], |columns| match columns[0].as_string_opt::<i32>() {
                    Some(texts) => texts.iter().flatten().for_each(|text| distinct.add(text.as_bytes())),
                    None => {
                        columns[0].as_fixed_size_binary().iter().flatten().for_each(|client| distinct.add(client));
                    }
                })
                .await?;
        }
        Ok(Some(distinct))
    }

    /// Hands the columns of matching rows on, batch by batch.
    async fn each(
        &self,
        search: &Search,
        window: Window,
        columns: Vec<Expr>,
        mut take: impl FnMut(&[Arc<dyn Array>]),
    ) -> Result<(), SearchError> {
        let columns = columns.into_iter().enumerate().map(|(at, column)| column.alias(format!("v{at}")));
        let frame = self.matching(search, window)?.select(columns.collect::<Vec<_>>())?;
        let mut batches = frame.execute_stream().await?;
        while let Some(batch) = batches.next().await {
            take(batch?.columns());
        }
        Ok(())
    }
}
