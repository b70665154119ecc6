//! TSIG against dnspython, an implementation by others: each signs for the other, singly and in streams, with every
//! algorithm; and it names the errors we report. Skipped where Debian's `python3-dnspython` is not installed.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use wire::message::{Builder, Record, Section};
use wire::name::Folded;
use wire::tsig::{Algorithm, Checked, Key, Keys, Request, Signer, Tsig, check};

const PYTHON: &str = "/usr/bin/python3";

/// The time on both sides.
const NOW: u64 = 1_700_000_000;

const SECRET: &[u8] = b"a secret of some thirty octets..";

fn key(algorithm: Algorithm) -> Key {
    Key::new(Folded::from_text("key.example").unwrap(), algorithm, SECRET)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

struct Ring(Key);

impl Keys for Ring {
    fn find(&self, name: &Folded, algorithm: Algorithm) -> Option<Arc<Key>> {
        Some(Arc::new(self.0.clone())).filter(|key| key.name == *name && key.algorithm == algorithm)
    }
}

struct Dnspython {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Dnspython {
    fn start() -> Option<Dnspython> {
        let found = Command::new(PYTHON).args(["-c", "import dns.tsig"]).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            // CI installs it.
            assert!(std::env::var_os("CI").is_none(), "{PYTHON} has no dnspython (Debian: python3-dnspython)");
            eprintln!("skipped: {PYTHON} has no dnspython (Debian: python3-dnspython)");
            return None;
        }
        let mut child = Command::new(PYTHON)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tsig_dnspython.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Dnspython { child, to, from })
    }

    /// A command about a key with this algorithm, and the line it gives.
    fn tell(&mut self, verb: &str, algorithm: Algorithm, words: &[&str]) -> String {
        writeln!(self.to, "{verb} {algorithm} {} {}", hex(SECRET), words.join(" ")).unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Dnspython {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn query() -> Vec<u8> {
    let mut builder = Builder::new(7, 0x0100, 512);
    builder.question(Folded::from_text("www.example").unwrap().name(), 1, 1);
    builder.finish()
}

fn reply_to(query: &[u8], flags: u16) -> Vec<u8> {
    let owner = Folded::from_text("www.example").unwrap();
    let mut builder = Builder::new(u16::from_be_bytes([query[0], query[1]]), flags, 512);
    builder.question(owner.name(), 1, 1);
    let record = Record { owner, rtype: 1, class: 1, ttl: 300, rdata: Box::new([192, 0, 2, 1]) };
    assert!(builder.record(Section::Answer, &record));
    builder.finish()
}

fn taken(message: &[u8], key: Key, now_seconds: u64) -> Checked {
    check(message, Tsig::find(message).unwrap(), &Ring(key), now_seconds)
}

fn signer(message: &[u8], key: Key) -> (Vec<u8>, Signer) {
    match taken(message, key, NOW) {
        Checked::Good { message, signer } => (message, signer),
        other => panic!("{other:?}"),
    }
}

#[test]
fn we_sign_and_dnspython_answers() {
    let Some(mut dnspython) = Dnspython::start() else { return };
    for &algorithm in Algorithm::ALL {
        for shape in ["s", "ss", "sssss", "suus", "susuuus"] {
            let mut message = query();
            let mut request = Request::sign(&mut message, &Arc::new(key(algorithm)), NOW);
            let replies = dnspython.tell("answer", algorithm, &[&hex(&message), shape]);
            for (reply, letter) in replies.split(' ').zip(shape.chars()) {
                let plain = request
                    .check(&unhex(reply), NOW)
                    .unwrap_or_else(|fault| panic!("{algorithm} {shape}: {fault} {reply}"));
                assert_eq!(Tsig::find(&plain), None);
                assert_eq!(request.finish().is_ok(), letter == 's');
            }
        }
    }
}

#[test]
fn dnspython_signs_and_we_answer() {
    let Some(mut dnspython) = Dnspython::start() else { return };
    for &algorithm in Algorithm::ALL {
        let asked = unhex(&dnspython.tell("ask", algorithm, &[]));
        let (plain, mut signer) = signer(&asked, key(algorithm));
        for turn in 0..4 {
            let mut reply = reply_to(&plain, 0x8180);
            signer.sign(&mut reply, NOW + turn);
            assert_eq!(dnspython.tell("hear", algorithm, &[&hex(&reply)]), "True True 1", "{algorithm} {turn}");
        }
        let mut reply = reply_to(&plain, 0x8180);
        signer.sign(&mut reply, NOW);
        reply[2] ^= 1;
        assert!(dnspython.tell("hear", algorithm, &[&hex(&reply)]).starts_with("BadSignature"), "{algorithm}");
    }
}

#[test]
fn dnspython_names_our_refusals() {
    let Some(mut dnspython) = Dnspython::start() else { return };
    let algorithm = Algorithm::HmacSha256;
    let another = Key::new(Folded::from_text("another").unwrap(), algorithm, SECRET);
    let other_secret = Key::new(Folded::from_text("key.example").unwrap(), algorithm, b"another");
    // dnspython makes full MACs only, so a short one is of our own making.
    let asked = unhex(&dnspython.tell("ask", algorithm, &[]));
    let mut short = query();
    let mut cutting = key(algorithm);
    cutting.mac_len = 16;
    let _ = Request::sign(&mut short, &Arc::new(cutting), NOW);
    for (asked, ours, now_seconds, expected, signed) in [
        (&asked, another, NOW, "PeerBadKey", false),
        (&asked, other_secret, NOW, "PeerBadSignature", false),
        (&asked, key(algorithm), NOW + 1_000, "PeerBadTime", true),
        (&short, key(algorithm), NOW, "PeerBadTruncation", true),
    ] {
        let Checked::Bad(refusal) = taken(asked, ours, now_seconds) else { panic!("{expected}") };
        let mut reply = reply_to(asked, 0x8189);
        refusal.append(&mut reply, now_seconds);
        let heard = dnspython.tell("hear", algorithm, &[&hex(&reply)]);
        assert_eq!(heard.split(' ').next(), Some(expected), "{heard}");
        if signed {
            let request_mac = Tsig::read(asked, Tsig::find(asked).unwrap()).unwrap().mac;
            let other = if expected == "PeerBadTime" { now_seconds } else { 0 };
            assert_eq!(
                dnspython.tell("covered", algorithm, &[&hex(&request_mac), &hex(&reply)]),
                format!("{NOW} {other}")
            );
        }
    }
}
