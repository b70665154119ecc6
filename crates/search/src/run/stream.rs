//! All rows that match, however many, in order of time: an export.
//!
//! The window is read in slices of few enough rows to be sorted in memory. All slices are of one state of the log, which
//! is kept until the last is read or the stream is dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{cast, ident, lit};
use futures::Stream;
use tokio::sync::{mpsc, oneshot};

use super::group::{Key, groups};
use super::job::{Job, Jobs, Listed};
use super::{SearchError, Searcher, Window};
use crate::ast::Search;

/// Rows of one slice, at most, unless more share one microsecond.
const SLICE_ROWS: u64 = 131_072;
/// Parts a window is cut into to count its rows.
const PARTS: i64 = 1_440;
/// Batches that are ready before the reader asks for them.
const AHEAD: usize = 4;

/// Which rows come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
}

/// Rows as they are found, in batches with the columns of `event::schema`. Dropped, the search stops.
pub struct Rows {
    total: u64,
    batches: mpsc::Receiver<Result<Option<RecordBatch>, SearchError>>,
    listed: Listed,
    ended: bool,
}

impl Rows {
    /// How many rows come in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, SearchError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = match ready!(self.batches.poll_recv(context)) {
            Some(Ok(Some(batch))) => return Poll::Ready(Some(Ok(batch))),
            Some(Ok(None)) => None,
            Some(Err(error)) => Some(Err(error)),
            // The end is said: what stops without it is not whole.
            None => Some(Err(broken(&self.listed))),
        };
        self.ended = true;
        Poll::Ready(next)
    }
}

fn broken(listed: &Listed) -> SearchError {
    if listed.is_cancelled() {
        return SearchError::Cancelled;
    }
    SearchError::Engine(DataFusionError::Execution("a search broke off".to_owned()))
}

impl Searcher {
    /// All rows that match, in order of time, with no cap. Comes back when they are counted; as many streams may run
    /// at once as searches, each slice within the time of a search.
    ///
    /// # Errors
    /// When a limit is hit or the engine fails; later ones come in place of a batch, which is then the last.
    pub async fn stream(&self, search: &Search, window: Window, order: Order) -> Result<Rows, SearchError> {
        let search = search.clone().at(window.to);
        let listed = Jobs::enter(&self.inner.jobs, "stream", search.to_string());
        let (count, counted) = oneshot::channel();
        let (sender, batches) = mpsc::channel(AHEAD);
        let (permits, jobs) = (Arc::clone(&self.inner.stream_permits), self.clone());
        let Some(handle) = self.inner.workers.handle() else { return Err(SearchError::Cancelled) };
        let task = handle.spawn(async move {
            let _turn = permits.acquire_owned().await;
            let job = jobs.job();
            drop(jobs);
            let job = match job {
                Ok(job) => job,
                Err(error) => return drop(count.send(Err(error))),
            };
            let slices = match job.in_time(job.cut(&search, window)).await {
                Ok(slices) => slices,
                Err(error) => return drop(count.send(Err(error))),
            };
            if count.send(Ok(slices.iter().map(|(_, rows)| rows).sum())).is_err() {
                return;
            }
            let last = job.send(&search, slices, order, &sender).await.map(|()| None);
            drop(sender.send(last).await);
        });
        listed.stops(task.abort_handle());
        let total = counted.await.unwrap_or_else(|_| Err(broken(&listed)))?;
        Ok(Rows { total, batches, listed, ended: false })
    }
}

impl Job {
    async fn send(
        &self,
        search: &Search,
        slices: Vec<(Window, u64)>,
        order: Order,
        sender: &mpsc::Sender<Result<Option<RecordBatch>, SearchError>>,
    ) -> Result<(), SearchError> {
        let ascending = order == Order::Oldest;
        // The next slice is the last of the list.
        let turned = |mut slices: Vec<(Window, u64)>| {
            if ascending {
                slices.reverse();
            }
            slices
        };
        let mut waiting = turned(slices);
        while let Some((slice, rows)) = waiting.pop() {
            if rows > SLICE_ROWS && slice.to - slice.from > 1 {
                waiting.extend(turned(self.in_time(self.cut(search, slice)).await?));
                continue;
            }
            let read = async {
                let order = vec![ident("time").sort(ascending, false), ident("seq").sort(ascending, false)];
                Ok(self.matching(search, slice)?.sort(order)?.collect().await?)
            };
            for batch in self.in_time(read).await? {
                if sender.send(Ok(Some(batch))).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The parts of a window that have rows, in order of time, with how many. Those next to each other are joined while
    /// they are few.
    async fn cut(&self, search: &Search, window: Window) -> Result<Vec<(Window, u64)>, SearchError> {
        let width = window.to.saturating_sub(window.from);
        if width <= 0 {
            return Ok(Vec::new());
        }
        let step = width / PARTS + i64::from(width % PARTS != 0);
        let part = (cast(ident("time"), DataType::Int64) - lit(window.from)) / lit(step);
        let mut counts: Vec<(i64, u64)> = groups(self.matching(search, window)?, vec![part], None)
            .await?
            .into_iter()
            .filter_map(|(mut keys, rows)| match keys.pop() {
                Some(Key::Number(part)) => Some((i64::try_from(part).ok()?, rows)),
                _ => None,
            })
            .collect();
        counts.sort_unstable();
        let mut slices: Vec<(Window, u64)> = Vec::new();
        for (part, rows) in counts {
            let from = window.from.saturating_add(part.saturating_mul(step));
            let slice = Window { from, to: from.saturating_add(step).min(window.to) };
            match slices.last_mut() {
                Some((last, sum)) if *sum + rows <= SLICE_ROWS => {
                    last.to = slice.to;
                    *sum += rows;
                }
                _ => slices.push((slice, rows)),
            }
        }
        Ok(slices)
    }
}
