//! Names in wire form: checked, uncompressed, borrowed; their folded and presentation forms.

/// Longest name, octets on the wire (RFC 1035 §2.3.4).
pub const NAME_LEN_MAX: usize = 255;
/// Longest label, octets.
pub const LABEL_LEN_MAX: usize = 63;

/// A checked, uncompressed name in wire form, root label included, case as it came.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a>(&'a [u8]);

/// A name folded to lower case, held inline: what is compared, hashed and kept.
#[derive(Clone, Debug)]
pub struct Folded {
    len: u8,
    octets: [u8; NAME_LEN_MAX],
}

impl<'a> Name<'a> {
    /// Checks an uncompressed name that fills `wire` exactly.
    #[must_use]
    pub fn new(_wire: &'a [u8]) -> Option<Name<'a>> {
        todo!()
    }

    /// The octets, root label included.
    #[must_use]
    pub fn wire(self) -> &'a [u8] {
        self.0
    }

    /// The name in lower case (ASCII only, RFC 4343).
    #[must_use]
    pub fn fold(self) -> Folded {
        todo!()
    }
}

impl Folded {
    /// The octets, root label included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// Reads presentation text such as `www.Example.com` or `www.example.com.`, escapes `\.` and `\065` included; `None` when it is no name.
    #[must_use]
    pub fn from_text(_text: &str) -> Option<Folded> {
        todo!()
    }

    /// Presentation form without the final dot; `.` for the root; unprintable octets as `\ddd`.
    #[must_use]
    pub fn text(&self) -> String {
        todo!()
    }

    /// Offsets at which each label starts, leftmost first, root not included.
    pub fn label_starts(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        std::iter::empty()
    }
}
