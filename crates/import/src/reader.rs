//! Record after record of one input, whatever its format.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use event::Event;
use jiff::tz::TimeZone;

use crate::adguard::Adguard;
use crate::bind::Bind;
use crate::cdns::Cdns;
use crate::format::{Format, SQLITE_MAGIC, sniff};
use crate::input::{Fault, Input};
use crate::lines::LineRecords;
use crate::pcap::Packets;
use crate::pihole::Pihole;
use crate::stream::TapRecords;
use crate::times::Times;
use crate::unbound::Unbound;
use crate::zeek::Zeek;

/// Bad records kept with place and reason; the others are counted.
pub const BAD_KEPT: usize = 10;

/// How to read what a file does not say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The format; told by the file itself when `None`.
    pub format: Option<Format>,
    /// The `node` of the events; `import:` and the format when `None`.
    pub node: Option<Arc<str>>,
    /// The zone of times that name none; UTC when `None`.
    pub zone: Option<TimeZone>,
    /// What is read is not later than this, microseconds since the epoch: of streams; files say when they were written.
    pub until_micros: Option<i64>,
}

/// Why an input is not read at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is of no known format.
    #[error("not a format that is known; say which with --format ({})", formats())]
    Unknown,
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// A database inside of a stream or a packed file.
    #[error("a database is read from a file that is not packed: unpack it first")]
    DatabaseInStream,
    /// It is not what it is said to be.
    #[error("not {format}: {reason}")]
    NotThat {
        /// The format it is said to be of.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
}

fn formats() -> String {
    let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
    names.join(", ")
}

/// A record that is no event, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Where it is: `line 17`, `octet 4711`, `row 12`.
    pub place: String,
    /// Why it is none.
    pub reason: String,
}

/// One record of an input.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number, from 0, the same whenever the same input is read: what was kept up to a number need not be kept again.
    pub number: u64,
    /// The event, or why there is none.
    pub event: Result<Event, Bad>,
}

/// What was read so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Records, the bad ones included.
    pub records: u64,
    /// Records that are no events.
    pub bad: u64,
    /// The first bad records.
    pub first_bad: Vec<Bad>,
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Octets read.
    pub done: u64,
    /// Octets there are; `None` for a stream.
    pub total: Option<u64>,
}

/// What was met and left out, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(pub(crate) Vec<(&'static str, u64)>);

impl Notes {
    pub(crate) fn count(&mut self, what: &'static str) {
        match self.0.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += 1,
            None => self.0.push((what, 1)),
        }
    }
}

/// The records of one input.
pub(crate) trait Records: Send {
    /// The next; `None` at the end.
    fn pull(&mut self) -> Option<Result<Event, Bad>>;
    /// What was left out.
    fn notes(&self) -> &Notes;
    /// Why it cannot be read on, where that is not seen by octets that do not come.
    fn fault(&self) -> Option<&str> {
        None
    }
    /// The number of the record pulled last, where it is not simply one more than that before.
    fn number(&self) -> Option<u64> {
        None
    }
    /// How far it has come, where octets read do not tell.
    fn progress(&self) -> Option<Progress> {
        None
    }
}

/// Reads one input. An iterator over its records; it ends at the end of the input, or where that cannot be read on:
/// [`Reader::fault`] tells.
pub struct Reader {
    format: Format,
    source: String,
    node: Arc<str>,
    records: Box<dyn Records>,
    next: u64,
    tally: Tally,
    done: Arc<AtomicU64>,
    total: Option<u64>,
    input_fault: Fault,
}

impl Reader {
    /// Opens a file.
    ///
    /// # Errors
    /// One that cannot be read, is of no known format, or not of the format asked for.
    pub fn open(path: &Path, options: &Options) -> Result<Reader, OpenFault> {
        let input = Input::open(path)?;
        let name = path.to_string_lossy();
        let packed = !input.head.starts_with(SQLITE_MAGIC) || is_packed(path)?;
        let format = options.format.or_else(|| sniff(&input.head, &name));
        if format == Some(Format::Pihole) && !packed {
            let total = input.total;
            let (records, fingerprint) =
                Pihole::open(path, total).map_err(|reason| not_that(Format::Pihole, reason))?;
            return Ok(Reader::new(Format::Pihole, fingerprint, options, Box::new(records), &input));
        }
        Self::from_input(input, &name, options)
    }

    /// Reads a stream, such as standard input. Databases need a file.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn from_read(read: Box<dyn Read + Send>, name: &str, options: &Options) -> Result<Reader, OpenFault> {
        Self::from_input(Input::from_read(read)?, name, options)
    }

    fn from_input(mut input: Input, name: &str, options: &Options) -> Result<Reader, OpenFault> {
        if input.head.is_empty() {
            return Err(OpenFault::Empty);
        }
        let format = options.format.or_else(|| sniff(&input.head, name)).ok_or(OpenFault::Unknown)?;
        let read = std::mem::replace(&mut input.read, Box::new(io::empty()));
        let times = Times {
            zone: options.zone.clone().unwrap_or(TimeZone::UTC),
            until_micros: input.modified_micros.or(options.until_micros),
        };
        let fault = |reason| not_that(format, reason);
        let records: Box<dyn Records> = match format {
            Format::Dnstap => Box::new(TapRecords::new(read)),
            Format::Pcap | Format::Pcapng => Box::new(Packets::new(read, format).map_err(fault)?),
            Format::Cdns => Box::new(Cdns::new(read).map_err(fault)?),
            Format::Bind => Box::new(LineRecords::new(read, Bind::new(times))),
            Format::Unbound => Box::new(LineRecords::new(read, Unbound::new(times, &input.head))),
            Format::Adguard => Box::new(LineRecords::new(read, Adguard::new(times))),
            Format::Zeek => Box::new(LineRecords::new(read, Zeek::new(times))),
            Format::Pihole if input.head.starts_with(SQLITE_MAGIC) => return Err(OpenFault::DatabaseInStream),
            Format::Pihole => return Err(fault("it does not begin as a SQLite database does".to_owned())),
        };
        let fingerprint = fingerprint(format, &input, options);
        Ok(Reader::new(format, fingerprint, options, records, &input))
    }

    fn new(format: Format, fingerprint: u64, options: &Options, records: Box<dyn Records>, input: &Input) -> Reader {
        let node = options.node.clone().unwrap_or_else(|| format!("import:{}", format.name()).into());
        Reader {
            format,
            source: format!("{}:{fingerprint:016x}", format.name()),
            node,
            records,
            next: 0,
            tally: Tally::default(),
            done: Arc::clone(&input.done),
            total: input.total,
            input_fault: input.fault.clone(),
        }
    }

    /// The format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What names the input: format and fingerprint. A log made of lines keeps its name while it grows, is renamed or packed; of
    /// other formats a file of another length is another input, and so is a stream at another [`Options::until_micros`].
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let read = Progress { done: self.done.load(Relaxed), total: self.total };
        self.records.progress().unwrap_or(read)
    }

    /// What was read so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Why the input could not be read to its end: the medium failed, or gzip is cut or damaged. That is no record, and nothing
    /// is known of what would follow: queries that wait for their replies then are not given.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.input_fault.get().or_else(|| self.records.fault())
    }

    /// What was met that is no record and was left out, by name, with how often.
    #[must_use]
    pub fn left_out(&self) -> &[(&'static str, u64)] {
        &self.records.notes().0
    }
}

impl Iterator for Reader {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.fault().is_some() {
            return None;
        }
        let pulled = self.records.pull();
        // What is pulled while octets fail to come is made of their absence.
        if self.fault().is_some() {
            return None;
        }
        let mut event = pulled?;
        let number = self.records.number().unwrap_or(self.next);
        self.next = number.saturating_add(1);
        self.tally.records += 1;
        match &mut event {
            Ok(event) => event.node = Some(Arc::clone(&self.node)),
            Err(bad) => {
                self.tally.bad += 1;
                if self.tally.first_bad.len() < BAD_KEPT {
                    self.tally.first_bad.push(bad.clone());
                }
            }
        }
        Some(Record { number, event })
    }
}

fn not_that(format: Format, reason: String) -> OpenFault {
    OpenFault::NotThat { format: format.name(), reason }
}

/// Whether a file that unpacks to a database is not one itself.
fn is_packed(path: &Path) -> io::Result<bool> {
    let mut magic = [0; SQLITE_MAGIC.len()];
    let len = std::fs::File::open(path)?.read(&mut magic)?;
    Ok(magic[..len] != *SQLITE_MAGIC)
}

/// Of lines, the first that is neither empty nor a comment, and the comments before it; else all that was looked at, and the length.
/// A stream has no length, and there is no telling whether it is the same again: the time it is read at stands for it.
fn fingerprint(format: Format, input: &Input, options: &Options) -> u64 {
    let mut hash = Fnv::default();
    if !format.has_lines() {
        hash.add(&input.head);
        match (input.total, options.until_micros) {
            (None, Some(until)) => hash.add(&until.to_be_bytes()),
            (total, _) => hash.add(&total.unwrap_or(0).to_be_bytes()),
        }
        return hash.0;
    }
    for line in input.head.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end) {
        hash.add(line);
        if !line.is_empty() && !line.starts_with(b"#") {
            break;
        }
    }
    hash.0
}

/// FNV-1a: tells inputs apart, needs no more.
pub(crate) struct Fnv(pub(crate) u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(crate) fn add(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
