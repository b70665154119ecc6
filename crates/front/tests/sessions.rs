//! DSO sessions (RFC 8490) on real sockets.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::ErrorKind;

use support::{PATIENCE, Server, Tcp, query, query_with, settings, taken};
use tokio::io::AsyncReadExt;
use wire::dso::{Dso, Tlv, tlv};
use wire::view::option;

fn dso(id: u16, kind: u16, data: &[u8]) -> Vec<u8> {
    Dso { id, is_response: false, rcode: 0, tlvs: vec![Tlv { kind, data }] }.write()
}

/// A keepalive request, both times in seconds.
fn keepalive(id: u16, inactivity: u32, interval: u32) -> Vec<u8> {
    dso(id, tlv::KEEPALIVE, &[inactivity, interval].map(|seconds| (seconds * 1_000).to_be_bytes()).concat())
}

/// Makes a session and checks that it is one.
async fn session(server: &Server, inactivity: u32) -> Tcp {
    let mut tcp = server.tcp().await;
    tcp.send(&keepalive(1, inactivity, 600)).await;
    let reply = tcp.receive().await.unwrap();
    let reply = Dso::read(&reply).unwrap();
    assert_eq!((reply.id, reply.is_response, reply.rcode), (1, true, 0));
    let granted = [inactivity * 1_000, 600_000].map(u32::to_be_bytes).concat();
    assert_eq!(reply.tlvs, [Tlv { kind: tlv::KEEPALIVE, data: &granted }]);
    let event = server.event();
    assert_eq!((event.opcode, event.rcode, event.outcome.name()), (6, Some(0), "answered"));
    tcp
}

/// The connection is reset, with nothing sent before.
async fn expect_reset(tcp: &mut Tcp) {
    let read = tokio::time::timeout(PATIENCE, tcp.0.read_u8()).await.expect("an end");
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_carries_questions() {
    let server = Server::start(&settings()).await;
    let mut tcp = session(&server, 30).await;
    tcp.send(&query(2, "www.example A")).await;
    assert_eq!(taken(&tcp.receive().await.unwrap(), 2, "www.example A").answer_count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_type_is_told_and_the_connection_goes_on() {
    let server = Server::start(&settings()).await;
    let mut tcp = server.tcp().await;
    tcp.send(&dso(7, 0x40, b"subscribe")).await;
    let reply = tcp.receive().await.unwrap();
    assert_eq!(Dso::read(&reply).unwrap(), Dso { id: 7, is_response: true, rcode: 11, tlvs: Vec::new() });
    let event = server.event();
    assert_eq!((event.opcode, event.rcode, event.outcome.name()), (6, Some(11), "error"));
    assert_eq!(event.trace.as_deref(), Some("session: DSO type 64 is not implemented"));
    tcp.send(&query(8, "www.example A")).await;
    let _ = taken(&tcp.receive().await.unwrap(), 8, "www.example A");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_udp_there_are_no_sessions() {
    let server = Server::start(&settings()).await;
    let reply = server.udp().await.ask(&keepalive(3, 15, 15)).await;
    assert_eq!(reply, [0, 3, 0xb0, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
    let event = server.event();
    assert_eq!((event.opcode, event.rcode), (6, Some(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_rules_reset_the_connection() {
    let server = Server::start(&settings()).await;
    let response = Dso { id: 9, is_response: true, rcode: 0, tlvs: Vec::new() }.write();
    let messages = [keepalive(0, 15, 15), dso(0, 0x40, b"push"), dso(5, tlv::RETRY_DELAY, &[0; 4]), response];
    for (index, message) in messages.iter().enumerate() {
        for established in [false, true] {
            let mut tcp = if established { session(&server, 30).await } else { server.tcp().await };
            tcp.send(message).await;
            expect_reset(&mut tcp).await;
            let event = server.event();
            assert_eq!((event.opcode, event.rcode, event.outcome.name()), (6, None, "dropped"), "message {index}");
        }
    }
    assert_eq!(server.front.figures().sessions_aborted, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn edns_keepalive_has_no_place_in_a_session() {
    let server = Server::start(&settings()).await;
    let mut tcp = session(&server, 30).await;
    tcp.send(&query_with(2, "www.example A", &[(option::TCP_KEEPALIVE, &[])])).await;
    expect_reset(&mut tcp).await;
    assert!(server.event().trace.unwrap().contains("EDNS TCP keepalive"));
}

/// Five seconds are the least a client is given (RFC 8490 §6.4.1).
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stays_too_long_is_reset() {
    let server = Server::start(&settings()).await;
    let mut tcp = session(&server, 0).await;
    expect_reset(&mut tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_tells_when_to_come_back() {
    let server = Server::start(&settings()).await;
    let mut tcp = session(&server, 30).await;
    let mut plain = server.tcp().await;
    plain.send(&query(2, "www.example A")).await;
    let _ = plain.receive().await.unwrap();
    let stopping = tokio::spawn(server.front.stop());
    let farewell = tcp.receive().await.unwrap();
    let farewell = Dso::read(&farewell).unwrap();
    assert_eq!((farewell.id, farewell.is_response, farewell.rcode), (0, false, 0));
    assert_eq!(farewell.tlvs, [Tlv { kind: tlv::RETRY_DELAY, data: &1_000u32.to_be_bytes() }]);
    // What is sent now is not looked at.
    tcp.send(&query(3, "www.example A")).await;
    assert_eq!(plain.receive().await, None);
    drop(tcp);
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap();
}
