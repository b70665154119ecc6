//! What the log costs, event by event: `ingest [cached|day] [events] [threads]`.
//!
//! `cached`: answers from the cache, 10,000 names by Zipf's law and 1,000 clients, as the resolver's bench asks. `day`: a million
//! names and one in eight never seen again, 50,000 clients of 200 tenants, lists, upstreams and every sort of code.
//!
//! Events are made before the clock starts, so that the figures are the log's: processor time of each of its threads for each
//! event that went through it, and bytes on disk. They are offered as fast as the log keeps up.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::{Action, CacheState, Ede, Event, Flags, Outcome, Transport};
use store::{Admission, Health, RING_EVENTS_MAX, Settings, Store};

/// A day in 2200, at an hour's start: housekeeping leaves hours alone that are not over.
const MORNING_MICROS: i64 = 7_258_118_400_000_000;
/// Time between two events: a million in a minute and a half.
const STEP_MICROS: i64 = 90;
/// Ticks of a second in what the system says of threads.
const TICKS: f64 = 100.0;
const TENANTS: u64 = 200;

/// splitmix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Rank from 0, the chance of each falling with its place.
    fn zipf(&mut self, count: u64) -> u64 {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (((uniform * (count as f64).ln()).exp() - 1.0) as u64).min(count - 1)
    }
}

/// A name with what is always answered to it.
struct Name {
    domain: Arc<str>,
    answer: Option<Arc<str>>,
    rcode: u16,
    ttl: u32,
    qtype: u16,
}

fn names(count: u64, numbers: &mut Numbers) -> Vec<Name> {
    const HOSTS: &[&str] = &["www", "api", "cdn", "m", "static", "mail", "img1", "eu-west-1", "telemetry", "ns1"];
    const WORDS: &[&str] =
        &["cloud", "shop", "media", "track", "play", "news", "data", "game", "bank", "travel", "city"];
    const SUFFIXES: &[&str] = &["com", "net", "org", "de", "io", "co.uk", "com.br", "fr", "info", "app"];
    let name = |rank: u64| {
        let owner = rank / 5;
        let mut of_owner = Numbers(owner);
        let mut pick = |from: &[&'static str]| from[of_owner.below(from.len() as u64) as usize];
        let (first, second, suffix) = (pick(WORDS), pick(WORDS), pick(SUFFIXES));
        let host = HOSTS[numbers.below(HOSTS.len() as u64) as usize];
        let address = Ipv4Addr::from(numbers.next() as u32);
        let answer = match numbers.below(10) {
            0..6 => Some(format!("A {address}")),
            6..8 => Some(format!("CNAME edge{}.cdn.example, A {address}", rank % 997)),
            _ => None,
        };
        Name {
            domain: format!("{host}.{first}{second}{owner}.{suffix}").into(),
            answer: answer.map(Arc::from),
            rcode: if numbers.below(20) == 0 { 3 } else { 0 },
            ttl: [30, 60, 300, 3_600, 86_400][numbers.below(5) as usize],
            qtype: [1, 28, 1, 65, 1, 12][numbers.below(6) as usize],
        }
    };
    (0..count).map(name).collect()
}

/// An answer from the cache.
fn hit(name: &Name, client: u64, time_micros: i64, numbers: &mut Numbers, no_ede: &Arc<[Ede]>) -> Event {
    let answer = name.answer.clone().filter(|_| name.rcode == 0);
    Event {
        time_micros,
        client: IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | (client * 251) as u32)),
        client_port: 1_024 + numbers.below(64_000) as u16,
        transport: Transport::Udp,
        opcode: 0,
        domain: Some(Arc::clone(&name.domain)),
        qtype: name.qtype,
        qclass: 1,
        flags: Flags::RD.with(Flags::EDNS).with(Flags::RA),
        outcome: match (name.rcode, &answer) {
            (0, Some(_)) => Outcome::Answered,
            (0, None) => Outcome::Nodata,
            _ => Outcome::Error,
        },
        rcode: Some(name.rcode),
        tsig_error: None,
        tkey_error: None,
        ede: Arc::clone(no_ede),
        answer_count: u16::from(answer.is_some()),
        ttl: answer.is_some().then_some(name.ttl),
        answer,
        action: Action::Pass,
        list: None,
        rule: None,
        trace: None,
        cache: CacheState::Hit,
        upstream: None,
        upstream_latency_micros: None,
        attempts: 0,
        key: None,
        update: None,
        repeats: 0,
        latency_micros: 5 + numbers.zipf(200) as u32,
        query_size: 40 + (name.domain.len() % 30) as u16,
        reply_size: 60 + (name.domain.len() * 7 % 300) as u16,
        tenant: None,
        node: None,
    }
}

/// Makes of an answer from the cache what a day brings beside such.
fn vary(event: &mut Event, client: u64, texts: &Texts, numbers: &mut Numbers) {
    event.tenant = Some(Arc::clone(&texts.tenants[(client % TENANTS) as usize]));
    if numbers.below(8) == 0 {
        let domain = event.domain.as_deref().unwrap_or_default();
        event.domain = Some(format!("{:013x}.{domain}", numbers.next() >> 12).into());
        (event.answer, event.rcode) = (None, Some(if numbers.below(3) == 0 { 0 } else { 3 }));
    }
    event.latency_micros = 20 + numbers.below(200) as u32;
    (event.query_size, event.reply_size) = (40 + numbers.below(30) as u16, 60 + numbers.below(300) as u16);
    if numbers.below(50) == 0 {
        event.transport = Transport::Tcp;
    }
    match numbers.below(100_000) {
        0..500 => (event.rcode, event.outcome, event.reply_size) = (None, Outcome::Timeout, 0),
        500..2_000 => event.rcode = Some(2),
        2_000..4_500 => event.rcode = Some(5),
        4_500..4_600 => event.rcode = Some(numbers.below(24) as u16),
        4_600..4_650 => (event.rcode, event.tsig_error) = (Some(9), Some(16 + numbers.below(3) as u16)),
        4_650..4_700 => (event.rcode, event.tkey_error) = (Some(0), Some(19 + numbers.below(3) as u16)),
        90_000.. => {
            (event.action, event.cache) = (Action::Block, CacheState::None);
            (event.list, event.rule) =
                (Some(Arc::clone(&texts.lists[numbers.below(4) as usize])), event.domain.clone());
            event.ede = Arc::clone(&texts.blocked);
            event.answer = None;
        }
        _ if numbers.below(5) == 0 => {
            event.latency_micros = 3_000 + numbers.zipf(400_000) as u32;
            (event.cache, event.attempts) = (CacheState::Miss, 1);
            event.upstream = Some(Arc::clone(&texts.upstreams[numbers.below(4) as usize]));
            event.upstream_latency_micros = Some(event.latency_micros);
        }
        _ => {}
    }
    if event.rcode != Some(0) {
        event.answer = None;
    }
    if event.answer.is_none() {
        (event.answer_count, event.ttl) = (0, None);
    }
}

/// Words that many events of a day share.
struct Texts {
    tenants: Vec<Arc<str>>,
    lists: Vec<Arc<str>>,
    upstreams: Vec<Arc<str>>,
    blocked: Arc<[Ede]>,
}

fn make(day: bool, events: u64, threads: u64) -> Vec<Vec<Event>> {
    let mut numbers = Numbers(1);
    let (all_names, clients) = if day { (1_000_000, 50_000) } else { (10_000, 1_000) };
    let names = names(all_names, &mut numbers);
    let no_ede: Arc<[Ede]> = Arc::from([]);
    let texts = Texts {
        tenants: (0..TENANTS).map(|tenant| format!("tenant-{tenant:03}").into()).collect(),
        lists: ["ads", "malware", "trackers", "new-names"].map(Arc::from).to_vec(),
        upstreams: (1..5).map(|host| format!("udp://192.0.2.{host}:53").into()).collect(),
        blocked: Arc::from([Ede { code: 15, text: "ads".into() }]),
    };
    let mut parts: Vec<Vec<Event>> = vec![Vec::new(); threads as usize];
    for at in 0..events {
        let client = numbers.zipf(clients).wrapping_mul(48_271) % clients;
        let name = &names[numbers.zipf(all_names) as usize];
        let mut event = hit(name, client, MORNING_MICROS + at as i64 * STEP_MICROS, &mut numbers, &no_ede);
        if day {
            vary(&mut event, client, &texts, &mut numbers);
        }
        parts[(at % threads) as usize].push(event);
    }
    parts
}

/// Processor time of each thread of the log so far, seconds in our code and in the system's.
fn processor_times() -> BTreeMap<String, (f64, f64)> {
    let mut times = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
        let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.split_once(") ")) else { continue };
        let field =
            |at: usize| rest.split(' ').nth(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / TICKS;
        if name.starts_with("log-") {
            times.insert(name.to_owned(), (field(11), field(12)));
        }
    }
    times
}

/// Whether the log still has much to do of so many events sent by so many threads.
fn is_behind(health: &Health, sent: u64, threads: u64, segment_rows: u64) -> bool {
    sent >= health.written + threads * RING_EVENTS_MAX as u64 / 2 || health.live_rows >= 3 * segment_rows
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let day = arguments.next_if(|word| word == "cached" || word == "day").is_some_and(|word| word == "day");
    let mut number = |default: u64| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (events, threads) = (number(3_000_000), number(2).max(1));
    let parts = make(day, events, threads);
    let folder = tempfile::tempdir().expect("a folder");
    let admission = Admission { node: Some("ns1".into()), ..Admission::default() };
    let settings = Settings { folder: folder.path().to_owned(), admission, ..Settings::default() };
    let segment_rows = settings.segment_rows as u64;
    let (store, _) = Store::open(settings).expect("a log");
    let start = Instant::now();
    let mut bytes_max = 0;
    std::thread::scope(|scope| {
        for part in parts {
            let mut sender = store.sender();
            let store = &store;
            scope.spawn(move || {
                for (sent, event) in (0_u64..).zip(part) {
                    // As fast as the log keeps up: a sender that is ahead waits, so that nothing is dropped.
                    while sent.is_multiple_of(256) && is_behind(&store.health(), sent * threads, threads, segment_rows)
                    {
                        std::thread::sleep(Duration::from_micros(500));
                    }
                    sender.offer(event);
                }
            });
        }
        while store.health().written + store.health().dropped < events {
            bytes_max = store.health().bytes.max(bytes_max);
            std::thread::park_timeout(Duration::from_millis(5));
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    while store.health().live_rows >= segment_rows {
        std::thread::sleep(Duration::from_millis(20));
    }
    // The rest of the last segment's work: the manifest, and a look at retention.
    std::thread::sleep(Duration::from_millis(300));
    let (times, health) = (processor_times(), store.health());
    store.close();
    let all_seconds = start.elapsed().as_secs_f64();
    let closed = store.health();
    println!(
        "{}: {} events, {} dropped, {threads} threads: {:.0} events/s to the WAL, {:.0} events/s to segments; {:.1} bytes \
         an event in {} segments, {:.1} MB on disk at most",
        if day { "day" } else { "cached" },
        closed.rows,
        closed.dropped,
        events as f64 / seconds,
        events as f64 / all_seconds,
        closed.bytes as f64 / closed.rows as f64,
        closed.segments,
        bytes_max as f64 / 1e6,
    );
    let mut sum = 0.0;
    for (name, (own, system)) in times {
        // Live rows have not been through the segment thread yet.
        let through = if name == "log-segments" { health.rows - health.live_rows } else { health.rows };
        let micros = |seconds: f64| seconds * 1e6 / through.max(1) as f64;
        println!("{name:>14}: {:.3} µs an event, and {:.3} in the system", micros(own), micros(system));
        sum += micros(own);
    }
    println!("{:>14}: {sum:.3} µs an event", "all");
}
