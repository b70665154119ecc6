//! The probes: each a message, the code it aims at, and what else the RFC leaves open.

use std::sync::Arc;

use wire::code::Code;
use wire::kind;
use wire::message::Section;
use wire::name::{Folded, NAME_LEN_MAX};
use wire::tkey::mode;
use wire::tsig::Key;
use wire::view::{flag, option};

use super::ground::{Ask, Ground, now_seconds, record};
use super::make::{
    CLASS_NONE, cookie_query, dso, longest_below, name, off_time, opcode, signed, spoil, stranger, tkey,
};
use super::report::Verdict;
use super::seen::OPCODE_DSO;
use crate::message::Transport;

/// One probe.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// The code it aims at; `None` when silence is due.
    pub(super) aim: Option<Code>,
    pub(super) sent: &'static str,
    pub(super) rfc: &'static str,
    pub(super) over: &'static [Transport],
    pub(super) needs: &'static [Needs],
    pub(super) make: fn(&Ground<'_>) -> Made,
    pub(super) form: Form,
    pub(super) others: &'static [Other],
}

/// What a probe cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// A zone the server is primary for.
    Zone,
    /// A key it takes.
    Key,
    /// A server that gives cookies.
    Cookies,
}

/// What a reply with the right code must be like, beside the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Code in the header; signed when the request was.
    Header,
    /// Code in header and OPT, whose version is 0.
    Opt,
    /// As `Opt`, with our client cookie and a server cookie.
    OptCookie,
    /// NOTAUTH in the header, code in an unsigned TSIG.
    TsigUnsigned,
    /// NOTAUTH in the header, code in a signed TSIG.
    TsigSigned,
    /// As `TsigSigned`, with our time signed and the server's in Other Data.
    TsigTime,
    /// NOERROR in the header, code in TKEY; signed when the request was.
    Tkey,
}

/// A reply with another code that is no fault.
pub(super) struct Other {
    /// Which codes; any when empty.
    pub(super) codes: &'static [Code],
    pub(super) verdict: Verdict,
    pub(super) note: &'static str,
}

/// Messages to try, or why there are none.
pub(super) type Made = Result<Vec<Ask>, &'static str>;

const UDP: &[Transport] = &[Transport::Udp];
const TCP: &[Transport] = &[Transport::Tcp];
const BOTH: &[Transport] = &[Transport::Udp, Transport::Tcp];

const NOTHING: &[Needs] = &[];
const ZONE: &[Needs] = &[Needs::Zone];
const KEY: &[Needs] = &[Needs::Key];
const ZONE_KEY: &[Needs] = &[Needs::Zone, Needs::Key];
const COOKIES: &[Needs] = &[Needs::Cookies];

/// Seconds a clock is wrong by for BADTIME: far beyond every fudge.
const CLOCK_OFF_SECONDS: u64 = 86_400;
/// Most octets of a MAC that no policy may accept (RFC 8945 §5.2.2.1 says at least 10).
const MAC_TOO_SHORT_BYTES: usize = 8;
/// An opcode nobody has defined.
const OPCODE_UNASSIGNED: u8 = 15;
/// STATUS, never defined (RFC 1035).
const OPCODE_STATUS: u8 = 2;
/// IQUERY, withdrawn (RFC 3425).
const OPCODE_IQUERY: u8 = 1;
/// NOTIFY (RFC 1996).
const OPCODE_NOTIFY: u8 = 4;
/// A DSO TLV type set aside for experiments (RFC 8490 §10.3).
const DSO_TYPE_EXPERIMENTAL: u16 = 0xf800;
/// An EDNS option set aside for experiments (RFC 6891 §9).
const OPTION_EXPERIMENTAL: u16 = 65_001;
/// A TKEY mode nobody has defined (RFC 2930 §2.5).
const TKEY_MODE_UNASSIGNED: u16 = 99;
/// The only algorithm RFC 2930 §4.1 defines Diffie-Hellman with.
const TKEY_ALGORITHM: &str = "hmac-md5.sig-alg.reg.int";

const NO_UPDATES: Other = Other {
    codes: &[Code::NOTIMP, Code::REFUSED, Code::NOTAUTH],
    verdict: Verdict::NotOffered,
    note: "the server takes no updates of this zone from us",
};
const NO_TSIG: Other =
    Other { codes: &[], verdict: Verdict::NotOffered, note: "the server takes no notice of TSIG on this request" };
const NO_TKEY: Other =
    Other { codes: &[], verdict: Verdict::NotOffered, note: "the server does not do this with TKEY" };
const NO_DSO: Other = Other {
    codes: &[Code::NOTIMP, Code::FORMERR, Code::REFUSED],
    verdict: Verdict::NotOffered,
    note: "the server has no stateful operations (RFC 8490 §5.1.1)",
};
const NO_EDNS: Other = Other {
    codes: &[Code::FORMERR, Code::NOTIMP, Code::SERVFAIL],
    verdict: Verdict::NotOffered,
    note: "the server has no EDNS (RFC 6891 §7)",
};
const LENIENT: Other =
    Other { codes: &[], verdict: Verdict::Permitted, note: "the server overlooks it; no RFC says it must not" };
const NOT_FOR_US: Other = Other {
    codes: &[Code::REFUSED, Code::SERVFAIL],
    verdict: Verdict::NotOffered,
    note: "the server does not look up this name for us",
};

/// Every probe, in the order of the codes; silence last.
pub(super) static CASES: &[Case] = &[
    Case {
        name: "query",
        aim: Some(Code::NOERROR),
        sent: "a question: SOA at the top of the zone",
        rfc: "RFC 1035 §4.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| Ok(vec![ground.query(ground.apex(), kind::SOA).bytes()]),
        form: Form::Header,
        others: &[NOT_FOR_US],
    },
    Case {
        name: "signed-query",
        aim: Some(Code::NOERROR),
        sent: "the same question, signed",
        rfc: "RFC 8945 §5.3",
        over: BOTH,
        needs: KEY,
        make: |ground| Ok(vec![ground.query(ground.apex(), kind::SOA).signed(ground.key()?, now_seconds())]),
        form: Form::Header,
        others: &[NOT_FOR_US],
    },
    Case {
        name: "unknown-option",
        aim: Some(Code::NOERROR),
        sent: "a question with an EDNS option nobody knows",
        rfc: "RFC 6891 §6.1.2",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let draft = ground.query(ground.apex(), kind::SOA).option(OPTION_EXPERIMENTAL, b"?");
            Ok(vec![draft.bytes()])
        },
        form: Form::Header,
        others: &[NOT_FOR_US, NO_EDNS],
    },
    Case {
        name: "good-cookie",
        aim: Some(Code::NOERROR),
        sent: "a question with the cookie the server gave",
        rfc: "RFC 7873 §5.2.5",
        over: BOTH,
        needs: COOKIES,
        make: |ground| {
            let server = ground.server_cookie.clone().ok_or("no server cookie")?;
            Ok(vec![cookie_query(ground, &server)])
        },
        form: Form::Header,
        others: &[NOT_FOR_US],
    },
    Case {
        name: "wrong-cookie-tcp",
        aim: Some(Code::NOERROR),
        sent: "a question over TCP with a wrong server cookie",
        rfc: "RFC 7873 §5.2.4",
        over: TCP,
        needs: COOKIES,
        make: |ground| Ok(vec![cookie_query(ground, &[0x5a; 16])]),
        form: Form::Header,
        others: &[NOT_FOR_US],
    },
    Case {
        name: "update",
        aim: Some(Code::NOERROR),
        sent: "UPDATE whose one prerequisite holds and that changes nothing",
        rfc: "RFC 2136 §3.2",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| {
            let zone = ground.apex();
            signed(ground, ground.update(zone).prerequisite(zone, kind::SOA, kind::CLASS_ANY))
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "dso-keepalive",
        aim: Some(Code::NOERROR),
        sent: "DSO keepalive",
        rfc: "RFC 8490 §7.1",
        over: TCP,
        needs: NOTHING,
        make: |ground| {
            // Fifteen seconds for inactivity, a minute between keepalives.
            let times = [15_000_u32.to_be_bytes(), 60_000_u32.to_be_bytes()].concat();
            Ok(vec![dso(ground, wire::dso::tlv::KEEPALIVE, &times)])
        },
        form: Form::Header,
        others: &[NO_DSO],
    },
    Case {
        name: "cut-question",
        aim: Some(Code::FORMERR),
        sent: "a message that ends within its question",
        rfc: "RFC 1035 §4.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let mut ask = ground.query(ground.apex(), kind::SOA).bytes();
            // Behind header and root label; type and class are gone.
            ask.bytes.truncate(13);
            ask.has_opt = false;
            Ok(vec![ask])
        },
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "two-questions",
        aim: Some(Code::FORMERR),
        sent: "two questions in one query",
        rfc: "RFC 9619 §4",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let zone = ground.apex();
            Ok(vec![ground.query(zone, kind::SOA).question(zone, kind::NS).bytes()])
        },
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "two-opts",
        aim: Some(Code::FORMERR),
        sent: "two OPT records",
        rfc: "RFC 6891 §6.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let opt = record(&Folded::root(), kind::OPT, 1232, 0, &[]);
            let draft = ground.query(ground.apex(), kind::SOA);
            Ok(vec![draft.record(Section::Additional, &opt).record(Section::Additional, &opt).with_opt()])
        },
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "opt-owner",
        aim: Some(Code::FORMERR),
        sent: "an OPT record that is not the root's",
        rfc: "RFC 6891 §6.1.2",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let opt = record(&name("opt.invalid")?, kind::OPT, 1232, 0, &[]);
            Ok(vec![ground.query(ground.apex(), kind::SOA).record(Section::Additional, &opt).with_opt()])
        },
        form: Form::Header,
        others: &[LENIENT],
    },
    Case {
        name: "option-overrun",
        aim: Some(Code::FORMERR),
        sent: "an EDNS option longer than its OPT record",
        rfc: "RFC 6891 §6.1.2",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let opt = record(&Folded::root(), kind::OPT, 1232, 0, &[0xfd, 0xe9, 0, 9, 1]);
            Ok(vec![ground.query(ground.apex(), kind::SOA).record(Section::Additional, &opt).with_opt()])
        },
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "cookie-length",
        aim: Some(Code::FORMERR),
        sent: "a COOKIE option of nine octets",
        rfc: "RFC 7873 §5.2.2",
        over: BOTH,
        needs: COOKIES,
        make: |ground| Ok(vec![ground.query(ground.apex(), kind::SOA).option(option::COOKIE, &[7; 9]).bytes()]),
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "trailing-octets",
        aim: Some(Code::FORMERR),
        sent: "octets behind the last record",
        rfc: "RFC 1035 §4.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let mut ask = ground.query(ground.apex(), kind::SOA).bytes();
            ask.bytes.extend_from_slice(b"trail");
            Ok(vec![ask])
        },
        form: Form::Header,
        others: &[LENIENT],
    },
    Case {
        name: "short-mac",
        aim: Some(Code::FORMERR),
        sent: "TSIG whose MAC has eight octets",
        rfc: "RFC 8945 §5.2.2.1",
        over: BOTH,
        needs: KEY,
        make: |ground| {
            let draft = ground.query(ground.apex(), kind::SOA);
            Ok(vec![draft.forged(ground.key()?, |tsig| tsig.mac.truncate(MAC_TOO_SHORT_BYTES))])
        },
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "tsig-not-last",
        aim: Some(Code::FORMERR),
        sent: "a record behind TSIG",
        rfc: "RFC 8945 §5.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let mut ask = ground.query(ground.apex(), kind::SOA).signed(&stranger(ground)?, now_seconds());
            ask.request = None;
            // One more record counted and written: an address of a name that is none.
            if let Some(count) = ask.bytes.get_mut(11) {
                *count += 1;
            }
            ask.bytes.extend_from_slice(&[0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1]);
            Ok(vec![ask])
        },
        form: Form::Header,
        others: &[NO_TSIG],
    },
    Case {
        name: "update-two-zones",
        aim: Some(Code::FORMERR),
        sent: "UPDATE with two zones",
        rfc: "RFC 2136 §3.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let zone = ground.apex();
            Ok(vec![ground.update(zone).question(zone, kind::SOA).signed_if(ground.settings.key.as_ref())])
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "prerequisite-ttl",
        aim: Some(Code::FORMERR),
        sent: "UPDATE whose prerequisite has a TTL",
        rfc: "RFC 2136 §3.2.1",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| {
            let zone = ground.apex();
            let prerequisite = record(zone, kind::SOA, kind::CLASS_ANY, 60, &[]);
            signed(ground, ground.update(zone).record(Section::Answer, &prerequisite))
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "dso-counts",
        aim: Some(Code::FORMERR),
        sent: "DSO with a question",
        rfc: "RFC 8490 §5.4",
        over: TCP,
        needs: NOTHING,
        make: |ground| Ok(vec![ground.draft(OPCODE_DSO, 0).question(ground.apex(), kind::SOA).bytes()]),
        form: Form::Header,
        others: &[NO_DSO],
    },
    Case {
        name: "failing-name",
        aim: Some(Code::SERVFAIL),
        sent: "a name whose lookup fails",
        rfc: "RFC 1035 §4.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let asks: Vec<Ask> = ground.servfail_names().map(|name| ground.query(name, kind::A).bytes()).collect();
            if asks.is_empty() { Err("no name given whose lookup fails") } else { Ok(asks) }
        },
        form: Form::Header,
        others: &[Other {
            codes: &[],
            verdict: Verdict::Permitted,
            note: "not provoked: name one that fails on this server",
        }],
    },
    Case {
        name: "absent-name",
        aim: Some(Code::NXDOMAIN),
        sent: "a name that does not exist",
        rfc: "RFC 1035 §4.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let parent = if ground.settings.zone.is_some() { ground.apex().clone() } else { name("invalid")? };
            Ok(vec![ground.query(&ground.absent(&parent)?, kind::A).bytes()])
        },
        form: Form::Header,
        others: &[
            NOT_FOR_US,
            Other { codes: &[Code::NOERROR], verdict: Verdict::Permitted, note: "the zone may have a wildcard" },
        ],
    },
    Case {
        name: "name-not-in-use",
        aim: Some(Code::NXDOMAIN),
        sent: "UPDATE that needs a name which does not exist",
        rfc: "RFC 2136 §3.2.2, 2.4.4",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| {
            let zone = ground.apex();
            signed(ground, ground.update(zone).prerequisite(&ground.absent(zone)?, kind::ANY, kind::CLASS_ANY))
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "unassigned-opcode",
        aim: Some(Code::NOTIMP),
        sent: "opcode 15",
        rfc: "RFC 1035 §4.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| opcode(ground, OPCODE_UNASSIGNED),
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "status",
        aim: Some(Code::NOTIMP),
        sent: "opcode STATUS",
        rfc: "RFC 1035 §4.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| opcode(ground, OPCODE_STATUS),
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "iquery",
        aim: Some(Code::NOTIMP),
        sent: "opcode IQUERY",
        rfc: "RFC 3425 §3",
        over: BOTH,
        needs: NOTHING,
        make: |ground| opcode(ground, OPCODE_IQUERY),
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "dso-udp",
        aim: Some(Code::NOTIMP),
        sent: "DSO in a datagram",
        rfc: "RFC 8490 §4.1",
        over: UDP,
        needs: NOTHING,
        make: |ground| Ok(vec![dso(ground, DSO_TYPE_EXPERIMENTAL, b"?")]),
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "foreign-name",
        aim: Some(Code::REFUSED),
        sent: "a name outside the server's zones, no recursion desired",
        rfc: "RFC 1035 §4.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| Ok(vec![ground.draft(0, 0).question(&name("www.example.org")?, kind::A).bytes()]),
        form: Form::Header,
        others: &[Other {
            codes: &[Code::NOERROR, Code::NXDOMAIN, Code::SERVFAIL],
            verdict: Verdict::Permitted,
            note: "the server answers all the same: from its cache, with a referral, or by looking it up",
        }],
    },
    Case {
        name: "unsigned-transfer",
        aim: Some(Code::REFUSED),
        sent: "AXFR without a signature",
        rfc: "RFC 5936 §2.2.1",
        over: TCP,
        needs: ZONE,
        make: |ground| Ok(vec![ground.draft(0, 0).question(ground.apex(), kind::AXFR).bytes()]),
        form: Form::Header,
        others: &[
            Other { codes: &[Code::NOERROR], verdict: Verdict::Permitted, note: "the zone is given to everyone" },
            Other {
                codes: &[Code::NOTAUTH],
                verdict: Verdict::Permitted,
                note: "NOTAUTH in its second meaning, not authorised (RFC 8945 §10)",
            },
        ],
    },
    Case {
        name: "unsigned-update",
        aim: Some(Code::REFUSED),
        sent: "UPDATE without a signature that deletes a name which does not exist",
        rfc: "RFC 2136 §3.3",
        over: BOTH,
        needs: ZONE,
        make: |ground| {
            let zone = ground.apex();
            let delete = record(&ground.absent(zone)?, kind::ANY, kind::CLASS_ANY, 0, &[]);
            Ok(vec![ground.update(zone).record(Section::Authority, &delete).bytes()])
        },
        form: Form::Header,
        others: &[
            Other {
                codes: &[Code::NOERROR],
                verdict: Verdict::Permitted,
                note: "our address alone may update the zone",
            },
            Other {
                codes: &[Code::NOTAUTH],
                verdict: Verdict::Permitted,
                note: "NOTAUTH in its second meaning, not authorised (RFC 8945 §10)",
            },
            Other { codes: &[Code::NOTIMP], verdict: Verdict::NotOffered, note: "the server takes no updates" },
        ],
    },
    Case {
        name: "name-in-use",
        aim: Some(Code::YXDOMAIN),
        sent: "UPDATE that needs the top of the zone not to exist",
        rfc: "RFC 2136 §3.2.2, 2.4.5",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| {
            let zone = ground.apex();
            signed(ground, ground.update(zone).prerequisite(zone, kind::ANY, CLASS_NONE))
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "dname-overflow",
        aim: Some(Code::YXDOMAIN),
        sent: "a name that DNAME makes longer than 255 octets",
        rfc: "RFC 6672 §2.2",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let owner = ground.settings.dname.as_ref().ok_or("no DNAME given")?;
            let target = ground.dname_target.as_ref().ok_or("no DNAME record at the name given")?;
            let long = longest_below(owner).ok_or("no name fits below the DNAME")?;
            if long.wire().len() - owner.wire().len() + target.wire().len() <= NAME_LEN_MAX {
                return Err("the DNAME's target is not longer than its owner");
            }
            Ok(vec![ground.query(&long, kind::A).bytes()])
        },
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "rrset-exists",
        aim: Some(Code::YXRRSET),
        sent: "UPDATE that needs the zone to have no SOA",
        rfc: "RFC 2136 §3.2.2, 2.4.3",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| {
            let zone = ground.apex();
            signed(ground, ground.update(zone).prerequisite(zone, kind::SOA, CLASS_NONE))
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "rrset-absent",
        aim: Some(Code::NXRRSET),
        sent: "UPDATE that needs records which do not exist",
        rfc: "RFC 2136 §3.2.2, 2.4.1",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| {
            let zone = ground.apex();
            signed(ground, ground.update(zone).prerequisite(&ground.absent(zone)?, kind::TXT, kind::CLASS_ANY))
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "rrset-subset",
        aim: Some(Code::NXRRSET),
        sent: "UPDATE that needs the zone's NS records to be fewer than they are",
        rfc: "RFC 2136 §3.2.3",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| {
            let [first, _, ..] = &ground.name_servers[..] else { return Err("the zone has less than two NS records") };
            let zone = ground.apex();
            let prerequisite = record(zone, kind::NS, kind::CLASS_IN, 0, first);
            signed(ground, ground.update(zone).record(Section::Answer, &prerequisite))
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "rrset-superset",
        aim: Some(Code::NXRRSET),
        sent: "UPDATE that needs the zone's NS records to be more than they are",
        rfc: "RFC 2136 §3.2.3",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| {
            let zone = ground.apex();
            let more = ground.absent(&name("invalid")?)?;
            let mut draft = ground.update(zone);
            // A zone has few; a message has room for this many.
            for rdata in ground.name_servers.iter().take(8).map(|rdata| &rdata[..]).chain([more.wire()]) {
                draft = draft.record(Section::Answer, &record(zone, kind::NS, kind::CLASS_IN, 0, rdata));
            }
            signed(ground, draft)
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "foreign-update",
        aim: Some(Code::NOTAUTH),
        sent: "UPDATE of a zone the server does not have",
        rfc: "RFC 2136 §3.1.2",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let zone = ground.absent(&name("invalid")?)?;
            Ok(vec![ground.update(&zone).signed_if(ground.settings.key.as_ref())])
        },
        form: Form::Header,
        others: &[
            Other { codes: &[Code::NOTIMP], verdict: Verdict::NotOffered, note: "the server takes no updates" },
            Other {
                codes: &[Code::REFUSED],
                verdict: Verdict::Permitted,
                note: "we are refused before the zone is looked for",
            },
        ],
    },
    Case {
        name: "foreign-transfer",
        aim: Some(Code::NOTAUTH),
        sent: "AXFR of a zone the server does not have",
        rfc: "RFC 5936 §2.2.1",
        over: TCP,
        needs: NOTHING,
        make: |ground| {
            let zone = ground.absent(&name("invalid")?)?;
            Ok(vec![ground.draft(0, 0).question(&zone, kind::AXFR).signed_if(ground.settings.key.as_ref())])
        },
        form: Form::Header,
        others: &[
            Other { codes: &[Code::NOTIMP], verdict: Verdict::NotOffered, note: "the server transfers no zones" },
            Other {
                codes: &[Code::REFUSED],
                verdict: Verdict::Permitted,
                note: "we are refused before the zone is looked for",
            },
        ],
    },
    Case {
        name: "foreign-notify",
        aim: Some(Code::NOTAUTH),
        sent: "NOTIFY of a zone the server does not have",
        rfc: "RFC 1996 §3",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let zone = ground.absent(&name("invalid")?)?;
            Ok(vec![ground.draft(OPCODE_NOTIFY, flag::AA).question(&zone, kind::SOA).bytes()])
        },
        form: Form::Header,
        others: &[
            Other { codes: &[Code::NOTIMP], verdict: Verdict::NotOffered, note: "the server takes no notifies" },
            Other {
                codes: &[Code::REFUSED],
                verdict: Verdict::Permitted,
                note: "refused; RFC 1996 names no code for it",
            },
        ],
    },
    Case {
        name: "prerequisite-outside",
        aim: Some(Code::NOTZONE),
        sent: "UPDATE with a prerequisite outside its zone",
        rfc: "RFC 2136 §3.2.1",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| {
            let outside = ground.absent(&name("invalid")?)?;
            signed(ground, ground.update(ground.apex()).prerequisite(&outside, kind::ANY, CLASS_NONE))
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "update-outside",
        aim: Some(Code::NOTZONE),
        sent: "UPDATE of a name outside its zone",
        rfc: "RFC 2136 §3.4.1",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| {
            let outside = ground.absent(&name("invalid")?)?;
            let delete = record(&outside, kind::ANY, kind::CLASS_ANY, 0, &[]);
            signed(ground, ground.update(ground.apex()).record(Section::Authority, &delete))
        },
        form: Form::Header,
        others: &[NO_UPDATES],
    },
    Case {
        name: "dso-unknown-type",
        aim: Some(Code::DSOTYPENI),
        sent: "a DSO request of a type nobody knows",
        rfc: "RFC 8490 §5.1.1",
        over: TCP,
        needs: NOTHING,
        make: |ground| Ok(vec![dso(ground, DSO_TYPE_EXPERIMENTAL, b"?")]),
        form: Form::Header,
        others: &[NO_DSO],
    },
    Case {
        name: "edns-version",
        aim: Some(Code::BADVERS),
        sent: "EDNS version 1",
        rfc: "RFC 6891 §6.1.3",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let opt = record(&Folded::root(), kind::OPT, 1232, 1 << 16, &[]);
            Ok(vec![ground.query(ground.apex(), kind::SOA).record(Section::Additional, &opt).with_opt()])
        },
        form: Form::Opt,
        others: &[NO_EDNS],
    },
    Case {
        name: "wrong-mac",
        aim: Some(Code::BADSIG),
        sent: "a question whose MAC is wrong by one bit",
        rfc: "RFC 8945 §5.2.2, 5.3.2",
        over: BOTH,
        needs: KEY,
        make: |ground| {
            let draft = ground.query(ground.apex(), kind::SOA);
            Ok(vec![draft.forged(ground.key()?, spoil)])
        },
        form: Form::TsigUnsigned,
        others: &[],
    },
    Case {
        name: "update-wrong-mac",
        aim: Some(Code::BADSIG),
        sent: "UPDATE whose MAC is wrong by one bit",
        rfc: "RFC 8945 §5.2.2, 5.3.2",
        over: BOTH,
        needs: ZONE_KEY,
        make: |ground| Ok(vec![ground.update(ground.apex()).forged(ground.key()?, spoil)]),
        form: Form::TsigUnsigned,
        others: &[],
    },
    Case {
        name: "unknown-key",
        aim: Some(Code::BADKEY),
        sent: "a question signed with a key nobody has",
        rfc: "RFC 8945 §5.2.1, 5.3.2",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let draft = ground.query(ground.apex(), kind::SOA);
            Ok(vec![draft.signed(&stranger(ground)?, now_seconds())])
        },
        form: Form::TsigUnsigned,
        others: &[NO_TSIG],
    },
    Case {
        name: "unknown-algorithm",
        aim: Some(Code::BADKEY),
        sent: "the right key's name with an algorithm nobody has",
        rfc: "RFC 8945 §5.2.1, 5.3.2",
        over: BOTH,
        needs: KEY,
        make: |ground| {
            let algorithm = name("hmac-none.invalid")?;
            let draft = ground.query(ground.apex(), kind::SOA);
            Ok(vec![draft.forged(ground.key()?, |tsig| tsig.algorithm = algorithm)])
        },
        form: Form::TsigUnsigned,
        others: &[],
    },
    Case {
        name: "tkey-other-group",
        aim: Some(Code::BADKEY),
        sent: "TKEY, Diffie-Hellman in a group of our own making",
        rfc: "RFC 2930 §4.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| tkey(ground, mode::DIFFIE_HELLMAN, TKEY_ALGORITHM, true),
        form: Form::Tkey,
        others: &[NO_TKEY],
    },
    Case {
        name: "slow-clock",
        aim: Some(Code::BADTIME),
        sent: "a question signed a day ago",
        rfc: "RFC 8945 §5.2.3",
        over: BOTH,
        needs: KEY,
        make: |ground| off_time(ground, now_seconds().saturating_sub(CLOCK_OFF_SECONDS)),
        form: Form::TsigTime,
        others: &[],
    },
    Case {
        name: "fast-clock",
        aim: Some(Code::BADTIME),
        sent: "a question signed tomorrow",
        rfc: "RFC 8945 §5.2.3",
        over: BOTH,
        needs: KEY,
        make: |ground| off_time(ground, now_seconds().saturating_add(CLOCK_OFF_SECONDS)),
        form: Form::TsigTime,
        others: &[],
    },
    Case {
        name: "tkey-mode",
        aim: Some(Code::BADMODE),
        sent: "TKEY of mode 99",
        rfc: "RFC 2930 §2.5, 2.6",
        over: BOTH,
        needs: NOTHING,
        make: |ground| tkey(ground, TKEY_MODE_UNASSIGNED, TKEY_ALGORITHM, false),
        form: Form::Tkey,
        others: &[NO_TKEY],
    },
    Case {
        name: "tkey-delete",
        aim: Some(Code::BADNAME),
        sent: "TKEY that deletes a key nobody has",
        rfc: "RFC 2930 §4.2",
        over: BOTH,
        needs: NOTHING,
        make: |ground| tkey(ground, mode::DELETE, "hmac-sha256", false),
        form: Form::Tkey,
        others: &[NO_TKEY],
    },
    Case {
        name: "tkey-algorithm",
        aim: Some(Code::BADALG),
        sent: "TKEY for an algorithm nobody has",
        rfc: "RFC 2930 §2.6",
        over: BOTH,
        needs: NOTHING,
        make: |ground| tkey(ground, mode::DIFFIE_HELLMAN, "hmac-none.invalid", true),
        form: Form::Tkey,
        others: &[NO_TKEY],
    },
    Case {
        name: "cut-mac",
        aim: Some(Code::BADTRUNC),
        sent: "a question whose right MAC is cut in half",
        rfc: "RFC 8945 §5.2.4",
        over: BOTH,
        needs: KEY,
        make: |ground| {
            let key = ground.key()?;
            let half = key.algorithm.mac_len().div_ceil(2).max(10);
            if half >= key.algorithm.mac_len() {
                return Err("the key's algorithm has no shorter MAC");
            }
            let mut cut = Key::clone(key);
            (cut.mac_len, cut.mac_len_min) = (half, half);
            Ok(vec![ground.query(ground.apex(), kind::SOA).signed(&Arc::new(cut), now_seconds())])
        },
        form: Form::TsigSigned,
        others: &[Other {
            codes: &[Code::NOERROR],
            verdict: Verdict::Permitted,
            note: "the server's policy takes MACs as short as this",
        }],
    },
    Case {
        name: "wrong-cookie",
        aim: Some(Code::BADCOOKIE),
        sent: "a question with a wrong server cookie",
        rfc: "RFC 7873 §5.2.3, 5.2.4",
        over: UDP,
        needs: NOTHING,
        make: |ground| Ok(vec![cookie_query(ground, &[0x5a; 16])]),
        form: Form::OptCookie,
        others: &[Other { codes: &[], verdict: Verdict::NotOffered, note: "the server does not require cookies" }],
    },
    Case {
        name: "response",
        aim: None,
        sent: "a response",
        rfc: "RFC 1035 §4.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| Ok(vec![ground.draft(0, flag::QR).question(ground.apex(), kind::SOA).bytes()]),
        form: Form::Header,
        others: &[],
    },
    Case {
        name: "no-header",
        aim: None,
        sent: "five octets",
        rfc: "RFC 1035 §4.1.1",
        over: BOTH,
        needs: NOTHING,
        make: |ground| {
            let mut ask = ground.draft(0, 0).bytes();
            ask.bytes.truncate(5);
            Ok(vec![ask])
        },
        form: Form::Header,
        others: &[],
    },
];
