use std::fmt::Write;

use proptest::prelude::*;

use super::*;

const PEER: Source = Source {
    peer: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5_000),
    transport: Transport::Tcp,
};
const SECOND: u64 = 1_000_000;

fn at(micros: u64) -> Now {
    Now { wall_micros: 0, monotonic_micros: micros }
}

/// A DSO message of words: `7` a request with that ID, `response 7`, `counts 7`; then TLVs as `type:hex`, or `raw:hex`.
fn message(text: &str) -> Vec<u8> {
    let mut words = text.split_whitespace().peekable();
    let response = words.next_if_eq(&"response").is_some();
    let counts = words.next_if_eq(&"counts").is_some();
    let id: u16 = words.next().unwrap().parse().unwrap();
    let flags = 6 << 11 | u16::from(response) << 15;
    let mut bytes = [id, flags, 0, 0, 0, u16::from(counts)].map(u16::to_be_bytes).concat();
    for word in words {
        let (kind, hex) = word.split_once(':').unwrap();
        let data: Vec<u8> =
            (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
        if kind != "raw" {
            bytes.extend(kind.parse::<u16>().unwrap().to_be_bytes());
            bytes.extend((data.len() as u16).to_be_bytes());
        }
        bytes.extend(data);
    }
    bytes
}

/// What a message gets, in words, and that the event says the same.
fn hear(session: &mut Session, text: &str, source: Source, now: Now) -> String {
    let mut out = vec![1];
    let event = session.hear(&message(text), source, now, &mut out);
    assert_eq!(event.opcode, 6);
    assert_eq!(usize::from(event.reply_size), out.len());
    assert!(event.trace.unwrap().starts_with("session: "), "{text}");
    let Some(rcode) = event.rcode else {
        assert!(out.is_empty() && event.outcome == Got::Dropped, "{text}");
        return "abort".to_owned();
    };
    let dso = Dso::read(&out).unwrap();
    assert!(dso.is_response && u16::from(dso.rcode) == rcode, "{text}");
    let mut said = format!("{} {}", dso.id, Code::derive(Some(rcode), None, None).unwrap());
    for Tlv { kind, data } in dso.tlvs {
        match <[u8; 8]>::try_from(data) {
            Ok(octets) if kind == tlv::KEEPALIVE => {
                let number = u64::from_be_bytes(octets);
                write!(said, " keepalive={}/{}", number >> 32, number & 0xffff_ffff).unwrap();
            }
            _ => write!(said, " {kind}:{}", data.len()).unwrap(),
        }
    }
    said
}

fn check(established: bool, text: &str, expected: &str) {
    let mut session = Session::new(SessionSettings::default(), at(0));
    if established {
        hear(&mut session, "1 1:0000000000000000", PEER, at(0));
        assert!(session.is_established());
    }
    assert_eq!(hear(&mut session, text, PEER, at(SECOND)), expected, "{text}");
    let now_established = established || expected.contains("NOERROR");
    assert_eq!(session.is_established(), now_established, "{text}");
}

#[test]
fn requests() {
    for established in [false, true] {
        // 15 s and 3,600 s; then less than the shortest interval, and more than is granted.
        check(established, "7 1:00003a980036ee80", "7 NOERROR keepalive=15000/3600000");
        check(established, "7 1:0000000000000001", "7 NOERROR keepalive=0/10000");
        check(established, "7 1:ffffffffffffffff", "7 NOERROR keepalive=60000/3600000");
        // Unknown additional TLVs are ignored; padding is answered with padding.
        check(established, "7 1:00003a980036ee80 64000:ff", "7 NOERROR keepalive=15000/3600000");
        check(established, "7 1:00003a980036ee80 3:0000", "7 NOERROR keepalive=15000/3600000 3:0");
        // An unknown primary TLV is not repeated.
        check(established, "7 64:aabb", "7 DSOTYPENI");
        check(established, "7 65535:", "7 DSOTYPENI");
        check(established, "7 64:aabb 3:00", "7 DSOTYPENI 3:0");
    }
}

#[test]
fn malformed_requests() {
    for established in [false, true] {
        check(established, "7", "7 FORMERR");
        check(established, "counts 7 1:00003a980036ee80", "7 FORMERR");
        check(established, "7 raw:000100080000", "7 FORMERR");
        check(established, "7 1:00003a980036ee80 raw:00", "7 FORMERR");
        check(established, "7 64: raw:0001ffff", "7 FORMERR");
        check(established, "7 1:00003a98", "7 FORMERR");
        check(established, "7 1:00003a980036ee8000", "7 FORMERR");
        check(established, "7 3:0000", "7 FORMERR");
        check(established, "7 1:00003a980036ee80 1:00003a980036ee80", "7 FORMERR");
        check(established, "7 1:00003a980036ee80 2:00003a98", "7 FORMERR");
    }
}

#[test]
fn what_is_fatal() {
    for established in [false, true] {
        for text in [
            // Unidirectional, whatever it holds: it never gets an answer.
            "0 1:00003a980036ee80",
            "0 64:aabb",
            "0 2:00003a98",
            "0 3:00",
            "0",
            "counts 0",
            "0 raw:ff",
            // Not a client's to send.
            "7 2:00003a98",
            // We asked nothing.
            "response 7 1:00003a980036ee80",
            "response 7",
            "response 0",
        ] {
            check(established, text, "abort");
        }
    }
}

#[test]
fn padding_fills_a_block_where_it_hides_something() {
    let tls = Source { transport: Transport::Dot, ..PEER };
    for text in ["7 1:00003a980036ee80 3:00", "7 64: 3:00"] {
        let mut out = Vec::new();
        Session::new(SessionSettings::default(), at(0)).hear(&message(text), tls, at(0), &mut out);
        assert_eq!(out.len(), usize::from(PADDING_BLOCK), "{text}");
        Dso::read(&out).unwrap();
    }
}

#[test]
fn times() {
    let mut session = Session::new(SessionSettings::default(), at(0));
    assert_eq!(session.expires_micros(false), None, "plain TCP has its own time");
    // Ten seconds of inactivity, a minute of silence.
    assert_eq!(hear(&mut session, "1 1:000027100000ea60", PEER, at(SECOND)), "1 NOERROR keepalive=10000/60000");
    assert_eq!(session.expires_micros(false), Some(21 * SECOND));
    assert_eq!(session.expires_micros(true), Some(121 * SECOND));
    // A keepalive is no activity, but it is a sign of life.
    hear(&mut session, "2 1:000027100000ea60", PEER, at(15 * SECOND));
    assert_eq!(session.expires_micros(false), Some(21 * SECOND));
    assert_eq!(session.expires_micros(true), Some(135 * SECOND));
    // Anything else is both.
    session.note_activity(16 * SECOND);
    assert_eq!(session.expires_micros(false), Some(36 * SECOND));
    hear(&mut session, "3 64:", PEER, at(17 * SECOND));
    assert_eq!(session.expires_micros(false), Some(37 * SECOND));
    // Never sooner than five seconds after activity, and a client told of a shorter time gets five seconds from then on.
    hear(&mut session, "4 1:000000000000ea60", PEER, at(18 * SECOND));
    assert_eq!(session.expires_micros(false), Some(23 * SECOND));
    // The shortest interval: silence ends it even while answers are under way.
    hear(&mut session, "5 1:0000ea6000000000", PEER, at(20 * SECOND));
    assert_eq!(session.expires_micros(false), Some(40 * SECOND));
    assert_eq!(session.expires_micros(true), Some(40 * SECOND));
}

#[test]
fn a_session_is_ended_with_a_delay() {
    let mut session = Session::new(SessionSettings::default(), at(0));
    assert_eq!(session.retire(1_500), None, "no session, no farewell (RFC 8490 §5.1)");
    hear(&mut session, "1 1:000027100000ea60", PEER, at(0));
    let farewell = session.retire(1_500).unwrap();
    let dso = Dso::read(&farewell).unwrap();
    assert_eq!((dso.id, dso.is_response, dso.rcode), (0, false, 0));
    assert_eq!(dso.tlvs, [Tlv { kind: tlv::RETRY_DELAY, data: &[0, 0, 5, 220] }]);
    assert_eq!((session.retire(1_500), session.expires_micros(false)), (None, None));
}

proptest! {
    /// Whatever a client sends: a response to it, an abort, nothing else.
    #[test]
    fn any_octets(bytes in prop::collection::vec(any::<u8>(), 0..64), head: bool, clean: bool) {
        let mut bytes = bytes;
        if head && bytes.len() >= HEADER_LEN {
            bytes[2] = 0x30;
            if clean {
                bytes[4..12].fill(0);
            }
        }
        let mut session = Session::new(SessionSettings::default(), at(0));
        let mut out = Vec::new();
        let event = session.hear(&bytes, PEER, at(0), &mut out);
        prop_assert_eq!(event.rcode.is_none(), out.is_empty());
        if let Ok(dso) = Dso::read(&out) {
            prop_assert!(dso.is_response && dso.id != 0 && out[..2] == bytes[..2]);
        }
    }
}
