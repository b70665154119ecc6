//! Housekeeping: retention and merging, while readers read.

use super::*;
use crate::segment::HOUR_MICROS;

/// Opens and closes the log once per segment of 100 events, an hour's segments at their hour.
fn segments_at(folder: &Path, hours: &[i64]) {
    for (at, hour) in (0_u64..).zip(hours) {
        let (store, _) = Store::open(Settings { keep_age: None, ..settings(folder) }).unwrap();
        put(&store, (at * 100..at * 100 + 100).map(|number| event(number, hour * HOUR_MICROS + number as i64)));
        store.close();
    }
}

fn this_hour() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_micros() as i64 / HOUR_MICROS
}

#[test]
fn old_hours_go_and_a_search_over_them_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let now = this_hour();
    segments_at(folder.path(), &[now - 9, now - 8, now - 1]);
    let (store, _) = open(folder.path());
    let table = store.table();
    assert_eq!(files(folder.path(), "parquet").len(), 3);
    store.set_retention(Some(Duration::from_secs(5 * 3_600)), None);
    wait_until(&store, |health| health.segments == 1);
    assert_eq!(all(&store).len(), 100);

    assert_eq!(files(folder.path(), "parquet").len(), 3, "a table holds them");
    let rows = searches::collect_table(table, |frame| frame).unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 300);
    // The table went with the search.
    assert_eq!(files(folder.path(), "parquet").len(), 1);

    drop(store);
    let (store, opened) = open(folder.path());
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(all(&store).len(), 100);
}

#[test]
fn segments_removed_but_still_there_after_a_crash_stay_removed() {
    let folder = tempfile::tempdir().unwrap();
    let now = this_hour();
    segments_at(folder.path(), &[now - 9, now - 1]);
    let (store, _) = open(folder.path());
    let table = store.table();
    store.set_retention(Some(Duration::from_secs(5 * 3_600)), None);
    wait_until(&store, |health| health.segments == 1);
    let image = crash_image(folder.path());
    assert_eq!(files(image.path(), "parquet").len(), 2);
    drop(table);
    let (recovered, opened) = open(image.path());
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(all(&recovered).len(), 100);
    assert_eq!(files(image.path(), "parquet").len(), 1);
}

#[test]
fn the_log_stays_within_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let now = this_hour();
    segments_at(folder.path(), &[now - 3, now - 2, now - 1]);
    let (store, _) = open(folder.path());
    let bytes = store.health().bytes;
    store.set_retention(None, Some(bytes - 1));
    let health = wait_until(&store, |health| health.segments == 2);
    assert!(health.bytes < bytes);
    assert_eq!(health.oldest_micros, Some((now - 2) * HOUR_MICROS + 100));
}

#[test]
fn small_segments_of_an_hour_gone_by_become_one() {
    let folder = tempfile::tempdir().unwrap();
    let now = this_hour();
    segments_at(folder.path(), &[now - 9; 4]);
    let (store, _) = open(folder.path());
    let (before, table) = (all(&store), store.table());
    wait_until(&store, |health| health.segments == 1);
    assert_eq!(all(&store), before);
    let rows = searches::collect_table(table, |frame| frame).unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 400);
    drop(store);
    assert_eq!(files(folder.path(), "parquet").len(), 1);

    let (store, opened) = open(folder.path());
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(all(&store), before);
}

#[test]
fn a_crash_around_a_merge_shows_each_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let now = this_hour();
    segments_at(folder.path(), &[now - 9; 3]);
    let before = crash_image(folder.path());
    let (store, _) = open(folder.path());
    let rows = all(&store);
    wait_until(&store, |health| health.segments == 1);
    drop(store);
    let check = |image: &Path| {
        let (store, _) = open(image);
        assert_eq!(all(&store), rows);
    };

    // The merged file is in place, the manifest names those it was made from.
    let image = crash_image(before.path());
    copy(&folder.path().join("segments"), &image.path().join("segments"));
    check(image.path());
    // The manifest names the merged file, those it was made from are still there.
    let image = crash_image(folder.path());
    copy(&before.path().join("segments"), &image.path().join("segments"));
    check(image.path());
    // All are there, and the manifest is lost.
    std::fs::remove_file(image.path().join("manifest")).unwrap();
    copy(&before.path().join("segments"), &image.path().join("segments"));
    check(image.path());
}

#[test]
fn a_quiet_server_keeps_few_live_batches() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for number in 0..40 {
        put(&store, numbered(number..number + 1));
    }
    assert!(store.inner.shared.snapshot().live.len() <= 7, "one batch per power of two");
    assert_eq!(all(&store).len(), 40);
}
