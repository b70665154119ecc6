//! What a rollup counts, held against counting the rows.

use std::collections::{BTreeMap, BTreeSet};

use event::{Event, Row};

use super::*;
use crate::tests::support::{MORNING_MICROS, event};

/// Events over two hours: a few names often, many once, tenants of three kinds.
fn events(numbers: std::ops::Range<u64>) -> impl Iterator<Item = Event> {
    numbers.map(|number| {
        let name = if number % 3 == 0 { number } else { number % 40 * (number % 5) };
        let domain = (number % 17 != 0).then(|| format!("n{name}.site{}.com", name % 7).into());
        let tenant = [None, Some("alpha"), Some("beta")][(number % 3) as usize].map(Arc::from);
        let time = MORNING_MICROS + (number * 7_919 % 7_200) as i64 * 1_000_000;
        Event { domain, tenant, ..event(number, time) }
    })
}

/// The same events in batches, and as rows.
fn batches(count: u64) -> (Vec<Arc<RecordBatch>>, Vec<Row>) {
    let mut builder = event::Builder::new(0);
    let mut batches = Vec::new();
    for from in (0..count).step_by(1_000) {
        events(from..(from + 1_000).min(count)).for_each(|event| builder.push(&event));
        batches.push(Arc::new(builder.finish()));
    }
    let rows = batches.iter().flat_map(|batch| event::rows(batch).unwrap()).collect();
    (batches, rows)
}

fn made(batches: &[Arc<RecordBatch>]) -> Bytes {
    let names = Names::of(batches).unwrap();
    file::encode(&build::build(batches, &names).unwrap(), "day=2200-01-01/hour=00/1.parquet").unwrap().into()
}

type Counted<K> = BTreeMap<K, u64>;

fn counted<K: Ord>(rows: &[Row], key: impl Fn(&Row) -> K) -> Counted<K> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(key(row)).or_default() += 1;
    }
    counts
}

#[test]
fn cells_add_up_to_the_rows() {
    let (batches, rows) = batches(20_000);
    let octets = made(&batches);
    for (part, width) in [(Part::Minutes, MINUTE_MICROS), (Part::Hours, HOUR_MICROS)] {
        let cells = file::cells(octets.clone(), part).unwrap();
        let mut found = BTreeMap::new();
        for (start, of_stretch) in cells.stretches() {
            for cell in of_stretch {
                let group = cells.groups()[cell.group as usize];
                let tenant = cells.tenant(&group).map(str::to_owned);
                let key = (start, tenant, group.code, group.action, group.outcome, group.cache);
                assert_eq!(found.insert(key, u64::from(cell.events)), None);
            }
        }
        let expected = counted(&rows, |row| {
            let start = row.time_micros.div_euclid(width) * width;
            let code = row.code.map(|code| code.key());
            (start, row.tenant.clone(), code, row.action.number(), row.outcome.number(), row.cache.number())
        });
        assert_eq!(found, expected);
    }
}

/// Lists hold the largest counts, exactly, and know the largest they leave out.
fn check_lists<'a>(lists: &Lists, rows: &'a [Row], value: impl Fn(&'a Row) -> Option<Vec<u8>>) {
    let mut seen = BTreeSet::new();
    for (list, entries) in lists.lists() {
        assert!(seen.insert(list.about));
        let mut all: Counted<Option<Vec<u8>>> = BTreeMap::new();
        for row in rows.iter().filter(|row| match list.about {
            About::All => true,
            About::Code(code) => row.code.map(|code| code.key()) == code,
            About::Action(action) => row.action.number() == action,
        }) {
            *all.entry(value(row)).or_default() += 1;
        }
        let entries: Vec<(Option<Vec<u8>>, u64)> =
            entries.map(|(value, events)| (value.map(<[u8]>::to_vec), events)).collect();
        for (value, events) in &entries {
            assert_eq!(all.remove(value), Some(*events), "{:?}", list.about);
        }
        assert!(entries.is_sorted_by_key(|(_, events)| std::cmp::Reverse(*events)));
        assert_eq!(all.into_values().max().unwrap_or(0), list.left_out);
        assert!(entries.iter().all(|(_, events)| *events >= list.left_out));
    }
    let abouts =
        counted(rows, |row| (About::Code(row.code.map(|code| code.key())), About::Action(row.action.number())));
    assert!(abouts.into_keys().all(|(code, action)| seen.contains(&code) && seen.contains(&action)));
}

#[test]
fn lists_hold_the_most_frequent_and_know_what_they_leave_out() {
    let (batches, rows) = batches(20_000);
    let octets = made(&batches);
    let text = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
    let domains = file::lists(octets.clone(), Part::Domains).unwrap();
    assert!(domains.lists().any(|(list, _)| list.left_out > 0), "some names are left out");
    check_lists(&domains, &rows, |row| text(&row.domain));
    check_lists(&file::lists(octets.clone(), Part::RegDomains).unwrap(), &rows, |row| text(&row.reg_domain));
    let clients = file::lists(octets.clone(), Part::Clients).unwrap();
    check_lists(&clients, &rows, |row| Some(event::address_bytes(row.client).to_vec()));
    let qtypes = file::lists(octets, Part::Qtypes).unwrap();
    check_lists(&qtypes, &rows, |row| Some(row.qtype.to_be_bytes().to_vec()));
}

#[test]
fn latencies_and_sketches_are_those_of_the_rows() {
    let (batches, rows) = batches(5_000);
    let octets = made(&batches);
    let mut expected: BTreeMap<Option<u16>, Latencies> = BTreeMap::new();
    for row in &rows {
        expected.entry(row.code.map(|code| code.key())).or_default().add(row.latency_micros);
    }
    let found: BTreeMap<_, _> = file::latencies(octets.clone()).unwrap().into_iter().collect();
    assert_eq!(found, expected);
    let sketches = file::sketches(octets).unwrap();
    let exact = [
        counted(&rows, |row| row.domain.clone()).into_keys().flatten().count(),
        counted(&rows, |row| row.reg_domain.clone()).into_keys().flatten().count(),
        counted(&rows, |row| row.client).len(),
    ];
    for (sketch, exact) in sketches.iter().zip(exact) {
        let mut distinct = Distinct::default();
        distinct.merge(sketch);
        let (low, high) = distinct.bounds();
        assert!((low..=high).contains(&(exact as u64)), "{exact} is not in {low}..{high}");
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (batches, _) = batches(100);
    let source = crate::segment::Source::Wal(1);
    let entry = crate::segment::write(&Disk::default(), folder.path(), "1", &source, &batches).unwrap();
    let made = entry.rollup.unwrap();
    let path = folder.path().join(FOLDER).join(&entry.file);
    assert!(Rollup::new(path.clone(), made).hours().is_ok());
    let good = fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(good.len() / 50) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, bad).unwrap();
        let rollup = Rollup::new(path.clone(), made);
        assert!(rollup.hours().is_err(), "octet {at}");
        assert!(rollup.bad.load(Ordering::Acquire));
    }
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert!(Rollup::new(path.clone(), made).hours().is_err());
    fs::remove_file(&path).unwrap();
    assert!(Rollup::new(path, made).hours().is_err());
}
