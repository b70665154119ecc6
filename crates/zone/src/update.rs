//! UPDATE (RFC 2136): read, check against a zone, apply. Nothing here knows who asks: access is the caller's, between `read`
//! and `apply` (`Update::touched` says what would change).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wire::code::Code;
use wire::kind;
use wire::message::{Message, Record};
use wire::name::Folded;

use crate::delta::{Delta, serial_after, serial_next, serial_of, with_serial};
use crate::file::rdata_text;
use crate::form;
use crate::rdata;
use crate::tree::{Zone, beside_cname};

/// Records a zone may reach by updates.
pub const ZONE_RECORDS_MAX: usize = 20_000_000;
/// Records one set may reach by updates: more of even the smallest would not fit into one answer.
pub const SET_RECORDS_MAX: usize = 4_000;
/// Sets one name may reach by updates: adding one copies the list of all.
pub const NAME_SETS_MAX: usize = 256;
/// Octets of [`Update::summary`].
pub const SUMMARY_BYTES_MAX: usize = 512;

/// Well-known services: one record for each address and protocol (RFC 1035 §3.4.2, RFC 2136 §3.4.2.2).
const WKS: u16 = 11;

/// An update message taken apart.
#[derive(Clone, Debug)]
pub struct Update {
    /// Zone name.
    pub zone: Folded,
    /// Class of the zone.
    pub class: u16,
    /// Prerequisites as sent.
    pub prerequisites: Vec<Record>,
    /// Updates as sent.
    pub updates: Vec<Record>,
}

/// Why an update is not done: the code and a reason that names the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Denial {
    /// FORMERR, NXDOMAIN, YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH, NOTZONE, REFUSED, SERVFAIL.
    pub code: Code,
    /// Why, in one line.
    pub reason: String,
}

impl Denial {
    fn new(code: Code, reason: impl Into<String>) -> Denial {
        Denial { code, reason: reason.into() }
    }

    fn form(what: &str, record: &Record) -> Denial {
        Self::new(Code::FORMERR, format!("{what}: {} {}", record.owner, kind::type_name(record.rtype)))
    }
}

/// What a record of the update section asks for (RFC 2136 §2.5).
enum Change<'a> {
    Add(&'a Record),
    Delete(&'a Record),
    DeleteSet(&'a Record),
    DeleteName(&'a Record),
}

impl Update {
    /// Takes a message with opcode UPDATE apart (RFC 2136 §3.1.1: one zone, type SOA).
    ///
    /// # Errors
    /// FORMERR.
    pub fn read(message: &Message) -> Result<Update, Denial> {
        let [zone] = &message.questions[..] else {
            let count = message.questions.len();
            return Err(Denial::new(Code::FORMERR, format!("{count} zones instead of one")));
        };
        if zone.qtype != kind::SOA {
            let rtype = kind::type_name(zone.qtype);
            return Err(Denial::new(Code::FORMERR, format!("the zone has type {rtype} instead of SOA")));
        }
        if !is_zone_class(zone.qclass) {
            let class = kind::class_name(zone.qclass);
            return Err(Denial::new(Code::FORMERR, format!("no zone has class {class}")));
        }
        Ok(Update {
            zone: zone.qname.clone(),
            class: zone.qclass,
            prerequisites: message.answer.clone(),
            updates: message.authority.clone(),
        })
    }

    /// Checks all prerequisites (§3.2) in order, the sets that must be equal last, as §3.2.5 has it.
    ///
    /// # Errors
    /// The first that fails.
    pub fn check_prerequisites(&self, zone: &Zone) -> Result<(), Denial> {
        self.check_zone(zone)?;
        let denied = |code, record: &Record, what: &str| {
            let rtype =
                if record.rtype == kind::ANY { String::new() } else { format!(" {}", kind::type_name(record.rtype)) };
            Err(Denial::new(code, format!("prerequisite: {}{rtype} {what}", record.owner)))
        };
        let mut wanted = Vec::new();
        for record in &self.prerequisites {
            if record.ttl != 0 {
                return Err(Denial::form("a prerequisite with a TTL", record));
            }
            self.check_inside(record)?;
            let exists = zone.rrset(&record.owner, record.rtype).is_some();
            match record.class {
                kind::CLASS_ANY | kind::CLASS_NONE if !record.rdata.is_empty() => {
                    return Err(Denial::form("a prerequisite with data where none belongs", record));
                }
                kind::CLASS_ANY | kind::CLASS_NONE if record.rtype == kind::ANY => {
                    // A name without records is not in use, whatever lies below it (§2.4.4).
                    let in_use = !zone.rrsets(&record.owner).is_empty();
                    match (record.class == kind::CLASS_ANY, in_use) {
                        (true, false) => return denied(Code::NXDOMAIN, record, "is not in use"),
                        (false, true) => return denied(Code::YXDOMAIN, record, "is in use"),
                        _ => {}
                    }
                }
                kind::CLASS_ANY if !exists => return denied(Code::NXRRSET, record, "does not exist"),
                kind::CLASS_NONE if exists => return denied(Code::YXRRSET, record, "exists"),
                kind::CLASS_ANY | kind::CLASS_NONE => {}
                class if class == self.class => {
                    if !form::fits(record.rtype, &record.rdata) {
                        return Err(Denial::form("a prerequisite with malformed data", record));
                    }
                    wanted.push(record);
                }
                _ => return Err(Denial::form("a prerequisite with another class", record)),
            }
        }
        let mut sets: HashMap<_, Vec<&Record>> = HashMap::new();
        for record in &wanted {
            sets.entry((&record.owner, record.rtype)).or_default().push(record);
        }
        // In the order they came, so that the reason does not depend on how a map hashes.
        for first in wanted {
            if let Some(records) = sets.remove(&(&first.owner, first.rtype))
                && !is_equal(zone, first, &records)
            {
                return denied(Code::NXRRSET, first, "is not the set the prerequisite names");
            }
        }
        Ok(())
    }

    /// Checks the update section as §3.4.1.3 has it, before anything changes.
    ///
    /// # Errors
    /// NOTZONE, FORMERR.
    pub fn prescan(&self, zone: &Zone) -> Result<(), Denial> {
        self.check_zone(zone)?;
        for record in &self.updates {
            self.check_inside(record)?;
            let no_data = is_meta(record.rtype) || record.rtype == kind::ANY;
            match record.class {
                class if class == self.class => {
                    if no_data {
                        return Err(Denial::form("an addition of no type of data", record));
                    }
                    if !form::fits(record.rtype, &record.rdata) {
                        return Err(Denial::form("an addition of malformed data", record));
                    }
                }
                kind::CLASS_ANY | kind::CLASS_NONE if record.ttl != 0 => {
                    return Err(Denial::form("a deletion with a TTL", record));
                }
                kind::CLASS_ANY if !record.rdata.is_empty() => {
                    return Err(Denial::form("a deletion of a set with data", record));
                }
                kind::CLASS_ANY if is_meta(record.rtype) => {
                    return Err(Denial::form("a deletion of no type of data", record));
                }
                kind::CLASS_NONE if no_data => return Err(Denial::form("a deletion of no type of data", record)),
                kind::CLASS_NONE if !form::fits(record.rtype, &record.rdata) => {
                    return Err(Denial::form("a deletion of malformed data", record));
                }
                kind::CLASS_ANY | kind::CLASS_NONE => {}
                _ => return Err(Denial::form("an update with another class", record)),
            }
        }
        Ok(())
    }

    /// Names and types the updates would touch, for access: type 255 (ANY) where all sets of a name go.
    pub fn touched(&self) -> impl Iterator<Item = (&Folded, u16)> {
        self.updates.iter().map(|record| (&record.owner, record.rtype))
    }

    /// Applies the updates (§3.4.2) in order and moves the serial on (§3.6); `None` when nothing changed.
    ///
    /// # Errors
    /// What [`Update::prescan`] denies; SERVFAIL when the result would be no zone or over a limit.
    pub fn apply(&self, zone: &Zone) -> Result<Option<(Zone, Delta)>, Denial> {
        self.prescan(zone)?;
        let mut next = zone.clone();
        let mut touched = HashSet::new();
        for change in self.updates.iter().map(|record| self.change(record)) {
            let (Change::Add(record) | Change::Delete(record) | Change::DeleteSet(record) | Change::DeleteName(record)) =
                &change;
            touched.insert(&record.owner);
            make(&mut next, &change);
            if let Change::Add(record) = change {
                check_limits(&next, record)?;
            }
        }
        let Some(delta) = Delta::at(zone, &next, &touched) else { return Ok(None) };
        let (before, after) = delta.serials();
        let delta = if before == after {
            let soa = with_serial(delta.after, serial_next(before));
            next.remove_set(zone.origin(), kind::SOA);
            next.add(&soa);
            Delta { after: soa, ..delta }
        } else {
            delta
        };
        if next.soa().is_none() || next.rrset(zone.origin(), kind::NS).is_none() {
            let reason = format!("{} would be left without SOA or NS", zone.origin());
            return Err(Denial::new(Code::SERVFAIL, reason));
        }
        Ok(Some((next, delta)))
    }

    /// In one line for the log, at most [`SUMMARY_BYTES_MAX`] octets:
    /// `need www.example A; add www.example A 192.0.2.1; delete old.example`.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = self.prerequisites.len() + self.updates.len();
        let needs = self.prerequisites.iter().map(|record| match record.class {
            kind::CLASS_NONE => part("need no", record, false),
            class => part("need", record, class == self.class),
        });
        let changes = self.updates.iter().map(|record| match self.change(record) {
            Change::Add(record) => part("add", record, true),
            Change::Delete(record) => part("delete", record, true),
            Change::DeleteSet(record) | Change::DeleteName(record) => part("delete", record, false),
        });
        let mut summary = String::new();
        for (at, part) in needs.chain(changes).enumerate() {
            let more = format!("; {} more", count - at);
            let separator = if at == 0 { "" } else { "; " };
            // Room stays for saying how many were left out, unless this is the last.
            let room = if at + 1 == count { 0 } else { more.len() };
            if summary.len() + separator.len() + part.len() + room > SUMMARY_BYTES_MAX {
                summary.push_str(if at == 0 { &more[2..] } else { &more });
                break;
            }
            summary.push_str(separator);
            summary.push_str(&part);
        }
        summary
    }

    /// What a record of the update section asks for; classes are checked by `prescan`.
    fn change<'a>(&self, record: &'a Record) -> Change<'a> {
        match record.class {
            kind::CLASS_NONE => Change::Delete(record),
            kind::CLASS_ANY if record.rtype == kind::ANY => Change::DeleteName(record),
            kind::CLASS_ANY => Change::DeleteSet(record),
            _ => Change::Add(record),
        }
    }

    fn check_zone(&self, zone: &Zone) -> Result<(), Denial> {
        if &self.zone == zone.origin() && self.class == kind::CLASS_IN {
            return Ok(());
        }
        let class = kind::class_name(self.class);
        Err(Denial::new(Code::NOTAUTH, format!("not authoritative for {} {class}", self.zone)))
    }

    fn check_inside(&self, record: &Record) -> Result<(), Denial> {
        if record.owner.is_at_or_below(&self.zone) {
            return Ok(());
        }
        Err(Denial::new(Code::NOTZONE, format!("{} lies outside {}", record.owner, self.zone)))
    }
}

/// Whether a zone can have this class: not 0, NONE, ANY, nor those reserved for questions between them (RFC 6895 §3.2).
fn is_zone_class(class: u16) -> bool {
    !matches!(class, 0 | 128..=255 | 0xffff)
}

/// Types that are no data: 0, OPT, and 128 to 255 but for ANY, which stands for all of them (RFC 6895 §3.1).
fn is_meta(rtype: u16) -> bool {
    matches!(rtype, 0 | kind::OPT | 128..=254)
}

/// Whether the zone's set has just these records, TTLs aside (§3.2.3); the same record may be named twice.
fn is_equal(zone: &Zone, first: &Record, records: &[&Record]) -> bool {
    let Some(set) = zone.rrset(&first.owner, first.rtype) else { return false };
    let wanted: HashSet<_> = records.iter().map(|record| rdata::folded(record.rtype, &record.rdata)).collect();
    wanted.len() == set.rdatas.len() && wanted.iter().all(|rdata| set.contains(rdata))
}

/// Makes one change by the rules of §3.4.2.
fn make(zone: &mut Zone, change: &Change<'_>) {
    match change {
        Change::Add(record) => add(zone, record),
        Change::Delete(record) => {
            let apex = &record.owner == zone.origin();
            let last_ns = || zone.rrset(&record.owner, kind::NS).is_some_and(|set| set.rdatas.len() == 1);
            // §3.4.2.4: the apex keeps its SOA and its last NS.
            if !(apex && (record.rtype == kind::SOA || record.rtype == kind::NS && last_ns())) {
                zone.remove(&record.owner, record.rtype, &record.rdata);
            }
        }
        Change::DeleteSet(record) => {
            // §3.4.2.3.
            if !(&record.owner == zone.origin() && matches!(record.rtype, kind::SOA | kind::NS)) {
                zone.remove_set(&record.owner, record.rtype);
            }
        }
        Change::DeleteName(record) => {
            let apex = &record.owner == zone.origin();
            let types: Vec<u16> = zone.rrsets(&record.owner).iter().map(|set| set.rtype).collect();
            for rtype in types.into_iter().filter(|rtype| !(apex && matches!(*rtype, kind::SOA | kind::NS))) {
                zone.remove_set(&record.owner, rtype);
            }
        }
    }
}

/// Looks whether an addition went over a limit.
fn check_limits(zone: &Zone, added: &Record) -> Result<(), Denial> {
    let sets = zone.rrsets(&added.owner);
    let set = sets.iter().find(|set| set.rtype == added.rtype);
    for (place, count, max, what) in [
        (&added.owner, sets.len(), NAME_SETS_MAX, "types"),
        (&added.owner, set.map_or(0, |set| set.rdatas.len()), SET_RECORDS_MAX, "records of one type"),
        (zone.origin(), zone.record_count(), ZONE_RECORDS_MAX, "records"),
    ] {
        if count > max {
            return Err(Denial::new(Code::SERVFAIL, format!("{place} would have more than {max} {what}")));
        }
    }
    Ok(())
}

/// Adds by the rules of §3.4.2.2, and of RFC 6672 §5.2 for DNAME: what does not fit beside what is there is passed over.
fn add(zone: &mut Zone, record: &Record) {
    // A TTL with its uppermost bit set counts as 0 (RFC 2181 §8).
    let ttl = if record.ttl > i32::MAX as u32 { 0 } else { record.ttl };
    let record = &Record { ttl, ..record.clone() };
    let sets = zone.rrsets(&record.owner);
    let clashes = match record.rtype {
        kind::CNAME => sets.iter().any(|set| !beside_cname(set.rtype)),
        rtype => !beside_cname(rtype) && sets.iter().any(|set| set.rtype == kind::CNAME),
    };
    if clashes {
        return;
    }
    let known = zone.rrset(&record.owner, record.rtype).map(Arc::clone);
    match (record.rtype, known) {
        (kind::SOA, known) => {
            let serial = zone.serial().filter(|_| known.is_some() && &record.owner == zone.origin());
            if serial.is_some_and(|serial| serial_after(serial_of(record), serial)) {
                zone.remove_set(&record.owner, kind::SOA);
                zone.add(record);
            }
        }
        (kind::CNAME | kind::DNAME, Some(_)) => {
            zone.remove_set(&record.owner, record.rtype);
            zone.add(record);
        }
        (WKS, Some(set)) => {
            // Address and protocol, the first five octets, say which service is replaced.
            let same = |rdata: &[u8]| rdata.get(..5) == record.rdata.get(..5);
            for rdata in set.rdatas.iter().filter(|rdata| same(rdata)) {
                zone.remove(&record.owner, WKS, rdata);
            }
            zone.add(record);
        }
        _ => {
            zone.add(record);
        }
    }
}

/// `add www.example A 192.0.2.1`, without the data unless it is wanted, without the type when it is ANY. What is too long
/// for a summary is left out before it is written.
fn part(verb: &str, record: &Record, data: bool) -> String {
    let mut part = format!("{verb} {}", record.owner);
    if record.rtype != kind::ANY {
        part.push(' ');
        part.push_str(&kind::type_name(record.rtype));
    }
    if data && record.rdata.len() > SUMMARY_BYTES_MAX {
        part.push_str(" …");
    } else if data {
        part.push(' ');
        part.push_str(&rdata_text(record.rtype, &record.rdata));
    }
    part
}

#[cfg(test)]
pub(crate) mod tests;
