//! What the operator wants of the zones.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wire::name::Folded;
use wire::tsig::Key;
use zone::Role;

/// Most zones kept: each has a task and may have an open journal.
pub const ZONES_MAX: usize = 10_000;
/// Most primaries, and most servers told, of one zone.
const PEERS_MAX: usize = 64;

/// One zone and what is to be done with it.
#[derive(Clone, Debug)]
pub struct ZoneSettings {
    /// The apex.
    pub origin: Folded,
    /// Where its records come from.
    pub source: ZoneSource,
    /// Who is told of a new serial.
    pub notify: Vec<Peer>,
    /// How much and how long a transfer may take.
    pub limits: ZoneLimits,
}

/// Where a zone's records come from.
#[derive(Clone, Debug)]
pub enum ZoneSource {
    /// A zone file on this machine; `$INCLUDE` is relative to its folder.
    File(PathBuf),
    /// Lines of a zone file, kept by us: SOA and NS are made when they are not among them.
    Kept(String),
    /// Other servers, asked in this order.
    Secondary(Vec<Peer>),
}

impl ZoneSource {
    /// Whether we are primary.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            ZoneSource::File(_) | ZoneSource::Kept(_) => Role::Primary,
            ZoneSource::Secondary(_) => Role::Secondary,
        }
    }
}

impl fmt::Display for ZoneSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ZoneSource::File(path) => write!(f, "{}", path.display()),
            ZoneSource::Kept(_) => f.write_str("configuration"),
            ZoneSource::Secondary(primaries) => {
                let all: Vec<String> = primaries.iter().map(Peer::to_string).collect();
                f.write_str(&all.join(", "))
            }
        }
    }
}

/// Another server of a zone.
#[derive(Clone)]
pub struct Peer {
    /// Where it answers.
    pub address: SocketAddr,
    /// What is said to it is signed with this, and what it says must be.
    pub key: Option<Arc<Key>>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        match &self.key {
            Some(key) => write!(f, " key={}", key.name),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Peer {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({self})")
    }
}

/// How much and how long a transfer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneLimits {
    /// Most records of a zone taken in.
    pub records_max: usize,
    /// Most octets of one transfer.
    pub octets_max: u64,
    /// Longest transfer.
    pub transfer: Duration,
}

impl Default for ZoneLimits {
    /// 10 million records of 50 octets, at 1 MiB/s within ten minutes.
    fn default() -> ZoneLimits {
        ZoneLimits { records_max: 10_000_000, octets_max: 1 << 30, transfer: Duration::from_secs(600) }
    }
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZonesError {
    /// Two of one name.
    #[error("zone \"{0}\" is configured twice")]
    Twice(String),
    /// Too many.
    #[error("{0} zones, at most {ZONES_MAX} are possible")]
    TooMany(usize),
    /// No primary, or too many.
    #[error("zone \"{zone}\": {count} primaries, 1 to {PEERS_MAX} are possible")]
    Primaries {
        /// The zone.
        zone: String,
        /// How many.
        count: usize,
    },
    /// The folder of journals cannot be used.
    #[error("cannot keep zones in {folder}: {why}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why.
        why: String,
    },
    /// Too many to tell.
    #[error("zone \"{zone}\": {count} servers to notify, at most {PEERS_MAX} are possible")]
    Notify {
        /// The zone.
        zone: String,
        /// How many.
        count: usize,
    },
}

/// Checks what can be checked without looking at any file.
pub(crate) fn check(zones: &[ZoneSettings]) -> Result<(), ZonesError> {
    if zones.len() > ZONES_MAX {
        return Err(ZonesError::TooMany(zones.len()));
    }
    let mut seen = std::collections::HashSet::new();
    for settings in zones {
        let zone = || settings.origin.text();
        if !seen.insert(&settings.origin) {
            return Err(ZonesError::Twice(zone()));
        }
        if let ZoneSource::Secondary(primaries) = &settings.source
            && !(1..=PEERS_MAX).contains(&primaries.len())
        {
            return Err(ZonesError::Primaries { zone: zone(), count: primaries.len() });
        }
        if settings.notify.len() > PEERS_MAX {
            return Err(ZonesError::Notify { zone: zone(), count: settings.notify.len() });
        }
    }
    Ok(())
}
