//! DNS cookies on the walk (RFC 7873 §5.2): when a fresh one is given, and when a query without a good one gets BADCOOKIE or TC.
//!
//! What a cookie is worth follows from its octets, the client's address and the time alone, so nothing is kept between
//! queries but a count that tells pressure.

use std::net::IpAddr;
use std::sync::Arc;

use event::Transport;
use policy::Network;
use wire::code::Code;
use wire::cookie::{COOKIE_LEN, Cookie, Secret, Standing, make};
use wire::view::{Edns, option};

use crate::exit::{Now, Source};

/// How strict cookies are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieMode {
    /// Cookies are ignored.
    Off,
    /// Given to who asks; a wrong one is answered with a fresh one beside the answer.
    #[default]
    Give,
    /// As `Give`; but under pressure UDP clients without a good cookie get BADCOOKIE (with client cookie) or TC (without).
    Pressure,
    /// UDP clients that send cookies must send a good one (else BADCOOKIE); those that send none get TC.
    Require,
}

/// Cookies as the operator has them.
#[derive(Clone, Default)]
pub struct CookieSettings {
    /// How strict.
    pub mode: CookieMode,
    /// The secret in force first, then those still accepted (the former, and one to come on other servers). None: cookies are
    /// off.
    pub secrets: Arc<[Secret]>,
    /// UDP queries a second without good cookie, all clients of a thread together, from which on there is pressure.
    pub pressure_queries_per_second: u32,
    /// Networks treated as [`CookieMode::Require`] says, unless cookies are off.
    pub require_from: Arc<[Network]>,
}

impl CookieSettings {
    /// The secret in force; `None` when cookies are off.
    fn secret(&self) -> Option<&Secret> {
        self.secrets.first().filter(|_| self.mode != CookieMode::Off)
    }

    /// Whether anybody may be turned away for want of a cookie.
    pub(crate) fn demands(&self) -> bool {
        self.secret().is_some()
            && (matches!(self.mode, CookieMode::Pressure | CookieMode::Require) || !self.require_from.is_empty())
    }

    /// Whether a good cookie is required of this client at any time.
    fn requires(&self, client: IpAddr) -> bool {
        self.mode == CookieMode::Require || self.require_from.iter().any(|network| network.contains(client))
    }

    fn standing(&self, cookie: &Cookie<'_>, source: Source, now: Now) -> Standing {
        cookie.standing(source.peer.ip(), &self.secrets, unix_seconds(now))
    }
}

/// UDP queries without a good cookie in the current second, at one desk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pressure {
    second: u32,
    queries: u32,
}

impl Pressure {
    /// Counts one more; whether that is more than the limit.
    fn rises_above(&mut self, limit: u32, now: Now) -> bool {
        if self.second != now.seconds() {
            *self = Pressure { second: now.seconds(), queries: 0 };
        }
        self.queries = self.queries.saturating_add(1);
        self.queries > limit
    }
}

/// What is wanted of a client before it is answered over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Nothing,
    /// That it shows the cookie it now gets.
    Cookie,
    /// That it comes over a stream, which shows as well that it is where it says.
    Stream,
}

/// Looks at the cookie of a message that came over UDP.
pub(crate) fn wanted(
    settings: &CookieSettings,
    edns: Option<Edns<'_>>,
    source: Source,
    now: Now,
    pressure: &mut Pressure,
) -> Wanted {
    let cookie = cookie(edns);
    let good = cookie.is_some_and(|cookie| settings.standing(&cookie, source, now) != Standing::Bad);
    if !settings.demands() || good {
        return Wanted::Nothing;
    }
    let pressed =
        settings.mode == CookieMode::Pressure && pressure.rises_above(settings.pressure_queries_per_second, now);
    match (pressed || settings.requires(source.peer.ip()), cookie) {
        (false, _) => Wanted::Nothing,
        (true, Some(_)) => Wanted::Cookie,
        (true, None) => Wanted::Stream,
    }
}

/// Whether the client showed a cookie of ours: so it is where it says.
pub(crate) fn is_good(settings: &CookieSettings, edns: Option<Edns<'_>>, source: Source, now: Now) -> bool {
    settings.secret().is_some()
        && cookie(edns).is_some_and(|cookie| settings.standing(&cookie, source, now) != Standing::Bad)
}

/// Whether the client asks for a cookie and gets one.
pub(crate) fn gives(settings: &CookieSettings, edns: Option<Edns<'_>>) -> bool {
    settings.secret().is_some() && cookie(edns).is_some()
}

/// What the reply carries for the COOKIE option in `data`: the cookie sent as long as it is good and young, else a fresh one.
pub(crate) fn given(settings: &CookieSettings, data: &[u8], source: Source, now: Now) -> Option<[u8; COOKIE_LEN]> {
    let secret = settings.secret()?;
    let cookie = Cookie::read(data)?;
    if settings.standing(&cookie, source, now) == Standing::Good
        && let Ok(same) = data.try_into()
    {
        return Some(same);
    }
    Some(make(cookie.client, source.peer.ip(), secret, unix_seconds(now)))
}

/// The answer to a cookie sent without a question (RFC 7873 §5.4); `None` when cookies are off.
pub(crate) fn probe(settings: &CookieSettings, edns: Option<Edns<'_>>, source: Source, now: Now) -> Option<Code> {
    settings.secret()?;
    let cookie = cookie(edns)?;
    let wrong = !cookie.server.is_empty() && settings.standing(&cookie, source, now) == Standing::Bad;
    // A stream shows by itself that the client is where it says: BADCOOKIE is for UDP alone.
    Some(if wrong && source.transport == Transport::Udp { Code::BADCOOKIE } else { Code::NOERROR })
}

fn cookie(edns: Option<Edns<'_>>) -> Option<Cookie<'_>> {
    Cookie::read(edns?.option(option::COOKIE)?)
}

fn unix_seconds(now: Now) -> u32 {
    // Modulo 2^32, as RFC 9018 §4.3 counts.
    (now.wall_micros / 1_000_000) as u32
}

#[cfg(test)]
mod tests;
