//! Messages as text, for tests: `build` makes octets of a few words, `show` reads octets back with the `domain` crate, a
//! reader written by others.
//!
//! ```text
//! flags rd; q www.Example A; opt 1232 do option=10:0011223344556677
//! flags qr ra; q www.example A; an @12 300 CNAME edge.@16; ar . 0 A 192.0.2.1; hex 00
//! ```
//!
//! `@12` is a compression pointer. Counts follow from the lines; `count qd=2` overrides.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::{Message, Rtype};
use domain::rdata::AllRecordData;

use crate::kind;
use crate::name::Folded;

/// Message ID unless told otherwise.
pub(crate) const ID: u16 = 7;

pub(crate) fn build(text: &str) -> Vec<u8> {
    let mut header = [ID, 0, 0, 0, 0, 0];
    let mut body = Vec::new();
    for line in text.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match verb {
            "id" => header[0] = rest.parse().unwrap(),
            "flags" => header[1] |= words.iter().map(|word| flag(word)).sum::<u16>(),
            "q" => {
                header[2] += 1;
                push_name(words[0], &mut body);
                push_u16(kind::type_from_name(words[1]).unwrap(), &mut body);
                push_u16(words.get(2).map_or(1, |class| kind::class_from_name(class).unwrap()), &mut body);
            }
            "an" | "ns" | "ar" => {
                header[["an", "ns", "ar"].iter().position(|section| *section == verb).unwrap() + 3] += 1;
                push_record(&words, &mut body);
            }
            "opt" => {
                header[5] += 1;
                push_opt(&words, &mut body);
            }
            "count" => {
                for word in words {
                    let (section, count) = word.split_once('=').unwrap();
                    let index = ["qd", "an", "ns", "ar"].iter().position(|known| *known == section).unwrap();
                    header[index + 2] = count.parse().unwrap();
                }
            }
            "hex" => body.extend(unhex(rest)),
            _ => panic!("no such line: {line}"),
        }
    }
    let mut bytes: Vec<u8> = header.iter().flat_map(|field| field.to_be_bytes()).collect();
    bytes.extend(body);
    bytes
}

fn flag(word: &str) -> u16 {
    let number = |text: &str| text.parse::<u16>().unwrap();
    match word.split_once('=').unwrap_or((word, "")) {
        ("qr", _) => 0x8000,
        ("opcode", value) => number(value) << 11,
        ("aa", _) => 0x400,
        ("tc", _) => 0x200,
        ("rd", _) => 0x100,
        ("ra", _) => 0x80,
        ("ad", _) => 0x20,
        ("cd", _) => 0x10,
        ("rcode", value) => number(value),
        _ => panic!("no such flag: {word}"),
    }
}

fn push_u16(number: u16, out: &mut Vec<u8>) {
    out.extend(number.to_be_bytes());
}

fn push_name(text: &str, out: &mut Vec<u8>) {
    let Some((labels, pointer)) = text.split_once('@') else {
        // Folded, then the spelling put back: case matters to some tests.
        let folded = Folded::from_text(text).unwrap();
        let spelled = out.len();
        out.extend(folded.wire());
        if !text.contains('\\') {
            let letters = text.bytes().filter(|octet| *octet != b'.');
            let places: Vec<usize> = folded
                .label_starts()
                .flat_map(|start| start + 1..start + 1 + usize::from(folded.wire()[start]))
                .collect();
            for (place, letter) in places.into_iter().zip(letters) {
                out[spelled + place] = letter;
            }
        }
        return;
    };
    for label in labels.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend(label.bytes());
    }
    push_u16(0xc000 | pointer.parse::<u16>().unwrap(), out);
}

/// `name ttl type data…` or `name ttl class:type data…`
fn push_record(words: &[&str], out: &mut Vec<u8>) {
    let [owner, ttl, rtype, data @ ..] = words else { panic!("no record: {words:?}") };
    let (class, rtype) = rtype.split_once(':').unwrap_or(("IN", rtype));
    let rtype = kind::type_from_name(rtype).unwrap();
    push_name(owner, out);
    push_u16(rtype, out);
    push_u16(kind::class_from_name(class).unwrap(), out);
    out.extend(ttl.parse::<u32>().unwrap().to_be_bytes());
    let mut rdata = Vec::new();
    match (rtype, data) {
        (_, ["\\#", hex @ ..]) => rdata = unhex(&hex.concat()),
        (kind::A, [address]) => rdata.extend(address.parse::<Ipv4Addr>().unwrap().octets()),
        (kind::AAAA, [address]) => rdata.extend(address.parse::<Ipv6Addr>().unwrap().octets()),
        (kind::TXT, strings) => {
            for string in strings {
                rdata.push(string.len() as u8);
                rdata.extend(string.bytes());
            }
        }
        (kind::MX, [preference, name]) => {
            push_u16(preference.parse().unwrap(), &mut rdata);
            push_name(name, &mut rdata);
        }
        (kind::SRV, [priority, weight, port, name]) => {
            [priority, weight, port].iter().for_each(|number| push_u16(number.parse().unwrap(), &mut rdata));
            push_name(name, &mut rdata);
        }
        (kind::SOA, [mname, rname, numbers @ ..]) => {
            push_name(mname, &mut rdata);
            push_name(rname, &mut rdata);
            numbers.iter().for_each(|number| rdata.extend(number.parse::<u32>().unwrap().to_be_bytes()));
        }
        (_, [name]) => push_name(name, &mut rdata),
        _ => panic!("no data: {words:?}"),
    }
    push_u16(rdata.len() as u16, out);
    out.extend(rdata);
}

fn push_opt(words: &[&str], out: &mut Vec<u8>) {
    let (mut size, mut ttl, mut options) = (1232, 0u32, Vec::new());
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("do", _) => ttl |= 0x8000,
            ("version", value) => ttl |= value.parse::<u32>().unwrap() << 16,
            ("ext", value) => ttl |= value.parse::<u32>().unwrap() << 24,
            ("option", value) => {
                let (code, hex) = value.split_once(':').unwrap();
                let data = unhex(hex);
                push_u16(code.parse().unwrap(), &mut options);
                push_u16(data.len() as u16, &mut options);
                options.extend(data);
            }
            ("ede", value) => {
                let (code, text) = value.split_once(':').unwrap();
                push_u16(15, &mut options);
                push_u16(2 + text.len() as u16, &mut options);
                push_u16(code.parse().unwrap(), &mut options);
                options.extend(text.bytes());
            }
            ("raw", hex) => options.extend(unhex(hex)),
            (number, _) => size = number.parse().unwrap(),
        }
    }
    out.push(0);
    push_u16(kind::OPT, out);
    push_u16(size, out);
    out.extend(ttl.to_be_bytes());
    push_u16(options.len() as u16, out);
    out.extend(options);
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

/// A message as lines: header, question, records, OPT last.
pub(crate) fn show(bytes: &[u8]) -> String {
    let message = Message::from_octets(bytes).unwrap();
    let header = message.header();
    let mut text = format!("{} {}", header.rcode(), kind::opcode_name(header.opcode().to_int()));
    let bits = [
        (header.qr(), "qr"),
        (header.aa(), "aa"),
        (header.tc(), "tc"),
        (header.rd(), "rd"),
        (header.ra(), "ra"),
        (header.z(), "z"),
        (header.ad(), "ad"),
        (header.cd(), "cd"),
    ];
    for (_, name) in bits.into_iter().filter(|(set, _)| *set) {
        write!(text, " {name}").unwrap();
    }
    text.push('\n');
    for question in message.question() {
        let question = question.unwrap();
        writeln!(text, "q {} {} {}", dotted(question.qname()), question.qtype(), question.qclass()).unwrap();
    }
    let (_, answer, authority, additional) = message.sections().unwrap();
    let mut opt = String::new();
    for (name, section) in [("an", answer), ("ns", authority), ("ar", additional)] {
        let mut section = section;
        for record in section.by_ref() {
            let record = record.unwrap();
            if record.rtype() == Rtype::OPT {
                opt = show_opt(&message);
                continue;
            }
            let record = record.into_record::<AllRecordData<_, _>>().unwrap().unwrap();
            let (owner, ttl, data) = (dotted(record.owner()), record.ttl().as_secs(), record.data());
            writeln!(text, "{name} {owner} {ttl} {} {data}", record.rtype()).unwrap();
        }
        if name == "ar" {
            assert_eq!(section.pos(), bytes.len(), "octets behind the last record");
        }
    }
    text + &opt
}

/// The root as a dot; `domain` shows it as nothing.
fn dotted(name: impl std::fmt::Display) -> String {
    Some(name.to_string()).filter(|text| !text.is_empty()).unwrap_or_else(|| ".".to_owned())
}

fn show_opt(message: &Message<&[u8]>) -> String {
    let opt = message.opt().unwrap();
    let mut text = format!("opt {} version={}", opt.udp_payload_size(), opt.version());
    if opt.dnssec_ok() {
        text.push_str(" do");
    }
    let rcode = opt.rcode(message.header());
    if rcode.to_int() > 15 {
        write!(text, " {rcode}").unwrap();
    }
    for error in opt.opt().iter::<domain::base::opt::ExtendedError<_>>() {
        let error = error.unwrap();
        let extra = error.text_slice().map(|text| String::from_utf8_lossy(text).into_owned());
        write!(text, " ede={}:{}", error.code().to_int(), extra.unwrap_or_default()).unwrap();
    }
    for other in opt.opt().iter::<domain::base::opt::UnknownOptData<_>>() {
        let other = other.unwrap();
        let data: &[u8] = other.as_slice();
        match other.code().to_int() {
            15 => {}
            12 if data.iter().all(|octet| *octet == 0) => write!(text, " padding={}", data.len()).unwrap(),
            code => {
                write!(text, " option={code}:").unwrap();
                data.iter().for_each(|octet| write!(text, "{octet:02x}").unwrap());
            }
        }
    }
    text + "\n"
}
