//! A capture of packets by somebody else, pcap or pcapng: events or reasons, no more of them than there are octets.

#![no_main]

use import::{Format, Options, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // What begins like gzip is another file than its octets.
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    for format in [Format::Pcap, Format::Pcapng] {
        let options = Options { format: Some(format), ..Options::default() };
        let input = Box::new(std::io::Cursor::new(bytes.to_vec()));
        let Ok(reader) = Reader::from_read(input, "fuzz", &options) else { continue };
        assert!(reader.count() <= bytes.len() + 1);
    }
});
