use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::testing::{lines, name, record, records, update_bytes};

const ZONE: &str = "
@        300 SOA ns hostmaster 7 3600 600 86400 60
@        300 NS ns
@        300 NS ns.other.
@        300 MX 10 mail
@        300 TXT apex
ns       300 A 192.0.2.1
www      300 A 192.0.2.2
www      300 A 192.0.2.3
www      300 TXT hello
one      300 A 192.0.2.4
alias    300 CNAME www
deep.ent 300 A 192.0.2.5
*.wild   300 TXT any
sub      300 NS ns.sub
sub      300 NS ns2.sub
ns.sub   300 A 192.0.2.6
far      300 DNAME elsewhere.
wks      300 WKS \\# c0000201 06 40
wks      300 WKS \\# c0000201 11 40
";

pub(crate) fn zone() -> Zone {
    let mut zone = Zone::new(name("@"));
    for record in records(ZONE) {
        zone.add(&record);
    }
    zone
}

/// An update as text, read back from the message it makes.
pub(crate) fn update(text: &str) -> Message {
    Message::read(&update_bytes(7, text)).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn done(update: &str, zone: &Zone) -> Result<Option<(Zone, Delta)>, Denial> {
    // What cannot be read as a message is answered with FORMERR by whoever reads it.
    let malformed = |error: wire::message::Malformed| Denial { code: Code::FORMERR, reason: error.to_string() };
    let update = Update::read(&Message::read(&update_bytes(7, update)).map_err(malformed)?)?;
    update.check_prerequisites(zone)?;
    update.prescan(zone)?;
    update.apply(zone)
}

/// What an update does: `NOERROR` for nothing, a code, or what goes and comes, one record a line: `- www 300 A 192.0.2.2`.
/// With a change the serial is 8, unless a line says `serial 9`.
fn check(update: &str, expected: &str) {
    let zone = zone();
    let before: Vec<Record> = zone.records().collect();
    let result = done(update, &zone);
    assert!(zone.records().eq(before), "the version before stays as it was: {update}");
    let code = |code: &str| !code.contains(['+', '-', ' ']);
    let (next, delta) = match result {
        Err(denial) => return assert_eq!(denial.code.name(), expected, "{update}: {denial}"),
        Ok(None) => return assert_eq!("NOERROR", expected, "{update}"),
        Ok(Some(_)) if code(expected) => panic!("{update}: it made a change, {expected} was expected"),
        Ok(Some(changed)) => changed,
    };
    let mut serial = 8;
    let mut lines_of = [BTreeSet::new(), BTreeSet::new()];
    for line in lines(expected) {
        match line.split_at(1) {
            ("-", line) => lines_of[0].insert(format!("{:?}", record(line))),
            ("+", line) => lines_of[1].insert(format!("{:?}", record(line))),
            _ => {
                serial = line.strip_prefix("serial ").unwrap().parse().unwrap();
                true
            }
        };
    }
    let told = |records: &[Record]| records.iter().map(|record| format!("{record:?}")).collect::<BTreeSet<_>>();
    assert_eq!([told(&delta.removed), told(&delta.added)], lines_of, "{update}");
    assert_eq!(delta.serials(), (7, serial), "{update}");
    assert_eq!(next.serial(), Some(serial), "{update}");
    assert!(delta.apply(&zone).unwrap() == next, "{update}");
    assert!(Delta::between(&zone, &next).unwrap().apply(&zone).unwrap() == next, "{update}");
}

fn check_all(cases: &[(&str, &str)]) {
    for (update, expected) in cases {
        check(update, expected);
    }
}

#[test]
fn the_zone_section_names_one_zone_and_asks_for_its_soa() {
    check_all(&[
        ("zone @ IN SOA", "NOERROR"),
        ("zone EXAMPLE. IN SOA", "NOERROR"),
        ("zone @ IN A\n add a 1 A 192.0.2.9", "FORMERR"),
        ("zone @ IN ANY", "FORMERR"),
        ("zone @ ANY SOA", "FORMERR"),
        ("zone @ NONE SOA", "FORMERR"),
        ("zone @ CLASS0 SOA", "FORMERR"),
        ("zone @ IN SOA\n zone @ IN SOA", "FORMERR"),
        ("zone @ IN SOA\n zone other. IN SOA", "FORMERR"),
        ("zone @ CH SOA", "NOTAUTH"),
        ("zone www IN SOA", "NOTAUTH"),
        ("zone other. IN SOA\n add a.other. 1 A 192.0.2.9", "NOTAUTH"),
    ]);
    let mut none = update("");
    none.questions.clear();
    assert_eq!(Update::read(&none).unwrap_err().code, Code::FORMERR);
}

#[test]
fn prerequisites_hold_or_deny() {
    check_all(&[
        // §2.4.1: the set exists, whatever its data.
        ("need www A", "NOERROR"),
        ("need WWW A", "NOERROR"),
        ("need www AAAA", "NXRRSET"),
        ("need nowhere A", "NXRRSET"),
        ("need alias A", "NXRRSET"),
        ("need deep.wild TXT", "NXRRSET"),
        ("need *.wild TXT", "NOERROR"),
        // §2.4.2: the set is this one.
        ("need www A 192.0.2.2\n need www A 192.0.2.3", "NOERROR"),
        ("need www A 192.0.2.3\n need www A 192.0.2.2", "NOERROR"),
        ("need www A 192.0.2.3\n need www A 192.0.2.2\n need WWW A 192.0.2.2", "NOERROR"),
        ("need www A 192.0.2.2", "NXRRSET"),
        ("need www A 192.0.2.2\n need www A 192.0.2.3\n need www A 192.0.2.4", "NXRRSET"),
        ("need www A 192.0.2.2\n need www A 192.0.2.4", "NXRRSET"),
        ("need nowhere A 192.0.2.2", "NXRRSET"),
        ("need alias CNAME WwW", "NOERROR"),
        ("need alias CNAME ns", "NXRRSET"),
        ("need www TXT hello", "NOERROR"),
        ("need www TXT Hello", "NXRRSET"),
        ("need @ SOA ns hostmaster 7 3600 600 86400 60", "NOERROR"),
        ("need @ SOA ns hostmaster 8 3600 600 86400 60", "NXRRSET"),
        ("need www A 192.0.2.2\n need one A 192.0.2.4\n need www A 192.0.2.3", "NOERROR"),
        // §2.4.3: the set does not exist.
        ("need no www AAAA", "NOERROR"),
        ("need no nowhere A", "NOERROR"),
        ("need no www A", "YXRRSET"),
        // §2.4.4: the name is in use; an empty non-terminal is not.
        ("need www", "NOERROR"),
        ("need alias", "NOERROR"),
        ("need nowhere", "NXDOMAIN"),
        ("need ent", "NXDOMAIN"),
        ("need deep.wild", "NXDOMAIN"),
        // §2.4.5: the name is not in use.
        ("need no nowhere", "NOERROR"),
        ("need no ent", "NOERROR"),
        ("need no www", "YXDOMAIN"),
        ("need no @", "YXDOMAIN"),
        // §3.2.5: in order, sets to be equal last.
        ("need no www\n need nowhere", "YXDOMAIN"),
        ("need nowhere\n need no www", "NXDOMAIN"),
        ("need www A 192.0.2.9\n need no www", "YXDOMAIN"),
        ("need nowhere\n need a.other. A", "NXDOMAIN"),
        // §3.2.5 asks nothing of the type: of one that is no data there is no set.
        ("raw need www 0 IN ANY", "NXRRSET"),
        ("need www AXFR", "NXRRSET"),
        ("need no www TSIG", "NOERROR"),
        // They come before the updates.
        ("need nowhere\n add a.other. 1 A 192.0.2.9", "NXDOMAIN"),
        ("need www\n add new 300 A 192.0.2.9", "+ new 300 A 192.0.2.9"),
    ]);
}

#[test]
fn malformed_prerequisites() {
    check_all(&[
        ("raw need www 1 ANY A", "FORMERR"),
        ("raw need www 1 NONE A", "FORMERR"),
        ("raw need www 1 A 192.0.2.2", "FORMERR"),
        (r"raw need www 0 ANY A \# c0000202", "FORMERR"),
        (r"raw need www 0 NONE A \# c0000202", "FORMERR"),
        (r"raw need www 0 ANY ANY \# 00", "FORMERR"),
        ("raw need www 0 CH A", "FORMERR"),
        ("raw need www 0 IN A", "FORMERR"),
        ("need a.other. A", "NOTZONE"),
        ("need no a.other. A", "NOTZONE"),
        ("need a.other.", "NOTZONE"),
        ("need no a.other.", "NOTZONE"),
        ("need a.other. A 192.0.2.1", "NOTZONE"),
        ("need .", "NOTZONE"),
        ("need badexample.", "NOTZONE"),
        // The TTL is looked at first.
        ("raw need a.other. 1 ANY A", "FORMERR"),
    ]);
}

#[test]
fn the_update_section_is_checked_before_anything_changes() {
    check_all(&[
        ("add a.other. 300 A 192.0.2.9", "NOTZONE"),
        ("delete a.other.", "NOTZONE"),
        ("delete a.other. A", "NOTZONE"),
        ("delete a.other. A 192.0.2.1", "NOTZONE"),
        ("add new 300 A 192.0.2.9\n add a.other. 300 A 192.0.2.9", "NOTZONE"),
        ("delete www\n raw new 0 CH A 192.0.2.9", "FORMERR"),
        ("raw www 1 ANY A", "FORMERR"),
        ("raw www 1 ANY ANY", "FORMERR"),
        ("raw www 1 NONE A 192.0.2.2", "FORMERR"),
        (r"raw www 0 ANY A \# c0000202", "FORMERR"),
        (r"raw www 0 ANY ANY \# 00", "FORMERR"),
        ("raw www 0 NONE ANY", "FORMERR"),
        (r"raw www 300 IN ANY \# 00", "FORMERR"),
        ("raw www 300 IN A", "FORMERR"),
        ("raw www 300 IN TXT", "FORMERR"),
        ("raw www 0 NONE A", "FORMERR"),
        (r"raw www 300 IN TXT \# 0261", "FORMERR"),
        (r"raw www 0 NONE A \# c00002", "FORMERR"),
        (r"raw www 0 NONE TXT \# 0261", "FORMERR"),
        (r"raw www 300 IN TYPE0 \# 00", "FORMERR"),
    ]);
    for meta in ["AXFR", "IXFR", "MAILA", "MAILB", "OPT", "TSIG", "TKEY", "NXNAME", "TYPE200"] {
        check(&format!("raw www 0 ANY {meta}"), "FORMERR");
        check(&format!(r"raw www 0 NONE {meta} \# 00"), "FORMERR");
        check(&format!(r"raw www 300 IN {meta} \# 00"), "FORMERR");
    }
}

#[test]
fn additions() {
    check_all(&[
        ("add new 60 A 192.0.2.9", "+ new 60 A 192.0.2.9"),
        ("add NEW 60 A 192.0.2.9", "+ new 60 A 192.0.2.9"),
        ("add www 300 A 192.0.2.9", "+ www 300 A 192.0.2.9"),
        ("add www 300 A 192.0.2.2", "NOERROR"),
        ("add @ 300 MX 10 MAIL", "NOERROR"),
        ("add *.wild 300 TXT more", "+ *.wild 300 TXT more"),
        (r"add new 60 TYPE65280 \# 0102", r"+ new 60 TYPE65280 \# 0102"),
        (r"add new 60 NULL \# 00", r"+ new 60 NULL \# 00"),
        ("add a.b.c.new 60 A 192.0.2.9", "+ a.b.c.new 60 A 192.0.2.9"),
        ("add below.sub 60 A 192.0.2.9", "+ below.sub 60 A 192.0.2.9"),
        // The whole set takes the TTL of what comes (RFC 2181 §5.2).
        (
            "add www 60 A 192.0.2.2",
            "- www 300 A 192.0.2.2\n - www 300 A 192.0.2.3\n + www 60 A 192.0.2.2\n + www 60 A 192.0.2.3",
        ),
        ("add new 4294967295 A 192.0.2.9", "+ new 0 A 192.0.2.9"),
        // Twice the same, and there and back.
        ("add new 60 A 192.0.2.9\n add new 60 A 192.0.2.9", "+ new 60 A 192.0.2.9"),
        ("add new 60 A 192.0.2.9\n delete new A 192.0.2.9", "NOERROR"),
        ("delete one\n add one 300 A 192.0.2.4", "NOERROR"),
        ("delete one\n add one 300 A 192.0.2.5", "- one 300 A 192.0.2.4\n + one 300 A 192.0.2.5"),
        // WKS: one for each address and protocol (§3.4.2.2).
        (r"add wks 300 WKS \# c0000201 06 80", "- wks 300 WKS \\# c0000201 06 40\n + wks 300 WKS \\# c0000201 06 80"),
        (r"add wks 300 WKS \# c0000202 06 80", r"+ wks 300 WKS \# c0000202 06 80"),
    ]);
}

#[test]
fn cname_and_dname_stand_alone() {
    check_all(&[
        ("add www 300 CNAME ns", "NOERROR"),
        ("add @ 300 CNAME ns", "NOERROR"),
        ("add alias 300 A 192.0.2.9", "NOERROR"),
        ("add alias 300 DNAME other.", "NOERROR"),
        ("add far 300 CNAME other.", "NOERROR"),
        ("add alias 300 CNAME ns", "- alias 300 CNAME www\n + alias 300 CNAME ns"),
        ("add alias 60 CNAME www", "- alias 300 CNAME www\n + alias 60 CNAME www"),
        ("add new 300 CNAME a\n add new 300 CNAME b", "+ new 300 CNAME b"),
        ("add new 300 CNAME a\n add new 300 A 192.0.2.9", "+ new 300 CNAME a"),
        ("add new 300 A 192.0.2.9\n add new 300 CNAME a", "+ new 300 A 192.0.2.9"),
        (
            "delete www\n add www 300 CNAME ns",
            "- www 300 A 192.0.2.2\n - www 300 A 192.0.2.3\n - www 300 TXT hello\n + www 300 CNAME ns",
        ),
        ("delete alias CNAME\n add alias 300 A 192.0.2.9", "- alias 300 CNAME www\n + alias 300 A 192.0.2.9"),
        ("add far 300 DNAME other.", "- far 300 DNAME elsewhere.\n + far 300 DNAME other."),
        ("add far 300 A 192.0.2.9", "+ far 300 A 192.0.2.9"),
        ("add below.far 300 A 192.0.2.9", "+ below.far 300 A 192.0.2.9"),
        ("add www 300 DNAME other.", "+ www 300 DNAME other."),
        // What DNSSEC needs beside a CNAME (RFC 4034 §2.5).
        (r"add alias 300 NSEC \# 00 00 01 04", r"+ alias 300 NSEC \# 00 00 01 04"),
        (r"add alias 300 KEY \# 01000305", r"+ alias 300 KEY \# 01000305"),
        (
            r"add new 300 NSEC \# 00 00 01 04
           add new 300 CNAME www",
            "+ new 300 NSEC \\# 00 00 01 04\n + new 300 CNAME www",
        ),
        (r"add alias 300 DNSKEY \# 01000305", "NOERROR"),
    ]);
}

#[test]
fn deletions() {
    check_all(&[
        ("delete www A 192.0.2.2", "- www 300 A 192.0.2.2"),
        ("delete www A 192.0.2.9", "NOERROR"),
        ("delete nowhere A 192.0.2.9", "NOERROR"),
        ("delete alias CNAME WWW", "- alias 300 CNAME www"),
        ("delete www TXT HELLO", "NOERROR"),
        ("delete www A", "- www 300 A 192.0.2.2\n - www 300 A 192.0.2.3"),
        ("delete www AAAA", "NOERROR"),
        ("delete www", "- www 300 A 192.0.2.2\n - www 300 A 192.0.2.3\n - www 300 TXT hello"),
        ("delete ent", "NOERROR"),
        ("delete *.wild", "- *.wild 300 TXT any"),
        ("delete deep.wild", "NOERROR"),
        ("delete sub", "- sub 300 NS ns.sub\n - sub 300 NS ns2.sub"),
        ("delete sub NS ns.sub\n delete sub NS ns2.sub", "- sub 300 NS ns.sub\n - sub 300 NS ns2.sub"),
        ("delete sub NS", "- sub 300 NS ns.sub\n - sub 300 NS ns2.sub"),
    ]);
}

#[test]
fn the_apex_keeps_soa_and_ns() {
    check_all(&[
        ("delete @ SOA", "NOERROR"),
        ("delete @ SOA ns hostmaster 7 3600 600 86400 60", "NOERROR"),
        ("delete @ NS", "NOERROR"),
        ("delete @ NS ns", "- @ 300 NS ns"),
        ("delete @ NS ns\n delete @ NS ns.other.", "- @ 300 NS ns"),
        (
            "delete @ NS ns\n add @ 300 NS a.other.\n delete @ NS ns.other.",
            "- @ 300 NS ns\n - @ 300 NS ns.other.\n + @ 300 NS a.other.",
        ),
        ("delete @", "- @ 300 MX 10 mail\n - @ 300 TXT apex"),
        ("delete @ MX", "- @ 300 MX 10 mail"),
    ]);
}

#[test]
fn the_serial_moves_once_and_only_forward() {
    check_all(&[
        ("add @ 300 SOA ns hostmaster 9 3600 600 86400 60", "serial 9"),
        ("add @ 300 SOA ns hostmaster 9 1 2 3 4\n add new 60 A 192.0.2.9", "serial 9\n + new 60 A 192.0.2.9"),
        ("add new 60 A 192.0.2.9\n add @ 300 SOA ns hostmaster 9 1 2 3 4", "serial 9\n + new 60 A 192.0.2.9"),
        ("add @ 300 SOA ns hostmaster 7 1 2 3 4", "NOERROR"),
        ("add @ 300 SOA ns hostmaster 6 1 2 3 4", "NOERROR"),
        // RFC 1982: half way round and beyond is behind.
        ("add @ 300 SOA ns hostmaster 2147483654 1 2 3 4", "serial 2147483654"),
        ("add @ 300 SOA ns hostmaster 2147483655 1 2 3 4", "NOERROR"),
        ("add @ 300 SOA ns hostmaster 2147483656 1 2 3 4", "NOERROR"),
        ("add @ 300 SOA ns hostmaster 6 1 2 3 4\n add new 60 A 192.0.2.9", "+ new 60 A 192.0.2.9"),
        ("add www 300 SOA ns hostmaster 9 1 2 3 4", "NOERROR"),
        ("add a 60 A 192.0.2.9\n add b 60 A 192.0.2.9", "+ a 60 A 192.0.2.9\n + b 60 A 192.0.2.9"),
        ("", "NOERROR"),
    ]);
}

#[test]
fn serials_go_round_and_pass_over_0() {
    let mut zone = zone();
    zone.remove_set(&name("@"), kind::SOA);
    zone.add(&record("@ 300 SOA ns hostmaster 4294967295 3600 600 86400 60"));
    let (next, delta) = done("add new 60 A 192.0.2.9", &zone).unwrap().unwrap();
    assert_eq!((delta.serials(), next.serial()), ((u32::MAX, 1), Some(1)));
}

#[test]
fn a_set_has_a_limit() {
    let mut zone = zone();
    for at in 0..SET_RECORDS_MAX {
        zone.add(&record(&format!("many 60 A 10.0.{}.{}", at >> 8, at & 255)));
    }
    let denial = done("add one 300 A 192.0.2.9\n add many 60 A 192.0.2.9", &zone).unwrap_err();
    assert_eq!(denial.code, Code::SERVFAIL, "{denial}");
    assert!(done("add many 60 A 10.0.0.1", &zone).unwrap().is_none());
}

#[test]
fn a_name_has_a_limit_of_types() {
    let types = |count: usize| -> String {
        (0..count).map(|at| format!("add types 60 TYPE{} \\# 00\n", 65_280 - at)).collect()
    };
    assert!(done(&types(NAME_SETS_MAX), &zone()).unwrap().is_some());
    let denial = done(&types(NAME_SETS_MAX + 1), &zone()).unwrap_err();
    assert_eq!(denial.to_string(), "SERVFAIL: types.example would have more than 256 types");
}

#[test]
fn a_zone_without_ns_is_not_changed() {
    let mut zone = zone();
    zone.remove_set(&name("@"), kind::NS);
    assert_eq!(done("add new 60 A 192.0.2.9", &zone).unwrap_err().code, Code::SERVFAIL);
}

#[test]
fn touched_says_what_would_change() {
    let update = Update::read(&update("add a 1 A 192.0.2.1\n delete b\n delete c TXT\n delete d A 192.0.2.1")).unwrap();
    let touched: Vec<_> = update.touched().map(|(name, rtype)| format!("{name} {rtype}")).collect();
    assert_eq!(touched, ["a.example 1", "b.example 255", "c.example 16", "d.example 1"]);
}

#[test]
fn the_summary_is_short() {
    let summary = |text: &str| Update::read(&update(text)).unwrap().summary();
    assert_eq!(
        summary(
            "need www A\n need no new\n need old\n need one A 192.0.2.4\n add www 9 A 192.0.2.1\n delete old\n delete a TXT\n delete b A 192.0.2.2"
        ),
        "need www.example A; need no new.example; need old.example; need one.example A 192.0.2.4; \
         add www.example A 192.0.2.1; delete old.example; delete a.example TXT; delete b.example A 192.0.2.2"
    );
    assert_eq!(summary(""), "");
    let many = "add www 9 A 192.0.2.1\n".repeat(100);
    let many = summary(&many);
    assert!(many.len() <= SUMMARY_BYTES_MAX && many.ends_with(" more"), "{many}");
    let long = format!("add www 9 TYPE65280 \\# {}", "00".repeat(60_000));
    assert_eq!(summary(&long), "add www.example TYPE65280 …");
}

/// Lines an update could have, over few names, so that they meet.
fn line() -> impl Strategy<Value = String> {
    let owner = prop::sample::select(vec!["@", "www", "one", "alias", "new", "a.new", "*.wild", "sub", "far"]);
    let data = prop::sample::select(vec![
        "A 192.0.2.2",
        "A 192.0.2.3",
        "A 192.0.2.9",
        "TXT hello",
        "TXT Other",
        "CNAME www",
        "CNAME ns",
        "NS ns",
        "NS ns.other.",
        "MX 10 mail",
        "DNAME elsewhere.",
        "SOA ns hostmaster 9 1 2 3 4",
        "SOA ns hostmaster 7 1 2 3 4",
    ]);
    let ttl = prop::sample::select(vec![60, 300]);
    (0..4, owner, data, ttl).prop_map(|(verb, owner, data, ttl)| match verb {
        0 => format!("delete {owner}\n"),
        1 => format!("delete {owner} {}\n", data.split(' ').next().unwrap()),
        2 => format!("delete {owner} {data}\n"),
        _ => format!("add {owner} {ttl} {data}\n"),
    })
}

pub(crate) fn updates() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::collection::vec(line(), 1..6).prop_map(|lines| lines.concat()), 1..8)
}

proptest! {
    #[test]
    fn any_row_of_updates_leaves_a_zone_and_deltas_that_lead_to_it(updates in updates()) {
        let mut zone = zone();
        for update in updates {
            let Some((next, delta)) = done(&update, &zone).unwrap() else { continue };
            prop_assert!(serial_after(next.serial().unwrap(), zone.serial().unwrap()));
            prop_assert!(next.rrset(&name("@"), kind::NS).is_some());
            let cname_beside = next.faults().iter().any(|fault| matches!(fault, crate::tree::Fault::CnameBeside(_)));
            prop_assert!(!cname_beside, "{update}");
            prop_assert!(delta.apply(&zone).unwrap() == next);
            let walked = Delta::between(&zone, &next).unwrap();
            prop_assert!(walked.apply(&zone).unwrap() == next);
            prop_assert_eq!((walked.removed.len(), walked.added.len()), (delta.removed.len(), delta.added.len()));
            zone = next;
        }
    }

    #[test]
    fn any_octets_are_denied_or_done(bytes in prop::collection::vec(any::<u8>(), 12..200)) {
        if let Ok(message) = Message::read(&bytes)
            && let Ok(update) = Update::read(&message)
        {
            let _ = update.apply(&zone());
        }
    }
}
