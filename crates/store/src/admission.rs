//! What the log takes in of an event: whose it is, and how much of it may be kept. Applied by the writer before an
//! event becomes a row, so that what is left out reaches neither disk, live rows nor the feed.
//!
//! Knows networks and tenants; nothing of files, and nothing of what a search may show to whom.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use event::{Ede, Event, Flags};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Microseconds of a minute, to which times are cut when only counts are kept.
const MINUTE_MICROS: i64 = 60_000_000;

/// Octets of the longest text of an address: `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
const ADDRESS_TEXT_OCTETS: usize = 45;

/// First two octets of every pseudonym: `fd70::/16`, inside the unique local addresses (RFC 4193), so that one is
/// told from an address of the Internet. The other 14 are the first 14 of HMAC-SHA256 over the address.
pub const PSEUDONYM_PREFIX: [u8; 2] = [0xfd, 0x70];

/// A network: an address and how many of its bits count. IPv4 and IPv6 are apart: `::/0` has no IPv4 client in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// A network; `None` when the prefix is longer than the address. Bits behind the prefix do not count. An IPv4
    /// address mapped into IPv6 is taken for the IPv4 address when its prefix covers the mapping.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Network> {
        let (address, prefix) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) if (96..=128).contains(&prefix) => (v4, prefix - 96),
            _ => (address, prefix),
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then(|| Network { address: cut(address, prefix, prefix), prefix })
    }

    /// Whether the address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && cut(address, self.prefix, self.prefix) == self.address
    }
}

/// How a client address is kept. Source port and whatever else says who asked goes with the address: anything but
/// `Full` keeps port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// As it is.
    Full,
    /// Only the first bits; the others are 0.
    Truncated {
        /// Bits kept of an IPv4 address; more than 32 are 32.
        v4_bits: u8,
        /// Bits kept of an IPv6 address; more than 128 are 128.
        v6_bits: u8,
    },
    /// Replaced by a pseudonym: the same for the same client under the same secret, and behind `PSEUDONYM_PREFIX`.
    /// Without a secret there is none, and the address is left out: `::`.
    Pseudonym,
    /// Nothing that says who asked or for what: no address, port, name, flags, answer, list, rule, trace, upstream, key, update
    /// or text; the time is cut to its minute, though numbers still follow the order of arrival. Tenant, node, transport, opcode,
    /// type, class, outcome, codes, action, cache, sizes and latency remain.
    CountsOnly,
}

/// Whom a rule of privacy is for. Of those that fit a client the most particular counts: the longest network, then
/// the tenant, then everyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivacyFor {
    /// Every client.
    Everyone,
    /// The clients of a tenant.
    Tenant(Arc<str>),
    /// The clients of a network.
    Network(Network),
}

/// How the addresses of some clients are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivacyRule {
    /// Whose.
    pub whom: PrivacyFor,
    /// How.
    pub addresses: Addresses,
}

/// What is done with every event on its way into the log. The default changes nothing.
#[derive(Clone, Default)]
pub struct Admission {
    /// The server that answers, for events that do not name one.
    pub node: Option<Arc<str>>,
    /// Networks of the tenants, for events that do not name one; the longest prefix counts.
    pub tenants: Vec<(Network, Arc<str>)>,
    /// How addresses are kept; full when no rule fits. Of two rules for the same clients the later counts.
    pub privacy: Vec<PrivacyRule>,
    /// Key of the pseudonyms. Another key makes other pseudonyms; forgetting it leaves them without a way back.
    pub secret: Option<[u8; 32]>,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Admission { node, tenants, privacy, secret } = self;
        f.debug_struct("Admission")
            .field("node", node)
            .field("tenants", tenants)
            .field("privacy", privacy)
            .field("secret", &secret.map(|_| "…"))
            .finish()
    }
}

impl Admission {
    /// Makes of an event what the log may keep. For a single event: the log itself compiles the rules once.
    pub fn admit(&self, event: &mut Event) {
        Gate::new(self).admit(event);
    }
}

/// An admission made ready for many events.
pub(crate) struct Gate {
    node: Option<Arc<str>>,
    tenants: ByNetwork<Arc<str>>,
    everyone: Addresses,
    by_tenant: HashMap<Arc<str>, Addresses>,
    by_network: ByNetwork<Addresses>,
    /// Keyed and ready for an address.
    pseudonyms: Option<Hmac<Sha256>>,
}

impl Gate {
    pub(crate) fn new(admission: &Admission) -> Gate {
        let mut gate = Gate {
            node: admission.node.clone(),
            tenants: ByNetwork::default(),
            everyone: Addresses::Full,
            by_tenant: HashMap::new(),
            by_network: ByNetwork::default(),
            // Fails for no length of key.
            pseudonyms: admission.secret.and_then(|secret| Hmac::new_from_slice(&secret).ok()),
        };
        for (network, tenant) in &admission.tenants {
            gate.tenants.insert(network, Arc::clone(tenant));
        }
        for rule in &admission.privacy {
            match &rule.whom {
                PrivacyFor::Everyone => gate.everyone = rule.addresses,
                PrivacyFor::Tenant(tenant) => drop(gate.by_tenant.insert(Arc::clone(tenant), rule.addresses)),
                PrivacyFor::Network(network) => gate.by_network.insert(network, rule.addresses),
            }
        }
        gate
    }

    pub(crate) fn admit(&self, event: &mut Event) {
        let client = event.client.to_canonical();
        if event.node.is_none() {
            event.node.clone_from(&self.node);
        }
        if event.tenant.is_none() {
            event.tenant = self.tenants.find(client).cloned();
        }
        let of_tenant = || event.tenant.as_ref().and_then(|tenant| self.by_tenant.get(tenant));
        match *self.by_network.find(client).or_else(of_tenant).unwrap_or(&self.everyone) {
            Addresses::Full => {}
            Addresses::Truncated { v4_bits, v6_bits } => hide(event, cut(client, v4_bits.min(32), v6_bits.min(128))),
            Addresses::Pseudonym => hide(event, self.pseudonym(client)),
            Addresses::CountsOnly => count_only(event),
        }
    }

    fn pseudonym(&self, client: IpAddr) -> IpAddr {
        let Some(keyed) = &self.pseudonyms else { return Ipv6Addr::UNSPECIFIED.into() };
        let mut mac = keyed.clone();
        mac.update(&event::address_bytes(client));
        let mut octets = [0; 16];
        octets[..2].copy_from_slice(&PSEUDONYM_PREFIX);
        octets[2..].copy_from_slice(&mac.finalize().into_bytes()[..14]);
        Ipv6Addr::from(octets).into()
    }
}

/// Puts another address in the place of the client's, also where a text names it.
fn hide(event: &mut Event, shown: IpAddr) {
    let client = std::mem::replace(&mut event.client, shown).to_canonical();
    event.client_port = 0;
    let name = AddressText::of(client);
    let name = name.as_str();
    // Of most events no text names the client, and there is nothing to make.
    if !is_named(event, name) {
        return;
    }
    let shown_name = shown.to_string();
    for text in [&mut event.trace, &mut event.rule, &mut event.update, &mut event.key, &mut event.list] {
        if let Some(changed) = text.as_deref().and_then(|text| replaced(text, name, &shown_name)) {
            *text = Some(changed.into());
        }
    }
    if event.ede.iter().any(|ede| ede.text.contains(name)) {
        let text = |ede: &Ede| replaced(&ede.text, name, &shown_name).map_or_else(|| Arc::clone(&ede.text), Arc::from);
        event.ede = event.ede.iter().map(|ede| Ede { code: ede.code, text: text(ede) }).collect();
    }
}

fn is_named(event: &Event, name: &str) -> bool {
    let texts = [&event.trace, &event.rule, &event.update, &event.key, &event.list];
    let mut texts = texts.into_iter().flatten().chain(event.ede.iter().map(|ede| &ede.text));
    texts.any(|text| text.contains(name))
}

/// An address as text, without memory of its own: there is one for every event.
struct AddressText {
    octets: [u8; ADDRESS_TEXT_OCTETS],
    length: usize,
}

impl AddressText {
    fn of(address: IpAddr) -> AddressText {
        let mut text = AddressText { octets: [0; ADDRESS_TEXT_OCTETS], length: 0 };
        // Fails for a text that is too long, which that of an address is not.
        let _ = write!(text, "{address}");
        text
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.octets[..self.length]).unwrap_or_default()
    }
}

impl Write for AddressText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.length + part.len();
        self.octets.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// The text with another address in the place of one; `None` when it does not name it. `10.0.0.1` is not in `10.0.0.12`.
fn replaced(text: &str, address: &str, by: &str) -> Option<String> {
    let part = |other: char| other.is_ascii_hexdigit();
    let mut changed = String::new();
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find(address) {
        let end = at + address.len();
        let alone = !rest[..at].chars().next_back().or(before).is_some_and(part)
            && !rest[end..].chars().next().is_some_and(part);
        changed.push_str(&rest[..at]);
        changed.push_str(if alone { by } else { address });
        before = rest[..end].chars().next_back();
        rest = &rest[end..];
    }
    (rest.len() < text.len()).then(|| changed + rest)
}

fn count_only(event: &mut Event) {
    event.time_micros = event.time_micros.saturating_sub(event.time_micros.rem_euclid(MINUTE_MICROS));
    event.client = Ipv6Addr::UNSPECIFIED.into();
    event.client_port = 0;
    event.domain = None;
    event.flags = Flags::default();
    event.ede = event.ede.iter().map(|ede| Ede { code: ede.code, text: "".into() }).collect();
    (event.answer, event.answer_count, event.ttl) = (None, 0, None);
    (event.list, event.rule, event.trace) = (None, None, None);
    (event.upstream, event.upstream_latency_micros, event.attempts) = (None, None, 0);
    (event.key, event.update) = (None, None);
}

/// The address with all but its first bits 0.
fn cut(address: IpAddr, v4_bits: u8, v6_bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let kept = u32::MAX.checked_shl(32 - u32::from(v4_bits.min(32))).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & kept).into())
        }
        IpAddr::V6(v6) => {
            let kept = u128::MAX.checked_shl(128 - u32::from(v6_bits.min(128))).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & kept).into())
        }
    }
}

/// Values by network: one look for each length of prefix there is.
struct ByNetwork<T> {
    /// Longest prefix first.
    lengths: Vec<(u8, HashMap<IpAddr, T>)>,
}

impl<T> Default for ByNetwork<T> {
    fn default() -> Self {
        ByNetwork { lengths: Vec::new() }
    }
}

impl<T> ByNetwork<T> {
    fn insert(&mut self, network: &Network, value: T) {
        let at = self.lengths.binary_search_by(|(length, _)| network.prefix.cmp(length)).unwrap_or_else(|at| {
            self.lengths.insert(at, (network.prefix, HashMap::new()));
            at
        });
        self.lengths[at].1.insert(network.address, value);
    }

    fn find(&self, address: IpAddr) -> Option<&T> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let lengths = self.lengths.iter().filter(|(length, _)| *length <= bits);
        lengths.into_iter().find_map(|(length, values)| values.get(&cut(address, *length, *length)))
    }
}

#[cfg(test)]
mod tests;
