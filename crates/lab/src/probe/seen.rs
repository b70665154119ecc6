//! A reply taken apart: the four places of a code, and what stands beside them.

use wire::code::Code;
use wire::kind;
use wire::message::Message;
use wire::tkey::Tkey;
use wire::tsig::{ReplyFault, Request, Tsig};
use wire::view::{flag, option};

/// OPCODE of DNS Stateful Operations (RFC 8490).
pub(super) const OPCODE_DSO: u8 = 6;
/// Octets of a header.
const HEADER_BYTES: usize = 12;

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Header octets 2 and 3.
    pub flags: u16,
    /// The four bits in the header.
    pub rcode_header: u8,
    /// With the OPT record's upper bits; the header's alone when there is no OPT.
    pub rcode: u16,
    /// The OPT record's version; `None` without OPT.
    pub opt_version: Option<u8>,
    /// The COOKIE option's data.
    pub cookie: Option<Vec<u8>>,
    /// Extended errors with their texts.
    pub ede: Vec<(u16, String)>,
    /// The TSIG record.
    pub tsig: Option<Tsig>,
    /// The TKEY record's Error.
    pub tkey_error: Option<u16>,
    /// What the signature is worth.
    pub signature: Signature,
    /// Octets of the reply.
    pub len: usize,
}

/// What a reply's signature is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// No TSIG record.
    None,
    /// A TSIG record with an empty MAC.
    Unsigned,
    /// It holds.
    Valid,
    /// It does not, and why.
    Invalid(String),
    /// There is one, but no key to check it with.
    Unchecked,
}

impl Seen {
    /// Takes a reply apart; its signature is checked against the signed request it answers.
    ///
    /// # Errors
    ///
    /// What is malformed.
    pub(super) fn read(reply: &[u8], request: Option<(Request, u64)>) -> Result<Seen, String> {
        let flags = match reply {
            [_, _, high, low, ..] if reply.len() >= HEADER_BYTES => u16::from_be_bytes([*high, *low]),
            _ => return Err(format!("the reply has {} octets, less than a header", reply.len())),
        };
        let rcode_header = (flags & flag::RCODE) as u8;
        let mut seen = Seen {
            flags,
            rcode_header,
            rcode: u16::from(rcode_header),
            opt_version: None,
            cookie: None,
            ede: Vec::new(),
            tsig: None,
            tkey_error: None,
            signature: Signature::None,
            len: reply.len(),
        };
        // What follows the header of a DSO message are no records (RFC 8490 §5.4).
        if seen.opcode() == OPCODE_DSO {
            return Ok(seen);
        }
        let message = Message::read(reply).map_err(|error| format!("the reply cannot be read: {error}"))?;
        seen.rcode = message.rcode();
        if let Some(opt) = message.opt() {
            seen.opt_version = Some((opt.ttl >> 16) as u8);
            seen.read_options(&opt.rdata)?;
        }
        let records = message.answer.iter().chain(&message.authority).chain(&message.additional);
        if let Some(record) = records.clone().find(|record| record.rtype == kind::TKEY) {
            let tkey = Tkey::read(&record.rdata).map_err(|at| format!("TKEY malformed at octet {at} of its data"))?;
            seen.tkey_error = Some(tkey.error);
        }
        if let Some(at) = Tsig::find(reply) {
            let tsig = Tsig::read(reply, at).map_err(|at| format!("TSIG malformed at octet {at}"))?;
            seen.signature = worth(&tsig, reply, request);
            seen.tsig = Some(tsig);
        } else if records.clone().any(|record| record.rtype == kind::TSIG) {
            return Err("the reply has a TSIG record that is not the last".to_owned());
        }
        Ok(seen)
    }

    fn read_options(&mut self, mut options: &[u8]) -> Result<(), String> {
        // Ends: every turn takes at least four octets off.
        while let Some((&[code_high, code_low, high, low], rest)) = options.split_first_chunk() {
            let len = usize::from(u16::from_be_bytes([high, low]));
            let Some((data, rest)) = rest.split_at_checked(len) else { break };
            options = rest;
            match (u16::from_be_bytes([code_high, code_low]), data) {
                (option::COOKIE, data) => self.cookie = Some(data.to_vec()),
                (option::EXTENDED_ERROR, [high, low, text @ ..]) => {
                    let text = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).collect();
                    self.ede.push((u16::from_be_bytes([*high, *low]), text));
                }
                _ => {}
            }
        }
        if options.is_empty() { Ok(()) } else { Err("the reply's OPT options do not fill the record".to_owned()) }
    }

    /// OPCODE.
    #[must_use]
    pub fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0xf) as u8
    }

    /// TSIG Error; `None` without TSIG.
    #[must_use]
    pub fn tsig_error(&self) -> Option<u16> {
        self.tsig.as_ref().map(|tsig| tsig.error)
    }

    /// The one code out of the places.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::derive(Some(self.rcode), self.tsig_error(), self.tkey_error).unwrap_or(Code::NOERROR)
    }
}

fn worth(tsig: &Tsig, reply: &[u8], request: Option<(Request, u64)>) -> Signature {
    if tsig.mac.is_empty() {
        return Signature::Unsigned;
    }
    let Some((mut request, now_seconds)) = request else { return Signature::Unchecked };
    match request.check(reply, now_seconds) {
        // An error that the server reports under a signature that holds.
        Ok(_) | Err(ReplyFault::Told(_)) => Signature::Valid,
        Err(fault) => Signature::Invalid(fault.to_string()),
    }
}
