//! A DSO message: read or refused; what was read is written back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::dso::Dso;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(dso) = Dso::read(bytes) {
        let written = dso.write();
        assert_eq!(Dso::read(&written).as_ref(), Ok(&dso));
    }
});
