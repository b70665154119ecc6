//! Walking a message by strangers: names with compression, records one after another.
//!
//! Errors are the octet where reading failed. A compression pointer must point before the place it stands at and before
//! every place followed so far (RFC 1035 §4.1.4 says *prior occurrence*), so following them ends. No name occurs in the header,
//! which is written anew for every client: a name read there would be another for each.

use std::ops::Range;

use crate::bytes::{slice_at, u16_at, u32_at};
use crate::kind;
use crate::name::{Folded, LABEL_LEN_MAX, NAME_LEN_MAX, Name};
use crate::view::HEADER_LEN;

/// The two high bits of a length octet: both set mark a pointer, one set is unassigned.
const POINTER: u8 = 0xc0;

/// Pointers followed for one name: each of a name's labels, of which there are at most 127, can come from another place. More
/// would be pointers to pointers, and a message of many records could have the same long chain walked for every one.
const POINTERS_MAX: usize = NAME_LEN_MAX / 2;

/// Steps over a name without following its pointer; gives where it ends.
pub(crate) fn skip_name(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let mut at = start;
    // Ends: every turn moves on, and not past NAME_LEN_MAX.
    loop {
        let len = *bytes.get(at).ok_or(bytes.len())?;
        if len & POINTER == POINTER {
            let target = usize::from(u16_at(bytes, at)? & 0x3fff);
            return if (HEADER_LEN..start).contains(&target) { Ok(at + 2) } else { Err(at) };
        }
        let next = at + 1 + usize::from(len);
        if usize::from(len) > LABEL_LEN_MAX || next - start > NAME_LEN_MAX {
            return Err(at);
        }
        if len == 0 {
            return Ok(next);
        }
        at = next;
    }
}

/// A name taken out of its message: uncompressed, case as it came.
pub(crate) struct Expanded {
    len: usize,
    octets: [u8; NAME_LEN_MAX],
}

impl Expanded {
    /// Reads the name at `start`; gives it and where it ends there.
    pub(crate) fn read(bytes: &[u8], start: usize) -> Result<(Expanded, usize), usize> {
        let mut name = Expanded { len: 0, octets: [0; NAME_LEN_MAX] };
        let mut at = start;
        let mut lowest = start;
        let mut end = None;
        let mut pointers = 0;
        // Ends: a label makes the name longer and a pointer their count, and both are limited.
        loop {
            let len = *bytes.get(at).ok_or(bytes.len())?;
            if len & POINTER == POINTER {
                let target = usize::from(u16_at(bytes, at)? & 0x3fff);
                if !(HEADER_LEN..lowest).contains(&target) || pointers == POINTERS_MAX {
                    return Err(at);
                }
                pointers += 1;
                end.get_or_insert(at + 2);
                lowest = target;
                at = target;
                continue;
            }
            if usize::from(len) > LABEL_LEN_MAX {
                return Err(at);
            }
            let label = slice_at(bytes, at, 1 + usize::from(len))?;
            name.octets.get_mut(name.len..name.len + label.len()).ok_or(at)?.copy_from_slice(label);
            name.len += label.len();
            at += label.len();
            if len == 0 {
                return Ok((name, end.unwrap_or(at)));
            }
        }
    }

    pub(crate) fn wire(&self) -> &[u8] {
        &self.octets[..self.len]
    }

    pub(crate) fn fold(&self) -> Folded {
        // `read` gives only valid names, so the root never stands in for another.
        Name::new(self.wire()).map_or_else(Folded::root, Name::fold)
    }
}

/// One record where it lies.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    /// Where its owner name starts.
    pub(crate) start: usize,
    /// Where the owner name ends and TYPE starts.
    pub(crate) fixed: usize,
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) rdata_len: usize,
}

impl Record {
    pub(crate) fn read(bytes: &[u8], start: usize) -> Result<Record, usize> {
        let (_, fixed) = Expanded::read(bytes, start)?;
        let record = Record {
            start,
            fixed,
            rtype: u16_at(bytes, fixed)?,
            class: u16_at(bytes, fixed + 2)?,
            ttl: u32_at(bytes, fixed + 4)?,
            rdata_len: usize::from(u16_at(bytes, fixed + 8)?),
        };
        slice_at(bytes, record.rdata_at(), record.rdata_len)?;
        Ok(record)
    }

    pub(crate) fn ttl_at(&self) -> usize {
        self.fixed + 4
    }

    pub(crate) fn rdata_at(&self) -> usize {
        self.fixed + 10
    }

    pub(crate) fn end(&self) -> usize {
        self.rdata_at() + self.rdata_len
    }

    pub(crate) fn rdata<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        slice_at(bytes, self.rdata_at(), self.rdata_len).unwrap_or_default()
    }

    /// Where the names that may be compressed lie in the data: octets before the first, and how many follow each other
    /// (RFC 1035 §3.3, RFC 3597 §4). What comes behind them is never compressed. `(0, 0)` for types without.
    fn names(&self, bytes: &[u8]) -> Result<(usize, usize), usize> {
        Ok(match self.rtype {
            // NS, MD, MF, CNAME, MB, MG, MR, PTR, NSAP-PTR, NXT, DNAME, NSEC.
            2..=5 | 7..=9 | 12 | 23 | 30 | 39 | 47 => (0, 1),
            // SOA, MINFO, RP.
            6 | 14 | 17 => (0, 2),
            // MX, AFSDB, RT, KX.
            15 | 18 | 21 | 36 => (2, 1),
            // PX.
            26 => (2, 2),
            kind::SRV => (6, 1),
            // SIG, RRSIG.
            24 | 46 => (18, 1),
            // NAPTR: order, preference, three character strings.
            35 => {
                let mut at = self.rdata_at() + 4;
                for _ in 0..3 {
                    at += 1 + usize::from(*bytes.get(at).ok_or(bytes.len())?);
                }
                (at - self.rdata_at(), 1)
            }
            _ => (0, 0),
        })
    }

    /// Checks that the data of types with names has names there, and of addresses the right length.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(), usize> {
        self.for_each_name(bytes, |_| {}).and_then(|names_end| {
            let rest = self.end() - names_end;
            let right = match self.rtype {
                kind::A if self.class == kind::CLASS_IN => self.rdata_len == 4,
                kind::AAAA if self.class == kind::CLASS_IN => self.rdata_len == 16,
                kind::SOA => rest == 20,
                kind::NS | kind::CNAME | kind::PTR | kind::DNAME | kind::MX | kind::SRV => rest == 0,
                _ => true,
            };
            if right { Ok(()) } else { Err(self.rdata_at()) }
        })
    }

    /// Calls `each` with the data's names in order; gives where they end.
    pub(crate) fn for_each_name(&self, bytes: &[u8], mut each: impl FnMut(&Expanded)) -> Result<usize, usize> {
        let (before, count) = self.names(bytes)?;
        let mut at = self.rdata_at() + before;
        for _ in 0..count {
            let (name, end) = Expanded::read(bytes, at)?;
            each(&name);
            at = end;
        }
        // A name may not run out of its record into the next.
        if at <= self.end() { Ok(at) } else { Err(self.rdata_at()) }
    }

    /// Writes the record without compression, so that it no longer depends on where it lies; gives where its TTL is.
    pub(crate) fn write_expanded(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, usize> {
        let (owner, _) = Expanded::read(bytes, self.start)?;
        out.extend_from_slice(owner.wire());
        let ttl_at = out.len() + 4;
        out.extend_from_slice(slice_at(bytes, self.fixed, 10)?);
        let data_start = out.len();
        let (before, _) = self.names(bytes)?;
        out.extend_from_slice(slice_at(bytes, self.rdata_at(), before)?);
        let names_end = self.for_each_name(bytes, |name| out.extend_from_slice(name.wire()))?;
        out.extend_from_slice(self.range(bytes, names_end..self.end())?);
        let len = u16::try_from(out.len() - data_start).map_err(|_| self.rdata_at())?;
        crate::bytes::patch(out, data_start - 2, &len.to_be_bytes());
        Ok(ttl_at)
    }

    /// The data with its names uncompressed.
    pub(crate) fn rdata_expanded(&self, bytes: &[u8]) -> Result<Box<[u8]>, usize> {
        let (before, _) = self.names(bytes)?;
        let mut out = slice_at(bytes, self.rdata_at(), before)?.to_vec();
        let names_end = self.for_each_name(bytes, |name| out.extend_from_slice(name.wire()))?;
        out.extend_from_slice(self.range(bytes, names_end..self.end())?);
        if out.len() > usize::from(u16::MAX) {
            return Err(self.rdata_at());
        }
        Ok(out.into())
    }

    fn range<'a>(&self, bytes: &'a [u8], range: Range<usize>) -> Result<&'a [u8], usize> {
        bytes.get(range).ok_or(bytes.len())
    }
}
