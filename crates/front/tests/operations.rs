//! Updates, transfers and signatures as clients we did not write know them: nsupdate and dig (BIND), kdig (Knot DNS), dnspython.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use engine::{Access, Authority, Event, Grant, Names, TkeySettings, Who};
use support::{Server, settings};
use wire::code::Code;
use wire::name::Folded;
use wire::tsig::{Algorithm, Key};
use zone::{Delta, Held, Keeper, Loaded, Role, State, Zone, Zones};

/// `secret of tool` in base 64.
const SECRET: &str = "c2VjcmV0IG9mIHRvb2w=";
/// Names in the zone beside `www`: several messages.
const HOSTS: usize = 2_000;

/// Keeps nothing, and says that it did.
struct Forgetful;

impl Keeper for Forgetful {
    fn commit(&self, _origin: &Folded, _delta: &Delta, _after: &Zone) -> io::Result<()> {
        Ok(())
    }

    fn changed(&self, _origin: &Folded) {}

    fn notified(&self, _origin: &Folded, _serial: Option<u32>, _from: SocketAddr) {}
}

/// A server with the zone `example`, that the key `tool` may transfer and update, and that agrees on keys with it.
async fn server() -> Server {
    let server = Server::start(&settings()).await;
    let (origin, tool) = (Folded::from_text("example").unwrap(), Folded::from_text("tool").unwrap());
    let mut text =
        "$TTL 300\n@ SOA ns hostmaster 7 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.80\n".to_owned();
    (0..HOSTS).for_each(|number| text.push_str(&format!("host{number} TXT \"{number:040}\"\n")));
    let zone = zone::file::read("example", &text, &origin, &mut |_| Err("none".into())).unwrap();
    let state = State::Loaded(Arc::new(Loaded { zone, history: Vec::new() }));
    let who = || Who::Key(tool.clone());
    let grant = Grant { who: who(), names: Names::Zone, types: Vec::new() };
    let access = Access { transfer: vec![who()], update: vec![grant], ..Access::default() };
    server.shared.publish_authority(Arc::new(Authority {
        zones: Zones::new([Arc::new(Held::new(origin.clone(), Role::Primary, state))]),
        access: HashMap::from([(origin, access)]),
        keys: vec![Arc::new(Key::new(tool.clone(), Algorithm::HmacSha256, b"secret of tool"))],
        tkey: TkeySettings { create: false, allow: vec![who()] },
        keeper: Arc::new(Forgetful),
    }));
    server
}

/// Whether a client is there. Where it is missing the test says so and passes, except in CI, which has to have it.
fn is_there(client: &str, version: &[&str]) -> bool {
    let there =
        Command::new(client).args(version).stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
    if !there {
        assert!(std::env::var("CI").is_err(), "{client} is missing");
        eprintln!("note: {client} is not installed; nothing tested");
    }
    there
}

/// Runs a client with these lines as its input; gives what it prints, both ways, in one line.
async fn run(client: &'static str, arguments: Vec<String>, input: String) -> String {
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(client);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn arguments(server: &Server, rest: &str) -> Vec<String> {
    let port = server.address.port().to_string();
    ["@127.0.0.1", "-p", port.as_str()].into_iter().chain(rest.split(' ')).map(str::to_owned).collect()
}

/// The code a person sees of the next event.
fn code(event: &Event) -> Code {
    Code::derive(event.rcode, event.tsig_error, event.tkey_error).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nsupdate_changes_the_zone_and_hears_why_not() {
    if !is_there("nsupdate", &["-V"]) {
        return;
    }
    let server = server().await;
    let port = server.address.port();
    let add = "update add new.example. 300 A 192.0.2.5";
    for (secret, lines, expected, expected_code) in [
        (SECRET, format!("prereq yxrrset www.example. A\n{add}"), "", Code::NOERROR),
        (SECRET, format!("prereq nxrrset www.example. A\n{add}"), "update failed: YXRRSET", Code::YXRRSET),
        (SECRET, format!("prereq yxrrset www.example. MX\n{add}"), "update failed: NXRRSET", Code::NXRRSET),
        (SECRET, format!("prereq nxdomain www.example.\n{add}"), "update failed: YXDOMAIN", Code::YXDOMAIN),
        (SECRET, format!("prereq yxdomain no.example.\n{add}"), "update failed: NXDOMAIN", Code::NXDOMAIN),
        (SECRET, "update add new.test. 300 A 192.0.2.5".into(), "update failed: NOTZONE", Code::NOTZONE),
        (SECRET, "update add new.example. 300 NS ns.example.".into(), "update failed: REFUSED", Code::REFUSED),
        ("YW5vdGhlciBzZWNyZXQ=", add.into(), "NOTAUTH(BADSIG)", Code::BADSIG),
    ] {
        let input = format!("server 127.0.0.1 {port}\nzone example\nkey hmac-sha256:tool {secret}\n{lines}\nsend\n");
        let text = run("nsupdate", Vec::new(), input).await;
        assert!(text.contains(expected) && text.is_empty() == expected.is_empty(), "{lines}: {text}");
        let event = server.event();
        assert_eq!((code(&event), event.key.as_deref()), (expected_code, Some("tool")), "{lines}");
    }
    let text = run("dig", arguments(&server, "new.example A +short"), String::new()).await;
    assert_eq!(text, "192.0.2.5");
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_and_kdig_transfer_and_sign() {
    let server = server().await;
    let table: &[(&str, &str, &[&str])] = &[
        ("dig", "example AXFR", &["XFR size: 2005 records (messages "]),
        ("dig", "example IXFR=6", &["XFR size: 2005 records (messages "]),
        ("dig", "example IXFR=7 +tcp", &["XFR size: 1 records (messages 1"]),
        (
            "dig",
            "www.example A",
            &["status: NOERROR", "flags: qr aa rd", "192.0.2.80", "TSIG PSEUDOSECTION", "NOERROR 0"],
        ),
        ("dig", "no.example A", &["status: NXDOMAIN", "TSIG PSEUDOSECTION"]),
        ("kdig", "example AXFR", &["host1999.example.", "Received "]),
        ("kdig", "www.example A", &["status: NOERROR", "192.0.2.80", "TSIG PSEUDOSECTION"]),
    ];
    for (client, question, expected) in table {
        if !is_there(client, if *client == "dig" { &["-v"] } else { &["--version"] }) {
            continue;
        }
        let text =
            run(client, arguments(&server, &format!("-y hmac-sha256:tool:{SECRET} {question}")), String::new()).await;
        for words in *expected {
            assert!(
                text.contains(words),
                "{client} {question}: no \"{words}\" in {}",
                text.get(..2_000).unwrap_or(&text)
            );
        }
        let wrong = ["WARNING", "Couldn't verify", "Transfer failed", "malformed"];
        assert!(!wrong.iter().any(|wrong| text.contains(wrong)), "{client} {question}");
        let event = server.event();
        assert_eq!((event.tsig_error, event.key.as_deref()), (Some(0), Some("tool")));
        if question.contains("AXFR") {
            assert!(event.answer.unwrap().starts_with("2005 records, "), "told once all is sent");
        }
    }
}

/// Prints a word for each exchange. The last argument is the port.
const SCRIPT: &str = r#"
import sys, time
import dns.message, dns.query, dns.rdatatype, dns.rdataclass, dns.rdtypes.ANY.TKEY, dns.tsig, dns.name, dns.zone, dns.rrset
port = int(sys.argv[-1])
def key(name, secret): return dns.tsig.Key(name, secret, 'hmac-sha256')
good = key('tool', 'c2VjcmV0IG9mIHRvb2w=')
def ask(key, qname='www.example', tcp=False):
    query = dns.message.make_query(qname, 'A')
    query.use_tsig(key)
    try:
        reply = (dns.query.tcp if tcp else dns.query.udp)(query, '127.0.0.1', port=port, timeout=10)
        print(dns.rcode.to_text(reply.rcode()), 'verified' if reply.had_tsig else 'unsigned')
    except Exception as error:
        print(type(error).__name__)
ask(good)
ask(good, 'no.example', tcp=True)
ask(key('tool', 'YW5vdGhlciBzZWNyZXQ='))
ask(key('stranger', 'YW5vdGhlciBzZWNyZXQ='))
now = time.time
time.time = lambda: now() - 1000
ask(good)
time.time = now
def tkey(mode, algorithm):
    query = dns.message.make_query('made.example', 'TKEY')
    wish = dns.rdtypes.ANY.TKEY.TKEY(dns.rdataclass.ANY, dns.rdatatype.TKEY, dns.name.from_text(algorithm), 0, 2**32 - 1, mode, 0, b'')
    query.additional.append(dns.rrset.from_rdata('made.example.', 0, wish))
    query.use_tsig(good)
    reply = dns.query.udp(query, '127.0.0.1', port=port, timeout=10)
    print('tkey', reply.answer[0][0].error, 'verified' if reply.had_tsig else 'unsigned')
tkey(4, 'hmac-sha256')
tkey(5, 'hmac-sha256')
tkey(2, 'hmac-md9')
zone = dns.zone.from_xfr(dns.query.xfr('127.0.0.1', 'example', port=port, keyring=good, keyalgorithm='hmac-sha256', lifetime=20))
print('zone', len(zone.nodes))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn dnspython_verifies_our_signatures_and_names_our_errors() {
    const PYTHON: &str = "/usr/bin/python3";
    if !is_there(PYTHON, &["-c", "import dns.tsig"]) {
        return;
    }
    let server = server().await;
    let port = server.address.port().to_string();
    let text = run(PYTHON, vec!["-c".into(), SCRIPT.into(), port], String::new()).await;
    let expected = [
        "NOERROR verified",
        "NXDOMAIN verified",
        "PeerBadSignature",
        "PeerBadKey",
        "PeerBadTime",
        "tkey 19 verified",
        "tkey 20 verified",
        "tkey 21 verified",
        "zone 2003",
    ];
    assert_eq!(text, expected.join(" "));
    let codes: Vec<String> = (0..expected.len()).map(|_| code(&server.event()).name().into_owned()).collect();
    let expected = "NOERROR NXDOMAIN BADSIG BADKEY BADTIME BADMODE BADNAME BADALG NOERROR";
    assert_eq!(codes.join(" "), expected);
}
