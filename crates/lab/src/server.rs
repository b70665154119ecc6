//! The sockets under the lab's servers: datagrams and framed connections, with every queue bounded.
//!
//! Knows messages only as octets; what to say to them is a [`Service`]'s affair.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::message::Transport;

/// Datagrams longer than this are cut; no client sends such queries.
const DATAGRAM_BYTES_MAX: usize = 4096;
/// Replies under way on one UDP socket; more queries are dropped, as a real server's full queue would.
const PENDING_MAX: usize = 1024;
/// Connections open on one address.
const CONNECTIONS_MAX: usize = 256;
/// Queries under way on one connection.
const PIPELINE_MAX: usize = 64;
/// A connection that says nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// Ports tried before giving up: another process may hold the same port on one of the addresses.
const PORT_ATTEMPTS_MAX: usize = 32;
/// Pause after a failed receive or accept, so that a lasting fault does not spin.
const FAULT_PAUSE: Duration = Duration::from_millis(20);

/// A reply's octets, when they go out and from where.
#[derive(Clone, Debug)]
pub(crate) struct Emission {
    pub(crate) bytes: Vec<u8>,
    pub(crate) after: Duration,
    pub(crate) from: Source,
}

impl Emission {
    /// At once, from the address that was asked.
    pub(crate) fn now(bytes: Vec<u8>) -> Self {
        Self { bytes, after: Duration::ZERO, from: Source::Asked }
    }
}

/// Where a datagram comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The address that was asked.
    Asked,
    /// Another one: no client should believe it.
    Elsewhere,
}

/// A reply that takes work; empty octets are silence.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// What a service does about a message.
pub(crate) enum Served {
    /// Known at once.
    Replies(Vec<Emission>),
    /// Known later.
    Pending(Pending),
}

/// Whoever answers.
pub(crate) trait Service: Send + Sync + 'static {
    /// Decides about one message.
    fn serve(&self, message: &[u8], transport: Transport) -> Served;
}

/// The two sockets of one address.
pub(crate) struct Sockets {
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: TcpListener,
}

/// Opens UDP and TCP on every address, all on one port: `port`, or a free one when it is 0.
pub(crate) async fn open(addresses: &[Ipv4Addr], port: u16) -> io::Result<(u16, Vec<Sockets>)> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "no address to open");
    for _ in 0..PORT_ATTEMPTS_MAX {
        match try_open(addresses, port).await {
            Ok(opened) => return Ok(opened),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port == 0 => failure = error,
            Err(error) => return Err(error),
        }
    }
    Err(failure)
}

async fn try_open(addresses: &[Ipv4Addr], port: u16) -> io::Result<(u16, Vec<Sockets>)> {
    let mut port = port;
    let mut opened = Vec::with_capacity(addresses.len());
    for address in addresses {
        let udp = UdpSocket::bind(SocketAddrV4::new(*address, port)).await?;
        port = udp.local_addr()?.port();
        let tcp = TcpListener::bind(SocketAddrV4::new(*address, port)).await?;
        opened.push(Sockets { udp, tcp });
    }
    Ok((port, opened))
}

/// Answers datagrams for ever. `elsewhere` is the socket for replies from the wrong source.
pub(crate) async fn serve_udp(udp: UdpSocket, elsewhere: Arc<UdpSocket>, service: Arc<impl Service>) {
    let udp = Arc::new(udp);
    let mut pending = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        while pending.try_join_next().is_some() {}
        let Ok((len, peer)) = udp.recv_from(&mut buffer).await else {
            tokio::time::sleep(FAULT_PAUSE).await;
            continue;
        };
        let served = service.serve(&buffer[..len], Transport::Udp);
        if let Served::Replies(replies) = &served
            && replies.iter().all(|reply| reply.after.is_zero())
        {
            for reply in replies {
                emit(&udp, &elsewhere, reply, peer).await;
            }
            continue;
        }
        if pending.len() >= PENDING_MAX {
            tracing::debug!(%peer, "lab server is full, query dropped");
            continue;
        }
        let (udp, elsewhere) = (Arc::clone(&udp), Arc::clone(&elsewhere));
        pending.spawn(async move {
            match served {
                Served::Replies(replies) => {
                    for reply in replies {
                        tokio::time::sleep(reply.after).await;
                        emit(&udp, &elsewhere, &reply, peer).await;
                    }
                }
                Served::Pending(reply) => emit(&udp, &elsewhere, &Emission::now(reply.await), peer).await,
            }
        });
    }
}

/// Sends one datagram. A client that went away is no concern of the server's.
async fn emit(udp: &UdpSocket, elsewhere: &UdpSocket, reply: &Emission, peer: SocketAddr) {
    if reply.bytes.is_empty() {
        return;
    }
    let socket = match reply.from {
        Source::Asked => udp,
        Source::Elsewhere => elsewhere,
    };
    let _ = socket.send_to(&reply.bytes, peer).await;
}

/// Accepts connections for ever.
pub(crate) async fn serve_tcp(tcp: TcpListener, service: Arc<impl Service>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        match tcp.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, Arc::clone(&service)));
            }
            Err(_) => tokio::time::sleep(FAULT_PAUSE).await,
        }
    }
}

/// One connection: queries are read as they come, replies go out as they are ready (RFC 7766 §6.2.1.1, §7).
async fn converse(stream: TcpStream, service: Arc<impl Service>) {
    let (mut reader, writer) = stream.into_split();
    let (replies, outgoing) = mpsc::channel(PIPELINE_MAX);
    let mut work = JoinSet::new();
    work.spawn(write_frames(writer, outgoing));
    while let Ok(Ok(message)) = timeout(IDLE, read_frame(&mut reader)).await {
        while work.try_join_next().is_some() {}
        // The writer is one of them. Who asks faster than we answer has to wait.
        if work.len() > PIPELINE_MAX {
            work.join_next().await;
        }
        let served = service.serve(&message, Transport::Tcp);
        let replies = replies.clone();
        work.spawn(async move {
            match served {
                Served::Replies(list) => {
                    for reply in list {
                        tokio::time::sleep(reply.after).await;
                        let _ = replies.send(reply.bytes).await;
                    }
                }
                Served::Pending(reply) => {
                    let _ = replies.send(reply.await).await;
                }
            }
        });
    }
    // The client has no more to ask; what is under way still goes out.
    drop(replies);
    while work.join_next().await.is_some() {}
}

async fn write_frames(mut writer: OwnedWriteHalf, mut outgoing: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = outgoing.recv().await {
        if bytes.is_empty() {
            continue;
        }
        let Ok(Ok(())) = timeout(IDLE, writer.write_all(&frame(&bytes))).await else { return };
    }
}

/// Reads a message behind its two octets of length.
pub(crate) async fn read_frame(reader: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let len = reader.read_u16().await?;
    let mut message = vec![0; usize::from(len)];
    reader.read_exact(&mut message).await?;
    Ok(message)
}

/// Puts the two octets of length in front. Messages here are at most 65,535 octets; more would be cut.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut framed = len.to_be_bytes().to_vec();
    framed.extend_from_slice(&message[..usize::from(len)]);
    framed
}
