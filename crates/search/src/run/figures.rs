//! The few figures that sum up a range.

use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::{approx_distinct, approx_percentile_cont, count};
use datafusion::logical_expr::{Expr, ExprFunctionExt, cast, ident, lit};
use event::{Action, CacheState};
use wire::code::Code;

use super::group::{fraction, whole};
use super::{SearchError, Searcher, Window};
use crate::ast::Search;

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

impl Searcher {
    /// Figures of the range.
    ///
    /// # Errors
    /// When a limit is hit or the engine fails.
    pub async fn figures(&self, search: &Search, window: Window) -> Result<Figures, SearchError> {
        let search = search.clone();
        self.run("figures", search.to_string(), move |job| async move {
            if let Some(figures) = job.log().rolled_figures(&search, window).await? {
                return Ok(figures);
            }
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
            let frame = job.matching(&search, window)?.aggregate(Vec::new(), figures)?;
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
}
