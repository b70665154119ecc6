//! A small primary on loopback: SOA, AXFR, IXFR, NOTIFY taken; signed when it has a key.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wire::kind;
use wire::message::{Builder, Message, Record, Section};
use wire::name::Folded;
use wire::tsig::{self, Algorithm, Key, Keys, Signer, Tsig};
use zone::{Delta, Zone};

/// Records in one message of a transfer: few, so that transfers have several.
const RECORDS_PER_MESSAGE: usize = 3;

/// What it does when asked for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ixfr {
    Sends,
    SaysNotimp,
    Closes,
    /// Sends the first message, then goes away.
    Breaks,
}

/// A primary; gone when dropped.
pub(super) struct Primary {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Serials told by NOTIFY.
    pub(super) notified: mpsc::Receiver<u32>,
    tasks: Vec<JoinHandle<()>>,
}

struct State {
    zone: Zone,
    history: Vec<Arc<Delta>>,
    ixfr: Ixfr,
    key: Option<Arc<Key>>,
    /// Whether UDP is left unanswered.
    is_deaf: bool,
    /// RCODE of replies to NOTIFY.
    notify_rcode: u16,
    /// Types asked for, in order.
    asked: Vec<u16>,
    notified: mpsc::Sender<u32>,
}

impl Drop for Primary {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Primary {
    pub(super) async fn start(zone: Zone) -> Primary {
        let (sender, notified) = mpsc::channel(64);
        let state = State {
            zone,
            history: Vec::new(),
            ixfr: Ixfr::Sends,
            key: None,
            is_deaf: false,
            notify_rcode: 0,
            asked: Vec::new(),
            notified: sender,
        };
        let state = Arc::new(Mutex::new(state));
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let tasks =
            vec![tokio::spawn(serve_udp(udp, Arc::clone(&state))), tokio::spawn(serve_tcp(tcp, Arc::clone(&state)))];
        Primary { address, state, notified, tasks }
    }

    /// Puts the next version in its place.
    pub(super) fn publish(&self, zone: Zone) {
        let mut state = self.state.lock().unwrap();
        let delta = Delta::between(&state.zone, &zone).unwrap();
        state.history.push(Arc::new(delta));
        state.zone = zone;
    }

    pub(super) fn ixfr(&self, ixfr: Ixfr) {
        self.state.lock().unwrap().ixfr = ixfr;
    }

    pub(super) fn key(&self, key: &Arc<Key>) {
        self.state.lock().unwrap().key = Some(Arc::clone(key));
    }

    pub(super) fn deaf(&self) {
        self.state.lock().unwrap().is_deaf = true;
    }

    pub(super) fn answers_notify(&self, rcode: u16) {
        self.state.lock().unwrap().notify_rcode = rcode;
    }

    /// Types asked for since the last call, as `SOA IXFR`.
    pub(super) fn asked(&self) -> String {
        let asked = std::mem::take(&mut self.state.lock().unwrap().asked);
        asked.iter().map(|qtype| kind::type_name(*qtype).into_owned()).collect::<Vec<_>>().join(" ")
    }
}

/// UDP and TCP on one port: tried until a port is free for both.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

async fn serve_udp(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut octets = vec![0; 4_096];
    loop {
        let (len, from) = socket.recv_from(&mut octets).await.unwrap();
        let reply = {
            let mut state = state.lock().unwrap();
            if state.is_deaf { None } else { state.answer(&octets[..len]).into_iter().next() }
        };
        if let Some(reply) = reply {
            socket.send_to(&reply, from).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve_stream(stream, Arc::clone(&state)));
    }
}

async fn serve_stream(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    while let Ok(len) = stream.read_u16().await {
        let mut octets = vec![0; usize::from(len)];
        stream.read_exact(&mut octets).await.unwrap();
        let replies = state.lock().unwrap().answer(&octets);
        if replies.is_empty() {
            return;
        }
        for reply in &replies {
            let framed = [&(reply.len() as u16).to_be_bytes()[..], reply].concat();
            if stream.write_all(&framed).await.is_err() {
                return;
            }
        }
        if state.lock().unwrap().ixfr == Ixfr::Breaks {
            return;
        }
    }
}

struct One(Option<Arc<Key>>);

impl Keys for One {
    fn find(&self, name: &Folded, algorithm: Algorithm) -> Option<Arc<Key>> {
        self.0.clone().filter(|key| key.name == *name && key.algorithm == algorithm)
    }
}

impl State {
    /// All messages of an answer; none closes the connection.
    fn answer(&mut self, octets: &[u8]) -> Vec<Vec<u8>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (plain, mut signer) = match Tsig::find(octets) {
            None => (octets.to_vec(), None),
            Some(at) => match tsig::check(octets, at, &One(self.key.clone()), now) {
                tsig::Checked::Good { message, signer } => (message, Some(signer)),
                tsig::Checked::Bad(refusal) => {
                    let mut reply = head(&Message::read(octets).unwrap(), 9).finish();
                    refusal.append(&mut reply, now);
                    return vec![reply];
                }
                tsig::Checked::Malformed { at } => panic!("malformed TSIG at {at}"),
            },
        };
        let query = Message::read(&plain).unwrap();
        let question = query.questions[0].clone();
        if query.opcode() == 4 {
            let serial = super::super::exchange::soa_serial(&query.answer[0]).unwrap();
            self.notified.try_send(serial).unwrap();
            return sign(head(&query, self.notify_rcode).finish(), &mut signer, now);
        }
        self.asked.push(question.qtype);
        if self.key.is_some() && signer.is_none() {
            return vec![head(&query, 5).finish()];
        }
        let records: Vec<Record> = match question.qtype {
            kind::SOA => vec![self.zone.soa().unwrap()],
            kind::AXFR => zone::transfer::whole(self.zone.clone()).collect(),
            kind::IXFR => {
                let serial = super::super::exchange::soa_serial(&query.authority[0]).unwrap();
                match self.ixfr {
                    Ixfr::SaysNotimp => return sign(head(&query, 4).finish(), &mut signer, now),
                    Ixfr::Closes => return Vec::new(),
                    Ixfr::Sends | Ixfr::Breaks => match zone::transfer::since(self.zone.clone(), &self.history, serial)
                    {
                        Some(records) => records.collect(),
                        None => zone::transfer::whole(self.zone.clone()).collect(),
                    },
                }
            }
            other => panic!("asked for {}", kind::type_name(other)),
        };
        let mut messages = Vec::new();
        for chunk in records.chunks(RECORDS_PER_MESSAGE) {
            let mut builder = head(&query, 0);
            chunk.iter().for_each(|record| assert!(builder.record(Section::Answer, record)));
            messages.extend(sign(builder.finish(), &mut signer, now));
        }
        if self.ixfr == Ixfr::Breaks {
            messages.truncate(1);
        }
        messages
    }
}

fn head(query: &Message, rcode: u16) -> Builder {
    let mut builder = Builder::new(query.id, query.flags & 0x7800 | 0x8400 | rcode, 65_535);
    let question = &query.questions[0];
    builder.question(question.qname.name(), question.qtype, question.qclass);
    builder
}

fn sign(mut reply: Vec<u8>, signer: &mut Option<Signer>, now: u64) -> Vec<Vec<u8>> {
    if let Some(signer) = signer {
        signer.sign(&mut reply, now);
    }
    vec![reply]
}
