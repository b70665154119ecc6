//! `code`: the registry of return codes and extended errors, for people at a terminal. Asks no server.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use serde::Serialize;
use wire::code::{CODES, Code, CodeInfo, Described, Family, Place, RangeInfo, describe};
use wire::ede::{self, EDES, EdeInfo};

use crate::cli::{self, CodeArgs, Ended};
use crate::table::family_paint;

/// Narrowest lines made; narrower terminals wrap.
const WIDTH_MIN: usize = 60;
/// Widest lines of prose: longer ones are tiring to read.
const WIDTH_MAX: usize = 100;
/// Widest lines of a table: the longest meaning fits beside its code.
const TABLE_WIDTH_MAX: usize = 120;
/// Width where there is no terminal.
const WIDTH_DEFAULT: usize = 80;
/// First number of the extended errors for private use (RFC 8914 §5.2).
const EDE_PRIVATE: u16 = 49_152;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// `nameward code`.
pub(crate) fn code(args: &CodeArgs) -> anyhow::Result<Ended> {
    let found = match asked(&args.what) {
        Ok(found) => found,
        Err(told) => {
            eprintln!("nameward: {told}");
            return Ok(Ended::SaidWrong);
        }
    };
    let text = if args.json { json(&found)? } else { Page::of_terminal().written(&found) };
    cli::print(&text)?;
    Ok(Ended::Done)
}

/// What is to be shown.
enum Asked {
    /// The list of codes.
    Codes,
    /// The list of extended errors.
    Edes,
    /// Codes and numbers, one after another; with the number asked.
    Each(Vec<(u16, Described)>),
    /// One extended error; without a registered one, its number.
    Ede(Result<&'static EdeInfo, u16>),
}

fn asked(words: &[String]) -> Result<Asked, String> {
    match words {
        [] => Ok(Asked::Codes),
        [first] if first.eq_ignore_ascii_case("ede") => Ok(Asked::Edes),
        [first, rest @ ..] if first.eq_ignore_ascii_case("ede") => asked_ede(&rest.join(" ")).map(Asked::Ede),
        words => {
            let each: Result<Vec<_>, String> = words.iter().map(|word| asked_code(word)).collect();
            Ok(Asked::Each(each?.into_iter().flatten().collect()))
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

fn number(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("codes go from 0 to 65535, not to {text}"))
}

fn asked_code(word: &str) -> Result<Vec<(u16, Described)>, String> {
    if is_number(word) {
        let number = number(word)?;
        return Ok(describe(number).into_iter().map(|described| (number, described)).collect());
    }
    let Some(code) = Code::from_name(word) else {
        let names = CODES.iter().map(|info| info.name);
        let hint = match search::nearest(word, names) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if ede::from_name(word).is_some() => format!("; did you mean `ede {word}`?"),
            None => ": `nameward code` lists them".to_owned(),
        };
        return Err(format!("no code is called `{word}`{hint}"));
    };
    // By name, 16 is one code.
    Ok(match code.info() {
        Some(info) => vec![(code.number(), Described::Named(info))],
        None => describe(code.number()).into_iter().map(|described| (code.number(), described)).collect(),
    })
}

fn asked_ede(text: &str) -> Result<Result<&'static EdeInfo, u16>, String> {
    if is_number(text) {
        let number = number(text)?;
        return Ok(ede::info(number).ok_or(number));
    }
    if let Some(info) = ede::from_name(text) {
        return Ok(Ok(info));
    }
    let hint = match search::nearest(text, EDES.iter().map(|info| info.name)) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => ": `nameward code ede` lists them".to_owned(),
    };
    Err(format!("no extended error is called `{text}`{hint}"))
}

/// One JSON object a line, in the API's form.
fn json(asked: &Asked) -> anyhow::Result<String> {
    fn line(text: &mut String, it: &impl Serialize) -> anyhow::Result<()> {
        text.push_str(&serde_json::to_string(it)?);
        text.push('\n');
        Ok(())
    }
    let mut text = String::new();
    match asked {
        Asked::Codes => CODES.iter().try_for_each(|info| line(&mut text, &web::code_entry(info)))?,
        Asked::Edes => EDES.iter().try_for_each(|info| line(&mut text, &web::ede_info(info)))?,
        Asked::Each(each) => {
            for (_, described) in each {
                match described {
                    Described::Named(info) => line(&mut text, &web::code_entry(info))?,
                    Described::Range(range) => line(&mut text, &web::code_range(range))?,
                }
            }
        }
        Asked::Ede(Ok(info)) => line(&mut text, &web::ede_info(info))?,
        Asked::Ede(Err(number)) => {
            line(
                &mut text,
                &serde_json::json!({ "number": number, "name": ede::name(*number), "meaning": unregistered(*number) }),
            )?;
        }
    }
    Ok(text)
}

fn unregistered(number: u16) -> &'static str {
    if number >= EDE_PRIVATE {
        "For private use: what it means is agreed between those who use it."
    } else {
        "Not registered: no document known to this version gives it a meaning. The text beside it may."
    }
}

/// Lays text out for lines of one width.
struct Page {
    width: usize,
    table_width: usize,
    colour: bool,
    text: String,
}

impl Page {
    fn of_terminal() -> Page {
        let terminal = std::io::stdout().is_terminal();
        let width = terminal_size::terminal_size().filter(|_| terminal).map(|(width, _)| usize::from(width.0));
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Page::new(width.unwrap_or(WIDTH_DEFAULT), colour)
    }

    fn new(width: usize, colour: bool) -> Page {
        let table_width = width.clamp(WIDTH_MIN, TABLE_WIDTH_MAX);
        Page { width: table_width.min(WIDTH_MAX), table_width, colour, text: String::new() }
    }

    fn written(mut self, asked: &Asked) -> String {
        match asked {
            Asked::Codes => self.codes(),
            Asked::Edes => self.edes(),
            Asked::Each(each) => {
                for (at, (number, described)) in each.iter().enumerate() {
                    if at > 0 {
                        self.rule();
                    }
                    match described {
                        Described::Named(info) => self.named(info),
                        Described::Range(range) => self.unnamed(*number, range),
                    }
                }
            }
            Asked::Ede(Ok(info)) => self.ede(info),
            Asked::Ede(Err(number)) => {
                self.title(&ede::name(*number), None, "", "not registered");
                self.paragraph("", unregistered(*number));
            }
        }
        self.text
    }

    fn codes(&mut self) {
        self.row(&["#", "NAME", "PLACE", "MEANING"], &[2, 9, 10], DIM);
        for info in CODES {
            let number = format!("{:>2}", info.code.number());
            self.row(&[&number, info.name, short_place(info), info.meaning], &[2, 9, 10], family_paint(info.family));
        }
        self.blank();
        self.paragraph("", "16 is two codes, told apart by their place. Numbers without a name are written CODE4001.");
        self.paragraph("", "More of one: nameward code BADTRUNC. Extended errors: nameward code ede.");
    }

    fn edes(&mut self) {
        self.row(&["#", "NAME", "MEANING"], &[2, 27], DIM);
        for info in EDES {
            let number = format!("{:>2}", info.number);
            // Two registered names are longer than their column is worth.
            self.row(&[&number, info.name, info.meaning], &[2, 27], "");
        }
        self.blank();
        self.paragraph("", "More of one: nameward code ede 15.");
    }

    fn named(&mut self, info: &CodeInfo) {
        let right = format!("{}, {}", info.family.name().replace('_', " "), info.kind.about());
        self.title(info.name, Some(info.code.number()), family_paint(info.family), &right);
        self.paragraph("", info.meaning);
        self.blank();
        for (at, placed) in info.places.iter().enumerate() {
            let head = if at == 0 { "Travels in" } else { "" };
            let seen = placed.header_code();
            let place = placed.place.name();
            let header = match placed.place {
                Place::Header => String::new(),
                Place::Opt => format!("; the header alone says {} {seen}", placed.header),
                Place::Tsig | Place::Tkey => format!("; the header then says {} {seen}", placed.header),
            };
            self.fact(head, &format!("{place}{header}"));
        }
        self.fact("Signed", info.signing.name());
        self.fact("Made by", &info.emitters.iter().map(|emitter| emitter.name()).collect::<Vec<_>>().join(", "));
        self.fact("Transports", &info.transports.join(", "));
        self.fact("Defined by", info.rfc);
        self.section("We send it when");
        self.paragraph("  ", info.sent);
        self.told(info.causes, info.next);
        self.blank();
        self.fact("In the log", &format!("nameward search 'code:{}'", info.name));
    }

    fn unnamed(&mut self, number: u16, range: &RangeInfo) {
        self.title(&format!("CODE{number}"), None, family_paint(Family::Malformed), range.name);
        self.paragraph("", range.meaning);
        self.blank();
        let span = if range.first == range.last {
            range.first.to_string()
        } else {
            format!("{} to {}", range.first, range.last)
        };
        self.fact("Range", &format!("{span}, {}", range.name));
        self.fact("Defined by", range.rfc);
        self.told(range.causes, range.next);
        self.blank();
        self.fact("In the log", &format!("nameward search 'code:CODE{number}'"));
    }

    fn ede(&mut self, info: &EdeInfo) {
        self.title(info.name, Some(info.number), "", "extended error");
        self.paragraph("", info.meaning);
        self.blank();
        self.fact("Sent by", info.sender);
        self.fact("Defined by", info.rfc);
        self.section("From this server");
        self.paragraph("  ", info.sent.unwrap_or("Never made here; an upstream's is passed on and kept in the log."));
        self.told(info.causes, info.next);
        self.blank();
        self.fact("In the log", &format!("nameward search 'ede:{}'", info.number));
    }

    fn told(&mut self, causes: &[&str], next: &[&str]) {
        self.section("Usual causes");
        causes.iter().for_each(|cause| self.hanging("  • ", cause));
        self.section("What to do next");
        next.iter().for_each(|step| self.hanging("  → ", step));
    }

    /// Name and number at the left, what kind of thing it is at the right.
    fn title(&mut self, name: &str, number: Option<u16>, paint: &str, right: &str) {
        let left = number.map_or_else(|| name.to_owned(), |number| format!("{name} · {number}"));
        let gap = self.width.saturating_sub(left.chars().count() + right.chars().count());
        let shown = if self.colour { format!("{BOLD}{paint}{left}{PLAIN}") } else { left };
        if gap < 2 {
            let _ = writeln!(self.text, "{shown}");
            self.paragraph("", right);
        } else {
            let right = if self.colour { format!("{DIM}{right}{PLAIN}") } else { right.to_owned() };
            let _ = writeln!(self.text, "{shown}{}{right}", " ".repeat(gap));
        }
    }

    fn section(&mut self, name: &str) {
        let name = if self.colour { format!("{BOLD}{name}{PLAIN}") } else { name.to_owned() };
        let _ = writeln!(self.text, "\n{name}");
    }

    /// A word in the margin and what it is about.
    fn fact(&mut self, head: &str, text: &str) {
        let margin = format!("{head:<12} ");
        let lines = wrapped(text, self.width - margin.chars().count());
        for (at, line) in lines.iter().enumerate() {
            let head = if at == 0 { margin.clone() } else { " ".repeat(margin.chars().count()) };
            let head = if self.colour { format!("{DIM}{head}{PLAIN}") } else { head };
            let _ = writeln!(self.text, "{}", format!("{head}{line}").trim_end());
        }
    }

    fn paragraph(&mut self, indent: &str, text: &str) {
        for line in wrapped(text, self.width - indent.chars().count()) {
            let _ = writeln!(self.text, "{indent}{line}");
        }
    }

    fn hanging(&mut self, mark: &str, text: &str) {
        let indent = mark.chars().count();
        for (at, line) in wrapped(text, self.width - indent).iter().enumerate() {
            let head = if at == 0 { mark.to_owned() } else { " ".repeat(indent) };
            let _ = writeln!(self.text, "{head}{line}");
        }
    }

    /// Cells of fixed widths, two blanks between; the last takes the rest of the line and wraps within it. The name,
    /// which is the second, is painted.
    fn row(&mut self, cells: &[&str], widths: &[usize], paint: &str) {
        let Some((last, fixed)) = cells.split_last() else { return };
        let used: usize = widths.iter().map(|width| width + 2).sum();
        // A cell too long for its column is wrapped inside it.
        let columns: Vec<Vec<String>> = fixed.iter().zip(widths).map(|(cell, width)| wrapped(cell, *width)).collect();
        let rest = balanced(last, self.table_width.saturating_sub(used));
        let height = columns.iter().map(Vec::len).chain([rest.len()]).max().unwrap_or(1);
        for line in 0..height {
            let mut text = String::new();
            for (at, (column, width)) in columns.iter().zip(widths).enumerate() {
                let cell = format!("{:<width$}", column.get(line).map_or("", String::as_str));
                let painted = self.colour && !paint.is_empty() && (at == 1 || paint == DIM);
                let cell = if painted { format!("{paint}{cell}{PLAIN}") } else { cell };
                let _ = write!(text, "{cell}  ");
            }
            text.push_str(rest.get(line).map_or("", String::as_str));
            let _ = writeln!(self.text, "{}", text.trim_end());
        }
    }

    fn rule(&mut self) {
        let _ = writeln!(self.text, "\n{}\n", "─".repeat(self.width));
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }
}

/// Places in few characters, for the list.
fn short_place(info: &CodeInfo) -> &'static str {
    match (info.travels_in(Place::Tsig), info.travels_in(Place::Tkey), info.travels_in(Place::Opt)) {
        (true, true, _) => "TSIG, TKEY",
        (true, false, _) => "TSIG",
        (false, true, _) => "TKEY",
        (false, false, true) => "header+OPT",
        (false, false, false) => "header",
    }
}

/// The text in lines of at most `width` characters; a longer word has a line of its own.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    // The blank in front of `  7` is part of it.
    let indent: String = text.chars().take_while(|char| *char == ' ').collect();
    let mut lines = Vec::new();
    let mut line = indent;
    for word in text.split_whitespace() {
        let blank = usize::from(!line.trim().is_empty());
        if blank == 1 && line.chars().count() + blank + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        } else if blank == 1 {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// The text in as few lines as `wrapped` makes, all about as long: no word is left alone on the last.
fn balanced(text: &str, width: usize) -> Vec<String> {
    let lines = wrapped(text, width).len();
    let narrowest = (width / 2..width).find(|narrower| wrapped(text, *narrower).len() == lines);
    wrapped(text, narrowest.unwrap_or(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &str, width: usize) -> String {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        match asked(&words) {
            Ok(asked) => Page::new(width, false).written(&asked),
            Err(told) => told,
        }
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let each: Vec<String> = CODES.iter().map(|info| info.name.to_owned()).collect();
        let edes: Vec<String> = EDES.iter().map(|info| format!("ede {}", info.number)).collect();
        let numbers = ["", "ede", "16", "12", "4001", "4096", "65535", "ede 40", "ede 50000"].map(str::to_owned);
        for words in each.iter().chain(&edes).chain(&numbers) {
            for width in [60, 80, 100, 120] {
                let text = shown(words, width);
                for line in text.lines() {
                    assert!(line.chars().count() <= width, "{words} at {width}: {line}");
                    assert!(line == line.trim_end(), "{words}: blanks at the end of {line:?}");
                }
            }
            // Colours change nothing but colours.
            let args: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            let painted = Page::new(80, true).written(&asked(&args).unwrap());
            let mut plain = String::new();
            let mut rest = painted.as_str();
            while let Some((before, after)) = rest.split_once('\x1b') {
                plain.push_str(before);
                rest = after.split_once('m').map_or("", |(_, after)| after);
            }
            plain.push_str(rest);
            let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
            assert_eq!(trimmed(&plain), trimmed(&shown(words, 80)), "{words}");
        }
    }

    #[test]
    fn one_code_on_a_page() {
        insta::assert_snapshot!(shown("badtrunc", 80), @r"
        BADTRUNC · 22                                                  security, a fault
        The signature is right but shorter than the server allows.

        Travels in   TSIG error; the header then says 9 NOTAUTH
        Signed       yes
        Made by      nameward, upstream, authority
        Transports   udp, tcp, dot, doh, doq
        Defined by   RFC 8945 §5.2.2.1, §5.2.4

        We send it when
          Key, MAC and time are right, but fewer octets of the MAC were sent than our
          policy asks for. The reply is signed. A MAC under ten octets, or under half of
          the whole, is FORMERR instead.

        Usual causes
          • A client set to hmac-sha256-128 where we ask for the whole MAC.
          • A policy that was made stricter on one side only.

        What to do next
          → Have the client send the whole MAC: name the algorithm without a number at
            its end.
          → If it cannot, allow the shorter MAC for that key; half of the whole is the
            least the RFC permits.

        In the log   nameward search 'code:BADTRUNC'
        ");
    }

    #[test]
    fn the_list_at_80_columns() {
        insta::assert_snapshot!(shown("", 80), @r"
        #   NAME       PLACE       MEANING
         0  NOERROR    header      The question was answered, or the name
                                   exists without data of this type.
         1  FORMERR    header      The server could not make sense of the message.
         2  SERVFAIL   header      The server tried and failed;
                                   the extended error says why.
         3  NXDOMAIN   header      The name does not exist, nor does anything below it.
         4  NOTIMP     header      The server does not offer this kind of operation.
         5  REFUSED    header      The server will not answer
                                   this client or this question.
         6  YXDOMAIN   header      A name exists that the update said must
                                   not, or a DNAME rewrite grew too long.
         7  YXRRSET    header      A record set exists that the update said must not.
         8  NXRRSET    header      A record set that the update counts on does
                                   not exist, or is not the one it names.
         9  NOTAUTH    header      The server is not authoritative for the
                                   zone, or the signature was not accepted.
        10  NOTZONE    header      A name in the update lies outside its zone.
        11  DSOTYPENI  header      The session asked for a DSO
                                   operation the server does not know.
        16  BADVERS    header+OPT  The client speaks an EDNS
                                   version the server does not.
        16  BADSIG     TSIG, TKEY  The signature does not fit the message and key.
        17  BADKEY     TSIG, TKEY  The key or its algorithm is unknown to the server.
        18  BADTIME    TSIG, TKEY  The signature's time is too
                                   far from the server's clock.
        19  BADMODE    TKEY        The server does not offer this way of making keys.
        20  BADNAME    TKEY        The key name exists already,
                                   or the key to delete does not.
        21  BADALG     TKEY        The server lacks the algorithm the key was asked for.
        22  BADTRUNC   TSIG        The signature is right but
                                   shorter than the server allows.
        23  BADCOOKIE  header+OPT  The server wants a valid cookie before it answers.

        16 is two codes, told apart by their place. Numbers without a name are written
        CODE4001.
        More of one: nameward code BADTRUNC. Extended errors: nameward code ede.
        ");
    }

    #[test]
    fn sixteen_is_both_codes_and_a_name_is_one() {
        let both = shown("16", 80);
        assert!(both.contains("BADVERS · 16") && both.contains("BADSIG · 16"), "{both}");
        assert!(!shown("BADSIG", 80).contains("BADVERS · 16"));
        assert!(shown("NXDomain", 80).contains("NXDOMAIN · 3"));
        assert!(shown("4001", 80).contains("3841 to 4095, private use"));
        assert_eq!(shown("code4001", 80), shown("4001", 80));
        assert!(shown("ede dnskey missing", 80).starts_with("DNSKEY Missing · 9"));
        assert_eq!(shown("EDE Blocked", 80), shown("ede 15", 80));
        // With room for it, a code takes one line.
        assert!(shown("", 120).lines().take(CODES.len() + 1).all(|line| !line.starts_with("    ")));
    }

    #[test]
    fn what_is_not_known_is_told_with_what_may_have_been_meant() {
        for (words, told) in [
            ("BADTRUNK", "no code is called `BADTRUNK`; did you mean `BADTRUNC`?"),
            ("70000", "codes go from 0 to 65535, not to 70000"),
            ("xyzzy", "no code is called `xyzzy`: `nameward code` lists them"),
            ("stale-answer", "no code is called `stale-answer`; did you mean `ede stale-answer`?"),
            ("ede blokked", "no extended error is called `blokked`; did you mean `Blocked`?"),
        ] {
            assert_eq!(shown(words, 80), told, "{words}");
        }
    }

    #[test]
    fn json_is_the_apis_form_a_line_each() {
        let parsed = |words: &str| -> Vec<serde_json::Value> {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            json(&asked(&words).unwrap()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        assert_eq!(parsed("").len(), CODES.len());
        assert_eq!(parsed("ede").len(), EDES.len());
        let names: Vec<serde_json::Value> = parsed("16").into_iter().map(|entry| entry["name"].clone()).collect();
        assert_eq!(names, ["BADVERS", "BADSIG"]);
        assert_eq!(parsed("BADCOOKIE")[0]["places"][0]["header_name"], "YXRRSET");
        assert_eq!(parsed("ede 15")[0]["name"], "Blocked");
    }
}
