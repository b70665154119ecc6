//! The log as a whole: what goes in comes out, once, whatever happens in between.

mod damage;
mod disk;
mod house;
mod imports;
mod privacy;
mod remote;
mod rollups;
mod schema;
mod searches;
#[path = "../../tests/support/mod.rs"]
pub(crate) mod support;
mod verifying;

use std::path::Path;

use event::{Event, Row};
use tempfile::TempDir;

use super::*;
use support::{MORNING_MICROS, event};

/// Longest wait for something that always comes.
const PATIENCE: Duration = Duration::from_secs(60);

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.to_owned(),
        keep_age: None,
        keep_bytes: None,
        segment_rows: 1_000_000,
        segment_age: Duration::from_secs(3_600),
        sync_every: Duration::from_millis(200),
        ..Settings::default()
    }
}

fn open(folder: &Path) -> (Store, Opened) {
    Store::open(settings(folder)).unwrap()
}

/// Waits until the log is as wanted.
fn wait_until(store: &Store, wanted: impl Fn(&Health) -> bool) -> Health {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = store.health();
        if wanted(&health) {
            return health;
        }
        assert!(Instant::now() < deadline, "still {health:?}");
        breathe();
    }
}

/// Lets the threads waited for run.
fn breathe() {
    thread::park_timeout(Duration::from_millis(2));
}

/// Offers events and waits until a reader sees them.
fn put(store: &Store, events: impl IntoIterator<Item = Event>) {
    let before = store.health().written;
    let mut sender = store.sender();
    let mut count = 0;
    for event in events {
        sender.offer(event);
        count += 1;
        // A ring holds twice as many: nothing is dropped, however busy the machine is.
        if count % 8_192 == 0 {
            wait_until(store, |health| health.written == before + count);
        }
    }
    wait_until(store, |health| health.written == before + count);
}

fn numbered(numbers: std::ops::Range<u64>) -> impl Iterator<Item = Event> {
    numbers.map(|number| event(number, MORNING_MICROS + number as i64))
}

/// All rows a search sees, in order of their numbers.
fn all(store: &Store) -> Vec<Row> {
    searches::read(store, |frame| frame.sort(vec![datafusion::prelude::col("seq").sort(true, false)]).unwrap())
}

/// The folder as a crash at this moment leaves it, but for the lock.
fn crash_image(folder: &Path) -> TempDir {
    let manifest = || std::fs::read(folder.join("manifest")).ok();
    loop {
        let (image, before) = (tempfile::tempdir().unwrap(), manifest());
        // House-keeping goes on meanwhile; a crash shows one moment of it.
        if try_copy(folder, image.path()).is_ok() && manifest() == before {
            return image;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    try_copy(from, to).unwrap();
}

fn try_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            try_copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The only file below a folder with this ending.
fn only_file(folder: &Path, extension: &str) -> std::path::PathBuf {
    let mut files = files(folder, extension);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn files(folder: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // Rollups are as many as segments; who wants them starts below their folder.
            if !path.ends_with(crate::rollup::FOLDER) {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|has| has == extension) {
            found.push(path);
        }
    }
    found
}

/// The segment thread of a closed log, to be taken step by step.
fn house(store: &Store, unchecked: Vec<Arc<segment::Segment>>) -> Segmenter {
    let manifest = manifest::load(&store.inner.shared.folder).unwrap();
    Segmenter::new(&store.inner.shared, manifest, unchecked, mpsc::sync_channel(1).1)
}

#[test]
fn an_event_is_seen_live_in_a_segment_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, opened) = open(folder.path());
    assert_eq!((opened.recovered, opened.notes), (0, Vec::new()));
    put(&store, numbered(0..100));
    let expect = support::rows(&numbered(0..100).collect::<Vec<_>>(), 0);
    assert_eq!(all(&store), expect);
    assert_eq!((store.health().live_rows, store.health().segments), (100, 0));

    store.close();
    assert_eq!(all(&store), expect);
    let health = store.health();
    assert_eq!((health.rows, health.live_rows, health.segments), (100, 0, 1));
    assert_eq!(health.oldest_micros, Some(MORNING_MICROS));
    assert_eq!(files(folder.path(), "wal"), Vec::<std::path::PathBuf>::new());
    drop(store);

    let (store, opened) = open(folder.path());
    assert_eq!((opened.recovered, opened.notes), (0, Vec::new()));
    assert_eq!(all(&store), expect);
    put(&store, numbered(100..101));
    assert_eq!(all(&store).last().unwrap().seq, 100, "numbers go on");
}

#[test]
fn a_crash_loses_nothing_that_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, numbered(0..5_000));
    let image = crash_image(folder.path());
    let (recovered, opened) = open(image.path());
    assert_eq!((opened.recovered, opened.notes), (5_000, Vec::new()));
    assert_eq!(all(&recovered), all(&store));
    // The recovered generation becomes a segment by itself.
    wait_until(&recovered, |health| health.segments == 1);
    put(&recovered, numbered(5_000..5_010));
    assert_eq!(all(&recovered), support::rows(&numbered(0..5_010).collect::<Vec<_>>(), 0));
}

#[test]
fn what_is_synced_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, numbered(0..10));
    let deadline = Instant::now() + PATIENCE;
    while store.synced_seq() < 10 {
        assert!(Instant::now() < deadline);
        breathe();
    }
    assert_eq!(store.synced_seq(), 10);
}

#[test]
fn two_stores_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    assert!(matches!(Store::open(settings(folder.path())), Err(StoreError::InUse { .. })));
    store.close();
    store.close();
    assert!(Store::open(settings(folder.path())).is_ok());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let Err(error) = Store::open(settings(&file.join("log"))) else { panic!("opened below a file") };
    assert!(error.to_string().contains("file/log"), "{error}");
}

#[test]
fn a_sender_of_a_closed_log_drops_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let mut before = store.sender();
    before.offer(event(0, MORNING_MICROS));
    wait_until(&store, |health| health.written == 1);
    store.close();
    let mut after = store.sender();
    before.offer(event(1, MORNING_MICROS));
    after.offer(event(2, MORNING_MICROS));
    assert_eq!(store.health().dropped, 2);
}

#[test]
fn what_is_offered_before_close_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let mut sender = store.sender();
    numbered(0..9_000).for_each(|event| sender.offer(event));
    drop(sender);
    store.close();
    assert_eq!(all(&store).len(), 9_000);
}

#[test]
fn many_threads_send_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(Settings { segment_rows: 3_000, ..settings(folder.path()) }).unwrap();
    thread::scope(|scope| {
        for part in 0..4 {
            let mut sender = store.sender();
            scope.spawn(move || numbered(part * 2_500..(part + 1) * 2_500).for_each(|event| sender.offer(event)));
        }
    });
    wait_until(&store, |health| health.written == 10_000);
    let mut numbers: Vec<u64> =
        all(&store).iter().map(|row| support::number_of(row.domain.as_deref().unwrap())).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10_000).collect::<Vec<_>>());
    assert_eq!(store.health().dropped, 0);
}

#[test]
fn subscribers_hear_each_batch_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let mut feed = store.subscribe();
    put(&store, numbered(0..20_000));
    let mut heard = Vec::new();
    while heard.len() < 20_000 {
        heard.extend(event::rows(&feed.blocking_recv().unwrap()).unwrap());
    }
    assert_eq!(heard, support::rows(&numbered(0..20_000).collect::<Vec<_>>(), 0));
}

/// Waits until nothing is under way: a copy taken in the middle of a flush has files of different moments.
fn settle(store: &Store, folder: &Path, segment_rows: usize) {
    let shared = &store.inner.shared;
    wait_until(store, |_| {
        shared.oldest_sealed().is_none() && shared.live_rows().1 < segment_rows && files(folder, "wal").len() == 1
    });
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Steps are events to put; after some of them the log is closed or crashes and is opened again.
    #[test]
    fn rows_read_are_the_events_put(
        steps in proptest::collection::vec((0_u64..3_000, 0_u8..4), 1..8),
        segment_rows in 1_usize..4_000,
    ) {
        let mut folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(Settings { segment_rows, ..settings(folder.path()) }).unwrap().0;
        let mut count = 0;
        for (more, then) in steps {
            put(&store, numbered(count..count + more));
            count += more;
            match then {
                0 => store.close(),
                1 => {
                    settle(&store, folder.path(), segment_rows);
                    folder = crash_image(folder.path());
                }
                _ => continue,
            }
            store = Store::open(Settings { segment_rows, ..settings(folder.path()) }).unwrap().0;
        }
        let expect = support::rows(&numbered(0..count).collect::<Vec<_>>(), 0);
        let got = all(&store);
        proptest::prop_assert!(got == expect, "{} rows of {}", got.len(), expect.len());
        proptest::prop_assert_eq!(store.health().rows, count);
    }
}
