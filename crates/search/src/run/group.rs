//! Groups of rows by the values of fields: what can be grouped by, the values as the engine gives them and as one
//! writes them.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, UInt64Type};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, cast, ident, lit};
use datafusion::prelude::DataFrame;
use wire::code::{CODES, Code};

use super::SearchError;
use crate::compile;
use crate::fault::nearest;
use crate::fields::{FIELDS, Id, field};
use crate::print;

/// One value of a field with its count. `value` is as one writes it in a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The value; `None` when the field is empty.
    pub value: Option<String>,
    /// The code, for the field `code`.
    pub code: Option<wire::code::Code>,
    /// Events.
    pub count: u64,
}

/// The value of a group as the engine gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Number(u64),
    Text(String),
    Client([u8; 16]),
    /// The field is empty.
    Nothing,
}

pub(super) fn groupable(name: &str) -> Result<Id, SearchError> {
    let names = || FIELDS.iter().filter(|field| field.groups()).map(|field| field.name);
    let near = || nearest(name, names()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    match field(name) {
        Some(field) if field.groups() => Ok(field.id),
        Some(field) => Err(SearchError::Field(format!("`{}` has too many values to count by", field.name))),
        None => Err(SearchError::Field(format!("no field `{name}`{}", near()))),
    }
}

/// Fields whose values we choose, not the clients: few, whatever the traffic.
pub(super) fn is_small(id: Id) -> bool {
    matches!(
        id,
        Id::Code
            | Id::RcodeHeader
            | Id::Tsig
            | Id::Tkey
            | Id::Opcode
            | Id::Transport
            | Id::Outcome
            | Id::Action
            | Id::Cache
            | Id::List
            | Id::Upstream
            | Id::Tenant
            | Id::Node
            | Id::Flags
    )
}

pub(super) fn group_column(id: Id) -> Expr {
    match id {
        Id::List | Id::Upstream | Id::Tenant | Id::Node => cast(ident(id.column()), DataType::Utf8),
        _ => compile::column(id),
    }
}

/// Counts per combination of columns; the largest only, when `largest` says how many.
pub(super) async fn groups(
    frame: DataFrame,
    columns: Vec<Expr>,
    largest: Option<usize>,
) -> Result<Vec<(Vec<Key>, u64)>, SearchError> {
    let names: Vec<String> = (0..columns.len()).map(|at| format!("v{at}")).collect();
    let columns = columns.into_iter().zip(&names).map(|(column, name)| column.alias(name)).collect();
    let mut frame = frame.aggregate(columns, vec![count(lit(1_i64)).alias("events")])?;
    if let Some(largest) = largest {
        let mut order = vec![ident("events").sort(false, false)];
        // The same list each time, whatever came first.
        order.extend(names.iter().map(|name| ident(name).sort(true, false)));
        frame = frame.sort(order)?.limit(0, Some(largest))?;
    }
    let mut groups = Vec::new();
    for batch in frame.collect().await? {
        for row in 0..batch.num_rows() {
            let keys = (0..names.len()).map(|at| key(batch.column(at), row)).collect::<Result<Vec<Key>, _>>()?;
            let events = integer(batch.column(names.len()), row)?.unwrap_or(0);
            groups.push((keys, events));
        }
    }
    Ok(groups)
}

pub(super) fn single(groups: Vec<(Vec<Key>, u64)>) -> HashMap<Key, u64> {
    groups.into_iter().filter_map(|(mut keys, count)| Some((keys.pop()?, count))).collect()
}

pub(super) fn key(column: &dyn Array, row: usize) -> Result<Key, DataFusionError> {
    if column.is_null(row) {
        return Ok(Key::Nothing);
    }
    match ScalarValue::try_from_array(column, row)? {
        ScalarValue::Utf8(Some(text)) => Ok(Key::Text(text)),
        ScalarValue::FixedSizeBinary(_, Some(bytes)) => {
            let bytes =
                bytes.try_into().map_err(|_| DataFusionError::Execution("an address has 16 bytes".to_owned()))?;
            Ok(Key::Client(bytes))
        }
        ScalarValue::Dictionary(_, word) => Ok(match *word {
            ScalarValue::Utf8(Some(text)) => Key::Text(text),
            _ => Key::Nothing,
        }),
        _ => Ok(integer(column, row)?.map_or(Key::Nothing, Key::Number)),
    }
}

pub(super) fn integer(column: &dyn Array, row: usize) -> Result<Option<u64>, DataFusionError> {
    let one = arrow::compute::cast(&column.slice(row, 1), &DataType::UInt64)?;
    let one = one.as_primitive::<UInt64Type>();
    Ok(one.is_valid(0).then(|| one.value(0)))
}

pub(super) fn named<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, DataFusionError> {
    let column = batch.column_by_name(name).map(AsRef::as_ref);
    column.ok_or_else(|| DataFusionError::Execution(format!("the figure {name} is missing")))
}

pub(super) fn whole(batch: &RecordBatch, name: &str) -> Result<u64, DataFusionError> {
    Ok(integer(named(batch, name)?, 0)?.unwrap_or(0))
}

pub(super) fn fraction(batch: &RecordBatch, name: &str) -> Result<Option<f64>, DataFusionError> {
    let column = arrow::compute::cast(named(batch, name)?, &DataType::Float64)?;
    let column = column.as_primitive::<Float64Type>();
    Ok(column.is_valid(0).then(|| column.value(0)))
}

pub(super) fn count_of(id: Id, key: &Key, count: u64) -> Count {
    let value = match key {
        Key::Nothing => None,
        Key::Number(number) => Some(print::number(id, *number)),
        Key::Text(text) => Some(text.clone()),
        Key::Client(bytes) => Some(event::address_from_bytes(*bytes).to_string()),
    };
    let code = match key {
        Key::Number(number) if id == Id::Code => u16::try_from(*number).ok().map(Code::from_key),
        _ => None,
    };
    Count { value, code, count }
}

/// Codes in table order, then those without a name by number, then no reply.
pub(super) fn code_place(key: &Key) -> (usize, Key) {
    let place = CODES.iter().position(|info| *key == Key::Number(info.code.key().into()));
    (place.unwrap_or(CODES.len()), key.clone())
}

/// The field holds one of these values.
pub(super) fn any_of<'a>(id: Id, keys: impl Iterator<Item = &'a Key>) -> Expr {
    any_of_column(id, group_column(id), keys)
}

/// What is made of the field is one of these values.
pub(super) fn any_of_column<'a>(id: Id, column: Expr, keys: impl Iterator<Item = &'a Key>) -> Expr {
    let mut values = Vec::new();
    let mut empty = false;
    for key in keys {
        match key {
            Key::Nothing => empty = true,
            Key::Number(number) => values.push(compile::number(id, *number)),
            Key::Text(text) => values.push(lit(text.as_str())),
            Key::Client(bytes) => {
                values.push(Expr::Literal(ScalarValue::FixedSizeBinary(16, Some(bytes.to_vec())), None));
            }
        }
    }
    let listed = if values.is_empty() { lit(false) } else { column.clone().in_list(values, false) };
    if empty { listed.or(column.is_null()) } else { listed }
}
