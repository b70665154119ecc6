//! `kill -9` under load: a second process writes as fast as it is told to and says what is on disk for good; this
//! one kills it at any moment, opens what it left, and looks for every event.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use datafusion::prelude::SessionContext;
use event::Row;
use store::{Settings, Store};
use support::Seeded;

/// Tells the child that it is one, and where the log is.
const FOLDER: &str = "NAMEWARD_CRASH_FOLDER";
/// Number of the child's first event.
const FIRST: &str = "NAMEWARD_CRASH_FIRST";
const ROUNDS: u64 = 8;
const SENDERS: u64 = 2;
/// Events one sender offers in a millisecond: some 40,000 a second together, so that each round sees several flushes.
const BURST: u64 = 20;
/// Numbers of different rounds do not meet.
const NUMBERS_PER_ROUND: u64 = 1_000_000_000;
/// What a crash may cost by design is 200 ms; the rest is for a busy machine to wake the writer.
const LOSS_MAX_MICROS: i64 = 200_000 + 2_000_000;

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.to_owned(),
        keep_age: None,
        keep_bytes: None,
        segment_rows: 10_000,
        segment_age: Duration::from_millis(500),
        sync_every: Duration::from_millis(200),
        ..Settings::default()
    }
}

fn now_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// The child: not a test of its own. Without the variable it does nothing.
#[test]
fn child() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    let (store, _) = Store::open(settings(Path::new(&folder))).unwrap();
    for part in 0..SENDERS {
        let mut sender = store.sender();
        std::thread::spawn(move || {
            for burst in 0.. {
                for at in burst * BURST..(burst + 1) * BURST {
                    sender.offer(support::event(first + at * SENDERS + part, now_micros()));
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
    }
    let mut output = std::io::stdout();
    // The test runner has begun a line.
    writeln!(output).unwrap();
    loop {
        writeln!(output, "synced {}", store.synced_seq()).unwrap();
        output.flush().unwrap();
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Runs a child for a while, kills it, and gives what it last said was on disk for good.
fn run_and_kill(folder: &Path, first: u64, after: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let started = Arc::new(AtomicBool::new(false));
    let (main, seen) = (std::thread::current(), Arc::clone(&started));
    let reader = std::thread::spawn(move || {
        let mut synced = 0;
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("synced ") {
                synced = number.parse().unwrap_or(synced);
                seen.store(true, Ordering::SeqCst);
                main.unpark();
            }
        }
        synced
    });
    while !started.load(Ordering::SeqCst) {
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        std::thread::park_timeout(Duration::from_secs(1));
    }
    let until = std::time::Instant::now() + after;
    while std::time::Instant::now() < until {
        std::thread::park_timeout(until.saturating_duration_since(std::time::Instant::now()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn read(store: &Store) -> Vec<Row> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let frame = SessionContext::new().read_table(store.table()).unwrap();
    let batches = runtime.block_on(frame.collect()).unwrap();
    let mut rows: Vec<Row> = batches.iter().flat_map(|batch| event::rows(batch).unwrap()).collect();
    rows.sort_by_key(|row| row.seq);
    rows
}

/// Every number up to the last is there once, and every row is the event it says it is.
fn check(rows: &[Row], synced: u64) {
    for (seq, row) in (0_u64..).zip(rows) {
        assert_eq!(row.seq, seq, "an event is missing or there twice");
        let number = support::number_of(row.domain.as_deref().unwrap());
        let expect = support::rows(&[support::event(number, row.time_micros)], seq);
        assert_eq!(std::slice::from_ref(row), expect);
    }
    assert!(rows.len() as u64 >= synced, "{} events of the {synced} said to be on disk", rows.len());
}

#[test]
fn a_killed_log_has_every_event_it_said_was_safe() {
    let folder = tempfile::tempdir().unwrap();
    let mut seeded = Seeded(42);
    let (mut last, mut synced) = (0, 0);
    for round in 0..ROUNDS {
        let after = Duration::from_millis(20 + seeded.below(1_200));
        let first = round * NUMBERS_PER_ROUND;
        synced = run_and_kill(folder.path(), first, after).max(synced);
        let killed_micros = now_micros();
        // Sometimes the next child has to recover by itself.
        if seeded.below(4) == 0 && round + 1 < ROUNDS {
            continue;
        }
        let (store, opened) = Store::open(settings(folder.path())).unwrap();
        for note in &opened.notes {
            assert!(note.contains("cut short") || note.contains("was not in the manifest"), "{note}");
        }
        let rows = read(&store);
        check(&rows, synced);
        assert!(rows.len() > last, "round {round} kept nothing");
        last = rows.len();
        let loss_micros = killed_micros - rows.iter().map(|row| row.time_micros).max().unwrap();
        assert!(loss_micros < LOSS_MAX_MICROS, "round {round} lost the last {loss_micros} µs");
        println!(
            "round {round}: killed after {after:?}, {} events, {synced} said to be safe, newest {loss_micros} µs old",
            rows.len()
        );
        store.close();
        assert_eq!(read(&store).len(), last);
    }
}
