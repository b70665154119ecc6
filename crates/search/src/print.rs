//! A search written back: the plainest text that reads as the same search.

use std::fmt::{self, Display, Formatter, Write};

use crate::ast::{Bound, Node, Search, Value};
use crate::fields::{Field, Id, Kind};
use crate::pattern::{Pattern, has_wildcards};
use crate::scan::is_special;

impl Display for Search {
    /// The plainest text that reads back as this search.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.root {
            Some(root) => node(f, root, false),
            None => Ok(()),
        }
    }
}

fn node(f: &mut Formatter<'_>, it: &Node, inner: bool) -> fmt::Result {
    match it {
        Node::And(nodes) => group(f, nodes, " ", inner),
        Node::Or(nodes) => group(f, nodes, " OR ", inner),
        Node::Not(negated) => {
            f.write_char('-')?;
            node(f, negated, true)
        }
        Node::Has(id) => write!(f, "has:{}", id.field().name),
        Node::Term(id, values) => {
            write!(f, "{}:", id.field().name)?;
            for (at, each) in values.iter().enumerate() {
                if at > 0 {
                    f.write_char(',')?;
                }
                value(f, *id, each)?;
            }
            Ok(())
        }
    }
}

fn group(f: &mut Formatter<'_>, nodes: &[Node], between: &str, inner: bool) -> fmt::Result {
    if inner {
        f.write_char('(')?;
    }
    for (at, each) in nodes.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        node(f, each, true)?;
    }
    if inner { f.write_char(')') } else { Ok(()) }
}

fn value(f: &mut Formatter<'_>, id: Id, it: &Value) -> fmt::Result {
    match it {
        Value::Number(Bound::Is(key)) => f.write_str(&number(id, *key)),
        // Ranges and comparisons count wire numbers, which is not what `code` stores.
        Value::Number(limits) => bound(f, limits.map(|number| wire_number(id, number))),
        Value::Time(limits) => bound(f, *limits),
        Value::Net(net) => write!(f, "{net}"),
        Value::Addresses(low, high) => write!(f, "{low}..{high}"),
        Value::Exact(name) if id.kind() == Kind::Domain => write!(f, "={}", plain(name)),
        Value::Exact(name) | Value::Below(name) => f.write_str(&plain(name)),
        Value::Under(name) => write!(f, "*.{}", glob_of_plain(name)),
        Value::Named(pattern) | Value::Text(pattern) => text(f, id, pattern),
    }
}

fn bound<T: Display + Copy>(f: &mut Formatter<'_>, it: Bound<T>) -> fmt::Result {
    match it {
        Bound::Is(it) => write!(f, "{it}"),
        Bound::Range(from, up_to) => write!(f, "{from}..{up_to}"),
        Bound::Less(it) => write!(f, "<{it}"),
        Bound::AtMost(it) => write!(f, "<={it}"),
        Bound::More(it) => write!(f, ">{it}"),
        Bound::AtLeast(it) => write!(f, ">={it}"),
    }
}

/// A stored number as one writes it.
pub(crate) fn number(id: Id, key: u64) -> String {
    match id.kind() {
        Kind::Quantity(unit) => unit.write(key),
        _ => id.key_name(key),
    }
}

/// The end of a range: `Copy` text for numbers with unit.
#[derive(Clone, Copy)]
struct WireNumber(Id, u64);

fn wire_number(id: Id, number: u64) -> WireNumber {
    WireNumber(id, number)
}

impl Display for WireNumber {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            Kind::Quantity(unit) => f.write_str(&unit.write(self.1)),
            _ => write!(f, "{}", self.1),
        }
    }
}

fn text(f: &mut Formatter<'_>, id: Id, pattern: &Pattern) -> fmt::Result {
    if pattern.is_regex() {
        return write!(f, "/{}/", slashes_escaped(pattern.source()));
    }
    match pattern.plain() {
        Some(whole) if id.kind() == Kind::Text || whole.is_empty() => write!(f, "={}", plain(&whole)),
        Some(whole) => f.write_str(&plain(&whole)),
        None => f.write_str(&glob(pattern.source())),
    }
}

fn slashes_escaped(source: &str) -> String {
    let mut escaped = String::with_capacity(source.len());
    let mut chars = source.chars();
    while let Some(char) = chars.next() {
        match char {
            '/' => escaped.push_str("\\/"),
            '\\' => {
                escaped.push('\\');
                escaped.extend(chars.next());
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text that is no pattern: bare where it can be, else in quotes.
pub(crate) fn plain(text: &str) -> String {
    let bare = !text.is_empty()
        && text.char_indices().all(|(at, char)| !is_special(char) || (at > 0 && matches!(char, '-' | '/' | '=')));
    if bare {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.push('"');
    quoted
}

/// A glob as a word: quotes would make its wildcards plain.
fn glob(source: &str) -> String {
    let mut word = String::with_capacity(source.len());
    let mut chars = source.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '*' | '?' => word.push(char),
            '\\' => {
                word.push('\\');
                word.extend(chars.next().map(|(_, char)| char));
            }
            other => {
                if is_special(other) && !(at > 0 && matches!(other, '-' | '/' | '=')) {
                    word.push('\\');
                }
                word.push(other);
            }
        }
    }
    word
}

fn glob_of_plain(text: &str) -> String {
    let source = crate::pattern::glob_plain(text);
    debug_assert!(!has_wildcards(&source));
    glob(&format!("x{source}")).split_off(1)
}

impl Field {
    /// The text of a term that finds exactly the rows counted under `value`; `None` finds those where the field is
    /// empty. This is what a click on a facet adds to a search.
    #[must_use]
    pub fn term(&self, value: Option<&str>) -> String {
        let Some(value) = value else { return format!("-has:{}", self.name) };
        let exact = value.is_empty() || matches!(self.id.kind(), Kind::Domain | Kind::Text);
        format!("{}:{}{}", self.name, if exact { "=" } else { "" }, plain(value))
    }
}
