//! Zone text in; text of the same records, or the faults, out.

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

fn read_alone(text: &str) -> Result<Zone, Vec<FileFault>> {
    read("zone", text, &name("example"), &mut |_| Err("not here".to_owned()))
}

/// Records as text, one a line, SOA and NS of the apex left out.
fn check(text: &str, expected: &str) {
    let text = format!("@ 3600 IN SOA ns admin 1 2 3 4 300\n@ 3600 NS ns.example.org.\n{text}");
    let zone = read_alone(&text).unwrap_or_else(|faults| panic!("{text}\n{faults:#?}"));
    let apex = |line: &&str| !line.starts_with("example. 3600 IN SOA") && !line.starts_with("example. 3600 IN NS ");
    let written = write(&zone);
    let lines: Vec<&str> = written.lines().filter(apex).collect();
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, expected, "{text}");
    assert_eq!(read_alone(&written), Ok(zone), "{written}");
}

fn faults(text: &str) -> Vec<String> {
    match read_alone(text) {
        Ok(zone) => panic!("no fault in {text}: {}", write(&zone)),
        Err(faults) => faults.iter().map(FileFault::to_string).collect(),
    }
}

#[test]
fn records_of_every_kind_come_back() {
    check(
        r#"$TTL 60
a A 192.0.2.1
        AAAA 2001:DB8::1
        MX 10 Mail
        TXT "one" two "th\"ree" "\000\255;("
        SRV 1 2 3 target.example.org.
        CAA 0 issue "ca.example; policy=ev"
        HINFO "PC" Linux
        NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .
        RP admin txt.example.org.
        SSHFP 1 1 AABB ccdd
        TLSA 3 1 1 00ff
        DS 60485 5 1 ( 2BB183AF5F22588179A53B0A
                       98631FAD1A292118 )
        DNSKEY 256 3 5 AQPSKmyn fzW4kyBv
        URI 10 1 "https://www.example.com/path"
        LOC \# 16 00101312 7fffffff 80000000 00989680
        CERT 1 0 0 AQID
        EUI48 00-00-5e-00-53-2a
        NID 10 0014:4fff:ff20:ee64
        L32 10 10.1.2.0
        LP 10 l64-subnet1
        CSYNC 66 3 A NS AAAA
        ZONEMD 1 1 1 00112233
        OPENPGPKEY AQID
        SMIMEA 3 0 0 ff
        TYPE65280 \# 4 0a000001
        HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.1
        SVCB 0 svc
        IPSECKEY 10 1 2 192.0.2.38 AQID
        NSEC a.b A MX TYPE1234 RRSIG NSEC
        NSEC3 1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY
        NSEC3PARAM 1 0 0 -
        RRSIG A 5 3 86400 20030322173103 20030220173103 2642 Example. AQID
        "#,
        r#"
        a.example. 60 IN A 192.0.2.1
        a.example. 60 IN HINFO "PC" "Linux"
        a.example. 60 IN MX 10 Mail.example.
        a.example. 60 IN TXT "one" "two" "th\"ree" "\000\255;("
        a.example. 60 IN RP admin.example. txt.example.org.
        a.example. 60 IN AAAA 2001:db8::1
        a.example. 60 IN LOC \# 16 001013127fffffff8000000000989680
        a.example. 60 IN SRV 1 2 3 target.example.org.
        a.example. 60 IN NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .
        a.example. 60 IN CERT 1 0 0 AQID
        a.example. 60 IN DS 60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118
        a.example. 60 IN SSHFP 1 1 aabbccdd
        a.example. 60 IN IPSECKEY 10 1 2 192.0.2.38 AQID
        a.example. 60 IN RRSIG A 5 3 86400 20030322173103 20030220173103 2642 Example. AQID
        a.example. 60 IN NSEC a.b.example. A MX RRSIG NSEC TYPE1234
        a.example. 60 IN DNSKEY 256 3 5 AQPSKmynfzW4kyBv
        a.example. 60 IN NSEC3 1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY
        a.example. 60 IN NSEC3PARAM 1 0 0 -
        a.example. 60 IN TLSA 3 1 1 00ff
        a.example. 60 IN SMIMEA 3 0 0 ff
        a.example. 60 IN OPENPGPKEY AQID
        a.example. 60 IN CSYNC 66 3 A NS AAAA
        a.example. 60 IN ZONEMD 1 1 1 00112233
        a.example. 60 IN SVCB 0 svc.example.
        a.example. 60 IN HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
        a.example. 60 IN NID 10 0014:4fff:ff20:ee64
        a.example. 60 IN L32 10 10.1.2.0
        a.example. 60 IN LP 10 l64-subnet1.example.
        a.example. 60 IN EUI48 00-00-5e-00-53-2a
        a.example. 60 IN URI 10 1 "https://www.example.com/path"
        a.example. 60 IN CAA 0 "issue" "ca.example; policy=ev"
        a.example. 60 IN TYPE65280 \# 4 0a000001
        "#,
    );
}

#[test]
fn owners_classes_and_ttls_may_be_left_out() {
    check(
        "
a 1h30m IN A 192.0.2.1
  IN 1D TXT x     ; class before TTL
  AAAA ::1
$ORIGIN sub
@ A 192.0.2.2
b.example. A 192.0.2.3
$TTL 5
c A 192.0.2.4
C 7 A 192.0.2.5
$ORIGIN .
d.example A 192.0.2.6
\\101.example. A 192.0.2.7
f.example. (
  A ; a record over three lines
  192.0.2.8 )
",
        r#"
        a.example. 5400 IN A 192.0.2.1
        a.example. 86400 IN TXT "x"
        a.example. 86400 IN AAAA ::1
        b.example. 86400 IN A 192.0.2.3
        d.example. 5 IN A 192.0.2.6
        e.example. 5 IN A 192.0.2.7
        f.example. 5 IN A 192.0.2.8
        sub.example. 86400 IN A 192.0.2.2
        c.sub.example. 5 IN A 192.0.2.4
        c.sub.example. 5 IN A 192.0.2.5
        "#,
    );
}

#[test]
fn without_any_ttl_the_last_number_of_the_soa_counts() {
    let zone = read_alone("@ SOA ns admin 1 2h 3 4 5m\n@ NS ns\nns A 192.0.2.1\n").unwrap();
    assert_eq!(
        write(&zone),
        "example. 300 IN SOA ns.example. admin.example. 1 7200 3 4 300\n\
         example. 300 IN NS ns.example.\n\
         ns.example. 300 IN A 192.0.2.1\n"
    );
}

#[test]
fn every_fault_is_told_with_its_line() {
    let zone = "@ 60 SOA ns admin 1 2 3 4 5\n@ NS ns\n";
    for (text, expected) in [
        ("a A 192.0.2.300", "A: \"192.0.2.300\" is no IPv4 address"),
        ("a AAAA 1", "AAAA: \"1\" is no IPv6 address"),
        ("a A", "A: the data is cut short"),
        ("a A 192.0.2.1 x", "A: \"x\" is one word too many"),
        ("a MX mail", "MX: \"mail\" is no number of 16 bits"),
        ("a MX +1 mail", "MX: \"+1\" is no number of 16 bits"),
        ("a MX 65536 mail", "MX: \"65536\" is no number of 16 bits"),
        ("a FOO x", "\"FOO\" is no type"),
        ("a 60 IN", "the type is missing"),
        ("a 60x A 192.0.2.1", "\"60x\" is no TTL"),
        ("a 2147483648 A 192.0.2.1", "TTL 2147483648 is over 2147483647 (RFC 2181 §8)"),
        ("a CH TXT x", "class CH is not served, only IN"),
        ("a ANY x", "type ANY cannot be in a zone"),
        ("a AXFR x", "type AXFR cannot be in a zone"),
        ("a..b A 192.0.2.1", "\"a..b\" is no name: a label is empty"),
        ("a CNAME b\\25", "CNAME: \"b\\25\" has a backslash without three digits up to 255 or a character"),
        ("a.example.org. A 192.0.2.1", "a.example.org lies outside the zone"),
        ("a SOA ns admin 1 2 3 4 5", "SOA at a.example, which is not the apex"),
        ("@ SOA ns admin 2 2 3 4 5", "a second SOA at example"),
        ("@ CNAME b", "example has a CNAME and other records"),
        ("a CNAME b\na A 192.0.2.1", "example has a CNAME and other records"),
        ("a CNAME b\na CNAME c", "a second CNAME at a.example"),
        ("a TXT \"b", "a quote is not closed"),
        ("a TXT ( b", "a parenthesis is not closed"),
        ("a TXT b )", "a closing parenthesis without an opening one"),
        ("a TYPE65280 \\# 4 00", "TYPE65280: 1 octets of data where \\# says 4"),
        ("a TYPE65280 x", "TYPE65280: data of type TYPE65280 is read as \\# LENGTH HEX only (RFC 3597)"),
        ("a A \\# 3 000000", "A: this is no data of type A"),
        ("a SOA", "SOA: the data is cut short"),
        ("$ORIGIN", "$ORIGIN with 0 words"),
        ("$GENERATE 1-2 a A 192.0.2.$", "$GENERATE is not known; $ORIGIN, $TTL and $INCLUDE are"),
        ("$INCLUDE other", "cannot include \"other\": not here"),
    ] {
        let lines = text.lines().count() + 2;
        let expected = if expected.starts_with("example has") && lines > 3 {
            expected.replacen("example", "a.example", 1)
        } else {
            expected.to_owned()
        };
        assert_eq!(faults(&format!("{zone}{text}\n")), [format!("zone:{lines}: {expected}")], "{text}");
    }
}

#[test]
fn reading_goes_on_after_a_fault_up_to_a_limit() {
    assert_eq!(
        faults("@ 60 SOA ns admin 1 2 3 4 5\na A x\nb A 192.0.2.1\nc A y\n"),
        ["zone:2: A: \"x\" is no IPv4 address", "zone:4: A: \"y\" is no IPv4 address",]
    );
    assert_eq!(faults(&"a A x\n".repeat(100)).len(), FAULTS_MAX);
    assert_eq!(
        faults(""),
        ["zone:1: the zone has 0 SOA records, not one", "zone:1: the zone has no NS record at its apex"]
    );
    assert_eq!(faults("a A 192.0.2.1\n"), ["zone:1: no TTL here, no $TTL and no record with one before"]);
    assert_eq!(faults(" A 192.0.2.1\n"), ["zone:1: the first record has no owner"]);
}

#[test]
fn included_files_keep_their_origin_and_owner_to_themselves() {
    let files = |path: &str| match path {
        "hosts" => Ok("$ORIGIN deep\nx A 192.0.2.1\n".to_owned()),
        "more" => Ok("y A 192.0.2.2\n$TTL 7\n".to_owned()),
        "bad" => Ok("\nz A\n".to_owned()),
        "itself" => Ok("$INCLUDE itself\n".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let zone = "@ 60 SOA ns admin 1 2 3 4 5\n@ NS ns.example.org.\n";
    let text = format!("{zone}a A 192.0.2.3\n$INCLUDE hosts\n  TXT owner\n$INCLUDE \"more\" sub\nb A 192.0.2.4\n");
    let read_it = |text: &str| read("zone", text, &name("example"), &mut |path| files(path));
    let written = write(&read_it(&text).unwrap());
    assert_eq!(
        written.lines().skip(2).collect::<Vec<_>>(),
        [
            "a.example. 60 IN A 192.0.2.3",
            "a.example. 60 IN TXT \"owner\"",
            "b.example. 7 IN A 192.0.2.4",
            "x.deep.example. 60 IN A 192.0.2.1",
            "y.sub.example. 60 IN A 192.0.2.2",
        ]
    );
    let told = |text: &str| read_it(&format!("{zone}{text}")).unwrap_err()[0].to_string();
    assert_eq!(told("$INCLUDE bad"), "bad:2: A: the data is cut short");
    assert_eq!(told("$INCLUDE itself"), "itself:1: $INCLUDE more than 8 deep");
    assert_eq!(told("$INCLUDE none"), "zone:3: cannot include \"none\": no such file");
}

#[test]
fn records_stand_alone_too() {
    let read = |text| records(text, &name("example"), 300);
    let texts = read("www A 192.0.2.1\n@ 60 TXT hello").unwrap();
    assert_eq!(
        texts.iter().map(record_text).collect::<Vec<_>>(),
        ["www.example. 300 IN A 192.0.2.1", "example. 60 IN TXT \"hello\""]
    );
    assert_eq!(read("www.org. A 192.0.2.1").unwrap_err()[0].to_string(), "records:1: www.org lies outside the zone");
    assert_eq!(read("$INCLUDE x").unwrap_err()[0].message, "cannot include \"x\": nothing can be included here");
}

#[test]
fn moments_are_read_as_signers_write_them() {
    for (text, rdata_shows) in [
        ("20030322173103", "20030322173103"),
        ("1048354263", "20030322173103"),
        ("20000229000000", "20000229000000"),
        ("19700101000000", "19700101000000"),
        ("21060207062815", "21060207062815"),
    ] {
        let line = format!("a RRSIG A 5 3 60 {text} {text} 1 example. AQID");
        let record = &records(&line, &name("example"), 60).unwrap()[0];
        assert_eq!(
            rdata_text(kind::RRSIG, &record.rdata),
            format!("A 5 3 60 {rdata_shows} {rdata_shows} 1 example. AQID")
        );
    }
    for wrong in ["20030230000000", "20030322250000", "21060207062816", "4294967296", "x"] {
        let line = format!("a RRSIG A 5 3 60 {wrong} 1 1 example. AQID");
        assert!(records(&line, &name("example"), 60).is_err(), "{wrong}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("a".to_owned()),
        Just("@".to_owned()),
        Just("A".to_owned()),
        Just("TXT".to_owned()),
        Just("SOA".to_owned()),
        Just("60".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just("\"".to_owned()),
        Just(";".to_owned()),
        Just("\\".to_owned()),
        Just("\\#".to_owned()),
        Just("$ORIGIN".to_owned()),
        Just("$INCLUDE".to_owned()),
        Just("192.0.2.1".to_owned()),
        Just("é".to_owned()),
        prop::sample::select(kind::type_names().map(|(_, name)| name.to_owned()).collect::<Vec<_>>()),
        any::<String>(),
    ];
    let space = prop::sample::select(vec!["", " ", "\n", "\n\t"]);
    prop::collection::vec((word, space), 0..40)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, space)| [word, space.to_owned()]).collect())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any_text()) {
        let mut include = |path: &str| if path.len() < 3 { Ok(text.clone()) } else { Err("no".to_owned()) };
        if let Err(faults) = read("zone", &text, &name("example"), &mut include) {
            prop_assert!(!faults.is_empty() && faults.len() <= FAULTS_MAX);
            prop_assert!(faults.iter().all(|fault| fault.line >= 1 && !fault.message.is_empty()));
        }
        if let Ok(records) = records(&text, &name("example"), 60) {
            for record in records {
                let again = super::records(&record_text(&record), &Folded::root(), 0);
                prop_assert_eq!(again, Ok(vec![record]));
            }
        }
    }

    #[test]
    fn any_data_is_text_that_gives_the_same_data(
        rtype in prop_oneof![
            prop::sample::select(kind::type_names().map(|(number, _)| number).collect::<Vec<_>>()), any::<u16>()
        ],
        rdata in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(0..4u8, 0..40),
            Just(b"\x00\x0a\x01a\x07Example\x00".to_vec()),
            Just(b"\x01a\x07Example\x00\x00\x02\x40\x01".to_vec()),
            Just(b"\x00\x01\x00\x00\x01\x00\x03\x02h2".to_vec()),
        ],
    ) {
        let text = rdata_text(rtype, &rdata);
        prop_assert!(text.is_ascii() && !text.contains('\n'), "{}", text);
        prop_assume!(rtype != 0 && rtype != kind::OPT && !(128..=255).contains(&rtype));
        match records(&format!("a TYPE{rtype} {text}"), &name("example"), 60) {
            Ok(records) => prop_assert_eq!(&*records[0].rdata, &rdata[..], "{}", text),
            // What does not fit its type is shown, not taken back.
            Err(faults) => prop_assert!(text.starts_with("\\#"), "{} {:?}", text, faults),
        }
    }
}
