//! A disk that is full or broken: the log stops and says so, answers go on, and it starts again by itself.

use std::sync::atomic::Ordering::SeqCst;

use super::*;

const RETRY: Duration = Duration::from_millis(20);

fn open_on(disk: &Disk, folder: &Path) -> Store {
    Store::open_on(disk.clone(), RETRY, settings(folder)).unwrap().0
}

#[test]
fn a_full_disk_stops_the_log_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let store = open_on(&disk, folder.path());
    put(&store, numbered(0..100));

    disk.faults.room_bytes.store(100, SeqCst);
    let mut sender = store.sender();
    numbered(100..150).for_each(|event| sender.offer(event));
    let health = wait_until(&store, |health| health.dropped == 50);
    assert!(health.stopped.unwrap().contains("no space left"));
    assert_eq!(all(&store).len(), 100, "what is there is still found");

    disk.faults.room_bytes.store(i64::MAX, SeqCst);
    wait_until(&store, |health| health.stopped.is_none());
    put(&store, numbered(150..200));
    let domains: Vec<u64> = all(&store).iter().map(|row| support::number_of(row.domain.as_deref().unwrap())).collect();
    assert_eq!(domains, (0..100).chain(150..200).collect::<Vec<_>>());

    let image = crash_image(folder.path());
    let (recovered, opened) = open(image.path());
    assert_eq!(opened.notes, Vec::<String>::new(), "the torn record was cut off");
    assert_eq!(all(&recovered), all(&store));
}

#[test]
fn a_failed_sync_is_never_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let store = open_on(&disk, folder.path());
    disk.faults.syncs_fail.store(true, SeqCst);
    put(&store, numbered(0..10));
    wait_until(&store, |health| health.stopped.is_some());
    assert_eq!(store.synced_seq(), 0);
    disk.faults.syncs_fail.store(false, SeqCst);
    // The rows whose sync failed go to a segment, which is synced anew, and the WAL to a new file.
    wait_until(&store, |health| health.stopped.is_none() && health.segments == 1 && health.live_rows == 0);
    assert_eq!(store.synced_seq(), 10);
    put(&store, numbered(10..20));
    let image = crash_image(folder.path());
    let (recovered, _) = open(image.path());
    assert_eq!(all(&recovered), support::rows(&numbered(0..20).collect::<Vec<_>>(), 0));
}

#[test]
fn events_wait_in_the_wal_while_segments_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let settings = Settings { segment_rows: 100, ..settings(folder.path()) };
    let store = Store::open_on(disk, RETRY, settings).unwrap().0;
    let (segments, away) = (folder.path().join("segments"), folder.path().join("away"));
    std::fs::rename(&segments, &away).unwrap();
    std::fs::write(&segments, "not a folder").unwrap();

    put(&store, numbered(0..150));
    let health = wait_until(&store, |health| health.stopped.is_some());
    assert!(health.stopped.unwrap().starts_with("cannot write a segment"));
    put(&store, numbered(150..160));
    assert_eq!(all(&store).len(), 160);

    std::fs::remove_file(&segments).unwrap();
    std::fs::rename(&away, &segments).unwrap();
    wait_until(&store, |health| health.stopped.is_none() && health.segments > 0);
    assert_eq!(all(&store), support::rows(&numbered(0..160).collect::<Vec<_>>(), 0));
}

#[test]
fn live_rows_are_bounded_when_segments_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { segment_rows: 100, ..settings(folder.path()) };
    let store = Store::open_on(Disk::default(), RETRY, settings).unwrap().0;
    let segments = folder.path().join("segments");
    std::fs::remove_dir(&segments).unwrap();
    std::fs::write(&segments, "not a folder").unwrap();
    let mut sender = store.sender();
    let mut number = 0;
    let health = loop {
        numbered(number..number + 1_000).for_each(|event| sender.offer(event));
        number += 1_000;
        let health = wait_until(&store, |health| health.written + health.dropped == number);
        if health.dropped > 0 {
            break health;
        }
    };
    assert!(health.live_rows < 5 * 8_192, "{health:?}");
    assert_eq!(all(&store).len() as u64, health.live_rows);

    std::fs::remove_file(&segments).unwrap();
    wait_until(&store, |health| health.stopped.is_none() && health.live_rows < 100);
    put(&store, numbered(number..number + 10));
}

#[test]
fn closing_on_a_full_disk_leaves_the_events_in_the_wal() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let store = open_on(&disk, folder.path());
    put(&store, numbered(0..100));
    disk.faults.room_bytes.store(0, SeqCst);
    store.close();
    assert_eq!(store.health().segments, 0);
    drop(store);
    let (store, opened) = open(folder.path());
    assert_eq!((opened.recovered, opened.notes), (100, Vec::new()));
    assert_eq!(all(&store).len(), 100);
}
