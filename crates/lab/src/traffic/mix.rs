//! Who asks what: an endless mix of questions from a seed. Opens no socket and reads no clock.
//!
//! Most of it is people: a visit to a site asks for the page, its pictures, and the trackers on it. Around that run the
//! machines of a network (mail, reverse lookups), one infected client, mistyped names, troubled zones, and the odd and
//! hostile messages every open port meets.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::encode::{CH, DO, Draft, IN, QR, RD};
use crate::catalogue::{Catalogue, Site, SiteKind, pick};
use crate::world::{GONE, OFFICE_HOSTS, OFFICE_NETS, TROUBLED};

/// Questions one client has in mind; a visit that does not fit is cut short.
const INTENTIONS_MAX: usize = 32;
/// Names in one burst of the infected client.
const BURST_NAMES: usize = 40;
/// While a burst lasts, the share of all messages that comes from it.
const BURST_SHARE: f64 = 0.3;

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const PTR: u16 = 12;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const HTTPS: u16 = 65;
const ANY: u16 = 255;
/// Between the assigned types and private use (RFC 6895 §3.1).
const UNASSIGNED_TYPE: u16 = 999;

/// Why a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A visit to a site.
    Browse,
    /// MX, TXT and SRV of a site.
    Mail,
    /// PTR of an office machine.
    Reverse,
    /// A name the operator blocks.
    Blocked,
    /// A name nobody has.
    Typo,
    /// Generated names of the infected client.
    Generated,
    /// A zone whose servers are in trouble.
    Troubled,
    /// QTYPE ANY.
    Any,
    /// `version.bind` in class CH.
    Version,
    /// A type nobody has assigned.
    UnknownType,
    /// Two questions in one query.
    TwoQuestions,
    /// Octets behind the message.
    Trailing,
    /// An OPT record that breaks its rules.
    BadOpt,
    /// An opcode other than QUERY and UPDATE.
    Opcode,
    /// A dynamic update nobody authorised.
    Update,
    /// EDNS version 1.
    Edns1,
    /// A reply sent as if it were a query; to be met with silence.
    Reply,
    /// Less than a header; to be met with silence.
    Scrap,
}

/// Shares of what a client decides to do next. A visit makes about seven messages and a burst [`BURST_NAMES`], so by
/// messages two thirds are visits, one in eight is for a blocked name, one in thirteen for a name that does not exist,
/// and at the demo's rate a burst comes about every ten seconds.
const ORDINARY: &[(Kind, u32)] = &[
    (Kind::Browse, 335),
    (Kind::Mail, 150),
    (Kind::Reverse, 130),
    (Kind::Blocked, 180),
    (Kind::Typo, 203),
    (Kind::Generated, 2),
];

/// The shares of odd messages among themselves.
const ODD: &[(Kind, u32)] = &[
    (Kind::Troubled, 46),
    (Kind::Any, 6),
    (Kind::Version, 4),
    (Kind::UnknownType, 5),
    (Kind::TwoQuestions, 6),
    (Kind::Trailing, 5),
    (Kind::BadOpt, 5),
    (Kind::Opcode, 6),
    (Kind::Update, 5),
    (Kind::Edns1, 5),
    (Kind::Reply, 4),
    (Kind::Scrap, 3),
];

impl Kind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Kind> {
        ORDINARY.iter().chain(ODD).map(|(kind, _)| *kind)
    }

    /// Whether a good server answers it.
    #[must_use]
    pub fn is_answered(self) -> bool {
        !matches!(self, Self::Reply | Self::Scrap)
    }
}

/// One message to send.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    /// Index of the client that sends it.
    pub(super) client: usize,
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    pub(super) over_tcp: bool,
}

/// What the mix is made of.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) seed: u64,
    pub(super) clients: usize,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) blocked: Vec<String>,
    pub(super) odd_permille: u32,
    pub(super) tcp_permille: u32,
}

/// An endless stream of messages.
#[derive(Debug)]
pub(super) struct Mix {
    rng: StdRng,
    settings: Settings,
    /// Ranks of the sites people visit.
    sites: Zipf,
    /// Their places in the catalogue, most visited first.
    visited: Vec<usize>,
    clients: Zipf,
    /// What each client is about to ask.
    intentions: Vec<VecDeque<Intention>>,
}

#[derive(Clone, Debug)]
struct Intention {
    kind: Kind,
    name: String,
    qtype: u16,
}

impl Mix {
    pub(super) fn new(settings: Settings) -> Self {
        let visited: Vec<usize> = (0..settings.catalogue.sites().len())
            .filter(|&n| matches!(settings.catalogue.sites()[n].kind, SiteKind::Familiar | SiteKind::Company))
            .collect();
        Self {
            rng: StdRng::seed_from_u64(settings.seed),
            sites: Zipf::new(visited.len(), 1.0),
            visited,
            clients: Zipf::new(settings.clients, 0.7),
            intentions: vec![VecDeque::new(); settings.clients],
            settings,
        }
    }

    /// The next message.
    pub(super) fn next(&mut self) -> Shot {
        let infected = self.infected();
        let bursting = self
            .intentions
            .get(infected)
            .is_some_and(|queue| queue.front().is_some_and(|intention| intention.kind == Kind::Generated));
        let drawn = self.clients.draw(&mut self.rng);
        let client = if bursting && self.rng.random_bool(BURST_SHARE) { infected } else { drawn };
        if let Some(intention) = self.intentions.get_mut(client).and_then(VecDeque::pop_front) {
            return self.shoot(client, intention.kind, |mix| mix.plain(&intention.name, intention.qtype));
        }
        let odd = self.rng.random_ratio(self.settings.odd_permille.min(1000), 1000);
        let kind = draw_kind(&mut self.rng, if odd { ODD } else { ORDINARY });
        match kind {
            Kind::Browse => self.visit(client),
            Kind::Generated => self.burst(),
            _ => self.shoot(client, kind, |mix| mix.message(kind)),
        }
    }

    /// The infected client: an ordinary one, neither the busiest nor the quietest.
    fn infected(&self) -> usize {
        self.settings.clients / 3
    }

    fn shoot(&mut self, client: usize, kind: Kind, write: impl FnOnce(&mut Self) -> Vec<u8>) -> Shot {
        let bytes = write(self);
        // Odd messages go by datagram: over TCP many would end a connection that others share.
        let may_tcp = matches!(kind, Kind::Browse | Kind::Mail | Kind::Troubled | Kind::Any);
        let over_tcp = may_tcp && self.rng.random_ratio(self.settings.tcp_permille.min(1000), 1000);
        Shot { client, kind, bytes, over_tcp }
    }

    /// A page: its name in every type a browser asks for, then what is on the page.
    fn visit(&mut self, client: usize) -> Shot {
        let catalogue = Arc::clone(&self.settings.catalogue);
        let rank = self.sites.draw(&mut self.rng);
        let site = self.visited.get(rank).and_then(|&n| catalogue.sites().get(n));
        let Some(site) = site else {
            return self.shoot(client, Kind::Typo, |mix| mix.message(Kind::Typo));
        };
        let page = if self.rng.random_bool(0.6) { site.host("www") } else { site.apex.clone() };
        let mut wanted = VecDeque::new();
        let mut want = |kind, name: &str, qtype| wanted.push_back(Intention { kind, name: name.to_owned(), qtype });
        want(Kind::Browse, &page, AAAA);
        if self.rng.random_bool(0.7) {
            want(Kind::Browse, &page, HTTPS);
        }
        for label in site.hosts.iter().skip(1) {
            if self.rng.random_bool(0.35) {
                want(Kind::Browse, &site.host(label), A);
                want(Kind::Browse, &site.host(label), AAAA);
            }
        }
        for _ in 0..self.rng.random_range(0..=2) {
            if let Some(name) = self.blocked_name() {
                want(Kind::Blocked, &name, A);
            }
        }
        if let Some(queue) = self.intentions.get_mut(client) {
            queue.extend(wanted);
            queue.truncate(INTENTIONS_MAX);
        }
        self.shoot(client, Kind::Browse, |mix| mix.plain(&page, A))
    }

    /// The infected client looks for its master under names made from the day's date.
    fn burst(&mut self) -> Shot {
        let names: Vec<_> = (0..BURST_NAMES).map(|_| self.generated_name()).collect();
        let first = self.generated_name();
        let infected = self.infected();
        if let Some(queue) = self.intentions.get_mut(infected) {
            queue.clear();
            queue.extend(names.into_iter().map(|name| Intention { kind: Kind::Generated, name, qtype: A }));
        }
        self.shoot(infected, Kind::Generated, |mix| mix.plain(&first, A))
    }

    fn message(&mut self, kind: Kind) -> Vec<u8> {
        match kind {
            Kind::Mail => self.mail(),
            Kind::Reverse => self.reverse(),
            Kind::Blocked => {
                let name = self.blocked_name().unwrap_or_else(|| "ads.example".to_owned());
                self.plain(&name, A)
            }
            Kind::Typo | Kind::Browse => self.typo(),
            Kind::Generated => {
                let name = self.generated_name();
                self.plain(&name, A)
            }
            Kind::Troubled => self.troubled(),
            Kind::Any => {
                let name = self.site().apex.clone();
                self.plain(&name, ANY)
            }
            _ => self.odd(kind),
        }
    }

    fn mail(&mut self) -> Vec<u8> {
        let apex = self.site().apex.clone();
        let (name, qtype) = match self.rng.random_range(0..6) {
            0 | 1 => (apex, MX),
            2 => (apex, TXT),
            3 => (format!("_dmarc.{apex}"), TXT),
            4 => (format!("_imaps._tcp.{apex}"), SRV),
            _ => (apex, if self.rng.random_bool(0.5) { NS } else { SOA }),
        };
        self.plain(&name, qtype)
    }

    /// Mostly machines that exist; some addresses nobody has.
    fn reverse(&mut self) -> Vec<u8> {
        let net = self.rng.random_range(0..OFFICE_NETS);
        let host = self.rng.random_range(1..OFFICE_HOSTS + 15);
        self.plain(&format!("{host}.{net}.20.10.in-addr.arpa"), PTR)
    }

    fn typo(&mut self) -> Vec<u8> {
        let mut name = self.site().apex.clone();
        let letter = char::from(self.rng.random_range(b'a'..=b'z'));
        let at = self.rng.random_range(0..name.find('.').unwrap_or(1).max(1));
        name.insert(at, letter);
        if self.rng.random_bool(0.15) {
            // A machine's own name with a search suffix that leads nowhere.
            name = format!("wpad.{}.lan", pick(&mut self.rng, &["home", "office", "branch"]));
        }
        self.plain(&name, A)
    }

    fn troubled(&mut self) -> Vec<u8> {
        const LABELS: &[&str] = &["www", "api", "honest", "stale", "filtered", "long", "mail"];
        let (apex, _) =
            TROUBLED.get(self.rng.random_range(0..=TROUBLED.len())).copied().unwrap_or((GONE, TROUBLED[0].1));
        let name = match pick(&mut self.rng, LABELS) {
            "mail" => apex.to_owned(),
            label => format!("{label}.{apex}"),
        };
        let qtype = if apex == "huge.example" { TXT } else { A };
        self.plain(&name, qtype)
    }

    /// Messages that break a rule or ask for something out of the way.
    fn odd(&mut self, kind: Kind) -> Vec<u8> {
        let name = self.site().host("www");
        let id = self.rng.random();
        let query = Draft::new(id, RD);
        match kind {
            Kind::Version => query.question("version.bind", TXT, CH).finish(),
            Kind::UnknownType => query.question(&name, UNASSIGNED_TYPE, IN).finish(),
            Kind::TwoQuestions => query.question(&name, A, IN).question(&name, AAAA, IN).finish(),
            Kind::Trailing => query.question(&name, A, IN).raw(b"left over").finish(),
            Kind::BadOpt => self.bad_opt(query.question(&name, A, IN)),
            Kind::Opcode => {
                const OPCODES: &[u8] = &[1, 2, 7, 8, 9, 10, 11, 12, 13, 14, 15];
                let opcode = OPCODES[self.rng.random_range(0..OPCODES.len())];
                Draft::new(id, Draft::opcode_flags(opcode)).question(&name, A, IN).finish()
            }
            Kind::Update => {
                let zone = self.site().apex.clone();
                Draft::new(id, Draft::opcode_flags(5)).question(&zone, SOA, IN).finish()
            }
            Kind::Edns1 => query.question(&name, A, IN).opt("", 1232, 1, 0, &[]).finish(),
            Kind::Reply => Draft::new(id, RD | QR).question(&name, A, IN).finish(),
            _ => {
                let mut scrap = query.finish();
                scrap.truncate(self.rng.random_range(1..12));
                scrap
            }
        }
    }

    /// Two OPT records, an owner that is not the root, or an option longer than its record.
    fn bad_opt(&mut self, query: Draft) -> Vec<u8> {
        match self.rng.random_range(0..3) {
            0 => query.opt("", 1232, 0, 0, &[]).opt("", 1232, 0, 0, &[]).finish(),
            1 => query.opt("owner", 1232, 0, 0, &[]).finish(),
            _ => query.opt("", 1232, 0, 0, &[0, 10, 0, 200, 1]).finish(),
        }
    }

    /// A proper query as common clients send it: four in five with EDNS, one in five of those with DO.
    fn plain(&mut self, name: &str, qtype: u16) -> Vec<u8> {
        let query = Draft::new(self.rng.random(), RD).question(name, qtype, IN);
        if self.rng.random_bool(0.2) {
            return query.finish();
        }
        let udp_bytes = [1232, 1232, 1232, 4096, 512][self.rng.random_range(0..5)];
        let flags = if self.rng.random_bool(0.2) { DO } else { 0 };
        query.opt("", udp_bytes, 0, flags, &[]).finish()
    }

    fn site(&mut self) -> &Site {
        let rank = self.sites.draw(&mut self.rng);
        let index = self.visited.get(rank).copied().unwrap_or(0);
        &self.settings.catalogue.sites()[index]
    }

    fn blocked_name(&mut self) -> Option<String> {
        let count = self.settings.blocked.len();
        let name = self.settings.blocked.get(self.rng.random_range(0..count.max(1)))?;
        Some(if self.rng.random_bool(0.4) { format!("www.{name}") } else { name.clone() })
    }

    fn generated_name(&mut self) -> String {
        let len = self.rng.random_range(12..=18);
        let label: String = (0..len).map(|_| char::from(self.rng.random_range(b'a'..=b'z'))).collect();
        format!("{label}.{}", pick(&mut self.rng, &["com", "net", "org", "info"]))
    }
}

fn draw_kind(rng: &mut StdRng, choices: &[(Kind, u32)]) -> Kind {
    let total: u32 = choices.iter().map(|(_, weight)| weight).sum();
    let mut left = rng.random_range(0..total.max(1));
    for &(kind, weight) in choices {
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => return kind,
        }
    }
    Kind::Browse
}

/// Ranks drawn by Zipf's law: rank `n` weighs `1 / n^exponent`.
#[derive(Debug)]
struct Zipf {
    /// Sum of the weights up to and with each rank.
    sums: Vec<f64>,
}

impl Zipf {
    fn new(count: usize, exponent: f64) -> Self {
        let mut total = 0.0;
        let weigh = |n: usize| {
            total += (n as f64).powf(-exponent);
            total
        };
        Self { sums: (1..=count).map(weigh).collect() }
    }

    fn draw(&self, rng: &mut StdRng) -> usize {
        let total = self.sums.last().copied().unwrap_or(0.0);
        let at = rng.random::<f64>() * total;
        self.sums.partition_point(|sum| *sum <= at).min(self.sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};
    use std::net::Ipv4Addr;

    use super::*;
    use crate::message::{Received, receive};

    fn mix(seed: u64) -> Mix {
        Mix::new(Settings {
            seed,
            clients: 10,
            catalogue: Arc::new(Catalogue::generate(1, 100)),
            blocked: crate::lists::blocked_names(),
            odd_permille: 200,
            tcp_permille: 100,
        })
    }

    #[test]
    fn every_kind_comes_up_and_is_what_it_says() {
        let mut mix = mix(3);
        let mut seen = HashSet::new();
        for _ in 0..20_000 {
            let shot = mix.next();
            seen.insert(shot.kind);
            match (shot.kind, receive(&shot.bytes)) {
                (Kind::Reply | Kind::Scrap, Received::Silence) => {}
                (
                    Kind::TwoQuestions | Kind::Trailing | Kind::BadOpt | Kind::Opcode | Kind::Update | Kind::Edns1,
                    Received::Fault(_),
                ) => {}
                (kind, Received::Query(_)) if kind.is_answered() => {}
                (kind, received) => panic!("{kind:?} was received as {received:?}"),
            }
        }
        assert_eq!(seen, Kind::all().collect());
    }

    #[test]
    fn the_same_seed_asks_the_same() {
        let ask = |seed| {
            let mut mix = mix(seed);
            (0..500).map(|_| mix.next().bytes).collect::<Vec<_>>()
        };
        assert_eq!(ask(5), ask(5));
        assert_ne!(ask(5), ask(6));
    }

    #[test]
    fn the_first_rank_of_zipf_leads_by_its_law() {
        let zipf = Zipf::new(100, 1.0);
        let mut rng = StdRng::seed_from_u64(1);
        let mut counts = HashMap::new();
        for _ in 0..50_000 {
            *counts.entry(zipf.draw(&mut rng)).or_insert(0_u32) += 1;
        }
        let ratio = f64::from(counts[&0]) / f64::from(counts[&9]);
        assert!((7.0..13.0).contains(&ratio), "rank 1 to rank 10 is {ratio}, not about 10");
    }

    #[test]
    fn clients_live_on_loopback() {
        for client in [0, 1, super::super::CLIENTS_MAX - 1] {
            let address = super::super::client_address(client);
            assert!(address.is_loopback());
        }
        assert_ne!(super::super::client_address(3), Ipv4Addr::LOCALHOST);
    }
}
