//! Networks such as `10.0.0.0/8`: read, shown, and asked whether an address lies inside.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// First address.
    pub address: IpAddr,
    /// Bits that count.
    pub prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash.
    #[error("\"{0}\" is not an address; write a network such as 10.0.0.0/8 or fd00::/8")]
    Address(String),
    /// The part after the slash.
    #[error("\"{text}\" is not a prefix length from 0 to {max}")]
    Prefix {
        /// As written.
        text: String,
        /// Bits of an address of this family.
        max: u8,
    },
    /// The address is not the first one of its network.
    #[error("{written} has bits set after the prefix; write {meant}")]
    HostBits {
        /// As written.
        written: String,
        /// The network that contains it.
        meant: Network,
    },
}

impl Network {
    /// Addresses of this machine itself: `127.0.0.0/8` and `::1/128`.
    pub const LOOPBACK: [Network; 2] = [
        Network { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix: 8 },
        Network { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 },
    ];

    /// The network of this prefix an address lies in; a prefix longer than the address is the address alone.
    #[must_use]
    pub fn of(address: IpAddr, prefix: u8) -> Network {
        let prefix = prefix.min(bits(address));
        Network { address: first_address(address, prefix), prefix }
    }

    /// Reads `10.0.0.0/8`; an address alone is a network of one.
    ///
    /// # Errors
    /// Says which part is wrong, and what may have been meant.
    pub fn parse(text: &str) -> Result<Network, NetworkError> {
        let (address_text, prefix_text) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address_text.parse().map_err(|_| NetworkError::Address(address_text.to_owned()))?;
        let max = bits(address);
        let prefix = match prefix_text {
            None => max,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|&prefix| prefix <= max && digits.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(|| NetworkError::Prefix { text: digits.to_owned(), max })?,
        };
        let meant = Network::of(address, prefix);
        if meant.address == address {
            return Ok(meant);
        }
        Err(NetworkError::HostBits { written: text.to_owned(), meant })
    }

    /// Whether an address lies inside. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(_), inside @ IpAddr::V4(_)) | (IpAddr::V6(_), inside @ IpAddr::V6(_)) => {
                first_address(inside, self.prefix) == first_address(self.address, self.prefix)
            }
            // `::ffff:0:0/96` and wider hold the mapped addresses.
            (IpAddr::V6(_), IpAddr::V4(inside)) => {
                first_address(IpAddr::V6(inside.to_ipv6_mapped()), self.prefix)
                    == first_address(self.address, self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with all bits after the prefix cleared; a prefix longer than the address clears none.
fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    let cleared = u32::from(bits(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(cleared).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(cleared).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        Network::parse(text)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        Network::parse(text).map_or_else(|error| error.to_string(), |network| network.to_string())
    }

    #[test]
    fn networks_are_read_and_mistakes_are_named() {
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("fd00::/8", "fd00::/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("::1", "::1/128"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("10.1.2.3/8", "10.1.2.3/8 has bits set after the prefix; write 10.0.0.0/8"),
            ("10.0.0.0/33", "\"33\" is not a prefix length from 0 to 32"),
            ("fd00::/+8", "\"+8\" is not a prefix length from 0 to 128"),
            ("10.0.0/8", "\"10.0.0\" is not an address; write a network such as 10.0.0.0/8 or fd00::/8"),
            ("", "\"\" is not an address; write a network such as 10.0.0.0/8 or fd00::/8"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn an_address_lies_inside_or_outside() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("127.0.0.0/8", "::1", false),
            ("::/0", "192.0.2.1", true),
            ("::1/128", "127.0.0.1", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bits in any::<u128>(), prefix in 0_u8..=128) {
            let network = Network::of(IpAddr::V6(Ipv6Addr::from_bits(bits)), prefix);
            prop_assert_eq!(Network::parse(&network.to_string()), Ok(network));
            prop_assert!(network.contains(IpAddr::V6(Ipv6Addr::from_bits(bits))));
        }
    }
}
