//! A message with a TSIG record, as a server and as a client reads it: whatever it is, it is judged; what we sign we accept;
//! a record taken apart and put together again is the same.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use wire::name::Folded;
use wire::tsig::{self, Algorithm, Checked, Key, Keys, Request, Tsig};

const NOW_SECONDS: u64 = 1_700_000_000;

struct One(Arc<Key>);

impl Keys for One {
    fn find(&self, name: &Folded, algorithm: Algorithm) -> Option<Arc<Key>> {
        (*name == self.0.name && algorithm == self.0.algorithm).then(|| Arc::clone(&self.0))
    }
}

fn key() -> One {
    let name = Folded::from_text("ddns.example").unwrap_or_else(Folded::root);
    One(Arc::new(Key::new(name, Algorithm::HmacSha256, b"0123456789abcdef0123456789abcdef")))
}

fuzz_target!(|bytes: &[u8]| {
    let keys = key();
    if let Some(at) = Tsig::find(bytes) {
        if let Ok(read) = Tsig::read(bytes, at) {
            let mut again = bytes[..at].to_vec();
            // ARCOUNT without the record, which `append` counts again.
            let additional = u16::from_be_bytes([bytes[10], bytes[11]]) - 1;
            again[10..12].copy_from_slice(&additional.to_be_bytes());
            read.append(&mut again);
            assert_eq!(Tsig::read(&again, at).as_ref(), Ok(&read));
        }
        if let Checked::Good { message, mut signer } = tsig::check(bytes, at, &keys, NOW_SECONDS) {
            let mut reply = message;
            let before = reply.len();
            signer.sign(&mut reply, NOW_SECONDS);
            assert!(reply.len() <= before + signer.len());
        }
    }
    // A message whose counts and records are right can be signed, and what we sign we accept.
    if wire::message::Message::read(bytes).is_ok() && Tsig::find(bytes).is_none() && bytes.len() < 60_000 {
        let mut signed = bytes.to_vec();
        if bytes[10..12] == [0xff, 0xff] {
            return;
        }
        let mut request = Request::sign(&mut signed, &keys.0, NOW_SECONDS);
        let Some(at) = Tsig::find(&signed) else { panic!("what was signed has a TSIG record") };
        match tsig::check(&signed, at, &keys, NOW_SECONDS) {
            Checked::Good { message, mut signer } => {
                assert_eq!(message, bytes);
                let mut reply = message;
                signer.sign(&mut reply, NOW_SECONDS);
                assert_eq!(request.check(&reply, NOW_SECONDS).as_deref(), Ok(bytes));
            }
            Checked::Bad(refusal) => panic!("{}", refusal.reason()),
            Checked::Malformed { at } => panic!("malformed at {at}"),
        }
    }
});
