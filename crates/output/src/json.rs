//! A row as JSON, with the names the API gives it.

use event::Row;
use jiff::Timestamp;
use serde::Serialize;
use wire::{ede, kind};

/// Longest text of one field when everything fits; no column is longer.
pub(crate) const TEXT_MAX: usize = usize::MAX;

#[derive(Serialize)]
struct Body<'r> {
    id: String,
    time: String,
    client: String,
    client_port: u16,
    transport: &'static str,
    opcode: String,
    domain: Option<&'r str>,
    reg_domain: Option<&'r str>,
    qtype: String,
    qclass: String,
    flags: Vec<&'static str>,
    outcome: &'static str,
    rcode_header: Option<u8>,
    rcode: Option<u16>,
    tsig_error: Option<u16>,
    tkey_error: Option<u16>,
    code: Option<String>,
    code_number: Option<u16>,
    code_family: Option<&'static str>,
    ede: Vec<Ede<'r>>,
    answer: Option<&'r str>,
    answer_count: u16,
    ttl: Option<u32>,
    action: &'static str,
    list: Option<&'r str>,
    rule: Option<&'r str>,
    cache: &'static str,
    upstream: Option<&'r str>,
    upstream_latency_ms: Option<f64>,
    attempts: u8,
    key: Option<&'r str>,
    update: Option<&'r str>,
    repeats: u32,
    latency_ms: f64,
    query_size: u16,
    reply_size: u16,
    tenant: Option<&'r str>,
    node: Option<&'r str>,
}

#[derive(Serialize)]
struct Ede<'r> {
    code: u16,
    name: String,
    text: &'r str,
}

/// The row as one line of JSON; texts are cut to `text_max` octets.
pub(crate) fn body(row: &Row, text_max: usize) -> Vec<u8> {
    let cut =
        |text: &'_ Option<String>| -> Option<String> { text.as_deref().map(|text| cut(text, text_max).to_owned()) };
    let (answer, rule, update) = (cut(&row.answer), cut(&row.rule), cut(&row.update));
    let body = Body {
        id: id(row),
        time: time_text(row.time_micros),
        client: row.client.to_string(),
        client_port: row.client_port,
        transport: row.transport.name(),
        opcode: kind::opcode_name(row.opcode).into_owned(),
        domain: row.domain.as_deref(),
        reg_domain: row.reg_domain.as_deref(),
        qtype: kind::type_name(row.qtype).into_owned(),
        qclass: kind::class_name(row.qclass).into_owned(),
        flags: row.flags.names().collect(),
        outcome: row.outcome.name(),
        rcode_header: row.rcode_header,
        rcode: row.rcode,
        tsig_error: row.tsig_error,
        tkey_error: row.tkey_error,
        code: row.code.map(|code| code.name().into_owned()),
        code_number: row.code.map(wire::code::Code::number),
        code_family: row.code.map(|code| code.family().name()),
        ede: row.ede.iter().map(|(code, text)| ede_entry(*code, text, text_max)).collect(),
        answer: answer.as_deref(),
        answer_count: row.answer_count,
        ttl: row.ttl,
        action: row.action.name(),
        list: row.list.as_deref(),
        rule: rule.as_deref(),
        cache: row.cache.name(),
        upstream: row.upstream.as_deref(),
        upstream_latency_ms: row.upstream_latency_micros.map(millis),
        attempts: row.attempts,
        key: row.key.as_deref(),
        update: update.as_deref(),
        repeats: row.repeats,
        latency_ms: millis(row.latency_micros),
        query_size: row.query_size,
        reply_size: row.reply_size,
        tenant: row.tenant.as_deref(),
        node: row.node.as_deref(),
    };
    // Plain fields only: there is nothing that cannot be written.
    serde_json::to_vec(&body).unwrap_or_default()
}

fn ede_entry(code: u16, text: &str, text_max: usize) -> Ede<'_> {
    Ede { code, name: ede::name(code).into_owned(), text: cut(text, text_max) }
}

/// What names the row in the log.
pub(crate) fn id(row: &Row) -> String {
    format!("{}-{}", row.time_micros, row.seq)
}

/// RFC 3339 in UTC with microseconds, which is what syslog takes too (RFC 5424 §6.2.3).
pub(crate) fn time_text(micros: i64) -> String {
    let instant = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    instant.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// The first octets of a text, whole characters only.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max { text } else { &text[..text.floor_char_boundary(max)] }
}

fn millis(micros: u32) -> f64 {
    f64::from(micros) / 1000.0
}
