//! What a primary sent in a transfer, cut into messages by a length of two octets each as on TCP: taken in or given up.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::message::Message;
use wire::name::Folded;
use zone::file;
use zone::transfer::{Brought, Intake};

const ZONE: &str = "@ 300 SOA ns hostmaster 7 3600 600 86400 60\n@ 300 NS ns\nns 300 A 192.0.2.1\n";
const RECORDS_MAX: usize = 1_000;

fuzz_target!(|bytes: &[u8]| {
    let Some(origin) = Folded::from_text("example") else { return };
    let current = file::read("zone", ZONE, &origin, &mut |_| Err("no includes".to_owned())).ok();
    for current in [None, current] {
        let mut intake = Intake::new(origin.clone(), current, RECORDS_MAX);
        let mut rest = bytes;
        while let Some((&[high, low], after)) = rest.split_first_chunk() {
            let len = usize::from(u16::from_be_bytes([high, low])).min(after.len());
            let (octets, after) = after.split_at(len);
            rest = after;
            let Ok(message) = Message::read(octets) else { break };
            match intake.take(&message) {
                Ok(None) => {}
                Ok(Some(Brought::Whole(zone) | Brought::Deltas(_, zone))) => {
                    assert!(zone.serial().is_some());
                    assert!(zone.record_count() <= RECORDS_MAX + 3);
                    break;
                }
                Ok(Some(Brought::Nothing)) | Err(_) => break,
            }
        }
    }
});
