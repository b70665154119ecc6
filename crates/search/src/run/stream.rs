//! All rows that match, however many, in order of time: an export.
//!
//! The window is read in slices of few enough rows to be sorted in memory. All slices are of one state of the log, which
//! is kept until the last is read or the stream is dropped. A reader that does not read is given up: its turn and its
//! memory are for others.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{cast, ident, lit};
use futures::{Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::group::{Key, groups};
use super::job::{Job, Listed};
use super::{SearchError, Searcher, Window};
use crate::ast::Search;

/// Rows of one slice, at most, unless more share one microsecond.
const SLICE_ROWS: u64 = 131_072;
/// Parts a window is cut into to count its rows.
const PARTS: i64 = 1_440;
/// Batches that are ready before the reader asks for them.
const AHEAD: usize = 4;
/// How long a stream waits for its reader to take one batch.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

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
    batches: mpsc::Receiver<RecordBatch>,
    /// How it ended, once there are no more batches.
    end: oneshot::Receiver<Result<(), SearchError>>,
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
        if let Some(batch) = ready!(self.batches.poll_recv(context)) {
            return Poll::Ready(Some(Ok(batch)));
        }
        let next = match ready!(Pin::new(&mut self.end).poll(context)) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Err(error)),
            // The end is said: what stops without it is not whole.
            Err(_) => Some(Err(broken(&self.listed))),
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
    /// at once as searches. Its turn, its count and each batch come within the time of a search, and the reader takes
    /// each batch within `PATIENCE`.
    ///
    /// # Errors
    /// When a limit is hit or the engine fails; later ones come in place of a batch, which is then the last.
    pub async fn stream(&self, search: &Search, window: Window, order: Order) -> Result<Rows, SearchError> {
        let search = search.clone().at(window.to);
        let listed = self.enter("stream", search.to_string())?;
        let (count, counted) = oneshot::channel();
        let (sender, batches) = mpsc::channel(AHEAD);
        let (ended, end) = oneshot::channel();
        let (permits, jobs, patience) = (Arc::clone(&self.inner.stream_permits), self.clone(), self.inner.patience);
        let Some(handle) = self.inner.workers.handle() else { return Err(SearchError::Cancelled) };
        let task = handle.spawn(async move {
            let turn = tokio::time::timeout(jobs.inner.limits.time, permits.acquire_owned()).await;
            let Ok(_turn) = turn else { return drop(count.send(Err(jobs.inner.limits.too_long()))) };
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
            drop(ended.send(job.send(&search, slices, order, &sender, patience).await));
        });
        listed.stops(task.abort_handle());
        let total = counted.await.unwrap_or_else(|_| Err(broken(&listed)))?;
        Ok(Rows { total, batches, end, listed, ended: false })
    }
}

impl Job {
    async fn send(
        &self,
        search: &Search,
        slices: Vec<(Window, u64)>,
        order: Order,
        sender: &mpsc::Sender<RecordBatch>,
        patience: Duration,
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
                Ok(self.matching(search, slice)?.sort(order)?.execute_stream().await?)
            };
            // What is sorted and not sent yet stays with the engine, which counts it.
            let mut sorted = self.in_time(read).await?;
            while let Some(batch) = self.in_time(async { Ok(sorted.next().await.transpose()?) }).await? {
                match tokio::time::timeout(patience, sender.send(batch)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Ok(()),
                    Err(_) => {
                        let waited = patience.as_millis();
                        return Err(SearchError::Limit(format!("the reader took nothing for {waited} ms")));
                    }
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
