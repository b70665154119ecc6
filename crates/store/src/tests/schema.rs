//! A log that an earlier version began is read on; its columns that came later are empty. `tests/schema-1` is what a server of
//! the first schema left behind when it was killed: one segment, and a WAL with the rows after it.

use super::searches::read;
use super::*;
use datafusion::prelude::col;

/// Rows of the segment and of the WAL.
const SEALED: usize = 206;

fn first_schema() -> TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema-1"), folder.path());
    folder
}

#[test]
fn a_log_of_the_first_schema_is_read_and_written_on() {
    let folder = first_schema();
    let (store, opened) = open(folder.path());
    assert_eq!(opened.notes, Vec::<String>::new());
    let live = usize::try_from(opened.recovered).unwrap();
    let old = all(&store);
    assert!(live > 0);
    assert_eq!(old.len(), SEALED + live);
    assert!(old.iter().zip(0..).all(|(row, number)| row.seq == number && row.key.is_none() && row.update.is_none()));
    assert_eq!(old[0].time_micros, 1_795_527_442_848_557);
    let blocked = old.iter().filter(|row| row.list.as_deref() == Some("malware")).count();
    assert!(blocked > 0 && old.iter().all(|row| row.domain.is_some() || row.qtype == 0));

    // Rows with and without the new columns are one table, whatever asks for them.
    put(&store, numbered(0..20));
    let check = |store: &Store| {
        let keyed = read(store, |frame| frame.filter(col("key").is_not_null()).unwrap());
        assert_eq!(keyed.len(), 4);
        assert!(keyed.iter().all(|row| row.key.as_deref().is_some_and(|key| key.ends_with(".example"))));
        let empty = read(store, |frame| frame.filter(col("key").is_null()).unwrap());
        assert_eq!(empty.len(), old.len() + 16);
        let ordered = all(store);
        assert_eq!(ordered[..old.len()], old[..]);
        assert_eq!(ordered.len(), old.len() + 20);
    };
    check(&store);
    store.close();

    // Sealed by now: segments of both versions.
    let (store, opened) = open(folder.path());
    assert_eq!((opened.notes, opened.recovered), (Vec::new(), 0));
    check(&store);
    store.close();
}
