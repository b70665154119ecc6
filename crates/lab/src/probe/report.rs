//! What a run found, and what it amounts to.

use std::fmt;
use std::net::SocketAddr;

use wire::code::Code;

use super::seen::Seen;
use crate::message::Transport;

/// Everything a run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The server.
    pub server: SocketAddr,
    /// One for each probe and transport, in the order of the codes.
    pub findings: Vec<Finding>,
}

/// One probe over one transport.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Name of the probe.
    pub name: &'static str,
    /// The code it aims at; `None` when silence is due.
    pub aim: Option<Code>,
    /// What was sent.
    pub sent: &'static str,
    /// Where the reply is prescribed.
    pub rfc: &'static str,
    /// Over what.
    pub transport: Transport,
    /// What came back.
    pub seen: Option<Seen>,
    /// What it is worth.
    pub verdict: Verdict,
    /// The reason for the verdict; empty when there is nothing to add.
    pub note: String,
}

/// What a reply is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The code aimed at, in its place and form.
    Right,
    /// Another reply that the RFC leaves open too.
    Permitted,
    /// The server declines, in a permitted way, what the probe is about.
    NotOffered,
    /// The RFC says otherwise.
    Wrong,
    /// Nothing came back where something was due.
    NoReply,
    /// Not sent: what it needs was not given.
    Skipped,
}

/// What a run amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything right or permitted.
    Fine,
    /// Something wrong, or unanswered among answers.
    Wrong,
    /// No reply to anything.
    NoReply,
}

impl Report {
    /// Whether the code was seen over this transport, by whichever probe.
    #[must_use]
    pub fn saw(&self, code: Code, transport: Transport) -> bool {
        self.seen(transport).any(|seen| seen == code)
    }

    /// Codes seen over this transport, in the order of the findings, with repetitions.
    pub fn seen(&self, transport: Transport) -> impl Iterator<Item = Code> + '_ {
        let over = self.findings.iter().filter(move |finding| finding.transport == transport);
        over.filter_map(|finding| finding.seen.as_ref()).map(Seen::code)
    }

    /// How many findings have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// What it amounts to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let is_mute = self.findings.iter().all(|finding| finding.seen.is_none());
        if is_mute && self.count(Verdict::NoReply) > 0 {
            Outcome::NoReply
        } else if self.count(Verdict::Wrong) + self.count(Verdict::NoReply) > 0 {
            Outcome::Wrong
        } else {
            Outcome::Fine
        }
    }
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Permitted => "permitted",
            Self::NotOffered => "not offered",
            Self::Wrong => "wrong",
            Self::NoReply => "no reply",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
