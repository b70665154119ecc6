//! DNS cookies (RFC 7873) as all servers make them (RFC 9018): SipHash-2-4 over client cookie, version, time and address.
//!
//! ```text
//! option data:  client cookie 8 | version 1 | reserved 3 | seconds 4 | hash 8
//! ```
//!
//! Knows no clock: the time is an argument.

use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// Octets of a client cookie and our server cookie together.
pub const COOKIE_LEN: usize = 24;

/// Octets of a client cookie (RFC 7873 §4.1).
const CLIENT_LEN: usize = 8;

/// The one version there is (RFC 9018 §4.1).
const VERSION: u8 = 1;

/// RFC 9018 §4.3: accepted for an hour, and five minutes into the future for servers whose clocks differ; renewed after half an
/// hour, so that a client in conversation never has one that is too old.
const AGE_SECONDS_MAX: i32 = 3_600;
const FUTURE_SECONDS_MAX: i32 = 300;
const RENEW_AFTER_SECONDS: i32 = 1_800;

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
    /// Good, but it is time for a new one (older than half an hour, RFC 9018 §4.3) or it was made with another secret than the
    /// one in force.
    Renew,
    /// Wrong, from another server, too old or from the future.
    Bad,
}

impl<'a> Cookie<'a> {
    /// Reads the option's data; `None` unless it has 8 or 16 to 40 octets.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Option<Cookie<'a>> {
        let (&client, server) = data.split_first_chunk::<CLIENT_LEN>()?;
        matches!(server.len(), 0 | 8..=32).then_some(Cookie { client, server })
    }

    /// What the server cookie is worth for this client now. Secrets: the one in force first, then the former and a coming one.
    #[must_use]
    pub fn standing(&self, client: IpAddr, secrets: &[Secret], now_seconds: u32) -> Standing {
        let Ok(server) = <&[u8; 16]>::try_from(self.server) else { return Standing::Bad };
        let [version, _, _, _, seconds @ .., h0, h1, h2, h3, h4, h5, h6, h7] = *server;
        // Serial arithmetic, so that the numbers may run over in 2106 (RFC 9018 §4.3, RFC 1982).
        let age_seconds = now_seconds.wrapping_sub(u32::from_be_bytes(seconds)) as i32;
        if version != VERSION || !(-FUTURE_SECONDS_MAX..=AGE_SECONDS_MAX).contains(&age_seconds) {
            return Standing::Bad;
        }
        // The reserved octets are hashed as they came (RFC 9018 §4.2): whoever gives them a meaning is verified too.
        let [s0, s1, s2, s3] = seconds;
        let head = [version, server[1], server[2], server[3], s0, s1, s2, s3];
        let told = u64::from_le_bytes([h0, h1, h2, h3, h4, h5, h6, h7]);
        // Every secret is tried and hashes are compared as one number each: nothing of the time taken tells how near a guess was.
        let mut fitting = None;
        for (index, secret) in secrets.iter().enumerate() {
            let fits = hash(self.client, head, client, secret) ^ told == 0;
            fitting = if fits && fitting.is_none() { Some(index) } else { fitting };
        }
        match fitting {
            None => Standing::Bad,
            Some(0) if age_seconds <= RENEW_AFTER_SECONDS => Standing::Good,
            Some(_) => Standing::Renew,
        }
    }
}

/// Option data of a reply: the client cookie and a fresh server cookie.
#[must_use]
pub fn make(client_cookie: [u8; 8], client: IpAddr, secret: &Secret, now_seconds: u32) -> [u8; COOKIE_LEN] {
    let [s0, s1, s2, s3] = now_seconds.to_be_bytes();
    let head = [VERSION, 0, 0, 0, s0, s1, s2, s3];
    let mut option = [0; COOKIE_LEN];
    let hash = hash(client_cookie, head, client, secret).to_le_bytes();
    for (to, from) in option.iter_mut().zip(client_cookie.into_iter().chain(head).chain(hash)) {
        *to = from;
    }
    option
}

/// `head`: version, reserved, seconds.
fn hash(client_cookie: [u8; 8], head: [u8; 8], client: IpAddr, secret: &Secret) -> u64 {
    let mut input = [0; 32];
    input[..8].copy_from_slice(&client_cookie);
    input[8..16].copy_from_slice(&head);
    let len = match client.to_canonical() {
        IpAddr::V4(address) => {
            input[16..20].copy_from_slice(&address.octets());
            20
        }
        IpAddr::V6(address) => {
            input[16..].copy_from_slice(&address.octets());
            32
        }
    };
    SipHasher24::new_with_key(&secret.0).hash(&input[..len])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::unhex;

    fn secret(hex: &str) -> Secret {
        Secret(unhex(hex).try_into().unwrap())
    }

    /// The examples of RFC 9018 appendix A: what a client sends, when, and what it gets.
    #[test]
    fn the_examples_of_the_standard() {
        let first = "e5e973e5a6b2a43f48e7dc849e37bfcf";
        let (old, new) = ("dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962");
        let table = [
            // A.1: a new cookie is learned.
            (
                "198.51.100.100",
                vec![first],
                "2464c4abcf10c957",
                1_559_731_985,
                Standing::Bad,
                "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
            ),
            // A.2: the same client, forty minutes later.
            (
                "198.51.100.100",
                vec![first],
                "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
                1_559_734_385,
                Standing::Renew,
                "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
            ),
            // A.3: another client, whose cookie is too old.
            (
                "203.0.113.203",
                vec![first],
                "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
                1_559_734_700,
                Standing::Bad,
                "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
            ),
            // A.4: IPv6, and a cookie made with the secret in force until a moment ago.
            (
                "2001:db8:220:1:59de:d0f4:8769:82b8",
                vec![new, old],
                "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
                1_559_741_961,
                Standing::Renew,
                "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
            ),
        ];
        for (client, secrets, sent, now, standing, given) in table {
            let client: IpAddr = client.parse().unwrap();
            let secrets: Vec<Secret> = secrets.into_iter().map(secret).collect();
            let sent = unhex(sent);
            let cookie = Cookie::read(&sent).unwrap();
            assert_eq!(cookie.standing(client, &secrets, now), standing, "{client}");
            assert_eq!(make(cookie.client, client, &secrets[0], now).to_vec(), unhex(given), "{client}");
        }
        // That of A.3 while it was young: its reserved octets are not zero.
        let sent = unhex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5");
        let standing = |now| {
            let client = "203.0.113.203".parse().unwrap();
            Cookie::read(&sent).unwrap().standing(client, &[secret(first)], now)
        };
        assert_eq!([0x5cf7_8f71, 0x5cf7_8f71 + 3_600].map(standing), [Standing::Good, Standing::Renew]);
    }

    #[test]
    fn a_cookie_has_its_time() {
        let (client, secrets) = ("192.0.2.7".parse().unwrap(), [Secret([7; 16])]);
        for made in [1_000_000_000, 100, u32::MAX - 100] {
            let option = make([1; 8], client, &secrets[0], made);
            for (later, standing) in [
                (-301, Standing::Bad),
                (-300, Standing::Good),
                (0, Standing::Good),
                (1_800, Standing::Good),
                (1_801, Standing::Renew),
                (3_600, Standing::Renew),
                (3_601, Standing::Bad),
                (i32::MAX, Standing::Bad),
            ] {
                let cookie = Cookie::read(&option).unwrap();
                let now = made.wrapping_add_signed(later);
                assert_eq!(cookie.standing(client, &secrets, now), standing, "made {made}, {later} s later");
            }
        }
    }

    #[test]
    fn options_have_8_or_16_to_40_octets() {
        for len in 0..64 {
            let data = vec![0; len];
            assert_eq!(Cookie::read(&data).is_some(), len == 8 || (16..=40).contains(&len), "{len}");
        }
    }

    proptest! {
        #[test]
        fn one_changed_bit_spoils_it(
            client_cookie: [u8; 8], client: IpAddr, secret: [u8; 16], now: u32, at in 0..COOKIE_LEN * 8,
        ) {
            let secrets = [Secret(secret), Secret([0; 16])];
            let mut option = make(client_cookie, client, &secrets[0], now);
            prop_assert_eq!(Cookie::read(&option).unwrap().standing(client, &secrets, now), Standing::Good);
            option[at / 8] ^= 1 << (at % 8);
            prop_assert_eq!(Cookie::read(&option).unwrap().standing(client, &secrets, now), Standing::Bad);
        }

        #[test]
        fn strangers_octets_are_no_cookie(data in proptest::collection::vec(any::<u8>(), 0..64), client: IpAddr, now: u32) {
            if let Some(cookie) = Cookie::read(&data) {
                prop_assert_eq!(cookie.standing(client, &[Secret([3; 16])], now), Standing::Bad);
                prop_assert_eq!(cookie.standing(client, &[], now), Standing::Bad);
            }
        }
    }
}
