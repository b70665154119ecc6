//! One ask over UDP: a socket of its own, so a fresh source port; a random ID; nobody else's reply is believed.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use wire::reply::{Asked, NotAReply, Stored, take};

use crate::chance;
use crate::lookup::Fault;
use crate::resolver::Question;

/// Largest reply read. We offer less in OPT; what does not fit is cut by the system and then unreadable.
const REPLY_BYTES_MAX: usize = 4096;
/// Foreign messages borne in one ask before it is taken for guessing (RFC 5452 §9) and repeated over TCP.
const FOREIGN_MAX: u32 = 32;

/// Asks once and waits for the reply, however long it takes: the caller ends the wait.
pub(crate) async fn ask(address: SocketAddr, question: &Question, udp_size: u16) -> Result<Stored, Fault> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // Port 0: the kernel picks a random free one. Connecting makes it drop datagrams from other addresses.
    let socket = UdpSocket::bind(any).await.map_err(Fault::from)?;
    socket.connect(address).await.map_err(Fault::from)?;

    let mut ear = Ear::new(question, chance::message_id().map_err(Fault::from)?);
    let mut query = Vec::with_capacity(512);
    wire::reply::ask(ear.id, &question.asked(udp_size), &mut query);
    socket.send(&query).await.map_err(Fault::from)?;

    let mut reply = vec![0; REPLY_BYTES_MAX];
    loop {
        let len = socket.recv(&mut reply).await.map_err(Fault::from)?;
        if let Some(heard) = ear.hear(&reply[..len]) {
            return heard;
        }
    }
}

/// Decides which messages are the reply to one ask.
pub(crate) struct Ear<'a> {
    question: &'a Question,
    pub(crate) id: u16,
    foreign: u32,
}

impl<'a> Ear<'a> {
    pub(crate) fn new(question: &'a Question, id: u16) -> Ear<'a> {
        Ear { question, id, foreign: 0 }
    }

    /// The reply, or what is wrong with it; `None` when the message is not for us and the wait goes on.
    pub(crate) fn hear(&mut self, message: &[u8]) -> Option<Result<Stored, Fault>> {
        let question = self.question;
        match take(message, self.id, &question.qname, question.qtype, question.qclass) {
            Ok(stored) => Some(Ok(stored)),
            Err(NotAReply::Truncated) => Some(Err(Fault::Truncated)),
            Err(NotAReply::Malformed { at }) => Some(Err(Fault::Malformed { at })),
            Err(NotAReply::Foreign) => {
                self.foreign += 1;
                (self.foreign > FOREIGN_MAX).then_some(Err(Fault::Flooded))
            }
        }
    }
}

impl Question {
    pub(crate) fn asked(&self, udp_size: u16) -> Asked<'_> {
        Asked {
            qname: self.qname.wire(),
            qtype: self.qtype,
            qclass: self.qclass,
            checking_disabled: self.checking_disabled,
            dnssec_ok: self.dnssec_ok,
            udp_size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolver::tests::{question, reply};

    const ID: u16 = 0x1234;

    #[test]
    fn a_foreign_message_is_not_heard() {
        let asked = question("a.example A");
        let mut ear = Ear::new(&asked, ID);
        assert!(ear.hear(&reply(ID ^ 1, "a.example A", 0)).is_none(), "another ID");
        assert!(ear.hear(&reply(ID, "b.example A", 0)).is_none(), "another question");
        assert!(ear.hear(&[]).is_none() || ear.foreign == 2, "no header");
        assert!(matches!(ear.hear(&reply(ID, "a.example A", 0)), Some(Ok(_))));
    }

    #[test]
    fn guessing_ends_in_tcp() {
        let asked = question("a.example A");
        let mut ear = Ear::new(&asked, ID);
        let wrong = reply(ID ^ 1, "a.example A", 0);
        assert!((0..FOREIGN_MAX).all(|_| ear.hear(&wrong).is_none()));
        assert!(matches!(ear.hear(&wrong), Some(Err(Fault::Flooded))));
    }
}
