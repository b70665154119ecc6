//! How much may be asked over UDP: fixed limits, and fair shares while a thread cannot keep up.
//!
//! Who shows a good cookie is where it says, and is counted by its address. All others are counted by network, since a network can make up
//! its addresses, and anybody those of a network. Nothing here names a client: buckets are found by a keyed hash in tables of a fixed
//! size. Streams are limited by the listeners, which know connections.

mod load;
mod meter;

use std::net::IpAddr;
use std::sync::Arc;

use ahash::RandomState;
use event::{Action, Event, Outcome};
use policy::Network;
use wire::code::Code;

use crate::exit::Now;
use crate::flood::Kind;
use load::Load;
use meter::Meter;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// A client that was quiet may send what a limit allows in this time at once.
const BURST_NANOS: u64 = NANOS_PER_SECOND;

/// Limits as the operator has them. Each holds for one thread that answers: a client whose queries reach several is allowed as much at
/// each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// UDP queries a second of one network of clients, or of one client with a good cookie; 0 for no limit.
    pub queries_per_second: u32,
    /// The same reply over UDP to one network of clients without good cookies, a second; 0 for no limit. Failures count as one reply,
    /// and so do all names that do not exist below one name.
    pub replies_per_second: u32,
    /// Whether networks that ask most are held back while a thread cannot keep up, so that the others are answered.
    pub fair: bool,
    /// One in so many queries held back is told to come back over TCP, or with the cookie it gets; 0 for none.
    pub told_every: u32,
    /// Bits of an IPv4 address that make its network, 0 to 32.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that make its network, 0 to 128.
    pub ipv6_prefix: u8,
    /// Networks that are never held back.
    pub exempt: Arc<[Network]>,
    /// Events of a flood written down one by one, a second: of all that is held back together, and of the names below each registered
    /// domain that are not at hand. What goes beyond is written as one event of each network or domain and second that counts the
    /// others. 0 for all.
    pub events_per_second: u32,
}

impl Default for LimitSettings {
    fn default() -> LimitSettings {
        LimitSettings {
            queries_per_second: 0,
            replies_per_second: 0,
            fair: true,
            told_every: 8,
            ipv4_prefix: 24,
            ipv6_prefix: 56,
            exempt: Arc::from([]),
            events_per_second: 1_000,
        }
    }
}

/// Why a query is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// More than the fixed limit.
    Queries,
    /// More than its share of so many queries a second, of a thread that cannot keep up.
    Share(u32),
    /// The same reply too often.
    Replies,
}

/// What becomes of a query held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) excess: Excess,
    /// Whom it is counted to.
    pub(crate) who: Who,
    /// Whether the client is told, so that one that is there can come back in another way.
    pub(crate) told: bool,
}

/// Whom a query is counted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) network: Network,
    /// Whether it showed a good cookie.
    pub(crate) known: bool,
    key: u64,
}

/// The limits at one desk.
pub(crate) struct Limits {
    settings: Arc<LimitSettings>,
    state: RandomState,
    load: Load,
    queries: Meter,
    shares: Meter,
    replies: Meter,
    held: u32,
}

impl Limits {
    pub(crate) fn new(settings: Arc<LimitSettings>) -> Limits {
        let (queries, shares, replies) = (Meter::default(), Meter::default(), Meter::default());
        Limits { settings, state: RandomState::new(), load: Load::default(), queries, shares, replies, held: 0 }
    }

    pub(crate) fn settings(&self) -> &LimitSettings {
        &self.settings
    }

    /// Goes on under other settings; what was counted stays counted.
    pub(crate) fn follow(&mut self, settings: Arc<LimitSettings>) {
        self.settings = settings;
    }

    /// A batch came in; a full one has others behind it.
    pub(crate) fn batch(&mut self, queries: usize, full: bool, now: Now) {
        if self.settings.fair {
            self.load.batch(queries, full, now.monotonic_micros);
        }
    }

    /// Whether any query is to be counted now: nothing else here is called on the way of one that is not.
    pub(crate) fn counts(&self) -> bool {
        self.settings.queries_per_second > 0 || self.settings.replies_per_second > 0 || self.shares_counted()
    }

    /// Whom queries of this address are counted to; `known` if it showed a good cookie. `None` when nothing holds it back.
    pub(crate) fn who(&self, client: IpAddr, known: bool) -> Option<Who> {
        let client = client.to_canonical();
        if self.settings.exempt.iter().any(|network| network.contains(client)) {
            return None;
        }
        let network = if known { Network::of(client, u8::MAX) } else { self.network(client) };
        Some(Who { network, known, key: self.state.hash_one((network, known)) })
    }

    /// Counts a query before it is answered.
    pub(crate) fn ask(&mut self, who: Who, now: Now) -> Option<Held> {
        let nanos = now.monotonic_micros.saturating_mul(1_000);
        let rate = u64::from(self.settings.queries_per_second);
        if rate > 0 && !self.queries.take(who.key, NANOS_PER_SECOND / rate, BURST_NANOS, nanos) {
            return Some(self.hold(Excess::Queries, who));
        }
        if self.shares_counted() {
            let (cost_nanos, burst_nanos) = self.load.share(who.key)?;
            if !self.shares.take(who.key, cost_nanos, burst_nanos, nanos) {
                let per_second = u32::try_from(NANOS_PER_SECOND / cost_nanos.max(1)).unwrap_or(u32::MAX);
                return Some(self.hold(Excess::Share(per_second), who));
            }
        }
        None
    }

    /// Counts a reply before it is sent to a client without a good cookie.
    pub(crate) fn reply(&mut self, who: Who, event: &Event, now: Now) -> Option<Held> {
        let rate = u64::from(self.settings.replies_per_second);
        if rate == 0 {
            return None;
        }
        let key = self.state.hash_one((who.key, event.rcode, sameness(event)));
        let nanos = now.monotonic_micros.saturating_mul(1_000);
        let taken = self.replies.take(key, NANOS_PER_SECOND / rate, BURST_NANOS, nanos);
        (!taken).then(|| self.hold(Excess::Replies, who))
    }

    /// What kind of flood an event may be part of; `None` for one that is always written down.
    pub(crate) fn kind(&self, event: &Event) -> Option<Kind> {
        if self.settings.events_per_second == 0 {
            return None;
        }
        if event.action == Action::Limit {
            return Some(Kind::Held(self.flood_of(event.client)));
        }
        let Some(domain) = event.domain.as_deref() else {
            return Some(Kind::Held(self.flood_of(event.client)));
        };
        let made = event.cache == event::CacheState::None
            && matches!(event.outcome, Outcome::Error)
            && event.action == Action::Pass;
        // Names made up are looked for in vain: at an upstream, or in our zones.
        (made || event.cache == event::CacheState::Miss)
            .then(|| Kind::Below(self.state.hash_one(event::reg_domain(domain).unwrap_or(domain))))
    }

    /// The kind of what a network asks too much.
    pub(crate) fn flood_of(&self, client: IpAddr) -> u64 {
        self.state.hash_one(self.network(client.to_canonical()))
    }

    fn shares_counted(&self) -> bool {
        self.settings.fair && self.load.is_counted()
    }

    fn hold(&mut self, excess: Excess, who: Who) -> Held {
        self.held = self.held.wrapping_add(1);
        let told = self.settings.told_every > 0 && self.held.is_multiple_of(self.settings.told_every);
        Held { excess, who, told }
    }

    fn network(&self, client: IpAddr) -> Network {
        let prefix = match client {
            IpAddr::V4(_) => self.settings.ipv4_prefix,
            IpAddr::V6(_) => self.settings.ipv6_prefix,
        };
        Network::of(client, prefix)
    }
}

impl Held {
    /// The line of the trace.
    pub(crate) fn line(&self, settings: &LimitSettings) -> String {
        let network = self.who.network;
        match self.excess {
            Excess::Queries => {
                format!("limits: {network} asks more than {} queries a second", settings.queries_per_second)
            }
            Excess::Share(rate) => {
                format!(
                    "limits: more is asked than can be answered, and {network} asks more than its share of {rate} queries a second"
                )
            }
            Excess::Replies => {
                format!(
                    "limits: {network} is given the same reply more than {} times a second",
                    settings.replies_per_second
                )
            }
        }
    }
}

/// What makes two replies the same beside their code: name and type of an answer, the name above one that does not exist, nothing for
/// failures. Whoever asks chooses the type, so it counts only where it changes what is sent.
fn sameness(event: &Event) -> Option<(&str, u16)> {
    let domain = event.domain.as_deref()?;
    if event.rcode == Some(Code::NXDOMAIN.number()) {
        return Some((domain.split_once('.').map_or("", |(_, above)| above), 0));
    }
    match event.outcome {
        Outcome::Error => None,
        Outcome::Nodata => Some((domain, 0)),
        _ => Some((domain, event.qtype)),
    }
}

#[cfg(test)]
mod tests;
