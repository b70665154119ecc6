//! The way of an event off the thread that answered: one bounded ring per sending thread.
//!
//! Knows nothing of what becomes of an event. Never waits.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;

use event::Event;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::live::{Shared, lock};

/// Events a ring holds. At 150,000 events a second from one thread, 109 ms: five times the writer's nap.
pub const RING_EVENTS_MAX: usize = 16_384;
/// Fill of a ring at which the writer is woken early.
const WAKE_AT: usize = RING_EVENTS_MAX / 4;
/// Offers between two looks at the fill: the look touches the writer's cache line.
const LOOK_EVERY: u32 = 1_024;

/// The sending end: never blocks; a full ring drops the event and counts it.
pub struct Sender {
    ring: Producer<Event>,
    shared: Arc<Shared>,
    rings: Arc<Rings>,
    offers: u32,
}

impl Sender {
    /// Offers one event.
    pub fn offer(&mut self, event: Event) {
        // Abandoned: the log was closed, and nobody will read the ring.
        if self.ring.is_abandoned() || self.ring.push(event).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.offers = self.offers.wrapping_add(1);
        if self.offers.is_multiple_of(LOOK_EVERY) && RING_EVENTS_MAX - self.ring.slots() > WAKE_AT {
            self.rings.wake();
        }
    }
}

impl event::Sink for Sender {
    fn offer(&mut self, event: Event) {
        Sender::offer(self, event);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.rings.wake();
    }
}

/// Rings on their way from the threads that made them to the writer.
#[derive(Default)]
pub(crate) struct Rings {
    /// `None` once the writer has left.
    new: Mutex<Arrivals>,
    writer: OnceLock<Thread>,
}

#[derive(Default)]
struct Arrivals {
    rings: Vec<Consumer<Event>>,
    closed: bool,
}

impl Rings {
    /// Makes a ring; its reading end waits for the writer, or is dropped when there is none any more.
    pub(crate) fn sender(self: &Arc<Self>, shared: &Arc<Shared>) -> Sender {
        let (ring, reader) = RingBuffer::new(RING_EVENTS_MAX);
        let mut arrivals = lock(&self.new);
        if !arrivals.closed {
            arrivals.rings.push(reader);
        }
        Sender { ring, shared: Arc::clone(shared), rings: Arc::clone(self), offers: 0 }
    }

    /// The rings made since the last call.
    pub(crate) fn arrivals(&self) -> Vec<Consumer<Event>> {
        std::mem::take(&mut lock(&self.new).rings)
    }

    /// No ring made from now on is read.
    pub(crate) fn close(&self) -> Vec<Consumer<Event>> {
        let mut arrivals = lock(&self.new);
        arrivals.closed = true;
        std::mem::take(&mut arrivals.rings)
    }

    /// Tells whom to wake.
    pub(crate) fn written_by(&self, writer: Thread) {
        let _ = self.writer.set(writer);
    }

    pub(crate) fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}
