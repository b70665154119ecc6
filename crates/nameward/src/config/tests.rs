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
    let text = format!("[[list]]\nname = \"a\"\nsource = \"a\"\n[[upstream]]\nservers = [\"192.0.2.1\"]\n{ZONES}");
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
}
