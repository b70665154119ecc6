//! A search as SQL over the view `events`, for those who want to go on from there.

use crate::ast::{Bound, Node, Search, Value};
use crate::fields::Id;
use crate::moment::Moment;
use crate::pattern::{Case, Pattern};
use crate::run::view::{column, has_names, number_column};

/// SQL that finds the rows the search finds. Spans before now count from the present there; settle them with
/// [`Search::at`] to count from another time.
#[must_use]
pub fn to_sql(search: &Search) -> String {
    match &search.root {
        None => "SELECT * FROM events".to_owned(),
        Some(root) => format!("SELECT * FROM events WHERE {}", node(root)),
    }
}

fn node(it: &Node) -> String {
    match it {
        Node::And(nodes) => joined(nodes.iter().map(node).collect(), " AND ", "true"),
        Node::Or(nodes) => joined(nodes.iter().map(node).collect(), " OR ", "false"),
        // Not `NOT`: rows where the field is empty are kept.
        Node::Not(inner) => format!("({}) IS NOT TRUE", node(inner)),
        Node::Has(Id::Flags) => "flags_number <> 0".to_owned(),
        Node::Has(Id::EdeText) => "ede_text_fits(ede_text, '?*')".to_owned(),
        Node::Has(id) => format!("{} IS NOT NULL", quoted(column(*id))),
        Node::Term(id, values) => term(*id, values),
    }
}

fn joined(parts: Vec<String>, between: &str, of_none: &str) -> String {
    match parts.as_slice() {
        [] => of_none.to_owned(),
        [one] => one.clone(),
        several => {
            let parts: Vec<String> = several.iter().map(|part| format!("({part})")).collect();
            parts.join(between)
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn term(id: Id, values: &[Value]) -> String {
    let exact: Vec<String> = values.iter().filter_map(|value| listed(id, value)).collect();
    let mut parts: Vec<String> = Vec::new();
    match exact.as_slice() {
        [] => {}
        [one] => parts.push(format!("{} = {one}", quoted(column(id)))),
        several => parts.push(format!("{} IN ({})", quoted(column(id)), several.join(", "))),
    }
    parts.extend(values.iter().filter(|value| listed(id, value).is_none()).map(|each| value(id, each)));
    joined(parts, " OR ", "false")
}

/// A value that stands in a list.
fn listed(id: Id, value: &Value) -> Option<String> {
    match value {
        Value::Number(Bound::Is(_)) if matches!(id, Id::Flags | Id::Ede) => None,
        Value::Number(Bound::Is(key)) if has_names(id) => Some(literal(&id.key_name(*key))),
        Value::Number(Bound::Is(number)) => Some(number.to_string()),
        Value::Exact(name) => Some(literal(name)),
        _ => None,
    }
}

fn value(id: Id, it: &Value) -> String {
    let name = quoted(column(id));
    let below = |above: &str| format!("is_below({name}, {})", literal(above));
    match it {
        Value::Number(bound) if id == Id::Ede => ede(*bound),
        Value::Number(Bound::Is(flag)) if id == Id::Flags => {
            format!("array_has({name}, {})", literal(&id.key_name(*flag)))
        }
        Value::Number(bound) => compared(&quoted(number_column(id)), bound.map(|number| number.to_string())),
        Value::Named(pattern) => named(id, pattern),
        Value::Time(bound) => compared(&name, bound.map(moment)),
        Value::Net(net) if id == Id::Answer => format!("answer_in_network({name}, {})", literal(&net.to_string())),
        Value::Net(net) => format!("in_network({name}, {})", literal(&net.to_string())),
        Value::Addresses(low, high) => {
            format!("address_between({name}, {}, {})", literal(&low.to_string()), literal(&high.to_string()))
        }
        Value::Exact(text) => format!("{name} = {}", literal(text)),
        Value::Below(text) => format!("{name} = {} OR {}", literal(text), below(text)),
        Value::Under(text) => below(text),
        Value::Text(pattern) if id == Id::EdeText => {
            format!("ede_text_fits({name}, {})", literal(&as_written(pattern)))
        }
        Value::Text(pattern) => text(&name, pattern),
    }
}

fn ede(bound: Bound<u64>) -> String {
    let between = |low: u64, high: u64| format!("ede_between(ede, {low}, {high})");
    let max = u64::from(u16::MAX);
    match bound {
        Bound::Is(number) => between(number, number),
        Bound::Range(low, high) => between(low, high.min(max)),
        Bound::Less(0) => "false".to_owned(),
        Bound::Less(number) => between(0, number - 1),
        Bound::AtMost(number) => between(0, number),
        Bound::More(number) => between(number.saturating_add(1), max.max(number)),
        Bound::AtLeast(number) => between(number, max.max(number)),
    }
}

/// Every registered name that fits.
fn named(id: Id, pattern: &Pattern) -> String {
    let fits = id.names().iter().filter(|(_, name)| pattern.matches(name));
    let values: Vec<Value> = fits.map(|(key, _)| Value::Number(Bound::Is(*key))).collect();
    term(id, &values)
}

fn compared(name: &str, bound: Bound<String>) -> String {
    match bound {
        Bound::Is(it) => format!("{name} = {it}"),
        Bound::Range(low, high) => format!("{name} BETWEEN {low} AND {high}"),
        Bound::Less(it) => format!("{name} < {it}"),
        Bound::AtMost(it) => format!("{name} <= {it}"),
        Bound::More(it) => format!("{name} > {it}"),
        Bound::AtLeast(it) => format!("{name} >= {it}"),
    }
}

fn moment(moment: Moment) -> String {
    match moment {
        Moment::At(micros) => match jiff::Timestamp::from_microsecond(micros) {
            Ok(time) => format!("TIMESTAMPTZ {}", literal(&time.to_string())),
            Err(_) => format!("to_timestamp_micros({micros})"),
        },
        Moment::Ago(seconds) => format!("now() - INTERVAL '{seconds} seconds'"),
    }
}

/// A glob, or a regular expression between slashes.
fn as_written(pattern: &Pattern) -> String {
    match pattern.source() {
        source if pattern.is_regex() => format!("/{source}/"),
        source if source.starts_with('/') => format!("\\{source}"),
        source => source.to_owned(),
    }
}

fn text(name: &str, pattern: &Pattern) -> String {
    if pattern.is_regex() {
        return format!("{name} ~* {}", literal(pattern.source()));
    }
    let operator = match pattern.case() {
        Case::Exact => "LIKE",
        Case::Any => "ILIKE",
    };
    format!("{name} {operator} {}", literal(&pattern.like()))
}
