//! What the probes send, where several send the like.

use std::sync::Arc;

use wire::kind;
use wire::message::Section;
use wire::name::{Folded, NAME_LEN_MAX, Name};
use wire::tkey::Tkey;
use wire::tsig::{Algorithm, Key};
use wire::view::option;

use super::cases::Made;
use super::ground::{Ask, Draft, Ground, now_seconds, record};
use super::seen::OPCODE_DSO;

/// CLASS of prerequisites that something does not exist (RFC 2136 §2.4).
pub(super) const CLASS_NONE: u16 = 254;

pub(super) fn name(text: &str) -> Result<Folded, &'static str> {
    Folded::from_text(text).ok_or("a name of ours is none")
}

pub(super) fn signed(ground: &Ground<'_>, draft: Draft) -> Made {
    Ok(vec![draft.signed(ground.key()?, now_seconds())])
}

/// A key that no server has.
pub(super) fn stranger(ground: &Ground<'_>) -> Result<Arc<Key>, &'static str> {
    let name = name(&format!("{}.invalid", ground.nonce))?;
    Ok(Arc::new(Key::new(name, Algorithm::HmacSha256, b"known to nobody else")))
}

pub(super) fn spoil(tsig: &mut wire::tsig::Tsig) {
    if let Some(octet) = tsig.mac.first_mut() {
        *octet ^= 1;
    }
}

pub(super) fn off_time(ground: &Ground<'_>, at_seconds: u64) -> Made {
    let mut ask = ground.query(ground.apex(), kind::SOA).signed(ground.key()?, at_seconds);
    ask.time_signed = Some(at_seconds);
    Ok(vec![ask])
}

pub(super) fn opcode(ground: &Ground<'_>, opcode: u8) -> Made {
    Ok(vec![ground.draft(opcode, 0).question(ground.apex(), kind::SOA).bytes()])
}

pub(super) fn cookie_query(ground: &Ground<'_>, server: &[u8]) -> Ask {
    let cookie = [&ground.client_cookie[..], server].concat();
    let mut ask = ground.query(ground.apex(), kind::SOA).option(option::COOKIE, &cookie).bytes();
    ask.client_cookie = Some(ground.client_cookie);
    ask
}

/// A DSO request with one TLV.
pub(super) fn dso(ground: &Ground<'_>, tlv: u16, data: &[u8]) -> Ask {
    let mut ask = ground.draft(OPCODE_DSO, 0).bytes();
    // A request has an ID other than 0 (RFC 8490 §5.4).
    if let Some(octet) = ask.bytes.get_mut(1) {
        *octet |= 1;
    }
    ask.bytes.extend_from_slice(&tlv.to_be_bytes());
    ask.bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
    ask.bytes.extend_from_slice(data);
    ask
}

/// TKEY as RFC 2930 §4 has it: a question for TKEY, the record in additional; signed when there is a key.
pub(super) fn tkey(ground: &Ground<'_>, mode: u16, algorithm: &str, with_key: bool) -> Made {
    let owner = ground.absent(&name("invalid")?)?;
    let now = now_seconds() as u32;
    let tkey = Tkey {
        algorithm: name(algorithm)?,
        inception: now,
        expiration: now.wrapping_add(3600),
        mode,
        error: 0,
        key: b"sixteen octets..".to_vec(),
        other: Vec::new(),
    };
    let mut draft = ground.draft(0, 0).question(&owner, kind::TKEY);
    draft = draft.record(Section::Additional, &record(&owner, kind::TKEY, kind::CLASS_ANY, 0, &tkey.rdata()));
    if with_key {
        let key = record(&owner, KEY_TYPE, kind::CLASS_IN, 0, &own_group());
        draft = draft.record(Section::Additional, &key);
    }
    Ok(vec![draft.signed_if(ground.settings.key.as_ref())])
}

/// TYPE of KEY (RFC 2539 puts Diffie-Hellman values in it).
const KEY_TYPE: u16 = 25;

/// KEY data of a Diffie-Hellman value in a group of 64 octets that no server uses (RFC 2539 §2): flags, protocol and
/// algorithm, then prime, generator and value, each with its length.
fn own_group() -> Vec<u8> {
    let mut rdata = vec![2, 0, 3, 2];
    for number in [&[0xc5; 64][..], &[2], &[0x35; 64]] {
        rdata.extend_from_slice(&(number.len() as u16).to_be_bytes());
        rdata.extend_from_slice(number);
    }
    rdata
}

/// The longest name below `owner`: 255 octets, or 254 when one octet is left that no label fits into.
pub(super) fn longest_below(owner: &Folded) -> Option<Folded> {
    let mut left = NAME_LEN_MAX.checked_sub(owner.wire().len())?;
    let mut wire = Vec::with_capacity(NAME_LEN_MAX);
    // Ends: every turn takes at least two octets.
    while left >= 2 {
        // A label of 63 octets, or one less when a single octet would remain.
        let label = if left == 65 { 62 } else { (left - 1).min(63) };
        wire.push(label as u8);
        wire.resize(wire.len() + label, b'x');
        left -= 1 + label;
    }
    wire.extend_from_slice(owner.wire());
    Name::new(&wire).map(Name::fold)
}
