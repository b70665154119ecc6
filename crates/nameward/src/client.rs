//! `search` and `tail`: the API of the running server, as a table on a terminal, as NDJSON in a pipe.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use api::{EventRow, Problem, RowsReply, TailRows};

use crate::cli::{Ended, Output, OutputArgs, SearchArgs, TailArgs};
use crate::door;
use crate::table::Layout;

/// Events in a table when no limit is named.
const TABLE_ROWS_DEFAULT: usize = 100;
/// Longest wait for an answer of the API.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// `nameward search`.
pub(crate) fn search(args: &SearchArgs, states: &[PathBuf]) -> anyhow::Result<Ended> {
    let client = Client::find(&args.output, states, Some(REPLY_TIMEOUT))?;
    let mut lines = Lines::new(&args.output);
    let limit = args.limit.unwrap_or(if lines.table() { TABLE_ROWS_DEFAULT } else { usize::MAX });
    let (from, to) = (instant(&args.since), instant(&args.until));
    let mut cursor: Option<String> = None;
    let mut shown = 0;
    let mut window = None;
    while shown < limit {
        let page = (limit - shown).min(api::ROWS_MAX as usize).to_string();
        let (from, to) = window.clone().unwrap_or_else(|| (from.clone(), to.clone()));
        let mut query = vec![("q", args.search.as_str()), ("from", &from), ("to", &to), ("limit", &page)];
        if let Some(cursor) = &cursor {
            query.push(("cursor", cursor));
        }
        let reply = match client.get("log/rows", &query)? {
            Ok(body) => serde_json::from_reader::<_, RowsReply>(body).context("the server's reply cannot be read")?,
            Err(problem) => return refused(&args.search, &problem),
        };
        for row in &reply.rows {
            lines.write(row)?;
        }
        shown += reply.rows.len();
        // Later pages keep to the first page's range: it must not slide while paging.
        window.get_or_insert((reply.range.from, reply.range.to));
        cursor = reply.next;
        if cursor.is_none() {
            break;
        }
    }
    lines.flush()?;
    if shown == 0 {
        eprintln!("nothing found since {}", args.since);
        return Ok(Ended::Nothing);
    }
    Ok(Ended::Done)
}

/// `nameward tail`.
pub(crate) fn tail(args: &TailArgs, states: &[PathBuf]) -> anyhow::Result<Ended> {
    let client = Client::find(&args.output, states, None)?;
    let mut lines = Lines::new(&args.output);
    let body = match client.get("log/tail", &[("q", args.search.as_str())])? {
        Ok(body) => body,
        Err(problem) => return refused(&args.search, &problem),
    };
    let mut left = args.limit.unwrap_or(usize::MAX);
    for line in BufReader::new(body).lines() {
        let line = line.context("the server went away")?;
        let Some(data) = line.strip_prefix("data:") else { continue };
        let batch: TailRows = serde_json::from_str(data.trim()).context("the server's reply cannot be read")?;
        for row in batch.rows.iter().rev().take(left) {
            lines.write(row)?;
        }
        left = left.saturating_sub(batch.rows.len());
        lines.flush()?;
        if batch.skipped > 0 {
            eprintln!("({} more events came than are shown)", batch.skipped);
        }
        if left == 0 {
            return Ok(Ended::Done);
        }
    }
    bail!("the server closed the connection")
}

/// The server's status.
pub(crate) fn status(args: &OutputArgs, states: &[PathBuf]) -> anyhow::Result<api::Status> {
    let client = Client::find(args, states, Some(REPLY_TIMEOUT))?;
    match client.get("status", &[])? {
        Ok(body) => serde_json::from_reader(body).context("the server's reply cannot be read"),
        Err(problem) => bail!("{}: {}", problem.title, problem.detail),
    }
}

/// Whether output is a table for people: on a terminal, or when asked for.
pub(crate) fn is_table(args: &OutputArgs) -> bool {
    match args.output {
        Some(form) => form == Output::Table,
        None => !args.json && io::stdout().is_terminal(),
    }
}

/// A time back (`1h`, `2 days`, `90s`) as the API writes it; anything else is left for the server to read.
fn instant(text: &str) -> String {
    let back = text.trim().trim_end_matches("ago").trim();
    let span = back.parse::<jiff::Span>().and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()));
    match span {
        Ok(span) if !span.is_negative() => format!("now-{}s", span.as_secs()),
        _ => text.trim().to_owned(),
    }
}

/// Tells what the server found wrong; a fault in the search is shown at its place.
fn refused(search: &str, problem: &Problem) -> anyhow::Result<Ended> {
    if problem.faults.is_empty() {
        bail!("{}: {}", problem.title, problem.detail);
    }
    for fault in &problem.faults {
        let known = search::Fault {
            span: fault.start..fault.end,
            message: fault.message.clone(),
            suggestion: fault.suggestion.clone(),
        };
        eprintln!("{}", search::caret(search, &known));
    }
    Ok(Ended::SaidWrong)
}

struct Client {
    agent: ureq::Agent,
    url: String,
    token: String,
}

type Body = ureq::BodyReader<'static>;

impl Client {
    fn find(args: &OutputArgs, states: &[PathBuf], timeout: Option<Duration>) -> anyhow::Result<Client> {
        let door = door::find(states, args.server.as_deref());
        let url = args.server.clone().or_else(|| door.as_ref().map(|door| door.url.clone()));
        let token = args.token.clone().or_else(|| door.map(|door| door.token));
        let url = url.context("no server runs here: start one with `nameward serve`, or name one with --server")?;
        let token = token.with_context(|| format!("no token for {url}: name one with --token"))?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(timeout)
            .proxy(None)
            .build()
            .new_agent();
        Ok(Client { agent, url: url.trim_end_matches('/').to_owned(), token })
    }

    /// Asks the API. The inner error is the server's own.
    fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Result<Body, Problem>> {
        let url = format!("{}/api/v1/{path}", self.url);
        let request = self.agent.get(&url).header("authorization", format!("Bearer {}", self.token));
        let reply = request
            .query_pairs(query.iter().copied())
            .call()
            .map_err(|error| anyhow!("no answer from {}: {error}", self.url))?;
        let status = reply.status();
        let body = reply.into_body().into_reader();
        if status.is_success() {
            return Ok(Ok(body));
        }
        let problem = serde_json::from_reader(body).with_context(|| format!("{} answered {status}", self.url))?;
        Ok(Err(problem))
    }
}

/// Where events are written, in the form asked for.
struct Lines {
    out: io::BufWriter<io::Stdout>,
    layout: Option<Layout>,
    begun: bool,
}

impl Lines {
    fn new(args: &OutputArgs) -> Lines {
        let terminal = io::stdout().is_terminal();
        let width = terminal_size::terminal_size().map_or(160, |(width, _)| usize::from(width.0));
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let layout = is_table(args).then_some(Layout { width, colour });
        Lines { out: io::BufWriter::new(io::stdout()), layout, begun: false }
    }

    fn table(&self) -> bool {
        self.layout.is_some()
    }

    fn write(&mut self, row: &EventRow) -> anyhow::Result<()> {
        match self.layout {
            Some(layout) => {
                if !std::mem::replace(&mut self.begun, true) {
                    writeln!(self.out, "{}", layout.heading())?;
                }
                writeln!(self.out, "{}", layout.line(row))?;
            }
            None => {
                serde_json::to_writer(&mut self.out, row).map_err(io::Error::from)?;
                writeln!(self.out)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn times_back_are_written_as_the_api_reads_them() {
        for (said, sent) in [
            ("1h", "now-3600s"),
            ("90s", "now-90s"),
            ("2 days", "now-172800s"),
            ("1 hour ago", "now-3600s"),
            ("now", "now"),
            ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"),
        ] {
            assert_eq!(instant(said), sent, "{said}");
        }
    }
}
