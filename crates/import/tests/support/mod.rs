//! Files to read, and events as lines.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use event::{Action, CacheState, Event};
use flate2::read::GzDecoder;
use import::{Options, Reader};
use wire::code::Code;
use wire::kind;

/// A file of `tests/data`.
pub fn data(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).join(name)).unwrap()
}

pub fn read(bytes: &[u8], name: &str) -> Reader {
    Reader::from_read(Box::new(std::io::Cursor::new(bytes.to_vec())), name, &Options::default())
        .unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

pub fn events(reader: &mut Reader) -> Vec<Event> {
    reader.filter_map(|record| record.event.ok()).collect()
}

/// Events as lines: what is empty is left out.
pub fn shown(events: &[Event]) -> Vec<String> {
    events.iter().map(line).collect()
}

fn line(event: &Event) -> String {
    let time = jiff::Timestamp::from_microsecond(event.time_micros).unwrap();
    let domain = event.domain.as_deref().unwrap_or("-");
    let flags: Vec<&str> = event.flags.names().collect();
    let code = Code::derive(event.rcode, event.tsig_error, event.tkey_error);
    let mut line = format!(
        "{time} {}#{} {} {domain} {} {} {} {}",
        event.client,
        event.client_port,
        event.transport.name(),
        kind::type_name(event.qtype),
        flags.join(","),
        event.outcome.name(),
        code.map_or_else(|| "-".into(), |code| code.name().into_owned()),
    );
    if event.cache != CacheState::None {
        line.push_str(&format!(" {}", event.cache.name()));
    }
    let texts = [("upstream", &event.upstream), ("key", &event.key), ("answer", &event.answer)];
    for (name, text) in texts {
        if let Some(text) = text {
            line.push_str(&format!(" {name}={text}"));
        }
    }
    if event.reply_size > 0 {
        line.push_str(&format!(" size={}", event.reply_size));
    }
    if event.action != Action::Pass {
        let (list, rule) = (event.list.as_deref().unwrap_or("-"), event.rule.as_deref().unwrap_or("-"));
        line.push_str(&format!(" {} {list}: {rule}", event.action.name()));
    }
    line
}

/// The files of an archive among the shared data; `None` (said aloud) where the data is not at hand.
pub fn shared(name: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let told = std::env::var_os("NAMEWARD_SHARED").map(PathBuf::from);
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let path = told.clone().unwrap_or(beside).join("data").join(name);
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) => {
            assert!(told.is_none(), "cannot read {}: {error}", path.display());
            eprintln!("note: no {} here", path.display());
            return None;
        }
    };
    let mut files = Vec::new();
    for entry in tar::Archive::new(GzDecoder::new(file)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if entry.header().entry_type().is_file() {
            files.push((path, bytes));
        }
    }
    Some(files)
}

/// Unpacked by the program `xz`; `None` (said aloud) where it is not installed.
pub fn unxz(packed: &[u8]) -> Option<Vec<u8>> {
    let xz = Command::new("xz").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut xz) = xz else {
        eprintln!("note: no xz here");
        return None;
    };
    let mut stdin = xz.stdin.take().unwrap();
    let packed = packed.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&packed));
    let unpacked = xz.wait_with_output().unwrap().stdout;
    writer.join().unwrap().unwrap();
    Some(unpacked)
}
