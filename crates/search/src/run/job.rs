//! One search at work: its turn, its share of memory, its time, and the way to stop it.
//!
//! Searches run on threads of their own with a lowered priority: answers come first whatever is asked of the log. A
//! search stops when its future is dropped, when it is cancelled and when it hits a limit; nothing of it stays behind.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::{
    GreedyMemoryPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{DataFrame, SessionContext};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

use super::rolled::Log;
use super::{Limits, SearchError, Searcher, Window};
use crate::ast::Search;
use crate::compile;
use crate::fields::Id;

/// How far below the threads that answer: with every core busy, a search gets about a tenth of one.
const NICENESS: u8 = 10;

/// Stack of each thread, bytes: plans are walked by recursion. Only what is used of it is taken.
const STACK_BYTES: usize = 64 << 20;

/// Most searches and streams that wait for their turn; more are refused.
pub(crate) const WAITING_MAX: usize = 256;

/// Longest text of a search that is kept to be shown, bytes.
const SHOWN_BYTES_MAX: usize = 500;

/// One search at work, or waiting for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its number, to cancel it by.
    pub id: u64,
    /// What was asked: `rows`, `top`, `sql` and so on.
    pub kind: &'static str,
    /// The search as text; cut when long.
    pub text: String,
    /// Time since it was asked.
    pub elapsed: Duration,
}

/// The threads of searches.
pub(super) struct Workers {
    runtime: Option<Runtime>,
}

impl Workers {
    pub(super) fn new() -> Workers {
        let runtime = Builder::new_multi_thread()
            .worker_threads(sys::cores())
            .thread_name("search")
            .thread_stack_size(STACK_BYTES)
            // To step back needs no permission. Where it fails all the same, the threads are as others are.
            .on_thread_start(|| drop(sys::lower_priority(NICENESS)))
            .enable_time()
            .build();
        #[expect(clippy::expect_used, reason = "as with any thread that cannot be started")]
        Workers { runtime: Some(runtime.expect("threads for searches can be started")) }
    }

    pub(super) fn handle(&self) -> Option<&Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // The last searcher may go on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Entry {
    kind: &'static str,
    text: String,
    since: Instant,
    cancelled: Arc<AtomicBool>,
    abort: Option<AbortHandle>,
}

/// All searches of one searcher.
#[derive(Default)]
pub(super) struct Jobs {
    next: AtomicU64,
    entries: Mutex<BTreeMap<u64, Entry>>,
    /// Those that were refused because too many waited.
    refused: AtomicU64,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names a search; it is in the list until what is returned is dropped.
    fn enter(jobs: &Arc<Jobs>, kind: &'static str, mut text: String, limits: Limits) -> Result<Listed, SearchError> {
        text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
        let id = jobs.next.fetch_add(1, Ordering::Relaxed) + 1;
        let cancelled = Arc::new(AtomicBool::new(false));
        let entry = Entry { kind, text, since: Instant::now(), cancelled: Arc::clone(&cancelled), abort: None };
        let mut entries = jobs.lock();
        // As many searches and as many streams work at once; the others wait.
        if entries.len() >= WAITING_MAX.saturating_add(limits.concurrent.max(1).saturating_mul(2)) {
            jobs.refused.fetch_add(1, Ordering::Relaxed);
            return Err(SearchError::Limit(format!("{WAITING_MAX} searches are waiting already")));
        }
        entries.insert(id, entry);
        drop(entries);
        Ok(Listed { jobs: Arc::clone(jobs), id, cancelled })
    }
}

/// A search in the list. Dropped, the search is stopped and forgotten.
pub(super) struct Listed {
    jobs: Arc<Jobs>,
    id: u64,
    cancelled: Arc<AtomicBool>,
}

impl Listed {
    pub(super) fn stops(&self, abort: AbortHandle) {
        // First to be found, then to ask: whoever cancels in between has done the one or the other.
        if let Some(entry) = self.jobs.lock().get_mut(&self.id) {
            entry.abort = Some(abort.clone());
        }
        if self.is_cancelled() {
            abort.abort();
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let entry = self.jobs.lock().remove(&self.id);
        if let Some(abort) = entry.and_then(|entry| entry.abort) {
            abort.abort();
        }
    }
}

/// The memory of one search, as a part of the memory of all.
#[derive(Debug)]
struct Share {
    all: Arc<GreedyMemoryPool>,
    used: AtomicUsize,
    limits: Limits,
    short: Short,
}

/// Whether what ran out was the memory of all searches. Operators put their own words in place of the pool's.
type Short = Arc<AtomicBool>;

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one search")
    }
}

impl MemoryPool for Share {
    fn name(&self) -> &str {
        "one search"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.all.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.all.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.used.fetch_add(additional, Ordering::Relaxed);
        self.all.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.used.fetch_sub(shrink, Ordering::Relaxed);
        self.all.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<(), DataFusionError> {
        let max = self.limits.search_bytes;
        let within = |used: usize| used.checked_add(additional).filter(|used| *used <= max);
        let refused = |text: String| DataFusionError::ResourcesExhausted(text);
        if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_err() {
            return Err(refused(self.limits.one_search()));
        }
        self.all.try_grow(reservation, additional).map_err(|_| {
            self.short.store(true, Ordering::Release);
            self.used.fetch_sub(additional, Ordering::Relaxed);
            refused(self.limits.all_searches())
        })
    }

    fn reserved(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limits.search_bytes)
    }
}

impl Limits {
    fn one_search(&self) -> String {
        format!("one search may use {} bytes of memory (half of search.memory)", self.search_bytes)
    }

    fn all_searches(&self) -> String {
        format!("searches together may use {} bytes of memory (search.memory)", self.memory_bytes)
    }

    pub(super) fn too_long(&self) -> SearchError {
        SearchError::Limit(format!("it took longer than {} ms (search.time)", self.time.as_millis()))
    }

    /// What the engine says, as a search says it.
    fn told(&self, error: DataFusionError, short: &Short) -> SearchError {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) if short.load(Ordering::Acquire) => {
                SearchError::Limit(self.all_searches())
            }
            DataFusionError::ResourcesExhausted(_) => SearchError::Limit(self.one_search()),
            _ => match store::remote_fault(&error) {
                Some(text) => SearchError::Remote(text),
                None => SearchError::Engine(error),
            },
        }
    }
}

/// What a search works with: one state of the log, and its own share of memory.
pub(super) struct Job {
    /// The state of the log.
    pub(super) table: Arc<dyn TableProvider>,
    pub(super) engine: SessionContext,
    limits: Limits,
    short: Short,
}

impl Job {
    /// The rows of a window that match.
    pub(super) fn matching(&self, search: &Search, window: Window) -> Result<DataFrame, SearchError> {
        Ok(self.all()?.filter(compile::filter(search, window))?)
    }

    /// The same, for a question about the words of a field: of segments that are wholly inside they come as dictionaries, each
    /// word once for many rows.
    pub(super) fn matching_words(
        &self,
        search: &Search,
        window: Window,
        words: Id,
    ) -> Result<Vec<DataFrame>, SearchError> {
        let filter = compile::filter_inside(search, window);
        // Conditions are held against words as they are.
        let asked = |filter: &Expr| filter.column_refs().iter().any(|column| column.name == words.column());
        let apart = words != Id::Tld && !filter.as_ref().is_some_and(asked);
        let inside = || store::inside(self.table.as_ref(), window.from, window.to, words.column());
        let Some(store::Inside { segments, rest }) = apart.then(inside).flatten() else {
            return Ok(vec![self.matching(search, window)?]);
        };
        let segments = self.engine.read_table(segments)?;
        let mut frames = vec![match filter {
            Some(filter) => segments.filter(filter)?,
            None => segments,
        }];
        if let Some(rest) = rest {
            frames.push(self.engine.read_table(rest)?.filter(compile::filter(search, window))?);
        }
        Ok(frames)
    }

    /// The state of the log, for what rollups can answer.
    pub(super) fn log(&self) -> Log {
        Log::new(&self.engine, Arc::clone(&self.table))
    }

    /// All rows.
    pub(super) fn all(&self) -> Result<DataFrame, SearchError> {
        Ok(self.engine.read_table(Arc::clone(&self.table))?)
    }

    /// Room for what a question keeps in memory by itself.
    pub(super) fn memory(&self, name: &'static str) -> MemoryReservation {
        MemoryConsumer::new(name).register(&self.engine.runtime_env().memory_pool)
    }

    /// Within the time one search may take.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, SearchError>>,
    ) -> Result<T, SearchError> {
        in_time(self.limits, &self.short, work).await
    }
}

async fn in_time<T>(
    limits: Limits,
    short: &Short,
    work: impl Future<Output = Result<T, SearchError>>,
) -> Result<T, SearchError> {
    match tokio::time::timeout(limits.time, work).await {
        Err(_) => Err(limits.too_long()),
        Ok(Err(SearchError::Engine(error))) => Err(limits.told(error, short)),
        Ok(done) => done,
    }
}

impl Searcher {
    /// Searches at work or waiting, in the order they were asked.
    #[must_use]
    pub fn running(&self) -> Vec<Running> {
        let running = |(id, entry): (&u64, &Entry)| Running {
            id: *id,
            kind: entry.kind,
            text: entry.text.clone(),
            elapsed: entry.since.elapsed(),
        };
        self.inner.jobs.lock().iter().map(running).collect()
    }

    /// Searches that were refused because too many waited, since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.inner.jobs.refused.load(Ordering::Relaxed)
    }

    /// Names a search; it is in the list until what is returned is dropped.
    pub(super) fn enter(&self, kind: &'static str, text: String) -> Result<Listed, SearchError> {
        Jobs::enter(&self.inner.jobs, kind, text, self.inner.limits)
    }

    /// Stops a search; who asked is told `SearchError::Cancelled`. False when there is none of this number.
    pub fn cancel(&self, id: u64) -> bool {
        let jobs = self.inner.jobs.lock();
        let Some(entry) = jobs.get(&id) else { return false };
        entry.cancelled.store(true, Ordering::Release);
        if let Some(abort) = &entry.abort {
            abort.abort();
        }
        true
    }

    /// What a search works with, of the log as it is now.
    pub(super) fn job(&self) -> Result<Job, SearchError> {
        self.job_of(&Short::default())
    }

    fn job_of(&self, short: &Short) -> Result<Job, SearchError> {
        let (limits, short) = (self.inner.limits, Arc::clone(short));
        let (all, used) = (Arc::clone(&self.inner.memory), AtomicUsize::new(0));
        let share = Share { all, used, limits, short: Arc::clone(&short) };
        let runtime = RuntimeEnvBuilder::from_runtime_env(&self.inner.engine.runtime_env())
            .with_memory_pool(Arc::new(share))
            .build_arc()?;
        let state = SessionStateBuilder::new_from_existing(self.inner.engine.state()).with_runtime_env(runtime).build();
        Ok(Job { table: (self.inner.table)(), engine: SessionContext::new_with_state(state), limits, short })
    }

    /// Waits for its turn and runs, both within the time limit, on the threads of searches.
    pub(super) async fn run<T, W>(
        &self,
        kind: &'static str,
        text: String,
        work: impl FnOnce(Job) -> W + Send + 'static,
    ) -> Result<T, SearchError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, SearchError>> + Send + 'static,
    {
        let listed = self.enter(kind, text)?;
        let (searcher, limits) = (self.clone(), self.inner.limits);
        let short = Short::default();
        let job_short = Arc::clone(&short);
        let turn = async move {
            let _turn = Arc::clone(&searcher.inner.permits).acquire_owned().await;
            let job = searcher.job_of(&job_short)?;
            // A task holds no searcher while it works: the threads end with the last one.
            drop(searcher);
            Box::pin(work(job)).await
        };
        let Some(handle) = self.inner.workers.handle() else { return Err(SearchError::Cancelled) };
        let task = handle.spawn(async move { in_time(limits, &short, turn).await });
        listed.stops(task.abort_handle());
        ended(task.await)
    }
}

/// What became of a task.
pub(super) fn ended<T>(task: Result<Result<T, SearchError>, tokio::task::JoinError>) -> Result<T, SearchError> {
    match task {
        Ok(done) => done,
        Err(error) if error.is_cancelled() => Err(SearchError::Cancelled),
        Err(error) => Err(SearchError::Engine(DataFusionError::Execution(format!("a search broke off: {error}")))),
    }
}
