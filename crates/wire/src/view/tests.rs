use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::testing::{build, unhex};

/// What `read` made of it, in words.
fn verdict(bytes: &[u8]) -> String {
    let edns = |edns: Option<Edns<'_>>, text: &mut String| {
        if let Some(edns) = edns {
            write!(text, " opt={}", edns.udp_size).unwrap();
            if edns.dnssec_ok {
                text.push_str(" do");
            }
            edns.each_option().for_each(|(code, data)| write!(text, " option={code}:{}", data.len()).unwrap());
        }
    };
    let question =
        |name: Name<'_>, qtype, qclass| format!("{name} {} {}", kind::type_name(qtype), kind::class_name(qclass));
    match read(bytes) {
        Arrival::Silence(why) => format!("silence {why:?}"),
        Arrival::Query(query) => {
            assert_eq!((query.bytes, query.id), (bytes, u16::from_be_bytes([bytes[0], bytes[1]])));
            let mut text = format!("query {}", question(query.qname, query.qtype, query.qclass));
            edns(query.edns, &mut text);
            text
        }
        Arrival::Operation(operation) => {
            assert_eq!((operation.bytes, operation.id), (bytes, u16::from_be_bytes([bytes[0], bytes[1]])));
            let mut text = format!("operation {}", kind::opcode_name(operation.opcode));
            if let Some((name, qtype, qclass, end)) = operation.question {
                assert_eq!(end, HEADER_LEN + name.wire().len() + 4);
                write!(text, " {}", question(name, qtype, qclass)).unwrap();
            }
            edns(operation.edns, &mut text);
            if let Some(at) = operation.tsig_at {
                write!(text, " tsig@{at}").unwrap();
            }
            text
        }
        Arrival::Reject(reject) => {
            let code = Code::derive(Some(reject.rcode), None, None).unwrap();
            let mut text = format!("{code}");
            if let Some((name, qtype, qclass, end)) = reject.question {
                assert_eq!(end, HEADER_LEN + name.wire().len() + 4);
                write!(text, " ({})", question(name, qtype, qclass)).unwrap();
            }
            edns(reject.edns, &mut text);
            format!("{text}: {}", reject.reason)
        }
    }
}

fn check(cases: &[(&str, &str)]) {
    for (message, expected) in cases {
        assert_eq!(verdict(&build(message)), *expected, "{message}");
    }
}

#[test]
fn plain_queries() {
    check(&[
        ("flags rd; q www.Example A", "query www.Example A IN"),
        ("q . NS", "query . NS IN"),
        ("q version.bind TXT CH", "query version.bind TXT CH"),
        ("q example TYPE65280", "query example TYPE65280 IN"),
        ("q example ANY", "query example ANY IN"),
        ("flags rd ad cd; q example A; opt 4096 do", "query example A IN opt=4096 do"),
        ("q example A; opt 0", "query example A IN opt=0"),
        ("flags tc rcode=5 ra aa; q example A", "query example A IN"),
    ]);
}

#[test]
fn header_bits_of_a_query() {
    let bytes = build("id 4660; flags rd cd; q Example A; opt 1232");
    let Arrival::Query(query) = read(&bytes) else { panic!() };
    assert_eq!(query.id, 0x1234);
    assert!(query.recursion_desired() && query.checking_disabled());
    assert!(!query.authentic_data() && !query.dnssec_ok());
    assert_eq!(query.question_end(), 12 + 9 + 4);
    assert_eq!(query.qname.fold().text(), "example");
}

#[test]
fn silence() {
    check(&[("flags qr; q example A", "silence Response"), ("flags qr opcode=5; hex ff", "silence Response")]);
    for len in 0..HEADER_LEN {
        assert_eq!(verdict(&vec![0; len]), "silence NoHeader");
    }
}

#[test]
fn questions_that_are_none() {
    let label_64 = format!("hex 40 {} 00 0001 0001; count qd=1", "61".repeat(64));
    let name_256 = format!("hex {} 00 0001 0001; count qd=1", "0161".repeat(128));
    check(&[
        ("", "FORMERR: 0 questions instead of one"),
        ("q a.example A; q b.example A", "FORMERR (a.example A IN): 2 questions instead of one"),
        ("q a.example A; q b.example A; opt 1232", "FORMERR (a.example A IN) opt=1232: 2 questions instead of one"),
        ("count qd=1", "FORMERR: message ends too early at octet 12"),
        ("count qd=1; hex 03777777", "FORMERR: message ends too early at octet 16"),
        ("count qd=1; hex 0161 00 00", "FORMERR: message ends too early at octet 16"),
        ("count qd=1; hex 0161 00 0001 00", "FORMERR: message ends too early at octet 18"),
        ("q @12 A", "FORMERR: no valid name at octet 12"),
        ("q www.@12 A", "FORMERR: no valid name at octet 16"),
        ("count qd=1; hex 80 00 0001 0001", "FORMERR: no valid name at octet 12"),
        (&label_64, "FORMERR: no valid name at octet 12"),
        (&name_256, "FORMERR: no valid name at octet 266"),
    ]);
}

#[test]
fn records_that_a_query_has_not() {
    check(&[
        ("q example A; hex 00", "FORMERR (example A IN): octets after the last record, from octet 25"),
        (
            "q example A; opt 1232; hex 0000",
            "FORMERR (example A IN) opt=1232: octets after the last record, from octet 36",
        ),
        ("q example A; count ar=1", "FORMERR (example A IN): message ends too early at octet 25"),
        ("q example A; an @12 1 A 192.0.2.1", "FORMERR (example A IN): such a message has no such record: octet 25"),
        (
            "q example A; ns @12 1 A 192.0.2.1; opt 1232",
            "FORMERR (example A IN) opt=1232: such a message has no such record: octet 25",
        ),
        // Other additional records are ignored, as long as they are records and few.
        ("q example A; ar @12 1 A 192.0.2.1; opt 512", "query example A IN opt=512"),
        ("q example A; ar @25 1 A 192.0.2.1", "FORMERR (example A IN): no valid name at octet 25"),
    ]);
    let many = |count| format!("q example A; {}", "ar . 1 A 192.0.2.1;".repeat(count));
    assert_eq!(verdict(&build(&many(16))), "query example A IN");
    assert_eq!(verdict(&build(&many(17))), "FORMERR (example A IN): such a message has no such record: octet 25");
}

#[test]
fn edns_that_breaks_the_rules() {
    check(&[
        ("q example A; opt 1232; opt 1232", "FORMERR (example A IN) opt=1232: OPT record malformed at octet 36"),
        ("q example A; ar example 0 OPT \\#", "FORMERR (example A IN): OPT record malformed at octet 25"),
        ("q example A; opt 1232 raw=000a", "FORMERR (example A IN): OPT record malformed at octet 38"),
        ("q example A; opt 1232 raw=000a0008ff", "FORMERR (example A IN): OPT record malformed at octet 36"),
        ("q example A; opt 1232 version=1", "BADVERS (example A IN) opt=1232: EDNS version 1 is not known"),
        // Options of another version are not looked at.
        ("q example A; opt 1232 version=255 raw=ff", "BADVERS (example A IN): EDNS version 255 is not known"),
        ("q example A; opt 1232 ext=1", "query example A IN opt=1232"),
    ]);
}

#[test]
fn cookies_are_8_or_16_to_40_octets() {
    for len in 0..=64 {
        let message = build(&format!("q example A; opt 1232 option=10:{}", "00".repeat(len)));
        let expected = match len {
            8 | 16..=40 => format!("query example A IN opt=1232 option=10:{len}"),
            _ => format!("FORMERR (example A IN) opt=1232 option=10:{len}: OPT record malformed at octet 36"),
        };
        assert_eq!(verdict(&message), expected);
    }
    // RFC 7873 §5.2: only the first counts.
    let two = build("q example A; opt 1232 option=10:0011223344556677 option=10:00");
    assert_eq!(verdict(&two), "query example A IN opt=1232 option=10:8 option=10:1");
}

#[test]
fn client_subnets() {
    for (data, right) in [
        ("0001 18 00 c00002", true),
        ("0001 00 00", true),
        ("0000 00 00", true),
        ("0002 38 00 20010db8000000", true),
        ("0001 13 00 c00020", true),
        ("0001 13 00 c00010", false),
        ("0001 18 18 c00002", false),
        ("0001 18 00 c000", false),
        ("0001 18 00 c0000200", false),
        ("0001 21 00 c000020100", false),
        ("0003 00 00", false),
        ("0001 18", false),
    ] {
        let message = build(&format!("q example A; opt 1232 option=8:{}", data.replace(' ', "")));
        assert_eq!(matches!(read(&message), Arrival::Query(_)), right, "{data}");
    }
}

/// RFC 7828 §3.1.
#[test]
fn keepalives_have_a_timeout_or_none() {
    for (data, right) in [("", true), ("0064", true), ("00", false), ("006400", false)] {
        let message = build(&format!("q example A; opt 1232 option=11:{data}"));
        assert_eq!(matches!(read(&message), Arrival::Query(_)), right, "{data}");
    }
}

/// RFC 7873 §5.4.
#[test]
fn a_cookie_is_asked_for_without_a_question() {
    check(&[
        (
            "opt 1232 option=10:0011223344556677",
            "FORMERR opt=1232 option=10:8: no question, only a cookie, and cookies are off",
        ),
        ("opt 1232", "FORMERR opt=1232: 0 questions instead of one"),
        ("opt 1232 option=10:00", "FORMERR opt=1232 option=10:1: OPT record malformed at octet 23"),
        (
            "opt 1232 option=10:0011223344556677; opt 1232",
            "FORMERR opt=1232 option=10:8: OPT record malformed at octet 35",
        ),
        (
            "an . 1 A 192.0.2.1; opt 1232 option=10:0011223344556677",
            "FORMERR opt=1232 option=10:8: 0 questions instead of one",
        ),
        ("opt 1232 option=10:0011223344556677; ar . 0 ANY:TSIG \\# 00", "operation QUERY opt=1232 option=10:8 tsig@35"),
        ("opt 1232 option=10:0011223344556677 version=1", "BADVERS opt=1232 option=10:8: EDNS version 1 is not known"),
    ]);
}

#[test]
fn other_opcodes_are_not_implemented_whatever_the_body() {
    check(&[
        ("flags opcode=1; q example A", "NOTIMP (example A IN): opcode IQUERY is not offered"),
        ("flags opcode=2; opt 1232", "NOTIMP opt=1232: opcode STATUS is not offered"),
        ("flags opcode=3", "NOTIMP: opcode OPCODE3 is not offered"),
        ("flags opcode=15; count qd=9 an=9; hex ffffff", "NOTIMP: opcode OPCODE15 is not offered"),
        ("flags opcode=7; q www.@12 A", "NOTIMP: opcode OPCODE7 is not offered"),
        ("flags opcode=7; q example A; ar . 1 ANY:TSIG \\# 00", "NOTIMP (example A IN): opcode OPCODE7 is not offered"),
    ]);
}

#[test]
fn operations() {
    check(&[
        ("flags opcode=4; q example SOA; an @12 1 A 192.0.2.1", "operation NOTIFY example SOA IN"),
        (
            "flags opcode=5; q example SOA; ns a.@12 0 ANY:A \\#; opt 1232 do",
            "operation UPDATE example SOA IN opt=1232 do",
        ),
        ("flags opcode=6; hex 000100020000", "operation DSO"),
        ("flags opcode=6; count qd=9 ar=1; hex ff", "operation DSO"),
        ("q example AXFR", "operation QUERY example AXFR IN"),
        ("q example IXFR; ns @12 0 SOA a.@12 b.@12 1 2 3 4 5", "operation QUERY example IXFR IN"),
        ("q key TKEY; ar key. 0 ANY:TKEY \\# 00", "operation QUERY key TKEY IN"),
        ("q key TKEY; an key. 0 ANY:TKEY \\# 00; opt 1232", "operation QUERY key TKEY IN opt=1232"),
    ]);
    // As many records as fit are stepped over.
    let records = "ns @12 0 A 192.0.2.1;".repeat(4_000);
    check(&[(&format!("flags opcode=5; q example SOA; {records}"), "operation UPDATE example SOA IN")]);
}

#[test]
fn operations_that_are_malformed() {
    let opt_in_updates = "flags opcode=5; q example SOA; ns . 0 OPT \\#";
    check(&[
        ("flags opcode=5", "FORMERR: 0 questions instead of one"),
        ("flags opcode=4; q a SOA; q b SOA", "FORMERR (a SOA IN): 2 questions instead of one"),
        (
            "flags opcode=5; q example SOA; hex 00",
            "FORMERR (example SOA IN): octets after the last record, from octet 25",
        ),
        ("flags opcode=5; q example SOA; count ns=1", "FORMERR (example SOA IN): message ends too early at octet 25"),
        (
            "flags opcode=5; q example SOA; count an=65535 ns=65535 ar=65535",
            "FORMERR (example SOA IN): message ends too early at octet 25",
        ),
        (opt_in_updates, "FORMERR (example SOA IN): such a message has no such record: octet 25"),
        (
            "flags opcode=5; q example SOA; an key. 0 ANY:TSIG \\# 00",
            "FORMERR (example SOA IN): such a message has no such record: octet 25",
        ),
        (
            "flags opcode=5; q example SOA; opt 1232; opt 1232",
            "FORMERR (example SOA IN) opt=1232: OPT record malformed at octet 36",
        ),
        (
            "flags opcode=4; q example SOA; opt 1232 version=1",
            "BADVERS (example SOA IN) opt=1232: EDNS version 1 is not known",
        ),
        (
            "q example AXFR; an @12 1 A 192.0.2.1",
            "FORMERR (example AXFR IN): such a message has no such record: octet 25",
        ),
    ]);
}

#[test]
fn types_that_cannot_be_asked_for() {
    check(&[
        ("q example OPT", "FORMERR (example OPT IN): type OPT cannot be asked for"),
        ("q example TSIG", "FORMERR (example TSIG IN): type TSIG cannot be asked for"),
        ("q example NXNAME", "FORMERR (example NXNAME IN): type NXNAME cannot be asked for"),
        ("q example MAILB", "NOTIMP (example MAILB IN): type MAILB cannot be asked for"),
        ("q example MAILA; opt 1232", "NOTIMP (example MAILA IN) opt=1232: type MAILA cannot be asked for"),
    ]);
}

#[test]
fn a_signature_has_its_place() {
    let tsig = "ar key. 0 ANY:TSIG \\# 00";
    check(&[
        (&format!("q example A; {tsig}"), "operation QUERY example A IN tsig@25"),
        (&format!("q example A; opt 1232; {tsig}"), "operation QUERY example A IN opt=1232 tsig@36"),
        (&format!("q example AXFR; {tsig}"), "operation QUERY example AXFR IN tsig@25"),
        // Whoever signs hears the verdict signed.
        (&format!("q example MAILA; {tsig}"), "operation QUERY example MAILA IN tsig@25"),
        (&format!("flags opcode=9; q example A; q example A; {tsig}"), "operation OPCODE9 example A IN tsig@38"),
        (&format!("flags opcode=2; {tsig}"), "operation STATUS tsig@12"),
        (&format!("flags opcode=5; q example SOA; {tsig}"), "operation UPDATE example SOA IN tsig@25"),
        (
            &format!("q example A; {tsig}; opt 1232"),
            "FORMERR (example A IN) opt=1232: TSIG record out of place at octet 25",
        ),
        (&format!("q example A; {tsig}; {tsig}"), "FORMERR (example A IN): TSIG record out of place at octet 25"),
        ("q example A; ar key. 0 TSIG \\# 00", "FORMERR (example A IN): TSIG record out of place at octet 25"),
        ("q example A; ar key. 1 ANY:TSIG \\# 00", "FORMERR (example A IN): TSIG record out of place at octet 25"),
    ]);
}

/// `dig @127.0.0.1 www.example.com`, read from the socket it was sent to.
#[test]
fn what_dig_sends() {
    let bytes = unhex(
        "c147 0120 0001 0000 0000 0001 03777777 076578616d706c65 03636f6d 00 0001 0001
         00 0029 04d0 00000000 000c 000a 0008 bcfdac54f34d860d",
    );
    assert_eq!(verdict(&bytes), "query www.example.com A IN opt=1232 option=10:8");
    let Arrival::Query(query) = read(&bytes) else { panic!() };
    assert!(query.recursion_desired() && query.authentic_data() && !query.checking_disabled());
}

proptest! {
    #[test]
    fn random_octets_are_sorted_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = verdict(&bytes);
    }

    /// Whatever is changed in a right query, what is accepted still holds together.
    #[test]
    fn mutated_queries(
        which in 0..7usize,
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        cut_at_all in any::<bool>(),
    ) {
        let mut bytes = build([
            "flags rd; q www.Example.com A; opt 1232 do option=10:0011223344556677 ede=1:a",
            "q a.b.c.d.e.f AAAA; ar @12 1 A 192.0.2.1; ar key. 0 ANY:TSIG \\# 00",
            "flags opcode=5; q example SOA; ns a.@12 0 ANY:A \\#; opt 1232",
            "q example IXFR; ns @12 0 SOA a.@12 b.@12 1 2 3 4 5",
            "flags opcode=6; hex 0001 0008 0000000000000000",
            "opt 1232 option=10:0011223344556677",
            "flags opcode=9; q example A; q example A; ns @12 1 A 192.0.2.1; ar key. 0 ANY:TSIG \\# 00",
        ][which]);
        for (place, octet) in places {
            let at = place.index(bytes.len());
            bytes[at] = octet;
        }
        if cut_at_all {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        let _ = verdict(&bytes);
        if let Arrival::Query(query) = read(&bytes) {
            prop_assert!(query.question_end() <= bytes.len());
            prop_assert_eq!(&bytes[HEADER_LEN..query.question_end() - 4], query.qname.wire());
            prop_assert!(Name::new(query.qname.wire()).is_some());
        }
    }
}
