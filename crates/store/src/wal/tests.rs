//! Records as bytes: torn, flipped and foreign ones end the reading where they are.

use super::*;
use crate::tests::support::{MORNING_MICROS, event, rows};

/// Rows of `tests/wal-form-2`, and those of them that a list decided.
const FORM_2_ROWS: usize = 250;
const FORM_2_BLOCKED: usize = 30;

fn batch(first: u64, count: u64) -> RecordBatch {
    let mut builder = event::Builder::new(first);
    (first..first + count).for_each(|number| builder.push(&event(number, MORNING_MICROS + number as i64)));
    builder.finish()
}

/// A WAL of three records and the byte after each.
fn sample() -> (Vec<u8>, Vec<u64>, Vec<RecordBatch>) {
    let folder = tempfile::tempdir().unwrap();
    let mut wal = Wal::create(&Disk::default(), folder.path(), 7).unwrap();
    let batches = vec![batch(0, 5), batch(5, 1), batch(6, 300)];
    let mut ends = vec![wal.good_bytes()];
    for batch in &batches {
        wal.append(batch).unwrap();
        ends.push(wal.good_bytes());
    }
    (std::fs::read(path(folder.path(), 7)).unwrap(), ends, batches)
}

#[test]
fn what_is_appended_is_replayed() {
    let (bytes, _, batches) = sample();
    let found = replay_bytes(&bytes);
    assert_eq!(found.batches, batches);
    assert_eq!((found.good_bytes, found.fault), (bytes.len() as u64, None));
    let expect: Vec<_> = (0..5).map(|number| event(number, MORNING_MICROS + number as i64)).collect();
    assert_eq!(event::rows(&found.batches[0]).unwrap(), rows(&expect, 0));
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_records() {
    let (bytes, ends, batches) = sample();
    // Around each end byte by byte, between them a sample.
    let near = |length: &usize| ends.iter().any(|&end| end.abs_diff(*length as u64) < 12);
    for length in (0..bytes.len()).filter(|length| length % 97 == 0 || near(length)) {
        let found = replay_bytes(&bytes[..length]);
        let whole = ends.iter().filter(|&&end| end <= length as u64).count();
        assert_eq!(found.header_good, whole > 0, "cut to {length}");
        assert_eq!(found.batches, batches[..whole.saturating_sub(1)], "cut to {length}");
        assert_eq!(found.fault.is_none(), ends.contains(&(length as u64)), "cut to {length}");
        if whole > 0 {
            assert_eq!(found.good_bytes, ends[whole - 1]);
        }
    }
}

#[test]
fn a_flipped_bit_ends_the_replay_before_it() {
    let (bytes, ends, batches) = sample();
    let in_header = |bit: &usize| ends.iter().any(|&end| (end..end + 8).contains(&(*bit as u64 / 8)));
    for bit in (0..bytes.len() * 8).filter(|bit| *bit < 192 || bit % 499 == 0 || in_header(bit)) {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let found = replay_bytes(&bad);
        let whole = ends.iter().filter(|&&end| end <= (bit / 8) as u64).count();
        assert!(found.fault.is_some(), "bit {bit}");
        assert_eq!(found.header_good, whole > 0, "bit {bit}");
        assert_eq!(found.batches, batches[..whole.saturating_sub(1)], "bit {bit}");
    }
}

/// What a server that wrote form 2 left behind when it was killed.
#[test]
fn a_file_of_the_form_before_is_read() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wal-form-2/0000000001.wal");
    let old = replay_file(&file, 1).unwrap();
    assert_eq!(old.fault, None);
    let rows: Vec<_> = old.batches.iter().flat_map(|batch| event::rows(batch).unwrap()).collect();
    assert!(rows.iter().zip(0..).all(|(row, number)| row.seq == number), "numbers have a gap");
    let blocked = rows.iter().filter(|row| row.list.is_some()).count();
    assert_eq!((rows.len(), blocked), (FORM_2_ROWS, FORM_2_BLOCKED));

    let folder = tempfile::tempdir().unwrap();
    let mut wal = Wal::create(&Disk::default(), folder.path(), 1).unwrap();
    old.batches.iter().for_each(|batch| wal.append(batch).unwrap());
    let new = replay_file(&path(folder.path(), 1), 1).unwrap();
    assert_eq!(new.batches, old.batches);
    assert!(new.good_bytes < old.good_bytes, "{} octets instead of {}", new.good_bytes, old.good_bytes);
}

#[test]
fn zeros_and_noise_are_no_records() {
    let (bytes, ends, batches) = sample();
    for tail in [&[0; 4096][..], &[0xff; 4096], b"NWLOG\r\n\0"] {
        let found = replay_bytes(&[&bytes, tail].concat());
        assert_eq!(found.batches, batches);
        assert_eq!(Some(&found.good_bytes), ends.last());
        assert!(found.fault.is_some());
    }
}

#[test]
fn a_record_that_says_it_is_huge_is_not_believed() {
    let (mut bytes, ends, _) = sample();
    bytes.truncate(ends[0] as usize);
    for length in [u32::MAX, RECORD_BYTES_MAX as u32 + 1, RECORD_BYTES_MAX as u32] {
        let bytes = [&bytes[..], &length.to_le_bytes(), &[0; 64]].concat();
        assert!(replay_bytes(&bytes).fault.is_some(), "{length}");
    }
}

#[test]
fn a_wal_under_another_name_is_not_trusted() {
    let (bytes, ..) = sample();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(path(folder.path(), 8), bytes).unwrap();
    let found = replay_file(&path(folder.path(), 8), 8).unwrap();
    assert_eq!(found.fault.as_deref(), Some("header says it is WAL 7"));
}

#[test]
fn a_failed_append_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let mut wal = Wal::create(&disk, folder.path(), 1).unwrap();
    wal.append(&batch(0, 3)).unwrap();
    disk.faults.room_bytes.store(10, std::sync::atomic::Ordering::SeqCst);
    assert!(matches!(wal.append(&batch(3, 3)), Err(AppendError::Io(_))));
    assert!(std::fs::metadata(path(folder.path(), 1)).unwrap().len() > wal.good_bytes(), "half a record is there");
    disk.faults.room_bytes.store(i64::MAX, std::sync::atomic::Ordering::SeqCst);
    wal.append(&batch(6, 3)).unwrap();
    let found = replay_file(&path(folder.path(), 1), 1).unwrap();
    assert_eq!(found.batches, [batch(0, 3), batch(6, 3)]);
    assert_eq!(found.fault, None);
}
