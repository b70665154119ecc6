//! The search language as its users meet it: what a text means, and what is said about texts that mean nothing.

use search::{FIELDS, caret, field, parse};

fn check(text: &str, canonical: &str) {
    match parse(text) {
        Ok(search) => {
            assert_eq!(search.to_string(), canonical, "{text}");
            assert_eq!(parse(canonical).as_ref(), Ok(&search), "{canonical} does not read back");
        }
        Err(faults) => {
            let told: Vec<String> = faults.iter().map(|fault| caret(text, fault)).collect();
            panic!("{}", told.join("\n"));
        }
    }
}

fn check_fault(text: &str, told: &str) {
    let faults = parse(text).map(|search| search.to_string()).expect_err(text);
    let shown: Vec<String> = faults.iter().map(|fault| caret(text, fault)).collect();
    assert_eq!(shown.join("\n"), told.trim_matches('\n'));
}

#[test]
fn everything_and_bare_words() {
    check("", "");
    check("  ", "");
    check("tracker", "domain:*tracker*");
    check("Tracker.Example", "domain:*tracker.example*");
    check("ads*", "domain:ads*");
    check("\"a*b\"", "domain:*a\\*b*");
    check("/^x\\d+\\./", "domain:/^x\\d+\\./");
    check("192.0.2.7", "client:192.0.2.7 OR answer:192.0.2.7");
    check("-192.0.2.7", "-(client:192.0.2.7 OR answer:192.0.2.7)");
    check("10.0.0.0/8", "client:10.0.0.0/8 OR answer:10.0.0.0/8");
    check("fe80::1", "client:fe80::1 OR answer:fe80::1");
    check("2001:db8::/32", "client:2001:db8::/32 OR answer:2001:db8::/32");
    check("www.example.com:53", "domain:*www.example.com:53*");
}

#[test]
fn codes() {
    check("rcode:nxdomain", "code:NXDOMAIN");
    check("STATUS:3", "code:NXDOMAIN");
    check("code:NXDOMAIN,SERVFAIL", "code:NXDOMAIN,SERVFAIL");
    check("code:(NXDOMAIN, SERVFAIL)", "code:NXDOMAIN,SERVFAIL");
    check("code:(NXDOMAIN OR SERVFAIL)", "code:NXDOMAIN,SERVFAIL");
    check("code:16", "code:BADVERS,BADSIG");
    check("code:BADSIG", "code:BADSIG");
    check("code:16..23", "code:16..23");
    check("code:[16 TO 23]", "code:16..23");
    check("code:BADSIG..BADCOOKIE", "code:16..23");
    check("code:12..", "code:>=12");
    check("code:BAD*", "code:BAD*");
    check("code:CODE4001", "code:CODE4001");
    check("code:4001", "code:CODE4001");
    check("code:!=0", "-code:NOERROR");
    check("code:!=NOERROR,NXDOMAIN", "-code:NOERROR,NXDOMAIN");
    check("-code:!=0", "code:NOERROR");
    check("-has:code", "-has:code");
    check("code:>=16", "code:>=16");
    check("rcode:>15", "code:>15");
    check("code:NXDomain,ServFail", "code:NXDOMAIN,SERVFAIL");
    check("code:12..15", "code:12..15");
    check("tsig:16", "tsig:BADSIG");
    check("tsig:BADTIME", "tsig:BADTIME");
    check("tkey:badalg", "tkey:BADALG");
    check("tsig:*", "has:tsig");
    check("-tsig:*", "-has:tsig");
    check("code:*", "has:code");
    check("code:*,SERVFAIL", "has:code");
    check("rcode_header:7", "rcode_header:YXRRSET");
    check("tkey_error:BADMODE", "tkey:BADMODE");
    check("rcode_header:NOTAUTH", "rcode_header:NOTAUTH");
    check("ede:22", "ede:22");
    check("ede:blocked", "ede:15");
    check("ede:\"DNSKEY Missing\"", "ede:9");
    check("ede:dnskey-missing", "ede:9");
    check("ede:6..12,15", "ede:6..12,15");
}

#[test]
fn names() {
    check("domain:Example.COM.", "domain:example.com");
    check("qname:example.com", "domain:example.com");
    check("domain:=example.com", "domain:=example.com");
    check("domain:!=example.com", "-domain:=example.com");
    check("domain:!=*.example.com", "-domain:*.example.com");
    check("domain:*.local", "domain:*.local");
    check("domain:.local", "domain:*.local");
    check("domain:a?.b*", "domain:a?.b*");
    check("domain:.", "domain:=.");
    check("domain:=*.example.com", "domain:=\"*.example.com\"");
    check("domain:\"*.example.com\"", "domain:\"*.example.com\"");
    check("domain:a\\.b.example", "domain:\"a\\\\.b.example\"");
    check("domain:/a\\/b/", "domain:/a\\/b/");
    check("etld1:example.com", "reg_domain:example.com");
    check("tld:.ZIP", "tld:zip");
}

#[test]
fn addresses() {
    check("client:10.1.2.3/8", "client:10.0.0.0/8");
    check("client:2001:db8::/32,192.0.2.1", "client:2001:db8::/32,192.0.2.1");
    check("src:192.0.2.1..192.0.2.9", "client:192.0.2.1..192.0.2.9");
    check("client:::1", "client:::1");
    check("client:::ffff:192.0.2.1", "client:192.0.2.1");
}

#[test]
fn words_numbers_and_text() {
    check("proto:DoH,dot", "transport:doh,dot");
    check("type:aaaa,TYPE65", "qtype:AAAA,HTTPS");
    check("qtype:28", "qtype:AAAA");
    check("opcode:update", "opcode:UPDATE");
    check("opcode:5,NOTIFY", "opcode:UPDATE,NOTIFY");
    check("key:ddns", "key:ddns");
    check("key:ddns*", "key:ddns*");
    check("-has:key", "-has:key");
    check("update:www.example", "update:*www.example*");
    check("flags:do", "flags:DO");
    check("latency:>50ms", "latency:>50ms");
    check("latency:>=1.5s", "latency:>=1500ms");
    check("latency:1..10", "latency:1ms..10ms");
    check("latency:300us..2s", "latency:300us..2s");
    check("size:>=1232b", "reply_size:>=1232");
    check("ttl:<1h", "ttl:<3600");
    check("answer:cdn", "answer:*cdn*");
    check("answer:=\"A 192.0.2.1\"", "answer:=\"A 192.0.2.1\"");
    check("answer:192.0.2.1", "answer:192.0.2.1");
    check("upstream:udp://192.0.2.53:53", "upstream:*udp://192.0.2.53:53*");
    check("list:phishing", "list:phishing");
    check("rule:\"||ads.example^\"", "rule:\"||ads.example^\"");
    check("rule:*\\|ads*", "rule:*\\|ads*");
    check("time:>=-15m", "time:>=-15m");
    check("time:now-90m..now", "time:-90m..now");
    check("time:2026-01-31T09:00:00+01:00", "time:2026-01-31T08:00:00Z");
}

#[test]
fn logic() {
    check("code:NXDOMAIN client:10.0.0.0/8", "code:NXDOMAIN client:10.0.0.0/8");
    check("code:3 AND tld:zip && x", "code:NXDOMAIN tld:zip domain:*x*");
    check("tld:a OR tld:b || tld:c", "tld:a OR tld:b OR tld:c");
    check("tld:a tld:b OR tld:c", "(tld:a tld:b) OR tld:c");
    check("tld:a (tld:b OR tld:c)", "tld:a (tld:b OR tld:c)");
    check("(((tld:a)))", "tld:a");
    check("NOT tld:a", "-tld:a");
    check("!tld:a", "-tld:a");
    check("- - NOT tld:a", "-tld:a");
    check("-(tld:a tld:b)", "-(tld:a tld:b)");
    check("ANDROID ORACLE", "domain:*android* domain:*oracle*");
}

#[test]
fn unknown_fields_and_values() {
    check_fault("cod:NXDOMAIN", "cod:NXDOMAIN\n^^^ no field `cod`; did you mean `code`?");
    check_fault(
        "tld:a code:NXDOMIAN",
        "tld:a code:NXDOMIAN\n           ^^^^^^^^ `code` is never `NXDOMIAN`; did you mean `NXDOMAIN`?",
    );
    check_fault("code:A,3", "code:A,3\n     ^ `code` is never `A`");
    check_fault("zzzzz:1 x", "zzzzz:1 x\n^^^^^ no field `zzzzz`");
    check_fault("action:blok", "action:blok\n       ^^^^ `action` is never `blok`; did you mean `block`?");
    check_fault("cache:x", "cache:x\n      ^ `cache` is never `x`: it is one of none, hit, miss, stale");
    check_fault("code:70000", "code:70000\n     ^^^^^ `code` goes from 0 to 65535");
    check_fault("opcode:16", "opcode:16\n       ^^ `opcode` goes from 0 to 15");
    check_fault("code:X*", "code:X*\n     ^^ no name of `code` fits `X*`");
    check_fault("tsig:BADVERS", "tsig:BADVERS\n     ^^^^^^^ `tsig` is never `BADVERS`; did you mean `BADSIG`?");
    check_fault("has:edee", "has:edee\n    ^^^^ no field `edee`; did you mean `ede`?");
    check_fault("latency:>fast", "latency:>fast\n         ^^^^ `fast` is not a duration such as 50ms, 300us or 1.5s");
    check_fault(
        "action:>block",
        "action:>block\n        ^^^^^ `action` has no order: `=` and `!=` are all it can be compared by",
    );
    check_fault("tld:.", "tld:.\n    ^ the root has no TLD: `domain:.` finds it");
    check_fault("tld:x.zip", "tld:x.zip\n    ^^^^^ a TLD is one label; did you mean `zip`?");
}

#[test]
fn bad_addresses_and_ranges() {
    check_fault("client:10.0.0.0/33", "client:10.0.0.0/33\n       ^^^^^^^^^^^ `/33` is not a prefix length: 0 to 32");
    check_fault("10.0.0.0/33", "10.0.0.0/33\n^^^^^^^^^^^ `/33` is not a prefix length: 0 to 32");
    check_fault(
        "client:printer",
        "client:printer\n       ^^^^^^^ `printer` is no address, network or range: write 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1..192.0.2.9",
    );
    check_fault("code:23..16", "code:23..16\n     ^^^^^^ the range ends before it begins; did you mean `16..23`?");
    check_fault("code:1..x", "code:1..x\n        ^ `code` is never `x`");
    check_fault("code:[1 23]", "code:[1 23]\n     ^^^^^^ a range in brackets is `[from TO to]`");
    check_fault(
        "time:-15m",
        "time:-15m\n     ^^^^ a span before now is never the very time of an event; did you mean `>=-15m`?",
    );
}

#[test]
fn broken_grammar() {
    check_fault("tld:a OR", "tld:a OR\n      ^^ `OR` needs a term on each side");
    check_fault("OR tld:a", "OR tld:a\n^^ `OR` needs a term on each side");
    check_fault("tld:a OR OR tld:b", "tld:a OR OR tld:b\n      ^^ `OR` needs a term on each side");
    check_fault("(tld:a OR) tld:b", "(tld:a OR) tld:b\n       ^^ `OR` needs a term on each side");
    check_fault("tld:a AND", "tld:a AND\n      ^^^ `AND` needs a term on each side");
    check_fault("AND tld:a", "AND tld:a\n^^^ `AND` needs a term on each side");
    check_fault("tld:a AND AND tld:b", "tld:a AND AND tld:b\n      ^^^ `AND` needs a term on each side");
    check_fault("tld:a -", "tld:a -\n      ^ a negation needs a term after it");
    check_fault("(tld:a", "(tld:a\n^ this parenthesis is not closed");
    check_fault("tld:a)", "tld:a)\n     ^ no parenthesis is open here");
    check_fault("()", "()\n^^ nothing is in these parentheses");
    check_fault("code:(NXDOMAIN", "code:(NXDOMAIN\n     ^ this parenthesis is not closed");
    check_fault("code:(3 5)", "code:(3 5)\n        ^ between values goes a comma or `OR`");
    check_fault("domain:\"x", "domain:\"x\n       ^^ this quote is not closed");
    check_fault("/x", "/x\n^^ this regular expression is not closed: it ends with `/`");
    check_fault("/(/", "/(/\n^^^ not a regular expression: unclosed group");
    check_fault("code: 3", "code: 3\n     ^ a value is missing here");
    check_fault("code:3, 5", "code:3, 5\n       ^ a value is missing here");
    check_fault(
        "code:3,!=5",
        "code:3,!=5\n       ^^ `!=` goes right after the colon and is for the whole list; elsewhere write `-field:value`",
    );
    check_fault("code:3 | count", "code:3 | count\n       ^ `|` is reserved: searches cannot be piped yet");
    check_fault("a,b", "a,b\n ^ a comma separates the values of one field, with no space around it");
    check_fault(
        "a or b",
        "a or b\n  ^^ keywords are in capitals; in quotes `or` is part of a name; did you mean `OR`?",
    );
    check_fault(">50ms", ">50ms\n^^^^^ a comparison needs a field before it, such as `latency:>50ms`");
}

#[test]
fn several_faults_are_told_in_order_of_place() {
    let faults = parse("cod:1 code:X client:a OR").unwrap_err();
    let places: Vec<usize> = faults.iter().map(|fault| fault.span.start).collect();
    assert_eq!(places, [0, 11, 20, 22]);
}

#[test]
fn limits_have_names() {
    let long = "a".repeat(search::TEXT_BYTES_MAX + 1);
    assert!(parse(&long).unwrap_err()[0].message.contains("at most 4096 bytes"));
    let deep = "(".repeat(search::NESTING_MAX + 1);
    assert!(parse(&deep).unwrap_err()[0].message.contains("32 deep"));
    let fits = format!("{}tld:a{}", "(".repeat(search::NESTING_MAX), ")".repeat(search::NESTING_MAX));
    assert!(parse(&fits).is_ok());
    let many = vec!["1"; search::VALUES_MAX + 1].join(",");
    assert!(parse(&format!("ttl:{many}")).unwrap_err()[0].message.contains("at most 256 values"));
    let regexes = "/a/ ".repeat(search::REGEXES_MAX + 1);
    assert!(parse(&regexes).unwrap_err()[0].message.contains("at most 8 regular"));
    let large = "/(\\w{1000}){1000}/";
    assert!(parse(large).unwrap_err()[0].message.contains("too large"));
    assert!(parse(&"-".repeat(4096)).is_err());
    assert!(parse(&")".repeat(4096)).unwrap_err().len() <= 16);
}

#[test]
fn a_click_on_a_facet_finds_just_that_value() {
    let term = |name: &str, value| field(name).unwrap().term(value);
    assert_eq!(term("domain", Some("example.com")), "domain:=example.com");
    assert_eq!(term("upstream", Some("udp://192.0.2.53:53")), "upstream:=udp://192.0.2.53:53");
    assert_eq!(term("code", Some("NXDOMAIN")), "code:NXDOMAIN");
    assert_eq!(term("rule", Some("||ads.example^")), "rule:\"||ads.example^\"");
    assert_eq!(term("list", None), "-has:list");
    for each in FIELDS {
        for value in each.values() {
            assert!(parse(&each.term(Some(&value))).is_ok(), "{} {value}", each.name);
        }
    }
}
