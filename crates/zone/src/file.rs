//! Zone files (RFC 1035 §5, RFC 2308 §4 `$TTL`): text to records, with the place of every offence. Bounded: length of the
//! text, records, depth of `$INCLUDE`.

use wire::name::Folded;

use crate::tree::Zone;

/// Octets of one zone file, includes counted.
pub const FILE_BYTES_MAX: usize = 512 << 20;
/// Depth of `$INCLUDE`.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// Faults told of one file.
pub const FAULTS_MAX: usize = 20;

/// One offence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct FileFault {
    /// File, as named by the includer or the caller.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, naming the offence.
    pub message: String,
}

/// Reads a whole zone and checks it ([`Zone::faults`]). `include` gives the text of an included file.
///
/// # Errors
/// At most [`FAULTS_MAX`] offences.
#[expect(unused_variables, clippy::todo, reason = "filled in next")]
pub fn read(
    name: &str,
    text: &str,
    origin: &Folded,
    include: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<Zone, Vec<FileFault>> {
    todo!()
}

/// The zone as a zone file: SOA first, canonical order, one record a line.
#[must_use]
#[expect(unused_variables, clippy::todo, reason = "filled in next")]
pub fn write(zone: &Zone) -> String {
    todo!()
}

/// One record as text, `www.example. 300 IN A 192.0.2.1`; unknown data as RFC 3597 §5.
#[must_use]
#[expect(unused_variables, clippy::todo, reason = "filled in next")]
pub fn record_text(record: &wire::message::Record) -> String {
    todo!()
}

/// RDATA as text, `192.0.2.1`.
#[must_use]
#[expect(unused_variables, clippy::todo, reason = "filled in next")]
pub fn rdata_text(rtype: u16, rdata: &[u8]) -> String {
    todo!()
}
