//! Answers from the zones held here. A chain of aliases may lead from one zone to the next, and out of all of them.
//!
//! The first name's zone decides whether the client may ask. Every answer is made anew: nothing here is kept, so an update
//! is seen by the very next question. Knows no upstream: where a chain leaves our zones, the caller goes on.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use event::Ede;
use resolve::Question;
use wire::code::Code;
use wire::kind;
use wire::message::{Builder, Message, Record, Section};
use wire::name::{Folded, Name};
use wire::reply::{MESSAGE_LEN_MAX, Shape, Stored};
use wire::view::flag;
use zone::{Held, Kind, State};

use crate::authority::{Authority, Who};

/// Zones one chain may lead through. Each follows its own aliases within limits; a loop across zones ends here.
const ZONES_MAX: usize = 8;

/// Room left for OPT with cookie and a short extended error when addresses are added that nobody asked for.
const OPT_ROOM: usize = 96;

/// What is said of an answer no message can hold.
pub(crate) const TOO_LARGE: &str = "the answer is larger than any message";

/// Octets of a record beside its owner and its data.
const FIXED_LEN: usize = 10;

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) question: &'a Question,
    pub(crate) client: IpAddr,
    /// Name of the key the question was signed with.
    pub(crate) key: Option<&'a Folded>,
    /// May ask for everything.
    pub(crate) admitted: bool,
    /// RD.
    pub(crate) recursion_desired: bool,
}

impl Asking<'_> {
    /// Whether names outside of our zones are looked up for this client.
    fn goes_on(&self) -> bool {
        self.admitted && self.recursion_desired
    }
}

/// What our zones say.
pub(crate) enum Zoned {
    /// The name is not ours, or lies below a delegation and is to be looked up like any other.
    Elsewhere,
    /// This is the answer.
    Answer(Chain),
    /// Aliases lead to this name, which is to be looked up; the chain comes before its answer.
    Leads(Chain, Box<Folded>),
    /// Nothing but a code.
    Code(Code, Ede, String),
}

/// Records gathered on the way through our zones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    answer: Vec<Record>,
    authority: Vec<Record>,
    additional: Vec<Record>,
    rcode: u16,
    authoritative: bool,
    /// Additional holds addresses without which a delegation is of no use.
    glue: bool,
    /// What was looked at, a line a zone.
    pub(crate) lines: String,
}

/// Asks our zones.
pub(crate) fn ask(authority: &Authority, asking: &Asking<'_>) -> Zoned {
    let Question { qname, qtype, dnssec_ok, .. } = asking.question;
    let mut chain = Chain { authoritative: true, ..Chain::default() };
    let mut name = qname.clone();
    for _ in 0..ZONES_MAX {
        let first = chain.lines.is_empty();
        let Some((held, is_child)) = find(authority, &name, *qtype) else {
            return leave(chain, name, asking);
        };
        // DS belongs to the parent, and that zone is not here (RFC 4035 §3.1.4.1). Whoever wants it proved has to get it there.
        if is_child && asking.goes_on() {
            return leave(chain, name, asking);
        }
        if !may_ask(authority, held.origin(), asking) {
            return if first { refuse(held.origin(), asking) } else { Zoned::Answer(chain) };
        }
        let loaded = match State::clone(&held.state()) {
            State::Loaded(loaded) => loaded,
            State::Unavailable { ede, why } => {
                chain.say(&format!("zone: {} is not in service: {why}", held.origin()));
                return Zoned::Code(Code::SERVFAIL, Ede { code: ede, text: why }, chain.lines);
            }
        };
        let serial = loaded.zone.serial().unwrap_or(0);
        let mut answer = loaded.zone.lookup(&name, *qtype, *dnssec_ok);
        if let Some((len, target)) = crossing(authority, held, &answer, *qtype) {
            answer = leading(answer, len, target);
        } else if answer.kind == Kind::Referral && asking.goes_on() {
            // The client wants an answer, not a direction: the name is looked up like any other.
            let Some(end) = aliases(&answer).last() else { return leave(chain, name, asking) };
            let len = answer.answer.len();
            answer = leading(answer, len, end.1);
        }
        let found = match &answer.kind {
            Kind::Answer => "answers".to_owned(),
            Kind::Nodata => "has the name but not the type".to_owned(),
            Kind::Nxdomain => "has no such name".to_owned(),
            Kind::Referral => "delegates the name".to_owned(),
            Kind::Leads(target) => format!("leads to {target}"),
            Kind::TooLong => "rewrites it to a name that is too long".to_owned(),
        };
        chain.say(&format!("zone: {} (serial {serial}) {found}", held.origin()));
        let target = chain.take(answer, first, *qtype);
        match target {
            None => return Zoned::Answer(chain),
            Some(target) => name = target,
        }
    }
    chain.say("zone: the aliases lead through too many zones");
    let text = "the aliases lead through too many zones".into();
    Zoned::Code(Code::SERVFAIL, Ede { code: wire::ede::OTHER, text }, chain.lines)
}

/// The zone to ask for a name and type, and whether the question should have gone to its parent instead.
fn find<'a>(authority: &'a Authority, name: &Folded, qtype: u16) -> Option<(&'a Arc<Held>, bool)> {
    let held = authority.zones.find(name)?;
    if qtype != kind::DS || held.origin() != name {
        return Some((held, false));
    }
    match parent(name).as_ref().and_then(|parent| authority.zones.find(parent)) {
        Some(above) => Some((above, false)),
        None => Some((held, name.wire().len() > 1)),
    }
}

/// The name without its first label; `None` for the root.
fn parent(name: &Folded) -> Option<Folded> {
    let first = name.label_starts().next()?;
    let len = usize::from(*name.wire().get(first)?);
    Name::new(name.wire().get(first + 1 + len..)?).map(Name::fold)
}

/// The aliases in an answer: where each lies, and where it leads.
fn aliases(answer: &zone::Answer) -> impl Iterator<Item = (usize, Folded)> {
    let records = answer.answer.iter().enumerate().filter(|(_, record)| record.rtype == kind::CNAME);
    records.filter_map(|(at, record)| Some((at, Name::new(&record.rdata)?.fold())))
}

/// Where the aliases in an answer come to a name that belongs to another zone of ours, which may lie below this one: the records
/// up to there, and the name.
fn crossing(authority: &Authority, held: &Arc<Held>, answer: &zone::Answer, qtype: u16) -> Option<(usize, Folded)> {
    if matches!(qtype, kind::CNAME | kind::ANY) {
        return None;
    }
    let elsewhere = |name: &Folded| find(authority, name, qtype).is_some_and(|(there, _)| !Arc::ptr_eq(there, held));
    let (at, name) = aliases(answer).find(|(_, name)| elsewhere(name))?;
    let owner = answer.answer.get(at).map(|record| &record.owner);
    let after = answer.answer.iter().skip(at).take_while(|record| Some(&record.owner) == owner).count();
    Some((at + after, name))
}

/// The first records of an answer, which lead to a name.
fn leading(answer: zone::Answer, len: usize, name: Folded) -> zone::Answer {
    let records = answer.answer.into_iter().take(len).collect();
    zone::Answer { kind: Kind::Leads(name), answer: records, authority: Vec::new(), additional: Vec::new(), ..answer }
}

fn may_ask(authority: &Authority, origin: &Folded, asking: &Asking<'_>) -> bool {
    let named = |who: &Who| who.is(asking.client, asking.key);
    asking.admitted || authority.access.get(origin).is_some_and(|access| access.query.iter().any(named))
}

fn refuse(origin: &Folded, asking: &Asking<'_>) -> Zoned {
    let text = "this client may not ask for this zone".into();
    let line = format!("zone: {} may not ask for {origin}", asking.client.to_canonical());
    Zoned::Code(Code::REFUSED, Ede { code: wire::ede::PROHIBITED, text }, line)
}

/// The name is not in our zones, or no longer.
fn leave(chain: Chain, name: Folded, asking: &Asking<'_>) -> Zoned {
    match (chain.lines.is_empty(), asking.goes_on()) {
        (true, _) => Zoned::Elsewhere,
        (false, true) => Zoned::Leads(chain, Box::new(name)),
        // The client follows the rest of the chain itself.
        (false, false) => Zoned::Answer(chain),
    }
}

impl Chain {
    /// Takes what one zone gives. `Some` is the name to go on with.
    fn take(&mut self, found: zone::Answer, first: bool, qtype: u16) -> Option<Folded> {
        // AA tells of the first owner name in the answer (RFC 1035 §4.1.1).
        if first {
            self.authoritative = found.authoritative;
        }
        let mut answer = found.answer;
        if qtype == kind::ANY {
            // One set is an answer to ANY (RFC 8482 §4.1), and no more than that travels.
            let rtype = answer.iter().map(|record| record.rtype).find(|&rtype| rtype != kind::RRSIG);
            answer.retain(|record| Some(record.rtype) == rtype || rtype.is_none());
        }
        self.answer.append(&mut answer);
        self.authority = found.authority;
        self.additional = found.additional;
        self.glue = found.kind == Kind::Referral;
        self.rcode = match &found.kind {
            Kind::Nxdomain => Code::NXDOMAIN.number(),
            Kind::TooLong => Code::YXDOMAIN.number(),
            Kind::Answer | Kind::Nodata | Kind::Referral | Kind::Leads(_) => Code::NOERROR.number(),
        };
        match found.kind {
            Kind::Leads(target) => Some(target),
            _ => None,
        }
    }

    fn say(&mut self, line: &str) {
        if !self.lines.is_empty() {
            self.lines.push('\n');
        }
        // Writing into a string cannot fail.
        let _ = self.lines.write_str(line);
    }

    /// The answer as a packet. Addresses nobody asked for are added as long as the reply stays below `size_max`. `None` when it
    /// is larger than any message.
    pub(crate) fn stored(&self, question: &Question, size_max: usize) -> Option<Stored> {
        let authoritative = if self.authoritative { flag::AA } else { 0 };
        let flags = flag::QR | authoritative | self.rcode & flag::RCODE;
        let mut builder = Builder::new(0, flags, MESSAGE_LEN_MAX);
        builder.question(question.qname.name(), question.qtype, question.qclass);
        for (section, records) in [(Section::Answer, &self.answer), (Section::Authority, &self.authority)] {
            for record in records {
                if !builder.record(section, record) {
                    return None;
                }
            }
        }
        let room = if self.glue { MESSAGE_LEN_MAX } else { size_max.saturating_sub(OPT_ROOM) };
        for record in &self.additional {
            let len = record.owner.wire().len() + FIXED_LEN + record.rdata.len();
            if builder.len() + len > room || !builder.record(Section::Additional, record) {
                break;
            }
        }
        let packet = builder.finish();
        let mut stored = wire::reply::take(&packet, 0, &question.qname, question.qtype, question.qclass).ok()?;
        // `take` leaves AA out: an upstream's is not ours to repeat. This one is ours.
        if let Some(octet) = stored.packet.get_mut(2).filter(|_| self.authoritative) {
            *octet |= (flag::AA >> 8) as u8;
        }
        Some(stored)
    }

    /// The chain with the answer to its last name behind it, which is `age_seconds` old and may live `ttl_max` seconds more. A
    /// failure to find that answer stands alone; extended errors of the packet are those made here.
    pub(crate) fn before(&self, question: &Question, tail: &Stored, age_seconds: u32, ttl_max: u32) -> Stored {
        let said_of_name = [Code::NOERROR, Code::NXDOMAIN, Code::YXDOMAIN].map(Code::number).contains(&tail.rcode);
        let whole = if said_of_name { Message::read(&tail.packet).ok() } else { None };
        let whole = whole.and_then(|message| {
            let aged = |records: Vec<Record>| {
                let aged = records
                    .into_iter()
                    .map(|record| Record { ttl: record.ttl.saturating_sub(age_seconds).min(ttl_max), ..record });
                aged.collect::<Vec<_>>()
            };
            let whole = Chain {
                answer: [self.answer.clone(), aged(message.answer)].concat(),
                authority: aged(message.authority),
                rcode: tail.rcode,
                authoritative: self.authoritative,
                ..Chain::default()
            };
            whole.stored(question, MESSAGE_LEN_MAX)
        });
        whole.unwrap_or_else(|| {
            if said_of_name {
                bare(question, Code::SERVFAIL.number(), vec![(wire::ede::OTHER, TOO_LARGE.to_owned())])
            } else {
                bare(question, tail.rcode, Vec::new())
            }
        })
    }
}

/// A packet with a code and no records.
fn bare(question: &Question, rcode: u16, ede: Vec<(u16, String)>) -> Stored {
    let mut builder = Builder::new(0, flag::QR | rcode & flag::RCODE, MESSAGE_LEN_MAX);
    builder.question(question.qname.name(), question.qtype, question.qclass);
    Stored {
        packet: builder.finish().into(),
        ttl_offsets: Box::default(),
        rcode,
        ttl: None,
        shape: Shape::Error,
        ede,
        summary: None,
        answer_count: 0,
        targets: Vec::new(),
        addresses: Vec::new(),
    }
}
