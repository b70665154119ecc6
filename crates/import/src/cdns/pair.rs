//! A pair of query and reply, put together again.

use event::{Event, Outcome};
use wire::kind;
use wire::message::{Builder, Section};
use wire::name::Name;
use wire::reply::MESSAGE_LEN_MAX;
use wire::view::flag;

use super::Version;
use super::block::{Block, Signature, link, narrow};
use crate::blank;
use crate::cbor::Cbor;
use crate::messages;

/// What a signature says there is.
const HAS_QUERY: u64 = 1 << 0;
const HAS_REPLY: u64 = 1 << 1;
const QUERY_HAS_OPT: u64 = 1 << 2;
const QUERY_HAS_NO_QUESTION: u64 = 1 << 4;
const REPLY_HAS_NO_QUESTION: u64 = 1 << 5;

/// Bits of the flags of query and reply, and what they are in a header.
const QUERY_FLAGS: [(u64, u16); 7] =
    [(0, flag::CD), (1, flag::AD), (2, 0x40), (3, flag::RA), (4, flag::RD), (5, flag::TC), (6, flag::AA)];
const QUERY_DO: u64 = 1 << 7;
const REPLY_FLAGS_AT: u64 = 8;

/// No field of version 1.0.
const PICOSECONDS: i64 = i64::MAX;

/// Lists of records of a message.
#[derive(Clone, Copy, Default)]
struct Extended {
    answer: Option<usize>,
    authority: Option<usize>,
    additional: Option<usize>,
}

/// One pair as it is in the file.
#[derive(Clone, Copy, Default)]
pub(super) struct Pair {
    offset: i64,
    client: Option<usize>,
    client_port: u16,
    id: u16,
    signature: Option<usize>,
    delay: Option<i64>,
    name: Option<usize>,
    query_size: u16,
    reply_size: u16,
    query: Extended,
    reply: Extended,
}

type Result<T> = std::result::Result<T, String>;

impl Pair {
    pub(super) fn read(cbor: &mut Cbor, version: Version) -> Result<Pair> {
        let mut pair = Pair::default();
        let mut fields = cbor.map()?;
        while cbor.more(&mut fields)? {
            let key = cbor.integer()?;
            // The first draft has what came later at the end, the second picoseconds in between.
            let key = match (version, key) {
                (Version::V02, 8) => 9,
                (Version::V02, 9) => 11,
                (Version::V02, 10) => 12,
                (Version::V02, 11) => 8,
                (Version::V05, 1 | 8) => PICOSECONDS,
                (Version::V05, 2..=7) => key - 1,
                (Version::V05, 9..=11) => key - 2,
                (Version::V05, 12 | 13) => key - 1,
                _ => key,
            };
            match key {
                0 => pair.offset = cbor.integer()?,
                1 => pair.client = link(cbor.unsigned()?, version),
                2 => pair.client_port = narrow(cbor.unsigned()?),
                3 => pair.id = narrow(cbor.unsigned()?),
                4 => pair.signature = link(cbor.unsigned()?, version),
                6 => pair.delay = Some(cbor.integer()?),
                7 => pair.name = link(cbor.unsigned()?, version),
                8 => pair.query_size = narrow(cbor.unsigned()?),
                9 => pair.reply_size = narrow(cbor.unsigned()?),
                11 => pair.query = extended(cbor, version)?,
                12 => pair.reply = extended(cbor, version)?,
                _ => cbor.skip()?,
            }
        }
        Ok(pair)
    }

    pub(super) fn event(&self, block: &Block, version: Version) -> Result<Event> {
        let signature = self.signature.ok_or("no signature")?;
        let signature = block.signatures.get(signature).ok_or("a signature that is not there")?;
        let client = self.client.ok_or("no address of the client")?;
        let client = block.address(client, signature.is_ipv6(version)).ok_or("an address that is not there")?;
        let time = block.earliest_micros.saturating_add(block.micros(self.offset));
        let mut event = blank::event(time, client, self.client_port, signature.transport(version));
        let has_query = signature.has & HAS_QUERY != 0;
        if has_query {
            messages::put_query(&mut event, &self.query(block, signature)?)?;
            event.query_size = self.query_size;
            event.outcome = Outcome::Timeout;
        }
        if signature.has & HAS_REPLY != 0 {
            messages::put_reply(&mut event, &self.reply(block, signature)?, has_query)?;
            event.reply_size = self.reply_size;
            // Without the OPT record only the signature knows all 12 bits.
            event.rcode = signature.reply_rcode;
            event.outcome = match (event.rcode, event.outcome) {
                (None, _) => Outcome::Unknown,
                (Some(0), Outcome::Nodata | Outcome::Referral) if !block.parameters.has_answers => Outcome::Unknown,
                (Some(0), outcome) => outcome,
                (Some(_), _) => Outcome::Error,
            };
            event.latency_micros = self.delay.map_or(0, |delay| u32::try_from(block.micros(delay)).unwrap_or(0));
        } else if !has_query {
            return Err("neither query nor reply".to_owned());
        }
        Ok(event)
    }

    fn query(&self, block: &Block, signature: &Signature) -> Result<Vec<u8>> {
        let flags = header(signature, 0);
        let mut message = Builder::new(self.id, flags, MESSAGE_LEN_MAX);
        if signature.has & QUERY_HAS_NO_QUESTION == 0 {
            self.put_question(&mut message, block, signature)?;
        }
        put_records(&mut message, block, Section::Answer, self.query.answer)?;
        put_records(&mut message, block, Section::Authority, self.query.authority)?;
        if signature.has & QUERY_HAS_OPT != 0 {
            let dnssec_ok = if signature.dns_flags & QUERY_DO != 0 { 0x8000 } else { 0 };
            let ttl = u32::from(signature.edns_version) << 16 | dnssec_ok;
            let rdata = match signature.opt_rdata {
                Some(at) => block.octets.get(at).ok_or("options that are not there")?,
                None => &Box::default(),
            };
            let _ = message.parts(Section::Additional, Name::ROOT, kind::OPT, signature.udp_size, ttl, rdata);
        }
        put_records(&mut message, block, Section::Additional, self.query.additional)?;
        Ok(message.finish())
    }

    fn reply(&self, block: &Block, signature: &Signature) -> Result<Vec<u8>> {
        let rcode = signature.reply_rcode.unwrap_or(0) & flag::RCODE;
        let flags = flag::QR | header(signature, REPLY_FLAGS_AT) | rcode;
        let mut message = Builder::new(self.id, flags, MESSAGE_LEN_MAX);
        if signature.has & REPLY_HAS_NO_QUESTION == 0 {
            self.put_question(&mut message, block, signature)?;
        }
        put_records(&mut message, block, Section::Answer, self.reply.answer)?;
        put_records(&mut message, block, Section::Authority, self.reply.authority)?;
        put_records(&mut message, block, Section::Additional, self.reply.additional)?;
        Ok(message.finish())
    }

    fn put_question(&self, message: &mut Builder, block: &Block, signature: &Signature) -> Result<()> {
        let (Some(name), Some(class_type)) = (self.name, signature.class_type) else { return Ok(()) };
        let &(qtype, qclass) = block.class_types.get(class_type).ok_or("a type that is not there")?;
        message.question(name_at(block, name)?, qtype, qclass);
        Ok(())
    }
}

fn header(signature: &Signature, from: u64) -> u16 {
    let set = QUERY_FLAGS.iter().filter(|(bit, _)| signature.dns_flags >> (from + bit) & 1 != 0);
    set.fold(u16::from(signature.opcode) << 11, |flags, (_, flag)| flags | flag)
}

fn name_at(block: &Block, at: usize) -> Result<Name<'_>> {
    let octets = block.octets.get(at).ok_or("a name that is not there")?;
    Ok(Name::new(octets).ok_or("a name that is none")?)
}

/// Adds the records of a list, as many as fit into a message.
fn put_records(message: &mut Builder, block: &Block, section: Section, list: Option<usize>) -> Result<()> {
    let Some(list) = list else { return Ok(()) };
    for at in block.rr_lists.get(list).ok_or("a list of records that is not there")? {
        let rr = block.rrs.get(*at).ok_or("a record that is not there")?;
        let &(rtype, class) = block.class_types.get(rr.class_type).ok_or("a type that is not there")?;
        let rdata = block.octets.get(rr.rdata).ok_or("data that is not there")?;
        if !message.parts(section, name_at(block, rr.name)?, rtype, class, rr.ttl, rdata) {
            break;
        }
    }
    Ok(())
}

fn extended(cbor: &mut Cbor, version: Version) -> Result<Extended> {
    let mut extended = Extended::default();
    let mut fields = cbor.map()?;
    while cbor.more(&mut fields)? {
        match cbor.integer()? {
            1 => extended.answer = link(cbor.unsigned()?, version),
            2 => extended.authority = link(cbor.unsigned()?, version),
            3 => extended.additional = link(cbor.unsigned()?, version),
            _ => cbor.skip()?,
        }
    }
    Ok(extended)
}
