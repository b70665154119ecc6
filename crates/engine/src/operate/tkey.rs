//! TKEY (RFC 2930): keys made by Diffie-Hellman exchange where the operator wants that, and deleted by whoever may.
//!
//! The reply's header says NOERROR when the request was looked at; what became of it is the error in its TKEY record. Order:
//! access, then the mode. Mode 2 looks at the algorithm before it looks whether keys are made here at all, then at the name, the
//! times and the key data; so BADALG and BADMODE are both to be had from a server that makes no keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use event::Outcome;
use wire::code::Code;
use wire::kind;
use wire::message::{Builder, Message, Record, Section};
use wire::name::Folded;
use wire::tkey::dh::{self, PRIVATE_LEN};
use wire::tkey::{Tkey, mode};
use wire::tsig::{Algorithm, Key};
use wire::view::flag;

use super::signed::Pen;
use super::{Denied, Errand, Operated};

/// TYPE of KEY (RFC 2535), which carries Diffie-Hellman values.
const KEY: u16 = 25;
/// Octets of the nonce we add to a secret.
const NONCE_LEN: usize = 16;

/// Keys held at a time that TKEY made.
const MADE_MAX: usize = 1_024;
/// Seconds a key made by TKEY lives at most.
const LIFE_SECONDS_MAX: u32 = 86_400;
/// Half of the 32-bit circle times are compared on (RFC 2930 §2.3, RFC 1982).
const HALF: u32 = 1 << 31;

/// Keys made by TKEY, until they end.
#[derive(Default)]
pub(crate) struct MadeKeys {
    by_name: Mutex<HashMap<Folded, Made>>,
}

struct Made {
    key: Arc<Key>,
    /// What the server added to the secret: who knows it took part in the exchange.
    nonce: Box<[u8]>,
    /// Unix seconds.
    ends_at: u64,
}

/// Why a key is not made.
enum Unmade {
    Exists,
    Full,
}

impl MadeKeys {
    /// The key of this name.
    pub(crate) fn find(&self, name: &Folded, now_seconds: u64) -> Option<Arc<Key>> {
        self.with(|by_name| {
            by_name.get(name).filter(|made| made.ends_at > now_seconds).map(|made| Arc::clone(&made.key))
        })
    }

    fn keep(&self, made: Made, now_seconds: u64) -> Result<(), Unmade> {
        self.with(|by_name| {
            by_name.retain(|_, made| made.ends_at > now_seconds);
            if by_name.contains_key(&made.key.name) {
                return Err(Unmade::Exists);
            }
            if by_name.len() >= MADE_MAX {
                return Err(Unmade::Full);
            }
            by_name.insert(made.key.name.clone(), made);
            Ok(())
        })
    }

    /// Deletes a key. Data sent with the wish must be the nonce of its exchange.
    fn delete(&self, name: &Folded, data: &[u8], now_seconds: u64) -> Result<(), Code> {
        self.with(|by_name| {
            let made = by_name.get(name).filter(|made| made.ends_at > now_seconds).ok_or(Code::BADNAME)?;
            if !data.is_empty() && *data != *made.nonce {
                return Err(Code::BADSIG);
            }
            by_name.remove(name);
            Ok(())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Folded, Made>) -> T) -> T {
        work(&mut self.by_name.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the reply says.
struct Told {
    error: Code,
    line: String,
    answer: Tkey,
    /// KEY records of an exchange: ours and the client's.
    ours: Option<(Record, Record)>,
}

pub(super) fn run(errand: &Errand<'_>, pen: Option<&Pen>) -> Result<Operated, Denied> {
    let (name, _) = errand.subject()?;
    let message = errand.message()?;
    // In additional (RFC 2930 §3); old clients put it into the answer section.
    let mut records = message.additional.iter().chain(&message.answer);
    let record = records.find(|record| record.rtype == kind::TKEY && record.owner == name);
    let record = record.ok_or_else(|| Denied::form("there is no TKEY record of the name asked"))?;
    let asked = Tkey::read(&record.rdata).map_err(|at| Denied::form(format!("TKEY data malformed at octet {at}")))?;

    // A client may give up the very key it signs with.
    let gives_up = asked.mode == mode::DELETE && errand.key.as_ref() == Some(&name);
    if !gives_up && !errand.authority.tkey.allow.iter().any(|who| errand.is(who)) {
        return Err(errand.refused("agree on keys"));
    }
    let told = match asked.mode {
        mode::DELETE => delete(errand, &name, asked),
        mode::DIFFIE_HELLMAN => make(errand, &name, asked, &message)?,
        mode => Told::error(asked, Code::BADMODE, format!("mode {mode} is not offered")),
    };
    reply(errand, &name, told, pen)
}

/// Deletes a key that was made by TKEY. Those of the configuration are the operator's alone.
fn delete(errand: &Errand<'_>, name: &Folded, asked: Tkey) -> Told {
    match errand.shared.made.delete(name, &asked.key, errand.seconds()) {
        Ok(()) => Told::done(asked, format!("key {name} deleted")),
        Err(Code::BADNAME) => Told::error(asked, Code::BADNAME, format!("no key {name} was made here")),
        Err(code) => Told::error(asked, code, format!("the data is not that of key {name}")),
    }
}

impl Told {
    fn error(asked: Tkey, error: Code, line: String) -> Told {
        let answer = Tkey { error: error.number(), key: Vec::new(), other: Vec::new(), ..asked };
        Told { error, line, answer, ours: None }
    }

    fn done(asked: Tkey, line: String) -> Told {
        Told::error(asked, Code::NOERROR, line)
    }
}

/// Makes a key by Diffie-Hellman exchange (RFC 2930 §4.1).
fn make(errand: &Errand<'_>, name: &Folded, asked: Tkey, message: &Message) -> Result<Told, Denied> {
    let Some(algorithm) = Algorithm::from_name(&asked.algorithm.text()) else {
        let line = format!("algorithm {} is not known", asked.algorithm);
        return Ok(Told::error(asked, Code::BADALG, line));
    };
    let random = errand.shared.random().filter(|_| errand.authority.tkey.create);
    let Some(random) = random else {
        return Ok(Told::error(asked, Code::BADMODE, "no keys are made here".to_owned()));
    };
    let seconds = errand.seconds();
    let is_taken = errand.authority.keys.iter().any(|key| key.name == *name);
    if is_taken || *name == Folded::root() || errand.shared.made.find(name, seconds).is_some() {
        return Ok(Told::error(asked, Code::BADNAME, format!("there is a key {name}, or there can be none")));
    }
    // Seconds as they are kept on the wire (RFC 2930 §2.3).
    let inception = seconds as u32;
    let life_seconds = asked.expiration.wrapping_sub(inception);
    if life_seconds == 0 || life_seconds >= HALF || asked.expiration.wrapping_sub(asked.inception) >= HALF {
        return Ok(Told::error(asked, Code::BADTIME, "the key would have ended already".to_owned()));
    }
    let life_seconds = life_seconds.min(LIFE_SECONDS_MAX);
    // RFC 2930 §4.1: FORMERR without a KEY record.
    let theirs = message.additional.iter().chain(&message.answer).find(|record| record.rtype == KEY);
    let theirs = theirs.ok_or_else(|| Denied::form("there is no KEY record with a Diffie-Hellman value"))?;

    let (mut nonce, mut private) = ([0; NONCE_LEN], [0; PRIVATE_LEN]);
    random(&mut nonce);
    random(&mut private);
    let (ours, secret) = match dh::answer(&theirs.rdata, &asked.key, &nonce, &private) {
        Ok(agreed) => agreed,
        Err(fault) => return Ok(Told::error(asked, Code::BADKEY, fault.to_string())),
    };
    let made = Made {
        key: Arc::new(Key::new(name.clone(), algorithm, &secret)),
        nonce: nonce.into(),
        ends_at: seconds.saturating_add(u64::from(life_seconds)),
    };
    match errand.shared.made.keep(made, seconds) {
        Ok(()) => {}
        // Somebody was quicker.
        Err(Unmade::Exists) => return Ok(Told::error(asked, Code::BADNAME, format!("there is a key {name}"))),
        Err(Unmade::Full) => return Err(Denied::told(Code::REFUSED, wire::ede::OTHER, "too many keys were made")),
    }
    let expiration = inception.wrapping_add(life_seconds);
    let answer = Tkey { inception, expiration, key: nonce.to_vec(), ..asked };
    let key =
        |rdata: &[u8]| Record { owner: name.clone(), rtype: KEY, class: kind::CLASS_IN, ttl: 0, rdata: rdata.into() };
    let (ours, theirs) = (key(&ours), key(&theirs.rdata));
    let line = format!("key {name} made, {} for {life_seconds} s", algorithm.name());
    Ok(Told { error: Code::NOERROR, line, answer, ours: Some((ours, theirs)) })
}

/// The reply: TKEY in the answer section, and for a new key our KEY record beside it and the client's in additional.
fn reply(errand: &Errand<'_>, name: &Folded, told: Told, pen: Option<&Pen>) -> Result<Operated, Denied> {
    let (question, qtype, qclass, _) = errand.operation.question.ok_or_else(|| Denied::form("there is no question"))?;
    let tkey = Record {
        owner: name.clone(),
        rtype: kind::TKEY,
        class: kind::CLASS_ANY,
        ttl: 0,
        rdata: told.answer.rdata().into(),
    };
    let mut builder = Builder::new(errand.operation.id, errand.reply_flags(), errand.room(pen));
    builder.question(question, qtype, qclass);
    let mut fits = builder.record(Section::Answer, &tkey);
    if let Some((ours, theirs)) = &told.ours {
        fits &= builder.record(Section::Answer, ours);
        // The client has it, after all.
        let _echoed = builder.record(Section::Additional, theirs);
    }
    if !fits {
        // Asked for again over a connection; a key nobody can learn of is not kept.
        if told.ours.is_some() {
            let _gone = errand.shared.made.delete(name, &[], errand.seconds());
        }
        return Ok(errand.code(Code::NOERROR, Arc::from([]), flag::TC, "the reply needs a connection".to_owned()));
    }
    let mut reply = builder.finish();
    errand.append_opt(&mut reply);
    let mut done = errand.reply(reply, Code::NOERROR, &told.line);
    let event = &mut done.late.event;
    event.tkey_error = Some(told.error.number());
    event.answer_count = 1 + u16::from(told.ours.is_some());
    event.key = Some(name.text().into());
    if told.error != Code::NOERROR {
        event.outcome = Outcome::Error;
    }
    Ok(done)
}
