//! How the log is kept: what is there, what goes next, whether all of it can be read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Reply to `GET /log/status`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct LogReport {
    /// Oldest event, RFC 3339; null when there is none.
    pub oldest: Option<String>,
    /// Newest event in a segment, RFC 3339; null when there is none.
    pub newest: Option<String>,
    /// Events kept.
    pub rows: u64,
    /// Events of those not yet in a segment.
    pub live_rows: u64,
    /// Segments.
    pub segments: u64,
    /// Segments in the order of tenant, client and time.
    pub compacted_segments: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes on disk of the segments that `uncompressed_bytes` is about: older versions did not count.
    pub compressed_bytes: u64,
    /// What the rows of those segments take in memory.
    pub uncompressed_bytes: u64,
    /// What goes next by age; null when nothing does.
    pub next_purge: Option<NextPurge>,
    /// Events dropped since the start because their time was over or the log too large.
    pub purged: u64,
    /// Events lost since the start because the log could not keep up or could not be written.
    pub dropped: u64,
    /// Segments found damaged and set aside since the start.
    pub set_aside: u64,
    /// Why the log is not being written; null when it is.
    pub stopped: Option<String>,
    /// Segments and events by version of the schema, oldest version first.
    pub by_schema: Vec<SchemaCount>,
    /// Sources imported, by name.
    pub imports: Vec<ImportStatus>,
    /// The remote store; null when there is none and no segment is in one.
    #[serde(default)]
    pub remote: Option<RemoteReport>,
}

/// How the remote store of the log is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RemoteReport {
    /// Where; null when that is not set and segments are in one.
    pub url: Option<String>,
    /// Segments there.
    pub segments: u64,
    /// Events in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Segments that could go there now.
    pub waiting: u64,
    /// Bytes of those.
    pub waiting_bytes: u64,
    /// Objects that are no longer needed and not deleted yet, or not named yet.
    pub loose: u64,
    /// Why the last request failed; null after one that did not.
    pub fault: Option<String>,
}

/// What goes by age.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NextPurge {
    /// When, RFC 3339.
    pub at: String,
    /// Events.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What there is of one version of the schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SchemaCount {
    /// The version.
    pub version: u32,
    /// Segments.
    pub segments: u64,
    /// Events.
    pub rows: u64,
}

/// How far a source was imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportStatus {
    /// Name of the source.
    pub source: String,
    /// Records dealt with, bad ones too.
    pub position: u64,
    /// Events kept of them.
    pub rows: u64,
    /// Records that were no events.
    pub bad: u64,
    /// When it was last added to, RFC 3339.
    pub time: String,
}

/// Reply to `POST /log/verify`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct VerifyReply {
    /// Files that are not as they should be.
    pub faults: Vec<VerifyFault>,
    /// Faults beyond those.
    pub more_faults: u64,
    /// Good segments.
    pub segments: u64,
    /// Events in them.
    pub segment_rows: u64,
    /// Good files of the write-ahead log.
    pub wals: u64,
    /// Events in the good records of all of them.
    pub wal_rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Files set aside earlier: known to be damaged, and no part of the log.
    pub aside: u64,
    /// Segments in a remote store that were not looked at: there was nobody to ask, or it does not answer.
    #[serde(default)]
    pub remote_unread: u64,
    /// Milliseconds it took.
    pub took_ms: f64,
}

/// A file that is not as it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerifyFault {
    /// The file, from the log's folder on.
    pub file: String,
    /// `damaged`, `missing` or `unknown`.
    pub kind: String,
    /// Why.
    pub reason: String,
}

/// Reply to `POST /log/compact`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CompactReply {
    /// Segments that went into others.
    pub merged: u64,
    /// Segments written for them.
    pub written: u64,
    /// Bytes the log is smaller for it; below zero when it is larger.
    pub saved_bytes: i64,
    /// Events dropped because their time was over or the log too large.
    pub purged: u64,
    /// Milliseconds it took.
    pub took_ms: f64,
}
