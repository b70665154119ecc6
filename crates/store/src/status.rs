//! What an operator is told of the log.

use crate::manifest::{Entry, Manifest};
use crate::remote::Remote;
use crate::segmenter::is_settled;
use crate::{Health, retention};

/// How the log is, whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Time of the oldest event, microseconds.
    pub oldest_micros: Option<i64>,
    /// Time of the newest event in a segment, microseconds.
    pub newest_micros: Option<i64>,
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
    /// What goes next by age; `None` when nothing does.
    pub next_purge: Option<Purge>,
    /// Events dropped since start because their time was over or the log too large.
    pub purged: u64,
    /// Events lost since start: full rings and unwritable disk.
    pub dropped: u64,
    /// Segments found damaged and set aside since start.
    pub set_aside: u64,
    /// Why the log is not being written; `None` when it is.
    pub stopped: Option<String>,
    /// Segments and events by schema version, oldest version first.
    pub by_schema: Vec<Schema>,
    /// Sources imported, by name.
    pub imports: Vec<ImportStatus>,
    /// The remote store; `None` when there is none and no segment is in one.
    pub remote: Option<RemoteStatus>,
}

/// How the remote store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteStatus {
    /// Where; `None`: it is not set, and segments are in one.
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
    /// Why the last request failed; `None` after one that did not.
    pub fault: Option<String>,
}

impl RemoteStatus {
    pub(crate) fn of(
        remote: Option<&Remote>,
        entries: &[&Entry],
        manifest: &Manifest,
        now_micros: i64,
    ) -> Option<RemoteStatus> {
        let mut status = RemoteStatus {
            url: remote.map(|remote| remote.shown().to_owned()),
            loose: manifest.remote.as_ref().map_or(0, |kept| kept.loose.len() as u64),
            fault: remote.and_then(Remote::fault),
            ..RemoteStatus::default()
        };
        for entry in entries.iter().filter(|entry| entry.remote) {
            status.segments += 1;
            status.rows += entry.rows;
            status.bytes += entry.bytes;
        }
        if let Some(remote) = remote {
            let waiting = entries.iter().filter(|entry| is_settled(entry, now_micros, remote.keep_local()));
            waiting.for_each(|entry| {
                status.waiting += 1;
                status.waiting_bytes += entry.bytes;
            });
        }
        (remote.is_some() || status.segments > 0).then_some(status)
    }
}

/// What goes by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    /// When, microseconds.
    pub at_micros: i64,
    /// Events.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What there is of one schema version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The version.
    pub version: u32,
    /// Segments.
    pub segments: u64,
    /// Events.
    pub rows: u64,
}

/// How far a source was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportStatus {
    /// Name of the source.
    pub source: String,
    /// Records dealt with, bad ones too.
    pub position: u64,
    /// Events kept of them.
    pub rows: u64,
    /// Records that were no events.
    pub bad: u64,
    /// When it was last added to, microseconds.
    pub time_micros: i64,
}

/// What `Store::compact` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Segments that went into others.
    pub merged: u64,
    /// Segments written for them.
    pub written: u64,
    /// Bytes the log is smaller for it; below zero when it is larger.
    pub saved_bytes: i64,
    /// Events dropped because their time was over or the log too large.
    pub purged: u64,
}

impl Status {
    pub(crate) fn of(
        health: Health,
        entries: &[&Entry],
        manifest: &Manifest,
        purged: u64,
        bounds: &retention::Bounds,
        remote: Option<RemoteStatus>,
    ) -> Status {
        let counted: Vec<(u64, u64)> =
            entries.iter().filter_map(|entry| Some((entry.bytes, entry.memory_bytes?))).collect();
        let mut by_schema: Vec<Schema> = Vec::new();
        for entry in entries {
            let version = entry.schema_version;
            let at = by_schema.binary_search_by_key(&version, |schema| schema.version).unwrap_or_else(|at| {
                by_schema.insert(at, Schema { version, segments: 0, rows: 0 });
                at
            });
            by_schema[at].segments += 1;
            by_schema[at].rows += entry.rows;
        }
        let imports = manifest.imports.iter().map(|(source, import)| ImportStatus {
            source: source.clone(),
            position: import.position,
            rows: import.rows,
            bad: import.bad,
            time_micros: import.time_micros,
        });
        let next = retention::next_purge(entries, bounds.keep_age);
        Status {
            oldest_micros: health.oldest_micros,
            newest_micros: entries.iter().map(|entry| entry.time_max_micros).max(),
            rows: health.rows,
            live_rows: health.live_rows,
            segments: health.segments,
            compacted_segments: entries.iter().filter(|entry| entry.by_client).count() as u64,
            bytes: health.bytes,
            compressed_bytes: counted.iter().map(|counted| counted.0).sum(),
            uncompressed_bytes: counted.iter().map(|counted| counted.1).sum(),
            next_purge: next.map(|(at_micros, rows, bytes)| Purge { at_micros, rows, bytes }),
            purged,
            dropped: health.dropped,
            set_aside: health.set_aside,
            stopped: health.stopped,
            by_schema,
            imports: imports.collect(),
            remote,
        }
    }
}
