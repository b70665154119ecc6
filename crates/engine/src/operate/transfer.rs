//! Transfers out: AXFR (RFC 5936) and IXFR (RFC 1995), message by message as the connection takes them.

use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use event::{Ede, Event, Transport};
use wire::code::Code;
use wire::kind;
use wire::message::{Builder, Record, Section};
use wire::name::Name;
use wire::reply::MESSAGE_LEN_MAX;
use wire::view::flag;
use zone::State;

use super::notify::serial;
use super::signed::Pen;
use super::{Denied, Errand, Operated};

/// Octets after which a message of a transfer is closed: compression reaches no further (RFC 1035 §4.1.4).
const MESSAGE_BYTES: usize = 16 << 10;

type Records = Box<dyn Iterator<Item = Record> + Send>;

/// QNAME, QTYPE, QCLASS.
type Question<'a> = (Name<'a>, u16, u16);

pub(super) fn run(errand: &Errand<'_>, pen: &mut Option<Pen>) -> Result<Operated, Denied> {
    let (name, qtype, qclass, _) = errand.operation.question.ok_or_else(|| Denied::form("there is no question"))?;
    let is_stream = errand.source.transport != Transport::Udp;
    // RFC 5936 §4.2: not defined. What was meant must be said over a connection.
    if qtype == kind::AXFR && !is_stream {
        return Err(Denied::form("a whole zone is not asked for over UDP"));
    }
    let from = if qtype == kind::IXFR { Some(wanted(errand)?) } else { None };
    let held = errand.held()?;
    if !errand.access(held.origin()).transfer.iter().any(|who| errand.is(who)) {
        return Err(errand.refused("transfer this zone"));
    }
    let loaded = match &**held.state() {
        State::Loaded(loaded) => Arc::clone(loaded),
        State::Unavailable { ede, why } => {
            let line = format!("{} is not in service: {why}", held.origin());
            return Err(Denied { code: Code::SERVFAIL, ede: Some(Ede { code: *ede, text: Arc::clone(why) }), line });
        }
    };
    let soa = loaded.zone.soa().ok_or_else(|| Denied::told(Code::SERVFAIL, wire::ede::OTHER, "the zone has no SOA"))?;
    let changes = from.and_then(|serial| zone::transfer::since(loaded.zone.clone(), &loaded.history, serial));
    let now_at = loaded.zone.serial().unwrap_or(0);
    let line = match (from, &changes) {
        (None, _) => format!("{} whole at serial {now_at}", held.origin()),
        (Some(from), Some(_)) => format!("{} from serial {from} to {now_at}", held.origin()),
        (Some(from), None) => {
            format!("{} whole at serial {now_at}, since changes from {from} are not kept", held.origin())
        }
    };
    let question = (name, qtype, qclass);
    if !is_stream {
        let (reply, count) = short(errand, question, changes, &soa, errand.room(pen.as_ref()));
        let mut done = errand.reply(reply, Code::NOERROR, &line);
        done.late.event.answer_count = count;
        return Ok(done);
    }
    let records = changes.unwrap_or_else(|| zone::transfer::whole(loaded.zone.clone()));
    let sent = Arc::new(Sent::default());
    let mut stream = Stream {
        records: records.peekable(),
        id: errand.operation.id,
        flags: errand.reply_flags() | flag::AA,
        pen: pen.take(),
        sent: Arc::clone(&sent),
    };
    let first = stream.first(errand, question);
    let mut done = errand.reply(first, Code::NOERROR, &line);
    done.late.sent = Some(sent);
    done.more = Some(Box::new(stream));
    Ok(done)
}

/// The serial a client has: in the SOA of its authority section (RFC 1995 §3).
fn wanted(errand: &Errand<'_>) -> Result<u32, Denied> {
    let message = errand.message()?;
    let soa = message.authority.iter().find(|record| record.rtype == kind::SOA);
    soa.and_then(serial).ok_or_else(|| Denied::form("the SOA that says what the client has is missing"))
}

/// The one message of an answer over UDP, and its records: all changes if they fit, else the SOA alone, and the client comes
/// back over TCP (RFC 1995 §2).
fn short(
    errand: &Errand<'_>,
    question: Question<'_>,
    changes: Option<Records>,
    soa: &Record,
    room: usize,
) -> (Vec<u8>, u16) {
    let (name, qtype, qclass) = question;
    let message = |records: &mut dyn Iterator<Item = Record>| {
        let mut builder = Builder::new(errand.operation.id, errand.reply_flags() | flag::AA, room);
        builder.question(name, qtype, qclass);
        let mut count = 0u16;
        for record in records {
            if !builder.record(Section::Answer, &record) {
                return None;
            }
            count = count.saturating_add(1);
        }
        Some((builder.finish(), count))
    };
    let all = changes.and_then(|mut records| message(&mut records));
    let one = all.or_else(|| message(&mut std::iter::once(soa.clone())));
    let (mut reply, count) = one.unwrap_or_default();
    errand.append_opt(&mut reply);
    (reply, count)
}

/// What a transfer has sent so far.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    records: AtomicU64,
    messages: AtomicU64,
    octets: AtomicU64,
}

impl Sent {
    fn add(&self, records: u64, octets: usize) {
        self.records.fetch_add(records, Relaxed);
        self.messages.fetch_add(1, Relaxed);
        self.octets.fetch_add(octets as u64, Relaxed);
    }

    /// Tells the event of all that was sent.
    pub(crate) fn tell(&self, event: &mut Event) {
        let [records, messages, octets] = [&self.records, &self.messages, &self.octets].map(|cell| cell.load(Relaxed));
        event.answer = Some(format!("{records} records, {messages} messages, {octets} octets").into());
        event.answer_count = u16::try_from(records).unwrap_or(u16::MAX);
        event.reply_size = u16::try_from(octets).unwrap_or(u16::MAX);
    }
}

/// Messages of a transfer over a connection; all are signed when the request was, each chained to the one before.
struct Stream {
    records: Peekable<Records>,
    id: u16,
    flags: u16,
    pen: Option<Pen>,
    sent: Arc<Sent>,
}

impl Stream {
    /// The first message: with the question, and OPT when the client sent it (RFC 5936 §2.2.1, §2.2.5).
    fn first(&mut self, errand: &Errand<'_>, (name, qtype, qclass): Question<'_>) -> Vec<u8> {
        let mut builder = Builder::new(self.id, self.flags, errand.room(self.pen.as_ref()));
        builder.question(name, qtype, qclass);
        let records = self.fill(&mut builder);
        let mut message = builder.finish();
        errand.append_opt(&mut message);
        self.close(message, records)
    }

    fn fill(&mut self, builder: &mut Builder) -> u64 {
        let mut records = 0;
        while builder.len() < MESSAGE_BYTES
            && let Some(record) = self.records.peek()
            && builder.record(Section::Answer, record)
        {
            let _ = self.records.next();
            records += 1;
        }
        records
    }

    fn close(&mut self, mut message: Vec<u8>, records: u64) -> Vec<u8> {
        if let Some(pen) = &mut self.pen {
            pen.sign(&mut message);
        }
        self.sent.add(records, message.len());
        message
    }
}

impl Iterator for Stream {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let room = MESSAGE_LEN_MAX.saturating_sub(self.pen.as_ref().map_or(0, Pen::len));
        let mut builder = Builder::new(self.id, self.flags, room);
        // Ends: every message takes a record. One that fits into none ends the transfer without its last SOA, so that the client
        // does not take it for whole.
        match self.fill(&mut builder) {
            0 => None,
            records => Some(self.close(builder.finish(), records)),
        }
    }
}
