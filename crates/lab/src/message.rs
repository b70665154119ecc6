//! Messages as the lab's servers see them: a query read with all its faults, a reply built to fit.
//!
//! Knows nothing of zones or sockets. Strangers' bytes come in only through [`receive`].

use domain::base::iana::{Class, Opcode, OptRcode, Rcode, Rtype};
use domain::base::message_builder::{HashCompressor, PushError};
use domain::base::opt::ExtendedError;
use domain::base::{Message, MessageBuilder, ToName};
use domain::rdata::ZoneRecordData;

/// An owned name; compares and hashes without regard to case.
pub(crate) type Name = domain::base::Name<Vec<u8>>;
/// Record data that owns its octets.
pub(crate) type Data = ZoneRecordData<Vec<u8>, Name>;
/// A record that owns its octets.
pub(crate) type Record = domain::base::Record<Name, Data>;

/// Octets of a DNS header.
pub(crate) const HEADER_BYTES: usize = 12;
/// What a client without EDNS can take over UDP (RFC 1035 §4.2.1).
const PLAIN_UDP_BYTES: u16 = 512;
/// The most the lab sends over UDP, whatever the client offers: fits every path without fragments.
pub(crate) const UDP_BYTES_MAX: u16 = 1232;
/// The most a TCP frame can carry.
const TCP_BYTES_MAX: usize = 65_535;
/// Records in a query beyond which it is not worth reading: ordinary ones carry one (OPT), transfers and signatures two more.
const QUERY_RECORDS_MAX: u32 = 16;
/// An OPT record without options.
const OPT_BYTES: usize = 11;
/// Code, length and number in front of an extended error's text.
const EXTENDED_ERROR_BYTES: usize = 6;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram, size limited by the client's offer.
    Udp,
    /// Framed by two octets of length.
    Tcp,
}

impl Transport {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// What a client said in its OPT record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edns {
    /// The datagram it can take.
    pub(crate) udp_bytes: u16,
    /// Whether it wants DNSSEC records.
    pub(crate) dnssec_ok: bool,
}

/// A query without faults.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) id: u16,
    pub(crate) recursion_desired: bool,
    pub(crate) checking_disabled: bool,
    pub(crate) name: Name,
    pub(crate) qtype: Rtype,
    pub(crate) class: Class,
    pub(crate) edns: Option<Edns>,
}

/// What became of received bytes.
#[derive(Debug)]
pub(crate) enum Received {
    /// Something to answer.
    Query(Query),
    /// Something to complain about: the complaint, ready to send.
    Fault(Vec<u8>),
    /// Something to leave alone: a scrap, or a reply (answering replies makes two servers talk for ever).
    Silence,
}

/// Reads what came from a socket.
pub(crate) fn receive(bytes: &[u8]) -> Received {
    let Ok(message) = Message::from_slice(bytes) else { return Received::Silence };
    let header = message.header();
    if header.qr() {
        return Received::Silence;
    }
    if header.opcode() != Opcode::QUERY {
        return Received::Fault(complaint(bytes, OptRcode::from_rcode(Rcode::NOTIMP)));
    }
    match read(message) {
        Ok(query) => Received::Query(query),
        Err(rcode) => Received::Fault(complaint(bytes, rcode)),
    }
}

fn read(message: &Message<[u8]>) -> Result<Query, OptRcode> {
    const FORMERR: OptRcode = OptRcode::from_rcode(Rcode::FORMERR);
    let counts = message.header_counts();
    let records = u32::from(counts.ancount()) + u32::from(counts.nscount()) + u32::from(counts.arcount());
    if counts.qdcount() != 1 || records > QUERY_RECORDS_MAX {
        return Err(FORMERR);
    }
    let question = message.sole_question().map_err(|_| FORMERR)?;
    let edns = read_edns(message)?;
    let header = message.header();
    Ok(Query {
        id: header.id(),
        recursion_desired: header.rd(),
        checking_disabled: header.cd(),
        name: question.qname().to_vec(),
        qtype: question.qtype(),
        class: question.qclass(),
        edns,
    })
}

/// Walks the records behind the question: at most one OPT, owned by the root, and nothing after the last record.
fn read_edns(message: &Message<[u8]>) -> Result<Option<Edns>, OptRcode> {
    const FORMERR: OptRcode = OptRcode::from_rcode(Rcode::FORMERR);
    let mut section = message.additional().map_err(|_| FORMERR)?;
    let mut edns = None;
    let mut version = 0;
    for record in section.by_ref() {
        let record = record.map_err(|_| FORMERR)?;
        if record.rtype() != Rtype::OPT {
            continue;
        }
        if edns.is_some() || !record.owner().is_root() {
            return Err(FORMERR);
        }
        match record.to_record::<domain::base::opt::Opt<_>>() {
            Ok(Some(_)) => {}
            _ => return Err(FORMERR),
        }
        // RFC 6891 §6.1.3: the TTL field holds extended RCODE, version and flags; the class holds the size.
        let [_, record_version, flags, _] = record.ttl().as_secs().to_be_bytes();
        version = record_version;
        edns = Some(Edns { udp_bytes: record.class().to_int(), dnssec_ok: flags & 0x80 != 0 });
    }
    if section.pos() != message.as_slice().len() {
        return Err(FORMERR);
    }
    if version > 0 {
        return Err(OptRcode::BADVERS);
    }
    Ok(edns)
}

/// A bare header with the code; with an OPT record when the code does not fit the header.
fn complaint(query: &[u8], rcode: OptRcode) -> Vec<u8> {
    const QR: u8 = 0x80;
    const OPCODE_AND_RD: u8 = 0x79;
    let mut reply = vec![0; HEADER_BYTES];
    reply[..2].copy_from_slice(&query[..2]);
    reply[2] = QR | (query[2] & OPCODE_AND_RD);
    reply[3] = rcode.rcode().to_int();
    if rcode.ext() > 0 {
        reply[11] = 1;
        let [high, low] = UDP_BYTES_MAX.to_be_bytes();
        reply.extend_from_slice(&[0, 0, 41, high, low, rcode.ext(), 0, 0, 0, 0, 0]);
    }
    reply
}

/// What a server has to say to a query.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) rcode: Rcode,
    pub(crate) authoritative: bool,
    pub(crate) recursion_available: bool,
    /// Sends an empty reply with TC set, whatever the size.
    pub(crate) truncated: bool,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    /// Extended errors: number and text.
    pub(crate) extended: Vec<(u16, String)>,
}

impl Default for Reply {
    fn default() -> Self {
        Self::code(Rcode::NOERROR)
    }
}

impl Reply {
    /// A reply of nothing but a code.
    pub(crate) fn code(rcode: Rcode) -> Self {
        Self {
            rcode,
            authoritative: false,
            recursion_available: false,
            truncated: false,
            answer: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            extended: Vec::new(),
        }
    }

    /// Adds an extended error.
    pub(crate) fn explained(mut self, number: u16, text: impl Into<String>) -> Self {
        self.extended.push((number, text.into()));
        self
    }

    /// The reply's octets, no more than the client can take: a reply that does not fit goes out empty, with TC.
    pub(crate) fn compose(&self, query: &Query, transport: Transport) -> Vec<u8> {
        let limit = match transport {
            Transport::Tcp => TCP_BYTES_MAX,
            Transport::Udp => {
                let offered = query.edns.map_or(PLAIN_UDP_BYTES, |edns| edns.udp_bytes);
                usize::from(offered.clamp(PLAIN_UDP_BYTES, UDP_BYTES_MAX))
            }
        };
        if !self.truncated
            && let Ok(bytes) = self.build(query, limit, Fill::All)
        {
            return bytes;
        }
        // Header, question and OPT always fit 512 octets unless an extended error's text is long: then it goes first.
        self.build(query, limit, Fill::Question)
            .or_else(|_| Self::code(self.rcode).build(query, limit, Fill::Question))
            .unwrap_or_default()
    }

    fn build(&self, query: &Query, limit: usize, fill: Fill) -> Result<Vec<u8>, PushError> {
        let target = HashCompressor::new(Vec::with_capacity(512));
        let mut builder = MessageBuilder::from_target(target).map_err(|_| PushError::ShortBuf)?;
        builder.set_push_limit(limit.saturating_sub(self.opt_bytes(query)));
        let header = builder.header_mut();
        header.set_id(query.id);
        header.set_qr(true);
        header.set_rd(query.recursion_desired);
        header.set_cd(query.checking_disabled);
        header.set_aa(self.authoritative);
        header.set_ra(self.recursion_available);
        header.set_rcode(self.rcode);
        header.set_tc(fill == Fill::Question);
        let mut question = builder.question();
        question.push((&query.name, query.qtype, query.class))?;
        let mut answer = question.answer();
        if fill == Fill::All {
            self.answer.iter().try_for_each(|record| answer.push(record))?;
        }
        let mut authority = answer.authority();
        if fill == Fill::All {
            self.authority.iter().try_for_each(|record| authority.push(record))?;
        }
        let mut additional = authority.additional();
        if fill == Fill::All {
            for record in &self.additional {
                if let Err(error) = additional.push(record) {
                    // Some glue may go missing, but not all of it (RFC 9471 §3.1). Beside an answer it is only a kindness.
                    if self.answer.is_empty() && additional.counts().arcount() == 0 {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        if let Some(edns) = query.edns {
            additional.clear_push_limit();
            additional.opt(|opt| {
                opt.set_udp_payload_size(UDP_BYTES_MAX);
                opt.set_dnssec_ok(edns.dnssec_ok);
                for (number, text) in &self.extended {
                    if let Ok(error) = ExtendedError::<Vec<u8>>::new_with_str((*number).into(), text) {
                        opt.push(&error)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(additional.finish().into_target())
    }

    fn opt_bytes(&self, query: &Query) -> usize {
        let options: usize = self.extended.iter().map(|(_, text)| EXTENDED_ERROR_BYTES + text.len()).sum();
        query.edns.map_or(0, |_| OPT_BYTES + options)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    All,
    Question,
}
