//! What is allowed: lists compiled into one immutable snapshot; `judge` for a question, `screen` for an answer.
//!
//! Knows names and rules; knows no sockets, files, cache or clock. Lists come in as readers of bytes; where they lie is
//! `control`'s business.
//!
//! ```text
//! bytes of a list --line--> rules --compile--> table of suffix hashes --judge--> verdict
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod compile;
mod find;
mod judge;
mod line;
mod network;
mod suffix;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

pub use compile::{Compiler, LISTS_MAX, RULES_MAX, RULES_PER_LIST_MAX};
pub use find::{LINES_TOLD_MAX, LineFound, Mentions, find};
pub use judge::{Policy, Screened};
pub use line::LINE_BYTES_MAX;
pub use network::{Network, NetworkError};

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

/// Faults kept per list, with line and reason; all are counted.
pub const FAULTS_KEPT: usize = 20;

/// What reading one list gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListReport {
    /// Rules taken.
    pub rules: u64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// Lines that name only the machine itself, as a hosts file does (`127.0.0.1 localhost`).
    pub skipped: u64,
    /// The first of the rejected lines.
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
    /// The rule as it would be written: `=ads.example` (exactly), `ads.example` (and below), `*.ads.example` (below); with `@@` in
    /// front when it is an exception, which allows though its list blocks.
    pub rule: Arc<str>,
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

impl Snapshot {
    /// Whether this client may ask at all.
    #[must_use]
    pub fn admits(&self, client: IpAddr) -> bool {
        self.admitted.iter().any(|network| network.contains(client))
    }
}

/// How a block is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockAnswer {
    /// The form.
    pub kind: wire::reply::BlockReply,
    /// TTL of the block answer, seconds.
    pub ttl: u32,
}
