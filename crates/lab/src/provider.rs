//! The lab's ISP resolver: walks from the lab's root by referrals and glue, and answers for what it finds.
//!
//! Deliberately simple. It remembers delegations, never answers. It relays an authority's FORMERR, NOTIMP and REFUSED
//! (most resolvers turn them into SERVFAIL) so that whoever forwards to it meets every code; silence, lies and loops end
//! in SERVFAIL with an extended error.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::base::iana::{Class, OptRcode, Rcode, Rtype};
use domain::base::name::{FlattenInto, ToName};
use domain::base::{Message, MessageBuilder, ParsedName};
use domain::rdata::ZoneRecordData;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use crate::message::{HEADER_BYTES, Name, Query, Received, Record, Reply, Transport, UDP_BYTES_MAX, receive};
use crate::server::{Emission, Served, Service, frame, read_frame};

/// Questions asked for one query, CNAME restarts included.
const STEPS_MAX: usize = 16;
/// CNAMEs followed for one query.
const CNAMES_MAX: usize = 8;
/// Servers asked, one after the other, for one step.
const TRIES: usize = 2;
/// Wrong datagrams read while waiting for the right one; more means an attack, and the try is given up.
const WRONG_REPLIES_MAX: usize = 16;
/// Records read from one section of a reply.
const RECORDS_MAX: usize = 512;
/// Delegations remembered; a full memory is emptied.
const DELEGATIONS_MAX: usize = 4096;
/// No delegation is remembered for longer.
const DELEGATION_TTL_SECONDS_MAX: u32 = 600;
/// Large enough for every UDP reply, honest or not.
const BUFFER_BYTES: usize = 4096;

/// Extended errors used here (RFC 8914 §4).
const EDE_OTHER: u16 = 0;
const EDE_NO_REACHABLE_AUTHORITY: u16 = 22;
const EDE_NETWORK_ERROR: u16 = 23;

/// How the resolver works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Where it speaks from.
    pub(crate) address: Ipv4Addr,
    /// Where it starts.
    pub(crate) root: Ipv4Addr,
    /// The port of every name server.
    pub(crate) port: u16,
    /// How long one server may take.
    pub(crate) step_timeout: Duration,
    /// For ids.
    pub(crate) seed: u64,
}

/// The resolver as a service.
pub(crate) struct Provider {
    resolver: Arc<Resolver>,
}

impl Provider {
    pub(crate) fn new(settings: Settings) -> Self {
        let rng = Mutex::new(StdRng::seed_from_u64(settings.seed));
        Self { resolver: Arc::new(Resolver { settings, rng, delegations: Mutex::default() }) }
    }
}

impl Service for Provider {
    fn serve(&self, message: &[u8], transport: Transport) -> Served {
        let query = match receive(message) {
            Received::Query(query) => query,
            Received::Fault(complaint) => return Served::Replies(vec![Emission::now(complaint)]),
            Received::Silence => return Served::Replies(Vec::new()),
        };
        let resolver = Arc::clone(&self.resolver);
        Served::Pending(Box::pin(async move {
            let mut reply = resolver.answer(&query).await;
            reply.recursion_available = true;
            reply.compose(&query, transport)
        }))
    }
}

struct Resolver {
    settings: Settings,
    rng: Mutex<StdRng>,
    delegations: Mutex<HashMap<Name, Delegation>>,
}

/// Servers of a zone, as a parent gave them.
#[derive(Clone, Debug)]
struct Delegation {
    zone: Name,
    servers: Vec<Ipv4Addr>,
    expires: Instant,
}

/// An authority's reply, read once.
#[derive(Debug)]
struct Heard {
    rcode: Rcode,
    authoritative: bool,
    truncated: bool,
    answer: Vec<Record>,
    authority: Vec<Record>,
    additional: Vec<Record>,
    extended: Vec<(u16, String)>,
}

/// Why a step brought nothing.
#[derive(Debug)]
enum Fault {
    /// Nobody said anything of use.
    Unreachable,
    /// The servers answered with a code that ends the walk.
    Code(Heard),
}

/// Where one reply leads.
enum Turn {
    Done,
    Ask(Delegation),
    Restart(Name),
    /// CNAMEs in a circle, or more than anyone should follow.
    Endless,
    /// Nonsense.
    Lost,
}

impl Resolver {
    async fn answer(&self, query: &Query) -> Reply {
        if !query.recursion_desired || query.class != Class::IN || matches!(query.qtype, Rtype::AXFR | Rtype::IXFR) {
            return Reply::code(Rcode::REFUSED);
        }
        let mut reply = Reply::default();
        let mut name = query.name.clone();
        let mut delegation = self.nearest(&name);
        for _ in 0..STEPS_MAX {
            let heard = match self.ask(&delegation, &name, query.qtype).await {
                Ok(heard) => heard,
                Err(fault) => return explain(fault, &delegation.zone),
            };
            match self.turn(&heard, &delegation, &name, query.qtype) {
                Turn::Done => {
                    reply.rcode = heard.rcode;
                    reply.answer.extend(heard.answer);
                    reply.authority = heard.authority.into_iter().filter(|r| r.rtype() == Rtype::SOA).collect();
                    reply.extended = heard.extended;
                    return reply;
                }
                Turn::Ask(next) => {
                    self.remember(&next);
                    delegation = next;
                }
                Turn::Restart(target) => {
                    reply.answer.extend(heard.answer);
                    let passed = reply.answer.iter().filter(|record| record.rtype() == Rtype::CNAME);
                    if passed.clone().count() > CNAMES_MAX || passed.clone().any(|record| *record.owner() == target) {
                        return endless();
                    }
                    delegation = self.nearest(&target);
                    name = target;
                }
                Turn::Endless => return endless(),
                Turn::Lost => {
                    let text = format!("servers of {} make no sense", delegation.zone);
                    return Reply::code(Rcode::SERVFAIL).explained(EDE_NO_REACHABLE_AUTHORITY, text);
                }
            }
        }
        Reply::code(Rcode::SERVFAIL).explained(EDE_OTHER, "too many steps from the root")
    }

    /// Reads a reply as an answer, a chain to follow, a referral, a denial, or nonsense.
    fn turn(&self, heard: &Heard, asked: &Delegation, name: &Name, qtype: Rtype) -> Turn {
        if !matches!(heard.rcode, Rcode::NOERROR | Rcode::NXDOMAIN) {
            return Turn::Lost;
        }
        let Some(end) = chain_end(&heard.answer, name, qtype) else { return Turn::Endless };
        let answered = heard.answer.iter().any(|r| r.owner() == end && (qtype == Rtype::ANY || r.rtype() == qtype));
        let denied = heard.authority.iter().any(|record| record.rtype() == Rtype::SOA);
        if answered || heard.rcode == Rcode::NXDOMAIN || (denied && heard.authoritative) {
            return Turn::Done;
        }
        if end != name {
            return Turn::Restart(end.clone());
        }
        if heard.authoritative {
            return Turn::Lost;
        }
        referral(heard, asked, name).map_or(Turn::Lost, Turn::Ask)
    }

    /// Asks the servers of a zone in turn until one says something that counts.
    async fn ask(&self, delegation: &Delegation, name: &Name, qtype: Rtype) -> Result<Heard, Fault> {
        let first = self.random::<u16>() as usize;
        let mut fault = Fault::Unreachable;
        for attempt in 0..TRIES {
            let count = delegation.servers.len().max(1);
            let Some(server) = delegation.servers.get((first + attempt) % count) else { break };
            let Ok(heard) = self.exchange(*server, name, qtype).await else { continue };
            match heard.rcode {
                Rcode::NOERROR | Rcode::NXDOMAIN => return Ok(heard),
                _ => fault = Fault::Code(heard),
            }
        }
        Err(fault)
    }

    async fn exchange(&self, server: Ipv4Addr, name: &Name, qtype: Rtype) -> io::Result<Heard> {
        let id = self.random();
        let query = build(id, name, qtype)?;
        let deadline = Instant::now() + self.settings.step_timeout;
        let heard = self.over_udp(server, &query, deadline).await?;
        if heard.truncated {
            let patience = self.settings.step_timeout;
            return timeout(patience, self.over_tcp(server, &query)).await.map_err(io::Error::other)?;
        }
        Ok(heard)
    }

    /// A fresh connected socket for each question: the kernel drops what comes from elsewhere.
    async fn over_udp(&self, server: Ipv4Addr, query: &[u8], deadline: Instant) -> io::Result<Heard> {
        let socket = UdpSocket::bind(SocketAddrV4::new(self.settings.address, 0)).await?;
        socket.connect(SocketAddrV4::new(server, self.settings.port)).await?;
        socket.send(query).await?;
        let mut buffer = vec![0; BUFFER_BYTES];
        for _ in 0..WRONG_REPLIES_MAX {
            let len = timeout_at(deadline, socket.recv(&mut buffer)).await.map_err(io::Error::other)??;
            if let Some(heard) = read(query, &buffer[..len]) {
                return Ok(heard);
            }
        }
        Err(io::Error::other("too many wrong replies"))
    }

    async fn over_tcp(&self, server: Ipv4Addr, query: &[u8]) -> io::Result<Heard> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddrV4::new(self.settings.address, 0).into())?;
        let mut stream = socket.connect(SocketAddrV4::new(server, self.settings.port).into()).await?;
        stream.write_all(&frame(query)).await?;
        let reply = read_frame(&mut stream).await?;
        read(query, &reply).ok_or_else(|| io::Error::other("wrong reply"))
    }

    /// The deepest delegation we remember above `name`; the root when there is none.
    fn nearest(&self, name: &Name) -> Delegation {
        let now = Instant::now();
        let delegations = self.delegations.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            name.iter_suffixes().find_map(|suffix| delegations.get(suffix.for_slice()).filter(|d| d.expires > now));
        known.cloned().unwrap_or_else(|| Delegation {
            zone: Name::root_vec(),
            servers: vec![self.settings.root],
            expires: now,
        })
    }

    fn remember(&self, delegation: &Delegation) {
        let mut delegations = self.delegations.lock().unwrap_or_else(PoisonError::into_inner);
        if delegations.len() >= DELEGATIONS_MAX {
            delegations.clear();
        }
        delegations.insert(delegation.zone.clone(), delegation.clone());
    }

    fn random<T>(&self) -> T
    where
        rand::distr::StandardUniform: rand::distr::Distribution<T>,
    {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}

/// Where the CNAMEs in an answer lead from `name`; `None` when they do not end within the limit.
fn chain_end<'a>(answer: &'a [Record], name: &'a Name, qtype: Rtype) -> Option<&'a Name> {
    let mut end = name;
    if matches!(qtype, Rtype::CNAME | Rtype::ANY) {
        return Some(end);
    }
    for _ in 0..=CNAMES_MAX {
        let target = answer.iter().find_map(|record| match record.data() {
            ZoneRecordData::Cname(cname) if record.owner() == end => Some(cname.cname()),
            _ => None,
        });
        match target {
            Some(target) => end = target,
            None => return Some(end),
        }
    }
    None
}

fn endless() -> Reply {
    Reply::code(Rcode::SERVFAIL).explained(EDE_OTHER, "CNAME chain too long or circular")
}

/// A delegation downwards: below the zone that was asked and above the name. Anything else is out of bailiwick.
fn referral(heard: &Heard, asked: &Delegation, name: &Name) -> Option<Delegation> {
    let zone = heard.authority.iter().find(|record| record.rtype() == Rtype::NS)?.owner();
    if !name.ends_with(zone) || !zone.ends_with(&asked.zone) || zone == &asked.zone {
        return None;
    }
    let mut servers = Vec::new();
    let mut ttl_seconds = DELEGATION_TTL_SECONDS_MAX;
    for record in heard.authority.iter().filter(|record| record.owner() == zone) {
        let ZoneRecordData::Ns(ns) = record.data() else { continue };
        ttl_seconds = ttl_seconds.min(record.ttl().as_secs());
        servers.extend(heard.additional.iter().filter(|glue| glue.owner() == ns.nsdname()).filter_map(|glue| {
            match glue.data() {
                // The lab's servers live on loopback; glue that leads elsewhere is not followed.
                ZoneRecordData::A(a) if a.addr().is_loopback() => Some(a.addr()),
                _ => None,
            }
        }));
    }
    let expires = Instant::now() + Duration::from_secs(ttl_seconds.into());
    (!servers.is_empty()).then(|| Delegation { zone: zone.clone(), servers, expires })
}

fn explain(fault: Fault, zone: &Name) -> Reply {
    match fault {
        Fault::Unreachable => {
            Reply::code(Rcode::SERVFAIL).explained(EDE_NO_REACHABLE_AUTHORITY, format!("no server of {zone} answered"))
        }
        Fault::Code(heard) => {
            let rcode = match heard.rcode {
                Rcode::FORMERR | Rcode::NOTIMP | Rcode::REFUSED => heard.rcode,
                _ => Rcode::SERVFAIL,
            };
            let text = format!("server of {zone} said {}", heard.rcode);
            let mut reply = Reply::code(rcode).explained(EDE_NETWORK_ERROR, text);
            reply.extended.extend(heard.extended);
            reply
        }
    }
}

fn build(id: u16, name: &Name, qtype: Rtype) -> io::Result<Vec<u8>> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    let mut question = builder.question();
    question.push((name, qtype)).map_err(io::Error::other)?;
    let mut additional = question.additional();
    additional
        .opt(|opt| {
            opt.set_udp_payload_size(UDP_BYTES_MAX);
            Ok(())
        })
        .map_err(io::Error::other)?;
    Ok(additional.finish())
}

/// Reads a reply to `query`; `None` for anything else: wrong id, wrong question, not a reply, not readable.
fn read(query: &[u8], bytes: &[u8]) -> Option<Heard> {
    let query = Message::from_slice(query).ok()?;
    let message = Message::from_slice(bytes).ok()?;
    let header = message.header();
    // A bare complaint may come without the question (FORMERR and NOTIMP often do).
    let bare = bytes.len() >= HEADER_BYTES && message.header_counts().qdcount() == 0;
    let complains = bare && matches!(header.rcode(), Rcode::FORMERR | Rcode::NOTIMP);
    if !header.qr() || header.id() != query.header().id() || !(complains || message.is_answer(query)) {
        return None;
    }
    let opt = message.opt();
    if opt.as_ref().is_some_and(|opt| opt.rcode(header) == OptRcode::BADVERS) {
        return None;
    }
    let mut extended = Vec::new();
    if let Some(opt) = &opt {
        for error in opt.opt().iter::<domain::base::opt::ExtendedError<_>>().flatten().take(4) {
            let text = error.text_slice().map(|text| String::from_utf8_lossy(text).into_owned());
            extended.push((error.code().to_int(), text.unwrap_or_default()));
        }
    }
    let (_, answer, authority, additional) = message.sections().ok()?;
    Some(Heard {
        rcode: header.rcode(),
        authoritative: header.aa(),
        truncated: header.tc(),
        answer: collect(answer)?,
        authority: collect(authority)?,
        additional: collect(additional)?,
        extended,
    })
}

/// The records of a section as our own; `None` when one cannot be read.
fn collect(section: domain::base::message::RecordSection<'_, [u8]>) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    for record in section.take(RECORDS_MAX) {
        let record = record.ok()?;
        // Types that cannot stand in a zone are of no use to a walk.
        let Some(record) = record.into_record::<ZoneRecordData<&[u8], ParsedName<&[u8]>>>().ok()? else { continue };
        let owner = record.owner().to_vec();
        let (class, ttl) = (record.class(), record.ttl());
        records.push(Record::new(owner, class, ttl, record.into_data().try_flatten_into().ok()?));
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use domain::base::Ttl;
    use domain::rdata::{A, Cname, Ns};

    use super::*;

    fn name(text: &str) -> Name {
        Name::vec_from_str(text).unwrap()
    }

    fn record(owner: &str, data: impl Into<crate::message::Data>) -> Record {
        Record::new(name(owner), Class::IN, Ttl::from_secs(60), data.into())
    }

    fn query() -> Query {
        Query {
            id: 7,
            recursion_desired: false,
            checking_disabled: false,
            name: name("www.a.test"),
            qtype: Rtype::A,
            class: Class::IN,
            edns: None,
        }
    }

    fn heard(reply: &Reply) -> Heard {
        let asked = build(7, &query().name, Rtype::A).unwrap();
        read(&asked, &reply.compose(&query(), Transport::Tcp)).unwrap()
    }

    /// Whom a referral for `www.a.test`, heard from the servers of `test`, leads to.
    fn check(zone: &str, server: &str, glue: (&str, [u8; 4]), expected: Option<&str>) {
        let reply = Reply {
            authority: vec![record(zone, Ns::new(name(server)))],
            additional: vec![record(glue.0, A::new(glue.1.into()))],
            ..Reply::default()
        };
        let asked = Delegation { zone: name("test"), servers: Vec::new(), expires: Instant::now() };
        let found = referral(&heard(&reply), &asked, &query().name);
        let found = found.map(|next| format!("{} at {:?}", next.zone, next.servers));
        assert_eq!(found.as_deref(), expected, "{zone} {server} {glue:?}");
    }

    #[test]
    fn only_a_referral_downwards_with_glue_on_loopback_is_followed() {
        let home = [127, 53, 2, 1];
        check("a.test", "ns.a.test", ("ns.a.test", home), Some("a.test at [127.53.2.1]"));
        check("test", "ns.a.test", ("ns.a.test", home), None);
        check(".", "ns.a.test", ("ns.a.test", home), None);
        check("b.test", "ns.b.test", ("ns.b.test", home), None);
        check("a.test", "ns.a.test", ("other.a.test", home), None);
        check("a.test", "ns.a.test", ("ns.a.test", [192, 0, 2, 1]), None);
    }

    #[test]
    fn a_chain_ends_at_its_last_name_or_not_at_all() {
        let link = |from: &str, to: &str| record(from, Cname::new(name(to)));
        let chain = [link("www.a.test", "b.test"), link("b.test", "c.test")];
        let start = name("www.a.test");
        assert_eq!(chain_end(&chain, &start, Rtype::A), Some(&name("c.test")));
        assert_eq!(chain_end(&chain, &start, Rtype::CNAME), Some(&start));
        let circle = [link("www.a.test", "b.test"), link("b.test", "www.a.test")];
        assert_eq!(chain_end(&circle, &start, Rtype::A), None);
    }

    #[test]
    fn a_reply_to_another_question_is_not_heard() {
        let asked = build(7, &query().name, Rtype::A).unwrap();
        let reply = Reply::code(Rcode::NOERROR);
        let heard = |query: &Query| read(&asked, &reply.compose(query, Transport::Tcp)).is_some();
        assert!(heard(&query()));
        assert!(!heard(&Query { id: 8, ..query() }));
        assert!(!heard(&Query { name: name("www.b.test"), ..query() }));
        assert!(!heard(&Query { qtype: Rtype::AAAA, ..query() }));
        assert!(read(&asked, &asked).is_none(), "a query is not a reply");
    }

    proptest! {
        #[test]
        fn damaged_replies_are_read_or_dropped(
            damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<prop::sample::Index>(),
            noise in vec(any::<u8>(), 0..200),
        ) {
            let asked = build(7, &query().name, Rtype::A).unwrap();
            let reply = Reply {
                answer: vec![record("www.a.test", Cname::new(name("b.test"))), record("b.test", A::new([192, 0, 2, 1].into()))],
                authority: vec![record("a.test", Ns::new(name("ns.a.test")))],
                ..Reply::default()
            };
            let mut bytes = reply.compose(&query(), Transport::Tcp);
            for (at, octet) in damage {
                let at = at.index(bytes.len());
                bytes[at] = octet;
            }
            let _ = read(&asked, &bytes);
            bytes.truncate(cut.index(bytes.len() + 1));
            let _ = read(&asked, &bytes);
            let _ = read(&asked, &noise);
        }
    }
}
