//! One list looked at where it lies: unchanged, new and checked, or why not.
//!
//! New bytes go straight to a part file, unpacked and counted. They are good when they are no web page and hold a rule; a list
//! of which no line can be read would only switch protection off.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::bufread::MultiGzDecoder;
use policy::{Compiler, ListInfo, ListReport};
use ureq::http::header::{ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::control::BUFFER_BYTES;
use crate::copies::{Copies, Origin, Part};
use crate::settings::{Limits, ListSource, Place};

/// Redirects followed for one download.
const REDIRECTS_MAX: u32 = 5;
/// Longest `ETag` or `Last-Modified` remembered, bytes.
const VALIDATOR_BYTES_MAX: usize = 1024;
/// Bytes at the start of a list that are looked at for signs of a web page.
const HEAD_BYTES: usize = 512;

/// What a look at a list found.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing newer than the copy in force.
    Unchanged,
    /// New bytes, checked, not yet kept.
    New(Part, Origin),
    /// New bytes in the operator's own file, checked; a copy could not be made.
    Uncopied(Origin, io::Error),
}

/// Why a list could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("cannot read {place}: {error}")]
    Read { place: String, error: io::Error },
    #[error("cannot fetch {place}: {error}")]
    Http { place: String, error: Box<ureq::Error> },
    #[error("cannot fetch {place}: the server answered {status}")]
    Status { place: String, status: StatusCode },
    #[error("{place} is larger than {max} bytes")]
    TooLarge { place: String, max: u64 },
    #[error("{place} is a web page, not a list")]
    WebPage { place: String },
    #[error("{place} holds no rule; line {line}, \"{text}\": {reason}")]
    NoRule { place: String, line: u64, text: String, reason: String },
    #[error("{place} is empty; the rules it had stay in force")]
    Emptied { place: String },
    #[error("cannot write a copy of {place}: {error}")]
    Copy { place: String, error: io::Error },
    #[error("stopped while fetching {place}")]
    Stopped { place: String },
}

/// What a look needs to know.
pub(crate) struct Look<'a> {
    pub(crate) source: &'a ListSource,
    /// The origin of the copy in force.
    pub(crate) known: Option<&'a Origin>,
    /// Rules the copy in force has.
    pub(crate) rules: u64,
    pub(crate) copies: &'a Copies,
    pub(crate) limits: Limits,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) now: SystemTime,
}

impl Look<'_> {
    /// Looks at the list. Blocks: for files on the disk, for URLs up to `limits.download`.
    pub(crate) fn fetch(&self) -> Result<Found, FetchError> {
        match &self.source.place {
            Place::Text(_) => Ok(Found::Unchanged),
            Place::File(path) => self.fetch_file(path),
            Place::Url(url) => self.fetch_url(url),
        }
    }

    fn fetch_file(&self, path: &Path) -> Result<Found, FetchError> {
        let unreadable = |error| FetchError::Read { place: self.place(), error };
        // Asked before it is opened: opening a pipe would wait for somebody to write to it.
        let stamp = fs::metadata(path).and_then(|metadata| stamp(&metadata)).map_err(unreadable)?;
        if self.known.is_some_and(|known| known.stamp.as_ref() == Some(&stamp)) {
            return Ok(Found::Unchanged);
        }
        let mut origin = Origin::new(self.place(), self.now);
        origin.stamp = Some(stamp);
        let file = File::open(path).map_err(unreadable)?;
        let filled = match self.copies.part(&self.source.info.name) {
            Ok(part) => self.fill(part, file, origin.clone()),
            Err(error) => Err(self.uncopied(error)),
        };
        match filled {
            Err(FetchError::Copy { error, .. }) => {
                let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(unreadable)?);
                self.check(&mut unpacked(&mut file).map_err(unreadable)?)?;
                Ok(Found::Uncopied(origin, error))
            }
            filled => filled,
        }
    }

    fn fetch_url(&self, url: &str) -> Result<Found, FetchError> {
        let response = self.get(url).map_err(|error| FetchError::Http { place: self.place(), error: error.into() })?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if self.known.is_some() => return Ok(Found::Unchanged),
            status => return Err(FetchError::Status { place: self.place(), status }),
        }
        let validator = |name: HeaderName| {
            let value = response.headers().get(name)?.to_str().ok()?;
            (value.len() <= VALIDATOR_BYTES_MAX).then(|| value.to_owned())
        };
        let mut origin = Origin::new(self.place(), self.now);
        origin.etag = validator(ETAG);
        origin.last_modified = validator(LAST_MODIFIED);
        let part = self.copies.part(&self.source.info.name).map_err(|error| self.uncopied(error))?;
        self.fill(part, response.into_body().into_reader(), origin)
    }

    fn get(&self, url: &str) -> Result<Response<Body>, ureq::Error> {
        let limits = self.limits;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // A list that was asked for safely must not come by an unsafe detour.
            .https_only(url.starts_with("https:"))
            .max_redirects(REDIRECTS_MAX)
            .user_agent(concat!("nameward/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_recv_response(Some(limits.read))
            .timeout_per_read(Some(limits.read))
            .timeout_global(Some(limits.download));
        if is_loopback(url) {
            // A proxy has no way to this machine.
            config = config.proxy(None);
        }
        let mut request = Agent::from(config.build()).get(url);
        if let Some(known) = self.known {
            if let Some(etag) = &known.etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            if let Some(last_modified) = &known.last_modified {
                request = request.header(IF_MODIFIED_SINCE, last_modified);
            }
        }
        request.call()
    }

    /// Copies everything into the part, then checks what it holds.
    fn fill(&self, mut part: Part, from: impl Read, origin: Origin) -> Result<Found, FetchError> {
        let unreadable = |error| FetchError::Read { place: self.place(), error };
        let mut from = BufReader::with_capacity(BUFFER_BYTES, from);
        let mut from = unpacked(&mut from).map_err(unreadable)?;
        let mut left = self.limits.list_bytes_max;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(FetchError::Stopped { place: self.place() });
            }
            let bytes = from.fill_buf().map_err(unreadable)?;
            let len = bytes.len();
            if len == 0 {
                break;
            }
            left = left
                .checked_sub(len as u64)
                .ok_or_else(|| FetchError::TooLarge { place: self.place(), max: self.limits.list_bytes_max })?;
            part.file.write_all(bytes).map_err(|error| self.uncopied(error))?;
            from.consume(len);
        }
        part.file.rewind().map_err(|error| self.uncopied(error))?;
        self.check(&mut BufReader::with_capacity(BUFFER_BYTES, &part.file))?;
        Ok(Found::New(part, origin))
    }

    fn check(&self, bytes: &mut dyn BufRead) -> Result<(), FetchError> {
        let unreadable = |error| FetchError::Read { place: self.place(), error };
        if is_web_page(bytes.fill_buf().map_err(unreadable)?) {
            return Err(FetchError::WebPage { place: self.place() });
        }
        let report = dry_run(&self.source.info, bytes.take(self.limits.list_bytes_max)).map_err(unreadable)?;
        if report.rules > 0 {
            return Ok(());
        }
        match report.faults.into_iter().next() {
            Some(fault) => {
                let (line, text, reason) = (fault.line, fault.text, fault.reason);
                Err(FetchError::NoRule { place: self.place(), line, text, reason })
            }
            // An operator may empty a file; a server that sends nothing has more likely lost its list.
            None if self.rules > 0 && matches!(self.source.place, Place::Url(_)) => {
                Err(FetchError::Emptied { place: self.place() })
            }
            None => Ok(()),
        }
    }

    fn place(&self) -> String {
        self.source.place.to_string()
    }

    fn uncopied(&self, error: io::Error) -> FetchError {
        FetchError::Copy { place: self.place(), error }
    }
}

/// What reading the list would give, on its own.
fn dry_run(info: &ListInfo, bytes: impl BufRead) -> io::Result<ListReport> {
    // The rules are thrown away at once, so the seed guards nothing.
    Compiler::new(0).add(info.clone(), bytes)
}

/// Gzip is told by its first two bytes, whatever the file is called.
pub(crate) fn unpacked<'r>(from: &'r mut dyn BufRead) -> io::Result<Box<dyn BufRead + 'r>> {
    Ok(if from.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(from)))
    } else {
        Box::new(from)
    })
}

/// Size and time of change: what differs when a file was written to.
fn stamp(metadata: &fs::Metadata) -> io::Result<String> {
    if !metadata.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{} bytes, {} ns", metadata.len(), changed.as_nanos()))
}

fn is_web_page(head: &[u8]) -> bool {
    let head = &head[..head.len().min(HEAD_BYTES)];
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    ["<!doctype", "<html", "<head", "<?xml", "<!--"]
        .iter()
        .any(|sign| head.get(..sign.len()).is_some_and(|start| start.eq_ignore_ascii_case(sign.as_bytes())))
}

fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<ureq::http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|host| host.is_loopback())
}
