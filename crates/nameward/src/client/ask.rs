//! Questions about the events that match: counts, values, quantiles, comparisons, SQL.
//!
//! One request each. As JSON, the API's reply on one line; for people, a table.

use api::{
    AroundReply, CheckReply, CompareReply, Count, DistinctReply, ExplainReply, FacetsReply, Problem, QuantilesReply,
    SeriesReply, SqlReply, SqlRequest, TopReply,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::grid::{Grid, Side, bars};
use super::lines::{Lines, width};
use super::rows::nothing;
use super::{Client, SearchArgs, Span, refused};
use crate::cli::{Ended, print};

/// Values listed when not told.
const VALUES_DEFAULT: u32 = 10;
/// Points of a series drawn in a line of this many characters less.
const SERIES_BESIDE: usize = 34;
/// Fewest points drawn.
const POINTS_MIN: usize = 12;

/// What is asked.
pub(super) enum Question<'a> {
    Count,
    CountBy(&'a str),
    Top(&'a str),
    Facets(&'a str),
    Series(&'a str),
    Distinct(&'a str),
    Quantiles(&'a str),
    Compare(&'a str),
    Explain(&'a str),
    Around(&'a str),
    Sql(&'a str),
}

/// The question on the command line, if there is one.
pub(super) fn question(args: &SearchArgs) -> Option<Question<'_>> {
    let said = &args.question;
    let count = said.count.then_some(Question::Count);
    count
        .or(said.count_by.as_deref().map(Question::CountBy))
        .or(said.top.as_deref().map(Question::Top))
        .or(said.facets.as_deref().map(Question::Facets))
        .or(said.series.as_deref().map(Question::Series))
        .or(said.distinct.as_deref().map(Question::Distinct))
        .or(said.quantiles.as_deref().map(Question::Quantiles))
        .or(said.compare.as_deref().map(Question::Compare))
        .or(said.explain.as_deref().map(Question::Explain))
        .or(said.around.as_deref().map(Question::Around))
        .or(said.sql.as_deref().map(Question::Sql))
}

/// Asks it and shows the answer.
pub(super) fn ask(
    server: &Client,
    args: &SearchArgs,
    question: &Question<'_>,
    span: &Span,
    table: bool,
) -> anyhow::Result<Ended> {
    let asking = Asking { server, args, span, table };
    let n = args.limit.unwrap_or(VALUES_DEFAULT).to_string();
    let all = args.limit.unwrap_or(api::TOP_MAX).to_string();
    match *question {
        Question::Count => asking
            .get("log/facets", &[], |reply: &FacetsReply| Shown::new(reply.total > 0, format!("{}\n", reply.total))),
        Question::CountBy(field) => asking.get("log/top", &[("field", field), ("n", &all)], top),
        Question::Top(field) => asking.get("log/top", &[("field", field), ("n", &n)], top),
        Question::Facets(fields) => asking.get("log/facets", &[("fields", fields), ("n", &n)], facets),
        Question::Series(field) => {
            let points = width().saturating_sub(SERIES_BESIDE).max(POINTS_MIN).to_string();
            let mut query = vec![("by", field)];
            // What a program gets does not depend on the width of a terminal.
            query.extend(table.then_some(("points", &*points)));
            asking.get("log/series", &query, series)
        }
        Question::Distinct(field) => {
            let mut query = vec![("field", field), ("n", &*n)];
            query.extend(args.by.as_deref().map(|by| ("by", by)));
            asking.get("log/distinct", &query, distinct)
        }
        Question::Quantiles(field) => {
            let mut query = vec![("field", field), ("parts", &*args.parts), ("n", &*n)];
            query.extend(args.by.as_deref().map(|by| ("by", by)));
            asking.get("log/quantiles", &query, quantiles)
        }
        Question::Compare(field) => asking.get("log/compare", &[("field", field), ("n", &n)], compare),
        Question::Explain(fields) => {
            let base = args.base.as_deref().unwrap_or_default();
            if let Some(ended) = asking.base(base)? {
                return Ok(ended);
            }
            let mut query = vec![("base", base), ("n", &*n)];
            query.extend((!fields.is_empty()).then_some(("fields", fields)));
            asking.get("log/explain", &query, explain)
        }
        Question::Around(id) => asking.around(id),
        Question::Sql(text) => asking.sql(text),
    }
}

/// An answer for people.
struct Shown {
    /// Whether there was anything to tell.
    found: bool,
    text: String,
    /// What is said when there was not, other than that nothing was found.
    reason: Option<String>,
}

impl Shown {
    fn new(found: bool, text: String) -> Shown {
        Shown { found, text, reason: None }
    }
}

struct Asking<'a> {
    server: &'a Client,
    args: &'a SearchArgs,
    span: &'a Span,
    table: bool,
}

impl Asking<'_> {
    fn get<T: DeserializeOwned + Serialize>(
        &self,
        path: &str,
        more: &[(&str, &str)],
        show: impl Fn(&T) -> Shown,
    ) -> anyhow::Result<Ended> {
        let mut query = vec![("q", &*self.args.search), ("from", &*self.span.from), ("to", &*self.span.to)];
        query.extend(more);
        self.show(self.server.get(path, &query)?, &self.args.search, show)
    }

    fn show<T: Serialize>(
        &self,
        reply: Result<T, Problem>,
        text: &str,
        show: impl Fn(&T) -> Shown,
    ) -> anyhow::Result<Ended> {
        let reply = match reply {
            Ok(reply) => reply,
            Err(problem) => return refused(text, &problem),
        };
        let shown = show(&reply);
        if !self.table {
            print(&format!("{}\n", serde_json::to_string(&reply)?))?;
        } else if shown.found {
            print(&shown.text)?;
        }
        match shown.reason {
            _ if shown.found => Ok(Ended::Done),
            Some(reason) => {
                eprintln!("{reason}");
                Ok(Ended::Nothing)
            }
            None => Ok(nothing(self.span)),
        }
    }

    /// A base that cannot be read is told with its own text.
    fn base(&self, base: &str) -> anyhow::Result<Option<Ended>> {
        let faults = match self.server.get::<CheckReply>("log/check", &[("q", base)])? {
            Ok(reply) => reply.faults,
            Err(problem) => return refused(base, &problem).map(Some),
        };
        if faults.is_empty() {
            return Ok(None);
        }
        let problem = Problem { status: 422, title: String::new(), detail: String::new(), faults };
        refused(base, &problem).map(Some)
    }

    fn around(&self, id: &str) -> anyhow::Result<Ended> {
        let each = self.args.limit.map(|limit| limit.to_string());
        let query: Vec<(&str, &str)> =
            each.iter().flat_map(|each| [("before", each.as_str()), ("after", each.as_str())]).collect();
        let path = format!("log/around/{}", in_a_path(id));
        let reply: AroundReply = match self.server.get(&path, &query)? {
            Ok(reply) => reply,
            Err(problem) if problem.status == 404 => {
                eprintln!("nameward: {}", problem.detail);
                return Ok(Ended::Nothing);
            }
            Err(problem) => return refused(id, &problem),
        };
        let mut lines = Lines::new(self.table);
        if self.args.reverse {
            reply.rows.iter().rev().try_for_each(|row| lines.write(row))?;
        } else {
            reply.rows.iter().try_for_each(|row| lines.write(row))?;
        }
        lines.flush()?;
        Ok(Ended::Done)
    }

    fn sql(&self, text: &str) -> anyhow::Result<Ended> {
        let request = SqlRequest {
            sql: text.to_owned(),
            from: Some(self.span.from.clone()),
            to: Some(self.span.to.clone()),
            rows: self.args.limit,
        };
        let reply: SqlReply = match self.server.post("log/sql", &request)? {
            Ok(reply) => reply,
            Err(problem) => return refused(text, &problem),
        };
        if self.table {
            print(&sql_table(&reply).text(width()))?;
        } else {
            let names = told_apart(&reply.columns);
            for row in &reply.rows {
                let names = names.iter().cloned();
                let object: serde_json::Map<String, serde_json::Value> = names.zip(row.iter().cloned()).collect();
                print(&format!("{}\n", serde_json::Value::Object(object)))?;
            }
        }
        if reply.more {
            let rows = reply.rows.len();
            let advice =
                if rows < api::SQL_ROWS_MAX as usize { "ask for more with -n" } else { "no more are given at once" };
            eprintln!("(more rows than these {rows}: {advice})");
        }
        if reply.rows.is_empty() { Ok(nothing(self.span)) } else { Ok(Ended::Done) }
    }
}

/// Names of columns, each once: a second `client` is `client_2`.
fn told_apart(columns: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for column in columns {
        let mut name = column.clone();
        let mut number = 2;
        while names.contains(&name) || (number > 2 && columns.contains(&name)) {
            name = format!("{column}_{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

/// An id as one part of a path.
fn in_a_path(id: &str) -> String {
    let kept = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
    id.bytes().map(|octet| if kept(&octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") }).collect()
}

fn named(value: &str) -> String {
    if value.is_empty() { "(empty)".to_owned() } else { value.to_owned() }
}

fn share(count: u64, total: u64) -> String {
    if total == 0 { String::new() } else { format!("{:.1} %", count as f64 * 100.0 / total as f64) }
}

/// Values with counts, zeros left out, largest first.
fn counted(values: &[Count]) -> Vec<&Count> {
    let mut values: Vec<&Count> = values.iter().filter(|value| value.count > 0).collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.count));
    values
}

fn counts(field: &str, values: &[Count], other: u64, total: u64) -> Grid {
    let head = field.to_uppercase();
    let mut grid = Grid::new([(&*head, Side::Left), ("EVENTS", Side::Right), ("SHARE", Side::Right)]);
    for value in counted(values) {
        grid.row([named(&value.value), value.count.to_string(), share(value.count, total)]);
    }
    if other > 0 {
        grid.row(["(others)".to_owned(), other.to_string(), share(other, total)]);
    }
    grid
}

fn top(reply: &TopReply) -> Shown {
    let mut text = counts(&reply.field, &reply.values, reply.other, reply.total).text(width());
    text.push_str(&format!("{} events\n", reply.total));
    text.push_str(&too_low(reply.error));
    Shown::new(reply.total > 0, text)
}

/// How far counts may be off, as a line; nothing when they are exact.
fn too_low(error: u64) -> String {
    if error == 0 { String::new() } else { format!("Each count may be up to {error} too low.\n") }
}

fn facets(reply: &FacetsReply) -> Shown {
    let mut text = String::new();
    for facet in &reply.facets {
        let total = facet.values.iter().map(|value| value.count).sum::<u64>() + facet.other;
        text.push_str(&counts(&facet.field, &facet.values, facet.other, total).text(width()));
        text.push_str(&too_low(facet.error));
        text.push('\n');
    }
    text.push_str(&format!("{} events\n", reply.total));
    Shown::new(reply.total > 0, text)
}

fn series(reply: &SeriesReply) -> Shown {
    let mut grid = Grid::new([("VALUE", Side::Left), ("EVENTS", Side::Right), ("OVER TIME", Side::Left)]);
    for line in reply.lines.iter().filter(|line| line.total > 0) {
        grid.row([named(&line.value), line.total.to_string(), bars(&line.counts)]);
    }
    let other: u64 = reply.other.iter().sum();
    if other > 0 {
        grid.row(["(others)".to_owned(), other.to_string(), bars(&reply.other)]);
    }
    let mut text = grid.text(width());
    let step = jiff::SignedDuration::from_millis(reply.step_ms);
    text.push_str(&format!("{} to {}, {step:#} a character\n", reply.range.from, reply.range.to));
    Shown::new(reply.lines.iter().any(|line| line.total > 0), text)
}

fn distinct(reply: &DistinctReply) -> Shown {
    let head = format!("DISTINCT {}", reply.field.to_uppercase());
    let most = reply.values.iter().map(|value| value.distinct).max().unwrap_or(0);
    let mut text = match &reply.by {
        Some(by) => {
            let by = by.to_uppercase();
            let mut grid = Grid::new([(&*by, Side::Left), (&*head, Side::Right)]);
            for value in &reply.values {
                grid.row([named(&value.value), value.distinct.to_string()]);
            }
            grid.text(width())
        }
        None => format!("{most}\n"),
    };
    if reply.others > 0 {
        text.push_str(&format!("and {} others, none of which has more\n", reply.others));
    }
    if reply.error > 0.0 {
        text.push_str(&format!("Estimated: two of three are off by less than {:.1} %.\n", reply.error * 100.0));
    }
    Shown::new(most > 0, text)
}

fn quantiles(reply: &QuantilesReply) -> Shown {
    let by = reply.by.as_deref().unwrap_or(&reply.field).to_uppercase();
    let heads: Vec<String> = reply.parts.iter().map(|part| format!("{} %", trimmed(part * 100.0))).collect();
    let heads = heads.iter().map(|head| (head.as_str(), Side::Right));
    let mut grid = Grid::new([(&*by, Side::Left), ("EVENTS", Side::Right)].into_iter().chain(heads));
    for line in &reply.values {
        let value = if reply.by.is_some() { named(&line.value) } else { "(all)".to_owned() };
        let figures = line.quantiles.iter().map(|figure| trimmed(*figure));
        grid.row([value, line.count.to_string()].into_iter().chain(figures));
    }
    let mut text = grid.text(width());
    let unit = if reply.unit.is_empty() { String::new() } else { format!(" in {}", reply.unit) };
    text.push_str(&format!("{}{unit}: so much or less for that part of the events.\n", reply.field));
    if reply.error > 0.0 {
        text.push_str(&format!("Estimated: each may be that of a part {:.1} % off.\n", reply.error * 100.0));
    }
    Shown::new(reply.values.iter().any(|line| line.count > 0), text)
}

/// Three digits after the point, without zeros at the end.
fn trimmed(figure: f64) -> String {
    let text = format!("{figure:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn compare(reply: &CompareReply) -> Shown {
    let head = reply.field.to_uppercase();
    let heads = [("BEFORE", Side::Right), ("NOW", Side::Right), ("CHANGE", Side::Right), ("", Side::Right)];
    let mut grid = Grid::new(std::iter::once((&*head, Side::Left)).chain(heads));
    let moved = |change: &&api::Change| i128::from(change.now) - i128::from(change.before);
    let mut changes: Vec<&api::Change> = reply.changes.iter().filter(|change| change.now + change.before > 0).collect();
    changes.sort_by_key(|change| std::cmp::Reverse(moved(change).abs()));
    for change in &changes {
        let part = match change.before {
            0 => "new".to_owned(),
            before => format!("{:+.0} %", moved(change) as f64 * 100.0 / before as f64),
        };
        let (before, now) = (change.before.to_string(), change.now.to_string());
        grid.row([named(&change.value), before, now, format!("{:+}", moved(change)), part]);
    }
    let mut text = grid.text(width());
    text.push_str(&format!(
        "{} events, before {}: {} to {}\n",
        reply.now_total, reply.before_total, reply.before.from, reply.before.to
    ));
    if reply.missed > 0 {
        text.push_str(&format!("Values not listed may have moved by up to {}.\n", reply.missed));
    }
    Shown::new(!changes.is_empty(), text)
}

fn explain(reply: &ExplainReply) -> Shown {
    let heads = [("SEARCH", Side::Left), ("EVENTS", Side::Right), ("SELECTED", Side::Right), ("OTHERS", Side::Right)];
    let mut grid = Grid::new(heads);
    for finding in &reply.findings {
        grid.row([
            finding.term.clone(),
            finding.inside.to_string(),
            share(finding.inside, reply.inside),
            share(finding.outside, reply.outside),
        ]);
    }
    let mut text = grid.text(width());
    text.push_str(&format!("{} events selected, held against {} others\n", reply.inside, reply.outside));
    let reason = (reply.inside > 0)
        .then(|| format!("nothing sets the {} events selected apart from the {} others", reply.inside, reply.outside));
    Shown { found: !reply.findings.is_empty(), text, reason }
}

fn sql_table(reply: &SqlReply) -> Grid {
    let numeric = |at: usize| {
        let mut cells = reply.rows.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_null()).peekable();
        cells.peek().is_some() && cells.all(serde_json::Value::is_number)
    };
    let side = |at: usize| if numeric(at) { Side::Right } else { Side::Left };
    let mut grid = Grid::new(reply.columns.iter().enumerate().map(|(at, column)| (column.as_str(), side(at))));
    for row in &reply.rows {
        grid.row(row.iter().map(|cell| match cell {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }));
    }
    grid
}
