//! The tokio side: desks for those who do not own a thread, and the bounded number of queries that wait for lookups.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Desk, Late, More, Now, Operated, Operating, Pursuit, Shared, Sink};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::figures::{Cells, count};

/// Desks shared by all tasks. A task holds one for the microseconds of one answer; a few keep workers apart.
const DESKS: usize = 4;

/// Why a query that found all places taken gets no lookup; its extended error says so.
pub(crate) const OVERFLOW: &str = "too many queries are waiting";

/// What all listeners share.
pub(crate) struct Office {
    pub(crate) shared: Arc<Shared>,
    pub(crate) cells: Cells,
    pub(crate) runtime: Handle,
    desks: Vec<Mutex<Desk>>,
    turn: AtomicUsize,
    places: Arc<Semaphore>,
    places_max: usize,
}

impl Office {
    pub(crate) fn new(
        shared: Arc<Shared>,
        sinks: &dyn Fn() -> Box<dyn Sink>,
        runtime: Handle,
        pursuits_max: usize,
    ) -> Office {
        let desks = (0..DESKS).map(|_| Mutex::new(Desk::small(Arc::clone(&shared), sinks()))).collect();
        let places_max = pursuits_max.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places_max));
        Office { shared, cells: Cells::default(), runtime, desks, turn: AtomicUsize::new(0), places, places_max }
    }

    /// Works at one of the shared desks.
    pub(crate) fn at_desk<T>(&self, work: impl FnOnce(&mut Desk) -> T) -> T {
        let turn = self.turn.fetch_add(1, Relaxed);
        work(&mut self.desks[turn % DESKS].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a pursuit up on tokio if there is a place; otherwise hands it back. `deliver` gets the octets of the reply.
    pub(crate) fn take_up<Delivery>(
        self: &Arc<Self>,
        pursuit: Box<Pursuit>,
        deliver: impl FnOnce(Vec<u8>) -> Delivery + Send + 'static,
    ) -> Result<(), Box<Pursuit>>
    where
        Delivery: Future<Output = ()> + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            count(&self.cells.pursuits_overflowed);
            return Err(pursuit);
        };
        self.runtime.spawn(follow(Arc::clone(self), pursuit, place, deliver));
        Ok(())
    }

    /// Takes an operation up on tokio if there is a place; otherwise hands it back. `deliver` gets the octets of the first
    /// reply, and what follows it.
    pub(crate) fn take_up_operation<Delivery>(
        self: &Arc<Self>,
        operating: Box<Operating>,
        deliver: impl FnOnce(Vec<u8>, Option<More>) -> Delivery + Send + 'static,
    ) -> Result<(), Box<Operating>>
    where
        Delivery: Future<Output = ()> + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            count(&self.cells.operations_overflowed);
            return Err(operating);
        };
        self.runtime.spawn(follow_operation(Arc::clone(self), operating, place, deliver));
        Ok(())
    }

    /// Waits until nobody waits for a lookup.
    pub(crate) async fn settle(&self) {
        let all = u32::try_from(self.places_max).unwrap_or(u32::MAX);
        // Fails only for a closed semaphore; ours is never closed.
        let _ = self.places.acquire_many(all).await;
    }
}

async fn follow<Delivery>(
    office: Arc<Office>,
    pursuit: Box<Pursuit>,
    place: OwnedSemaphorePermit,
    deliver: impl FnOnce(Vec<u8>) -> Delivery,
) where
    Delivery: Future<Output = ()>,
{
    let mut late: Late = engine::pursue(&office.shared, *pursuit).await;
    deliver(std::mem::take(&mut late.reply)).await;
    office.at_desk(|desk| desk.offer(late, now()));
    drop(place);
}

async fn follow_operation<Delivery>(
    office: Arc<Office>,
    operating: Box<Operating>,
    place: OwnedSemaphorePermit,
    deliver: impl FnOnce(Vec<u8>, Option<More>) -> Delivery,
) where
    Delivery: Future<Output = ()>,
{
    let Operated { mut late, more } = engine::operate(&office.shared, *operating).await;
    deliver(std::mem::take(&mut late.reply), more).await;
    office.at_desk(|desk| desk.offer(late, now()));
    drop(place);
}

/// The time, read at the edge.
pub(crate) fn now() -> Now {
    Now { wall_micros: sys::clock::wall_micros(), monotonic_micros: sys::clock::monotonic_micros() }
}
