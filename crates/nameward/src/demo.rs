//! `demo`: the whole product with a small Internet of its own, on a machine without a network.
//!
//! The configuration is written as a file and read like any other, so that the demo shows nothing the product cannot do.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use lab::traffic;
use lab::{Internet, ListKind, Traffic, demo_lists, internet};

use crate::cli::{DemoArgs, default_state, print};
use crate::config::{self, Config};
use crate::serve::{House, runtime, until_stopped};

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
    let config = write_config(args, &state, &internet.upstreams())?;
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
    let root = internet.root();
    let told = format!(
        "The Internet of this demo begins at {root} (dig @{} -p {} . NS); {clients} clients ask {} times a second.\n  \
         Ctrl-C ends it and leaves nothing behind.",
        root.ip(),
        root.port(),
        args.rate
    );
    print(&house.banner("www.search.example", &told))?;
    runtime.block_on(until_stopped(|| tracing::info!("the demo has no file to read anew")))?;

    runtime.block_on(traffic.stop());
    house.close(&runtime);
    runtime.block_on(internet.stop());
    Ok(())
}

/// Writes the demo's lists and configuration into the state folder and reads the file back.
fn write_config(args: &DemoArgs, state: &Path, upstreams: &[SocketAddr]) -> anyhow::Result<Config> {
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
    let path = folder.join("nameward.toml");
    fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    config::read(&text, state).map_err(|faults| {
        let texts: Vec<String> = faults.iter().map(config::Fault::to_string).collect();
        anyhow!("the demo's own configuration: {}", texts.join("; "))
    })
}
