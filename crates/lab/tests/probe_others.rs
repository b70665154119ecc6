//! The prober against servers that others wrote: what Debian's BIND and Knot show is known exactly, so a prober that sees
//! more or less than this is wrong itself.
//!
//! Each server runs on a free port of loopback with a zone, a key that may update and transfer it, a zone that fails to
//! load, and cookies required. A server that is not installed is skipped, and said so.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use lab::probe::{self, Outcome, Report, Transport, Verdict};
use wire::code::{CODES, Code};
use wire::name::Folded;
use wire::tsig::{Algorithm, Key};

const SECRET: &[u8] = b"0123456789012345678901234567890a";
const SECRET_BASE64: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MGE=";
const ZONE: &str = "\
$TTL 60
@   SOA   ns1 host 1 3600 600 86400 60
@   NS    ns1
@   NS    ns2
ns1 A     192.0.2.1
ns2 A     192.0.2.2
d   DNAME a-target-longer-than-its-owner.example.org.
";

/// A server of others, stopped when dropped.
struct Server {
    process: Child,
    address: SocketAddr,
    /// Its files; gone when dropped.
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A machine without the program skips the test, but not in CI, which installs it.
fn skip<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("skipped: {why}");
    None
}

/// Starts a server and waits until it says that it is up. `None` when it is not installed.
fn start(program: &str, ready: &str, prepare: impl Fn(&Path, u16) -> Option<Vec<String>>) -> Option<Server> {
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("probe.example.zone"), ZONE).unwrap();
        let port = testkit::free_address().port();
        let arguments = prepare(folder.path(), port)?;
        let Some(copy) = testkit::copied(program, folder.path()) else {
            return skip(&format!("{program} is not installed"));
        };
        let mut process =
            Command::new(copy).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut told = Vec::new();
        let is_up = lines.by_ref().any(|line| {
            let is_ready = line.contains(ready);
            told.push(line);
            is_ready
        });
        let server = Server { process, address: (Ipv4Addr::LOCALHOST, port).into(), _folder: folder };
        // BIND comes up without the address that it could not have.
        if is_up && !told.iter().any(|line| line.contains("address in use")) {
            // The pipe must be emptied, or the server waits for us.
            std::thread::spawn(move || lines.for_each(drop));
            return Some(server);
        }
        eprintln!("{program} did not come up:\n{}", told.join("\n"));
    }
    panic!("{program} did not come up on any port");
}

fn bind() -> Option<Server> {
    start("named", "all zones loaded", |folder, port| {
        let at = folder.display();
        // Without a Diffie-Hellman key of its own BIND takes no TKEY of that mode at all.
        let made = Command::new("dnssec-keygen")
            .args(["-K", &at.to_string(), "-T", "KEY", "-a", "DH", "-b", "1024", "-n", "HOST", "tkey.example"])
            .output();
        let Ok(made) = made else {
            return skip("dnssec-keygen is not installed");
        };
        let made = String::from_utf8(made.stdout).unwrap();
        let Some((_, tag)) = made.trim().rsplit_once('+') else {
            eprintln!("skipped: this BIND knows no Diffie-Hellman keys (9.18 was the last that did)");
            return None;
        };
        let tag: u16 = tag.parse().unwrap();
        let text = format!(
            r#"
            options {{
                directory "{at}";
                pid-file "{at}/named.pid";
                session-keyfile none;
                listen-on port {port} {{ 127.0.0.1; }};
                listen-on-v6 {{ none; }};
                recursion no;
                dnssec-validation no;
                notify no;
                allow-transfer {{ key probe.key; }};
                require-server-cookie yes;
                tkey-dhkey "tkey.example" {tag};
                tkey-domain "tkey.example";
            }};
            controls {{ }};
            key "probe.key" {{ algorithm hmac-sha256; secret "{SECRET_BASE64}"; }};
            zone "probe.example" {{ type primary; file "probe.example.zone"; allow-update {{ key probe.key; }}; }};
            zone "broken.example" {{ type primary; file "missing.zone"; }};
            "#
        );
        fs::write(folder.join("named.conf"), text).unwrap();
        Some(vec!["-g".to_owned(), "-c".to_owned(), format!("{at}/named.conf")])
    })
}

fn knot() -> Option<Server> {
    start("knotd", "server started in the foreground", |folder, port| {
        let at = folder.display();
        let text = format!(
            r#"
server:
    rundir: "{at}"
    listen: 127.0.0.1@{port}
log:
  - target: stderr
    any: info
database:
    storage: "{at}"
key:
  - id: probe.key
    algorithm: hmac-sha256
    secret: {SECRET_BASE64}
acl:
  - id: probe
    key: probe.key
    action: [transfer, update]
template:
  - id: default
    storage: "{at}"
    global-module: mod-cookies
zone:
  - domain: probe.example
    file: probe.example.zone
    acl: probe
  - domain: broken.example
    file: missing.zone
"#
        );
        fs::write(folder.join("knot.conf"), text).unwrap();
        Some(vec!["-c".to_owned(), format!("{at}/knot.conf")])
    })
}

async fn probe(server: &Server) -> Report {
    let name = |text| Folded::from_text(text).unwrap();
    let settings = probe::Settings {
        zone: Some(name("probe.example")),
        key: Some(Arc::new(Key::new(name("probe.key"), Algorithm::HmacSha256, SECRET))),
        servfail_names: vec![name("broken.example")],
        dname: Some(name("d.probe.example")),
        // Knot drops what it does not like: each such probe waits this long, twice.
        patience: std::time::Duration::from_secs(1),
        ..probe::Settings::new(server.address)
    };
    let report = probe::run(&settings).await.unwrap();
    for finding in &report.findings {
        let seen = finding.seen.as_ref().map_or_else(|| "-".to_owned(), |seen| seen.code().to_string());
        let (transport, aim) = (finding.transport.name(), finding.aim.map_or("silence".into(), Code::name));
        println!("{:<20} {transport} {aim:<10} {seen:<10} {:<11} {}", finding.name, finding.verdict, finding.note);
    }
    report
}

/// Asserts which codes were not seen over a transport; all others were.
#[track_caller]
fn lacks(report: &Report, transport: Transport, expected: &[Code]) {
    let missing: BTreeSet<Code> =
        CODES.iter().map(|info| info.code).filter(|&code| !report.saw(code, transport)).collect();
    assert_eq!(missing, expected.iter().copied().collect(), "over {transport:?}");
}

/// Asserts which probes did not get the code they aim at, and what they got instead.
#[track_caller]
fn deviates(report: &Report, expected: &[(&str, Verdict)]) {
    let others = report.findings.iter().filter(|finding| finding.verdict != Verdict::Right);
    let others: BTreeSet<_> = others.map(|finding| (finding.name, finding.verdict)).collect();
    assert_eq!(others, expected.iter().copied().collect());
}

#[tokio::test]
async fn bind_shows_every_code_but_dsotypeni() {
    let Some(server) = bind() else { return };
    let report = probe(&server).await;
    lacks(&report, Transport::Udp, &[Code::DSOTYPENI]);
    lacks(&report, Transport::Tcp, &[Code::DSOTYPENI, Code::BADCOOKIE]);
    deviates(
        &report,
        &[
            ("dso-keepalive", Verdict::NotOffered),
            ("dso-counts", Verdict::NotOffered),
            ("dso-unknown-type", Verdict::NotOffered),
            ("trailing-octets", Verdict::Permitted),
            // BIND compares however few octets there are: RFC 8945 §5.2.2.1 wants FORMERR, and it says BADSIG.
            ("short-mac", Verdict::Wrong),
        ],
    );
    assert_eq!(report.outcome(), Outcome::Wrong);
}

#[tokio::test]
async fn knot_shows_no_code_of_tkey() {
    let Some(server) = knot() else { return };
    let report = probe(&server).await;
    let tkey = [Code::BADMODE, Code::BADNAME, Code::BADALG];
    // Knot knows no cut MACs: to it they are wrong ones.
    lacks(&report, Transport::Udp, &[&tkey[..], &[Code::DSOTYPENI, Code::BADTRUNC]].concat());
    lacks(&report, Transport::Tcp, &[&tkey[..], &[Code::DSOTYPENI, Code::BADTRUNC, Code::BADCOOKIE]].concat());
    deviates(
        &report,
        &[
            // Messages without exactly one question are dropped.
            ("cut-question", Verdict::NoReply),
            ("two-questions", Verdict::NoReply),
            ("update-two-zones", Verdict::NoReply),
            ("dso-keepalive", Verdict::NoReply),
            ("dso-udp", Verdict::NoReply),
            ("dso-unknown-type", Verdict::NoReply),
            ("dso-counts", Verdict::NotOffered),
            ("opt-owner", Verdict::Permitted),
            // NOTAUTH where others say REFUSED.
            ("unsigned-transfer", Verdict::Permitted),
            ("unsigned-update", Verdict::Permitted),
            ("tkey-other-group", Verdict::NotOffered),
            ("tkey-mode", Verdict::NotOffered),
            ("tkey-delete", Verdict::NotOffered),
            ("tkey-algorithm", Verdict::NotOffered),
            // A signed request for a zone that is not there is answered unsigned.
            ("foreign-update", Verdict::Wrong),
            ("foreign-transfer", Verdict::Wrong),
            ("short-mac", Verdict::Wrong),
            ("cut-mac", Verdict::Wrong),
        ],
    );
    assert_eq!(report.outcome(), Outcome::Wrong);
}

/// Nobody is there: every probe says so, and the whole run does.
#[tokio::test]
async fn nobody_answers() {
    let server = testkit::free_address();
    let patience = std::time::Duration::from_millis(200);
    let settings = probe::Settings { patience, attempts: 1, only: vec![Code::FORMERR], ..probe::Settings::new(server) };
    let report = probe::run(&settings).await.unwrap();
    assert_eq!(report.outcome(), Outcome::NoReply);
    assert!(report.findings.iter().all(|finding| finding.seen.is_none()));
}
