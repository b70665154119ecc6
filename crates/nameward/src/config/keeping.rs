//! Sections about the log: how it is kept, whose events are whose, how client addresses are kept, how much a search may take; and
//! where events are sent to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use output::{Format, Target, Transport};
use policy::Network;

use super::settle::{Settle, path, whole};
use super::{file, values};

/// Most tenants, sections of privacy, and networks of one of them.
const SECTIONS_MAX: usize = 10_000;
/// Most outputs: each has a thread.
const OUTPUTS_MAX: usize = 64;
/// Longest name of a tenant, output or node, octets.
const NAME_LEN_MAX: usize = 64;
/// Longest name of a node, octets: it travels as a host name.
const NODE_LEN_MAX: usize = 255;
/// Smallest spool, unless there is none.
const SPOOL_BYTES_MIN: u64 = 1 << 20;

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct Log {
    /// Folder; `None` is `log` in the state folder.
    pub folder: Option<PathBuf>,
    /// Events older than this are dropped by whole hours.
    pub keep_age: Option<Duration>,
    /// Oldest hours are dropped when the log is larger.
    pub keep_bytes: Option<u64>,
    /// Name of this server in every event; `None`: the host's name.
    pub node: Option<String>,
    /// How client addresses are kept.
    pub privacy: Privacy,
    /// Bits of IPv4 and IPv6 addresses that are kept when they are truncated.
    pub privacy_bits: (u8, u8),
    /// File with the secret of pseudonyms; `None`: made when it is first needed and kept in the state folder.
    pub privacy_secret_file: Option<PathBuf>,
    /// Where settled segments go; `None`: they stay.
    pub remote: Option<LogRemote>,
}

/// The remote store of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRemote {
    /// Where it is.
    pub place: store::Place,
    /// Segments whose newest event is older go there.
    pub keep_local: Duration,
    /// Where the store answers; `None`: Amazon's of the region.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Name of the key and file with its secret; `None`: the role of the machine.
    pub key: Option<(String, PathBuf)>,
}

/// How client addresses are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// As they are.
    Full,
    /// Their first bits.
    Truncated,
    /// As pseudonyms: the same client has the same one.
    Pseudonym,
    /// Not at all, nor names, answers and texts.
    Counts,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name, as searches have it.
    pub name: Arc<str>,
    /// Whence its clients ask.
    pub networks: Vec<Network>,
    /// How its client addresses are kept; `None`: as everyone's.
    pub privacy: Option<Privacy>,
    /// How long its events are kept; `None`: as everyone's.
    pub keep_age: Option<Duration>,
}

/// How client addresses of some networks are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPrivacy {
    /// The networks.
    pub networks: Vec<Network>,
    /// How.
    pub privacy: Privacy,
}

/// Limits of all searches together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchLimits {
    /// Memory, octets.
    pub memory_bytes: usize,
    /// Time of one search.
    pub time: Duration,
    /// Searches at one time.
    pub concurrent: usize,
}

/// Where events are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Where to.
    pub to: Target,
    /// How the body of a syslog message is written.
    pub format: Format,
    /// Which events; empty for all.
    pub search: String,
    /// Most octets on disk while the far end is down; 0 is none.
    pub spool_bytes: u64,
    /// Authorities of the far end's certificate; `None`: those the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

const PRIVACY: [(&str, Privacy); 4] = [
    ("full", Privacy::Full),
    ("truncated", Privacy::Truncated),
    ("pseudonym", Privacy::Pseudonym),
    ("counts", Privacy::Counts),
];

fn privacy_or_default(text: &str) -> Result<Option<Privacy>, (String, Option<String>)> {
    if text.is_empty() { Ok(None) } else { values::word(text, &PRIVACY).map(Some) }
}

fn file_or_none(text: &str) -> Result<Option<PathBuf>, String> {
    if text.is_empty() { Ok(None) } else { path(text).map(Some) }
}

/// Where a store answers; a path would be taken for a bucket.
fn endpoint(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let host =
        text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).map(|host| host.trim_end_matches('/'));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '[' | ']');
    match host {
        Some(host) if !host.is_empty() && host.len() <= NODE_LEN_MAX && host.chars().all(plain) => {
            Ok(Some(text.trim_end_matches('/').to_owned()))
        }
        _ => Err("no endpoint: write https://HOST or https://HOST:PORT, and keys in their own settings".to_owned()),
    }
}

/// A word without spaces.
fn word_or_none(text: &str, what: &str) -> Result<Option<String>, String> {
    match text {
        "" => Ok(None),
        text if text.len() <= NODE_LEN_MAX && text.bytes().all(|octet| octet.is_ascii_graphic()) => {
            Ok(Some(text.to_owned()))
        }
        text => Err(format!("\"{text}\" is no {what}: no spaces, at most {NODE_LEN_MAX} characters")),
    }
}

/// A name that can stand in a search, a file name and a label without quotes.
fn name(text: &str, what: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match text {
        "" => Err(format!("{what} needs a name")),
        text if text.len() <= NAME_LEN_MAX && text.chars().all(plain) && !text.starts_with('.') => Ok(text.to_owned()),
        text => Err(format!(
            "\"{text}\" cannot be the name of {what}: letters, digits, - _ . and at most {NAME_LEN_MAX} of them"
        )),
    }
}

/// How long events are kept; a zero says `None`.
fn keep_age(text: &str) -> Result<Option<Duration>, String> {
    match values::duration(text)? {
        span if span.is_zero() => Ok(None),
        span if span.as_secs() < 3600 => Err("at least 1 hour: the log is dropped by whole hours".to_owned()),
        span => Ok(Some(span)),
    }
}

impl Settle<'_> {
    pub(super) fn log(&mut self, section: file::Log) -> Option<Log> {
        let folder = self.text("log.folder", section.folder, "", file_or_none);
        let keep_age = self.text("log.keep_age", section.keep_age, "90 days", keep_age);
        let keep_bytes = self.text("log.keep_bytes", section.keep_bytes, "10 GiB", |text| match values::bytes(text)? {
            0 => Ok(None),
            bytes if bytes < 1 << 20 => Err("at least 1 MiB".to_owned()),
            bytes => Ok(Some(bytes)),
        });
        let node = self.text("log.node", section.node, "", |text| match text {
            "" => Ok(None),
            text if text.len() <= NODE_LEN_MAX && text.bytes().all(|octet| octet.is_ascii_graphic()) => {
                Ok(Some(text.to_owned()))
            }
            text => Err(format!("\"{text}\" is no name of a server: no spaces, at most {NODE_LEN_MAX} characters")),
        });
        let privacy = self.one("log.privacy", section.privacy, "full".to_owned(), |text| values::word(text, &PRIVACY));
        let v4 = self
            .one("log.privacy_bits_v4", section.privacy_bits_v4, 24, |&bits| whole(bits, 0, 32).map(|bits| bits as u8));
        let v6 = self.one("log.privacy_bits_v6", section.privacy_bits_v6, 48, |&bits| {
            whole(bits, 0, 128).map(|bits| bits as u8)
        });
        let secret = self.text("log.privacy_secret_file", section.privacy_secret_file, "", file_or_none);
        let remote = self.log_remote(section.remote);
        Some(Log {
            folder: folder?,
            keep_age: keep_age?,
            keep_bytes: keep_bytes?,
            node: node?,
            privacy: privacy?,
            privacy_bits: (v4?, v6?),
            privacy_secret_file: secret?,
            remote: remote?,
        })
    }

    fn log_remote(&mut self, section: file::LogRemote) -> Option<Option<LogRemote>> {
        const URL: &str = "log.remote.url";
        let s3_only = [&section.endpoint, &section.region, &section.access_key_id, &section.secret_access_key_file];
        let said = |written: &&&file::Written<String>| written.as_ref().is_some_and(|text| !text.get_ref().is_empty());
        let s3_line = s3_only.iter().filter(said).find_map(|written| self.line(written));
        let (endpoint_line, id_line) = (self.line(&section.endpoint), self.line(&section.access_key_id));
        let file_line = self.line(&section.secret_access_key_file);
        let plain_line = self.line(&section.allow_http);
        let place = self.text(URL, section.url, "", |text| match text {
            "" => Ok(None),
            text => store::Place::parse(text).map(Some),
        });
        let keep_local = self.text("log.remote.keep_local", section.keep_local, "1 day", values::duration);
        let endpoint = self.text("log.remote.endpoint", section.endpoint, "", endpoint);
        let region = self.text("log.remote.region", section.region, "", |text| word_or_none(text, "region"));
        let id = self
            .text("log.remote.access_key_id", section.access_key_id, "", |text| word_or_none(text, "name of a key"));
        let secret = self.text("log.remote.secret_access_key_file", section.secret_access_key_file, "", file_or_none);
        let plain = self.one("log.remote.allow_http", section.allow_http, false, |&plain| Ok(plain));
        let (place, keep_local, endpoint, region) = (place?, keep_local?, endpoint?, region?);
        let (id, secret, plain) = (id?, secret?, plain?);
        if id.is_some() != secret.is_some() {
            let message = "access_key_id and secret_access_key_file come together";
            self.fault(id_line.or(file_line), "log.remote", message, None);
        }
        match &endpoint {
            Some(endpoint) if endpoint.starts_with("http://") && !plain => {
                let message = "events would travel in the clear: https://, or allow_http = true as well";
                self.fault(endpoint_line, "log.remote.endpoint", message, None);
            }
            Some(endpoint) if endpoint.starts_with("http://") => {}
            _ if plain => {
                self.fault(plain_line, "log.remote.allow_http", "it is for an endpoint that is http://", None);
            }
            _ => {}
        }
        let Some(place) = place else {
            if let Some(line) = s3_line {
                self.fault(Some(line), "log.remote", "without url nothing of it is used", None);
            }
            return Some(None);
        };
        if matches!(place, store::Place::Folder(_)) && s3_line.is_some() {
            self.fault(s3_line, "log.remote", "endpoint, region and keys are for s3://", None);
        }
        Some(Some(LogRemote { place, keep_local, endpoint, region, key: id.zip(secret) }))
    }

    pub(super) fn search(&mut self, section: file::Search) -> Option<SearchLimits> {
        let memory = self.text("search.memory", section.memory, "1 GiB", |text| match values::bytes(text)? {
            bytes if bytes < 64 << 20 => Err("at least 64 MiB".to_owned()),
            bytes => usize::try_from(bytes).map_err(|_| "more memory than this machine can address".to_owned()),
        });
        let time = self.text("search.time", section.time, "30s", |text| match values::duration(text)? {
            span if span < Duration::from_secs(1) || span > Duration::from_secs(3600) => Err("1 s to 1 h".to_owned()),
            span => Ok(span),
        });
        let concurrent = self.one("search.concurrent", section.concurrent, 4, |&number| {
            whole(number, 1, 64).map(|number| number as usize)
        });
        Some(SearchLimits { memory_bytes: memory?, time: time?, concurrent: concurrent? })
    }

    pub(super) fn tenants(&mut self, sections: Vec<file::Tenant>) -> Option<Vec<Tenant>> {
        self.not_too_many("tenant", sections.len(), SECTIONS_MAX)?;
        let mut tenants: Vec<Option<Tenant>> = Vec::with_capacity(sections.len());
        let mut names = std::collections::HashSet::new();
        let mut taken = std::collections::HashMap::new();
        for (index, section) in sections.into_iter().enumerate() {
            let at = format!("tenant[{index}]");
            let (line, networks_line) = (self.line(&section.name), self.line(&section.networks));
            let tenant = self.tenant(&at, section);
            if let Some(tenant) = &tenant {
                if !names.insert(Arc::clone(&tenant.name)) {
                    let message = format!("a second tenant is named \"{}\"", tenant.name);
                    self.fault(line, &format!("{at}.name"), &message, None);
                }
                for network in &tenant.networks {
                    let key = (network.address, network.prefix);
                    if let Some(other) = taken.insert(key, Arc::clone(&tenant.name)) {
                        let message =
                            format!("{}/{} is a network of \"{other}\" already", network.address, network.prefix);
                        self.fault(networks_line, &format!("{at}.networks"), &message, None);
                    }
                }
            }
            tenants.push(tenant);
        }
        tenants.into_iter().collect()
    }

    fn tenant(&mut self, at: &str, section: file::Tenant) -> Option<Tenant> {
        let key = |name: &str| format!("{at}.{name}");
        let tenant = self.text(&key("name"), section.name, "", |text| name(text, "a tenant"));
        let networks = self.networks(&key("networks"), section.networks);
        let privacy = self.one(&key("privacy"), section.privacy, String::new(), |text| privacy_or_default(text));
        let keep = self.text(&key("keep_age"), section.keep_age, "", |text| match text {
            "" => Ok(None),
            text => keep_age(text),
        });
        Some(Tenant { name: tenant?.into(), networks: networks?, privacy: privacy?, keep_age: keep? })
    }

    pub(super) fn privacy(&mut self, sections: Vec<file::Privacy>) -> Option<Vec<NetworkPrivacy>> {
        self.not_too_many("privacy", sections.len(), SECTIONS_MAX)?;
        let read = |(index, section): (usize, file::Privacy)| {
            let networks = self.networks(&format!("privacy[{index}].networks"), section.networks);
            let line = self.line(&section.privacy);
            let privacy = self.one(&format!("privacy[{index}].privacy"), section.privacy, String::new(), |text| {
                privacy_or_default(text)
            });
            if let Some(None) = privacy {
                let message = "one of full, truncated, pseudonym, counts is needed";
                self.fault(line, &format!("privacy[{index}].privacy"), message, None);
            }
            Some(NetworkPrivacy { networks: networks?, privacy: privacy?? })
        };
        let sections: Vec<Option<NetworkPrivacy>> = sections.into_iter().enumerate().map(read).collect();
        sections.into_iter().collect()
    }

    fn networks(&mut self, key: &str, written: file::Written<Vec<String>>) -> Option<Vec<Network>> {
        self.one(key, written, Vec::new(), |texts: &Vec<String>| {
            if texts.is_empty() || texts.len() > SECTIONS_MAX {
                return Err((format!("1 to {SECTIONS_MAX} networks are needed"), None));
            }
            let read = |text: &String| Network::parse(text).map_err(|error| (error.to_string(), None));
            texts.iter().map(read).collect()
        })
    }

    pub(super) fn outputs(&mut self, sections: Vec<file::Output>) -> Option<Vec<Output>> {
        self.not_too_many("output", sections.len(), OUTPUTS_MAX)?;
        let mut outputs: Vec<Option<Output>> = Vec::with_capacity(sections.len());
        for (index, section) in sections.into_iter().enumerate() {
            let line = self.line(&section.name);
            let output = self.output(&format!("output[{index}]"), section);
            if let Some(output) = &output
                && outputs.iter().flatten().any(|before| before.name == output.name)
            {
                let message = format!("a second output is named \"{}\"", output.name);
                self.fault(line, &format!("output[{index}].name"), &message, None);
            }
            outputs.push(output);
        }
        outputs.into_iter().collect()
    }

    fn output(&mut self, at: &str, section: file::Output) -> Option<Output> {
        let key = |name: &str| format!("{at}.{name}");
        let files = [&section.ca_file, &section.client_cert_file, &section.client_key_file];
        let tls_line = files.iter().find_map(|written| self.line(written));
        let (format_line, client_line) =
            (self.line(&section.format), files.iter().skip(1).find_map(|it| self.line(it)));
        let output = self.text(&key("name"), section.name, "", |text| name(text, "an output"));
        let to = self.text(&key("to"), section.to, "", |text| text.parse::<Target>());
        let format =
            self.one(&key("format"), section.format, "json".to_owned(), |text| values::word(text, &Format::ALL));
        let search = self.text(&key("search"), section.search, "", |text| match search::parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(faults) => Err(faults.iter().map(|fault| fault.message.clone()).collect::<Vec<_>>().join("; ")),
        });
        let spool = self.text(&key("spool_bytes"), section.spool_bytes, "256 MiB", |text| match values::bytes(text)? {
            bytes if bytes > 0 && bytes < SPOOL_BYTES_MIN => Err("at least 1 MiB, or 0 for none".to_owned()),
            bytes => Ok(bytes),
        });
        let ca = self.text(&key("ca_file"), section.ca_file, "", file_or_none);
        let cert = self.text(&key("client_cert_file"), section.client_cert_file, "", file_or_none);
        let secret = self.text(&key("client_key_file"), section.client_key_file, "", file_or_none);
        let (to, cert, secret) = (to?, cert?, secret?);
        let (ca, format) = (ca?, format?);
        if matches!(to, Target::Dnstap(_)) && format != Format::Json {
            self.fault(format_line, &key("format"), "dnstap has one form: leave it out", None);
        }
        let has_files = ca.is_some() || cert.is_some() || secret.is_some();
        if has_files && !matches!(to.transport(), Transport::Tls { .. }) {
            self.fault(tls_line, at, "files of TLS are for dnstap+tls and syslog+tls", None);
        }
        if cert.is_some() != secret.is_some() {
            self.fault(client_line, at, "client_cert_file and client_key_file come together", None);
        }
        Some(Output {
            name: output?,
            to,
            format,
            search: search?,
            spool_bytes: spool?,
            ca_file: ca,
            client: cert.zip(secret),
        })
    }

    fn not_too_many(&mut self, what: &str, count: usize, most: usize) -> Option<()> {
        if count > most {
            self.fault(None, what, &format!("{count} sections, at most {most}"), None);
            return None;
        }
        Some(())
    }
}
