//! Queries as octets, the faulty ones included: nothing here checks what it writes.

/// Flags of an ordinary query: recursion desired.
pub(super) const RD: u16 = 0x0100;
/// Says that a message is a reply.
pub(super) const QR: u16 = 0x8000;
/// DNSSEC records wanted, in the OPT record's flags.
pub(super) const DO: u16 = 0x8000;

pub(super) const IN: u16 = 1;
pub(super) const CH: u16 = 3;
const OPT: u16 = 41;
const LABEL_BYTES_MAX: usize = 63;
const COUNT_QUESTIONS: usize = 4;
const COUNT_ADDITIONAL: usize = 10;

/// A message being written.
#[derive(Debug)]
pub(super) struct Draft(Vec<u8>);

impl Draft {
    /// A header without records.
    pub(super) fn new(id: u16, flags: u16) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&flags.to_be_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self(bytes)
    }

    /// The flags of a query with another opcode.
    pub(super) fn opcode_flags(opcode: u8) -> u16 {
        u16::from(opcode & 0x0f) << 11
    }

    /// Adds a question (in an UPDATE: the zone).
    pub(super) fn question(mut self, name: &str, qtype: u16, class: u16) -> Self {
        self.name(name);
        self.0.extend_from_slice(&qtype.to_be_bytes());
        self.0.extend_from_slice(&class.to_be_bytes());
        self.count(COUNT_QUESTIONS)
    }

    /// Adds an OPT record of any owner, version and options.
    pub(super) fn opt(mut self, owner: &str, udp_bytes: u16, version: u8, flags: u16, options: &[u8]) -> Self {
        self.name(owner);
        self.0.extend_from_slice(&OPT.to_be_bytes());
        self.0.extend_from_slice(&udp_bytes.to_be_bytes());
        self.0.extend_from_slice(&[0, version]);
        self.0.extend_from_slice(&flags.to_be_bytes());
        self.0.extend_from_slice(&(options.len() as u16).to_be_bytes());
        self.0.extend_from_slice(options);
        self.count(COUNT_ADDITIONAL)
    }

    /// Adds octets that no count speaks of.
    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn name(&mut self, name: &str) {
        for label in name.split('.').filter(|label| !label.is_empty()) {
            let label = &label.as_bytes()[..label.len().min(LABEL_BYTES_MAX)];
            self.0.push(label.len() as u8);
            self.0.extend_from_slice(label);
        }
        self.0.push(0);
    }

    /// Counts one more record; the counts of a draft never pass 255.
    fn count(mut self, at: usize) -> Self {
        self.0[at + 1] = self.0[at + 1].wrapping_add(1);
        self
    }
}
