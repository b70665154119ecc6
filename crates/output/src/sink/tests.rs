//! Sinks against far ends on loopback: there, gone, back, slow, wrong.

mod frames;

use std::io::{BufReader, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use event::{Action, Builder, CacheState, Event, Flags, Outcome};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// Longest wait for what has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Events numbered from here on.
pub(crate) fn batch(first_seq: u64, rows: u64) -> Batch {
    let mut builder = Builder::new(first_seq);
    for number in first_seq..first_seq + rows {
        builder.push(&Event {
            time_micros: 1_764_000_000_000_000 + number as i64,
            client: "192.0.2.7".parse().unwrap(),
            client_port: 40_000,
            transport: event::Transport::Udp,
            opcode: 0,
            domain: Some("www.example".into()),
            qtype: 1,
            qclass: 1,
            flags: Flags::RD,
            outcome: Outcome::Answered,
            rcode: Some(0),
            tsig_error: None,
            tkey_error: None,
            ede: [].into(),
            answer: Some("A 192.0.2.1".into()),
            answer_count: 1,
            ttl: Some(60),
            action: Action::Pass,
            list: None,
            rule: None,
            trace: None,
            cache: CacheState::Hit,
            upstream: None,
            upstream_latency_micros: None,
            attempts: 0,
            key: None,
            update: None,
            repeats: 0,
            latency_micros: 100,
            query_size: 40,
            reply_size: 56,
            tenant: None,
            node: None,
        });
    }
    builder.finish()
}

fn settings(target: &str, spool: &Path) -> Settings {
    Settings {
        name: "test".to_owned(),
        target: target.parse().unwrap(),
        format: Format::Json,
        tls: Tls::default(),
        node: "ns1.example".to_owned(),
        version: "0.1.0".to_owned(),
        select: None,
        spool_folder: spool.to_owned(),
        spool_bytes: 64 << 20,
        pace: Pace { first: Duration::from_millis(5), max: Duration::from_millis(20) },
        random: Box::new(|| 7),
    }
}

fn start(target: &str, spool: &Path) -> Sink {
    Sink::start(settings(target, spool)).unwrap()
}

/// Waits until the status is so.
fn until(sink: &Sink, what: impl Fn(&Status) -> bool) -> Status {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = sink.status();
        if what(&status) {
            return status;
        }
        assert!(Instant::now() < end, "{status:?}");
        thread::yield_now();
    }
}

/// The number of the event in a message.
fn number(message: &[u8]) -> u64 {
    let text = std::str::from_utf8(message).unwrap();
    let body: serde_json::Value = serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap();
    body["id"].as_str().unwrap().rsplit_once('-').unwrap().1.parse().unwrap()
}

/// Reads a message whose octets are counted (RFC 6587 §3.4.1).
fn read_counted(stream: &mut impl std::io::BufRead) -> Option<u64> {
    let mut count = Vec::new();
    stream.read_until(b' ', &mut count).ok().filter(|len| *len > 0)?;
    let count: usize = std::str::from_utf8(&count).unwrap().trim_end().parse().ok()?;
    let mut message = vec![0; count];
    stream.read_exact(&mut message).ok()?;
    Some(number(&message))
}

/// A server that takes one connection and tells the numbers it reads, `most` at most; then it closes.
fn take<S: Read + Send>(
    listener: &TcpListener,
    most: usize,
    wrap: impl FnOnce(TcpStream) -> S + Send + 'static,
) -> Receiver<u64> {
    let (told, heard) = sync_channel(100_000);
    let listener = listener.try_clone().unwrap();
    thread::spawn(move || {
        let mut stream = BufReader::new(wrap(listener.accept().unwrap().0));
        for _ in 0..most {
            let Some(number) = read_counted(&mut stream) else { return };
            told.send(number).unwrap();
        }
    });
    heard
}

fn hear(heard: &Receiver<u64>, count: usize) -> Vec<u64> {
    (0..count).map(|_| heard.recv_timeout(PATIENCE).unwrap()).collect()
}

fn numbers(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("syslog+tcp://{}", listener.local_addr().unwrap());
    (listener, target)
}

#[test]
fn events_arrive_in_order_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, target) = listener();
    let heard = take(&listener, usize::MAX, |stream| stream);
    let sink = start(&target, folder.path());
    for first in (0..1000).step_by(100) {
        sink.offer(batch(first, 100));
    }
    assert_eq!(hear(&heard, 1000), numbers(0..1000));
    let status = until(&sink, |status| status.sent == 1000);
    assert!(status.connected_since.is_some());
    sink.stop();
    let status = sink.status();
    assert_eq!((status.again, status.spooled, status.lost.total(), status.queued), (0, 0, 0, 0));
    assert!(heard.recv().is_err(), "nothing twice");
}

#[test]
fn datagrams_hold_one_message_each() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let sink = start(&format!("syslog+udp://{}", socket.local_addr().unwrap()), folder.path());
    sink.offer(batch(0, 20));
    let mut octets = [0; 4096];
    for expected in 0..20 {
        let len = socket.recv(&mut octets).unwrap();
        assert!(octets.starts_with(b"<134>1 "));
        assert_eq!(number(&octets[..len]), expected);
    }
}

#[test]
fn a_far_end_that_was_down_gets_everything_in_order_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let (listening, target) = listener();
    let address = listening.local_addr().unwrap();
    drop(listening);
    let sink = start(&target, folder.path());
    sink.offer(batch(0, 500));
    let status = until(&sink, |status| status.spooled == 500 && status.last_error.is_some());
    assert!(status.spooled_bytes > 0 && status.connected_since.is_none());
    let heard = take(&TcpListener::bind(address).unwrap(), usize::MAX, |stream| stream);
    sink.offer(batch(500, 10));
    assert_eq!(hear(&heard, 510), numbers(0..510));
    let status = until(&sink, |status| status.spooled_bytes == 0);
    assert_eq!((status.sent, status.again, status.lost.total()), (510, 0, 0));
}

#[test]
fn a_connection_that_breaks_costs_nothing_and_repeats_only_what_was_in_doubt() {
    const COUNT: u64 = 1_200;
    let folder = tempfile::tempdir().unwrap();
    let (listener, target) = listener();
    let heard = take(&listener, 300, |stream| stream);
    let sink = start(&target, folder.path());
    // No more than can be in doubt together: the system may take all of it before the break is noticed.
    for first in (0..COUNT).step_by(50) {
        sink.offer(batch(first, 50));
    }
    assert_eq!(hear(&heard, 300), numbers(0..300));
    let heard = take(&listener, usize::MAX, |stream| stream);
    let first = heard.recv_timeout(PATIENCE).unwrap();
    assert!(first <= 300, "{first}: what was not read is sent again");
    assert_eq!(hear(&heard, (COUNT - 1 - first) as usize), numbers(first + 1..COUNT));
    let status = until(&sink, |status| status.again > 0 && status.spooled == 0);
    assert_eq!((status.lost.total(), status.sent), (0, COUNT + status.again));
}

#[test]
fn a_restart_sends_the_spool_first() {
    let folder = tempfile::tempdir().unwrap();
    let (listening, target) = listener();
    let address = listening.local_addr().unwrap();
    drop(listening);
    let sink = start(&target, folder.path());
    sink.offer(batch(0, 300));
    sink.stop();
    assert_eq!(sink.status().spooled, 300);
    drop(sink);
    let sink = start(&target, folder.path());
    sink.offer(batch(300, 5));
    until(&sink, |status| status.spooled == 305);
    let heard = take(&TcpListener::bind(address).unwrap(), usize::MAX, |stream| stream);
    assert_eq!(hear(&heard, 305), numbers(0..305));
}

#[test]
fn a_far_end_that_reads_late_gets_all_of_it_from_memory_and_spool() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, target) = listener();
    let sink = start(&target, folder.path());
    let stream = listener.accept().unwrap().0;
    until(&sink, |status| status.connected_since.is_some());
    let mut count = 0;
    // Until the system's buffers and ours are full.
    while sink.status().spooled == 0 {
        sink.offer(batch(count, 1000));
        count += 1000;
        until(&sink, |status| status.sent + status.queued + status.spooled >= count);
    }
    let mut stream = BufReader::new(stream);
    let heard: Vec<u64> = (0..count).map(|_| read_counted(&mut stream).unwrap()).collect();
    assert_eq!(heard, numbers(0..count));
    let status = until(&sink, |status| status.spooled == 0);
    assert_eq!((status.again, status.lost.total()), (0, 0));
}

#[test]
fn a_sink_without_a_spool_counts_what_memory_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (listening, target) = listener();
    drop(listening);
    let sink = Sink::start(Settings { spool_bytes: 0, ..settings(&target, folder.path()) }).unwrap();
    for first in (0..10_000).step_by(1000) {
        sink.offer(batch(first, 1000));
    }
    // Before the thread has looked at them, all are queued.
    let is_full = |status: &Status| status.lost.total() > 0 && status.queued + status.lost.total() == 10_000;
    let status = until(&sink, is_full);
    assert!(status.queued > 0 && status.lost.of(Loss::Queue) == status.lost.total(), "{status:?}");
    sink.stop();
    assert_eq!(sink.status().lost.of(Loss::Queue), 10_000);
}

#[test]
fn only_what_is_selected_is_sent_and_gaps_in_the_feed_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, target) = listener();
    let heard = take(&listener, usize::MAX, |stream| stream);
    let select: Select = Box::new(|row| row.seq % 10 == 3);
    let sink = Sink::start(Settings { select: Some(select), ..settings(&target, folder.path()) }).unwrap();
    sink.offer(batch(0, 30));
    sink.offer(batch(37, 10));
    assert_eq!(hear(&heard, 4), [3, 13, 23, 43]);
    assert_eq!(until(&sink, |status| status.lost.total() > 0).lost.of(Loss::Feed), 7);
}

#[test]
fn a_batch_that_cannot_be_read_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, target) = listener();
    let heard = take(&listener, usize::MAX, |stream| stream);
    let sink = start(&target, folder.path());
    sink.offer(batch(0, 3));
    sink.offer(batch(3, 4).project(&[0]).unwrap());
    sink.offer(batch(9, 2));
    assert_eq!(hear(&heard, 5), [0, 1, 2, 9, 10]);
    let lost = until(&sink, |status| status.sent == 5).lost;
    assert_eq!((lost.of(Loss::Damaged), lost.of(Loss::Feed)), (4, 2));
}

fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// A TLS server's end; it wants our client certificate.
fn tls_server() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem("ca.pem")).unwrap()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![CertificateDer::from_pem_file(pem("server.pem")).unwrap()],
            PrivateKeyDer::from_pem_file(pem("server.key")).unwrap(),
        )
        .unwrap();
    Arc::new(config)
}

fn tls_stream(stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(tls_server()).unwrap(), stream)
}

fn tls_files() -> Tls {
    Tls {
        ca_file: Some(pem("ca.pem")),
        client_cert_file: Some(pem("client.pem")),
        client_key_file: Some(pem("client.key")),
    }
}

#[test]
fn tls_carries_messages_both_ends_knowing_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, _) = listener();
    let port = listener.local_addr().unwrap().port();
    let heard = take(&listener, usize::MAX, tls_stream);
    let target = format!("syslog+tls://127.0.0.1:{port}");
    let sink = Sink::start(Settings { tls: tls_files(), ..settings(&target, folder.path()) }).unwrap();
    for first in (0..5000).step_by(500) {
        sink.offer(batch(first, 500));
    }
    assert_eq!(hear(&heard, 5000), numbers(0..5000));
    until(&sink, |status| status.sent == 5000);
    sink.stop();
    assert_eq!(
        (sink.status().again, sink.status().spooled),
        (0, 0),
        "the far end closed in its turn: it has everything"
    );
}

#[test]
fn a_stop_keeps_what_a_far_end_did_not_take() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, target) = listener();
    let sink = start(&target, folder.path());
    let deaf = listener.accept().unwrap().0;
    until(&sink, |status| status.connected_since.is_some());
    let mut count = 0;
    while sink.status().spooled == 0 {
        sink.offer(batch(count, 1000));
        count += 1000;
        until(&sink, |status| status.sent + status.queued + status.spooled >= count);
    }
    sink.stop();
    let status = sink.status();
    assert_eq!((status.lost.total(), status.queued, status.connected_since), (0, 0, None));
    assert!(status.spooled > 0 && status.again > 0, "{status:?}");
    drop(deaf);
    let sink = start(&target, folder.path());
    let heard = take(&listener, usize::MAX, |stream| stream);
    let kept = sink.status().spooled.max(status.spooled) as usize;
    assert_eq!(hear(&heard, kept), numbers(count - kept as u64..count), "the newest, in order");
}

#[test]
fn a_far_end_that_reads_tls_late_gets_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, _) = listener();
    let target = format!("syslog+tls://localhost:{}", listener.local_addr().unwrap().port());
    let sink = Sink::start(Settings { tls: tls_files(), ..settings(&target, folder.path()) }).unwrap();
    let mut stream = tls_stream(listener.accept().unwrap().0);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    let mut count = 0;
    until(&sink, |status| status.connected_since.is_some());
    while sink.status().spooled == 0 {
        sink.offer(batch(count, 1000));
        count += 1000;
        until(&sink, |status| status.sent + status.queued + status.spooled >= count);
    }
    let mut stream = BufReader::new(stream);
    let heard: Vec<u64> = (0..count).map(|_| read_counted(&mut stream).unwrap()).collect();
    assert_eq!(heard, numbers(0..count));
}

#[test]
fn a_certificate_nobody_vouches_for_gets_no_events() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, _) = listener();
    let port = listener.local_addr().unwrap().port();
    let _heard = take(&listener, usize::MAX, tls_stream);
    // The client's certificate is nobody's authority.
    let tls = Tls { ca_file: Some(pem("client.pem")), ..Tls::default() };
    let target = format!("syslog+tls://localhost:{port}");
    let sink = Sink::start(Settings { tls, ..settings(&target, folder.path()) }).unwrap();
    sink.offer(batch(0, 10));
    let status = until(&sink, |status| status.last_error.is_some() && status.spooled == 10);
    assert!(status.last_error.as_ref().unwrap().contains("certificate"), "{status:?}");
    assert_eq!(status.sent, 0);
}

#[test]
fn waits_double_up_to_the_longest_with_half_of_it_by_chance() {
    let pace = Pace { first: Duration::from_secs(1), max: Duration::from_secs(10) };
    for (failures, random, millis) in
        [(1, 0, 500), (1, 1023, 1000), (2, 1023, 2000), (4, 1023, 8000), (5, 1023, 10_000), (4_000_000, 0, 5000)]
    {
        assert_eq!(pace.wait(failures, random), Duration::from_millis(millis), "{failures} {random}");
    }
}

#[test]
fn a_spool_that_cannot_be_opened_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Sink::start(settings("syslog+udp://127.0.0.1:1", &file)).err().unwrap();
    assert!(error.to_string().contains("cannot open the spool"), "{error}");
}
