//! Three ways to the same rows: the matcher, the engine, and DuckDB over the very files of the log.
//!
//! The condition DuckDB gets is made here from the tree of the search, not from what the engine gets, and by other
//! means: names below a name by regular expression and not by range, globs as regular expressions and not as `LIKE`,
//! addresses in answers by Python.

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use proptest::test_runner::TestRunner;
use wire::code::Code;

use crate::ast::{Bound, Node, Search, Value};
use crate::fields::Id;
use crate::moment::Moment;
use crate::net::Net;
use crate::pattern::{Case, Pattern};
use crate::properties::{config, search};
use crate::sample::{ALL, LIMITS, Numbers, event, on_disk, settings};
use crate::{Searcher, Window, parse};

/// DuckDB in a process of Python.
struct Duck {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Duck {
    fn over(folder: &Path) -> (Duck, u64) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = here.join("../../target/oracles/bin/python");
        assert!(
            python.exists(),
            "DuckDB for Python is missing; run at the root of the checkout:\n  python3 -m venv target/oracles && \
             target/oracles/bin/python -m pip install duckdb==2.0.1"
        );
        let mut command = Command::new(python);
        command.arg(here.join("tests/oracle.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut duck = Duck { child, input, output };
        let segments = folder.join("segments/**/*.parquet");
        let rows = duck.ask(&serde_json::json!({ "segments": segments }))["rows"].as_u64().unwrap();
        (duck, rows)
    }

    fn ask(&mut self, question: &serde_json::Value) -> serde_json::Value {
        writeln!(self.input, "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn seqs(&mut self, condition: &str) -> Vec<u64> {
        let reply = self.ask(&serde_json::json!({ "where": condition }));
        let Some(seqs) = reply["seqs"].as_array() else { panic!("{condition}\n{reply}") };
        seqs.iter().map(|seq| seq.as_u64().unwrap()).collect()
    }
}

impl Drop for Duck {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn condition(search: &Search, window: Window) -> String {
    let inside = format!("epoch_us(time) >= {} AND epoch_us(time) < {}", window.from, window.to);
    match &search.root {
        Some(root) => format!("{inside} AND ({})", node(root)),
        None => inside,
    }
}

fn node(it: &Node) -> String {
    let joined = |nodes: &[Node], word: &str| nodes.iter().map(node).collect::<Vec<_>>().join(word);
    match it {
        Node::And(nodes) => format!("({})", joined(nodes, " AND ")),
        Node::Or(nodes) => format!("({})", joined(nodes, " OR ")),
        Node::Not(inner) => format!("NOT coalesce({}, false)", node(inner)),
        Node::Has(Id::Flags) => "flags > 0".to_owned(),
        Node::Has(Id::Ede) => "len(ede) > 0".to_owned(),
        Node::Has(Id::EdeText) => "len(list_filter(ede_text, lambda each: each <> '')) > 0".to_owned(),
        Node::Has(id) => format!("{} IS NOT NULL", column(*id)),
        Node::Term(id, values) => {
            let each: Vec<String> = values.iter().map(|each| value(*id, each)).collect();
            format!("({})", each.join(" OR "))
        }
    }
}

fn column(id: Id) -> String {
    match id {
        Id::Tld => r"nullif(regexp_extract(domain, '(?s)^(?:(?:[^.\\]|\\.)*\.)*((?:[^.\\]|\\.)+)$', 1), '')".to_owned(),
        _ => format!("\"{}\"", id.column()),
    }
}

/// A condition on a column, or on any item of a list.
fn on(id: Id, test: impl Fn(&str) -> String) -> String {
    match id {
        Id::Ede | Id::EdeText => format!("len(list_filter({}, lambda each: {})) > 0", column(id), test("each")),
        _ => test(&column(id)),
    }
}

fn value(id: Id, it: &Value) -> String {
    match it {
        Value::Number(Bound::Is(flag)) if id == Id::Flags => format!("(flags & {flag}) <> 0"),
        Value::Number(Bound::Is(key)) => on(id, |column| format!("{column} = {key}")),
        Value::Number(limits) => on(id, |column| match id {
            Id::Code => bound(&format!("CASE {column} WHEN {} THEN 16 ELSE {column} END", Code::BADSIG.key()), *limits),
            _ => bound(column, *limits),
        }),
        Value::Named(pattern) => {
            let glob: Vec<char> = pattern.source().to_lowercase().chars().collect();
            let fits = |name: &str| fits(&glob, &name.to_lowercase().chars().collect::<Vec<_>>());
            let keys: Vec<String> =
                id.names().iter().filter(|(_, name)| fits(name)).map(|(key, _)| key.to_string()).collect();
            match id {
                Id::Flags => format!("(flags & ({})) <> 0", keys.join(" | ")),
                _ => on(id, |column| format!("{column} IN ({})", keys.join(", "))),
            }
        }
        Value::Time(limits) => {
            let settled = limits.map(|moment| match moment {
                Moment::At(micros) => micros,
                Moment::Ago(_) => panic!("the search is settled"),
            });
            bound("epoch_us(time)", settled)
        }
        Value::Net(net) if id == Id::Answer => {
            format!("answer IN (SELECT answer FROM addresses WHERE {})", within("address", &network(*net)))
        }
        Value::Net(net) => within("client", &network(*net)),
        Value::Addresses(low, high) => within("client", &(*low, *high)),
        Value::Exact(name) => format!("{} = {}", column(id), quoted(name)),
        Value::Below(name) => format!("(domain = {} OR {})", quoted(name), below(name)),
        Value::Under(name) => below(name),
        Value::Text(pattern) => on(id, |column| text(column, pattern)),
    }
}

fn bound<T: std::fmt::Display + Copy>(column: &str, it: Bound<T>) -> String {
    match it {
        Bound::Is(it) => format!("{column} = {it}"),
        Bound::Range(from, up_to) => format!("{column} BETWEEN {from} AND {up_to}"),
        Bound::Less(it) => format!("{column} < {it}"),
        Bound::AtMost(it) => format!("{column} <= {it}"),
        Bound::More(it) => format!("{column} > {it}"),
        Bound::AtLeast(it) => format!("{column} >= {it}"),
    }
}

/// First and last address, from the network as it is written.
fn network(net: Net) -> (IpAddr, IpAddr) {
    let written = net.to_string();
    let (address, prefix) = written.split_once('/').unwrap_or((&written, "128"));
    let prefix: u32 = prefix.parse().unwrap();
    match address.parse::<IpAddr>().unwrap() {
        IpAddr::V4(v4) => {
            let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
            (IpAddr::V4(v4), IpAddr::V4((u32::from(v4) | hosts).into()))
        }
        IpAddr::V6(v6) => {
            let hosts = u128::MAX.checked_shr(prefix).unwrap_or(0);
            (IpAddr::V6(v6), IpAddr::V6((u128::from(v6) | hosts).into()))
        }
    }
}

/// Stored addresses between two of one family; IPv4 is stored mapped, and is no IPv6.
fn within(column: &str, (low, high): &(IpAddr, IpAddr)) -> String {
    let hex = |address: &IpAddr| match address {
        IpAddr::V4(v4) => format!("unhex('00000000000000000000ffff{:08x}')", u32::from(*v4)),
        IpAddr::V6(v6) => format!("unhex('{:032x}')", u128::from(*v6)),
    };
    let between = format!("{column} BETWEEN {} AND {}", hex(low), hex(high));
    match low {
        IpAddr::V4(_) => between,
        IpAddr::V6(_) => {
            let (first, last) = (hex(&IpAddr::from([0, 0, 0, 0])), hex(&IpAddr::from([255, 255, 255, 255])));
            format!("({between} AND NOT {column} BETWEEN {first} AND {last})")
        }
    }
}

/// A dot that no backslash takes, then the name.
fn below(name: &str) -> String {
    let name: String = name.chars().map(plain).collect();
    let expression = format!(r"(?s)(?:.*[^\\])?(?:\\\\)*\.{name}");
    format!("regexp_full_match(domain, {})", quoted(&expression))
}

fn text(column: &str, pattern: &Pattern) -> String {
    if pattern.is_regex() {
        return format!("regexp_matches({column}, {})", quoted(&format!("(?i){}", pattern.source())));
    }
    let mut expression = match pattern.case() {
        Case::Exact => "(?s)".to_owned(),
        Case::Any => "(?si)".to_owned(),
    };
    let mut chars = pattern.source().chars();
    while let Some(char) = chars.next() {
        match char {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '\\' => expression.push_str(&plain(chars.next().unwrap())),
            other => expression.push_str(&plain(other)),
        }
    }
    format!("regexp_full_match({column}, {})", quoted(&expression))
}

/// A character that stands for itself in a regular expression.
fn plain(char: char) -> String {
    if char.is_ascii_punctuation() { format!("\\{char}") } else { char.to_string() }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A glob without escapes, as names of codes need.
fn fits(glob: &[char], text: &[char]) -> bool {
    match glob {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|at| fits(rest, &text[at..])),
        ['?', rest @ ..] => !text.is_empty() && fits(rest, &text[1..]),
        [char, rest @ ..] => text.first() == Some(char) && fits(rest, &text[1..]),
    }
}

#[test]
fn duckdb_the_engine_and_the_matcher_find_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(23);
    let events: Vec<event::Event> = (0..360).map(|_| event(&mut numbers)).collect();
    let (log, rows) = on_disk(folder.path(), &events);
    let (mut duck, sealed) = Duck::over(folder.path());
    assert_eq!(sealed, events.len() as u64, "every row is in a segment");
    let searcher = Searcher::new(log.clone(), LIMITS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let duck = std::cell::RefCell::new(&mut duck);
    let check = |search: Search| {
        let search = search.at(ALL.to);
        let mut matched: Vec<u64> = rows.iter().filter(|row| search.matches(row)).map(|row| row.seq).collect();
        matched.sort_unstable();
        let found = runtime.block_on(searcher.rows(&search, ALL, None, 1_000)).unwrap();
        let mut found: Vec<u64> = found.iter().map(|row| row.seq).collect();
        found.sort_unstable();
        proptest::prop_assert_eq!(&found, &matched, "the engine: {}", search);
        let condition = condition(&search, ALL);
        let other = duck.borrow_mut().seqs(&condition);
        proptest::prop_assert_eq!(&other, &matched, "DuckDB: {}\n{}", search, condition);
        Ok(())
    };
    TestRunner::new(config(600)).run(&search(), check).unwrap();
    log.close();
}

/// Segments of the first schema have no reversed names, and are searched by names all the same.
#[test]
fn names_are_found_in_segments_without_reversed_names() {
    let folder = tempfile::tempdir().unwrap();
    let old = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../store/tests/schema-1");
    copy(&old, folder.path());
    let (log, _) = store::Store::open(settings(folder.path())).unwrap();
    assert!(log.health().segments > 0, "the test is about segments");
    let searcher = Searcher::new(log.clone(), LIMITS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let ever = Window { from: 0, to: i64::MAX };
    let rows = runtime.block_on(searcher.rows(&Search::default(), ever, None, crate::ROWS_MAX)).unwrap();
    let mut names: Vec<String> = rows.iter().filter_map(|row| row.domain.clone()).collect();
    names.sort();
    names.dedup();
    let mut texts: Vec<String> = vec!["-domain:example".to_owned(), "domain:zzz".to_owned(), "-tld:zzz".to_owned()];
    for name in names.iter().filter(|name| *name != ".").take(12) {
        let labels = crate::names::labels(name);
        let above = labels[labels.len() / 2..].join(".");
        texts.push(format!("domain:{above}"));
        texts.push(format!("domain:*.{above} -domain:={name}"));
        texts.push(format!("tld:{}", labels.last().unwrap()));
    }
    let mut hits = 0;
    for text in texts {
        let search = parse(&text).unwrap();
        let expected = rows.iter().filter(|row| search.matches(row)).count() as u64;
        assert_eq!(runtime.block_on(searcher.count(&search, ever)).unwrap(), expected, "{text}");
        hits += expected;
    }
    assert!(hits > 0);
    log.close();
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
