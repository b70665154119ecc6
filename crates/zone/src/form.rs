//! Whether RDATA has the form of its type, for records that came in an update: a zone is not to hold what no resolver could
//! read. Types without a layout here may hold anything (RFC 3597).

use wire::kind;
use wire::name::Name;

/// A part of RDATA.
enum Part {
    /// This many octets.
    Octets(usize),
    /// An uncompressed name.
    Name,
    /// A character string (RFC 1035 §3.3).
    Text,
    /// One or more character strings.
    Texts,
    /// A bitmap of types (RFC 4034 §4.1.2).
    Bitmap,
    /// Address prefixes (RFC 3123 §4).
    Prefixes,
    /// Service parameters (RFC 9460 §2.2).
    Parameters,
    /// Anything, at least so many octets.
    Rest(usize),
}

/// Parts in order; they fill the data. `None` for types that may hold anything.
fn layout(rtype: u16) -> Option<&'static [Part]> {
    use Part::{Bitmap, Name, Octets, Parameters, Prefixes, Rest, Text, Texts};
    Some(match rtype {
        kind::A => &[Octets(4)],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, NSAP-PTR, DNAME.
        2..=5 | 7..=9 | 12 | 23 | 39 => &[Name],
        kind::SOA => &[Name, Name, Octets(20)],
        // WKS: address, protocol.
        11 => &[Octets(5), Rest(0)],
        // HINFO.
        13 => &[Text, Text],
        // MINFO, RP.
        14 | 17 => &[Name, Name],
        // MX, AFSDB, RT, KX, LP.
        15 | 18 | 21 | 36 | 107 => &[Octets(2), Name],
        // TXT, ISDN, SPF, NINFO, AVC, RESINFO, WALLET, CLA.
        16 | 20 | 56 | 99 | 258 | 261..=263 => &[Texts],
        // X25.
        19 => &[Text],
        // NSAP, OPENPGPKEY, DHCID.
        22 | 49 | 61 => &[Rest(1)],
        // SIG, RRSIG.
        24 | 46 => &[Octets(18), Name, Rest(1)],
        // KEY, DNSKEY, RKEY, CDNSKEY.
        25 | 48 | 57 | 60 => &[Octets(4), Rest(0)],
        // PX.
        26 => &[Octets(2), Name, Name],
        // GPOS.
        27 => &[Text, Text, Text],
        kind::AAAA => &[Octets(16)],
        // LOC.
        29 => &[Octets(16)],
        // NXT.
        30 => &[Name, Rest(1)],
        kind::SRV => &[Octets(6), Name],
        // NAPTR.
        35 => &[Octets(4), Text, Text, Text, Name],
        // CERT.
        37 => &[Octets(5), Rest(1)],
        // APL.
        42 => &[Prefixes],
        // DS, CDS, TA, DLV, URI.
        43 | 59 | 256 | 32_768 | 32_769 => &[Octets(4), Rest(1)],
        // SSHFP.
        44 => &[Octets(2), Rest(1)],
        // IPSECKEY, TLSA, SMIMEA.
        45 | 52 | 53 => &[Octets(3), Rest(0)],
        kind::NSEC => &[Name, Bitmap],
        // NSEC3: salt and hash have the form of a character string.
        kind::NSEC3 => &[Octets(4), Text, Text, Bitmap],
        // NSEC3PARAM.
        51 => &[Octets(4), Text],
        // HIP.
        55 => &[Rest(4)],
        // CSYNC.
        62 => &[Octets(6), Bitmap],
        // ZONEMD.
        63 => &[Octets(6), Rest(12)],
        kind::SVCB | kind::HTTPS => &[Octets(2), Name, Parameters],
        // NID, L64.
        104 | 106 => &[Octets(10)],
        // L32.
        105 => &[Octets(6)],
        // EUI48, EUI64.
        108 => &[Octets(6)],
        109 => &[Octets(8)],
        kind::CAA => &[Octets(1), Text, Rest(0)],
        _ => return None,
    })
}

/// Whether data of class IN has the form of its type.
pub(crate) fn fits(rtype: u16, rdata: &[u8]) -> bool {
    let Some(parts) = layout(rtype) else { return true };
    let end = parts.iter().try_fold(rdata, |rest, part| after(part, rest));
    end.is_some_and(<[u8]>::is_empty)
}

/// What lies behind a part; `None` when it is not there.
fn after<'a>(part: &Part, rest: &'a [u8]) -> Option<&'a [u8]> {
    match part {
        Part::Octets(len) => rest.get(*len..),
        Part::Name => Name::split(rest).ok().map(|(_, rest)| rest),
        Part::Text => text(rest),
        Part::Texts => repeat(text(rest)?, text),
        Part::Bitmap => repeat(rest, |rest| {
            let [_window, len, rest @ ..] = rest else { return None };
            (1..=32).contains(len).then(|| rest.get(usize::from(*len)..)).flatten()
        }),
        Part::Prefixes => repeat(rest, |rest| {
            let [_, _, _prefix, len, rest @ ..] = rest else { return None };
            // The upper bit says "not".
            rest.get(usize::from(len & 0x7f)..)
        }),
        Part::Parameters => {
            let mut least = 0;
            repeat(rest, |rest| {
                let [k0, k1, l0, l1, rest @ ..] = rest else { return None };
                let key = u32::from(u16::from_be_bytes([*k0, *k1]));
                // Keys ascend, each once.
                let value_len = usize::from(u16::from_be_bytes([*l0, *l1]));
                let ascends = key >= least;
                least = key + 1;
                ascends.then(|| rest.get(value_len..)).flatten()
            })
        }
        Part::Rest(least) => (rest.len() >= *least).then_some(&[]),
    }
}

fn text(rest: &[u8]) -> Option<&[u8]> {
    let (len, rest) = rest.split_first()?;
    rest.get(usize::from(*len)..)
}

/// Takes as many as there are; ends because each takes at least one octet.
fn repeat<'a>(mut rest: &'a [u8], mut each: impl FnMut(&'a [u8]) -> Option<&'a [u8]>) -> Option<&'a [u8]> {
    while !rest.is_empty() {
        rest = each(rest)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_has_the_form_of_its_type() {
        let soa = [&b"\x02ns\0\0"[..], &[0; 20]].concat();
        for (rtype, rdata, expected) in [
            (kind::A, &b"\xc0\0\x02\x01"[..], true),
            (kind::A, b"\xc0\0\x02", false),
            (kind::A, b"", false),
            (kind::AAAA, &[0; 16], true),
            (kind::NS, b"\x02ns\0", true),
            (kind::NS, b"\x02ns\0x", false),
            (kind::NS, b"\x02ns", false),
            (kind::SOA, &soa, true),
            (kind::SOA, &soa[..24], false),
            (kind::TXT, b"\x01a\x00", true),
            (kind::TXT, b"", false),
            (kind::TXT, b"\x02a", false),
            (kind::MX, b"\0\x0a\x01m\0", true),
            (kind::SRV, b"\0\0\0\0\0\x01\0", true),
            (kind::NSEC, b"\x01a\0\0\x01\x40", true),
            (kind::NSEC, b"\x01a\0\0\x00", false),
            (kind::HTTPS, b"\0\x01\0\0\x01\0\x03\x02h2\0\x03\0\x02\x01\xbb", true),
            (kind::HTTPS, b"\0\x01\0\0\x03\0\x02\x01\xbb\0\x01\0\x03\x02h2", false),
            (kind::CAA, b"\0\x05issueca", true),
            (42, b"\0\x01\x18\x03\xc0\0\x02", true),
            (42, b"\0\x01\x18\x03\xc0\0", false),
            (10, b"", true),
            (65_280, b"anything", true),
        ] {
            assert_eq!(fits(rtype, rdata), expected, "{} {rdata:?}", kind::type_name(rtype));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_judged(rtype in 0u16..300, rdata in proptest::collection::vec(0u8..=255, 0..64)) {
            let _ = fits(rtype, &rdata);
        }
    }
}
