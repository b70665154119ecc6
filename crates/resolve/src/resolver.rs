//! The resolver: what the walk of a query asks when the cache has no answer.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use cache::{Age, Cache, Entry, Key};
use tokio::runtime::Handle;
use wire::code::Code;
use wire::name::Folded;
use wire::reply::{Shape, Stored, UDP_SIZE_DEFAULT};

use crate::chance;
use crate::clock;
use crate::driver::{self, Landed};
use crate::failures::Failures;
use crate::flight::{Boarding, Ending, Flights, Pilot};
use crate::lookup::{Conclusion, is_final};
use crate::upstream::{GroupSettings, Groups, UpstreamStatus};

/// How often unhealthy upstreams are probed.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// How long a probe waits.
const PROBE_WAIT: Duration = Duration::from_millis(1_800);
/// How long old answers are given without asking again after a failure, seconds (RFC 8767 §5 suggests 30).
const RECHECK_AFTER_SECONDS: u32 = 30;
/// Longest text of an extended error made here, bytes: it must fit a small UDP reply beside the question.
const EDE_TEXT_BYTES_MAX: usize = 256;
/// QTYPE NS, QCLASS IN: what a probe asks of the root.
const NS: u16 = 2;
const IN: u16 = 1;

/// What the resolver goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Upstreams by suffix.
    pub groups: Vec<GroupSettings>,
    /// Lookups under way at once; each holds a socket. Beyond it: SERVFAIL (or a stale answer), counted.
    pub lookups_max: usize,
    /// UDP payload size offered to upstreams.
    pub udp_size: u16,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { groups: Vec::new(), lookups_max: 4_096, udp_size: UDP_SIZE_DEFAULT }
    }
}

/// What to find out.
#[derive(Clone, Debug)]
pub struct Question {
    /// Name.
    pub qname: Folded,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// The client set CD.
    pub checking_disabled: bool,
    /// The client set DO.
    pub dnssec_ok: bool,
}

impl Question {
    /// What the answer is kept under.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::new(&self.qname, self.qtype, self.qclass, self.checking_disabled, self.dnssec_ok)
    }
}

/// What a lookup came to, shared by all who waited for it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The reply to give: an upstream's, or a SERVFAIL made here whose extended error says why.
    pub entry: Arc<Entry>,
    /// The upstream that answered, or was asked last.
    pub upstream: Option<Arc<str>>,
    /// Time the upstream took, microseconds; `None` when none was asked.
    pub upstream_latency_micros: Option<u32>,
    /// Asks made.
    pub attempts: u8,
}

impl Found {
    /// Whether nothing was learned about the name, so that an old answer would serve better.
    #[must_use]
    pub fn failed(&self) -> bool {
        !is_final(self.entry.stored.rcode)
    }
}

/// Figures for status and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Lookups under way.
    pub in_flight: u64,
    /// Lookups started.
    pub lookups: u64,
    /// Questions that joined a lookup under way.
    pub joined: u64,
    /// Questions turned away because too many lookups were under way.
    pub overflowed: u64,
}

/// Finds answers by asking upstreams. Cloning shares it.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    groups: RwLock<Arc<Groups>>,
    flights: Flights,
    failures: Failures,
    cache: Arc<Cache>,
    runtime: Handle,
    udp_size: u16,
    lookups: AtomicU64,
    joined: AtomicU64,
    overflowed: AtomicU64,
}

impl Resolver {
    /// Starts a resolver whose lookups and probes run on `runtime`; the probes end with its last clone.
    #[must_use]
    pub fn start(settings: &Settings, cache: Arc<Cache>, runtime: &Handle) -> Resolver {
        let inner = Arc::new(Inner {
            groups: RwLock::new(Arc::new(Groups::new(&settings.groups, None))),
            flights: Flights::new(settings.lookups_max),
            failures: Failures::default(),
            cache,
            runtime: runtime.clone(),
            udp_size: settings.udp_size,
            lookups: AtomicU64::new(0),
            joined: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
        });
        runtime.spawn(probe_the_ill(Arc::downgrade(&inner)));
        Resolver { inner }
    }

    /// Finds the answer, joining a lookup under way. With `patience` it gives up waiting after that time (`None`) while
    /// the lookup goes on and its answer reaches the cache.
    pub async fn resolve(&self, question: Question, patience: Option<Duration>) -> Option<Found> {
        let waiting = match self.inner.flights.board(question.key()) {
            Boarding::First(pilot, ending) => {
                self.inner.lookups.fetch_add(1, Relaxed);
                // A task of its own: it must end, and reach the cache, even if every client goes away.
                self.inner.runtime.spawn(Arc::clone(&self.inner).fly(pilot, Arc::new(question.clone())));
                ending
            }
            Boarding::Joined(ending) => {
                self.inner.joined.fetch_add(1, Relaxed);
                ending
            }
            Boarding::Full => {
                self.inner.overflowed.fetch_add(1, Relaxed);
                return Some(self.inner.failure(&question, 0, "too many lookups under way"));
            }
        };
        let landed = match patience {
            None => landing(waiting).await,
            Some(patience) => tokio::time::timeout(patience, landing(waiting)).await.ok()?,
        };
        Some(landed.unwrap_or_else(|| self.inner.failure(&question, 0, "the lookup was cut short")))
    }

    /// Whether a lookup of this failed a moment ago, so that an old answer is to be given without asking again.
    #[must_use]
    pub fn failed_recently(&self, key: &Key, now_seconds: u32) -> bool {
        self.inner.failures.recent(key, now_seconds)
    }

    /// Every upstream as it stands.
    #[must_use]
    pub fn status(&self) -> Vec<UpstreamStatus> {
        self.inner.groups().all().map(|upstream| upstream.status()).collect()
    }

    /// Figures so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            in_flight: self.inner.flights.len() as u64,
            lookups: self.inner.lookups.load(Relaxed),
            joined: self.inner.joined.load(Relaxed),
            overflowed: self.inner.overflowed.load(Relaxed),
        }
    }

    /// Swaps the upstreams. Lookups under way end with those they began with; an upstream that stays keeps its health.
    pub fn reconfigure(&self, groups: &[GroupSettings]) {
        let mut current = self.inner.groups.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(Groups::new(groups, Some(&current)));
    }
}

async fn landing(mut ending: Ending) -> Option<Found> {
    ending.wait_for(Option::is_some).await.ok().and_then(|found| found.clone())
}

impl Inner {
    fn groups(&self) -> Arc<Groups> {
        Arc::clone(&self.groups.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn fly(self: Arc<Self>, pilot: Pilot, question: Arc<Question>) {
        let upstreams = self.groups().candidates(&question.qname, chance::dice());
        let landed = driver::run(upstreams, &question, self.udp_size).await;
        pilot.land(self.keep(&question, landed));
    }

    /// Puts what was learned where the next client finds it.
    fn keep(&self, question: &Question, landed: Landed) -> Found {
        let Landed { conclusion, upstream, took_micros, attempts } = landed;
        let stored = match conclusion {
            Conclusion::Answered { stored, .. } => explained(stored, upstream.as_deref()),
            Conclusion::Failed { ede, text } => failure_reply(question, ede, &text),
        };
        let now_seconds = clock::seconds();
        let key = question.key();
        let entry = if is_final(stored.rcode) {
            self.failures.forget(&key);
            self.cache.put(key, stored, upstream.clone(), now_seconds)
        } else if matches!(self.cache.get(&key, now_seconds), Some((_, Age::Stale { .. }))) {
            // A failure must not push out the old answer that can stand in for it.
            self.failures.note(key, now_seconds.saturating_add(RECHECK_AFTER_SECONDS), now_seconds);
            Arc::new(unkept(question, stored, upstream.clone(), now_seconds))
        } else {
            self.cache.put(key, stored, upstream.clone(), now_seconds)
        };
        let upstream_latency_micros = upstream.is_some().then(|| u32::try_from(took_micros).unwrap_or(u32::MAX));
        Found { entry, upstream, upstream_latency_micros, attempts }
    }

    /// A failure of which no upstream knows; not kept.
    fn failure(&self, question: &Question, ede: u16, text: &str) -> Found {
        let entry = unkept(question, failure_reply(question, ede, text), None, clock::seconds());
        Found { entry: Arc::new(entry), upstream: None, upstream_latency_micros: None, attempts: 0 }
    }
}

/// An upstream's failure code without an extended error gets one that says whose it is: SERVFAIL never comes unexplained.
fn explained(mut stored: Stored, upstream: Option<&str>) -> Stored {
    if !is_final(stored.rcode) && stored.ede.is_empty() {
        let code = Code::from_key(stored.rcode).name();
        stored.ede.push((0, format!("{} answered {code}", upstream.unwrap_or("upstream"))));
    }
    stored
}

/// SERVFAIL as a stored packet: header and question.
fn failure_reply(question: &Question, ede: u16, text: &str) -> Stored {
    const QR_RD: u8 = 0x81;
    const RA: u8 = 0x80;
    let servfail = Code::SERVFAIL.number();
    let mut packet = vec![0, 0, QR_RD, RA | servfail as u8, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend_from_slice(question.qname.wire());
    packet.extend_from_slice(&question.qtype.to_be_bytes());
    packet.extend_from_slice(&question.qclass.to_be_bytes());
    let cut = (0..=EDE_TEXT_BYTES_MAX.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    Stored {
        packet: packet.into(),
        ttl_offsets: Box::default(),
        rcode: servfail,
        ttl: None,
        shape: Shape::Error,
        ede: vec![(ede, text[..cut].to_owned())],
        summary: None,
        answer_count: 0,
        targets: Vec::new(),
        addresses: Vec::new(),
    }
}

fn unkept(question: &Question, stored: Stored, upstream: Option<Arc<str>>, now_seconds: u32) -> Entry {
    Entry {
        domain: question.qname.text().into(),
        summary: stored.summary.as_deref().map(Arc::from),
        stored,
        upstream,
        stored_at: now_seconds,
        expires_at: now_seconds,
    }
}

/// Asks unhealthy upstreams a small question now and then, so that they come back without a client paying for it.
async fn probe_the_ill(resolver: Weak<Inner>) {
    let question =
        Arc::new(Question { qname: Folded::root(), qtype: NS, qclass: IN, checking_disabled: false, dnssec_ok: false });
    let mut every = tokio::time::interval(PROBE_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let Some(inner) = resolver.upgrade() else { return };
        for upstream in inner.groups().all().filter(|upstream| !upstream.healthy()) {
            let (upstream, question) = (Arc::clone(upstream), Arc::clone(&question));
            let udp_size = inner.udp_size;
            tokio::spawn(async move { driver::probe(&upstream, &question, udp_size, PROBE_WAIT).await });
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
