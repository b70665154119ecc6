//! Segments as files: written, read back, checked.

use std::collections::HashSet;

use proptest::prelude::*;

use arrow::array::Array;
use bytes::Bytes;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::*;
use crate::tests::support::{MORNING_MICROS, event};

fn batch(numbers: impl Iterator<Item = u64>) -> Arc<RecordBatch> {
    let mut builder = event::Builder::new(0);
    numbers.for_each(|number| builder.push(&event(number, MORNING_MICROS + number as i64)));
    Arc::new(builder.finish())
}

/// A segment of `rows` rows that came in the order 1, 0, 3, 2 …
fn sample(rows: u64) -> (tempfile::TempDir, Arc<Segment>) {
    let folder = tempfile::tempdir().unwrap();
    let batches = [batch((0..rows / 2).map(|at| at ^ 1)), batch((rows / 2..rows).map(|at| at ^ 1))];
    let entry = write(&Disk::default(), folder.path(), "0000000001", &Source::Wal(1), &batches).unwrap();
    let segment = Segment::new(folder.path(), entry);
    (folder, segment)
}

fn is_good(segment: &Segment) {
    check_quickly(segment).unwrap();
    check_fully(segment).unwrap();
}

fn wrong<T>(checked: Result<T, Fault>) -> String {
    match checked {
        Err(Fault::Wrong(reason)) => reason,
        Err(Fault::Io(error)) => panic!("{error}"),
        Ok(_) => panic!("it is good"),
    }
}

#[test]
fn a_segment_is_in_time_order_and_keeps_its_types() {
    let (_folder, segment) = sample(20_000);
    is_good(&segment);
    let batches = read_rows(&segment).unwrap();
    let mut times = Vec::new();
    for batch in &batches {
        assert_eq!(batch.schema().fields(), event::schema().fields());
        times.extend_from_slice(times_and_numbers(batch).unwrap().0);
    }
    assert_eq!(times, (0..20_000).map(|at| MORNING_MICROS + at).collect::<Vec<_>>());
    let entry = &segment.entry;
    assert_eq!((entry.rows, entry.seq_max), (20_000, 9_999));
    assert_eq!((entry.time_min_micros, entry.time_max_micros), (MORNING_MICROS, MORNING_MICROS + 19_999));
}

/// Events that are not in the order of time, some with words that few have, and some of a quiet time in which many columns are empty.
fn mixed(rows: u64) -> Vec<Arc<RecordBatch>> {
    let mut builder = event::Builder::new(0);
    let batch = |from: u64| {
        for number in from..(from + 1_000).min(rows) {
            let all = event(number, MORNING_MICROS + (number ^ 5) as i64 * 7 % 50_021);
            let tenant = (number % 4 > 0).then(|| format!("tenant {}", number % 300).into());
            builder.push(&match from / 1_000 % 3 {
                0 => event::Event { domain: None, list: None, rule: None, upstream: None, ede: [].into(), ..all },
                1 => event::Event { domain: Some(format!("host.n{}.co.uk", number % 100).into()), tenant, ..all },
                _ => all,
            });
        }
        Arc::new(builder.finish())
    };
    (0..rows).step_by(1_000).map(batch).collect()
}

/// The writer of `parquet` is the oracle of what is written from numbers: rows, and what the footer says they span.
#[test]
fn a_segment_from_numbers_is_what_the_plain_writer_writes() {
    let in_order = vec![batch(0..3_000), batch(3_000..3_001)];
    for batches in [mixed(12_345), in_order, vec![batch(0..1)]] {
        let order = Order::of(&batches, &Source::Wal(1)).unwrap();
        let Sequence::ByTime(by_time) = &order.sequence else { panic!("a WAL is in the order of time") };
        let names = Names::of(&batches).unwrap();
        let rows = Rows { batches: &batches, order: by_time.as_deref(), names: &names };
        let written = fresh::encode(Vec::new(), &rows, properties(&Source::Wal(1), &order)).unwrap();
        let starts: Vec<u32> = batches
            .iter()
            .scan(0, |start, batch| Some(std::mem::replace(start, *start + batch.num_rows() as u32)))
            .collect();
        let pick = |at: u32| {
            let batch = starts.partition_point(|start| *start <= at) - 1;
            (batch as u32, at - starts[batch])
        };
        let picks: Vec<(u32, u32)> = match by_time {
            Some(order) => order.iter().map(|at| pick(*at)).collect(),
            None => (0..order.rows as u32).map(pick).collect(),
        };
        let plain = encode_picked(Vec::new(), &batches, &picks, properties(&Source::Wal(1), &order)).unwrap().0;
        assert_eq!(
            check::decode(Bytes::from(written.clone())).unwrap(),
            check::decode(Bytes::from(plain.clone())).unwrap()
        );

        let footer = |octets: Vec<u8>| {
            let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
            reader.parse_and_finish(&Bytes::from(octets)).unwrap()
        };
        let (written, plain) = (footer(written), footer(plain));
        assert_eq!((written.num_row_groups(), plain.num_row_groups()), (1, 1));
        for at in 0..event::schema().fields().len() {
            let says = |footer: &ParquetMetaData| {
                let statistics = footer.row_group(0).column(at).statistics();
                let ends = statistics
                    .map(|it| (it.min_bytes_opt().map(<[u8]>::to_vec), it.max_bytes_opt().map(<[u8]>::to_vec)));
                let nulls = statistics.map(|it| it.null_count_opt());
                (ends, nulls, footer.row_group(0).column(at).num_values())
            };
            let name = event::schema().field(at).name().clone();
            assert_eq!(says(&written), says(&plain), "{name}");
            let pages = |footer: &ParquetMetaData| {
                let index = &footer.column_index().unwrap()[0][at];
                let places = footer.offset_index().unwrap()[0][at].page_locations().len();
                (index.null_counts().cloned(), index.is_null_page(0), places)
            };
            if PAGE_COLUMNS.contains(&name.as_str()) {
                assert_eq!(pages(&written), pages(&plain), "{name}");
            }
        }
    }
}

#[test]
fn the_entry_of_an_adopted_file_is_the_one_written() {
    let (folder, segment) = sample(100);
    let adopted = adopt(&folder.path().join(FOLDER), &segment.entry.file);
    let entry = Entry { memory_bytes: None, rollup: None, ..segment.entry.clone() };
    assert_eq!(adopted.unwrap(), (entry, Source::Wal(1)));
}

#[test]
fn a_segment_of_the_first_schema_becomes_one_of_the_present() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema-1").join(FOLDER);
    let file = "day=2026-11-24/hour=13/0000000001.parquet";
    let (entry, source) = adopt(&old, file).unwrap();
    assert_eq!((entry.schema_version, entry.rows, source), (1, 206, Source::Wal(1)));
    let batches = read_rows(&Segment::new(old.parent().unwrap(), entry)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let merged = Source::Segments(vec![file.to_owned()]);
    let entry = write(&Disk::default(), folder.path(), "merged", &merged, &batches).unwrap();
    assert_eq!(entry.schema_version, event::SCHEMA_VERSION);
    let segment = Segment::new(folder.path(), entry);
    is_good(&segment);
    let rows = |batches: &[Arc<RecordBatch>]| {
        let mut rows: Vec<_> = batches.iter().flat_map(|batch| event::rows(batch).unwrap()).collect();
        rows.sort_by_key(|row| row.seq);
        rows
    };
    let written = read_rows(&segment).unwrap();
    assert_eq!(rows(&written), rows(&batches));
    for batch in &written {
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        let (names, reversed) = (text("domain"), text("domain_rev"));
        let expect = names.iter().map(|name| name.map(event::reversed_domain));
        assert!(expect.eq(reversed.iter().map(|name| name.map(str::to_owned))) && names.null_count() < names.len());
    }
    let lying = Segment::new(folder.path(), Entry { schema_version: 1, ..segment.entry.clone() });
    assert_eq!(wrong(check_quickly(&lying)), format!("it is of schema version {} instead of 1", event::SCHEMA_VERSION));
}

#[test]
fn every_flipped_bit_is_noticed_when_read_whole() {
    let (_folder, segment) = sample(10);
    let good = fs::read(&segment.path).unwrap();
    // A checksum over all bytes: a sample of places stands for every place.
    for bit in (0..good.len() * 8).step_by(97) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&segment.path, bad).unwrap();
        assert_eq!(wrong(check_fully(&segment)), "its checksum is wrong", "bit {bit}");
        assert_eq!(wrong(read_rows(&segment)), "its checksum is wrong", "bit {bit}");
        assert_eq!(wrong(oldest_of_tenants(&segment, &HashSet::new())), "its checksum is wrong", "bit {bit}");
    }
}

#[test]
fn what_cannot_be_read_now_is_not_wrong() {
    let (_folder, segment) = sample(10);
    fs::remove_file(&segment.path).unwrap();
    assert!(wrong(check_fully(&segment)).contains("cannot be read"), "a missing file is");
    // A link to itself: the system refuses, whoever asks.
    std::os::unix::fs::symlink(&segment.path, &segment.path).unwrap();
    assert!(matches!(check_quickly(&segment), Err(Fault::Io(_))));
    assert!(matches!(check_fully(&segment), Err(Fault::Io(_))));
    assert!(matches!(read_rows(&segment), Err(Fault::Io(_))));
}

#[test]
fn the_file_goes_with_the_last_reader() {
    let (_folder, segment) = sample(10);
    let (path, reader) = (segment.path.clone(), Arc::clone(&segment));
    segment.doom();
    drop(segment);
    assert!(path.exists());
    drop(reader);
    assert!(!path.exists());
}

#[test]
fn partitions_are_days_and_hours_of_the_calendar() {
    let day = 24 * HOUR_MICROS;
    for (time, expect) in [
        (0, "day=1970-01-01/hour=00"),
        (-1, "day=1969-12-31/hour=23"),
        (59 * day, "day=1970-03-01/hour=00"),
        (11_016 * day + 23 * HOUR_MICROS, "day=2000-02-29/hour=23"),
        (11_017 * day, "day=2000-03-01/hour=00"),
        (20_454 * day - 1, "day=2025-12-31/hour=23"),
        (47_540 * day, "day=2100-02-28/hour=00"),
        (47_541 * day, "day=2100-03-01/hour=00"),
    ] {
        assert_eq!(partition(time), expect);
    }
    // Clocks can say anything; a name comes out all the same.
    assert!(partition(i64::MAX).starts_with("day=294247-01-10"));
    assert!(partition(i64::MIN).starts_with("day=-"));
}

#[test]
fn a_parquet_file_of_somebody_else_is_no_segment() {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, event::schema(), None).unwrap();
    writer.write(&batch(0..3)).unwrap();
    writer.close().unwrap();
    assert_eq!(check_segment_bytes(bytes), Err("it does not say that it is a segment of a version we know".to_owned()));
    assert!(check_segment_bytes(Vec::new()).is_err());
    assert!(check_segment_bytes(b"PAR1\xff\xff\xff\x7fPAR1".to_vec()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_footers_are_errors(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        static GOOD: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
            let (_folder, segment) = sample(10);
            fs::read(&segment.path).unwrap()
        });
        let mut bytes = GOOD.clone();
        let length = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
        let footer = bytes.len() - 8 - length;
        for (at, value) in flips {
            let at = footer + at.index(length + 8);
            bytes[at] = value;
        }
        // Some changes are harmless (a statistic); what matters is that none panics or runs away.
        let _ = check_segment_bytes(bytes);
    }
}
