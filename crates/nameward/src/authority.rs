//! From the configuration to what is held with authority: keys loaded, zones opened, access mapped; and the secret of cookies.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, anyhow};
use control::zones::{Registrar, ZoneLimits, ZoneSettings};
use engine::{Authority, CookieSettings};
use wire::cookie;
use wire::name::Folded;
use wire::tsig::Key;
use zone::{State, Zones};

use crate::config::{self, Config, Peer, ZoneSource};
use crate::key;

/// File of the cookie secret in the state folder, when none is configured.
const COOKIE_SECRET_FILE: &str = "cookie.secret";

/// Keys with their secrets.
///
/// # Errors
/// Names the key whose secret cannot be read.
pub(crate) fn keys(config: &Config) -> anyhow::Result<Vec<Arc<Key>>> {
    let key = |key: &config::Key| {
        let secret = key.secret.load(config::key_secret).map_err(|why| anyhow!("key \"{}\": {why}", key.name))?;
        key.with(&secret).map(Arc::new).map_err(|why| anyhow!("key \"{}\": {why}", key.name))
    };
    config.keys.iter().map(key).collect()
}

/// What the registrar is to keep.
pub(crate) fn zones(config: &Config, keys: &[Arc<Key>]) -> Vec<ZoneSettings> {
    let find = |name: &Folded| keys.iter().find(|key| key.name == *name).cloned();
    let peers = |peers: &[Peer]| {
        let peer = |peer: &Peer| control::zones::Peer { address: peer.address, key: peer.key.as_ref().and_then(find) };
        peers.iter().map(peer).collect::<Vec<_>>()
    };
    let zone = |zone: &config::Zone| ZoneSettings {
        origin: zone.origin.clone(),
        source: match &zone.source {
            ZoneSource::File(path) => control::zones::ZoneSource::File(path.clone()),
            ZoneSource::Records(lines) => control::zones::ZoneSource::Kept(lines.join("\n")),
            ZoneSource::Primaries(primaries) => control::zones::ZoneSource::Secondary(peers(primaries)),
        },
        notify: peers(&zone.notify),
        limits: ZoneLimits::default(),
    };
    config.zones.iter().map(zone).collect()
}

/// Puts zones in service as disk knows them.
///
/// # Errors
/// When zones cannot be kept at all; a single zone that cannot be read says so where it is asked for.
pub(crate) fn open(config: &Config, keys: &[Arc<Key>], seed: u64) -> anyhow::Result<Arc<Registrar>> {
    let registrar = Registrar::open(&config.state, zones(config, keys), seed, Arc::new(SystemTime::now));
    Ok(Arc::new(registrar.map_err(|error| anyhow!("zones: {error}"))?))
}

/// Everything held with authority, for publishing.
pub(crate) fn authority(config: &Config, keys: &[Arc<Key>], registrar: &Arc<Registrar>) -> Arc<Authority> {
    let access: HashMap<_, _> = config.zones.iter().map(|zone| (zone.origin.clone(), zone.access.clone())).collect();
    Arc::new(Authority {
        zones: Zones::new(registrar.zones()),
        access,
        keys: keys.to_vec(),
        tkey: config.tkey.clone(),
        keeper: Arc::<Registrar>::clone(registrar),
    })
}

/// The banner's line.
pub(crate) fn told(registrar: &Registrar) -> Option<String> {
    let zones = registrar.zones();
    let count = zones.len();
    let served = zones.iter().filter(|held| matches!(&**held.state(), State::Loaded(_))).count();
    match (count, count - served) {
        (0, _) => None,
        (1, 0) => Some("1 zone".to_owned()),
        (_, 0) => Some(format!("{count} zones")),
        (_, waiting) => Some(format!("{count} zones, {waiting} not in service: `nameward zone list` says why")),
    }
}

/// Cookies as configured; a secret of our own where none is, made at the first start.
///
/// # Errors
/// When a secret cannot be read or kept.
pub(crate) fn cookies(config: &Config) -> anyhow::Result<CookieSettings> {
    let cookies = &config.cookies;
    let secret = match &cookies.secret {
        Some(secret) => secret.load(config::cookie_secret).map_err(|why| anyhow!("cookies: {why}"))?,
        None => kept_secret(&config.state.join(COOKIE_SECRET_FILE))?,
    };
    let secrets = std::iter::once(secret).chain(cookies.previous.iter().map(|previous| previous.0));
    Ok(CookieSettings {
        mode: cookies.mode,
        secrets: secrets.map(cookie::Secret).collect(),
        pressure_queries_per_second: cookies.pressure,
        require_from: cookies.require_from.clone().into(),
    })
}

fn kept_secret(file: &Path) -> anyhow::Result<[u8; 16]> {
    let failed = || format!("cannot keep the secret of cookies in {}", file.display());
    match std::fs::read_to_string(file) {
        Ok(text) => config::cookie_secret(&text).map_err(|why| anyhow!("{}: {why}", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut secret = [0; 16];
            getrandom::fill(&mut secret).map_err(|error| anyhow!("the system gives no random octets: {error}"))?;
            key::keep(file, &format!("{:032x}", u128::from_be_bytes(secret))).with_context(failed)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(failed),
    }
}
