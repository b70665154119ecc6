//! One connection: whole messages that have come are answered at one desk, and all replies that are ready leave in one write.
//!
//! One task does it, in turns; between turns it holds no buffer, only what is not whole yet or not taken yet by the client. Late
//! answers come back through a channel whose places are also the limit of answers under way: with none free, or with too much
//! unwritten, nothing is read. Knows whether its client is too slow, not who else is connected.
//!
//! ```text
//! stream ─ read ─▶ Input ─▶ Desk::converse ─┬─ reply ─────────────────────────▶ Output ─ one write ─▶ stream
//!                                           └─ Pursue, Operate ─▶ tokio ─▶ channel ─▲
//! ```

use std::future::{poll_fn, ready};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use engine::{Aborted, More, Outcome, Session, Source};
use sys::clock::monotonic_micros;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::time::{Instant, Sleep, sleep};

use super::frames::{Input, Output};
use super::patience::{Due, Patience, Standing};
use crate::late::{OVERFLOW, Office, now};
use crate::settings::TcpSettings;

/// Octets read at a time.
const READ_BYTES_MAX: usize = 16 << 10;
/// Messages answered before other connections have their turn: a few dozen microseconds when all are cached.
const MESSAGES_PER_TURN_MAX: usize = 128;

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Makes closing send RST instead of what is still to be sent.
    fn reset_when_closed(&self);
}

impl Stream for TcpStream {
    fn reset_when_closed(&self) {
        // Fails only when there is no connection left to reset.
        let _ = self.set_zero_linger();
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client has gone, was idle or we stop, and all that could be answered was.
    Closed,
    /// The client was too slow to send or to read.
    Cut,
    /// Nothing more is sent, and the connection is to be reset.
    Aborted,
}

/// Whether late answers may still come.
enum Late {
    /// There may be more, but no room for it before something is written.
    NoRoom,
    /// The task is woken by the next.
    Awaited,
    /// None will come.
    Over,
}

/// A connection at work.
pub(crate) struct Connection<S> {
    stream: S,
    source: Source,
    settings: Arc<TcpSettings>,
    office: Arc<Office>,
    session: Session,
    input: Input,
    output: Output,
    /// For late answers; gone when nothing more is read.
    outbox: Option<mpsc::Sender<Vec<u8>>>,
    late: mpsc::Receiver<Vec<u8>>,
    /// Something came or left since the time was last looked at.
    stirred: bool,
    patience: Patience,
    /// Was too slow with a message; what is under way is still answered.
    slow: bool,
    /// When the alarm rings. It is left as it is when there turns out to be more time: then it rings for nothing.
    alarm_micros: u64,
}

impl<S: Stream> Connection<S> {
    pub(crate) fn new(stream: S, source: Source, settings: Arc<TcpSettings>, office: Arc<Office>) -> Connection<S> {
        let (outbox, late) = mpsc::channel(settings.in_flight_max.max(1));
        let now = now();
        Connection {
            stream,
            source,
            session: Session::new(settings.session, now),
            settings,
            office,
            input: Input::default(),
            output: Output::default(),
            outbox: Some(outbox),
            late,
            stirred: false,
            patience: Patience::new(now.monotonic_micros),
            slow: false,
            alarm_micros: 0,
        }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Nothing more is read; answers under way are still given.
    pub(crate) fn stop_reading(&mut self) {
        self.outbox = None;
    }

    /// Reads and answers until the connection has ended. May be dropped and called again.
    pub(crate) async fn run(&mut self) -> End {
        self.alarm_micros = 0;
        let mut alarm = pin!(sleep(Duration::ZERO));
        poll_fn(|context| self.poll_run(context, alarm.as_mut())).await
    }

    /// Gives the answers under way, then the farewell, and waits until the client has closed the connection. What it still sends
    /// is not looked at (RFC 8490 §6.6.1).
    pub(crate) async fn part(&mut self, farewell: &[u8]) -> End {
        self.stop_reading();
        let gone = async {
            poll_fn(|context| self.poll_finish(context)).await?;
            self.output.add(farewell);
            poll_fn(|context| self.poll_send(context, false)).await?;
            tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await
        };
        // An error says the same as the end.
        let _: io::Result<u64> = gone.await;
        End::Closed
    }

    fn poll_run(&mut self, context: &mut Context<'_>, mut alarm: Pin<&mut Sleep>) -> Poll<End> {
        let mut answered = 0;
        loop {
            let late = self.collect(context);
            let before = answered;
            if self.answer(&mut answered).is_err() {
                self.let_events_go();
                return Poll::Ready(End::Aborted);
            }
            let last = matches!(late, Late::Over);
            let sent = self.poll_send(context, last);
            if answered > before {
                self.let_events_go();
            }
            match sent {
                Poll::Ready(Ok(())) if last => return Poll::Ready(if self.slow { End::Cut } else { End::Closed }),
                Poll::Ready(Err(_)) => return Poll::Ready(End::Closed),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            if answered >= MESSAGES_PER_TURN_MAX {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.output.has_room() && (matches!(late, Late::NoRoom) || self.may_answer()) {
                continue;
            }
            let read = if self.may_read() { self.poll_read(context) } else { Poll::Pending };
            match read {
                Poll::Ready(Ok(0)) => self.stop_reading(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(End::Closed),
                Poll::Pending => {
                    if let Some(end) = ready!(self.poll_time(context, alarm.as_mut(), sent.is_pending())) {
                        return Poll::Ready(end);
                    }
                }
            }
        }
    }

    /// Sends until no answer is under way.
    fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let late = self.collect(context);
            ready!(self.poll_send(context, false))?;
            match late {
                Late::NoRoom => {}
                Late::Awaited => return Poll::Pending,
                Late::Over => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Takes over late answers that are ready.
    fn collect(&mut self, context: &mut Context<'_>) -> Late {
        let mut any = false;
        let late = loop {
            if !self.output.has_room() {
                break Late::NoRoom;
            }
            match self.late.poll_recv(context) {
                Poll::Ready(Some(reply)) => self.output.add(&reply),
                Poll::Ready(None) => break Late::Over,
                Poll::Pending => break Late::Awaited,
            }
            any = true;
        };
        if any {
            self.stirred = true;
            self.session.note_activity(monotonic_micros());
        }
        late
    }

    /// Answers what has come whole, as far as there are places and room, at one desk. Counts on in `answered`.
    fn answer(&mut self, answered: &mut usize) -> Result<(), Aborted> {
        if !self.may_answer() {
            return Ok(());
        }
        let Connection { input, output, session, source, office, outbox: Some(outbox), .. } = self else {
            return Ok(());
        };
        let arrived = now();
        let done = office.at_desk(|desk, reply| {
            // Each message has its place for a late answer before it is taken; most do not use it, and the next has it.
            let mut spare = None;
            while *answered < MESSAGES_PER_TURN_MAX && output.has_room() {
                let Some(place) = spare.take().or_else(|| outbox.clone().try_reserve_owned().ok()) else { break };
                let Some(message) = input.take() else { break };
                *answered += 1;
                reply.clear();
                match desk.converse(session, message, *source, arrived, reply)? {
                    Outcome::Reply => spare = Some(place),
                    Outcome::Silence => {
                        reply.clear();
                        spare = Some(place);
                    }
                    Outcome::Operate(operating) => {
                        reply.clear();
                        let deliver = move |first, more| send_all(place, first, more);
                        if let Err(operating) = office.take_up_operation(operating, deliver) {
                            desk.give_up_operation(*operating, OVERFLOW, reply);
                        }
                    }
                    Outcome::Pursue(pursuit) => {
                        reply.clear();
                        let deliver = move |reply| {
                            place.send(reply);
                            ready(())
                        };
                        if let Err(pursuit) = office.take_up(pursuit, deliver) {
                            desk.give_up(*pursuit, OVERFLOW, reply);
                        }
                    }
                }
                output.add(reply);
            }
            Ok(())
        });
        self.stirred = true;
        self.patience.message_came();
        self.input.settle();
        done
    }

    /// What was answered is on its way, or is not sent at all.
    fn let_events_go(&self) {
        self.office.at_desk(|desk, _| desk.close(now()));
    }

    fn may_answer(&self) -> bool {
        self.input.is_ready() && self.output.has_room() && self.has_place()
    }

    /// Nothing is read beside what waits to be answered.
    fn may_read(&self) -> bool {
        !self.input.is_ready() && self.output.has_room() && self.has_place()
    }

    fn has_place(&self) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.capacity() > 0)
    }

    /// Whether answers are under way.
    fn is_busy(&self) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.capacity() < outbox.max_capacity())
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); READ_BYTES_MAX];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        self.input.add(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes what there is, and the end of the stream if this was the `last`.
    fn poll_send(&mut self, context: &mut Context<'_>, last: bool) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(context, self.output.rest()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.written(count);
            self.stirred = true;
            self.patience.taken(count);
        }
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if last {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Pending while the client has time. `None` when it has not, and something other than the end follows from that.
    fn poll_time(&mut self, context: &mut Context<'_>, mut alarm: Pin<&mut Sleep>, owing: bool) -> Poll<Option<End>> {
        let mut now_micros = monotonic_micros();
        let standing = Standing {
            stirred: std::mem::take(&mut self.stirred),
            // While we do not read it is not the client that is slow.
            cut_short: self.may_read() && !self.input.is_empty(),
            owed: owing.then(|| self.output.rest().len()),
        };
        self.patience.wait(standing, now_micros);
        loop {
            let Some((due_micros, due)) = self.due() else { return Poll::Pending };
            if due_micros <= now_micros {
                match due {
                    Due::Taking => return Poll::Ready(Some(End::Cut)),
                    Due::Session => return Poll::Ready(Some(End::Aborted)),
                    Due::Rest => self.slow = true,
                    Due::Query => {}
                }
                self.stop_reading();
                return Poll::Ready(None);
            }
            if due_micros < self.alarm_micros || self.alarm_micros <= now_micros {
                self.alarm_micros = due_micros;
                alarm.as_mut().reset(Instant::now() + Duration::from_micros(due_micros - now_micros));
            }
            ready!(alarm.as_mut().poll(context));
            self.alarm_micros = 0;
            now_micros = monotonic_micros();
        }
    }

    fn due(&self) -> Option<(u64, Due)> {
        if self.outbox.is_none() {
            return self.patience.taking(&self.settings);
        }
        let busy = self.is_busy();
        self.patience.due(&self.settings, self.session.expires_micros(busy), busy)
    }
}

/// Hands over the messages of one operation, each when there is a place for it; ends early when the connection is gone.
async fn send_all(place: OwnedPermit<Vec<u8>>, first: Vec<u8>, more: Option<More>) {
    let outbox = place.send(first);
    let Some(mut more) = more else { return };
    while let Some(message) = more(now()) {
        if outbox.send(message).await.is_err() {
            return;
        }
    }
}
