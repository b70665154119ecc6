//! What messages on the wire say, put into an event.

use std::sync::Arc;

use event::{EDE_MAX, Ede, Event, Flags, Outcome};
use wire::kind;
use wire::message::Message;
use wire::reply::{EDE_TEXT_LEN_MAX, NotAReply, Shape};
use wire::tkey::Tkey;
use wire::tsig::Tsig;
use wire::view::{self, Arrival, Edns, HEADER_LEN, flag, option};

/// TTLs have 31 bits; a set sign bit means 0 (RFC 2181 §8).
const TTL_MAX: u32 = 0x7fff_ffff;

/// Header octets 2 and 3; `None` for what is shorter than a header.
pub(crate) fn header_flags(bytes: &[u8]) -> Option<u16> {
    let [_, _, high, low, ..] = bytes.first_chunk::<HEADER_LEN>()?;
    Some(u16::from_be_bytes([*high, *low]))
}

/// Puts in what a query says: question, opcode, flags, key, size.
///
/// # Errors
/// Octets that are no query at all. One that is malformed behind its header is a query all the same: it was answered FORMERR.
pub(crate) fn put_query(event: &mut Event, bytes: &[u8]) -> Result<(), String> {
    let flags = header_flags(bytes).ok_or("shorter than a header")?;
    event.opcode = (flags >> 11 & 0xf) as u8;
    event.query_size = size(bytes);
    let (question, edns, tsig_at) = match view::read(bytes) {
        Arrival::Query(query) => (Some((query.qname, query.qtype, query.qclass)), query.edns, None),
        Arrival::Operation(operation) => {
            (operation.question.map(|(name, qtype, class, _)| (name, qtype, class)), operation.edns, operation.tsig_at)
        }
        Arrival::Reject(reject) => {
            (reject.question.map(|(name, qtype, class, _)| (name, qtype, class)), reject.edns, None)
        }
        Arrival::Silence(_) => return Err("a reply where a query was due".to_owned()),
    };
    if let Some((name, qtype, class)) = question {
        event.domain = Some(name.fold().text().into());
        (event.qtype, event.qclass) = (qtype, class);
        if qtype == kind::TKEY {
            event.key.clone_from(&event.domain);
        }
    }
    if let Some(tsig) = tsig_at.and_then(|at| Tsig::read(bytes, at).ok()) {
        event.key = Some(tsig.key_name.text().into());
    }
    event.flags = asked_flags(event.flags, flags, edns);
    Ok(())
}

fn asked_flags(mut flags: Flags, header: u16, edns: Option<Edns<'_>>) -> Flags {
    for (bit, flag) in [(flag::RD, Flags::RD), (flag::CD, Flags::CD), (flag::AD, Flags::AD)] {
        if header & bit != 0 {
            flags = flags.with(flag);
        }
    }
    if let Some(edns) = edns {
        flags = flags.with(Flags::EDNS);
        if edns.dnssec_ok {
            flags = flags.with(Flags::DO);
        }
    }
    flags
}

/// Puts in what a reply says: code from all its places, extended errors, answer, flags, outcome, size. Where no query was seen, its
/// question and the flags it repeats as well.
///
/// # Errors
/// Octets that are no reply at all.
pub(crate) fn put_reply(event: &mut Event, bytes: &[u8], query_seen: bool) -> Result<(), String> {
    let flags = header_flags(bytes).ok_or("shorter than a header")?;
    if flags & flag::QR == 0 {
        return Err("a query where a reply was due".to_owned());
    }
    event.reply_size = size(bytes);
    let replied = [(flag::AA, Flags::AA), (flag::TC, Flags::TC), (flag::RA, Flags::RA), (flag::AD, Flags::AUTHENTIC)];
    for (bit, flag) in replied {
        if flags & bit != 0 {
            event.flags = event.flags.with(flag);
        }
    }
    event.rcode = Some(flags & flag::RCODE);
    let mut shape = None;
    match Message::read(bytes) {
        Ok(message) => {
            if !query_seen {
                put_question(event, &message, flags);
            }
            put_records(event, &message, bytes);
            if let Some(question) = message.questions.first()
                && message.opcode() == kind::OPCODE_QUERY
            {
                match wire::reply::take(bytes, message.id, &question.qname, question.qtype, question.qclass) {
                    Ok(stored) => {
                        shape = Some(stored.shape);
                        event.answer = stored.summary.map(Arc::from);
                    }
                    Err(NotAReply::Truncated | NotAReply::Foreign | NotAReply::Malformed { .. }) => {}
                }
            }
            // Operations are done; answers may stand without a question, or in a form that is not understood.
            if shape.is_none() {
                let is_answered = event.opcode != kind::OPCODE_QUERY || !message.answer.is_empty();
                shape = Some(if is_answered { Shape::Answer } else { Shape::Nodata });
            }
        }
        // Its header was read by the client, so it is what the client got.
        Err(_) if !query_seen => event.opcode = (flags >> 11 & 0xf) as u8,
        Err(_) => {}
    }
    event.outcome = outcome(event, flags, shape);
    Ok(())
}

fn put_question(event: &mut Event, message: &Message, flags: u16) {
    event.opcode = message.opcode();
    if let Some(question) = message.questions.first() {
        event.domain = Some(question.qname.text().into());
        (event.qtype, event.qclass) = (question.qtype, question.qclass);
    }
    for (bit, flag) in [(flag::RD, Flags::RD), (flag::CD, Flags::CD)] {
        if flags & bit != 0 {
            event.flags = event.flags.with(flag);
        }
    }
}

fn put_records(event: &mut Event, message: &Message, bytes: &[u8]) {
    event.rcode = Some(message.rcode());
    event.answer_count = u16::try_from(message.answer.len()).unwrap_or(u16::MAX);
    let ttls = message.answer.iter().map(|record| if record.ttl > TTL_MAX { 0 } else { record.ttl });
    event.ttl = ttls.min();
    if let Some(opt) = message.opt() {
        event.ede = extended_errors(&opt.rdata).into();
    }
    if let Some(tsig) = Tsig::find(bytes).and_then(|at| Tsig::read(bytes, at).ok()) {
        event.tsig_error = Some(tsig.error);
        event.key.get_or_insert_with(|| tsig.key_name.text().into());
    }
    let mut records = message.answer.iter().chain(&message.additional);
    if let Some(record) = records.find(|record| record.rtype == kind::TKEY)
        && let Ok(tkey) = Tkey::read(&record.rdata)
    {
        event.tkey_error = Some(tkey.error);
        event.key.get_or_insert_with(|| record.owner.text().into());
    }
}

fn outcome(event: &Event, flags: u16, shape: Option<Shape>) -> Outcome {
    let failed = |error: Option<u16>| error.is_some_and(|error| error != 0);
    if flags & flag::TC != 0 && event.rcode == Some(0) {
        return Outcome::Truncated;
    }
    if failed(event.rcode) || failed(event.tsig_error) || failed(event.tkey_error) {
        return Outcome::Error;
    }
    match shape {
        Some(Shape::Answer) => Outcome::Answered,
        Some(Shape::Referral) => Outcome::Referral,
        Some(Shape::Nodata | Shape::Error) => Outcome::Nodata,
        // Only its header can be read.
        None => Outcome::Unknown,
    }
}

/// EXTENDED-ERROR options of an OPT record, as many as an event keeps.
fn extended_errors(mut options: &[u8]) -> Vec<Ede> {
    let mut errors = Vec::new();
    // Ends: every turn takes at least four octets off.
    while let Some((&[code_high, code_low, len_high, len_low], rest)) = options.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let Some((data, rest)) = rest.split_at_checked(len) else { break };
        if u16::from_be_bytes([code_high, code_low]) == option::EXTENDED_ERROR
            && errors.len() < EDE_MAX
            && let Some((info, text)) = data.split_first_chunk()
        {
            let text = text.get(..EDE_TEXT_LEN_MAX).unwrap_or(text);
            let text = String::from_utf8_lossy(text).trim_end_matches('\0').into();
            errors.push(Ede { code: u16::from_be_bytes(*info), text });
        }
        options = rest;
    }
    errors
}

fn size(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}

/// The outcome of a code that came without a message: as far as a log tells it.
pub(crate) fn outcome_of(rcode: u16, answers: bool, truncated: bool) -> Outcome {
    match (rcode, answers) {
        (0, _) if truncated => Outcome::Truncated,
        (0, true) => Outcome::Answered,
        (0, false) => Outcome::Nodata,
        _ => Outcome::Error,
    }
}
