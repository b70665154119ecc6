//! One ask over TCP: on an idle connection to the upstream when there is one, else on a new one.
//!
//! A connection carries one ask at a time and goes back to the pool after its reply. The pool is small: forwarding over
//! TCP is the exception for UDP upstreams, and for TCP upstreams as many connections are open as asks are outstanding.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::reply::Stored;

use crate::chance;
use crate::lookup::Fault;
use crate::resolver::Question;
use crate::udp::Ear;

/// Connections kept idle per upstream; more are closed after use.
const IDLE_MAX: usize = 16;
/// How long an idle connection is kept. Servers close theirs after some 10 s (RFC 7766 §6.2.3 leaves it open).
const IDLE_KEPT: Duration = Duration::from_secs(8);
/// Foreign messages borne on one connection before it is given up: a stream has no strangers.
const FOREIGN_MAX: u32 = 8;

/// Idle connections to one upstream.
#[derive(Default)]
pub(crate) struct IdlePool {
    idle: Mutex<Vec<(TcpStream, Instant)>>,
}

impl IdlePool {
    fn take(&self) -> Option<TcpStream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE_KEPT);
        // The one used last is the least likely to have been closed by the other side.
        idle.pop().map(|(stream, _)| stream)
    }

    fn give_back(&self, stream: TcpStream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push((stream, Instant::now()));
        }
    }
}

/// Asks once and waits for the reply, however long it takes: the caller ends the wait.
pub(crate) async fn ask(
    pool: &IdlePool,
    address: SocketAddr,
    question: &Question,
    udp_size: u16,
) -> Result<Stored, Fault> {
    if let Some(stream) = pool.take() {
        // An idle connection may have been closed from the other side: that says nothing about the upstream.
        match ask_on(stream, question, udp_size).await {
            Ok((heard, stream)) => return settle(pool, heard, stream),
            Err(_closed) => {}
        }
    }
    let stream = TcpStream::connect(address).await.map_err(Fault::from)?;
    // Without it the two small writes of a query wait for each other's acknowledgement.
    stream.set_nodelay(true).map_err(Fault::from)?;
    let (heard, stream) = ask_on(stream, question, udp_size).await.map_err(Fault::from)?;
    settle(pool, heard, stream)
}

fn settle(pool: &IdlePool, heard: Result<Stored, Fault>, stream: TcpStream) -> Result<Stored, Fault> {
    if heard.is_ok() {
        pool.give_back(stream);
    }
    heard
}

async fn ask_on(
    mut stream: TcpStream,
    question: &Question,
    udp_size: u16,
) -> io::Result<(Result<Stored, Fault>, TcpStream)> {
    let mut ear = Ear::new(question, chance::message_id()?);
    let mut query = Vec::with_capacity(512);
    wire::reply::ask(ear.id, &question.asked(udp_size), &mut query);
    let len = u16::try_from(query.len()).map_err(|_| io::Error::other("query over 65535 octets"))?;
    let mut framed = Vec::with_capacity(2 + query.len());
    framed.extend_from_slice(&len.to_be_bytes());
    framed.extend_from_slice(&query);
    stream.write_all(&framed).await?;

    let mut reply = Vec::new();
    for _ in 0..FOREIGN_MAX {
        let len = stream.read_u16().await?;
        reply.resize(usize::from(len), 0);
        stream.read_exact(&mut reply).await?;
        if let Some(heard) = ear.hear(&reply) {
            return Ok((heard, stream));
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "too many replies to other questions"))
}
