//! What the lab's name servers answer: a pure function from world, address and message to what goes out.
//!
//! Holds the plot of every kind of server, honest and troubled; opens no socket and waits for nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::rdata::A;

use crate::message::{Name, Query, Received, Reply, Transport, receive};
use crate::server::{Emission, Source};
use crate::world::World;
use crate::zone::{Behaviour, End, Zone};

/// Extended errors used here (RFC 8914 §4).
const EDE_STALE: u16 = 3;
const EDE_BOGUS: u16 = 6;
const EDE_FILTERED: u16 = 17;
const EDE_NOT_AUTHORITATIVE: u16 = 20;
/// What the liar says.
const LIE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);

/// Answers a message that reached `server`. An empty list is silence.
pub(crate) fn answer(world: &World, server: Ipv4Addr, message: &[u8], transport: Transport) -> Vec<Emission> {
    let query = match receive(message) {
        Received::Query(query) => query,
        Received::Fault(complaint) => return vec![Emission::now(complaint)],
        Received::Silence => return Vec::new(),
    };
    let say = |reply: Reply| vec![Emission::now(reply.compose(&query, transport))];
    if query.class != Class::IN || matches!(query.qtype, Rtype::AXFR | Rtype::IXFR) {
        return say(Reply::code(Rcode::REFUSED));
    }
    let Some(zone) = world.zone(server, &query.name) else {
        return say(Reply::code(Rcode::REFUSED).explained(EDE_NOT_AUTHORITATIVE, "not one of our zones"));
    };
    match zone.behaviour() {
        Behaviour::Honest => say(honest(zone, &query)),
        Behaviour::Broken => say(Reply::code(Rcode::SERVFAIL)),
        Behaviour::Lame => say(Reply::code(Rcode::REFUSED)),
        Behaviour::Formerr => say(Reply::code(Rcode::FORMERR)),
        Behaviour::Notimp => say(Reply::code(Rcode::NOTIMP)),
        Behaviour::Silent => Vec::new(),
        Behaviour::Slow => {
            let after = world.delay(&query.name);
            say(honest(zone, &query)).into_iter().map(|emission| Emission { after, ..emission }).collect()
        }
        Behaviour::Truncating => say(Reply { truncated: transport == Transport::Udp, ..honest(zone, &query) }),
        Behaviour::Explaining => say(explaining(zone, &query)),
        Behaviour::Lying => lies(zone, &query, transport),
    }
}

/// RFC 1034 §4.3.2, seen from one zone.
fn honest(zone: &Zone, query: &Query) -> Reply {
    let lookup = zone.lookup(&query.name, query.qtype);
    let mut reply = Reply { authoritative: true, answer: lookup.answer, ..Reply::default() };
    match lookup.end {
        End::Answered => reply.additional = zone.server_addresses(&reply.answer),
        End::Elsewhere => {}
        End::NoData => reply.authority.push(zone.negative_soa()),
        End::NoName => {
            reply.rcode = Rcode::NXDOMAIN;
            reply.authority.push(zone.negative_soa());
        }
        End::Referral(cut) => {
            reply.authoritative = !reply.answer.is_empty();
            reply.authority = cut.servers;
            reply.additional = cut.glue;
        }
    }
    reply
}

/// `stale.` answers from an old copy, `filtered.` does not exist by order, everything else is bogus.
fn explaining(zone: &Zone, query: &Query) -> Reply {
    match first_label(&query.name) {
        b"stale" => honest(zone, query).explained(EDE_STALE, "served from yesterday's copy"),
        b"filtered" => {
            Reply { authoritative: true, authority: vec![zone.negative_soa()], ..Reply::code(Rcode::NXDOMAIN) }
                .explained(EDE_FILTERED, "filtered at the customer's request")
        }
        _ => Reply::code(Rcode::SERVFAIL).explained(EDE_BOGUS, "signature does not verify"),
    }
}

/// Three lies: another id, another question, another source. `honest.` gets the truth after them.
fn lies(zone: &Zone, query: &Query, transport: Transport) -> Vec<Emission> {
    let mut lie = honest(zone, query);
    for record in &mut lie.answer {
        if record.rtype() == Rtype::A {
            *record.data_mut() = A::new(LIE).into();
        }
    }
    let wrong_id = Query { id: query.id ^ 0x5555, ..query.clone() };
    let wrong_question = Query { name: zone.apex().clone(), qtype: Rtype::MX, ..query.clone() };
    let mut emissions = vec![
        Emission::now(lie.compose(&wrong_id, transport)),
        Emission::now(lie.compose(&wrong_question, transport)),
        Emission { from: Source::Elsewhere, ..Emission::now(lie.compose(query, transport)) },
    ];
    if transport == Transport::Tcp {
        // A connection has one source: the third lie cannot be told.
        emissions.truncate(2);
    }
    if first_label(&query.name) == b"honest" {
        emissions.push(Emission {
            after: Duration::from_millis(5),
            ..Emission::now(honest(zone, query).compose(query, transport))
        });
    }
    emissions
}

fn first_label(name: &Name) -> &[u8] {
    name.first().as_slice()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::Catalogue;
    use crate::message::HEADER_BYTES;
    use crate::world::ROOT;

    const DELAY: Duration = Duration::from_millis(1);

    fn world() -> &'static World {
        static WORLD: std::sync::OnceLock<World> = std::sync::OnceLock::new();
        WORLD.get_or_init(|| World::build(&Catalogue::generate(1, 20), DELAY..=DELAY).unwrap())
    }

    fn check_reply(server: Ipv4Addr, message: &[u8], transport: Transport) {
        for emission in answer(world(), server, message, transport) {
            assert!(emission.bytes.len() >= HEADER_BYTES);
            assert!(transport == Transport::Tcp || emission.bytes.len() <= 1232);
            assert_ne!(emission.bytes[2] & 0x80, 0, "a reply says that it is one");
        }
    }

    fn server() -> impl Strategy<Value = Ipv4Addr> {
        prop::sample::select(world().addresses())
    }

    proptest! {
        #[test]
        fn any_octets_are_answered_or_met_with_silence(server in server(), bytes in vec(any::<u8>(), 0..600)) {
            check_reply(server, &bytes, Transport::Udp);
            check_reply(server, &bytes, Transport::Tcp);
        }

        #[test]
        fn a_damaged_query_is_answered_or_met_with_silence(
            server in server(),
            qtype in prop::sample::select(vec![1_u8, 2, 5, 6, 16, 43, 255]),
            damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in 0_usize..8,
        ) {
            let mut bytes = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03www\x04huge\x07example\x00\x00".to_vec();
            bytes.extend_from_slice(&[qtype, 0, 1, 0, 0, 41, 4, 208, 0, 0, 128, 0, 0, 0]);
            for (at, octet) in damage {
                let at = at.index(bytes.len());
                bytes[at] = octet;
            }
            bytes.truncate(bytes.len() - cut);
            check_reply(server, &bytes, Transport::Udp);
            check_reply(Ipv4Addr::new(127, 53, 8, 11), &bytes, Transport::Udp);
        }
    }

    /// Sends a message to the root and gives the code of the reply, header and OPT together; `None` for silence.
    fn code(message: &[u8]) -> Option<u16> {
        let replies = answer(world(), ROOT, message, Transport::Udp);
        let reply = replies.first()?;
        Some(domain::base::Message::from_slice(&reply.bytes).unwrap().opt_rcode().to_int())
    }

    #[test]
    fn faults_get_the_code_that_names_them() {
        let question = b"\x03com\x00\x00\x02\x00\x01";
        let opt = |version: u8| [0, 0, 41, 4, 208, 0, version, 0, 0, 0, 0];
        let message = |flags: u8, questions: u8, records: u8, parts: &[&[u8]]| {
            let header = [0, 1, flags, 0, 0, questions, 0, 0, 0, 0, 0, records];
            [&header[..], &parts.concat()].concat()
        };
        let table: &[(&str, Vec<u8>, Option<u16>)] = &[
            ("a proper query", message(1, 1, 0, &[question]), Some(0)),
            ("a scrap", vec![0; 11], None),
            ("a reply", message(0x81, 1, 0, &[question]), None),
            ("another opcode", message(0x11, 1, 0, &[question]), Some(4)),
            ("no question", message(1, 0, 0, &[]), Some(1)),
            ("two questions", message(1, 2, 0, &[question, question]), Some(1)),
            ("octets left over", message(1, 1, 0, &[question, b"x"]), Some(1)),
            ("a record that is not there", message(1, 1, 1, &[question]), Some(1)),
            ("two OPT records", message(1, 1, 2, &[question, &opt(0), &opt(0)]), Some(1)),
            ("EDNS version 1", message(1, 1, 1, &[question, &opt(1)]), Some(16)),
        ];
        for (what, bytes, expected) in table {
            assert_eq!(code(bytes), *expected, "{what}");
        }
    }
}
