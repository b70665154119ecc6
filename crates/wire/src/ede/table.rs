//! The registry's texts: what each extended error means, who sends it, what usually causes it and what to do next.
//!
//! Written for somebody who was woken by an alarm.

use super::EdeInfo;

const RESOLVERS: &str = "a resolver";
const VALIDATORS: &str = "a resolver that validates DNSSEC";
const FILTERS: &str = "a resolver that filters";
const ANY: &str = "any server";

macro_rules! edes {
    ($($constant:ident = $number:literal $name:literal $rfc:literal from $sender:ident
        means $meaning:literal
        $(here $sent:literal)?
        causes [$($cause:literal),* $(,)?]
        next [$($next:literal),* $(,)?])*) => {
        $(#[doc = concat!("`", $name, "` (", $rfc, ").")] pub const $constant: u16 = $number;)*

        /// Every registered code in order.
        pub static EDES: &[EdeInfo] = &[$(EdeInfo {
            number: $number,
            name: $name,
            rfc: $rfc,
            meaning: $meaning,
            sender: $sender,
            sent: edes!(@sent $($sent)?),
            causes: &[$($cause),*],
            next: &[$($next),*],
        }),*];
    };
    (@sent $sent:literal) => { Some($sent) };
    (@sent) => { None };
}

edes! {
    OTHER = 0 "Other Error" "RFC 8914 §4.1" from ANY
        means "None of the other codes fits; the text says more."
        here "With FORMERR, to say what could not be read; with SERVFAIL, for faults of our own."
        causes ["A message that breaks a rule, or a server with something particular to say."]
        next ["Read the text: it is all there is."]
    UNSUPPORTED_DNSKEY_ALGORITHM = 1 "Unsupported DNSKEY Algorithm" "RFC 8914 §4.2" from VALIDATORS
        means "The zone's keys use only algorithms the validator does not know, so the answer is unsigned to it."
        causes [
            "A zone signed with an algorithm that is very new, or that was given up long ago.",
            "A validator built without that algorithm.",
        ]
        next [
            "The answer is good, but nothing protects it: treat it as unsigned.",
            "Update the validator, or ask the zone's owner to sign with ECDSA P-256 or Ed25519.",
        ]
    UNSUPPORTED_DS_DIGEST_TYPE = 2 "Unsupported DS Digest Type" "RFC 8914 §4.3" from VALIDATORS
        means "The delegation's DS records use only digests the validator does not know."
        causes ["A DS record with a rare digest, such as GOST, or with SHA-1 where that is no longer accepted."]
        next ["The answer counts as unsigned. The zone's owner should publish a DS record with SHA-256."]
    STALE_ANSWER = 3 "Stale Answer" "RFC 8914 §4.4" from RESOLVERS
        means "No server answered in time, so an answer past its time was given."
        here "When no upstream answers and the cache still holds an old answer (RFC 8767)."
        causes [
            "The upstreams or the zone's servers are down or too slow.",
            "The way there is broken.",
        ]
        next [
            "Clients go on working; look at the upstreams before the old answers run out.",
            "Group by upstream and by domain to see whether one or all are concerned.",
        ]
    FORGED_ANSWER = 4 "Forged Answer" "RFC 8914 §4.5" from FILTERS
        means "Policy replaced the answer by another one."
        causes ["A filter sends the client to a page of its own or to a safe search address."]
        next ["If it was not to happen, look for the rule at the resolver that sends it; the upstream column names it."]
    DNSSEC_INDETERMINATE = 5 "DNSSEC Indeterminate" "RFC 8914 §4.6" from VALIDATORS
        means "The validator could not tell whether the answer has to be signed."
        causes ["Records needed for the proof could not be had, or no trust anchor covers the name."]
        next ["Ask for the DS records of each zone above the name, and see which of them is not answered."]
    DNSSEC_BOGUS = 6 "DNSSEC Bogus" "RFC 8914 §4.7" from VALIDATORS
        means "The answer has to be signed and its signatures do not hold."
        causes [
            "A roll-over of keys that went wrong: the parent still has the old DS record.",
            "Signatures that ended because nobody renewed them.",
            "A forged answer: this is what validation is for.",
        ]
        next [
            "Ask with `dig +cd` and look at the signatures' dates and key tags.",
            "If the zone's owner erred and the name is needed now: a negative trust anchor, for hours and not for ever.",
            "Tell the zone's owner.",
        ]
    SIGNATURE_EXPIRED = 7 "Signature Expired" "RFC 8914 §4.8" from VALIDATORS
        means "No signature is valid now and at least one has ended."
        causes ["The zone's signer has stopped.", "The clock of the validator is ahead.", "A secondary serves an old copy."]
        next ["Check the validator's clock first, then tell the zone's owner."]
    SIGNATURE_NOT_YET_VALID = 8 "Signature Not Yet Valid" "RFC 8914 §4.9" from VALIDATORS
        means "No signature is valid now and at least one has not begun."
        causes ["The clock of the validator is behind.", "The clock of the zone's signer is ahead."]
        next ["Check the validator's clock: a machine without battery starts in the past and cannot validate anything."]
    DNSKEY_MISSING = 9 "DNSKEY Missing" "RFC 8914 §4.10" from VALIDATORS
        means "The parent's DS record matches none of the zone's keys."
        causes [
            "The zone moved to another provider and the DS record stayed behind.",
            "A roll-over took the old key away before the DS record was changed.",
        ]
        next ["Compare the DS record at the parent with the DNSKEY records; the zone's owner has to change the DS record."]
    RRSIGS_MISSING = 10 "RRSIGs Missing" "RFC 8914 §4.11" from VALIDATORS
        means "Signatures are due and there are none."
        causes [
            "A server of the zone serves it unsigned.",
            "A middlebox or forwarder removes the signatures.",
        ]
        next ["Ask each of the zone's servers with `dig +dnssec`; if all sign, something in between takes them away."]
    NO_ZONE_KEY_BIT_SET = 11 "No Zone Key Bit Set" "RFC 8914 §4.12" from VALIDATORS
        means "None of the zone's keys is marked as a zone key."
        causes ["Keys made with the wrong flags."]
        next ["The zone's owner has to publish keys with flags 256 or 257."]
    NSEC_MISSING = 12 "NSEC Missing" "RFC 8914 §4.13" from VALIDATORS
        means "Proof that the data does not exist is due and there is none."
        causes ["A server answers for names it does not have without NSEC or NSEC3.", "A middlebox removes them."]
        next ["Ask the zone's servers for the missing name with `dig +dnssec` and look for NSEC or NSEC3."]
    CACHED_ERROR = 13 "Cached Error" "RFC 8914 §4.14" from RESOLVERS
        means "The failure was remembered; nobody was asked again."
        here "With SERVFAIL out of the cache, beside what the first failure said."
        causes ["The same question failed a few seconds ago."]
        next ["Look for the first failure: the same name a little earlier, with cache miss."]
    NOT_READY = 14 "Not Ready" "RFC 8914 §4.15" from ANY
        means "The server is starting or not yet able to answer."
        here "While a zone of ours is being loaded or fetched for the first time."
        causes ["A server that was started just now.", "A secondary that has not fetched its zone yet."]
        next ["Wait some seconds. If it lasts, look at the status of that server."]
    BLOCKED = 15 "Blocked" "RFC 8914 §4.16" from FILTERS
        means "The name is on a block list chosen by the operator of this server."
        here "When a list blocks the name; the text names list and rule."
        causes ["The name is on a list, for malware, tracking or whatever the list is about."]
        next [
            "The text, or the columns `list` and `rule`, say which rule it was.",
            "Blocked by mistake: put the name on an allow list, which wins over a block list at the same length.",
        ]
    CENSORED = 16 "Censored" "RFC 8914 §4.17" from FILTERS
        means "The name is blocked because somebody outside, such as an authority, requires it of the operator."
        here "When a list that is marked so blocks the name."
        causes ["An order of a court or of a regulator."]
        next ["The operator cannot lift it at will: ask whoever keeps the list."]
    FILTERED = 17 "Filtered" "RFC 8914 §4.18" from FILTERS
        means "The name is blocked because the client or its owner asked for it."
        here "When a list that is marked so blocks the name."
        causes ["Parental control, or a filter that the client's owner switched on."]
        next ["Change the client's own filter."]
    PROHIBITED = 18 "Prohibited" "RFC 8914 §4.19" from ANY
        means "The client may not use this server for this."
        here "With REFUSED: the client is not in the networks that may ask, or may not transfer or update."
        causes ["A network that nobody added to those that may ask.", "A stranger who looks for open resolvers."]
        next ["One of yours: add its network. Otherwise keep the port closed to the outside."]
    STALE_NXDOMAIN_ANSWER = 19 "Stale NXDOMAIN Answer" "RFC 8914 §4.20" from RESOLVERS
        means "No server answered in time, so an old statement that the name does not exist was given."
        here "When no upstream answers and the cache still holds an old NXDOMAIN (RFC 8767)."
        causes ["The upstreams or the zone's servers are down or too slow."]
        next ["As for Stale Answer; but a name made in the meantime stays missing until somebody answers."]
    NOT_AUTHORITATIVE = 20 "Not Authoritative" "RFC 8914 §4.21" from ANY
        means "The server does not hold the zone and recursion was not asked for or is not offered."
        here "With REFUSED, when a query without RD asks for a name outside our zones."
        causes [
            "A delegation that points at a server which does not hold the zone (lame).",
            "A tool that asks a resolver without RD.",
        ]
        next ["Correct the delegation, or ask with RD."]
    NOT_SUPPORTED = 21 "Not Supported" "RFC 8914 §4.22" from ANY
        means "The operation or type of question is not offered."
        here "With NOTIMP and BADVERS, and for classes other than IN that we do not serve."
        causes ["A scanner.", "A client that wants an operation which is switched off."]
        next ["Look at `opcode`, `qtype` and `qclass`: one of them is what was wanted."]
    NO_REACHABLE_AUTHORITY = 22 "No Reachable Authority" "RFC 8914 §4.23" from RESOLVERS
        means "None of the servers to ask answered usably."
        here "With SERVFAIL, when every upstream tried was silent or answered unusably."
        causes [
            "The zone's servers are down, or a firewall drops the queries.",
            "Our own way out is broken: then every domain is concerned.",
            "All servers of the zone are lame or refuse.",
        ]
        next [
            "Group by domain: one domain is its owner's trouble, all domains are ours.",
            "Try one upstream by hand with `dig @`; look at the upstreams in the status.",
        ]
    NETWORK_ERROR = 23 "Network Error" "RFC 8914 §4.24" from RESOLVERS
        means "The network failed between this server and those it asked."
        here "With SERVFAIL, when sockets reported errors: no route, connection refused, port unreachable."
        causes ["No route, for instance IPv6 that is switched on but leads nowhere.", "A firewall that rejects."]
        next ["The text names address and error. Check routes and firewall for that address."]
    INVALID_DATA = 24 "Invalid Data" "RFC 8914 §4.25" from ANY
        means "The zone's own data cannot be served: expired or not loadable; or what a server sent made no sense."
        here "With SERVFAIL, when a zone of ours is not loaded or has expired, or upstreams answer with messages that cannot be used."
        causes [
            "A zone file with an error; the text and the status name the line.",
            "A secondary that has not reached its primary for longer than the SOA's expire time.",
            "An upstream that sends broken messages.",
        ]
        next ["Read the text. Correct the zone file, or see why the primary cannot be reached."]
    SIGNATURE_EXPIRED_BEFORE_VALID = 25 "Signature Expired before Valid" "IANA registry" from VALIDATORS
        means "A signature ends before it begins."
        causes ["A signer with an error in it, or with a clock that jumped."]
        next ["Tell the zone's owner; nothing at this end can help."]
    TOO_EARLY = 26 "Too Early" "RFC 9250 §4.5" from ANY
        means "The question came in early data that could be a replay."
        causes ["A client that sends its question in the first packet of a resumed QUIC or TLS session."]
        next ["Nothing: the client repeats it once the handshake is done."]
    UNSUPPORTED_NSEC3_ITERATIONS_VALUE = 27 "Unsupported NSEC3 Iterations Value" "RFC 9276 §3.2" from VALIDATORS
        means "The zone hashes its names more often than the validator is willing to."
        causes ["A zone with NSEC3 iterations above 0 by a large measure; an old habit that costs and helps nobody."]
        next ["The zone's owner should set iterations to 0 and leave the salt empty."]
    UNABLE_TO_CONFORM_TO_POLICY = 28 "Unable to conform to policy" "IANA registry" from RESOLVERS
        means "The transport or privacy that the client demanded cannot be had."
        causes ["A client that insists on encrypted transport all the way, where a part of it cannot do so."]
        next ["Relax what the client demands, or give the resolver an upstream that can."]
    SYNTHESIZED = 29 "Synthesized" "IANA registry" from RESOLVERS
        means "The answer was derived from cached proofs of absence, nobody was asked."
        causes ["Aggressive use of NSEC records (RFC 8198)."]
        next ["Nothing: the answer is as good as one fetched."]
    INVALID_QUERY_TYPE = 30 "Invalid Query Type" "RFC 9824" from ANY
        means "The type asked for must never be asked for."
        causes ["Somebody asks for NXNAME, which exists only inside NSEC records."]
        next ["Nothing, unless one of your own programs does it."]
    RATE_LIMITED = 31 "Rate Limited" "IANA registry" from ANY
        means "The client asks too often; it may try again later."
        causes ["A program in a loop.", "Many clients behind one address.", "An upstream that limits us."]
        next ["Find the name asked most by that client; if the upstream limits us, spread over several or ask for more."]
    OVER_QUOTA = 32 "Over Quota" "IANA registry" from ANY
        means "The client has used up what it may ask."
        causes ["A plan with a limit, at a commercial resolver."]
        next ["See how many queries we sent to that upstream, and what the plan allows."]
    NEGATIVE_TRUST_ANCHOR = 33 "Negative Trust Anchor" "IANA registry" from VALIDATORS
        means "The operator suspended validation for this zone."
        causes ["The zone's DNSSEC was broken and the operator let it through for the time being (RFC 7646)."]
        next ["See whether the zone has been repaired, and then remove the exception at that resolver."]
    NEW_DELEGATION_ONLY = 34 "New Delegation Only" "IANA registry" from ANY
        means "The zone is delegated only by DELEG records; there are no NS records to follow."
        causes ["A zone that has given up on NS records, and a resolver too old to know DELEG."]
        next ["Use a resolver that follows DELEG for that zone."]
}
