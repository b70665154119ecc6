//! Every kind of question, against the same counted by hand.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use event::{Action, CacheState, Row};
use wire::code::{CODES, Code};

use crate::sample::{ALL, LIMITS, START, batches, sample, searcher};
use crate::{Cursor, Limits, SearchError, Top, VALUES_MAX, Window, parse};

fn counted(rows: &[Row], value: impl Fn(&Row) -> Option<String>) -> HashMap<Option<String>, u64> {
    let mut counts = HashMap::new();
    for row in rows {
        *counts.entry(value(row)).or_default() += 1;
    }
    counts
}

fn of_top(top: &Top) -> HashMap<Option<String>, u64> {
    top.values.iter().filter(|value| value.count > 0).map(|value| (value.value.clone(), value.count)).collect()
}

fn place(row: &Row) -> Cursor {
    Cursor { time_micros: row.time_micros, seq: row.seq }
}

#[tokio::test]
async fn pages_cover_every_row_once() {
    let (searcher, rows) = sample(7, 300);
    let search = parse("-action:refuse").unwrap();
    let expected: Vec<u64> = rows.iter().filter(|row| row.action != Action::Refuse).map(|row| row.seq).collect();
    for page in [1, 7, 100, 1_000] {
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let rows = searcher.rows(&search, ALL, after, page).await.unwrap();
            assert!(rows.len() <= page);
            let Some(last) = rows.last() else { break };
            after = Some(place(last));
            seen.extend(rows.iter().map(|row| row.seq));
        }
        assert_eq!(seen, expected, "pages of {page}");
    }
}

#[tokio::test]
async fn a_row_is_found_by_its_place() {
    let (searcher, rows) = sample(1, 50);
    assert_eq!(searcher.row(place(&rows[20])).await.unwrap().as_ref(), Some(&rows[20]));
    let nowhere = Cursor { seq: 999, ..place(&rows[20]) };
    assert_eq!(searcher.row(nowhere).await.unwrap(), None);
}

#[tokio::test]
async fn the_window_is_half_open_and_no_or_escapes_it() {
    let (searcher, rows) = sample(3, 200);
    let window = Window { from: START + 900_000_000, to: START + 1_800_000_000 };
    let inside = rows.iter().filter(|row| (window.from..window.to).contains(&row.time_micros)).count();
    assert!(inside > 0 && inside < rows.len());
    for text in ["", "has:seq OR has:code", "code:NOERROR OR -code:NOERROR"] {
        assert_eq!(searcher.count(&parse(text).unwrap(), window).await.unwrap(), inside as u64, "{text}");
    }
    let empty = Window { from: window.to, to: window.from };
    assert!(searcher.rows(&parse("").unwrap(), empty, None, 10).await.unwrap().is_empty());
    assert!(searcher.series(&parse("").unwrap(), empty, "code", 10).await.unwrap().starts.is_empty());
}

#[tokio::test]
async fn codes_are_listed_in_table_order_with_zeros() {
    let (searcher, rows) = sample(5, 200);
    let top = searcher.top(&parse("").unwrap(), ALL, "rcode", 3).await.unwrap();
    let names: Vec<&str> = top.values.iter().take(CODES.len()).filter_map(|value| value.value.as_deref()).collect();
    let table: Vec<&str> = CODES.iter().map(|info| info.name).collect();
    assert_eq!(names, table);
    assert!(top.values.iter().any(|value| value.count == 0 && value.code == Some(Code::DSOTYPENI)));
    assert_eq!(top.values.last().unwrap().value, None, "no reply comes last and is never NOERROR");
    assert_eq!((top.total, top.other), (200, 0));
    assert_eq!(of_top(&top), counted(&rows, |row| row.code.map(|code| code.to_string())));
}

#[tokio::test]
async fn top_values_by_hand() {
    let (searcher, rows) = sample(5, 200);
    let all = parse("").unwrap();
    let expect = async |field: &str, expected: HashMap<Option<String>, u64>| {
        let top = searcher.top(&all, ALL, field, 1_000).await.unwrap();
        assert_eq!(of_top(&top), expected, "{field}");
        assert_eq!((top.other, top.total), (0, 200), "{field}");
        assert!(top.values.is_sorted_by_key(|value| std::cmp::Reverse(value.count)), "{field}");
    };
    expect("domain", counted(&rows, |row| row.domain.clone())).await;
    expect("reg_domain", counted(&rows, |row| row.reg_domain.clone())).await;
    let tld = |row: &Row| row.domain.as_deref().and_then(crate::names::top_level).map(str::to_owned);
    expect("tld", counted(&rows, tld)).await;
    expect("client", counted(&rows, |row| Some(row.client.to_string()))).await;
    expect("qtype", counted(&rows, |row| Some(wire::kind::type_name(row.qtype).into_owned()))).await;
    expect("list", counted(&rows, |row| row.list.clone())).await;
    expect("upstream", counted(&rows, |row| row.upstream.clone())).await;
    expect("ttl", counted(&rows, |row| row.ttl.map(|ttl| ttl.to_string()))).await;

    let three = searcher.top(&all, ALL, "domain", 3).await.unwrap();
    assert_eq!(three.values.len(), 3);
    assert_eq!(three.values.iter().map(|value| value.count).sum::<u64>() + three.other, 200);
}

#[tokio::test]
async fn fields_with_several_values_count_events_per_value() {
    let (searcher, rows) = sample(5, 200);
    let mut ede: HashMap<Option<String>, u64> = HashMap::new();
    let mut flags: HashMap<Option<String>, u64> = HashMap::new();
    for row in &rows {
        let distinct: HashSet<u16> = row.ede.iter().map(|(number, _)| *number).collect();
        distinct.iter().for_each(|number| *ede.entry(Some(number.to_string())).or_default() += 1);
        row.flags.names().for_each(|name| *flags.entry(Some(name.to_owned())).or_default() += 1);
        if distinct.is_empty() {
            *ede.entry(None).or_default() += 1;
        }
        if row.flags.0 == 0 {
            *flags.entry(None).or_default() += 1;
        }
    }
    let all = parse("").unwrap();
    let top = searcher.top(&all, ALL, "ede", 100).await.unwrap();
    assert_eq!((of_top(&top), top.total), (ede, 200));
    let top = searcher.top(&all, ALL, "flags", 100).await.unwrap();
    assert_eq!((of_top(&top), top.total), (flags, 200));
}

#[tokio::test]
async fn facets_leave_out_their_own_terms() {
    let (searcher, _) = sample(9, 300);
    let fields = ["code", "action", "qtype", "cache", "ede", "code"];
    let search = parse("code:NXDOMAIN -action:block (qtype:A OR qtype:AAAA) latency:>0").unwrap();
    let facets = searcher.facets(&search, ALL, &fields, 50).await.unwrap();
    let without = [
        "-action:block (qtype:A OR qtype:AAAA) latency:>0",
        "code:NXDOMAIN (qtype:A OR qtype:AAAA) latency:>0",
        "code:NXDOMAIN -action:block latency:>0",
        "code:NXDOMAIN -action:block (qtype:A OR qtype:AAAA) latency:>0",
    ];
    for (at, field) in fields.iter().enumerate() {
        let own = without[[0, 1, 2, 3, 3, 0][at]];
        let expected = searcher.top(&parse(own).unwrap(), ALL, field, 50).await.unwrap();
        assert_eq!(facets[at], expected, "{field}");
        assert!(expected.total > 0);
    }
}

#[tokio::test]
async fn a_series_adds_up_to_the_count() {
    let (searcher, rows) = sample(2, 200);
    let search = parse("transport:udp,tcp").unwrap();
    let matching: Vec<Row> = rows.iter().filter(|row| search.matches(row)).cloned().collect();
    for (by, points) in [("code", 60), ("action", 7), ("", 13), ("upstream", 1)] {
        let series = searcher.series(&search, ALL, by, points).await.unwrap();
        assert!(series.starts.len() <= points && !series.starts.is_empty(), "{by}");
        assert!(series.starts.iter().all(|start| start % series.step_micros == 0));
        assert!(series.starts[0] <= ALL.from && series.starts.last().unwrap() + series.step_micros >= ALL.to);
        let sum: u64 = series.lines.iter().flat_map(|(_, line)| line).sum();
        assert_eq!(sum, matching.len() as u64, "{by}");
        for (at, start) in series.starts.iter().enumerate() {
            let here = |row: &&Row| (*start..start + series.step_micros).contains(&row.time_micros);
            let sum: u64 = series.lines.iter().map(|(_, line)| line[at]).sum();
            assert_eq!(sum, matching.iter().filter(here).count() as u64);
        }
    }
    let series = searcher.series(&search, ALL, "code", 10).await.unwrap();
    let codes: Vec<Option<Code>> = series.lines.iter().map(|(count, _)| count.code).collect();
    let place = |code: &Option<Code>| CODES.iter().position(|info| Some(info.code) == *code).unwrap_or(CODES.len());
    assert!(codes.is_sorted_by_key(place) && codes.len() > 4);
}

#[tokio::test]
async fn figures_by_hand() {
    let (searcher, rows) = sample(4, 300);
    let figures = searcher.figures(&parse("").unwrap(), ALL).await.unwrap();
    let number = |is: &dyn Fn(&&Row) -> bool| rows.iter().filter(is).count() as u64;
    assert_eq!(figures.queries, 300);
    assert_eq!(figures.blocked, number(&|row| row.action == Action::Block));
    assert_eq!(figures.servfail, number(&|row| row.code == Some(Code::SERVFAIL)));
    assert_eq!(figures.nxdomain, number(&|row| row.code == Some(Code::NXDOMAIN)));
    assert_eq!(figures.cache_hits, number(&|row| matches!(row.cache, CacheState::Hit | CacheState::Stale)));
    assert_eq!(figures.clients, rows.iter().map(|row| row.client).collect::<HashSet<_>>().len() as u64);
    assert!(figures.latency_p50_micros.unwrap() <= figures.latency_p95_micros.unwrap());

    let nothing = searcher.figures(&parse("seq:999999").unwrap(), ALL).await.unwrap();
    assert_eq!((nothing.queries, nothing.clients, nothing.latency_p50_micros), (0, 0, None));
}

#[tokio::test]
async fn limits_are_told_as_limits() {
    let all = parse("").unwrap();
    let busy = searcher(batches(1, 100), Limits { time: Duration::from_millis(1), concurrent: 1, ..LIMITS });
    let turn = busy.take_turn().await;
    assert!(matches!(busy.count(&all, ALL).await, Err(SearchError::Limit(_))));
    drop(turn);
    let small = searcher(batches(1, 2_000), Limits { memory_bytes: 1, ..LIMITS });
    let found = small.top(&all, ALL, "domain", 10).await;
    assert!(matches!(found, Err(SearchError::Limit(_))), "{found:?}");
}

#[tokio::test]
async fn fields_that_cannot_be_grouped_are_refused() {
    let (searcher, _) = sample(1, 4);
    let all = parse("").unwrap();
    let told = |result: Result<Top, SearchError>| result.unwrap_err().to_string();
    assert_eq!(told(searcher.top(&all, ALL, "domian", 5).await), "no field `domian`; did you mean `domain`?");
    assert_eq!(told(searcher.top(&all, ALL, "time", 5).await), "`time` has too many values to count by");
    assert!(searcher.series(&all, ALL, "ede", 5).await.is_err());
}

#[tokio::test]
async fn the_largest_search_fits_on_a_stack() {
    let (searcher, rows) = sample(1, 20);
    let names: Vec<String> = (0..VALUES_MAX).map(|at| format!("a{at}.x")).collect();
    let list = parse(&format!("domain:{}", names.join(","))).unwrap();
    assert_eq!(searcher.count(&list, ALL).await.unwrap(), 0);
    let ands: Vec<String> = (0..VALUES_MAX).map(|at| format!("-ttl:{}", at + 1_000)).collect();
    assert_eq!(searcher.count(&parse(&ands.join(" ")).unwrap(), ALL).await.unwrap(), rows.len() as u64);
    let ors: Vec<String> = (0..VALUES_MAX).map(|at| format!("q{at}")).collect();
    assert_eq!(searcher.count(&parse(&ors.join(" OR ")).unwrap(), ALL).await.unwrap(), 0);
    let mut deep = "ttl:>5".to_owned();
    for _ in 0..crate::NESTING_MAX {
        deep = format!("-(tld:zzz {deep})");
        if parse(&deep).is_err() {
            break;
        }
        assert!(searcher.count(&parse(&deep).unwrap(), ALL).await.is_ok());
    }
}
