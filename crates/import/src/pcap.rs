//! Captures of packets, pcap and pcapng: DNS over UDP and TCP, queries paired with their replies.

use std::collections::VecDeque;
use std::io::Read;

use event::{Event, Transport};
use pcap_parser::traits::{PcapNGPacketBlock as _, PcapReaderIterator};
use pcap_parser::{Block, LegacyPcapReader, Linktype, PcapBlockOwned, PcapError, PcapNGReader};

use crate::format::Format;
use crate::packet::{self, Carried, DNS_PORT};
use crate::pair::{Ends, Pairs};
use crate::reader::{Bad, Notes, Records};
use crate::tcp::Streams;

/// Longest packet read with all about it, octets; also what is read at a time.
const PACKET_LEN_MAX: usize = 1 << 20;
/// Interfaces of a pcapng section kept.
const INTERFACES_MAX: usize = 4_096;

pub(crate) struct Packets {
    reader: Box<dyn PcapReaderIterator + Send>,
    walk: Walk,
    at: u64,
    ended: bool,
}

/// What is known beside the file itself: apart, because a block borrows the reader.
#[derive(Default)]
struct Walk {
    interfaces: Vec<Interface>,
    pairs: Pairs,
    streams: Streams,
    ready: VecDeque<Result<Event, String>>,
    notes: Notes,
}

#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    /// Units of a timestamp in a second.
    resolution: u128,
    offset_seconds: i64,
}

impl Packets {
    pub(crate) fn new(read: Box<dyn Read + Send>, format: Format) -> Result<Packets, String> {
        let reader: Box<dyn PcapReaderIterator + Send> = match format {
            Format::Pcapng => Box::new(PcapNGReader::new(PACKET_LEN_MAX, read).map_err(|error| said(&error))?),
            _ => Box::new(LegacyPcapReader::new(PACKET_LEN_MAX, read).map_err(|error| said(&error))?),
        };
        Ok(Packets { reader, walk: Walk::default(), at: 0, ended: false })
    }

    /// Takes the next block. `false` at the end.
    fn step(&mut self) -> Result<bool, String> {
        match self.reader.next() {
            Ok((len, block)) => {
                let walked = self.walk.block(&block);
                drop(block);
                self.at += len as u64;
                self.reader.consume(len);
                walked.map(|()| true)
            }
            Err(PcapError::Eof) => Ok(false),
            Err(PcapError::Incomplete(_)) => {
                self.reader.refill().map_err(|error| said(&error))?;
                Ok(true)
            }
            Err(error) => Err(said(&error)),
        }
    }
}

fn said<I>(error: &PcapError<I>) -> String {
    match error {
        PcapError::Eof | PcapError::UnexpectedEof | PcapError::Incomplete(_) => {
            "the file ends within a packet".to_owned()
        }
        PcapError::BufferTooSmall => format!("a packet of more than {PACKET_LEN_MAX} octets"),
        PcapError::ReadError => "it cannot be read on".to_owned(),
        PcapError::HeaderNotRecognized => "its header is none".to_owned(),
        PcapError::NomError(..) | PcapError::OwnedNomError(..) => "a block that cannot be read".to_owned(),
    }
}

impl Records for Packets {
    fn pull(&mut self) -> Option<Result<Event, Bad>> {
        loop {
            if let Some(given) = self.walk.ready.pop_front() {
                return Some(given.map_err(|reason| Bad { place: format!("before octet {}", self.at), reason }));
            }
            if self.ended {
                return None;
            }
            let stepped = self.step();
            if !matches!(stepped, Ok(true)) {
                self.ended = true;
                self.walk.pairs.finish(&mut self.walk.ready);
            }
            if let Err(reason) = stepped {
                return Some(Err(Bad { place: format!("octet {}", self.at), reason }));
            }
        }
    }

    fn notes(&self) -> &Notes {
        &self.walk.notes
    }
}

impl Walk {
    /// # Errors
    /// Why the rest of the file cannot be read.
    fn block(&mut self, block: &PcapBlockOwned<'_>) -> Result<(), String> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let resolution = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
                self.interfaces = vec![Interface { link: header.network, resolution, offset_seconds: 0 }];
                if !packet::is_known(header.network) {
                    return Err(format!("packets of a link of type {}, which are not read", header.network.0));
                }
            }
            PcapBlockOwned::Legacy(packet) => {
                let Some(interface) = self.interfaces.first().copied() else { return Ok(()) };
                let fraction = u128::from(packet.ts_usec) * 1_000_000 / interface.resolution;
                let micros = i64::from(packet.ts_sec) * 1_000_000 + i64::try_from(fraction).unwrap_or(0);
                self.packet(interface.link, micros, packet.data);
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => self.interfaces.clear(),
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if self.interfaces.len() >= INTERFACES_MAX {
                    return Err(format!("more than {INTERFACES_MAX} interfaces"));
                }
                self.interfaces.push(Interface {
                    link: interface.linktype,
                    resolution: resolution(interface.if_tsresol),
                    offset_seconds: interface.ts_offset(),
                });
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let Some(interface) = self.interfaces.get(packet.if_id as usize).copied() else {
                    self.ready.push_back(Err("a packet of an interface that was not described".to_owned()));
                    return Ok(());
                };
                let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let micros = u128::from(ticks) * 1_000_000 / interface.resolution;
                let micros = i64::try_from(micros).unwrap_or(i64::MAX);
                let micros = micros.saturating_add(interface.offset_seconds.saturating_mul(1_000_000));
                self.packet(interface.link, micros, packet.packet_data());
            }
            // Such a packet has no time.
            PcapBlockOwned::NG(Block::SimplePacket(_)) => self.notes.count("packets without a time"),
            PcapBlockOwned::NG(_) => {}
        }
        Ok(())
    }

    fn packet(&mut self, link: Linktype, micros: i64, frame: &[u8]) {
        match packet::read(link, frame) {
            Carried::Other(what) => self.notes.count(what),
            Carried::Udp { from, to, payload } => {
                let ends = ends(from, to, Transport::Udp, payload);
                self.pairs.take(ends, micros, payload, &mut self.ready);
            }
            Carried::Tcp { from, to, segment } => {
                let (pairs, ready) = (&mut self.pairs, &mut self.ready);
                self.streams.take((from, to), &segment, &mut self.notes, |message| {
                    pairs.take(ends(from, to, Transport::Tcp, message), micros, message, ready);
                });
            }
        }
    }
}

/// Units in a second, out of `if_tsresol`: a power of two where its first bit is set, else of ten. Finer ones than fit are none
/// that a clock has.
fn resolution(exponent: u8) -> u128 {
    let base: u128 = if exponent & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(u32::from(exponent & 0x7f)).unwrap_or(u128::MAX)
}

/// The client is on the other side of port 53; with that on both sides, the sender of a query.
fn ends(from: std::net::SocketAddr, to: std::net::SocketAddr, transport: Transport, message: &[u8]) -> Ends {
    let is_reply = message.get(2).is_some_and(|octet| octet & 0x80 != 0);
    let from_server = match (from.port() == DNS_PORT, to.port() == DNS_PORT) {
        (true, true) => is_reply,
        (from_server, _) => from_server,
    };
    let (client, server) = if from_server { (to, from) } else { (from, to) };
    Ends { client, server: Some(server), transport }
}
