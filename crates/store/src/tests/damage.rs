//! Damaged files: what is left is served, and what was cut or set aside is said.

use super::*;
use crate::tests::support::Seeded;

/// A folder with one segment of events 0 to 999 and a WAL of 1,000 to 1,099, as a crash leaves it.
fn sample() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, numbered(0..1_000));
    store.close();
    drop(store);
    let (store, _) = open(folder.path());
    for number in 1_000..1_010 {
        put(&store, numbered(number..number + 1));
    }
    crash_image(folder.path())
}

/// Opens a damaged folder; its rows must be the events of `range`, whole and each once.
fn check(folder: &Path, range: std::ops::Range<u64>, notes: &[&str]) -> Store {
    let (store, opened) = open(folder);
    assert_eq!(opened.notes.len(), notes.len(), "{:?}", opened.notes);
    for (note, part) in opened.notes.iter().zip(notes) {
        assert!(note.contains(part), "{note} lacks {part}");
    }
    let mut expect = support::rows(&numbered(0..1_010).collect::<Vec<_>>(), 0);
    expect.retain(|row| range.contains(&row.seq));
    let got = all(&store);
    assert!(got == expect, "{} rows instead of {}", got.len(), expect.len());
    store
}

/// Bytes from `at` on are changed by `edit`.
fn edit(file: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(file).unwrap();
    edit(&mut bytes);
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn an_undamaged_image_is_whole() {
    check(sample().path(), 0..1_010, &[]);
}

#[test]
fn a_torn_wal_is_cut_at_its_last_good_record() {
    let sample = sample();
    let mut seeded = Seeded(7);
    let wal = only_file(sample.path(), "wal");
    let length = std::fs::metadata(&wal).unwrap().len();
    // Where each record ends: the image was taken after ten commits of one event.
    let ends = ends(&std::fs::read(&wal).unwrap());
    assert_eq!(ends.len(), 11);
    for _ in 0..12 {
        let image = crash_image(sample.path());
        let wal = only_file(image.path(), "wal");
        let keep = 24 + seeded.below(length - 24);
        edit(&wal, |bytes| bytes.truncate(keep as usize));
        let whole = ends.iter().filter(|&&end| end <= keep).count() as u64 - 1;
        let torn = !ends.contains(&keep);
        let name = wal.file_name().unwrap().to_str().unwrap().to_owned();
        let note = format!("{name}: record");
        let notes: &[&str] = if torn { &[&note] } else { &[] };
        let store = check(image.path(), 0..1_000 + whole, notes);
        drop(store);
        check(image.path(), 0..1_000 + whole, &[]);
    }
}

/// Where the header and each record of a WAL end.
fn ends(wal: &[u8]) -> Vec<u64> {
    let mut ends = vec![24];
    while let Some(length) = wal.get(ends[ends.len() - 1] as usize..).and_then(<[u8]>::first_chunk) {
        ends.push(ends[ends.len() - 1] + 8 + u64::from(u32::from_le_bytes(*length)));
    }
    ends
}

#[test]
fn a_flipped_bit_in_the_wal_cuts_it_there_and_says_where() {
    let sample = sample();
    let mut seeded = Seeded(11);
    for _ in 0..12 {
        let image = crash_image(sample.path());
        let wal = only_file(image.path(), "wal");
        edit(&wal, |bytes| {
            let at = 24 + seeded.below(bytes.len() as u64 - 24) as usize;
            bytes[at] ^= 1 << seeded.below(8);
        });
        let (store, opened) = open(image.path());
        let [note] = opened.notes.as_slice() else { panic!("{:?}", opened.notes) };
        let name = wal.file_name().unwrap().to_str().unwrap();
        assert!(note.contains(name) && note.contains("at byte") && note.ends_with("bytes were cut"), "{note}");
        let got = all(&store);
        assert!((1_000..1_010).contains(&got.len()), "{} rows", got.len());
        assert!(got == support::rows(&numbered(0..got.len() as u64).collect::<Vec<_>>(), 0));
    }
}

#[test]
fn a_wal_with_a_bad_header_is_set_aside() {
    let image = sample();
    let wal = only_file(image.path(), "wal");
    edit(&wal, |bytes| bytes[3] ^= 1);
    let name = wal.file_name().unwrap().to_str().unwrap().to_owned();
    check(image.path(), 0..1_000, &[name.as_str()]);
    assert!(image.path().join("aside").join(format!("wal_{name}")).exists());
}

#[test]
fn a_damaged_segment_is_set_aside_and_the_rest_is_served() {
    let sample = sample();
    let mut seeded = Seeded(13);
    let length = std::fs::metadata(only_file(sample.path(), "parquet")).unwrap().len();
    let places = (0..10).map(|_| seeded.below(length)).chain([0, length - 1, length - 5, length - 9]);
    for at in places.collect::<Vec<_>>() {
        let image = crash_image(sample.path());
        let segment = only_file(image.path(), "parquet");
        edit(&segment, |bytes| bytes[at as usize] ^= 1 << seeded.below(8));
        let name = segment.file_name().unwrap().to_str().unwrap().to_owned();
        drop(check(image.path(), 1_000..1_010, &[name.as_str()]));
        assert_eq!(files(&image.path().join("aside"), "parquet").len(), 1);
        check(image.path(), 1_000..1_010, &[]);
    }
}

#[test]
fn a_short_or_missing_segment_is_noted() {
    let sample = sample();
    let image = crash_image(sample.path());
    edit(&only_file(image.path(), "parquet"), |bytes| bytes.truncate(100));
    check(image.path(), 1_000..1_010, &["it has 100 bytes instead of"]);

    let image = crash_image(sample.path());
    std::fs::remove_file(only_file(image.path(), "parquet")).unwrap();
    check(image.path(), 1_000..1_010, &["is missing: 1000 events are lost"]);
}

#[test]
fn a_damaged_or_lost_manifest_is_made_again_from_the_segments() {
    let sample = sample();
    let image = crash_image(sample.path());
    edit(&image.path().join("manifest"), |bytes| bytes[40] ^= 1);
    let store = check(image.path(), 0..1_010, &["manifest was set aside", "was taken in: 1000 events"]);
    put(&store, [event(1, MORNING_MICROS)]);
    assert_eq!(all(&store).last().unwrap().seq, 1_010, "numbers go on");
    drop(store);
    let (_, opened) = open(image.path());
    assert_eq!(opened.notes, Vec::<String>::new());

    let image = crash_image(sample.path());
    std::fs::remove_file(image.path().join("manifest")).unwrap();
    check(image.path(), 0..1_010, &["was taken in: 1000 events"]);
}

#[test]
fn left_over_temporary_files_are_removed() {
    let image = sample();
    let segment = only_file(image.path(), "parquet");
    std::fs::write(segment.with_file_name("0000000009.tmp"), "half").unwrap();
    std::fs::write(image.path().join("manifest.tmp"), "half").unwrap();
    drop(check(image.path(), 0..1_010, &[]));
    assert!(files(image.path(), "tmp").is_empty());
}

/// The folder before and after its WAL became a segment.
fn around_a_flush() -> (TempDir, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, numbered(0..1_010));
    let before = crash_image(folder.path());
    store.close();
    (before, crash_image(folder.path()))
}

#[test]
fn a_crash_between_segment_and_manifest_shows_each_event_once() {
    let (before, after) = around_a_flush();
    copy(&after.path().join("segments"), &before.path().join("segments"));
    drop(check(before.path(), 0..1_010, &[]));
    check(before.path(), 0..1_010, &[]);
}

#[test]
fn a_crash_between_manifest_and_the_end_of_the_wal_shows_each_event_once() {
    let (before, after) = around_a_flush();
    copy(&before.path().join("wal"), &after.path().join("wal"));
    drop(check(after.path(), 0..1_010, &[]));
    check(after.path(), 0..1_010, &[]);
}

#[test]
fn a_segment_counts_when_its_wal_has_lost_its_tail() {
    let (before, after) = around_a_flush();
    copy(&after.path().join("segments"), &before.path().join("segments"));
    let wal = only_file(before.path(), "wal");
    edit(&wal, |bytes| bytes.truncate(30));
    drop(check(before.path(), 0..1_010, &["bytes were cut", "was taken in: 1010 events"]));
    check(before.path(), 0..1_010, &[]);
}

#[test]
fn a_manifest_lost_between_segment_and_wal_shows_each_event_once() {
    let (before, after) = around_a_flush();
    copy(&after.path().join("segments"), &before.path().join("segments"));
    std::fs::remove_file(before.path().join("manifest")).unwrap();
    check(before.path(), 0..1_010, &[]);
}

#[test]
fn a_segment_damaged_while_open_is_set_aside_when_read() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, numbered(0..1_000));
    store.close();
    let segment = store.inner.shared.snapshot().segments[0].clone();
    edit(&segment.path, |bytes| bytes[500] ^= 1);
    house(&store, vec![segment]).keep_house();
    assert_eq!((store.health().set_aside, store.health().rows), (1, 0));
    assert_eq!(files(&folder.path().join(rollup::FOLDER), "parquet"), Vec::<std::path::PathBuf>::new());
    assert_eq!(all(&store), []);
    drop(store);
    check(folder.path(), 0..0, &[]);
}

#[test]
fn a_segment_found_damaged_while_its_rollup_is_made_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, numbered(0..1_000));
    store.close();
    std::fs::remove_dir_all(folder.path().join(rollup::FOLDER)).unwrap();
    edit(&store.inner.shared.snapshot().segments[0].path, |bytes| bytes[500] ^= 1);
    house(&store, Vec::new()).keep_house();
    assert_eq!((store.health().set_aside, store.health().rows), (1, 0));
}

#[test]
fn a_segment_that_cannot_be_read_now_stays_in_the_log() {
    let sample = sample();
    let segment = only_file(sample.path(), "parquet");
    let away = sample.path().join("away");
    std::fs::rename(&segment, &away).unwrap();
    // A link to itself: the system refuses, whoever asks.
    std::os::unix::fs::symlink(&segment, &segment).unwrap();
    let (store, opened) = open(sample.path());
    assert!(matches!(&opened.notes[..], [note] if note.contains("stays in the log")), "{:?}", opened.notes);
    assert_eq!(store.health().rows, 1_010);
    store.close();
    let before = store.health();
    let segments = store.inner.shared.snapshot().segments.to_vec();
    house(&store, segments).keep_house();
    assert_eq!(store.health(), before, "nor is it set aside later");
    drop(store);
    std::fs::rename(&away, &segment).unwrap();
    check(sample.path(), 0..1_010, &[]);
}
