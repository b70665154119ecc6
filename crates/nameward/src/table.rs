//! Events as lines for people: fixed columns first, then name and detail as the width allows.

use std::fmt::Write as _;

use api::EventRow;
use wire::code::Family;

/// Narrowest line laid out; narrower terminals wrap.
const WIDTH_MIN: usize = 80;
/// Lines this long have room for every column; shorter ones keep time, client, type, code and name.
const WIDTH_FULL: usize = 120;

/// How lines are laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Characters in a line.
    pub(crate) width: usize,
    /// Whether codes are coloured.
    pub(crate) colour: bool,
}

impl Layout {
    /// The heading above the lines.
    pub(crate) fn heading(self) -> &'static str {
        if self.is_full() {
            "TIME (UTC)              CLIENT           TYPE   CODE       ACTION          LATENCY CACHE NAME → ANSWER OR REASON"
        } else {
            "TIME     CLIENT           TYPE   CODE       NAME → ANSWER OR REASON"
        }
    }

    fn is_full(self) -> bool {
        self.width >= WIDTH_FULL
    }

    /// One event.
    pub(crate) fn line(self, row: &EventRow) -> String {
        let code = row.code.as_deref().unwrap_or(&row.outcome);
        let (paint, plain) = if self.colour { (paint(row), "\x1b[0m") } else { ("", "") };
        let time = if self.is_full() { row.time.get(..23) } else { row.time.get(11..19) };
        let time = time.unwrap_or("").replace('T', " ");
        let kind = if row.opcode == "QUERY" { &row.qtype } else { &row.opcode };
        let mut line = format!("{time} {:<16} {kind:<6} {paint}{code:<10}{plain} ", clip(&row.client, 39));
        if self.is_full() {
            let action = action(row);
            let cache = if row.cache == "none" { "" } else { &row.cache };
            let _ = write!(line, "{:<14} {:>8} {cache:<5} ", clip(&action, 14), latency(row.latency_ms));
        }
        let used = line.chars().count() - paint.len() - plain.len();
        let room = self.width.max(WIDTH_MIN).saturating_sub(used);
        line.push_str(&clip(&told(row), room));
        line
    }
}

/// What policy did, and by which list; nothing when nothing matched.
fn action(row: &EventRow) -> String {
    match (&row.list, row.action.as_str()) {
        (_, "pass") => String::new(),
        (Some(list), action) => format!("{action}:{list}"),
        (None, action) => action.to_owned(),
    }
}

/// The terminal's colour for the family of a row's code; for families of a newer server, that of the last.
fn paint(row: &EventRow) -> &'static str {
    let Some(name) = row.code_family.as_deref() else { return "\x1b[2m" };
    family_paint(Family::ALL.iter().copied().find(|family| family.name() == name).unwrap_or(Family::Security))
}

/// The terminal's colour for a family of codes.
pub(crate) fn family_paint(family: Family) -> &'static str {
    match family {
        Family::Answered => "\x1b[34m",
        Family::NameMissing => "\x1b[33m",
        Family::ServerTrouble => "\x1b[31m",
        Family::Refused => "\x1b[35m",
        Family::Malformed => "\x1b[36m",
        Family::Security => "\x1b[32m",
    }
}

/// Name, and after it the answer, or the reason for its absence; then the key, where one was named.
fn told(row: &EventRow) -> String {
    let name = row.domain.as_deref().unwrap_or("(no question)");
    let reason = row
        .ede
        .first()
        .map(|ede| if ede.text.is_empty() { ede.name.clone() } else { format!("{}: {}", ede.name, ede.text) });
    let rest = reason.or_else(|| row.update.clone()).or_else(|| row.answer.clone());
    let key = row.key.as_deref().map_or_else(String::new, |key| format!(" [key {key}]"));
    let more = if row.repeats > 0 { format!(" (and {} more)", row.repeats) } else { String::new() };
    match rest {
        Some(rest) => format!("{name}{key}{more} → {rest}"),
        None => format!("{name}{key}{more}"),
    }
}

fn latency(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.2}ms")
    } else if ms < 1000.0 {
        format!("{ms:.0}ms")
    } else {
        format!("{:.1}s", ms / 1000.0)
    }
}

/// The text, cut to `room` characters with a mark; control characters are shown as `·`.
pub(crate) fn clip(text: &str, room: usize) -> String {
    let plain = |c: char| if c.is_control() { '·' } else { c };
    if text.chars().count() <= room {
        return text.chars().map(plain).collect();
    }
    let mut cut: String = text.chars().take(room.saturating_sub(1)).map(plain).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> EventRow {
        serde_json::from_value(serde_json::json!({
            "id": "1-1", "time": "2026-11-24T10:11:12.345678Z", "client": "127.0.10.4", "client_port": 4242,
            "transport": "udp", "opcode": "QUERY", "domain": "ads.tracker.example", "reg_domain": "tracker.example",
            "qtype": "AAAA", "qclass": "IN", "flags": ["RD"], "outcome": "error", "rcode_header": 3, "rcode": 3,
            "tsig_error": null, "tkey_error": null, "code": "NXDOMAIN", "code_number": 3, "code_family": "name_missing",
            "ede": [{"code": 15, "name": "Blocked", "text": "list=ads rule=tracker.example"}],
            "answer": null, "answer_count": 0, "ttl": 60, "action": "block", "list": "ads", "rule": "tracker.example",
            "cache": "none", "upstream": null, "upstream_latency_ms": null, "attempts": 0, "latency_ms": 0.041,
            "query_size": 48, "reply_size": 120
        }))
        .unwrap()
    }

    #[test]
    fn a_line_reads_from_time_to_reason() {
        let text = |width| {
            let layout = Layout { width, colour: false };
            format!("{}\n{}", layout.heading(), layout.line(&row()))
        };
        insta::assert_snapshot!(text(160), @r"
        TIME (UTC)              CLIENT           TYPE   CODE       ACTION          LATENCY CACHE NAME → ANSWER OR REASON
        2026-11-24 10:11:12.345 127.0.10.4       AAAA   NXDOMAIN   block:ads        0.04ms       ads.tracker.example → Blocked: list=ads rule=tracker.example
        ");
        insta::assert_snapshot!(text(80), @r"
        TIME     CLIENT           TYPE   CODE       NAME → ANSWER OR REASON
        10:11:12 127.0.10.4       AAAA   NXDOMAIN   ads.tracker.example → Blocked: list…
        ");
    }

    #[test]
    fn an_update_shows_its_key_and_what_it_changes() {
        let mut row = row();
        (row.opcode, row.qtype, row.code) = ("UPDATE".to_owned(), "SOA".to_owned(), Some("NOERROR".to_owned()));
        (row.domain, row.key) = (Some("lab.example".to_owned()), Some("ddns".to_owned()));
        row.update = Some("add www.lab.example A".to_owned());
        row.ede.clear();
        let line = Layout { width: 100, colour: false }.line(&row);
        assert_eq!(line, "10:11:12 127.0.10.4       UPDATE NOERROR    lab.example [key ddns] → add www.lab.example A");
    }

    #[test]
    fn a_row_that_stands_for_others_says_for_how_many() {
        let mut row = row();
        (row.action, row.repeats, row.code) = ("limit".to_owned(), 1_733, None);
        (row.list, row.rule) = (None, None);
        row.ede.clear();
        let line = Layout { width: 160, colour: false }.line(&row);
        assert!(line.ends_with("ads.tracker.example (and 1733 more)"), "{line}");
    }

    #[test]
    fn a_line_keeps_to_its_width_and_shows_no_control_characters() {
        let mut row = row();
        row.answer = Some("x\u{1b}[31m".repeat(50));
        row.ede.clear();
        for width in [80, 119, 120, 140] {
            for colour in [false, true] {
                let line = Layout { width, colour }.line(&row);
                let plain = line.replace("\u{1b}[33m", "").replace("\u{1b}[0m", "");
                assert!(plain.chars().count() <= width, "{width}: {plain}");
                assert!(plain.contains("ads.tracker.example"), "{width}: {plain}");
                assert!(!plain.contains('\u{1b}'));
            }
        }
    }
}
