//! Live tail: events as they become searchable, filtered here, sent as server-sent events.
//!
//! A page gets at most `ROWS_PER_SEND` rows each `SEND_EVERY`; what it does not get is counted and said. A slow page
//! never slows the log: it misses batches and is told how many rows it missed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use api::{LogScope, TailRows};
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use search::Search;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Interval, MissedTickBehavior};

use crate::Desk;
use crate::log::parse;
use crate::problem::Fault;
use crate::rows::event_row;

/// Rows collected this long travel together.
const SEND_EVERY: Duration = Duration::from_millis(250);
/// Rows sent at once; 200 a second.
const ROWS_PER_SEND: usize = 50;
/// A comment keeps idle connections open.
const HEARTBEAT: Duration = Duration::from_secs(15);

struct Tail {
    search: Search,
    batches: Receiver<event::Batch>,
    ticks: Interval,
    waiting: VecDeque<event::Row>,
    skipped: u64,
    /// Number of the event after the last one seen; a gap tells how many were missed.
    next_seq: Option<u64>,
}

/// `GET /log/tail`.
#[utoipa::path(get, path = "/api/v1/log/tail", params(LogScope), responses(
    (status = 200, description = "server-sent events named `rows`, each with a `TailRows`", content_type = "text/event-stream"),
    (status = 422, body = api::Problem)))]
pub(crate) async fn tail(State(desk): State<Desk>, Query(request): Query<LogScope>) -> Result<Response, Fault> {
    let search = parse(&request.q)?.at((desk.now_micros)());
    let mut ticks = tokio::time::interval(SEND_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let tail =
        Tail { search, batches: desk.store.subscribe(), ticks, waiting: VecDeque::new(), skipped: 0, next_seq: None };
    let events = futures::stream::unfold(tail, |mut tail| async move {
        let rows = tail.next().await?;
        let event = Event::default().event("rows").json_data(rows).ok()?;
        Some((Ok::<_, Infallible>(event), tail))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    Ok(([("x-accel-buffering", "no")], stream).into_response())
}

impl Tail {
    /// The next rows to send; `None` when the log closed.
    async fn next(&mut self) -> Option<TailRows> {
        loop {
            tokio::select! {
                batch = self.batches.recv() => match batch {
                    Ok(batch) => self.take(&batch),
                    // The next batch's first number tells how many events went by.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                _ = self.ticks.tick(), if !self.waiting.is_empty() => return Some(self.send()),
            }
        }
    }

    fn take(&mut self, batch: &event::Batch) {
        let Ok(rows) = event::rows(batch) else { return };
        if let (Some(first), Some(expected)) = (rows.first(), self.next_seq) {
            self.skipped += first.seq.saturating_sub(expected);
        }
        self.next_seq = rows.last().map(|row| row.seq + 1).or(self.next_seq);
        for row in rows {
            if self.search.matches(&row) {
                if self.waiting.len() == ROWS_PER_SEND {
                    self.waiting.pop_front();
                    self.skipped += 1;
                }
                self.waiting.push_back(row);
            }
        }
    }

    fn send(&mut self) -> TailRows {
        let rows = self.waiting.drain(..).rev().map(|row| event_row(&row)).collect();
        TailRows { rows, skipped: std::mem::take(&mut self.skipped) }
    }
}
