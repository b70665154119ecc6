//! Transfers out: AXFR (RFC 5936) and IXFR (RFC 1995), message by message as the connection takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use event::{Ede, Event, Transport};
use wire::code::Code;
use wire::kind;
use wire::message::{Question, Record};
use wire::name::Name;
use wire::view::{HEADER_LEN, flag};
use zone::State;
use zone::transfer::Messages;

use super::notify::serial;
use super::signed::Pen;
use super::{Denied, Errand, Operated};
use crate::exit::Now;

type Records = Box<dyn Iterator<Item = Record> + Send>;

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
    let id = errand.operation.id;
    let question = Question { qname: name.fold(), qtype, qclass };
    let messages = |records: Records| {
        let shipping = errand.shipping();
        let reserve = shipping.size_max.saturating_sub(errand.room(pen.as_ref()));
        Messages::new(id, errand.reply_flags() | flag::AA, question.clone(), records, shipping.size_max, reserve)
    };
    if !is_stream {
        // All changes if they fit, else the SOA alone, and the client comes back over TCP (RFC 1995 §2).
        let whole = |records: Records| {
            let mut messages = messages(records);
            let first = messages.next()?.ok()?;
            messages.next().is_none().then_some(first)
        };
        let reply = changes.and_then(whole).or_else(|| whole(Box::new(std::iter::once(soa))));
        let reply = spelled(errand, name, reply.unwrap_or_default());
        let mut done = errand.reply(reply, Code::NOERROR, &line);
        done.late.event.answer_count = answer_count(&done.late.reply);
        return Ok(done);
    }
    let records = changes.unwrap_or_else(|| zone::transfer::whole(loaded.zone.clone()));
    let sent = Arc::new(Sent::default());
    let mut messages = messages(records);
    let Some(Ok(first)) = messages.next() else {
        return Err(Denied::told(Code::SERVFAIL, wire::ede::OTHER, "a record fits into no message"));
    };
    let mut stream = Stream { messages, pen: pen.take(), sent: Arc::clone(&sent) };
    let first = stream.close(spelled(errand, name, first));
    let mut done = errand.reply(first, Code::NOERROR, &line);
    done.late.sent = Some(sent);
    done.more = Some(Box::new(move |now| stream.next(now)));
    Ok(done)
}

/// A first message: the name as the client spelled it, and OPT when it sent one (RFC 5936 §2.2.5).
fn spelled(errand: &Errand<'_>, name: Name<'_>, mut message: Vec<u8>) -> Vec<u8> {
    if let Some(asked) = message.get_mut(HEADER_LEN..HEADER_LEN + name.wire().len()) {
        asked.copy_from_slice(name.wire());
    }
    errand.append_opt(&mut message);
    message
}

fn answer_count(message: &[u8]) -> u16 {
    message.get(6..8).and_then(|octets| octets.try_into().ok()).map_or(0, u16::from_be_bytes)
}

/// The serial a client has: in the SOA of its authority section (RFC 1995 §3).
fn wanted(errand: &Errand<'_>) -> Result<u32, Denied> {
    let message = errand.message()?;
    let soa = message.authority.iter().find(|record| record.rtype == kind::SOA);
    soa.and_then(serial).ok_or_else(|| Denied::form("the SOA that says what the client has is missing"))
}

/// What a transfer has sent so far.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    records: AtomicU64,
    messages: AtomicU64,
    octets: AtomicU64,
}

impl Sent {
    fn add(&self, records: u16, octets: usize) {
        self.records.fetch_add(u64::from(records), Relaxed);
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
    messages: Messages<Records>,
    pen: Option<Pen>,
    sent: Arc<Sent>,
}

impl Stream {
    fn close(&mut self, mut message: Vec<u8>) -> Vec<u8> {
        let records = answer_count(&message);
        if let Some(pen) = &mut self.pen {
            pen.sign(&mut message);
        }
        self.sent.add(records, message.len());
        message
    }
}

impl Stream {
    fn next(&mut self, now: Now) -> Option<Vec<u8>> {
        // A record that fits into no message ends the transfer without its last SOA, so that the client does not take it for
        // whole.
        let message = self.messages.next()?.ok()?;
        if let Some(pen) = &mut self.pen {
            pen.at(now);
        }
        Some(self.close(message))
    }
}
