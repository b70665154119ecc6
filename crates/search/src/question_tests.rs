//! Comparisons, sketches, timelines, explanations, streams, limits and SQL, against the same counted by hand.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use event::{Builder, Row};
use futures::StreamExt;
use wire::code::CODES;

use crate::run::WAITING_MAX;
use crate::sample::{ALL, LIMITS, NAMES, Numbers, START, batches, event, sample, searcher};
use crate::{Cursor, Limits, Lines, Order, SearchError, Searcher, SqlValue, Window, parse, to_sql};

fn place(row: &Row) -> Cursor {
    Cursor { time_micros: row.time_micros, seq: row.seq }
}

/// Many events, and limits.
fn log_within(rows: usize, limits: Limits) -> (Searcher, Vec<Row>) {
    (searcher(batches(3, rows), limits), Vec::new())
}

/// Many events: `change` makes each what the test needs.
fn log(rows: usize, mut change: impl FnMut(usize, &mut event::Event)) -> (Searcher, Vec<Row>) {
    let mut numbers = Numbers(17);
    let mut builder = Builder::new(0);
    for at in 0..rows {
        let mut each = event(&mut numbers);
        change(at, &mut each);
        builder.push(&each);
    }
    let batch = builder.finish();
    let rows = event::rows(&batch).unwrap();
    let half = batch.num_rows() / 2;
    let parts = vec![batch.slice(0, half), batch.slice(half, batch.num_rows() - half)];
    (searcher(parts, LIMITS), rows)
}

#[tokio::test]
async fn few_different_values_are_counted_exactly() {
    let (searcher, rows) = sample(3, 400);
    let all = parse("").unwrap();
    let found = searcher.distinct(&all, ALL, "domain", None, 5).await.unwrap();
    let names: HashSet<&String> = rows.iter().filter_map(|row| row.domain.as_ref()).collect();
    assert_eq!((found.values.len(), found.values[0].distinct, found.error), (1, names.len() as u64, 0.0));

    let mut expected: HashMap<String, HashSet<&String>> = HashMap::new();
    for row in &rows {
        expected.entry(row.client.to_string()).or_default().extend(row.domain.as_ref());
    }
    let found = searcher.distinct(&all, ALL, "domain", Some("client"), 5).await.unwrap();
    assert_eq!((found.values.len(), found.others as usize), (5, expected.len() - 5));
    assert!(found.values.is_sorted_by_key(|value| std::cmp::Reverse(value.distinct)));
    for value in &found.values {
        assert_eq!(value.distinct, expected[value.value.as_ref().unwrap()].len() as u64);
    }
    let by_code = searcher.distinct(&all, ALL, "client", Some("code"), 100).await.unwrap();
    assert!(by_code.values.iter().any(|value| value.value.is_none()), "no reply is a value of its own");
    assert!(searcher.distinct(&all, ALL, "ede", None, 5).await.is_err());
    let nothing = searcher.distinct(&parse("seq:99999").unwrap(), ALL, "domain", None, 5).await.unwrap();
    assert_eq!(nothing.values[0].distinct, 0);
}

#[tokio::test]
async fn many_different_values_are_within_the_stated_error() {
    let (searcher, _) = log(20_000, |at, event| {
        event.domain = Some(format!("n{}.example", at / 2).into());
        event.client = ["192.0.2.1", "192.0.2.2"][at % 2].parse().unwrap();
    });
    let all = parse("").unwrap();
    let found = searcher.distinct(&all, ALL, "domain", None, 1).await.unwrap();
    let off = |distinct: u64| (distinct as f64 / 10_000.0 - 1.0).abs();
    assert!(found.error > 0.0 && off(found.values[0].distinct) < 4.0 * found.error, "{found:?}");
    let found = searcher.distinct(&all, ALL, "domain", Some("client"), 2).await.unwrap();
    assert!(found.values.iter().all(|value| off(value.distinct) < 4.0 * found.error), "{found:?}");
}

#[tokio::test]
async fn quantiles_are_within_the_stated_error_in_rank() {
    let mut numbers = Numbers(4);
    let (searcher, rows) = log(30_000, |at, event| {
        event.latency_micros = (numbers.below(1_000) * numbers.below(1_000)) as u32;
        event.upstream = Some(["a", "b"][usize::from(at % 3 == 0)].into());
    });
    let all = parse("").unwrap();
    let parts = [0.0, 0.01, 0.25, 0.5, 0.95, 0.99, 1.0];
    let found = searcher.quantiles(&all, ALL, "latency", &parts, Some("upstream"), 10).await.unwrap();
    assert_eq!(found.values.len(), 2);
    for value in &found.values {
        let here = rows.iter().filter(|row| row.upstream == value.value);
        let mut latencies: Vec<f64> = here.map(|row| f64::from(row.latency_micros)).collect();
        latencies.sort_by(f64::total_cmp);
        assert_eq!(value.count, latencies.len() as u64);
        for (part, quantile) in parts.iter().zip(&value.quantiles) {
            let below = latencies.partition_point(|latency| latency < quantile) as f64 / latencies.len() as f64;
            let up_to = latencies.partition_point(|latency| latency <= quantile) as f64 / latencies.len() as f64;
            assert!((below - found.error..=up_to + found.error).contains(part), "{part}: {below} to {up_to}");
        }
    }
    let few = searcher.quantiles(&parse("seq:<9").unwrap(), ALL, "latency", &[0.5], None, 1).await.unwrap();
    let mut latencies: Vec<u32> = rows.iter().take(9).map(|row| row.latency_micros).collect();
    latencies.sort_unstable();
    assert_eq!((few.error, few.values[0].quantiles[0]), (0.0, f64::from(latencies[4])));
    assert!(searcher.quantiles(&all, ALL, "domain", &[0.5], None, 1).await.is_err());
    assert!(searcher.quantiles(&all, ALL, "latency", &[1.5], None, 1).await.is_err());
}

#[tokio::test]
async fn two_windows_are_compared_value_by_value() {
    let (searcher, rows) = sample(8, 400);
    let window = Window { from: START + 1_800_000_000, to: ALL.to };
    let count = |window: Window, is: &dyn Fn(&Row) -> bool| {
        rows.iter().filter(|row| (window.from..window.to).contains(&row.time_micros) && is(row)).count() as u64
    };
    let all = parse("").unwrap();
    for field in ["domain", "upstream", "client"] {
        let found = searcher.compare(&all, window, None, field, 1_000).await.unwrap();
        assert_eq!(found.before, Window { from: START, to: window.from });
        assert_eq!(found.changes.iter().map(|change| change.now).sum::<u64>(), found.now_total, "{field}");
        assert_eq!(found.changes.iter().map(|change| change.before).sum::<u64>(), found.before_total, "{field}");
        assert!(found.changes.is_sorted_by_key(|change| std::cmp::Reverse(change.difference().abs())));
        for change in found.changes {
            let is = |row: &Row| match field {
                "domain" => row.domain == change.value,
                "upstream" => row.upstream == change.value,
                _ => Some(row.client.to_string()) == change.value,
            };
            assert_eq!((change.now, change.before), (count(window, &is), count(found.before, &is)), "{change:?}");
        }
    }
    let codes = searcher.compare(&all, window, Some(ALL), "code", 1).await.unwrap();
    let names: Vec<Option<&str>> =
        codes.changes.iter().take(CODES.len()).map(|change| change.value.as_deref()).collect();
    assert_eq!(names, CODES.iter().map(|info| Some(info.name)).collect::<Vec<_>>(), "table order, zeros included");
    assert_eq!(codes.changes.iter().map(|change| change.before).sum::<u64>(), 400);
}

#[tokio::test]
async fn a_row_stands_among_those_of_its_client() {
    let (searcher, mut rows) = sample(2, 300);
    rows.reverse();
    for at in [0, 150, 299] {
        let row = &rows[at];
        let own: Vec<&Row> = rows.iter().filter(|other| other.client == row.client).collect();
        let here = own.iter().position(|other| other.seq == row.seq).unwrap();
        for (before, after) in [(0, 0), (3, 5), (1_000, 1_000)] {
            let found = searcher.around(place(row), before, after).await.unwrap().unwrap();
            let expected = &own[here.saturating_sub(before)..own.len().min(here + after + 1)];
            assert_eq!(found.rows.iter().collect::<Vec<_>>(), expected, "{at} {before} {after}");
            assert_eq!(&found.rows[found.place], row);
        }
    }
    assert_eq!(searcher.around(Cursor { seq: 9_999, ..place(&rows[0]) }, 1, 1).await.unwrap(), None);
}

/// One upstream fails for the clients of one network, among ordinary failures and ordinary traffic.
#[tokio::test]
async fn a_planted_fault_is_explained_first() {
    let mut numbers = Numbers(23);
    let (searcher, rows) = log(20_000, |at, event| {
        let upstream = numbers.below(4);
        let network = numbers.below(8);
        event.upstream = Some(format!("udp://192.0.2.{upstream}:53").into());
        event.client = format!("10.0.{network}.{}", numbers.below(200)).parse().unwrap();
        let fails = (upstream == 2 && network == 5) || at % 400 == 0;
        event.rcode = Some(if fails { 2 } else { 0 });
        (event.tsig_error, event.tkey_error) = (None, None);
    });
    let all = parse("").unwrap();
    let failing = parse("code:SERVFAIL").unwrap();
    let fields = ["code", "upstream", "client", "domain", "qtype", "transport", "cache", "flags", "list", "tenant"];
    let found = searcher.explain(&all, ALL, &failing, ALL, &fields, 10).await.unwrap();
    let inside = rows.iter().filter(|row| failing.matches(row)).count() as u64;
    assert_eq!((found.inside, found.outside, found.given), (inside, 20_000 - inside, vec!["code"]));
    let first: Vec<&str> = found.findings.iter().take(2).map(|finding| finding.term.as_str()).collect();
    assert_eq!(first, ["client:10.0.5.0/24", "upstream:=udp://192.0.2.2:53"], "{:#?}", found.findings);
    for finding in &found.findings {
        let term = parse(&finding.term).unwrap();
        let with =
            |inside: bool| rows.iter().filter(|row| term.matches(row) && failing.matches(row) == inside).count() as u64;
        assert_eq!((finding.inside, finding.outside), (with(true), with(false)), "{}", finding.term);
        assert!(finding.inside_share > finding.outside_share && finding.difference > 0.0);
        // What has nothing to do with it is not named.
        assert!(["client", "upstream"].contains(&finding.field), "{finding:?}");
    }
    let several = searcher.explain(&all, ALL, &failing, ALL, &["ede"], 10).await;
    assert!(matches!(several, Err(SearchError::Field(text)) if text.contains("several `ede`")));
    let whole = searcher.explain(&all, ALL, &all, ALL, &fields, 10).await.unwrap();
    assert!(whole.findings.is_empty(), "nothing sets all of it apart from the rest, which is nothing");
}

async fn read(searcher: &Searcher, text: &str, window: Window, order: Order) -> (u64, Vec<Row>) {
    let mut stream = searcher.stream(&parse(text).unwrap(), window, order).await.unwrap();
    let total = stream.total();
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        rows.extend(event::rows(&batch.unwrap()).unwrap());
    }
    (total, rows)
}

#[tokio::test]
async fn a_stream_gives_every_row_once_in_order() {
    let (searcher, newest) = sample(6, 500);
    let (total, rows) = read(&searcher, "", ALL, Order::Newest).await;
    assert_eq!((total, rows), (500, newest.clone()));
    let search = parse("-action:refuse").unwrap();
    let mut expected: Vec<Row> = newest.into_iter().filter(|row| search.matches(row)).collect();
    expected.reverse();
    let (total, rows) = read(&searcher, "-action:refuse", ALL, Order::Oldest).await;
    assert_eq!((total as usize, rows), (expected.len(), expected));
    let empty = Window { from: ALL.to, to: ALL.from };
    assert_eq!(read(&searcher, "", empty, Order::Newest).await, (0, Vec::new()));
}

#[tokio::test]
async fn a_stream_is_cut_into_slices_that_can_be_sorted() {
    let (searcher, _) = log(300_000, |at, event| event.time_micros = START + (at as i64 * 7919) % 1_000_000);
    for (order, ascending) in [(Order::Newest, false), (Order::Oldest, true)] {
        let mut stream = searcher.stream(&parse("").unwrap(), ALL, order).await.unwrap();
        let (mut count, mut last) = (0, None);
        while let Some(batch) = stream.next().await {
            for row in event::rows(&batch.unwrap()).unwrap() {
                let place = (row.time_micros, row.seq);
                assert!(last.is_none_or(|last| if ascending { last < place } else { last > place }));
                last = Some(place);
                count += 1;
            }
        }
        assert_eq!((stream.total(), count), (300_000, 300_000));
    }
}

#[tokio::test]
async fn a_stream_can_be_cancelled_and_says_so() {
    let (searcher, _) = log(300_000, |_, _| {});
    let mut stream = searcher.stream(&parse("has:seq").unwrap(), ALL, Order::Newest).await.unwrap();
    let running = searcher.running();
    assert_eq!((running.len(), running[0].kind, running[0].text.as_str()), (1, "stream", "has:seq"));
    assert!(stream.next().await.unwrap().is_ok());
    assert!(searcher.cancel(running[0].id));
    let mut last = None;
    while let Some(batch) = stream.next().await {
        last = Some(batch);
    }
    assert!(matches!(last, Some(Err(SearchError::Cancelled))));
    drop(stream);
    assert!(searcher.running().is_empty());
    assert!(!searcher.cancel(running[0].id));
}

#[tokio::test]
async fn what_runs_is_listed_and_can_be_cancelled() {
    let busy = searcher(batches(1, 100), Limits { concurrent: 1, ..LIMITS });
    let turn = busy.take_turn().await;
    let asked = busy.clone();
    let waiting = tokio::spawn(async move { asked.top(&parse("qtype:A").unwrap(), ALL, "code", 5).await });
    while busy.running().is_empty() {
        tokio::task::yield_now().await;
    }
    let running = busy.running();
    assert_eq!((running[0].kind, running[0].text.as_str()), ("top", "qtype:A"));
    assert!(busy.cancel(running[0].id));
    assert!(matches!(waiting.await.unwrap(), Err(SearchError::Cancelled)));
    assert!(busy.running().is_empty());

    // A future that is dropped leaves nothing behind, its turn included.
    let dropped = tokio::time::timeout(Duration::ZERO, busy.count(&parse("").unwrap(), ALL)).await;
    assert!(dropped.is_err() && busy.running().is_empty());
    drop(turn);
    assert_eq!(busy.count(&parse("").unwrap(), ALL).await.unwrap(), 100);
}

#[tokio::test]
async fn one_search_has_its_own_share_of_memory() {
    let (rows, all) = (batches(1, 5_000), parse("").unwrap());
    let told = async |limits: Limits| {
        let searcher = searcher(rows.clone(), limits);
        match searcher.top(&all, ALL, "domain", 10).await {
            Err(SearchError::Limit(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    assert!(told(Limits { search_bytes: 1, ..LIMITS }).await.contains("(half of search.memory)"));
    assert!(told(Limits { memory_bytes: 1, ..LIMITS }).await.contains("(search.memory)"));
    let small = searcher(rows.clone(), Limits { search_bytes: 100, ..LIMITS });
    assert!(matches!(small.distinct(&all, ALL, "domain", Some("client"), 5).await, Err(SearchError::Limit(_))));
    let slow = searcher(rows.clone(), Limits { time: Duration::from_millis(1), concurrent: 1, ..LIMITS });
    let _turn = slow.take_turn().await;
    assert!(matches!(slow.count(&all, ALL).await, Err(SearchError::Limit(text)) if text.contains("(search.time)")));
}

#[tokio::test]
async fn more_searches_than_may_wait_are_refused() {
    let busy = searcher(batches(1, 10), Limits { concurrent: 1, ..LIMITS });
    let turn = busy.take_turn().await;
    let all = parse("").unwrap();
    let waiting: Vec<_> = (0..WAITING_MAX + 2)
        .map(|_| {
            let (busy, all) = (busy.clone(), all.clone());
            tokio::spawn(async move { busy.count(&all, ALL).await })
        })
        .collect();
    while busy.running().len() < WAITING_MAX + 2 {
        tokio::task::yield_now().await;
    }
    let refused = busy.count(&all, ALL).await;
    assert!(matches!(&refused, Err(SearchError::Limit(text)) if text.contains("waiting")), "{refused:?}");
    assert!(matches!(busy.stream(&all, ALL, Order::Newest).await, Err(SearchError::Limit(_))));
    assert_eq!(busy.refused(), 2);
    drop(turn);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap(), 10);
    }
    assert_eq!(busy.count(&all, ALL).await.unwrap(), 10);
}

#[tokio::test]
async fn a_reader_that_does_not_read_keeps_no_turn() {
    let time = Duration::from_secs(10);
    let (searcher, _) = log_within(100_000, Limits { concurrent: 1, time, ..LIMITS });
    let searcher = searcher.with_patience(Duration::from_millis(100));
    let all = parse("").unwrap();
    let mut idle = searcher.stream(&all, ALL, Order::Newest).await.unwrap();
    // Its turn comes once the first is given up.
    let mut other = searcher.stream(&all, ALL, Order::Newest).await.unwrap();
    assert!(other.next().await.unwrap().is_ok());
    let mut last = None;
    while let Some(batch) = idle.next().await {
        last = Some(batch);
    }
    assert!(matches!(&last, Some(Err(SearchError::Limit(text))) if text.contains("reader")), "{last:?}");
}

#[tokio::test]
async fn a_stream_waits_for_its_turn_no_longer_than_a_search() {
    let (searcher, _) = log_within(100_000, Limits { concurrent: 1, time: Duration::from_secs(3), ..LIMITS });
    let all = parse("").unwrap();
    let idle = searcher.stream(&all, ALL, Order::Newest).await.unwrap();
    let other = searcher.stream(&all, ALL, Order::Newest).await.map(|rows| rows.total());
    assert!(matches!(&other, Err(SearchError::Limit(text)) if text.contains("(search.time)")), "{other:?}");
    drop(idle);
    assert_eq!(searcher.stream(&all, ALL, Order::Newest).await.unwrap().total(), 100_000);
}

#[tokio::test]
async fn a_series_has_the_lines_one_chooses() {
    let (searcher, rows) = sample(2, 300);
    let all = parse("").unwrap();
    let lines = Lines { zeros: true, ..Lines::default() };
    let series = searcher.series_of(&all, ALL, "code", 10, lines).await.unwrap();
    let names: Vec<Option<&str>> =
        series.lines.iter().take(CODES.len()).map(|(count, _)| count.value.as_deref()).collect();
    assert_eq!(names, CODES.iter().map(|info| Some(info.name)).collect::<Vec<_>>());
    for field in ["domain", "client", "tenant"] {
        let lines = Lines { most: 3, zeros: false };
        let series = searcher.series_of(&all, ALL, field, 10, lines).await.unwrap();
        assert_eq!(series.lines.len(), 3, "{field}");
        let top = searcher.top(&all, ALL, field, 3).await.unwrap();
        let counts: Vec<u64> = series.lines.iter().map(|(count, _)| count.count).collect();
        assert_eq!(counts, top.values.iter().map(|value| value.count).collect::<Vec<_>>(), "{field}");
        let sum = series.lines.iter().flat_map(|(_, line)| line).chain(&series.other).sum::<u64>();
        assert_eq!(sum, rows.len() as u64, "{field}");
    }
}

fn text(value: &SqlValue) -> String {
    match value {
        SqlValue::Text(text) => text.clone(),
        SqlValue::Unsigned(number) => number.to_string(),
        SqlValue::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn sql_reads_words_where_the_log_has_numbers() {
    let (searcher, rows) = sample(5, 200);
    let sql = "SELECT code, count(*) AS n FROM events GROUP BY code ORDER BY n DESC, code";
    let reply = searcher.sql(sql, ALL, 100).await.unwrap();
    assert_eq!((reply.columns, reply.more), (vec!["code".to_owned(), "n".to_owned()], false));
    for row in &reply.rows {
        let code = if row[0] == SqlValue::Empty { None } else { Some(text(&row[0])) };
        let expected = rows.iter().filter(|row| row.code.map(|code| code.to_string()) == code).count();
        assert_eq!(text(&row[1]), expected.to_string(), "{code:?}");
    }
    let newest = searcher
        .sql(
            "SELECT *, flags FROM (SELECT time, client, qtype, flags FROM events ORDER BY time DESC, seq DESC)",
            ALL,
            1,
        )
        .await;
    assert!(newest.is_err(), "a column twice is told");
    let newest =
        "WITH e AS (SELECT * FROM events) SELECT time, client, qtype, flags FROM e ORDER BY time DESC, seq DESC";
    let reply = searcher.sql(newest, ALL, 2).await.unwrap();
    assert!(reply.more && reply.rows.len() == 2);
    assert_eq!(text(&reply.rows[0][1]), rows[0].client.to_string());
    assert_eq!(text(&reply.rows[0][2]), wire::kind::type_name(rows[0].qtype));
    let flags: Vec<SqlValue> = rows[0].flags.names().map(|name| SqlValue::Text(name.to_owned())).collect();
    assert_eq!(reply.rows[0][3], SqlValue::List(flags));
    assert!(text(&reply.rows[0][0]).ends_with('Z'));
}

/// A chain of `WITH`, each of the one before; the last is called `last`.
fn with(steps: usize, first: &str, step: impl Fn(&str) -> String) -> String {
    let mut text = format!("WITH w0 AS ({first})");
    for at in 1..steps {
        text += &format!(", w{at} AS ({})", step(&format!("w{}", at - 1)));
    }
    text + &format!(", last AS ({}) ", step(&format!("w{}", steps - 1)))
}

#[tokio::test]
async fn a_reply_to_sql_has_bounds() {
    let searcher = self::searcher(batches(1, 4_000), LIMITS);
    let columns = |count: usize| {
        let columns: Vec<String> = (0..count).map(|at| format!("domain AS c{at}")).collect();
        format!("SELECT {} FROM events", columns.join(", "))
    };
    assert_eq!(searcher.sql(&columns(50), ALL, 10_000).await.unwrap().rows.len(), 4_000);
    let told = searcher.sql(&columns(900), ALL, 10_000).await;
    assert!(matches!(&told, Err(SearchError::Limit(text)) if text.contains("a reply to SQL")), "{:?}", told.err());
    // Few of many rows are no large reply.
    assert!(searcher.sql(&columns(500), ALL, 10).await.unwrap().more);
}

#[tokio::test]
async fn times_beyond_microseconds_are_told_as_numbers() {
    let (searcher, _) = sample(1, 1);
    let reply = searcher.sql("SELECT to_timestamp_seconds(9223372036854775), to_timestamp_seconds(0)", ALL, 1).await;
    let expected = vec![SqlValue::Integer(9_223_372_036_854_775), SqlValue::Text("1970-01-01T00:00:00Z".to_owned())];
    assert_eq!(reply.unwrap().rows, vec![expected]);
}

#[test]
fn what_cannot_be_read_is_not_the_fault_of_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(3);
    let events: Vec<event::Event> = (0..60).map(|_| event(&mut numbers)).collect();
    let (log, _) = crate::sample::on_disk(folder.path(), &events);
    let searcher = Searcher::new(log.clone(), LIMITS);
    damage(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let told = runtime.block_on(searcher.sql("SELECT count(DISTINCT domain) FROM events", ALL, 1));
    assert!(matches!(told, Err(SearchError::Engine(_))), "{told:?}");
    log.close();
}

/// Overwrites the data of all segments, and leaves their lengths.
fn damage(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else if path.extension().is_some_and(|end| end == "parquet") {
            let octets = std::fs::read(&path).unwrap();
            std::fs::write(&path, vec![0xff; octets.len()]).unwrap();
        }
    }
}

#[tokio::test]
async fn sql_reads_one_view_and_changes_nothing() {
    let (searcher, _) = sample(1, 20);
    let refused = async |sql: &str| match searcher.sql(sql, ALL, 10).await {
        Err(SearchError::Sql(fault)) => {
            assert!(fault.span.end <= sql.len() && sql.get(fault.span.clone()).is_some(), "{sql}");
            fault
        }
        other => panic!("{sql}: {other:?}"),
    };
    for sql in [
        "",
        ";",
        "EXPLAIN SELECT 1",
        "SHOW TABLES",
        "SHOW ALL",
        "SET datafusion.execution.batch_size = 1",
        "RESET datafusion.execution.batch_size",
        "COPY events TO '/tmp/x.parquet'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW t AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/etc'",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "DROP VIEW events",
        "DROP TABLE events",
        "INSERT INTO events VALUES (1)",
        "UPDATE events SET code = 'NOERROR'",
        "DELETE FROM events",
        "TRUNCATE events",
        "PREPARE p AS SELECT 1",
        "BEGIN",
        "SELECT 1; SELECT 2",
        "SELECT * INTO t FROM events",
        "WITH x AS (INSERT INTO events VALUES (1) RETURNING 1) SELECT * FROM x",
        "WITH x AS (DELETE FROM events RETURNING 1) SELECT * FROM x",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM 'https://example.com/x.parquet'",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM information_schema.df_settings",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT * FROM generate_series(1, 1000000000)",
        "SELECT * FROM range(1, 10)",
        "SELECT * FROM read_parquet('/etc')",
        "SELECT repeat('x', 1000000000)",
        "SELECT lpad('x', 1000000000, 'y')",
        "SELECT generate_series(1, 1000000000)",
        "SELECT array_repeat(1, 1000000000)",
        "SELECT input_file_name() FROM events",
        "SELECT version()",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "SELECT 1 / 0",
        "SELECT concat(domain, domain) FROM events",
        "SELECT concat_ws(',', domain, domain) FROM events",
        "SELECT domain || domain FROM events",
        "SELECT flags || flags FROM events",
        "SELECT overlay(domain PLACING 'x' FROM 1) FROM events",
        "SELECT array_to_string(flags, ',') FROM events",
        "SELECT array_append(flags, 'x') FROM events",
        "SELECT array_replace_all(flags, 'RD', domain) FROM events",
        "SELECT make_array(domain, domain) FROM events",
        "SELECT [domain, domain] FROM events",
        "SELECT ARRAY[domain, domain] FROM events",
        "SELECT ROW(domain, domain) FROM events",
        "SELECT (domain, domain) FROM events",
        "SELECT struct(domain, domain) FROM events",
        "SELECT arrow_cast(domain, 'LargeUtf8') FROM events",
        "SELECT array_agg(domain) FROM events",
        "SELECT string_agg(domain, ',') FROM events",
    ] {
        refused(sql).await;
    }
    let fault = refused("SELECT domain\nFROM events\nWHERE cod = 'x'").await;
    assert_eq!((fault.span, fault.suggestion.as_deref()), (32..35, Some("code")), "{}", fault.message);
    let fault = refused("SELECT count(* FROM events").await;
    assert_eq!(fault.span, 15..19, "{}", fault.message);
    let fault = refused("SELECT * FROM event").await;
    assert_eq!(fault.message, "no table `event`: there is one, `events`");
    let deep = format!("SELECT {}1{}", "(".repeat(200), ")".repeat(200));
    refused(&deep).await;
    let long = format!("SELECT 1{}", " + 1".repeat(5_000));
    refused(&long).await;
    let fault = refused("SELECT 1 AS one, domain || ' x' AS two FROM events").await;
    assert_eq!(fault.span, 17..31, "{}", fault.message);
    let doubled = with(40, "SELECT 1 AS x", |from| format!("SELECT 1 AS x FROM {from} p, {from} q"));
    let fault = refused(&(doubled.clone() + "SELECT count(*) FROM last")).await;
    assert!(fault.message.contains("16 tables"), "{}", fault.message);
    assert_eq!(&doubled[fault.span], "w8");
    let grown = with(14, "SELECT seq AS x FROM events", |from| format!("SELECT x * x AS x FROM {from}"));
    let fault = refused(&(grown + "SELECT count(*) FROM last WHERE x = 0")).await;
    assert!(fault.message.contains("written out"), "{}", fault.message);
    for (sql, expected) in [
        ("SELECT count(*) FROM events WHERE array_has_any(flags, ['RD', 'AD'])", None),
        ("SELECT max(upper(left(domain, 3))) FROM events WHERE date_part('year', time) = 2023", None),
        ("WITH a AS (SELECT seq + 1 AS x FROM events) SELECT count(*) FROM a p JOIN a q ON p.x = q.x", Some(20)),
    ] {
        let reply = searcher.sql(sql, ALL, 1).await.unwrap();
        assert!(expected.is_none_or(|count| reply.rows[0][0] == SqlValue::Integer(count)), "{sql}");
    }
    let chain = format!("SELECT count(*) FROM events WHERE seq = 0{}", " OR seq = 1".repeat(900));
    assert_eq!(searcher.sql(&chain, ALL, 1).await.unwrap().rows[0][0], SqlValue::Integer(2));
}

#[tokio::test]
async fn sql_stays_within_window_and_limits() {
    let (searcher, rows) = sample(3, 200);
    let window = Window { from: START + 900_000_000, to: START + 1_800_000_000 };
    let inside = rows.iter().filter(|row| (window.from..window.to).contains(&row.time_micros)).count();
    for sql in [
        "SELECT count(*) FROM events",
        "SELECT count(*) FROM events WHERE time < now() OR true",
        "SELECT count(*) FROM events WHERE seq IN (SELECT seq FROM events)",
    ] {
        let reply = searcher.sql(sql, window, 10).await.unwrap();
        assert_eq!(reply.rows, vec![vec![SqlValue::Integer(inside as i64)]], "{sql}");
    }
    let limits = Limits { search_bytes: 20_000, ..LIMITS };
    let small = self::searcher(batches(1, 2_000), limits);
    let cross = "SELECT count(DISTINCT a.seq * b.seq) FROM events a CROSS JOIN events b";
    assert!(matches!(small.sql(cross, ALL, 10).await, Err(SearchError::Limit(_))));
    let slow = self::searcher(batches(1, 2_000), Limits { time: Duration::from_millis(200), ..LIMITS });
    let endless = "SELECT count(*) FROM events a, events b, events c WHERE a.seq + b.seq + c.seq = -1";
    assert!(matches!(slow.sql(endless, ALL, 10).await, Err(SearchError::Limit(_))));
}

#[tokio::test]
async fn networks_are_found_by_sql() {
    let (searcher, rows) = sample(3, 200);
    let sql = "SELECT count(*) FROM events WHERE in_network(client, '10.0.0.0/8')";
    let search = parse("client:10.0.0.0/8").unwrap();
    let expected = rows.iter().filter(|row| search.matches(row)).count() as i64;
    assert_eq!(searcher.sql(sql, ALL, 1).await.unwrap().rows[0][0], SqlValue::Integer(expected));
    let sql =
        "SELECT count(*) FROM (SELECT DISTINCT client FROM events LIMIT 100) WHERE in_network(client, '0.0.0.0/0')";
    assert_eq!(searcher.sql(sql, ALL, 1).await.unwrap().rows[0][0], SqlValue::Integer(5));
    assert!(searcher.sql("SELECT in_network(client, 'x') FROM events", ALL, 1).await.is_err());
    assert!(NAMES.len() > 1 && to_sql(&search).contains("in_network"));
}
