//! What an upstream sent: taken apart, stored, and made ready for a client again.
//!
//! The question asked is the one in the message itself, so that mutations get past the check of whose reply it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::name::Name;
use wire::reply::{self, Asked, Shipping, Stored, UDP_SIZE_DEFAULT};
use wire::view::{self, Arrival, HEADER_LEN};

/// The question of a message: its name and what follows it.
fn question(bytes: &[u8]) -> Option<(Name<'_>, u16, u16)> {
    let rest = bytes.get(HEADER_LEN..)?;
    let mut at = 0;
    while *rest.get(at)? != 0 {
        at += 1 + usize::from(rest[at]);
    }
    let name = Name::new(rest.get(..=at)?)?;
    let number = |at: usize| rest.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two));
    Some((name, number(at + 1)?, number(at + 3)?))
}

/// A stored packet can be made ready for a client at every size, and every TTL offset lies inside it.
fn check_stored(stored: &Stored, qname: &[u8], qtype: u16, qclass: u16) {
    for offset in &stored.ttl_offsets {
        assert!(usize::from(*offset) + 4 <= stored.packet.len());
    }
    assert!(stored.ttl_offsets.is_sorted());
    let asked = Asked { qname, qtype, qclass, checking_disabled: false, dnssec_ok: true, udp_size: UDP_SIZE_DEFAULT };
    let mut ask = Vec::new();
    reply::ask(4711, &asked, &mut ask);
    let Arrival::Query(query) = view::read(&ask) else { return };
    for size_max in [512, usize::from(UDP_SIZE_DEFAULT), 65_535] {
        for age_seconds in [0, 60, u32::MAX] {
            let shipping = Shipping { size_max, age_seconds, ttl_max: 30, ..Shipping::PLAIN };
            let mut out = Vec::new();
            let len = reply::ship(stored, &query, &shipping, &mut out);
            assert_eq!(out.len(), len);
            assert!(len <= size_max, "{len} octets, at most {size_max} allowed");
            assert_eq!(out[..2], ask[..2]);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((name, qtype, qclass)) = question(bytes) else { return };
    let id = u16::from_be_bytes([bytes[0], bytes[1]]);
    if let Ok(stored) = reply::take(bytes, id, &name.fold(), qtype, qclass) {
        check_stored(&stored, name.wire(), qtype, qclass);
    }
});
