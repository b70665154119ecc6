//! A search held against one row: the filter of the live tail, and what the compiled form is tested against.

use event::Row;

use crate::ast::{Bound, Node, Search, Value};
use crate::fields::Id;
use crate::functions::mentions;
use crate::names::{is_below, is_in, top_level};

impl Search {
    /// Whether the row matches.
    #[must_use]
    pub fn matches(&self, row: &Row) -> bool {
        self.root.as_ref().is_none_or(|root| node(root, row))
    }
}

fn node(it: &Node, row: &Row) -> bool {
    match it {
        Node::And(nodes) => nodes.iter().all(|each| node(each, row)),
        Node::Or(nodes) => nodes.iter().any(|each| node(each, row)),
        Node::Not(inner) => !node(inner, row),
        Node::Has(id) => has(*id, row),
        Node::Term(id, values) => values.iter().any(|each| value(*id, each, row)),
    }
}

fn has(id: Id, row: &Row) -> bool {
    match id {
        Id::Flags => row.flags.0 != 0,
        Id::Ede => !row.ede.is_empty(),
        Id::EdeText => row.ede.iter().any(|(_, text)| !text.is_empty()),
        _ => !stored(id, row).is_empty() || text(id, row).is_some() || matches!(id, Id::Client | Id::Time),
    }
}

fn value(id: Id, it: &Value, row: &Row) -> bool {
    match it {
        Value::Number(Bound::Is(flag)) if id == Id::Flags => u64::from(row.flags.0) & flag != 0,
        Value::Number(bound @ Bound::Is(_)) => stored(id, row).into_iter().any(|key| bound.contains(key)),
        Value::Number(bound) => stored(id, row).into_iter().any(|key| bound.contains(wire_number(id, key))),
        Value::Named(pattern) if id == Id::Flags => row.flags.names().any(|name| pattern.matches(name)),
        Value::Named(pattern) => stored(id, row).into_iter().any(|key| id.name_fits(key, |name| pattern.matches(name))),
        Value::Time(bound) => bound.map(|moment| moment.micros(row.time_micros)).contains(row.time_micros),
        Value::Net(net) if id == Id::Answer => row.answer.as_deref().is_some_and(|answer| mentions(answer, &[*net])),
        Value::Net(net) => net.contains(row.client),
        Value::Addresses(low, high) => {
            let client = row.client.to_canonical();
            client.is_ipv4() == low.is_ipv4() && *low <= client && client <= *high
        }
        Value::Exact(name) if id == Id::Tld => in_tree(name, row),
        Value::Exact(name) => text(id, row).is_some_and(|text| text == name),
        Value::Below(name) => in_tree(name, row),
        Value::Under(name) => row.domain.as_deref().is_some_and(|domain| is_below(domain, name)),
        Value::Text(pattern) if id == Id::EdeText => row.ede.iter().any(|(_, text)| pattern.matches(text)),
        Value::Text(pattern) => text(id, row).is_some_and(|text| pattern.matches(text)),
    }
}

fn in_tree(name: &str, row: &Row) -> bool {
    row.domain.as_deref().is_some_and(|domain| is_in(domain, name))
}

/// What `code` counts by in ranges.
fn wire_number(id: Id, key: u64) -> u64 {
    match (id, u16::try_from(key)) {
        (Id::Code, Ok(key)) => u64::from(wire::code::Code::from_key(key).number()),
        _ => key,
    }
}

/// Numbers the row holds in this field: none where it is empty, several for extended errors.
fn stored(id: Id, row: &Row) -> Vec<u64> {
    let one = |number: u64| vec![number];
    let maybe = |number: Option<u64>| number.into_iter().collect();
    match id {
        Id::Code => maybe(row.code.map(|code| u64::from(code.key()))),
        Id::RcodeHeader => maybe(row.rcode_header.map(u64::from)),
        Id::Tsig => maybe(row.tsig_error.map(u64::from)),
        Id::Tkey => maybe(row.tkey_error.map(u64::from)),
        Id::Ede => row.ede.iter().map(|(number, _)| u64::from(*number)).collect(),
        Id::ClientPort => one(row.client_port.into()),
        Id::Transport => one(row.transport.number().into()),
        Id::Opcode => one(row.opcode.into()),
        Id::Qtype => one(row.qtype.into()),
        Id::Qclass => one(row.qclass.into()),
        Id::Flags => one(row.flags.0.into()),
        Id::Outcome => one(row.outcome.number().into()),
        Id::Action => one(row.action.number().into()),
        Id::Cache => one(row.cache.number().into()),
        Id::Latency => one(row.latency_micros.into()),
        Id::UpstreamLatency => maybe(row.upstream_latency_micros.map(u64::from)),
        Id::ReplySize => one(row.reply_size.into()),
        Id::QuerySize => one(row.query_size.into()),
        Id::Ttl => maybe(row.ttl.map(u64::from)),
        Id::Attempts => one(row.attempts.into()),
        Id::AnswerCount => one(row.answer_count.into()),
        Id::Repeats => maybe((row.repeats > 0).then_some(u64::from(row.repeats))),
        Id::Seq => one(row.seq),
        Id::Domain | Id::RegDomain | Id::Tld | Id::Client | Id::List | Id::Rule => Vec::new(),
        Id::Upstream | Id::Answer | Id::Key | Id::Update | Id::Tenant | Id::Node | Id::Time => Vec::new(),
        Id::EdeText | Id::Trace => Vec::new(),
    }
}

fn text(id: Id, row: &Row) -> Option<&str> {
    match id {
        Id::Domain => row.domain.as_deref(),
        Id::RegDomain => row.reg_domain.as_deref(),
        Id::Tld => row.domain.as_deref().and_then(top_level),
        Id::List => row.list.as_deref(),
        Id::Rule => row.rule.as_deref(),
        Id::Upstream => row.upstream.as_deref(),
        Id::Answer => row.answer.as_deref(),
        Id::Key => row.key.as_deref(),
        Id::Update => row.update.as_deref(),
        Id::Tenant => row.tenant.as_deref(),
        Id::Node => row.node.as_deref(),
        Id::Trace => row.trace.as_deref(),
        _ => None,
    }
}
