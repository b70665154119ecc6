//! Live tail: events as they become searchable, filtered here, sent as server-sent events.
//!
//! A page gets at most `ROWS_PER_SEND` rows each `SEND_EVERY`; what it does not get is counted and said. A slow page
//! never slows the log: it misses batches and is told how many rows it missed. Each send has the id of its newest row: a
//! page that comes back with it (`Last-Event-ID`) gets what came in between.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use api::{TailRequest, TailRows};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use search::{Cursor, Search, SearchError, Window};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Interval, MissedTickBehavior};

use crate::Desk;
use crate::log::parse;
use crate::problem::Fault;
use crate::rows::{cursor, event_row, id};

/// Rows collected this long travel together.
const SEND_EVERY: Duration = Duration::from_millis(250);
/// Rows sent at once; 200 a second.
const ROWS_PER_SEND: usize = 50;
/// A comment keeps idle connections open.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Rows sent at once to one who comes back; what is beyond is said to be skipped.
const RESUMED_ROWS_MAX: usize = 1000;
/// Events reach the log this much later than their time at most: resuming looks back so far.
const LATE_MICROS_MAX: i64 = 120_000_000;
/// The newest events are looked for so far back: a search that finds few does not read the whole log.
const LAST_MICROS_MAX: i64 = 86_400_000_000;
/// The header of who comes back.
const LAST_EVENT_ID: &str = "last-event-id";

struct Tail {
    search: Search,
    batches: Receiver<event::Batch>,
    ticks: Interval,
    /// Rows of before, sent first.
    earlier: Option<Sent>,
    /// Numbers of rows of before, which may come a second time from the log.
    known: HashSet<u64>,
    waiting: VecDeque<event::Row>,
    skipped: u64,
    /// Number of the event after the last one seen; a gap tells how many were missed.
    next_seq: Option<u64>,
}

/// Rows that travel together, and the id they give.
struct Sent {
    rows: TailRows,
    id: Option<String>,
}

/// `GET /log/tail`.
#[utoipa::path(get, path = "/api/v1/log/tail",
    params(TailRequest, ("Last-Event-ID" = Option<String>, Header, description = "id of the last event got: begins with what came since")),
    responses(
    (status = 200, description = "server-sent events named `rows`, each with a `TailRows`", content_type = "text/event-stream"),
    (status = 422, body = api::Problem),
    (status = 409, description = "somebody cancelled the search", body = api::Problem),
    (status = 503, description = "the search hit a limit", body = api::Problem)))]
pub(crate) async fn tail(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Query(request): Query<TailRequest>,
) -> Result<Response, Fault> {
    let now = (desk.now_micros)();
    let search = parse(&request.q)?.at(now);
    // What comes while the log is searched is in the search, in the feed, or in both; never in neither.
    let batches = desk.store.subscribe();
    let after = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).and_then(cursor);
    let last = request.last.unwrap_or(0).min(api::ROWS_MAX) as usize;
    let (rows, skipped) = match after {
        Some(after) => since(&desk, &search, after).await?,
        None if last > 0 => (newest(&desk, &search, last).await?, 0),
        None => (Vec::new(), 0),
    };
    let mut ticks = tokio::time::interval(SEND_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let known = rows.iter().map(|row| row.seq).collect();
    let earlier = (!rows.is_empty() || skipped > 0).then(|| sent(rows, skipped));
    let waiting = VecDeque::new();
    let tail = Tail { search, batches, ticks, earlier, known, waiting, skipped: 0, next_seq: None };
    let events = futures::stream::unfold(tail, |mut tail| async move {
        let sent = tail.next().await?;
        let event = Event::default().event("rows").json_data(sent.rows).ok()?;
        let event = match sent.id {
            Some(id) => event.id(id),
            None => event,
        };
        Some((Ok::<_, Infallible>(event), tail))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    Ok(([("x-accel-buffering", "no")], stream).into_response())
}

/// All of the log up to now, and what is dated ahead of the clock.
fn from_to(desk: &Desk, from: i64) -> Window {
    Window { from, to: (desk.now_micros)().saturating_add(LATE_MICROS_MAX) }
}

/// The newest rows that match, newest first; none when they cannot be found within a search's limits.
async fn newest(desk: &Desk, search: &Search, last: usize) -> Result<Vec<event::Row>, Fault> {
    let window = from_to(desk, (desk.now_micros)().saturating_sub(LAST_MICROS_MAX));
    match desk.searcher.rows(search, window, None, last).await {
        Err(SearchError::Limit(_)) => Ok(Vec::new()),
        found => Ok(found?),
    }
}

/// Rows that came after one, newest first, and how many of them are too many to be sent. The log is asked for a bounded
/// number of rows; those beyond are counted, and all that came when a search's limits do not let the rows be found.
async fn since(desk: &Desk, search: &Search, after: Cursor) -> Result<(Vec<event::Row>, u64), Fault> {
    let window = from_to(desk, after.time_micros.saturating_sub(LATE_MICROS_MAX));
    let later = Window { from: after.time_micros.saturating_add(1), to: window.to };
    let mut rows = match desk.searcher.rows(search, window, None, search::ROWS_MAX).await {
        Err(SearchError::Limit(_)) => {
            return Ok((Vec::new(), desk.searcher.count(&Search::default(), later).await?));
        }
        found => found?,
    };
    let mut skipped = 0;
    if let Some(oldest) = rows.last().filter(|_| rows.len() == search::ROWS_MAX) {
        let beyond = Window { to: oldest.time_micros, ..later };
        if beyond.from < beyond.to {
            skipped = desk.searcher.count(search, beyond).await?;
        }
    }
    rows.retain(|row| row.seq > after.seq && row.seq < store::IMPORTED_FROM);
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    skipped += rows.len().saturating_sub(RESUMED_ROWS_MAX) as u64;
    rows.truncate(RESUMED_ROWS_MAX);
    Ok((rows, skipped))
}

/// Rows, newest first, as they travel.
fn sent(rows: Vec<event::Row>, skipped: u64) -> Sent {
    // Imported rows are numbered apart: they do not tell what came when.
    let newest = rows.iter().filter(|row| row.seq < store::IMPORTED_FROM).max_by_key(|row| row.seq);
    let id = newest.map(|row| id(Cursor { time_micros: row.time_micros, seq: row.seq }));
    Sent { rows: TailRows { rows: rows.iter().map(event_row).collect(), skipped }, id }
}

impl Tail {
    /// The next rows to send; `None` when the log closed.
    async fn next(&mut self) -> Option<Sent> {
        if let Some(earlier) = self.earlier.take() {
            return Some(earlier);
        }
        loop {
            tokio::select! {
                batch = self.batches.recv() => match batch {
                    Ok(batch) => self.take(&batch),
                    Err(RecvError::Lagged(batches)) => self.missed(batches),
                    Err(RecvError::Closed) => return None,
                },
                _ = self.ticks.tick(), if !self.waiting.is_empty() => return Some(self.send()),
            }
        }
    }

    /// Batches went by. The first number of the next tells how many events those were; when none was seen before, it is at
    /// least one of each.
    fn missed(&mut self, batches: u64) {
        if self.next_seq.is_none() {
            self.skipped += batches;
        }
    }

    fn take(&mut self, batch: &event::Batch) {
        let Ok(rows) = event::rows(batch) else { return };
        if let (Some(first), Some(expected)) = (rows.first(), self.next_seq) {
            self.skipped += first.seq.saturating_sub(expected);
        }
        self.next_seq = rows.last().map(|row| row.seq + 1).or(self.next_seq);
        for row in rows {
            if self.search.matches(&row) && !self.known.remove(&row.seq) {
                if self.waiting.len() == ROWS_PER_SEND {
                    self.waiting.pop_front();
                    self.skipped += 1;
                }
                self.waiting.push_back(row);
            }
        }
    }

    fn send(&mut self) -> Sent {
        sent(self.waiting.drain(..).rev().collect(), std::mem::take(&mut self.skipped))
    }
}

#[cfg(test)]
mod tests;
