//! TSIG (RFC 8945): signed messages, server and client side, single and chained.
//!
//! Knows keys, octets and the time it is told; not who may do what. Checks run in the order of RFC 8945 §5.2: key, MAC,
//! time, truncation.

use std::sync::Arc;

use crate::name::Folded;

/// HMAC algorithms (RFC 8945 §6).
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
    pub const ALL: &[Algorithm] = &[];

    /// Name as in the registry, such as `hmac-sha256`.
    #[must_use]
    pub fn name(self) -> &'static str {
        todo!()
    }

    /// The algorithm with this domain name or text; any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Algorithm> {
        let _ = name;
        todo!()
    }

    /// Octets of a full MAC of this algorithm.
    #[must_use]
    pub fn mac_len(self) -> usize {
        todo!()
    }
}

/// A shared secret with its name.
#[derive(Clone)]
pub struct Key {
    /// Name, folded.
    pub name: Folded,
    /// The one algorithm it is used with.
    pub algorithm: Algorithm,
    /// Shortest MAC accepted, octets; shorter ones that verify get BADTRUNC. Never below max(10, half) (RFC 8945 §5.2.2.1).
    pub mac_len_min: usize,
    /// Octets of MACs we make: shorter than `mac_len` only when the peer expects it.
    pub mac_len: usize,
    secret: Box<[u8]>,
}

impl Key {
    /// A key that accepts and makes full MACs only.
    #[must_use]
    pub fn new(name: Folded, algorithm: Algorithm, secret: &[u8]) -> Key {
        let _ = (name, algorithm, secret);
        todo!()
    }

    /// The secret: for keeping and showing once.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }
}

/// Where keys are found.
pub trait Keys {
    /// The key with this name and algorithm; `None` gives BADKEY.
    fn find(&self, name: &Folded, algorithm: Algorithm) -> Option<Arc<Key>>;
}

/// What a TSIG record on a request is worth.
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
    let _ = (message, tsig_at, keys, now_seconds);
    todo!()
}

/// Signs replies to one request: the first with the request's MAC, each following one chained (RFC 8945 §5.3.1).
pub struct Signer {
    key: Arc<Key>,
}

impl Signer {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Octets the TSIG record adds to a reply.
    #[must_use]
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Appends TSIG with error 0 to a whole reply and counts it in ARCOUNT.
    pub fn sign(&mut self, reply: &mut Vec<u8>, now_seconds: u64) {
        let _ = (reply, now_seconds);
        todo!()
    }
}

/// A request whose TSIG was not accepted.
pub struct Refusal {
    /// TSIG error: 16 BADSIG, 17 BADKEY, 18 BADTIME, 22 BADTRUNC.
    pub error: u16,
    /// Key name as sent.
    pub key_name: Folded,
}

impl Refusal {
    /// Why, for an operator: names key, algorithm, clock difference or lengths.
    #[must_use]
    pub fn reason(&self) -> String {
        todo!()
    }

    /// Appends TSIG to the reply: unsigned for BADKEY and BADSIG; signed for BADTIME (client's time signed, ours in Other
    /// Data) and BADTRUNC.
    pub fn append(&self, reply: &mut Vec<u8>, now_seconds: u64) {
        let _ = (reply, now_seconds);
        todo!()
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
    /// The server reports this TSIG error.
    #[error("the server says TSIG error {0}")]
    Told(u16),
}

/// Client side: one signed request and the replies to it.
pub struct Request {
    key: Arc<Key>,
}

impl Request {
    /// Signs `message` (whole, without TSIG) and remembers what the replies are checked with.
    #[must_use]
    pub fn sign(message: &mut Vec<u8>, key: &Arc<Key>, now_seconds: u64) -> Request {
        let _ = (message, key, now_seconds);
        todo!()
    }

    /// Checks the next reply; of a stream, up to 99 messages in between may be unsigned (RFC 8945 §5.3.1). Gives the
    /// message without TSIG.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn check(&mut self, reply: &[u8], now_seconds: u64) -> Result<Vec<u8>, ReplyFault> {
        let _ = (reply, now_seconds, &self.key);
        todo!()
    }

    /// After the last message of a stream: it must have been signed.
    ///
    /// # Errors
    /// `Unsigned`.
    pub fn finish(&self) -> Result<(), ReplyFault> {
        todo!()
    }
}

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
    /// Reads the record at `at`, which must be the last.
    ///
    /// # Errors
    /// The octet where it is malformed.
    pub fn read(message: &[u8], at: usize) -> Result<Tsig, usize> {
        let _ = (message, at);
        todo!()
    }

    /// Where the TSIG record of a message lies: the last record of additional, when it is one.
    #[must_use]
    pub fn find(message: &[u8]) -> Option<usize> {
        let _ = message;
        todo!()
    }

    /// Appends the record and counts it in ARCOUNT.
    pub fn append(&self, message: &mut Vec<u8>) {
        let _ = message;
        todo!()
    }
}
