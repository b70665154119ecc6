//! Codes as analysts ask for them, over one event of each kind; the matrix counted by hand.

use std::collections::HashMap;
use std::sync::Arc;

use event::{Builder, Ede, Event, Row};
use wire::code::CODES;

use crate::sample::{ALL, LIMITS, Numbers, START, event, sample, searcher};
use crate::{SearchError, Searcher, parse};

/// `name rcode tsig tkey`; `-` for none.
const EVENTS: &str = "
    noerror      0    -  -
    yxrrset      7    -  -
    badcookie    23   -  -
    badvers      16   -  -
    badsig       9    16 -
    tkeysig      0    -  16
    badtime      9    18 -
    badtrunc     9    22 -
    badmode      0    -  19
    badalg       0    -  21
    both         9    18 20
    twelve       12   -  -
    fifteen      15   -  -
    private      4001 -  -
    unnamed      9    24 -
    notauth      9    -  -
    signed       0    0  -
    echoed       0    -  0
    silence      -    -  -
";

fn events() -> Vec<Event> {
    let mut numbers = Numbers(1);
    let number = |word: &str| (word != "-").then(|| word.parse::<u16>().unwrap());
    let read = |(at, line): (usize, &str)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, rcode, tsig, tkey] = words[..] else { panic!("{line}") };
        let blocked = Ede { code: if name == "yxrrset" { 15 } else { 22 }, text: "".into() };
        Event {
            time_micros: START + at as i64,
            domain: Some(name.into()),
            rcode: number(rcode),
            tsig_error: number(tsig),
            tkey_error: number(tkey),
            ede: if at < 3 { Arc::from([blocked]) } else { Arc::from([]) },
            opcode: if name.starts_with('y') { 5 } else { 0 },
            key: tsig.parse::<u16>().is_ok().then(|| format!("ddns-{name}").into()),
            update: (name == "yxrrset").then(|| "no www.example A; add www.example A".into()),
            ..event(&mut numbers)
        }
    };
    EVENTS.lines().filter(|line| !line.trim().is_empty()).enumerate().map(read).collect()
}

fn log() -> Searcher {
    let mut builder = Builder::new(0);
    events().iter().for_each(|event| builder.push(event));
    searcher(vec![builder.finish()], LIMITS)
}

async fn check(searcher: &Searcher, text: &str, expected: &str) {
    let search = parse(text).unwrap();
    let mut rows = searcher.rows(&search, ALL, None, 100).await.unwrap();
    assert!(rows.iter().all(|row| search.matches(row)), "{text}");
    rows.reverse();
    let found: Vec<&str> = rows.iter().filter_map(|row| row.domain.as_deref()).collect();
    assert_eq!(found.join(" "), expected, "{text}");
}

#[tokio::test]
async fn every_place_of_a_code_is_found() {
    let log = log();
    for (text, expected) in [
        ("rcode:BADSIG", "badsig tkeysig"),
        ("rcode:BADVERS", "badvers"),
        ("code:16", "badvers badsig tkeysig"),
        ("tsig:BADTIME", "badtime both"),
        ("tkey:BADALG", "badalg"),
        ("tkey:BADNAME", "both"),
        ("code:BADNAME", ""),
        ("rcode:12..15", "twelve fifteen"),
        ("rcode:BAD*", "badcookie badvers badsig tkeysig badtime badtrunc badmode badalg both"),
        ("rcode_header:7", "yxrrset badcookie"),
        ("rcode_header:YXRRSET -code:YXRRSET", "badcookie"),
        ("rcode_header:NOTAUTH", "badsig badtime badtrunc both unnamed notauth"),
        ("code:NOTAUTH", "notauth"),
        ("code:NXDomain", ""),
        ("ede:15", "yxrrset"),
        ("ede:blocked", "yxrrset"),
        ("ede:15..22", "noerror yxrrset badcookie"),
        ("key:ddns-badsig", "badsig"),
        ("key:ddns*", "badsig badtime badtrunc both unnamed signed"),
        ("has:key -has:tsig", ""),
        ("opcode:UPDATE", "yxrrset"),
        ("update:www.example", "yxrrset"),
        ("has:tsig", "badsig badtime badtrunc both unnamed signed"),
        ("tsig:*", "badsig badtime badtrunc both unnamed signed"),
        ("tsig:>0", "badsig badtime badtrunc both unnamed"),
        ("-tsig:* -tkey:* -code:0..23", "private silence"),
        ("code:CODE4001", "private"),
        ("code:4001", "private"),
        ("code:24", "unnamed"),
        ("code:>=24", "private unnamed"),
        ("code:>=16 code:<=16", "badvers badsig tkeysig"),
        ("code:<1", "noerror signed echoed"),
        ("code:NOERROR", "noerror signed echoed"),
        ("-has:code", "silence"),
        ("code:BADTRUNC,BADMODE", "badtrunc badmode"),
    ] {
        check(&log, text, expected).await;
    }
}

#[tokio::test]
async fn facets_and_series_follow_the_table() {
    let log = log();
    let all = parse("").unwrap();
    let facets = log.facets(&all, ALL, &["code"], 3).await.unwrap();
    let told: Vec<String> = facets[0]
        .values
        .iter()
        .map(|value| format!("{}={}", value.value.as_deref().unwrap_or("none"), value.count))
        .collect();
    let table: Vec<&str> = CODES.iter().map(|info| info.name).collect();
    let names: Vec<&str> = told.iter().filter_map(|text| text.split('=').next()).collect();
    assert_eq!(names[..table.len()], table[..]);
    assert_eq!(names[table.len()..], ["CODE12", "CODE15", "CODE24", "CODE4001", "none"]);
    assert!(told.contains(&"BADSIG=2".to_owned()) && told.contains(&"NXDOMAIN=0".to_owned()), "{told:?}");
    let series = log.series(&all, ALL, "code", 5).await.unwrap();
    let lines: Vec<&str> = series.lines.iter().filter_map(|(count, _)| count.value.as_deref()).collect();
    let seen: Vec<&str> =
        told.iter().filter(|text| !text.ends_with("=0")).filter_map(|text| text.split('=').next()).collect();
    assert_eq!(lines[..], seen[..seen.len() - 1]);
    for field in ["rcode_header", "tsig", "tkey", "key", "opcode"] {
        assert!(!log.top(&all, ALL, field, 5).await.unwrap().values.is_empty(), "{field}");
    }
}

#[tokio::test]
async fn the_matrix_is_the_rows_counted() {
    let (searcher, rows) = sample(6, 300);
    let search = parse("-action:refuse").unwrap();
    let rows: Vec<&Row> = rows.iter().filter(|row| search.matches(row)).collect();
    type Value = fn(&Row) -> Option<String>;
    let fields: [(&str, Value); 8] = [
        ("client", |row| Some(row.client.to_string())),
        ("domain", |row| row.domain.clone()),
        ("tld", |row| row.domain.as_deref().and_then(crate::names::top_level).map(str::to_owned)),
        ("upstream", |row| row.upstream.clone()),
        ("transport", |row| Some(row.transport.name().to_owned())),
        ("key", |row| row.key.clone()),
        ("qtype", |row| Some(wire::kind::type_name(row.qtype).into_owned())),
        ("ttl", |row| row.ttl.map(|ttl| ttl.to_string())),
    ];
    for (field, value) in fields {
        let mut cells: HashMap<(Option<String>, Option<String>), u64> = HashMap::new();
        for row in &rows {
            *cells.entry((row.code.map(|code| code.to_string()), value(row))).or_default() += 1;
        }
        for n in [1, 3, 1_000] {
            let matrix = searcher.matrix(&search, ALL, field, n).await.unwrap();
            assert!(matrix.columns.len() <= n && !matrix.columns.is_empty(), "{field}");
            assert!(matrix.columns.is_sorted_by_key(|column| std::cmp::Reverse(column.count)), "{field}");
            assert_eq!(matrix.total, rows.len() as u64, "{field}");
            let names: Vec<_> = matrix.rows.iter().take(CODES.len()).filter_map(|row| row.code.value.clone()).collect();
            assert_eq!(names, CODES.iter().map(|info| info.name).collect::<Vec<_>>(), "{field}");
            assert_eq!(matrix.rows.last().unwrap().code.value, None, "{field}: no reply comes last");
            for row in &matrix.rows {
                let of_code =
                    |other: &Option<String>| cells.get(&(row.code.value.clone(), other.clone())).copied().unwrap_or(0);
                let counts: Vec<u64> = matrix.columns.iter().map(|column| of_code(&column.value)).collect();
                assert_eq!(row.counts, counts, "{field} {:?}", row.code.value);
                assert_eq!(row.code.count, counts.iter().sum::<u64>() + row.other, "{field}");
            }
            let others: u64 = matrix.rows.iter().map(|row| row.other).sum();
            assert_eq!(others, matrix.other, "{field}");
            assert!(n < 1_000 || matrix.other == 0, "{field}");
        }
    }
}

#[tokio::test]
async fn a_matrix_of_nothing_lists_the_table() {
    let (searcher, _) = sample(6, 10);
    let matrix = searcher.matrix(&parse("seq:99999").unwrap(), ALL, "client", 5).await.unwrap();
    assert!(matrix.columns.is_empty() && matrix.total == 0 && matrix.other == 0);
    assert_eq!(matrix.rows.len(), CODES.len());
    let all = parse("").unwrap();
    for field in ["code", "ede", "flags", "time", "nonsense"] {
        let refused = searcher.matrix(&all, ALL, field, 5).await;
        assert!(matches!(refused, Err(SearchError::Field(_))), "{field}");
    }
}

#[tokio::test]
async fn a_breakdown_keeps_the_whole_search() {
    let (searcher, _) = sample(9, 300);
    let search = parse("code:NXDOMAIN,BADSIG transport:udp,tcp").unwrap();
    let fields = ["transport", "client", "code", "ede", "key"];
    let tops = searcher.breakdown(&search, ALL, &fields, 50).await.unwrap();
    for (top, field) in tops.iter().zip(fields) {
        assert_eq!(*top, searcher.top(&search, ALL, field, 50).await.unwrap(), "{field}");
    }
    let shown: u64 = tops[0].values.iter().map(|value| value.count).sum();
    assert_eq!(shown, searcher.count(&search, ALL).await.unwrap());
    assert!(tops[0].values.len() <= 2, "other transports are left out");
}
