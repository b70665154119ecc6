//! Codes over HTTP: the registry in the API's form, one code with what the log has of it, and the matrix of all codes.
//!
//! The registry itself is in `wire`; the command line and the reference pages take this form too.

use std::time::Instant;

use api::{
    CodeEntry, CodePlace, CodeRange, CodeReply, CodeRequest, CodesReply, EdeInfo, Facet, MatrixReply, MatrixRequest,
    MatrixRow, PlaceCount, Trend,
};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use search::{Search, Window};
use wire::code::{CODES, Code, CodeInfo, Described, Place, RANGES, RangeInfo, describe};
use wire::ede::EDES;

use crate::Desk;
use crate::log::{POINTS_DEFAULT, Reply, TOP_DEFAULT, count, line, parse, range, took_ms, window};
use crate::problem::Fault;
use crate::rows::event_row;

/// Example rows of one code when a request does not say.
const EXAMPLES_DEFAULT: u32 = 20;
/// Fields counted beside a code, in order.
const COUNTED: &[&str] = &["transport", "opcode", "outcome", "action", "ede"];
/// Fields whose most frequent values stand beside a code, in order.
const RANKED: &[&str] = &["client", "domain", "upstream", "key"];

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// The whole registry.
#[must_use]
pub fn registry() -> CodesReply {
    CodesReply {
        codes: CODES.iter().map(code_entry).collect(),
        ranges: RANGES.iter().map(code_range).collect(),
        ede: EDES.iter().map(ede_info).collect(),
    }
}

/// One named code in the API's form.
#[must_use]
pub fn code_entry(info: &CodeInfo) -> CodeEntry {
    let place = |placed: &wire::code::Placed| CodePlace {
        place: placed.place.name().to_owned(),
        column: placed.place.column().to_owned(),
        header: placed.header.into(),
        header_name: placed.header_code().name().into_owned(),
    };
    CodeEntry {
        name: info.name.to_owned(),
        mixed: info.mixed.to_owned(),
        number: info.code.number(),
        place: info.place(),
        places: info.places.iter().map(place).collect(),
        signing: info.signing.name().to_owned(),
        rfc: info.rfc.to_owned(),
        meaning: info.meaning.to_owned(),
        sent: info.sent.to_owned(),
        emitters: info.emitters.iter().map(|emitter| emitter.name().to_owned()).collect(),
        transports: owned(info.transports),
        causes: owned(info.causes),
        next: owned(info.next),
        family: info.family.name().to_owned(),
        kind: info.kind.name().to_owned(),
    }
}

/// A range of numbers without a name in the API's form.
#[must_use]
pub fn code_range(range: &RangeInfo) -> CodeRange {
    CodeRange {
        first: range.first,
        last: range.last,
        name: range.name.to_owned(),
        rfc: range.rfc.to_owned(),
        meaning: range.meaning.to_owned(),
        causes: owned(range.causes),
        next: owned(range.next),
    }
}

/// One extended error in the API's form.
#[must_use]
pub fn ede_info(info: &wire::ede::EdeInfo) -> EdeInfo {
    EdeInfo {
        number: info.number,
        name: info.name.to_owned(),
        rfc: info.rfc.to_owned(),
        meaning: info.meaning.to_owned(),
        sender: info.sender.to_owned(),
        sent: info.sent.map(str::to_owned),
        causes: owned(info.causes),
        next: owned(info.next),
    }
}

/// `GET /codes`.
#[utoipa::path(get, path = "/api/v1/codes", responses((status = 200, body = CodesReply)))]
pub(crate) async fn codes() -> Json<CodesReply> {
    Json(registry())
}

/// What a path names: codes by name, or by number with all that share it.
fn named(text: &str) -> Option<Vec<Code>> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if digits {
        text.parse().ok().map(|number| Code::with_number(number).collect())
    } else {
        Code::from_name(text).map(|code| vec![code])
    }
}

/// `GET /codes/{code}`: a name or a number; 16 is two codes, shown together.
#[utoipa::path(get, path = "/api/v1/codes/{code}",
    params(("code" = String, Path, description = "name or number of a code"), CodeRequest), responses(
    (status = 200, body = CodeReply), (status = 404, body = api::Problem), (status = 422, body = api::Problem)))]
pub(crate) async fn code(
    State(desk): State<Desk>,
    Path(text): Path<String>,
    Query(request): Query<CodeRequest>,
) -> Reply<CodeReply> {
    let started = Instant::now();
    let codes = named(&text).ok_or_else(|| {
        Fault::new(StatusCode::NOT_FOUND, "no such code", format!("no code is called \"{text}\": see /api/v1/codes"))
    })?;
    let all = parse(&request.q)?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let points = request.points.unwrap_or(POINTS_DEFAULT).clamp(1, api::POINTS_MAX) as usize;
    let n = request.n.unwrap_or(TOP_DEFAULT).clamp(1, api::TOP_MAX) as usize;
    let examples = request.rows.unwrap_or(EXAMPLES_DEFAULT).min(api::EXAMPLES_MAX) as usize;
    let names: Vec<String> = codes.iter().map(|code| code.name().into_owned()).collect();
    let search = parse(&format!("code:{}", names.join(",")))?.and(&all);

    let searcher = &desk.searcher;
    let of = searcher.count(&all, window).await?;
    let total = searcher.count(&search, window).await?;
    let series = searcher.series(&search, window, "code", points).await?;
    let fields: Vec<&str> = COUNTED.iter().chain(RANKED).copied().collect();
    let tops = searcher.breakdown(&search, window, &fields, n).await?;
    let facet = |(field, top): (&&str, &search::Top)| Facet {
        field: (*field).to_owned(),
        values: top.values.iter().map(count).collect(),
        other: top.other,
        error: top.error,
    };
    let mut facets: Vec<Facet> = fields.iter().zip(&tops).map(facet).collect();
    let top = facets.split_off(COUNTED.len());
    let infos: Vec<&CodeInfo> = codes.iter().filter_map(|code| code.info()).collect();
    let mut places = Vec::new();
    for info in &infos {
        for placed in info.places {
            places.push(place_count(&desk, info, placed.place, &all, window).await?);
        }
    }
    let rows = match examples {
        0 => Vec::new(),
        limit => searcher.rows(&search, window, None, limit).await?,
    };
    let unnamed = codes.iter().find_map(|code| match describe(code.number()).first() {
        Some(Described::Range(range)) if code.info().is_none() => Some(code_range(range)),
        _ => None,
    });
    Ok(Json(CodeReply {
        range: range(window),
        search: search.to_string(),
        codes: infos.into_iter().map(code_entry).collect(),
        unnamed,
        total,
        of,
        trend: Trend {
            step_ms: series.step_micros / 1000,
            starts: series.starts.iter().map(|micros| micros / 1000).collect(),
            lines: series.lines.iter().map(line).collect(),
        },
        places,
        counts: facets,
        top,
        rows: rows.iter().map(event_row).collect(),
        took_ms: took_ms(started),
    }))
}

/// Counts the events whose code stood in one place. TSIG goes before TKEY: that is how the code was derived.
async fn place_count(
    desk: &Desk,
    info: &CodeInfo,
    place: Place,
    all: &Search,
    window: Window,
) -> Result<PlaceCount, Fault> {
    let name = info.name;
    let text = match place {
        Place::Header | Place::Opt => format!("code:{name}"),
        Place::Tsig => format!("code:{name} tsig:{name}"),
        Place::Tkey => format!("code:{name} tkey:{name} -tsig:>0"),
    };
    let search = parse(&text)?.and(all);
    let count = desk.searcher.count(&search, window).await?;
    Ok(PlaceCount { code: name.to_owned(), place: place.name().to_owned(), search: search.to_string(), count })
}

/// `GET /codes/matrix`.
#[utoipa::path(get, path = "/api/v1/codes/matrix", params(MatrixRequest), responses(
    (status = 200, body = MatrixReply), (status = 422, body = api::Problem)))]
pub(crate) async fn matrix(State(desk): State<Desk>, Query(request): Query<MatrixRequest>) -> Reply<MatrixReply> {
    let started = Instant::now();
    let search = parse(&request.q)?;
    let window = window(&desk, request.from.as_deref(), request.to.as_deref())?;
    let by = request.by.as_deref().filter(|by| !by.is_empty()).unwrap_or("client");
    let n = request.n.unwrap_or(TOP_DEFAULT).clamp(1, api::TOP_MAX) as usize;
    let found = desk.searcher.matrix(&search, window, by, n).await?;
    let row = |row: &search::MatrixRow| {
        let head = count(&row.code);
        let (total, counts) = (head.count, row.counts.clone());
        MatrixRow { value: head.value, number: head.number, family: head.family, total, counts, other: row.other }
    };
    Ok(Json(MatrixReply {
        range: range(window),
        by: search::field(by).map_or(by, |field| field.name).to_owned(),
        columns: found.columns.iter().map(count).collect(),
        rows: found.rows.iter().map(row).collect(),
        other: found.other,
        total: found.total,
        took_ms: took_ms(started),
    }))
}

#[cfg(test)]
mod tests;
