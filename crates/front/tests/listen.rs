//! The listeners on real sockets: what clients get, what the log gets, and what happens at the limits.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use engine::{LimitSettings, Transport};
use front::TcpSettings;
use support::{BIG, PATIENCE, Server, Udp, query, settings, taken};
use tokio::io::AsyncWriteExt;

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_over_udp_first_from_upstream_then_from_the_cache() {
    let server = Server::start(&settings()).await;
    let client = server.udp().await;
    for (id, cache) in [(1, "miss"), (2, "hit"), (3, "hit")] {
        let reply = client.ask(&query(id, "www.example A")).await;
        assert_eq!(taken(&reply, id, "www.example A").summary.as_deref(), Some("A 192.0.2.1"));
        let event = server.event();
        assert_eq!((event.cache.name(), event.transport, event.rcode), (cache, Transport::Udp, Some(0)));
        assert_eq!(usize::from(event.reply_size), reply.len());
        assert!(event.latency_micros > 0 && event.time_micros > 1_700_000_000_000_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_name_is_explained() {
    let server = Server::start(&settings()).await;
    let reply = server.udp().await.ask(&query(1, "x.ads.example A")).await;
    let taken = taken(&reply, 1, "x.ads.example A");
    assert_eq!((taken.rcode, taken.ede), (3, vec![(15, "list=ads rule=ads.example".to_owned())]));
    assert_eq!(server.event().list.as_deref(), Some("ads"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_upstream_is_explained() {
    let server = Server::start(&settings()).await;
    let reply = server.udp().await.ask(&query(1, "broken.example A")).await;
    let taken = taken(&reply, 1, "broken.example A");
    assert_eq!(taken.rcode, 2);
    assert!(taken.ede[0].1.ends_with("answered SERVFAIL"), "{:?}", taken.ede);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_udp_is_had_over_tcp() {
    let server = Server::start(&settings()).await;
    for text in ["big.example A", "big.example A plain"] {
        let reply = server.udp().await.ask(&query(1, text)).await;
        assert!(wire::reply::is_truncated(&reply) && reply.len() <= 512, "{text}");
        assert_eq!(server.event().outcome.name(), "truncated");

        let mut tcp = server.tcp().await;
        tcp.send(&query(2, text)).await;
        assert_eq!(taken(&tcp.receive().await.unwrap(), 2, text).answer_count, BIG);
        assert_eq!(server.event().transport, Transport::Tcp);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_over_tcp_come_as_they_are_ready() {
    let server = Server::start(&settings()).await;
    let mut tcp = server.tcp().await;
    let both = [query(1, "held.example A"), query(2, "www.example A")];
    tcp.0.write_all(&both.map(|query| support::framed(&query)).concat()).await.unwrap();
    let _ = taken(&tcp.receive().await.unwrap(), 2, "www.example A");
    server.release.notify_one();
    let _ = taken(&tcp.receive().await.unwrap(), 1, "held.example A");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ends_its_side_still_gets_its_answers() {
    let server = Server::start(&settings()).await;
    let mut tcp = server.tcp().await;
    tcp.send(&query(1, "held.example A")).await;
    tcp.0.shutdown().await.unwrap();
    server.release.notify_one();
    let _ = taken(&tcp.receive().await.unwrap(), 1, "held.example A");
    assert!(tcp.receive().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_no_queries_get_their_code_or_silence() {
    let server = Server::start(&settings()).await;
    let (client, mut tcp) = (server.udp().await, server.tcp().await);
    let good = query(7, "www.example A");
    let changed = |at: usize, octet: u8| {
        let mut bytes = good.clone();
        bytes[at] = octet;
        bytes
    };
    let version_at = good.len() - 5;
    let table: &[(&str, Vec<u8>, Option<u16>)] = &[
        ("garbage", b"hello".to_vec(), None),
        ("a response", changed(2, 0x81), None),
        ("cut short", good[..20].to_vec(), Some(1)),
        ("two questions", changed(5, 2), Some(1)),
        ("STATUS", changed(2, 2 << 3), Some(4)),
        ("EDNS version 1", changed(version_at, 1), Some(16)),
    ];
    for (case, bytes, rcode) in table {
        for transport in [Transport::Udp, Transport::Tcp] {
            match transport {
                Transport::Udp => client.send(bytes).await,
                _ => tcp.send(bytes).await,
            }
            // Silence is proved by the next query: on one socket, replies given at once come in order.
            let expected = if rcode.is_none() { query(9, "x.ads.example A") } else { Vec::new() };
            if rcode.is_none() {
                match transport {
                    Transport::Udp => client.send(&expected).await,
                    _ => tcp.send(&expected).await,
                }
            }
            let reply = match transport {
                Transport::Udp => client.receive().await,
                _ => tcp.receive().await.unwrap(),
            };
            let event = server.event();
            assert_eq!((event.rcode, event.transport), (*rcode, transport), "{case}");
            match rcode {
                None => {
                    assert_eq!(reply[..2], [0, 9], "{case}");
                    assert_eq!(server.event().action.name(), "block", "{case}");
                }
                Some(rcode) => assert_eq!((reply[1], u16::from(reply[3] & 0xf)), (7, rcode & 0xf), "{case}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_leave_from_the_address_that_was_asked() {
    let everywhere = front::Settings { addresses: vec![(Ipv4Addr::UNSPECIFIED, 0).into()], ..settings() };
    let server = Server::start(&everywhere).await;
    // A connected client hears only that address.
    let client = Udp::connect((Ipv4Addr::new(127, 0, 0, 2), server.address.port()).into()).await;
    let _at_once = taken(&client.ask(&query(1, "x.ads.example A")).await, 1, "x.ads.example A");
    let _late = taken(&client.ask(&query(2, "www.example A")).await, 2, "www.example A");
}

#[tokio::test(flavor = "multi_thread")]
async fn places_for_waiting_have_an_end() {
    let server = Server::start(&front::Settings { pursuits_max: 1, ..settings() }).await;
    let client = server.udp().await;
    client.send(&query(1, "held.example A")).await;
    // The same socket, so the same thread: the first has its place before the second is read.
    let reply = client.ask(&query(2, "www.example A")).await;
    let turned_away = taken(&reply, 2, "www.example A");
    assert_eq!((turned_away.rcode, turned_away.ede), (2, vec![(0, "too many queries are waiting".to_owned())]));
    assert_eq!(server.front.figures().pursuits_overflowed, 1);
    server.release.notify_one();
    let _ = taken(&client.receive().await, 1, "held.example A");
}

/// Names made up below a domain whose servers do not answer take half of the places, and leave the rest to others.
#[tokio::test(flavor = "multi_thread")]
async fn one_domain_does_not_take_all_places_for_waiting() {
    let server = Server::start(&front::Settings { pursuits_max: 16, threads: 1, ..settings() }).await;
    let client = server.udp().await;
    for id in 0..20 {
        client.send(&query(id, &format!("held{id}.slow.example.com A"))).await;
    }
    for _ in 0..12 {
        let reply = client.receive().await;
        assert_eq!(reply[3] & 15, 2, "{reply:?}");
    }
    assert_eq!(server.front.figures().pursuits_crowded_out, 12);
    let answer = client.ask(&query(99, "www.example.org A")).await;
    assert_eq!(taken(&answer, 99, "www.example.org A").rcode, 0, "another domain");
    server.release.notify_waiters();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_have_limits() {
    let tcp = TcpSettings { connections_per_client_max: 1, ..TcpSettings::default() };
    let server = Server::start(&front::Settings { tcp, ..settings() }).await;
    let mut first = server.tcp().await;
    first.send(&query(1, "www.example A")).await;
    assert!(first.receive().await.is_some());
    assert!(server.tcp().await.receive().await.is_none(), "turned away");
    assert_eq!(server.front.figures().connections_turned_away, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_slow_connections_are_closed() {
    let short = Duration::from_millis(50);
    let tcp = TcpSettings { idle: short, message_time_max: short, write_time_max: short, ..TcpSettings::default() };
    let server = Server::start(&front::Settings { tcp, ..settings() }).await;
    assert!(server.tcp().await.receive().await.is_none(), "idle");

    let mut half = server.tcp().await;
    half.0.write_all(&[0, 40, 1]).await.unwrap();
    assert!(half.receive().await.is_none(), "half a message");

    // Asks for much and reads nothing, until the buffers are full and it is cut.
    let mut deaf = server.tcp().await;
    let many = support::framed(&query(1, "big.example A")).repeat(100);
    let cut = async { while deaf.0.write_all(&many).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, cut).await.expect("a client that does not read is cut");
    drop(deaf);
    while server.front.figures().connections_cut < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_waits_out_its_lookups_however_idle() {
    let tcp = TcpSettings { idle: Duration::from_millis(20), ..TcpSettings::default() };
    let server = Server::start(&front::Settings { tcp, ..settings() }).await;
    let mut waiting = server.tcp().await;
    waiting.send(&query(1, "held.example A")).await;
    // Another connection idles away meanwhile, so the time is over for this one too.
    assert!(server.tcp().await.receive().await.is_none());
    server.release.notify_one();
    let _ = taken(&waiting.receive().await.unwrap(), 1, "held.example A");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_named() {
    let server = Server::start(&settings()).await;
    let taken = front::Settings { addresses: vec![server.address], ..settings() };
    let error = Server::try_start(&taken).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("cannot listen on tcp {}: ", server.address)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_server_has_for_udp_is_not_shared() {
    let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = front::Settings { addresses: vec![other.local_addr().unwrap()], ..settings() };
    let error = Server::try_start(&taken).await.err().unwrap();
    assert!(error.to_string().starts_with("cannot listen on udp "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_answers_frees_the_port_and_ends_the_log() {
    let server = Server::start(&settings()).await;
    let client = server.udp().await;
    client.send(&query(1, "held.example A")).await;
    // The next reply from the same thread says that the first query has been taken up.
    let _ = client.ask(&query(2, "x.ads.example A")).await;
    let (address, events, release) = (server.address, server.events, server.release);
    let stopping = tokio::spawn(server.front.stop());
    release.notify_one();
    let _ = taken(&client.receive().await, 1, "held.example A");
    stopping.await.unwrap();

    let logged: Vec<_> = events.iter().map(|event| event.domain.unwrap().to_string()).collect();
    assert_eq!(logged.len(), 2, "{logged:?}");
    let again: SocketAddr = address;
    assert!(UdpSocket::bind(again).is_ok());
}

/// A network that floods gets silence and a word now and then; the log says how many, though it says few of them one by one, and
/// says it although nothing comes any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_held_back_and_counted_to_the_last_query() {
    let server = Server::start(&front::Settings { threads: 1, ..settings() }).await;
    let limits =
        LimitSettings { queries_per_second: 50, told_every: 10, events_per_second: 20, ..LimitSettings::default() };
    server.shared.publish_limits(Arc::new(limits));
    let client = server.udp().await;
    // The first batch is still under the limits there were.
    let _ = taken(&client.ask(&query(1, "x.ads.example A")).await, 1, "x.ads.example A");
    server.event();
    const SENT: u64 = 2_000;
    for id in 0..SENT {
        client.send(&query(id as u16, "y.ads.example A")).await;
        // No more at once than the smallest receive buffer holds.
        while id % 50 == 49 && server.shared.counters().queries <= id + 1 {
            tokio::task::yield_now().await;
        }
    }
    let (mut counted, mut events, mut held) = (0, 0, 0);
    while counted < SENT {
        let event = server.event();
        let queries = 1 + u64::from(event.repeats);
        (counted, events) = (counted + queries, events + 1);
        if event.action.name() == "limit" {
            held += queries;
        }
    }
    assert_eq!(counted, SENT);
    assert!(held > SENT / 2, "{held} of {SENT} held back");
    assert!(events < SENT / 2, "{events} events of {SENT} queries");
}
