//! Columns of many batches as numbers: the different values of each, and for each row which. What is written of a segment is
//! then made of numbers, and a value that comes a thousand times is looked at once.
//!
//! Rows are in the order of the batches. Knows the event schema; knows nothing of files.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, UInt16Type};
use arrow::util::bit_iterator::BitIndexIterator;

use crate::different::Different;

/// The number of a row without a value.
pub(crate) const EMPTY: u32 = u32::MAX;

/// One column.
pub(crate) struct Numbered<V> {
    /// In the order they were met.
    pub(crate) values: Vec<V>,
    /// For each row the place of its value, or `EMPTY`.
    pub(crate) rows: Vec<u32>,
}

/// Rows of all batches.
pub(crate) fn rows(batches: &[Arc<RecordBatch>]) -> usize {
    batches.iter().map(|batch| batch.num_rows()).sum()
}

/// Marks the rows of the last array that have no value.
fn mark_empty(rows: &mut [u32], array: &dyn Array) {
    let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else { return };
    let from = rows.len() - array.len();
    let empty = !nulls.inner();
    for at in BitIndexIterator::new(empty.values(), empty.offset(), empty.len()) {
        rows[from + at] = EMPTY;
    }
}

/// A column of numbers below 65,536. `None` when a batch has no such column.
pub(crate) fn small<T>(batches: &[Arc<RecordBatch>], column: usize) -> Option<Numbered<u32>>
where
    T: ArrowPrimitiveType,
    T::Native: Into<u32>,
{
    let mut numbered = Numbered { values: Vec::new(), rows: Vec::with_capacity(rows(batches)) };
    let mut places = vec![EMPTY; 1 << (8 * size_of::<T::Native>()).min(16)];
    for batch in batches {
        let array = batch.columns().get(column)?.as_primitive_opt::<T>()?;
        if array.null_count() == array.len() {
            numbered.rows.resize(numbered.rows.len() + array.len(), EMPTY);
            continue;
        }
        let values = &mut numbered.values;
        let place = |value: u32| {
            let place = places.get_mut(value as usize)?;
            if *place == EMPTY {
                *place = values.len() as u32;
                values.push(value);
            }
            Some(*place)
        };
        let mut place = place;
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            // What lies at a row without a value counts for none.
            Some(nulls) => {
                for (at, value) in array.values().iter().enumerate() {
                    numbered.rows.push(if nulls.is_valid(at) { place((*value).into())? } else { EMPTY });
                }
            }
            None => {
                for value in array.values() {
                    numbered.rows.push(place((*value).into())?);
                }
            }
        }
    }
    Some(numbered)
}

/// A column of 32-bit numbers.
pub(crate) fn large<T: ArrowPrimitiveType<Native = u32>>(
    batches: &[Arc<RecordBatch>],
    column: usize,
) -> Option<Numbered<u32>> {
    let mut different = Different::default();
    let mut numbers = Vec::with_capacity(rows(batches));
    for batch in batches {
        let array = batch.columns().get(column)?.as_primitive_opt::<T>()?;
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => {
                let all = array.values().iter().enumerate();
                numbers.extend(all.map(|(at, value)| if nulls.is_valid(at) { different.place(*value) } else { EMPTY }));
            }
            None => numbers.extend(array.values().iter().map(|value| different.place(*value))),
        }
    }
    Some(Numbered { values: different.into_values(), rows: numbers })
}

/// A column of 16-octet addresses.
pub(crate) fn addresses(batches: &[Arc<RecordBatch>], column: usize) -> Option<Numbered<[u8; 16]>> {
    let mut different = Different::default();
    let mut numbers = Vec::with_capacity(rows(batches));
    let mut last = None;
    for batch in batches {
        let array = batch.columns().get(column)?.as_fixed_size_binary_opt()?;
        let from = array.offset() * 16;
        let octets = array.value_data().get(from..from + array.len() * 16)?;
        for address in octets.as_chunks::<16>().0 {
            // Of one client there are often several in a row.
            let place = match last {
                Some((last, place)) if last == *address => place,
                _ => different.place(*address),
            };
            last = Some((*address, place));
            numbers.push(place);
        }
        mark_empty(&mut numbers, array);
    }
    Some(Numbered { values: different.into_values(), rows: numbers })
}

/// A column of texts, plain or with a dictionary.
pub(crate) fn texts(batches: &[Arc<RecordBatch>], column: usize) -> Option<Numbered<&str>> {
    let mut different = Different::default();
    let mut numbers = Vec::with_capacity(rows(batches));
    for batch in batches {
        let array = batch.columns().get(column)?;
        if array.null_count() == array.len() {
            numbers.resize(numbers.len() + array.len(), EMPTY);
        } else if let Some(words) = array.as_dictionary_opt::<UInt16Type>() {
            let places = words.values().as_string_opt::<i32>()?;
            // A dictionary may hold words that no row has; those get no number.
            let mut known = vec![EMPTY; places.len()];
            for key in words.keys() {
                let number = match key.map(usize::from) {
                    Some(key) => {
                        let known = known.get_mut(key)?;
                        if *known == EMPTY {
                            *known = different.place(places.value(key));
                        }
                        *known
                    }
                    None => EMPTY,
                };
                numbers.push(number);
            }
        } else {
            number_texts(array.as_string_opt::<i32>()?, &mut numbers, |text, _| different.place(text));
        }
    }
    Some(Numbered { values: different.into_values(), rows: numbers })
}

fn number_texts<'a>(array: &'a StringArray, numbers: &mut Vec<u32>, mut place: impl FnMut(&'a str, usize) -> u32) {
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => numbers
            .extend((0..array.len()).map(|at| if nulls.is_valid(at) { place(array.value(at), at) } else { EMPTY })),
        None => numbers.extend((0..array.len()).map(|at| place(array.value(at), at))),
    }
}

/// The names asked, what is derived from each, and who asked: what segment and rollup are both made of.
pub(crate) struct Names<'a> {
    pub(crate) domains: Numbered<&'a str>,
    /// Of each domain, the place of its registrable part in `reg_domains`, or `EMPTY`.
    pub(crate) reg_domain_of: Vec<u32>,
    pub(crate) reg_domains: Vec<&'a str>,
    /// Of each domain, itself from the root down.
    pub(crate) reversed: Vec<&'a str>,
    pub(crate) clients: Numbered<[u8; 16]>,
}

impl<'a> Names<'a> {
    /// `None` when a batch is not one of events.
    pub(crate) fn of(batches: &'a [Arc<RecordBatch>]) -> Option<Names<'a>> {
        let schema = event::schema();
        let place = |name: &str| schema.index_of(name).ok();
        let [domain, reg_domain, reversed, client] =
            [place("domain")?, place("reg_domain")?, place("domain_rev")?, place("client")?];
        let mut domains = Different::default();
        let mut reg_domains = Different::default();
        let (mut reg_domain_of, mut reversed_of) = (Vec::new(), Vec::new());
        let mut numbers = Vec::with_capacity(rows(batches));
        for batch in batches {
            let texts = |column: usize| batch.columns().get(column)?.as_string_opt::<i32>();
            let (names, parts, reversed) = (texts(domain)?, texts(reg_domain)?, texts(reversed)?);
            number_texts(names, &mut numbers, |name, row| {
                let place = domains.place(name);
                if reg_domain_of.len() < domains.len() {
                    let part = parts.is_valid(row).then(|| reg_domains.place(parts.value(row)));
                    reg_domain_of.push(part.unwrap_or(EMPTY));
                    reversed_of.push(reversed.value(row));
                }
                place
            });
        }
        Some(Names {
            domains: Numbered { values: domains.into_values(), rows: numbers },
            reg_domain_of,
            reg_domains: reg_domains.into_values(),
            reversed: reversed_of,
            clients: addresses(batches, client)?,
        })
    }
}
