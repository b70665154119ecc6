//! What an analyst typed: read or faulted with places inside the text; what was read says itself in words that read back
//! the same. Its pieces and completions lie inside it too.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for token in search::tokens(text) {
        assert!(text.get(token.span.clone()).is_some(), "{:?} lies outside the text", token.span);
    }
    let found = search::complete(text, text.len() / 2);
    assert!(text.get(found.span.clone()).is_some(), "{:?} lies outside the text", found.span);
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
