//! A queue before a thread, played through: how long it stays, and who is held back.

use std::collections::VecDeque;

use super::super::meter::Meter;
use super::*;

/// What the system keeps for the thread.
const QUEUE_MAX: usize = 5_000;
const BATCH: usize = 64;

/// Microseconds one query costs that is answered, and one that is held back.
const ANSWER_MICROS: f64 = 4.0;
const HOLD_MICROS: f64 = 1.3;

#[derive(Default)]
struct Told {
    asked: [u32; 3],
    answered: [u32; 3],
}

/// Runs one thread for a time, with so many queries a second of each of three clients.
fn run(load: &mut Load, seconds: u64, rates: [u64; 3]) -> Told {
    let (mut meter, mut told, mut queue) = (Meter::default(), Told::default(), VecDeque::new());
    let (mut now, mut arrived) = (1_000_000.0_f64, [0.0_f64; 3]);
    let end = now + (seconds * 1_000_000) as f64;
    let mut last = now;
    while now < end {
        for client in 0..3 {
            arrived[client] += (now - last) * rates[client] as f64 / 1e6;
            while arrived[client] >= 1.0 {
                arrived[client] -= 1.0;
                told.asked[client] += 1;
                queue.push_back(client);
            }
        }
        last = now;
        // What comes last does not fit, from whomever it is: spread evenly here.
        while queue.len() > QUEUE_MAX {
            queue.remove(queue.len() * 7 % QUEUE_MAX);
        }
        let batch: Vec<usize> = queue.drain(..queue.len().min(BATCH)).collect();
        if batch.is_empty() {
            now += 10.0;
            continue;
        }
        load.batch(batch.len(), batch.len() == BATCH, now as u64);
        for client in batch {
            let mut held = false;
            if load.is_counted()
                && let Some((cost, burst)) = load.share(client as u64 + 1)
            {
                held = !meter.take(client as u64 + 1, cost, burst, now as u64 * 1_000);
            }
            now += if held { HOLD_MICROS } else { ANSWER_MICROS };
            told.answered[client] += u32::from(!held);
        }
    }
    told
}

#[test]
fn one_who_asks_twice_what_can_be_answered_costs_the_others_little() {
    let told = run(&mut Load::default(), 10, [500_000, 20_000, 500]);
    for client in [1, 2] {
        let (answered, asked) = (told.answered[client], told.asked[client]);
        assert!(f64::from(answered) > 0.97 * f64::from(asked), "client {client}: {answered} of {asked}");
    }
    // And the thread is still busy with answers, not only with holding back.
    assert!(told.answered.iter().sum::<u32>() > 900_000, "{:?}", told.answered);
}

#[test]
fn one_alone_is_never_held_back() {
    let told = run(&mut Load::default(), 5, [500_000, 0, 0]);
    assert!(told.answered[0] > 1_200_000, "{}", told.answered[0]);
}

#[test]
fn nobody_is_held_back_while_all_can_be_answered() {
    let told = run(&mut Load::default(), 5, [150_000, 50_000, 500]);
    for client in 0..3 {
        assert!(told.asked[client] - told.answered[client] <= BATCH as u32, "{:?} of {:?}", told.answered, told.asked);
    }
}

#[test]
fn shares_are_forgotten_after_an_attack() {
    let mut load = Load::default();
    run(&mut load, 3, [600_000, 600_000, 500]);
    assert!(load.share.is_some());
    load.batch(1, false, 1_000_000_000);
    load.batch(1, false, 1_000_100_000);
    assert!(load.share.is_none() && !load.is_counted());
}
