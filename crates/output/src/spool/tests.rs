//! Spools that are killed, torn, damaged, too small, on disks that are full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

fn open(folder: &Path) -> Spool {
    Spool::open(folder, 1 << 20, "test".to_owned(), system_opener()).unwrap()
}

fn append(spool: &mut Spool, range: std::ops::Range<u32>) {
    range.for_each(|number| spool.append(format!("record {number:04}").as_bytes()).unwrap());
}

/// Reads and sends this many.
fn send(spool: &mut Spool, count: usize) -> Vec<u32> {
    let mut sent = Vec::new();
    while sent.len() < count
        && let Some((content, place)) = spool.read()
    {
        sent.push(String::from_utf8(content).unwrap()["record ".len()..].parse().unwrap());
        spool.sent(place);
    }
    sent
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().extension().is_some()).count()
}

fn only_file(folder: &Path) -> PathBuf {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some()).unwrap()
}

#[test]
fn what_was_kept_comes_back_in_order_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    append(&mut spool, 0..100);
    assert_eq!(send(&mut spool, 30), (0..30).collect::<Vec<_>>());
    spool.keep_position();
    drop(spool);
    let mut spool = open(folder.path());
    assert_eq!((spool.unsent(), spool.notes.len()), (70, 0));
    append(&mut spool, 100..110);
    assert_eq!(send(&mut spool, 999), (30..110).collect::<Vec<_>>());
    assert_eq!((spool.bytes(), files(folder.path())), (0, 0), "what was sent leaves nothing behind");
}

#[test]
fn a_kill_sends_again_from_the_last_known_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    append(&mut spool, 0..100);
    send(&mut spool, 30);
    spool.keep_position();
    send(&mut spool, 20);
    drop(spool);
    assert_eq!(send(&mut open(folder.path()), 999), (30..100).collect::<Vec<_>>());
}

#[test]
fn the_place_of_a_former_file_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    append(&mut spool, 0..10);
    send(&mut spool, 5);
    spool.keep_position();
    send(&mut spool, 5);
    append(&mut spool, 10..20);
    drop(spool);
    assert_eq!(send(&mut open(folder.path()), 999), (10..20).collect::<Vec<_>>());
}

#[test]
fn a_torn_end_is_cut_and_said_wherever_it_is_torn() {
    let whole = tempfile::tempdir().unwrap();
    let mut spool = open(whole.path());
    append(&mut spool, 0..3);
    let octets = fs::read(only_file(whole.path())).unwrap();
    let head = spool.head().len();
    let record = RECORD_HEAD + "record 0000".len();
    for len in head..octets.len() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(format!("{FIRST:020}.spool")), &octets[..len]).unwrap();
        let mut spool = open(folder.path());
        let records = (len - head) / record;
        let is_torn = !(len - head).is_multiple_of(record);
        assert_eq!(spool.notes.iter().filter(|note| note.contains("torn end")).count(), usize::from(is_torn), "{len}");
        append(&mut spool, 7..9);
        let expected: Vec<u32> = (0..records as u32).chain(7..9).collect();
        assert_eq!(send(&mut spool, 99), expected, "cut to {len}");
    }
}

#[test]
fn a_flipped_bit_never_sends_what_was_not_kept() {
    let whole = tempfile::tempdir().unwrap();
    append(&mut open(whole.path()), 0..3);
    let octets = fs::read(only_file(whole.path())).unwrap();
    for bit in 0..octets.len() * 8 {
        let folder = tempfile::tempdir().unwrap();
        let mut flipped = octets.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(folder.path().join(format!("{FIRST:020}.spool")), &flipped).unwrap();
        let mut spool = open(folder.path());
        assert!(!spool.notes.is_empty(), "bit {bit}");
        let sent = send(&mut spool, 99);
        assert!(sent.len() < 3 && sent == (0..sent.len() as u32).collect::<Vec<_>>(), "bit {bit}: {sent:?}");
    }
}

#[test]
fn what_was_made_for_another_far_end_is_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    append(&mut open(folder.path()), 0..3);
    let spool = Spool::open(folder.path(), 1 << 20, "other".to_owned(), system_opener()).unwrap();
    assert_eq!((spool.unsent(), spool.lost.of(Loss::Damaged)), (0, 3));
    assert!(spool.notes[0].contains("another kind of far end"), "{:?}", spool.notes);
}

#[test]
fn the_oldest_go_when_the_spool_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 8_000, "test".to_owned(), system_opener()).unwrap();
    append(&mut spool, 0..1000);
    assert!(spool.bytes() <= 8_000, "{}", spool.bytes());
    let lost = spool.lost.of(Loss::Spool) as u32;
    assert!(lost > 500 && lost < 1000, "{lost}");
    assert_eq!(send(&mut spool, 9999), (lost..1000).collect::<Vec<_>>(), "those that stay are the newest, in order");
}

#[test]
fn what_is_put_before_all_is_sent_before_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    append(&mut spool, 10..20);
    send(&mut spool, 5);
    let again: Vec<String> = (10..15).map(|number| format!("record {number:04}")).collect();
    spool.prepend(again.iter().map(String::as_bytes)).unwrap();
    spool.prepend(std::iter::once(&b"record 0009"[..])).unwrap();
    append(&mut spool, 20..22);
    assert_eq!(spool.unsent(), 13);
    drop(spool);
    assert_eq!(send(&mut open(folder.path()), 99), (9..22).collect::<Vec<_>>());
}

/// A disk that takes this many octets more, and tears the write that goes beyond.
struct Small {
    file: File,
    left: Arc<AtomicU64>,
}

impl Write for Small {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed) as usize;
        if left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.file.write(&octets[..octets.len().min(left)])?;
        self.left.fetch_sub(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Append for Small {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_loses_events_and_counts_them_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let left = Arc::new(AtomicU64::new(200));
    let disk = Arc::clone(&left);
    let opener: Opener = Box::new(move |path| {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Box::new(Small { file, left: Arc::clone(&disk) }))
    });
    let mut spool = Spool::open(folder.path(), 1 << 20, "test".to_owned(), opener).unwrap();
    let mut kept = Vec::new();
    for number in 0..20 {
        if spool.append(format!("record {number:04}").as_bytes()).is_ok() {
            kept.push(number);
        }
    }
    assert!(kept.len() > 5 && kept.len() < 20, "{kept:?}");
    assert_eq!(spool.lost.of(Loss::Disk), 20 - kept.len() as u64);
    left.store(1000, Ordering::Relaxed);
    append(&mut spool, 20..25);
    kept.extend(20..25);
    drop(spool);
    let mut spool = open(folder.path());
    assert!(spool.notes.is_empty(), "the write that was torn left nothing: {:?}", spool.notes);
    assert_eq!(send(&mut spool, 99), kept);
}

#[test]
fn a_file_that_cannot_be_read_now_is_read_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    append(&mut spool, 0..3);
    let (path, aside) = (only_file(folder.path()), folder.path().join("aside"));
    // A link to itself: opening fails, and not because nothing is there.
    fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert!(spool.read().is_none());
    assert_eq!((spool.unsent(), spool.lost.total()), (3, 0));
    fs::rename(&aside, &path).unwrap();
    assert_eq!(send(&mut spool, 99), (0..3).collect::<Vec<_>>());
    append(&mut spool, 3..5);
    fs::remove_file(only_file(folder.path())).unwrap();
    assert!(spool.read().is_none());
    assert_eq!((spool.unsent(), spool.lost.of(Loss::Damaged)), (0, 2), "what is gone is given up");
}

#[test]
fn a_write_that_fails_for_another_reason_than_room_drops_nothing_old() {
    let folder = tempfile::tempdir().unwrap();
    let opener: Opener =
        Box::new(move |path| match path.file_stem().and_then(|name| name.to_str()?.parse::<u64>().ok()) {
            Some(number) if number > FIRST + 1 => Err(io::Error::from_raw_os_error(24)),
            _ => system_opener()(path),
        });
    let mut spool = Spool::open(folder.path(), 8_000, "test".to_owned(), opener).unwrap();
    let kept = (0..200).filter(|number| spool.append(format!("record {number:04}").as_bytes()).is_ok()).count();
    assert!(kept > 50 && kept < 200, "{kept}");
    assert_eq!(spool.lost.of(Loss::Disk), 200 - kept as u64);
    assert_eq!(send(&mut spool, 999), (0..kept as u32).collect::<Vec<_>>());
}
