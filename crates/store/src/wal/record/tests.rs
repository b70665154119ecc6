//! Columns of every type come back from their record, and what is none is refused.

use proptest::prelude::*;

use super::*;
use crate::tests::support::{MORNING_MICROS, event};

fn batch(first: u64, count: u64) -> RecordBatch {
    let mut builder = event::Builder::new(first);
    (first..first + count).for_each(|number| {
        let (tenant, node) = (number % 3, number % 400);
        builder.push(&event::Event {
            tenant: (tenant > 0).then(|| format!("tenant {tenant}").into()),
            node: Some(format!("node {node}").into()),
            ..event(number, MORNING_MICROS - number as i64 * 7)
        });
    });
    builder.finish()
}

fn payload(batch: &RecordBatch) -> Vec<u8> {
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    encode(batch, &mut plain, &mut out).unwrap();
    out
}

#[test]
fn a_batch_comes_back_as_it_was() {
    for (first, count) in [(0, 0), (0, 1), (7, 1), (3, 2), (0, 255), (1, 1_000), (5, 8_192)] {
        let batch = batch(first, count);
        assert_eq!(decode(&payload(&batch), &event::schema(), Held::Needed).unwrap(), batch, "{count} rows");
    }
}

#[test]
fn a_slice_takes_only_its_own_bytes() {
    let whole = batch(0, 1_000);
    let slice = whole.slice(400, 3);
    let bytes = payload(&slice);
    assert_eq!(decode(&bytes, &event::schema(), Held::Needed).unwrap(), slice);
    assert!(bytes.len() < 2_000, "{} bytes", bytes.len());
}

#[test]
fn a_batch_over_the_rows_of_a_record_is_refused() {
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let result = encode(&batch(0, RECORD_ROWS_MAX as u64 + 1), &mut plain, &mut out);
    assert!(matches!(result, Err(RecordError::TooLarge)));
}

/// The figures behind what the module says.
#[test]
fn one_event_takes_hundreds_of_bytes() {
    for (rows, bytes_max) in [(1, 400), (10, 350), (1_000, 150)] {
        let bytes = payload(&batch(0, rows)).len();
        println!("{rows} events: {} bytes each", bytes as f64 / rows as f64);
        assert!(bytes <= bytes_max * rows as usize, "{rows} events: {bytes} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Behind a checksum only what we wrote is decoded; all the same nothing else may panic or run away.
    #[test]
    fn damaged_payloads_are_errors_or_batches(
        count in 0_u64..12,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = payload(&batch(0, count));
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(batch) = decode(&bytes, &event::schema(), Held::Needed) {
            prop_assert!(batch.num_rows() <= RECORD_ROWS_MAX);
        }
    }
}
