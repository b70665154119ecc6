//! The cache against a naive one, and the rules of time one by one.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use wire::name::Folded;
use wire::reply::{BlockReply, Shape, Stored, block};

use crate::{Age, Cache, Front, Key, Settings};

const A: u16 = 1;
const IN: u16 = 1;

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

fn key(text: &str) -> Key {
    Key::new(&name(text), A, IN, false, false)
}

/// An answer with this TTL.
fn answer(text: &str, ttl: u32) -> Stored {
    block(BlockReply::ZeroAddress, &name(text), A, IN, ttl)
}

fn failure(text: &str) -> Stored {
    Stored { rcode: 2, ttl: None, shape: Shape::Error, ..block(BlockReply::Refused, &name(text), A, IN, 0) }
}

fn settings() -> Settings {
    Settings { ttl_max: 1_000, negative_ttl_max: 100, failure_ttl: 5, stale_max: 50, ..Settings::default() }
}

fn age(cache: &Cache, text: &str, now: u32) -> Option<Age> {
    cache.get(&key(text), now).map(|(_, age)| age)
}

fn fresh(age_seconds: u32, left_seconds: u32) -> Option<Age> {
    Some(Age::Fresh { age_seconds, left_seconds })
}

#[test]
fn an_answer_is_fresh_then_stale_then_gone() {
    let cache = Cache::new(settings());
    let entry = cache.put(key("a.example"), answer("a.example", 60), Some("192.0.2.1".into()), 100);
    assert_eq!((&*entry.domain, entry.summary.as_deref()), ("a.example", Some("A 0.0.0.0")));
    assert_eq!((entry.stored_at, entry.expires_at), (100, 160));
    for (now, expected) in [
        (100, fresh(0, 60)),
        (159, fresh(59, 1)),
        (160, Some(Age::Stale { since_seconds: 0 })),
        (209, Some(Age::Stale { since_seconds: 49 })),
        (210, None),
        // A reader whose clock lags behind the writer's.
        (99, fresh(0, 61)),
    ] {
        assert_eq!(age(&cache, "a.example", now), expected, "{now}");
    }
}

#[test]
fn how_long_answers_are_kept() {
    let nodata = |ttl| Stored { ttl, ..block(BlockReply::Nodata, &name("x"), A, IN, 60) };
    let nxdomain = |ttl| Stored { ttl, ..block(BlockReply::Nxdomain, &name("x"), A, IN, 60) };
    let refused = block(BlockReply::Refused, &name("x"), A, IN, 60);
    for (what, stored, ttl_min, expected) in [
        ("its TTL", answer("x", 60), 0, 60),
        ("at least the minimum", answer("x", 60), 90, 90),
        ("at most the maximum", answer("x", 5_000), 0, 1_000),
        ("TTL 0 never", answer("x", 0), 90, 0),
        ("negative", nodata(Some(60)), 0, 60),
        ("negative, at most their own maximum", nxdomain(Some(5_000)), 0, 100),
        ("negative without SOA never", nodata(None), 90, 0),
        ("NXDOMAIN without SOA never", nxdomain(None), 90, 0),
        ("failure", failure("x"), 90, 5),
        ("refusal by the upstream", refused, 90, 5),
    ] {
        let cache = Cache::new(Settings { ttl_min, stale_max: 0, ..settings() });
        let entry = cache.put(key("x"), stored, None, 7);
        assert_eq!(entry.expires_at - entry.stored_at, expected, "{what}");
        assert_eq!(age(&cache, "x", 7).is_some(), expected > 0, "{what}");
        assert_eq!(age(&cache, "x", 7 + expected), None, "{what}");
    }
}

#[test]
fn a_failure_does_not_displace_a_stale_answer() {
    let cache = Cache::new(settings());
    cache.put(key("x"), answer("x", 10), None, 0);
    cache.put(key("x"), failure("x"), None, 20);
    assert_eq!(age(&cache, "x", 20), Some(Age::Stale { since_seconds: 10 }));
    cache.put(key("x"), failure("x"), None, 60);
    assert_eq!(age(&cache, "x", 60), fresh(0, 5), "nothing is left to protect");
    assert_eq!(age(&cache, "x", 65), None, "failures are never stale");
    cache.put(key("x"), answer("x", 10), None, 62);
    assert_eq!(age(&cache, "x", 62), fresh(0, 10));
}

#[test]
fn every_part_of_the_question_counts() {
    let cache = Cache::new(settings());
    let mut front = Front::new(64);
    let keyed = |text, qtype, class, cd, dnssec| Key::new(&name(text), qtype, class, cd, dnssec);
    let one = cache.put(keyed("Www.Example", A, IN, false, false), answer("www.example", 60), None, 0);
    front.put(&keyed("www.example", A, IN, false, false), one, 1);
    for (text, qtype, class, cd, dnssec, found) in [
        ("WWW.example", A, IN, false, false, true),
        ("ww.example", A, IN, false, false, false),
        ("www.example", 28, IN, false, false, false),
        ("www.example", A, 3, false, false, false),
        ("www.example", A, IN, true, false, false),
        ("www.example", A, IN, false, true, false),
    ] {
        assert_eq!(cache.get(&keyed(text, qtype, class, cd, dnssec), 1).is_some(), found, "{text} {qtype}");
        assert_eq!(cache.get_question(&name(text), qtype, class, cd, dnssec, 1).is_some(), found, "{text} {qtype}");
        assert_eq!(front.get(&name(text), qtype, class, cd, dnssec, 1, 1).is_some(), found, "{text} {qtype}");
    }
}

#[test]
fn memory_stays_within_bounds_and_what_is_asked_for_stays() {
    let cache = Cache::new(Settings { size_bytes: 200_000, ..settings() });
    cache.put(key("favourite.example"), answer("favourite.example", 600), None, 0);
    for number in 0..5_000 {
        let text = format!("n{number}.example");
        cache.put(key(&text), answer(&text, 600), None, 0);
        assert!(age(&cache, "favourite.example", 0).is_some(), "evicted after {number}");
        assert!(cache.figures().bytes <= 200_000);
    }
    let figures = cache.figures();
    assert!(figures.entries > 100, "{figures:?}");
    assert_eq!(figures.entries + figures.evicted, 5_001);
    let huge = Stored { packet: vec![0; 200_000].into(), ..answer("huge", 600) };
    assert_eq!(cache.put(key("huge"), huge, None, 0).expires_at, 600);
    assert_eq!(age(&cache, "huge", 0), None, "returned, not kept");
    cache.clear();
    assert_eq!((cache.figures().entries, cache.figures().bytes, cache.epoch()), (0, 0, 1));
    assert_eq!(age(&cache, "favourite.example", 0), None);
}

#[test]
fn the_front_forgets_with_time_and_epoch() {
    let cache = Cache::new(settings());
    let mut front = Front::new(8);
    let entry = cache.put(key("x"), answer("x", 10), None, 0);
    let get = |front: &Front, epoch, now| front.get(&name("x"), A, IN, false, false, epoch, now).is_some();
    front.put(&key("x"), entry, 7);
    assert!(get(&front, 7, 0) && get(&front, 7, 9));
    assert!(!get(&front, 7, 10), "over");
    assert!(!get(&front, 8, 0), "another epoch");
    let newer = cache.put(key("x"), answer("x", 20), None, 5);
    front.put(&key("x"), newer, 8);
    assert!(get(&front, 8, 24));
}

#[test]
fn the_front_keeps_what_is_asked_for() {
    let cache = Cache::new(settings());
    let mut front = Front::new(64);
    front.put(&key("favourite"), cache.put(key("favourite"), answer("favourite", 600), None, 0), 1);
    for number in 0..2_000 {
        let text = format!("n{number}");
        front.put(&key(&text), cache.put(key(&text), answer(&text, 600), None, 0), 1);
        assert!(front.get(&name("favourite"), A, IN, false, false, 1, 0).is_some(), "evicted after {number}");
    }
    assert!(front.get(&name("n1999"), A, IN, false, false, 1, 0).is_some(), "the newest is there");
}

#[test]
fn many_threads_at_once() {
    let cache = Arc::new(Cache::new(Settings { size_bytes: 300_000, ..settings() }));
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let cache = &cache;
            scope.spawn(move || {
                let mut front = Front::new(64);
                for turn in 0..5_000u32 {
                    let text = format!("n{}.example", (turn * 7 + thread) % 400);
                    let now = turn / 100;
                    match cache.get(&key(&text), now) {
                        Some((entry, _)) => {
                            assert_eq!(*entry.domain, *text);
                            front.put(&key(&text), entry, 1);
                        }
                        None => drop(cache.put(key(&text), answer(&text, 10), None, now)),
                    }
                    if let Some(entry) = front.get(&name(&text), A, IN, false, false, 1, now) {
                        assert_eq!(*entry.domain, *text);
                    }
                    if turn % 1_000 == 999 && thread == 0 {
                        cache.clear();
                    }
                }
            });
        }
    });
    assert!(cache.figures().bytes <= 300_000);
}

/// What happens to a cache.
#[derive(Clone, Debug)]
enum Step {
    Put { name: u8, ttl: u32 },
    Fail { name: u8 },
    Get { name: u8 },
    Wait { seconds: u32 },
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u8, 0..60u32).prop_map(|(name, ttl)| Step::Put { name, ttl }),
        2 => (0..6u8).prop_map(|name| Step::Fail { name }),
        6 => (0..6u8).prop_map(|name| Step::Get { name }),
        4 => (0..40u32).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    /// With room for all, the cache does what a map with times does; the front never says more than the cache.
    #[test]
    fn the_same_as_a_map(steps in proptest::collection::vec(step(), 1..200)) {
        let cache = Cache::new(settings());
        let mut front = Front::new(4);
        let mut map: HashMap<u8, (u32, u32, bool)> = HashMap::new();
        let mut now = 1_000;
        for step in steps {
            let text = |name: u8| format!("n{name}.example");
            let model = |map: &HashMap<u8, (u32, u32, bool)>, name: u8| -> Option<Age> {
                let &(stored, end, failed) = map.get(&name)?;
                if now < end {
                    fresh(now - stored, end - now)
                } else if !failed && now - end < 50 {
                    Some(Age::Stale { since_seconds: now - end })
                } else {
                    None
                }
            };
            match step {
                Step::Put { name, ttl } => {
                    cache.put(key(&text(name)), answer(&text(name), ttl), None, now);
                    if ttl > 0 {
                        map.insert(name, (now, now + ttl, false));
                    }
                }
                Step::Fail { name } => {
                    cache.put(key(&text(name)), failure(&text(name)), None, now);
                    let protected = model(&map, name).is_some() && map.get(&name).is_some_and(|held| !held.2);
                    if !protected {
                        map.insert(name, (now, now + 5, true));
                    }
                }
                Step::Get { name } => {
                    let found = cache.get(&key(&text(name)), now);
                    prop_assert_eq!(found.as_ref().map(|(_, age)| *age), model(&map, name));
                    if let Some(entry) = front.get(&super::tests::name(&text(name)), A, IN, false, false, 0, now) {
                        prop_assert_eq!(&*entry.domain, &*text(name));
                        prop_assert!(now < entry.expires_at);
                    }
                    if let Some((entry, Age::Fresh { .. })) = found {
                        front.put(&key(&text(name)), entry, 0);
                        prop_assert!(front.get(&super::tests::name(&text(name)), A, IN, false, false, 0, now).is_some());
                    }
                }
                Step::Wait { seconds } => now += seconds,
                Step::Clear => {
                    cache.clear();
                    map.clear();
                }
            }
        }
    }
}

#[test]
fn names_asked_for_once_push_out_each_other_and_nothing_that_is_used() {
    let cache = Cache::new(Settings { size_bytes: 1 << 20, ..settings() });
    let used: Vec<String> = (0..500).map(|number| format!("used{number}.example")).collect();
    for text in &used {
        cache.put(key(text), answer(text, 600), None, 0);
        assert!(age(&cache, text, 0).is_some());
    }
    // A flood of made-up names, many times what the cache holds; meanwhile nobody asks for what is used.
    for number in 0..50_000 {
        let text = format!("r{number}.flood.example");
        cache.put(key(&text), answer(&text, 600), None, 1);
    }
    let left = used.iter().filter(|text| age(&cache, text, 2).is_some()).count();
    assert_eq!(left, used.len());
}

#[test]
fn what_comes_back_soon_is_taken_for_used() {
    let cache = Cache::new(Settings { size_bytes: 1 << 20, ..settings() });
    let mut numbers = 0..;
    let mut flood = |times: usize, is_over: &dyn Fn() -> bool| {
        for number in numbers.by_ref().take(times) {
            let text = format!("r{number}.flood.example");
            cache.put(key(&text), answer(&text, 600), None, 0);
            if is_over() {
                break;
            }
        }
    };
    let often = || cache.put(key("often.example"), answer("often.example", 600), None, 0);
    often();
    // `figures` counts it without asking for it: it is gone once as many were put out as came before it.
    flood(50_000, &|| cache.figures().evicted > 0);
    assert!(age(&cache, "often.example", 0).is_none(), "the oldest went first");
    // Looked up again: from now on it stays.
    often();
    flood(20_000, &|| false);
    assert!(age(&cache, "often.example", 0).is_some());
}

proptest! {
    /// Puts of any order, age and size and lookups between them: what is held is what is counted, and it fits.
    #[test]
    fn figures_are_those_of_what_is_held(
        steps in prop::collection::vec((0_u32..60, 0_usize..4_000, 0_u32..3, any::<bool>()), 1..400),
    ) {
        let cache = Cache::new(Settings { size_bytes: 40_000, ..settings() });
        let (mut now, mut names) = (0, std::collections::HashSet::new());
        for (number, size, passed, asks) in steps {
            now += passed;
            let text = format!("n{number}.example");
            if asks {
                let _ = cache.get(&key(&text), now);
            } else {
                let stored = Stored { packet: vec![0; size].into(), ..answer(&text, 20) };
                cache.put(key(&text), stored, None, now);
                names.insert(text);
            }
            let figures = cache.figures();
            prop_assert!(figures.bytes <= 40_000, "{figures:?}");
        }
        // Nothing is past giving: entries found are entries held.
        let found = names.iter().filter(|text| cache.get(&key(text), 0).is_some()).count() as u64;
        prop_assert_eq!(found, cache.figures().entries);
    }
}
