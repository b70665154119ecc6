//! One zone kept: its state for readers, its journal, and what there is to say of it.
//!
//! Two locks. `keeping` is held while the journal is written, always inside the turn of a change of `Held`; `facts` is held for
//! moments, so that status is always at hand.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::sync::Notify;
use tracing::{info, warn};
use wire::name::Folded;
use zone::journal::entry;
use zone::{Delta, Held, Keeper, Loaded, Role, State, Zone};

use super::journal::{Found, JournalFile};
use super::secondary::Schedule;
use super::settings::{ZoneSettings, ZoneSource};
use super::source::{self, EDE_INVALID_DATA, EDE_NOT_READY, Meaning};
use crate::lock;

/// A journal this much larger than its checkpoint is written anew, whatever the size of the zone.
const JOURNAL_SLACK_BYTES: u64 = 1 << 20;
/// As many times its checkpoint a journal may grow before it is written anew.
const JOURNAL_GROWTH_MAX: u64 = 4;

/// One zone.
pub(crate) struct Kept {
    /// Tells one from another of the same name, before and after a reload.
    pub(crate) id: u64,
    pub(crate) held: Arc<Held>,
    settings: Mutex<Arc<ZoneSettings>>,
    keeping: Mutex<Keeping>,
    pub(crate) facts: Mutex<Facts>,
    /// There is a new serial to tell others.
    pub(crate) changed: Notify,
    /// The primaries are to be asked.
    pub(crate) asked: Notify,
}

/// The journal, and what it belongs to.
struct Keeping {
    journal: JournalFile,
    /// Fingerprint of the source the zone came from.
    fingerprint: [u8; 32],
    /// Whether the journal ends where the zone in service is; when not, the next change writes it anew.
    is_in_step: bool,
}

/// What there is to say of a zone.
#[derive(Default)]
pub(crate) struct Facts {
    /// Why the last look at the source, or the last refresh, came to nothing.
    pub(crate) fault: Option<String>,
    /// What was found when the journal was opened.
    pub(crate) torn: Option<String>,
    pub(crate) schedule: Schedule,
    /// The copy of an expired secondary: good again once a primary says so.
    pub(crate) expired: Option<Arc<Loaded>>,
    /// Who sent the NOTIFY that asks for a refresh.
    pub(crate) asked_by: Option<SocketAddr>,
    /// Whether a refresh is wanted before it is due.
    pub(crate) is_asked: bool,
    /// What others said to NOTIFY.
    pub(crate) heard: BTreeMap<SocketAddr, (SystemTime, Result<(), String>)>,
}

impl Kept {
    /// Puts a zone in service as disk knows it. Blocks on the disk.
    pub(crate) fn open(id: u64, settings: ZoneSettings, folder: &Path, now: SystemTime) -> Kept {
        let opened = open(&settings, folder, now);
        let held = Arc::new(Held::new(settings.origin.clone(), settings.source.role(), opened.state));
        Kept {
            id,
            held,
            settings: Mutex::new(Arc::new(settings)),
            keeping: Mutex::new(opened.keeping),
            facts: Mutex::new(opened.facts),
            changed: Notify::new(),
            asked: Notify::new(),
        }
    }

    pub(crate) fn origin(&self) -> &Folded {
        self.held.origin()
    }

    pub(crate) fn settings(&self) -> Arc<ZoneSettings> {
        Arc::clone(&lock(&self.settings))
    }

    /// The version in service.
    pub(crate) fn loaded(&self) -> Option<Arc<Loaded>> {
        match &**self.held.state() {
            State::Loaded(loaded) => Some(Arc::clone(loaded)),
            State::Unavailable { .. } => None,
        }
    }

    pub(crate) fn serial(&self) -> Option<u32> {
        self.loaded().and_then(|loaded| loaded.zone.serial())
    }

    /// Why its journal must not be touched.
    pub(crate) fn untouchable(&self) -> Option<String> {
        lock(&self.keeping).journal.untouchable().map(str::to_owned)
    }

    pub(crate) fn journal_len(&self) -> u64 {
        lock(&self.keeping).journal.len()
    }

    /// Goes by other settings of the same role from now on, and looks at the source anew. Blocks on the disk.
    pub(crate) fn reload(&self, settings: ZoneSettings, folder: &Path, now: SystemTime) {
        *lock(&self.settings) = Arc::new(settings);
        match self.held.role() {
            Role::Primary => self.reread(folder, now),
            Role::Secondary => {
                lock(&self.facts).is_asked = true;
                self.asked.notify_one();
            }
        }
        self.changed.notify_one();
    }

    fn reread(&self, folder: &Path, now: SystemTime) {
        let settings = self.settings();
        let before = self.serial();
        if self.loaded().is_none() {
            let opened = open(&settings, folder, now);
            *lock(&self.keeping) = opened.keeping;
            let mut facts = lock(&self.facts);
            (facts.fault, facts.torn) = (opened.facts.fault, opened.facts.torn);
            drop(facts);
            self.held.set(opened.state);
        } else {
            let fault = self.take_source(&settings).err();
            lock(&self.facts).fault = fault;
        }
        if let Some(fault) = &lock(&self.facts).fault {
            warn!(zone = %self.origin(), error = %fault, "zone not taken anew");
        }
        if self.serial() != before {
            info!(zone = %self.origin(), serial = self.serial(), "zone in service");
        }
    }

    /// Takes what the source says into the zone in service, as one change.
    fn take_source(&self, settings: &ZoneSettings) -> Result<(), String> {
        let read = source::read(&settings.origin, &settings.source, 1)?;
        let fingerprint = read.fingerprint;
        let mut waits = Ok(());
        let made = self.held.change(&FromSource { kept: self, fingerprint }, |before| {
            let known = lock(&self.keeping).fingerprint;
            match source::weigh(&settings.origin, &settings.source, read, before, known) {
                Meaning::Unchanged => Ok(None),
                Meaning::Same => {
                    self.vouch(before, fingerprint);
                    Ok(None)
                }
                Meaning::Newer(change) => Ok(Some(*change)),
                Meaning::Waits(why) => {
                    waits = Err(why);
                    Ok(None)
                }
            }
        });
        made.map_err(|denial| denial.reason)?;
        waits
    }

    /// Notes that the zone in service is what a source with this fingerprint says.
    fn vouch(&self, zone: &Zone, fingerprint: [u8; 32]) {
        let mut keeping = lock(&self.keeping);
        keeping.fingerprint = fingerprint;
        if keeping.journal.exists() {
            let history = self.loaded().map(|loaded| loaded.history.clone()).unwrap_or_default();
            if let Err(error) = keeping.rewrite(zone, &history) {
                // Costs no more than one comparison at the next start.
                warn!(zone = %self.origin(), %error, "journal not written anew");
            }
        }
    }

    /// Makes a change durable.
    pub(crate) fn commit(&self, delta: &Delta, after: &Zone) -> io::Result<()> {
        let before = self.before(delta)?;
        lock(&self.keeping).write(&before, after, &[Arc::new(delta.clone())])
    }

    fn before(&self, delta: &Delta) -> io::Result<Arc<Loaded>> {
        let before = self.loaded().ok_or_else(|| io::Error::other("the zone is not in service"))?;
        if before.zone.serial() == Some(delta.serials().0) {
            return Ok(before);
        }
        Err(io::Error::other("the zone was replaced meanwhile"))
    }

    /// Puts a secondary's copy in service: made durable first. The error leaves everything as it was.
    pub(crate) fn adopt(&self, zone: Zone, deltas: Vec<Delta>) -> io::Result<()> {
        let deltas: Vec<Arc<Delta>> = deltas.into_iter().map(Arc::new).collect();
        let mut keeping = lock(&self.keeping);
        let mut history = Vec::new();
        match self.loaded() {
            Some(before) if !deltas.is_empty() => {
                keeping.write(&before, &zone, &deltas)?;
                let all = before.history.iter().chain(&deltas);
                let skipped = (before.history.len() + deltas.len()).saturating_sub(zone::set::HISTORY_MAX);
                history = all.skip(skipped).cloned().collect();
            }
            _ => {
                keeping.rewrite(&zone, &[])?;
            }
        }
        // Outside the lock of `Held` nothing else changes a secondary: only its own task comes here.
        drop(keeping);
        self.held.set(State::Loaded(Arc::new(Loaded { zone, history })));
        Ok(())
    }

    /// Writes down that a secondary is up to date.
    pub(crate) fn touch(&self, now: SystemTime) {
        if let Err(error) = lock(&self.keeping).journal.touch(now) {
            warn!(zone = %self.origin(), %error, "time of the last refresh not written down");
        }
    }
}

impl Keeping {
    /// Makes changes durable: appended, or with a new journal when there is none yet or it has grown too long.
    fn write(&mut self, before: &Loaded, after: &Zone, deltas: &[Arc<Delta>]) -> io::Result<()> {
        if !self.is_in_step || !self.journal.exists() {
            let mut base = before.zone.clone();
            let mut all = rewind(&mut base, &before.history, u64::MAX);
            all.extend_from_slice(deltas);
            self.journal.rewrite(&base, &all, self.fingerprint)?;
            self.is_in_step = true;
            return Ok(());
        }
        let octets: Vec<u8> = deltas.iter().flat_map(|delta| entry(delta)).collect();
        let len_max = self.journal.checkpoint_len().saturating_mul(JOURNAL_GROWTH_MAX) + JOURNAL_SLACK_BYTES;
        if self.journal.len() + octets.len() as u64 > len_max {
            // Half the room is left for what comes, so that this is rare.
            let mut base = after.clone();
            let history: Vec<Arc<Delta>> = before.history.iter().chain(deltas).cloned().collect();
            let kept = rewind(&mut base, &history, len_max / 2);
            match self.journal.rewrite(&base, &kept, self.fingerprint) {
                Ok(()) => return Ok(()),
                Err(error) => warn!(%error, "journal not shortened"),
            }
        }
        self.journal.append(&octets)
    }

    /// Writes the journal anew for the same version of the zone.
    fn rewrite(&mut self, zone: &Zone, history: &[Arc<Delta>]) -> io::Result<()> {
        let mut base = zone.clone();
        let kept = rewind(&mut base, history, u64::MAX);
        self.journal.rewrite(&base, &kept, self.fingerprint)?;
        self.is_in_step = true;
        Ok(())
    }
}

/// Takes changes back from a zone, newest first, as long as their entries fit; gives those taken back, oldest first.
fn rewind(zone: &mut Zone, history: &[Arc<Delta>], octets_max: u64) -> Vec<Arc<Delta>> {
    let mut left = octets_max;
    let mut taken = Vec::new();
    for delta in history.iter().rev() {
        let back = Delta {
            before: delta.after.clone(),
            after: delta.before.clone(),
            removed: delta.added.clone(),
            added: delta.removed.clone(),
        };
        let Some(rest) = left.checked_sub(entry(delta).len() as u64) else { break };
        let Ok(earlier) = back.apply(zone) else { break };
        (*zone, left) = (earlier, rest);
        taken.push(Arc::clone(delta));
    }
    taken.reverse();
    taken
}

/// Makes a change durable that came from the source: from then on the journal belongs to it.
struct FromSource<'k> {
    kept: &'k Kept,
    fingerprint: [u8; 32],
}

impl Keeper for FromSource<'_> {
    fn commit(&self, _origin: &Folded, delta: &Delta, _after: &Zone) -> io::Result<()> {
        let before = self.kept.before(delta)?;
        lock(&self.kept.keeping).follow(&before, delta, self.fingerprint)
    }

    fn changed(&self, _origin: &Folded) {
        self.kept.changed.notify_one();
    }

    fn notified(&self, _origin: &Folded, _serial: Option<u32>, _from: SocketAddr) {}
}

impl Keeping {
    /// Writes the journal anew with a change that came from the source.
    fn follow(&mut self, before: &Loaded, delta: &Delta, fingerprint: [u8; 32]) -> io::Result<()> {
        let mut base = before.zone.clone();
        let mut all = rewind(&mut base, &before.history, u64::MAX);
        all.push(Arc::new(delta.clone()));
        self.journal.rewrite(&base, &all, fingerprint)?;
        (self.fingerprint, self.is_in_step) = (fingerprint, true);
        Ok(())
    }
}

/// A zone as disk knows it.
struct Opened {
    state: State,
    keeping: Keeping,
    facts: Facts,
}

fn open(settings: &ZoneSettings, folder: &Path, now: SystemTime) -> Opened {
    let (journal, found) = JournalFile::open(folder, &settings.origin);
    let mut opened = Opened {
        state: unavailable(EDE_NOT_READY, "not read yet"),
        keeping: Keeping { journal, fingerprint: [0; 32], is_in_step: true },
        facts: Facts { schedule: Schedule::new(now), ..Facts::default() },
    };
    if let Some(why) = opened.keeping.journal.untouchable().map(str::to_owned) {
        opened.state = unavailable(EDE_INVALID_DATA, &why);
        opened.facts.fault = Some(why);
        return opened;
    }
    let kept = found.map(|Found { zone, fingerprint, deltas, torn }| {
        opened.keeping.fingerprint = fingerprint;
        opened.facts.torn = torn;
        let skipped = deltas.len().saturating_sub(zone::set::HISTORY_MAX);
        Loaded { zone, history: deltas.into_iter().skip(skipped).map(Arc::new).collect() }
    });
    match &settings.source {
        ZoneSource::Secondary(_) => open_copy(&mut opened, settings, kept, now),
        ZoneSource::File(_) | ZoneSource::Kept(_) => open_source(&mut opened, settings, kept),
    }
    for (what, text) in [("zone", &opened.facts.fault), ("journal", &opened.facts.torn)] {
        if let Some(text) = text {
            warn!(zone = %settings.origin, error = %text, "{what} not as it should be");
        }
    }
    opened
}

fn open_source(opened: &mut Opened, settings: &ZoneSettings, kept: Option<Loaded>) {
    let read = source::read(&settings.origin, &settings.source, 1);
    let (kept, read) = match (kept, read) {
        (None, Ok(read)) => {
            opened.keeping.fingerprint = read.fingerprint;
            opened.state = loaded(Loaded { zone: read.zone, history: Vec::new() });
            return;
        }
        (None, Err(why)) => {
            opened.state = unavailable(EDE_INVALID_DATA, &why);
            opened.facts.fault = Some(why);
            return;
        }
        (Some(kept), Err(why)) => {
            opened.facts.fault = Some(format!("{why}; what the journal holds is in service"));
            opened.state = loaded(kept);
            return;
        }
        (Some(kept), Ok(read)) => (kept, read),
    };
    let fingerprint = read.fingerprint;
    let keeping = &mut opened.keeping;
    match source::weigh(&settings.origin, &settings.source, read, &kept.zone, keeping.fingerprint) {
        Meaning::Unchanged => opened.state = loaded(kept),
        Meaning::Same => {
            keeping.fingerprint = fingerprint;
            if let Err(error) = keeping.rewrite(&kept.zone, &kept.history) {
                warn!(zone = %settings.origin, %error, "journal not written anew");
            }
            opened.state = loaded(kept);
        }
        Meaning::Waits(why) => {
            opened.facts.fault = Some(why);
            opened.state = loaded(kept);
        }
        Meaning::Newer(change) => {
            let (zone, delta) = *change;
            if let Err(error) = keeping.follow(&kept, &delta, fingerprint) {
                opened.facts.fault = Some(format!("cannot write the journal: {error}"));
                (keeping.fingerprint, keeping.is_in_step) = (fingerprint, false);
            }
            let history = kept.history.into_iter().chain([Arc::new(delta)]).collect();
            opened.state = loaded(Loaded { zone, history });
        }
    }
}

/// A secondary serves its copy at once, unless that is too old.
fn open_copy(opened: &mut Opened, settings: &ZoneSettings, kept: Option<Loaded>, now: SystemTime) {
    let Some(kept) = kept else {
        opened.state = unavailable(EDE_NOT_READY, &format!("not yet transferred from {}", settings.source));
        return;
    };
    // A time from the future tells of a clock that was set back: then it counts from now.
    let refreshed = opened.keeping.journal.touched().unwrap_or(now).min(now);
    opened.facts.schedule.restore(refreshed, &kept.zone);
    if opened.facts.schedule.is_expired(now) {
        opened.state = unavailable(EDE_INVALID_DATA, super::secondary::EXPIRED);
        opened.facts.expired = Some(Arc::new(kept));
    } else {
        opened.state = loaded(kept);
    }
}

/// Not in service, for this reason.
pub(crate) fn unavailable(ede: u16, why: &str) -> State {
    State::Unavailable { ede, why: for_clients(why).into() }
}

/// Clients are told why, but not where our files lie: only the last part of a path stays.
pub(crate) fn for_clients(why: &str) -> String {
    let short = |word: &str| match word.strip_prefix('/').and_then(|path| path.rsplit('/').next()) {
        Some(last) if !last.is_empty() => last.to_owned(),
        _ => word.to_owned(),
    };
    why.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

fn loaded(loaded: Loaded) -> State {
    State::Loaded(Arc::new(loaded))
}
