//! Messages read and written the long way: every name expanded, every record a value of its own. Knows nothing of `wire`.

use std::collections::BTreeSet;
use std::fmt;

pub(crate) const SOA: u16 = 6;
pub(crate) const OPT: u16 = 41;

/// Name in wire form, TYPE, CLASS.
pub(crate) type Question = (Vec<u8>, u16, u16);

/// Code and data of an option.
pub(crate) type Opt = (u16, Vec<u8>);

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// In lower case, without compression.
    pub(crate) owner: Vec<u8>,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    /// Without compression.
    pub(crate) data: Vec<u8>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} TYPE{} CLASS{} {} ", text(&self.owner), self.kind, self.class, self.ttl)?;
        self.data.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The OPT record of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edns {
    pub(crate) udp_size: u16,
    pub(crate) dnssec_ok: bool,
    /// Sorted: their order says nothing.
    pub(crate) options: Vec<Opt>,
}

/// A reply as a client understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) id: u16,
    pub(crate) opcode: u16,
    /// AA, TC, RD, RA, AD, CD.
    pub(crate) flags: BTreeSet<&'static str>,
    /// Header and OPT together (RFC 6891 §6.1.3).
    pub(crate) rcode: u16,
    /// The name as it is spelled there.
    pub(crate) question: Option<Question>,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    pub(crate) edns: Option<Edns>,
}

/// Flags by their bit (RFC 1035 §4.1.1, RFC 4035 §3).
pub(crate) const FLAGS: [(u16, &str); 6] =
    [(0x0400, "AA"), (0x0200, "TC"), (0x0100, "RD"), (0x0080, "RA"), (0x0020, "AD"), (0x0010, "CD")];

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from(*bytes.get(at)?) << 8 | u16::from(*bytes.get(at + 1)?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16_at(bytes, at)?) << 16 | u32::from(u16_at(bytes, at + 2)?))
}

/// The name at `at`, expanded, and where it ends there (RFC 1035 §3.1, §4.1.4). Pointers lead backwards only, and not
/// into the header.
pub(crate) fn name_at(bytes: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let len = *bytes.get(at)?;
    match len >> 6 {
        0 if len == 0 => Some((vec![0], at + 1)),
        0 => {
            let next = at + 1 + usize::from(len);
            let (rest, end) = name_at(bytes, next)?;
            let name = [bytes.get(at..next)?, &rest].concat();
            (name.len() <= 255).then_some((name, end))
        }
        3 => {
            let target = usize::from(u16_at(bytes, at)? & 0x3fff);
            let (name, _) = (12..at).contains(&target).then(|| name_at(bytes, target))??;
            Some((name, at + 2))
        }
        _ => None,
    }
}

/// The question at `at`, whose name must lie there whole, and where it ends.
pub(crate) fn question_at(bytes: &[u8], at: usize) -> Option<(Question, usize)> {
    let (name, end) = name_at(bytes, at)?;
    let whole = end - at == name.len();
    whole.then_some(((name, u16_at(bytes, end)?, u16_at(bytes, end + 2)?), end + 4))
}

/// The record at `at` and where it ends. Names in data are expanded where RFC 1035 lets them be compressed.
pub(crate) fn record_at(bytes: &[u8], at: usize) -> Option<(Record, usize)> {
    let (owner, fixed) = name_at(bytes, at)?;
    let (kind, class, ttl) = (u16_at(bytes, fixed)?, u16_at(bytes, fixed + 2)?, u32_at(bytes, fixed + 4)?);
    let start = fixed + 10;
    let end = start + usize::from(u16_at(bytes, fixed + 8)?);
    let raw = bytes.get(start..end)?;
    let (before, names) = match kind {
        // NS, CNAME, PTR; SOA; MX.
        2 | 5 | 12 => (0, 1),
        SOA => (0, 2),
        15 => (2, 1),
        _ => (0, 0),
    };
    let mut data = raw.get(..before)?.to_vec();
    let mut rest = start + before;
    for _ in 0..names {
        let (name, after) = name_at(bytes, rest)?;
        data.extend(name);
        rest = after;
    }
    data.extend(bytes.get(rest..end)?);
    Some((Record { owner: owner.to_ascii_lowercase(), kind, class, ttl, data }, end))
}

/// Options one after another (RFC 6891 §6.1.2); `None` when they do not fill the data exactly.
pub(crate) fn options(data: &[u8]) -> Option<Vec<Opt>> {
    if data.is_empty() {
        return Some(Vec::new());
    }
    let (code, end) = (u16_at(data, 0)?, 4 + usize::from(u16_at(data, 2)?));
    let mut list = vec![(code, data.get(4..end)?.to_vec())];
    list.extend(options(&data[end..])?);
    Some(list)
}

/// Reads a reply; the error says which rule it breaks.
pub(crate) fn reply(bytes: &[u8]) -> Result<Reply, String> {
    let field = |index: usize| u16_at(bytes, 2 * index).ok_or("no header");
    let header = field(1)?;
    if header & 0x8000 == 0 || header & 0x0040 != 0 {
        return Err(format!("QR must be set and Z not: {header:#x}"));
    }
    let mut at = 12;
    let mut question = None;
    if field(2)? > 0 {
        let (asked, end) = question_at(bytes, at).ok_or("no question where one is counted")?;
        (question, at) = (Some(asked), end);
    }
    let mut sections = [Vec::new(), Vec::new(), Vec::new()];
    for (section, index) in sections.iter_mut().zip(3..) {
        for _ in 0..field(index)? {
            let (record, end) = record_at(bytes, at).ok_or(format!("no record at {at}"))?;
            section.push(record);
            at = end;
        }
    }
    if at != bytes.len() || field(2)? > 1 {
        return Err(format!("ends at {at} of {}, questions: {}", bytes.len(), field(2)?));
    }
    let [answer, authority, mut additional] = sections;
    let mut rcode = header & 0xf;
    let mut edns = None;
    if let Some(at) = additional.iter().position(|record| record.kind == OPT) {
        let record = additional.remove(at);
        if record.owner != [0] || record.ttl & 0x00ff_7fff != 0 {
            return Err(format!("OPT of another name, version or with unknown flags: {record:?}"));
        }
        rcode |= (record.ttl >> 24 << 4) as u16;
        let mut options = options(&record.data).ok_or("options that do not fit")?;
        options.sort();
        edns = Some(Edns { udp_size: record.class, dnssec_ok: record.ttl & 0x8000 != 0, options });
    }
    if [&answer, &authority, &additional].iter().any(|section| section.iter().any(|record| record.kind == OPT)) {
        return Err("a second OPT, or one out of place".to_owned());
    }
    let flags = FLAGS.iter().filter(|(bit, _)| header & bit != 0).map(|(_, name)| *name).collect();
    Ok(Reply { id: field(0)?, opcode: header >> 11 & 0xf, flags, rcode, question, answer, authority, additional, edns })
}

/// Question and records written out behind a header of zeros. The owner of a record is a pointer where the question's name ends
/// in it; names in data are whole.
pub(crate) fn body(question: &Question, sections: [&[Record]; 3]) -> Vec<u8> {
    let (qname, kind, class) = question;
    let mut bytes = vec![0; 12];
    bytes.extend(qname);
    bytes.extend([kind, class].map(|field| field.to_be_bytes()).concat());
    let folded = qname.to_ascii_lowercase();
    for record in sections.into_iter().flatten() {
        match suffixes(&folded).find(|at| folded[*at..] == record.owner) {
            Some(at) => bytes.extend((0xc000 | (12 + at) as u16).to_be_bytes()),
            None => bytes.extend(&record.owner),
        }
        bytes.extend([record.kind, record.class].map(u16::to_be_bytes).concat());
        bytes.extend(record.ttl.to_be_bytes());
        bytes.extend((record.data.len() as u16).to_be_bytes());
        bytes.extend(&record.data);
    }
    bytes
}

/// Where each suffix of a name begins, the whole first, the root last.
pub(crate) fn suffixes(name: &[u8]) -> impl Iterator<Item = usize> + '_ {
    std::iter::successors(Some(0), |&at| (name[at] != 0).then(|| at + 1 + usize::from(name[at])))
}

/// `www.example` in wire form, case as it is.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}

/// The other way, in lower case and with escapes (RFC 1035 §5.1).
pub(crate) fn text(name: &[u8]) -> String {
    let octet = |octet: &u8| match octet.to_ascii_lowercase() {
        special if b".\\\";()@$".contains(&special) => format!("\\{}", char::from(special)),
        plain @ 0x21..=0x7e => char::from(plain).to_string(),
        other => format!("\\{other:03}"),
    };
    let labels = suffixes(name).filter(|&at| name[at] != 0);
    let labels: Vec<String> =
        labels.map(|at| name[at + 1..=at + usize::from(name[at])].iter().map(octet).collect()).collect();
    if labels.is_empty() { ".".to_owned() } else { labels.join(".") }
}
