//! The zone itself: record sets by name in canonical order (RFC 4034 §6.1). Cheap to clone: a clone shares everything until
//! one of the two changes, so that a reader keeps its version while an update makes the next.
//!
//! Memory: a name with one address takes about 270 octets, measured on a million of them (`cargo bench -p zone`); each further
//! record of a set about 50.

use std::sync::Arc;

use wire::kind;
use wire::message::Record;
use wire::name::Folded;

use crate::order::{self, SortKey, Tree};
use crate::rdata;

/// Faults told of one zone.
pub const FAULTS_MAX: usize = 20;

/// All records of one name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrset {
    /// TYPE.
    pub rtype: u16,
    /// TTL, seconds: one for the set (RFC 2181 §5.2). Of RRSIG it says little: each signature has the TTL of the set it
    /// covers (RFC 4034 §3), and this is for those whose set is gone.
    pub ttl: u32,
    /// RDATA of each record, uncompressed, no two the same (names compared folded), in canonical order.
    pub rdatas: Vec<Box<[u8]>>,
}

impl Rrset {
    /// Where the data is, or where it belongs; names compared folded.
    fn place(&self, rdata: &[u8]) -> Result<usize, usize> {
        let wanted = rdata::folded(self.rtype, rdata);
        self.rdatas.binary_search_by(|kept| rdata::folded(self.rtype, kept).cmp(&wanted))
    }

    /// Whether a record with this data is in the set; names compared folded.
    #[must_use]
    pub fn contains(&self, rdata: &[u8]) -> bool {
        self.place(rdata).is_ok()
    }

    /// The set's records.
    pub fn records<'a>(&'a self, owner: &'a Folded) -> impl Iterator<Item = Record> + 'a {
        self.rdatas.iter().map(|rdata| Record {
            owner: owner.clone(),
            rtype: self.rtype,
            class: kind::CLASS_IN,
            ttl: self.ttl,
            rdata: rdata.clone(),
        })
    }
}

/// What is wrong with a zone as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not exactly one SOA at the apex.
    #[error("the zone has {0} SOA records, not one")]
    Soa(usize),
    /// No NS at the apex.
    #[error("the zone has no NS record at its apex")]
    NoNs,
    /// CNAME beside other data (RFC 1034 §3.6.2), or more than one.
    #[error("{0} has a CNAME and other records")]
    CnameBeside(String),
    /// A record outside the zone.
    #[error("{0} lies outside the zone")]
    Outside(String),
    /// Something below a DNAME (RFC 6672 §2.4).
    #[error("{0} lies below a DNAME")]
    BelowDname(String),
}

/// The sets of one name, ordered by type.
type Sets = Box<[Arc<Rrset>]>;

/// One zone at one serial.
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Folded,
    names: Tree<Sets>,
    /// Names with NSEC3 records: between two of them may lie any number of other names.
    hashed: Tree<()>,
    record_count: usize,
    /// Sets of NS below the apex and of DNAME: without any, a name that is there is answered as it stands.
    turns: usize,
}

impl Zone {
    /// An empty zone.
    #[must_use]
    pub fn new(origin: Folded) -> Zone {
        Zone { origin, names: Tree::new(), hashed: Tree::new(), record_count: 0, turns: 0 }
    }

    /// The apex.
    #[must_use]
    pub fn origin(&self) -> &Folded {
        &self.origin
    }

    /// SERIAL of the SOA; `None` without one.
    #[must_use]
    pub fn serial(&self) -> Option<u32> {
        let soa = self.set_at(&[], kind::SOA)?.rdatas.first()?;
        // SERIAL is the first of five numbers behind the two names (RFC 1035 §3.3.13).
        let numbers = soa.len().checked_sub(20)?;
        Some(u32::from_be_bytes(soa.get(numbers..numbers + 4)?.try_into().ok()?))
    }

    /// The SOA record.
    #[must_use]
    pub fn soa(&self) -> Option<Record> {
        self.set_at(&[], kind::SOA)?.records(&self.origin).next()
    }

    /// The set of this name and type.
    #[must_use]
    pub fn rrset(&self, owner: &Folded, rtype: u16) -> Option<&Arc<Rrset>> {
        find(self.rrsets(owner), rtype)
    }

    /// All sets of a name, ordered by type; empty when it has none.
    #[must_use]
    pub fn rrsets(&self, owner: &Folded) -> &[Arc<Rrset>] {
        SortKey::new(owner, &self.origin).map_or(&[], |key| self.sets_at(key.octets()))
    }

    /// Whether the name exists: it has records, or something below it has (an empty non-terminal, RFC 4592 §2.2.2).
    #[must_use]
    pub fn exists(&self, name: &Folded) -> bool {
        SortKey::new(name, &self.origin).is_some_and(|key| self.exists_at(key.octets()))
    }

    /// Adds one record, whatever rules say; a duplicate only sets the TTL. The set takes the record's TTL. `false` when
    /// nothing changed, as with a record outside the zone.
    pub fn add(&mut self, record: &Record) -> bool {
        let Some(key) = SortKey::new(&record.owner, &self.origin) else { return false };
        let sets = self.sets_at(key.octets());
        let known = find(sets, record.rtype);
        let same_ttl = |set: &Rrset| set.ttl == record.ttl || set.rtype == kind::RRSIG;
        if known.is_some_and(|set| same_ttl(set) && set.contains(&record.rdata)) {
            return false;
        }
        if known.is_none() {
            self.note_set(key.octets(), record.rtype, true);
        }
        let added = self.names.change(key.octets(), |sets| {
            let mut sets = sets.unwrap_or_default();
            let mut added = 1;
            match sets.binary_search_by_key(&record.rtype, |set| set.rtype) {
                Ok(at) => {
                    let set = Arc::make_mut(&mut sets[at]);
                    if set.rtype != kind::RRSIG {
                        set.ttl = record.ttl;
                    }
                    match set.place(&record.rdata) {
                        Ok(_) => added = 0,
                        Err(place) => {
                            // Most sets stay small: they grow by half, not to four at once.
                            if set.rdatas.len() == set.rdatas.capacity() {
                                set.rdatas.reserve_exact((set.rdatas.len() / 2).max(1));
                            }
                            set.rdatas.insert(place, record.rdata.clone());
                        }
                    }
                }
                Err(at) => {
                    let rdatas = vec![record.rdata.clone()];
                    let set = Arc::new(Rrset { rtype: record.rtype, ttl: record.ttl, rdatas });
                    let mut longer = Vec::with_capacity(sets.len() + 1);
                    longer.extend_from_slice(&sets);
                    longer.insert(at, set);
                    sets = longer.into_boxed_slice();
                }
            }
            (Some(sets), added)
        });
        self.record_count += added;
        true
    }

    /// Removes one record; TTL and class do not matter. `false` when it was not there.
    pub fn remove(&mut self, owner: &Folded, rtype: u16, rdata: &[u8]) -> bool {
        let Some(key) = SortKey::new(owner, &self.origin) else { return false };
        let Some(set) = find(self.sets_at(key.octets()), rtype) else { return false };
        let Ok(place) = set.place(rdata) else { return false };
        if set.rdatas.len() == 1 {
            return self.remove_set(owner, rtype).is_some();
        }
        self.names.change(key.octets(), |sets| {
            let mut sets = sets.unwrap_or_default();
            if let Ok(at) = sets.binary_search_by_key(&rtype, |set| set.rtype) {
                Arc::make_mut(&mut sets[at]).rdatas.remove(place);
            }
            (Some(sets), ())
        });
        self.record_count -= 1;
        true
    }

    /// Removes a set.
    pub fn remove_set(&mut self, owner: &Folded, rtype: u16) -> Option<Arc<Rrset>> {
        let key = SortKey::new(owner, &self.origin)?;
        find(self.sets_at(key.octets()), rtype)?;
        let removed = self.names.change(key.octets(), |sets| {
            let mut sets = sets.unwrap_or_default().into_vec();
            let at = sets.binary_search_by_key(&rtype, |set| set.rtype);
            let removed = at.ok().map(|at| sets.remove(at));
            ((!sets.is_empty()).then(|| sets.into_boxed_slice()), removed)
        })?;
        self.note_set(key.octets(), rtype, false);
        self.record_count -= removed.rdatas.len();
        Some(removed)
    }

    /// Records, SOA not first but in its place, in canonical order.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.names.from(&[]).flat_map(|(key, sets)| records(&order::name_of(key, &self.origin), sets, None))
    }

    /// Every set with its owner, in canonical order, of one name by type.
    pub fn sets(&self) -> impl Iterator<Item = (Folded, &Arc<Rrset>)> + '_ {
        self.names.from(&[]).flat_map(|(key, sets)| {
            let owner = order::name_of(key, &self.origin);
            sets.iter().map(move |set| (owner.clone(), set))
        })
    }

    /// Number of records.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.record_count
    }

    /// Everything wrong with the zone as a whole, at most [`FAULTS_MAX`] faults; those that only the operator should know
    /// of are in `warnings` of whoever loads.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let count = |rtype| self.set_at(&[], rtype).map_or(0, |set| set.rdatas.len());
        if count(kind::SOA) != 1 {
            faults.push(Fault::Soa(count(kind::SOA)));
        }
        if count(kind::NS) == 0 {
            faults.push(Fault::NoNs);
        }
        let mut dname: Option<&[u8]> = None;
        for (key, sets) in self.names.from(&[]) {
            if faults.len() >= FAULTS_MAX {
                break;
            }
            let owner = || order::name_of(key, &self.origin).text();
            if let Some(set) = find(sets, kind::CNAME)
                && (set.rdatas.len() > 1 || sets.iter().any(|set| !beside_cname(set.rtype)))
            {
                faults.push(Fault::CnameBeside(owner()));
            }
            // A signed zone with a DNAME at its apex has its proofs below it all the same.
            let proof = sets.iter().all(|set| matches!(set.rtype, kind::NSEC3 | kind::RRSIG));
            if dname.is_some_and(|dname| key.starts_with(dname)) && !proof {
                faults.push(Fault::BelowDname(owner()));
            } else if find(sets, kind::DNAME).is_some() {
                dname = Some(key);
            }
        }
        faults
    }

    /// The sets at a key.
    pub(crate) fn sets_at(&self, key: &[u8]) -> &[Arc<Rrset>] {
        self.names.get(key).map_or(&[], |sets| sets)
    }

    /// The set of a type at a key.
    pub(crate) fn set_at(&self, key: &[u8], rtype: u16) -> Option<&Arc<Rrset>> {
        find(self.sets_at(key), rtype)
    }

    /// Whether there is something at or below a key.
    pub(crate) fn exists_at(&self, key: &[u8]) -> bool {
        self.names.ceiling(key).is_some_and(|(found, _)| found.starts_with(key))
    }

    /// All names with their sets.
    pub(crate) fn names(&self) -> &Tree<Sets> {
        &self.names
    }

    /// The names with NSEC3 records.
    pub(crate) fn hashed(&self) -> &Tree<()> {
        &self.hashed
    }

    /// Whether no delegation and no DNAME is in the zone.
    pub(crate) fn is_plain(&self) -> bool {
        self.turns == 0
    }

    /// Keeps what is known of the whole zone right when a set comes or goes.
    fn note_set(&mut self, key: &[u8], rtype: u16, comes: bool) {
        match rtype {
            kind::NSEC3 => self.hashed.change(key, |_| (comes.then_some(()), ())),
            kind::DNAME => self.turns = if comes { self.turns + 1 } else { self.turns - 1 },
            kind::NS if !key.is_empty() => self.turns = if comes { self.turns + 1 } else { self.turns - 1 },
            _ => {}
        }
    }
}

impl PartialEq for Zone {
    /// Same apex, same records with the same TTLs, letters of names within data in any case.
    fn eq(&self, other: &Zone) -> bool {
        let same = |a: &Rrset, b: &Rrset| {
            let folded = |rdata| rdata::folded(a.rtype, rdata);
            a.rtype == b.rtype
                && (a.ttl == b.ttl || a.rtype == kind::RRSIG)
                && a.rdatas.len() == b.rdatas.len()
                && a.rdatas.iter().zip(&b.rdatas).all(|(a, b)| folded(a) == folded(b))
        };
        self.origin == other.origin
            && self.record_count == other.record_count
            && self.sets().zip(other.sets()).all(|((a_owner, a), (b_owner, b))| a_owner == b_owner && same(a, b))
    }
}

/// The records of a name, of one type or all, each signature with the TTL of what it covers.
pub(crate) fn records<'a>(
    owner: &Folded,
    sets: &'a [Arc<Rrset>],
    rtype: Option<u16>,
) -> impl Iterator<Item = Record> + use<'a> {
    let owner = owner.clone();
    let chosen = sets.iter().filter(move |set| rtype.is_none_or(|rtype| set.rtype == rtype));
    chosen.flat_map(|set| set.rdatas.iter().map(move |rdata| (set, rdata))).map(move |(set, rdata)| {
        let covering = if set.rtype == kind::RRSIG { covered(rdata).and_then(|rtype| find(sets, rtype)) } else { None };
        Record {
            owner: owner.clone(),
            rtype: set.rtype,
            class: kind::CLASS_IN,
            ttl: covering.map_or(set.ttl, |covered| covered.ttl),
            rdata: rdata.clone(),
        }
    })
}

/// The type a signature covers (RFC 4034 §3.1.1).
pub(crate) fn covered(rrsig: &[u8]) -> Option<u16> {
    rrsig.first_chunk().map(|rtype| u16::from_be_bytes(*rtype))
}

/// The set of a type among those of a name.
pub(crate) fn find(sets: &[Arc<Rrset>], rtype: u16) -> Option<&Arc<Rrset>> {
    sets.binary_search_by_key(&rtype, |set| set.rtype).ok().and_then(|at| sets.get(at))
}

/// What may stand beside a CNAME: itself and what DNSSEC needs (RFC 4034 §3, §4; RFC 2181 §10.1 for the older ones).
pub(crate) fn beside_cname(rtype: u16) -> bool {
    // SIG 24, KEY 25 and NXT 30 are the first form of RRSIG, DNSKEY and NSEC.
    matches!(rtype, kind::CNAME | kind::RRSIG | kind::NSEC | 24 | 25 | 30)
}

#[cfg(test)]
mod tests;
