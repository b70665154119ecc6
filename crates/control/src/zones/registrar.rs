//! All zones kept; the page on which every change of a zone happens.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{info, warn};
use wire::name::Folded;
use zone::delta::serial_after;
use zone::transfer::Brought;
use zone::{Delta, Held, Keeper, Role, State, Zone};

use super::kept::{Kept, for_clients, unavailable};
use super::settings::{ZoneSettings, ZoneSource, ZonesError, check};
use super::source::EDE_INVALID_DATA;
use super::{exchange, herald, secondary};
use crate::lock;

/// Longest sleep between looks at the clock, which may be set meanwhile.
const NAP_MAX: Duration = Duration::from_secs(60);

/// The clock the zones go by.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Keeps all zones.
pub struct Registrar {
    /// `zones` in the state folder.
    folder: PathBuf,
    /// Held while one process keeps zones there; taken with the first zone.
    lock: Mutex<Option<File>>,
    zones: Mutex<Vec<Arc<Kept>>>,
    /// One reload at a time.
    reloading: Mutex<()>,
    clock: Clock,
    /// State of the random numbers that spread refreshes.
    chance: AtomicU64,
    next_id: AtomicU64,
    rearranged: Notify,
}

/// How a zone is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneStatus {
    /// The apex, without final dot.
    pub name: String,
    /// Primary or secondary.
    pub role: Role,
    /// Where it comes from, as shown to people.
    pub source: String,
    /// Serial in service; `None` while it is not.
    pub serial: Option<u32>,
    /// Records in service.
    pub records: usize,
    /// Why it is not in service.
    pub unavailable: Option<String>,
    /// Why the last look at its source or primaries came to nothing; what was there stays in service.
    pub fault: Option<String>,
    /// What was found when its journal was opened.
    pub torn: Option<String>,
    /// Octets of its journal.
    pub journal_bytes: u64,
    /// When a primary last confirmed a secondary.
    pub refreshed_at: Option<SystemTime>,
    /// When its primaries are asked next.
    pub refresh_at: Option<SystemTime>,
    /// When its copy is too old unless a primary confirms it.
    pub expires_at: Option<SystemTime>,
    /// What others said to NOTIFY.
    pub heard: Vec<Heard>,
}

/// What a server said to NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The server.
    pub address: SocketAddr,
    /// When.
    pub at: SystemTime,
    /// Why it was not told; `None`: it knows.
    pub error: Option<String>,
}

impl Registrar {
    /// Puts all zones in service as disk knows them: sources are read, journals replayed. What cannot be read is told by `status`.
    /// Secondaries without a copy wait for `run`. `seed` spreads refreshes. Blocks on the disk.
    ///
    /// # Errors
    /// When the settings cannot be used, or another process keeps zones in this folder.
    pub fn open(state: &Path, settings: Vec<ZoneSettings>, seed: u64, clock: Clock) -> Result<Registrar, ZonesError> {
        let registrar = Registrar {
            folder: state.join("zones"),
            lock: Mutex::default(),
            zones: Mutex::default(),
            reloading: Mutex::default(),
            clock,
            chance: AtomicU64::new(seed),
            next_id: AtomicU64::new(0),
            rearranged: Notify::new(),
        };
        registrar.reload(settings)?;
        Ok(registrar)
    }

    /// Goes by other settings: sources are read anew, zones come and go. A zone whose source cannot be read any more stays in
    /// service as it was, and `status` says why. Blocks on the disk.
    ///
    /// # Errors
    /// When the settings cannot be used; nothing has changed then.
    pub fn reload(&self, settings: Vec<ZoneSettings>) -> Result<(), ZonesError> {
        let _one_at_a_time = lock(&self.reloading);
        check(&settings)?;
        if !settings.is_empty() {
            self.take_folder()?;
        }
        let now = (self.clock)();
        let before = lock(&self.zones).clone();
        let mut zones = Vec::with_capacity(settings.len());
        for settings in settings {
            let same =
                |kept: &&Arc<Kept>| *kept.origin() == settings.origin && kept.held.role() == settings.source.role();
            if let Some(kept) = before.iter().find(same) {
                kept.reload(settings, &self.folder, now);
                zones.push(Arc::clone(kept));
            } else {
                let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                zones.push(Arc::new(Kept::open(id, settings, &self.folder, now)));
            }
        }
        *lock(&self.zones) = zones;
        self.rearranged.notify_one();
        Ok(())
    }

    /// The zones in configured order.
    #[must_use]
    pub fn zones(&self) -> Vec<Arc<Held>> {
        lock(&self.zones).iter().map(|kept| Arc::clone(&kept.held)).collect()
    }

    /// Keeps secondaries fresh and tells others of new serials, until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        let mut running: HashMap<u64, AbortHandle> = HashMap::new();
        loop {
            let zones = lock(&self.zones).clone();
            running.retain(|id, task| {
                let stays = zones.iter().any(|kept| kept.id == *id);
                if !stays {
                    task.abort();
                }
                stays
            });
            for kept in zones {
                running.entry(kept.id).or_insert_with(|| tasks.spawn(Arc::clone(&self).tend(kept)));
            }
            // Tasks end only when they are aborted: taking them out keeps the set small.
            while tasks.try_join_next().is_some() {}
            self.rearranged.notified().await;
        }
    }

    /// How each zone is, in configured order.
    #[must_use]
    pub fn status(&self) -> Vec<ZoneStatus> {
        let zones = lock(&self.zones).clone();
        zones.iter().map(|kept| status(kept)).collect()
    }

    /// Asks the primaries of all secondaries that are due or were told to; retires copies that are too old. Gives how many were
    /// asked. `run` does the same as time passes.
    pub async fn refresh_due(self: &Arc<Self>) -> usize {
        let mut asked = 0;
        let zones = lock(&self.zones).clone();
        for kept in zones {
            asked += usize::from(self.look_after(&kept).await);
        }
        asked
    }

    async fn tend(self: Arc<Self>, kept: Arc<Kept>) {
        let telling = herald::tell(Arc::clone(&kept), Arc::clone(&self.clock));
        match kept.held.role() {
            Role::Primary => telling.await,
            Role::Secondary => {
                let refreshing = async {
                    loop {
                        self.look_after(&kept).await;
                        let nap = self.nap(&kept);
                        // The wait may end early; then nothing is due and the loop comes round.
                        let _ = tokio::time::timeout(nap, kept.asked.notified()).await;
                    }
                };
                tokio::select! {
                    () = telling => {}
                    () = refreshing => {}
                }
            }
        }
    }

    fn nap(&self, kept: &Kept) -> Duration {
        let facts = lock(&kept.facts);
        let expires = facts.schedule.expires().filter(|_| facts.expired.is_none());
        let next = expires.map_or(facts.schedule.due, |expires| expires.min(facts.schedule.due));
        next.duration_since((self.clock)()).unwrap_or_default().min(NAP_MAX)
    }

    /// Whether the primaries were asked.
    async fn look_after(self: &Arc<Self>, kept: &Arc<Kept>) -> bool {
        if kept.held.role() != Role::Secondary {
            return false;
        }
        let now = (self.clock)();
        let asked_by = {
            let mut facts = lock(&kept.facts);
            if facts.schedule.due > now && !facts.is_asked {
                drop(facts);
                self.retire(kept, now);
                return false;
            }
            facts.is_asked = false;
            facts.asked_by.take()
        };
        let refreshed = self.refresh(kept, asked_by).await;
        let now = (self.clock)();
        match refreshed {
            Ok(zone) => {
                let mut facts = lock(&kept.facts);
                facts.schedule.succeeded(now, &zone, self.chance());
                (facts.fault, facts.expired) = (None, None);
                drop(facts);
                kept.touch(now);
            }
            Err(why) => {
                warn!(zone = %kept.origin(), error = %why, "zone not refreshed");
                let mut facts = lock(&kept.facts);
                facts.schedule.failed(now, self.chance());
                facts.fault = Some(why);
            }
        }
        self.retire(kept, now);
        true
    }

    /// Brings one secondary up to date; gives the version then in service.
    async fn refresh(&self, kept: &Arc<Kept>, asked_by: Option<SocketAddr>) -> Result<Zone, String> {
        let settings = kept.settings();
        let ZoneSource::Secondary(primaries) = &settings.source else { return Err("no secondary".to_owned()) };
        if let Some(why) = kept.untouchable() {
            return Err(why);
        }
        let expired = lock(&kept.facts).expired.clone();
        let current = kept.loaded().or(expired).map(|loaded| loaded.zone.clone());
        // Who tells of something new is asked first.
        let first =
            asked_by.and_then(|from| primaries.iter().position(|peer| peer.address.ip() == from.ip())).unwrap_or(0);
        let mut whys = Vec::new();
        for primary in primaries.iter().cycle().skip(first).take(primaries.len()) {
            let asked = exchange::refresh(primary, kept.origin(), current.as_ref(), settings.limits, &self.clock).await;
            match asked {
                Ok(brought) => return self.adopt(kept, current, brought, primary.address).await,
                Err(why) => whys.push(format!("{}: {why}", primary.address)),
            }
        }
        Err(whys.join("; "))
    }

    async fn adopt(
        &self,
        kept: &Arc<Kept>,
        current: Option<Zone>,
        brought: Brought,
        from: SocketAddr,
    ) -> Result<Zone, String> {
        let (zone, deltas) = match (brought, current) {
            (Brought::Nothing, None) => return Err(format!("{from}: sent nothing")),
            (Brought::Nothing, Some(current)) => {
                let expired = lock(&kept.facts).expired.clone();
                if let (Some(loaded), None) = (expired, kept.loaded()) {
                    kept.held.set(State::Loaded(loaded));
                }
                return Ok(current);
            }
            (Brought::Deltas(deltas, zone), _) => (zone, deltas),
            (Brought::Whole(zone), None) => (zone, Vec::new()),
            (Brought::Whole(zone), Some(current)) => {
                let deltas = Delta::between(&current, &zone).into_iter().collect();
                (zone, deltas)
            }
        };
        let faults: Vec<String> = zone.faults().iter().map(ToString::to_string).collect();
        if !faults.is_empty() {
            return Err(format!("{from}: what came is no zone: {}", faults.join("; ")));
        }
        info!(zone = %kept.origin(), serial = zone.serial(), records = zone.record_count(), %from, "zone transferred");
        let (keeper, copy) = (Arc::clone(kept), zone.clone());
        match tokio::task::spawn_blocking(move || keeper.adopt(copy, deltas)).await {
            Ok(Ok(())) => {
                kept.changed.notify_one();
                Ok(zone)
            }
            Ok(Err(error)) => Err(format!("cannot write the journal: {error}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Takes a copy out of service that is too old.
    fn retire(&self, kept: &Kept, now: SystemTime) {
        let Some(loaded) = kept.loaded() else { return };
        let mut facts = lock(&kept.facts);
        if facts.schedule.is_expired(now) {
            warn!(zone = %kept.origin(), "zone expired");
            facts.expired = Some(loaded);
            drop(facts);
            kept.held.set(unavailable(EDE_INVALID_DATA, secondary::EXPIRED));
        }
    }

    fn find(&self, origin: &Folded) -> Option<Arc<Kept>> {
        lock(&self.zones).iter().find(|kept| kept.origin() == origin).cloned()
    }

    /// The next random number (SplitMix64: well spread, not secret).
    fn chance(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut number = self.chance.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ number >> 31
    }

    /// Makes sure that nobody else writes journals there.
    fn take_folder(&self) -> Result<(), ZonesError> {
        let mut taken = lock(&self.lock);
        if taken.is_some() {
            return Ok(());
        }
        let failed = |why: String| ZonesError::Folder { folder: self.folder.display().to_string(), why };
        let open = || {
            fs::create_dir_all(&self.folder)?;
            File::options().read(true).write(true).create(true).truncate(false).open(self.folder.join(".lock"))
        };
        let file = open().map_err(|error| failed(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(failed("another process keeps its zones there".to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
        }
        *taken = Some(file);
        Ok(())
    }
}

impl Keeper for Registrar {
    fn commit(&self, origin: &Folded, delta: &Delta, after: &Zone) -> io::Result<()> {
        let kept = self.find(origin).ok_or_else(|| io::Error::other("the zone is no longer configured"))?;
        kept.commit(delta, after)
    }

    fn changed(&self, origin: &Folded) {
        if let Some(kept) = self.find(origin) {
            kept.changed.notify_one();
        }
    }

    fn notified(&self, origin: &Folded, serial: Option<u32>, from: SocketAddr) {
        let Some(kept) = self.find(origin).filter(|kept| kept.held.role() == Role::Secondary) else { return };
        // RFC 1996 §4.7: what is not newer than our copy is no news.
        if let (Some(serial), Some(ours)) = (serial, kept.serial())
            && !serial_after(serial, ours)
        {
            return;
        }
        let mut facts = lock(&kept.facts);
        facts.is_asked = true;
        facts.asked_by = Some(from);
        drop(facts);
        kept.asked.notify_one();
    }
}

fn status(kept: &Kept) -> ZoneStatus {
    let settings = kept.settings();
    let journal_bytes = kept.journal_len();
    let facts = lock(&kept.facts);
    let (serial, records, unavailable) = match &**kept.held.state() {
        State::Loaded(loaded) => (loaded.zone.serial(), loaded.zone.record_count(), None),
        State::Unavailable { why, .. } => {
            // The operator may know where the file lies.
            let whole = facts.fault.as_ref().filter(|fault| for_clients(fault) == **why);
            (None, 0, Some(whole.cloned().unwrap_or_else(|| why.to_string())))
        }
    };
    let is_secondary = kept.held.role() == Role::Secondary;
    let heard = facts.heard.iter().map(|(address, (at, told))| Heard {
        address: *address,
        at: *at,
        error: told.as_ref().err().cloned(),
    });
    ZoneStatus {
        name: kept.origin().text(),
        role: kept.held.role(),
        source: settings.source.to_string(),
        serial,
        records,
        unavailable,
        fault: facts.fault.clone(),
        torn: facts.torn.clone(),
        journal_bytes,
        refreshed_at: facts.schedule.refreshed,
        refresh_at: is_secondary.then_some(facts.schedule.due),
        expires_at: facts.schedule.expires(),
        heard: heard.collect(),
    }
}
