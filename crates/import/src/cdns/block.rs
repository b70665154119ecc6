//! A block: its preamble and its tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use event::Transport;

use super::{Parameters, Version};
use crate::cbor::{Cbor, Left};
use crate::reader::Notes;

/// Entries of all tables of a block, and octets in them.
const ENTRIES_MAX: usize = 1 << 20;
const OCTETS_MAX: usize = 64 << 20;
/// Longest entry, octets: record data has 16 bits of length.
const ENTRY_LEN_MAX: usize = 65_535;

/// A record by its parts' places in the tables.
#[derive(Clone, Copy, Default)]
pub(super) struct Rr {
    pub(super) name: usize,
    pub(super) class_type: usize,
    pub(super) ttl: u32,
    pub(super) rdata: usize,
}

/// What many pairs have in common.
#[derive(Clone, Copy, Default)]
pub(super) struct Signature {
    pub(super) transport_flags: u64,
    pub(super) has: u64,
    pub(super) opcode: u8,
    pub(super) dns_flags: u64,
    pub(super) class_type: Option<usize>,
    pub(super) edns_version: u8,
    pub(super) udp_size: u16,
    pub(super) opt_rdata: Option<usize>,
    pub(super) reply_rcode: Option<u16>,
}

impl Signature {
    pub(super) fn transport(&self, version: Version) -> Transport {
        let number = if version == Version::V10 { self.transport_flags >> 1 & 0xf } else { self.transport_flags & 1 };
        match number {
            1 => Transport::Tcp,
            2 => Transport::Dot,
            4 => Transport::Doh,
            // UDP; DTLS and what is not standard have no word.
            _ => Transport::Udp,
        }
    }

    pub(super) fn is_ipv6(&self, version: Version) -> bool {
        let bit = if version == Version::V10 { 0 } else { 1 };
        self.transport_flags >> bit & 1 != 0
    }
}

/// What is held of a block.
pub(super) struct Block {
    /// Time offsets count from here, microseconds since the epoch.
    pub(super) earliest_micros: i64,
    pub(super) parameters: Parameters,
    addresses: Vec<Box<[u8]>>,
    pub(super) class_types: Vec<(u16, u16)>,
    pub(super) octets: Vec<Box<[u8]>>,
    pub(super) signatures: Vec<Signature>,
    pub(super) rr_lists: Vec<Box<[usize]>>,
    pub(super) rrs: Vec<Rr>,
    entries: usize,
    octet_count: usize,
    rest: Left,
}

type Result<T> = std::result::Result<T, String>;

impl Block {
    /// Reads a block up to its pairs; `None` of them when it has none.
    pub(super) fn begin(cbor: &mut Cbor, version: Version, parameters: &[Parameters]) -> Result<(Block, Option<Left>)> {
        let mut block = Block {
            earliest_micros: 0,
            parameters: parameters.first().copied().unwrap_or_default(),
            addresses: Vec::new(),
            class_types: Vec::new(),
            octets: Vec::new(),
            signatures: Vec::new(),
            rr_lists: Vec::new(),
            rrs: Vec::new(),
            entries: 0,
            octet_count: 0,
            rest: cbor.map()?,
        };
        let mut rest = block.rest;
        let mut tables_seen = false;
        while cbor.more(&mut rest)? {
            match cbor.integer()? {
                0 => block.preamble(cbor, version, parameters)?,
                2 => {
                    block.tables(cbor, version)?;
                    tables_seen = true;
                }
                3 if !tables_seen => return Err("pairs before the tables they point into".to_owned()),
                3 => {
                    block.rest = rest;
                    return Ok((block, Some(cbor.array()?)));
                }
                _ => cbor.skip()?,
            }
        }
        Ok((block, None))
    }

    /// Reads what follows the pairs.
    pub(super) fn end(&mut self, cbor: &mut Cbor, notes: &mut Notes) -> Result<()> {
        while cbor.more(&mut self.rest)? {
            if cbor.integer()? != 5 {
                cbor.skip()?;
                continue;
            }
            let mut malformed = cbor.array()?;
            while cbor.more(&mut malformed)? {
                notes.count("messages kept as malformed");
                cbor.skip()?;
            }
        }
        Ok(())
    }

    /// Ticks of this block as microseconds.
    pub(super) fn micros(&self, ticks: i64) -> i64 {
        let micros = i128::from(ticks) * 1_000_000 / i128::from(self.parameters.ticks);
        i64::try_from(micros).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX })
    }

    fn preamble(&mut self, cbor: &mut Cbor, version: Version, parameters: &[Parameters]) -> Result<()> {
        let (mut seconds, mut parts) = (0, 0);
        let mut fields = cbor.map()?;
        while cbor.more(&mut fields)? {
            match (cbor.integer()?, version) {
                (0, Version::V10) | (1, Version::V02 | Version::V05) => {
                    let mut time = cbor.array()?;
                    let mut at = 0;
                    while cbor.more(&mut time)? {
                        match at {
                            0 => seconds = cbor.integer()?,
                            1 => parts = cbor.integer()?,
                            _ => cbor.skip()?,
                        }
                        at += 1;
                    }
                }
                (1, Version::V10) => {
                    let index = usize::try_from(cbor.unsigned()?).unwrap_or(usize::MAX);
                    self.parameters = *parameters.get(index).ok_or("block parameters that are not there")?;
                }
                _ => cbor.skip()?,
            }
        }
        self.earliest_micros = seconds.saturating_mul(1_000_000).saturating_add(self.micros(parts));
        Ok(())
    }

    fn tables(&mut self, cbor: &mut Cbor, version: Version) -> Result<()> {
        let mut tables = cbor.map()?;
        while cbor.more(&mut tables)? {
            let table = cbor.integer()?;
            if !matches!(table, 0..=3 | 6 | 7) {
                cbor.skip()?;
                continue;
            }
            let mut entries = cbor.array()?;
            while cbor.more(&mut entries)? {
                self.count(1)?;
                self.entry(cbor, table, version)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, entries: usize) -> Result<()> {
        self.entries += entries;
        if self.entries > ENTRIES_MAX {
            return Err(format!("a block with more than {ENTRIES_MAX} entries in its tables"));
        }
        Ok(())
    }

    fn string(&mut self, cbor: &mut Cbor) -> Result<Box<[u8]>> {
        let octets = cbor.bytes(ENTRY_LEN_MAX)?;
        self.octet_count += octets.len();
        if self.octet_count > OCTETS_MAX {
            return Err(format!("a block with more than {OCTETS_MAX} octets in its tables"));
        }
        Ok(octets.into())
    }

    fn entry(&mut self, cbor: &mut Cbor, table: i64, version: Version) -> Result<()> {
        match table {
            0 => {
                let address = self.string(cbor)?;
                self.addresses.push(address);
            }
            1 => {
                let [rtype, class] = numbers(cbor)?;
                self.class_types.push((narrow(rtype), narrow(class)));
            }
            2 => {
                let octets = self.string(cbor)?;
                self.octets.push(octets);
            }
            3 => self.signatures.push(signature(cbor, version)?),
            6 => {
                let mut list = cbor.array()?;
                let mut places = Vec::new();
                while cbor.more(&mut list)? {
                    self.count(1)?;
                    places.push(place(cbor.unsigned()?, version));
                }
                self.rr_lists.push(places.into());
            }
            _ => {
                let [name, class_type, ttl, rdata] = numbers(cbor)?;
                let ttl = u32::try_from(ttl).unwrap_or(0);
                self.rrs.push(Rr {
                    name: place(name, version),
                    class_type: place(class_type, version),
                    ttl,
                    rdata: place(rdata, version),
                });
            }
        }
        Ok(())
    }

    /// An address of the table; one cut short to hide who asked has zeros in place of what was cut.
    pub(super) fn address(&self, at: usize, is_ipv6: bool) -> Option<IpAddr> {
        let octets = self.addresses.get(at)?;
        let mut whole = [0; 16];
        whole.get_mut(..octets.len())?.copy_from_slice(octets);
        match octets.len() {
            4 => {}
            16 => return Some(Ipv6Addr::from(whole).into()),
            _ if is_ipv6 => return Some(Ipv6Addr::from(whole).into()),
            0..4 => {}
            _ => return None,
        }
        Some(Ipv4Addr::new(whole[0], whole[1], whole[2], whole[3]).into())
    }
}

/// The values of a map with the keys 0 to N-1; 0 for those that are not there.
fn numbers<const N: usize>(cbor: &mut Cbor) -> Result<[u64; N]> {
    let mut values = [0; N];
    let mut fields = cbor.map()?;
    while cbor.more(&mut fields)? {
        let key = cbor.integer()?;
        match usize::try_from(key).ok().and_then(|key| values.get_mut(key)) {
            Some(value) => *value = cbor.unsigned()?,
            None => cbor.skip()?,
        }
    }
    Ok(values)
}

fn signature(cbor: &mut Cbor, version: Version) -> Result<Signature> {
    let mut signature = Signature::default();
    let mut fields = cbor.map()?;
    while cbor.more(&mut fields)? {
        let key = cbor.integer()?;
        // The drafts have no type of transaction, which is 3.
        let key = if version == Version::V10 || key < 3 { key } else { key + 1 };
        match key {
            2 => signature.transport_flags = cbor.unsigned()?,
            4 => signature.has = has(cbor.unsigned()?, version),
            5 => signature.opcode = (cbor.unsigned()? & 0xf) as u8,
            6 => signature.dns_flags = cbor.unsigned()?,
            8 => signature.class_type = link(cbor.unsigned()?, version),
            13 => signature.edns_version = cbor.unsigned()?.try_into().unwrap_or(u8::MAX),
            14 => signature.udp_size = narrow(cbor.unsigned()?),
            15 => signature.opt_rdata = link(cbor.unsigned()?, version),
            16 => signature.reply_rcode = Some(narrow(cbor.unsigned()?)),
            _ => cbor.skip()?,
        }
    }
    Ok(signature)
}

/// What there is, in the bits of version 1.0: the drafts say that the query has a question, and have it between the others.
fn has(bits: u64, version: Version) -> u64 {
    if version == Version::V10 {
        return bits;
    }
    let no_question = if bits >> 2 & 1 == 0 { 1 << 4 } else { 0 };
    bits & 0b11 | bits >> 1 & 0b1100 | no_question | bits & 1 << 5
}

/// A place in a table; one that does not fit is in no table. The drafts count from 1, and 0 is none.
pub(super) fn place(number: u64, version: Version) -> usize {
    let first = if version == Version::V10 { 0 } else { 1 };
    number.checked_sub(first).and_then(|place| usize::try_from(place).ok()).unwrap_or(usize::MAX)
}

/// A place that need not be there.
pub(super) fn link(number: u64, version: Version) -> Option<usize> {
    Some(place(number, version)).filter(|_| number > 0 || version == Version::V10)
}

pub(super) fn narrow(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}
