//! What all desks share: the rules in force, the zones held, the cache, the resolver.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use cache::Cache;
use policy::Snapshot;
use resolve::Resolver;
use wire::reply::UDP_SIZE_DEFAULT;

use crate::authority::Authority;
use crate::cookies::CookieSettings;
use crate::limits::LimitSettings;
use crate::operate::MadeKeys;
use crate::tally::{Counters, Tally};

/// Bits by which the count of authorities is moved up, out of the way of the count of snapshots.
const ZONES_EPOCH_SHIFT: u32 = 40;

/// What the walk goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Largest reply over UDP, whatever the client offers; also the size we put in OPT.
    pub udp_size: u16,
    /// Entries in each desk's own cache.
    pub l1_entries: usize,
    /// What we tell clients that ask which server answers (NSID, RFC 5001); empty tells nothing. At most 128 octets count.
    pub nsid: Arc<[u8]>,
    /// How long idle TCP connections stay, as told to clients that ask (RFC 7828). The listeners' own setting.
    pub tcp_idle: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            udp_size: UDP_SIZE_DEFAULT,
            l1_entries: cache::Settings::default().l1_entries,
            nsid: Arc::from([]),
            tcp_idle: Duration::from_secs(10),
        }
    }
}

/// Longest NSID sent: a name fits, and no reply grows much by it.
const NSID_LEN_MAX: usize = 128;

/// Fills octets with what nobody can guess.
pub type Random = Box<dyn Fn(&mut [u8]) + Send + Sync>;

/// What all desks share.
pub struct Shared {
    policy: ArcSwap<Snapshot>,
    authority: ArcSwap<Authority>,
    /// Whether the authority has zones: without any, the walk asks no further.
    zones_held: AtomicBool,
    /// Changes with the authority. Set after it, read before it.
    zones_epoch: AtomicU64,
    cookies: ArcSwap<CookieSettings>,
    /// Whether cookies are demanded of anybody, so that the hot path need not look.
    cookies_demanded: AtomicBool,
    limits: ArcSwap<LimitSettings>,
    /// Counts the settings of limits put in force, so that a desk need not load them for each batch. Set after them.
    pub(crate) limits_version: AtomicU64,
    /// Keys made by TKEY.
    pub(crate) made: MadeKeys,
    random: OnceLock<Random>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) resolver: Resolver,
    pub(crate) settings: Settings,
    tallies: Mutex<Vec<Arc<Tally>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("epoch", &self.policy.load().epoch).finish_non_exhaustive()
    }
}

impl Shared {
    /// Brings the rooms together.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, cache: Arc<Cache>, resolver: Resolver, settings: Settings) -> Arc<Shared> {
        let nsid = settings.nsid.get(..NSID_LEN_MAX).map_or(Arc::clone(&settings.nsid), Arc::from);
        let settings = Settings { nsid, ..settings };
        Arc::new(Shared {
            policy: ArcSwap::new(snapshot),
            authority: ArcSwap::from_pointee(Authority::none()),
            zones_held: AtomicBool::new(false),
            zones_epoch: AtomicU64::new(0),
            cookies: ArcSwap::from_pointee(CookieSettings::default()),
            cookies_demanded: AtomicBool::new(false),
            limits: ArcSwap::from_pointee(LimitSettings::default()),
            limits_version: AtomicU64::new(0),
            made: MadeKeys::default(),
            random: OnceLock::new(),
            cache,
            resolver,
            settings,
            tallies: Mutex::default(),
        })
    }

    /// Gives a source of randomness, once. Without one no key is made (TKEY).
    pub fn set_random(&self, random: Random) {
        // A second source would be no better than the first.
        let _ = self.random.set(random);
    }

    /// Puts other cookie settings in force: a secret that rolls over breaks no conversation, as long as the former one stays
    /// among those accepted for an hour. Without secrets cookies are off.
    pub fn publish_cookies(&self, settings: Arc<CookieSettings>) {
        let demanded = settings.demands();
        self.cookies.store(settings);
        self.cookies_demanded.store(demanded, Ordering::Release);
    }

    /// Puts other limits in force, from each desk's next batch on.
    pub fn publish_limits(&self, settings: Arc<LimitSettings>) {
        self.limits.store(settings);
        self.limits_version.fetch_add(1, Ordering::Release);
    }

    /// Puts other zones, keys and access in force. Operations under way end by those they began with.
    pub fn publish_authority(&self, authority: Arc<Authority>) {
        let held = !authority.zones.is_empty();
        self.authority.store(authority);
        self.zones_held.store(held, Ordering::Release);
        self.zones_epoch.fetch_add(1 << ZONES_EPOCH_SHIFT, Ordering::Release);
    }

    /// Zones, keys and access in force.
    #[must_use]
    pub fn authority(&self) -> Arc<Authority> {
        self.authority.load_full()
    }

    /// Puts other rules in force. Queries under way end by the rules they began with. The epoch must differ from that of
    /// any snapshot before.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.policy.store(snapshot);
    }

    /// The rules in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.policy.load_full()
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// The resolver.
    #[must_use]
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Figures of all desks together.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counters = Counters::default();
        tallies.iter().for_each(|tally| tally.add_to(&mut counters));
        counters
    }

    pub(crate) fn cookies(&self) -> Guard<Arc<CookieSettings>> {
        self.cookies.load()
    }

    pub(crate) fn cookies_demanded(&self) -> bool {
        self.cookies_demanded.load(Ordering::Acquire)
    }

    pub(crate) fn limits(&self) -> Arc<LimitSettings> {
        self.limits.load_full()
    }

    pub(crate) fn holds_zones(&self) -> bool {
        self.zones_held.load(Ordering::Acquire)
    }

    pub(crate) fn zones_epoch(&self) -> u64 {
        self.zones_epoch.load(Ordering::Acquire)
    }

    pub(crate) fn authority_now(&self) -> Guard<Arc<Authority>> {
        self.authority.load()
    }

    pub(crate) fn random(&self) -> Option<&Random> {
        self.random.get()
    }

    pub(crate) fn policy(&self) -> Guard<Arc<Snapshot>> {
        self.policy.load()
    }

    /// A tally for one more desk, counted in `counters` from now on, even after the desk is gone.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tally));
        tally
    }
}
