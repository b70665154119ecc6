//! Fills a log with made-up queries, asks it what a dashboard asks, and says how long each took. `benches/log/run.py` puts
//! the same questions to others over the same files.
//!
//! ```text
//! log_bench fill FOLDER EVENTS [SEED]    a day of that many queries, through the log's own sender
//! log_bench ask FOLDER [ROUNDS]          the panel's questions, one JSON object a line
//! log_bench open FOLDER                  how long opening takes, and what it costs
//! ```

mod make;

use std::path::Path;
use std::time::{Duration, Instant};

use make::{DAY_MICROS, MORNING_MICROS, Maker, Numbers};
use search::{Limits, Searcher, Window};
use store::{Settings, Store};

type Failed = Box<dyn std::error::Error>;

const LIMITS: Limits =
    Limits { memory_bytes: 4 << 30, search_bytes: 4 << 30, time: Duration::from_secs(600), concurrent: 2 };
/// Threads that make events.
const MAKERS: u64 = 2;

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| words.get(at).map_or(Ok(default), |word| word.parse());
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", folder, ..] => fill(Path::new(folder), number(2, 1_000_000)?, number(3, 1)?),
        ["ask", folder, ..] => ask(Path::new(folder), number(2, 3)?),
        ["open", folder] => open(Path::new(folder)).map(|store| store.close()),
        _ => Err("say: fill FOLDER EVENTS [SEED] | ask FOLDER [ROUNDS] | open FOLDER".into()),
    }
}

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.to_owned(),
        keep_age: None,
        keep_bytes: None,
        segment_rows: 1 << 20,
        segment_age: Duration::from_secs(60),
        sync_every: Duration::from_millis(200),
        admission: store::Admission::default(),
        keep_tenants: Vec::new(),
        remote: None,
    }
}

fn open(folder: &Path) -> Result<Store, Failed> {
    let start = Instant::now();
    let (store, opened) = Store::open(settings(folder))?;
    opened.notes.iter().for_each(|note| eprintln!("{note}"));
    let health = store.health();
    eprintln!(
        "opened in {:.3} s: {} events, {} segments, {:.2} bytes per event, peak memory {} MiB",
        start.elapsed().as_secs_f64(),
        health.rows,
        health.segments,
        health.bytes as f64 / health.rows.max(1) as f64,
        peak_mib(),
    );
    Ok(store)
}

fn fill(folder: &Path, events: u64, seed: u64) -> Result<(), Failed> {
    let maker = Maker::new(seed);
    let store = open(folder)?;
    let step = DAY_MICROS as f64 / events as f64;
    let start = Instant::now();
    let mut to_wal = Duration::ZERO;
    std::thread::scope(|scope| {
        for part in 0..MAKERS {
            let (store, maker, mut sender) = (&store, &maker, store.sender());
            let mut numbers = Numbers(seed ^ (part + 1));
            scope.spawn(move || {
                for (sent, at) in (0_u64..).zip((part..events).step_by(MAKERS as usize)) {
                    // A sender that is ahead waits, so that nothing is dropped.
                    while sent % 256 == 0 && sent >= store.health().written / MAKERS + store::RING_EVENTS_MAX as u64 / 2
                    {
                        std::thread::yield_now();
                    }
                    sender.offer(maker.event(&mut numbers, MORNING_MICROS + (at as f64 * step) as i64));
                }
            });
        }
        for turn in 0_u64.. {
            let health = store.health();
            to_wal = start.elapsed();
            if health.written + health.dropped >= events {
                break;
            }
            if turn % 1_000 == 0 {
                eprintln!("{} of {events} written, {} segments", health.written, health.segments);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    store.close();
    let (total, health) = (start.elapsed(), store.health());
    println!(
        "{{\"events\": {}, \"dropped\": {}, \"per_s_wal\": {:.0}, \"per_s_segments\": {:.0}, \"bytes_per_event\": {:.2}, \
         \"cpu_us_per_event\": {:.2}, \"peak_mib\": {}}}",
        health.rows,
        health.dropped,
        events as f64 / to_wal.as_secs_f64(),
        events as f64 / total.as_secs_f64(),
        health.bytes as f64 / health.rows as f64,
        cpu_seconds() * 1e6 / events as f64,
        peak_mib(),
    );
    Ok(())
}

fn ask(folder: &Path, rounds: u64) -> Result<(), Failed> {
    let store = open(folder)?;
    let searcher = Searcher::new(store.clone(), LIMITS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let day = Window { from: MORNING_MICROS, to: MORNING_MICROS + DAY_MICROS };
    let hour = Window { from: MORNING_MICROS + DAY_MICROS / 2, to: MORNING_MICROS + DAY_MICROS / 2 + DAY_MICROS / 24 };
    let parse = |text: &str| search::parse(text).map_err(|faults| format!("{text}: {faults:?}"));
    let every = parse("")?;
    let (nxdomain, refused) = (parse("code:NXDOMAIN")?, parse("code:REFUSED")?);
    let below = parse("domain:com.br")?;
    let client = runtime.block_on(searcher.top(&every, hour, "client", 40))?;
    let client = client.values.last().and_then(|value| value.value.clone()).ok_or("no clients")?;
    let point = parse(&format!("client:{client} code:NXDOMAIN"))?;
    let tenant = parse("tenant:tenant-017")?;
    eprintln!("client {client}");
    for round in 0..rounds {
        let say = |name: &str, start: Instant, found: String| {
            let millis = start.elapsed().as_secs_f64() * 1e3;
            println!(
                "{{\"name\": \"{name}\", \"round\": {round}, \"ms\": {millis:.2}, \"peak_mib\": {}, \"found\": \"{found}\"}}",
                peak_mib()
            );
        };
        let start = Instant::now();
        let series = runtime.block_on(searcher.series(&every, day, "code", 1_440))?;
        say("series_by_code", start, format!("{} lines", series.lines.len()));
        let start = Instant::now();
        let top = runtime.block_on(searcher.top(&nxdomain, day, "domain", 20))?;
        say("top_nxdomain_names", start, format!("{:?}", top.values.first().map(|value| value.count)).replace('"', ""));
        let start = Instant::now();
        let top = runtime.block_on(searcher.top(&refused, day, "client", 20))?;
        say("top_refused_clients", start, format!("{:?}", top.values.first().map(|value| value.count)));
        let start = Instant::now();
        let rows = runtime.block_on(searcher.rows(&below, day, None, 100))?;
        say("suffix_newest_100", start, format!("{}", rows.len()));
        let start = Instant::now();
        let rows = runtime.block_on(searcher.rows(&point, hour, None, 100))?;
        say("client_code_range", start, format!("{}", rows.len()));
        let start = Instant::now();
        let names = runtime.block_on(searcher.distinct(&every, day, "domain", Some("client"), 20))?;
        say("names_per_client", start, format!("{:?}", names.values.first().map(|value| value.distinct)));
        let start = Instant::now();
        let names = runtime.block_on(searcher.distinct(&every, day, "domain", None, 1))?;
        say("distinct_names", start, format!("{:?}", names.values.first().map(|value| value.distinct)));
        let start = Instant::now();
        let top = runtime.block_on(searcher.top(&tenant, hour, "domain", 20))?;
        say("tenant_hour_top_names", start, format!("{:?}", top.values.first().map(|value| value.count)));
    }
    drop(searcher);
    store.close();
    Ok(())
}

/// Most memory this process had at once.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Processor time of this process, user and system; ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: Vec<u64> = after.split_whitespace().skip(11).take(2).filter_map(|word| word.parse().ok()).collect();
    ticks.iter().sum::<u64>() as f64 / 100.0
}
