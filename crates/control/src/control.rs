//! Keeps the lists fresh and the snapshot in force; the page on which every change of policy happens.
//!
//! Two locks. `change` is held while lists are put in force, compiled and published: one change at a time, none of them waits
//! for the network. `entries` is held for moments, so that status is always at hand.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use policy::{Compiler, LineFault, ListAction, ListInfo, ListReport, Mentions, Policy, Snapshot};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};
use wire::name::Folded;

use crate::copies::{Copies, Origin};
use crate::fetch::{FetchError, Found, Look, unpacked};
use crate::lock;
use crate::settings::{Limits, ListSource, Place, Settings, SettingsError};

/// Shortest time between two looks at a list.
const REFRESH_MIN: Duration = Duration::from_secs(60);
/// Wait after a first failure; doubled with each further one.
const RETRY_MIN: Duration = Duration::from_secs(60);
/// Longest wait after failures.
const RETRY_MAX: Duration = Duration::from_secs(3600);
/// Lists fetched at the same time: a server that hangs must not hold up the others.
const FETCHES_MAX: usize = 4;
/// Buffer a list is read through.
pub(crate) const BUFFER_BYTES: usize = 64 * 1024;
/// Longest sleep between looks at the clock, which may be set meanwhile.
const NAP_MAX: Duration = Duration::from_secs(60);

/// The lists in force.
pub struct Control {
    change: Mutex<Change>,
    entries: Mutex<Vec<Entry>>,
    snapshot: Mutex<Arc<Snapshot>>,
    refreshing: Mutex<()>,
    /// Lists that someone wants looked at before they are due.
    asked: Mutex<BTreeSet<Arc<str>>>,
    publish: Box<dyn Fn(Arc<Snapshot>) + Send + Sync>,
    seed: u64,
    changes: watch::Sender<u64>,
    wake: Notify,
    stop: AtomicBool,
}

/// What only a change may touch.
struct Change {
    settings: Settings,
    copies: Copies,
}

/// One list.
#[derive(Clone)]
struct Entry {
    source: ListSource,
    /// Where its lines in force are read from; `None` while there are none.
    content: Option<Content>,
    origin: Option<Origin>,
    report: ListReport,
    loaded: Option<SystemTime>,
    error: Option<String>,
    failures: u32,
    due: SystemTime,
}

#[derive(Clone)]
enum Content {
    File(PathBuf),
    Text(String),
}

/// What one list says of a name.
#[derive(Clone, Debug)]
pub struct ListLines {
    /// The list.
    pub info: ListInfo,
    /// Its lines that match, or why it cannot be read.
    pub mentions: Result<Mentions, String>,
}

/// How a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListState {
    /// Its name.
    pub name: Arc<str>,
    /// What it does.
    pub action: ListAction,
    /// Where it comes from, as shown to people.
    pub source: String,
    /// Rules in force.
    pub rules: u64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// The first of them.
    pub faults: Vec<LineFault>,
    /// When the lines in force were read from their place; `None` while there are none.
    pub loaded_at: Option<SystemTime>,
    /// Why it is not in force, or why the last look failed; the last good copy stays in force.
    pub error: Option<String>,
}

/// Why new settings were not taken; the old ones stay in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A list that was not there before cannot be read.
    #[error("list \"{list}\": {reason}")]
    List {
        /// The list.
        list: Arc<str>,
        /// What happened.
        reason: String,
    },
}

impl Control {
    /// Puts in force what is on this machine: files, built-in lists and last good copies. URLs are due at once when there is no
    /// copy, and are fetched by `run`. `seed` keys the hashes of names and is best drawn anew for each process.
    ///
    /// A list that cannot be read is told by `status`; the others protect. Blocks on the disk.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(
        settings: Settings,
        seed: u64,
        now: SystemTime,
        publish: impl Fn(Arc<Snapshot>) + Send + Sync + 'static,
    ) -> Result<Control, SettingsError> {
        settings.check()?;
        let copies = Copies::new(&settings.folder);
        copies.sweep();
        let stop = AtomicBool::new(false);
        let mut entries: Vec<Entry> =
            settings.lists.iter().map(|source| Entry::restore(source, &copies, now)).collect();
        for entry in &mut entries {
            if let Some(found) = entry.look_at_file(&settings, &copies, &stop, now) {
                entry.put_in_force(found, &copies, now);
            }
        }
        let policy = compile_readable(&mut entries, seed, now);
        let snapshot = snapshot(policy, &settings, 1);
        publish(Arc::clone(&snapshot));
        Ok(Control {
            change: Mutex::new(Change { settings, copies }),
            entries: Mutex::new(entries),
            snapshot: Mutex::new(snapshot),
            refreshing: Mutex::new(()),
            asked: Mutex::new(BTreeSet::new()),
            publish: Box::new(publish),
            seed,
            changes: watch::Sender::new(1),
            wake: Notify::new(),
            stop,
        })
    }

    /// Keeps lists fresh until `stop`: sleeps until one is due, then refreshes on a blocking thread.
    pub async fn run(self: Arc<Self>) {
        while !self.stop.load(Ordering::Relaxed) {
            let nap = match self.next_due() {
                Some(due) => due.duration_since(SystemTime::now()).unwrap_or_default().min(NAP_MAX),
                None => NAP_MAX,
            };
            // The wait may end early; then nothing is due and the loop comes round.
            let _ = tokio::time::timeout(nap, self.wake.notified()).await;
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let control = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || control.refresh_due(SystemTime::now())).await {
                warn!(%error, "list refresh ended badly");
                let _ = tokio::time::timeout(NAP_MAX, self.wake.notified()).await;
            }
        }
    }

    /// Ends `run`. A download under way ends at its next read, at the latest after `limits.read`.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Looks at all lists that are due and puts in force what is new, list by list as they come in. Blocks, up to
    /// `limits.download` for each list; returns how many were looked at.
    pub fn refresh_due(&self, now: SystemTime) -> usize {
        let _one_at_a_time = lock(&self.refreshing);
        let asked = std::mem::take(&mut *lock(&self.asked));
        let is_due =
            |entry: &&Entry| entry.can_change() && (entry.due <= now || asked.contains(&entry.source.info.name));
        let due: Vec<Entry> = lock(&self.entries).iter().filter(is_due).cloned().collect();
        if due.is_empty() {
            return 0;
        }
        let (copies, limits) = {
            let change = lock(&self.change);
            (change.copies.clone(), change.settings.limits)
        };
        let next = AtomicUsize::new(0);
        let (results, arrived) = mpsc::sync_channel(FETCHES_MAX);
        thread::scope(|scope| {
            for _ in 0..due.len().min(FETCHES_MAX) {
                let (results, due, next, copies) = (results.clone(), &due, &next, &copies);
                scope.spawn(move || {
                    while let Some(entry) = due.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let found = entry.look(copies, limits, &self.stop, now).fetch();
                        // Fails only when nobody waits for it any more.
                        let _ = results.send((entry.source.clone(), found));
                    }
                });
            }
            drop(results);
            while let Ok(first) = arrived.recv() {
                let batch = std::iter::once(first).chain(arrived.try_iter()).collect();
                if !self.stop.load(Ordering::Relaxed) {
                    self.take(batch, now);
                }
            }
        });
        due.len()
    }

    /// Has `run` look at a list before it is due, at all lists for `None`. Whether there is such a list.
    pub fn refresh_soon(&self, list: Option<&str>) -> bool {
        let names: Vec<Arc<str>> = lock(&self.entries)
            .iter()
            .map(|entry| Arc::clone(&entry.source.info.name))
            .filter(|name| list.is_none_or(|list| **name == *list))
            .collect();
        let found = !names.is_empty();
        lock(&self.asked).extend(names);
        self.wake.notify_one();
        found
    }

    /// Swaps to new settings, or keeps the old ones and says why. Lists that stay where they were keep what is in force; new files
    /// are read now, new URLs start from their last good copy and are fetched by `run`. Blocks on the disk.
    ///
    /// # Errors
    /// When the settings cannot be used or a new list file cannot be read; nothing has changed then.
    pub fn reload(&self, settings: Settings, now: SystemTime) -> Result<(), ReloadError> {
        settings.check()?;
        let mut change = lock(&self.change);
        let copies = Copies::new(&settings.folder);
        let before = lock(&self.entries).clone();
        let mut entries: Vec<Entry> = settings
            .lists
            .iter()
            .map(|source| match before.iter().find(|entry| entry.is_of(source)) {
                Some(entry) => {
                    Entry { source: source.clone(), due: entry.due.min(after(now, source.refresh)), ..entry.clone() }
                }
                None => Entry::restore(source, &copies, now),
            })
            .collect();
        // First look at all files, then keep copies: a fault in the last one must find the copies of the first untouched.
        let mut looks = Vec::new();
        for entry in &entries {
            let found = entry.look_at_file(&settings, &copies, &self.stop, now);
            if let (Some(Err(error)), None) = (&found, &entry.content) {
                return Err(ReloadError::List { list: Arc::clone(&entry.source.info.name), reason: error.to_string() });
            }
            looks.push(found);
        }
        for (entry, found) in entries.iter_mut().zip(looks) {
            if let Some(found) = found {
                entry.put_in_force(found, &copies, now);
            }
        }
        let policy = compile(&mut entries, self.seed).map_err(|lost| ReloadError::List {
            list: entries.get(lost.index).map_or("".into(), |entry| Arc::clone(&entry.source.info.name)),
            reason: lost.reason,
        })?;
        *lock(&self.entries) = entries;
        change.copies = copies;
        change.settings = settings;
        self.swap(&change, policy);
        drop(change);
        self.wake.notify_one();
        Ok(())
    }

    /// How each list is, in configured order.
    #[must_use]
    pub fn status(&self) -> Vec<ListState> {
        lock(&self.entries).iter().map(Entry::state).collect()
    }

    /// The lines of each list in force that speak of a name, in configured order. Reads all lists from disk: seconds, for the largest.
    #[must_use]
    pub fn lines(&self, name: &Folded) -> Vec<ListLines> {
        let entries = lock(&self.entries).clone();
        let lines = entries.into_iter().filter_map(|entry| {
            let Entry { source, content, .. } = entry;
            let mentions = find(name, &source, &content?, self.seed).map_err(|error| error.to_string());
            Some(ListLines { info: source.info, mentions })
        });
        lines.collect()
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&lock(&self.snapshot))
    }

    /// A number that grows with every change of snapshot or status.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn next_due(&self) -> Option<SystemTime> {
        lock(&self.entries).iter().filter(|entry| entry.can_change()).map(|entry| entry.due).min()
    }

    /// Takes what looks have found; compiles and publishes when something is new.
    fn take(&self, batch: Vec<(ListSource, Result<Found, FetchError>)>, now: SystemTime) {
        let change = lock(&self.change);
        let mut entries = lock(&self.entries).clone();
        let mut is_new = false;
        for (source, found) in batch {
            // A reload may have taken the list away meanwhile; its part goes when dropped.
            if let Some(entry) = entries.iter_mut().find(|entry| entry.is_of(&source)) {
                is_new |= entry.put_in_force(found, &change.copies, now);
            }
        }
        let compiled = is_new.then(|| compile(&mut entries, self.seed));
        let policy = match compiled {
            Some(Ok(policy)) => Some(policy),
            Some(Err(lost)) => {
                // The running snapshot has the list's rules and stays until they can be had again.
                if let Some(entry) = entries.get_mut(lost.index) {
                    entry.lose(lost.reason, now);
                }
                None
            }
            None => None,
        };
        *lock(&self.entries) = entries;
        match policy {
            Some(policy) => self.swap(&change, policy),
            None => self.tell(),
        }
    }

    fn swap(&self, change: &Change, policy: Policy) {
        let epoch = lock(&self.snapshot).epoch + 1;
        let snapshot = snapshot(policy, &change.settings, epoch);
        info!(rules = snapshot.policy.rules(), epoch, "policy in force");
        *lock(&self.snapshot) = Arc::clone(&snapshot);
        (self.publish)(snapshot);
        self.tell();
    }

    fn tell(&self) {
        self.changes.send_modify(|number| *number += 1);
    }
}

impl Entry {
    /// A list as the disk knows it: from its last good copy, when that came from the same place.
    fn restore(source: &ListSource, copies: &Copies, now: SystemTime) -> Entry {
        let mut entry = Entry {
            source: source.clone(),
            content: None,
            origin: None,
            report: ListReport::default(),
            loaded: None,
            error: None,
            failures: 0,
            due: now,
        };
        if let Place::Text(text) = &source.place {
            entry.content = Some(Content::Text(text.clone()));
            entry.loaded = Some(now);
        } else if let Some((path, origin)) = copies.find(&source.info.name, &source.place.to_string()) {
            entry.content = Some(Content::File(path));
            entry.loaded = Some(origin.loaded());
            // A copy from the future tells of a clock that was set back: look at once.
            if origin.checked() <= now {
                entry.due = after(origin.checked(), entry.refresh());
            }
            entry.origin = Some(origin);
        }
        entry
    }

    fn is_of(&self, source: &ListSource) -> bool {
        self.source.info.name == source.info.name && self.source.place == source.place
    }

    /// Whether looking again can find anything else.
    fn can_change(&self) -> bool {
        !matches!(self.source.place, Place::Text(_))
    }

    fn refresh(&self) -> Duration {
        self.source.refresh.max(REFRESH_MIN)
    }

    fn look<'a>(&'a self, copies: &'a Copies, limits: Limits, stop: &'a AtomicBool, now: SystemTime) -> Look<'a> {
        let known = self.origin.as_ref().filter(|_| self.content.is_some());
        Look { source: &self.source, known, rules: self.report.rules, copies, limits, stop, now }
    }

    /// Looks at a file; `None` for what is no file.
    fn look_at_file(
        &self,
        settings: &Settings,
        copies: &Copies,
        stop: &AtomicBool,
        now: SystemTime,
    ) -> Option<Result<Found, FetchError>> {
        let is_file = matches!(self.source.place, Place::File(_));
        is_file.then(|| self.look(copies, settings.limits, stop, now).fetch())
    }

    /// Takes what a look found. Whether there are new lines to compile.
    fn put_in_force(&mut self, found: Result<Found, FetchError>, copies: &Copies, now: SystemTime) -> bool {
        match found {
            Ok(Found::Unchanged) if self.is_uncopied() => {
                self.due = after(now, self.refresh());
                false
            }
            Ok(Found::Unchanged) => {
                self.settle(now);
                self.note_check(copies, now);
                false
            }
            Ok(Found::New(part, origin)) => match copies.keep(&self.source.info.name, part, &origin) {
                Ok(path) => {
                    self.settle(now);
                    self.replace(path, origin, now);
                    true
                }
                Err(error) => self.go_without_copy(origin, error, now),
            },
            Ok(Found::Uncopied(origin, error)) => self.go_without_copy(origin, error, now),
            Err(error) => {
                self.fail(error.to_string(), now);
                false
            }
        }
    }

    /// A file can be in force without a copy, as long as it stays; a download cannot.
    fn go_without_copy(&mut self, origin: Origin, error: io::Error, now: SystemTime) -> bool {
        let reason = format!("cannot keep a copy: {error}");
        self.fail(reason, now);
        if let Place::File(path) = &self.source.place {
            let path = path.clone();
            self.replace(path, origin, now);
            return true;
        }
        false
    }

    /// Whether its lines are read from the operator's own file.
    fn is_uncopied(&self) -> bool {
        matches!((&self.content, &self.source.place), (Some(Content::File(from)), Place::File(path)) if from == path)
    }

    fn replace(&mut self, path: PathBuf, origin: Origin, now: SystemTime) {
        self.content = Some(Content::File(path));
        self.origin = Some(origin);
        self.loaded = Some(now);
    }

    /// Writes down that the place held nothing newer, so that a restart does not ask again at once.
    fn note_check(&mut self, copies: &Copies, now: SystemTime) {
        if let (Place::Url(_), Some(origin)) = (&self.source.place, &mut self.origin) {
            origin.set_checked(now);
            if let Err(error) = copies.note(&self.source.info.name, origin) {
                warn!(list = %self.source.info.name, %error, "time of the last look not written down");
            }
        }
    }

    fn settle(&mut self, now: SystemTime) {
        self.error = None;
        self.failures = 0;
        self.due = after(now, self.refresh());
    }

    fn fail(&mut self, reason: String, now: SystemTime) {
        warn!(list = %self.source.info.name, error = %reason, "list refresh failed");
        let doubled = RETRY_MIN.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.due = after(now, doubled.min(RETRY_MAX).min(self.refresh()));
        self.error = Some(reason);
    }

    /// Has the list fetched anew, whatever its place says of changes: the copy in force cannot be read.
    fn lose(&mut self, reason: String, now: SystemTime) {
        self.origin = None;
        self.fail(reason, now);
    }

    fn state(&self) -> ListState {
        ListState {
            name: Arc::clone(&self.source.info.name),
            action: self.source.info.action,
            source: self.source.place.to_string(),
            rules: self.report.rules,
            rejected: self.report.rejected,
            faults: self.report.faults.clone(),
            loaded_at: self.loaded,
            error: self.error.clone(),
        }
    }
}

/// A list whose lines in force cannot be read any more.
struct Lost {
    index: usize,
    reason: String,
}

/// Compiles all lists anew. Reports are taken over only with the policy they belong to.
fn compile(entries: &mut [Entry], seed: u64) -> Result<Policy, Lost> {
    let mut compiler = Compiler::new(seed);
    let mut reports = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        reports.push(match &entry.content {
            Some(content) => add(&mut compiler, &entry.source, content)
                .map_err(|error| Lost { index, reason: format!("cannot read the copy in force: {error}") })?,
            None => ListReport::default(),
        });
    }
    for (entry, report) in entries.iter_mut().zip(reports) {
        entry.report = report;
    }
    Ok(compiler.finish())
}

/// Compiles what can be read, at start, when there is no snapshot yet that could stay.
fn compile_readable(entries: &mut [Entry], seed: u64, now: SystemTime) -> Policy {
    loop {
        match compile(entries, seed) {
            Ok(policy) => return policy,
            // Each round leaves out one list more.
            Err(lost) => {
                if let Some(entry) = entries.get_mut(lost.index) {
                    entry.content = None;
                    entry.loaded = None;
                    entry.lose(lost.reason, now);
                }
            }
        }
    }
}

fn add(compiler: &mut Compiler, source: &ListSource, content: &Content) -> io::Result<ListReport> {
    match content {
        Content::Text(text) => compiler.add(source.info.clone(), text.as_bytes()),
        Content::File(path) => {
            let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
            compiler.add(source.info.clone(), unpacked(&mut file)?)
        }
    }
}

fn find(name: &Folded, source: &ListSource, content: &Content, seed: u64) -> io::Result<Mentions> {
    match content {
        Content::Text(text) => policy::find(name, &source.info, seed, text.as_bytes()),
        Content::File(path) => {
            let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
            policy::find(name, &source.info, seed, unpacked(&mut file)?)
        }
    }
}

fn snapshot(policy: Policy, settings: &Settings, epoch: u64) -> Arc<Snapshot> {
    Arc::new(Snapshot { policy, block: settings.block, admitted: settings.admitted.clone(), epoch })
}

/// Some time later; a time no clock can hold is never due.
fn after(time: SystemTime, wait: Duration) -> SystemTime {
    const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);
    time.checked_add(wait.min(FAR)).unwrap_or(time)
}
