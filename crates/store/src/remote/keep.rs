//! Segments on their way: which is sent, deleted or fetched next, and what the manifest says of it. A part of the segment
//! thread, which gives orders to the shipper and never waits for it.
//!
//! An object is named in the manifest as loose before it is sent and until it is deleted for sure: whatever a crash leaves
//! behind is known.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::shipper::What;
use super::{Kept, Order, Outcome, Remote, Shipped};
use crate::segment::{Fault, Segment};
use crate::segmenter::{Segmenter, is_settled};

/// Longest rest after a fault.
const REST_MAX: Duration = Duration::from_secs(600);

/// What the segment thread knows of the shipper.
pub(crate) struct Keeper {
    remote: Arc<Remote>,
    orders: SyncSender<Order>,
    /// It has an order.
    busy: bool,
    /// Orders that failed one after another.
    failed: u32,
    /// The last file that failed to be sent: others get their turn.
    failed_file: Option<String>,
    resting: Option<Instant>,
    /// Segments the manifest no longer names, while readers may hold them.
    held: Vec<Weak<Segment>>,
    /// The one to be fetched.
    wanted: Option<Arc<Segment>>,
}

impl Keeper {
    pub(crate) fn new(remote: Arc<Remote>, orders: SyncSender<Order>) -> Keeper {
        let (held, wanted, failed_file) = (Vec::new(), None, None);
        Keeper { remote, orders, busy: false, failed: 0, failed_file, resting: None, held, wanted }
    }

    /// The object of this segment stays while anybody holds it.
    pub(crate) fn hold(&mut self, segment: &Arc<Segment>) {
        self.held.push(Arc::downgrade(segment));
    }

    fn failed(&mut self, retry_every: Duration, now: Instant) {
        let rest = retry_every.saturating_mul(1 << self.failed.min(16)).min(REST_MAX);
        self.failed = self.failed.saturating_add(1);
        self.resting = Some(now + rest);
    }
}

impl Segmenter {
    /// Whether the file of a segment can be read here. When it cannot, it is fetched if nothing else is already.
    pub(crate) fn at_hand(&mut self, segment: &Arc<Segment>) -> bool {
        if !segment.entry.remote || segment.path.exists() {
            return true;
        }
        if let Some(keeper) = self.keeper.as_mut().filter(|keeper| keeper.wanted.is_none()) {
            keeper.wanted = Some(Arc::clone(segment));
        }
        false
    }

    /// Gives the shipper its next order, when it has none and there is something to do.
    pub(crate) fn ship(&mut self, time_micros: i64) {
        let now = Instant::now();
        let Some(keeper) = &mut self.keeper else { return };
        keeper.resting = keeper.resting.filter(|until| now < *until);
        if keeper.busy || keeper.resting.is_some() {
            return;
        }
        let Some(what) = self.next_order(time_micros) else { return };
        if let What::Put(segment) = &what
            && let Err(error) = self.name_loose(&segment.entry.file)
        {
            tracing::warn!(%error, "segments are not sent to the remote store now");
            let retry_every = self.shared.retry_every;
            self.keeper.iter_mut().for_each(|keeper| keeper.failed(retry_every, now));
            return;
        }
        let owner = self.manifest.remote.as_ref().map(|kept| kept.owner.clone()).unwrap_or_default();
        let may_take = !self.manifest.segments.iter().any(|entry| entry.remote);
        if let Some(keeper) = &mut self.keeper {
            // The shipper has no order, so there is room; when it has ended, so does everything soon.
            keeper.busy = keeper.orders.try_send(Order { owner, may_take, what }).is_ok();
        }
    }

    fn next_order(&mut self, time_micros: i64) -> Option<What> {
        let keeper = self.keeper.as_mut()?;
        keeper.held.retain(|segment| segment.strong_count() > 0);
        if let Some(kept) = self.manifest.remote.as_ref().filter(|kept| !kept.loose.is_empty()) {
            let held: Vec<Arc<Segment>> = keeper.held.iter().filter_map(Weak::upgrade).collect();
            let local = self.manifest.segments.iter().filter(|entry| !entry.remote).map(|entry| &entry.file);
            let busy: HashSet<&String> = local.chain(held.iter().map(|segment| &segment.entry.file)).collect();
            if let Some(file) = kept.loose.iter().find(|file| !busy.contains(file)) {
                return Some(What::Delete(file.clone()));
            }
        }
        if let Some(wanted) = keeper.wanted.take()
            && !self.is_passed_over(&wanted.entry.file)
            && !wanted.path.exists()
        {
            return Some(What::Fetch(wanted));
        }
        // What may still be merged, trimmed or counted is not sent: it would have to come back.
        if !self.is_idle() {
            return None;
        }
        let keeper = self.keeper.as_ref()?;
        let keep_local = keeper.remote.keep_local();
        let segments = self.shared.snapshot();
        let mut settled = segments.segments.iter().filter(|segment| {
            let entry = &segment.entry;
            is_settled(entry, time_micros, keep_local) && entry.rollup.is_some() && !self.is_passed_over(&entry.file)
        });
        let first = settled.next()?;
        let segment = match &keeper.failed_file {
            Some(failed) if *failed == first.entry.file => settled.next().unwrap_or(first),
            _ => first,
        };
        Some(What::Put(Arc::clone(segment)))
    }

    /// Writes down that there will be an object of this file.
    fn name_loose(&mut self, file: &str) -> io::Result<()> {
        let named = |kept: &Kept| kept.loose.iter().any(|loose| loose == file);
        if self.manifest.remote.as_ref().is_some_and(named) {
            return Ok(());
        }
        let fresh = self.keeper.as_ref().map(|keeper| keeper.remote.fresh_owner.clone()).unwrap_or_default();
        self.change(|manifest| {
            let kept = manifest.remote.get_or_insert_with(|| Kept { owner: fresh, loose: Vec::new() });
            kept.loose.push(file.to_owned());
        })
    }

    /// What came of an order.
    pub(crate) fn shipped(&mut self, Shipped { what, outcome }: Shipped) {
        let Some(keeper) = &mut self.keeper else { return };
        keeper.busy = false;
        let (now, retry_every) = (Instant::now(), self.shared.retry_every);
        match outcome {
            Outcome::Done => {
                (keeper.failed, keeper.failed_file) = (0, None);
                keeper.remote.note(None);
                if let Err(error) = self.done(&what) {
                    // What was done is done again, which changes nothing.
                    tracing::warn!(%error, "the manifest does not say yet what was done at the remote store");
                    self.keeper.iter_mut().for_each(|keeper| keeper.failed(retry_every, now));
                }
            }
            Outcome::Failed(reason) => {
                keeper.failed(retry_every, now);
                let new = keeper.remote.note(Some(&reason));
                match what {
                    What::Put(segment) => keeper.failed_file = Some(segment.entry.file.clone()),
                    What::Fetch(segment) => self.pass_over(&segment.entry.file, &io::Error::other(reason.clone())),
                    What::Delete(_) => {}
                }
                if new {
                    tracing::warn!("{reason}");
                }
            }
            Outcome::File(fault) => {
                let What::Put(segment) = what else { return };
                match fault {
                    Fault::Io(error) => self.pass_over(&segment.entry.file, &error),
                    // Gone meanwhile, or damaged: of the segments that count, only the second.
                    Fault::Wrong(reason) if self.names_local(&segment.entry.file) => self.set_aside(&segment, &reason),
                    Fault::Wrong(_) => {}
                }
            }
        }
    }

    fn names_local(&self, file: &str) -> bool {
        self.manifest.segments.iter().any(|entry| entry.file == file && !entry.remote)
    }

    fn done(&mut self, what: &What) -> io::Result<()> {
        match what {
            What::Put(segment) => self.is_there(segment),
            What::Delete(file) => self.change(|manifest| forget(manifest.remote.as_mut(), file)),
            What::Fetch(_) => {
                self.look_again();
                Ok(())
            }
        }
    }

    /// A segment is in the remote store: the manifest says so, new readers read it there, and the file here goes with the last
    /// reader of before.
    fn is_there(&mut self, segment: &Arc<Segment>) -> io::Result<()> {
        let file = &segment.entry.file;
        // Meanwhile merged, rewritten or dropped: its object is loose, and deleted by and by.
        if !self.names_local(file) {
            return Ok(());
        }
        let mut there = None;
        self.change(|manifest| {
            if let Some(entry) = manifest.segments.iter_mut().find(|entry| entry.file == *file) {
                entry.remote = true;
                there = Some(entry.clone());
            }
            manifest.removed.push(file.clone());
            forget(manifest.remote.as_mut(), file);
        })?;
        segment.doom_file();
        self.forget_unchecked(file);
        let there = there.map(|entry| Segment::new(&self.shared.folder, entry));
        self.shared.exchange(std::slice::from_ref(file), there);
        Ok(())
    }

    /// A file that was fetched has served.
    pub(crate) fn let_go(&self, segment: &Segment) {
        if segment.entry.remote {
            // What stays behind goes with the segment, or at the next start.
            let _ = fs::remove_file(&segment.path);
        }
    }
}

fn forget(kept: Option<&mut Kept>, file: &str) {
    if let Some(kept) = kept {
        kept.loose.retain(|loose| loose != file);
    }
}
