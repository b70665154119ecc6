//! Networks, and what makes replies the same.

use super::*;

#[test]
fn an_address_is_counted_to_the_network_it_begins_like() {
    for (client, v4, v6, network) in [
        ("192.0.2.77", 24, 56, "192.0.2.0/24"),
        ("192.0.2.77", 32, 56, "192.0.2.77/32"),
        ("192.0.2.77", 0, 56, "0.0.0.0/0"),
        ("::ffff:192.0.2.77", 25, 56, "192.0.2.0/25"),
        ("2001:db8:1:2ff::1", 24, 56, "2001:db8:1:200::/56"),
        ("2001:db8::1", 24, 128, "2001:db8::1/128"),
        ("2001:db8::1", 24, 0, "::/0"),
    ] {
        let settings = LimitSettings { ipv4_prefix: v4, ipv6_prefix: v6, ..LimitSettings::default() };
        let who = Limits::new(Arc::new(settings)).who(client.parse().unwrap(), false).unwrap();
        assert_eq!(who.network.to_string(), network, "{client}");
    }
}
