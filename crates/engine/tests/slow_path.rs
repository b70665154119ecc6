//! The walk gives what the slow, simple responder gives (`slow`): for queries as clients send them and for broken ones, from the
//! shared cache, then from the thread's own, and after a while; octets and event say the same.

#![allow(clippy::unwrap_used)] // A test panics where it is wrong.

mod slow;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock, mpsc};

use cache::{Cache, Key};
use engine::{CookieMode, CookieSettings, Desk, Event, Now, Outcome, Settings, Shared, Sink, Source};
use event::Outcome as Became;
use policy::{BlockAnswer, Compiler, Format, ListAction, ListInfo, Network, Snapshot};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use resolve::Resolver;
use wire::cookie::Secret;
use wire::name::Name;
use wire::reply::BlockReply;

use slow::ask::{Ask, ask, clients};
use slow::message::{self, Reply, name};
use slow::{Block, Cookies, Due, From, House, Kept, PADDING, record};

/// When the answers were kept, seconds of either clock.
const KEPT_AT: u32 = 1_000_000;
const UNIX_SECONDS: u32 = 1_800_000_000;
const SECRETS: [[u8; 16]; 3] = [[7; 16], [8; 16], [99; 16]];
/// Cases of the property; each asks three times.
const CASES: u32 = 4_000;
/// Events a case may leave unread.
const EVENTS_MAX: usize = 4;

/// A house, and the product set up as it.
struct Both {
    house: House,
    shared: Arc<Shared>,
    /// Nothing is looked up, so it never runs.
    _runtime: tokio::runtime::Runtime,
}

/// Every way to answer blocks, and every way with cookies.
static BOTH: LazyLock<Vec<Both>> = LazyLock::new(|| {
    [
        (Block::Nxdomain, Cookies::Off),
        (Block::Nxdomain, Cookies::Give),
        (Block::Nodata, Cookies::Give),
        (Block::Refused, Cookies::Give),
        (Block::Zero, Cookies::Give),
        (Block::Zero, Cookies::Require),
    ]
    .map(|(block, cookies)| both(house(block, cookies)))
    .into()
});

/// A name of 255 octets.
fn longest(last: &str) -> Vec<u8> {
    let [a, b, c] = ["a", "b", "c"].map(|letter| letter.repeat(63));
    name(&format!("{a}.{b}.{c}.{}.{last}", "d".repeat(60 - last.len())))
}

fn house(block: Block, cookies: Cookies) -> House {
    let own = |owner: &str, kind, ttl, data: &[u8]| record(&name(owner), kind, ttl, data);
    let soa = |ttl, minimum: u32| {
        let numbers = [7, 3_600, 600, 86_400, minimum].map(u32::to_be_bytes).concat();
        own("example", 6, ttl, &[name("ns.example"), name("hostmaster.example"), numbers].concat())
    };
    let of = |owner: &str, kind, answer| Kept { name: name(owner), kind, answer, ..Kept::default() };
    let text = |octets: usize| -> Vec<u8> {
        std::iter::repeat_n([&[99][..], &[b'x'; 99]].concat(), octets / 100).flatten().collect()
    };
    let kept = vec![
        of(
            "www.example",
            1,
            vec![own("www.example", 1, 300, &[192, 0, 2, 1]), own("www.example", 1, 120, &[192, 0, 2, 2])],
        ),
        of("www.example", 28, vec![own("www.example", 28, 60, &[9; 16])]),
        Kept { authentic: true, ..of("signed.example", 1, vec![own("signed.example", 1, 300, &[192, 0, 2, 3])]) },
        of(
            "alias.example",
            1,
            vec![own("alias.example", 5, 300, &name("www.test")), own("www.test", 1, 60, &[192, 0, 2, 4])],
        ),
        of(
            "cloaked.example",
            1,
            vec![own("cloaked.example", 5, 300, &name("x.ads.example")), own("x.ads.example", 1, 60, &[192, 0, 2, 7])],
        ),
        of(
            "ok.ads.example",
            1,
            vec![own("ok.ads.example", 5, 300, &name("x.ads.example")), own("x.ads.example", 1, 60, &[192, 0, 2, 7])],
        ),
        of("dangling.example", 1, vec![own("dangling.example", 5, 300, &name("www.test"))]),
        of("text.example", 16, vec![own("text.example", 16, 300, &text(400))]),
        of("text2.example", 16, vec![own("text2.example", 16, 300, &text(1_100))]),
        of("text3.example", 16, (0..8).map(|_| own("text3.example", 16, 300, &text(9_000))).take(7).collect()),
        Kept {
            additional: vec![own("mail.example", 1, 300, &[192, 0, 2, 5])],
            ..of("example", 15, vec![own("example", 15, 300, &[&[0, 10][..], &name("mail.example")].concat())])
        },
        of("", 2, vec![own("", 2, 300, &name("a.root.test"))]),
        Kept {
            name: longest("example"),
            kind: 1,
            answer: vec![record(&longest("example"), 1, 300, &[192, 0, 2, 6])],
            ..Kept::default()
        },
        Kept {
            rcode: 3,
            authority: vec![soa(300, 120)],
            ede: vec![(29, "synthesised".to_owned())],
            ..of("gone.example", 1, vec![])
        },
        Kept { authority: vec![soa(60, 3_600)], authentic: true, ..of("empty.example", 28, vec![]) },
        Kept {
            rcode: 2,
            ede: vec![(22, "no authority".to_owned()), (7, "x".repeat(200))],
            ..of("failing.example", 1, vec![])
        },
        Kept { rcode: 3_841, ..of("odd.example", 1, vec![]) },
    ];
    let rules = ["ads.example", "=exact.example", "*.below.example", "=signed.example.test"];
    let mut rules: Vec<(String, bool)> = rules.into_iter().map(|rule| (rule.to_owned(), true)).collect();
    rules.push((message::text(&longest("blocked")), true));
    rules.push(("ok.ads.example".to_owned(), false));
    House {
        kept,
        rules,
        block,
        block_ttl: 10,
        cookies,
        secrets: SECRETS[..2].to_vec(),
        nsid: b"desk.seven".to_vec(),
        udp_size: 1_232,
        keepalive: 100,
        failure_ttl: 5,
    }
}

/// Names asked for: those with answers, blocked ones, special ones, and some of which nothing is known.
fn names(house: &House) -> Vec<(Vec<u8>, u16)> {
    let kept = house.kept.iter().map(|kept| (kept.name.clone(), kept.kind));
    let other = [
        "ads.example",
        "x.ads.example",
        "deep.x.ads.example",
        "exact.example",
        "not.exact.example",
        "below.example",
        "x.below.example",
        "localhost",
        "a.localhost",
        "localhost.example",
        "invalid",
        "a.b.invalid",
        "x.onion",
        "xonion",
        "nothing.example",
        "com",
    ];
    let other = other.into_iter().map(|text| (name(text), 1));
    kept.clone().chain(kept).chain(other).chain([(longest("blocked"), 1), (longest("unknown"), 1)]).collect()
}

/// Sets the product up as the house.
fn both(house: House) -> Both {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cache = Arc::new(Cache::new(cache::Settings { failure_ttl: house.failure_ttl, ..cache::Settings::default() }));
    for kept in &house.kept {
        for (checking_disabled, dnssec_ok) in [(false, false), (false, true), (true, false), (true, true)] {
            let qname = Name::new(&kept.name).unwrap().fold();
            let stored = wire::reply::take(&upstream(kept), 7, &qname, kept.kind, 1).unwrap();
            cache.put(Key::new(&qname, kept.kind, 1, checking_disabled, dnssec_ok), stored, None, KEPT_AT);
        }
    }
    let mut compiler = Compiler::new(7);
    for (list, blocks) in [("ads", true), ("ok", false)] {
        let action = if blocks { ListAction::Block } else { ListAction::Allow };
        let rules: Vec<&str> =
            house.rules.iter().filter(|(_, block)| *block == blocks).map(|(rule, _)| rule.as_str()).collect();
        let info = ListInfo { name: list.into(), action, format: Format::Domains, ede: 15 };
        compiler.add(info, BufReader::new(rules.join("\n").as_bytes())).unwrap();
    }
    let kind = match house.block {
        Block::Nxdomain => BlockReply::Nxdomain,
        Block::Nodata => BlockReply::Nodata,
        Block::Refused => BlockReply::Refused,
        Block::Zero => BlockReply::ZeroAddress,
    };
    let admitted = ["10.0.0.0/8", "fd00::/8"].map(|text| Network::parse(text).unwrap()).to_vec();
    let block = BlockAnswer { kind, ttl: house.block_ttl };
    let snapshot = Snapshot { policy: compiler.finish(), block, admitted, epoch: 1 };
    let resolver = Resolver::start(&resolve::Settings::default(), Arc::clone(&cache), runtime.handle());
    let settings = Settings { l1_entries: 64, nsid: house.nsid.clone().into(), ..Settings::default() };
    let shared = Shared::new(Arc::new(snapshot), cache, resolver, settings);
    let mode = match house.cookies {
        Cookies::Off => CookieMode::Off,
        Cookies::Give => CookieMode::Give,
        Cookies::Require => CookieMode::Require,
    };
    let secrets = house.secrets.iter().copied().map(Secret).collect();
    shared.publish_cookies(Arc::new(CookieSettings { mode, secrets, ..CookieSettings::default() }));
    Both { house, shared, _runtime: runtime }
}

/// A kept answer as the upstream sent it.
fn upstream(kept: &Kept) -> Vec<u8> {
    let question = (kept.name.clone(), kept.kind, 1);
    let mut bytes = message::body(&question, [&kept.answer, &kept.authority, &kept.additional]);
    let flags = 0x8180 | kept.rcode & 0xf | if kept.authentic { 0x20 } else { 0 };
    let counts = [&kept.answer, &kept.authority, &kept.additional].map(|records| records.len() as u16);
    let fields = [7, flags, 1, counts[0], counts[1], counts[2] + 1].map(u16::to_be_bytes).concat();
    bytes[..12].copy_from_slice(&fields);
    let options: Vec<u8> = kept
        .ede
        .iter()
        .flat_map(|(code, text)| {
            [&[15, text.len() as u16 + 2, *code].map(u16::to_be_bytes).concat(), text.as_bytes()].concat()
        })
        .collect();
    bytes.extend([0, 0, 41, 4, 208, (kept.rcode >> 4) as u8, 0, 0, 0]);
    bytes.extend((options.len() as u16).to_be_bytes());
    bytes.extend(options);
    bytes
}

struct Channel(mpsc::SyncSender<Event>);

impl Sink for Channel {
    fn offer(&mut self, event: Event) {
        self.0.try_send(event).unwrap();
    }
}

/// Asks at a fresh desk: for the first time, again at once, again later.
fn check(both: &Both, case: &Ask) -> Result<(), TestCaseError> {
    let (sender, events) = mpsc::sync_channel(EVENTS_MAX);
    let mut desk = Desk::new(Arc::clone(&both.shared), Box::new(Channel(sender)));
    let source = Source { peer: SocketAddr::new(case.client, 5_353), transport: case.transport };
    for age in [case.age, case.age, case.age + case.later] {
        let micros = u64::from(KEPT_AT + age) * 1_000_000;
        let now = Now { wall_micros: i64::from(UNIX_SECONDS) * 1_000_000, monotonic_micros: micros };
        let due = both.house.due(&case.bytes, from(case, age));
        let mut octets = vec![0xee; 3];
        let given = match desk.answer(&case.bytes, source, now, &mut octets) {
            Outcome::Silence => Due::Silence,
            // Its event is `operate`'s to make.
            Outcome::Operate(_) => {
                prop_assert_eq!(due, Due::Operation);
                continue;
            }
            Outcome::Reply => Due::Reply(read(&octets)?),
            Outcome::Pursue(pursuit) => {
                desk.give_up(*pursuit, "too many", &mut octets);
                Due::Lookup(read(&octets)?)
            }
        };
        desk.close(now);
        let event = events.try_recv().map_err(|_| TestCaseError::fail("no event"))?;
        prop_assert!(events.try_recv().is_err(), "one event each");
        agree(&event, &given, octets.len())?;
        prop_assert_eq!(with_why(given, &due), due, "age {}", age);
    }
    Ok(())
}

fn from(case: &Ask, age: u32) -> From {
    let admitted = match case.client.to_canonical() {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    };
    From { client: case.client, admitted, transport: case.transport, age, unix_seconds: UNIX_SECONDS }
}

fn read(octets: &[u8]) -> Result<Reply, TestCaseError> {
    message::reply(octets).map_err(|why| TestCaseError::fail(format!("no reply, {why}: {octets:02x?}")))
}

/// The slow path knows that a broken message is told what is broken, not in which words: there "why" stands for them, and
/// padding is made longer by what the words are shorter.
fn with_why(mut given: Due, due: &Due) -> Due {
    let is_why = |(code, data): &(u16, Vec<u8>)| *code == 15 && data[2..] == *b"why";
    if let (Due::Reply(Reply { edns: Some(given), .. }), Due::Reply(Reply { edns: Some(due), .. })) = (&mut given, due)
        && due.options.iter().any(is_why)
    {
        let mut saved = 0;
        for (_, data) in given.options.iter_mut().filter(|(code, data)| *code == 15 && data.len() > 5) {
            saved += data.len() - 5;
            data.splice(2.., *b"why");
        }
        for (_, data) in given.options.iter_mut().filter(|(code, _)| *code == PADDING) {
            data.resize((data.len() + saved) % 468, 0);
        }
    }
    given
}

/// The event says what the octets say.
fn agree(event: &Event, given: &Due, octets_len: usize) -> Result<(), TestCaseError> {
    let (Due::Reply(reply) | Due::Lookup(reply)) = given else {
        prop_assert_eq!((event.rcode, event.outcome, event.reply_size), (None, Became::Dropped, 0));
        return Ok(());
    };
    let outcome = match reply {
        reply if reply.flags.contains("TC") => Became::Truncated,
        reply if reply.rcode != 0 => Became::Error,
        reply if reply.answer.is_empty() => Became::Nodata,
        _ => Became::Answered,
    };
    prop_assert_eq!((event.rcode, event.outcome), (Some(reply.rcode), outcome));
    prop_assert_eq!((usize::from(event.reply_size), usize::from(event.answer_count)), (octets_len, reply.answer.len()));
    prop_assert_eq!(u16::from(event.opcode), reply.opcode);
    let asked = reply.question.as_ref().map(|(name, kind, class)| (message::text(name), *kind, *class));
    let logged = event.domain.as_ref().map(|domain| (domain.to_string(), event.qtype, event.qclass));
    prop_assert_eq!(logged, asked);
    Ok(())
}

fn cases() -> impl Strategy<Value = (usize, Ask)> {
    let mut names = names(&BOTH[0].house);
    names.sort();
    (0..BOTH.len(), ask(names, clients(), SECRETS.to_vec(), UNIX_SECONDS))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_gives_what_the_slow_path_gives((at, case) in cases()) {
        check(&BOTH[at], &case)?;
    }
}

/// What is asked above reaches every way out: a property about one error said three thousand times would prove little.
#[test]
fn the_questions_reach_every_way_out() {
    let mut runner = TestRunner::deterministic();
    let strategy = cases();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..CASES {
        let (at, case) = strategy.new_tree(&mut runner).unwrap().current();
        let way = match BOTH[at].house.due(&case.bytes, from(&case, case.age)) {
            Due::Silence => "silence".to_owned(),
            Due::Operation => "operation".to_owned(),
            Due::Lookup(reply) => format!("lookup, else {}", reply.rcode),
            Due::Reply(reply) => {
                for (code, _) in reply.edns.iter().flat_map(|edns| &edns.options) {
                    *seen.entry(format!("option {code}")).or_default() += 1;
                }
                let tc = if reply.flags.contains("TC") { " TC" } else { "" };
                format!("{} of {}{tc}", reply.rcode, reply.opcode.min(1))
            }
        };
        *seen.entry(way).or_default() += 1;
    }
    for way in [
        "silence",
        "operation",
        "lookup, else 0",
        "lookup, else 2",
        "lookup, else 3",
        "0 of 0",
        "0 of 0 TC",
        "1 of 0",
        "1 of 1",
        "2 of 0",
        "3 of 0",
        "4 of 0",
        "4 of 1",
        "5 of 0",
        "16 of 0",
        "23 of 0",
        "3841 of 0",
        "option 3",
        "option 10",
        "option 11",
        "option 12",
        "option 15",
    ] {
        assert!(seen.get(way).is_some_and(|times| *times >= 3), "{way}: {seen:#?}");
    }
}
