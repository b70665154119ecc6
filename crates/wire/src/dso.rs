//! DNS Stateful Operations (RFC 8490): TLVs and messages. The codec alone; the session's rules are kept above.

/// TLV types (RFC 8490 §10.3).
pub mod tlv {
    /// Keepalive.
    pub const KEEPALIVE: u16 = 1;
    /// Retry delay.
    pub const RETRY_DELAY: u16 = 2;
    /// Encryption padding.
    pub const ENCRYPTION_PADDING: u16 = 3;
}

/// One TLV, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Type.
    pub kind: u16,
    /// Data.
    pub data: &'a [u8],
}

/// A DSO message: twelve octets of header with all counts 0, then TLVs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dso<'a> {
    /// Message ID; 0 for unidirectional messages.
    pub id: u16,
    /// QR.
    pub is_response: bool,
    /// RCODE.
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
}

impl<'a> Dso<'a> {
    /// Reads a message with opcode DSO.
    ///
    /// # Errors
    /// What breaks it.
    pub fn read(bytes: &'a [u8]) -> Result<Dso<'a>, Fault> {
        let _ = bytes;
        todo!()
    }

    /// Writes it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        todo!()
    }
}
