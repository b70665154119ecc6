//! Many messages on one TCP connection: pipelining, framing, clients that take nothing, and everybody's turn.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use front::TcpSettings;
use support::{PATIENCE, Server, Tcp, framed, query, settings, taken};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

/// Answered at once: blocked.
const BLOCKED: &str = "x.ads.example A";

fn pipelined(ids: std::ops::Range<u16>, text: impl Fn(u16) -> String) -> Vec<u8> {
    ids.flat_map(|id| framed(&query(id, &text(id)))).collect()
}

/// IDs of so many replies.
async fn ids(tcp: &mut Tcp, count: usize) -> Vec<u16> {
    let mut ids = Vec::with_capacity(count);
    while ids.len() < count {
        let reply = tcp.receive().await.expect("a reply");
        ids.push(u16::from_be_bytes([reply[0], reply[1]]));
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_queries_in_one_write_are_all_answered() {
    let server = Server::start(&settings()).await;
    let mut tcp = server.tcp().await;
    tcp.0.write_all(&pipelined(0..700, |_| BLOCKED.into())).await.unwrap();
    assert_eq!(ids(&mut tcp, 700).await, (0..700).collect::<Vec<_>>(), "what is answered at once comes in order");
    for _ in 0..700 {
        let event = server.event();
        assert!(event.latency_micros > 0 && event.reply_size > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_beyond_the_limit_wait_and_are_all_answered() {
    for in_flight_max in [1, 5, 64] {
        let tcp = TcpSettings { in_flight_max, ..TcpSettings::default() };
        let server = Server::start(&front::Settings { tcp, ..settings() }).await;
        let mut tcp = server.tcp().await;
        tcp.0.write_all(&pipelined(0..300, |id| format!("n{id}.example A"))).await.unwrap();
        // Half-closed: what has been sent is still answered.
        tcp.0.shutdown().await.unwrap();
        let got: BTreeSet<u16> = ids(&mut tcp, 300).await.into_iter().collect();
        assert_eq!((got.len(), tcp.receive().await), (300, None), "{in_flight_max} at once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_places_taken_nothing_more_is_read() {
    let tcp = TcpSettings { in_flight_max: 1, ..TcpSettings::default() };
    let server = Server::start(&front::Settings { tcp, ..settings() }).await;
    let mut tcp = server.tcp().await;
    let both = [query(1, "held.example A"), query(2, BLOCKED)];
    tcp.0.write_all(&both.map(|query| framed(&query)).concat()).await.unwrap();
    // Another connection is answered, so there was time for this one.
    let mut other = server.tcp().await;
    other.send(&query(3, BLOCKED)).await;
    assert_eq!(ids(&mut other, 1).await, [3]);
    server.release.notify_one();
    assert_eq!(ids(&mut tcp, 2).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_holds_up_no_other() {
    let server = Server::start(&settings()).await;
    let mut tcp = server.tcp().await;
    let slow = framed(&query(999, "held.example A"));
    tcp.0.write_all(&[slow, pipelined(0..400, |_| BLOCKED.into())].concat()).await.unwrap();
    assert_eq!(ids(&mut tcp, 400).await, (0..400).collect::<Vec<_>>());
    server.release.notify_one();
    let _ = taken(&tcp.receive().await.unwrap(), 999, "held.example A");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_whatever_pieces_a_stream_comes_the_replies_are_the_same() {
    let server = Server::start(&settings()).await;
    let messages = [query(1, BLOCKED), Vec::new(), b"hello".to_vec(), query(2, BLOCKED), query(3, BLOCKED)];
    let mut stream: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
    // A last message that never comes whole.
    stream.extend_from_slice(&framed(&query(4, BLOCKED))[..30]);
    for size in [1, 2, 3, 7, 46, stream.len()] {
        let mut tcp = server.tcp().await;
        tcp.0.set_nodelay(true).unwrap();
        for piece in stream.chunks(size) {
            tcp.0.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        tcp.0.shutdown().await.unwrap();
        assert_eq!(ids(&mut tcp, 3).await, [1, 2, 3], "pieces of {size}");
        assert_eq!(tcp.receive().await, None, "pieces of {size}");
        let codes: Vec<_> = messages.iter().map(|_| server.event().rcode).collect();
        assert_eq!(codes, [Some(3), None, None, Some(3), Some(3)], "pieces of {size}");
    }
}

/// What the system may hold on the way, and we in the end.
const HELD_BYTES_MAX: usize = 8 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_not_answered_for_ever() {
    let tcp = TcpSettings { write_time_max: Duration::from_millis(300), ..TcpSettings::default() };
    let server = Server::start(&front::Settings { tcp, ..settings() }).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(server.address).await.unwrap();
    let many = framed(&query(1, "big.example A")).repeat(100);
    let mut sent = 0;
    let cut = async {
        while deaf.write_all(&many).await.is_ok() {
            sent += 100;
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.expect("it is cut");
    assert_eq!(server.front.figures().connections_cut, 1);
    let answered: usize = server.events.try_iter().map(|event| usize::from(event.reply_size) + 2).sum();
    assert!(answered < HELD_BYTES_MAX, "{answered} octets of answers to {sent} queries");
}

/// All on one thread: nothing else runs while a connection has its turn.
#[tokio::test]
async fn endless_queries_of_one_client_do_not_keep_another_waiting() {
    let server = Server::start(&settings()).await;
    let (mut greedy, mut modest) = (server.tcp().await, server.tcp().await);
    for tcp in [&mut greedy, &mut modest] {
        tcp.send(&query(1, BLOCKED)).await;
        assert_eq!(ids(tcp, 1).await, [1]);
        let _ = server.event();
    }
    let each = framed(&query(1, BLOCKED));
    // Both lie in the system's buffers before the server has looked.
    let written = greedy.0.try_write(&each.repeat(1_000)).unwrap();
    assert_eq!(modest.0.try_write(&framed(&query(2, "other.ads.example A"))).unwrap(), each.len() + 4);
    let count = written / each.len();
    assert!(count > 500, "{count}");
    let (_, modest_ids) = tokio::join!(ids(&mut greedy, count), ids(&mut modest, 1));
    assert_eq!(modest_ids, [2]);
    let domains: Vec<_> = (0..=count).map(|_| server.event().domain.unwrap()).collect();
    let at = domains.iter().position(|domain| &**domain == "other.ads.example").unwrap();
    assert!(at < count / 2, "behind {at} of {count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_lie_idle_and_go_on() {
    const MANY: u16 = 300;
    let tcp = TcpSettings { connections_per_client_max: MANY.into(), ..TcpSettings::default() };
    let server = Server::start(&front::Settings { tcp, ..settings() }).await;
    let mut guests = Vec::new();
    for id in 0..MANY {
        let mut tcp = server.tcp().await;
        tcp.send(&query(id, BLOCKED)).await;
        assert_eq!(ids(&mut tcp, 1).await, [id]);
        guests.push(tcp);
    }
    assert_eq!(server.tcp().await.receive().await, None, "one too many");
    for (id, tcp) in guests.iter_mut().enumerate() {
        tcp.send(&query(id as u16, "www.example A")).await;
        assert_eq!(ids(tcp, 1).await, [id as u16]);
    }
    let figures = server.front.figures();
    assert_eq!((figures.connections, figures.connections_cut, figures.connections_turned_away), (MANY.into(), 0, 1));
}
