//! Messages in a stream of octets: two octets of length before each (RFC 1035 §4.2.2).
//!
//! Both sides hold memory only while something lies in them. Knows no socket and no DNS.

/// Framed replies not written yet before no further message is answered. One reply may come on top, of 64 KiB at most.
pub(crate) const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// Octets of the length before each message.
const LENGTH: usize = 2;
/// Room made for the first reply of a turn: enough for a few dozen.
const OUTPUT_BYTES_FIRST: usize = 2 << 10;

/// What has come and is not taken yet. Grows with what came, not with what was announced.
#[derive(Debug, Default)]
pub(crate) struct Input {
    octets: Vec<u8>,
    /// Taken up to here.
    start: usize,
}

impl Input {
    pub(crate) fn add(&mut self, octets: &[u8]) {
        self.octets.drain(..self.start);
        self.start = 0;
        self.octets.extend_from_slice(octets);
    }

    /// The next message, if all of it is there.
    pub(crate) fn take(&mut self) -> Option<&[u8]> {
        let message = whole(&self.octets[self.start..])?;
        self.start += LENGTH + message.len();
        Some(message)
    }

    /// Whether a message can be taken.
    pub(crate) fn is_ready(&self) -> bool {
        whole(&self.octets[self.start..]).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.octets.len() == self.start
    }

    /// Gives memory back when everything is taken.
    pub(crate) fn settle(&mut self) {
        if self.is_empty() {
            *self = Input::default();
        }
    }
}

fn whole(octets: &[u8]) -> Option<&[u8]> {
    let (len, rest) = octets.split_first_chunk::<LENGTH>()?;
    rest.get(..usize::from(u16::from_be_bytes(*len)))
}

/// Framed replies on their way out.
#[derive(Debug, Default)]
pub(crate) struct Output {
    octets: Vec<u8>,
    /// Written up to here.
    start: usize,
}

impl Output {
    /// Puts a reply behind the others. What is empty, or longer than a frame can hold, is nothing to send.
    pub(crate) fn add(&mut self, reply: &[u8]) {
        let Ok(len @ 1..) = u16::try_from(reply.len()) else { return };
        if self.octets.capacity() == 0 {
            self.octets.reserve(OUTPUT_BYTES_FIRST);
        }
        self.octets.extend_from_slice(&len.to_be_bytes());
        self.octets.extend_from_slice(reply);
    }

    /// What is still to be written.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.octets[self.start..]
    }

    /// So much of it has been written. Gives memory back when that was all.
    pub(crate) fn written(&mut self, count: usize) {
        self.start += count;
        if self.rest().is_empty() {
            *self = Output::default();
        } else if self.start >= OUTPUT_BYTES_MAX {
            self.octets.drain(..self.start);
            self.start = 0;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Whether a further reply may be added.
    pub(crate) fn has_room(&self) -> bool {
        self.rest().len() < OUTPUT_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its name, whole messages, and what comes behind them.
    type Case<'a> = (&'a str, &'a [&'a [u8]], &'a [u8]);

    /// Messages of a stream that comes in these pieces, and what is left over.
    fn taken(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, usize) {
        let (mut input, mut messages) = (Input::default(), Vec::new());
        for piece in pieces {
            input.add(piece);
            while input.is_ready() {
                messages.push(input.take().unwrap().to_vec());
            }
            assert!(input.take().is_none());
            input.settle();
        }
        (messages, input.octets.len() - input.start)
    }

    #[test]
    fn however_a_stream_is_cut_its_messages_are_the_same() {
        let table: &[Case<'_>] = &[
            ("nothing", &[], &[]),
            ("a length cut short", &[], &[0]),
            ("messages of no octets", &[b"", b"", b"a", b""], &[]),
            ("a last message cut short", &[b"one", b"", b"three"], &[0, 9, 1, 2]),
            ("a last message without an octet", &[b"one"], &[1, 0]),
            ("a length of two octets", &[&[7; 300], b"x"], &[]),
        ];
        for (case, messages, cut) in table {
            let mut output = Output::default();
            let mut stream = Vec::new();
            for message in *messages {
                stream.extend_from_slice(&(message.len() as u16).to_be_bytes());
                stream.extend_from_slice(message);
                output.add(message);
            }
            let sent = messages.iter().filter(|message| !message.is_empty()).map(|message| message.len() + LENGTH);
            assert_eq!(output.rest().len(), sent.sum::<usize>(), "{case}");
            stream.extend_from_slice(cut);
            let expected = (messages.iter().map(|message| message.to_vec()).collect::<Vec<_>>(), cut.len());
            for first in 0..=stream.len() {
                for second in first..=stream.len() {
                    let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                    assert_eq!(taken(&pieces), expected, "{case}, cut at {first} and {second}");
                }
            }
            assert_eq!(taken(&stream.chunks(1).collect::<Vec<_>>()), expected, "{case}, octet by octet");
        }
    }

    #[test]
    fn what_is_empty_holds_no_memory() {
        let (mut input, mut output) = (Input::default(), Output::default());
        input.add(&[0, 1, 7, 0]);
        assert_eq!(input.take(), Some(&[7][..]));
        input.settle();
        assert_ne!(input.octets.capacity(), 0);
        input.add(&[0]);
        assert_eq!(input.take(), Some(&[][..]));
        input.settle();
        output.add(&[1; 100]);
        output.written(102);
        assert_eq!((input.octets.capacity(), output.octets.capacity()), (0, 0));
    }

    #[test]
    fn a_reply_no_frame_can_hold_is_not_sent() {
        let mut output = Output::default();
        output.add(&[1; 65_536]);
        assert!(output.is_empty());
        output.add(&[1; 65_535]);
        assert_eq!((&output.rest()[..3], output.rest().len()), (&[255, 255, 1][..], 65_537));
    }

    #[test]
    fn replies_of_which_some_are_written_do_not_pile_up() {
        let mut output = Output::default();
        for _ in 0..1_000 {
            while output.has_room() {
                output.add(&[1; 50_000]);
            }
            output.written(50_000);
        }
        assert!(output.octets.capacity() <= 8 * OUTPUT_BYTES_MAX, "{}", output.octets.capacity());
    }
}
