use proptest::prelude::*;

use super::*;
use crate::testing::{name, record};
use crate::update::Update;
use crate::update::tests::{update, updates, zone};

/// A journal of the zone and these updates; the zone after each, with the length of the journal then.
fn journal(updates: &[String]) -> (Vec<u8>, Vec<(usize, Zone)>) {
    let mut zone = zone();
    let mut bytes = begin(&zone, [7; 32]);
    let mut versions = vec![(bytes.len(), zone.clone())];
    for text in updates {
        let update = Update::read(&update(text)).unwrap();
        if let Some((next, delta)) = update.apply(&zone).unwrap() {
            bytes.extend(entry(&delta));
            zone = next;
            versions.push((bytes.len(), zone.clone()));
        }
    }
    (bytes, versions)
}

fn three() -> (Vec<u8>, Vec<(usize, Zone)>) {
    journal(&["add new 60 A 192.0.2.9", "delete www\n delete one", "add far 60 TXT end"].map(str::to_owned))
}

/// What is left of a damaged journal: a version that was there, and nothing else.
fn check(bytes: &[u8], versions: &[(usize, Zone)], damage_at: usize) {
    let replayed = replay(bytes);
    let good = versions.iter().rposition(|(len, _)| *len <= damage_at);
    if replayed.foreign.is_some() {
        assert!(damage_at < MAGIC.len() + 1, "octet {damage_at}");
        assert!(replayed.zone.is_none());
        return;
    }
    match good {
        None => {
            assert!(replayed.zone.is_none(), "octet {damage_at}");
            assert_eq!((replayed.good_len, replayed.deltas.len()), (0, 0));
        }
        Some(at) => {
            assert_eq!((replayed.good_len, replayed.deltas.len()), (versions[at].0, at), "octet {damage_at}");
            assert!(replayed.zone.unwrap() == versions[at].1, "octet {damage_at}");
        }
    }
    let whole = versions.iter().any(|(len, _)| *len == bytes.len());
    assert_eq!(replayed.torn.is_none(), whole && damage_at >= bytes.len(), "octet {damage_at}");
}

#[test]
fn what_was_written_is_read() {
    let (bytes, versions) = three();
    let replayed = replay(&bytes);
    assert_eq!((replayed.torn, replayed.foreign, replayed.fingerprint), (None, None, [7; 32]));
    assert_eq!((replayed.good_len, replayed.deltas.len()), (bytes.len(), 3));
    assert!(replayed.zone.unwrap() == versions[3].1);
}

#[test]
fn a_tail_torn_at_any_octet_loses_only_itself() {
    let (bytes, versions) = three();
    for len in 0..=bytes.len() {
        check(&bytes[..len], &versions, len);
    }
}

#[test]
fn a_flipped_bit_ends_the_reading_there() {
    let (bytes, versions) = three();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            check(&flipped, &versions, at);
        }
    }
}

#[test]
fn a_newer_version_and_another_file_are_left_alone() {
    let (mut bytes, _) = three();
    bytes[MAGIC.len()] = VERSION + 1;
    for bytes in [&bytes[..], b"$ORIGIN example.\n", b"x"] {
        let replayed = replay(bytes);
        assert!(replayed.foreign.is_some() && replayed.zone.is_none() && replayed.good_len == 0);
    }
    assert_eq!(replay(b"").foreign, None);
    assert_eq!(replay(b"NMWD").foreign, None);
}

#[test]
fn entries_out_of_order_are_a_torn_tail() {
    let (bytes, versions) = three();
    let ends: Vec<usize> = versions.iter().map(|(len, _)| *len).collect();
    let mut swapped = bytes[..ends[0]].to_vec();
    swapped.extend_from_slice(&bytes[ends[1]..ends[2]]);
    swapped.extend_from_slice(&bytes[ends[0]..ends[1]]);
    let replayed = replay(&swapped);
    assert_eq!((replayed.good_len, replayed.deltas.len()), (ends[0], 0));
    assert!(replayed.torn.is_some() && replayed.zone.unwrap() == versions[0].1);
}

#[test]
fn large_zones_and_changes_take_several_chunks() {
    let mut large = zone();
    for at in 0..200u32 {
        let data = format!("{at:08x}{}", "ab".repeat(5_000));
        large.add(&record(&format!("n{at} 60 TYPE65280 \\# {data}")));
    }
    large.remove_set(&name("@"), wire::kind::SOA);
    large.add(&record("@ 300 SOA ns hostmaster 9 3600 600 86400 60"));
    let delta = Delta::between(&zone(), &large).unwrap();
    let mut bytes = begin(&zone(), [0; 32]);
    bytes.extend(entry(&delta));
    let replayed = replay(&bytes);
    assert_eq!((replayed.torn, replayed.deltas), (None, vec![delta]));
    assert!(replayed.zone.unwrap() == large);
    let replayed = replay(&begin(&large, [0; 32]));
    assert!(replayed.torn.is_none() && replayed.zone.unwrap() == large);
}

#[test]
fn a_length_beyond_the_limit_allocates_nothing() {
    let head = begin(&Zone::new(name("@")), [0; 32]);
    let mut bytes = head[..head.len() - CHUNK_HEAD_LEN - 8].to_vec();
    bytes.extend_from_slice(&[CHECKPOINT, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    assert!(replay(&bytes).torn.unwrap().contains("over its limit"));
}

proptest! {
    #[test]
    fn any_history_comes_back(updates in updates()) {
        let (bytes, versions) = journal(&updates);
        let replayed = replay(&bytes);
        prop_assert_eq!((replayed.torn, replayed.deltas.len() + 1), (None, versions.len()));
        prop_assert!(replayed.zone.unwrap() == versions.last().unwrap().1);
    }

    #[test]
    fn any_octets_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let head = begin(&zone(), [0; 32]);
        for start in [&head[..0], &head[..9], &head[..]] {
            let _ = replay(&[start, &bytes].concat());
        }
    }
}
