//! How many different values there are, from a sketch: HyperLogLog as Apache DataSketches writes it, over the octets of
//! text and of addresses.

use datasketches::common::NumStdDev;
use datasketches::hash::value::raw_bytes;
use datasketches::hll::{HllSketch, HllType, HllUnion};

/// Registers of a sketch: two to the power of this.
const LG_REGISTERS: u8 = 14;
/// Relative standard error of `Distinct::estimate`: 1.04 divided by the root of the number of registers.
pub const DISTINCT_ERROR: f64 = 1.04 / 128.0;

/// A sketch of a set of values.
pub struct Distinct {
    union: HllUnion,
}

impl Default for Distinct {
    fn default() -> Distinct {
        #[expect(clippy::expect_used, reason = "sketches can have this many registers")]
        let union = HllUnion::new(LG_REGISTERS).expect("a sketch of 2^14 registers");
        Distinct { union }
    }
}

impl Distinct {
    /// Adds a value.
    pub fn add(&mut self, value: &[u8]) {
        self.union.update_value(raw_bytes::from_slice(value));
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Sketch) {
        self.union.update(&other.0);
    }

    /// How many different values were added; exact for a few hundred, then off by `DISTINCT_ERROR` in two cases of three.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        self.union.estimate().round() as u64
    }

    /// Between these two the number is, in 997 of 1,000 cases.
    #[must_use]
    pub fn bounds(&self) -> (u64, u64) {
        let (low, high) = (self.union.lower_bound(NumStdDev::Three), self.union.upper_bound(NumStdDev::Three));
        (low.floor() as u64, high.ceil() as u64)
    }

    pub(super) fn pack(&self) -> Vec<u8> {
        self.union.to_sketch(HllType::Hll6).serialize()
    }
}

/// A sketch of one segment.
pub struct Sketch(HllSketch);

impl Sketch {
    pub(super) fn unpack(bytes: &[u8]) -> Option<Sketch> {
        HllSketch::deserialize(bytes).ok().filter(|sketch| sketch.lg_config_k() == LG_REGISTERS).map(Sketch)
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.estimated_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sketches_of_parts_tell_of_the_whole() {
        let mut whole = Distinct::default();
        for part in 0_u32..4 {
            let mut sketch = Distinct::default();
            for value in part * 50_000..part * 50_000 + 80_000 {
                sketch.add(&value.to_be_bytes());
            }
            whole.merge(&Sketch::unpack(&sketch.pack()).unwrap());
        }
        let (low, high) = whole.bounds();
        assert!(low <= 230_000 && 230_000 <= high && low <= whole.estimate() && whole.estimate() <= high);
        assert!(high - low < 230_000 / 15);
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let mut few = Distinct::default();
        for value in 0_u32..2_000 {
            few.add(&(value % 100).to_be_bytes());
        }
        assert_eq!(few.estimate(), 100);
        assert!(Sketch::unpack(b"no sketch").is_none());
    }
}
