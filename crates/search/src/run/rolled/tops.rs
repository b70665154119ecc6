//! Top lists merged from those of segments.
//!
//! The list of a segment leaves values out, and knows the largest count among them. A merged count may so miss as much as
//! all lists that lack the value left out; what is in no list has no more than all lists left out together. The merged list
//! is used when no value outside it can have more than the last one in it, and no count misses more than a hundredth.

use std::collections::HashMap;

use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryReservation;
use store::{About, Counted, Rollup};
use wire::code::Code;

use super::super::group::{Count, Key, count_of, group_column, groups};
use super::super::top::Top;
use super::super::{SearchError, TOP_MAX, Window};
use super::{Added, Judge, Log, Sums, summed};
use crate::ast::Search;
use crate::fields::Id;

/// Values counted of the rows that are scanned: a list like those of segments.
const SCANNED_VALUES: usize = 4_096;
/// A count may miss this part of the smallest one listed.
const ERROR_PARTS: u64 = 100;

/// Which lists add up to what a search asks.
enum Wanted {
    All,
    Codes(Judge),
    Actions(Judge),
}

impl Wanted {
    fn of(search: &Search) -> Option<Wanted> {
        if search.is_empty() {
            return Some(Wanted::All);
        }
        if search.only_about(|id| id == Id::Code) {
            return Some(Wanted::Codes(Judge::of(search)));
        }
        search.only_about(|id| id == Id::Action).then(|| Wanted::Actions(Judge::of(search)))
    }

    /// `None` when a list cannot be judged.
    fn has(&mut self, about: About) -> Option<bool> {
        match (self, about) {
            (Wanted::All, About::All) => Some(true),
            (Wanted::Codes(judge), About::Code(code)) => {
                judge.row.code = code.map(Code::from_key);
                Some(judge.search.matches(&judge.row))
            }
            (Wanted::Actions(judge), About::Action(action)) => {
                judge.row.action = event::Action::from_number(action)?;
                Some(judge.search.matches(&judge.row))
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
type Valued = (Option<Box<[u8]>>, u64);
/// The same, and how many more events it may have.
type Bounded = (Option<Box<[u8]>>, u64, u64);

/// Events of a value, and what the lists left out that have it.
#[derive(Clone, Copy, Default)]
struct Known {
    events: u64,
    left_out: u64,
}

/// Lists added up.
struct Merged {
    values: HashMap<Box<[u8]>, Known>,
    /// The same of events whose field is empty.
    empty: Option<Known>,
    /// What all lists left out.
    left_out: u64,
    memory: MemoryReservation,
}

impl Merged {
    /// Bytes of one more value, beside its octets.
    const ROOM: usize = 2 * size_of::<(Box<[u8]>, Known)>();

    fn new(memory: MemoryReservation) -> Merged {
        Merged { values: HashMap::new(), empty: None, left_out: 0, memory }
    }

    fn add<'a>(
        &mut self,
        values: impl Iterator<Item = (Option<&'a [u8]>, u64)>,
        left_out: u64,
    ) -> Result<(), DataFusionError> {
        let mut bytes = 0;
        let add = |known: &mut Known, events: u64| {
            known.events += events;
            known.left_out += left_out;
        };
        for (value, events) in values {
            let Some(value) = value else {
                add(self.empty.get_or_insert_default(), events);
                continue;
            };
            match self.values.get_mut(value) {
                Some(known) => add(known, events),
                None => {
                    bytes += Merged::ROOM + value.len();
                    self.values.insert(value.into(), Known { events, left_out });
                }
            }
        }
        self.left_out += left_out;
        self.memory.try_grow(bytes)
    }

    /// The `n` values with the most events, and how many events a count may miss. `None` when others may belong there.
    fn certain(self, n: usize) -> Option<(Vec<Valued>, u64)> {
        let left_out = self.left_out;
        let some = self.values.into_iter().map(|(value, known)| (Some(value), known));
        let all = some.chain(self.empty.map(|known| (None, known)));
        let mut values: Vec<Bounded> =
            all.map(|(value, known)| (value, known.events, left_out - known.left_out)).collect();
        // As scanned lists are: the most events first, then by value, the empty one last.
        values.sort_unstable_by(|(a, a_events, _), (b, b_events, _)| {
            b_events.cmp(a_events).then_with(|| (a.is_none(), a).cmp(&(b.is_none(), b)))
        });
        let (listed, others) = values.split_at(n.min(values.len()));
        let error = listed.iter().map(|(.., error)| *error).max().unwrap_or(0);
        if left_out > 0 {
            let (_, least, least_error) = listed.get(n - 1)?;
            let below = |(_, events, error): &Bounded| {
                events + error < *least || (events == least && *error == 0 && *least_error == 0)
            };
            if left_out >= *least || !others.iter().all(below) || error > least / ERROR_PARTS {
                return None;
            }
        }
        values.truncate(n);
        Some((values.into_iter().map(|(value, events, _)| (value, events)).collect(), error))
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
        let start = (wanted, Merged::new(self.memory()), self.sums(search, None, &[]));
        let add = move |(wanted, merged, sums): &mut (Wanted, Merged, Sums), rollup: &Rollup| {
            let (lists, cells) = (rollup.lists(field)?, rollup.hours()?);
            let mut add = || -> Added {
                for (list, values) in lists.lists() {
                    match wanted.has(list.about) {
                        Some(true) => merged.add(values, list.left_out)?,
                        Some(false) => {}
                        None => return Ok(false),
                    }
                }
                sums.add(&cells)
            };
            Ok(add())
        };
        let want = move |rollup: &Rollup| {
            rollup.lists(field)?;
            rollup.hours().map(drop)
        };
        let Some(((_, mut merged, sums), rest)) = summed(divided, start, want, add).await? else { return Ok(None) };
        let mut total: u64 = sums.into_groups().values().sum();
        if let Some(rest) = rest {
            let rest = self.over(rest);
            let scanned = groups(rest.matching(search, window)?, vec![group_column(id)], Some(SCANNED_VALUES)).await?;
            let scanned: Vec<(Option<Vec<u8>>, u64)> =
                scanned.into_iter().filter_map(|(keys, events)| Some((octets(keys.first()?), events))).collect();
            let full = scanned.len() >= SCANNED_VALUES;
            let least = scanned.iter().map(|(_, events)| *events).min().unwrap_or(0);
            let values = scanned.iter().map(|(value, events)| (value.as_deref(), *events));
            merged.add(values, if full { least } else { 0 })?;
            // What was not listed is not counted.
            let counted = match full {
                true => rest.scanned(search, window, None, &[]).await?,
                false => Vec::new(),
            };
            let listed = scanned.iter().map(|(_, events)| events).sum();
            total += counted.first().map_or(listed, |(_, events)| *events);
        }
        let Some((listed, error)) = merged.certain(n) else { return Ok(None) };
        let values: Vec<Count> =
            listed.iter().map(|(value, events)| count_of(id, &key(id, value.as_deref()), *events)).collect();
        let other = total.saturating_sub(values.iter().map(|value| value.count).sum());
        Ok(Some(Top { values, other, total, error }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

    use super::*;

    type Given<'a> = &'a [(&'a str, u64)];

    fn merged(memory_bytes: usize) -> Merged {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory_bytes));
        Merged::new(MemoryConsumer::new("test").register(&pool))
    }

    fn check(lists: &[(Given<'_>, u64)], n: usize, expect: Option<(Given<'_>, u64)>) {
        let mut merged = merged(1 << 20);
        for (values, left_out) in lists {
            merged.add(values.iter().map(|(value, events)| (Some(value.as_bytes()), *events)), *left_out).unwrap();
        }
        let found = merged.certain(n);
        let expect = expect.map(|(values, error)| {
            (values.iter().map(|(value, events)| (Some(value.as_bytes().into()), *events)).collect::<Vec<_>>(), error)
        });
        assert_eq!(found, expect, "{lists:?}");
    }

    #[test]
    fn what_is_merged_is_counted() {
        let names: Vec<String> = (0..1_000).map(|number| format!("n{number}.example.com")).collect();
        let values = || names.iter().map(|name| (Some(name.as_bytes()), 1));
        assert!(merged(1_000).add(values(), 0).is_err());
        let mut merged = merged(1 << 20);
        merged.add(values(), 0).unwrap();
        let used = merged.memory.size();
        merged.add(values(), 0).unwrap();
        assert!(used > 50_000 && merged.memory.size() == used, "{used}");
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
