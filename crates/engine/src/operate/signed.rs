//! Signed messages: the check of what arrives, and the signature on what leaves.

use std::sync::Arc;

use event::Outcome;
use wire::code::Code;
use wire::name::Folded;
use wire::reply::MESSAGE_LEN_MAX;
use wire::tsig::{self, Algorithm, Checked, Key, Keys, Signer, Tsig};
use wire::view::{Arrival, HEADER_LEN, Reason, flag, read};

use super::{Errand, MadeKeys, Operated, unix_seconds};
use crate::answer::{Desk, Outcome as Step};
use crate::authority::Authority;
use crate::exit::{Now, replied, size_max, turn_away};
use crate::pursue::{Late, pursue};

/// Signs replies, at the time the request came unless told another.
pub(crate) struct Pen {
    signer: Signer,
    seconds: u64,
}

impl Pen {
    /// Octets a signature adds.
    pub(crate) fn len(&self) -> usize {
        self.signer.len()
    }

    /// Time goes on while a transfer is sent.
    pub(crate) fn at(&mut self, now: Now) {
        self.seconds = unix_seconds(now);
    }

    pub(crate) fn sign(&mut self, reply: &mut Vec<u8>) {
        self.signer.sign(reply, self.seconds);
    }
}

/// Keys of the configuration, then those made by TKEY.
struct Keyring<'a> {
    authority: &'a Authority,
    made: &'a MadeKeys,
    seconds: u64,
}

impl Keys for Keyring<'_> {
    fn find(&self, name: &Folded, algorithm: Algorithm) -> Option<Arc<Key>> {
        let kept = self.authority.keys.iter().find(|key| key.name == *name && key.algorithm == algorithm);
        kept.cloned().or_else(|| self.made.find(name, self.seconds).filter(|key| key.algorithm == algorithm))
    }
}

/// Checks the signature, does what the message asks, and signs.
pub(super) async fn run(errand: Errand<'_>, tsig_at: usize) -> Operated {
    let seconds = errand.seconds();
    let keyring = Keyring { authority: &errand.authority, made: &errand.shared.made, seconds };
    let (message, signer) = match tsig::check(errand.operation.bytes, tsig_at, &keyring, seconds) {
        Checked::Good { message, signer } => (message, signer),
        Checked::Bad(refusal) => {
            let mut done = turn(&errand, Code::NOTAUTH, tsig_at, &refusal.reason());
            refusal.append(&mut done.late.reply, seconds);
            let event = &mut done.late.event;
            event.tsig_error = Some(refusal.error);
            event.key = Some(refusal.key_name.text().into());
            replied(event, &done.late.reply);
            return done;
        }
        Checked::Malformed { at } => {
            let mut done = turn(&errand, Code::FORMERR, tsig_at, &format!("TSIG record malformed at octet {at}"));
            let tsig = Tsig::read(errand.operation.bytes, tsig_at).ok();
            done.late.event.key = tsig.map(|tsig| tsig.key_name.text().into());
            return done;
        }
    };
    let key_name = signer.key().name.clone();
    let query_len = errand.operation.bytes.len();
    let mut pen = Some(Pen { signer, seconds });
    let mut done = below(&errand, &message, &key_name, &mut pen).await;
    let event = &mut done.late.event;
    event.key = Some(key_name.text().into());
    event.query_size = u16::try_from(query_len).unwrap_or(u16::MAX);
    match pen {
        Some(pen) => seal(&errand, &mut done.late, pen),
        // A transfer took it along and has signed.
        None => event.tsig_error = Some(0),
    }
    done
}

/// Does what the message below the signature asks.
async fn below(errand: &Errand<'_>, message: &[u8], key: &Folded, pen: &mut Option<Pen>) -> Operated {
    let Errand { shared, source, now, .. } = *errand;
    let (mut desk, mut out) = (Desk::aside(Arc::clone(shared)), Vec::new());
    let step = match read(message) {
        Arrival::Operation(operation) => {
            let authority = Arc::clone(&errand.authority);
            let errand = Errand { authority, operation: &operation, key: Some(key.clone()), ..*errand };
            return errand.run(pen).await;
        }
        Arrival::Query(query) => desk.walk(&query, Some(key), source, now, &mut out),
        Arrival::Reject(reject) => desk.reject(&reject, source, now, &mut out),
        // The message was no response before its signature was taken off either.
        Arrival::Silence(_) => Step::Silence,
    };
    if let Step::Pursue(pursuit) = step {
        let late = pursue(shared, *pursuit).await;
        return Operated { late, more: None };
    }
    let event = desk.take_event();
    Operated::late(out, event.unwrap_or_else(|| crate::exit::arrival(message, source, now, Arc::from([]))), now)
}

/// Signs the reply. One that would not fit with its signature becomes header and question with TC (RFC 8945 §5.3).
fn seal(errand: &Errand<'_>, late: &mut Late, mut pen: Pen) {
    let unsigned = [Code::FORMERR, Code::BADVERS, Code::BADCOOKIE].map(|code| Some(code.number()));
    if late.reply.is_empty() || unsigned.contains(&late.event.rcode) {
        return;
    }
    let size_max = size_max(errand.source, errand.operation.edns, errand.shared.settings.udp_size);
    if late.reply.len() + pen.len() > size_max.min(MESSAGE_LEN_MAX) {
        cut(errand, &mut late.reply);
        late.event.rcode = Some(Code::NOERROR.number());
        late.event.outcome = Outcome::Truncated;
    }
    pen.sign(&mut late.reply);
    late.event.tsig_error = Some(Code::NOERROR.number());
    replied(&mut late.event, &late.reply);
}

/// Leaves header and question, with TC and NOERROR.
fn cut(errand: &Errand<'_>, reply: &mut Vec<u8>) {
    let question_end = errand.operation.question.map_or(HEADER_LEN, |(.., end)| end);
    reply.truncate(question_end);
    let [Some(high), Some(low)] = [2, 3].map(|at| reply.get(at).copied()) else { return };
    let flags = (u16::from_be_bytes([high, low]) | flag::TC) & !flag::RCODE;
    let counts = [u16::from(question_end > HEADER_LEN), 0, 0, 0];
    let header = [&[flags][..], &counts].concat();
    for (octets, field) in reply[2..].chunks_exact_mut(2).zip(header) {
        octets.copy_from_slice(&field.to_be_bytes());
    }
}

/// A reply to a signature that is not accepted.
fn turn(errand: &Errand<'_>, code: Code, tsig_at: usize, reason: &str) -> Operated {
    let mut out = Vec::new();
    let reject = errand.operation.rejected(code.number(), Reason::BadTsig { at: tsig_at });
    let trace = format!("signature: {reason}");
    let event = turn_away(&reject, errand.source, errand.now, errand.shared, Arc::from([]), trace, &mut out);
    Operated::late(out, event, errand.now)
}
