//! dnstap messages as events: a query waits for its reply.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use dnstap::{Dnstap, Message, MessageType, Policy, PolicyAction, SocketProtocol};
use event::{Action, Event, Transport};

use crate::pair::{Ends, Pairs};
use crate::reader::Notes;

/// Takes the messages of a dnstap stream and gives events. For files [`crate::Reader`] does it; this is for sockets.
#[derive(Default)]
pub struct Tap {
    pairs: Pairs,
    ready: VecDeque<Result<Event, String>>,
    pub(crate) notes: Notes,
}

impl Tap {
    /// Takes the content of one data frame; what comes of it is given by [`Tap::give`].
    pub fn take(&mut self, frame: &[u8]) {
        if let Err(reason) = self.try_take(frame) {
            self.ready.push_back(Err(reason));
        }
    }

    /// The next event, or why a message was none; `None` until more was taken.
    pub fn give(&mut self) -> Option<Result<Event, String>> {
        self.ready.pop_front()
    }

    /// Nothing follows: queries still waiting are given as unanswered.
    pub fn finish(&mut self) {
        self.pairs.finish(&mut self.ready);
    }

    fn try_take(&mut self, frame: &[u8]) -> Result<(), String> {
        let tap = Dnstap::read(frame).map_err(|error| error.to_string())?;
        let message = tap.message.ok_or("no message in it")?;
        let Ok(kind) = MessageType::try_from(message.kind) else {
            self.notes.count("messages of an unknown type");
            return Ok(());
        };
        // What the server asks others is no query of a client.
        if matches!(
            kind,
            MessageType::ResolverQuery
                | MessageType::ResolverResponse
                | MessageType::ForwarderQuery
                | MessageType::ForwarderResponse
        ) {
            self.notes.count("messages to and from upstreams");
            return Ok(());
        }
        let ends = ends(&message)?;
        let asked = time(message.query_time_sec, message.query_time_nsec);
        let replied = time(message.response_time_sec, message.response_time_nsec);
        let before = self.ready.len();
        if let Some(query) = &message.query_message {
            let time = asked.or(replied).ok_or("neither time of the query nor of the reply")?;
            // A reply may bring along the query that was logged before it.
            if message.response_message.is_none() || !self.pairs.awaits(ends, time, query, &mut self.ready) {
                self.pairs.take(ends, time, query, &mut self.ready);
            }
        }
        if let Some(reply) = &message.response_message {
            let time = replied.or(asked).ok_or("neither time of the query nor of the reply")?;
            self.pairs.take(ends, time, reply, &mut self.ready);
            self.finish_reply(before, &message, asked, replied);
        }
        if message.query_message.is_none() && message.response_message.is_none() {
            return Err("neither query nor reply in it".to_owned());
        }
        Ok(())
    }

    /// Adds what only dnstap says to the event of a reply: the last that became ready.
    fn finish_reply(&mut self, before: usize, message: &Message, asked: Option<i64>, replied: Option<i64>) {
        if self.ready.len() <= before {
            return;
        }
        let Some(Ok(event)) = self.ready.back_mut() else { return };
        if let (Some(asked), Some(replied)) = (asked, replied)
            && event.latency_micros == 0
        {
            event.time_micros = asked;
            event.latency_micros = u32::try_from(replied.saturating_sub(asked)).unwrap_or(0);
        }
        if let Some(policy) = &message.policy {
            put_policy(event, policy);
        }
    }
}

fn ends(message: &Message) -> Result<Ends, String> {
    let client = message.query_address.as_deref().and_then(address).ok_or("no address of the client")?;
    let port = |port: Option<u32>| port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let server = message.response_address.as_deref().and_then(address);
    let protocol = message.socket_protocol.and_then(|number| SocketProtocol::try_from(number).ok());
    let transport = match protocol {
        Some(SocketProtocol::Tcp | SocketProtocol::DnscryptTcp) => Transport::Tcp,
        Some(SocketProtocol::Dot) => Transport::Dot,
        Some(SocketProtocol::Doh) => Transport::Doh,
        Some(SocketProtocol::Doq) => Transport::Doq,
        Some(SocketProtocol::Udp | SocketProtocol::DnscryptUdp) | None => Transport::Udp,
    };
    Ok(Ends {
        client: SocketAddr::new(client, port(message.query_port)),
        server: server.map(|server| SocketAddr::new(server, port(message.response_port))),
        transport,
    })
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

fn time(seconds: Option<u64>, nanos: Option<u32>) -> Option<i64> {
    let micros = i64::try_from(seconds?).ok()?.checked_mul(1_000_000)?;
    micros.checked_add(i64::from(nanos.unwrap_or(0) / 1_000))
}

fn put_policy(event: &mut Event, policy: &Policy) {
    event.action = match policy.action.and_then(|action| PolicyAction::try_from(action).ok()) {
        Some(PolicyAction::Pass) => Action::Allow,
        Some(_) => Action::Block,
        None => event.action,
    };
    event.list = policy.kind.as_deref().filter(|kind| !kind.is_empty()).map(Into::into);
    event.rule = policy.rule.as_deref().filter(|rule| !rule.is_empty()).map(|rule| {
        // Of a response policy zone a name on the wire; else text.
        let name = wire::name::Name::new(rule).filter(|name| name.wire().len() > 1);
        name.map_or_else(|| String::from_utf8_lossy(rule).into(), |name| name.fold().text().into())
    });
}
