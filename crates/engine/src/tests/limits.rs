//! Stories of clients that ask too much: who is answered, who is told, and that the log's figures add up to what arrived.

use super::*;
use crate::{CookieMode, CookieSettings, LimitSettings};
use event::{Action, Outcome as Got};
use wire::cookie::{Secret, make};

/// Events a story may give.
const STORY_EVENTS_MAX: usize = 100_000;
const CLIENT_COOKIE: [u8; 8] = [9; 8];
const SECRET: [u8; 16] = [7; 16];

impl World {
    fn limited(settings: LimitSettings) -> World {
        let mut world = World::new();
        world.list(ListAction::Block, "ads = blocked.example");
        world.shared.publish_limits(Arc::new(settings));
        let secrets = Arc::from([Secret(SECRET)]);
        let cookies = CookieSettings { mode: CookieMode::Give, secrets, ..CookieSettings::default() };
        world.shared.publish_cookies(Arc::new(cookies));
        let (sender, events) = mpsc::sync_channel(STORY_EVENTS_MAX);
        world.desk = Desk::new(Arc::clone(&world.shared), Box::new(Channel(sender)));
        world.events = events;
        world
    }

    /// A batch of one arrival; its reply.
    fn send(&mut self, peer: &str, transport: Transport, bytes: &[u8]) -> Vec<u8> {
        self.desk.batch(1, false, self.now());
        let source = Source { peer: SocketAddr::new(peer.parse().unwrap(), 5_000), transport };
        self.walk(bytes, source).0
    }

    /// How many of so many queries at one moment get an answer, a word, and silence.
    fn burst(&mut self, peer: &str, times: usize, bytes: &[u8]) -> [usize; 3] {
        let mut got = [0; 3];
        for _ in 0..times {
            let reply = self.send(peer, Transport::Udp, bytes);
            let told = reply.len() > 3 && (reply[2] & 2 != 0 || reply[3] & 15 == 7);
            got[if reply.is_empty() { 2 } else { usize::from(told) }] += 1;
        }
        got
    }

    /// All events, those that count others among them.
    fn all_events(&mut self) -> Vec<Event> {
        self.micros += 1_000_000;
        self.desk.tick(self.now());
        self.events.try_iter().collect()
    }
}

/// A query with a cookie: of ours for this client, or only its own part.
fn with_cookie(name: &str, of: Option<&str>, now: Now) -> Vec<u8> {
    let mut bytes = query(&[name, "A"]);
    let mut data = CLIENT_COOKIE.to_vec();
    if let Some(client) = of {
        let seconds = (now.wall_micros / 1_000_000) as u32;
        data = make(CLIENT_COOKIE, client.parse().unwrap(), &Secret(SECRET), seconds).to_vec();
    }
    // The OPT record ends in its length, 0 so far.
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(&[data.len() as u16 + 4, 10, data.len() as u16].map(u16::to_be_bytes).concat());
    bytes.extend_from_slice(&data);
    bytes
}

fn counted(events: &[Event], is: impl Fn(&Event) -> bool) -> u64 {
    events.iter().filter(|event| is(event)).map(|event| 1 + u64::from(event.repeats)).sum()
}

fn per_second(queries_per_second: u32) -> LimitSettings {
    LimitSettings { queries_per_second, told_every: 4, events_per_second: 50, ..LimitSettings::default() }
}

#[test]
fn a_network_that_asks_too_much_is_held_back_as_one_and_nobody_else() {
    let mut world = World::limited(per_second(100));
    let plain = query(&["blocked.example", "A", "plain"]);
    let [answered, told, silent] = world.burst("10.0.0.1", 1_001, &plain);
    assert_eq!((answered, told, silent), (101, 225, 675), "a burst of one second, then every fourth is told");
    assert_eq!(world.burst("10.0.0.99", 8, &plain), [0, 2, 6], "its neighbours share its lot");
    assert_eq!(world.burst("10.0.1.1", 50, &plain), [50, 0, 0], "others do not");
    let source = Source { peer: "10.0.0.1:5000".parse().unwrap(), transport: Transport::Tcp };
    assert!(!world.walk(&plain, source).0.is_empty(), "whoever comes over TCP is there");
    world.micros += 100_000;
    assert_eq!(world.burst("10.0.0.1", 20, &plain)[0], 10, "a tenth of a second later a tenth of the limit");
}

#[test]
fn the_log_counts_every_query_held_back_and_writes_few() {
    let mut world = World::limited(per_second(100));
    let plain = query(&["blocked.example", "A", "plain"]);
    let [answered, told, silent] = world.burst("10.0.0.1", 5_000, &plain);
    let events = world.all_events();
    assert_eq!(counted(&events, |_| true), 5_000);
    assert_eq!(counted(&events, |event| event.action == Action::Block), answered as u64);
    assert_eq!(counted(&events, |event| event.action == Action::Limit), (told + silent) as u64);
    assert!(events.iter().filter(|event| event.action == Action::Limit).count() <= 51);
    let held = events.iter().find(|event| event.repeats > 0).unwrap();
    assert_eq!(held.trace.as_deref(), Some("limits: 10.0.0.0/24 asks more than 100 queries a second"));
    assert_eq!((held.domain.as_deref(), held.action), (Some("blocked.example"), Action::Limit));
    let counters = world.shared.counters();
    assert_eq!((counters.queries, counters.dropped()), (5_000, silent as u64));
}

#[test]
fn who_shows_a_cookie_is_counted_alone_and_who_asks_for_one_is_given_it() {
    let mut world = World::limited(per_second(100));
    let plain = query(&["blocked.example", "A", "plain"]);
    world.burst("10.0.0.1", 1_000, &plain);
    let now = world.now();
    let good = with_cookie("blocked.example", Some("10.0.0.9"), now);
    assert_eq!(world.burst("10.0.0.9", 50, &good), [50, 0, 0], "beside a flood from its own network");
    let asks = with_cookie("blocked.example", None, now);
    let reply = (0..4).map(|_| world.send("10.0.0.8", Transport::Udp, &asks)).find(|reply| !reply.is_empty()).unwrap();
    assert_eq!(u16::from(reply[3] & 15) | 16, 23, "BADCOOKIE: 7 here, 1 in OPT");
    let cookie =
        make(CLIENT_COOKIE, "10.0.0.8".parse().unwrap(), &Secret(SECRET), (now.wall_micros / 1_000_000) as u32);
    assert!(reply.windows(cookie.len()).any(|octets| octets == cookie), "the cookie to come back with");
    assert_eq!(world.burst("10.0.0.9", 1_000, &good)[0], 51, "a cookie is no leave to ask without end");
    // Somebody else's cookie is none.
    let stolen = with_cookie("blocked.example", Some("10.0.0.7"), now);
    assert_eq!(world.burst("10.0.0.10", 8, &stolen)[0], 0);
}

#[test]
fn the_same_reply_is_not_given_without_end_to_a_network() {
    let settings = LimitSettings { replies_per_second: 10, told_every: 2, ..LimitSettings::default() };
    let mut world = World::limited(settings);
    world.zone("example = www A 192.0.2.1; mail A 192.0.2.2");
    let mut ask = |name: &str, times| world.burst("10.0.0.1", times, &query(&[name, "A", "plain"]));
    assert_eq!(ask("www.example", 31), [11, 10, 10]);
    assert_eq!(ask("mail.example", 5), [5, 0, 0], "another answer is another count");
    let vain: usize = (0..40).map(|number| ask(&format!("x{number}.example"), 1)[0]).sum();
    assert_eq!(vain, 11, "names made up below one zone are one reply");
    let types =
        ["AAAA", "MX", "TXT", "SRV", "NS", "PTR", "HTTPS", "SVCB", "DS", "CAA", "NAPTR", "TLSA", "SOA", "DNSKEY"];
    let without: usize =
        types.iter().map(|kind| world.burst("10.0.0.1", 1, &query(&["www.example", kind, "plain"]))[0]).sum();
    assert_eq!(without, 11, "types made up are one reply too, where there is nothing of them");
    let events = world.all_events();
    let line = "limits: 10.0.0.0/24 is given the same reply more than 10 times a second";
    assert!(events.iter().any(|event| event.trace.as_deref() == Some(line) && event.outcome == Got::Dropped));
    let now = world.now();
    let good = with_cookie("www.example", Some("10.0.0.9"), now);
    assert_eq!(world.burst("10.0.0.9", 50, &good), [50, 0, 0], "who is where it says asked for what it gets");
}

#[test]
fn networks_of_the_operators_choice_are_never_held_back() {
    let exempt = Arc::from([Network::parse("10.0.0.0/30").unwrap()]);
    let mut world = World::limited(LimitSettings { exempt, ..per_second(10) });
    let plain = query(&["blocked.example", "A"]);
    assert_eq!(world.burst("10.0.0.1", 500, &plain), [500, 0, 0]);
    assert_eq!(world.burst("10.0.0.4", 500, &plain)[0], 11);
}

#[test]
fn made_up_names_cost_the_log_few_events_and_no_count() {
    let mut world = World::limited(LimitSettings { events_per_second: 100, ..LimitSettings::default() });
    for number in 0..3_000 {
        world.send("10.0.0.1", Transport::Udp, &query(&[&format!("r{number}.flood.example.com"), "A"]));
    }
    world.upstream.insert("www.example.org A".into(), "60 A 192.0.2.1".into());
    world.send("10.0.0.2", Transport::Udp, &query(&["www.example.org", "A"]));
    let events = world.all_events();
    assert!(events.len() <= 102, "{}", events.len());
    assert_eq!(counted(&events, |event| event.rcode == Some(3)), 3_000);
    assert_eq!(counted(&events, |event| event.domain.as_deref() == Some("www.example.org")), 1);
    // What is written says all there is to say of it.
    let counting = events.iter().find(|event| event.repeats > 0).unwrap();
    assert_eq!((counting.upstream.as_deref(), counting.outcome), (Some(UPSTREAM), Got::Error));
}

#[test]
fn no_count_is_lost_when_a_desk_goes() {
    let mut world = World::limited(LimitSettings { events_per_second: 10, ..LimitSettings::default() });
    for number in 0..500 {
        world.send("10.0.0.1", Transport::Udp, &query(&[&format!("r{number}.example.com"), "A"]));
    }
    let (sender, _) = mpsc::sync_channel(1);
    world.desk = Desk::new(Arc::clone(&world.shared), Box::new(Channel(sender)));
    let events: Vec<Event> = world.events.try_iter().collect();
    assert_eq!(counted(&events, |_| true), 500);
}

#[test]
fn a_flood_of_what_is_no_query_is_held_back_and_counted_too() {
    let mut world = World::limited(per_second(20));
    for _ in 0..500 {
        world.send("10.0.0.1", Transport::Udp, &[0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        world.send("10.0.0.1", Transport::Udp, &[0, 1, 0x28]);
        world.send("10.0.0.1", Transport::Udp, &[0; 12]);
    }
    let events = world.all_events();
    assert_eq!(counted(&events, |_| true), 1_500);
    assert!(events.len() <= 21 + 51 + 2, "{}", events.len());
}
