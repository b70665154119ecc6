//! Price of what every cached answer pays: reading the query, folding its name, shipping the stored packet.
//!
//! ```text
//! cargo bench -p wire
//! ```

use std::hint::black_box;
use std::time::Instant;

use wire::name::Folded;
use wire::reply::{self, Asked, BlockReply, EdeOut, Shipping};
use wire::view::{self, Arrival, Query};

/// Turns per measurement; the best of several measurements is printed, so that a busy machine disturbs less.
const TURNS: u32 = 1_000_000;
const MEASUREMENTS: u32 = 5;

fn main() {
    let qname = Folded::from_text("www.example.com").expect("a name");
    let asked =
        Asked { qname: qname.wire(), qtype: 1, qclass: 1, checking_disabled: false, dnssec_ok: false, udp_size: 1232 };
    let mut bytes = Vec::new();
    reply::ask(7, &asked, &mut bytes);
    let Arrival::Query(query) = view::read(&bytes) else { panic!("no query") };
    let upstream = two_addresses(&query);
    let stored = reply::take(&upstream, 7, &qname, 1, 1).expect("a reply");
    let ede = [EdeOut { code: 15, text: "list=ads rule=example.com" }];
    let plain = Shipping { size_max: 1232, age_seconds: 3, ..Shipping::PLAIN };
    let blocked = Shipping { ede: &ede, ..plain };
    let mut out = Vec::with_capacity(4096);

    measure("read", || {
        black_box(view::read(black_box(&bytes)));
    });
    measure("fold", || {
        black_box(black_box(&query).qname.fold());
    });
    measure("ship, two records", || {
        black_box(reply::ship(black_box(&stored), black_box(&query), &plain, &mut out));
    });
    measure("read, fold, ship", || {
        if let Arrival::Query(query) = view::read(black_box(&bytes)) {
            black_box(query.qname.fold());
            reply::ship(black_box(&stored), &query, &plain, &mut out);
        }
    });
    measure("blocked, one extended error", || {
        black_box(reply::blocked(black_box(&query), BlockReply::Nxdomain, 10, &blocked, &mut out));
    });
    measure("take, two records", || {
        black_box(reply::take(black_box(&upstream), 7, &qname, 1, 1).ok());
    });
}

/// An upstream's reply to the query with two A records.
fn two_addresses(query: &Query<'_>) -> Vec<u8> {
    let mut bytes = query.bytes[..query.question_end()].to_vec();
    bytes[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]);
    for last in [1, 2] {
        bytes.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, last]);
    }
    bytes
}

fn measure(what: &str, mut turn: impl FnMut()) {
    let once = |turn: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..TURNS {
            turn();
        }
        start.elapsed().as_nanos() as f64 / f64::from(TURNS)
    };
    let best = (0..MEASUREMENTS).map(|_| once(&mut turn)).fold(f64::INFINITY, f64::min);
    println!("{what:<28} {best:>8.1} ns");
}
