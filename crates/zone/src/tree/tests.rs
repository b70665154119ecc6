//! The tree against a sorted map of the standard library, and the order of names against RFC 4034's own list.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use wire::name::Name;

use super::*;

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

fn record(owner: &str, rtype: u16, ttl: u32, rdata: &[u8]) -> Record {
    Record { owner: name(owner), rtype, class: kind::CLASS_IN, ttl, rdata: rdata.into() }
}

fn wire(text: &str) -> Vec<u8> {
    name(text).wire().to_vec()
}

fn owners(zone: &Zone) -> Vec<String> {
    let mut owners: Vec<String> = zone.records().map(|record| record.owner.text()).collect();
    owners.dedup();
    owners
}

#[test]
fn names_come_in_the_order_of_rfc_4034() {
    let mut zone = Zone::new(name("example"));
    let sorted = [
        "example",
        "a.example",
        "yljkjljk.a.example",
        "z.a.example",
        "zabc.a.example",
        "z.example",
        r"\001.z.example",
        "*.z.example",
        r"\200.z.example",
    ];
    for owner in sorted.iter().rev() {
        assert!(zone.add(&record(owner, kind::A, 60, &[192, 0, 2, 1])));
    }
    assert_eq!(owners(&zone), sorted);
}

#[test]
fn octets_0_and_1_in_labels_keep_the_order() {
    let mut zone = Zone::new(name("example"));
    let sorted = [
        "example",
        r"\000.example",
        r"a.\000.example",
        r"\000\000.example",
        r"\000\001.example",
        r"\001.example",
        r"\002.example",
        r"a\000.example",
    ];
    for owner in sorted.iter().rev() {
        zone.add(&record(owner, kind::A, 60, &[192, 0, 2, 1]));
    }
    assert_eq!(owners(&zone), sorted);
    assert!(!zone.exists(&name(r"b.\000.example")));
}

#[test]
fn data_is_kept_as_it_came_and_compared_without_case() {
    let mut zone = Zone::new(name("example"));
    let upper = [&[0, 10][..], b"\x04Mail\x07Example\x00"].concat();
    assert!(zone.add(&record("example", kind::MX, 60, &upper)));
    assert!(!zone.add(&record("example", kind::MX, 60, &upper.to_ascii_lowercase())), "the same record");
    let set = zone.rrset(&name("example"), kind::MX).unwrap();
    assert_eq!(&*set.rdatas[0], &upper[..]);
    // Text is compared as it is.
    assert!(zone.add(&record("example", kind::TXT, 60, b"\x01a")));
    assert!(zone.add(&record("example", kind::TXT, 60, b"\x01A")));
    assert_eq!(zone.record_count(), 3);
    assert!(zone.remove(&name("example"), kind::MX, &upper.to_ascii_lowercase()));
    assert_eq!(zone.record_count(), 2);
}

#[test]
fn a_duplicate_sets_the_ttl_of_the_whole_set() {
    let mut zone = Zone::new(name("example"));
    zone.add(&record("a.example", kind::A, 60, &[192, 0, 2, 1]));
    zone.add(&record("a.example", kind::A, 60, &[192, 0, 2, 2]));
    assert!(!zone.add(&record("a.example", kind::A, 60, &[192, 0, 2, 2])));
    assert!(zone.add(&record("a.example", kind::A, 30, &[192, 0, 2, 2])));
    assert_eq!(zone.records().map(|record| record.ttl).collect::<Vec<_>>(), [30, 30]);
    assert!(!zone.add(&record("a.example.org", kind::A, 60, &[192, 0, 2, 1])), "outside");
}

#[test]
fn a_name_exists_while_something_is_below_it() {
    let mut zone = Zone::new(name("example"));
    assert!(!zone.exists(&name("example")));
    zone.add(&record("a.b.c.example", kind::A, 60, &[192, 0, 2, 1]));
    for (owner, expected) in [
        ("example", true),
        ("c.example", true),
        ("b.c.example", true),
        ("a.b.c.example", true),
        ("x.a.b.c.example", false),
        ("b.example", false),
        // Not a label of its own.
        ("a.b.cc.example", false),
        ("org", false),
        (".", false),
    ] {
        assert_eq!(zone.exists(&name(owner)), expected, "{owner}");
    }
    assert!(zone.rrsets(&name("b.c.example")).is_empty());
    assert!(zone.remove_set(&name("a.b.c.example"), kind::A).is_some());
    assert!(!zone.exists(&name("c.example")));
}

#[test]
fn what_is_wrong_with_a_zone_is_told() {
    let soa = [&wire("ns.example")[..], &wire("admin.example"), &[0; 20]].concat();
    let mut zone = Zone::new(name("example"));
    assert_eq!(zone.faults(), [Fault::Soa(0), Fault::NoNs]);
    zone.add(&record("example", kind::SOA, 60, &soa));
    zone.add(&record("example", kind::NS, 60, &wire("ns.example")));
    assert_eq!(zone.faults(), []);
    assert_eq!(zone.serial(), Some(0));
    let alias = |owner| record(owner, kind::CNAME, 60, &wire("example"));
    for owner in ["fine.example", "two.example", "beside.example"] {
        zone.add(&alias(owner));
    }
    zone.add(&record("fine.example", kind::NSEC, 60, &[0]));
    zone.add(&record("two.example", kind::CNAME, 60, &wire("example.org")));
    zone.add(&record("beside.example", kind::TXT, 60, &[0]));
    zone.add(&record("d.example", kind::DNAME, 60, &wire("example.org")));
    zone.add(&record("x.d.example", kind::TXT, 60, &[0]));
    zone.add(&record("dd.example", kind::TXT, 60, &[0]));
    zone.add(&Record { rdata: [&soa[..19], &[1; 20]].concat().into(), ..record("example", kind::SOA, 60, &[]) });
    assert_eq!(
        zone.faults().iter().map(Fault::to_string).collect::<Vec<_>>(),
        [
            "the zone has 2 SOA records, not one",
            "beside.example has a CNAME and other records",
            "x.d.example lies below a DNAME",
            "two.example has a CNAME and other records",
        ]
    );
}

/// Names of few short labels, so that they meet: siblings, ancestors, odd octets.
fn any_name() -> impl Strategy<Value = Folded> {
    let label = prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, b'*', b'a', b'b', 255]), 1..3);
    prop::collection::vec(label, 0..4).prop_map(|labels| {
        let mut wire = Vec::new();
        for label in labels {
            wire.push(label.len() as u8);
            wire.extend_from_slice(&label);
        }
        wire.extend_from_slice(b"\x07example\x00");
        Name::new(&wire).unwrap().fold()
    })
}

/// What the order is defined on: labels from the right.
fn labels(name: &Folded) -> Vec<Vec<u8>> {
    let wire = name.wire();
    name.label_starts().rev().map(|at| wire[at + 1..][..usize::from(wire[at])].to_vec()).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Add(Folded, u16, u8),
    Remove(Folded, u16, u8),
    RemoveSet(Folded, u16),
}

fn any_step() -> impl Strategy<Value = Step> {
    let rtype = || prop::sample::select(vec![kind::A, kind::NS, kind::NSEC3, kind::DNAME]);
    prop_oneof![
        6 => (any_name(), rtype(), 0..3u8).prop_map(|(name, rtype, data)| Step::Add(name, rtype, data)),
        3 => (any_name(), rtype(), 0..3u8).prop_map(|(name, rtype, data)| Step::Remove(name, rtype, data)),
        1 => (any_name(), rtype()).prop_map(|(name, rtype)| Step::RemoveSet(name, rtype)),
    ]
}

type Model = BTreeMap<Vec<Vec<u8>>, (Folded, BTreeMap<u16, BTreeSet<u8>>)>;

fn flat(model: &Model) -> Vec<(Folded, u16, u8)> {
    let sets = model.values().flat_map(|(name, sets)| sets.iter().map(move |(rtype, data)| (name, *rtype, data)));
    sets.flat_map(|(name, rtype, data)| data.iter().map(move |data| (name.clone(), rtype, *data))).collect()
}

fn records(zone: &Zone) -> Vec<(Folded, u16, u8)> {
    zone.records().map(|record| (record.owner, record.rtype, record.rdata[0])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_tree_is_a_sorted_map(steps in prop::collection::vec(any_step(), 0..900), asked in any_name()) {
        let apex = name("example");
        let mut zone = Zone::new(apex.clone());
        let mut model = Model::new();
        let mut kept = None;
        let half = steps.len() / 2;
        for (turn, step) in steps.into_iter().enumerate() {
            if turn == half {
                kept = Some((zone.clone(), flat(&model)));
            }
            match step {
                Step::Add(owner, rtype, data) => {
                    let sets = &mut model.entry(labels(&owner)).or_insert((owner.clone(), BTreeMap::new())).1;
                    let new = sets.entry(rtype).or_default().insert(data);
                    let record = Record { owner, rtype, class: kind::CLASS_IN, ttl: 60, rdata: [data].into() };
                    prop_assert_eq!(zone.add(&record), new);
                }
                Step::Remove(owner, rtype, data) => {
                    let set = model.get_mut(&labels(&owner)).and_then(|(_, sets)| sets.get_mut(&rtype));
                    let was = set.is_some_and(|set| set.remove(&data));
                    prop_assert_eq!(zone.remove(&owner, rtype, &[data]), was);
                }
                Step::RemoveSet(owner, rtype) => {
                    let set = model.get_mut(&labels(&owner)).and_then(|(_, sets)| sets.remove(&rtype));
                    let was = set.filter(|set| !set.is_empty()).map(|set| set.len());
                    prop_assert_eq!(zone.remove_set(&owner, rtype).map(|set| set.rdatas.len()), was);
                }
            }
            for (_, sets) in model.values_mut() {
                sets.retain(|_, set| !set.is_empty());
            }
            model.retain(|_, (_, sets)| !sets.is_empty());
        }
        let flat_now = flat(&model);
        prop_assert_eq!(&records(&zone), &flat_now);
        prop_assert_eq!(zone.record_count(), flat_now.len());
        let hashed = |(_, sets): &&(Folded, BTreeMap<u16, BTreeSet<u8>>)| sets.contains_key(&kind::NSEC3);
        prop_assert_eq!(zone.hashed().from(&[]).count(), model.values().filter(hashed).count());
        let turns = flat_now.iter().any(|(owner, rtype, _)| {
            *rtype == kind::DNAME || *rtype == kind::NS && *owner != apex
        });
        prop_assert_eq!(zone.is_plain(), !turns);

        let wanted = labels(&asked);
        let exists = model.keys().any(|labels| labels.starts_with(&wanted));
        prop_assert_eq!(zone.exists(&asked), exists);
        let key = SortKey::new(&asked, &apex).unwrap();
        prop_assert_eq!(order::name_of(key.octets(), &apex), asked.clone());
        let below = zone.names().below(key.octets()).map(|(key, _)| order::name_of(key, &apex));
        prop_assert_eq!(below, model.range(..wanted).next_back().map(|(_, (name, _))| name.clone()));

        // The clone taken half way saw nothing of what came after.
        if let Some((zone, flat)) = kept {
            prop_assert_eq!(records(&zone), flat);
        }
    }
}
