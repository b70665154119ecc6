//! How many different values a field has, in all or for each value of another field.

use std::hash::DefaultHasher;

use cardinality_estimator::CardinalityEstimator;
use wire::code::Code;

use super::group::{Key, count_of, groupable};
use super::sketch::{Cell, Intake};
use super::{SearchError, Searcher, TOP_MAX, Window};
use crate::ast::Search;
use crate::compile;
use crate::fields::{Id, field};

/// Up to here the numbers are exact: what a set keeps before it is a sketch is more than these.
const COUNTED: usize = 100;
/// Logarithm of a sketch's registers, when there is one for each value of a field: 0.8 KiB each.
const EACH_LG: usize = 10;
/// The same when there is one in all: 12 KiB.
const ALL_LG: usize = 14;

/// Numbers of different values.
#[derive(Clone, Debug, PartialEq)]
pub struct Distinct {
    /// Largest first. One without a value when no field was named to count by.
    pub values: Vec<DistinctCount>,
    /// Values of that field that are not listed.
    pub others: u64,
    /// Relative standard error of the numbers: two of three are off by less. 0 when none of those listed was estimated;
    /// what rollups say always is, though of a few hundred values the estimate is the number itself.
    pub error: f64,
}

/// How many different values go with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinctCount {
    /// The value, as one writes it in a search; `None` when the field is empty.
    pub value: Option<String>,
    /// The code, for the field `code`.
    pub code: Option<Code>,
    /// Different values of the field that was counted.
    pub distinct: u64,
}

/// A set of values by hash, and how many they are: the hashes of a few, a sketch of more.
#[derive(Default)]
struct Set<const LG: usize>(CardinalityEstimator<u64, DefaultHasher, LG>);

impl<const LG: usize> Set<LG> {
    fn distinct(&self) -> u64 {
        self.0.estimate() as u64
    }

    /// See Flajolet and others, HyperLogLog (2007): 1.04 over the root of the registers.
    fn error(&self) -> f64 {
        if self.0.estimate() <= COUNTED { 0.0 } else { 1.04 / f64::from(1_u32 << LG).sqrt() }
    }
}

impl<const LG: usize> Cell for Set<LG> {
    fn add(&mut self, value: u64) {
        self.0.insert_hash(value);
    }

    fn bytes(&self) -> usize {
        self.0.size_of() - size_of::<Self>()
    }

    fn merge(&mut self, other: Set<LG>) {
        self.0.merge(&other.0);
    }
}

impl Searcher {
    /// How many different values `field` has, empty not counted: in all, or for each value of `by`, the `n` with the
    /// most. Up to a hundred values counted, then estimated; see `Distinct::error`.
    ///
    /// # Errors
    /// When there is no such field or one of several values for each event, a limit is hit or the engine fails.
    pub async fn distinct(
        &self,
        search: &Search,
        window: Window,
        field: &str,
        by: Option<&str>,
        n: usize,
    ) -> Result<Distinct, SearchError> {
        let counted = single_valued(field_id(field)?)?;
        let by = by.map(|by| single_valued(groupable(by)?)).transpose()?;
        let search = search.clone();
        self.run("distinct", search.to_string(), move |job| async move {
            let column = compile::column(counted);
            let Some(by) = by else {
                if let Some(rolled) = job.log().rolled_distinct(&search, window, counted).await? {
                    let value = DistinctCount { value: None, code: None, distinct: rolled.estimate() };
                    return Ok(Distinct { values: vec![value], others: 0, error: store::DISTINCT_ERROR });
                }
                let frames = job.matching_words(&search, window, counted)?;
                let cells = job.cells::<Set<ALL_LG>>(frames, column, None, Intake::Hash).await?;
                return Ok(listed(None, cells.cells, 1));
            };
            let frames = job.matching_words(&search, window, counted)?;
            let cells = job.cells::<Set<EACH_LG>>(frames, column, Some(compile::column(by)), Intake::Hash).await?;
            Ok(listed(Some(by), cells.cells, n.clamp(1, TOP_MAX)))
        })
        .await
    }
}

/// A field by name, whether or not it can be counted by.
pub(super) fn field_id(name: &str) -> Result<Id, SearchError> {
    match field(name) {
        Some(field) => Ok(field.id),
        None => groupable(name),
    }
}

pub(super) fn single_valued(id: Id) -> Result<Id, SearchError> {
    match id {
        Id::Ede | Id::Flags => {
            let name = id.field().name;
            Err(SearchError::Field(format!("an event can have several `{name}`: this needs a field of one value")))
        }
        id => Ok(id),
    }
}

fn listed<const LG: usize>(by: Option<Id>, cells: Vec<(Key, Set<LG>)>, n: usize) -> Distinct {
    let mut sets: Vec<(u64, Key, f64)> =
        cells.into_iter().map(|(key, set)| (set.distinct(), key, set.error())).collect();
    if by.is_none() && sets.is_empty() {
        sets.push((0, Key::Nothing, 0.0));
    }
    sets.sort_by(|(a, a_key, _), (b, b_key, _)| b.cmp(a).then_with(|| a_key.cmp(b_key)));
    let others = sets.len().saturating_sub(n) as u64;
    sets.truncate(n);
    let error = sets.iter().map(|(_, _, error)| *error).fold(0.0, f64::max);
    let count = |(distinct, key, _): (u64, Key, f64)| {
        let count = count_of(by.unwrap_or(Id::Seq), &key, distinct);
        DistinctCount { value: count.value, code: count.code, distinct }
    };
    Distinct { values: sets.into_iter().map(count).collect(), others, error }
}
