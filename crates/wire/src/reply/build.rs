//! Replies and questions written out.

use crate::bytes::patch;
use crate::code::Code;
use crate::cookie::COOKIE_LEN;
use crate::kind;
use crate::name::{Folded, NAME_LEN_MAX, Name};
use crate::reply::{Asked, BlockReply, EDE_TEXT_LEN_MAX, EdeOut, MESSAGE_LEN_MAX, Shape, Shipping, Stored};
use crate::view::{DNSSEC_OK, Edns, HEADER_LEN, Query, Reject, flag, option};

/// OPT without options: root owner, TYPE, CLASS, TTL, RDLENGTH.
const OPT_LEN: usize = 11;

/// OPTION-CODE and OPTION-LENGTH (RFC 6891 §6.1.2).
const OPTION_LEN: usize = 4;

/// SERIAL, REFRESH, RETRY and EXPIRE of the SOA in block answers. Nobody transfers such a zone.
const BLOCK_SOA_NUMBERS: [u32; 4] = [1, 3600, 600, 86_400];

/// MNAME `blocked.invalid` and RNAME `nobody.invalid` (RFC 2606), the second pointing into the first.
const BLOCK_SOA_MNAME: &[u8] = b"\x07blocked\x07invalid\0";
const BLOCK_SOA_RNAME_LABEL: &[u8] = b"\x06nobody";
/// Where `invalid` starts in MNAME.
const BLOCK_SOA_INVALID_OFFSET: usize = 8;

/// Makes a stored packet ready for this query: ID, RD and CD from the query, RA set, question as the client spelled
/// it, TTLs aged, OPT appended when the client sent one; over `size_max` it becomes header + question + OPT with TC.
/// AA stays; AD stays only for clients that sent AD or DO (RFC 6840 §5.8). Returns the length written; the header tells TC.
pub fn ship(stored: &Stored, query: &Query<'_>, shipping: &Shipping<'_>, out: &mut Vec<u8>) -> usize {
    let packet = &stored.packet[..];
    let opt = OptPlan::new(query.edns, stored.rcode, shipping, packet.len());
    out.clear();
    let kept = match packet {
        [_, _, high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    };
    let aa = kept & flag::AA | authority(shipping);
    if packet.len() + opt.len() > size_max(shipping) {
        return bare(query, stored.rcode, flag::TC | aa, shipping, out);
    }
    out.extend_from_slice(packet);
    let wants_ad = query.authentic_data() || query.dnssec_ok();
    let ad = if wants_ad { kept & flag::AD } else { 0 };
    let flags = reply_flags(query.header_flags) | aa | ad | header_rcode(stored.rcode, query.edns);
    patch(out, 0, &query.id.to_be_bytes());
    patch(out, 2, &flags.to_be_bytes());
    patch(out, HEADER_LEN, query.qname.wire());
    age_ttls(out, &stored.ttl_offsets, shipping);
    opt.append(out);
    out.len()
}

/// Takes the age off every TTL, never below 0, and caps it.
fn age_ttls(packet: &mut [u8], ttl_offsets: &[u16], shipping: &Shipping<'_>) {
    for &at in ttl_offsets {
        let Some(ttl) = packet.get_mut(usize::from(at)..).and_then(|rest| rest.first_chunk_mut()) else { continue };
        let left = u32::from_be_bytes(*ttl).saturating_sub(shipping.age_seconds).min(shipping.ttl_max);
        *ttl = left.to_be_bytes();
    }
}

/// A reply with a code and no records (SERVFAIL, REFUSED, blocked as NXDOMAIN or NODATA without SOA …), OPT and EDE when
/// the client sent OPT.
pub fn coded(query: &Query<'_>, rcode: u16, shipping: &Shipping<'_>, out: &mut Vec<u8>) -> usize {
    bare(query, rcode, authority(shipping), shipping, out)
}

/// Header, question and OPT with TC: the client asks again over TCP.
pub fn truncated(query: &Query<'_>, shipping: &Shipping<'_>, out: &mut Vec<u8>) -> usize {
    bare(query, Code::NOERROR.number(), flag::TC | authority(shipping), shipping, out)
}

fn bare(query: &Query<'_>, rcode: u16, more_flags: u16, shipping: &Shipping<'_>, out: &mut Vec<u8>) -> usize {
    out.clear();
    let flags = reply_flags(query.header_flags) | more_flags | header_rcode(rcode, query.edns);
    push_header(out, query.id, flags, [1, 0, 0]);
    push_question(out, query.qname, query.qtype, query.qclass);
    OptPlan::new(query.edns, rcode, shipping, out.len()).append(out);
    out.len()
}

/// The reply to a rejected message: question echoed when readable, OPT when the query had one or the code needs it
/// (BADVERS).
pub fn reject(reject: &Reject<'_>, shipping: &Shipping<'_>, out: &mut Vec<u8>) -> usize {
    out.clear();
    let asked = reject.header_flags();
    // RD, RA and CD mean nothing outside of QUERY.
    let flags = if reject.opcode == kind::OPCODE_QUERY { reply_flags(asked) } else { flag::QR | asked & flag::OPCODE };
    let needs_opt = reject.rcode > flag::RCODE;
    let no_options = Edns { udp_size: 512, dnssec_ok: false, options: &[] };
    let edns = reject.edns.or(needs_opt.then_some(no_options));
    let questions = u16::from(reject.question.is_some());
    push_header(out, reject.id(), flags | header_rcode(reject.rcode, edns), [questions, 0, 0]);
    if let Some((qname, qtype, qclass, _)) = reject.question {
        push_question(out, qname, qtype, qclass);
    }
    OptPlan::new(edns, reject.rcode, shipping, out.len()).append(out);
    out.len()
}

/// A block answer written straight into `out`, as [`block`] and [`ship`] would together, without allocating.
pub fn blocked(query: &Query<'_>, kind: BlockReply, ttl: u32, shipping: &Shipping<'_>, out: &mut Vec<u8>) -> usize {
    out.clear();
    let rcode = kind.rcode();
    push_header(out, query.id, reply_flags(query.header_flags) | rcode, [1, 0, 0]);
    push_question(out, query.qname, query.qtype, query.qclass);
    push_block_record(kind, query.qtype, query.qclass, ttl.min(shipping.ttl_max), out);
    let opt = OptPlan::new(query.edns, rcode, shipping, out.len());
    // Only a limit below 512, which no client can ask for, cuts off a block answer.
    if out.len() + opt.len() > size_max(shipping) {
        return bare(query, rcode, flag::TC, shipping, out);
    }
    opt.append(out);
    out.len()
}

/// A block answer as a stored packet for this question: NXDOMAIN or NODATA with a synthesised SOA (negative TTL = `ttl`),
/// or one address record (A/AAAA with the zero address; other types NODATA), or REFUSED.
#[must_use]
pub fn block(kind: BlockReply, qname: &Folded, qtype: u16, qclass: u16, ttl: u32) -> Stored {
    let mut packet = Vec::with_capacity(HEADER_LEN + NAME_LEN_MAX + 100);
    push_header(&mut packet, 0, flag::QR | kind.rcode(), [1, 0, 0]);
    push_question(&mut packet, qname.name(), qtype, qclass);
    let record = push_block_record(kind, qtype, qclass, ttl, &mut packet);
    let is_answer = matches!(record, BlockRecord::Address { .. });
    let (summary, addresses) = match record {
        BlockRecord::Address { address, .. } => (Some(format!("{} {address}", kind::type_name(qtype))), vec![address]),
        _ => (None, Vec::new()),
    };
    Stored {
        packet: packet.into(),
        ttl_offsets: record.ttl_at().into_iter().collect(),
        rcode: kind.rcode(),
        ttl: record.ttl_at().map(|_| ttl),
        shape: match kind {
            BlockReply::Nxdomain | BlockReply::Refused => Shape::Error,
            BlockReply::Nodata | BlockReply::ZeroAddress if is_answer => Shape::Answer,
            BlockReply::Nodata | BlockReply::ZeroAddress => Shape::Nodata,
        },
        ede: Vec::new(),
        summary,
        answer_count: u16::from(is_answer),
        targets: Vec::new(),
        addresses,
    }
}

/// What a block answer carries behind its question.
enum BlockRecord {
    None,
    Soa { ttl_at: u16 },
    Address { ttl_at: u16, address: std::net::IpAddr },
}

impl BlockRecord {
    fn ttl_at(&self) -> Option<u16> {
        match *self {
            Self::None => None,
            Self::Soa { ttl_at } | Self::Address { ttl_at, .. } => Some(ttl_at),
        }
    }
}

/// Appends the record of a block answer to a header and an uncompressed question, and counts it in the header.
fn push_block_record(kind: BlockReply, qtype: u16, qclass: u16, ttl: u32, out: &mut Vec<u8>) -> BlockRecord {
    use std::net::{Ipv4Addr, Ipv6Addr};
    // The question ends below 12 + 255 + 4 octets.
    let ttl_at = (out.len() + 6) as u16;
    let address = match (kind, qclass, qtype) {
        (BlockReply::Refused, ..) => return BlockRecord::None,
        (BlockReply::ZeroAddress, kind::CLASS_IN, kind::A) => Some(Ipv4Addr::UNSPECIFIED.into()),
        (BlockReply::ZeroAddress, kind::CLASS_IN, kind::AAAA) => Some(Ipv6Addr::UNSPECIFIED.into()),
        _ => None,
    };
    let record = |owner: usize, rtype: u16, rdata_len: usize, out: &mut Vec<u8>| {
        out.extend_from_slice(&pointer(owner));
        out.extend_from_slice(&rtype.to_be_bytes());
        out.extend_from_slice(&qclass.to_be_bytes());
        out.extend_from_slice(&ttl.to_be_bytes());
        out.extend_from_slice(&(rdata_len as u16).to_be_bytes());
    };
    if let Some(address) = address {
        patch(out, 6, &1u16.to_be_bytes());
        let len = if qtype == kind::A { 4 } else { 16 };
        record(HEADER_LEN, qtype, len, out);
        out.resize(out.len() + len, 0);
        return BlockRecord::Address { ttl_at, address };
    }
    patch(out, 8, &1u16.to_be_bytes());
    // The zone that denies the name is the name's parent: NXDOMAIN from a zone of that very name would contradict itself.
    let first_label = usize::from(out.get(HEADER_LEN).copied().unwrap_or(0));
    let owner = if first_label == 0 { HEADER_LEN } else { HEADER_LEN + 1 + first_label };
    let rdata_len = BLOCK_SOA_MNAME.len() + BLOCK_SOA_RNAME_LABEL.len() + 2 + 20;
    record(owner, kind::SOA, rdata_len, out);
    let mname_at = out.len();
    out.extend_from_slice(BLOCK_SOA_MNAME);
    out.extend_from_slice(BLOCK_SOA_RNAME_LABEL);
    out.extend_from_slice(&pointer(mname_at + BLOCK_SOA_INVALID_OFFSET));
    for number in BLOCK_SOA_NUMBERS {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&ttl.to_be_bytes());
    BlockRecord::Soa { ttl_at }
}

/// A query for an upstream: header with RD and AD (so that AD in the reply means something, RFC 6840 §5.7), given ID and
/// CD, the question, OPT with `udp_size` and DO.
pub fn ask(id: u16, question: &Asked<'_>, out: &mut Vec<u8>) -> usize {
    out.clear();
    let checking_disabled = if question.checking_disabled { flag::CD } else { 0 };
    push_header(out, id, flag::RD | flag::AD | checking_disabled, [1, 0, 1]);
    out.extend_from_slice(question.qname);
    out.extend_from_slice(&question.qtype.to_be_bytes());
    out.extend_from_slice(&question.qclass.to_be_bytes());
    push_opt(out, question.udp_size, 0, question.dnssec_ok, 0);
    out.len()
}

/// Flags common to all replies to a query: QR, OPCODE, RD and CD as asked, RA.
fn reply_flags(asked: u16) -> u16 {
    flag::QR | flag::RA | asked & (flag::OPCODE | flag::RD | flag::CD)
}

/// The code as this client gets it. Without OPT a code longer than four bits cannot be told and its low bits would say
/// another, so the client gets SERVFAIL.
#[must_use]
pub fn rcode_sent(rcode: u16, edns: Option<Edns<'_>>) -> u16 {
    if rcode > flag::RCODE && edns.is_none() { Code::SERVFAIL.number() } else { rcode }
}

/// The header's four bits of a code.
fn header_rcode(rcode: u16, edns: Option<Edns<'_>>) -> u16 {
    rcode_sent(rcode, edns) & flag::RCODE
}

fn authority(shipping: &Shipping<'_>) -> u16 {
    if shipping.authoritative { flag::AA } else { 0 }
}

/// Ends a reply that was built otherwise: puts the code into its header, and OPT behind its last record if the client sent
/// one. Nothing may stand in the additional section behind it but TSIG. To leave room, build with `size_max` less
/// [`opt_len_min`] and what TSIG needs.
pub fn append_opt(out: &mut Vec<u8>, edns: Option<Edns<'_>>, rcode: u16, shipping: &Shipping<'_>) {
    if let Some(octet) = out.get_mut(3) {
        *octet = *octet & 0xf0 | header_rcode(rcode, edns) as u8;
    }
    OptPlan::new(edns, rcode, shipping, out.len()).append(out);
}

/// Octets the OPT of a reply takes at least: without what is dropped when there is no room.
#[must_use]
pub fn opt_len_min(edns: Option<Edns<'_>>, shipping: &Shipping<'_>) -> usize {
    let plan = OptPlan { ede: &[], nsid: None, padding_block: None, ..OptPlan::whole(edns, 0, shipping) };
    plan.len()
}

fn size_max(shipping: &Shipping<'_>) -> usize {
    shipping.size_max.min(MESSAGE_LEN_MAX)
}

/// `counts`: questions, answers, additional records.
fn push_header(out: &mut Vec<u8>, id: u16, flags: u16, counts: [u16; 3]) {
    let [[i0, i1], [f0, f1]] = [id, flags].map(u16::to_be_bytes);
    let [[q0, q1], [a0, a1], [r0, r1]] = counts.map(u16::to_be_bytes);
    out.extend_from_slice(&[i0, i1, f0, f1, q0, q1, a0, a1, 0, 0, r0, r1]);
}

fn push_question(out: &mut Vec<u8>, qname: Name<'_>, qtype: u16, qclass: u16) {
    out.extend_from_slice(qname.wire());
    out.extend_from_slice(&qtype.to_be_bytes());
    out.extend_from_slice(&qclass.to_be_bytes());
}

fn push_opt(out: &mut Vec<u8>, udp_size: u16, rcode: u16, dnssec_ok: bool, options_len: usize) {
    let dnssec_ok = if dnssec_ok { DNSSEC_OK } else { 0 };
    let ttl = u32::from(rcode >> 4) << 24 | dnssec_ok;
    let [[y0, y1], [s0, s1], [l0, l1]] = [kind::OPT, udp_size, options_len as u16].map(u16::to_be_bytes);
    let [t0, t1, t2, t3] = ttl.to_be_bytes();
    let record: [u8; OPT_LEN] = [0, y0, y1, s0, s1, t0, t1, t2, t3, l0, l1];
    out.extend_from_slice(&record);
}

/// A compression pointer; `at` lies within the first 16 KiB by what the callers build.
fn pointer(at: usize) -> [u8; 2] {
    (0xc000 | (at as u16 & 0x3fff)).to_be_bytes()
}

/// The OPT of a reply, measured before it is written. What has no room is dropped in this order: texts of extended errors,
/// extended errors, NSID. Padding takes what is left.
struct OptPlan<'a> {
    edns: Option<Edns<'a>>,
    rcode: u16,
    udp_size: u16,
    ede: &'a [EdeOut<'a>],
    texts: bool,
    cookie: Option<[u8; COOKIE_LEN]>,
    nsid: Option<&'a [u8]>,
    keepalive: Option<u16>,
    padding_block: Option<u16>,
    size_max: usize,
}

impl<'a> OptPlan<'a> {
    fn new(edns: Option<Edns<'a>>, rcode: u16, shipping: &Shipping<'a>, before: usize) -> OptPlan<'a> {
        let mut plan = OptPlan::whole(edns, rcode, shipping);
        let room = plan.size_max.saturating_sub(before);
        if plan.len() <= room {
            return plan;
        }
        plan.texts = false;
        if plan.len() <= room {
            return plan;
        }
        plan.ede = &[];
        if plan.len() > room {
            plan.nsid = None;
        }
        plan
    }

    fn whole(edns: Option<Edns<'a>>, rcode: u16, shipping: &Shipping<'a>) -> OptPlan<'a> {
        let Shipping { ede, cookie, nsid, keepalive, padding_block, our_udp_size, .. } = *shipping;
        let size_max = size_max(shipping);
        OptPlan {
            edns,
            rcode,
            udp_size: our_udp_size,
            ede,
            texts: true,
            cookie,
            nsid,
            keepalive,
            padding_block,
            size_max,
        }
    }

    /// Octets without padding.
    fn len(&self) -> usize {
        if self.edns.is_some() { OPT_LEN + self.options_len() } else { 0 }
    }

    fn options_len(&self) -> usize {
        let ede: usize = self.ede.iter().map(|ede| OPTION_LEN + 2 + self.text(ede).len()).sum();
        let cookie = self.cookie.map_or(0, |cookie| OPTION_LEN + cookie.len());
        let nsid = self.nsid.map_or(0, |nsid| OPTION_LEN + nsid.len());
        let keepalive = self.keepalive.map_or(0, |_| OPTION_LEN + 2);
        ede + cookie + nsid + keepalive
    }

    fn text<'e>(&self, ede: &EdeOut<'e>) -> &'e str {
        if self.texts { cut(ede.text, EDE_TEXT_LEN_MAX) } else { "" }
    }

    /// Octets of padding for a message that is `len` long without the option; `None` when there is no room for even that.
    fn padding(&self, len: usize) -> Option<usize> {
        let block = usize::from(self.padding_block?.max(1));
        let room = self.size_max.checked_sub(len + OPTION_LEN)?;
        let wanted = (len + OPTION_LEN).next_multiple_of(block) - len - OPTION_LEN;
        Some(wanted.min(room))
    }

    fn append(&self, out: &mut Vec<u8>) {
        let Some(edns) = self.edns else { return };
        let options_len = self.options_len();
        let padding = self.padding(out.len() + OPT_LEN + options_len);
        let options_len = options_len + padding.map_or(0, |len| OPTION_LEN + len);
        push_opt(out, self.udp_size, self.rcode, edns.dnssec_ok, options_len);
        if let Some(cookie) = self.cookie {
            push_option(option::COOKIE, &cookie, out);
        }
        for ede in self.ede {
            let text = self.text(ede);
            out.extend_from_slice(&option::EXTENDED_ERROR.to_be_bytes());
            out.extend_from_slice(&(2 + text.len() as u16).to_be_bytes());
            out.extend_from_slice(&ede.code.to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        if let Some(nsid) = self.nsid {
            push_option(option::NSID, nsid, out);
        }
        if let Some(keepalive) = self.keepalive {
            push_option(option::TCP_KEEPALIVE, &keepalive.to_be_bytes(), out);
        }
        if let Some(len) = padding {
            out.extend_from_slice(&option::PADDING.to_be_bytes());
            // The whole message has at most 65,535 octets.
            out.extend_from_slice(&(len as u16).to_be_bytes());
            out.resize(out.len() + len, 0);
        }
        let additional = u16::from_be_bytes([out.get(10).copied().unwrap_or(0), out.get(11).copied().unwrap_or(0)]);
        patch(out, 10, &additional.saturating_add(1).to_be_bytes());
    }
}

/// `data` is one of ours, far below 65,536 octets.
fn push_option(code: u16, data: &[u8], out: &mut Vec<u8>) {
    let ([c0, c1], [l0, l1]) = (code.to_be_bytes(), (data.len() as u16).to_be_bytes());
    out.extend_from_slice(&[c0, c1, l0, l1]);
    out.extend_from_slice(data);
}

/// The longest beginning of `text` of at most `len_max` octets that ends between characters.
pub(super) fn cut(text: &str, len_max: usize) -> &str {
    let mut end = text.len().min(len_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
