use proptest::prelude::*;

use super::*;
use crate::cookie::COOKIE_LEN;
use crate::testing::{ID, build, show};
use crate::view::{self, Arrival, Query};

const SHIPPING: Shipping<'_> = Shipping { size_max: 1232, ..Shipping::PLAIN };

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

/// Takes an upstream's reply to the question `www.example A`.
fn take_a(message: &str) -> Result<Stored, NotAReply> {
    take(&build(message), ID, &name("www.example"), 1, 1)
}

fn query(bytes: &[u8]) -> Query<'_> {
    match view::read(bytes) {
        Arrival::Query(query) => query,
        other => panic!("no query: {other:?}"),
    }
}

/// What the client whose query is given gets of a stored packet.
fn shipped(stored: &Stored, query_text: &str, shipping: &Shipping<'_>) -> String {
    let bytes = build(query_text);
    let mut out = vec![0xaa; 3];
    let len = ship(stored, &query(&bytes), shipping, &mut out);
    assert_eq!(len, out.len());
    assert!(len <= shipping.size_max);
    assert_eq!(out[..2], bytes[..2], "the client's ID");
    show(&out)
}

/// A reply as it is taken, in words.
fn gist(message: &str) -> String {
    let stored = match take_a(message) {
        Ok(stored) => stored,
        Err(why) => return format!("{why:?}"),
    };
    let ttl = stored.ttl.map_or("-".to_owned(), |ttl| ttl.to_string());
    format!("{:?} {} ttl={ttl} {}", stored.shape, stored.rcode, stored.summary.unwrap_or_default())
        .trim_end()
        .to_owned()
}

const TWO: &str = "flags qr rd ra; q www.example A; an @12 300 A 192.0.2.1; an @12 200 A 192.0.2.2";
const SOA: &str = "ns @16 900 SOA a.@16 b.@16 1 7200 3600 1209600 600";

#[test]
fn what_is_a_reply() {
    for (message, expected) in [
        (TWO, "Answer 0 ttl=200 A 192.0.2.1, A 192.0.2.2"),
        ("id 8; flags qr; q www.example A", "Foreign"),
        ("q www.example A", "Foreign"),
        ("flags qr opcode=4; q www.example A", "Foreign"),
        ("flags qr; q ww.example A", "Foreign"),
        ("flags qr; q www.example AAAA", "Foreign"),
        ("flags qr; q www.example A CH", "Foreign"),
        ("flags qr; q www.example A; q www.example A", "Foreign"),
        ("flags qr; q WWW.Example A", "Nodata 0 ttl=-"),
        ("flags qr", "Foreign"),
        ("flags qr rcode=1", "Error 1 ttl=-"),
        ("flags qr rcode=5; opt 1232", "Error 5 ttl=-"),
        ("flags qr tc; q www.example A; an @12 300 A 192.0.2.1", "Truncated"),
        ("flags qr tc; q ww.example A", "Foreign"),
        ("flags qr; q www.example A; hex 00", "Malformed { at: 29 }"),
        ("flags qr; q www.example A; count an=1", "Malformed { at: 29 }"),
        ("flags qr; q www.example A; an @29 1 A 192.0.2.1", "Malformed { at: 29 }"),
        ("flags qr; q www.example A; an a.@29 1 A 192.0.2.1", "Malformed { at: 31 }"),
        // Octet 4 is 0 here, and would be read as the root.
        ("flags qr; q www.example A; an @4 1 A 192.0.2.1", "Malformed { at: 29 }"),
        ("flags qr; q www.example A; an @12 1 CNAME a.@4", "Malformed { at: 43 }"),
        ("flags qr; q www.example A; an @12 1 A \\# 00", "Malformed { at: 41 }"),
        ("flags qr; q www.example A; an @12 1 CNAME \\# 0161", "Malformed { at: 43 }"),
        ("flags qr; q www.example A; an @12 1 CNAME \\# 016100ff", "Malformed { at: 41 }"),
        ("flags qr; q www.example A; opt 1232; opt 1232", "Malformed { at: 40 }"),
        ("flags qr; q www.example A; an . 0 OPT \\#", "Malformed { at: 29 }"),
    ] {
        assert_eq!(gist(message), expected, "{message}");
    }
    assert_eq!(take(&[0; 11], 0, &name("."), 1, 1).unwrap_err(), NotAReply::Foreign);
}

#[test]
fn shapes_and_times() {
    let check =
        |rest: &str, expected: &str| assert_eq!(gist(&format!("q www.example A; flags qr {rest}")), expected, "{rest}");
    check(&format!("; {SOA}"), "Nodata 0 ttl=600");
    check("; ns @16 300 SOA a.@16 b.@16 1 7200 3600 1209600 600", "Nodata 0 ttl=300");
    check(&format!("rcode=3; {SOA}"), "Error 3 ttl=600");
    check("rcode=3", "Error 3 ttl=-");
    check("rcode=2", "Error 2 ttl=-");
    check(&format!("rcode=2; {SOA}"), "Error 2 ttl=-");
    check("; ns @16 900 NS a.@16; ar a.@16 60 A 192.0.2.9", "Referral 0 ttl=-");
    check("; an @12 300 A 192.0.2.1; ns @16 900 NS a.@16; ar a.@16 60 A 192.0.2.9", "Answer 0 ttl=60 A 192.0.2.1");
    check("; an @12 0 A 192.0.2.1", "Answer 0 ttl=0 A 192.0.2.1");
    check("; an @12 4294967295 A 192.0.2.1", "Answer 0 ttl=0 A 192.0.2.1");
    // A chain that ends in nothing is negative, and needs its SOA.
    check(&format!("; an @12 300 CNAME edge.@16; {SOA}"), "Answer 0 ttl=300 CNAME edge.example");
    check("; an @12 300 CNAME edge.@16", "Answer 0 ttl=- CNAME edge.example");
    // Signatures count for the time, but fill no line of the log.
    let rrsig = "an @12 5 RRSIG \\# 0001 05 02 0000012c 00000000 00000000 0001 00 ff";
    check(&format!("; {rrsig}; an @12 10 A 192.0.2.1"), "Answer 0 ttl=5 A 192.0.2.1");
    check("; an @12 300 RRSIG \\# 00", "Malformed { at: 42 }");
}

#[test]
fn codes_of_twelve_bits() {
    assert_eq!(take_a("flags qr rcode=7; q www.example A; opt 1232 ext=1").unwrap().rcode, 23);
    assert_eq!(take_a("flags qr rcode=7; q www.example A").unwrap().rcode, 7);
}

#[test]
fn targets_and_addresses() {
    let stored = take_a(
        "flags qr; q www.example A; an @12 300 CNAME Edge.@16; an edge.@16 300 CNAME far.test
         an far.test 60 A 192.0.2.1; an far.test 60 AAAA 2001:db8::1; an example 9 DNAME other.test; ns far.test 60 NS ns.test",
    )
    .unwrap();
    assert_eq!(stored.targets, [name("edge.example"), name("far.test"), name("other.test")]);
    let addresses: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    assert_eq!(stored.addresses, addresses);
    assert_eq!(stored.answer_count, 5);
    assert_eq!(stored.ttl, Some(9));

    let many: String = (0..100).map(|n| format!("; an @12 1 A 192.0.2.{n}; an @12 1 CNAME n{n}.test")).collect();
    let stored = take_a(&format!("flags qr; q www.example A{many}")).unwrap();
    assert_eq!((stored.addresses.len(), stored.targets.len(), stored.answer_count), (64, 16, 200));
    let summary = stored.summary.unwrap();
    assert!(summary.len() <= 512 && summary.ends_with(", …"), "{summary}");
}

#[test]
fn summaries_by_type() {
    for (record, expected) in [
        ("NS a.@16", "NS a.example"),
        ("PTR Host.test", "PTR host.test"),
        ("MX 10 mail.@16", "MX 10 mail.example"),
        ("SRV 1 2 443 a.test", "SRV 1 2 443 a.test"),
        ("TXT v=spf1 -all", "TXT \"v=spf1\" \"-all\""),
        ("TXT \\# 03226101", "TXT \"\\\"a\\001\""),
        ("SOA a.@16 b.@16 1 2 3 4 5", "SOA a.example b.example 1 2 3 4 5"),
        (
            "HTTPS \\# 0001 00 0001 0006 02683202 6833 0003 0002 01bb 0004 0004 c0000201 0006 0010 20010db8000000000000000000000001",
            "HTTPS 1 . alpn=h2,h3 port=443 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",
        ),
        ("HTTPS \\# 0000 0161 00", "HTTPS 0 a"),
        // The length of the parameter goes beyond the record: told as it is, not refused.
        ("SVCB \\# 0001 00 0001 00ff", "SVCB \\# 7"),
        // The target is missing, and what follows the record is not it.
        ("SVCB \\# 0001", "SVCB \\# 2"),
        ("CAA \\# 00 05 6973737565 63612e74657374", "CAA 0 issue \"ca.test\""),
        ("TYPE65280 \\# 0102", "TYPE65280 \\# 2"),
        ("DNSKEY \\# 010203", "DNSKEY \\# 3"),
    ] {
        let stored = take_a(&format!("flags qr; q www.example A; an @12 60 {record}")).unwrap();
        assert_eq!(stored.summary.as_deref(), Some(expected), "{record}");
    }
}

#[test]
fn extended_errors_are_read_and_bounded() {
    let many = "ede=1: ".repeat(20);
    let stored =
        take_a(&format!("flags qr rcode=2; q www.example A; opt 1232 ede=22:nobody option=3:00 {many}")).unwrap();
    assert_eq!(stored.ede.len(), EDE_MAX);
    assert_eq!(stored.ede[0], (22, "nobody".to_owned()));
    let long = "x".repeat(1_000);
    let stored = take_a(&format!("flags qr rcode=2; q www.example A; opt 1232 ede=0:{long}")).unwrap();
    assert_eq!(stored.ede, [(0, "x".repeat(EDE_TEXT_LEN_MAX))]);
    // `a`, escape, an octet that is no UTF-8, and a null octet at the end that is not part of the text.
    let stored = take_a("flags qr rcode=2; q www.example A; opt 1232 option=15:0006611bff00 raw=00").unwrap();
    assert_eq!(stored.ede, [(6, "a \u{fffd}".to_owned())]);
}

#[test]
fn ships_what_the_client_asked_in_its_own_spelling() {
    let stored = take_a(&format!("{TWO}; opt 1232")).unwrap();
    assert_eq!(
        shipped(&stored, "id 4660; flags rd; q wWw.Example A", &SHIPPING),
        "NOERROR QUERY qr rd ra\nq wWw.Example A IN\n\
         an wWw.Example 300 A 192.0.2.1\nan wWw.Example 200 A 192.0.2.2\n"
    );
    assert_eq!(
        shipped(&stored, "flags cd; q www.example A; opt 4096 do", &Shipping { age_seconds: 250, ..SHIPPING }),
        "NOERROR QUERY qr ra cd\nq www.example A IN\n\
         an www.example 50 A 192.0.2.1\nan www.example 0 A 192.0.2.2\nopt 1232 version=0 do\n"
    );
    let stale = Shipping { age_seconds: 9_000, ttl_max: 30, ..SHIPPING };
    assert!(shipped(&stored, "q www.example A", &stale).contains("an www.example 0 A 192.0.2.1"));
    let capped = Shipping { ttl_max: 30, ..SHIPPING };
    assert!(shipped(&stored, "q www.example A", &capped).contains("an www.example 30 A 192.0.2.1"));
}

#[test]
fn flags_that_belong_to_the_exchange_do_not_travel() {
    let stored = take_a(&format!("flags qr aa ad cd rd; {}", &TWO["flags qr rd ra; ".len()..])).unwrap();
    let flags = |text: &str| shipped(&stored, text, &SHIPPING).lines().next().unwrap().to_owned();
    assert_eq!(flags("q www.example A"), "NOERROR QUERY qr ra");
    assert_eq!(flags("flags ad; q www.example A"), "NOERROR QUERY qr ra ad");
    assert_eq!(flags("q www.example A; opt 1232 do"), "NOERROR QUERY qr ra ad");
    assert_eq!(flags("q www.example A; opt 1232"), "NOERROR QUERY qr ra");
}

#[test]
fn records_behind_the_opt_still_read_right() {
    // The last record's owner points at a name that stands behind the OPT and moves when that is taken out.
    let message = "flags qr; q www.example A; an @12 60 CNAME a.@16; opt 1232 ede=1:x; ar other.test 50 A 192.0.2.7;
                   ar mail.@63 40 MX 5 x.@63; ar key. 0 ANY:TSIG \\# 00; ar @63 30 SRV 1 2 3 y.@63";
    let stored = take_a(message).unwrap();
    assert_eq!(
        shipped(&stored, "q www.example A", &SHIPPING),
        "NOERROR QUERY qr ra\nq www.example A IN\nan www.example 60 CNAME a.example.\nar other.test 50 A 192.0.2.7\n\
         ar mail.other.test 40 MX 5 x.other.test.\nar other.test 30 SRV 1 2 3 y.other.test\n"
    );
    assert_eq!(stored.ttl_offsets.len(), 4);
    assert_eq!(stored.ede, [(1, "x".to_owned())]);
}

#[test]
fn a_negative_answers_soa_lives_as_long_as_the_answer() {
    let stored = take_a(&format!("flags qr rcode=3; q www.example A; {SOA}")).unwrap();
    let text = shipped(&stored, "q www.example A", &Shipping { age_seconds: 100, ..SHIPPING });
    assert!(text.contains("ns example 500 SOA "), "{text}");
}

#[test]
fn what_does_not_fit_goes_in_order_texts_errors_answer() {
    let stored = take_a(TWO).unwrap();
    let ede = [EdeOut { code: 3, text: "stale" }, EdeOut { code: 22, text: "nobody" }];
    let at = |size_max| {
        let text = shipped(&stored, "q www.example A; opt 1232", &Shipping { size_max, ede: &ede, ..SHIPPING });
        let header = text.lines().next().unwrap().to_owned();
        format!("{header} / {}", text.lines().last().unwrap())
    };
    // 29 header and question, 2 × 16 records, 11 OPT, 2 × 6 errors, 11 text.
    assert_eq!(at(95), "NOERROR QUERY qr ra / opt 1232 version=0 ede=3:stale ede=22:nobody");
    assert_eq!(at(94), "NOERROR QUERY qr ra / opt 1232 version=0 ede=3: ede=22:");
    assert_eq!(at(84), "NOERROR QUERY qr ra / opt 1232 version=0 ede=3: ede=22:");
    assert_eq!(at(83), "NOERROR QUERY qr ra / opt 1232 version=0");
    assert_eq!(at(72), "NOERROR QUERY qr ra / opt 1232 version=0");
    assert_eq!(at(71), "NOERROR QUERY qr tc ra / opt 1232 version=0 ede=3:stale ede=22:nobody");
    let plain = shipped(&stored, "flags rd; q wwW.example A", &Shipping { size_max: 60, ede: &ede, ..SHIPPING });
    assert_eq!(plain, "NOERROR QUERY qr tc rd ra\nq wwW.example A IN\n");
}

#[test]
fn long_texts_are_cut_between_characters() {
    let text = "é".repeat(300);
    let ede = [EdeOut { code: 0, text: &text }];
    let bytes = build("q www.example A; opt 1232");
    let mut out = Vec::new();
    coded(&query(&bytes), 2, &Shipping { ede: &ede, ..SHIPPING }, &mut out);
    assert!(show(&out).ends_with(&format!("ede=0:{}\n", "é".repeat(EDE_TEXT_LEN_MAX / 2))));
}

#[test]
fn codes_without_records() {
    let check = |text: &str, rcode, expected: &str| {
        let bytes = build(text);
        let mut out = vec![1; 99];
        let ede = [EdeOut { code: 22, text: "nobody" }];
        let len = coded(&query(&bytes), rcode, &Shipping { ede: &ede, ..SHIPPING }, &mut out);
        assert_eq!((len, show(&out).as_str()), (out.len(), expected), "{text}");
    };
    check("flags rd; q a.Example A", 2, "SERVFAIL QUERY qr rd ra\nq a.Example A IN\n");
    check(
        "q a.Example A; opt 512 do",
        5,
        "REFUSED QUERY qr ra\nq a.Example A IN\nopt 1232 version=0 do ede=22:nobody\n",
    );
    check("q a A; opt", 23, "YXRRSET QUERY qr ra\nq a A IN\nopt 1232 version=0 BADCOOKIE ede=22:nobody\n");
    // Without OPT there is no place for the upper bits, and the lower ones alone would lie.
    check("q a A", 23, "SERVFAIL QUERY qr ra\nq a A IN\n");
}

#[test]
fn rejections() {
    let check = |text: &str, expected: &str| {
        let bytes = build(text);
        let Arrival::Reject(rejected) = view::read(&bytes) else { panic!("{text}") };
        let mut out = vec![1; 99];
        let len = reject(&rejected, &SHIPPING, &mut out);
        assert_eq!(out[..2], bytes[..2]);
        assert_eq!((len, show(&out).as_str()), (out.len(), expected), "{text}");
    };
    check("flags rd; count qd=1; hex 03", "FORMERR QUERY qr rd ra\n");
    check("flags rd; q Example A; hex 00", "FORMERR QUERY qr rd ra\nq Example A IN\n");
    check("q a A; opt 4096 do; hex 00", "FORMERR QUERY qr ra\nq a A IN\nopt 1232 version=0 do\n");
    check("flags opcode=2 rd cd; q example SOA", "NOTIMP STATUS qr\nq example SOA IN\n");
    check("flags opcode=5 rd cd; q example SOA; hex 00", "FORMERR UPDATE qr\nq example SOA IN\n");
    check("q a A; opt 1232 version=1", "NOERROR QUERY qr ra\nq a A IN\nopt 1232 version=0 BADVERS\n");
    // Its options cannot be stepped through, but the code needs an OPT.
    check("q a A; opt 1232 version=9 raw=ff", "NOERROR QUERY qr ra\nq a A IN\nopt 1232 version=0 BADVERS\n");
    check("q a MAILA", "NOTIMP QUERY qr ra\nq a MAILA IN\n");
}

#[test]
fn operations_are_turned_away_too() {
    let check = |text: &str, rcode, expected: &str| {
        let bytes = build(text);
        let Arrival::Operation(operation) = view::read(&bytes) else { panic!("{text}") };
        let mut out = vec![1; 99];
        let reason = view::Reason::Opcode { opcode: operation.opcode };
        reject(&operation.rejected(rcode, reason), &SHIPPING, &mut out);
        assert_eq!(show(&out).as_str(), expected, "{text}");
    };
    check(
        "flags opcode=5 rd cd; q example SOA; opt 512 do",
        2,
        "SERVFAIL UPDATE qr\nq example SOA IN\nopt 1232 version=0 do\n",
    );
    check("flags opcode=6; hex ff", 4, "NOTIMP DSO qr\n");
    check("flags rd; q a AXFR", 5, "REFUSED QUERY qr rd ra\nq a AXFR IN\n");
}

const COOKIE: [u8; COOKIE_LEN] = [0xc0; COOKIE_LEN];

#[test]
fn options_of_a_reply() {
    let every = Shipping {
        ede: &[EdeOut { code: 3, text: "stale" }],
        cookie: Some(COOKIE),
        nsid: Some(b"ns"),
        keepalive: Some(100),
        padding_block: Some(PADDING_BLOCK),
        ..SHIPPING
    };
    let options = |shipping: &Shipping<'_>| {
        let bytes = build("q a A; opt 1232");
        let mut out = Vec::new();
        coded(&query(&bytes), 0, shipping, &mut out);
        let text = show(&out);
        (out.len(), text.lines().last().unwrap().replace(&"c0".repeat(COOKIE_LEN), "C"))
    };
    let all = "opt 1232 version=0 ede=3:stale option=10:C option=3:6e73 option=11:0064";
    // 19 header and question, 11 OPT, 11 error, 28 cookie, 6 NSID, 6 keepalive, 4 padding: 383 to the block's end.
    assert_eq!(options(&every), (468, format!("{all} padding=383")));
    assert_eq!(options(&Shipping { padding_block: None, ..every }), (81, all.to_owned()));
    // As much as may be is padded when a whole block does not fit, and not at all when nothing does.
    assert_eq!(options(&Shipping { size_max: 100, ..every }), (100, format!("{all} padding=15")));
    assert_eq!(options(&Shipping { size_max: 84, ..every }), (81, all.to_owned()));
    // Dropped in this order.
    let at = |size_max| options(&Shipping { size_max, ..every }).1;
    assert_eq!(at(80), "opt 1232 version=0 ede=3: option=10:C option=3:6e73 option=11:0064 padding=0");
    assert_eq!(at(75), "opt 1232 version=0 option=10:C option=3:6e73 option=11:0064 padding=1");
    assert_eq!(at(69), "opt 1232 version=0 option=10:C option=11:0064 padding=1");
    // A block that is filled exactly.
    let exact = Shipping { padding_block: Some(34), ..SHIPPING };
    assert_eq!(options(&exact), (34, "opt 1232 version=0 padding=0".to_owned()));

    // Nothing of it for a client without OPT.
    let bytes = build("q a A");
    let mut out = Vec::new();
    coded(&query(&bytes), 0, &every, &mut out);
    assert_eq!(show(&out), "NOERROR QUERY qr ra\nq a A IN\n");
}

#[test]
fn a_cookie_is_never_dropped() {
    let stored = take_a(TWO).unwrap();
    let shipping = Shipping { cookie: Some(COOKIE), nsid: Some(b"ns"), ..SHIPPING };
    let at = |size_max| {
        let text = shipped(&stored, "q www.example A; opt 1232", &Shipping { size_max, ..shipping });
        let cookie = if text.contains(&"c0".repeat(COOKIE_LEN)) { "cookie" } else { "none" };
        (text.contains(" tc "), text.contains("option=3:"), cookie)
    };
    // 29 header and question, 2 × 16 records, 11 OPT, 28 cookie, 6 NSID.
    assert_eq!(at(106), (false, true, "cookie"));
    assert_eq!(at(105), (false, false, "cookie"));
    assert_eq!(at(100), (false, false, "cookie"));
    assert_eq!(at(99), (true, true, "cookie"));
}

#[test]
fn authority() {
    let mut stored = take_a("flags qr aa ra; q www.example A; an @12 300 A 192.0.2.1").unwrap();
    let header = |text: String| text.lines().next().unwrap().to_owned();
    let ours = Shipping { authoritative: true, ..SHIPPING };
    // What an upstream says of itself is not ours to say.
    assert_eq!(header(shipped(&stored, "q www.example A", &SHIPPING)), "NOERROR QUERY qr ra");
    assert_eq!(header(shipped(&stored, "q www.example A", &ours)), "NOERROR QUERY qr aa ra");
    stored.packet[2] |= 4;
    assert_eq!(header(shipped(&stored, "q www.example A", &SHIPPING)), "NOERROR QUERY qr aa ra");
    assert_eq!(
        header(shipped(&stored, "q www.example A", &Shipping { size_max: 40, ..SHIPPING })),
        "NOERROR QUERY qr aa tc ra"
    );
    let bytes = build("q a A");
    let mut out = Vec::new();
    coded(&query(&bytes), 3, &ours, &mut out);
    assert_eq!(header(show(&out)), "NXDOMAIN QUERY qr aa ra");
    truncated(&query(&bytes), &SHIPPING, &mut out);
    assert_eq!(show(&out), "NOERROR QUERY qr tc ra\nq a A IN\n");
}

#[test]
fn replies_built_otherwise_get_their_opt() {
    let ede = [EdeOut { code: 22, text: "nobody" }];
    let shipping = Shipping { ede: &ede, cookie: Some(COOKIE), ..SHIPPING };
    for (query_text, rcode, expected) in [
        ("flags opcode=5; q a SOA", 9, "NOTAUTH UPDATE qr\nq a SOA IN\n"),
        ("flags opcode=5; q a SOA", 23, "SERVFAIL UPDATE qr\nq a SOA IN\n"),
        (
            "flags opcode=5; q a SOA; opt 1232 do",
            9,
            "NOTAUTH UPDATE qr\nq a SOA IN\nopt 1232 version=0 do ede=22:nobody",
        ),
        (
            "flags opcode=5; q a SOA; opt 1232",
            23,
            "YXRRSET UPDATE qr\nq a SOA IN\nopt 1232 version=0 BADCOOKIE ede=22:nobody",
        ),
    ] {
        let bytes = build(query_text);
        let Arrival::Operation(operation) = view::read(&bytes) else { panic!("{query_text}") };
        let mut out = build("flags qr opcode=5 rcode=1; q a SOA");
        let before = out.len();
        append_opt(&mut out, operation.edns, rcode, &shipping);
        assert!(show(&out).starts_with(expected), "{query_text} {rcode}: {}", show(&out));
        assert_eq!(rcode_sent(rcode, operation.edns) == rcode, operation.edns.is_some() || rcode < 16);
        let least = opt_len_min(operation.edns, &shipping);
        assert_eq!(least, if operation.edns.is_some() { 11 + 28 } else { 0 });
        let mut tight = out[..before].to_vec();
        append_opt(&mut tight, operation.edns, rcode, &Shipping { size_max: before + least, ..shipping });
        assert_eq!(tight.len(), before + least);
    }
}

#[test]
fn block_answers() {
    let soa = "SOA blocked.invalid. nobody.invalid. 1 3600 600 86400 10";
    let answered = |kind, qtype: &str, header: &str, record: &str| {
        let text = format!("flags rd; q wWw.bad.Example {qtype}; opt 1232 do");
        let bytes = build(&text);
        let query = query(&bytes);
        let record = if record.is_empty() { String::new() } else { format!("{record}\n") };
        let expected =
            format!("{header} QUERY qr rd ra\nq wWw.bad.Example {qtype} IN\n{record}opt 1232 version=0 do\n");
        let stored = block(kind, &query.qname.fold(), query.qtype, query.qclass, 10);
        assert_eq!(shipped(&stored, &text, &SHIPPING), expected);
        let mut direct = Vec::new();
        let len = blocked(&query, kind, 10, &SHIPPING, &mut direct);
        assert_eq!((len, show(&direct)), (direct.len(), expected));
        stored
    };
    let soa_line = format!("ns bad.Example 10 {soa}");
    let stored = answered(BlockReply::Nxdomain, "A", "NXDOMAIN", &soa_line);
    assert_eq!((stored.shape, stored.ttl, stored.rcode), (Shape::Error, Some(10), 3));
    let stored = answered(BlockReply::Nodata, "HTTPS", "NOERROR", &soa_line);
    assert_eq!((stored.shape, stored.ttl, stored.summary), (Shape::Nodata, Some(10), None));
    let stored = answered(BlockReply::Refused, "A", "REFUSED", "");
    assert_eq!((stored.shape, stored.ttl), (Shape::Error, None));
    let stored = answered(BlockReply::ZeroAddress, "A", "NOERROR", "an wWw.bad.Example 10 A 0.0.0.0");
    assert_eq!((stored.shape, stored.summary.as_deref()), (Shape::Answer, Some("A 0.0.0.0")));
    let stored = answered(BlockReply::ZeroAddress, "AAAA", "NOERROR", "an wWw.bad.Example 10 AAAA ::");
    assert_eq!(stored.addresses, [IpAddr::from([0u16; 8])]);
    let stored = answered(BlockReply::ZeroAddress, "TXT", "NOERROR", &soa_line);
    assert_eq!((stored.shape, stored.answer_count), (Shape::Nodata, 0));
    // The root has no parent.
    let stored = block(BlockReply::Nxdomain, &Folded::root(), 1, 1, 10);
    let text = shipped(&stored, "q . A", &SHIPPING);
    assert!(text.contains(&format!("ns . 10 {soa}")), "{text}");
}

#[test]
fn a_block_answer_is_taken_for_what_it_is() {
    // What we send, another of us can keep.
    let bytes = build("q www.example A");
    let mut out = Vec::new();
    blocked(&query(&bytes), BlockReply::Nxdomain, 10, &SHIPPING, &mut out);
    let stored = take(&out, ID, &name("www.example"), 1, 1).unwrap();
    assert_eq!((stored.rcode, stored.ttl, stored.shape), (3, Some(10), Shape::Error));
}

#[test]
fn sizes_of_udp_replies() {
    let size = |udp_size| udp_size_max(Some(Edns { udp_size, dnssec_ok: false, options: &[] }), UDP_SIZE_DEFAULT);
    assert_eq!(udp_size_max(None, UDP_SIZE_DEFAULT), 512);
    assert_eq!([size(0), size(512), size(1000), size(1232), size(65_535)], [512, 512, 1000, 1232, 1232]);
    assert!(is_truncated(&[0, 0, 2, 0]) && !is_truncated(&[0, 0, 1, 0]) && !is_truncated(&[]));
}

/// Names of one to five labels of any octets.
fn any_name() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..20), 0..5).prop_map(|labels| {
        let mut wire = Vec::new();
        for label in labels {
            wire.push(label.len() as u8);
            wire.extend(label);
        }
        wire.push(0);
        wire
    })
}

/// Right replies to `www.example A` to be broken.
const REPLIES: [&str; 4] = [
    "flags qr rd ra; q www.example A; an @12 300 CNAME edge.@16; an edge.@16 60 A 192.0.2.1; opt 1232 ede=3:old",
    "flags qr rcode=3; q www.example A; ns @16 900 SOA a.@16 b.@16 1 7200 3600 1209600 600",
    "flags qr; q www.example A; an @12 60 CNAME a.@16; opt 1232 ede=1:x; ar other.test 50 A 192.0.2.7; ar mail.@63 40 MX 5 x.@63",
    "flags qr; q www.example A; an @12 60 HTTPS \\# 000100000100030268320003000201bb; an @12 1 TXT a b; ns @16 5 SRV 1 2 3 a.@16",
];

proptest! {
    #[test]
    fn ask_is_read_as_asked(wire in any_name(), qtype in 1..40u16, cd in any::<bool>(), dnssec_ok in any::<bool>(), id in any::<u16>()) {
        let asked = Asked { qname: &wire, qtype, qclass: 1, checking_disabled: cd, dnssec_ok, udp_size: 1400 };
        let mut out = Vec::new();
        let len = ask(id, &asked, &mut out);
        prop_assert_eq!(len, out.len());
        let query = query(&out);
        prop_assert_eq!((query.id, query.qname.wire(), query.qtype, query.qclass), (id, &wire[..], qtype, 1));
        prop_assert_eq!((query.checking_disabled(), query.dnssec_ok()), (cd, dnssec_ok));
        prop_assert_eq!(query.edns.map(|edns| edns.udp_size), Some(1400));
        prop_assert!(query.recursion_desired());
    }

    #[test]
    fn names_survive_their_text(wire in any_name()) {
        let folded = crate::name::Name::new(&wire).unwrap().fold();
        prop_assert_eq!(Folded::from_text(&folded.text()), Some(folded));
    }

    /// What was shipped, taken again, is the same but for what ship changes on purpose.
    #[test]
    fn shipping_and_taking_again_changes_nothing(which in 0..REPLIES.len(), age_seconds in 0..2_000u32) {
        let stored = take_a(REPLIES[which]).unwrap();
        let bytes = build("q wWw.exaMple A; opt 1232");
        let mut out = Vec::new();
        ship(&stored, &query(&bytes), &Shipping { age_seconds, ..SHIPPING }, &mut out);
        let again = take(&out, ID, &name("www.example"), 1, 1).unwrap();
        prop_assert_eq!(again.ttl, stored.ttl.map(|ttl| ttl.saturating_sub(age_seconds)));
        prop_assert_eq!(&again.summary, &stored.summary);
        prop_assert_eq!(&again.ttl_offsets, &stored.ttl_offsets);
        prop_assert_eq!((again.rcode, again.shape, again.answer_count), (stored.rcode, stored.shape, stored.answer_count));
        prop_assert_eq!((&again.targets, &again.addresses), (&stored.targets, &stored.addresses));
        prop_assert_eq!(again.packet.len(), stored.packet.len());
    }

    #[test]
    fn random_octets_are_no_panic(mut bytes in proptest::collection::vec(any::<u8>(), 12..300), header in any::<bool>()) {
        if header {
            let right = build("flags qr; q www.example A; count an=2 ns=2 ar=2");
            let len = right.len().min(bytes.len());
            bytes[..len].copy_from_slice(&right[..len]);
        }
        let _ = take(&bytes, ID, &name("www.example"), 1, 1);
    }

    /// Whatever is changed in a right reply: no panic, and what is taken can be read by others when shipped.
    #[test]
    fn mutated_replies(
        which in 0..REPLIES.len(),
        places in proptest::collection::vec((12usize..200, any::<u8>()), 0..6),
    ) {
        let mut bytes = build(REPLIES[which]);
        for (place, octet) in places {
            let at = place % bytes.len();
            bytes[at] = octet;
        }
        if let Ok(stored) = take(&bytes, ID, &name("www.example"), 1, 1) {
            let asked = build("q www.example A; opt 1232");
            let mut out = Vec::new();
            ship(&stored, &query(&asked), &SHIPPING, &mut out);
            let again = take(&out, ID, &name("www.example"), 1, 1);
            prop_assert!(again.is_ok(), "{:?}", again);
            let message = domain::base::Message::from_octets(&out[..]).unwrap();
            let (_, answer, _, additional) = message.sections().unwrap();
            prop_assert_eq!(answer.map(Result::unwrap).count(), usize::from(stored.answer_count));
            prop_assert!(additional.last().unwrap().is_ok());
        }
    }
}
