//! The journal of one zone: a checkpoint (the whole zone) and the deltas since. The codec alone; whoever keeps the file
//! appends the octets and syncs them before an update is answered.
//!
//! ```text
//! head:    magic "NMWDZONE" | version u8 | fingerprint [32] | len u8 | origin | crc u32
//! chunk:   kind u8 | len u32 | crc u32 (over kind, len, body) | body
//!          1  records of the checkpoint
//!          2  end of the checkpoint: number of records u64
//!          3  a delta begins: SOA before | SOA after | records removed u64 | records added u64
//!          4  its records, removed ones first; the last of them ends the delta
//! record:  owner | type u16 | class u16 | TTL u32 | len u16 | RDATA
//! ```
//!
//! Numbers are big-endian. Every chunk is short, so that neither writing nor reading needs memory for more than one. What is cut
//! short or fails its checksum ends the reading there; a delta counts once it is whole.

use std::io::{self, Write};

use wire::message::Record;
use wire::name::Name;

use crate::delta::Delta;
use crate::tree::Zone;

/// Version of the form, in the file's first octets.
pub const VERSION: u8 = 1;
/// Octets of a chunk's body; a longer one is damage.
pub const CHUNK_BYTES_MAX: usize = 1 << 20;

const MAGIC: &[u8; 8] = b"NMWDZONE";
/// A chunk is closed once it has so many octets: one more record, at most 255 + 10 + 65,535, still fits.
const CHUNK_BYTES: usize = 256 << 10;
const CHUNK_HEAD_LEN: usize = 9;

const CHECKPOINT: u8 = 1;
const CHECKPOINT_END: u8 = 2;
const DELTA: u8 = 3;
const DELTA_RECORDS: u8 = 4;

/// What a journal holds.
#[derive(Debug)]
pub struct Replayed {
    /// The zone after all deltas; `None` when there is no whole checkpoint.
    pub zone: Option<Zone>,
    /// The fingerprint written with the checkpoint.
    pub fingerprint: [u8; 32],
    /// Deltas since the checkpoint, oldest first.
    pub deltas: Vec<Delta>,
    /// Octets that are good; a torn tail begins here and is to be cut off.
    pub good_len: usize,
    /// What was wrong with the tail, if there is one.
    pub torn: Option<String>,
    /// Why the file must be left alone, if it must: it was written by a newer version, or is no journal at all. Nothing of it
    /// was read then.
    pub foreign: Option<String>,
}

/// Octets of a new journal: head and checkpoint. `fingerprint` is of the source the zone came from (a file's hash), kept for
/// the keeper.
#[must_use]
pub fn begin(zone: &Zone, fingerprint: [u8; 32]) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = begin_to(zone, fingerprint, &mut out);
    out
}

/// The same, written piece by piece: for zones too large to be held twice.
///
/// # Errors
/// Those of `out`.
pub fn begin_to(zone: &Zone, fingerprint: [u8; 32], out: &mut dyn Write) -> io::Result<()> {
    let origin = zone.origin().wire();
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(MAGIC);
    head.push(VERSION);
    head.extend_from_slice(&fingerprint);
    head.push(origin.len() as u8);
    head.extend_from_slice(origin);
    let crc = crc32fast::hash(&head);
    head.extend_from_slice(&crc.to_be_bytes());
    out.write_all(&head)?;
    write_records(CHECKPOINT, zone.records(), out)?;
    write_chunk(CHECKPOINT_END, &(zone.record_count() as u64).to_be_bytes(), out)
}

/// Octets of one more delta.
#[must_use]
pub fn entry(delta: &Delta) -> Vec<u8> {
    let mut body = Vec::new();
    push_record(&delta.before, &mut body);
    push_record(&delta.after, &mut body);
    body.extend_from_slice(&(delta.removed.len() as u64).to_be_bytes());
    body.extend_from_slice(&(delta.added.len() as u64).to_be_bytes());
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = write_chunk(DELTA, &body, &mut out);
    let _ = write_records(DELTA_RECORDS, delta.removed.iter().chain(&delta.added).cloned(), &mut out);
    out
}

/// Reads a journal; never fails: what cannot be read is a torn tail.
#[must_use]
pub fn replay(bytes: &[u8]) -> Replayed {
    let mut replayed =
        Replayed { zone: None, fingerprint: [0; 32], deltas: Vec::new(), good_len: 0, torn: None, foreign: None };
    replayed.foreign = foreign(bytes);
    if replayed.foreign.is_some() {
        return replayed;
    }
    let mut reader = Reader { bytes, at: 0 };
    if let Err(fault) = replayed.read(&mut reader) {
        replayed.torn = Some(format!("{fault} at octet {}", replayed.good_len));
    }
    replayed
}

impl Replayed {
    /// Reads as far as it is good. Memory is bounded by the octets read: a record takes at least 11 of them.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), &'static str> {
        let (fingerprint, mut zone) = reader.head()?;
        // Ends, here and below: every chunk takes octets.
        loop {
            match reader.chunk()? {
                (CHECKPOINT, body) => {
                    let mut records = Reader { bytes: body, at: 0 };
                    while !records.is_at_end() {
                        if !zone.add(&records.record()?) {
                            return Err("a record that does not belong into the checkpoint");
                        }
                    }
                }
                (CHECKPOINT_END, body) => {
                    if *body != (zone.record_count() as u64).to_be_bytes() || zone.serial().is_none() {
                        return Err("a checkpoint that is not whole");
                    }
                    break;
                }
                _ => return Err("a chunk out of order"),
            }
        }
        self.fingerprint = fingerprint;
        self.good_len = reader.at;
        self.zone = Some(zone.clone());
        while !reader.is_at_end() {
            let delta = reader.delta()?;
            zone = delta.apply(&zone).map_err(|_| "a change that does not fit the one before")?;
            self.deltas.push(delta);
            self.good_len = reader.at;
            self.zone = Some(zone.clone());
        }
        Ok(())
    }
}

/// Why these octets are not ours to read or to replace. A file cut short within the magic is ours.
fn foreign(bytes: &[u8]) -> Option<String> {
    let len = bytes.len().min(MAGIC.len());
    if bytes[..len] != MAGIC[..len] {
        return Some("not a journal".to_owned());
    }
    let version = *bytes.get(MAGIC.len()).filter(|version| **version != VERSION)?;
    Some(format!("a journal of version {version}, this program knows version {VERSION}"))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..len)).ok_or("cut short")?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        self.take(N)?.try_into().map_err(|_| "cut short")
    }

    fn head(&mut self) -> Result<([u8; 32], Zone), &'static str> {
        self.take(MAGIC.len() + 1)?;
        let fingerprint = self.array()?;
        let [origin_len] = self.array()?;
        let origin = self.take(usize::from(origin_len))?;
        let written = self.bytes.get(..self.at).unwrap_or_default();
        if u32::from_be_bytes(self.array()?) != crc32fast::hash(written) {
            return Err("a head that fails its checksum");
        }
        let origin = Name::new(origin).ok_or("a head without a name")?;
        Ok((fingerprint, Zone::new(origin.fold())))
    }

    fn chunk(&mut self) -> Result<(u8, &'a [u8]), &'static str> {
        let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = self.array::<CHUNK_HEAD_LEN>()?;
        let len = u32::from_be_bytes([l0, l1, l2, l3]);
        if len as usize > CHUNK_BYTES_MAX {
            return Err("a chunk over its limit");
        }
        let body = self.take(len as usize)?;
        if checksum(kind, body) != u32::from_be_bytes([c0, c1, c2, c3]) {
            return Err("a chunk that fails its checksum");
        }
        Ok((kind, body))
    }

    fn delta(&mut self) -> Result<Delta, &'static str> {
        let (DELTA, body) = self.chunk()? else { return Err("a chunk out of order") };
        let mut head = Reader { bytes: body, at: 0 };
        let (before, after) = (head.record()?, head.record()?);
        let (removed_count, added_count) = (u64::from_be_bytes(head.array()?), u64::from_be_bytes(head.array()?));
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        let mut left = removed_count.checked_add(added_count).ok_or("a change of too many records")?;
        while left > 0 {
            let (DELTA_RECORDS, body) = self.chunk()? else { return Err("a chunk out of order") };
            let mut records = Reader { bytes: body, at: 0 };
            while !records.is_at_end() {
                left = left.checked_sub(1).ok_or("more records than were told")?;
                let record = records.record()?;
                if (removed.len() as u64) < removed_count { removed.push(record) } else { added.push(record) }
            }
        }
        Ok(Delta { before, after, removed, added })
    }

    fn record(&mut self) -> Result<Record, &'static str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (owner, _) = Name::split(rest).map_err(|_| "a record without a name")?;
        self.at += owner.wire().len();
        let [t0, t1, c0, c1, l0, l1, l2, l3, d0, d1] = self.array()?;
        let rdata = self.take(usize::from(u16::from_be_bytes([d0, d1])))?;
        Ok(Record {
            owner: owner.fold(),
            rtype: u16::from_be_bytes([t0, t1]),
            class: u16::from_be_bytes([c0, c1]),
            ttl: u32::from_be_bytes([l0, l1, l2, l3]),
            rdata: rdata.into(),
        })
    }
}

fn checksum(kind: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(&(body.len() as u32).to_be_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Writes a chunk whose body the callers keep under `CHUNK_BYTES_MAX`.
fn write_chunk(kind: u8, body: &[u8], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[kind])?;
    out.write_all(&(body.len() as u32).to_be_bytes())?;
    out.write_all(&checksum(kind, body).to_be_bytes())?;
    out.write_all(body)
}

/// Writes records in as many chunks as they need; none, no chunk.
fn write_records(kind: u8, records: impl Iterator<Item = Record>, out: &mut dyn Write) -> io::Result<()> {
    let mut body = Vec::new();
    for record in records {
        push_record(&record, &mut body);
        if body.len() >= CHUNK_BYTES {
            write_chunk(kind, &body, out)?;
            body.clear();
        }
    }
    if body.is_empty() { Ok(()) } else { write_chunk(kind, &body, out) }
}

fn push_record(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(record.owner.wire());
    out.extend_from_slice(&record.rtype.to_be_bytes());
    out.extend_from_slice(&record.class.to_be_bytes());
    out.extend_from_slice(&record.ttl.to_be_bytes());
    // RDATA came out of a message or a checked file: never over 65,535 octets. What is, is cut, not misread.
    let rdata = record.rdata.get(..usize::from(u16::MAX)).unwrap_or(&record.rdata);
    out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    out.extend_from_slice(rdata);
}

#[cfg(test)]
mod tests;
