//! How the log is kept, over HTTP: status, verification, compaction.
//!
//! All three wait for locks or the disk, so they run aside. One verification or compaction at a time: each reads or writes
//! much of the disk.

use std::time::Instant;

use api::{CompactReply, ImportStatus, LogReport, NextPurge, RemoteReport, SchemaCount, VerifyFault, VerifyReply};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use store::FindingKind;
use tokio::sync::OwnedSemaphorePermit;

use crate::log::{Reply, took_ms};
use crate::problem::Fault;
use crate::rows::instant_text;
use crate::{Desk, aside};

/// `GET /log/status`.
#[utoipa::path(get, path = "/api/v1/log/status", responses((status = 200, body = LogReport)))]
pub(crate) async fn status(State(desk): State<Desk>) -> Reply<LogReport> {
    let status = aside(move || desk.store.status()).await?;
    let schema =
        |schema: &store::Schema| SchemaCount { version: schema.version, segments: schema.segments, rows: schema.rows };
    let import = |import: &store::ImportStatus| ImportStatus {
        source: import.source.clone(),
        position: import.position,
        rows: import.rows,
        bad: import.bad,
        time: instant_text(import.time_micros),
    };
    let purge =
        |purge: store::Purge| NextPurge { at: instant_text(purge.at_micros), rows: purge.rows, bytes: purge.bytes };
    let remote = |remote: store::RemoteStatus| RemoteReport {
        url: remote.url,
        segments: remote.segments,
        rows: remote.rows,
        bytes: remote.bytes,
        waiting: remote.waiting,
        waiting_bytes: remote.waiting_bytes,
        loose: remote.loose,
        fault: remote.fault,
    };
    Ok(Json(LogReport {
        oldest: status.oldest_micros.map(instant_text),
        newest: status.newest_micros.map(instant_text),
        rows: status.rows,
        live_rows: status.live_rows,
        segments: status.segments,
        compacted_segments: status.compacted_segments,
        bytes: status.bytes,
        compressed_bytes: status.compressed_bytes,
        uncompressed_bytes: status.uncompressed_bytes,
        next_purge: status.next_purge.map(purge),
        purged: status.purged,
        dropped: status.dropped,
        set_aside: status.set_aside,
        stopped: status.stopped,
        by_schema: status.by_schema.iter().map(schema).collect(),
        imports: status.imports.iter().map(import).collect(),
        remote: status.remote.map(remote),
    }))
}

/// `POST /log/verify`: reads every file of the log; takes as long as that does.
#[utoipa::path(post, path = "/api/v1/log/verify", responses(
    (status = 200, body = VerifyReply), (status = 409, body = api::Problem)))]
pub(crate) async fn verify(State(desk): State<Desk>) -> Reply<VerifyReply> {
    let started = Instant::now();
    let turn = turn(&desk)?;
    let report = aside(move || {
        let _turn = turn;
        desk.store.verify()
    })
    .await?;
    let report = report.map_err(|error| failed("the log cannot be verified", &error))?;
    Ok(Json(VerifyReply { took_ms: took_ms(started), ..verified(&report) }))
}

/// `POST /log/compact`: does now what is otherwise done bit by bit.
#[utoipa::path(post, path = "/api/v1/log/compact", responses(
    (status = 200, body = CompactReply), (status = 409, body = api::Problem)))]
pub(crate) async fn compact(State(desk): State<Desk>) -> Reply<CompactReply> {
    let started = Instant::now();
    let turn = turn(&desk)?;
    let done = aside(move || {
        let _turn = turn;
        desk.store.compact()
    })
    .await?;
    let done = done.map_err(|error| failed("the log cannot be compacted", &error))?;
    Ok(Json(CompactReply {
        merged: done.merged,
        written: done.written,
        saved_bytes: done.saved_bytes,
        purged: done.purged,
        took_ms: took_ms(started),
    }))
}

/// What was found in a log, in the API's form; the time it took is not in it.
#[must_use]
pub fn verified(report: &store::Report) -> VerifyReply {
    let fault = |finding: &store::Finding| VerifyFault {
        file: finding.file.display().to_string(),
        kind: match finding.kind {
            FindingKind::Damaged => "damaged",
            FindingKind::Missing => "missing",
            FindingKind::Unknown => "unknown",
        }
        .to_owned(),
        reason: finding.reason.clone(),
    };
    VerifyReply {
        faults: report.findings.iter().map(fault).collect(),
        more_faults: report.more_findings,
        segments: report.segments,
        segment_rows: report.segment_rows,
        wals: report.wals,
        wal_rows: report.wal_rows,
        bytes: report.bytes,
        aside: report.aside,
        remote_unread: report.remote_unread,
        took_ms: 0.0,
    }
}

/// The one turn; it ends with the work, also when who asked went away.
pub(crate) fn turn(desk: &Desk) -> Result<OwnedSemaphorePermit, Fault> {
    let busy = "the log is being verified or compacted already";
    desk.chores.clone().try_acquire_owned().map_err(|_| Fault::new(StatusCode::CONFLICT, "one at a time", busy))
}

fn failed(title: &str, error: &(dyn std::error::Error + 'static)) -> Fault {
    tracing::error!(error, "{title}");
    Fault::new(StatusCode::INTERNAL_SERVER_ERROR, title, error.to_string())
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};

    use crate::fixture::Server;

    #[tokio::test]
    async fn what_is_kept_and_that_it_can_be_read() {
        let server = Server::start().await;
        let status: api::LogReport = server.read("log/status").await;
        assert_eq!((status.rows, status.live_rows, status.segments, status.dropped), (17, 17, 0, 0));
        assert!(status.oldest.is_some() && status.stopped.is_none() && status.imports.is_empty());
        let (code, body) = server.send(Method::POST, "log/verify", String::new()).await;
        let reply: api::VerifyReply = serde_json::from_slice(&body).unwrap();
        assert_eq!((code, reply.faults.len(), reply.wal_rows), (StatusCode::OK, 0, 17));
        let (code, body) = server.send(Method::POST, "log/compact", String::new()).await;
        let reply: api::CompactReply = serde_json::from_slice(&body).unwrap();
        assert_eq!((code, reply.merged, reply.purged), (StatusCode::OK, 0, 0));
    }

    #[tokio::test]
    async fn one_verification_at_a_time() {
        let server = Server::start().await;
        let turn = server.desk.chores.clone().acquire_owned().await.unwrap();
        for path in ["log/verify", "log/compact"] {
            assert_eq!(server.send(Method::POST, path, String::new()).await.0, StatusCode::CONFLICT);
        }
        drop(turn);
        assert_eq!(server.send(Method::POST, "log/verify", String::new()).await.0, StatusCode::OK);
    }
}
