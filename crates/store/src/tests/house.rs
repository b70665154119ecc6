//! Housekeeping: retention and merging, while readers read.

use std::sync::atomic::Ordering::SeqCst;

use super::*;
use crate::segment::HOUR_MICROS;

/// Opens and closes the log once per segment of 100 events, each at its hour. Hours of different days are not merged.
pub(super) fn segments_at(folder: &Path, hours: &[i64]) {
    for (at, hour) in (0_u64..).zip(hours) {
        let (store, _) = Store::open(Settings { keep_age: None, ..settings(folder) }).unwrap();
        put(&store, (at * 100..at * 100 + 100).map(|number| event(number, hour * HOUR_MICROS + number as i64)));
        store.close();
    }
}

pub(super) fn this_hour() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_micros() as i64 / HOUR_MICROS
}

#[test]
fn old_hours_go_and_a_search_over_them_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let now = this_hour();
    segments_at(folder.path(), &[now - 57, now - 33, now - 1]);
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
    segments_at(folder.path(), &[now - 33, now - 1]);
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
    segments_at(folder.path(), &[now - 49, now - 25, now - 1]);
    let (store, _) = open(folder.path());
    let bytes = store.health().bytes;
    store.set_retention(None, Some(bytes - 1));
    let health = wait_until(&store, |health| health.segments == 2);
    assert!(health.bytes < bytes);
    assert_eq!(health.oldest_micros, Some((now - 25) * HOUR_MICROS + 100));
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

#[test]
fn merged_segments_are_in_the_order_of_tenant_client_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let hour = this_hour() - 9;
    for part in 0..3 {
        let (store, _) = open(folder.path());
        put(
            &store,
            (part * 100..part * 100 + 100).map(|number| Event {
                tenant: (number % 3 > 0).then(|| format!("tenant {}", number % 3).into()),
                ..event(number, hour * HOUR_MICROS + number as i64)
            }),
        );
        store.close();
    }
    let (store, _) = open(folder.path());
    wait_until(&store, |health| health.segments == 1);
    let segment = store.inner.shared.snapshot().segments[0].clone();
    assert!(segment.entry.by_client);
    assert_eq!(segment.entry.time_min_micros, hour * HOUR_MICROS);
    assert_eq!(segment.entry.time_max_micros, hour * HOUR_MICROS + 299);
    let rows: Vec<Row> =
        crate::segment::read_rows(&segment).unwrap().iter().flat_map(|batch| event::rows(batch).unwrap()).collect();
    let key = |row: &Row| (row.tenant.clone(), event::address_bytes(row.client), row.time_micros);
    assert!(rows.is_sorted_by_key(key) && rows.len() == 300);
    assert!(!rows.is_sorted_by_key(|row| row.time_micros));
}

#[test]
fn a_tenants_events_go_at_the_tenants_time() {
    let folder = tempfile::tempdir().unwrap();
    let now = this_hour();
    for (number, hour) in (0..).zip([now - 57, now - 33, now - 1]) {
        let (store, _) = open(folder.path());
        let tenants = [None, Some("short"), Some("long")];
        put(
            &store,
            tenants.into_iter().zip(0..).map(|(tenant, at)| Event {
                tenant: tenant.map(Arc::from),
                ..event(number * 3 + at, hour * HOUR_MICROS)
            }),
        );
        store.close();
    }
    let keep = vec![("short".into(), Duration::from_secs(5 * 3_600)), ("other".into(), Duration::from_secs(1))];
    let (store, _) = Store::open(Settings { keep_tenants: keep, ..settings(folder.path()) }).unwrap();
    wait_until(&store, |health| health.rows == 7);
    let kept: Vec<u64> = all(&store).iter().map(|row| support::number_of(row.domain.as_deref().unwrap())).collect();
    assert_eq!(kept, [0, 2, 3, 5, 6, 7, 8]);
    assert_eq!(store.status().purged, 2);
    store.set_keep_tenants(vec![("long".into(), Duration::from_secs(40 * 3_600))]);
    wait_until(&store, |health| health.rows == 6);
    drop(store);
    let (store, opened) = open(folder.path());
    assert_eq!((opened.notes, all(&store).len()), (Vec::new(), 6));
}

#[test]
fn an_event_of_the_future_does_not_keep_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let (now, ten_years) = (this_hour(), 10 * 365 * 24);
    let (store, _) = open(folder.path());
    put(
        &store,
        [event(0, (now - 30) * HOUR_MICROS), event(1, (now + ten_years) * HOUR_MICROS), event(2, now * HOUR_MICROS)],
    );
    store.close();
    drop(store);
    let keep_age = Some(Duration::from_secs(5 * 3_600));
    let (store, _) = Store::open(Settings { keep_age, ..settings(folder.path()) }).unwrap();
    wait_until(&store, |health| health.rows == 2);
    let kept: Vec<u64> = all(&store).iter().map(|row| support::number_of(row.domain.as_deref().unwrap())).collect();
    assert_eq!(kept, [1, 2]);
}

#[test]
fn clocks_that_jump_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let hour = this_hour() - 3;
    let jumps = [0, -1, 24 * 365, 24 * 365 - 1, 0, 1];
    for (at, jump) in (0_u64..).zip(jumps) {
        let (store, opened) = open(folder.path());
        assert_eq!(opened.notes, Vec::<String>::new());
        put(&store, (at * 100..at * 100 + 100).map(|number| event(number, (hour + jump) * HOUR_MICROS)));
        if at % 2 == 0 {
            store.close();
        }
    }
    let keep_age = Some(Duration::from_secs(3_600 * 48));
    let (store, _) = Store::open(Settings { keep_age, ..settings(folder.path()) }).unwrap();
    store.compact().unwrap();
    let numbers: Vec<u64> = all(&store).iter().map(|row| row.seq).collect();
    assert_eq!(numbers, (0..600).collect::<Vec<_>>());
    let inside = searches::read(&store, |frame| {
        let at = |hours: i64| {
            let micros =
                datafusion::scalar::ScalarValue::TimestampMicrosecond(Some(hours * HOUR_MICROS), Some("UTC".into()));
            datafusion::prelude::lit(micros)
        };
        frame.filter(datafusion::prelude::col("time").between(at(hour - 1), at(hour))).unwrap()
    });
    assert_eq!(inside.len(), 300);
}

#[test]
fn compact_does_all_at_once_and_says_what() {
    let folder = tempfile::tempdir().unwrap();
    let day = this_hour().div_euclid(24) * 24;
    segments_at(folder.path(), &[day - 20, day - 20, day - 19, day - 44, day - 43]);
    let (store, _) = Store::open(settings(folder.path())).unwrap();
    let rows = all(&store);
    let done = store.compact().unwrap();
    assert_eq!(store.health().segments, 2, "{done:?}");
    assert_eq!(all(&store), rows);
    assert_eq!(store.compact().unwrap(), Compacted::default());
    let status = store.status();
    assert_eq!((status.rows, status.segments, status.compacted_segments), (500, 2, 2));
    assert!(status.uncompressed_bytes > status.compressed_bytes && status.compressed_bytes > 0);
    let schema = Schema { version: event::SCHEMA_VERSION, segments: 2, rows: 500 };
    assert_eq!((status.by_schema, status.next_purge), (vec![schema], None));
    store.set_retention(Some(Duration::from_secs(1_000 * 3_600)), None);
    let purge = store.status().next_purge.unwrap();
    assert_eq!((purge.rows, purge.at_micros), (200, (day - 42 + 1_000) * HOUR_MICROS));
    store.close();
    assert!(matches!(store.compact(), Err(ImportError::Closed)));
}

/// A closed log with a segment of 100 events for each of these hours, none of them merged, and a disk with room again.
fn unmerged(folder: &Path, hours: &[i64]) -> (Disk, Store) {
    let (disk, mut manifest) = (Disk::default(), crate::manifest::Manifest::default());
    for (number, hour) in (1..).zip(hours) {
        let mut builder = ::event::Builder::new((number - 1) * 100);
        (0..100).for_each(|at| builder.push(&event(at, hour * HOUR_MICROS + at as i64)));
        let (name, batch) = (format!("{number:010}"), Arc::new(builder.finish()));
        let source = crate::segment::Source::Wal(number);
        manifest.segments.push(crate::segment::write(&disk, folder, &name, &source, &[batch]).unwrap());
        (manifest.wal_done, manifest.next_seq) = (number, number * 100);
    }
    manifest.save(&disk, folder).unwrap();
    // Room for a WAL and no more: the segment thread cannot be quicker.
    disk.faults.room_bytes.store(100, SeqCst);
    let store = Store::open_on(disk.clone(), Duration::from_secs(60), settings(folder)).unwrap().0;
    store.close();
    assert_eq!(store.health().segments, hours.len() as u64);
    disk.faults.room_bytes.store(i64::MAX, SeqCst);
    (disk, store)
}

/// The number of segments, after one step of the segment thread.
fn step(house: &mut Segmenter, store: &Store) -> u64 {
    house.keep_house();
    store.health().segments
}

#[test]
fn compaction_goes_step_by_step_with_other_work_between() {
    let folder = tempfile::tempdir().unwrap();
    let day = this_hour().div_euclid(24) * 24;
    let (_, store) = unmerged(folder.path(), &[day - 68, day - 68, day - 44, day - 44, day - 20, day - 20]);
    let mut house = house(&store, Vec::new());
    let (reply, compacted) = mpsc::sync_channel(1);
    house.work(jobs::Job::Compact(reply));
    for left in [5, 4, 3] {
        assert_eq!(step(&mut house, &store), left);
        assert!(compacted.try_recv().is_err(), "it is not over");
        let (reply, looked) = mpsc::sync_channel(1);
        house.work(jobs::Job::Look(reply));
        assert_eq!(looked.try_recv().unwrap().segments.len() as u64, left);
    }
    while house.keep_house() {}
    let done = compacted.try_recv().unwrap().unwrap();
    assert_eq!((done.merged, done.written), (6, 3));
}

#[test]
fn after_a_failed_merge_the_disk_is_left_alone_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let now = this_hour();
    let (disk, store) = unmerged(folder.path(), &[now - 9; 3]);
    let mut house = house(&store, Vec::new());
    disk.faults.room_bytes.store(0, SeqCst);
    assert_eq!(step(&mut house, &store), 3);
    disk.faults.room_bytes.store(i64::MAX, SeqCst);
    assert_eq!(step(&mut house, &store), 3);
    let (reply, compacted) = mpsc::sync_channel(1);
    house.work(jobs::Job::Compact(reply));
    assert_eq!(step(&mut house, &store), 1, "whoever asks for it does not wait");
    while house.keep_house() {}
    assert_eq!(compacted.try_recv().unwrap().unwrap().merged, 3);
}

#[test]
fn what_could_not_be_dropped_is_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, store) = unmerged(folder.path(), &[this_hour() - 9]);
    let mut house = house(&store, Vec::new());
    store.set_retention(None, Some(0));
    disk.faults.room_bytes.store(0, SeqCst);
    let (reply, compacted) = mpsc::sync_channel(1);
    house.work(jobs::Job::Compact(reply));
    assert!(compacted.try_recv().unwrap().is_err());
    assert_eq!((store.status().purged, store.health().rows), (0, 100));
}

#[test]
fn a_merged_segment_that_no_manifest_ever_named_is_not_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let hour = this_hour() - 9;
    segments_at(folder.path(), &[hour; 3]);
    let merged = |store: &Store| {
        wait_until(store, |health| health.segments == 1);
        store.inner.shared.snapshot().segments[0].path.clone()
    };
    let (store, _) = open(folder.path());
    let first = merged(&store);
    let bytes = std::fs::read(&first).unwrap();
    store.close();
    drop(store);
    let (store, _) = open(folder.path());
    put(&store, (300..400).map(|number| event(number, hour * HOUR_MICROS + number as i64)));
    store.close();
    drop(store);
    let (store, _) = open(folder.path());
    let second = merged(&store);
    store.close();
    drop(store);
    assert_ne!(first, second);
    // As if only the second had been saved: what the first was made from is gone, and named nowhere.
    std::fs::write(&first, bytes).unwrap();
    let (store, opened) = open(folder.path());
    assert_eq!((opened.notes, all(&store).len()), (Vec::new(), 400));
    assert!(!first.exists());
}

#[test]
fn events_written_under_a_wrong_clock_do_not_end_the_protection_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let (now, months) = (this_hour(), 60 * 24);
    // The clock says now, and that is wrong: sixty days ago is right.
    segments_at(folder.path(), &[now - months, now]);
    let mut manifest = crate::manifest::load(folder.path()).unwrap();
    let believed = crate::clock::Believed { micros: (now - months) * HOUR_MICROS, ahead_micros: Some(1) };
    manifest.believed = Some(believed);
    manifest.save(&Disk::default(), folder.path()).unwrap();
    let keep_age = Some(Duration::from_secs(30 * 24 * 3_600));
    for _ in 0..2 {
        let (store, _) = Store::open(Settings { keep_age, ..settings(folder.path()) }).unwrap();
        store.compact().unwrap();
        put(&store, [event(1_000, now * HOUR_MICROS)]);
        store.close();
        assert!(all(&store).len() > 200);
        assert_eq!(store.status().purged, 0);
    }
}
