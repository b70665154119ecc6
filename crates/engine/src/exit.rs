//! The one exit: octets for the client and the event that remembers them are made from the same facts.

use std::net::SocketAddr;
use std::sync::Arc;

use event::{CacheState, EDE_MAX, Ede, Event, Flags, Outcome, Transport};
use wire::code::Code;
use wire::reply::{EdeOut, PADDING_BLOCK, Shape, Shipping, Stored, rcode_sent};
use wire::view::{Edns, Query, Reject, flag, option};

use crate::cookies;
use crate::shared::{Settings, Shared};
use crate::words::Said;

/// Largest message over a stream: its length is a 16-bit number (RFC 1035 §4.2.2).
const STREAM_SIZE_MAX: usize = u16::MAX as usize;

/// Where a query came from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Address and port of the client.
    pub peer: SocketAddr,
    /// How it came.
    pub transport: Transport,
}

/// The time, read by the listener once per batch.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Microseconds since the Unix epoch, UTC.
    pub wall_micros: i64,
    /// Microseconds of the monotonic clock whose seconds the cache counts in (`sys::clock::monotonic_micros`).
    pub monotonic_micros: u64,
}

impl Now {
    /// Seconds as the cache counts them.
    #[must_use]
    pub fn seconds(self) -> u32 {
        u32::try_from(self.monotonic_micros / 1_000_000).unwrap_or(u32::MAX)
    }
}

/// What is given to a client.
pub(crate) struct Given<'a> {
    pub(crate) body: Body<'a>,
    pub(crate) domain: Arc<str>,
    pub(crate) ede: Arc<[Ede]>,
    pub(crate) said: Said,
    pub(crate) origin: Origin,
}

/// The reply itself.
pub(crate) enum Body<'a> {
    /// A stored packet.
    Stored {
        stored: &'a Stored,
        /// Answer in short; kept apart from `stored` so that a hit shares it.
        summary: Option<Arc<str>>,
        /// Seconds to take off its TTLs.
        age_seconds: u32,
        /// TTLs above this are sent as this.
        ttl_max: u32,
        /// Smallest TTL as sent.
        ttl: Option<u32>,
    },
    /// Nothing but a code.
    Code(u16),
    /// Nothing: to be asked again over a stream.
    Truncated,
}

/// Where the answer came from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) cache: CacheState,
    pub(crate) upstream: Option<Arc<str>>,
    pub(crate) upstream_latency_micros: Option<u32>,
    pub(crate) attempts: u8,
}

impl Origin {
    /// Answered here, no cache and no upstream asked.
    pub(crate) const HERE: Origin =
        Origin { cache: CacheState::None, upstream: None, upstream_latency_micros: None, attempts: 0 };
}

/// Writes the reply to a query and gives its event, still without latency.
pub(crate) fn give(
    query: &Query<'_>,
    source: Source,
    now: Now,
    shared: &Shared,
    given: Given<'_>,
    out: &mut Vec<u8>,
) -> Event {
    let ede = outgoing(&given.ede);
    let mut shipping = shipping(source, now, query.edns, shared, &ede[..given.ede.len().min(EDE_MAX)]);
    out.clear();
    let mut event = match given.body {
        Body::Stored { stored, summary, age_seconds, ttl_max, ttl } => {
            shipping.age_seconds = age_seconds;
            shipping.ttl_max = ttl_max;
            wire::reply::ship(stored, query, &shipping, out);
            Event {
                outcome: outcome(stored),
                rcode: Some(rcode_sent(stored.rcode, query.edns)),
                answer: summary,
                answer_count: stored.answer_count,
                ttl,
                ..arrival(query.bytes, source, now, given.ede)
            }
        }
        Body::Code(rcode) => {
            wire::reply::coded(query, rcode, &shipping, out);
            let outcome = if rcode == 0 { Outcome::Nodata } else { Outcome::Error };
            Event {
                outcome,
                rcode: Some(rcode_sent(rcode, query.edns)),
                ..arrival(query.bytes, source, now, given.ede)
            }
        }
        Body::Truncated => {
            wire::reply::truncated(query, &shipping, out);
            let rcode = Some(Code::NOERROR.number());
            Event { outcome: Outcome::Truncated, rcode, ..arrival(query.bytes, source, now, given.ede) }
        }
    };
    event.opcode = 0;
    event.domain = Some(given.domain);
    (event.qtype, event.qclass) = (query.qtype, query.qclass);
    (event.action, event.list, event.rule, event.trace) =
        (given.said.action, given.said.list, given.said.rule, given.said.trace);
    (event.cache, event.attempts) = (given.origin.cache, given.origin.attempts);
    event.upstream = given.origin.upstream;
    event.upstream_latency_micros = given.origin.upstream_latency_micros;
    event.flags = asked_flags(query.header_flags, query.edns);
    replied(&mut event, out);
    event
}

/// Writes the reply to a message that cannot be a query and gives its event.
pub(crate) fn turn_away(
    reject: &Reject<'_>,
    source: Source,
    now: Now,
    shared: &Shared,
    ede: Arc<[Ede]>,
    trace: String,
    out: &mut Vec<u8>,
) -> Event {
    let outgoing = outgoing(&ede);
    let shipping = shipping(source, now, reject.edns, shared, &outgoing[..ede.len().min(EDE_MAX)]);
    out.clear();
    wire::reply::reject(reject, &shipping, out);
    let mut event = arrival(reject.bytes, source, now, Arc::clone(&ede));
    event.opcode = reject.opcode;
    if let Some((qname, qtype, qclass, _)) = reject.question {
        event.domain = Some(qname.fold().text().into());
        (event.qtype, event.qclass) = (qtype, qclass);
    }
    event.outcome = if reject.rcode == Code::NOERROR.number() { Outcome::Nodata } else { Outcome::Error };
    event.trace = Some(trace.into());
    event.rcode = Some(reject.rcode);
    event.flags = asked_flags(header_flags(reject.bytes), reject.edns);
    replied(&mut event, out);
    event
}

/// The event of an arrival that has got nothing yet: silence, until something is replied.
pub(crate) fn arrival(bytes: &[u8], source: Source, now: Now, ede: Arc<[Ede]>) -> Event {
    Event {
        time_micros: now.wall_micros,
        client: source.peer.ip().to_canonical(),
        client_port: source.peer.port(),
        transport: source.transport,
        opcode: if bytes.len() < wire::view::HEADER_LEN { 0 } else { (header_flags(bytes) >> 11 & 0xf) as u8 },
        domain: None,
        qtype: 0,
        qclass: 0,
        flags: Flags::default(),
        outcome: Outcome::Dropped,
        rcode: None,
        tsig_error: None,
        tkey_error: None,
        ede,
        answer: None,
        answer_count: 0,
        ttl: None,
        action: event::Action::Pass,
        list: None,
        rule: None,
        trace: None,
        cache: CacheState::None,
        upstream: None,
        upstream_latency_micros: None,
        attempts: 0,
        key: None,
        update: None,
        repeats: 0,
        latency_micros: 0,
        query_size: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
        reply_size: 0,
        tenant: None,
        node: None,
    }
}

/// What the octets that leave say themselves.
pub(crate) fn replied(event: &mut Event, out: &[u8]) {
    let reply = header_flags(out);
    for (bit, word) in
        [(flag::AA, Flags::AA), (flag::TC, Flags::TC), (flag::RA, Flags::RA), (flag::AD, Flags::AUTHENTIC)]
    {
        if reply & bit != 0 {
            event.flags = event.flags.with(word);
        }
    }
    if reply & flag::TC != 0 {
        event.outcome = Outcome::Truncated;
        // The client got none of it.
        (event.answer, event.answer_count, event.ttl) = (None, 0, None);
    }
    event.reply_size = u16::try_from(out.len()).unwrap_or(u16::MAX);
}

fn outcome(stored: &Stored) -> Outcome {
    match (stored.rcode, stored.shape) {
        (0, Shape::Answer) => Outcome::Answered,
        (0, Shape::Referral) => Outcome::Referral,
        (0, Shape::Nodata | Shape::Error) => Outcome::Nodata,
        _ => Outcome::Error,
    }
}

pub(crate) fn asked_flags(header: u16, edns: Option<Edns<'_>>) -> Flags {
    let mut flags = Flags::default();
    for (bit, word) in [(flag::RD, Flags::RD), (flag::CD, Flags::CD), (flag::AD, Flags::AD)] {
        if header & bit != 0 {
            flags = flags.with(word);
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

fn header_flags(message: &[u8]) -> u16 {
    match message {
        [_, _, high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

fn outgoing(ede: &[Ede]) -> [EdeOut<'_>; EDE_MAX] {
    let mut out = [const { EdeOut { code: 0, text: "" } }; EDE_MAX];
    for (out, ede) in out.iter_mut().zip(ede) {
        *out = EdeOut { code: ede.code, text: &ede.text };
    }
    out
}

/// Octets of the largest reply for this client over this transport.
pub(crate) fn size_max(source: Source, edns: Option<Edns<'_>>, udp_size: u16) -> usize {
    match source.transport {
        Transport::Udp => wire::reply::udp_size_max(edns, udp_size),
        Transport::Tcp | Transport::Dot | Transport::Doh | Transport::Doq => STREAM_SIZE_MAX,
    }
}

/// How a reply to this client over this transport is limited, and what its OPT carries.
pub(crate) fn shipping<'a>(
    source: Source,
    now: Now,
    edns: Option<Edns<'_>>,
    shared: &'a Shared,
    ede: &'a [EdeOut<'a>],
) -> Shipping<'a> {
    let Settings { udp_size, nsid, tcp_idle, .. } = &shared.settings;
    let size_max = size_max(source, edns, *udp_size);
    let mut shipping = Shipping { size_max, our_udp_size: *udp_size, ede, ..Shipping::PLAIN };
    let Some(edns) = edns else { return shipping };
    let mut cookie_seen = false;
    for (code, data) in edns.each_option() {
        match (code, source.transport) {
            // RFC 7873 §5.2: only the first counts, whatever it is.
            (option::COOKIE, _) if !cookie_seen => {
                cookie_seen = true;
                shipping.cookie = cookies::given(&shared.cookies(), data, source, now);
            }
            // RFC 5001 §2.1: an empty option asks.
            (option::NSID, _) if data.is_empty() && !nsid.is_empty() => shipping.nsid = Some(nsid),
            // RFC 7828 §3.2: over UDP it is ignored, elsewhere but over TCP and TLS it has no meaning.
            (option::TCP_KEEPALIVE, Transport::Tcp | Transport::Dot) => {
                let tenths = u16::try_from(tcp_idle.as_millis() / 100).unwrap_or(u16::MAX);
                shipping.keepalive = Some(tenths);
            }
            // RFC 7830 §4: only where nobody on the way sees what is padded.
            (option::PADDING, Transport::Dot | Transport::Doh | Transport::Doq) => {
                shipping.padding_block = Some(PADDING_BLOCK);
            }
            _ => {}
        }
    }
    shipping
}
