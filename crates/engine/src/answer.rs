//! The walk of a query, in order, on one page.

use std::sync::Arc;

use cache::{Age, Entry, Front};
use event::{Action, CacheState, Ede, Event, Sink, Transport};
use policy::{Decision, Snapshot, Verdict};
use resolve::Question;
use wire::code::Code;
use wire::kind::{OPCODE_DSO, class_name};
use wire::name::Folded;
use wire::reply::Stored;
use wire::view::{Arrival, Edns, Operation, Query, Reason, Reject, Silence, flag, read};

use crate::cookies::{self, Pressure, Wanted};
use crate::exit::{Body, Given, Now, Origin, Source, arrival, give, size_max, turn_away};
use crate::flood::Flood;
use crate::limits::Limits;
use crate::local;
use crate::operate::Operating;
use crate::pursue::{Late, Pursuit};
use crate::shared::Shared;
use crate::tally::Tally;
use crate::words::{Said, block_ede};
use crate::zones::{self, Asking, Chain, Zoned};

/// QCLASS IN, CH, HS.
const IN: u16 = 1;
const CH: u16 = 3;
const HS: u16 = 4;

/// Extended errors given here (RFC 8914).
const EDE_OTHER: u16 = 0;
pub(crate) const EDE_CACHED_ERROR: u16 = 13;
const EDE_PROHIBITED: u16 = 18;
const EDE_NOT_AUTHORITATIVE: u16 = 20;
const EDE_NOT_SUPPORTED: u16 = 21;

/// What became of an arrival.
pub enum Outcome {
    /// The reply lies in the buffer.
    Reply,
    /// Nothing is to be sent.
    Silence,
    /// An upstream has to be asked: hand it to [`crate::pursue()`], or [`Desk::give_up`].
    Pursue(Box<Pursuit>),
    /// It leaves the hot path: hand it to [`crate::operate()`].
    Operate(Box<Operating>),
}

/// Where one thread answers. Holds that thread's own cache, its tally, and the events of replies not sent yet.
pub struct Desk {
    pub(crate) shared: Arc<Shared>,
    front: Option<Front>,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) tally: Arc<Tally>,
    /// Events of replies on their way out, with the monotonic time of arrival.
    pub(crate) leaving: Vec<(u64, Event)>,
    pub(crate) no_ede: Arc<[Ede]>,
    pressure: Pressure,
    pub(crate) limits: Limits,
    pub(crate) limits_version: u64,
    pub(crate) flood: Flood,
}

impl Drop for Desk {
    /// What counted others is written down before the desk goes.
    fn drop(&mut self) {
        for event in self.flood.rest() {
            self.sink.offer(event);
        }
    }
}

impl Desk {
    /// A desk with a cache of its own, for a thread that answers many clients.
    #[must_use]
    pub fn new(shared: Arc<Shared>, sink: Box<dyn Sink>) -> Desk {
        let (front, tally) = (Front::new(shared.settings.l1_entries), shared.tally());
        Desk::at(shared, sink, tally, Some(front))
    }

    /// A desk that shares everyone's cache only.
    #[must_use]
    pub fn small(shared: Arc<Shared>, sink: Box<dyn Sink>) -> Desk {
        let tally = shared.tally();
        Desk::at(shared, sink, tally, None)
    }

    fn at(shared: Arc<Shared>, sink: Box<dyn Sink>, tally: Arc<Tally>, front: Option<Front>) -> Desk {
        let limits = Limits::new(shared.limits());
        Desk {
            shared,
            front,
            sink,
            tally,
            leaving: Vec::new(),
            no_ede: Arc::from([]),
            pressure: Pressure::default(),
            limits,
            limits_version: 0,
            flood: Flood::default(),
        }
    }

    /// A desk for one message off the hot path; its event is taken with [`Desk::take_event`], offered by whoever took the message
    /// up, and counted there.
    pub(crate) fn aside(shared: Arc<Shared>) -> Desk {
        Desk::at(shared, Box::new(Nowhere), Arc::default(), None)
    }

    /// Answers one message, or says what is missing.
    pub fn answer(&mut self, bytes: &[u8], source: Source, now: Now, out: &mut Vec<u8>) -> Outcome {
        let arrival = read(bytes);
        let who = self.who(&arrival, source, now);
        if let Some(who) = who
            && let Some(outcome) = self.ask(&arrival, bytes, who, source, now, out)
        {
            return outcome;
        }
        match arrival {
            Arrival::Query(query) => {
                let outcome = match self.cookie_wanted(query.edns, source, now) {
                    Wanted::Nothing => self.walk(&query, None, source, now, out),
                    Wanted::Cookie => self.bad_cookie(&query.rejected(Code::BADCOOKIE.number()), source, now, out),
                    Wanted::Stream => self.send_to_stream(&query, source, now, out),
                };
                match (who, outcome) {
                    (Some(who), Outcome::Reply) => self.reply(&query, who, source, now, out).unwrap_or(Outcome::Reply),
                    (_, outcome) => outcome,
                }
            }
            Arrival::Operation(operation) => self.operation(&operation, source, now, out),
            Arrival::Reject(reject) => self.reject(&reject, source, now, out),
            Arrival::Silence(silence) => self.keep_silent(silence, bytes, source, now),
        }
    }

    /// Walks one query, signed with `key` if it was. Everything a query can meet, it meets here.
    pub(crate) fn walk(
        &mut self,
        query: &Query<'_>,
        key: Option<&Folded>,
        source: Source,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Outcome {
        // Read before the zones are looked at: what is kept under an old epoch dies with it.
        let zones_epoch = self.shared.zones_epoch();
        let snapshot = self.shared.policy();
        let epoch = snapshot.epoch.wrapping_add(zones_epoch);
        let mut walk = Walk { desk: self, query, source, now, epoch, out };
        let admitted = snapshot.admits(source.peer.ip());
        let question = question(query);
        if admitted && walk.at_hand(&question) {
            return Outcome::Reply;
        }
        if query.qclass == IN && walk.desk.shared.holds_zones() {
            let (client, recursion_desired) = (source.peer.ip(), query.recursion_desired());
            let asking = Asking { question: &question, client, key, admitted, recursion_desired };
            match zones::ask(&walk.desk.shared.authority_now(), &asking) {
                Zoned::Elsewhere => {}
                Zoned::Answer(chain) => return walk.zone(&question, &chain),
                Zoned::Leads(chain, target) => return walk.onward(&question, &snapshot, chain, *target),
                Zoned::Code(code, ede, line) => {
                    let action = if code == Code::REFUSED { Action::Refuse } else { Action::Pass };
                    return walk.code(code, ede.code, &ede.text, Said::told(action, line));
                }
            }
        }
        if !admitted {
            return walk.refuse_stranger();
        }
        if query.qclass != IN {
            return walk.refuse_class();
        }
        if let Some((answer, why)) = local::special(&question.qname, query.qtype, query.qclass) {
            return walk.local(&question, &answer, Said::told(Action::Pass, why.to_owned()));
        }
        if query.header_flags & flag::RD == 0 {
            return walk.refuse_iteration();
        }
        let verdict = snapshot.policy.judge(&question.qname);
        if verdict.decision == Decision::Block {
            return walk.block(&question, &snapshot, &verdict);
        }
        if query.qtype == local::ANY {
            return walk.local(&question, &local::any(&question.qname, query.qclass), Said::of(&verdict));
        }
        walk.cached_or_pursued(question, &snapshot, verdict, None)
    }

    /// The event of the reply just made at a desk aside.
    pub(crate) fn take_event(&mut self) -> Option<Event> {
        self.leaving.pop().map(|(_, event)| event)
    }

    /// The replies of the batch are on their way: their events leave too.
    pub fn close(&mut self, now: Now) {
        self.tick(now);
        let mut leaving = std::mem::take(&mut self.leaving);
        for (arrived_micros, mut event) in leaving.drain(..) {
            event.latency_micros = since(arrived_micros, now);
            self.record(event);
        }
        self.leaving = leaving;
    }

    /// Offers the event of a reply that came late.
    pub fn offer(&mut self, late: Late, now: Now) {
        let mut event = late.event;
        if let Some(sent) = late.sent {
            sent.tell(&mut event);
        }
        event.latency_micros = since(late.arrived_micros, now);
        self.tick(now);
        self.record(event);
    }

    /// Answers a pursuit nobody can take up now: with an old answer if there is one, else SERVFAIL that says why.
    pub fn give_up(&mut self, pursuit: Pursuit, why: &str, out: &mut Vec<u8>) {
        let late = pursuit.give_up(&self.shared, why);
        out.clear();
        out.extend_from_slice(&late.reply);
        self.leaving.push((late.arrived_micros, late.event));
    }

    /// Answers an operation nobody can take up now: SERVFAIL that says why. It is not signed, since no key was looked up: a
    /// client that signs waits, and tries again.
    pub fn give_up_operation(&mut self, operating: Operating, why: &str, out: &mut Vec<u8>) {
        let Operating { bytes, source, now } = operating;
        out.clear();
        // The desk read an operation from these octets. Should that ever be untrue, nothing is sent.
        let Arrival::Operation(operation) = read(&bytes) else { return };
        let reject = operation.rejected(Code::SERVFAIL.number(), Reason::Opcode { opcode: operation.opcode });
        let ede = Arc::from([Ede { code: EDE_OTHER, text: why.into() }]);
        let trace = format!("operation: not taken up, {why}");
        let event = turn_away(&reject, source, now, &self.shared, ede, trace, out);
        self.leaving.push((now.monotonic_micros, event));
    }

    fn operation(&mut self, operation: &Operation<'_>, source: Source, now: Now, out: &mut Vec<u8>) -> Outcome {
        // RFC 8490 §3: sessions are had over TCP and TLS, where listeners keep them and no such message comes here.
        if operation.opcode == OPCODE_DSO {
            let reason = Reason::Opcode { opcode: OPCODE_DSO };
            return self.reject(&operation.rejected(reason.rcode(), reason), source, now, out);
        }
        // Who signs needs no cookie, and who sends none has never heard of them: only a wrong one is told.
        if operation.tsig_at.is_none() && self.cookie_wanted(operation.edns, source, now) == Wanted::Cookie {
            let reason = Reason::Opcode { opcode: operation.opcode };
            return self.bad_cookie(&operation.rejected(Code::BADCOOKIE.number(), reason), source, now, out);
        }
        Outcome::Operate(Box::new(Operating { bytes: operation.bytes.into(), source, now }))
    }

    pub(crate) fn reject(&mut self, reject: &Reject<'_>, source: Source, now: Now, out: &mut Vec<u8>) -> Outcome {
        if reject.reason == Reason::CookieProbe
            && let Some(rcode) = cookies::probe(&self.shared.cookies(), reject.edns, source, now)
        {
            return self.probe(&Reject { rcode: rcode.number(), ..reject.clone() }, source, now, out);
        }
        let code = if reject.rcode == Code::FORMERR.number() { EDE_OTHER } else { EDE_NOT_SUPPORTED };
        let ede = Arc::from([Ede { code, text: reject.reason.to_string().into() }]);
        let trace = format!("message: {}", reject.reason);
        let event = turn_away(reject, source, now, &self.shared, ede, trace, out);
        self.leaving.push((now.monotonic_micros, event));
        Outcome::Reply
    }

    fn cookie_wanted(&mut self, edns: Option<Edns<'_>>, source: Source, now: Now) -> Wanted {
        if source.transport != Transport::Udp || !self.shared.cookies_demanded() {
            return Wanted::Nothing;
        }
        cookies::wanted(&self.shared.cookies(), edns, source, now, &mut self.pressure)
    }

    fn bad_cookie(&mut self, reject: &Reject<'_>, source: Source, now: Now, out: &mut Vec<u8>) -> Outcome {
        let trace = "cookies: server cookie missing or wrong, a fresh one is given".to_owned();
        let event = turn_away(reject, source, now, &self.shared, Arc::clone(&self.no_ede), trace, out);
        self.leave(now, event);
        Outcome::Reply
    }

    fn probe(&mut self, reject: &Reject<'_>, source: Source, now: Now, out: &mut Vec<u8>) -> Outcome {
        let trace = "cookies: asked for without a question (RFC 7873)".to_owned();
        let event = turn_away(reject, source, now, &self.shared, Arc::clone(&self.no_ede), trace, out);
        self.leave(now, event);
        Outcome::Reply
    }

    fn send_to_stream(&mut self, query: &Query<'_>, source: Source, now: Now, out: &mut Vec<u8>) -> Outcome {
        let given = Given {
            body: Body::Truncated,
            domain: query.qname.fold().text().into(),
            ede: Arc::clone(&self.no_ede),
            said: Said::told(Action::Pass, "cookies: none sent, to be asked again over TCP".to_owned()),
            origin: Origin::HERE,
        };
        let event = give(query, source, now, &self.shared, given, out);
        self.leave(now, event);
        Outcome::Reply
    }

    /// Keeps an event until its reply is on its way.
    pub(crate) fn leave(&mut self, now: Now, event: Event) {
        self.leaving.push((now.monotonic_micros, event));
    }

    fn keep_silent(&mut self, silence: Silence, bytes: &[u8], source: Source, now: Now) -> Outcome {
        let mut event = arrival(bytes, source, now, Arc::clone(&self.no_ede));
        let why = match silence {
            Silence::NoHeader => "message: too short for a header, not answered",
            Silence::Response => "message: a response, never answered",
        };
        event.trace = Some(why.into());
        self.leaving.push((now.monotonic_micros, event));
        Outcome::Silence
    }
}

/// One query on its walk. Each method below is one way out.
struct Walk<'a> {
    desk: &'a mut Desk,
    query: &'a Query<'a>,
    source: Source,
    now: Now,
    /// Of rules and zones together: what is kept at hand lives as long as both stay.
    epoch: u64,
    out: &'a mut Vec<u8>,
}

impl Walk<'_> {
    /// What this thread answered under the same rules a moment ago: judged then, so neither judged nor screened again.
    fn at_hand(&mut self, question: &Question) -> bool {
        if self.query.header_flags & flag::RD == 0 {
            return false;
        }
        let Desk { front: Some(front), leaving, no_ede, shared, .. } = &mut *self.desk else { return false };
        let seconds = self.now.seconds();
        let Question { qname, qtype, qclass, checking_disabled, dnssec_ok } = question;
        let Some(entry) = front.get(qname, *qtype, *qclass, *checking_disabled, *dnssec_ok, self.epoch, seconds) else {
            return false;
        };
        let given = given_hit(entry, Said::NOTHING, seconds, no_ede);
        let event = give(self.query, self.source, self.now, shared, given, self.out);
        leaving.push((self.now.monotonic_micros, event));
        true
    }

    /// What our zones alone give.
    fn zone(&mut self, question: &Question, chain: &Chain) -> Outcome {
        let udp_size = self.desk.shared.settings.udp_size;
        let size_max = size_max(self.source, self.query.edns, udp_size);
        let Some(stored) = chain.stored(question, size_max) else {
            let said = Said::told(Action::Pass, chain.lines.clone());
            return self.code(Code::SERVFAIL, EDE_OTHER, zones::TOO_LARGE, said);
        };
        self.local(question, &stored, Said::told(Action::Pass, chain.lines.clone()))
    }

    /// Goes on where aliases lead out of our zones: policy judges that name, and its answer comes behind the chain.
    fn onward(&mut self, asked: &Question, snapshot: &Arc<Snapshot>, chain: Chain, target: Folded) -> Outcome {
        let Question { qtype, qclass, .. } = *asked;
        if qtype == local::ANY {
            return self.zone(asked, &chain);
        }
        if let Some((tail, why)) = local::special(&target, qtype, qclass) {
            let stored = chain.before(asked, &tail, 0, u32::MAX);
            return self.local(asked, &stored, Said::told(Action::Pass, format!("{}\n{why}", chain.lines)));
        }
        let verdict = snapshot.policy.judge(&target);
        if verdict.decision == Decision::Block {
            let said = Said::of_target(&verdict, &target).after(&chain.lines);
            return self.block_as(asked, snapshot, &verdict, said, Origin::HERE);
        }
        let question = Question { qname: target, ..asked.clone() };
        self.cached_or_pursued(question, snapshot, verdict, Some(chain))
    }

    /// `ahead` is the chain that led to the question from the one that was asked.
    fn cached_or_pursued(
        &mut self,
        question: Question,
        snapshot: &Arc<Snapshot>,
        verdict: Verdict,
        ahead: Option<Chain>,
    ) -> Outcome {
        let seconds = self.now.seconds();
        let Question { qname, qtype, qclass, checking_disabled, dnssec_ok } = &question;
        let cache = &self.desk.shared.cache;
        let held = cache.get_question(qname, *qtype, *qclass, *checking_disabled, *dnssec_ok, seconds);
        let (entry, stale) = match held {
            Some((entry, Age::Fresh { .. })) => (Some(entry), None),
            Some((entry, Age::Stale { .. })) => (None, Some(entry)),
            None => (None, None),
        };
        if let Some(entry) = entry {
            if let Some(screened) = snapshot.policy.screen(&verdict, &entry.stored.targets) {
                let said = Said::of_screened(&verdict, &screened, &entry.stored.targets).behind(ahead.as_ref());
                let origin = Origin { cache: CacheState::Hit, upstream: entry.upstream.clone(), ..Origin::HERE };
                return self.block_as(&crate::answer::question(self.query), snapshot, &screened.verdict, said, origin);
            }
            if let Some(chain) = &ahead {
                let asked = crate::answer::question(self.query);
                let stored = chain.before(&asked, &entry.stored, entry.age_seconds(seconds), u32::MAX);
                let ede = if stored.ede.is_empty() { cached_ede(&entry) } else { stored_ede(&stored).collect() };
                let origin = Origin { cache: CacheState::Hit, upstream: entry.upstream.clone(), ..Origin::HERE };
                let said = Said::of(&verdict).after(&chain.lines);
                self.give(Given { ede, origin, ..given_local(&asked, &stored, said, &self.desk.no_ede) });
                return Outcome::Reply;
            }
            let given = given_hit(&entry, Said::of(&verdict), seconds, &self.desk.no_ede);
            self.give(given);
            if verdict.decision == Decision::Pass
                && let Some(front) = &mut self.desk.front
            {
                front.put(&question.key(), entry, self.epoch);
            }
            return Outcome::Reply;
        }
        let failed_recently = stale.is_some() && self.desk.shared.resolver.failed_recently(&question.key(), seconds);
        let pursuit = Pursuit {
            bytes: self.query.bytes.into(),
            source: self.source,
            now: self.now,
            question,
            snapshot: Arc::clone(snapshot),
            verdict,
            stale,
            ahead,
        };
        if failed_recently {
            self.desk.give_up(pursuit, "no upstream answered a moment ago", self.out);
            return Outcome::Reply;
        }
        Outcome::Pursue(Box::new(pursuit))
    }

    fn block(&mut self, question: &Question, snapshot: &Snapshot, verdict: &Verdict) -> Outcome {
        self.block_as(question, snapshot, verdict, Said::of(verdict), Origin::HERE)
    }

    fn block_as(
        &mut self,
        question: &Question,
        snapshot: &Snapshot,
        verdict: &Verdict,
        said: Said,
        origin: Origin,
    ) -> Outcome {
        let stored = block_answer(question, snapshot);
        self.give(given_block(question, &stored, verdict, said, origin));
        Outcome::Reply
    }

    fn local(&mut self, question: &Question, answer: &Stored, said: Said) -> Outcome {
        let no_ede = Arc::clone(&self.desk.no_ede);
        self.give(given_local(question, answer, said, &no_ede));
        Outcome::Reply
    }

    fn refuse_stranger(&mut self) -> Outcome {
        let line = format!("admission: {} is in no admitted network", self.source.peer.ip().to_canonical());
        self.code(Code::REFUSED, EDE_PROHIBITED, "this client may not ask here", Said::told(Action::Refuse, line))
    }

    fn refuse_class(&mut self) -> Outcome {
        let class = class_name(self.query.qclass);
        // CH and HS are real classes that somebody else may serve; the others no query can be answered in.
        let code = if matches!(self.query.qclass, CH | HS) { Code::REFUSED } else { Code::NOTIMP };
        let line = format!("class: {class} is not served here");
        self.code(code, EDE_NOT_SUPPORTED, &format!("class {class} is not served here"), Said::told(Action::Pass, line))
    }

    /// Without RD only our own data could be given, and there is none of this name; the cache is not for looking into.
    fn refuse_iteration(&mut self) -> Outcome {
        let said = Said::told(Action::Pass, "recursion: not desired, and nothing is served with authority".to_owned());
        self.code(Code::REFUSED, EDE_NOT_AUTHORITATIVE, "ask with RD set", said)
    }

    fn code(&mut self, code: Code, ede: u16, text: &str, said: Said) -> Outcome {
        let given = Given {
            body: Body::Code(code.number()),
            domain: self.query.qname.fold().text().into(),
            ede: Arc::from([Ede { code: ede, text: text.into() }]),
            said,
            origin: Origin::HERE,
        };
        self.give(given);
        Outcome::Reply
    }

    fn give(&mut self, given: Given<'_>) {
        let event = give(self.query, self.source, self.now, &self.desk.shared, given, self.out);
        self.desk.leaving.push((self.now.monotonic_micros, event));
    }
}

/// Where events go that somebody else offers.
struct Nowhere;

impl Sink for Nowhere {
    fn offer(&mut self, _event: Event) {}
}

/// The question a query asks.
pub(crate) fn question(query: &Query<'_>) -> Question {
    Question {
        qname: query.qname.fold(),
        qtype: query.qtype,
        qclass: query.qclass,
        checking_disabled: query.header_flags & flag::CD != 0,
        dnssec_ok: query.edns.is_some_and(|edns| edns.dnssec_ok),
    }
}

/// An answer of our own.
pub(crate) fn given_local<'a>(question: &Question, answer: &'a Stored, said: Said, no_ede: &Arc<[Ede]>) -> Given<'a> {
    Given {
        body: Body::Stored {
            stored: answer,
            summary: answer.summary.as_deref().map(Arc::from),
            age_seconds: 0,
            ttl_max: u32::MAX,
            ttl: answer.ttl,
        },
        domain: question.qname.text().into(),
        ede: Arc::clone(no_ede),
        said,
        origin: Origin::HERE,
    }
}

fn given_hit<'a>(entry: &'a Entry, said: Said, seconds: u32, no_ede: &Arc<[Ede]>) -> Given<'a> {
    let plain = entry.stored.ede.is_empty() && !entry.is_failure();
    let ede = if plain { Arc::clone(no_ede) } else { cached_ede(entry) };
    Given {
        body: Body::Stored {
            stored: &entry.stored,
            summary: entry.summary.clone(),
            age_seconds: entry.age_seconds(seconds),
            ttl_max: u32::MAX,
            ttl: entry.stored.ttl.map(|ttl| ttl.saturating_sub(entry.age_seconds(seconds))),
        },
        domain: Arc::clone(&entry.domain),
        ede,
        said,
        origin: Origin { cache: CacheState::Hit, upstream: entry.upstream.clone(), ..Origin::HERE },
    }
}

/// The extended errors of a kept reply; for a kept failure also that it is kept.
fn cached_ede(entry: &Entry) -> Arc<[Ede]> {
    let cached = entry.is_failure().then(|| Ede { code: EDE_CACHED_ERROR, text: "".into() });
    cached.into_iter().chain(stored_ede(&entry.stored)).take(event::EDE_MAX).collect()
}

pub(crate) fn stored_ede(stored: &Stored) -> impl Iterator<Item = Ede> + '_ {
    stored.ede.iter().map(|(code, text)| Ede { code: *code, text: text.as_str().into() })
}

pub(crate) fn block_answer(question: &Question, snapshot: &Snapshot) -> Stored {
    let Question { qname, qtype, qclass, .. } = question;
    wire::reply::block(snapshot.block.kind, qname, *qtype, *qclass, snapshot.block.ttl)
}

pub(crate) fn given_block<'a>(
    question: &Question,
    stored: &'a Stored,
    verdict: &Verdict,
    said: Said,
    origin: Origin,
) -> Given<'a> {
    Given {
        body: Body::Stored {
            stored,
            summary: stored.summary.as_deref().map(Arc::from),
            age_seconds: 0,
            ttl_max: u32::MAX,
            ttl: stored.ttl,
        },
        domain: question.qname.text().into(),
        ede: block_ede(verdict).into_iter().collect(),
        said,
        origin,
    }
}

fn since(arrived_micros: u64, now: Now) -> u32 {
    u32::try_from(now.monotonic_micros.saturating_sub(arrived_micros)).unwrap_or(u32::MAX)
}
