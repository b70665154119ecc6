//! Zone transfers without a socket: the records AXFR (RFC 5936) and IXFR (RFC 1995) send, packed into messages, and the machine
//! that takes them in.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::Arc;

use wire::code::Code;
use wire::kind;
use wire::message::{Builder, Message, Question, Record, Section};
use wire::name::Folded;

use crate::delta::{Delta, Misfit, serial_after, serial_of};
use crate::tree::Zone;

/// Octets a message of several is filled to: compression reaches back 16 KiB (RFC 1035 §4.1.4), so longer ones save nothing.
const MESSAGE_BYTES: usize = 16 << 10;
/// Octets of records one transfer may bring.
pub const INTAKE_BYTES_MAX: usize = 2 << 30;

/// The records of a whole transfer: SOA, everything else, SOA.
#[must_use]
pub fn whole(zone: Zone) -> Box<dyn Iterator<Item = Record> + Send> {
    let soa = zone.soa();
    let walk = Walk { zone, from: Some(Vec::new()), ready: VecDeque::new() };
    Box::new(soa.clone().into_iter().chain(walk).chain(soa))
}

/// Walks a zone it owns; an iterator that borrows could not leave the function that made it.
struct Walk {
    zone: Zone,
    /// Key of the next name to look for; `None` at the end.
    from: Option<Vec<u8>>,
    ready: VecDeque<Record>,
}

/// Names taken at a time: finding the place costs a walk down the tree.
const WALK_NAMES: usize = 64;

impl Iterator for Walk {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        // Ends: every turn begins behind the names of the turn before.
        while self.ready.is_empty() {
            let from = self.from.take()?;
            for (key, sets) in self.zone.names().from(&from).take(WALK_NAMES) {
                let owner = crate::order::name_of(key, self.zone.origin());
                let apex = key.is_empty();
                for set in sets.iter().filter(|set| !(apex && set.rtype == kind::SOA)) {
                    self.ready.extend(set.records(&owner));
                }
                // The least key above this one.
                self.from = Some([key, &[0]].concat());
            }
        }
        self.ready.pop_front()
    }
}

/// The records of an incremental transfer from `serial`: `None` when history does not reach back, or the whole zone is the
/// shorter answer, and a whole transfer is due. When the client is up to date (or ahead), the one SOA.
#[must_use]
pub fn since(zone: Zone, history: &[Arc<Delta>], serial: u32) -> Option<Box<dyn Iterator<Item = Record> + Send>> {
    let soa = zone.soa()?;
    let newest = serial_of(&soa);
    if serial == newest || serial_after(serial, newest) {
        return Some(Box::new(std::iter::once(soa)));
    }
    let start = history.iter().rposition(|delta| delta.serials().0 == serial)?;
    let deltas = history.get(start..)?.to_vec();
    let mut at = serial;
    let mut count = 0;
    for delta in &deltas {
        let (before, after) = delta.serials();
        if before != at {
            return None;
        }
        at = after;
        count += 2 + delta.removed.len() + delta.added.len();
    }
    if at != newest || count > zone.record_count().max(INCREMENTAL_RECORDS) {
        return None;
    }
    let changes = deltas.into_iter().flat_map(|delta| (0..).map_while(move |at| nth(&delta, at)));
    Some(Box::new(std::iter::once(soa.clone()).chain(changes).chain(std::iter::once(soa))))
}

/// Records up to which an incremental answer is given even where the zone itself is shorter: both are one message.
const INCREMENTAL_RECORDS: usize = 100;

/// The records of a delta as IXFR sends them: old SOA, removed, new SOA, added (RFC 1995 §4).
fn nth(delta: &Delta, at: usize) -> Option<Record> {
    let Some(at) = at.checked_sub(1) else { return Some(delta.before.clone()) };
    if let Some(record) = delta.removed.get(at) {
        return Some(record.clone());
    }
    let Some(at) = at.checked_sub(delta.removed.len() + 1) else { return Some(delta.after.clone()) };
    delta.added.get(at).cloned()
}

/// A record that fits into no message, not even alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{owner} {rtype} fits into no message")]
pub struct TooLong {
    /// Owner.
    pub owner: Folded,
    /// Name of the type.
    pub rtype: String,
}

/// Packs records into the messages of a transfer: the question in the first, as many records in each as fit into 16 KiB, a
/// longer record alone. Ends after an error.
#[derive(Debug)]
pub struct Messages<I: Iterator<Item = Record>> {
    id: u16,
    flags: u16,
    question: Option<Question>,
    records: Peekable<I>,
    size_max: usize,
    failed: bool,
}

impl<I: Iterator<Item = Record>> Messages<I> {
    /// `flags` are those of every message (QR and AA); `size_max` is the longest message, of which `reserve` octets are left
    /// for what the caller appends, such as TSIG.
    #[must_use]
    pub fn new(id: u16, flags: u16, question: Question, records: I, size_max: usize, reserve: usize) -> Messages<I> {
        let size_max = size_max.min(usize::from(u16::MAX)).saturating_sub(reserve);
        Messages { id, flags, question: Some(question), records: records.peekable(), size_max, failed: false }
    }

    /// A message with at least the next record, at most `size_max` octets.
    fn message(&mut self, size_max: usize) -> Option<Vec<u8>> {
        let mut builder = Builder::new(self.id, self.flags, size_max);
        if let Some(question) = &self.question {
            builder.question(question.qname.name(), question.qtype, question.qclass);
        }
        let mut any = false;
        // After a record that is longer than that, the message is full too.
        while let Some(record) = self.records.peek()
            && builder.len() < MESSAGE_BYTES
            && builder.record(Section::Answer, record)
        {
            any = true;
            self.records.next();
        }
        any.then(|| builder.finish())
    }
}

impl<I: Iterator<Item = Record>> Iterator for Messages<I> {
    type Item = Result<Vec<u8>, TooLong>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        self.records.peek()?;
        let message = self.message(self.size_max.min(MESSAGE_BYTES)).or_else(|| self.message(self.size_max));
        self.question = None;
        if message.is_none() {
            self.failed = true;
            let record = self.records.peek()?;
            let rtype = kind::type_name(record.rtype).into_owned();
            return Some(Err(TooLong { owner: record.owner.clone(), rtype }));
        }
        message.map(Ok)
    }
}

/// What a transfer brought.
#[derive(Debug)]
pub enum Brought {
    /// We are up to date.
    Nothing,
    /// The whole zone anew.
    Whole(Zone),
    /// Changes, and the zone after them.
    Deltas(Vec<Delta>, Zone),
}

/// Why a transfer is given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferFault {
    /// The primary answers with a code.
    #[error("the primary answered {0}")]
    Code(String),
    /// The messages are no transfer.
    #[error("no transfer: {0}")]
    Form(String),
    /// The changes do not fit what we hold: a whole transfer is due.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// More records than `records_max`.
    #[error("more than {0} records")]
    TooMany(usize),
    /// More octets than [`INTAKE_BYTES_MAX`].
    #[error("more than {0} octets")]
    TooLong(usize),
}

fn form<T>(what: impl Into<String>) -> Result<T, TransferFault> {
    Err(TransferFault::Form(what.into()))
}

/// Takes a transfer in, message by message.
///
/// ```text
/// Begin ── SOA ──▶ Second ── another record ───▶ Whole ──── the same SOA ──▶ Done
///                    └───── SOA of our serial ──▶ Changes ── the first SOA ──▶ Done
/// ```
#[derive(Debug)]
pub struct Intake {
    origin: Folded,
    current: Option<Zone>,
    records_max: usize,
    records: usize,
    octets: usize,
    ignored: usize,
    state: Taking,
}

#[derive(Debug)]
enum Taking {
    Begin,
    Second { soa: Box<Record> },
    Whole(Box<Whole>),
    Changes(Box<Changes>),
    Done,
}

/// A whole zone under way.
#[derive(Debug)]
struct Whole {
    soa: Record,
    zone: Zone,
}

/// Changes under way: those that are done, and one that is being taken.
#[derive(Debug)]
struct Changes {
    newest: Record,
    /// After the changes that are done.
    zone: Zone,
    done: Vec<Delta>,
    before: Record,
    removed: Vec<Record>,
    /// SOA after; once it is there, what follows is added.
    after: Option<Record>,
    added: Vec<Record>,
}

impl Intake {
    /// Begins; `current` is what we hold, and what an incremental answer is applied to: `None` when the whole zone is asked
    /// for.
    #[must_use]
    pub fn new(origin: Folded, current: Option<Zone>, records_max: usize) -> Intake {
        Intake { origin, current, records_max, records: 0, octets: 0, ignored: 0, state: Taking::Begin }
    }

    /// Takes one message (already checked for ID, opcode and TSIG). `Some` when the transfer is complete. `None` after the one
    /// message of an answer over UDP means that it does not fit there: ask again over TCP (RFC 1995 §2).
    ///
    /// # Errors
    /// Why it is given up.
    pub fn take(&mut self, message: &Message) -> Result<Option<Brought>, TransferFault> {
        let taken = self.take_message(message);
        if taken.is_err() {
            self.state = Taking::Done;
        }
        taken
    }

    /// Records that were passed over because they lie outside the zone.
    #[must_use]
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    fn take_message(&mut self, message: &Message) -> Result<Option<Brought>, TransferFault> {
        if message.rcode() != 0 {
            return Err(TransferFault::Code(Code::from_key(message.rcode()).to_string()));
        }
        // QR, and TC (RFC 1035 §4.1.1).
        if message.flags & 0x8000 == 0 {
            return form("a question instead of an answer");
        }
        if message.flags & 0x0200 != 0 {
            return form("a truncated message");
        }
        // RFC 5936 §2.2.1: the question is in the first message, others may leave it out.
        if let Some(question) = message.questions.first()
            && (question.qname != self.origin || !matches!(question.qtype, kind::AXFR | kind::IXFR))
        {
            return form(format!("an answer to {} {}", question.qname, kind::type_name(question.qtype)));
        }
        // So that an endless row of empty messages ends too.
        if message.answer.is_empty() {
            return form("a message without records");
        }
        let alone = matches!(self.state, Taking::Begin) && message.answer.len() == 1;
        let mut records = message.answer.iter();
        while let Some(record) = records.next() {
            self.count(record)?;
            if let Some(brought) = self.record(record)? {
                return if records.next().is_none() { Ok(Some(brought)) } else { form("records after the last") };
            }
        }
        match &self.state {
            Taking::Second { soa } if alone && self.is_up_to_date(soa) => {
                self.state = Taking::Done;
                Ok(Some(Brought::Nothing))
            }
            _ => Ok(None),
        }
    }

    fn is_up_to_date(&self, soa: &Record) -> bool {
        self.serial().is_some_and(|serial| !serial_after(serial_of(soa), serial))
    }

    /// SERIAL of what we hold.
    fn serial(&self) -> Option<u32> {
        self.current.as_ref().and_then(Zone::serial)
    }

    fn count(&mut self, record: &Record) -> Result<(), TransferFault> {
        self.records += 1;
        self.octets = self.octets.saturating_add(record.owner.wire().len() + 10 + record.rdata.len());
        // The SOA comes twice.
        if self.records > self.records_max.saturating_add(1) {
            return Err(TransferFault::TooMany(self.records_max));
        }
        if self.octets > INTAKE_BYTES_MAX {
            return Err(TransferFault::TooLong(INTAKE_BYTES_MAX));
        }
        Ok(())
    }

    fn record(&mut self, record: &Record) -> Result<Option<Brought>, TransferFault> {
        let told = || format!("{} {}", record.owner, kind::type_name(record.rtype));
        if record.class != kind::CLASS_IN {
            return form(format!("{} of class {}", told(), kind::class_name(record.class)));
        }
        if matches!(record.rtype, 0 | kind::OPT | 128..=255) {
            return form(format!("{} is no record of a zone", told()));
        }
        let apex = record.owner == self.origin;
        if record.rtype == kind::SOA && !apex {
            return form(format!("{} away from the apex", told()));
        }
        if record.rtype == kind::SOA && record.rdata.len() < 22 {
            return form("a SOA that is none");
        }
        if !record.owner.is_at_or_below(&self.origin) {
            // Old primaries send the addresses of their servers along, wherever those lie: no reason to go without the zone.
            self.ignored += 1;
            return Ok(None);
        }
        let (next, brought) = match std::mem::replace(&mut self.state, Taking::Done) {
            Taking::Begin if record.rtype == kind::SOA => (Taking::Second { soa: Box::new(record.clone()) }, None),
            Taking::Begin => return form(format!("{} comes before the SOA", told())),
            Taking::Second { soa } => self.second(*soa, record)?,
            Taking::Whole(whole) => whole.take(record)?,
            Taking::Changes(changes) => changes.take(record, self.records_max)?,
            Taking::Done => return form("a record after the end"),
        };
        self.state = next;
        Ok(brought)
    }

    /// The second record tells which kind of answer it is (RFC 1995 §4).
    fn second(&mut self, soa: Record, record: &Record) -> Taken {
        if record.rtype == kind::SOA
            && serial_of(record) != serial_of(&soa)
            && self.serial() == Some(serial_of(record))
            && let Some(zone) = self.current.clone()
        {
            let (before, done, removed, added) = (record.clone(), Vec::new(), Vec::new(), Vec::new());
            let changes = Changes { newest: soa, zone, done, before, removed, after: None, added };
            return Ok((Taking::Changes(Box::new(changes)), None));
        }
        let mut zone = Zone::new(self.origin.clone());
        zone.add(&soa);
        Box::new(Whole { soa, zone }).take(record)
    }
}

/// Where a record leads, and what the transfer brought if it is complete.
type Taken = Result<(Taking, Option<Brought>), TransferFault>;

impl Whole {
    /// Takes one more record after the first SOA.
    fn take(mut self: Box<Self>, record: &Record) -> Taken {
        if record.rtype != kind::SOA {
            self.zone.add(record);
            return Ok((Taking::Whole(self), None));
        }
        let (first, last) = (serial_of(&self.soa), serial_of(record));
        if first != last || !record.rdata.eq_ignore_ascii_case(&self.soa.rdata) {
            return form(format!("it begins with the SOA of serial {first} and ends with that of {last}"));
        }
        check_ns(&self.zone)?;
        Ok((Taking::Done, Some(Brought::Whole(self.zone))))
    }
}

impl Changes {
    /// Takes one more record after the first change's old SOA.
    fn take(mut self: Box<Self>, record: &Record, records_max: usize) -> Taken {
        if record.rtype != kind::SOA {
            let records = if self.after.is_none() { &mut self.removed } else { &mut self.added };
            records.push(record.clone());
            return Ok((Taking::Changes(self), None));
        }
        let serial = serial_of(record);
        let Some(after) = self.after.take() else {
            let before = serial_of(&self.before);
            if !serial_after(serial, before) {
                return form(format!("a change from serial {before} to {serial}"));
            }
            self.after = Some(record.clone());
            return Ok((Taking::Changes(self), None));
        };
        // This SOA ends the change: another begins with it, or all are there.
        if serial != serial_of(&after) {
            return form(format!("a change to serial {}, then one from {serial}", serial_of(&after)));
        }
        let removed = std::mem::take(&mut self.removed);
        let added = std::mem::take(&mut self.added);
        let before = std::mem::replace(&mut self.before, record.clone());
        let delta = Delta { before, after, removed, added };
        self.zone = delta.apply(&self.zone)?;
        self.done.push(delta);
        if self.zone.record_count() > records_max {
            return Err(TransferFault::TooMany(records_max));
        }
        if serial != serial_of(&self.newest) {
            return Ok((Taking::Changes(self), None));
        }
        check_ns(&self.zone)?;
        Ok((Taking::Done, Some(Brought::Deltas(self.done, self.zone))))
    }
}

fn check_ns(zone: &Zone) -> Result<(), TransferFault> {
    if zone.rrset(zone.origin(), kind::NS).is_none() {
        return form("the zone has no NS record at its apex");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
