//! What changed: counts of this window beside those of another, by default the one of the same length just before.

use std::collections::{HashMap, HashSet};

use wire::code::{CODES, Code};

use super::group::{Key, any_of, code_place, count_of, group_column, groupable, groups, single};
use super::job::Job;
use super::tally::is_tallied;
use super::top::per_flag;
use super::{SearchError, Searcher, TOP_MAX, Window};
use crate::ast::Search;
use crate::fields::Id;

/// Two windows, value by value.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// What `now` is compared with.
    pub before: Window,
    /// Those that moved most first; codes in table order with zeros.
    pub changes: Vec<Change>,
    /// Events now, in all.
    pub now_total: u64,
    /// Events before, in all.
    pub before_total: u64,
    /// How far a value that was not looked at may have moved at most; 0 when all were. Of fields with very many values
    /// only the most frequent of both windows are.
    pub missed: u64,
}

/// One value in both windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The value, as one writes it in a search; `None` when the field is empty.
    pub value: Option<String>,
    /// The code, for the field `code`.
    pub code: Option<Code>,
    /// Events now.
    pub now: u64,
    /// Events before.
    pub before: u64,
}

impl Change {
    /// Events more now than before; below zero when fewer.
    #[must_use]
    pub fn difference(&self) -> i64 {
        i64::try_from(i128::from(self.now) - i128::from(self.before)).unwrap_or(i64::MAX)
    }

    /// How many times as many now; `None` when there were none before.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.before > 0).then(|| self.now as f64 / self.before as f64)
    }
}

impl Window {
    /// The window of the same length just before.
    #[must_use]
    pub fn previous(self) -> Window {
        Window { from: self.from.saturating_sub(self.to.saturating_sub(self.from)), to: self.from }
    }
}

impl Searcher {
    /// Counts by the values of `field` in `window` and in `before`, or in the window just before. The `n` values that
    /// moved most; of codes, all. Spans in the search count from the end of each window.
    ///
    /// # Errors
    /// When `field` cannot be grouped by, a limit is hit or the engine fails.
    pub async fn compare(
        &self,
        search: &Search,
        window: Window,
        before: Option<Window>,
        field: &str,
        n: usize,
    ) -> Result<Compared, SearchError> {
        let id = groupable(field)?;
        if id == Id::Ede {
            let text = "an event can have several `ede`: compare counts one value each".to_owned();
            return Err(SearchError::Field(text));
        }
        let search = search.clone();
        self.run("compare", search.to_string(), move |job| async move {
            let before_window = before.unwrap_or_else(|| window.previous());
            let now_total = job.count(&search, window).await?;
            let before_total = job.count(&search, before_window).await?;
            let mut now = job.frequent(&search, window, id).await?;
            let mut before = job.frequent(&search, before_window, id).await?;
            let mut missed = 0;
            if !is_tallied(id) {
                missed = rest(&now).max(rest(&before));
                job.complete(&search, window, id, &mut now, &before).await?;
                job.complete(&search, before_window, id, &mut before, &now).await?;
            }
            let changes = changes(id, &now, &before, n.clamp(1, TOP_MAX));
            Ok(Compared { before: before_window, changes, now_total, before_total, missed })
        })
        .await
    }
}

impl Job {
    /// All values of a small field, the most frequent of others.
    async fn frequent(&self, search: &Search, window: Window, id: Id) -> Result<HashMap<Key, u64>, SearchError> {
        if let Some(counts) = self.log().rolled(search, window, None, &[id]).await? {
            return Ok(single(counts));
        }
        let frame = self.matching(search, window)?;
        if is_tallied(id) {
            let counts = self.tallies(frame, &[id], None).await?.pop().unwrap_or_default();
            let counts = counts.into_iter().map(|(key, share)| (key, share.all)).collect();
            return Ok(if id == Id::Flags { per_flag(&counts) } else { counts });
        }
        Ok(single(groups(frame, vec![group_column(id)], Some(TOP_MAX)).await?))
    }

    /// Adds the values that are frequent in the other window only.
    async fn complete(
        &self,
        search: &Search,
        window: Window,
        id: Id,
        counts: &mut HashMap<Key, u64>,
        other: &HashMap<Key, u64>,
    ) -> Result<(), SearchError> {
        let missing: Vec<&Key> = other.keys().filter(|key| !counts.contains_key(key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let frame = self.matching(search, window)?.filter(any_of(id, missing.into_iter()))?;
        let found = single(groups(frame, vec![group_column(id)], None).await?);
        counts.extend(found);
        Ok(())
    }
}

/// The most events a value can have that is not among these.
fn rest(counts: &HashMap<Key, u64>) -> u64 {
    if counts.len() < TOP_MAX { 0 } else { counts.values().min().copied().unwrap_or(0) }
}

fn changes(id: Id, now: &HashMap<Key, u64>, before: &HashMap<Key, u64>, n: usize) -> Vec<Change> {
    let mut keys: HashSet<Key> = now.keys().chain(before.keys()).cloned().collect();
    if id == Id::Code {
        keys.extend(CODES.iter().map(|info| Key::Number(info.code.key().into())));
    }
    let of = |counts: &HashMap<Key, u64>, key: &Key| counts.get(key).copied().unwrap_or(0);
    let mut keys: Vec<(Key, u64, u64)> =
        keys.into_iter().map(|key| (key.clone(), of(now, &key), of(before, &key))).collect();
    if id == Id::Code {
        keys.sort_by_cached_key(|(key, ..)| code_place(key));
    } else {
        keys.sort_by_cached_key(|(key, now, before)| {
            (std::cmp::Reverse(now.abs_diff(*before)), std::cmp::Reverse(now.max(before).to_owned()), key.clone())
        });
        keys.truncate(n);
    }
    let change = |(key, now, before): (Key, u64, u64)| {
        let count = count_of(id, &key, now);
        Change { value: count.value, code: count.code, now, before }
    };
    keys.into_iter().map(change).collect()
}
