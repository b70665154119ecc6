//! Names of types, classes and opcodes (IANA registries; RFC 3597 for the unknown ones).

use std::borrow::Cow;

/// Host address (RFC 1035).
pub const A: u16 = 1;
/// Name server (RFC 1035).
pub const NS: u16 = 2;
/// Canonical name (RFC 1035).
pub const CNAME: u16 = 5;
/// Start of authority (RFC 1035).
pub const SOA: u16 = 6;
/// Pointer to a name (RFC 1035).
pub const PTR: u16 = 12;
/// Mail exchange (RFC 1035).
pub const MX: u16 = 15;
/// Text (RFC 1035).
pub const TXT: u16 = 16;
/// Host address, IPv6 (RFC 3596).
pub const AAAA: u16 = 28;
/// Service location (RFC 2782).
pub const SRV: u16 = 33;
/// Redirection of a subtree (RFC 6672).
pub const DNAME: u16 = 39;
/// EDNS pseudo-record (RFC 6891).
pub const OPT: u16 = 41;
/// Delegation signer (RFC 4034).
pub const DS: u16 = 43;
/// Signature (RFC 4034).
pub const RRSIG: u16 = 46;
/// Proof of absence (RFC 4034).
pub const NSEC: u16 = 47;
/// Public key (RFC 4034).
pub const DNSKEY: u16 = 48;
/// Proof of absence, hashed (RFC 5155).
pub const NSEC3: u16 = 50;
/// Service binding (RFC 9460).
pub const SVCB: u16 = 64;
/// Service binding for HTTP (RFC 9460).
pub const HTTPS: u16 = 65;
/// Sentinel in compact proofs of absence; never to be asked for (RFC 9824).
pub const NXNAME: u16 = 128;
/// Key agreement pseudo-record (RFC 2930).
pub const TKEY: u16 = 249;
/// Message signature pseudo-record (RFC 8945).
pub const TSIG: u16 = 250;
/// Incremental zone transfer (RFC 1995).
pub const IXFR: u16 = 251;
/// Zone transfer (RFC 5936).
pub const AXFR: u16 = 252;
/// Mailbox records, obsolete (RFC 1035).
pub const MAILB: u16 = 253;
/// Mail agents, obsolete (RFC 1035).
pub const MAILA: u16 = 254;
/// Any type, as a question (RFC 1035, 8482).
pub const ANY: u16 = 255;
/// Certification authority authorisation (RFC 8659).
pub const CAA: u16 = 257;

/// The Internet (RFC 1035).
pub const CLASS_IN: u16 = 1;
/// Chaosnet, nowadays the server about itself (RFC 1035).
pub const CLASS_CH: u16 = 3;
/// No class: what an update deletes, or wants absent (RFC 2136).
pub const CLASS_NONE: u16 = 254;
/// Any class, as a question (RFC 1035).
pub const CLASS_ANY: u16 = 255;

/// OPCODE of a question (RFC 1035).
pub const OPCODE_QUERY: u8 = 0;
/// OPCODE of news that a zone changed (RFC 1996).
pub const OPCODE_NOTIFY: u8 = 4;
/// OPCODE of a change to a zone (RFC 2136).
pub const OPCODE_UPDATE: u8 = 5;
/// OPCODE of stateful operations (RFC 8490).
pub const OPCODE_DSO: u8 = 6;

/// Types with a mnemonic, by number.
static TYPES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (3, "MD"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (22, "NSAP"),
    (23, "NSAP-PTR"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (30, "NXT"),
    (31, "EID"),
    (32, "NIMLOC"),
    (33, "SRV"),
    (34, "ATMA"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (38, "A6"),
    (39, "DNAME"),
    (40, "SINK"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (56, "NINFO"),
    (57, "RKEY"),
    (58, "TALINK"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (66, "DSYNC"),
    (67, "HHIT"),
    (68, "BRID"),
    (99, "SPF"),
    (100, "UINFO"),
    (101, "UID"),
    (102, "GID"),
    (103, "UNSPEC"),
    (104, "NID"),
    (105, "L32"),
    (106, "L64"),
    (107, "LP"),
    (108, "EUI48"),
    (109, "EUI64"),
    (128, "NXNAME"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (258, "AVC"),
    (259, "DOA"),
    (260, "AMTRELAY"),
    (261, "RESINFO"),
    (262, "WALLET"),
    (263, "CLA"),
    (264, "IPN"),
    (32768, "TA"),
    (32769, "DLV"),
];

/// Classes with a mnemonic, by number.
static CLASSES: &[(u16, &str)] = &[(1, "IN"), (3, "CH"), (4, "HS"), (254, "NONE"), (255, "ANY")];

/// Opcodes with a mnemonic, by number. 3 was never assigned.
static OPCODES: &[(u16, &str)] =
    &[(0, "QUERY"), (1, "IQUERY"), (2, "STATUS"), (4, "NOTIFY"), (5, "UPDATE"), (6, "DSO")];

/// Opcodes have four bits.
const OPCODE_MAX: u16 = 15;

/// `A`, `HTTPS`, … or `TYPE65280`.
#[must_use]
pub fn type_name(number: u16) -> Cow<'static, str> {
    name_of(TYPES, number, "TYPE")
}

/// Reads a type name in any case, or `TYPE65280`.
#[must_use]
pub fn type_from_name(text: &str) -> Option<u16> {
    number_of(TYPES, text, "TYPE")
}

/// Every type with a mnemonic, by number: for help and suggestions.
pub fn type_names() -> impl Iterator<Item = (u16, &'static str)> {
    TYPES.iter().copied()
}

/// `IN`, `CH`, … or `CLASS5`.
#[must_use]
pub fn class_name(number: u16) -> Cow<'static, str> {
    name_of(CLASSES, number, "CLASS")
}

/// Reads a class name in any case, or `CLASS5`.
#[must_use]
pub fn class_from_name(text: &str) -> Option<u16> {
    number_of(CLASSES, text, "CLASS")
}

/// `QUERY`, `UPDATE`, … or `OPCODE7`.
#[must_use]
pub fn opcode_name(number: u8) -> Cow<'static, str> {
    name_of(OPCODES, u16::from(number), "OPCODE")
}

/// Reads an opcode name in any case, or `OPCODE7`.
#[must_use]
pub fn opcode_from_name(text: &str) -> Option<u8> {
    let number = number_of(OPCODES, text, "OPCODE").filter(|&number| number <= OPCODE_MAX)?;
    u8::try_from(number).ok()
}

fn name_of(table: &'static [(u16, &'static str)], number: u16, prefix: &str) -> Cow<'static, str> {
    match table.binary_search_by_key(&number, |&(known, _)| known) {
        Ok(at) => Cow::Borrowed(table[at].1),
        Err(_) => Cow::Owned(format!("{prefix}{number}")),
    }
}

fn number_of(table: &[(u16, &str)], text: &str, prefix: &str) -> Option<u16> {
    if let Some(&(number, _)) = table.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
        return Some(number);
    }
    let head = text.get(..prefix.len()).filter(|head| head.eq_ignore_ascii_case(prefix))?;
    let digits = &text[head.len()..];
    // `parse` alone would also take a sign.
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_without_doubles() {
        for table in [TYPES, CLASSES, OPCODES] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }

    #[test]
    fn every_number_survives_its_own_name() {
        for number in 0..=u16::MAX {
            assert_eq!(type_from_name(&type_name(number)), Some(number));
            assert_eq!(class_from_name(&class_name(number)), Some(number));
        }
        for number in 0..=15 {
            assert_eq!(opcode_from_name(&opcode_name(number)), Some(number));
        }
    }

    #[test]
    fn names_are_read_in_any_case_and_strictly() {
        assert_eq!(type_from_name("hTTps"), Some(HTTPS));
        assert_eq!(type_from_name("type65"), Some(HTTPS));
        assert_eq!(type_name(65280), "TYPE65280");
        assert_eq!(class_from_name("ch"), Some(CLASS_CH));
        for wrong in ["", "TYPE", "TYPE+1", "TYPE65536", "TYPE-1", "AAAAA", "ТYPE1"] {
            assert_eq!(type_from_name(wrong), None, "{wrong}");
        }
        assert_eq!(opcode_from_name("OPCODE16"), None);
    }
}
