//! Networks of clients, and the 16 bytes addresses are stored as.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::fault::shown;

/// A network of one family: IPv6 networks hold no IPv4 client, though the log stores those as mapped addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Net {
    address: IpAddr,
    prefix: u8,
}

/// Stored form of the lowest and highest IPv4 address.
const MAPPED: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

impl Net {
    /// Bits after the prefix are cleared; mapped IPv4 becomes IPv4.
    pub(crate) fn new(address: IpAddr, prefix: u8) -> Option<Net> {
        match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                let bits = v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Some(Net { address: IpAddr::V4(Ipv4Addr::from_bits(bits)), prefix })
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                if let Some(v4) = v6.to_ipv4_mapped()
                    && prefix >= 96
                {
                    return Net::new(IpAddr::V4(v4), prefix - 96);
                }
                let bits = v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Some(Net { address: IpAddr::V6(Ipv6Addr::from_bits(bits)), prefix })
            }
            _ => None,
        }
    }

    /// Reads an address or `address/prefix`. `Err(None)`: not an address at all; `Err(Some)`: what is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Net, Option<String>> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| None)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let Some(prefix) = prefix else { return Net::new(address, longest).ok_or(None) };
        let length = prefix.parse::<u8>().ok().filter(|length| *length <= longest);
        length
            .and_then(|length| Net::new(address, length))
            .ok_or_else(|| Some(format!("`/{}` is not a prefix length: 0 to {longest}", shown(prefix))))
    }

    /// The one address, when it is one.
    pub(crate) fn single(self) -> Option<IpAddr> {
        let longest = if self.address.is_ipv4() { 32 } else { 128 };
        (self.prefix == longest).then_some(self.address)
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        Net::new(address.to_canonical(), self.prefix).is_some_and(|net| net == self)
    }

    /// Lowest and highest address.
    pub(crate) fn ends(self) -> (IpAddr, IpAddr) {
        match self.address {
            IpAddr::V4(v4) => {
                let host = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
                (self.address, IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | host)))
            }
            IpAddr::V6(v6) => {
                let host = u128::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
                (self.address, IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | host)))
            }
        }
    }
}

impl std::fmt::Display for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.single() {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "{}/{}", self.address, self.prefix),
        }
    }
}

/// Ranges of stored bytes that hold the addresses from `low` to `high`: one, or two around the IPv4 clients.
pub(crate) fn stored_ranges(low: IpAddr, high: IpAddr) -> Vec<([u8; 16], [u8; 16])> {
    let stored = |address| u128::from_be_bytes(event::address_bytes(address));
    let (low_bits, high_bits) = (stored(low), stored(high));
    let parts = if low.is_ipv4() || high_bits < MAPPED.0 || low_bits > MAPPED.1 {
        vec![(low_bits, high_bits)]
    } else {
        vec![(low_bits, MAPPED.0 - 1), (MAPPED.1 + 1, high_bits)]
    };
    let bytes = |(low, high): (u128, u128)| (low.to_be_bytes(), high.to_be_bytes());
    parts.into_iter().filter(|(low, high)| low <= high).map(bytes).collect()
}

/// Addresses that a text names: not those within a longer word, as 192.0.2.1 is in `192.0.2.10` or `192.0.2.1.example`.
pub(crate) fn addresses(text: &str) -> impl Iterator<Item = IpAddr> {
    let words = text.split(|char: char| !(char.is_alphanumeric() || matches!(char, '.' | ':')));
    let may_be = |word: &&str| {
        word.starts_with(|char: char| char.is_ascii_hexdigit() || char == ':') && word.contains(['.', ':'])
    };
    words.filter(may_be).filter_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_text() {
        for (text, found) in [
            ("A 192.0.2.1, A 192.0.2.2", "192.0.2.1 192.0.2.2"),
            ("CNAME edge.example, AAAA 2001:DB8::1, …", "2001:db8::1"),
            ("HTTPS 1 . ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1", "192.0.2.1 192.0.2.2 2001:db8::1"),
            ("A ::ffff:192.0.2.7", "::ffff:192.0.2.7"),
            ("PTR 1.2.0.192.in-addr.arpa, TXT 192.0.2.1.example 192.0.2.1ü", ""),
            ("", ""),
        ] {
            let all: Vec<String> = addresses(text).map(|address| address.to_string()).collect();
            assert_eq!(all.join(" "), found, "{text}");
        }
    }

    #[test]
    fn networks_read_hold_and_print() {
        for (text, printed, inside, outside) in [
            ("10.1.2.3/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "0.0.0.0/0", "255.255.255.255", "::"),
            ("2001:db8::1/32", "2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
            ("::/0", "::/0", "fe80::1", "192.0.2.1"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8", "10.9.9.9", "::ffff"),
            ("::1", "::1", "::1", "::2"),
        ] {
            let net = Net::read(text).unwrap();
            assert_eq!(net.to_string(), printed);
            assert!(net.contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!net.contains(outside.parse().unwrap()), "{text} {outside}");
            let (low, high) = net.ends();
            let stored = |address: &str| event::address_bytes(address.parse().unwrap());
            let held =
                |address| stored_ranges(low, high).iter().any(|(low, high)| (*low..=*high).contains(&stored(address)));
            assert!(held(inside) && !held(outside), "{text}");
        }
        for (text, told) in
            [("10.0.0.0/33", true), ("::/129", true), ("10.0.0.0/", true), ("10.0.0", false), ("x/8", false)]
        {
            assert_eq!(Net::read(text).err().map(|reason| reason.is_some()), Some(told), "{text}");
        }
    }
}
