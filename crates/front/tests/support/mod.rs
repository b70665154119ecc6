//! A server on loopback with an upstream beside it, and clients to ask it.

#![allow(dead_code, reason = "each test file uses a part")]

use std::io::BufReader;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use cache::Cache;
use engine::{CookieMode, CookieSettings, Event, Shared, Sink};
use front::{Front, Settings, StartError};
use policy::{BlockAnswer, Compiler, Format, ListAction, ListInfo, Network, Snapshot};
use resolve::{GroupSettings, Resolver, UpstreamSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use wire::cookie::Secret;
use wire::name::Folded;
use wire::reply::{BlockReply, Stored};
use wire::view::{Arrival, read};

/// Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Who the server says it is.
pub(crate) const NSID: &str = "ns1.example";

/// Events a test may leave unread.
const EVENTS_MAX: usize = 1 << 16;

/// A server at work.
pub(crate) struct Server {
    pub(crate) front: Front,
    pub(crate) shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
    pub(crate) events: mpsc::Receiver<Event>,
    /// Answers to `held.example` wait for this.
    pub(crate) release: Arc<Notify>,
}

struct Channel(mpsc::SyncSender<Event>);

impl Sink for Channel {
    fn offer(&mut self, event: Event) {
        // A test that is over listens no more.
        let _ = self.0.try_send(event);
    }
}

/// Listens on a free loopback port; blocks `ads.example` and below.
pub(crate) fn settings() -> Settings {
    Settings { addresses: vec![(Ipv4Addr::LOCALHOST, 0).into()], threads: 2, ..Settings::default() }
}

impl Server {
    pub(crate) async fn start(settings: &Settings) -> Server {
        Server::try_start(settings).await.unwrap()
    }

    pub(crate) async fn try_start(settings: &Settings) -> Result<Server, StartError> {
        let release = Arc::new(Notify::new());
        let upstream =
            UpstreamSettings { address: upstream(Arc::clone(&release)).await, transport: resolve::Transport::Udp };
        let groups = vec![GroupSettings { suffix: Folded::root(), upstreams: vec![upstream] }];
        let cache = Arc::new(Cache::new(cache::Settings::default()));
        let resolver = Resolver::start(
            &resolve::Settings { groups, ..resolve::Settings::default() },
            Arc::clone(&cache),
            &Handle::current(),
        );
        let engine_settings = engine::Settings { nsid: Arc::from(NSID.as_bytes()), ..engine::Settings::default() };
        let shared = Shared::new(Arc::new(snapshot()), cache, resolver, engine_settings);
        let (sender, events) = mpsc::sync_channel(EVENTS_MAX);
        let sinks = || -> Box<dyn Sink> { Box::new(Channel(sender.clone())) };
        let front = Front::start(settings, &shared, &sinks, &Handle::current())?;
        let address = front.local_addresses()[0];
        Ok(Server { front, shared, address, events, release })
    }

    /// Puts cookies in force, with one secret.
    pub(crate) fn cookies(&self, mode: CookieMode) {
        let secrets = Arc::from([Secret([7; 16])]);
        self.shared.publish_cookies(Arc::new(CookieSettings { mode, secrets, ..CookieSettings::default() }));
    }

    pub(crate) async fn udp(&self) -> Udp {
        Udp::connect(self.address).await
    }

    pub(crate) async fn tcp(&self) -> Tcp {
        Tcp(TcpStream::connect(self.address).await.unwrap())
    }

    /// The next event; there must be one.
    pub(crate) fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event for every arrival")
    }
}

/// A client over UDP.
pub(crate) struct Udp(UdpSocket);

impl Udp {
    pub(crate) async fn connect(server: SocketAddr) -> Udp {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.connect(server).await.unwrap();
        Udp(socket)
    }

    pub(crate) async fn send(&self, bytes: &[u8]) {
        self.0.send(bytes).await.unwrap();
    }

    pub(crate) async fn receive(&self) -> Vec<u8> {
        let mut reply = vec![0; 65_535];
        let len = tokio::time::timeout(PATIENCE, self.0.recv(&mut reply)).await.expect("a reply").unwrap();
        reply.truncate(len);
        reply
    }

    pub(crate) async fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        self.send(bytes).await;
        self.receive().await
    }
}

/// A client over TCP.
pub(crate) struct Tcp(pub(crate) TcpStream);

impl Tcp {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(&framed(bytes)).await.unwrap();
    }

    /// The next reply; `None` when the server has closed the connection.
    pub(crate) async fn receive(&mut self) -> Option<Vec<u8>> {
        let read = async {
            let len = self.0.read_u16().await.ok()?;
            let mut reply = vec![0; usize::from(len)];
            self.0.read_exact(&mut reply).await.unwrap();
            Some(reply)
        };
        tokio::time::timeout(PATIENCE, read).await.expect("a reply or the end")
    }
}

pub(crate) fn framed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// A query with OPT, or with ` plain` at the end without.
pub(crate) fn query(id: u16, text: &str) -> Vec<u8> {
    let mut words = text.split_whitespace();
    let name = Folded::from_text(words.next().unwrap()).unwrap();
    let kind = wire::kind::type_from_name(words.next().unwrap()).unwrap();
    let plain = words.next() == Some("plain");
    let mut bytes = [id, 0x0100, 1, 0, 0, u16::from(!plain)].map(u16::to_be_bytes).concat();
    bytes.extend_from_slice(name.wire());
    bytes.extend_from_slice(&[kind, 1].map(u16::to_be_bytes).concat());
    if !plain {
        bytes.extend_from_slice(&[0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0]);
    }
    bytes
}

/// The same with options in its OPT.
pub(crate) fn query_with(id: u16, text: &str, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = query(id, text);
    let options: Vec<u8> = options
        .iter()
        .flat_map(|(code, data)| [&code.to_be_bytes(), &(data.len() as u16).to_be_bytes(), *data].concat())
        .collect();
    let len_at = bytes.len() - 2;
    bytes[len_at..].copy_from_slice(&(options.len() as u16).to_be_bytes());
    bytes.extend(options);
    bytes
}

/// RCODE and an option of a reply.
pub(crate) fn rcode_and_option(reply: &[u8], option: u16) -> (u16, Option<Vec<u8>>) {
    let message = wire::message::Message::read(reply).unwrap();
    let opt = message.opt().unwrap();
    let edns = wire::view::Edns { udp_size: opt.class, dnssec_ok: false, options: &opt.rdata };
    (message.rcode(), edns.option(option).map(<[u8]>::to_vec))
}

/// A reply to `query(id, text)`, taken apart.
pub(crate) fn taken(reply: &[u8], id: u16, text: &str) -> Stored {
    let (name, kind) = text.trim_end_matches(" plain").split_once(' ').unwrap();
    let kind = wire::kind::type_from_name(kind).unwrap();
    wire::reply::take(reply, id, &Folded::from_text(name).unwrap(), kind, 1).unwrap()
}

fn snapshot() -> Snapshot {
    let mut compiler = Compiler::new(7);
    let ads = ListInfo { name: "ads".into(), action: ListAction::Block, format: Format::Auto, ede: 15 };
    compiler.add(ads, BufReader::new(&b"ads.example\n"[..])).unwrap();
    Snapshot {
        policy: compiler.finish(),
        block: BlockAnswer { kind: BlockReply::Nxdomain, ttl: 60 },
        admitted: Network::LOOPBACK.to_vec(),
        epoch: 1,
    }
}

/// Records in the answer for names that begin with `big`: over 1232 octets, so it comes over TCP only.
pub(crate) const BIG: u16 = 90;

/// An upstream that answers by first label: `big` many records, `held` only when released, `broken` SERVFAIL, `none`
/// NXDOMAIN, others 192.0.2.1.
async fn upstream(release: Arc<Notify>) -> SocketAddr {
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        // A port the system gave for TCP may be taken for UDP.
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (tcp, Arc::new(udp));
        }
    };
    let address = tcp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = vec![0; 4_096];
        while let Ok((len, peer)) = udp.recv_from(&mut query).await {
            let (query, udp, release) = (query[..len].to_vec(), Arc::clone(&udp), Arc::clone(&release));
            tokio::spawn(async move {
                if query.get(13..17) == Some(b"held") {
                    release.notified().await;
                }
                let mut reply = answer(&query);
                if reply.len() > 1_232 {
                    reply.truncate(query.len() - 11);
                    reply[2] |= 2;
                    reply[7] = 0;
                }
                udp.send_to(&reply, peer).await.unwrap();
            });
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            tokio::spawn(async move {
                let mut client = Tcp(stream);
                while let Some(query) = client.receive().await {
                    client.send(&answer(&query)).await;
                }
            });
        }
    });
    address
}

fn answer(bytes: &[u8]) -> Vec<u8> {
    let Arrival::Query(query) = read(bytes) else { panic!("the resolver asks well-formed queries") };
    let first = query.qname.wire().split_first().map_or(&[][..], |(len, rest)| &rest[..usize::from(*len)]);
    let (rcode, count) = match first {
        b"big" => (0, BIG),
        b"broken" => (2, 0),
        b"none" => (3, 0),
        _ => (0, u16::from(query.qtype == 1)),
    };
    let mut reply = [query.id, 0x8180 | rcode, 1, count, 0, 0].map(u16::to_be_bytes).concat();
    reply.extend_from_slice(&bytes[12..12 + query.qname.wire().len() + 4]);
    for number in 0..count {
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, number as u8 + 1]);
    }
    reply
}
