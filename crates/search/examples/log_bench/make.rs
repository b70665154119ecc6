//! A day of queries made from a seed: Zipf names with a long tail that never comes again, many clients of many tenants, every
//! return code.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use event::{Action, CacheState, Ede, Event, Flags, Outcome, Transport};
use wire::code::CODES;

/// Names that come again.
const NAMES: usize = 1_000_000;
/// One in this many queries is for a name that never comes again.
const UNIQUE_ONE_IN: u64 = 8;
/// Clients, and the tenants they belong to.
const CLIENTS: u64 = 50_000;
pub(crate) const TENANTS: u64 = 200;
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;
/// 2026-10-01T00:00:00Z.
pub(crate) const MORNING_MICROS: i64 = 1_790_812_800_000_000;

/// splitmix64.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Rank from 0, of `count` ranks, the chance of each falling with its place (exponent 1).
    fn zipf(&mut self, count: usize) -> usize {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (((uniform * (count as f64).ln()).exp() - 1.0) as usize).min(count - 1)
    }
}

/// One name with what is always answered to it.
struct Name {
    domain: Arc<str>,
    answer: Option<Arc<str>>,
    rcode: u16,
    ttl: u32,
}

/// Makes events; the same seed makes the same.
pub(crate) struct Maker {
    names: Vec<Name>,
    tenants: Vec<Arc<str>>,
    upstreams: Vec<Arc<str>>,
    lists: Vec<Arc<str>>,
    node: Arc<str>,
    no_ede: Arc<[Ede]>,
    blocked: Arc<[Ede]>,
}

const WORDS: &[&str] = &[
    "cloud", "shop", "media", "track", "api", "static", "mail", "play", "news", "img", "data", "home", "game", "bank",
    "travel", "photo", "video", "edge", "sync", "login", "push", "stats", "market", "forum", "city", "green", "blue",
];
const SUFFIXES: &[&str] = &["com", "net", "org", "de", "io", "co.uk", "com.br", "fr", "info", "app"];
const HOSTS: &[&str] = &["www", "api", "cdn", "m", "static", "mail", "img1", "eu-west-1", "telemetry", "ns1"];

impl Maker {
    pub(crate) fn new(seed: u64) -> Maker {
        let mut numbers = Numbers(seed);
        let names = (0..NAMES).map(|rank| name(rank, &mut numbers)).collect();
        let texts = |texts: &mut dyn Iterator<Item = String>| texts.map(Arc::from).collect();
        Maker {
            names,
            tenants: texts(&mut (0..TENANTS).map(|tenant| format!("tenant-{tenant:03}"))),
            upstreams: texts(&mut (1..5).map(|host| format!("udp://192.0.2.{host}:53"))),
            lists: texts(&mut ["ads", "malware", "trackers", "new-names"].into_iter().map(str::to_owned)),
            node: "ns1".into(),
            no_ede: Arc::from([]),
            blocked: Arc::from([Ede { code: 15, text: "ads".into() }]),
        }
    }

    /// The event at this place of the day.
    pub(crate) fn event(&self, numbers: &mut Numbers, time_micros: i64) -> Event {
        let client = numbers.zipf(CLIENTS as usize) as u64;
        let scattered = client.wrapping_mul(48_271) % CLIENTS;
        let unique = numbers.below(UNIQUE_ONE_IN) == 0;
        let known = &self.names[numbers.zipf(NAMES)];
        let (domain, mut rcode, answer) = if unique {
            let domain = format!("{:013x}.{}", numbers.next() >> 12, known.domain);
            (Arc::from(domain), if numbers.below(3) == 0 { 0 } else { 3 }, None)
        } else {
            (Arc::clone(&known.domain), known.rcode, known.answer.clone())
        };
        let (mut tsig_error, mut tkey_error, mut opcode) = (None, None, 0);
        let chance = numbers.below(100_000);
        match chance {
            0..2_000 => rcode = 2,
            2_000..4_500 => rcode = 5,
            4_500..4_700 => {
                // A rare code, each as often as the others.
                let info = &CODES[numbers.below(CODES.len() as u64) as usize];
                let number = info.code.number();
                match info.name {
                    "BADSIG" | "BADKEY" | "BADTIME" | "BADTRUNC" => (rcode, tsig_error) = (9, Some(number)),
                    "BADMODE" | "BADNAME" | "BADALG" => (rcode, tkey_error) = (0, Some(number)),
                    _ => rcode = number,
                }
                opcode = if number > 5 { 5 } else { 0 };
            }
            _ => {}
        }
        let blocked = chance >= 90_000 && rcode == 0;
        let hit = !blocked && numbers.below(10) < 8;
        let miss = !blocked && !hit && rcode != 5;
        let silent = rcode == 2 && numbers.below(4) == 0;
        let took = if hit || blocked { 20 + numbers.below(200) } else { 3_000 + numbers.zipf(400_000) as u64 };
        let answered = rcode == 0 && !blocked;
        Event {
            time_micros,
            client: IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | (scattered * 251) as u32)),
            client_port: 1_024 + numbers.below(64_000) as u16,
            transport: if numbers.below(50) == 0 { Transport::Tcp } else { Transport::Udp },
            opcode,
            domain: Some(domain),
            qtype: [1, 28, 1, 65, 1, 12][numbers.below(6) as usize],
            qclass: 1,
            flags: Flags::RD.with(Flags::EDNS).with(Flags::RA),
            outcome: match (silent, rcode, answer.is_some()) {
                (true, ..) => Outcome::Timeout,
                (_, 0, true) => Outcome::Answered,
                (_, 0, false) => Outcome::Nodata,
                _ => Outcome::Error,
            },
            rcode: (!silent).then_some(rcode),
            tsig_error,
            tkey_error,
            ede: if blocked { Arc::clone(&self.blocked) } else { Arc::clone(&self.no_ede) },
            answer_count: u16::from(answered && answer.is_some()),
            answer: answer.filter(|_| answered),
            ttl: answered.then_some(known.ttl),
            action: if blocked { Action::Block } else { Action::Pass },
            list: blocked.then(|| Arc::clone(&self.lists[numbers.below(4) as usize])),
            rule: blocked.then(|| Arc::clone(&known.domain)),
            trace: None,
            cache: if hit {
                CacheState::Hit
            } else if miss {
                CacheState::Miss
            } else {
                CacheState::None
            },
            upstream: miss.then(|| Arc::clone(&self.upstreams[numbers.below(4) as usize])),
            upstream_latency_micros: miss.then_some(took as u32),
            attempts: u8::from(miss),
            key: tsig_error.map(|_| "ddns".into()),
            update: None,
            repeats: 0,
            latency_micros: took as u32,
            query_size: 40 + numbers.below(30) as u16,
            reply_size: if silent { 0 } else { 60 + numbers.below(300) as u16 },
            tenant: Some(Arc::clone(&self.tenants[(scattered % TENANTS) as usize])),
            node: Some(Arc::clone(&self.node)),
        }
    }
}

fn name(rank: usize, numbers: &mut Numbers) -> Name {
    let pick = |numbers: &mut Numbers, from: &[&'static str]| from[numbers.below(from.len() as u64) as usize];
    let owner = rank / 5;
    let mut of_owner = Numbers(owner as u64);
    let (first, second) = (pick(&mut of_owner, WORDS), pick(&mut of_owner, WORDS));
    let suffix = pick(&mut of_owner, SUFFIXES);
    let domain = format!("{}.{first}{second}{owner}.{suffix}", pick(numbers, HOSTS));
    let address = numbers.next() as u32;
    let answer = match numbers.below(10) {
        0..6 => Some(format!("A {}", Ipv4Addr::from(address))),
        6..8 => Some(format!("CNAME edge{}.cdn.example, A {}", address % 997, Ipv4Addr::from(address))),
        _ => None,
    };
    let rcode = if numbers.below(20) == 0 { 3 } else { 0 };
    let ttl = [30, 60, 300, 3_600, 86_400][numbers.below(5) as usize];
    Name { domain: domain.into(), answer: answer.map(Arc::from), rcode, ttl }
}
