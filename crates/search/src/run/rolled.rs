//! Answers from rollups: whole segments are added up from what was counted when they were written, the rest of the
//! window is scanned, both of one state of the log.
//!
//! Counts, series and facets are exact. A top list is used when its places are certain; see [`tops`]. Rollups are added up
//! one after the other: of a long window no more than one is held, beside the sums, and the sums are counted.

mod figures;
mod tops;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::Expr;
use datafusion::prelude::{DataFrame, SessionContext};
use event::{Action, CacheState, Flags, Outcome, Row, Transport};
use store::{Cells, Damaged, Divided, Group, Rollup};
use wire::code::Code;

use super::group::{Key, group_column, groups};
use super::series::Axis;
use super::{SearchError, Window};
use crate::ast::{Node, Search};
use crate::compile;
use crate::fields::Id;

const MINUTE_MICROS: i64 = 60_000_000;
const HOUR_MICROS: i64 = 60 * MINUTE_MICROS;

/// Fields that rollups count all events by.
pub(super) fn is_rolled(id: Id) -> bool {
    matches!(id, Id::Code | Id::Action | Id::Outcome | Id::Cache | Id::Tenant)
}

impl Search {
    /// Whether all terms are about such fields.
    fn only_about(&self, fits: impl Fn(Id) -> bool) -> bool {
        fn walk(node: &Node, fits: &impl Fn(Id) -> bool) -> bool {
            match node {
                Node::And(nodes) | Node::Or(nodes) => nodes.iter().all(|node| walk(node, fits)),
                Node::Not(inner) => walk(inner, fits),
                Node::Has(id) | Node::Term(id, _) => fits(*id),
            }
        }
        self.root.as_ref().is_none_or(|root| walk(root, &fits))
    }
}

/// A row of which only what rollups know is told: the same search that judges rows judges groups.
struct Judge {
    search: Search,
    row: Row,
}

impl Judge {
    fn of(search: &Search) -> Judge {
        let row = Row {
            time_micros: 0,
            seq: 0,
            client: std::net::Ipv6Addr::UNSPECIFIED.into(),
            client_port: 0,
            transport: Transport::Udp,
            opcode: 0,
            domain: None,
            reg_domain: None,
            qtype: 0,
            qclass: 0,
            flags: Flags::default(),
            outcome: Outcome::Answered,
            rcode_header: None,
            rcode: None,
            tsig_error: None,
            tkey_error: None,
            code: None,
            ede: Vec::new(),
            answer: None,
            answer_count: 0,
            ttl: None,
            action: Action::Pass,
            list: None,
            rule: None,
            trace: None,
            cache: CacheState::None,
            upstream: None,
            upstream_latency_micros: None,
            attempts: 0,
            key: None,
            update: None,
            repeats: 0,
            latency_micros: 0,
            query_size: 0,
            reply_size: 0,
            tenant: None,
            node: None,
        };
        Judge { search: search.clone(), row }
    }

    /// Whether events of this group match; `None` for words from a newer version, which rows do not have.
    fn matches(&mut self, group: &Group, tenant: Option<&str>) -> Option<bool> {
        if self.search.is_empty() {
            return Some(true);
        }
        self.row.code = group.code.map(Code::from_key);
        self.row.action = Action::from_number(group.action)?;
        self.row.outcome = Outcome::from_number(group.outcome)?;
        self.row.cache = CacheState::from_number(group.cache)?;
        self.row.tenant = tenant.map(str::to_owned);
        Some(self.search.matches(&self.row))
    }
}

/// Sums by combination of fields and point of time.
struct Sums {
    ids: Vec<Id>,
    axis: Option<Axis>,
    judge: Judge,
    memory: MemoryReservation,
    tenants: HashMap<String, u32>,
    /// The place in `sums` of groups met so far; `None` when they do not match.
    places: HashMap<(u32, Option<u16>, [u8; 3]), Option<usize>>,
    keys: HashMap<Vec<Key>, usize>,
    /// For each combination one sum per point.
    sums: Vec<Vec<u64>>,
}

impl Sums {
    /// Bytes of one more combination, beside its sums and its tenant.
    const ROOM: usize = 256;

    /// Adds the counts of a segment.
    fn add(&mut self, cells: &Cells) -> Added {
        let mut places = Vec::with_capacity(cells.groups().len());
        for group in cells.groups() {
            match self.place(cells, group)? {
                Some(place) => places.push(place),
                None => return Ok(false),
            }
        }
        for (start, of_stretch) in cells.stretches() {
            let point = match &self.axis {
                Some(axis) => {
                    let point = start.checked_sub(axis.start).map(|after| after / axis.step);
                    match point.and_then(|point| usize::try_from(point).ok()).filter(|at| *at < axis.points) {
                        Some(point) => point,
                        None => return Ok(false),
                    }
                }
                None => 0,
            };
            for cell in of_stretch {
                if let Some(place) = places[cell.group as usize] {
                    self.sums[place][point] += u64::from(cell.events);
                }
            }
        }
        Ok(true)
    }

    /// The place of a group among the sums, if it matches; `None` when it cannot be judged.
    fn place(&mut self, cells: &Cells, group: &Group) -> Result<Option<Option<usize>>, DataFusionError> {
        let tenant = cells.tenant(group);
        let number = match tenant {
            None => 0,
            Some(tenant) => match self.tenants.get(tenant) {
                Some(number) => *number,
                None => {
                    let next = u32::try_from(self.tenants.len()).ok().and_then(|tenants| tenants.checked_add(1));
                    let Some(number) = next else { return Ok(None) };
                    self.tenants.insert(tenant.to_owned(), number);
                    number
                }
            },
        };
        let known = (number, group.code, [group.action, group.outcome, group.cache]);
        if let Some(place) = self.places.get(&known) {
            return Ok(Some(*place));
        }
        let Some(matches) = self.judge.matches(group, tenant) else { return Ok(None) };
        let mut place = None;
        let mut bytes = Sums::ROOM + tenant.map_or(0, str::len);
        if matches {
            let key = |id: &Id| match id {
                Id::Code => group.code.map_or(Key::Nothing, |code| Key::Number(code.into())),
                Id::Action => Key::Number(group.action.into()),
                Id::Outcome => Key::Number(group.outcome.into()),
                Id::Cache => Key::Number(group.cache.into()),
                _ => tenant.map_or(Key::Nothing, |tenant| Key::Text(tenant.to_owned())),
            };
            let keys: Vec<Key> = self.ids.iter().map(key).collect();
            let next = self.sums.len();
            let at = *self.keys.entry(keys).or_insert(next);
            if at == next {
                let points = self.axis.as_ref().map_or(1, |axis| axis.points);
                bytes += points * size_of::<u64>();
                self.sums.push(vec![0; points]);
            }
            place = Some(at);
        }
        self.memory.try_grow(bytes)?;
        self.places.insert(known, place);
        Ok(Some(place))
    }

    fn into_groups(self) -> HashMap<Vec<Key>, u64> {
        let mut groups = HashMap::new();
        for (keys, place) in self.keys {
            for (point, events) in self.sums[place].iter().enumerate().filter(|(_, events)| **events > 0) {
                let point = self.axis.as_ref().map(|_| Key::Number(point as u64));
                groups.insert(point.into_iter().chain(keys.iter().cloned()).collect(), *events);
            }
        }
        groups
    }
}

/// The unit of rollups that the points of an axis are made of; `None` when they are cut finer.
fn by_hours(axis: Option<&Axis>) -> Option<bool> {
    let whole = |unit: i64, axis: &Axis| axis.start % unit == 0 && axis.step % unit == 0;
    match axis {
        Some(axis) if whole(HOUR_MICROS, axis) => Some(true),
        Some(axis) => whole(MINUTE_MICROS, axis).then_some(false),
        None => Some(true),
    }
}

/// One state of the log, and the engine that reads it.
pub(super) struct Log {
    engine: SessionContext,
    table: Arc<dyn TableProvider>,
}

impl Log {
    pub(super) fn new(engine: &SessionContext, table: Arc<dyn TableProvider>) -> Log {
        Log { engine: engine.clone(), table }
    }

    fn over(&self, table: Arc<dyn TableProvider>) -> Log {
        Log::new(&self.engine, table)
    }

    fn sums(&self, search: &Search, axis: Option<&Axis>, ids: &[Id]) -> Sums {
        Sums {
            ids: ids.to_vec(),
            axis: axis.cloned(),
            judge: Judge::of(search),
            memory: self.memory(),
            tenants: HashMap::new(),
            places: HashMap::new(),
            keys: HashMap::new(),
            sums: Vec::new(),
        }
    }

    /// Room for sums.
    fn memory(&self) -> MemoryReservation {
        MemoryConsumer::new("rollups").register(&self.engine.runtime_env().memory_pool)
    }

    /// The rows of a window that match.
    fn matching(&self, search: &Search, window: Window) -> Result<DataFrame, SearchError> {
        let all = self.engine.read_table(Arc::clone(&self.table))?;
        Ok(all.filter(compile::filter(search, window))?)
    }

    /// Counts per point of an axis, if there is one, and combination of fields; each combination once. From rollups where
    /// they can say it.
    pub(super) async fn counted(
        &self,
        search: &Search,
        window: Window,
        axis: Option<&Axis>,
        ids: &[Id],
    ) -> Result<Vec<(Vec<Key>, u64)>, SearchError> {
        match self.rolled(search, window, axis, ids).await? {
            Some(counts) => Ok(counts),
            None => self.scanned(search, window, axis, ids).await,
        }
    }

    /// The same; `None` when rollups cannot say it of any segment.
    pub(super) async fn rolled(
        &self,
        search: &Search,
        window: Window,
        axis: Option<&Axis>,
        ids: &[Id],
    ) -> Result<Option<Vec<(Vec<Key>, u64)>>, SearchError> {
        let servable = search.only_about(is_rolled) && ids.iter().all(|id| is_rolled(*id));
        let divided = by_hours(axis).filter(|_| servable).and_then(|hours| Some((hours, self.divided(window)?)));
        let Some((hours, divided)) = divided else { return Ok(None) };
        let add = move |sums: &mut Sums, rollup: &Rollup| {
            let cells = if hours { rollup.hours() } else { rollup.minutes() }?;
            Ok(sums.add(&cells))
        };
        let want = move |rollup: &Rollup| if hours { rollup.hours() } else { rollup.minutes() }.map(drop);
        let sums = self.sums(search, axis, ids);
        let Some((sums, rest)) = summed(divided, sums, want, add).await? else { return Ok(None) };
        let mut all = sums.into_groups();
        if let Some(rest) = rest {
            for (keys, events) in self.over(rest).scanned(search, window, axis, ids).await? {
                *all.entry(keys).or_default() += events;
            }
        }
        Ok(Some(all.into_iter().collect()))
    }

    /// The same from the rows.
    async fn scanned(
        &self,
        search: &Search,
        window: Window,
        axis: Option<&Axis>,
        ids: &[Id],
    ) -> Result<Vec<(Vec<Key>, u64)>, SearchError> {
        let columns: Vec<Expr> =
            axis.map(Axis::column).into_iter().chain(ids.iter().map(|id| group_column(*id))).collect();
        groups(self.matching(search, window)?, columns, None).await
    }

    /// The log divided into what rollups say of the window and the rest.
    fn divided(&self, window: Window) -> Option<Divided> {
        store::divide(self.table.as_ref(), window.from, window.to)
    }
}

/// Whether rollups can say what is asked so far.
type Added = Result<bool, DataFusionError>;

/// Sums, and a table of the rows that are not in them.
type Summed<S> = (S, Option<Arc<dyn TableProvider>>);

/// Adds rollups to sums, one after the other, on a thread that may wait for files. Meanwhile another one reads the parts
/// wanted from the other end: decoding them is most of the work. `None` when rollups cannot say what is asked. Dropped, both
/// end before the next rollup.
async fn summed<S: Send + 'static>(
    divided: Divided,
    sums: S,
    want: impl Fn(&Rollup) -> Result<(), Damaged> + Send + 'static,
    add: impl Fn(&mut S, &Rollup) -> Result<Added, Damaged> + Send + 'static,
) -> Result<Option<Summed<S>>, SearchError> {
    let asked = Arc::new(());
    let asking = Arc::downgrade(&asked);
    let left = Arc::new(AtomicUsize::new(divided.rolled()));
    let (still_asking, still_left, others) = (asking.clone(), Arc::clone(&left), divided.from_the_end());
    let reading = tokio::task::spawn_blocking(move || {
        for (done, rollup) in others.iter().enumerate() {
            // The last one left is being added.
            if still_asking.strong_count() == 0 || done + 1 >= still_left.load(Ordering::Relaxed) {
                break;
            }
            // One that cannot be read says so to who adds it up.
            let _ = want(rollup);
        }
    });
    let adding = tokio::task::spawn_blocking(move || {
        let state = RefCell::new((sums, Ok(true)));
        let (_, rest) = divided.take(|rollup| {
            let (sums, so_far) = &mut *state.borrow_mut();
            if matches!(so_far, Ok(true)) && asking.strong_count() > 0 {
                *so_far = add(sums, rollup)?;
            }
            left.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        });
        left.store(0, Ordering::Relaxed);
        let (sums, so_far) = state.into_inner();
        so_far.map(|can| can.then_some((sums, rest)))
    });
    let added = adding.await;
    drop((asked, reading));
    Ok(added.map_err(|error| DataFusionError::Execution(format!("reading rollups broke off: {error}")))??)
}

#[cfg(test)]
mod tests;
