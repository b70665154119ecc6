//! What is still to be sent, in order: in memory while the far end keeps up, on disk when it does not, and what was handed over
//! lately, until nobody doubts that it arrived.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::spool::{Place, Spool};
use crate::status::{Loss, Lost};

/// Octets that wait in memory; what comes on top goes to the spool.
pub const READY_BYTES_MAX: usize = 1 << 20;
/// Octets handed over lately that are sent again when the connection breaks.
pub const DOUBT_BYTES_MAX: usize = 1 << 20;
/// How long what was handed over is in doubt.
pub const DOUBT_FOR: Duration = Duration::from_secs(10);

struct Record {
    octets: Vec<u8>,
    /// Where it is on disk too.
    place: Option<Place>,
}

pub(crate) struct Backlog {
    ready: VecDeque<Record>,
    ready_bytes: usize,
    /// Octets of the first record that were handed over.
    written: usize,
    doubtful: VecDeque<(Vec<u8>, Instant)>,
    doubtful_bytes: usize,
    pub(crate) spool: Spool,
    lost: Lost,
}

impl Backlog {
    pub(crate) fn new(spool: Spool) -> Backlog {
        Backlog {
            ready: VecDeque::new(),
            ready_bytes: 0,
            written: 0,
            doubtful: VecDeque::new(),
            doubtful_bytes: 0,
            spool,
            lost: Lost::default(),
        }
    }

    /// Events that wait in memory and not on disk.
    pub(crate) fn queued(&self) -> usize {
        self.ready.iter().filter(|record| record.place.is_none()).count()
    }

    /// Events lost here and in the spool.
    pub(crate) fn lost(&self) -> Lost {
        let mut lost = self.spool.lost;
        Loss::ALL.into_iter().for_each(|reason| lost.add(reason, self.lost.of(reason)));
        lost
    }

    /// Adds a record behind all others. While the far end is not there it goes to disk at once.
    pub(crate) fn push(&mut self, octets: Vec<u8>, is_connected: bool) -> std::io::Result<()> {
        let has_room = self.ready_bytes + octets.len() <= READY_BYTES_MAX;
        if self.spool.is_off() {
            self.ready_bytes += octets.len();
            self.ready.push_back(Record { octets, place: None });
            self.hold_memory();
            return Ok(());
        }
        if is_connected && has_room && self.spool.is_empty() {
            self.ready_bytes += octets.len();
            self.ready.push_back(Record { octets, place: None });
            return Ok(());
        }
        self.spool.append(&octets)
    }

    /// Without a spool the oldest go when memory is full. One that is half written stays: its rest belongs to the stream.
    fn hold_memory(&mut self) {
        while self.ready_bytes > READY_BYTES_MAX && self.ready.len() > 1 {
            let at = usize::from(self.written > 0);
            let Some(dropped) = self.ready.remove(at) else { return };
            self.ready_bytes -= dropped.octets.len();
            self.lost.add(Loss::Queue, 1);
        }
    }

    /// What is to be handed over next; empty when there is nothing.
    pub(crate) fn next(&mut self) -> &[u8] {
        if self.ready.is_empty()
            && let Some((octets, place)) = self.spool.read()
        {
            self.ready_bytes += octets.len();
            self.ready.push_back(Record { octets, place: Some(place) });
        }
        self.ready.front().and_then(|record| record.octets.get(self.written..)).unwrap_or_default()
    }

    /// Whether the next octets begin a record.
    pub(crate) fn is_between_records(&self) -> bool {
        self.written == 0
    }

    /// These octets of `next` were handed over; whether a record is whole now.
    pub(crate) fn advance(&mut self, octets: usize, now: Instant, leaves_doubt: bool) -> bool {
        self.written += octets;
        if self.ready.front().is_none_or(|record| self.written < record.octets.len()) {
            return false;
        }
        self.leave(now, leaves_doubt);
        true
    }

    /// The next record cannot be sent at all.
    pub(crate) fn give_up(&mut self, now: Instant) {
        self.leave(now, false);
        self.lost.add(Loss::Long, 1);
    }

    fn leave(&mut self, now: Instant, leaves_doubt: bool) {
        self.written = 0;
        let Some(record) = self.ready.pop_front() else { return };
        self.ready_bytes -= record.octets.len();
        if let Some(place) = record.place {
            self.spool.sent(place);
        }
        if leaves_doubt {
            self.doubtful_bytes += record.octets.len();
            self.doubtful.push_back((record.octets, now));
        }
        self.settle_beyond(DOUBT_BYTES_MAX);
    }

    fn settle_beyond(&mut self, bytes_max: usize) {
        while self.doubtful_bytes > bytes_max
            && let Some((octets, _)) = self.doubtful.pop_front()
        {
            self.doubtful_bytes -= octets.len();
        }
    }

    /// What was handed over long enough ago is believed to have arrived. Not to be called while the far end takes nothing.
    pub(crate) fn settle(&mut self, now: Instant) {
        while let Some((octets, at)) = self.doubtful.front()
            && now.saturating_duration_since(*at) >= DOUBT_FOR
        {
            self.doubtful_bytes -= octets.len();
            self.doubtful.pop_front();
        }
    }

    /// The far end said that it has everything.
    pub(crate) fn settle_all(&mut self) {
        self.settle_beyond(0);
        self.doubtful.clear();
    }

    /// The connection broke: what is in doubt and what waits in memory goes back to the front, on disk where that can be. Gives
    /// the number of records that will be sent again.
    pub(crate) fn broken(&mut self) -> u64 {
        let again = self.doubtful.len() as u64;
        self.written = 0;
        while let Some((octets, _)) = self.doubtful.pop_back() {
            self.ready_bytes += octets.len();
            self.ready.push_front(Record { octets, place: None });
        }
        self.doubtful_bytes = 0;
        self.keep();
        again
    }

    /// Moves all that waits in memory to disk. What the disk does not take stays in memory.
    pub(crate) fn keep(&mut self) {
        if self.spool.is_off() {
            self.hold_memory();
            return;
        }
        self.written = 0;
        // What is on disk too stands behind what is not: nothing goes to memory alone while the spool has anything. What was read
        // of a file that was dropped meanwhile is in memory alone.
        while self.ready.back().is_some_and(|record| record.place.is_some_and(|place| self.spool.has(place))) {
            self.ready_bytes -= self.ready.pop_back().map_or(0, |record| record.octets.len());
        }
        self.spool.rewind();
        let contents = self.ready.iter().map(|record| &*record.octets);
        match self.spool.prepend(contents) {
            Ok(()) => {
                self.ready.clear();
                self.ready_bytes = 0;
            }
            Err(error) => {
                tracing::warn!(error = %error, "events that were not sent are kept in memory: the spool takes no more");
                self.hold_memory();
            }
        }
        self.spool.keep_position();
    }

    /// Events that were not kept when all stops.
    pub(crate) fn abandon(&mut self) -> u64 {
        let lost = self.ready.len() as u64;
        self.ready.clear();
        self.ready_bytes = 0;
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::system_opener;

    fn backlog(folder: &std::path::Path, bytes_max: u64) -> Backlog {
        Backlog::new(Spool::open(folder, bytes_max, "test".to_owned(), system_opener()).unwrap())
    }

    fn push(backlog: &mut Backlog, range: std::ops::Range<u32>, is_connected: bool) {
        range.for_each(|number| backlog.push(number.to_string().into_bytes(), is_connected).unwrap());
    }

    /// Sends this many, in order.
    fn send(backlog: &mut Backlog, count: usize) -> Vec<u32> {
        let mut sent = Vec::new();
        while sent.len() < count && !backlog.next().is_empty() {
            let octets = backlog.next().to_vec();
            sent.push(String::from_utf8(octets.clone()).unwrap().parse().unwrap());
            assert!(backlog.advance(octets.len(), Instant::now(), true));
        }
        sent
    }

    fn numbers(range: std::ops::Range<u32>) -> Vec<u32> {
        range.collect()
    }

    #[test]
    fn a_break_sends_again_what_is_in_doubt_and_then_the_rest_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut backlog = backlog(folder.path(), 1 << 20);
        push(&mut backlog, 0..10, true);
        assert_eq!(send(&mut backlog, 4), numbers(0..4));
        assert_eq!(backlog.broken(), 4);
        push(&mut backlog, 10..20, false);
        assert_eq!((backlog.queued(), backlog.spool.unsent()), (0, 20));
        assert_eq!(send(&mut backlog, 5), numbers(0..5));
        assert_eq!(backlog.broken(), 5, "again, in the middle of the spool");
        push(&mut backlog, 20..22, false);
        assert_eq!(send(&mut backlog, 99), numbers(0..22));
        backlog.settle_all();
        assert_eq!(backlog.broken(), 0);
        push(&mut backlog, 22..24, true);
        assert_eq!((backlog.queued(), backlog.spool.bytes()), (2, 0), "all was sent: memory alone again");
        assert_eq!(send(&mut backlog, 99), numbers(22..24));
    }

    #[test]
    fn what_was_handed_over_long_ago_is_not_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut backlog = backlog(folder.path(), 1 << 20);
        push(&mut backlog, 0..4, true);
        let start = Instant::now();
        for seconds in 0..4 {
            let len = backlog.next().len();
            backlog.advance(len, start + Duration::from_secs(seconds), true);
        }
        backlog.settle(start + DOUBT_FOR + Duration::from_secs(1));
        assert_eq!(backlog.broken(), 2);
        assert_eq!(send(&mut backlog, 99), numbers(2..4));
    }

    #[test]
    fn a_slow_far_end_fills_memory_then_the_spool() {
        let folder = tempfile::tempdir().unwrap();
        let mut backlog = backlog(folder.path(), 64 << 20);
        let big = |number: u8| vec![number; READY_BYTES_MAX / 2];
        for number in 0..5 {
            backlog.push(big(number), true).unwrap();
        }
        assert_eq!((backlog.queued(), backlog.spool.unsent()), (2, 3));
        assert_eq!(backlog.next(), big(0));
        backlog.advance(READY_BYTES_MAX / 2, Instant::now(), true);
        backlog.push(big(5), true).unwrap();
        assert_eq!(backlog.spool.unsent(), 4, "what comes later stands behind what is on disk");
        assert_eq!(backlog.broken(), 1);
        for number in 0..6 {
            assert_eq!(backlog.next(), big(number));
            backlog.advance(READY_BYTES_MAX / 2, Instant::now(), false);
        }
        assert!(backlog.next().is_empty());
    }

    #[test]
    fn what_was_read_of_a_file_that_is_dropped_meanwhile_is_still_sent() {
        let folder = tempfile::tempdir().unwrap();
        let mut backlog = backlog(folder.path(), 8_000);
        push(&mut backlog, 1000..1500, false);
        assert_eq!(backlog.next(), b"1000");
        push(&mut backlog, 1500..2000, false);
        let lost = backlog.lost().of(Loss::Spool);
        assert!(lost > 0);
        assert_eq!(backlog.broken(), 0);
        let lost_after = backlog.lost().of(Loss::Spool);
        let sent = send(&mut backlog, 9999);
        assert_eq!(sent.len() as u64 + lost_after, 1000, "each is sent or counted");
        assert!(sent[0] == 1000 || lost_after > lost, "{sent:?}");
    }

    #[test]
    fn without_a_spool_the_oldest_go_and_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut backlog = backlog(folder.path(), 0);
        for number in 0..5 {
            backlog.push(vec![number; READY_BYTES_MAX / 2], false).unwrap();
        }
        assert_eq!((backlog.queued(), backlog.lost().of(Loss::Queue)), (2, 3));
        assert_eq!(backlog.next()[0], 3);
    }

    #[test]
    fn a_record_cut_by_a_break_is_sent_whole_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut backlog = backlog(folder.path(), 1 << 20);
        push(&mut backlog, 100..102, true);
        assert!(!backlog.advance(2, Instant::now(), true));
        assert_eq!(backlog.next(), b"0");
        backlog.broken();
        assert_eq!(send(&mut backlog, 99), numbers(100..102));
    }
}
