//! The prober against the real server: every code over every transport it can travel, each right, each in the log.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::probe::{self, Report, Transport, Verdict};
use nameward::config;
use nameward::serve::House;
use search::Window;
use wire::code::{CODES, Code};
use wire::name::Folded;
use wire::tsig::{Algorithm, Key};

const SECRET: &[u8] = b"0123456789012345678901234567890a";
/// From here cookies are required.
const COOKIE_CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Longest wait for an event to become searchable.
const EVENT_WITHIN: Duration = Duration::from_secs(10);

fn configuration(state: &Path) -> String {
    let state = state.display();
    format!(
        r#"
state = "{state}"
[listen]
dns = ["127.0.0.1:0"]
[web]
listen = ""
[cookies]
require_from = ["{COOKIE_CLIENT}"]
[tkey]
create = true
allow = ["key:probe.key"]
[[key]]
name = "probe.key"
secret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MGE="
[[zone]]
name = "probe.example"
records = [
  "@   60 SOA   ns1 host 1 3600 600 86400 60",
  "@   60 NS    ns1",
  "@   60 NS    ns2",
  "ns1 60 A     192.0.2.1",
  "ns2 60 A     192.0.2.2",
  "d   60 DNAME a-target-longer-than-its-owner.example.org.",
]
transfer = ["key:probe.key"]
update = ["key:probe.key"]
[[zone]]
name = "unloaded.example"
file = "{state}/missing.zone"
"#
    )
}

fn settings(server: SocketAddr) -> probe::Settings {
    let name = |text| Folded::from_text(text).unwrap();
    probe::Settings {
        zone: Some(name("probe.example")),
        key: Some(Arc::new(Key::new(name("probe.key"), Algorithm::HmacSha256, SECRET))),
        servfail_names: vec![name("unloaded.example")],
        dname: Some(name("d.probe.example")),
        ..probe::Settings::new(server)
    }
}

fn told(report: &Report) -> String {
    let line = |finding: &probe::Finding| {
        let seen = finding.seen.as_ref().map(|seen| seen.code().to_string());
        format!("{} {} {} {seen:?} {}\n", finding.name, finding.transport.name(), finding.verdict, finding.note)
    };
    report.findings.iter().filter(|finding| finding.verdict != Verdict::Right).map(line).collect()
}

#[test]
fn every_code_is_produced_where_it_belongs_and_remembered() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let state = tempfile::tempdir().unwrap();
    let config = config::read(&configuration(state.path()), state.path()).unwrap();
    let house = House::open(config, state.path(), &runtime).unwrap();
    let since = sys::clock::wall_micros();
    let all = settings(house.dns_addresses()[0]);
    let cookies = probe::Settings { from: Some(IpAddr::V4(COOKIE_CLIENT)), only: vec![Code::BADCOOKIE], ..all.clone() };

    let report = runtime.block_on(probe::run(&all)).unwrap();
    let bad = report.count(Verdict::Wrong) + report.count(Verdict::NoReply) + report.count(Verdict::Skipped);
    assert_eq!(bad, 0, "{}", told(&report));
    let with_cookies = runtime.block_on(probe::run(&cookies)).unwrap();
    assert_eq!(with_cookies.count(Verdict::Right), 1, "{}", told(&with_cookies));
    for info in CODES {
        let over_udp = report.saw(info.code, Transport::Udp) || with_cookies.saw(info.code, Transport::Udp);
        assert_eq!(over_udp, info.code != Code::DSOTYPENI, "{} over UDP\n{}", info.name, told(&report));
        let over_tcp = report.saw(info.code, Transport::Tcp);
        assert_eq!(over_tcp, info.code != Code::BADCOOKIE, "{} over TCP\n{}", info.name, told(&report));
    }

    let searcher = house.searcher();
    let deadline = Instant::now() + EVENT_WITHIN;
    for info in CODES {
        let search = search::parse(&format!("code:{}", info.name)).unwrap();
        loop {
            let window = Window { from: since, to: sys::clock::wall_micros() + 1 };
            if runtime.block_on(searcher.count(&search, window)).unwrap() > 0 {
                break;
            }
            assert!(Instant::now() < deadline, "no event with {}", info.name);
            std::thread::yield_now();
        }
    }
    house.close(&runtime);
}
