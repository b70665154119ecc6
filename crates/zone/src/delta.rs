//! What changed between two serials: what IXFR sends (RFC 1995 §4) and the journal keeps.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use wire::kind;
use wire::message::Record;
use wire::name::Folded;

use crate::order;
use crate::tree::{Rrset, Zone, find};

/// A change from one serial to another. A set whose TTL changes goes and comes whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// SOA before.
    pub before: Record,
    /// SOA after.
    pub after: Record,
    /// Records that go, without the SOA.
    pub removed: Vec<Record>,
    /// Records that come, without the SOA.
    pub added: Vec<Record>,
}

/// Why a delta does not fit a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It begins at another serial.
    #[error("the change begins at serial {delta}, the zone is at {zone}")]
    Serial {
        /// Of the delta.
        delta: u32,
        /// Of the zone.
        zone: u32,
    },
    /// It removes what is not there, or adds what is.
    #[error("the change does not fit the zone at {0}")]
    Record(String),
}

impl Delta {
    /// From one version to another of the same zone; `None` when they are the same, SOA included, and when one of them has no
    /// SOA.
    #[must_use]
    pub fn between(before: &Zone, after: &Zone) -> Option<Delta> {
        let mut delta = Self::empty(before, after)?;
        let mut old = before.names().from(&[]).peekable();
        let mut new = after.names().from(&[]).peekable();
        // Both come in canonical order, so one walk along both finds what only one of them has.
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let old = if order.is_le() { old.next() } else { None };
            let new = if order.is_ge() { new.next() } else { None };
            let Some((key, _)) = old.or(new) else { break };
            delta.name(
                || order::name_of(key, before.origin()),
                old.map_or(&[], |(_, sets)| sets),
                new.map_or(&[], |(_, sets)| sets),
            );
        }
        delta.if_any()
    }

    /// The same, looking at these names and the SOA only: for a change that is known to have touched no others.
    #[must_use]
    pub(crate) fn at(before: &Zone, after: &Zone, names: &HashSet<&Folded>) -> Option<Delta> {
        let mut delta = Self::empty(before, after)?;
        let mut names: Vec<_> = names.iter().collect();
        // Any order would do, but the same change is to give the same octets.
        names.sort_unstable_by_key(|name| name.wire());
        for name in names {
            delta.name(|| Folded::clone(name), before.rrsets(name), after.rrsets(name));
        }
        delta.if_any()
    }

    /// Serial before and after.
    #[must_use]
    pub fn serials(&self) -> (u32, u32) {
        (serial_of(&self.before), serial_of(&self.after))
    }

    /// The zone after the change.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn apply(&self, zone: &Zone) -> Result<Zone, Misfit> {
        let (delta, at) = (serial_of(&self.before), zone.serial().unwrap_or(0));
        if delta != at {
            return Err(Misfit::Serial { delta, zone: at });
        }
        let misfit = |record: &Record| Misfit::Record(format!("{} {}", record.owner, kind::type_name(record.rtype)));
        let mut next = zone.clone();
        for record in &self.removed {
            if !next.remove(&record.owner, record.rtype, &record.rdata) {
                return Err(misfit(record));
            }
        }
        for record in &self.added {
            let count = next.record_count();
            next.add(record);
            if next.record_count() != count + 1 {
                return Err(misfit(record));
            }
        }
        next.remove_set(zone.origin(), kind::SOA);
        next.add(&self.after);
        if next.soa().is_none() {
            return Err(misfit(&self.after));
        }
        Ok(next)
    }

    fn empty(before: &Zone, after: &Zone) -> Option<Delta> {
        Some(Delta { before: before.soa()?, after: after.soa()?, removed: Vec::new(), added: Vec::new() })
    }

    /// Notes what changed at one name; the apex's SOA stands in its own place.
    fn name(&mut self, owner: impl Fn() -> Folded, old: &[Arc<Rrset>], new: &[Arc<Rrset>]) {
        let same = |a: &Arc<Rrset>, b: &Arc<Rrset>| Arc::ptr_eq(a, b) || a == b;
        if old.len() == new.len() && old.iter().zip(new).all(|(a, b)| same(a, b)) {
            return;
        }
        let owner = owner();
        let apex = owner == self.before.owner;
        let counts = |set: &&Arc<Rrset>| !(apex && set.rtype == kind::SOA);
        for set in old.iter().filter(counts) {
            let other = find(new, set.rtype);
            self.removed.extend(only(set, other).map(|rdata| record(&owner, set, rdata)));
        }
        for set in new.iter().filter(counts) {
            let other = find(old, set.rtype);
            self.added.extend(only(set, other).map(|rdata| record(&owner, set, rdata)));
        }
    }

    fn if_any(self) -> Option<Delta> {
        let changed = self.before != self.after || !self.removed.is_empty() || !self.added.is_empty();
        changed.then_some(self)
    }
}

/// Data of `set` that `other` has not: octet for octet, so that a letter in another case is a change too. With another TTL
/// nothing of it counts as the same.
fn only<'a>(set: &'a Rrset, other: Option<&'a Arc<Rrset>>) -> impl Iterator<Item = &'a Box<[u8]>> {
    let other = other.filter(|other| other.ttl == set.ttl);
    let kept: HashSet<&[u8]> = other.into_iter().flat_map(|other| &other.rdatas).map(|rdata| &**rdata).collect();
    set.rdatas.iter().filter(move |rdata| !kept.contains(&***rdata))
}

fn record(owner: &Folded, set: &Rrset, rdata: &[u8]) -> Record {
    Record { owner: owner.clone(), rtype: set.rtype, class: kind::CLASS_IN, ttl: set.ttl, rdata: rdata.into() }
}

/// SERIAL of a SOA record; 0 when it is none.
pub(crate) fn serial_of(soa: &Record) -> u32 {
    let numbers = soa.rdata.last_chunk::<20>().and_then(|numbers| numbers.first_chunk());
    numbers.copied().map_or(0, u32::from_be_bytes)
}

/// The same SOA record with another serial.
pub(crate) fn with_serial(mut soa: Record, serial: u32) -> Record {
    if let Some(place) = soa.rdata.last_chunk_mut::<20>().and_then(|numbers| numbers.first_chunk_mut()) {
        *place = serial.to_be_bytes();
    }
    soa
}

/// Whether serial `a` is after `b` (RFC 1982); `false` when they are equal or not comparable.
#[must_use]
pub fn serial_after(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

/// The next serial; never 0 (RFC 2136 §7.11).
#[must_use]
pub fn serial_next(serial: u32) -> u32 {
    serial.wrapping_add(1).max(1)
}

#[cfg(test)]
mod tests;
