//! The forwarding machine: one question, several upstreams, one conclusion.
//!
//! ```text
//!            next ─▶ Ask ──▶ heard answer ────────────────▶ Done
//!                     │  └─▶ heard truncated ─▶ Ask the same over TCP
//!                     │  └─▶ heard failure ───▶ Ask the next at once
//!                     └─ patience over ───────▶ Ask the next too, still listening to the first
//!            nobody left, nobody outstanding, or budget spent ─▶ Done
//! ```
//!
//! It holds no socket and reads no clock: `next` says what it wants, `heard` tells it what came.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use wire::code::Code;
use wire::reply::Stored;

use crate::upstream::Transport;

/// Time one lookup may take in all. Clients have given up and asked again by then.
pub(crate) const BUDGET_MICROS: u64 = 5_000_000;
/// Asks one lookup may make in all, TCP retries included: what one client's question may cost upstreams.
pub(crate) const ATTEMPTS_MAX: usize = 6;

/// EDE numbers a failed lookup gives (RFC 8914).
const EDE_NO_REACHABLE_AUTHORITY: u16 = 22;
const EDE_NETWORK_ERROR: u16 = 23;
const EDE_INVALID_DATA: u16 = 24;

/// System errors that are about us: ENFILE, EMFILE, ENOBUFS. `ErrorKind` has no stable name for them.
const HERE_ERRORS: [i32; 3] = [23, 24, 105];

/// An upstream this lookup may ask.
pub(crate) struct Candidate {
    pub(crate) name: Arc<str>,
    pub(crate) transport: Transport,
    /// How long to wait before asking another one too.
    pub(crate) patience_micros: u64,
}

/// What a lookup wants next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Ask this candidate; tell the outcome by `heard` under this number.
    Ask { number: usize, candidate: usize, transport: Transport },
    /// Nothing to do until then, unless something is heard.
    Wait { until_micros: u64 },
    /// It is over.
    Done(Conclusion),
}

/// How a lookup ended.
#[derive(Debug)]
pub(crate) enum Conclusion {
    /// An upstream's reply is to be passed on, whatever its code.
    Answered { candidate: usize, stored: Stored },
    /// No reply is fit to be passed on.
    Failed { ede: u16, text: String },
}

/// Why an ask came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// TC was set.
    Truncated,
    /// So many foreign messages came that somebody may be guessing: ask over TCP.
    Flooded,
    /// The reply could not be read.
    Malformed { at: usize },
    /// The network said no.
    Network(String),
    /// We could not even ask: no descriptor, no port, no memory. Says nothing about the upstream.
    Here(String),
    /// No reply while anyone was listening.
    Silent,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            ErrorKind::AddrNotAvailable | ErrorKind::OutOfMemory => Fault::Here(error.to_string()),
            _ if error.raw_os_error().is_some_and(|number| HERE_ERRORS.contains(&number)) => {
                Fault::Here(error.to_string())
            }
            _ => Fault::Network(error.to_string()),
        }
    }
}

struct Ask {
    candidate: usize,
    transport: Transport,
    patience_until_micros: u64,
    outstanding: bool,
    late: bool,
}

/// One lookup.
pub(crate) struct Lookup {
    candidates: Vec<Candidate>,
    ends_micros: u64,
    asks: Vec<Ask>,
    /// Per candidate: what it said, once that rules out asking it again.
    settled: Vec<Option<Settled>>,
    /// The candidate whose turn is next.
    turn: usize,
    /// A candidate to be asked over TCP at once.
    over_tcp: Option<usize>,
    /// Asks that outlived their patience, not yet collected by `late`.
    newly_late: Vec<usize>,
    answer: Option<(usize, Stored)>,
}

enum Settled {
    Code(Stored),
    Malformed { at: usize },
    Network(String),
}

impl Lookup {
    pub(crate) fn new(candidates: Vec<Candidate>, now_micros: u64) -> Lookup {
        let settled = candidates.iter().map(|_| None).collect();
        Lookup {
            candidates,
            ends_micros: now_micros + BUDGET_MICROS,
            asks: Vec::new(),
            settled,
            turn: 0,
            over_tcp: None,
            newly_late: Vec::new(),
            answer: None,
        }
    }

    pub(crate) fn next(&mut self, now_micros: u64) -> Step {
        if let Some((candidate, stored)) = self.answer.take() {
            return Step::Done(Conclusion::Answered { candidate, stored });
        }
        if now_micros >= self.ends_micros {
            self.mark_late(|_| true);
            return Step::Done(self.conclude());
        }
        if self.asks.len() < ATTEMPTS_MAX {
            if let Some(candidate) = self.over_tcp.take() {
                return self.ask(candidate, Transport::Tcp, now_micros);
            }
            if let Some(ask) = self.asks.last().filter(|ask| ask.outstanding && now_micros < ask.patience_until_micros)
            {
                return Step::Wait { until_micros: ask.patience_until_micros.min(self.ends_micros) };
            }
            self.mark_late(|ask| now_micros >= ask.patience_until_micros);
            if let Some(candidate) = self.take_turn() {
                return self.ask(candidate, self.candidates[candidate].transport, now_micros);
            }
        }
        if self.asks.iter().any(|ask| ask.outstanding) {
            return Step::Wait { until_micros: self.ends_micros };
        }
        Step::Done(self.conclude())
    }

    /// Tells what became of an ask.
    pub(crate) fn heard(&mut self, number: usize, heard: Result<Stored, Fault>) {
        let Some(ask) = self.asks.get_mut(number) else { return };
        ask.outstanding = false;
        let (candidate, over_udp) = (ask.candidate, ask.transport == Transport::Udp);
        match heard {
            Ok(stored) if is_final(stored.rcode) => self.answer = Some((candidate, stored)),
            Ok(stored) => self.settled[candidate] = Some(Settled::Code(stored)),
            Err(Fault::Truncated | Fault::Flooded) if over_udp => self.over_tcp = Some(candidate),
            Err(Fault::Truncated | Fault::Flooded) => self.settled[candidate] = Some(Settled::Malformed { at: 2 }),
            Err(Fault::Malformed { at }) => self.settled[candidate] = Some(Settled::Malformed { at }),
            Err(Fault::Network(text) | Fault::Here(text)) => self.settled[candidate] = Some(Settled::Network(text)),
            Err(Fault::Silent) => {}
        }
    }

    /// Candidates that outlived their patience since the last call, each once an ask.
    pub(crate) fn late(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.newly_late)
    }

    /// Asks made so far.
    pub(crate) fn attempts(&self) -> usize {
        self.asks.len()
    }

    /// The candidate asked last.
    pub(crate) fn asked_last(&self) -> Option<usize> {
        self.asks.last().map(|ask| ask.candidate)
    }

    fn ask(&mut self, candidate: usize, transport: Transport, now_micros: u64) -> Step {
        let number = self.asks.len();
        let patience_until_micros = now_micros + self.candidates[candidate].patience_micros;
        self.asks.push(Ask { candidate, transport, patience_until_micros, outstanding: true, late: false });
        Step::Ask { number, candidate, transport }
    }

    /// The next candidate that has not ruled itself out, round and round.
    fn take_turn(&mut self) -> Option<usize> {
        let count = self.candidates.len();
        let candidate = (0..count).map(|step| (self.turn + step) % count).find(|&at| self.settled[at].is_none())?;
        self.turn = candidate + 1;
        Some(candidate)
    }

    fn mark_late(&mut self, is_late: impl Fn(&Ask) -> bool) {
        for ask in &mut self.asks {
            if ask.outstanding && !ask.late && is_late(ask) {
                ask.late = true;
                self.newly_late.push(ask.candidate);
            }
        }
    }

    /// What to make of a lookup without an answer: a SERVFAIL that came is passed on; so is another code when every
    /// upstream gave it; anything else is our own failure, and its text says of each upstream what it did.
    fn conclude(&mut self) -> Conclusion {
        let codes: Vec<Option<u16>> = self
            .settled
            .iter()
            .map(|settled| match settled {
                Some(Settled::Code(stored)) => Some(stored.rcode),
                _ => None,
            })
            .collect();
        let servfail = codes.iter().position(|&code| code == Some(Code::SERVFAIL.number()));
        let unanimous = codes.first().copied().flatten().filter(|first| codes.iter().all(|code| *code == Some(*first)));
        if let Some(candidate) = servfail.or(unanimous.map(|_| 0))
            && let Some(Settled::Code(stored)) = self.settled[candidate].take()
        {
            return Conclusion::Answered { candidate, stored };
        }
        self.failure()
    }

    fn failure(&self) -> Conclusion {
        if self.candidates.is_empty() {
            let text = "no upstream is configured for this name".to_owned();
            return Conclusion::Failed { ede: EDE_NO_REACHABLE_AUTHORITY, text };
        }
        let all = |fits: fn(&Settled) -> bool| self.settled.iter().all(|settled| settled.as_ref().is_some_and(fits));
        let ede = if all(|settled| matches!(settled, Settled::Network(_))) {
            EDE_NETWORK_ERROR
        } else if all(|settled| matches!(settled, Settled::Malformed { .. })) {
            EDE_INVALID_DATA
        } else {
            EDE_NO_REACHABLE_AUTHORITY
        };
        let texts: Vec<String> = self
            .candidates
            .iter()
            .zip(&self.settled)
            .enumerate()
            .filter(|(at, _)| self.asks.iter().any(|ask| ask.candidate == *at))
            .map(|(_, (candidate, settled))| match settled {
                None => format!("{} timed out", candidate.name),
                Some(Settled::Code(stored)) => {
                    format!("{} answered {}", candidate.name, Code::from_key(stored.rcode).name())
                }
                Some(Settled::Malformed { at }) => format!("{} sent an unreadable reply at octet {at}", candidate.name),
                Some(Settled::Network(text)) => format!("{}: {text}", candidate.name),
            })
            .collect();
        Conclusion::Failed { ede, text: texts.join("; ") }
    }
}

/// Whether a code says something about the name. All others say something about the upstream: another may know better.
pub(crate) fn is_final(rcode: u16) -> bool {
    [Code::NOERROR, Code::NXDOMAIN, Code::YXDOMAIN].iter().any(|code| code.number() == rcode)
}

#[cfg(test)]
mod tests;
