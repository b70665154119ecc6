//! Return codes: the one registry that the log, the search language, the API, the dashboard, the command
//! line and the documentation read.
//!
//! A reply can carry a code in four places (header, header + OPT, TSIG error, TKEY error). This module names
//! the codes and derives the one a person filters on; it does not know how a code came to be sent.

use std::borrow::Cow;
use std::fmt;

/// A return code as a person sees it: derived once from the four places on the wire, then stored.
///
/// The inner number is the *key* stored in the log's `code` column: the wire number, except that `BADSIG` has a
/// key of its own, because 16 on the wire is `BADVERS` in OPT and `BADSIG` in TSIG or TKEY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

/// Key of `BADSIG`: outside the 12-bit RCODE space, so it can never meet a number seen in OPT.
const BADSIG_KEY: u16 = 0x8010;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $key:expr;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Code = Code($key);)*
        }
    };
}

codes! {
    /// No error (RFC 1035).
    NOERROR = 0;
    /// The message could not be read (RFC 1035).
    FORMERR = 1;
    /// The server failed (RFC 1035).
    SERVFAIL = 2;
    /// The name does not exist (RFC 1035, 8020).
    NXDOMAIN = 3;
    /// The kind of query is not offered (RFC 1035).
    NOTIMP = 4;
    /// Refused by policy (RFC 1035).
    REFUSED = 5;
    /// A name exists that should not (RFC 2136), or DNAME overflow (RFC 6672).
    YXDOMAIN = 6;
    /// A record set exists that should not (RFC 2136).
    YXRRSET = 7;
    /// A record set that should exist does not (RFC 2136).
    NXRRSET = 8;
    /// Not authoritative for the zone (RFC 2136), or not authorised (RFC 8945).
    NOTAUTH = 9;
    /// A name lies outside the zone (RFC 2136).
    NOTZONE = 10;
    /// DSO type not implemented (RFC 8490).
    DSOTYPENI = 11;
    /// EDNS version not supported (RFC 6891).
    BADVERS = 16;
    /// TSIG signature wrong (RFC 8945).
    BADSIG = BADSIG_KEY;
    /// Key not recognised (RFC 8945).
    BADKEY = 17;
    /// Signature outside its time window (RFC 8945).
    BADTIME = 18;
    /// TKEY mode not supported (RFC 2930).
    BADMODE = 19;
    /// Key name duplicate or unknown (RFC 2930).
    BADNAME = 20;
    /// Algorithm not supported (RFC 2930).
    BADALG = 21;
    /// Signature truncated too far (RFC 8945).
    BADTRUNC = 22;
    /// Server cookie missing or wrong (RFC 7873).
    BADCOOKIE = 23;
}

impl Code {
    /// Derives the code from the places on the wire: TSIG error, else TKEY error, else the 12-bit RCODE.
    /// Zero in TSIG or TKEY means success and does not count. `None` when there was no reply.
    #[must_use]
    pub fn derive(rcode: Option<u16>, tsig_error: Option<u16>, tkey_error: Option<u16>) -> Option<Code> {
        let keyed = |number| if number == 16 { Self::BADSIG } else { Self(number) };
        match (tsig_error, tkey_error) {
            (Some(error), _) if error != 0 => Some(keyed(error)),
            (_, Some(error)) if error != 0 => Some(keyed(error)),
            _ => rcode.map(Self),
        }
    }

    /// The code with this key, as stored in the `code` column.
    #[must_use]
    pub const fn from_key(key: u16) -> Code {
        Self(key)
    }

    /// What the `code` column stores.
    #[must_use]
    pub const fn key(self) -> u16 {
        self.0
    }

    /// The number on the wire; `BADVERS` and `BADSIG` are both 16.
    #[must_use]
    pub const fn number(self) -> u16 {
        if self.0 == BADSIG_KEY { 16 } else { self.0 }
    }

    /// The mnemonic, or `CODE4001` for a number without a name.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        match self.info() {
            Some(info) => Cow::Borrowed(info.name),
            None => Cow::Owned(format!("CODE{}", self.0)),
        }
    }

    /// What the registry knows; `None` for numbers without a name.
    #[must_use]
    pub fn info(self) -> Option<&'static CodeInfo> {
        CODES.iter().find(|info| info.code == self)
    }

    /// Reads a mnemonic (any case) or `CODE4001`. Numbers are for the caller: 16 has two meanings.
    #[must_use]
    pub fn from_name(text: &str) -> Option<Code> {
        if let Some(info) = CODES.iter().find(|info| info.name.eq_ignore_ascii_case(text)) {
            return Some(info.code);
        }
        let digits = text.get(..4).filter(|head| head.eq_ignore_ascii_case("CODE")).and(text.get(4..))?;
        // `parse` alone would also take a sign.
        digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok().map(Self)).flatten()
    }

    /// All codes with this wire number: two for 16, one otherwise.
    pub fn with_number(number: u16) -> impl Iterator<Item = Code> {
        let second = (number == 16).then_some(Self::BADSIG);
        std::iter::once(Self(number)).chain(second)
    }

    /// Colour family; numbers without a name count as malformed and EDNS.
    #[must_use]
    pub fn family(self) -> Family {
        self.info().map_or(Family::Malformed, |info| info.family)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// The six families codes are coloured by; never by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// NOERROR.
    Answered,
    /// NXDOMAIN.
    NameMissing,
    /// SERVFAIL, NOTIMP.
    ServerTrouble,
    /// REFUSED, NOTAUTH.
    Refused,
    /// FORMERR, BADVERS, BADCOOKIE.
    Malformed,
    /// Updates, sessions and transaction security.
    Security,
}

impl Family {
    /// The word used in API and page.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NameMissing => "name_missing",
            Self::ServerTrouble => "server_trouble",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Security => "security",
        }
    }
}

/// One row of the registry.
#[derive(Debug)]
pub struct CodeInfo {
    /// The code.
    pub code: Code,
    /// Mnemonic in capitals.
    pub name: &'static str,
    /// Where it travels: `header`, `header + OPT`, `TSIG error`, `TKEY error`, `TSIG or TKEY error`.
    pub place: &'static str,
    /// Defining documents.
    pub rfc: &'static str,
    /// One sentence: what it means.
    pub meaning: &'static str,
    /// Colour family.
    pub family: Family,
}

const fn row(
    code: Code,
    name: &'static str,
    place: &'static str,
    rfc: &'static str,
    family: Family,
    meaning: &'static str,
) -> CodeInfo {
    CodeInfo { code, name, place, rfc, meaning, family }
}

/// Every named code in the order of the table: by number, `BADVERS` before `BADSIG`.
pub static CODES: &[CodeInfo] = &[
    row(
        Code::NOERROR,
        "NOERROR",
        "header",
        "RFC 1035",
        Family::Answered,
        "The question was answered, or the name has no data of this type.",
    ),
    row(
        Code::FORMERR,
        "FORMERR",
        "header",
        "RFC 1035, RFC 6891",
        Family::Malformed,
        "The server could not make sense of the message.",
    ),
    row(
        Code::SERVFAIL,
        "SERVFAIL",
        "header",
        "RFC 1035, RFC 8914",
        Family::ServerTrouble,
        "The server tried and failed; the extended error says why.",
    ),
    row(
        Code::NXDOMAIN,
        "NXDOMAIN",
        "header",
        "RFC 1035, RFC 8020",
        Family::NameMissing,
        "The name does not exist, nor does anything below it.",
    ),
    row(
        Code::NOTIMP,
        "NOTIMP",
        "header",
        "RFC 1035",
        Family::ServerTrouble,
        "The server does not offer this kind of operation.",
    ),
    row(
        Code::REFUSED,
        "REFUSED",
        "header",
        "RFC 1035, RFC 8914",
        Family::Refused,
        "The server will not answer this client or this question.",
    ),
    row(
        Code::YXDOMAIN,
        "YXDOMAIN",
        "header",
        "RFC 2136, RFC 6672",
        Family::Security,
        "A name exists that the update said must not, or a DNAME rewrite grew too long.",
    ),
    row(
        Code::YXRRSET,
        "YXRRSET",
        "header",
        "RFC 2136",
        Family::Security,
        "A record set exists that the update said must not.",
    ),
    row(
        Code::NXRRSET,
        "NXRRSET",
        "header",
        "RFC 2136",
        Family::Security,
        "A record set that the update counts on does not exist.",
    ),
    row(
        Code::NOTAUTH,
        "NOTAUTH",
        "header",
        "RFC 2136, RFC 8945",
        Family::Refused,
        "The server is not authoritative for the zone, or the signature was not accepted.",
    ),
    row(
        Code::NOTZONE,
        "NOTZONE",
        "header",
        "RFC 2136",
        Family::Security,
        "A name in the update lies outside its zone.",
    ),
    row(
        Code::DSOTYPENI,
        "DSOTYPENI",
        "header",
        "RFC 8490",
        Family::Security,
        "The session asked for a DSO operation the server does not know.",
    ),
    row(
        Code::BADVERS,
        "BADVERS",
        "header + OPT",
        "RFC 6891",
        Family::Malformed,
        "The client speaks an EDNS version the server does not.",
    ),
    row(
        Code::BADSIG,
        "BADSIG",
        "TSIG or TKEY error",
        "RFC 8945",
        Family::Security,
        "The signature does not fit the message and key.",
    ),
    row(
        Code::BADKEY,
        "BADKEY",
        "TSIG or TKEY error",
        "RFC 8945, RFC 2930",
        Family::Security,
        "The key or its algorithm is unknown to the server.",
    ),
    row(
        Code::BADTIME,
        "BADTIME",
        "TSIG or TKEY error",
        "RFC 8945",
        Family::Security,
        "The signature's time is too far from the server's clock.",
    ),
    row(
        Code::BADMODE,
        "BADMODE",
        "TKEY error",
        "RFC 2930",
        Family::Security,
        "The server does not offer this way of making keys.",
    ),
    row(
        Code::BADNAME,
        "BADNAME",
        "TKEY error",
        "RFC 2930",
        Family::Security,
        "The key name exists already, or the key to delete does not.",
    ),
    row(
        Code::BADALG,
        "BADALG",
        "TKEY error",
        "RFC 2930",
        Family::Security,
        "The server lacks the algorithm the key was asked for.",
    ),
    row(
        Code::BADTRUNC,
        "BADTRUNC",
        "TSIG error",
        "RFC 8945",
        Family::Security,
        "The signature is right but shorter than the server allows.",
    ),
    row(
        Code::BADCOOKIE,
        "BADCOOKIE",
        "header + OPT",
        "RFC 7873, RFC 9018",
        Family::Malformed,
        "The server wants a valid cookie before it answers.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_code_out_of_the_places_on_the_wire() {
        for (rcode, tsig, tkey, expected) in [
            (None, None, None, None),
            (Some(0), None, None, Some(Code::NOERROR)),
            (Some(16), None, None, Some(Code::BADVERS)),
            (Some(9), Some(16), None, Some(Code::BADSIG)),
            (Some(0), None, Some(16), Some(Code::BADSIG)),
            (Some(9), Some(18), Some(20), Some(Code::BADTIME)),
            (Some(0), Some(0), Some(20), Some(Code::BADNAME)),
            (Some(3), Some(0), Some(0), Some(Code::NXDOMAIN)),
            (Some(4001), None, None, Some(Code::from_key(4001))),
        ] {
            assert_eq!(Code::derive(rcode, tsig, tkey), expected, "{rcode:?} {tsig:?} {tkey:?}");
        }
    }

    #[test]
    fn sixteen_is_two_codes() {
        assert_eq!(Code::with_number(16).collect::<Vec<_>>(), [Code::BADVERS, Code::BADSIG]);
        assert_eq!(Code::with_number(3).collect::<Vec<_>>(), [Code::NXDOMAIN]);
        assert_eq!((Code::BADSIG.number(), Code::BADVERS.number()), (16, 16));
    }

    #[test]
    fn names_are_read_back() {
        for info in CODES {
            assert_eq!(Code::from_name(&info.name.to_lowercase()), Some(info.code));
            assert_eq!(info.code.name(), info.name);
            assert_eq!(Code::from_key(info.code.key()), info.code);
        }
        assert_eq!(Code::from_key(4001).to_string(), "CODE4001");
        assert_eq!(Code::from_name("code4001"), Some(Code::from_key(4001)));
        for wrong in ["", "CODE", "CODE+1", "CODE65536", "NXDOMAINS", "16"] {
            assert_eq!(Code::from_name(wrong), None, "{wrong}");
        }
    }
}
