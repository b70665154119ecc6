//! What one may say to `search` and `tail`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::cli::{OutputArgs, ServerArgs};

pub(crate) const SEARCH_HELP: &str = "\
Searches:
  code:NXDOMAIN client:127.0.0.0/8      both must hold
  code:SERVFAIL,REFUSED                 any of these
  domain:example.com -qtype:AAAA        the name and all below it, but not AAAA
  latency:>50ms (cache:miss OR cache:stale)
  action:block list:ads ede:blocked

Examples:
  nameward search code:SERVFAIL --since yesterday --until today
  nameward search -f -n 20 client:192.0.2.7
  nameward search --top domain -n 20 action:block
  nameward search --distinct domain --by client --since 1d
  nameward search --quantiles latency --by upstream cache:miss
  nameward search --compare code --since 1h
  nameward search --explain code:SERVFAIL --since -15m
  nameward search --sql 'SELECT client, count(*) FROM events GROUP BY 1'
  nameward search action:block --since 30d --csv --to blocked.csv

Newest first, other than journalctl; -r turns it. Times without a zone are of
this machine's time zone; the table shows UTC.

Exit status: 0 found, 3 nothing found, 1 failed, 2 said wrongly.";

pub(crate) const TAIL_HELP: &str = "\
Examples:
  nameward tail code:SERVFAIL,REFUSED
  nameward tail -n 50 'client:192.0.2.0/24 -code:NOERROR'
  nameward tail -n 0 --stop 1 domain:example.com     wait for the next one

When more events come than can be shown, their number is told.

Exit status: 0 stopped, 1 failed, 2 said wrongly.";

#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// What to find; every event when left out
    #[arg(value_name = "SEARCH", default_value = "", hide_default_value = true)]
    pub(crate) search: String,
    /// From: 1h, "2 days ago", today, yesterday, 10:30, 2026-11-24, 2026-11-24T10:00:00Z
    #[arg(long, short = 'S', value_name = "TIME", default_value = "1h", allow_hyphen_values = true)]
    pub(crate) since: String,
    /// Until: likewise
    #[arg(long, short = 'U', value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    pub(crate) until: String,
    /// Most events, or values [default: 100 events in a table, all in a pipe; 10 values]
    #[arg(long, short = 'n', visible_alias = "lines", value_name = "COUNT")]
    pub(crate) limit: Option<u32>,
    /// Oldest first; of the newest COUNT with -n
    #[arg(long, short = 'r')]
    pub(crate) reverse: bool,
    /// Show the newest events, oldest of them first, then those that come
    #[arg(long, short = 'f', conflicts_with_all = ["reverse", "since", "until", "question", "to"])]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
    /// With --distinct, --quantiles: for each value of this field
    #[arg(long, value_name = "FIELD", help_heading = "Questions")]
    pub(crate) by: Option<String>,
    /// With --quantiles: the parts asked for
    #[arg(
        long,
        value_name = "PARTS",
        default_value = "0.5,0.9,0.95,0.99",
        requires = "quantiles",
        help_heading = "Questions"
    )]
    pub(crate) parts: String,
    /// With --explain: hold the selection against these events, not against all
    #[arg(long, value_name = "SEARCH", requires = "explain", help_heading = "Questions")]
    pub(crate) base: Option<String>,
    #[command(flatten)]
    pub(crate) form: FormArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// What is asked about the events that match, instead of showing them.
#[derive(Debug, clap::Args)]
#[group(id = "question", multiple = false)]
#[command(next_help_heading = "Questions")]
pub(crate) struct QuestionArgs {
    /// How many events match
    #[arg(long)]
    pub(crate) count: bool,
    /// How many events have each value of this field
    #[arg(long, value_name = "FIELD")]
    pub(crate) count_by: Option<String>,
    /// The most frequent values of this field
    #[arg(long, value_name = "FIELD")]
    pub(crate) top: Option<String>,
    /// Values of several fields with counts, each without its own terms
    #[arg(long, value_name = "FIELDS")]
    pub(crate) facets: Option<String>,
    /// Counts over time, a line for each value of this field
    #[arg(long, value_name = "FIELD", num_args = 0..=1, require_equals = true, default_missing_value = "code")]
    pub(crate) series: Option<String>,
    /// How many different values this field has
    #[arg(long, value_name = "FIELD")]
    pub(crate) distinct: Option<String>,
    /// How large this number is for most events
    #[arg(long, value_name = "FIELD")]
    pub(crate) quantiles: Option<String>,
    /// What became more or less than in the same time before
    #[arg(long, value_name = "FIELD")]
    pub(crate) compare: Option<String>,
    /// Which values are over-represented, compared with a wider range
    #[arg(long, value_name = "FIELDS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) explain: Option<String>,
    /// What the same client asked before and after the event with this id
    #[arg(long, value_name = "ID", conflicts_with_all = ["search", "since", "until"])]
    pub(crate) around: Option<String>,
    /// One SELECT over the view `events`
    #[arg(long, value_name = "TEXT", conflicts_with = "search")]
    pub(crate) sql: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct FormArgs {
    /// Form of the output [default: table on a terminal, json in a pipe]
    #[arg(long, short = 'o', value_enum)]
    pub(crate) output: Option<Form>,
    /// One JSON object a line; the same as `-o json`
    #[arg(long, conflicts_with_all = ["output", "csv"])]
    pub(crate) json: bool,
    /// Rows for spreadsheets; the same as `-o csv`
    #[arg(long, conflicts_with = "output")]
    pub(crate) csv: bool,
    /// Write every event that matches to this file; its end says the form: .csv, .ndjson, .parquet
    #[arg(long, value_name = "FILE", conflicts_with = "question")]
    pub(crate) to: Option<PathBuf>,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Columns for people
    Table,
    /// One JSON object a line; also called ndjson
    #[value(alias = "ndjson")]
    Json,
    /// Comma separated, with a heading
    Csv,
    /// The columns of the log, for programs that analyse
    Parquet,
}

impl Form {
    /// What the end of a file's name says; JSON when it says nothing.
    pub(crate) fn of(path: &Path) -> Form {
        match path.extension().and_then(|end| end.to_str()) {
            Some("csv") => Form::Csv,
            Some("parquet") => Form::Parquet,
            _ => Form::Json,
        }
    }
}

impl FormArgs {
    /// The form asked for; `None` leaves it to where the output goes.
    pub(crate) fn wanted(&self) -> Option<Form> {
        let flag = if self.json { Some(Form::Json) } else { self.csv.then_some(Form::Csv) };
        self.output.or(flag)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// What to show; every event when left out
    #[arg(value_name = "SEARCH", default_value = "", hide_default_value = true)]
    pub(crate) search: String,
    /// Newest events to begin with, of the last day
    #[arg(
        long,
        short = 'n',
        visible_alias = "lines",
        value_name = "COUNT",
        default_value_t = super::tail::LAST_DEFAULT,
        value_parser = clap::value_parser!(u32).range(..=i64::from(api::ROWS_MAX))
    )]
    pub(crate) last: u32,
    /// Stop after this many events
    #[arg(long, value_name = "COUNT")]
    pub(crate) stop: Option<u64>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
