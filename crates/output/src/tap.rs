//! A row as dnstap: CLIENT_QUERY, and CLIENT_RESPONSE when there was a reply.
//!
//! The log does not keep whole messages, so these are made from the row: header, question, and OPT with the extended errors. The
//! ID is 0, the record sections are empty (`extra` has the answer in short), OPT's size is what we would have said, and cookies
//! and other options are not there. Addresses are the client's; ours is not kept.

use std::net::IpAddr;

use dnstap::{Dnstap, DnstapType, Message, MessageType, Policy, PolicyAction, SocketFamily, SocketProtocol};
use event::{Action, Flags, Outcome, Row, Transport};
use wire::kind;
use wire::message::{Builder, Section};
use wire::name::{Folded, Name};
use wire::reply::MESSAGE_LEN_MAX;
use wire::view::{flag, option};

use crate::json::{self, TEXT_MAX, cut};

/// Size said in OPT (RFC 6891 §6.2.5); the client's own is not kept.
const UDP_SIZE: u16 = 1232;
/// Longest text of an extended error passed on, octets: eight of them leave room in any message.
const EDE_TEXT_MAX: usize = 1024;
/// Who decided, when no list did.
const OURSELVES: &str = "nameward";

/// DNSSEC OK, in the flags of OPT.
const OPT_DO: u32 = 0x8000;

/// The frames of a row, as they travel.
pub(crate) fn frames(row: &Row, node: &str, version: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let has_reply = row.rcode.is_some();
    // Once for each event: with the message that comes last.
    let extra = json::body(row, TEXT_MAX);
    let mut frame = |message: Message, extra: Option<Vec<u8>>| {
        let tap = Dnstap {
            identity: Some(row.node.as_deref().unwrap_or(node).as_bytes().to_vec()),
            version: Some(format!("nameward {version}").into_bytes()),
            extra,
            message: Some(Box::new(message)),
            kind: DnstapType::Message as i32,
        };
        // A message of a few thousand octets is neither empty nor too long.
        let _ = dnstap::write_data(&tap.to_bytes(), &mut octets);
    };
    let query = Message { query_message: Some(query(row)), ..common(row, MessageType::ClientQuery) };
    if !has_reply {
        frame(Message { policy: policy(row), ..query }, Some(extra));
        return octets;
    }
    frame(query, None);
    let (sec, nsec) = instant(row.time_micros.saturating_add(i64::from(row.latency_micros)));
    let response = Message {
        response_time_sec: Some(sec),
        response_time_nsec: Some(nsec),
        response_message: Some(response(row)),
        policy: policy(row),
        ..common(row, MessageType::ClientResponse)
    };
    frame(response, Some(extra));
    octets
}

fn instant(micros: i64) -> (u64, u32) {
    let micros = u64::try_from(micros).unwrap_or(0);
    (micros / 1_000_000, (micros % 1_000_000) as u32 * 1000)
}

fn common(row: &Row, kind: MessageType) -> Message {
    let (family, address) = match row.client {
        IpAddr::V4(address) => (SocketFamily::Inet, address.octets().to_vec()),
        IpAddr::V6(address) => (SocketFamily::Inet6, address.octets().to_vec()),
    };
    let protocol = match row.transport {
        Transport::Udp => SocketProtocol::Udp,
        Transport::Tcp => SocketProtocol::Tcp,
        Transport::Dot => SocketProtocol::Dot,
        Transport::Doh => SocketProtocol::Doh,
        Transport::Doq => SocketProtocol::Doq,
    };
    let (sec, nsec) = instant(row.time_micros);
    Message {
        kind: kind as i32,
        socket_family: Some(family as i32),
        socket_protocol: Some(protocol as i32),
        query_address: Some(address),
        query_port: Some(u32::from(row.client_port)),
        query_time_sec: Some(sec),
        query_time_nsec: Some(nsec),
        ..Message::default()
    }
}

/// What policy did; `None` when nothing matched.
fn policy(row: &Row) -> Option<Policy> {
    let action = match (row.action, row.outcome, row.rcode) {
        (Action::Pass, ..) => return None,
        (Action::Allow, ..) => Some(PolicyAction::Pass),
        (_, Outcome::Dropped, _) => Some(PolicyAction::Drop),
        (_, Outcome::Truncated, _) => Some(PolicyAction::Truncate),
        (_, _, Some(3)) => Some(PolicyAction::Nxdomain),
        (_, Outcome::Nodata, _) => Some(PolicyAction::Nodata),
        (_, Outcome::Answered, _) => Some(PolicyAction::LocalData),
        // REFUSED: dnstap has no word for it.
        _ => None,
    };
    Some(Policy {
        kind: Some(row.list.clone().unwrap_or_else(|| OURSELVES.to_owned())),
        rule: row.rule.as_ref().map(|rule| rule.clone().into_bytes()),
        action: action.map(|action| action as i32),
        ..Policy::default()
    })
}

fn query(row: &Row) -> Vec<u8> {
    let flags = [(Flags::RD, flag::RD), (Flags::AD, flag::AD), (Flags::CD, flag::CD)];
    message(row, bits(row, &flags), row.flags.contains(Flags::EDNS).then(Vec::new), 0)
}

fn response(row: &Row) -> Vec<u8> {
    let flags = [
        (Flags::RD, flag::RD),
        (Flags::CD, flag::CD),
        (Flags::AA, flag::AA),
        (Flags::TC, flag::TC),
        (Flags::RA, flag::RA),
        (Flags::AUTHENTIC, flag::AD),
    ];
    let rcode = row.rcode.unwrap_or(0);
    let flags = bits(row, &flags) | flag::QR | (rcode & flag::RCODE);
    let mut options = Vec::new();
    for (code, text) in &row.ede {
        let text = cut(text, EDE_TEXT_MAX);
        options.extend_from_slice(&option::EXTENDED_ERROR.to_be_bytes());
        options.extend_from_slice(&(text.len() as u16 + 2).to_be_bytes());
        options.extend_from_slice(&code.to_be_bytes());
        options.extend_from_slice(text.as_bytes());
    }
    let has_opt = row.flags.contains(Flags::EDNS) || !options.is_empty() || rcode > 0xf;
    message(row, flags, has_opt.then_some(options), (rcode >> 4) as u8)
}

fn bits(row: &Row, flags: &[(Flags, u16)]) -> u16 {
    let set = flags.iter().filter(|(flag, _)| row.flags.contains(*flag));
    set.fold(u16::from(row.opcode & 0xf) << 11, |bits, (_, bit)| bits | bit)
}

fn message(row: &Row, flags: u16, options: Option<Vec<u8>>, rcode_upper: u8) -> Vec<u8> {
    let mut message = Builder::new(0, flags, MESSAGE_LEN_MAX);
    if let Some(name) = row.domain.as_deref().and_then(Folded::from_text) {
        message.question(name.name(), row.qtype, row.qclass);
    }
    if let Some(options) = options {
        let do_bit = if row.flags.contains(Flags::DO) { OPT_DO } else { 0 };
        let ttl = u32::from(rcode_upper) << 24 | do_bit;
        // A name and eight texts fit into any message.
        let _ = message.parts(Section::Additional, Name::ROOT, kind::OPT, UDP_SIZE, ttl, &options);
    }
    message.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syslog::tests::row;

    fn read(row: &Row) -> Vec<Dnstap> {
        let octets = frames(row, "this.example", "0.1.0");
        let mut decoder = dnstap::Decoder::default();
        decoder.feed(&octets);
        let mut read = Vec::new();
        while let Some(dnstap::Frame::Data(data)) = decoder.take().unwrap() {
            read.push(Dnstap::read(data).unwrap());
        }
        assert_eq!(decoder.pending(), 0);
        read
    }

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn a_blocked_query_is_two_messages_with_policy_and_extended_error() {
        let taps = read(&row());
        let [query, response] = &taps[..] else { panic!("{taps:?}") };
        assert_eq!(query.identity.as_deref(), Some(&b"ns1.example"[..]));
        assert_eq!(query.version.as_deref(), Some(&b"nameward 0.1.0"[..]));
        assert_eq!(query.extra, None);
        let asked = query.message.as_ref().unwrap();
        assert_eq!(
            (asked.kind(), asked.socket_family(), asked.socket_protocol()),
            (MessageType::ClientQuery, SocketFamily::Inet, SocketProtocol::Udp)
        );
        assert_eq!((asked.query_address.as_deref(), asked.query_port), (Some(&[192, 0, 2, 7][..]), Some(40_000)));
        assert_eq!((asked.query_time_sec, asked.query_time_nsec), (Some(1_764_000_000), Some(123_456_000)));
        let question = "0361647307657861 6d706c6500 0001 0001".replace(' ', "");
        assert_eq!(
            hex(asked.query_message.as_ref().unwrap()),
            format!("0000 0100 0001 0000 0000 0001 {question} 00 0029 04d0 00 00 0000 0000").replace(' ', "")
        );
        assert_eq!(asked.policy, None);

        let replied = response.message.as_ref().unwrap();
        assert_eq!(replied.kind(), MessageType::ClientResponse);
        assert_eq!((replied.response_time_sec, replied.response_time_nsec), (Some(1_764_000_000), Some(123_706_000)));
        let ede = format!("000f 000d 000f {}", hex(b"by list ads"));
        assert_eq!(
            hex(replied.response_message.as_ref().unwrap()),
            format!("0000 8183 0001 0000 0000 0001 {question} 00 0029 04d0 00 00 0000 0011 {ede}").replace(' ', "")
        );
        let policy = replied.policy.as_ref().unwrap();
        assert_eq!((policy.kind.as_deref(), policy.rule.as_deref()), (Some("ads"), Some(&b"||ads.example^"[..])));
        assert_eq!(policy.action(), PolicyAction::Nxdomain);
        let extra: serde_json::Value = serde_json::from_slice(response.extra.as_ref().unwrap()).unwrap();
        assert_eq!(extra["domain"], "ads.example");
    }

    #[test]
    fn what_got_no_reply_is_a_query_alone() {
        let taps = read(&Row {
            rcode: None,
            code: None,
            outcome: Outcome::Dropped,
            action: Action::Refuse,
            list: None,
            ..row()
        });
        let [query] = &taps[..] else { panic!("{taps:?}") };
        let policy = query.message.as_ref().unwrap().policy.as_ref().unwrap();
        assert_eq!((policy.kind.as_deref(), policy.action()), (Some("nameward"), PolicyAction::Drop));
        assert!(query.extra.is_some());
    }

    #[test]
    fn rcodes_beyond_the_header_are_in_opt_and_questions_may_be_missing() {
        let taps = read(&Row { rcode: Some(23), domain: None, ede: Vec::new(), ..row() });
        let response = taps[1].message.as_ref().unwrap().response_message.as_ref().unwrap();
        assert_eq!(hex(response), "0000 8187 0000 0000 0000 0001 00 0029 04d0 01 00 0000 0000".replace(' ', ""));
    }
}
