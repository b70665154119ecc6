//! Figures and numbers of different values from rollups.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, UInt32Type};
use datafusion::logical_expr::{Expr, cast, ident};
use event::{Action, CacheState};
use futures::StreamExt;
use store::{Distinct, Latencies};
use wire::code::Code;

use super::super::figures::Figures;
use super::super::group::Key;
use super::super::{SearchError, Window};
use super::{Log, taken};
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

impl Log {
    /// The figures of all events in a window from rollups; `None` when they cannot say it.
    pub(in super::super) async fn rolled_figures(
        &self,
        search: &Search,
        window: Window,
    ) -> Result<Option<Figures>, SearchError> {
        let Some(divided) = self.divided(window).filter(|_| search.is_empty()) else { return Ok(None) };
        let (all, rest) = taken(divided, |rollup| Ok((rollup.latencies()?, rollup.sketches()?))).await?;
        let mut clients = Distinct::default();
        let mut latencies = Latencies::default();
        for (by_code, sketches) in &all {
            clients.merge(&sketches[2]);
            by_code.iter().for_each(|(_, of_code)| latencies.merge(of_code));
        }
        if let Some(rest) = rest {
            let columns = vec![ident("client"), cast(ident("latency"), DataType::UInt32)];
            self.over(rest)
                .each(search, window, columns, |columns| {
                    let client = columns[0].as_fixed_size_binary();
                    client.iter().flatten().for_each(|client| clients.add(client));
                    columns[1].as_primitive::<UInt32Type>().values().iter().for_each(|micros| latencies.add(*micros));
                })
                .await?;
        }
        let mut figures = Figures {
            clients: clients.estimate(),
            latency_p50_micros: latencies.quantile(0.5),
            latency_p95_micros: latencies.quantile(0.95),
            ..Figures::default()
        };
        let is = |key: &Key, number: u64| *key == Key::Number(number);
        for (keys, events) in self.counted(search, window, None, &[Id::Action, Id::Code, Id::Cache]).await? {
            let [action, code, cache] = keys.as_slice() else { continue };
            let mut add = |sum: fn(&mut Figures) -> &mut u64, whether: bool| {
                if whether {
                    *sum(&mut figures) += events;
                }
            };
            add(|figures| &mut figures.queries, true);
            add(|figures| &mut figures.blocked, is(action, Action::Block.number().into()));
            add(|figures| &mut figures.servfail, is(code, Code::SERVFAIL.key().into()));
            add(|figures| &mut figures.nxdomain, is(code, Code::NXDOMAIN.key().into()));
            let hit = is(cache, CacheState::Hit.number().into()) || is(cache, CacheState::Stale.number().into());
            add(|figures| &mut figures.cache_hits, hit);
        }
        Ok(Some(figures))
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
        let (all, rest) = taken(divided, |rollup| rollup.sketches()).await?;
        let mut distinct = Distinct::default();
        all.iter().for_each(|sketches| distinct.merge(&sketches[place]));
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
