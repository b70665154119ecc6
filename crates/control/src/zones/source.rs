//! A primary zone as its source has it: a file with what it includes, or lines of the configuration.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use wire::name::Folded;
use zone::Zone;
use zone::delta::{Delta, serial_after};
use zone::file::{FILE_BYTES_MAX, FileFault};

use super::settings::ZoneSource;

/// EDE of a zone whose data cannot be used (RFC 8914 §4.25).
pub(crate) const EDE_INVALID_DATA: u16 = 24;
/// EDE of a zone not yet there (RFC 8914 §4.15).
pub(crate) const EDE_NOT_READY: u16 = 14;
/// Faults of a file named in one line; the others are counted.
const FAULTS_TOLD: usize = 3;

/// A zone as read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) zone: Zone,
    /// SHA-256 of all octets read.
    pub(crate) fingerprint: [u8; 32],
    /// Whether the SOA is ours: its serial then says nothing of the source.
    pub(crate) is_soa_made: bool,
}

/// Reads a source. `serial` is that of an SOA made by us. The error is one line.
pub(crate) fn read(origin: &Folded, source: &ZoneSource, serial: u32) -> Result<Reading, String> {
    match source {
        ZoneSource::File(path) => read_zone_file(origin, path),
        ZoneSource::Kept(lines) => read_lines(origin, lines, serial),
        ZoneSource::Secondary(_) => Err("a secondary has no source of its own".to_owned()),
    }
}

fn read_zone_file(origin: &Folded, path: &Path) -> Result<Reading, String> {
    let mut hash = Sha256::new();
    let mut left = FILE_BYTES_MAX;
    let name = path.display().to_string();
    let text = read_text(path, &mut left).map_err(|error| format!("cannot read {name}: {error}"))?;
    hash.update(&text);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut include = |file: &str| {
        let text = read_text(&folder.join(file), &mut left).map_err(|error| error.to_string())?;
        hash.update(&text);
        Ok(text)
    };
    let zone = zone::file::read(&name, &text, origin, &mut include).map_err(|faults| told(&faults))?;
    Ok(Reading { zone, fingerprint: hash.finalize().into(), is_soa_made: false })
}

/// Reads a file as text. Zone files may hold octets that are no UTF-8 in comments and strings: each becomes U+FFFD.
fn read_text(path: &Path, left: &mut usize) -> io::Result<String> {
    // Asked before it is opened: opening a pipe would wait for somebody to write to it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut octets = Vec::new();
    File::open(path)?.take(*left as u64 + 1).read_to_end(&mut octets)?;
    *left = left
        .checked_sub(octets.len())
        .ok_or_else(|| io::Error::other(format!("more than {FILE_BYTES_MAX} bytes with what it includes")))?;
    Ok(String::from_utf8(octets).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// SOA and NS are put behind the lines, so that those keep their numbers and their defaults.
fn read_lines(origin: &Folded, lines: &str, serial: u32) -> Result<Reading, String> {
    const NAME: &str = "records";
    let is_soa_made = !lines.lines().any(is_soa);
    let mut fingerprint = Sha256::new();
    fingerprint.update(lines);
    // Timers as RFC 6303 §3 has them; nobody answers mail of a zone without its own SOA.
    let soa = if is_soa_made {
        format!("\n@ 3600 IN SOA @ nobody.invalid. {serial} 3600 1200 604800 3600")
    } else {
        String::new()
    };
    let read = |ns: &str| {
        let text = format!("$TTL 3600\n{lines}{soa}{ns}\n");
        zone::file::read(NAME, &text, origin, &mut |_| Err("the configuration includes nothing".to_owned()))
    };
    let zone = read("").or_else(|_| read("\n@ 3600 IN NS @")).map_err(|faults| {
        // The first line is ours.
        let ours = |fault: FileFault| FileFault { line: fault.line.saturating_sub(1), ..fault };
        told(&faults.into_iter().map(ours).collect::<Vec<_>>())
    })?;
    Ok(Reading { zone, fingerprint: fingerprint.finalize().into(), is_soa_made })
}

/// Checks lines of the configuration as [`ZoneSource::Kept`] takes them.
///
/// # Errors
/// What is wrong with them, in one line; `records:2` is the second of them.
pub fn check_records(origin: &Folded, lines: &str) -> Result<(), String> {
    read_lines(origin, lines, 1).map(drop)
}

/// Whether a line holds an SOA record: the type stands after at most owner, TTL and class.
fn is_soa(line: &str) -> bool {
    line.split(|c: char| c.is_whitespace() || c == '(')
        .filter(|word| !word.is_empty())
        .take_while(|word| !word.starts_with(';') && !word.starts_with('"'))
        .take(4)
        .any(|word| word.eq_ignore_ascii_case("SOA"))
}

fn told(faults: &[FileFault]) -> String {
    let mut texts: Vec<String> = faults.iter().take(FAULTS_TOLD).map(FileFault::to_string).collect();
    if faults.len() > FAULTS_TOLD {
        texts.push(format!("{} more", faults.len() - FAULTS_TOLD));
    }
    texts.join("; ")
}

/// What a source means for the zone in service.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// The source is the one the zone came from.
    Unchanged,
    /// The source was written to, but says what is in service.
    Same,
    /// The source is newer: its content wins.
    Newer(Box<(Zone, Delta)>),
    /// The source differs, but its serial is not newer: what is in service stays. Why, for the operator.
    Waits(String),
}

/// Compares what a source says with the zone in service.
pub(crate) fn weigh(origin: &Folded, source: &ZoneSource, read: Reading, before: &Zone, known: [u8; 32]) -> Meaning {
    if read.fingerprint == known {
        return Meaning::Unchanged;
    }
    let serial = before.serial().unwrap_or(0);
    let zone = if read.is_soa_made {
        // First with the serial in service: records alone decide whether anything changed.
        let with = |serial| self::read(origin, source, serial).map(|read| read.zone);
        match with(serial) {
            Ok(same) if Delta::between(before, &same).is_none() => return Meaning::Same,
            Ok(_) => with(zone::delta::serial_next(serial)),
            Err(why) => Err(why),
        }
    } else {
        Ok(read.zone)
    };
    let zone = match zone {
        Ok(zone) => zone,
        Err(why) => return Meaning::Waits(why),
    };
    let Some(delta) = Delta::between(before, &zone) else { return Meaning::Same };
    let written = zone.serial().unwrap_or(0);
    if serial_after(written, serial) {
        return Meaning::Newer(Box::new((zone, delta)));
    }
    Meaning::Waits(format!(
        "{source} was changed, but its serial {written} is not newer than {serial}, which is in service; \
         the change waits for a higher serial"
    ))
}
