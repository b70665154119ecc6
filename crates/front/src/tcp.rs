//! TCP (RFC 7766): many queries on a connection at once, replies in the order they are ready.
//!
//! A connection is two tasks: this one reads, another writes. A client that sends or reads too slowly is cut; one that
//! has enough queries under way is not read from until some are answered. A client may turn the connection into a DSO session
//! (RFC 8490); what that demands is said by [`engine::Session`], and done here: timers, farewell, abort.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{More, Outcome, Session, Source, Transport};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::figures::count;
use crate::late::{OVERFLOW, Office, now};
use crate::settings::TcpSettings;

/// Octets read from a connection at a time.
const READ_BUFFER_BYTES: usize = 4_096;
/// Pause after a failed accept: usually descriptors have run out, and trying again at once changes nothing.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Time for a client to close its session once told to (RFC 8490 §6.6.1).
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(5);
/// Sessions ended together are told to come back one after the other, this far apart, the first after the first delay (RFC 8490
/// §6.6.1.1), in so many steps.
const RETRY_DELAY_MILLIS_FIRST: u32 = 1_000;
const RETRY_DELAY_MILLIS_STEP: u32 = 100;
const RETRY_DELAY_STEPS: u64 = 100;

/// Who is connected.
#[derive(Default)]
struct Guests {
    all: usize,
    per_client: HashMap<IpAddr, usize>,
}

/// One connection's place among the guests, given back when dropped.
struct Place {
    guests: Arc<Mutex<Guests>>,
    client: IpAddr,
}

/// TCP on all addresses: counts guests together.
#[derive(Clone)]
pub(crate) struct Tcp {
    pub(crate) settings: Arc<TcpSettings>,
    pub(crate) office: Arc<Office>,
    pub(crate) stopping: watch::Receiver<bool>,
    guests: Arc<Mutex<Guests>>,
    /// Sessions told to come back so far.
    farewells: Arc<AtomicU64>,
    /// Held by whoever may still have a connection open.
    _open: mpsc::Sender<()>,
}

/// Why reading ends.
enum End {
    /// The client has gone or is idle, or we stop: what is under way is still answered.
    Closed,
    /// Nothing more is sent, and the connection reset.
    Aborted,
}

/// What came while waiting for a message.
enum Next {
    Message,
    Closed,
    Expired,
    Stopping,
}

impl Tcp {
    pub(crate) fn new(
        settings: TcpSettings,
        office: Arc<Office>,
        stopping: watch::Receiver<bool>,
        open: mpsc::Sender<()>,
    ) -> Tcp {
        let (guests, farewells) = (Arc::default(), Arc::default());
        Tcp { settings: Arc::new(settings), office, stopping, guests, farewells, _open: open }
    }

    /// Accepts connections until told to stop.
    pub(crate) async fn accept(mut self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.stopping.changed() => return,
            };
            match accepted {
                Ok((stream, peer)) => match self.seat(peer.ip()) {
                    Some(place) => {
                        count(&self.office.cells.connections);
                        tokio::spawn(self.clone().serve(stream, peer, place));
                    }
                    None => count(&self.office.cells.connections_turned_away),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept over TCP");
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            }
        }
    }

    fn seat(&self, client: IpAddr) -> Option<Place> {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = guests.per_client.get(&client).copied().unwrap_or(0);
        if guests.all >= self.settings.connections_max || of_client >= self.settings.connections_per_client_max {
            return None;
        }
        guests.all += 1;
        guests.per_client.insert(client, of_client + 1);
        Some(Place { guests: Arc::clone(&self.guests), client })
    }

    async fn serve(mut self, stream: TcpStream, peer: SocketAddr, place: Place) {
        // Replies are written whole; waiting to fill a segment would only delay them.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let (outbox, replies) = mpsc::channel(self.settings.in_flight_max);
        let (cut, when_cut) = oneshot::channel();
        let writing = tokio::spawn(write(writer, replies, self.settings.write_time_max, when_cut));
        let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, reader);
        let read = self.read(&mut reader, peer, outbox.clone()).await;
        if matches!(read, Ok(End::Aborted)) {
            count(&self.office.cells.sessions_aborted);
            // Closing then sends RST instead of what is still to be sent (RFC 8490 §5.3). Fails only when there is no
            // connection left to reset.
            let _ = reader.get_ref().as_ref().set_zero_linger();
            let _ = cut.send(());
            // The outbox was kept until here: without one the writer would end the stream, and the client see that instead.
            let _ = writing.await;
            return;
        }
        drop(outbox);
        // Answers still being looked up hold the outbox; the writer ends after the last of them.
        let written = writing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if [read.map(drop), written]
            .into_iter()
            .filter_map(Result::err)
            .any(|error| error.kind() == io::ErrorKind::TimedOut)
        {
            count(&self.office.cells.connections_cut);
        }
        drop(place);
    }

    /// Reads and answers until the client has gone, is idle, breaks the rules of its session, or we stop.
    async fn read(
        &mut self,
        reader: &mut BufReader<OwnedReadHalf>,
        peer: SocketAddr,
        outbox: mpsc::Sender<Vec<u8>>,
    ) -> io::Result<End> {
        let places_max = self.settings.in_flight_max;
        let places = Arc::new(Semaphore::new(places_max));
        let mut session = Session::new(self.settings.session, now());
        // When the last answer that came late was given.
        let late_micros = Arc::new(AtomicU64::new(0));
        let mut query = Vec::new();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(End::Closed) };
            // One place is ours, so others are taken when answers are under way.
            let busy = || places.available_permits() + 1 < places_max;
            match self.next(reader, &mut session, &late_micros, busy).await? {
                Next::Message => {}
                Next::Closed => return Ok(End::Closed),
                Next::Expired => return Ok(End::Aborted),
                Next::Stopping => return self.bid_farewell(reader, session, &places, outbox).await,
            }
            timeout(self.settings.message_time_max, read_message(reader, &mut query)).await??;

            let source = Source { peer, transport: Transport::Tcp };
            let mut reply = Vec::new();
            let outcome = self.office.at_desk(|desk| {
                let outcome = desk.converse(&mut session, &query, source, now(), &mut reply);
                desk.close(now());
                outcome
            });
            let Ok(outcome) = outcome else { return Ok(End::Aborted) };
            match outcome {
                Outcome::Silence => continue,
                Outcome::Reply => {}
                Outcome::Operate(operating) => {
                    let (outbox, late_micros) = (outbox.clone(), Arc::clone(&late_micros));
                    let taken = self.office.take_up_operation(operating, move |reply, more| async move {
                        send_all(reply, more, &outbox).await;
                        late_micros.fetch_max(now().monotonic_micros, Relaxed);
                        drop(place);
                    });
                    match taken {
                        Ok(()) => continue,
                        Err(operating) => self.office.at_desk(|desk| {
                            desk.give_up_operation(*operating, OVERFLOW, &mut reply);
                            desk.close(now());
                        }),
                    }
                }
                Outcome::Pursue(pursuit) => {
                    let (outbox, late_micros) = (outbox.clone(), Arc::clone(&late_micros));
                    let taken = self.office.take_up(pursuit, move |reply| async move {
                        // Fails when the connection is gone: nobody is there to tell.
                        let _ = outbox.send(reply).await;
                        late_micros.fetch_max(now().monotonic_micros, Relaxed);
                        drop(place);
                    });
                    match taken {
                        Ok(()) => continue,
                        Err(pursuit) => self.office.at_desk(|desk| {
                            desk.give_up(*pursuit, OVERFLOW, &mut reply);
                            desk.close(now());
                        }),
                    }
                }
            }
            if outbox.send(reply).await.is_err() {
                return Ok(End::Closed);
            }
        }
    }

    /// Waits for the first octet of a message, as long as connection or session may be without one.
    async fn next(
        &mut self,
        reader: &mut BufReader<OwnedReadHalf>,
        session: &mut Session,
        late_micros: &AtomicU64,
        busy: impl Fn() -> bool,
    ) -> io::Result<Next> {
        loop {
            let expires = session.expires_micros(busy());
            let patience = match expires {
                None => self.settings.idle,
                Some(micros) => Duration::from_micros(micros.saturating_sub(now().monotonic_micros)),
            };
            let waited = tokio::select! {
                waited = timeout(patience, reader.fill_buf()) => waited,
                _ = self.stopping.changed() => return Ok(Next::Stopping),
            };
            match waited {
                Ok(octets) => return Ok(if octets?.is_empty() { Next::Closed } else { Next::Message }),
                Err(_) if expires.is_none() && busy() => {}
                Err(_) if expires.is_none() => return Ok(Next::Closed),
                Err(_) => {
                    // An answer may have been given while we waited, and then the client has more time.
                    session.note_activity(late_micros.load(Relaxed));
                    let expires = session.expires_micros(busy()).unwrap_or(0);
                    if expires <= now().monotonic_micros {
                        return Ok(Next::Expired);
                    }
                }
            }
        }
    }

    /// Ends a session because we stop: when all is answered the client is told to close the connection, and given time to. What
    /// it still sends is not looked at (RFC 8490 §6.6.1).
    async fn bid_farewell(
        &self,
        reader: &mut BufReader<OwnedReadHalf>,
        mut session: Session,
        places: &Semaphore,
        outbox: mpsc::Sender<Vec<u8>>,
    ) -> io::Result<End> {
        if !session.is_established() {
            return Ok(End::Closed);
        }
        let turn = self.farewells.fetch_add(1, Relaxed) % RETRY_DELAY_STEPS;
        let delay_millis = RETRY_DELAY_MILLIS_FIRST + turn as u32 * RETRY_DELAY_MILLIS_STEP;
        let Some(farewell) = session.retire(delay_millis) else { return Ok(End::Closed) };
        let others = u32::try_from(self.settings.in_flight_max.saturating_sub(1)).unwrap_or(u32::MAX);
        let gone = async {
            // Fails only for a closed semaphore; ours is never closed.
            let _ = places.acquire_many(others).await;
            if outbox.send(farewell).await.is_ok() {
                // Ends with the connection, and at the latest with the time given.
                let _ = tokio::io::copy(reader, &mut tokio::io::sink()).await;
            }
        };
        match timeout(FAREWELL_TIME_MAX, gone).await {
            Ok(()) => Ok(End::Closed),
            Err(_) => Ok(End::Aborted),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        guests.all -= 1;
        if let Some(of_client) = guests.per_client.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                guests.per_client.remove(&self.client);
            }
        }
    }
}

/// Reads one message; memory grows with what has come, not with what was announced.
async fn read_message(reader: &mut BufReader<OwnedReadHalf>, message: &mut Vec<u8>) -> io::Result<()> {
    let len = reader.read_u16().await?;
    message.clear();
    reader.take(u64::from(len)).read_to_end(message).await?;
    if message.len() < usize::from(len) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Hands the messages of one operation to the writer, each when there is room for it; ends early when the connection is gone.
async fn send_all(first: Vec<u8>, more: Option<More>, outbox: &mpsc::Sender<Vec<u8>>) {
    if outbox.send(first).await.is_err() {
        return;
    }
    let Some(mut more) = more else { return };
    while let Some(message) = more(now()) {
        if outbox.send(message).await.is_err() {
            return;
        }
    }
}

/// Writes replies as they come. An error ends it; the reader learns of it by its closed outbox. Once cut, nothing more is
/// written, not even the end.
async fn write(
    mut writer: OwnedWriteHalf,
    mut replies: mpsc::Receiver<Vec<u8>>,
    time_max: Duration,
    when_cut: oneshot::Receiver<()>,
) -> io::Result<()> {
    let written = async {
        let mut frame = Vec::new();
        while let Some(reply) = replies.recv().await {
            // A desk never writes more than a frame can hold.
            let Ok(len) = u16::try_from(reply.len()) else { continue };
            if len == 0 {
                continue;
            }
            frame.clear();
            frame.extend_from_slice(&len.to_be_bytes());
            frame.extend_from_slice(&reply);
            timeout(time_max, writer.write_all(&frame)).await??;
        }
        writer.shutdown().await
    };
    tokio::select! {
        written = written => return written,
        // The reader ends without a word when it only ends: then what is under way is still written.
        Ok(()) = when_cut => {}
    }
    writer.forget();
    Ok(())
}
