//! The OPT of a reply: which options a client gets, and which of them have room. Cookies as RFC 9018 makes them.

use std::net::IpAddr;

use event::Transport;

use super::message::{Edns, Opt};
use super::query::Asked;
use super::{COOKIE, Cookies, Draft, From, House, KEEPALIVE, NSID, PADDING};

const EDE: u16 = 15;

/// Largest text of an extended error that is sent.
const EDE_TEXT_MAX: usize = 256;

impl House {
    /// Octets a reply may have: over UDP what the client offers, never below 512 (RFC 6891 §6.2.3), never above ours.
    pub(super) fn size_max(&self, asked: &Asked, from: From) -> usize {
        let offered = asked.edns.as_ref().map_or(512, |edns| edns.udp_size.max(512));
        if from.transport == Transport::Udp { offered.min(self.udp_size).into() } else { 65_535 }
    }

    pub(super) fn opt_len_min(&self, asked: &Asked, from: From) -> usize {
        let options: Vec<Opt> = self.cookie_given(asked, from).into_iter().chain(self.keepalive(asked, from)).collect();
        asked.edns.as_ref().map_or(0, |_| 11 + len(&options))
    }

    /// The OPT of a reply: one if the client sent one (RFC 6891 §6.1.1) or the code needs it. What has no room goes, texts first,
    /// then extended errors, then the name of the server.
    pub(super) fn edns(&self, asked: &Asked, from: From, draft: &Draft, body_len: usize) -> Option<Edns> {
        if asked.edns.is_none() && !(asked.rejected && draft.rcode > 15) {
            return None;
        }
        let must: Vec<Opt> = self.cookie_given(asked, from).into_iter().chain(self.keepalive(asked, from)).collect();
        // RFC 5001 §2.1: an empty option asks.
        let wants_nsid = asked.edns.iter().any(|edns| edns.options.contains(&(NSID, Vec::new())));
        let wants_nsid = wants_nsid && !self.nsid.is_empty();
        let nsid: Vec<Opt> = wants_nsid.then(|| (NSID, self.nsid.clone())).into_iter().collect();
        let told = &draft.ede[..draft.ede.len().min(8)];
        let ede = |texts: bool| -> Vec<Opt> {
            let text = |text: &str| if texts { text[..text.len().min(EDE_TEXT_MAX)].to_owned() } else { String::new() };
            told.iter().map(|(code, why)| (EDE, [&code.to_be_bytes()[..], text(why).as_bytes()].concat())).collect()
        };
        let room = self.size_max(asked, from).saturating_sub(body_len + 11);
        let choices = [[ede(true), nsid.clone()].concat(), [ede(false), nsid.clone()].concat(), nsid, Vec::new()];
        let may = choices.into_iter().find(|may| len(&must) + len(may) <= room).unwrap_or_default();
        let mut options = [must, may].concat();
        if self.pads(asked, from) {
            // RFC 8467 §4.1: to a multiple of 468, or as far as there is room.
            let bare = body_len + 11 + len(&options) + 4;
            options.push((PADDING, vec![0; bare.next_multiple_of(468).min(65_535) - bare]));
        }
        options.sort();
        let dnssec_ok = asked.edns.as_ref().is_some_and(|edns| edns.dnssec_ok);
        Some(Edns { udp_size: self.udp_size, dnssec_ok, options })
    }

    fn pads(&self, asked: &Asked, from: From) -> bool {
        let hidden = matches!(from.transport, Transport::Dot | Transport::Doh | Transport::Doq);
        hidden && asked.option(PADDING).is_some()
    }

    /// RFC 7828 §3.3.2: on TCP and TLS, for who asks.
    fn keepalive(&self, asked: &Asked, from: From) -> Option<Opt> {
        let told = matches!(from.transport, Transport::Tcp | Transport::Dot) && asked.option(KEEPALIVE).is_some();
        told.then(|| (KEEPALIVE, self.keepalive.to_be_bytes().to_vec()))
    }

    /// The cookie of a reply: the one that came while it is good and young, else a fresh one (RFC 7873 §5.2, RFC 9018 §4.3).
    fn cookie_given(&self, asked: &Asked, from: From) -> Option<Opt> {
        let data = asked.option(COOKIE).filter(|_| self.cookies != Cookies::Off)?;
        let client = data.first_chunk::<8>().filter(|_| matches!(data.len(), 8 | 16..=40))?;
        let young = self.cookie_age(data, from, &self.secrets[..1]).is_some_and(|age| age <= 1_800);
        if young {
            return Some((COOKIE, data.to_vec()));
        }
        let head = [&[1, 0, 0, 0], &from.unix_seconds.to_be_bytes()[..]].concat();
        let hash = cookie_hash(client, &head, from.client, &self.secrets[0]);
        Some((COOKIE, [&client[..], &head, &hash].concat()))
    }

    pub(super) fn good_cookie(&self, asked: &Asked, from: From) -> bool {
        asked.option(COOKIE).is_some_and(|data| self.cookie_age(data, from, &self.secrets).is_some())
    }

    /// A cookie that has to be told: only over UDP, and where a good one is demanded or a server cookie was shown.
    pub(super) fn wrong_cookie(&self, asked: &Asked, from: From) -> bool {
        let demanded = self.cookies == Cookies::Require || asked.question.is_none();
        let shown = asked.option(COOKIE).is_some();
        self.cookies != Cookies::Off
            && demanded
            && from.transport == Transport::Udp
            && shown
            && !self.good_cookie(asked, from)
    }

    /// Age in seconds of a cookie made here for this client with one of the secrets; `None` for any other, and past its time:
    /// an hour, or five minutes ahead.
    fn cookie_age(&self, data: &[u8], from: From, secrets: &[[u8; 16]]) -> Option<i64> {
        let (client, server) = data.split_first_chunk::<8>()?;
        let (head, hash) = server.split_first_chunk::<8>()?;
        let made = secrets.iter().any(|secret| cookie_hash(client, head, from.client, secret)[..] == *hash);
        let age = i64::from(from.unix_seconds) - i64::from(u32::from_be_bytes(*head.last_chunk()?));
        (made && head[0] == 1 && (-300..=3_600).contains(&age)).then_some(age)
    }
}

/// RFC 9018 §4.4: SipHash-2-4 over client cookie, version, reserved, time and address, little end first.
#[allow(deprecated)] // The only SipHash-2-4 at hand that is not the product's.
pub(crate) fn cookie_hash(client_cookie: &[u8; 8], head: &[u8], client: IpAddr, secret: &[u8; 16]) -> [u8; 8] {
    use std::hash::{Hasher, SipHasher};
    let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| secret[at + index]));
    let mut hasher = SipHasher::new_with_keys(half(0), half(8));
    let address = match client.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    hasher.write(&[&client_cookie[..], head, &address].concat());
    hasher.finish().to_le_bytes()
}

fn len(options: &[Opt]) -> usize {
    options.iter().map(|(_, data)| 4 + data.len()).sum()
}
