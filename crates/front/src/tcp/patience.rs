//! How long a client may be silent, take over a message, and leave replies unread. Told the time, in microseconds of the monotonic
//! clock; knows no socket.

use std::time::Duration;

use crate::settings::TcpSettings;

/// What a client is given time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The next query.
    Query,
    /// The rest of a message.
    Rest,
    /// Taking replies.
    Taking,
    /// Whatever its session demands (RFC 8490).
    Session,
}

/// How a connection stands when its turn is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Something came or left in this turn.
    pub(crate) stirred: bool,
    /// We are reading, and part of a message is there.
    pub(crate) cut_short: bool,
    /// Octets the client has yet to take; `None` when all has been sent.
    pub(crate) owed: Option<usize>,
}

/// Replies the client has not taken.
#[derive(Debug)]
struct Owed {
    since_micros: u64,
    /// Octets of them; what was added later has its own time.
    left: usize,
}

/// Since when a client has been waited for.
#[derive(Debug)]
pub(crate) struct Patience {
    quiet_since_micros: u64,
    cut_short_since_micros: Option<u64>,
    owed: Option<Owed>,
}

impl Patience {
    pub(crate) fn new(now_micros: u64) -> Patience {
        Patience { quiet_since_micros: now_micros, cut_short_since_micros: None, owed: None }
    }

    /// A message is there: the next has its own time.
    pub(crate) fn message_came(&mut self) {
        self.cut_short_since_micros = None;
    }

    /// The client took so many octets.
    pub(crate) fn taken(&mut self, count: usize) {
        let owed = self.owed.take().filter(|owed| owed.left > count);
        self.owed = owed.map(|owed| Owed { left: owed.left - count, ..owed });
    }

    /// Begins to wait, or goes on.
    pub(crate) fn wait(&mut self, standing: Standing, now_micros: u64) {
        if standing.stirred {
            self.quiet_since_micros = now_micros;
        }
        let since = self.cut_short_since_micros.unwrap_or(now_micros);
        self.cut_short_since_micros = standing.cut_short.then_some(since);
        self.owed = standing.owed.map(|left| self.owed.take().unwrap_or(Owed { since_micros: now_micros, left }));
    }

    /// What must happen next, and when at the latest. `session` is when the session expires, if there is one. Nothing while only
    /// answers are waited for.
    pub(crate) fn due(&self, settings: &TcpSettings, session: Option<u64>, busy: bool) -> Option<(u64, Due)> {
        let taking = self.taking(settings);
        let rest = self.cut_short_since_micros.map(|since| (after(since, settings.message_time_max), Due::Rest));
        let query = match session {
            Some(micros) => Some((micros, Due::Session)),
            None if busy || taking.is_some() || rest.is_some() => None,
            None => Some((after(self.quiet_since_micros, settings.idle), Due::Query)),
        };
        [taking, rest, query].into_iter().flatten().min_by_key(|(micros, _)| *micros)
    }

    /// The same once nothing more is read.
    pub(crate) fn taking(&self, settings: &TcpSettings) -> Option<(u64, Due)> {
        self.owed.as_ref().map(|owed| (after(owed.since_micros, settings.write_time_max), Due::Taking))
    }
}

fn after(since_micros: u64, time: Duration) -> u64 {
    since_micros.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const NOTHING: Standing = Standing { stirred: false, cut_short: false, owed: None };

    /// Ten seconds of silence, five for a message and for taking replies.
    fn due(patience: &Patience, session: Option<u64>, busy: bool) -> Option<(u64, Due)> {
        let (due_micros, due) = patience.due(&TcpSettings::default(), session, busy)?;
        Some((due_micros / SECOND, due))
    }

    #[test]
    fn silence_counts_from_what_came_or_left_last() {
        let mut patience = Patience::new(SECOND);
        assert_eq!(due(&patience, None, false), Some((11, Due::Query)));
        patience.wait(NOTHING, 3 * SECOND);
        assert_eq!(due(&patience, None, false), Some((11, Due::Query)));
        patience.wait(Standing { stirred: true, ..NOTHING }, 4 * SECOND);
        assert_eq!(due(&patience, None, false), Some((14, Due::Query)));
        assert_eq!(due(&patience, None, true), None, "an answer is under way");
        assert_eq!(due(&patience, Some(99 * SECOND), true), Some((99, Due::Session)));
    }

    #[test]
    fn octet_by_octet_a_message_has_no_longer() {
        let mut patience = Patience::new(0);
        let cut_short = Standing { stirred: true, cut_short: true, owed: None };
        for second in 1..4 {
            patience.wait(cut_short, second * SECOND);
            assert_eq!(due(&patience, Some(99 * SECOND), false), Some((6, Due::Rest)));
        }
        patience.message_came();
        patience.wait(cut_short, 4 * SECOND);
        assert_eq!(due(&patience, None, true), Some((9, Due::Rest)), "the next message");
        patience.wait(NOTHING, 8 * SECOND);
        patience.wait(cut_short, 9 * SECOND);
        assert_eq!(due(&patience, None, false), Some((14, Due::Rest)), "not read from meanwhile");
    }

    #[test]
    fn a_client_that_takes_a_little_at_a_time_is_due_all_the_same() {
        let mut patience = Patience::new(0);
        let owing = |left| Standing { stirred: true, cut_short: false, owed: Some(left) };
        patience.wait(owing(100), SECOND);
        patience.taken(60);
        patience.wait(owing(240), 2 * SECOND);
        assert_eq!(due(&patience, None, false), Some((6, Due::Taking)));
        patience.taken(40);
        patience.wait(owing(200), 3 * SECOND);
        assert_eq!(due(&patience, None, false), Some((8, Due::Taking)), "what was added later");
        patience.taken(200);
        patience.wait(Standing { stirred: true, ..NOTHING }, 4 * SECOND);
        assert_eq!(due(&patience, None, false), Some((14, Due::Query)));
    }
}
