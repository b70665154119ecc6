//! What is written down of a flood: some events one by one, and of each kind and second one event that counts all others.
//!
//! Nothing is lost but detail: the numbers of events and of what they repeat add up to what arrived. Knows no limit of its own and no
//! domain: kinds are numbers.

mod tops;

use std::collections::HashMap;

use event::Event;

use tops::Tops;

/// Kinds of what is held back that are told apart in one second; whatever else is held back is counted by one event together.
const KINDS_MAX: usize = 256;
/// The kind of whatever else is held back.
const OTHERS: u64 = 0;

/// What an event may be part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What a network is held back from, or sends although it is no question: all of it together is bounded.
    Held(u64),
    /// Names below one domain that are not at hand: bounded for each domain, since many domains are no flood.
    Below(u64),
}

/// The events of floods at one desk, in the second that runs.
#[derive(Default)]
pub(crate) struct Flood {
    second: u32,
    /// Events of what is held back, written one by one in this second.
    held: u32,
    /// For each network of which more is held back: the event that counts, once there is one.
    networks: HashMap<u64, Counting>,
    /// Events below each domain in this second.
    tops: Tops,
    /// The events that count, of domains with more than may be written.
    domains: HashMap<u64, Box<Event>>,
}

#[derive(Default)]
struct Counting {
    written: u32,
    event: Option<Box<Event>>,
}

impl Flood {
    /// Counts one more that is held back without its event; `false` when its event is needed.
    pub(crate) fn absorb(&mut self, network: u64) -> bool {
        let network = self.network(network);
        match self.networks.get_mut(&network).and_then(|counting| counting.event.as_mut()) {
            Some(event) => {
                event.repeats = event.repeats.saturating_add(1);
                true
            }
            None => false,
        }
    }

    /// Gives an event back that is to be written now, or keeps it to count others of its second. In a second at most `events_max` of what
    /// is held back are given back, half of them of one network; and as many of each domain.
    pub(crate) fn pass(&mut self, kind: Kind, event: Event, events_max: u32) -> Option<Event> {
        match kind {
            Kind::Held(network) => self.pass_held(network, event, events_max),
            Kind::Below(domain) => self.pass_below(domain, event, events_max),
        }
    }

    fn pass_held(&mut self, network: u64, event: Event, events_max: u32) -> Option<Event> {
        if self.absorb(network) {
            return None;
        }
        let network = self.network(network);
        let counting = self.networks.entry(network).or_default();
        if self.held < events_max && counting.written < events_max.div_ceil(2) {
            self.held += 1;
            counting.written += 1;
            return Some(event);
        }
        counting.event = Some(Box::new(event));
        None
    }

    fn pass_below(&mut self, domain: u64, event: Event, events_max: u32) -> Option<Event> {
        if self.tops.count(domain, self.second) <= events_max {
            return Some(event);
        }
        match self.domains.get_mut(&domain) {
            Some(counting) => counting.repeats = counting.repeats.saturating_add(1),
            None => {
                self.domains.insert(domain, Box::new(event));
            }
        }
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
        self.held = 0;
        let networks = self.networks.drain().filter_map(|(_, counting)| counting.event);
        networks.chain(self.domains.drain().map(|(_, event)| event)).map(|event| *event).collect()
    }

    fn network(&self, network: u64) -> u64 {
        let is_known = self.networks.len() < KINDS_MAX || self.networks.contains_key(&network);
        if is_known { network } else { OTHERS }
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

    fn counted(events: &[Event]) -> u64 {
        events.iter().map(|event| 1 + u64::from(event.repeats)).sum()
    }

    proptest! {
        /// Whatever comes in whatever order, everything is counted once.
        #[test]
        fn events_and_what_they_repeat_add_up(
            floods in prop::collection::vec((0_u32..5, any::<bool>(), 0_u64..600, 1_usize..40), 0..200),
            events_max in 1_u32..50,
        ) {
            let (mut flood, mut sent, mut written) = (Flood::default(), 0_u64, Vec::new());
            let mut second = 7;
            for (step, held, number, times) in floods {
                second += step;
                written.extend(flood.turn(second));
                let kind = if held { Kind::Held(number) } else { Kind::Below(number) };
                let before = written.len();
                for _ in 0..times {
                    sent += 1;
                    written.extend(flood.pass(kind, event(), events_max));
                }
                prop_assert!(written.len() - before <= events_max as usize);
            }
            written.extend(flood.rest());
            prop_assert_eq!(counted(&written), sent);
        }
    }

    #[test]
    fn networks_without_number_that_are_held_back_cost_a_bounded_number_of_events() {
        let mut flood = Flood::default();
        let one_by_one = (0..1_000_000).filter_map(|network| flood.pass(Kind::Held(network), event(), 100)).count();
        let counting = flood.rest();
        assert_eq!(one_by_one, 100);
        assert!(counting.len() <= KINDS_MAX + 1, "{}", counting.len());
        assert_eq!(counted(&counting), 1_000_000 - 100);
    }

    #[test]
    fn many_domains_are_no_flood_and_one_among_them_is() {
        let mut flood = Flood::default();
        flood.turn(1);
        let (mut others, mut flooded) = (0, 0);
        for number in 0..100_000_u64 {
            others += usize::from(flood.pass(Kind::Below(number << 20 | number), event(), 100).is_some());
            flooded += usize::from(flood.pass(Kind::Below(u64::MAX), event(), 100).is_some());
        }
        assert_eq!((others, flooded), (100_000, 100));
        assert_eq!(counted(&flood.rest()), 100_000 - 100);
    }
}
