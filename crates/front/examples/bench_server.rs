//! The whole walk of a cached query, for comparison with `sys`'s echo under the same load: policy on, one event per query.
//!
//! ```text
//! cargo run --release -p front --example bench_server -- 127.0.0.1:5301 2 1000
//! dnsperf -s 127.0.0.1 -p 5301 -d queries.txt -l 10 -c 20
//! ```
//!
//! With a fourth number so many TCP connections may be open, all of one client too, and an hour idle; see `benches/tcp.py`.
//!
//! Answers `n0.bench.example A` to `n999.bench.example A`; blocks `ads.example` and below. Events are counted, then dropped.

use std::io::BufReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache::{Cache, Key};
use engine::{Event, Shared, Sink};
use front::{Front, Settings, TcpSettings};
use policy::{BlockAnswer, Compiler, Format, ListAction, ListInfo, Network, Snapshot};
use resolve::Resolver;
use wire::name::Folded;
use wire::reply::BlockReply;

/// QTYPE A, QCLASS IN.
const A: u16 = 1;
const IN: u16 = 1;

struct Counting(Arc<AtomicU64>);

impl Sink for Counting {
    fn offer(&mut self, _event: Event) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(address) = arguments.next() else {
        eprintln!("usage: bench_server ADDRESS:PORT [THREADS] [NAMES] [CONNECTIONS]");
        std::process::exit(2);
    };
    let threads = arguments.next().map_or(Ok(sys::cores()), |text| text.parse())?;
    let names: usize = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let connections: Option<usize> = arguments.next().map(|text| text.parse()).transpose()?;
    sys::raise_descriptor_limit()?;
    let tcp = connections.map_or_else(TcpSettings::default, |all| TcpSettings {
        connections_max: all,
        connections_per_client_max: all,
        idle: Duration::from_secs(3_600),
        ..TcpSettings::default()
    });

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let cache = Arc::new(Cache::new(cache::Settings::default()));
    for number in 0..names {
        keep(&cache, &format!("n{number}.bench.example"))?;
    }
    let resolver = Resolver::start(&resolve::Settings::default(), Arc::clone(&cache), runtime.handle());
    let shared = Shared::new(Arc::new(snapshot()?), cache, resolver, engine::Settings::default());

    let events = Arc::new(AtomicU64::new(0));
    let settings = Settings { addresses: vec![address.parse()?], threads, tcp, ..Settings::default() };
    let sinks = || -> Box<dyn Sink> { Box::new(Counting(Arc::clone(&events))) };
    let front = Front::start(&settings, &shared, &sinks, runtime.handle())?;
    println!("listening on {:?}; end with Ctrl-C", front.local_addresses());
    runtime.block_on(tokio::signal::ctrl_c())?;
    runtime.block_on(front.stop());
    println!("{} events, {:?}", events.load(Relaxed), shared.counters());
    Ok(())
}

/// Puts one A record with a TTL of a day into the cache.
fn keep(cache: &Cache, name: &str) -> Result<(), String> {
    let qname = Folded::from_text(name).ok_or("not a name")?;
    let mut reply = vec![0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    reply.extend_from_slice(qname.wire());
    reply.extend_from_slice(&[0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 1, 0x51, 0x80, 0, 4, 192, 0, 2, 1]);
    let stored = wire::reply::take(&reply, 7, &qname, A, IN).map_err(|error| format!("{error:?}"))?;
    let now_seconds = u32::try_from(sys::clock::monotonic_micros() / 1_000_000).unwrap_or(u32::MAX);
    cache.put(Key::new(&qname, A, IN, false, false), stored, Some("udp://192.0.2.53:53".into()), now_seconds);
    Ok(())
}

fn snapshot() -> std::io::Result<Snapshot> {
    let mut compiler = Compiler::new(7);
    let ads = ListInfo { name: "ads".into(), action: ListAction::Block, format: Format::Auto, ede: 15 };
    compiler.add(ads, BufReader::new(&b"ads.example\n"[..]))?;
    Ok(Snapshot {
        policy: compiler.finish(),
        block: BlockAnswer { kind: BlockReply::Nxdomain, ttl: 60 },
        admitted: Network::LOOPBACK.to_vec(),
        epoch: 1,
    })
}
