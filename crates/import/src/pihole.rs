//! Pi-hole's long-term database, `pihole-FTL.db`: read only, as if nobody wrote to it.
//!
//! The tables are read, never the views of the file: a view is a program by a stranger.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use event::{Action, CacheState, Ede, Event, Outcome, Transport};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, Row};
use wire::kind;

use crate::blank;
use crate::reader::{Bad, Fnv, Notes, Progress, Records};
use crate::times::seconds_micros;

/// Rows read at a time.
const ROWS_AT_ONCE: i64 = 1_024;
/// Longest text and longest row that SQLite reads at all, octets; what Pi-hole writes is far shorter.
const LENGTH_MAX: i32 = 64 * 1024;
/// Texts of an event are cut to so many octets.
const TEXT_LEN_MAX: usize = 1_024;

/// `type` of a row, 1 and on; 14 is "other". From 100 on it is the type's own number and 100.
const TYPES: [u16; 16] = [
    kind::A,
    kind::AAAA,
    kind::ANY,
    kind::SRV,
    kind::SOA,
    kind::PTR,
    kind::TXT,
    35, // NAPTR
    kind::MX,
    43, // DS
    46, // RRSIG
    48, // DNSKEY
    kind::NS,
    0,
    kind::SVCB,
    kind::HTTPS,
];
const TYPE_OFFSET: i64 = 100;

/// What `status` says was done: action, list, and where the answer came from.
const STATUSES: [(Action, Option<&str>, CacheState); 19] = [
    (Action::Pass, None, CacheState::None),                    // 0 unknown
    (Action::Block, Some("gravity"), CacheState::None),        // 1
    (Action::Pass, None, CacheState::Miss),                    // 2 forwarded
    (Action::Pass, None, CacheState::Hit),                     // 3 cache
    (Action::Block, Some("regex"), CacheState::None),          // 4
    (Action::Block, Some("denylist"), CacheState::None),       // 5
    (Action::Block, Some("upstream"), CacheState::Miss),       // 6 blocked upstream: known address
    (Action::Block, Some("upstream"), CacheState::Miss),       // 7 blocked upstream: zero address
    (Action::Block, Some("upstream"), CacheState::Miss),       // 8 blocked upstream: NXDOMAIN without RA
    (Action::Block, Some("gravity"), CacheState::Miss),        // 9 by a CNAME in the answer
    (Action::Block, Some("regex"), CacheState::Miss),          // 10 by a CNAME in the answer
    (Action::Block, Some("denylist"), CacheState::Miss),       // 11 by a CNAME in the answer
    (Action::Pass, None, CacheState::Miss),                    // 12 retried
    (Action::Pass, None, CacheState::Miss),                    // 13 retried for DNSSEC
    (Action::Pass, None, CacheState::Miss),                    // 14 already asked upstream for another client
    (Action::Block, Some("database busy"), CacheState::None),  // 15
    (Action::Block, Some("special domain"), CacheState::None), // 16
    (Action::Pass, None, CacheState::Stale),                   // 17 cache, after its time
    (Action::Block, Some("upstream"), CacheState::Miss),       // 18 blocked upstream: extended error
];

/// What `reply_type` says the client got: code and outcome.
const REPLIES: [(Option<u16>, Outcome); 14] = [
    (None, Outcome::Unknown),     // 0 unknown
    (Some(0), Outcome::Nodata),   // 1
    (Some(3), Outcome::Error),    // 2 NXDOMAIN
    (Some(0), Outcome::Answered), // 3 CNAME
    (Some(0), Outcome::Answered), // 4 address
    (Some(0), Outcome::Answered), // 5 name
    (Some(0), Outcome::Answered), // 6 other record
    (Some(2), Outcome::Error),    // 7 SERVFAIL
    (Some(5), Outcome::Error),    // 8 REFUSED
    (Some(4), Outcome::Error),    // 9 NOTIMP
    (None, Outcome::Unknown),     // 10 another code
    (Some(0), Outcome::Answered), // 11 DNSSEC
    (None, Outcome::Dropped),     // 12 none
    (Some(0), Outcome::Answered), // 13 opaque data
];

pub(crate) struct Pihole {
    connection: Connection,
    select: String,
    /// Rows up to this one were read.
    last: i64,
    first: i64,
    highest: i64,
    total: Option<u64>,
    given: Option<i64>,
    ready: VecDeque<(i64, Result<Event, String>)>,
    ended: bool,
    /// Why no more rows could be read.
    failed: Option<String>,
    /// The same, when all before it were given.
    fault: Option<String>,
    notes: Notes,
}

impl Pihole {
    /// Opens the database; gives the fingerprint of it too, which stays when rows come and go.
    pub(crate) fn open(path: &Path, total: Option<u64>) -> Result<(Pihole, u64), String> {
        let said = |error: rusqlite::Error| error.to_string();
        let path = path.canonicalize().map_err(|error| error.to_string())?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri(&path)?, flags).map_err(said)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LENGTH_MAX).map_err(said)?;
        connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;").map_err(said)?;
        let select = select(&connection)?;
        let table = if select.contains(" query_storage ") { "query_storage" } else { "queries" };
        let ends = format!("SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM {table}");
        let (first, highest): (i64, i64) =
            connection.query_row(&ends, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(said)?;
        if first < 0 {
            return Err(format!("rows with negative numbers, such as {first}"));
        }
        let mut notes = Notes::default();
        let wal = path.with_file_name(format!("{}-wal", path.file_name().unwrap_or_default().to_string_lossy()));
        if std::fs::metadata(wal).is_ok_and(|about| about.len() > 0) {
            notes.count("write-ahead logs beside the database, with its latest rows");
        }
        let mut hash = Fnv::default();
        // When counting began: written once, when the database is made.
        let born = connection.query_row("SELECT value FROM ftl WHERE id = 2", [], |row| row.get::<_, i64>(0));
        match born {
            Ok(born) => hash.add(&born.to_be_bytes()),
            Err(_) => hash.add(path.to_string_lossy().as_bytes()),
        }
        let pihole = Pihole {
            connection,
            select,
            last: -1,
            first,
            highest,
            total,
            given: None,
            ready: VecDeque::new(),
            ended: false,
            failed: None,
            fault: None,
            notes,
        };
        Ok((pihole, hash.0))
    }

    fn fill(&mut self) -> Result<(), String> {
        let said = |error: rusqlite::Error| error.to_string();
        let mut statement = self.connection.prepare(&self.select).map_err(said)?;
        let mut rows = statement.query([self.last, ROWS_AT_ONCE]).map_err(said)?;
        while let Some(row) = rows.next().map_err(said)? {
            let id: i64 = row.get(0).map_err(said)?;
            self.ready.push_back((id, event(row)));
            self.last = id;
        }
        self.ended = self.ready.is_empty();
        Ok(())
    }
}

impl Records for Pihole {
    fn pull(&mut self) -> Option<Result<Event, Bad>> {
        if self.ready.is_empty()
            && !self.ended
            && let Err(reason) = self.fill()
        {
            self.ended = true;
            self.failed = Some(format!("behind row {}: {reason}", self.last));
        }
        if self.ready.is_empty() {
            self.fault = self.failed.take();
        }
        let (id, event) = self.ready.pop_front()?;
        self.given = Some(id);
        Some(event.map_err(|reason| Bad { place: format!("row {id}"), reason }))
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }

    fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    fn number(&self) -> Option<u64> {
        self.given.and_then(|id| u64::try_from(id).ok())
    }

    fn progress(&self) -> Option<Progress> {
        let total = self.total?;
        let behind_first = |id: i64| i128::from(id) - i128::from(self.first) + 1;
        let (done, all) = (self.given.map_or(0, behind_first), behind_first(self.highest));
        let share = u128::from(total) * u128::try_from(done).ok()? / u128::try_from(all.max(1)).ok()?;
        Some(Progress { done: u64::try_from(share).ok()?.min(total), total: Some(total) })
    }
}

/// The file as SQLite names it, to be read as if nobody wrote to it.
fn uri(path: &Path) -> Result<String, String> {
    let path = path.to_str().ok_or("its path is not UTF-8")?;
    let mut uri = "file:".to_owned();
    for char in path.chars() {
        match char {
            '?' | '#' | '%' => uri.push_str(&format!("%{:02x}", char as u32)),
            _ => uri.push(char),
        }
    }
    uri.push_str("?mode=ro&immutable=1");
    Ok(uri)
}

/// How rows are read: from `query_storage` and the tables it points into, else from the table `queries` of old databases. Columns
/// that came later may not be there.
fn select(connection: &Connection) -> Result<String, String> {
    let said = |error: rusqlite::Error| error.to_string();
    let is_table = |name: &str| -> Result<bool, String> {
        // Virtual tables have no root page.
        let count = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ? AND rootpage > 0";
        let is_there = connection.query_row(count, [name], |row| row.get::<_, i64>(0)).map_err(said)? > 0;
        // Computed columns are programs as views are, and hidden from table_info.
        let computed = "SELECT count(*) FROM pragma_table_xinfo(?) WHERE hidden <> 0";
        if is_there && connection.query_row(computed, [name], |row| row.get::<_, i64>(0)).map_err(said)? > 0 {
            return Err(format!("its table {name} has computed columns"));
        }
        Ok(is_there)
    };
    let (table, linked) = match (is_table("query_storage")?, is_table("queries")?) {
        (true, _) => ("query_storage", true),
        (false, true) => ("queries", false),
        (false, false) => return Err("it has neither a table query_storage nor queries".to_owned()),
    };
    let has = |column: &str| -> Result<bool, String> {
        let count = "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?";
        connection.query_row(count, [table, column], |row| row.get::<_, i64>(0)).map(|count| count > 0).map_err(said)
    };
    let mut columns = vec!["q.id".to_owned(), "q.timestamp".to_owned(), "q.type".to_owned(), "q.status".to_owned()];
    let links = [
        ("domain", "domain_by_id", "domain"),
        ("client", "client_by_id", "ip"),
        ("forward", "forward_by_id", "forward"),
        ("additional_info", "addinfo_by_id", "content"),
    ];
    for (column, by_id, text) in links {
        let there = has(column)?;
        columns.push(if !there {
            "NULL".to_owned()
        } else if linked && is_table(by_id)? {
            format!(
                "CASE typeof(q.{column}) WHEN 'integer' THEN (SELECT x.{text} FROM {by_id} x WHERE x.id = q.{column}) ELSE q.{column} END"
            )
        } else {
            format!("q.{column}")
        });
    }
    for column in ["reply_type", "reply_time", "ede"] {
        columns.push(if has(column)? { format!("q.{column}") } else { "NULL".to_owned() });
    }
    Ok(format!("SELECT {} FROM {table} q WHERE q.id > ? ORDER BY q.id LIMIT ?", columns.join(", ")))
}

fn event(row: &Row<'_>) -> Result<Event, String> {
    let said = |error: rusqlite::Error| error.to_string();
    let time: f64 = row.get(1).map_err(said)?;
    if !(0.0..1e11).contains(&time) {
        return Err(format!("{time} is no time"));
    }
    let client: String = row.get(5).map_err(|_| "no client")?;
    let client: IpAddr = client.parse().map_err(|_| format!("`{}` is no address", blank::shortened(&client)))?;
    let mut event = blank::event((time * 1e6).round() as i64, client, 0, Transport::Udp);
    let domain: String = row.get(4).map_err(|_| "no domain")?;
    event.domain = Some(blank::domain(&domain)?);
    event.qclass = kind::CLASS_IN;
    let qtype: i64 = row.get(2).map_err(said)?;
    event.qtype = match qtype {
        TYPE_OFFSET.. => u16::try_from(qtype - TYPE_OFFSET).map_err(|_| format!("{qtype} is no type"))?,
        _ => at(&TYPES, qtype.saturating_sub(1)).ok_or_else(|| format!("{qtype} is no type"))?,
    };
    let status: i64 = row.get(3).map_err(said)?;
    let list;
    (event.action, list, event.cache) = at(&STATUSES, status).ok_or_else(|| format!("{status} is no status"))?;
    event.list = list.map(Arc::from);
    if let Some(reply) = row.get::<_, Option<i64>>(8).map_err(said)? {
        (event.rcode, event.outcome) = at(&REPLIES, reply).ok_or_else(|| format!("{reply} is no type of reply"))?;
    }
    let seconds: Option<f64> = row.get(9).map_err(said)?;
    event.latency_micros = seconds.filter(|seconds| *seconds < 3_600.0).map_or(0, seconds_micros);
    // `192.0.2.53#53`
    let upstream: Option<String> = row.get(6).map_err(said)?;
    let upstream = upstream.map(cut);
    event.upstream = upstream.filter(|upstream| !upstream.is_empty()).map(|upstream| match upstream.split_once('#') {
        Some((address, port)) if address.contains(':') => format!("[{address}]:{port}").into(),
        Some((address, port)) => format!("{address}:{port}").into(),
        None => upstream.into(),
    });
    // Blocked by a CNAME: the name that is on the list.
    if let (9..=11, Ok(Some(name))) = (status, row.get::<_, Option<String>>(7)) {
        event.rule = Some(cut(name).into());
    }
    let ede: Option<i64> = row.get(10).map_err(said)?;
    if let Some(code) = ede.and_then(|code| u16::try_from(code).ok()).filter(|code| *code > 0) {
        event.ede = Arc::from([Ede { code, text: Arc::from("") }]);
    }
    Ok(event)
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_LEN_MAX));
    text
}

fn at<T: Copy>(table: &[T], index: i64) -> Option<T> {
    usize::try_from(index).ok().and_then(|index| table.get(index)).copied()
}
