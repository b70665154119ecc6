//! What an analyst typed: read or faulted with places inside the text; what was read says itself in words that read back
//! the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match search::parse(text) {
        Ok(search) => {
            let plain = search.to_string();
            assert_eq!(search::parse(&plain).as_ref(), Ok(&search), "{plain}");
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert!(text.get(fault.span.clone()).is_some(), "{:?} lies outside the text", fault.span);
            }
        }
    }
});
