//! TKEY (RFC 2930): the record in which keys are asked for, given and deleted, and the Diffie-Hellman exchange some are made
//! by. Codec and arithmetic alone; who may is decided above.

pub mod dh;

use crate::bytes::{slice_at, u16_at, u32_at};
use crate::name::{Folded, Name};

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

/// Longest key data or other data written, octets: both and the name fit into one record.
const DATA_LEN_MAX: usize = 0x4000;

impl Tkey {
    /// Reads RDATA whose name is uncompressed.
    ///
    /// # Errors
    /// The octet where it is malformed.
    pub fn read(rdata: &[u8]) -> Result<Tkey, usize> {
        let (algorithm, rest) = Name::split(rdata).map_err(|at| at.min(rdata.len()))?;
        let at = rdata.len() - rest.len();
        let key_len = usize::from(u16_at(rdata, at + 12)?);
        let key = slice_at(rdata, at + 14, key_len)?;
        let behind = at + 14 + key_len;
        let other_len = usize::from(u16_at(rdata, behind)?);
        let other = slice_at(rdata, behind + 2, other_len)?;
        let end = behind + 2 + other_len;
        if end != rdata.len() {
            return Err(end);
        }
        Ok(Tkey {
            algorithm: algorithm.fold(),
            inception: u32_at(rdata, at)?,
            expiration: u32_at(rdata, at + 4)?,
            mode: u16_at(rdata, at + 8)?,
            error: u16_at(rdata, at + 10)?,
            key: key.to_vec(),
            other: other.to_vec(),
        })
    }

    /// Writes RDATA. Of key and other data, the first 16,384 octets each.
    #[must_use]
    pub fn rdata(&self) -> Vec<u8> {
        let mut rdata = self.algorithm.wire().to_vec();
        rdata.extend(self.inception.to_be_bytes());
        rdata.extend(self.expiration.to_be_bytes());
        rdata.extend(self.mode.to_be_bytes());
        rdata.extend(self.error.to_be_bytes());
        for data in [&self.key, &self.other] {
            let data = data.get(..DATA_LEN_MAX).unwrap_or(data);
            rdata.extend((data.len() as u16).to_be_bytes());
            rdata.extend(data);
        }
        rdata
    }
}

#[cfg(test)]
mod tests;
