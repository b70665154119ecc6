//! Zones, keys and what is done with them: the lines `key`, `zone`, `broken`, `grant`, `mirror`, and `update`, `notify`,
//! `tkey`, `dso`, `transfer`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use wire::dso::{Dso, Tlv};
use wire::kind;
use wire::message::{Builder, Record, Section};
use wire::name::Folded;
use wire::tkey::Tkey;
use wire::tsig::{Algorithm, Key};

use super::client::{self, Got, How};
use super::{address, lines};

/// Secret of every key.
const SECRET: &[u8] = b"a secret of sixty-four octets for each and every algorithm there";
/// Class of prerequisites and updates that name what is not there or is to go (RFC 2136 §2.4, §2.5).
const NONE: u16 = 254;
/// TYPE of the record with a Diffie-Hellman value (RFC 2539).
const KEY: u16 = 25;
/// A value of 1 in the first well-known group: whoever takes it shares no secret.
const BAD_PUBLIC: &[u8] = &[2, 0, 3, 2, 0, 1, 1, 0, 0, 0, 1, 1];
/// ID of every message.
const ID: u16 = 0x4e58;

/// Keys of a scenario: `key NAME ALGORITHM`.
pub fn keys(text: &str) -> Result<Vec<Arc<Key>>, String> {
    lines(text)
        .filter(|(_, words)| words[0] == "key")
        .map(|(number, words)| {
            let name = Folded::from_text(words[1]).ok_or_else(|| format!("{number}: no name"))?;
            let algorithm = words.get(2).copied().unwrap_or("hmac-sha256");
            let algorithm = Algorithm::from_name(algorithm).ok_or_else(|| format!("{number}: no algorithm"))?;
            Ok(Arc::new(Key::new(name, algorithm, SECRET)))
        })
        .collect()
}

/// The configuration's sections for keys and zones; files of broken zones are written beside it.
pub fn configuration(text: &str, state: &Path) -> String {
    let mut file = String::new();
    let mut zones: Vec<(&str, Vec<String>)> = Vec::new();
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    for (_, words) in lines(text) {
        match words[..] {
            ["key", name, ref more @ ..] => {
                let algorithm = more.first().copied().unwrap_or("hmac-sha256");
                let secret = BASE64_STANDARD.encode(SECRET);
                let _ =
                    writeln!(file, "[[key]]\nname = \"{name}\"\nalgorithm = \"{algorithm}\"\nsecret = \"{secret}\"");
                if let Some(least) = more.get(1) {
                    let _ = writeln!(file, "{}", least.replace('=', " = "));
                }
            }
            ["zone", origin, ref record @ ..] => match zones.iter_mut().find(|(known, _)| *known == origin) {
                Some((_, records)) => records.push(record.join(" ")),
                None => zones.push((origin, vec![record.join(" ")])),
            },
            _ => {}
        }
    }
    let grants = |file: &mut String, origin: &str| {
        for what in ["query", "transfer", "notify_from", "update"] {
            let rules: Vec<String> = lines(text)
                .filter(|(_, words)| words[0] == "grant" && words[1] == origin && words[2] == what)
                .map(|(_, words)| quoted(&words[3..].join(" ")))
                .collect();
            if !rules.is_empty() {
                let _ = writeln!(file, "{what} = [{}]", rules.join(", "));
            }
        }
        let told: Vec<String> = lines(text)
            .filter(|(_, words)| words[0] == "notify-to" && words[1] == origin)
            .map(|(_, words)| quoted(&words[2..].join(" ")))
            .collect();
        if !told.is_empty() {
            let _ = writeln!(file, "notify = [{}]", told.join(", "));
        }
    };
    for (origin, records) in zones {
        let records: Vec<String> =
            records.iter().filter(|record| !record.is_empty()).map(|line| quoted(line)).collect();
        let _ = writeln!(file, "[[zone]]\nname = \"{origin}\"\nrecords = [{}]", records.join(", "));
        grants(&mut file, origin);
    }
    for (_, words) in lines(text) {
        match words[..] {
            ["broken", origin] => {
                let path = state.join(format!("{origin}.zone"));
                std::fs::write(&path, "@ 300 SOA ns hostmaster 1 3600 600 86400 60\n@ 300 NS ns\nns A 192.0.2.999\n")
                    .unwrap();
                let _ = writeln!(file, "[[zone]]\nname = \"{origin}\"\nfile = \"{}\"", path.display());
            }
            ["mirror", origin, ref primary @ ..] => {
                let primary = primary.join(" ");
                let _ = writeln!(file, "[[zone]]\nname = \"{origin}\"\nprimaries = [\"{primary}\"]");
                grants(&mut file, origin);
            }
            _ => {}
        }
    }
    file
}

/// Plays one line.
pub fn play(
    words: &[&str],
    target: SocketAddr,
    keys: &[Arc<Key>],
    held: &mut HashMap<String, zone::Zone>,
) -> Result<Got, String> {
    let end = words.iter().position(|word| *word == ":").unwrap_or(words.len());
    let (head, clauses) = (&words[..end], words.get(end + 1..).unwrap_or_default());
    let mut how = How::default();
    let mut plain = Vec::new();
    for word in head {
        if !how.take(word, keys)? {
            plain.push(*word);
        }
    }
    match plain[..] {
        ["update", from, zone] => {
            let message = update(zone, clauses)?;
            client::exchange(address(from)?, target, message, &how)
        }
        ["notify", from, zone] => {
            let mut message = Builder::new(ID, flags(4) | 0x0400, usize::MAX);
            message.question(name(zone, None)?.name(), kind::SOA, kind::CLASS_IN);
            client::exchange(address(from)?, target, message.finish(), &how)
        }
        ["tkey", from, mode, key, algorithm, ref public @ ..] => {
            let mode = mode.parse().map_err(|_| format!("\"{mode}\" is no mode"))?;
            let message = tkey(mode, key, algorithm, *public == ["bad-public"])?;
            client::exchange(address(from)?, target, message, &how)
        }
        ["dso", from, ref tlvs @ ..] => {
            let tlvs: Option<Vec<(u16, Vec<u8>)>> = tlvs.iter().map(|text| tlv(text)).collect();
            let tlvs = tlvs.ok_or("a TLV is written TYPE or TYPE=HEX")?;
            let tlvs = tlvs.iter().map(|(kind, data)| Tlv { kind: *kind, data }).collect();
            let message = Dso { id: ID, is_response: false, rcode: 0, tlvs }.write();
            client::exchange(address(from)?, target, message, &how)
        }
        ["transfer", from, zone, ref incremental @ ..] => {
            let current = match incremental {
                [] => None,
                ["again"] => Some(held.get(zone).cloned().ok_or("nothing was transferred before")?),
                _ => return Err("a transfer may be told \"again\"".to_owned()),
            };
            let (got, brought) = client::transfer(address(from)?, target, zone, current, &how)?;
            if let Some(brought) = brought {
                held.insert(zone.to_owned(), brought);
            }
            Ok(got)
        }
        _ => Err(format!("cannot read \"{}\"", words.join(" "))),
    }
}

fn flags(opcode: u16) -> u16 {
    opcode << 11
}

fn name(text: &str, origin: Option<&str>) -> Result<Folded, String> {
    let full = match (text, origin) {
        ("@", Some(origin)) => origin.to_owned(),
        (text, Some(origin)) if !text.ends_with('.') => format!("{text}.{origin}"),
        (text, _) => text.to_owned(),
    };
    Folded::from_text(&full).ok_or_else(|| format!("\"{text}\" is no name"))
}

fn rtype(text: &str) -> Result<u16, String> {
    wire::kind::type_from_name(text).ok_or_else(|| format!("\"{text}\" is no type"))
}

/// `need NAME`, `need no NAME`, `need NAME TYPE`, `need no NAME TYPE`, `need NAME TYPE DATA`, `add NAME TTL TYPE DATA`,
/// `delete NAME`, `delete NAME TYPE`, `delete NAME TYPE DATA`, separated by `;`.
fn update(zone: &str, clauses: &[&str]) -> Result<Vec<u8>, String> {
    let mut prerequisites = Vec::new();
    let mut updates = Vec::new();
    let empty = |owner, rtype, class| Record { owner, rtype, class, ttl: 0, rdata: Box::default() };
    let owner = |text: &str| name(text, Some(zone));
    let data = |text: &str, ttl: u32, words: &[&str]| -> Result<Record, String> {
        // Written out whole: what lies outside the zone is for the server to refuse.
        let line = format!("{}. {ttl} {}", owner(text)?, words.join(" "));
        let records = zone::file::records(&line, &Folded::root(), 0).map_err(|faults| faults[0].to_string())?;
        records.into_iter().next().ok_or_else(|| format!("\"{line}\" is no record"))
    };
    for clause in clauses.split(|word| *word == ";") {
        match clause {
            [] => {}
            ["need", "no", at] => prerequisites.push(empty(owner(at)?, kind::ANY, NONE)),
            ["need", "no", at, kind] => prerequisites.push(empty(owner(at)?, rtype(kind)?, NONE)),
            ["need", at] => prerequisites.push(empty(owner(at)?, kind::ANY, kind::CLASS_ANY)),
            ["need", at, kind] => prerequisites.push(empty(owner(at)?, rtype(kind)?, kind::CLASS_ANY)),
            ["need", at, record @ ..] => prerequisites.push(data(at, 0, record)?),
            ["add", at, ttl, record @ ..] => {
                let ttl = ttl.parse().map_err(|_| format!("\"{ttl}\" is no TTL"))?;
                updates.push(data(at, ttl, record)?);
            }
            ["delete", at] => updates.push(empty(owner(at)?, kind::ANY, kind::CLASS_ANY)),
            ["delete", at, kind] => updates.push(empty(owner(at)?, rtype(kind)?, kind::CLASS_ANY)),
            ["delete", at, record @ ..] => updates.push(Record { class: NONE, ..data(at, 0, record)? }),
            _ => return Err(format!("cannot read \"{}\"", clause.join(" "))),
        }
    }
    let mut message = Builder::new(ID, flags(5), usize::MAX);
    message.question(name(zone, None)?.name(), kind::SOA, kind::CLASS_IN);
    for record in &prerequisites {
        assert!(message.record(Section::Answer, record));
    }
    for record in &updates {
        assert!(message.record(Section::Authority, record));
    }
    Ok(message.finish())
}

fn tkey(mode: u16, key: &str, algorithm: &str, bad_public: bool) -> Result<Vec<u8>, String> {
    let key = name(key, None)?;
    let now = u32::try_from(sys::clock::wall_micros() / 1_000_000).unwrap();
    let data = Tkey {
        algorithm: name(algorithm, None)?,
        inception: now,
        expiration: now + 3_600,
        mode,
        error: 0,
        key: Vec::new(),
        other: Vec::new(),
    };
    let mut message = Builder::new(ID, 0, usize::MAX);
    message.question(key.name(), kind::TKEY, kind::CLASS_ANY);
    assert!(message.parts(Section::Additional, key.name(), kind::TKEY, kind::CLASS_ANY, 0, &data.rdata()));
    if bad_public {
        assert!(message.parts(Section::Additional, key.name(), KEY, kind::CLASS_IN, 0, BAD_PUBLIC));
    }
    Ok(message.finish())
}

fn tlv(text: &str) -> Option<(u16, Vec<u8>)> {
    let (kind, hex) = text.split_once('=').unwrap_or((text, ""));
    let octet = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    Some((kind.parse().ok()?, hex.as_bytes().chunks(2).map(octet).collect::<Option<_>>()?))
}
