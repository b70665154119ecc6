//! Lookups that failed a moment ago although an old answer exists: the old answer is given at once, without asking
//! again (RFC 8767 §5, failure recheck timer; RFC 9520). Without an old answer the cache keeps the failure itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use cache::Key;

/// Failures remembered; beyond it all are forgotten, which costs upstreams one more ask each.
const FAILURES_MAX: usize = 8_192;

/// Remembers failed keys until a time, seconds of the clock.
#[derive(Default)]
pub(crate) struct Failures {
    until_seconds: Mutex<HashMap<Key, u32>>,
}

impl Failures {
    pub(crate) fn note(&self, key: Key, until_seconds: u32, now_seconds: u32) {
        let mut table = self.until_seconds.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= FAILURES_MAX {
            table.retain(|_, until| *until > now_seconds);
        }
        if table.len() >= FAILURES_MAX {
            table.clear();
        }
        table.insert(key, until_seconds);
    }

    pub(crate) fn recent(&self, key: &Key, now_seconds: u32) -> bool {
        let table = self.until_seconds.lock().unwrap_or_else(PoisonError::into_inner);
        table.get(key).is_some_and(|until| *until > now_seconds)
    }

    pub(crate) fn forget(&self, key: &Key) {
        self.until_seconds.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolver::tests::question;

    #[test]
    fn a_failure_is_remembered_for_its_time_and_the_table_has_an_end() {
        let failures = Failures::default();
        let key = question("a.example A").key();
        failures.note(key.clone(), 10, 0);
        assert!(failures.recent(&key, 9));
        assert!(!failures.recent(&key, 10));
        failures.forget(&key);
        assert!(!failures.recent(&key, 9));

        for number in 0..=FAILURES_MAX {
            failures.note(question(&format!("n{number}.example A")).key(), 10, 0);
        }
        assert!(failures.until_seconds.lock().unwrap().len() <= FAILURES_MAX);
    }
}
