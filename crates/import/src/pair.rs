//! Queries wait for their replies: by addresses, ports, transport and ID.
//!
//! Knows no clock: time is that of the records.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use event::{Event, Outcome, Transport};

use crate::blank;
use crate::messages;

/// How long a query waits for its reply, microseconds of the input's time.
pub(crate) const REPLY_WITHIN_MICROS: i64 = 10_000_000;
/// Queries that wait at the same time; the oldest goes unanswered when there are more.
pub(crate) const WAITING_MAX: usize = 65_536;
/// Those of one client, port, transport and ID among them: a reply is held against each.
pub(crate) const WAITING_PER_KEY_MAX: usize = 16;

/// Who asked whom, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    pub(crate) client: SocketAddr,
    pub(crate) server: Option<SocketAddr>,
    pub(crate) transport: Transport,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    ends: Ends,
    id: u16,
}

struct Waiting {
    number: u64,
    event: Event,
}

/// Queries without a reply so far.
#[derive(Default)]
pub(crate) struct Pairs {
    /// By key, the oldest first: a client may use an ID again.
    waiting: HashMap<Key, VecDeque<Waiting>>,
    /// In the order they came; those with a number no longer waiting are stepped over.
    order: VecDeque<(u64, i64, Key)>,
    count: usize,
    next: u64,
}

impl Pairs {
    /// Takes a message, a query or a reply. What is settled by it, events and reasons, is appended to `out`.
    pub(crate) fn take(
        &mut self,
        ends: Ends,
        time_micros: i64,
        message: &[u8],
        out: &mut VecDeque<Result<Event, String>>,
    ) {
        self.expire(time_micros, out);
        let Some(flags) = messages::header_flags(message) else {
            out.push_back(Err(format!("a message of {} octets, shorter than a header", message.len())));
            return;
        };
        let id = u16::from_be_bytes([message[0], message[1]]);
        let key = Key { ends, id };
        if flags & wire::view::flag::QR == 0 {
            self.ask(key, time_micros, message, out);
        } else {
            out.push_back(self.reply(key, time_micros, message));
        }
    }

    fn ask(&mut self, key: Key, time_micros: i64, message: &[u8], out: &mut VecDeque<Result<Event, String>>) {
        let client = key.ends.client;
        let mut event = blank::event(time_micros, client.ip(), client.port(), key.ends.transport);
        if let Err(reason) = messages::put_query(&mut event, message) {
            out.push_back(Err(reason));
            return;
        }
        while self.count >= WAITING_MAX || self.order.len() >= 2 * WAITING_MAX {
            if !self.give_up_oldest(out) {
                break;
            }
        }
        let number = self.next;
        self.next += 1;
        self.count += 1;
        self.order.push_back((number, time_micros, key));
        let waiting = self.waiting.entry(key).or_default();
        waiting.push_back(Waiting { number, event });
        if waiting.len() > WAITING_PER_KEY_MAX
            && let Some(Waiting { event, .. }) = waiting.pop_front()
        {
            self.count -= 1;
            out.push_back(Ok(unanswered(event)));
        }
    }

    /// Whether this query waits for its reply already.
    pub(crate) fn awaits(
        &mut self,
        ends: Ends,
        time_micros: i64,
        message: &[u8],
        out: &mut VecDeque<Result<Event, String>>,
    ) -> bool {
        self.expire(time_micros, out);
        let &[high, low, ..] = message else { return false };
        let Some(waiting) = self.waiting.get(&Key { ends, id: u16::from_be_bytes([high, low]) }) else { return false };
        let mut event = blank::event(time_micros, ends.client.ip(), ends.client.port(), ends.transport);
        messages::put_query(&mut event, message).is_ok()
            && waiting.iter().any(|waiting| same_question(&waiting.event, &event))
    }

    fn reply(&mut self, key: Key, time_micros: i64, message: &[u8]) -> Result<Event, String> {
        let client = key.ends.client;
        let mut alone = blank::event(time_micros, client.ip(), client.port(), key.ends.transport);
        messages::put_reply(&mut alone, message, false)?;
        let Some(waiting) = self.waiting.get_mut(&key) else { return Ok(alone) };
        // An error may come without a question.
        let fits = |asked: &Event| alone.domain.is_none() || asked.domain.is_none() || same_question(asked, &alone);
        let Some(at) = waiting.iter().position(|waiting| fits(&waiting.event)) else { return Ok(alone) };
        let Some(Waiting { mut event, .. }) = waiting.remove(at) else { return Ok(alone) };
        if waiting.is_empty() {
            self.waiting.remove(&key);
        }
        self.count -= 1;
        messages::put_reply(&mut event, message, true)?;
        event.latency_micros = u32::try_from(time_micros.saturating_sub(event.time_micros)).unwrap_or(0);
        Ok(event)
    }

    /// Gives up those that have waited long enough.
    pub(crate) fn expire(&mut self, now_micros: i64, out: &mut VecDeque<Result<Event, String>>) {
        while let Some(&(_, asked, _)) = self.order.front() {
            if now_micros.saturating_sub(asked) <= REPLY_WITHIN_MICROS {
                return;
            }
            self.give_up_oldest(out);
        }
    }

    /// Gives up all: nothing follows.
    pub(crate) fn finish(&mut self, out: &mut VecDeque<Result<Event, String>>) {
        while self.give_up_oldest(out) {}
    }

    /// Steps over one entry of the order, and gives its query up when it still waits. `false` when there is none.
    fn give_up_oldest(&mut self, out: &mut VecDeque<Result<Event, String>>) -> bool {
        let Some((number, _, key)) = self.order.pop_front() else { return false };
        if let Some(waiting) = self.waiting.get_mut(&key)
            && waiting.front().is_some_and(|waiting| waiting.number == number)
            && let Some(Waiting { event, .. }) = waiting.pop_front()
        {
            if waiting.is_empty() {
                self.waiting.remove(&key);
            }
            self.count -= 1;
            out.push_back(Ok(unanswered(event)));
        }
        true
    }
}

fn unanswered(event: Event) -> Event {
    Event { outcome: Outcome::Timeout, ..event }
}

fn same_question(one: &Event, other: &Event) -> bool {
    one.domain == other.domain && one.qtype == other.qtype && one.qclass == other.qclass
}
