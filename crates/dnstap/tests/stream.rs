//! Messages and frames as strangers send them: whole, in pieces, cut, lying; and as programs by others read them.

#![allow(clippy::unwrap_used)]

use dnstap::frame::{CONTROL_LEN_MAX, FRAME_LEN_MAX};
use dnstap::*;
use proptest::prelude::*;

fn octets() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))
}

prop_compose! {
    fn policy()(kind in proptest::option::of("[A-Z]{0,5}"), rule in octets(), action in proptest::option::of(1..=6), matched in proptest::option::of(1..=5), value in octets()) -> Policy {
        Policy { kind, rule, action, matched, value }
    }
}

prop_compose! {
    fn message()(
        kind in 1..=14,
        socket in (proptest::option::of(1..=2), proptest::option::of(1..=7), proptest::option::of(1..=3)),
        addresses in (octets(), octets()),
        ports in any::<(Option<u32>, Option<u32>)>(),
        times in any::<(Option<u64>, Option<u32>, Option<u64>, Option<u32>)>(),
        messages in (octets(), octets(), octets()),
        policy in proptest::option::of(policy()),
    ) -> Message {
        Message {
            kind,
            socket_family: socket.0, socket_protocol: socket.1, http_protocol: socket.2,
            query_address: addresses.0, response_address: addresses.1,
            query_port: ports.0, response_port: ports.1,
            query_time_sec: times.0, query_time_nsec: times.1, response_time_sec: times.2, response_time_nsec: times.3,
            query_message: messages.0, query_zone: messages.1, response_message: messages.2,
            policy,
        }
    }
}

prop_compose! {
    fn dnstap()(identity in octets(), version in octets(), extra in octets(), message in proptest::option::of(message())) -> Dnstap {
        Dnstap { identity, version, extra, message: message.map(Box::new), kind: DnstapType::Message as i32 }
    }
}

/// The data of a stream, what the receiver sent, and whether it ended.
type Taken = (Vec<Vec<u8>>, Vec<u8>, bool);

/// Everything a receiver says of these pieces.
fn receive<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Taken, HandshakeFault> {
    let mut receiver = Receiver::default();
    let (mut got, mut sent) = (Vec::new(), Vec::new());
    for piece in pieces {
        receiver.feed(piece);
        loop {
            match receiver.take()? {
                Received::Data(data) => got.push(data.to_vec()),
                Received::Send(octets) => sent.extend(octets),
                Received::More | Received::End => break,
            }
        }
    }
    Ok((got, sent, receiver.is_ended()))
}

proptest! {
    #[test]
    fn every_message_survives(dnstap in dnstap()) {
        prop_assert_eq!(Dnstap::read(&dnstap.to_bytes()).unwrap(), dnstap);
    }

    #[test]
    fn octets_of_strangers_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Dnstap::read(&bytes);
        let _ = Control::read(&bytes);
        let _ = receive([&bytes[..]]);
        let mut out = Vec::new();
        let mut sender = Sender::both_ways();
        sender.start(&mut out);
        let _ = sender.feed(&bytes, &mut out);
    }

    #[test]
    fn frames_do_not_depend_on_pieces(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..60), 0..8), piece in 1usize..40) {
        let mut stream = Vec::new();
        let mut sender = Sender::one_way();
        sender.start(&mut stream);
        for frame in &frames {
            prop_assert!(sender.data(frame, &mut stream));
        }
        sender.stop(&mut stream);
        prop_assert!(sender.is_finished());
        let (got, sent, ended) = receive(stream.chunks(piece)).unwrap();
        prop_assert_eq!(got, frames);
        prop_assert!(sent.is_empty() && ended);
        for cut in 0..stream.len() {
            prop_assert!(!receive([&stream[..cut]]).unwrap().2);
        }
    }

    #[test]
    fn one_octet_changed_never_hurts(at in any::<prop::sample::Index>(), to in any::<u8>(), dnstap in dnstap()) {
        let mut stream = Vec::new();
        let mut sender = Sender::one_way();
        sender.start(&mut stream);
        prop_assert!(sender.data(&dnstap.to_bytes(), &mut stream));
        sender.stop(&mut stream);
        let at = at.index(stream.len());
        stream[at] = to;
        for data in receive([&stream[..]]).map_or_else(|_| Vec::new(), |(got, ..)| got) {
            let _ = Dnstap::read(&data);
        }
    }
}

#[test]
fn both_ends_agree() {
    let mut receiver = Receiver::default();
    let mut sender = Sender::both_ways();
    let mut out = Vec::new();
    sender.start(&mut out);
    assert!(!sender.is_open() && !sender.data(b"early", &mut Vec::new()));
    receiver.feed(&out);
    let Received::Send(accept) = receiver.take().unwrap() else { panic!("no ACCEPT") };
    out.clear();
    sender.feed(&accept, &mut out).unwrap();
    assert!(sender.is_open() && sender.data(b"one", &mut out));
    sender.stop(&mut out);
    assert!(!sender.is_finished());
    receiver.feed(&out);
    assert_eq!(receiver.take().unwrap(), Received::Send(Vec::new()));
    assert_eq!(receiver.take().unwrap(), Received::Data(b"one"));
    let Received::Send(finish) = receiver.take().unwrap() else { panic!("no FINISH") };
    assert_eq!(receiver.take().unwrap(), Received::End);
    sender.feed(&finish, &mut Vec::new()).unwrap();
    assert!(sender.is_finished());
    assert!(sender.feed(&accept, &mut Vec::new()).is_err());
}

#[test]
fn lies_are_refused_before_they_cost_memory() {
    let control = |kind: ControlType, content: &[u8]| Control::of(kind, content).to_bytes();
    let start = control(ControlType::Start, CONTENT_TYPE);
    let after_start = |bytes: &[u8]| [&start[..], bytes].concat();
    let too_long = ((FRAME_LEN_MAX + 1) as u32).to_be_bytes();
    let control_too_long = ((CONTROL_LEN_MAX + 1) as u32).to_be_bytes();
    let cases: [(Vec<u8>, &str); 9] = [
        (after_start(&u32::MAX.to_be_bytes()), "a frame of 4294967295 octets; at most 1048576 are read"),
        (after_start(&too_long), "a frame of 1048577 octets; at most 1048576 are read"),
        ([&[0; 4][..], &control_too_long].concat(), "a control frame of 513 octets; at most 512 are read"),
        (vec![0, 0, 0, 0, 0, 0, 0, 2, 0, 0], "a control frame that cannot be read"),
        (vec![0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 9], "a control frame of unknown type 9"),
        (control(ControlType::Stop, b"x"), "a control frame that cannot be read"),
        (vec![0, 0, 0, 1, 7], "data where READY or START was due"),
        (after_start(&start), "START where data or STOP was due"),
        (control(ControlType::Ready, b"protobuf:other"), "a stream of protobuf:other, not of dnstap"),
    ];
    for (stream, said) in cases {
        assert_eq!(receive([&stream[..]]).unwrap_err().to_string(), said);
    }
    assert!(!write_data(&[], &mut Vec::new()) && !write_data(&vec![0; FRAME_LEN_MAX + 1], &mut Vec::new()));
    // A START without a content type is taken (files by others), a READY with several too.
    assert!(receive([&Control::bare(ControlType::Start).to_bytes()[..]]).is_ok());
    let several = Control { kind: ControlType::Ready, content_types: vec![b"x".to_vec(), CONTENT_TYPE.to_vec()] };
    assert_eq!(receive([&several.to_bytes()[..]]).unwrap().1, control(ControlType::Accept, CONTENT_TYPE));
}

/// BIND's `dnstap-read` reads a file of ours; skipped where it is not installed.
#[test]
fn dnstap_read_understands_us() {
    let folder = std::env::temp_dir().join(format!("dnstap-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("tap.fstrm");
    let query = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01".to_vec();
    let message = Message {
        kind: MessageType::ClientQuery as i32,
        socket_family: Some(SocketFamily::Inet as i32),
        socket_protocol: Some(SocketProtocol::Udp as i32),
        query_address: Some(vec![192, 0, 2, 7]),
        response_address: Some(vec![192, 0, 2, 53]),
        query_port: Some(4_242),
        response_port: Some(53),
        query_time_sec: Some(1_700_000_000),
        query_time_nsec: Some(123_000_000),
        query_message: Some(query),
        ..Message::default()
    };
    let dnstap = Dnstap {
        identity: Some(b"here".to_vec()),
        message: Some(Box::new(message)),
        kind: DnstapType::Message as i32,
        ..Dnstap::default()
    };
    let mut stream = Vec::new();
    let mut sender = Sender::one_way();
    sender.start(&mut stream);
    assert!(sender.data(&dnstap.to_bytes(), &mut stream));
    sender.stop(&mut stream);
    std::fs::write(&file, stream).unwrap();
    let ran = std::process::Command::new("dnstap-read").arg("-y").arg(&file).output();
    std::fs::remove_dir_all(&folder).unwrap();
    let Ok(ran) = ran else {
        eprintln!("skipped: no dnstap-read");
        return;
    };
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    for line in [
        "identity: here",
        "type: CLIENT_QUERY",
        "query_time: !!timestamp 2023-11-14T22:13:20Z",
        "socket_family: INET",
        "socket_protocol: UDP",
        "query_address: \"192.0.2.7\"",
        "response_address: \"192.0.2.53\"",
        "query_port: 4242",
        "response_port: 53",
        "www.example",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
}
