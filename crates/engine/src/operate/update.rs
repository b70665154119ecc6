//! UPDATE (RFC 2136): who may, then whether it holds, then the change, kept before it is answered.
//!
//! Whether the client may change the zone at all is asked before the prerequisites, so that a stranger cannot read the zone
//! through them. What it may change in particular is asked after them, as RFC 2136 §3.3 has it, and after the form of the changes
//! was looked at, so that a name outside the zone gets NOTZONE.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use event::Ede;
use wire::code::Code;
use wire::kind;
use wire::name::Folded;
use zone::update::{Denial, Update};
use zone::{Held, Role, State, Zone};

use super::{Denied, Errand, Operated};
use crate::authority::{Access, Authority, Grant};

/// Lines about grants in one trace.
const GRANT_LINES_MAX: usize = 8;

pub(super) async fn run(errand: &Errand<'_>) -> Result<Operated, Denied> {
    let is_offered = errand.authority.access.values().any(|access| !access.update.is_empty());
    if !is_offered {
        let line = "no zone here takes updates";
        return Err(Denied::told(Code::NOTIMP, wire::ede::NOT_SUPPORTED, line));
    }
    let update = Update::read(&errand.message()?).map_err(denied)?;
    let summary: Option<Arc<str>> = Some(update.summary().into());
    Ok(match change(errand, update).await {
        Ok(line) => {
            let mut done = errand.code(Code::NOERROR, Arc::from([]), 0, line);
            done.late.event.update = summary;
            done
        }
        Err(denied) => errand.deny(denied, summary),
    })
}

/// Makes the change; gives what the trace says of it.
async fn change(errand: &Errand<'_>, update: Update) -> Result<String, Denied> {
    let held = errand.held()?;
    if held.role() == Role::Secondary {
        let line = format!("{} is changed at its primary, and updates are not forwarded", held.origin());
        return Err(Denied::told(Code::REFUSED, wire::ede::NOT_SUPPORTED, line));
    }
    if !errand.access(held.origin()).update.iter().any(|grant| errand.is(&grant.who)) {
        return Err(errand.refused("update this zone"));
    }
    if let State::Unavailable { ede, why } = &**held.state() {
        let line = format!("{} is not in service: {why}", held.origin());
        return Err(Denied { code: Code::SERVFAIL, ede: Some(Ede { code: *ede, text: Arc::clone(why) }), line });
    }
    let work = Work {
        update,
        held,
        authority: Arc::clone(&errand.authority),
        client: errand.source.peer.ip(),
        key: errand.key.clone(),
    };
    let done = tokio::task::spawn_blocking(move || work.run()).await;
    done.unwrap_or_else(|_| Err(Denied::told(Code::SERVFAIL, wire::ede::OTHER, "the change was broken off")))
}

/// A change on its way to the thread that makes it and waits for it to be kept.
struct Work {
    update: Update,
    held: Arc<Held>,
    authority: Arc<Authority>,
    client: IpAddr,
    key: Option<Folded>,
}

impl Work {
    fn run(&self) -> Result<String, Denied> {
        let nobody = Access::default();
        let access = self.authority.access.get(self.held.origin()).unwrap_or(&nobody);
        let mut lines = String::new();
        let changed = self.held.change(&*self.authority.keeper, |zone| {
            self.update.check_prerequisites(zone)?;
            self.update.prescan(zone)?;
            lines = self.granted(access, zone)?;
            self.update.apply(zone)
        });
        match changed.map_err(denied)? {
            Some(serial) => Ok(format!("{} has serial {serial} now{lines}", self.held.origin())),
            None => Ok(format!("nothing in {} changes{lines}", self.held.origin())),
        }
    }

    /// Which grants cover the changes; each change must be covered by one.
    fn granted(&self, access: &Access, zone: &Zone) -> Result<String, Denial> {
        let mine: Vec<&Grant> =
            access.update.iter().filter(|grant| grant.who.is(self.client, self.key.as_ref())).collect();
        let mut used = BTreeSet::new();
        for (name, rtype) in self.update.touched() {
            for rtype in expanded(zone, name, rtype) {
                let covers = |grant: &&Grant| {
                    grant.covers_name(name, zone.origin(), self.key.as_ref())
                        && rtype.is_none_or(|rtype| grant.covers_type(rtype))
                };
                let Some(by) = mine.iter().position(covers) else {
                    let what = rtype.map_or("".into(), |rtype| format!(" {}", kind::type_name(rtype)));
                    return Err(Denial { code: Code::REFUSED, reason: format!("no grant covers {name}{what}") });
                };
                used.insert(by);
            }
        }
        let lines = used.into_iter().take(GRANT_LINES_MAX).filter_map(|at| mine.get(at));
        Ok(lines.map(|grant| format!("\ngrant: {grant}")).collect())
    }
}

/// The types a change touches: itself, or those a name has when all of them go. SOA and NS of the apex stay then
/// (RFC 2136 §3.4.2.3). `None` is a name without any.
fn expanded(zone: &Zone, name: &Folded, rtype: u16) -> Vec<Option<u16>> {
    if rtype != kind::ANY {
        return vec![Some(rtype)];
    }
    let stays = |rtype| name == zone.origin() && matches!(rtype, kind::SOA | kind::NS);
    let types: Vec<_> =
        zone.rrsets(name).iter().map(|set| set.rtype).filter(|&rtype| !stays(rtype)).map(Some).collect();
    if types.is_empty() { vec![None] } else { types }
}

/// A zone's denial with the extended error that goes with its code.
fn denied(denial: Denial) -> Denied {
    let Denial { code, reason } = denial;
    let ede = match code {
        Code::FORMERR | Code::SERVFAIL => Some(wire::ede::OTHER),
        Code::REFUSED => Some(wire::ede::PROHIBITED),
        Code::NOTAUTH => Some(wire::ede::NOT_AUTHORITATIVE),
        _ => None,
    };
    Denied { code, ede: ede.map(|code| Ede { code, text: reason.as_str().into() }), line: reason }
}
