//! Which lines of a list speak of a name: the table knows that there is a rule, the list knows where it is written.
//!
//! Reads the list as the compiler does, line by line, and keeps nothing else. Off the path of any query.

use std::io::{self, BufRead};

use wire::name::Folded;

use crate::line::{self, Scope};
use crate::suffix::{LabelStarts, Suffix, SuffixHasher};
use crate::{ListAction, ListInfo};

/// Lines told of one list; all are counted.
pub const LINES_TOLD_MAX: usize = 100;

/// A line of a list that speaks of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFound {
    /// Its number, from 1 on.
    pub line: u64,
    /// The line, shortened to 120 characters.
    pub text: String,
    /// What it does with the name.
    pub action: ListAction,
}

/// What a list says of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Lines that match, in their order; at most [`LINES_TOLD_MAX`].
    pub lines: Vec<LineFound>,
    /// All that match.
    pub count: u64,
}

/// Finds the lines of a list whose rules match a name. `seed` keys hashes, so that nobody outside can make names meet.
///
/// # Errors
/// When the reader fails.
pub fn find(name: &Folded, info: &ListInfo, seed: u64, lines: impl BufRead) -> io::Result<Mentions> {
    let hasher = SuffixHasher::new(seed);
    let suffixes = suffixes(name.wire(), &hasher);
    let mut found = Mentions::default();
    line::each(lines, |number, text, fault| {
        if fault.is_some() {
            return;
        }
        let mut matched = None;
        // What is wrong with a line was told when the list was loaded.
        let _ = line::read(text, info.format, &mut |rule| {
            let suffix = hasher.of_text(rule.name)?;
            let is_name = usize::from(suffix.depth) + 1 == suffixes.len();
            let in_reach = match rule.scope {
                Scope::Exact => is_name,
                Scope::AndBelow => true,
                Scope::BelowOnly => !is_name,
            };
            if in_reach && suffixes.get(usize::from(suffix.depth)) == Some(&suffix) {
                matched = Some(if rule.exception { ListAction::Allow } else { info.action });
            }
            Ok(())
        });
        let Some(action) = matched else { return };
        found.count += 1;
        if found.lines.len() < LINES_TOLD_MAX {
            found.lines.push(LineFound { line: number, text: line::shorten(text), action });
        }
    })?;
    Ok(found)
}

/// The suffixes of a name by their labels: the root first.
fn suffixes(wire: &[u8], hasher: &SuffixHasher) -> Vec<Suffix> {
    let mut suffixes = vec![hasher.root()];
    let starts = LabelStarts::of(wire);
    for &start in starts.as_slice().iter().rev() {
        let start = usize::from(start);
        let label = &wire[start..=start + usize::from(wire[start])];
        suffixes.push(hasher.step(suffixes[suffixes.len() - 1], label));
    }
    suffixes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compiler, Decision, Format};

    const LIST: &str = "\u{feff}ads.example\n# note\n*.shop.example\n@@||good.ads.example^\n||Tracker.example^\n0.0.0.0 a.b.example b.b.example\n\
        ads.example\nno such rule!\n";

    fn info() -> ListInfo {
        ListInfo { name: "l".into(), action: ListAction::Block, format: Format::Auto, ede: 15 }
    }

    fn told(name: &str) -> Vec<(u64, ListAction)> {
        let found = find(&Folded::from_text(name).unwrap(), &info(), 7, LIST.as_bytes()).unwrap();
        assert_eq!(found.count, found.lines.len() as u64);
        found.lines.into_iter().map(|found| (found.line, found.action)).collect()
    }

    #[test]
    fn lines_are_found_by_what_their_rules_match() {
        let block = ListAction::Block;
        for (name, lines) in [
            ("ads.example", vec![(1, block), (7, block)]),
            ("www.good.ads.example", vec![(1, block), (4, ListAction::Allow), (7, block)]),
            ("shop.example", vec![]),
            ("www.SHOP.example", vec![(3, block)]),
            ("x.tracker.example", vec![(5, block)]),
            ("b.b.example", vec![(6, block)]),
            ("x.b.b.example", vec![]),
            ("example", vec![]),
            (".", vec![]),
        ] {
            let plain = told(name).into_iter().filter(|found| lines.contains(found)).count();
            assert_eq!((told(name).len(), plain), (lines.len(), lines.len()), "{name}: {:?}", told(name));
        }
    }

    #[test]
    fn a_line_is_found_for_every_verdict_and_none_without_one() {
        let mut compiler = Compiler::new(3);
        compiler.add(info(), LIST.as_bytes()).unwrap();
        let policy = compiler.finish();
        for name in [
            "ads.example",
            "a.ads.example",
            "good.ads.example",
            "shop.example",
            "a.shop.example",
            "a.b.example",
            "tracker.example",
            "x.example",
        ] {
            let decided = policy.judge(&Folded::from_text(name).unwrap()).decision != Decision::Pass;
            assert_eq!(decided, !told(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_list_that_says_the_same_a_thousand_times_is_told_in_part_and_counted_whole() {
        let list = "ads.example\n".repeat(1_000);
        let found = find(&Folded::from_text("ads.example").unwrap(), &info(), 7, list.as_bytes()).unwrap();
        assert_eq!((found.count, found.lines.len()), (1_000, LINES_TOLD_MAX));
    }
}
