//! The file as written: optional, forgiving of order, strict about unknown keys. Lives for a few milliseconds.

use serde::Deserialize;
use toml::Spanned;

pub(super) type Written<T> = Option<Spanned<T>>;

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) state: Written<String>,
    pub(super) listen: Listen,
    pub(super) upstream: Vec<Upstream>,
    pub(super) cache: Cache,
    pub(super) list: Vec<List>,
    pub(super) block: Block,
    pub(super) clients: Clients,
    pub(super) log: Log,
    pub(super) web: Web,
    pub(super) search: Search,
    pub(super) tenant: Vec<Tenant>,
    pub(super) privacy: Vec<Privacy>,
    pub(super) output: Vec<Output>,
    pub(super) cookies: Cookies,
    pub(super) limits: Limits,
    pub(super) tkey: Tkey,
    pub(super) key: Vec<Key>,
    pub(super) zone: Vec<Zone>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Listen {
    pub(super) dns: Written<Vec<String>>,
    pub(super) threads: Written<i64>,
    pub(super) udp_size: Written<i64>,
    pub(super) nsid: Written<String>,
    pub(super) tcp_connections: Written<i64>,
    pub(super) tcp_connections_per_client: Written<i64>,
    pub(super) tcp_idle: Written<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Upstream {
    pub(super) suffix: Written<String>,
    pub(super) servers: Written<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Cache {
    pub(super) size: Written<String>,
    pub(super) ttl_min: Written<String>,
    pub(super) ttl_max: Written<String>,
    pub(super) negative_ttl_max: Written<String>,
    pub(super) failure_ttl: Written<String>,
    pub(super) stale_max: Written<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct List {
    pub(super) name: Written<String>,
    pub(super) source: Written<String>,
    pub(super) action: Written<String>,
    pub(super) format: Written<String>,
    pub(super) ede: Written<String>,
    pub(super) refresh: Written<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Block {
    pub(super) answer: Written<String>,
    pub(super) ttl: Written<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Clients {
    pub(super) allow: Written<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) folder: Written<String>,
    pub(super) keep_age: Written<String>,
    pub(super) keep_bytes: Written<String>,
    pub(super) node: Written<String>,
    pub(super) privacy: Written<String>,
    pub(super) privacy_bits_v4: Written<i64>,
    pub(super) privacy_bits_v6: Written<i64>,
    pub(super) privacy_secret_file: Written<String>,
    pub(super) remote: LogRemote,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogRemote {
    pub(super) url: Written<String>,
    pub(super) keep_local: Written<String>,
    pub(super) endpoint: Written<String>,
    pub(super) region: Written<String>,
    pub(super) access_key_id: Written<String>,
    pub(super) secret_access_key_file: Written<String>,
    pub(super) allow_http: Written<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Search {
    pub(super) memory: Written<String>,
    pub(super) time: Written<String>,
    pub(super) concurrent: Written<i64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tenant {
    pub(super) name: Written<String>,
    pub(super) networks: Written<Vec<String>>,
    pub(super) privacy: Written<String>,
    pub(super) keep_age: Written<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Privacy {
    pub(super) networks: Written<Vec<String>>,
    pub(super) privacy: Written<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Output {
    pub(super) name: Written<String>,
    pub(super) to: Written<String>,
    pub(super) format: Written<String>,
    pub(super) search: Written<String>,
    pub(super) spool_bytes: Written<String>,
    pub(super) ca_file: Written<String>,
    pub(super) client_cert_file: Written<String>,
    pub(super) client_key_file: Written<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Web {
    pub(super) listen: Written<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Cookies {
    pub(super) mode: Written<String>,
    pub(super) secret: Written<String>,
    pub(super) secret_file: Written<String>,
    pub(super) previous: Written<Vec<String>>,
    pub(super) pressure: Written<i64>,
    pub(super) require_from: Written<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) queries_per_second: Written<i64>,
    pub(super) replies_per_second: Written<i64>,
    pub(super) told_every: Written<i64>,
    pub(super) ipv4_prefix: Written<i64>,
    pub(super) ipv6_prefix: Written<i64>,
    pub(super) events_per_second: Written<i64>,
    pub(super) fair: Written<bool>,
    pub(super) exempt: Written<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tkey {
    pub(super) create: Written<bool>,
    pub(super) allow: Written<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Key {
    pub(super) name: Written<String>,
    pub(super) algorithm: Written<String>,
    pub(super) secret: Written<String>,
    pub(super) secret_file: Written<String>,
    pub(super) mac_min: Written<i64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Zone {
    pub(super) name: Written<String>,
    pub(super) file: Written<String>,
    pub(super) records: Written<Vec<String>>,
    pub(super) primaries: Written<Vec<String>>,
    pub(super) query: Written<Vec<String>>,
    pub(super) transfer: Written<Vec<String>>,
    pub(super) notify: Written<Vec<String>>,
    pub(super) notify_from: Written<Vec<String>>,
    pub(super) update: Written<Vec<String>>,
}
