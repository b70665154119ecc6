//! The HTTP side: the API of `api` over the log, sign-in, live tail, metrics, and the embedded dashboard.
//!
//! Knows how to search and how to sign people in; does not know how queries are answered. What it cannot see for
//! itself (status, metrics) is handed in by the binary as functions.

mod assets;
mod codes;
mod export;
mod keeping;
mod lists;
mod log;
mod openapi;
mod problem;
mod questions;
mod rows;
mod session;
mod tail;

#[cfg(test)]
mod fixture;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

pub use codes::{code_entry, code_range, ede_info, registry};
pub use keeping::verified;
pub use openapi::document as openapi_document;
pub use problem::Fault;
pub use rows::event_row;
pub use session::{Sessions, random_token};

/// Largest request body, bytes: the API takes a token or a SQL text, written as JSON.
const BODY_BYTES_MAX: usize = 2 * search::SQL_BYTES_MAX;

/// What the handlers need.
#[derive(Clone)]
pub struct Desk {
    /// Runs searches.
    pub searcher: search::Searcher,
    /// The log, for the live tail.
    pub store: store::Store,
    /// One turn for verifying or compacting the log.
    pub chores: Arc<Semaphore>,
    /// Who is signed in.
    pub sessions: Arc<Sessions>,
    /// How the server is.
    pub status: Arc<dyn Fn() -> api::Status + Send + Sync>,
    /// What the lists say of a name; reads them from disk.
    pub lines: Arc<dyn Fn(&wire::name::Folded) -> api::LinesReply + Send + Sync>,
    /// Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The present, microseconds since the Unix epoch.
    pub now_micros: fn() -> i64,
}

/// Runs what computes or waits for long where it keeps nobody waiting.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    tokio::task::spawn_blocking(work).await
}

/// All routes: `/api/v1`, `/metrics`, and the dashboard for every other path.
pub fn router(desk: Desk) -> Router {
    let guarded = Router::new()
        .route("/status", get(log::status))
        .route("/lists/lines", get(lists::lines))
        .route("/codes", get(codes::codes))
        .route("/codes/matrix", get(codes::matrix))
        .route("/codes/{code}", get(codes::code))
        .route("/fields", get(log::fields))
        .route("/log/rows", get(log::rows))
        .route("/log/rows/{id}", get(log::row))
        .route("/log/series", get(log::series))
        .route("/log/facets", get(log::facets))
        .route("/log/top", get(log::top))
        .route("/log/summary", get(log::summary))
        .route("/log/check", get(log::check))
        .route("/log/complete", get(log::complete))
        .route("/log/tail", get(tail::tail))
        .route("/log/status", get(keeping::status))
        .route("/log/verify", post(keeping::verify))
        .route("/log/compact", post(keeping::compact))
        .route("/log/distinct", get(questions::distinct))
        .route("/log/quantiles", get(questions::quantiles))
        .route("/log/compare", get(questions::compare))
        .route("/log/around/{id}", get(questions::around))
        .route("/log/explain", get(questions::explain))
        .route("/log/sql", post(questions::sql))
        .route("/log/searches", get(questions::searches))
        .route("/log/searches/{id}", delete(questions::cancel))
        .route("/log/export", get(export::export))
        .layer(middleware::from_fn_with_state(desk.clone(), signed_in));
    let open = Router::new()
        .route("/session", post(session::sign_in).delete(session::sign_out))
        .route("/openapi.json", get(openapi::serve));
    Router::new()
        .nest("/api/v1", guarded.merge(open).fallback(no_such_endpoint))
        .route("/metrics", get(metrics).layer(middleware::from_fn_with_state(desk.clone(), signed_in)))
        .fallback(assets::serve)
        .layer(middleware::from_fn(safe_headers))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(desk)
}

/// Serves until `stop` resolves.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    desk: Desk,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router(desk).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}

async fn metrics(State(desk): State<Desk>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (desk.metrics)())
}

async fn no_such_endpoint() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "no such endpoint", "see /api/v1/openapi.json for what there is")
}

/// Lets signed-in requests through: the session cookie, or a bearer token.
async fn signed_in(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let known = session::cookie(request.headers())
        .is_some_and(|cookie| desk.sessions.knows(cookie, (desk.now_micros)()))
        || bearer(request.headers()).is_some_and(|token| desk.sessions.knows_bearer(token));
    if known {
        next.run(request).await
    } else {
        Fault::new(StatusCode::UNAUTHORIZED, "not signed in", "sign in with the token printed on the server's console")
            .into_response()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Headers on every reply, and the origin check on every request that changes something.
async fn safe_headers(request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) && !same_origin(request.headers()) {
        return Fault::new(StatusCode::FORBIDDEN, "foreign origin", "the request comes from a page of another site")
            .into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether a request names no origin (not a browser) or the one it is sent to.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some() && origin == host
}
