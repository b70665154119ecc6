//! What each column holds, for the reference.

/// What a column holds; empty for a name that is no column.
#[must_use]
pub fn column_about(column: &str) -> &'static str {
    match column {
        "time" => "Arrival of the query, microseconds UTC.",
        "seq" => "Number of the event in this log; with `time` it orders rows totally.",
        "client" => "Who asked: 16 bytes, IPv4 mapped into IPv6.",
        "client_port" => "Source port of the client.",
        "transport" => "How the query came: 0 udp, 1 tcp, 2 dot, 3 doh, 4 doq.",
        "opcode" => "OPCODE of the query.",
        "domain" => "Name asked, lower case, no final dot; null when no question could be read.",
        "reg_domain" => "The part of the name somebody registered, by the public suffix list.",
        "qtype" => "Type asked; 0 when no question could be read.",
        "qclass" => "Class asked; 0 when no question could be read.",
        "flags" => "Flags of query and reply as bits: 0 RD, 1 CD, 2 AD, 3 DO, 4 EDNS; 8 AA, 9 TC, 10 RA, 11 AUTHENTIC.",
        "outcome" => {
            "What the client got: 0 answered, 1 nodata, 2 referral, 3 truncated, 4 error (the code is not 0), 5 dropped, 6 timeout, 7 unknown (imported from a log without replies)."
        }
        "rcode_header" => "RCODE of the header, 4 bits; null when there was no reply.",
        "rcode" => "RCODE with OPT's upper bits (RFC 6891), 12 bits; null when there was no reply.",
        "tsig_error" => "Error of the reply's TSIG record (RFC 8945); null without one.",
        "tkey_error" => "Error of the reply's TKEY record (RFC 2930); null without one.",
        "code" => {
            "The return code: TSIG error, else TKEY error, else RCODE. BADSIG is 32784, everything else its number."
        }
        "ede" => "Extended errors (RFC 8914), kept even when the client sent no OPT.",
        "ede_text" => "Texts of the extended errors, in the same order.",
        "answer" => "The answer section in short.",
        "answer_count" => "Records in the answer section.",
        "ttl" => "Smallest TTL of the answer, seconds.",
        "action" => "What policy did: 0 pass, 1 allow, 2 block, 3 refuse, 4 limit.",
        "list" => "The list that decided.",
        "rule" => "The rule that decided.",
        "trace" => "What policy looked at on the way, one `stage: finding` a line; null when nothing matched.",
        "cache" => "Where the answer came from: 0 none, 1 hit, 2 miss, 3 stale.",
        "upstream" => "The upstream that answered or was asked last.",
        "upstream_latency" => "Time the upstream took, microseconds.",
        "attempts" => "Upstream attempts for this query.",
        "latency" => "From arrival to reply, microseconds.",
        "query_size" => "Bytes of the query.",
        "reply_size" => "Bytes of the reply; 0 when there was none.",
        "key" => {
            "Name of the key the query was signed with (TSIG), or that TKEY speaks of; kept even when it was not accepted."
        }
        "update" => "Prerequisites and changes of an UPDATE in short.",
        "tenant" => "Whose query it was, by the networks of the tenants; null for none.",
        "node" => "The server that answered, or what the event was imported from.",
        "domain_rev" => {
            "`domain` from the root down, a dot after each label (`com.example.www.`): a name and all below it are one range."
        }
        "repeats" => {
            "Further queries this row stands for: of the same kind, in the same second, not written down one by one (a flood); \
             null for none."
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_column_says_what_it_holds() {
        for field in crate::schema().fields() {
            assert!(!super::column_about(field.name()).is_empty(), "{}", field.name());
        }
    }
}
