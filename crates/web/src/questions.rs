//! Handlers of questions about many events at once, and of the searches that are running.

use std::time::Instant;

use api::{
    AroundReply, AroundRequest, Change, CompareReply, CompareRequest, DistinctCount, DistinctReply, DistinctRequest,
    ExplainReply, ExplainRequest, Finding, QuantilesReply, QuantilesRequest, RunningSearch, SqlReply, SqlRequest,
    ValueQuantiles,
};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use search::Window;
use wire::code::Code;

use crate::log::{Reply, TOP_DEFAULT, parse, range, took_ms, window};
use crate::problem::Fault;
use crate::rows::{cursor, event_row, instant_text};
use crate::{Desk, aside};

/// Quantiles when a request does not say.
const PARTS_DEFAULT: [f64; 4] = [0.5, 0.9, 0.95, 0.99];
/// Events on either side of one when a request does not say.
const AROUND_DEFAULT: u32 = 20;

/// Fields an explanation looks at when a request names none.
const TELLING: &[&str] =
    &["code", "client", "reg_domain", "qtype", "transport", "action", "list", "cache", "upstream", "opcode", "tenant"];
/// How many times as long the base of an explanation is as the selection when a request does not say.
const BASE_TIMES: i64 = 4;

/// Values of a list wanted, within bounds.
fn wanted(n: Option<u32>) -> usize {
    n.unwrap_or(TOP_DEFAULT).clamp(1, api::TOP_MAX) as usize
}

/// A value with number and family, for codes.
fn valued(value: Option<&String>, code: Option<Code>) -> (String, Option<u16>, Option<String>) {
    let family = code.map(|code| code.family().name().to_owned());
    (value.cloned().unwrap_or_default(), code.map(Code::number), family)
}

/// The name of a field by one of its names.
fn field_name(name: &str) -> String {
    search::field(name).map_or(name, |field| field.name).to_owned()
}

/// `GET /log/distinct`.
#[utoipa::path(get, path = "/api/v1/log/distinct", params(DistinctRequest), responses(
    (status = 200, body = DistinctReply), (status = 422, body = api::Problem),
    (status = 409, description = "somebody cancelled the search", body = api::Problem),
    (status = 503, description = "the search hit a limit", body = api::Problem)))]
pub(crate) async fn distinct(State(desk): State<Desk>, Query(request): Query<DistinctRequest>) -> Reply<DistinctReply> {
    let started = Instant::now();
    let search = parse(&request.q)?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let by = request.by.as_deref().filter(|by| !by.is_empty());
    let found = desk.searcher.distinct(&search, window, &request.field, by, wanted(request.n)).await?;
    let count = |count: &search::DistinctCount| {
        let (value, number, family) = valued(count.value.as_ref(), count.code);
        DistinctCount { value, number, family, distinct: count.distinct }
    };
    Ok(Json(DistinctReply {
        range: range(window),
        field: field_name(&request.field),
        by: by.map(field_name),
        values: found.values.iter().map(count).collect(),
        others: found.others,
        error: found.error,
        took_ms: took_ms(started),
    }))
}

/// `GET /log/quantiles`.
#[utoipa::path(get, path = "/api/v1/log/quantiles", params(QuantilesRequest), responses(
    (status = 200, body = QuantilesReply), (status = 422, body = api::Problem),
    (status = 409, description = "somebody cancelled the search", body = api::Problem),
    (status = 503, description = "the search hit a limit", body = api::Problem)))]
pub(crate) async fn quantiles(
    State(desk): State<Desk>,
    Query(request): Query<QuantilesRequest>,
) -> Reply<QuantilesReply> {
    let started = Instant::now();
    let search = parse(&request.q)?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let field = request.field.as_deref().filter(|field| !field.is_empty()).unwrap_or("latency");
    let part = |text: &str| {
        let part = text.trim().parse::<f64>();
        part.map_err(|_| Fault::value(format!("\"{}\" is no part such as 0.95", text.trim())))
    };
    let parts = match &request.parts {
        Some(texts) => texts.split(',').map(part).collect::<Result<Vec<f64>, Fault>>()?,
        None => PARTS_DEFAULT.to_vec(),
    };
    let by = request.by.as_deref().filter(|by| !by.is_empty());
    let found = desk.searcher.quantiles(&search, window, field, &parts, by, wanted(request.n)).await?;
    let (unit, divisor) = match search::field(field).map(|field| (field.kind, field.name)) {
        Some(("duration", _)) => ("ms", 1000.0),
        Some(("size", _)) => ("bytes", 1.0),
        Some((_, "ttl")) => ("s", 1.0),
        _ => ("", 1.0),
    };
    let line = |line: &search::ValueQuantiles| {
        let (value, number, family) = valued(line.value.as_ref(), line.code);
        let quantiles = line.quantiles.iter().map(|quantile| quantile / divisor).collect();
        ValueQuantiles { value, number, family, count: line.count, quantiles }
    };
    Ok(Json(QuantilesReply {
        range: range(window),
        field: field_name(field),
        unit: unit.to_owned(),
        by: by.map(field_name),
        parts: found.parts.clone(),
        values: found.values.iter().map(line).collect(),
        error: found.error,
        took_ms: took_ms(started),
    }))
}

/// `GET /log/compare`.
#[utoipa::path(get, path = "/api/v1/log/compare", params(CompareRequest), responses(
    (status = 200, body = CompareReply), (status = 422, body = api::Problem),
    (status = 409, description = "somebody cancelled the search", body = api::Problem),
    (status = 503, description = "the search hit a limit", body = api::Problem)))]
pub(crate) async fn compare(State(desk): State<Desk>, Query(request): Query<CompareRequest>) -> Reply<CompareReply> {
    let started = Instant::now();
    let search = parse(&request.q)?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let found = desk.searcher.compare(&search, window, None, &request.field, wanted(request.n)).await?;
    let change = |change: &search::Change| {
        let (value, number, family) = valued(change.value.as_ref(), change.code);
        Change { value, number, family, now: change.now, before: change.before }
    };
    Ok(Json(CompareReply {
        range: range(window),
        before: range(found.before),
        field: field_name(&request.field),
        changes: found.changes.iter().map(change).collect(),
        now_total: found.now_total,
        before_total: found.before_total,
        missed: found.missed,
        took_ms: took_ms(started),
    }))
}

/// `GET /log/around/{id}`.
#[utoipa::path(get, path = "/api/v1/log/around/{id}",
    params(("id" = String, Path, description = "id of a row"), AroundRequest), responses(
    (status = 200, body = AroundReply), (status = 404, body = api::Problem),
    (status = 409, description = "somebody cancelled the search", body = api::Problem),
    (status = 503, description = "the search hit a limit", body = api::Problem)))]
pub(crate) async fn around(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(request): Query<AroundRequest>,
) -> Reply<AroundReply> {
    let started = Instant::now();
    let missing = || Fault::new(StatusCode::NOT_FOUND, "no such event", format!("the log keeps no event {id}"));
    let at = cursor(&id).ok_or_else(missing)?;
    let each = |wanted: Option<u32>| wanted.unwrap_or(AROUND_DEFAULT).min(api::AROUND_MAX) as usize;
    let found = desk.searcher.around(at, each(request.before), each(request.after)).await?.ok_or_else(missing)?;
    let client = found.rows.get(found.place).map(|row| row.client.to_string()).unwrap_or_default();
    let rows = found.rows.iter().rev().map(event_row).collect();
    Ok(Json(AroundReply { id, client, rows, took_ms: took_ms(started) }))
}

/// `GET /log/explain`.
#[utoipa::path(get, path = "/api/v1/log/explain", params(ExplainRequest), responses(
    (status = 200, body = ExplainReply), (status = 422, body = api::Problem),
    (status = 409, description = "somebody cancelled the search", body = api::Problem),
    (status = 503, description = "the search hit a limit", body = api::Problem)))]
pub(crate) async fn explain(State(desk): State<Desk>, Query(request): Query<ExplainRequest>) -> Reply<ExplainReply> {
    let started = Instant::now();
    let (selection, base) = (parse(&request.q)?, parse(&request.base)?);
    let chosen = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let wider = chosen.to.saturating_sub(chosen.to.saturating_sub(chosen.from).saturating_mul(BASE_TIMES));
    let within = match (&request.base_from, &request.base_to) {
        (None, None) => Window { from: wider, to: chosen.to },
        (from, to) => {
            let to = to.clone().unwrap_or_else(|| instant_text(chosen.to));
            window(&desk, Some(&from.clone().unwrap_or_else(|| instant_text(wider))), Some(&to))?
        }
    };
    let fields: Vec<&str> = match request.fields.as_deref().filter(|fields| !fields.is_empty()) {
        Some(fields) => fields.split(',').map(str::trim).filter(|field| !field.is_empty()).collect(),
        None => TELLING.to_vec(),
    };
    let found = desk.searcher.explain(&base, within, &selection, chosen, &fields, wanted(request.n)).await?;
    let finding = |finding: &search::Finding| {
        let (value, number, family) = valued(finding.value.as_ref(), finding.code);
        Finding {
            field: finding.field.to_owned(),
            value,
            number,
            family,
            term: finding.term.clone(),
            inside: finding.inside,
            outside: finding.outside,
            inside_share: finding.inside_share,
            outside_share: finding.outside_share,
            difference: finding.difference,
        }
    };
    Ok(Json(ExplainReply {
        range: range(chosen),
        base_range: range(within),
        findings: found.findings.iter().map(finding).collect(),
        inside: found.inside,
        outside: found.outside,
        given: found.given.iter().map(|field| (*field).to_owned()).collect(),
        took_ms: took_ms(started),
    }))
}

/// `POST /log/sql`: one SELECT over the view `events`.
#[utoipa::path(post, path = "/api/v1/log/sql", request_body = SqlRequest, responses(
    (status = 200, body = SqlReply), (status = 422, body = api::Problem),
    (status = 409, description = "somebody cancelled the search", body = api::Problem),
    (status = 503, description = "the search hit a limit", body = api::Problem)))]
pub(crate) async fn sql(State(desk): State<Desk>, body: Bytes) -> Result<Response, Fault> {
    let started = Instant::now();
    let request: SqlRequest =
        serde_json::from_slice(&body).map_err(|error| Fault::value(format!("the body cannot be read: {error}")))?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let rows = request.rows.unwrap_or(api::SQL_ROWS_DEFAULT).clamp(1, api::SQL_ROWS_MAX) as usize;
    let found = desk.searcher.sql(&request.sql, window, rows).await?;
    // Writing many rows takes as long as a search.
    let write = move || {
        let reply = SqlReply {
            range: range(window),
            columns: found.columns,
            rows: found.rows.into_iter().map(|row| row.into_iter().map(json).collect()).collect(),
            more: found.more,
            took_ms: took_ms(started),
        };
        Json(reply).into_response()
    };
    Ok(aside(write).await?)
}

/// A value of a result as JSON; numbers JSON has no way to write are null.
fn json(value: search::SqlValue) -> serde_json::Value {
    use search::SqlValue;
    match value {
        SqlValue::Empty => serde_json::Value::Null,
        SqlValue::Bool(value) => value.into(),
        SqlValue::Integer(value) => value.into(),
        SqlValue::Unsigned(value) => value.into(),
        SqlValue::Number(value) => value.into(),
        SqlValue::Text(value) => value.into(),
        SqlValue::List(values) => values.into_iter().map(json).collect(),
    }
}

/// `GET /log/searches`: searches at work or waiting, in the order they were asked.
#[utoipa::path(get, path = "/api/v1/log/searches", responses((status = 200, body = Vec<RunningSearch>)))]
pub(crate) async fn searches(State(desk): State<Desk>) -> Json<Vec<RunningSearch>> {
    let running = |running: search::Running| RunningSearch {
        id: running.id,
        kind: running.kind.to_owned(),
        search: running.text,
        running_ms: (running.elapsed.as_secs_f64() * 1e5).round() / 100.0,
    };
    Json(desk.searcher.running().into_iter().map(running).collect())
}

/// `DELETE /log/searches/{id}`: ends a search; who asked for it is told.
#[utoipa::path(delete, path = "/api/v1/log/searches/{id}",
    params(("id" = u64, Path, description = "number of a running search")), responses(
    (status = 204, description = "it was ended"), (status = 404, body = api::Problem)))]
pub(crate) async fn cancel(State(desk): State<Desk>, Path(id): Path<String>) -> Result<StatusCode, Fault> {
    let ended = id.parse().is_ok_and(|id| desk.searcher.cancel(id));
    if ended {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Fault::new(StatusCode::NOT_FOUND, "no such search", format!("no search {id} is running")))
}

#[cfg(test)]
mod tests;
