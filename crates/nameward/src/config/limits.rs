//! `[limits]`: how much may be asked over UDP, and what is written down of a flood.

use engine::LimitSettings;
use policy::Network;

use super::file;
use super::settle::{Settle, whole};

/// Rates that can be set, a second.
const RATE: (i64, i64) = (0, 10_000_000);
/// Choices of `told_every`.
const TOLD_EVERY: (i64, i64) = (0, 1_000);

impl Settle<'_> {
    pub(super) fn limits(&mut self, section: file::Limits) -> Option<LimitSettings> {
        let usual = LimitSettings::default();
        let mut number = |key: &str, written, default: u32, (low, high): (i64, i64)| {
            self.one(key, written, i64::from(default), |&number| whole(number, low, high).map(|number| number as u32))
        };
        let queries = number("limits.queries_per_second", section.queries_per_second, usual.queries_per_second, RATE);
        let replies = number("limits.replies_per_second", section.replies_per_second, usual.replies_per_second, RATE);
        let told = number("limits.told_every", section.told_every, usual.told_every, TOLD_EVERY);
        let v4 = number("limits.ipv4_prefix", section.ipv4_prefix, usual.ipv4_prefix.into(), (1, 32));
        let v6 = number("limits.ipv6_prefix", section.ipv6_prefix, usual.ipv6_prefix.into(), (1, 128));
        let events = number("limits.events_per_second", section.events_per_second, usual.events_per_second, RATE);
        let fair = self.one("limits.fair", section.fair, usual.fair, |&fair| Ok(fair));
        let exempt = self.rules("limits.exempt", section.exempt, |text| {
            Network::parse(text).map_err(|error| (error.to_string(), None))
        });
        Some(LimitSettings {
            queries_per_second: queries?,
            replies_per_second: replies?,
            fair: fair?,
            told_every: told?,
            ipv4_prefix: u8::try_from(v4?).ok()?,
            ipv6_prefix: u8::try_from(v6?).ok()?,
            exempt: exempt?.into(),
            events_per_second: events?,
        })
    }
}
