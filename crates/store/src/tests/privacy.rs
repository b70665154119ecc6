//! What the log was told to leave out is nowhere: not on disk, not among live rows, not in the feed.

use super::*;

const CLIENT: [u8; 4] = [10, 77, 88, 99];
const SECRET_NAME: &str = "clinic-for-rare-illness.example.net";

fn asked() -> Event {
    Event {
        client: CLIENT.into(),
        client_port: 54_321,
        domain: Some(SECRET_NAME.into()),
        answer: Some("A 198.51.100.7".into()),
        trace: Some("admission: 10.77.88.99 is in no admitted network".into()),
        key: Some("key-of-somebody".into()),
        ..event(10, MORNING_MICROS)
    }
}

/// Opens a log with this privacy, puts events, and hands over all bytes it wrote and sent while live and after closing.
fn written(addresses: Addresses) -> (Vec<u8>, Row) {
    let folder = tempfile::tempdir().unwrap();
    let privacy = vec![PrivacyRule { whom: PrivacyFor::Everyone, addresses }];
    let admission = Admission { privacy, secret: Some([9; 32]), ..Admission::default() };
    let (store, _) = Store::open(Settings { admission, ..settings(folder.path()) }).unwrap();
    let mut feed = store.subscribe();
    put(&store, (0..3).map(|_| asked()));
    let mut bytes = Vec::new();
    let mut batches = vec![feed.blocking_recv().unwrap()];
    batches.extend(store.inner.shared.snapshot().live.iter().map(|batch| batch.as_ref().clone()));
    for batch in &batches {
        for column in batch.columns() {
            column.to_data().buffers().iter().for_each(|buffer| bytes.extend_from_slice(buffer.as_slice()));
            bytes.extend(format!("{column:?}").into_bytes());
        }
    }
    // The records are compressed; what was written is what can be read back of them.
    let wal = std::fs::read(only_file(folder.path(), "wal")).unwrap();
    let replayed: Vec<Row> = replay_bytes(&wal).batches.iter().flat_map(|batch| event::rows(batch).unwrap()).collect();
    assert_eq!(replayed.len(), 3);
    bytes.extend(format!("{replayed:?}").into_bytes());
    bytes.extend(wal);
    store.close();
    let segment = only_file(folder.path(), "parquet");
    bytes.extend(std::fs::read(&segment).unwrap());
    let rows = all(&store);
    bytes.extend(format!("{rows:?}").into_bytes());
    (bytes, rows[0].clone())
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn an_address_left_out_is_nowhere() {
    let traces = |bytes: &[u8]| [&CLIENT[..], b"10.77.88.99", b"54321"].map(|part| has(bytes, part));
    let (bytes, _) = written(Addresses::Full);
    assert_eq!(traces(&bytes), [true; 3], "the test can see what it looks for");
    let (bytes, row) = written(Addresses::Truncated { v4_bits: 16, v6_bits: 32 });
    assert_eq!((traces(&bytes), row.client.to_string().as_str()), ([false; 3], "10.77.0.0"));
    let (bytes, row) = written(Addresses::Pseudonym);
    assert_eq!(traces(&bytes), [false; 3]);
    assert!(row.client.to_string().starts_with("fd70:") && row.domain.as_deref() == Some(SECRET_NAME), "{row:?}");
}

#[test]
fn counts_only_leave_nothing_to_read() {
    let parts: [&[u8]; 6] =
        [&CLIENT, b"10.77.88.99", b"clinic-for-rare", b"198.51.100.7", b"key-of-somebody", b"admission:"];
    let traces = |bytes: &[u8]| parts.map(|part| has(bytes, part));
    assert_eq!(traces(&written(Addresses::Full).0), [true; 6], "the test can see what it looks for");
    let (bytes, row) = written(Addresses::CountsOnly);
    assert_eq!(traces(&bytes), [false; 6]);
    assert_eq!((row.time_micros, row.qtype, row.rcode), (MORNING_MICROS, asked().qtype, asked().rcode));
}

#[test]
fn admission_changes_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, [asked()]);
    let privacy = vec![PrivacyRule { whom: PrivacyFor::Everyone, addresses: Addresses::CountsOnly }];
    store.set_admission(&Admission { privacy, ..Admission::default() });
    put(&store, [asked()]);
    let clients: Vec<String> = all(&store).iter().map(|row| row.client.to_string()).collect();
    assert_eq!(clients, ["10.77.88.99", "::"]);
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, numbered(0..3));
    let before = store.snapshot();
    assert_eq!(before.version(), store.snapshot().version());
    put(&store, numbered(3..5));
    assert!(store.snapshot().version() > before.version());
    let rows = |snapshot: &Snapshot| {
        let batches = searches::collect_table(snapshot.table(), |frame| frame).unwrap();
        batches.iter().map(RecordBatch::num_rows).sum::<usize>()
    };
    assert_eq!((rows(&before), rows(&store.snapshot())), (3, 5));
}
