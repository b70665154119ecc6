//! Upstreams: who they are, how quick and how healthy each one is, and which to ask first.
//!
//! `Health` is plain state; time is an argument. Knows no sockets but keeps the idle TCP connections of its upstream.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use wire::name::Folded;

use crate::tcp::IdlePool;

/// Shortest wait before another upstream is asked too. Forwarders behind slow lines answer within this.
const PATIENCE_MICROS_MIN: u64 = 300_000;
/// Longest wait before another upstream is asked too.
const PATIENCE_MICROS_MAX: u64 = 2_000_000;
/// Wait for an upstream of which nothing is known yet.
const PATIENCE_MICROS_FIRST: u64 = 800_000;
/// Failures in a row after which an upstream counts as unhealthy and is asked last.
const FAILURES_IN_ROW_MAX: u32 = 4;
/// One lookup in this many asks another healthy upstream first, so that a once slow one is noticed when it gets quick.
const EXPLORE_ONE_IN: u32 = 32;

/// How an upstream is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Over UDP; over TCP when an answer does not fit.
    Udp,
    /// Over TCP only.
    Tcp,
}

/// One upstream as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is asked.
    pub transport: Transport,
}

/// Upstreams for one part of the name space.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    /// Names at or below this one go to this group; the longest suffix wins; the root takes all others.
    pub suffix: Folded,
    /// Whom to ask.
    pub upstreams: Vec<UpstreamSettings>,
}

/// An upstream as the operator sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamStatus {
    /// Such as `udp://192.0.2.53:53`.
    pub name: Arc<str>,
    /// The suffix it serves, `.` for all names.
    pub suffix: String,
    /// Whether it is asked in its turn; an unhealthy one is probed and asked last.
    pub healthy: bool,
    /// Smoothed time to answer, microseconds; `None` before the first answer.
    pub latency_micros: Option<u32>,
    /// Queries sent.
    pub sent: u64,
    /// Queries that came to nothing: silence, refusal, network errors, unreadable replies.
    pub failed: u64,
}

/// An upstream at work.
pub(crate) struct Upstream {
    pub(crate) settings: UpstreamSettings,
    pub(crate) name: Arc<str>,
    pub(crate) suffix: String,
    pub(crate) idle: IdlePool,
    health: Mutex<Health>,
    sent: AtomicU64,
    failed: AtomicU64,
}

impl Upstream {
    pub(crate) fn new(settings: UpstreamSettings, suffix: &Folded) -> Upstream {
        let scheme = match settings.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        Upstream {
            settings,
            name: format!("{scheme}://{}", settings.address).into(),
            suffix: suffix.text(),
            idle: IdlePool::default(),
            health: Mutex::default(),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    pub(crate) fn sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    pub(crate) fn answered(&self, took_micros: u64) {
        let recovered = self.with_health(|health| {
            let was_ill = !health.healthy();
            health.answered(took_micros);
            was_ill
        });
        if recovered {
            tracing::info!(upstream = %self.name, "upstream is healthy again");
        }
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
        let fell_ill = self.with_health(|health| {
            let was_healthy = health.healthy();
            health.failed();
            was_healthy && !health.healthy()
        });
        if fell_ill {
            tracing::warn!(upstream = %self.name, "upstream is unhealthy: it is asked last and probed until it answers");
        }
    }

    pub(crate) fn healthy(&self) -> bool {
        self.with_health(|health| health.healthy())
    }

    pub(crate) fn patience_micros(&self) -> u64 {
        self.with_health(|health| health.patience_micros())
    }

    pub(crate) fn status(&self) -> UpstreamStatus {
        let (healthy, latency) = self.with_health(|health| (health.healthy(), health.smoothed_micros));
        UpstreamStatus {
            name: Arc::clone(&self.name),
            suffix: self.suffix.clone(),
            healthy,
            latency_micros: latency.map(|micros| u32::try_from(micros).unwrap_or(u32::MAX)),
            sent: self.sent.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }

    /// What the order of asking goes by: unhealthy last, then the quickest; unknown ones count as quick, to be tried.
    fn rank(&self) -> (bool, u64) {
        self.with_health(|health| (!health.healthy(), health.smoothed_micros.unwrap_or(0)))
    }

    fn with_health<T>(&self, work: impl FnOnce(&mut Health) -> T) -> T {
        work(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How quick and how reliable an upstream has been (RFC 6298's smoothing).
#[derive(Clone, Debug, Default)]
struct Health {
    smoothed_micros: Option<u64>,
    deviation_micros: u64,
    failures_in_row: u32,
}

impl Health {
    fn answered(&mut self, took_micros: u64) {
        self.failures_in_row = 0;
        match &mut self.smoothed_micros {
            None => {
                self.smoothed_micros = Some(took_micros);
                self.deviation_micros = took_micros / 2;
            }
            Some(smoothed) => {
                let away = smoothed.abs_diff(took_micros);
                self.deviation_micros = (3 * self.deviation_micros + away) / 4;
                *smoothed = (7 * *smoothed + took_micros) / 8;
            }
        }
    }

    fn failed(&mut self) {
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        // Silence must cost rank, or a dead upstream that was once the quickest would be asked first for ever.
        let smoothed = self.smoothed_micros.unwrap_or(PATIENCE_MICROS_MIN / 2);
        self.smoothed_micros = Some((smoothed.max(1_000) * 2).min(PATIENCE_MICROS_MAX));
    }

    fn healthy(&self) -> bool {
        self.failures_in_row < FAILURES_IN_ROW_MAX
    }

    fn patience_micros(&self) -> u64 {
        self.smoothed_micros.map_or(PATIENCE_MICROS_FIRST, |smoothed| {
            (smoothed + 4 * self.deviation_micros).clamp(PATIENCE_MICROS_MIN, PATIENCE_MICROS_MAX)
        })
    }
}

/// All groups: an immutable table swapped at reload. An upstream kept across a reload keeps what is known of it.
pub(crate) struct Groups {
    groups: Vec<Group>,
}

struct Group {
    suffix: Folded,
    upstreams: Vec<Arc<Upstream>>,
}

impl Groups {
    /// Builds the table; upstreams that `before` has under the same suffix are taken over.
    pub(crate) fn new(settings: &[GroupSettings], before: Option<&Groups>) -> Groups {
        let kept = |suffix: &Folded, upstream: &UpstreamSettings| {
            let group = before?.groups.iter().find(|group| group.suffix.wire() == suffix.wire())?;
            group.upstreams.iter().find(|known| known.settings == *upstream).cloned()
        };
        let mut groups: Vec<Group> = settings
            .iter()
            .map(|group| Group {
                suffix: group.suffix.clone(),
                upstreams: group
                    .upstreams
                    .iter()
                    .map(|upstream| {
                        kept(&group.suffix, upstream)
                            .unwrap_or_else(|| Arc::new(Upstream::new(*upstream, &group.suffix)))
                    })
                    .collect(),
            })
            .collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.suffix.wire().len()));
        Groups { groups }
    }

    /// Whom to ask about a name, in order; empty when no group takes it.
    pub(crate) fn candidates(&self, qname: &Folded, dice: u32) -> Vec<Arc<Upstream>> {
        // Longest suffix first, so the first that fits wins. Groups are few: an operator writes them by hand.
        match self.groups.iter().find(|group| qname.is_at_or_below(&group.suffix)) {
            Some(group) => order(&group.upstreams, dice),
            None => Vec::new(),
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.groups.iter().flat_map(|group| &group.upstreams)
    }
}

fn order(upstreams: &[Arc<Upstream>], dice: u32) -> Vec<Arc<Upstream>> {
    let mut ranked: Vec<_> = upstreams.iter().map(|upstream| (upstream.rank(), Arc::clone(upstream))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let healthy = ranked.iter().take_while(|((ill, _), _)| !ill).count();
    if healthy > 1 && dice.is_multiple_of(EXPLORE_ONE_IN) {
        let other = 1 + (dice / EXPLORE_ONE_IN) as usize % (healthy - 1);
        ranked.swap(0, other);
    }
    ranked.into_iter().map(|(_, upstream)| upstream).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a multiple of `EXPLORE_ONE_IN`: no exploring.
    const STEADY: u32 = 1;

    fn upstream(port: u16) -> UpstreamSettings {
        UpstreamSettings { address: SocketAddr::from(([192, 0, 2, 1], port)), transport: Transport::Udp }
    }

    fn group(suffix: &str, ports: &[u16]) -> GroupSettings {
        GroupSettings {
            suffix: Folded::from_text(suffix).unwrap(),
            upstreams: ports.iter().map(|&port| upstream(port)).collect(),
        }
    }

    fn ports(groups: &Groups, name: &str, dice: u32) -> Vec<u16> {
        let name = Folded::from_text(name).unwrap();
        groups.candidates(&name, dice).iter().map(|upstream| upstream.settings.address.port()).collect()
    }

    #[test]
    fn the_longest_suffix_wins() {
        let groups =
            Groups::new(&[group(".", &[1]), group("corp.example", &[2]), group("lab.corp.example", &[3])], None);
        for (name, port) in [
            ("example", 1),
            ("corp.example", 2),
            ("www.corp.example", 2),
            ("xcorp.example", 1),
            ("lab.corp.example", 3),
            ("a.b.lab.corp.example", 3),
            (".", 1),
        ] {
            assert_eq!(ports(&groups, name, STEADY), [port], "{name}");
        }
        assert_eq!(ports(&Groups::new(&[group("corp.example", &[2])], None), "example", STEADY), []);
    }

    #[test]
    fn the_quickest_is_asked_first_and_the_ill_last() {
        let groups = Groups::new(&[group(".", &[1, 2, 3])], None);
        let all: Vec<_> = groups.all().cloned().collect();
        all[0].answered(50_000);
        all[1].answered(10_000);
        all[2].answered(20_000);
        assert_eq!(ports(&groups, "a.example", STEADY), [2, 3, 1]);

        for _ in 0..FAILURES_IN_ROW_MAX {
            all[1].failed();
        }
        assert_eq!(ports(&groups, "a.example", STEADY), [3, 1, 2]);
        assert!(!all[1].status().healthy);

        all[1].answered(1_000);
        assert!(all[1].status().healthy);
    }

    #[test]
    fn one_lookup_in_many_tries_another_healthy_upstream() {
        let groups = Groups::new(&[group(".", &[1, 2, 3])], None);
        let all: Vec<_> = groups.all().cloned().collect();
        for (upstream, took) in all.iter().zip([10_000, 20_000, 30_000]) {
            upstream.answered(took);
        }
        assert_eq!(ports(&groups, "a.example", 0)[0], 2);
        assert_eq!(ports(&groups, "a.example", EXPLORE_ONE_IN)[0], 3);
        assert_eq!(ports(&groups, "a.example", EXPLORE_ONE_IN + 1)[0], 1);
    }

    #[test]
    fn patience_follows_the_upstream_within_bounds() {
        let mut health = Health::default();
        assert_eq!(health.patience_micros(), PATIENCE_MICROS_FIRST);
        (0..20).for_each(|_| health.answered(1_000));
        assert_eq!(health.patience_micros(), PATIENCE_MICROS_MIN);
        (0..40).for_each(|_| health.answered(900_000));
        assert!((880_000..1_200_000).contains(&health.patience_micros()), "{}", health.patience_micros());
        (0..10).for_each(|_| health.failed());
        assert_eq!(health.patience_micros(), PATIENCE_MICROS_MAX);
    }

    #[test]
    fn a_reload_keeps_what_is_known_of_an_upstream() {
        let before = Groups::new(&[group(".", &[1, 2])], None);
        before.all().for_each(|upstream| upstream.answered(5_000));
        let after = Groups::new(&[group(".", &[2, 3])], Some(&before));
        let known: Vec<_> = after.all().map(|upstream| upstream.status().latency_micros).collect();
        assert_eq!(known, [Some(5_000), None]);
    }
}
