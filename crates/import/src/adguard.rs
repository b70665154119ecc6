//! AdGuard Home's `querylog.json`: one JSON object a line, the reply as a message in Base64.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use event::{Action, CacheState, Event, Flags, Transport};
use serde::Deserialize;
use serde_json::Value;
use wire::kind;

use crate::blank;
use crate::lines::{Line, LineReader};
use crate::messages;
use crate::times::Times;

pub(crate) struct Adguard {
    times: Times,
}

impl Adguard {
    pub(crate) fn new(times: Times) -> Adguard {
        Adguard { times }
    }
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "T")]
    time: String,
    #[serde(rename = "QH")]
    name: String,
    #[serde(rename = "QT")]
    qtype: String,
    #[serde(rename = "QC")]
    class: String,
    #[serde(rename = "CP", default)]
    protocol: String,
    #[serde(rename = "IP")]
    client: String,
    #[serde(rename = "Upstream", default)]
    upstream: String,
    #[serde(rename = "Answer", default)]
    answer: String,
    #[serde(rename = "Elapsed", default)]
    elapsed_nanos: i64,
    #[serde(rename = "Cached", default)]
    cached: bool,
    #[serde(rename = "Result", default)]
    result: Verdict,
}

/// What filtering said. Names of rules changed between versions: both are read.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Verdict {
    is_filtered: bool,
    reason: u64,
    rules: Vec<Rule>,
    rule: Option<String>,
    #[serde(rename = "FilterID")]
    filter: Option<Value>,
    service_name: String,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "Text", default)]
    text: String,
    #[serde(rename = "FilterListID", default)]
    list: Option<Value>,
}

const ALLOWED: u64 = 1;
const SAFE_BROWSING: u64 = 4;
const PARENTAL: u64 = 5;
const SAFE_SEARCH: u64 = 7;
const SERVICE: u64 = 8;

impl LineReader for Adguard {
    fn read(&mut self, line: &str) -> Result<Line, String> {
        if line.trim().is_empty() {
            return Ok(Line::Structure);
        }
        let entry: Entry = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let time_micros = self.times.iso(&entry.time)?;
        let client =
            entry.client.parse().map_err(|_| format!("`{}` is no address", blank::shortened(&entry.client)))?;
        let transport = match entry.protocol.as_str() {
            "dot" => Transport::Dot,
            "doh" => Transport::Doh,
            "doq" => Transport::Doq,
            // UDP or TCP: not told apart.
            "" | "dnscrypt" => Transport::Udp,
            other => return Err(format!("`{}` is no protocol", blank::shortened(other))),
        };
        let mut event = blank::event(time_micros, client, 0, transport);
        event.domain = Some(blank::domain(&entry.name)?);
        let word = |text: &str, what| format!("`{}` is no {what}", blank::shortened(text));
        event.qtype = kind::type_from_name(&entry.qtype).ok_or_else(|| word(&entry.qtype, "type"))?;
        event.qclass = kind::class_from_name(&entry.class).ok_or_else(|| word(&entry.class, "class"))?;
        if !entry.answer.is_empty() {
            let message = BASE64_STANDARD.decode(&entry.answer).map_err(|error| format!("answer: {error}"))?;
            messages::put_reply(&mut event, &message, true).map_err(|reason| format!("answer: {reason}"))?;
            // The message repeats these bits of the query.
            let header = messages::header_flags(&message).unwrap_or(0);
            for (bit, flag) in [(wire::view::flag::RD, Flags::RD), (wire::view::flag::CD, Flags::CD)] {
                if header & bit != 0 {
                    event.flags = event.flags.with(flag);
                }
            }
            // It is written anew for the log: not the size the client got.
            event.reply_size = 0;
        }
        event.latency_micros = u32::try_from(entry.elapsed_nanos / 1_000).unwrap_or(0);
        event.cache = match (entry.cached, entry.upstream.is_empty()) {
            (true, _) => CacheState::Hit,
            (false, false) => CacheState::Miss,
            (false, true) => CacheState::None,
        };
        event.upstream = Some(entry.upstream).filter(|upstream| !upstream.is_empty()).map(Arc::from);
        put_verdict(&mut event, entry.result);
        Ok(Line::Event(Box::new(event)))
    }
}

fn put_verdict(event: &mut Event, verdict: Verdict) {
    event.action = match verdict.reason {
        _ if verdict.is_filtered => Action::Block,
        ALLOWED => Action::Allow,
        _ => Action::Pass,
    };
    let rule = verdict.rules.into_iter().next();
    let (text, list) = rule.map_or((verdict.rule.unwrap_or_default(), verdict.filter), |rule| (rule.text, rule.list));
    event.list = match verdict.reason {
        SAFE_BROWSING => Some("safe browsing".into()),
        PARENTAL => Some("parental control".into()),
        SAFE_SEARCH => Some("safe search".into()),
        SERVICE => Some(format!("blocked service {}", verdict.service_name).trim_end().into()),
        // The log has the number of a list, not its name; 0 is the user's own rules.
        _ if text.is_empty() => None,
        _ => list.and_then(|list| list.as_i64()).or(Some(0)).map(|list| format!("filter {list}").into()),
    };
    event.rule = Some(text).filter(|text| !text.is_empty()).map(Arc::from);
}
