//! A rollup made from rows: one pass over them, in any order, and then over what is different in them. Names and clients come
//! numbered, so that of a row nothing but small numbers is looked at.

use std::cmp::Reverse;
use std::sync::Arc;

use arrow::array::{Array, AsArray, DictionaryArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type};

use super::cells::{Group, TENANTS_MAX};
use super::distinct::Distinct;
use super::latency::{self, BUCKETS};
use super::lists::About;
use super::tally::Tally;
use super::{HOUR_MICROS, MINUTE_MICROS};
use crate::different::Different;
use crate::hash::Counts;
use crate::numbered::{EMPTY, Names};

/// Values of a list: one for so many events, between a least and a most.
const EVENTS_PER_VALUE: u64 = 32;
const VALUES_MIN: usize = 128;
const VALUES_MAX: usize = 1_024;
/// The code of events without a reply, in keys of latencies.
const NO_CODE: u32 = 1 << 16;
/// Groups looked up without the map: a power of two.
const GROUPS_NEAR: usize = 1 << 10;

/// Columns of one batch.
struct Columns<'a> {
    time: &'a [i64],
    tenant: &'a DictionaryArray<UInt16Type>,
    tenants: &'a StringArray,
    code: &'a PrimitiveArray<UInt16Type>,
    action: &'a [u8],
    outcome: &'a [u8],
    cache: &'a [u8],
    latency: &'a [u32],
    qtype: &'a [u16],
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Columns<'a>> {
        fn numbers<'a, T: ArrowPrimitiveType>(batch: &'a RecordBatch, name: &str) -> Option<&'a [T::Native]> {
            Some(batch.column_by_name(name)?.as_primitive_opt::<T>()?.values())
        }
        let tenant = batch.column_by_name("tenant")?.as_dictionary_opt::<UInt16Type>()?;
        Some(Columns {
            time: numbers::<TimestampMicrosecondType>(batch, "time")?,
            tenants: tenant.values().as_string_opt::<i32>()?,
            tenant,
            code: batch.column_by_name("code")?.as_primitive_opt()?,
            action: numbers::<UInt8Type>(batch, "action")?,
            outcome: numbers::<UInt8Type>(batch, "outcome")?,
            cache: numbers::<UInt8Type>(batch, "cache")?,
            latency: numbers::<UInt32Type>(batch, "latency")?,
            qtype: numbers::<UInt16Type>(batch, "qtype")?,
        })
    }
}

/// The values of one field by list, and their sketch.
pub(super) struct Field<V> {
    pub(super) lists: Vec<Listed<V>>,
    pub(super) distinct: Distinct,
}

/// One list.
pub(super) struct Listed<V> {
    pub(super) about: About,
    pub(super) left_out: u32,
    pub(super) values: Vec<(V, u32)>,
}

/// What is written.
pub(super) struct Contents<'a> {
    pub(super) tenants: Vec<&'a str>,
    pub(super) groups: Vec<Group>,
    /// Start of the hour, group, events; in order.
    pub(super) hours: Vec<(i64, u32, u32)>,
    /// The same by minute.
    pub(super) minutes: Vec<(i64, u32, u32)>,
    /// Start of the minute, code, packed latencies and events; in order.
    pub(super) latencies: Vec<(i64, Option<u16>, Vec<u8>, u32)>,
    pub(super) domains: Field<Option<&'a str>>,
    pub(super) reg_domains: Field<Option<&'a str>>,
    pub(super) clients: Field<[u8; 16]>,
    pub(super) qtypes: Field<u16>,
}

/// Groups as they come, each with its pair of code and action.
struct Groups {
    places: Counts<u64>,
    /// Those met last, each with its place.
    near: Vec<(u64, u32)>,
    groups: Vec<Group>,
    pairs: Vec<(Option<u16>, u8)>,
    pair_of: Vec<u16>,
    codes: Vec<Option<u16>>,
    code_of: Vec<u16>,
}

impl Groups {
    fn new() -> Groups {
        Groups {
            places: Counts::default(),
            // No group packs into all ones: tenants are fewer.
            near: vec![(u64::MAX, 0); GROUPS_NEAR],
            groups: Vec::new(),
            pairs: Vec::new(),
            pair_of: Vec::new(),
            codes: Vec::new(),
            code_of: Vec::new(),
        }
    }

    fn place(&mut self, packed: u64) -> u32 {
        let near =
            ((packed ^ packed >> 20 ^ packed >> 41).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % GROUPS_NEAR;
        if self.near[near].0 == packed {
            return self.near[near].1;
        }
        let next = self.groups.len() as u32;
        let place = *self.places.entry(packed).or_insert(next);
        if place == next {
            let group = Group::unpacked(packed);
            self.groups.push(group);
            // Codes have 12 bits, and actions are four words.
            self.pair_of.push(known(&mut self.pairs, (group.code, group.action)) as u16);
            self.code_of.push(known(&mut self.codes, group.code) as u16);
        }
        self.near[near] = (packed, place);
        place
    }
}

/// The place of a value among few, where it is added when it is new.
fn known<T: PartialEq>(all: &mut Vec<T>, value: T) -> usize {
    all.iter().position(|known| *known == value).unwrap_or_else(|| {
        all.push(value);
        all.len() - 1
    })
}

/// Counts of the minute at hand. Rows come mostly in the order of time; where they do not, each costs a look into the maps.
#[derive(Default)]
struct Minute {
    start: i64,
    groups: Vec<u32>,
    /// Groups with events.
    groups_met: Vec<u32>,
    /// By code and bucket.
    latencies: Vec<u32>,
    /// Places in `latencies` with events.
    latencies_met: Vec<u32>,
}

impl Minute {
    fn count(&mut self, group: u32, code: u16, bucket: u16) {
        let at = usize::from(code) * BUCKETS + usize::from(bucket);
        if self.groups.len() <= group as usize {
            self.groups.resize(group as usize + 1, 0);
        }
        if self.latencies.len() <= at {
            self.latencies.resize((usize::from(code) + 1) * BUCKETS, 0);
        }
        let events = &mut self.groups[group as usize];
        if *events == 0 {
            self.groups_met.push(group);
        }
        *events += 1;
        let events = &mut self.latencies[at];
        if *events == 0 {
            self.latencies_met.push(at as u32);
        }
        *events += 1;
    }

    /// Adds what was counted to the sums of all minutes.
    fn leave(&mut self, sums: &mut Sums, codes: &[Option<u16>]) {
        for group in self.groups_met.drain(..) {
            let events = std::mem::take(&mut self.groups[group as usize]);
            *sums.minutes.entry((self.start, group)).or_default() += events;
        }
        for at in self.latencies_met.drain(..) {
            let events = std::mem::take(&mut self.latencies[at as usize]);
            let (code, bucket) = (codes[at as usize / BUCKETS], at as usize % BUCKETS);
            let key = u64::from(code.map_or(NO_CODE, u32::from)) << 16 | bucket as u64;
            *sums.latencies.entry((self.start, key)).or_default() += events;
        }
    }
}

/// By start of the minute: events by group, and by code and bucket of latency.
#[derive(Default)]
struct Sums {
    minutes: Counts<(i64, u32)>,
    latencies: Counts<(i64, u64)>,
}

/// Counts all rows.
///
/// # Errors
/// Says what is wrong with the rows.
pub(super) fn build<'a>(batches: &'a [Arc<RecordBatch>], names: &Names<'a>) -> Result<Contents<'a>, &'static str> {
    let mut tenants: Vec<&str> = Vec::new();
    let mut tenant_places: Counts<&str> = Counts::default();
    let mut groups = Groups::new();
    let mut sums = Sums::default();
    let mut minute = Minute { start: i64::MIN, ..Minute::default() };
    // Events without a name are counted behind all names.
    let unnamed = names.domains.values.len() as u32;
    let mut domains = Tally::new(names.domains.values.len() + 1);
    let mut clients = Tally::new(names.clients.values.len());
    let mut qtypes: Different<u16> = Different::default();
    // By place of the type and pair.
    let mut of_qtypes: Vec<Vec<u32>> = Vec::new();
    let mut last = (u64::MAX, 0);
    let mut named = names.domains.rows.iter().zip(&names.clients.rows);
    for batch in batches {
        let columns = Columns::of(batch).ok_or("its columns are not those of events")?;
        let mut tenants_here = Vec::with_capacity(columns.tenants.len());
        for tenant in columns.tenants {
            let next = tenants.len() as u32 + 1;
            let place = tenant.map_or(0, |tenant| *tenant_places.entry(tenant).or_insert(next));
            if place == next {
                tenants.extend(tenant);
            }
            tenants_here.push(place);
        }
        if tenants.len() > TENANTS_MAX {
            return Err("it has too many tenants");
        }
        let mut last_qtype = None;
        for (row, (domain, client)) in (0..batch.num_rows()).zip(&mut named) {
            let tenant = columns.tenant.key(row).and_then(|key| tenants_here.get(key)).copied().unwrap_or(0);
            let code = columns.code.is_valid(row).then(|| columns.code.value(row));
            let (action, outcome, cache) = (columns.action[row], columns.outcome[row], columns.cache[row]);
            let packed = Group { tenant, code, action, outcome, cache }.packed();
            if packed != last.0 {
                last = (packed, groups.place(packed));
            }
            let group = last.1;
            let pair = groups.pair_of[group as usize];
            let time = columns.time[row];
            // As wide as times can be, a difference is not: what is before the minute wraps around to far behind it.
            if time.wrapping_sub(minute.start) as u64 >= MINUTE_MICROS as u64 {
                minute.leave(&mut sums, &groups.codes);
                minute.start = start(time, MINUTE_MICROS);
            }
            minute.count(group, groups.code_of[group as usize], latency::bucket(columns.latency[row]));
            domains.count(if *domain == EMPTY { unnamed } else { *domain }, pair, 1);
            if *client == EMPTY {
                return Err("a client is not an address");
            }
            clients.count(*client, pair, 1);
            let qtype = columns.qtype[row];
            let of_qtype = match last_qtype {
                Some((last, place)) if last == qtype => place,
                _ => qtypes.place(qtype),
            };
            last_qtype = Some((qtype, of_qtype));
            if of_qtypes.len() < qtypes.len() {
                of_qtypes.push(Vec::new());
            }
            let of_qtype = &mut of_qtypes[of_qtype as usize];
            if of_qtype.len() <= usize::from(pair) {
                of_qtype.resize(usize::from(pair) + 1, 0);
            }
            of_qtype[usize::from(pair)] += 1;
        }
    }
    minute.leave(&mut sums, &groups.codes);
    let pairs = &groups.pairs;
    let (hours, minutes) = stretches(sums.minutes);
    let domains: Vec<(u32, u16, u32)> = domains.counted().collect();
    let named = |values: &[&'a str]| values.iter().copied().map(Some).chain([None]).collect::<Vec<_>>();
    let reg_domains = of_reg_domains(&domains, names);
    let of_qtypes = (0_u32..).zip(&of_qtypes).flat_map(|(qtype, of_pairs)| {
        (0_u16..).zip(of_pairs).filter(|(_, events)| **events > 0).map(move |(pair, events)| (qtype, pair, *events))
    });
    Ok(Contents {
        tenants,
        hours,
        minutes,
        latencies: packed(sums.latencies),
        domains: Field {
            lists: listed(domains.into_iter(), &named(&names.domains.values), pairs),
            distinct: sketch(names.domains.values.iter().map(|name| name.as_bytes())),
        },
        reg_domains: Field {
            lists: listed(reg_domains.into_iter(), &named(&names.reg_domains), pairs),
            distinct: sketch(names.reg_domains.iter().map(|name| name.as_bytes())),
        },
        clients: Field {
            lists: listed(clients.counted(), &names.clients.values, pairs),
            distinct: sketch(names.clients.values.iter().map(<[u8; 16]>::as_slice)),
        },
        qtypes: Field { lists: listed(of_qtypes, &qtypes.into_values(), pairs), distinct: Distinct::default() },
        groups: groups.groups,
    })
}

/// The counts of names added up by their registrable parts; those of names without one are behind all.
fn of_reg_domains(domains: &[(u32, u16, u32)], names: &Names<'_>) -> Vec<(u32, u16, u32)> {
    let none = names.reg_domains.len() as u32;
    let mut tally = Tally::new(names.reg_domains.len() + 1);
    for (domain, pair, events) in domains {
        let part = names.reg_domain_of.get(*domain as usize).copied().unwrap_or(EMPTY);
        tally.count(if part == EMPTY { none } else { part }, *pair, *events);
    }
    tally.counted().collect()
}

/// The start of the stretch that holds an instant; the first that can be told when it began before all time.
fn start(micros: i64, width: i64) -> i64 {
    micros.checked_sub(micros.rem_euclid(width)).unwrap_or(i64::MIN)
}

type Stretch = (i64, u32, u32);

fn stretches(minutes: Counts<(i64, u32)>) -> (Vec<Stretch>, Vec<Stretch>) {
    let mut hours: Counts<(i64, u32)> = Counts::default();
    for ((minute, group), events) in &minutes {
        *hours.entry((start(*minute, HOUR_MICROS), *group)).or_default() += events;
    }
    let sorted = |counts: Counts<(i64, u32)>| {
        let mut all: Vec<Stretch> = counts.into_iter().map(|((start, group), events)| (start, group, events)).collect();
        all.sort_unstable();
        all
    };
    (sorted(hours), sorted(minutes))
}

fn packed(latencies: Counts<(i64, u64)>) -> Vec<(i64, Option<u16>, Vec<u8>, u32)> {
    let mut all: Vec<(i64, u64, u32)> =
        latencies.into_iter().map(|((minute, key), events)| (minute, key, events)).collect();
    all.sort_unstable();
    let same = |a: &(i64, u64, u32), b: &(i64, u64, u32)| a.0 == b.0 && a.1 >> 16 == b.1 >> 16;
    let of_one = |run: &[(i64, u64, u32)]| {
        let code = (run[0].1 >> 16) as u32;
        let code = (code != NO_CODE).then_some(code as u16);
        let buckets = run.iter().map(|(_, key, events)| (*key as u16, *events));
        (run[0].0, code, latency::pack(buckets), run.iter().map(|(.., events)| events).sum())
    };
    all.chunk_by(same).map(of_one).collect()
}

fn sketch<'a>(values: impl Iterator<Item = &'a [u8]>) -> Distinct {
    let mut distinct = Distinct::default();
    values.for_each(|value| distinct.add(value));
    distinct
}

/// The lists over all events, by code and by action, from the counts by value and pair of these.
fn listed<V: Copy + Ord>(
    counted: impl Iterator<Item = (u32, u16, u32)>,
    values: &[V],
    pairs: &[(Option<u16>, u8)],
) -> Vec<Listed<V>> {
    let mut abouts = vec![About::All];
    let mut place = |about: About| known(&mut abouts, about);
    let places: Vec<[usize; 2]> =
        pairs.iter().map(|(code, action)| [place(About::Code(*code)), place(About::Action(*action))]).collect();
    // Events and the place of the value.
    let mut lists: Vec<Vec<(u32, u32)>> = vec![Vec::new(); abouts.len()];
    for (value, pair, events) in counted {
        let [code, action] = places[usize::from(pair)];
        for list in [0, code, action] {
            match lists[list].last_mut() {
                Some((sum, last)) if *last == value => *sum += events,
                _ => lists[list].push((events, value)),
            }
        }
    }
    let mut finished = Vec::with_capacity(lists.len());
    for (about, mut list) in abouts.into_iter().zip(lists) {
        let events: u64 = list.iter().map(|(events, _)| u64::from(*events)).sum();
        let most = usize::try_from(events / EVENTS_PER_VALUE).unwrap_or(VALUES_MAX).clamp(VALUES_MIN, VALUES_MAX);
        let mut left_out = 0;
        if list.len() > most {
            // Of those with as many events as the first left out, the ones met first stay: which ones does not matter, and
            // comparing hundreds of thousands of texts would.
            let order = |(events, value): &(u32, u32)| (Reverse(*events), *value);
            left_out = list.select_nth_unstable_by_key(most, order).1.0;
            list.truncate(most);
        }
        list.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| values[a.1 as usize].cmp(&values[b.1 as usize])));
        let values = list.into_iter().map(|(events, value)| (values[value as usize], events)).collect();
        finished.push(Listed { about, left_out, values });
    }
    finished
}
