//! Opening, running and closing the listeners.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::{Desk, Shared, Sink};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::figures::Figures;
use crate::late::{Office, keep_time};
use crate::settings::Settings;
use crate::tcp::Tcp;
use crate::udp;

/// Connections the system may hold for us before we accept them.
const BACKLOG: u32 = 1_024;
/// Free ports tried before giving up on one that is free for UDP and TCP both.
const FREE_PORTS_TRIED: usize = 32;
/// How long answers under way, and then connections, may take to end once we stop: the time one lookup or the farewell of one
/// session may take, and a little.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(6);

/// Why the listeners did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be taken.
    #[error("cannot listen on {transport} {address}: {source}")]
    Listen {
        /// `udp` or `tcp`.
        transport: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl StartError {
    /// What kind of error the system gave, such as `AddrInUse` or `PermissionDenied`.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            StartError::Listen { source, .. } | StartError::Thread(source) => source.kind(),
        }
    }
}

/// The listeners at work. Dropping it stops them without waiting for answers under way.
pub struct Front {
    office: Arc<Office>,
    addresses: Vec<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
    udp_stopping: Arc<AtomicBool>,
    tcp_stopping: watch::Sender<bool>,
    /// Closed when the last connection has ended.
    tcp_open: mpsc::Receiver<()>,
}

impl Front {
    /// Opens all listeners, or none. `sinks` is called once for each UDP thread and a few times for tokio's side.
    ///
    /// # Errors
    /// Names the first address that could not be taken.
    pub fn start(
        settings: &Settings,
        shared: &Arc<Shared>,
        sinks: &dyn Fn() -> Box<dyn Sink>,
        runtime: &Handle,
    ) -> Result<Front, StartError> {
        let threads = settings.threads.max(1);
        let opened = settings
            .addresses
            .iter()
            .map(|&address| open(address, threads, settings.receive_buffer_bytes))
            .collect::<Result<Vec<_>, _>>()?;

        let office = Arc::new(Office::new(Arc::clone(shared), sinks, runtime.clone(), settings.pursuits_max));
        runtime.spawn(keep_time(Arc::downgrade(&office)));
        let (tcp_stopping, tcp_watches) = watch::channel(false);
        let (open, tcp_open) = mpsc::channel(1);
        let tcp = Tcp::new(settings.tcp.clone(), Arc::clone(&office), tcp_watches, open);
        let (addresses, threads_running, udp_stopping) = (Vec::new(), Vec::new(), Arc::default());
        let mut front = Front { office, addresses, threads: threads_running, udp_stopping, tcp_stopping, tcp_open };
        for sockets in opened {
            front.addresses.push(sockets.address);
            front.run_tcp(sockets.tcp, sockets.address, tcp.clone())?;
            for (core, socket) in sockets.udp.into_iter().enumerate() {
                front.run_udp(socket, core, Desk::new(Arc::clone(shared), sinks()))?;
            }
        }
        Ok(front)
    }

    /// Where we listen, in the order of the settings, ports filled in.
    #[must_use]
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What listeners counted.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.office.cells.figures()
    }

    /// The same for whoever asks later on; zeros once the listeners have stopped.
    pub fn counts(&self) -> impl Fn() -> Figures + Send + Sync + 'static {
        let office = Arc::downgrade(&self.office);
        move || office.upgrade().map(|office| office.cells.figures()).unwrap_or_default()
    }

    /// Stops reading, waits for answers under way, and lets go of all sinks.
    pub async fn stop(mut self) {
        self.tell_to_stop();
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok()));
        if !joined.await.unwrap_or(false) {
            tracing::error!("a UDP thread had died");
        }
        if tokio::time::timeout(SETTLE_TIME_MAX, self.office.settle()).await.is_err() {
            tracing::warn!("some answers were still being looked up");
        }
        // Nothing is ever sent: the end comes when all who could are gone.
        if tokio::time::timeout(SETTLE_TIME_MAX, self.tcp_open.recv()).await.is_err() {
            tracing::warn!("some TCP connections were still open");
        }
    }

    fn run_udp(&mut self, socket: UdpSocket, core: usize, desk: Desk) -> Result<(), StartError> {
        let (office, stopping) = (Arc::clone(&self.office), Arc::clone(&self.udp_stopping));
        let thread = std::thread::Builder::new()
            .name(format!("udp-{core}"))
            .spawn(move || udp::run(&Arc::new(socket), desk, &office, core, &stopping))
            .map_err(StartError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }

    fn run_tcp(&mut self, listener: TcpListener, address: SocketAddr, tcp: Tcp) -> Result<(), StartError> {
        let runtime = self.office.runtime.clone();
        let _entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(|source| refused("tcp", address, source))?;
        runtime.spawn(tcp.accept(listener));
        Ok(())
    }

    fn tell_to_stop(&self) {
        self.udp_stopping.store(true, Relaxed);
        self.tcp_stopping.send_replace(true);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

/// Sockets of one address.
struct Opened {
    address: SocketAddr,
    tcp: TcpListener,
    udp: Vec<UdpSocket>,
}

fn open(address: SocketAddr, threads: usize, receive_buffer_bytes: usize) -> Result<Opened, StartError> {
    let mut tries = if address.port() == 0 { FREE_PORTS_TRIED } else { 1 };
    loop {
        tries -= 1;
        match open_once(address, threads, receive_buffer_bytes) {
            // A port the system gave for TCP may be taken for UDP.
            Err(error) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            opened => return opened,
        }
    }
}

fn open_once(address: SocketAddr, threads: usize, receive_buffer_bytes: usize) -> Result<Opened, StartError> {
    let tcp = sys::listen_tcp(address, BACKLOG).map_err(|source| refused("tcp", address, source))?;
    let address = tcp.local_addr().map_err(|source| refused("tcp", address, source))?;
    let udp = |reuse_port| {
        sys::bind_udp(address, reuse_port, receive_buffer_bytes).map_err(|source| refused("udp", address, source))
    };
    // Sockets that share a port would also share it with a server that is running already, and each would get some of
    // the clients. So the port must first be had alone.
    drop(udp(false)?);
    let udp = (0..threads).map(|_| udp(true)).collect::<Result<_, _>>()?;
    Ok(Opened { address, tcp, udp })
}

fn refused(transport: &'static str, address: SocketAddr, source: io::Error) -> StartError {
    StartError::Listen { transport, address, source }
}
