//! An upstream's message taken apart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::build::cut;
use crate::bytes::{patch, u16_at};
use crate::code::Code;
use crate::kind;
use crate::name::Folded;
use crate::reply::{ADDRESSES_MAX, EDE_MAX, EDE_TEXT_LEN_MAX, MESSAGE_LEN_MAX, NotAReply, Shape, Stored, TARGETS_MAX};
use crate::summary::Summary;
use crate::view::{HEADER_LEN, flag, option};
use crate::walk::{Expanded, Record};

/// TTLs have 31 bits; a set sign bit means 0 (RFC 2181 §8).
const TTL_MAX: u32 = 0x7fff_ffff;

/// Checks an upstream's message against what was asked and takes it apart.
///
/// OPT and TSIG speak to us, not to the client, and are taken out. Records behind them are written anew without
/// compression, because pointers among them would no longer fit.
///
/// # Errors
/// Says whether to keep waiting, to ask over TCP, or to give up on it.
pub fn take(bytes: &[u8], id: u16, qname: &Folded, qtype: u16, qclass: u16) -> Result<Stored, NotAReply> {
    let header = Header::read(bytes).ok_or(NotAReply::Foreign)?;
    if header.id != id || header.flags & flag::QR == 0 || header.flags & flag::OPCODE != 0 {
        return Err(NotAReply::Foreign);
    }
    let body_at = match_question(bytes, &header, qname, qtype, qclass)?;
    if header.flags & flag::TC != 0 {
        return Err(NotAReply::Truncated);
    }
    if bytes.len() > MESSAGE_LEN_MAX {
        return Err(NotAReply::Malformed { at: MESSAGE_LEN_MAX });
    }
    let mut taking = Taking::new(bytes, &header, qname, qtype, qclass);
    taking.records(&header, body_at).map_err(|at| NotAReply::Malformed { at })?;
    taking.finish(&header).map_err(|at| NotAReply::Malformed { at })
}

struct Header {
    id: u16,
    flags: u16,
    questions: u16,
    /// Answer, authority, additional.
    counts: [u16; 3],
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Header> {
        let field = |index: usize| u16_at(bytes, index * 2).ok();
        let counts = [field(3)?, field(4)?, field(5)?];
        Some(Header { id: field(0)?, flags: field(1)?, questions: field(2)?, counts })
    }
}

/// Checks that the message repeats the question; gives where its records start.
fn match_question(bytes: &[u8], header: &Header, qname: &Folded, qtype: u16, qclass: u16) -> Result<usize, NotAReply> {
    // Some servers tell an error with a bare header; it can only say that, so it is taken for the question asked.
    if header.questions == 0 && header.flags & flag::RCODE != 0 && header.counts[0] == 0 && header.counts[1] == 0 {
        return Ok(HEADER_LEN);
    }
    if header.questions != 1 {
        return Err(NotAReply::Foreign);
    }
    let (name, end) = Expanded::read(bytes, HEADER_LEN).map_err(|_| NotAReply::Foreign)?;
    let same = name.wire().eq_ignore_ascii_case(qname.wire())
        && u16_at(bytes, end) == Ok(qtype)
        && u16_at(bytes, end + 2) == Ok(qclass);
    if same { Ok(end + 4) } else { Err(NotAReply::Foreign) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Answer,
    Authority,
    Additional,
}

/// What has been gathered while stepping through the records.
struct Taking<'a> {
    bytes: &'a [u8],
    qtype: u16,
    qclass: u16,
    packet: Vec<u8>,
    ttl_offsets: Vec<u16>,
    /// Records kept per section.
    counts: [u16; 3],
    /// Whether octets still lie in `packet` where they lay in `bytes`.
    in_place: bool,
    opt_seen: bool,
    extended_rcode: u16,
    ttl_min: u32,
    soa_ttl: Option<u32>,
    ns_in_authority: bool,
    type_answered: bool,
    ede: Vec<(u16, String)>,
    summary: Summary,
    targets: Vec<Folded>,
    addresses: Vec<IpAddr>,
}

impl<'a> Taking<'a> {
    fn new(bytes: &'a [u8], header: &Header, qname: &Folded, qtype: u16, qclass: u16) -> Taking<'a> {
        let mut packet = Vec::with_capacity(bytes.len() + qname.wire().len() + 4);
        // AD and RCODE are what the answer is; the other bits belong to the exchange. AA is the authority's to say.
        let kept = flag::QR | header.flags & (flag::AD | flag::RCODE);
        for field in [0, kept, 1, 0, 0, 0] {
            packet.extend_from_slice(&field.to_be_bytes());
        }
        packet.extend_from_slice(qname.wire());
        packet.extend_from_slice(&qtype.to_be_bytes());
        packet.extend_from_slice(&qclass.to_be_bytes());
        Taking {
            bytes,
            qtype,
            qclass,
            packet,
            ttl_offsets: Vec::new(),
            counts: [0; 3],
            // True once the question was there, since it cannot be compressed against anything before it.
            in_place: header.questions == 1,
            opt_seen: false,
            extended_rcode: 0,
            ttl_min: TTL_MAX,
            soa_ttl: None,
            ns_in_authority: false,
            type_answered: false,
            ede: Vec::new(),
            summary: Summary::default(),
            targets: Vec::new(),
            addresses: Vec::new(),
        }
    }

    /// Steps through all records. Ends: each record is at least eleven octets long.
    fn records(&mut self, header: &Header, body_at: usize) -> Result<(), usize> {
        self.in_place &= body_at == self.packet.len();
        let mut at = body_at;
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        for (section, count) in sections.into_iter().zip(header.counts) {
            for _ in 0..count {
                let record = Record::read(self.bytes, at)?;
                self.record(section, &record)?;
                at = record.end();
            }
        }
        if at == self.bytes.len() { Ok(()) } else { Err(at) }
    }

    fn record(&mut self, section: Section, record: &Record) -> Result<(), usize> {
        match (record.rtype, section) {
            (kind::OPT, Section::Additional) => return self.opt(record),
            (kind::OPT | kind::TSIG, Section::Answer | Section::Authority) => return Err(record.start),
            (kind::TSIG, Section::Additional) => {
                self.in_place = false;
                return Ok(());
            }
            _ => {}
        }
        record.check(self.bytes)?;
        let mut ttl = if record.ttl > TTL_MAX { 0 } else { record.ttl };
        match section {
            Section::Answer => self.answer(record)?,
            Section::Authority if record.rtype == kind::SOA => {
                let minimum_at = record.end().saturating_sub(4);
                // RFC 2308 §5: a negative answer lives for the lesser of the two, and so does the SOA that says so.
                ttl = ttl.min(crate::bytes::u32_at(self.bytes, minimum_at)?);
                self.soa_ttl.get_or_insert(ttl);
            }
            Section::Authority => self.ns_in_authority |= record.rtype == kind::NS,
            Section::Additional => {}
        }
        self.ttl_min = self.ttl_min.min(ttl);
        self.keep(section, record, ttl)
    }

    /// Copies a record into the packet, as it is as long as nothing before it was left out.
    fn keep(&mut self, section: Section, record: &Record, ttl: u32) -> Result<(), usize> {
        let ttl_at = if self.in_place {
            self.packet.extend_from_slice(self.bytes.get(record.start..record.end()).ok_or(record.start)?);
            record.ttl_at()
        } else {
            record.write_expanded(self.bytes, &mut self.packet)?
        };
        if self.packet.len() > MESSAGE_LEN_MAX {
            return Err(record.start);
        }
        patch(&mut self.packet, ttl_at, &ttl.to_be_bytes());
        self.ttl_offsets.push(u16::try_from(ttl_at).map_err(|_| record.start)?);
        self.counts[section as usize] += 1;
        Ok(())
    }

    fn answer(&mut self, record: &Record) -> Result<(), usize> {
        if record.class != self.qclass && self.qclass != kind::CLASS_ANY {
            return Ok(());
        }
        self.type_answered |= record.rtype == self.qtype || self.qtype == kind::ANY;
        if record.rtype != kind::RRSIG || self.qtype == kind::RRSIG {
            self.summary.add(self.bytes, record);
        }
        let rdata = record.rdata(self.bytes);
        match record.rtype {
            kind::CNAME | kind::DNAME if self.targets.len() < TARGETS_MAX => {
                let (target, _) = Expanded::read(self.bytes, record.rdata_at())?;
                self.targets.push(target.fold());
            }
            kind::A if self.addresses.len() < ADDRESSES_MAX => {
                let octets = rdata.first_chunk::<4>().copied();
                self.addresses.extend(octets.map(|octets| IpAddr::from(Ipv4Addr::from(octets))));
            }
            kind::AAAA if self.addresses.len() < ADDRESSES_MAX => {
                let octets = rdata.first_chunk::<16>().copied();
                self.addresses.extend(octets.map(|octets| IpAddr::from(Ipv6Addr::from(octets))));
            }
            _ => {}
        }
        Ok(())
    }

    fn opt(&mut self, record: &Record) -> Result<(), usize> {
        if self.opt_seen || self.bytes.get(record.start) != Some(&0) {
            return Err(record.start);
        }
        self.opt_seen = true;
        self.in_place = false;
        self.extended_rcode = (record.ttl >> 24) as u16;
        let mut rest = record.rdata(self.bytes);
        // Options that do not fit are left: the answer is worth more than its remarks.
        while let Some((&[code_high, code_low, high, low], data)) = rest.split_first_chunk() {
            let Some((data, after)) = data.split_at_checked(usize::from(u16::from_be_bytes([high, low]))) else {
                break;
            };
            if u16::from_be_bytes([code_high, code_low]) == option::EXTENDED_ERROR
                && self.ede.len() < EDE_MAX
                && let Some((&code, text)) = data.split_first_chunk()
            {
                self.ede.push((u16::from_be_bytes(code), readable(text)));
            }
            rest = after;
        }
        Ok(())
    }

    fn finish(mut self, header: &Header) -> Result<Stored, usize> {
        for (index, count) in self.counts.into_iter().enumerate() {
            patch(&mut self.packet, 6 + 2 * index, &count.to_be_bytes());
        }
        let rcode = header.flags & flag::RCODE | self.extended_rcode << 4;
        let answered = self.counts[0] > 0;
        let shape = match rcode {
            0 if answered => Shape::Answer,
            0 if self.ns_in_authority && self.soa_ttl.is_none() => Shape::Referral,
            0 => Shape::Nodata,
            _ => Shape::Error,
        };
        Ok(Stored {
            packet: self.packet.into(),
            ttl_offsets: self.ttl_offsets.into(),
            rcode,
            ttl: ttl(rcode, self.type_answered, self.soa_ttl, self.ttl_min),
            shape,
            ede: self.ede,
            summary: self.summary.finish(),
            answer_count: self.counts[0],
            targets: self.targets,
            addresses: self.addresses,
        })
    }
}

/// Seconds an answer may be kept: NXDOMAIN and answers without the type asked for are negative, also at the end of a
/// CNAME chain, and need an SOA (RFC 2308 §5). Failures are not this function's to keep.
fn ttl(rcode: u16, type_answered: bool, soa_ttl: Option<u32>, ttl_min: u32) -> Option<u32> {
    let negative = if rcode == Code::NOERROR.number() {
        !type_answered
    } else if rcode == Code::NXDOMAIN.number() {
        true
    } else {
        return None;
    };
    // `ttl_min` already counts the SOA.
    if negative { soa_ttl.map(|_| ttl_min) } else { Some(ttl_min) }
}

/// Text by strangers for log and screen: valid UTF-8, no control characters, of limited length.
fn readable(text: &[u8]) -> String {
    let text = text.get(..EDE_TEXT_LEN_MAX).unwrap_or(text);
    let text = String::from_utf8_lossy(text);
    // RFC 8914 §2: the text may end with a null octet, which is not part of it.
    let text = text.trim_end_matches('\0');
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(&clean, EDE_TEXT_LEN_MAX).to_owned()
}
