//! Provokes every return code from a DNS server, whoever made it, and holds each reply against the RFC.
//!
//! Each probe is one message that aims at one code, or at silence. What comes back is taken apart into the four places a
//! code can travel in (header, OPT, TSIG error, TKEY error), its signature is checked, and a verdict says whether the RFC
//! agrees. Knows no server by name: what a server does not offer is told from what it does wrongly by the reply alone.
//!
//! Probing changes nothing on the server. Updates carry prerequisites only, or delete what does not exist, or are
//! malformed or out of zone; no key is made and the key that is deleted does not exist.

mod ask;
mod cases;
mod ground;
mod judge;
mod make;
mod prober;
mod report;
mod seen;

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use wire::code::Code;
use wire::name::Folded;
use wire::tsig::Key;

pub use crate::message::Transport;
pub use prober::Prober;
pub use report::{Finding, Outcome, Report, Verdict};
pub use seen::{Seen, Signature};

use cases::{CASES, Case};
use ground::Ground;

/// Names tried for SERVFAIL when none are given: one that fails validation on purpose, one no server of ours can reach.
pub const SERVFAIL_NAMES: [&str; 2] = ["dnssec-failed.org", "broken.example"];
/// Names tried for SERVFAIL, at most.
pub const SERVFAIL_NAMES_MAX: usize = 8;
/// How many times longer a failing lookup is waited for.
const SERVFAIL_PATIENCE: u32 = 4;

/// Whom to probe, and with what.
#[derive(Clone)]
pub struct Settings {
    /// The server.
    pub server: SocketAddr,
    /// Own address; the system's choice when `None`.
    pub from: Option<IpAddr>,
    /// Over what.
    pub transports: Vec<Transport>,
    /// A zone the server is primary for; without it most codes of UPDATE are skipped.
    pub zone: Option<Folded>,
    /// A key that may update and transfer the zone; without it most codes of TSIG are skipped.
    pub key: Option<Arc<Key>>,
    /// Names whose lookup fails on this server; at most [`SERVFAIL_NAMES_MAX`] are tried.
    pub servfail_names: Vec<Folded>,
    /// Owner of a DNAME record with a longer target than itself, for YXDOMAIN by overflow.
    pub dname: Option<Folded>,
    /// Only these codes; all when empty.
    pub only: Vec<Code>,
    /// How long one reply is waited for.
    pub patience: Duration,
    /// How often a datagram is sent before silence is believed.
    pub attempts: u32,
    /// Pause between two probes.
    pub pause: Duration,
}

impl Settings {
    /// Both transports, no zone, no key, two attempts of two seconds.
    #[must_use]
    pub fn new(server: SocketAddr) -> Settings {
        Settings {
            server,
            from: None,
            transports: vec![Transport::Udp, Transport::Tcp],
            zone: None,
            key: None,
            servfail_names: SERVFAIL_NAMES.iter().filter_map(|text| Folded::from_text(text)).collect(),
            dname: None,
            only: Vec::new(),
            patience: Duration::from_secs(2),
            attempts: 2,
            pause: Duration::ZERO,
        }
    }
}

/// Sends every probe, one after another, and reports. Ends: probes, attempts and waits are all counted.
///
/// # Errors
///
/// When no socket can be opened; a server that does not answer is no error.
pub async fn run(settings: &Settings) -> io::Result<Report> {
    let ground = Ground::survey(settings).await?;
    let mut findings = Vec::new();
    let wanted = |case: &&Case| settings.only.is_empty() || case.aim.is_some_and(|code| settings.only.contains(&code));
    for case in CASES.iter().filter(wanted) {
        for &transport in case.over.iter().filter(|transport| settings.transports.contains(transport)) {
            findings.push(probe(&ground, case, transport).await?);
            if !settings.pause.is_zero() {
                tokio::time::sleep(settings.pause).await;
            }
        }
    }
    Ok(Report { server: settings.server, findings })
}

/// One probe over one transport.
async fn probe(ground: &Ground<'_>, case: &'static Case, transport: Transport) -> io::Result<Finding> {
    let finding = |seen, verdict, note| Finding {
        name: case.name,
        aim: case.aim,
        sent: case.sent,
        rfc: case.rfc,
        transport,
        seen,
        verdict,
        note,
    };
    if let Some((verdict, why)) = ground.lacks(case.needs) {
        return Ok(finding(None, verdict, why));
    }
    let asks = match (case.make)(ground) {
        Ok(asks) => asks,
        Err(why) => return Ok(finding(None, Verdict::Skipped, why.to_owned())),
    };
    let mut last = finding(None, Verdict::Skipped, "nothing to send".to_owned());
    // More than one way to provoke a code: the first that does is told, else the last.
    for ask in asks {
        let (seen, verdict, note) = match case.aim {
            Some(aim) => match ask::exchange(&patient(ground.settings, aim), transport, &ask.bytes).await? {
                ask::Heard::Reply(reply) => judge::judge(case, aim, ask, &reply),
                ask::Heard::Nothing(why) => (None, Verdict::NoReply, why),
            },
            None => match ask::silence(ground, transport, &ask.bytes).await? {
                ask::Heard::Reply(reply) => {
                    let seen = Seen::read(&reply, None).ok();
                    (seen, Verdict::Wrong, format!("{}: no reply is due, and there was one", case.rfc))
                }
                ask::Heard::Nothing(_) => (None, Verdict::Right, "silence, as it must be".to_owned()),
            },
        };
        last = finding(seen, verdict, note);
        if last.verdict == Verdict::Right {
            break;
        }
    }
    Ok(last)
}

/// A server takes its time before it believes that a lookup has failed.
fn patient(settings: &Settings, aim: Code) -> Cow<'_, Settings> {
    if aim != Code::SERVFAIL {
        return Cow::Borrowed(settings);
    }
    let patience = settings.patience.saturating_mul(SERVFAIL_PATIENCE);
    Cow::Owned(Settings { patience, attempts: 1, ..settings.clone() })
}

#[cfg(test)]
mod tests;
