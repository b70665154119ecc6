//! Frame streams: a length of 4 octets and that many octets; a length of 0 announces a control frame.
//!
//! Knows the frames, not the order they come in.

/// Longest data frame read or written, in octets. Two DNS messages of the greatest length and all about them are 132 KiB.
pub const FRAME_LEN_MAX: usize = 1 << 20;
/// Longest control frame read, in octets.
pub const CONTROL_LEN_MAX: usize = 512;
/// Longest content type read, in octets.
pub const CONTENT_TYPE_LEN_MAX: usize = 256;

/// The one field control frames have.
const FIELD_CONTENT_TYPE: u32 = 1;
/// Octets taken at the front are given back when there are this many.
const COMPACT_AFTER: usize = 64 * 1024;

/// Why a stream cannot be read on. There is no way back into the frames after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// A data frame beyond [`FRAME_LEN_MAX`].
    #[error("a frame of {len} octets; at most {FRAME_LEN_MAX} are read")]
    TooLong {
        /// Octets it claims.
        len: u32,
    },
    /// A control frame beyond [`CONTROL_LEN_MAX`].
    #[error("a control frame of {len} octets; at most {CONTROL_LEN_MAX} are read")]
    ControlTooLong {
        /// Octets it claims.
        len: u32,
    },
    /// A control frame whose fields do not fit, or are unknown.
    #[error("a control frame that cannot be read")]
    ControlMalformed,
    /// A control frame of a type nobody defined.
    #[error("a control frame of unknown type {number}")]
    ControlUnknown {
        /// Type.
        number: u32,
    },
}

/// What a control frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ControlType {
    /// The receiver takes one of the content types offered.
    Accept = 1,
    /// Data follows.
    Start = 2,
    /// No more data follows.
    Stop = 3,
    /// The sender offers content types.
    Ready = 4,
    /// The receiver has all of it.
    Finish = 5,
}

impl ControlType {
    const fn from_number(number: u32) -> Option<ControlType> {
        Some(match number {
            1 => Self::Accept,
            2 => Self::Start,
            3 => Self::Stop,
            4 => Self::Ready,
            5 => Self::Finish,
            _ => return None,
        })
    }
}

/// A control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// What it says.
    pub kind: ControlType,
    /// Content types, in order: any number in READY and ACCEPT, at most one in START, none in the others.
    pub content_types: Vec<Vec<u8>>,
}

impl Control {
    /// A control frame without a field.
    #[must_use]
    pub const fn bare(kind: ControlType) -> Control {
        Control { kind, content_types: Vec::new() }
    }

    /// A control frame for one content type.
    #[must_use]
    pub fn of(kind: ControlType, content_type: &[u8]) -> Control {
        Control { kind, content_types: vec![content_type.to_vec()] }
    }

    /// Whether this content type is among those it names; one that names none takes any.
    #[must_use]
    pub fn takes(&self, content_type: &[u8]) -> bool {
        self.content_types.is_empty() || self.content_types.iter().any(|named| named == content_type)
    }

    /// Reads what follows the two lengths.
    ///
    /// # Errors
    /// Octets that are no control frame.
    pub fn read(bytes: &[u8]) -> Result<Control, FrameFault> {
        let (number, mut rest) = split_u32(bytes).ok_or(FrameFault::ControlMalformed)?;
        let kind = ControlType::from_number(number).ok_or(FrameFault::ControlUnknown { number })?;
        let mut content_types = Vec::new();
        // Ends: every turn takes at least eight octets off.
        while !rest.is_empty() {
            let field = split_u32(rest).and_then(|(field, rest)| split_u32(rest).map(|(len, rest)| (field, len, rest)));
            let Some((FIELD_CONTENT_TYPE, len, after)) = field else { return Err(FrameFault::ControlMalformed) };
            let len = len as usize;
            if len > CONTENT_TYPE_LEN_MAX || len > after.len() {
                return Err(FrameFault::ControlMalformed);
            }
            let (content_type, after) = after.split_at(len);
            content_types.push(content_type.to_vec());
            rest = after;
        }
        let most = match kind {
            ControlType::Ready | ControlType::Accept => usize::MAX,
            ControlType::Start => 1,
            ControlType::Stop | ControlType::Finish => 0,
        };
        if content_types.len() > most {
            return Err(FrameFault::ControlMalformed);
        }
        Ok(Control { kind, content_types })
    }

    /// Appends the frame, its escape and length included. What is written here is short: lengths fit.
    pub fn write(&self, out: &mut Vec<u8>) {
        let fields: usize = self.content_types.iter().map(|content_type| 8 + content_type.len()).sum();
        let lengths = [0, (4 + fields) as u32, self.kind as u32];
        lengths.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
        for content_type in &self.content_types {
            out.extend_from_slice(&FIELD_CONTENT_TYPE.to_be_bytes());
            out.extend_from_slice(&(content_type.len() as u32).to_be_bytes());
            out.extend_from_slice(content_type);
        }
    }

    /// The frame's octets.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// Appends a data frame. Writes nothing and gives `false` when the data is empty (that would announce a control frame) or longer
/// than [`FRAME_LEN_MAX`].
#[must_use]
pub fn write_data(data: &[u8], out: &mut Vec<u8>) -> bool {
    if data.is_empty() || data.len() > FRAME_LEN_MAX {
        return false;
    }
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    out.extend_from_slice(data);
    true
}

/// A frame of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Data.
    Data(&'a [u8]),
    /// Control.
    Control(Control),
}

/// Cuts a stream into frames, however it comes in pieces. Keeps what it was fed until it was taken: feed again when
/// [`Decoder::take`] gives `None`, and it never holds more than one frame and one piece.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    at: usize,
    taken: u64,
}

impl Decoder {
    /// Appends what came.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.at == self.buffer.len() || self.at >= COMPACT_AFTER {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Octets fed that belong to no frame yet: not 0 at the end of a stream that was cut.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// Octets of the frames taken so far: where in the stream the next frame starts.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.taken
    }

    /// Takes the next frame; `None` when it is not there whole.
    ///
    /// # Errors
    /// What is no frame. The same again at the next call.
    pub fn take(&mut self) -> Result<Option<Frame<'_>>, FrameFault> {
        let Some((len, rest)) = split_u32(&self.buffer[self.at..]) else { return Ok(None) };
        if len == 0 {
            let Some((len, rest)) = split_u32(rest) else { return Ok(None) };
            if len as usize > CONTROL_LEN_MAX {
                return Err(FrameFault::ControlTooLong { len });
            }
            let Some(content) = rest.get(..len as usize) else { return Ok(None) };
            let control = Control::read(content)?;
            self.advance(8 + len as usize);
            return Ok(Some(Frame::Control(control)));
        }
        if len as usize > FRAME_LEN_MAX {
            return Err(FrameFault::TooLong { len });
        }
        let len = len as usize;
        if rest.len() < len {
            return Ok(None);
        }
        let start = self.at + 4;
        self.advance(4 + len);
        Ok(Some(Frame::Data(&self.buffer[start..start + len])))
    }

    fn advance(&mut self, octets: usize) {
        self.at += octets;
        self.taken += octets as u64;
    }
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(octets, rest)| (u32::from_be_bytes(*octets), rest))
}
