//! Cookies, TCP keepalive and other options on real sockets.

#![allow(clippy::unwrap_used)]

mod support;

use engine::{CookieMode, Transport};
use support::{NSID, Server, query, query_with, rcode_and_option, settings};
use wire::view::option;

const CLIENT_COOKIE: &[u8] = b"clientco";

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_once_given_is_good() {
    let server = Server::start(&settings()).await;
    server.cookies(CookieMode::Require);
    let client = server.udp().await;
    let reply = client.ask(&query_with(1, "www.example A", &[(option::COOKIE, CLIENT_COOKIE)])).await;
    // Header nibble 7 and one extended bit: 23.
    assert_eq!((reply[3] & 0xf, reply[7]), (7, 0));
    let (rcode, cookie) = rcode_and_option(&reply, option::COOKIE);
    let cookie = cookie.unwrap();
    assert_eq!((rcode, cookie.len(), &cookie[..8]), (23, 24, CLIENT_COOKIE));
    let event = server.event();
    assert_eq!((event.rcode, event.outcome.name()), (Some(23), "error"));
    assert!(event.trace.unwrap().starts_with("cookies: "));

    // On the way to an upstream and back, and from the cache.
    for id in [2, 3] {
        let reply = client.ask(&query_with(id, "www.example A", &[(option::COOKIE, &cookie)])).await;
        assert_eq!(rcode_and_option(&reply, option::COOKIE), (0, Some(cookie.clone())));
        assert_eq!(server.event().rcode, Some(0));
    }
    // Another client's is not.
    let mut foreign = cookie.clone();
    foreign[0] ^= 1;
    let reply = client.ask(&query_with(4, "www.example A", &[(option::COOKIE, &foreign)])).await;
    assert_eq!(rcode_and_option(&reply, option::COOKIE).0, 23);
    assert_eq!(server.event().rcode, Some(23));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cookie_the_stream_is_the_proof() {
    let server = Server::start(&settings()).await;
    server.cookies(CookieMode::Require);
    let reply = server.udp().await.ask(&query(1, "www.example A")).await;
    assert!(wire::reply::is_truncated(&reply));
    assert_eq!(server.event().outcome.name(), "truncated");
    let mut tcp = server.tcp().await;
    for (id, cookie) in [(1, &b"clientco"[..]), (2, b"clientco and a wrong one")] {
        tcp.send(&query_with(id, "www.example A", &[(option::COOKIE, cookie)])).await;
        let (rcode, given) = rcode_and_option(&tcp.receive().await.unwrap(), option::COOKIE);
        assert_eq!((rcode, given.map(|given| given.len())), (0, Some(24)), "BADCOOKIE is never said over TCP");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_may_be_asked_for_alone() {
    let server = Server::start(&settings()).await;
    let probe = {
        let mut bytes = [9u16, 0x0100, 0, 0, 0, 1].map(u16::to_be_bytes).concat();
        bytes.extend([0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 12, 0, 10, 0, 8]);
        bytes.extend(CLIENT_COOKIE);
        bytes
    };
    let client = server.udp().await;
    assert_eq!(rcode_and_option(&client.ask(&probe).await, option::COOKIE), (1, None));
    server.cookies(CookieMode::Give);
    let (rcode, cookie) = rcode_and_option(&client.ask(&probe).await, option::COOKIE);
    assert_eq!((rcode, cookie.unwrap().len()), (0, 24));
}

#[tokio::test(flavor = "multi_thread")]
async fn keepalive_is_told_over_tcp_only_and_the_name_to_who_asks() {
    let server = Server::start(&settings()).await;
    let bytes = query_with(1, "www.example A", &[(option::TCP_KEEPALIVE, &[]), (option::NSID, &[])]);
    let reply = server.udp().await.ask(&bytes).await;
    assert_eq!(rcode_and_option(&reply, option::TCP_KEEPALIVE), (0, None));
    assert_eq!(rcode_and_option(&reply, option::NSID).1.unwrap(), NSID.as_bytes());
    let mut tcp = server.tcp().await;
    tcp.send(&bytes).await;
    let reply = tcp.receive().await.unwrap();
    // Ten seconds, in tenths.
    assert_eq!(rcode_and_option(&reply, option::TCP_KEEPALIVE), (0, Some(vec![0, 100])));
    tcp.send(&query(2, "www.example A")).await;
    let reply = tcp.receive().await.unwrap();
    assert_eq!(rcode_and_option(&reply, option::TCP_KEEPALIVE), (0, None));
    assert_eq!(rcode_and_option(&reply, option::NSID), (0, None));
}

/// An update where there are no zones: taken up off the hot path, over UDP and TCP.
#[tokio::test(flavor = "multi_thread")]
async fn operations_are_answered_too() {
    let server = Server::start(&settings()).await;
    let mut update = query(5, "www.example SOA");
    update[2] = 5 << 3;
    let reply = server.udp().await.ask(&update).await;
    assert_eq!((&reply[..2], reply[2] >> 3 & 0xf, reply[3] & 0xf), (&update[..2], 5, 4));
    let event = server.event();
    assert_eq!((event.opcode, event.rcode, event.transport), (5, Some(4), Transport::Udp));
    let mut tcp = server.tcp().await;
    tcp.send(&update).await;
    assert_eq!(tcp.receive().await.unwrap()[3] & 0xf, 4);
    assert_eq!(server.event().transport, Transport::Tcp);
}
