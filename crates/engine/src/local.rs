//! Answers nobody else needs to be asked for: special-use names (RFC 6761, RFC 7686) and ANY (RFC 8482).

use wire::name::Folded;
use wire::reply::{BlockReply, Shape, Stored};

/// TTL of what is answered here, seconds. It never changes, but a day is long enough.
const TTL_SECONDS: u32 = 86_400;

const A: u16 = 1;
const HINFO: u16 = 13;
const AAAA: u16 = 28;
/// QTYPE `*`.
pub(crate) const ANY: u16 = 255;

/// HINFO as RFC 8482 §4.2 gives it: CPU "RFC8482", OS "".
const MINIMAL_HINFO: &[u8] = b"\x07RFC8482\x00";

/// The answer to a special-use name, with what to tell of it.
pub(crate) fn special(qname: &Folded, qtype: u16, qclass: u16) -> Option<(Stored, &'static str)> {
    let wire = qname.wire();
    let top = &wire[qname.label_starts().next_back()?..];
    match top {
        b"\x09localhost\0" => {
            let answer = match qtype {
                A | ANY => record(qname, qtype, qclass, A, &[127, 0, 0, 1]),
                AAAA => record(qname, qtype, qclass, AAAA, &std::net::Ipv6Addr::LOCALHOST.octets()),
                _ => wire::reply::block(BlockReply::Nodata, qname, qtype, qclass, TTL_SECONDS),
            };
            Some((answer, "special name: localhost is this machine (RFC 6761)"))
        }
        b"\x07invalid\0" => Some((missing(qname, qtype, qclass), "special name: invalid never exists (RFC 6761)")),
        b"\x05onion\0" => Some((missing(qname, qtype, qclass), "special name: onion is not in DNS (RFC 7686)")),
        _ => None,
    }
}

/// The answer to ANY: one record that says so, instead of all there is.
pub(crate) fn any(qname: &Folded, qclass: u16) -> Stored {
    record(qname, ANY, qclass, HINFO, MINIMAL_HINFO)
}

fn missing(qname: &Folded, qtype: u16, qclass: u16) -> Stored {
    wire::reply::block(BlockReply::Nxdomain, qname, qtype, qclass, TTL_SECONDS)
}

/// A stored packet with one record of the name asked.
fn record(qname: &Folded, qtype: u16, qclass: u16, kind: u16, rdata: &[u8]) -> Stored {
    const QR_RD: u8 = 0x81;
    const RA: u8 = 0x80;
    /// A pointer to the question's name.
    const OWNER: [u8; 2] = [0xc0, 12];
    let mut packet = vec![0, 0, QR_RD, RA, 0, 1, 0, 1, 0, 0, 0, 0];
    packet.extend_from_slice(qname.wire());
    packet.extend_from_slice(&qtype.to_be_bytes());
    packet.extend_from_slice(&qclass.to_be_bytes());
    packet.extend_from_slice(&OWNER);
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&qclass.to_be_bytes());
    let ttl_offset = packet.len() as u16;
    packet.extend_from_slice(&TTL_SECONDS.to_be_bytes());
    packet.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    packet.extend_from_slice(rdata);
    let address: Option<std::net::IpAddr> = match kind {
        A => <[u8; 4]>::try_from(rdata).ok().map(Into::into),
        AAAA => <[u8; 16]>::try_from(rdata).ok().map(Into::into),
        _ => None,
    };
    let summary = match address {
        Some(address) => format!("{} {address}", wire::kind::type_name(kind)),
        None => "HINFO \"RFC8482\" \"\"".to_owned(),
    };
    Stored {
        packet: packet.into(),
        ttl_offsets: [ttl_offset].into(),
        rcode: 0,
        ttl: Some(TTL_SECONDS),
        shape: Shape::Answer,
        ede: Vec::new(),
        summary: Some(summary),
        answer_count: 1,
        targets: Vec::new(),
        addresses: address.into_iter().collect(),
    }
}
