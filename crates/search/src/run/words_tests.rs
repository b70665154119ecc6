//! Distinct counts of a log with segments inside a window, segments that reach beyond it and events in no segment, against the
//! same counted from its rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, DictionaryArray, StringArray};
use arrow::datatypes::{DataType, Int32Type};
use event::Row;

use super::sketch::Taken;
use super::{ROWS_MAX, SearchError, Searcher, Window};
use crate::fields::Id;
use crate::parse;
use crate::sample::{LIMITS, Numbers, event, settings};

const SECOND: i64 = 1_000_000;
/// Longer than the log.
const LASTS: i64 = 1_000 * SECOND;
const SEGMENTS: i64 = 4;
/// Seconds of one segment, and events: one each.
const LENGTH: i64 = 100;
/// Events in no segment, behind those.
const LIVE: i64 = 40;

/// Segments one after the other and events in none, up to now: nothing is merged within a quarter of an hour. The first instant.
fn log(folder: &std::path::Path) -> (store::Store, Searcher, i64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let start = (now.as_secs() as i64 - SEGMENTS * LENGTH - LIVE) * SECOND;
    let mut numbers = Numbers(11);
    let mut send = |log: &store::Store, seconds: std::ops::Range<i64>| {
        let mut sender = log.sender();
        for second in seconds {
            let mut event = event(&mut numbers);
            event.time_micros = start + second * SECOND;
            sender.offer(event);
        }
    };
    for segment in 0..SEGMENTS {
        let (log, _) = store::Store::open(settings(folder)).unwrap();
        send(&log, segment * LENGTH..(segment + 1) * LENGTH);
        log.close();
    }
    let settings = store::Settings { segment_rows: 1_000, ..settings(folder) };
    let (log, _) = store::Store::open(settings).unwrap();
    send(&log, SEGMENTS * LENGTH..SEGMENTS * LENGTH + LIVE);
    while log.health().live_rows < LIVE as u64 {
        std::thread::yield_now();
    }
    assert_eq!(log.health().segments, SEGMENTS as u64);
    let searcher = Searcher::new(log.clone(), LIMITS);
    (log, searcher, start)
}

fn ask<T>(question: impl Future<Output = Result<T, SearchError>>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(question).unwrap()
}

/// One text of a row.
type Word = fn(&Row) -> Option<&String>;

type Expected = HashMap<Option<String>, HashSet<String>>;

fn by(rows: &[Row], word: impl Fn(&Row) -> Option<&String>, group: impl Fn(&Row) -> Option<String>) -> Expected {
    let mut expected = Expected::new();
    for row in rows {
        if let Some(word) = word(row) {
            expected.entry(group(row)).or_default().insert(word.clone());
        }
    }
    expected
}

#[test]
fn words_in_dictionaries_are_the_words_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let (log, searcher, start) = log(folder.path());
    let all = Window { from: start, to: start + LASTS };
    let middle = Window { from: start + LENGTH / 2 * SECOND, to: start + LENGTH * 5 / 2 * SECOND };
    let words: [(&str, Word); 3] = [
        ("domain", |row| row.domain.as_ref()),
        ("reg_domain", |row| row.reg_domain.as_ref()),
        ("answer", |row| row.answer.as_ref()),
    ];
    for (text, window) in [
        ("", all),
        ("", middle),
        ("qtype:AAAA", all),
        ("client:127.0.0.1,10.0.0.7 -transport:UDP", middle),
        ("domain:example.com", all),
        ("has:answer", middle),
    ] {
        let search = parse(text).unwrap();
        let rows = ask(searcher.rows(&search, window, None, ROWS_MAX));
        for (field, word) in words {
            let found = ask(searcher.distinct(&search, window, field, Some("client"), 100));
            let found: HashMap<_, _> = found.values.into_iter().map(|found| (found.value, found.distinct)).collect();
            let expected = by(&rows, word, |row| Some(row.client.to_string()));
            let expected: HashMap<_, _> = expected.into_iter().map(|(key, words)| (key, words.len() as u64)).collect();
            assert_eq!(found, expected, "{field} of {text:?} by client");

            let found = ask(searcher.distinct(&search, window, field, None, 1));
            let expected = by(&rows, word, |_| None).remove(&None).map_or(0, |words| words.len() as u64);
            assert_eq!(found.values[0].distinct, expected, "{field} of {text:?}");
        }
    }
    log.close();
}

/// The types a column comes in.
fn types(searcher: &Searcher, text: &str, window: Window, field: Id) -> Vec<DataType> {
    let frames = searcher.job().unwrap().matching_words(&parse(text).unwrap(), window, field).unwrap();
    let column = |frame: &datafusion::prelude::DataFrame| {
        frame.schema().field_with_unqualified_name(field.column()).unwrap().data_type().clone()
    };
    frames.iter().map(column).collect()
}

#[test]
fn segments_inside_the_window_are_asked_for_dictionaries() {
    let folder = tempfile::tempdir().unwrap();
    let (log, searcher, start) = log(folder.path());
    let all = Window { from: start, to: start + LASTS };
    let words = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let part = Window { from: start, to: start + LENGTH / 2 * SECOND };
    for (text, window, field, expect) in [
        ("", all, Id::Domain, vec![words.clone(), DataType::Utf8]),
        ("qtype:A", all, Id::Answer, vec![words.clone(), DataType::Utf8]),
        ("domain:www.*", all, Id::Domain, vec![DataType::Utf8]),
        ("", part, Id::Domain, vec![DataType::Utf8]),
        ("", all, Id::Qtype, vec![DataType::UInt16]),
    ] {
        assert_eq!(types(&searcher, text, window, field), expect, "{field:?} of {text:?}");
    }
    log.close();
}

#[test]
fn the_hash_of_a_word_is_the_same_from_every_dictionary() {
    let plain = |words: &[Option<&str>]| Arc::new(StringArray::from(words.to_vec())) as ArrayRef;
    let (first, second) = ([Some("a"), Some("bc"), None, Some("a")], [Some("xy"), Some("a"), Some("bc"), None]);
    let mut taken = Taken::default();
    let mut hashes = |array: &ArrayRef| taken.hash(array).unwrap().to_vec();
    for words in [first, second, first] {
        let expect = hashes(&plain(&words));
        let dictionary: DictionaryArray<Int32Type> = words.into_iter().collect();
        let array = Arc::new(dictionary) as ArrayRef;
        // Twice, and parts of it: they have the words of the whole in common.
        for part in [array.slice(0, 4), array.slice(0, 4), array.slice(1, 3)] {
            let offset = 4 - part.len();
            let found = hashes(&part);
            let filled = (0..part.len()).filter(|row| part.as_dictionary::<Int32Type>().key(*row).is_some());
            filled.for_each(|row| assert_eq!(found[row], expect[row + offset], "{words:?}"));
        }
    }
}
