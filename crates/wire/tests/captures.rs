//! Messages and captures collected by others: whatever they hold, reading and taking must not panic, and what is
//! taken must be ours to read again.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};
use wire::name::Folded;
use wire::reply::{self, Shipping};
use wire::view::{self, Arrival};

const SHIPPING: Shipping<'_> = Shipping { size_max: 1232, age_seconds: 1, ..Shipping::PLAIN };

/// The folder with data by others, beside the workspace unless `NAMEWARD_SHARED` names it. Not everybody has it.
fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("NAMEWARD_SHARED").map_or_else(beside, PathBuf::from).join("data");
    if !folder.is_dir() {
        println!("skipped: no folder {}", folder.display());
        return None;
    }
    Some(folder)
}

fn files(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(archive).unwrap()));
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.push((entry.path().unwrap().display().to_string(), bytes));
        }
    }
    files
}

/// What became of the messages.
#[derive(Debug, Default)]
struct Tally {
    queries: usize,
    operations: usize,
    rejected: usize,
    silent: usize,
    taken: usize,
    not_replies: usize,
}

impl Tally {
    /// Puts one message through both doors, and all that comes out through the way back.
    fn put(&mut self, bytes: &[u8]) {
        let mut out = Vec::new();
        match view::read(bytes) {
            Arrival::Query(query) => {
                self.queries += 1;
                reply::coded(&query, 2, &SHIPPING, &mut out);
                assert_reply(&out, bytes);
            }
            Arrival::Operation(operation) => {
                self.operations += 1;
                assert!(operation.tsig_at.is_none_or(|at| at < bytes.len()));
            }
            Arrival::Reject(reject) => {
                self.rejected += 1;
                let _ = reject.reason.to_string();
                reply::reject(&reject, &SHIPPING, &mut out);
                assert_reply(&out, bytes);
            }
            Arrival::Silence(_) => self.silent += 1,
        }
        // The question that the message itself repeats, so that as much as possible of it is taken.
        let id = bytes.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
        let (qname, qtype, qclass) = question(bytes).unwrap_or((Folded::root(), 1, 1));
        let Ok(stored) = reply::take(bytes, id, &qname, qtype, qclass) else {
            self.not_replies += 1;
            return;
        };
        self.taken += 1;
        let mut asked = vec![0; 4];
        asked.extend([0, 1, 0, 0, 0, 0, 0, 0]);
        asked.extend(qname.wire());
        asked.extend(qtype.to_be_bytes());
        asked.extend(qclass.to_be_bytes());
        if let Arrival::Query(query) = view::read(&asked) {
            reply::ship(&stored, &query, &Shipping { size_max: usize::MAX, ..SHIPPING }, &mut out);
            let again = reply::take(&out, 0, &qname, qtype, qclass).unwrap();
            assert_eq!((again.answer_count, again.summary), (stored.answer_count, stored.summary));
        }
    }
}

fn assert_reply(reply: &[u8], query: &[u8]) {
    assert_eq!(reply[..2], query[..2]);
    assert!(matches!(view::read(reply), Arrival::Silence(view::Silence::Response)));
}

fn question(bytes: &[u8]) -> Option<(Folded, u16, u16)> {
    let (name, rest) = wire::name::Name::split(bytes.get(12..)?).ok()?;
    let &[type_high, type_low, class_high, class_low] = rest.first_chunk()?;
    Some((name.fold(), u16::from_be_bytes([type_high, type_low]), u16::from_be_bytes([class_high, class_low])))
}

#[test]
fn seeds_of_a_fuzzer() {
    let Some(folder) = shared() else { return };
    let mut tally = Tally::default();
    let files = files(&folder.join("wire_bind_fuzz.tar.gz"));
    for (name, bytes) in &files {
        println!("{name}");
        tally.put(bytes);
        // Some seeds have control octets in front of the message.
        for skipped in [1, 2, 4] {
            tally.put(bytes.get(skipped..).unwrap_or_default());
        }
        // As a reply too: most seeds are queries or updates.
        let mut reply = bytes.clone();
        if let Some(flags) = reply.get_mut(2) {
            *flags = 0x80;
            tally.put(&reply);
        }
    }
    println!("{tally:?}");
    assert!(files.len() > 200, "{} files", files.len());
    // No seed is a query without fault.
    assert!(tally.rejected > 500 && tally.taken > 200, "{tally:?}");
}

#[test]
fn captures_of_real_traffic() {
    let Some(folder) = shared() else { return };
    let mut tally = Tally::default();
    for archive in ["pcap_zeek.tar.gz", "pcap_dnscap.tar.gz", "cdns_compactor.tar.gz"] {
        for (name, bytes) in files(&folder.join(archive)) {
            let Ok(frames) = frames(&bytes) else { continue };
            println!("{name}: {} frames", frames.len());
            for frame in frames {
                // Where in the frame the message starts depends on link, VLAN, IP and UDP or TCP headers: every offset
                // that any of them gives is tried, and the wrong ones are garbage worth trying too.
                for start in (28..=96).step_by(2) {
                    tally.put(frame.get(start..).unwrap_or_default());
                }
            }
        }
    }
    println!("{tally:?}");
    assert!(tally.queries > 100 && tally.taken > 100, "{tally:?}");
}

/// The frames of a capture file in either format; an error when it is none.
fn frames(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut reader = create_reader(1 << 20, bytes).map_err(|error| format!("{error:?}"))?;
    let mut frames = Vec::new();
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                match block {
                    PcapBlockOwned::Legacy(block) => frames.push(block.data.to_vec()),
                    PcapBlockOwned::NG(Block::EnhancedPacket(block)) => frames.push(block.data.to_vec()),
                    PcapBlockOwned::NG(Block::SimplePacket(block)) => frames.push(block.data.to_vec()),
                    _ => {}
                }
                reader.consume(offset);
            }
            Err(PcapError::Incomplete(_)) => reader.refill().map_err(|error| format!("{error:?}"))?,
            // The end, or a file cut short on purpose: what was read counts.
            Err(_) => return Ok(frames),
        }
    }
}
