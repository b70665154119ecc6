//! From a frame on a link to the transport: Ethernet with VLAN tags, Linux "cooked", raw IP; IPv4 and IPv6; UDP and TCP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use pcap_parser::Linktype;

/// VLAN tags stepped over.
const VLAN_TAGS_MAX: usize = 4;
/// IPv6 extension headers stepped over.
const EXTENSIONS_MAX: usize = 8;
/// The port DNS is on.
pub(crate) const DNS_PORT: u16 = 53;

/// What a packet carries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Carried<'a> {
    Udp {
        from: SocketAddr,
        to: SocketAddr,
        payload: &'a [u8],
    },
    Tcp {
        from: SocketAddr,
        to: SocketAddr,
        segment: Segment<'a>,
    },
    /// Nothing of interest, counted under this name.
    Other(&'static str),
}

/// A segment of a TCP stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) sequence: u32,
    pub(crate) begins: bool,
    pub(crate) ends: bool,
    pub(crate) payload: &'a [u8],
}

const CUT: Carried<'static> = Carried::Other("packets cut by the capture");
const NOT_IP: Carried<'static> = Carried::Other("packets without IP");
const FRAGMENT: Carried<'static> = Carried::Other("fragments");
const NOT_DNS: Carried<'static> = Carried::Other("packets without DNS");

/// Whether packets of this link can be read.
pub(crate) fn is_known(link: Linktype) -> bool {
    matches!(link.0, 0 | 1 | 12 | 14 | 101 | 108 | 113 | 228 | 229 | 276)
}

/// Takes a frame apart.
pub(crate) fn read(link: Linktype, frame: &[u8]) -> Carried<'_> {
    let ip = match link.0 {
        // Ethernet.
        1 => ethernet(frame, 12),
        // Linux "cooked", versions 1 and 2: the type at the end or at the start of the header.
        113 => ethernet(frame, 14),
        276 => match frame.first_chunk() {
            Some(&[high, low]) => is_ip([high, low]).then(|| frame.get(20..)).flatten(),
            None => None,
        },
        // BSD loopback: four octets of address family.
        0 | 108 => frame.get(4..),
        // IP itself.
        12 | 14 | 101 | 228 | 229 => Some(frame),
        _ => None,
    };
    match ip.map(|packet| (packet.first().map(|octet| octet >> 4), packet)) {
        Some((Some(4), packet)) => ipv4(packet).unwrap_or(CUT),
        Some((Some(6), packet)) => ipv6(packet).unwrap_or(CUT),
        _ => NOT_IP,
    }
}

fn is_ip(kind: [u8; 2]) -> bool {
    matches!(kind, [0x08, 0x00] | [0x86, 0xdd])
}

/// What follows the EtherType at this place, when that is IP; VLAN tags are stepped over.
fn ethernet(frame: &[u8], mut at: usize) -> Option<&[u8]> {
    for _ in 0..=VLAN_TAGS_MAX {
        let kind = *frame.get(at..)?.first_chunk::<2>()?;
        match kind {
            [0x81, 0x00] | [0x88, 0xa8] | [0x91, 0x00] => at += 4,
            _ if is_ip(kind) => return frame.get(at + 2..),
            _ => return None,
        }
    }
    None
}

fn ipv4(packet: &[u8]) -> Option<Carried<'_>> {
    let header = packet.first_chunk::<20>()?;
    let header_len = usize::from(header[0] & 0xf) * 4;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    // More fragments, or not the first.
    if fragment & 0x3fff != 0 {
        return Some(FRAGMENT);
    }
    let from = IpAddr::V4(Ipv4Addr::new(header[12], header[13], header[14], header[15]));
    let to = IpAddr::V4(Ipv4Addr::new(header[16], header[17], header[18], header[19]));
    // A length of 0 is left to the network card by the sender; what is behind the packet is padding.
    let end = if total_len == 0 { packet.len() } else { total_len };
    let cut = end > packet.len();
    transport(header[9], from, to, packet.get(header_len.max(20)..end.min(packet.len()))?, cut)
}

fn ipv6(packet: &[u8]) -> Option<Carried<'_>> {
    let header = packet.first_chunk::<40>()?;
    let payload_len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let address = |at: usize| header.get(at..).and_then(|rest| rest.first_chunk::<16>()).copied().map(Ipv6Addr::from);
    let (from, to) = (IpAddr::V6(address(8)?), IpAddr::V6(address(24)?));
    let end = if payload_len == 0 { packet.len() } else { 40 + payload_len };
    let cut = end > packet.len();
    let mut rest = packet.get(40..end.min(packet.len()))?;
    let mut next = header[6];
    for _ in 0..EXTENSIONS_MAX {
        match next {
            // Hop-by-hop, routing, destination options.
            0 | 43 | 60 => {
                let len = 8 + 8 * usize::from(*rest.get(1)?);
                next = *rest.first()?;
                rest = rest.get(len..)?;
            }
            44 => return Some(FRAGMENT),
            _ => break,
        }
    }
    transport(next, from, to, rest, cut)
}

fn transport(protocol: u8, from: IpAddr, to: IpAddr, payload: &[u8], cut: bool) -> Option<Carried<'_>> {
    let (ports, _) = payload.split_first_chunk::<4>()?;
    let from = SocketAddr::new(from, u16::from_be_bytes([ports[0], ports[1]]));
    let to = SocketAddr::new(to, u16::from_be_bytes([ports[2], ports[3]]));
    if !matches!(protocol, 6 | 17) || (from.port() != DNS_PORT && to.port() != DNS_PORT) {
        return Some(NOT_DNS);
    }
    if cut {
        return Some(CUT);
    }
    if protocol == 17 {
        let len = usize::from(u16::from_be_bytes([*payload.get(4)?, *payload.get(5)?]));
        let end = if len == 0 { payload.len() } else { len };
        return Some(Carried::Udp { from, to, payload: payload.get(8..end)? });
    }
    let header = payload.first_chunk::<20>()?;
    let header_len = usize::from(header[12] >> 4) * 4;
    let flags = header[13];
    Some(Carried::Tcp {
        from,
        to,
        segment: Segment {
            sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            begins: flags & 0x02 != 0,
            ends: flags & 0x05 != 0,
            payload: payload.get(header_len.max(20)..)?,
        },
    })
}
