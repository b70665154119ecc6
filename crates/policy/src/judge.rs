//! The verdict on a name, and on where an answer leads.
//!
//! The most precise rule decides: the longest suffix, and at the name itself a rule for exactly that name before one for the
//! name and everything below. Of equally precise rules an allow wins; among lists of one action the first configured is named.

use std::sync::Arc;

use wire::name::{Folded, NAME_LEN_MAX};

use crate::compile::Tag;
use crate::line::Scope;
use crate::suffix::{LabelStarts, SuffixHasher};
use crate::table::Table;
use crate::{Decision, ListAction, ListInfo, Match, Verdict};

/// An immutable snapshot of all rules.
pub struct Policy {
    hasher: SuffixHasher,
    table: Table,
    sets: Box<[RuleSet]>,
    lists: Box<[Arc<ListInfo>]>,
    rules: u64,
}

/// A block found in an answer.
#[derive(Clone, Debug)]
pub struct Screened {
    /// The block.
    pub verdict: Verdict,
    /// Index of the target that is blocked.
    pub target: usize,
}

/// All rules at one suffix, sorted out beforehand: the best of each action for the name itself and for names below it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RuleSet {
    here: Best,
    below: Best,
}

#[derive(Clone, Copy, Debug, Default)]
struct Best {
    allow: Option<Tag>,
    block: Option<Tag>,
}

impl Best {
    /// Keeps the tag when it is the first of its action, or more precise than the one there.
    fn offer(&mut self, tag: Tag) {
        let best = match tag.action {
            ListAction::Allow => &mut self.allow,
            ListAction::Block => &mut self.block,
        };
        if best.is_none_or(|there| tag.scope == Scope::Exact && there.scope != Scope::Exact) {
            *best = Some(tag);
        }
    }
}

impl RuleSet {
    /// Sorts out tags that come in the order of their lists.
    pub(crate) fn of(tags: impl Iterator<Item = Tag>) -> RuleSet {
        let mut set = RuleSet::default();
        for tag in tags {
            if tag.scope != Scope::BelowOnly {
                set.here.offer(tag);
            }
            if tag.scope != Scope::Exact {
                set.below.offer(tag);
            }
        }
        set
    }
}

/// A rule that matched: its tag and where in the name its suffix begins.
#[derive(Clone, Copy)]
struct Hit {
    tag: Tag,
    /// Labels of the suffix, then 1 more for exactly the name: what is larger is more precise.
    precision: (u8, bool),
    start: u8,
}

impl Policy {
    pub(crate) fn new(
        hasher: SuffixHasher,
        table: Table,
        sets: Vec<RuleSet>,
        lists: Vec<Arc<ListInfo>>,
        rules: u64,
    ) -> Policy {
        Policy { hasher, table, sets: sets.into(), lists: lists.into(), rules }
    }

    /// A policy without rules.
    #[must_use]
    pub fn empty() -> Policy {
        // Nothing is in the table, so nothing can meet under a seed that is known.
        crate::Compiler::new(0).finish()
    }

    /// Judges a name: the most precise rule wins, allow wins a tie; among lists of one action the first configured one is named.
    #[must_use]
    pub fn judge(&self, qname: &Folded) -> Verdict {
        let wire = qname.wire();
        let (allow, block) = self.find(wire);
        let (decision, by, over) = match (allow, block) {
            (None, None) => return Verdict { decision: Decision::Pass, by: None, over: None },
            (Some(allow), Some(block)) if block.precision > allow.precision => {
                (Decision::Block, Some(block), Some(allow))
            }
            (Some(allow), block) => (Decision::Allow, Some(allow), block),
            (None, Some(block)) => (Decision::Block, Some(block), None),
        };
        let told = |hit: Option<Hit>| hit.and_then(|hit| self.tell(wire, hit));
        Verdict { decision, by: told(by), over: told(over) }
    }

    /// Judges where an answer leads: the first CNAME target that is blocked blocks the answer, unless the question itself
    /// was explicitly allowed.
    #[must_use]
    pub fn screen(&self, question: &Verdict, targets: &[Folded]) -> Option<Screened> {
        if question.decision == Decision::Allow {
            return None;
        }
        targets.iter().enumerate().find_map(|(target, name)| {
            let verdict = self.judge(name);
            (verdict.decision == Decision::Block).then_some(Screened { verdict, target })
        })
    }

    /// Rules in force: what several lists say alike counts for each, what one list says twice counts once.
    #[must_use]
    pub fn rules(&self) -> u64 {
        self.rules
    }

    /// Memory held by the rules, bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + size_of_val(&*self.sets) + size_of_val(&*self.lists)
    }

    /// The most precise allow and the most precise block, root to leaf, so that what is found later is more precise.
    fn find(&self, wire: &[u8]) -> (Option<Hit>, Option<Hit>) {
        let starts = LabelStarts::of(wire);
        let starts = starts.as_slice();
        let (mut allow, mut block) = (None, None);
        let mut suffix = self.hasher.root();
        let mut end = wire.len().saturating_sub(1);
        for &start in starts.iter().rev().take(self.table.depth_max()) {
            suffix = self.hasher.step(suffix, &wire[usize::from(start)..end]);
            end = usize::from(start);
            let Some(set) = self.table.get(suffix).and_then(|set| self.sets.get(set as usize)) else { continue };
            let is_whole_name = start == 0;
            let best = if is_whole_name { set.here } else { set.below };
            let hit =
                |tag: Tag| Hit { tag, precision: (suffix.depth, is_whole_name && tag.scope == Scope::Exact), start };
            allow = best.allow.map(hit).or(allow);
            block = best.block.map(hit).or(block);
        }
        (allow, block)
    }

    /// Writes a hit as the rule would be written, with one allocation: blocked names are asked in bursts.
    fn tell(&self, wire: &[u8], hit: Hit) -> Option<Match> {
        let list = self.lists.get(usize::from(hit.tag.list))?;
        let mut text = RuleText { len: 0, octets: [0; RULE_BYTES_MAX] };
        if hit.tag.action != list.action {
            text.push(b"@@");
        }
        text.push(match hit.tag.scope {
            Scope::Exact => b"=",
            Scope::AndBelow => b"",
            Scope::BelowOnly => b"*.",
        });
        // What matches a rule is made of letters, digits, `-` and `_`: nothing to escape.
        let mut rest = wire.get(usize::from(hit.start)..)?;
        while let Some((&len, after)) = rest.split_first().filter(|(len, _)| **len != 0) {
            let (label, next) = after.split_at_checked(usize::from(len))?;
            text.push(label);
            if !matches!(next, [0] | []) {
                text.push(b".");
            }
            rest = next;
        }
        let text = text.as_slice();
        let rule = str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text).into(), Arc::from);
        Some(Match { list: Arc::clone(list), rule })
    }
}

/// Longest rule as written, bytes: a name and the marks in front.
const RULE_BYTES_MAX: usize = NAME_LEN_MAX + 4;

/// A rule's text being put together; what does not fit is left out.
struct RuleText {
    len: usize,
    octets: [u8; RULE_BYTES_MAX],
}

impl RuleText {
    fn push(&mut self, octets: &[u8]) {
        if let Some(to) = self.octets.get_mut(self.len..self.len + octets.len()) {
            to.copy_from_slice(octets);
            self.len += octets.len();
        }
    }

    fn as_slice(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}
