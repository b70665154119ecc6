//! Answers from one zone (RFC 1034 §4.3.2, RFC 4592 wildcards, RFC 6672 DNAME, RFC 2308 negative answers, RFC 4035 §3.1 for
//! DNSSEC records, which are served as they stand in the zone).
//!
//! One walk from the apex towards the name finds what decides: a delegation, a DNAME, the name itself, or the closest name
//! that exists. What the walk passes decides before what lies deeper, so nothing below a delegation is ever seen but as glue.

use std::sync::Arc;

use wire::kind;
use wire::message::Record;
use wire::name::{Folded, NAME_LEN_MAX, Name};

use crate::order::{self, SortKey};
use crate::proof::{Absence, WILDCARD};
use crate::rdata;
use crate::tree::{self, Rrset, Zone};

/// What kind of answer it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one for each answer, never kept; a box would cost more than it saves")]
pub enum Kind {
    /// Records in answer.
    Answer,
    /// The name exists, the type does not.
    Nodata,
    /// The name does not exist; also at the end of a CNAME chain.
    Nxdomain,
    /// The name lies below a delegation.
    Referral,
    /// A CNAME or DNAME leads to this name outside the zone; answer holds the chain so far.
    Leads(Folded),
    /// DNAME substitution would exceed 255 octets (RFC 6672 §2.2): YXDOMAIN, answer holds the DNAME.
    TooLong,
}

/// An answer from one zone.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What kind.
    pub kind: Kind,
    /// Authoritative: false for referrals, but for those at the end of a chain of CNAMEs of ours (RFC 1035 §4.1.1: the
    /// first owner name counts).
    pub authoritative: bool,
    /// Answer section in order of the chain.
    pub answer: Vec<Record>,
    /// Authority: SOA with its negative TTL, NS of a referral, DS, NSEC and RRSIG when wanted.
    pub authority: Vec<Record>,
    /// Additional: glue, addresses within the zone.
    pub additional: Vec<Record>,
}

/// CNAMEs and DNAMEs followed within one zone. At the limit, and where a chain comes back to itself, the answer is the chain
/// so far.
pub const CHAIN_MAX: usize = 16;
/// Names whose addresses are looked up for the additional section.
pub const ADDITIONAL_NAMES_MAX: usize = 64;

impl Zone {
    /// Answers a question at or below the apex; of any other name says that it leads elsewhere. With `dnssec` RRSIG, NSEC and
    /// NSEC3 records belonging to the answer are added.
    #[must_use]
    pub fn lookup(&self, qname: &Folded, qtype: u16, dnssec: bool) -> Answer {
        let mut reply = Reply {
            zone: self,
            dnssec,
            answer: Answer {
                kind: Kind::Answer,
                authoritative: true,
                answer: Vec::new(),
                authority: Vec::new(),
                additional: Vec::new(),
            },
        };
        reply.answer.kind = reply.walk(qname, qtype);
        reply.answer
    }
}

/// What a walk came upon. Lengths are of the asked name's key.
enum Found<'z> {
    /// The name itself; no sets when it is there only for what is below it.
    Name(&'z [Arc<Rrset>]),
    /// Not there; the closest name that is.
    Encloser(usize),
    /// A delegation at or above the name.
    Cut(usize, &'z [Arc<Rrset>]),
    /// A DNAME above the name.
    Dname(usize, &'z Arc<Rrset>),
}

fn find_along<'z>(zone: &'z Zone, key: &SortKey, qtype: u16) -> Found<'z> {
    let asked = key.octets();
    if zone.is_plain() {
        let sets = zone.sets_at(asked);
        if !sets.is_empty() && !is_proof(sets) {
            return Found::Name(sets);
        }
    }
    let mut encloser = 0;
    for at in key.path() {
        let sets = match zone.names().ceiling(at) {
            Some((found, sets)) if found == at && !is_proof(sets) => &**sets,
            Some((found, _)) if found == at => return Found::Encloser(encloser),
            Some((found, _)) if found.starts_with(at) => &[],
            _ if at.is_empty() => &[],
            _ => return Found::Encloser(encloser),
        };
        let last = at.len() == asked.len();
        // The parent answers for DS at the cut (RFC 4035 §3.1.4.1).
        let ours = at.is_empty() || last && qtype == kind::DS;
        if !ours && tree::find(sets, kind::NS).is_some() {
            return Found::Cut(at.len(), sets);
        }
        if last {
            return Found::Name(sets);
        }
        if let Some(dname) = tree::find(sets, kind::DNAME) {
            return Found::Dname(at.len(), dname);
        }
        encloser = at.len();
    }
    Found::Encloser(encloser)
}

/// Whether a name is there for an NSEC3 record alone: to a question it does not exist (RFC 5155 §7.2.8).
fn is_proof(sets: &[Arc<Rrset>]) -> bool {
    tree::find(sets, kind::NSEC3).is_some() && sets.iter().all(|set| matches!(set.rtype, kind::NSEC3 | kind::RRSIG))
}

/// An answer being put together.
struct Reply<'z> {
    zone: &'z Zone,
    dnssec: bool,
    answer: Answer,
}

impl Reply<'_> {
    fn walk(&mut self, qname: &Folded, qtype: u16) -> Kind {
        let apex = self.zone.origin();
        let mut name = qname.clone();
        let mut passed: Vec<Folded> = Vec::new();
        // Ends: `passed` grows with every turn but the last.
        loop {
            let Some(key) = SortKey::new(&name, apex) else { return Kind::Leads(name) };
            let asked = key.octets();
            let next = match find_along(self.zone, &key, qtype) {
                Found::Cut(len, sets) => {
                    self.refer(&asked[..len], sets);
                    return Kind::Referral;
                }
                Found::Dname(len, dname) => match self.rename(&name, &asked[..len], dname) {
                    None => return Kind::TooLong,
                    // The CNAME made up is what was asked for (RFC 6672 §3.2 step 3.C, RFC 1034 §3.6.2).
                    Some(_) if matches!(qtype, kind::CNAME | kind::ANY) => return Kind::Answer,
                    Some(next) => next,
                },
                Found::Name(sets) => match self.take(&name, sets, qtype) {
                    Taken::Answered => return Kind::Answer,
                    Taken::Leads(next) => next,
                    Taken::Nothing => {
                        self.deny(Absence::Type(asked));
                        return Kind::Nodata;
                    }
                },
                Found::Encloser(len) => {
                    let encloser = &asked[..len];
                    let mut wildcard = [encloser, WILDCARD].concat();
                    wildcard.push(0);
                    if !self.zone.exists_at(&wildcard) {
                        self.deny(Absence::Name { name: asked, encloser });
                        return Kind::Nxdomain;
                    }
                    // NS and DNAME at a wildcard are data like other data (RFC 4592 §4.2, §4.4 leave it open).
                    let taken = self.take(&name, self.zone.sets_at(&wildcard), qtype);
                    if let Taken::Nothing = taken {
                        self.deny(Absence::WildcardType { name: asked, encloser });
                        return Kind::Nodata;
                    }
                    self.prove(Absence::Wildcard { name: asked, encloser });
                    match taken {
                        Taken::Leads(next) => next,
                        _ => return Kind::Answer,
                    }
                }
            };
            passed.push(name);
            if passed.len() >= CHAIN_MAX || passed.contains(&next) {
                return Kind::Answer;
            }
            name = next;
        }
    }

    /// Takes what was asked for out of the sets of a name, answered as `owner`.
    fn take(&mut self, owner: &Folded, sets: &[Arc<Rrset>], qtype: u16) -> Taken {
        if qtype == kind::ANY {
            self.answer.answer.extend(tree::records(owner, sets, None));
            return if sets.is_empty() { Taken::Nothing } else { Taken::Answered };
        }
        if qtype == kind::RRSIG && tree::find(sets, qtype).is_some() {
            self.answer.answer.extend(tree::records(owner, sets, Some(qtype)));
            return Taken::Answered;
        }
        if let Some(set) = tree::find(sets, qtype) {
            self.push(Section::Answer, owner, set, sets, set.ttl);
            self.push_addresses(owner, set);
            return Taken::Answered;
        }
        let Some(alias) = tree::find(sets, kind::CNAME) else { return Taken::Nothing };
        self.push(Section::Answer, owner, alias, sets, alias.ttl);
        match alias.rdatas.first().and_then(|rdata| rdata::target(kind::CNAME, rdata)) {
            Some(target) => Taken::Leads(target.fold()),
            None => Taken::Answered,
        }
    }

    /// Adds a DNAME and the CNAME it makes of `name`; gives where that leads. `None` when it would be too long.
    fn rename(&mut self, name: &Folded, dname_key: &[u8], dname: &Arc<Rrset>) -> Option<Folded> {
        let owner = order::name_of(dname_key, self.zone.origin());
        // A chain may pass the same DNAME again.
        let known = |record: &Record| record.rtype == kind::DNAME && record.owner == owner;
        if !self.answer.answer.iter().any(known) {
            self.push(Section::Answer, &owner, dname, self.zone.sets_at(dname_key), dname.ttl);
        }
        let target = dname.rdatas.first().and_then(|rdata| rdata::target(kind::DNAME, rdata))?;
        let labels = name.wire().get(..name.wire().len() - owner.wire().len())?;
        let wire = [labels, target.wire()].concat();
        if wire.len() > NAME_LEN_MAX {
            return None;
        }
        let next = Name::new(&wire)?.fold();
        self.answer.answer.push(Record {
            owner: name.clone(),
            rtype: kind::CNAME,
            class: kind::CLASS_IN,
            // RFC 6672 §3.1: the TTL of the DNAME.
            ttl: dname.ttl,
            rdata: wire.into(),
        });
        Some(next)
    }

    /// Refers to the servers below: NS, DS or the proof that there is none, glue.
    fn refer(&mut self, cut: &[u8], sets: &[Arc<Rrset>]) {
        self.answer.authoritative = !self.answer.answer.is_empty();
        let owner = order::name_of(cut, self.zone.origin());
        let Some(servers) = tree::find(sets, kind::NS) else { return };
        // NS at the cut is the child's, so it has no signature here.
        self.answer.authority.extend(servers.records(&owner));
        if self.dnssec {
            match tree::find(sets, kind::DS) {
                Some(ds) => self.push(Section::Authority, &owner, ds, sets, ds.ttl),
                None => self.prove(Absence::Type(cut)),
            }
        }
        self.push_addresses(&owner, servers);
    }

    /// Says that something is not there: SOA, and the proof.
    fn deny(&mut self, absence: Absence<'_>) {
        let sets = self.zone.sets_at(&[]);
        if let Some(soa) = tree::find(sets, kind::SOA) {
            // RFC 2308 §3: the smaller of the SOA's own TTL and its last number.
            let minimum = soa.rdatas.first().and_then(|rdata| rdata.last_chunk()).map(|last| u32::from_be_bytes(*last));
            let ttl = minimum.map_or(soa.ttl, |minimum| minimum.min(soa.ttl));
            self.push(Section::Authority, self.zone.origin(), soa, sets, ttl);
        }
        self.prove(absence);
    }

    fn prove(&mut self, absence: Absence<'_>) {
        if !self.dnssec {
            return;
        }
        for (key, set) in self.zone.proof(absence) {
            let owner = order::name_of(&key, self.zone.origin());
            // A chain may need the same proof twice.
            let known = |record: &Record| record.rtype == set.rtype && record.owner == owner;
            if !self.answer.authority.iter().any(known) {
                self.push(Section::Authority, &owner, set, self.zone.sets_at(&key), set.ttl);
            }
        }
    }

    /// Adds a set and, when wanted, its signatures, found among the sets of its name. They have its TTL (RFC 4034 §3).
    fn push(&mut self, section: Section, owner: &Folded, set: &Rrset, sets: &[Arc<Rrset>], ttl: u32) {
        let out = match section {
            Section::Answer => &mut self.answer.answer,
            Section::Authority => &mut self.answer.authority,
            Section::Additional => &mut self.answer.additional,
        };
        let record = |rtype, rdata: &[u8]| Record {
            owner: owner.clone(),
            rtype,
            class: kind::CLASS_IN,
            ttl,
            rdata: rdata.into(),
        };
        out.extend(set.rdatas.iter().map(|rdata| record(set.rtype, rdata)));
        if self.dnssec {
            let signatures = tree::find(sets, kind::RRSIG).into_iter().flat_map(|signatures| &signatures.rdatas);
            let covering = signatures.filter(|rdata| tree::covered(rdata) == Some(set.rtype));
            out.extend(covering.map(|rdata| record(kind::RRSIG, rdata)));
        }
    }

    /// Addresses, as far as they are in the zone, of the names a set leads to.
    fn push_addresses(&mut self, owner: &Folded, set: &Rrset) {
        if !matches!(set.rtype, kind::NS | kind::MX | kind::SRV | kind::SVCB | kind::HTTPS) {
            return;
        }
        let zone = self.zone;
        for rdata in set.rdatas.iter().take(ADDITIONAL_NAMES_MAX) {
            let Some(target) = rdata::target(set.rtype, rdata) else { continue };
            // `.` is the owner itself (RFC 9460 §2.5.2), or with SRV and MX nobody (RFC 2782, RFC 7505).
            let target = match set.rtype {
                kind::SVCB | kind::HTTPS if target.wire() == [0] => owner.clone(),
                _ => target.fold(),
            };
            let Some(key) = SortKey::new(&target, zone.origin()) else { continue };
            if self.answer.additional.iter().any(|record| record.owner == target) {
                continue;
            }
            let sets = zone.sets_at(key.octets());
            for address in [kind::A, kind::AAAA].iter().filter_map(|rtype| tree::find(sets, *rtype)) {
                self.push(Section::Additional, &target, address, sets, address.ttl);
            }
        }
    }
}

/// What a name had for the question.
#[expect(clippy::large_enum_variant, reason = "lives for one step of a walk")]
enum Taken {
    Answered,
    /// A CNAME to this name.
    Leads(Folded),
    Nothing,
}

#[derive(Clone, Copy)]
enum Section {
    Answer,
    Authority,
    Additional,
}

#[cfg(test)]
mod tests;
