//! Top lists merged from those of segments.
//!
//! The list of a segment leaves values out, and knows the largest count among them. A merged count may so miss as much as
//! all lists that lack the value left out; what is in no list has no more than all lists left out together. The merged list
//! is used when no value outside it can have more than the last one in it, and no count misses more than a hundredth.

use std::collections::HashMap;
use std::sync::Arc;

use store::{About, Counted, Lists};
use wire::code::Code;

use super::super::group::{Count, Key, count_of, group_column, groups};
use super::super::top::Top;
use super::super::{SearchError, TOP_MAX, Window};
use super::{Judge, Log, taken};
use crate::ast::Search;
use crate::fields::Id;

/// Values counted of the rows that are scanned: a list like those of segments.
const SCANNED_VALUES: usize = 4_096;
/// A count may miss this part of the smallest one listed.
const ERROR_PARTS: u64 = 100;

/// Which lists add up to what a search asks.
enum Wanted<'a> {
    All,
    Codes(&'a Search),
    Actions(&'a Search),
}

impl Wanted<'_> {
    fn of(search: &Search) -> Option<Wanted<'_>> {
        if search.is_empty() {
            return Some(Wanted::All);
        }
        if search.only_about(|id| id == Id::Code) {
            return Some(Wanted::Codes(search));
        }
        search.only_about(|id| id == Id::Action).then_some(Wanted::Actions(search))
    }

    /// `None` when a list cannot be judged.
    fn has(&self, about: About) -> Option<bool> {
        match (self, about) {
            (Wanted::All, About::All) => Some(true),
            (Wanted::Codes(search), About::Code(code)) => {
                let mut judge = Judge::of(search);
                judge.row.code = code.map(Code::from_key);
                Some(search.matches(&judge.row))
            }
            (Wanted::Actions(search), About::Action(action)) => {
                let mut judge = Judge::of(search);
                judge.row.action = event::Action::from_number(action)?;
                Some(search.matches(&judge.row))
            }
            _ => Some(false),
        }
    }
}

fn counted(id: Id) -> Option<Counted> {
    match id {
        Id::Domain => Some(Counted::Domain),
        Id::RegDomain => Some(Counted::RegDomain),
        Id::Client => Some(Counted::Client),
        Id::Qtype => Some(Counted::Qtype),
        _ => None,
    }
}

/// The octets of a value, and its events.
type Valued<'a> = (Option<&'a [u8]>, u64);

/// Lists added up.
#[derive(Default)]
struct Merged<'a> {
    /// Events of a value, and what the lists left out that have it.
    values: HashMap<Option<&'a [u8]>, (u64, u64)>,
    /// What all lists left out.
    left_out: u64,
}

impl<'a> Merged<'a> {
    fn add(&mut self, values: impl Iterator<Item = Valued<'a>>, left_out: u64) {
        for (value, events) in values {
            let sums = self.values.entry(value).or_default();
            sums.0 += events;
            sums.1 += left_out;
        }
        self.left_out += left_out;
    }

    /// The `n` values with the most events, and how many events a count may miss. `None` when others may belong there.
    fn certain(self, n: usize) -> Option<(Vec<Valued<'a>>, u64)> {
        let left_out = self.left_out;
        let mut values: Vec<(Option<&[u8]>, u64, u64)> =
            self.values.into_iter().map(|(value, (events, known))| (value, events, left_out - known)).collect();
        // As scanned lists are: the most events first, then by value, the empty one last.
        let order = |value: &(Option<&'a [u8]>, u64, u64)| (std::cmp::Reverse(value.1), value.0.is_none(), value.0);
        values.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        let (listed, others) = values.split_at(n.min(values.len()));
        let error = listed.iter().map(|(.., error)| *error).max().unwrap_or(0);
        if left_out > 0 {
            let (_, least, least_error) = listed.get(n - 1)?;
            let below = |(_, events, error): &(Option<&[u8]>, u64, u64)| {
                events + error < *least || (events == least && *error == 0 && *least_error == 0)
            };
            if left_out >= *least || !others.iter().all(below) || error > least / ERROR_PARTS {
                return None;
            }
        }
        Some((listed.iter().map(|(value, events, _)| (*value, *events)).collect(), error))
    }
}

fn octets(key: &Key) -> Option<Vec<u8>> {
    match key {
        Key::Nothing => None,
        Key::Text(text) => Some(text.as_bytes().to_vec()),
        Key::Client(bytes) => Some(bytes.to_vec()),
        Key::Number(number) => Some(u16::try_from(*number).unwrap_or(u16::MAX).to_be_bytes().to_vec()),
    }
}

fn key(id: Id, octets: Option<&[u8]>) -> Key {
    let Some(octets) = octets else { return Key::Nothing };
    match (id, octets) {
        (Id::Client, octets) => octets.try_into().map_or(Key::Nothing, Key::Client),
        (Id::Qtype, [high, low]) => Key::Number(u16::from_be_bytes([*high, *low]).into()),
        _ => Key::Text(String::from_utf8_lossy(octets).into_owned()),
    }
}

impl Log {
    /// The most frequent values from rollups; `None` when they cannot say it, or not for certain.
    pub(in super::super) async fn rolled_top(
        &self,
        search: &Search,
        window: Window,
        id: Id,
        n: usize,
    ) -> Result<Option<Top>, SearchError> {
        let n = n.clamp(1, TOP_MAX);
        let (Some(wanted), Some(field)) = (Wanted::of(search), counted(id)) else { return Ok(None) };
        let Some(divided) = self.divided(window) else { return Ok(None) };
        let (all, rest): (Vec<Arc<Lists>>, _) = taken(divided, move |rollup| rollup.lists(field)).await?;
        let scanned = match rest {
            Some(rest) => {
                let frame = self.over(rest).matching(search, window)?;
                groups(frame, vec![group_column(id)], Some(SCANNED_VALUES)).await?
            }
            None => Vec::new(),
        };
        let scanned: Vec<(Option<Vec<u8>>, u64)> =
            scanned.into_iter().filter_map(|(keys, events)| Some((octets(keys.first()?), events))).collect();
        let least = scanned.iter().map(|(_, events)| *events).min().unwrap_or(0);
        let mut merged = Merged::default();
        let full = scanned.len() >= SCANNED_VALUES;
        merged.add(scanned.iter().map(|(value, events)| (value.as_deref(), *events)), if full { least } else { 0 });
        for (list, values) in all.iter().flat_map(|lists| lists.lists()) {
            match wanted.has(list.about) {
                Some(true) => merged.add(values, list.left_out),
                Some(false) => {}
                None => return Ok(None),
            }
        }
        let Some((listed, error)) = merged.certain(n) else { return Ok(None) };
        let values: Vec<Count> = listed.iter().map(|(value, events)| count_of(id, &key(id, *value), *events)).collect();
        let total = self.counted(search, window, None, &[]).await?.iter().map(|(_, events)| events).sum::<u64>();
        let other = total.saturating_sub(values.iter().map(|value| value.count).sum());
        Ok(Some(Top { values, other, total, error }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Given<'a> = &'a [(&'a str, u64)];

    fn check(lists: &[(Given<'_>, u64)], n: usize, expect: Option<(Given<'_>, u64)>) {
        let mut merged = Merged::default();
        for (values, left_out) in lists {
            merged.add(values.iter().map(|(value, events)| (Some(value.as_bytes()), *events)), *left_out);
        }
        let found = merged.certain(n);
        let expect = expect.map(|(values, error)| {
            (values.iter().map(|(value, events)| (Some(value.as_bytes()), *events)).collect::<Vec<_>>(), error)
        });
        assert_eq!(found, expect, "{lists:?}");
    }

    #[test]
    fn whole_lists_are_always_certain() {
        check(&[(&[("a", 5), ("b", 5)], 0), (&[("c", 5)], 0)], 2, Some((&[("a", 5), ("b", 5)], 0)));
        check(&[(&[("a", 5)], 0)], 9, Some((&[("a", 5)], 0)));
    }

    #[test]
    fn what_may_belong_among_the_first_makes_a_list_uncertain() {
        check(&[(&[("a", 500), ("b", 90)], 80), (&[("a", 500), ("c", 60)], 50)], 1, Some((&[("a", 1_000)], 0)));
        // `c` may have 60 + 80.
        check(&[(&[("a", 500), ("b", 90)], 80), (&[("a", 500), ("c", 60)], 50)], 2, None);
        // A value in no list may have as many as `a`.
        check(&[(&[("a", 50)], 25), (&[("a", 50)], 75)], 1, None);
        check(&[(&[("a", 50)], 1)], 2, None);
    }

    #[test]
    fn a_count_that_may_miss_some_says_how_many() {
        check(&[(&[("a", 500)], 4), (&[("b", 3)], 3)], 1, Some((&[("a", 500)], 3)));
        check(&[(&[("a", 500)], 4), (&[("b", 6)], 6)], 1, None);
    }
}
