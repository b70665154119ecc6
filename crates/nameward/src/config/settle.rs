//! From the file as written to the settings that run: every default visible here, every mistake collected.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy::{BlockAnswer, Format, ListAction, ListInfo, Network};
use serde::Serialize;
use toml::Spanned;
use wire::reply::{BlockReply, UDP_SIZE_DEFAULT};

use super::file::{self, File};
use super::{Config, FILE_BYTES_MAX, Fault, List, Shown, TcpLimits, UpstreamGroup, values};

/// Most lists: each has a bit in a rule's set.
const LISTS_MAX: usize = 255;
/// Most TCP connections: each is a descriptor.
const CONNECTIONS_MAX: i64 = 1_000_000;
/// Most answering threads.
const THREADS_MAX: i64 = 256;

/// Longest NSID, octets: it is part of every reply that asks for it.
const NSID_LEN_MAX: usize = 64;

/// Networks that may ask when the file says nothing: this machine and private networks.
const CLIENTS_DEFAULT: [&str; 8] = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// What each key does, in the words of the reference.
const ABOUT: &[(&str, &str)] = &[
    ("state", "Folder for everything kept: the log, last good copies of lists, the command line's key."),
    (
        "listen.dns",
        "Addresses on which queries are answered, UDP and TCP. Empty: port 53 of 127.0.0.1 and ::1 where allowed,\nelse 5353.",
    ),
    ("listen.threads", "Threads that answer UDP; 0 is one for each core."),
    ("listen.udp_size", "Largest reply over UDP, octets (512 to 4096). 1232 never needs fragments."),
    (
        "listen.tcp_connections",
        "TCP connections at once; the system's limit of open files may allow fewer. About 3 KiB each.",
    ),
    ("listen.tcp_connections_per_client", "TCP connections of one client address at once."),
    ("listen.tcp_idle", "How long a TCP connection may stay without a query."),
    ("upstream.suffix", "Names these servers are asked for: the suffix and everything below; \".\" is all."),
    (
        "upstream.servers",
        "Servers such as \"192.0.2.53\", \"udp://192.0.2.53:53\" or \"tcp://[2001:db8::53]\". The quickest healthy one is\nasked. Without an upstream for \".\" the system's resolvers (/etc/resolv.conf) are asked.",
    ),
    ("cache.size", "Memory for answers."),
    ("cache.ttl_min", "Shortest time an answer is kept."),
    ("cache.ttl_max", "Longest time an answer is kept."),
    ("cache.negative_ttl_max", "Longest time is kept that a name or type does not exist (RFC 2308)."),
    ("cache.failure_ttl", "How long a failure is kept before the upstreams are asked again (RFC 9520)."),
    (
        "cache.stale_max",
        "How long after its time an answer may be given when no upstream answers (RFC 8767); \"0\" is never.",
    ),
    ("list.name", "Name shown with every block."),
    ("list.source", "File, or http(s) URL. The last good copy stays in force when a source fails."),
    ("list.action", "\"block\" or \"allow\". The most precise rule wins, allow wins a tie."),
    ("list.format", "\"auto\", \"hosts\", \"domains\" or \"adblock\"."),
    ("list.ede", "Extended error sent with a block: \"blocked\" (15), \"censored\" (16) or \"filtered\" (17)."),
    ("list.refresh", "Time between two readings of the source."),
    (
        "block.answer",
        "What a blocked question gets: \"nxdomain\", \"nodata\", \"refused\" or \"zero\" (0.0.0.0 and ::).",
    ),
    ("block.ttl", "How long clients may keep the block answer."),
    ("clients.allow", "Networks that may ask; anyone else gets REFUSED with extended error 18."),
    ("log.folder", "Folder of the log; empty: \"log\" in the state folder."),
    ("log.keep_age", "Events older than this are dropped, by whole hours; \"0\" keeps them."),
    ("log.keep_bytes", "The oldest hours are dropped when the log is larger; \"0\" has no bound."),
    ("log.node", "Name of this server in every event; empty: the host's name."),
    (
        "log.privacy",
        "How client addresses are kept: \"full\"; \"truncated\"; as a \"pseudonym\", the same for the same client; or not at all,\nnor the names asked, so that \"counts\" remain. Applied before anything is written. [[tenant]] and [[privacy]] may say otherwise.",
    ),
    ("log.privacy_bits_v4", "Bits of an IPv4 address that are kept when it is truncated."),
    ("log.privacy_bits_v6", "Bits of an IPv6 address that are kept when it is truncated."),
    (
        "log.privacy_secret_file",
        "File with the secret of pseudonyms, 64 hexadecimal digits. Empty: made when it is first needed and kept in the\nstate folder. With another secret the same client has another pseudonym.",
    ),
    (
        "log.remote.url",
        "Where old segments of the log go: s3://BUCKET/PREFIX or file:///FOLDER, its own for each log. Empty: all stay in the\nfolder. Searches read them there.",
    ),
    (
        "log.remote.keep_local",
        "Segments whose newest event is older go there, once their day is over and they will not change any more.",
    ),
    ("log.remote.endpoint", "Where a store that is not Amazon's answers, such as https://minio.example:9000."),
    ("log.remote.region", "Region of the bucket; empty: us-east-1."),
    ("log.remote.access_key_id", "Name of the key; empty: the role of the machine is asked for one."),
    ("log.remote.secret_access_key_file", "File with the secret of the key. The secret is never shown."),
    ("log.remote.allow_http", "Whether endpoint may be http://, so that events travel in the clear."),
    ("search.memory", "Memory of all searches together."),
    ("search.time", "Longest time of one search."),
    ("search.concurrent", "Searches that run at one time; others wait."),
    ("tenant.name", "Name of the tenant: `tenant:NAME` in a search."),
    ("tenant.networks", "Networks of its clients; of several that hold an address the narrowest counts."),
    ("tenant.privacy", "How its client addresses are kept; empty: as log.privacy says."),
    (
        "tenant.keep_age",
        "Its events older than this are dropped, if log.keep_age does not drop them sooner; empty or \"0\": with all others.",
    ),
    (
        "privacy.networks",
        "Networks whose client addresses are kept in another way; they win over [[tenant]] and [log].",
    ),
    ("privacy.privacy", "\"full\", \"truncated\", \"pseudonym\" or \"counts\"."),
    ("output.name", "Name of the output in status, metrics and log."),
    (
        "output.to",
        "Where events are sent to: dnstap+unix:///PATH, dnstap+tcp://HOST:PORT, dnstap+tls://HOST:PORT, syslog+udp://HOST,\nsyslog+tcp://HOST or syslog+tls://HOST (ports 514, 601, 6514 unless named).",
    ),
    ("output.format", "Body of syslog messages: \"json\", \"cef\" or \"leef\"."),
    ("output.search", "Only events this search finds are sent; empty: all."),
    (
        "output.spool_bytes",
        "Most room on disk for events that wait while the far end is down or slow; then the oldest are dropped. \"0\": memory only.",
    ),
    ("output.ca_file", "Authorities (PEM) the far end's certificate may come from; empty: those the system trusts."),
    ("output.client_cert_file", "Our certificate (PEM) for a far end that wants one."),
    ("output.client_key_file", "The key (PEM) of our certificate."),
    ("web.listen", "Address of dashboard and API; empty turns them off."),
    (
        "listen.nsid",
        "What tells this server from others behind the same address, for clients that ask (NSID, RFC 5001); empty is\nnothing.",
    ),
    (
        "cookies.mode",
        "DNS cookies (RFC 7873): \"off\"; \"give\" to who asks; under \"pressure\", or always (\"require\"), UDP clients without a\ngood one get BADCOOKIE or are sent to TCP.",
    ),
    (
        "cookies.secret",
        "32 hexadecimal digits, the same on all servers of one address. Empty: made at the first start and kept in the\nstate folder.",
    ),
    ("cookies.secret_file", "File that holds the secret, instead of cookies.secret."),
    ("cookies.previous", "Secrets still accepted: the former one, or one that other servers already use."),
    (
        "cookies.pressure",
        "UDP queries a second without a good cookie, for each thread, from which on there is pressure.",
    ),
    ("cookies.require_from", "Networks from which a good cookie is required whatever the mode, unless it is \"off\"."),
    (
        "limits.queries_per_second",
        "UDP queries a second of one network of clients, or of one client with a good cookie, for each thread; more get no\nanswer. 0: no limit.",
    ),
    (
        "limits.replies_per_second",
        "The same reply over UDP to one network, a second, for each thread: for zones that anybody may ask, so that nobody\nsends their answers to others. 0: no limit.",
    ),
    (
        "limits.told_every",
        "One in so many queries held back is told to come back over TCP, or with the cookie it gets. 0: none.",
    ),
    ("limits.ipv4_prefix", "Bits of an IPv4 address that make its network."),
    ("limits.ipv6_prefix", "Bits of an IPv6 address that make its network."),
    (
        "limits.events_per_second",
        "Events of a flood written one by one, a second, for each thread: of all queries held back, and of the names below each\ndomain that are not at hand. One event of each network or domain and second counts the others in `repeats`. 0: all.",
    ),
    (
        "limits.fair",
        "Whether networks that ask most are held back while more is asked than can be answered, so that the others are\nanswered.",
    ),
    ("limits.exempt", "Networks that are never held back."),
    ("tkey.create", "Whether keys may be made by TKEY (Diffie-Hellman, RFC 2930)."),
    ("tkey.allow", "Who may speak TKEY: networks and \"key:NAME\"."),
    ("key.name", "Name of the key, the same on both sides."),
    ("key.algorithm", "\"hmac-sha256\", \"hmac-sha512\" or another that `nameward key generate --help` lists."),
    ("key.secret", "The secret, base64. `nameward key generate` makes one."),
    ("key.secret_file", "File that holds the secret, instead of key.secret."),
    ("key.mac_min", "Shortest signature accepted, octets; shorter ones get BADTRUNC. Left out: whole ones only."),
    ("zone.name", "The zone's apex. Names in it are answered from here and are not blocked by lists."),
    (
        "zone.file",
        "Zone file we are primary for. Updates are kept beside it in the state folder; a higher serial wins.",
    ),
    (
        "zone.records",
        "Lines of a zone file, instead of a file; may be empty. SOA and NS are made when they are not among them. When\nthey change, they replace what the zone holds, updates included.",
    ),
    ("zone.primaries", "Servers we copy the zone from, in this order: \"192.0.2.1\", \"192.0.2.1:53 key=NAME\"."),
    ("zone.query", "Who may ask, beside clients.allow: networks and \"key:NAME\"."),
    ("zone.transfer", "Who may transfer the zone: networks and \"key:NAME\"."),
    ("zone.notify", "Servers told of each change: \"192.0.2.1\", \"192.0.2.1:53 key=NAME\"."),
    ("zone.notify_from", "Who may tell us of changes. Left out: the primaries."),
    (
        "zone.update",
        "Who may change what: a network or \"key:NAME\"; then \"name:www.home.example\" (that name), \"name:*.home.example\"\n(that name and all below it) or \"self\" (the key's own name), else the whole zone; then \"types:A,AAAA\", else all\nbut SOA, NS and DNSSEC's own.",
    ),
];

/// Examples of the sections that may stand several times.
pub(super) const EXAMPLES: &str = r#"
# Upstreams; may stand several times, one for each suffix.
#[[upstream]]
#suffix = "."
#servers = ["192.0.2.53", "tcp://192.0.2.54"]

# Lists; may stand several times, in order.
#[[list]]
#name = "ads"
#source = "https://lists.example/ads.txt"
#action = "block"
#format = "auto"
#ede = "blocked"
#refresh = "1 day"

# Tenants: whose events are whose, by network; may stand several times.
#[[tenant]]
#name = "guests"
#networks = ["192.0.2.128/25", "2001:db8:0:80::/57"]
#privacy = "truncated"
#keep_age = "7 days"

# Networks whose client addresses are kept in another way; may stand several times.
#[[privacy]]
#networks = ["192.0.2.200/32"]
#privacy = "counts"

# Where events are sent to; may stand several times.
#[[output]]
#name = "siem"
#to = "syslog+tls://siem.example:6514"
#format = "cef"
#search = "action:block"
#spool_bytes = "256 MiB"
#ca_file = "/etc/nameward/siem-ca.pem"

#[[output]]
#name = "tap"
#to = "dnstap+unix:///run/dnstap.sock"

# Keys of signed messages (TSIG); may stand several times. `nameward key generate NAME` makes one.
#[[key]]
#name = "ddns"
#algorithm = "hmac-sha256"
#secret_file = "/etc/nameward/ddns.secret"

# Zones; may stand several times. Each has one of file, records and primaries.
#[[zone]]
#name = "home.example"
#file = "/etc/nameward/home.example.zone"
#transfer = ["key:xfer", "192.0.2.53"]
#notify = ["192.0.2.53 key=xfer"]
#update = ["key:ddns name:*.home.example types:A,AAAA", "key:host self"]

#[[zone]]
#name = "lan.example"
#records = ["printer A 192.0.2.9", "nas A 192.0.2.10"]

#[[zone]]
#name = "copy.example"
#primaries = ["192.0.2.1 key=xfer"]
"#;

/// What a key does. Array sections are found without their place.
#[must_use]
pub fn about(key: &str) -> &'static str {
    let plain = match (key.split_once('['), key.split_once(']')) {
        (Some((array, _)), Some((_, rest))) => format!("{array}{rest}"),
        _ => key.to_owned(),
    };
    ABOUT.iter().find(|(known, _)| *known == plain).map_or("", |(_, about)| about)
}

/// Reads a file. `state` is the state folder when the file names none.
///
/// # Errors
/// Every mistake found, in order of line. A file that is not TOML, or has an unknown key, gives that one.
pub fn read(text: &str, state: &Path) -> Result<Config, Vec<Fault>> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, at most {FILE_BYTES_MAX} are read", text.len());
        return Err(vec![Fault { line: None, message, suggestion: None }]);
    }
    let file: File = toml::from_str(text).map_err(|error| vec![syntax_fault(text, &error)])?;
    let mut settle = Settle { text, faults: Vec::new(), shown: Vec::new() };
    let config = settle.config(file, state);
    settle.faults.sort_by_key(|fault| fault.line);
    match config {
        Some(config) if settle.faults.is_empty() => Ok(Config { shown: settle.shown, ..config }),
        _ => Err(settle.faults),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1
}

/// A fault of the TOML reader, with a suggestion when a key is unknown.
fn syntax_fault(text: &str, error: &toml::de::Error) -> Fault {
    let line = error.span().map(|span| line_of(text, span.start));
    let message = error.message().lines().next().unwrap_or("the file cannot be read").to_owned();
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return Fault { line, message, suggestion: None };
    };
    let mut quoted = rest.split('`').step_by(2).filter(|word| !word.is_empty());
    let key = quoted.next().unwrap_or_default().to_owned();
    let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
    let suggestion = values::nearest(&key, &known);
    Fault { line, message: format!("unknown key \"{key}\"; known here: {}", known.join(", ")), suggestion }
}

/// The section about listening.
struct Listening {
    dns: Option<Vec<std::net::SocketAddr>>,
    threads: usize,
    udp_size: u16,
    nsid: String,
    tcp: TcpLimits,
}

pub(super) struct Settle<'t> {
    text: &'t str,
    faults: Vec<Fault>,
    pub(super) shown: Vec<Shown>,
}

impl Settle<'_> {
    pub(super) fn fault(&mut self, line: Option<usize>, key: &str, message: &str, suggestion: Option<String>) {
        self.faults.push(Fault { line, message: format!("{key}: {message}"), suggestion });
    }

    /// One setting: the value written, or the default, read by `read`; shown as written.
    pub(super) fn one<W: Serialize, T>(
        &mut self,
        key: &str,
        written: Option<Spanned<W>>,
        default: W,
        read: impl FnOnce(&W) -> Result<T, (String, Option<String>)>,
    ) -> Option<T> {
        let line = written.as_ref().map(|written| line_of(self.text, written.span().start));
        let value = written.map_or(default, Spanned::into_inner);
        let text = toml::Value::try_from(&value).map_or_else(|_| String::new(), |value| value.to_string());
        self.shown.push(Shown { key: key.to_owned(), value: text, line });
        match read(&value) {
            Ok(value) => Some(value),
            Err((message, suggestion)) => {
                self.fault(line, key, &message, suggestion);
                None
            }
        }
    }

    pub(super) fn text<T>(
        &mut self,
        key: &str,
        written: Option<Spanned<String>>,
        default: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.one(key, written, default.to_owned(), |text| read(text).map_err(|message| (message, None)))
    }

    /// Line of a setting.
    pub(super) fn line<W>(&self, written: &Option<Spanned<W>>) -> Option<usize> {
        written.as_ref().map(|written| self.line_at(written.span().start))
    }

    /// Line of a place in the file.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        line_of(self.text, offset)
    }

    fn config(&mut self, file: File, state: &Path) -> Option<Config> {
        let state = self.text("state", file.state, &state.to_string_lossy(), path);
        let listening = self.listen(file.listen);
        let cache = self.cache(file.cache);
        let block = self.block(file.block);
        let clients = self.one(
            "clients.allow",
            file.clients.allow,
            CLIENTS_DEFAULT.iter().map(|&network| network.to_owned()).collect(),
            |networks: &Vec<String>| {
                let read = |text: &String| text.parse::<Network>().map_err(|error| (error.to_string(), None));
                networks.iter().map(read).collect::<Result<Vec<_>, _>>()
            },
        );
        let log = self.log(file.log);
        let web_listen = self.text("web.listen", file.web.listen, "127.0.0.1:8053", |text| match text {
            "" => Ok(None),
            text => values::socket(text, 8053).map(Some),
        });
        let search = self.search(file.search);
        let upstreams: Vec<Option<UpstreamGroup>> =
            file.upstream.into_iter().enumerate().map(|(index, section)| self.upstream(index, section)).collect();
        let lists = self.lists(file.list);
        let cookies = self.cookies(file.cookies);
        let limits = self.limits(file.limits);
        let tenants = self.tenants(file.tenant);
        let privacy = self.privacy(file.privacy);
        let outputs = self.outputs(file.output);
        let (keys, tkey, zones) = self.authority(file.key, file.tkey, file.zone);
        let listening = listening?;
        Some(Config {
            state: state?,
            listen_dns: listening.dns,
            threads: listening.threads,
            udp_size: listening.udp_size,
            upstreams: upstreams.into_iter().collect::<Option<_>>()?,
            cache: cache?,
            lists: lists?,
            block: block?,
            clients: clients?,
            log: log?,
            search: search?,
            tenants: tenants?,
            privacy: privacy?,
            outputs: outputs?,
            web_listen: web_listen?,
            nsid: listening.nsid,
            tcp: listening.tcp,
            cookies: cookies?,
            limits: limits?,
            tkey: tkey?,
            keys: keys?,
            zones: zones?,
            shown: Vec::new(),
        })
    }

    fn listen(&mut self, section: file::Listen) -> Option<Listening> {
        let dns = self.one("listen.dns", section.dns, Vec::new(), |addresses: &Vec<String>| {
            let read = |text: &String| values::socket(text, 53).map_err(|message| (message, None));
            let addresses = addresses.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            Ok((!addresses.is_empty()).then_some(addresses))
        });
        let threads = self.one("listen.threads", section.threads, 0, |&threads| {
            whole(threads, 0, THREADS_MAX).map(|threads| threads as usize)
        });
        let udp_size = self.one("listen.udp_size", section.udp_size, i64::from(UDP_SIZE_DEFAULT), |&size| {
            whole(size, 512, 4096).map(|size| size as u16)
        });
        let nsid = self.text("listen.nsid", section.nsid, "", |text| match text.len() {
            ..=NSID_LEN_MAX => Ok(text.to_owned()),
            len => Err(format!("{len} octets, at most {NSID_LEN_MAX}")),
        });
        let usual = front::TcpSettings::default();
        let mut number = |key: &str, written, default: usize| {
            self.one(key, written, default as i64, |&number| {
                whole(number, 1, CONNECTIONS_MAX).map(|number| number as usize)
            })
        };
        let connections = number("listen.tcp_connections", section.tcp_connections, usual.connections_max);
        let per_client = section.tcp_connections_per_client;
        let per_client = number("listen.tcp_connections_per_client", per_client, usual.connections_per_client_max);
        let idle = self.text("listen.tcp_idle", section.tcp_idle, "10s", values::duration);
        let tcp = TcpLimits { connections: connections?, per_client: per_client?, idle: idle? };
        Some(Listening { dns: dns?, threads: threads?, udp_size: udp_size?, nsid: nsid?, tcp })
    }

    fn upstream(&mut self, index: usize, section: file::Upstream) -> Option<UpstreamGroup> {
        let suffix = self.text(&format!("upstream[{index}].suffix"), section.suffix, ".", |text| {
            match wire::name::Folded::from_text(text) {
                Some(_) => Ok(text.to_owned()),
                None => Err(format!("\"{text}\" is no name")),
            }
        });
        let servers =
            self.one(&format!("upstream[{index}].servers"), section.servers, Vec::new(), |servers: &Vec<String>| {
                if servers.is_empty() {
                    return Err(("at least one server is needed".to_owned(), None));
                }
                let read = |text: &String| values::server(text).map_err(|message| (message, None));
                servers.iter().map(read).collect::<Result<Vec<_>, _>>()
            });
        Some(UpstreamGroup { suffix: suffix?, servers: servers? })
    }

    fn cache(&mut self, section: file::Cache) -> Option<cache::Settings> {
        let size = self.text("cache.size", section.size, "256 MiB", |text| match values::bytes(text)? {
            bytes if bytes < 1 << 20 => Err("at least 1 MiB".to_owned()),
            bytes => usize::try_from(bytes).map_err(|_| "more memory than this machine can address".to_owned()),
        });
        let ttl_min = self.text("cache.ttl_min", section.ttl_min, "0s", values::ttl);
        let ttl_max = self.text("cache.ttl_max", section.ttl_max, "1 day", values::ttl);
        let negative = self.text("cache.negative_ttl_max", section.negative_ttl_max, "3h", values::ttl);
        let failure = self.text("cache.failure_ttl", section.failure_ttl, "5s", |text| match values::ttl(text)? {
            seconds @ 1..=300 => Ok(seconds),
            _ => Err("1 s to 5 min (RFC 9520)".to_owned()),
        });
        let stale = self.text("cache.stale_max", section.stale_max, "1 day", values::ttl);
        let (ttl_min, ttl_max) = (ttl_min?, ttl_max?);
        if ttl_min > ttl_max {
            self.fault(None, "cache.ttl_min", "is more than cache.ttl_max", None);
            return None;
        }
        Some(cache::Settings {
            size_bytes: size?,
            ttl_min,
            ttl_max,
            negative_ttl_max: negative?,
            failure_ttl: failure?,
            stale_max: stale?,
            ..cache::Settings::default()
        })
    }

    fn lists(&mut self, sections: Vec<file::List>) -> Option<Vec<List>> {
        if sections.len() > LISTS_MAX {
            self.fault(None, "list", &format!("{} lists, at most {LISTS_MAX}", sections.len()), None);
            return None;
        }
        let lists: Vec<Option<List>> =
            sections.into_iter().enumerate().map(|(index, section)| self.list(index, section)).collect();
        let lists = lists.into_iter().collect::<Option<Vec<List>>>()?;
        for (index, list) in lists.iter().enumerate() {
            if lists.iter().take(index).any(|before| before.info.name == list.info.name) {
                self.fault(
                    None,
                    &format!("list[{index}].name"),
                    &format!("a second list is named \"{}\"", list.info.name),
                    None,
                );
            }
        }
        Some(lists)
    }

    fn list(&mut self, index: usize, section: file::List) -> Option<List> {
        let key = |name: &str| format!("list[{index}].{name}");
        let name = self.text(&key("name"), section.name, "", |text| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            match text {
                "" => Err("a list needs a name".to_owned()),
                text if text.len() <= 64 && text.chars().all(plain) && !text.starts_with('.') => Ok(Arc::from(text)),
                text => Err(format!("\"{text}\" is no list name: letters, digits, - _ . and at most 64 of them")),
            }
        });
        let source = self.text(&key("source"), section.source, "", |text| match text {
            "" => Err("a list needs a source: a file or an http(s) URL".to_owned()),
            text => Ok(text.to_owned()),
        });
        let actions = [("block", ListAction::Block), ("allow", ListAction::Allow)];
        let action = self.one(&key("action"), section.action, "block".to_owned(), |text| values::word(text, &actions));
        let formats = [
            ("auto", Format::Auto),
            ("hosts", Format::Hosts),
            ("domains", Format::Domains),
            ("adblock", Format::Adblock),
        ];
        let format = self.one(&key("format"), section.format, "auto".to_owned(), |text| values::word(text, &formats));
        let errors = [("blocked", 15), ("censored", 16), ("filtered", 17)];
        let ede = self.one(&key("ede"), section.ede, "blocked".to_owned(), |text| values::word(text, &errors));
        let refresh = self.text(&key("refresh"), section.refresh, "1 day", |text| match values::duration(text)? {
            span if span.as_secs() < 60 => Err("at least 1 minute".to_owned()),
            span => Ok(span),
        });
        let info = ListInfo { name: name?, action: action?, format: format?, ede: ede? };
        Some(List { info, source: source?, refresh: refresh? })
    }

    fn block(&mut self, section: file::Block) -> Option<BlockAnswer> {
        let answers = [
            ("nxdomain", BlockReply::Nxdomain),
            ("nodata", BlockReply::Nodata),
            ("refused", BlockReply::Refused),
            ("zero", BlockReply::ZeroAddress),
        ];
        let kind = self.one("block.answer", section.answer, "nxdomain".to_owned(), |text| values::word(text, &answers));
        let ttl = self.text("block.ttl", section.ttl, "60s", values::ttl);
        Some(BlockAnswer { kind: kind?, ttl: ttl? })
    }
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') { Err("a folder is needed".to_owned()) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn whole(number: i64, min: i64, max: i64) -> Result<i64, (String, Option<String>)> {
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err((format!("{number} is not within {min} to {max}"), None))
    }
}
