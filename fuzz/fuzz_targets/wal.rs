//! A log file after a crash: whatever its bytes, it is read up to the last good record, and what was good stays good when
//! the rest is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let replay = store::replay_bytes(bytes);
    let Some(good) = usize::try_from(replay.good_bytes).ok().and_then(|len| bytes.get(..len)) else {
        panic!("{} good bytes of {}", replay.good_bytes, bytes.len());
    };
    assert!(replay.fault.is_some() || good.len() == bytes.len());
    if replay.header_good {
        let again = store::replay_bytes(good);
        assert_eq!(again.fault, None);
        assert_eq!(again.batches, replay.batches);
    }
});
