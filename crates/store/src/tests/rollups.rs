//! Rollups beside segments: made with them, gone with them, and made again when they are missing or damaged.

use super::*;
use crate::rollup::FOLDER;

/// Segments whose rollups can be used, events these count, and whether anything is left to scan.
fn rolled(store: &Store) -> (usize, u64, bool) {
    let Some(divided) = crate::divide(store.table().as_ref(), i64::MIN, i64::MAX) else { return (0, 0, true) };
    let (cells, rest) = divided.take(crate::Rollup::hours);
    let of_one = |cells: &crate::Cells| -> u64 {
        cells.stretches().flat_map(|(_, cells)| cells).map(|cell| u64::from(cell.events)).sum()
    };
    (cells.len(), cells.iter().map(|cells| of_one(cells)).sum(), rest.is_some())
}

fn wait_for_rollups(store: &Store, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while rolled(store).0 != count {
        assert!(Instant::now() < deadline, "still {:?}", rolled(store));
        breathe();
    }
}

fn one_segment() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, numbered(0..500));
    store.close();
    folder
}

fn of(folder: &Path) -> std::path::PathBuf {
    only_file(&folder.join(FOLDER), "parquet")
}

#[test]
fn a_segment_comes_with_its_rollup() {
    let folder = one_segment();
    let (store, opened) = open(folder.path());
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(rolled(&store), (1, 500, false));
    put(&store, numbered(500..600));
    assert_eq!(rolled(&store), (1, 500, true));
    let segment = only_file(folder.path(), "parquet");
    let (segments, rollups) = (folder.path().join("segments"), folder.path().join(FOLDER));
    assert_eq!(of(folder.path()), rollups.join(segment.strip_prefix(segments).unwrap()));
}

#[test]
fn a_segment_only_partly_in_the_window_is_left_to_be_scanned() {
    let folder = one_segment();
    let (store, _) = open(folder.path());
    let table = store.table();
    let divided = |from, to| crate::divide(table.as_ref(), MORNING_MICROS + from, MORNING_MICROS + to).is_some();
    assert!(divided(0, 500));
    assert!(!divided(1, 500));
    assert!(!divided(0, 499));
}

#[test]
fn a_damaged_rollup_is_set_aside_and_made_again() {
    for damage in [(|path| std::fs::write(path, b"nonsense").unwrap()) as fn(&Path), |path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[20] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }] {
        let folder = one_segment();
        let good = std::fs::read(of(folder.path())).unwrap();
        damage(&of(folder.path()));
        let (store, _) = open(folder.path());
        wait_for_rollups(&store, 1);
        assert_eq!(rolled(&store), (1, 500, false));
        assert_eq!(files(&folder.path().join("aside"), "parquet").len(), 1);
        assert_eq!(std::fs::read(of(folder.path())).unwrap().len(), good.len());
        assert_eq!(all(&store).len(), 500);
        drop(store);
        let (store, _) = open(folder.path());
        assert_eq!(rolled(&store), (1, 500, false), "the manifest knows the new one");
    }
}

#[test]
fn a_missing_rollup_is_made_again_and_meanwhile_the_segment_is_scanned() {
    let folder = one_segment();
    std::fs::remove_dir_all(folder.path().join(FOLDER)).unwrap();
    let (store, _) = open(folder.path());
    let (segments, events, scanned) = rolled(&store);
    assert!((segments, events, scanned) == (0, 0, true) || (segments, events, scanned) == (1, 500, false));
    wait_for_rollups(&store, 1);
    assert_eq!(rolled(&store).1, 500);
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    let segment = size(&only_file(folder.path(), "parquet")) + size(&of(folder.path()));
    assert_eq!(store.health().bytes, segment + store.inner.shared.wal_bytes());
}

#[test]
fn a_rollup_that_cannot_be_read_now_is_used_when_it_can() {
    let folder = one_segment();
    let (file, away) = (of(folder.path()), folder.path().join("away"));
    let (store, _) = open(folder.path());
    store.close();
    std::fs::rename(&file, &away).unwrap();
    // A link to itself: the system refuses, whoever asks.
    std::os::unix::fs::symlink(&file, &file).unwrap();
    drop(store);
    let (store, _) = open(folder.path());
    assert_eq!(rolled(&store), (0, 0, true));
    store.close();
    house(&store, Vec::new()).keep_house();
    assert!(file.symlink_metadata().unwrap().is_symlink(), "it is not made again");
    std::fs::rename(&away, &file).unwrap();
    assert_eq!(rolled(&store), (1, 500, false));
    assert!(!folder.path().join("aside").exists());
}

#[test]
fn manifests_of_before_get_rollups_in_the_background() {
    let folder = one_segment();
    std::fs::remove_dir_all(folder.path().join(FOLDER)).unwrap();
    let mut manifest = crate::manifest::load(folder.path()).unwrap();
    manifest.segments[0].rollup = None;
    manifest.save(&Disk::default(), folder.path()).unwrap();
    let (store, opened) = open(folder.path());
    assert_eq!(opened.notes, Vec::<String>::new());
    wait_for_rollups(&store, 1);
    assert!(!folder.path().join("aside").exists());
}

#[test]
fn rollups_without_a_segment_are_swept_up() {
    let folder = one_segment();
    let stray = of(folder.path()).with_file_name("stray.parquet");
    std::fs::write(&stray, b"left over from a crash").unwrap();
    let (store, opened) = open(folder.path());
    assert_eq!(opened.notes, Vec::<String>::new());
    assert!(!stray.exists());
    assert_eq!(rolled(&store).0, 1);
}

#[test]
fn a_rollup_goes_with_the_last_reader_of_its_segment() {
    let folder = one_segment();
    let (store, _) = open(folder.path());
    let table = store.table();
    store.set_retention(None, Some(0));
    wait_until(&store, |health| health.segments == 0);
    let divided = crate::divide(table.as_ref(), i64::MIN, i64::MAX).unwrap();
    drop(table);
    assert!(of(folder.path()).exists());
    assert_eq!(divided.take(crate::Rollup::minutes).0.len(), 1);
    assert_eq!(files(&folder.path().join("rollups"), "parquet").len(), 0);
}
