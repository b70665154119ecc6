//! Every event that matches, written by the server as CSV, NDJSON or Parquet and passed on as it comes.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::rows::nothing;
use super::{Client, Form, SearchArgs, Span, refused};
use crate::cli::Ended;

/// Octets passed on at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Has the server write the events, and passes them on to a file or standard output.
pub(super) fn export(server: &Client, args: &SearchArgs, span: &Span, form: Form) -> anyhow::Result<Ended> {
    let format = match form {
        Form::Csv => "csv",
        Form::Parquet => "parquet",
        Form::Json | Form::Table => "ndjson",
    };
    let limit = args.limit.map(|limit| limit.to_string());
    let order = if args.reverse { "oldest" } else { "newest" };
    let mut query = vec![("q", &*args.search), ("from", &*span.from), ("to", &*span.to), ("format", format)];
    query.push(("order", order));
    query.extend(limit.as_deref().map(|limit| ("limit", limit)));
    let reply = match server.open("log/export", &query)? {
        Ok(reply) => reply,
        Err(problem) => return refused(&args.search, &problem),
    };
    let header = |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let total = header("x-total-rows").and_then(|total| total.parse::<u64>().ok());
    let counted = Counted { rows: 0, bytes: 0, heading: form == Form::Csv, lines: form != Form::Parquet };
    let shown = io::stderr().is_terminal() && (args.form.to.is_some() || !io::stdout().is_terminal());
    let bar = if shown { bar(total, counted.lines) } else { ProgressBar::hidden() };
    let body = reply.into_body().into_reader();
    let counted = match &args.form.to {
        Some(path) => {
            let part = Part::create(path)?;
            let counted = pass_on(body, &part.file, counted, &bar)?;
            part.keep()?;
            counted
        }
        None => pass_on(body, io::stdout().lock(), counted, &bar)?,
    };
    bar.finish_and_clear();
    let rows = if counted.lines { counted.rows } else { total.unwrap_or(0) };
    if rows == 0 {
        return Ok(nothing(span));
    }
    if let Some(path) = &args.form.to {
        eprintln!("{rows} events, {} bytes in {}", counted.bytes, path.display());
    }
    Ok(Ended::Done)
}

fn bar(total: Option<u64>, lines: bool) -> ProgressBar {
    let style =
        |template: &str| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    match total {
        Some(total) if lines => ProgressBar::new(total)
            .with_style(style("{bar:24} {percent:>3} %  {human_pos} of {human_len} events, {per_sec}, {eta} left")),
        _ => ProgressBar::new_spinner().with_style(style("{spinner} {bytes}, {bytes_per_sec}")),
    }
}

/// What went by.
struct Counted {
    rows: u64,
    bytes: u64,
    /// The first line is a heading.
    heading: bool,
    /// One line is one event.
    lines: bool,
}

fn pass_on(
    mut from: impl io::Read,
    mut to: impl Write,
    mut counted: Counted,
    bar: &ProgressBar,
) -> anyhow::Result<Counted> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut chunk).context("the server broke off; what was written is not whole")?;
        if length == 0 {
            break;
        }
        to.write_all(&chunk[..length])?;
        counted.bytes += length as u64;
        if counted.lines {
            counted.rows += chunk[..length].iter().filter(|octet| **octet == b'\n').count() as u64;
            bar.set_position(counted.rows);
        } else {
            bar.set_position(counted.bytes);
        }
    }
    to.flush()?;
    counted.rows = counted.rows.saturating_sub(u64::from(counted.heading));
    Ok(counted)
}

/// A file that takes its name only when it is whole.
struct Part {
    file: File,
    part: PathBuf,
    path: PathBuf,
    kept: bool,
}

impl Part {
    fn create(path: &Path) -> anyhow::Result<Part> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).with_context(|| format!("cannot write {}", part.display()))?;
        Ok(Part { file, part, path: path.to_owned(), kept: false })
    }

    fn keep(mut self) -> anyhow::Result<()> {
        self.file.sync_all().with_context(|| format!("cannot write {}", self.part.display()))?;
        std::fs::rename(&self.part, &self.path).with_context(|| format!("cannot write {}", self.path.display()))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_whole_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.csv");
        drop(Part::create(&path).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let part = Part::create(&path).unwrap();
        let counted = Counted { rows: 0, bytes: 0, heading: true, lines: true };
        let counted = pass_on(&b"time\n1\n2\n"[..], &part.file, counted, &ProgressBar::hidden()).unwrap();
        assert_eq!((counted.rows, counted.bytes), (2, 9));
        part.keep().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "time\n1\n2\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
