//! Zones in folders of their own, and a small primary on loopback.

mod durable;
mod primary;
mod secondaries;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use wire::kind;
use wire::message::Record;
use wire::name::Folded;
use zone::{Delta, Held, State, Zone};

use super::{Clock, Peer, Registrar, ZoneLimits, ZoneSettings, ZoneSource, ZoneStatus};

/// A state folder, a clock that stands, and the zones.
struct House {
    folder: TempDir,
    now: Arc<Mutex<SystemTime>>,
}

impl House {
    fn new() -> House {
        House { folder: TempDir::new().unwrap(), now: Arc::new(Mutex::new(SystemTime::now())) }
    }

    fn open(&self, zones: impl IntoIterator<Item = ZoneSettings>) -> Arc<Registrar> {
        let now = Arc::clone(&self.now);
        let clock: Clock = Arc::new(move || *now.lock().unwrap());
        Arc::new(Registrar::open(self.folder.path(), zones.into_iter().collect(), 7, clock).unwrap())
    }

    fn advance(&self, seconds: u64) {
        *self.now.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `home.zone` with this serial and these lines.
    fn write(&self, serial: u32, lines: &str) -> ZoneSettings {
        fs::write(self.path("home.zone"), text(serial, lines)).unwrap();
        home(ZoneSource::File(self.path("home.zone")))
    }

    fn journal(&self) -> PathBuf {
        self.path("zones/home.example.journal")
    }
}

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

fn text(serial: u32, lines: &str) -> String {
    format!("$TTL 60\n@ SOA ns hostmaster {serial} 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n{lines}")
}

fn zone(serial: u32, lines: &str) -> Zone {
    zone::file::read("zone", &text(serial, lines), &name("home.example"), &mut |_| Err("none".into())).unwrap()
}

fn home(source: ZoneSource) -> ZoneSettings {
    ZoneSettings { origin: name("home.example"), source, notify: Vec::new(), limits: ZoneLimits::default() }
}

fn peer(address: std::net::SocketAddr) -> Peer {
    Peer { address, key: None }
}

fn held(registrar: &Registrar) -> Arc<Held> {
    registrar.zones().into_iter().next().unwrap()
}

fn status(registrar: &Registrar) -> ZoneStatus {
    registrar.status().into_iter().next().unwrap()
}

/// What is in service: serial, then `owner=address` for every A record but that of `ns`; or why nothing is.
fn service(registrar: &Registrar) -> String {
    match &**held(registrar).state() {
        State::Unavailable { ede, why } => format!("EDE {ede}: {why}"),
        State::Loaded(loaded) => {
            let mut texts = vec![loaded.zone.serial().unwrap().to_string()];
            for record in loaded.zone.records().filter(|record| record.rtype == kind::A) {
                let owner = record.owner.text();
                let owner = owner.strip_suffix(".home.example").unwrap_or("@");
                if owner != "ns" {
                    texts.push(format!("{owner}={}", record.rdata[3]));
                }
            }
            texts.join(" ")
        }
    }
}

/// An address record, `www=7` for `www.home.example 60 A 192.0.2.7`.
fn record(text: &str) -> Record {
    let (owner, last) = text.split_once('=').unwrap();
    let rdata = Box::new([192, 0, 2, last.parse().unwrap()]);
    Record { owner: name(&format!("{owner}.home.example")), rtype: kind::A, class: kind::CLASS_IN, ttl: 60, rdata }
}

/// The next version of a zone, with one more address.
fn with(before: &Zone, added: &str) -> (Zone, Delta) {
    let mut after = before.clone();
    assert!(after.add(&record(added)));
    let mut soa = before.soa().unwrap();
    let at = soa.rdata.len() - 20;
    let serial = zone::delta::serial_next(before.serial().unwrap());
    soa.rdata[at..at + 4].copy_from_slice(&serial.to_be_bytes());
    after.remove_set(before.origin(), kind::SOA);
    after.add(&soa);
    let delta = Delta::between(before, &after).unwrap();
    (after, delta)
}

/// Updates the zone: the new serial, or why not.
fn update(registrar: &Arc<Registrar>, added: &str) -> Result<u32, String> {
    let made = held(registrar).change(&**registrar, |before| Ok(Some(with(before, added))));
    made.map(Option::unwrap).map_err(|denial| denial.to_string())
}
