//! Price of a lookup in the front and in the shared cache.
//!
//! ```text
//! cargo bench -p cache
//! ```

use std::hint::black_box;
use std::time::Instant;

use cache::{Cache, Front, Key, Settings};
use wire::name::Folded;
use wire::reply::{BlockReply, block};

const NAMES: usize = 4_096;
const TURNS: usize = 1_000_000;
const MEASUREMENTS: usize = 5;

fn main() {
    let cache = Cache::new(Settings::default());
    let mut front = Front::new(2 * NAMES);
    let names: Vec<Folded> =
        (0..NAMES).filter_map(|number| Folded::from_text(&format!("host{number}.example.com"))).collect();
    for name in &names {
        let key = Key::new(name, 1, 1, false, false);
        let entry = cache.put(key.clone(), block(BlockReply::ZeroAddress, name, 1, 1, 300), None, 0);
        front.put(&key, entry, 0);
    }
    let held = names.iter().filter(|name| front.get(name, 1, 1, false, false, 0, 1).is_some()).count();
    println!("front holds {held} of {NAMES}");
    measure("front, hit or miss", |turn| {
        black_box(front.get(&names[turn % NAMES], 1, 1, false, false, 0, 1));
    });
    measure("front, miss", |turn| {
        black_box(front.get(&names[turn % NAMES], 2, 1, false, false, 0, 1));
    });
    measure("shared, hit", |turn| {
        black_box(cache.get_question(&names[turn % NAMES], 1, 1, false, false, 1));
    });
    measure("shared, miss", |turn| {
        black_box(cache.get_question(&names[turn % NAMES], 2, 1, false, false, 1));
    });
}

fn measure(what: &str, turn: impl Fn(usize)) {
    let once = || {
        let start = Instant::now();
        (0..TURNS).for_each(&turn);
        start.elapsed().as_nanos() as f64 / TURNS as f64
    };
    let best = (0..MEASUREMENTS).map(|_| once()).fold(f64::INFINITY, f64::min);
    println!("{what:<28} {best:>8.1} ns");
}
