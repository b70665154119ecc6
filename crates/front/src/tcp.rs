//! TCP (RFC 7766): many queries on a connection at once, replies in the order they are ready.
//!
//! Here connections are accepted, counted and ended; what happens on one is in [`connection`]. A client that sends or reads too
//! slowly is cut; one that has enough queries under way is not read from until some are answered. A client may turn the connection
//! into a DSO session (RFC 8490); what that demands is said by [`engine::Session`], and done here: timers, farewell, abort.

mod connection;
mod frames;
mod patience;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{Source, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use self::connection::{Connection, End, Stream};
use crate::figures::count;
use crate::late::Office;
use crate::settings::TcpSettings;

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
        let source = Source { peer, transport: Transport::Tcp };
        let mut connection = Connection::new(stream, source, Arc::clone(&self.settings), Arc::clone(&self.office));
        let ended = tokio::select! {
            biased;
            _ = self.stopping.changed() => None,
            end = connection.run() => Some(end),
        };
        let end = match ended {
            Some(end) => end,
            None => self.end(&mut connection).await,
        };
        match end {
            End::Closed => {}
            End::Cut => count(&self.office.cells.connections_cut),
            End::Aborted => {
                count(&self.office.cells.sessions_aborted);
                // RFC 8490 §5.3.
                connection.stream().reset_when_closed();
            }
        }
        drop(connection);
        drop(place);
    }

    /// Ends a connection because we stop: when all is answered the client of a session is told to close it, and given time to (RFC
    /// 8490 §6.6.1).
    async fn end<S: Stream>(&self, connection: &mut Connection<S>) -> End {
        if connection.session().is_established() {
            let turn = self.farewells.fetch_add(1, Relaxed) % RETRY_DELAY_STEPS;
            let delay_millis = RETRY_DELAY_MILLIS_FIRST + turn as u32 * RETRY_DELAY_MILLIS_STEP;
            if let Some(farewell) = connection.session().retire(delay_millis) {
                return timeout(FAREWELL_TIME_MAX, connection.part(&farewell)).await.unwrap_or(End::Aborted);
            }
        }
        connection.stop_reading();
        connection.run().await
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
