//! `log`: what is kept, whether all of it can be read, and the searches that run.

use std::path::PathBuf;

use api::{CompactReply, LogReport, Problem, RunningSearch, VerifyReply};
use clap::Subcommand;
use serde::Serialize;

use crate::cli::{Ended, OutputArgs, print};
use crate::client::{Client, Grid, REPLY_TIMEOUT, Side, is_table, width};
use crate::table::clip;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// What is kept: oldest event, events, bytes, what goes next, what was lost
    #[command(after_help = STATUS_HELP)]
    Status {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Read every file of the log and name those that are damaged, missing or unknown; changes nothing
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// The folder of a log that no server uses: no server is asked
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Merge small segments and drop what is due now, instead of bit by bit
    #[command(after_help = COMPACT_HELP)]
    Compact {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Searches that are running
    #[command(after_help = SEARCHES_HELP)]
    Searches {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// End a search that is running
    #[command(after_help = CANCEL_HELP)]
    Cancel {
        /// Its number, as `nameward log searches` shows it
        id: u64,
        #[command(flatten)]
        output: OutputArgs,
    },
}

const STATUS_HELP: &str = "\
Examples:
  nameward log status
  nameward log status --json

Exit status: 0 told, 1 failed.";

const VERIFY_HELP: &str = "\
Examples:
  nameward log verify
  nameward log verify --folder /backup/nameward/log

Exit status: 0 everything can be read, 1 something cannot, or it failed.";

const COMPACT_HELP: &str = "\
Exit status: 0 done, 1 failed.";

const SEARCHES_HELP: &str = "\
Exit status: 0 told, 3 none is running, 1 failed.";

const CANCEL_HELP: &str = "\
Exit status: 0 ended, 3 no such search is running, 1 failed.";

/// Runs a command.
pub(crate) fn run(command: &LogCommand, states: &[PathBuf]) -> anyhow::Result<Ended> {
    match command {
        LogCommand::Status { output } => {
            let report: LogReport = told(server(output, states)?.get("log/status", &[])?)?;
            show(&report, output, status)?;
            Ok(Ended::Done)
        }
        LogCommand::Verify { folder, output } => {
            let reply = match folder {
                Some(folder) => web::verified(&store::verify(folder)?),
                None => told(patient(output, states)?.post("log/verify", &())?)?,
            };
            show(&reply, output, verify)?;
            Ok(if reply.faults.is_empty() { Ended::Done } else { Ended::Failed })
        }
        LogCommand::Compact { output } => {
            let reply: CompactReply = told(patient(output, states)?.post("log/compact", &())?)?;
            show(&reply, output, compact)?;
            Ok(Ended::Done)
        }
        LogCommand::Searches { output } => {
            let running: Vec<RunningSearch> = told(server(output, states)?.get("log/searches", &[])?)?;
            if is_table(output) {
                print(&searches(&running))?;
            } else {
                running.iter().try_for_each(|search| print(&format!("{}\n", serde_json::to_string(search)?)))?;
            }
            Ok(if running.is_empty() { Ended::Nothing } else { Ended::Done })
        }
        LogCommand::Cancel { id, output } => match server(output, states)?.delete(&format!("log/searches/{id}"))? {
            Err(problem) if problem.status == 404 => {
                eprintln!("nameward: {}", problem.detail);
                Ok(Ended::Nothing)
            }
            reply => told(reply).map(|()| Ended::Done),
        },
    }
}

fn server(output: &OutputArgs, states: &[PathBuf]) -> anyhow::Result<Client> {
    Client::find(&output.server, states, Some(REPLY_TIMEOUT))
}

/// Verifying and compacting take as long as the log is large: no limit on the wait.
fn patient(output: &OutputArgs, states: &[PathBuf]) -> anyhow::Result<Client> {
    Client::find(&output.server, states, None)
}

fn told<T>(reply: Result<T, Problem>) -> anyhow::Result<T> {
    reply.map_err(|problem| anyhow::anyhow!("{}: {}", problem.title, problem.detail))
}

fn show<T: Serialize>(reply: &T, output: &OutputArgs, table: impl Fn(&T) -> String) -> anyhow::Result<()> {
    if is_table(output) { print(&table(reply)) } else { print(&format!("{}\n", serde_json::to_string(reply)?)) }
}

/// Heads and what is said of them, one a line. Names of files and reasons come from elsewhere: nothing in them speaks to the
/// terminal.
fn card(lines: &[(&str, String)]) -> String {
    lines.iter().map(|(head, text)| format!("{head:<10} {}\n", clip(text, usize::MAX))).collect()
}

fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut shown = bytes as f64;
    let mut unit = 0;
    while shown >= 1000.0 && unit + 1 < UNITS.len() {
        shown /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{shown:.1} {}", UNITS[unit]) }
}

fn status(report: &LogReport) -> String {
    let newest = report.newest.as_ref().map_or_else(|| "no segment yet".to_owned(), |at| format!("{at} in a segment"));
    let mut lines = vec![
        ("Oldest", report.oldest.clone().unwrap_or_else(|| "-".to_owned())),
        ("Newest", newest),
        ("Events", format!("{}, of them {} not yet in a segment", report.rows, report.live_rows)),
        ("Segments", format!("{}, of them {} compacted", report.segments, report.compacted_segments)),
        ("On disk", on_disk(report)),
    ];
    let next = |next: &api::NextPurge| format!("{} events, {}, at {}", next.rows, bytes(next.bytes), next.at);
    lines.push(("Next to go", report.next_purge.as_ref().map_or_else(|| "nothing by age".to_owned(), next)));
    lines.push(("Gone", format!("{} events since the start", report.purged)));
    lines.push(("Lost", format!("{} events since the start", report.dropped)));
    if report.set_aside > 0 {
        lines.push(("Set aside", format!("{} damaged segments since the start", report.set_aside)));
    }
    if let Some(why) = &report.stopped {
        lines.push(("Stopped", why.clone()));
    }
    if let Some(remote) = &report.remote {
        lines.extend(remote_lines(remote));
    }
    for schema in &report.by_schema {
        let text = format!("version {}: {} segments, {} events", schema.version, schema.segments, schema.rows);
        lines.push(("Schema", text));
    }
    for import in &report.imports {
        let bad = if import.bad > 0 { format!(", {} bad records", import.bad) } else { String::new() };
        lines.push(("Imported", format!("{}: {} events{bad}, last {}", import.source, import.rows, import.time)));
    }
    card(&lines)
}

fn remote_lines(remote: &api::RemoteReport) -> Vec<(&'static str, String)> {
    let place = remote.url.as_deref().unwrap_or("log.remote.url is not set");
    let there = format!("{place}: {} segments, {} events, {}", remote.segments, remote.rows, bytes(remote.bytes));
    let mut lines = vec![("Remote", there)];
    if remote.waiting > 0 {
        lines.push(("Waiting", format!("{} segments to be sent, {}", remote.waiting, bytes(remote.waiting_bytes))));
    }
    lines.extend(remote.fault.clone().map(|fault| ("Fault", fault)));
    lines
}

fn on_disk(report: &LogReport) -> String {
    let mut text = bytes(report.bytes);
    if report.rows > 0 {
        let all = report.bytes + report.remote.as_ref().map_or(0, |remote| remote.bytes);
        text.push_str(&format!(", {:.1} bytes an event", all as f64 / report.rows as f64));
    }
    if report.compressed_bytes > 0 {
        let times = report.uncompressed_bytes as f64 / report.compressed_bytes as f64;
        text.push_str(&format!(", {times:.1} times as much in memory"));
    }
    text
}

fn verify(reply: &VerifyReply) -> String {
    let mut text = String::new();
    if !reply.faults.is_empty() {
        let mut grid = Grid::new([("FILE", Side::Left), ("IS", Side::Left), ("WHY", Side::Left)]);
        for fault in &reply.faults {
            grid.row([fault.file.clone(), fault.kind.clone(), fault.reason.clone()]);
        }
        // No name is cut: somebody has to find these files.
        text.push_str(&grid.text(usize::MAX));
        text.push('\n');
    }
    let found = match reply.faults.len() as u64 + reply.more_faults {
        0 => "everything can be read".to_owned(),
        1 => "1 file is not as it should be".to_owned(),
        faults => format!("{faults} files are not as they should be"),
    };
    let good = format!("{} segments with {} events", reply.segments, reply.segment_rows);
    let wals = format!("{} write-ahead logs with {}", reply.wals, reply.wal_rows);
    text.push_str(&format!("{good}, {wals}, {}: {found}\n", bytes(reply.bytes)));
    if reply.remote_unread > 0 {
        text.push_str(&format!("{} segments in the remote store were not looked at\n", reply.remote_unread));
    }
    if reply.aside > 0 {
        text.push_str(&format!("{} files were set aside earlier\n", reply.aside));
    }
    text
}

fn compact(reply: &CompactReply) -> String {
    let saved = match u64::try_from(reply.saved_bytes) {
        Ok(saved) => format!("{} less", bytes(saved)),
        Err(_) => format!("{} more", bytes(reply.saved_bytes.unsigned_abs())),
    };
    card(&[
        ("Merged", format!("{} segments into {}", reply.merged, reply.written)),
        ("On disk", saved),
        ("Gone", format!("{} events that were due", reply.purged)),
        ("Took", format!("{:.1} s", reply.took_ms / 1000.0)),
    ])
}

fn searches(running: &[RunningSearch]) -> String {
    let heads = [("ID", Side::Right), ("SECONDS", Side::Right), ("KIND", Side::Left), ("SEARCH", Side::Left)];
    let mut grid = Grid::new(heads);
    for search in running {
        let seconds = format!("{:.1}", search.running_ms / 1000.0);
        grid.row([search.id.to_string(), seconds, search.kind.clone(), search.search.clone()]);
    }
    grid.text(width())
}
