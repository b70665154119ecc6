//! Questions asked of the log, one module each, and what they share: one engine, limits, one state of the log per call.
//!
//! Every search runs on threads of its own, with a turn, a time and a share of memory; see [`job`].

mod around;
mod compare;
mod distinct;
mod explain;
mod figures;
mod group;
mod job;
mod matrix;
#[cfg(test)]
mod pruning_tests;
mod quantiles;
mod rolled;
mod rows;
mod series;
mod sketch;
mod sql;
mod stream;
mod tally;
mod top;
pub(crate) mod view;
#[cfg(test)]
mod words_tests;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::sync::Semaphore;

use crate::fault::Fault;
use job::{Jobs, Workers};

pub use around::Around;
pub use compare::{Change, Compared};
pub use distinct::{Distinct, DistinctCount};
pub use explain::{Explained, Finding};
pub use figures::Figures;
pub use group::Count;
pub use job::Running;
#[cfg(test)]
pub(crate) use job::WAITING_MAX;
pub use matrix::{Matrix, MatrixRow};
pub use quantiles::{Quantiles, ValueQuantiles};
pub use series::{Lines, Series};
pub use sql::{SQL_BYTES_MAX, SqlReply, SqlValue};
pub use stream::{Order, Rows};
pub use top::Top;

/// Most rows of one call; the rest comes by cursor.
pub const ROWS_MAX: usize = 10_000;
/// Most values of one top list.
pub const TOP_MAX: usize = 1_000;
/// Most points of one series.
pub const POINTS_MAX: usize = 1_440;
/// Most lines of one series; values beyond are counted together.
pub const LINES_MAX: usize = 100;

/// Tasks the engine divides one search into, at most: the answers to queries come first.
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
    /// The search ran longer or needed more memory than a search may. Names the limit.
    #[error("the search hit a limit: {0}")]
    Limit(String),
    /// Somebody cancelled it.
    #[error("the search was cancelled")]
    Cancelled,
    /// The SQL cannot be run.
    #[error("{0}")]
    Sql(Fault),
    /// Events it asks for are in a remote store that did not give them. Names the object.
    #[error("{0}")]
    Remote(String),
    /// The engine failed.
    #[error("the search engine failed: {0}")]
    Engine(#[from] datafusion::error::DataFusionError),
}

/// Limits of one search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Memory all searches may use together.
    pub memory_bytes: usize,
    /// Memory one search may use: one that needs much leaves room for the others. Half of `memory_bytes` in the product.
    pub search_bytes: usize,
    /// Time one search may take.
    pub time: std::time::Duration,
    /// Searches running at once, and as many streams; more wait.
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
    memory: Arc<GreedyMemoryPool>,
    permits: Arc<Semaphore>,
    /// Turns of streams, which last as long as their readers take.
    stream_permits: Arc<Semaphore>,
    /// How long a stream waits for its reader.
    patience: std::time::Duration,
    limits: Limits,
    jobs: Arc<Jobs>,
    workers: Workers,
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
        let memory = Arc::new(GreedyMemoryPool::new(limits.memory_bytes));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&memory) as _)
            .with_disk_manager_builder(disk)
            .build_arc();
        #[expect(clippy::expect_used, reason = "only the disk manager can fail, and it is off")]
        let runtime = runtime.expect("an engine without a disk can be made");
        Searcher {
            inner: Arc::new(Inner {
                table: Box::new(table),
                engine: SessionContext::new_with_config_rt(config, runtime),
                memory,
                permits: Arc::new(Semaphore::new(limits.concurrent.max(1))),
                stream_permits: Arc::new(Semaphore::new(limits.concurrent.max(1))),
                patience: stream::PATIENCE,
                limits,
                jobs: Arc::default(),
                workers: Workers::new(),
            }),
        }
    }

    /// The same, with streams that wait for their readers only so long.
    #[cfg(test)]
    pub(crate) fn with_patience(mut self, patience: std::time::Duration) -> Searcher {
        Arc::get_mut(&mut self.inner).unwrap().patience = patience;
        self
    }

    /// Waits until fewer searches run than may.
    #[cfg(test)]
    pub(crate) async fn take_turn(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.inner.permits).acquire_owned().await.ok()
    }
}
