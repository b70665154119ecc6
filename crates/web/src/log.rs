//! Handlers over the log: rows, series, facets, top lists, figures; and the registries a page needs.

use std::time::Instant;

use api::{
    CheckReply, CompleteReply, CompleteRequest, Count, Facet, FacetsReply, FacetsRequest, FieldEntry, Figures,
    LogScope, Proposal, Range, RowsReply, RowsRequest, SeriesLine, SeriesReply, SeriesRequest, Status, Summary,
    TopReply, TopRequest,
};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use search::{Search, Window};

use crate::Desk;
use crate::problem::{Fault, search_fault};
use crate::rows::{cursor, detail, event_row, id, instant_text};

pub(crate) type Reply<T> = Result<Json<T>, Fault>;

/// Range searched when a request names none.
const FROM_DEFAULT: &str = "now-1h";
/// Points of a series when a request does not say.
pub(crate) const POINTS_DEFAULT: u32 = 240;
/// Values of a facet or top list when a request does not say.
pub(crate) const TOP_DEFAULT: u32 = 10;
/// Most facets in one request.
const FACETS_MAX: usize = 16;

/// Reads a search text.
pub(crate) fn parse(text: &str) -> Result<Search, Fault> {
    search::parse(text).map_err(|faults| Fault::search(&faults))
}

pub(crate) fn window(desk: &Desk, from: Option<&str>, to: Option<&str>) -> Result<Window, Fault> {
    let now = (desk.now_micros)();
    let read = |text: &str| search::instant(text, now).map_err(Fault::value);
    let window = Window { from: read(from.unwrap_or(FROM_DEFAULT))?, to: read(to.unwrap_or("now"))? };
    if window.from >= window.to {
        return Err(Fault::value("the range ends before it begins"));
    }
    Ok(window)
}

pub(crate) fn range(window: Window) -> Range {
    Range { from: instant_text(window.from), to: instant_text(window.to) }
}

pub(crate) fn took_ms(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e5).round() / 100.0
}

pub(crate) fn count(count: &search::Count) -> Count {
    Count {
        value: count.value.clone().unwrap_or_default(),
        number: count.code.map(wire::code::Code::number),
        family: count.code.map(|code| code.family().name().to_owned()),
        count: count.count,
    }
}

pub(crate) fn line((value, counts): &(search::Count, Vec<u64>)) -> SeriesLine {
    let (value, counts) = (count(value), counts.clone());
    SeriesLine { value: value.value, number: value.number, family: value.family, total: value.count, counts }
}

/// `GET /status`.
#[utoipa::path(get, path = "/api/v1/status", responses((status = 200, body = Status)))]
pub(crate) async fn status(State(desk): State<Desk>) -> Json<Status> {
    Json((desk.status)())
}

/// `GET /fields`.
#[utoipa::path(get, path = "/api/v1/fields", responses((status = 200, body = Vec<FieldEntry>)))]
pub(crate) async fn fields() -> Json<Vec<FieldEntry>> {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let entry = |field: &search::Field| FieldEntry {
        name: field.name.to_owned(),
        aliases: owned(field.aliases),
        kind: field.kind.to_owned(),
        about: field.about.to_owned(),
        examples: owned(field.examples),
        values: field.values(),
    };
    Json(search::FIELDS.iter().map(entry).collect())
}

/// `GET /log/rows`.
#[utoipa::path(get, path = "/api/v1/log/rows", params(RowsRequest), responses(
    (status = 200, body = RowsReply), (status = 422, body = api::Problem)))]
pub(crate) async fn rows(State(desk): State<Desk>, Query(request): Query<RowsRequest>) -> Reply<RowsReply> {
    let started = Instant::now();
    let search = parse(&request.q)?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let limit = request.limit.unwrap_or(api::ROWS_DEFAULT).clamp(1, api::ROWS_MAX) as usize;
    let after = match &request.cursor {
        Some(text) => Some(cursor(text).ok_or_else(|| Fault::value(format!("\"{text}\" is no cursor of ours")))?),
        None => None,
    };
    let found = desk.searcher.rows(&search, window, after, limit).await?;
    let next = if found.len() == limit {
        found.last().map(|row| id(search::Cursor { time_micros: row.time_micros, seq: row.seq }))
    } else {
        None
    };
    let rows = found.iter().map(event_row).collect();
    Ok(Json(RowsReply { range: range(window), rows, next, took_ms: took_ms(started) }))
}

/// `GET /log/rows/{id}`.
#[utoipa::path(get, path = "/api/v1/log/rows/{id}", params(("id" = String, Path, description = "id of a row")), responses(
    (status = 200, body = api::EventDetail), (status = 404, body = api::Problem)))]
pub(crate) async fn row(State(desk): State<Desk>, Path(id): Path<String>) -> Reply<api::EventDetail> {
    let missing = || Fault::new(StatusCode::NOT_FOUND, "no such event", format!("the log keeps no event {id}"));
    let at = cursor(&id).ok_or_else(missing)?;
    let row = desk.searcher.row(at).await?.ok_or_else(missing)?;
    Ok(Json(detail(&row)))
}

/// `GET /log/series`.
#[utoipa::path(get, path = "/api/v1/log/series", params(SeriesRequest), responses(
    (status = 200, body = SeriesReply), (status = 422, body = api::Problem)))]
pub(crate) async fn series(State(desk): State<Desk>, Query(request): Query<SeriesRequest>) -> Reply<SeriesReply> {
    let started = Instant::now();
    let search = parse(&request.q)?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let points = request.points.unwrap_or(POINTS_DEFAULT).clamp(1, api::POINTS_MAX) as usize;
    let by = request.by.as_deref().unwrap_or("code");
    let found = desk.searcher.series(&search, window, by, points).await?;
    Ok(Json(SeriesReply {
        range: range(window),
        step_ms: found.step_micros / 1000,
        starts: found.starts.iter().map(|micros| micros / 1000).collect(),
        lines: found.lines.iter().map(line).collect(),
        other: found.other,
        took_ms: took_ms(started),
    }))
}

/// `GET /log/facets`.
#[utoipa::path(get, path = "/api/v1/log/facets", params(FacetsRequest), responses(
    (status = 200, body = FacetsReply), (status = 422, body = api::Problem)))]
pub(crate) async fn facets(State(desk): State<Desk>, Query(request): Query<FacetsRequest>) -> Reply<FacetsReply> {
    let started = Instant::now();
    let search = parse(&request.q)?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let fields: Vec<&str> = request.fields.split(',').map(str::trim).filter(|field| !field.is_empty()).collect();
    if fields.len() > FACETS_MAX {
        return Err(Fault::value(format!("{} facets asked, at most {FACETS_MAX} in one request", fields.len())));
    }
    let n = request.n.unwrap_or(TOP_DEFAULT).clamp(1, api::TOP_MAX) as usize;
    let total = desk.searcher.count(&search, window).await?;
    let found = desk.searcher.facets(&search, window, &fields, n).await?;
    let facet = |(field, top): (&&str, &search::Top)| Facet {
        field: (*field).to_owned(),
        values: top.values.iter().map(count).collect(),
        other: top.other,
        error: top.error,
    };
    let facets = fields.iter().zip(&found).map(facet).collect();
    Ok(Json(FacetsReply { range: range(window), total, facets, took_ms: took_ms(started) }))
}

/// `GET /log/top`.
#[utoipa::path(get, path = "/api/v1/log/top", params(TopRequest), responses(
    (status = 200, body = TopReply), (status = 422, body = api::Problem)))]
pub(crate) async fn top(State(desk): State<Desk>, Query(request): Query<TopRequest>) -> Reply<TopReply> {
    let search = parse(&request.q)?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let n = request.n.unwrap_or(TOP_DEFAULT).clamp(1, api::TOP_MAX) as usize;
    let found = desk.searcher.top(&search, window, &request.field, n).await?;
    Ok(Json(TopReply {
        range: range(window),
        field: request.field,
        values: found.values.iter().map(count).collect(),
        other: found.other,
        total: found.total,
        error: found.error,
    }))
}

/// `GET /log/summary`.
#[utoipa::path(get, path = "/api/v1/log/summary", params(LogScope), responses(
    (status = 200, body = Summary), (status = 422, body = api::Problem)))]
pub(crate) async fn summary(State(desk): State<Desk>, Query(request): Query<LogScope>) -> Reply<Summary> {
    let search = parse(&request.q)?;
    let current = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let before = Window { from: current.from.saturating_sub(current.to - current.from), to: current.from };
    let (now, then) =
        tokio::try_join!(desk.searcher.figures(&search, current), desk.searcher.figures(&search, before))?;
    Ok(Json(Summary { range: range(current), current: figures(&now), previous: figures(&then) }))
}

fn figures(found: &search::Figures) -> Figures {
    let millis = |micros: f64| micros / 1000.0;
    Figures {
        queries: found.queries,
        blocked: found.blocked,
        servfail: found.servfail,
        nxdomain: found.nxdomain,
        cache_hits: found.cache_hits,
        clients: found.clients,
        latency_p50_ms: found.latency_p50_micros.map(millis),
        latency_p95_ms: found.latency_p95_micros.map(millis),
    }
}

/// `GET /log/check`.
#[utoipa::path(get, path = "/api/v1/log/check", params(LogScope), responses((status = 200, body = CheckReply)))]
pub(crate) async fn check(Query(request): Query<LogScope>) -> Json<CheckReply> {
    Json(match search::parse(&request.q) {
        Ok(search) => CheckReply { canonical: Some(search.to_string()), faults: Vec::new() },
        Err(faults) => CheckReply { canonical: None, faults: faults.iter().map(search_fault).collect() },
    })
}

/// `GET /log/complete`.
#[utoipa::path(get, path = "/api/v1/log/complete", params(CompleteRequest),
    responses((status = 200, body = CompleteReply), (status = 422, body = api::Problem)))]
pub(crate) async fn complete(Query(request): Query<CompleteRequest>) -> Reply<CompleteReply> {
    if request.q.len() > search::TEXT_BYTES_MAX {
        return Err(Fault::value(format!("a search has at most {} bytes", search::TEXT_BYTES_MAX)));
    }
    let found = search::complete(&request.q, request.at.unwrap_or(request.q.len()));
    let proposal = |proposal: search::Proposal| Proposal {
        text: proposal.text,
        kind: match proposal.kind {
            search::ProposalKind::Field => "field",
            search::ProposalKind::Operator => "operator",
            search::ProposalKind::Value => "value",
            search::ProposalKind::Keyword => "keyword",
        }
        .to_owned(),
        about: proposal.about.to_owned(),
    };
    Ok(Json(CompleteReply {
        start: found.span.start,
        end: found.span.end,
        proposals: found.proposals.into_iter().map(proposal).collect(),
        values_of: found.values_of.map(str::to_owned),
    }))
}
