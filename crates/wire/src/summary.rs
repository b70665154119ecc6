//! Answers in short: one line of text for the log, such as `CNAME edge.example, A 192.0.2.1`.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::bytes::{slice_at, u16_at, u32_at};
use crate::kind;
use crate::name::Name;
use crate::walk::{Expanded, Record};

/// Octets of a summary at most.
const SUMMARY_LEN_MAX: usize = 512;

/// Stands for the records that did not fit.
const MORE: &str = ", …";

/// A line that grows record by record until it is full.
#[derive(Default)]
pub(crate) struct Summary {
    text: String,
    full: bool,
}

impl Summary {
    /// Adds one record of the message; data that breaks its type's form is told by its length.
    pub(crate) fn add(&mut self, bytes: &[u8], record: &Record) {
        if self.full {
            return;
        }
        let before = self.text.len();
        if before > 0 {
            self.text.push_str(", ");
        }
        let _ = write!(self.text, "{} ", kind::type_name(record.rtype));
        let data_at = self.text.len();
        if write_data(bytes, record, &mut self.text).is_err() {
            self.text.truncate(data_at);
            write_opaque(record, &mut self.text);
        }
        if self.text.len() + MORE.len() > SUMMARY_LEN_MAX {
            self.full = true;
            self.text.truncate(before);
            self.text.push_str(if before > 0 { MORE } else { "…" });
        }
    }

    pub(crate) fn finish(self) -> Option<String> {
        Some(self.text).filter(|text| !text.is_empty())
    }
}

/// Writes the data. Writing to a `String` cannot fail, so those results are dropped.
fn write_data(bytes: &[u8], record: &Record, text: &mut String) -> Result<(), usize> {
    let at = record.rdata_at();
    let rdata = record.rdata(bytes);
    match record.rtype {
        kind::A if let Ok(octets) = <[u8; 4]>::try_from(rdata) => {
            let _ = write!(text, "{}", Ipv4Addr::from(octets));
        }
        kind::AAAA if let Ok(octets) = <[u8; 16]>::try_from(rdata) => {
            let _ = write!(text, "{}", Ipv6Addr::from(octets));
        }
        kind::NS | kind::CNAME | kind::PTR | kind::DNAME => {
            write_name(bytes, at, text)?;
        }
        kind::MX => {
            let _ = write!(text, "{} ", u16_at(bytes, at)?);
            write_name(bytes, at + 2, text)?;
        }
        kind::SRV => {
            let [priority, weight, port] = [u16_at(bytes, at)?, u16_at(bytes, at + 2)?, u16_at(bytes, at + 4)?];
            let _ = write!(text, "{priority} {weight} {port} ");
            write_name(bytes, at + 6, text)?;
        }
        kind::SOA => {
            let after = write_name(bytes, at, text)?;
            text.push(' ');
            let after = write_name(bytes, after, text)?;
            for number in 0..5 {
                let _ = write!(text, " {}", u32_at(bytes, after + 4 * number)?);
            }
        }
        kind::TXT => write_strings(rdata, text),
        kind::SVCB | kind::HTTPS => write_service(rdata, text)?,
        kind::CAA => write_caa(rdata, text),
        _ => write_opaque(record, text),
    }
    Ok(())
}

/// Data without a form of its own, by length (RFC 3597 §5).
fn write_opaque(record: &Record, text: &mut String) {
    let _ = write!(text, "\\# {}", record.rdata_len);
}

fn write_name(bytes: &[u8], at: usize, text: &mut String) -> Result<usize, usize> {
    let (name, end) = Expanded::read(bytes, at)?;
    let _ = write!(text, "{}", name.fold());
    Ok(end)
}

/// Character strings, each in quotes; a string that runs out of the data is written as far as it goes.
fn write_strings(mut rdata: &[u8], text: &mut String) {
    let mut first = true;
    while let Some((&len, rest)) = rdata.split_first() {
        let (string, rest) = rest.split_at(usize::from(len).min(rest.len()));
        if !first {
            text.push(' ');
        }
        first = false;
        write_quoted(string, text);
        rdata = rest;
        if text.len() > SUMMARY_LEN_MAX {
            return;
        }
    }
}

fn write_quoted(octets: &[u8], text: &mut String) {
    text.push('"');
    for &octet in octets {
        match octet {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(octet));
            }
            0x20..=0x7e => text.push(char::from(octet)),
            _ => {
                let _ = write!(text, "\\{octet:03}");
            }
        }
    }
    text.push('"');
}

/// Priority, target and the parameters by name (RFC 9460 §2); values for ALPN, port and address hints. The target is never
/// compressed (§2.2), so the data is read by itself.
fn write_service(rdata: &[u8], text: &mut String) -> Result<(), usize> {
    let priority = u16_at(rdata, 0)?;
    let (target, mut rest) = rdata.get(2..).map_or(Err(0), Name::split)?;
    let _ = write!(text, "{priority} {}", target.fold());
    // Ends: every turn takes at least four octets off.
    while !rest.is_empty() && text.len() <= SUMMARY_LEN_MAX {
        let (key, len) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
        let value = slice_at(rest, 4, len)?;
        text.push(' ');
        write_parameter(key, value, text);
        rest = &rest[4 + len..];
    }
    Ok(())
}

fn write_parameter(key: u16, value: &[u8], text: &mut String) {
    match key {
        0 => text.push_str("mandatory"),
        1 => {
            text.push_str("alpn=");
            let mut rest = value;
            let mut comma = false;
            while let Some((&len, tail)) = rest.split_first() {
                let (protocol, tail) = tail.split_at(usize::from(len).min(tail.len()));
                if std::mem::replace(&mut comma, true) {
                    text.push(',');
                }
                let _ = write!(text, "{}", protocol.escape_ascii());
                rest = tail;
            }
        }
        2 => text.push_str("no-default-alpn"),
        3 if let Ok(port) = <[u8; 2]>::try_from(value) => {
            let _ = write!(text, "port={}", u16::from_be_bytes(port));
        }
        4 => {
            text.push_str("ipv4hint=");
            let hints = value.as_chunks::<4>().0.iter().map(|&octets| Ipv4Addr::from(octets).to_string());
            text.push_str(&hints.collect::<Vec<_>>().join(","));
        }
        5 => text.push_str("ech"),
        6 => {
            text.push_str("ipv6hint=");
            let hints = value.as_chunks::<16>().0.iter().map(|&octets| Ipv6Addr::from(octets).to_string());
            text.push_str(&hints.collect::<Vec<_>>().join(","));
        }
        7 => {
            let _ = write!(text, "dohpath={}", value.escape_ascii());
        }
        _ => {
            let _ = write!(text, "key{key}");
        }
    }
}

/// Flags, tag and value (RFC 8659 §4.1).
fn write_caa(rdata: &[u8], text: &mut String) {
    let [flags, tag_len, rest @ ..] = rdata else { return };
    let (tag, value) = rest.split_at(usize::from(*tag_len).min(rest.len()));
    let _ = write!(text, "{flags} {} ", tag.escape_ascii());
    write_quoted(value, text);
}
