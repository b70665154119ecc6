//! A C-DNS file by somebody else: events or reasons, no more of them than there are octets.

#![no_main]

use import::{BAD_KEPT, Format, Options, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // What begins like gzip is another file than its octets.
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let options = Options { format: Some(Format::Cdns), ..Options::default() };
    let Ok(mut reader) = Reader::from_read(Box::new(std::io::Cursor::new(bytes.to_vec())), "fuzz", &options) else {
        return;
    };
    assert!(reader.by_ref().count() <= bytes.len() + 1);
    assert!(reader.tally().first_bad.len() <= BAD_KEPT);
});
