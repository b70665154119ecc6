//! Export: every event that matches, as one file, streamed.
//!
//! No cap on rows and little memory: a batch is read from the log, written in the form asked for, and sent before the
//! next is read. A client that goes away ends the search.

mod forms;

use std::io;

use api::ExportRequest;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use event::Batch;
use futures::stream::{self, BoxStream, StreamExt as _};
use search::{Order, SearchError, Window};
use tokio::task::JoinError;

use crate::log::{parse, window};
use crate::problem::Fault;
use crate::rows::instant_text;
use crate::{Desk, aside};
use forms::{FileWriter, Form};

/// Events in the file when it began, for progress.
const TOTAL_HEADER: &str = "x-total-rows";

/// `GET /log/export`.
#[utoipa::path(get, path = "/api/v1/log/export", params(ExportRequest), responses(
    (status = 200, description = "the file; `X-Total-Rows` says how many events it will hold", content(
        (String = "text/csv"), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.parquet"))),
    (status = 422, body = api::Problem),
    (status = 409, description = "somebody cancelled the search", body = api::Problem),
    (status = 503, description = "the search hit a limit", body = api::Problem)))]
pub(crate) async fn export(State(desk): State<Desk>, Query(request): Query<ExportRequest>) -> Result<Response, Fault> {
    let search = parse(&request.q)?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let name = request.format.as_deref().unwrap_or(Form::Csv.name());
    let form = Form::ALL.into_iter().find(|form| form.name() == name);
    let form = form.ok_or_else(|| Fault::value(format!("no format \"{name}\": there are csv, ndjson and parquet")))?;
    let order = match request.order.as_deref().unwrap_or("newest") {
        "newest" => Order::Newest,
        "oldest" => Order::Oldest,
        other => return Err(Fault::value(format!("no order \"{other}\": there are newest and oldest"))),
    };
    let limit = request.limit.unwrap_or(u64::MAX);
    let batches = desk.searcher.stream(&search, window, order).await?;
    let total = batches.total().min(limit);
    let writer = form
        .writer()
        .map_err(|error| Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be begun", error))?;
    let body = Body::from_stream(written(Export { batches: batches.boxed(), left: limit, writer: Some(writer) }));
    let headers = [
        (header::CONTENT_TYPE.as_str(), form.media().to_owned()),
        (header::CONTENT_DISPOSITION.as_str(), format!("attachment; filename=\"{}\"", file_name(window, form))),
        (header::CACHE_CONTROL.as_str(), "no-store".to_owned()),
        (TOTAL_HEADER, total.to_string()),
    ];
    Ok((headers, body).into_response())
}

/// A name of digits and letters, whatever was searched for.
fn file_name(window: Window, form: Form) -> String {
    let stamp = |micros: i64| instant_text(micros).get(..19).unwrap_or_default().replace(['-', ':'], "");
    format!("nameward-{}Z-{}Z.{}", stamp(window.from), stamp(window.to), form.name())
}

struct Export {
    batches: BoxStream<'static, Result<Batch, SearchError>>,
    /// Rows still wanted.
    left: u64,
    /// `None` after the end.
    writer: Option<FileWriter>,
}

/// The octets of the file. An error breaks the connection off. Over HTTP/1.0, also behind a proxy that speaks it, that looks
/// like an end: who must be sure counts the rows, or looks for the end of a Parquet file.
fn written(export: Export) -> impl futures::Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(export, |mut export| async move {
        loop {
            let Some(writer) = export.writer.take() else { return Ok(None) };
            let batch = if export.left == 0 { None } else { export.batches.next().await };
            let Some(batch) = batch else {
                // What only waits to be dropped would keep the search's turn.
                export.batches = stream::empty().boxed();
                let end = done(aside(move || writer.finish()).await)?;
                return Ok(Some((Bytes::from(end), export)));
            };
            let batch = batch.map_err(broken)?;
            let wanted = usize::try_from(export.left).unwrap_or(usize::MAX).min(batch.num_rows());
            export.left -= wanted as u64;
            let wrote = aside(move || {
                let mut writer = writer;
                let octets = writer.write(&batch.slice(0, wanted))?;
                Ok((writer, octets))
            });
            let (writer, octets) = done(wrote.await)?;
            export.writer = Some(writer);
            if !octets.is_empty() {
                return Ok(Some((Bytes::from(octets), export)));
            }
        }
    })
}

fn done<T>(work: Result<Result<T, String>, JoinError>) -> io::Result<T> {
    match work {
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(error) => Err(failed(&error.to_string())),
    }
}

/// A search that ended before its rows did.
fn broken(error: SearchError) -> io::Error {
    if matches!(error, SearchError::Cancelled) {
        tracing::info!("an export was cancelled");
        return io::Error::other(error);
    }
    failed(&error.to_string())
}

fn failed(error: &str) -> io::Error {
    tracing::error!(error, "an export broke off");
    io::Error::other(error.to_owned())
}

#[cfg(test)]
mod tests;
