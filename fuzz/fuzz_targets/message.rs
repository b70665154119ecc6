//! The first door: octets a stranger sent. Whatever they are, they are sorted, and a reply made of them keeps its promises.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::reply::{self, EdeOut, Shipping, UDP_SIZE_DEFAULT};
use wire::view::{self, Arrival, Edns, Reason, Silence};

/// Largest reply over a stream.
const STREAM_SIZE_MAX: usize = 65_535;

fn shipping<'a>(size_max: usize, ede: &'a [EdeOut<'a>]) -> Shipping<'a> {
    Shipping { size_max, ede, age_seconds: 7, ..Shipping::PLAIN }
}

/// Checks what holds for every reply: its length, its ID, and that nobody would answer it.
fn check_reply(query: &[u8], reply: &[u8], len: usize, size_max: usize) {
    assert_eq!(reply.len(), len);
    assert!(len <= size_max, "{len} octets, at most {size_max} allowed");
    assert_eq!(reply.get(..2), query.get(..2), "the ID is the query's");
    assert!(matches!(view::read(reply), Arrival::Silence(Silence::Response)));
}

fn sizes(edns: Option<Edns<'_>>) -> [usize; 2] {
    [reply::udp_size_max(edns, UDP_SIZE_DEFAULT), STREAM_SIZE_MAX]
}

fuzz_target!(|bytes: &[u8]| {
    let ede = [EdeOut { code: 15, text: "list=ads rule=ads.example" }];
    match view::read(bytes) {
        Arrival::Query(query) => {
            let blocked = reply::block(reply::BlockReply::Nxdomain, &query.qname.fold(), query.qtype, query.qclass, 60);
            for size_max in sizes(query.edns) {
                let mut out = Vec::new();
                let len = reply::coded(&query, 2, &shipping(size_max, &ede), &mut out);
                check_reply(bytes, &out, len, size_max);
                out.clear();
                let len = reply::ship(&blocked, &query, &shipping(size_max, &ede), &mut out);
                check_reply(bytes, &out, len, size_max);
            }
        }
        Arrival::Reject(reject) => {
            for size_max in sizes(reject.edns) {
                let mut out = Vec::new();
                let len = reply::reject(&reject, &shipping(size_max, &ede), &mut out);
                check_reply(bytes, &out, len, size_max);
            }
        }
        Arrival::Operation(operation) => {
            assert!(operation.tsig_at.is_none_or(|at| at < bytes.len()));
            let rejected = operation.rejected(2, Reason::Opcode { opcode: operation.opcode });
            for size_max in sizes(rejected.edns) {
                let mut out = Vec::new();
                let len = reply::reject(&rejected, &shipping(size_max, &ede), &mut out);
                check_reply(bytes, &out, len, size_max);
            }
        }
        Arrival::Silence(_) => {}
    }
});
