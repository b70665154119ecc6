//! What is said to another server: is there a newer serial (UDP, then TCP), send what changed (IXFR, else AXFR), there is a new
//! serial here (NOTIFY). One exchange at a time, every one bounded in time, octets and records, signed when a key is given.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};
use wire::code::Code;
use wire::kind;
use wire::message::{Builder, Message, Record, Section};
use wire::name::Folded;
use wire::tsig;
use zone::Zone;
use zone::delta::serial_after;
use zone::transfer::{Brought, Intake, TransferFault};

use super::registrar::Clock;
use super::settings::{Peer, ZoneLimits};

/// Waits for a reply over UDP, one for each time a question is sent.
const UDP_WAITS: [Duration; 2] =
    if cfg!(test) { [Duration::from_millis(50); 2] } else { [Duration::from_secs(2), Duration::from_secs(3)] };
/// Waits for a reply to NOTIFY, one for each time it is sent (RFC 1996 §3.6 leaves them open: a minute in all).
const NOTIFY_WAITS: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
];
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Longest silence in the midst of a transfer.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Largest message over UDP we take: no OPT is sent, so 512 octets are due (RFC 1035 §4.2.1); some send more.
const UDP_LEN_MAX: usize = 4_096;
/// Messages that do not belong to the exchange, borne with for each wait.
const STRAYS_MAX: usize = 64;

/// OPCODE of NOTIFY (RFC 1996).
const OPCODE_NOTIFY: u8 = 4;
const FLAG_QR: u16 = 0x8000;
const FLAG_AA: u16 = 0x0400;
const FLAG_TC: u16 = 0x0200;

/// Brings a copy up to date from one primary. The error is one line.
pub(crate) async fn refresh(
    primary: &Peer,
    origin: &Folded,
    current: Option<&Zone>,
    limits: ZoneLimits,
    clock: &Clock,
) -> Result<Brought, String> {
    let exchange = Exchange { peer: primary, origin, clock };
    let serial = exchange.serial().await?;
    let ours = current.and_then(Zone::serial);
    if let Some(ours) = ours.filter(|&ours| !serial_after(serial, ours)) {
        return if ours == serial {
            Ok(Brought::Nothing)
        } else {
            Err(format!("its serial {serial} is behind ours, {ours}"))
        };
    }
    match timeout(limits.transfer, exchange.transfer(current, limits)).await {
        Ok(brought) => brought,
        Err(_) => Err(format!("the transfer took longer than {} s", limits.transfer.as_secs())),
    }
}

/// Tells one server of our serial until it answers. The error is one line.
pub(crate) async fn notify(peer: &Peer, origin: &Folded, soa: &Record, clock: &Clock) -> Result<(), String> {
    let exchange = Exchange { peer, origin, clock };
    let reply = exchange.udp(&NOTIFY_WAITS, Strays::Ignored, OPCODE_NOTIFY, |id| {
        let mut builder = Builder::new(id, u16::from(OPCODE_NOTIFY) << 11 | FLAG_AA, UDP_LEN_MAX);
        builder.question(origin.name(), kind::SOA, kind::CLASS_IN);
        // A hint alone (RFC 1996 §3.7): when it does not fit it is left out.
        let _ = builder.record(Section::Answer, soa);
        builder.finish()
    });
    match reply.await?.rcode() {
        0 => Ok(()),
        rcode => Err(format!("answered {}", code(rcode))),
    }
}

struct Exchange<'e> {
    peer: &'e Peer,
    origin: &'e Folded,
    clock: &'e Clock,
}

impl Exchange<'_> {
    /// The primary's serial: over UDP, and over TCP when that brings no answer.
    async fn serial(&self) -> Result<u32, String> {
        let question = |id| {
            let mut builder = Builder::new(id, 0, UDP_LEN_MAX);
            builder.question(self.origin.name(), kind::SOA, kind::CLASS_IN);
            builder.finish()
        };
        let reply = match self.udp(&UDP_WAITS, Strays::End, kind::OPCODE_QUERY, question).await {
            Ok(reply) if reply.flags & FLAG_TC == 0 => reply,
            Ok(_) | Err(_) => {
                let mut stream = self.connect().await?;
                let mut sent = self.send(&mut stream, question(random_id()?)).await?;
                self.read(&receive(&mut stream).await?, &mut sent, kind::OPCODE_QUERY)?
            }
        };
        if reply.rcode() != 0 {
            return Err(format!("answered {} for its SOA", code(reply.rcode())));
        }
        if reply.flags & FLAG_AA == 0 {
            return Err("is not authoritative for the zone".to_owned());
        }
        let soa = reply.answer.iter().find(|record| record.rtype == kind::SOA && record.owner == *self.origin);
        soa.and_then(soa_serial).ok_or_else(|| "sent no SOA".to_owned())
    }

    /// The changes, or the zone: IXFR where we hold something, AXFR where that is not understood.
    async fn transfer(&self, current: Option<&Zone>, limits: ZoneLimits) -> Result<Brought, String> {
        if let Some(current) = current {
            match self.take(Some(current), limits).await {
                Err(Failed::Form(_)) => {}
                Err(Failed::Final(why)) => return Err(why),
                Ok(brought) => return Ok(brought),
            }
        }
        self.take(None, limits).await.map_err(|failed| match failed {
            Failed::Form(why) | Failed::Final(why) => why,
        })
    }

    async fn take(&self, current: Option<&Zone>, limits: ZoneLimits) -> Result<Brought, Failed> {
        let mut builder = Builder::new(random_id()?, 0, usize::from(u16::MAX));
        let qtype = if current.is_some() { kind::IXFR } else { kind::AXFR };
        builder.question(self.origin.name(), qtype, kind::CLASS_IN);
        if let Some(soa) = current.and_then(Zone::soa) {
            // RFC 1995 §3: our SOA says from where on.
            let _ = builder.record(Section::Authority, &soa);
        }
        let mut stream = self.connect().await?;
        let mut sent = self.send(&mut stream, builder.finish()).await?;
        let mut intake = Intake::new(self.origin.clone(), current.cloned(), limits.records_max);
        let mut left = limits.octets_max;
        loop {
            let octets = receive(&mut stream).await.map_err(|why| match current {
                // Some servers close the connection on what they do not know.
                Some(_) => Failed::Form(why),
                None => Failed::Final(why),
            })?;
            left = left
                .checked_sub(octets.len() as u64)
                .ok_or_else(|| format!("the transfer has more than {} octets", limits.octets_max))?;
            let message = self.read(&octets, &mut sent, kind::OPCODE_QUERY)?;
            let brought = intake.take(&message).map_err(|fault| match fault {
                TransferFault::Code(_) | TransferFault::Form(_) | TransferFault::Misfit(_) => {
                    Failed::Form(fault.to_string())
                }
                TransferFault::TooMany(_) | TransferFault::TooLong(_) => Failed::Final(fault.to_string()),
            })?;
            if let Some(brought) = brought {
                if let Some(request) = &sent.request {
                    request.finish().map_err(|fault| fault.to_string())?;
                }
                return Ok(brought);
            }
        }
    }

    /// Sends over UDP until something that belongs to it comes back.
    async fn udp(
        &self,
        waits: &[Duration],
        strays: Strays,
        opcode: u8,
        make: impl Fn(u16) -> Vec<u8>,
    ) -> Result<Message, String> {
        let text = |error: io::Error| error.to_string();
        let here: SocketAddr = match self.peer.address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        // Connected: only what comes from the peer's address and port is seen.
        let socket = UdpSocket::bind(here).await.map_err(text)?;
        socket.connect(self.peer.address).await.map_err(text)?;
        let mut why = "does not answer".to_owned();
        for wait in waits {
            let deadline = Instant::now() + *wait;
            let mut octets = make(random_id()?);
            let mut sent = self.sign(&mut octets);
            let mut received = vec![0; UDP_LEN_MAX];
            if let Err(error) = socket.send(&octets).await {
                why = error.to_string();
            }
            for _ in 0..STRAYS_MAX {
                match timeout_at(deadline, socket.recv(&mut received)).await {
                    Ok(Ok(len)) => match self.read(received.get(..len).unwrap_or_default(), &mut sent, opcode) {
                        Ok(reply) => return Ok(reply),
                        Err(fault) => why = fault,
                    },
                    // A closed port is told at once; the next attempt may find it open.
                    Ok(Err(error)) => why = error.to_string(),
                    Err(_) => break,
                }
                if strays == Strays::End {
                    return Err(why);
                }
            }
            tokio::time::sleep_until(deadline).await;
        }
        Err(why)
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        match timeout(CONNECT_MAX, TcpStream::connect(self.peer.address)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(format!("no connection: {error}")),
            Err(_) => Err("no connection: timed out".to_owned()),
        }
    }

    fn sign(&self, octets: &mut Vec<u8>) -> Sent {
        let id = u16::from_be_bytes([octets.first().copied().unwrap_or(0), octets.get(1).copied().unwrap_or(0)]);
        let request = self.peer.key.as_ref().map(|key| tsig::Request::sign(octets, key, self.seconds()));
        Sent { id, request }
    }

    async fn send(&self, stream: &mut TcpStream, mut octets: Vec<u8>) -> Result<Sent, String> {
        let sent = self.sign(&mut octets);
        let len = u16::try_from(octets.len()).map_err(|_| "the question is too long".to_owned())?;
        let framed = [&len.to_be_bytes()[..], &octets].concat();
        match timeout(SILENCE_MAX, stream.write_all(&framed)).await {
            Ok(Ok(())) => Ok(sent),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("takes no question".to_owned()),
        }
    }

    /// Checks that a message answers what was sent, signature included, and reads it.
    fn read(&self, octets: &[u8], sent: &mut Sent, opcode: u8) -> Result<Message, String> {
        let plain = match &mut sent.request {
            Some(request) => Some(request.check(octets, self.seconds()).map_err(|fault| fault.to_string())?),
            None => None,
        };
        let message = Message::read(plain.as_deref().unwrap_or(octets)).map_err(|error| error.to_string())?;
        if message.id != sent.id || message.flags & FLAG_QR == 0 || message.opcode() != opcode {
            return Err("what came answers no question of ours".to_owned());
        }
        match message.questions.first() {
            Some(question) if question.qname != *self.origin => Err("what came answers another question".to_owned()),
            _ => Ok(message),
        }
    }

    fn seconds(&self) -> u64 {
        seconds((self.clock)())
    }
}

/// One message from a stream.
async fn receive(stream: &mut TcpStream) -> Result<Vec<u8>, String> {
    let receive = async {
        let len = stream.read_u16().await?;
        let mut octets = vec![0; usize::from(len)];
        stream.read_exact(&mut octets).await?;
        Ok::<_, io::Error>(octets)
    };
    match timeout(SILENCE_MAX, receive).await {
        Ok(Ok(octets)) => Ok(octets),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err("the connection was closed too soon".to_owned())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("nothing came for {} s", SILENCE_MAX.as_secs())),
    }
}

/// A return code as people write it.
fn code(rcode: u16) -> String {
    Code::derive(Some(rcode), None, None).map_or_else(|| rcode.to_string(), |code| code.to_string())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What becomes of an exchange over UDP when something comes that does not belong to it, or nobody listens there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strays {
    /// It ends: TCP is there, and cannot be disturbed so easily.
    End,
    /// It goes on: the right answer may still come.
    Ignored,
}

/// What replies are checked with.
struct Sent {
    id: u16,
    request: Option<tsig::Request>,
}

/// Why a transfer came to nothing.
enum Failed {
    /// The server does not do it in this form.
    Form(String),
    /// Another form would not help.
    Final(String),
}

impl From<String> for Failed {
    fn from(why: String) -> Failed {
        Failed::Final(why)
    }
}

/// A message ID nobody can guess.
fn random_id() -> Result<u16, String> {
    getrandom::u32().map(|random| random as u16).map_err(|error| format!("no random number: {error}"))
}

/// SERIAL of an SOA record: the first of the five numbers at its end.
pub(crate) fn soa_serial(soa: &Record) -> Option<u32> {
    let at = soa.rdata.len().checked_sub(20)?;
    Some(u32::from_be_bytes(soa.rdata.get(at..at + 4)?.try_into().ok()?))
}
