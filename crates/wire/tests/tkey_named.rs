//! TKEY's Diffie-Hellman exchange against BIND, the one server that ever offered it (up to 9.18): the key both sides make of
//! it must sign for dnspython what BIND believes. Skipped where one of them is not installed.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wire::kind;
use wire::message::{Builder, Message, Record, Section};
use wire::name::Folded;
use wire::tkey::dh::{Exchange, Group, Public};
use wire::tkey::{Tkey, mode};
use wire::tsig::{Algorithm, Key, Request};

const PYTHON: &str = "/usr/bin/python3";

/// Type KEY (RFC 2535).
const KEY: u16 = 25;

/// BIND makes keys of this kind only.
const ALGORITHM: &str = "hmac-md5.sig-alg.reg.int";

/// Asks BIND something signed with the new key; dnspython checks the reply's signature.
const ASK: &str = "
import sys, dns.message, dns.query, dns.tsig
port, name, secret = sys.argv[1:]
query = dns.message.make_query('www.example', 'A')
query.use_tsig(dns.tsig.Key(name, bytes.fromhex(secret), dns.tsig.HMAC_MD5))
print(dns.query.udp(query, '127.0.0.1', port=int(port), timeout=10).had_tsig)
";

struct Named(Child);

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn answers(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

/// A server with a key of this size; `None` where there is none to start.
fn named(folder: &Path, bits: u32) -> Option<(Named, u16)> {
    let installed = answers(Command::new(PYTHON).args(["-c", "import dns.tsig"]));
    let made = Command::new("dnssec-keygen")
        .args(["-a", "DH", "-b", &bits.to_string(), "-n", "HOST", "-T", "KEY", "server.example"])
        .current_dir(folder)
        .output();
    let program = testkit::copied("named", folder);
    let (Some(made), Some(program)) = (made.ok().filter(|made| installed && made.status.success()), program) else {
        eprintln!("skipped: needs dnspython, and a named and dnssec-keygen that know Diffie-Hellman (BIND up to 9.18)");
        return None;
    };
    let file = String::from_utf8(made.stdout).unwrap();
    let tag: u16 = file.trim().rsplit('+').next().unwrap().parse().unwrap();
    let port = testkit::free_address().port();
    let config = format!(
        "key key.example {{ algorithm hmac-sha256; secret \"c2VjcmV0\"; }}; controls {{ }};
        options {{ directory \"{}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
        pid-file none; session-keyfile none; recursion no; dnssec-validation no;
        tkey-domain \"tkey.example\"; tkey-dhkey \"server.example\" {tag}; }};",
        folder.display()
    );
    std::fs::write(folder.join("named.conf"), config).unwrap();
    let mut child =
        Command::new(program).args(["-g", "-c"]).arg(folder.join("named.conf")).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let named = Named(child);
    assert!(log.by_ref().map_while(Result::ok).any(|line| line.ends_with(" running")), "named does not start");
    // Read to its end, or named would wait for room in the pipe.
    std::thread::spawn(move || log.map_while(Result::ok).for_each(drop));
    Some((named, port))
}

fn agree(bits: u32, group: u16) {
    let folder = tempfile::tempdir().unwrap();
    let Some((_named, port)) = named(folder.path(), bits) else { return };
    let now_seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let exchange = Exchange::begin(&Group::well_known(group).unwrap(), &[0x5a; 64]).unwrap();
    let nonce = b"sixteen octets..";
    let tkey = Tkey {
        algorithm: name(ALGORITHM),
        inception: now_seconds as u32,
        expiration: now_seconds as u32 + 3_600,
        mode: mode::DIFFIE_HELLMAN,
        error: 0,
        key: nonce.to_vec(),
        other: Vec::new(),
    };
    let asked = name("new");
    let mut builder = Builder::new(7, 0, 4_096);
    builder.question(asked.name(), kind::TKEY, kind::CLASS_ANY);
    let rdata = tkey.rdata();
    assert!(builder.parts(Section::Additional, asked.name(), kind::TKEY, kind::CLASS_ANY, 0, &rdata));
    let rdata = exchange.public().rdata();
    assert!(builder.parts(Section::Additional, name("client.example").name(), KEY, kind::CLASS_IN, 0, &rdata));
    assert!(builder.parts(Section::Additional, Folded::root().name(), kind::OPT, 4_096, 0, &[]));
    let mut query = builder.finish();
    let signing = Arc::new(Key::new(name("key.example"), Algorithm::HmacSha256, b"secret"));
    let mut request = Request::sign(&mut query, &signing, now_seconds);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(&query, (Ipv4Addr::LOCALHOST, port)).unwrap();
    let mut reply = [0; 4_096];
    let len = socket.recv(&mut reply).unwrap();
    let reply = Message::read(&request.check(&reply[..len], now_seconds).unwrap()).unwrap();
    assert_eq!(reply.rcode(), 0);
    let given: &Record = reply.answer.iter().find(|record| record.rtype == kind::TKEY).unwrap();
    let server = Tkey::read(&given.rdata).unwrap();
    assert_eq!((server.error, server.mode), (0, mode::DIFFIE_HELLMAN));
    // The server's KEY record stands in the answer, beside TKEY.
    let ours = name("client.example");
    let theirs = reply.answer.iter().find(|record| record.rtype == KEY && record.owner != ours).unwrap();
    let secret = exchange.agree(&Public::read(&theirs.rdata).unwrap(), nonce, &server.key).unwrap();
    assert_eq!(secret.len(), bits as usize / 8);
    let secret: String = secret.iter().map(|octet| format!("{octet:02x}")).collect();
    let heard = Command::new(PYTHON)
        .args(["-c", ASK, &port.to_string(), &given.owner.text(), &secret])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(heard.stdout).unwrap(), "True\n");
}

#[test]
fn a_key_of_group_1_is_the_same_for_bind() {
    agree(768, 1);
}

#[test]
fn a_key_of_group_2_is_the_same_for_bind() {
    agree(1_024, 2);
}

#[test]
fn a_key_of_group_3_is_the_same_for_bind() {
    agree(1_536, 3);
}
