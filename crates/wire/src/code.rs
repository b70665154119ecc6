//! Return codes: the one registry that the log, the search language, the API, the dashboard, the command
//! line and the documentation read.
//!
//! A reply can carry a code in four places (header, header + OPT, TSIG error, TKEY error). This module names
//! the codes and derives the one a person filters on; it does not know how a code came to be sent.

mod table;

use std::borrow::Cow;
use std::fmt;

pub use table::{CODES, RANGES};

/// A return code as a person sees it: derived once from the four places on the wire, then stored.
///
/// The inner number is the *key* stored in the log's `code` column: the wire number, except that `BADSIG` has a
/// key of its own, because 16 on the wire is `BADVERS` in OPT and `BADSIG` in TSIG or TKEY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

/// Codes with a name.
pub const CODES_COUNT: usize = 21;

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
        CODES.get(self.index()?)
    }

    /// Reads a mnemonic (any case, so `NXDomain` too) or `CODE4001`. Numbers are for the caller: 16 has two meanings.
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

    /// Its place in the table; `None` for numbers without a name.
    #[must_use]
    pub const fn index(self) -> Option<usize> {
        match self.0 {
            0..=11 => Some(self.0 as usize),
            16 => Some(12),
            BADSIG_KEY => Some(13),
            17..=23 => Some(self.0 as usize - 3),
            _ => None,
        }
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
    /// Every family.
    pub const ALL: &[Family] =
        &[Self::Answered, Self::NameMissing, Self::ServerTrouble, Self::Refused, Self::Malformed, Self::Security];

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

/// A place on the wire that can carry a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The four bits of the header.
    Header,
    /// Header and OPT record together: twelve bits (RFC 6891 §6.1.3).
    Opt,
    /// The Error field of a TSIG record (RFC 8945 §4.2).
    Tsig,
    /// The Error field of a TKEY record (RFC 2930 §2.6).
    Tkey,
}

impl Place {
    /// Every place.
    pub const ALL: &[Place] = &[Self::Header, Self::Opt, Self::Tsig, Self::Tkey];

    /// As people say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Opt => "header + OPT",
            Self::Tsig => "TSIG error",
            Self::Tkey => "TKEY error",
        }
    }

    /// The log's column that keeps what stood there.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::Header => "rcode_header",
            Self::Opt => "rcode",
            Self::Tsig => "tsig_error",
            Self::Tkey => "tkey_error",
        }
    }
}

/// A place together with what a reader of the header alone sees there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The place.
    pub place: Place,
    /// RCODE of the header, 4 bits.
    pub header: u8,
}

impl Placed {
    /// What the header alone seems to say: `YXRRSET` for BADCOOKIE.
    #[must_use]
    pub fn header_code(self) -> Code {
        Code(u16::from(self.header))
    }
}

/// Whether a reply with a code is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// If the request was.
    AsRequest,
    /// Never: the request could not be read far enough to be verified.
    Never,
    /// Always: the code says that key and MAC were right.
    Always,
    /// Not when it stands in TSIG, where no shared secret is known to exist.
    NotInTsig,
    /// As the TSIG error beside it says, else as the request was.
    ByError,
}

impl Signing {
    /// As people say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AsRequest => "if the request was signed",
            Self::Never => "no",
            Self::Always => "yes",
            Self::NotInTsig => "not as a TSIG error; as a TKEY error, if the request was signed",
            Self::ByError => "as the TSIG error beside it says; without one, if the request was signed",
        }
    }
}

/// Who can make a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Emitter {
    /// This server itself.
    Nameward,
    /// The resolver it asks.
    Upstream,
    /// A server that holds the zone.
    Authority,
}

impl Emitter {
    /// The word used in API and page.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nameward => "nameward",
            Self::Upstream => "upstream",
            Self::Authority => "authority",
        }
    }
}

/// What kind of statement a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// All went well.
    Success,
    /// A fact about the name or the data.
    Fact,
    /// Somebody decided so.
    Policy,
    /// Something is wrong, with the message, a server or the way between.
    Fault,
}

impl Kind {
    /// The word used in API and page.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Fact => "fact",
            Self::Policy => "policy",
            Self::Fault => "fault",
        }
    }

    /// As people say it.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Success => "a success",
            Self::Fact => "a fact about the name",
            Self::Policy => "a decision of policy",
            Self::Fault => "a fault",
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
    /// Mnemonic as the IANA registry writes it, such as `NXDomain`.
    pub mixed: &'static str,
    /// Where it travels, the usual place first.
    pub places: &'static [Placed],
    /// Whether the reply is signed.
    pub signing: Signing,
    /// Defining documents with sections.
    pub rfc: &'static str,
    /// One sentence: what it means.
    pub meaning: &'static str,
    /// When this server sends it.
    pub sent: &'static str,
    /// Who can make it.
    pub emitters: &'static [Emitter],
    /// Transports it can occur on, by their names.
    pub transports: &'static [&'static str],
    /// Usual causes, the most likely first.
    pub causes: &'static [&'static str],
    /// What an operator should do next.
    pub next: &'static [&'static str],
    /// Colour family.
    pub family: Family,
    /// What kind of statement it is.
    pub kind: Kind,
}

impl CodeInfo {
    /// Its places in one phrase, such as `TSIG error or TKEY error`.
    #[must_use]
    pub fn place(&self) -> String {
        let names: Vec<&str> = self.places.iter().map(|placed| placed.place.name()).collect();
        names.join(" or ")
    }

    /// Whether it can stand there.
    #[must_use]
    pub fn travels_in(&self, place: Place) -> bool {
        self.places.iter().any(|placed| placed.place == place)
    }
}

/// What is known of numbers without a name.
#[derive(Debug)]
pub struct RangeInfo {
    /// First number.
    pub first: u16,
    /// Last number.
    pub last: u16,
    /// `unassigned`, `private use`, `reserved`.
    pub name: &'static str,
    /// Defining document with section.
    pub rfc: &'static str,
    /// One or two sentences: what such a number means.
    pub meaning: &'static str,
    /// Usual causes.
    pub causes: &'static [&'static str],
    /// What an operator should do next.
    pub next: &'static [&'static str],
}

/// What the registry says of a number.
#[derive(Clone, Copy, Debug)]
pub enum Described {
    /// A named code.
    Named(&'static CodeInfo),
    /// A number without a name.
    Range(&'static RangeInfo),
}

/// Explains a number: two codes for 16, one code or one range for every other.
#[must_use]
pub fn describe(number: u16) -> Vec<Described> {
    let named: Vec<Described> =
        CODES.iter().filter(|info| info.code.number() == number).map(Described::Named).collect();
    if named.is_empty() { range(number).map(Described::Range).into_iter().collect() } else { named }
}

/// The range of numbers without a name that this one lies in; `None` for named ones.
#[must_use]
pub fn range(number: u16) -> Option<&'static RangeInfo> {
    RANGES.iter().find(|range| (range.first..=range.last).contains(&number))
}

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
    fn every_number_is_explained_exactly_once() {
        for number in 0..=u16::MAX {
            let named = CODES.iter().filter(|info| info.code.number() == number).count();
            let ranges = RANGES.iter().filter(|range| (range.first..=range.last).contains(&number)).count();
            assert_eq!((named > 0, ranges), (named > 0, usize::from(named == 0)), "{number}");
            assert_eq!(describe(number).len(), if number == 16 { 2 } else { 1 }, "{number}");
        }
        let told = |number| match describe(number)[0] {
            Described::Named(info) => info.name,
            Described::Range(range) => range.name,
        };
        for (number, name) in [
            (0, "NOERROR"),
            (11, "DSOTYPENI"),
            (12, "unassigned"),
            (15, "unassigned"),
            (23, "BADCOOKIE"),
            (24, "unassigned"),
            (3840, "unassigned"),
            (3841, "private use"),
            (4095, "private use"),
            (4096, "unassigned"),
            (65_534, "unassigned"),
            (65_535, "reserved"),
        ] {
            assert_eq!(told(number), name, "{number}");
        }
    }

    #[test]
    fn the_table_is_in_order_and_says_everything() {
        assert_eq!(CODES.len(), CODES_COUNT);
        for key in 0..=u16::MAX {
            let place = CODES.iter().position(|info| info.code.key() == key);
            assert_eq!(Code::from_key(key).index(), place, "{key}");
        }
        assert!(CODES.is_sorted_by_key(|info| (info.code.number(), info.code.key())));
        for info in CODES {
            let name = info.name;
            assert!(info.mixed.eq_ignore_ascii_case(name), "{name}");
            assert!(!info.places.is_empty() && !info.emitters.is_empty() && !info.transports.is_empty(), "{name}");
            assert!((2..=5).contains(&info.causes.len()) && (1..=4).contains(&info.next.len()), "{name}");
            assert!(info.rfc.starts_with("RFC ") && info.rfc.contains('§'), "{name}");
            let sentences = [info.meaning, info.sent].into_iter().chain(info.causes.iter().chain(info.next).copied());
            for sentence in sentences {
                assert!(sentence.ends_with('.') && !sentence.contains("  "), "{name}: {sentence}");
                assert!(sentence.starts_with(|c: char| c.is_uppercase()), "{name}: {sentence}");
            }
            for placed in info.places {
                let lower = (info.code.number() & 0xf) as u8;
                let expected = match placed.place {
                    Place::Header | Place::Opt => lower,
                    Place::Tsig => 9,
                    Place::Tkey => 0,
                };
                assert_eq!(placed.header, expected, "{name}");
                assert_eq!(placed.place == Place::Header, info.code.number() <= 15, "{name}");
            }
        }
        for range in RANGES {
            assert!(range.meaning.ends_with('.') && !range.causes.is_empty() && !range.next.is_empty());
        }
    }

    #[test]
    fn a_reader_of_the_header_alone_is_misled() {
        let seen = |code: Code| {
            let info = code.info().unwrap();
            info.places.iter().map(|placed| placed.header_code().to_string()).collect::<Vec<_>>().join(" ")
        };
        for (code, expected) in [
            (Code::BADCOOKIE, "YXRRSET"),
            (Code::BADVERS, "NOERROR"),
            (Code::BADSIG, "NOTAUTH NOERROR"),
            (Code::BADTRUNC, "NOTAUTH"),
            (Code::BADMODE, "NOERROR"),
            (Code::NOTZONE, "NOTZONE"),
        ] {
            assert_eq!(seen(code), expected);
        }
        assert_eq!(Code::BADSIG.info().unwrap().place(), "TSIG error or TKEY error");
        assert!(Code::BADCOOKIE.info().unwrap().travels_in(Place::Opt));
    }

    #[test]
    fn names_are_read_back() {
        for info in CODES {
            assert_eq!(Code::from_name(&info.name.to_lowercase()), Some(info.code));
            assert_eq!(Code::from_name(info.mixed), Some(info.code));
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
