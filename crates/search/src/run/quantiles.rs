//! Quantiles of durations, sizes and other numbers, in all or for each value of another field.

use datasketches::tdigest::TDigestMut;
use wire::code::Code;

use super::distinct::{field_id, single_valued};
use super::group::{Key, any_of, code_place, count_of, group_column, groupable, groups, is_small, single};
use super::sketch::{Cell, Intake};
use super::{SearchError, Searcher, TOP_MAX, Window};
use crate::ast::Search;
use crate::compile;
use crate::fields::{Id, Kind};

/// Most quantiles of one call.
const PARTS_MAX: usize = 32;
/// Numbers that are kept as they are before a digest is made of them.
const FEW: usize = 512;
/// How many centroids a digest has, about half.
const CENTROIDS: u16 = 200;
/// Memory of one digest, bytes.
const DIGEST_BYTES: usize = 34_000;

/// Largest error in rank: what is given as the median lies within half a percent of the numbers around it. Towards
/// both ends the error shrinks. Held to it by a test.
pub(super) const RANK_ERROR: f64 = 0.005;

/// Quantiles of a field's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantiles {
    /// The parts asked for, each from 0 to 1.
    pub parts: Vec<f64>,
    /// One for each value, most events first; codes in table order. One without a value when no field was named.
    pub values: Vec<ValueQuantiles>,
    /// Largest error in rank, as a part of all numbers; 0 when all listed are exact.
    pub error: f64,
}

/// Quantiles of the events with one value.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueQuantiles {
    /// The value, as one writes it in a search; `None` when the field is empty.
    pub value: Option<String>,
    /// The code, for the field `code`.
    pub code: Option<Code>,
    /// Events that have a number.
    pub count: u64,
    /// One for each part, in the field's own unit (durations in microseconds); empty without a number.
    pub quantiles: Vec<f64>,
}

/// Numbers, and how they are spread.
#[derive(Default)]
enum Spread {
    #[default]
    Nothing,
    Few(Vec<u32>),
    Many(Box<TDigestMut>),
}

impl Cell for Spread {
    fn add(&mut self, value: u64) {
        let number = u32::try_from(value).unwrap_or(u32::MAX);
        match self {
            Spread::Many(many) => many.update(f64::from(number)),
            Spread::Few(few) if few.len() < FEW => few.push(number),
            Spread::Few(few) => {
                #[expect(clippy::expect_used, reason = "only less than 10 centroids fail")]
                let mut many = TDigestMut::new(CENTROIDS).expect("enough centroids");
                few.iter().chain([&number]).for_each(|number| many.update(f64::from(*number)));
                *self = Spread::Many(Box::new(many));
            }
            Spread::Nothing => *self = Spread::Few(vec![number]),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Spread::Nothing => 0,
            Spread::Few(few) => few.capacity() * size_of::<u32>(),
            Spread::Many(_) => DIGEST_BYTES,
        }
    }

    fn merge(&mut self, other: Spread) {
        match (&mut *self, other) {
            (_, Spread::Nothing) => {}
            (Spread::Nothing, other) => *self = other,
            (Spread::Few(few), Spread::Many(many)) => {
                let few = std::mem::take(few);
                *self = Spread::Many(many);
                few.into_iter().for_each(|number| self.add(number.into()));
            }
            (_, Spread::Few(few)) => few.into_iter().for_each(|number| self.add(number.into())),
            (Spread::Many(ours), Spread::Many(many)) => ours.merge(&many),
        }
    }
}

impl Spread {
    /// How many numbers, and the quantiles.
    fn quantiles(self, parts: &[f64]) -> (u64, Vec<f64>) {
        match self {
            Spread::Nothing => (0, Vec::new()),
            Spread::Few(mut few) => {
                few.sort_unstable();
                (few.len() as u64, parts.iter().map(|part| exact(&few, *part)).collect())
            }
            Spread::Many(mut many) => {
                let quantile = |part: &f64| many.quantile(*part).ok().flatten();
                let quantiles = parts.iter().filter_map(quantile).collect();
                (many.total_weight(), quantiles)
            }
        }
    }
}

/// The smallest number that at least this part of all does not exceed.
fn exact(sorted: &[u32], part: f64) -> f64 {
    // Less a little: 0.07 of 100 are a hair more than seven in floating point.
    let place = (part * sorted.len() as f64 - 1e-9).ceil() as usize;
    sorted.get(place.clamp(1, sorted.len()) - 1).copied().map_or(0.0, f64::from)
}

impl Searcher {
    /// Quantiles of a field's numbers: in all, or for each value of `by`, the `n` with the most events. Rows where the
    /// field is empty are left out. Exact up to 512 numbers, then by t-digest; see `Quantiles::error`.
    ///
    /// # Errors
    /// When the field has no numbers, a part is not from 0 to 1, a limit is hit or the engine fails.
    pub async fn quantiles(
        &self,
        search: &Search,
        window: Window,
        field: &str,
        parts: &[f64],
        by: Option<&str>,
        n: usize,
    ) -> Result<Quantiles, SearchError> {
        let measured = field_id(field)?;
        if !matches!(measured.kind(), Kind::Quantity(_)) || measured == Id::Seq {
            let name = measured.field().name;
            return Err(SearchError::Field(format!("`{name}` has no quantiles: its values are no amounts")));
        }
        if parts.is_empty() || parts.len() > PARTS_MAX || parts.iter().any(|part| !(0.0..=1.0).contains(part)) {
            let text = format!("quantiles are parts from 0 to 1, at most {PARTS_MAX} of them");
            return Err(SearchError::Field(text));
        }
        let by = by.map(|by| single_valued(groupable(by)?)).transpose()?;
        let (search, parts) = (search.clone(), parts.to_vec());
        self.run("quantiles", search.to_string(), move |job| async move {
            let mut frame = job.matching(&search, window)?;
            if let Some(by) = by.filter(|by| !is_small(*by)) {
                // A digest for every client would be too much: the most frequent values have one.
                let frequent = groups(frame.clone(), vec![group_column(by)], Some(n.clamp(1, TOP_MAX))).await?;
                frame = frame.filter(any_of(by, single(frequent).keys()))?;
            }
            let cells = job
                .cells::<Spread>(vec![frame], compile::column(measured), by.map(compile::column), Intake::Number)
                .await?;
            Ok(listed(by, cells.cells, parts, n.clamp(1, TOP_MAX)))
        })
        .await
    }
}

fn listed(by: Option<Id>, cells: Vec<(Key, Spread)>, parts: Vec<f64>, n: usize) -> Quantiles {
    let error = if cells.iter().any(|(_, cell)| matches!(cell, Spread::Many(_))) { RANK_ERROR } else { 0.0 };
    let mut spreads: Vec<(Key, u64, Vec<f64>)> = cells
        .into_iter()
        .map(|(key, spread)| {
            let (count, quantiles) = spread.quantiles(&parts);
            (key, count, quantiles)
        })
        .collect();
    if by.is_none() && spreads.is_empty() {
        spreads.push((Key::Nothing, 0, Vec::new()));
    }
    if by == Some(Id::Code) {
        spreads.sort_by_cached_key(|(key, ..)| code_place(key));
    } else {
        spreads.sort_by(|(a, a_count, _), (b, b_count, _)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
        spreads.truncate(n);
    }
    let value = |(key, count, quantiles): (Key, u64, Vec<f64>)| {
        let listed = count_of(by.unwrap_or(Id::Seq), &key, count);
        ValueQuantiles { value: listed.value, code: listed.code, count, quantiles }
    };
    Quantiles { values: spreads.into_iter().map(value).collect(), parts, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_whole_parts() {
        let sorted: Vec<u32> = (1..=100).collect();
        for percent in 1..=100 {
            assert_eq!(exact(&sorted, f64::from(percent) / 100.0), f64::from(percent));
        }
        assert_eq!((exact(&sorted, 0.0), exact(&sorted, 0.071)), (1.0, 8.0));
    }
}
