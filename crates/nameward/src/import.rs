//! `nameward import`: the logs of others, kept in this log.
//!
//! Knows how an import goes on and is told; what the files say is `import`'s, what becomes of the rows the store's.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ::import::{Bad, Format, Options, Reader, Tap};
use anyhow::{Context as _, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use dnstap::Received;
use event::Event;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::{Store, StoreError};

use crate::cli::{Ended, print};
use crate::table::clip;

/// Records between two steps of the progress bar.
const SHOW_RECORDS: u64 = 4_096;
/// What comes from a socket is kept at least so often.
const COMMIT_EVERY: Duration = Duration::from_secs(10);
/// Events of all connections on their way into the log; beyond them the senders wait.
const EVENTS_WAITING_MAX: usize = 16_384;
/// Connections at the same time.
const CONNECTIONS_MAX: usize = 256;
/// Octets read of a connection at a time.
const PIECE_LEN: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// Files to import, `.gz` too; `-` for standard input
    #[arg(value_name = "FILE", required_unless_present = "dnstap_socket")]
    files: Vec<PathBuf>,
    /// Format [default: told by the file]
    #[arg(long, value_name = "FORMAT", ignore_case = true, value_parser = formats())]
    format: Option<Format>,
    /// What the events bear as `node` [default: import: and the format]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Listen on this Unix socket for dnstap, until interrupted
    #[arg(long, value_name = "PATH", conflicts_with_all = ["files", "format"])]
    dnstap_socket: Option<PathBuf>,
    /// Log to import into, where nothing is dropped by age or size [default: the configured one]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub(crate) const HELP: &str = "\
Examples:
  nameward import /var/log/named/query.log*
  zcat querylog.json.gz | nameward import --format adguard -
  nameward import --dnstap-socket /run/nameward/dnstap.sock

The log must not be in use: stop the server, or name another with --folder.

Exit status: 0 done, 3 no record found, 1 failed, 2 said wrongly.";

/// Reads the name of a format.
fn formats() -> impl TypedValueParser<Value = Format> {
    let names = Format::ALL.iter().map(|format| format.name());
    PossibleValuesParser::new(names).try_map(|name| Format::from_name(&name).ok_or("no such format"))
}

/// What became of one input.
#[derive(Default)]
struct Done {
    name: String,
    format: &'static str,
    records: u64,
    kept: u64,
    there: u64,
    bad: u64,
    first_bad: Vec<Bad>,
    left_out: Vec<(&'static str, u64)>,
    /// Events that would be dropped at once.
    too_old: u64,
    /// Why it could not be read to its end.
    fault: Option<String>,
}

/// `nameward import`.
pub(crate) fn import(args: &ImportArgs, mut settings: store::Settings) -> anyhow::Result<Ended> {
    if let Some(folder) = &args.folder {
        settings.folder.clone_from(folder);
        // What is kept of the configured log says nothing of another.
        (settings.keep_age, settings.keep_bytes, settings.keep_tenants) = (None, None, Vec::new());
        settings.remote = None;
    }
    let keep_age = settings.keep_age.and_then(|age| i64::try_from(age.as_micros()).ok());
    let folder = settings.folder.clone();
    let store = match Store::open(settings) {
        Ok((store, _)) => store,
        Err(StoreError::InUse { .. }) => {
            eprintln!("nameward: the log {} is in use by a running server.", folder.display());
            eprintln!("Stop the server for the time of the import, or import into another folder with --folder.");
            return Ok(Ended::Failed);
        }
        Err(error) => return Err(error).context("cannot open the log"),
    };
    if let Some(path) = &args.dnstap_socket {
        let done = listen(&store, path, args.node.as_deref())?;
        return tell(&[done]);
    }
    let options = Options {
        format: args.format,
        node: args.node.as_deref().map(Arc::from),
        zone: Some(TimeZone::system()),
        until_micros: Some(Timestamp::now().as_microsecond()),
    };
    let from_micros = keep_age.map(|age| Timestamp::now().as_microsecond().saturating_sub(age));
    let mut all = Vec::new();
    let mut failed = false;
    for path in &args.files {
        match keep_file(&store, path, &options, from_micros) {
            Ok(done) => {
                if let Some(fault) = &done.fault {
                    eprintln!("nameward: {}: cannot be read to its end: {fault}", path.display());
                    failed = true;
                }
                all.push(done);
            }
            Err(error) => {
                eprintln!("nameward: {}: {error:#}", path.display());
                failed = true;
            }
        }
    }
    let ended = tell(&all)?;
    Ok(if failed { Ended::Failed } else { ended })
}

fn keep_file(store: &Store, path: &Path, options: &Options, from_micros: Option<i64>) -> anyhow::Result<Done> {
    let mut reader = if path.as_os_str() == "-" {
        Reader::from_read(Box::new(io::stdin()), "-", options)?
    } else {
        Reader::open(path, options)?
    };
    let mut importer = store.importer(reader.source())?;
    let begin = importer.position();
    let bar = bar(path, reader.progress().total);
    let mut done = Done { name: path.display().to_string(), format: reader.format().name(), ..Done::default() };
    while let Some(record) = reader.next() {
        done.records += 1;
        if done.records.is_multiple_of(SHOW_RECORDS) {
            bar.set_position(reader.progress().done);
        }
        if record.number < begin {
            done.there += 1;
            continue;
        }
        let time_micros = record.event.as_ref().ok().map(|event| event.time_micros);
        if time_micros.zip(from_micros).is_some_and(|(time, from)| time < from) {
            done.too_old += 1;
            continue;
        }
        // Rows of a database have numbers of their own, with gaps where rows are gone.
        importer.skip_to(record.number);
        match record.event {
            Ok(event) => {
                importer.offer(event)?;
                done.kept += 1;
            }
            Err(_) => importer.counted_bad(),
        }
    }
    importer.commit()?;
    bar.finish_and_clear();
    done.bad = reader.tally().bad;
    done.first_bad.clone_from(&reader.tally().first_bad);
    done.left_out = reader.left_out().to_vec();
    done.fault = reader.fault().map(str::to_owned);
    Ok(done)
}

/// A bar on a terminal, nothing elsewhere.
fn bar(path: &Path, total: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{msg} {bytes} read, {bytes_per_sec}"),
    };
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    bar.set_message(name);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The end as a table, with the first reasons of what was bad.
fn tell(all: &[Done]) -> anyhow::Result<Ended> {
    let width = all.iter().map(|done| done.name.chars().count()).max().unwrap_or(0).max(4);
    let mut text = format!(
        "{:<width$}  {:<8} {:>12} {:>12} {:>14} {:>10}\n",
        "file", "format", "records", "kept", "already there", "bad"
    );
    for done in all {
        text.push_str(&format!(
            "{:<width$}  {:<8} {:>12} {:>12} {:>14} {:>10}\n",
            done.name, done.format, done.records, done.kept, done.there, done.bad
        ));
    }
    for done in all {
        for (what, count) in &done.left_out {
            text.push_str(&format!("{}: left out: {count} {what}\n", done.name));
        }
        if done.too_old > 0 {
            text.push_str(&format!(
                "{}: left out: {} events older than log.keep_age: raise it first, or name another log with --folder\n",
                done.name, done.too_old
            ));
        }
        for bad in &done.first_bad {
            // A reason may quote the file.
            text.push_str(&format!("{}: bad: {}: {}\n", done.name, bad.place, clip(&bad.reason, usize::MAX)));
        }
        let more = done.bad - done.first_bad.len() as u64;
        if more > 0 {
            text.push_str(&format!("{}: bad: {more} more\n", done.name));
        }
    }
    print(&text)?;
    let records: u64 = all.iter().map(|done| done.records).sum();
    Ok(if records == 0 { Ended::Nothing } else { Ended::Done })
}

/// What connections send to the one thread that keeps.
enum Arrived {
    Event(Result<Box<Event>, String>),
    /// The operator wants an end.
    Stop,
}

/// Listens for dnstap until interrupted, both ways or one way, as the sender begins.
fn listen(store: &Store, path: &Path, node: Option<&str>) -> anyhow::Result<Done> {
    let listener = bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    let (sender, arrived) = sync_channel(EVENTS_WAITING_MAX);
    stop_on_signal(sender.clone())?;
    let slots = Arc::new(());
    std::thread::Builder::new().name("dnstap".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            // One count is the listener's own.
            if Arc::strong_count(&slots) > CONNECTIONS_MAX {
                continue;
            }
            let (sender, slot) = (sender.clone(), Arc::clone(&slots));
            let served = std::thread::Builder::new().name("dnstap-connection".to_owned()).spawn(move || {
                serve(stream, &sender);
                drop(slot);
            });
            if let Err(error) = served {
                eprintln!("nameward: a connection was refused: {error}");
            }
        }
    })?;
    eprintln!("Listening on {}; end with Ctrl-C.", path.display());
    let name = path.display().to_string();
    let node: Arc<str> = node.unwrap_or("import:dnstap").into();
    let done = keep_arrivals(store, &name, &node, &arrived);
    let _ = std::fs::remove_file(path);
    done
}

fn keep_arrivals(store: &Store, name: &str, node: &Arc<str>, arrived: &Receiver<Arrived>) -> anyhow::Result<Done> {
    let mut importer = store.importer(&format!("dnstap-socket:{name}"))?;
    let mut done = Done { name: name.to_owned(), format: Format::Dnstap.name(), ..Done::default() };
    let mut committed = Instant::now();
    loop {
        match arrived.recv_timeout(COMMIT_EVERY.saturating_sub(committed.elapsed())) {
            Ok(Arrived::Event(event)) => {
                done.records += 1;
                match event {
                    Ok(event) => {
                        importer.offer(Event { node: Some(Arc::clone(node)), ..*event })?;
                        done.kept += 1;
                    }
                    Err(reason) => {
                        importer.counted_bad();
                        done.bad += 1;
                        if done.first_bad.len() < ::import::BAD_KEPT {
                            done.first_bad.push(Bad { place: format!("message {}", done.records), reason });
                        }
                    }
                }
            }
            Ok(Arrived::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if committed.elapsed() >= COMMIT_EVERY {
            importer.commit()?;
            committed = Instant::now();
        }
    }
    importer.commit()?;
    Ok(done)
}

/// Binds the socket; a file of a server that is gone is in nobody's way.
fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = std::fs::metadata(path).is_ok_and(|about| about.file_type().is_socket());
            if !is_socket || UnixStream::connect(path).is_ok() {
                bail!("something is there already");
            }
            std::fs::remove_file(path)?;
            Ok(UnixListener::bind(path)?)
        }
        bound => Ok(bound?),
    }
}

fn stop_on_signal(sender: SyncSender<Arrived>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        let _ = sender.send(Arrived::Stop);
    })?;
    Ok(())
}

/// Serves one connection to its end.
fn serve(mut stream: UnixStream, sender: &SyncSender<Arrived>) {
    let mut tap = Tap::default();
    let ended = converse(&mut stream, &mut tap, sender);
    tap.finish();
    while let Some(event) = tap.give() {
        if sender.send(Arrived::Event(event.map(Box::new))).is_err() {
            return;
        }
    }
    if let Err(error) = ended {
        let _ = sender.send(Arrived::Event(Err(format!("a connection ended: {error:#}"))));
    }
}

fn converse(stream: &mut UnixStream, tap: &mut Tap, sender: &SyncSender<Arrived>) -> anyhow::Result<()> {
    let mut receiver = dnstap::Receiver::default();
    let mut piece = vec![0; PIECE_LEN];
    loop {
        match receiver.take()? {
            Received::Data(data) => tap.take(data),
            Received::Send(octets) => {
                // A sender that said STOP need not wait for FINISH.
                let sent = stream.write_all(&octets);
                if !receiver.is_ended() {
                    sent?;
                }
            }
            Received::End => return Ok(()),
            Received::More => {
                let len = stream.read(&mut piece)?;
                if len == 0 {
                    // Many senders just go when they stop.
                    return Ok(());
                }
                receiver.feed(&piece[..len]);
            }
        }
        while let Some(event) = tap.give() {
            sender.send(Arrived::Event(event.map(Box::new)))?;
        }
    }
}
