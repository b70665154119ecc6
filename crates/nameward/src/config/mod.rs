//! The configuration file: as written, as resolved, and how both are shown.
//!
//! The file is a guest: every key is optional, and no file at all is a good file. `read` turns text into settings and
//! reports every mistake with its line; it opens nothing and looks at no system state.

mod access;
mod authority;
mod file;
mod keeping;
mod limits;
mod settle;
mod values;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use wire::name::Folded;
use wire::tsig::Algorithm;

pub use authority::{cookie_secret, key_secret, privacy_secret};
pub use keeping::{Log, LogRemote, NetworkPrivacy, Output, Privacy, SearchLimits, Tenant};
pub use settle::{about, read};

/// Column at which `show` says where a value came from, for values that leave room.
const ORIGIN_COLUMN: usize = 32;
/// Longest configuration file, bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// What runs: no options left.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder for everything kept: log, last good copies of lists, the command line's key.
    pub state: PathBuf,
    /// Where queries are answered; `None`: port 53 of the loopback addresses where allowed, else 5353.
    pub listen_dns: Option<Vec<SocketAddr>>,
    /// Answering threads; 0 is one for each core.
    pub threads: usize,
    /// Largest reply over UDP, octets.
    pub udp_size: u16,
    /// Upstreams by suffix; without one for `.` the system's resolvers serve it.
    pub upstreams: Vec<UpstreamGroup>,
    /// The cache.
    pub cache: cache::Settings,
    /// Lists in order.
    pub lists: Vec<List>,
    /// How a block is answered.
    pub block: policy::BlockAnswer,
    /// Networks that may ask.
    pub clients: Vec<policy::Network>,
    /// The log.
    pub log: Log,
    /// Limits of searches.
    pub search: SearchLimits,
    /// Whose events are whose.
    pub tenants: Vec<Tenant>,
    /// Networks whose client addresses are kept in another way.
    pub privacy: Vec<NetworkPrivacy>,
    /// Where events are sent to.
    pub outputs: Vec<Output>,
    /// Where dashboard and API are served; `None` is off.
    pub web_listen: Option<SocketAddr>,
    /// What tells this server from others behind one address (NSID, RFC 5001); empty is none.
    pub nsid: String,
    /// Limits of TCP connections.
    pub tcp: TcpLimits,
    /// DNS cookies.
    pub cookies: Cookies,
    /// How much may be asked over UDP.
    pub limits: engine::LimitSettings,
    /// TKEY.
    pub tkey: engine::TkeySettings,
    /// Keys of signed messages.
    pub keys: Vec<Key>,
    /// Zones in order.
    pub zones: Vec<Zone>,
    /// Every setting with its value and where it came from, in the order of the file.
    pub shown: Vec<Shown>,
}

/// Upstreams that serve one suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamGroup {
    /// The suffix as text; `.` for all.
    pub suffix: String,
    /// Servers, all equal: the quickest healthy one is asked.
    pub servers: Vec<Server>,
}

/// One upstream server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// How it is spoken to first; UDP falls back to TCP for long answers.
    pub transport: ServerTransport,
    /// Address and port.
    pub address: SocketAddr,
}

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerTransport {
    /// UDP, TCP for what does not fit.
    Udp,
    /// TCP only.
    Tcp,
}

/// One list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Name, action, format and EDE.
    pub info: policy::ListInfo,
    /// File path or http(s) URL.
    pub source: String,
    /// Time between two readings.
    pub refresh: Duration,
}

/// Limits of TCP connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpLimits {
    /// At once.
    pub connections: usize,
    /// Of one client address at once.
    pub per_client: usize,
    /// Without a query.
    pub idle: Duration,
}

/// DNS cookies.
#[derive(Clone, Debug)]
pub struct Cookies {
    /// How strict.
    pub mode: engine::CookieMode,
    /// The secret in force; `None`: made at the first start and kept in the state folder.
    pub secret: Option<Secret<[u8; 16]>>,
    /// Secrets that are still accepted.
    pub previous: Vec<Hidden<[u8; 16]>>,
    /// UDP queries a second without a good cookie, for each thread, from which on there is pressure.
    pub pressure: u32,
    /// Networks treated as mode `require` says.
    pub require_from: Vec<policy::Network>,
}

/// A key of signed messages.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name.
    pub name: Folded,
    /// The algorithm it is used with.
    pub algorithm: Algorithm,
    /// The secret.
    pub secret: Secret<Vec<u8>>,
    /// Shortest signature accepted, octets; `None`: whole ones only.
    pub mac_len_min: Option<usize>,
}

/// A secret: here, or the file that holds it.
#[derive(Clone, Debug)]
pub enum Secret<T> {
    /// Here.
    Here(Hidden<T>),
    /// In this file.
    File(PathBuf),
}

/// Something that is never shown.
#[derive(Clone)]
pub struct Hidden<T>(pub T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A zone.
#[derive(Clone, Debug)]
pub struct Zone {
    /// The apex.
    pub origin: Folded,
    /// Where its records come from.
    pub source: ZoneSource,
    /// Who is told of changes.
    pub notify: Vec<Peer>,
    /// Who may do what with it.
    pub access: engine::Access,
}

/// Where a zone's records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneSource {
    /// A zone file.
    File(PathBuf),
    /// These lines.
    Records(Vec<String>),
    /// Other servers.
    Primaries(Vec<Peer>),
}

/// Another server of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it answers.
    pub address: SocketAddr,
    /// Name of the key that messages between it and us are signed with.
    pub key: Option<Folded>,
}

/// One setting as shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Section and key, such as `cache.size`; array sections carry their place: `list[0].name`.
    pub key: String,
    /// Value as TOML.
    pub value: String,
    /// Line in the file; `None`: the default.
    pub line: Option<usize>,
}

/// A mistake in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line from 1; `None` when the mistake has no one place.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean \"{suggestion}\"?"),
            None => Ok(()),
        }
    }
}

impl Config {
    /// Folder of the log.
    #[must_use]
    pub fn log_folder(&self) -> PathBuf {
        self.log.folder.clone().unwrap_or_else(|| self.state.join("log"))
    }

    /// The settings as a TOML file that says where each value came from.
    #[must_use]
    pub fn show(&self, file: &str) -> String {
        let origin = |shown: &Shown| match shown.line {
            Some(line) => format!("{file}:{line}"),
            None => "default".to_owned(),
        };
        sections(&self.shown, |shown, key| {
            let gap = ORIGIN_COLUMN.saturating_sub(key.len() + shown.value.len());
            format!("{key} = {}{} # {}\n", shown.value, " ".repeat(gap), origin(shown))
        })
    }
}

/// The default file: every key with what it does, commented out at its default, and examples of the array sections.
#[must_use]
pub fn default_file() -> String {
    let head = "# Nameward: every setting at its default. Uncomment what you change; `nameward config check` tells what is\n\
                # wrong with a file, `nameward config show` what each setting came to be and why. SIGHUP reloads.\n";
    let body = match read("", std::path::Path::new("/var/lib/nameward")) {
        Ok(config) => sections(&config.shown, |shown, key| {
            format!("{}\n#{key} = {}\n", commented(about(&shown.key)), shown.value)
        }),
        Err(_) => String::new(),
    };
    format!("{head}{body}{}", settle::EXAMPLES)
}

fn commented(text: &str) -> String {
    text.lines().map(|line| format!("# {line}")).collect::<Vec<_>>().join("\n")
}

/// Lays settings out under their section headings.
fn sections(shown: &[Shown], line: impl Fn(&Shown, &str) -> String) -> String {
    let mut text = String::new();
    let mut open = "";
    for setting in shown {
        let (section, key) = setting.key.rsplit_once('.').unwrap_or(("", &setting.key));
        if section != open {
            open = section;
            let heading = match section.split_once('[') {
                Some((array, _)) => format!("\n[[{array}]]\n"),
                None => format!("\n[{section}]\n"),
            };
            text.push_str(&heading);
        }
        text.push_str(&line(setting, key));
    }
    text
}

#[cfg(test)]
mod tests;
