//! The order rows are written in, and what is learnt of them on the way.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};

use super::{Source, tenants, times_and_numbers};
use crate::manifest::IMPORTED_FROM;

/// Rows in the order they are written in.
pub(super) struct Order {
    pub(super) rows: u64,
    pub(super) sequence: Sequence,
    pub(super) time_min_micros: i64,
    pub(super) time_max_micros: i64,
    pub(super) time_mid_micros: i64,
    pub(super) seq_max: u64,
    pub(super) imported_max: u64,
    pub(super) by_client: bool,
    /// In the order of the rows, when that is the order of tenants: each tenant and its number of rows.
    pub(super) tenants: Tenants,
}

/// Which row follows which.
pub(super) enum Sequence {
    /// The place of each among the rows of all batches; `None` when they come in the order of time.
    ByTime(Option<Vec<u32>>),
    /// Batch and place in it.
    ByClient(Vec<(u32, u32)>),
}

impl Order {
    /// Rows of a WAL by time, all others by tenant, client and time; then by number.
    pub(super) fn of(batches: &[Arc<RecordBatch>], source: &Source) -> io::Result<Order> {
        let by_client = !matches!(source, Source::Wal(_));
        let mut all_times = Vec::with_capacity(batches.iter().map(|batch| batch.num_rows()).sum());
        let (mut seq_max, mut imported_max) = (0, 0);
        for batch in batches {
            let (times, numbers) = times_and_numbers(batch)?;
            all_times.extend_from_slice(times);
            for &number in numbers {
                let max = if number < IMPORTED_FROM { &mut seq_max } else { &mut imported_max };
                *max = number.max(*max);
            }
        }
        let (Some(&time_min_micros), Some(&time_max_micros)) = (all_times.iter().min(), all_times.iter().max()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a segment needs rows"));
        };
        let rows = all_times.len() as u64;
        let middle = all_times.len() / 2;
        let (sequence, tenants, time_mid_micros) = if by_client {
            let time_mid_micros = *all_times.select_nth_unstable(middle).1;
            let (rows, tenants) = rows_by_client(batches)?;
            (Sequence::ByClient(rows), tenants, time_mid_micros)
        } else {
            let order = by_time(&all_times, batches);
            let middle = order.as_ref().map_or(middle, |order| order[middle] as usize);
            (Sequence::ByTime(order), Vec::new(), all_times[middle])
        };
        Ok(Order {
            rows,
            sequence,
            time_min_micros,
            time_max_micros,
            time_mid_micros,
            seq_max,
            imported_max,
            by_client,
            tenants,
        })
    }
}

/// The order of times, for rows that are not in it; of the same time they stay as they came, which is by number.
fn by_time(times: &[i64], batches: &[Arc<RecordBatch>]) -> Option<Vec<u32>> {
    if times.is_sorted() {
        return None;
    }
    let mut rows: Vec<(i64, u32)> = times.iter().copied().zip(0..).collect();
    // Threads that answer fill a batch by turns, batches hardly overlap: sorted by themselves, they are the runs that the stable
    // sort of all then finds.
    let mut rest = rows.as_mut_slice();
    for batch in batches {
        let (of_batch, others) = rest.split_at_mut(batch.num_rows());
        of_batch.sort_by_key(|(time, _)| *time);
        rest = others;
    }
    rows.sort_by_key(|(time, _)| *time);
    Some(rows.into_iter().map(|(_, at)| at).collect())
}

/// The rows of each tenant, in the order of rows.
type Tenants = Vec<(Option<String>, usize)>;

fn rows_by_client(batches: &[Arc<RecordBatch>]) -> io::Result<(Vec<(u32, u32)>, Tenants)> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not a batch of events");
    let mut ranks: BTreeMap<&str, u32> = BTreeMap::new();
    for batch in batches {
        tenants(batch).ok_or_else(wrong)?.flatten().for_each(|tenant| {
            ranks.entry(tenant).or_default();
        });
    }
    // Without a tenant comes first.
    ranks.values_mut().zip(1..).for_each(|(rank, at)| *rank = at);
    let mut rows = Vec::with_capacity(batches.iter().map(|batch| batch.num_rows()).sum());
    for (batch_at, batch) in batches.iter().enumerate() {
        let (times, numbers) = times_and_numbers(batch)?;
        let clients = batch.column_by_name("client").and_then(|column| column.as_fixed_size_binary_opt());
        let clients = clients.ok_or_else(wrong)?;
        for (at, tenant) in tenants(batch).ok_or_else(wrong)?.enumerate() {
            let rank = tenant.and_then(|tenant| ranks.get(tenant)).copied().unwrap_or(0);
            let client = clients.value(at).try_into().map(u128::from_be_bytes).map_err(|_| wrong())?;
            rows.push((rank, client, times[at], numbers[at], batch_at as u32, at as u32));
        }
    }
    rows.sort_unstable();
    let names: Vec<Option<&str>> = std::iter::once(None).chain(ranks.into_keys().map(Some)).collect();
    let runs = rows.chunk_by(|(a, ..), (b, ..)| a == b);
    let tenants = runs.map(|run| (names[run[0].0 as usize].map(str::to_owned), run.len())).collect();
    Ok((rows.into_iter().map(|(.., batch, row)| (batch, row)).collect(), tenants))
}
