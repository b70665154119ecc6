//! Lines one by one, of a length that is bounded.

use std::io::{self, BufRead as _, BufReader, Read};

use event::Event;

use crate::reader::{Bad, Notes, Records};

/// Longest line read, octets: an AdGuard Home line with two of the greatest messages is 180 KiB.
pub(crate) const LINE_LEN_MAX: usize = 256 * 1024;

/// What a line turned out to be.
pub(crate) enum Line {
    Event(Box<Event>),
    /// Not a query, and not meant to be one: counted under this name.
    Other(&'static str),
    /// Structure of the file: not counted.
    Structure,
}

/// Reads the lines of one format.
pub(crate) trait LineReader: Send {
    /// # Errors
    /// Why the line is bad.
    fn read(&mut self, line: &str) -> Result<Line, String>;
}

/// The records of a file made of lines.
pub(crate) struct LineRecords<R> {
    input: BufReader<Box<dyn Read + Send>>,
    reader: R,
    line: Vec<u8>,
    number: u64,
    ended: bool,
    notes: Notes,
}

impl<R: LineReader> LineRecords<R> {
    pub(crate) fn new(input: Box<dyn Read + Send>, reader: R) -> LineRecords<R> {
        let input = BufReader::with_capacity(64 * 1024, input);
        LineRecords { input, reader, line: Vec::new(), number: 0, ended: false, notes: Notes::default() }
    }

    /// The next line without its end, and whether it had one; `None` at the end of the input. Of a line that is too long, its
    /// length at least.
    fn next_line(&mut self) -> io::Result<Option<Result<bool, usize>>> {
        self.line.clear();
        let most = LINE_LEN_MAX as u64 + 1;
        let len = (&mut self.input).take(most).read_until(b'\n', &mut self.line)?;
        if len == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.ends_with(b"\n") {
            self.line.pop();
            if self.line.ends_with(b"\r") {
                self.line.pop();
            }
            return Ok(Some(Ok(true)));
        }
        if self.line.len() <= LINE_LEN_MAX {
            return Ok(Some(Ok(false)));
        }
        Ok(Some(Err(self.skip_line()? + self.line.len())))
    }

    fn skip_line(&mut self) -> io::Result<usize> {
        let mut skipped = 0;
        // Ends: every turn takes octets off the input.
        loop {
            let buffer = self.input.fill_buf()?;
            let found = buffer.iter().position(|octet| *octet == b'\n');
            let len = found.map_or(buffer.len(), |at| at + 1);
            self.input.consume(len);
            skipped += len;
            if found.is_some() || len == 0 {
                return Ok(skipped);
            }
        }
    }

    fn bad(&self, reason: String) -> Bad {
        Bad { place: format!("line {}", self.number), reason }
    }
}

impl<R: LineReader> Records for LineRecords<R> {
    fn pull(&mut self) -> Option<Result<Event, Bad>> {
        while !self.ended {
            let terminated = match self.next_line() {
                Ok(None) => return None,
                Ok(Some(Ok(terminated))) => terminated,
                Ok(Some(Err(len))) => {
                    let reason = format!("a line of {len} octets; at most {LINE_LEN_MAX} are read");
                    return Some(Err(self.bad(reason)));
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(Bad { place: format!("after line {}", self.number), reason: error.to_string() }));
                }
            };
            let line = String::from_utf8_lossy(&self.line);
            match self.reader.read(&line) {
                Ok(Line::Event(event)) => return Some(Ok(*event)),
                Ok(Line::Other(what)) => self.notes.count(what),
                Ok(Line::Structure) => {}
                // The program that writes the log has not finished it: it is read when the file is read again.
                Err(_) if !terminated => self.notes.count("lines cut at the end of the file"),
                Err(reason) => return Some(Err(self.bad(reason))),
            }
        }
        None
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }
}
