//! The zone itself: record sets by name in canonical order (RFC 4034 §6.1). Cheap to clone: a clone shares everything until
//! one of the two changes, so that a reader keeps its version while an update makes the next.

use std::sync::Arc;

use wire::message::Record;
use wire::name::Folded;

/// All records of one name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrset {
    /// TYPE.
    pub rtype: u16,
    /// TTL, seconds: one for the set (RFC 2181 §5.2).
    pub ttl: u32,
    /// RDATA of each record, uncompressed, no two the same (names compared folded), in canonical order.
    pub rdatas: Vec<Box<[u8]>>,
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

/// One zone at one serial.
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Folded,
    _todo: Arc<()>,
}

#[expect(unused_variables, clippy::todo, clippy::missing_const_for_fn, reason = "filled in next")]
impl Zone {
    /// An empty zone.
    #[must_use]
    pub fn new(origin: Folded) -> Zone {
        todo!()
    }

    /// The apex.
    #[must_use]
    pub fn origin(&self) -> &Folded {
        &self.origin
    }

    /// SERIAL of the SOA; `None` without one.
    #[must_use]
    pub fn serial(&self) -> Option<u32> {
        todo!()
    }

    /// The SOA record.
    #[must_use]
    pub fn soa(&self) -> Option<Record> {
        todo!()
    }

    /// The set of this name and type.
    #[must_use]
    pub fn rrset(&self, owner: &Folded, rtype: u16) -> Option<&Arc<Rrset>> {
        None
    }

    /// All sets of a name, ordered by type; empty when it has none.
    #[must_use]
    pub fn rrsets(&self, owner: &Folded) -> &[Arc<Rrset>] {
        &[]
    }

    /// Whether the name exists: it has records, or something below it has (an empty non-terminal, RFC 4592 §2.2.2).
    #[must_use]
    pub fn exists(&self, name: &Folded) -> bool {
        todo!()
    }

    /// Adds one record, whatever rules say; a duplicate only sets the TTL. The set takes the record's TTL. `false` when
    /// nothing changed.
    pub fn add(&mut self, record: &Record) -> bool {
        todo!()
    }

    /// Removes one record; TTL and class do not matter. `false` when it was not there.
    pub fn remove(&mut self, owner: &Folded, rtype: u16, rdata: &[u8]) -> bool {
        todo!()
    }

    /// Removes a set.
    pub fn remove_set(&mut self, owner: &Folded, rtype: u16) -> Option<Arc<Rrset>> {
        todo!()
    }

    /// Records, SOA not first but in its place, in canonical order.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        std::iter::empty()
    }

    /// Number of records.
    #[must_use]
    pub fn record_count(&self) -> usize {
        todo!()
    }

    /// Everything wrong with the zone as a whole, at most 20 faults; those that only the operator should know of are in
    /// `warnings` of whoever loads.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        todo!()
    }
}
