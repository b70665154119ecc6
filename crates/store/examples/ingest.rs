//! How many events a second the log keeps, and how many bytes each takes: `ingest [events] [threads]`.
//!
//! The events are made before the clock starts, so that the figure is the log's: names by Zipf's law from a million
//! plus one in eight never seen again, 2,000 clients, every outcome.

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use event::Event;
use store::{Settings, Store};
use support::{MORNING_MICROS, Seeded};

/// Events made at once and sent again and again with new times and names.
const POOL: u64 = 1 << 17;
const NAMES: f64 = 1e6;

fn pool(seed: u64) -> Vec<Event> {
    let mut seeded = Seeded(seed);
    let names: Vec<Arc<str>> = (0..POOL).map(|at| name(&mut seeded, seed ^ at).into()).collect();
    let make = |(at, name): (u64, &Arc<str>)| Event {
        domain: Some(Arc::clone(name)),
        client: std::net::Ipv4Addr::from(0x0a00_0000 | (at.wrapping_mul(2_654_435_761) % 2_000) as u32).into(),
        answer: at.is_multiple_of(2).then(|| format!("A 192.0.2.{}", name.len() * 7 % 256).into()),
        ..support::event(at, MORNING_MICROS)
    };
    (0..).zip(&names).map(make).collect()
}

fn name(seeded: &mut Seeded, unique: u64) -> String {
    if seeded.below(8) == 0 {
        return format!("{:016x}.cdn{}.example.net", Seeded(unique).next(), seeded.below(50));
    }
    let uniform = seeded.below(1 << 53) as f64 / (1_u64 << 53) as f64;
    let rank = (uniform * NAMES.ln()).exp() as u64;
    format!("www.site{rank}.{}", ["com", "org", "net", "de"][(rank % 4) as usize])
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (events, threads) = (number(2_000_000), number(2));
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = Store::open(Settings { folder: folder.path().to_owned(), ..Settings::default() }).expect("a log");
    let pools: Vec<Vec<Event>> = (0..threads).map(pool).collect();
    let start = Instant::now();
    let mut wal_bytes_max = 0;
    std::thread::scope(|scope| {
        for (part, pool) in (0_u64..).zip(&pools) {
            let mut sender = store.sender();
            let store = &store;
            scope.spawn(move || {
                let numbered = (part..events).step_by(threads as usize).zip(pool.iter().cycle());
                for (sent, (at, event)) in (0_u64..).zip(numbered) {
                    // As fast as the log keeps up: a sender that is ahead waits, so that nothing is dropped.
                    while sent % 256 == 0
                        && sent >= store.health().written / threads + store::RING_EVENTS_MAX as u64 / 2
                    {
                        std::thread::yield_now();
                    }
                    sender.offer(Event { time_micros: MORNING_MICROS + at as i64 * 3, ..event.clone() });
                }
            });
        }
        while store.health().written + store.health().dropped < events {
            wal_bytes_max = store.health().bytes.max(wal_bytes_max);
            std::thread::park_timeout(Duration::from_millis(5));
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    store.close();
    let health = store.health();
    println!(
        "{} events kept, {} dropped, {threads} threads: {:.0} events/s to the WAL, {:.0} events/s to segments, \
         {:.1} bytes per event in {} segments, {:.1} MB on disk at most",
        health.rows,
        health.dropped,
        events as f64 / seconds,
        events as f64 / start.elapsed().as_secs_f64(),
        health.bytes as f64 / health.rows as f64,
        health.segments,
        wal_bytes_max as f64 / 1e6,
    );
}
