//! Events as the API shows them: rows, their ids, and the decision trace told in order.

use api::{EdeEntry, EventDetail, EventRow, TraceStep};
use event::{Action, CacheState, Outcome, Row};
use jiff::Timestamp;
use search::Cursor;
use wire::code::Code;
use wire::{ede, kind};

/// RFC 3339 in UTC with microseconds; instants outside of what can be written become the epoch.
pub(crate) fn instant_text(micros: i64) -> String {
    let instant = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    instant.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// The id of a row: its place in the log.
pub(crate) fn id(at: Cursor) -> String {
    format!("{}-{}", at.time_micros, at.seq)
}

/// Reads an id back.
pub(crate) fn cursor(id: &str) -> Option<Cursor> {
    let (time, seq) = id.rsplit_once('-')?;
    Some(Cursor { time_micros: time.parse().ok()?, seq: seq.parse().ok()? })
}

/// A row of the log as the API shows it.
#[must_use]
pub fn event_row(row: &Row) -> EventRow {
    EventRow {
        id: id(Cursor { time_micros: row.time_micros, seq: row.seq }),
        time: instant_text(row.time_micros),
        client: row.client.to_string(),
        client_port: row.client_port,
        transport: row.transport.name().to_owned(),
        opcode: kind::opcode_name(row.opcode).into_owned(),
        domain: row.domain.clone(),
        reg_domain: row.reg_domain.clone(),
        qtype: kind::type_name(row.qtype).into_owned(),
        qclass: kind::class_name(row.qclass).into_owned(),
        flags: row.flags.names().map(str::to_owned).collect(),
        outcome: row.outcome.name().to_owned(),
        rcode_header: row.rcode_header,
        rcode: row.rcode,
        tsig_error: row.tsig_error,
        tkey_error: row.tkey_error,
        code: row.code.map(|code| code.name().into_owned()),
        code_number: row.code.map(wire::code::Code::number),
        code_family: row.code.map(|code| code.family().name().to_owned()),
        ede: row.ede.iter().map(ede_entry).collect(),
        answer: row.answer.clone(),
        answer_count: row.answer_count,
        ttl: row.ttl,
        action: row.action.name().to_owned(),
        list: row.list.clone(),
        rule: row.rule.clone(),
        cache: row.cache.name().to_owned(),
        upstream: row.upstream.clone(),
        upstream_latency_ms: row.upstream_latency_micros.map(millis),
        attempts: row.attempts,
        key: row.key.clone(),
        update: row.update.clone(),
        repeats: row.repeats,
        latency_ms: millis(row.latency_micros),
        query_size: row.query_size,
        reply_size: row.reply_size,
        tenant: row.tenant.clone(),
        node: row.node.clone(),
    }
}

fn ede_entry((code, text): &(u16, String)) -> EdeEntry {
    EdeEntry { code: *code, name: ede::name(*code).into_owned(), text: text.clone() }
}

fn millis(micros: u32) -> f64 {
    f64::from(micros) / 1000.0
}

/// A row with its story.
pub(crate) fn detail(row: &Row) -> EventDetail {
    EventDetail { row: event_row(row), summary: summary(row), trace: trace(row) }
}

/// The extended error that says most: the first with a text, else the first.
fn told(ede: &[(u16, String)]) -> Option<&(u16, String)> {
    ede.iter().find(|(_, text)| !text.is_empty()).or(ede.first())
}

/// Opcodes told in words of their own (RFC 1996, 2136, 8490).
const OPCODE_NOTIFY: u8 = 4;
const OPCODE_UPDATE: u8 = 5;
const OPCODE_DSO: u8 = 6;

/// What became of the key a message names, and whether that decided.
fn signed(row: &Row) -> Option<(String, &'static str)> {
    let key = row.key.as_deref()?;
    let name = |error: u16| Code::derive(None, Some(error), None).map_or_else(String::new, |code| code.to_string());
    Some(match (row.tsig_error, row.tkey_error) {
        (_, Some(error)) if error != 0 => (format!("TKEY speaks of {key}: {}", name(error)), "decide"),
        (Some(0), _) => (format!("signed with {key}: accepted"), "pass"),
        (Some(error), _) => (format!("signed with {key}: {}", name(error)), "decide"),
        (None, Some(_)) => (format!("TKEY speaks of {key}: carried out"), "match"),
        (None, None) => (format!("names key {key}"), "pass"),
    })
}

/// One sentence: what happened and why.
fn summary(row: &Row) -> String {
    let domain = row.domain.as_deref().unwrap_or("a message without a readable question");
    let rule = |lead: &str| match (&row.rule, &row.list) {
        (Some(rule), Some(list)) => format!("{lead} rule {rule} of list {list}"),
        (Some(rule), None) => format!("{lead} rule {rule}"),
        (None, Some(list)) => format!("{lead} list {list}"),
        (None, None) => String::new(),
    };
    let code = row.code.map_or_else(|| "no reply".to_owned(), |code| code.name().into_owned());
    let because = told(&row.ede).map_or_else(String::new, |(number, text)| {
        if text.is_empty() { format!(": {}", ede::name(*number)) } else { format!(": {text}") }
    });
    match (row.action, row.outcome) {
        (Action::Limit, Outcome::Dropped) => format!("Left {domain} unanswered: too many queries{}.", beside(row)),
        (Action::Limit, _) => {
            format!(
                "Told the client that asks for {domain} to come back in another way: too many queries{}.",
                beside(row)
            )
        }
        (Action::Refuse, _) => format!("Refused {domain}: {} may not ask here.", row.client),
        (Action::Block, _) => format!("Blocked {domain}{}; answered {code}.", rule(" by")),
        (_, Outcome::Dropped) => format!("Met {domain} with silence."),
        (_, Outcome::Timeout) => format!("Gave no reply for {domain} in time."),
        (_, Outcome::Unknown) => {
            format!("Was asked for {domain}; the log it was imported from does not tell the reply.")
        }
        (_, Outcome::Error) => format!("Answered {domain} with {code}{because}."),
        _ if row.opcode == OPCODE_UPDATE => match &row.update {
            Some(update) => format!("Changed zone {domain}: {update}."),
            None => format!("Took an update of zone {domain} that changes nothing."),
        },
        _ if row.opcode == OPCODE_NOTIFY => format!("Took note that zone {domain} may have changed."),
        _ if row.opcode == OPCODE_DSO => "Carried out a request of the session.".to_owned(),
        (action, outcome) => {
            let allowed = if action == Action::Allow { rule(", allowed by") } else { String::new() };
            let what = match outcome {
                Outcome::Nodata => "said that it has no data of this type",
                Outcome::Referral => "referred to another server",
                Outcome::Truncated => "told the client to come back over TCP",
                _ => "answered",
            };
            let from = match (row.cache, &row.upstream) {
                (CacheState::Hit, _) => " from the cache".to_owned(),
                (CacheState::Stale, _) => " from the cache after its time, because no upstream answered".to_owned(),
                (CacheState::Miss, Some(upstream)) => format!(" by asking {upstream}"),
                _ => String::new(),
            };
            format!("For {domain}, {what}{from}{allowed}.")
        }
    }
}

/// What else the row stands for.
fn beside(row: &Row) -> String {
    match row.repeats {
        0 => String::new(),
        more => format!(" ({more} more like it in that second)"),
    }
}

/// The walk of the query in order, from the columns and what policy noted on the way.
fn trace(row: &Row) -> Vec<TraceStep> {
    let mut steps = Vec::new();
    let mut step = |stage: &str, finding: String, effect: &str| {
        steps.push(TraceStep { stage: stage.to_owned(), finding, effect: effect.to_owned() });
    };
    let question = match &row.domain {
        Some(domain) => format!(
            "{} {} {} over {} from {} port {}, {} bytes",
            domain,
            kind::class_name(row.qclass),
            kind::type_name(row.qtype),
            row.transport.name(),
            row.client,
            row.client_port,
            row.query_size
        ),
        None => format!(
            "{} bytes over {} from {} port {}, no question could be read",
            row.query_size,
            row.transport.name(),
            row.client,
            row.client_port
        ),
    };
    let operation = if row.opcode == 0 { String::new() } else { format!("{} ", kind::opcode_name(row.opcode)) };
    step("arrival", format!("{operation}{question}"), "pass");
    if let Some((finding, effect)) = signed(row) {
        step("key", finding, effect);
    }
    if row.action == Action::Refuse {
        step("admission", format!("{} is not in the networks that may ask", row.client), "decide");
    } else if row.domain.is_some() {
        step("admission", format!("{} may ask", row.client), "pass");
    }
    let noted: Vec<(&str, &str)> =
        row.trace.as_deref().unwrap_or("").lines().filter_map(|line| line.split_once(": ")).collect();
    for (stage, finding) in &noted {
        let decides = match row.action {
            Action::Block => *stage == "block lists" || *stage == "answer screen",
            Action::Allow => *stage == "allow lists",
            Action::Limit => *stage == "limits",
            Action::Pass | Action::Refuse => false,
        };
        step(stage, (*finding).to_owned(), if decides { "decide" } else { "match" });
    }
    let judged = row.domain.is_some() && row.action == Action::Pass && row.cache != CacheState::None;
    if judged && !noted.iter().any(|(stage, _)| stage.ends_with("lists")) {
        step("lists", "no rule matches".to_owned(), "pass");
    }
    if let Some(update) = &row.update {
        step("update", update.clone(), if row.outcome == Outcome::Error { "fail" } else { "match" });
    }
    match row.cache {
        CacheState::None => {}
        CacheState::Hit => step("cache", "an answer is at hand".to_owned(), "match"),
        CacheState::Miss => step("cache", "nothing kept for this question".to_owned(), "pass"),
        CacheState::Stale => step("cache", "only an answer past its time".to_owned(), "match"),
    }
    if row.cache != CacheState::Hit
        && let Some(upstream) = &row.upstream
    {
        let took = row.upstream_latency_micros.map_or_else(String::new, |us| format!(" in {:.1} ms", millis(us)));
        let attempts = if row.attempts > 1 { format!(", {} attempts", row.attempts) } else { String::new() };
        let failed = row.outcome == Outcome::Timeout || row.ede.iter().any(|(code, _)| matches!(code, 22 | 23));
        step("upstream", format!("{upstream}{took}{attempts}"), if failed { "fail" } else { "pass" });
    }
    let code = row.code.map_or_else(|| "no code".to_owned(), |code| format!("{} {}", code.number(), code.name()));
    let reply = match row.outcome {
        Outcome::Dropped => "silence: nothing is sent".to_owned(),
        Outcome::Timeout => "nothing was sent in time".to_owned(),
        Outcome::Unknown => "not told by the log this was imported from".to_owned(),
        outcome => {
            format!("{code}, {}, {} bytes after {:.2} ms", outcome.name(), row.reply_size, millis(row.latency_micros))
        }
    };
    step("reply", reply, if row.domain.is_none() { "decide" } else { "pass" });
    steps
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event::Event;

    use super::*;

    #[test]
    fn an_id_names_its_place_even_before_the_epoch() {
        for at in [Cursor { time_micros: 1_700_000_000_000_000, seq: 7 }, Cursor { time_micros: -5, seq: 0 }] {
            assert_eq!(cursor(&id(at)), Some(at));
        }
        assert_eq!(cursor("nonsense"), None);
        assert_eq!(cursor("1-"), None);
    }

    fn row(build: impl FnOnce(&mut Event)) -> Row {
        let mut event = Event {
            time_micros: 0,
            client: "192.0.2.7".parse().unwrap(),
            client_port: 4242,
            transport: event::Transport::Tcp,
            opcode: OPCODE_UPDATE,
            domain: Some("lab.example".into()),
            qtype: 6,
            qclass: 1,
            flags: event::Flags::default(),
            outcome: Outcome::Answered,
            rcode: Some(0),
            tsig_error: Some(0),
            tkey_error: None,
            ede: Arc::new([]),
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
            key: Some("ddns.example".into()),
            update: Some("add www.lab.example A".into()),
            repeats: 0,
            latency_micros: 100,
            query_size: 120,
            reply_size: 90,
            tenant: None,
            node: None,
        };
        build(&mut event);
        let mut builder = event::Builder::new(0);
        builder.push(&event);
        event::rows(&builder.finish()).unwrap().remove(0)
    }

    #[test]
    fn keys_and_updates_are_part_of_the_story() {
        let told = |row: &Row| {
            let detail = detail(row);
            let steps = detail.trace.iter().map(|step| format!("{}: {} ({})", step.stage, step.finding, step.effect));
            std::iter::once(detail.summary.clone()).chain(steps).collect::<Vec<_>>().join("\n")
        };
        let done = told(&row(|_| ()));
        assert!(
            done.starts_with("Changed zone lab.example: add www.lab.example A.\narrival: UPDATE lab.example"),
            "{done}"
        );
        assert!(done.contains("\nkey: signed with ddns.example: accepted (pass)"), "{done}");
        assert!(done.contains("\nupdate: add www.lab.example A (match)"), "{done}");
        let refused = told(&row(|event| {
            (event.rcode, event.tsig_error, event.outcome) = (Some(9), Some(16), Outcome::Error);
            event.update = None;
        }));
        assert!(refused.contains("key: signed with ddns.example: BADSIG (decide)"), "{refused}");
        assert!(refused.starts_with("Answered lab.example with BADSIG."), "{refused}");
        let tkey = row(|event| {
            (event.tsig_error, event.tkey_error, event.outcome) = (Some(0), Some(19), Outcome::Error);
        });
        assert!(told(&tkey).contains("key: TKEY speaks of ddns.example: BADMODE (decide)"));
        let api = event_row(&tkey);
        assert_eq!((api.code.as_deref(), api.key.as_deref()), (Some("BADMODE"), Some("ddns.example")));
        assert_eq!(api.update.as_deref(), Some("add www.lab.example A"));
    }

    #[test]
    fn times_are_written_to_the_microsecond() {
        assert_eq!(instant_text(1_700_000_000_000_001), "2023-11-14T22:13:20.000001Z");
    }
}
