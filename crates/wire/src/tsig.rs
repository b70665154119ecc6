//! TSIG (RFC 8945): signed messages, server and client side, single and chained.
//!
//! Knows keys, octets and the time it is told; not who may do what. Checks run in the order of RFC 8945 §5.2: key, MAC,
//! time, truncation.
//!
//! ```text
//! request       MAC over                 message, variables
//! first reply   MAC over  request's MAC, message, variables
//! next replies  MAC over  last MAC sent, unsigned messages since, message, Time Signed and Fudge
//! ```

mod hash;
mod record;

use std::fmt;
use std::sync::Arc;

use crate::bytes::{patch, u16_at};
use crate::code::Code;
use crate::name::Folded;

use hash::{Hasher, MacOut};
use record::{record_len, time_octets};

pub use record::Tsig;

/// Seconds that clocks may differ, in what we sign (RFC 8945 §10 recommends it).
pub const FUDGE_SECONDS: u16 = 300;

/// Longest secret taken, octets: as much as Diffie-Hellman with the largest modulus gives (`crate::tkey`), and far more than
/// any hash makes use of.
pub const SECRET_LEN_MAX: usize = 512;

/// Messages of a stream that may be unsigned in a row (RFC 8945 §5.3.1).
const UNSIGNED_MAX: u32 = 99;

/// Octets of Other Data in a BADTIME reply: our time (RFC 8945 §5.2.3).
const OTHER_TIME_LEN: usize = 6;

/// HMAC algorithms (RFC 8945 §6).
///
/// The cut ones have names of their own on the wire. BIND's `algorithm hmac-sha256-128` is another thing: `hmac-sha256` on the
/// wire with MACs of 16 octets, here a key of [`Algorithm::HmacSha256`] with both MAC lengths 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `hmac-sha1`.
    HmacSha1,
    /// `hmac-sha224`.
    HmacSha224,
    /// `hmac-sha256`.
    HmacSha256,
    /// `hmac-sha256-128`: SHA-256 cut to 16 octets.
    HmacSha256Cut128,
    /// `hmac-sha384`.
    HmacSha384,
    /// `hmac-sha384-192`.
    HmacSha384Cut192,
    /// `hmac-sha512`.
    HmacSha512,
    /// `hmac-sha512-256`.
    HmacSha512Cut256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &[Algorithm] = &[
        Algorithm::HmacSha1,
        Algorithm::HmacSha224,
        Algorithm::HmacSha256,
        Algorithm::HmacSha256Cut128,
        Algorithm::HmacSha384,
        Algorithm::HmacSha384Cut192,
        Algorithm::HmacSha512,
        Algorithm::HmacSha512Cut256,
    ];

    /// Name as in the registry, such as `hmac-sha256`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac-sha1",
            Self::HmacSha224 => "hmac-sha224",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha256Cut128 => "hmac-sha256-128",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha384Cut192 => "hmac-sha384-192",
            Self::HmacSha512 => "hmac-sha512",
            Self::HmacSha512Cut256 => "hmac-sha512-256",
        }
    }

    /// The algorithm with this domain name or text; any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Algorithm> {
        let name = name.strip_suffix('.').unwrap_or(name);
        Self::ALL.iter().copied().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Octets of a full MAC of this algorithm.
    #[must_use]
    pub fn mac_len(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha224 => 28,
            Self::HmacSha256 => 32,
            Self::HmacSha256Cut128 => 16,
            Self::HmacSha384 => 48,
            Self::HmacSha384Cut192 => 24,
            Self::HmacSha512 => 64,
            Self::HmacSha512Cut256 => 32,
        }
    }

    /// Octets below which a MAC is no MAC: the larger of 10 and half the hash (RFC 8945 §5.2.2.1). The cut algorithms are at
    /// it already.
    #[must_use]
    pub fn mac_len_floor(self) -> usize {
        match self {
            Self::HmacSha256Cut128 | Self::HmacSha384Cut192 | Self::HmacSha512Cut256 => self.mac_len(),
            _ => (self.mac_len() / 2).max(10),
        }
    }

    /// The name as a domain name.
    #[must_use]
    pub fn domain_name(self) -> Folded {
        // A table of our own: every name in it is one, as a test says.
        Folded::from_text(self.name()).unwrap_or_else(Folded::root)
    }

    fn from_domain_name(name: &Folded) -> Option<Algorithm> {
        // One label and the root.
        let [len, label @ .., 0] = name.wire() else { return None };
        let is_same = |text: &str| usize::from(*len) == label.len() && text.as_bytes() == label;
        Self::ALL.iter().copied().find(|algorithm| is_same(algorithm.name()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A shared secret with its name.
#[derive(Clone)]
pub struct Key {
    /// Name, folded.
    pub name: Folded,
    /// The one algorithm it is used with.
    pub algorithm: Algorithm,
    /// Shortest MAC accepted, octets; shorter ones that verify get BADTRUNC. Never below max(10, half) (RFC 8945 §5.2.2.1):
    /// a smaller number here counts as that.
    pub mac_len_min: usize,
    /// Octets of MACs we make: shorter than the algorithm's only when the peer expects it. Numbers out of range count as the
    /// nearest in range.
    pub mac_len: usize,
    secret: Box<[u8]>,
    /// HMAC with the secret taken in.
    hasher: Box<Hasher>,
}

/// Why a key cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No secret.
    #[error("the secret is empty")]
    NoSecret,
    /// More secret than `SECRET_LEN_MAX`.
    #[error("the secret has {len} octets, at most {SECRET_LEN_MAX} are taken")]
    LongSecret {
        /// Octets.
        len: usize,
    },
    /// A MAC length the algorithm does not allow.
    #[error("a MAC of {len} octets is not possible: {algorithm} allows {} to {}", algorithm.mac_len_floor(), algorithm.mac_len())]
    MacLen {
        /// Octets.
        len: usize,
        /// The key's algorithm.
        algorithm: Algorithm,
    },
}

impl Key {
    /// A key that accepts and makes full MACs only.
    #[must_use]
    pub fn new(name: Folded, algorithm: Algorithm, secret: &[u8]) -> Key {
        let mac_len = algorithm.mac_len();
        let hasher = Box::new(Hasher::new(algorithm, secret));
        Key { name, algorithm, mac_len_min: mac_len, mac_len, secret: secret.into(), hasher }
    }

    /// A key as an operator writes it: makes MACs of `mac_len` octets and accepts those of at least `mac_len_min`.
    ///
    /// # Errors
    /// A secret that is empty or too long; lengths the algorithm does not allow.
    pub fn checked(
        name: Folded,
        algorithm: Algorithm,
        secret: &[u8],
        mac_len: usize,
        mac_len_min: usize,
    ) -> Result<Key, KeyFault> {
        match secret.len() {
            0 => return Err(KeyFault::NoSecret),
            len if len > SECRET_LEN_MAX => return Err(KeyFault::LongSecret { len }),
            _ => {}
        }
        let range = algorithm.mac_len_floor()..=algorithm.mac_len();
        if let Some(&len) = [mac_len, mac_len_min].iter().find(|len| !range.contains(len)) {
            return Err(KeyFault::MacLen { len, algorithm });
        }
        Ok(Key { mac_len, mac_len_min, ..Key::new(name, algorithm, secret) })
    }

    /// The secret: for keeping and showing once.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    fn mac_len_made(&self) -> usize {
        self.mac_len.clamp(self.algorithm.mac_len_floor(), self.algorithm.mac_len())
    }

    fn mac_len_taken(&self) -> usize {
        self.mac_len_min.clamp(self.algorithm.mac_len_floor(), self.algorithm.mac_len())
    }

    /// A digest that begins with the MAC before, when there is one.
    fn begin(&self, before: Option<&MacOut>) -> Hasher {
        let mut hasher = Hasher::clone(&self.hasher);
        if let Some(before) = before {
            hasher.update_mac(before);
        }
        hasher
    }

    /// A record of this key without MAC, for a message with this ID.
    fn record(&self, message: &[u8], time_signed: u64) -> Tsig {
        Tsig {
            key_name: self.name.clone(),
            algorithm: self.algorithm.domain_name(),
            time_signed,
            fudge: FUDGE_SECONDS,
            mac: Vec::new(),
            original_id: u16_at(message, 0).unwrap_or(0),
            error: 0,
            other: Vec::new(),
        }
    }

    /// Signs with `record`, appends it and gives the MAC.
    fn append(&self, mut record: Tsig, mut hasher: Hasher, covered: Covered, message: &mut Vec<u8>) -> MacOut {
        hasher.update(message);
        covered.update(&record, &mut hasher);
        let mac = hasher.finish(self.mac_len_made());
        record.mac = mac.octets().to_vec();
        record.append(message);
        mac
    }
}

/// Without the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .field("mac_len_min", &self.mac_len_min)
            .field("mac_len", &self.mac_len)
            .finish_non_exhaustive()
    }
}

/// What a MAC covers of its record.
#[derive(Clone, Copy, Debug)]
enum Covered {
    /// A request, and the first reply.
    Variables,
    /// Later messages of a stream.
    Timers,
}

impl Covered {
    fn update(self, record: &Tsig, hasher: &mut Hasher) {
        match self {
            Self::Variables => record.variables(|octets| hasher.update(octets)),
            Self::Timers => record.timers(|octets| hasher.update(octets)),
        }
    }
}

/// Where keys are found.
pub trait Keys {
    /// The key with this name and algorithm; `None` gives BADKEY.
    fn find(&self, name: &Folded, algorithm: Algorithm) -> Option<Arc<Key>>;
}

/// What a TSIG record on a request is worth.
#[derive(Debug)]
pub enum Checked {
    /// Everything holds: the message as it was before it was signed (ID restored, TSIG removed), and the pen that signs
    /// the replies.
    Good {
        /// The message without TSIG.
        message: Vec<u8>,
        /// Signs the replies.
        signer: Signer,
    },
    /// Not accepted: NOTAUTH in the header, and this on the reply.
    Bad(Refusal),
    /// The record itself is malformed, or its MAC is shorter than max(10, half) (RFC 8945 §5.2.2.1): FORMERR, nothing signed.
    Malformed {
        /// Octet.
        at: usize,
    },
}

/// Checks the TSIG record at `tsig_at` (the last record; `crate::view` found it).
#[must_use]
pub fn check(message: &[u8], tsig_at: usize, keys: &dyn Keys, now_seconds: u64) -> Checked {
    let tsig = match Tsig::read(message, tsig_at) {
        Ok(tsig) => tsig,
        Err(at) => return Checked::Malformed { at },
    };
    let refuse = |cause, signing| Checked::Bad(Refusal::new(&tsig, cause, signing));
    let Some(algorithm) = Algorithm::from_domain_name(&tsig.algorithm) else {
        return refuse(Cause::UnknownAlgorithm, None);
    };
    let Some(key) = keys.find(&tsig.key_name, algorithm) else { return refuse(Cause::UnknownKey, None) };
    // Whoever keeps the keys may have been lenient.
    if key.name != tsig.key_name || key.algorithm != algorithm {
        return refuse(Cause::UnknownKey, None);
    }
    if !(algorithm.mac_len_floor()..=algorithm.mac_len()).contains(&tsig.mac.len()) {
        return Checked::Malformed { at: tsig_at };
    }
    let message = unsigned(message, tsig_at, &tsig);
    let mut hasher = key.begin(None);
    hasher.update(&message);
    Covered::Variables.update(&tsig, &mut hasher);
    if !hasher.fits(&tsig.mac) {
        return refuse(Cause::Mac, None);
    }
    let request_mac = MacOut::new(&tsig.mac, tsig.mac.len());
    let signing = Some((Arc::clone(&key), request_mac));
    if now_seconds.abs_diff(tsig.time_signed) > u64::from(tsig.fudge) {
        return refuse(Cause::Time { now_seconds, fudge: tsig.fudge }, signing);
    }
    if tsig.mac.len() < key.mac_len_taken() {
        return refuse(Cause::Truncation { mac_len: tsig.mac.len(), mac_len_min: key.mac_len_taken() }, signing);
    }
    Checked::Good { message, signer: Signer { key, before: request_mac, covered: Covered::Variables } }
}

/// The message as it was before it was signed: original ID, without the record, one record less in ARCOUNT.
fn unsigned(message: &[u8], tsig_at: usize, tsig: &Tsig) -> Vec<u8> {
    let mut message = message.get(..tsig_at).unwrap_or(message).to_vec();
    patch(&mut message, 0, &tsig.original_id.to_be_bytes());
    let count = u16_at(&message, 10).unwrap_or(0);
    patch(&mut message, 10, &count.saturating_sub(1).to_be_bytes());
    message
}

/// Signs replies to one request: the first with the request's MAC, each following one chained (RFC 8945 §5.3.1).
#[derive(Clone, Debug)]
pub struct Signer {
    key: Arc<Key>,
    /// MAC of the request, then of each reply.
    before: MacOut,
    covered: Covered,
}

#[expect(clippy::len_without_is_empty, reason = "a record is never empty")]
impl Signer {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Octets the TSIG record adds to a reply.
    #[must_use]
    pub fn len(&self) -> usize {
        record_len(&self.key.name, &self.key.algorithm.domain_name(), self.key.mac_len_made(), 0)
    }

    /// Appends TSIG with error 0 to a whole reply and counts it in ARCOUNT.
    pub fn sign(&mut self, reply: &mut Vec<u8>, now_seconds: u64) {
        let record = self.key.record(reply, now_seconds);
        let hasher = self.key.begin(Some(&self.before));
        self.before = self.key.append(record, hasher, self.covered, reply);
        self.covered = Covered::Timers;
    }
}

/// A request whose TSIG was not accepted.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// TSIG error: 16 BADSIG, 17 BADKEY, 18 BADTIME, 22 BADTRUNC.
    pub error: u16,
    /// Key name as sent.
    pub key_name: Folded,
    more: Box<RefusalMore>,
}

#[derive(Clone, Debug)]
struct RefusalMore {
    algorithm: Folded,
    time_signed: u64,
    cause: Cause,
    /// What the reply is signed with: only when the MAC held.
    signing: Option<(Arc<Key>, MacOut)>,
}

#[derive(Clone, Copy, Debug)]
enum Cause {
    UnknownKey,
    UnknownAlgorithm,
    Mac,
    Time { now_seconds: u64, fudge: u16 },
    Truncation { mac_len: usize, mac_len_min: usize },
}

#[expect(clippy::len_without_is_empty, reason = "a record is never empty")]
impl Refusal {
    fn new(tsig: &Tsig, cause: Cause, signing: Option<(Arc<Key>, MacOut)>) -> Refusal {
        let error = match cause {
            Cause::UnknownKey | Cause::UnknownAlgorithm => Code::BADKEY,
            Cause::Mac => Code::BADSIG,
            Cause::Time { .. } => Code::BADTIME,
            Cause::Truncation { .. } => Code::BADTRUNC,
        };
        let more = RefusalMore { algorithm: tsig.algorithm.clone(), time_signed: tsig.time_signed, cause, signing };
        Refusal { error: error.number(), key_name: tsig.key_name.clone(), more: Box::new(more) }
    }

    /// Why, for an operator: names key, algorithm, clock difference or lengths.
    #[must_use]
    pub fn reason(&self) -> String {
        let RefusalMore { algorithm, time_signed, cause, .. } = &*self.more;
        let key = &self.key_name;
        match *cause {
            Cause::UnknownKey => format!("no key \"{key}\" for {algorithm} here"),
            Cause::UnknownAlgorithm => format!("key \"{key}\": algorithm \"{algorithm}\" is not known here"),
            Cause::Mac => format!(
                "key \"{key}\" ({algorithm}): the signature does not fit; the secrets differ or the message was changed"
            ),
            Cause::Time { now_seconds, fudge } => {
                let way = if *time_signed < now_seconds { "behind" } else { "ahead of" };
                let seconds = now_seconds.abs_diff(*time_signed);
                format!("key \"{key}\": signed {seconds} s {way} our clock, {fudge} s allowed")
            }
            Cause::Truncation { mac_len, mac_len_min } => {
                format!("key \"{key}\" ({algorithm}): MAC of {mac_len} octets, at least {mac_len_min} wanted")
            }
        }
    }

    /// The key, when the request was signed with it: BADTIME and BADTRUNC.
    #[must_use]
    pub fn key(&self) -> Option<&Arc<Key>> {
        self.more.signing.as_ref().map(|(key, _)| key)
    }

    /// Octets the TSIG record adds to the reply.
    #[must_use]
    pub fn len(&self) -> usize {
        let mac_len = self.key().map_or(0, |key| key.mac_len_made());
        let other_len = if self.error == Code::BADTIME.number() { OTHER_TIME_LEN } else { 0 };
        record_len(&self.key_name, &self.more.algorithm, mac_len, other_len)
    }

    /// Appends TSIG to the reply: unsigned for BADKEY and BADSIG; signed for BADTIME (client's time signed, ours in Other
    /// Data) and BADTRUNC.
    pub fn append(&self, reply: &mut Vec<u8>, now_seconds: u64) {
        let mut record = Tsig {
            key_name: self.key_name.clone(),
            algorithm: self.more.algorithm.clone(),
            time_signed: self.more.time_signed,
            fudge: FUDGE_SECONDS,
            mac: Vec::new(),
            original_id: u16_at(reply, 0).unwrap_or(0),
            error: self.error,
            other: Vec::new(),
        };
        let Some((key, request_mac)) = &self.more.signing else { return record.append(reply) };
        if self.error == Code::BADTIME.number() {
            record.other = time_octets(now_seconds).to_vec();
        } else {
            record.time_signed = now_seconds;
        }
        key.append(record, key.begin(Some(request_mac)), Covered::Variables, reply);
    }
}

/// Why a reply to a signed request is not believed, or what the server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// No TSIG where one is due.
    #[error("the reply is not signed")]
    Unsigned,
    /// Malformed.
    #[error("the reply's TSIG is malformed")]
    Malformed,
    /// Another key or algorithm.
    #[error("the reply is signed with another key")]
    OtherKey,
    /// MAC wrong.
    #[error("the reply's signature does not fit")]
    BadSig,
    /// Time outside fudge.
    #[error("the reply was signed at another time")]
    BadTime,
    /// MAC too short.
    #[error("the reply's signature is cut too short")]
    BadTrunc,
    /// The server reports this TSIG error. BADSIG and BADKEY are never signed: anyone can have sent them.
    #[error("the server says TSIG error {0}")]
    Told(u16),
}

/// Client side: one signed request and the replies to it.
#[derive(Clone)]
pub struct Request {
    key: Arc<Key>,
    /// Digest of the MAC before and of the unsigned messages since.
    hasher: Box<Hasher>,
    covered: Covered,
    /// Unsigned messages since the last signed one.
    unsigned: u32,
}

impl Request {
    /// Signs `message` (whole, without TSIG) and remembers what the replies are checked with.
    #[must_use]
    pub fn sign(message: &mut Vec<u8>, key: &Arc<Key>, now_seconds: u64) -> Request {
        let record = key.record(message, now_seconds);
        let mac = key.append(record, key.begin(None), Covered::Variables, message);
        let hasher = Box::new(key.begin(Some(&mac)));
        Request { key: Arc::clone(key), hasher, covered: Covered::Variables, unsigned: 0 }
    }

    /// Checks the next reply; of a stream, up to 99 messages in between may be unsigned (RFC 8945 §5.3.1). Gives the
    /// message without TSIG.
    ///
    /// What came unsigned is only vouched for by the next signed message, so nothing of it may be put to use before.
    ///
    /// # Errors
    /// Why it is not believed. A forger can have sent it: the same `Request` goes on to check the next.
    pub fn check(&mut self, reply: &[u8], now_seconds: u64) -> Result<Vec<u8>, ReplyFault> {
        let Some(at) = Tsig::find(reply) else { return self.check_unsigned(reply) };
        let tsig = Tsig::read(reply, at).map_err(|_| ReplyFault::Malformed)?;
        if tsig.key_name != self.key.name {
            return Err(ReplyFault::OtherKey);
        }
        if tsig.mac.is_empty() && [Code::BADSIG.number(), Code::BADKEY.number()].contains(&tsig.error) {
            return Err(ReplyFault::Told(tsig.error));
        }
        let algorithm = self.key.algorithm;
        if tsig.algorithm != algorithm.domain_name() {
            return Err(ReplyFault::OtherKey);
        }
        if !(algorithm.mac_len_floor()..=algorithm.mac_len()).contains(&tsig.mac.len()) {
            return Err(ReplyFault::Malformed);
        }
        let message = unsigned(reply, at, &tsig);
        let mut hasher = Hasher::clone(&self.hasher);
        hasher.update(&message);
        self.covered.update(&tsig, &mut hasher);
        if !hasher.fits(&tsig.mac) {
            return Err(ReplyFault::BadSig);
        }
        // BADTIME repeats our own Time Signed (RFC 8945 §5.2.3), which says nothing of when it was sent.
        let timeless = tsig.error == Code::BADTIME.number();
        if !timeless && now_seconds.abs_diff(tsig.time_signed) > u64::from(tsig.fudge) {
            return Err(ReplyFault::BadTime);
        }
        if tsig.mac.len() < self.key.mac_len_taken() {
            return Err(ReplyFault::BadTrunc);
        }
        *self.hasher = self.key.begin(Some(&MacOut::new(&tsig.mac, tsig.mac.len())));
        self.covered = Covered::Timers;
        self.unsigned = 0;
        match tsig.error {
            0 => Ok(message),
            error => Err(ReplyFault::Told(error)),
        }
    }

    /// A message between two signed ones: covered by the MAC of the next.
    fn check_unsigned(&mut self, reply: &[u8]) -> Result<Vec<u8>, ReplyFault> {
        if matches!(self.covered, Covered::Variables) || self.unsigned == UNSIGNED_MAX {
            return Err(ReplyFault::Unsigned);
        }
        self.unsigned += 1;
        self.hasher.update(reply);
        Ok(reply.to_vec())
    }

    /// After the last message of a stream: it must have been signed.
    ///
    /// # Errors
    /// `Unsigned`.
    pub fn finish(&self) -> Result<(), ReplyFault> {
        match self.covered {
            Covered::Timers if self.unsigned == 0 => Ok(()),
            _ => Err(ReplyFault::Unsigned),
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("key", &self.key).field("unsigned", &self.unsigned).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
