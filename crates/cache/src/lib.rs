//! Answers we already have, and how long we may go on giving them.
//!
//! Holds what upstreams said, never what policy made of it: one entry serves every client. L1 ([`Front`]) is per thread and
//! lock-free; L2 ([`Cache`]) is shared and sharded. Knows nothing of sockets, clients or rules. Time is an argument:
//! seconds of a monotonic clock started by the caller.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod front;
mod shared;

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use ahash::RandomState;
use wire::code::Code;
use wire::name::{Folded, Name};
use wire::reply::{Shape, Stored};

pub use front::Front;
pub use shared::Cache;

/// Bounds of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Memory for L2, bytes; entries are evicted beyond it.
    pub size_bytes: usize,
    /// Entries per thread in L1.
    pub l1_entries: usize,
    /// Shortest time an answer is kept, seconds; one that may not be kept at all (TTL 0) is not.
    pub ttl_min: u32,
    /// Longest time a positive answer is kept, seconds.
    pub ttl_max: u32,
    /// Longest time a negative answer is kept, seconds (RFC 2308 §5 suggests hours; default 3 h).
    pub negative_ttl_max: u32,
    /// Time a failure (SERVFAIL and other codes that say nothing of the name) is kept, seconds (RFC 9520: 1 s to 5 min);
    /// 0 keeps none.
    pub failure_ttl: u32,
    /// How long after its end an answer may be given when no upstream answers, seconds (RFC 8767); 0 is off.
    pub stale_max: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            size_bytes: 128 << 20,
            l1_entries: 8_192,
            ttl_min: 0,
            ttl_max: 86_400,
            negative_ttl_max: 3 * 3_600,
            failure_ttl: 5,
            stale_max: 86_400,
        }
    }
}

/// What an answer is kept under. Names compare folded.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Folded name in wire form, then type, class and the flags that change an answer (CD, DO).
    octets: Box<[u8]>,
}

/// Octets of a key behind the name.
const TAIL_LEN: usize = 5;

/// Type, class and flags as they lie in a key.
type Tail = [u8; TAIL_LEN];

fn tail(qtype: u16, qclass: u16, checking_disabled: bool, dnssec_ok: bool) -> Tail {
    let ([type_high, type_low], [class_high, class_low]) = (qtype.to_be_bytes(), qclass.to_be_bytes());
    [type_high, type_low, class_high, class_low, u8::from(checking_disabled) << 1 | u8::from(dnssec_ok)]
}

impl Key {
    /// The key of a question.
    #[must_use]
    pub fn new(qname: &Folded, qtype: u16, qclass: u16, checking_disabled: bool, dnssec_ok: bool) -> Key {
        let tail = tail(qtype, qclass, checking_disabled, dnssec_ok);
        Key { octets: [qname.wire(), &tail].concat().into() }
    }

    /// The name asked for.
    #[must_use]
    pub fn qname(&self) -> Name<'_> {
        Name::new(self.parts().0).unwrap_or(Name::ROOT)
    }

    /// Whether this is the key of these parts.
    fn is(&self, name: &[u8], tail: Tail) -> bool {
        self.parts() == (name, tail)
    }

    fn parts(&self) -> (&[u8], Tail) {
        // Every key is made by `new`, so the tail is always there.
        self.octets.split_last_chunk().map_or((&[], [0; TAIL_LEN]), |(name, tail)| (name, *tail))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, tail) = self.parts();
        let qtype = u16::from_be_bytes([tail[0], tail[1]]);
        let qclass = u16::from_be_bytes([tail[2], tail[3]]);
        write!(f, "Key({} {qclass} {} flags {})", self.qname(), wire::kind::type_name(qtype), tail[4])
    }
}

/// Keyed, so that nobody outside can choose names that meet in one place.
fn hash(state: &RandomState, name: &[u8], tail: Tail) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(name);
    let [a, b, c, d, e] = tail;
    hasher.write_u64(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]));
    hasher.finish()
}

/// A kept answer. Shared: cloning is a count.
#[derive(Debug)]
pub struct Entry {
    /// The packet and what is known of it; its summary moved to `summary`.
    pub stored: Stored,
    /// Name as shown in the log, made once so that a hit allocates nothing.
    pub domain: Arc<str>,
    /// Answer in short, for the log.
    pub summary: Option<Arc<str>>,
    /// The upstream it came from.
    pub upstream: Option<Arc<str>>,
    /// When it was stored, seconds of the caller's clock.
    pub stored_at: u32,
    /// When it ends, seconds of the caller's clock.
    pub expires_at: u32,
}

impl Entry {
    fn new(key: &Key, mut stored: Stored, upstream: Option<Arc<str>>, kept_seconds: u32, now_seconds: u32) -> Entry {
        Entry {
            domain: key.qname().fold().text().into(),
            summary: stored.summary.take().map(Arc::from),
            upstream,
            stored_at: now_seconds,
            expires_at: now_seconds.saturating_add(kept_seconds),
            stored,
        }
    }

    /// Whether it tells of a failure, not of the name: never given after its time, never put in place of an answer.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        is_failure(&self.stored)
    }

    /// Seconds since it was stored: what to take off its TTLs.
    #[must_use]
    pub fn age_seconds(&self, now_seconds: u32) -> u32 {
        now_seconds.saturating_sub(self.stored_at)
    }

    /// How old it is; `None` when it may no longer be given.
    #[must_use]
    pub fn age(&self, now_seconds: u32, stale_max: u32) -> Option<Age> {
        match self.expires_at.checked_sub(now_seconds) {
            Some(left_seconds @ 1..) => Some(Age::Fresh { age_seconds: self.age_seconds(now_seconds), left_seconds }),
            _ => {
                let since_seconds = now_seconds - self.expires_at;
                (since_seconds < stale_max && !self.is_failure()).then_some(Age::Stale { since_seconds })
            }
        }
    }
}

fn is_failure(stored: &Stored) -> bool {
    stored.rcode != Code::NOERROR.number() && stored.rcode != Code::NXDOMAIN.number()
}

impl Settings {
    /// Seconds an answer is kept; 0 for not at all.
    fn kept_seconds(&self, stored: &Stored) -> u32 {
        if is_failure(stored) {
            return self.failure_ttl;
        }
        let ttl_max = match stored.shape {
            Shape::Answer => self.ttl_max,
            Shape::Nodata | Shape::Referral | Shape::Error => self.negative_ttl_max,
        };
        match stored.ttl {
            None | Some(0) => 0,
            Some(ttl) => ttl.max(self.ttl_min).min(ttl_max),
        }
    }
}

/// How old an answer is. Callers must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Within its time.
    Fresh {
        /// Seconds since it was stored.
        age_seconds: u32,
        /// Seconds left, at least 1.
        left_seconds: u32,
    },
    /// After its time, within `stale_max`.
    Stale {
        /// Seconds since it ended.
        since_seconds: u32,
    },
}

/// Figures of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Entries held.
    pub entries: u64,
    /// Bytes held.
    pub bytes: u64,
    /// Entries evicted for room.
    pub evicted: u64,
}

#[cfg(test)]
mod tests;
