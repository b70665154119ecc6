//! Lists over HTTP: which of their lines speak of a name.

use api::{LinesReply, LinesRequest};
use axum::Json;
use axum::extract::{Query, State};
use wire::name::Folded;

use crate::log::Reply;
use crate::problem::Fault;
use crate::{Desk, aside};

/// `GET /lists/lines`: reads all lists, so it takes as long as that does.
#[utoipa::path(get, path = "/api/v1/lists/lines", params(LinesRequest), responses(
    (status = 200, body = LinesReply), (status = 422, body = api::Problem), (status = 409, body = api::Problem)))]
pub(crate) async fn lines(State(desk): State<Desk>, Query(request): Query<LinesRequest>) -> Reply<LinesReply> {
    let name =
        Folded::from_text(&request.domain).ok_or_else(|| Fault::value(format!("\"{}\" is no name", request.domain)))?;
    let turn = crate::keeping::turn(&desk)?;
    Ok(Json(
        aside(move || {
            let _turn = turn;
            (desk.lines)(&name)
        })
        .await?,
    ))
}
