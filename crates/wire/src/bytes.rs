//! Reading numbers at an offset; the error is always the octet where the message ends too early.

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Result<u16, usize> {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(octets) => Ok(u16::from_be_bytes(*octets)),
        None => Err(bytes.len()),
    }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Result<u32, usize> {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(octets) => Ok(u32::from_be_bytes(*octets)),
        None => Err(bytes.len()),
    }
}

pub(crate) fn slice_at(bytes: &[u8], at: usize, len: usize) -> Result<&[u8], usize> {
    bytes.get(at..).and_then(|rest| rest.get(..len)).ok_or(bytes.len())
}

/// Overwrites octets that are known to be there; a wrong offset changes nothing.
pub(crate) fn patch(bytes: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..octets.len())) {
        place.copy_from_slice(octets);
    }
}
