//! The system's own resolvers: what `/etc/resolv.conf` names.

use std::net::{IpAddr, SocketAddr};

/// Where the system writes them.
pub(crate) const FILE: &str = "/etc/resolv.conf";
/// Most resolvers taken; the system itself reads three.
const RESOLVERS_MAX: usize = 8;

/// Reads the `nameserver` lines, leaving out addresses we listen on ourselves: asking them would ask us.
pub(crate) fn read(text: &str, ours: &[SocketAddr]) -> Vec<SocketAddr> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    lines
        .filter_map(|rest| rest.split_whitespace().next())
        .filter_map(|address| address.split('%').next()?.parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, 53))
        .filter(|address| !ours.contains(address))
        .take(RESOLVERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameserver_lines_count_and_our_own_addresses_do_not() {
        let text = "# comment\nsearch example\nnameserver 192.0.2.1\nnameserver  2001:db8::1\nnameserver fe80::1%eth0\n\
                    nameserver 127.0.0.1\nnameserver nonsense\nnameserver\n";
        let ours = ["127.0.0.1:53".parse().unwrap()];
        let expected: Vec<SocketAddr> =
            ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1]:53"].iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(read(text, &ours), expected);
    }
}
