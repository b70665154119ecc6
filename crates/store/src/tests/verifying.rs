//! Verification names exactly the file that is not as it should be, and opening serves the rest.

use super::*;
use FindingKind::{Damaged, Missing, Unknown};

/// Two segments of 500 events and a WAL with 10, as a crash leaves them.
fn sample() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in 0..2 {
        let (store, _) = open(folder.path());
        put(&store, numbered(part * 500..part * 500 + 500));
        store.close();
    }
    let (store, _) = open(folder.path());
    put(&store, numbered(1_000..1_010));
    crash_image(folder.path())
}

fn check(folder: &Path, expect: &[(&Path, FindingKind)]) -> Report {
    let before = tree(folder);
    let report = verify(folder).unwrap();
    assert_eq!(tree(folder), before, "it changes nothing");
    let found: Vec<_> = report.findings.iter().map(|finding| (folder.join(&finding.file), finding.kind)).collect();
    let expect: Vec<_> = expect.iter().map(|(file, kind)| (file.to_path_buf(), *kind)).collect();
    assert_eq!(found, expect, "{:?}", report.findings);
    assert!(report.findings.iter().all(|finding| !finding.reason.is_empty()));
    report
}

fn tree(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = ["parquet", "wal", "tmp"].iter().flat_map(|ending| files(folder, ending)).collect();
    found.extend([folder.join("manifest"), folder.join("lock")].into_iter().filter(|path| path.exists()));
    found.sort();
    found.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn a_good_log_is_good() {
    let sample = sample();
    let report = check(sample.path(), &[]);
    assert!(report.is_good() && report.bytes > 0);
    assert_eq!((report.segments, report.segment_rows, report.wals, report.wal_rows), (2, 1_000, 1, 10));
}

#[test]
fn each_damaged_file_is_named_alone_and_the_rest_is_served() {
    let sample = sample();
    let names: Vec<_> = tree(sample.path())
        .into_iter()
        .filter(|(path, _)| !path.ends_with("lock"))
        .map(|(path, bytes)| (path.strip_prefix(sample.path()).unwrap().to_owned(), bytes))
        .collect();
    assert_eq!(names.len(), 4);
    let mut seeded = support::Seeded(5);
    for (name, good) in &names {
        let wal = name.starts_with("wal");
        let rows = if wal {
            1_000
        } else if name.starts_with("segments") {
            510
        } else {
            1_010
        };
        for round in 0..4 {
            let image = crash_image(sample.path());
            let file = image.path().join(name);
            let mut bad = good.clone();
            if round < 2 {
                // Behind the head of a WAL, whose version would be another.
                let at = 24 + seeded.below(good.len() as u64 - 24) as usize;
                bad[at] ^= 1 << seeded.below(8);
                if name.ends_with("manifest") && bad.eq_ignore_ascii_case(good) {
                    continue;
                }
            } else {
                bad.truncate(30 + seeded.below(good.len() as u64 - 40) as usize);
            }
            std::fs::write(&file, bad).unwrap();
            check(image.path(), &[(&file, Damaged)]);
            let (store, opened) = open(image.path());
            assert!(!opened.notes.is_empty(), "{name:?}");
            assert!(all(&store).len() >= rows, "{name:?}: {} rows", all(&store).len());
        }
        let image = crash_image(sample.path());
        let file = image.path().join(name);
        std::fs::remove_file(&file).unwrap();
        // Nobody names the WAL; what was in it was never promised beyond it.
        let expect: &[_] = if wal { &[] } else { &[(file.as_path(), Missing)] };
        check(image.path(), expect);
        let (store, _) = open(image.path());
        assert_eq!(all(&store).len(), rows, "{name:?}");
    }
}

#[test]
fn files_that_are_no_part_of_the_log_are_named() {
    let image = sample();
    let segment = files(image.path(), "parquet").remove(0);
    let copy = segment.with_file_name("merged-0000009999.parquet");
    std::fs::copy(&segment, &copy).unwrap();
    let note = image.path().join("note.txt");
    std::fs::write(&note, "hello").unwrap();
    std::fs::write(segment.with_extension("tmp"), "left over").unwrap();
    let mut expect = [(note.as_path(), Unknown), (copy.as_path(), Unknown)];
    expect.sort_by_key(|(file, _)| *file);
    check(image.path(), &expect);
}

#[test]
fn what_was_set_aside_is_counted() {
    let image = sample();
    let segment = files(image.path(), "parquet").remove(0);
    std::fs::write(&segment, "no segment").unwrap();
    drop(open(image.path()));
    assert_eq!(check(image.path(), &[]).aside, 1);
}

#[test]
fn an_open_log_verifies_itself_and_refuses_others() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, numbered(0..500));
    store.close();
    drop(store);
    let (store, _) = open(folder.path());
    put(&store, numbered(500..510));
    assert!(matches!(verify(folder.path()), Err(StoreError::InUse { .. })));
    let report = store.verify().unwrap();
    assert!(report.is_good(), "{:?}", report.findings);
    assert_eq!((report.segments, report.segment_rows, report.wals, report.wal_rows), (1, 500, 1, 10));

    let (segment, wal) = (only_file(folder.path(), "parquet"), only_file(folder.path(), "wal"));
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    std::fs::remove_file(&wal).unwrap();
    std::fs::write(folder.path().join("segments/stranger"), "").unwrap();
    let found: Vec<_> = store.verify().unwrap().findings.into_iter().map(|finding| finding.kind).collect();
    assert_eq!(found, [Unknown, Damaged, Missing]);
    store.close();
    assert!(store.verify().is_err());
}
