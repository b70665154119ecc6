//! DNS cookies (RFC 7873) as all servers make them (RFC 9018): SipHash-2-4 over client cookie, version, time and address.

use std::net::IpAddr;

/// A server secret.
#[derive(Clone, Copy)]
pub struct Secret(pub [u8; 16]);

/// The COOKIE option of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie<'a> {
    /// Client cookie.
    pub client: [u8; 8],
    /// Server cookie; empty when the client has none yet, else 8 to 32 octets.
    pub server: &'a [u8],
}

/// What a server cookie is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Made by us for this client, and young.
    Good,
    /// Good, but it is time for a new one (older than half an hour, RFC 9018 §4.3) or it was made with the former secret.
    Renew,
    /// Wrong, from another server, too old or from the future.
    Bad,
}

/// Octets of a client cookie and our server cookie together.
pub const COOKIE_LEN: usize = 24;

impl<'a> Cookie<'a> {
    /// Reads the option's data; `None` unless it has 8 or 16 to 40 octets.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Option<Cookie<'a>> {
        let _ = data;
        todo!()
    }

    /// What the server cookie is worth for this client now. Secrets: the one in force first, then the former and a coming one.
    #[must_use]
    pub fn standing(&self, client: IpAddr, secrets: &[Secret], now_seconds: u32) -> Standing {
        let _ = (client, secrets, now_seconds);
        todo!()
    }
}

/// Option data of a reply: the client cookie and a fresh server cookie.
#[must_use]
pub fn make(client_cookie: [u8; 8], client: IpAddr, secret: &Secret, now_seconds: u32) -> [u8; COOKIE_LEN] {
    let _ = (client_cookie, client, secret, now_seconds);
    todo!()
}
