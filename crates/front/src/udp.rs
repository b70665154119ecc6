//! UDP: one thread, one socket, one batch at a time.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use engine::{Desk, Operating, Outcome, Pursuit, Source, Transport};
use sys::{Batch, LocalAddress, Wait};

use crate::figures::count;
use crate::late::{OVERFLOW, Office, now};

/// Datagrams per system call. Fuller batches save calls under load; an idle server answers one at a time anyway.
const BATCH: usize = 64;
/// Octets kept of one datagram: queries are far smaller; a longer one is cut and then malformed.
const DATAGRAM_BYTES_MAX: usize = 4_096;
/// How long a thread sleeps without traffic before it looks whether to stop.
const LOOK_UP_EVERY: Duration = Duration::from_millis(50);
/// Turn of the thread on its core: the shortest there is, so that a query that wakes it does not wait until the log's threads, or
/// whoever else is on this core, have had theirs of some milliseconds.
const TURN: Duration = Duration::from_micros(100);
/// Pause after a receive call failed, so that a broken socket does not burn a core.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Answers on one socket until told to stop.
pub(crate) fn run(socket: &Arc<UdpSocket>, mut desk: Desk, office: &Arc<Office>, core: usize, stopping: &AtomicBool) {
    if let Err(error) = sys::pin_to_core(core) {
        tracing::debug!(core, %error, "cannot pin the thread");
    }
    if let Err(error) = sys::take_short_turns(TURN) {
        tracing::debug!(%error, "the thread waits for the turns of others");
    }
    let mut batch = Batch::new(BATCH, DATAGRAM_BYTES_MAX);
    while !stopping.load(Relaxed) {
        match batch.receive(socket, Wait::AtMost(LOOK_UP_EVERY)) {
            Ok(0) => desk.tick(now()),
            Ok(received) => answer(&mut batch, received, &mut desk, socket, office),
            Err(error) => {
                count(&office.cells.receive_errors);
                tracing::warn!(%error, "cannot receive over UDP");
                std::thread::sleep(ERROR_PAUSE);
            }
        }
    }
}

fn answer(batch: &mut Batch, received: usize, desk: &mut Desk, socket: &Arc<UdpSocket>, office: &Arc<Office>) {
    let arrived = now();
    desk.batch(received, received == BATCH, arrived);
    for index in 0..received {
        let (message, reply) = batch.exchange(index);
        let source = Source { peer: message.peer, transport: Transport::Udp };
        match desk.answer(message.bytes, source, arrived, reply) {
            Outcome::Reply => {}
            Outcome::Silence => reply.clear(),
            Outcome::Operate(operating) => {
                reply.clear();
                if let Err(operating) = operate(operating, socket, message.peer, message.local, office) {
                    desk.give_up_operation(*operating, OVERFLOW, reply);
                }
            }
            Outcome::Pursue(pursuit) => {
                reply.clear();
                if let Err(pursuit) = send_later(pursuit, socket, message.peer, message.local, office) {
                    desk.give_up(*pursuit, OVERFLOW, reply);
                }
            }
        }
    }
    match batch.send(socket) {
        Ok(sent) => {
            if sent.failed > 0 {
                office.cells.replies_unsent.fetch_add(sent.failed as u64, Relaxed);
            }
        }
        Err(error) => tracing::warn!(%error, "cannot send over UDP"),
    }
    desk.close(now());
}

fn send_later(
    pursuit: Box<Pursuit>,
    socket: &Arc<UdpSocket>,
    peer: std::net::SocketAddr,
    local: LocalAddress,
    office: &Arc<Office>,
) -> Result<(), Box<Pursuit>> {
    let (socket, late_office) = (Arc::clone(socket), Arc::clone(office));
    office.take_up(pursuit, move |reply| {
        send_one(&socket, peer, local, &late_office, &reply);
        std::future::ready(())
    })
}

/// As [`send_later`]; over UDP there is one reply and no more.
fn operate(
    operating: Box<Operating>,
    socket: &Arc<UdpSocket>,
    peer: std::net::SocketAddr,
    local: LocalAddress,
    office: &Arc<Office>,
) -> Result<(), Box<Operating>> {
    let (socket, late_office) = (Arc::clone(socket), Arc::clone(office));
    office.take_up_operation(operating, move |reply, _more| {
        send_one(&socket, peer, local, &late_office, &reply);
        std::future::ready(())
    })
}

/// Never waits: a full send buffer costs this reply, and the client asks again.
fn send_one(socket: &UdpSocket, peer: std::net::SocketAddr, local: LocalAddress, office: &Office, reply: &[u8]) {
    if !reply.is_empty() && sys::send_one(socket, peer, local, reply).is_err() {
        count(&office.cells.replies_unsent);
    }
}
