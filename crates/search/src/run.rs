//! Runs searches over the log: rows, counts, series, top values, facets and figures.
//!
//! One engine for all searches, with limits on memory, time and how many run at once. Reads only the columns a search
//! needs, and one state of the log per call.

mod figures;
mod group;
mod matrix;
mod rows;
mod series;
mod top;

use std::future::Future;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use tokio::sync::Semaphore;

use crate::ast::Search;
use crate::compile;

pub use figures::Figures;
pub use group::Count;
pub use matrix::{Matrix, MatrixRow};
pub use series::Series;
pub use top::Top;

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

    fn matching(
        &self,
        table: Arc<dyn TableProvider>,
        search: &Search,
        window: Window,
    ) -> Result<DataFrame, SearchError> {
        Ok(self.inner.engine.read_table(table)?.filter(compile::filter(search, window))?)
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
