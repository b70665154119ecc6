//! Zone files (RFC 1035 §5, RFC 2308 §4 `$TTL`): text to records, with the place of every offence. Bounded: length of the
//! text, records, depth of `$INCLUDE`.
//!
//! A record without TTL has that of `$TTL` (RFC 2308 §4), else the last one written (RFC 1035 §5.1), else the last number of
//! the SOA (RFC 1035 §3.3.13). Where records of one set differ, the least counts (RFC 2181 §5.2).

use wire::kind;
use wire::message::Record;
use wire::name::{Folded, Name};

use crate::text::{self, Word};
use crate::tree::{self, Zone};

/// Octets of one zone file, includes counted.
pub const FILE_BYTES_MAX: usize = 512 << 20;
/// Depth of `$INCLUDE`.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// Faults told of one file.
pub const FAULTS_MAX: usize = 20;
/// Greatest TTL (RFC 2181 §8).
const TTL_MAX: u32 = i32::MAX as u32;

/// One offence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct FileFault {
    /// File, as named by the includer or the caller.
    pub file: String,
    /// Line, from 1; of what is wrong with the zone as a whole, the last.
    pub line: usize,
    /// What is wrong, naming the offence.
    pub message: String,
}

/// Reads a whole zone and checks it ([`Zone::faults`]). `include` gives the text of an included file.
///
/// # Errors
/// At most [`FAULTS_MAX`] offences.
pub fn read(
    name: &str,
    text: &str,
    origin: &Folded,
    include: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<Zone, Vec<FileFault>> {
    let mut zone = Zone::new(origin.clone());
    let mut reader = Reader::new(origin, include, None);
    reader.file(name, text, &mut |record| take(&mut zone, record));
    let mut faults = reader.faults;
    if faults.is_empty() {
        let line = text.lines().count().max(1);
        let whole = zone.faults().into_iter().map(|fault| fault.to_string());
        faults.extend(whole.map(|message| FileFault { file: name.to_owned(), line, message }));
    }
    faults.truncate(FAULTS_MAX);
    if faults.is_empty() { Ok(zone) } else { Err(faults) }
}

/// Reads records that stand elsewhere than in a zone file, one a line, `www 300 A 192.0.2.1`. Names are below `origin`.
///
/// # Errors
/// At most [`FAULTS_MAX`] offences, their file `records`.
pub fn records(text: &str, origin: &Folded, ttl_default: u32) -> Result<Vec<Record>, Vec<FileFault>> {
    let mut records = Vec::new();
    let mut include = |_: &str| Err("nothing can be included here".to_owned());
    let mut reader = Reader::new(origin, &mut include, Some(ttl_default));
    reader.file("records", text, &mut |record| {
        if !record.owner.is_at_or_below(origin) {
            return Err(outside(&record));
        }
        records.push(record);
        Ok(())
    });
    if reader.faults.is_empty() { Ok(records) } else { Err(reader.faults) }
}

/// The zone as a zone file: SOA first, canonical order, one record a line.
#[must_use]
pub fn write(zone: &Zone) -> String {
    let mut out = String::new();
    if let Some(soa) = zone.soa() {
        push_record(&soa, &mut out);
        out.push('\n');
    }
    for record in zone.records().filter(|record| record.rtype != kind::SOA) {
        push_record(&record, &mut out);
        out.push('\n');
    }
    out
}

/// One record as text, `www.example. 300 IN A 192.0.2.1`; unknown data as RFC 3597 §5.
#[must_use]
pub fn record_text(record: &Record) -> String {
    let mut out = String::new();
    push_record(record, &mut out);
    out
}

/// RDATA as text, `192.0.2.1`.
#[must_use]
pub fn rdata_text(rtype: u16, rdata: &[u8]) -> String {
    let mut out = String::new();
    text::write(rtype, rdata, &mut out);
    out
}

fn push_record(record: &Record, out: &mut String) {
    text::push_name_text(record.owner.name(), out);
    out.push_str(&format!(" {} {} ", record.ttl, kind::class_name(record.class)));
    out.push_str(&kind::type_name(record.rtype));
    out.push(' ');
    text::write(record.rtype, &record.rdata, out);
}

fn outside(record: &Record) -> String {
    format!("{} lies outside the zone", record.owner)
}

/// Puts a record into the zone; what it may not stand beside is told where it stands.
fn take(zone: &mut Zone, mut record: Record) -> Result<(), String> {
    let owner = &record.owner;
    if !owner.is_at_or_below(zone.origin()) {
        return Err(outside(&record));
    }
    let sets = zone.rrsets(owner);
    let same = tree::find(sets, record.rtype);
    match record.rtype {
        kind::SOA if owner != zone.origin() => return Err(format!("SOA at {owner}, which is not the apex")),
        kind::SOA if same.is_some() => return Err(format!("a second SOA at {owner}")),
        kind::CNAME | kind::DNAME if same.is_some_and(|set| !set.contains(&record.rdata)) => {
            return Err(format!("a second {} at {owner}", kind::type_name(record.rtype)));
        }
        _ => {}
    }
    let beside = match record.rtype {
        kind::CNAME => sets.iter().any(|set| !tree::beside_cname(set.rtype)),
        rtype => !tree::beside_cname(rtype) && tree::find(sets, kind::CNAME).is_some(),
    };
    if beside {
        return Err(format!("{owner} has a CNAME and other records"));
    }
    if let Some(set) = same {
        record.ttl = record.ttl.min(set.ttl);
    }
    zone.add(&record);
    Ok(())
}

/// What a file hands over: each record, or why it is not wanted.
type Sink<'a> = dyn FnMut(Record) -> Result<(), String> + 'a;

struct Reader<'i> {
    include: &'i mut dyn FnMut(&str) -> Result<String, String>,
    faults: Vec<FileFault>,
    origin: Folded,
    owner: Option<Folded>,
    ttl_default: Option<u32>,
    ttl_last: Option<u32>,
    ttl_soa: Option<u32>,
    depth: usize,
    bytes: usize,
}

impl<'i> Reader<'i> {
    fn new(
        origin: &Folded,
        include: &'i mut dyn FnMut(&str) -> Result<String, String>,
        ttl_default: Option<u32>,
    ) -> Reader<'i> {
        Reader {
            include,
            faults: Vec::new(),
            origin: origin.clone(),
            owner: None,
            ttl_default,
            ttl_last: None,
            ttl_soa: None,
            depth: 0,
            bytes: 0,
        }
    }

    fn fault(&mut self, file: &str, line: usize, message: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(FileFault { file: file.to_owned(), line, message });
        }
    }

    fn file(&mut self, name: &str, text: &str, sink: &mut Sink<'_>) {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > FILE_BYTES_MAX {
            self.fault(name, 1, format!("more than {FILE_BYTES_MAX} octets with all that is included"));
            return;
        }
        let mut entries = Entries { rest: text, line: 1 };
        let mut words = Vec::new();
        // Ends: every entry takes at least one octet of the text.
        while let Some(entry) = entries.next(&mut words) {
            let taken = match entry {
                Ok(blank) => self.entry(&words, blank, sink),
                Err(wrong) => Err(wrong),
            };
            if let Err((line, message)) = taken {
                self.fault(name, line, message);
            }
            if self.faults.len() >= FAULTS_MAX {
                return;
            }
        }
    }

    fn entry(&mut self, words: &[Word<'_>], blank: bool, sink: &mut Sink<'_>) -> Result<(), (usize, String)> {
        let Some(first) = words.first() else { return Ok(()) };
        let at = |message| (first.line, message);
        if first.text.starts_with('$') && !first.quoted && !blank {
            return self.directive(words, sink).map_err(at);
        }
        let words = if blank {
            words
        } else {
            self.owner = Some(self.name(first).map_err(at)?);
            &words[1..]
        };
        let Some(owner) = self.owner.clone() else {
            return Err(at("the first record has no owner".to_owned()));
        };
        let record = self.record(owner, words).map_err(at)?;
        sink(record).map_err(at)
    }

    fn record(&mut self, owner: Folded, words: &[Word<'_>]) -> Result<Record, String> {
        let mut words = words;
        let (mut ttl, mut class) = (None, None);
        // TTL and class, each at most once, in any order, then the type.
        let rtype = loop {
            let Some((word, rest)) = words.split_first() else { return Err("the type is missing".to_owned()) };
            words = rest;
            let word = word.text;
            if ttl.is_none() && word.starts_with(|first: char| first.is_ascii_digit()) {
                ttl = Some(read_ttl(word)?);
            } else if let Some(rtype) = kind::type_from_name(word) {
                break rtype;
            } else if class.is_none()
                && let Some(number) = kind::class_from_name(word)
            {
                class = Some(number);
            } else {
                return Err(format!("\"{word}\" is no type"));
            }
        };
        let type_name = kind::type_name(rtype);
        // Types 128 to 255 are questions and pseudo-records (RFC 6895 §3.1).
        if rtype == 0 || rtype == kind::OPT || (128..=255).contains(&rtype) {
            return Err(format!("type {type_name} cannot be in a zone"));
        }
        if let Some(class) = class.filter(|class| *class != kind::CLASS_IN) {
            return Err(format!("class {} is not served, only IN", kind::class_name(class)));
        }
        let rdata = text::read(rtype, words, &self.origin).map_err(|wrong| format!("{type_name}: {wrong}"))?;
        if rtype == kind::SOA {
            self.ttl_soa = rdata.last_chunk().map(|minimum| u32::from_be_bytes(*minimum).min(TTL_MAX));
        }
        if ttl.is_some() {
            self.ttl_last = ttl;
        }
        let ttl = ttl.or(self.ttl_default).or(self.ttl_last).or(self.ttl_soa);
        let Some(ttl) = ttl else { return Err("no TTL here, no $TTL and no record with one before".to_owned()) };
        Ok(Record { owner, rtype, class: kind::CLASS_IN, ttl, rdata })
    }

    fn directive(&mut self, words: &[Word<'_>], sink: &mut Sink<'_>) -> Result<(), String> {
        let [directive, arguments @ ..] = words else { return Ok(()) };
        let name = directive.text.to_ascii_uppercase();
        match (&*name, arguments) {
            ("$ORIGIN", [origin]) => self.origin = self.name(origin)?,
            ("$TTL", [ttl]) => self.ttl_default = Some(read_ttl(ttl.text)?),
            ("$INCLUDE", [path]) => self.included(path.text, None, sink)?,
            ("$INCLUDE", [path, origin]) => {
                let origin = self.name(origin)?;
                self.included(path.text, Some(origin), sink)?;
            }
            ("$ORIGIN" | "$TTL" | "$INCLUDE", _) => {
                return Err(format!("{name} with {} words", arguments.len()));
            }
            _ => return Err(format!("{} is not known; $ORIGIN, $TTL and $INCLUDE are", directive.text)),
        }
        Ok(())
    }

    fn included(&mut self, path: &str, origin: Option<Folded>, sink: &mut Sink<'_>) -> Result<(), String> {
        if self.depth >= INCLUDE_DEPTH_MAX {
            return Err(format!("$INCLUDE more than {INCLUDE_DEPTH_MAX} deep"));
        }
        let text = (self.include)(path).map_err(|why| format!("cannot include \"{path}\": {why}"))?;
        // RFC 1035 §5.1: an included file changes neither origin nor owner of the including one.
        let before = (self.origin.clone(), self.owner.clone());
        if let Some(origin) = origin {
            self.origin = origin;
        }
        self.depth += 1;
        self.file(path, &text, sink);
        self.depth -= 1;
        (self.origin, self.owner) = before;
        Ok(())
    }

    fn name(&self, word: &Word<'_>) -> Result<Folded, String> {
        let mut wire = Vec::with_capacity(64);
        text::push_name(word, &self.origin, &mut wire)?;
        Name::new(&wire).map(Name::fold).ok_or_else(|| format!("\"{}\" is no name", word.text))
    }
}

fn read_ttl(text: &str) -> Result<u32, String> {
    let ttl = text::span(text).ok_or_else(|| format!("\"{text}\" is no TTL"))?;
    if ttl > TTL_MAX { Err(format!("TTL {ttl} is over {TTL_MAX} (RFC 2181 §8)")) } else { Ok(ttl) }
}

/// A file's entries: lines, with parentheses several in one.
struct Entries<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Entries<'t> {
    /// The words of the next entry, and whether it begins with white space; where it is broken, the rest of the line is left
    /// out.
    fn next(&mut self, words: &mut Vec<Word<'t>>) -> Option<Result<bool, (usize, String)>> {
        words.clear();
        let mut opened: Option<usize> = None;
        let mut blank = None;
        // Ends: every turn takes an octet.
        loop {
            let Some(&octet) = self.rest.as_bytes().first() else {
                if let Some(line) = opened {
                    return Some(Err((line, "a parenthesis is not closed".to_owned())));
                }
                return (!words.is_empty()).then_some(Ok(blank.unwrap_or(false)));
            };
            match octet {
                b'\n' => {
                    self.rest = &self.rest[1..];
                    self.line += 1;
                    if opened.is_none() {
                        if words.is_empty() {
                            blank = None;
                            continue;
                        }
                        return Some(Ok(blank.unwrap_or(false)));
                    }
                }
                b' ' | b'\t' | b'\r' => {
                    self.rest = &self.rest[1..];
                    blank.get_or_insert(true);
                }
                b';' => self.skip_line(),
                b'(' | b')' => {
                    self.rest = &self.rest[1..];
                    blank.get_or_insert(true);
                    let line = self.line;
                    match (octet, opened) {
                        (b'(', None) => opened = Some(line),
                        (b')', Some(_)) => opened = None,
                        (_, Some(_)) => return self.broken(line, "a parenthesis within parentheses"),
                        (_, None) => return self.broken(line, "a closing parenthesis without an opening one"),
                    }
                }
                _ => match text::take_word(self.rest, self.line) {
                    Ok((word, rest)) => {
                        blank.get_or_insert(false);
                        // An escaped line end may be within a word.
                        self.line += word.text.bytes().filter(|octet| *octet == b'\n').count();
                        words.push(word);
                        self.rest = rest;
                    }
                    Err(wrong) => return self.broken(self.line, &wrong),
                },
            }
        }
    }

    fn broken(&mut self, line: usize, message: &str) -> Option<Result<bool, (usize, String)>> {
        self.skip_line();
        Some(Err((line, message.to_owned())))
    }

    fn skip_line(&mut self) {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        self.rest = &self.rest[end..];
    }
}

#[cfg(test)]
mod tests;
