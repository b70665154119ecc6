//! The two ends of a frame stream.
//!
//! One way (files, pipes): START, data, STOP. Both ways (sockets): READY answered by ACCEPT, START, data, STOP answered by FINISH.
//! Knows no socket: what is to be sent comes out as octets, and time-outs are the caller's.

use crate::CONTENT_TYPE;
use crate::frame::{Control, ControlType, Decoder, Frame, FrameFault, write_data};

/// Why a stream came to a bad end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeFault {
    /// Octets that are no frames.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// A frame the other end may not send at this point.
    #[error("{found} where {wanted} was due")]
    OutOfTurn {
        /// What came.
        found: &'static str,
        /// What may come.
        wanted: &'static str,
    },
    /// The stream is of something else than dnstap.
    #[error("a stream of {found}, not of dnstap")]
    ContentType {
        /// What it names, as text.
        found: String,
    },
}

fn name(frame: &Frame<'_>) -> &'static str {
    match frame {
        Frame::Data(_) => "data",
        Frame::Control(control) => match control.kind {
            ControlType::Accept => "ACCEPT",
            ControlType::Start => "START",
            ControlType::Stop => "STOP",
            ControlType::Ready => "READY",
            ControlType::Finish => "FINISH",
        },
    }
}

fn check(control: &Control) -> Result<(), HandshakeFault> {
    if control.takes(CONTENT_TYPE) {
        return Ok(());
    }
    let named: Vec<String> = control.content_types.iter().map(|named| named.escape_ascii().to_string()).collect();
    Err(HandshakeFault::ContentType { found: named.join(", ") })
}

/// What a receiver has for its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A frame's content: a dnstap message.
    Data(&'a [u8]),
    /// Octets to be sent to the other end.
    Send(Vec<u8>),
    /// All that was fed is used up: feed again.
    More,
    /// The other end said STOP: nothing follows.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    Fresh,
    Accepted,
    Open { both_ways: bool },
    Ended,
}

/// The end that takes data. Takes streams of both kinds: the first frame tells.
#[derive(Debug)]
pub struct Receiver {
    decoder: Decoder,
    state: Receiving,
}

impl Default for Receiver {
    fn default() -> Self {
        Receiver { decoder: Decoder::default(), state: Receiving::Fresh }
    }
}

impl Receiver {
    /// Appends what came; to be called when [`Receiver::take`] gave [`Received::More`].
    pub fn feed(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
    }

    /// Whether STOP came.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == Receiving::Ended
    }

    /// Octets fed that belong to no frame yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.decoder.pending()
    }

    /// Octets of the stream used up so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.decoder.position()
    }

    /// What comes next of what was fed.
    ///
    /// # Errors
    /// Octets that are no frames, frames out of turn, another content type. The stream is lost then.
    pub fn take(&mut self) -> Result<Received<'_>, HandshakeFault> {
        if self.state == Receiving::Ended {
            return Ok(Received::End);
        }
        let Some(frame) = self.decoder.take()? else { return Ok(Received::More) };
        match (self.state, frame) {
            (Receiving::Open { .. }, Frame::Data(data)) => Ok(Received::Data(data)),
            (Receiving::Fresh, Frame::Control(control)) if control.kind == ControlType::Ready => {
                check(&control)?;
                self.state = Receiving::Accepted;
                Ok(Received::Send(Control::of(ControlType::Accept, CONTENT_TYPE).to_bytes()))
            }
            (Receiving::Fresh | Receiving::Accepted, Frame::Control(control)) if control.kind == ControlType::Start => {
                check(&control)?;
                self.state = Receiving::Open { both_ways: self.state == Receiving::Accepted };
                Ok(Received::Send(Vec::new()))
            }
            (Receiving::Open { both_ways }, Frame::Control(control)) if control.kind == ControlType::Stop => {
                self.state = Receiving::Ended;
                if both_ways {
                    return Ok(Received::Send(Control::bare(ControlType::Finish).to_bytes()));
                }
                Ok(Received::End)
            }
            (state, frame) => Err(HandshakeFault::OutOfTurn {
                found: name(&frame),
                wanted: match state {
                    Receiving::Fresh => "READY or START",
                    Receiving::Accepted => "START",
                    Receiving::Open { .. } | Receiving::Ended => "data or STOP",
                },
            }),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    Fresh,
    Offered,
    Open,
    Stopped,
    Finished,
}

/// The end that gives data.
#[derive(Debug)]
pub struct Sender {
    decoder: Decoder,
    both_ways: bool,
    state: Sending,
}

impl Sender {
    /// One way: for files and pipes.
    #[must_use]
    pub fn one_way() -> Sender {
        Sender { decoder: Decoder::default(), both_ways: false, state: Sending::Fresh }
    }

    /// Both ways: for sockets.
    #[must_use]
    pub fn both_ways() -> Sender {
        Sender { both_ways: true, ..Sender::one_way() }
    }

    /// Appends what opens the stream: START, or READY, after which [`Sender::feed`] waits for ACCEPT. Once; later calls do nothing.
    pub fn start(&mut self, out: &mut Vec<u8>) {
        if self.state != Sending::Fresh {
            return;
        }
        let (kind, next) =
            if self.both_ways { (ControlType::Ready, Sending::Offered) } else { (ControlType::Start, Sending::Open) };
        Control::of(kind, CONTENT_TYPE).write(out);
        self.state = next;
    }

    /// Takes what the other end sent, and appends what is to be sent in return.
    ///
    /// # Errors
    /// Octets that are no frames, frames out of turn, another content type. The stream is lost then.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), HandshakeFault> {
        self.decoder.feed(bytes);
        while let Some(frame) = self.decoder.take()? {
            match (self.state, frame) {
                (Sending::Offered, Frame::Control(control)) if control.kind == ControlType::Accept => {
                    check(&control)?;
                    Control::of(ControlType::Start, CONTENT_TYPE).write(out);
                    self.state = Sending::Open;
                }
                (Sending::Stopped, Frame::Control(control)) if control.kind == ControlType::Finish => {
                    self.state = Sending::Finished;
                }
                (state, frame) => {
                    return Err(HandshakeFault::OutOfTurn {
                        found: name(&frame),
                        wanted: match state {
                            Sending::Offered => "ACCEPT",
                            Sending::Stopped => "FINISH",
                            Sending::Fresh | Sending::Open | Sending::Finished => "nothing",
                        },
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether data may be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == Sending::Open
    }

    /// Whether all is said: STOP was sent, and, both ways, FINISH came.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state == Sending::Finished
    }

    /// Appends a data frame. `false`, and nothing is appended, when the stream is not open, or the data is empty or longer than
    /// [`crate::frame::FRAME_LEN_MAX`].
    #[must_use]
    pub fn data(&self, data: &[u8], out: &mut Vec<u8>) -> bool {
        self.is_open() && write_data(data, out)
    }

    /// Appends STOP, when the stream is open.
    pub fn stop(&mut self, out: &mut Vec<u8>) {
        if self.is_open() {
            Control::bare(ControlType::Stop).write(out);
            self.state = if self.both_ways { Sending::Stopped } else { Sending::Finished };
        }
    }
}
