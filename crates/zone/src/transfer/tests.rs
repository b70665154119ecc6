use proptest::prelude::*;

use super::*;
use crate::testing::{name, record, records};
use crate::update::Update;
use crate::update::tests::{update, updates, zone};

/// QR and AA.
const FLAGS: u16 = 0x8400;
const MAX: usize = 10_000;

fn question(qtype: u16) -> Question {
    Question { qname: name("@"), qtype, qclass: kind::CLASS_IN }
}

fn messages(qtype: u16, records: impl Iterator<Item = Record>, size_max: usize) -> Vec<Message> {
    let messages = Messages::new(7, FLAGS, question(qtype), records, size_max, 0);
    messages.map(|message| Message::read(&message.unwrap()).unwrap()).collect()
}

fn take_all(intake: &mut Intake, messages: &[Message]) -> Result<Brought, TransferFault> {
    for (at, message) in messages.iter().enumerate() {
        if let Some(brought) = intake.take(message)? {
            assert_eq!(at + 1, messages.len(), "it ended early");
            return Ok(brought);
        }
    }
    Err(TransferFault::Form("not complete".to_owned()))
}

/// Takes an answer to a question for all changes since serial 7, a record a message and all in one; says what it brought.
fn check(answer: &str, expected: &str) {
    for per_message in [1, usize::MAX] {
        let records = records(answer);
        let messages: Vec<Message> = records
            .chunks(per_message.min(records.len().max(1)))
            .flat_map(|records| self::messages(kind::IXFR, records.iter().cloned(), 65_535))
            .collect();
        let brought = match take_all(&mut Intake::new(name("@"), Some(zone()), MAX), &messages) {
            Ok(Brought::Nothing) => "nothing".to_owned(),
            Ok(Brought::Whole(zone)) => format!("whole {} {}", zone.serial().unwrap(), zone.record_count()),
            Ok(Brought::Deltas(deltas, zone)) => {
                format!("{} deltas {} {}", deltas.len(), zone.serial().unwrap(), zone.record_count())
            }
            Err(fault) => fault.to_string(),
        };
        assert!(brought.contains(expected), "{answer}\n{brought}");
        if expected == "nothing" {
            return;
        }
    }
}

fn soa(serial: u32) -> String {
    format!("@ 300 SOA ns hostmaster {serial} 3600 600 86400 60\n")
}

#[test]
fn answers_of_every_kind() {
    let [s6, s7, s8, s9, s10] = [6, 7, 8, 9, 10].map(soa);
    let ns = "@ 300 NS ns\n";
    let (plus, minus) = ("new 60 A 192.0.2.9\n", "one 300 A 192.0.2.4\n");
    let count = zone().record_count();
    // Up to date, and ahead of the primary.
    check(&s7, "nothing");
    check(&s6, "nothing");
    // Not complete: over UDP it says that TCP is wanted.
    check(&s8, "not complete");
    check(&format!("{s8}{ns}"), "not complete");
    check(&format!("{s8}{ns}{plus}{s8}"), "whole 8 3");
    check(&format!("{s8}{s8}"), "no NS");
    check(&format!("{s8}{ns}{s9}"), "begins with the SOA of serial 8 and ends with that of 9");
    check(&format!("{s8}{ns}@ 300 SOA ns hostmaster 8 1 1 1 1\n"), "ends with that of 8");
    check(&format!("{s8}{s7}{minus}{s8}{plus}{s8}"), &format!("1 deltas 8 {count}"));
    check(&format!("{s8}{s7}{s8}{plus}{s8}"), &format!("1 deltas 8 {}", count + 1));
    check(&format!("{s8}{s7}{minus}{s8}{s8}"), &format!("1 deltas 8 {}", count - 1));
    check(&format!("{s8}{s7}{s8}{s8}"), &format!("1 deltas 8 {count}"));
    check(&format!("{s9}{s7}{minus}{s8}{plus}{s8}{plus}{s9}{minus}{s9}"), &format!("2 deltas 9 {count}"));
    // Condensed: one change over several serials.
    check(&format!("{s10}{s7}{minus}{s10}{plus}{s10}"), &format!("1 deltas 10 {count}"));
    // From another serial than ours it is no incremental answer.
    check(&format!("{s9}{s8}{s9}{plus}{s9}"), "begins with the SOA of serial 9 and ends with that of 8");
    check(&format!("{s9}{s7}{s8}{plus}{s9}"), "a change to serial 8, then one from 9");
    check(&format!("{s9}{s7}{s6}{plus}{s6}"), "a change from serial 7 to 6");
    check(&format!("{s8}{s7}{plus}{s8}{s8}"), "does not fit the zone at new.example A");
    check(&format!("{s8}{s7}{s8}{minus}{s8}"), "does not fit the zone at one.example A");
    check(&format!("{s8}{s7}@ 300 NS ns\n@ 300 NS ns.other.\n{s8}{s8}"), "no NS");
    check(&format!("{ns}{s8}"), "comes before the SOA");
    check("www 300 SOA ns hostmaster 8 1 1 1 1\n", "away from the apex");
    check("@ 300 CH SOA ns hostmaster 8 1 1 1 1\n", "of class CH");
    check(&format!("{s8}{ns}@ 300 TYPE250 \\# 00\n"), "no record of a zone");
    check(&format!("{s8}{ns}a.other. 60 A 192.0.2.9\n{s8}"), "whole 8 2");
}

#[test]
fn messages_that_are_no_transfer() {
    let good = messages(kind::AXFR, whole(zone()), 65_535).remove(0);
    let fault = |change: fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        let mut intake = Intake::new(name("@"), None, MAX);
        let fault = intake.take(&message).unwrap_err();
        assert!(intake.take(&good).is_err(), "it is given up for good");
        fault.to_string()
    };
    assert_eq!(fault(|message| message.flags |= 5), "the primary answered REFUSED");
    assert_eq!(fault(|message| message.flags |= 9), "the primary answered NOTAUTH");
    assert!(fault(|message| message.flags &= 0x7fff).contains("a question"));
    assert!(fault(|message| message.flags |= 0x0200).contains("truncated"));
    assert!(fault(|message| message.answer.clear()).contains("without records"));
    assert!(fault(|message| message.questions[0].qtype = kind::A).contains("an answer to example A"));
    assert!(fault(|message| message.questions[0].qname = name("other")).contains("an answer to other.example"));
    assert!(fault(|message| message.answer.push(record("www 300 A 192.0.2.2"))).contains("after the last"));
    let mut without_question = good;
    without_question.questions.clear();
    assert!(Intake::new(name("@"), None, MAX).take(&without_question).unwrap().is_some());
}

#[test]
fn a_single_soa_begins_a_whole_transfer_when_we_hold_nothing() {
    let mut messages = messages(kind::AXFR, records(&soa(7)).into_iter(), 65_535);
    messages.extend(self::messages(kind::AXFR, whole(zone()).skip(1), 65_535));
    let Ok(Brought::Whole(taken)) = take_all(&mut Intake::new(name("@"), None, MAX), &messages) else { panic!() };
    assert!(taken == zone());
}

#[test]
fn records_have_a_limit() {
    let count = zone().record_count();
    let messages = messages(kind::AXFR, whole(zone()), 65_535);
    assert!(Intake::new(name("@"), None, count).take(&messages[0]).unwrap().is_some());
    let fault = Intake::new(name("@"), None, count - 1).take(&messages[0]).unwrap_err();
    assert_eq!(fault, TransferFault::TooMany(count - 1));
    let deltas = records(&format!("{}{}{}new 60 A 192.0.2.9\n{}", soa(8), soa(7), soa(8), soa(8)));
    let messages = self::messages(kind::IXFR, deltas.into_iter(), 65_535);
    assert!(Intake::new(name("@"), Some(zone()), count + 1).take(&messages[0]).unwrap().is_some());
    let fault = Intake::new(name("@"), Some(zone()), count).take(&messages[0]).unwrap_err();
    assert_eq!(fault, TransferFault::TooMany(count));
}

#[test]
fn records_outside_the_zone_are_passed_over_and_counted() {
    let answer = records(&format!("{}@ 300 NS ns\na.other. 60 A 192.0.2.9\n{}", soa(8), soa(8)));
    let mut intake = Intake::new(name("@"), None, MAX);
    let messages = messages(kind::AXFR, answer.into_iter(), 65_535);
    let Ok(Some(Brought::Whole(zone))) = intake.take(&messages[0]) else { panic!() };
    assert_eq!((intake.ignored(), zone.record_count()), (1, 2));
}

#[test]
fn messages_are_filled_and_the_question_is_in_the_first() {
    let mut large = zone();
    for at in 0..3_000 {
        large.add(&record(&format!("n{at}.www 60 A 192.0.2.9")));
    }
    let messages: Vec<Vec<u8>> =
        Messages::new(7, FLAGS, question(kind::AXFR), whole(large.clone()), 65_535, 100).map(Result::unwrap).collect();
    let (last, full) = messages.split_last().unwrap();
    assert!(!full.is_empty() && last.len() <= MESSAGE_BYTES);
    for message in full {
        assert!((MESSAGE_BYTES - 100..=MESSAGE_BYTES).contains(&message.len()), "{}", message.len());
    }
    let messages: Vec<Message> = messages.iter().map(|message| Message::read(message).unwrap()).collect();
    assert_eq!(messages[0].questions, [question(kind::AXFR)]);
    assert!(messages[1..].iter().all(|message| message.questions.is_empty()));
    assert!(messages.iter().all(|message| (message.id, message.flags) == (7, FLAGS)));
    let Ok(Brought::Whole(taken)) = take_all(&mut Intake::new(name("@"), None, MAX), &messages) else { panic!() };
    assert!(taken == large);
}

#[test]
fn a_long_record_stands_alone_and_a_longer_one_is_an_error() {
    let long = |octets: usize| record(&format!("long 60 TYPE65280 \\# {}", "ab".repeat(octets)));
    let mut large = zone();
    large.add(&long(60_000));
    let messages = messages(kind::AXFR, whole(large.clone()), 65_535);
    assert_eq!(messages.len(), 3);
    let Ok(Brought::Whole(taken)) = take_all(&mut Intake::new(name("@"), None, MAX), &messages) else { panic!() };
    assert!(taken == large);

    large.add(&long(65_500));
    let packed: Vec<_> = Messages::new(7, FLAGS, question(kind::AXFR), whole(large), 65_535, 0).collect();
    let (last, before) = packed.split_last().unwrap();
    assert!(before.iter().all(Result::is_ok));
    assert_eq!(last.as_ref().unwrap_err().to_string(), "long.example TYPE65280 fits into no message");
}

#[test]
fn no_history_no_incremental_answer() {
    let (zone, history) = history(&["add a 60 A 192.0.2.9".to_owned(), "delete a".to_owned()]);
    assert!(since(zone.clone(), &history, 6).is_none());
    assert!(since(zone.clone(), &history[1..], 7).is_none());
    assert!(since(zone.clone(), &history[..1], 7).is_none());
    for up_to_date in [9, 10, 9 + 0x7fff_ffff] {
        assert_eq!(since(zone.clone(), &history, up_to_date).unwrap().count(), 1);
    }
    let told: Vec<u16> = since(zone, &history, 7).unwrap().map(|record| record.rtype).collect();
    assert_eq!(told, [6, 6, 6, 1, 6, 1, 6, 6]);
}

#[test]
fn a_long_history_gives_way_to_the_whole_zone() {
    let updates: Vec<String> = (0..60).flat_map(|_| ["add a 60 A 192.0.2.9", "delete a"]).map(str::to_owned).collect();
    let (zone, history) = history(&updates);
    assert!(since(zone.clone(), &history, 7).is_none());
    assert!(since(zone, &history, 7 + 110).is_some());
}

fn history(updates: &[String]) -> (Zone, Vec<Arc<Delta>>) {
    let mut zone = zone();
    let mut history = Vec::new();
    for text in updates {
        let update = Update::read(&update(text)).unwrap();
        if let Some((next, delta)) = update.apply(&zone).unwrap() {
            history.push(Arc::new(delta));
            zone = next;
        }
    }
    (zone, history)
}

proptest! {
    #[test]
    fn what_is_sent_arrives(updates in updates(), size_max in 200usize..2_000) {
        let (newest, history) = history(&updates);
        let messages = messages(kind::AXFR, whole(newest.clone()), size_max);
        let Ok(Brought::Whole(taken)) = take_all(&mut Intake::new(name("@"), None, MAX), &messages) else { panic!() };
        prop_assert!(taken == newest);
        // An answer to IXFR may be the whole zone.
        if !history.is_empty() {
            let Ok(Brought::Whole(taken)) = take_all(&mut Intake::new(name("@"), Some(zone()), MAX), &messages) else { panic!() };
            prop_assert!(taken == newest);
        }

        let mut held = zone();
        for (at, delta) in history.iter().enumerate() {
            let serial = held.serial().unwrap();
            if let Some(changes) = since(newest.clone(), &history, serial) {
                let messages = self::messages(kind::IXFR, changes, size_max);
                let mut intake = Intake::new(name("@"), Some(held.clone()), MAX);
                let Ok(Brought::Deltas(deltas, taken)) = take_all(&mut intake, &messages) else { panic!() };
                prop_assert!(taken == newest);
                prop_assert!(deltas.iter().eq(history[at..].iter().map(|delta| &**delta)));
            }
            held = delta.apply(&held).unwrap();
        }
        prop_assert!(held == newest);
    }

    #[test]
    fn any_records_are_taken_or_not(rows in prop::collection::vec(0..12usize, 1..20), per_message in 1..4usize) {
        let lines = [
            soa(6), soa(7), soa(8), soa(9), soa(7), soa(8), "@ 300 NS ns".into(), "one 300 A 192.0.2.4".into(),
            "new 60 A 192.0.2.9".into(), "www 60 TXT x".into(), "a.other. 60 A 192.0.2.9".into(), "www 60 SOA a b 1 1 1 1 1".into(),
        ];
        let records: Vec<Record> = rows.iter().map(|row| record(lines[*row].trim())).collect();
        for current in [None, Some(zone())] {
            let mut intake = Intake::new(name("@"), current, MAX);
            for records in records.chunks(per_message) {
                let message = &messages(kind::IXFR, records.iter().cloned(), 65_535)[0];
                match intake.take(message) {
                    Ok(None) => continue,
                    Ok(Some(Brought::Whole(zone) | Brought::Deltas(_, zone))) => prop_assert!(zone.faults().len() <= 1),
                    Ok(Some(Brought::Nothing)) | Err(_) => {}
                }
                prop_assert!(intake.take(message).is_err());
                break;
            }
        }
    }
}
