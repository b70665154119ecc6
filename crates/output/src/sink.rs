//! A sink: one thread that takes events from its queue, makes them ready, and sends them as fast as the far end takes them.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use event::{Batch, Row};

use crate::backlog::Backlog;
use crate::connect::Dial;
use crate::link::{Link, is_later};
use crate::queue::{Entry, Queue};
use crate::spool::{Spool, system_opener};
use crate::status::{Loss, Lost, Status};
use crate::syslog::Syslog;
use crate::tap;
use crate::target::{Format, Target, Transport};
use crate::tls::Tls;

/// How long a far end may take nothing before its connection is given up; on TCP the system does so after
/// [`crate::ACKNOWLEDGE_WITHIN`].
pub const STALL_MAX: Duration = Duration::from_secs(30);
/// Longest time a stop takes, the far end's goodbye included; what is not sent by then goes to the spool.
pub const STOP_WITHIN: Duration = Duration::from_secs(2);

/// Records handed over before the queue is looked at again.
const RECORDS_PER_TURN: usize = 256;
/// Wait of a thread whose far end takes nothing now.
const BLOCKED_WAIT: Duration = Duration::from_millis(5);
/// Wait of a thread with nothing to do; a far end that went is seen after it.
const IDLE_WAIT: Duration = Duration::from_millis(250);
/// What a power cut may cost of the spool.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// A datagram the network does not take at this size.
const EMSGSIZE: i32 = 90;
/// Notes kept of what was found in the spool.
const NOTES_MAX: usize = 16;

/// Time between two attempts to connect: doubled each time, between half and the whole of it by chance.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// After the first failure.
    pub first: Duration,
    /// At most. A connection that held this long counts as a good one.
    pub max: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { first: Duration::from_millis(500), max: Duration::from_secs(60) }
    }
}

impl Pace {
    /// The wait after so many failures in a row.
    fn wait(self, failures: u32, random: u64) -> Duration {
        let whole = self.first.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1))).min(self.max);
        let half = whole / 2;
        half + half.mul_f64((random % 1024) as f64 / 1023.0)
    }
}

/// Says whether an event is sent.
pub type Select = Box<dyn Fn(&Row) -> bool + Send>;

/// What a sink is made from.
pub struct Settings {
    /// Its name, in status and log.
    pub name: String,
    /// Where it sends to.
    pub target: Target,
    /// How the body of a syslog message is written; dnstap has one form.
    pub format: Format,
    /// Files of TLS.
    pub tls: Tls,
    /// Who sends, where an event does not say which server it is from.
    pub node: String,
    /// Version of the program.
    pub version: String,
    /// Which events are sent; `None`: all.
    pub select: Option<Select>,
    /// Folder of the spool, for this sink alone.
    pub spool_folder: PathBuf,
    /// Most octets of the spool; 0: none, what does not fit into memory is lost.
    pub spool_bytes: u64,
    /// Time between two attempts to connect.
    pub pace: Pace,
    /// Chance, for that time.
    pub random: Box<dyn FnMut() -> u64 + Send>,
}

/// Why a sink does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The spool cannot be opened.
    #[error("cannot open the spool {}: {error}", folder.display())]
    Spool {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file of TLS cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

#[derive(Default)]
struct Shared {
    queue: Queue,
    status: Mutex<Status>,
    dialled: Mutex<Option<io::Result<Link>>>,
}

impl Shared {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running sink. Dropping it stops it.
pub struct Sink {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Sink {
    /// Opens the spool, reads the files of TLS and starts the thread. Does not wait for the far end.
    ///
    /// # Errors
    /// A spool or file that cannot be used.
    pub fn start(settings: Settings) -> Result<Sink, StartError> {
        let tls = match settings.target.transport() {
            Transport::Tls { .. } => Some(settings.tls.load().map_err(StartError::Tls)?),
            _ => None,
        };
        let form = settings.target.form(settings.format);
        let spool = Spool::open(&settings.spool_folder, settings.spool_bytes, form, system_opener())
            .map_err(|error| StartError::Spool { folder: settings.spool_folder.clone(), error })?;
        let shared = Arc::new(Shared::default());
        {
            let mut status = shared.status();
            status.name.clone_from(&settings.name);
            status.target = settings.target.to_string();
        }
        let name = format!("output {}", settings.name);
        let worker = Worker::new(settings, tls, spool, Arc::clone(&shared));
        let thread = thread::Builder::new().name(name).spawn(move || worker.run()).map_err(StartError::Thread)?;
        Ok(Sink { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Takes events of the log's feed, in its order; drops and counts them when the queue is full. Never waits.
    pub fn offer(&self, batch: Batch) {
        self.shared.queue.offer(batch);
    }

    /// How the sink is.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = self.shared.status().clone();
        status.queued += self.shared.queue.rows() as u64;
        status
    }

    /// Sends what can be sent within [`STOP_WITHIN`], keeps the rest in the spool.
    pub fn stop(&self) {
        self.shared.queue.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("a sink's thread ended badly");
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop();
    }
}

enum State {
    Down { until: Instant },
    Dialling,
    Up { link: Link, since: Instant, stalled: Option<Instant> },
}

/// Whether the thread may wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pushed {
    /// There is more, and the far end takes it.
    More,
    /// The far end takes nothing now.
    Blocked,
    /// All was handed over.
    Idle,
}

struct Worker {
    name: String,
    dial: Dial,
    syslog: Option<Syslog>,
    node: String,
    version: String,
    select: Option<Select>,
    pace: Pace,
    random: Box<dyn FnMut() -> u64 + Send>,
    backlog: Backlog,
    shared: Arc<Shared>,
    state: State,
    failures: u32,
    next_seq: Option<u64>,
    sent: u64,
    again: u64,
    lost: Lost,
    queue_dropped: u64,
    synced: Instant,
    is_disk_told: bool,
}

impl Worker {
    fn new(settings: Settings, tls: Option<Arc<rustls::ClientConfig>>, spool: Spool, shared: Arc<Shared>) -> Worker {
        let syslog = matches!(settings.target, Target::Syslog(_)).then(|| Syslog {
            format: settings.format,
            node: settings.node.clone(),
            version: settings.version.clone(),
            process: std::process::id(),
            is_datagram: matches!(settings.target.transport(), Transport::Udp { .. }),
        });
        let now = Instant::now();
        Worker {
            name: settings.name,
            dial: Dial { target: settings.target, tls },
            syslog,
            node: settings.node,
            version: settings.version,
            select: settings.select,
            pace: settings.pace,
            random: settings.random,
            backlog: Backlog::new(spool),
            shared,
            state: State::Down { until: now },
            failures: 0,
            next_seq: None,
            sent: 0,
            again: 0,
            lost: Lost::default(),
            queue_dropped: 0,
            synced: now,
            is_disk_told: false,
        }
    }

    fn run(mut self) {
        for note in &self.backlog.spool.notes {
            tracing::warn!(sink = self.name, "{note}");
        }
        let mut pushed = Pushed::Idle;
        loop {
            let taken = self.shared.queue.take(self.wait(pushed));
            self.queue_dropped = taken.dropped;
            self.take_in(taken.batches);
            if taken.is_stopping {
                break;
            }
            let now = Instant::now();
            pushed = self.turn(now);
            if now.saturating_duration_since(self.synced) >= SYNC_EVERY {
                self.backlog.spool.sync();
                self.synced = now;
            }
            self.tell();
        }
        self.close();
        self.tell();
    }

    fn wait(&self, pushed: Pushed) -> Duration {
        match (&self.state, pushed) {
            (State::Down { until }, _) => until.saturating_duration_since(Instant::now()).min(SYNC_EVERY),
            (State::Dialling, _) => SYNC_EVERY,
            (State::Up { .. }, Pushed::More) => Duration::ZERO,
            (State::Up { .. }, Pushed::Blocked) => BLOCKED_WAIT,
            (State::Up { .. }, Pushed::Idle) => IDLE_WAIT,
        }
    }

    fn take_in(&mut self, batches: Vec<Entry>) {
        for entry in batches {
            let Ok(rows) = event::rows(&entry.batch) else {
                let count = entry.batch.num_rows() as u64;
                self.lost.add(Loss::Damaged, count);
                // Their numbers are not a gap as well.
                self.next_seq = self.next_seq.map(|expected| expected + entry.dropped_before + count);
                continue;
            };
            if let (Some(first), Some(expected)) = (rows.first(), self.next_seq) {
                let missing = first.seq.saturating_sub(expected);
                self.lost.add(Loss::Feed, missing.saturating_sub(entry.dropped_before));
            }
            self.next_seq = rows.last().map(|row| row.seq + 1).or(self.next_seq);
            for row in rows.iter().filter(|row| self.select.as_ref().is_none_or(|select| select(row))) {
                let octets = match &self.syslog {
                    Some(syslog) => syslog.message(row),
                    None => tap::frames(row, &self.node, &self.version),
                };
                let pushed = self.backlog.push(octets, matches!(self.state, State::Up { .. }));
                match pushed {
                    Ok(()) => self.is_disk_told = false,
                    // Once for each time the disk begins to refuse, not once for each event.
                    Err(error) if !std::mem::replace(&mut self.is_disk_told, true) => {
                        tracing::warn!(sink = self.name, error = %error, "the spool takes no more: events are lost");
                        self.shared.status().last_error = Some(format!("the spool takes no more: {error}"));
                    }
                    Err(_) => {}
                }
            }
        }
    }

    fn turn(&mut self, now: Instant) -> Pushed {
        match &mut self.state {
            State::Down { until } if now >= *until => self.start_dialling(now),
            State::Down { .. } => {}
            State::Dialling => {
                let dialled = self.shared.dialled.lock().unwrap_or_else(PoisonError::into_inner).take();
                match dialled {
                    Some(Ok(link)) => {
                        self.state = State::Up { link, since: now, stalled: None };
                        self.shared.status().connected_since = Some(SystemTime::now());
                        tracing::info!(sink = self.name, "connected to {}", self.dial.target);
                        return self.push(now);
                    }
                    Some(Err(error)) => self.went_down(now, &error),
                    None => {}
                }
            }
            State::Up { .. } => return self.push(now),
        }
        Pushed::Idle
    }

    fn start_dialling(&mut self, now: Instant) {
        let (dial, shared) = (self.dial.clone(), Arc::clone(&self.shared));
        let dialling = thread::Builder::new().name("output dial".to_owned()).spawn(move || {
            let dialled = dial.connect();
            *shared.dialled.lock().unwrap_or_else(PoisonError::into_inner) = Some(dialled);
            shared.queue.wake();
        });
        match dialling {
            Ok(_) => self.state = State::Dialling,
            Err(error) => self.went_down(now, &error),
        }
    }

    /// Hands over what the far end takes now.
    fn push(&mut self, now: Instant) -> Pushed {
        match self.try_push(now) {
            Ok(pushed) => pushed,
            Err(error) => {
                self.went_down(now, &error);
                Pushed::Idle
            }
        }
    }

    fn try_push(&mut self, now: Instant) -> io::Result<Pushed> {
        let State::Up { link, stalled, .. } = &mut self.state else { return Ok(Pushed::Idle) };
        link.look()?;
        for _ in 0..RECORDS_PER_TURN {
            let octets = self.backlog.next();
            if octets.is_empty() {
                *stalled = None;
                self.backlog.settle(now);
                return Ok(Pushed::Idle);
            }
            match link.write(octets) {
                Ok(taken) => {
                    *stalled = None;
                    self.sent += u64::from(self.backlog.advance(taken, now, link.leaves_doubt()));
                }
                Err(error) if is_later(&error) => {
                    let since = *stalled.get_or_insert(now);
                    if now.saturating_duration_since(since) >= STALL_MAX {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "the far end takes nothing any more"));
                    }
                    return Ok(Pushed::Blocked);
                }
                Err(error) if error.raw_os_error() == Some(EMSGSIZE) => self.backlog.give_up(now),
                Err(error) => return Err(error),
            }
        }
        self.backlog.settle(now);
        Ok(Pushed::More)
    }

    fn went_down(&mut self, now: Instant, error: &io::Error) {
        let held = match &self.state {
            State::Up { since, .. } => {
                tracing::warn!(sink = self.name, error = %error, "the connection to {} broke", self.dial.target);
                now.saturating_duration_since(*since)
            }
            _ => {
                if self.failures == 0 {
                    tracing::warn!(sink = self.name, error = %error, "cannot reach {}", self.dial.target);
                }
                Duration::ZERO
            }
        };
        self.failures = if held >= self.pace.max { 1 } else { self.failures.saturating_add(1) };
        self.again += self.backlog.broken();
        self.state = State::Down { until: now + self.pace.wait(self.failures, (self.random)()) };
        let mut status = self.shared.status();
        status.connected_since = None;
        status.last_error = Some(error.to_string());
    }

    /// The last turns: what the far end takes in time, its goodbye, and the rest to disk.
    fn close(&mut self) {
        let until = Instant::now() + STOP_WITHIN;
        while matches!(self.state, State::Up { .. }) && Instant::now() < until {
            match self.push(Instant::now()) {
                Pushed::More => {}
                Pushed::Blocked => thread::park_timeout(BLOCKED_WAIT),
                Pushed::Idle => break,
            }
        }
        let state = std::mem::replace(&mut self.state, State::Down { until });
        let is_taken = match state {
            State::Up { link, .. } if self.backlog.is_between_records() => link.finish(until),
            State::Up { .. } | State::Down { .. } | State::Dialling => false,
        };
        if is_taken {
            self.backlog.settle_all();
        }
        self.again += self.backlog.broken();
        let left = self.backlog.abandon();
        self.lost.add(Loss::Queue, left);
        self.shared.status().connected_since = None;
    }

    fn tell(&self) {
        let mut lost = self.backlog.lost();
        Loss::ALL.into_iter().for_each(|reason| lost.add(reason, self.lost.of(reason)));
        lost.add(Loss::Queue, self.queue_dropped);
        let mut status = self.shared.status();
        status.sent = self.sent;
        status.again = self.again;
        status.queued = self.backlog.queued() as u64;
        status.spooled = self.backlog.spool.unsent();
        status.spooled_bytes = self.backlog.spool.bytes();
        status.lost = lost;
        status.notes = self.backlog.spool.notes.iter().take(NOTES_MAX).cloned().collect();
    }
}

#[cfg(test)]
pub(crate) mod tests;
