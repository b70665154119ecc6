//! Servers nobody here wrote, each with a zone of its own or as a copy of ours, on a free port of loopback.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a server to answer, or for a copy to arrive.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Secret of the key `xfer`, base64.
pub const SECRET: &str = "YSBzZWNyZXQgb2Ygc2l4dHktZm91ciBvY3RldHMgZm9yIGVhY2ggYW5kIGV2ZXJ5IGFsZ29yaXRobSB0aGVyZQ==";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Named,
    Knotd,
    Nsd,
}

/// What the server does with the zone `home.example`.
pub enum Part<'a> {
    /// Holds it, tells us of changes, lets itself be updated with the key `xfer`.
    Primary { records: &'a str, secondary: SocketAddr },
    /// Copies it from here, with the key `xfer`.
    Secondary { primary: SocketAddr },
}

pub struct Server {
    pub kind: Kind,
    pub address: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Kind::Named => "named",
            Kind::Knotd => "knotd",
            Kind::Nsd => "nsd",
        }
    }

    pub fn installed(self) -> bool {
        testkit::installed(self.program()).is_some()
    }
}

impl Server {
    /// Starts it and waits until it answers anything at all.
    pub fn start(kind: Kind, part: &Part<'_>, address: SocketAddr) -> Server {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("db")).unwrap();
        let config = folder.path().join("conf");
        if let Part::Primary { records, .. } = part {
            fs::write(folder.path().join("home.zone"), records).unwrap();
        }
        fs::write(&config, text(kind, part, address, folder.path())).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(testkit::copied(kind.program(), folder.path()).unwrap());
        match kind {
            Kind::Named => command.args(["-g", "-c"]).arg(&config),
            Kind::Knotd => command.arg("-c").arg(&config),
            Kind::Nsd => command.args(["-d", "-c"]).arg(&config),
        };
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Server { kind, address, child, folder };
        server.wait("answered", |server| server.dig(&["home.example", "SOA"]).contains("status:"));
        server
    }

    /// What dig prints of a question to it.
    pub fn dig(&self, words: &[&str]) -> String {
        let output = Command::new("dig")
            .args([&format!("@{}", self.address.ip()), "-p", &self.address.port().to_string()])
            .args(["+tries=1", "+time=2"])
            .args(words)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Asks until it holds; the server itself has nothing we could wait on.
    pub fn wait(&self, what: &str, holds: impl Fn(&Server) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{:?} never {what}:\n{}", self.kind, self.log());
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(kind: Kind, part: &Part<'_>, address: SocketAddr, folder: &Path) -> String {
    let (ip, port, folder) = (address.ip(), address.port(), folder.display());
    let mut text = String::new();
    let _ = match kind {
        Kind::Named => {
            let _ = write!(
                text,
                "options {{ directory \"{folder}\"; listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};\n\
                 pid-file none; session-keyfile none; recursion no; dnssec-validation no; notify explicit;\n\
                 notify-delay 0; min-refresh-time 1; }};\n\
                 controls {{ }};\n\
                 key xfer {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n"
            );
            match part {
                Part::Primary { secondary, .. } => writeln!(
                    text,
                    "zone home.example {{ type primary; file \"home.zone\"; allow-update {{ key xfer; }};\n\
                     allow-transfer {{ key xfer; }}; also-notify {{ {} port {} key xfer; }}; }};",
                    secondary.ip(),
                    secondary.port()
                ),
                Part::Secondary { primary } => writeln!(
                    text,
                    "zone home.example {{ type secondary; file \"copy\"; masterfile-format text; allow-notify {{ any; }};\n\
                     primaries {{ {} port {} key xfer; }}; }};",
                    primary.ip(),
                    primary.port()
                ),
            }
        }
        Kind::Knotd => {
            let _ = write!(
                text,
                "server:\n    listen: {ip}@{port}\n    rundir: {folder}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n\
                 database:\n    storage: {folder}/db\n\
                 log:\n  - target: stderr\n    any: info\n\
                 key:\n  - id: xfer\n    algorithm: hmac-sha256\n    secret: {SECRET}\n"
            );
            match part {
                Part::Primary { secondary, .. } => writeln!(
                    text,
                    "remote:\n  - id: far\n    address: {}@{}\n    key: xfer\n\
                     acl:\n  - id: may\n    key: xfer\n    action: [transfer, update]\n\
                     zone:\n  - domain: home.example\n    storage: {folder}\n    file: home.zone\n    notify: far\n    acl: may\n    zonefile-load: difference",
                    secondary.ip(),
                    secondary.port()
                ),
                Part::Secondary { primary } => writeln!(
                    text,
                    "remote:\n  - id: far\n    address: {}@{}\n    key: xfer\n\
                     acl:\n  - id: may\n    address: 127.0.0.0/8\n    action: notify\n\
                     zone:\n  - domain: home.example\n    storage: {folder}\n    master: far\n    acl: may",
                    primary.ip(),
                    primary.port()
                ),
            }
        }
        Kind::Nsd => {
            let _ = write!(
                text,
                "server:\n  ip-address: {ip}@{port}\n  username: \"\"\n  zonesdir: \"{folder}\"\n  pidfile: \"\"\n  database: \"\"\n\
                   zonelistfile: \"{folder}/list\"\n  xfrdfile: \"{folder}/xfrd\"\n  xfrdir: \"{folder}\"\n  server-count: 1\n\
                 remote-control:\n  control-enable: no\n\
                 key:\n  name: xfer\n  algorithm: hmac-sha256\n  secret: \"{SECRET}\"\n"
            );
            match part {
                Part::Primary { secondary, .. } => writeln!(
                    text,
                    "zone:\n  name: home.example\n  zonefile: home.zone\n  provide-xfr: 127.0.0.0/8 xfer\n  notify: {}@{} xfer",
                    secondary.ip(),
                    secondary.port()
                ),
                Part::Secondary { primary } => writeln!(
                    text,
                    "zone:\n  name: home.example\n  zonefile: copy\n  allow-notify: 127.0.0.0/8 NOKEY\n  allow-notify: 127.0.0.0/8 xfer\n  request-xfr: {}@{} xfer",
                    primary.ip(),
                    primary.port()
                ),
            }
        }
    };
    text
}
