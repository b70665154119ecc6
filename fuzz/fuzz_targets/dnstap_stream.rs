//! A frame stream of dnstap by somebody else: read up to what is wrong with it, however it comes in pieces; what was read is written
//! and read back the same.

#![no_main]

use dnstap::{Dnstap, Received, Receiver, Sender};
use import::Tap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut receiver = Receiver::default();
    let mut tap = Tap::default();
    let mut frames = 0;
    // The last octet says how long the pieces are.
    let mut pieces = bytes.chunks(bytes.last().map_or(1, |octet| usize::from(*octet) + 1));
    loop {
        match receiver.take() {
            Ok(Received::Data(data)) => {
                frames += 1;
                if let Ok(message) = Dnstap::read(data) {
                    assert_eq!(Dnstap::read(&message.to_bytes()), Ok(message));
                }
                tap.take(data);
            }
            Ok(Received::Send(_)) => {}
            Ok(Received::More) => match pieces.next() {
                Some(piece) => receiver.feed(piece),
                None => break,
            },
            Ok(Received::End) | Err(_) => break,
        }
    }
    tap.finish();
    let given = std::iter::from_fn(|| tap.give()).count();
    assert!(given <= 2 * frames, "{given} events of {frames} frames");
    let mut out = Vec::new();
    let mut sender = Sender::both_ways();
    sender.start(&mut out);
    let _ = sender.feed(bytes, &mut out);
});
