//! Events made from a number, alike for tests and examples: the same number gives the same event, and no two
//! numbers give the same `domain`.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use event::{Action, CacheState, Ede, Event, Flags, Outcome, Row, Transport};

/// A day in 2200, at an hour's start: housekeeping leaves hours alone that are not over.
pub const MORNING_MICROS: i64 = 7_258_118_400_000_000;

/// Events use every column, every word and every emptiness within a few dozen numbers.
pub fn event(number: u64, time_micros: i64) -> Event {
    let pick = |of: u64| (number / 3 % of) as usize;
    let some = |text: &str, every: u64| number.is_multiple_of(every).then(|| Arc::<str>::from(text));
    let small = (number % 65_536) as u16;
    let texts: Vec<Ede> = (0..number % 3).map(|at| Ede { code: at as u16 + 15, text: "blocked ✓".into() }).collect();
    Event {
        time_micros,
        client: client(number),
        client_port: small,
        transport: Transport::ALL[pick(Transport::ALL.len() as u64)],
        opcode: (number % 16) as u8,
        domain: Some(domain(number).into()),
        qtype: [1, 28, 65, 15][pick(4)],
        qclass: 1,
        flags: Flags(small & 0xf1f),
        outcome: Outcome::ALL[pick(Outcome::ALL.len() as u64)],
        rcode: [Some(0), Some(3), Some(16), Some(23), None][pick(5)],
        tsig_error: number.is_multiple_of(11).then_some(16),
        tkey_error: number.is_multiple_of(13).then_some(19),
        ede: texts.into(),
        answer: some("CNAME edge.example, A 192.0.2.1", 2),
        answer_count: (number % 4) as u16,
        ttl: number.is_multiple_of(2).then_some(small.into()),
        action: Action::ALL[pick(Action::ALL.len() as u64)],
        list: some(["ads", "malware"][pick(2)], 4),
        rule: some("||edge.example^", 4),
        trace: some("list ads: matched\nclient: none", 5),
        cache: CacheState::ALL[pick(CacheState::ALL.len() as u64)],
        upstream: some(["udp://192.0.2.53:53", "tcp://192.0.2.54:53"][pick(2)], 3),
        upstream_latency_micros: number.is_multiple_of(3).then_some(small.into()),
        attempts: (number % 3) as u8,
        key: number.is_multiple_of(5).then(|| format!("key{}.example", number % 2).into()),
        update: number.is_multiple_of(10).then(|| format!("add host{number}.example A").into()),
        repeats: if number.is_multiple_of(7) { u32::from(small) } else { 0 },
        latency_micros: small.into(),
        query_size: 40 + small % 100,
        reply_size: small,
        tenant: None,
        node: None,
    }
}

/// The name event `number` asks for.
pub fn domain(number: u64) -> String {
    format!("n{number}.example.com")
}

/// The number of the event that asked for this name.
pub fn number_of(domain: &str) -> u64 {
    domain.strip_prefix('n').and_then(|rest| rest.strip_suffix(".example.com")).unwrap().parse().unwrap()
}

fn client(number: u64) -> IpAddr {
    match number % 3 {
        0 => Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(number % 7)).into(),
        _ => Ipv4Addr::new(10, 0, 0, (number % 250) as u8).into(),
    }
}

/// What is read back of these events, numbered from `first_seq`.
pub fn rows(events: &[Event], first_seq: u64) -> Vec<Row> {
    let mut builder = event::Builder::new(first_seq);
    events.iter().for_each(|event| builder.push(event));
    event::rows(&builder.finish()).unwrap()
}

/// Numbers that look random and are the same in every run (splitmix64).
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
