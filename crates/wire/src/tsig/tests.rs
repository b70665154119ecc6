use proptest::prelude::*;

use super::*;
use crate::testing::build;

/// Seconds since the epoch at which everything happens.
const NOW: u64 = 1_700_000_000;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

fn key(algorithm: Algorithm) -> Key {
    Key::new(name("key.example"), algorithm, SECRET)
}

/// One key or none.
struct Ring(Option<Key>);

impl Keys for Ring {
    fn find(&self, name: &Folded, algorithm: Algorithm) -> Option<Arc<Key>> {
        self.0.clone().filter(|key| key.name == *name && key.algorithm == algorithm).map(Arc::new)
    }
}

fn query() -> Vec<u8> {
    build("flags rd; q www.Example A; opt 1232")
}

fn reply() -> Vec<u8> {
    build("flags qr rd ra; q www.Example A; an @12 300 A 192.0.2.1; opt 1232")
}

/// Checks with the record where it is.
fn checked(message: &[u8], key: Key, now_seconds: u64) -> Checked {
    check(message, Tsig::find(message).unwrap(), &Ring(Some(key)), now_seconds)
}

fn signed(mut message: Vec<u8>, key: &Key) -> (Vec<u8>, Request) {
    let request = Request::sign(&mut message, &Arc::new(key.clone()), NOW);
    (message, request)
}

/// What `check` makes of a message, in a word.
fn verdict(checked: &Checked) -> String {
    match checked {
        Checked::Good { .. } => "good".to_owned(),
        Checked::Bad(refusal) => Code::with_number(refusal.error).last().unwrap().name().into_owned(),
        Checked::Malformed { .. } => "FORMERR".to_owned(),
    }
}

/// Takes the record off, changes it, puts it back: its MAC stays as it was.
fn with_record(message: &[u8], change: impl FnOnce(&mut Tsig)) -> Vec<u8> {
    let at = Tsig::find(message).unwrap();
    let mut tsig = Tsig::read(message, at).unwrap();
    let mut changed = message[..at].to_vec();
    let count = u16_at(&changed, 10).unwrap() - 1;
    patch(&mut changed, 10, &count.to_be_bytes());
    change(&mut tsig);
    tsig.append(&mut changed);
    changed
}

#[test]
fn algorithms_have_names_that_are_read_back() {
    for &algorithm in Algorithm::ALL {
        assert_eq!(algorithm.domain_name().text(), algorithm.name());
        assert_eq!(Algorithm::from_domain_name(&algorithm.domain_name()), Some(algorithm));
        for text in [algorithm.name().to_uppercase(), format!("{algorithm}.")] {
            assert_eq!(Algorithm::from_name(&text), Some(algorithm));
        }
        assert!(algorithm.mac_len_floor() <= algorithm.mac_len() && algorithm.mac_len() <= hash::MAC_LEN_MAX);
    }
    for wrong in ["", ".", "hmac-md5.sig-alg.reg.int", "hmac-sha256..", "sha256", "hmac-sha256-64"] {
        assert_eq!(Algorithm::from_name(wrong), None, "{wrong}");
    }
    for wrong in [".", "hmac-sha1.example", "hmac-sha", "sig-alg.reg.int"] {
        assert_eq!(Algorithm::from_domain_name(&name(wrong)), None, "{wrong}");
    }
}

#[test]
fn a_signed_request_is_given_back_as_it_was() {
    for &algorithm in Algorithm::ALL {
        let (message, _) = signed(query(), &key(algorithm));
        let Checked::Good { message, signer } = checked(&message, key(algorithm), NOW) else { panic!("{algorithm}") };
        assert_eq!(message, query(), "{algorithm}");
        assert_eq!(signer.key().algorithm, algorithm);
    }
}

#[test]
fn a_forwarded_id_does_not_spoil_the_signature() {
    let (mut message, _) = signed(query(), &key(Algorithm::HmacSha256));
    patch(&mut message, 0, &[0xab, 0xcd]);
    let Checked::Good { message, .. } = checked(&message, key(Algorithm::HmacSha256), NOW) else { panic!() };
    assert_eq!(message, query());
}

#[test]
fn failures_in_the_order_key_mac_time_truncation() {
    let ours = || key(Algorithm::HmacSha256);
    let short = |len| Key { mac_len: len, ..ours() };
    let far = NOW + 301;
    let other_secret = || Key::new(name("key.example"), Algorithm::HmacSha256, b"another");
    let other_name = || Key::new(name("other.example"), Algorithm::HmacSha256, SECRET);
    let cases: Vec<(&str, Key, Key, u64, &str)> = vec![
        ("all is well", ours(), ours(), NOW, "good"),
        ("name of the key in any case", Key { name: name("KEY.example"), ..ours() }, ours(), NOW, "good"),
        ("at the edge of the fudge", ours(), ours(), NOW + 300, "good"),
        ("at the other edge", ours(), ours(), NOW - 300, "good"),
        ("no such key", other_name(), ours(), NOW, "BADKEY"),
        ("the key has another algorithm", key(Algorithm::HmacSha1), ours(), NOW, "BADKEY"),
        ("the secret differs", other_secret(), ours(), NOW, "BADSIG"),
        ("too late", ours(), ours(), far, "BADTIME"),
        ("too early", ours(), ours(), NOW - 301, "BADTIME"),
        ("long before the epoch was thought of", ours(), ours(), 0, "BADTIME"),
        ("at the end of time", ours(), ours(), u64::MAX, "BADTIME"),
        ("a cut MAC where the policy wants all of it", short(16), ours(), NOW, "BADTRUNC"),
        ("a cut MAC the policy allows", short(16), Key { mac_len_min: 16, ..ours() }, NOW, "good"),
        ("shorter than the policy allows", short(19), Key { mac_len_min: 20, ..ours() }, NOW, "BADTRUNC"),
        ("a policy below the floor counts as the floor", short(16), Key { mac_len_min: 0, ..ours() }, NOW, "good"),
        // Two things wrong: the earlier check tells.
        ("no such key, and too late", other_name(), ours(), far, "BADKEY"),
        ("no such key, and cut", Key { mac_len: 16, ..other_name() }, ours(), NOW, "BADKEY"),
        ("wrong secret, and too late", other_secret(), ours(), far, "BADSIG"),
        ("wrong secret, and cut", Key { mac_len: 16, ..other_secret() }, ours(), NOW, "BADSIG"),
        ("too late, and cut", short(16), ours(), far, "BADTIME"),
    ];
    for (case, theirs, ours, now_seconds, expected) in cases {
        let (message, _) = signed(query(), &theirs);
        assert_eq!(verdict(&checked(&message, ours, now_seconds)), expected, "{case}");
    }
}

#[test]
fn lengths_no_mac_can_have_are_malformed_once_the_key_is_known() {
    for &algorithm in Algorithm::ALL {
        let (message, _) = signed(query(), &key(algorithm));
        let cut = |len: usize| with_record(&message, |tsig| tsig.mac.resize(len, 0));
        let judge = |len| verdict(&checked(&cut(len), Key { mac_len_min: 0, ..key(algorithm) }, NOW));
        let (floor, full) = (algorithm.mac_len_floor(), algorithm.mac_len());
        for wrong in [0, 1, 9, floor - 1, full + 1, full + 64, 4_000] {
            assert_eq!(judge(wrong), "FORMERR", "{algorithm} {wrong}");
        }
        for right in floor..=full {
            assert_eq!(judge(right), "good", "{algorithm} {right}");
        }
        assert_eq!(verdict(&check(&cut(1), Tsig::find(&cut(1)).unwrap(), &Ring(None), NOW)), "BADKEY");
    }
}

#[test]
fn records_that_break_their_own_form_are_malformed() {
    let (message, _) = signed(query(), &key(Algorithm::HmacSha256));
    let at = Tsig::find(&message).unwrap();
    let fixed = at + name("key.example").wire().len();
    let algorithm_end = fixed + 10 + name("hmac-sha256").wire().len();
    let changed = |place: usize, octets: &[u8]| {
        let mut changed = message.clone();
        patch(&mut changed, place, octets);
        changed
    };
    for (case, message) in [
        ("another type", changed(fixed, &[0, 249])),
        ("class IN", changed(fixed + 2, &[0, 1])),
        ("a TTL", changed(fixed + 4, &[0, 0, 0, 1])),
        ("RDLENGTH too large", changed(fixed + 8, &[0, 200])),
        ("RDLENGTH too small", changed(fixed + 8, &[0, 20])),
        ("MAC Size beyond the record", changed(algorithm_end + 8, &[0, 200])),
        ("MAC Size that leaves octets over", changed(algorithm_end + 8, &[0, 31])),
        ("Other Len beyond the record", changed(algorithm_end + 10 + 32 + 4, &[0, 1])),
        ("octets behind the record", [&message[..], &[0]].concat()),
        ("cut short", message[..message.len() - 1].to_vec()),
    ] {
        assert!(
            matches!(check(&message, at, &Ring(Some(key(Algorithm::HmacSha256))), NOW), Checked::Malformed { .. }),
            "{case}"
        );
    }
}

#[test]
fn refusals_travel_as_the_rfc_wants() {
    let theirs = key(Algorithm::HmacSha256);
    let show = |ours: Key, now_seconds: u64| {
        let (message, mut request) = signed(query(), &theirs);
        let Checked::Bad(refusal) = checked(&message, ours, now_seconds) else { panic!() };
        let mut reply = build("flags qr rcode=9; q www.Example A");
        let before = reply.len();
        refusal.append(&mut reply, now_seconds);
        assert_eq!(reply.len() - before, refusal.len());
        let tsig = Tsig::read(&reply, Tsig::find(&reply).unwrap()).unwrap();
        assert_eq!((tsig.key_name.text(), tsig.algorithm.text()), ("key.example".into(), "hmac-sha256".into()));
        // Whatever the server's clock says, the client knows its own time.
        let told = request.check(&reply, NOW).unwrap_err();
        assert_eq!(told, ReplyFault::Told(tsig.error));
        (tsig.error, tsig.mac.len(), tsig.time_signed, tsig.other, refusal.reason())
    };
    let short = || Key { mac_len_min: 32, ..key(Algorithm::HmacSha256) };
    assert_eq!(
        show(Key::new(name("other"), Algorithm::HmacSha256, SECRET), NOW + 5),
        (17, 0, NOW, vec![], "no key \"key.example\" for hmac-sha256 here".to_owned())
    );
    let (error, mac_len, time_signed, other, reason) =
        show(Key::new(name("key.example"), Algorithm::HmacSha256, b"x"), NOW + 5);
    assert_eq!((error, mac_len, time_signed, other), (16, 0, NOW, vec![]));
    assert!(reason.starts_with("key \"key.example\" (hmac-sha256): the signature does not fit"), "{reason}");
    assert_eq!(
        show(short(), NOW + 1_000),
        (
            18,
            32,
            NOW,
            (NOW + 1_000).to_be_bytes()[2..].to_vec(),
            "key \"key.example\": signed 1000 s behind our clock, 300 s allowed".to_owned()
        )
    );
    assert!(show(short(), NOW - 1_000).4.contains("1000 s ahead of our clock"));
    let (message, mut request) = signed(query(), &Key { mac_len: 20, ..theirs.clone() });
    let Checked::Bad(refusal) = checked(&message, short(), NOW) else { panic!() };
    assert_eq!(refusal.reason(), "key \"key.example\" (hmac-sha256): MAC of 20 octets, at least 32 wanted");
    let mut reply = reply();
    refusal.append(&mut reply, NOW + 7);
    let tsig = Tsig::read(&reply, Tsig::find(&reply).unwrap()).unwrap();
    assert_eq!((tsig.error, tsig.mac.len(), tsig.time_signed, tsig.other.len()), (22, 32, NOW + 7, 0));
    assert_eq!(request.check(&reply, NOW), Err(ReplyFault::Told(22)));
}

#[test]
fn an_unknown_algorithm_is_echoed_as_it_was_named() {
    let (message, _) = signed(query(), &key(Algorithm::HmacSha256));
    let message = with_record(&message, |tsig| tsig.algorithm = name("HMAC-MD5.SIG-ALG.REG.INT"));
    let Checked::Bad(refusal) = checked(&message, key(Algorithm::HmacSha256), NOW) else { panic!() };
    assert_eq!(refusal.error, 17);
    assert!(refusal.key().is_none());
    let mut reply = reply();
    refusal.append(&mut reply, NOW);
    let tsig = Tsig::read(&reply, Tsig::find(&reply).unwrap()).unwrap();
    assert_eq!(tsig.algorithm, name("hmac-md5.sig-alg.reg.int"));
}

/// A server that answers one request of ours, and our side.
fn session(key: &Key) -> (Signer, Request) {
    let (message, request) = signed(query(), key);
    let Checked::Good { signer, .. } = checked(&message, key.clone(), NOW) else { panic!() };
    (signer, request)
}

#[test]
fn replies_are_chained() {
    for &algorithm in Algorithm::ALL {
        let (mut signer, mut request) = session(&key(algorithm));
        for turn in 0..4 {
            let mut message = reply();
            signer.sign(&mut message, NOW + turn);
            assert_eq!(message.len(), reply().len() + signer.len());
            assert_eq!(request.check(&message, NOW), Ok(reply()), "{algorithm} {turn}");
            // The same message again is another place in the chain.
            assert_eq!(request.check(&message, NOW), Err(ReplyFault::BadSig));
            assert_eq!(request.finish(), Ok(()));
        }
    }
}

#[test]
fn between_signed_replies_up_to_99_may_be_unsigned() {
    for (unsigned, expected) in [(0, Ok(())), (1, Ok(())), (99, Ok(())), (100, Err(ReplyFault::Unsigned))] {
        let key = key(Algorithm::HmacSha256);
        let (mut signer, mut request) = session(&key);
        let mut first = reply();
        signer.sign(&mut first, NOW);
        request.check(&first, NOW).unwrap();
        let mut hasher = key.begin(Some(&signer.before));
        let mut outcome = Ok(());
        for turn in 0..unsigned {
            hasher.update(&reply());
            if let Err(fault) = request.check(&reply(), NOW) {
                outcome = Err(fault);
                assert_eq!(turn, 99);
            } else {
                assert_eq!(request.finish(), Err(ReplyFault::Unsigned), "the last must be signed");
            }
        }
        assert_eq!(outcome, expected, "{unsigned}");
        let mut last = reply();
        let record = key.record(&last, NOW);
        key.append(record, hasher, Covered::Timers, &mut last);
        assert_eq!(request.check(&last, NOW).map(|_| ()), expected.map_err(|_| ReplyFault::BadSig), "{unsigned}");
    }
}

#[test]
fn an_unsigned_message_changed_on_its_way_spoils_the_next_signature() {
    let key = key(Algorithm::HmacSha256);
    let (mut signer, mut request) = session(&key);
    let mut first = reply();
    signer.sign(&mut first, NOW);
    request.check(&first, NOW).unwrap();
    let mut hasher = key.begin(Some(&signer.before));
    hasher.update(&reply());
    let mut forged = reply();
    *forged.last_mut().unwrap() ^= 1;
    request.check(&forged, NOW).unwrap();
    let mut last = reply();
    let record = key.record(&last, NOW);
    key.append(record, hasher, Covered::Timers, &mut last);
    assert_eq!(request.check(&last, NOW), Err(ReplyFault::BadSig));
}

#[test]
fn replies_not_to_be_believed() {
    let ours = || key(Algorithm::HmacSha256);
    let sign = |key: Key, now_seconds: u64, change: fn(&mut Tsig)| {
        let (mut signer, request) = session(&ours());
        signer.key = Arc::new(key);
        let mut message = reply();
        signer.sign(&mut message, now_seconds);
        (with_record(&message, change), request)
    };
    let keep: fn(&mut Tsig) = |_| {};
    for (case, (message, mut request), expected) in [
        ("not signed", (reply(), session(&ours()).1), ReplyFault::Unsigned),
        ("another key", sign(Key { name: name("other"), ..ours() }, NOW, keep), ReplyFault::OtherKey),
        ("another algorithm", sign(key(Algorithm::HmacSha512), NOW, keep), ReplyFault::OtherKey),
        (
            "another secret",
            sign(Key::new(name("key.example"), Algorithm::HmacSha256, b"x"), NOW, keep),
            ReplyFault::BadSig,
        ),
        ("late", sign(ours(), NOW + 301, keep), ReplyFault::BadTime),
        ("early", sign(ours(), NOW - 301, keep), ReplyFault::BadTime),
        ("cut", sign(Key { mac_len: 16, ..ours() }, NOW, keep), ReplyFault::BadTrunc),
        ("cut to nothing", sign(ours(), NOW, |tsig| tsig.mac.clear()), ReplyFault::Malformed),
        ("cut below the floor", sign(ours(), NOW, |tsig| tsig.mac.truncate(15)), ReplyFault::Malformed),
        ("a MAC too long", sign(ours(), NOW, |tsig| tsig.mac.push(0)), ReplyFault::Malformed),
        (
            "BADTIME with no signature",
            sign(ours(), NOW, |tsig| (tsig.mac.clear(), tsig.error = 18).1),
            ReplyFault::Malformed,
        ),
        ("an error put in by someone", sign(ours(), NOW, |tsig| tsig.error = 18), ReplyFault::BadSig),
        (
            "BADSIG, which nobody signs",
            sign(ours(), NOW, |tsig| (tsig.mac.clear(), tsig.error = 16).1),
            ReplyFault::Told(16),
        ),
    ] {
        assert_eq!(request.check(&message, NOW), Err(expected), "{case}");
    }
}

#[test]
fn keys_keep_their_secret_and_their_limits() {
    let ours = key(Algorithm::HmacSha256);
    let shown = format!("{ours:?} {:?} {:?}", session(&ours).0, session(&ours).1);
    assert!(!shown.contains("secret") && !shown.contains("48, 49"), "{shown}");
    let make = |secret: &[u8], mac_len, mac_len_min| {
        Key::checked(name("k"), Algorithm::HmacSha1, secret, mac_len, mac_len_min).map(|_| ())
    };
    let wrong = |len| Err(KeyFault::MacLen { len, algorithm: Algorithm::HmacSha1 });
    assert_eq!(make(SECRET, 20, 10), Ok(()));
    assert_eq!(make(&[0; SECRET_LEN_MAX], 10, 20), Ok(()));
    assert_eq!(make(b"", 20, 20), Err(KeyFault::NoSecret));
    assert_eq!(make(&[0; SECRET_LEN_MAX + 1], 20, 20), Err(KeyFault::LongSecret { len: SECRET_LEN_MAX + 1 }));
    assert_eq!(make(SECRET, 21, 20), wrong(21));
    assert_eq!(make(SECRET, 20, 9), wrong(9));
    assert_eq!(wrong(9).unwrap_err().to_string(), "a MAC of 9 octets is not possible: hmac-sha1 allows 10 to 20");
}

#[test]
fn names_in_the_record_may_be_compressed() {
    let ours = Key::new(name("www.example"), Algorithm::HmacSha256, SECRET);
    let (message, _) = signed(query(), &ours);
    let at = Tsig::find(&message).unwrap();
    // `www.example` is the name asked for.
    let packed = [&message[..at], &[0xc0, 12], &message[at + 13..]].concat();
    assert_eq!(Tsig::find(&packed), Some(at));
    assert_eq!(verdict(&checked(&packed, ours, NOW)), "good");
}

#[test]
fn only_the_last_record_counts() {
    let (message, _) = signed(query(), &key(Algorithm::HmacSha256));
    assert!(Tsig::find(&message).is_some());
    assert_eq!(Tsig::find(&query()), None);
    assert_eq!(Tsig::find(&build("q a A")), None);
    assert_eq!(Tsig::find(&[&message[..], &[0]].concat()), None, "octets behind");
    let mut more = [&message[..], &build("opt 1232")[12..]].concat();
    patch(&mut more, 10, &3u16.to_be_bytes());
    assert_eq!(Tsig::find(&more), None, "not the last");
    // Counts that promise four times 65,535 records.
    assert_eq!(Tsig::find(&build("q a A; count qd=65535 an=65535 ns=65535 ar=65535")), None);
}

#[test]
fn every_flipped_bit_is_seen() {
    for &algorithm in Algorithm::ALL {
        let floor = algorithm.mac_len_floor();
        let key = Key { mac_len: floor, mac_len_min: floor, ..key(algorithm) };
        let (message, _) = signed(query(), &key);
        let tsig_at = Tsig::find(&message).unwrap();
        for (place, bit) in (0..message.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut flipped = message.clone();
            flipped[place] ^= 1 << bit;
            if let Checked::Good { message, .. } = check(&flipped, tsig_at, &Ring(Some(key.clone())), NOW) {
                // The ID is not covered, the original one is; names of the record are compared in lower case.
                let other_case = place >= tsig_at && bit == 5 && flipped[place].is_ascii_uppercase();
                assert!(place < 2 || other_case, "{algorithm}: octet {place} bit {bit}");
                assert_eq!(message, query());
            }
        }
    }
}

fn any_algorithm() -> impl Strategy<Value = Algorithm> {
    proptest::sample::select(Algorithm::ALL)
}

proptest! {
    #[test]
    fn what_is_signed_checks(
        algorithm in any_algorithm(),
        secret in proptest::collection::vec(any::<u8>(), 1..200),
        body in proptest::collection::vec(any::<u8>(), 0..64),
        cut in 0usize..64,
        now_seconds in 0u64..1 << 47,
    ) {
        let mac_len = algorithm.mac_len().saturating_sub(cut).max(algorithm.mac_len_floor());
        let key = Key::checked(name("key.example"), algorithm, &secret, mac_len, mac_len).unwrap();
        let mut message = build("q www.example TXT; ar . 0 NULL \\# 00");
        message.truncate(message.len() - 3);
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(&body);
        let plain = message.clone();
        let mut request = Request::sign(&mut message, &Arc::new(key.clone()), now_seconds);
        let Checked::Good { message, mut signer } = checked(&message, key, now_seconds) else { panic!() };
        prop_assert_eq!(&message, &plain);
        for _ in 0..3 {
            let mut reply = plain.clone();
            signer.sign(&mut reply, now_seconds);
            prop_assert_eq!(request.check(&reply, now_seconds).unwrap(), &plain[..]);
        }
    }

    #[test]
    fn records_are_read_back(
        time_signed in 0u64..1 << 48,
        (fudge, original_id, error) in any::<(u16, u16, u16)>(),
        mac in proptest::collection::vec(any::<u8>(), 0..100),
        other in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let (key_name, algorithm) = (name("key.example"), name("any.algorithm"));
        let tsig = Tsig { key_name, algorithm, time_signed, fudge, mac, original_id, error, other };
        let mut message = reply();
        let at = message.len();
        tsig.append(&mut message);
        prop_assert_eq!(message.len() - at, tsig.len());
        prop_assert_eq!(Tsig::find(&message), Some(at));
        prop_assert_eq!(Tsig::read(&message, at), Ok(tsig));
    }

    #[test]
    fn strangers_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..400) {
        let ring = Ring(Some(key(Algorithm::HmacSha1)));
        let _ = Tsig::find(&bytes);
        let _ = Tsig::read(&bytes, at);
        let _ = check(&bytes, at, &ring, NOW);
        let _ = session(&key(Algorithm::HmacSha1)).1.check(&bytes, NOW);
        let mut message = bytes.clone();
        let _ = Request::sign(&mut message, &Arc::new(key(Algorithm::HmacSha1)), NOW);
        // Behind a message that is one, so that most of it is looked at.
        let message = [&query()[..], &bytes].concat();
        let _ = check(&message, query().len(), &ring, NOW);
    }
}
