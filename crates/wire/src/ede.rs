//! Extended DNS errors (RFC 8914 and later IANA additions): the registry.

use std::borrow::Cow;

/// One registered INFO-CODE.
#[derive(Debug)]
pub struct EdeInfo {
    /// INFO-CODE.
    pub number: u16,
    /// Registered purpose, such as `Blocked`.
    pub name: &'static str,
    /// Defining document.
    pub rfc: &'static str,
    /// One sentence: what it means.
    pub meaning: &'static str,
}

macro_rules! edes {
    ($($constant:ident = $number:literal $name:literal $rfc:literal $meaning:literal)*) => {
        $(#[doc = concat!("`", $name, "` (", $rfc, ").")] pub const $constant: u16 = $number;)*

        /// Every registered code in order.
        pub static EDES: &[EdeInfo] =
            &[$(EdeInfo { number: $number, name: $name, rfc: $rfc, meaning: $meaning }),*];
    };
}

edes! {
    OTHER = 0 "Other Error" "RFC 8914" "None of the other codes fits; the text says more."
    UNSUPPORTED_DNSKEY_ALGORITHM = 1 "Unsupported DNSKEY Algorithm" "RFC 8914"
        "The zone's keys use only algorithms the validator does not know, so the answer is unsigned to it."
    UNSUPPORTED_DS_DIGEST_TYPE = 2 "Unsupported DS Digest Type" "RFC 8914"
        "The delegation's DS records use only digests the validator does not know."
    STALE_ANSWER = 3 "Stale Answer" "RFC 8914"
        "No server answered in time, so an answer past its time was given."
    FORGED_ANSWER = 4 "Forged Answer" "RFC 8914" "Policy replaced the answer by another one."
    DNSSEC_INDETERMINATE = 5 "DNSSEC Indeterminate" "RFC 8914"
        "The validator could not tell whether the answer has to be signed."
    DNSSEC_BOGUS = 6 "DNSSEC Bogus" "RFC 8914" "The answer has to be signed and its signatures do not hold."
    SIGNATURE_EXPIRED = 7 "Signature Expired" "RFC 8914" "No signature is valid now and at least one has ended."
    SIGNATURE_NOT_YET_VALID = 8 "Signature Not Yet Valid" "RFC 8914"
        "No signature is valid now and at least one has not begun."
    DNSKEY_MISSING = 9 "DNSKEY Missing" "RFC 8914" "The parent's DS record matches none of the zone's keys."
    RRSIGS_MISSING = 10 "RRSIGs Missing" "RFC 8914" "Signatures are due and there are none."
    NO_ZONE_KEY_BIT_SET = 11 "No Zone Key Bit Set" "RFC 8914" "None of the zone's keys is marked as a zone key."
    NSEC_MISSING = 12 "NSEC Missing" "RFC 8914" "Proof that the data does not exist is due and there is none."
    CACHED_ERROR = 13 "Cached Error" "RFC 8914" "The failure was remembered; nobody was asked again."
    NOT_READY = 14 "Not Ready" "RFC 8914" "The server is starting or not yet able to answer."
    BLOCKED = 15 "Blocked" "RFC 8914" "The name is on a block list chosen by the operator of this server."
    CENSORED = 16 "Censored" "RFC 8914"
        "The name is blocked because somebody outside, such as an authority, requires it of the operator."
    FILTERED = 17 "Filtered" "RFC 8914" "The name is blocked because the client or its owner asked for it."
    PROHIBITED = 18 "Prohibited" "RFC 8914" "The client may not use this server for this."
    STALE_NXDOMAIN_ANSWER = 19 "Stale NXDOMAIN Answer" "RFC 8914"
        "No server answered in time, so an old statement that the name does not exist was given."
    NOT_AUTHORITATIVE = 20 "Not Authoritative" "RFC 8914"
        "The server does not hold the zone and recursion was not asked for or is not offered."
    NOT_SUPPORTED = 21 "Not Supported" "RFC 8914" "The operation or type of question is not offered."
    NO_REACHABLE_AUTHORITY = 22 "No Reachable Authority" "RFC 8914" "None of the servers to ask answered usably."
    NETWORK_ERROR = 23 "Network Error" "RFC 8914" "The network failed between this server and those it asked."
    INVALID_DATA = 24 "Invalid Data" "RFC 8914" "The zone's own data cannot be served: expired or not loadable."
    SIGNATURE_EXPIRED_BEFORE_VALID = 25 "Signature Expired before Valid" "IANA"
        "A signature ends before it begins."
    TOO_EARLY = 26 "Too Early" "RFC 9250" "The question came in early data that could be a replay."
    UNSUPPORTED_NSEC3_ITERATIONS_VALUE = 27 "Unsupported NSEC3 Iterations Value" "RFC 9276"
        "The zone hashes its names more often than the validator is willing to."
    UNABLE_TO_CONFORM_TO_POLICY = 28 "Unable to conform to policy" "IANA"
        "The transport or privacy that the client demanded cannot be had."
    SYNTHESIZED = 29 "Synthesized" "IANA" "The answer was derived from cached proofs of absence, nobody was asked."
    INVALID_QUERY_TYPE = 30 "Invalid Query Type" "RFC 9824" "The type asked for must never be asked for."
    RATE_LIMITED = 31 "Rate Limited" "IANA" "The client asks too often; it may try again later."
    OVER_QUOTA = 32 "Over Quota" "IANA" "The client has used up what it may ask."
    NEGATIVE_TRUST_ANCHOR = 33 "Negative Trust Anchor" "IANA" "The operator suspended validation for this zone."
    NEW_DELEGATION_ONLY = 34 "New Delegation Only" "IANA"
        "The zone is delegated only by DELEG records; there are no NS records to follow."
}

/// What the registry knows; `None` for unregistered codes.
#[must_use]
pub fn info(number: u16) -> Option<&'static EdeInfo> {
    EDES.get(usize::from(number)).filter(|info| info.number == number)
}

/// The registered name, or `EDE 4001`.
#[must_use]
pub fn name(number: u16) -> Cow<'static, str> {
    match info(number) {
        Some(info) => Cow::Borrowed(info.name),
        None => Cow::Owned(format!("EDE {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_has_no_gap() {
        for (number, info) in (0u16..).zip(EDES) {
            assert_eq!(info.number, number);
            assert!(info.meaning.ends_with('.'), "{}", info.name);
        }
        assert!(EDES.len() >= 31);
    }

    #[test]
    fn names() {
        assert_eq!(name(15), "Blocked");
        assert_eq!(name(STALE_NXDOMAIN_ANSWER), "Stale NXDOMAIN Answer");
        assert_eq!(name(4001), "EDE 4001");
    }
}
