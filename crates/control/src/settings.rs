//! What the operator decided, checked as a whole before any of it is used.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use policy::{BlockAnswer, LISTS_MAX, ListInfo, Network};

/// Longest name of a list, bytes: it becomes a file name.
pub const LIST_NAME_BYTES_MAX: usize = 64;

/// What the operator decided.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the last good copies are kept, in a folder `lists`.
    pub folder: PathBuf,
    /// The lists; among equally precise rules of one action the earlier list is named.
    pub lists: Vec<ListSource>,
    /// How a block is answered.
    pub block: BlockAnswer,
    /// Networks that may ask.
    pub admitted: Vec<Network>,
    /// How much and how long a list may take.
    pub limits: Limits,
}

/// A list and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSource {
    /// What it is called and does.
    pub info: ListInfo,
    /// Where it lies.
    pub place: Place,
    /// How often it is looked at anew; less than a minute counts as a minute.
    pub refresh: Duration,
}

/// Where a list lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file on this machine, plain or gzip.
    File(PathBuf),
    /// An `http://` or `https://` URL.
    Url(String),
    /// The lines themselves.
    Text(String),
}

impl fmt::Display for Place {
    /// The place as shown and kept: without user and password that a URL may hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Text(_) => f.write_str("built in"),
            Place::Url(url) => {
                let Some((scheme, rest)) = url.split_once("://") else { return f.write_str(url) };
                let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(authority_end);
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                write!(f, "{scheme}://{host}{path}")
            }
        }
    }
}

/// How much and how long a list may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest list, bytes, unpacked.
    pub list_bytes_max: u64,
    /// Longest wait for a connection, its name lookup and TLS included.
    pub connect: Duration,
    /// Longest silence of a server in mid-reply.
    pub read: Duration,
    /// Longest download.
    pub download: Duration,
}

impl Default for Limits {
    /// 512 MiB hold 20 million rules of 26 bytes. 10 minutes suffice for them at 1 MiB/s.
    fn default() -> Limits {
        Limits {
            list_bytes_max: 512 * 1024 * 1024,
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            download: Duration::from_secs(600),
        }
    }
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A name that cannot be a file name everywhere.
    #[error(
        "list \"{0}\": a name has 1 to {LIST_NAME_BYTES_MAX} letters, digits, '-', '_' or '.', and does not begin with '.'"
    )]
    Name(String),
    /// Two lists of one name; upper and lower case count as the same.
    #[error("list \"{0}\" is configured twice")]
    Twice(String),
    /// More lists than a policy holds.
    #[error("{0} lists, at most {LISTS_MAX} are possible")]
    TooMany(usize),
    /// Not a URL that lists can be fetched from.
    #[error("list \"{list}\": \"{url}\" is not an http:// or https:// URL")]
    Url {
        /// The list.
        list: String,
        /// As written.
        url: String,
    },
}

impl Settings {
    /// Checks what can be checked without looking at any place.
    ///
    /// # Errors
    /// Names the list at fault.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.lists.len() > LISTS_MAX {
            return Err(SettingsError::TooMany(self.lists.len()));
        }
        for (index, source) in self.lists.iter().enumerate() {
            let name = &source.info.name;
            if !is_list_name(name) {
                return Err(SettingsError::Name(name.to_string()));
            }
            if self.lists[..index].iter().any(|before| before.info.name.eq_ignore_ascii_case(name)) {
                return Err(SettingsError::Twice(name.to_string()));
            }
            if let Place::Url(url) = &source.place
                && !is_web_url(url)
            {
                return Err(SettingsError::Url { list: name.to_string(), url: source.place.to_string() });
            }
        }
        Ok(())
    }
}

fn is_list_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=LIST_NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(fits)
}

fn is_web_url(url: &str) -> bool {
    url.parse::<ureq::http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    })
}
