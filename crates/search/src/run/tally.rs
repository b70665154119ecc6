//! Counts by all values of small fields, several fields in one pass: an addition for each row and field, no hashing.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, UInt16Type};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::SearchError;
use super::group::{Key, is_small};
use super::job::{Job, ended};
use crate::compile;
use crate::fields::Id;

/// Events, and how many of them are of the part that is compared with the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) all: u64,
    pub(super) part: u64,
}

/// Whether a field is counted here: its numbers fit sixteen bits, or its words a dictionary.
pub(super) fn is_tallied(id: Id) -> bool {
    is_small(id) || matches!(id, Id::Qtype | Id::Qclass | Id::Attempts)
}

/// Counts by the values of one column.
#[derive(Default)]
struct Tally {
    numbers: Vec<Share>,
    words: HashMap<String, Share>,
    empty: Share,
}

impl Tally {
    fn take(&mut self, column: &ArrayRef, part: Option<&BooleanArray>) -> Result<(), DataFusionError> {
        if let Some(words) = column.as_any_dictionary_opt() {
            let keys = arrow::compute::cast(words.keys(), &DataType::UInt16)?;
            let mut counts = vec![Share::default(); words.values().len()];
            self.count(&keys, part, &mut counts);
            let values = arrow::compute::cast(words.values(), &DataType::Utf8)?;
            for (value, share) in values.as_string::<i32>().iter().zip(counts).filter(|(_, share)| share.all > 0) {
                match value {
                    Some(word) => self.words.entry(word.to_owned()).or_default().add(share),
                    None => self.empty.add(share),
                }
            }
            return Ok(());
        }
        let size = if column.data_type() == &DataType::UInt8 { 1 << 8 } else { 1 << 16 };
        let mut counts = std::mem::take(&mut self.numbers);
        counts.resize(size.max(counts.len()), Share::default());
        self.count(&arrow::compute::cast(column, &DataType::UInt16)?, part, &mut counts);
        self.numbers = counts;
        Ok(())
    }

    fn count(&mut self, keys: &ArrayRef, part: Option<&BooleanArray>, counts: &mut [Share]) {
        let keys = keys.as_primitive::<UInt16Type>();
        let mut add = |row: usize, part: u64| {
            let share = if keys.is_valid(row) { &mut counts[usize::from(keys.value(row))] } else { &mut self.empty };
            share.all += 1;
            share.part += part;
        };
        match part {
            None => (0..keys.len()).for_each(|row| add(row, 0)),
            Some(part) => {
                (0..keys.len()).for_each(|row| add(row, u64::from(part.is_valid(row) && part.value(row))));
            }
        }
    }

    fn into_counts(self) -> HashMap<Key, Share> {
        let numbers = self.numbers.into_iter().enumerate().map(|(number, share)| (Key::Number(number as u64), share));
        let words = self.words.into_iter().map(|(word, share)| (Key::Text(word), share));
        let all = numbers.chain(words).chain([(Key::Nothing, self.empty)]);
        all.filter(|(_, share)| share.all > 0).collect()
    }
}

impl Share {
    pub(super) fn add(&mut self, other: Share) {
        self.all += other.all;
        self.part += other.part;
    }
}

impl Job {
    /// Counts by the values of each of these fields, and of the part of the rows where `part` is true.
    pub(super) async fn tallies(
        &self,
        frame: DataFrame,
        ids: &[Id],
        part: Option<Expr>,
    ) -> Result<Vec<HashMap<Key, Share>>, SearchError> {
        let fields = ids.len();
        let named = ids.iter().enumerate().map(|(at, id)| compile::column(*id).alias(format!("v{at}")));
        let columns: Vec<Expr> = named.chain(part.map(|part| part.alias("part"))).collect();
        let mut tasks = JoinSet::new();
        for mut stream in frame.select(columns)?.execute_stream_partitioned().await? {
            tasks.spawn(async move {
                let mut tallies: Vec<Tally> = (0..fields).map(|_| Tally::default()).collect();
                while let Some(batch) = stream.next().await {
                    let batch: RecordBatch = batch?;
                    let part = batch.columns().get(fields).and_then(|part| part.as_boolean_opt());
                    for (tally, column) in tallies.iter_mut().zip(batch.columns()) {
                        tally.take(column, part)?;
                    }
                }
                Ok(tallies.into_iter().map(Tally::into_counts).collect::<Vec<_>>())
            });
        }
        let mut all: Vec<HashMap<Key, Share>> = vec![HashMap::new(); fields];
        while let Some(task) = tasks.join_next().await {
            for (all, counts) in all.iter_mut().zip(ended(task)?) {
                counts.into_iter().for_each(|(key, share)| all.entry(key).or_default().add(share));
            }
        }
        Ok(all)
    }
}
