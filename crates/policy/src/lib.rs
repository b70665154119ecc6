//! What is allowed: lists compiled into one immutable snapshot; `judge` for a question, `screen` for an answer.
//!
//! Knows names and rules; knows no sockets, files, cache or clock. Lists come in as readers of bytes; where they lie is
//! `control`'s business.

use std::io::BufRead;
use std::sync::Arc;

use wire::name::Folded;

/// What a list does with a name on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAction {
    /// Lets it through, over any block of the same or lesser precision.
    Allow,
    /// Blocks it.
    Block,
}

/// How a list's lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Told from the lines themselves, line by line.
    Auto,
    /// `0.0.0.0 ads.example`: exactly this host.
    Hosts,
    /// `ads.example`: the name and everything below it. `*.ads.example`: below it only.
    Domains,
    /// `||ads.example^` the name and everything below; `@@||ok.example^` an exception; `|ads.example^` exactly the name.
    Adblock,
}

/// A list as the operator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// Its name.
    pub name: Arc<str>,
    /// What it does.
    pub action: ListAction,
    /// How its lines are written.
    pub format: Format,
    /// EDE sent with a block (RFC 8914): 15 blocked, 16 censored, 17 filtered.
    pub ede: u16,
}

/// Longest line read, bytes; the rest of a longer one is skipped and the line counted as rejected.
pub const LINE_BYTES_MAX: usize = 4096;
/// Faults kept per list, with line and reason; all are counted.
pub const FAULTS_KEPT: usize = 20;

/// What reading one list gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListReport {
    /// Rules taken.
    pub rules: u64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// The first of them.
    pub faults: Vec<LineFault>,
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// Line number from 1.
    pub line: u64,
    /// The line, shortened to 120 characters.
    pub text: String,
    /// Why.
    pub reason: String,
}

/// Collects lists into a snapshot.
pub struct Compiler {}

impl Compiler {
    /// Starts with no lists. `seed` keys the hashes, so that nobody outside can make names meet.
    #[must_use]
    pub fn new(_seed: u64) -> Compiler {
        todo!()
    }

    /// Reads one list, streaming. At most 255 lists.
    ///
    /// # Errors
    /// When the reader fails; the lines read so far are taken back.
    pub fn add(&mut self, _info: ListInfo, _lines: impl BufRead) -> std::io::Result<ListReport> {
        todo!()
    }

    /// Compiles the snapshot.
    #[must_use]
    pub fn finish(self) -> Policy {
        todo!()
    }
}

/// An immutable snapshot of all rules.
pub struct Policy {}

/// What policy says of a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Block, allow, or nothing matched.
    pub decision: Decision,
    /// The rule that decided.
    pub by: Option<Match>,
    /// A rule that matched and lost: the block an allow overrode, or the allow a more precise block overrode.
    pub over: Option<Match>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing matched.
    Pass,
    /// An allow rule decided.
    Allow,
    /// A block rule decided.
    Block,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The list it is on.
    pub list: Arc<ListInfo>,
    /// The rule as it would be written: `=ads.example` (exactly), `ads.example` (and below), `*.ads.example` (below).
    pub rule: Arc<str>,
}

impl Policy {
    /// A policy without rules.
    #[must_use]
    pub fn empty() -> Policy {
        todo!()
    }

    /// Judges a name: the most precise rule wins, allow wins a tie; among lists of one action the first configured one is named.
    #[must_use]
    pub fn judge(&self, _qname: &Folded) -> Verdict {
        todo!()
    }

    /// Rules in force.
    #[must_use]
    pub fn rules(&self) -> u64 {
        todo!()
    }

    /// Memory held by the rules, bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        todo!()
    }
}

/// What the walk of a query sees of policy: swapped as a whole by one pointer.
pub struct Snapshot {
    /// The rules.
    pub policy: Policy,
    /// How a block is answered.
    pub block: BlockAnswer,
    /// Networks that may ask at all; everyone else gets REFUSED with EDE 18.
    pub admitted: Vec<Network>,
    /// Counts snapshots; caches in front of policy die with their epoch.
    pub epoch: u64,
}

/// How a block is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockAnswer {
    /// The form.
    pub kind: wire::reply::BlockReply,
    /// TTL of the block answer, seconds.
    pub ttl: u32,
}

/// A network such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// First address.
    pub address: std::net::IpAddr,
    /// Bits that count.
    pub prefix: u8,
}
