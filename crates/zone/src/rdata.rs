//! Names within RDATA: where they lie, so that data can be compared without regard to their case (RFC 4034 §6.2,
//! RFC 6840 §5.1; RFC 2136 §1.1.1) while it is kept as it came.

use std::borrow::Cow;

use wire::kind;
use wire::name::Name;

/// Octets before the first name and how many names follow each other; `None` when the data is too short to say.
fn names(rtype: u16, rdata: &[u8]) -> Option<(usize, usize)> {
    Some(match rtype {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, NSAP-PTR, NXT, DNAME, NSEC.
        2..=5 | 7..=9 | 12 | 23 | 30 | 39 | 47 => (0, 1),
        // SOA, MINFO, RP.
        6 | 14 | 17 => (0, 2),
        // MX, AFSDB, RT, KX; LP; SVCB, HTTPS.
        15 | 18 | 21 | 36 | 107 | kind::SVCB | kind::HTTPS => (2, 1),
        // PX.
        26 => (2, 2),
        kind::SRV => (6, 1),
        // SIG, RRSIG.
        24 | 46 => (18, 1),
        // NAPTR: order, preference, three character strings.
        35 => {
            let mut at = 4;
            for _ in 0..3 {
                at += 1 + usize::from(*rdata.get(at)?);
            }
            (at, 1)
        }
        _ => (0, 0),
    })
}

/// The data with its names in lower case; as it is where names are missing or broken.
pub(crate) fn folded(rtype: u16, rdata: &[u8]) -> Cow<'_, [u8]> {
    let Some((start, count)) = names(rtype, rdata) else { return Cow::Borrowed(rdata) };
    let mut rest = rdata.get(start..).unwrap_or_default();
    for _ in 0..count {
        let Ok((_, after)) = Name::split(rest) else { break };
        rest = after;
    }
    let end = rdata.len() - rest.len();
    match rdata.get(start..end) {
        Some(names) if names.iter().any(u8::is_ascii_uppercase) => {
            let mut octets = rdata.to_vec();
            // Length octets are below `A`, so they stay.
            octets[start..end].make_ascii_lowercase();
            Cow::Owned(octets)
        }
        _ => Cow::Borrowed(rdata),
    }
}

/// The name the data holds first, such as a target: of NS, CNAME, DNAME, PTR, MX, SRV, SVCB and their like.
pub(crate) fn target(rtype: u16, rdata: &[u8]) -> Option<Name<'_>> {
    let (start, count) = names(rtype, rdata)?;
    (count > 0).then(|| Name::split(rdata.get(start..)?).ok()).flatten().map(|(name, _)| name)
}
