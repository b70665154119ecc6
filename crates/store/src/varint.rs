//! Whole numbers as LEB128: seven bits to an octet, the lowest first.

/// Most octets of a number.
const OCTETS_MAX: usize = 10;

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front; `None` when it does not end. Bits over 64 are lost.
pub(crate) fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for (at, &octet) in rest.iter().enumerate().take(OCTETS_MAX) {
        number |= u64::from(octet & 0x7f) << (7 * at);
        if octet < 0x80 {
            *rest = &rest[at + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            out.push(9);
            let mut rest = &out[..];
            assert_eq!((take_varint(&mut rest), rest), (Some(number), &[9][..]));
        }
        for endless in [&[0x80][..], &[0xff; 12], &[]] {
            assert_eq!(take_varint(&mut &*endless), None);
        }
    }
}
