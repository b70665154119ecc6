//! The tokio side: desks for those who do not own a thread, and the bounded number of queries that wait for lookups.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use engine::{Desk, Late, More, Now, Operated, Operating, Pursuit, Shared, Sink};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::figures::{Cells, count};

/// Desks shared by all tasks, each with a small cache of its own. A task holds one for the microseconds of one turn; a few keep
/// workers apart.
const DESKS: usize = 4;

/// Names below one domain may take this part of all places, once half of them are taken: names made up below one domain whose servers are
/// slow must not keep all others from being looked up.
const CROWD_PART: usize = 8;

/// How often desks are told the time, so that what counts others in the log is written although nothing comes any more.
const TICK: Duration = Duration::from_secs(1);

/// Why a query that found all places taken gets no lookup; its extended error says so.
pub(crate) const OVERFLOW: &str = "too many queries are waiting";

/// Threads that have worked at a desk.
static SEATED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Which desk this thread works at.
    static SEAT: usize = SEATED.fetch_add(1, Relaxed);
}

/// A shared desk and what lies on it.
struct Table {
    desk: Desk,
    reply: Vec<u8>,
}

/// What all listeners share.
pub(crate) struct Office {
    pub(crate) shared: Arc<Shared>,
    pub(crate) cells: Cells,
    pub(crate) runtime: Handle,
    desks: Vec<Mutex<Table>>,
    places: Arc<Semaphore>,
    places_max: usize,
    crowds: Crowds,
}

/// How many queries wait for lookups below each domain.
#[derive(Default)]
struct Crowds(Arc<Mutex<HashMap<u64, usize>>>);

/// One query among those below its domain; leaves when dropped.
struct InCrowd {
    crowds: Arc<Mutex<HashMap<u64, usize>>>,
    domain: u64,
}

impl Crowds {
    /// Joins the others, unless they are as many as there may be.
    fn join(&self, domain: u64, max: usize) -> Option<InCrowd> {
        let mut crowds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = crowds.entry(domain).or_default();
        if *waiting >= max {
            return None;
        }
        *waiting += 1;
        Some(InCrowd { crowds: Arc::clone(&self.0), domain })
    }
}

impl Drop for InCrowd {
    fn drop(&mut self) {
        let mut crowds = self.crowds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = crowds.get_mut(&self.domain) {
            *waiting -= 1;
            if *waiting == 0 {
                crowds.remove(&self.domain);
            }
        }
    }
}

impl Office {
    pub(crate) fn new(
        shared: Arc<Shared>,
        sinks: &dyn Fn() -> Box<dyn Sink>,
        runtime: Handle,
        pursuits_max: usize,
    ) -> Office {
        let table = |_| Mutex::new(Table { desk: Desk::new(Arc::clone(&shared), sinks()), reply: Vec::new() });
        let desks = (0..DESKS).map(table).collect();
        let places_max = pursuits_max.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places_max));
        Office { shared, cells: Cells::default(), runtime, desks, places, places_max, crowds: Crowds::default() }
    }

    /// Works at one of the shared desks, for a thread always the same, with a buffer for a reply that lies there.
    pub(crate) fn at_desk<T>(&self, work: impl FnOnce(&mut Desk, &mut Vec<u8>) -> T) -> T {
        let mut table = self.desks[SEAT.with(|seat| *seat) % DESKS].lock().unwrap_or_else(PoisonError::into_inner);
        let Table { desk, reply } = &mut *table;
        work(desk, reply)
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
        let half_taken = self.places.available_permits() < self.places_max / 2;
        let crowd_max = if half_taken { self.places_max.div_ceil(CROWD_PART) } else { usize::MAX };
        let Some(among) = self.crowds.join(pursuit.crowd(), crowd_max) else {
            count(&self.cells.pursuits_crowded_out);
            return Err(pursuit);
        };
        self.runtime.spawn(follow(Arc::clone(self), pursuit, (place, among), deliver));
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

    /// Tells the desks the time.
    fn tick(&self) {
        for table in &self.desks {
            table.lock().unwrap_or_else(PoisonError::into_inner).desk.tick(now());
        }
    }

    /// Waits until nobody waits for a lookup.
    pub(crate) async fn settle(&self) {
        let all = u32::try_from(self.places_max).unwrap_or(u32::MAX);
        // Fails only for a closed semaphore; ours is never closed.
        let _ = self.places.acquire_many(all).await;
    }
}

/// Tells the desks the time as long as there are any.
pub(crate) async fn keep_time(office: Weak<Office>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let Some(office) = office.upgrade() else { return };
        office.tick();
    }
}

async fn follow<Delivery>(
    office: Arc<Office>,
    pursuit: Box<Pursuit>,
    place: (OwnedSemaphorePermit, InCrowd),
    deliver: impl FnOnce(Vec<u8>) -> Delivery,
) where
    Delivery: Future<Output = ()>,
{
    let mut late: Late = engine::pursue(&office.shared, *pursuit).await;
    deliver(std::mem::take(&mut late.reply)).await;
    office.at_desk(|desk, _| desk.offer(late, now()));
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
    office.at_desk(|desk, _| desk.offer(late, now()));
    drop(place);
}

/// The time, read at the edge.
pub(crate) fn now() -> Now {
    Now { wall_micros: sys::clock::wall_micros(), monotonic_micros: sys::clock::monotonic_micros() }
}
