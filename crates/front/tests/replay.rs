//! Messages from captures and fuzzing seeds made by others, sent at a running server: none stops it, and every one that
//! deserves an answer gets one.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use support::{Server, query, settings};

/// Largest payload of a UDP datagram over IPv4.
const DATAGRAM_MAX: usize = 65_507;
const READER_BYTES: usize = 1 << 20;

/// The files of an archive among the shared data; `None` (said aloud) where the data is not at hand.
fn archive(name: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let told = std::env::var_os("NAMEWARD_SHARED").map(PathBuf::from);
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let path = told.clone().unwrap_or(beside).join("data").join(name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) => {
            assert!(told.is_none(), "cannot read {}: {error}", path.display());
            eprintln!("note: no {} here; nothing replayed", path.display());
            return None;
        }
    };
    let mut files = Vec::new();
    for entry in tar::Archive::new(GzDecoder::new(file)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if entry.header().entry_type().is_file() {
            files.push((path, bytes));
        }
    }
    Some(files)
}

/// The payloads of all UDP datagrams and of TCP segments that hold one whole message, in a capture of any form.
fn payloads(capture: &[u8]) -> Vec<Vec<u8>> {
    let Ok(mut reader) = create_reader(READER_BYTES, capture) else { return Vec::new() };
    let (mut found, mut link) = (Vec::new(), Linktype::ETHERNET);
    loop {
        match reader.next() {
            Ok((used, block)) => {
                let packet = match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        link = header.network;
                        None
                    }
                    PcapBlockOwned::Legacy(packet) => Some(packet.data.to_vec()),
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        link = interface.linktype;
                        None
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => Some(packet.data.to_vec()),
                    PcapBlockOwned::NG(Block::SimplePacket(packet)) => Some(packet.data.to_vec()),
                    PcapBlockOwned::NG(_) => None,
                };
                found.extend(packet.as_deref().and_then(|packet| payload(packet, link)).map(<[u8]>::to_vec));
                reader.consume(used);
            }
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    return found;
                }
            }
            Err(_) => return found,
        }
    }
}

fn payload(frame: &[u8], link: Linktype) -> Option<&[u8]> {
    const VLAN: [[u8; 2]; 2] = [[0x81, 0x00], [0x88, 0xa8]];
    let packet = match link {
        Linktype::ETHERNET => {
            let mut at = 12;
            while VLAN.iter().any(|tag| frame.get(at..at + 2) == Some(tag)) {
                at += 4;
            }
            frame.get(at + 2..)?
        }
        Linktype::LINUX_SLL => frame.get(16..)?,
        Linktype::NULL => frame.get(4..)?,
        _ => frame,
    };
    let (protocol, segment) = match packet.first()? >> 4 {
        4 => (*packet.get(9)?, packet.get(usize::from(packet[0] & 0xf) * 4..)?),
        6 => (*packet.get(6)?, packet.get(40..)?),
        _ => return None,
    };
    match protocol {
        17 => segment.get(8..usize::from(u16::from_be_bytes([*segment.get(4)?, *segment.get(5)?])).min(segment.len())),
        6 => {
            let stream = segment.get(usize::from(segment.get(12)? >> 4) * 4..)?;
            let len = usize::from(u16::from_be_bytes([*stream.first()?, *stream.get(1)?]));
            (stream.len() == len + 2).then(|| &stream[2..])
        }
        _ => None,
    }
}

/// Sends each message as it is and, if it is a response, once more as a query. Gives how many were answered.
async fn replay(messages: &[(String, Vec<u8>)]) -> usize {
    let server = Server::start(&settings()).await;
    let client = server.udp().await;
    let (mut answered, mut arrivals) = (0, 0);
    for (name, message) in messages {
        let mut as_query = message.clone();
        if let Some(octet) = as_query.get_mut(2) {
            *octet &= 0x7f;
        }
        let mut forms = vec![message.clone(), as_query];
        forms.dedup();
        for message in forms.into_iter().filter(|message| message.len() <= DATAGRAM_MAX) {
            client.send(&message).await;
            arrivals += 1;
            if message.len() >= 12 && message[2] & 0x80 == 0 {
                let reply = client.receive().await;
                assert_eq!((&reply[..2], reply[2] & 0x80), (&message[..2], 0x80), "{name}");
                answered += 1;
            }
        }
    }
    let _ = support::taken(&client.ask(&query(1, "www.example A")).await, 1, "www.example A");
    arrivals += 1;
    for _ in 0..arrivals {
        let _ = server.event();
    }
    assert!(server.events.try_recv().is_err(), "one event per arrival");
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn captures_are_answered() {
    for (name, least) in [("pcap_zeek.tar.gz", 100), ("pcap_dnscap.tar.gz", 100)] {
        let Some(captures) = archive(name) else { continue };
        let messages: Vec<_> = captures
            .iter()
            .flat_map(|(path, capture)| payloads(capture).into_iter().map(move |payload| (path.clone(), payload)))
            .collect();
        let answered = replay(&messages).await;
        eprintln!("{name}: {} messages, {answered} answers", messages.len());
        assert!(answered >= least, "{name}: only {answered} of {} answered", messages.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fuzzing_seeds_are_answered() {
    let Some(seeds) = archive("wire_bind_fuzz.tar.gz") else { return };
    let answered = replay(&seeds).await;
    eprintln!("{} seeds, {answered} answers", seeds.len());
    assert!(answered >= 100, "only {answered} of {} answered", seeds.len());
}
