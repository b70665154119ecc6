//! Zones and updates as text, for tests. Names are below `example.` unless they end in a dot; `@` is `example.` itself.

use wire::kind;
use wire::message::{Builder, Record, Section};
use wire::name::Folded;

pub(crate) fn name(text: &str) -> Folded {
    let text = match text {
        "@" => "example".to_owned(),
        text => text.strip_suffix('.').map_or_else(|| format!("{text}.example"), str::to_owned),
    };
    Folded::from_text(if text.is_empty() { "." } else { &text }).unwrap_or_else(|| panic!("no name: {text}"))
}

/// The name in wire form, letters as written.
fn name_wire(text: &str) -> Vec<u8> {
    let folded = name(text);
    let mut wire = folded.wire().to_vec();
    // Escapes are not needed here, so letters stand where they are written.
    let written = text.trim_end_matches('.').as_bytes();
    if !text.contains('\\') && text != "@" {
        for (octet, letter) in wire.iter_mut().skip(1).zip(written) {
            if letter.is_ascii_uppercase() {
                *octet = *letter;
            }
        }
    }
    wire
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn rdata(rtype: u16, words: &[&str]) -> Vec<u8> {
    let number = |word: &str| word.parse::<u16>().unwrap().to_be_bytes().to_vec();
    match (rtype, words) {
        (_, [r"\#", octets @ ..]) => hex(&octets.concat()),
        (kind::A, [address]) => address.parse::<std::net::Ipv4Addr>().unwrap().octets().to_vec(),
        (kind::AAAA, [address]) => address.parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec(),
        (kind::NS | kind::CNAME | kind::PTR | kind::DNAME, [target]) => name_wire(target),
        (kind::MX, [preference, host]) => [number(preference), name_wire(host)].concat(),
        (kind::SRV, [priority, weight, port, host]) => {
            [number(priority), number(weight), number(port), name_wire(host)].concat()
        }
        (kind::TXT, texts) => {
            let text = |text: &&str| [&[text.len() as u8], text.as_bytes()].concat();
            texts.iter().flat_map(text).collect()
        }
        (kind::SOA, [primary, mailbox, numbers @ ..]) => {
            let numbers = numbers.iter().flat_map(|number| number.parse::<u32>().unwrap().to_be_bytes());
            [name_wire(primary), name_wire(mailbox), numbers.collect()].concat()
        }
        _ => panic!("{} {words:?}", kind::type_name(rtype)),
    }
}

/// `www 300 A 192.0.2.1`, class before the type if it is not IN.
pub(crate) fn record(line: &str) -> Record {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [owner, ttl, rest @ ..] = &words[..] else { panic!("no record: {line}") };
    let (class, rest) = match rest {
        [class, rest @ ..] if kind::class_from_name(class).is_some() && !rest.is_empty() => {
            (kind::class_from_name(class).unwrap(), rest)
        }
        rest => (kind::CLASS_IN, rest),
    };
    let [rtype, data @ ..] = rest else { panic!("no record: {line}") };
    let rtype = kind::type_from_name(rtype).unwrap_or_else(|| panic!("no type: {line}"));
    let rdata = if data.is_empty() { Vec::new() } else { rdata(rtype, data) };
    Record { owner: name(owner), rtype, class, ttl: ttl.parse().unwrap(), rdata: rdata.into() }
}

/// Lines that say something.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split(" ;").next().unwrap_or_default().trim()).filter(|line| !line.is_empty())
}

pub(crate) fn records(text: &str) -> Vec<Record> {
    lines(text).map(record).collect()
}

/// An update of `example.` as a message. Lines in the manner of `Update::summary`: `need www A`,
/// `need no www`, `add www 300 A 192.0.2.1`, `delete www A`; `zone NAME CLASS TYPE` for another zone section; after
/// `raw need` and `raw` a record as it is, class and all.
pub(crate) fn update_bytes(id: u16, text: &str) -> Vec<u8> {
    let (mut zones, mut needs, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines(text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let with = |ttl_class: &str, words: &[&str]| {
            let [owner, rest @ ..] = words else { panic!("{line}") };
            let rest = if rest.is_empty() { "ANY".to_owned() } else { rest.join(" ") };
            record(&format!("{owner} {ttl_class} {rest}"))
        };
        match &words[..] {
            ["zone", zone, class, rtype] => {
                zones.push((name(zone), kind::type_from_name(rtype).unwrap(), kind::class_from_name(class).unwrap()))
            }
            ["raw", "need", rest @ ..] => needs.push(record(&rest.join(" "))),
            ["raw", rest @ ..] => changes.push(record(&rest.join(" "))),
            ["need", "no", rest @ ..] => needs.push(with("0 NONE", rest)),
            ["need", rest @ ..] if rest.len() <= 2 => needs.push(with("0 ANY", rest)),
            ["need", rest @ ..] => needs.push(with("0 IN", rest)),
            ["add", rest @ ..] => changes.push(record(&rest.join(" "))),
            ["delete", rest @ ..] if rest.len() <= 2 => changes.push(with("0 ANY", rest)),
            ["delete", rest @ ..] => changes.push(with("0 NONE", rest)),
            _ => panic!("{line}"),
        }
    }
    if zones.is_empty() {
        zones.push((name("@"), kind::SOA, kind::CLASS_IN));
    }
    // OPCODE 5.
    let mut builder = Builder::new(id, 5 << 11, 65_535);
    for (zone, rtype, class) in zones {
        builder.question(zone.name(), rtype, class);
    }
    for (section, records) in [(Section::Answer, needs), (Section::Authority, changes)] {
        for record in records {
            assert!(builder.record(section, &record), "the message is full");
        }
    }
    builder.finish()
}
