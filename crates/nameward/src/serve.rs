//! `serve`: builds the rooms bottom-up, runs them until told to stop, stops them top-down. SIGHUP reads the file anew.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use control::zones::Registrar;
use control::{Control, ListSource, Place};
use engine::Shared;
use front::Front;
use resolve::{GroupSettings, Resolver, UpstreamSettings};
use search::{Limits, Searcher};
use store::Store;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::name::Folded;

use crate::cli::{print, read_file};
use crate::config::{self, Config, ServerTransport, UpstreamGroup};
use crate::output::{self, Outputs};
use crate::status::Status;
use crate::{admission, authority, door, resolvers};

/// Port tried when 53 cannot be had.
const PORT_FALLBACK: u16 = 5353;
/// Live rows at which a segment is written (LOG-STORE layout: at most a million rows a row group).
const SEGMENT_ROWS: usize = 1_000_000;
/// Age of live rows at which a segment is written.
const SEGMENT_AGE: Duration = Duration::from_secs(60);
/// What a power cut may cost.
const SYNC_EVERY: Duration = Duration::from_millis(200);
/// Longest wait for the last searches and replies when stopping.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Largest file with a secret that is read, octets.
const SECRET_BYTES_MAX: u64 = 4096;

/// Runs the server until a signal ends it.
pub(crate) fn serve(config: Config, file: Option<PathBuf>) -> anyhow::Result<()> {
    telemetry::log_to_stderr(telemetry::LogForm::Text);
    let runtime = runtime()?;
    let doors = config.state.clone();
    let house = House::open(config, &doors, &runtime)?;
    print(&house.banner("example.com", "Ctrl-C stops; SIGHUP reads the configuration anew."))?;
    runtime.block_on(until_stopped(|| house.reload(file.as_deref())))?;
    house.close(&runtime);
    Ok(())
}

/// The runtime for everything off the hot path.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    if let Err(error) = sys::raise_descriptor_limit() {
        tracing::warn!(error = %error, "the limit of open descriptors stays as it is");
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

/// Waits for SIGINT or SIGTERM; calls `reload` on each SIGHUP.
pub(crate) async fn until_stopped(reload: impl Fn()) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hangup.recv() => reload(),
        }
    }
}

/// All rooms, running.
pub struct House {
    store: Store,
    control: Arc<Control>,
    registrar: Arc<Registrar>,
    resolver: Resolver,
    shared: Arc<Shared>,
    front: Front,
    outputs: Arc<Outputs>,
    limits: Limits,
    web: Option<Web>,
    status: Arc<Status>,
    /// What runs, to tell what a reload changed.
    config: Mutex<Config>,
    /// Lines of the banner about how the house was opened.
    told: Vec<(&'static str, String)>,
    tasks: Vec<JoinHandle<()>>,
}

struct Web {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    /// The newest one-time token.
    token: Arc<Mutex<String>>,
    _door: door::Opened,
    bearer: String,
}

impl House {
    /// Builds the rooms bottom-up. `doors` is the state folder in which the command line looks for the server.
    ///
    /// # Errors
    /// When the log cannot be opened, no address can be answered on, or the dashboard's address is taken.
    pub fn open(config: Config, doors: &Path, runtime: &Runtime) -> anyhow::Result<House> {
        let _inside = runtime.enter();
        let mut told = Vec::new();
        std::fs::create_dir_all(&config.state)
            .with_context(|| format!("cannot make the state folder {}", config.state.display()))?;
        let status = Arc::new(Status::new());
        let store = open_store(&config, &status, &mut told)?;

        let cache = Arc::new(cache::Cache::new(config.cache));
        let (groups, origin) = groups(&config)?;
        told.push(("Upstreams", origin));
        let settings = resolve::Settings { groups, udp_size: config.udp_size, ..resolve::Settings::default() };
        let resolver = Resolver::start(&settings, Arc::clone(&cache), runtime.handle());

        // Control publishes its first snapshot while it is being made, before there is anybody to read it.
        let published: Arc<OnceLock<Arc<Shared>>> = Arc::default();
        let publish = Arc::clone(&published);
        let control = Control::new(control_settings(&config), random_seed()?, SystemTime::now(), move |snapshot| {
            if let Some(shared) = publish.get() {
                shared.publish(snapshot);
            }
        })
        .map_err(|error| anyhow!("lists: {error}"))?;
        let control = Arc::new(control);
        let shared = Shared::new(control.snapshot(), Arc::clone(&cache), resolver.clone(), engine_settings(&config));
        let _ = published.set(Arc::clone(&shared));
        let keys = authority::keys(&config)?;
        let registrar = authority::open(&config, &keys, random_seed()?)?;
        shared.set_random(Box::new(fill_random));
        shared.publish_authority(authority::authority(&config, &keys, &registrar));
        shared.publish_cookies(Arc::new(authority::cookies(&config)?));
        shared.publish_limits(Arc::new(config.limits.clone()));
        let rules: u64 = control.status().iter().map(|list| list.rules).sum();
        told.push(("Lists", format!("{} lists, {rules} rules", config.lists.len())));
        told.extend(authority::told(&registrar).map(|line| ("Zones", line)));

        // Before the first event.
        let outputs = Arc::new(Outputs::open(&config, &store, runtime)?);
        status.set_outputs(&outputs);
        told.extend(output::told(&outputs.status()).map(|line| ("Outputs", line)));
        let front = open_front(&config, &shared, &store, runtime, &mut told)?;
        status.set_listeners(front.local_addresses());
        status.set_listener_counts(front.counts());
        let mut house = House {
            store,
            control: Arc::clone(&control),
            registrar: Arc::clone(&registrar),
            resolver,
            shared,
            front,
            outputs,
            limits: search_limits(&config),
            web: None,
            status,
            config: Mutex::new(config.clone()),
            told,
            tasks: vec![runtime.spawn(control.run()), runtime.spawn(registrar.run())],
        };
        house.web = config.web_listen.map(|address| house.open_web(address, doors, runtime)).transpose()?;
        Ok(house)
    }

    fn open_web(&self, address: SocketAddr, doors: &Path, runtime: &Runtime) -> anyhow::Result<Web> {
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(address))
            .with_context(|| format!("cannot serve the dashboard on {address} (setting web.listen)"))?;
        let address = listener.local_addr()?;
        let bearer = web::random_token()?;
        let token = Arc::new(Mutex::new(String::new()));
        let newest = Arc::clone(&token);
        let sessions = web::Sessions::new(&bearer, move |fresh| {
            let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
            // The first token is in the banner; each later one is told when the one before was used.
            if !newest.is_empty() {
                tracing::info!("someone signed in; next link: http://{address}/?token={fresh}");
            }
            fresh.clone_into(&mut newest);
        })?;
        let searcher = Searcher::new(self.store.clone(), self.limits);
        let desk = web::Desk {
            searcher,
            store: self.store.clone(),
            chores: Arc::new(tokio::sync::Semaphore::new(1)),
            sessions: Arc::new(sessions),
            status: self.status.report(&self.store, &self.control, &self.registrar, &self.resolver),
            lines: crate::list::lines(&self.control),
            metrics: self.status.metrics(&self.store, &self.control, &self.registrar, &self.resolver, &self.shared),
            now_micros: sys::clock::wall_micros,
        };
        let (stop, mut stopped) = watch::channel(false);
        let task = runtime.spawn(async move {
            let until = async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            if let Err(error) = web::serve(listener, desk, until).await {
                tracing::error!(error = %error, "the dashboard stopped");
            }
        });
        let door =
            door::open(doors, address.port(), &door::Door { url: format!("http://{address}"), token: bearer.clone() })?;
        Ok(Web { address, stop, task, token, _door: door, bearer })
    }

    /// What a person sees first; `example` is a name worth asking for.
    pub(crate) fn banner(&self, example: &str, last: &str) -> String {
        use std::fmt::Write as _;
        let mut text = format!("\nNameward {}\n\n", env!("CARGO_PKG_VERSION"));
        // Where to ask comes first; the rest in the order in which the house was built.
        let mut told: Vec<&(&str, String)> = self.told.iter().collect();
        told.sort_by_key(|(head, _)| !matches!(*head, "DNS" | ""));
        for (head, line) in told {
            let _ = writeln!(text, "  {head:<10} {line}");
        }
        if let Some(web) = &self.web {
            let _ = writeln!(text, "  {:<10} {}   (the link signs in once)", "Dashboard", web.link());
        }
        if let Some(address) = self.dns_addresses().first() {
            let port = if address.port() == 53 { String::new() } else { format!(" -p {}", address.port()) };
            let _ = writeln!(text, "\n  Try it     dig @{}{port} {example}", address.ip());
        }
        let _ = writeln!(text, "\n  {last}\n");
        text
    }

    /// Reads the file anew: everything is checked first; what can be swapped is swapped, or the old stays.
    pub(crate) fn reload(&self, file: Option<&Path>) {
        match self.try_reload(file) {
            Ok(kept) if kept.is_empty() => {
                tracing::info!("configuration reloaded");
                self.status.reloaded(Ok(()));
            }
            Ok(kept) => {
                let text = format!("reloaded, but these wait for a restart: {}", kept.join(", "));
                tracing::warn!("configuration {text}");
                self.status.reloaded(Err(text));
            }
            Err(error) => {
                tracing::error!("configuration not reloaded, the old one stays in force: {error:#}");
                self.status.reloaded(Err(format!("not reloaded, the old one stays in force: {error:#}")));
            }
        }
    }

    /// Returns the changed settings that need a restart.
    fn try_reload(&self, file: Option<&Path>) -> anyhow::Result<Vec<String>> {
        let file = file.context("the server runs without a file")?;
        let mut running = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let state = running.state.clone();
        let config = config::read(&read_file(file)?, &state).map_err(|faults| {
            let texts: Vec<String> = faults.iter().map(config::Fault::to_string).collect();
            anyhow!("{}: {}", file.display(), texts.join("; "))
        })?;
        // Everything that may fail as a whole comes before anything changes.
        let (groups, _) = groups(&config)?;
        let keys = authority::keys(&config)?;
        let cookies = authority::cookies(&config)?;
        self.control.reload(control_settings(&config), SystemTime::now()).map_err(|error| anyhow!("{error}"))?;
        self.registrar
            .reload(authority::zones(&config, &keys))
            .map_err(|error| anyhow!("zones stay as they were: {error}"))?;
        self.shared.publish_authority(authority::authority(&config, &keys, &self.registrar));
        self.shared.publish_cookies(Arc::new(cookies));
        self.shared.publish_limits(Arc::new(config.limits.clone()));
        self.resolver.reconfigure(&groups);
        self.store.set_retention(config.log.keep_age, config.log.keep_bytes);
        let kept = needs_restart(&running, &config);
        *running = config;
        Ok(kept)
    }

    /// Stops the rooms top-down.
    pub fn close(self, runtime: &Runtime) {
        if let Some(web) = self.web {
            let _ = web.stop.send(true);
            runtime.block_on(async {
                if tokio::time::timeout(STOP_WITHIN, web.task).await.is_err() {
                    tracing::warn!("open dashboard connections were cut");
                }
            });
        }
        runtime.block_on(self.front.stop());
        self.control.stop();
        for task in self.tasks {
            task.abort();
        }
        self.store.close();
        self.outputs.close(runtime);
    }

    /// Where queries are answered.
    #[must_use]
    pub fn dns_addresses(&self) -> Vec<SocketAddr> {
        self.front.local_addresses().to_vec()
    }

    /// The log, for tests that look for events.
    #[must_use]
    pub fn searcher(&self) -> Searcher {
        Searcher::new(self.store.clone(), self.limits)
    }

    /// Address and command-line token of the API.
    #[must_use]
    pub fn api(&self) -> Option<(SocketAddr, &str)> {
        self.web.as_ref().map(|web| (web.address, web.bearer.as_str()))
    }
}

impl Web {
    fn link(&self) -> String {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        format!("http://{}/?token={token}", self.address)
    }
}

/// How the log is kept, as configured.
///
/// # Errors
/// When the secret of pseudonyms is needed and cannot be read or kept.
pub(crate) fn log_settings(config: &Config) -> anyhow::Result<store::Settings> {
    Ok(store::Settings {
        folder: config.log_folder(),
        keep_age: config.log.keep_age,
        keep_bytes: config.log.keep_bytes,
        segment_rows: SEGMENT_ROWS,
        segment_age: SEGMENT_AGE,
        sync_every: SYNC_EVERY,
        admission: admission::admission(config)?,
        keep_tenants: admission::keep_tenants(config),
        remote: config.log.remote.as_ref().map(remote).transpose()?.map(Arc::new),
    })
}

/// The remote store, as configured.
fn remote(config: &config::LogRemote) -> anyhow::Result<store::Remote> {
    let secret = |file: &Path| -> anyhow::Result<String> {
        let about = || format!("cannot read {} (setting log.remote.secret_access_key_file)", file.display());
        let text = std::fs::File::open(file)
            .and_then(|file| io::read_to_string(io::Read::take(file, SECRET_BYTES_MAX)))
            .with_context(about)?;
        match text.trim() {
            "" => bail!("{} is empty (setting log.remote.secret_access_key_file)", file.display()),
            secret => Ok(secret.to_owned()),
        }
    };
    let key = config.key.as_ref().map(|(id, file)| anyhow::Ok((id.clone(), secret(file)?))).transpose()?;
    let access = store::Access { endpoint: config.endpoint.clone(), region: config.region.clone(), key };
    store::Remote::new(&config.place, &access, config.keep_local, web::random_token()?).context("cannot use log.remote")
}

fn open_store(config: &Config, status: &Status, told: &mut Vec<(&'static str, String)>) -> anyhow::Result<Store> {
    let settings = log_settings(config)?;
    let folder = settings.folder.clone();
    let (store, opened) = Store::open(settings).context("cannot open the log")?;
    for note in &opened.notes {
        tracing::warn!("log: {note}");
    }
    status.set_opening(opened.notes);
    let rows = store.health().rows;
    told.push(("Log", format!("{}, {rows} events kept", folder.display())));
    Ok(store)
}

/// Random octets for keys made by TKEY.
fn fill_random(octets: &mut [u8]) {
    if let Err(error) = getrandom::fill(octets) {
        // The operation under way ends here: a key that can be guessed is worse than none.
        panic!("the system gives no random octets: {error}");
    }
}

fn random_seed() -> io::Result<u64> {
    let text = web::random_token()?;
    Ok(u64::from_str_radix(text.get(..16).unwrap_or("0"), 16).unwrap_or(0))
}

/// Upstreams as configured, the system's for the rest; and how that is told.
fn groups(config: &Config) -> anyhow::Result<(Vec<GroupSettings>, String)> {
    let mut groups = config.upstreams.iter().map(group).collect::<anyhow::Result<Vec<_>>>()?;
    let list = |group: &GroupSettings| {
        let servers: Vec<String> = group.upstreams.iter().map(|upstream| upstream.address.to_string()).collect();
        servers.join(", ")
    };
    if let Some(root) = groups.iter().find(|group| group.suffix.wire() == [0]) {
        let told = list(root);
        return Ok((groups, told));
    }
    let ours: Vec<SocketAddr> = match &config.listen_dns {
        Some(addresses) => addresses.clone(),
        None => loopbacks(53),
    };
    let text = std::fs::read_to_string(resolvers::FILE).unwrap_or_default();
    let system = resolvers::read(&text, &ours);
    if system.is_empty() {
        let told = format!("none: {} names no resolver but ourselves; name some in [[upstream]]", resolvers::FILE);
        return Ok((groups, told));
    }
    let upstreams =
        system.into_iter().map(|address| UpstreamSettings { address, transport: resolve::Transport::Udp }).collect();
    let suffix = Folded::from_text(".").context("the root is a name")?;
    let root = GroupSettings { suffix, upstreams };
    let told = format!("{} (from {})", list(&root), resolvers::FILE);
    groups.push(root);
    Ok((groups, told))
}

fn group(group: &UpstreamGroup) -> anyhow::Result<GroupSettings> {
    let suffix =
        Folded::from_text(&group.suffix).with_context(|| format!("upstream suffix \"{}\" is no name", group.suffix))?;
    let upstream = |server: &config::Server| UpstreamSettings {
        address: server.address,
        transport: match server.transport {
            ServerTransport::Udp => resolve::Transport::Udp,
            ServerTransport::Tcp => resolve::Transport::Tcp,
        },
    };
    Ok(GroupSettings { suffix, upstreams: group.servers.iter().map(upstream).collect() })
}

fn control_settings(config: &Config) -> control::Settings {
    let source = |list: &config::List| {
        let is_url = list.source.starts_with("http://") || list.source.starts_with("https://");
        let place = if is_url { Place::Url(list.source.clone()) } else { Place::File(PathBuf::from(&list.source)) };
        ListSource { info: list.info.clone(), place, refresh: list.refresh }
    };
    control::Settings {
        folder: config.state.clone(),
        lists: config.lists.iter().map(source).collect(),
        block: config.block,
        admitted: config.clients.clone(),
        limits: control::Limits::default(),
    }
}

fn engine_settings(config: &Config) -> engine::Settings {
    let (udp_size, nsid) = (config.udp_size, config.nsid.as_bytes().into());
    engine::Settings { udp_size, nsid, tcp_idle: config.tcp.idle, ..engine::Settings::default() }
}

fn loopbacks(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)]
}

/// Listens where the file says; without it on port 53 of the loopback addresses, else on 5353, saying why.
fn open_front(
    config: &Config,
    shared: &Arc<Shared>,
    store: &Store,
    runtime: &Runtime,
    told: &mut Vec<(&'static str, String)>,
) -> anyhow::Result<Front> {
    let start = |addresses: &[SocketAddr]| {
        let sinks = store.clone();
        let defaults = front::Settings::default();
        let threads = if config.threads == 0 { defaults.threads } else { config.threads };
        let tcp = front::TcpSettings {
            connections_max: config.tcp.connections.min(connections_possible()),
            connections_per_client_max: config.tcp.per_client,
            idle: config.tcp.idle,
            ..defaults.tcp
        };
        let settings = front::Settings { addresses: addresses.to_vec(), threads, tcp, ..defaults };
        Front::start(&settings, shared, &move || Box::new(sinks.sender()), runtime.handle())
    };
    let line = |front: &Front| {
        let texts: Vec<String> = front.local_addresses().iter().map(SocketAddr::to_string).collect();
        format!("{} (UDP and TCP)", texts.join(", "))
    };
    if let Some(addresses) = &config.listen_dns {
        let front = start(addresses).map_err(|error| anyhow!("{error}"))?;
        told.push(("DNS", line(&front)));
        return Ok(front);
    }
    let v4 = loopbacks(53).into_iter().take(1).collect::<Vec<_>>();
    let both = loopbacks(53);
    let why = match start(&both).or_else(|_| start(&v4)) {
        Ok(front) => {
            told.push(("DNS", line(&front)));
            return Ok(front);
        }
        Err(error) => error.to_string(),
    };
    for port in [PORT_FALLBACK, 0] {
        let address = [SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)];
        if let Ok(front) = start(&address) {
            told.push(("DNS", line(&front)));
            told.push(("", format!("not on port 53: {why}")));
            return Ok(front);
        }
    }
    bail!("no address to answer on: {why}")
}

/// Limits of all searches together: a heavy one must leave room for answers, and for the others.
fn search_limits(config: &Config) -> Limits {
    let config::SearchLimits { memory_bytes, time, concurrent } = config.search;
    Limits { memory_bytes, search_bytes: memory_bytes / 2, time, concurrent }
}

/// Connections that leave half of the descriptors to lookups and the log.
fn connections_possible() -> usize {
    sys::raise_descriptor_limit().map_or(usize::MAX, |limit| usize::try_from(limit / 2).unwrap_or(usize::MAX))
}

/// Names the changed settings that only a restart brings into force.
fn needs_restart(before: &Config, after: &Config) -> Vec<String> {
    const RESTART: [&str; 12] = [
        "state",
        "listen.",
        "cache.",
        "log.folder",
        "log.node",
        "log.privacy",
        "log.remote",
        "web.",
        "search.",
        "tenant[",
        "privacy[",
        "output[",
    ];
    let value = |config: &Config, key: &str| {
        config.shown.iter().find(|shown| shown.key == key).map(|shown| shown.value.clone())
    };
    let changed = after.shown.iter().filter(|shown| value(before, &shown.key).as_ref() != Some(&shown.value));
    let gone = before.shown.iter().filter(|shown| value(after, &shown.key).is_none());
    changed
        .chain(gone)
        .filter(|shown| RESTART.iter().any(|prefix| shown.key.starts_with(prefix)))
        .map(|shown| shown.key.clone())
        .collect()
}
