//! Lookups told line by line, in simulated time: no socket, no clock.

use super::*;
use crate::resolver::tests::stored;

/// Patience of every upstream in these tests.
const PATIENCE: u64 = 400_000;

/// A lookup told in lines. Upstreams are `a`, `b`, … in order of asking. Lines:
/// `12ms ask a udp` expects that ask now; `wait 400ms` expects to be told to wait until then; `a: NXDOMAIN` lets the
/// newest ask of `a` hear that; `a.1: NOERROR` the first of several; `done a NOERROR` and `done EDE text` expect the end.
fn check(upstreams: &str, story: &str) {
    let transport = |word: &str| if word == "tcp" { Transport::Tcp } else { Transport::Udp };
    let candidates: Vec<Candidate> = upstreams
        .split_whitespace()
        .map(|word| word.split_once('/').unwrap_or((word, "udp")))
        .map(|(name, way)| Candidate { name: name.into(), transport: transport(way), patience_micros: PATIENCE })
        .collect();
    let names: Vec<String> = candidates.iter().map(|candidate| candidate.name.to_string()).collect();
    let mut lookup = Lookup::new(candidates, 0);
    let mut now = 0;
    let mut asked: Vec<usize> = Vec::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (time, line) = match line.split_once("ms ") {
            Some((time, rest)) if time.parse::<u64>().is_ok() => (time.parse::<u64>().unwrap() * 1_000, rest),
            _ => (now, line),
        };
        now = time;
        if let Some((who, what)) = line.split_once(": ").filter(|_| !line.starts_with("done ")) {
            let (name, nth) = who.split_once('.').unwrap_or((who, ""));
            let of_name: Vec<usize> = (0..asked.len()).filter(|&number| names[asked[number]] == name).collect();
            let number = nth.parse::<usize>().map_or_else(|_| *of_name.last().unwrap(), |nth| of_name[nth - 1]);
            lookup.heard(number, fault(what));
            continue;
        }
        let told = match lookup.next(now) {
            Step::Ask { candidate, transport, number } => {
                assert_eq!(number, asked.len());
                asked.push(candidate);
                format!("ask {} {}", names[candidate], if transport == Transport::Udp { "udp" } else { "tcp" })
            }
            Step::Wait { until_micros } => format!("wait {}ms", until_micros / 1_000),
            Step::Done(Conclusion::Answered { candidate, stored }) => {
                format!("done {} {}", names[candidate], Code::from_key(stored.rcode).name())
            }
            Step::Done(Conclusion::Failed { ede, text }) => format!("done {ede} {text}"),
        };
        assert_eq!(told, line, "at {} ms of\n{story}", now / 1_000);
    }
}

fn fault(what: &str) -> Result<Stored, Fault> {
    match what {
        "truncated" => Err(Fault::Truncated),
        "flooded" => Err(Fault::Flooded),
        "malformed" => Err(Fault::Malformed { at: 40 }),
        "silent" => Err(Fault::Silent),
        code => match Code::from_name(code) {
            Some(code) => Ok(stored("a.example A", code.number())),
            None => Err(Fault::Network(code.to_owned())),
        },
    }
}

#[test]
fn the_first_answer_ends_it() {
    for code in ["NOERROR", "NXDOMAIN", "YXDOMAIN"] {
        check(
            "a b",
            &format!(
                "0ms ask a udp
                 0ms wait 400ms
                 20ms a: {code}
                 20ms done a {code}"
            ),
        );
    }
}

#[test]
fn a_silent_upstream_is_overtaken_and_may_still_win() {
    check(
        "a b",
        "0ms ask a udp
         399ms wait 400ms
         400ms ask b udp
         400ms wait 800ms
         600ms a: NOERROR
         600ms done a NOERROR",
    );
}

#[test]
fn a_failing_upstream_is_left_at_once() {
    for failure in ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "malformed", "connection refused"] {
        check(
            "a b",
            &format!(
                "0ms ask a udp
                 5ms a: {failure}
                 5ms ask b udp
                 9ms b: NOERROR
                 9ms done b NOERROR"
            ),
        );
    }
}

#[test]
fn a_truncated_answer_is_fetched_over_tcp_from_the_same() {
    check(
        "a b",
        "0ms ask a udp
         5ms a: truncated
         5ms ask a tcp
         5ms wait 405ms
         9ms a: NOERROR
         9ms done a NOERROR",
    );
}

#[test]
fn guessed_replies_move_the_ask_to_tcp() {
    check(
        "a",
        "0ms ask a udp
         5ms a: flooded
         5ms ask a tcp",
    );
}

#[test]
fn truncated_over_tcp_is_no_answer() {
    check(
        "a/tcp b",
        "0ms ask a tcp
         5ms a: truncated
         5ms ask b udp",
    );
}

#[test]
fn codes_of_all_upstreams_are_passed_on() {
    check("a b", "0ms ask a udp\n a: REFUSED\n ask b udp\n b: REFUSED\n done a REFUSED");
    check("a b", "0ms ask a udp\n a: REFUSED\n ask b udp\n b: SERVFAIL\n done b SERVFAIL");
    check("a b", "0ms ask a udp\n a: SERVFAIL\n ask b udp\n b: no route\n done a SERVFAIL");
    check(
        "a b",
        "0ms ask a udp
         a: REFUSED
         ask b udp
         b: NOTIMP
         done 22 a answered REFUSED; b answered NOTIMP",
    );
}

#[test]
fn the_end_says_what_each_upstream_did() {
    check("", "0ms done 22 no upstream is configured for this name");
    check("a", "0ms ask a udp\n a: connection refused\n done 23 a: connection refused");
    check("a", "0ms ask a udp\n a: malformed\n done 24 a sent an unreadable reply at octet 40");
    check(
        "a b",
        "0ms ask a udp
         400ms ask b udp
         500ms b: no route
         500ms ask a udp
         900ms ask a udp
         1300ms ask a udp
         1700ms ask a udp
         1700ms wait 5000ms
         5000ms done 22 a timed out; b: no route",
    );
}

#[test]
fn attempts_have_an_end() {
    let mut lookup =
        Lookup::new(vec![Candidate { name: "a".into(), transport: Transport::Udp, patience_micros: 1 }], 0);
    let asked = (0..100).filter(|&now| matches!(lookup.next(now), Step::Ask { .. })).count();
    assert_eq!((asked, lookup.attempts()), (ATTEMPTS_MAX, ATTEMPTS_MAX));
}

#[test]
fn each_late_ask_is_told_once() {
    let candidate = |name: &str| Candidate { name: name.into(), transport: Transport::Udp, patience_micros: PATIENCE };
    let mut lookup = Lookup::new(vec![candidate("a"), candidate("b")], 0);
    let _ = lookup.next(0);
    assert_eq!(lookup.late(), []);
    let _ = lookup.next(PATIENCE);
    assert_eq!(lookup.late(), [0]);
    let _ = lookup.next(PATIENCE);
    assert_eq!(lookup.late(), []);
    let _ = lookup.next(BUDGET_MICROS);
    assert_eq!(lookup.late(), [1]);
}

#[test]
fn our_own_want_is_not_the_upstreams_fault() {
    let of = |number| Fault::from(io::Error::from_raw_os_error(number));
    assert!(HERE_ERRORS.iter().all(|&number| matches!(of(number), Fault::Here(_))));
    const CONNECTION_REFUSED: i32 = 111;
    assert!(matches!(of(CONNECTION_REFUSED), Fault::Network(_)));
}
