use proptest::prelude::*;

use super::*;
use crate::testing::{name, record};
use crate::update::tests::zone;

#[test]
fn serials_are_compared_around_the_circle() {
    for (a, b, after) in [
        (1, 0, true),
        (0, 1, false),
        (0, 0, false),
        (0, u32::MAX, true),
        (u32::MAX, 0, false),
        (0x7fff_ffff, 0, true),
        (0x8000_0000, 0, false),
        (0, 0x8000_0000, false),
        (0x8000_0001, 0, false),
    ] {
        assert_eq!(serial_after(a, b), after, "{a} {b}");
    }
    assert_eq!((serial_next(7), serial_next(u32::MAX)), (8, 1));
}

#[test]
fn what_does_not_fit_is_told() {
    let before = zone();
    let mut after = before.clone();
    after.remove(&name("www"), kind::A, &[192, 0, 2, 2]);
    after.add(&record("new 60 A 192.0.2.9"));
    after.remove_set(&name("@"), kind::SOA);
    after.add(&record("@ 300 SOA ns hostmaster 8 3600 600 86400 60"));
    let delta = Delta::between(&before, &after).unwrap();
    assert_eq!((delta.removed.len(), delta.added.len()), (1, 1));

    assert_eq!(delta.apply(&after).unwrap_err(), Misfit::Serial { delta: 7, zone: 8 });
    let mut without = before.clone();
    without.remove_set(&name("www"), kind::A);
    assert_eq!(delta.apply(&without).unwrap_err(), Misfit::Record("www.example A".to_owned()));
    for ttl in [60, 61] {
        let mut with = before.clone();
        with.add(&record(&format!("new {ttl} A 192.0.2.9")));
        assert_eq!(delta.apply(&with).unwrap_err(), Misfit::Record("new.example A".to_owned()));
    }
    let outside = Delta { added: vec![record("a.other. 60 A 192.0.2.9")], ..delta };
    assert_eq!(outside.apply(&before).unwrap_err(), Misfit::Record("a.other A".to_owned()));
}

#[test]
fn nothing_changed_is_no_delta() {
    assert_eq!(Delta::between(&zone(), &zone()), None);
    assert_eq!(Delta::between(&zone(), &Zone::new(name("@"))), None);
    let mut serial = zone();
    serial.remove_set(&name("@"), kind::SOA);
    serial.add(&record("@ 300 SOA ns hostmaster 8 3600 600 86400 60"));
    let delta = Delta::between(&zone(), &serial).unwrap();
    assert_eq!((delta.serials(), delta.removed.len(), delta.added.len()), ((7, 8), 0, 0));
}

#[test]
fn a_letter_in_another_case_is_a_change() {
    let mut upper = zone();
    upper.remove_set(&name("alias"), kind::CNAME);
    upper.add(&record("alias 300 CNAME WWW"));
    let delta = Delta::between(&zone(), &upper).unwrap();
    assert_eq!((delta.removed.len(), delta.added.len()), (1, 1));
    assert_eq!(
        *delta.apply(&zone()).unwrap().rrset(&name("alias"), kind::CNAME).unwrap().rdatas[0],
        *b"\x03WWW\x07example\0"
    );
}

fn any_zone() -> impl Strategy<Value = Zone> {
    let record = (0..40u8, prop::sample::select(vec![kind::A, kind::TXT, kind::NS]), 0..3u8, 0..3u32);
    prop::collection::vec(record, 0..200).prop_map(|parts| {
        let mut zone = zone();
        for (owner, rtype, data, ttl) in parts {
            let rdata: Box<[u8]> = match rtype {
                kind::A => [192, 0, 2, data].into(),
                kind::TXT => [1, data].into(),
                _ => [1, b'a' + data, 0].into(),
            };
            zone.add(&Record { owner: name(&format!("n{owner}")), rtype, class: kind::CLASS_IN, ttl, rdata });
        }
        zone
    })
}

proptest! {
    #[test]
    fn the_way_from_one_to_the_other_leads_there(a in any_zone(), b in any_zone()) {
        match Delta::between(&a, &b) {
            Some(delta) => prop_assert!(delta.apply(&a).unwrap() == b),
            None => prop_assert!(a == b),
        }
    }
}
