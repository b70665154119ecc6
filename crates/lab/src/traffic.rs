//! Clients that ask a server all day, each from its own loopback address.
//!
//! Sends and counts, nothing more: replies are read for their code and forgotten. What is asked is decided in `mix`.
//! Speaks to loopback only, because some of what it sends is meant to offend.

mod encode;
mod mix;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::base::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use wire::code::Code;

use crate::catalogue::Catalogue;
use crate::server::{frame, read_frame};
use mix::{Mix, Shot};

pub use mix::Kind;

/// Clients there can be: 127.0.10.1 and up, 250 to a net.
pub const CLIENTS_MAX: usize = 1000;
/// Queries per second there can be; one thread cannot make more anyway.
pub const QUERIES_PER_SECOND_MAX: u32 = 50_000;
/// How often a handful of queries goes out.
const TICK: Duration = Duration::from_millis(20);
/// Connections open at once; a query over TCP that finds none free goes by UDP.
const CONNECTIONS_MAX: usize = 32;
/// How long a client waits for a reply over TCP.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest datagram read; only the code is of interest.
const DATAGRAM_BYTES_MAX: usize = 4096;
/// Pause after a failed receive (the server may just be starting).
const FAULT_PAUSE: Duration = Duration::from_millis(50);

/// What traffic to make.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server to ask; on loopback.
    pub target: SocketAddr,
    /// How many clients ask, 1 to [`CLIENTS_MAX`].
    pub clients: usize,
    /// The mean rate, at most [`QUERIES_PER_SECOND_MAX`]; the rate of the moment swings around it.
    pub queries_per_second: u32,
    /// The same seed asks the same questions in the same order.
    pub seed: u64,
    /// Names the operator blocks.
    pub blocked: Vec<String>,
    /// The sites to ask for: those of the running [`crate::Internet`].
    pub catalogue: Arc<Catalogue>,
    /// Of a thousand decisions what to ask next, how many are for troubled zones and odd messages.
    pub odd_permille: u32,
    /// Of a thousand proper queries, how many go over TCP.
    pub tcp_permille: u32,
}

impl Settings {
    /// The demo's traffic: two dozen clients, 150 queries per second.
    #[must_use]
    pub fn demo(target: SocketAddr, catalogue: Arc<Catalogue>) -> Self {
        Self {
            target,
            clients: 24,
            queries_per_second: 150,
            seed: 1,
            blocked: crate::lists::blocked_names(),
            catalogue,
            odd_permille: 150,
            tcp_permille: 20,
        }
    }
}

/// What went out and what came back, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages sent.
    pub sent: u64,
    /// Messages that could not be sent (no socket, no connection).
    pub failed: u64,
    /// Messages sent, by kind.
    pub by_kind: BTreeMap<Kind, u64>,
    /// Replies received.
    pub replies: u64,
    /// Replies by return code; at most one entry for each of the 4096 codes.
    pub by_code: BTreeMap<Code, u64>,
}

/// Running clients. Dropping them stops them too, without waiting.
#[derive(Debug)]
pub struct Traffic {
    counts: Arc<Mutex<Counts>>,
    tasks: JoinSet<()>,
}

impl Traffic {
    /// Opens the clients' sockets and begins to ask.
    ///
    /// # Errors
    ///
    /// When the target is not on loopback, a number is out of bounds, or a client's address cannot be had.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        check(&settings)?;
        let counts = Arc::new(Mutex::new(Counts::default()));
        let mut tasks = JoinSet::new();
        let mut sockets = Vec::with_capacity(settings.clients);
        for client in 0..settings.clients {
            let socket = Arc::new(UdpSocket::bind((source(settings.target, client), 0)).await?);
            socket.connect(settings.target).await?;
            tasks.spawn(listen(Arc::clone(&socket), Arc::clone(&counts)));
            sockets.push(socket);
        }
        tasks.spawn(ask(settings, sockets, Arc::clone(&counts)));
        Ok(Self { counts, tasks })
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Stops asking and closes the sockets before it returns. What happened in all.
    pub async fn stop(mut self) -> Counts {
        self.tasks.shutdown().await;
        self.counts()
    }
}

fn check(settings: &Settings) -> io::Result<()> {
    let complain = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if !settings.target.ip().is_loopback() {
        return complain(format!("traffic makers speak to loopback only, not to {}", settings.target));
    }
    if settings.clients == 0 || settings.clients > CLIENTS_MAX {
        return complain(format!("clients: 1 to {CLIENTS_MAX}, not {}", settings.clients));
    }
    if settings.queries_per_second > QUERIES_PER_SECOND_MAX {
        return complain(format!("queries per second: at most {QUERIES_PER_SECOND_MAX}"));
    }
    Ok(())
}

/// The address of a client.
pub(crate) fn client_address(client: usize) -> Ipv4Addr {
    let client = client % CLIENTS_MAX;
    Ipv4Addr::new(127, 0, 10 + (client / 250) as u8, (client % 250) as u8 + 1)
}

/// IPv6 has one loopback address: there all clients share it.
fn source(target: SocketAddr, client: usize) -> IpAddr {
    if target.is_ipv4() { client_address(client).into() } else { target.ip() }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends for ever: at each tick as many messages as the rate of the moment allows.
async fn ask(settings: Settings, sockets: Vec<Arc<UdpSocket>>, counts: Arc<Mutex<Counts>>) {
    let mut mix = Mix::new(mix::Settings {
        seed: settings.seed,
        clients: settings.clients,
        catalogue: settings.catalogue,
        blocked: settings.blocked,
        odd_permille: settings.odd_permille,
        tcp_permille: settings.tcp_permille,
    });
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut connections = JoinSet::new();
    let mut due = 0.0;
    for tick in 0_u64.. {
        ticks.tick().await;
        while connections.try_join_next().is_some() {}
        due += f64::from(settings.queries_per_second) * TICK.as_secs_f64() * swing(tick);
        while due >= 1.0 {
            due -= 1.0;
            let shot = mix.next();
            let Some(socket) = sockets.get(shot.client) else { continue };
            if shot.over_tcp && connections.len() < CONNECTIONS_MAX {
                let from = source(settings.target, shot.client);
                connections.spawn(over_tcp(settings.target, from, shot, Arc::clone(&counts)));
                continue;
            }
            let outcome = socket.send(&shot.bytes).await;
            note_sent(&counts, &shot, outcome.is_ok());
        }
    }
}

/// How the rate swings around its mean: a slow wave of two minutes, and three busy seconds in every forty.
fn swing(tick: u64) -> f64 {
    let seconds = tick as f64 * TICK.as_secs_f64();
    let wave = 0.9 + 0.3 * (seconds / 120.0 * std::f64::consts::TAU).sin();
    if seconds % 40.0 >= 37.0 { wave * 2.3 } else { wave }
}

fn note_sent(counts: &Mutex<Counts>, shot: &Shot, sent: bool) {
    let mut counts = lock(counts);
    if sent {
        counts.sent += 1;
        *counts.by_kind.entry(shot.kind).or_default() += 1;
    } else {
        counts.failed += 1;
    }
}

/// Counts a reply. Replies too broken to show a code are not counted.
fn note_reply(counts: &Mutex<Counts>, bytes: &[u8]) {
    let Ok(message) = Message::from_slice(bytes) else { return };
    let Some(code) = Code::derive(Some(message.opt_rcode().to_int()), None, None) else { return };
    let mut counts = lock(counts);
    counts.replies += 1;
    *counts.by_code.entry(code).or_default() += 1;
}

async fn listen(socket: Arc<UdpSocket>, counts: Arc<Mutex<Counts>>) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(len) => note_reply(&counts, &buffer[..len]),
            Err(_) => tokio::time::sleep(FAULT_PAUSE).await,
        }
    }
}

async fn over_tcp(target: SocketAddr, from: IpAddr, shot: Shot, counts: Arc<Mutex<Counts>>) {
    let exchange = async {
        let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind((from, 0).into())?;
        let mut stream = socket.connect(target).await?;
        stream.write_all(&frame(&shot.bytes)).await?;
        note_sent(&counts, &shot, true);
        io::Result::Ok(stream)
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(mut stream)) => {
            if let Ok(Ok(reply)) = timeout(PATIENCE, read_frame(&mut stream)).await {
                note_reply(&counts, &reply);
            }
        }
        _ => note_sent(&counts, &shot, false),
    }
}
