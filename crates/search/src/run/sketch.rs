//! Sketches per value of a field, filled in one pass: the rows of each partition go into cells of their own, which are
//! merged at the end.
//!
//! The engine's own sketches cost a full one for every group; cells here begin as the plain values and become a sketch
//! when those are many.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, UInt64Type};
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
    /// Takes in one value; returns the bytes of memory this took.
    fn add(&mut self, value: u64) -> usize;

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

    /// Takes in a batch: values in the first column, what they belong to in the second, if there is one.
    fn take(
        &mut self,
        values: &ArrayRef,
        by: Option<&ArrayRef>,
        intake: Intake,
        room: &mut Room,
    ) -> Result<usize, DataFusionError> {
        let before = self.cells.len();
        let rows = values.len();
        let values_of = match intake {
            Intake::Hash => Taken::Hashes(hashes(values, &mut room.values)?),
            Intake::Number => Taken::Numbers(arrow::compute::cast(values, &DataType::UInt64)?),
        };
        let mut bytes = 0;
        let empty = values.null_count() > 0;
        match by {
            None => {
                let place = self.place(0, || Ok(Key::Nothing))?;
                let cell = &mut self.cells[place].1;
                for row in (0..rows).filter(|row| !empty || values.is_valid(*row)) {
                    bytes += cell.add(values_of.at(row));
                }
            }
            Some(by) => {
                let groups = hashes(by, &mut room.groups)?;
                // Merged segments have the events of a client one after the other.
                let (mut last, mut place) = (None, 0);
                for row in (0..rows).filter(|row| !empty || values.is_valid(*row)) {
                    if last != Some(groups[row]) {
                        place = self.place(groups[row], || key(by, row))?;
                        last = Some(groups[row]);
                    }
                    bytes += self.cells[place].1.add(values_of.at(row));
                }
            }
        }
        Ok(bytes + (self.cells.len() - before) * Cells::<C>::ROOM)
    }
}

/// Memory that is used again for each batch.
#[derive(Default)]
struct Room {
    values: Vec<u64>,
    groups: Vec<u64>,
}

enum Taken<'a> {
    Hashes(&'a [u64]),
    Numbers(ArrayRef),
}

impl Taken<'_> {
    #[inline]
    fn at(&self, row: usize) -> u64 {
        match self {
            Taken::Hashes(hashes) => hashes[row],
            Taken::Numbers(numbers) => numbers.as_primitive::<UInt64Type>().value(row),
        }
    }
}

/// The same for the same value, whatever the batch.
fn hashes<'a>(column: &ArrayRef, room: &'a mut Vec<u64>) -> Result<&'a [u64], DataFusionError> {
    room.clear();
    room.resize(column.len(), 0);
    create_hashes_with_hasher([column], &HLL_RANDOM_STATE, room)?;
    Ok(room)
}

impl Job {
    /// One cell per value of `by`, filled with the values of `column`; rows where `column` is empty are left out.
    pub(super) async fn cells<C: Cell>(
        &self,
        frame: DataFrame,
        column: Expr,
        by: Option<Expr>,
        intake: Intake,
    ) -> Result<Cells<C>, SearchError> {
        let columns = std::iter::once(column.alias("v0")).chain(by.map(|by| by.alias("v1"))).collect::<Vec<Expr>>();
        let mut tasks = JoinSet::new();
        for mut stream in frame.select(columns)?.execute_stream_partitioned().await? {
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
