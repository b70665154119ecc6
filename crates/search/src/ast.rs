//! A search that was read and checked: a tree of terms.
//!
//! Knows fields and values; knows nothing of text, of rows or of the engine.

use std::net::IpAddr;

use crate::fields::Id;
use crate::moment::Moment;
use crate::net::Net;
use crate::pattern::Pattern;

/// A search that was read and checked: every field exists, every value fits its field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    pub(crate) root: Option<Node>,
}

/// A tree in plain form: no `And` directly in an `And`, no `Or` in an `Or`, no `Not` in a `Not`, no group of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// The field is not empty.
    Has(Id),
    /// The field has any of the values.
    Term(Id, Vec<Value>),
}

/// What one value of a term asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A number as the column stores it; ranges and comparisons by wire number.
    Number(Bound<u64>),
    /// A number whose registered name fits.
    Named(Pattern),
    Time(Bound<Moment>),
    /// An address of the network: the client, or one that the answer names.
    Net(Net),
    /// Addresses of one family, both ends included.
    Addresses(IpAddr, IpAddr),
    /// The name itself.
    Exact(String),
    /// The name itself and everything below.
    Below(String),
    /// Everything below the name.
    Under(String),
    /// The text fits, as a whole for globs, anywhere for regular expressions.
    Text(Pattern),
}

/// A set of ordered things in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound<T> {
    Is(T),
    /// Both ends included.
    Range(T, T),
    Less(T),
    AtMost(T),
    More(T),
    AtLeast(T),
}

impl<T: Copy> Bound<T> {
    pub(crate) fn map<U>(self, to: impl Fn(T) -> U) -> Bound<U> {
        match self {
            Bound::Is(it) => Bound::Is(to(it)),
            Bound::Range(from, up_to) => Bound::Range(to(from), to(up_to)),
            Bound::Less(it) => Bound::Less(to(it)),
            Bound::AtMost(it) => Bound::AtMost(to(it)),
            Bound::More(it) => Bound::More(to(it)),
            Bound::AtLeast(it) => Bound::AtLeast(to(it)),
        }
    }
}

impl<T: Copy + PartialOrd> Bound<T> {
    pub(crate) fn contains(self, it: T) -> bool {
        match self {
            Bound::Is(other) => it == other,
            Bound::Range(from, up_to) => from <= it && it <= up_to,
            Bound::Less(other) => it < other,
            Bound::AtMost(other) => it <= other,
            Bound::More(other) => it > other,
            Bound::AtLeast(other) => it >= other,
        }
    }
}

impl Node {
    /// All of them; `None` for none.
    pub(crate) fn and(nodes: impl IntoIterator<Item = Node>) -> Option<Node> {
        let mut flat = Vec::new();
        for node in nodes {
            match node {
                Node::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() > 1 { Some(Node::And(flat)) } else { flat.pop() }
    }

    /// Any of them; `None` for none.
    pub(crate) fn or(nodes: impl IntoIterator<Item = Node>) -> Option<Node> {
        let mut flat = Vec::new();
        for node in nodes {
            match node {
                Node::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() > 1 { Some(Node::Or(flat)) } else { flat.pop() }
    }

    /// Everything else, rows where the field is empty included.
    pub(crate) fn negated(self) -> Node {
        match self {
            Node::Not(inner) => *inner,
            other => Node::Not(Box::new(other)),
        }
    }

    fn only_about(&self, id: Id) -> bool {
        match self {
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().all(|node| node.only_about(id)),
            Node::Not(inner) => inner.only_about(id),
            Node::Has(other) | Node::Term(other, _) => *other == id,
        }
    }

    fn settle(&mut self, now_micros: i64) {
        match self {
            Node::And(nodes) | Node::Or(nodes) => nodes.iter_mut().for_each(|node| node.settle(now_micros)),
            Node::Not(inner) => inner.settle(now_micros),
            Node::Has(_) => {}
            Node::Term(_, values) => {
                for value in values {
                    if let Value::Time(bound) = value {
                        *bound = bound.map(|moment| Moment::At(moment.micros(now_micros)));
                    }
                }
            }
        }
    }
}

impl Search {
    /// Whether every event matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Both searches at once.
    #[must_use]
    pub fn and(&self, other: &Search) -> Search {
        Search { root: Node::and([self, other].into_iter().filter_map(|search| search.root.clone())) }
    }

    /// The search with spans such as `time:>-15m` settled to instants, given the present. Searches not settled count
    /// from the end of the range they run over, and on a live row from its own time.
    #[must_use]
    pub fn at(mut self, now_micros: i64) -> Search {
        if let Some(root) = &mut self.root {
            root.settle(now_micros);
        }
        self
    }

    /// Its top-level parts, all of which must match.
    pub(crate) fn parts(&self) -> &[Node] {
        match &self.root {
            Some(Node::And(nodes)) => nodes,
            Some(node) => std::slice::from_ref(node),
            None => &[],
        }
    }

    /// The search without its top-level parts that are about one field only.
    pub(crate) fn without(&self, id: Id) -> Search {
        Search { root: Node::and(self.parts().iter().filter(|node| !node.only_about(id)).cloned()) }
    }
}
