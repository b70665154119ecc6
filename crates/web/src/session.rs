//! Signing in: a one-time token from the console becomes a session cookie; the command line carries a bearer token
//! from a file only its user can read.
//!
//! Only hashes are kept. Sessions live in memory: a restart signs everybody out.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::Desk;
use crate::problem::Fault;

/// Sessions at once; the one used least recently makes room.
const SESSIONS_MAX: usize = 256;
/// A session ends after this long without use.
const IDLE_MICROS_MAX: i64 = 24 * 3_600 * 1_000_000;
/// A session ends this long after sign-in whatever happens.
const AGE_MICROS_MAX: i64 = 14 * 24 * 3_600 * 1_000_000;
/// The cookie's name.
const COOKIE: &str = "nameward_session";

type Hash = [u8; 32];

/// Who is signed in, and what signs in next.
pub struct Sessions {
    bearer: Hash,
    state: Mutex<Book>,
    /// Called with each new one-time token, so that the console can print it.
    announce: Box<dyn Fn(&str) + Send + Sync>,
}

struct Book {
    one_time: Hash,
    sessions: HashMap<Hash, Session>,
}

struct Session {
    started_micros: i64,
    used_micros: i64,
}

/// 32 random bytes as hexadecimal text.
///
/// # Errors
/// When the system gives no randomness.
pub fn random_token() -> std::io::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

impl Sessions {
    /// Starts with a bearer token for the command line; `announce` is told the first one-time token now and the next
    /// one whenever one was used.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(bearer: &str, announce: impl Fn(&str) + Send + Sync + 'static) -> std::io::Result<Sessions> {
        let token = random_token()?;
        announce(&token);
        let state = Book { one_time: hash(&token), sessions: HashMap::new() };
        Ok(Sessions { bearer: hash(bearer), state: Mutex::new(state), announce: Box::new(announce) })
    }

    /// Trades a one-time token for a session; `None` when it is not the current one.
    fn open(&self, token: &str, now_micros: i64) -> Option<String> {
        let session = random_token().ok()?;
        let next = random_token().ok()?;
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if hash(token) != state.one_time {
                return None;
            }
            state.one_time = hash(&next);
            state.sessions.retain(|_, session| session.alive(now_micros));
            if state.sessions.len() >= SESSIONS_MAX {
                let idle = state.sessions.iter().min_by_key(|(_, session)| session.used_micros).map(|(key, _)| *key);
                idle.and_then(|key| state.sessions.remove(&key));
            }
            let fresh = Session { started_micros: now_micros, used_micros: now_micros };
            state.sessions.insert(hash(&session), fresh);
        }
        (self.announce)(&next);
        Some(session)
    }

    /// Whether this cookie is a live session; marks it used.
    #[must_use]
    pub fn knows(&self, cookie: &str, now_micros: i64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.sessions.get_mut(&hash(cookie)) {
            Some(session) if session.alive(now_micros) => {
                session.used_micros = now_micros;
                true
            }
            _ => false,
        }
    }

    /// Whether this is the command line's token. Comparing hashes leaks nothing of the token by its timing.
    #[must_use]
    pub fn knows_bearer(&self, token: &str) -> bool {
        hash(token) == self.bearer
    }

    fn close(&self, cookie: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.sessions.remove(&hash(cookie));
    }
}

impl Session {
    fn alive(&self, now_micros: i64) -> bool {
        now_micros - self.used_micros < IDLE_MICROS_MAX && now_micros - self.started_micros < AGE_MICROS_MAX
    }
}

/// The session cookie of a request.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// `POST /session`.
#[utoipa::path(post, path = "/api/v1/session", request_body = api::SignIn, responses(
    (status = 204, description = "signed in; the session cookie is set"),
    (status = 401, description = "not the current one-time token", body = api::Problem)))]
pub(crate) async fn sign_in(State(desk): State<Desk>, Json(request): Json<api::SignIn>) -> Response {
    match desk.sessions.open(request.token.trim(), (desk.now_micros)()) {
        Some(session) => {
            let age = AGE_MICROS_MAX / 1_000_000;
            let cookie = format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}");
            (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
        }
        None => Fault::new(
            StatusCode::UNAUTHORIZED,
            "wrong token",
            "a token works once: use the newest one printed on the server's console",
        )
        .into_response(),
    }
}

/// `DELETE /session`.
#[utoipa::path(delete, path = "/api/v1/session", responses((status = 204, description = "signed out")))]
pub(crate) async fn sign_out(State(desk): State<Desk>, headers: HeaderMap) -> Response {
    if let Some(cookie) = cookie(&headers) {
        desk.sessions.close(cookie);
    }
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_token_signs_in_once_and_the_next_one_is_announced() {
        let announced = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&announced);
        let sessions = Sessions::new("cli", move |token| heard.lock().unwrap().push(token.to_owned())).unwrap();
        let first = announced.lock().unwrap()[0].clone();

        let cookie = sessions.open(&first, 0).unwrap();
        assert!(sessions.knows(&cookie, 1));
        assert_eq!(sessions.open(&first, 1), None, "used up");
        let second = announced.lock().unwrap()[1].clone();
        assert!(sessions.open(&second, 1).is_some());
    }

    #[test]
    fn a_session_ends_by_idleness_by_age_and_by_sign_out() {
        let token = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&token);
        let sessions = Sessions::new("cli", move |token| *heard.lock().unwrap() = token.to_owned()).unwrap();
        let open = |now| {
            // The lock must be free again: opening a session announces the next token.
            let newest = token.lock().unwrap().clone();
            sessions.open(&newest, now).unwrap()
        };

        let idle = open(0);
        assert!(!sessions.knows(&idle, IDLE_MICROS_MAX));

        let busy = open(0);
        let mut now = 0;
        while now < AGE_MICROS_MAX {
            assert!(sessions.knows(&busy, now));
            now += IDLE_MICROS_MAX / 2;
        }
        assert!(!sessions.knows(&busy, AGE_MICROS_MAX));

        let left = open(0);
        sessions.close(&left);
        assert!(!sessions.knows(&left, 0));
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=1; nameward_session=abc; b=2".parse().unwrap());
        assert_eq!(cookie(&headers), Some("abc"));
    }
}
