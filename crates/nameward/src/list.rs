//! `list`: which lines of which lists speak of a name, and which of them wins.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use api::{LineOfList, LinesOfList, LinesReply};
use clap::Subcommand;
use control::Control;
use policy::{Decision, ListAction};
use wire::name::Folded;

use crate::cli::{Ended, OutputArgs, print};
use crate::client;

#[derive(Debug, Subcommand)]
pub(crate) enum ListCommand {
    /// Show the lines of all lists in force that match a name, and which rule wins
    #[command(after_help = FIND_HELP)]
    Find {
        /// The name
        name: String,
        #[command(flatten)]
        output: OutputArgs,
    },
}

const FIND_HELP: &str = "\
Examples:
  nameward list find tracker.example
  nameward list find www.shop.example --json

Exit status: 0 some line matches, 3 none does.";

/// Runs a command.
pub(crate) fn run(command: &ListCommand, states: &[PathBuf]) -> anyhow::Result<Ended> {
    let ListCommand::Find { name, output } = command;
    let wanted = Folded::from_text(name).with_context(|| format!("\"{name}\" is no name"))?.text();
    let reply: LinesReply =
        client::lines(output, states, &wanted)?.map_err(|problem| anyhow!("{}: {}", problem.title, problem.detail))?;
    if client::is_table(output) {
        print(&table(&reply))?;
    } else {
        print(&format!("{}\n", serde_json::to_string(&reply)?))?;
    }
    let found = reply.lists.iter().any(|list| list.count > 0);
    Ok(if found { Ended::Done } else { Ended::Nothing })
}

/// The function the API calls for `GET /lists/lines`.
pub(crate) fn lines(control: &Arc<Control>) -> Arc<dyn Fn(&Folded) -> LinesReply + Send + Sync> {
    let control = Arc::clone(control);
    Arc::new(move |name| {
        let verdict = control.snapshot().policy.judge(name);
        let action = match verdict.decision {
            Decision::Pass => "pass",
            Decision::Allow => "allow",
            Decision::Block => "block",
        };
        let lists = control
            .lines(name)
            .into_iter()
            .map(|found| of_list(&found))
            .filter(|list| list.count > 0 || list.error.is_some());
        LinesReply {
            domain: name.text(),
            action: action.to_owned(),
            list: verdict.by.as_ref().map(|by| by.list.name.to_string()),
            rule: verdict.by.as_ref().map(|by| by.rule.to_string()),
            lists: lists.collect(),
        }
    })
}

fn of_list(found: &control::ListLines) -> LinesOfList {
    let list = found.info.name.to_string();
    let mentions = match &found.mentions {
        Ok(mentions) => mentions,
        Err(error) => return LinesOfList { list, lines: Vec::new(), count: 0, error: Some(error.clone()) },
    };
    let line = |found: &policy::LineFound| {
        let action = match found.action {
            ListAction::Allow => "allow",
            ListAction::Block => "block",
        };
        LineOfList { line: found.line, text: found.text.clone(), action: action.to_owned() }
    };
    LinesOfList { list, lines: mentions.lines.iter().map(line).collect(), count: mentions.count, error: None }
}

/// A row for each line, then what comes of them.
fn table(reply: &LinesReply) -> String {
    let width = reply.lists.iter().map(|list| list.list.chars().count()).max().unwrap_or(0).clamp(4, 30);
    let mut text = String::new();
    let any = reply.lists.iter().any(|list| list.count > 0);
    if any {
        text.push_str(&format!("{:<width$}  {:>9}  {:<6}  TEXT\n", "LIST", "LINE", "ACTION"));
    }
    for LinesOfList { list, lines, count, error } in &reply.lists {
        for LineOfList { line, text: written, action } in lines {
            text.push_str(&format!("{list:<width$}  {line:>9}  {action:<6}  {written}\n"));
        }
        let more = count - lines.len() as u64;
        if more > 0 {
            text.push_str(&format!("{list:<width$}  {more} more\n"));
        }
        if let Some(error) = error {
            text.push_str(&format!("{list:<width$}  cannot be read: {error}\n"));
        }
    }
    if any {
        text.push('\n');
    }
    match (&*reply.action, &reply.rule, &reply.list) {
        ("block", Some(rule), Some(list)) => {
            text.push_str(&format!("{} is blocked by rule {rule} of list {list}.\n", reply.domain))
        }
        ("allow", Some(rule), Some(list)) => {
            text.push_str(&format!("{} is allowed by rule {rule} of list {list}.\n", reply.domain))
        }
        _ => text.push_str(&format!("No list says anything of {}.\n", reply.domain)),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(action: &str, lists: Vec<LinesOfList>) -> LinesReply {
        let list = lists.first().map(|list| list.list.clone());
        let rule = list.is_some().then(|| "*.ads.example".to_owned());
        LinesReply { domain: "x.ads.example".to_owned(), action: action.to_owned(), list, rule, lists }
    }

    #[test]
    fn every_line_is_shown_with_its_place_and_then_what_wins() {
        let line =
            |line, text: &str, action: &str| LineOfList { line, text: text.to_owned(), action: action.to_owned() };
        let lines = vec![line(7, "||ads.example^", "block"), line(1_200_004, "@@||ads.example^", "allow")];
        let ads = LinesOfList { list: "ads".to_owned(), lines, count: 5, error: None };
        let gone =
            LinesOfList { list: "own".to_owned(), lines: Vec::new(), count: 0, error: Some("no such file".to_owned()) };
        insta::assert_snapshot!(table(&reply("block", vec![ads, gone])), @r"
        LIST       LINE  ACTION  TEXT
        ads           7  block   ||ads.example^
        ads     1200004  allow   @@||ads.example^
        ads   3 more
        own   cannot be read: no such file

        x.ads.example is blocked by rule *.ads.example of list ads.
        ");
        insta::assert_snapshot!(table(&reply("pass", Vec::new())), @"No list says anything of x.ads.example.");
    }
}
