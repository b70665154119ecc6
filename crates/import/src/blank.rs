//! An event of which nothing is known yet but when, who and how.

use std::net::IpAddr;
use std::sync::Arc;

use event::{Action, CacheState, Event, Flags, Outcome, Transport};

/// An event with every other column empty.
pub(crate) fn event(time_micros: i64, client: IpAddr, client_port: u16, transport: Transport) -> Event {
    Event {
        time_micros,
        client: client.to_canonical(),
        client_port,
        transport,
        opcode: 0,
        domain: None,
        qtype: 0,
        qclass: 0,
        flags: Flags::default(),
        outcome: Outcome::Unknown,
        rcode: None,
        tsig_error: None,
        tkey_error: None,
        ede: Arc::from([]),
        answer: None,
        answer_count: 0,
        ttl: None,
        action: Action::Pass,
        list: None,
        rule: None,
        trace: None,
        cache: CacheState::None,
        upstream: None,
        upstream_latency_micros: None,
        attempts: 0,
        key: None,
        update: None,
        repeats: 0,
        latency_micros: 0,
        query_size: 0,
        reply_size: 0,
        tenant: None,
        node: None,
    }
}

/// A name as others write it, as an event keeps it.
///
/// # Errors
/// Text that is no name.
pub(crate) fn domain(text: &str) -> Result<Arc<str>, String> {
    match wire::name::Folded::from_text(text) {
        Some(name) => Ok(name.text().into()),
        None => Err(format!("`{}` is no name", shortened(text))),
    }
}

/// The start of what could not be read, for a reason.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// An answer as text, cut to what an event keeps; `None` when empty.
pub(crate) fn answer(parts: &[String]) -> Option<Arc<str>> {
    let mut text = String::new();
    for part in parts {
        let separator = if text.is_empty() { "" } else { ", " };
        if text.len() + separator.len() + part.len() + "…".len() > event::ANSWER_SUMMARY_BYTES_MAX {
            text.push('…');
            break;
        }
        text.push_str(separator);
        text.push_str(part);
    }
    Some(text).filter(|text| !text.is_empty()).map(Arc::from)
}
