//! A journal after a crash: whatever its octets, it is read up to the last good entry, and what was good stays good when the
//! rest is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zone::journal;

fuzz_target!(|bytes: &[u8]| {
    let replayed = journal::replay(bytes);
    let Some(good) = bytes.get(..replayed.good_len) else {
        panic!("{} good octets of {}", replayed.good_len, bytes.len());
    };
    if let Some(zone) = &replayed.zone {
        let again = journal::replay(good);
        assert_eq!(again.torn, None);
        assert_eq!(again.deltas, replayed.deltas);
        let Some(again) = again.zone else { panic!("the zone was there before the tail was cut") };
        assert!(again.records().eq(zone.records()));
    }
});
