//! The hot view: what a listener can say of bytes that just arrived, borrowed, without allocating.
//!
//! `read` sorts an arrival into exactly one of four: a plain query for the walk, an operation that leaves the hot path (update,
//! notify, transfer, key agreement, session, and all that is signed), a reply that can be given at once (FORMERR, NOTIMP,
//! BADVERS), or silence. It knows no client, clock, transport or policy.

use std::fmt;

use crate::bytes::{slice_at, u16_at};
use crate::code::Code;
use crate::kind;
use crate::name::Name;
use crate::walk;

/// Octets of a header (RFC 1035 §4.1.1).
pub const HEADER_LEN: usize = 12;

/// Additional records a query may carry. One OPT and one TSIG are usual; beyond this it is no query but a load.
const ADDITIONAL_MAX: u16 = 16;

/// Questions and records looked through for an OPT when a message is rejected anyway.
const REJECT_RECORDS_MAX: usize = 32;

/// DNSSEC OK in the TTL field of OPT (RFC 3225).
pub(crate) const DNSSEC_OK: u32 = 0x8000;

/// Bits of header octets 2 and 3 (RFC 1035 §4.1.1, RFC 4035 §3).
pub mod flag {
    /// Response.
    pub const QR: u16 = 0x8000;
    /// The four bits of OPCODE.
    pub const OPCODE: u16 = 0x7800;
    /// Authoritative answer.
    pub const AA: u16 = 0x0400;
    /// Truncated.
    pub const TC: u16 = 0x0200;
    /// Recursion desired.
    pub const RD: u16 = 0x0100;
    /// Recursion available.
    pub const RA: u16 = 0x0080;
    /// Authentic data.
    pub const AD: u16 = 0x0020;
    /// Checking disabled.
    pub const CD: u16 = 0x0010;
    /// The four bits of RCODE.
    pub const RCODE: u16 = 0x000f;
}

/// Codes of EDNS options (IANA registry).
pub mod option {
    /// Name server identifier (RFC 5001).
    pub const NSID: u16 = 3;
    /// Client subnet (RFC 7871).
    pub const CLIENT_SUBNET: u16 = 8;
    /// Cookie (RFC 7873).
    pub const COOKIE: u16 = 10;
    /// TCP keepalive (RFC 7828).
    pub const TCP_KEEPALIVE: u16 = 11;
    /// Padding (RFC 7830).
    pub const PADDING: u16 = 12;
    /// Extended error (RFC 8914).
    pub const EXTENDED_ERROR: u16 = 15;
}

/// What arrived.
#[derive(Debug)]
pub enum Arrival<'a> {
    /// One question, opcode QUERY, at most one OPT of version 0; other additional records are ignored.
    Query(Query<'a>),
    /// Anything else that can be taken up: an update, a notify, a transfer, TKEY, DSO, and whatever carries TSIG.
    Operation(Operation<'a>),
    /// To be answered with this code at once.
    Reject(Reject<'a>),
    /// Never to be answered.
    Silence(Silence),
}

/// A plain query.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// The whole message.
    pub bytes: &'a [u8],
    /// Message ID.
    pub id: u16,
    /// Header octets 2 and 3.
    pub header_flags: u16,
    /// Name asked, case as it came.
    pub qname: Name<'a>,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// The OPT record, when there is one.
    pub edns: Option<Edns<'a>>,
}

/// A message that leaves the hot path. Its header, question, OPT and the place of TSIG were checked, and that its records can
/// be stepped over; what is in them was not. Of DSO only the header was looked at.
#[derive(Clone, Debug)]
pub struct Operation<'a> {
    /// The whole message.
    pub bytes: &'a [u8],
    /// Message ID.
    pub id: u16,
    /// Header octets 2 and 3.
    pub header_flags: u16,
    /// OPCODE.
    pub opcode: u8,
    /// The question, or the zone section of an update: name, QTYPE, QCLASS and where it ends. `None` for DSO, and where there
    /// is none.
    pub question: Option<(Name<'a>, u16, u16, usize)>,
    /// The OPT record.
    pub edns: Option<Edns<'a>>,
    /// Where the TSIG record starts: right in shape and place, key and signature not looked at.
    pub tsig_at: Option<usize>,
}

/// The OPT record of a query (RFC 6891), version 0.
#[derive(Clone, Copy, Debug)]
pub struct Edns<'a> {
    /// Requestor's UDP payload size as sent; below 512 counts as 512.
    pub udp_size: u16,
    /// DNSSEC OK.
    pub dnssec_ok: bool,
    /// Options in wire form, checked for shape.
    pub options: &'a [u8],
}

/// A message that gets a code at once.
#[derive(Clone, Debug)]
pub struct Reject<'a> {
    /// The whole message.
    pub bytes: &'a [u8],
    /// 12-bit RCODE to answer with.
    pub rcode: u16,
    /// OPCODE.
    pub opcode: u8,
    /// Question, when one could be read: name, QTYPE, QCLASS and where it ends in `bytes`.
    pub question: Option<(Name<'a>, u16, u16, usize)>,
    /// Whether the reply carries OPT: the query had a readable one.
    pub edns: Option<Edns<'a>>,
    /// Why, for the trace and EDE text: names the offence and the octet.
    pub reason: Reason,
}

/// Why a message is rejected; `Display` says it for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Cut short at this octet.
    Truncated {
        /// Octet.
        at: usize,
    },
    /// Not exactly one question (RFC 9619).
    QuestionCount {
        /// QDCOUNT.
        count: u16,
    },
    /// No question, but a cookie: right where cookies are on (RFC 7873 §5.4), and then not to be rejected. `edns` of the
    /// rejection is there and checked.
    CookieProbe,
    /// Octets after the last record.
    TrailingBytes {
        /// First octet too many.
        at: usize,
    },
    /// A name that is none: long label, long name, pointer in a question.
    BadName {
        /// Octet.
        at: usize,
    },
    /// An OPT that breaks RFC 6891 §6.1: second OPT, owner not root, options that do not fit, cookie length.
    BadOpt {
        /// Octet.
        at: usize,
    },
    /// A TSIG record that is not the last, not of class ANY, or with a TTL (RFC 8945 §4.2, §5.1).
    BadTsig {
        /// Octet.
        at: usize,
    },
    /// Records where such a message has none.
    UnexpectedRecord {
        /// Octet.
        at: usize,
    },
    /// An operation not offered here.
    Opcode {
        /// OPCODE.
        opcode: u8,
    },
    /// EDNS version above 0.
    EdnsVersion {
        /// VERSION.
        version: u8,
    },
    /// A question type for which there is no answer (OPT, TSIG, MAILA, …).
    QuestionType {
        /// QTYPE.
        qtype: u16,
    },
}

/// Why nothing is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Too short for a header.
    NoHeader,
    /// QR is set: a response must never be answered.
    Response,
}

/// Sorts an arrival.
#[must_use]
pub fn read(bytes: &[u8]) -> Arrival<'_> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Arrival::Silence(Silence::NoHeader) };
    let header_flags = u16::from_be_bytes([header[2], header[3]]);
    if header_flags & flag::QR != 0 {
        return Arrival::Silence(Silence::Response);
    }
    let opcode = opcode(header_flags);
    let sorted = match opcode {
        kind::OPCODE_QUERY => read_query(bytes, header_flags),
        kind::OPCODE_NOTIFY | kind::OPCODE_UPDATE => read_operation(bytes, header_flags).map(Arrival::Operation),
        kind::OPCODE_DSO => Ok(Arrival::Operation(Operation::bare(bytes, header_flags))),
        // Whoever signs gets a signed answer, if only that there is none.
        _ => match read_operation(bytes, header_flags) {
            Ok(operation) if operation.tsig_at.is_some() => Ok(Arrival::Operation(operation)),
            _ => Err(Reason::Opcode { opcode }),
        },
    };
    sorted.unwrap_or_else(|reason| reject(bytes, reason))
}

/// QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT.
fn counts(bytes: &[u8]) -> Result<[u16; 4], Reason> {
    let Some(&[_, _, _, _, q0, q1, a0, a1, n0, n1, r0, r1]) = bytes.first_chunk::<HEADER_LEN>() else {
        return Err(Reason::Truncated { at: bytes.len() });
    };
    Ok([[q0, q1], [a0, a1], [n0, n1], [r0, r1]].map(u16::from_be_bytes))
}

/// Reads opcode QUERY strictly: header and question, then at most one OPT and other additional records.
fn read_query(bytes: &[u8], header_flags: u16) -> Result<Arrival<'_>, Reason> {
    let [question_count, answer_count, authority_count, additional_count] = counts(bytes)?;
    if question_count != 1 {
        return read_without_question(bytes, header_flags, question_count);
    }
    let question = read_question(bytes)?;
    let (qname, qtype, qclass, mut at) = question;
    // A query for the changes since a serial carries that serial's SOA in authority (RFC 1995 §3); old clients put TKEY into
    // the answer section, which servers take (RFC 2930 §3 wants additional). Nothing else does.
    let answer_max = u16::from(qtype == kind::TKEY);
    let authority_max = u16::from(qtype == kind::IXFR);
    if answer_count > answer_max || authority_count > authority_max {
        return Err(Reason::UnexpectedRecord { at });
    }
    for _ in 0..answer_count + authority_count {
        at = Additional::read(bytes, at)?.end;
    }
    if additional_count > ADDITIONAL_MAX {
        return Err(Reason::UnexpectedRecord { at });
    }
    let (edns, tsig_at) = read_additional(bytes, at, additional_count)?;
    if tsig_at.is_some() || matches!(qtype, kind::AXFR | kind::IXFR | kind::TKEY) {
        let opcode = kind::OPCODE_QUERY;
        let (id, question) = (id(bytes), Some(question));
        return Ok(Arrival::Operation(Operation { bytes, id, header_flags, opcode, question, edns, tsig_at }));
    }
    if forbidden_rcode(qtype).is_some() {
        return Err(Reason::QuestionType { qtype });
    }
    Ok(Arrival::Query(Query { bytes, id: id(bytes), header_flags, qname, qtype, qclass, edns }))
}

/// A query without exactly one question: wrong (RFC 9619), unless it asks for a cookie only.
#[cold]
fn read_without_question(bytes: &[u8], header_flags: u16, count: u16) -> Result<Arrival<'_>, Reason> {
    let wrong = Reason::QuestionCount { count };
    let [0, 0, 0, additional_count] = counts(bytes)? else { return Err(wrong) };
    if additional_count > ADDITIONAL_MAX {
        return Err(wrong);
    }
    let (edns, tsig_at) = read_additional(bytes, HEADER_LEN, additional_count)?;
    if tsig_at.is_some() {
        return Ok(Arrival::Operation(Operation { edns, tsig_at, ..Operation::bare(bytes, header_flags) }));
    }
    let probe = edns.is_some_and(|edns| edns.option(option::COOKIE).is_some());
    Err(if probe { Reason::CookieProbe } else { wrong })
}

/// Reads any other opcode from outside. Of UPDATE and NOTIFY there is exactly one zone (RFC 2136 §3.1.1, RFC 1996 §3.7). Ends:
/// every question takes at least five octets of the message, every record eleven.
fn read_operation(bytes: &[u8], header_flags: u16) -> Result<Operation<'_>, Reason> {
    let [question_count, answer_count, authority_count, additional_count] = counts(bytes)?;
    let bare = Operation::bare(bytes, header_flags);
    if question_count != 1 && matches!(bare.opcode, kind::OPCODE_NOTIFY | kind::OPCODE_UPDATE) {
        return Err(Reason::QuestionCount { count: question_count });
    }
    let mut at = HEADER_LEN;
    let question = if question_count == 0 { None } else { Some(read_question(bytes)?) };
    if let Some((.., end)) = question {
        at = end;
    }
    for _ in 1..question_count {
        at = walk::skip_name(bytes, at).map_err(|at| Reason::BadName { at })? + 4;
    }
    for _ in 0..u32::from(answer_count) + u32::from(authority_count) {
        let record = Additional::read(bytes, at)?;
        if matches!(record.rtype, kind::OPT | kind::TSIG) {
            return Err(Reason::UnexpectedRecord { at });
        }
        at = record.end;
    }
    let (edns, tsig_at) = read_additional(bytes, at, additional_count)?;
    Ok(Operation { question, edns, tsig_at, ..bare })
}

/// Reads the additional section, which must end with the message: OPT and where TSIG starts.
fn read_additional(bytes: &[u8], mut at: usize, count: u16) -> Result<(Option<Edns<'_>>, Option<usize>), Reason> {
    let mut opt = None;
    let mut tsig_at = None;
    for index in 0..count {
        let record = Additional::read(bytes, at)?;
        match record.rtype {
            kind::OPT if opt.is_some() || !record.owner_is_root => return Err(Reason::BadOpt { at }),
            kind::OPT => opt = Some(record),
            // RFC 8945 §5.1: the last record, class ANY, TTL 0. Keys and signature are not looked at here.
            kind::TSIG if index + 1 != count || record.class != kind::CLASS_ANY || record.ttl != 0 => {
                return Err(Reason::BadTsig { at });
            }
            kind::TSIG => tsig_at = Some(at),
            // RFC 1035 gives queries no other records and no RFC forbids them: ignored.
            _ => {}
        }
        at = record.end;
    }
    if at != bytes.len() {
        return Err(Reason::TrailingBytes { at });
    }
    let edns = match opt {
        Some(opt) => Some(opt.edns()?),
        None => None,
    };
    Ok((edns, tsig_at))
}

/// What a question of this type gets whoever asks; `None` for types that can be looked up.
fn forbidden_rcode(qtype: u16) -> Option<Code> {
    match qtype {
        // Pseudo-records that are never data, and the sentinel of RFC 9824 §3.4.
        kind::OPT | kind::TSIG | kind::NXNAME => Some(Code::FORMERR),
        // Obsolete.
        kind::MAILA | kind::MAILB => Some(Code::NOTIMP),
        _ => None,
    }
}

/// Reads the first question, which must not be compressed: name, type, class and where it ends.
fn read_question(bytes: &[u8]) -> Result<(Name<'_>, u16, u16, usize), Reason> {
    let rest = bytes.get(HEADER_LEN..).unwrap_or_default();
    let (qname, rest) = Name::split(rest).map_err(|offset| match HEADER_LEN + offset {
        at if at >= bytes.len() => Reason::Truncated { at: bytes.len() },
        at => Reason::BadName { at },
    })?;
    let Some(&[t0, t1, c0, c1]) = rest.first_chunk() else { return Err(Reason::Truncated { at: bytes.len() }) };
    let end = HEADER_LEN + qname.wire().len() + 4;
    Ok((qname, u16::from_be_bytes([t0, t1]), u16::from_be_bytes([c0, c1]), end))
}

/// Steps over the owner of a record.
fn skip_owner(bytes: &[u8], at: usize) -> Result<usize, Reason> {
    walk::skip_name(bytes, at).map_err(|wrong| match wrong {
        wrong if wrong >= bytes.len() => Reason::Truncated { at: bytes.len() },
        wrong => Reason::BadName { at: wrong },
    })
}

/// One record of a query behind its question, looked at from outside.
#[derive(Clone, Copy)]
struct Additional<'a> {
    owner_is_root: bool,
    rtype: u16,
    class: u16,
    ttl: u32,
    rdata: &'a [u8],
    end: usize,
}

impl<'a> Additional<'a> {
    fn read(bytes: &'a [u8], at: usize) -> Result<Additional<'a>, Reason> {
        let cut = Reason::Truncated { at: bytes.len() };
        let owner_is_root = bytes.get(at) == Some(&0);
        let name_end = if owner_is_root { at + 1 } else { skip_owner(bytes, at)? };
        let fixed = bytes.get(name_end..).and_then(|rest| rest.split_first_chunk());
        let Some((&[y0, y1, c0, c1, t0, t1, t2, t3, l0, l1], rest)) = fixed else { return Err(cut) };
        let rdata = rest.get(..usize::from(u16::from_be_bytes([l0, l1]))).ok_or(cut)?;
        Ok(Additional {
            owner_is_root,
            rtype: u16::from_be_bytes([y0, y1]),
            class: u16::from_be_bytes([c0, c1]),
            ttl: u32::from_be_bytes([t0, t1, t2, t3]),
            rdata,
            end: name_end + 10 + rdata.len(),
        })
    }

    /// The record as OPT. A version other than 0 is told before its options are looked at: they may have another form.
    fn edns(&self) -> Result<Edns<'a>, Reason> {
        let version = (self.ttl >> 16) as u8;
        if version != 0 {
            return Err(Reason::EdnsVersion { version });
        }
        let rdata_at = self.end - self.rdata.len();
        check_options(self.rdata).map_err(|offset| Reason::BadOpt { at: rdata_at + offset })?;
        Ok(self.edns_unchecked())
    }

    fn edns_unchecked(&self) -> Edns<'a> {
        Edns { udp_size: self.class, dnssec_ok: self.ttl & DNSSEC_OK != 0, options: self.rdata }
    }
}

/// Checks that options fill the record exactly and that those with a fixed shape have it; the error is where not.
fn check_options(options: &[u8]) -> Result<(), usize> {
    let mut at = 0;
    let mut cookie_seen = false;
    // Ends: every turn moves on by at least four octets.
    while at < options.len() {
        let code = u16_at(options, at)?;
        let len = usize::from(u16_at(options, at + 2)?);
        let data = slice_at(options, at + 4, len).map_err(|_| at)?;
        match code {
            // RFC 7873 §5.2: only the first counts, the others are ignored.
            option::COOKIE if !cookie_seen => {
                cookie_seen = true;
                if len != 8 && !(16..=40).contains(&len) {
                    return Err(at);
                }
            }
            option::CLIENT_SUBNET if !is_client_subnet(data) => return Err(at),
            // RFC 7828 §3.1: with a timeout or without. A client must send none; one that does is not asked why.
            option::TCP_KEEPALIVE if len != 0 && len != 2 => return Err(at),
            _ => {}
        }
        at += 4 + len;
    }
    Ok(())
}

/// RFC 7871 §6 and §7.1.2: a known family, no scope in a query, as many address octets as the prefix needs, and no bits
/// behind it. Family 0 without prefix means "none of mine, please".
fn is_client_subnet(data: &[u8]) -> bool {
    let Some((&[family_high, family_low, source, scope], address)) = data.split_first_chunk() else { return false };
    let bits_max = match u16::from_be_bytes([family_high, family_low]) {
        0 => 0,
        1 => 32,
        2 => 128,
        _ => return false,
    };
    let beyond = u32::from(source) % 8;
    let clean = beyond == 0 || address.last().is_none_or(|last| last.trailing_zeros() >= 8 - beyond);
    source <= bits_max && scope == 0 && address.len() == usize::from(source).div_ceil(8) && clean
}

/// Prepares a rejection: reads leniently what of the message can be echoed.
fn reject(bytes: &[u8], reason: Reason) -> Arrival<'_> {
    let question_count = u16_at(bytes, 4).unwrap_or(0);
    let question = if question_count > 0 { read_question(bytes).ok() } else { None };
    Arrival::Reject(Reject {
        bytes,
        rcode: reason.rcode(),
        opcode: u16_at(bytes, 2).map_or(0, opcode),
        question,
        edns: find_edns(bytes),
        reason,
    })
}

/// Looks for the first OPT of a message that is not a plain query, as far as it can be read.
fn find_edns(bytes: &[u8]) -> Option<Edns<'_>> {
    let count = |at| u16_at(bytes, at).map(usize::from);
    let mut at = HEADER_LEN;
    let questions = count(4).ok().filter(|&questions| questions <= REJECT_RECORDS_MAX)?;
    for _ in 0..questions {
        at = walk::skip_name(bytes, at).ok()? + 4;
    }
    let before = count(6).ok()? + count(8).ok()?;
    let records = before + count(10).ok()?;
    for index in 0..records.min(REJECT_RECORDS_MAX) {
        let record = Additional::read(bytes, at).ok()?;
        if index >= before && record.rtype == kind::OPT && record.owner_is_root {
            return Some(record.edns_unchecked()).filter(|edns| options_fit(edns.options));
        }
        at = record.end;
    }
    None
}

/// Whether options can at least be stepped through.
fn options_fit(mut options: &[u8]) -> bool {
    // Ends: every turn takes at least four octets off.
    while let Some((&[_, _, high, low], rest)) = options.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let Some(rest) = rest.get(len..) else { return false };
        options = rest;
    }
    options.is_empty()
}

fn id(bytes: &[u8]) -> u16 {
    u16_at(bytes, 0).unwrap_or(0)
}

fn opcode(header_flags: u16) -> u8 {
    (header_flags >> 11) as u8 & 0xf
}

impl<'a> Operation<'a> {
    /// A message of which only the header counts.
    fn bare(bytes: &'a [u8], header_flags: u16) -> Operation<'a> {
        let opcode = opcode(header_flags);
        Operation { bytes, id: id(bytes), header_flags, opcode, question: None, edns: None, tsig_at: None }
    }

    /// It cannot be done: a rejection with this code, for this reason.
    #[must_use]
    pub fn rejected(&self, rcode: u16, reason: Reason) -> Reject<'a> {
        let Operation { bytes, opcode, question, edns, .. } = *self;
        Reject { bytes, rcode, opcode, question, edns, reason }
    }
}

impl<'a> Query<'a> {
    /// It is not answered but with this code.
    #[must_use]
    pub fn rejected(&self, rcode: u16) -> Reject<'a> {
        let Query { bytes, qname, qtype, qclass, edns, .. } = *self;
        let question = Some((qname, qtype, qclass, self.question_end()));
        let opcode = kind::OPCODE_QUERY;
        // Where a reply is written, the reason is not looked at.
        Reject { bytes, rcode, opcode, question, edns, reason: Reason::Opcode { opcode } }
    }

    /// Recursion desired.
    #[must_use]
    pub fn recursion_desired(&self) -> bool {
        self.header_flags & flag::RD != 0
    }

    /// Checking disabled (RFC 4035 §3.2.2).
    #[must_use]
    pub fn checking_disabled(&self) -> bool {
        self.header_flags & flag::CD != 0
    }

    /// The client understands AD in the reply (RFC 6840 §5.7).
    #[must_use]
    pub fn authentic_data(&self) -> bool {
        self.header_flags & flag::AD != 0
    }

    /// The client wants DNSSEC records (RFC 3225).
    #[must_use]
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Where the question ends in `bytes`.
    #[must_use]
    pub fn question_end(&self) -> usize {
        HEADER_LEN + self.qname.wire().len() + 4
    }
}

impl Reject<'_> {
    /// Message ID.
    #[must_use]
    pub fn id(&self) -> u16 {
        id(self.bytes)
    }

    /// Header octets 2 and 3.
    #[must_use]
    pub fn header_flags(&self) -> u16 {
        u16_at(self.bytes, 2).unwrap_or(0)
    }
}

impl<'a> Edns<'a> {
    /// Data of the first option with this code.
    #[must_use]
    pub fn option(self, wanted: u16) -> Option<&'a [u8]> {
        self.each_option().find(|(code, _)| *code == wanted).map(|(_, data)| data)
    }

    /// Options with their codes, in order.
    pub fn each_option(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.options;
        std::iter::from_fn(move || {
            let (&[code_high, code_low, high, low], data) = rest.split_first_chunk()?;
            let (data, after) = data.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
            rest = after;
            Some((u16::from_be_bytes([code_high, code_low]), data))
        })
    }
}

impl Reason {
    /// The 12-bit RCODE it is answered with.
    #[must_use]
    pub fn rcode(self) -> u16 {
        let code = match self {
            Self::Opcode { .. } => Code::NOTIMP,
            Self::EdnsVersion { .. } => Code::BADVERS,
            Self::QuestionType { qtype } => forbidden_rcode(qtype).unwrap_or(Code::REFUSED),
            Self::Truncated { .. }
            | Self::QuestionCount { .. }
            | Self::CookieProbe
            | Self::TrailingBytes { .. }
            | Self::BadName { .. }
            | Self::BadOpt { .. }
            | Self::BadTsig { .. }
            | Self::UnexpectedRecord { .. } => Code::FORMERR,
        };
        code.number()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { at } => write!(f, "message ends too early at octet {at}"),
            Self::QuestionCount { count } => write!(f, "{count} questions instead of one"),
            Self::CookieProbe => f.write_str("no question, only a cookie, and cookies are off"),
            Self::TrailingBytes { at } => write!(f, "octets after the last record, from octet {at}"),
            Self::BadName { at } => write!(f, "no valid name at octet {at}"),
            Self::BadOpt { at } => write!(f, "OPT record malformed at octet {at}"),
            Self::BadTsig { at } => write!(f, "TSIG record out of place at octet {at}"),
            Self::UnexpectedRecord { at } => write!(f, "such a message has no such record: octet {at}"),
            Self::Opcode { opcode } => write!(f, "opcode {} is not offered", kind::opcode_name(opcode)),
            Self::EdnsVersion { version } => write!(f, "EDNS version {version} is not known"),
            Self::QuestionType { qtype } => write!(f, "type {} cannot be asked for", kind::type_name(qtype)),
        }
    }
}

#[cfg(test)]
mod tests;
