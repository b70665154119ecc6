//! A zone file: a zone, or offences with their lines; a zone written out reads back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::name::Folded;
use zone::file;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(origin) = Folded::from_text("example") else { return };
    let mut none = |_: &str| Err("no includes".to_owned());
    match file::read("zone", text, &origin, &mut none) {
        Ok(zone) => {
            let written = file::write(&zone);
            match file::read("zone", &written, &origin, &mut none) {
                Ok(again) => assert!(again.records().eq(zone.records()), "{written}"),
                Err(faults) => panic!("{}\n{written}", faults[0]),
            }
        }
        Err(faults) => assert!(!faults.is_empty() && faults.len() <= file::FAULTS_MAX),
    }
});
