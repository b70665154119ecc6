//! A rollup made from rows: one pass over them, in any order, and then over what is different in them.

use std::cmp::Reverse;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, AsArray, DictionaryArray, FixedSizeBinaryArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type};

use super::cells::{Group, TENANTS_MAX};
use super::distinct::Distinct;
use super::hash::Counts;
use super::latency;
use super::lists::About;
use super::values::Values;
use super::{HOUR_MICROS, MINUTE_MICROS};

/// Values of a list: one for so many events, between a least and a most.
const EVENTS_PER_VALUE: u64 = 32;
const VALUES_MIN: usize = 128;
const VALUES_MAX: usize = 1_024;
/// The code of events without a reply, in keys of latencies.
const NO_CODE: u32 = 1 << 16;

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
    domain: &'a StringArray,
    reg_domain: &'a StringArray,
    client: &'a FixedSizeBinaryArray,
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
            domain: batch.column_by_name("domain")?.as_string_opt()?,
            reg_domain: batch.column_by_name("reg_domain")?.as_string_opt()?,
            client: batch.column_by_name("client")?.as_fixed_size_binary_opt().filter(|it| it.value_length() == 16)?,
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
#[derive(Default)]
struct Groups {
    places: Counts<u64>,
    groups: Vec<Group>,
    pairs: Vec<(Option<u16>, u8)>,
    pair_of: Vec<u16>,
}

impl Groups {
    fn place(&mut self, packed: u64) -> u32 {
        let next = self.groups.len() as u32;
        let place = *self.places.entry(packed).or_insert(next);
        if place == next {
            let group = Group::unpacked(packed);
            let pair = (group.code, group.action);
            let known = self.pairs.iter().position(|known| *known == pair);
            let at = known.unwrap_or_else(|| {
                self.pairs.push(pair);
                self.pairs.len() - 1
            });
            self.groups.push(group);
            // Codes have 12 bits, and actions are four words.
            self.pair_of.push(at as u16);
        }
        place
    }
}

/// Counts all rows.
///
/// # Errors
/// Says what is wrong with the rows.
pub(super) fn build(batches: &[Arc<RecordBatch>]) -> Result<Contents<'_>, &'static str> {
    let mut tenants: Vec<&str> = Vec::new();
    let mut tenant_places: Counts<&str> = Counts::default();
    let mut groups = Groups::default();
    let mut minutes: Counts<(i64, u32)> = Counts::default();
    let mut latencies: Counts<(i64, u64)> = Counts::default();
    let mut domains: Values<Option<&str>> = Values::default();
    // Each at the place of its name.
    let mut reg_domain_of: Vec<Option<&str>> = Vec::new();
    let mut clients: Values<[u8; 16]> = Values::default();
    let mut qtypes: Values<u16> = Values::default();
    let mut minute = i64::MIN;
    let mut last = (u64::MAX, 0);
    let mut last_client = None;
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
        for row in 0..batch.num_rows() {
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
            if time.wrapping_sub(minute) as u64 >= MINUTE_MICROS as u64 {
                minute = start(time, MINUTE_MICROS);
            }
            *minutes.entry((minute, group)).or_default() += 1;
            let bucket = latency::bucket(columns.latency[row]);
            *latencies
                .entry((minute, u64::from(code.map_or(NO_CODE, u32::from)) << 16 | u64::from(bucket)))
                .or_default() += 1;
            let domain = columns.domain.is_valid(row).then(|| columns.domain.value(row));
            let of_domain = domains.place(domain);
            if reg_domain_of.len() < domains.len() {
                reg_domain_of.push(columns.reg_domain.is_valid(row).then(|| columns.reg_domain.value(row)));
            }
            domains.count(of_domain, pair, 1);
            let client: [u8; 16] = columns.client.value(row).try_into().map_err(|_| "a client is not an address")?;
            let of_client = match last_client {
                Some((last, place)) if last == client => place,
                _ => clients.place(client),
            };
            last_client = Some((client, of_client));
            clients.count(of_client, pair, 1);
            let of_qtype = qtypes.place(columns.qtype[row]);
            qtypes.count(of_qtype, pair, 1);
        }
    }
    let mut reg_domains: Values<Option<&str>> = Values::default();
    let mut last_domain = None;
    for (domain, pair, events) in domains.counted() {
        let place = match last_domain {
            Some((last, place)) if last == domain => place,
            _ => reg_domains.place(reg_domain_of[domain as usize]),
        };
        last_domain = Some((domain, place));
        reg_domains.count(place, pair, events);
    }
    let pairs = &groups.pairs;
    let (hours, minutes) = stretches(minutes);
    Ok(Contents {
        tenants,
        hours,
        minutes,
        latencies: packed(latencies),
        domains: Field { lists: listed(&domains, pairs), distinct: sketch_of_texts(&domains) },
        reg_domains: Field { lists: listed(&reg_domains, pairs), distinct: sketch_of_texts(&reg_domains) },
        clients: Field {
            lists: listed(&clients, pairs),
            distinct: sketch(clients.all().iter().map(<[u8; 16]>::as_slice)),
        },
        qtypes: Field { lists: listed(&qtypes, pairs), distinct: Distinct::default() },
        groups: groups.groups,
    })
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

fn sketch_of_texts(values: &Values<Option<&str>>) -> Distinct {
    sketch(values.all().iter().flatten().map(|text| text.as_bytes()))
}

/// The lists over all events, by code and by action, from the counts by value and pair of these.
fn listed<V: Copy + Eq + Hash + Ord>(counted: &Values<V>, pairs: &[(Option<u16>, u8)]) -> Vec<Listed<V>> {
    let mut abouts = vec![About::All];
    let mut place = |about: About| {
        abouts.iter().position(|known| *known == about).unwrap_or_else(|| {
            abouts.push(about);
            abouts.len() - 1
        })
    };
    let places: Vec<[usize; 2]> =
        pairs.iter().map(|(code, action)| [place(About::Code(*code)), place(About::Action(*action))]).collect();
    // Events and the place of the value.
    let mut lists: Vec<Vec<(u32, u32)>> = vec![Vec::new(); abouts.len()];
    for (value, pair, events) in counted.counted() {
        let [code, action] = places[usize::from(pair)];
        for list in [0, code, action] {
            match lists[list].last_mut() {
                Some((sum, last)) if *last == value => *sum += events,
                _ => lists[list].push((events, value)),
            }
        }
    }
    let values = counted.all();
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
