//! Zones found by name, and changes that come one after another.

use std::sync::atomic::{AtomicUsize, Ordering};

use wire::kind;
use wire::message::Record;

use super::*;
use crate::file;

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

fn zone() -> Zone {
    let text = "@ 60 SOA ns admin 1 2 3 4 5\n@ NS ns.example.org.\n";
    file::read("zone", text, &name("example"), &mut |_| Err(String::new())).unwrap()
}

fn held(origin: &str) -> Arc<Held> {
    let state = State::Unavailable { ede: 14, why: "still reading".into() };
    Arc::new(Held::new(name(origin), Role::Primary, state))
}

fn in_service() -> Held {
    Held::new(name("example"), Role::Primary, State::Loaded(Arc::new(Loaded { zone: zone(), history: Vec::new() })))
}

#[derive(Default)]
struct Counting {
    commits: AtomicUsize,
    changes: AtomicUsize,
    fails: bool,
}

impl Keeper for Counting {
    fn commit(&self, _: &Folded, delta: &Delta, after: &Zone) -> io::Result<()> {
        if self.fails {
            return Err(io::Error::other("disk full"));
        }
        assert_eq!(Some(delta.serials().1), after.serial());
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn changed(&self, _: &Folded) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn notified(&self, _: &Folded, _: Option<u32>, _: SocketAddr) {}
}

/// One more TXT record, and the next serial.
fn add_text(zone: &Zone, text: &str) -> Result<Option<(Zone, Delta)>, Denial> {
    let before = zone.soa().unwrap();
    let mut rdata = before.rdata.to_vec();
    let at = rdata.len() - 20;
    rdata[at..at + 4].copy_from_slice(&(zone.serial().unwrap() + 1).to_be_bytes());
    let after = Record { rdata: rdata.into(), ..before.clone() };
    let line = format!("{text} TXT {text}");
    let added = file::records(&line, zone.origin(), 60).unwrap();
    let mut next = zone.clone();
    next.remove_set(zone.origin(), kind::SOA);
    next.add(&after);
    next.add(&added[0]);
    Ok(Some((next, Delta { before, after, removed: Vec::new(), added })))
}

#[test]
fn a_name_belongs_to_the_zone_with_the_longest_apex() {
    let zones = Zones::new(["example", "a.example", "b.c.example"].map(held));
    for (qname, expected) in [
        ("example", Some("example")),
        ("x.example", Some("example")),
        ("a.example", Some("a.example")),
        ("y.x.a.example", Some("a.example")),
        ("c.example", Some("example")),
        ("b.c.example", Some("b.c.example")),
        ("ba.example", Some("example")),
        ("example.org", None),
        (".", None),
    ] {
        let found = zones.find(&name(qname)).map(|held| held.origin().text());
        assert_eq!(found.as_deref(), expected, "{qname}");
    }
    let root = Zones::new([held(".")]);
    assert!(root.find(&name("any.example")).is_some() && root.find(&Folded::root()).is_some());
    assert!(Zones::default().is_empty() && Zones::default().find(&Folded::root()).is_none());
}

#[test]
fn changes_made_at_once_are_all_kept_and_history_is_bounded() {
    const THREADS: usize = 4;
    const CHANGES: usize = HISTORY_MAX / THREADS + 10;
    let (held, keeper) = (in_service(), Counting::default());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (held, keeper) = (&held, &keeper);
            scope.spawn(move || {
                for turn in 0..CHANGES {
                    held.change(keeper, |zone| add_text(zone, &format!("t{thread}-{turn}"))).unwrap();
                }
            });
        }
    });
    let State::Loaded(loaded) = State::clone(&held.state()) else { panic!("not in service") };
    assert_eq!(loaded.zone.record_count(), 2 + THREADS * CHANGES);
    assert_eq!(loaded.zone.serial(), Some(1 + (THREADS * CHANGES) as u32));
    assert_eq!(loaded.history.len(), HISTORY_MAX);
    let serials: Vec<_> = loaded.history.iter().map(|delta| delta.serials()).collect();
    assert!(serials.windows(2).all(|pair| pair[0].1 == pair[1].0), "each begins where the one before ended");
    assert_eq!(serials.last().map(|serials| serials.1), loaded.zone.serial());
    assert_eq!(keeper.commits.load(Ordering::Relaxed), THREADS * CHANGES);
    assert_eq!(keeper.changes.load(Ordering::Relaxed), THREADS * CHANGES);
}

#[test]
fn a_change_that_is_not_kept_is_not_made() {
    let (held, keeper) = (in_service(), Counting { fails: true, ..Counting::default() });
    let denial = held.change(&keeper, |zone| add_text(zone, "a")).unwrap_err();
    assert_eq!(denial.to_string(), "SERVFAIL: the change could not be kept: disk full");
    let State::Loaded(loaded) = State::clone(&held.state()) else { panic!("not in service") };
    assert_eq!((loaded.zone.serial(), loaded.history.len()), (Some(1), 0));
    assert_eq!(keeper.changes.load(Ordering::Relaxed), 0);
    assert_eq!(held.change(&keeper, |_| Ok(None)), Ok(None));
    let out_of_service = super::tests::held("example");
    let denial = out_of_service.change(&Counting::default(), |zone| add_text(zone, "a")).unwrap_err();
    assert_eq!(denial.to_string(), "SERVFAIL: the zone is not in service");
}
