//! A configuration file: settings, or mistakes that each say something, at lines that exist.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match nameward::config::read(text, Path::new("state")) {
        Ok(config) => assert!(!config.shown.is_empty()),
        Err(faults) => {
            assert!(!faults.is_empty());
            let lines = 1 + text.matches('\n').count();
            for fault in faults {
                assert!(!fault.message.is_empty());
                assert!(fault.line.is_none_or(|line| (1..=lines).contains(&line)), "{:?} of {lines}", fault.line);
            }
        }
    }
});
