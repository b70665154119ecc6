//! The embedded dashboard: files by path, and the page itself for every client-side route.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
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
    // One entity tag for each coding: they are different octets (RFC 9110 §8.8.3).
    let (coding, bytes) = match (asset.brotli, asset.gzip) {
        (Some(bytes), _) if accepts("br") => (Some("br"), bytes),
        (_, Some(bytes)) if accepts("gzip") => (Some("gzip"), bytes),
        _ => (None, asset.plain),
    };
    let etag = match coding {
        Some(coding) => format!("{}-{coding}\"", asset.etag.trim_end_matches('"')),
        None => asset.etag.to_owned(),
    };
    let caching = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = match known(asked, &etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(bytes).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// Whether the browser holds this very file.
fn known(asked: &HeaderMap, etag: &str) -> bool {
    let held = asked.get(header::IF_NONE_MATCH).and_then(|held| held.to_str().ok());
    held.is_some_and(|held| held.split(',').any(|held| held.trim() == etag))
}
