//! Price of an answer from a local zone of 100,000 names, of one change to it, and of reading a file of a million records.
//!
//! ```text
//! cargo bench -p zone
//! ```

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use wire::kind;
use wire::name::Folded;
use zone::Zone;

const NAMES: usize = 100_000;
const TURNS: usize = 200_000;
const MEASUREMENTS: usize = 5;
/// Records of the file that is read whole.
const RECORDS: usize = 1_000_000;

fn main() {
    let apex = "@ 3600 SOA ns admin 1 2 3 4 300\n@ NS ns\nns A 192.0.2.1\n*.wild A 192.0.2.2\n";
    let plain = read(&hosts(apex, NAMES));
    let divided = read(&hosts(&format!("{apex}sub NS ns.sub\nns.sub A 192.0.2.3\n"), NAMES));
    let names = |make: &dyn Fn(usize) -> String| -> Vec<Folded> {
        (0..NAMES).map(|at| Folded::from_text(&make(at * 7919 % NAMES)).expect("a name")).collect()
    };
    let hits = names(&|at| format!("host{at}.example"));
    let misses = names(&|at| format!("none{at}.example"));
    let wild = names(&|at| format!("x{at}.wild.example"));
    let below = names(&|at| format!("x{at}.sub.example"));
    let ask = |zone: &Zone, qname: &Folded| {
        black_box(zone.lookup(black_box(qname), kind::A, false));
    };
    measure("answer", &hits, |qname| ask(&plain, qname));
    measure("answer, zone with delegations", &hits, |qname| ask(&divided, qname));
    measure("no such name", &misses, |qname| ask(&plain, qname));
    measure("wildcard", &wild, |qname| ask(&plain, qname));
    measure("referral", &below, |qname| ask(&divided, qname));
    measure("set alone", &hits, |qname| {
        black_box(plain.rrset(black_box(qname), kind::A));
    });
    let record = zone::file::records("new A 192.0.2.9", plain.origin(), 60).expect("a record").remove(0);
    measure("clone, add a record, drop", &hits, |qname| {
        let mut next = plain.clone();
        next.add(&zone::Record { owner: qname.clone(), ..record.clone() });
        black_box(next);
    });

    let text = hosts(apex, RECORDS);
    let before = resident_bytes();
    let start = Instant::now();
    let zone = read(&text);
    let seconds = start.elapsed().as_secs_f64();
    let each = resident_bytes().saturating_sub(before) as f64 / zone.record_count() as f64;
    println!("read {} records, {} MB of text: {seconds:.2} s", zone.record_count(), text.len() / 1_000_000);
    println!("memory: {each:.0} octets a record, names of one record each");
}

/// A zone file with `count` names of one address each.
fn hosts(apex: &str, count: usize) -> String {
    let mut text = apex.to_owned();
    for at in 0..count {
        let _ = writeln!(text, "host{at} A 10.{}.{}.{}", at >> 16 & 255, at >> 8 & 255, at & 255);
    }
    text
}

fn read(text: &str) -> Zone {
    let origin = Folded::from_text("example").expect("a name");
    zone::file::read("zone", text, &origin, &mut |_| Err("none".to_owned())).expect("a zone")
}

/// What Linux says we hold; 0 elsewhere.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_ascii_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}

fn measure(what: &str, names: &[Folded], mut turn: impl FnMut(&Folded)) {
    let once = |turn: &mut dyn FnMut(&Folded)| {
        let start = Instant::now();
        for qname in names.iter().cycle().take(TURNS) {
            turn(qname);
        }
        start.elapsed().as_nanos() as f64 / TURNS as f64
    };
    let best = (0..MEASUREMENTS).map(|_| once(&mut turn)).fold(f64::INFINITY, f64::min);
    println!("{what:<32} {best:>8.1} ns");
}
