//! One line of a list: what it says, or why it cannot be read.
//!
//! Three ways of writing are known (`Format`); `Auto` tells them apart line by line. A line is never fatal. Knows no hashes
//! and no lists; what a rule's name may consist of is checked where it is hashed (`suffix`).

use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::net::IpAddr;

use crate::Format;

/// Longest line read, bytes; the rest of a longer one is skipped and the line counted as rejected.
pub const LINE_BYTES_MAX: usize = 4096;

/// Characters of a faulty line that are kept.
const TEXT_CHARS_MAX: usize = 120;

/// Why a line cannot be read.
pub(crate) type Reason = Cow<'static, str>;

/// Which names a rule matches, seen from the name it is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// That name only.
    Exact,
    /// That name and everything below.
    AndBelow,
    /// Everything below, not the name itself.
    BelowOnly,
}

/// A rule as a line states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) scope: Scope,
    /// Allows, whatever its list does.
    pub(crate) exception: bool,
}

/// What a readable line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Empty or a comment.
    Nothing,
    /// Rules, all handed over.
    Rules,
    /// Names of the machine itself, as every hosts file has.
    Own,
}

/// Reads lines to the end, streaming. Each goes to `take` with its number from 1 on, without its end, and with what is wrong with it as a
/// line; of one that is too long only the beginning.
pub(crate) fn each(mut lines: impl BufRead, mut take: impl FnMut(u64, &[u8], Option<Reason>)) -> io::Result<()> {
    let mut line = Vec::with_capacity(256);
    for number in 1.. {
        line.clear();
        // One octet more than a line may have: the line's end, or the sign that it is too long.
        (&mut lines).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        let ended = line.pop_if(|last| *last == b'\n').is_some();
        let mut fault = None;
        if line.len() > LINE_BYTES_MAX {
            if !ended {
                lines.skip_until(b'\n')?;
            }
            fault = Some(format!("longer than {LINE_BYTES_MAX} bytes").into());
        }
        // Some editors put a byte order mark first.
        let text = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
        take(number, text, fault);
    }
    Ok(())
}

/// Reads one line without its end. Each rule goes to `take`, which may find fault with the name.
pub(crate) fn read(line: &[u8], format: Format, take: &mut Take<'_>) -> Result<Content, Reason> {
    let line = line.trim_ascii();
    if is_comment(line, format) {
        return Ok(Content::Nothing);
    }
    // Most lines of most lists: a name and nothing else, in need of no further search for marks.
    let is_bare = line.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_'));
    match format {
        Format::Auto | Format::Domains if is_bare => domain(line, false, format == Format::Domains, take),
        Format::Hosts => hosts(before_hash(line), take),
        Format::Domains => domain(before_comment(line), false, true, take),
        Format::Adblock => adblock(line, format, take),
        Format::Auto if looks_like_adblock(line) => adblock(line, format, take),
        Format::Auto => {
            let line = before_hash(line);
            if line.iter().any(u8::is_ascii_whitespace) { hosts(line, take) } else { domain(line, false, false, take) }
        }
    }
}

/// Where rules go; answers why a name is none.
pub(crate) type Take<'t> = dyn FnMut(Rule<'_>) -> Result<(), Reason> + 't;

/// The line as shown to people: at most 120 characters, none of them a control character.
pub(crate) fn shorten(line: &[u8]) -> String {
    // A character has at most 4 octets.
    let head = &line[..line.len().min(TEXT_CHARS_MAX * 4)];
    let shown = |char: char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char };
    String::from_utf8_lossy(head.trim_ascii()).chars().take(TEXT_CHARS_MAX).map(shown).collect()
}

fn is_comment(line: &[u8], format: Format) -> bool {
    match line {
        [] | [b'!' | b';', ..] | [b'[', .., b']'] => true,
        // In adblock lists `##.banner` hides an element of every page; elsewhere it is a comment.
        [b'#', b'#' | b'@' | b'?' | b'$' | b'%', next, ..] if format == Format::Adblock => *next == b' ',
        [b'#', ..] => true,
        _ => false,
    }
}

fn looks_like_adblock(line: &[u8]) -> bool {
    line.starts_with(b"@@")
        || matches!(line[0], b'|' | b'/')
        || line.iter().any(|octet| matches!(octet, b'^' | b'$'))
        || is_cosmetic(line)
}

/// `shop.example##.banner` and its kin: a marker glued to what stands before it.
fn is_cosmetic(line: &[u8]) -> bool {
    line.windows(3).any(|three| {
        !three[0].is_ascii_whitespace() && three[1] == b'#' && matches!(three[2], b'#' | b'@' | b'?' | b'$' | b'%')
    }) || matches!(line, [b'#', b'#' | b'@' | b'?' | b'$' | b'%', ..])
        || line.windows(2).any(|two| two == b"$$")
}

fn before_hash(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|&octet| octet == b'#').unwrap_or(line.len());
    line[..end].trim_ascii_end()
}

/// Cuts a comment that stands apart from the name.
fn before_comment(line: &[u8]) -> &[u8] {
    let end = line.windows(2).position(|two| two[0].is_ascii_whitespace() && two[1] == b'#').unwrap_or(line.len());
    line[..end].trim_ascii_end()
}

/// `0.0.0.0 ads.example tracker.example`.
fn hosts(line: &[u8], take: &mut Take<'_>) -> Result<Content, Reason> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let address = words.next().and_then(host_address).ok_or("no address in front of the name")?;
    let mut content = None;
    let mut fault = None;
    for word in words {
        if is_own_name(word) {
            content = content.or(Some(Content::Own));
            continue;
        }
        let taken = if address.is_unspecified() || address.is_loopback() {
            one(word, Scope::Exact, false, take)
        } else {
            Err("points at an address of its own; a list blocks with 0.0.0.0 or ::".into())
        };
        match taken {
            Ok(()) => content = Some(Content::Rules),
            Err(reason) => fault = fault.or(Some(reason)),
        }
    }
    match (fault, content) {
        (Some(reason), _) => Err(reason),
        (None, Some(content)) => Ok(content),
        (None, None) => Err("address without a name".into()),
    }
}

/// The address in front of a hosts line: with a zone (`fe80::1%lo0`), or `0` as some lists write it.
fn host_address(word: &[u8]) -> Option<IpAddr> {
    let word = word.split(|&octet| octet == b'%').next()?;
    if word == b"0" { Some(IpAddr::from([0, 0, 0, 0])) } else { address(word) }
}

fn address(word: &[u8]) -> Option<IpAddr> {
    // Nearly every name is told from an address by its last letter.
    if !word.last()?.is_ascii_digit() && !word.contains(&b':') {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Names by which a hosts file calls the machine itself and its links.
fn is_own_name(word: &[u8]) -> bool {
    const OWN: [&str; 13] = [
        "localhost",
        "localhost.localdomain",
        "localhost4",
        "localhost6",
        "local",
        "broadcasthost",
        "ip6-localhost",
        "ip6-loopback",
        "ip6-localnet",
        "ip6-mcastprefix",
        "ip6-allnodes",
        "ip6-allrouters",
        "ip6-allhosts",
    ];
    word == b"0.0.0.0" || OWN.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(word))
}

/// `ads.example`, `.ads.example`, `*.ads.example`, `=ads.example`.
///
/// `alone`: whether a single word stands for a top-level domain. Not where the format is guessed: any word of prose would.
fn domain(line: &[u8], exception: bool, alone: bool, take: &mut Take<'_>) -> Result<Content, Reason> {
    if line.iter().any(u8::is_ascii_whitespace) {
        return Err("more than one word".into());
    }
    let (name, scope) = match line {
        [b'*', b'.', name @ ..] => (name, Scope::BelowOnly),
        [b'.', name @ ..] => (name, Scope::AndBelow),
        [b'=', name @ ..] => (name, Scope::Exact),
        name if alone || name.contains(&b'.') => (name, Scope::AndBelow),
        b"*" => return Err("would match every name".into()),
        name if name.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')) => {
            return Err("a single word; write *.word to mean a top-level domain".into());
        }
        name => (name, Scope::AndBelow),
    };
    one(name, scope, exception, take)?;
    Ok(Content::Rules)
}

/// `||ads.example^`, `@@||ok.example^`, `|ads.example^`, `ads.example^`.
fn adblock(line: &[u8], format: Format, take: &mut Take<'_>) -> Result<Content, Reason> {
    if is_cosmetic(line) {
        return Err("hides parts of a page; DNS sees names only".into());
    }
    let (exception, line) = match line.strip_prefix(b"@@") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    if line.starts_with(b"/") {
        let is_regex = line[1..].contains(&b'/');
        return Err(if is_regex { "a regular expression" } else { "a path; DNS sees names only" }.into());
    }
    let (pattern, options) = match line.iter().position(|&octet| octet == b'$') {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    if let Some(options) = options {
        check_options(options)?;
    }
    let (anchored, scope, pattern) = match pattern {
        [b'|', b'|', b'*', b'.', rest @ ..] => (true, Scope::BelowOnly, rest),
        [b'|', b'|', rest @ ..] => (true, Scope::AndBelow, rest),
        [b'|', rest @ ..] => (true, Scope::Exact, rest),
        [b'*', b'.', rest @ ..] => (false, Scope::BelowOnly, rest),
        rest => (false, Scope::AndBelow, rest),
    };
    let end = pattern.iter().position(|octet| b"^|/:?=".contains(octet)).unwrap_or(pattern.len());
    let (name, tail) = pattern.split_at(end);
    match tail {
        b"" if !anchored && format == Format::Adblock => {
            return Err("neither || in front nor ^ behind: it could match anywhere".into());
        }
        b"" if !anchored && scope == Scope::AndBelow => return domain(name, exception, false, take),
        b"" | b"^" | b"|" | b"^|" | b"^*" => {}
        _ if tail.starts_with(b"://") => return Err("a URL; DNS sees names only".into()),
        [b':', ..] => return Err("has a port; DNS sees names only".into()),
        _ => return Err("has a path; DNS sees names only".into()),
    }
    one(name, scope, exception, take)?;
    Ok(Content::Rules)
}

/// Lets pass the options that leave a rule as it is where only names are seen: kinds of request that a blocked name takes along
/// with all others, and `important`, whose part precision plays here.
fn check_options(options: &[u8]) -> Result<(), Reason> {
    const HARMLESS: [&str; 8] = ["all", "important", "document", "doc", "popup", "network", "third-party", "3p"];
    for option in options.split(|&octet| octet == b',') {
        let option = option.trim_ascii();
        if !HARMLESS.iter().any(|harmless| harmless.as_bytes() == option) {
            return Err(format!("option \"{}\" is not about DNS", shorten(option)).into());
        }
    }
    Ok(())
}

/// Hands over one rule, its name freed of the final dot.
fn one(name: &[u8], scope: Scope, exception: bool, take: &mut Take<'_>) -> Result<(), Reason> {
    if address(name).is_some() {
        return Err("an address, not a name".into());
    }
    if name.contains(&b'/') {
        return Err("has a path; DNS sees names only".into());
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    take(Rule { name, scope, exception })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suffix::SuffixHasher;

    /// Rules as people write them, or what is wrong.
    fn told(line: &str, format: Format) -> String {
        let hasher = SuffixHasher::new(7);
        let mut rules = Vec::new();
        let read = read(line.as_bytes(), format, &mut |rule| {
            hasher.of_text(rule.name)?;
            let mark = match rule.scope {
                Scope::Exact => "=",
                Scope::AndBelow => "",
                Scope::BelowOnly => "*.",
            };
            let exception = if rule.exception { "@@" } else { "" };
            rules.push(format!("{exception}{mark}{}", str::from_utf8(rule.name).unwrap()));
            Ok(())
        });
        match read {
            Ok(Content::Nothing) => "nothing".to_owned(),
            Ok(Content::Own) => "own".to_owned(),
            Ok(Content::Rules) => rules.join(" "),
            Err(reason) if rules.is_empty() => format!("! {reason}"),
            Err(reason) => format!("{} ! {reason}", rules.join(" ")),
        }
    }

    fn check(format: Format, cases: &[(&str, &str)]) {
        for (line, expected) in cases {
            assert_eq!(told(line, format), *expected, "{format:?}: {line:?}");
        }
    }

    #[test]
    fn hosts_lines() {
        check(
            Format::Hosts,
            &[
                ("0.0.0.0 ads.example", "=ads.example"),
                ("127.0.0.1\tads.example  tracker.example. # both", "=ads.example =tracker.example"),
                ("::1 ads.example#glued", "=ads.example"),
                ("0 ads.example", "=ads.example"),
                ("0.0.0.0 Ads.Example", "=Ads.Example"),
                ("::ffff:0.0.0.0 ads.example", "=ads.example"),
                ("127.0.0.1 localhost localhost.localdomain", "own"),
                ("255.255.255.255 broadcasthost", "own"),
                ("fe80::1%lo0 localhost", "own"),
                ("ff02::1 ip6-allnodes", "own"),
                ("0.0.0.0 0.0.0.0", "own"),
                ("127.0.0.1 localhost ads.example", "=ads.example"),
                ("# comment", "nothing"),
                ("#", "nothing"),
                ("   ", "nothing"),
                ("ads.example", "! no address in front of the name"),
                ("0.0.0.0", "! address without a name"),
                ("0.0.0.0 # ads.example", "! address without a name"),
                ("192.0.2.1 www.example", "! points at an address of its own; a list blocks with 0.0.0.0 or ::"),
                ("0.0.0.0 ok.example bad..example", "=ok.example ! name with an empty label"),
                ("0.0.0.0 192.0.2.1", "! an address, not a name"),
            ],
        );
    }

    #[test]
    fn domain_lines() {
        check(
            Format::Domains,
            &[
                ("ads.example", "ads.example"),
                ("  ads.example.  ", "ads.example"),
                (".ads.example", "ads.example"),
                ("*.ads.example", "*.ads.example"),
                ("=ads.example", "=ads.example"),
                ("ads.example # why", "ads.example"),
                ("_dmarc.ads-1.example", "_dmarc.ads-1.example"),
                ("zip", "zip"),
                ("xn--bcher-kva.example", "xn--bcher-kva.example"),
                ("! comment", "nothing"),
                ("bücher.example", "! name not in ASCII; write its xn-- form"),
                ("ads example", "! more than one word"),
                ("ads*.example", "! wildcard inside a name; only a leading *. is understood"),
                ("ads..example", "! name with an empty label"),
                (".", "! no name"),
                ("*.", "! no name"),
                ("192.0.2.1", "! an address, not a name"),
                ("2001:db8::1", "! an address, not a name"),
                ("192.0.2.0/24", "! has a path; DNS sees names only"),
                ("ads.example\0", "! character that no domain name has"),
                ("https://ads.example/", "! has a path; DNS sees names only"),
            ],
        );
    }

    #[test]
    fn adblock_lines() {
        check(
            Format::Adblock,
            &[
                ("||ads.example^", "ads.example"),
                ("||ads.example", "ads.example"),
                ("||ads.example^|", "ads.example"),
                ("||*.ads.example^", "*.ads.example"),
                ("|ads.example^", "=ads.example"),
                ("ads.example^", "ads.example"),
                ("*.ads.example^", "*.ads.example"),
                ("@@||ok.example^", "@@ok.example"),
                ("@@|ok.example^|", "@@=ok.example"),
                ("||zip^", "zip"),
                ("||ads.example^$important", "ads.example"),
                ("||ads.example^$third-party,popup", "ads.example"),
                ("[Adblock Plus 2.0]", "nothing"),
                ("! Title: ads", "nothing"),
                ("# comment", "nothing"),
                ("||ads.example^$script", "! option \"script\" is not about DNS"),
                ("||ads.example^$all,domain=a.example", "! option \"domain=a.example\" is not about DNS"),
                ("||ads.example^$", "! option \"\" is not about DNS"),
                ("||ads.example^$~third-party", "! option \"~third-party\" is not about DNS"),
                ("shop.example##.banner", "! hides parts of a page; DNS sees names only"),
                ("##.banner", "! hides parts of a page; DNS sees names only"),
                ("shop.example#@#.banner", "! hides parts of a page; DNS sees names only"),
                ("shop.example$$script", "! hides parts of a page; DNS sees names only"),
                ("||shop.example/ads/", "! has a path; DNS sees names only"),
                ("||shop.example^ads", "! has a path; DNS sees names only"),
                ("||shop.example:8080^", "! has a port; DNS sees names only"),
                ("|https://shop.example", "! a URL; DNS sees names only"),
                ("/banner[0-9]+/", "! a regular expression"),
                ("@@/banner/$script", "! a regular expression"),
                ("/ads.js", "! a path; DNS sees names only"),
                ("||192.0.2.1^", "! an address, not a name"),
                ("||ads*.example^", "! wildcard inside a name; only a leading *. is understood"),
                ("||^", "! no name"),
                ("@@", "! neither || in front nor ^ behind: it could match anywhere"),
                ("ads.example", "! neither || in front nor ^ behind: it could match anywhere"),
                ("-banner-", "! neither || in front nor ^ behind: it could match anywhere"),
            ],
        );
    }

    #[test]
    fn the_format_is_told_line_by_line() {
        check(
            Format::Auto,
            &[
                ("0.0.0.0 ads.example", "=ads.example"),
                ("ads.example", "ads.example"),
                ("ads.example # why", "ads.example"),
                ("*.ads.example", "*.ads.example"),
                ("||ads.example^", "ads.example"),
                ("@@||ok.example^", "@@ok.example"),
                ("@@ok.example", "@@ok.example"),
                ("*.zip", "*.zip"),
                ("## Section", "nothing"),
                ("[Adblock Plus]", "nothing"),
                ("shop.example##.banner", "! hides parts of a page; DNS sees names only"),
                ("error", "! a single word; write *.word to mean a top-level domain"),
                ("not-found", "! a single word; write *.word to mean a top-level domain"),
                ("@@error", "! a single word; write *.word to mean a top-level domain"),
                ("*", "! would match every name"),
                ("Not Found", "! no address in front of the name"),
                ("<html>", "! character that no domain name has"),
                ("{\"error\":\"no\"}", "! character that no domain name has"),
                ("https://ads.example/x", "! has a path; DNS sees names only"),
            ],
        );
    }

    #[test]
    fn long_names_and_labels_are_refused() {
        let label = |len: usize| "a".repeat(len);
        let name = |first: usize| format!("{}.{}.{}.{}", label(first), label(63), label(63), label(63));
        check(
            Format::Domains,
            &[
                (&format!("{}.example", label(63)), &format!("{}.example", label(63))),
                (&format!("{}.example", label(64)), "! label longer than 63 octets"),
                (&name(61), &name(61)),
                (&name(62), "! name longer than 255 octets"),
            ],
        );
    }

    #[test]
    fn a_faulty_line_is_shown_short_and_without_control_characters() {
        assert_eq!(shorten(b" a\x1b[31mb\xff "), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(shorten("ü".repeat(500).as_bytes()), "ü".repeat(120));
    }
}
