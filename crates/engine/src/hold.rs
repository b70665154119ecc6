//! What a desk does with queries beyond the limits: most get silence, some are told to come back in a way that cannot be made up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use event::{Action, Event, Outcome as Got, Transport};
use wire::code::Code;
use wire::view::{Arrival, Edns, Query};

use crate::answer::{Desk, Outcome};
use crate::cookies;
use crate::exit::{Body, Given, Now, Origin, Source, arrival, give, turn_away};
use crate::flood::Kind;
use crate::limits::{Held, Who};
use crate::words::Said;

impl Desk {
    /// A batch is about to be answered. `full` says that there was no room for more, so that others are waiting behind it.
    pub fn batch(&mut self, queries: usize, full: bool, now: Now) {
        let version = self.shared.limits_version.load(Ordering::Acquire);
        if version != self.limits_version {
            self.limits_version = version;
            self.limits.follow(self.shared.limits());
        }
        self.limits.batch(queries, full, now);
    }

    /// Nothing came for a while: what counted others of a second that is over is written down.
    pub fn tick(&mut self, now: Now) {
        for event in self.flood.turn(now.seconds()) {
            self.sink.offer(event);
        }
    }

    /// Whom this arrival is counted to; `None` when it is not counted.
    pub(crate) fn who(&self, arrival: &Arrival<'_>, source: Source, now: Now) -> Option<Who> {
        if source.transport != Transport::Udp || !self.limits.counts() {
            return None;
        }
        self.limits.who(source.peer.ip(), self.is_known(edns(arrival), source, now))
    }

    /// Deals with an arrival that is beyond the limits.
    pub(crate) fn ask(
        &mut self,
        arrival: &Arrival<'_>,
        bytes: &[u8],
        who: Who,
        source: Source,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Option<Outcome> {
        let held = self.limits.ask(who, now)?;
        match arrival {
            Arrival::Query(query) => Some(self.hold(query, &held, source, now, out)),
            Arrival::Operation(_) | Arrival::Reject(_) | Arrival::Silence(_) => {
                if !self.absorbed(source, now) {
                    let mut event = arrival_held(bytes, &held, source, now, self);
                    event.outcome = Got::Dropped;
                    self.leave(now, event);
                }
                Some(Outcome::Silence)
            }
        }
    }

    /// Takes the reply just made back if it is one too many.
    pub(crate) fn reply(
        &mut self,
        query: &Query<'_>,
        who: Who,
        source: Source,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Option<Outcome> {
        let (_, event) = self.leaving.last()?;
        // A client that showed a good cookie is where it says: no reply goes where nobody asked.
        if who.known || event.outcome == Got::Truncated {
            return None;
        }
        let held = self.limits.reply(who, event, now)?;
        self.leaving.pop();
        Some(self.hold(query, &held, source, now, out))
    }

    /// Writes an event down, or counts it in one that stands for a flood.
    #[inline]
    pub(crate) fn record(&mut self, event: Event) {
        self.tally.count(&event);
        match self.limits.kind(&event) {
            None => self.sink.offer(event),
            Some(kind) => self.record_of(kind, event),
        }
    }

    #[cold]
    fn record_of(&mut self, kind: Kind, event: Event) {
        if let Some(event) = self.flood.pass(kind, event, self.limits.settings().events_per_second) {
            self.sink.offer(event);
        }
    }

    fn hold(&mut self, query: &Query<'_>, held: &Held, source: Source, now: Now, out: &mut Vec<u8>) -> Outcome {
        if held.told {
            let line = held.line(self.limits.settings());
            if self.gives_cookies(query.edns) {
                let reject = query.rejected(Code::BADCOOKIE.number());
                let mut event = turn_away(&reject, source, now, &self.shared, Arc::clone(&self.no_ede), line, out);
                event.action = Action::Limit;
                self.leave(now, event);
                return Outcome::Reply;
            }
            let given = Given {
                body: Body::Truncated,
                domain: query.qname.fold().text().into(),
                ede: Arc::clone(&self.no_ede),
                said: Said::told(Action::Limit, line),
                origin: Origin::HERE,
            };
            let event = give(query, source, now, &self.shared, given, out);
            self.leave(now, event);
            return Outcome::Reply;
        }
        out.clear();
        if !self.absorbed(source, now) {
            let mut event = arrival_held(query.bytes, held, source, now, self);
            event.domain = Some(query.qname.fold().text().into());
            (event.qtype, event.qclass) = (query.qtype, query.qclass);
            event.flags = crate::exit::asked_flags(query.header_flags, query.edns);
            self.leave(now, event);
        }
        Outcome::Silence
    }

    /// Whether a query that gets silence is counted without an event of its own: under a flood there is no time to make one.
    fn absorbed(&mut self, source: Source, now: Now) -> bool {
        self.tick(now);
        let absorbed =
            self.limits.settings().events_per_second > 0 && self.flood.absorb(self.limits.flood_of(source.peer.ip()));
        if absorbed {
            self.tally.count_held(source.transport);
        }
        absorbed
    }

    /// Whether the client showed a good cookie, and so is where it says.
    fn is_known(&self, edns: Option<Edns<'_>>, source: Source, now: Now) -> bool {
        edns.is_some() && cookies::is_good(&self.shared.cookies(), edns, source, now)
    }

    fn gives_cookies(&self, edns: Option<Edns<'_>>) -> bool {
        edns.is_some() && cookies::gives(&self.shared.cookies(), edns)
    }
}

fn arrival_held(bytes: &[u8], held: &Held, source: Source, now: Now, desk: &Desk) -> Event {
    let mut event = arrival(bytes, source, now, Arc::clone(&desk.no_ede));
    event.action = Action::Limit;
    event.trace = Some(held.line(desk.limits.settings()).into());
    event
}

fn edns<'a>(arrival: &Arrival<'a>) -> Option<Edns<'a>> {
    match arrival {
        Arrival::Query(query) => query.edns,
        Arrival::Operation(operation) => operation.edns,
        Arrival::Reject(reject) => reject.edns,
        Arrival::Silence(_) => None,
    }
}
