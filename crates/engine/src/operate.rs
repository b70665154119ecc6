//! What leaves the hot path at the view: UPDATE, NOTIFY, transfers, TKEY, and every message signed with TSIG.
//!
//! The signature comes first: a message signed wrongly is answered with that and nothing is done (RFC 8945 §5.2). A good one is
//! taken off; what is below it goes its way, a plain query the same way as all others; and the reply is signed. FORMERR, BADVERS
//! and BADCOOKIE never are: the client hears that nothing of its message was taken up.

mod notify;
mod signed;
mod tkey;
mod transfer;
mod update;

use std::sync::Arc;

use event::{Ede, Event, Outcome};
use wire::code::Code;
use wire::kind::{self, OPCODE_NOTIFY, OPCODE_QUERY, OPCODE_UPDATE};
use wire::message::Message;
use wire::name::Folded;
use wire::reply::Shipping;
use wire::view::{Arrival, Operation, Reason, flag, read};

use crate::authority::{Access, Authority, Who};
use crate::exit::{Now, Source, arrival, asked_flags, replied, shipping, turn_away};
use crate::pursue::Late;
use crate::shared::Shared;

pub(crate) use tkey::MadeKeys;
pub(crate) use transfer::Sent;

use signed::Pen;

/// An operation to be done. Owns all it needs.
pub struct Operating {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) source: Source,
    pub(crate) now: Now,
}

/// The further messages of a transfer, one a call, until there are none; each is signed at the time told. A long transfer would
/// else end outside of the clients' fudge.
pub type More = Box<dyn FnMut(Now) -> Option<Vec<u8>> + Send>;

/// What became of it.
pub struct Operated {
    /// The first reply (empty when nothing is to be sent) and the event.
    pub late: Late,
    /// Further messages of a transfer, in order, for the same connection.
    pub more: Option<More>,
}

/// Does it. Waits for lookups and for changes to be kept; must be polled on a tokio runtime.
pub async fn operate(shared: &Arc<Shared>, operating: Operating) -> Operated {
    let Operating { bytes, source, now } = operating;
    // The desk read an operation from these octets. Should that ever be untrue, silence and an event say so.
    let Arrival::Operation(operation) = read(&bytes) else {
        return Operated::late(Vec::new(), arrival(&bytes, source, now, Arc::from([])), now);
    };
    let errand = Errand { shared, authority: shared.authority(), operation: &operation, source, now, key: None };
    match operation.tsig_at {
        Some(tsig_at) => signed::run(errand, tsig_at).await,
        None => errand.run(&mut None).await,
    }
}

/// One operation under way, its signature already judged.
pub(crate) struct Errand<'a> {
    shared: &'a Arc<Shared>,
    authority: Arc<Authority>,
    operation: &'a Operation<'a>,
    source: Source,
    now: Now,
    /// Name of the key it was signed with.
    key: Option<Folded>,
}

/// Why an operation is not done: the code, what is said beside it, and the line in the trace.
#[derive(Debug)]
struct Denied {
    code: Code,
    ede: Option<Ede>,
    line: String,
}

impl Denied {
    /// A code with an extended error of the same text as the line.
    fn told(code: Code, ede: u16, line: impl Into<String>) -> Denied {
        let line = line.into();
        Denied { code, ede: Some(Ede { code: ede, text: line.as_str().into() }), line }
    }

    /// A message that is not what its opcode wants.
    fn form(line: impl Into<String>) -> Denied {
        Denied::told(Code::FORMERR, wire::ede::OTHER, line)
    }
}

impl Errand<'_> {
    /// Goes where opcode and type say. A transfer over a stream takes the pen with it.
    async fn run(&self, pen: &mut Option<Pen>) -> Operated {
        let qtype = self.operation.question.map(|(_, qtype, ..)| qtype);
        let done = match (self.operation.opcode, qtype) {
            (OPCODE_UPDATE, _) => update::run(self).await,
            (OPCODE_NOTIFY, _) => notify::run(self),
            (OPCODE_QUERY, Some(kind::AXFR | kind::IXFR)) => transfer::run(self, pen),
            (OPCODE_QUERY, Some(kind::TKEY)) => tkey::run(self, pen.as_ref()),
            (opcode, _) => {
                let line = format!("opcode {} is not offered", kind::opcode_name(opcode));
                Err(Denied::told(Code::NOTIMP, wire::ede::NOT_SUPPORTED, line))
            }
        };
        done.unwrap_or_else(|denied| self.deny(denied, None))
    }

    /// The message, read whole.
    fn message(&self) -> Result<Message, Denied> {
        Message::read(self.operation.bytes).map_err(|malformed| Denied::form(malformed.to_string()))
    }

    /// Name and class of the zone, or of what else is asked.
    fn subject(&self) -> Result<(Folded, u16), Denied> {
        let (name, _, class, _) = self.operation.question.ok_or_else(|| Denied::form("there is no question"))?;
        Ok((name.fold(), class))
    }

    /// The zone with exactly this apex.
    fn held(&self) -> Result<Arc<zone::Held>, Denied> {
        let (name, class) = self.subject()?;
        let held = self.authority.zones.get(&name).filter(|_| class == kind::CLASS_IN);
        held.cloned().ok_or_else(|| {
            let line = format!("{name} {} is no zone held here", kind::class_name(class));
            Denied::told(Code::NOTAUTH, wire::ede::NOT_AUTHORITATIVE, line)
        })
    }

    fn is(&self, who: &Who) -> bool {
        who.is(self.source.peer.ip(), self.key.as_ref())
    }

    /// Who may do what with a zone; nobody anything when nothing is said of it.
    fn access(&self, origin: &Folded) -> &Access {
        static NOBODY: Access =
            Access { query: Vec::new(), transfer: Vec::new(), notify: Vec::new(), update: Vec::new() };
        self.authority.access.get(origin).unwrap_or(&NOBODY)
    }

    /// The client, as the trace names it.
    fn client(&self) -> String {
        let address = self.source.peer.ip().to_canonical();
        match &self.key {
            Some(key) => format!("{address} with key {key}"),
            None => format!("{address} without a key"),
        }
    }

    fn refused(&self, what: &str) -> Denied {
        let line = format!("{} may not {what}", self.client());
        let text = format!("this client may not {what}");
        Denied { code: Code::REFUSED, ede: Some(Ede { code: wire::ede::PROHIBITED, text: text.into() }), line }
    }

    /// The reply that says why not.
    fn deny(&self, denied: Denied, update: Option<Arc<str>>) -> Operated {
        let Denied { code, ede, line } = denied;
        let mut done = self.code(code, ede.into_iter().collect(), 0, line);
        done.late.event.update = update;
        done
    }

    /// A reply without records.
    fn code(&self, code: Code, ede: Arc<[Ede]>, more_flags: u16, line: String) -> Operated {
        let mut out = Vec::new();
        // The reason is not looked at where a reply is written.
        let reject = self.operation.rejected(code.number(), Reason::Opcode { opcode: self.operation.opcode });
        let trace = format!("{}: {line}", self.word());
        let mut event = turn_away(&reject, self.source, self.now, self.shared, ede, trace, &mut out);
        if let Some(octet) = out.get_mut(2) {
            *octet |= (more_flags >> 8) as u8;
        }
        if code == Code::NOERROR {
            event.outcome = Outcome::Answered;
        }
        replied(&mut event, &out);
        Operated::late(out, event, self.now)
    }

    /// A reply with records, already written.
    fn reply(&self, out: Vec<u8>, code: Code, line: &str) -> Operated {
        let mut event = arrival(self.operation.bytes, self.source, self.now, Arc::from([]));
        if let Some((name, qtype, qclass, _)) = self.operation.question {
            event.domain = Some(name.fold().text().into());
            (event.qtype, event.qclass) = (qtype, qclass);
        }
        event.flags = asked_flags(self.operation.header_flags, self.operation.edns);
        event.outcome = if code == Code::NOERROR { Outcome::Answered } else { Outcome::Error };
        event.rcode = Some(code.number());
        event.trace = Some(format!("{}: {line}", self.word()).into());
        replied(&mut event, &out);
        Operated::late(out, event, self.now)
    }

    /// Header octets 2 and 3 of a reply with records.
    fn reply_flags(&self) -> u16 {
        flag::QR | self.operation.header_flags & (flag::OPCODE | flag::RD)
    }

    /// Octets a reply may have before OPT and signature.
    fn room(&self, pen: Option<&Pen>) -> usize {
        let shipping = self.shipping();
        let opt_len = wire::reply::opt_len_min(self.operation.edns, &shipping);
        shipping.size_max.saturating_sub(opt_len + pen.map_or(0, Pen::len))
    }

    /// Ends a reply with OPT when the client sent one.
    fn append_opt(&self, reply: &mut Vec<u8>) {
        wire::reply::append_opt(reply, self.operation.edns, Code::NOERROR.number(), &self.shipping());
    }

    fn shipping(&self) -> Shipping<'_> {
        shipping(self.source, self.now, self.operation.edns, self.shared, &[])
    }

    /// Seconds since the Unix epoch.
    fn seconds(&self) -> u64 {
        unix_seconds(self.now)
    }

    /// What kind of operation it is, in the trace.
    fn word(&self) -> &'static str {
        match (self.operation.opcode, self.operation.question) {
            (OPCODE_UPDATE, _) => "update",
            (OPCODE_NOTIFY, _) => "notify",
            (OPCODE_QUERY, Some((_, kind::AXFR | kind::IXFR, ..))) => "transfer",
            (OPCODE_QUERY, Some((_, kind::TKEY, ..))) => "tkey",
            _ => "message",
        }
    }
}

impl Operated {
    fn late(reply: Vec<u8>, event: Event, now: Now) -> Operated {
        Operated { late: Late { reply, event, arrived_micros: now.monotonic_micros, sent: None }, more: None }
    }
}

fn unix_seconds(now: Now) -> u64 {
    u64::try_from(now.wall_micros / 1_000_000).unwrap_or(0)
}
