//! How much an event weighs: severities of syslog, CEF and LEEF by what became of the query.

use event::{Action, Outcome, Row};

/// Kinds of events a collector tells apart, lightest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// An answer, whatever it says: NXDOMAIN is an answer.
    Answer,
    /// A query refused, or a reply that says the client is at fault.
    Refused,
    /// Policy blocked the query.
    Blocked,
    /// The client got nothing it can use: SERVFAIL, a time-out, silence.
    Failed,
    /// A signature that is not accepted (RFC 8945).
    Forged,
}

/// RCODE SERVFAIL.
const SERVFAIL: u16 = 2;
/// RCODE NXDOMAIN.
const NXDOMAIN: u16 = 3;

impl Weight {
    pub(crate) fn of(row: &Row) -> Weight {
        if row.tsig_error.is_some_and(|error| error != 0) {
            return Weight::Forged;
        }
        match (row.action, row.outcome, row.rcode) {
            (Action::Block, ..) => Weight::Blocked,
            (Action::Limit, ..) => Weight::Refused,
            (_, Outcome::Dropped | Outcome::Timeout, _) | (_, _, Some(SERVFAIL)) => Weight::Failed,
            (Action::Refuse, ..) => Weight::Refused,
            (_, Outcome::Error, Some(code)) if code != NXDOMAIN => Weight::Refused,
            _ => Weight::Answer,
        }
    }

    /// Severity of syslog (RFC 5424 §6.2.1).
    pub(crate) fn severity(self) -> u8 {
        match self {
            Weight::Answer => 6,
            Weight::Refused | Weight::Blocked => 5,
            Weight::Failed | Weight::Forged => 4,
        }
    }

    /// Severity of CEF and LEEF, 1 to 10.
    pub(crate) fn of_ten(self) -> u8 {
        match self {
            Weight::Answer => 1,
            Weight::Refused => 3,
            Weight::Failed => 4,
            Weight::Blocked => 6,
            Weight::Forged => 8,
        }
    }

    /// What names this kind of event to a collector.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Weight::Answer => "dns-answered",
            Weight::Refused => "dns-refused",
            Weight::Blocked => "dns-blocked",
            Weight::Failed => "dns-failed",
            Weight::Forged => "dns-bad-signature",
        }
    }

    /// The same for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Weight::Answer => "DNS query answered",
            Weight::Refused => "DNS query refused",
            Weight::Blocked => "DNS query blocked",
            Weight::Failed => "DNS query failed",
            Weight::Forged => "DNS signature not accepted",
        }
    }
}
