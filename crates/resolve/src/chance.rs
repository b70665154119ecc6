//! Chance from the system: message IDs nobody can guess, and which upstream to try out.

use std::io;

/// A random message ID.
///
/// # Errors
/// When the system gives no randomness. A guessable ID is worse than none, so nothing is asked then.
pub(crate) fn message_id() -> io::Result<u16> {
    let mut octets = [0; 2];
    getrandom::fill(&mut octets).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(u16::from_ne_bytes(octets))
}

/// A number for choices that need no secrecy; 0 when the system gives none.
pub(crate) fn dice() -> u32 {
    getrandom::u32().unwrap_or(0)
}
