//! DNS Stateful Operations (RFC 8490): TLVs and messages. The codec alone; the session's rules are kept above.
//!
//! ```text
//! header 12 (opcode 6, all counts 0) | type 2 | length 2 | data … | type 2 | …
//! ```

use crate::bytes::{slice_at, u16_at};
use crate::kind;
use crate::view::{HEADER_LEN, flag};

/// TLV types (RFC 8490 §10.3).
pub mod tlv {
    /// Keepalive.
    pub const KEEPALIVE: u16 = 1;
    /// Retry delay.
    pub const RETRY_DELAY: u16 = 2;
    /// Encryption padding.
    pub const ENCRYPTION_PADDING: u16 = 3;
}

/// Octets of a TLV without data.
pub const TLV_LEN: usize = 4;

/// One TLV, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Type.
    pub kind: u16,
    /// Data; at most 65,535 octets.
    pub data: &'a [u8],
}

/// A DSO message: twelve octets of header with all counts 0, then TLVs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dso<'a> {
    /// Message ID; 0 for unidirectional messages.
    pub id: u16,
    /// QR.
    pub is_response: bool,
    /// RCODE, four bits.
    pub rcode: u8,
    /// TLVs in order; of a request or unidirectional message the first is the primary.
    pub tlvs: Vec<Tlv<'a>>,
}

/// Why a message is no DSO message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A count in the header is not zero (RFC 8490 §5.4).
    #[error("a DSO message has no records, but its header counts some")]
    Counts,
    /// A TLV does not fit.
    #[error("DSO TLV malformed at octet {at}")]
    Tlv {
        /// Octet.
        at: usize,
    },
    /// Too short for a header, or another opcode.
    #[error("not a DSO message")]
    Foreign,
}

/// Whether a message, as far as its header tells, is a DSO message.
#[must_use]
pub fn is_dso(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_LEN && bytes.get(2).is_some_and(|octet| octet >> 3 & 0xf == kind::OPCODE_DSO)
}

impl<'a> Dso<'a> {
    /// Reads a message with opcode DSO. Memory is bounded by the message: each TLV takes at least four octets of it.
    ///
    /// # Errors
    /// What breaks it.
    pub fn read(bytes: &'a [u8]) -> Result<Dso<'a>, Fault> {
        if !is_dso(bytes) {
            return Err(Fault::Foreign);
        }
        let field = |at| u16_at(bytes, at).map_err(|_| Fault::Foreign);
        let (id, flags) = (field(0)?, field(2)?);
        if [field(4)?, field(6)?, field(8)?, field(10)?] != [0; 4] {
            return Err(Fault::Counts);
        }
        let mut tlvs = Vec::new();
        let mut at = HEADER_LEN;
        while at < bytes.len() {
            let tlv = || -> Result<Tlv<'a>, usize> {
                let len = usize::from(u16_at(bytes, at + 2)?);
                Ok(Tlv { kind: u16_at(bytes, at)?, data: slice_at(bytes, at + TLV_LEN, len)? })
            };
            let tlv = tlv().map_err(|_| Fault::Tlv { at })?;
            at += TLV_LEN + tlv.data.len();
            tlvs.push(tlv);
        }
        Ok(Dso { id, is_response: flags & flag::QR != 0, rcode: (flags & flag::RCODE) as u8, tlvs })
    }

    /// Writes it. TLV data beyond 65,535 octets is cut.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let response = if self.is_response { flag::QR } else { 0 };
        let flags = response | u16::from(kind::OPCODE_DSO) << 11 | u16::from(self.rcode) & flag::RCODE;
        let mut out = Vec::with_capacity(64);
        for field in [self.id, flags, 0, 0, 0, 0] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        for Tlv { kind, data } in &self.tlvs {
            let len = u16::try_from(data.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(data.get(..usize::from(len)).unwrap_or_default());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::unhex;

    /// A message in hex, and what is read of it.
    fn check(hex: &str, expected: &Result<Dso<'_>, Fault>) {
        assert_eq!(Dso::read(&unhex(hex)).as_ref(), expected.as_ref(), "{hex}");
    }

    #[test]
    fn messages() {
        let keepalive = Tlv { kind: tlv::KEEPALIVE, data: &[0, 0, 0x3a, 0x98, 0, 0x36, 0xee, 0x80] };
        let padding = Tlv { kind: tlv::ENCRYPTION_PADDING, data: &[0; 3] };
        let dso =
            |id, is_response, rcode, tlvs: &[Tlv<'static>]| Ok(Dso { id, is_response, rcode, tlvs: tlvs.to_vec() });
        check("1234 3000 0000 0000 0000 0000 0001 0008 00003a98 0036ee80", &dso(0x1234, false, 0, &[keepalive]));
        check(
            "1234 b000 0000 0000 0000 0000 0001 0008 00003a98 0036ee80 0003 0003 000000",
            &dso(0x1234, true, 0, &[keepalive, padding]),
        );
        // Z bits are ignored on reception (RFC 8490 §5.4.1).
        check("0000 b7fb 0000 0000 0000 0000", &dso(0, true, 11, &[]));
    }

    #[test]
    fn faults() {
        check("1234 3000 0000 0000 0000", &Err(Fault::Foreign));
        check("1234 0000 0000 0000 0000 0000", &Err(Fault::Foreign));
        check("1234 3000 0000 0000 0000 0001 0001 0008", &Err(Fault::Counts));
        check("1234 3000 0001 0000 0000 0000", &Err(Fault::Counts));
        check("1234 3000 0000 0000 0000 0000 00", &Err(Fault::Tlv { at: 12 }));
        check("1234 3000 0000 0000 0000 0000 0001 0008 00", &Err(Fault::Tlv { at: 12 }));
        check("1234 3000 0000 0000 0000 0000 0003 0000 0001 ffff", &Err(Fault::Tlv { at: 16 }));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            id: u16, is_response: bool, rcode in 0..16u8,
            tlvs in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..6),
        ) {
            let tlvs = tlvs.iter().map(|(kind, data)| Tlv { kind: *kind, data }).collect();
            let dso = Dso { id, is_response, rcode, tlvs };
            let written = dso.write();
            prop_assert_eq!(Dso::read(&written), Ok(dso));
        }

        #[test]
        fn any_octets_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), header: bool) {
            if header && bytes.len() >= HEADER_LEN {
                bytes[2] = 0x30;
                bytes[4..12].fill(0);
            }
            if let Ok(dso) = Dso::read(&bytes) {
                let written = dso.write();
                prop_assert_eq!(Dso::read(&written), Ok(dso));
                prop_assert_eq!(&written[HEADER_LEN..], &bytes[HEADER_LEN..]);
            }
        }
    }
}
