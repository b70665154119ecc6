//! What holds for every search: it reads back as it was written, reading never panics, and the engine finds the rows
//! the matcher finds.

use event::Row;
use proptest::prelude::*;
use proptest::sample::select;

use crate::ast::{Bound, Node, Search, Value};
use crate::fields::{FIELDS, Id, Kind};
use crate::moment::Moment;
use crate::names;
use crate::net::Net;
use crate::pattern::{Case, Pattern, has_wildcards};
use crate::sample::{ALL, CLIENTS, LIMITS, NAMES, Numbers, START, TEXTS, event, on_disk, sample};
use crate::units::Unit;
use crate::{Searcher, parse};

fn bound<T: Copy + PartialOrd + std::fmt::Debug + 'static>(
    of: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Bound<T>> {
    let ordered = |(a, b): (T, T)| if a <= b { Bound::Range(a, b) } else { Bound::Range(b, a) };
    prop_oneof![
        of.clone().prop_map(Bound::Is),
        (of.clone(), of.clone()).prop_map(ordered),
        of.clone().prop_map(Bound::Less),
        of.clone().prop_map(Bound::AtMost),
        of.clone().prop_map(Bound::More),
        of.prop_map(Bound::AtLeast),
    ]
}

fn numbers(id: Id) -> BoxedStrategy<Value> {
    let max = id.number_max();
    let seen = vec![0, 1, 2, 3, 6, 9, 12, 15, 16, 17, 22, 23, 60, 300, 1_000, 4_001, 50_000, 0x800f, 0x8010, max];
    let seen: Vec<u64> = seen.into_iter().filter(|number| *number <= max).collect();
    bound(select(seen)).prop_map(Value::Number).boxed()
}

fn named(id: Id) -> BoxedStrategy<Value> {
    let globs = ["??*", "BAD*", "*o*", "?*a*", "N*"];
    let fits = |glob: &&str| {
        let pattern = Pattern::glob(glob, Case::Any).unwrap();
        id.names().iter().any(|(_, name)| pattern.matches(name))
    };
    let globs: Vec<&str> = globs.into_iter().filter(fits).collect();
    select(globs).prop_map(|glob| Value::Named(Pattern::glob(glob, Case::Any).unwrap())).boxed()
}

fn whole_names(id: Id) -> BoxedStrategy<String> {
    let labels = "[a-z*?%_\\\\\" ,()|-]{1,3}(\\.[a-z0-9=/-]{1,3}){0,2}".prop_map(String::from);
    let name = prop_oneof![select(NAMES).prop_map(String::from), labels];
    name.prop_map(move |name| if id == Id::Tld { name.replace('.', "") } else { name })
        .prop_filter("a name", |name| {
            let whole = !names::is_cut(name) && names::labels(name).iter().all(|label| !label.is_empty());
            name == "." || whole
        })
        .boxed()
}

fn glob_text() -> BoxedStrategy<String> {
    let piece = prop_oneof![
        3 => select(vec!["a", "e", "x", ".", "example", "192.0.2.1", "ads", "ü", "com"]).prop_map(String::from),
        2 => select(vec!["*", "?"]).prop_map(String::from),
        1 => select(vec!["\\*", "\\?", "\\\\", " ", "%", "_", "\"", ",", "(", ")", "|", "^", "/", "=", "-", "\n", "[", "!"])
            .prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat()).boxed()
}

fn regex() -> BoxedStrategy<Value> {
    let sources = vec![
        "^x",
        "example$",
        "a.b",
        "^www\\.",
        "[0-9]+",
        "a/b",
        "(com|zip)$",
        "^$",
        "^example.com$",
        "A",
        "\\d\\.\\d",
        "b|c",
        "a_b",
        "a%b",
        "ü.b",
    ];
    select(sources).prop_map(|source| Value::Text(Pattern::regex(source).unwrap())).boxed()
}

fn address() -> impl Strategy<Value = std::net::IpAddr> {
    select(CLIENTS).prop_map(|text| text.parse().unwrap())
}

fn nets() -> impl Strategy<Value = Net> {
    (address(), 0_u8..=128).prop_filter_map("a network", |(address, prefix)| {
        Net::new(address, if address.is_ipv4() { prefix % 33 } else { prefix })
    })
}

fn values(id: Id) -> BoxedStrategy<Value> {
    let kind = id.kind();
    match kind {
        Kind::Numbered => prop_oneof![4 => numbers(id), 1 => named(id)].boxed(),
        Kind::Word => {
            let keys: Vec<u64> = id.names().iter().map(|(key, _)| *key).collect();
            prop_oneof![4 => select(keys).prop_map(|key| Value::Number(Bound::Is(key))), 1 => named(id)].boxed()
        }
        Kind::Flags => {
            let keys: Vec<u64> = id.names().iter().map(|(key, _)| *key).collect();
            let glob = Pattern::glob("*A*", Case::Any).unwrap();
            prop_oneof![4 => select(keys).prop_map(|key| Value::Number(Bound::Is(key))), 1 => Just(Value::Named(glob))]
                .boxed()
        }
        Kind::Quantity(_) => numbers(id),
        Kind::Time => {
            let at = (0_i64..42).prop_map(|at| Moment::At(START + at * 90_000_000));
            let at = prop_oneof![3 => bound_of_moments(at.boxed(), true), 1 => bound_of_moments((0_i64..4000).prop_map(Moment::Ago).boxed(), false)];
            at.prop_map(Value::Time).boxed()
        }
        Kind::Address => {
            let pair = (address(), address()).prop_filter_map("one family", |(a, b)| {
                (a.is_ipv4() == b.is_ipv4()).then(|| Value::Addresses(a.min(b), a.max(b)))
            });
            prop_oneof![3 => nets().prop_map(Value::Net), 1 => pair].boxed()
        }
        Kind::Domain => {
            let glob = glob_text().prop_map(|glob| glob.to_lowercase()).prop_filter_map("wildcards", |glob| {
                let under = glob.strip_prefix("*.").is_some_and(|rest| !has_wildcards(rest));
                (has_wildcards(&glob) && !under).then(|| Value::Text(Pattern::glob(&glob, Case::Exact).unwrap()))
            });
            let below = whole_names(id).prop_filter("not the root", |name| name != ".");
            prop_oneof![
                whole_names(id).prop_map(Value::Exact),
                below.clone().prop_map(Value::Below),
                below.prop_map(Value::Under),
                glob,
                regex(),
            ]
            .boxed()
        }
        Kind::Name => {
            let glob = glob_text().prop_map(|glob| glob.to_lowercase()).prop_filter_map("wildcards", |glob| {
                has_wildcards(&glob).then(|| Value::Text(Pattern::glob(&glob, Case::Exact).unwrap()))
            });
            prop_oneof![3 => whole_names(id).prop_map(Value::Exact), 1 => glob, 1 => regex()].boxed()
        }
        Kind::Text | Kind::Label => {
            let glob = prop_oneof![glob_text(), select(TEXTS).prop_map(crate::pattern::glob_plain)];
            let glob = glob.prop_map(|glob| Value::Text(Pattern::glob(&glob, Case::Any).unwrap()));
            let other = if id == Id::Answer { nets().prop_map(Value::Net).boxed() } else { regex() };
            prop_oneof![3 => glob, 1 => regex(), 1 => other].boxed()
        }
    }
}

fn bound_of_moments(of: BoxedStrategy<Moment>, is: bool) -> BoxedStrategy<Bound<Moment>> {
    let range = (of.clone(), of.clone()).prop_map(|(one, other)| match one.is_after(other) {
        true => Bound::Range(other, one),
        false => Bound::Range(one, other),
    });
    let plain = if is { of.clone().prop_map(Bound::Is).boxed() } else { of.clone().prop_map(Bound::More).boxed() };
    let at_least = of.clone().prop_map(Bound::AtLeast);
    prop_oneof![plain, range, at_least, of.prop_map(Bound::Less)].boxed()
}

fn term() -> BoxedStrategy<Node> {
    let fields: Vec<Id> = FIELDS.iter().map(|field| field.id).collect();
    let any = select(fields.clone());
    let term =
        any.prop_flat_map(|id| prop::collection::vec(values(id), 1..4).prop_map(move |values| Node::Term(id, values)));
    prop_oneof![6 => term, 1 => select(fields).prop_map(Node::Has)].boxed()
}

pub(crate) fn search() -> BoxedStrategy<Search> {
    let node = term().prop_recursive(4, 12, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            several.clone().prop_map(|nodes| Node::and(nodes).unwrap()),
            several.prop_map(|nodes| Node::or(nodes).unwrap()),
            inner.prop_map(Node::negated),
        ]
    });
    let few_regexes = |search: &Search| search.to_string().matches("/").count() < 30;
    prop::option::weighted(0.97, node)
        .prop_map(|root| Search { root })
        .prop_filter("within limits", few_regexes)
        .boxed()
}

pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn reads_back_as_written(search in search()) {
        let text = search.to_string();
        match parse(&text) {
            Ok(read) => prop_assert_eq!(read, search, "{}", text),
            Err(faults) => {
                // Random trees can pass the limits; nothing else may be wrong with them.
                prop_assert!(faults.iter().all(|fault| fault.message.contains("at most")), "{}: {:?}", text, faults);
            }
        }
    }

    #[test]
    fn reading_never_panics(text in ".{0,60}") {
        if let Err(faults) = parse(&text) {
            prop_assert!(!faults.is_empty());
            for fault in &faults {
                prop_assert!(fault.span.start <= fault.span.end && fault.span.end <= text.len());
                prop_assert!(text.get(fault.span.clone()).is_some(), "{:?} cuts a character", fault);
                prop_assert!(crate::caret(&text, fault).contains(&fault.message));
            }
        }
    }

    #[test]
    fn any_text_has_pieces_and_completions(text in ".{0,60}", at in 0_usize..80) {
        let mut end = 0;
        for token in crate::tokens(&text) {
            prop_assert!(end <= token.span.start && token.span.start < token.span.end);
            prop_assert!(text.get(end..token.span.start).is_some_and(|between| between.trim().is_empty()));
            prop_assert!(text.get(token.span.clone()).is_some());
            end = token.span.end;
        }
        prop_assert!(text[end..].trim().is_empty());
        let found = crate::complete(&text, at);
        prop_assert!(text.get(found.span).is_some() && found.proposals.len() <= crate::PROPOSALS_MAX);
    }

    #[test]
    fn what_is_read_is_written_plainly(
        pieces in prop::collection::vec(
            select(vec![
                "code:", "domain:", "client:", "time:", "answer:", "has:", "ede:", "latency:", "OR", "AND", "NOT", " ", " ",
                "(", ")", "-", "!", "\"", "/", ",", "..", "[", " TO ", "]", "=", "!=", ">", "<=", "3", "16", "NXDOMAIN",
                "10.0.0.0/8", "::1", "*", "?", "\\", "a.b", "é", "5ms", "-15m", "|", "||",
            ]),
            0..14,
        )
    ) {
        let text = pieces.concat();
        if let Ok(search) = parse(&text) {
            let written = search.to_string();
            prop_assert_eq!(parse(&written), Ok(search), "{} became {}", text, written);
        }
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn the_engine_finds_what_the_matcher_finds(search in search(), seed in 0_u64..50) {
        let search = search.at(ALL.to);
        let (searcher, rows) = sample(seed, 60);
        let expected: Vec<u64> = rows.iter().filter(|row| search.matches(row)).map(|row| row.seq).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let found = runtime.block_on(searcher.rows(&search, ALL, None, 1_000)).unwrap();
        let found: Vec<u64> = found.iter().map(|row| row.seq).collect();
        prop_assert_eq!(&found, &expected, "{}", search);
        let count = runtime.block_on(searcher.count(&search, ALL)).unwrap();
        prop_assert_eq!(count, expected.len() as u64, "{}", search);
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_search_as_sql_finds_the_same_rows(search in search(), seed in 0_u64..50) {
        let search = search.at(ALL.to);
        let (searcher, rows) = sample(seed, 60);
        let mut expected: Vec<u64> = rows.iter().filter(|row| search.matches(row)).map(|row| row.seq).collect();
        expected.sort_unstable();
        let sql = crate::to_sql(&search);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let reply = runtime.block_on(searcher.sql(&sql, ALL, 1_000));
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return Err(TestCaseError::fail(format!("{sql}: {error}"))),
        };
        let seq = reply.columns.iter().position(|name| name == "seq").unwrap();
        let mut found: Vec<u64> = reply.rows.iter().filter_map(|row| match row[seq] {
            crate::SqlValue::Unsigned(seq) => Some(seq),
            _ => None,
        }).collect();
        found.sort_unstable();
        prop_assert_eq!(found, expected, "{}", sql);
    }
}

/// The same over a log on disk: segments are pruned by statistics and filtered while they are read.
#[test]
fn segments_are_searched_like_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(11);
    let events: Vec<event::Event> = (0..200).map(|_| event(&mut numbers)).collect();
    let (log, rows) = on_disk(folder.path(), &events);
    let searcher = Searcher::new(log.clone(), LIMITS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let check = |search: Search| {
        let search = search.at(ALL.to);
        let expected: Vec<&Row> = rows.iter().filter(|row| search.matches(row)).collect();
        let found = runtime.block_on(searcher.rows(&search, ALL, None, 1_000)).unwrap();
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{}", search);
        Ok(())
    };
    proptest::test_runner::TestRunner::new(config(200)).run(&search(), check).unwrap();
    log.close();
}

#[test]
fn units_of_all_quantities_read_their_own_writing() {
    for field in FIELDS {
        if let Kind::Quantity(unit) = field.id.kind() {
            for number in [0, 1, 999, 1_000, 1_500, 60_000_000, u64::from(u32::MAX)] {
                assert_eq!(unit.read(&unit.write(number)), Some(number), "{}", field.name);
            }
        }
    }
    assert_eq!(Unit::Micros.write(1_500), "1500us");
}

#[test]
fn a_name_has_no_empty_label() {
    for text in ["domain:a..b", "domain:a..", "domain:=a..", "domain:*.a..", "tld:a.."] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert_eq!(parse("domain:a.").unwrap().to_string(), "domain:a");
}
