//! The log's segments on an S3 server nobody here wrote (Moto), with the real server and the command line.

#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use event::{Action, CacheState, Event, Flags, Outcome, Transport};
use nameward::config;
use nameward::serve::House;
use tokio::runtime::Runtime;

/// Longest wait for something that always comes.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR_MICROS: i64 = 3_600_000_000;
const SECRET: &str = "a-secret-that-nobody-may-see";

/// An S3 server with an empty bucket `logs`.
struct Moto {
    address: SocketAddr,
    child: Child,
}

impl Moto {
    fn start() -> Moto {
        let address = testkit::free_address();
        let mut command = Command::new(testkit::python());
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let moto = Moto { address, child };
        until("Moto answers", || TcpStream::connect(address).is_ok());
        moto.run("s3.create_bucket(Bucket='logs')");
        moto
    }

    /// Runs lines of Python with a client `s3`; what they print.
    fn run(&self, lines: &str) -> String {
        let head = format!(
            "import boto3\ns3 = boto3.client('s3', endpoint_url='http://{}', aws_access_key_id='key', \
             aws_secret_access_key='{SECRET}', region_name='us-east-1')\n",
            self.address
        );
        let done = Command::new(testkit::python()).arg("-c").arg(head + lines).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn keys(&self) -> Vec<String> {
        let listed = self.run("for o in s3.list_objects_v2(Bucket='logs').get('Contents', []): print(o['Key'])");
        listed.lines().map(str::to_owned).collect()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn event(name: &str, time_micros: i64) -> Event {
    Event {
        time_micros,
        client: "192.0.2.7".parse().unwrap(),
        client_port: 1024,
        transport: Transport::Udp,
        opcode: 0,
        domain: Some(name.into()),
        qtype: 1,
        qclass: 1,
        flags: Flags(0),
        outcome: Outcome::ALL[0],
        rcode: Some(0),
        tsig_error: None,
        tkey_error: None,
        ede: Vec::new().into(),
        answer: None,
        answer_count: 0,
        ttl: None,
        action: Action::ALL[0],
        list: None,
        rule: None,
        trace: None,
        cache: CacheState::ALL[0],
        upstream: None,
        upstream_latency_micros: None,
        attempts: 0,
        key: None,
        update: None,
        repeats: 0,
        latency_micros: 100,
        query_size: 40,
        reply_size: 56,
        tenant: None,
        node: None,
    }
}

/// A log with a segment of ten events for each of these hours, as the server left it.
fn log_of(folder: &Path, hours: &[i64]) {
    for hour in hours {
        let settings = store::Settings { folder: folder.to_owned(), ..store::Settings::default() };
        let (store, _) = store::Store::open(settings).unwrap();
        let mut sender = store.sender();
        (0..10).for_each(|at| sender.offer(event(&format!("n{at}.example"), hour * HOUR_MICROS + at)));
        drop(sender);
        store.close();
    }
}

struct Stage {
    runtime: Runtime,
    house: House,
}

impl Stage {
    fn open(state: &Path, moto: SocketAddr) -> Stage {
        let secret = state.join("secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let text = format!(
            r#"
state = "{state}"
[listen]
dns = ["127.0.0.1:0"]
threads = 1
[web]
listen = "127.0.0.1:0"
[[upstream]]
servers = ["127.0.0.1:9"]
[log.remote]
url = "s3://logs/site/ns1"
keep_local = "2h"
endpoint = "http://{moto}"
allow_http = true
access_key_id = "key"
secret_access_key_file = "{secret}"
"#,
            state = state.display(),
            secret = secret.display()
        );
        let config = config::read(&text, state).unwrap();
        assert!(!config.show("conf").contains(SECRET) && !format!("{config:?}").contains(SECRET));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let house = House::open(config, state, &runtime).unwrap();
        Stage { runtime, house }
    }

    fn run(&self, words: &[&str]) -> Output {
        let (address, token) = self.house.api().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nameward"));
        command.args(words).env("NAMEWARD_SERVER", format!("http://{address}")).env("NAMEWARD_TOKEN", token);
        let output = command.env("TZ", "UTC").stdin(Stdio::null()).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains(SECRET), "{text}");
        output
    }

    fn told(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{words:?}: {text}");
        text
    }

    fn remote(&self) -> api::RemoteReport {
        let output = self.run(&["log", "status", "--json"]);
        let report: api::LogReport = serde_json::from_slice(&output.stdout).unwrap();
        report.remote.unwrap()
    }

    /// A figure of `/metrics`.
    fn figure(&self, name: &str) -> f64 {
        let (address, token) = self.house.api().unwrap();
        let asked = ureq::get(format!("http://{address}/metrics")).header("Authorization", format!("Bearer {token}"));
        let page = asked.call().unwrap().body_mut().read_to_string().unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}: {page}")).parse().unwrap()
    }

    fn close(self) {
        self.house.close(&self.runtime);
    }
}

#[test]
fn old_segments_live_on_an_s3_server() {
    let moto = Moto::start();
    let state = tempfile::tempdir().unwrap();
    let now = sys::clock::wall_micros() / HOUR_MICROS;
    log_of(&state.path().join("log"), &[now - 57, now - 33, now - 1]);
    let stage = Stage::open(state.path(), moto.address);
    until("two segments are there", || stage.remote().segments == 2);
    let keys = moto.keys();
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with("site/ns1/")), "{keys:?}");
    let remote = stage.remote();
    assert_eq!((remote.rows, remote.url.as_deref(), remote.fault), (20, Some("s3://logs/site/ns1"), None));

    for (name, expect) in [
        ("nameward_log_writing", 1.0),
        ("nameward_log_rows", 30.0),
        ("nameward_log_remote_up", 1.0),
        ("nameward_log_remote_rows", 20.0),
        ("nameward_log_remote_segments", 2.0),
        ("nameward_log_remote_waiting_segments", 0.0),
    ] {
        assert_eq!(stage.figure(name), expect, "{name}");
    }

    let rows = ["search", "domain:n3.example", "--since", "7d", "--json"];
    assert_eq!(stage.told(&rows, 0).lines().count(), 3);
    let table = stage.told(&["log", "status", "-o", "table"], 0);
    assert!(table.contains("s3://logs/site/ns1: 2 segments, 20 events"), "{table}");
    let good = stage.told(&["log", "verify", "-o", "table"], 0);
    assert!(good.contains("3 segments with 30 events") && good.contains("everything can be read"), "{good}");

    // Behind its back.
    let gone = keys.iter().find(|key| key.contains("/segments/")).unwrap();
    moto.run(&format!(
        "s3.delete_object(Bucket='logs', Key='{gone}')\ns3.put_object(Bucket='logs', Key='site/ns1/x', Body=b'x')"
    ));
    let told = stage.told(&["log", "verify", "-o", "table"], 1);
    assert!(told.contains(&format!("s3://logs/{gone}")) && told.contains("missing"), "{told}");
    assert!(told.contains("s3://logs/site/ns1/x") && told.contains("unknown"), "{told}");
    let told = stage.told(&["search", "domain:n4.example", "--since", "7d", "--json"], 1);
    assert!(told.contains(&format!("s3://logs/{gone}")) && told.contains("missing"), "{told}");
    // What is here is searched all the same.
    assert_eq!(stage.told(&["search", "domain:n3.example", "--since", "3h", "--json"], 0).lines().count(), 1);
    stage.close();

    // Another run knows where they are, and says so when nobody answers there.
    let stage = Stage::open(state.path(), moto.address);
    let text = stage.told(&["log", "status", "-o", "table"], 0);
    assert!(text.contains("2 segments, 20 events"), "{text}");
    drop(moto);
    let told = stage.told(&["search", "domain:n5.example", "--since", "7d", "--json"], 1);
    assert!(told.contains("the remote store failed at s3://logs/site/ns1/segments/"), "{told}");
    stage.close();
}
