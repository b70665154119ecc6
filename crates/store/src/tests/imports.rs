//! Imports: into segments, once each, however often they are cut short.

use std::sync::atomic::Ordering::SeqCst;

use super::*;
use crate::segment::HOUR_MICROS;

/// A day long gone, at its first hour.
const DAY_MICROS: i64 = 20_000 * 24 * HOUR_MICROS;

/// The records of a source: an event each, but for every tenth.
fn records(count: u64) -> impl Iterator<Item = Option<Event>> {
    (0..count).map(|number| {
        let time = DAY_MICROS + number as i64 % 50 * HOUR_MICROS;
        (number % 10 != 9).then(|| Event { node: Some("old".into()), ..event(number, time) })
    })
}

/// Goes on with an import, commits every `every` records, and stops without a word after `stop`.
fn import(store: &Store, count: u64, every: u64, stop: u64) -> u64 {
    let mut importer = store.importer("bind log 1234").unwrap();
    let skip = importer.position();
    for (at, record) in (1..).zip(records(count).skip(skip as usize)) {
        match record {
            Some(event) => importer.offer(event).unwrap(),
            None => importer.counted_bad(),
        }
        if at == stop {
            return skip;
        }
        if at % every == 0 {
            importer.commit().unwrap();
        }
    }
    importer.commit().unwrap();
    skip
}

fn numbers(store: &Store) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        all(store).iter().map(|row| support::number_of(row.domain.as_deref().unwrap())).collect();
    numbers.sort_unstable();
    numbers
}

fn expected(count: u64) -> Vec<u64> {
    (0..count).filter(|number| number % 10 != 9).collect()
}

#[test]
fn an_import_is_cut_by_day_and_searched() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, numbered(100_000..100_010));
    import(&store, 1_000, 10_000, u64::MAX);
    assert_eq!(files(folder.path(), "parquet").len(), 3, "50 hours are three days");
    let mut expect = expected(1_000);
    expect.extend(100_000..100_010);
    assert_eq!(numbers(&store), expect);
    assert!(all(&store).iter().filter(|row| row.node.as_deref() == Some("old")).count() == 900);
    let seqs: std::collections::HashSet<u64> = all(&store).iter().map(|row| row.seq).collect();
    assert_eq!(seqs.len(), 910, "numbers do not meet");
    let [status] = &store.status().imports[..] else { panic!("one source") };
    assert_eq!((status.position, status.rows, status.bad), (1_000, 900, 100));
    put(&store, numbered(100_010..100_011));
    assert!(all(&store).iter().any(|row| row.seq == 10), "numbers of what arrives go on");
}

#[test]
fn an_import_cut_short_goes_on_and_done_again_adds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path()).0;
    let mut starts = Vec::new();
    for stop in [137, 250, 3, 400, u64::MAX, u64::MAX] {
        starts.push(import(&store, 1_000, 100, stop));
        // A crash: nothing is closed.
        let image = crash_image(folder.path());
        let (crashed, opened) = open(image.path());
        assert_eq!(opened.notes, Vec::<String>::new());
        assert_eq!(numbers(&crashed), numbers(&store));
        drop(crashed);
        store.close();
        store = open(folder.path()).0;
    }
    assert_eq!(starts, [0, 100, 300, 300, 600, 1_000]);
    assert_eq!(numbers(&store), expected(1_000));
}

#[test]
fn segments_whose_commit_was_lost_are_not_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    import(&store, 1_000, 500, 700);
    store.close();
    let before = std::fs::read(folder.path().join("manifest")).unwrap();
    drop(store);
    let (store, _) = open(folder.path());
    import(&store, 1_000, 10_000, u64::MAX);
    let image = crash_image(folder.path());
    std::fs::write(image.path().join("manifest"), before).unwrap();
    let (crashed, opened) = open(image.path());
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(numbers(&crashed), expected(500));
    assert_eq!(import(&crashed, 1_000, 10_000, u64::MAX), 500);
    assert_eq!(numbers(&crashed), expected(1_000));
}

#[test]
fn a_lost_manifest_does_not_import_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(settings(folder.path())).unwrap();
    import(&store, 1_000, 10_000, u64::MAX);
    let image = crash_image(folder.path());
    std::fs::remove_file(image.path().join("manifest")).unwrap();
    let (again, _) = open(image.path());
    assert_eq!(numbers(&again), expected(1_000));
    assert_eq!(import(&again, 1_000, 10_000, u64::MAX), 1_000);
    assert_eq!(numbers(&again), expected(1_000));
}

#[test]
fn a_source_is_imported_by_one_at_a_time_and_has_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let first = store.importer("a").unwrap();
    assert!(matches!(store.importer("a"), Err(ImportError::Busy { .. })));
    assert!(store.importer("b").is_ok());
    drop(first);
    assert!(store.importer("a").is_ok());
    for name in ["", "two\nlines", &"x".repeat(SOURCE_BYTES_MAX + 1)] {
        assert!(matches!(store.importer(name), Err(ImportError::Name)));
    }
    let mut late = store.importer("late").unwrap();
    late.offer(event(1, DAY_MICROS)).unwrap();
    store.close();
    assert!(matches!(late.commit(), Err(ImportError::Closed)));
    assert!(matches!(store.importer("c"), Err(ImportError::Closed)));
}

#[test]
fn imported_events_pass_admission() {
    let folder = tempfile::tempdir().unwrap();
    let privacy = vec![PrivacyRule { whom: PrivacyFor::Everyone, addresses: Addresses::CountsOnly }];
    let admission = Admission { privacy, ..Admission::default() };
    let (store, _) = Store::open(Settings { admission, ..settings(folder.path()) }).unwrap();
    let mut importer = store.importer("a").unwrap();
    importer.offer(event(1, DAY_MICROS)).unwrap();
    importer.commit().unwrap();
    let rows = all(&store);
    assert_eq!((rows.len(), rows[0].client.to_string().as_str(), &rows[0].domain), (1, "::", &None));
}

#[test]
fn times_all_over_the_calendar_make_few_segments() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let mut importer = store.importer("a").unwrap();
    for number in 0..3_000 {
        importer.offer(event(number, DAY_MICROS + number as i64 * 24 * HOUR_MICROS)).unwrap();
    }
    importer.commit().unwrap();
    assert!(store.health().segments <= 512);
    assert_eq!(numbers(&store), (0..3_000).collect::<Vec<_>>());
}

#[test]
fn an_import_that_finds_the_disk_full_leaves_nothing_and_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let (store, _) = Store::open_on(disk.clone(), Duration::from_secs(60), settings(folder.path())).unwrap();
    let mut importer = store.importer("a").unwrap();
    (0..300).for_each(|number| importer.offer(event(number, DAY_MICROS + number as i64 * HOUR_MICROS)).unwrap());
    // For some of the thirteen days.
    disk.faults.room_bytes.store(200_000, SeqCst);
    assert!(matches!(importer.commit(), Err(ImportError::Io(_))));
    assert_eq!(files(folder.path(), "parquet"), Vec::<std::path::PathBuf>::new());
    assert_eq!(files(&folder.path().join(rollup::FOLDER), "parquet"), Vec::<std::path::PathBuf>::new());
    disk.faults.room_bytes.store(i64::MAX, SeqCst);
    assert!(matches!(importer.offer(event(300, DAY_MICROS)), Err(ImportError::Failed)));
    assert!(matches!(importer.commit(), Err(ImportError::Failed)));
    drop(importer);
    let mut importer = store.importer("a").unwrap();
    assert_eq!(importer.position(), 0);
    importer.offer(event(1, DAY_MICROS)).unwrap();
    importer.commit().unwrap();
    assert_eq!(numbers(&store), [1]);
}

#[test]
fn a_folder_is_in_use_while_an_import_may_write_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let importer = store.importer("a").unwrap();
    store.close();
    assert!(matches!(Store::open(settings(folder.path())), Err(StoreError::InUse { .. })));
    drop(importer);
    assert!(Store::open(settings(folder.path())).is_ok());
}

#[test]
fn a_lost_manifest_that_knew_of_merged_imports_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for source in ["a", "b"] {
        let mut importer = store.importer(source).unwrap();
        importer.offer(event(1, DAY_MICROS)).unwrap();
        importer.commit().unwrap();
    }
    store.compact().unwrap();
    store.close();
    drop(store);
    std::fs::remove_file(folder.path().join("manifest")).unwrap();
    let (store, opened) = open(folder.path());
    assert!(opened.notes.iter().any(|note| note.contains("may add events twice")), "{:?}", opened.notes);
    assert_eq!(all(&store).len(), 2);
}
