//! A log made of lines by somebody else, as any format of that kind: every line is an event, a reason, or left out.

#![no_main]

use import::{Format, Options, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // What begins like gzip is another file than its octets.
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let lines = bytes.split(|octet| *octet == b'\n').count();
    for format in [Format::Bind, Format::Unbound, Format::Adguard, Format::Zeek] {
        let options = Options { format: Some(format), ..Options::default() };
        let input = Box::new(std::io::Cursor::new(bytes.to_vec()));
        let Ok(mut reader) = Reader::from_read(input, "fuzz", &options) else { continue };
        let records = reader.by_ref().count() as u64;
        let left_out: u64 = reader.left_out().iter().map(|(_, count)| count).sum();
        assert!(records + left_out <= lines as u64);
    }
});
