//! Whole messages, off the hot path: read into owned records, and written with compression.
//!
//! For UPDATE, NOTIFY, transfers, TKEY and answers from local zones. Knows names and records, not what they mean.

use std::collections::HashMap;

use crate::bytes::{patch, u16_at};
use crate::kind;
use crate::name::{Folded, Name};
use crate::view::HEADER_LEN;
use crate::walk::{Expanded, Record as Placed};

/// Class of UPDATE records that take something away (RFC 2136 §2.5.4), and of prerequisites that something is not there.
const CLASS_NONE: u16 = 254;

/// One record, free of the message it came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Owner, folded.
    pub owner: Folded,
    /// TYPE.
    pub rtype: u16,
    /// CLASS.
    pub class: u16,
    /// TTL, seconds.
    pub ttl: u32,
    /// RDATA, its names uncompressed, case as it came.
    pub rdata: Box<[u8]>,
}

/// One question; for UPDATE the zone section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// QNAME or ZNAME, folded.
    pub qname: Folded,
    /// QTYPE or ZTYPE.
    pub qtype: u16,
    /// QCLASS or ZCLASS.
    pub qclass: u16,
}

/// A section of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Answer; for UPDATE prerequisites.
    Answer,
    /// Authority; for UPDATE the updates.
    Authority,
    /// Additional.
    Additional,
}

/// A message read whole.
#[derive(Clone, Debug)]
pub struct Message {
    /// Message ID.
    pub id: u16,
    /// Header octets 2 and 3.
    pub flags: u16,
    /// Questions, in order.
    pub questions: Vec<Question>,
    /// Answer; for UPDATE prerequisites.
    pub answer: Vec<Record>,
    /// Authority; for UPDATE the updates.
    pub authority: Vec<Record>,
    /// Additional, OPT and TSIG included.
    pub additional: Vec<Record>,
}

/// Where a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message malformed at octet {at}")]
pub struct Malformed {
    /// Octet.
    pub at: usize,
}

impl Message {
    /// Reads a whole message; octets after the last record are an error. Memory is bounded by the message: a question takes
    /// at least 5 octets of it and a record 11, and compression makes no more than 255 octets of a name.
    ///
    /// # Errors
    /// The octet where it cannot be read: cut short, a name that is none, record data that does not fit its type.
    pub fn read(bytes: &[u8]) -> Result<Message, Malformed> {
        Self::read_at(bytes).map_err(|at| Malformed { at })
    }

    fn read_at(bytes: &[u8]) -> Result<Message, usize> {
        let count = |at| u16_at(bytes, at);
        let counts = [count(6)?, count(8)?, count(10)?];
        let (id, flags, question_count) = (u16_at(bytes, 0)?, u16_at(bytes, 2)?, count(4)?);
        let mut at = HEADER_LEN;
        let mut questions = Vec::new();
        for _ in 0..question_count {
            let (qname, end) = Expanded::read(bytes, at)?;
            questions.push(Question {
                qname: qname.fold(),
                qtype: u16_at(bytes, end)?,
                qclass: u16_at(bytes, end + 2)?,
            });
            at = end + 4;
        }
        let mut sections = [Vec::new(), Vec::new(), Vec::new()];
        for (section, count) in sections.iter_mut().zip(counts) {
            for _ in 0..count {
                let (record, end) = read_record(bytes, at)?;
                section.push(record);
                at = end;
            }
        }
        if at != bytes.len() {
            return Err(at);
        }
        let [answer, authority, additional] = sections;
        Ok(Message { id, flags, questions, answer, authority, additional })
    }

    /// OPCODE.
    #[must_use]
    pub fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0xf) as u8
    }

    /// RCODE with the OPT record's upper bits (RFC 6891 §6.1.3).
    #[must_use]
    pub fn rcode(&self) -> u16 {
        let upper = self.opt().map_or(0, |opt| (opt.ttl >> 24) as u16);
        upper << 4 | self.flags & 0xf
    }

    /// The OPT record.
    #[must_use]
    pub fn opt(&self) -> Option<&Record> {
        self.additional.iter().find(|record| record.rtype == kind::OPT)
    }
}

fn read_record(bytes: &[u8], start: usize) -> Result<(Record, usize), usize> {
    let placed = Placed::read(bytes, start)?;
    let (owner, _) = Expanded::read(bytes, start)?;
    // UPDATE has records of class ANY and NONE with empty data (RFC 2136 §2.4, §2.5): nothing to check in those.
    let empty = placed.rdata_len == 0 && matches!(placed.class, kind::CLASS_ANY | CLASS_NONE);
    let rdata = if empty {
        Box::default()
    } else {
        placed.check(bytes)?;
        placed.rdata_expanded(bytes)?
    };
    let record = Record { owner: owner.fold(), rtype: placed.rtype, class: placed.class, ttl: placed.ttl, rdata };
    Ok((record, placed.end()))
}

/// Marks a compression pointer, and what its other 14 bits can point at (RFC 1035 §4.1.4).
const POINTER: u16 = 0xc000;
const POINTER_TARGETS: usize = 0x4000;

/// Compression targets kept while a message is written: far more names than 16 KiB hold in practice, and few enough that names
/// of 127 labels, each end of which is a target, take no more than half a megabyte.
const SUFFIXES_MAX: usize = 4_096;

/// Writes a message with compressed owner names, and compressed names in the data of the types that RFC 3597 §4 allows
/// (NS, CNAME, SOA, PTR, MX).
///
/// Owner names are compressed whatever the case, so that answers point at the question. Names in data are compressed only
/// against the same case, so that a transfer gives them as they are (RFC 5936 §3.4).
#[derive(Debug)]
pub struct Builder {
    out: Vec<u8>,
    size_max: usize,
    /// Where each name and its ends, in lower case, was written first.
    suffixes: HashMap<Box<[u8]>, u16>,
    section: Section,
}

/// Which occurrences of a name it may be compressed against.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Any,
    Kept,
}

impl Builder {
    /// A message without sections. `size_max` is never exceeded, except by the header itself; at most 65,535.
    #[must_use]
    pub fn new(id: u16, flags: u16, size_max: usize) -> Builder {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&flags.to_be_bytes());
        out.extend_from_slice(&[0; 8]);
        let size_max = size_max.min(crate::reply::MESSAGE_LEN_MAX);
        Builder { out, size_max, suffixes: HashMap::new(), section: Section::Answer }
    }

    /// Sets header octets 2 and 3 anew: for TC, or a code that turned out later.
    pub fn set_flags(&mut self, flags: u16) {
        patch(&mut self.out, 2, &flags.to_be_bytes());
    }

    /// Sets another limit, for what follows: write the answer with room kept for OPT and TSIG, then give the room back. What
    /// was written stays.
    pub fn set_size_max(&mut self, size_max: usize) {
        self.size_max = size_max.min(crate::reply::MESSAGE_LEN_MAX);
    }

    /// Adds a question, name as given. Before any record. `false`, and nothing written, when it would not fit: one question
    /// always does where `size_max` is 512 or more.
    pub fn question(&mut self, qname: Name<'_>, qtype: u16, qclass: u16) -> bool {
        let start = self.out.len();
        self.push_name(qname, Case::Any);
        self.out.extend_from_slice(&qtype.to_be_bytes());
        self.out.extend_from_slice(&qclass.to_be_bytes());
        if self.out.len() > self.size_max {
            self.take_back(start);
            return false;
        }
        self.count(4);
        true
    }

    /// Adds a record; sections must be filled in order. `false`, and nothing written, when it would not fit.
    #[must_use]
    pub fn record(&mut self, section: Section, record: &Record) -> bool {
        self.parts(section, record.owner.name(), record.rtype, record.class, record.ttl, &record.rdata)
    }

    /// Adds a record given in parts; see [`Builder::record`]. Data that does not fit its type is written as it is.
    #[must_use]
    pub fn parts(&mut self, section: Section, owner: Name<'_>, rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> bool {
        debug_assert!(section as u8 >= self.section as u8, "sections are filled in order");
        self.section = section;
        let start = self.out.len();
        self.push_name(owner, Case::Any);
        self.out.extend_from_slice(&rtype.to_be_bytes());
        self.out.extend_from_slice(&class.to_be_bytes());
        self.out.extend_from_slice(&ttl.to_be_bytes());
        let len_at = self.out.len();
        self.out.extend_from_slice(&[0, 0]);
        self.push_rdata(rtype, rdata);
        let len = self.out.len() - len_at - 2;
        if self.out.len() > self.size_max || len > usize::from(u16::MAX) {
            self.take_back(start);
            return false;
        }
        patch(&mut self.out, len_at, &(len as u16).to_be_bytes());
        self.count(match section {
            Section::Answer => 6,
            Section::Authority => 8,
            Section::Additional => 10,
        });
        true
    }

    /// Octets written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing but the header was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.len() == HEADER_LEN
    }

    /// The message.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Undoes what was written from `start` on.
    fn take_back(&mut self, start: usize) {
        self.out.truncate(start);
        self.suffixes.retain(|_, at| usize::from(*at) < start);
    }

    fn count(&mut self, at: usize) {
        let count = u16_at(&self.out, at).unwrap_or(0);
        patch(&mut self.out, at, &count.saturating_add(1).to_be_bytes());
    }

    fn push_rdata(&mut self, rtype: u16, rdata: &[u8]) {
        // Only the types of RFC 1035 may be compressed (RFC 3597 §4).
        let (before, names) = match rtype {
            kind::NS | kind::CNAME | kind::PTR => (0, 1),
            kind::SOA => (0, 2),
            kind::MX => (2, 1),
            _ => (0, 0),
        };
        let Some((head, mut rest)) = rdata.split_at_checked(before) else {
            self.out.extend_from_slice(rdata);
            return;
        };
        self.out.extend_from_slice(head);
        for _ in 0..names {
            let Ok((name, after)) = Name::split(rest) else { break };
            self.push_name(name, Case::Kept);
            rest = after;
        }
        self.out.extend_from_slice(rest);
    }

    fn push_name(&mut self, name: Name<'_>, case: Case) {
        let wire = name.wire();
        // Length octets are below `A`, so they stay.
        let folded = wire.to_ascii_lowercase();
        let mut at = 0;
        // Ends: every turn moves on by a label of a checked name.
        while let Some(&len) = wire.get(at).filter(|len| **len != 0) {
            let (rest, suffix) = (&wire[at..], &folded[at..]);
            match self.suffixes.get(suffix) {
                Some(&target) if case == Case::Any || self.is_written(target, rest) => {
                    self.out.extend_from_slice(&(POINTER | target).to_be_bytes());
                    return;
                }
                Some(_) => {}
                None if self.out.len() < POINTER_TARGETS && self.suffixes.len() < SUFFIXES_MAX => {
                    self.suffixes.insert(suffix.into(), self.out.len() as u16);
                }
                None => {}
            }
            let end = (at + 1 + usize::from(len)).min(wire.len());
            self.out.extend_from_slice(&wire[at..end]);
            at = end;
        }
        self.out.push(0);
    }

    /// Whether the name at `target` is this one, case included.
    fn is_written(&self, target: u16, name: &[u8]) -> bool {
        Expanded::read(&self.out, usize::from(target)).is_ok_and(|(written, _)| written.wire() == name)
    }
}

#[cfg(test)]
mod tests;
