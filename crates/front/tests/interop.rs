//! Clients we did not write: dig (BIND) and kdig (Knot DNS) must understand what we say.

#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

use engine::CookieMode;
use support::{NSID, Server, settings};

/// Runs a client against a server and looks for texts in what it prints. Where the client is missing the test says so
/// and passes, except in CI, which has to have it.
async fn check(client: &'static str, table: &'static [(&'static str, &'static [&'static str])]) {
    check_with(client, CookieMode::Off, table).await;
}

async fn check_with(client: &'static str, mode: CookieMode, table: &'static [(&'static str, &'static [&'static str])]) {
    if Command::new(client).arg("-v").output().is_err() {
        assert!(std::env::var("CI").is_err(), "{client} is missing");
        eprintln!("note: {client} is not installed; nothing tested");
        return;
    }
    let server = Server::start(&settings()).await;
    server.cookies(mode);
    let port = server.address.port().to_string();
    for (question, expected) in table {
        let port = port.clone();
        let output = tokio::task::spawn_blocking(move || {
            Command::new(client).args(["@127.0.0.1", "-p", &port]).args(question.split_whitespace()).output().unwrap()
        });
        let output = output.await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        for words in *expected {
            assert!(text.contains(words), "{client} {question}: no \"{words}\" in {text}");
        }
        assert!(!text.contains("WARNING") && !text.contains("malformed"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_understands() {
    check(
        "dig",
        &[
            ("www.example A", &["status: NOERROR", "www.example. 60 IN A 192.0.2.1", "udp: 1232"]),
            ("wWw.eXample A", &["wWw.eXample. IN A", "wWw.eXample. "]),
            ("www.example A +tcp", &["status: NOERROR", "(TCP)"]),
            ("www.example A +noedns", &["status: NOERROR", "ADDITIONAL: 0"]),
            ("www.example A +dnssec", &["status: NOERROR", "flags: do; udp: 1232"]),
            ("www.example A +cookie +nsid +padding=64 +subnet=192.0.2.0/24", &["status: NOERROR", NSID]),
            ("www.example A +tcp +keepalive", &["status: NOERROR", "10.0 secs"]),
            ("x.ads.example A", &["status: NXDOMAIN", "EDE: 15 (Blocked): (list=ads rule=ads.example)", "SOA"]),
            ("broken.example A", &["status: SERVFAIL", "EDE: 0 (Other)", "answered SERVFAIL"]),
            ("none.example A", &["status: NXDOMAIN"]),
            ("big.example A +ignore", &["flags: qr tc rd ra"]),
            ("big.example A", &["Truncated, retrying in TCP mode", "ANSWER: 90"]),
            ("www.example A +edns=1 +noednsnegotiation", &["status: BADVERS", "version: 0"]),
            ("www.example A +opcode=STATUS", &["status: NOTIMP"]),
            ("www.example A +norecurse", &["status: REFUSED", "EDE: 20 (Not Authoritative)"]),
            ("version.bind CH TXT", &["status: REFUSED", "EDE: 21 (Not Supported)"]),
            ("localhost AAAA", &["::1"]),
            ("www.example ANY +notcp", &["HINFO \"RFC8482\" \"\""]),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kdig_understands() {
    check(
        "kdig",
        &[
            ("www.example A", &["status: NOERROR", "192.0.2.1"]),
            ("www.example A +tcp +edns", &["status: NOERROR", "(TCP)", "EDNS PSEUDOSECTION"]),
            ("x.ads.example A +edns", &["status: NXDOMAIN", "EDE: 15 (Blocked)", "list=ads rule=ads.example"]),
            ("broken.example A +edns", &["status: SERVFAIL", "answered SERVFAIL"]),
            ("big.example A", &["ANSWER: 90"]),
            ("www.example A +edns=1", &["BADVERS"]),
            ("localhost A", &["127.0.0.1"]),
            ("www.example A +nsid +padding=64", &["status: NOERROR", NSID]),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_gets_a_cookie() {
    check_with("dig", CookieMode::Give, &[("www.example A", &["status: NOERROR", "; COOKIE:", "(good)"])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_and_kdig_are_asked_for_cookies_and_come_back_with_one() {
    let dig: &[(&str, &[&str])] = &[
        ("www.example A", &["BADCOOKIE, retrying", "status: NOERROR", "(good)"]),
        ("www.example A +nobadcookie", &["status: BADCOOKIE", "(good)"]),
        ("www.example A +nocookie", &["Truncated, retrying in TCP mode", "status: NOERROR"]),
        ("www.example A +tcp", &["status: NOERROR"]),
    ];
    check_with("dig", CookieMode::Require, dig).await;
    let kdig: &[(&str, &[&str])] = &[("www.example A +cookie +badcookie", &["status: NOERROR", "192.0.2.1"])];
    check_with("kdig", CookieMode::Require, kdig).await;
}
