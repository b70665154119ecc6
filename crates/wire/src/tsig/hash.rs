//! The HMACs of RFC 8945 §6 behind one type, and what they give: a MAC, perhaps cut short.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::Algorithm;

/// Octets of the longest MAC, that of SHA-512.
pub(super) const MAC_LEN_MAX: usize = 64;

/// An HMAC under way.
#[derive(Clone)]
pub(super) enum Hasher {
    Sha1(Hmac<Sha1>),
    Sha224(Hmac<Sha224>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

/// The same step for every hash.
macro_rules! each {
    ($hasher:expr, $mac:ident => $step:expr) => {
        match $hasher {
            Hasher::Sha1($mac) => $step,
            Hasher::Sha224($mac) => $step,
            Hasher::Sha256($mac) => $step,
            Hasher::Sha384($mac) => $step,
            Hasher::Sha512($mac) => $step,
        }
    };
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm, secret: &[u8]) -> Hasher {
        match algorithm {
            Algorithm::HmacSha1 => Hasher::Sha1(keyed(secret)),
            Algorithm::HmacSha224 => Hasher::Sha224(keyed(secret)),
            Algorithm::HmacSha256 | Algorithm::HmacSha256Cut128 => Hasher::Sha256(keyed(secret)),
            Algorithm::HmacSha384 | Algorithm::HmacSha384Cut192 => Hasher::Sha384(keyed(secret)),
            Algorithm::HmacSha512 | Algorithm::HmacSha512Cut256 => Hasher::Sha512(keyed(secret)),
        }
    }

    pub(super) fn update(&mut self, octets: &[u8]) {
        each!(self, mac => mac.update(octets));
    }

    /// Digests a MAC as it goes in front of a message: its length, then its octets (RFC 8945 §4.3.1).
    pub(super) fn update_mac(&mut self, mac: &MacOut) {
        self.update(&(mac.len as u16).to_be_bytes());
        self.update(mac.octets());
    }

    /// The first `len` octets of the MAC.
    pub(super) fn finish(self, len: usize) -> MacOut {
        each!(self, mac => MacOut::new(mac.finalize().into_bytes().as_slice(), len))
    }

    /// Whether the MAC starts with these octets, of which there must be some; compared in constant time.
    pub(super) fn fits(self, octets: &[u8]) -> bool {
        each!(self, mac => mac.verify_truncated_left(octets).is_ok())
    }
}

fn keyed<M: KeyInit>(secret: &[u8]) -> M {
    // RFC 2104 §2: a secret longer than a block is hashed first, a shorter one is padded.
    M::new_from_slice(secret).expect("HMAC takes a secret of any length")
}

/// A MAC as sent, held inline.
#[derive(Clone, Copy, Debug)]
pub(super) struct MacOut {
    len: u8,
    octets: [u8; MAC_LEN_MAX],
}

impl MacOut {
    /// The first `len` octets of these, at most `MAC_LEN_MAX`.
    pub(super) fn new(octets: &[u8], len: usize) -> MacOut {
        let len = len.min(octets.len()).min(MAC_LEN_MAX);
        let mut mac = MacOut { len: len as u8, octets: [0; MAC_LEN_MAX] };
        mac.octets[..len].copy_from_slice(&octets[..len]);
        mac
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}
