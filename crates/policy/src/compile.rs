//! Lists read line by line and put together into one table.
//!
//! While compiling, a rule is 12 octets: the hash of its name and a tag (list, action, scope). Names are not kept; a
//! matching rule's text is made again from the name that was asked.

use std::io::{self, BufRead};
use std::sync::Arc;

use ahash::{HashMap, HashMapExt};

use crate::judge::{Policy, RuleSet};
use crate::line::{self, Content, Reason, Rule, Scope};
use crate::suffix::SuffixHasher;
use crate::table::{Slot, Table};
use crate::{FAULTS_KEPT, LineFault, ListAction, ListInfo, ListReport};

/// Lists in one policy: a rule's tag has one octet for its list.
pub const LISTS_MAX: usize = 255;
/// Rules of one list; lines beyond are counted as rejected. The largest public lists hold about 2 million.
pub const RULES_PER_LIST_MAX: u64 = 20_000_000;
/// Rules of all lists together; lines beyond are counted as rejected. 12 octets each while compiling: 600 MB.
pub const RULES_MAX: usize = 50_000_000;

/// Collects lists into a snapshot.
pub struct Compiler {
    hasher: SuffixHasher,
    lists: Vec<Arc<ListInfo>>,
    rules: Vec<Slot>,
    depths: u128,
}

impl Compiler {
    /// Starts with no lists. `seed` keys the hashes, so that nobody outside can make names meet.
    #[must_use]
    pub fn new(seed: u64) -> Compiler {
        Compiler { hasher: SuffixHasher::new(seed), lists: Vec::new(), rules: Vec::new(), depths: 0 }
    }

    /// Reads one list, streaming. At most 255 lists; the order in which they come is the configured order.
    ///
    /// # Errors
    /// When the reader fails, or there are 255 lists already; the lines read so far are taken back.
    pub fn add(&mut self, info: ListInfo, lines: impl BufRead) -> io::Result<ListReport> {
        let list = u8::try_from(self.lists.len())
            .ok()
            .filter(|&list| usize::from(list) < LISTS_MAX)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("more than {LISTS_MAX} lists")))?;
        let rules_before = self.rules.len();
        let depths_before = self.depths;
        match self.read_lines(list, &info, lines) {
            Ok(report) => {
                self.lists.push(Arc::new(info));
                Ok(report)
            }
            Err(error) => {
                self.rules.truncate(rules_before);
                self.depths = depths_before;
                Err(error)
            }
        }
    }

    fn read_lines(&mut self, list: u8, info: &ListInfo, lines: impl BufRead) -> io::Result<ListReport> {
        let (mut report, action) = (ListReport::default(), info.action);
        line::each(lines, |number, text, fault| {
            let content = match fault {
                Some(reason) => Err(reason),
                None => line::read(text, info.format, &mut |rule| self.take(rule, list, action, &mut report.rules)),
            };
            match content {
                Ok(Content::Nothing | Content::Rules) => {}
                Ok(Content::Own) => report.skipped += 1,
                Err(reason) => reject(&mut report, number, text, reason),
            }
        })?;
        Ok(report)
    }

    fn take(&mut self, rule: Rule<'_>, list: u8, action: ListAction, taken: &mut u64) -> Result<(), Reason> {
        let suffix = self.hasher.of_text(rule.name)?;
        if *taken >= RULES_PER_LIST_MAX {
            return Err(format!("list is full: {RULES_PER_LIST_MAX} rules").into());
        }
        if self.rules.len() >= RULES_MAX {
            return Err(format!("policy is full: {RULES_MAX} rules").into());
        }
        let action = if rule.exception { ListAction::Allow } else { action };
        if self.rules.len() == self.rules.capacity() {
            // A quarter more, not twice as much: memory at the peak of a reload counts.
            self.rules.reserve_exact((self.rules.len() / 4).max(4096));
        }
        self.rules.push(Slot::new(suffix.hash, Tag { list, action, scope: rule.scope }.number()));
        self.depths |= 1 << (suffix.depth & 127);
        *taken += 1;
        Ok(())
    }

    /// Compiles the snapshot.
    #[must_use]
    pub fn finish(mut self) -> Policy {
        self.rules.sort_unstable();
        self.rules.dedup();
        let rules = self.rules.len() as u64;
        let mut sets = Sets::new();
        let mut kept = 0;
        let mut from = 0;
        let mut tags = Vec::new();
        while from < self.rules.len() {
            let hash = self.rules[from].hash();
            tags.clear();
            tags.extend(self.rules[from..].iter().take_while(|rule| rule.hash() == hash).map(|rule| rule.value));
            from += tags.len();
            self.rules[kept] = Slot::new(hash, sets.number(&tags));
            kept += 1;
        }
        self.rules.truncate(kept);
        let table = Table::build(self.rules, self.depths);
        Policy::new(self.hasher, table, sets.sets, self.lists, rules)
    }
}

fn reject(report: &mut ListReport, line: u64, text: &[u8], reason: Reason) {
    report.rejected += 1;
    if report.faults.len() < FAULTS_KEPT {
        report.faults.push(LineFault { line, text: line::shorten(text), reason: reason.into_owned() });
    }
}

/// Who made a rule and what it does: `list u8 | action u1 | scope u2`, so that tags of one action sort by list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) list: u8,
    pub(crate) action: ListAction,
    pub(crate) scope: Scope,
}

impl Tag {
    fn number(self) -> u32 {
        let action = match self.action {
            ListAction::Allow => 0,
            ListAction::Block => 4,
        };
        let scope = match self.scope {
            Scope::Exact => 0,
            Scope::AndBelow => 1,
            Scope::BelowOnly => 2,
        };
        u32::from(self.list) << 3 | action | scope
    }

    fn from_number(number: u32) -> Tag {
        Tag {
            list: (number >> 3) as u8,
            action: if number & 4 == 0 { ListAction::Allow } else { ListAction::Block },
            scope: match number & 3 {
                0 => Scope::Exact,
                1 => Scope::AndBelow,
                _ => Scope::BelowOnly,
            },
        }
    }
}

/// Sets of tags, each stored once: a few hundred, however many names there are.
struct Sets {
    sets: Vec<RuleSet>,
    numbers: HashMap<Box<[u32]>, u32>,
}

impl Sets {
    fn new() -> Sets {
        // Number 0 marks an empty slot and is no set.
        Sets { sets: vec![RuleSet::default()], numbers: HashMap::new() }
    }

    fn number(&mut self, tags: &[u32]) -> u32 {
        if let Some(&number) = self.numbers.get(tags) {
            return number;
        }
        let number = self.sets.len() as u32; // At most RULES_MAX sets.
        self.sets.push(RuleSet::of(tags.iter().map(|&tag| Tag::from_number(tag))));
        self.numbers.insert(tags.into(), number);
        number
    }
}
