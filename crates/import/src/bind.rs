//! BIND's query log: one line for each query, none for replies.
//!
//! `24-Nov-2026 18:13:33.154 queries: info: client @0x7f 192.0.2.1#5353 (www.example): query: www.example IN A +E(0)K (192.0.2.53)`

use event::{Flags, Transport};
use wire::kind;

use crate::blank;
use crate::lines::{Line, LineReader};
use crate::times::Times;

pub(crate) struct Bind {
    times: Times,
}

impl Bind {
    pub(crate) fn new(times: Times) -> Bind {
        Bind { times }
    }
}

impl LineReader for Bind {
    fn read(&mut self, line: &str) -> Result<Line, String> {
        if line.trim().is_empty() {
            return Ok(Line::Structure);
        }
        // The name stands before `: query: ` as well and may hold anything: the mark is looked for from the end, where names
        // are escaped.
        let Some((before, query)) = line.rsplit_once(": query: ") else {
            return Ok(Line::Other("lines that are no queries"));
        };
        let (time_micros, before) = self.times.lead(before)?;
        let client = before.split_once("client ").ok_or("no client")?.1;
        let mut words = client.split(' ').filter(|word| !word.starts_with("@0x"));
        let client = words.next().unwrap_or_default().trim_end_matches(':');
        let (address, port) =
            client.rsplit_once('#').ok_or_else(|| format!("`{}` is no client", blank::shortened(client)))?;
        // A link-local address names its interface.
        let address = address.split('%').next().unwrap_or_default();
        let address = address.parse().map_err(|_| format!("`{}` is no address", blank::shortened(address)))?;
        let port = port.split('/').next().unwrap_or_default();
        let port = port.parse().map_err(|_| format!("`{}` is no port", blank::shortened(port)))?;

        let mut words = query.split(' ');
        let (name, class, qtype, flags) = (words.next(), words.next(), words.next(), words.next());
        let (Some(name), Some(class), Some(qtype), Some(flags)) = (name, class, qtype, flags) else {
            return Err("name, class, type and flags are not all there".to_owned());
        };
        if !words.next().is_some_and(|server| server.starts_with('(') && server.ends_with(')')) {
            return Err("the line is cut".to_owned());
        }
        let mut event = blank::event(time_micros, address, port, Transport::Udp);
        event.domain = Some(blank::domain(name)?);
        event.qclass =
            kind::class_from_name(class).ok_or_else(|| format!("`{}` is no class", blank::shortened(class)))?;
        event.qtype = kind::type_from_name(qtype).ok_or_else(|| format!("`{}` is no type", blank::shortened(qtype)))?;
        for flag in flags.chars() {
            match flag {
                '+' => event.flags = event.flags.with(Flags::RD),
                'E' => event.flags = event.flags.with(Flags::EDNS),
                'D' => event.flags = event.flags.with(Flags::DO),
                'C' => event.flags = event.flags.with(Flags::CD),
                'T' => event.transport = Transport::Tcp,
                _ => {}
            }
        }
        // A signed query names its key: `client … /key k.example (name)`.
        event.key = client_key(before);
        Ok(Line::Event(Box::new(event)))
    }
}

fn client_key(before: &str) -> Option<std::sync::Arc<str>> {
    let key = before.split_once("/key ")?.1;
    blank::domain(key.split([' ', '/', ':']).next()?).ok()
}
