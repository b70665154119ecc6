//! One zone of the lab: its records, its delegations and how it behaves.
//!
//! Lookup follows RFC 1034 §4.3.2 within this zone only: referral, CNAME, wildcard, no data, no name. It knows
//! neither messages nor the servers the zone lives on.

use std::collections::HashMap;

use domain::base::iana::{Class, Rtype};
use domain::base::name::ToName;
use domain::base::{Serial, Ttl};
use domain::rdata::{Soa, ZoneRecordData};

use crate::message::{Data, Name, Record};

/// CNAMEs followed inside one zone for one query.
const CHAIN_MAX: usize = 8;
/// How long a missing name or type may be remembered.
const NEGATIVE_TTL_SECONDS: u32 = 60;
const SOA_TTL_SECONDS: u32 = 3600;

/// How the servers of a zone treat those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// By the book.
    Honest,
    /// SERVFAIL to everything.
    Broken,
    /// REFUSED to everything: delegated to, but not aware of it.
    Lame,
    /// Says nothing.
    Silent,
    /// Right, but late.
    Slow,
    /// Wrong id, wrong question, wrong source.
    Lying,
    /// TC on UDP whatever the size; full over TCP.
    Truncating,
    /// FORMERR to everything.
    Formerr,
    /// NOTIMP to everything.
    Notimp,
    /// Answers that carry extended errors.
    Explaining,
}

/// Records below one apex.
#[derive(Debug)]
pub(crate) struct Zone {
    apex: Name,
    behaviour: Behaviour,
    soa: Record,
    /// Every existing name, empty ones between two labels included.
    nodes: HashMap<Name, Vec<Record>>,
    cuts: HashMap<Name, Cut>,
}

/// A delegation: name servers and their addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut {
    pub(crate) servers: Vec<Record>,
    pub(crate) glue: Vec<Record>,
}

/// What a zone says of a question.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// CNAMEs passed, then the records asked for.
    pub(crate) answer: Vec<Record>,
    /// Where the walk ended.
    pub(crate) end: End,
}

/// Where a lookup ended.
#[derive(Debug)]
pub(crate) enum End {
    /// At the records.
    Answered,
    /// At a name without records of the type.
    NoData,
    /// Nowhere: the name does not exist.
    NoName,
    /// At a CNAME that leads out of the zone, or round in circles.
    Elsewhere,
    /// At a delegation.
    Referral(Cut),
}

impl Zone {
    /// A zone of only SOA; `mname` is its first server, `rname` its keeper's mailbox.
    pub(crate) fn new(apex: Name, mname: Name, rname: Name, behaviour: Behaviour) -> Self {
        let seconds = Ttl::from_secs;
        let soa = Soa::new(
            mname,
            rname,
            Serial::from(2_026_110_100),
            seconds(7200),
            seconds(900),
            seconds(1_209_600),
            seconds(NEGATIVE_TTL_SECONDS),
        );
        let soa = Record::new(apex.clone(), Class::IN, seconds(SOA_TTL_SECONDS), ZoneRecordData::Soa(soa));
        let nodes = HashMap::from([(apex.clone(), vec![soa.clone()])]);
        Self { apex, behaviour, soa, nodes, cuts: HashMap::new() }
    }

    pub(crate) fn apex(&self) -> &Name {
        &self.apex
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        self.behaviour
    }

    /// Adds a record; its owner lies in the zone.
    pub(crate) fn add(&mut self, owner: Name, ttl_seconds: u32, data: impl Into<Data>) {
        self.plant(&owner);
        let record = Record::new(owner.clone(), Class::IN, Ttl::from_secs(ttl_seconds), data.into());
        self.nodes.entry(owner).or_default().push(record);
    }

    /// Adds a delegation.
    pub(crate) fn delegate(&mut self, child: Name, cut: Cut) {
        self.plant(&child);
        self.nodes.entry(child.clone()).or_default();
        self.cuts.insert(child, cut);
    }

    /// Makes the names between `owner` and the apex exist (empty non-terminals, RFC 8020).
    fn plant(&mut self, owner: &Name) {
        for suffix in owner.iter_suffixes().skip(1) {
            if suffix.len() <= self.apex.len() {
                break;
            }
            self.nodes.entry(suffix.to_vec()).or_default();
        }
    }

    /// The SOA as a negative answer carries it (RFC 2308 §3).
    pub(crate) fn negative_soa(&self) -> Record {
        let mut soa = self.soa.clone();
        soa.set_ttl(Ttl::from_secs(NEGATIVE_TTL_SECONDS));
        soa
    }

    /// Addresses we hold for the name servers among `records` (RFC 1034 §4.3.2 step 6).
    pub(crate) fn server_addresses(&self, records: &[Record]) -> Vec<Record> {
        let servers = records.iter().filter_map(|record| match record.data() {
            ZoneRecordData::Ns(ns) => self.nodes.get(ns.nsdname()),
            _ => None,
        });
        servers.flatten().filter(|record| matches!(record.rtype(), Rtype::A | Rtype::AAAA)).cloned().collect()
    }

    /// Looks up a name at or below the apex.
    pub(crate) fn lookup(&self, name: &Name, qtype: Rtype) -> Lookup {
        let mut answer: Vec<Record> = Vec::new();
        let mut current = name.clone();
        for _ in 0..CHAIN_MAX {
            if let Some(cut) = self.cut_above(&current, qtype) {
                return Lookup { answer, end: End::Referral(cut.clone()) };
            }
            let Some(records) = self.records(&current) else { return Lookup { answer, end: End::NoName } };
            let alias = records.iter().find(|record| record.rtype() == Rtype::CNAME);
            if let (Some(alias), false) = (alias, matches!(qtype, Rtype::CNAME | Rtype::ANY)) {
                answer.push(owned_by(alias, &current));
                match alias.data() {
                    ZoneRecordData::Cname(target) if self.leads_on(target.cname(), &answer) => {
                        current = target.cname().clone();
                    }
                    _ => return Lookup { answer, end: End::Elsewhere },
                }
                continue;
            }
            let before = answer.len();
            let wanted = records.iter().filter(|record| qtype == Rtype::ANY || record.rtype() == qtype);
            answer.extend(wanted.map(|record| owned_by(record, &current)));
            let end = if answer.len() > before { End::Answered } else { End::NoData };
            return Lookup { answer, end };
        }
        Lookup { answer, end: End::Elsewhere }
    }

    /// Whether a CNAME's target is ours to answer and not passed already.
    fn leads_on(&self, target: &Name, passed: &[Record]) -> bool {
        target.ends_with(&self.apex) && passed.iter().all(|record| record.owner() != target)
    }

    /// The delegation nearest the apex at or above `name`. DS lives above the cut (RFC 4035 §3.1.4.1).
    fn cut_above(&self, name: &Name, qtype: Rtype) -> Option<&Cut> {
        if self.cuts.is_empty() {
            return None;
        }
        let below_apex = name.iter_suffixes().take_while(|suffix| suffix.len() > self.apex.len());
        below_apex
            .filter(|suffix| qtype != Rtype::DS || suffix.len() != name.len())
            .filter_map(|suffix| self.cuts.get(suffix.for_slice()))
            .last()
    }

    /// Records of an existing name, or of the wildcard that stands for it (RFC 4592 §3.3.1).
    fn records(&self, name: &Name) -> Option<&[Record]> {
        if let Some(records) = self.nodes.get(name) {
            return Some(records);
        }
        let encloser = name.iter_suffixes().skip(1).find(|suffix| self.nodes.contains_key(suffix.for_slice()))?;
        let mut wildcard = vec![1, b'*'];
        wildcard.extend_from_slice(encloser.as_slice());
        let wildcard = Name::from_octets(wildcard).ok()?;
        self.nodes.get(&wildcard).map(Vec::as_slice)
    }
}

/// The record under the name that was asked for: a wildcard's owner is replaced, case is kept.
fn owned_by(record: &Record, owner: &Name) -> Record {
    Record::new(owner.clone(), record.class(), record.ttl(), record.data().clone())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use domain::rdata::{A, Cname, Ns};

    use super::*;

    fn name(text: &str) -> Name {
        Name::vec_from_str(text).unwrap()
    }

    /// A zone from lines of `owner TYPE data`; NS below the apex makes a delegation.
    fn zone(lines: &str) -> Zone {
        let apex = name("z.test");
        let mut zone = Zone::new(apex.clone(), name("ns.z.test"), name("keeper.z.test"), Behaviour::Honest);
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let [owner, rtype, data] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
            let owner = name(owner);
            match rtype {
                "A" => zone.add(owner, 60, A::new(data.parse::<Ipv4Addr>().unwrap())),
                "CNAME" => zone.add(owner, 60, Cname::new(name(data))),
                "NS" => {
                    let ns = Record::new(owner.clone(), Class::IN, Ttl::from_secs(60), Ns::new(name(data)).into());
                    zone.delegate(owner, Cut { servers: vec![ns], glue: Vec::new() });
                }
                other => panic!("{other}"),
            }
        }
        zone
    }

    /// Looks up each `name TYPE` of the table and compares end and owners of the answer.
    fn check(zone: &Zone, table: &str) {
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (question, expected) = line.split_once("->").unwrap();
            let [asked, rtype] = question.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
            let found = zone.lookup(&name(asked), rtype.parse().unwrap());
            let mut text = match found.end {
                End::Answered => "answered",
                End::NoData => "nodata",
                End::NoName => "noname",
                End::Elsewhere => "elsewhere",
                End::Referral(_) => "referral",
            }
            .to_owned();
            for record in found.answer {
                text.push_str(&format!(" {}", record.owner()));
            }
            assert_eq!(text, expected.trim(), "{question}");
        }
    }

    #[test]
    fn a_zone_answers_as_rfc_1034_says() {
        let zone = zone(
            "
            www.z.test          A      192.0.2.1
            alias.z.test        CNAME  www.z.test
            away.z.test         CNAME  www.other.test
            deep.empty.z.test   A      192.0.2.2
            *.wild.z.test       A      192.0.2.3
            here.wild.z.test    CNAME  nothing.z.test
            one.z.test          CNAME  two.z.test
            two.z.test          CNAME  one.z.test
            child.z.test        NS     ns.child.z.test
            into.z.test         CNAME  x.child.z.test
            ",
        );
        check(
            &zone,
            "
            www.z.test A            -> answered www.z.test
            WWW.Z.TEST A            -> answered WWW.Z.TEST
            www.z.test AAAA         -> nodata
            x.www.z.test A          -> noname
            z.test SOA              -> answered z.test
            empty.z.test A          -> nodata
            alias.z.test A          -> answered alias.z.test www.z.test
            alias.z.test AAAA       -> nodata alias.z.test
            alias.z.test CNAME      -> answered alias.z.test
            away.z.test A           -> elsewhere away.z.test
            any.wild.z.test A       -> answered any.wild.z.test
            a.b.wild.z.test A       -> answered a.b.wild.z.test
            any.wild.z.test AAAA    -> nodata
            wild.z.test A           -> nodata
            here.wild.z.test A      -> noname here.wild.z.test
            one.z.test A            -> elsewhere one.z.test two.z.test
            child.z.test A          -> referral
            a.b.child.z.test A      -> referral
            child.z.test DS         -> nodata
            into.z.test A           -> referral into.z.test
            ",
        );
    }
}
