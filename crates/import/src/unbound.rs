//! Unbound's log: lines of queries (`log-queries`) and of replies (`log-replies`), tagged as such or not.
//!
//! `[1795544013] unbound[30231:0] info: 192.0.2.1 www.example. A IN NOERROR 0.000000 1 56`
//!
//! A reply says all its query did: where replies are logged, lines of queries are left out.

use std::net::IpAddr;

use event::{CacheState, Event, Outcome, Transport};
use wire::code::Code;
use wire::kind;

use crate::blank;
use crate::lines::{Line, LineReader};
use crate::messages;
use crate::times::{Times, seconds_micros};

pub(crate) struct Unbound {
    times: Times,
    /// Replies are logged: told by the head of the file, so that it does not change while the file is read.
    replies: bool,
}

impl Unbound {
    pub(crate) fn new(times: Times, head: &[u8]) -> Unbound {
        let head = String::from_utf8_lossy(head);
        let replies = head.lines().filter_map(said).any(|said| Reply::read(said).is_some());
        Unbound { times, replies }
    }
}

/// What a line says of a query or reply; `None` for other lines.
fn said(line: &str) -> Option<&str> {
    let (_, said) = line.split_once("unbound")?;
    let (_, said) = said.split_once("] ")?;
    let tags = ["info: ", "query: ", "reply: "];
    let said = tags.iter().find_map(|tag| said.strip_prefix(tag))?;
    let (first, _) = said.split_once(' ')?;
    first.parse::<IpAddr>().is_ok().then_some(said)
}

struct Reply<'a> {
    client: &'a str,
    question: Option<[&'a str; 3]>,
    code: &'a str,
    seconds: Option<f64>,
    cached: bool,
    size: u16,
}

impl<'a> Reply<'a> {
    fn read(said: &'a str) -> Option<Reply<'a>> {
        let words: Vec<&str> = said.split_ascii_whitespace().take(9).collect();
        let [client, name, qtype, class, code, seconds, cached, size, ..] = words.as_slice() else { return None };
        let question = (*name != "-").then_some([*name, *qtype, *class]);
        Some(Reply {
            client,
            question,
            code,
            seconds: seconds.parse().ok(),
            cached: *cached == "1",
            size: size.parse().unwrap_or(0),
        })
    }
}

impl LineReader for Unbound {
    fn read(&mut self, line: &str) -> Result<Line, String> {
        if line.trim().is_empty() {
            return Ok(Line::Structure);
        }
        let Some(said) = said(line) else { return Ok(Line::Other("lines that are no queries or replies")) };
        let (time_micros, _) = self.times.lead(line)?;
        if let Some(reply) = Reply::read(said) {
            return reply_event(time_micros, &reply).map(|event| Line::Event(Box::new(event)));
        }
        if self.replies {
            return Ok(Line::Other("lines of queries, as replies are logged too"));
        }
        let words: Vec<&str> = said.split_ascii_whitespace().take(5).collect();
        let [client, name, qtype, class] = words.as_slice() else {
            return Ok(Line::Other("lines that are no queries or replies"));
        };
        let event = asked(time_micros, client, Some([name, qtype, class]))?;
        Ok(Line::Event(Box::new(event)))
    }
}

fn asked(time_micros: i64, client: &str, question: Option<[&str; 3]>) -> Result<Event, String> {
    let client = client.parse().map_err(|_| format!("`{}` is no address", blank::shortened(client)))?;
    let mut event = blank::event(time_micros, client, 0, Transport::Udp);
    if let Some([name, qtype, class]) = question {
        event.domain = Some(blank::domain(name)?);
        event.qtype = kind::type_from_name(qtype).ok_or_else(|| format!("`{}` is no type", blank::shortened(qtype)))?;
        event.qclass =
            kind::class_from_name(class).ok_or_else(|| format!("`{}` is no class", blank::shortened(class)))?;
    }
    Ok(event)
}

fn reply_event(time_micros: i64, reply: &Reply<'_>) -> Result<Event, String> {
    let mut event = asked(time_micros, reply.client, reply.question)?;
    let rcode = Code::from_name(reply.code).map(Code::number).filter(|rcode| *rcode < 16);
    let rcode = rcode.ok_or_else(|| format!("`{}` is no code", blank::shortened(reply.code)))?;
    event.rcode = Some(rcode);
    // NOERROR alone does not tell whether there was an answer.
    event.outcome = if rcode == 0 { Outcome::Unknown } else { messages::outcome_of(rcode, false, false) };
    event.reply_size = reply.size;
    if let Some(seconds) = reply.seconds {
        event.latency_micros = seconds_micros(seconds);
        event.time_micros = time_micros.saturating_sub(event.latency_micros.into());
        event.cache = if reply.cached { CacheState::Hit } else { CacheState::Miss };
    }
    Ok(event)
}
