//! Which sites the lab's Internet holds: names and what each site has, made from a seed.
//!
//! The world builds zones from it and the traffic makers ask for its names. Names are made up: words under
//! `example` and `test` (RFC 2606), syllables that mean nothing elsewhere. They are only strings on loopback.

use std::collections::HashSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Sites that can be asked for: a bound on memory, far above what a demo needs.
pub const SITES_MAX: usize = 20_000;

/// What a site is, and so how often and by whom it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteKind {
    /// Everyone's daily sites, with plain names.
    Familiar,
    /// The long tail.
    Company,
    /// Advertising and tracking; on the demo's block lists.
    Advert,
    /// Malware and phishing; on the demo's block lists.
    Malware,
    /// Delivers other sites' pictures and scripts: targets of CNAMEs.
    Cdn,
}

/// One site: a zone and what is in it.
#[derive(Clone, Debug)]
pub struct Site {
    /// The zone's name, without a final dot.
    pub apex: String,
    /// What it is.
    pub kind: SiteKind,
    /// Labels of hosts below the apex; the first is `www`.
    pub hosts: Vec<&'static str>,
    /// Whose CNAMEs its `static`, `img`, `assets` and `video` hosts are.
    pub cdn: Option<&'static str>,
    /// Has MX, SPF and mail services.
    pub mail: bool,
    /// Has AAAA records.
    pub ipv6: bool,
    /// Has HTTPS records.
    pub https: bool,
    /// Answers for any name below `pages`.
    pub wildcard: bool,
}

impl Site {
    /// The full name of one of its hosts.
    #[must_use]
    pub fn host(&self, label: &str) -> String {
        format!("{label}.{}", self.apex)
    }

    /// Whether this host is served by the site's CDN.
    #[must_use]
    pub fn is_delivered(&self, label: &str) -> bool {
        self.cdn.is_some() && matches!(label, "static" | "img" | "assets" | "video")
    }
}

/// All sites, most asked for first within their kind.
#[derive(Clone, Debug)]
pub struct Catalogue {
    seed: u64,
    sites: Vec<Site>,
}

impl Catalogue {
    /// Makes `site_count` ordinary sites (at most [`SITES_MAX`]) beside the fixed ones. Same seed, same sites.
    #[must_use]
    pub fn generate(seed: u64, site_count: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut taken = HashSet::new();
        let fixed = [
            (FAMILIAR, SiteKind::Familiar),
            (ADVERTS, SiteKind::Advert),
            (MALWARE, SiteKind::Malware),
            (CDNS, SiteKind::Cdn),
        ];
        let mut sites = Vec::new();
        for (names, kind) in fixed {
            for name in names {
                taken.insert((*name).to_owned());
                sites.push(furnish(&mut rng, (*name).to_owned(), kind));
            }
        }
        taken.extend(RESERVED.iter().map(|name| (*name).to_owned()));
        for _ in 0..site_count.min(SITES_MAX) {
            let apex = invent(&mut rng, &taken);
            taken.insert(apex.clone());
            sites.push(furnish(&mut rng, apex, SiteKind::Company));
        }
        Self { seed, sites }
    }

    /// The seed it was made from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// All sites.
    #[must_use]
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// Sites of one kind, most asked for first.
    pub fn of_kind(&self, kind: SiteKind) -> impl Iterator<Item = &Site> {
        self.sites.iter().filter(move |site| site.kind == kind)
    }
}

/// A name nobody took yet. Collisions get a number, so the loop ends.
fn invent(rng: &mut StdRng, taken: &HashSet<String>) -> String {
    let (tld, _) = pick_weighted(rng, TLDS);
    let label = if matches!(tld, "example" | "test") {
        format!("{}-{}", pick(rng, ADJECTIVES), pick(rng, TRADES))
    } else {
        let syllables = rng.random_range(3..=4);
        (0..syllables).map(|_| pick(rng, SYLLABLES)).collect()
    };
    let plain = format!("{label}.{tld}");
    if !taken.contains(&plain) {
        return plain;
    }
    (2..=SITES_MAX + 2).map(|n| format!("{label}{n}.{tld}")).find(|name| !taken.contains(name)).unwrap_or(plain)
}

fn furnish(rng: &mut StdRng, apex: String, kind: SiteKind) -> Site {
    let ordinary = matches!(kind, SiteKind::Familiar | SiteKind::Company);
    let mut hosts = vec!["www"];
    let extra_share = match kind {
        SiteKind::Familiar => 0.7,
        SiteKind::Company => 0.3,
        SiteKind::Advert | SiteKind::Malware | SiteKind::Cdn => 0.15,
    };
    hosts.extend(HOSTS.iter().filter(|_| rng.random_bool(extra_share)));
    Site {
        apex,
        kind,
        hosts,
        cdn: (ordinary && rng.random_bool(0.45)).then(|| pick(rng, CDNS)),
        mail: ordinary && rng.random_bool(0.75),
        ipv6: rng.random_bool(0.6),
        https: ordinary && rng.random_bool(0.4),
        wildcard: kind == SiteKind::Cdn || rng.random_bool(0.08),
    }
}

pub(crate) fn pick(rng: &mut StdRng, words: &[&'static str]) -> &'static str {
    words.get(rng.random_range(0..words.len().max(1))).copied().unwrap_or("x")
}

fn pick_weighted(rng: &mut StdRng, choices: &[(&'static str, u32)]) -> (&'static str, u32) {
    let total: u32 = choices.iter().map(|(_, weight)| weight).sum();
    let mut left = rng.random_range(0..total.max(1));
    for &(word, weight) in choices {
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => return (word, weight),
        }
    }
    ("test", 0)
}

/// Top-level domains of ordinary sites and how many of a hundred they get.
const TLDS: &[(&str, u32)] = &[
    ("com", 30),
    ("net", 12),
    ("org", 10),
    ("example", 14),
    ("test", 10),
    ("de", 8),
    ("io", 6),
    ("dev", 5),
    ("app", 3),
    ("info", 2),
];

const HOSTS: &[&str] = &[
    "api", "static", "img", "login", "app", "m", "blog", "shop", "assets", "video", "auth", "status", "docs", "cloud",
    "push", "sync",
];

const FAMILIAR: &[&str] = &[
    "search.example",
    "video.example",
    "social.example",
    "updates.example",
    "chat.example",
    "cloud.example",
    "weather.example",
    "news.example",
    "music.example",
    "maps.example",
    "shop.example",
    "photos.example",
    "games.example",
    "bank.example",
    "telephony.example",
    "calendar.example",
    "encyclopedia.example",
    "sport.example",
    "travel.example",
    "recipes.example",
    "time.test",
    "wiki.test",
    "forum.test",
    "radio.test",
];

/// Advertising and tracking sites, in the order the traffic asks for them.
pub(crate) const ADVERTS: &[&str] = &[
    "tracker.example",
    "ads.example",
    "metrics.example",
    "pixel.test",
    "telemetry.test",
    "banners.example",
    "clickcount.test",
    "retarget.example",
    "adserve.test",
    "beacon.example",
    "popups.test",
    "sponsored.example",
    "audience.test",
    "fingerprint.example",
    "admixvelo.com",
    "trakumorsi.net",
    "bidduquelm.com",
    "statovexal.io",
    "adzorpinta.net",
    "countafexi.com",
];

/// Malware, phishing and control sites.
pub(crate) const MALWARE: &[&str] = &[
    "malware.test",
    "phish-login.test",
    "control.botnet.test",
    "free-prizes.example",
    "invoice-update.example",
    "bank-verify.test",
    "cryptominer.example",
    "dropper.test",
    "ransom-note.test",
    "qexalumdro.com",
    "vixtorpalu.net",
    "zumbraxeli.info",
];

/// Delivery networks; each answers for any name below it.
pub(crate) const CDNS: &[&str] = &["cdn-north.example", "cdn-south.test", "tavelowedge.net", "quorrelcast.com"];

/// Names the world uses for itself.
const RESERVED: &[&str] = &["office.example"];

const ADJECTIVES: &[&str] = &[
    "amber", "north", "quiet", "green", "little", "bright", "river", "harbour", "stone", "meadow", "silver", "copper",
    "early", "open", "golden", "lower", "upper", "round", "rapid", "gentle", "winter", "summer", "hill", "coast",
];

const TRADES: &[&str] = &[
    "bakery",
    "clinic",
    "garage",
    "school",
    "library",
    "press",
    "studio",
    "garden",
    "hotel",
    "museum",
    "market",
    "lawyers",
    "dental",
    "bikes",
    "books",
    "coffee",
    "theatre",
    "energy",
    "transport",
    "pharmacy",
    "tools",
    "optics",
];

const SYLLABLES: &[&str] = &[
    "vel", "mor", "tan", "qui", "zer", "lum", "bra", "fex", "dol", "nim", "kor", "ash", "wix", "ule", "pra", "ost",
    "yel", "gan", "tur", "sif", "ond", "rek", "plo", "vax", "jin", "hob", "cru", "eld",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_sites_and_another_seed_others() {
        let apexes = |seed| Catalogue::generate(seed, 200).sites().iter().map(|s| s.apex.clone()).collect::<Vec<_>>();
        assert_eq!(apexes(7), apexes(7));
        assert_ne!(apexes(7), apexes(8));
    }

    #[test]
    fn no_site_is_made_twice() {
        let catalogue = Catalogue::generate(1, 3000);
        let distinct: HashSet<_> = catalogue.sites().iter().map(|site| &site.apex).collect();
        assert_eq!(distinct.len(), catalogue.sites().len());
        assert!(catalogue.sites().len() > 3000);
    }
}
