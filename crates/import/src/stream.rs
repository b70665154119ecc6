//! A dnstap file or pipe: a frame stream that nobody answers.

use std::io::Read;

use dnstap::{Received, Receiver};
use event::Event;

use crate::reader::{Bad, Notes, Records};
use crate::tap::Tap;

const PIECE_LEN: usize = 64 * 1024;

pub(crate) struct TapRecords {
    read: Box<dyn Read + Send>,
    receiver: Receiver,
    tap: Tap,
    piece: Vec<u8>,
    /// Where the frame that was taken last ends.
    at: u64,
    ended: bool,
}

impl TapRecords {
    pub(crate) fn new(read: Box<dyn Read + Send>) -> TapRecords {
        let piece = vec![0; PIECE_LEN];
        TapRecords { read, receiver: Receiver::default(), tap: Tap::default(), piece, at: 0, ended: false }
    }

    fn end(&mut self) {
        self.ended = true;
        self.tap.finish();
    }

    /// Takes what comes next of the stream.
    fn step(&mut self) -> Result<(), String> {
        match self.receiver.take().map_err(|fault| fault.to_string())? {
            Received::Data(data) => self.tap.take(data),
            // It was recorded both ways: what we would say was said then.
            Received::Send(_) => {}
            Received::End => {
                // What is behind the end is nobody's; but a packed file is known to be whole only when all of it was read.
                let _ = self.read.read(&mut self.piece);
                self.end();
            }
            Received::More => {
                let len = self.read.read(&mut self.piece).map_err(|error| error.to_string())?;
                if len == 0 {
                    let pending = self.receiver.pending();
                    self.end();
                    return if pending == 0 {
                        Ok(())
                    } else {
                        Err(format!("the file ends within a frame, {pending} octets into it"))
                    };
                }
                self.receiver.feed(&self.piece[..len]);
            }
        }
        self.at = self.receiver.position();
        Ok(())
    }
}

impl Records for TapRecords {
    fn pull(&mut self) -> Option<Result<Event, Bad>> {
        loop {
            if let Some(given) = self.tap.give() {
                return Some(given.map_err(|reason| Bad { place: format!("before octet {}", self.at), reason }));
            }
            if self.ended {
                return None;
            }
            if let Err(reason) = self.step() {
                let bad = Bad { place: format!("octet {}", self.at), reason };
                if !self.ended {
                    self.end();
                }
                return Some(Err(bad));
            }
        }
    }

    fn notes(&self) -> &Notes {
        &self.tap.notes
    }
}
