//! Sketches per value of a field, filled in one pass: the rows of each partition go into cells of their own, which are
//! merged at the end.
//!
//! The engine's own sketches cost a full one for every group; cells here begin as the plain values and become a sketch
//! when those are many.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::compute::partition;
use arrow::datatypes::{DataType, Int32Type, UInt64Type};
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes_with_hasher};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::SearchError;
use super::group::{Key, key};
use super::job::{Job, ended};

/// What is kept for one value of a field.
pub(super) trait Cell: Default + Send + 'static {
    /// Takes in one value.
    fn add(&mut self, value: u64);

    /// Memory it has beside itself.
    fn bytes(&self) -> usize;

    /// Takes in what another cell took in.
    fn merge(&mut self, other: Self);
}

/// What cells take in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intake {
    /// A hash of the value.
    Hash,
    /// The value, a number.
    Number,
}

/// Cells by value.
pub(super) struct Cells<C> {
    places: HashMap<u64, u32, BuildHasherDefault<Whole>>,
    pub(super) cells: Vec<(Key, C)>,
}

/// What is hashed already.
#[derive(Default)]
struct Whole(u64);

impl Hasher for Whole {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl<C: Cell> Cells<C> {
    fn new() -> Cells<C> {
        Cells { places: HashMap::default(), cells: Vec::new() }
    }

    /// Bytes one more cell takes.
    const ROOM: usize = 2 * (size_of::<(u64, u32)>() + size_of::<(Key, C)>());

    fn place(
        &mut self,
        hash: u64,
        key: impl FnOnce() -> Result<Key, DataFusionError>,
    ) -> Result<usize, DataFusionError> {
        // Two values of one hash are one in 2^64; what is counted here is not exact anyway.
        if let Some(place) = self.places.get(&hash) {
            return Ok(*place as usize);
        }
        let place = self.cells.len();
        let small = u32::try_from(place).map_err(|_| DataFusionError::ResourcesExhausted("too many values".into()))?;
        self.places.insert(hash, small);
        self.cells.push((key()?, C::default()));
        Ok(place)
    }

    fn merge(&mut self, other: Cells<C>) -> Result<(), DataFusionError> {
        let mut hashes = vec![0; other.cells.len()];
        for (hash, place) in other.places {
            hashes[place as usize] = hash;
        }
        for ((key, cell), hash) in other.cells.into_iter().zip(hashes) {
            let place = self.place(hash, || Ok(key))?;
            self.cells[place].1.merge(cell);
        }
        Ok(())
    }

    /// Takes in a batch: values in the first column, what they belong to in the second, if there is one. Bytes of memory this
    /// took.
    fn take(
        &mut self,
        values: &ArrayRef,
        by: Option<&ArrayRef>,
        intake: Intake,
        room: &mut Room,
    ) -> Result<usize, DataFusionError> {
        let before = self.cells.len();
        let taken = match intake {
            Intake::Hash => room.values.hash(values)?,
            Intake::Number => {
                let numbers = arrow::compute::cast(values, &DataType::UInt64)?;
                room.values.numbers(numbers.as_primitive::<UInt64Type>().values())
            }
        };
        let mut bytes = 0;
        let mut into = |cell: &mut C, run: Range<usize>| {
            let before = cell.bytes();
            if values.null_count() == 0 {
                taken[run].iter().for_each(|value| cell.add(*value));
            } else {
                run.filter(|row| values.is_valid(*row)).for_each(|row| cell.add(taken[row]));
            }
            bytes += cell.bytes().saturating_sub(before);
        };
        match by {
            None => {
                let place = self.place(0, || Ok(Key::Nothing))?;
                into(&mut self.cells[place].1, 0..values.len());
            }
            Some(by) => {
                // Merged segments have the events of a client one after the other.
                let runs = partition(std::slice::from_ref(by))?.ranges();
                let heads: UInt64Array = runs.iter().map(|run| run.start as u64).collect();
                hash(&arrow::compute::take(by, &heads, None)?, &mut room.groups)?;
                for (run, group) in runs.into_iter().zip(&room.groups) {
                    let row = run.start;
                    if run.clone().all(|row| values.is_null(row)) {
                        continue;
                    }
                    let place = self.place(*group, || key(by, row))?;
                    into(&mut self.cells[place].1, run);
                }
            }
        }
        Ok(bytes + (self.cells.len() - before) * Cells::<C>::ROOM)
    }
}

/// Memory that is used again for each batch.
#[derive(Default)]
struct Room {
    values: Taken,
    groups: Vec<u64>,
}

/// What cells take in of a batch.
#[derive(Default)]
pub(super) struct Taken {
    values: Vec<u64>,
    /// The words of the last dictionary, with their hashes.
    words: Option<(ArrayRef, Vec<u64>)>,
}

impl Taken {
    fn numbers(&mut self, numbers: &[u64]) -> &[u64] {
        self.values.clear();
        self.values.extend_from_slice(numbers);
        &self.values
    }

    /// A hash of each value; the same for the same value, whatever the batch. The words of a dictionary that comes with many
    /// batches are hashed once.
    pub(super) fn hash(&mut self, column: &ArrayRef) -> Result<&[u64], DataFusionError> {
        let Some(column) = column.as_dictionary_opt::<Int32Type>() else {
            hash(column, &mut self.values)?;
            return Ok(&self.values);
        };
        let words = column.values();
        let (known, mut hashes) = self.words.take().unwrap_or_else(|| (Arc::clone(words), Vec::new()));
        if hashes.is_empty() || !is_same(&known, words) {
            hash(words, &mut hashes)?;
        }
        let (_, hashes) = self.words.insert((Arc::clone(words), hashes));
        self.values.clear();
        let of = |key: &i32| usize::try_from(*key).ok().and_then(|key| hashes.get(key)).copied().unwrap_or(0);
        self.values.extend(column.keys().values().iter().map(of));
        Ok(&self.values)
    }
}

/// Whether two arrays are one text in memory.
fn is_same(one: &ArrayRef, other: &ArrayRef) -> bool {
    match (one.as_string_opt::<i32>(), other.as_string_opt::<i32>()) {
        (Some(one), Some(other)) => one.offsets().ptr_eq(other.offsets()) && one.values().ptr_eq(other.values()),
        _ => false,
    }
}

fn hash(column: &ArrayRef, into: &mut Vec<u64>) -> Result<(), DataFusionError> {
    into.clear();
    into.resize(column.len(), 0);
    create_hashes_with_hasher([column], &HLL_RANDOM_STATE, into)?;
    Ok(())
}

impl Job {
    /// One cell per value of `by`, filled with the values of `column`; rows where `column` is empty are left out.
    pub(super) async fn cells<C: Cell>(
        &self,
        frames: Vec<DataFrame>,
        column: Expr,
        by: Option<Expr>,
        intake: Intake,
    ) -> Result<Cells<C>, SearchError> {
        let columns = std::iter::once(column.alias("v0")).chain(by.map(|by| by.alias("v1"))).collect::<Vec<Expr>>();
        let mut streams = Vec::new();
        for frame in frames {
            streams.extend(frame.select(columns.clone())?.execute_stream_partitioned().await?);
        }
        let mut tasks = JoinSet::new();
        for mut stream in streams {
            let memory = self.memory("sketches");
            tasks.spawn(async move {
                let mut cells = Cells::new();
                let mut room = Room::default();
                while let Some(batch) = stream.next().await {
                    let batch = batch?;
                    let by = (batch.num_columns() > 1).then(|| batch.column(1));
                    let bytes = cells.take(batch.column(0), by, intake, &mut room)?;
                    memory.try_grow(bytes)?;
                }
                Ok((cells, memory))
            });
        }
        let mut all: Option<(Cells<C>, _)> = None;
        while let Some(task) = tasks.join_next().await {
            let (cells, memory) = ended(task)?;
            match &mut all {
                None => all = Some((cells, memory)),
                Some((all, _)) => all.merge(cells)?,
            }
        }
        Ok(all.map_or_else(Cells::new, |(cells, _)| cells))
    }
}
