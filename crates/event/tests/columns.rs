//! An event put into columns is the row read back, whatever it holds.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, UInt16Type};
use event::{Action, Builder, CacheState, Ede, Event, Flags, NotEvents, Outcome, Row, Transport};
use proptest::prelude::*;
use wire::code::Code;

/// What should be read back; written by hand, not by the code under test.
fn row(event: &Event, seq: u64, reg_domain: Option<&str>, code: Option<Code>) -> Row {
    let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
    Row {
        time_micros: event.time_micros,
        seq,
        client: event.client,
        client_port: event.client_port,
        transport: event.transport,
        opcode: event.opcode,
        domain: text(&event.domain),
        reg_domain: reg_domain.map(str::to_owned),
        qtype: event.qtype,
        qclass: event.qclass,
        flags: event.flags,
        outcome: event.outcome,
        rcode_header: event.rcode.map(|rcode| (rcode % 16) as u8),
        rcode: event.rcode,
        tsig_error: event.tsig_error,
        tkey_error: event.tkey_error,
        code,
        ede: event.ede.iter().map(|ede| (ede.code, ede.text.to_string())).collect(),
        answer: text(&event.answer),
        answer_count: event.answer_count,
        ttl: event.ttl,
        action: event.action,
        list: text(&event.list),
        rule: text(&event.rule),
        trace: text(&event.trace),
        cache: event.cache,
        upstream: text(&event.upstream),
        upstream_latency_micros: event.upstream_latency_micros,
        attempts: event.attempts,
        key: text(&event.key),
        update: text(&event.update),
        repeats: event.repeats,
        latency_micros: event.latency_micros,
        query_size: event.query_size,
        reply_size: event.reply_size,
        tenant: None,
        node: None,
    }
}

fn plain() -> Event {
    Event {
        time_micros: 5,
        client: Ipv4Addr::new(192, 0, 2, 1).into(),
        client_port: 53,
        transport: Transport::Udp,
        opcode: 0,
        domain: Some("www.example.co.uk".into()),
        qtype: 1,
        qclass: 1,
        flags: Flags::RD,
        outcome: Outcome::Error,
        rcode: Some(3),
        tsig_error: None,
        tkey_error: None,
        ede: Arc::new([]),
        answer: None,
        answer_count: 0,
        ttl: None,
        action: Action::Pass,
        list: None,
        rule: None,
        trace: None,
        cache: CacheState::None,
        upstream: None,
        upstream_latency_micros: None,
        attempts: 0,
        key: None,
        update: None,
        repeats: 0,
        latency_micros: 9,
        query_size: 40,
        reply_size: 40,
        tenant: None,
        node: None,
    }
}

fn batch(events: &[Event], first_seq: u64) -> RecordBatch {
    let mut builder = Builder::new(first_seq);
    events.iter().for_each(|event| builder.push(event));
    builder.finish()
}

prop_compose! {
    fn who()(
        time_micros: i64,
        v4: u32,
        v6: u128,
        is_v4: bool,
        client_port: u16,
        transport in prop::sample::select(Transport::ALL),
        opcode in 0_u8..16,
        qtype: u16,
        qclass: u16,
        flags: u16,
        query_size: u16,
    ) -> Event {
        // A mapped address is an IPv4 address, however it was written.
        let client = if is_v4 { IpAddr::V4(v4.into()) } else { IpAddr::V6(Ipv6Addr::from(v6)).to_canonical() };
        let flags = Flags(flags);
        Event { time_micros, client, client_port, transport, opcode, qtype, qclass, flags, query_size, ..plain() }
    }
}

prop_compose! {
    fn any_event()(
        who in who(),
        outcome in prop::sample::select(Outcome::ALL),
        codes: (Option<u16>, Option<u16>, Option<u16>),
        ede in prop::collection::vec((any::<u16>(), ".{0,9}"), 0..4),
        texts in prop::array::uniform7(prop::option::of(".{0,20}")),
        action in prop::sample::select(Action::ALL),
        cache in prop::sample::select(CacheState::ALL),
        numbers: (Option<u32>, Option<u32>, u16, u8, u32, u16),
    ) -> Event {
        let [answer, list, rule, trace, upstream, key, update] = texts.map(|text| text.map(Arc::from));
        Event {
            outcome,
            rcode: codes.0.map(|rcode| rcode % 4_096),
            tsig_error: codes.1,
            tkey_error: codes.2,
            ede: ede.into_iter().map(|(code, text)| Ede { code, text: text.into() }).collect(),
            answer,
            list,
            rule,
            trace,
            upstream,
            key,
            update,
            action,
            cache,
            ttl: numbers.0,
            upstream_latency_micros: numbers.1,
            answer_count: numbers.2,
            attempts: numbers.3,
            latency_micros: numbers.4,
            reply_size: numbers.5,
            ..who
        }
    }
}

proptest! {
    #[test]
    fn rows_are_the_events(events in prop::collection::vec(any_event(), 0..40), first_seq in 0..u64::MAX / 2) {
        let expect: Vec<Row> = (first_seq..).zip(&events).map(|(seq, event)| {
            let code = Code::derive(event.rcode, event.tsig_error, event.tkey_error);
            row(event, seq, Some("example.co.uk"), code)
        }).collect();
        let batch = batch(&events, first_seq);
        prop_assert_eq!(batch.schema(), event::schema());
        prop_assert_eq!(event::rows(&batch).unwrap(), expect);
    }
}

#[test]
fn numbers_go_on_from_batch_to_batch() {
    let mut builder = Builder::new(7);
    assert!(builder.is_empty());
    builder.push(&plain());
    builder.push(&plain());
    assert_eq!((builder.len(), builder.next_seq()), (2, 9));
    let first = builder.finish();
    assert!(builder.is_empty());
    builder.push(&plain());
    let second = builder.finish();
    let numbers = |batch| event::rows(batch).unwrap().iter().map(|row| row.seq).collect::<Vec<_>>();
    assert_eq!((numbers(&first), numbers(&second)), (vec![7, 8], vec![9]));
    assert_eq!(builder.finish().num_rows(), 0);
}

#[test]
fn the_code_is_the_one_that_tells_most() {
    let cases = [
        (Some(3), None, None, Some("NXDOMAIN")),
        (Some(9), Some(16), None, Some("BADSIG")),
        (Some(16), None, None, Some("BADVERS")),
        (Some(0), None, Some(19), Some("BADMODE")),
        (None, None, None, None),
    ];
    for (rcode, tsig_error, tkey_error, expect) in cases {
        let batch = batch(&[Event { rcode, tsig_error, tkey_error, ..plain() }], 0);
        let code = event::rows(&batch).unwrap()[0].code;
        assert_eq!(code.map(|code| code.name().into_owned()).as_deref(), expect);
    }
}

#[test]
fn names_are_kept_with_their_registrable_part() {
    let cases = [
        (None, None),
        (Some("."), None),
        (Some("com"), None),
        (Some("a.b.example.com"), Some("example.com")),
        (Some("x.co.uk"), Some("x.co.uk")),
    ];
    for (domain, expect) in cases {
        let batch = batch(&[Event { domain: domain.map(Arc::from), ..plain() }], 0);
        let row = &event::rows(&batch).unwrap()[0];
        assert_eq!((row.domain.as_deref(), row.reg_domain.as_deref()), (domain, expect));
    }
}

#[test]
fn more_words_than_a_dictionary_holds_are_left_out() {
    let words = 65_600;
    let events: Vec<Event> =
        (0..words).map(|word| Event { list: Some(format!("list {word}").into()), ..plain() }).collect();
    let batch = batch(&events, 0);
    let lists = batch.column_by_name("list").unwrap().as_dictionary::<UInt16Type>();
    assert_eq!(lists.null_count(), words - 65_536);
    let rows = event::rows(&batch).unwrap();
    assert_eq!(rows[65_535].list.as_deref(), Some("list 65535"));
    assert_eq!(rows[65_536].list, None);
}

#[test]
fn views_and_plain_text_are_read_like_dictionaries() {
    let events = [Event { list: Some("ads".into()), answer: Some("A 192.0.2.1".into()), ..plain() }, plain()];
    let batch = batch(&events, 0);
    let recast = |name: &str, to: DataType| {
        let at = batch.schema().index_of(name).unwrap();
        let mut fields = batch.schema().fields().to_vec();
        let mut columns = batch.columns().to_vec();
        fields[at] = Arc::new(fields[at].as_ref().clone().with_data_type(to.clone()));
        columns[at] = arrow::compute::cast(&columns[at], &to).unwrap();
        let schema = arrow::datatypes::Schema::new(fields);
        event::rows(&RecordBatch::try_new(Arc::new(schema), columns).unwrap())
    };
    let expect = event::rows(&batch).unwrap();
    assert_eq!(recast("list", DataType::Utf8).as_ref(), Ok(&expect));
    assert_eq!(recast("answer", DataType::Utf8View).as_ref(), Ok(&expect));
    assert_eq!(recast("seq", DataType::Int64), Err(NotEvents { column: "seq" }));
}

#[test]
fn a_missing_column_or_an_unknown_word_is_named() {
    let batch = batch(&[plain()], 0);
    let gone = event::schema().index_of("update").unwrap();
    let without = batch.project(&(0..batch.num_columns()).filter(|at| *at != gone).collect::<Vec<_>>()).unwrap();
    assert_eq!(event::rows(&without), Err(NotEvents { column: "update" }));

    let at = event::schema().index_of("action").unwrap();
    let mut columns = batch.columns().to_vec();
    columns[at] = Arc::new(arrow::array::UInt8Array::from(vec![200]));
    let strange = RecordBatch::try_new(event::schema(), columns).unwrap();
    assert_eq!(event::rows(&strange).unwrap_err().to_string(), "column \"action\" is missing or of another type");
}

#[test]
fn a_name_and_all_below_it_are_one_range_of_reversed_names() {
    for (name, reversed) in [
        ("www.example.com", "com.example.www."),
        ("example.com", "com.example."),
        ("com", "com."),
        (".", ""),
        (r"a\.b.example", r"example.a\.b."),
        (r"x\\.example", r"example.x\\."),
    ] {
        assert_eq!(event::reversed_domain(name), reversed, "{name}");
    }
}

#[test]
fn words_have_one_number_and_one_name() {
    macro_rules! check {
        ($($type:ident)*) => {$(
            for (at, &word) in $type::ALL.iter().enumerate() {
                assert_eq!(usize::from(word.number()), at);
                assert_eq!($type::from_number(word.number()), Some(word));
                assert_eq!($type::from_name(&word.name().to_uppercase()), Some(word));
            }
            assert_eq!($type::from_number($type::ALL.len() as u8), None);
            assert_eq!($type::from_name("no such word"), None);
        )*};
    }
    check!(Transport Outcome Action CacheState);
}

#[test]
fn flags_name_themselves() {
    let flags = Flags::RD.with(Flags::AA).with(Flags::AUTHENTIC);
    assert_eq!(flags.names().collect::<Vec<_>>(), ["RD", "AA", "AUTHENTIC"]);
    assert!(flags.contains(Flags::AA.with(Flags::RD)) && !flags.contains(Flags::TC));
}

#[test]
fn addresses_are_sixteen_bytes_and_come_back() {
    for text in ["192.0.2.1", "2001:db8::1", "::", "::ffff:10.0.0.1"] {
        let address: IpAddr = text.parse().unwrap();
        assert_eq!(event::address_from_bytes(event::address_bytes(address)), address.to_canonical());
    }
}

#[test]
fn batches_of_every_version_are_read() {
    let events = [plain(), Event { key: Some("ddns.example".into()), update: Some("add a".into()), ..plain() }];
    let now = batch(&events, 7);
    assert_eq!(event::upgrade(&now).as_ref(), Some(&now));
    let first = event::schema_of(1).unwrap();
    assert_eq!((first.fields().len(), first.fields().last().unwrap().name().as_str()), (33, "reply_size"));
    assert_eq!(event::schema_of(event::SCHEMA_VERSION), Some(event::schema()));
    assert_eq!((event::schema_of(0), event::schema_of(event::SCHEMA_VERSION + 1)), (None, None));

    let old = now.project(&(0..33).collect::<Vec<_>>()).unwrap();
    assert_eq!(old.schema(), first);
    let read = event::rows(&event::upgrade(&old).unwrap()).unwrap();
    let expect: Vec<Row> =
        event::rows(&now).unwrap().into_iter().map(|row| Row { key: None, update: None, ..row }).collect();
    assert_eq!(read, expect);

    // Columns of no version: one too few, and two exchanged.
    assert_eq!(event::upgrade(&now.project(&(0..32).collect::<Vec<_>>()).unwrap()), None);
    let exchanged: Vec<usize> = [1, 0].into_iter().chain(2..33).collect();
    assert_eq!(event::upgrade(&now.project(&exchanged).unwrap()), None);
}
