//! Hashes of name suffixes, chained label by label from the root: every suffix of a name costs one step.
//!
//! Keyed by a secret seed, so that nobody outside can make two names meet. Wrong meetings happen by chance alone:
//! rules / 2^64 for each suffix looked at.

use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use wire::name::{LABEL_LEN_MAX, NAME_LEN_MAX};

/// Most labels a name can have: 255 octets, two for each label, one for the root.
pub(crate) const LABELS_MAX: usize = 127;

/// Hashes suffixes under one seed.
#[derive(Clone)]
pub(crate) struct SuffixHasher {
    state: RandomState,
    root: u64,
}

/// A suffix: its hash and how many labels it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suffix {
    pub(crate) hash: u64,
    pub(crate) depth: u8,
}

impl SuffixHasher {
    pub(crate) fn new(seed: u64) -> SuffixHasher {
        // Four keys from one seed; the constants only make them differ (digits of pi).
        let state = RandomState::with_seeds(
            seed,
            seed.rotate_left(17) ^ 0x243f_6a88_85a3_08d3,
            seed.rotate_left(31) ^ 0x1319_8a2e_0370_7344,
            seed.rotate_left(47) ^ 0xa409_3822_299f_31d0,
        );
        let root = state.hash_one(0_u64);
        SuffixHasher { state, root }
    }

    /// The root, where every chain begins.
    pub(crate) fn root(&self) -> Suffix {
        Suffix { hash: self.root, depth: 0 }
    }

    /// The suffix one label longer. `label` is in lower case and begins with its length octet.
    #[inline]
    pub(crate) fn step(&self, above: Suffix, label: &[u8]) -> Suffix {
        let mut hasher = self.state.build_hasher();
        hasher.write_u64(above.hash);
        hasher.write(label);
        Suffix { hash: hasher.finish(), depth: above.depth.saturating_add(1) }
    }

    /// The suffix a rule names, checked octet by octet.
    pub(crate) fn of_text(&self, name: &[u8]) -> Result<Suffix, &'static str> {
        if name.is_empty() {
            return Err("no name");
        }
        // Text of n octets is n + 2 on the wire: a length octet for the first label, the root at the end.
        if name.len() + 2 > NAME_LEN_MAX {
            return Err("name longer than 255 octets");
        }
        let mut suffix = self.root();
        for label in name.rsplit(|&octet| octet == b'.') {
            let mut folded = [0_u8; LABEL_LEN_MAX + 1];
            check_label(label)?;
            folded[0] = label.len() as u8; // At most 63, checked just above.
            for (to, from) in folded[1..].iter_mut().zip(label) {
                *to = from.to_ascii_lowercase();
            }
            suffix = self.step(suffix, &folded[..=label.len()]);
        }
        Ok(suffix)
    }
}

/// Lists name hosts and domains, not arbitrary octets: anything beyond letters, digits, `-` and `_` is a slip.
fn check_label(label: &[u8]) -> Result<(), &'static str> {
    if label.is_empty() {
        return Err("name with an empty label");
    }
    if label.len() > LABEL_LEN_MAX {
        return Err("label longer than 63 octets");
    }
    match label.iter().find(|octet| !octet.is_ascii_alphanumeric() && !matches!(octet, b'-' | b'_')) {
        None => Ok(()),
        Some(b'*') => Err("wildcard inside a name; only a leading *. is understood"),
        Some(octet) if !octet.is_ascii() => Err("name not in ASCII; write its xn-- form"),
        Some(_) => Err("character that no domain name has"),
    }
}

/// Where each label of a wire-form name begins: filled from the left, read from the right.
pub(crate) struct LabelStarts {
    count: usize,
    starts: [u8; LABELS_MAX],
}

impl LabelStarts {
    #[inline]
    pub(crate) fn of(wire: &[u8]) -> LabelStarts {
        let mut found = LabelStarts { count: 0, starts: [0; LABELS_MAX] };
        let mut at = 0_usize;
        while let Some(&len) = wire.get(at) {
            if len == 0 || found.count == LABELS_MAX {
                break;
            }
            found.starts[found.count] = at as u8; // A name has at most 255 octets.
            found.count += 1;
            at += 1 + usize::from(len);
        }
        found
    }

    /// Offsets of the length octets, leftmost label first.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.starts[..self.count]
    }
}
