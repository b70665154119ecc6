//! The log as SQL sees it: one view with columns to be read, and the few functions made for it.
//!
//! Return codes, types and all other words are text, as a search has them; clients are addresses as text. Where numbers
//! have an order that means something there is a column `…_number` beside the name.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field, UInt64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility, cast,
    ident, lit, when,
};
use wire::code::Code;

use crate::fields::{Id, Kind};
use crate::net::{Net, stored_ranges};
use crate::pattern::{Case, Pattern};
use crate::{compile, functions, names};

/// How a column of the view is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    /// As it is.
    Same,
    /// Words of a dictionary as text.
    Word,
    /// The name for a number.
    Name(Id),
    /// The number on the wire.
    Number(Id),
    Address,
    Tld,
}

/// Columns of the view, in order: name, column of the log, how it is made.
const COLUMNS: &[(&str, &str, Made)] = &[
    ("time", "time", Made::Same),
    ("seq", "seq", Made::Same),
    ("tenant", "tenant", Made::Word),
    ("node", "node", Made::Word),
    ("client", "client", Made::Address),
    ("client_port", "client_port", Made::Same),
    ("transport", "transport", Made::Name(Id::Transport)),
    ("opcode", "opcode", Made::Name(Id::Opcode)),
    ("opcode_number", "opcode", Made::Same),
    ("domain", "domain", Made::Same),
    ("reg_domain", "reg_domain", Made::Same),
    ("tld", "domain", Made::Tld),
    ("qtype", "qtype", Made::Name(Id::Qtype)),
    ("qtype_number", "qtype", Made::Same),
    ("qclass", "qclass", Made::Name(Id::Qclass)),
    ("qclass_number", "qclass", Made::Same),
    ("flags", "flags", Made::Name(Id::Flags)),
    ("flags_number", "flags", Made::Same),
    ("outcome", "outcome", Made::Name(Id::Outcome)),
    ("code", "code", Made::Name(Id::Code)),
    ("code_number", "code", Made::Number(Id::Code)),
    ("rcode_header", "rcode_header", Made::Same),
    ("rcode", "rcode", Made::Same),
    ("tsig_error", "tsig_error", Made::Same),
    ("tkey_error", "tkey_error", Made::Same),
    ("ede", "ede", Made::Same),
    ("ede_text", "ede_text", Made::Same),
    ("answer", "answer", Made::Same),
    ("answer_count", "answer_count", Made::Same),
    ("ttl", "ttl", Made::Same),
    ("action", "action", Made::Name(Id::Action)),
    ("list", "list", Made::Word),
    ("rule", "rule", Made::Same),
    ("trace", "trace", Made::Same),
    ("cache", "cache", Made::Name(Id::Cache)),
    ("upstream", "upstream", Made::Word),
    ("upstream_latency", "upstream_latency", Made::Same),
    ("attempts", "attempts", Made::Same),
    ("latency", "latency", Made::Same),
    ("query_size", "query_size", Made::Same),
    ("reply_size", "reply_size", Made::Same),
    ("key", "key", Made::Same),
    ("update", "update", Made::Same),
    ("repeats", "repeats", Made::Same),
];

/// The columns, for completion and the documentation.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, ..)| *name)
}

/// What the view selects.
pub(super) fn columns() -> Vec<Expr> {
    COLUMNS.iter().map(|(name, column, made)| made.of(column).alias(*name)).collect()
}

/// Functions there are for the view only.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    [
        Function::InNetwork,
        Function::AddressBetween,
        Function::AnswerInNetwork,
        Function::IsBelow,
        Function::EdeBetween,
        Function::EdeTextFits,
    ]
    .into_iter()
    .map(|function| Arc::new(function.udf()))
    .collect()
}

impl Made {
    fn of(self, column: &str) -> Expr {
        let column = ident(column);
        match self {
            Made::Same => column,
            Made::Word => cast(column, DataType::Utf8),
            Made::Name(id) => Function::NameOf(id).udf().call(vec![column]),
            Made::Number(_) => {
                let badsig = Code::BADSIG;
                let number = when(column.clone().eq(lit(badsig.key())), lit(badsig.number())).otherwise(column.clone());
                number.unwrap_or(column)
            }
            Made::Address => Function::AddressText.udf().call(vec![column]),
            Made::Tld => compile::column(Id::Tld),
        }
    }
}

/// Functions over the columns of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    /// A number's name.
    NameOf(Id),
    /// An address as text.
    AddressText,
    /// `in_network(client, '10.0.0.0/8')`.
    InNetwork,
    /// `address_between(client, '192.0.2.1', '192.0.2.9')`, both ends included.
    AddressBetween,
    /// `ede_between(ede, 6, 12)`: any extended error from the one number to the other.
    EdeBetween,
    /// `answer_in_network(answer, '10.0.0.0/8')`: any address that the answer names.
    AnswerInNetwork,
    /// `is_below(domain, 'example.com')`: below the name, and not the name itself.
    IsBelow,
    /// `ede_text_fits(ede_text, '*signature*')`: any text fits the pattern, or the regular expression between slashes.
    EdeTextFits,
}

impl Function {
    fn udf(self) -> ScalarUDF {
        let texts = |count: usize| vec![DataType::Utf8; count];
        let signature = match self {
            Function::NameOf(_) | Function::AddressText => Signature::any(1, Volatility::Immutable),
            Function::InNetwork | Function::AnswerInNetwork | Function::IsBelow => {
                Signature::exact(texts(2), Volatility::Immutable)
            }
            Function::AddressBetween => Signature::exact(texts(3), Volatility::Immutable),
            Function::EdeBetween => Signature::new(TypeSignature::Any(3), Volatility::Immutable),
            Function::EdeTextFits => Signature::any(2, Volatility::Immutable),
        };
        ScalarUDF::from(Named { function: self, signature })
    }

    /// The ranges of addresses a call asks for, when its arguments are constant.
    fn ranges(self, texts: &[&str]) -> Result<Vec<([u8; 16], [u8; 16])>> {
        match (self, texts) {
            (Function::InNetwork, [text]) => match Net::read(text) {
                Ok(net) => {
                    let (low, high) = net.ends();
                    Ok(stored_ranges(low, high))
                }
                Err(_) => plan_err!("`{text}` is no network"),
            },
            (Function::AddressBetween, [low, high]) => {
                let read = |text: &str| text.parse::<std::net::IpAddr>().map(|address| address.to_canonical());
                let (Ok(low), Ok(high)) = (read(low), read(high)) else {
                    return plan_err!("`{low}` and `{high}` are not two addresses");
                };
                if low.is_ipv4() != high.is_ipv4() {
                    return plan_err!("a range goes from IPv4 to IPv4 or from IPv6 to IPv6");
                }
                Ok(stored_ranges(low, high))
            }
            _ => plan_err!("networks and addresses are constants"),
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Named {
    function: Function,
    signature: Signature,
}

impl ScalarUDFImpl for Named {
    fn name(&self) -> &str {
        match self.function {
            Function::NameOf(id) => id.field().name,
            Function::AddressText => "address_text",
            Function::InNetwork => "in_network",
            Function::AddressBetween => "address_between",
            Function::EdeBetween => "ede_between",
            Function::AnswerInNetwork => "answer_in_network",
            Function::IsBelow => "is_below",
            Function::EdeTextFits => "ede_text_fits",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.function {
            Function::NameOf(Id::Flags) => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
            Function::NameOf(_) | Function::AddressText => DataType::Utf8,
            _ => DataType::Boolean,
        })
    }

    /// Comparisons of the column itself can be ruled out by the statistics of segments.
    fn simplify(&self, arguments: Vec<Expr>, _info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if !matches!(self.function, Function::InNetwork | Function::AddressBetween) {
            return Ok(ExprSimplifyResult::Original(arguments));
        }
        let texts: Option<Vec<&str>> = arguments.iter().skip(1).map(constant).collect();
        let stored = match arguments.first() {
            Some(Expr::ScalarFunction(call)) if call.func.name() == "address_text" => call.args.first(),
            _ => None,
        };
        let (Some(texts), Some(stored)) = (texts, stored) else { return Ok(ExprSimplifyResult::Original(arguments)) };
        let bytes = |bytes: [u8; 16]| Expr::Literal(ScalarValue::FixedSizeBinary(16, Some(bytes.to_vec())), None);
        let within = |(low, high)| stored.clone().gt_eq(bytes(low)).and(stored.clone().lt_eq(bytes(high)));
        let ranges = self.function.ranges(&texts)?.into_iter().map(within);
        Ok(ExprSimplifyResult::Simplified(ranges.reduce(Expr::or).unwrap_or_else(|| lit(false))))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let Some(first) = arguments.args.first() else { return exec_err!("an argument is missing") };
        let first = first.to_array(rows)?;
        let constants = &arguments.args[1..];
        let made: ArrayRef = match self.function {
            Function::NameOf(Id::Flags) => flags(&first)?,
            Function::NameOf(id) => names_of(id, &first)?,
            Function::AddressText => addresses(&first)?,
            Function::InNetwork | Function::AddressBetween => {
                let texts: Option<Vec<&str>> = constants.iter().map(text).collect();
                let ranges = self.function.ranges(&texts.unwrap_or_default())?;
                let Some(addresses) = first.as_string_opt::<i32>() else { return exec_err!("an address is text") };
                let within = |address: &str| {
                    let stored = event::address_bytes(address.parse().ok()?);
                    Some(ranges.iter().any(|(low, high)| (*low..=*high).contains(&stored)))
                };
                let found: BooleanArray = addresses.iter().map(|address| address.and_then(within)).collect();
                Arc::new(found)
            }
            Function::AnswerInNetwork => {
                let Some(Ok(net)) = constants.first().and_then(text).map(Net::read) else {
                    return exec_err!("a network is a constant such as '10.0.0.0/8'");
                };
                any_row(&first, |answer| functions::mentions(answer, &[net]))?
            }
            Function::IsBelow => {
                let Some(above) = constants.first().and_then(text) else { return exec_err!("a name is a constant") };
                any_row(&first, |name| names::is_below(name, above))?
            }
            Function::EdeTextFits => {
                let Some(pattern) = constants.first().and_then(text).and_then(pattern) else {
                    return exec_err!("a pattern is a constant such as '*signature*' or '/^no /'");
                };
                Arc::new(functions::any_text(&first, |text| pattern.matches(text))?)
            }
            Function::EdeBetween => {
                let ends: Option<Vec<i64>> = constants.iter().map(number).collect();
                let Some(&[low, high]) = ends.as_deref() else { return exec_err!("both ends are numbers") };
                Arc::new(functions::any_number(&first, |number| (low..=high).contains(&i64::from(number)))?)
            }
        };
        Ok(ColumnarValue::Array(made))
    }
}

fn any_row(texts: &ArrayRef, fits: impl Fn(&str) -> bool) -> Result<ArrayRef> {
    let Some(texts) = texts.as_string_opt::<i32>() else { return exec_err!("the column is no text") };
    let found: BooleanArray = texts.iter().map(|text| text.map(&fits)).collect();
    Ok(Arc::new(found))
}

/// A glob, or a regular expression between slashes.
fn pattern(text: &str) -> Option<Pattern> {
    match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(source) => Pattern::regex(source).ok(),
        None => Pattern::glob(text, Case::Any),
    }
}

fn constant(argument: &Expr) -> Option<&str> {
    match argument {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

fn text(argument: &ColumnarValue) -> Option<&str> {
    match argument {
        ColumnarValue::Scalar(value) => value.try_as_str().flatten(),
        ColumnarValue::Array(_) => None,
    }
}

fn number(argument: &ColumnarValue) -> Option<i64> {
    match argument {
        ColumnarValue::Scalar(value) => match value.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(number) => number,
            _ => None,
        },
        ColumnarValue::Array(_) => None,
    }
}

fn names_of(id: Id, numbers: &ArrayRef) -> Result<ArrayRef> {
    let numbers = arrow::compute::cast(numbers, &DataType::UInt64)?;
    let numbers = numbers.as_primitive::<UInt64Type>();
    // The few names of a batch are made once.
    let mut known: HashMap<u64, String> = HashMap::new();
    let mut names = StringBuilder::with_capacity(numbers.len(), numbers.len() * 8);
    for number in numbers {
        let Some(number) = number else {
            names.append_null();
            continue;
        };
        names.append_value(known.entry(number).or_insert_with(|| id.key_name(number)));
    }
    Ok(Arc::new(names.finish()))
}

fn flags(numbers: &ArrayRef) -> Result<ArrayRef> {
    let numbers = arrow::compute::cast(numbers, &DataType::UInt64)?;
    let mut lists = ListBuilder::new(StringBuilder::new());
    for number in numbers.as_primitive::<UInt64Type>() {
        for (_, name) in Id::Flags.names().iter().filter(|(flag, _)| number.unwrap_or(0) & flag != 0) {
            lists.values().append_value(name);
        }
        lists.append(number.is_some());
    }
    Ok(Arc::new(lists.finish()))
}

fn addresses(stored: &ArrayRef) -> Result<ArrayRef> {
    let Some(stored) = stored.as_fixed_size_binary_opt() else { return exec_err!("client is no address") };
    let mut texts = StringBuilder::with_capacity(stored.len(), stored.len() * 14);
    for bytes in stored {
        match bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
            Some(bytes) => texts.append_value(event::address_from_bytes(bytes).to_string()),
            None => texts.append_null(),
        }
    }
    Ok(Arc::new(texts.finish()))
}

/// The column of the view that holds the names of a field, or all of it.
pub(crate) fn column(id: Id) -> &'static str {
    match id {
        Id::Tld => "tld",
        other => other.column(),
    }
}

/// The column that holds a field's numbers, as ranges count them.
pub(crate) fn number_column(id: Id) -> &'static str {
    match id {
        Id::Code => "code_number",
        Id::Opcode => "opcode_number",
        Id::Qtype => "qtype_number",
        Id::Qclass => "qclass_number",
        Id::Flags => "flags_number",
        other => column(other),
    }
}

/// Whether the view has names for the numbers of a field.
pub(crate) fn has_names(id: Id) -> bool {
    matches!(id.kind(), Kind::Word) || matches!(id, Id::Code | Id::Opcode | Id::Qtype | Id::Qclass)
}
