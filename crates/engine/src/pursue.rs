//! The rest of the walk for a question the cache could not answer: wait for the lookup, screen what it found, leave by
//! the same exit.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use cache::Entry;
use event::{CacheState, Ede, Event};
use policy::{Snapshot, Verdict};
use resolve::{Found, Question};
use wire::code::Code;
use wire::view::{Arrival, Query, read};

use crate::answer::{block_answer, given_block, given_local, question, stored_ede};
use crate::exit::{Body, Given, Now, Origin, Source, arrival, give};
use crate::operate::Sent;
use crate::shared::Shared;
use crate::words::Said;
use crate::zones::Chain;

/// An old answer is given once the client has waited this long. RFC 8767 §5: just under the 2 s at which common clients
/// give up. Longer, and they ask again exactly when upstreams are slowest.
const STALE_AFTER: Duration = Duration::from_millis(1_800);
/// TTL of an old answer, seconds (RFC 8767 §4).
const STALE_TTL_SECONDS: u32 = 30;

/// Extended errors given here (RFC 8914).
const EDE_OTHER: u16 = 0;
const EDE_STALE_ANSWER: u16 = 3;
const EDE_STALE_NXDOMAIN: u16 = 19;

/// A query whose answer has to be looked up. Owns all it needs; the rules are those it began with.
pub struct Pursuit {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) source: Source,
    pub(crate) now: Now,
    pub(crate) question: Question,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) verdict: Verdict,
    /// An answer past its time that may stand in.
    pub(crate) stale: Option<Arc<Entry>>,
    /// What our own zones gave before they led to the question looked up.
    pub(crate) ahead: Option<Chain>,
}

/// A reply that came after its batch had left.
pub struct Late {
    /// Octets for the client; empty when nothing is to be sent.
    pub reply: Vec<u8>,
    pub(crate) event: Event,
    pub(crate) arrived_micros: u64,
    /// What is counted while further messages are made; the event tells of all of them once they are sent.
    pub(crate) sent: Option<Arc<Sent>>,
}

/// Looks the answer up and makes the reply.
pub async fn pursue(shared: &Shared, pursuit: Pursuit) -> Late {
    let patience = pursuit.stale.is_some().then_some(STALE_AFTER);
    let found = shared.resolver.resolve(pursuit.question.clone(), patience).await;
    pursuit.finish(shared, found, "upstreams are slow")
}

impl Pursuit {
    /// A number for the registered domain of the name looked up: the same for all names below it.
    #[must_use]
    pub fn crowd(&self) -> u64 {
        let name = self.question.qname.text();
        let mut hasher = DefaultHasher::new();
        event::reg_domain(&name).unwrap_or(&name).hash(&mut hasher);
        hasher.finish()
    }

    /// Makes the reply of what was found; `None` is a lookup that is not over, for the reason in `why`.
    pub(crate) fn finish(self, shared: &Shared, found: Option<Found>, why: &str) -> Late {
        let mut reply = Vec::new();
        let event = match read(&self.bytes) {
            Arrival::Query(query) => self.exit(&query, shared, found.as_ref(), why, &mut reply),
            // The desk read a query from these octets. Should that ever be untrue, silence and an event say so.
            Arrival::Operation(_) | Arrival::Reject(_) | Arrival::Silence(_) => {
                arrival(&self.bytes, self.source, self.now, Arc::from([]))
            }
        };
        Late { reply, event, arrived_micros: self.now.monotonic_micros, sent: None }
    }

    /// Makes a reply without a lookup.
    pub(crate) fn give_up(self, shared: &Shared, why: &str) -> Late {
        self.finish(shared, None, why)
    }

    fn exit(&self, query: &Query<'_>, shared: &Shared, found: Option<&Found>, why: &str, reply: &mut Vec<u8>) -> Event {
        let origin = self.origin(found);
        let said = |said: Said| said.behind(self.ahead.as_ref());
        let entry = match (found, &self.stale) {
            (Some(found), _) if !found.failed() => Some(&found.entry),
            (_, Some(stale)) => Some(stale),
            (Some(found), None) => Some(&found.entry),
            (None, None) => None,
        };
        let asked = question(query);
        let Some(entry) = entry else {
            let ede = Arc::from([Ede { code: EDE_OTHER, text: why.into() }]);
            let (body, domain) = (Body::Code(Code::SERVFAIL.number()), asked.qname.text().into());
            let given = Given { body, domain, ede, said: said(Said::of(&self.verdict)), origin };
            return give(query, self.source, self.now, shared, given, reply);
        };
        if let Some(screened) = self.snapshot.policy.screen(&self.verdict, &entry.stored.targets) {
            let said = said(Said::of_screened(&self.verdict, &screened, &entry.stored.targets));
            let stored = block_answer(&asked, &self.snapshot);
            let given = given_block(&asked, &stored, &screened.verdict, said, origin);
            return give(query, self.source, self.now, shared, given, reply);
        }
        let is_stale = origin.cache == CacheState::Stale;
        let ttl_max = if is_stale { STALE_TTL_SECONDS } else { u32::MAX };
        let ede = if is_stale { stale_ede(entry, found, why) } else { stored_ede(&entry.stored).collect() };
        let said = said(Said::of(&self.verdict));
        if let Some(chain) = &self.ahead {
            let stored = chain.before(&asked, &entry.stored, 0, ttl_max);
            let ede = if stored.ede.is_empty() { ede } else { stored_ede(&stored).collect() };
            let given = Given { origin, ..given_local(&asked, &stored, said, &ede) };
            return give(query, self.source, self.now, shared, given, reply);
        }
        let given = Given {
            body: Body::Stored {
                stored: &entry.stored,
                summary: entry.summary.clone(),
                age_seconds: 0,
                ttl_max,
                ttl: entry.stored.ttl.map(|ttl| ttl.min(ttl_max)),
            },
            domain: Arc::clone(&entry.domain),
            ede,
            said,
            origin,
        };
        give(query, self.source, self.now, shared, given, reply)
    }

    fn origin(&self, found: Option<&Found>) -> Origin {
        let stale = self.stale.is_some() && found.is_none_or(Found::failed);
        Origin {
            cache: if stale { CacheState::Stale } else { CacheState::Miss },
            upstream: found.and_then(|found| found.upstream.clone()),
            upstream_latency_micros: found.and_then(|found| found.upstream_latency_micros),
            attempts: found.map_or(0, |found| found.attempts),
        }
    }
}

/// That the answer is old, and why no newer one could be had.
fn stale_ede(entry: &Entry, found: Option<&Found>, why: &str) -> Arc<[Ede]> {
    let code = if entry.stored.rcode == Code::NXDOMAIN.number() { EDE_STALE_NXDOMAIN } else { EDE_STALE_ANSWER };
    let text = if found.is_some() { "" } else { why };
    let reasons = found.into_iter().flat_map(|found| stored_ede(&found.entry.stored));
    std::iter::once(Ede { code, text: text.into() }).chain(reasons).take(event::EDE_MAX).collect()
}
