//! The searchable fields: names, aliases, columns, what values they take and what those are called.
//!
//! One table for the parser, the printer, completion and the documentation.

use std::sync::LazyLock;

use event::{Action, CacheState, Flags, Outcome, Transport};
use wire::code::{CODES, Code, Place};

use crate::units::Unit;

/// One searchable field, for completion, help and docs.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// `code`, `name`, `address`, `number`, `duration`, `size`, `word`, `text`, `time`.
    pub kind: &'static str,
    /// What it holds.
    pub about: &'static str,
    /// Examples.
    pub examples: &'static [&'static str],
    pub(crate) id: Id,
}

impl Field {
    /// All values, where they are few and fixed.
    #[must_use]
    pub fn values(&self) -> Vec<String> {
        self.id.names().iter().map(|(_, name)| name.clone()).collect()
    }

    /// Whether events can be counted by its values.
    #[must_use]
    pub fn groups(&self) -> bool {
        !matches!(self.id.kind(), Kind::Time | Kind::Quantity(Unit::Micros | Unit::Bytes))
            && !matches!(self.id, Id::Seq | Id::EdeText | Id::Trace)
    }
}

/// Fields by what they are, not by what they are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Id {
    Code,
    RcodeHeader,
    Tsig,
    Tkey,
    Ede,
    Domain,
    RegDomain,
    Tld,
    Client,
    ClientPort,
    Transport,
    Opcode,
    Qtype,
    Qclass,
    Flags,
    Outcome,
    Action,
    List,
    Rule,
    Cache,
    Upstream,
    Latency,
    UpstreamLatency,
    ReplySize,
    QuerySize,
    Ttl,
    Attempts,
    Answer,
    AnswerCount,
    Key,
    Update,
    Repeats,
    Tenant,
    Node,
    EdeText,
    Trace,
    Time,
    Seq,
}

/// How the values of a field are read and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Numbers with names, in an order that means something: ranges and comparisons.
    Numbered,
    /// Words that only are or are not.
    Word,
    /// A set of flags.
    Flags,
    /// Numbers with a unit.
    Quantity(Unit),
    /// Names where a value stands for itself and everything below.
    Domain,
    /// Names where a value stands for itself.
    Name,
    /// Addresses and networks.
    Address,
    /// Text where a value is a part of it.
    Text,
    /// Text where a value is the whole of it.
    Label,
    /// Instants.
    Time,
}

impl Id {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Id::Code | Id::RcodeHeader | Id::Tsig | Id::Tkey | Id::Ede => Kind::Numbered,
            Id::Opcode | Id::Qtype | Id::Qclass => Kind::Numbered,
            Id::Transport | Id::Outcome | Id::Action | Id::Cache => Kind::Word,
            Id::Flags => Kind::Flags,
            Id::Domain => Kind::Domain,
            Id::RegDomain | Id::Tld => Kind::Name,
            Id::Client => Kind::Address,
            Id::List | Id::Rule | Id::Key | Id::Tenant | Id::Node => Kind::Label,
            Id::Upstream | Id::Answer | Id::Update | Id::EdeText | Id::Trace => Kind::Text,
            Id::Latency | Id::UpstreamLatency => Kind::Quantity(Unit::Micros),
            Id::ReplySize | Id::QuerySize => Kind::Quantity(Unit::Bytes),
            Id::Ttl => Kind::Quantity(Unit::Seconds),
            Id::ClientPort | Id::Attempts | Id::AnswerCount | Id::Repeats | Id::Seq => Kind::Quantity(Unit::One),
            Id::Time => Kind::Time,
        }
    }

    /// Whether its names are those of return codes.
    pub(crate) fn is_code(self) -> bool {
        matches!(self, Id::Code | Id::RcodeHeader | Id::Tsig | Id::Tkey)
    }

    /// Whether its values are text.
    pub(crate) fn is_text(self) -> bool {
        matches!(self.kind(), Kind::Domain | Kind::Name | Kind::Text | Kind::Label)
    }

    /// The column the field reads.
    pub(crate) fn column(self) -> &'static str {
        match self {
            Id::Tld => "domain",
            Id::Tsig => "tsig_error",
            Id::Tkey => "tkey_error",
            other => other.field().name,
        }
    }

    pub(crate) fn field(self) -> &'static Field {
        #[expect(clippy::expect_used, reason = "the test `every_field_is_in_the_table` walks all of them")]
        FIELDS.iter().find(|field| field.id == self).expect("every field is in the table")
    }

    /// The largest number the column holds.
    pub(crate) fn number_max(self) -> u64 {
        match self {
            Id::Opcode | Id::RcodeHeader => 15,
            Id::Transport | Id::Outcome | Id::Action | Id::Cache | Id::Attempts => u64::from(u8::MAX),
            Id::Ttl | Id::Latency | Id::UpstreamLatency | Id::Repeats => u64::from(u32::MAX),
            Id::Seq => u64::MAX,
            _ => u64::from(u16::MAX),
        }
    }

    /// What the column stores for each registered name; empty for fields without names.
    pub(crate) fn names(self) -> &'static [(u64, String)] {
        match self {
            Id::Code => &CODE_NAMES,
            Id::RcodeHeader => &HEADER_NAMES,
            Id::Tsig => &TSIG_NAMES,
            Id::Tkey => &TKEY_NAMES,
            Id::Ede => &EDE_NAMES,
            Id::Opcode => &OPCODE_NAMES,
            Id::Qtype => &TYPE_NAMES,
            Id::Qclass => &CLASS_NAMES,
            Id::Transport => &TRANSPORT_NAMES,
            Id::Outcome => &OUTCOME_NAMES,
            Id::Action => &ACTION_NAMES,
            Id::Cache => &CACHE_NAMES,
            Id::Flags => &FLAG_NAMES,
            _ => &[],
        }
    }

    /// What the column stores for a name or number; two numbers for `code:16`.
    pub(crate) fn keys(self, text: &str) -> Option<Vec<u64>> {
        if self == Id::Code
            && let Some(number) = digits(text).and_then(|number| u16::try_from(number).ok())
        {
            return Some(Code::with_number(number).map(|code| u64::from(code.key())).collect());
        }
        if self == Id::Code {
            return Code::from_name(text).map(|code| vec![u64::from(code.key())]);
        }
        self.number(text).map(|number| vec![number])
    }

    /// The wire number of a name or number, as ranges and comparisons count.
    pub(crate) fn number(self, text: &str) -> Option<u64> {
        if matches!(self.kind(), Kind::Word | Kind::Flags) {
            return self.named(text);
        }
        let number = digits(text).or_else(|| match self {
            Id::Code => Code::from_name(text).map(|code| u64::from(code.number())),
            Id::Qtype => wire::kind::type_from_name(text).map(u64::from),
            Id::Qclass => wire::kind::class_from_name(text).map(u64::from),
            Id::Opcode => wire::kind::opcode_from_name(text).map(u64::from),
            _ => self.named(text),
        })?;
        (number <= self.number_max()).then_some(number)
    }

    fn named(self, text: &str) -> Option<u64> {
        if self == Id::Ede {
            return wire::ede::from_name(text).map(|info| info.number.into());
        }
        self.names().iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(key, _)| *key)
    }

    /// What is stored, as one writes it in a search.
    pub(crate) fn key_name(self, key: u64) -> String {
        let small = u16::try_from(key).unwrap_or(u16::MAX);
        match self {
            Id::Code => Code::from_key(small).name().into_owned(),
            // Registered names have blanks and change; numbers do not.
            Id::Ede => key.to_string(),
            Id::Qtype => wire::kind::type_name(small).into_owned(),
            Id::Qclass => wire::kind::class_name(small).into_owned(),
            _ => {
                let known = self.names().iter().find(|(known, _)| *known == key);
                known.map_or_else(|| key.to_string(), |(_, name)| name.clone())
            }
        }
    }

    /// Whether a stored number is registered and its name fits.
    pub(crate) fn name_fits(self, key: u64, fits: impl Fn(&str) -> bool) -> bool {
        self.names().iter().any(|(known, name)| *known == key && fits(name))
    }
}

fn digits(text: &str) -> Option<u64> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { text.parse().ok() } else { None }
}

type Names = LazyLock<Vec<(u64, String)>>;

fn code_names(
    mut wanted: impl FnMut(&'static wire::code::CodeInfo) -> bool,
    key: fn(Code) -> u16,
) -> Vec<(u64, String)> {
    CODES.iter().filter(|info| wanted(info)).map(|info| (u64::from(key(info.code)), info.name.to_owned())).collect()
}

fn numbered(name: impl Fn(u16) -> std::borrow::Cow<'static, str>, max: u16, unnamed: &str) -> Vec<(u64, String)> {
    (0..=max)
        .map(|number| (u64::from(number), name(number)))
        .filter(|(_, name)| !name.starts_with(unnamed))
        .map(|(number, name)| (number, name.into_owned()))
        .collect()
}

static CODE_NAMES: Names = LazyLock::new(|| code_names(|_| true, Code::key));
static HEADER_NAMES: Names = LazyLock::new(|| code_names(|info| info.code.number() <= 15, Code::number));
static TSIG_NAMES: Names =
    LazyLock::new(|| code_names(|info| info.code == Code::NOERROR || info.travels_in(Place::Tsig), Code::number));
static TKEY_NAMES: Names =
    LazyLock::new(|| code_names(|info| info.code == Code::NOERROR || info.travels_in(Place::Tkey), Code::number));
static EDE_NAMES: Names =
    LazyLock::new(|| wire::ede::EDES.iter().map(|info| (u64::from(info.number), info.name.to_owned())).collect());
static OPCODE_NAMES: Names =
    LazyLock::new(|| numbered(|number| wire::kind::opcode_name(u8::try_from(number).unwrap_or(u8::MAX)), 15, "OPCODE"));
static TYPE_NAMES: Names = LazyLock::new(|| numbered(wire::kind::type_name, u16::MAX, "TYPE"));
static CLASS_NAMES: Names = LazyLock::new(|| numbered(wire::kind::class_name, u16::MAX, "CLASS"));

macro_rules! word_names {
    ($type:ident) => {
        LazyLock::new(|| $type::ALL.iter().map(|word| (u64::from(word.number()), word.name().to_owned())).collect())
    };
}
static TRANSPORT_NAMES: Names = word_names!(Transport);
static OUTCOME_NAMES: Names = word_names!(Outcome);
static ACTION_NAMES: Names = word_names!(Action);
static CACHE_NAMES: Names = word_names!(CacheState);
static FLAG_NAMES: Names =
    LazyLock::new(|| Flags::ALL.iter().map(|(flag, name)| (u64::from(flag.0), (*name).to_owned())).collect());

/// The field with this name or alias, any case.
#[must_use]
pub fn field(name: &str) -> Option<&'static Field> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    FIELDS.iter().find(|field| is(field.name) || field.aliases.iter().any(|alias| is(alias)))
}

/// Every name a field may be written by.
pub(crate) fn field_names() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().flat_map(|field| std::iter::once(field.name).chain(field.aliases.iter().copied()))
}

/// Words of other tools and of later versions, with the field that comes nearest in meaning.
const MEANT: &[(&str, &str)] = &[
    ("address", "client"),
    ("blocked", "action"),
    ("category", "list"),
    ("cname", "answer"),
    ("dnssec", "ede"),
    ("duration", "latency"),
    ("error", "code"),
    ("host", "domain"),
    ("hostname", "domain"),
    ("ip", "client"),
    ("ns", "answer"),
    ("policy", "list"),
    ("protocol", "transport"),
    ("query", "domain"),
    ("reason", "rule"),
    ("server", "node"),
    ("site", "tenant"),
    ("source", "client"),
    ("suffix", "reg_domain"),
    ("verdict", "action"),
];

/// The field that an unknown word most likely means.
pub(crate) fn meant(word: &str) -> Option<&'static str> {
    let by_meaning = MEANT.iter().find(|(other, _)| other.eq_ignore_ascii_case(word)).map(|(_, name)| *name);
    by_meaning.or_else(|| crate::fault::nearest(word, field_names()))
}

macro_rules! fields {
    ($($id:ident $name:literal [$($alias:literal),*] $kind:literal $about:literal [$($example:literal),*];)*) => {
        /// Every searchable field.
        pub static FIELDS: &[Field] = &[$(Field {
            name: $name,
            aliases: &[$($alias),*],
            kind: $kind,
            about: $about,
            examples: &[$($example),*],
            id: Id::$id,
        }),*];
    };
}

fields! {
    Code "code" ["rcode", "rc", "status"] "code"
        "The return code: the TSIG error, else the TKEY error, else the RCODE. Empty when there was no reply. 16 stands for BADVERS and BADSIG."
        ["code:NXDOMAIN", "code:SERVFAIL,REFUSED", "code:16..23", "code:>=16", "code:BAD*", "code:CODE4001", "code:!=NOERROR", "-has:code"];
    Domain "domain" ["qname", "name"] "name"
        "The name asked. A name stands for itself and everything below it."
        ["domain:example.com", "domain:=example.com", "domain:*.local", "domain:*track*", "domain:/^x\\d+\\./"];
    RegDomain "reg_domain" ["etld1"] "name"
        "The registrable part of the name: public suffix and one label."
        ["reg_domain:example.com", "-has:reg_domain"];
    Tld "tld" [] "name" "The last label of the name." ["tld:zip", "tld:zip,mov"];
    Client "client" ["src"] "address"
        "Who asked: an address, a network or a range."
        ["client:192.0.2.7", "client:10.0.0.0/8", "client:2001:db8::/32", "client:192.0.2.1..192.0.2.9"];
    ClientPort "client_port" ["src_port", "port"] "number" "Source port of the query." ["client_port:<1024"];
    Transport "transport" ["proto"] "word" "How the query came." ["transport:doh,dot"];
    Opcode "opcode" [] "word" "The kind of message." ["opcode:UPDATE", "opcode:!=QUERY"];
    Qtype "qtype" ["type"] "word" "The type asked." ["qtype:AAAA", "qtype:HTTPS,SVCB", "qtype:TYPE65280"];
    Qclass "qclass" ["class"] "word" "The class asked." ["qclass:CH"];
    Flags "flags" ["flag"] "word" "Flags of query and reply; any of those given." ["flags:DO", "-flags:RD", "flags:TC,AA"];
    Outcome "outcome" [] "word" "What the client got; says it when the code alone does not." ["outcome:nodata", "outcome:timeout,dropped"];
    Action "action" [] "word" "What policy did." ["action:block"];
    List "list" [] "text" "The list that decided." ["list:phishing", "list:mal*"];
    Rule "rule" [] "text" "The rule that decided, as the list has it." ["rule:ads.example", "rule:*ads*"];
    Cache "cache" [] "word" "Where the answer came from." ["cache:hit,stale"];
    Upstream "upstream" [] "text" "The upstream that answered, or was asked last; any part of it." ["upstream:192.0.2.53", "upstream:tcp*"];
    Latency "latency" ["took"] "duration" "From arrival to reply; a bare number is milliseconds." ["latency:>50ms", "latency:1ms..10ms"];
    UpstreamLatency "upstream_latency" [] "duration" "Time the upstream took; a bare number is milliseconds." ["upstream_latency:>1s"];
    ReplySize "reply_size" ["size"] "size" "Bytes of the reply; 0 when there was none." ["size:>=1232"];
    QuerySize "query_size" [] "size" "Bytes of the query." ["query_size:>512b"];
    Ttl "ttl" [] "number" "Smallest TTL in the answer, seconds." ["ttl:<60", "ttl:>=1d"];
    Attempts "attempts" [] "number" "Upstream attempts made for this query." ["attempts:>1"];
    Ede "ede" [] "code" "Extended DNS errors of the reply, by number or name." ["ede:15", "ede:blocked", "ede:6..12", "-has:ede"];
    EdeText "ede_text" [] "text" "The texts that came with the extended errors; any part of one." ["ede_text:signature", "has:ede_text"];
    RcodeHeader "rcode_header" [] "code" "The four bits in the header of the reply." ["rcode_header:NOTAUTH", "rcode_header:7"];
    Tsig "tsig" ["tsig_error"] "code" "The error in the TSIG record of the reply." ["tsig:BADKEY", "has:tsig", "-tsig:*"];
    Tkey "tkey" ["tkey_error"] "code" "The error in the TKEY record of the reply." ["tkey:BADMODE"];
    Answer "answer" [] "text" "The answer in short: any part of it, or an address or network of addresses in it."
        ["answer:192.0.2.1", "answer:203.0.113.0/24", "answer:2001:db8::/32", "answer:cdn.example"];
    AnswerCount "answer_count" ["answers"] "number" "Records in the answer." ["answer_count:>10"];
    Key "key" [] "text"
        "Name of the key a query was signed with (TSIG), or that TKEY speaks of; there even when it was not accepted."
        ["key:ddns", "key:ddns*", "has:key code:!=NOERROR"];
    Update "update" [] "text" "Prerequisites and changes of an UPDATE in short; any part of it." ["update:www.example", "opcode:UPDATE -has:update"];
    Repeats "repeats" [] "number" "Further queries this row stands for, not written down one by one: a flood." ["has:repeats", "repeats:>=1000"];
    Tenant "tenant" [] "text" "Whose query it was, by the networks of the tenants." ["tenant:office", "-has:tenant"];
    Node "node" [] "text" "The server that answered, or what the event was imported from." ["node:ns1", "node:import*"];
    Trace "trace" [] "text" "What policy looked at on the way; any part of it." ["trace:allow", "has:trace action:pass"];
    Time "time" [] "time" "Arrival. A span such as -15m counts back from now; prefer the time range." ["time:>=-15m", "time:2026-01-31T08:00:00Z..2026-01-31T09:00:00Z"];
    Seq "seq" [] "number" "Number of the event in this log." ["seq:1234"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_reads_a_column_and_has_one_name() {
        let schema = event::schema();
        let mut names: Vec<&str> = field_names().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands for two fields");
        for each in FIELDS {
            assert!(schema.field_with_name(each.id.column()).is_ok(), "{} reads no column", each.name);
            assert_eq!(field(&each.name.to_uppercase()).map(|found| found.id), Some(each.id));
        }
    }

    #[test]
    fn every_field_is_in_the_table() {
        // `Seq` is last: a new field after it fails here until this line follows it.
        assert_eq!(FIELDS.len(), Id::Seq as usize + 1);
        for column in event::schema().fields() {
            // `code` is derived from `rcode`; `domain` searches by `domain_rev`.
            let skipped = ["rcode", "domain_rev"].contains(&column.name().as_str());
            assert!(skipped || FIELDS.iter().any(|field| field.id.column() == column.name()), "{}", column.name());
        }
    }

    #[test]
    fn words_of_other_tools_are_no_fields_and_lead_to_one() {
        for (word, name) in MEANT {
            assert!(field(word).is_none() && field(name).is_some(), "{word}");
        }
    }

    #[test]
    fn examples_can_be_searched() {
        for each in FIELDS {
            for example in each.examples {
                assert!(crate::parse(example).is_ok(), "{example}: {:?}", crate::parse(example));
            }
        }
    }
}
