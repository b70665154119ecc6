//! Fills a log with made-up queries, asks it what a dashboard asks, and says how long each took: one JSON object a line.
//! `benches/log/run.py` runs all of it, and puts the same questions to others over the same files.
//!
//! ```text
//! log_bench fill FOLDER EVENTS [SEED]            a day of that many queries, through the log's own sender
//! log_bench settle FOLDER                        merges all that house-keeping would merge in time
//! log_bench ask FOLDER [ROUNDS] [NAME]           the panel's questions, or one of them
//! log_bench visible FOLDER [ROUNDS] [PER_S]      from the offer of an event to a search that finds it, beside others
//! log_bench open FOLDER                          how long opening takes, and what it costs
//! log_bench many FOLDER SEGMENTS EVENTS          so many segments of so many events, each of an hour to come
//! log_bench drop FOLDER                          what dropping segments of such a log costs
//! ```

mod ask;
mod make;
mod many;
mod visible;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use make::{DAY_MICROS, MORNING_MICROS, Maker, Numbers};
use search::Limits;
use store::{Settings, Store};

type Failed = Box<dyn std::error::Error>;

const LIMITS: Limits =
    Limits { memory_bytes: 4 << 30, search_bytes: 4 << 30, time: Duration::from_secs(600), concurrent: 2 };
/// Rows of a segment, as the product has them.
const SEGMENT_ROWS: usize = 1 << 20;
/// Events that may wait for their segments: three segments of the four that the log lets wait.
const LIVE_ROWS_MAX: u64 = 3 << 20;
/// Threads that make events.
const MAKERS: u64 = 2;
/// Events a maker makes before it looks whether it is ahead.
const PACE_EVENTS: u64 = 256;
/// How long a maker rests that is far ahead. Turning instead would take the processor from the log.
const FULL_NAP: Duration = Duration::from_millis(1);
/// Events made to see what making one costs.
const MADE_EVENTS: u64 = 1_000_000;

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| words.get(at).map_or(Ok(default), |word| word.parse());
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", folder, ..] => fill(Path::new(folder), number(2, 1_000_000)?, number(3, 1)?),
        ["settle", folder] => settle(Path::new(folder)),
        ["ask", folder, ..] => ask::ask(Path::new(folder), number(2, 3)?, words.get(3).map(String::as_str)),
        ["visible", folder, ..] => visible::visible(Path::new(folder), number(2, 200)?, number(3, 20_000)?),
        ["open", folder] => open(Path::new(folder), SEGMENT_ROWS).map(|store| store.close()),
        ["many", folder, ..] => many::many(Path::new(folder), number(2, 500)?, number(3, 5_000)?),
        ["drop", folder] => many::drop_segments(Path::new(folder)),
        _ => Err("say what to do: see the head of this file".into()),
    }
}

fn settings(folder: &Path, segment_rows: usize) -> Settings {
    Settings {
        folder: folder.to_owned(),
        keep_age: None,
        keep_bytes: None,
        segment_rows,
        segment_age: Duration::from_secs(60),
        sync_every: Duration::from_millis(200),
        admission: store::Admission::default(),
        keep_tenants: Vec::new(),
        remote: None,
    }
}

fn open(folder: &Path, segment_rows: usize) -> Result<Store, Failed> {
    let start = Instant::now();
    let (store, opened) = Store::open(settings(folder, segment_rows))?;
    let (took, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds());
    opened.notes.iter().for_each(|note| eprintln!("{note}"));
    let health = store.health();
    println!(
        "{{\"opened_s\": {took:.4}, \"cpu_s\": {cpu:.2}, \"events\": {}, \"segments\": {}, \"bytes_per_event\": {:.2}, \
         \"manifest_bytes\": {}, \"peak_mib\": {}}}",
        health.rows,
        health.segments,
        health.bytes as f64 / health.rows.max(1) as f64,
        std::fs::metadata(folder.join("manifest")).map_or(0, |manifest| manifest.len()),
        peak_mib(),
    );
    Ok(store)
}

/// Merges what can be merged, and says what the log comes to.
fn settle(folder: &Path) -> Result<(), Failed> {
    let store = open(folder, SEGMENT_ROWS)?;
    let (start, before) = (Instant::now(), cpu_seconds());
    let done = store.compact()?;
    let (took, cpu, health) = (start.elapsed().as_secs_f64(), cpu_seconds() - before, store.health());
    println!(
        "{{\"merged\": {}, \"written\": {}, \"settle_s\": {took:.1}, \"cpu_s\": {cpu:.1}, \"events\": {}, \"segments\": {}, \
         \"bytes_per_event\": {:.2}, \"segment_bytes_per_event\": {:.2}, \"peak_mib\": {}}}",
        done.merged,
        done.written,
        health.rows,
        health.segments,
        health.bytes as f64 / health.rows.max(1) as f64,
        store.status().compressed_bytes as f64 / health.rows.max(1) as f64,
        peak_mib(),
    );
    store.close();
    Ok(())
}

fn fill(folder: &Path, events: u64, seed: u64) -> Result<(), Failed> {
    let maker = Maker::new(seed);
    let before = cpu_seconds();
    let mut numbers = Numbers(seed);
    (0..MADE_EVENTS as i64).for_each(|at| drop(std::hint::black_box(maker.event(&mut numbers, at))));
    let making_us = (cpu_seconds() - before) * 1e6 / MADE_EVENTS as f64;
    let store = open(folder, SEGMENT_ROWS)?;
    let before = cpu_seconds();
    let step = DAY_MICROS as f64 / events as f64;
    let start = Instant::now();
    let mut to_wal = Duration::ZERO;
    let offered = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for part in 0..MAKERS {
            let (store, maker, mut sender) = (&store, &maker, store.sender());
            let mut numbers = Numbers(seed ^ (part + 1));
            let offered = &offered;
            scope.spawn(move || {
                for (turn, at) in (part..events).step_by(MAKERS as usize).enumerate() {
                    // Who is ahead waits, so that nothing is dropped: all that is on its way fits half of one ring, and
                    // what waits for its segment is less than the log lets wait.
                    if (turn as u64).is_multiple_of(PACE_EVENTS) {
                        let ahead = offered.fetch_add(PACE_EVENTS, Ordering::Relaxed) + PACE_EVENTS;
                        let far_ahead = |health: store::Health| {
                            ahead > health.written + health.dropped + store::RING_EVENTS_MAX as u64 / 2
                                || health.live_rows > LIVE_ROWS_MAX
                        };
                        while far_ahead(store.health()) {
                            std::thread::sleep(FULL_NAP);
                        }
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
         \"cpu_us_per_event\": {:.2}, \"making_us\": {making_us:.2}, \"peak_mib\": {}}}",
        health.rows,
        health.dropped,
        events as f64 / to_wal.as_secs_f64(),
        events as f64 / total.as_secs_f64(),
        health.bytes as f64 / health.rows as f64,
        (cpu_seconds() - before) * 1e6 / events as f64,
        peak_mib(),
    );
    Ok(())
}

/// Most memory this process had at once.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Processor time of the threads there are now, in milliseconds.
fn cpu_millis() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let said = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        said.split_whitespace().next()?.parse::<u64>().ok()
    });
    nanos.sum::<u64>() as f64 / 1e6
}

/// Processor time of this process, user and system; ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: Vec<u64> = after.split_whitespace().skip(11).take(2).filter_map(|word| word.parse().ok()).collect();
    ticks.iter().sum::<u64>() as f64 / 100.0
}
