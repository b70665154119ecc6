//! The TSIG record itself: found, read, written (RFC 8945 §4.2).

use crate::bytes::{patch, slice_at, u16_at};
use crate::kind;
use crate::name::Folded;
use crate::view::HEADER_LEN;
use crate::walk::{self, Expanded, Record};

/// Octets of a TSIG record beside its two names, MAC and Other Data: TYPE, CLASS, TTL, RDLENGTH; Time Signed, Fudge,
/// MAC Size, Original ID, Error, Other Len.
const FIXED_LEN: usize = 10 + 16;

/// Time Signed has 48 bits.
const TIME_MAX: u64 = (1 << 48) - 1;

/// A TSIG record taken apart, for those who look at replies (probe, tests).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tsig {
    /// Owner: the key's name.
    pub key_name: Folded,
    /// Algorithm name as sent.
    pub algorithm: Folded,
    /// Time Signed, seconds since the epoch, 48 bits.
    pub time_signed: u64,
    /// Fudge, seconds.
    pub fudge: u16,
    /// MAC.
    pub mac: Vec<u8>,
    /// Original ID.
    pub original_id: u16,
    /// Error.
    pub error: u16,
    /// Other Data.
    pub other: Vec<u8>,
}

impl Tsig {
    /// Reads the record at `at`, which must be the last. Names may be compressed: RFC 8945 §4.2 forbids it for the
    /// algorithm only, and nothing is lost by reading what some still send.
    ///
    /// # Errors
    /// The octet where it is malformed: no TSIG, class not ANY, TTL not 0, data that does not fill the record, octets
    /// behind it.
    pub fn read(message: &[u8], at: usize) -> Result<Tsig, usize> {
        let record = Record::read(message, at)?;
        if record.rtype != kind::TSIG || record.class != kind::CLASS_ANY || record.ttl != 0 {
            return Err(record.fixed);
        }
        if record.end() != message.len() {
            return Err(record.end());
        }
        let (key_name, _) = Expanded::read(message, at)?;
        let (algorithm, at) = Expanded::read(message, record.rdata_at())?;
        let mac_len = usize::from(u16_at(message, at + 8)?);
        let mac = slice_at(message, at + 10, mac_len)?.to_vec();
        let behind = at + 10 + mac_len;
        let other_len = usize::from(u16_at(message, behind + 4)?);
        let other = slice_at(message, behind + 6, other_len)?.to_vec();
        // The record is the last, so data that goes on past its end was cut short above.
        if behind + 6 + other_len != record.end() {
            return Err(behind + 4);
        }
        let time_signed = slice_at(message, at, 6)?.iter().fold(0, |time, octet| time << 8 | u64::from(*octet));
        Ok(Tsig {
            key_name: key_name.fold(),
            algorithm: algorithm.fold(),
            time_signed,
            fudge: u16_at(message, at + 6)?,
            mac,
            original_id: u16_at(message, behind)?,
            error: u16_at(message, behind + 2)?,
            other,
        })
    }

    /// Where the TSIG record of a message lies: the last record of additional, when it is one and nothing follows it. Takes
    /// one pass over the message, whatever its counts say.
    #[must_use]
    pub fn find(message: &[u8]) -> Option<usize> {
        let count = |at| u16_at(message, at).map(usize::from);
        let mut at = HEADER_LEN;
        // Ends: every question and record takes octets of the message; the first that has none left ends it.
        for _ in 0..count(4).ok()? {
            at = walk::skip_name(message, at).ok()? + 4;
        }
        let additional = count(10).ok()?.checked_sub(1)?;
        for _ in 0..count(6).ok()? + count(8).ok()? + additional {
            at = skip_record(message, at)?.1;
        }
        match skip_record(message, at)? {
            (kind::TSIG, end) if end == message.len() => Some(at),
            _ => None,
        }
    }

    /// Appends the record, its names uncompressed, and counts it in ARCOUNT. What does not fit its field is cut: Time Signed
    /// to 48 bits, MAC and Other Data to what 16-bit lengths can say.
    pub fn append(&self, message: &mut Vec<u8>) {
        // RDLENGTH covers both, so neither may take all of it.
        let mac = self.mac.get(..0x4000).unwrap_or(&self.mac);
        let other = self.other.get(..0x4000).unwrap_or(&self.other);
        let rdata_len = self.algorithm.wire().len() + 16 + mac.len() + other.len();
        message.reserve(self.len());
        message.extend_from_slice(self.key_name.wire());
        message.extend_from_slice(&kind::TSIG.to_be_bytes());
        message.extend_from_slice(&kind::CLASS_ANY.to_be_bytes());
        message.extend_from_slice(&0u32.to_be_bytes());
        message.extend_from_slice(&(rdata_len as u16).to_be_bytes());
        message.extend_from_slice(self.algorithm.wire());
        self.timers(|octets| message.extend_from_slice(octets));
        message.extend_from_slice(&(mac.len() as u16).to_be_bytes());
        message.extend_from_slice(mac);
        message.extend_from_slice(&self.original_id.to_be_bytes());
        message.extend_from_slice(&self.error.to_be_bytes());
        message.extend_from_slice(&(other.len() as u16).to_be_bytes());
        message.extend_from_slice(other);
        let count = u16_at(message, 10).unwrap_or(0);
        patch(message, 10, &count.saturating_add(1).to_be_bytes());
    }

    /// Octets of the record.
    pub(super) fn len(&self) -> usize {
        record_len(&self.key_name, &self.algorithm, self.mac.len(), self.other.len())
    }

    /// The TSIG variables a MAC covers (RFC 8945 §4.3.3), in order.
    pub(super) fn variables(&self, mut each: impl FnMut(&[u8])) {
        each(self.key_name.wire());
        each(&kind::CLASS_ANY.to_be_bytes());
        each(&0u32.to_be_bytes());
        each(self.algorithm.wire());
        self.timers(&mut each);
        each(&self.error.to_be_bytes());
        each(&(self.other.len() as u16).to_be_bytes());
        each(&self.other);
    }

    /// Time Signed and Fudge: all that a chained MAC covers of the record (RFC 8945 §5.3.1).
    pub(super) fn timers(&self, mut each: impl FnMut(&[u8])) {
        each(&time_octets(self.time_signed));
        each(&self.fudge.to_be_bytes());
    }
}

/// Octets of a TSIG record with these names and lengths.
pub(super) fn record_len(key_name: &Folded, algorithm: &Folded, mac_len: usize, other_len: usize) -> usize {
    key_name.wire().len() + algorithm.wire().len() + FIXED_LEN + mac_len + other_len
}

/// 48 bits of a time.
pub(super) fn time_octets(seconds: u64) -> [u8; 6] {
    let [_, _, octets @ ..] = (seconds & TIME_MAX).to_be_bytes();
    octets
}

/// TYPE of the record at `at`, and where it ends.
fn skip_record(message: &[u8], at: usize) -> Option<(u16, usize)> {
    let fixed = walk::skip_name(message, at).ok()?;
    let rdata_len = usize::from(u16_at(message, fixed + 8).ok()?);
    let end = fixed + 10 + rdata_len;
    (end <= message.len()).then_some((u16_at(message, fixed).ok()?, end))
}
