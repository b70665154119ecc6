//! The embedded dashboard: files by path, and the page itself for every client-side route.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::problem::Fault;

/// Serves a file of the dashboard. A path without a dot is a route of the page.
pub(crate) async fn serve(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Fault::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "the dashboard is only read")
            .into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    match webui::get(path) {
        Some(asset) => send(asset, request.headers()),
        None if path.rsplit('/').next().is_some_and(|last| last.contains('.')) => {
            Fault::new(StatusCode::NOT_FOUND, "no such file", format!("the dashboard has no file /{path}"))
                .into_response()
        }
        None => send(webui::index(), request.headers()),
    }
}

fn send(asset: &'static webui::Asset, asked: &HeaderMap) -> Response {
    let accepts = |coding: &str| {
        let lines = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|item| item.split(';').next().is_some_and(|c| c.trim() == coding))
    };
    let caching = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common = [
        (header::CONTENT_TYPE, asset.mime),
        (header::ETAG, asset.etag),
        (header::CACHE_CONTROL, caching),
        (header::VARY, "accept-encoding"),
    ];
    let known = asked.get(header::IF_NONE_MATCH).and_then(|etag| etag.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|etag| etag.trim() == asset.etag)) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    match (asset.brotli, asset.gzip) {
        (Some(bytes), _) if accepts("br") => {
            (common, [(header::CONTENT_ENCODING, "br")], Body::from(bytes)).into_response()
        }
        (_, Some(bytes)) if accepts("gzip") => {
            (common, [(header::CONTENT_ENCODING, "gzip")], Body::from(bytes)).into_response()
        }
        _ => (common, Body::from(asset.plain)).into_response(),
    }
}
