//! Programs nobody here wrote, at both ends: nsupdate, dig, kdig and dnspython ask the real server; BIND, Knot and NSD copy our
//! zone and hold one that we copy.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used)]

mod scenario;
mod servers;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use scenario::Theatre;
use servers::{Kind, PATIENCE, Part, SECRET, Server};
use testkit::free_address;

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A machine without the program skips the test, but not in CI, which installs it.
fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("skipped: {why}");
}

const OURS: &str = "\
key xfer hmac-sha256
key other hmac-sha256
zone home.example www 300 A 192.0.2.1
zone home.example www 300 A 192.0.2.2
grant home.example update key:xfer
grant home.example transfer key:xfer
";

/// Runs nsupdate on a script; `key` as its `-y` wants it.
fn nsupdate(server: SocketAddr, key: Option<&str>, tcp: bool, script: &str) -> Option<String> {
    let mut command = Command::new("nsupdate");
    command.args(["-t", "5", "-r", "0"]);
    if let Some(key) = key {
        command.args(["-y", key]);
    }
    if tcp {
        command.arg("-v");
    }
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        skip("nsupdate is not installed");
        return None;
    };
    let script = format!("server {} {}\nzone home.example\n{script}\nsend\nanswer\n", server.ip(), server.port());
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    Some(told(&child.wait_with_output().unwrap()))
}

#[test]
fn nsupdate_changes_a_zone_and_is_told_why_not() {
    let theatre = Theatre::open(OURS, "127.0.0.1:0").unwrap();
    let since = sys::clock::wall_micros();
    let key = format!("hmac-sha256:xfer:{SECRET}");
    let wrong = "hmac-sha256:xfer:d3JvbmcgYnV0IGxvbmcgZW5vdWdoIHRvIGJlIGEgc2VjcmV0";
    let nobody = format!("hmac-sha256:nobody-knows:{SECRET}");
    let other = format!("hmac-sha256:other:{SECRET}");
    let table: &[(Option<&str>, bool, &str, &str, &str)] = &[
        (Some(&key), false, "update add new.home.example 300 A 192.0.2.9", "NOERROR", "code:NOERROR key:xfer"),
        (
            Some(&key),
            true,
            "prereq yxdomain nothing.home.example\nupdate add x.home.example 1 A 192.0.2.9",
            "NXDOMAIN",
            "code:NXDOMAIN transport:tcp",
        ),
        (
            Some(&key),
            false,
            "prereq nxdomain www.home.example\nupdate add x.home.example 1 A 192.0.2.9",
            "YXDOMAIN",
            "code:YXDOMAIN",
        ),
        (
            Some(&key),
            false,
            "prereq nxrrset www.home.example A\nupdate add x.home.example 1 A 192.0.2.9",
            "YXRRSET",
            "code:YXRRSET",
        ),
        (
            Some(&key),
            false,
            "prereq yxrrset www.home.example MX\nupdate add x.home.example 1 A 192.0.2.9",
            "NXRRSET",
            "code:NXRRSET -update:192.0.2.1",
        ),
        (
            Some(&key),
            true,
            "prereq yxrrset www.home.example A 192.0.2.1\nupdate add x.home.example 1 A 192.0.2.9",
            "NXRRSET",
            "code:NXRRSET transport:tcp",
        ),
        (Some(&key), false, "update add x.foreign.example 1 A 192.0.2.9", "NOTZONE", "code:NOTZONE"),
        (None, false, "update add x.home.example 1 A 192.0.2.9", "REFUSED", "code:REFUSED -has:key"),
        (Some(&other), false, "update add x.home.example 1 A 192.0.2.9", "REFUSED", "code:REFUSED key:other"),
        (Some(wrong), false, "update add x.home.example 1 A 192.0.2.9", "BADSIG", "code:BADSIG"),
        (Some(&nobody), false, "update add x.home.example 1 A 192.0.2.9", "BADKEY", "code:BADKEY"),
    ];
    for (key, tcp, script, expected, event) in table {
        let Some(told) = nsupdate(theatre.address(), *key, *tcp, script) else { return theatre.close() };
        assert!(told.contains(expected), "{script}\nshould give {expected}:\n{told}");
        theatre.wait_for(&format!("opcode:UPDATE {event}"), since, 1).unwrap();
    }
    theatre.close();
}

#[test]
fn dig_and_kdig_verify_what_we_sign() {
    let theatre = Theatre::open(&format!("{OURS}key sha1 hmac-sha1\nkey sha512 hmac-sha512\n"), "127.0.0.1:0").unwrap();
    let (ip, port) = (theatre.address().ip().to_string(), theatre.address().port().to_string());
    for (name, algorithm) in [("xfer", "hmac-sha256"), ("sha1", "hmac-sha1"), ("sha512", "hmac-sha512")] {
        let key = format!("{algorithm}:{name}:{SECRET}");
        for tcp in ["+notcp", "+tcp"] {
            for program in ["dig", "kdig"] {
                let output = Command::new(program)
                    .args([&format!("@{ip}"), "-p", &port, "-y", &key, tcp, "www.home.example", "A"])
                    .output();
                let Ok(output) = output else {
                    skip(&format!("{program} is not installed"));
                    continue;
                };
                let told = told(&output);
                assert!(told.contains("192.0.2.1") && told.contains("TSIG"), "{program} {algorithm} {tcp}:\n{told}");
                for complaint in ["couldn't verify", "Couldn't verify", "WARNING", "failed"] {
                    assert!(!told.contains(complaint), "{program} {algorithm} {tcp}:\n{told}");
                }
            }
        }
    }
    theatre.close();
}

const DNSPYTHON: &str = r#"
import sys, time, base64, dns.message, dns.query, dns.rcode, dns.tsig, dns.update, dns.zone, dns.name
where, port, secret = sys.argv[1], int(sys.argv[2]), base64.b64decode(sys.argv[3])
good = dns.tsig.Key("xfer", secret, "hmac-sha256")

def ask(key, query=dns.query.udp, name="www.home.example"):
    message = dns.message.make_query(name, "A")
    message.use_tsig(key)
    return query(message, where, port=port, timeout=5)

def fails(error, *args, **options):
    try:
        ask(*args, **options)
    except error:
        return
    raise AssertionError(f"no {error}")

for query in (dns.query.udp, dns.query.tcp):
    reply = ask(good, query)
    assert reply.had_tsig and reply.tsig_error == 0 and reply.answer, reply
    fails(dns.tsig.PeerBadKey, dns.tsig.Key("nobody-knows", secret, "hmac-sha256"), query)
    fails(dns.tsig.PeerBadKey, dns.tsig.Key("xfer", secret, "hmac-sha512"), query)
    fails(dns.tsig.PeerBadSignature, dns.tsig.Key("xfer", b"w" * 32, "hmac-sha256"), query)
    real = time.time
    time.time = lambda: real() - 4000
    try:
        # The reply is signed with the client's own time, so it verifies although the clocks differ.
        fails(dns.tsig.PeerBadTime, good, query)
    finally:
        time.time = real

update = dns.update.Update("home.example", keyring=good)
update.present("www", "A", "192.0.2.1")
update.add("never", 1, "A", "192.0.2.3")
reply = dns.query.tcp(update, where, port=port, timeout=5)
assert reply.rcode() == dns.rcode.NXRRSET, reply

zone = dns.zone.Zone("home.example")
query = dns.message.make_query("home.example", "AXFR")
dns.query.inbound_xfr(where, zone, query=dns.xfr.make_query(zone, keyring=good)[0], port=port)
assert zone.get_rdataset("www", "A") and len(zone.get_rdataset("www", "A")) == 2
assert zone.get_rdataset("never", "A") is None
print("held")
"#;

#[test]
fn dnspython_verifies_our_signatures_and_names_our_errors() {
    let theatre = Theatre::open(OURS, "127.0.0.1:0").unwrap();
    let since = sys::clock::wall_micros();
    let address = theatre.address();
    let script = Command::new("/usr/bin/python3")
        .args(["-c", DNSPYTHON, &address.ip().to_string(), &address.port().to_string(), SECRET])
        .output();
    match script {
        Ok(output) if told(&output).contains("No module named") => skip("python3-dnspython is not installed"),
        Err(error) => skip(&format!("no /usr/bin/python3: {error}")),
        Ok(output) => {
            assert!(output.status.success() && told(&output).contains("held"), "{}", told(&output));
            theatre.wait_for("tsig:BADTIME", since, 2).unwrap();
            theatre.wait_for("tsig:BADKEY", since, 4).unwrap();
            theatre.wait_for("rcode:BADSIG", since, 2).unwrap();
            theatre.wait_for("qtype:AXFR code:NOERROR key:xfer", since, 1).unwrap();
        }
    }
    theatre.close();
}

fn serial(dig: &str) -> Option<u32> {
    let line = dig.lines().find(|line| line.contains("SOA") && !line.starts_with(';'))?;
    line.split_whitespace().nth(6)?.parse().ok()
}

/// We are the primary: they copy, hear of a change, and copy what changed.
fn copies_from_us(kind: Kind) {
    if !kind.installed() {
        return skip(&format!("{kind:?} is not installed"));
    }
    // We come first: BIND asks a primary it could not reach no more for ten minutes.
    let (ours, theirs) = (free_address(), free_address());
    let theatre = Theatre::open(&format!("{OURS}notify-to home.example {theirs}\n"), &ours.to_string()).unwrap();
    let server = Server::start(kind, &Part::Secondary { primary: ours }, theirs);
    let since = sys::clock::wall_micros();
    server.wait("copied the zone", |server| server.dig(&["www.home.example", "A"]).contains("192.0.2.2"));
    let before = serial(&server.dig(&["home.example", "SOA"])).unwrap();
    let key = format!("hmac-sha256:xfer:{SECRET}");
    let Some(told) = nsupdate(ours, Some(&key), false, "update add new.home.example 300 A 192.0.2.77") else {
        return theatre.close();
    };
    assert!(told.contains("NOERROR"), "{told}");
    server.wait("copied the change", |server| server.dig(&["new.home.example", "A"]).contains("192.0.2.77"));
    assert_ne!(serial(&server.dig(&["home.example", "SOA"])).unwrap(), before);
    theatre.wait_for("qtype:IXFR code:NOERROR key:xfer transport:tcp", since, 1).unwrap();
    theatre.close();
}

#[test]
fn bind_copies_our_zone() {
    copies_from_us(Kind::Named);
}

#[test]
fn knot_copies_our_zone() {
    copies_from_us(Kind::Knotd);
}

#[test]
fn nsd_copies_our_zone() {
    copies_from_us(Kind::Nsd);
}

const THEIRS: &str = "\
$ORIGIN home.example.
$TTL 300
@ SOA ns hostmaster 10 3600 600 86400 60
@ NS ns
ns A 192.0.2.53
www A 192.0.2.1
";

fn ask(theatre: &Theatre, name: &str) -> String {
    let address = theatre.address();
    let output = Command::new("dig")
        .args([&format!("@{}", address.ip()), "-p", &address.port().to_string(), "+tries=1", "+time=2", name, "A"])
        .output()
        .unwrap();
    told(&output)
}

fn wait(what: &str, server: &Server, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never {what}:\n{}", server.log());
        std::thread::yield_now();
    }
}

/// They are the primary: we copy, hear of a change, and copy what changed.
fn copied_by_us(kind: Kind) {
    if !kind.installed() {
        return skip(&format!("{kind:?} is not installed"));
    }
    let ours = free_address();
    let server = Server::start(kind, &Part::Primary { records: THEIRS, secondary: ours }, free_address());
    let scenario = format!("key xfer hmac-sha256\nmirror home.example {} key=xfer\n", server.address);
    let theatre = Theatre::open(&scenario, &ours.to_string()).unwrap();
    wait("copied here", &server, || ask(&theatre, "www.home.example").contains("192.0.2.1"));
    // NSD takes no updates.
    if kind != Kind::Nsd {
        let since = sys::clock::wall_micros();
        let key = format!("hmac-sha256:xfer:{SECRET}");
        let Some(told) = nsupdate(server.address, Some(&key), false, "update add new.home.example 300 A 192.0.2.88")
        else {
            return theatre.close();
        };
        assert!(told.contains("NOERROR"), "{told}");
        wait("copied the change", &server, || ask(&theatre, "new.home.example").contains("192.0.2.88"));
        theatre.wait_for("opcode:NOTIFY code:NOERROR", since, 1).unwrap();
    }
    theatre.close();
}

#[test]
fn we_copy_a_zone_of_bind() {
    copied_by_us(Kind::Named);
}

#[test]
fn we_copy_a_zone_of_knot() {
    copied_by_us(Kind::Knotd);
}

#[test]
fn we_copy_a_zone_of_nsd() {
    copied_by_us(Kind::Nsd);
}
