//! How long an event takes from its offer to a search that finds it, while others arrive.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use search::{Searcher, Window};

use crate::make::{Maker, Numbers};
use crate::{Failed, LIMITS, SEGMENT_ROWS, open};

const MINUTE_MICROS: i64 = 60_000_000;
/// How long is looked for one event.
const PATIENCE: Duration = Duration::from_secs(10);
/// Others arrive in groups so often.
const TICK: Duration = Duration::from_millis(1);

/// Offers an event with a client of its own and searches for it until it is there, `rounds` times, while `per_s` others arrive.
pub(crate) fn visible(folder: &Path, rounds: u64, per_s: u64) -> Result<(), Failed> {
    let store = open(folder, SEGMENT_ROWS)?;
    let searcher = Searcher::new(store.clone(), LIMITS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let maker = Maker::new(2);
    let (done, offered) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut waited = std::thread::scope(|scope| -> Result<Vec<f64>, Failed> {
        let (others, store, maker, done, offered) = (store.sender(), &store, &maker, &done, &offered);
        scope.spawn(move || {
            let (mut others, mut numbers, start) = (others, Numbers(3), Instant::now());
            while !done.load(Ordering::Relaxed) {
                let due = (start.elapsed().as_secs_f64() * per_s as f64) as u64;
                for _ in offered.load(Ordering::Relaxed)..due {
                    others.offer(maker.event(&mut numbers, now_micros()));
                }
                offered.store(due, Ordering::Relaxed);
                std::thread::sleep(TICK);
            }
        });
        let (mut sender, mut numbers) = (store.sender(), Numbers(4));
        let mut waited = Vec::new();
        for round in 0..rounds {
            let now = now_micros();
            let client = Ipv4Addr::from(0xc0a8_0000 + round as u32);
            let event = event::Event { client: IpAddr::V4(client), ..maker.event(&mut numbers, now) };
            let wanted = search::parse(&format!("client:{client}")).map_err(|faults| format!("{faults:?}"))?;
            let window = Window { from: now - MINUTE_MICROS, to: now + MINUTE_MICROS };
            let start = Instant::now();
            sender.offer(event);
            while runtime.block_on(searcher.rows(&wanted, window, None, 1))?.is_empty() {
                if start.elapsed() > PATIENCE {
                    done.store(true, Ordering::Relaxed);
                    return Err("an event was never found".into());
                }
            }
            waited.push(start.elapsed().as_secs_f64() * 1e3);
        }
        done.store(true, Ordering::Relaxed);
        Ok(waited)
    })?;
    waited.sort_unstable_by(f64::total_cmp);
    let part = |part: f64| waited.get(((waited.len() as f64 * part) as usize).min(waited.len() - 1)).copied();
    println!(
        "{{\"visible_ms_p50\": {:.1}, \"visible_ms_p99\": {:.1}, \"visible_ms_max\": {:.1}, \"rounds\": {rounds}, \
         \"others_per_s\": {per_s}, \"others\": {}, \"dropped\": {}}}",
        part(0.5).unwrap_or(0.0),
        part(0.99).unwrap_or(0.0),
        part(1.0).unwrap_or(0.0),
        offered.load(Ordering::Relaxed),
        store.health().dropped,
    );
    drop(searcher);
    store.close();
    Ok(())
}

fn now_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
