//! A log of many segments: what opening it, saving its manifest and dropping segments cost. Segments are small, so that
//! the log is soon made; these costs go by segments, not by events.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use store::Store;

use crate::make::{Maker, Numbers};
use crate::{FULL_NAP, Failed, SEGMENT_ROWS, cpu_seconds, open, peak_mib};

const HOUR_MICROS: i64 = 3_600_000_000;
/// Segments dropped one by one.
const SINGLE: u64 = 20;
/// Longest wait for segments to go.
const PATIENCE: Duration = Duration::from_secs(120);

/// Segments of `events` each, each in the middle of an hour of its own, all of them hours to come: those are not merged.
pub(crate) fn many(folder: &Path, segments: u64, events: u64) -> Result<(), Failed> {
    let maker = Maker::new(1);
    let mut numbers = Numbers(1);
    let store = open(folder, events as usize)?;
    let mut sender = store.sender();
    let start = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as i64;
    let first = (now.div_euclid(HOUR_MICROS) + 24) * HOUR_MICROS;
    for hour in 0..segments {
        for place in 0..events {
            while place % 256 == 0
                && hour * events + place >= store.health().written + store::RING_EVENTS_MAX as u64 / 2
            {
                std::thread::sleep(FULL_NAP);
            }
            let within = HOUR_MICROS / 4 + place as i64 * (HOUR_MICROS / 2 / events as i64);
            sender.offer(maker.event(&mut numbers, first + hour as i64 * HOUR_MICROS + within));
        }
        while store.health().segments <= hour {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    drop(sender);
    store.close();
    let health = store.health();
    println!(
        "{{\"filled_s\": {:.1}, \"events\": {}, \"segments\": {}, \"dropped\": {}}}",
        start.elapsed().as_secs_f64(),
        health.rows,
        health.segments,
        health.dropped,
    );
    Ok(())
}

/// Drops the oldest segment some times, which is one save of the manifest each, and then half of those left at once.
pub(crate) fn drop_segments(folder: &Path) -> Result<(), Failed> {
    let store = open(folder, SEGMENT_ROWS)?;
    // House-keeping after the start (checks of segments) is not what is measured.
    store.compact()?;
    let all = store.health().segments;
    let mut singles = Vec::new();
    for gone in 1..=SINGLE {
        // One byte too many: the oldest segment goes.
        singles.push(dropped(&store, store.health().bytes - 1, all - gone)?);
    }
    singles.sort_unstable_by(f64::total_cmp);
    let (left, cpu) = (store.health().segments, cpu_seconds());
    // They are of one size, more or less.
    let half = dropped(&store, store.health().bytes / 2, left - left / 2 + left / 50)?;
    let gone = left - store.health().segments;
    println!(
        "{{\"segments\": {all}, \"drop_one_ms_p50\": {:.2}, \"drop_one_ms_max\": {:.2}, \"drop_half\": {}, \
         \"drop_half_ms\": {half:.1}, \"drop_half_cpu_s\": {:.2}, \"peak_mib\": {}}}",
        singles[singles.len() / 2],
        singles[singles.len() - 1],
        gone,
        cpu_seconds() - cpu,
        peak_mib(),
    );
    store.close();
    Ok(())
}

/// Milliseconds until no more segments than these are left.
fn dropped(store: &Store, keep_bytes: u64, segments: u64) -> Result<f64, Failed> {
    let start = Instant::now();
    store.set_retention(None, Some(keep_bytes));
    while store.health().segments > segments {
        if start.elapsed() > PATIENCE {
            return Err(format!("{} segments are left, not {segments}", store.health().segments).into());
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Ok(start.elapsed().as_secs_f64() * 1e3)
}
