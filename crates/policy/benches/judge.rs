//! What lists cost: bytes per domain, time to load, time per verdict.
//!
//! `cargo bench -p policy` for 1 million synthetic domains, `cargo bench -p policy -- 5000000` for another number.

use std::hint::black_box;
use std::time::{Duration, Instant};

use policy::{Compiler, Decision, Format, ListAction, ListInfo, Policy};
use wire::name::Folded;

/// Names asked in turn: more than fit the caches together with the table.
const NAMES: usize = 200_000;
/// Names judged in a row, as in a batch of datagrams.
const BATCH: usize = 64;
const ROUNDS: usize = 5;

fn main() {
    let domains = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let listed: Vec<String> = (0..domains).map(|_| random.domain()).collect();
    let list = listed.join("\n");

    let started = Instant::now();
    let mut compiler = Compiler::new(42);
    let info = ListInfo { name: "synthetic".into(), action: ListAction::Block, format: Format::Auto, ede: 15 };
    let report = compiler.add(info, list.as_bytes()).map(|report| report.rules);
    let read = started.elapsed();
    let policy = compiler.finish();
    println!("domains            {domains} ({report:?} rules taken, {} in force)", policy.rules());
    println!("list               {:.1} bytes/domain as text", list.len() as f64 / domains as f64);
    println!("load               {:.0} ms, of which reading {:.0} ms", millis(started), read.as_secs_f64() * 1e3);
    println!("memory             {:.2} bytes/domain", policy.memory_bytes() as f64 / policy.rules().max(1) as f64);

    let hits: Vec<Folded> =
        (0..NAMES).filter_map(|_| Folded::from_text(&format!("www.{}", listed[random.below(listed.len())]))).collect();
    let misses: Vec<Folded> =
        (0..NAMES).filter_map(|_| Folded::from_text(&format!("www.cdn.{}", random.domain()))).collect();
    time("judge, on a list", &policy, &hits, Decision::Block);
    time("judge, on no list", &policy, &misses, Decision::Pass);
}

fn time(what: &str, policy: &Policy, names: &[Folded], expected: Decision) {
    let best = (0..ROUNDS).map(|_| round(policy, names, expected)).fold(f64::INFINITY, f64::min);
    println!("{what:<18} {best:.0} ns");
}

/// Nanoseconds per verdict. Names are copied just before they are judged, as a query is when it has just been read: the table is
/// cold, the name is not.
fn round(policy: &Policy, names: &[Folded], expected: Decision) -> f64 {
    let mut spent = Duration::ZERO;
    let mut right = 0;
    for batch in names.chunks(BATCH) {
        let batch = batch.to_vec();
        let started = Instant::now();
        right += batch.iter().filter(|name| policy.judge(black_box(name)).decision == expected).count();
        spent += started.elapsed();
    }
    // Of five million random names some are above names that are asked later.
    assert!(right as f64 > names.len() as f64 * 0.95, "{right} of {} judged {expected:?}", names.len());
    spent.as_secs_f64() * 1e9 / names.len() as f64
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// The same names in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// One to three labels of 4 to 12 letters under a few top-level domains.
    fn domain(&mut self) -> String {
        let mut name = String::new();
        for _ in 0..=self.below(3).min(1 + self.below(2)) {
            for _ in 0..4 + self.below(9) {
                name.push(char::from(b'a' + self.below(26) as u8));
            }
            name.push('.');
        }
        name.push_str(["example", "test", "invalid", "localdomain"][self.below(4)]);
        name
    }
}
