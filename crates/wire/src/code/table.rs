//! The registry's texts: what each code means, when it is sent, what usually causes it and what to do next.
//!
//! Written for somebody who was woken by an alarm. Only texts and facts; what is asked of them is in `code`.

use super::{Code, CodeInfo, Emitter, Family, Kind, Place, Placed, RangeInfo, Signing};

const fn header(number: u8) -> Placed {
    Placed { place: Place::Header, header: number }
}

const fn opt(number: u16) -> Placed {
    Placed { place: Place::Opt, header: (number & 0xf) as u8 }
}

/// A TSIG failure shows NOTAUTH in the header (RFC 8945 §5.2).
const TSIG: Placed = Placed { place: Place::Tsig, header: 9 };
/// A TKEY failure leaves NOERROR in the header (RFC 2930 §2.6).
const TKEY: Placed = Placed { place: Place::Tkey, header: 0 };

/// Everywhere a query can come from.
const ALL: &[&str] = &["udp", "tcp", "dot", "doh", "doq"];
/// Where a session of one's own exists (RFC 8490 §4).
const SESSIONS: &[&str] = &["tcp", "dot"];

const ANYONE: &[Emitter] = &[Emitter::Nameward, Emitter::Upstream, Emitter::Authority];
/// Answers to messages that only reach whoever holds the zone.
const ZONE_HOLDERS: &[Emitter] = &[Emitter::Nameward, Emitter::Authority];

/// Every named code in the order of the table: by number, `BADVERS` before `BADSIG`.
pub static CODES: &[CodeInfo] = &[
    CodeInfo {
        code: Code::NOERROR,
        name: "NOERROR",
        mixed: "NoError",
        places: &[header(0)],
        signing: Signing::AsRequest,
        rfc: "RFC 1035 §4.1.1, RFC 2308 §2.2",
        meaning: "The question was answered, or the name exists without data of this type.",
        sent: "An answer was found, made by a rule, or there is none of this type (then the outcome is nodata); an update, a \
               transfer or a session request was carried out.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "The ordinary case.",
            "Nodata: AAAA asked of a name that has only A, or HTTPS of a name that has none.",
            "Referral: an authority was asked for a name in a zone below its own.",
        ],
        next: &[
            "Nothing, unless something looks wrong all the same: look at the outcome (answered, nodata, referral, truncated), \
             which this code alone does not tell.",
            "Too many nodata for one type: a client asks for what its servers do not publish.",
        ],
        family: Family::Answered,
        kind: Kind::Success,
    },
    CodeInfo {
        code: Code::FORMERR,
        name: "FORMERR",
        mixed: "FormErr",
        places: &[header(1)],
        signing: Signing::Never,
        rfc: "RFC 1035 §4.1.1, RFC 6891 §6.1.1, RFC 7873 §5.2.2, RFC 8945 §5.1, RFC 9619 §4",
        meaning: "The server could not make sense of the message.",
        sent: "The message cannot be read, asks several questions, has octets left over, two OPT records or a malformed one, a \
               cookie of a length that cannot be, a TSIG record out of place or with too short a MAC, or an update or session \
               message against the rules. A message without a whole header gets silence instead.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "A scanner or a broken program sends something that is not quite DNS.",
            "A middlebox cuts or rewrites packets.",
            "An old server refuses EDNS: the upstream answers FORMERR to every query with an OPT record.",
            "Home-made code that writes messages by hand.",
        ],
        next: &[
            "One client, many: look at its port and name; find the program and have it repaired.",
            "All clients, one upstream: ask that upstream with and without EDNS (`dig +noedns`).",
            "The extended error's text says what could not be read.",
        ],
        family: Family::Malformed,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::SERVFAIL,
        name: "SERVFAIL",
        mixed: "ServFail",
        places: &[header(2)],
        signing: Signing::AsRequest,
        rfc: "RFC 1035 §4.1.1, RFC 8914 §4",
        meaning: "The server tried and failed; the extended error says why.",
        sent: "No upstream gave a usable answer, a limit of work was reached, or a zone of our own could not be loaded: always \
               with an extended error that says which.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "All upstreams for this name are down or cannot be reached (extended errors 22 and 23).",
            "DNSSEC does not hold: expired signatures or a forgotten DS record (extended errors 5 to 12).",
            "The zone's own servers are broken: lame delegation, loops, all of them silent.",
            "A failure that is remembered for some seconds (extended error 13).",
        ],
        next: &[
            "Read the extended errors first: group by `ede`.",
            "Many names, one upstream: the upstream or the way to it. Many upstreams, one domain: the domain's owner.",
            "DNSSEC: ask again with checking disabled (`dig +cd`); an answer then means that validation is what failed.",
        ],
        family: Family::ServerTrouble,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::NXDOMAIN,
        name: "NXDOMAIN",
        mixed: "NXDomain",
        places: &[header(3)],
        signing: Signing::AsRequest,
        rfc: "RFC 1035 §4.1.1, RFC 2136 §2.4.4, RFC 8020 §2",
        meaning: "The name does not exist, nor does anything below it.",
        sent: "Upstream or zone says that the name does not exist; a rule blocks the name with this answer (then with extended \
               error 15, 16 or 17); an update counts on a name that is not there.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "A typing error, a search suffix put after the name, or a machine that was taken down.",
            "Policy: the name is on a block list; action and list say which.",
            "Malware that tries made-up names until one answers: many different names from one client.",
            "A record that was to be published and was not, or has not spread yet.",
        ],
        next: &[
            "Look at the action: `block` means that we said so, `pass` that the world did.",
            "One client with hundreds of random names: take it for infected until shown otherwise.",
            "A name that should exist: ask its authority directly; negative answers are kept for the time its SOA gives.",
        ],
        family: Family::NameMissing,
        kind: Kind::Fact,
    },
    CodeInfo {
        code: Code::NOTIMP,
        name: "NOTIMP",
        mixed: "NotImp",
        places: &[header(4)],
        signing: Signing::AsRequest,
        rfc: "RFC 1035 §4.1.1, RFC 8490 §5.1",
        meaning: "The server does not offer this kind of operation.",
        sent: "The opcode is unknown or not offered here: IQUERY, STATUS, 3 and 7 to 15; session messages (DSO) over UDP, DoH or \
               DoQ; updates where updates are off.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "A scanner that tries every opcode.",
            "A machine that wants to register its own name (dynamic update) at a resolver.",
            "A client that tries DSO over UDP, where no session can be.",
        ],
        next: &[
            "Look at the opcode: it names the operation that was wanted.",
            "UPDATE from desktops: have them update the zone's primary, or switch registration off there.",
            "If we should offer it, switch it on for that zone and those clients only.",
        ],
        family: Family::ServerTrouble,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::REFUSED,
        name: "REFUSED",
        mixed: "Refused",
        places: &[header(5)],
        signing: Signing::AsRequest,
        rfc: "RFC 1035 §4.1.1, RFC 8914 §4.19, §4.21",
        meaning: "The server will not answer this client or this question.",
        sent: "The client is not in the networks that may ask (extended error 18), recursion was not asked for and we do not hold \
               the zone (20), an update or transfer is not allowed to this key and address, or a rule answers this way.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "A stranger: a new network that nobody added, or somebody outside who looks for open resolvers.",
            "An upstream that is no resolver for us: our address is not in its access list.",
            "A transfer or update without a key, or with a key that may not do this.",
        ],
        next: &[
            "Clients of yours: add their network to those that may ask.",
            "Foreign addresses in numbers: close port 53 to the Internet.",
            "From an upstream: check that it serves our address, then take it out until it does.",
            "Transfers and updates: look at `key`; grant it the zone, the name and the type it needs, no more.",
        ],
        family: Family::Refused,
        kind: Kind::Policy,
    },
    CodeInfo {
        code: Code::YXDOMAIN,
        name: "YXDOMAIN",
        mixed: "YXDomain",
        places: &[header(6)],
        signing: Signing::AsRequest,
        rfc: "RFC 2136 §2.4.5, §3.2.2, RFC 6672 §2.2",
        meaning: "A name exists that the update said must not, or a DNAME rewrite grew too long.",
        sent: "An update's condition \"name is not in use\" does not hold; or a DNAME would make a name longer than 255 octets.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "Two machines want the same name: a DHCP server registers a host name that is taken.",
            "An update that was sent twice; the first one went through.",
            "A query far below a DNAME with a long target: what is put together does not fit into a name.",
        ],
        next: &[
            "For updates, look at `update`: it names the condition that failed. See who holds the name now.",
            "For queries, the name asked is below a DNAME: shorten the target, or take the query for a probe.",
        ],
        family: Family::Security,
        kind: Kind::Fact,
    },
    CodeInfo {
        code: Code::YXRRSET,
        name: "YXRRSET",
        mixed: "YXRRSet",
        places: &[header(7)],
        signing: Signing::AsRequest,
        rfc: "RFC 2136 §2.4.3, §3.2.2",
        meaning: "A record set exists that the update said must not.",
        sent: "An update's condition \"this record set does not exist\" does not hold.",
        emitters: ZONE_HOLDERS,
        transports: ALL,
        causes: &[
            "A client adds records only if there are none yet, and there are.",
            "An update that was sent twice; the first one went through.",
            "No update at all: a tool that reads only the header shows BADCOOKIE (23) as this code.",
        ],
        next: &[
            "Look at `update` for the record set, then at what the zone holds there.",
            "If an old owner left it behind, delete that set and let the client try again.",
        ],
        family: Family::Security,
        kind: Kind::Fact,
    },
    CodeInfo {
        code: Code::NXRRSET,
        name: "NXRRSET",
        mixed: "NXRRSet",
        places: &[header(8)],
        signing: Signing::AsRequest,
        rfc: "RFC 2136 §2.4.1, §2.4.2, §3.2.3",
        meaning: "A record set that the update counts on does not exist, or is not the one it names.",
        sent: "An update's condition \"this record set exists\" does not hold; where it names the records, the set must be \
               exactly those.",
        emitters: ZONE_HOLDERS,
        transports: ALL,
        causes: &[
            "A DHCP server checks that a name is still its own (DHCID record), and it is not.",
            "Somebody changed the set between the client's look and its update.",
            "The condition names some of the records, but the set has more.",
        ],
        next: &[
            "Look at `update`, then ask the zone for that set and compare.",
            "The client has to look again and send a new update; sending the same again cannot help.",
        ],
        family: Family::Security,
        kind: Kind::Fact,
    },
    CodeInfo {
        code: Code::NOTAUTH,
        name: "NOTAUTH",
        mixed: "NotAuth",
        places: &[header(9)],
        signing: Signing::ByError,
        rfc: "RFC 2136 §3.1.2, RFC 5936 §2.2.1, RFC 8945 §5.2",
        meaning: "The server is not authoritative for the zone, or the signature was not accepted.",
        sent: "An update, a notification or a transfer names a zone that we do not hold. Every TSIG failure shows this number in \
               the header too, but is kept under its own name: BADSIG, BADKEY, BADTIME or BADTRUNC.",
        emitters: ZONE_HOLDERS,
        transports: ALL,
        causes: &[
            "The zone is not configured here, is misspelt, or lives on another server.",
            "A secondary still points at a primary that has given the zone up.",
            "A client sends updates to the first name server it finds instead of the zone's primary.",
        ],
        next: &[
            "Compare the zone asked for with the zones held here.",
            "If `tsig` has a value the zone is not the matter: go by that code.",
            "Search `rcode_header:NOTAUTH` for both kinds together.",
        ],
        family: Family::Refused,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::NOTZONE,
        name: "NOTZONE",
        mixed: "NotZone",
        places: &[header(10)],
        signing: Signing::AsRequest,
        rfc: "RFC 2136 §3.2, §3.4.1",
        meaning: "A name in the update lies outside its zone.",
        sent: "A condition or a change of an update names something that is neither the zone's apex nor below it.",
        emitters: ZONE_HOLDERS,
        transports: ALL,
        causes: &[
            "The client guessed the wrong zone: the parent's, or a sibling's.",
            "A missing final dot, so that the zone's name was added once more or not at all.",
            "Forward and reverse records in one update: they belong to two zones.",
        ],
        next: &[
            "Look at `update` for the name and at the name asked for the zone; send one update for each zone.",
            "With nsupdate, give `zone` yourself instead of letting it find one.",
        ],
        family: Family::Security,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::DSOTYPENI,
        name: "DSOTYPENI",
        mixed: "DSOTYPENI",
        places: &[header(11)],
        signing: Signing::Never,
        rfc: "RFC 8490 §5.1.1, §5.4.5",
        meaning: "The session asked for a DSO operation the server does not know.",
        sent: "A DNS Stateful Operations request on TCP or DoT whose first TLV is of a type we do not carry out.",
        emitters: ANYONE,
        transports: SESSIONS,
        causes: &[
            "A client that wants push notifications (RFC 8765) or another service we do not offer.",
            "A client that finds out what the server can do; this answer is how it learns.",
        ],
        next: &[
            "Nothing: the session goes on, and the client has been told.",
            "If clients need DNS Push, point them at a server that offers it.",
        ],
        family: Family::Security,
        kind: Kind::Fact,
    },
    CodeInfo {
        code: Code::BADVERS,
        name: "BADVERS",
        mixed: "BADVERS",
        places: &[opt(16)],
        signing: Signing::Never,
        rfc: "RFC 6891 §6.1.3",
        meaning: "The client speaks an EDNS version the server does not.",
        sent: "The OPT record of the query has a version above 0. The reply's OPT says version 0, the one there is.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "A compliance tester or scanner: no client in use speaks EDNS 1.",
            "A program that writes the OPT record wrongly, so that flags land in the version.",
        ],
        next: &[
            "From testers: nothing, this is the right answer.",
            "From a client of yours: look at the OPT it sends; the version is the second octet of the TTL field.",
            "Do not mistake it for BADSIG: both are 16, but this one travels in OPT.",
        ],
        family: Family::Malformed,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::BADSIG,
        name: "BADSIG",
        mixed: "BADSIG",
        places: &[TSIG, TKEY],
        signing: Signing::NotInTsig,
        rfc: "RFC 8945 §5.2.2, RFC 2930 §2.6",
        meaning: "The signature does not fit the message and key.",
        sent: "Name and algorithm of the key are known, but the MAC is not what this message and this secret give. The reply \
               carries no MAC: there is no secret both sides share.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "The same key name with another secret on each side: a typing error, or a key changed on one side only.",
            "The message was changed on its way, by a middlebox or by an attacker.",
            "Somebody tries secrets.",
        ],
        next: &[
            "Look at `key` and `client`; compare the secret on both sides, best by making a new one with \
             `nameward key generate`.",
            "If the secret is right, compare what was sent with what arrived: something in between rewrites DNS.",
            "From addresses you do not know: close the port to them.",
        ],
        family: Family::Security,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::BADKEY,
        name: "BADKEY",
        mixed: "BADKEY",
        places: &[TSIG, TKEY],
        signing: Signing::NotInTsig,
        rfc: "RFC 8945 §5.2.1, RFC 2930 §2.6",
        meaning: "The key or its algorithm is unknown to the server.",
        sent: "The TSIG record names a key we do not have, or an algorithm other than the key's. In TKEY: the key data offered \
               cannot be used.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "The key was never put into this server's configuration, or was removed from it.",
            "The key's name differs: on the wire it is a domain name, and every label counts.",
            "The same name with another algorithm, such as hmac-sha512 here and hmac-sha256 there.",
        ],
        next: &[
            "Compare `key` with the keys configured here: name first, then algorithm.",
            "After a change of keys: find the machines that still use the old one with `tsig:BADKEY` by client.",
        ],
        family: Family::Security,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::BADTIME,
        name: "BADTIME",
        mixed: "BADTIME",
        places: &[TSIG, TKEY],
        signing: Signing::Always,
        rfc: "RFC 8945 §5.2.3, RFC 2930 §2.6",
        meaning: "The signature's time is too far from the server's clock.",
        sent: "Key and MAC are right, but the time signed is further from ours than the fudge allows, most often 300 seconds. The \
               reply is signed and carries our time in Other Data, so the client sees how far off it is.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "A clock that is wrong, here or there: no NTP, a machine just woken up, a battery that died.",
            "A message that was kept and sent later, by a queue or by an attacker who replays it.",
            "Time zones: someone set the clock to local time and called it UTC.",
        ],
        next: &[
            "Check the clock here first (`timedatectl`), then at the client.",
            "If all clients of a key fail at once, it is our clock; if one does, it is theirs.",
        ],
        family: Family::Security,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::BADMODE,
        name: "BADMODE",
        mixed: "BADMODE",
        places: &[TKEY],
        signing: Signing::AsRequest,
        rfc: "RFC 2930 §2.5, §2.6",
        meaning: "The server does not offer this way of making keys.",
        sent: "A TKEY query asks for a mode that we do not carry out or that is switched off, such as GSS-API.",
        emitters: ZONE_HOLDERS,
        transports: ALL,
        causes: &[
            "Windows clients that want a secure dynamic update (GSS-TSIG) from a server that is no domain controller.",
            "A client that tries every mode there is.",
        ],
        next: &[
            "Point Windows clients at their domain controller for updates.",
            "Give other clients a fixed key (`nameward key generate`): it needs no TKEY.",
        ],
        family: Family::Security,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::BADNAME,
        name: "BADNAME",
        mixed: "BADNAME",
        places: &[TKEY],
        signing: Signing::AsRequest,
        rfc: "RFC 2930 §2.6, §4.2",
        meaning: "The key name exists already, or the key to delete does not.",
        sent: "A TKEY query wants to make a key under a name that is taken, or to delete a key we do not have.",
        emitters: ZONE_HOLDERS,
        transports: ALL,
        causes: &[
            "A client that restarted and asks for the same key again.",
            "A key deleted twice, or that ended in the meantime.",
            "Two clients that chose the same name.",
        ],
        next: &[
            "Have the client choose a fresh name each time; a random first label is usual.",
            "After a failed deletion: nothing, the key is gone.",
        ],
        family: Family::Security,
        kind: Kind::Fact,
    },
    CodeInfo {
        code: Code::BADALG,
        name: "BADALG",
        mixed: "BADALG",
        places: &[TKEY],
        signing: Signing::AsRequest,
        rfc: "RFC 2930 §2.6, §4.1",
        meaning: "The server lacks the algorithm the key was asked for.",
        sent: "A TKEY query wants a key for an algorithm that we do not have, such as HMAC-MD5.",
        emitters: ZONE_HOLDERS,
        transports: ALL,
        causes: &[
            "An old client that knows only HMAC-MD5.",
            "An algorithm's name misspelt: on the wire it is a domain name, such as hmac-sha256.",
        ],
        next: &[
            "Set the client to hmac-sha256, which everything in use today knows.",
            "If it cannot, update it: HMAC-MD5 is not to be brought back (RFC 8945 §6).",
        ],
        family: Family::Security,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::BADTRUNC,
        name: "BADTRUNC",
        mixed: "BADTRUNC",
        places: &[TSIG],
        signing: Signing::Always,
        rfc: "RFC 8945 §5.2.2.1, §5.2.4",
        meaning: "The signature is right but shorter than the server allows.",
        sent: "Key, MAC and time are right, but fewer octets of the MAC were sent than our policy asks for. The reply is signed. \
               A MAC under ten octets, or under half of the whole, is FORMERR instead.",
        emitters: ANYONE,
        transports: ALL,
        causes: &[
            "A client set to hmac-sha256-128 where we ask for the whole MAC.",
            "A policy that was made stricter on one side only.",
        ],
        next: &[
            "Have the client send the whole MAC: name the algorithm without a number at its end.",
            "If it cannot, allow the shorter MAC for that key; half of the whole is the least the RFC permits.",
        ],
        family: Family::Security,
        kind: Kind::Fault,
    },
    CodeInfo {
        code: Code::BADCOOKIE,
        name: "BADCOOKIE",
        mixed: "BADCOOKIE",
        places: &[opt(23)],
        signing: Signing::Never,
        rfc: "RFC 7873 §5.2.3, §5.2.4, RFC 9018 §4",
        meaning: "The server wants a valid cookie before it answers.",
        sent: "Over UDP, when cookies are required or we are under pressure, and the query has a client cookie but no good cookie \
               of ours. A fresh one is always in the reply; a client that repeats the query with it is answered.",
        emitters: ANYONE,
        transports: &["udp"],
        causes: &[
            "A client that asks for the first time: it gets its cookie this way and comes back.",
            "The secret was changed, or the servers behind one address have different secrets.",
            "The client's address changed: the cookie is bound to it.",
            "Somebody forges the sender's address: a flood through us at a third party.",
        ],
        next: &[
            "Few, each followed by an answer to the same client: nothing.",
            "A client that never gets further: it drops cookies, or a load balancer changes servers; give all of them one secret.",
            "Very many, from clients that never come back: an attack, and this code is what stops it.",
            "Read the whole code: the header alone says 7, and tools that look no further call it YXRRSET.",
        ],
        family: Family::Malformed,
        kind: Kind::Fault,
    },
];

/// Numbers without a name, by range (RFC 6895 §2.3 and the IANA registry).
pub static RANGES: &[RangeInfo] = &[
    RangeInfo {
        first: 12,
        last: 15,
        name: "unassigned",
        rfc: "RFC 6895 §2.3",
        meaning: "No document gives this number a meaning. It fits into the header, so any server can send it.",
        causes: &[
            "A server with an error in it, or octets that were taken for a header.",
            "A newer standard than this version knows.",
        ],
        next: &["Find who sends it: search for the code and group by upstream; then capture one packet and read it."],
    },
    RangeInfo {
        first: 24,
        last: 3840,
        name: "unassigned",
        rfc: "RFC 6895 §2.3",
        meaning: "No document gives this number a meaning. It needs an OPT, TSIG or TKEY record to travel in.",
        causes: &[
            "A server or middlebox that writes the upper bits of the OPT record wrongly.",
            "A newer standard than this version knows.",
        ],
        next: &[
            "Look at the header's own code (`rcode_header`): if only the upper bits are odd, the OPT record is at fault.",
            "Group by upstream to find who sends it.",
        ],
    },
    RangeInfo {
        first: 3841,
        last: 4095,
        name: "private use",
        rfc: "RFC 6895 §2.3",
        meaning: "Free for private use: what it means is agreed between those who use it.",
        causes: &[
            "A server of the same house that uses a code of its own.",
            "A product whose makers chose a number for themselves.",
        ],
        next: &["Ask whoever runs the server that sends it; group by upstream to find it."],
    },
    RangeInfo {
        first: 4096,
        last: 65534,
        name: "unassigned",
        rfc: "RFC 6895 §2.3",
        meaning: "No document gives this number a meaning. It does not fit into header and OPT: only TSIG and TKEY have room for it.",
        causes: &["A server with an error in its TSIG or TKEY code, or a damaged record."],
        next: &["Look at `tsig` and `tkey` for the place, and at `key` and `client` for those concerned."],
    },
    RangeInfo {
        first: 65535,
        last: 65535,
        name: "reserved",
        rfc: "RFC 6895 §2.3",
        meaning: "Reserved: it may be given a meaning only by a standard, and none has done so.",
        causes: &["A field filled with ones: a server with an error in it, or damage."],
        next: &["Look at `tsig` and `tkey` for the place; capture one packet and read it."],
    },
];
