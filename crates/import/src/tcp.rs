//! The DNS messages in TCP streams: put together again from segments that come late, twice or not at all.
//!
//! Every stream is one direction. What would take more memory than named here is given up, and counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use crate::packet::Segment;
use crate::reader::Notes;

/// Streams followed at the same time; the one that began first is given up when there are more.
pub(crate) const STREAMS_MAX: usize = 1_024;
/// Segments of a stream kept that wait for one before them, and their octets.
const EARLY_MAX: usize = 64;
const EARLY_LEN_MAX: usize = 64 * 1024;
/// Octets before a message: its length.
const PREFIX_LEN: usize = 2;
/// Messages shorter than a header are none.
const MESSAGE_LEN_MIN: usize = 12;

type Ends = (SocketAddr, SocketAddr);

#[derive(Default)]
struct Stream {
    /// Which it is of all streams.
    number: u64,
    /// The sequence number that comes next.
    next: u32,
    /// A message not whole yet, its prefix included: at most one message and one segment.
    buffer: Vec<u8>,
    /// Segments behind one that is missing, by sequence number.
    early: BTreeMap<u32, Vec<u8>>,
    early_len: usize,
}

/// All streams of a capture.
#[derive(Default)]
pub(crate) struct Streams {
    streams: HashMap<Ends, Stream>,
    /// In the order they began; those with a number no longer followed are stepped over.
    order: VecDeque<(u64, Ends)>,
    next: u64,
}

impl Streams {
    /// Takes a segment; messages that are whole with it are given to `each`.
    pub(crate) fn take(&mut self, ends: Ends, segment: &Segment<'_>, notes: &mut Notes, mut each: impl FnMut(&[u8])) {
        if segment.begins {
            let next = segment.sequence.wrapping_add(1);
            self.insert(ends, Stream { next, ..Stream::default() }, notes);
        }
        if !segment.payload.is_empty() {
            if !self.streams.contains_key(&ends) {
                // The capture begins within the stream, or a part of it is lost: a segment that begins like a message
                // begins one.
                if !begins_message(segment.payload) {
                    notes.count("TCP segments that begin within a message");
                    return;
                }
                self.insert(ends, Stream { next: segment.sequence, ..Stream::default() }, notes);
            }
            let sequence = if segment.begins { segment.sequence.wrapping_add(1) } else { segment.sequence };
            if let Some(stream) = self.streams.get_mut(&ends)
                && !stream.take(sequence, segment.payload, &mut each)
            {
                notes.count("TCP streams with a part lost");
                self.streams.remove(&ends);
            }
        }
        if segment.ends && self.streams.get(&ends).is_some_and(|stream| stream.early.is_empty()) {
            self.streams.remove(&ends);
        }
    }

    fn insert(&mut self, ends: Ends, stream: Stream, notes: &mut Notes) {
        let number = self.next;
        self.next += 1;
        self.streams.insert(ends, Stream { number, ..stream });
        self.order.push_back((number, ends));
        while self.streams.len() > STREAMS_MAX
            && let Some((number, oldest)) = self.order.pop_front()
        {
            if self.streams.get(&oldest).is_some_and(|stream| stream.number == number) {
                self.streams.remove(&oldest);
                notes.count("TCP streams given up for later ones");
            }
        }
        // Streams that ended are still in the order: now and then they go.
        if self.order.len() > 2 * STREAMS_MAX {
            let streams = &self.streams;
            self.order.retain(|(number, ends)| streams.get(ends).is_some_and(|stream| stream.number == *number));
        }
    }
}

impl Stream {
    /// `false` when what is missing is not waited for any longer.
    fn take(&mut self, sequence: u32, payload: &[u8], each: &mut impl FnMut(&[u8])) -> bool {
        let ahead = sequence.wrapping_sub(self.next);
        if (ahead as i32) > 0 {
            self.early_len += payload.len();
            let before = self.early.insert(sequence, payload.to_vec());
            self.early_len -= before.map_or(0, |before| before.len());
            return self.early.len() <= EARLY_MAX && self.early_len <= EARLY_LEN_MAX;
        }
        self.append(sequence, payload, each);
        // Ends: every turn takes one early segment off.
        while let Some(sequence) = self.first_due() {
            let Some(payload) = self.early.remove(&sequence) else { break };
            self.early_len -= payload.len();
            self.append(sequence, &payload, each);
        }
        true
    }

    /// An early segment that begins at or before what comes next.
    fn first_due(&self) -> Option<u32> {
        self.early.keys().copied().find(|sequence| sequence.wrapping_sub(self.next) as i32 <= 0)
    }

    /// Appends what of a segment is new, and gives the messages that are whole.
    fn append(&mut self, sequence: u32, payload: &[u8], each: &mut impl FnMut(&[u8])) {
        let known = self.next.wrapping_sub(sequence) as usize;
        let Some(new) = payload.get(known..) else { return };
        self.next = self.next.wrapping_add(new.len() as u32);
        self.buffer.extend_from_slice(new);
        let mut at = 0;
        // Ends: every turn moves on by a prefix at least.
        while let Some((prefix, rest)) = self.buffer.get(at..).and_then(|rest| rest.split_first_chunk::<PREFIX_LEN>()) {
            let len = usize::from(u16::from_be_bytes(*prefix));
            let Some(message) = rest.get(..len) else { break };
            each(message);
            at += PREFIX_LEN + len;
        }
        self.buffer.drain(..at);
    }
}

/// Whether a segment in the middle of nowhere can begin a message: a length that fits, and a header of one question at most.
fn begins_message(payload: &[u8]) -> bool {
    let [high, low, _, _, _, _, count_high, count_low, ..] = payload else { return false };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    len >= MESSAGE_LEN_MIN && u16::from_be_bytes([*count_high, *count_low]) <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(begins: bool, ends: bool, sequence: u32, payload: &[u8]) -> Segment<'_> {
        Segment { sequence, begins, ends, payload }
    }

    fn ends(port: u16) -> Ends {
        (([192, 0, 2, 1], port).into(), ([192, 0, 2, 53], 53).into())
    }

    #[test]
    fn a_long_stream_outlives_many_short_ones() {
        let message = [&[0, 12][..], &[7; 12]].concat();
        let (mut streams, mut notes, mut given) = (Streams::default(), Notes::default(), 0);
        let mut take = |ends, segment: &Segment<'_>| streams.take(ends, segment, &mut notes, |_| given += 1);
        take(ends(1), &segment(true, false, 0, b""));
        for port in 2..10_000 {
            take(ends(port), &segment(true, false, 0, b""));
            take(ends(port), &segment(false, true, 1, b""));
        }
        // Its first octets do not look like a message: only a stream that is followed gives it.
        take(ends(1), &segment(false, false, 1, &message[..1]));
        take(ends(1), &segment(false, false, 2, &message[1..]));
        assert_eq!(given, 1);
        assert!(streams.order.len() <= 2 * STREAMS_MAX);
        for port in 10_000..10_000 + STREAMS_MAX as u16 {
            streams.take(ends(port), &segment(true, false, 0, b""), &mut notes, |_| {});
        }
        assert_eq!(streams.streams.len(), STREAMS_MAX);
        assert_eq!(notes.0, [("TCP streams given up for later ones", 1)]);
    }
}
