use proptest::prelude::*;
use wire::kind;
use wire::message::{Builder, Record, Section};
use wire::tsig::{Algorithm, Request, Tsig};
use wire::view::option;

use super::ground::Ask;
use super::*;

const NOW: u64 = 1_800_000_000;
const ID: u16 = 0x4242;
const CLIENT_COOKIE: [u8; 8] = *b"clientco";

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

fn key() -> Arc<Key> {
    Arc::new(Key::new(name("probe.key"), Algorithm::HmacSha256, b"0123456789012345678901234567890a"))
}

fn case(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).unwrap()
}

/// What a server says, in words: the header's code, then any of `opt=VERSION:UPPER BITS`, `cookie=TEXT`, `tsig=ERROR` (not
/// signed), `signed=ERROR` (signed), `time` (the server's time in Other Data), `tkey=ERROR`, `opcode=NUMBER`.
fn reply(words: &str, ask: &Ask) -> Vec<u8> {
    let mut words = words.split(' ');
    let code = Code::from_name(words.next().unwrap()).unwrap().number();
    let words: Vec<&str> = words.collect();
    let find = |head: &str| words.iter().find_map(|word| word.strip_prefix(head));
    let number = |text: &str| text.parse::<u16>().unwrap();
    let opcode = find("opcode=").map_or(0, number);
    let mut builder = Builder::new(ID, 0x8000 | opcode << 11 | code, 4096);
    let mut add = |rtype, class, ttl, rdata: Vec<u8>| {
        let section = if rtype == kind::TKEY { Section::Answer } else { Section::Additional };
        let owner = Folded::root();
        assert!(builder.record(section, &Record { owner, rtype, class, ttl, rdata: rdata.into() }));
    };
    if let Some(error) = find("tkey=").map(number) {
        let (algorithm, key) = (name("hmac-md5.sig-alg.reg.int"), Vec::new());
        let tkey = wire::tkey::Tkey { algorithm, inception: 0, expiration: 0, mode: 2, error, key, other: Vec::new() };
        add(kind::TKEY, kind::CLASS_ANY, 0, tkey.rdata());
    }
    if let Some((version, upper)) = find("opt=").and_then(|text| text.split_once(':')) {
        let cookie = find("cookie=").map(|text| {
            let data = text.as_bytes();
            [&option::COOKIE.to_be_bytes(), &(data.len() as u16).to_be_bytes(), data].concat()
        });
        let ttl = u32::from(number(upper)) << 24 | u32::from(number(version)) << 16;
        add(kind::OPT, 1232, ttl, cookie.unwrap_or_default());
    }
    let mut bytes = builder.finish();
    if let Some(error) = find("tsig=").map(number) {
        let (key_name, algorithm) = (key().name.clone(), name("hmac-sha256"));
        let (mac, other) = (Vec::new(), Vec::new());
        Tsig { key_name, algorithm, time_signed: NOW, fudge: 300, mac, original_id: ID, error, other }
            .append(&mut bytes);
    }
    if let Some(text) = find("signed=") {
        let keys = Known(key(), number(text), words.contains(&"time"));
        keys.answer(ask, &mut bytes);
    }
    bytes
}

/// A server's side of TSIG: its key, the error it says, and whether it tells its time.
struct Known(Arc<Key>, u16, bool);

impl wire::tsig::Keys for Known {
    fn find(&self, name: &Folded, algorithm: Algorithm) -> Option<Arc<Key>> {
        let Known(key, ..) = self;
        (key.name == *name && key.algorithm == algorithm).then(|| Arc::clone(key))
    }
}

impl Known {
    /// Signs as the server's own code would for this error. BADTIME is what its clock a day ahead makes of a good request.
    fn answer(&self, ask: &Ask, reply: &mut Vec<u8>) {
        let at = Tsig::find(&ask.bytes).unwrap();
        let server_seconds = if self.1 == Code::BADTIME.number() { NOW + 86_400 } else { NOW };
        match wire::tsig::check(&ask.bytes, at, self, server_seconds) {
            wire::tsig::Checked::Good { mut signer, .. } => signer.sign(reply, NOW),
            wire::tsig::Checked::Bad(refusal) => refusal.append(reply, server_seconds),
            wire::tsig::Checked::Malformed { at } => panic!("the request is malformed at octet {at}"),
        }
        if self.1 == Code::BADTIME.number() && !self.2 {
            // The signature no longer holds, but the server's time is missing as well.
            let at = Tsig::find(reply).unwrap();
            let mut tsig = Tsig::read(reply, at).unwrap();
            reply.truncate(at);
            reply[11] -= 1;
            tsig.other.clear();
            tsig.append(reply);
        }
    }
}

fn ask(is_signed: bool, has_opt: bool) -> Ask {
    let mut bytes = Builder::new(ID, 0, 512).finish();
    let request = is_signed.then(|| (Request::sign(&mut bytes, &key(), NOW), NOW));
    Ask { bytes, request, has_opt, client_cookie: Some(CLIENT_COOKIE), time_signed: is_signed.then_some(NOW) }
}

/// What each probe makes of replies: the probe, what its request has, the reply, the verdict, a part of the note.
#[test]
fn replies_are_held_against_the_rfc() {
    for (probe, request, words, verdict, note) in [
        ("query", "", "NOERROR", Verdict::Right, ""),
        ("query", "", "REFUSED", Verdict::NotOffered, "does not look up"),
        ("query", "", "NOERROR opt=0:0", Verdict::Wrong, "RFC 6891 §7"),
        ("query", "", "NOERROR opcode=5", Verdict::Wrong, "opcode is 5"),
        ("query", "", "YXDOMAIN", Verdict::Wrong, "wants NOERROR, seen YXDOMAIN"),
        ("signed-query", "signed", "NOERROR", Verdict::Wrong, "must be signed"),
        ("signed-query", "signed", "NOERROR signed=0", Verdict::Right, ""),
        ("edns-version", "opt", "NOERROR opt=0:1", Verdict::Right, ""),
        ("edns-version", "opt", "NOERROR opt=1:1", Verdict::Wrong, "version 0"),
        ("edns-version", "opt", "FORMERR", Verdict::NotOffered, "no EDNS"),
        ("wrong-cookie", "opt", "YXRRSET opt=0:1 cookie=clientcoserverco", Verdict::Right, ""),
        ("wrong-cookie", "opt", "YXRRSET opt=0:1 cookie=strangerserverco", Verdict::Wrong, "not ours"),
        ("wrong-cookie", "opt", "YXRRSET opt=0:1 cookie=clientco", Verdict::Wrong, "not ours"),
        ("wrong-cookie", "opt", "YXRRSET opt=0:1", Verdict::Wrong, "fresh cookie"),
        ("wrong-cookie", "opt", "NOERROR opt=0:0", Verdict::NotOffered, "does not require"),
        ("rrset-exists", "signed", "YXRRSET signed=0", Verdict::Right, ""),
        ("wrong-mac", "signed", "NOTAUTH tsig=16", Verdict::Right, ""),
        ("wrong-mac", "signed", "REFUSED tsig=16", Verdict::Wrong, "header must say NOTAUTH"),
        ("wrong-mac", "signed", "NOTAUTH", Verdict::Wrong, "wants BADSIG, seen NOTAUTH"),
        ("unknown-key", "", "NOTAUTH tsig=17", Verdict::Right, ""),
        ("unknown-key", "", "NOERROR", Verdict::NotOffered, "takes no notice"),
        ("slow-clock", "signed", "NOTAUTH signed=18 time", Verdict::Right, ""),
        ("slow-clock", "signed", "NOTAUTH signed=18", Verdict::Wrong, "signature does not fit"),
        ("slow-clock", "signed", "NOTAUTH tsig=18", Verdict::Wrong, "must be signed"),
        ("tkey-mode", "", "NOERROR tkey=19", Verdict::Right, ""),
        ("tkey-mode", "", "NOTAUTH tkey=19", Verdict::Wrong, "header must say NOERROR"),
        ("tkey-mode", "", "REFUSED", Verdict::NotOffered, "TKEY"),
        ("dso-unknown-type", "", "NOTIMP", Verdict::NotOffered, "stateful operations"),
        ("failing-name", "", "NOERROR", Verdict::Permitted, "not provoked"),
        ("unsigned-transfer", "", "NOERROR", Verdict::Permitted, "everyone"),
    ] {
        let case = case(probe);
        let ask = ask(request == "signed", request == "opt");
        let reply = reply(words, &ask);
        let (_, found, told) = judge::judge(case, case.aim.unwrap(), ask, &reply);
        assert_eq!(found, verdict, "{probe}: {words}: {told}");
        assert!(told.contains(note), "{probe}: {words}: {told}");
    }
}

#[test]
fn sixteen_and_twenty_three_are_told_apart_by_place() {
    for (words, code) in [
        ("NOERROR opt=0:1", Code::BADVERS),
        ("NOTAUTH tsig=16", Code::BADSIG),
        ("NOERROR tkey=16", Code::BADSIG),
        ("YXRRSET", Code::YXRRSET),
        ("YXRRSET opt=0:1", Code::BADCOOKIE),
        ("NOERROR tkey=0", Code::NOERROR),
    ] {
        let seen = Seen::read(&reply(words, &ask(false, true)), None).unwrap();
        assert_eq!(seen.code(), code, "{words}");
    }
}

#[test]
fn every_code_is_aimed_at_and_probes_are_in_the_order_of_the_codes() {
    let place = |code| wire::code::CODES.iter().position(|info| info.code == code);
    let aims: Vec<_> = CASES.iter().filter_map(|case| case.aim).map(place).collect();
    assert!(aims.is_sorted(), "{aims:?}");
    for info in wire::code::CODES {
        assert!(CASES.iter().any(|case| case.aim == Some(info.code)), "{}", info.name);
    }
    let names: std::collections::BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), CASES.len(), "a name is one probe's");
}

proptest! {
    #[test]
    fn whatever_comes_back_is_judged(mut reply in proptest::collection::vec(any::<u8>(), 0..300), index in 0..CASES.len()) {
        if let [first, second, ..] = &mut reply[..] {
            [*first, *second] = ID.to_be_bytes();
        }
        let case = &CASES[index];
        if let Some(aim) = case.aim {
            judge::judge(case, aim, ask(true, true), &reply);
        }
    }
}
