//! Reaching the far end: look its name up, connect, agree on TLS and on frame streams. May take its time, so it happens on a
//! thread of its own that ends with it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::backlog::DOUBT_FOR;
use crate::link::{Link, Stream, Timed, is_later};
use crate::target::{Target, Transport};

/// Longest wait for each address of the far end.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for TLS and for the handshake of frame streams, together.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// How long a far end on TCP may acknowledge nothing of what was sent before its connection breaks. One that vanished without a word
/// is noticed while all it did not get is still in doubt; the rest of that time is for the first repetition.
pub const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(8);
const _: () = assert!(ACKNOWLEDGE_WITHIN.as_secs() < DOUBT_FOR.as_secs());

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// Octets of the far end's handshake read at once.
const SCRATCH: usize = 1024;

/// What a connection is made from.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) target: Target,
    /// Made ready at the start, so that a missing file is said then.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Dial {
    /// Connects; the link it gives does not wait.
    pub(crate) fn connect(&self) -> io::Result<Link> {
        let mut stream = match self.target.transport() {
            Transport::Udp { host, port } => return udp(host, *port),
            Transport::Unix(path) => Stream::Unix(sys::connect_unix(path, CONNECT_WITHIN)?),
            Transport::Tcp { host, port } => Stream::Tcp(tcp(host, *port)?),
            Transport::Tls { host, port } => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let config = self.tls.clone().ok_or_else(|| io::Error::other("TLS was not made ready"))?;
                let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(connection, Timed::new(tcp(host, *port)?))))
            }
        };
        let until = Instant::now() + HANDSHAKE_WITHIN;
        stream.wait_until(Some(until))?;
        if let Stream::Tls(tls) = &mut stream {
            while tls.conn.is_handshaking() {
                left(until)?;
                match tls.conn.complete_io(&mut tls.sock) {
                    Err(error) if !is_later(&error) => return Err(error),
                    _ => {}
                }
            }
        }
        let frames = match &self.target {
            Target::Dnstap(_) => Some(open_frames(&mut stream, until)?),
            Target::Syslog(_) => None,
        };
        stream.wait_until(None)?;
        Ok(Link::Stream { stream, frames })
    }
}

fn left(until: Instant) -> io::Result<Duration> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::new(io::ErrorKind::TimedOut, "the far end does not answer the handshake")),
        left => Ok(left),
    }
}

/// READY, ACCEPT, START.
fn open_frames(stream: &mut Stream, until: Instant) -> io::Result<dnstap::Sender> {
    let mut sender = dnstap::Sender::both_ways();
    let mut out = Vec::new();
    sender.start(&mut out);
    let mut scratch = [0; SCRATCH];
    loop {
        left(until)?;
        stream.wait_until(Some(until))?;
        stream.write_all(&out)?;
        stream.flush()?;
        out.clear();
        if sender.is_open() {
            return Ok(sender);
        }
        match stream.read(&mut scratch) {
            Ok(0) => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the far end closed during the handshake"));
            }
            Ok(len) => sender.feed(&scratch[..len], &mut out).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if Instant::now() >= until => return left(until).map(|_| sender),
            Err(error) => return Err(error),
        }
    }
}

fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.take(ADDRESSES_MAX).collect();
    if found.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")) } else { Ok(found) }
}

fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failed = None;
    for address in addresses(host, port)? {
        match TcpStream::connect_timeout(&address, CONNECT_WITHIN) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                sys::set_tcp_user_timeout(&stream, ACKNOWLEDGE_WITHIN)?;
                return Ok(stream);
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

fn udp(host: &str, port: u16) -> io::Result<Link> {
    let mut failed = None;
    for address in addresses(host, port)? {
        let any: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let open = || {
            let socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        match open() {
            Ok(socket) => return Ok(Link::Datagrams(socket)),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_far_end_that_vanishes_is_noticed_while_it_is_in_doubt() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = tcp("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        assert_eq!(sys::tcp_user_timeout(&stream).unwrap(), Some(ACKNOWLEDGE_WITHIN));
    }

    /// A far end that drips octets of TLS, each in time and all of them never.
    #[test]
    fn a_handshake_is_bounded_as_a_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut far = listener.accept().unwrap().0;
        let dripping = std::thread::spawn(move || {
            // Head of a record of 255 octets that never come whole.
            for octet in [22, 3, 3, 0, 255].into_iter().chain([0; 250]) {
                if far.write_all(&[octet]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut stream = Timed::new(near);
        let start = Instant::now();
        stream.wait_until(Some(start + Duration::from_millis(200))).unwrap();
        let mut taken = 0;
        let error = loop {
            match stream.read(&mut [0; 1]) {
                Ok(len) => taken += len,
                Err(error) => break error,
            }
        };
        assert!(matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{error}");
        assert!(taken < 250, "{taken}");
        drop(stream);
        dripping.join().unwrap();
    }
}
