//! Traffic against a server that counts: every kind goes out, every code comes back, and it ends when told to.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lab::traffic::{Kind, Settings};
use lab::{Catalogue, Traffic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::timeout;
use wire::code::Code;

/// Longer than anything here should take; a wait that reaches it is a failure.
const LIMIT: Duration = Duration::from_secs(60);
const CLIENTS: usize = 12;

fn settings(target: SocketAddr, catalogue: Arc<Catalogue>) -> Settings {
    Settings {
        clients: CLIENTS,
        queries_per_second: 3000,
        odd_permille: 400,
        tcp_permille: 0,
        ..Settings::demo(target, catalogue)
    }
}

#[tokio::test]
async fn every_kind_and_every_client_reaches_the_server() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = server.local_addr().unwrap();
    let traffic = Traffic::start(settings(target, Arc::new(Catalogue::generate(1, 50)))).await.unwrap();
    let all: BTreeSet<Kind> = Kind::all().collect();
    let mut sources = BTreeSet::new();
    let mut received = 0_u64;
    let mut buffer = [0; 4096];
    let everything = async {
        while sources.len() < CLIENTS || traffic.counts().by_kind.keys().copied().collect::<BTreeSet<_>>() != all {
            let (_, from) = server.recv_from(&mut buffer).await.unwrap();
            received += 1;
            sources.insert(from.ip());
        }
    };
    timeout(LIMIT, everything).await.expect("some kind never came");
    let counts = traffic.stop().await;
    assert!(counts.sent >= received);
    assert_eq!(counts.by_kind.values().sum::<u64>(), counts.sent);
    assert_eq!(counts.replies, 0);
}

#[tokio::test]
async fn the_provider_answers_with_every_code_it_knows() {
    let internet = lab::Internet::start(lab::internet::Settings {
        site_count: 50,
        step_timeout: Duration::from_millis(100),
        ..Default::default()
    })
    .await
    .unwrap();
    let target = internet.live_upstreams()[0];
    let settings = Settings { queries_per_second: 1000, tcp_permille: 50, ..settings(target, internet.catalogue()) };
    let traffic = Traffic::start(settings).await.unwrap();
    let wanted =
        [Code::NOERROR, Code::FORMERR, Code::SERVFAIL, Code::NXDOMAIN, Code::NOTIMP, Code::REFUSED, Code::BADVERS];
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let everything = async {
        while wanted.iter().any(|code| !traffic.counts().by_code.contains_key(code)) {
            ticks.tick().await;
        }
    };
    timeout(LIMIT, everything).await.expect("some code never came");
    let counts = traffic.stop().await;
    assert_eq!(counts.by_code.values().sum::<u64>(), counts.replies);
    internet.stop().await;
}

#[tokio::test]
async fn queries_over_tcp_come_framed_from_the_client_s_own_address() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = server.local_addr().unwrap();
    let settings = Settings { tcp_permille: 1000, ..settings(target, Arc::new(Catalogue::generate(1, 50))) };
    let traffic = Traffic::start(settings).await.unwrap();
    let first = async {
        let (mut stream, from) = server.accept().await.unwrap();
        let len = stream.read_u16().await.unwrap();
        let mut query = vec![0; usize::from(len)];
        stream.read_exact(&mut query).await.unwrap();
        let mut reply = query.clone();
        reply[2] |= 0x80;
        stream.write_u16(len).await.unwrap();
        stream.write_all(&reply).await.unwrap();
        // Kept open: the client must read the reply before the connection ends.
        (from, query, stream)
    };
    let (from, query, _stream) = timeout(LIMIT, first).await.expect("nobody came");
    assert!(from.ip().to_string().starts_with("127.0.10."), "{from}");
    assert_eq!(query[4..6], [0, 1], "one question");
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let counted = async {
        while traffic.counts().by_code.get(&Code::NOERROR) != Some(&1) {
            ticks.tick().await;
        }
    };
    timeout(LIMIT, counted).await.expect("the reply was not counted");
    traffic.stop().await;
}

#[tokio::test]
async fn settings_out_of_bounds_are_refused_by_name() {
    let catalogue = Arc::new(Catalogue::generate(1, 0));
    let loopback: SocketAddr = "127.0.0.1:53".parse().unwrap();
    let outside: SocketAddr = "192.0.2.1:53".parse().unwrap();
    for (settings, said) in [
        (settings(outside, Arc::clone(&catalogue)), "loopback"),
        (Settings { clients: 0, ..settings(loopback, Arc::clone(&catalogue)) }, "clients"),
        (Settings { queries_per_second: u32::MAX, ..settings(loopback, catalogue) }, "queries per second"),
    ] {
        let error = Traffic::start(settings).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}
