//! What the parts work on: names, queries, kept answers, rules, a desk with all of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cache::{Cache, Entry, Key};
use engine::{CookieMode, CookieSettings, Desk, Event, Now, Outcome, Settings, Shared, Sink, Source, Transport};
use policy::{BlockAnswer, Compiler, Format, ListAction, ListInfo, Network, Policy, Snapshot};
use resolve::Resolver;
use rtrb::{Consumer, Producer, RingBuffer};
use wire::cookie::{Secret, make};
use wire::kind::{A, CLASS_IN};
use wire::name::Folded;
use wire::reply::{Asked, BlockReply, ask};
use wire::view::{self, Arrival, Query, option};

/// Names asked in turn: few, so that in the front cache no two push each other out under any key of its hash.
pub(crate) const NAMES: usize = 256;
/// Domains on the block list. A larger list costs more misses of the processor's cache, and those are not counted here.
const DOMAINS: usize = 100_000;
/// The moment all of it happens, and how long ago the answers were kept.
pub(crate) const NOW: Now = Now { wall_micros: 1_800_000_000_000_000, monotonic_micros: 1_000_000_000 };
pub(crate) const AGE_SECONDS: u32 = 3;
/// Who asks.
pub(crate) const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7)), 5_353);
pub(crate) const SECRET: Secret = Secret([7; 16]);
const ID: u16 = 7;
/// Events the ring holds: those of two times the most turns, so that none is dropped.
const RING_EVENTS: usize = 1 << 16;

/// What a query carries behind its question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opt {
    None,
    Empty,
    Cookie,
}

/// A desk and those who ask there.
pub(crate) struct World {
    pub(crate) desk: Desk,
    pub(crate) reader: Consumer<Event>,
    queries: Vec<Vec<u8>>,
    out: Vec<u8>,
    /// Nothing is looked up, so it never runs; the resolver wants one.
    _runtime: tokio::runtime::Runtime,
}

impl World {
    /// Rules in force, answers to all names kept, cookies given. `own_cache`: the desk keeps what it gave at hand.
    pub(crate) fn new(names: Vec<Folded>, opt: Opt, own_cache: bool) -> World {
        // First: what memory looks like behind maps with keys drawn anew is never twice the same, and where a buffer ends in its
        // page is worth some instructions for each of the many lines.
        let policy = policy().0;
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let cache = Arc::new(Cache::new(cache::Settings::default()));
        for name in &names {
            keep(&cache, name);
        }
        let snapshot = Snapshot {
            policy,
            block: BlockAnswer { kind: BlockReply::Nxdomain, ttl: 60 },
            admitted: Network::LOOPBACK.to_vec(),
            epoch: 1,
        };
        let resolver = Resolver::start(&resolve::Settings::default(), Arc::clone(&cache), runtime.handle());
        let shared = Shared::new(Arc::new(snapshot), cache, resolver, Settings::default());
        let cookies =
            CookieSettings { mode: CookieMode::Give, secrets: Arc::from([SECRET]), ..CookieSettings::default() };
        shared.publish_cookies(Arc::new(cookies));
        let (ring, reader) = ring();
        let sink = Box::new(ring);
        let desk = if own_cache { Desk::new(shared, sink) } else { Desk::small(shared, sink) };
        World { desk, reader, queries: queries(&names, opt), out: Vec::with_capacity(4_096), _runtime: runtime }
    }

    /// One query, answered.
    pub(crate) fn ask(&mut self, turn: usize) {
        let source = Source { peer: PEER, transport: Transport::Udp };
        let outcome = self.desk.answer(&self.queries[turn % NAMES], source, NOW, &mut self.out);
        assert!(matches!(outcome, Outcome::Reply));
    }
}

/// A sink as the log's: the ring of one thread, never waited for. (The log's own comes with all that reads it.)
pub(crate) struct Ring {
    ring: Producer<Event>,
    dropped: u64,
}

impl Sink for Ring {
    fn offer(&mut self, event: Event) {
        if self.ring.is_abandoned() || self.ring.push(event).is_err() {
            self.dropped += 1;
        }
    }
}

pub(crate) fn ring() -> (Ring, Consumer<Event>) {
    let (ring, reader) = RingBuffer::new(RING_EVENTS);
    (Ring { ring, dropped: 0 }, reader)
}

/// `host0.services.example.com` and so on, of four labels, on no list.
pub(crate) fn names() -> Vec<Folded> {
    let name = |number: usize| Folded::from_text(&format!("host{number:03}.services.example.com")).expect("a name");
    (0..NAMES).map(name).collect()
}

/// Queries for A records of these names.
pub(crate) fn queries(names: &[Folded], opt: Opt) -> Vec<Vec<u8>> {
    let query = |name: &Folded| {
        let mut bytes = Vec::new();
        let (qname, checking_disabled, dnssec_ok) = (name.wire(), false, false);
        ask(
            ID,
            &Asked { qname, qtype: A, qclass: CLASS_IN, checking_disabled, dnssec_ok, udp_size: 1_232 },
            &mut bytes,
        );
        let opt_at = bytes.len() - 11;
        match opt {
            Opt::None => {
                bytes.truncate(opt_at);
                bytes[11] = 0;
            }
            Opt::Empty => {}
            Opt::Cookie => {
                let cookie = make([3; 8], PEER.ip(), &SECRET, (NOW.wall_micros / 1_000_000) as u32);
                bytes[opt_at + 10] = 4 + cookie.len() as u8;
                bytes.extend_from_slice(&[option::COOKIE, cookie.len() as u16].map(u16::to_be_bytes).concat());
                bytes.extend_from_slice(&cookie);
            }
        }
        bytes
    };
    names.iter().map(query).collect()
}

pub(crate) fn read_query(bytes: &[u8]) -> Query<'_> {
    match view::read(bytes) {
        Arrival::Query(query) => query,
        other => panic!("no query: {other:?}"),
    }
}

/// Keeps two addresses for a name, as an upstream gave them a moment ago.
pub(crate) fn keep(cache: &Cache, name: &Folded) -> Arc<Entry> {
    let mut reply = [ID, 0x8180, 1, 2, 0, 0].map(u16::to_be_bytes).concat();
    reply.extend_from_slice(name.wire());
    reply.extend_from_slice(&[A, CLASS_IN].map(u16::to_be_bytes).concat());
    for last in [1, 2] {
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, last]);
    }
    let stored = wire::reply::take(&reply, ID, name, A, CLASS_IN).expect("a reply");
    let upstream = Some("udp://192.0.2.53:53".into());
    cache.put(Key::new(name, A, CLASS_IN, false, false), stored, upstream, NOW.seconds() - AGE_SECONDS)
}

/// Rules that block made-up domains, always the same, and names below some of them.
pub(crate) fn policy() -> (Policy, Vec<Folded>) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let domains: Vec<String> = (0..DOMAINS).map(|_| random.domain()).collect();
    let mut compiler = Compiler::new(42);
    let info = ListInfo { name: "synthetic".into(), action: ListAction::Block, format: Format::Domains, ede: 15 };
    compiler.add(info, domains.join("\n").as_bytes()).expect("a list in memory is read");
    let below = |domain: &String| Folded::from_text(&format!("www.{domain}")).expect("a name");
    (compiler.finish(), domains.iter().take(NAMES).map(below).collect())
}

/// Always the same numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Twelve letters under `example`, with one to three more labels behind or before, as lists have names of every depth.
    fn domain(&mut self) -> String {
        let letters: String = (0..12).map(|_| char::from(b'a' + (self.next() >> 32) as u8 % 26)).collect();
        match (self.next() >> 32) % 4 {
            0 => format!("{letters}.example"),
            1 => format!("ads.{letters}.example"),
            2 => format!("eu.ads.{letters}.example"),
            _ => format!("{letters}.cdn.example"),
        }
    }
}
