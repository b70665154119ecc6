//! The resolver against upstreams on loopback that count what they are asked.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;

use super::*;
use crate::upstream::{Transport, UpstreamSettings};

/// QTYPE A.
const A: u16 = 1;

/// The question of `a.example A`.
pub(crate) fn question(text: &str) -> Question {
    let (name, kind) = text.split_once(' ').unwrap();
    Question {
        qname: Folded::from_text(name).unwrap(),
        qtype: wire::kind::type_from_name(kind).unwrap(),
        qclass: IN,
        checking_disabled: false,
        dnssec_ok: false,
    }
}

/// An upstream's reply: for NOERROR one A record 192.0.2.1 with TTL 60, otherwise nothing but the code.
pub(crate) fn reply(id: u16, text: &str, rcode: u16) -> Vec<u8> {
    let question = question(text);
    let answers = u8::from(rcode == 0 && question.qtype == A);
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0x81, 0x80 | rcode as u8, 0, 1, 0, answers, 0, 0, 0, 0]);
    bytes.extend_from_slice(question.qname.wire());
    bytes.extend_from_slice(&[question.qtype.to_be_bytes(), question.qclass.to_be_bytes()].concat());
    if answers == 1 {
        bytes.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    }
    bytes
}

/// The same, taken apart.
pub(crate) fn stored(text: &str, rcode: u16) -> Stored {
    let question = question(text);
    wire::reply::take(&reply(7, text, rcode), 7, &question.qname, question.qtype, question.qclass).unwrap()
}

/// An upstream on loopback that counts what it is asked and answers by name.
struct Upstream {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    /// Answers to names beginning with `held` wait for this.
    release: Arc<Notify>,
    /// First label → code; `tc` truncates over UDP, `mute` is never answered.
    codes: Arc<Mutex<HashMap<String, u16>>>,
}

impl Upstream {
    async fn start() -> Upstream {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let udp = Arc::new(UdpSocket::bind(address).await.unwrap());
        let upstream = Upstream {
            address,
            asked: Arc::default(),
            connections: Arc::default(),
            release: Arc::default(),
            codes: Arc::default(),
        };
        let (asked, release, codes) =
            (Arc::clone(&upstream.asked), Arc::clone(&upstream.release), Arc::clone(&upstream.codes));
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((len, peer)) = udp.recv_from(&mut query).await {
                asked.fetch_add(1, Relaxed);
                let (query, udp) = (query[..len].to_vec(), Arc::clone(&udp));
                let (release, codes) = (Arc::clone(&release), Arc::clone(&codes));
                tokio::spawn(async move {
                    if label(&query) == "held" {
                        release.notified().await;
                    }
                    let Some(mut reply) = answer(&query, &codes) else { return };
                    if label(&query) == "tc" {
                        reply[2] |= 2;
                    }
                    // A forger's reply first: it must not be believed.
                    let mut forged = reply.clone();
                    forged[0] ^= 0x55;
                    forged[3] |= 3;
                    udp.send_to(&forged, peer).await.unwrap();
                    udp.send_to(&reply, peer).await.unwrap();
                });
            }
        });
        let (asked, connections) = (Arc::clone(&upstream.asked), Arc::clone(&upstream.connections));
        let codes = Arc::clone(&upstream.codes);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Relaxed);
                let (asked, codes) = (Arc::clone(&asked), Arc::clone(&codes));
                tokio::spawn(async move {
                    while let Ok(len) = stream.read_u16().await {
                        let mut query = vec![0; usize::from(len)];
                        stream.read_exact(&mut query).await.unwrap();
                        asked.fetch_add(1, Relaxed);
                        let reply = answer(&query, &codes).unwrap();
                        stream.write_u16(reply.len() as u16).await.unwrap();
                        stream.write_all(&reply).await.unwrap();
                    }
                });
            }
        });
        upstream
    }

    fn settings(&self, transport: Transport) -> UpstreamSettings {
        UpstreamSettings { address: self.address, transport }
    }

    fn says(&self, label: &str, code: Code) {
        self.codes.lock().unwrap().insert(label.to_owned(), code.number());
    }

    fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }
}

fn label(query: &[u8]) -> &str {
    std::str::from_utf8(&query[13..13 + usize::from(query[12])]).unwrap()
}

fn answer(query: &[u8], codes: &Mutex<HashMap<String, u16>>) -> Option<Vec<u8>> {
    if label(query) == "mute" {
        return None;
    }
    let rcode = codes.lock().unwrap().get(label(query)).copied().unwrap_or(0);
    let id = u16::from_be_bytes([query[0], query[1]]);
    Some(reply(id, &format!("{}.example A", label(query)), rcode))
}

fn cache() -> Arc<Cache> {
    Arc::new(Cache::new(cache::Settings {
        size_bytes: 1 << 20,
        l1_entries: 64,
        ttl_min: 0,
        ttl_max: 86_400,
        negative_ttl_max: 10_800,
        failure_ttl: 5,
        stale_max: 86_400,
    }))
}

fn root(upstreams: &[UpstreamSettings]) -> Vec<GroupSettings> {
    vec![GroupSettings { suffix: Folded::from_text(".").unwrap(), upstreams: upstreams.to_vec() }]
}

fn resolver(cache: &Arc<Cache>, upstreams: &[UpstreamSettings], lookups_max: usize) -> Resolver {
    let settings = Settings { groups: root(upstreams), lookups_max, ..Settings::default() };
    Resolver::start(&settings, Arc::clone(cache), &Handle::current())
}

async fn ask(resolver: &Resolver, text: &str) -> Found {
    resolver.resolve(question(text), None).await.unwrap()
}

#[tokio::test]
async fn an_answer_is_found_and_kept_and_a_forged_one_is_not() {
    let upstream = Upstream::start().await;
    let cache = cache();
    let resolver = resolver(&cache, &[upstream.settings(Transport::Udp)], 8);
    let found = ask(&resolver, "a.example A").await;
    assert_eq!((found.entry.stored.rcode, found.entry.stored.answer_count, found.attempts), (0, 1, 1));
    assert_eq!(found.upstream.as_deref(), Some(format!("udp://{}", upstream.address).as_str()));
    let kept = cache.get(&question("a.example A").key(), clock::seconds());
    assert!(matches!(kept, Some((_, Age::Fresh { .. }))));
}

#[tokio::test]
async fn truncated_answers_come_over_tcp() {
    let upstream = Upstream::start().await;
    let resolver = resolver(&cache(), &[upstream.settings(Transport::Udp)], 8);
    let found = ask(&resolver, "tc.example A").await;
    assert_eq!((found.entry.stored.answer_count, found.attempts), (1, 2));
    assert_eq!(upstream.connections.load(Relaxed), 1);
}

#[tokio::test]
async fn tcp_connections_are_used_again() {
    let upstream = Upstream::start().await;
    let resolver = resolver(&cache(), &[upstream.settings(Transport::Tcp)], 8);
    for name in ["a.example A", "b.example A", "c.example A"] {
        assert_eq!(ask(&resolver, name).await.entry.stored.answer_count, 1);
    }
    assert_eq!((upstream.connections.load(Relaxed), upstream.asked()), (1, 3));
}

#[tokio::test]
async fn many_clients_share_one_lookup_and_the_number_of_lookups_has_an_end() {
    let upstream = Upstream::start().await;
    let resolver = resolver(&cache(), &[upstream.settings(Transport::Udp)], 1);
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let resolver = resolver.clone();
            tokio::spawn(async move { ask(&resolver, "held.example A").await })
        })
        .collect();
    while resolver.figures().joined < 19 {
        tokio::task::yield_now().await;
    }
    let turned_away = ask(&resolver, "a.example A").await;
    assert_eq!(turned_away.entry.stored.rcode, 2);
    assert_eq!(turned_away.entry.stored.ede, [(0, "too many lookups under way".to_owned())]);

    upstream.release.notify_one();
    for client in clients {
        assert_eq!(client.await.unwrap().entry.stored.answer_count, 1);
    }
    assert_eq!(upstream.asked(), 1);
    assert_eq!(resolver.figures(), Figures { in_flight: 0, lookups: 1, joined: 19, overflowed: 1 });
}

#[tokio::test]
async fn the_impatient_leave_and_the_lookup_goes_on() {
    let upstream = Upstream::start().await;
    let cache = cache();
    let resolver = resolver(&cache, &[upstream.settings(Transport::Udp)], 8);
    assert!(resolver.resolve(question("held.example A"), Some(Duration::from_millis(1))).await.is_none());
    let joined = tokio::spawn({
        let resolver = resolver.clone();
        async move { ask(&resolver, "held.example A").await }
    });
    while resolver.figures().joined < 1 {
        tokio::task::yield_now().await;
    }
    upstream.release.notify_one();
    assert_eq!(joined.await.unwrap().entry.stored.answer_count, 1);
    assert!(cache.get(&question("held.example A").key(), clock::seconds()).is_some());
}

#[tokio::test]
async fn the_next_upstream_answers_for_a_failing_one() {
    let (bad, good) = (Upstream::start().await, Upstream::start().await);
    bad.says("a", Code::SERVFAIL);
    let resolver = resolver(&cache(), &[bad.settings(Transport::Udp), good.settings(Transport::Udp)], 8);
    let found = ask(&resolver, "a.example A").await;
    assert_eq!(found.entry.stored.rcode, 0);
    assert_eq!(found.upstream.as_deref(), Some(format!("udp://{}", good.address).as_str()));
}

#[tokio::test]
async fn a_failure_of_all_is_passed_on_explained_and_kept_for_a_while() {
    let upstream = Upstream::start().await;
    upstream.says("broken", Code::SERVFAIL);
    upstream.says("closed", Code::REFUSED);
    let cache = cache();
    let resolver = resolver(&cache, &[upstream.settings(Transport::Udp)], 8);
    for (name, code) in [("broken.example A", "SERVFAIL"), ("closed.example A", "REFUSED")] {
        let found = ask(&resolver, name).await;
        assert!(found.failed());
        assert_eq!(Code::from_key(found.entry.stored.rcode).name(), code);
        assert_eq!(found.entry.stored.ede, [(0, format!("udp://{} answered {code}", upstream.address))]);
    }
    assert!(cache.get(&question("broken.example A").key(), clock::seconds()).is_some());
}

#[tokio::test]
async fn a_closed_port_is_a_network_error_and_makes_the_upstream_ill() {
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let settings = UpstreamSettings { address: closed, transport: Transport::Udp };
    let resolver = resolver(&cache(), &[settings], 8);
    for number in 0..5 {
        let found = ask(&resolver, &format!("n{number}.example A")).await;
        assert_eq!((found.entry.stored.rcode, found.entry.stored.ede[0].0), (2, 23));
    }
    let status = &resolver.status()[0];
    assert_eq!((status.healthy, status.failed), (false, 5));
}

#[tokio::test]
async fn a_failure_does_not_push_out_an_old_answer() {
    let upstream = Upstream::start().await;
    upstream.says("a", Code::SERVFAIL);
    let cache = cache();
    let resolver = resolver(&cache, &[upstream.settings(Transport::Udp)], 8);
    let key = question("a.example A").key();
    let now = clock::seconds();
    let _ = cache.put(key.clone(), stored("a.example A", 0), None, now.saturating_sub(100));
    assert!(matches!(cache.get(&key, now), Some((_, Age::Stale { .. }))), "the machine has been up for 100 s");

    assert!(ask(&resolver, "a.example A").await.failed());
    let (kept, _) = cache.get(&key, clock::seconds()).unwrap();
    assert_eq!(kept.stored.answer_count, 1);
    assert!(resolver.failed_recently(&key, clock::seconds()));
    assert!(!resolver.failed_recently(&key, clock::seconds() + RECHECK_AFTER_SECONDS + 1));
}

#[tokio::test]
async fn upstreams_can_be_swapped_under_way() {
    let (old, new) = (Upstream::start().await, Upstream::start().await);
    let resolver = resolver(&cache(), &[old.settings(Transport::Udp)], 8);
    let held = tokio::spawn({
        let resolver = resolver.clone();
        async move { ask(&resolver, "held.example A").await }
    });
    while old.asked() == 0 {
        tokio::task::yield_now().await;
    }
    resolver.reconfigure(&root(&[new.settings(Transport::Udp)]));
    assert_eq!(ask(&resolver, "a.example A").await.upstream.unwrap().as_ref(), format!("udp://{}", new.address));
    old.release.notify_one();
    assert_eq!(held.await.unwrap().entry.stored.answer_count, 1);
}
