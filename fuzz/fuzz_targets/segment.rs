//! A segment file with flipped bits: it is found sound or set aside with a reason, never trusted blindly.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(reason) = store::check_segment_bytes(bytes.to_vec()) {
        assert!(!reason.is_empty());
    }
});
