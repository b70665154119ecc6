//! Files as operators write them, and what is said of them.

use std::path::Path;

use super::*;

fn faults(text: &str) -> String {
    match read(text, Path::new("/state")) {
        Ok(_) => "fine".to_owned(),
        Err(faults) => faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn no_file_is_a_good_file() {
    let config = read("", Path::new("/state")).unwrap();
    assert_eq!(config.state, Path::new("/state"));
    assert_eq!(config.listen_dns, None);
    assert_eq!(config.web_listen, Some("127.0.0.1:8053".parse().unwrap()));
    assert_eq!(config.cache.size_bytes, 256 << 20);
    assert_eq!(config.log_folder(), Path::new("/state/log"));
    assert!(config.clients.iter().any(|network| network.contains("127.0.0.1".parse().unwrap())));
    assert!(!config.clients.iter().any(|network| network.contains("192.0.2.1".parse().unwrap())));
}

#[test]
fn a_whole_file_is_read() {
    let config = read(
        r#"
        state = "/srv/nameward"
        [listen]
        dns = ["192.0.2.1", "[2001:db8::1]:5300"]
        threads = 4
        [cache]
        size = "1 GiB"
        stale_max = "0"
        [block]
        answer = "zero"
        ttl = "5m"
        [log]
        keep_age = "30 days"
        keep_bytes = "0"
        [web]
        listen = ""
        [[upstream]]
        servers = ["192.0.2.53", "tcp://192.0.2.54:5353"]
        [[upstream]]
        suffix = "corp.example"
        servers = ["udp://[2001:db8::53]"]
        [[list]]
        name = "ads"
        source = "/etc/nameward/ads.txt"
        action = "block"
        ede = "filtered"
        refresh = "6h"
        "#,
        Path::new("/state"),
    )
    .unwrap();
    assert_eq!(config.listen_dns.unwrap(), ["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:5300".parse().unwrap()]);
    assert_eq!(config.cache.stale_max, 0);
    assert_eq!(config.block, policy::BlockAnswer { kind: wire::reply::BlockReply::ZeroAddress, ttl: 300 });
    assert_eq!(config.log.keep_age, Some(Duration::from_secs(30 * 86_400)));
    assert_eq!(config.log.keep_bytes, None);
    assert_eq!(config.web_listen, None);
    assert_eq!(config.upstreams[0].servers[1].transport, ServerTransport::Tcp);
    assert_eq!(config.upstreams[1].servers[0].address, "[2001:db8::53]:53".parse().unwrap());
    assert_eq!((config.lists[0].info.ede, config.lists[0].refresh), (17, Duration::from_secs(6 * 3600)));
}

#[test]
fn an_unknown_key_is_named_with_line_and_suggestion() {
    assert_eq!(
        faults("[cache]\nsise = \"1 MiB\"\n"),
        "line 2: unknown key \"sise\"; known here: size, ttl_min, ttl_max, negative_ttl_max, failure_ttl, stale_max; \
         did you mean \"size\"?"
    );
    assert_eq!(faults("\n\nlissten = 1\n").split("; known").next().unwrap(), "line 3: unknown key \"lissten\"");
}

#[test]
fn every_mistake_is_reported_at_its_line() {
    let text = r#"[listen]
dns = ["localhost"]
threads = -1
[cache]
size = "lots"
failure_ttl = "1h"
[block]
answer = "nxdomian"
[[list]]
source = "x"
[[upstream]]
servers = ["https://192.0.2.1"]
"#;
    assert_eq!(
        faults(text),
        "list[0].name: a list needs a name\n\
         line 2: listen.dns: \"localhost\" is no address: write such as \"192.0.2.1\", \"192.0.2.1:53\" or \"[2001:db8::1]:53\"\n\
         line 3: listen.threads: -1 is not within 0 to 256\n\
         line 5: cache.size: \"lots\" is no size: write a whole number and B, KiB, MiB, GiB, TiB, KB, MB, GB or TB\n\
         line 6: cache.failure_ttl: 1 s to 5 min (RFC 9520)\n\
         line 8: block.answer: \"nxdomian\" is none of nxdomain, nodata, refused, zero; did you mean \"nxdomain\"?\n\
         line 12: upstream[0].servers: upstreams speak udp or tcp, not \"https\""
    );
}

#[test]
fn the_default_file_uncommented_is_the_default() {
    let text = default_file();
    let head_ends = text.find("\n\n# Upstreams").unwrap();
    let uncommented: String = text[..head_ends]
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let read_back = read(&uncommented, Path::new("/elsewhere")).unwrap();
    let values = |config: &Config| -> Vec<String> {
        config.shown.iter().map(|shown| format!("{} = {}", shown.key, shown.value)).collect()
    };
    assert_eq!(values(&read_back), values(&read("", Path::new("/var/lib/nameward")).unwrap()));
    assert!(read_back.shown.iter().all(|shown| shown.line.is_some()));
}

#[test]
fn every_setting_says_what_it_does() {
    let text =
        format!("[[list]]\nname = \"a\"\nsource = \"a\"\n[[upstream]]\nservers = [\"192.0.2.1\"]\n{ZONES}{KEEPING}");
    for shown in read(&text, Path::new("/state")).unwrap().shown {
        assert!(!about(&shown.key).is_empty(), "{}", shown.key);
    }
}

#[test]
fn show_tells_where_each_value_came_from() {
    let shown = read("[cache]\nsize = \"1 GiB\"\n", Path::new("/state")).unwrap().show("nameward.toml");
    assert!(shown.contains("size = \"1 GiB\""), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("size = ") && line.ends_with("# nameward.toml:2")), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("stale_max = ") && line.ends_with("# default")), "{shown}");
    assert!(read(&shown, Path::new("/other")).is_ok(), "what is shown can be read");
}

#[test]
fn limits_are_read_and_held_to_what_makes_sense() {
    let text = "[limits]\nqueries_per_second = 500\ntold_every = 0\nipv4_prefix = 20\nexempt = [\"10.0.0.0/8\"]\nfair = false\n\
        [listen]\ntcp_connections = 50\ntcp_connections_per_client = 5\ntcp_idle = \"3s\"\n";
    let config = read(text, Path::new("/state")).unwrap();
    let expected = engine::LimitSettings {
        queries_per_second: 500,
        told_every: 0,
        ipv4_prefix: 20,
        exempt: [policy::Network::parse("10.0.0.0/8").unwrap()].into(),
        fair: false,
        ..engine::LimitSettings::default()
    };
    assert_eq!(config.limits, expected);
    assert_eq!((config.tcp.connections, config.tcp.per_client, config.tcp.idle.as_secs()), (50, 5, 3));
    insta::assert_snapshot!(faults("[limits]\nqueries_per_second = -1\nipv6_prefix = 129\nexempt = [\"10.0.0.1/8\"]\n"), @r#"
    line 2: limits.queries_per_second: -1 is not within 0 to 10000000
    line 3: limits.ipv6_prefix: 129 is not within 1 to 128
    line 4: limits.exempt: 10.0.0.1/8 has bits set after the prefix; write 10.0.0.0/8
    "#);
}

#[test]
fn two_lists_of_one_name_are_told_apart() {
    let list = "[[list]]\nname = \"a\"\nsource = \"x\"\n";
    assert_eq!(faults(&format!("{list}{list}")), "list[1].name: a second list is named \"a\"");
}

/// Keys, zones of every kind, cookies and TKEY.
const ZONES: &str = r#"
[cookies]
mode = "require"
secret = "000102030405060708090a0b0c0d0e0f"
previous = ["ffffffffffffffffffffffffffffffff"]
pressure = 500
[tkey]
create = true
allow = ["key:ddns", "127.0.0.1"]
[[key]]
name = "ddns"
secret = "c2VjcmV0IG9mIHNpeHRlZW4gb2N0ZXRz"
mac_min = 16
[[key]]
name = "xfer"
algorithm = "HMAC-SHA512."
secret_file = "/etc/nameward/xfer.secret"
[[zone]]
name = "home.example"
file = "/etc/nameward/home.zone"
query = ["192.0.2.0/24"]
transfer = ["key:xfer", "192.0.2.53"]
notify = ["192.0.2.53", "[2001:db8::53]:5300 key=xfer"]
update = [
  "key:ddns name:*.sub.home.example types:A,AAAA",
  "192.0.2.0/24 types:TXT name:_acme-challenge.home.example",
  "key:ddns self",
  "key:xfer",
]
[[zone]]
name = "lan.example"
records = ["printer A 192.0.2.9"]
[[zone]]
name = "copy.example"
primaries = ["192.0.2.1 key=xfer", "192.0.2.2"]
"#;

#[test]
fn keys_zones_and_who_may_what() {
    use engine::{CookieMode, Names, Who};
    let name = |text: &str| Folded::from_text(text).unwrap();
    let key = |text: &str| Who::Key(name(text));
    let network = |text: &str| Who::Network(text.parse().unwrap());
    let config = read(ZONES, Path::new("/state")).unwrap();

    assert_eq!((config.cookies.mode, config.cookies.pressure), (CookieMode::Require, 500));
    let secret = config.cookies.secret.as_ref().unwrap().load(cookie_secret).unwrap();
    assert_eq!((secret[1], secret[15], config.cookies.previous[0].0), (1, 15, [255; 16]));
    assert_eq!((config.tkey.create, &config.tkey.allow), (true, &vec![key("ddns"), network("127.0.0.1")]));

    let [ddns, xfer] = &config.keys[..] else { panic!("{:?}", config.keys) };
    assert_eq!((&ddns.name, ddns.algorithm, ddns.mac_len_min), (&name("ddns"), Algorithm::HmacSha256, Some(16)));
    assert_eq!(ddns.secret.load(key_secret).unwrap(), b"secret of sixteen octets");
    assert_eq!((xfer.algorithm, xfer.mac_len_min), (Algorithm::HmacSha512, None));
    assert!(matches!(&xfer.secret, Secret::File(path) if path == Path::new("/etc/nameward/xfer.secret")));

    let [home, lan, copy] = &config.zones[..] else { panic!("{:?}", config.zones) };
    assert_eq!(home.source, ZoneSource::File("/etc/nameward/home.zone".into()));
    assert_eq!(home.access.query, [network("192.0.2.0/24")]);
    assert_eq!(home.access.transfer, [key("xfer"), network("192.0.2.53")]);
    assert!(home.access.notify.is_empty());
    let peers: Vec<_> = home.notify.iter().map(|peer| (peer.address.to_string(), peer.key.clone())).collect();
    let expected = [("192.0.2.53:53".to_owned(), None), ("[2001:db8::53]:5300".to_owned(), Some(name("xfer")))];
    assert_eq!(peers, expected);
    let grants: Vec<_> = home.access.update.iter().map(|grant| (&grant.who, &grant.names, &grant.types[..])).collect();
    assert_eq!(
        grants,
        [
            (&key("ddns"), &Names::Below(name("sub.home.example")), &[1, 28][..]),
            (&network("192.0.2.0/24"), &Names::Exactly(name("_acme-challenge.home.example")), &[16]),
            (&key("ddns"), &Names::OwnKey, &[]),
            (&key("xfer"), &Names::Zone, &[]),
        ]
    );
    assert_eq!(lan.source, ZoneSource::Records(vec!["printer A 192.0.2.9".to_owned()]));
    assert_eq!(copy.access.notify, [key("xfer"), network("192.0.2.2")], "the primaries may tell of changes");
}

#[test]
fn mistakes_in_keys_and_zones_are_told_at_their_lines() {
    let text = r#"[cookies]
mode = "requires"
secret = "0123"
[tkey]
allow = ["key:dns"]
[[key]]
name = "ddns"
algorithm = "hmac-sha265"
secret = "not base64!"
[[key]]
name = "short"
secret = "c2VjcmV0"
mac_min = 4
[[key]]
name = "bare"
[[zone]]
name = "home.example"
[[zone]]
name = "lan.example"
records = ["printer A 192.0.2.9", "scanner A 192.0.2"]
update = ["ddns", "key:ddns name:www.example", "key:ddns type:A", "192.0.2.1 self", "key:ddns types:AAAAA"]
notify = ["192.0.2.1 xfer"]
notify_from = ["192.0.2.1"]
[[zone]]
name = "lan.example"
primaries = ["primary.example"]
"#;
    insta::assert_snapshot!(faults(text), @r#"
    line 2: cookies.mode: "requires" is none of off, give, pressure, require; did you mean "require"?
    line 3: cookies.secret: a secret of cookies has 32 hexadecimal digits
    line 5: tkey.allow: there is no [[key]] named "dns"; did you mean "ddns"?
    line 8: key[0].algorithm: "hmac-sha265" is none of hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha256-128, hmac-sha384, hmac-sha384-192, hmac-sha512, hmac-sha512-256; did you mean "hmac-sha256"?
    line 9: key[0].secret: the secret is not base64; `nameward key generate` makes one
    line 13: key[1].mac_min: a MAC of 4 octets is not possible: hmac-sha256 allows 16 to 32
    line 15: key[2].secret: a key needs a secret; `nameward key generate` makes one
    line 17: zone[0]: a zone has one of file, records and primaries
    line 20: zone[1].records: records:2: A: "192.0.2" is no IPv4 address
    line 21: zone[1].update: "ddns": "ddns" is not an address; write a network such as 10.0.0.0/8 or fd00::/8; did you mean "key:ddns"?
    line 21: zone[1].update: "key:ddns name:www.example": www.example is not in the zone lan.example; did you mean "name:www.example.lan.example"?
    line 21: zone[1].update: "key:ddns type:A": "type:A" is none of name:NAME, types:TYPE,TYPE and self; did you mean "types:"?
    line 21: zone[1].update: "192.0.2.1 self": "self" is the name of a key: begin the rule with key:NAME
    line 21: zone[1].update: "key:ddns types:AAAAA": "AAAAA" is no type of records; did you mean "AAAA"?
    line 22: zone[1].notify: "xfer" is not understood here: write key=NAME
    line 23: zone[1].notify_from: only a zone with primaries hears of changes elsewhere
    line 26: zone[2].primaries: "primary.example" is no address: write such as "192.0.2.1", "192.0.2.1:53" or "[2001:db8::1]:53"
    "#);
}

#[test]
fn secrets_are_shown_nowhere() {
    let config = read(ZONES, Path::new("/state")).unwrap();
    let wrong = ZONES.replace("0e0f", "0e0").replace("ZXRz", "ZXR").replace("ffff", "fffg");
    let texts = [config.show("nameward.toml"), format!("{config:?}"), faults(&wrong)];
    for text in texts {
        for secret in ["0001020304", "ffffffff", "c2VjcmV0", "secret of sixteen", "115, 101, 99"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    assert!(config.show("nameward.toml").contains("secret = \"(hidden)\""));
}

#[test]
fn two_zones_of_one_name_are_told_apart() {
    let zone = |name: &str| format!("[[zone]]\nname = \"{name}\"\nrecords = []\n");
    let told = faults(&format!("{}{}", zone("lan.example"), zone("LAN.example.")));
    assert_eq!(told, "line 5: zone[1].name: a second zone is named \"lan.example\"");
}

#[test]
fn the_examples_of_the_default_file_are_right() {
    let text = default_file();
    let examples: String = text[text.find("\n\n# Upstreams").unwrap()..]
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|setting| !setting.starts_with(' ')))
        .map(|line| format!("{line}\n"))
        .collect();
    // They name keys that stand for the reader's own.
    let keys = ["xfer", "host"].map(|name| format!("[[key]]\nname = \"{name}\"\nsecret = \"c2VjcmV0\"\n")).concat();
    let config = read(&format!("{examples}{keys}"), Path::new("/state")).unwrap();
    assert_eq!((config.zones.len(), config.keys.len(), config.lists.len()), (3, 3, 1));
    assert_eq!((config.tenants.len(), config.privacy.len(), config.outputs.len()), (1, 1, 2));
}

/// Tenants, privacy and outputs of every kind.
const KEEPING: &str = r#"
[log]
node = "ns1.example"
privacy = "truncated"
privacy_bits_v4 = 16
privacy_secret_file = "/etc/nameward/privacy.secret"
[search]
memory = "256 MiB"
time = "10s"
concurrent = 2
[[tenant]]
name = "home"
networks = ["192.0.2.0/24", "2001:db8::/64"]
privacy = "pseudonym"
keep_age = "7 days"
[[tenant]]
name = "office"
networks = ["192.0.2.128/25"]
[[privacy]]
networks = ["192.0.2.200"]
privacy = "counts"
[[output]]
name = "siem"
to = "syslog+tls://siem.example"
format = "LEEF"
search = "action:block"
spool_bytes = "1 GiB"
ca_file = "/etc/nameward/ca.pem"
client_cert_file = "/etc/nameward/siem.pem"
client_key_file = "/etc/nameward/siem.key"
[[output]]
name = "tap"
to = "dnstap+unix:///run/tap.sock"
spool_bytes = "0"
"#;

#[test]
fn tenants_privacy_and_outputs() {
    let config = read(KEEPING, Path::new("/state")).unwrap();
    let network = |text: &str| text.parse::<policy::Network>().unwrap();
    let log = &config.log;
    assert_eq!(
        (log.node.as_deref(), log.privacy, log.privacy_bits),
        (Some("ns1.example"), Privacy::Truncated, (16, 48))
    );
    let limits = SearchLimits { memory_bytes: 256 << 20, time: Duration::from_secs(10), concurrent: 2 };
    assert_eq!(config.search, limits);
    let [home, office] = &config.tenants[..] else { panic!("{:?}", config.tenants) };
    assert_eq!((&*home.name, home.privacy), ("home", Some(Privacy::Pseudonym)));
    assert_eq!(home.networks, [network("192.0.2.0/24"), network("2001:db8::/64")]);
    assert_eq!(home.keep_age, Some(Duration::from_secs(7 * 86_400)));
    assert_eq!((office.privacy, office.keep_age), (None, None));
    assert_eq!(config.privacy, [NetworkPrivacy { networks: vec![network("192.0.2.200")], privacy: Privacy::Counts }]);
    let [siem, tap] = &config.outputs[..] else { panic!("{:?}", config.outputs) };
    assert_eq!((&*siem.name, siem.to.to_string()), ("siem", "syslog+tls://siem.example:6514".to_owned()));
    assert_eq!((siem.format, &*siem.search, siem.spool_bytes), (output::Format::Leef, "action:block", 1 << 30));
    assert_eq!(siem.client, Some(("/etc/nameward/siem.pem".into(), "/etc/nameward/siem.key".into())));
    assert_eq!((tap.to.to_string(), tap.spool_bytes), ("dnstap+unix:///run/tap.sock".to_owned(), 0));
    assert_eq!((tap.format, &*tap.search, tap.ca_file.is_none()), (output::Format::Json, "", true));
    assert!(read(&config.show("nameward.toml"), Path::new("/state")).is_ok(), "what is shown can be read");
}

#[test]
fn mistakes_in_tenants_privacy_and_outputs_are_told_at_their_lines() {
    for (text, told) in [
        ("[log]\nprivacy = \"none\"", "line 2: log.privacy: \"none\" is none of full, truncated, pseudonym, counts"),
        ("[log]\nprivacy_bits_v4 = 33", "line 2: log.privacy_bits_v4: 33 is not within 0 to 32"),
        (
            "[log]\nnode = \"a b\"",
            "line 2: log.node: \"a b\" is no name of a server: no spaces, at most 255 characters",
        ),
        ("[search]\nconcurrent = 0", "line 2: search.concurrent: 0 is not within 1 to 64"),
        ("[search]\ntime = \"2h\"", "line 2: search.time: 1 s to 1 h"),
        ("[search]\nmemory = \"1 MiB\"", "line 2: search.memory: at least 64 MiB"),
        ("[[tenant]]\nnetworks = [\"10.0.0.0/8\"]", "tenant[0].name: a tenant needs a name"),
        ("[[tenant]]\nname = \"a\"", "tenant[0].networks: 1 to 10000 networks are needed"),
        (
            "[[tenant]]\nname = \"a b\"\nnetworks = [\"10.0.0.0/8\"]",
            "line 2: tenant[0].name: \"a b\" cannot be the name of a tenant: letters, digits, - _ . and at most 64 of them",
        ),
        (
            "[[tenant]]\nname = \"a\"\nnetworks = [\"10.0.0.0/8\"]\nkeep_age = \"5m\"",
            "line 4: tenant[0].keep_age: at least 1 hour: the log is dropped by whole hours",
        ),
        (
            "[[tenant]]\nname = \"a\"\nnetworks = [\"10.0.0.0/8\"]\n[[tenant]]\nname = \"b\"\nnetworks = [\"10.0.0.0/8\"]",
            "line 6: tenant[1].networks: 10.0.0.0/8 is a network of \"a\" already",
        ),
        (
            "[[tenant]]\nname = \"a\"\nnetworks = [\"10.0.0.0/8\"]\n[[tenant]]\nname = \"a\"\nnetworks = [\"10.0.0.0/9\"]",
            "line 5: tenant[1].name: a second tenant is named \"a\"",
        ),
        (
            "[[privacy]]\nnetworks = [\"10.0.0.0/8\"]",
            "privacy[0].privacy: one of full, truncated, pseudonym, counts is needed",
        ),
        (
            "[[output]]\nname = \"a\"\nto = \"dnstap+tcp://192.0.2.1\"",
            "line 3: output[0].to: \"dnstap+tcp://192.0.2.1\": dnstap has no port of its own; write host:port",
        ),
        (
            "[[output]]\nname = \"a\"\nto = \"dnstap+tcp://192.0.2.1:1\"\nformat = \"cef\"",
            "line 4: output[0].format: dnstap has one form: leave it out",
        ),
        (
            "[[output]]\nname = \"a\"\nto = \"syslog+tcp://192.0.2.1\"\nca_file = \"/a\"",
            "line 4: output[0]: files of TLS are for dnstap+tls and syslog+tls",
        ),
        (
            "[[output]]\nname = \"a\"\nto = \"syslog+tls://192.0.2.1\"\nclient_key_file = \"/a\"",
            "line 4: output[0]: client_cert_file and client_key_file come together",
        ),
        (
            "[[output]]\nname = \"a\"\nto = \"syslog+udp://192.0.2.1\"\nspool_bytes = \"1 KiB\"",
            "line 4: output[0].spool_bytes: at least 1 MiB, or 0 for none",
        ),
        (
            "[[output]]\nname = \"a\"\nto = \"syslog+udp://192.0.2.1\"\n[[output]]\nname = \"a\"\nto = \"syslog+udp://192.0.2.1\"",
            "line 5: output[1].name: a second output is named \"a\"",
        ),
    ] {
        assert_eq!(faults(text), told, "{text}");
    }
    let told = faults("[[output]]\nname = \"a\"\nto = \"syslog+udp://192.0.2.1\"\nsearch = \"colour:red\"");
    assert!(told.starts_with("line 4: output[0].search: ") && told.contains("colour"), "{told}");
}

#[test]
fn a_secret_of_pseudonyms_is_hexadecimal() {
    assert_eq!(privacy_secret(&format!(" {}\n", "0f".repeat(32))), Ok([15; 32]));
    for text in ["", "0f", &*"0g".repeat(32), &*"0f".repeat(33)] {
        assert!(privacy_secret(text).is_err(), "{text}");
    }
}

#[test]
fn a_remote_store_is_read() {
    let text = "[log.remote]\nurl = \"s3://logs/ns1\"\nkeep_local = \"3 days\"\nendpoint = \"https://minio.example:9000/\"\n\
                region = \"eu-1\"\naccess_key_id = \"id\"\nsecret_access_key_file = \"/etc/nameward/s3.secret\"\n";
    let config = read(text, Path::new("/state")).unwrap();
    let remote = config.log.remote.as_ref().unwrap();
    assert_eq!((remote.place.to_string(), remote.keep_local.as_secs()), ("s3://logs/ns1".to_owned(), 3 * 86_400));
    assert_eq!(remote.endpoint.as_deref(), Some("https://minio.example:9000"));
    assert_eq!(remote.key, Some(("id".to_owned(), "/etc/nameward/s3.secret".into())));
    assert!(config.show("conf").contains("[log.remote]\nurl = \"s3://logs/ns1\""));
    assert_eq!(read("", Path::new("/state")).unwrap().log.remote, None);
    let folder = read("[log.remote]\nurl = \"file:///mnt/log\"\n", Path::new("/state")).unwrap().log.remote.unwrap();
    assert_eq!((folder.keep_local.as_secs(), folder.key), (86_400, None));
}

#[test]
fn mistakes_about_a_remote_store_are_named() {
    let check = |lines: &str, expect: &str| {
        assert_eq!(faults(&format!("[log.remote]\n{lines}")), expect, "{lines}");
    };
    check(
        "url = \"https://logs.example\"\n",
        "line 2: log.remote.url: \"https://logs.example\" is no place: write s3://BUCKET/PREFIX or file:///FOLDER",
    );
    check(
        "url = \"s3://id:secret@logs\"\n",
        "line 2: log.remote.url: no keys in the URL: they are log.remote.access_key_id and secret_access_key_file",
    );
    check(
        "url = \"s3://logs\"\nendpoint = \"http://minio.example\"\n",
        "line 3: log.remote.endpoint: events would travel in the clear: https://, or allow_http = true as well",
    );
    check(
        "url = \"s3://logs\"\nallow_http = true\n",
        "line 3: log.remote.allow_http: it is for an endpoint that is http://",
    );
    check(
        "url = \"s3://logs\"\nendpoint = \"https://id:key@minio.example\"\n",
        "line 3: log.remote.endpoint: no endpoint: write https://HOST or https://HOST:PORT, and keys in their own settings",
    );
    check(
        "url = \"s3://logs\"\naccess_key_id = \"id\"\n",
        "line 3: log.remote: access_key_id and secret_access_key_file come together",
    );
    check("region = \"eu-1\"\n", "line 2: log.remote: without url nothing of it is used");
    check(
        "url = \"file:///mnt/log\"\nregion = \"eu-1\"\n",
        "line 3: log.remote: endpoint, region and keys are for s3://",
    );
    check(
        "secret_access_key = \"x\"\n",
        "line 2: unknown key \"secret_access_key\"; known here: url, keep_local, endpoint, region, access_key_id, \
         secret_access_key_file, allow_http; did you mean \"secret_access_key_file\"?",
    );
}
