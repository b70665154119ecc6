//! Replies: stored packets made ready for one client, and short replies built from nothing.
//!
//! A *stored packet* is a reply without its OPT record, with ID 0 and the question in lower case; `TtlOffsets`
//! say where its TTLs lie. Knows no cache and no policy. All functions write into a caller's buffer and return the length written.

use crate::view::{Edns, Query, Reject};

/// UDP payload size we offer and never exceed unless configured (DNS flag day 2020).
pub const UDP_SIZE_DEFAULT: u16 = 1232;

/// One extended error to send.
#[derive(Clone, Copy, Debug)]
pub struct EdeOut<'a> {
    /// INFO-CODE.
    pub code: u16,
    /// EXTRA-TEXT.
    pub text: &'a str,
}

/// An upstream's reply taken apart once, when it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Packet: ID 0, question folded, OPT removed, names as they came.
    pub packet: Box<[u8]>,
    /// Octet offsets of all TTL fields, ascending.
    pub ttl_offsets: Box<[u16]>,
    /// 12-bit RCODE, OPT bits included.
    pub rcode: u16,
    /// Seconds it may be kept: smallest TTL; for negative answers by RFC 2308 §5 (SOA MINIMUM and SOA TTL); `None` when it may not.
    pub ttl: Option<u32>,
    /// What kind of answer it is.
    pub shape: Shape,
    /// Extended errors the upstream sent, with text, at most 8.
    pub ede: Vec<(u16, String)>,
    /// Answer in short, at most 512 octets, such as `CNAME edge.example, A 192.0.2.1`.
    pub summary: Option<String>,
    /// Records in the answer section.
    pub answer_count: u16,
    /// CNAME and DNAME targets in the answer, in order, at most 16.
    pub targets: Vec<crate::name::Folded>,
    /// Addresses in the answer, at most 64.
    pub addresses: Vec<std::net::IpAddr>,
}

/// What kind of answer a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// NOERROR with answer records.
    Answer,
    /// NOERROR without answer records, no delegation.
    Nodata,
    /// NOERROR without answer records, with NS and without SOA in authority.
    Referral,
    /// RCODE not 0.
    Error,
}

/// Why an upstream's message is no reply to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAReply {
    /// ID, QR, opcode or question differ: not ours, keep waiting.
    Foreign,
    /// Cannot be read at this octet.
    Malformed {
        /// Octet.
        at: usize,
    },
    /// TC is set: ask again over TCP.
    Truncated,
}

/// Checks an upstream's message against what was asked and takes it apart.
///
/// # Errors
/// Says whether to keep waiting, to ask over TCP, or to give up on it.
pub fn take(
    _bytes: &[u8],
    _id: u16,
    _qname: &crate::name::Folded,
    _qtype: u16,
    _qclass: u16,
) -> Result<Stored, NotAReply> {
    todo!()
}

/// How the reply to this client is limited and marked.
#[derive(Clone, Copy, Debug)]
pub struct Shipping<'a> {
    /// Largest reply: for UDP min(client's EDNS size or 512, ours); `usize::MAX` for streams.
    pub size_max: usize,
    /// Our own UDP size to put in OPT.
    pub our_udp_size: u16,
    /// Extended errors to send if the client sent OPT, dropped before the reply would overflow.
    pub ede: &'a [EdeOut<'a>],
    /// Seconds to take off every TTL.
    pub age_seconds: u32,
    /// TTLs above this are sent as this (serve-stale: 30); `u32::MAX` for none.
    pub ttl_max: u32,
}

/// Makes a stored packet ready for this query: ID, RD and CD from the query, RA set, question as the client spelled
/// it, TTLs aged, OPT appended when the client sent one; over `size_max` it becomes header + question + OPT with TC.
/// Returns the length written; the header tells TC.
pub fn ship(_stored: &Stored, _query: &Query<'_>, _shipping: &Shipping<'_>, _out: &mut Vec<u8>) -> usize {
    todo!()
}

/// A reply with a code and no records (SERVFAIL, REFUSED, blocked as NXDOMAIN or NODATA without SOA …), OPT and EDE when the client sent OPT.
pub fn coded(_query: &Query<'_>, _rcode: u16, _shipping: &Shipping<'_>, _out: &mut Vec<u8>) -> usize {
    todo!()
}

/// The reply to a rejected message: question echoed when readable, OPT when the query had one or the code needs it (BADVERS).
pub fn reject(_reject: &Reject<'_>, _shipping: &Shipping<'_>, _out: &mut Vec<u8>) -> usize {
    todo!()
}

/// A block answer as a stored packet for this question: NXDOMAIN or NODATA with a synthesised SOA (negative TTL = `ttl`), or one
/// address record (A/AAAA with the zero address; other types NODATA), or REFUSED.
#[must_use]
pub fn block(_kind: BlockReply, _qname: &crate::name::Folded, _qtype: u16, _qclass: u16, _ttl: u32) -> Stored {
    todo!()
}

/// How a blocked question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockReply {
    /// NXDOMAIN.
    Nxdomain,
    /// NOERROR without data.
    Nodata,
    /// REFUSED.
    Refused,
    /// 0.0.0.0 and ::.
    ZeroAddress,
}

/// A query for an upstream: header with RD, given ID and CD, the question, OPT with `udp_size` and DO.
pub fn ask(_id: u16, _question: &Asked<'_>, _out: &mut Vec<u8>) -> usize {
    todo!()
}

/// What to ask an upstream.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Name as to be sent.
    pub qname: &'a [u8],
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// Checking disabled.
    pub checking_disabled: bool,
    /// DNSSEC OK.
    pub dnssec_ok: bool,
    /// UDP size in OPT.
    pub udp_size: u16,
}

/// Largest reply over UDP for this query: its EDNS size or 512, at most ours.
#[must_use]
pub fn udp_size_max(edns: Option<Edns<'_>>, ours: u16) -> usize {
    usize::from(edns.map_or(512, |edns| edns.udp_size.max(512)).min(ours))
}
