//! CBOR (RFC 8949), as far as C-DNS needs it: item by item from a stream, lengths believed only as far as octets come.

use std::io::{BufRead as _, BufReader, Read};

/// Arrays, maps and tags inside each other that are stepped over.
const DEPTH_MAX: u32 = 16;
/// Octets read at a time.
const PIECE_LEN: usize = 4_096;

/// The head of an item. Lengths are `None` where a break ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Unsigned(u64),
    /// The number is -1 minus this.
    Negative(u64),
    Bytes(Option<u64>),
    Text(Option<u64>),
    Array(Option<u64>),
    Map(Option<u64>),
    Tag,
    Simple,
    Break,
}

/// What is left of an array or map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left(Option<u64>);

/// Reads items.
pub(crate) struct Cbor {
    read: BufReader<Box<dyn Read + Send>>,
    at: u64,
    peeked: Option<u8>,
}

type Result<T> = std::result::Result<T, String>;

impl Cbor {
    pub(crate) fn new(read: Box<dyn Read + Send>) -> Cbor {
        Cbor { read: BufReader::with_capacity(64 * 1024, read), at: 0, peeked: None }
    }

    /// Octets taken so far.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// Looks behind the last item: a packed file is known to be whole only when all of it was read. What is there is nobody's.
    pub(crate) fn end(&mut self) {
        let _ = self.read.fill_buf();
    }

    fn octet(&mut self) -> Result<u8> {
        if let Some(octet) = self.peeked.take() {
            self.at += 1;
            return Ok(octet);
        }
        let mut octet = [0];
        self.fill(&mut octet)?;
        Ok(octet[0])
    }

    fn peek(&mut self) -> Result<u8> {
        let octet = self.octet()?;
        self.at -= 1;
        self.peeked = Some(octet);
        Ok(octet)
    }

    fn fill(&mut self, octets: &mut [u8]) -> Result<()> {
        self.read.read_exact(octets).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "the file ends within an item".to_owned(),
            _ => error.to_string(),
        })?;
        self.at += octets.len() as u64;
        Ok(())
    }

    fn item(&mut self) -> Result<Item> {
        let first = self.octet()?;
        let (major, minor) = (first >> 5, first & 0x1f);
        let argument = match minor {
            0..=23 => Some(u64::from(minor)),
            24..=27 => {
                let mut octets = [0; 8];
                let len = 1 << (minor - 24);
                self.fill(&mut octets[8 - len..])?;
                Some(u64::from_be_bytes(octets))
            }
            31 => None,
            _ => return Err("an item of a reserved form".to_owned()),
        };
        Ok(match (major, argument) {
            (0, Some(number)) => Item::Unsigned(number),
            (1, Some(number)) => Item::Negative(number),
            (2, len) => Item::Bytes(len),
            (3, len) => Item::Text(len),
            (4, len) => Item::Array(len),
            (5, len) => Item::Map(len),
            (6, Some(_)) => Item::Tag,
            (7, Some(_)) => Item::Simple,
            (7, None) => Item::Break,
            _ => return Err("a number without an end".to_owned()),
        })
    }

    fn wrong<T>(&self, wanted: &str, found: Item) -> Result<T> {
        Err(format!("{found:?} where {wanted} was due"))
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64> {
        match self.item()? {
            Item::Unsigned(number) => Ok(number),
            other => self.wrong("a number", other),
        }
    }

    /// A number that need not be positive; what does not fit is the nearest that does.
    pub(crate) fn integer(&mut self) -> Result<i64> {
        match self.item()? {
            Item::Unsigned(number) => Ok(i64::try_from(number).unwrap_or(i64::MAX)),
            Item::Negative(number) => Ok(i64::try_from(number).map_or(i64::MIN, |number| -1 - number)),
            other => self.wrong("a number", other),
        }
    }

    /// An octet string of at most so many octets.
    pub(crate) fn bytes(&mut self, most: usize) -> Result<Vec<u8>> {
        match self.item()? {
            Item::Bytes(len) => self.content(len, 2, most),
            other => self.wrong("octets", other),
        }
    }

    pub(crate) fn text(&mut self, most: usize) -> Result<String> {
        match self.item()? {
            Item::Text(len) => Ok(String::from_utf8_lossy(&self.content(len, 3, most)?).into_owned()),
            other => self.wrong("text", other),
        }
    }

    /// The content of a string, or of its pieces, which are of the same major type.
    fn content(&mut self, len: Option<u64>, major: u8, most: usize) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        if let Some(len) = len {
            self.append(len, &mut content, most)?;
            return Ok(content);
        }
        // Ends: every turn takes an octet off the input.
        loop {
            match (self.item()?, major) {
                (Item::Break, _) => return Ok(content),
                (Item::Bytes(Some(len)), 2) | (Item::Text(Some(len)), 3) => self.append(len, &mut content, most)?,
                (other, _) => return self.wrong("a piece of a string", other),
            }
        }
    }

    fn append(&mut self, len: u64, content: &mut Vec<u8>, most: usize) -> Result<()> {
        let room = most.saturating_sub(content.len());
        let len = usize::try_from(len).ok().filter(|len| *len <= room);
        let Some(mut left) = len else { return Err(format!("a string of more than {most} octets")) };
        while left > 0 {
            let piece = left.min(PIECE_LEN);
            let start = content.len();
            content.resize(start + piece, 0);
            self.fill(&mut content[start..])?;
            left -= piece;
        }
        Ok(())
    }

    pub(crate) fn array(&mut self) -> Result<Left> {
        match self.item()? {
            Item::Array(len) => Ok(Left(len)),
            other => self.wrong("an array", other),
        }
    }

    pub(crate) fn map(&mut self) -> Result<Left> {
        match self.item()? {
            Item::Map(len) => Ok(Left(len)),
            other => self.wrong("a map", other),
        }
    }

    /// Whether an array or map has another element; takes the break at its end.
    pub(crate) fn more(&mut self, left: &mut Left) -> Result<bool> {
        match &mut left.0 {
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                Ok(true)
            }
            None if self.peek()? == 0xff => {
                self.octet()?;
                // Asked again, it is at its end still.
                left.0 = Some(0);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// Steps over the next item with all that is in it.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.skip_within(DEPTH_MAX)
    }

    fn skip_within(&mut self, depth: u32) -> Result<()> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(format!("more than {DEPTH_MAX} items inside each other"));
        };
        match self.item()? {
            Item::Unsigned(_) | Item::Negative(_) | Item::Simple => Ok(()),
            Item::Tag => self.skip_within(depth),
            Item::Bytes(Some(len)) | Item::Text(Some(len)) => self.skip_octets(len),
            Item::Break => Err("a break where an item was due".to_owned()),
            // The pieces of a string without a length end like the elements of an array without one.
            Item::Bytes(None) | Item::Text(None) => self.skip_elements(Left(None), 1, depth),
            Item::Array(len) => self.skip_elements(Left(len), 1, depth),
            Item::Map(len) => self.skip_elements(Left(len), 2, depth),
        }
    }

    fn skip_elements(&mut self, mut left: Left, each: u32, depth: u32) -> Result<()> {
        while self.more(&mut left)? {
            for _ in 0..each {
                self.skip_within(depth)?;
            }
        }
        Ok(())
    }

    fn skip_octets(&mut self, mut len: u64) -> Result<()> {
        let mut piece = [0; PIECE_LEN];
        while len > 0 {
            let now = len.min(PIECE_LEN as u64) as usize;
            self.fill(&mut piece[..now])?;
            len -= now as u64;
        }
        Ok(())
    }
}
