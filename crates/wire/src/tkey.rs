//! TKEY (RFC 2930): the record in which keys are asked for, given and deleted. The codec alone; who may is decided above.

use crate::name::Folded;

/// Modes (RFC 2930 §2.5).
pub mod mode {
    /// Server assigns the key.
    pub const SERVER_ASSIGNED: u16 = 1;
    /// Diffie-Hellman exchange.
    pub const DIFFIE_HELLMAN: u16 = 2;
    /// GSS-API.
    pub const GSS_API: u16 = 3;
    /// Resolver assigns the key.
    pub const RESOLVER_ASSIGNED: u16 = 4;
    /// Key deletion.
    pub const DELETE: u16 = 5;
}

/// RDATA of a TKEY record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tkey {
    /// Algorithm name.
    pub algorithm: Folded,
    /// Inception, seconds since the epoch (32-bit serial).
    pub inception: u32,
    /// Expiration.
    pub expiration: u32,
    /// Mode.
    pub mode: u16,
    /// Error.
    pub error: u16,
    /// Key data.
    pub key: Vec<u8>,
    /// Other data.
    pub other: Vec<u8>,
}

impl Tkey {
    /// Reads RDATA whose name is uncompressed.
    ///
    /// # Errors
    /// The octet where it is malformed.
    pub fn read(rdata: &[u8]) -> Result<Tkey, usize> {
        let _ = rdata;
        todo!()
    }

    /// Writes RDATA.
    #[must_use]
    pub fn rdata(&self) -> Vec<u8> {
        todo!()
    }
}
