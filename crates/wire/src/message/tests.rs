use proptest::prelude::*;

use super::*;
use crate::testing::{build, show};

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

/// Records of a message written as text, without compression.
fn records(text: &str) -> Vec<(Section, Record)> {
    let message = Message::read(&build(text)).unwrap();
    let sections = [
        (Section::Answer, message.answer),
        (Section::Authority, message.authority),
        (Section::Additional, message.additional),
    ];
    sections
        .into_iter()
        .flat_map(|(section, records)| records.into_iter().map(move |record| (section, record)))
        .collect()
}

/// Writes a question, and records until one does not fit.
fn written(qname: Name<'_>, records: &[(Section, Record)], size_max: usize) -> (Vec<u8>, usize) {
    let mut builder = Builder::new(crate::testing::ID, 0x8400, size_max);
    assert!(builder.question(qname, kind::A, kind::CLASS_IN));
    let fit = records.iter().take_while(|(section, record)| builder.record(*section, record)).count();
    (builder.finish(), fit)
}

#[test]
fn answers_point_at_the_question_and_keep_its_case() {
    let records = records(
        "flags qr aa; q www.example A
         an www.example 300 CNAME edge.Example
         an edge.example 300 A 192.0.2.1
         ns example 300 NS ns.example
         ar ns.example 300 A 192.0.2.53",
    );
    let (message, fit) = written(Name::new(b"\x03wWw\x07eXample\0").unwrap(), &records, 512);
    assert_eq!(fit, 4);
    assert_eq!(
        show(&message),
        "NOERROR QUERY qr aa\nq wWw.eXample A IN\nan wWw.eXample 300 CNAME edge.Example.\nan edge.Example 300 A 192.0.2.1\n\
         ns eXample 300 NS ns.eXample.\nar ns.eXample 300 A 192.0.2.53\n"
            // A name in data is compressed only where the case is the same, and this one is not.
            .replace("NS ns.eXample.", "NS ns.example.")
            .replace("ar ns.eXample", "ar ns.example")
    );
    // Header, question; pointer and CNAME in full; pointer into the CNAME; pointer and NS in full; pointer into the NS.
    let lens = [12, 17, 12 + 14, 12 + 4, 12 + 12, 12 + 4];
    assert_eq!(message.len(), lens.iter().sum::<usize>());
}

#[test]
fn only_old_types_have_compressed_data() {
    for (line, saved) in [
        ("example 0 NS a.example", 7),
        ("example 0 CNAME a.example", 7),
        ("example 0 PTR a.example", 7),
        ("example 0 MX 1 a.example", 7),
        ("example 0 SOA a.example b.example 1 2 3 4 5", 14),
        ("example 0 DNAME a.example", 0),
        ("example 0 SRV 1 2 3 a.example", 0),
        ("example 0 TXT example", 0),
        ("example 0 TYPE65280 \\# 076578616d706c6500", 0),
    ] {
        let plain = build(&format!("flags qr aa; q example A; an {line}"));
        let (message, _) = written(name("example").name(), &records(&format!("an {line}")), 512);
        assert_eq!(show(&message), show(&plain), "{line}");
        // The owner is a pointer always: 2 octets for 9.
        assert_eq!(plain.len() - message.len(), 7 + saved, "{line}");
    }
}

#[test]
fn what_does_not_fit_leaves_no_trace() {
    let records =
        records("an a.example 0 NS long.name.of.a.server.example; an b.example 0 TXT x; an server.example 0 TXT y");
    let mut builder = Builder::new(7, 0, 12 + 13 + 20);
    assert!(builder.question(name("example").name(), 1, 1));
    assert!(!builder.record(Section::Answer, &records[0].1));
    assert_eq!(builder.len(), 12 + 13);
    assert!(builder.record(Section::Answer, &records[1].1));
    // `server.example` was taken back, so nothing may point at it.
    builder.set_size_max(512);
    assert!(builder.record(Section::Answer, &records[2].1));
    builder.set_flags(0x8600);
    let message = builder.finish();
    assert_eq!(
        show(&message),
        "NOERROR QUERY qr aa tc\nq example A IN\nan b.example 0 TXT \"x\"\nan server.example 0 TXT \"y\"\n"
    );
}

#[test]
fn room_kept_for_opt_is_there_when_it_is_wanted() {
    let opt = Record { owner: Folded::root(), rtype: kind::OPT, class: 1232, ttl: 0, rdata: Box::default() };
    let filler = records("an example 0 TXT 0123456789");
    for size_max in 40..300 {
        let mut builder = Builder::new(7, 0, size_max - 11);
        assert!(builder.question(name("example").name(), 1, 1) || size_max < 36);
        while builder.record(Section::Answer, &filler[0].1) {}
        builder.set_size_max(size_max);
        assert!(builder.record(Section::Additional, &opt), "{size_max}");
        assert!(builder.finish().len() <= size_max);
    }
}

#[test]
fn a_question_that_does_not_fit_is_not_written() {
    let mut builder = Builder::new(7, 0, 24);
    assert!(!builder.question(name("example").name(), 1, 1));
    assert!(builder.is_empty());
    assert!(builder.question(name("exampl").name(), 1, 1));
    assert_eq!(builder.finish().len(), 24);
}

#[test]
fn records_without_data_are_read_in_update_only() {
    let update = "flags opcode=5; q example SOA; an a.example 0 ANY:A \\#; ns b.example 0 NONE:NS \\#; ns c.example 0 ANY:ANY \\#";
    let message = Message::read(&build(update)).unwrap();
    assert_eq!(message.opcode(), 5);
    let shown = |record: &Record| (record.owner.text(), record.class, record.rtype, record.rdata.len());
    assert_eq!(shown(&message.answer[0]), ("a.example".to_owned(), 255, kind::A, 0));
    assert_eq!(shown(&message.authority[0]), ("b.example".to_owned(), 254, kind::NS, 0));
    assert_eq!(shown(&message.authority[1]), ("c.example".to_owned(), 255, kind::ANY, 0));
    let mut builder = Builder::new(7, 5 << 11, 512);
    builder.question(name("example").name(), kind::SOA, kind::CLASS_IN);
    assert!(builder.record(Section::Answer, &message.answer[0]));
    assert!(message.authority.iter().all(|record| builder.record(Section::Authority, record)));
    let again = Message::read(&builder.finish()).unwrap();
    assert_eq!(
        (again.questions, again.answer, again.authority),
        (message.questions, message.answer, message.authority)
    );
    for rtype in ["A", "AAAA", "NS", "SOA", "MX", "SRV", "CNAME", "NSEC", "RRSIG"] {
        assert!(Message::read(&build(&format!("an a.example 0 {rtype} \\#"))).is_err(), "{rtype}");
    }
    assert!(Message::read(&build("an a.example 0 NULL \\#")).is_ok());
}

#[test]
fn messages_that_cannot_be_read_say_where() {
    for (case, text, at) in [
        ("no question where one is counted", "count qd=1", 12),
        ("no record where one is counted", "q a A; count an=1", 19),
        ("octets behind", "q a A; hex 00", 19),
        ("a pointer to itself", "hex c00c00010001; count qd=1", 12),
        ("a label of an unknown kind", "hex 4000010001; count qd=1", 12),
        ("an address of three octets", "an . 0 A \\# 010203", 23),
        ("a name that runs out of its record", "an . 0 NS \\# 0161; an . 0 NS a", 23),
    ] {
        assert_eq!(Message::read(&build(text)).unwrap_err(), Malformed { at }, "{case}");
    }
    let whole = build("flags qr; q www.example A; an @12 300 MX 1 mail.@16; opt 1232 ede=15:x");
    for len in 0..whole.len() {
        assert!(Message::read(&whole[..len]).is_err(), "{len}");
    }
    let message = Message::read(&whole).unwrap();
    assert_eq!(*message.answer[0].rdata, *b"\x00\x01\x04mail\x07example\0");
    assert_eq!(message.opt().unwrap().class, 1232);
}

#[test]
fn the_code_has_twelve_bits() {
    for (text, rcode) in [("flags rcode=7", 7), ("flags rcode=7; opt ext=1", 23), ("opt ext=255", 4_080)] {
        assert_eq!(Message::read(&build(text)).unwrap().rcode(), rcode, "{text}");
    }
}

#[test]
fn chains_of_pointers_are_cut_off() {
    // A label, then a chain of pointers, each to the one before, then a record owned by the last.
    let message = |pointers: usize| {
        let mut data = b"\x01a\0".to_vec();
        let rdata_at = 12 + 1 + 10;
        let mut target = rdata_at;
        for _ in 0..pointers {
            let at = rdata_at + data.len();
            data.extend((POINTER | target as u16).to_be_bytes());
            target = at;
        }
        let data: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
        build(&format!("an . 0 NULL \\# {data}; an @{target} 0 NULL \\#"))
    };
    assert_eq!(Message::read(&message(126)).unwrap().answer[1].owner, name("a"));
    assert!(Message::read(&message(127)).is_err());
    assert!(Message::read(&message(8_000)).is_err());
}

#[test]
fn compression_of_many_long_names_is_bounded() {
    // Names of 127 labels that share nothing but their last: each could leave 126 targets.
    let mut builder = Builder::new(7, 0, usize::MAX);
    let mut fit = 0;
    loop {
        let label = char::from(b'a' + (fit % 26) as u8);
        let mut wire = [1u8, label as u8].repeat(125);
        wire.extend([2, fit as u8, (fit >> 8) as u8, 0]);
        let Some(name) = Name::new(&wire) else { panic!() };
        if !builder.parts(Section::Answer, name, kind::A, kind::CLASS_IN, 0, &[0; 4]) {
            break;
        }
        fit += 1;
    }
    assert!(fit > 200 && builder.suffixes.len() <= SUFFIXES_MAX);
    assert!(builder.suffixes.values().all(|at| usize::from(*at) < POINTER_TARGETS));
    let message = builder.finish();
    assert!(message.len() <= 65_535);
    assert_eq!(Message::read(&message).unwrap().answer.len(), fit);
}

/// Names of few labels, so that many share their ends, in either case.
fn any_name() -> impl Strategy<Value = Vec<u8>> {
    static LABELS: [&[u8]; 6] = [b"\x01a", b"\x01A", b"\x02bc", b"\x02Bc", b"\x07example", b"\x03\x00.\xc0"];
    let label = proptest::sample::select(&LABELS[..]);
    proptest::collection::vec(label, 0..5).prop_map(|labels| [&labels.concat()[..], &[0]].concat())
}

fn any_record() -> impl Strategy<Value = Record> {
    let data = prop_oneof![
        any::<[u8; 4]>().prop_map(|address| (kind::A, address.to_vec())),
        any_name().prop_map(|name| (kind::NS, name)),
        any_name().prop_map(|name| (kind::CNAME, name)),
        any_name().prop_map(|name| (kind::DNAME, name)),
        (any::<[u8; 2]>(), any_name()).prop_map(|(preference, name)| (kind::MX, [&preference[..], &name].concat())),
        (any::<[u8; 6]>(), any_name()).prop_map(|(numbers, name)| (kind::SRV, [&numbers[..], &name].concat())),
        (any_name(), any_name(), any::<[u8; 20]>())
            .prop_map(|(mname, rname, numbers)| (kind::SOA, [&mname[..], &rname, &numbers].concat())),
        proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(|text| (kind::TXT, [&[text.len() as u8], &text[..]].concat())),
    ];
    (any_name(), 0u32..1 << 31, data).prop_map(|(owner, ttl, (rtype, rdata))| {
        let owner = Name::new(&owner).unwrap().fold();
        Record { owner, rtype, class: kind::CLASS_IN, ttl, rdata: rdata.into() }
    })
}

/// The same message without compression.
fn plain(qname: &[u8], records: &[(Section, Record)]) -> Vec<u8> {
    let of = |section| records.iter().filter(|(placed, _)| *placed == section).count() as u16;
    let counts = [1, of(Section::Answer), of(Section::Authority), of(Section::Additional)];
    let mut message = [0, crate::testing::ID as u8, 0x84, 0].to_vec();
    message.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    message.extend(qname);
    message.extend([0, 1, 0, 1]);
    for (_, record) in records {
        message.extend(record.owner.wire());
        message.extend(record.rtype.to_be_bytes());
        message.extend(record.class.to_be_bytes());
        message.extend(record.ttl.to_be_bytes());
        message.extend((record.rdata.len() as u16).to_be_bytes());
        message.extend(&*record.rdata);
    }
    message
}

proptest! {
    #[test]
    fn what_is_written_is_read_by_us_and_by_others(
        qname in any_name(),
        answer in proptest::collection::vec(any_record(), 0..8),
        authority in proptest::collection::vec(any_record(), 0..4),
        additional in proptest::collection::vec(any_record(), 0..4),
        size_max in 300usize..1_500,
    ) {
        let sections = [(Section::Answer, &answer), (Section::Authority, &authority), (Section::Additional, &additional)];
        let records: Vec<(Section, Record)> = sections
            .iter()
            .flat_map(|(section, records)| records.iter().map(|record| (*section, record.clone())))
            .collect();
        let (message, fit) = written(Name::new(&qname).unwrap(), &records, size_max);
        prop_assert!(message.len() <= size_max);
        let plain = plain(&qname, &records[..fit]);
        prop_assert!(message.len() <= plain.len());
        let read = Message::read(&message).unwrap();
        let places = [(Section::Answer, read.answer), (Section::Authority, read.authority), (Section::Additional, read.additional)];
        let read: Vec<(Section, Record)> = places
            .into_iter()
            .flat_map(|(section, records)| records.into_iter().map(move |record| (section, record)))
            .collect();
        prop_assert_eq!(&read[..], &records[..fit]);
        // Owners take the case of the name they point at.
        prop_assert_eq!(show(&message).to_lowercase(), show(&plain).to_lowercase());
    }

    #[test]
    fn strangers_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300), counts in any::<[u8; 4]>()) {
        let _ = Message::read(&bytes);
        let head: Vec<u8> = [0, 7, 0, 0].into_iter().chain(counts.iter().flat_map(|count| [0, count % 4])).collect();
        if let Ok(message) = Message::read(&[&head[..], &bytes].concat()) {
            let mut builder = Builder::new(message.id, message.flags, usize::MAX);
            for question in &message.questions {
                prop_assert!(builder.question(question.qname.name(), question.qtype, question.qclass));
            }
            let sections = [
                (Section::Answer, &message.answer),
                (Section::Authority, &message.authority),
                (Section::Additional, &message.additional),
            ];
            for (section, record) in sections.iter().flat_map(|(section, all)| all.iter().map(move |one| (*section, one))) {
                prop_assert!(builder.record(section, record));
            }
            let again = Message::read(&builder.finish()).unwrap();
            prop_assert_eq!(&again.questions, &message.questions);
            prop_assert_eq!(
                (&again.answer, &again.authority, &again.additional),
                (&message.answer, &message.authority, &message.additional)
            );
        }
    }

    /// Data of every type, of any content: what cannot be compressed rightly is written as it is.
    #[test]
    fn data_that_does_not_fit_its_type_is_written_as_it_is(
        rtype in 0u16..70,
        rdata in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut builder = Builder::new(7, 0, 512);
        builder.question(name("example").name(), 1, 1);
        prop_assert!(builder.parts(Section::Answer, name("example").name(), rtype, kind::CLASS_IN, 0, &rdata));
        let bytes = builder.finish();
        match Message::read(&bytes) {
            Ok(message) => prop_assert_eq!(&*message.answer[0].rdata, &rdata[..]),
            Err(_) => prop_assert!(bytes.len() <= 12 + 13 + 12 + rdata.len()),
        }
    }
}
