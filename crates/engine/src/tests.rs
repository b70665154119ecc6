//! Scenarios: lists, zones, upstreams, questions, time passing; what the client and the log get. No socket, no clock, no
//! tokio: the harness below plays listener and resolver.

mod limits;
mod operations;
mod zones;

use std::collections::HashMap;
use std::fmt::Write;
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, mpsc};

use cache::{Cache, Entry};
use policy::{BlockAnswer, Compiler, Format, ListAction, ListInfo, Network, Snapshot};
use proptest::prelude::*;
use resolve::{Found, Resolver};
use wire::code::Code;
use wire::kind::{class_from_name, type_from_name};
use wire::name::Folded;
use wire::reply::{BlockReply, Stored};

use zone::{Delta, Held, Keeper, Role, State, Zone, Zones};

use crate::{Access, Authority, Desk, Event, Now, Outcome, Settings, Shared, Sink, Source, Transport};

/// Monotonic seconds at which stories begin: long enough after 0 for answers to be old.
const START_SECONDS: u64 = 1_000_000;
const UPSTREAM: &str = "udp://192.0.2.53:53";
const ID: u16 = 0xbeef;
/// Events a test may leave unread.
const EVENTS_MAX: usize = 16;

struct Channel(mpsc::SyncSender<Event>);

impl Sink for Channel {
    fn offer(&mut self, event: Event) {
        self.0.try_send(event).unwrap();
    }
}

/// The world of one story.
struct World {
    shared: Arc<Shared>,
    desk: Desk,
    events: mpsc::Receiver<Event>,
    /// By `name TYPE`: what the upstream says.
    upstream: HashMap<String, String>,
    lists: Vec<(ListInfo, String)>,
    block: BlockAnswer,
    epoch: u64,
    micros: u64,
    zones: Vec<Arc<Held>>,
    access: HashMap<Folded, Access>,
    keeper: Arc<Notebook>,
    runtime: tokio::runtime::Runtime,
}

/// A keeper that writes down what it is told; it keeps nothing once it is `full`.
#[derive(Default)]
struct Notebook {
    lines: Mutex<Vec<String>>,
    full: std::sync::atomic::AtomicBool,
}

impl Notebook {
    fn write(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

impl Keeper for Notebook {
    fn commit(&self, origin: &Folded, delta: &Delta, after: &Zone) -> io::Result<()> {
        if self.full.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        assert_eq!(after.serial(), Some(delta.serials().1));
        self.write(format!("commit {origin} {}", delta.serials().1));
        Ok(())
    }

    fn changed(&self, origin: &Folded) {
        self.write(format!("changed {origin}"));
    }

    fn notified(&self, origin: &Folded, serial: Option<u32>, from: SocketAddr) {
        self.write(format!("notified {origin} {serial:?} {}", from.ip()));
    }
}

/// Runs a story. Lines:
/// `block ads = tracker.example *.ads.example`, `allow ok = …`: a list; `answer NODATA`: how blocks are answered;
/// `upstream www.example A = 60 CNAME edge.example, 60 A 192.0.2.1` or `= NXDOMAIN`, `= SERVFAIL`, `= slow`;
/// `zone example [query=NETWORK] = www A 192.0.2.1; …` beside SOA (serial 7) and NS, or `= !24 why` for one not in service;
/// `wait 61`: seconds pass; `ask [ADDRESS] name TYPE [tcp] [plain] [do] [cd] [nord] [CH]` and, below it,
/// `=> what the client and the log get`.
fn check(story: &str) {
    let mut world = World::new();
    let mut got: Option<String> = None;
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (verb, rest) = line.split_once(' ').unwrap();
        match verb {
            "block" => world.list(ListAction::Block, rest),
            "allow" => world.list(ListAction::Allow, rest),
            "answer" => world.answer(rest),
            "zone" => world.zone(rest),
            "upstream" => {
                let (question, says) = rest.split_once(" = ").unwrap();
                world.upstream.insert(question.to_owned(), says.to_owned());
            }
            "wait" => world.micros += rest.parse::<u64>().unwrap() * 1_000_000,
            "ask" => got = Some(world.ask(rest)),
            "=>" => assert_eq!(got.take().as_deref(), Some(rest), "in\n{story}"),
            _ => panic!("no such line: {line}"),
        }
    }
}

impl World {
    fn new() -> World {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let cache = Arc::new(Cache::new(cache::Settings { l1_entries: 16, ..cache::Settings::default() }));
        let resolver = Resolver::start(&resolve::Settings::default(), Arc::clone(&cache), runtime.handle());
        let block = BlockAnswer { kind: BlockReply::Nxdomain, ttl: 10 };
        let shared = Shared::new(Arc::new(snapshot(&[], block, 1)), cache, resolver, Settings::default());
        let (sender, events) = mpsc::sync_channel(EVENTS_MAX);
        World {
            desk: Desk::new(Arc::clone(&shared), Box::new(Channel(sender))),
            shared,
            events,
            upstream: HashMap::new(),
            lists: Vec::new(),
            block,
            epoch: 1,
            micros: START_SECONDS * 1_000_000,
            zones: Vec::new(),
            access: HashMap::new(),
            keeper: Arc::default(),
            runtime,
        }
    }

    fn now(&self) -> Now {
        Now { wall_micros: self.micros as i64, monotonic_micros: self.micros }
    }

    fn list(&mut self, action: ListAction, text: &str) {
        let (name, rules) = text.split_once(" = ").unwrap();
        self.lists
            .push((ListInfo { name: name.into(), action, format: Format::Auto, ede: 15 }, rules.replace(' ', "\n")));
        self.publish();
    }

    fn zone(&mut self, text: &str) {
        let (head, body) = text.split_once(" = ").unwrap();
        let (name, query) = head.split_once(" query=").unwrap_or((head, ""));
        let origin = Folded::from_text(name).unwrap();
        let query = Network::parse(query).map(crate::Who::Network).into_iter().collect();
        self.access.insert(origin.clone(), Access { query, ..Access::default() });
        let state = match body.strip_prefix('!') {
            None => zone_state(&origin, body),
            Some(ill) => {
                let (ede, why) = ill.split_once(' ').unwrap();
                State::Unavailable { ede: ede.parse().unwrap(), why: why.into() }
            }
        };
        self.zones.push(Arc::new(Held::new(origin, Role::Primary, state)));
        self.publish_zones(|_| {});
    }

    /// Publishes zones and access, and what `more` adds.
    fn publish_zones(&self, more: impl FnOnce(&mut Authority)) {
        let mut authority = Authority {
            zones: Zones::new(self.zones.iter().cloned()),
            access: self.access.clone(),
            keeper: Arc::clone(&self.keeper) as Arc<dyn Keeper>,
            ..Authority::none()
        };
        more(&mut authority);
        self.shared.publish_authority(Arc::new(authority));
    }

    fn answer(&mut self, word: &str) {
        self.block.kind = match word {
            "NODATA" => BlockReply::Nodata,
            "REFUSED" => BlockReply::Refused,
            "zero" => BlockReply::ZeroAddress,
            _ => BlockReply::Nxdomain,
        };
        self.publish();
    }

    fn publish(&mut self) {
        self.epoch += 1;
        self.shared.publish(Arc::new(snapshot(&self.lists, self.block, self.epoch)));
    }

    fn ask(&mut self, text: &str) -> String {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let client = words[0].parse().ok();
        if client.is_some() {
            words.remove(0);
        }
        let peer = (client.unwrap_or(Ipv4Addr::new(10, 0, 0, 7)), 5_000).into();
        let transport = if words.contains(&"tcp") { Transport::Tcp } else { Transport::Udp };
        let bytes = query(&words);
        let (reply, late) = self.walk(&bytes, Source { peer, transport });
        let event = self.events.try_recv().expect("one event per arrival");
        assert!(self.events.try_recv().is_err(), "only one event per arrival");
        assert_eq!((event.time_micros, event.query_size), (self.micros as i64, bytes.len() as u16));
        assert_eq!(event.latency_micros, if late { 30_000 } else { 40 });
        agree(&words, &event, &reply);
        show(&event)
    }

    /// What a listener does. Gives the reply, and whether it came late.
    fn walk(&mut self, bytes: &[u8], source: Source) -> (Vec<u8>, bool) {
        let (now, mut reply) = (self.now(), Vec::new());
        let later = |micros| Now { monotonic_micros: now.monotonic_micros + micros, ..now };
        match self.desk.answer(bytes, source, now, &mut reply) {
            Outcome::Reply | Outcome::Silence => {
                self.desk.close(later(40));
                (reply, false)
            }
            Outcome::Pursue(pursuit) => {
                let name =
                    format!("{} {}", pursuit.question.qname.text(), wire::kind::type_name(pursuit.question.qtype));
                let says = self.upstream.get(&name).map_or("NXDOMAIN", String::as_str);
                let found = (says != "slow").then(|| self.found(&pursuit.question, says));
                let late = pursuit.finish(&self.shared, found, "upstreams are slow");
                let reply = late.reply.clone();
                self.desk.offer(late, later(30_000));
                (reply, true)
            }
            Outcome::Operate(operating) => {
                let done = self.runtime.block_on(crate::operate(&self.shared, *operating));
                let reply = done.late.reply.clone();
                self.desk.offer(done.late, later(30_000));
                (reply, true)
            }
        }
    }

    /// What the resolver does: keeps an answer; keeps a failure only where it pushes out nothing.
    fn found(&self, question: &resolve::Question, says: &str) -> Found {
        let stored = stored(question, says);
        let entry: Arc<Entry> = if says == "SERVFAIL" {
            let elsewhere = Cache::new(cache::Settings::default());
            elsewhere.put(question.key(), stored, Some(UPSTREAM.into()), self.now().seconds())
        } else {
            self.shared.cache.put(question.key(), stored, Some(UPSTREAM.into()), self.now().seconds())
        };
        Found { entry, upstream: Some(UPSTREAM.into()), upstream_latency_micros: Some(20_000), attempts: 1 }
    }
}

/// A zone in service: its records, `;` between them, behind SOA and NS.
fn zone_state(origin: &Folded, records: &str) -> State {
    let head = "$TTL 300\n@ SOA ns hostmaster 7 3600 600 86400 60\n@ NS ns\nns A 192.0.2.253\n";
    let text = format!("{head}{}\n", records.replace("; ", "\n"));
    let zone = zone::file::read("zone", &text, origin, &mut |_| Err("no includes".into())).unwrap();
    State::Loaded(Arc::new(zone::Loaded { zone, history: Vec::new() }))
}

fn snapshot(lists: &[(ListInfo, String)], block: BlockAnswer, epoch: u64) -> Snapshot {
    let mut compiler = Compiler::new(7);
    for (info, rules) in lists {
        compiler.add(info.clone(), BufReader::new(rules.as_bytes())).unwrap();
    }
    Snapshot { policy: compiler.finish(), block, admitted: vec![Network::parse("10.0.0.0/8").unwrap()], epoch }
}

/// `www.example A [plain] [do] [cd] [nord] [CH]` as a query; a name keeps its case.
fn query(words: &[&str]) -> Vec<u8> {
    let has = |word| words.contains(&word);
    let flags = u16::from(!has("nord")) << 8 | u16::from(has("cd")) << 4;
    let mut bytes = [ID, flags, 1, 0, 0, u16::from(!has("plain"))].map(u16::to_be_bytes).concat();
    for label in words[0].split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    let class = words[2..].iter().find_map(|word| class_from_name(word)).unwrap_or(1);
    bytes.extend_from_slice(&[type_from_name(words[1]).unwrap(), class].map(u16::to_be_bytes).concat());
    if !has("plain") {
        bytes.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, u8::from(has("do")) << 7, 0, 0, 0]);
    }
    bytes
}

/// `60 CNAME edge.example, 60 A 192.0.2.1` or a code, as an upstream's reply taken apart. `60 A 192.0.2.1 *80` repeats a
/// record; `NXDOMAIN` comes with a SOA that lets it be kept for 300 s.
fn stored(question: &resolve::Question, says: &str) -> Stored {
    let code = Code::from_name(says).map_or(0, Code::number);
    let (mut records, mut count, mut owner) = (Vec::new(), 0u16, question.qname.wire().to_vec());
    for record in says.split(", ").filter(|record| record.contains(' ')) {
        let words: Vec<&str> = record.split(' ').collect();
        let rdata = match words[1] {
            "A" => words[2].parse::<Ipv4Addr>().unwrap().octets().to_vec(),
            _ => Folded::from_text(words[2]).unwrap().wire().to_vec(),
        };
        let times = words.get(3).map_or(1, |times| times[1..].parse().unwrap());
        for _ in 0..times {
            push_record(&mut records, &owner, type_from_name(words[1]).unwrap(), words[0].parse().unwrap(), &rdata);
            count += 1;
        }
        if words[1] == "CNAME" {
            owner = rdata;
        }
    }
    let negative = count == 0 && code != 2;
    if negative {
        let soa = [&[0, 0][..], &[1, 3_600, 600, 86_400, 300].map(u32::to_be_bytes).concat()].concat();
        push_record(&mut records, &[0], 6, 300, &soa);
    }
    let mut bytes = [7, 0x8180 | code, 1, count, u16::from(negative), 0].map(u16::to_be_bytes).concat();
    bytes.extend_from_slice(question.qname.wire());
    bytes.extend_from_slice(&[question.qtype, question.qclass].map(u16::to_be_bytes).concat());
    bytes.extend_from_slice(&records);
    wire::reply::take(&bytes, 7, &question.qname, question.qtype, question.qclass).unwrap()
}

fn push_record(records: &mut Vec<u8>, owner: &[u8], kind: u16, ttl: u32, rdata: &[u8]) {
    records.extend_from_slice(owner);
    records.extend_from_slice(&[kind, 1].map(u16::to_be_bytes).concat());
    records.extend_from_slice(&ttl.to_be_bytes());
    records.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    records.extend_from_slice(rdata);
}

/// The octets and the event must tell the same; the octets are read as an upstream's reply would be.
fn agree(words: &[&str], event: &Event, reply: &[u8]) {
    assert_eq!(usize::from(event.reply_size), reply.len());
    let qname = Folded::from_text(words[0]).unwrap();
    assert_eq!(event.domain.as_deref(), Some(qname.text().as_str()));
    let asked: Vec<u8> = query(words)[12..12 + qname.wire().len()].to_vec();
    assert_eq!(reply[12..12 + asked.len()], asked, "the name as the client spelled it");
    if event.outcome == event::Outcome::Truncated {
        return;
    }
    let read = wire::reply::take(reply, ID, &qname, event.qtype, event.qclass).unwrap();
    assert_eq!(Some(read.rcode), event.rcode);
    assert_eq!(read.answer_count, event.answer_count);
    // HINFO has a better summary in the log than a reader of any record can give.
    if event.qtype != crate::local::ANY {
        assert_eq!(read.summary.as_deref(), event.answer.as_deref());
    }
    if event.answer_count > 0 {
        assert_eq!(read.ttl, event.ttl, "TTL as sent");
    }
    let sent: Vec<(u16, &str)> = read.ede.iter().map(|(code, text)| (*code, text.as_str())).collect();
    let kept: Vec<(u16, &str)> = event.ede.iter().map(|ede| (ede.code, &*ede.text)).collect();
    assert_eq!(sent, if words.contains(&"plain") { Vec::new() } else { kept });
}

/// An event in short: code and outcome, then what is not as usual.
fn show(event: &Event) -> String {
    let code = event.rcode.map_or("-".into(), |rcode| Code::from_key(rcode).name());
    let mut text = format!("{code} {}", event.outcome.name());
    if event.flags.contains(event::Flags::AA) {
        text.push_str(" aa");
    }
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(text, " {name}={value}").unwrap();
        }
    };
    say("answer", event.answer.as_ref().map(|answer| format!("[{answer}]")));
    say("ttl", event.ttl.map(|ttl| ttl.to_string()));
    for ede in event.ede.iter() {
        say("ede", Some(format!("{}[{}]", ede.code, ede.text)));
    }
    say("action", Some(event.action.name().to_owned()).filter(|action| action != "pass"));
    say("list", event.list.as_deref().map(str::to_owned));
    say("rule", event.rule.as_deref().map(str::to_owned));
    say("cache", Some(event.cache.name().to_owned()).filter(|cache| cache != "none"));
    say("upstream", event.upstream.as_ref().map(|_| format!("{}x", event.attempts)));
    say("trace", event.trace.as_deref().map(|trace| format!("[{}]", trace.replace('\n', " / "))));
    text
}

#[test]
fn a_miss_then_hits_whose_ttl_runs_down_then_a_miss() {
    check(
        "
        upstream www.example A = 60 A 192.0.2.1
        ask wWw.Example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 cache=miss upstream=1x
        wait 20
        ask www.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=40 cache=hit upstream=0x
        wait 20
        ask WWW.example A tcp
        => NOERROR answered answer=[A 192.0.2.1] ttl=20 cache=hit upstream=0x
        wait 20
        ask www.example A plain
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 cache=miss upstream=1x
        ",
    );
}

#[test]
fn answers_for_do_and_cd_are_kept_apart() {
    check(
        "
        upstream www.example A = 60 A 192.0.2.1
        ask www.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 cache=miss upstream=1x
        ask www.example A do
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 cache=miss upstream=1x
        ask www.example A cd
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 cache=miss upstream=1x
        ask www.example A cd
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 cache=hit upstream=0x
        ",
    );
}

#[test]
fn that_a_name_is_missing_is_kept_too() {
    check(
        "
        upstream no.example A = NXDOMAIN
        upstream www.example MX = NOERROR
        ask no.example A
        => NXDOMAIN error ttl=300 cache=miss upstream=1x
        wait 100
        ask no.example A
        => NXDOMAIN error ttl=200 cache=hit upstream=0x
        ask www.example MX
        => NOERROR nodata ttl=300 cache=miss upstream=1x
        ",
    );
}

#[test]
fn a_listed_name_is_blocked_and_the_list_named() {
    check(
        "
        block ads = ads.example
        ask x.ads.example A
        => NXDOMAIN error ttl=10 ede=15[list=ads rule=ads.example] action=block list=ads rule=ads.example trace=[block lists: ads.example on ads]
        ask ads.example A plain
        => NXDOMAIN error ttl=10 ede=15[list=ads rule=ads.example] action=block list=ads rule=ads.example trace=[block lists: ads.example on ads]
        ask xads.example A
        => NXDOMAIN error ttl=300 cache=miss upstream=1x
        ",
    );
}

#[test]
fn a_block_is_answered_as_the_operator_wishes() {
    check(
        "
        block ads = ads.example
        answer NODATA
        ask ads.example A
        => NOERROR nodata ttl=10 ede=15[list=ads rule=ads.example] action=block list=ads rule=ads.example trace=[block lists: ads.example on ads]
        answer REFUSED
        ask ads.example A
        => REFUSED error ede=15[list=ads rule=ads.example] action=block list=ads rule=ads.example trace=[block lists: ads.example on ads]
        answer zero
        ask ads.example AAAA
        => NOERROR answered answer=[AAAA ::] ttl=10 ede=15[list=ads rule=ads.example] action=block list=ads rule=ads.example trace=[block lists: ads.example on ads]
        ",
    );
}

#[test]
fn an_allow_rule_wins_and_is_told() {
    check(
        "
        block ads = ads.example
        allow ok = ok.ads.example
        upstream ok.ads.example A = 60 A 192.0.2.1
        ask ok.ads.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 action=allow list=ok rule=ok.ads.example cache=miss upstream=1x trace=[allow lists: ok.ads.example on ok / block lists: ads.example on ads (overridden)]
        ask ok.ads.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 action=allow list=ok rule=ok.ads.example cache=hit upstream=0x trace=[allow lists: ok.ads.example on ok / block lists: ads.example on ads (overridden)]
        ask ok.ads.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 action=allow list=ok rule=ok.ads.example cache=hit upstream=0x trace=[allow lists: ok.ads.example on ok / block lists: ads.example on ads (overridden)]
        ",
    );
}

#[test]
fn a_cname_that_leads_to_a_blocked_name_is_blocked_too() {
    check(
        "
        block ads = tracker.example
        upstream shop.example A = 60 CNAME edge.tracker.example, 60 A 192.0.2.1
        ask shop.example A
        => NXDOMAIN error ttl=10 ede=15[list=ads rule=tracker.example] action=block list=ads rule=tracker.example cache=miss upstream=1x trace=[answer screen: CNAME edge.tracker.example blocked by tracker.example on ads]
        ask shop.example A
        => NXDOMAIN error ttl=10 ede=15[list=ads rule=tracker.example] action=block list=ads rule=tracker.example cache=hit upstream=0x trace=[answer screen: CNAME edge.tracker.example blocked by tracker.example on ads]
        ",
    );
}

#[test]
fn new_rules_hold_for_answers_a_thread_has_at_hand() {
    check(
        "
        upstream shop.example A = 600 A 192.0.2.1
        ask shop.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=600 cache=miss upstream=1x
        ask shop.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=600 cache=hit upstream=0x
        ask shop.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=600 cache=hit upstream=0x
        block shops = shop.example
        ask shop.example A
        => NXDOMAIN error ttl=10 ede=15[list=shops rule=shop.example] action=block list=shops rule=shop.example trace=[block lists: shop.example on shops]
        ",
    );
}

#[test]
fn failing_and_slow_upstreams_give_old_answers() {
    check(
        "
        upstream www.example A = 60 A 192.0.2.1
        upstream gone.example A = NXDOMAIN
        ask www.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 cache=miss upstream=1x
        ask gone.example A
        => NXDOMAIN error ttl=300 cache=miss upstream=1x
        upstream www.example A = SERVFAIL
        wait 301
        ask www.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=30 ede=3[] cache=stale upstream=1x
        upstream www.example A = slow
        ask www.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=30 ede=3[upstreams are slow] cache=stale
        upstream gone.example A = slow
        ask gone.example A
        => NXDOMAIN error ttl=30 ede=19[upstreams are slow] cache=stale
        upstream www.example A = 60 A 192.0.2.2
        ask www.example A
        => NOERROR answered answer=[A 192.0.2.2] ttl=60 cache=miss upstream=1x
        ",
    );
}

#[test]
fn a_failure_without_an_old_answer_is_passed_on() {
    check(
        "
        upstream www.example A = SERVFAIL
        ask www.example A
        => SERVFAIL error cache=miss upstream=1x
        upstream www.example A = slow
        ask www.example A
        => SERVFAIL error ede=0[upstreams are slow] cache=miss
        ",
    );
}

#[test]
fn what_does_not_fit_is_fetched_over_tcp() {
    check(
        "
        upstream big.example A = 60 A 192.0.2.1 *80
        ask big.example A
        => NOERROR truncated cache=miss upstream=1x
        ask big.example A plain
        => NOERROR truncated cache=hit upstream=0x
        ",
    );
}

#[test]
fn special_names_and_classes_are_answered_here() {
    check(
        "
        ask localhost A
        => NOERROR answered answer=[A 127.0.0.1] ttl=86400 trace=[special name: localhost is this machine (RFC 6761)]
        ask a.LOCALHOST AAAA
        => NOERROR answered answer=[AAAA ::1] ttl=86400 trace=[special name: localhost is this machine (RFC 6761)]
        ask localhost MX
        => NOERROR nodata ttl=86400 trace=[special name: localhost is this machine (RFC 6761)]
        ask xlocalhost A
        => NXDOMAIN error ttl=300 cache=miss upstream=1x
        ask a.invalid A
        => NXDOMAIN error ttl=86400 trace=[special name: invalid never exists (RFC 6761)]
        ask a.onion A
        => NXDOMAIN error ttl=86400 trace=[special name: onion is not in DNS (RFC 7686)]
        ask version.bind TXT CH
        => REFUSED error ede=21[class CH is not served here] trace=[class: CH is not served here]
        ask www.example A NONE
        => NOTIMP error ede=21[class NONE is not served here] trace=[class: NONE is not served here]
        ask www.example A nord
        => REFUSED error ede=20[ask with RD set] trace=[recursion: not desired, and nothing is served with authority]
        ask www.example ANY
        => NOERROR answered answer=[HINFO \"RFC8482\" \"\"] ttl=86400
        ask . NS
        => NXDOMAIN error ttl=300 cache=miss upstream=1x
        ",
    );
}

#[test]
fn strangers_are_refused_whatever_they_ask() {
    check(
        "
        upstream www.example A = 60 A 192.0.2.1
        ask 192.0.2.9 www.example A
        => REFUSED error ede=18[this client may not ask here] action=refuse trace=[admission: 192.0.2.9 is in no admitted network]
        ask 192.0.2.9 localhost A
        => REFUSED error ede=18[this client may not ask here] action=refuse trace=[admission: 192.0.2.9 is in no admitted network]
        ask 10.255.0.1 www.example A
        => NOERROR answered answer=[A 192.0.2.1] ttl=60 cache=miss upstream=1x
        ",
    );
}

/// Messages that are no queries, told as octets changed in one that is.
#[test]
fn what_is_no_query_gets_its_code_or_silence() {
    let good = query(&["www.example", "A"]);
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let table: &[(&str, Vec<u8>, &str)] = &[
        ("nothing", Vec::new(), "- dropped"),
        ("half a header", good[..11].to_vec(), "- dropped"),
        ("a response", changed(|bytes| bytes[2] |= 0x80), "- dropped"),
        ("cut short", good[..20].to_vec(), "FORMERR error"),
        ("two questions", changed(|bytes| bytes[5] = 2), "FORMERR error"),
        ("trailing octets", changed(|bytes| bytes.push(0)), "FORMERR error"),
        ("IQUERY", changed(|bytes| bytes[2] |= 1 << 3), "NOTIMP error"),
        ("UPDATE", changed(|bytes| bytes[2] |= 5 << 3), "NOTIMP error"),
        (
            "EDNS version 1",
            changed(|bytes| {
                let at = bytes.len() - 5;
                bytes[at] = 1
            }),
            "BADVERS error",
        ),
    ];
    for (case, bytes, expected) in table {
        let mut world = World::new();
        let peer = ([10, 0, 0, 7], 5_000).into();
        let (reply, _) = world.walk(bytes, Source { peer, transport: Transport::Udp });
        let event = world.events.try_recv().unwrap();
        let got = show(&event);
        assert!(got.starts_with(expected), "{case}: {got}");
        assert_eq!(usize::from(event.reply_size), reply.len(), "{case}");
        assert_eq!(reply.is_empty(), event.rcode.is_none(), "{case}");
        assert!(event.trace.is_some(), "{case}: the log says why");
    }
}

#[test]
fn a_pursuit_given_up_says_why() {
    let mut world = World::new();
    let bytes = query(&["www.example", "A"]);
    let source = Source { peer: ([10, 0, 0, 7], 5_000).into(), transport: Transport::Udp };
    let mut reply = Vec::new();
    let Outcome::Pursue(pursuit) = world.desk.answer(&bytes, source, world.now(), &mut reply) else {
        panic!("not in the cache")
    };
    world.desk.give_up(*pursuit, "too many", &mut reply);
    world.desk.close(world.now());
    assert_eq!(show(&world.events.try_recv().unwrap()), "SERVFAIL error ede=0[too many] cache=miss");
    assert_eq!(reply[3] & 0xf, 2);
}

#[test]
fn counters_add_up_over_desks() {
    let mut world = World::new();
    world.upstream.insert("www.example A".into(), "60 A 192.0.2.1".into());
    world.list(ListAction::Block, "ads = ads.example");
    for text in ["www.example A", "www.example A tcp", "ads.example A", "no.example A", "192.0.2.9 www.example A"] {
        let _ = world.ask(text);
    }
    let (sender, _events) = mpsc::sync_channel(EVENTS_MAX);
    let mut second = Desk::small(Arc::clone(&world.shared), Box::new(Channel(sender)));
    let source = Source { peer: ([10, 0, 0, 7], 5_000).into(), transport: Transport::Udp };
    let mut reply = Vec::new();
    assert!(matches!(second.answer(&[], source, world.now(), &mut reply), Outcome::Silence));
    second.close(world.now());
    drop(second);

    let counters = world.shared.counters();
    assert_eq!((counters.queries, counters.transports[1]), (6, 1));
    assert_eq!((counters.hits(), counters.misses(), counters.blocked(), counters.dropped()), (1, 2, 1, 1));
    let codes = [Code::NOERROR, Code::NXDOMAIN, Code::REFUSED].map(|code| counters.code(code));
    assert_eq!(codes, [2, 2, 1]);
    assert_eq!((counters.latency.iter().sum::<u64>(), counters.latency_sum_micros), (6, 2 * 30_000 + 3 * 40));
}

/// Octets of a query, some of them changed, or any octets at all.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let near = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6).prop_map(|changes| {
        let mut bytes = query(&["www.example", "A"]);
        for (at, octet) in changes {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        bytes
    });
    prop_oneof![near, prop::collection::vec(any::<u8>(), 0..80)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever arrives: no panic, one event each, and an answer unless there is no header or it is a response.
    #[test]
    fn every_arrival_gives_one_event(arrivals in prop::collection::vec(anything(), 1..40)) {
        let mut world = World::new();
        for bytes in arrivals {
            let source = Source { peer: ([10, 0, 0, 7], 5_000).into(), transport: Transport::Udp };
            let (reply, _) = world.walk(&bytes, source);
            let event = world.events.try_recv().unwrap();
            prop_assert!(world.events.try_recv().is_err());
            let deserves = bytes.len() >= 12 && bytes[2] & 0x80 == 0;
            prop_assert_eq!(reply.is_empty(), !deserves);
            prop_assert_eq!(event.rcode.is_some(), deserves);
            if deserves {
                prop_assert_eq!(&reply[..2], &bytes[..2]);
                prop_assert_eq!(event.rcode.unwrap() & 0xf, u16::from(reply[3] & 0xf));
                prop_assert!(reply.len() <= 1_232);
            }
        }
    }
}
