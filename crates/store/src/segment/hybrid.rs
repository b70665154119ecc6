//! Small numbers as Parquet packs them: runs of one number, and stretches of numbers of a fixed width in bits.
//!
//! ```text
//! run:      length << 1 varint | the number in as many octets as the width needs
//! stretch:  groups of eight << 1 | 1 varint | the numbers, lowest bits first
//! ```

use crate::varint::put_varint;

const GROUP: usize = 8;
/// Bits of a run from which it is kept apart from the stretches around it: each of the three has a head of its own.
const RUN_BITS_MIN: usize = 64;
/// Groups of one stretch: its head has two octets.
const STRETCH_GROUPS_MAX: usize = 1 << 12;

/// Bits that numbers up to this one need; at least one.
pub(super) fn width_of(max: u32) -> u32 {
    (u32::BITS - max.leading_zeros()).max(1)
}

/// Appends the numbers, none of which needs more bits than the width.
pub(super) fn put(out: &mut Vec<u8>, numbers: &[u32], width: u32) {
    let run_min = (RUN_BITS_MIN / width as usize).max(GROUP).next_multiple_of(GROUP);
    let mut stretch = 0;
    let mut at = 0;
    while at < numbers.len() {
        let same = run_at(numbers, at);
        // A stretch before it must be whole groups, which it is: all steps but the last are.
        if same >= run_min || same == numbers.len() - at {
            put_stretch(out, &numbers[stretch..at], width);
            let length = if at + same == numbers.len() { same } else { same / GROUP * GROUP };
            put_varint(out, (length as u64) << 1);
            out.extend_from_slice(&numbers[at].to_le_bytes()[..(width as usize).div_ceil(8)]);
            at += length;
            stretch = at;
        } else {
            at += GROUP.min(numbers.len() - at);
        }
    }
    put_stretch(out, &numbers[stretch..], width);
}

/// How often the number at a place comes in a row.
fn run_at(numbers: &[u32], at: usize) -> usize {
    let first = numbers[at];
    numbers[at..].iter().take_while(|number| **number == first).count()
}

fn put_stretch(out: &mut Vec<u8>, numbers: &[u32], width: u32) {
    for part in numbers.chunks(STRETCH_GROUPS_MAX * GROUP) {
        let groups = part.len().div_ceil(GROUP);
        put_varint(out, (groups as u64) << 1 | 1);
        let end = out.len() + groups * width as usize;
        let (mut bits, mut filled) = (0_u64, 0);
        for number in part {
            bits |= u64::from(*number) << filled;
            filled += width;
            if filled >= u32::BITS {
                out.extend_from_slice(&(bits as u32).to_le_bytes());
                bits >>= u32::BITS;
                filled -= u32::BITS;
            }
        }
        out.extend_from_slice(&bits.to_le_bytes()[..(filled as usize).div_ceil(8)]);
        // The last group is filled up with zeros.
        out.resize(end, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::varint::take_varint;

    /// As the format's description reads them, one bit at a time.
    fn read(mut bytes: &[u8], count: usize, width: u32) -> Vec<u32> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let head = take_varint(&mut bytes).unwrap() as usize;
            if head & 1 == 0 {
                let (value, rest) = bytes.split_at((width as usize).div_ceil(8));
                let value = value.iter().rev().fold(0, |value, octet| value << 8 | u32::from(*octet));
                numbers.resize(numbers.len() + (head >> 1), value);
                bytes = rest;
            } else {
                let (packed, rest) = bytes.split_at((head >> 1) * width as usize);
                let bit = |at: usize| u32::from(packed[at / 8] >> (at % 8) & 1);
                let all = (0..(head >> 1) * 8).map(|number| {
                    (0..width as usize).fold(0, |value, at| value | bit(number * width as usize + at) << at)
                });
                numbers.extend(all);
                bytes = rest;
            }
        }
        assert!(bytes.is_empty() && numbers[count..].iter().all(|number| *number == 0));
        numbers.truncate(count);
        numbers
    }

    proptest! {
        #[test]
        fn what_was_packed_is_read(
            runs in prop::collection::vec((any::<u32>(), prop_oneof![4 => 1_usize..3, 1 => 1_usize..300]), 0..60),
            width in 1_u32..=32,
        ) {
            let numbers: Vec<u32> = runs
                .into_iter()
                .flat_map(|(number, times)| std::iter::repeat_n(number >> (32 - width), times))
                .collect();
            let mut packed = Vec::new();
            put(&mut packed, &numbers, width);
            prop_assert_eq!(read(&packed, numbers.len(), width), numbers);
        }
    }

    #[test]
    fn widths_hold_their_numbers() {
        for (max, width) in [(0, 1), (1, 1), (2, 2), (255, 8), (256, 9), (u32::MAX, 32)] {
            assert_eq!(width_of(max), width, "{max}");
        }
    }

    #[test]
    fn a_constant_is_a_few_octets_and_a_long_stretch_has_several_heads() {
        let mut packed = Vec::new();
        put(&mut packed, &[7; 20_000], 3);
        assert_eq!(packed.len(), 4);
        let numbers: Vec<u32> = (0..100_000).collect();
        packed.clear();
        put(&mut packed, &numbers, 17);
        assert_eq!(read(&packed, numbers.len(), 17), numbers);
    }
}
