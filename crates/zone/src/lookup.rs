//! Answers from one zone (RFC 1034 §4.3.2, RFC 4592 wildcards, RFC 6672 DNAME, RFC 2308 negative answers, RFC 4035 §3.1 for
//! DNSSEC records, which are served as they stand in the zone).

use wire::message::Record;
use wire::name::Folded;

use crate::tree::Zone;

/// What kind of answer it is.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Authoritative: false for referrals.
    pub authoritative: bool,
    /// Answer section in order of the chain.
    pub answer: Vec<Record>,
    /// Authority: SOA with its negative TTL, NS of a referral, DS, NSEC and RRSIG when wanted.
    pub authority: Vec<Record>,
    /// Additional: glue, addresses within the zone.
    pub additional: Vec<Record>,
}

/// CNAMEs and DNAMEs followed within one zone.
pub const CHAIN_MAX: usize = 16;

impl Zone {
    /// Answers a question at or below the apex. With `dnssec` RRSIG, NSEC and NSEC3 records belonging to the answer are added.
    #[must_use]
    #[expect(unused_variables, clippy::todo, reason = "filled in next")]
    pub fn lookup(&self, qname: &Folded, qtype: u16, dnssec: bool) -> Answer {
        todo!()
    }
}
