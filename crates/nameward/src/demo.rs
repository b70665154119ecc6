//! `demo`: the whole product with a small Internet of its own, on a machine without a network.
//!
//! The configuration is written as a file and read like any other, so that the demo shows nothing the product cannot do.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lab::probe::{self, Prober};
use lab::traffic;
use lab::{Internet, ListKind, Traffic, demo_lists, internet};
use wire::code::Code;
use wire::name::Folded;
use wire::tsig::{Algorithm, Key};

use crate::cli::{DemoArgs, default_state, print};
use crate::config::{self, Config};
use crate::serve::{House, runtime, until_stopped};

/// The zone whose updates show the codes of UPDATE.
const PROBE_ZONE: &str = "probe.example";
/// The key that may update it.
const PROBE_KEY: &str = "probe-key";
/// A zone whose file is missing, for SERVFAIL.
const UNLOADED_ZONE: &str = "unloaded.example";
/// Owner of the DNAME whose target is longer than itself, for YXDOMAIN.
const PROBE_DNAME: &str = "d.probe.example";
/// Where the prober asks from.
const PROBER: Ipv4Addr = Ipv4Addr::new(127, 53, 10, 1);
/// Where it asks from for BADCOOKIE: of this address alone cookies are required, so that all others need none.
const COOKIE_PROBER: Ipv4Addr = Ipv4Addr::new(127, 53, 10, 2);
/// A round of all probes begins this often, so that each code is in every minute of the log.
const PROBE_PERIOD: Duration = Duration::from_secs(25);
/// Pause between two probes: about a hundred of them in half a period.
const PROBE_PAUSE: Duration = Duration::from_millis(120);
/// Octets of the key's secret: as many as its digest has.
const SECRET_BYTES: usize = 32;

/// Runs the demo until a signal ends it.
pub(crate) fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    telemetry::log_to_stderr(telemetry::LogForm::Text);
    let temporary = match &args.state {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("nameward-demo-").tempdir()?),
    };
    let state = match (&args.state, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(folder)) => folder.path().to_owned(),
        (None, None) => PathBuf::from("."),
    };
    let runtime = runtime()?;
    let internet = runtime
        .block_on(Internet::start(internet::Settings { seed: args.seed, ..internet::Settings::default() }))
        .context("cannot start the small Internet on 127.53.x.x")?;
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| anyhow!("the system gives no random octets: {error}"))?;
    let config = write_config(args, &state, &internet.upstreams(), &secret)?;
    let house = House::open(config, &default_state(), &runtime)?;
    let target =
        *house.dns_addresses().iter().find(|address| address.is_ipv4()).context("no IPv4 address answered on")?;

    let settings = traffic::Settings {
        queries_per_second: args.rate.clamp(1, traffic::QUERIES_PER_SECOND_MAX),
        seed: args.seed,
        ..traffic::Settings::demo(target, internet.catalogue())
    };
    let clients = settings.clients;
    let traffic = runtime.block_on(Traffic::start(settings)).context("cannot start the traffic makers")?;
    let prober = {
        let _entered = runtime.enter();
        Prober::start(probes(target, &secret)?, PROBE_PERIOD)
    };
    let root = internet.root();
    let key_file = key_file(&state);
    let told = format!(
        "The Internet of this demo begins at {root} (dig @{} -p {} . NS); {clients} clients ask {} times a second.\n  \
         Every return code keeps appearing; to provoke them yourself:\n  \
         nameward lab probe {target} --zone {PROBE_ZONE} --key-file {} --servfail-name {UNLOADED_ZONE} --dname {PROBE_DNAME}\n  \
         Ctrl-C ends it and leaves nothing behind.",
        root.ip(),
        root.port(),
        args.rate,
        key_file.display()
    );
    print(&house.banner("www.search.example", &told))?;
    runtime.block_on(until_stopped(|| tracing::info!("the demo has no file to read anew")))?;

    runtime.block_on(prober.stop());
    runtime.block_on(traffic.stop());
    house.close(&runtime);
    runtime.block_on(internet.stop());
    Ok(())
}

/// What the prober does in each round: everything, and from the address that needs cookies BADCOOKIE.
fn probes(server: SocketAddr, secret: &[u8]) -> anyhow::Result<Vec<probe::Settings>> {
    let name = |text| Folded::from_text(text).with_context(|| format!("\"{text}\" is no name"));
    let all = probe::Settings {
        from: Some(PROBER.into()),
        zone: Some(name(PROBE_ZONE)?),
        key: Some(Arc::new(Key::new(name(PROBE_KEY)?, Algorithm::HmacSha256, secret))),
        servfail_names: vec![name(UNLOADED_ZONE)?],
        dname: Some(name(PROBE_DNAME)?),
        pause: PROBE_PAUSE,
        ..probe::Settings::new(server)
    };
    let cookies = probe::Settings { from: Some(COOKIE_PROBER.into()), only: vec![Code::BADCOOKIE], ..all.clone() };
    Ok(vec![all, cookies])
}

/// Where the key lies for those who want to probe themselves.
fn key_file(state: &Path) -> PathBuf {
    state.join("demo").join("probe.key")
}

/// The sections the prober needs: zones, the key, TKEY for it, cookies from one address.
fn authority_sections(folder: &Path, secret: &str) -> String {
    let missing = toml::Value::String(folder.join("missing.zone").to_string_lossy().into_owned());
    format!(
        r#"
[cookies]
require_from = ["{COOKIE_PROBER}"]
[tkey]
create = true
allow = ["key:{PROBE_KEY}"]
[[key]]
name = "{PROBE_KEY}"
secret = "{secret}"
[[zone]]
name = "{PROBE_ZONE}"
records = [
  "@   60 SOA   ns1 host 1 3600 600 86400 60",
  "@   60 NS    ns1",
  "@   60 NS    ns2",
  "ns1 60 A     192.0.2.1",
  "ns2 60 A     192.0.2.2",
  "www 60 A     192.0.2.80",
  "d   60 DNAME a-target-longer-than-its-owner.example.org.",
]
transfer = ["key:{PROBE_KEY}"]
update = ["key:{PROBE_KEY}"]
[[zone]]
name = "{UNLOADED_ZONE}"
file = {missing}
"#
    )
}

/// Writes the demo's lists, key and configuration into the state folder and reads the file back.
fn write_config(args: &DemoArgs, state: &Path, upstreams: &[SocketAddr], secret: &[u8]) -> anyhow::Result<Config> {
    let folder = state.join("demo");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut text = format!("state = {}\n", quoted(&state.to_string_lossy()));
    if let Some(dns) = args.dns {
        let _ = writeln!(text, "[listen]\ndns = [\"{dns}\"]");
    }
    let _ = writeln!(text, "[web]\nlisten = \"{}\"", args.web);
    let servers: Vec<String> = upstreams.iter().map(|address| format!("\"{address}\"")).collect();
    let _ = writeln!(text, "[[upstream]]\nservers = [{}]", servers.join(", "));
    for list in demo_lists() {
        let path = folder.join(format!("{}.txt", list.name));
        fs::write(&path, &list.text).with_context(|| format!("cannot write {}", path.display()))?;
        let action = match list.kind {
            ListKind::Allow => "allow",
            ListKind::Block => "block",
        };
        let source = quoted(&path.to_string_lossy());
        let _ = writeln!(text, "[[list]]\nname = \"{}\"\naction = \"{action}\"\nsource = {source}", list.name);
    }
    let secret = STANDARD.encode(secret);
    text.push_str(&authority_sections(&folder, &secret));
    let path = key_file(state);
    let key = format!("key \"{PROBE_KEY}\" {{ algorithm hmac-sha256; secret \"{secret}\"; }};\n");
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(key.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    let path = folder.join("nameward.toml");
    fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    config::read(&text, state).map_err(|faults| {
        let texts: Vec<String> = faults.iter().map(config::Fault::to_string).collect();
        anyhow!("the demo's own configuration: {}", texts.join("; "))
    })
}
