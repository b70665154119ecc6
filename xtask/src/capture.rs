//! Payloads out of classic capture files, to seed fuzz corpora. Takes what is easy to take: UDP payloads and the messages
//! that begin a TCP segment; the rest is left. Knows no DNS.

/// Octets of the file header and of each packet header.
const FILE_HEADER_LEN: usize = 24;
const PACKET_HEADER_LEN: usize = 16;

/// UDP payloads, and TCP payloads without their length prefix, in order. Empty when this is no classic capture.
pub(crate) fn payloads(file: &[u8]) -> Vec<&[u8]> {
    let Some(order) = Order::of(file) else { return Vec::new() };
    let link = order.u32(file, 20).unwrap_or_default() & 0xffff;
    let mut payloads = Vec::new();
    let mut at = FILE_HEADER_LEN;
    while let Some(len) = order.u32(file, at + 8) {
        let start = at + PACKET_HEADER_LEN;
        let Some(frame) = file.get(start..).and_then(|rest| rest.get(..usize::try_from(len).ok()?)) else { break };
        payloads.extend(payload(link, frame).filter(|payload| !payload.is_empty()));
        at = start + frame.len();
    }
    payloads
}

/// Byte order of a capture, told by its first four octets.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn of(file: &[u8]) -> Option<Order> {
        match file.get(..4)? {
            [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => Some(Self::Little),
            [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => Some(Self::Big),
            _ => None,
        }
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let four = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(*four),
            Self::Big => u32::from_be_bytes(*four),
        })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}

fn payload(link: u32, frame: &[u8]) -> Option<&[u8]> {
    // Link types: null, Ethernet, raw IP, Linux cooked.
    let packet = match link {
        0 => frame.get(4..)?,
        1 => ethernet(frame)?,
        12 | 101 => frame,
        113 => frame.get(16..)?,
        _ => return None,
    };
    let (protocol, segment) = match packet.first()? >> 4 {
        4 => (
            *packet.get(9)?,
            packet.get(usize::from(packet[0] & 0x0f) * 4..usize::from(u16_at(packet, 2)?).min(packet.len()))?,
        ),
        6 => (*packet.get(6)?, packet.get(40..)?),
        _ => return None,
    };
    match protocol {
        6 => segment.get(usize::from(*segment.get(12)? >> 4) * 4..)?.get(2..),
        17 => segment.get(8..),
        _ => None,
    }
}

/// What an Ethernet frame carries, VLAN tags passed over.
fn ethernet(frame: &[u8]) -> Option<&[u8]> {
    const TAGS_MAX: usize = 4;
    let mut at = 12;
    for _ in 0..TAGS_MAX {
        match u16_at(frame, at)? {
            0x8100 | 0x88a8 | 0x9100 => at += 4,
            _ => return frame.get(at + 2..),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A capture of one Ethernet frame with one VLAN tag, IPv4 and UDP.
    fn capture(message: &[u8]) -> Vec<u8> {
        let udp_len = 8 + message.len();
        let mut packet = vec![0x45, 0];
        packet.extend(u16::try_from(20 + udp_len).unwrap().to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2]);
        packet.extend([0x30, 0x39, 0, 53]);
        packet.extend(u16::try_from(udp_len).unwrap().to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(message);
        let mut frame = vec![0; 12];
        frame.extend([0x81, 0, 0, 7, 8, 0]);
        frame.extend(packet);
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
        let len = u32::try_from(frame.len()).unwrap().to_le_bytes();
        file.extend([0; 8]);
        file.extend(len);
        file.extend(len);
        file.extend(frame);
        file
    }

    #[test]
    fn a_udp_payload_behind_a_vlan_tag() {
        assert_eq!(payloads(&capture(b"hello")), [b"hello"]);
    }

    #[test]
    fn a_cut_capture_gives_what_is_whole() {
        let mut file = capture(b"one");
        let second = capture(b"two");
        file.extend(&second[FILE_HEADER_LEN..]);
        for cut in 0..file.len() {
            let found = payloads(&file[..cut]);
            assert!(found.len() <= 1, "cut at {cut}");
        }
        assert_eq!(payloads(&file), [b"one", b"two"]);
    }

    #[test]
    fn other_files_give_nothing() {
        assert!(payloads(b"PK\x03\x04 no capture at all, whatever follows").is_empty());
    }
}
