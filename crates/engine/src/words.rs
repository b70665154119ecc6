//! What is said of a decision: to the client in an extended error, in the event in list, rule and trace.

use std::fmt::Write;
use std::sync::Arc;

use event::{Action, Ede};
use policy::{Decision, Match, Screened, Verdict};
use wire::name::Folded;

use crate::zones::Chain;

/// What the event says of policy.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) action: Action,
    pub(crate) list: Option<Arc<str>>,
    pub(crate) rule: Option<Arc<str>>,
    pub(crate) trace: Option<Arc<str>>,
}

impl Said {
    /// Nothing matched.
    pub(crate) const NOTHING: Said = Said { action: Action::Pass, list: None, rule: None, trace: None };

    /// Nothing matched, but something is to be told.
    pub(crate) fn told(action: Action, line: String) -> Said {
        Said { action, trace: Some(line.into()), ..Said::NOTHING }
    }

    /// What a verdict on the question says.
    pub(crate) fn of(verdict: &Verdict) -> Said {
        let action = match verdict.decision {
            Decision::Pass => return Said::NOTHING,
            Decision::Allow => Action::Allow,
            Decision::Block => Action::Block,
        };
        Said { trace: Some(lines(verdict).into()), ..Said::by(action, verdict.by.as_ref()) }
    }

    /// What a block found in the answer says; `question` is the verdict on the question itself.
    pub(crate) fn of_screened(question: &Verdict, screened: &Screened, targets: &[Folded]) -> Said {
        let mut trace = lines(question);
        let target = targets.get(screened.target).map(Folded::text).unwrap_or_default();
        let by = screened.verdict.by.as_ref();
        write_line(
            &mut trace,
            &format!("answer screen: CNAME {target} blocked by {}", by.map(rule_on).unwrap_or_default()),
        );
        Said { trace: Some(trace.into()), ..Said::by(Action::Block, by) }
    }

    /// What a block of the name aliases led to says.
    pub(crate) fn of_target(verdict: &Verdict, target: &Folded) -> Said {
        let by = verdict.by.as_ref();
        let line = format!("answer screen: CNAME {target} blocked by {}", by.map(rule_on).unwrap_or_default());
        Said { trace: Some(line.into()), ..Said::by(Action::Block, by) }
    }

    /// The same, told after these lines.
    pub(crate) fn after(self, lines: &str) -> Said {
        let mut trace = lines.to_owned();
        if let Some(rest) = &self.trace {
            write_line(&mut trace, rest);
        }
        Said { trace: Some(trace.into()), ..self }
    }

    /// The same, told after what was seen in our own zones, if the walk came through them.
    pub(crate) fn behind(self, ahead: Option<&Chain>) -> Said {
        match ahead {
            Some(chain) => self.after(&chain.lines),
            None => self,
        }
    }

    fn by(action: Action, by: Option<&Match>) -> Said {
        Said {
            action,
            list: by.map(|by| Arc::clone(&by.list.name)),
            rule: by.map(|by| Arc::clone(&by.rule)),
            trace: None,
        }
    }
}

/// The extended error of a block: the list's own number, a text that names list and rule.
pub(crate) fn block_ede(verdict: &Verdict) -> Option<Ede> {
    let by = verdict.by.as_ref()?;
    Some(Ede { code: by.list.ede, text: format!("list={} rule={}", by.list.name, by.rule).into() })
}

fn lines(verdict: &Verdict) -> String {
    let (allow, block) = match verdict.decision {
        Decision::Pass => return String::new(),
        Decision::Allow => (&verdict.by, &verdict.over),
        Decision::Block => (&verdict.over, &verdict.by),
    };
    let mut lines = String::new();
    let loser = |decision| if verdict.decision == decision { "" } else { " (a more precise rule decides)" };
    if let Some(allow) = allow {
        write_line(&mut lines, &format!("allow lists: {}{}", rule_on(allow), loser(Decision::Allow)));
    }
    if let Some(block) = block {
        let overridden = if verdict.decision == Decision::Block { "" } else { " (overridden)" };
        write_line(&mut lines, &format!("block lists: {}{overridden}", rule_on(block)));
    }
    lines
}

fn rule_on(by: &Match) -> String {
    format!("{} on {}", by.rule, by.list.name)
}

fn write_line(lines: &mut String, line: &str) {
    if !lines.is_empty() {
        lines.push('\n');
    }
    // Writing into a string cannot fail.
    let _ = lines.write_str(line);
}
