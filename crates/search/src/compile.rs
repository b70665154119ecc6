//! A search as an expression of the engine.
//!
//! Literals have the very type of their column, so that statistics of segments can rule them out, and values are bound
//! literals only: no text of the user becomes part of a language. `NOT` keeps rows where the field is empty.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, binary_expr, cast, ident, lit};

use crate::ast::{Bound, Node, Search, Value};
use crate::fields::Id;
use crate::functions;
use crate::net::{Net, stored_ranges};
use crate::pattern::{Case, Pattern};
use crate::run::Window;

/// The rows of a window that match. Spans before now count from the end of the window.
///
/// Conditions are held against rows in this order, each against what the one before left: merged segments have the rows of a
/// tenant and of a client together, so that what is said of these leaves few pages, and the time of all rows need not be read.
pub(crate) fn filter(search: &Search, window: Window) -> Expr {
    let time = || ident("time");
    let inside = time().gt_eq(instant(window.from)).and(time().lt(instant(window.to)));
    all_of(search, window.to, Some(inside)).unwrap_or_else(|| lit(true))
}

/// What a search says of rows that are in its window: the same without the time. `None` when it says nothing.
pub(crate) fn filter_inside(search: &Search, window: Window) -> Option<Expr> {
    all_of(search, window.to, None)
}

fn all_of(search: &Search, now: i64, time: Option<Expr>) -> Option<Expr> {
    let rest = search.parts().iter().filter(|part| !is_about_owner(part)).map(|part| node(part, now));
    let parts: Vec<Expr> = owner(search, now).into_iter().chain(time).chain(rest).collect();
    (!parts.is_empty()).then(|| joined(parts, Operator::And, true))
}

/// What a search says of whose query it was: its top-level parts about tenant or client. `None` when it says nothing of it.
pub(crate) fn owner(search: &Search, now: i64) -> Option<Expr> {
    let parts = search.parts().iter().filter(|part| is_about_owner(part));
    let parts: Vec<Expr> = parts.map(|part| node(part, now)).collect();
    (!parts.is_empty()).then(|| joined(parts, Operator::And, true))
}

fn is_about_owner(part: &Node) -> bool {
    matches!(part, Node::Term(Id::Client | Id::Tenant, _))
}

/// An instant as the `time` column has it.
pub(crate) fn instant(micros: i64) -> Expr {
    literal(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())))
}

fn literal(value: ScalarValue) -> Expr {
    Expr::Literal(value, None)
}

fn node(it: &Node, now: i64) -> Expr {
    match it {
        Node::And(nodes) => joined(nodes.iter().map(|each| node(each, now)).collect(), Operator::And, true),
        Node::Or(nodes) => joined(nodes.iter().map(|each| node(each, now)).collect(), Operator::Or, false),
        Node::Not(inner) => node(inner, now).is_not_true(),
        Node::Has(Id::Flags) => ident("flags").not_eq(number(Id::Flags, 0)),
        Node::Has(Id::EdeText) => functions::has_ede_text(),
        Node::Has(id) => column(*id).is_not_null(),
        Node::Term(id, values) => term(*id, values, now),
    }
}

/// A balanced tree: the engine walks expressions by recursion, and a chain of hundreds is deep.
fn joined(mut parts: Vec<Expr>, operator: Operator, of_none: bool) -> Expr {
    match parts.len() {
        0 => lit(of_none),
        1 => parts.remove(0),
        length => {
            let right = parts.split_off(length / 2);
            binary_expr(joined(parts, operator, of_none), operator, joined(right, operator, of_none))
        }
    }
}

/// The field as the engine sees it.
pub(crate) fn column(id: Id) -> Expr {
    match id {
        Id::Tld => functions::top_level(),
        _ => ident(id.column()),
    }
}

fn term(id: Id, values: &[Value], now: i64) -> Expr {
    let numbers: Vec<(u64, u64)> = values.iter().flat_map(|value| number_ranges(id, value)).collect();
    let trees: Vec<NameTree> = values.iter().filter_map(|value| NameTree::of(id, value)).collect();
    let in_answer = |value: &Value| if let Value::Net(net) = value { Some(*net) } else { None };
    let nets: Vec<Net> = values.iter().filter(|_| id == Id::Answer).filter_map(in_answer).collect();
    let mut parts: Vec<Expr> = values.iter().filter_map(|value| other(id, value, now)).collect();
    if !numbers.is_empty() {
        parts.push(among(id, &numbers));
    }
    if !trees.is_empty() {
        parts.push(in_trees(&trees));
    }
    if !nets.is_empty() {
        parts.push(functions::answer_within(nets));
    }
    joined(parts, Operator::Or, false)
}

/// A name and everything below it, or only what is below, as a range of reversed names.
struct NameTree {
    reversed: String,
    with_itself: bool,
}

impl NameTree {
    fn of(id: Id, value: &Value) -> Option<NameTree> {
        let (name, with_itself) = match value {
            Value::Below(name) => (name, true),
            Value::Exact(name) if id == Id::Tld => (name, true),
            Value::Under(name) => (name, false),
            _ => return None,
        };
        Some(NameTree { reversed: event::reversed_domain(name), with_itself })
    }

    fn holds(&self, reversed: Expr) -> Expr {
        let from = lit(self.reversed.as_str());
        let low = if self.with_itself { reversed.clone().gt_eq(from) } else { reversed.clone().gt(from) };
        match self.reversed.strip_suffix('.') {
            // The character after the dot ends the range.
            Some(labels) => low.and(reversed.lt(lit(format!("{labels}/")))),
            None => low,
        }
    }
}

fn in_trees(trees: &[NameTree]) -> Expr {
    joined(trees.iter().map(|tree| tree.holds(ident("domain_rev"))).collect(), Operator::Or, false)
}

/// The field holds a number of these ranges, both ends included.
fn among(id: Id, ranges: &[(u64, u64)]) -> Expr {
    match id {
        Id::Flags => {
            // Any of the flags: all in one mask.
            let mask = ranges.iter().fold(0, |mask, (flag, _)| mask | flag);
            binary_expr(ident("flags"), Operator::BitwiseAnd, number(id, mask)).not_eq(number(id, 0))
        }
        Id::Ede => {
            let small = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
            let ranges = ranges.iter().map(|(low, high)| (small(*low), small(*high))).collect();
            functions::ede_among(ranges)
        }
        _ => {
            let single = |(low, high): &&(u64, u64)| low == high;
            let singles: Vec<Expr> = ranges.iter().filter(single).map(|(key, _)| number(id, *key)).collect();
            let wide = ranges.iter().filter(|range| !single(range));
            let mut parts: Vec<Expr> =
                wide.map(|(low, high)| column(id).between(number(id, *low), number(id, *high))).collect();
            match singles.len() {
                0 => {}
                1 => parts.extend(singles.into_iter().map(|key| column(id).eq(key))),
                _ => parts.push(column(id).in_list(singles, false)),
            }
            joined(parts, Operator::Or, false)
        }
    }
}

/// Numbers as the column stores them; empty for values that are not numbers.
fn number_ranges(id: Id, value: &Value) -> Vec<(u64, u64)> {
    let max = column_max(id);
    match value {
        Value::Number(Bound::Is(key)) if *key <= max => vec![(*key, *key)],
        Value::Number(Bound::Is(_)) => Vec::new(),
        Value::Number(bound) => {
            let (low, high) = match *bound {
                Bound::Is(it) => (it, Some(it)),
                Bound::Range(low, high) => (low, Some(high)),
                Bound::Less(it) => (0, it.checked_sub(1)),
                Bound::AtMost(it) => (0, Some(it)),
                Bound::More(it) => (it.saturating_add(1), (it < u64::MAX).then_some(u64::MAX)),
                Bound::AtLeast(it) => (it, Some(u64::MAX)),
            };
            let Some(high) = high.map(|high| high.min(max)).filter(|high| low <= *high) else { return Vec::new() };
            if id == Id::Code { code_keys(low, high) } else { vec![(low, high)] }
        }
        Value::Named(pattern) => {
            let fits = id.names().iter().filter(|(_, name)| pattern.matches(name));
            fits.map(|(key, _)| (*key, *key)).collect()
        }
        _ => Vec::new(),
    }
}

/// Wire numbers as keys: `BADSIG` is 16 on the wire and elsewhere in the column.
fn code_keys(low: u64, high: u64) -> Vec<(u64, u64)> {
    let badsig = wire::code::Code::BADSIG;
    let key = u64::from(badsig.key());
    let mut ranges = Vec::with_capacity(3);
    if (low..=high).contains(&u64::from(badsig.number())) {
        ranges.push((key, key));
    }
    if (low..=high).contains(&key) {
        ranges.extend([(low, key - 1), (key + 1, high)].into_iter().filter(|(low, high)| low <= high));
    } else {
        ranges.push((low, high));
    }
    ranges
}

fn data_type(id: Id) -> DataType {
    event::schema().field_with_name(id.column()).map_or(DataType::Null, |field| field.data_type().clone())
}

fn column_max(id: Id) -> u64 {
    match data_type(id) {
        DataType::UInt8 => u8::MAX.into(),
        DataType::UInt32 => u32::MAX.into(),
        DataType::UInt64 => u64::MAX,
        _ => u16::MAX.into(),
    }
}

/// A number of the column's type. The callers keep it within.
pub(crate) fn number(id: Id, value: u64) -> Expr {
    literal(match data_type(id) {
        DataType::UInt8 => ScalarValue::UInt8(u8::try_from(value).ok()),
        DataType::UInt32 => ScalarValue::UInt32(u32::try_from(value).ok()),
        DataType::UInt64 => ScalarValue::UInt64(Some(value)),
        _ => ScalarValue::UInt16(u16::try_from(value).ok()),
    })
}

/// Values that are not numbers.
fn other(id: Id, value: &Value, now: i64) -> Option<Expr> {
    Some(match value {
        Value::Number(_) | Value::Named(_) | Value::Below(_) | Value::Under(_) => return None,
        Value::Time(bound) => time(bound.map(|moment| moment.micros(now))),
        Value::Net(_) if id == Id::Answer => return None,
        Value::Net(net) => {
            let (low, high) = net.ends();
            clients(&stored_ranges(low, high))
        }
        Value::Addresses(low, high) => clients(&stored_ranges(*low, *high)),
        Value::Exact(_) if id == Id::Tld => return None,
        Value::Exact(name) => column(id).eq(lit(name.as_str())),
        Value::Text(pattern) if id == Id::EdeText => functions::ede_text_fits(pattern.clone()),
        Value::Text(pattern) => text(id, pattern),
    })
}

fn time(bound: Bound<i64>) -> Expr {
    let time = ident("time");
    match bound {
        Bound::Is(at) => time.eq(instant(at)),
        Bound::Range(from, up_to) => time.between(instant(from), instant(up_to)),
        Bound::Less(at) => time.lt(instant(at)),
        Bound::AtMost(at) => time.lt_eq(instant(at)),
        Bound::More(at) => time.gt(instant(at)),
        Bound::AtLeast(at) => time.gt_eq(instant(at)),
    }
}

fn clients(ranges: &[([u8; 16], [u8; 16])]) -> Expr {
    let bytes = |bytes: [u8; 16]| literal(ScalarValue::FixedSizeBinary(16, Some(bytes.to_vec())));
    let one = |(low, high): &([u8; 16], [u8; 16])| match low == high {
        true => ident("client").eq(bytes(*low)),
        false => ident("client").gt_eq(bytes(*low)).and(ident("client").lt_eq(bytes(*high))),
    };
    joined(ranges.iter().map(one).collect(), Operator::Or, false)
}

fn text(id: Id, pattern: &Pattern) -> Expr {
    let column = match data_type(id) {
        DataType::Dictionary(..) => cast(column(id), DataType::Utf8),
        _ => column(id),
    };
    if pattern.is_regex() {
        let right = Box::new(lit(pattern.source()));
        return Expr::BinaryExpr(BinaryExpr::new(Box::new(column), Operator::RegexIMatch, right));
    }
    match pattern.case() {
        Case::Exact => column.like(lit(pattern.like())),
        Case::Any => column.ilike(lit(pattern.like())),
    }
}
