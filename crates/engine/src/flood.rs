//! What is written down of a flood: some events one by one, and of each kind and second one event that counts all others.
//!
//! Nothing is lost but detail: the numbers of events and of what they repeat add up to what arrived. Knows no limit of its own and no
//! domain: kinds are numbers.

use std::collections::HashMap;

use event::Event;

/// Kinds told apart in one second; whatever else comes is counted by one event together.
const KINDS_MAX: usize = 256;
/// The kind of whatever else comes.
const OTHERS: u64 = 0;

/// The events of floods at one desk, in the second that runs.
#[derive(Default)]
pub(crate) struct Flood {
    second: u32,
    /// Written one by one in this second.
    written: u32,
    kinds: HashMap<u64, Kind>,
}

#[derive(Default)]
struct Kind {
    written: u32,
    /// The event that counts those not written one by one.
    counting: Option<Box<Event>>,
}

impl Flood {
    /// Counts one more of this kind without its event; `false` when its event is needed.
    pub(crate) fn absorb(&mut self, kind: u64) -> bool {
        let kind = if self.kinds.contains_key(&kind) || self.kinds.len() < KINDS_MAX { kind } else { OTHERS };
        match self.kinds.get_mut(&kind).and_then(|kind| kind.counting.as_mut()) {
            Some(event) => {
                event.repeats = event.repeats.saturating_add(1);
                true
            }
            None => false,
        }
    }

    /// Gives an event back that is to be written now, or keeps it to count others of its second. At most `events_max` are given
    /// back in a second, half of them of one kind.
    pub(crate) fn pass(&mut self, kind: u64, event: Event, events_max: u32) -> Option<Event> {
        if self.absorb(kind) {
            return None;
        }
        let kind = if self.kinds.contains_key(&kind) || self.kinds.len() < KINDS_MAX { kind } else { OTHERS };
        let state = self.kinds.entry(kind).or_default();
        if self.written < events_max && state.written < events_max.div_ceil(2) {
            self.written += 1;
            state.written += 1;
            return Some(event);
        }
        state.counting = Some(Box::new(event));
        None
    }

    /// The events that count those of seconds before this one.
    pub(crate) fn turn(&mut self, second: u32) -> Vec<Event> {
        if self.second == second {
            return Vec::new();
        }
        self.second = second;
        self.rest()
    }

    /// The events that count what was not written yet.
    pub(crate) fn rest(&mut self) -> Vec<Event> {
        self.written = 0;
        self.kinds.drain().filter_map(|(_, kind)| kind.counting).map(|event| *event).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::exit::{Now, Source, arrival};

    fn event() -> Event {
        let source = Source { peer: ([192, 0, 2, 1], 53).into(), transport: event::Transport::Udp };
        arrival(&[], source, Now { wall_micros: 0, monotonic_micros: 0 }, Arc::from([]))
    }

    proptest! {
        /// Whatever comes in whatever order, everything is counted once, and little is written.
        #[test]
        fn events_and_what_they_repeat_add_up(
            floods in prop::collection::vec((0_u32..5, 0_u64..600, 1_usize..40), 0..200), events_max in 1_u32..50,
        ) {
            let (mut flood, mut sent, mut written) = (Flood::default(), 0_u64, Vec::new());
            let mut second = 7;
            for (step, kind, times) in floods {
                second += step;
                written.extend(flood.turn(second));
                let before = written.len();
                for _ in 0..times {
                    sent += 1;
                    written.extend(flood.pass(kind, event(), events_max));
                }
                prop_assert!(written.len() - before <= events_max as usize);
            }
            written.extend(flood.rest());
            let counted: u64 = written.iter().map(|event| 1 + u64::from(event.repeats)).sum();
            prop_assert_eq!(counted, sent);
        }
    }

    #[test]
    fn names_without_number_cost_a_bounded_number_of_events() {
        let mut flood = Flood::default();
        let one_by_one = (0..1_000_000_u64).filter_map(|kind| flood.pass(kind, event(), 100)).count();
        let counting = flood.rest();
        assert_eq!(one_by_one, 100);
        assert!(counting.len() <= KINDS_MAX + 1, "{}", counting.len());
        assert_eq!(counting.iter().map(|event| u64::from(event.repeats) + 1).sum::<u64>(), 1_000_000 - 100);
    }
}
