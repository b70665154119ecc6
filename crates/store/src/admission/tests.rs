//! Whose an event is, and what of it is kept.

use super::*;
use crate::tests::support::{MORNING_MICROS, event};

fn network(text: &str) -> Network {
    let (address, prefix) = text.split_once('/').unwrap();
    Network::new(address.parse().unwrap(), prefix.parse().unwrap()).unwrap()
}

fn asked_by(client: &str) -> Event {
    let trace = format!("admission: {client} is in no admitted network\nupstream: {client}2 and {client}.");
    let ede: Arc<[Ede]> = [Ede { code: 18, text: format!("{client} may not ask").into() }].into();
    Event {
        client: client.parse().unwrap(),
        client_port: 5353,
        trace: Some(trace.into()),
        ede,
        ..event(40, MORNING_MICROS)
    }
}

fn admission() -> Admission {
    let rule = |whom, addresses| PrivacyRule { whom, addresses };
    Admission {
        node: Some("ns1".into()),
        tenants: [("10.0.0.0/8", "acme"), ("10.1.0.0/16", "branch"), ("2001:db8::/32", "acme"), ("::/0", "six")]
            .map(|(at, tenant)| (network(at), tenant.into()))
            .to_vec(),
        privacy: vec![
            rule(PrivacyFor::Everyone, Addresses::Truncated { v4_bits: 24, v6_bits: 48 }),
            rule(PrivacyFor::Tenant("acme".into()), Addresses::Pseudonym),
            rule(PrivacyFor::Network(network("10.9.0.0/16")), Addresses::CountsOnly),
            rule(PrivacyFor::Network(network("10.9.9.0/24")), Addresses::Full),
        ],
        secret: Some([7; 32]),
    }
}

fn admitted(admission: &Admission, mut event: Event) -> Event {
    admission.admit(&mut event);
    event
}

#[test]
fn the_longest_prefix_names_the_tenant() {
    for (client, tenant) in [
        ("10.2.3.4", Some("acme")),
        ("10.1.3.4", Some("branch")),
        ("::ffff:10.1.3.4", Some("branch")),
        ("192.0.2.1", None),
        ("2001:db8::1", Some("acme")),
        ("2001:db9::1", Some("six")),
    ] {
        let got = admitted(&admission(), asked_by(client));
        assert_eq!((got.tenant.as_deref(), got.node.as_deref()), (tenant, Some("ns1")), "{client}");
    }
    let named = Event { tenant: Some("own".into()), node: Some("ns9".into()), ..asked_by("10.1.3.4") };
    let got = admitted(&admission(), named);
    assert_eq!((got.tenant.as_deref(), got.node.as_deref()), (Some("own"), Some("ns9")));
}

#[test]
fn the_most_particular_rule_of_privacy_counts() {
    for (client, shown, port) in [
        ("192.0.2.77", "192.0.2.0", 0),
        ("2001:db9:1:2:3::4", "2001:db9:1::", 0),
        ("10.1.2.3", "10.1.2.0", 0),
        ("10.9.1.1", "::", 0),
        ("10.9.9.9", "10.9.9.9", 5353),
    ] {
        let got = admitted(&admission(), asked_by(client));
        assert_eq!((got.client.to_string().as_str(), got.client_port), (shown, port), "{client}");
    }
}

#[test]
fn a_pseudonym_is_one_clients_and_one_keys() {
    let pseudonym = |admission: &Admission, client: &str| admitted(admission, asked_by(client)).client;
    let one = pseudonym(&admission(), "10.2.3.4");
    assert!(matches!(one, IpAddr::V6(v6) if v6.octets()[..2] == PSEUDONYM_PREFIX));
    assert_eq!(one, pseudonym(&admission(), "::ffff:10.2.3.4"));
    assert_ne!(one, pseudonym(&admission(), "10.2.3.5"));
    assert_ne!(one, pseudonym(&Admission { secret: Some([8; 32]), ..admission() }, "10.2.3.4"));
    // HMAC-SHA256 of 00…00ffff0a020304 under 32 octets 07, by Python's hmac.
    assert_eq!(one.to_string(), "fd70:d935:d33f:c404:6aeb:55d5:f1bb:95ea");
    let without = admitted(&Admission { secret: None, ..admission() }, asked_by("10.2.3.4"));
    assert_eq!(without.client.to_string(), "::");
}

#[test]
fn texts_that_name_the_client_name_what_is_shown() {
    let got = admitted(&admission(), asked_by("192.0.2.77"));
    let trace = "admission: 192.0.2.0 is in no admitted network\nupstream: 192.0.2.772 and 192.0.2.0.";
    assert_eq!(got.trace.as_deref(), Some(trace));
    assert_eq!(&*got.ede[0].text, "192.0.2.0 may not ask");
    assert_eq!(got.domain, asked_by("192.0.2.77").domain);
}

#[test]
fn counts_only_keep_what_can_be_counted() {
    let before = asked_by("10.9.1.1");
    let got = admitted(&admission(), Event { time_micros: MORNING_MICROS + MINUTE_MICROS + 1, ..before.clone() });
    let emptied = Event {
        time_micros: MORNING_MICROS + MINUTE_MICROS,
        client: Ipv6Addr::UNSPECIFIED.into(),
        client_port: 0,
        domain: None,
        flags: Flags::default(),
        ede: [Ede { code: 18, text: "".into() }].into(),
        answer: None,
        answer_count: 0,
        ttl: None,
        list: None,
        rule: None,
        trace: None,
        upstream: None,
        upstream_latency_micros: None,
        attempts: 0,
        key: None,
        update: None,
        tenant: Some("acme".into()),
        node: Some("ns1".into()),
        ..before
    };
    let rows = |event: Event| crate::tests::support::rows(&[event], 0);
    assert_eq!(rows(got), rows(emptied));
    // Clocks can say anything.
    let first = admitted(&admission(), Event { time_micros: i64::MIN, ..asked_by("10.9.1.1") });
    assert_eq!(first.time_micros, i64::MIN);
}

#[test]
fn nothing_is_changed_by_default() {
    let rows = |event: Event| crate::tests::support::rows(&[event], 0);
    let before = asked_by("192.0.2.77");
    assert_eq!(rows(admitted(&Admission::default(), before.clone())), rows(before));
}

#[test]
fn a_network_has_no_more_bits_than_its_address() {
    assert_eq!(Network::new("10.0.0.0".parse().unwrap(), 33), None);
    assert_eq!(Network::new("::".parse().unwrap(), 129), None);
    assert_eq!(network("10.1.2.3/8"), network("10.0.0.0/8"));
    assert_eq!(network("::ffff:10.0.0.0/104"), network("10.0.0.0/8"));
    assert!(network("0.0.0.0/0").contains("255.1.2.3".parse().unwrap()));
    assert!(!network("::/0").contains("255.1.2.3".parse().unwrap()));
}

#[test]
fn the_secret_is_not_shown() {
    assert!(!format!("{:?}", admission()).contains("7, 7"));
}
