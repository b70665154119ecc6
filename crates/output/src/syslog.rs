//! Syslog messages (RFC 5424): the header, a body in one of three formats, and the octets they travel in.
//!
//! Over UDP a message is a datagram (RFC 5426); over TCP (RFC 6587) and TLS (RFC 5425) its octets are counted before it. There
//! is no structured data: everything is in the body. No byte order mark stands before it either, so the body is, in the RFC's
//! words, of any encoding; it is UTF-8.

use std::fmt::Write as _;

use event::Row;

use crate::extension;
use crate::json::{self, TEXT_MAX, time_text};
use crate::target::Format;
use crate::weight::Weight;

/// Longest message over UDP, octets: what every receiver should take (RFC 5424 §6.1).
pub const MESSAGE_UDP_MAX: usize = 2048;
/// Longest message over TCP and TLS, octets: what a receiver should take (RFC 5425 §4.3.1).
pub const MESSAGE_STREAM_MAX: usize = 8192;

/// local0: the first of the facilities that are the operator's own.
const FACILITY: u8 = 16;
/// What says who we are.
const APP_NAME: &str = "nameward";
/// What says which kind of message this is; there is one.
const MSGID: &str = "query";
/// Longest HOSTNAME, octets (RFC 5424 §6).
const HOSTNAME_MAX: usize = 255;
/// Octets to which texts are cut, one after the other, until a message is short enough.
const TEXT_STEPS: [usize; 4] = [TEXT_MAX, 256, 64, 0];
/// Octets to which names are cut when that is not enough.
const NAME_STEPS: [usize; 4] = [512, 256, 64, 16];
/// What a name that was cut ends in.
const CUT_MARK: &str = "…";

/// What all messages of a sink have in common.
pub(crate) struct Syslog {
    pub(crate) format: Format,
    pub(crate) node: String,
    pub(crate) version: String,
    pub(crate) process: u32,
    /// Whether messages are datagrams; else their octets are counted.
    pub(crate) is_datagram: bool,
}

impl Syslog {
    /// The row as it travels. One that is too long loses its texts first, then the registered domain, which the domain tells
    /// too; then names are cut, and last the extended errors go: a long name is no way past a collector.
    pub(crate) fn message(&self, row: &Row) -> Vec<u8> {
        let max = if self.is_datagram { MESSAGE_UDP_MAX } else { MESSAGE_STREAM_MAX };
        let head = self.head(row);
        let fits = |body: &Vec<u8>| head.len() + body.len() <= max;
        let body = TEXT_STEPS.into_iter().map(|text_max| self.body(row, text_max)).find(&fits).unwrap_or_else(|| {
            let mut short = Row { reg_domain: None, ..row.clone() };
            for name_max in NAME_STEPS {
                let body = self.body(&short, 0);
                if fits(&body) {
                    return body;
                }
                cut_names(&mut short, name_max);
            }
            short.ede.clear();
            self.body(&short, 0)
        });
        let len = head.len() + body.len();
        let mut octets = Vec::with_capacity(len + 8);
        if !self.is_datagram {
            octets.extend_from_slice(format!("{len} ").as_bytes());
        }
        octets.extend_from_slice(head.as_bytes());
        octets.extend_from_slice(&body);
        octets
    }

    fn head(&self, row: &Row) -> String {
        let mut head = String::with_capacity(96);
        let priority = FACILITY * 8 + Weight::of(row).severity();
        let node = row.node.as_deref().unwrap_or(&self.node);
        let _ = write!(head, "<{priority}>1 {} ", time_text(row.time_micros));
        let before = head.len();
        head.extend(node.chars().filter(char::is_ascii_graphic).take(HOSTNAME_MAX));
        if head.len() == before {
            head.push('-');
        }
        let _ = write!(head, " {APP_NAME} {} {MSGID} - ", self.process);
        head
    }

    fn body(&self, row: &Row, text_max: usize) -> Vec<u8> {
        match self.format {
            Format::Json => json::body(row, text_max),
            Format::Cef => extension::cef(row, &self.version, text_max),
            Format::Leef => extension::leef(row, &self.version, text_max),
        }
    }
}

fn cut_names(row: &mut Row, max: usize) {
    let names = [&mut row.domain, &mut row.key, &mut row.list, &mut row.upstream, &mut row.tenant, &mut row.node];
    for name in names.into_iter().flatten() {
        if name.len() > max {
            name.truncate(name.floor_char_boundary(max));
            name.push_str(CUT_MARK);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use event::{Action, CacheState, Flags, Outcome, Transport};
    use wire::code::Code;

    /// A blocked query.
    pub(crate) fn row() -> Row {
        Row {
            time_micros: 1_764_000_000_123_456,
            seq: 7,
            client: "192.0.2.7".parse().unwrap(),
            client_port: 40_000,
            transport: Transport::Udp,
            opcode: 0,
            domain: Some("ads.example".to_owned()),
            reg_domain: Some("ads.example".to_owned()),
            qtype: 1,
            qclass: 1,
            flags: Flags::RD.with(Flags::EDNS).with(Flags::RA),
            outcome: Outcome::Error,
            rcode_header: Some(3),
            rcode: Some(3),
            tsig_error: None,
            tkey_error: None,
            code: Some(Code::from_key(3)),
            ede: vec![(15, "by list ads".to_owned())],
            answer: None,
            answer_count: 0,
            ttl: None,
            action: Action::Block,
            list: Some("ads".to_owned()),
            rule: Some("||ads.example^".to_owned()),
            trace: None,
            cache: CacheState::None,
            upstream: None,
            upstream_latency_micros: None,
            attempts: 0,
            key: None,
            update: None,
            repeats: 0,
            latency_micros: 250,
            query_size: 40,
            reply_size: 92,
            tenant: Some("home".to_owned()),
            node: Some("ns1.example".to_owned()),
        }
    }

    fn syslog(is_datagram: bool) -> Syslog {
        let (node, version) = ("this.example".to_owned(), "0.1.0".to_owned());
        Syslog { format: Format::Json, node, version, process: 99, is_datagram }
    }

    fn message(syslog: &Syslog, row: &Row) -> String {
        String::from_utf8(syslog.message(row)).unwrap()
    }

    #[test]
    fn a_message_has_the_header_of_the_rfc_and_the_row_of_the_api() {
        let text = message(&syslog(true), &row());
        let (head, body) = text.split_once(" - ").unwrap();
        assert_eq!(head, "<133>1 2025-11-24T16:00:00.123456Z ns1.example nameward 99 query");
        let read: api::EventRow = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&*read.client, read.code.as_deref(), read.rule.as_deref()),
            ("192.0.2.7", Some("NXDOMAIN"), Some("||ads.example^"))
        );
        let ours: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(ours, serde_json::to_value(&read).unwrap(), "the names are the API's, all of them");
    }

    #[test]
    fn octets_are_counted_on_a_stream() {
        let text = message(&syslog(false), &row());
        let (len, rest) = text.split_once(' ').unwrap();
        assert_eq!(len.parse::<usize>().unwrap(), rest.len());
        assert!(rest.starts_with("<133>1 "), "{rest}");
    }

    #[test]
    fn a_node_that_is_no_host_name_does_not_break_the_header() {
        for (node, expected) in [("a b\nc", "abc"), ("", "-"), ("\u{e9}", "-"), (&*"x".repeat(300), &*"x".repeat(255))]
        {
            let text = message(&syslog(true), &Row { node: Some(node.to_owned()), ..row() });
            assert_eq!(text.split(' ').nth(2), Some(expected));
        }
        let text = message(&syslog(true), &Row { node: None, ..row() });
        assert_eq!(text.split(' ').nth(2), Some("this.example"));
    }

    #[test]
    fn severity_follows_what_became_of_the_query() {
        let answered = Row { action: Action::Pass, outcome: Outcome::Answered, rcode: Some(0), ..row() };
        let cases = [
            (row(), 5),
            (answered.clone(), 6),
            (Row { outcome: Outcome::Error, rcode: Some(3), ..answered.clone() }, 6),
            (Row { outcome: Outcome::Error, rcode: Some(2), ..answered.clone() }, 4),
            (Row { outcome: Outcome::Error, rcode: Some(5), ..answered.clone() }, 5),
            (Row { action: Action::Refuse, outcome: Outcome::Error, rcode: Some(5), ..answered.clone() }, 5),
            (Row { outcome: Outcome::Timeout, rcode: None, ..answered.clone() }, 4),
            (Row { outcome: Outcome::Dropped, rcode: None, ..answered.clone() }, 4),
            (Row { outcome: Outcome::Error, rcode: Some(9), tsig_error: Some(16), ..answered }, 4),
        ];
        for (row, severity) in cases {
            assert_eq!(Weight::of(&row).severity(), severity, "{row:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_until_a_message_fits() {
        let long = |octet: &str| Some(octet.repeat(3000));
        for format in Format::ALL.map(|(_, format)| format) {
            for is_datagram in [true, false] {
                let syslog = Syslog { format, ..syslog(is_datagram) };
                let max = if is_datagram { MESSAGE_UDP_MAX } else { MESSAGE_STREAM_MAX };
                let row = Row { answer: long("\u{e9}"), rule: long("\\"), update: long("\u{1}"), ..row() };
                let octets = syslog.message(&row);
                assert!(octets.len() <= max + "8192 ".len(), "{format:?}: {}", octets.len());
                assert!(String::from_utf8(octets).unwrap().contains("ads.example"));
            }
        }
    }

    #[test]
    fn a_message_comes_out_however_long_names_are() {
        // The longest name there is, every octet escaped.
        let longest = vec!["\\001".repeat(63); 4].join(".")[..4 * 252].to_owned();
        let names = Row { domain: Some(longest.clone()), reg_domain: Some(longest.clone()), ..row() };
        let text = message(&syslog(true), &names);
        let body: serde_json::Value = serde_json::from_str(text.split_once(" - ").unwrap().1).unwrap();
        assert!(text.len() <= MESSAGE_UDP_MAX, "{}", text.len());
        let domain = body["domain"].as_str().unwrap();
        assert!(longest.starts_with(domain.strip_suffix(CUT_MARK).unwrap_or(domain)) && domain.len() > 200, "{domain}");
        assert_eq!(body["reg_domain"], serde_json::Value::Null);

        let long = || Some("\u{1}".repeat(3000));
        for format in Format::ALL.map(|(_, format)| format) {
            for is_datagram in [true, false] {
                let ede = vec![(65_535, "x".repeat(3000)); 8];
                let all = Row { list: long(), key: long(), tenant: long(), upstream: long(), ede, ..names.clone() };
                let all = Row { node: Some("n".repeat(3000)), answer: long(), rule: long(), update: long(), ..all };
                let octets = Syslog { format, ..syslog(is_datagram) }.message(&all);
                let max = if is_datagram { MESSAGE_UDP_MAX } else { MESSAGE_STREAM_MAX + "8192 ".len() };
                assert!(octets.len() <= max, "{format:?}: {}", octets.len());
            }
        }
    }
}
