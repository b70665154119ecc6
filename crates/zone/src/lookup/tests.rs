//! A zone, a question, the sections of the answer as text. The examples are those of the documents.

use proptest::prelude::*;
use wire::name::Folded;

use super::*;
use crate::file;
use crate::proof::hashed_label;

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

fn zone(origin: &str, text: &str) -> Zone {
    let origin = name(origin);
    file::read("zone", text, &origin, &mut |_| Err("none".to_owned())).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// `nxdomain`, then each section's records, one a line: `answer  www.example. 60 IN A 192.0.2.1`.
fn ask(zone: &Zone, qname: &str, qtype: &str, dnssec: bool) -> Vec<String> {
    let answer = zone.lookup(&name(qname), kind::type_from_name(qtype).unwrap(), dnssec);
    let head = match &answer.kind {
        Kind::Answer => "answered".to_owned(),
        Kind::Nodata => "nodata".to_owned(),
        Kind::Nxdomain => "nxdomain".to_owned(),
        Kind::Referral => "referral".to_owned(),
        Kind::Leads(target) => format!("leads {target}"),
        Kind::TooLong => "too long".to_owned(),
    };
    let head = if answer.authoritative { head } else { format!("{head}, not authoritative") };
    let sections = [("answer", &answer.answer), ("authority", &answer.authority), ("additional", &answer.additional)];
    let lines = sections.iter().flat_map(|(section, records)| {
        records.iter().map(move |record| {
            let text = file::record_text(record);
            // Signatures are the same as in the zone; what they cover says enough.
            let shown = match text.split_once(" IN RRSIG ") {
                Some((owner, signature)) => {
                    format!("{owner} IN RRSIG {}", signature.split_once(' ').map_or("", |(covered, _)| covered))
                }
                None => text,
            };
            format!("{section} {shown}")
        })
    });
    std::iter::once(head).chain(lines).collect()
}

/// Cases are lines `? NAME TYPE` each followed by the expected lines.
fn check(zone: &Zone, dnssec: bool, cases: &str) {
    let mut lines = cases.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    let mut count = 0;
    while let Some(question) = lines.next() {
        let question = question.strip_prefix("? ").unwrap_or_else(|| panic!("no question: {question}"));
        let (qname, qtype) = question.split_once(' ').unwrap();
        let mut expected = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("? ")) {
            expected.push(line.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
        }
        assert_eq!(ask(zone, qname, qtype, dnssec), expected, "? {question}");
        count += 1;
    }
    assert!(count > 0);
}

/// RFC 4592 §2.2.1.
const WILDCARDS: &str = r#"
$ORIGIN example.
example.                 3600 IN  SOA    ns.example.com. admin 1 2 3 4 300
example.                 3600     NS     ns.example.com.
example.                 3600     NS     ns.example.net.
*.example.               3600     TXT    "this is a wildcard"
*.example.               3600     MX     10 host1.example.
sub.*.example.           3600     TXT    "this is not a wildcard"
host1.example.           3600     A      192.0.2.1
_ssh._tcp.host1.example. 3600     SRV    0 0 22 host1
_ssh._tcp.host2.example. 3600     SRV    0 0 22 host1
subdel.example.          3600     NS     ns.example.com.
subdel.example.          3600     NS     ns.example.net.
"#;

#[test]
fn wildcards_answer_as_in_rfc_4592() {
    let soa = "authority example. 300 IN SOA ns.example.com. admin.example. 1 2 3 4 300";
    check(
        &zone("example", WILDCARDS),
        true,
        &format!(
            r#"
            ? host3.example MX
                answered
                answer      host3.example. 3600 IN MX 10 host1.example.
                additional  host1.example. 3600 IN A 192.0.2.1
            ? host3.example A
                nodata
                {soa}
            ? foo.bar.example TXT
                answered
                answer      foo.bar.example. 3600 IN TXT "this is a wildcard"
            ? host1.example MX
                nodata
                {soa}
            ? sub.*.example MX
                nodata
                {soa}
            ? _telnet._tcp.host1.example SRV
                nxdomain
                {soa}
            ? host.subdel.example A
                referral, not authoritative
                authority   subdel.example. 3600 IN NS ns.example.com.
                authority   subdel.example. 3600 IN NS ns.example.net.
            ? ghost.*.example MX
                nxdomain
                {soa}
            ? *.example TXT
                answered
                answer      *.example. 3600 IN TXT "this is a wildcard"
            ? _tcp.host1.example SRV
                nodata
                {soa}
            ? host2.example MX
                nodata
                {soa}
            ? host3.example DS
                nodata
                {soa}
            ? subdel.example DS
                nodata
                {soa}
            ? subdel.example NS
                referral, not authoritative
                authority   subdel.example. 3600 IN NS ns.example.com.
                authority   subdel.example. 3600 IN NS ns.example.net.
            "#
        ),
    );
}

#[test]
fn a_wildcard_may_be_a_cname_or_have_names_below_only() {
    let zone = zone(
        "example",
        "
@ 60 SOA ns admin 1 2 3 4 5
@ NS ns.example.org.
*.alias CNAME real
*.away CNAME elsewhere.org.
*.twice CNAME x.alias
real A 192.0.2.1
a.*.empty A 192.0.2.2
*.ns NS ns.example.org.
",
    );
    check(
        &zone,
        false,
        r#"
        ? x.alias.example A
            answered
            answer      x.alias.example. 60 IN CNAME real.example.
            answer      real.example. 60 IN A 192.0.2.1
        ? x.alias.example CNAME
            answered
            answer      x.alias.example. 60 IN CNAME real.example.
        ? x.alias.example ANY
            answered
            answer      x.alias.example. 60 IN CNAME real.example.
        ? y.twice.example AAAA
            nodata
            answer      y.twice.example. 60 IN CNAME x.alias.example.
            answer      x.alias.example. 60 IN CNAME real.example.
            authority   example. 5 IN SOA ns.example. admin.example. 1 2 3 4 5
        ? a.b.away.example A
            leads elsewhere.org
            answer      a.b.away.example. 60 IN CNAME elsewhere.org.
        ? x.empty.example A
            nodata
            authority   example. 5 IN SOA ns.example. admin.example. 1 2 3 4 5
        ? x.ns.example NS
            answered
            answer      x.ns.example. 60 IN NS ns.example.org.
        "#,
    );
}

#[test]
fn dnames_rename_as_in_rfc_6672() {
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(40)].join(".");
    let zone = zone(
        "com",
        &format!(
            "
@ 60 SOA ns admin 1 2 3 4 5
@ NS ns.example.org.
example 30 DNAME example.net.
same DNAME other
www.other A 192.0.2.1
loop DNAME loop
x DNAME y.x1
y DNAME {long}.org.
cname CNAME www.same
beside DNAME org.
beside A 192.0.2.2
"
        ),
    );
    check(
        &zone,
        false,
        &format!(
            r#"
            ? com.example.com A
                leads com.example.net
                answer      example.com. 30 IN DNAME example.net.
                answer      com.example.com. 30 IN CNAME com.example.net.
            ? example.com A
                nodata
                authority   com. 5 IN SOA ns.com. admin.com. 1 2 3 4 5
            ? example.com DNAME
                answered
                answer      example.com. 30 IN DNAME example.net.
            ? a.b.example.com DNAME
                leads a.b.example.net
                answer      example.com. 30 IN DNAME example.net.
                answer      a.b.example.com. 30 IN CNAME a.b.example.net.
            ? www.same.com A
                answered
                answer      same.com. 30 IN DNAME other.com.
                answer      www.same.com. 30 IN CNAME www.other.com.
                answer      www.other.com. 30 IN A 192.0.2.1
            ? none.same.com A
                nxdomain
                answer      same.com. 30 IN DNAME other.com.
                answer      none.same.com. 30 IN CNAME none.other.com.
                authority   com. 5 IN SOA ns.com. admin.com. 1 2 3 4 5
            ? cname.com A
                answered
                answer      cname.com. 30 IN CNAME www.same.com.
                answer      same.com. 30 IN DNAME other.com.
                answer      www.same.com. 30 IN CNAME www.other.com.
                answer      www.other.com. 30 IN A 192.0.2.1
            ? www.same.com CNAME
                answered
                answer      same.com. 30 IN DNAME other.com.
                answer      www.same.com. 30 IN CNAME www.other.com.
            ? x.loop.com A
                answered
                answer      loop.com. 30 IN DNAME loop.com.
                answer      x.loop.com. 30 IN CNAME x.loop.com.
            ? {long}.y.com A
                too long
                answer      y.com. 30 IN DNAME {long}.org.
            ? beside.com A
                answered
                answer      beside.com. 30 IN A 192.0.2.2
            "#
        ),
    );
}

#[test]
fn cname_chains_end() {
    let mut text = "
@ 60 SOA ns admin 1 2 3 4 5
@ NS ns.example.org.
a CNAME b
b CNAME a
self CNAME self
"
    .to_owned();
    for at in 0..40 {
        text.push_str(&format!("c{at} CNAME c{}\n", at + 1));
    }
    let zone = zone("example", &text);
    check(
        &zone,
        false,
        "
        ? a.example A
            answered
            answer  a.example. 60 IN CNAME b.example.
            answer  b.example. 60 IN CNAME a.example.
        ? self.example A
            answered
            answer  self.example. 60 IN CNAME self.example.
        ? c40.example A
            nxdomain
            authority example. 5 IN SOA ns.example. admin.example. 1 2 3 4 5
        ? example.org A
            leads example.org
        ",
    );
    assert_eq!(zone.lookup(&name("c0.example"), kind::A, false).answer.len(), CHAIN_MAX);
}

#[test]
fn delegations_refer_with_glue_and_hide_what_is_below() {
    let zone = zone(
        "example",
        "
@ 60 SOA ns admin 1 2 3 4 5
@ NS ns
ns A 192.0.2.1
sub NS ns.sub
sub NS ns.other
sub NS ns
sub NS ns.example.org.
ns.sub A 192.0.2.2
ns.sub AAAA 2001:db8::2
hidden.sub TXT hidden
deep.sub NS ns.deep.sub
ns.deep.sub A 192.0.2.3
other NS ns.other
ns.other A 192.0.2.4
sub A 192.0.2.5
alias CNAME x.sub
mail MX 10 ns.sub
srv SRV 0 0 1 ns
web HTTPS 1 .
web A 192.0.2.6
",
    );
    let referral = "
                authority   sub.example. 60 IN NS ns.sub.example.
                authority   sub.example. 60 IN NS ns.other.example.
                authority   sub.example. 60 IN NS ns.example.
                authority   sub.example. 60 IN NS ns.example.org.
                additional  ns.sub.example. 60 IN A 192.0.2.2
                additional  ns.sub.example. 60 IN AAAA 2001:db8::2
                additional  ns.other.example. 60 IN A 192.0.2.4
                additional  ns.example. 60 IN A 192.0.2.1";
    let soa = "authority example. 5 IN SOA ns.example. admin.example. 1 2 3 4 5";
    check(
        &zone,
        false,
        &format!(
            "
            ? sub.example A
                referral, not authoritative {referral}
            ? sub.example ANY
                referral, not authoritative {referral}
            ? hidden.sub.example TXT
                referral, not authoritative {referral}
            ? x.deep.sub.example DS
                referral, not authoritative {referral}
            ? ns.sub.example A
                referral, not authoritative {referral}
            ? alias.example A
                referral
                answer      alias.example. 60 IN CNAME x.sub.example. {referral}
            ? sub.example DS
                nodata
                {soa}
            ? example NS
                answered
                answer      example. 60 IN NS ns.example.
                additional  ns.example. 60 IN A 192.0.2.1
            ? mail.example MX
                answered
                answer      mail.example. 60 IN MX 10 ns.sub.example.
                additional  ns.sub.example. 60 IN A 192.0.2.2
                additional  ns.sub.example. 60 IN AAAA 2001:db8::2
            ? srv.example SRV
                answered
                answer      srv.example. 60 IN SRV 0 0 1 ns.example.
                additional  ns.example. 60 IN A 192.0.2.1
            ? web.example HTTPS
                answered
                answer      web.example. 60 IN HTTPS 1 .
                additional  web.example. 60 IN A 192.0.2.6
            ? ns.example ANY
                answered
                answer      ns.example. 60 IN A 192.0.2.1
            ? example DS
                nodata
                {soa}
            "
        )
        .replace("authoritative \n", "authoritative\n")
        .replace("x.sub.example. \n", "x.sub.example.\n"),
    );
}

#[test]
fn the_root_is_a_zone_too() {
    let zone = zone(".", ". 60 SOA a b 1 2 3 4 5\n. NS a\na A 192.0.2.1\ncom NS ns.com\nns.com A 192.0.2.2\n");
    check(
        &zone,
        false,
        "
        ? . NS
            answered
            answer      . 60 IN NS a.
            additional  a. 60 IN A 192.0.2.1
        ? www.com A
            referral, not authoritative
            authority   com. 60 IN NS ns.com.
            additional  ns.com. 60 IN A 192.0.2.2
        ? org A
            nxdomain
            authority   . 5 IN SOA a. b. 1 2 3 4 5
        ",
    );
}

/// A signed zone with proofs; its signatures sign nothing, they only are where they belong.
fn signed(proofs: &str, text: &str) -> Zone {
    let sign = |owner: &str, covered: &str| format!("{owner} RRSIG {covered} 13 1 60 1 1 1 example. AQID\n");
    let mut out = String::from("$ORIGIN example.\n$TTL 60\n");
    for line in text.lines().chain(proofs.lines()).map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_ascii_whitespace();
        let (owner, rtype) = (words.next().unwrap(), words.next().unwrap());
        let glue = owner.ends_with("sub") && !matches!(rtype, "DS" | "NSEC" | "NSEC3");
        out.push_str(&format!("{line}\n"));
        if !glue {
            out.push_str(&sign(owner, rtype));
        }
    }
    zone("example", &out)
}

const SIGNED: &str = "
@ SOA ns admin 1 2 3 4 5
@ NS ns.example.org.
a A 192.0.2.1
b.ent TXT text
sub NS ns.sub
ns.sub A 192.0.2.2
withds.sub DS 1 13 2 00
x.wild CNAME a
*.wild A 192.0.2.3
";

#[test]
fn absence_is_proved_with_nsec() {
    let text = SIGNED.replace("withds.sub DS", "zsub DS").replace("x.wild", "zsub NS ns.example.org.\nx.wild");
    let zone = signed(
        "
        @ NSEC a SOA NS RRSIG NSEC
        a NSEC b.ent A RRSIG NSEC
        b.ent NSEC sub TXT RRSIG NSEC
        sub NSEC *.wild NS RRSIG NSEC
        *.wild NSEC x.wild A RRSIG NSEC
        x.wild NSEC zsub CNAME RRSIG NSEC
        zsub NSEC @ NS DS RRSIG NSEC
        ",
        &text,
    );
    let soa = "authority example. 5 IN SOA ns.example. admin.example. 1 2 3 4 5
            authority example. 5 IN RRSIG SOA";
    let apex = "authority example. 60 IN NSEC a.example. NS SOA RRSIG NSEC
            authority example. 60 IN RRSIG NSEC";
    check(
        &zone,
        true,
        &format!(
            "
        ? a.example A
            answered
            answer a.example. 60 IN A 192.0.2.1
            answer a.example. 60 IN RRSIG A
        ? a.example RRSIG
            answered
            answer a.example. 60 IN RRSIG A
            answer a.example. 60 IN RRSIG NSEC
        ? a.example TXT
            nodata
            {soa}
            authority a.example. 60 IN NSEC b.ent.example. A RRSIG NSEC
            authority a.example. 60 IN RRSIG NSEC
        ? ent.example TXT
            nodata
            {soa}
            authority a.example. 60 IN NSEC b.ent.example. A RRSIG NSEC
            authority a.example. 60 IN RRSIG NSEC
        ? f.example A
            nxdomain
            {soa}
            authority b.ent.example. 60 IN NSEC sub.example. TXT RRSIG NSEC
            authority b.ent.example. 60 IN RRSIG NSEC
            {apex}
        ? a1.a.example A
            nxdomain
            {soa}
            authority a.example. 60 IN NSEC b.ent.example. A RRSIG NSEC
            authority a.example. 60 IN RRSIG NSEC
        ? y.wild.example A
            answered
            answer y.wild.example. 60 IN A 192.0.2.3
            answer y.wild.example. 60 IN RRSIG A
            authority x.wild.example. 60 IN NSEC zsub.example. CNAME RRSIG NSEC
            authority x.wild.example. 60 IN RRSIG NSEC
        ? y.wild.example TXT
            nodata
            {soa}
            authority x.wild.example. 60 IN NSEC zsub.example. CNAME RRSIG NSEC
            authority x.wild.example. 60 IN RRSIG NSEC
            authority *.wild.example. 60 IN NSEC x.wild.example. A RRSIG NSEC
            authority *.wild.example. 60 IN RRSIG NSEC
        ? www.sub.example A
            referral, not authoritative
            authority sub.example. 60 IN NS ns.sub.example.
            authority sub.example. 60 IN NSEC *.wild.example. NS RRSIG NSEC
            authority sub.example. 60 IN RRSIG NSEC
            additional ns.sub.example. 60 IN A 192.0.2.2
        ? sub.example DS
            nodata
            {soa}
            authority sub.example. 60 IN NSEC *.wild.example. NS RRSIG NSEC
            authority sub.example. 60 IN RRSIG NSEC
        ? zsub.example A
            referral, not authoritative
            authority zsub.example. 60 IN NS ns.example.org.
            authority zsub.example. 60 IN DS 1 13 2 00
            authority zsub.example. 60 IN RRSIG DS
        ? zsub.example DS
            answered
            answer zsub.example. 60 IN DS 1 13 2 00
            answer zsub.example. 60 IN RRSIG DS
        "
        ),
    );
}

#[test]
fn absence_is_proved_with_nsec3_up_to_a_number_of_iterations() {
    let build = |iterations: u16| {
        let names = ["example", "a.example", "ent.example", "b.ent.example", "wild.example", "*.wild.example"];
        let mut hashes: Vec<String> = names.iter().map(|text| hashed_label(&name(text), iterations, &[0xaa])).collect();
        hashes.sort();
        let mut text = format!("@ NSEC3PARAM 1 0 {iterations} aa\n");
        for (at, hash) in hashes.iter().enumerate() {
            let next = &hashes[(at + 1) % hashes.len()];
            text.push_str(&format!("{hash} NSEC3 1 0 {iterations} aa {next} A RRSIG\n"));
        }
        let zone = signed(&text, &SIGNED.replace("withds.sub DS 1 13 2 00\n", "").replace("x.wild CNAME a\n", ""));
        (zone, hashes)
    };
    let (zone, hashes) = build(1);
    let hash = |text: &str| hashed_label(&name(text), 1, &[0xaa]);
    let covering = |text: &str| {
        let hash = hash(text);
        hashes.iter().rfind(|known| **known < hash).or(hashes.last()).unwrap().clone()
    };
    let owners = |qname: &str, rtype: u16| {
        let answer = zone.lookup(&name(qname), rtype, true);
        let proofs = answer.authority.iter().filter(|record| record.rtype == kind::NSEC3);
        let mut owners: Vec<String> =
            proofs.map(|record| record.owner.text().trim_end_matches(".example").to_owned()).collect();
        owners.sort();
        owners
    };
    let set = |mut owners: Vec<String>| {
        owners.sort();
        owners.dedup();
        owners
    };
    assert_eq!(owners("a.example", kind::TXT), [hash("a.example")]);
    assert_eq!(owners("ent.example", kind::TXT), [hash("ent.example")]);
    assert_eq!(
        owners("x.c.example", kind::A),
        set(vec![hash("example"), covering("c.example"), covering("*.example")])
    );
    assert_eq!(
        owners("x.wild.example", kind::TXT),
        set(vec![hash("wild.example"), covering("x.wild.example"), hash("*.wild.example")])
    );
    assert_eq!(owners("y.x.wild.example", kind::A), [covering("x.wild.example")]);
    // Opt-out: the delegation has no record, the closest name that has one is proved.
    assert_eq!(owners("www.sub.example", kind::A), set(vec![hash("example"), covering("sub.example")]));
    assert_eq!(owners("sub.example", kind::DS), set(vec![hash("example"), covering("sub.example")]));

    // RFC 5155 §7.2.8: what is there for its NSEC3 record alone is not there.
    for head in ["", "x."] {
        let owner = format!("{head}{}.example", hashes[0]);
        assert_eq!(zone.lookup(&name(&owner), kind::NSEC3, true).kind, Kind::Nxdomain, "{owner}");
    }

    let costly = build(151).0.lookup(&name("c.example"), kind::A, true);
    assert_eq!(costly.kind, Kind::Nxdomain);
    assert!(costly.authority.iter().all(|record| record.rtype != kind::NSEC3));
}

/// The rules of RFC 1034 §4.3.2, RFC 4592 and RFC 6672 by looking at every record each time.
fn model(zone: &Zone, qname: &Folded, qtype: u16) -> (Kind, Vec<Record>) {
    let records: Vec<Record> = zone.records().collect();
    let at = |owner: &Folded, rtype: u16| {
        let matches = |record: &&Record| record.owner == *owner && (qtype == kind::ANY || record.rtype == rtype);
        records.iter().filter(matches).cloned().collect::<Vec<_>>()
    };
    let exactly = |owner: &Folded, rtype: u16| {
        records.iter().filter(|record| record.owner == *owner && record.rtype == rtype).cloned().collect::<Vec<_>>()
    };
    let exists = |owner: &Folded| records.iter().any(|record| record.owner.is_at_or_below(owner));
    let up = |owner: &Folded| Name::new(&owner.wire()[1 + usize::from(owner.wire()[0])..]).unwrap().fold();
    let (mut out, mut name, mut passed) = (Vec::new(), qname.clone(), Vec::new());
    loop {
        if !name.is_at_or_below(zone.origin()) {
            return (Kind::Leads(name), out);
        }
        let mut path = vec![name.clone()];
        while path.last().unwrap() != zone.origin() {
            path.push(up(path.last().unwrap()));
        }
        path.reverse();
        let mut next = None;
        for owner in &path {
            let cut = owner != zone.origin() && !(*owner == name && qtype == kind::DS);
            if cut && !exactly(owner, kind::NS).is_empty() {
                return (Kind::Referral, out);
            }
            if *owner != name
                && let Some(dname) = exactly(owner, kind::DNAME).first()
            {
                if !out.contains(dname) {
                    out.push(dname.clone());
                }
                let labels = &name.wire()[..name.wire().len() - owner.wire().len()];
                let wire = [labels, &dname.rdata].concat();
                let Some(target) = Name::new(&wire) else { return (Kind::TooLong, out) };
                let made =
                    Record { owner: name.clone(), rtype: kind::CNAME, rdata: wire.clone().into(), ..dname.clone() };
                out.push(made);
                if qtype == kind::CNAME || qtype == kind::ANY {
                    return (Kind::Answer, out);
                }
                next = Some(target.fold());
                break;
            }
        }
        if next.is_none() {
            let mut source = name.clone();
            if !exists(&name) {
                let encloser = path.iter().rfind(|owner| exists(owner)).unwrap();
                source = Name::new(&[b"\x01*", encloser.wire()].concat()).unwrap().fold();
                if !exists(&source) {
                    return (Kind::Nxdomain, out);
                }
            }
            let found = at(&source, qtype);
            let alias = exactly(&source, kind::CNAME);
            let taken = if found.is_empty() { &alias } else { &found };
            out.extend(taken.iter().map(|record| Record { owner: name.clone(), ..record.clone() }));
            match (found.is_empty(), alias.first()) {
                (false, _) => return (Kind::Answer, out),
                (true, None) => return (Kind::Nodata, out),
                (true, Some(alias)) => next = Some(Name::new(&alias.rdata).unwrap().fold()),
            }
        }
        let next = next.unwrap();
        passed.push(name);
        if passed.len() >= CHAIN_MAX || passed.contains(&next) {
            return (Kind::Answer, out);
        }
        name = next;
    }
}

fn any_name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "*"]), 0..4)
        .prop_map(|labels| labels.iter().flat_map(|label| [*label, "."]).chain(["example"]).collect())
}

fn any_line() -> impl Strategy<Value = String> {
    let targets = prop_oneof![4 => any_name(), 1 => Just("elsewhere".to_owned())];
    let types = prop::sample::select(vec!["A", "A", "A", "TXT", "CNAME", "NS", "DNAME", "DS"]);
    (any_name(), types, targets).prop_map(|(owner, rtype, target)| match rtype {
        "A" => format!("{owner}. 60 A 192.0.2.1"),
        "TXT" => format!("{owner}. 60 TXT {target}"),
        "DS" => format!("{owner}. 60 DS 1 1 1 00"),
        _ => format!("{owner}. 60 {rtype} {target}."),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn answers_are_those_of_the_plain_rules(
        lines in prop::collection::vec(any_line(), 0..14),
        questions in prop::collection::vec((any_name(), prop::sample::select(vec![1u16, 2, 5, 16, 39, 43, 255])), 1..24),
    ) {
        let mut zone = Zone::new(name("example"));
        let apex = "example. 60 SOA a.example. a.example. 1 2 3 4 5\nexample. 60 NS elsewhere.";
        let origin = Folded::root();
        for line in apex.lines().chain(lines.iter().map(String::as_str)) {
            let record = &file::records(line, &origin, 60).unwrap()[0];
            // One CNAME and one DNAME at a name: more is no zone.
            let single = matches!(record.rtype, kind::CNAME | kind::DNAME);
            if !(single && zone.rrset(&record.owner, record.rtype).is_some()) {
                zone.add(record);
            }
        }
        for (qname, qtype) in questions {
            let answer = zone.lookup(&name(&qname), qtype, false);
            let (kind, mut expected) = model(&zone, &name(&qname), qtype);
            let mut found = answer.answer;
            let order = |a: &Record, b: &Record| {
                (a.owner.wire(), a.rtype, &a.rdata).cmp(&(b.owner.wire(), b.rtype, &b.rdata))
            };
            found.sort_by(order);
            expected.sort_by(order);
            prop_assert_eq!(&answer.kind, &kind, "{} {}", qname, qtype);
            prop_assert_eq!(found, expected, "{} {}", qname, qtype);
        }
    }
}
