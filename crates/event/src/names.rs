//! What is derived of the names asked, remembered for those that come again: most do, and soon.
//!
//! Names are told by their text, whoever made them. Clients choose them: one that takes the place of another costs what it always
//! did, and no more.

use crate::columns::{reg_domain, reverse_into};

/// Names remembered; a power of two. About 100 octets each.
const NAMES: usize = 1 << 13;
/// Longest name remembered: longer ones are rare, and hold much memory.
const OCTETS_MAX: usize = 128;
/// An odd number without a pattern (the golden ratio).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// A name with what is derived of it.
#[derive(Default)]
pub(crate) struct Derived {
    hash: u64,
    /// The name, and behind it itself from the root down: who needs one needs the other, and they lie together.
    text: String,
    name_octets: usize,
    /// Where its registrable part begins and ends.
    part: Option<(usize, usize)>,
}

impl Derived {
    fn make(&mut self, hash: u64, name: &str) {
        (self.hash, self.name_octets) = (hash, name.len());
        self.text.clear();
        self.text.push_str(name);
        reverse_into(name, &mut self.text);
        self.part = reg_domain(name).and_then(|part| {
            // A part is the end of a name, perhaps without its last dot.
            let from = if name.ends_with(part) { name.len() - part.len() } else { name.rfind(part)? };
            Some((from, from + part.len()))
        });
    }

    fn is(&self, hash: u64, name: &str) -> bool {
        self.hash == hash && self.text.as_bytes().get(..self.name_octets) == Some(name.as_bytes())
    }

    /// Its registrable part.
    pub(crate) fn reg_domain(&self) -> Option<&str> {
        self.part.and_then(|(from, to)| self.text.get(from..to))
    }

    /// Itself from the root down.
    pub(crate) fn reversed(&self) -> &str {
        self.text.get(self.name_octets..).unwrap_or_default()
    }
}

/// The names met last.
pub(crate) struct Names {
    near: Vec<Derived>,
    /// For the names that are not remembered.
    other: Derived,
}

impl Default for Names {
    fn default() -> Names {
        Names { near: std::iter::repeat_with(Derived::default).take(NAMES).collect(), other: Derived::default() }
    }
}

impl Names {
    /// What is derived of a name.
    pub(crate) fn of(&mut self, name: &str) -> &Derived {
        if name.len() > OCTETS_MAX {
            self.other.make(0, name);
            return &self.other;
        }
        let hash = hash(name.as_bytes());
        let place = &mut self.near[(hash >> 32) as usize % NAMES];
        // An empty place is that of the empty name, of which nothing is derived.
        if !place.is(hash, name) {
            place.make(hash, name);
        }
        place
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mix = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * u128::from(MIX);
        product as u64 ^ (product >> 64) as u64
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let state = words.iter().fold(MIX, |state, word| mix(state, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(mix(state, u64::from_le_bytes(last)), bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reversed_domain;

    #[test]
    fn a_name_that_comes_again_gives_the_same() {
        let mut names = Names::default();
        let texts: Vec<String> = (0..3 * NAMES)
            .map(|number| match number % 5 {
                0 => format!("n{number}.example.co.uk"),
                1 => format!("host.n{number}.com"),
                2 => "com".to_owned(),
                3 => format!(r"a\.b{}.{}.example.org", number % 7, "x".repeat(number % 200)),
                _ => String::new(),
            })
            .collect();
        for text in texts.iter().chain(texts.iter().rev()) {
            let derived = names.of(text);
            assert_eq!((derived.reg_domain(), derived.reversed()), (reg_domain(text), reversed_domain(text).as_str()));
        }
    }
}
