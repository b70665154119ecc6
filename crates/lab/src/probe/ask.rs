//! One message out, one reply in, over either transport: every wait and every retry counted.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::Settings;
use super::ground::Ground;
use crate::message::Transport;
use crate::server::{frame, read_frame};

/// The longest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Messages with another ID read before one gives up: late replies to earlier attempts, or an impostor's.
const STRANGERS_MAX: usize = 64;
/// How long the server has for an undue reply after it answered the message that came behind.
const UNDUE_WAIT: Duration = Duration::from_millis(100);

/// What came of a message.
pub(super) enum Heard {
    /// A message with the same ID.
    Reply(Vec<u8>),
    /// Nothing, and in what way.
    Nothing(String),
}

/// Sends a message and waits for the message with its ID.
pub(super) async fn exchange(settings: &Settings, transport: Transport, message: &[u8]) -> io::Result<Heard> {
    match transport {
        Transport::Udp => {
            let socket = udp(settings).await?;
            let mut why = "no reply".to_owned();
            for _ in 0..settings.attempts.max(1) {
                let deadline = Instant::now() + settings.patience;
                let sent = socket.send(message).await;
                match sent.and(receive(&socket, message, deadline).await) {
                    Ok(Some(reply)) => return Ok(Heard::Reply(reply)),
                    Ok(None) => {}
                    Err(error) => why = format!("no reply: {error}"),
                }
            }
            Ok(Heard::Nothing(why))
        }
        Transport::Tcp => {
            let deadline = Instant::now() + settings.patience;
            let exchange = async {
                let mut stream = connect(settings).await?;
                stream.write_all(&frame(message)).await?;
                receive_framed(&mut stream, message).await
            };
            Ok(match timeout_at(deadline, exchange).await {
                Ok(Ok(reply)) => Heard::Reply(reply),
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Heard::Nothing("the server closed the connection".to_owned())
                }
                Ok(Err(error)) => Heard::Nothing(format!("no reply: {error}")),
                Err(_) => Heard::Nothing("no reply".to_owned()),
            })
        }
    }
}

/// Sends a message that is due no reply and behind it, on the same socket, one that is: the second one's reply tells that
/// the first was read.
pub(super) async fn silence(ground: &Ground<'_>, transport: Transport, message: &[u8]) -> io::Result<Heard> {
    let settings = ground.settings;
    let plain = ground.plain(message);
    match transport {
        Transport::Udp => {
            let socket = udp(settings).await?;
            for _ in 0..settings.attempts.max(1) {
                let deadline = Instant::now() + settings.patience;
                if socket.send(message).await.is_err() || socket.send(&plain).await.is_err() {
                    continue;
                }
                let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
                let mut deadline = deadline;
                for _ in 0..STRANGERS_MAX {
                    let Ok(Ok(len)) = timeout_at(deadline, socket.recv(&mut buffer)).await else { break };
                    match &buffer[..len] {
                        reply if same_id(reply, message) => return Ok(Heard::Reply(reply.to_vec())),
                        reply if same_id(reply, &plain) => deadline = deadline.min(Instant::now() + UNDUE_WAIT),
                        _ => {}
                    }
                }
            }
        }
        Transport::Tcp => {
            let exchange = async {
                let mut stream = connect(settings).await?;
                stream.write_all(&frame(message)).await?;
                stream.write_all(&frame(&plain)).await?;
                // A server that closes the connection over such a message is silent, too.
                for _ in 0..STRANGERS_MAX {
                    let reply = read_frame(&mut stream).await?;
                    if same_id(&reply, message) {
                        return Ok(Some(reply));
                    }
                    if same_id(&reply, &plain) {
                        return Ok(None);
                    }
                }
                io::Result::Ok(None)
            };
            if let Ok(Ok(Some(reply))) = timeout_at(Instant::now() + settings.patience, exchange).await {
                return Ok(Heard::Reply(reply));
            }
        }
    }
    Ok(Heard::Nothing("silence".to_owned()))
}

async fn udp(settings: &Settings) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((own_address(settings), 0)).await?;
    socket.connect(settings.server).await?;
    Ok(socket)
}

async fn connect(settings: &Settings) -> io::Result<TcpStream> {
    let socket = if settings.server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind((own_address(settings), 0).into())?;
    socket.connect(settings.server).await
}

fn own_address(settings: &Settings) -> IpAddr {
    settings.from.unwrap_or(match settings.server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    })
}

/// The datagram with the ID of `message`; `None` when the time is over. The socket is connected: others cannot speak.
async fn receive(socket: &UdpSocket, message: &[u8], deadline: Instant) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    for _ in 0..STRANGERS_MAX {
        let Ok(received) = timeout_at(deadline, socket.recv(&mut buffer)).await else { return Ok(None) };
        let reply = &buffer[..received?];
        if same_id(reply, message) {
            return Ok(Some(reply.to_vec()));
        }
    }
    Ok(None)
}

async fn receive_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<Vec<u8>> {
    for _ in 0..STRANGERS_MAX {
        let reply = read_frame(stream).await?;
        if same_id(&reply, message) {
            return Ok(reply);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

fn same_id(reply: &[u8], message: &[u8]) -> bool {
    reply.len() >= 2 && reply.get(..2) == message.get(..2)
}
