//! NOTIFY (RFC 1996): a primary says that its zone has changed.

use std::sync::Arc;

use wire::code::Code;
use wire::kind;
use wire::message::Record;
use wire::view::flag;
use zone::Role;

use super::{Denied, Errand, Operated};

/// Octets of an SOA's five numbers; SERIAL is the first.
const SOA_NUMBERS_LEN: usize = 20;

pub(super) fn run(errand: &Errand<'_>) -> Result<Operated, Denied> {
    let message = errand.message()?;
    // RFC 1996 §3.7: SOA is the one type that is told of.
    if message.questions.first().is_none_or(|question| question.qtype != kind::SOA) {
        return Err(Denied::form("a notify tells of the SOA, not of another type"));
    }
    let held = errand.held()?;
    if held.role() == Role::Primary {
        let line = format!("{} has no primary but this server", held.origin());
        return Err(Denied::told(Code::NOTAUTH, wire::ede::NOT_AUTHORITATIVE, line));
    }
    if !errand.access(held.origin()).notify.iter().any(|who| errand.is(who)) {
        return Err(errand.refused("notify"));
    }
    let serial = message.answer.iter().find(|record| record.rtype == kind::SOA).and_then(serial);
    errand.authority.keeper.notified(held.origin(), serial, errand.source.peer);
    let line = match serial {
        Some(serial) => format!("{} has serial {serial} at its primary", held.origin()),
        None => format!("{} has changed at its primary", held.origin()),
    };
    Ok(errand.code(Code::NOERROR, Arc::from([]), flag::AA, line))
}

/// SERIAL of an SOA record.
pub(super) fn serial(soa: &Record) -> Option<u32> {
    let numbers = soa.rdata.len().checked_sub(SOA_NUMBERS_LEN)?;
    let octets = soa.rdata.get(numbers..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*octets))
}
