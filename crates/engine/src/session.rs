//! One connection's DSO session (RFC 8490), server side: what is answered, what is fatal, and when a silent client has had its
//! time.
//!
//! Knows octets and the time it is told, no socket. We start no request, so every response is one to nothing; our one
//! unidirectional message is Retry Delay, and a client has none to send.
//!
//! ```text
//! connected ── Keepalive request answered ──▶ established ── retire ──▶ retired
//!     │                                            │
//!     └── fatal error: abort                       └── fatal error, or too long silent or inactive: abort
//! ```

use std::sync::Arc;

use event::{Event, Outcome as Got, Transport};
use wire::code::Code;
use wire::dso::{Dso, Fault, TLV_LEN, Tlv, is_dso, tlv};
use wire::reply::PADDING_BLOCK;
use wire::view::{Arrival, HEADER_LEN, option, read};

use crate::answer::{Desk, Outcome};
use crate::exit::{Now, Source, arrival};

/// Both timeouts of a session until they are spoken of (RFC 8490 §6.2).
const TIMEOUT_MILLIS_DEFAULT: u32 = 15_000;
/// Shortest keepalive interval there may be (RFC 8490 §6.5.2).
const INTERVAL_MILLIS_MIN: u32 = 10_000;
/// A client is not called delinquent sooner than this, however short the inactivity timeout (RFC 8490 §6.4.1); also the least it
/// gets when the timeout is shortened (§7.1.1).
const GRACE_MICROS_MIN: u64 = 5_000_000;

/// What a session is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Longest inactivity timeout granted, milliseconds; a client may ask for less.
    pub inactivity_millis_max: u32,
    /// Longest keepalive interval granted, milliseconds; never below ten seconds.
    pub interval_millis_max: u32,
}

impl Default for SessionSettings {
    /// A minute of inactivity; an hour between keepalives (RFC 8490 §6.5.2).
    fn default() -> SessionSettings {
        SessionSettings { inactivity_millis_max: 60_000, interval_millis_max: 3_600_000 }
    }
}

/// The connection is to be aborted at once: RST, nothing sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connected,
    Established,
    Retired,
}

/// A connection over which a session may be had. Times are of the monotonic clock, microseconds.
#[derive(Debug)]
pub struct Session {
    settings: SessionSettings,
    state: State,
    inactivity_millis: u32,
    interval_millis: u32,
    /// Last message but keepalives.
    active_micros: u64,
    /// Last message of any kind, either way.
    heard_micros: u64,
    /// Inactivity is not held against the client before this.
    grace_micros: u64,
}

/// What a DSO message gets, and what the trace says of it.
struct Said {
    /// `None` is an abort.
    code: Option<Code>,
    tlvs: Vec<(u16, Vec<u8>)>,
    line: String,
}

impl Said {
    fn fatal(line: &str) -> Said {
        Said { code: None, tlvs: Vec::new(), line: line.to_owned() }
    }

    fn code(code: Code, line: String) -> Said {
        Said { code: Some(code), tlvs: Vec::new(), line }
    }
}

impl Session {
    /// A connection just made.
    #[must_use]
    pub fn new(settings: SessionSettings, now: Now) -> Session {
        Session {
            settings,
            state: State::Connected,
            inactivity_millis: TIMEOUT_MILLIS_DEFAULT,
            interval_millis: TIMEOUT_MILLIS_DEFAULT,
            active_micros: now.monotonic_micros,
            heard_micros: now.monotonic_micros,
            grace_micros: 0,
        }
    }

    /// Whether there is a session: its timers hold instead of those of plain TCP (RFC 8490 §5.2).
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.state == State::Established
    }

    /// A message but a keepalive went either way at this time.
    pub fn note_activity(&mut self, micros: u64) {
        self.active_micros = self.active_micros.max(micros);
        self.heard_micros = self.heard_micros.max(micros);
    }

    /// When the client is delinquent unless something happens; `None` without a session. `busy`: answers are under way, so the
    /// session is not inactive.
    #[must_use]
    pub fn expires_micros(&self, busy: bool) -> Option<u64> {
        if !self.is_established() {
            return None;
        }
        // Twice what was granted, either way (RFC 8490 §6.4.1, §6.5.1).
        let silent = self.heard_micros.saturating_add(twice(self.interval_millis));
        if busy {
            return Some(silent);
        }
        let inactive = self.active_micros.saturating_add(twice(self.inactivity_millis).max(GRACE_MICROS_MIN));
        Some(silent.min(inactive.max(self.grace_micros)))
    }

    /// Ends the session from our side: the message that tells the client to close the connection and when to come back. Nothing
    /// may be sent behind it, and nothing that still arrives is to be looked at (RFC 8490 §6.6.1). `None` without a session. Its
    /// RCODE says that this is routine (§7.2.1).
    pub fn retire(&mut self, retry_delay_millis: u32) -> Option<Vec<u8>> {
        if !self.is_established() {
            return None;
        }
        self.state = State::Retired;
        let data = retry_delay_millis.to_be_bytes();
        let tlvs = vec![Tlv { kind: tlv::RETRY_DELAY, data: &data }];
        Some(Dso { id: 0, is_response: false, rcode: 0, tlvs }.write())
    }

    /// Answers a DSO message into `out`; left empty on an abort.
    fn hear(&mut self, bytes: &[u8], source: Source, now: Now, out: &mut Vec<u8>) -> Event {
        self.heard_micros = self.heard_micros.max(now.monotonic_micros);
        let said = self.say(bytes, now);
        let mut event = arrival(bytes, source, now, Arc::from([]));
        event.trace = Some(format!("session: {}", said.line).into());
        out.clear();
        if let Some(code) = said.code {
            let id = bytes.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
            *out = response(id, code, said.tlvs, source.transport);
            event.outcome = if code == Code::NOERROR { Got::Answered } else { Got::Error };
            event.rcode = Some(code.number());
            event.reply_size = u16::try_from(out.len()).unwrap_or(u16::MAX);
        }
        event
    }

    fn say(&mut self, bytes: &[u8], now: Now) -> Said {
        let [id_high, id_low, flags, ..] = *bytes else { return Said::fatal("no header") };
        if flags & 0x80 != 0 {
            return Said::fatal("a response to no request of ours, aborted (RFC 8490 §5.5.2)");
        }
        if id_high == 0 && id_low == 0 {
            // Never answered, whatever is in it. Of the types there are, a client may send none this way.
            return Said::fatal(if self.is_established() {
                "a unidirectional message no client may send, aborted (RFC 8490 §5.4.5)"
            } else {
                "a unidirectional message before there is a session, aborted (RFC 8490 §5.1)"
            });
        }
        let dso = match Dso::read(bytes) {
            Ok(dso) => dso,
            Err(fault @ (Fault::Counts | Fault::Tlv { .. } | Fault::Foreign)) => {
                self.note_activity(now.monotonic_micros);
                return Said::code(Code::FORMERR, fault.to_string());
            }
        };
        let Some((primary, additional)) = dso.tlvs.split_first() else {
            self.note_activity(now.monotonic_micros);
            return Said::code(Code::FORMERR, "a request without a TLV".to_owned());
        };
        let mut said = match primary.kind {
            tlv::KEEPALIVE => self.keepalive(primary.data, additional, now),
            tlv::RETRY_DELAY => return Said::fatal("Retry Delay is not a client's to send, aborted (RFC 8490 §7.2.1)"),
            tlv::ENCRYPTION_PADDING => {
                self.note_activity(now.monotonic_micros);
                Said::code(Code::FORMERR, "padding cannot come first (RFC 8490 §7.3)".to_owned())
            }
            kind => {
                self.note_activity(now.monotonic_micros);
                Said::code(Code::DSOTYPENI, format!("DSO type {kind} is not implemented"))
            }
        };
        // RFC 8490 §7.3: who pads gets padding.
        if additional.iter().any(|tlv| tlv.kind == tlv::ENCRYPTION_PADDING) {
            said.tlvs.push((tlv::ENCRYPTION_PADDING, Vec::new()));
        }
        said
    }

    /// Grants what is asked, within our limits, and thereby establishes the session.
    fn keepalive(&mut self, data: &[u8], additional: &[Tlv<'_>], now: Now) -> Said {
        let Ok([i0, i1, i2, i3, k0, k1, k2, k3]) = <[u8; 8]>::try_from(data) else {
            return Said::code(Code::FORMERR, format!("a Keepalive of {} octets instead of 8", data.len()));
        };
        if additional.iter().any(|tlv| matches!(tlv.kind, tlv::KEEPALIVE | tlv::RETRY_DELAY)) {
            return Said::code(Code::FORMERR, "only padding may follow a Keepalive (RFC 8490 §8.2)".to_owned());
        }
        let (inactivity, interval) = (u32::from_be_bytes([i0, i1, i2, i3]), u32::from_be_bytes([k0, k1, k2, k3]));
        let interval_max = self.settings.interval_millis_max.max(INTERVAL_MILLIS_MIN);
        let shorter = inactivity < self.inactivity_millis;
        self.inactivity_millis = inactivity.min(self.settings.inactivity_millis_max);
        self.interval_millis = interval.clamp(INTERVAL_MILLIS_MIN, interval_max);
        if self.state == State::Connected {
            self.state = State::Established;
            self.active_micros = self.active_micros.max(now.monotonic_micros);
        } else if shorter {
            let quarter = u64::from(self.inactivity_millis) * 1_000 / 4;
            self.grace_micros = now.monotonic_micros.saturating_add(quarter.max(GRACE_MICROS_MIN));
        }
        let granted = [self.inactivity_millis, self.interval_millis];
        let line = format!("keepalive, {} ms of inactivity and {} ms of silence granted", granted[0], granted[1]);
        let data = granted.map(u32::to_be_bytes).concat();
        Said { code: Some(Code::NOERROR), tlvs: vec![(tlv::KEEPALIVE, data)], line }
    }
}

impl Desk {
    /// Answers one message of a connection, as [`Desk::answer`] does, and its DSO messages.
    ///
    /// # Errors
    /// The connection is to be aborted; the event that says why leaves with [`Desk::close`].
    pub fn converse(
        &mut self,
        session: &mut Session,
        bytes: &[u8],
        source: Source,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<Outcome, Aborted> {
        if is_dso(bytes) && matches!(source.transport, Transport::Tcp | Transport::Dot) {
            let event = session.hear(bytes, source, now, out);
            let aborted = event.rcode.is_none();
            self.leave(now, event);
            return if aborted { Err(Aborted) } else { Ok(Outcome::Reply) };
        }
        session.note_activity(now.monotonic_micros);
        if session.is_established() && has_keepalive(bytes) {
            let mut event = arrival(bytes, source, now, Arc::from([]));
            event.trace = Some("session: EDNS TCP keepalive within a session, aborted (RFC 8490 §7.1.2)".into());
            self.leave(now, event);
            return Err(Aborted);
        }
        Ok(self.answer(bytes, source, now, out))
    }
}

fn has_keepalive(bytes: &[u8]) -> bool {
    let edns = match read(bytes) {
        Arrival::Query(query) => query.edns,
        Arrival::Operation(operation) => operation.edns,
        Arrival::Reject(reject) => reject.edns,
        Arrival::Silence(_) => None,
    };
    edns.is_some_and(|edns| edns.option(option::TCP_KEEPALIVE).is_some())
}

fn response(id: u16, code: Code, mut tlvs: Vec<(u16, Vec<u8>)>, transport: Transport) -> Vec<u8> {
    let len = HEADER_LEN + tlvs.iter().map(|(_, data)| TLV_LEN + data.len()).sum::<usize>();
    if let Some((tlv::ENCRYPTION_PADDING, padding)) = tlvs.last_mut()
        && transport == Transport::Dot
    {
        padding.resize(len.next_multiple_of(usize::from(PADDING_BLOCK)) - len, 0);
    }
    let tlvs = tlvs.iter().map(|(kind, data)| Tlv { kind: *kind, data }).collect();
    Dso { id, is_response: true, rcode: (code.number() & 0xf) as u8, tlvs }.write()
}

fn twice(millis: u32) -> u64 {
    u64::from(millis) * 2_000
}

#[cfg(test)]
mod tests;
