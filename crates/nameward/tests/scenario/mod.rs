//! Reads a scenario and plays it.

mod client;
mod operations;
mod upstream;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Ask, Got};
use nameward::config;
use nameward::serve::House;
use search::Window;
use tokio::runtime::Runtime;
use upstream::{Behaviour, Upstream};
use wire::code::Code;
use wire::tsig::Key;

/// Longest wait for an event to become searchable.
const EVENT_WITHIN: Duration = Duration::from_secs(5);
/// How long silence must last to count; the event shows that the message was seen.
const SILENCE: Duration = Duration::from_millis(300);

/// Plays a scenario; the error begins with the line.
pub fn run(text: &str) -> Result<(), String> {
    let theatre = Theatre::open(text, "127.0.0.1:0")?;
    let keys = operations::keys(text)?;
    let held = HashMap::new();
    let mut stage = Stage { theatre: &theatre, target: theatre.address(), keys, held, got: None, since: 0 };
    let outcome =
        lines(text).try_for_each(|(number, words)| stage.play(&words).map_err(|fault| format!("{number}: {fault}")));
    theatre.close();
    outcome
}

/// A real server with the lists, settings and upstream that a scenario names.
pub struct Theatre {
    runtime: Runtime,
    house: House,
    _state: tempfile::TempDir,
}

impl Theatre {
    pub fn open(text: &str, listen: &str) -> Result<Theatre, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let state = tempfile::tempdir().unwrap();
        let upstream = runtime.block_on(Upstream::start(behaviours(text)?));
        let config = configuration(text, state.path(), upstream.address(), listen);
        let config = config::read(&config, state.path()).map_err(|faults| format!("0: {}", faults[0]))?;
        let house = House::open(config, state.path(), &runtime).map_err(|error| format!("0: {error:#}"))?;
        Ok(Theatre { runtime, house, _state: state })
    }

    pub fn address(&self) -> SocketAddr {
        self.house.dns_addresses()[0]
    }

    pub fn close(self) {
        self.house.close(&self.runtime);
    }

    /// Waits until `search` finds this many events since an instant.
    pub fn wait_for(&self, text: &str, since: i64, wanted: u64) -> Result<(), String> {
        let search = search::parse(text).map_err(|faults| search::caret(text, &faults[0]))?;
        let searcher = self.house.searcher();
        let deadline = Instant::now() + EVENT_WITHIN;
        loop {
            let window = Window { from: since, to: sys::clock::wall_micros() + 1 };
            let found = self.runtime.block_on(searcher.count(&search, window)).map_err(|error| error.to_string())?;
            if found == wanted {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("{found} events match {text}, not {wanted}"));
            }
            std::thread::yield_now();
        }
    }
}

/// Lines with their numbers, without comments.
fn lines(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered
        .filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty())
        .map(|(number, line)| (number, line.split_whitespace().collect()))
}

fn behaviours(text: &str) -> Result<Vec<(String, Behaviour)>, String> {
    lines(text)
        .filter(|(_, words)| words[0] == "upstream")
        .map(|(number, words)| {
            let behaviour = Behaviour::read(&words[2..]).ok_or_else(|| format!("{number}: no such upstream"))?;
            Ok((words[1].to_ascii_lowercase(), behaviour))
        })
        .collect()
}

/// The configuration file of a scenario, its lists written beside it.
fn configuration(text: &str, state: &Path, upstream: SocketAddr, listen: &str) -> String {
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |section: &str, line: String| match sections.iter_mut().find(|(known, _)| known == section) {
        Some((_, lines)) => lines.push(line),
        None => sections.push((section.to_owned(), vec![line])),
    };
    add("[listen]", format!("dns = [\"{listen}\"]\nthreads = 1"));
    add("[web]", "listen = \"\"".to_owned());
    add("[[upstream]]", format!("servers = [\"{upstream}\"]"));
    for (_, words) in lines(text).filter(|(_, words)| words[0] == "set") {
        let (section, key) = words[1].split_once('.').unwrap();
        add(&format!("[{section}]"), format!("{key} {}", words[2..].join(" ")));
    }
    let mut lists: Vec<(&str, &str, String)> = Vec::new();
    for (_, words) in lines(text).filter(|(_, words)| words[0] == "list") {
        let rule = words[3..].join(" ");
        match lists.iter_mut().find(|(name, ..)| *name == words[1]) {
            Some((_, _, rules)) => {
                let _ = write!(rules, "\n{rule}");
            }
            None => lists.push((words[1], words[2], rule)),
        }
    }
    let mut file = String::new();
    for (section, lines) in sections {
        let _ = writeln!(file, "{section}\n{}", lines.join("\n"));
    }
    file.push_str(&operations::configuration(text, state));
    for (name, action, rules) in lists {
        let path = state.join(format!("{name}.txt"));
        std::fs::write(&path, rules).unwrap();
        let _ = writeln!(file, "[[list]]\nname = \"{name}\"\naction = \"{action}\"\nsource = \"{}\"", path.display());
    }
    file
}

struct Stage<'a> {
    theatre: &'a Theatre,
    target: SocketAddr,
    keys: Vec<Arc<Key>>,
    /// What was transferred last of each zone.
    held: HashMap<String, zone::Zone>,
    got: Option<Got>,
    /// When the ask just before was sent, microseconds.
    since: i64,
}

impl Stage<'_> {
    fn play(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["list" | "upstream" | "set" | "key" | "zone" | "broken" | "grant" | "mirror" | "notify-to", ..] => Ok(()),
            ["ask", from, name, qtype, options @ ..] => {
                let ask = Ask::read(name, qtype, options, &self.keys, self.got.as_ref())?;
                self.since = sys::clock::wall_micros();
                self.got = client::ask(address(from)?, self.target, &ask)?;
                Ok(())
            }
            ["send", from, "tcp", octets @ ..] => {
                self.since = sys::clock::wall_micros();
                self.got = Some(client::send_over_tcp(address(from)?, self.target, &octets.concat())?);
                Ok(())
            }
            ["send", from, octets @ ..] => {
                self.since = sys::clock::wall_micros();
                self.got = client::send(address(from)?, self.target, &octets.concat(), SILENCE)?;
                Ok(())
            }
            ["update" | "notify" | "tkey" | "dso" | "transfer", ..] => {
                self.since = sys::clock::wall_micros();
                let got = operations::play(words, self.target, &self.keys, &mut self.held)?;
                self.got = Some(got);
                Ok(())
            }
            ["expect", "silence"] => match &self.got {
                None => Ok(()),
                Some(got) => Err(format!("expected silence, got {}", got.code)),
            },
            ["expect", code, more @ ..] => {
                let got = self.got.as_ref().ok_or_else(|| format!("expected {code}, got silence"))?;
                if Code::from_name(code) != Some(got.code) {
                    return Err(format!("expected {code}, got {}: {got:?}", got.code));
                }
                more.iter().try_for_each(|word| expect(got, word))
            }
            ["event", search @ ..] => self.event(&search.join(" ")),
            _ => Err(format!("cannot read \"{}\"", words.join(" "))),
        }
    }

    /// Waits until the ask just before is in the log, then counts what matches.
    fn event(&self, text: &str) -> Result<(), String> {
        let search = search::parse(text).map_err(|faults| search::caret(text, &faults[0]))?;
        let all = search::parse("").map_err(|faults| faults[0].message.clone())?;
        let searcher = self.theatre.house.searcher();
        let deadline = Instant::now() + EVENT_WITHIN;
        loop {
            let window = Window { from: self.since, to: sys::clock::wall_micros() + 1 };
            let seen = self
                .theatre
                .runtime
                .block_on(searcher.rows(&all, window, None, 10))
                .map_err(|error| error.to_string())?;
            if seen.is_empty() && Instant::now() < deadline {
                std::thread::yield_now();
                continue;
            }
            let found =
                self.theatre.runtime.block_on(searcher.count(&search, window)).map_err(|error| error.to_string())?;
            return match found {
                1 => Ok(()),
                count => Err(format!("{count} events match {text}; the log has {seen:#?}")),
            };
        }
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("\"{text}\" is no address"))
}

fn expect(got: &Got, word: &str) -> Result<(), String> {
    let met = match word.split_once('=') {
        Some(("ede", number)) => got.ede.iter().any(|(code, _)| code.to_string() == number),
        Some(("ede-text", text)) => got.ede.iter().any(|(_, known)| known.contains(text)),
        Some(("answer", text)) => got.answer.contains(text),
        Some(("ttl", seconds)) => got.ttl.is_some_and(|ttl| ttl.to_string() == seconds),
        Some(("name", name)) => got.question == name,
        Some(("in", place)) => got.place == place,
        Some(("header", nibble)) => got.header.to_string() == nibble,
        Some(("records", count)) => got.records.to_string() == count,
        Some(("messages", "many")) => got.messages > 1,
        Some(("other", octets)) => got.tsig_other.to_string() == octets,
        Some(("cookie", octets)) => got.cookie.len().to_string() == octets,
        Some(("nsid", text)) => got.nsid == text,
        None if word == "signed" => got.signed,
        None if word == "unsigned" => !got.signed,
        None if word == "aa" => got.authoritative,
        None if word == "no-aa" => !got.authoritative,
        None if word == "no-answer" => got.answer.is_empty(),
        None if word == "tc" => got.truncated,
        None if word == "no-edns" => !got.edns,
        _ => return Err(format!("cannot read \"{word}\"")),
    };
    if met { Ok(()) } else { Err(format!("expected {word}, got {got:?}")) }
}
