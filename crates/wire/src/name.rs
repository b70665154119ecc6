//! Names in wire form: checked, uncompressed, borrowed; their folded and presentation forms.

use std::fmt;
use std::hash::{Hash, Hasher};

/// Longest name, octets on the wire (RFC 1035 §2.3.4).
pub const NAME_LEN_MAX: usize = 255;
/// Longest label, octets.
pub const LABEL_LEN_MAX: usize = 63;
/// Octets folded at once: a vector register of the oldest processor we build for.
const FOLD_BLOCK: usize = 16;

/// A checked, uncompressed name in wire form, root label included, case as it came.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a>(&'a [u8]);

/// A name folded to lower case, held inline: what is compared, hashed and kept.
#[derive(Clone)]
pub struct Folded {
    len: u8,
    octets: [u8; NAME_LEN_MAX],
}

impl<'a> Name<'a> {
    /// The root.
    pub const ROOT: Name<'static> = Name(&[0]);

    /// Checks an uncompressed name that fills `wire` exactly.
    #[must_use]
    pub fn new(wire: &'a [u8]) -> Option<Name<'a>> {
        match Self::split(wire) {
            Ok((name, [])) => Some(name),
            _ => None,
        }
    }

    /// Takes an uncompressed name off the front of `wire`; the error is the offset of the octet that breaks it.
    ///
    /// # Errors
    /// Cut short, a label over 63 octets, a compression pointer, or a name over 255 octets.
    pub fn split(wire: &'a [u8]) -> Result<(Name<'a>, &'a [u8]), usize> {
        let mut at = 0;
        // Ends: every turn moves on by at least one octet and never past `NAME_LEN_MAX`.
        loop {
            let label = usize::from(*wire.get(at).ok_or(at)?);
            if label > LABEL_LEN_MAX || at + 1 + label > NAME_LEN_MAX {
                return Err(at);
            }
            at += 1 + label;
            if label == 0 {
                let (name, rest) = wire.split_at_checked(at).ok_or(at)?;
                return Ok((Name(name), rest));
            }
        }
    }

    /// The octets, root label included.
    #[must_use]
    pub fn wire(self) -> &'a [u8] {
        self.0
    }

    /// The name in lower case (ASCII only, RFC 4343).
    #[must_use]
    pub fn fold(self) -> Folded {
        Folded::from_checked(self.0)
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(self.0, f)
    }
}

impl Folded {
    /// The root.
    #[must_use]
    pub fn root() -> Folded {
        Self::from_checked(&[0])
    }

    /// Folds a name that was checked: at most `NAME_LEN_MAX` octets. Length octets are below `A`, so they stay.
    fn from_checked(wire: &[u8]) -> Folded {
        let mut octets = [0; NAME_LEN_MAX];
        let len = wire.len().min(NAME_LEN_MAX);
        octets[..len].copy_from_slice(&wire[..len]);
        // Whole blocks, since octets behind the name are 0 and stay so: the compiler makes a few vector instructions of each.
        let (blocks, rest) = octets.as_chunks_mut::<FOLD_BLOCK>();
        blocks.iter_mut().take(len.div_ceil(FOLD_BLOCK)).for_each(|block| block.make_ascii_lowercase());
        if len > NAME_LEN_MAX - rest.len() {
            rest.make_ascii_lowercase();
        }
        Folded { len: len as u8, octets }
    }

    /// The octets, root label included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// The same name, borrowed.
    #[must_use]
    pub fn name(&self) -> Name<'_> {
        Name(self.wire())
    }

    /// Reads presentation text such as `www.Example.com` or `www.example.com.`, escapes `\.` and `\065` included;
    /// `None` when it is no name. Octets above 127 are kept as they are: internationalised names must already be
    /// in their `xn--` form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Folded> {
        if text == "." {
            return Some(Self::root());
        }
        let mut folded = Folded { len: 0, octets: [0; NAME_LEN_MAX] };
        let mut label_start = folded.begin_label(None)?;
        let mut octets = text.bytes();
        let mut ended = false;
        while let Some(octet) = octets.next() {
            if ended {
                label_start = folded.begin_label(Some(label_start))?;
                ended = false;
            }
            match octet {
                b'.' => {
                    ended = true;
                    if usize::from(folded.len) == label_start + 1 {
                        return None;
                    }
                }
                b'\\' => folded.push(unescape(&mut octets)?)?,
                _ => folded.push(octet)?,
            }
        }
        folded.end_label(label_start)?;
        folded.push(0)?;
        let len = usize::from(folded.len);
        // Labels are at most 63 octets, so their length octets stay when letters are folded.
        folded.octets[..len].make_ascii_lowercase();
        Some(folded)
    }

    /// Presentation form without the final dot; `.` for the root; unprintable octets as `\ddd`.
    #[must_use]
    pub fn text(&self) -> String {
        // As long as the name on the wire less root and first length octet, unless something is escaped.
        let mut text = String::with_capacity(self.wire().len());
        // Writing into a string cannot fail.
        let _ = write_text(self.wire(), &mut text);
        text
    }

    /// Offsets at which each label starts, leftmost first, root not included.
    pub fn label_starts(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        // At most 127 labels fit into 255 octets. Found once from the left, so that both directions are a walk.
        let mut starts = [0u8; NAME_LEN_MAX / 2];
        let mut count = 0;
        let mut at = 0usize;
        while let Some(&label) = self.wire().get(at).filter(|&&label| label != 0) {
            starts[count] = at as u8;
            count += 1;
            at += 1 + usize::from(label);
        }
        starts.into_iter().take(count).map(usize::from)
    }

    /// Whether this name is `other` or lies below it.
    #[must_use]
    pub fn is_at_or_below(&self, other: &Folded) -> bool {
        let Some(start) = self.wire().len().checked_sub(other.wire().len()) else { return false };
        self.wire()[start..] == *other.wire()
            && (start == self.wire().len() - 1 || self.label_starts().any(|label| label == start))
    }

    /// Reserves the length octet of a new label, after closing the one before. Gives where it starts.
    fn begin_label(&mut self, previous: Option<usize>) -> Option<usize> {
        if let Some(previous) = previous {
            self.end_label(previous)?;
        }
        let start = usize::from(self.len);
        self.push(0)?;
        Some(start)
    }

    /// Writes the length octet of the label that began at `start`.
    fn end_label(&mut self, start: usize) -> Option<()> {
        let len = usize::from(self.len) - start - 1;
        if len == 0 || len > LABEL_LEN_MAX {
            return None;
        }
        self.octets[start] = len as u8;
        Some(())
    }

    fn push(&mut self, octet: u8) -> Option<()> {
        *self.octets.get_mut(usize::from(self.len))? = octet;
        self.len += 1;
        Some(())
    }
}

impl PartialEq for Folded {
    fn eq(&self, other: &Self) -> bool {
        self.wire() == other.wire()
    }
}

impl Eq for Folded {}

impl Hash for Folded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.wire().hash(state);
    }
}

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(self.wire(), f)
    }
}

impl fmt::Debug for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Folded({self})")
    }
}

/// What follows a backslash: three decimal digits up to 255, or one octet that is no digit (RFC 1035 §5.1).
fn unescape(octets: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = octets.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

/// Presentation form of a checked wire name, without the final dot unless it is the root.
fn write_text(wire: &[u8], f: &mut impl fmt::Write) -> fmt::Result {
    let mut rest = wire;
    let mut first = true;
    while let Some((&len, tail)) = rest.split_first().filter(|(len, _)| **len != 0) {
        let (label, tail) = tail.split_at(usize::from(len).min(tail.len()));
        if !first {
            f.write_char('.')?;
        }
        first = false;
        rest = tail;
        // Nearly every label there is: written as a whole.
        let plain = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        if label.iter().all(plain)
            && let Ok(label) = str::from_utf8(label)
        {
            f.write_str(label)?;
            continue;
        }
        for &octet in label {
            match octet {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => write!(f, "\\{}", char::from(octet))?,
                0x21..=0x7e => f.write_char(char::from(octet))?,
                _ => write!(f, "\\{octet:03}")?,
            }
        }
    }
    if first { f.write_char('.') } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Folded {
        Folded::from_text(text).unwrap()
    }

    #[test]
    fn text_in_text_out() {
        for (text, expected) in [
            (".", "."),
            ("www.Example.COM", "www.example.com"),
            ("www.example.com.", "www.example.com"),
            (r"a\.b.example", r"a\.b.example"),
            (r"\065\066.example", "ab.example"),
            (r"\000\255.example", r"\000\255.example"),
            (r"a\ b", r"a\032b"),
            ("_dmarc.example", "_dmarc.example"),
            ("*.example", "*.example"),
        ] {
            assert_eq!(folded(text).text(), expected, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_name() {
        let label_64 = "a".repeat(64);
        let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(62)].join(".");
        for wrong in ["", "..", ".a", "a..b", "a..", r"a\", r"a\25", r"a\256", &label_64, &long] {
            assert_eq!(Folded::from_text(wrong), None, "{wrong}");
        }
        let longest = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        assert_eq!(folded(&longest).wire().len(), NAME_LEN_MAX);
        assert_eq!(folded(&format!("{longest}.")).text(), longest);
    }

    #[test]
    fn wire_that_is_no_name_says_where() {
        for (wire, at) in
            [(&b""[..], 0), (b"\x03ww", 4), (b"\x03www", 4), (b"\x40", 0), (b"\x01a\xc0\x00", 2), (&[1; 300][..], 254)]
        {
            assert_eq!(Name::split(wire).err(), Some(at), "{wire:?}");
        }
        assert!(Name::new(b"\x01a\0x").is_none());
        assert!(Name::new(&[&[1, b'a'].repeat(127)[..], &[0]].concat()).is_some());
    }

    #[test]
    fn labels_from_both_ends() {
        let name = folded("a.bc.def");
        assert_eq!(name.label_starts().collect::<Vec<_>>(), [0, 2, 5]);
        assert_eq!(name.label_starts().rev().collect::<Vec<_>>(), [5, 2, 0]);
        assert_eq!(Folded::root().label_starts().count(), 0);
        let most = Name::new(&[&[1, b'a'].repeat(127)[..], &[0]].concat()).unwrap().fold();
        assert_eq!(most.label_starts().count(), 127);
    }

    #[test]
    fn names_of_every_length_are_folded_whole() {
        for labels in 0..=NAME_LEN_MAX / 2 {
            let wire = |letter| [&[1, letter].repeat(labels)[..], &[0]].concat();
            assert_eq!(Name::new(&wire(b'A')).unwrap().fold().wire(), wire(b'a'), "{labels}");
        }
    }

    #[test]
    fn below_means_whole_labels() {
        for (name, other, expected) in [
            ("a.example", "example", true),
            ("example", "example", true),
            ("example", ".", true),
            (".", ".", true),
            ("badexample", "example", false),
            ("example", "a.example", false),
            // `\007example` inside a label looks like the label `example` to a comparison of octets.
            (r"x\007example", "example", false),
        ] {
            assert_eq!(folded(name).is_at_or_below(&folded(other)), expected, "{name} {other}");
        }
    }
}
