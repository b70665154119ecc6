//! The API's description of itself, made from the handlers; the reference keeps a checked-in copy.

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::OpenApi;

use crate::{codes, export, keeping, lists, log, questions, session, tail};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Nameward",
        description = "Protective DNS you can question: the log, its codes, and how the server is."
    ),
    paths(
        session::sign_in,
        session::sign_out,
        log::status,
        lists::lines,
        codes::codes,
        codes::matrix,
        codes::code,
        log::fields,
        log::rows,
        log::row,
        log::series,
        log::facets,
        log::top,
        log::summary,
        log::check,
        log::complete,
        keeping::status,
        keeping::verify,
        keeping::compact,
        tail::tail,
        questions::distinct,
        questions::quantiles,
        questions::compare,
        questions::around,
        questions::explain,
        questions::sql,
        questions::searches,
        questions::cancel,
        export::export
    ),
    components(schemas(api::TailRows))
)]
struct Description;

/// The OpenAPI document as JSON text, ending in a newline.
#[must_use]
pub fn document() -> String {
    let text = Description::openapi().to_pretty_json().unwrap_or_default();
    format!("{text}\n")
}

/// `GET /openapi.json`.
pub(crate) async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], document())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checked_in_description_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/reference/openapi.json");
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == super::document(),
            "the API changed: review, then run `cargo run -p nameward -- reference --folder docs/src/reference`"
        );
    }
}
