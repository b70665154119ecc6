//! The parts of the walk that queries pay for, each done a given number of times, for whoever counts instructions.
//!
//! ```text
//! parts --list             the parts, one a line: name, tab, what is done once
//! parts PART TURNS         makes ready, does it TURNS times, ends
//! cargo xtask bench        counts them with callgrind, beside the record in benches/instructions.toml
//! ```
//!
//! Making ready and ending cost the same for any number of turns, so the difference of two runs is turns alone. Reads no clock
//! and no counter.

mod world;

use std::hint::black_box;
use std::process::ExitCode;

use cache::{Cache, Front, Key};
use policy::{Decision, Policy};
use wire::cookie::{Cookie, Standing};
use wire::kind::{A, CLASS_IN};
use wire::name::Folded;
use wire::reply::Shipping;
use wire::view::{self, Query};

use world::{AGE_SECONDS, NAMES, NOW, Opt, PEER, SECRET, World, keep, names, queries, read_query};

/// Most turns of one run: that many events stay in the ring, since reading them is another thread's work.
const TURNS_MAX: usize = 1 << 15;
/// Queries of a batch, as a listener takes them.
const BATCH: usize = 64;

/// Name, what is done once, and what does it.
type Part = (&'static str, &'static str, fn(usize));

const PARTS: &[Part] = &[
    ("read", "read a query with OPT", |turns| read(turns, Opt::Empty)),
    ("read_cookie", "read a query with OPT and a cookie", |turns| read(turns, Opt::Cookie)),
    ("fold", "fold the name asked", fold),
    ("front_hit", "find an answer in the thread's own cache", front_hit),
    ("shared_hit", "find an answer in the shared cache", shared_hit),
    ("judge_miss", "judge a name of four labels on no list (of 100,000 rules)", judge_miss),
    ("judge_hit", "judge a name below one on a list (of 100,000 rules)", judge_hit),
    ("cookie", "check a good server cookie", cookie),
    ("ship", "ship a kept reply of two records with OPT", ship),
    ("offer", "move an event from a list into a ring", offer),
    ("walk_plain", "walk: kept by the thread, no OPT; event offered", |turns| walk(turns, Opt::None, At::Front)),
    ("walk", "walk: kept by the thread, OPT; event offered", |turns| walk(turns, Opt::Empty, At::Front)),
    ("walk_cookie", "walk: kept by the thread, OPT, good cookie; event offered", |turns| {
        walk(turns, Opt::Cookie, At::Front);
    }),
    ("walk_shared", "walk: judged, in the shared cache, OPT, good cookie; event offered", |turns| {
        walk(turns, Opt::Cookie, At::Shared);
    }),
    ("walk_blocked", "walk: blocked by a list, OPT, good cookie; event offered", |turns| {
        walk(turns, Opt::Cookie, At::List);
    }),
];

/// Where the walk finds its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// In the thread's own cache.
    Front,
    /// In the cache all threads share.
    Shared,
    /// On a list.
    List,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["--list"] => {
            PARTS.iter().for_each(|(name, about, _)| println!("{name}\t{about}"));
            ExitCode::SUCCESS
        }
        [name, turns] => {
            let part = PARTS.iter().find(|part| part.0 == name);
            match (part, turns.parse()) {
                (Some((.., run)), Ok(turns)) if turns <= TURNS_MAX => {
                    run(turns);
                    ExitCode::SUCCESS
                }
                _ => {
                    eprintln!("no part `{name}`, or no number up to {TURNS_MAX}: `{turns}`");
                    ExitCode::from(2)
                }
            }
        }
        _ => {
            eprintln!("usage: parts --list | parts PART TURNS");
            ExitCode::from(2)
        }
    }
}

fn read(turns: usize, opt: Opt) {
    let queries = queries(&names(), opt);
    for turn in 0..turns {
        black_box(view::read(black_box(&queries[turn % NAMES])));
    }
}

fn fold(turns: usize) {
    let queries = queries(&names(), Opt::None);
    let queries: Vec<Query<'_>> = queries.iter().map(|bytes| read_query(bytes)).collect();
    for turn in 0..turns {
        black_box(black_box(&queries[turn % NAMES]).qname.fold());
    }
}

fn front_hit(turns: usize) {
    let (names, cache) = (names(), Cache::new(cache::Settings::default()));
    let mut front = Front::new(cache::Settings::default().l1_entries);
    for name in &names {
        front.put(&Key::new(name, A, CLASS_IN, false, false), keep(&cache, name), 1);
    }
    for turn in 0..turns {
        let name = black_box(&names[turn % NAMES]);
        let found = front.get(name, A, CLASS_IN, false, false, 1, NOW.seconds());
        assert!(black_box(found).is_some());
    }
}

fn shared_hit(turns: usize) {
    let (names, cache) = (names(), Cache::new(cache::Settings::default()));
    for name in &names {
        keep(&cache, name);
    }
    for turn in 0..turns {
        let name = black_box(&names[turn % NAMES]);
        let found = cache.get_question(name, A, CLASS_IN, false, false, NOW.seconds());
        assert!(black_box(found).is_some());
    }
}

fn judge_miss(turns: usize) {
    judge(turns, &world::policy().0, &names(), Decision::Pass);
}

fn judge_hit(turns: usize) {
    let (policy, listed) = world::policy();
    judge(turns, &policy, &listed, Decision::Block);
}

fn judge(turns: usize, policy: &Policy, names: &[Folded], expected: Decision) {
    for turn in 0..turns {
        let verdict = policy.judge(black_box(&names[turn % NAMES]));
        assert!(black_box(&verdict).decision == expected);
    }
}

fn cookie(turns: usize) {
    let queries = queries(&names(), Opt::Cookie);
    let now_seconds = (NOW.wall_micros / 1_000_000) as u32;
    for turn in 0..turns {
        // The option is the last of the query.
        let data = black_box(&queries[turn % NAMES]).last_chunk::<24>().expect("a cookie");
        let standing = Cookie::read(data).map(|cookie| cookie.standing(PEER.ip(), &[SECRET], now_seconds));
        assert!(black_box(standing) == Some(Standing::Good));
    }
}

fn ship(turns: usize) {
    let (names, cache) = (names(), Cache::new(cache::Settings::default()));
    let entries: Vec<_> = names.iter().map(|name| keep(&cache, name)).collect();
    let queries = queries(&names, Opt::Empty);
    let queries: Vec<Query<'_>> = queries.iter().map(|bytes| read_query(bytes)).collect();
    let shipping = Shipping { size_max: 1_232, age_seconds: AGE_SECONDS, ..Shipping::PLAIN };
    let mut out = Vec::with_capacity(4_096);
    for turn in 0..turns {
        let (entry, query) = (black_box(&entries[turn % NAMES]), black_box(&queries[turn % NAMES]));
        black_box(wire::reply::ship(&entry.stored, query, &shipping, &mut out));
    }
}

fn offer(turns: usize) {
    let mut world = World::new(names(), Opt::Cookie, true);
    world.ask(0);
    world.desk.close(NOW);
    let event = world.reader.pop().expect("the event of a query");
    let mut events = vec![event; TURNS_MAX];
    let (mut ring, reader) = world::ring();
    for _ in 0..turns {
        if let Some(event) = black_box(&mut events).pop() {
            engine::Sink::offer(&mut ring, event);
        }
    }
    assert!(reader.slots() == turns, "an event was dropped");
    // What is left in both is not to be dropped, since that is counted too.
    std::mem::forget((events, ring, reader));
}

fn walk(turns: usize, opt: Opt, at: At) {
    let names = if at == At::List { world::policy().1 } else { names() };
    let mut world = World::new(names, opt, at != At::Shared);
    // Until the thread's own cache has them all.
    (0..NAMES).for_each(|turn| world.ask(turn));
    world.desk.close(NOW);
    let before = world.reader.slots();
    for turn in 0..turns {
        world.ask(turn);
        if turn % BATCH == BATCH - 1 {
            world.desk.close(NOW);
        }
    }
    world.desk.close(NOW);
    assert!(world.reader.slots() == before + turns, "an event was dropped");
    std::mem::forget(world);
}
