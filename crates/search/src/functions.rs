//! What the engine has no function for: lists, labels of names, and addresses within text.
//!
//! Each gives what the row matcher gives for the same row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::datatypes::{DataType, UInt16Type, UInt64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, ident,
};

use crate::net::Net;
use crate::pattern::Pattern;

/// Whether any extended error of a row is among these ranges, both ends included. The engine's own list functions know
/// single values only.
pub(crate) fn ede_among(ranges: Vec<(u16, u16)>) -> Expr {
    call(Among::Numbers(ranges), "ede")
}

/// Whether any text of a row's extended errors fits.
pub(crate) fn ede_text_fits(pattern: Pattern) -> Expr {
    call(Among::Texts(pattern), "ede_text")
}

/// Whether any extended error of a row has a text.
pub(crate) fn has_ede_text() -> Expr {
    call(Among::SomeText, "ede_text")
}

/// Whether any address in the answer lies in one of these networks.
pub(crate) fn answer_within(nets: Vec<Net>) -> Expr {
    call(Among::Nets(nets), "answer")
}

/// Whether the number of a row is one of these, which may be thousands: as a list of the engine's they would be planned one by one,
/// for each segment.
pub(crate) fn seq_among(mut numbers: Vec<u64>) -> Expr {
    numbers.sort_unstable();
    call(Among::Seqs(numbers), "seq")
}

/// The last label of the name asked.
pub(crate) fn top_level() -> Expr {
    ScalarUDF::from(TopLevel { signature: Signature::any(1, Volatility::Immutable) }).call(vec![ident("domain")])
}

fn call(among: Among, column: &str) -> Expr {
    let test = Test { among, signature: Signature::any(1, Volatility::Immutable) };
    ScalarUDF::from(test).call(vec![ident(column)])
}

/// What is asked of a column.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Among {
    Numbers(Vec<(u16, u16)>),
    Texts(Pattern),
    SomeText,
    Nets(Vec<Net>),
    /// In order.
    Seqs(Vec<u64>),
}

/// True or false for each row, never null: an empty field is not among anything.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Test {
    among: Among,
    signature: Signature,
}

impl ScalarUDFImpl for Test {
    fn name(&self) -> &str {
        match self.among {
            Among::Numbers(_) => "ede_among",
            Among::Texts(_) => "ede_text_fits",
            Among::SomeText => "has_ede_text",
            Among::Nets(_) => "answer_within",
            Among::Seqs(_) => "seq_among",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let array = only_argument(&arguments)?;
        let found = match &self.among {
            Among::Numbers(ranges) => {
                any_number(&array, |number| ranges.iter().any(|(low, high)| (*low..=*high).contains(&number)))?
            }
            Among::Texts(pattern) => any_text(&array, |text| pattern.matches(text))?,
            Among::SomeText => any_text(&array, |text| !text.is_empty())?,
            Among::Nets(nets) => {
                let array = plain_text(&array)?;
                let Some(answers) = array.as_string_opt::<i32>() else { return exec_err!("answer is not text") };
                answers.iter().map(|answer| Some(answer.is_some_and(|answer| mentions(answer, nets)))).collect()
            }
            Among::Seqs(wanted) => {
                let Some(numbers) = array.as_primitive_opt::<UInt64Type>() else {
                    return exec_err!("seq is no number");
                };
                // Most rows of a segment are outside of the few of one page.
                let span = wanted.first().copied().unwrap_or(u64::MAX)..=wanted.last().copied().unwrap_or(0);
                let is_wanted = |number: &u64| span.contains(number) && wanted.binary_search(number).is_ok();
                numbers.values().iter().map(|number| Some(is_wanted(number))).collect()
            }
        };
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

/// Whether an address in the text lies in one of the networks.
pub(crate) fn mentions(text: &str, nets: &[Net]) -> bool {
    crate::net::addresses(text).any(|address| nets.iter().any(|net| net.contains(address)))
}

/// For each list of texts, whether any of them fits.
pub(crate) fn any_text(array: &ArrayRef, fits: impl Fn(&str) -> bool) -> Result<BooleanArray> {
    any_item(array, |items| {
        let items = plain_text(items).ok()?;
        let texts = items.as_string_opt::<i32>()?;
        Some(texts.iter().map(|text| text.is_some_and(&fits)).collect())
    })
}

/// For each list of numbers, whether any of them fits.
pub(crate) fn any_number(array: &ArrayRef, fits: impl Fn(u16) -> bool) -> Result<BooleanArray> {
    any_item(array, |items| {
        let numbers = items.as_primitive_opt::<UInt16Type>()?;
        Some(numbers.iter().map(|number| number.is_some_and(&fits)).collect())
    })
}

/// For each list, whether any of its items is one of those.
fn any_item(array: &ArrayRef, hits: impl Fn(&ArrayRef) -> Option<Vec<bool>>) -> Result<BooleanArray> {
    let Some(lists) = array.as_list_opt::<i32>() else { return exec_err!("the column holds no lists") };
    let offsets = lists.value_offsets();
    let offset = |at: usize| usize::try_from(offsets[at]).unwrap_or(0);
    // A part of an array has the items of the whole.
    let (first, last) = (offset(0), offset(lists.len()));
    let hits = hits(&lists.values().slice(first, last.saturating_sub(first)));
    let Some(hits) = hits else { return exec_err!("the lists hold other things than expected") };
    let place = |at: usize| offset(at) - first;
    let row = |row: usize| Some(lists.is_valid(row) && hits[place(row)..place(row + 1)].contains(&true));
    Ok((0..lists.len()).map(row).collect())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TopLevel {
    signature: Signature,
}

impl ScalarUDFImpl for TopLevel {
    fn name(&self) -> &str {
        "top_level"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let array = plain_text(&only_argument(&arguments)?)?;
        let Some(names) = array.as_string_opt::<i32>() else { return exec_err!("domain is not text") };
        let made: StringArray = names.iter().map(|name| name.and_then(crate::names::top_level)).collect();
        Ok(ColumnarValue::Array(Arc::new(made)))
    }
}

fn plain_text(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(arrow::compute::cast(array, &DataType::Utf8)?)
}

fn only_argument(arguments: &ScalarFunctionArgs) -> Result<ArrayRef> {
    match arguments.args.as_slice() {
        [argument] => argument.to_array(arguments.number_rows),
        _ => exec_err!("one argument is needed"),
    }
}
