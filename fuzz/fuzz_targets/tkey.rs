//! The data of a TKEY record: read or refused with a place; what was read is written back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::tkey::Tkey;

fuzz_target!(|bytes: &[u8]| {
    match Tkey::read(bytes) {
        Ok(tkey) => assert_eq!(Tkey::read(&tkey.rdata()).as_ref(), Ok(&tkey)),
        Err(at) => assert!(at <= bytes.len()),
    }
});
