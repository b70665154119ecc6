//! What we remember of one query: the event, its columns, and the sender that carries it off the hot path.
//!
//! `Event` is the only word the walk of a query and the walk of an event share. This crate knows how an event
//! looks in memory and in Arrow columns; it knows nothing of files, searches or how an answer was found.

mod about;
mod columns;
mod dictionary;
mod names;
mod row;
mod words;

pub use about::column_about;
pub use arrow::array::RecordBatch as Batch;
pub use columns::{
    Builder, SCHEMA_VERSION, address_bytes, address_from_bytes, derive, is_derived, reg_domain, reversed_domain,
    schema, schema_of, upgrade,
};
pub use row::{NotEvents, Row, rows};
pub use words::{Action, CacheState, Flags, Outcome, Transport};

use std::net::IpAddr;
use std::sync::Arc;

/// Longest answer summary kept, in bytes; longer ones end in `…`.
pub const ANSWER_SUMMARY_BYTES_MAX: usize = 512;
/// Most extended errors kept per event.
pub const EDE_MAX: usize = 8;

/// One extended DNS error (RFC 8914) with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ede {
    /// INFO-CODE.
    pub code: u16,
    /// EXTRA-TEXT, empty when there was none.
    pub text: Arc<str>,
}

/// What we remember of one query.
#[derive(Clone, Debug)]
pub struct Event {
    /// Arrival, microseconds since the Unix epoch, UTC.
    pub time_micros: i64,
    /// Who asked.
    pub client: IpAddr,
    /// Source port of the client.
    pub client_port: u16,
    /// How the query came.
    pub transport: Transport,
    /// OPCODE, 0 to 15.
    pub opcode: u8,
    /// The name asked in presentation form, lower case, no final dot (`.` for the root); `None` when no question could be read.
    pub domain: Option<Arc<str>>,
    /// QTYPE; 0 when no question could be read.
    pub qtype: u16,
    /// QCLASS; 0 when no question could be read.
    pub qclass: u16,
    /// Flags of query and reply.
    pub flags: Flags,
    /// What the client got.
    pub outcome: Outcome,
    /// RCODE of the reply, 12 bits (header and OPT); `None` when there was no reply.
    pub rcode: Option<u16>,
    /// TSIG error of the reply (RFC 8945); `None` without a TSIG record.
    pub tsig_error: Option<u16>,
    /// TKEY error of the reply (RFC 2930); `None` without a TKEY record.
    pub tkey_error: Option<u16>,
    /// Extended errors (RFC 8914), at most `EDE_MAX`; kept even when the client sent no OPT. Shared with the cache entry.
    pub ede: Arc<[Ede]>,
    /// The answer section in short, such as `CNAME edge.example, A 192.0.2.1`; `None` when empty.
    pub answer: Option<Arc<str>>,
    /// Records in the answer section.
    pub answer_count: u16,
    /// Smallest TTL in the answer, seconds.
    pub ttl: Option<u32>,
    /// What policy did.
    pub action: Action,
    /// The list that decided.
    pub list: Option<Arc<str>>,
    /// The rule that decided, as the list has it.
    pub rule: Option<Arc<str>>,
    /// What policy looked at on the way, one `stage: finding` per line; `None` when nothing matched.
    pub trace: Option<Arc<str>>,
    /// Where the answer came from.
    pub cache: CacheState,
    /// The upstream that answered, or was asked last, such as `udp://192.0.2.53:53`; `None` when none was asked.
    pub upstream: Option<Arc<str>>,
    /// Time the upstream took, microseconds; `None` when none was asked.
    pub upstream_latency_micros: Option<u32>,
    /// Upstream attempts made for this query.
    pub attempts: u8,
    /// Name of the TSIG key the query was signed with, or that TKEY speaks of; folded, no final dot. Kept even when the signature
    /// was not accepted: the code says so.
    pub key: Option<Arc<str>>,
    /// Prerequisites and changes of an UPDATE in short, at most 512 octets.
    pub update: Option<Arc<str>>,
    /// Further queries that this event stands for: of the same kind, in the same second, and not written down one by one (a flood).
    /// 0 nearly always.
    pub repeats: u32,
    /// From arrival to reply, microseconds.
    pub latency_micros: u32,
    /// Bytes of the query.
    pub query_size: u16,
    /// Bytes of the reply; 0 when there was none.
    pub reply_size: u16,
    /// Whose query it was; `None` when the client belongs to no tenant, or until the log looks it up.
    pub tenant: Option<Arc<str>>,
    /// The server that answered, or what the event was imported from.
    pub node: Option<Arc<str>>,
}

/// Where the walk of a query leaves its events. An answer never waits for its event: `offer` returns at once, and a
/// sink that is full drops the event and counts it.
pub trait Sink: Send {
    /// Takes one event, or drops and counts it.
    fn offer(&mut self, event: Event);
}
