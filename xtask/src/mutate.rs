//! Inputs near given ones, for a short fuzz run without coverage: a few small changes each, the same for the same seed.
//!
//! Knows nothing of what the octets mean. Long runs are libFuzzer's own, with coverage: `fuzz/README.md`.

/// Changes made to one input at most.
const CHANGES_MAX: usize = 4;
/// Most octets copied or taken out by one change.
const SPAN_MAX: usize = 64;
/// Longest input made, octets: a DNS message ends here, and for the rest it is plenty.
const INPUT_BYTES_MAX: usize = 65_535;
/// Octets at which readers turn: ends of ranges, compression pointers, text and line ends.
const TURNING_OCTETS: [u8; 12] = [0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff, b'\n', b'.', b'"', b'('];

/// A small generator (splitmix64): good enough to choose places.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Chance {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when there is none.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    fn octet(&mut self) -> u8 {
        if self.below(2) == 0 { TURNING_OCTETS[self.below(TURNING_OCTETS.len())] } else { self.next().to_le_bytes()[0] }
    }
}

/// One of `inputs`, changed a little, sometimes with a piece of another.
pub(crate) fn near(inputs: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let Some(first) = inputs.get(chance.below(inputs.len())) else { return Vec::new() };
    let mut octets = first.clone();
    for _ in 0..=chance.below(CHANGES_MAX) {
        change(&mut octets, &inputs[chance.below(inputs.len())], chance);
    }
    octets.truncate(INPUT_BYTES_MAX);
    octets
}

fn change(octets: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    let at = chance.below(octets.len() + 1);
    match chance.below(7) {
        0 if at < octets.len() => octets[at] ^= 1 << chance.below(8),
        1 if at < octets.len() => octets[at] = chance.octet(),
        2 => octets.insert(at, chance.octet()),
        3 => octets.truncate(at),
        4 => {
            let end = octets.len().min(at + 1 + chance.below(SPAN_MAX));
            octets.drain(at..end);
        }
        5 => {
            let piece = octets[at..octets.len().min(at + SPAN_MAX)].to_vec();
            let to = chance.below(octets.len() + 1);
            octets.splice(to..to, piece);
        }
        _ => {
            let from = chance.below(other.len() + 1);
            let piece = &other[from..other.len().min(from + 1 + chance.below(SPAN_MAX))];
            octets.splice(at..at, piece.iter().copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(seed: u64) -> Vec<Vec<u8>> {
        let inputs = [(0..=255).collect(), Vec::new(), b"another".repeat(20)];
        let mut chance = Chance::seeded(seed);
        (0..500).map(|_| near(&inputs, &mut chance)).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        assert_eq!(some(7), some(7));
        assert_ne!(some(7), some(8));
    }

    #[test]
    fn inputs_differ_and_stay_near() {
        let made = some(1);
        let distinct: std::collections::BTreeSet<_> = made.iter().collect();
        assert!(distinct.len() > 350, "{}", distinct.len());
        assert!(made.iter().all(|octets| octets.len() <= 256 + CHANGES_MAX * SPAN_MAX));
    }

    #[test]
    fn nothing_to_start_from_is_no_fault() {
        assert!(near(&[], &mut Chance::seeded(1)).is_empty());
        assert!(near(&[Vec::new()], &mut Chance::seeded(1)).len() <= CHANGES_MAX);
    }
}
