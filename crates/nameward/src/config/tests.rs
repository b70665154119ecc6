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
    let text = "[[list]]\nname = \"a\"\nsource = \"a\"\n[[upstream]]\nservers = [\"192.0.2.1\"]\n";
    for shown in read(text, Path::new("/state")).unwrap().shown {
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
