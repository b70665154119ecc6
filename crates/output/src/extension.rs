//! CEF and LEEF 2.0: a header of fields between pipes, then keys with values.
//!
//! Escaping. Headers of both: `\` before `|` and `\`; control characters become spaces, for neither has a way to write them there.
//! Values of CEF: `\` before `=` and `\`, line ends as `\n` and `\r`. Values of LEEF, parted by tabs: the same, and tabs as `\t`.
//! Other control characters become spaces in values too.

use std::fmt::Write as _;
use std::net::IpAddr;

use event::{Row, Transport};
use wire::{ede, kind};

use crate::json::{cut, id};
use crate::weight::Weight;

/// Vendor and product in both headers.
const VENDOR: &str = "Nameward";

/// The row as CEF.
pub(crate) fn cef(row: &Row, version: &str, text_max: usize) -> Vec<u8> {
    let weight = Weight::of(row);
    let mut text = "CEF:0".to_owned();
    for field in [VENDOR, VENDOR, version, weight.id(), weight.title(), &weight.of_ten().to_string()] {
        text.push('|');
        header_value(&mut text, field);
    }
    text.push('|');
    let mut first = true;
    for (key, value) in cef_pairs(row, text_max) {
        if !std::mem::take(&mut first) {
            text.push(' ');
        }
        let _ = write!(text, "{key}=");
        pair_value(&mut text, &value, false);
    }
    text.into_bytes()
}

/// The row as LEEF 2.0.
pub(crate) fn leef(row: &Row, version: &str, text_max: usize) -> Vec<u8> {
    let weight = Weight::of(row);
    let mut text = "LEEF:2.0".to_owned();
    for field in [VENDOR, VENDOR, version, weight.id(), "x09"] {
        text.push('|');
        header_value(&mut text, field);
    }
    text.push('|');
    let mut first = true;
    for (key, value) in leef_pairs(row, text_max) {
        if !std::mem::take(&mut first) {
            text.push('\t');
        }
        let _ = write!(text, "{key}=");
        pair_value(&mut text, &value, true);
    }
    text.into_bytes()
}

fn header_value(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '|' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
}

fn pair_value(text: &mut String, value: &str, parted_by_tabs: bool) {
    for c in value.chars() {
        match c {
            '=' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' if parted_by_tabs => text.push_str("\\t"),
            c if c.is_control() && c != '\t' => text.push(' '),
            c => text.push(c),
        }
    }
}

type Pairs = Vec<(&'static str, String)>;

/// Adds what there is, with the label CEF wants beside fields of one's own.
fn labelled(pairs: &mut Pairs, key: &'static str, label_key: &'static str, label: &str, value: Option<String>) {
    if let Some(value) = value {
        pairs.push((label_key, label.to_owned()));
        pairs.push((key, value));
    }
}

fn cef_pairs(row: &Row, text_max: usize) -> Pairs {
    let short = |text: &Option<String>| text.as_deref().map(|text| cut(text, text_max).to_owned());
    let mut pairs: Pairs = vec![("rt", (row.time_micros / 1000).to_string())];
    match row.client {
        IpAddr::V4(client) => pairs.push(("src", client.to_string())),
        IpAddr::V6(client) => {
            labelled(&mut pairs, "c6a2", "c6a2Label", "Source IPv6 Address", Some(client.to_string()));
        }
    }
    pairs.push(("spt", row.client_port.to_string()));
    pairs.push(("proto", protocol(row.transport).to_owned()));
    pairs.push(("app", row.transport.name().to_owned()));
    if let Some(domain) = &row.domain {
        pairs.push(("destinationDnsDomain", domain.clone()));
    }
    pairs.push(("act", row.action.name().to_owned()));
    pairs.push(("outcome", row.outcome.name().to_owned()));
    if let Some(code) = row.code {
        pairs.push(("reason", code.name().into_owned()));
    }
    pairs.push(("in", row.query_size.to_string()));
    pairs.push(("out", row.reply_size.to_string()));
    pairs.push(("externalId", id(row)));
    if let Some(node) = &row.node {
        pairs.push(("dvchost", node.clone()));
    }
    labelled(&mut pairs, "cs1", "cs1Label", "type", Some(kind::type_name(row.qtype).into_owned()));
    labelled(&mut pairs, "cs2", "cs2Label", "rule", short(&row.rule));
    labelled(&mut pairs, "cs3", "cs3Label", "list", row.list.clone());
    labelled(&mut pairs, "cs4", "cs4Label", "answer", short(&row.answer));
    labelled(&mut pairs, "cs5", "cs5Label", "ede", ede_text(row, text_max));
    labelled(&mut pairs, "cs6", "cs6Label", "tenant", row.tenant.clone());
    labelled(&mut pairs, "cn1", "cn1Label", "latency_us", Some(row.latency_micros.to_string()));
    labelled(&mut pairs, "flexString1", "flexString1Label", "upstream", row.upstream.clone());
    labelled(&mut pairs, "flexString2", "flexString2Label", "key", row.key.clone());
    pairs
}

fn leef_pairs(row: &Row, text_max: usize) -> Pairs {
    let short = |text: &Option<String>| text.as_deref().map(|text| cut(text, text_max).to_owned());
    let mut pairs: Pairs = vec![
        ("devTime", (row.time_micros / 1000).to_string()),
        ("src", row.client.to_string()),
        ("srcPort", row.client_port.to_string()),
        ("proto", protocol(row.transport).to_owned()),
        ("sev", Weight::of(row).of_ten().to_string()),
        ("cat", row.outcome.name().to_owned()),
        ("transport", row.transport.name().to_owned()),
        ("action", row.action.name().to_owned()),
        ("qtype", kind::type_name(row.qtype).into_owned()),
        ("qclass", kind::class_name(row.qclass).into_owned()),
    ];
    let code = row.code.map(|code| code.name().into_owned());
    for (key, value) in [
        ("domain", row.domain.clone()),
        ("code", code),
        ("ede", ede_text(row, text_max)),
        ("list", row.list.clone()),
        ("rule", short(&row.rule)),
        ("answer", short(&row.answer)),
        ("upstream", row.upstream.clone()),
        ("key", row.key.clone()),
        ("tenant", row.tenant.clone()),
        ("node", row.node.clone()),
    ] {
        pairs.extend(value.map(|value| (key, value)));
    }
    pairs.push(("latency_us", row.latency_micros.to_string()));
    pairs.push(("srcBytes", row.query_size.to_string()));
    pairs.push(("dstBytes", row.reply_size.to_string()));
    pairs.push(("id", id(row)));
    pairs
}

/// Extended errors in one text: `15 Blocked: by list ads; 3 Stale Answer`.
fn ede_text(row: &Row, text_max: usize) -> Option<String> {
    let one = |(code, text): &(u16, String)| match cut(text, text_max) {
        "" => format!("{code} {}", ede::name(*code)),
        text => format!("{code} {}: {text}", ede::name(*code)),
    };
    (!row.ede.is_empty()).then(|| row.ede.iter().map(one).collect::<Vec<_>>().join("; "))
}

fn protocol(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp | Transport::Doq => "UDP",
        Transport::Tcp | Transport::Dot | Transport::Doh => "TCP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syslog::tests::row;
    use proptest::prelude::*;

    /// Reads pairs back as a collector does: a key ends at the first `=`, a value at the next key that stands unescaped.
    fn read(text: &str, parted_by_tabs: bool) -> Vec<(String, String)> {
        let parts: Vec<&str> = if parted_by_tabs { text.split('\t').collect() } else { split_cef(text) };
        parts
            .into_iter()
            .map(|part| {
                let (key, value) = part.split_once('=').unwrap();
                (key.to_owned(), unescape(value))
            })
            .collect()
    }

    /// A pair begins after a space, with letters and digits up to an `=` that has no backslash before it.
    fn split_cef(text: &str) -> Vec<&str> {
        let mut starts = vec![0];
        for (at, _) in text.match_indices('=') {
            let key_len = text[..at].bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
            let start = at - key_len;
            if key_len > 0 && start > 0 && text.as_bytes()[start - 1] == b' ' {
                starts.push(start);
            }
        }
        let ends = starts.iter().skip(1).map(|start| start - 1).chain([text.len()]);
        starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
    }

    fn unescape(text: &str) -> String {
        let mut plain = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            plain.push(match c {
                '\\' => match chars.next().unwrap() {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                },
                c => c,
            });
        }
        plain
    }

    /// Splits a header at pipes without a backslash before them.
    fn header(text: &str, fields: usize) -> (Vec<String>, &str) {
        let mut read = vec![String::new()];
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => read.last_mut().unwrap().push(chars.next().unwrap().1),
                '|' if read.len() == fields => return (read, &text[at + 1..]),
                '|' => read.push(String::new()),
                c => read.last_mut().unwrap().push(c),
            }
        }
        panic!("no header: {text}");
    }

    #[test]
    fn a_blocked_query_as_cef_and_leef() {
        let row = row();
        let text = String::from_utf8(cef(&row, "0.1.0", usize::MAX)).unwrap();
        assert_eq!(
            text,
            "CEF:0|Nameward|Nameward|0.1.0|dns-blocked|DNS query blocked|6|rt=1764000000123 src=192.0.2.7 spt=40000 proto=UDP \
             app=udp destinationDnsDomain=ads.example act=block outcome=error reason=NXDOMAIN in=40 out=92 \
             externalId=1764000000123456-7 dvchost=ns1.example cs1Label=type cs1=A cs2Label=rule cs2=||ads.example^ \
             cs3Label=list cs3=ads cs5Label=ede cs5=15 Blocked: by list ads cs6Label=tenant cs6=home cn1Label=latency_us cn1=250"
        );
        let text = String::from_utf8(leef(&row, "0.1.0", usize::MAX)).unwrap();
        assert_eq!(
            text,
            "LEEF:2.0|Nameward|Nameward|0.1.0|dns-blocked|x09|devTime=1764000000123\tsrc=192.0.2.7\tsrcPort=40000\tproto=UDP\tsev=6\t\
             cat=error\ttransport=udp\taction=block\tqtype=A\tqclass=IN\tdomain=ads.example\tcode=NXDOMAIN\t\
             ede=15 Blocked: by list ads\tlist=ads\trule=||ads.example^\ttenant=home\tnode=ns1.example\tlatency_us=250\t\
             srcBytes=40\tdstBytes=92\tid=1764000000123456-7"
        );
    }

    #[test]
    fn an_address_of_version_6_has_its_own_key_in_cef() {
        let row = Row { client: "2001:db8::7".parse().unwrap(), ..row() };
        let text = String::from_utf8(cef(&row, "0.1.0", usize::MAX)).unwrap();
        assert!(text.contains(" c6a2Label=Source IPv6 Address c6a2=2001:db8::7 "), "{text}");
    }

    #[test]
    fn control_characters_reach_no_collector() {
        let text = |octets| String::from_utf8(octets).unwrap();
        let row = Row { rule: Some("a\0b\u{1b}[31m\u{85}c".to_owned()), ..row() };
        assert!(text(cef(&row, "0\u{7}1\n", usize::MAX)).contains("|0 1 |"));
        for text in [text(cef(&row, "0\u{7}1\n", usize::MAX)), text(leef(&row, "0\u{7}1\n", usize::MAX))] {
            assert!(text.contains("=a b [31m c"), "{text}");
            assert!(text.chars().all(|c| !c.is_control() || c == '\t'), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_parser_gets_the_values_back(
            rule in "[a-z|=\\\\\n\r\t ]{0,40}", answer in "\\PC{0,40}", list in "[x|=\\\\\t]{1,9}", version in "[0-9.|\\\\]{1,9}",
        ) {
            let row = Row { rule: Some(rule), answer: Some(answer), list: Some(list), ..row() };
            let text = String::from_utf8(cef(&row, &version, usize::MAX)).unwrap();
            let (fields, rest) = header(&text, 7);
            prop_assert_eq!(&fields[3], &version);
            let pairs: Vec<(String, String)> =
                cef_pairs(&row, usize::MAX).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            prop_assert_eq!(read(rest, false), pairs);
            prop_assert!(!text.contains(['\n', '\r']));

            let text = String::from_utf8(leef(&row, &version, usize::MAX)).unwrap();
            let (fields, rest) = header(&text, 6);
            prop_assert_eq!(&fields[3], &version);
            let pairs: Vec<(String, String)> =
                leef_pairs(&row, usize::MAX).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            prop_assert_eq!(read(rest, true), pairs);
            prop_assert!(!text.contains(['\n', '\r']));
        }
    }
}
