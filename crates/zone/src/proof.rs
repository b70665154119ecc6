//! Which NSEC or NSEC3 records of a zone prove that something is not there (RFC 4035 §3.1.3, RFC 5155 §7.2). Gives keys of
//! owners; nothing is signed or made up here.

use std::sync::Arc;

use sha1::{Digest, Sha1};
use wire::kind;

use crate::order::{self, SortKey};
use crate::tree::{self, Rrset, Zone};

/// Parameters of the hashes (RFC 5155 §4).
const NSEC3PARAM: u16 = 51;
/// Iterations of NSEC3 hashes up to which proofs are served; RFC 9276 §3.2 lets validators give up even earlier.
const NSEC3_ITERATIONS_MAX: u16 = 150;
/// Names looked at for the one that covers another: names without proof are glue, or another chain's.
const WALK_MAX: usize = 256;
/// Label of a wildcard.
pub(crate) const WILDCARD: &[u8] = b"*";

/// What is to be proved. Keys are prefixes of the asked name's key.
#[derive(Clone, Copy)]
pub(crate) enum Absence<'a> {
    /// The name is there, the type is not; also of a delegation that it has no DS.
    Type(&'a [u8]),
    /// The name is not there, nor a wildcard for it.
    Name { name: &'a [u8], encloser: &'a [u8] },
    /// The wildcard below the encloser is there, the type at it is not, nor is the name.
    WildcardType { name: &'a [u8], encloser: &'a [u8] },
    /// A wildcard answered, because the name is not there.
    Wildcard { name: &'a [u8], encloser: &'a [u8] },
}

/// A set that proves, and the key of its owner.
pub(crate) type Proof<'z> = (Box<[u8]>, &'z Arc<Rrset>);

impl Zone {
    /// The sets that prove it, at most four; none when the zone has no chain of them.
    pub(crate) fn proof(&self, absence: Absence<'_>) -> Vec<Proof<'_>> {
        let found = if self.set_at(&[], kind::NSEC).is_some() {
            self.nsec_proof(absence)
        } else if let Some(hashing) = Hashing::of(self) {
            hashing.proof(absence)
        } else {
            return Vec::new();
        };
        let mut proofs: Vec<Proof<'_>> = Vec::with_capacity(found.len());
        for proof in found.into_iter().flatten() {
            if proofs.iter().all(|(key, _)| *key != proof.0) {
                proofs.push(proof);
            }
        }
        proofs
    }

    fn nsec_proof(&self, absence: Absence<'_>) -> [Option<Proof<'_>>; 3] {
        match absence {
            Absence::Type(name) => [self.nsec(name), None, None],
            Absence::Wildcard { name, .. } => [self.nsec(name), None, None],
            Absence::Name { name, encloser } | Absence::WildcardType { name, encloser } => {
                [self.nsec(name), self.nsec(&wildcard(encloser)), None]
            }
        }
    }

    /// The NSEC set at a name, or else of the nearest name before it.
    fn nsec(&self, key: &[u8]) -> Option<Proof<'_>> {
        if let Some(set) = self.set_at(key, kind::NSEC) {
            return Some((key.into(), set));
        }
        let mut at: Box<[u8]> = key.into();
        for _ in 0..WALK_MAX {
            let (before, sets) = self.names().below(&at)?;
            if let Some(set) = tree::find(sets, kind::NSEC) {
                return Some((before.into(), set));
            }
            at = before.into();
        }
        None
    }
}

/// Key of the wildcard below a name.
fn wildcard(encloser: &[u8]) -> Box<[u8]> {
    // `*` is not among the octets that become two; 0 ends a label.
    [encloser, WILDCARD, &[0]].concat().into()
}

/// The key one label longer than `encloser` on the way to `name` (RFC 5155 §1.3, next closer name).
fn next_closer<'a>(name: &'a [u8], encloser: &[u8]) -> &'a [u8] {
    let rest = name.get(encloser.len()..).unwrap_or_default();
    let end = rest.iter().position(|octet| *octet == 0).map_or(name.len(), |at| encloser.len() + at + 1);
    name.get(..end).unwrap_or(name)
}

/// How names are hashed in a zone.
struct Hashing<'z> {
    zone: &'z Zone,
    iterations: u16,
    salt: &'z [u8],
}

impl<'z> Hashing<'z> {
    fn of(zone: &'z Zone) -> Option<Hashing<'z>> {
        let parameters = zone.set_at(&[], NSEC3PARAM)?;
        parameters.rdatas.iter().find_map(|rdata| {
            // Algorithm (1 is SHA-1, the only one), flags (0: complete), iterations, salt (RFC 5155 §4.2).
            let [1, 0, high, low, salt_len, salt @ ..] = &**rdata else { return None };
            let iterations = u16::from_be_bytes([*high, *low]);
            let known = iterations <= NSEC3_ITERATIONS_MAX && usize::from(*salt_len) == salt.len();
            known.then_some(Hashing { zone, iterations, salt })
        })
    }

    fn proof(&self, absence: Absence<'_>) -> [Option<Proof<'z>>; 3] {
        match absence {
            Absence::Type(name) => match self.matching(name) {
                Some(proof) => [Some(proof), None, None],
                // Opt-out: the name has no record of its own (RFC 5155 §7.2.4).
                None => self.enclosers(name, order::parent(name).unwrap_or_default(), None),
            },
            Absence::Name { name, encloser } => {
                let covering = self.covering(&wildcard(encloser));
                self.enclosers(name, encloser, covering)
            }
            Absence::WildcardType { name, encloser } => {
                let wildcard = wildcard(encloser);
                let matching = self.matching(&wildcard).or_else(|| self.covering(&wildcard));
                self.enclosers(name, encloser, matching)
            }
            Absence::Wildcard { name, encloser } => [self.covering(next_closer(name, encloser)), None, None],
        }
    }

    /// That `encloser`, or the nearest name above it with a record, is the closest that exists (RFC 5155 §7.2.1).
    fn enclosers(&self, name: &[u8], encloser: &[u8], also: Option<Proof<'z>>) -> [Option<Proof<'z>>; 3] {
        let mut at = encloser;
        // Ends: every turn is one label up; the apex has no parent.
        let matching = loop {
            if let Some(matching) = self.matching(at) {
                break Some(matching);
            }
            match order::parent(at) {
                Some(above) => at = above,
                None => break None,
            }
        };
        [matching, self.covering(next_closer(name, at)), also]
    }

    /// The set whose owner is the hash of the name.
    fn matching(&self, name: &[u8]) -> Option<Proof<'z>> {
        let key = self.key_of(name)?;
        self.own(key.octets())
    }

    /// The set whose owner is next before the hash of the name, the last of all before the first.
    fn covering(&self, name: &[u8]) -> Option<Proof<'z>> {
        let hashed = self.zone.hashed();
        let mut at: Box<[u8]> = self.key_of(name)?.octets().into();
        for _ in 0..WALK_MAX {
            let (before, ()) = hashed.below(&at).or_else(|| hashed.last())?;
            if let Some(proof) = self.own(before) {
                return Some(proof);
            }
            at = before.into();
        }
        None
    }

    /// The NSEC3 set at a key, if it is of this chain.
    fn own(&self, key: &[u8]) -> Option<Proof<'z>> {
        let set = self.zone.set_at(key, kind::NSEC3)?;
        let own = set.rdatas.iter().any(|rdata| {
            let [1, _, high, low, salt_len, rest @ ..] = &**rdata else { return false };
            u16::from_be_bytes([*high, *low]) == self.iterations
                && rest.get(..usize::from(*salt_len)) == Some(self.salt)
        });
        own.then(|| (key.into(), set))
    }

    /// Key of the owner a name's NSEC3 record has (RFC 5155 §5).
    fn key_of(&self, name: &[u8]) -> Option<SortKey> {
        let apex = self.zone.origin();
        let mut hash = self.hash(order::name_of(name, apex).wire());
        for _ in 0..self.iterations {
            hash = self.hash(&hash);
        }
        let mut key = SortKey::new(apex, apex)?;
        key.push_label(&base32hex(&hash));
        Some(key)
    }

    fn hash(&self, octets: &[u8]) -> [u8; 20] {
        Sha1::new().chain_update(octets).chain_update(self.salt).finalize().into()
    }
}

/// Extended hex, lower case (RFC 4648 §7): 160 bits are 32 digits without padding.
fn base32hex(hash: &[u8; 20]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(32);
    let (mut bits, mut count) = (0u32, 0u32);
    for &octet in hash {
        bits = bits << 8 | u32::from(octet);
        count += 8;
        while count >= 5 {
            count -= 5;
            let digit = (bits >> count & 31) as u8;
            digits.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
        bits &= (1 << count) - 1;
    }
    digits
}

/// The hash of a name, as tests need it.
#[cfg(test)]
pub(crate) fn hashed_label(name: &wire::name::Folded, iterations: u16, salt: &[u8]) -> String {
    let zone = Zone::new(wire::name::Folded::root());
    let hashing = Hashing { zone: &zone, iterations, salt };
    let mut hash = hashing.hash(name.wire());
    for _ in 0..iterations {
        hash = hashing.hash(&hash);
    }
    String::from_utf8(base32hex(&hash)).unwrap()
}

#[cfg(test)]
mod tests {
    use wire::name::Folded;

    use super::*;

    #[test]
    fn names_are_hashed_as_in_rfc_5155_appendix_a() {
        for (name, hash) in [
            ("example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
            ("a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
            ("*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
            ("2t7b4g4vsa5smi47k61mv5bv1a22bojr.example", "kohar7mbb8dc2ce8a9qvl8hon4k53uhi"),
        ] {
            let name = Folded::from_text(name).unwrap();
            assert_eq!(hashed_label(&name, 12, &[0xaa, 0xbb, 0xcc, 0xdd]), hash, "{name}");
        }
    }
}
