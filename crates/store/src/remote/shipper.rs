//! The shipper: the thread that sends segments to the remote store, deletes objects there and fetches them, one order at a
//! time. The segment thread gives the orders, hears what came of each, and decides what to try again and when.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::watch;

use super::Remote;
use crate::jobs::Job;
use crate::live::Shared;
use crate::segment::{self, Fault, Segment};

/// One thing to do.
pub(crate) struct Order {
    /// What the owner object must say.
    pub(crate) owner: String,
    /// Whether a place without an owner may be taken: not when segments should be there already.
    pub(crate) may_take: bool,
    pub(crate) what: What,
}

pub(crate) enum What {
    /// Send the file of a segment.
    Put(Arc<Segment>),
    /// Delete the object of a file.
    Delete(String),
    /// Bring the object of a segment here.
    Fetch(Arc<Segment>),
}

/// What was ordered, and what came of it.
pub(crate) struct Shipped {
    pub(crate) what: What,
    pub(crate) outcome: Outcome,
}

/// What came of an order.
pub(crate) enum Outcome {
    Done,
    /// The far end, or this one: to be tried again.
    Failed(String),
    /// The file to send is not what it should be, or cannot be read.
    File(Fault),
}

/// Takes orders until nobody gives any, or `stop` says true, also in the middle of one.
pub(crate) fn run(remote: &Remote, shared: &Shared, orders: &Receiver<Order>, stop: &watch::Receiver<bool>) {
    let mut ours = false;
    while let Ok(order) = orders.recv() {
        let mut stop = stop.clone();
        let round = async {
            tokio::select! {
                outcome = work(remote, &order, &mut ours) => Some(outcome),
                // Also when the sender is gone.
                _ = stop.wait_for(|stop| *stop) => None,
            }
        };
        let outcome = match remote.wait(round) {
            Ok(None) => return,
            Ok(Some(outcome)) => outcome,
            Err(error) => Outcome::Failed(error.to_string()),
        };
        if shared.ask(Job::Shipped(Shipped { what: order.what, outcome })).is_err() {
            return;
        }
    }
}

async fn work(remote: &Remote, order: &Order, ours: &mut bool) -> Outcome {
    // Once since start: whoever else would sign it finds our name there.
    if !*ours {
        if let Err(reason) = remote.claim(&order.owner, order.may_take).await {
            return Outcome::Failed(reason);
        }
        *ours = true;
    }
    let done = match &order.what {
        What::Put(segment) => match segment::checked(segment) {
            Ok(bytes) => remote.put(segment, bytes).await,
            Err(fault) => return Outcome::File(fault),
        },
        What::Delete(file) => remote.delete(file).await,
        What::Fetch(segment) => remote.fetch(segment).await,
    };
    match done {
        Ok(()) => Outcome::Done,
        Err(reason) => Outcome::Failed(reason),
    }
}
