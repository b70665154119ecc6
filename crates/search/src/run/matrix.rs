//! Every code by the most frequent values of one field.

use std::collections::HashMap;

use wire::code::CODES;

use super::group::{Count, Key, any_of, code_place, count_of, group_column, groupable, groups, single};
use super::{SearchError, Searcher, TOP_MAX, Window};
use crate::ast::Search;
use crate::compile;
use crate::fields::Id;

/// Every code by the most frequent values of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// The values, most frequent first, with their counts over all codes.
    pub columns: Vec<Count>,
    /// Codes in table order with zeros, then those without a name, then no reply.
    pub rows: Vec<MatrixRow>,
    /// Events with values that are no column.
    pub other: u64,
    /// Events in all.
    pub total: u64,
}

/// One code of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixRow {
    /// The code with its count over all values.
    pub code: Count,
    /// Events per column.
    pub counts: Vec<u64>,
    /// Events with values that are no column.
    pub other: u64,
}

impl Searcher {
    /// Every code by the `n` most frequent values of `by`.
    ///
    /// # Errors
    /// When `by` is no field to make columns of, a limit is hit or the engine fails.
    pub async fn matrix(&self, search: &Search, window: Window, by: &str, n: usize) -> Result<Matrix, SearchError> {
        let id = groupable(by)?;
        if matches!(id, Id::Code | Id::Ede | Id::Flags) {
            let name = id.field().name;
            return Err(SearchError::Field(format!("`{name}` cannot be the columns: an event needs one value of it")));
        }
        let n = n.clamp(1, TOP_MAX);
        let search = search.clone();
        self.run("matrix", search.to_string(), move |job| async move {
            let matching = || job.matching(&search, window);
            // The widest grouping comes first, and only its largest groups leave the engine.
            let mut columns: Vec<(Key, u64)> =
                single(groups(matching()?, vec![group_column(id)], Some(n)).await?).into_iter().collect();
            columns.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
            let mut codes = single(job.log().counted(&search, window, None, &[Id::Code]).await?);
            for info in CODES {
                codes.entry(Key::Number(info.code.key().into())).or_default();
            }
            let mut cells: HashMap<(Key, Key), u64> = HashMap::new();
            if !columns.is_empty() {
                let listed = matching()?.filter(any_of(id, columns.iter().map(|(key, _)| key)))?;
                for (mut keys, count) in groups(listed, vec![compile::column(Id::Code), group_column(id)], None).await?
                {
                    if let (Some(value), Some(code)) = (keys.pop(), keys.pop()) {
                        cells.insert((code, value), count);
                    }
                }
            }
            Ok(laid_out(id, columns, codes, &cells))
        })
        .await
    }
}

fn laid_out(id: Id, columns: Vec<(Key, u64)>, codes: HashMap<Key, u64>, cells: &HashMap<(Key, Key), u64>) -> Matrix {
    let total: u64 = codes.values().sum();
    let listed: u64 = columns.iter().map(|(_, count)| count).sum();
    let mut codes: Vec<(Key, u64)> = codes.into_iter().collect();
    codes.sort_by_cached_key(|(key, _)| code_place(key));
    let row = |(code, of_code): (Key, u64)| {
        let cell = |(value, _): &(Key, u64)| cells.get(&(code.clone(), value.clone())).copied().unwrap_or(0);
        let counts: Vec<u64> = columns.iter().map(cell).collect();
        let other = of_code.saturating_sub(counts.iter().sum());
        MatrixRow { code: count_of(Id::Code, &code, of_code), counts, other }
    };
    Matrix {
        rows: codes.into_iter().map(row).collect(),
        columns: columns.iter().map(|(key, count)| count_of(id, key, *count)).collect(),
        other: total.saturating_sub(listed),
        total,
    }
}
