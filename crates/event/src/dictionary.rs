//! A column of words that few differ in, while it is filled: each word is written once, and rows have its number.
//!
//! Whoever makes events shares the word of a list, an upstream, a tenant or a node: the same memory is the same word, and mostly
//! nothing is hashed.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, DictionaryArray, StringBuilder, UInt16Builder};
use arrow::datatypes::UInt16Type;

/// Words told by where they lie; a power of two.
const NEAR: usize = 1 << 8;

/// The words of one batch.
pub(crate) struct Words {
    rows: UInt16Builder,
    words: StringBuilder,
    numbers: HashMap<Arc<str>, u16>,
    /// Each held, so that no other can lie where it does.
    near: Vec<Option<(Arc<str>, u16)>>,
}

impl Default for Words {
    fn default() -> Words {
        let (rows, words) = (UInt16Builder::new(), StringBuilder::new());
        Words { rows, words, numbers: HashMap::new(), near: vec![None; NEAR] }
    }
}

impl Words {
    /// Appends a row. Beyond 65,536 words of one batch a row is left without: lists and upstreams number in the tens.
    pub(crate) fn append(&mut self, word: Option<&Arc<str>>) {
        let number = word.and_then(|word| self.number(word));
        self.rows.append_option(number);
    }

    fn number(&mut self, word: &Arc<str>) -> Option<u16> {
        // Where words lie they are at least 16 octets apart.
        let place = (Arc::as_ptr(word).cast::<u8>().addr() >> 4).wrapping_mul(0x9e37_79b9) >> 8;
        let near = &mut self.near[place % NEAR];
        if let Some((known, number)) = near
            && Arc::ptr_eq(known, word)
        {
            return Some(*number);
        }
        let number = match self.numbers.get(word) {
            Some(number) => *number,
            None => {
                let next = u16::try_from(self.numbers.len()).ok()?;
                self.words.append_value(word);
                self.numbers.insert(Arc::clone(word), next);
                next
            }
        };
        *near = Some((Arc::clone(word), number));
        Some(number)
    }

    /// Ends the batch.
    pub(crate) fn finish(&mut self) -> DictionaryArray<UInt16Type> {
        self.numbers.clear();
        self.near.fill(None);
        let (rows, words) = (self.rows.finish(), self.words.finish());
        debug_assert!(rows.iter().flatten().all(|number| usize::from(number) < words.len()));
        #[expect(clippy::expect_used, reason = "each number is that of a word, as above")]
        DictionaryArray::try_new(rows, Arc::new(words)).expect("rows have the numbers of words")
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn words_come_back_whoever_holds_them() {
        let mut words = Words::default();
        for round in 0..2 {
            let shared: Vec<Arc<str>> = (0..400).map(|number| format!("word {number}").into()).collect();
            let rows: Vec<Option<Arc<str>>> = (0..5_000_usize)
                .map(|row| match row % 7 {
                    0 => None,
                    // Another memory, the same word.
                    1 => Some(format!("word {}", row % (90 + round)).into()),
                    _ => Some(Arc::clone(&shared[row * row % 400])),
                })
                .collect();
            rows.iter().for_each(|word| words.append(word.as_ref()));
            let column = words.finish();
            let found: Vec<Option<&str>> = column.downcast_dict::<StringArray>().unwrap().into_iter().collect();
            assert_eq!(found, rows.iter().map(|word| word.as_deref()).collect::<Vec<_>>());
            assert!(column.values().len() <= 400);
        }
    }

    #[test]
    fn a_word_too_many_is_left_out() {
        let mut words = Words::default();
        (0..70_000).for_each(|number| words.append(Some(&format!("{number}").into())));
        let column = words.finish();
        assert_eq!((column.values().len(), column.null_count()), (65_536, 70_000 - 65_536));
    }
}
