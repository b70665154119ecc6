//! Operations: for every code its place on the wire and whether the reply is signed, who may do what, and in which order it is
//! asked.

use wire::kind;
use wire::message::{Builder, Message, Record, Section};
use wire::tkey::dh::{Exchange, Group, PRIVATE_LEN, Public};
use wire::tkey::{Tkey, mode};
use wire::tsig::{Algorithm, Key, ReplyFault, Request, Tsig};

use super::*;
use crate::{Grant, Names, TkeySettings, Who};

/// TYPE of KEY (RFC 2535).
const KEY: u16 = 25;
/// Room for a message to be asked.
const ROOM: usize = 65_535;

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

fn key(text: &str) -> Arc<Key> {
    Arc::new(Key::new(name(text), Algorithm::HmacSha256, format!("secret of {text}").as_bytes()))
}

/// `example` may be updated by `tool` (all of it), `host.example` (its own addresses) and from 10.9.0.0/16 (below
/// `dyn.example`), transferred by `mirror` and from 10.8.0.0/16; `second.example` is a copy whose primary is 10.7.0.1; TKEY is
/// for `tool` and 10.6.0.0/16.
fn world(tkey_create: bool) -> World {
    let mut world = World::new();
    world.zone(
        "example = www A 192.0.2.1; alias CNAME www; sub NS ns.sub; ns.sub A 192.0.2.8; old A 192.0.2.9; old TXT gone",
    );
    world.zone("closed.example = www A 192.0.2.1");
    world.zone("broken.example = !24 line 3: bad");
    let network = |text: &str| Who::Network(Network::parse(text).unwrap());
    let grant = |who, names, types: &[u16]| Grant { who, names, types: types.to_vec() };
    let updates = vec![
        grant(Who::Key(name("tool")), Names::Zone, &[]),
        grant(Who::Key(name("host.example")), Names::OwnKey, &[kind::A, kind::AAAA]),
        grant(network("10.9.0.0/16"), Names::Below(name("dyn.example")), &[]),
    ];
    for origin in ["example", "broken.example"] {
        let access = world.access.get_mut(&name(origin)).unwrap();
        access.update.clone_from(&updates);
        access.transfer = vec![Who::Key(name("mirror")), network("10.8.0.0/16")];
    }
    let second = name("second.example");
    let notify = vec![network("10.7.0.1"), Who::Key(name("tool"))];
    world.access.insert(second.clone(), Access { notify, update: updates, ..Access::default() });
    world.zones.push(Arc::new(Held::new(second.clone(), Role::Secondary, zone_state(&second, "www A 192.0.2.3"))));
    world.publish_zones(|authority| {
        authority.keys = ["tool", "host.example", "mirror", "nobody"].map(key).to_vec();
        let short = Key::checked(name("short"), Algorithm::HmacSha256, b"secret of short", 16, 32).unwrap();
        authority.keys.push(Arc::new(short));
        authority.tkey =
            TkeySettings { create: tkey_create, allow: vec![Who::Key(name("tool")), network("10.6.0.0/16")] };
    });
    world.shared.set_random(Box::new(|octets| octets.fill(0x5a)));
    world
}

/// A message in words, without TSIG:
/// `update ZONE [class=CH]; need www A; need no www A; need www; need no www; need www A 192.0.2.1; add www A 192.0.2.5;
/// delete www A 192.0.2.1; delete www A; delete www; raw OWNER CLASS TYPE`,
/// `notify ZONE [SERIAL]`, `notify-a ZONE`, `axfr ZONE`, `ixfr ZONE [SERIAL]`, `query NAME`, `opcode N NAME`,
/// `tkey NAME MODE [ALGORITHM]`. A first word `edns` adds OPT.
fn message(text: &str) -> Vec<u8> {
    let (edns, text) = text.strip_prefix("edns ").map_or((false, text), |text| (true, text));
    let mut parts = text.split("; ");
    let words: Vec<&str> = parts.next().unwrap().split(' ').collect();
    let zone = name(words.get(1).copied().unwrap_or("."));
    let class = if words.contains(&"class=CH") { kind::CLASS_CH } else { kind::CLASS_IN };
    let (opcode, qtype) = match words[0] {
        "update" => (5, kind::SOA),
        "notify" => (4, kind::SOA),
        "notify-a" => (4, kind::A),
        "axfr" => (0, kind::AXFR),
        "ixfr" => (0, kind::IXFR),
        "query" => (0, kind::A),
        "mail" => (0, kind::MAILA),
        "opcode" => (words[1].parse().unwrap(), kind::A),
        "tkey" => (0, kind::TKEY),
        word => panic!("no such message: {word}"),
    };
    let zone = if words[0] == "opcode" { name(words[2]) } else { zone };
    let mut builder = Builder::new(ID, opcode << 11 | 0x0100, ROOM);
    let _ = builder.question(zone.name(), qtype, class);
    let mut push = |section, record: &Record| assert!(builder.record(section, record));
    match (words[0], words.get(2).and_then(|word| word.parse::<u32>().ok())) {
        ("notify", Some(serial)) => push(Section::Answer, &soa(&zone, serial)),
        ("ixfr", Some(serial)) => push(Section::Authority, &soa(&zone, serial)),
        ("tkey", Some(mode)) => {
            let algorithm = name(words.get(3).copied().unwrap_or("hmac-sha256"));
            let tkey = Tkey {
                algorithm,
                inception: 0,
                expiration: 1_003_600,
                mode: mode as u16,
                error: 0,
                key: vec![],
                other: vec![],
            };
            push(Section::Additional, &tkey_record(&zone, &tkey));
        }
        _ => {}
    }
    for part in parts {
        let (section, record) = change(part, &zone);
        push(section, &record);
    }
    if edns {
        push(
            Section::Additional,
            &Record { owner: Folded::root(), rtype: kind::OPT, class: 1_232, ttl: 0, rdata: Box::default() },
        );
    }
    builder.finish()
}

/// One prerequisite or change.
fn change(text: &str, zone: &Folded) -> (Section, Record) {
    let (section, class, rest) = if let Some(rest) = text.strip_prefix("need no ") {
        (Section::Answer, 254, rest)
    } else if let Some(rest) = text.strip_prefix("need ") {
        (Section::Answer, 255, rest)
    } else if let Some(rest) = text.strip_prefix("add ") {
        (Section::Authority, 1, rest)
    } else if let Some(rest) = text.strip_prefix("delete ") {
        (Section::Authority, 255, rest)
    } else {
        panic!("no such change: {text}");
    };
    let words: Vec<&str> = rest.splitn(3, ' ').collect();
    if let [_, _, _] = words[..] {
        // With data: a value to be found, added, or deleted by value.
        let mut record = zone::file::records(&format!("{rest}\n"), &Folded::root(), 300).unwrap().remove(0);
        if !words[0].ends_with('.') {
            record.owner = name(&format!("{}.{zone}", words[0]));
        }
        let deletes = text.starts_with("delete ");
        record.class = if deletes { 254 } else { 1 };
        record.ttl = if text.starts_with("add ") { 300 } else { 0 };
        return (section, record);
    }
    let owner = match words[0] {
        "@" => zone.clone(),
        outside if outside.ends_with('.') => name(outside),
        label => name(&format!("{label}.{zone}")),
    };
    let rtype = words.get(1).map_or(255, |word| kind::type_from_name(word).unwrap());
    (section, Record { owner, rtype, class, ttl: 0, rdata: Box::default() })
}

fn soa(zone: &Folded, serial: u32) -> Record {
    let rdata = [&[0, 0][..], &[serial, 3_600, 600, 86_400, 60].map(u32::to_be_bytes).concat()].concat();
    Record { owner: zone.clone(), rtype: kind::SOA, class: 1, ttl: 60, rdata: rdata.into() }
}

fn tkey_record(owner: &Folded, tkey: &Tkey) -> Record {
    Record { owner: owner.clone(), rtype: kind::TKEY, class: 255, ttl: 0, rdata: tkey.rdata().into() }
}

/// How a message is signed.
enum Signed {
    No,
    With(Arc<Key>),
    /// Seconds between the client's clock and ours.
    Off(Arc<Key>, i64),
    /// A MAC cut to this many octets, however long the key says.
    Cut(Arc<Key>, usize),
}

fn signed(text: &str) -> Signed {
    match text.split(' ').collect::<Vec<_>>()[..] {
        ["-"] => Signed::No,
        [text] => Signed::With(key(text)),
        [text, "wrong"] => Signed::With(Arc::new(Key::new(name(text), Algorithm::HmacSha256, b"another secret"))),
        [text, "sha1"] => Signed::With(Arc::new(Key::new(name(text), Algorithm::HmacSha1, b"secret of tool"))),
        [text, "late"] => Signed::Off(key(text), -1_000),
        [text, "wrong", "late"] => {
            Signed::Off(Arc::new(Key::new(name(text), Algorithm::HmacSha256, b"another secret")), -1_000)
        }
        [text, "cut", octets] if octets.len() < 2 => Signed::Cut(key(text), octets.parse().unwrap()),
        [text, "cut", octets] => Signed::With(short(text, octets)),
        [text, "late", "cut", octets] => Signed::Off(short(text, octets), -1_000),
        _ => panic!("no such signature: {text}"),
    }
}

/// A key whose owner cuts its MACs.
fn short(text: &str, octets: &str) -> Arc<Key> {
    let secret = format!("secret of {text}");
    let octets = octets.parse().unwrap();
    Arc::new(Key::checked(name(text), Algorithm::HmacSha256, secret.as_bytes(), octets, 16).unwrap())
}

/// What the client got.
struct Got {
    reply: Vec<u8>,
    event: Event,
    /// What a client makes of the signature.
    verified: Option<Result<Vec<u8>, ReplyFault>>,
    request: Option<Request>,
    more: Vec<Vec<u8>>,
}

impl World {
    fn operate(&mut self, from: &str, mut bytes: Vec<u8>, signed: Signed) -> Got {
        let now_seconds = self.micros / 1_000_000;
        let request = match signed {
            Signed::No => None,
            Signed::With(key) => Some(Request::sign(&mut bytes, &key, now_seconds)),
            Signed::Off(key, off) => {
                Some(Request::sign(&mut bytes, &key, now_seconds.checked_add_signed(off).unwrap()))
            }
            Signed::Cut(key, octets) => {
                let unsigned = bytes.len();
                let request = Request::sign(&mut bytes, &key, now_seconds);
                let mut tsig = Tsig::read(&bytes, unsigned).unwrap();
                tsig.mac.truncate(octets);
                bytes.truncate(unsigned);
                bytes[11] -= 1;
                tsig.append(&mut bytes);
                Some(request)
            }
        };
        let (address, transport) = match from.strip_suffix(" tcp") {
            Some(address) => (address, Transport::Tcp),
            None => (from, Transport::Udp),
        };
        let source = Source { peer: (address.parse::<Ipv4Addr>().unwrap(), 5_000).into(), transport };
        let (now, mut reply) = (self.now(), Vec::new());
        let mut more = Vec::new();
        match self.desk.answer(&bytes, source, now, &mut reply) {
            Outcome::Operate(operating) => {
                let done = self.runtime.block_on(crate::operate(&self.shared, *operating));
                reply.clone_from(&done.late.reply);
                let mut next = done.more.unwrap_or_else(|| Box::new(|_| None));
                while let Some(message) = next(later(now, more.len())) {
                    more.push(message);
                }
                self.desk.offer(done.late, now);
            }
            Outcome::Reply => self.desk.close(now),
            Outcome::Silence | Outcome::Pursue(_) => panic!("not an operation"),
        }
        let event = self.events.try_recv().expect("one event per arrival");
        assert!(self.events.try_recv().is_err(), "only one event per arrival");
        assert_eq!(usize::from(event.query_size), bytes.len());
        assert_eq!(reply[..2], bytes[..2], "the client's ID");
        assert_eq!(reply[2] & 0xf8, 0x80 | bytes[2] & 0x78, "QR and opcode");
        let mut request = request;
        let verified = request.as_mut().map(|request| request.check(&reply, now_seconds));
        Got { reply, event, verified, request, more }
    }
}

/// `NXRRSET header=8 tsig=0 ok ede=18`: the code a person sees, the nibble in the header, OPT's bits if they are not 0, errors in
/// TSIG (with what a client makes of it) and TKEY, extended errors. Checks that the event says the same.
fn told(got: &Got) -> String {
    let message = Message::read(&got.reply).unwrap();
    let nibble = u16::from(got.reply[3] & 0xf);
    let extended = message.opt().map_or(0, |opt| opt.ttl >> 24);
    let tsig = Tsig::find(&got.reply).map(|at| Tsig::read(&got.reply, at).unwrap());
    let tkey = message.answer.iter().find(|record| record.rtype == kind::TKEY);
    let tkey = tkey.map(|record| Tkey::read(&record.rdata).unwrap());

    let event = &got.event;
    assert_eq!(event.rcode, Some(message.rcode()));
    assert_eq!(event.tsig_error, tsig.as_ref().map(|tsig| tsig.error));
    assert_eq!(event.tkey_error, tkey.as_ref().map(|tkey| tkey.error));
    assert_eq!(event.opcode, message.opcode());
    assert!(event.trace.is_some() || !event.ede.is_empty(), "the log says why");
    if event.outcome != event::Outcome::Answered {
        assert!(got.more.is_empty());
    }
    if got.more.is_empty() {
        assert_eq!(usize::from(event.reply_size), got.reply.len());
    }
    let code = Code::derive(event.rcode, event.tsig_error, event.tkey_error).unwrap();
    let is_error =
        !matches!(event.outcome, event::Outcome::Answered | event::Outcome::Nodata | event::Outcome::Truncated);
    assert_eq!(code != Code::NOERROR, is_error, "{code} {:?}", event.outcome);

    let mut text = format!("{code} header={nibble}");
    if extended > 0 {
        write!(text, "+{extended}").unwrap();
    }
    if let Some(tsig) = tsig {
        let verified = match got.verified.as_ref().unwrap() {
            Ok(_) => "ok".to_owned(),
            Err(ReplyFault::Told(error)) if tsig.mac.is_empty() => {
                format!("unsigned{}", if *error == tsig.error { "" } else { "?" })
            }
            Err(ReplyFault::Told(_)) => "signed".to_owned(),
            Err(fault) => fault.to_string(),
        };
        write!(text, " tsig={} {verified}", tsig.error).unwrap();
    }
    if let Some(tkey) = tkey {
        write!(text, " tkey={}", tkey.error).unwrap();
    }
    for ede in event.ede.iter() {
        write!(text, " ede={}", ede.code).unwrap();
    }
    if message.flags & 0x0200 != 0 {
        text.push_str(" tc");
    }
    text
}

/// Each row in a world of its own: who, signature, message, what comes of it.
fn check(rows: &[(&str, &str, &str, &str)]) {
    for (from, signature, text, expected) in rows {
        let mut world = world(false);
        let got = world.operate(from, message(text), signed(signature));
        assert_eq!(told(&got), *expected, "{from} {signature}: {text}\n{:?}", got.event.trace);
        let key = signature.split(' ').next().filter(|key| *key != "-");
        if key.is_some() {
            assert_eq!(got.event.key.as_deref(), key, "{text}");
        }
    }
}

#[test]
fn every_signature_error_has_its_place() {
    check(&[
        ("10.0.0.7", "tool wrong", "query www.example", "BADSIG header=9 tsig=16 unsigned"),
        ("10.0.0.7", "stranger", "query www.example", "BADKEY header=9 tsig=17 unsigned"),
        ("10.0.0.7", "tool sha1", "query www.example", "BADKEY header=9 tsig=17 unsigned"),
        ("10.0.0.7", "tool late", "query www.example", "BADTIME header=9 tsig=18 signed"),
        ("10.0.0.7", "short cut 16", "query www.example", "BADTRUNC header=9 tsig=22 signed"),
        ("10.0.0.7", "tool cut 9", "query www.example", "FORMERR header=1"),
        ("10.0.0.7", "tool cut 0", "edns query www.example", "FORMERR header=1"),
        // In order: key, MAC, time, truncation.
        ("10.0.0.7", "stranger late", "query www.example", "BADKEY header=9 tsig=17 unsigned"),
        ("10.0.0.7", "tool wrong late", "query www.example", "BADSIG header=9 tsig=16 unsigned"),
        ("10.0.0.7", "short late cut 16", "query www.example", "BADTIME header=9 tsig=18 signed"),
        // On every opcode.
        ("10.0.0.7", "tool wrong", "update example; add new A 192.0.2.5", "BADSIG header=9 tsig=16 unsigned"),
        ("10.0.0.7", "stranger", "notify second.example", "BADKEY header=9 tsig=17 unsigned"),
        ("10.0.0.7", "tool late", "axfr example", "BADTIME header=9 tsig=18 signed"),
        ("10.0.0.7 tcp", "mirror wrong", "axfr example", "BADSIG header=9 tsig=16 unsigned"),
        ("10.0.0.7", "tool wrong", "tkey new 5", "BADSIG header=9 tsig=16 unsigned"),
        ("10.0.0.7", "tool wrong", "opcode 2 www.example", "BADSIG header=9 tsig=16 unsigned"),
    ]);
}

#[test]
fn signed_queries_walk_like_all_others_and_are_signed() {
    check(&[
        ("10.0.0.7", "tool", "query www.example", "NOERROR header=0 tsig=0 ok"),
        ("10.0.0.7", "tool", "edns query no.example", "NXDOMAIN header=3 tsig=0 ok"),
        ("10.0.0.7", "tool", "query x.broken.example", "SERVFAIL header=2 tsig=0 ok ede=24"),
        ("192.0.2.9", "nobody", "query www.example", "REFUSED header=5 tsig=0 ok ede=18"),
        ("10.0.0.7", "tool", "mail www.example", "NOTIMP header=4 tsig=0 ok ede=21"),
        ("10.0.0.7", "tool", "opcode 2 www.example", "NOTIMP header=4 tsig=0 ok ede=21"),
        ("10.0.0.7", "tool", "opcode 9 www.example", "NOTIMP header=4 tsig=0 ok ede=21"),
        ("10.0.0.7", "-", "opcode 2 www.example", "NOTIMP header=4 ede=21"),
    ]);
}

#[test]
fn a_key_may_ask_for_a_zone_where_its_address_may_not() {
    let mut world = world(false);
    world.access.get_mut(&name("example")).unwrap().query = vec![Who::Key(name("tool"))];
    world.publish_zones(|authority| authority.keys = vec![key("tool"), key("nobody")]);
    for (signature, expected) in
        [("tool", "NOERROR header=0 tsig=0 ok"), ("nobody", "REFUSED header=5 tsig=0 ok ede=18")]
    {
        let got = world.operate("192.0.2.9", message("query www.example"), signed(signature));
        assert_eq!(told(&got), expected, "{signature}");
    }
}

#[test]
fn a_signed_query_is_looked_up_too() {
    let mut world = world(false);
    let got = world.operate("10.0.0.7", message("query www.elsewhere.test"), signed("tool"));
    // The harness has no upstream.
    assert_eq!(told(&got).split(" ede").next(), Some("SERVFAIL header=2 tsig=0 ok"));
    assert_eq!(got.event.cache, event::CacheState::Miss);
}

#[test]
fn a_reply_that_does_not_fit_with_its_signature_says_so() {
    let mut world = world(false);
    let text = (0..4).map(|at| format!("; big TXT \"{at:0100}\"")).collect::<String>();
    let fits: String = text.chars().take(text.len()).collect();
    let origin = name("example");
    world.zones[0].set(zone_state(&origin, &format!("www A 192.0.2.1{fits}")));
    let mut bytes = message("query big.example");
    bytes[26] = 16;
    let unsigned = world.operate("10.0.0.7", bytes.clone(), Signed::No);
    assert_eq!(unsigned.reply[2] & 2, 0, "fits unsigned: {} octets", unsigned.reply.len());
    let got = world.operate("10.0.0.7", bytes, Signed::With(key("tool")));
    assert_eq!(told(&got), "NOERROR header=0 tsig=0 ok tc");
    assert!(got.reply.len() <= 512);
    assert_eq!((got.event.outcome, got.event.answer_count), (event::Outcome::Truncated, 0));
}

#[test]
fn every_update_code() {
    let add = "add new A 192.0.2.5";
    let with = |part: &str| format!("update example; {part}; {add}");
    let rows = [
        (format!("update example; {add}"), "NOERROR header=0 tsig=0 ok"),
        (with("need www A"), "NOERROR header=0 tsig=0 ok"),
        (with("need www A 192.0.2.1"), "NOERROR header=0 tsig=0 ok"),
        (with("need www A 192.0.2.2"), "NXRRSET header=8 tsig=0 ok"),
        (with("need www MX"), "NXRRSET header=8 tsig=0 ok"),
        (with("need no www A"), "YXRRSET header=7 tsig=0 ok"),
        (with("need no www"), "YXDOMAIN header=6 tsig=0 ok"),
        (with("need nowhere"), "NXDOMAIN header=3 tsig=0 ok"),
        (with("need www.test. A"), "NOTZONE header=10 tsig=0 ok"),
        (with("add www.test. A 192.0.2.5"), "NOTZONE header=10 tsig=0 ok"),
        (with("add new NS ns.example."), "REFUSED header=5 tsig=0 ok ede=18"),
        ("update broken.example; add new A 192.0.2.5".into(), "SERVFAIL header=2 tsig=0 ok ede=24"),
        ("update closed.example; add new A 192.0.2.5".into(), "REFUSED header=5 tsig=0 ok ede=18"),
        ("update elsewhere.test; add new A 192.0.2.5".into(), "NOTAUTH header=9 tsig=0 ok ede=20"),
        // Only a zone above it is held.
        ("update www.example; add new A 192.0.2.5".into(), "NOTAUTH header=9 tsig=0 ok ede=20"),
        ("update example class=CH; add new A 192.0.2.5".into(), "NOTAUTH header=9 tsig=0 ok ede=20"),
        ("update second.example; add new A 192.0.2.5".into(), "REFUSED header=5 tsig=0 ok ede=21"),
        (with("add new AXFR"), "FORMERR header=1 ede=0"),
    ];
    for (text, expected) in rows {
        let text = text.replace("add new AXFR", "delete new AXFR");
        check(&[("10.0.0.7", "tool", &text, expected)]);
    }
}

#[test]
fn who_may_update_what() {
    check(&[
        ("10.0.0.7", "-", "update example; add new A 192.0.2.5", "REFUSED header=5 ede=18"),
        ("10.0.0.7", "nobody", "update example; add new A 192.0.2.5", "REFUSED header=5 tsig=0 ok ede=18"),
        // A stranger learns nothing by prerequisites.
        ("10.0.0.7", "-", "update example; need no www; add new A 192.0.2.5", "REFUSED header=5 ede=18"),
        ("10.0.0.7", "host.example", "update example; add host A 192.0.2.5", "NOERROR header=0 tsig=0 ok"),
        ("10.0.0.7", "host.example", "update example; add host TXT x", "REFUSED header=5 tsig=0 ok ede=18"),
        ("10.0.0.7", "host.example", "update example; add other A 192.0.2.5", "REFUSED header=5 tsig=0 ok ede=18"),
        ("10.0.0.7", "host.example", "update example; delete old", "REFUSED header=5 tsig=0 ok ede=18"),
        ("10.0.0.7", "host.example", "update example; delete host", "NOERROR header=0 tsig=0 ok"),
        ("10.9.1.1", "-", "update example; add pc.dyn A 192.0.2.5; add dyn TXT x", "NOERROR header=0"),
        ("10.9.1.1", "-", "update example; add pc.dyn A 192.0.2.5; add www A 192.0.2.5", "REFUSED header=5 ede=18"),
        ("10.0.0.7", "tool", "update example; delete old", "NOERROR header=0 tsig=0 ok"),
        // What goes with a name must be granted too: here a delegation.
        ("10.0.0.7", "tool", "update example; delete sub", "REFUSED header=5 tsig=0 ok ede=18"),
        ("10.0.0.7", "tool", "update example; delete @", "NOERROR header=0 tsig=0 ok"),
    ]);
}

#[test]
fn updates_are_off_where_no_zone_takes_them() {
    let mut world = World::new();
    world.zone("example = www A 192.0.2.1");
    let got = world.operate("10.0.0.7", message("update example; add new A 192.0.2.5"), Signed::No);
    assert_eq!(told(&got), "NOTIMP header=4 ede=21");
}

#[test]
fn an_update_is_kept_seen_and_told_or_not_made_at_all() {
    let mut world = world(false);
    let ask = |world: &mut World| world.ask("new.example A").split(" trace").next().unwrap().to_owned();
    let text = "update example; need www A; add new A 192.0.2.5; delete old";

    world.keeper.full.store(true, std::sync::atomic::Ordering::Relaxed);
    let got = world.operate("10.0.0.7", message(text), signed("tool"));
    assert_eq!(told(&got), "SERVFAIL header=2 tsig=0 ok ede=0");
    assert_eq!(ask(&mut world), "NXDOMAIN error aa ttl=60");
    assert!(world.keeper.take().is_empty());

    world.keeper.full.store(false, std::sync::atomic::Ordering::Relaxed);
    let got = world.operate("10.0.0.7", message(text), signed("tool"));
    assert_eq!(told(&got), "NOERROR header=0 tsig=0 ok");
    assert_eq!(
        got.event.trace.as_deref(),
        Some("update: example has serial 8 now\ngrant: key tool may change the whole zone")
    );
    assert_eq!(
        got.event.update.as_deref(),
        Some("need www.example A; add new.example A 192.0.2.5; delete old.example")
    );
    assert_eq!((got.event.domain.as_deref(), got.event.qtype, got.event.opcode), (Some("example"), kind::SOA, 5));
    assert_eq!(ask(&mut world), "NOERROR answered aa answer=[A 192.0.2.5] ttl=300");
    assert_eq!(world.keeper.take(), ["commit example 8", "changed example"]);

    let got = world.operate("10.0.0.7", message("update example; add new A 192.0.2.5"), signed("tool"));
    assert!(got.event.trace.unwrap().starts_with("update: nothing in example changes"));
    // One change of two is not granted: neither is made.
    let got = world.operate("10.9.0.1", message("update example; add a.dyn A 192.0.2.5; delete new"), Signed::No);
    assert_eq!(told(&got), "REFUSED header=5 ede=18");
    assert_eq!(got.event.trace.as_deref(), Some("update: no grant covers new.example A"));
    assert!(world.ask("a.dyn.example A").starts_with("NXDOMAIN"));
    assert!(world.keeper.take().is_empty());
}

#[test]
fn notify_counts_from_a_primary_only() {
    for (from, signature, text, expected, noted) in [
        (
            "10.7.0.1",
            "-",
            "notify second.example 9",
            "NOERROR header=0",
            Some("notified second.example Some(9) 10.7.0.1"),
        ),
        (
            "10.0.0.7",
            "tool",
            "edns notify second.example",
            "NOERROR header=0 tsig=0 ok",
            Some("notified second.example None 10.0.0.7"),
        ),
        ("10.0.0.7", "-", "notify second.example 9", "REFUSED header=5 ede=18", None),
        ("10.7.0.1", "-", "notify example 9", "NOTAUTH header=9 ede=20", None),
        ("10.7.0.1", "-", "notify elsewhere.test 9", "NOTAUTH header=9 ede=20", None),
        ("10.7.0.1", "-", "notify www.second.example 9", "NOTAUTH header=9 ede=20", None),
        ("10.7.0.1", "-", "notify-a second.example", "FORMERR header=1 ede=0", None),
    ] {
        let mut world = world(false);
        let got = world.operate(from, message(text), signed(signature));
        assert_eq!(told(&got), expected, "{from}: {text}");
        assert_eq!(got.reply[2] & 4 != 0, noted.is_some(), "AA");
        assert_eq!(world.keeper.take(), noted.into_iter().collect::<Vec<_>>(), "{from}: {text}");
    }
}

#[test]
fn who_may_transfer_what() {
    check(&[
        ("10.0.0.7 tcp", "mirror", "axfr example", "NOERROR header=0 tsig=0 ok"),
        ("10.8.0.1 tcp", "-", "edns axfr example", "NOERROR header=0"),
        ("10.0.0.7 tcp", "-", "axfr example", "REFUSED header=5 ede=18"),
        ("10.0.0.7 tcp", "tool", "axfr example", "REFUSED header=5 tsig=0 ok ede=18"),
        ("10.0.0.7 tcp", "mirror", "axfr closed.example", "REFUSED header=5 tsig=0 ok ede=18"),
        ("10.8.0.1 tcp", "-", "axfr www.example", "NOTAUTH header=9 ede=20"),
        ("10.8.0.1 tcp", "-", "axfr elsewhere.test", "NOTAUTH header=9 ede=20"),
        ("10.8.0.1 tcp", "-", "axfr broken.example", "SERVFAIL header=2 ede=24"),
        ("10.8.0.1", "-", "axfr example", "FORMERR header=1 ede=0"),
        ("10.8.0.1 tcp", "-", "ixfr example", "FORMERR header=1 ede=0"),
        ("10.8.0.1", "-", "ixfr example 6", "NOERROR header=0"),
        ("10.0.0.7", "-", "ixfr example 6", "REFUSED header=5 ede=18"),
    ]);
}

/// Seconds between two messages of a transfer: after a few the fudge of the first is over.
const PACE_SECONDS: u64 = 100;

/// When the message after so many others is taken.
fn later(now: Now, taken: usize) -> Now {
    let micros = (taken as u64 + 1) * PACE_SECONDS * 1_000_000;
    Now { wall_micros: now.wall_micros + micros as i64, monotonic_micros: now.monotonic_micros + micros }
}

/// All records of a transfer, each message checked against the chain.
fn transferred(mut got: Got) -> Vec<Record> {
    let mut messages = vec![got.reply.clone()];
    if let Some(request) = &mut got.request {
        for (index, message) in got.more.iter().enumerate() {
            let seconds = START_SECONDS + PACE_SECONDS * (index as u64 + 1);
            messages.push(request.check(message, seconds).expect("chained, and signed at its own time"));
        }
        request.finish().unwrap();
    } else {
        messages.extend(got.more.iter().cloned());
    }
    let octets: usize = got.reply.len() + got.more.iter().map(Vec::len).sum::<usize>();
    let records: Vec<Record> = messages.iter().flat_map(|message| Message::read(message).unwrap().answer).collect();
    let summary = format!("{} records, {} messages, {octets} octets", records.len(), messages.len());
    assert_eq!(got.event.answer.as_deref(), Some(summary.as_str()));
    assert_eq!(usize::from(got.event.answer_count), records.len());
    records
}

#[test]
fn a_zone_travels_in_many_messages_each_signed() {
    let mut world = world(false);
    let origin = name("example");
    let many = (0..2_000).map(|at| format!("; h{at} TXT \"{at:050}\"")).collect::<String>();
    world.zones[0].set(zone_state(&origin, &format!("www A 192.0.2.1{many}")));
    for (from, signature) in [("10.0.0.7 tcp", "mirror"), ("10.8.0.1 tcp", "-")] {
        let got = world.operate(from, message("edns axfr example"), signed(signature));
        assert!(got.more.len() > 5);
        let records = transferred(got);
        assert_eq!(records.len(), 2_000 + 5);
        assert_eq!((records[0].rtype, &records[0]), (kind::SOA, records.last().unwrap()));
    }
}

#[test]
fn changes_travel_from_the_serial_the_client_has() {
    let mut world = world(false);
    for address in ["192.0.2.5", "192.0.2.6"] {
        let got = world.operate("10.0.0.7", message(&format!("update example; add new A {address}")), signed("tool"));
        assert_eq!(told(&got), "NOERROR header=0 tsig=0 ok");
    }
    let types =
        |records: Vec<Record>| records.iter().map(|record| kind::type_name(record.rtype)).collect::<Vec<_>>().join(" ");
    for (text, expected) in [
        ("ixfr example 7", "SOA SOA SOA A SOA SOA A SOA"),
        ("ixfr example 8", "SOA SOA SOA A SOA"),
        ("ixfr example 9", "SOA"),
        ("ixfr example 10", "SOA"),
    ] {
        let got = world.operate("10.0.0.7 tcp", message(text), signed("mirror"));
        assert_eq!(types(transferred(got)), expected, "{text}");
        let got = world.operate("10.0.0.7", message(text), signed("mirror"));
        assert_eq!(types(Message::read(&got.reply).unwrap().answer), expected, "{text} over UDP");
    }
    let got = world.operate("10.0.0.7 tcp", message("ixfr example 3"), signed("mirror"));
    assert_eq!(
        got.event.trace.as_deref(),
        Some("transfer: example whole at serial 9, since changes from 3 are not kept")
    );
    assert!(transferred(got).len() > 8);
    // Over UDP, what does not fit is one SOA.
    let got = world.operate("10.0.0.7", message("ixfr example 3"), signed("mirror"));
    assert_eq!(types(Message::read(&got.reply).unwrap().answer), "SOA");
}

#[test]
fn every_tkey_code_without_making_keys() {
    check(&[
        ("10.0.0.7", "tool", "tkey new 1", "BADMODE header=0 tsig=0 ok tkey=19"),
        ("10.0.0.7", "tool", "tkey new 2", "BADMODE header=0 tsig=0 ok tkey=19"),
        ("10.0.0.7", "tool", "tkey new 3 gss-tsig", "BADMODE header=0 tsig=0 ok tkey=19"),
        ("10.0.0.7", "tool", "tkey new 4", "BADMODE header=0 tsig=0 ok tkey=19"),
        ("10.0.0.7", "tool", "tkey new 77", "BADMODE header=0 tsig=0 ok tkey=19"),
        ("10.0.0.7", "tool", "tkey new 2 hmac-md9", "BADALG header=0 tsig=0 ok tkey=21"),
        ("10.0.0.7", "tool", "tkey new 5", "BADNAME header=0 tsig=0 ok tkey=20"),
        ("10.6.0.1", "-", "edns tkey new 5", "BADNAME header=0 tkey=20"),
        // A key of the configuration is not for deleting, not even by who signs with it.
        ("10.0.0.7", "tool", "tkey mirror 5", "BADNAME header=0 tsig=0 ok tkey=20"),
        ("10.0.0.7", "mirror", "tkey mirror 5", "BADNAME header=0 tsig=0 ok tkey=20"),
        ("10.0.0.7", "mirror", "tkey new 5", "REFUSED header=5 tsig=0 ok ede=18"),
        ("10.0.0.7", "-", "tkey new 1", "REFUSED header=5 ede=18"),
        ("10.6.0.1", "-", "tkey new", "FORMERR header=1 ede=0"),
    ]);
}

/// A request for a key by Diffie-Hellman exchange, and our side of it.
fn wish(text: &str, expiration: u32, their_key: Option<&[u8]>) -> (Vec<u8>, Exchange) {
    let exchange = Exchange::begin(&Group::well_known(2).unwrap(), &[0x77; PRIVATE_LEN]).unwrap();
    let owner = name(text);
    let tkey = Tkey {
        algorithm: name("hmac-sha256"),
        inception: START_SECONDS as u32,
        expiration,
        mode: mode::DIFFIE_HELLMAN,
        error: 0,
        key: b"ours".to_vec(),
        other: Vec::new(),
    };
    let mut builder = Builder::new(ID, 0, ROOM);
    let _ = builder.question(owner.name(), kind::TKEY, 1);
    assert!(builder.record(Section::Additional, &tkey_record(&owner, &tkey)));
    let ours = exchange.public().rdata();
    let rdata = their_key.unwrap_or(&ours);
    if !rdata.is_empty() {
        let key = Record { owner, rtype: KEY, class: 1, ttl: 0, rdata: rdata.into() };
        assert!(builder.record(Section::Additional, &key));
    }
    (builder.finish(), exchange)
}

#[test]
fn a_key_is_agreed_on_used_and_deleted() {
    let mut world = world(true);
    let in_an_hour = START_SECONDS as u32 + 3_600;
    let (bytes, exchange) = wish("made.example", in_an_hour, None);
    let got = world.operate("10.6.0.1", bytes.clone(), Signed::No);
    assert_eq!(told(&got), "NOERROR header=0 tkey=0");
    assert_eq!(got.event.key.as_deref(), Some("made.example"));
    let reply = Message::read(&got.reply).unwrap();
    let tkey = Tkey::read(&reply.answer[0].rdata).unwrap();
    assert_eq!((tkey.inception, tkey.expiration), (START_SECONDS as u32, in_an_hour));
    let theirs = Public::read(&reply.answer[1].rdata).unwrap();
    let secret = exchange.agree(&theirs, b"ours", &tkey.key).unwrap();
    let made = Arc::new(Key::new(name("made.example"), Algorithm::HmacSha256, &secret));

    let got = world.operate("10.0.0.7", message("query www.example"), Signed::With(Arc::clone(&made)));
    assert_eq!(told(&got), "NOERROR header=0 tsig=0 ok");
    // The same name again.
    let got = world.operate("10.6.0.1", bytes, Signed::No);
    assert_eq!(told(&got), "BADNAME header=0 tkey=20");
    // Another may not delete it; wrong data does not either; the key itself may.
    let delete = message("tkey made.example 5");
    let got = world.operate("10.0.0.7", delete.clone(), signed("nobody"));
    assert_eq!(told(&got), "REFUSED header=5 tsig=0 ok ede=18");
    let mut with_data = Builder::new(ID, 0, ROOM);
    let _ = with_data.question(name("made.example").name(), kind::TKEY, 1);
    let wrong = Tkey { mode: mode::DELETE, key: b"no nonce of ours".to_vec(), ..tkey };
    assert!(with_data.record(Section::Additional, &tkey_record(&name("made.example"), &wrong)));
    let got = world.operate("10.6.0.1", with_data.finish(), Signed::No);
    assert_eq!(told(&got), "BADSIG header=0 tkey=16");
    let got = world.operate("10.0.0.7", delete, Signed::With(Arc::clone(&made)));
    assert_eq!(told(&got), "NOERROR header=0 tsig=0 ok tkey=0");
    let got = world.operate("10.0.0.7", message("query www.example"), Signed::With(made));
    assert_eq!(told(&got), "BADKEY header=9 tsig=17 unsigned");
}

#[test]
fn keys_are_not_made_of_anything() {
    let mut world = world(true);
    let (now, later) = (START_SECONDS as u32, START_SECONDS as u32 + 60);
    for (text, expiration, key, expected) in [
        ("tool", later, None, "BADNAME header=0 tkey=20"),
        (".", later, None, "BADNAME header=0 tkey=20"),
        ("a.example", now, None, "BADTIME header=0 tkey=18"),
        ("a.example", now - 1, None, "BADTIME header=0 tkey=18"),
        ("a.example", later, Some(&b""[..]), "FORMERR header=1 ede=0"),
        ("a.example", later, Some(b"\x02\x00\x03\x02\x00\x01\x02\x00\x00\x00\x01\x01"), "BADKEY header=0 tkey=17"),
        ("a.example", later, Some(b"no key"), "BADKEY header=0 tkey=17"),
    ] {
        let got = world.operate("10.6.0.1", wish(text, expiration, key).0, Signed::No);
        assert_eq!(told(&got), expected, "{text} {expiration} {key:?}");
    }
}

#[test]
fn a_made_key_ends() {
    let mut world = world(true);
    let (bytes, exchange) = wish("made.example", START_SECONDS as u32 + 60, None);
    let got = world.operate("10.6.0.1", bytes, Signed::No);
    let reply = Message::read(&got.reply).unwrap();
    let tkey = Tkey::read(&reply.answer[0].rdata).unwrap();
    let theirs = Public::read(&reply.answer[1].rdata).unwrap();
    let secret = exchange.agree(&theirs, b"ours", &tkey.key).unwrap();
    let made = Arc::new(Key::new(name("made.example"), Algorithm::HmacSha256, &secret));
    for (seconds, expected) in [(59, "NOERROR header=0 tsig=0 ok"), (1, "BADKEY header=9 tsig=17 unsigned")] {
        world.micros += seconds * 1_000_000;
        let got = world.operate("10.0.0.7", message("query www.example"), Signed::With(Arc::clone(&made)));
        assert_eq!(told(&got), expected);
    }
}

#[test]
fn an_operation_nobody_takes_up_says_why() {
    let mut world = world(false);
    let source = Source { peer: ([10, 0, 0, 7], 5_000).into(), transport: Transport::Udp };
    let mut reply = Vec::new();
    let bytes = message("edns update example; add new A 192.0.2.5");
    let Outcome::Operate(operating) = world.desk.answer(&bytes, source, world.now(), &mut reply) else { panic!() };
    world.desk.give_up_operation(*operating, "too many", &mut reply);
    world.desk.close(world.now());
    let event = world.events.try_recv().unwrap();
    let got = Got { reply, event, verified: None, request: None, more: Vec::new() };
    assert_eq!(told(&got), "SERVFAIL header=2 ede=0");
}

/// Octets of some operation, some changed.
fn near() -> impl Strategy<Value = Vec<u8>> {
    let texts = [
        "edns update example; need www A; add new A 192.0.2.5; delete old",
        "notify second.example 9",
        "ixfr example 6",
        "axfr example",
        "tkey made.example 2",
        "tkey made.example 5",
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (prop::sample::select(texts.to_vec()), any::<bool>(), changes).prop_map(|(text, signed, changes)| {
        let mut bytes = message(text);
        if signed {
            let _ = Request::sign(&mut bytes, &key("tool"), START_SECONDS);
        }
        for (at, octet) in changes {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever arrives: no panic, one event, and a reply whose code is that of the event.
    #[test]
    fn every_operation_gives_one_event(arrivals in prop::collection::vec(near(), 1..10), tcp in any::<bool>()) {
        let mut world = world(true);
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        let source = Source { peer: ([10, 6, 0, 1], 5_000).into(), transport };
        for bytes in arrivals {
            let (reply, _) = world.walk(&bytes, source);
            let event = world.events.try_recv().unwrap();
            prop_assert!(world.events.try_recv().is_err());
            prop_assert_eq!(reply.is_empty(), bytes[2] & 0x80 != 0);
            if !reply.is_empty() {
                let message = Message::read(&reply).unwrap();
                prop_assert_eq!(event.rcode, Some(message.rcode()));
                let tsig = Tsig::find(&reply).map(|at| Tsig::read(&reply, at).unwrap().error);
                prop_assert_eq!(event.tsig_error, tsig);
            }
        }
    }
}
