//! A query read in the order the RFCs give: header, question, records, OPT. Knows nothing of what is answered.

use std::collections::BTreeSet;

use super::message::{OPT, Opt, Question, Record, options, question_at, record_at, u16_at};
use super::{COOKIE, KEEPALIVE, flags};

const TKEY: u16 = 249;
const TSIG: u16 = 250;
const IXFR: u16 = 251;
const AXFR: u16 = 252;

/// Records behind a query's question that are looked at.
const ADDITIONAL_MAX: u16 = 16;

/// Questions and records of a broken message that are looked through for an OPT.
const REJECT_MAX: u16 = 32;

/// The OPT of a query.
#[derive(Clone, Debug)]
pub(crate) struct Edns {
    pub(crate) udp_size: u16,
    pub(crate) dnssec_ok: bool,
    pub(crate) options: Vec<Opt>,
}

/// What can be read of a message, well-formed or not.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: u16,
    pub(crate) opcode: u16,
    flags: BTreeSet<&'static str>,
    /// The first one.
    pub(crate) question: Option<Question>,
    pub(crate) edns: Option<Edns>,
    pub(crate) signed: bool,
    /// It is no query: what only OPT can say is then said unasked.
    pub(crate) rejected: bool,
}

/// Why a message is no query to be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Form,
    NotImplemented,
    Version,
    /// Update, notify, transfer, key exchange, anything signed.
    Operation,
    /// No question but a cookie.
    CookieProbe,
}

impl Fault {
    pub(crate) fn rcode(self) -> u16 {
        match self {
            Fault::Form | Fault::CookieProbe => 1,
            Fault::NotImplemented | Fault::Operation => 4,
            Fault::Version => 16,
        }
    }
}

impl Asked {
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flags.contains(name)
    }

    /// The first option of a code.
    pub(crate) fn option(&self, code: u16) -> Option<&[u8]> {
        let options = &self.edns.as_ref()?.options;
        options.iter().find(|(other, _)| *other == code).map(|(_, data)| &data[..])
    }
}

/// Reads a message that has a header.
pub(crate) fn read(bytes: &[u8]) -> (Asked, Option<Fault>) {
    let field = |index: usize| u16_at(bytes, 2 * index).unwrap_or(0);
    let (id, header) = (field(0), field(1));
    let question = (field(2) > 0).then(|| question_at(bytes, 12)).flatten().map(|(question, _)| question);
    let (edns, opcode) = (first_opt(bytes), header >> 11 & 0xf);
    let mut asked = Asked { id, opcode, flags: flags(header), question, edns, signed: false, rejected: false };
    let sections = sections(bytes);
    asked.signed = sections.as_ref().is_ok_and(|sections| sections.tsig);
    let fault = match opcode {
        0 => query(&asked, [field(2), field(3), field(4), field(5)], sections),
        // RFC 1996 §3.7, RFC 2136 §3.1.1: one zone.
        4 | 5 if field(2) != 1 => Some(Fault::Form),
        4 | 5 => Some(sections.err().unwrap_or(Fault::Operation)),
        // RFC 8490 §5.1.1: such a message has neither question nor records; nothing of it is read where it is not served.
        6 => {
            (asked.question, asked.edns, asked.signed) = (None, None, false);
            Some(Fault::NotImplemented)
        }
        // Who signs gets a signed reply.
        _ if asked.signed => Some(Fault::Operation),
        _ => Some(Fault::NotImplemented),
    };
    asked.rejected = fault.is_some();
    (asked, fault)
}

fn query(asked: &Asked, counts: [u16; 4], sections: Result<Sections, Fault>) -> Option<Fault> {
    let [questions, answers, authorities, additional] = counts;
    if questions == 0 && answers == 0 && authorities == 0 && additional <= ADDITIONAL_MAX {
        return Some(match sections {
            Err(fault) => fault,
            Ok(sections) if sections.tsig => Fault::Operation,
            Ok(_) if asked.option(COOKIE).is_some() => Fault::CookieProbe,
            Ok(_) => Fault::Form,
        });
    }
    // RFC 9619: exactly one question.
    let kind = match &asked.question {
        Some((_, kind, _)) if questions == 1 => *kind,
        _ => return Some(Fault::Form),
    };
    // RFC 1995 §3: the serial had, in authority. RFC 2930 §3, by old clients in the answer section.
    let (answers_max, authorities_max) = (u16::from(kind == TKEY), u16::from(kind == IXFR));
    if answers > answers_max || authorities > authorities_max || additional > ADDITIONAL_MAX {
        return Some(Fault::Form);
    }
    match (sections, kind) {
        (Err(fault), _) => Some(fault),
        (Ok(Sections { tsig: true }), _) | (_, TKEY | IXFR | AXFR) => Some(Fault::Operation),
        // OPT, TSIG and NXNAME (RFC 9824 §3.4) are never data.
        (_, OPT | TSIG | 128) => Some(Fault::Form),
        // MAILB and MAILA are obsolete (RFC 1035 §3.2.3).
        (_, 253 | 254) => Some(Fault::NotImplemented),
        _ => None,
    }
}

struct Sections {
    tsig: bool,
}

/// Reads all of a message strictly: it must end where its last record does.
fn sections(bytes: &[u8]) -> Result<Sections, Fault> {
    let count = |index: usize| u16_at(bytes, 2 * index).ok_or(Fault::Form);
    let mut at = 12;
    for index in 0..count(2)? {
        let first = index == 0;
        at = if first {
            question_at(bytes, at).ok_or(Fault::Form)?.1
        } else {
            super::message::name_at(bytes, at).ok_or(Fault::Form)?.1 + 4
        };
    }
    let (mut opt, mut tsig) = (None, false);
    let before = count(3)? + count(4)?;
    for index in 0..before + count(5)? {
        let owner_is_root = bytes.get(at) == Some(&0);
        let (record, end) = record_at(bytes, at).ok_or(Fault::Form)?;
        let last = index + 1 == before + count(5)?;
        match record.kind {
            OPT | TSIG if index < before => return Err(Fault::Form),
            // RFC 6891 §6.1.1: one, and of the root.
            OPT if opt.is_some() || !owner_is_root => return Err(Fault::Form),
            OPT => opt = Some(record),
            // RFC 8945 §5.1.
            TSIG if !last || record.class != 255 || record.ttl != 0 => return Err(Fault::Form),
            TSIG => tsig = true,
            _ => {}
        }
        at = end;
    }
    if at != bytes.len() {
        return Err(Fault::Form);
    }
    match opt {
        // RFC 6891 §6.1.3: another version may have other options.
        Some(opt) if opt.ttl >> 16 & 0xff != 0 => Err(Fault::Version),
        Some(opt) if !options(&opt.data).is_some_and(|options| well_formed(&options)) => Err(Fault::Form),
        _ => Ok(Sections { tsig }),
    }
}

/// RFC 7873 §4 and §5.2: the first cookie counts; RFC 7871 §6; RFC 7828 §3.1.
fn well_formed(options: &[Opt]) -> bool {
    let cookie = options.iter().find(|(code, _)| *code == COOKIE);
    cookie.is_none_or(|(_, data)| matches!(data.len(), 8 | 16..=40))
        && options.iter().all(|(code, data)| match *code {
            8 => subnet(data),
            KEEPALIVE => matches!(data.len(), 0 | 2),
            _ => true,
        })
}

/// Family, prefix, scope 0, and just the octets of the prefix with nothing behind its bits.
fn subnet(data: &[u8]) -> bool {
    let [0, family, prefix, 0, address @ ..] = data else { return false };
    let bits = match family {
        0 => 0,
        1 => 32,
        2 => 128,
        _ => return false,
    };
    let bit = |at: usize| address[at / 8] >> (7 - at % 8) & 1;
    *prefix <= bits
        && address.len() == usize::from(*prefix).div_ceil(8)
        && (usize::from(*prefix)..address.len() * 8).all(|at| bit(at) == 0)
}

/// The first OPT that can be read, whatever else is wrong: its sender speaks EDNS, and gets EDNS (RFC 6891 §7).
fn first_opt(bytes: &[u8]) -> Option<Edns> {
    let count = |index: usize| u16_at(bytes, 2 * index);
    let mut at = 12;
    let questions = count(2).filter(|&questions| questions <= REJECT_MAX)?;
    for _ in 0..questions {
        at = super::message::name_at(bytes, at)?.1 + 4;
    }
    let before = count(3)? + count(4)?;
    for index in 0..(before + count(5)?).min(REJECT_MAX) {
        let owner_is_root = bytes.get(at) == Some(&0);
        let (Record { kind, class, ttl, data, .. }, end) = record_at(bytes, at)?;
        if index >= before && kind == OPT && owner_is_root {
            return Some(Edns { udp_size: class, dnssec_ok: ttl & 0x8000 != 0, options: options(&data)? });
        }
        at = end;
    }
    None
}
