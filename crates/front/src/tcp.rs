//! TCP (RFC 7766): many queries on a connection at once, replies in the order they are ready.
//!
//! A connection is two tasks: this one reads, another writes. A client that sends or reads too slowly is cut; one that
//! has enough queries under way is not read from until some are answered.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{Outcome, Source, Transport};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use crate::figures::count;
use crate::late::{More, OVERFLOW, Office, now};
use crate::settings::TcpSettings;

/// Octets read from a connection at a time.
const READ_BUFFER_BYTES: usize = 4_096;
/// Pause after a failed accept: usually descriptors have run out, and trying again at once changes nothing.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

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
}

impl Tcp {
    pub(crate) fn new(settings: TcpSettings, office: Arc<Office>, stopping: watch::Receiver<bool>) -> Tcp {
        Tcp { settings: Arc::new(settings), office, stopping, guests: Arc::default() }
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
        let writing = tokio::spawn(write(writer, replies, self.settings.write_time_max));
        let read = self.read(BufReader::with_capacity(READ_BUFFER_BYTES, reader), peer, outbox).await;
        // Answers still being looked up hold the outbox; the writer ends after the last of them.
        let written = writing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if [read, written].into_iter().filter_map(Result::err).any(|error| error.kind() == io::ErrorKind::TimedOut) {
            count(&self.office.cells.connections_cut);
        }
        drop(place);
    }

    /// Reads and answers until the client has gone, is idle, or we stop.
    async fn read(
        &mut self,
        mut reader: BufReader<OwnedReadHalf>,
        peer: SocketAddr,
        outbox: mpsc::Sender<Vec<u8>>,
    ) -> io::Result<()> {
        let places_max = self.settings.in_flight_max;
        let places = Arc::new(Semaphore::new(places_max));
        let mut query = Vec::new();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
            // One place is ours, so others are taken when answers are under way.
            let busy = || places.available_permits() + 1 < places_max;
            if !self.more_comes(&mut reader, busy).await? {
                return Ok(());
            }
            timeout(self.settings.message_time_max, read_message(&mut reader, &mut query)).await??;

            let source = Source { peer, transport: Transport::Tcp };
            let mut reply = Vec::new();
            let outcome = self.office.at_desk(|desk| {
                let outcome = desk.answer(&query, source, now(), &mut reply);
                desk.close(now());
                outcome
            });
            match outcome {
                Outcome::Silence => continue,
                Outcome::Reply => {}
                Outcome::Operate(operating) => {
                    let outbox = outbox.clone();
                    let taken = self.office.take_up_operation(operating, move |reply, more| async move {
                        send_all(reply, more, &outbox).await;
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
                    let outbox = outbox.clone();
                    let taken = self.office.take_up(pursuit, move |reply| async move {
                        // Fails when the connection is gone: nobody is there to tell.
                        let _ = outbox.send(reply).await;
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
                return Ok(());
            }
        }
    }

    /// Waits for the first octet of a message; `false` when the connection is to end instead.
    async fn more_comes(&mut self, reader: &mut BufReader<OwnedReadHalf>, busy: impl Fn() -> bool) -> io::Result<bool> {
        loop {
            let waited = tokio::select! {
                waited = timeout(self.settings.idle, reader.fill_buf()) => waited,
                _ = self.stopping.changed() => return Ok(false),
            };
            match waited {
                Ok(octets) => return Ok(!octets?.is_empty()),
                Err(_) if busy() => {}
                Err(_) => return Ok(false),
            }
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
    for message in std::iter::once(first).chain(more.into_iter().flatten()) {
        if outbox.send(message).await.is_err() {
            return;
        }
    }
}

/// Writes replies as they come. An error ends it; the reader learns of it by its closed outbox.
async fn write(mut writer: OwnedWriteHalf, mut replies: mpsc::Receiver<Vec<u8>>, time_max: Duration) -> io::Result<()> {
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
}
