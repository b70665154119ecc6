//! How many events match, and the most frequent values of fields.

use std::collections::HashMap;

use datafusion::functions_nested::expr_fn::array_distinct;
use datafusion::logical_expr::ident;
use wire::code::CODES;

use super::group::{Count, Key, code_place, count_of, group_column, groupable, groups, single};
use super::job::Job;
use super::rolled::is_rolled;
use super::tally::{Share, is_tallied};
use super::{SearchError, Searcher, TOP_MAX, Window};
use crate::ast::Search;
use crate::fields::Id;

/// Values by count, with what was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Top {
    /// Largest first; codes in table order with zeros.
    pub values: Vec<Count>,
    /// Events with values that are not listed.
    pub other: u64,
    /// Events in all.
    pub total: u64,
    /// How many events a listed count may miss at most; 0 when all are exact.
    pub error: u64,
}

impl Searcher {
    /// Events that match.
    ///
    /// # Errors
    /// When a limit is hit or the engine fails.
    pub async fn count(&self, search: &Search, window: Window) -> Result<u64, SearchError> {
        let search = search.clone();
        self.run("count", search.to_string(), move |job| async move { job.count(&search, window).await }).await
    }

    /// The `n` most frequent values of `field`.
    ///
    /// # Errors
    /// When `field` cannot be grouped by, a limit is hit or the engine fails.
    pub async fn top(&self, search: &Search, window: Window, field: &str, n: usize) -> Result<Top, SearchError> {
        let id = groupable(field)?;
        let search = search.clone();
        self.run("top", search.to_string(), move |job| async move { job.top(&search, window, id, n).await }).await
    }

    /// Like `top`, for several fields, each counted without the search's own top-level terms on that field.
    ///
    /// # Errors
    /// When a field cannot be grouped by, a limit is hit or the engine fails.
    pub async fn facets(
        &self,
        search: &Search,
        window: Window,
        fields: &[&str],
        n: usize,
    ) -> Result<Vec<Top>, SearchError> {
        self.tops("facets", search, true, window, fields, n).await
    }

    /// Like `facets`, but every field is counted under the whole search.
    ///
    /// # Errors
    /// When a field cannot be grouped by, a limit is hit or the engine fails.
    pub async fn breakdown(
        &self,
        search: &Search,
        window: Window,
        fields: &[&str],
        n: usize,
    ) -> Result<Vec<Top>, SearchError> {
        self.tops("breakdown", search, false, window, fields, n).await
    }

    /// The most frequent values of several fields, each without its own terms when `apart`.
    async fn tops(
        &self,
        kind: &'static str,
        search: &Search,
        apart: bool,
        window: Window,
        fields: &[&str],
        n: usize,
    ) -> Result<Vec<Top>, SearchError> {
        let ids = fields.iter().map(|name| groupable(name)).collect::<Result<Vec<Id>, _>>()?;
        let search = search.clone();
        self.run(kind, search.to_string(), move |job| async move {
            let search_for = |id| if apart { search.without(id) } else { search.clone() };
            job.tops(search_for, window, &ids, n).await
        })
        .await
    }
}

impl Job {
    pub(super) async fn count(&self, search: &Search, window: Window) -> Result<u64, SearchError> {
        let groups = self.log().counted(search, window, None, &[]).await?;
        Ok(groups.first().map_or(0, |(_, count)| *count))
    }

    pub(super) async fn top(&self, search: &Search, window: Window, id: Id, n: usize) -> Result<Top, SearchError> {
        let n = n.clamp(1, TOP_MAX);
        let frame = self.matching(search, window)?;
        if id == Id::Ede {
            let each = frame.select(vec![array_distinct(ident("ede")).alias("v0")])?.unnest_columns(&["v0"])?;
            let counts = single(groups(each, vec![ident("v0")], None).await?);
            let total = self.count(search, window).await?;
            return Ok(top_of_all(id, counts, total, n));
        }
        if let Some(groups) = self.log().rolled(search, window, None, &[id]).await? {
            let counts = single(groups);
            let total = counts.values().sum();
            return Ok(top_of_all(id, counts, total, n));
        }
        if let Some(top) = self.log().rolled_top(search, window, id, n).await? {
            return Ok(top);
        }
        if is_tallied(id) {
            let shares = self.tallies(frame, &[id], None).await?.pop().unwrap_or_default();
            return Ok(top_of_shares(id, shares, n));
        }
        // Names and clients can be as many as events: only the largest groups leave the engine.
        let counts = single(groups(frame, vec![group_column(id)], Some(n)).await?);
        let total = self.count(search, window).await?;
        let mut top = top_of_all(id, counts, total, n);
        let listed: u64 = top.values.iter().map(|value| value.count).sum();
        top.other = total.saturating_sub(listed);
        Ok(top)
    }

    async fn tops(
        &self,
        search_for: impl Fn(Id) -> Search,
        window: Window,
        ids: &[Id],
        n: usize,
    ) -> Result<Vec<Top>, SearchError> {
        let mut tops: HashMap<Id, Top> = HashMap::new();
        let listed = n.clamp(1, TOP_MAX);
        for (search, mut together) in shared_searches(&search_for, ids) {
            let rolled: Vec<Id> = together.iter().copied().filter(|id| is_rolled(*id)).collect();
            if !rolled.is_empty()
                && let Some(groups) = self.log().rolled(&search, window, None, &rolled).await?
            {
                together.retain(|id| !rolled.contains(id));
                for (at, id) in rolled.into_iter().enumerate() {
                    let mut counts: HashMap<Key, u64> = HashMap::new();
                    for (keys, count) in &groups {
                        *counts.entry(keys[at].clone()).or_default() += count;
                    }
                    let total = counts.values().sum();
                    tops.insert(id, top_of_all(id, counts, total, listed));
                }
            }
            if together.contains(&Id::Qtype)
                && let Some(top) = self.log().rolled_top(&search, window, Id::Qtype, listed).await?
            {
                together.retain(|id| *id != Id::Qtype);
                tops.insert(Id::Qtype, top);
            }
            if together.is_empty() {
                continue;
            }
            let tallies = self.tallies(self.matching(&search, window)?, &together, None).await?;
            for (id, shares) in together.into_iter().zip(tallies) {
                tops.insert(id, top_of_shares(id, shares, listed));
            }
        }
        let mut facets = Vec::with_capacity(ids.len());
        for id in ids {
            let top = match tops.get(id) {
                Some(top) => top.clone(),
                None => self.top(&search_for(*id), window, *id, n).await?,
            };
            facets.push(top);
        }
        Ok(facets)
    }
}

/// Small fields that are counted under the same search share one pass over the log.
fn shared_searches(search_for: impl Fn(Id) -> Search, ids: &[Id]) -> Vec<(Search, Vec<Id>)> {
    let mut shared: Vec<(Search, Vec<Id>)> = Vec::new();
    for id in ids.iter().copied().filter(|id| is_tallied(*id)) {
        let own = search_for(id);
        match shared.iter_mut().find(|(known, _)| *known == own) {
            Some((_, together)) if together.contains(&id) => {}
            Some((_, together)) => together.push(id),
            None => shared.push((own, vec![id])),
        }
    }
    shared
}

fn top_of_shares(id: Id, shares: HashMap<Key, Share>, n: usize) -> Top {
    let counts: HashMap<Key, u64> = shares.into_iter().map(|(key, share)| (key, share.all)).collect();
    let total = counts.values().sum();
    top_of_all(id, counts, total, n)
}

/// The list for one field from the counts of all its values.
fn top_of_all(id: Id, counts: HashMap<Key, u64>, total: u64, n: usize) -> Top {
    let mut counts = if id == Id::Flags { per_flag(&counts) } else { counts };
    if id == Id::Code {
        for info in CODES {
            counts.entry(Key::Number(info.code.key().into())).or_default();
        }
    }
    let mut counts: Vec<(Key, u64)> = counts.into_iter().collect();
    let mut listed = n;
    if id == Id::Code {
        counts.sort_by_cached_key(|(key, _)| code_place(key));
        listed = counts.len();
    } else {
        counts.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    }
    let other = counts.iter().skip(listed).map(|(_, count)| count).sum();
    let values = counts.iter().take(listed).map(|(key, count)| count_of(id, key, *count)).collect();
    Top { values, other, total, error: 0 }
}

/// Each flag on its own, from counts of sets of flags.
pub(super) fn per_flag(sets: &HashMap<Key, u64>) -> HashMap<Key, u64> {
    let mut flags: HashMap<Key, u64> = HashMap::new();
    for (set, count) in sets {
        let Key::Number(set) = set else { continue };
        if *set == 0 {
            *flags.entry(Key::Nothing).or_default() += count;
        }
        for (flag, _) in Id::Flags.names().iter().filter(|(flag, _)| set & flag != 0) {
            *flags.entry(Key::Number(*flag)).or_default() += count;
        }
    }
    flags
}
