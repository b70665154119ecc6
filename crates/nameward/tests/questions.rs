//! The command line against the real server: `search`, `tail` and `log`, as people and scripts use them.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nameward::config;
use nameward::serve::House;
use search::Window;
use tokio::runtime::Runtime;

/// Longest wait for an event to become searchable.
const EVENT_WITHIN: Duration = Duration::from_secs(10);

/// A server with a zone of its own and a list, so that it answers without anybody else.
struct Stage {
    runtime: Runtime,
    house: House,
    state: tempfile::TempDir,
    since: i64,
}

impl Stage {
    fn open() -> Stage {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("ads.txt"), "||ads.example^\n").unwrap();
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
[[list]]
name = "ads"
action = "block"
source = "{state}/ads.txt"
[[zone]]
name = "home.example"
records = ["@ 60 SOA ns1 host 1 3600 600 86400 60", "@ 60 NS ns1", "ns1 60 A 192.0.2.1", "www 60 A 192.0.2.2"]
"#,
            state = state.path().display()
        );
        let config = config::read(&text, state.path()).unwrap();
        let house = House::open(config, state.path(), &runtime).unwrap();
        Stage { runtime, house, state, since: sys::clock::wall_micros() }
    }

    fn address(&self) -> SocketAddr {
        self.house.dns_addresses()[0]
    }

    /// Asks for the address of each name, in order, from the loopback address that ends in `client`.
    fn ask(&self, client: u8, names: &[&str]) {
        let socket = UdpSocket::bind(format!("127.0.0.{client}:0")).unwrap();
        socket.set_read_timeout(Some(EVENT_WITHIN)).unwrap();
        for name in names {
            let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for label in name.split('.') {
                query.push(u8::try_from(label.len()).unwrap());
                query.extend(label.as_bytes());
            }
            query.extend([0, 0, 1, 0, 1]);
            socket.send_to(&query, self.address()).unwrap();
            socket.recv(&mut [0; 512]).unwrap();
        }
    }

    /// Waits until so many events can be found.
    fn wait_for(&self, wanted: u64) {
        let all = search::parse("").unwrap();
        let deadline = Instant::now() + EVENT_WITHIN;
        loop {
            let window = Window { from: self.since, to: sys::clock::wall_micros() + 1 };
            let found = self.runtime.block_on(self.house.searcher().count(&all, window)).unwrap();
            if found == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{found} events, not {wanted}");
            std::thread::yield_now();
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let (address, token) = self.house.api().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nameward"));
        command.args(words).env("NAMEWARD_SERVER", format!("http://{address}")).env("NAMEWARD_TOKEN", token);
        command.env("TZ", "UTC").stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Told {
        Told(self.command(words).output().unwrap())
    }

    fn start(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn close(self) {
        self.house.close(&self.runtime);
    }
}

struct Told(Output);

impl Told {
    /// Standard output of a command that ended with this code.
    fn ended(&self, code: i32) -> String {
        assert_eq!(self.0.status.code(), Some(code), "{}{}", self.out(), self.err());
        self.out()
    }

    fn out(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }
}

/// The domains of JSON lines.
fn domains(text: &str) -> Vec<String> {
    let domain = |line: &str| serde_json::from_str::<api::EventRow>(line).unwrap().domain.unwrap();
    text.lines().map(domain).collect()
}

/// Lines without the blanks that line columns up.
fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

const NAMES: &[&str] = &["www.home.example", "missing.home.example", "ads.example"];

#[test]
fn events_by_page_in_both_orders_and_as_files() {
    let stage = Stage::open();
    stage.ask(1, NAMES);
    stage.wait_for(3);
    let newest = ["ads.example", "missing.home.example", "www.home.example"];
    let oldest = ["www.home.example", "missing.home.example", "ads.example"];
    assert_eq!(domains(&stage.run(&["search", "--since", "-1h"]).ended(0)), newest);
    assert_eq!(domains(&stage.run(&["search", "-n", "2"]).ended(0)), newest[..2]);
    assert_eq!(domains(&stage.run(&["search", "-r", "-n", "2"]).ended(0)), oldest[1..]);
    assert_eq!(domains(&stage.run(&["search", "-r"]).ended(0)), oldest);
    assert_eq!(domains(&stage.run(&["search", "--since", "today", "--until", "tomorrow"]).ended(0)), newest);
    let table = stage.run(&["search", "-o", "table", "code:NXDOMAIN"]).ended(0);
    assert_eq!(table.lines().count(), 3, "{table}");

    let csv = stage.run(&["search", "--csv", "code:NXDOMAIN"]).ended(0);
    assert!(csv.starts_with("time,client,") && csv.lines().count() == 3, "{csv}");
    let file = stage.state.path().join("events.ndjson");
    let told = stage.run(&["search", "-r", "--to", file.to_str().unwrap()]);
    assert_eq!(told.ended(0), "");
    assert!(told.err().starts_with("3 events, "), "{}", told.err());
    assert_eq!(domains(&std::fs::read_to_string(&file).unwrap()), oldest);
    let parquet = stage.state.path().join("events.parquet");
    stage.run(&["search", "--to", parquet.to_str().unwrap()]).ended(0);
    assert!(std::fs::read(&parquet).unwrap().starts_with(b"PAR1"));
    stage.run(&["search", "--to", "/nowhere/events.csv"]).ended(1);
    stage.close();
}

#[test]
fn questions_about_all_of_them() {
    let stage = Stage::open();
    stage.ask(1, NAMES);
    stage.ask(1, NAMES);
    stage.ask(2, &["www.home.example"]);
    stage.wait_for(7);
    let table = |words: &[&str]| {
        let words: Vec<&str> = ["search", "-o", "table"].iter().chain(words).copied().collect();
        squeezed(&stage.run(&words).ended(0))
    };
    assert_eq!(table(&["--count", "client:127.0.0.1"]), ["6"]);
    let codes = ["CODE EVENTS SHARE", "NXDOMAIN 4 57.1 %", "NOERROR 3 42.9 %", "7 events"];
    assert_eq!(table(&["--count-by", "code"]), codes);
    let top = ["DOMAIN EVENTS SHARE", "www.home.example 3 42.9 %", "(others) 4 57.1 %", "7 events"];
    assert_eq!(table(&["--top", "domain", "-n", "1"]), top);
    assert_eq!(table(&["--facets", "list"])[1..3], ["(empty) 5 71.4 %", "ads 2 28.6 %"]);
    assert!(table(&["--series"])[1].starts_with("NOERROR 3 "));
    assert_eq!(table(&["--distinct", "domain"]), ["3"]);
    let by = ["CLIENT DISTINCT DOMAIN", "127.0.0.1 3", "127.0.0.2 1"];
    assert_eq!(table(&["--distinct", "domain", "--by", "client"]), by);
    let quantiles = table(&["--quantiles", "query_size", "--by", "client", "--parts", "0,1"]);
    assert_eq!(quantiles[0], "CLIENT EVENTS 0 % 100 %");
    assert_eq!(quantiles[1], "127.0.0.1 6 29 38");
    let compared = table(&["--compare", "code"]);
    assert_eq!(compared[..2], ["CODE BEFORE NOW CHANGE", "NXDOMAIN 0 4 +4 new"]);
    let sql = table(&["--sql", "SELECT client, count(*) AS events FROM events GROUP BY client ORDER BY 2"]);
    assert_eq!(sql, ["client events", "127.0.0.2 1", "127.0.0.1 6"]);

    let rows = stage.run(&["search", "client:127.0.0.2"]).ended(0);
    let row: api::EventRow = serde_json::from_str(&rows).unwrap();
    assert_eq!(domains(&stage.run(&["search", "--around", &row.id]).ended(0)), ["www.home.example"]);
    let json = stage.run(&["search", "--json", "--top", "client"]).ended(0);
    let reply: api::TopReply = serde_json::from_str(&json).unwrap();
    assert_eq!((reply.total, reply.error), (7, 0));
    let json = stage.run(&["search", "--json", "--sql", "SELECT count(*) AS n FROM events"]).ended(0);
    assert_eq!(json, "{\"n\":7}\n");
    // Columns of one name are told apart; a program's points do not depend on a terminal.
    let twice = "SELECT x.a, y.a, 2 AS a_2 FROM (SELECT 1 AS a) AS x, (SELECT 3 AS a) AS y";
    assert_eq!(stage.run(&["search", "--json", "--sql", twice]).ended(0), "{\"a\":1,\"a_2\":2,\"a_3\":3}\n");
    let json = stage.run(&["search", "--json", "--series"]).ended(0);
    let reply: api::SeriesReply = serde_json::from_str(&json).unwrap();
    assert!(reply.starts.len() > 100, "{}", reply.starts.len());
    let alike = stage.run(&["search", "-o", "table", "--explain=code", "domain:nowhere.example OR qtype:A"]);
    alike.ended(3);
    assert_eq!(alike.err(), "nothing sets the 7 events selected apart from the 0 others\n");
    stage.close();
}

#[test]
fn exit_codes_say_what_happened() {
    let stage = Stage::open();
    let nothing = stage.run(&["search", "domain:nowhere.example"]);
    nothing.ended(3);
    assert!(nothing.err().starts_with("nothing found from 20"), "{}", nothing.err());
    for words in [
        &["search", "--count"][..],
        &["search", "--top", "domain"],
        &["search", "--csv"],
        &["search", "--sql", "SELECT client FROM events"],
        &["search", "--around", "1-1"],
        &["log", "searches"],
        &["log", "cancel", "999"],
    ] {
        stage.run(words).ended(3);
    }
    for (words, told) in [
        (&["search", "cod:NXDOMAIN"][..], "^^^ no field `cod`; did you mean `code`?"),
        (&["search", "--series", "code"], "say --series=code for the field, or \"code\" for the text"),
        (&["search", "--csv", "cod:NXDOMAIN"], "^^^ no field `cod`; did you mean `code`?"),
        (&["tail", "cod:NXDOMAIN"], "^^^ no field `cod`; did you mean `code`?"),
        (&["search", "--explain", "--base", "cod:1"], "^^^ no field `cod`; did you mean `code`?"),
        (&["search", "--sql", "DROP TABLE events"], "^"),
        (&["search", "--top", "domian"], "did you mean `domain`?"),
        (&["search", "--since", "last week"], "`last week` is not an instant"),
        (&["search", "--by", "client"], "--by goes with"),
        (&["search", "--csv", "--count"], "CSV and Parquet are for events"),
        (&["search", "--count", "--top", "code"], "cannot be used with"),
        (&["search", "--sql", "SELECT 1", "code:NXDOMAIN"], "cannot be used with"),
        (&["search", "--around", "1-1", "code:NXDOMAIN"], "cannot be used with"),
        (&["search", "--around", "1-1", "--since", "1d"], "cannot be used with"),
        (&["search", "-f", "--since", "1d"], "cannot be used with"),
        (&["search", "--parts", "0.5"], "required arguments were not provided"),
        (&["search", "-r", "--top", "code"], "-r is for events"),
        (&["search", "-n", "5", "--count"], "-n is for events and values"),
        (&["search", "-n", "101", "--top", "code"], "-n is 100 at most"),
        (&["search", "-r", "-n", "100001"], "-n with -r is 100000 at most"),
        (&["search", "-f", "-n", "1001"], "-n is 1000 at most"),
        (&["tail", "-n", "1001"], "1001 is not in 0..=1000"),
    ] {
        let ended = stage.run(words);
        ended.ended(2);
        assert!(ended.err().contains(told), "{words:?}: {}", ended.err());
    }
    stage.close();
    let alone = Command::new(env!("CARGO_BIN_EXE_nameward"))
        .args(["search", "--server", "http://127.0.0.1:9", "--token", "x"])
        .output()
        .unwrap();
    Told(alone).ended(1);
}

#[test]
fn tail_shows_the_last_ones_and_then_what_comes() {
    let stage = Stage::open();
    stage.ask(1, NAMES);
    stage.wait_for(3);
    for words in [&["tail", "-n", "2", "--json"][..], &["search", "-f", "-n", "2", "--json"]] {
        let mut tail = stage.start(words);
        let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
        let mut next = || domains(&lines.next().unwrap().unwrap()).remove(0);
        assert_eq!(next(), "missing.home.example");
        assert_eq!(next(), "ads.example");
        stage.ask(1, NAMES);
        for name in NAMES {
            assert_eq!(next(), *name);
        }
        tail.kill().unwrap();
        tail.wait().unwrap();
    }
    let one = stage.start(&["tail", "--stop", "1", "--json"]);
    assert!(one.wait_with_output().unwrap().status.success());
    stage.close();
}

#[test]
fn the_log_tells_what_it_keeps_and_what_is_damaged() {
    let stage = Stage::open();
    stage.ask(1, NAMES);
    stage.wait_for(3);
    let status = squeezed(&stage.run(&["log", "status", "-o", "table"]).ended(0));
    assert!(status.contains(&"Events 3, of them 3 not yet in a segment".to_owned()), "{status:?}");
    let good = stage.run(&["log", "verify", "-o", "table"]).ended(0);
    assert!(good.contains("everything can be read"), "{good}");
    let compacted: api::CompactReply = serde_json::from_str(&stage.run(&["log", "compact"]).ended(0)).unwrap();
    assert_eq!((compacted.merged, compacted.purged), (0, 0));

    let folder = stage.state.path().join("log");
    let alone = |folder: &std::path::Path| {
        // The folder counts, whatever server the environment names.
        let mut command = Command::new(env!("CARGO_BIN_EXE_nameward"));
        command.env("NAMEWARD_SERVER", "http://127.0.0.1:9").env("NAMEWARD_TOKEN", "of another");
        command.args(["log", "verify", "-o", "table", "--folder"]).arg(folder);
        Told(command.output().unwrap())
    };
    let in_use = alone(&folder);
    in_use.ended(1);
    assert!(in_use.err().contains("in use by another process"), "{}", in_use.err());
    let Stage { runtime, house, state, .. } = stage;
    house.close(&runtime);
    assert!(alone(&folder).ended(0).contains("everything can be read"));
    std::fs::write(folder.join("wal/stranger.txt"), "x").unwrap();
    let told = alone(&folder).ended(1);
    assert!(told.contains("stranger.txt") && told.contains("1 file is not as it should be"), "{told}");
    drop(state);
}
