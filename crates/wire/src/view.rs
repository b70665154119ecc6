//! The hot view: what a listener can say of bytes that just arrived, borrowed, without allocating.
//!
//! `read` sorts an arrival into exactly one of three: a plain query for the walk, a reply that can be given at once
//! (FORMERR, NOTIMP, BADVERS), or silence. It knows no client, clock or policy.

use crate::name::Name;

/// Octets of a header (RFC 1035 §4.1.1).
pub const HEADER_LEN: usize = 12;

/// What arrived.
#[derive(Debug)]
pub enum Arrival<'a> {
    /// One question, opcode QUERY, nothing else but at most one OPT of version 0.
    Query(Query<'a>),
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
    /// Records where a query has none.
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
    /// A question type for which there is no answer as a query (OPT, or AXFR/IXFR not offered, …).
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
pub fn read(_bytes: &[u8]) -> Arrival<'_> {
    todo!()
}
