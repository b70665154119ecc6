//! Diffie-Hellman in DNS: KEY records that carry public values (RFC 2539), and the keying material two sides make of them
//! (RFC 2930 §4.1).
//!
//! Groups and public values come from strangers and are checked before anything is computed with them, except that a prime
//! is taken for prime: whoever sends a bad one harms the key they asked for, and no other, for our private value
//! serves one exchange only. Randomness is an argument. Every fault is answered with BADKEY.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use md5::{Digest, Md5};

use crate::bytes::{slice_at, u16_at};

/// Octets of randomness that make a private value: twice the strength any group here has.
pub const PRIVATE_LEN: usize = 64;

/// Smallest prime taken, bits: that of well-known group 1. Too small for secrets that must last; BIND and others still
/// offer it, and whoever turns this on decides who may ask.
pub const PRIME_BITS_MIN: u32 = 768;

/// Largest prime taken, bits: a few milliseconds of work.
pub const PRIME_BITS_MAX: u32 = 4_096;

/// Algorithm number of Diffie-Hellman in KEY records (RFC 2539 §2).
const ALGORITHM: u8 = 2;

/// Flags of a KEY record that say it holds no key (RFC 2535 §3.1.2).
const FLAGS_NO_KEY: u16 = 0xc000;

/// Flags and protocol of the KEY records we write: the key of an entity that is no zone, for DNSSEC (RFC 2535 §3.1).
const FLAGS_HOST: u16 = 0x0200;
const PROTOCOL: u8 = 3;

/// The generator of all well-known groups.
const GENERATOR: &[u8] = &[2];

/// 2^768 - 2^704 - 1 + 2^64 * (floor(2^638 π) + 149686) (RFC 2539 appendix A.1).
static PRIME_768: [u8; 96] = unhex(
    "\
        ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
        ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a3620ffffffffffffffff",
);

/// 2^1024 - 2^960 - 1 + 2^64 * (floor(2^894 π) + 129093) (RFC 2539 appendix A.2).
static PRIME_1024: [u8; 128] = unhex(
    "\
        ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
        ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
        ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff",
);

/// 2^1536 - 2^1472 - 1 + 2^64 * (floor(2^1406 π) + 741804) (RFC 3526 §2). BIND numbers it 3.
static PRIME_1536: [u8; 192] = unhex(
    "\
        ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
        ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
        ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f\
        83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca237327ffffffffffffffff",
);

const fn unhex<const LEN: usize>(digits: &str) -> [u8; LEN] {
    const fn value(digit: u8) -> u8 {
        if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 }
    }
    let digits = digits.as_bytes();
    assert!(digits.len() == 2 * LEN);
    let mut octets = [0; LEN];
    let mut at = 0;
    while at < LEN {
        octets[at] = value(digits[2 * at]) << 4 | value(digits[2 * at + 1]);
        at += 1;
    }
    octets
}

/// Why there is no agreement. TKEY error BADKEY for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not KEY data with a Diffie-Hellman value.
    #[error("the KEY record is malformed at octet {at}")]
    Malformed {
        /// Octet of the data.
        at: usize,
    },
    /// A key of another kind, or none.
    #[error("the KEY record holds no Diffie-Hellman key (algorithm {algorithm})")]
    NotDiffieHellman {
        /// Its algorithm.
        algorithm: u8,
    },
    /// A well-known group that is not known here.
    #[error("Diffie-Hellman group {0} is not known")]
    UnknownGroup(u16),
    /// A prime smaller or larger than taken.
    #[error("a prime of {bits} bits: {PRIME_BITS_MIN} to {PRIME_BITS_MAX} are taken")]
    PrimeSize {
        /// Its bits.
        bits: u32,
    },
    /// An even number as prime, or a generator that generates nothing.
    #[error("the Diffie-Hellman group is none: prime even, or generator trivial")]
    TrivialGroup,
    /// A public value of 0, 1, the prime less one, or beyond: the secret would be known to everyone.
    #[error("the Diffie-Hellman value is trivial or out of range")]
    TrivialValue,
    /// The two sides use different groups.
    #[error("the KEY record is of another Diffie-Hellman group")]
    OtherGroup,
}

/// A prime and its generator, both without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    prime: Box<[u8]>,
    generator: Box<[u8]>,
    /// Its number, when it has one and was named by it.
    number: Option<u16>,
}

impl Group {
    /// Group 1 (768 bits), 2 (1024 bits) or 3 (1536 bits).
    ///
    /// # Errors
    /// `UnknownGroup`.
    pub fn well_known(number: u16) -> Result<Group, Fault> {
        let prime: &[u8] = match number {
            1 => &PRIME_768,
            2 => &PRIME_1024,
            3 => &PRIME_1536,
            _ => return Err(Fault::UnknownGroup(number)),
        };
        Ok(Group { prime: prime.into(), generator: GENERATOR.into(), number: Some(number) })
    }

    /// A group given in full.
    ///
    /// # Errors
    /// `PrimeSize`, `TrivialGroup`.
    pub fn explicit(prime: &[u8], generator: &[u8]) -> Result<Group, Fault> {
        let (prime, generator) = (trimmed(prime), trimmed(generator));
        let bits = bits(prime);
        if !(PRIME_BITS_MIN..=PRIME_BITS_MAX).contains(&bits) {
            return Err(Fault::PrimeSize { bits });
        }
        let even = prime.last().is_none_or(|last| last & 1 == 0);
        if even || !is_proper(generator, prime) {
            return Err(Fault::TrivialGroup);
        }
        Ok(Group { prime: prime.into(), generator: generator.into(), number: None })
    }

    /// Bits of the prime.
    #[must_use]
    pub fn bits(&self) -> u32 {
        bits(&self.prime)
    }

    /// Whether prime and generator are the same, however they were written.
    #[must_use]
    pub fn is_same(&self, other: &Group) -> bool {
        self.prime == other.prime && self.generator == other.generator
    }

    /// `base` to the power of `exponent`, modulo the prime; without leading zeros. The base is below the prime. Takes the same
    /// time for every exponent.
    fn power(&self, base: &[u8], exponent: &[u8; PRIVATE_LEN]) -> Result<Box<[u8]>, Fault> {
        let bits = self.bits();
        let number = |octets: &[u8], bits| BoxedUint::from_be_slice(octets, bits).map_err(|_| Fault::TrivialGroup);
        let prime = Odd::new(number(&self.prime, bits)?).into_option().ok_or(Fault::TrivialGroup)?;
        let params = BoxedMontyParams::new_vartime(prime);
        let base = BoxedMontyForm::new(number(base, bits)?, &params);
        let exponent = number(exponent, 8 * PRIVATE_LEN as u32)?;
        Ok(trimmed(&base.pow(&exponent).retrieve().to_be_bytes()).into())
    }
}

/// A public value, as KEY data carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    /// Its group.
    pub group: Group,
    value: Box<[u8]>,
}

impl Public {
    /// Reads the data of a KEY record (RFC 2539 §2) and checks group and value.
    ///
    /// # Errors
    /// `Malformed`, `NotDiffieHellman`, and whatever is wrong with group or value.
    pub fn read(rdata: &[u8]) -> Result<Public, Fault> {
        let malformed = |at| Fault::Malformed { at };
        let (flags, algorithm) = (u16_at(rdata, 0).map_err(malformed)?, *rdata.get(3).ok_or(malformed(rdata.len()))?);
        if algorithm != ALGORITHM || flags & FLAGS_NO_KEY == FLAGS_NO_KEY {
            return Err(Fault::NotDiffieHellman { algorithm });
        }
        let mut at = 4;
        let mut field = || {
            let len = usize::from(u16_at(rdata, at)?);
            let field = slice_at(rdata, at + 2, len)?;
            at += 2 + len;
            Ok(field)
        };
        let (prime, generator, value) =
            (field().map_err(malformed)?, field().map_err(malformed)?, field().map_err(malformed)?);
        if at != rdata.len() {
            return Err(malformed(at));
        }
        let group = match *prime {
            // One or two octets are no prime but the number of a group, which brings its generator.
            [] => return Err(malformed(4)),
            [low] => Group::well_known(u16::from(low))?,
            [high, low] => Group::well_known(u16::from_be_bytes([high, low]))?,
            _ => Group::explicit(prime, generator)?,
        };
        if group.number.is_some() && !generator.is_empty() && trimmed(generator) != GENERATOR {
            return Err(Fault::TrivialGroup);
        }
        let value = trimmed(value);
        if !is_proper(value, &group.prime) {
            return Err(Fault::TrivialValue);
        }
        Ok(Public { group, value: value.into() })
    }

    /// Data of the KEY record. A group that has a number is named by it.
    #[must_use]
    pub fn rdata(&self) -> Vec<u8> {
        let mut rdata = FLAGS_HOST.to_be_bytes().to_vec();
        rdata.extend([PROTOCOL, ALGORITHM]);
        // At most 512 octets each: `PRIME_BITS_MAX`.
        let mut field = |octets: &[u8]| {
            rdata.extend((octets.len() as u16).to_be_bytes());
            rdata.extend(octets);
        };
        match self.group.number {
            Some(number) => match u8::try_from(number) {
                Ok(number) => field(&[number]),
                Err(_) => field(&number.to_be_bytes()),
            },
            None => field(&self.group.prime),
        }
        field(if self.group.number.is_some() { &[] } else { &self.group.generator });
        field(&self.value);
        rdata
    }
}

/// One side of an exchange: a private value and its public one. For one exchange only.
pub struct Exchange {
    exponent: [u8; PRIVATE_LEN],
    public: Public,
}

impl Exchange {
    /// Begins with fresh randomness.
    ///
    /// # Errors
    /// A group that is none, which `Group` lets nobody make.
    pub fn begin(group: &Group, random: &[u8; PRIVATE_LEN]) -> Result<Exchange, Fault> {
        let mut exponent = *random;
        // As long as can be: never 0 or 1, and every one takes the same time.
        exponent[0] |= 0x80;
        let value = group.power(&group.generator, &exponent)?;
        Ok(Exchange { exponent, public: Public { group: group.clone(), value } })
    }

    /// What the other side gets.
    #[must_use]
    pub fn public(&self) -> &Public {
        &self.public
    }

    /// Ends the exchange: the secret both sides now have. `query_data` and `server_data` are the key data of the TKEY
    /// records in query and reply: nonces.
    ///
    /// # Errors
    /// `OtherGroup`; `TrivialValue` when both together give a secret everyone knows.
    pub fn agree(self, theirs: &Public, query_data: &[u8], server_data: &[u8]) -> Result<Vec<u8>, Fault> {
        let group = &self.public.group;
        if !group.is_same(&theirs.group) {
            return Err(Fault::OtherGroup);
        }
        let value = group.power(&theirs.value, &self.exponent)?;
        if !is_proper(&value, &group.prime) {
            return Err(Fault::TrivialValue);
        }
        Ok(keying_material(&value, query_data, server_data))
    }
}

/// Server side in one step: takes the data of the KEY record in the query and gives that for the reply, and the secret.
///
/// # Errors
/// Why not: TKEY error BADKEY.
pub fn answer(
    key_rdata: &[u8],
    query_data: &[u8],
    server_data: &[u8],
    random: &[u8; PRIVATE_LEN],
) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let theirs = Public::read(key_rdata)?;
    let exchange = Exchange::begin(&theirs.group, random)?;
    let ours = exchange.public().rdata();
    Ok((ours, exchange.agree(&theirs, query_data, server_data)?))
}

/// XOR of the shared value with MD5(query data | value) | MD5(server data | value), the shorter one padded with zeros at its
/// right end (RFC 2930 §4.1). As long as the longer one: 32 octets or the value's.
fn keying_material(value: &[u8], query_data: &[u8], server_data: &[u8]) -> Vec<u8> {
    let digest = |data: &[u8]| Md5::new().chain_update(data).chain_update(value).finalize();
    let digests = [digest(query_data), digest(server_data)].concat();
    let mut material = value.to_vec();
    material.resize(value.len().max(digests.len()), 0);
    for (octet, digested) in material.iter_mut().zip(digests) {
        *octet ^= digested;
    }
    material
}

/// A number without its leading zeros.
fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    &number[zeros..]
}

fn bits(trimmed: &[u8]) -> u32 {
    let zeros = trimmed.first().map_or(0, |first| first.leading_zeros());
    (8 * trimmed.len() as u32).saturating_sub(zeros)
}

/// Whether `number` is above 1 and below `prime - 1`, both without leading zeros and `prime` odd.
fn is_proper(number: &[u8], prime: &[u8]) -> bool {
    let Some((last, head)) = prime.split_last() else { return false };
    let below = |other: (usize, &[u8], u8)| {
        let Some((last, head)) = number.split_last() else { return false };
        (number.len(), head, *last) < other
    };
    !matches!(number, [] | [1]) && below((prime.len(), head, last & !1))
}

#[cfg(test)]
mod tests;
