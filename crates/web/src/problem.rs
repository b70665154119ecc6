//! Errors as problem details (RFC 9457): one shape for every fault of the API.

use api::{Problem, SearchFault};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A request that was not served, and why.
#[derive(Debug)]
pub struct Fault(Problem);

impl Fault {
    /// A fault with a status, a title and a detail for someone who can act.
    #[must_use]
    pub fn new(status: StatusCode, title: &str, detail: impl Into<String>) -> Fault {
        Fault(Problem { status: status.as_u16(), title: title.to_owned(), detail: detail.into(), faults: Vec::new() })
    }

    /// A search text that could not be read.
    #[must_use]
    pub fn search(faults: &[search::Fault]) -> Fault {
        let faults: Vec<SearchFault> = faults.iter().map(search_fault).collect();
        let detail = faults.first().map_or_else(String::new, |fault| fault.message.clone());
        Fault(Problem { status: 422, title: "the search cannot be read".to_owned(), detail, faults })
    }

    /// A request value out of place.
    #[must_use]
    pub fn value(detail: impl Into<String>) -> Fault {
        Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "a value is out of place", detail)
    }
}

/// The API's form of a search fault.
pub(crate) fn search_fault(fault: &search::Fault) -> SearchFault {
    SearchFault {
        start: fault.span.start,
        end: fault.span.end,
        message: fault.message.clone(),
        suggestion: fault.suggestion.clone(),
    }
}

impl From<search::SearchError> for Fault {
    fn from(error: search::SearchError) -> Fault {
        match error {
            search::SearchError::Field(text) => Fault::value(text),
            search::SearchError::Limit(text) => {
                Fault::new(StatusCode::SERVICE_UNAVAILABLE, "the search was stopped at a limit", text)
            }
            search::SearchError::Remote(text) => {
                Fault::new(StatusCode::SERVICE_UNAVAILABLE, "the remote store did not give what is searched", text)
            }
            search::SearchError::Cancelled => {
                Fault::new(StatusCode::CONFLICT, "the search was cancelled", error.to_string())
            }
            search::SearchError::Sql(fault) => Fault::search(&[fault]),
            search::SearchError::Engine(error) => {
                tracing::error!(error = %error, "search failed");
                Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "the search failed", error.to_string())
            }
        }
    }
}

impl From<tokio::task::JoinError> for Fault {
    fn from(error: tokio::task::JoinError) -> Fault {
        tracing::error!(error = %error, "work aside broke off");
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "the work broke off", error.to_string())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
