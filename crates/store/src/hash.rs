//! A quick hash for counting. Its key is drawn once per process: clients choose the names counted here, and must not
//! be able to choose ones that collide.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// A map for counting.
pub(crate) type Counts<K, V = u32> = HashMap<K, V, Keyed>;

static KEY: LazyLock<[u64; 2]> = LazyLock::new(|| {
    let random = RandomState::new();
    [random.hash_one(1_u8), random.hash_one(2_u8) | 1]
});

/// Makes hashers of this process.
#[derive(Clone, Copy)]
pub(crate) struct Keyed([u64; 2]);

impl Default for Keyed {
    fn default() -> Keyed {
        Keyed(*KEY)
    }
}

impl BuildHasher for Keyed {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        let [state, key] = self.0;
        Mixer { state, key }
    }
}

/// Folds the product of what came so far with the key, eight octets at a time.
pub(crate) struct Mixer {
    state: u64,
    key: u64,
}

impl Mixer {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.key);
        self.state = (product as u64) ^ ((product >> 64) as u64) ^ self.key.rotate_left(23);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, it: u8) {
        self.mix(it.into());
    }

    fn write_u16(&mut self, it: u16) {
        self.mix(it.into());
    }

    fn write_u32(&mut self, it: u32) {
        self.mix(it.into());
    }

    fn write_u64(&mut self, it: u64) {
        self.mix(it);
    }

    fn write_usize(&mut self, it: usize) {
        self.mix(it as u64);
    }

    fn finish(&self) -> u64 {
        let product = u128::from(self.state) * u128::from(self.key.rotate_left(32) | 1);
        (product as u64) ^ ((product >> 64) as u64)
    }
}
