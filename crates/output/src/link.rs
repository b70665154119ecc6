//! A connection to the far end that never makes its thread wait: it takes what it can and says so.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

/// Octets read of what a far end says that has nothing to say.
const SCRATCH: usize = 1024;
/// Shortest time-out a socket is given: zero would mean none.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

/// A connection whose waits end at one instant, however many reads and writes there are until then: TLS reads as often as its
/// records come in pieces.
pub(crate) struct Timed {
    stream: TcpStream,
    until: Option<Instant>,
}

impl Timed {
    pub(crate) fn new(stream: TcpStream) -> Timed {
        Timed { stream, until: None }
    }

    /// As [`Stream::wait_until`].
    pub(crate) fn wait_until(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.until = until;
        wait_tcp(&self.stream, until.map(left))
    }

    fn hurry(&self) -> io::Result<()> {
        match self.until {
            Some(until) if until <= Instant::now() => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the far end does not answer in time"))
            }
            Some(until) => wait_tcp(&self.stream, Some(left(until))),
            None => Ok(()),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        self.hurry()?;
        self.stream.read(octets)
    }
}

impl Write for Timed {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.hurry()?;
        self.stream.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream {
    /// Makes reads and writes wait until then at most; `None`: not at all.
    pub(crate) fn wait_until(&mut self, until: Option<Instant>) -> io::Result<()> {
        let left = until.map(left);
        match self {
            Stream::Unix(stream) => {
                stream.set_nonblocking(left.is_none())?;
                stream.set_read_timeout(left)?;
                stream.set_write_timeout(left)
            }
            Stream::Tcp(stream) => wait_tcp(stream, left),
            Stream::Tls(stream) => stream.sock.wait_until(until),
        }
    }

    /// Says that no more comes.
    fn shut(&mut self) -> io::Result<()> {
        match self {
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush()?;
                stream.sock.stream.shutdown(Shutdown::Write)
            }
        }
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(TIMEOUT_MIN)
}

fn wait_tcp(stream: &TcpStream, left: Option<Duration>) -> io::Result<()> {
    stream.set_nonblocking(left.is_none())?;
    stream.set_read_timeout(left)?;
    stream.set_write_timeout(left)
}

impl Read for Stream {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.read(octets),
            Stream::Tcp(stream) => stream.read(octets),
            Stream::Tls(stream) => stream.read(octets),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.write(octets),
            Stream::Tcp(stream) => stream.write(octets),
            Stream::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Unix(stream) => stream.flush(),
            Stream::Tcp(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// A connection, ready for events.
pub(crate) enum Link {
    Datagrams(UdpSocket),
    Stream {
        stream: Stream,
        /// dnstap: what the two ends have told each other.
        frames: Option<dnstap::Sender>,
    },
}

impl Link {
    /// Whether what was handed over may be lost without a word when the connection breaks, and is worth sending again.
    pub(crate) fn leaves_doubt(&self) -> bool {
        matches!(self, Link::Stream { .. })
    }

    /// Hands octets over; gives how many were taken. `WouldBlock`: none now.
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Link::Datagrams(socket) => socket.send(octets).map(|_| octets.len()),
            Link::Stream { stream, .. } => match stream.write(octets) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                taken => taken,
            },
        }
    }

    /// Looks whether the far end is still there, and passes on what TLS holds back.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        let Link::Stream { stream, frames } = self else { return Ok(()) };
        pass(stream.flush())?;
        let mut scratch = [0; SCRATCH];
        match stream.read(&mut scratch) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the far end closed the connection")),
            Ok(len) => match frames {
                Some(frames) => frames.feed(&scratch[..len], &mut Vec::new()).map_err(io::Error::other),
                // Syslog has no words for a far end; what it says is not read.
                None => Ok(()),
            },
            Err(error) => pass(Err(error)),
        }
    }

    /// Says goodbye and waits for the answer, until then at most. Whether the far end has everything.
    pub(crate) fn finish(self, until: Instant) -> bool {
        let Link::Stream { mut stream, mut frames } = self else { return true };
        let mut said = Vec::new();
        if let Some(frames) = &mut frames {
            frames.stop(&mut said);
        }
        let mut goodbye = || -> io::Result<bool> {
            stream.wait_until(Some(until))?;
            stream.write_all(&said)?;
            stream.flush()?;
            if frames.is_none() {
                stream.shut()?;
            }
            let mut scratch = [0; SCRATCH];
            while Instant::now() < until {
                stream.wait_until(Some(until))?;
                match (stream.read(&mut scratch), &mut frames) {
                    (Ok(0), None) => return Ok(true),
                    (Ok(0), Some(_)) => return Ok(false),
                    (Ok(len), Some(frames)) => {
                        frames.feed(&scratch[..len], &mut Vec::new()).map_err(io::Error::other)?;
                        if frames.is_finished() {
                            return Ok(true);
                        }
                    }
                    (Ok(_), None) => {}
                    // Closed without TLS' own goodbye, as many do.
                    (Err(error), None) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
                    (Err(error), _) => return Err(error),
                }
            }
            Ok(false)
        };
        goodbye().unwrap_or(false)
    }
}

/// "Not now" is no error.
fn pass(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if is_later(&error) => Ok(()),
        other => other,
    }
}

/// Whether the same may succeed a little later. `TimedOut` may not: so the system says that the far end acknowledges nothing.
pub(crate) fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
