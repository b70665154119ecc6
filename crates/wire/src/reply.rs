//! Replies: stored packets made ready for one client, and short replies built from nothing.
//!
//! A *stored packet* is a reply without its OPT record, with ID 0 and the question in lower case; `ttl_offsets`
//! say where its TTLs lie. Knows no cache and no policy. All functions that make messages clear the caller's buffer, write
//! into it and return the length written; with a buffer used before, they allocate nothing.

mod build;
mod take;

use std::net::IpAddr;

use crate::code::Code;
use crate::name::Folded;
use crate::view::Edns;

pub use build::{append_opt, ask, block, blocked, coded, opt_len_min, rcode_sent, reject, ship, truncated};
pub use take::take;

/// UDP payload size we offer and never exceed unless configured (DNS flag day 2020).
pub const UDP_SIZE_DEFAULT: u16 = 1232;

/// Largest message there is: the length prefix on streams has 16 bits (RFC 1035 §4.2.2).
pub const MESSAGE_LEN_MAX: usize = 65_535;

/// What replies over encrypted transports are padded to a multiple of (RFC 8467 §4.1).
pub const PADDING_BLOCK: u16 = 468;

/// Extended errors kept of an upstream's reply.
pub const EDE_MAX: usize = 8;

/// Octets of an extended error's text, kept or sent.
pub const EDE_TEXT_LEN_MAX: usize = 256;

/// CNAME and DNAME targets kept of an answer: far beyond what resolvers follow.
pub const TARGETS_MAX: usize = 16;

/// Addresses kept of an answer.
pub const ADDRESSES_MAX: usize = 64;

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
    /// Seconds it may be kept: smallest TTL; for negative answers by RFC 2308 §5 (SOA MINIMUM and SOA TTL); `None` when it
    /// may not.
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
    pub targets: Vec<Folded>,
    /// Addresses in the answer, at most 64.
    pub addresses: Vec<IpAddr>,
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

/// How the reply to this client is limited and marked.
#[derive(Clone, Copy, Debug)]
pub struct Shipping<'a> {
    /// Largest reply: for UDP min(client's EDNS size or 512, ours); `usize::MAX` for streams. Whoever signs the reply takes off
    /// what the TSIG record needs.
    pub size_max: usize,
    /// Our own UDP size to put in OPT.
    pub our_udp_size: u16,
    /// Extended errors to send if the client sent OPT, dropped before the reply would overflow.
    pub ede: &'a [EdeOut<'a>],
    /// Seconds to take off every TTL.
    pub age_seconds: u32,
    /// TTLs above this are sent as this (serve-stale: 30); `u32::MAX` for none.
    pub ttl_max: u32,
    /// AA is set: the answer, or that there is none, is ours to give. A stored packet with AA keeps it anyway.
    pub authoritative: bool,
    /// COOKIE option: client cookie and server cookie, as [`crate::cookie::make`] makes it. Never dropped: a reply that leaves no room for it is truncated.
    pub cookie: Option<[u8; 24]>,
    /// NSID option (RFC 5001): who we are, for clients that asked. Dropped before the reply would overflow.
    pub nsid: Option<&'a [u8]>,
    /// TCP keepalive option (RFC 7828): how long an idle connection may stay, in units of 100 ms.
    pub keepalive: Option<u16>,
    /// Padding option (RFC 7830): the reply is made a multiple of this long, or as long as it may be.
    pub padding_block: Option<u16>,
}

impl Shipping<'_> {
    /// No limit but the largest message, no marks, an OPT without options.
    pub const PLAIN: Shipping<'static> = Shipping {
        size_max: usize::MAX,
        our_udp_size: UDP_SIZE_DEFAULT,
        ede: &[],
        age_seconds: 0,
        ttl_max: u32::MAX,
        authoritative: false,
        cookie: None,
        nsid: None,
        keepalive: None,
        padding_block: None,
    };
}

impl BlockReply {
    /// The RCODE of such an answer.
    #[must_use]
    pub fn rcode(self) -> u16 {
        match self {
            Self::Nxdomain => Code::NXDOMAIN.number(),
            Self::Refused => Code::REFUSED.number(),
            Self::Nodata | Self::ZeroAddress => Code::NOERROR.number(),
        }
    }
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

/// Whether a reply has TC set.
#[must_use]
pub fn is_truncated(reply: &[u8]) -> bool {
    reply.get(2).is_some_and(|octet| octet & (crate::view::flag::TC >> 8) as u8 != 0)
}

#[cfg(test)]
mod tests;
