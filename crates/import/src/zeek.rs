//! Zeek's `dns.log`: columns told by a `#fields` line, or one JSON object a line.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use event::{Event, Flags, Outcome, Transport};
use serde_json::Value;

use crate::blank;
use crate::lines::{Line, LineReader};
use crate::messages;
use crate::times::{Times, epoch_micros, seconds_micros};

/// Columns of a `#fields` line kept; Zeek has about 25.
const FIELDS_MAX: usize = 256;
/// Answers looked at.
const ANSWERS_MAX: usize = 256;

pub(crate) struct Zeek {
    times: Times,
    fields: Vec<String>,
    separator: String,
    set_separator: String,
    unset: String,
    empty: String,
}

impl Zeek {
    pub(crate) fn new(times: Times) -> Zeek {
        Zeek {
            times,
            fields: Vec::new(),
            separator: "\t".to_owned(),
            set_separator: ",".to_owned(),
            unset: "-".to_owned(),
            empty: "(empty)".to_owned(),
        }
    }

    fn header(&mut self, line: &str) {
        if let Some(separator) = line.strip_prefix("separator ") {
            self.separator = unescaped(separator);
            return;
        }
        let Some((key, value)) = line.split_once(self.separator.as_str()) else { return };
        match key {
            "fields" => {
                self.fields = value.split(self.separator.as_str()).take(FIELDS_MAX).map(str::to_owned).collect()
            }
            "set_separator" if !value.is_empty() => self.set_separator = unescaped(value),
            "unset_field" => self.unset = value.to_owned(),
            "empty_field" => self.empty = value.to_owned(),
            _ => {}
        }
    }

    fn columns<'a>(&'a self, line: &'a str) -> Result<Columns<'a>, String> {
        if self.fields.is_empty() {
            return Err("no #fields line before it".to_owned());
        }
        let values: Vec<&str> = line.split(self.separator.as_str()).take(FIELDS_MAX + 1).collect();
        if values.len() != self.fields.len() {
            return Err(format!("{} columns; #fields names {}", values.len(), self.fields.len()));
        }
        let pairs = self.fields.iter().map(String::as_str).zip(values);
        Ok(Columns::Text(self, pairs.filter(|(_, value)| *value != self.unset && *value != self.empty).collect()))
    }
}

/// `\x09` and the like; anything else as it is.
fn unescaped(text: &str) -> String {
    let octet = text.strip_prefix("\\x").and_then(|digits| u8::from_str_radix(digits, 16).ok());
    octet.map_or_else(|| text.to_owned(), |octet| char::from(octet).to_string())
}

/// A value with `\xHH` for octets, as `\DDD`, which names have: in columns all that is no printable ASCII is written so, and
/// separators.
fn with_decimal_escapes(text: &str) -> Cow<'_, str> {
    if !text.contains("\\x") {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split("\\x");
    let mut escaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => escaped.push_str(&format!("\\{octet:03}{}", &part[2..])),
            None => escaped.push_str(&format!("\\x{part}")),
        }
    }
    Cow::Owned(escaped)
}

/// The values of one line by name.
enum Columns<'a> {
    Text(&'a Zeek, HashMap<&'a str, &'a str>),
    Json(serde_json::Map<String, Value>),
}

impl Columns<'_> {
    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self {
            Columns::Text(_, values) => values.get(name).map(|value| Cow::Borrowed(*value)),
            Columns::Json(values) => match values.get(name)? {
                Value::String(text) => Some(Cow::Borrowed(text)),
                Value::Number(number) => Some(Cow::Owned(number.to_string())),
                _ => None,
            },
        }
    }

    fn flag(&self, name: &str) -> bool {
        match self {
            Columns::Text(_, values) => values.get(name) == Some(&"T"),
            Columns::Json(values) => values.get(name).and_then(Value::as_bool).unwrap_or(false),
        }
    }

    fn list(&self, name: &str) -> Vec<String> {
        match self {
            Columns::Text(zeek, values) => {
                let parts = values.get(name).map(|value| value.split(zeek.set_separator.as_str()));
                parts.into_iter().flatten().take(ANSWERS_MAX).map(str::to_owned).collect()
            }
            Columns::Json(values) => {
                let values = values.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                values.iter().take(ANSWERS_MAX).map(text).collect()
            }
        }
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("`{}` is no {name}", blank::shortened(&text)))
    }
}

impl LineReader for Zeek {
    fn read(&mut self, line: &str) -> Result<Line, String> {
        if line.trim().is_empty() {
            return Ok(Line::Structure);
        }
        if let Some(header) = line.strip_prefix('#') {
            self.header(header);
            return Ok(Line::Structure);
        }
        let columns = if line.starts_with('{') {
            Columns::Json(serde_json::from_str(line).map_err(|error| error.to_string())?)
        } else {
            self.columns(line)?
        };
        event(&columns, &self.times).map(|event| Line::Event(Box::new(event)))
    }
}

fn event(columns: &Columns<'_>, times: &Times) -> Result<Event, String> {
    let time = columns.text("ts").ok_or("no ts")?;
    let time_micros = match epoch_micros(&time) {
        Some(micros) => micros,
        None => times.iso(&time)?,
    };
    let client: IpAddr = columns.number("id.orig_h")?.ok_or("no id.orig_h")?;
    let transport = match columns.text("proto").as_deref() {
        Some("udp") => Transport::Udp,
        Some("tcp") => Transport::Tcp,
        other => return Err(format!("`{}` is no proto", blank::shortened(other.unwrap_or_default()))),
    };
    let mut event = blank::event(time_micros, client, columns.number("id.orig_p")?.unwrap_or(0), transport);
    event.domain = columns.text("query").map(|query| blank::domain(&with_decimal_escapes(&query))).transpose()?;
    event.qtype = columns.number("qtype")?.unwrap_or(0);
    event.qclass = columns.number("qclass")?.unwrap_or(0);
    event.opcode = columns.number("opcode")?.unwrap_or(0);
    event.latency_micros = columns.number("rtt")?.map_or(0, seconds_micros);
    event.rcode = columns.number("rcode")?;
    let flags = [("RD", Flags::RD), ("AA", Flags::AA), ("TC", Flags::TC), ("RA", Flags::RA)];
    for (name, flag) in flags {
        if columns.flag(name) {
            event.flags = event.flags.with(flag);
        }
    }
    let answers = columns.list("answers");
    event.answer_count = u16::try_from(answers.len()).unwrap_or(u16::MAX);
    event.answer = blank::answer(
        &answers.into_iter().map(|data| answer(with_decimal_escapes(&data).into_owned())).collect::<Vec<_>>(),
    );
    let ttls = columns.list("TTLs");
    let ttls = ttls.iter().filter_map(|ttl| ttl.parse::<f64>().ok());
    event.ttl = ttls.map(|ttl| ttl as u32).min();
    event.outcome = match event.rcode {
        Some(rcode) => messages::outcome_of(rcode, event.answer_count > 0, event.flags.contains(Flags::TC)),
        // Zeek waits for the reply before it writes the line.
        None => Outcome::Timeout,
    };
    Ok(event)
}

/// Zeek gives data without types; of addresses the type is plain.
fn answer(data: String) -> String {
    match data.parse() {
        Ok(IpAddr::V4(_)) => format!("A {data}"),
        Ok(IpAddr::V6(_)) => format!("AAAA {data}"),
        Err(_) => data,
    }
}
