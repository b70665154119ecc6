//! Files that are cut, changed or made to harm: read as far as they go, and never a panic.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use import::{Format, OpenFault, Options, Reader};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use support::{data, read};

/// Good files, small enough to be changed many times.
fn good() -> Vec<(Format, Vec<u8>)> {
    let mut files = vec![
        (Format::Bind, data("bind.log")),
        (Format::Unbound, data("unbound.log")),
        (Format::Dnstap, data("unbound.fstrm")),
        (Format::Zeek, b"#fields\tts\tid.orig_h\tproto\tquery\tqtype\tanswers\tTTLs\n1.5\t::1\tudp\tx\t1\ta,b\t1,2\n".to_vec()),
        (Format::Adguard, br#"{"T":"2024-01-02T03:04:05Z","QH":"x","QT":"A","QC":"IN","CP":"","IP":"::1","Answer":"Qz+BgAABAAEAAAAAAmFuBnlhbmRleAJydQAAAQABwAwAAQABAAAACgAEAAAAAA==","Result":{"IsFiltered":true,"Reason":3,"Rules":[{"Text":"x"}]},"Elapsed":8}"#.to_vec()),
        (Format::Cdns, cdns()),
        (Format::Pcap, pcap()),
        (Format::Pcapng, pcapng()),
    ];
    for name in ["pcap_zeek.tar.gz", "pcap_dnscap.tar.gz"] {
        let captures = support::shared(name).unwrap_or_default();
        files.extend(
            captures.into_iter().filter(|(_, bytes)| bytes.len() < 1_100).map(|(_, bytes)| (Format::Pcap, bytes)),
        );
    }
    files
}

/// One pair by hand: version 1.0, definite and indefinite lengths.
fn cdns() -> Vec<u8> {
    let mut file = b"\x83\x65C-DNS\xa3\x00\x01\x01\x00\x03\x81\xa1\x00\xa1\x00\x1a\x00\x0f\x42\x40\x9f".to_vec();
    file.extend(b"\xa3\x00\xa1\x00\x82\x1a\x65\x00\x00\x00\x05");
    file.extend(
        b"\x02\xbf\x00\x81\x44\xc0\x00\x02\x01\x01\x81\xa2\x00\x01\x01\x01\x02\x82\x43\x01x\x00\x44\x01\x02\x03\x04",
    );
    file.extend(b"\x03\x81\xa5\x02\x00\x04\x03\x06\x10\x08\x00\x10\x00\x06\x81\x81\x00\x07\x81\xa4\x00\x00\x01\x00\x02\x0a\x03\x01\xff");
    file.extend(b"\x03\x9f\xa9\x00\x07\x01\x00\x02\x19\x10\x00\x03\x05\x04\x00\x06\x18\x63\x07\x00\x09\x18\x30\x0c\xa1\x01\x00\xff");
    file.push(0xff);
    file
}

const QUERY: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01x\0\0\x01\0\x01";

fn frame() -> Vec<u8> {
    frame_of(QUERY)
}

fn frame_of(query: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x45, 0, 0, (28 + query.len()) as u8, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 53];
    frame.extend([0x10, 0, 0, 53, 0, (8 + query.len()) as u8, 0, 0]);
    frame.extend(query);
    frame
}

fn pcap() -> Vec<u8> {
    let frame = frame();
    let numbers =
        [0xa1b2_c3d4, 0x0002_0004, 0, 0, 65_535, 101, 1_700_000_000, 5, frame.len() as u32, frame.len() as u32];
    let mut file: Vec<u8> = numbers.iter().flat_map(|number: &u32| number.to_be_bytes()).collect();
    file.extend(frame);
    file
}

fn pcapng() -> Vec<u8> {
    pcapng_of(frame(), 6, 0x0006_0000_0000_0007)
}

/// A packet, the exponent of the units of its time, and its time.
fn pcapng_of(mut frame: Vec<u8>, exponent: u8, ticks: u64) -> Vec<u8> {
    let len = frame.len() as u32;
    frame.resize(frame.len().next_multiple_of(4), 0);
    let block = 32 + frame.len() as u32;
    let section = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 0x0001_0000, u32::MAX, u32::MAX, 28];
    let interface = [1, 32, 101 << 16, 65_535, 9 << 16 | 1, u32::from(exponent) << 24, 0, 32];
    let packet = [6, block, 0, (ticks >> 32) as u32, ticks as u32, len, len];
    let numbers = section.iter().chain(&interface).chain(&packet);
    let mut file: Vec<u8> = numbers.flat_map(|number: &u32| number.to_be_bytes()).collect();
    file.extend(frame);
    file.extend(block.to_be_bytes());
    file
}

fn open(bytes: Vec<u8>, format: Format) -> Result<Reader, OpenFault> {
    let options = Options { format: Some(format), ..Options::default() };
    Reader::from_read(Box::new(std::io::Cursor::new(bytes)), "-", &options)
}

#[test]
fn what_was_made_by_hand_is_good() {
    for (format, bytes) in good().into_iter().take(8) {
        let mut reader = open(bytes, format).unwrap();
        let records = reader.by_ref().count();
        assert!(records > 0 && reader.tally().bad == 0, "{format:?}: {:?}", reader.tally());
    }
    let events = support::events(&mut open(cdns(), Format::Cdns).unwrap());
    assert_eq!(
        support::shown(&events),
        ["2023-09-12T06:06:56.000012Z 192.0.2.1#4096 udp x A RD answered NOERROR answer=A 1.2.3.4 size=48"]
    );
}

#[test]
fn captures_with_other_clocks_and_padding() {
    let times = [(6, 1_700_000_000_500_000), (9, 1_700_000_000_500_000_000), (0, 1_700_000_000)];
    let times = times.into_iter().chain([(0x8a, 1_700_000_000 << 10 | 1 << 9), (0x80, 1_700_000_000)]);
    for (exponent, ticks) in times {
        let events = support::events(&mut open(pcapng_of(frame(), exponent, ticks), Format::Pcapng).unwrap());
        let fraction = if exponent & 0x7f == 0 { 0 } else { 500_000 };
        assert_eq!(events[0].time_micros, 1_700_000_000_000_000 + fraction, "{exponent:#x}");
    }
    for exponent in [127, 0xff] {
        let events = support::events(&mut open(pcapng_of(frame(), exponent, u64::MAX), Format::Pcapng).unwrap());
        assert_eq!(events.len(), 1);
    }
    // Padding does not make a packet whole that the capture has cut.
    let mut cut = frame_of(&[QUERY, b"\0"].concat());
    cut.pop();
    let mut reader = open(pcapng_of(cut, 6, 7), Format::Pcapng).unwrap();
    assert_eq!(reader.by_ref().count(), 0);
    assert_eq!(reader.left_out(), [("packets cut by the capture", 1)]);
}

#[test]
fn what_cdns_does_not_store_is_not_known() {
    const ALL: &[u8] = b"\xa3\x00\x01\x01\x00\x03\x81\xa1\x00\xa1\x00\x1a\x00\x0f\x42\x40";
    const HINTS: &[u8] =
        b"\xa3\x00\x01\x01\x00\x03\x81\xa1\x00\xa2\x00\x1a\x00\x0f\x42\x40\x02\xa1\x00\x1a\x00\x03\xff\xff";
    const PAIR: &[u8] = b"\x9f\xa9\x00\x07\x01\x00\x02\x19\x10\x00\x03\x05\x04\x00";
    const NO_CLIENT: &[u8] = b"\x9f\xa8\x00\x07\x02\x19\x10\x00\x03\x05\x04\x00";
    const NO_SIGNATURE: &[u8] = b"\x9f\xa8\x00\x07\x01\x00\x02\x19\x10\x00\x03\x05";
    const NO_ANSWER: &[u8] = b"\x9f\xa8\x00\x07\x01\x00\x02\x19\x10\x00\x03\x05\x04\x00";
    const REPLY: &[u8] = b"\x0c\xa1\x01\x00\xff";
    const SIGNATURE: &[u8] = b"\x81\xa5\x02\x00\x04\x03\x06\x10\x08\x00\x10\x00";
    const BADVERS: &[u8] = b"\x81\xa5\x02\x00\x04\x03\x06\x10\x08\x00\x10\x10";
    const NO_CODE: &[u8] = b"\x81\xa4\x02\x00\x04\x03\x06\x10\x08\x00";
    type Changes<'a> = &'a [(&'a [u8], &'a [u8])];
    let cases: [(Changes<'_>, &str); 6] = [
        (&[(PAIR, NO_ANSWER), (REPLY, b"\xff")], "x A RD unknown NOERROR size=48"),
        (&[(PAIR, NO_ANSWER), (REPLY, b"\xff"), (ALL, HINTS)], "x A RD nodata NOERROR size=48"),
        (&[(SIGNATURE, BADVERS)], "x A RD error BADVERS answer=A 1.2.3.4 size=48"),
        (&[(SIGNATURE, NO_CODE)], "x A RD unknown - answer=A 1.2.3.4 size=48"),
        (&[(PAIR, NO_CLIENT)], "no address of the client"),
        (&[(PAIR, NO_SIGNATURE)], "no signature"),
    ];
    for (changes, expected) in cases {
        let mut file = cdns();
        for (from, to) in changes {
            let at = file.windows(from.len()).position(|window| window == *from).unwrap();
            file.splice(at..at + from.len(), to.iter().copied());
        }
        let mut reader = open(file, Format::Cdns).unwrap();
        let mut said = support::shown(&support::events(&mut reader));
        said.extend(reader.tally().first_bad.iter().map(|bad| bad.reason.clone()));
        assert!(said.len() == 1 && said[0].ends_with(expected), "{expected}: {said:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changed_octets_cost_records_at_most(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in proptest::option::of(any::<prop::sample::Index>())) {
        for (format, mut bytes) in good() {
            for (at, to) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *to;
            }
            if let Some(cut) = &cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(reader) = open(bytes, format) {
                prop_assert!(reader.count() < 10_000);
            }
        }
    }

    #[test]
    fn noise_is_read_as_any_format(bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
        for format in Format::ALL {
            if let Ok(reader) = open(bytes.clone(), *format) {
                prop_assert!(reader.count() < 10_000);
            }
        }
    }
}

#[test]
fn every_cut_is_survived() {
    for (format, bytes) in good().into_iter().take(8) {
        for len in 1..bytes.len() {
            if let Ok(reader) = open(bytes[..len].to_vec(), format) {
                assert!(reader.count() < 100, "{format:?} {len}");
            }
        }
    }
}

#[test]
fn lengths_are_believed_as_far_as_octets_come() {
    let cases: [(Format, Vec<u8>, &str); 4] = [
        (
            Format::Cdns,
            b"\x83\x65C-DNS\xa1\x00\x01\x9f\xa2\x00\xa0\x02\xa1\x02\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            "the file ends within an item",
        ),
        (
            Format::Cdns,
            b"\x83\x65C-DNS\xa1\x00\x01\x9f\xa2\x00\xa0\x02\xa1\x02\x81\x5b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            "a string of more than 65535 octets",
        ),
        (
            Format::Cdns,
            [&b"\x83\x65C-DNS\xa1\x00\x01\x9f\xa2\x09"[..], &[0x81; 100], b"\x00"].concat(),
            "more than 16 items inside each other",
        ),
        (
            Format::Dnstap,
            [&dnstap::Control::bare(dnstap::ControlType::Start).to_bytes()[..], &[0x7f, 0xff, 0xff, 0xff]].concat(),
            "a frame of 2147483647 octets; at most 1048576 are read",
        ),
    ];
    for (format, bytes, reason) in cases {
        let mut reader = open(bytes, format).unwrap();
        assert_eq!(reader.by_ref().count(), 1);
        assert_eq!(reader.tally().first_bad[0].reason, reason);
    }
}

#[test]
fn a_bomb_goes_off_in_a_box() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..80 {
        gzip.write_all(&zeros).unwrap();
    }
    let mut reader = open(gzip.finish().unwrap(), Format::Bind).unwrap();
    assert_eq!(reader.by_ref().count(), 0);
    assert!(reader.fault().unwrap().contains("300 times its size"), "{:?}", reader.fault());
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A cut or damaged file is told apart from its records, which keep the numbers they have in the whole file.
#[test]
fn gzip_that_is_cut_or_damaged_is_a_fault_and_no_record() {
    for (format, bytes) in good().into_iter().take(8) {
        let whole: Vec<_> = open(bytes.clone(), format).unwrap().collect();
        let packed = gzip(&bytes);
        let mut wrong_sum = packed.clone();
        let at = packed.len() - 8;
        wrong_sum[at] ^= 1;
        let cut = packed[..packed.len() - 9].to_vec();
        for damaged in [wrong_sum, cut] {
            let Ok(mut reader) = open(damaged, format) else { continue };
            let read: Vec<_> = reader.by_ref().collect();
            assert!(reader.fault().is_some(), "{format:?}");
            assert!(reader.next().is_none() && reader.tally().bad == 0, "{format:?}: {:?}", reader.tally());
            assert!(read.len() <= whole.len(), "{format:?}");
            for (read, whole) in read.iter().zip(&whole) {
                assert_eq!((read.number, format!("{:?}", read.event)), (whole.number, format!("{:?}", whole.event)));
            }
        }
        let mut reader = open(packed, format).unwrap();
        assert_eq!((reader.by_ref().count(), reader.fault()), (whole.len(), None), "{format:?}");
    }
}

/// A disk that fails when so much was read.
struct Failing(std::io::Cursor<Vec<u8>>);

impl std::io::Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(std::io::Error::from_raw_os_error(5)),
            len => Ok(len),
        }
    }
}

#[test]
fn a_disk_that_fails_ends_the_reading_and_makes_no_record() {
    let failing = |format, bytes: &[u8]| {
        let options = Options { format: Some(format), ..Options::default() };
        Reader::from_read(Box::new(Failing(std::io::Cursor::new(bytes.to_vec()))), "-", &options).unwrap()
    };
    let log = data("bind.log");
    // In the middle of a line, in the head and far behind it.
    for times in [1, 400] {
        let bytes = [log.repeat(times), log[..40].to_vec()].concat();
        let mut reader = failing(Format::Bind, &bytes);
        assert_eq!((reader.by_ref().count(), reader.tally().bad), (5 * times, 0));
        assert!(reader.fault().unwrap().contains("os error 5"), "{:?}", reader.fault());
    }
    // The query waits for its reply: nobody knows whether there is none.
    let mut reader = failing(Format::Pcap, &pcap());
    assert_eq!((reader.by_ref().count(), reader.fault().is_some()), (0, true));
}

#[test]
fn a_line_without_an_end_is_one_bad_record() {
    let mut log = data("bind.log");
    log.extend(vec![b'x'; 1 << 20]);
    log.push(b'\n');
    log.extend(data("bind.log"));
    let mut reader = read(&log, "-");
    assert_eq!(reader.by_ref().count(), 11);
    assert_eq!(reader.tally().bad, 1);
    assert_eq!(reader.tally().first_bad[0].reason, "a line of 1048577 octets; at most 262144 are read");
}

fn database(path: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE query_storage (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL, type INTEGER NOT NULL, status INTEGER NOT NULL, domain INTEGER NOT NULL, client INTEGER NOT NULL, forward INTEGER, additional_info INTEGER, reply_type INTEGER, reply_time REAL, dnssec INTEGER, list_id INTEGER, ede INTEGER);
             CREATE TABLE domain_by_id (id INTEGER PRIMARY KEY, domain TEXT NOT NULL);
             CREATE TABLE client_by_id (id INTEGER PRIMARY KEY, ip TEXT NOT NULL, name TEXT);
             CREATE TABLE forward_by_id (id INTEGER PRIMARY KEY, forward TEXT NOT NULL);
             CREATE TABLE addinfo_by_id (id INTEGER PRIMARY KEY, type INTEGER NOT NULL, content NOT NULL);
             CREATE TABLE ftl (id INTEGER PRIMARY KEY NOT NULL, value BLOB NOT NULL, description TEXT);
             CREATE VIEW queries AS WITH RECURSIVE forever(x) AS (SELECT 1 UNION ALL SELECT x FROM forever) SELECT x AS id FROM forever;
             INSERT INTO ftl VALUES (2, 1600000000, NULL);
             INSERT INTO domain_by_id VALUES (1, 'Ads.example'), (2, 'www.example'), (3, 'not a name..');
             INSERT INTO client_by_id VALUES (1, '192.0.2.7', 'tv'), (2, '2001:db8::7', NULL);
             INSERT INTO forward_by_id VALUES (1, '192.0.2.53#53'), (2, '2001:db8::53#5353');
             INSERT INTO addinfo_by_id VALUES (1, 1, 'tracker.example');
             INSERT INTO query_storage VALUES (10, 1700000000.25, 1, 1, 1, 1, NULL, NULL, 4, 0.0002, 0, 3, 15);
             INSERT INTO query_storage VALUES (12, 1700000001, 2, 2, 2, 2, 2, NULL, 2, 0.025, 1, NULL, NULL);
             INSERT INTO query_storage VALUES (13, 1700000002, 165, 9, 2, 1, 1, 1, 1, NULL, 0, NULL, NULL);
             INSERT INTO query_storage VALUES (14, 1700000003, 16, 17, 2, 1, NULL, NULL, 12, NULL, 0, NULL, NULL);
             INSERT INTO query_storage VALUES (15, 1700000004, 1, 99, 2, 1, NULL, NULL, 0, NULL, 0, NULL, NULL);
             INSERT INTO query_storage VALUES (16, 1700000004, 1, 3, 3, 1, NULL, NULL, 0, NULL, 0, NULL, NULL);",
        )
        .unwrap();
    connection
}

#[test]
fn pihole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pihole FTL?.db");
    drop(database(&path));
    let mut reader = Reader::open(&path, &Options::default()).unwrap();
    let records: Vec<_> = reader.by_ref().collect();
    assert_eq!(records.iter().map(|record| record.number).collect::<Vec<_>>(), [10, 12, 13, 14, 15, 16]);
    let events: Vec<_> = records.into_iter().filter_map(|record| record.event.ok()).collect();
    assert_eq!(
        support::shown(&events),
        [
            "2023-11-14T22:13:20.25Z 192.0.2.7#0 udp ads.example A  answered NOERROR block gravity: -",
            "2023-11-14T22:13:21Z 2001:db8::7#0 udp www.example AAAA  error NXDOMAIN miss upstream=[2001:db8::53]:5353",
            "2023-11-14T22:13:22Z 192.0.2.7#0 udp www.example HTTPS  nodata NOERROR miss upstream=192.0.2.53:53 block gravity: tracker.example",
            "2023-11-14T22:13:23Z 192.0.2.7#0 udp www.example HTTPS  dropped - stale",
        ]
    );
    assert_eq!((events[0].latency_micros, events[0].ede[0].code), (200, 15));
    assert_eq!(reader.tally().bad, 2, "{:?}", reader.tally());
    assert_eq!(reader.progress().done, reader.progress().total.unwrap());
    // A copy with more rows is the same source.
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    let more = rusqlite::Connection::open(&copy).unwrap();
    more.execute_batch("DELETE FROM query_storage WHERE id < 13; INSERT INTO query_storage (timestamp, type, status, domain, client) VALUES (1700000009, 1, 3, 1, 1);").unwrap();
    drop(more);
    let again = Reader::open(&copy, &Options::default()).unwrap();
    assert_eq!(again.source(), reader.source());
    assert_eq!(again.map(|record| record.number).collect::<Vec<_>>(), [13, 14, 15, 16, 17]);
}

#[test]
fn databases_made_to_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pihole.db");
    let changed = |sql: &str| {
        let _ = std::fs::remove_file(&path);
        database(&path).execute_batch(sql).unwrap();
        Reader::open(&path, &Options::default())
    };
    // Numbers at the ends of what there is.
    let sql = "INSERT INTO query_storage (id, timestamp, type, status, domain, client) VALUES (9223372036854775807, 1700000009, -9223372036854775808, 3, 1, 1);";
    let mut reader = changed(sql).unwrap();
    assert_eq!(reader.by_ref().last().unwrap().number, i64::MAX as u64);
    assert_eq!(reader.tally().bad, 3);
    assert_eq!(reader.progress().done, reader.progress().total.unwrap());
    let sql = "UPDATE query_storage SET id = -9223372036854775808 WHERE id = 10;";
    assert!(changed(sql).err().unwrap().to_string().contains("negative numbers"));
    // Texts longer than anything Pi-hole writes: rows before them are kept, and the fault is said.
    let sql = "UPDATE domain_by_id SET domain = hex(zeroblob(100000)) WHERE id = 2;";
    let mut reader = changed(sql).unwrap();
    assert_eq!((reader.by_ref().count(), reader.tally().bad), (1, 0));
    assert!(reader.fault().unwrap().starts_with("behind row 10: "), "{:?}", reader.fault());
    let sql = "UPDATE forward_by_id SET forward = hex(zeroblob(30000)) WHERE id = 2;";
    let events = support::events(&mut changed(sql).unwrap());
    assert_eq!(events[1].upstream.as_deref().map(str::len), Some(1_024));
    // Programs in the place of data.
    let sql = "DROP TABLE domain_by_id; CREATE TABLE domain_by_id (id INTEGER PRIMARY KEY, domain TEXT AS (hex(zeroblob(100000000))));";
    assert!(changed(sql).err().unwrap().to_string().contains("domain_by_id has computed columns"));
}

#[test]
fn a_database_of_the_first_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE queries (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL, type INTEGER NOT NULL, status INTEGER NOT NULL, domain TEXT NOT NULL, client TEXT NOT NULL, forward TEXT);
             INSERT INTO queries VALUES (1, 1500000000, 1, 2, 'www.example', '192.0.2.7', '192.0.2.53');",
        )
        .unwrap();
    drop(connection);
    let events = support::events(&mut Reader::open(&path, &Options::default()).unwrap());
    assert_eq!(
        support::shown(&events),
        ["2017-07-14T02:40:00Z 192.0.2.7#0 udp www.example A  unknown - miss upstream=192.0.2.53"]
    );
}

#[test]
fn databases_that_are_none_or_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pihole-FTL.db");
    let options = Options { format: Some(Format::Pihole), ..Options::default() };
    std::fs::write(&path, "no database").unwrap();
    assert!(Reader::open(&path, &options).is_err());
    drop(rusqlite::Connection::open(folder.path().join("empty.db")).unwrap().execute_batch("CREATE TABLE x (y)"));
    let fault = Reader::open(&folder.path().join("empty.db"), &options).err().unwrap();
    assert_eq!(fault.to_string(), "not pihole: it has neither a table query_storage nor queries");
    std::fs::remove_file(&path).unwrap();
    drop(database(&path));
    let good = std::fs::read(&path).unwrap();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for _ in 0..150 {
        let mut bytes = good.clone();
        for _ in 0..8 {
            let at = 16 + random.next_u32() as usize % (bytes.len() - 16);
            bytes[at] = random.next_u32() as u8;
        }
        bytes.truncate(bytes.len() - random.next_u32() as usize % 3 * 4_096);
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(reader) = Reader::open(&path, &options) {
            assert!(reader.take(10_000).count() < 10_000);
        }
    }
    // Inside of gzip or a stream there is no database to be read.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&good).unwrap();
    std::fs::write(&path, gzip.finish().unwrap()).unwrap();
    assert!(matches!(Reader::open(&path, &Options::default()), Err(OpenFault::DatabaseInStream)));
}
