//! Record data as text and back (RFC 1035 §5.1 and the document of each type; RFC 3597 §5 for data of unknown form).
//!
//! Each type is a row of fields, read and written by the same table. What does not fit its row is written as unknown data, so
//! that text can always be read back to the same octets.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::ParsedName;
use domain::base::iana::Rtype;
use domain::base::rdata::ParseRecordData;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::dep::octseq::Parser;
use domain::rdata::ZoneRecordData;
use domain::utils::{base32, base64};
use domain::zonefile::inplace::{Entry, Zonefile};
use wire::kind;
use wire::name::{Folded, LABEL_LEN_MAX, NAME_LEN_MAX, Name};

/// Longest data of one record.
const RDATA_LEN_MAX: usize = u16::MAX as usize;

/// One word of a zone file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'t> {
    /// As written, escapes still in it, without the quotes around it.
    pub(crate) text: &'t str,
    /// Whether it stood in quotes.
    pub(crate) quoted: bool,
    /// Where it stands.
    pub(crate) line: usize,
}

#[derive(Clone, Copy)]
enum Field {
    U8,
    U16,
    U32,
    /// Seconds, also as `1h30m`.
    Span,
    /// A moment as `YYYYMMDDHHmmSS` or seconds (RFC 4034 §3.2).
    Moment,
    Type,
    Ipv4,
    Ipv6,
    Name,
    /// A character string.
    String,
    /// The rest: one or more character strings.
    Strings,
    /// The rest: text without a length octet, in quotes.
    Text,
    /// The rest as hex digits.
    Hex,
    /// The rest as base 64.
    Base64,
    /// Length octet and octets, `-` for none (RFC 5155 §3.3).
    Salt,
    /// Length octet and octets in extended base 32 (RFC 5155 §3.3).
    Hash,
    /// The rest: types (RFC 4034 §4.1.2).
    Types,
    /// 64 bits as four groups of hex digits (RFC 6742 §2.1.2).
    Groups,
    /// Six or eight octets as pairs of hex digits (RFC 7043 §3.2).
    Pairs(usize),
}

/// The row of a type; `None` when we know none.
fn fields(rtype: u16) -> Option<&'static [Field]> {
    use Field::*;
    Some(match rtype {
        kind::A => &[Ipv4],
        kind::AAAA => &[Ipv6],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME.
        2..=5 | 7..=9 | 12 | 39 => &[Name],
        kind::SOA => &[Name, Name, U32, Span, Span, Span, Span],
        // HINFO.
        13 => &[String, String],
        // MINFO, RP.
        14 | 17 => &[Name, Name],
        // MX, AFSDB, RT, KX, LP.
        15 | 18 | 21 | 36 | 107 => &[U16, Name],
        // TXT, X25, ISDN, NINFO, SPF, AVC, RESINFO, WALLET.
        16 | 19 | 20 | 56 | 99 | 258 | 261 | 262 => &[Strings],
        // SIG, RRSIG.
        24 | 46 => &[Type, U8, U8, U32, Moment, Moment, U16, Name, Base64],
        // KEY, DNSKEY, RKEY, CDNSKEY.
        25 | 48 | 57 | 60 => &[U16, U8, U8, Base64],
        // PX.
        26 => &[U16, Name, Name],
        kind::SRV => &[U16, U16, U16, Name],
        // NAPTR.
        35 => &[U16, U16, String, String, String, Name],
        // CERT.
        37 => &[U16, U16, U8, Base64],
        // DS, CDS, TA, DLV.
        43 | 59 | 32768 | 32769 => &[U16, U8, U8, Hex],
        // SSHFP.
        44 => &[U8, U8, Hex],
        kind::NSEC => &[Name, Types],
        // DHCID, OPENPGPKEY.
        49 | 61 => &[Base64],
        kind::NSEC3 => &[U8, U8, U16, Salt, Hash, Types],
        // NSEC3PARAM.
        51 => &[U8, U8, U16, Salt],
        // TLSA, SMIMEA.
        52 | 53 => &[U8, U8, U8, Hex],
        // CSYNC.
        62 => &[U32, U16, Types],
        // ZONEMD.
        63 => &[U32, U8, U8, Hex],
        // NID, L64.
        104 | 106 => &[U16, Groups],
        // L32.
        105 => &[U16, Ipv4],
        // EUI48, EUI64.
        108 => &[Pairs(6)],
        109 => &[Pairs(8)],
        // URI.
        256 => &[U16, U16, Text],
        kind::CAA => &[U8, String, Text],
        _ => return None,
    })
}

/// Types whose data `domain` reads and writes for us: rows would not do.
fn is_domains(rtype: u16) -> bool {
    // IPSECKEY.
    matches!(rtype, 45 | kind::SVCB | kind::HTTPS)
}

/// Reads the data of a record. Relative names end in `origin`.
///
/// # Errors
/// What is wrong, naming the word.
pub(crate) fn read(rtype: u16, words: &[Word<'_>], origin: &Folded) -> Result<Box<[u8]>, String> {
    let rdata = match words {
        [mark, words @ ..] if mark.text == "\\#" && !mark.quoted => {
            let rdata = read_unknown(words)?;
            // Data given so must be what its type would be (RFC 3597 §5).
            if !fits(rtype, &rdata) {
                return Err(format!("this is no data of type {}", kind::type_name(rtype)));
            }
            rdata
        }
        _ => match fields(rtype) {
            Some(fields) => read_row(fields, words, origin)?,
            None if is_domains(rtype) => read_domains(rtype, words, origin)?,
            None => {
                let name = kind::type_name(rtype);
                return Err(format!("data of type {name} is read as \\# LENGTH HEX only (RFC 3597)"));
            }
        },
    };
    if rdata.len() > RDATA_LEN_MAX {
        return Err(format!("{} octets of data, {RDATA_LEN_MAX} at most", rdata.len()));
    }
    Ok(rdata.into())
}

/// The data as text; as unknown data where it does not fit its type.
pub(crate) fn write(rtype: u16, rdata: &[u8], out: &mut String) {
    let start = out.len();
    let written = match fields(rtype) {
        Some(fields) => write_row(fields, rdata, out).is_some(),
        None => is_domains(rtype) && write_domains(rtype, rdata, out).is_some(),
    };
    if !written {
        out.truncate(start);
        let _ = write!(out, "\\# {}", rdata.len());
        if !rdata.is_empty() {
            out.push(' ');
            push_hex(rdata, out);
        }
    }
}

/// Whether data has the form its type asks for; of unknown types all does.
pub(crate) fn fits(rtype: u16, rdata: &[u8]) -> bool {
    match fields(rtype) {
        Some(fields) => write_row(fields, rdata, &mut String::new()).is_some(),
        None => !is_domains(rtype) || write_domains(rtype, rdata, &mut String::new()).is_some(),
    }
}

fn read_unknown(words: &[Word<'_>]) -> Result<Vec<u8>, String> {
    let [len, digits @ ..] = words else { return Err("the length is missing behind \\#".to_owned()) };
    let wanted: u16 = number(len)?;
    let rdata = hex(&joined(digits))?;
    if rdata.len() != usize::from(wanted) {
        return Err(format!("{} octets of data where \\# says {wanted}", rdata.len()));
    }
    Ok(rdata)
}

fn read_row(fields: &[Field], words: &[Word<'_>], origin: &Folded) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(32);
    let mut words = words;
    for field in fields {
        let rest = std::mem::take(&mut words);
        match field {
            Field::Strings | Field::Text if rest.is_empty() => return Err("a string is missing".to_owned()),
            Field::Strings => rest.iter().try_for_each(|word| push_string(word, &mut out))?,
            Field::Hex => out.extend(hex(&joined(rest))?),
            Field::Base64 => {
                let text = joined(rest);
                let octets: Vec<u8> = base64::decode(&text).map_err(|error| format!("bad base 64: {error}"))?;
                out.extend(octets);
            }
            Field::Types => push_types(rest, &mut out)?,
            field => {
                let Some((word, rest)) = rest.split_first() else {
                    return Err("the data is cut short".to_owned());
                };
                read_field(*field, word, origin, &mut out)?;
                words = rest;
            }
        }
    }
    match words {
        [] => Ok(out),
        [word, ..] => Err(format!("\"{}\" is one word too many", word.text)),
    }
}

fn read_field(field: Field, word: &Word<'_>, origin: &Folded, out: &mut Vec<u8>) -> Result<(), String> {
    let text = word.text;
    match field {
        Field::U8 => out.push(number(word)?),
        Field::U16 => out.extend(number::<u16>(word)?.to_be_bytes()),
        Field::U32 => out.extend(number::<u32>(word)?.to_be_bytes()),
        Field::Span => {
            let span = span(text).ok_or_else(|| format!("\"{text}\" is no number of seconds"))?;
            out.extend(span.to_be_bytes());
        }
        Field::Moment => {
            let moment = moment(text).ok_or_else(|| format!("\"{text}\" is no time as YYYYMMDDHHmmSS"))?;
            out.extend(moment.to_be_bytes());
        }
        Field::Type => {
            let rtype = kind::type_from_name(text).ok_or_else(|| format!("\"{text}\" is no type"))?;
            out.extend(rtype.to_be_bytes());
        }
        Field::Ipv4 => {
            let address: Ipv4Addr = text.parse().map_err(|_| format!("\"{text}\" is no IPv4 address"))?;
            out.extend(address.octets());
        }
        Field::Ipv6 => {
            let address: Ipv6Addr = text.parse().map_err(|_| format!("\"{text}\" is no IPv6 address"))?;
            out.extend(address.octets());
        }
        Field::Name => push_name(word, origin, out)?,
        Field::String => push_string(word, out)?,
        Field::Text => out.extend(octets(text)?.iter()),
        Field::Salt if text == "-" => out.push(0),
        Field::Salt => push_short(&hex(text)?, out)?,
        Field::Hash => {
            let hash: Vec<u8> = base32::decode_hex(text).map_err(|error| format!("bad base 32 \"{text}\": {error}"))?;
            push_short(&hash, out)?;
        }
        Field::Groups => {
            let digits = text.replace(':', "");
            if text.split(':').count() != 4 || text.split(':').any(|group| group.len() != 4) {
                return Err(format!("\"{text}\" is not four groups of four hex digits"));
            }
            out.extend(hex(&digits)?);
        }
        Field::Pairs(count) => {
            if text.split('-').count() != count || text.split('-').any(|pair| pair.len() != 2) {
                return Err(format!("\"{text}\" is not {count} pairs of hex digits"));
            }
            out.extend(hex(&text.replace('-', ""))?);
        }
        // Those that take the rest are read as a whole.
        Field::Strings | Field::Hex | Field::Base64 | Field::Types => {}
    }
    Ok(())
}

fn write_row(fields: &[Field], rdata: &[u8], out: &mut String) -> Option<()> {
    let mut rest = rdata;
    for (at, field) in fields.iter().enumerate() {
        // What takes the rest may be nothing at all.
        if at > 0 && !(rest.is_empty() && matches!(field, Field::Hex | Field::Base64 | Field::Types)) {
            out.push(' ');
        }
        rest = write_field(*field, rest, out)?;
    }
    rest.is_empty().then_some(())
}

fn write_field<'d>(field: Field, data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    let u8_of = |data: &'d [u8]| data.split_first().map(|(first, rest)| (*first, rest));
    let u16_of = |data: &'d [u8]| data.split_first_chunk().map(|(chunk, rest)| (u16::from_be_bytes(*chunk), rest));
    let u32_of = |data: &'d [u8]| data.split_first_chunk().map(|(chunk, rest)| (u32::from_be_bytes(*chunk), rest));
    let short = |data: &'d [u8]| data.split_first().and_then(|(len, rest)| rest.split_at_checked(usize::from(*len)));
    Some(match field {
        Field::U8 => {
            let (number, rest) = u8_of(data)?;
            write!(out, "{number}").ok()?;
            rest
        }
        Field::U16 => {
            let (number, rest) = u16_of(data)?;
            write!(out, "{number}").ok()?;
            rest
        }
        Field::U32 | Field::Span => {
            let (number, rest) = u32_of(data)?;
            write!(out, "{number}").ok()?;
            rest
        }
        Field::Moment => {
            let (seconds, rest) = u32_of(data)?;
            push_moment(seconds, out);
            rest
        }
        Field::Type => {
            let (rtype, rest) = u16_of(data)?;
            out.push_str(&kind::type_name(rtype));
            rest
        }
        Field::Ipv4 => {
            let (octets, rest) = data.split_first_chunk::<4>()?;
            write!(out, "{}", Ipv4Addr::from(*octets)).ok()?;
            rest
        }
        Field::Ipv6 => {
            let (octets, rest) = data.split_first_chunk::<16>()?;
            write!(out, "{}", Ipv6Addr::from(*octets)).ok()?;
            rest
        }
        Field::Name => {
            let (name, rest) = Name::split(data).ok()?;
            push_name_text(name, out);
            rest
        }
        Field::String => {
            let (octets, rest) = short(data)?;
            push_quoted(octets, out);
            rest
        }
        Field::Strings => {
            let (octets, mut rest) = short(data)?;
            push_quoted(octets, out);
            while !rest.is_empty() {
                let (octets, after) = short(rest)?;
                out.push(' ');
                push_quoted(octets, out);
                rest = after;
            }
            rest
        }
        Field::Text => {
            push_quoted(data, out);
            &[]
        }
        Field::Hex => {
            push_hex(data, out);
            &[]
        }
        Field::Base64 => {
            out.push_str(&base64::encode_string(data));
            &[]
        }
        Field::Salt => {
            let (octets, rest) = short(data)?;
            if octets.is_empty() {
                out.push('-');
            }
            push_hex(octets, out);
            rest
        }
        Field::Hash => {
            let (octets, rest) = short(data)?;
            if octets.is_empty() {
                return None;
            }
            out.push_str(&base32::encode_string_hex(octets).to_ascii_lowercase());
            rest
        }
        Field::Types => {
            let start = out.len();
            write_types(data, out)?;
            // Only the one form that text gives again.
            let mut again = Vec::new();
            let words: Vec<Word<'_>> =
                out[start..].split_ascii_whitespace().map(|text| Word { text, quoted: false, line: 0 }).collect();
            push_types(&words, &mut again).ok()?;
            if again != data {
                return None;
            }
            &[]
        }
        Field::Groups => {
            let (octets, rest) = data.split_first_chunk::<8>()?;
            for (at, pair) in octets.chunks(2).enumerate() {
                if at > 0 {
                    out.push(':');
                }
                push_hex(pair, out);
            }
            rest
        }
        Field::Pairs(count) => {
            let (octets, rest) = data.split_at_checked(count)?;
            for (at, octet) in octets.iter().enumerate() {
                if at > 0 {
                    out.push('-');
                }
                push_hex(&[*octet], out);
            }
            rest
        }
    })
}

fn read_domains(rtype: u16, words: &[Word<'_>], origin: &Folded) -> Result<Vec<u8>, String> {
    let mut line = format!(". 0 IN {}", kind::type_name(rtype));
    for word in words {
        let quote = if word.quoted { "\"" } else { "" };
        let _ = write!(line, " {quote}{}{quote}", word.text);
    }
    line.push('\n');
    let mut file = Zonefile::from(&*line);
    let origin = domain::base::Name::from_octets(bytes::Bytes::copy_from_slice(origin.wire()));
    file.set_origin(origin.map_err(|error| error.to_string())?);
    match file.next_entry() {
        Ok(Some(Entry::Record(record))) => {
            use domain::base::rdata::ComposeRecordData as _;
            let mut out = Vec::new();
            record.data().compose_rdata(&mut out).map_err(|_| "too much data".to_owned())?;
            Ok(out)
        }
        Ok(_) => Err("the data is missing".to_owned()),
        Err(error) => {
            let said = error.to_string();
            // It begins with the place within the line made here.
            Err(said.split_once(": ").map_or(said.as_str(), |(_, said)| said).to_owned())
        }
    }
}

fn write_domains(rtype: u16, rdata: &[u8], out: &mut String) -> Option<()> {
    let start = out.len();
    let mut parser = Parser::from_ref(rdata);
    let data: ZoneRecordData<&[u8], ParsedName<&[u8]>> =
        ParseRecordData::parse_rdata(Rtype::from_int(rtype), &mut parser).ok()??;
    if parser.remaining() > 0 {
        return None;
    }
    write!(out, "{}", data.display_zonefile(DisplayKind::Simple)).ok()?;
    // Only what can be read again to the same octets.
    let text = out.get(start..)?.to_owned();
    let words = split(&text, 1).ok()?;
    (read_domains(rtype, &words, &Folded::root()).ok()? == rdata).then_some(())
}

/// The words of one line.
fn split(text: &str, line: usize) -> Result<Vec<Word<'_>>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t']);
    // Ends: every turn takes at least one octet.
    while !rest.is_empty() {
        let (word, after) = take_word(rest, line)?;
        words.push(word);
        rest = after.trim_start_matches([' ', '\t']);
    }
    Ok(words)
}

/// Takes the word `text` begins with: up to white space, a parenthesis, a comment; or up to the closing quote. `text` must
/// begin with something else than white space.
///
/// # Errors
/// A quote that is not closed on its line.
pub(crate) fn take_word(text: &str, line: usize) -> Result<(Word<'_>, &str), String> {
    let octets = text.as_bytes();
    let quoted = octets.first() == Some(&b'"');
    let mut at = usize::from(quoted);
    // Quotes may stand within a word too: `alpn="h2,h3"`.
    let mut within = quoted;
    // Ends: `at` grows.
    while let Some(&octet) = octets.get(at) {
        match octet {
            b'\\' => at += 1,
            b'\n' => break,
            b'"' if quoted => {
                return Ok((Word { text: &text[1..at], quoted, line }, &text[at + 1..]));
            }
            b'"' => within = !within,
            b' ' | b'\t' | b'\r' | b';' | b'(' | b')' if !within => break,
            _ => {}
        }
        at += 1;
    }
    if within {
        return Err("a quote is not closed".to_owned());
    }
    // A backslash before the end, or before an octet of several that make one character, may have stepped too far.
    let mut at = at.min(octets.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    Ok((Word { text: &text[..at], quoted, line }, &text[at..]))
}

/// The octets of a word, escapes resolved (RFC 1035 §5.1).
fn octets(text: &str) -> Result<Cow<'_, [u8]>, String> {
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&octet) = rest.next() {
        out.push(if octet == b'\\' { escaped(&mut rest).ok_or_else(|| bad_escape(text))? } else { octet });
    }
    Ok(Cow::Owned(out))
}

fn bad_escape(text: &str) -> String {
    format!("\"{text}\" has a backslash without three digits up to 255 or a character")
}

/// What follows a backslash.
fn escaped(rest: &mut std::slice::Iter<'_, u8>) -> Option<u8> {
    let first = *rest.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = rest.next().filter(|octet| octet.is_ascii_digit())?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

/// Appends a name, case as written; relative ones end in `origin`, `@` is the origin.
///
/// # Errors
/// Why it is no name.
pub(crate) fn push_name(word: &Word<'_>, origin: &Folded, out: &mut Vec<u8>) -> Result<(), String> {
    let text = word.text;
    match text {
        "@" if !word.quoted => {
            out.extend_from_slice(origin.wire());
            return Ok(());
        }
        "." => {
            out.push(0);
            return Ok(());
        }
        "" => return Err("a name is missing".to_owned()),
        _ => {}
    }
    let start = out.len();
    let mut label_at = start;
    out.push(0);
    let mut absolute = false;
    let end_label = |out: &mut Vec<u8>, label_at: usize| {
        let len = out.len() - label_at - 1;
        if len == 0 {
            return Err(format!("\"{text}\" is no name: a label is empty"));
        }
        if len > LABEL_LEN_MAX {
            return Err(format!("\"{text}\" is no name: a label is over {LABEL_LEN_MAX} octets"));
        }
        if let Some(place) = out.get_mut(label_at) {
            *place = len as u8;
        }
        Ok(())
    };
    let mut rest = text.as_bytes().iter();
    while let Some(&octet) = rest.next() {
        match octet {
            b'.' => {
                end_label(out, label_at)?;
                absolute = rest.as_slice().is_empty();
                if !absolute {
                    label_at = out.len();
                    out.push(0);
                }
            }
            b'\\' => out.push(escaped(&mut rest).ok_or_else(|| bad_escape(text))?),
            _ => out.push(octet),
        }
        if out.len() - start > NAME_LEN_MAX + 1 {
            break;
        }
    }
    if absolute {
        out.push(0);
    } else {
        end_label(out, label_at)?;
        out.extend_from_slice(origin.wire());
    }
    if out.len() - start > NAME_LEN_MAX {
        return Err(format!("\"{text}\" is no name: over {NAME_LEN_MAX} octets"));
    }
    Ok(())
}

/// A name with its final dot.
pub(crate) fn push_name_text(name: Name<'_>, out: &mut String) {
    let _ = write!(out, "{name}");
    if name.wire().len() > 1 {
        out.push('.');
    }
}

fn push_string(word: &Word<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    push_short(&octets(word.text)?, out)
}

fn push_short(octets: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let len = u8::try_from(octets.len()).map_err(|_| format!("a string of {} octets, 255 at most", octets.len()))?;
    out.push(len);
    out.extend_from_slice(octets);
    Ok(())
}

fn push_quoted(octets: &[u8], out: &mut String) {
    out.push('"');
    for &octet in octets {
        match octet {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(octet));
            }
            b' '..=b'~' => out.push(char::from(octet)),
            _ => {
                let _ = write!(out, "\\{octet:03}");
            }
        }
    }
    out.push('"');
}

fn number<N: std::str::FromStr>(word: &Word<'_>) -> Result<N, String> {
    let text = word.text;
    // `parse` alone would also take a sign.
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let bits = 8 * size_of::<N>();
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| format!("\"{text}\" is no number of {bits} bits"))
}

/// Seconds as a number or with units, `1w2d3h4m5s` (RFC 2308 has none of it; BIND and all after it do).
pub(crate) fn span(text: &str) -> Option<u32> {
    let mut total = 0u64;
    let mut digits: Option<u64> = None;
    let mut units = false;
    for octet in text.bytes() {
        if octet.is_ascii_digit() {
            let value = digits.unwrap_or(0) * 10 + u64::from(octet - b'0');
            digits = Some(value).filter(|value| *value <= u64::from(u32::MAX));
            digits?;
            continue;
        }
        let unit = match octet.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total += digits.take()? * unit;
        if total > u64::from(u32::MAX) {
            return None;
        }
        units = true;
    }
    match digits {
        Some(_) if units => None,
        Some(seconds) => u32::try_from(seconds).ok(),
        None => units.then_some(total as u32),
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, and back: years begin in March, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

fn moment(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    if text.len() != 14 {
        return text.parse().ok();
    }
    let part = |range| text.get(range).and_then(|digits: &str| digits.parse::<i64>().ok());
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let (hour, minute, second) = (part(8..10)?, part(10..12)?, part(12..14)?);
    let there = date(days(year, month, day)) == (year, month, day) && hour < 24 && minute < 60 && second < 61;
    there.then(|| u32::try_from(days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second).ok()).flatten()
}

fn push_moment(seconds: u32, out: &mut String) {
    let seconds = i64::from(seconds);
    let (year, month, day) = date(seconds / 86_400);
    let of_day = seconds % 86_400;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let _ = write!(out, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}");
}

fn push_types(words: &[Word<'_>], out: &mut Vec<u8>) -> Result<(), String> {
    let mut types = Vec::with_capacity(words.len());
    for word in words {
        let text = word.text;
        types.push(kind::type_from_name(text).ok_or_else(|| format!("\"{text}\" is no type"))?);
    }
    types.sort_unstable();
    types.dedup();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bits = [0u8; 32];
        let mut len = 0;
        for rtype in window {
            let low = usize::from(rtype & 0xff);
            bits[low / 8] |= 0x80 >> (low % 8);
            len = low / 8 + 1;
        }
        out.push((window.first().copied().unwrap_or(0) >> 8) as u8);
        out.push(len as u8);
        out.extend_from_slice(&bits[..len]);
    }
    Ok(())
}

fn write_types(data: &[u8], out: &mut String) -> Option<()> {
    let mut rest = data;
    let mut first = true;
    while let [window, len, after @ ..] = rest {
        let (bits, after) = after.split_at_checked(usize::from(*len))?;
        for (at, octet) in bits.iter().enumerate().take(32) {
            for bit in (0..8).filter(|bit| octet & 0x80 >> bit != 0) {
                if !first {
                    out.push(' ');
                }
                first = false;
                out.push_str(&kind::type_name(u16::from(*window) << 8 | (at * 8 + bit) as u16));
            }
        }
        rest = after;
    }
    rest.is_empty().then_some(())
}

fn joined(words: &[Word<'_>]) -> String {
    words.iter().map(|word| word.text).collect()
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let bad = || format!("\"{text}\" is not pairs of hex digits");
    let digit = |octet: &u8| char::from(*octet).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().ok_or_else(bad)
}

fn push_hex(octets: &[u8], out: &mut String) {
    for octet in octets {
        let _ = write!(out, "{octet:02x}");
    }
}
