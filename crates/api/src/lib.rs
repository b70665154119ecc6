//! Request and response types of the HTTP API under `/api/v1`, shared by `web` (which serves them), the command
//! line (which reads them) and the dashboard (through `openapi.json`).
//!
//! Plain data: this crate knows nothing of how an answer is computed. Times in requests are RFC 3339 instants or `now`,
//! `now-1h`; in replies, RFC 3339 in rows and Unix milliseconds in series.

mod keeping;
mod questions;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub use keeping::*;
pub use questions::*;

/// Most rows in one reply; the rest comes by cursor.
pub const ROWS_MAX: u32 = 1000;
/// Rows in one reply when the request does not say.
pub const ROWS_DEFAULT: u32 = 200;
/// Most points in one series.
pub const POINTS_MAX: u32 = 1440;
/// Most values in one facet or top list.
pub const TOP_MAX: u32 = 100;
/// Most example rows of one code.
pub const EXAMPLES_MAX: u32 = 100;
/// Longest search text, bytes.
pub const SEARCH_BYTES_MAX: usize = 4096;

/// `POST /session`: signs in with the token printed at start.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SignIn {
    /// The token.
    pub token: String,
}

/// What every log request carries: a search and a time range, half open.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct LogScope {
    /// The search; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
}

/// `GET /log/rows`: newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct RowsRequest {
    /// The search; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// Rows wanted, at most `ROWS_MAX`.
    pub limit: Option<u32>,
    /// `next` of the reply before: rows older than those.
    pub cursor: Option<String>,
}

/// `GET /log/series`: counts over time, one line per value of `by`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct SeriesRequest {
    /// The search; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// Field whose values make the lines: `code`, `action`, `transport`, `outcome`, `cache`; `code` when absent.
    pub by: Option<String>,
    /// Points wanted at most; 240 when absent, at most `POINTS_MAX`.
    pub points: Option<u32>,
}

/// `GET /log/facets`: values of several fields with counts, each counted without that field's own terms.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct FacetsRequest {
    /// The search; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// Fields, comma separated, such as `code,action,qtype`.
    pub fields: String,
    /// Values per field; 10 when absent. `code` always lists every named code, zeros included.
    pub n: Option<u32>,
}

/// `GET /log/top`: the most frequent values of one field.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct TopRequest {
    /// The search; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// The field, such as `domain`, `reg_domain`, `client`.
    pub field: String,
    /// Values wanted; 10 when absent.
    pub n: Option<u32>,
}

/// The range a reply is about, resolved to instants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Range {
    /// From, RFC 3339.
    pub from: String,
    /// To, RFC 3339, excluded.
    pub to: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventRow {
    /// Names this row for `GET /log/rows/{id}` and the page's `sel`.
    pub id: String,
    /// Arrival, RFC 3339 UTC with microseconds.
    pub time: String,
    /// Client address.
    pub client: String,
    /// Client port.
    pub client_port: u16,
    /// `udp`, `tcp`, …
    pub transport: String,
    /// `QUERY`, `UPDATE`, … or the number.
    pub opcode: String,
    /// Name asked; null when no question could be read.
    pub domain: Option<String>,
    /// Registrable part of the name.
    pub reg_domain: Option<String>,
    /// `A`, `AAAA`, … or `TYPE65280`.
    pub qtype: String,
    /// `IN`, … or `CLASS5`.
    pub qclass: String,
    /// Flags of query and reply by name.
    pub flags: Vec<String>,
    /// What the client got.
    pub outcome: String,
    /// Header RCODE, 4 bits.
    pub rcode_header: Option<u8>,
    /// RCODE with OPT's upper bits, 12 bits.
    pub rcode: Option<u16>,
    /// TSIG error.
    pub tsig_error: Option<u16>,
    /// TKEY error.
    pub tkey_error: Option<u16>,
    /// The return code by name; null when there was no reply.
    pub code: Option<String>,
    /// Its number on the wire.
    pub code_number: Option<u16>,
    /// Its colour family.
    pub code_family: Option<String>,
    /// Extended errors.
    pub ede: Vec<EdeEntry>,
    /// Answer in short.
    pub answer: Option<String>,
    /// Records in the answer.
    pub answer_count: u16,
    /// Smallest TTL, seconds.
    pub ttl: Option<u32>,
    /// What policy did: `pass`, `allow`, `block`, `refuse`.
    pub action: String,
    /// The list that decided.
    pub list: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// `none`, `hit`, `miss`, `stale`.
    pub cache: String,
    /// Upstream asked last.
    pub upstream: Option<String>,
    /// Time it took, milliseconds.
    pub upstream_latency_ms: Option<f64>,
    /// Upstream attempts.
    pub attempts: u8,
    /// Name of the TSIG key the query was signed with, or that TKEY speaks of.
    #[serde(default)]
    pub key: Option<String>,
    /// Prerequisites and changes of an UPDATE in short.
    #[serde(default)]
    pub update: Option<String>,
    /// Further queries this row stands for, of the same kind and second: a flood is not written down query by query.
    #[serde(default)]
    pub repeats: u32,
    /// Arrival to reply, milliseconds.
    pub latency_ms: f64,
    /// Bytes of the query.
    pub query_size: u16,
    /// Bytes of the reply.
    pub reply_size: u16,
    /// Whose query it was.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The server that answered, or what the event was imported from.
    #[serde(default)]
    pub node: Option<String>,
}

/// One extended DNS error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EdeEntry {
    /// INFO-CODE.
    pub code: u16,
    /// Its registered name.
    pub name: String,
    /// EXTRA-TEXT; may be empty.
    pub text: String,
}

/// Reply to `GET /log/rows`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RowsReply {
    /// The range searched.
    pub range: Range,
    /// Events, newest first.
    pub rows: Vec<EventRow>,
    /// Cursor for older rows; null at the end.
    pub next: Option<String>,
    /// Milliseconds the search took.
    pub took_ms: f64,
}

/// Reply to `GET /log/rows/{id}`: the event and how it was decided.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventDetail {
    /// The event.
    pub row: EventRow,
    /// One sentence: what happened and why.
    pub summary: String,
    /// The walk of the query, in order.
    pub trace: Vec<TraceStep>,
}

/// One stage of the decision trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TraceStep {
    /// `arrival`, `admission`, `allow lists`, `block lists`, `cache`, `upstream`, `answer screen`, `reply`.
    pub stage: String,
    /// What was found.
    pub finding: String,
    /// `pass`, `match`, `decide`, `fail`.
    pub effect: String,
}

/// Reply to `GET /log/series`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SeriesReply {
    /// The range searched.
    pub range: Range,
    /// Width of one point, milliseconds.
    pub step_ms: i64,
    /// Start of each point, Unix milliseconds; the first may begin before the range.
    pub starts: Vec<i64>,
    /// One line per value, in table order for codes, else by count.
    pub lines: Vec<SeriesLine>,
    /// Events per point with values that have no line; as many as `starts`.
    #[serde(default)]
    pub other: Vec<u64>,
    /// Milliseconds the search took.
    pub took_ms: f64,
}

/// One line of a series.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SeriesLine {
    /// The value as one writes it in a search.
    pub value: String,
    /// Wire number, for codes.
    pub number: Option<u16>,
    /// Colour family, for codes.
    pub family: Option<String>,
    /// Events in all.
    pub total: u64,
    /// Events per point; as many as `starts`.
    pub counts: Vec<u64>,
}

/// Reply to `GET /log/facets`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FacetsReply {
    /// The range searched.
    pub range: Range,
    /// Events that match the whole search.
    pub total: u64,
    /// One per field asked, in order.
    pub facets: Vec<Facet>,
    /// Milliseconds the search took.
    pub took_ms: f64,
}

/// One facet.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Facet {
    /// The field.
    pub field: String,
    /// Values with counts: codes in table order with zeros, others by count.
    pub values: Vec<Count>,
    /// Events with values that are not listed.
    pub other: u64,
    /// Events that may be missing from each count, and be counted as `other` instead; 0 when the counts are exact.
    #[serde(default)]
    pub error: u64,
}

/// One value with its count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Count {
    /// The value as one writes it in a search; empty when the field is empty.
    pub value: String,
    /// Wire number, for codes.
    pub number: Option<u16>,
    /// Colour family, for codes.
    pub family: Option<String>,
    /// Events.
    pub count: u64,
}

/// Reply to `GET /log/top`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TopReply {
    /// The range searched.
    pub range: Range,
    /// The field.
    pub field: String,
    /// Values by count, largest first.
    pub values: Vec<Count>,
    /// Events with values that are not listed.
    pub other: u64,
    /// Events in all.
    pub total: u64,
    /// Events that may be missing from each count, and be counted as `other` instead; 0 when the counts are exact.
    #[serde(default)]
    pub error: u64,
}

/// Reply to `GET /log/summary`: the figures of the Overview.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// The range searched.
    pub range: Range,
    /// Figures of the range.
    pub current: Figures,
    /// Figures of the range of the same length just before.
    pub previous: Figures,
}

/// Figures of one range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// Queries.
    pub queries: u64,
    /// Blocked by policy.
    pub blocked: u64,
    /// Answered with SERVFAIL.
    pub servfail: u64,
    /// Answered with NXDOMAIN.
    pub nxdomain: u64,
    /// Answered from the cache, stale included.
    pub cache_hits: u64,
    /// Distinct clients.
    pub clients: u64,
    /// Median latency, milliseconds; null without queries.
    pub latency_p50_ms: Option<f64>,
    /// 95th percentile of latency, milliseconds.
    pub latency_p95_ms: Option<f64>,
}

/// Reply to `GET /log/check`: whether a search can be read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckReply {
    /// The search written back in its plainest form; null when it cannot be read.
    pub canonical: Option<String>,
    /// What is wrong; empty when nothing is.
    pub faults: Vec<SearchFault>,
}

/// `GET /log/complete`: what may stand at a place of a search text.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct CompleteRequest {
    /// The search text, as far as it is written.
    pub q: String,
    /// The place, in bytes; the end when absent.
    pub at: Option<usize>,
}

/// Reply to `GET /log/complete`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompleteReply {
    /// First byte that a proposal replaces.
    pub start: usize,
    /// Byte after the last; the same as `start` where a new word begins.
    pub end: usize,
    /// What fits what is written there, the likeliest first.
    pub proposals: Vec<Proposal>,
    /// Field whose most frequent values, as `GET /log/top` has them, may stand here too.
    pub values_of: Option<String>,
}

/// One text that may stand at a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Proposal {
    /// The text.
    pub text: String,
    /// `field`, `operator`, `value`, `keyword`.
    pub kind: String,
    /// What it means; may be empty.
    pub about: String,
}

/// A fault in a search text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchFault {
    /// First byte of the place at fault.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What is wrong there.
    pub message: String,
    /// What may have been meant; the text to put there instead.
    pub suggestion: Option<String>,
}

/// One event of `GET /log/tail` (server-sent events, name `rows`).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TailRows {
    /// New events that match, newest first.
    pub rows: Vec<EventRow>,
    /// Matching events left out because more came than are sent.
    pub skipped: u64,
}

/// Reply to `GET /codes`: the whole registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CodesReply {
    /// Every named code, in the order of the table.
    pub codes: Vec<CodeEntry>,
    /// Numbers without a name.
    pub ranges: Vec<CodeRange>,
    /// Every registered extended error.
    pub ede: Vec<EdeInfo>,
}

/// One named code, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CodeEntry {
    /// Mnemonic in capitals.
    pub name: String,
    /// As the IANA registry writes it, such as `NXDomain`.
    pub mixed: String,
    /// Number on the wire.
    pub number: u16,
    /// Where it travels, in one phrase.
    pub place: String,
    /// Where it travels, one by one, the usual place first.
    pub places: Vec<CodePlace>,
    /// Whether the reply is signed.
    pub signing: String,
    /// Defining documents.
    pub rfc: String,
    /// What it means.
    pub meaning: String,
    /// When this server sends it.
    pub sent: String,
    /// Who can make it: `nameward`, `upstream`, `authority`.
    pub emitters: Vec<String>,
    /// Transports it can occur on.
    pub transports: Vec<String>,
    /// Usual causes, the most likely first.
    pub causes: Vec<String>,
    /// What an operator should do next.
    pub next: Vec<String>,
    /// Colour family.
    pub family: String,
    /// `success`, `fact`, `policy`, `fault`.
    pub kind: String,
}

/// One place a code travels in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CodePlace {
    /// `header`, `header + OPT`, `TSIG error`, `TKEY error`.
    pub place: String,
    /// The column that keeps what stood there.
    pub column: String,
    /// The header's four bits then.
    pub header: u16,
    /// What a reader of the header alone takes it for.
    pub header_name: String,
}

/// Numbers without a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CodeRange {
    /// First number.
    pub first: u16,
    /// Last number.
    pub last: u16,
    /// `unassigned`, `private use`, `reserved`.
    pub name: String,
    /// Defining document.
    pub rfc: String,
    /// What such a number means.
    pub meaning: String,
    /// Usual causes.
    pub causes: Vec<String>,
    /// What an operator should do next.
    pub next: Vec<String>,
}

/// One registered extended error, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EdeInfo {
    /// INFO-CODE.
    pub number: u16,
    /// Its registered name.
    pub name: String,
    /// Defining document.
    pub rfc: String,
    /// What it means.
    pub meaning: String,
    /// Who sends it.
    pub sender: String,
    /// When this server makes it; null when it only passes an upstream's on.
    pub sent: Option<String>,
    /// Usual causes.
    pub causes: Vec<String>,
    /// What an operator should do next.
    pub next: Vec<String>,
}

/// `GET /codes/{code}`: what one code means and where it was seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct CodeRequest {
    /// A search that narrows what is counted; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// Points of the trend at most; 240 when absent, at most `POINTS_MAX`.
    pub points: Option<u32>,
    /// Values per top list; 10 when absent.
    pub n: Option<u32>,
    /// Newest rows as examples; 20 when absent, at most `EXAMPLES_MAX`.
    pub rows: Option<u32>,
}

/// Reply to `GET /codes/{code}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CodeReply {
    /// The range searched.
    pub range: Range,
    /// The search counted here, to go on from in the log.
    pub search: String,
    /// What the registry says: two codes for 16, none for a number without a name.
    pub codes: Vec<CodeEntry>,
    /// What is known of a number without a name.
    pub unnamed: Option<CodeRange>,
    /// Events with it.
    pub total: u64,
    /// Events in the range with any code or none, so that a share can be told.
    pub of: u64,
    /// Counts over time, one line per code.
    pub trend: Trend,
    /// How often it stood in each of its places.
    pub places: Vec<PlaceCount>,
    /// Counts by `transport`, `opcode`, `outcome`, `action` and `ede`.
    pub counts: Vec<Facet>,
    /// Most frequent `client`, `domain`, `upstream` and `key`.
    pub top: Vec<Facet>,
    /// Newest events with it.
    pub rows: Vec<EventRow>,
    /// Milliseconds the searches took.
    pub took_ms: f64,
}

/// Counts over time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Trend {
    /// Width of one point, milliseconds.
    pub step_ms: i64,
    /// Start of each point, Unix milliseconds; the first may begin before the range.
    pub starts: Vec<i64>,
    /// One line per code.
    pub lines: Vec<SeriesLine>,
}

/// How often a code stood in one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlaceCount {
    /// The code's name.
    pub code: String,
    /// `header`, `header + OPT`, `TSIG error`, `TKEY error`.
    pub place: String,
    /// The search that finds these events.
    pub search: String,
    /// Events.
    pub count: u64,
}

/// `GET /codes/matrix`: every code by the most frequent values of a field.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
pub struct MatrixRequest {
    /// The search; empty for all events.
    pub q: String,
    /// From this instant on; `now-1h` when absent.
    pub from: Option<String>,
    /// Up to but without this instant; `now` when absent.
    pub to: Option<String>,
    /// Field of the columns, such as `client`, `domain`, `upstream`, `transport`, `qtype`, `opcode`, `key`; `client` when absent.
    pub by: Option<String>,
    /// Columns wanted; 10 when absent.
    pub n: Option<u32>,
}

/// Reply to `GET /codes/matrix`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MatrixReply {
    /// The range searched.
    pub range: Range,
    /// The field of the columns.
    pub by: String,
    /// The columns by count, largest first, with their totals; an empty value is the field being empty.
    pub columns: Vec<Count>,
    /// One per code in the order of the table, zeros included; then numbers without a name; then no reply (empty value).
    pub rows: Vec<MatrixRow>,
    /// Events with values that are no column.
    pub other: u64,
    /// Events in all.
    pub total: u64,
    /// Milliseconds the searches took.
    pub took_ms: f64,
}

/// One row of the matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MatrixRow {
    /// The code; empty when there was no reply.
    pub value: String,
    /// Wire number.
    pub number: Option<u16>,
    /// Colour family.
    pub family: Option<String>,
    /// Events in all.
    pub total: u64,
    /// Events per column.
    pub counts: Vec<u64>,
    /// Events with values that are no column.
    pub other: u64,
}

/// One field one can search (`GET /fields`).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldEntry {
    /// Its name.
    pub name: String,
    /// Other names it answers to.
    pub aliases: Vec<String>,
    /// `code`, `name`, `address`, `number`, `duration`, `size`, `word`, `text`, `time`.
    pub kind: String,
    /// What it holds.
    pub about: String,
    /// Examples.
    pub examples: Vec<String>,
    /// All values, where they are few and fixed.
    pub values: Vec<String>,
}

/// `GET /status`: how the server is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Version of the product.
    pub version: String,
    /// Started, RFC 3339.
    pub started: String,
    /// `ok`, `warn`, `fail`: the worst of `notes`.
    pub health: String,
    /// What an operator should know now.
    pub notes: Vec<StatusNote>,
    /// Addresses answered on, such as `udp://127.0.0.1:53`.
    pub listeners: Vec<String>,
    /// Upstreams.
    pub upstreams: Vec<UpstreamStatus>,
    /// Lists.
    pub lists: Vec<ListStatus>,
    /// Zones held.
    #[serde(default)]
    pub zones: Vec<ZoneStatus>,
    /// The log.
    pub log: LogStatus,
}

/// Something an operator should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusNote {
    /// `ok`, `warn`, `fail`.
    pub level: String,
    /// The part it is about, such as `log` or `list ads`.
    pub part: String,
    /// What happened.
    pub text: String,
}

/// One upstream.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamStatus {
    /// Such as `udp://192.0.2.53:53`.
    pub name: String,
    /// The suffix it serves; `.` for all.
    pub suffix: String,
    /// Whether it is being asked.
    pub healthy: bool,
    /// Smoothed time, milliseconds; null before the first reply.
    pub latency_ms: Option<f64>,
    /// Queries sent.
    pub sent: u64,
    /// Queries that failed.
    pub failed: u64,
}

/// One list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ListStatus {
    /// Its name.
    pub name: String,
    /// `allow` or `block`.
    pub action: String,
    /// File or URL.
    pub source: String,
    /// Rules in force.
    pub rules: u64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// The first of them, with line numbers.
    pub faults: Vec<ListFault>,
    /// Read last, RFC 3339; null when never.
    pub loaded: Option<String>,
    /// Why the last refresh failed; the last good copy stays in force.
    pub error: Option<String>,
}

/// Request of `GET /lists/lines`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LinesRequest {
    /// The name.
    pub domain: String,
}

/// What the lists say of a name, and which rule wins.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LinesReply {
    /// The name, folded.
    pub domain: String,
    /// What policy does with it: `pass`, `allow` or `block`.
    pub action: String,
    /// The list that decides; null when none does.
    pub list: Option<String>,
    /// The rule that decides.
    pub rule: Option<String>,
    /// Lists that speak of it, or cannot be read, in configured order.
    pub lists: Vec<LinesOfList>,
}

/// The lines of one list that speak of a name.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LinesOfList {
    /// The list.
    pub list: String,
    /// Lines that match; the first hundred of them.
    pub lines: Vec<LineOfList>,
    /// All that match.
    pub count: u64,
    /// Why the list cannot be read; null when it can.
    pub error: Option<String>,
}

/// One line of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LineOfList {
    /// Its number, from 1 on.
    pub line: u64,
    /// The line, shortened.
    pub text: String,
    /// What it does with the name: `allow` or `block`.
    pub action: String,
}

/// One zone held.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ZoneStatus {
    /// The apex, without final dot.
    pub name: String,
    /// `primary` or `secondary`.
    pub role: String,
    /// File, `configuration`, or the primaries.
    pub source: String,
    /// Serial in service; null while it is not.
    pub serial: Option<u32>,
    /// Records in service.
    pub records: u64,
    /// Why it is not in service; null while it is.
    pub unavailable: Option<String>,
    /// Why the last look at its source or its primaries came to nothing; what was there stays in service.
    pub fault: Option<String>,
    /// Octets of its journal; 0 while nothing was changed.
    pub journal_bytes: u64,
    /// When a primary last confirmed a secondary, RFC 3339.
    pub refreshed: Option<String>,
    /// When its primaries are asked next, RFC 3339.
    pub refresh: Option<String>,
    /// When its copy is too old unless a primary confirms it, RFC 3339.
    pub expires: Option<String>,
    /// What other servers said to our last NOTIFY.
    pub notified: Vec<ZoneNotified>,
}

/// What a server said to NOTIFY.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ZoneNotified {
    /// The server.
    pub address: String,
    /// When, RFC 3339.
    pub at: String,
    /// Why it could not be told; null: it knows.
    pub error: Option<String>,
}

/// A list line that could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListFault {
    /// Line number from 1.
    pub line: u64,
    /// The line, shortened.
    pub text: String,
    /// Why.
    pub reason: String,
}

/// How the log is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct LogStatus {
    /// Events kept.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Events not yet in a segment.
    pub live_rows: u64,
    /// Oldest event, RFC 3339.
    pub oldest: Option<String>,
    /// Events lost because the log could not keep up or could not be written.
    pub dropped: u64,
    /// Why the log is not being written; null when it is.
    pub stopped: Option<String>,
}

/// Every error of the API (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// In short.
    pub title: String,
    /// What happened, for someone who can act.
    pub detail: String,
    /// Places in the search text, for faults there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<SearchFault>,
}
