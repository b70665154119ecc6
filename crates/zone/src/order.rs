//! A sorted map whose clones share everything, keyed so that octets in order are names in canonical order (RFC 4034 §6.1).
//!
//! A B+ tree of shared nodes: a change copies the nodes from the root to one leaf, at most [`NODE_MAX`] entries each. Nodes
//! are not joined when they shrink, only dropped when empty: a zone that lost most of its names is compact again once read
//! anew.
//!
//! A key is the name's labels from right to left, each ended by octet 0, the apex left out; octets 0 and 1 within labels
//! become two. So a name lies below another exactly when its key begins with the other's.

use std::cmp::Ordering;
use std::sync::Arc;

use wire::name::{Folded, NAME_LEN_MAX, Name};

/// Entries of one node. A change copies one leaf and its few ancestors: some microseconds.
const NODE_MAX: usize = 64;
/// Octets of a key: every octet of a name may become two.
const KEY_LEN_MAX: usize = 2 * NAME_LEN_MAX;
/// Ends a label: less than anything within one.
const END: u8 = 0;
/// Stands before what octets 0 and 1 become: 1 and 2.
const ESCAPE: u8 = 1;

/// A name below an apex as a key, built on the stack.
pub(crate) struct SortKey {
    octets: [u8; KEY_LEN_MAX],
    len: usize,
}

impl SortKey {
    /// The key of `name`; `None` when it is not at or below `apex`.
    pub(crate) fn new(name: &Folded, apex: &Folded) -> Option<SortKey> {
        if !name.is_at_or_below(apex) {
            return None;
        }
        let mut key = SortKey { octets: [0; KEY_LEN_MAX], len: 0 };
        let wire = name.wire();
        let below = wire.len() - apex.wire().len();
        for start in name.label_starts().rev().skip_while(|start| *start >= below) {
            let label_len = usize::from(wire.get(start).copied().unwrap_or(0));
            key.push_label(wire.get(start + 1..start + 1 + label_len).unwrap_or_default());
        }
        Some(key)
    }

    /// Appends a label: the key of a name one label further down. `KEY_LEN_MAX` holds every name; what is longer is cut.
    pub(crate) fn push_label(&mut self, label: &[u8]) {
        for &octet in label {
            if octet <= ESCAPE {
                self.push(ESCAPE);
                self.push(octet + 1);
            } else {
                self.push(octet);
            }
        }
        self.push(END);
    }

    fn push(&mut self, octet: u8) {
        if let Some(place) = self.octets.get_mut(self.len) {
            *place = octet;
            self.len += 1;
        }
    }

    /// The octets.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets[..self.len]
    }

    /// The keys of the names above, from the apex's empty one down to this.
    pub(crate) fn path(&self) -> impl Iterator<Item = &[u8]> {
        let ends = (0..self.len).filter(|at| self.octets[*at] == END).map(|at| at + 1);
        std::iter::once(0).chain(ends).map(|end| &self.octets[..end])
    }
}

/// The key of the name one label up; `None` for the apex.
pub(crate) fn parent(key: &[u8]) -> Option<&[u8]> {
    let (_, labels) = key.split_last()?;
    let end = labels.iter().rposition(|octet| *octet == END).map_or(0, |at| at + 1);
    key.get(..end)
}

/// The name a key was made of.
pub(crate) fn name_of(key: &[u8], apex: &Folded) -> Folded {
    let mut wire = Vec::with_capacity(NAME_LEN_MAX);
    for label in key.strip_suffix(&[END]).into_iter().flat_map(|labels| labels.rsplit(|octet| *octet == END)) {
        let len_at = wire.len();
        wire.push(0);
        let mut octets = label.iter();
        while let Some(&octet) = octets.next() {
            let escaped = if octet == ESCAPE { octets.next() } else { None };
            wire.push(escaped.map_or(octet, |octet| octet.saturating_sub(1)));
        }
        let len = wire.len() - len_at - 1;
        if let Some(place) = wire.get_mut(len_at) {
            *place = len as u8;
        }
    }
    wire.extend_from_slice(apex.wire());
    // Keys come from checked names only.
    Name::new(&wire).map_or_else(|| apex.clone(), Name::fold)
}

/// A kept key. The first octets stand apart so that most comparisons follow no pointer.
#[derive(Clone, Debug)]
struct Key {
    head: u64,
    octets: Box<[u8]>,
}

/// The same, borrowed.
#[derive(Clone, Copy)]
struct Probe<'a> {
    head: u64,
    octets: &'a [u8],
}

impl<'a> Probe<'a> {
    fn new(octets: &'a [u8]) -> Probe<'a> {
        let mut head = [0; 8];
        let len = octets.len().min(head.len());
        head[..len].copy_from_slice(&octets[..len]);
        Probe { head: u64::from_be_bytes(head), octets }
    }
}

impl Key {
    fn new(probe: Probe<'_>) -> Key {
        Key { head: probe.head, octets: probe.octets.into() }
    }

    fn cmp(&self, probe: Probe<'_>) -> Ordering {
        // A head padded with zeros orders as its octets do, or is equal; then the octets decide.
        self.head.cmp(&probe.head).then_with(|| (*self.octets).cmp(probe.octets))
    }
}

#[derive(Clone, Debug)]
enum Node<V> {
    Leaf(Vec<(Key, V)>),
    /// Each child with a key at or below all of its keys; the first child's key counts as lowest.
    Inner(Vec<(Key, Arc<Node<V>>)>),
}

/// What a change did to a node.
enum After<V> {
    Same,
    /// The node's upper part is now a node of its own.
    Split(Key, Arc<Node<V>>),
    Empty,
}

/// Where a child for `probe` is: the last whose key is not above it.
fn child_of<V>(children: &[(Key, Arc<Node<V>>)], probe: Probe<'_>) -> usize {
    children.partition_point(|(key, _)| key.cmp(probe).is_le()).saturating_sub(1)
}

impl<V: Clone> Node<V> {
    fn change<R>(
        self: &mut Arc<Self>,
        probe: Probe<'_>,
        make: impl FnOnce(Option<V>) -> (Option<V>, R),
    ) -> (R, After<V>) {
        match Arc::make_mut(self) {
            Node::Leaf(entries) => match entries.binary_search_by(|(key, _)| key.cmp(probe)) {
                Ok(at) => {
                    let (key, value) = entries.remove(at);
                    let (value, result) = make(Some(value));
                    if let Some(value) = value {
                        entries.insert(at, (key, value));
                    }
                    (result, if entries.is_empty() { After::Empty } else { After::Same })
                }
                Err(at) => {
                    let (value, result) = make(None);
                    let Some(value) = value else { return (result, After::Same) };
                    if entries.len() < NODE_MAX {
                        entries.insert(at, (Key::new(probe), value));
                        return (result, After::Same);
                    }
                    // Names come in order when a zone is read from a sorted file: full leaves stay full then.
                    let middle = if at == entries.len() { at } else { entries.len() / 2 };
                    let mut upper = entries.split_off(middle);
                    let (half, at) = if at < middle { (entries, at) } else { (&mut upper, at - middle) };
                    half.insert(at.min(half.len()), (Key::new(probe), value));
                    let Some((first, _)) = upper.first() else { return (result, After::Same) };
                    (result, After::Split(first.clone(), Arc::new(Node::Leaf(upper))))
                }
            },
            Node::Inner(children) => {
                let at = child_of(children, probe);
                let (result, after) = children[at].1.change(probe, make);
                match after {
                    After::Same => (result, After::Same),
                    After::Empty => {
                        children.remove(at);
                        (result, if children.is_empty() { After::Empty } else { After::Same })
                    }
                    After::Split(key, node) => {
                        children.insert(at + 1, (key, node));
                        if children.len() <= NODE_MAX {
                            return (result, After::Same);
                        }
                        let last = at + 2 == children.len();
                        let upper = children.split_off(if last { children.len() - 1 } else { children.len() / 2 });
                        let Some((first, _)) = upper.first() else { return (result, After::Same) };
                        (result, After::Split(first.clone(), Arc::new(Node::Inner(upper))))
                    }
                }
            }
        }
    }
}

/// The map. Keys are octets, compared as such.
#[derive(Clone, Debug)]
pub(crate) struct Tree<V> {
    root: Arc<Node<V>>,
}

impl<V: Clone> Tree<V> {
    pub(crate) fn new() -> Tree<V> {
        Tree { root: Arc::new(Node::Leaf(Vec::new())) }
    }

    /// The value at `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        let probe = Probe::new(key);
        let mut node = &*self.root;
        // Ends: every turn is one floor down.
        loop {
            match node {
                Node::Leaf(entries) => {
                    let at = entries.binary_search_by(|(key, _)| key.cmp(probe)).ok()?;
                    return entries.get(at).map(|(_, value)| value);
                }
                Node::Inner(children) => node = &children.get(child_of(children, probe))?.1,
            }
        }
    }

    /// Puts in the place of what is at `key` what `make` makes of it; copies what is shared.
    pub(crate) fn change<R>(&mut self, key: &[u8], make: impl FnOnce(Option<V>) -> (Option<V>, R)) -> R {
        let probe = Probe::new(key);
        let (result, after) = self.root.change(probe, make);
        match after {
            After::Same => {}
            After::Empty => *self = Tree::new(),
            After::Split(key, upper) => {
                let lower = (Key::new(Probe::new(&[])), Arc::clone(&self.root));
                self.root = Arc::new(Node::Inner(vec![lower, (key, upper)]));
            }
        }
        // A root with one child is a floor too many.
        while let Node::Inner(children) = &*self.root
            && let [(_, child)] = &children[..]
        {
            self.root = Arc::clone(child);
        }
        result
    }

    /// The least entry at or above `key`.
    pub(crate) fn ceiling(&self, key: &[u8]) -> Option<(&[u8], &V)> {
        self.from(key).next()
    }

    /// The greatest entry below `key`.
    pub(crate) fn below(&self, key: &[u8]) -> Option<(&[u8], &V)> {
        let probe = Probe::new(key);
        let mut node = &*self.root;
        // The nearest subtree wholly below `key`.
        let mut left = None;
        // Ends: every turn is one floor down.
        loop {
            match node {
                Node::Leaf(entries) => {
                    let at = entries.partition_point(|(key, _)| key.cmp(probe).is_lt());
                    match at.checked_sub(1).and_then(|at| entries.get(at)) {
                        Some((key, value)) => return Some((&key.octets, value)),
                        None => return last(left?),
                    }
                }
                Node::Inner(children) => {
                    let at = child_of(children, probe);
                    if let Some((_, child)) = at.checked_sub(1).and_then(|at| children.get(at)) {
                        left = Some(&**child);
                    }
                    node = &children.get(at)?.1;
                }
            }
        }
    }

    /// The greatest entry.
    pub(crate) fn last(&self) -> Option<(&[u8], &V)> {
        last(&self.root)
    }

    /// Entries at or above `key`, in order.
    pub(crate) fn from(&self, key: &[u8]) -> Entries<'_, V> {
        let probe = Probe::new(key);
        let mut entries = Entries { above: Vec::new(), leaf: [].iter() };
        let mut node = &*self.root;
        // Ends: every turn is one floor down.
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let at = leaf.partition_point(|(key, _)| key.cmp(probe).is_lt());
                    entries.leaf = leaf[at..].iter();
                    return entries;
                }
                Node::Inner(children) => {
                    let mut rest = children[child_of(children, probe)..].iter();
                    let Some((_, child)) = rest.next() else { return entries };
                    entries.above.push(rest);
                    node = child;
                }
            }
        }
    }
}

fn last<V>(mut node: &Node<V>) -> Option<(&[u8], &V)> {
    // Ends: every turn is one floor down.
    loop {
        match node {
            Node::Leaf(entries) => return entries.last().map(|(key, value)| (&*key.octets, value)),
            Node::Inner(children) => node = &children.last()?.1,
        }
    }
}

/// Entries in order.
pub(crate) struct Entries<'a, V> {
    above: Vec<std::slice::Iter<'a, (Key, Arc<Node<V>>)>>,
    leaf: std::slice::Iter<'a, (Key, V)>,
}

impl<'a, V> Iterator for Entries<'a, V> {
    type Item = (&'a [u8], &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        // Ends: every turn takes a node of the tree, or gives one entry.
        loop {
            if let Some((key, value)) = self.leaf.next() {
                return Some((&key.octets, value));
            }
            match self.above.last_mut()?.next() {
                None => {
                    self.above.pop();
                }
                Some((_, child)) => match &**child {
                    Node::Leaf(entries) => self.leaf = entries.iter(),
                    Node::Inner(children) => self.above.push(children.iter()),
                },
            }
        }
    }
}
