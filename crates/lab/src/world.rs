//! The lab's Internet as data: which zone lives on which address, and what is in it.
//!
//! Built once from a [`Catalogue`]; read by [`crate::authority`]. Opens no socket.

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use domain::base::Ttl;
use domain::base::iana::{Class, Rtype};
use domain::base::rdata::UnknownRecordData;
use domain::rdata::{A, Aaaa, Cname, Mx, Ns, Ptr, Srv, Txt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::Error;
use crate::catalogue::{Catalogue, Site, SiteKind};
use crate::message::{Data, Name, Record};
use crate::zone::{Behaviour, Cut, Zone};

/// Where the root zone lives.
pub(crate) const ROOT: Ipv4Addr = Ipv4Addr::new(127, 53, 0, 1);
/// Servers ordinary zones are spread over; each zone has two.
const ZONE_SERVERS: u8 = 8;
const CDN_SERVERS: u8 = 2;
/// Hosts in each of the office's [`OFFICE_NETS`] reverse nets, 10.20.0.0/24 and up.
pub(crate) const OFFICE_HOSTS: u8 = 60;
/// Reverse nets of the office.
pub(crate) const OFFICE_NETS: u8 = 4;
const NS_TTL_SECONDS: u32 = 86_400;
/// Records behind `huge.example`: together well over every UDP size.
const HUGE_RECORDS: u8 = 40;
/// Links of `long.loop.example`: more than a resolver should follow.
const LONG_CHAIN: u8 = 24;

/// Troubled zones, all below `example`, each on an address of its own; the table is in [`crate::internet`].
pub(crate) const TROUBLED: &[(&str, Behaviour)] = &[
    ("broken.example", Behaviour::Broken),
    ("lame.example", Behaviour::Lame),
    ("silent.example", Behaviour::Silent),
    ("slow.example", Behaviour::Slow),
    ("liar.example", Behaviour::Lying),
    ("truncating.example", Behaviour::Truncating),
    ("formerr.example", Behaviour::Formerr),
    ("notimp.example", Behaviour::Notimp),
    ("explaining.example", Behaviour::Explaining),
    ("loop.example", Behaviour::Honest),
    ("huge.example", Behaviour::Honest),
];
/// Delegated to an address where nobody listens.
pub(crate) const GONE: &str = "gone.example";
const GONE_SERVER: Ipv4Addr = Ipv4Addr::new(127, 53, 8, 250);

/// All zones by the address that serves them.
#[derive(Debug)]
pub(crate) struct World {
    servers: HashMap<Ipv4Addr, HashMap<Name, Arc<Zone>>>,
    slow: RangeInclusive<Duration>,
}

impl World {
    /// Builds every zone of the catalogue, the troubled ones, the reverse nets, and the delegations to them.
    pub(crate) fn build(catalogue: &Catalogue, slow: RangeInclusive<Duration>) -> Result<Self, Error> {
        let mut world = Self { servers: HashMap::new(), slow };
        let mut children = Vec::new();
        for (index, site) in catalogue.sites().iter().enumerate() {
            let servers = homes(site.kind, index);
            let mut rng = StdRng::seed_from_u64(catalogue.seed() ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let zone = site_zone(site, &servers, &mut rng)?;
            children.push(world.settle(zone, &servers)?);
        }
        for (index, (apex, behaviour)) in TROUBLED.iter().enumerate() {
            let server = Ipv4Addr::new(127, 53, 8, index as u8 + 1);
            let zone = troubled_zone(apex, *behaviour, server)?;
            children.push(world.settle(zone, &[server])?);
        }
        children.push((name(GONE)?, cut(&name(GONE)?, &[GONE_SERVER])?));
        for zone in office_zones()? {
            let servers = [Ipv4Addr::new(127, 53, 2, 1), Ipv4Addr::new(127, 53, 2, 2)];
            children.push(world.settle(zone, &servers)?);
        }
        world.delegate(children)?;
        Ok(world)
    }

    /// Puts a zone on its servers and says how a parent delegates to it.
    fn settle(&mut self, zone: Zone, servers: &[Ipv4Addr]) -> Result<(Name, Cut), Error> {
        let zone = Arc::new(zone);
        let apex = zone.apex().clone();
        for server in servers {
            self.servers.entry(*server).or_default().insert(apex.clone(), Arc::clone(&zone));
        }
        let cut = cut(&apex, servers)?;
        Ok((apex, cut))
    }

    /// Builds top-level domains for all children, and the root above them.
    fn delegate(&mut self, children: Vec<(Name, Cut)>) -> Result<(), Error> {
        let mut root = new_zone(".", Behaviour::Honest, &[ROOT])?;
        let tlds: BTreeSet<String> = children.iter().map(|(child, _)| top_label(child)).collect();
        for (index, tld) in tlds.iter().enumerate() {
            let server = Ipv4Addr::new(127, 53, 1, index as u8 + 1);
            let apex = name(tld)?;
            let mut zone = new_zone(tld, Behaviour::Honest, &[server])?;
            for (child, cut) in children.iter().filter(|(child, _)| child.ends_with(&apex)) {
                zone.delegate(child.clone(), cut.clone());
            }
            let (apex, cut) = self.settle(zone, &[server])?;
            root.delegate(apex, cut);
        }
        self.settle(root, &[ROOT])?;
        Ok(())
    }

    /// Every address that serves zones, the root first.
    pub(crate) fn addresses(&self) -> Vec<Ipv4Addr> {
        let mut addresses: Vec<_> = self.servers.keys().copied().collect();
        addresses.sort_unstable();
        addresses
    }

    /// The deepest zone on this server that `name` lies in.
    pub(crate) fn zone(&self, server: Ipv4Addr, name: &Name) -> Option<&Arc<Zone>> {
        let zones = self.servers.get(&server)?;
        name.iter_suffixes().find_map(|suffix| zones.get(suffix.for_slice()))
    }

    /// How late the slow zone answers for this name: fixed by the name, within the settings' range.
    pub(crate) fn delay(&self, name: &Name) -> Duration {
        let span = self.slow.end().saturating_sub(*self.slow.start());
        let mut hash: u32 = 0x811c_9dc5; // FNV-1a: spread is all that is asked of it.
        for byte in name.as_slice() {
            hash = (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193);
        }
        *self.slow.start() + span.mul_f64(f64::from(hash) / f64::from(u32::MAX))
    }
}

/// The last label before the root.
fn top_label(name: &Name) -> String {
    name.iter().rfind(|label| !label.is_root()).map(ToString::to_string).unwrap_or_default()
}

/// Reads a made-up name.
pub(crate) fn name(text: &str) -> Result<Name, Error> {
    Name::vec_from_str(text).map_err(|_| Error::Name { text: text.to_owned() })
}

/// A name one label below another.
fn below(label: &str, parent: &Name) -> Result<Name, Error> {
    // The root prints as a dot already.
    let text = if parent.is_root() { label.to_owned() } else { format!("{label}.{parent}") };
    name(&text)
}

fn homes(kind: SiteKind, index: usize) -> [Ipv4Addr; 2] {
    let (net, count) = if kind == SiteKind::Cdn { (3, CDN_SERVERS) } else { (2, ZONE_SERVERS) };
    let first = (index % usize::from(count)) as u8;
    let second = (first + count / 2) % count;
    [Ipv4Addr::new(127, 53, net, first + 1), Ipv4Addr::new(127, 53, net, second + 1)]
}

fn record(owner: Name, data: impl Into<Data>) -> Record {
    Record::new(owner, Class::IN, Ttl::from_secs(NS_TTL_SECONDS), data.into())
}

fn cut(apex: &Name, servers: &[Ipv4Addr]) -> Result<Cut, Error> {
    let mut cut = Cut::default();
    for (server, address) in server_names(apex, servers)? {
        cut.servers.push(record(apex.clone(), Ns::new(server.clone())));
        cut.glue.push(record(server, A::new(address)));
    }
    Ok(cut)
}

fn server_names(apex: &Name, servers: &[Ipv4Addr]) -> Result<Vec<(Name, Ipv4Addr)>, Error> {
    servers.iter().enumerate().map(|(n, address)| Ok((below(&format!("ns{}", n + 1), apex)?, *address))).collect()
}

/// A zone with its servers.
fn new_zone(apex: &str, behaviour: Behaviour, servers: &[Ipv4Addr]) -> Result<Zone, Error> {
    let apex = name(apex)?;
    let mut zone = Zone::new(apex.clone(), below("ns1", &apex)?, below("hostmaster", &apex)?, behaviour);
    for (server, address) in server_names(&apex, servers)? {
        zone.add(apex.clone(), NS_TTL_SECONDS, Ns::new(server.clone()));
        zone.add(server, NS_TTL_SECONDS, A::new(address));
    }
    Ok(zone)
}

fn site_zone(site: &Site, servers: &[Ipv4Addr], rng: &mut StdRng) -> Result<Zone, Error> {
    let mut zone = new_zone(&site.apex, Behaviour::Honest, servers)?;
    let apex = zone.apex().clone();
    let ttl_seconds = pick_ttl(site.kind, rng);
    let hosts = rng.random_range(1..=2);
    add_addresses(&mut zone, &apex, site, hosts, ttl_seconds, rng);
    if site.https {
        zone.add(apex.clone(), ttl_seconds, https_data(&site.apex)?);
    }
    for label in &site.hosts {
        let host = below(label, &apex)?;
        if let (Some(cdn), true) = (site.cdn, site.is_delivered(label)) {
            let target = name(&format!("{label}-{}.{cdn}", site.apex.replace('.', "-")))?;
            zone.add(host, ttl_seconds, Cname::new(target));
            continue;
        }
        if *label == "m" {
            zone.add(host, ttl_seconds, Cname::new(below("www", &apex)?));
            continue;
        }
        add_addresses(&mut zone, &host, site, 1, ttl_seconds, rng);
        if site.https {
            zone.add(host, ttl_seconds, https_data(&site.apex)?);
        }
    }
    if site.mail {
        add_mail(&mut zone, site, ttl_seconds, rng)?;
    }
    if site.wildcard {
        // A delivery network answers for any name; others only below `pages`.
        let parent = if site.kind == SiteKind::Cdn { apex } else { below("pages", &apex)? };
        add_addresses(&mut zone, &below("*", &parent)?, site, 2, ttl_seconds, rng);
    }
    Ok(zone)
}

fn pick_ttl(kind: SiteKind, rng: &mut StdRng) -> u32 {
    const LONG: [u32; 5] = [60, 300, 600, 1800, 3600];
    match kind {
        SiteKind::Cdn => 20,
        SiteKind::Malware => 30,
        _ => LONG[rng.random_range(0..LONG.len())],
    }
}

/// Addresses nobody uses: 198.18.0.0/15 (RFC 2544) and 2001:db8::/32 (RFC 3849).
fn add_addresses(zone: &mut Zone, owner: &Name, site: &Site, count: usize, ttl_seconds: u32, rng: &mut StdRng) {
    for _ in 0..count {
        let bits: u32 = rng.random();
        zone.add(owner.clone(), ttl_seconds, A::new(Ipv4Addr::from(0xc612_0000 | (bits & 0x0001_ffff))));
        if site.ipv6 {
            let high = (bits >> 16) as u16;
            let address = Ipv6Addr::new(0x2001, 0xdb8, high, 0, 0, 0, 0, bits as u16);
            zone.add(owner.clone(), ttl_seconds, Aaaa::new(address));
        }
    }
}

fn add_mail(zone: &mut Zone, site: &Site, ttl_seconds: u32, rng: &mut StdRng) -> Result<(), Error> {
    let apex = zone.apex().clone();
    let mail = below("mail", &apex)?;
    add_addresses(zone, &mail, site, 1, ttl_seconds, rng);
    zone.add(apex.clone(), ttl_seconds, Mx::new(10, mail.clone()));
    zone.add(apex.clone(), ttl_seconds, text(&site.apex, "v=spf1 mx -all")?);
    zone.add(below("_dmarc", &apex)?, ttl_seconds, text(&site.apex, "v=DMARC1; p=reject")?);
    for (service, port) in [("_imaps._tcp", 993), ("_submission._tcp", 587), ("_sip._udp", 5060)] {
        zone.add(below(service, &apex)?, ttl_seconds, Srv::new(0, 1, port, mail.clone()));
    }
    Ok(())
}

fn text(zone: &str, content: &str) -> Result<Data, Error> {
    let text = Txt::<Vec<u8>>::build_from_slice(content.as_bytes());
    text.map(Data::from).map_err(|_| Error::Record { zone: zone.to_owned() })
}

/// HTTPS in service mode at its own name, offering HTTP/2 and HTTP/3 (RFC 9460 §9).
fn https_data(zone: &str) -> Result<Data, Error> {
    let octets = [&[0, 1, 0, 0, 1, 0, 6, 2][..], b"h2", &[2], b"h3"].concat();
    let data = UnknownRecordData::from_octets(Rtype::HTTPS, octets);
    data.map(Data::from).map_err(|_| Error::Record { zone: zone.to_owned() })
}

fn troubled_zone(apex: &str, behaviour: Behaviour, server: Ipv4Addr) -> Result<Zone, Error> {
    let mut zone = new_zone(apex, behaviour, &[server])?;
    let apex_name = zone.apex().clone();
    let address = A::new(Ipv4Addr::new(192, 0, 2, 1));
    zone.add(apex_name.clone(), 30, address.clone());
    match apex {
        "loop.example" => {
            for (from, to) in [("www", "two"), ("two", "three"), ("three", "www")] {
                zone.add(below(from, &apex_name)?, 30, Cname::new(below(to, &apex_name)?));
            }
            zone.add(below("long", &apex_name)?, 30, Cname::new(below("link1", &apex_name)?));
            for link in 1..LONG_CHAIN {
                let owner = below(&format!("link{link}"), &apex_name)?;
                zone.add(owner, 30, Cname::new(below(&format!("link{}", link + 1), &apex_name)?));
            }
            zone.add(below(&format!("link{LONG_CHAIN}"), &apex_name)?, 30, address);
        }
        "huge.example" => {
            for n in 0..HUGE_RECORDS {
                zone.add(apex_name.clone(), 300, text(apex, &format!("{n}:{}", "x".repeat(180)))?);
                zone.add(below("www", &apex_name)?, 300, A::new(Ipv4Addr::new(198, 19, 1, n)));
                zone.add(below("www", &apex_name)?, 300, A::new(Ipv4Addr::new(198, 19, 2, n)));
            }
        }
        _ => zone.add(below("*", &apex_name)?, 30, address),
    }
    Ok(zone)
}

/// The office: names for the machines of 10.20.0.0/22 and the way back.
fn office_zones() -> Result<[Zone; 2], Error> {
    let servers = [Ipv4Addr::new(127, 53, 2, 1), Ipv4Addr::new(127, 53, 2, 2)];
    let mut forward = new_zone("office.example", Behaviour::Honest, &servers)?;
    let mut reverse = new_zone("10.in-addr.arpa", Behaviour::Honest, &servers)?;
    for net in 0..OFFICE_NETS {
        for host in 1..=OFFICE_HOSTS {
            let machine = name(&format!("desk-{net}-{host}.office.example"))?;
            forward.add(machine.clone(), 3600, A::new(Ipv4Addr::new(10, 20, net, host)));
            reverse.add(name(&format!("{host}.{net}.20.10.in-addr.arpa"))?, 3600, Ptr::new(machine));
        }
    }
    Ok([forward, reverse])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_makes_a_world() {
        for seed in [0, 1, 7, 1 << 40, u64::MAX] {
            let catalogue = Catalogue::generate(seed, 300);
            let world = World::build(&catalogue, Duration::ZERO..=Duration::ZERO).unwrap();
            for site in catalogue.sites() {
                let apex = name(&site.apex).unwrap();
                let servers = world
                    .addresses()
                    .into_iter()
                    .filter(|server| world.zone(*server, &apex).is_some_and(|zone| *zone.apex() == apex));
                assert_eq!(servers.count(), 2, "{} with seed {seed}", site.apex);
            }
        }
    }

    #[test]
    fn the_slow_zone_is_late_within_its_range_and_differs_by_name() {
        let range = Duration::from_millis(150)..=Duration::from_millis(800);
        let world = World::build(&Catalogue::generate(1, 0), range.clone()).unwrap();
        let delays: Vec<_> = (0..20).map(|n| world.delay(&name(&format!("host{n}.slow.example")).unwrap())).collect();
        assert!(delays.iter().all(|delay| range.contains(delay)));
        assert!(delays.windows(2).any(|pair| pair[0] != pair[1]));
        assert_eq!(world.delay(&name("HOST1.slow.example").unwrap()), delays[1]);
    }
}
