//! `search` and `tail`: the API of the running server, as tables on a terminal, as NDJSON in a pipe.

mod args;
mod ask;
mod export;
mod grid;
mod lines;
mod rows;
mod tail;
mod when;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use api::Problem;
use serde::de::DeserializeOwned;

use crate::cli::{Ended, Output, OutputArgs, ServerArgs};
use crate::door;

pub(crate) use args::{Form, SEARCH_HELP, SearchArgs, TAIL_HELP, TailArgs};
pub(crate) use grid::{Grid, Side};
pub(crate) use lines::width;

/// Longest wait for an answer of the API.
pub(crate) const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// Status of a request that says something wrong.
const UNPROCESSABLE: u16 = 422;

/// `nameward search`.
pub(crate) fn search(args: &SearchArgs, states: &[PathBuf]) -> anyhow::Result<Ended> {
    if let Some(wrong) = wrong(args).map(str::to_owned).or_else(|| too_many(args)).or_else(|| astray(args)) {
        eprintln!("nameward: {wrong}");
        return Ok(Ended::SaidWrong);
    }
    let terminal = io::stdout().is_terminal();
    let form = args.form.wanted().unwrap_or_else(|| match &args.form.to {
        Some(path) => Form::of(path),
        None if terminal => Form::Table,
        None => Form::Json,
    });
    if args.follow {
        let server = Client::find(&args.server, states, None)?;
        return tail::follow(
            &server,
            &args.search,
            args.limit.unwrap_or(tail::LAST_DEFAULT),
            None,
            form == Form::Table,
        );
    }
    let (now, zone) = (jiff::Timestamp::now(), jiff::tz::TimeZone::system());
    let instant = |text: &str| when::instant(text, now, &zone);
    let said = format!("since {}, until {}", args.since, args.until);
    let span = Span { from: instant(&args.since), to: instant(&args.until), said };
    if let Some(question) = ask::question(args) {
        let server = Client::find(&args.server, states, Some(REPLY_TIMEOUT))?;
        return ask::ask(&server, args, &question, &span, form == Form::Table);
    }
    // Only the server can turn everything round, and only it writes files.
    let turned = args.reverse && args.limit.is_none() && form != Form::Table;
    if turned || args.form.to.is_some() || matches!(form, Form::Csv | Form::Parquet) {
        let server = Client::find(&args.server, states, None)?;
        return export::export(&server, args, &span, form);
    }
    let server = Client::find(&args.server, states, Some(REPLY_TIMEOUT))?;
    rows::rows(&server, args, &span, form == Form::Table)
}

/// `nameward tail`.
pub(crate) fn tail(args: &TailArgs, states: &[PathBuf]) -> anyhow::Result<Ended> {
    let server = Client::find(&args.output.server, states, None)?;
    tail::follow(&server, &args.search, args.last, args.stop, is_table(&args.output))
}

/// What cannot be asked together.
fn wrong(args: &SearchArgs) -> Option<&'static str> {
    let question = &args.question;
    let form = args.form.wanted();
    if args.by.is_some() && question.distinct.is_none() && question.quantiles.is_none() {
        return Some("--by goes with --distinct or --quantiles");
    }
    if ask::question(args).is_some() && matches!(form, Some(Form::Csv | Form::Parquet)) {
        return Some("CSV and Parquet are for events: a question is answered as a table or as JSON");
    }
    if args.reverse && question.around.is_none() && ask::question(args).is_some() {
        return Some("-r is for events: values come in the order of their counts");
    }
    if args.limit.is_some() && (question.count || question.series.is_some()) {
        return Some("-n is for events and values: --count and --series have no list of them");
    }
    if args.follow && matches!(form, Some(Form::Csv | Form::Parquet)) {
        return Some("events that come are shown as a table or as JSON");
    }
    if args.reverse
        && args.limit.is_some()
        && (args.form.to.is_some() || matches!(form, Some(Form::Csv | Form::Parquet)))
    {
        return Some("the server cannot turn the newest events round: leave out -n or -r");
    }
    if form == Some(Form::Table) && args.form.to.is_some() {
        return Some("a file is CSV, NDJSON or Parquet: say which with -o");
    }
    if form == Some(Form::Parquet) && args.form.to.is_none() && io::stdout().is_terminal() {
        return Some("Parquet is not for a terminal: name a file with --to");
    }
    None
}

/// More asked for with -n than there can be.
fn too_many(args: &SearchArgs) -> Option<String> {
    let limit = args.limit?;
    let most = match ask::question(args) {
        Some(ask::Question::Around(_)) => api::AROUND_MAX,
        Some(ask::Question::Sql(_)) => api::SQL_ROWS_MAX,
        Some(_) => api::TOP_MAX,
        None if args.follow => api::ROWS_MAX,
        None if args.reverse => rows::TURNED_MAX,
        None => return None,
    };
    (limit > most).then(|| match most {
        rows::TURNED_MAX => format!("-n with -r is {most} at most; leave out -n and the server turns all of the range"),
        _ => format!("-n is {most} at most here"),
    })
}

/// A field said beside the question it was meant for: `--series code` looks for the word `code`.
fn astray(args: &SearchArgs) -> Option<String> {
    let word = args.search.as_str();
    let question = &args.question;
    let asked = [("--series", &question.series), ("--explain", &question.explain)];
    let (flag, _) = asked.into_iter().find(|(_, value)| value.is_some())?;
    search::field(word).map(|_| {
        format!("`{word}` would be looked for as a text: say {flag}={word} for the field, or \"{word}\" for the text")
    })
}

/// The server's status.
pub(crate) fn status(args: &OutputArgs, states: &[PathBuf]) -> anyhow::Result<api::Status> {
    let server = Client::find(&args.server, states, Some(REPLY_TIMEOUT))?;
    server.get("status", &[])?.map_err(|problem| anyhow!("{}: {}", problem.title, problem.detail))
}

/// What the server's lists say of a name.
pub(crate) fn lines(
    args: &OutputArgs,
    states: &[PathBuf],
    domain: &str,
) -> anyhow::Result<Result<api::LinesReply, Problem>> {
    let server = Client::find(&args.server, states, None)?;
    server.get("lists/lines", &[("domain", domain)])
}

/// Whether output is a table for people: on a terminal, or when asked for.
pub(crate) fn is_table(args: &OutputArgs) -> bool {
    match args.output {
        Some(form) => form == Output::Table,
        None => !args.json && io::stdout().is_terminal(),
    }
}

/// The range asked for, as the API reads it.
#[derive(Clone, Debug)]
struct Span {
    from: String,
    to: String,
    /// The same for people.
    said: String,
}

/// Tells what the server found wrong; a fault in the text is shown at its place.
fn refused(text: &str, problem: &Problem) -> anyhow::Result<Ended> {
    if problem.status != UNPROCESSABLE {
        bail!("{}: {}", problem.title, problem.detail);
    }
    for fault in &problem.faults {
        let known = search::Fault {
            span: fault.start..fault.end,
            message: fault.message.clone(),
            suggestion: fault.suggestion.clone(),
        };
        eprintln!("{}", search::caret(text, &known));
    }
    if problem.faults.is_empty() {
        eprintln!("nameward: {}", problem.detail);
    }
    Ok(Ended::SaidWrong)
}

/// The API of one server.
pub(crate) struct Client {
    agent: ureq::Agent,
    url: String,
    token: String,
}

type Reply = ureq::http::Response<ureq::Body>;

impl Client {
    /// The server named, or the one running here.
    pub(crate) fn find(args: &ServerArgs, states: &[PathBuf], timeout: Option<Duration>) -> anyhow::Result<Client> {
        let door = door::find(states, args.server.as_deref());
        let url = args.server.clone().or_else(|| door.as_ref().map(|door| door.url.clone()));
        let url = url.context("no server runs here: start one with `nameward serve`, or name one with --server")?;
        let token = args.token.clone().or_else(|| door.map(|door| door.token));
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
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<Result<T, Problem>> {
        read(self.open(path, query)?)
    }

    /// Asks the API; the reply's body is left to be read.
    pub(crate) fn open(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Result<Reply, Problem>> {
        let request = self.agent.get(self.place(path)).header("authorization", self.bearer());
        self.judged(request.query_pairs(query.iter().copied()).call())
    }

    /// Sends a body as JSON.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> anyhow::Result<Result<T, Problem>> {
        let text = serde_json::to_string(body)?;
        let request = self.agent.post(self.place(path)).header("authorization", self.bearer());
        read(self.judged(request.header("content-type", "application/json").send(text))?)
    }

    /// Has the server end something.
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<Result<(), Problem>> {
        let request = self.agent.delete(self.place(path)).header("authorization", self.bearer());
        Ok(self.judged(request.call())?.map(|_| ()))
    }

    fn place(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.url)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn judged(&self, reply: Result<Reply, ureq::Error>) -> anyhow::Result<Result<Reply, Problem>> {
        let reply = reply.map_err(|error| anyhow!("no answer from {}: {error}", self.url))?;
        let status = reply.status();
        if status.is_success() {
            return Ok(Ok(reply));
        }
        let problem = serde_json::from_reader(reply.into_body().into_reader());
        Ok(Err(problem.with_context(|| format!("{} answered {status}", self.url))?))
    }
}

fn read<T: DeserializeOwned>(reply: Result<Reply, Problem>) -> anyhow::Result<Result<T, Problem>> {
    let reply = match reply {
        Ok(reply) => reply,
        Err(problem) => return Ok(Err(problem)),
    };
    let body = io::BufReader::new(reply.into_body().into_reader());
    serde_json::from_reader(body).map(Ok).context("the server's reply cannot be read")
}
