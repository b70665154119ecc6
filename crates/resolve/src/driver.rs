//! The loop that owns the sockets: does what the machine says and tells it what came of it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use wire::code::Code;
use wire::reply::Stored;

use crate::lookup::{Candidate, Conclusion, Fault, Lookup, Step};
use crate::resolver::Question;
use crate::upstream::{Transport, Upstream};
use crate::{clock, tcp, udp};

/// What a lookup came to.
pub(crate) struct Landed {
    pub(crate) conclusion: Conclusion,
    pub(crate) upstream: Option<Arc<str>>,
    /// Time the upstream that answered took; for a failure, the time of the whole lookup.
    pub(crate) took_micros: u64,
    pub(crate) attempts: u8,
}

struct Heard {
    number: usize,
    took_micros: u64,
    heard: Result<Stored, Fault>,
}

/// Runs one lookup to its end.
pub(crate) async fn run(upstreams: Vec<Arc<Upstream>>, question: &Arc<Question>, udp_size: u16) -> Landed {
    let started_micros = clock::micros();
    let mut lookup = Lookup::new(upstreams.iter().map(candidate).collect(), started_micros);
    // Within this task: a lookup asks one upstream, rarely a second beside it.
    let mut asks = FuturesUnordered::new();
    let mut took_micros = None;
    let conclusion = loop {
        let now_micros = clock::micros();
        let step = lookup.next(now_micros);
        for candidate in lookup.late() {
            upstreams[candidate].failed();
        }
        match step {
            Step::Ask { number, candidate, transport } => {
                let upstream = Arc::clone(&upstreams[candidate]);
                let question = Arc::clone(question);
                asks.push(async move {
                    let asked_micros = clock::micros();
                    let heard = ask(&upstream, transport, &question, udp_size).await;
                    let took_micros = clock::micros().saturating_sub(asked_micros);
                    note(&upstream, &heard, took_micros);
                    Heard { number, took_micros, heard }
                });
            }
            Step::Wait { until_micros } => {
                let wait = Duration::from_micros(until_micros.saturating_sub(now_micros));
                match tokio::time::timeout(wait, asks.next()).await {
                    Ok(Some(Heard { number, took_micros: took, heard })) => {
                        if heard.is_ok() {
                            took_micros = Some(took);
                        }
                        lookup.heard(number, heard);
                    }
                    // With no ask left at all the machine could only wait in vain.
                    Ok(None) => tokio::time::sleep(wait).await,
                    Err(_) => {}
                }
            }
            Step::Done(conclusion) => break conclusion,
        }
    };
    let whole_micros = clock::micros().saturating_sub(started_micros);
    let upstream = match &conclusion {
        Conclusion::Answered { candidate, .. } => Some(*candidate),
        Conclusion::Failed { .. } => {
            took_micros = None;
            lookup.asked_last()
        }
    };
    Landed {
        conclusion,
        upstream: upstream.map(|candidate| Arc::clone(&upstreams[candidate].name)),
        took_micros: took_micros.unwrap_or(whole_micros),
        attempts: u8::try_from(lookup.attempts()).unwrap_or(u8::MAX),
    }
}

/// Asks an upstream whether it is there: any readable reply but REFUSED will do.
pub(crate) async fn probe(upstream: &Upstream, question: &Question, udp_size: u16, wait: Duration) {
    let asked_micros = clock::micros();
    let heard = tokio::time::timeout(wait, ask(upstream, upstream.settings.transport, question, udp_size)).await;
    note(upstream, &heard.unwrap_or(Err(Fault::Silent)), clock::micros().saturating_sub(asked_micros));
}

async fn ask(upstream: &Upstream, transport: Transport, question: &Question, udp_size: u16) -> Result<Stored, Fault> {
    upstream.sent();
    let address = upstream.settings.address;
    match transport {
        Transport::Udp => udp::ask(address, question, udp_size).await,
        Transport::Tcp => tcp::ask(&upstream.idle, address, question, udp_size).await,
    }
}

/// Writes down what an ask says about the upstream's health.
fn note(upstream: &Upstream, heard: &Result<Stored, Fault>, took_micros: u64) {
    match heard {
        // One that refuses will not serve us, however quickly it says so.
        Ok(stored) if stored.rcode == Code::REFUSED.number() => upstream.failed(),
        Ok(_) | Err(Fault::Truncated) => upstream.answered(took_micros),
        Err(Fault::Here(_)) => {}
        Err(Fault::Flooded | Fault::Malformed { .. } | Fault::Network(_) | Fault::Silent) => upstream.failed(),
    }
}

fn candidate(upstream: &Arc<Upstream>) -> Candidate {
    Candidate {
        name: Arc::clone(&upstream.name),
        transport: upstream.settings.transport,
        patience_micros: upstream.patience_micros(),
    }
}
