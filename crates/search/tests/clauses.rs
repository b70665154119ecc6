//! Every clause of the language by itself: what each form means, and that each wrong form says what is wrong with it.

use search::{Fault, caret, parse};

/// `text => canonical form`, a line each.
const READ: &str = r#"
domain:example.com => domain:example.com
domain:=example.com => domain:=example.com
domain:!=example.com => -domain:=example.com
domain:*.local => domain:*.local
domain:.local => domain:*.local
domain:. => domain:=.
domain:EXAMPLE.com. => domain:example.com
domain:x\.example.com => domain:"x\\.example.com"
domain:bücher.example => domain:xn--bcher-kva.example
domain:=BÜCHER.example => domain:=xn--bcher-kva.example
domain:a,b => domain:a,b
domain:(a OR b, c) => domain:a,b,c
domain:/^x\d+\./ => domain:/^x\d+\./
reg_domain:example.com,example.org => reg_domain:example.com,example.org
etld1:*.jp => reg_domain:*.jp
tld:.zip => tld:zip
tld:рф => tld:xn--p1ai
answer:203.0.113.0/24 => answer:203.0.113.0/24
answer:203.0.113.9/24 => answer:203.0.113.0/24
answer:2001:db8::/32 => answer:2001:db8::/32
answer:192.0.2.1,2001:db8::/32,edge => answer:192.0.2.1,2001:db8::/32,*edge*
answer:"192.0.2.1" => answer:*192.0.2.1*
answer:=192.0.2.1 => answer:=192.0.2.1
-answer:10.0.0.0/8 => -answer:10.0.0.0/8
203.0.113.0/24 => client:203.0.113.0/24 OR answer:203.0.113.0/24
-2001:db8::/32 => -(client:2001:db8::/32 OR answer:2001:db8::/32)
client:!=10.0.0.0/8,::1 => -client:10.0.0.0/8,::1
client:[192.0.2.1 TO 192.0.2.9] => client:192.0.2.1..192.0.2.9
tenant:a,b => tenant:a,b
tenant:Off* => tenant:Off*
-has:tenant => -has:tenant
node:ns1 => node:ns1
node:/^ns[0-9]/ => node:/^ns[0-9]/
ede_text:signature => ede_text:*signature*
trace:"list phishing" => trace:*list\ phishing*
status:servfail => code:SERVFAIL
rc:3 => code:NXDOMAIN
src:::1 => client:::1
proto:DOH,dot => transport:doh,dot
took:>5 => latency:>5ms
code:[BADSIG TO BADCOOKIE] => code:16..23
code:BADSIG.. => code:>=16
code:..BADVERS => code:<=16
code:[* TO 5] => code:<=5
code:[16 TO *] => code:>=16
code:=NXDOMAIN => code:NXDOMAIN
code:>=BADSIG => code:>=16
code:(BADSIG OR 3, 16..18) => code:BADSIG,NXDOMAIN,16..18
latency:>300µs => latency:>300us
latency:>300μs => latency:>300us
latency:1min => latency:60s
latency:<2h => latency:<7200s
size:4KiB => reply_size:4096
size:4kb => reply_size:4000
size:<1MB => reply_size:<1000000
ttl:1d..2w => ttl:86400..1209600
ttl:!=60 => -ttl:60
ede:"dnskey missing" => ede:9
-ede:22 => -ede:22
ede:6..12,22 => ede:6..12,22
flags:DO,tc => flags:DO,TC
flags:!=do => -flags:DO
time:[-1h TO now] => time:-1h..now
time:-1h..2030-01-01T00:00:00Z => time:-1h..2030-01-01T00:00:00Z
rule:"a b" => rule:"a b"
rule:a\ b => rule:"a b"
rule:"\"" => rule:"\""
rule:=\* => rule:"*"
list:="" => list:=""
"or" => domain:*or*
"Or" x => domain:*or* domain:*x*
"#;

/// `text => faults as places and messages`, a line each.
const REFUSED: &str = r#"
domain:a..b => 7..11 `a..b` is not a domain name: a label is empty
domain:"a\\" => 7..12 `a\` is not a domain name: nothing follows its last backslash
tld:a.b => 4..7 a TLD is one label; did you mean `b`?
answer:10.0.0.0/33 => 7..18 `/33` is not a prefix length: 0 to 32
10.0.0.0/33 => 0..11 `/33` is not a prefix length: 0 to 32
::/129 => 0..6 `/129` is not a prefix length: 0 to 128
client:10.* => 7..11 `client` takes no wildcards: write 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1..192.0.2.9
client:10.0.0.9..10.0.0.1 => 7..25 the range ends before it begins; did you mean `10.0.0.1..10.0.0.9`?
client:10.0.0.1..::1 => 7..20 a range goes from IPv4 to IPv4 or from IPv6 to IPv6
client:>10.0.0.1 => 8..16 `client` has no order: `=` and `!=` are all it can be compared by
latency:-5ms => 8..12 `-5ms` is less than 0, which this never is
latency:>-1 => 9..11 `-1` is less than 0, which this never is
latency:5kb => 8..11 `5kb` is not a duration such as 50ms, 300us or 1.5s
latency:>2h => 9..11 `latency` goes from 0 to 4294967295us
ttl:99999999999999999999999 => 4..27 `99999999999999999999999` is too large
size:70000 => 5..10 `reply_size` goes from 0 to 65535
attempts:300.. => 9..14 `attempts` goes from 0 to 255
ttl:10..5 => 4..9 the range ends before it begins; did you mean `5..10`?
ttl:[10 TO 5] => 5..12 the range ends before it begins; did you mean `5..10`?
ttl:.. => 4..6 a range needs an end
ttl:[* TO *] => 4..12 a range needs an end
ttl:[1 to 5] => 4..10 a range in brackets is `[from TO to]`
time:now..-1h => 5..13 the range ends before it begins; did you mean `-1h..now`?
time:yesterday => 5..14 `yesterday` is not an instant: write 2026-01-31T08:00:00Z, a span before now such as -15m, or Unix milliseconds
transport:<doh => 11..14 `transport` has no order: `=` and `!=` are all it can be compared by
flags:>=DO => 8..10 `flags` has no order: `=` and `!=` are all it can be compared by
action:1 => 7..8 `action` takes names, not numbers
action:/b/ => 7..10 `action` takes no regular expression
qtype:AAAAA => 6..11 `qtype` is never `AAAAA`; did you mean `AAAA`?
ede:"DNSKEY Mising" => 4..19 `ede` is never `DNSKEY Mising`; did you mean `"DNSKEY Missing"`?
category:phishing => 0..8 no field `category`; did you mean `list`?
policy:x => 0..6 no field `policy`; did you mean `list`?
site:x => 0..4 no field `site`; did you mean `tenant`?
dnssec:bogus => 0..6 no field `dnssec`; did you mean `ede`?
tennant:x => 0..7 no field `tennant`; did you mean `tenant`?
has:nod => 4..7 no field `nod`; did you mean `node`?
code:() => 6..6 a value is missing here
code:(3,) => 8..8 a value is missing here
code: => 5..5 a value is missing here
has: => 4..4 `has:` needs a field, such as `has:ede`
list:"" => 5..7 nothing is in these quotes; empty is `-has:list`
"" => 0..2 nothing is in these quotes
a Or b => 2..4 keywords are in capitals; in quotes `Or` is part of a name; did you mean `OR`?
not a => 0..3 keywords are in capitals; in quotes `not` is part of a name; did you mean `NOT`?
code:3 | count by client => 7..8 `|` is reserved: searches cannot be piped yet
domain:a|b => 8..9 `|` is reserved: searches cannot be piped yet
rule:“ads” => 5..8 quotes are straight ones here; did you mean `"`?
/(a/ => 0..4 not a regular expression: unclosed group
cod:3 code:X latency:-1 => 0..3 no field `cod`; did you mean `code`? / 11..12 `code` is never `X` / 21..23 `-1` is less than 0, which this never is
"#;

fn told(faults: &[Fault]) -> String {
    let each: Vec<String> =
        faults.iter().map(|fault| format!("{}..{} {fault}", fault.span.start, fault.span.end)).collect();
    each.join(" / ")
}

#[test]
fn what_is_read() {
    let mut wrong = Vec::new();
    for line in READ.lines().filter(|line| !line.is_empty()) {
        let (text, canonical) = line.split_once(" => ").unwrap();
        let found = parse(text).map_or_else(|faults| told(&faults), |search| search.to_string());
        if found != canonical {
            wrong.push(format!("{text}\n  expected {canonical}\n  found    {found}"));
        } else {
            assert_eq!(parse(canonical), parse(text), "{canonical} does not read back");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_refused() {
    let mut wrong = Vec::new();
    for line in REFUSED.lines().filter(|line| !line.is_empty()) {
        let (text, expected) = line.split_once(" => ").unwrap();
        let found = parse(text).map_or_else(|faults| told(&faults), |search| format!("read: {search}"));
        if found != expected {
            wrong.push(format!("{text}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn characters_that_cannot_be_seen_are_told_and_never_repeated() {
    for (text, told) in [
        ("domain:exam\u{200b}ple", "U+200B stands here and cannot be seen: text with it goes in quotes"),
        ("\u{202e}moc.elpmaxe", "U+202E stands here and cannot be seen: text with it goes in quotes"),
        ("rule:a\u{7}", "U+0007 stands here and cannot be seen: text with it goes in quotes"),
    ] {
        assert_eq!(parse(text).unwrap_err()[0].message, told);
    }
    assert!(parse("rule:\"a\u{200b}\u{1b}\"").is_ok());
    for text in ["code:\"\u{1b}[2J\u{202e}\"", "time:\"\u{1b}\"", "latency:\"\u{9b}\""] {
        let fault = &parse(text).unwrap_err()[0];
        let shown = caret(text, fault);
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{shown:?}");
    }
}

#[test]
fn long_texts_cost_little_and_are_not_repeated() {
    for text in ["é".repeat(40_000), "(".repeat(65_536), "code:".repeat(13_000), "a ".repeat(32_768)] {
        let faults = parse(&text).unwrap_err();
        assert!(text.get(faults[0].span.clone()).is_some());
        assert!(faults[0].message.contains("at most 4096 bytes"));
    }
    for text in
        ["x".repeat(4_000) + ":1", "code:".to_owned() + &"x".repeat(4_000), "ttl:".to_owned() + &"9".repeat(4_000)]
    {
        let faults = parse(&text).unwrap_err();
        assert!(faults[0].message.len() < 300, "{}", faults[0].message);
    }
}
