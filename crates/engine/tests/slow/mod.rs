//! The slow, simple responder: what a client must get, written from the rules of DNS and of the house, record by record.
//!
//! It is there to be read beside the RFCs, and to disagree with the walk where that is wrong. It shares nothing with the walk: no
//! reader, no packet kept, no hash, no cache. It knows answers as records with the age they have, rules as a list of lines.

pub(crate) mod ask;
mod edns;
pub(crate) mod message;
pub(crate) mod query;

use std::collections::BTreeSet;
use std::net::IpAddr;

use event::Transport;
use message::{Edns, FLAGS, Record, Reply, SOA, name, suffixes, text};
use query::{Asked, Fault, read};

const A: u16 = 1;
const HINFO: u16 = 13;
const AAAA: u16 = 28;
const ANY: u16 = 255;
const IN: u16 = 1;

const NOERROR: u16 = 0;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const NOTIMP: u16 = 4;
const REFUSED: u16 = 5;
const BADCOOKIE: u16 = 23;

/// Option codes.
pub(crate) const NSID: u16 = 3;
pub(crate) const COOKIE: u16 = 10;
pub(crate) const KEEPALIVE: u16 = 11;
pub(crate) const PADDING: u16 = 12;
/// TTL of what the house itself knows, and of an old answer (RFC 8767 §4).
const OWN_TTL: u32 = 86_400;
const STALE_TTL: u32 = 30;

/// Whether cookies are ignored, given, or demanded over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookies {
    Off,
    Give,
    Require,
}

/// How a block is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Nxdomain,
    Nodata,
    Refused,
    Zero,
}

/// An answer an upstream gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u16,
    pub(crate) rcode: u16,
    /// The upstream vouched for it (AD).
    pub(crate) authentic: bool,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    pub(crate) ede: Vec<(u16, String)>,
}

/// The house: what it holds and how it is set.
pub(crate) struct House {
    pub(crate) kept: Vec<Kept>,
    /// Rules as lists have them (`ads.example`, `=exact.example`, `*.below.example`), and whether they block.
    pub(crate) rules: Vec<(String, bool)>,
    pub(crate) block: Block,
    pub(crate) block_ttl: u32,
    pub(crate) cookies: Cookies,
    /// The one in force, then a former one.
    pub(crate) secrets: Vec<[u8; 16]>,
    pub(crate) nsid: Vec<u8>,
    pub(crate) udp_size: u16,
    pub(crate) keepalive: u16,
    /// How long failures are kept.
    pub(crate) failure_ttl: u32,
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct From {
    pub(crate) client: IpAddr,
    pub(crate) admitted: bool,
    pub(crate) transport: Transport,
    /// Since the answers were kept.
    pub(crate) age: u32,
    pub(crate) unix_seconds: u32,
}

/// What has to come of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Silence,
    /// It is for `operate`.
    Operation,
    Reply(Reply),
    /// It has to be looked up; this is due if it cannot be.
    Lookup(Reply),
}

/// A reply before its OPT: code, sections, extended errors.
#[derive(Default)]
struct Draft {
    rcode: u16,
    authentic: bool,
    sections: [Vec<Record>; 3],
    ede: Vec<(u16, String)>,
}

impl Draft {
    fn code(rcode: u16, ede: &[(u16, &str)]) -> Draft {
        let ede = ede.iter().map(|(code, text)| (*code, (*text).to_owned())).collect();
        Draft { rcode, ede, ..Draft::default() }
    }
}

impl House {
    /// What is due to this message.
    pub(crate) fn due(&self, bytes: &[u8], from: From) -> Due {
        // RFC 1035 §7.3: what is no query, or nothing at all, gets no answer: two servers would answer each other for ever.
        if bytes.len() < 12 || bytes[2] & 0x80 != 0 {
            return Due::Silence;
        }
        let (asked, fault) = read(bytes);
        match fault {
            Some(Fault::Operation) if self.wrong_cookie(&asked, from) && !asked.signed => {
                self.sent(&asked, from, Draft::code(BADCOOKIE, &[]))
            }
            Some(Fault::Operation) => Due::Operation,
            Some(Fault::CookieProbe) if self.cookies != Cookies::Off => {
                // RFC 7873 §5.4.
                let server = asked.option(COOKIE).is_some_and(|data| data.len() > 8);
                let rcode = if server && self.wrong_cookie(&asked, from) { BADCOOKIE } else { NOERROR };
                self.sent(&asked, from, Draft::code(rcode, &[]))
            }
            Some(fault) => {
                let code = if fault.rcode() == 1 { 0 } else { 21 };
                self.sent(&asked, from, Draft::code(fault.rcode(), &[(code, "why")]))
            }
            None => self.query(&asked, from),
        }
    }

    /// A well-formed query with one question.
    fn query(&self, asked: &Asked, from: From) -> Due {
        let Some((qname, kind, class)) = asked.question.clone() else { return Due::Silence };
        let qname = qname.to_ascii_lowercase();
        // RFC 7873 §5.2.3, and TC for who does not know cookies: a stream shows that the client is where it says.
        if self.cookies == Cookies::Require && from.transport == Transport::Udp && !self.good_cookie(asked, from) {
            return match asked.option(COOKIE) {
                Some(_) => self.sent(asked, from, Draft::code(BADCOOKIE, &[])),
                None => Due::Reply(self.truncated(asked, from, &Draft::default())),
            };
        }
        if !from.admitted {
            return self.sent(asked, from, Draft::code(REFUSED, &[(18, "this client may not ask here")]));
        }
        if class != IN {
            let word = match class {
                3 => "CH".to_owned(),
                4 => "HS".to_owned(),
                254 => "NONE".to_owned(),
                255 => "ANY".to_owned(),
                other => format!("CLASS{other}"),
            };
            // Somebody serves CH and HS; in other classes nothing can be asked.
            let rcode = if matches!(class, 3 | 4) { REFUSED } else { NOTIMP };
            return self.sent(asked, from, Draft::code(rcode, &[(21, &format!("class {word} is not served here"))]));
        }
        if let Some(draft) = special(&qname, kind) {
            return self.sent(asked, from, draft);
        }
        if !asked.flag("RD") {
            return self.sent(asked, from, Draft::code(REFUSED, &[(20, "ask with RD set")]));
        }
        let verdict = self.verdict(&qname);
        if let Some((rule, true)) = &verdict {
            return self.sent(asked, from, self.blocked(&qname, kind, rule));
        }
        // RFC 8482 §4.2.
        if kind == ANY {
            let hinfo = record(&qname, HINFO, OWN_TTL, b"\x07RFC8482\0");
            return self.sent(asked, from, Draft { sections: [vec![hinfo], vec![], vec![]], ..Draft::default() });
        }
        let kept = self.kept.iter().find(|kept| kept.name == qname && kept.kind == kind);
        let draft = match kept.map(|kept| (kept, self.lifetime(kept))) {
            Some((kept, lifetime)) if from.age < lifetime => self.fresh(kept, &qname, &verdict, from.age),
            // A failure says nothing of the name: it is not given once it is old (RFC 8767 §4).
            Some((kept, lifetime @ 1..)) if !is_failure(kept.rcode) && from.age - lifetime < 86_400 => {
                let draft = self.stale(kept, &qname, &verdict);
                return Due::Lookup(self.reply(asked, from, draft));
            }
            _ => return Due::Lookup(self.reply(asked, from, Draft::code(SERVFAIL, &[(0, "too many")]))),
        };
        self.sent(asked, from, draft)
    }

    /// Seconds an answer may be given: the smallest TTL. A negative one, if only at the end of aliases, no longer than its SOA
    /// says, and without SOA not at all (RFC 2308 §5).
    fn lifetime(&self, kept: &Kept) -> u32 {
        if is_failure(kept.rcode) {
            return self.failure_ttl;
        }
        let positive = kept.rcode == NOERROR && kept.answer.iter().any(|record| record.kind == kept.kind);
        if !positive && !kept.authority.iter().any(|record| record.kind == SOA) {
            return 0;
        }
        let records = kept.answer.iter().chain(&kept.authority).chain(&kept.additional);
        records.map(soa_ttl).min().unwrap_or(0)
    }

    fn fresh(&self, kept: &Kept, qname: &[u8], verdict: &Option<(String, bool)>, age: u32) -> Draft {
        if let Some(draft) = self.screened(kept, qname, verdict) {
            return draft;
        }
        // RFC 9520, and RFC 8914 §4.14: a failure that is told again.
        let again = is_failure(kept.rcode).then(|| (13, String::new()));
        let ede = again.into_iter().chain(kept.ede.iter().cloned()).collect();
        draft_of(kept, ede, |ttl| ttl - age)
    }

    fn stale(&self, kept: &Kept, qname: &[u8], verdict: &Option<(String, bool)>) -> Draft {
        if let Some(draft) = self.screened(kept, qname, verdict) {
            return draft;
        }
        let code = if kept.rcode == NXDOMAIN { 19 } else { 3 };
        draft_of(kept, vec![(code, "too many".to_owned())], |ttl| ttl.min(STALE_TTL))
    }

    /// A block for where the aliases of an answer lead, unless the question was allowed.
    fn screened(&self, kept: &Kept, qname: &[u8], verdict: &Option<(String, bool)>) -> Option<Draft> {
        if verdict.is_some() {
            return None;
        }
        let aliases = kept.answer.iter().filter(|record| record.kind == 5);
        let rule =
            aliases.map(|alias| self.verdict(&alias.data)).find_map(|verdict| verdict.filter(|(_, block)| *block));
        rule.map(|(rule, _)| self.blocked(qname, kept.kind, &rule))
    }

    /// The most precise rule that fits, and whether it blocks: the longest name, exactly it before all else; allow wins a tie.
    fn verdict(&self, qname: &[u8]) -> Option<(String, bool)> {
        let fits = |rule: &String| {
            let (of, whole, below) = match rule.as_bytes()[0] {
                b'=' => (&rule[1..], true, false),
                b'*' => (&rule[2..], false, true),
                _ => (&rule[..], true, true),
            };
            let of = name(of);
            let at = suffixes(qname).find(|&at| qname[at..] == of)?;
            (if at == 0 { whole } else { below }).then_some((of.len(), !below))
        };
        let fitting = self.rules.iter().filter_map(|(rule, block)| Some((fits(rule)?, !block, rule)));
        fitting.max().map(|(_, allow, rule)| (rule.clone(), !allow))
    }

    fn blocked(&self, qname: &[u8], kind: u16, rule: &str) -> Draft {
        let ede = vec![(15, format!("list=ads rule={rule}"))];
        let rcode = match self.block {
            Block::Nxdomain => NXDOMAIN,
            Block::Refused => REFUSED,
            Block::Nodata | Block::Zero => NOERROR,
        };
        let zero = match kind {
            A => Some(vec![0; 4]),
            AAAA => Some(vec![0; 16]),
            _ => None,
        };
        let sections = match (self.block, zero) {
            (Block::Refused, _) => Default::default(),
            (Block::Zero, Some(data)) => [vec![record(qname, kind, self.block_ttl, &data)], vec![], vec![]],
            _ => [vec![], vec![denial(qname, self.block_ttl)], vec![]],
        };
        Draft { rcode, sections, ede, authentic: false }
    }

    fn sent(&self, asked: &Asked, from: From, draft: Draft) -> Due {
        Due::Reply(self.reply(asked, from, draft))
    }

    /// The reply as it leaves: whole, or with TC where it does not fit (RFC 2181 §9, RFC 6891 §6.2.5).
    fn reply(&self, asked: &Asked, from: From, draft: Draft) -> Reply {
        let body_len = body_len(asked, &draft.sections);
        if body_len + self.opt_len_min(asked, from) > self.size_max(asked, from) {
            return self.truncated(asked, from, &draft);
        }
        let edns = self.edns(asked, from, &draft, body_len);
        let mut reply = header(asked, draft.rcode, edns);
        // RFC 6840 §5.8: AD is for who asks for it, one way or the other.
        let wants_ad = asked.flag("AD") || asked.edns.as_ref().is_some_and(|edns| edns.dnssec_ok);
        if draft.authentic && wants_ad {
            reply.flags.insert("AD");
        }
        [reply.answer, reply.authority, reply.additional] = draft.sections;
        reply
    }

    fn truncated(&self, asked: &Asked, from: From, draft: &Draft) -> Reply {
        let edns = self.edns(asked, from, draft, body_len(asked, &Default::default()));
        let mut reply = header(asked, draft.rcode, edns);
        reply.flags.insert("TC");
        reply
    }
}

/// Header and question of a reply: what of the query comes back (RFC 1035 §4.1.1, RFC 4035 §3.2.2).
fn header(asked: &Asked, rcode: u16, edns: Option<Edns>) -> Reply {
    let echoed: &[&str] = if asked.opcode == 0 { &["RD", "CD"] } else { &[] };
    let mut flags: BTreeSet<&str> = echoed.iter().copied().filter(|flag| asked.flag(flag)).collect();
    if asked.opcode == 0 {
        flags.insert("RA");
    }
    // RFC 6891 §6.1.3: a code above 15 cannot be told without OPT.
    let rcode = if rcode > 15 && edns.is_none() { SERVFAIL } else { rcode };
    let (id, opcode, question) = (asked.id, asked.opcode, asked.question.clone());
    let [answer, authority, additional] = Default::default();
    Reply { id, opcode, flags, rcode, question, answer, authority, additional, edns }
}

/// RFC 6761 §6.3 and §6.4, RFC 7686 §2.
fn special(qname: &[u8], kind: u16) -> Option<Draft> {
    let top = suffixes(qname).filter(|&at| qname[at] != 0).last()?;
    let own =
        |data: &[u8]| [vec![record(qname, if data.len() == 4 { A } else { AAAA }, OWN_TTL, data)], vec![], vec![]];
    let denied = || [vec![], vec![denial(qname, OWN_TTL)], vec![]];
    let (rcode, sections) = match (text(&qname[top..]).as_str(), kind) {
        ("localhost", A | ANY) => (NOERROR, own(&[127, 0, 0, 1])),
        ("localhost", AAAA) => (NOERROR, own(&std::net::Ipv6Addr::LOCALHOST.octets())),
        ("localhost", _) => (NOERROR, denied()),
        ("invalid" | "onion", _) => (NXDOMAIN, denied()),
        _ => return None,
    };
    Some(Draft { rcode, sections, ..Draft::default() })
}

/// The SOA under which something is said not to be: the parent's, as a zone denies what is in it (RFC 2308 §2).
fn denial(qname: &[u8], ttl: u32) -> Record {
    let parent = suffixes(qname).nth(1).unwrap_or(0);
    let numbers = [1, 3_600, 600, 86_400, ttl].map(u32::to_be_bytes).concat();
    record(&qname[parent..], SOA, ttl, &[name("blocked.invalid"), name("nobody.invalid"), numbers].concat())
}

pub(crate) fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Record {
    Record { owner: owner.to_vec(), kind, class: IN, ttl, data: data.to_vec() }
}

fn draft_of(kept: &Kept, ede: Vec<(u16, String)>, ttl: impl Fn(u32) -> u32) -> Draft {
    let aged = |records: &[Record]| {
        records.iter().map(|record| Record { ttl: ttl(soa_ttl(record)), ..record.clone() }).collect::<Vec<_>>()
    };
    let sections = [aged(&kept.answer), aged(&kept.authority), aged(&kept.additional)];
    Draft { rcode: kept.rcode, authentic: kept.authentic, sections, ede }
}

/// The TTL of a record; of a SOA in a denial no more than its last field (RFC 2308 §5).
fn soa_ttl(record: &Record) -> u32 {
    match record.data.last_chunk() {
        Some(&minimum) if record.kind == SOA => record.ttl.min(u32::from_be_bytes(minimum)),
        _ => record.ttl,
    }
}

fn is_failure(rcode: u16) -> bool {
    rcode != NOERROR && rcode != NXDOMAIN
}

fn body_len(asked: &Asked, sections: &[Vec<Record>; 3]) -> usize {
    let Some(question) = &asked.question else { return 12 };
    let [answer, authority, additional] = sections;
    // In our own SOA the second name ends in the first.
    let ours = |record: &&Record| record.data.starts_with(&name("blocked.invalid"));
    let saved = authority.iter().filter(ours).count() * (name("invalid").len() - 2);
    message::body(question, [answer, authority, additional]).len() - saved
}

/// All flags a query may carry, by name.
pub(crate) fn flags(header: u16) -> BTreeSet<&'static str> {
    FLAGS.iter().filter(|(bit, _)| header & bit != 0).map(|(_, name)| *name).collect()
}
