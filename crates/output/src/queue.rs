//! From the log's feed to a sink's thread: a queue that never makes anyone wait.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event::Batch;

/// Most events that wait for a sink's thread: a second or so of a busy server. What comes on top is dropped and counted.
pub const QUEUE_ROWS_MAX: usize = 256 * 1024;

/// What one turn of the thread takes.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) batches: Vec<Entry>,
    /// Events dropped in all since the queue was made.
    pub(crate) dropped: u64,
    pub(crate) is_stopping: bool,
}

pub(crate) struct Entry {
    pub(crate) batch: Batch,
    /// Events dropped since the batch before.
    pub(crate) dropped_before: u64,
}

#[derive(Default)]
struct Inside {
    waiting: VecDeque<Entry>,
    rows: usize,
    dropped: u64,
    dropped_since: u64,
    is_woken: bool,
    is_stopping: bool,
}

#[derive(Default)]
pub(crate) struct Queue {
    inside: Mutex<Inside>,
    filled: Condvar,
}

impl Queue {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a batch, or drops and counts it.
    pub(crate) fn offer(&self, batch: Batch) {
        let mut inside = self.inside();
        let rows = batch.num_rows();
        if inside.is_stopping || inside.rows + rows > QUEUE_ROWS_MAX {
            inside.dropped += rows as u64;
            inside.dropped_since += rows as u64;
            return;
        }
        inside.rows += rows;
        let dropped_before = std::mem::take(&mut inside.dropped_since);
        inside.waiting.push_back(Entry { batch, dropped_before });
        drop(inside);
        self.filled.notify_one();
    }

    /// Ends a wait.
    pub(crate) fn wake(&self) {
        self.inside().is_woken = true;
        self.filled.notify_one();
    }

    /// No more is taken in.
    pub(crate) fn stop(&self) {
        self.inside().is_stopping = true;
        self.filled.notify_one();
    }

    /// Events that wait.
    pub(crate) fn rows(&self) -> usize {
        self.inside().rows
    }

    /// All that waits, at once when something does, else after at most this time.
    pub(crate) fn take(&self, wait: Duration) -> Taken {
        let until = Instant::now() + wait;
        let mut inside = self.inside();
        while inside.waiting.is_empty() && !inside.is_woken && !inside.is_stopping {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inside = self.filled.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        inside.is_woken = false;
        inside.rows = 0;
        Taken { batches: inside.waiting.drain(..).collect(), dropped: inside.dropped, is_stopping: inside.is_stopping }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: usize) -> Batch {
        crate::sink::tests::batch(0, rows as u64)
    }

    #[test]
    fn a_full_queue_drops_and_says_how_many() {
        let queue = Queue::default();
        let one = batch(1000);
        let offered = QUEUE_ROWS_MAX / 1000 + 3;
        (0..offered).for_each(|_| queue.offer(one.clone()));
        assert_eq!(queue.rows(), QUEUE_ROWS_MAX / 1000 * 1000);
        let taken = queue.take(Duration::ZERO);
        assert_eq!((taken.batches.len(), taken.dropped), (QUEUE_ROWS_MAX / 1000, 3000));
        queue.offer(one);
        let taken = queue.take(Duration::ZERO);
        assert_eq!((taken.batches[0].dropped_before, taken.dropped), (3000, 3000), "the gap stands where it was");
    }

    #[test]
    fn a_stopped_queue_takes_no_more() {
        let queue = Queue::default();
        queue.offer(batch(2));
        queue.stop();
        queue.offer(batch(3));
        let taken = queue.take(Duration::from_secs(60));
        assert!(taken.is_stopping);
        assert_eq!((taken.batches.len(), taken.dropped), (1, 3));
    }
}
