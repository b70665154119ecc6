//! Answers from rollups held against the same rows without any.

use std::collections::HashMap;
use std::time::Duration;

use datafusion::datasource::MemTable;
use proptest::prelude::*;
use store::{DISTINCT_ERROR, LATENCY_ERROR, Settings, Store};
use tempfile::TempDir;

use super::*;
use crate::run::{Searcher, Top};
use crate::sample::{LIMITS, Numbers, START, event};
use crate::{Figures, Limits, parse};

const SECOND: i64 = 1_000_000;
const SEGMENTS: i64 = 3;
/// Rows of a segment, and of what is live.
const ROWS: usize = 700;
/// Time a segment spans; they overlap by half.
const SPAN: i64 = 1_200 * SECOND;

fn open(folder: &TempDir) -> Store {
    let settings = Settings {
        folder: folder.path().to_owned(),
        segment_rows: 1_000_000,
        segment_age: Duration::from_secs(3_600),
        sync_every: Duration::from_millis(200),
        ..Settings::default()
    };
    Store::open(settings).unwrap().0
}

/// A log of a few segments and live rows, and a searcher over the same rows in memory.
struct Sample {
    store: Store,
    rolled: Searcher,
    scanned: Searcher,
    rows: Vec<Row>,
    _folder: TempDir,
}

async fn sample(seed: u64) -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(seed);
    let mut store = open(&folder);
    for segment in 0..=SEGMENTS {
        let mut sender = store.sender();
        let start = START + segment * SPAN / 2;
        for _ in 0..ROWS {
            let mut event = event(&mut numbers);
            event.time_micros = start + numbers.below((SPAN / SECOND) as usize) as i64 * SECOND + 7;
            // A few names come often, and more of them than a list has room for come now and then.
            let often = numbers.below(4) > 0;
            if often {
                let name = numbers.below(5) * numbers.below(5);
                event.domain = Some(format!("n{name}.example.com").into());
            } else if numbers.below(3) > 0 {
                event.domain = Some(format!("n.rare{}.com", numbers.below(700)).into());
            }
            sender.offer(event);
        }
        if segment < SEGMENTS {
            store.close();
            store = open(&folder);
        }
    }
    while store.health().rows < ROWS as u64 * (SEGMENTS as u64 + 1) {
        tokio::task::yield_now().await;
    }
    let all = SessionContext::new().read_table(store.table()).unwrap().collect().await.unwrap();
    let rows = all.iter().flat_map(|batch| event::rows(batch).unwrap()).collect();
    let table = Arc::new(MemTable::try_new(event::schema(), vec![all]).unwrap());
    let scanned = Searcher::over(move || Arc::clone(&table) as _, LIMITS);
    Sample { rolled: Searcher::new(store.clone(), LIMITS), scanned, store, rows, _folder: folder }
}

const TERMS: &[&str] = &[
    "code:NXDOMAIN",
    "code:NOERROR,SERVFAIL",
    "-code:NOERROR",
    "has:code",
    "-has:code",
    "code:16..23",
    "code:BAD*",
    "action:block",
    "-action:pass,allow",
    "outcome:error",
    "-outcome:answered",
    "cache:hit,stale",
    "tenant:phishing",
    "tenant:Phish*",
    "-has:tenant",
    "-(code:NXDOMAIN OR action:block)",
];

fn search(picks: &[usize], any: bool) -> Search {
    let terms: Vec<&str> = picks.iter().map(|pick| TERMS[pick % TERMS.len()]).collect();
    parse(&terms.join(if any { " OR " } else { " " })).unwrap()
}

fn exact(top: &Top) -> HashMap<Option<String>, u64> {
    top.values.iter().map(|value| (value.value.clone(), value.count)).collect()
}

/// The rolled list is the scanned one, but for counts that may miss as many as it says.
fn check_top(rolled: &Top, scanned: &Top, all: &Top) {
    assert_eq!(rolled.total, scanned.total);
    if rolled.error == 0 {
        assert_eq!(rolled, scanned);
        return;
    }
    let counts = exact(all);
    let listed = exact(rolled);
    assert_eq!(listed.len(), scanned.values.len());
    for (value, count) in &listed {
        let true_count = counts[value];
        assert!(*count <= true_count && true_count <= count + rolled.error, "{value:?}: {count} of {true_count}");
    }
    let least = listed.keys().map(|value| counts[value]).min().unwrap();
    let others = counts.iter().filter(|(value, _)| !listed.contains_key(*value));
    assert!(others.map(|(_, count)| *count).max().unwrap_or(0) <= least);
}

fn quantile(latencies: &[u32], part: f64) -> f64 {
    f64::from(latencies[((part * latencies.len() as f64).ceil() as usize).max(1) - 1])
}

fn check_figures(rolled: &Figures, scanned: &Figures, rows: &[Row], window: Window) {
    let plain =
        |figures: &Figures| [figures.queries, figures.blocked, figures.servfail, figures.nxdomain, figures.cache_hits];
    assert_eq!(plain(rolled), plain(scanned));
    let inside = || rows.iter().filter(|row| (window.from..window.to).contains(&row.time_micros));
    let clients = inside().map(|row| row.client).collect::<std::collections::HashSet<_>>().len() as f64;
    assert!((rolled.clients as f64 - clients).abs() <= (3.0 * DISTINCT_ERROR * clients).max(0.5));
    let mut latencies: Vec<u32> = inside().map(|row| row.latency_micros).collect();
    latencies.sort_unstable();
    for (part, found) in [(0.5, rolled.latency_p50_micros), (0.95, rolled.latency_p95_micros)] {
        match found {
            None => assert!(latencies.is_empty()),
            // Without rollups in the window, the engine's own estimate.
            Some(_) if rolled == scanned => {}
            Some(found) => {
                let expected = quantile(&latencies, part);
                assert!((found - expected).abs() <= expected * LATENCY_ERROR, "{part}: {found} for {expected}");
            }
        }
    }
}

async fn check(sample: &Sample, search: &Search, window: Window, points: usize) {
    let (rolled, scanned) = (&sample.rolled, &sample.scanned);
    assert_eq!(rolled.count(search, window).await.unwrap(), scanned.count(search, window).await.unwrap());
    for by in ["", "code", "action", "outcome", "cache", "tenant", "transport"] {
        let expected = scanned.series(search, window, by, points).await.unwrap();
        assert_eq!(rolled.series(search, window, by, points).await.unwrap(), expected, "by {by}");
    }
    let fields = ["code", "action", "outcome", "cache", "tenant"];
    let expected = scanned.facets(search, window, &fields, 5).await.unwrap();
    assert_eq!(rolled.facets(search, window, &fields, 5).await.unwrap(), expected);
    for field in ["domain", "reg_domain", "client", "qtype"] {
        let list = |searcher: &Searcher, n: usize| {
            let searcher = searcher.clone();
            async move { searcher.top(search, window, field, n).await.unwrap() }
        };
        for n in [1, 3, 10] {
            check_top(&list(rolled, n).await, &list(scanned, n).await, &list(scanned, 1_000).await);
        }
    }
    let figures = rolled.figures(search, window).await.unwrap();
    let expected = scanned.figures(search, window).await.unwrap();
    if search.is_empty() {
        check_figures(&figures, &expected, &sample.rows, window);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rolled_answers_are_the_scanned_ones(
        seed: u64,
        asked in prop::collection::vec(
            (prop::collection::vec(0..TERMS.len(), 0..3), any::<bool>(), 0..2_400_i64, 0..2_400_i64, 1..70_usize),
            6,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let sample = sample(seed).await;
            let all = Window { from: START, to: START + 3_600 * SECOND };
            for (picks, any, a, b, points) in asked {
                let search = search(&picks, any);
                check(&sample, &search, all, points).await;
                let window = Window { from: START + a.min(b) * SECOND, to: START + a.max(b) * SECOND + 1 };
                check(&sample, &search, window, points).await;
            }
            check(&sample, &search(&[], false), all, 60).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rollups_can_answer_they_do_answer() {
    let sample = sample(7).await;
    let all = Window { from: START, to: START + 3_600 * SECOND };
    let log = Log::new(&SessionContext::new(), sample.store.table());
    assert!(log.divided(all).is_some());
    let every = search(&[], false);
    let top = |search: &Search, id: Id, n: usize| {
        let (log, search) = (&log, search.clone());
        async move { log.rolled_top(&search, all, id, n).await.unwrap() }
    };
    assert_eq!(top(&every, Id::Qtype, 10).await.unwrap().error, 0);
    assert!(top(&parse("code:NXDOMAIN").unwrap(), Id::Client, 10).await.is_some());
    assert!(top(&parse("action:block").unwrap(), Id::Client, 10).await.is_some());
    assert!(top(&every, Id::Domain, 1).await.is_some());
    // The last of so many names came once in some segments, and so did names that their lists left out.
    assert!(top(&every, Id::Domain, 1_000).await.is_none());
    assert!(top(&parse("code:NXDOMAIN action:block").unwrap(), Id::Client, 10).await.is_none());
    assert!(top(&parse("transport:tcp").unwrap(), Id::Client, 10).await.is_none());
    assert!(log.rolled_figures(&every, all).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_are_added_up_no_longer_than_somebody_waits() {
    let sample = sample(8).await;
    let all = Window { from: START, to: START + 3_600 * SECOND };
    let log = Log::new(&SessionContext::new(), sample.store.table());
    let (meet, met) = std::sync::mpsc::sync_channel(1);
    let (go, going) = std::sync::mpsc::sync_channel::<()>(1);
    let task = tokio::spawn(summed(
        log.divided(all).unwrap(),
        (),
        |_| Ok(()),
        move |(), _| {
            meet.send(()).unwrap();
            let _ = going.recv();
            Ok(Ok(true))
        },
    ));
    met.recv().unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    drop(go);
    assert_eq!(met.iter().count(), 0, "of {SEGMENTS} rollups one was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_of_rollups_count_as_memory_of_the_search() {
    let sample = sample(9).await;
    let all = Window { from: START, to: START + 3_600 * SECOND };
    let small = Searcher::new(sample.store.clone(), Limits { search_bytes: 500, ..LIMITS });
    for by in ["code", "tenant"] {
        assert!(matches!(small.series(&search(&[], false), all, by, 60).await, Err(SearchError::Limit(_))), "{by}");
    }
}
