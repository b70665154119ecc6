//! Every event that matches, written by the server as CSV, NDJSON or Parquet and passed on as it comes.
//!
//! Whether all of it came is looked at here: what breaks off behind a proxy of HTTP/1.0 looks like an end.

use std::fs::{self, File, Permissions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::NamedTempFile;

use super::rows::nothing;
use super::{Client, Form, SearchArgs, Span, refused};
use crate::cli::Ended;

/// Octets passed on at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// How a Parquet file ends.
const PARQUET_END: &[u8; 4] = b"PAR1";

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
    let counted = Counted::new(form);
    let shown = io::stderr().is_terminal() && (args.form.to.is_some() || !io::stdout().is_terminal());
    let bar = if shown { bar(total, counted.lines) } else { ProgressBar::hidden() };
    let body = reply.into_body().into_reader();
    let counted = match &args.form.to {
        Some(path) => {
            let mut place = Place::open(path)?;
            let counted = pass_on(body, &mut place, counted, &bar)?.whole(total)?;
            place.keep()?;
            counted
        }
        None => pass_on(body, io::stdout().lock(), counted, &bar)?.whole(total)?,
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
    /// The last octets.
    end: [u8; 4],
}

impl Counted {
    fn new(form: Form) -> Counted {
        Counted { rows: 0, bytes: 0, heading: form == Form::Csv, lines: form != Form::Parquet, end: [0; 4] }
    }

    fn count(&mut self, octets: &[u8]) {
        self.bytes += octets.len() as u64;
        if self.lines {
            self.rows += octets.iter().filter(|octet| **octet == b'\n').count() as u64;
        }
        let last = &octets[octets.len().saturating_sub(self.end.len())..];
        self.end.rotate_left(last.len());
        let kept = self.end.len() - last.len();
        self.end[kept..].copy_from_slice(last);
    }

    /// All the events announced, or a Parquet file with its end.
    fn whole(self, announced: Option<u64>) -> anyhow::Result<Counted> {
        if self.lines {
            let announced = announced.unwrap_or(self.rows);
            let came = self.rows;
            anyhow::ensure!(came == announced, "{came} of {announced} events came; what was written is not whole");
        } else {
            anyhow::ensure!(&self.end == PARQUET_END, "the file came without its end; what was written is not whole");
        }
        Ok(self)
    }
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
        counted.count(&chunk[..length]);
        bar.set_position(if counted.lines { counted.rows } else { counted.bytes });
    }
    to.flush()?;
    counted.rows = counted.rows.saturating_sub(u64::from(counted.heading));
    Ok(counted)
}

/// Where the events go.
enum Place {
    /// A file that takes its name only when it is whole; until then it has one of its own, and goes when that never comes.
    File { part: NamedTempFile, path: PathBuf },
    /// What is there and no file: a device, a pipe, a link to either or to a file. It stays, and is written to.
    There(File),
}

impl Place {
    fn open(path: &Path) -> anyhow::Result<Place> {
        let cannot = || format!("cannot write {}", path.display());
        if fs::symlink_metadata(path).is_ok_and(|about| !about.is_file()) {
            return Ok(Place::There(File::create(path).with_context(cannot)?));
        }
        let name = path.file_name().with_context(cannot)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut head = name.to_owned();
        head.push(".");
        // As any new file: what the umask leaves.
        let mode = Permissions::from_mode(0o666);
        let part = tempfile::Builder::new().prefix(&head).suffix(".part").permissions(mode).tempfile_in(folder);
        Ok(Place::File { part: part.with_context(cannot)?, path: path.to_owned() })
    }

    fn keep(self) -> anyhow::Result<()> {
        if let Place::File { part, path } = self {
            let cannot = || format!("cannot write {}", path.display());
            part.as_file().sync_all().with_context(cannot)?;
            part.persist(&path).with_context(cannot)?;
        }
        Ok(())
    }
}

impl Write for Place {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Place::File { part, .. } => part.write(octets),
            Place::There(file) => file.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Place::File { part, .. } => part.flush(),
            Place::There(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileTypeExt as _;

    use super::*;

    fn passed(text: &[u8], form: Form, to: impl Write) -> Counted {
        pass_on(text, to, Counted::new(form), &ProgressBar::hidden()).unwrap()
    }

    #[test]
    fn a_file_that_is_not_whole_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.csv");
        drop(Place::open(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let (mut one, two) = (Place::open(&path).unwrap(), Place::open(&path).unwrap());
        let counted = passed(b"time\n1\n2\n", Form::Csv, &mut one);
        assert_eq!((counted.rows, counted.bytes), (2, 9));
        one.keep().unwrap();
        drop(two);
        assert_eq!(fs::read_to_string(&path).unwrap(), "time\n1\n2\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("events.csv"), folder.path().join("link.csv"));
        fs::write(&file, "of before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let null = folder.path().join("null.csv");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        for path in [&link, &null, &PathBuf::from("/dev/null")] {
            let mut place = Place::open(path).unwrap();
            passed(b"time\n", Form::Csv, &mut place);
            place.keep().unwrap();
        }
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "time\n");
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        assert!(Place::open(folder.path()).is_err());
    }

    #[test]
    fn what_lacks_events_or_its_end_is_not_whole() {
        for (text, form, announced, whole) in [
            (&b"time\n1\n2\n"[..], Form::Csv, Some(2), true),
            (b"time\n1\n", Form::Csv, Some(2), false),
            (b"time\n", Form::Csv, Some(0), true),
            (b"{}\n{}", Form::Json, Some(2), false),
            (b"{}\n", Form::Json, None, true),
            (b"PAR1..PAR1", Form::Parquet, Some(9), true),
            (b"PAR1..PA", Form::Parquet, Some(9), false),
            (b"", Form::Parquet, Some(0), false),
        ] {
            assert_eq!(passed(text, form, io::sink()).whole(announced).is_ok(), whole, "{text:?}");
        }
        // The end may come in pieces.
        let mut counted = Counted::new(Form::Parquet);
        ["PAR1", "..PA", "R", "1"].iter().for_each(|piece| counted.count(piece.as_bytes()));
        assert!(counted.whole(None).is_ok());
    }
}
