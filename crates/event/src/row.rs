//! Rows: events read back from columns, for tables and the API.

use std::net::IpAddr;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use wire::code::Code;

use crate::columns::address_from_bytes;
use crate::{Action, CacheState, Flags, Outcome, Transport};

/// One event read back; the fields are the columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Arrival, microseconds since the Unix epoch, UTC.
    pub time_micros: i64,
    /// Number of the event in this log; with `time_micros` it orders rows totally.
    pub seq: u64,
    /// Who asked.
    pub client: IpAddr,
    /// Source port.
    pub client_port: u16,
    /// How the query came.
    pub transport: Transport,
    /// OPCODE.
    pub opcode: u8,
    /// Name asked.
    pub domain: Option<String>,
    /// Registrable part of the name.
    pub reg_domain: Option<String>,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// Flags of query and reply.
    pub flags: Flags,
    /// What the client got.
    pub outcome: Outcome,
    /// Header RCODE.
    pub rcode_header: Option<u8>,
    /// 12-bit RCODE.
    pub rcode: Option<u16>,
    /// TSIG error.
    pub tsig_error: Option<u16>,
    /// TKEY error.
    pub tkey_error: Option<u16>,
    /// The return code.
    pub code: Option<Code>,
    /// Extended errors with their texts.
    pub ede: Vec<(u16, String)>,
    /// Answer in short.
    pub answer: Option<String>,
    /// Records in the answer.
    pub answer_count: u16,
    /// Smallest TTL, seconds.
    pub ttl: Option<u32>,
    /// What policy did.
    pub action: Action,
    /// The list that decided.
    pub list: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// What policy looked at, a line a stage.
    pub trace: Option<String>,
    /// Where the answer came from.
    pub cache: CacheState,
    /// Upstream asked last.
    pub upstream: Option<String>,
    /// Time the upstream took, microseconds.
    pub upstream_latency_micros: Option<u32>,
    /// Upstream attempts.
    pub attempts: u8,
    /// Name of the TSIG or TKEY key.
    pub key: Option<String>,
    /// Prerequisites and changes of an UPDATE in short.
    pub update: Option<String>,
    /// Further queries this row stands for; 0 nearly always.
    pub repeats: u32,
    /// Arrival to reply, microseconds.
    pub latency_micros: u32,
    /// Bytes of the query.
    pub query_size: u16,
    /// Bytes of the reply.
    pub reply_size: u16,
    /// Whose query it was.
    pub tenant: Option<String>,
    /// The server that answered, or what the event was imported from.
    pub node: Option<String>,
}

/// Why a batch could not be read as events.
#[derive(Debug, PartialEq, Eq)]
pub struct NotEvents {
    /// The column at fault.
    pub column: &'static str,
}

impl std::fmt::Display for NotEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "column \"{}\" is missing or of another type", self.column)
    }
}

impl std::error::Error for NotEvents {}

/// Reads all rows of a batch whose columns are found by name; view and dictionary encodings of text are accepted.
///
/// # Errors
/// Names the first column that is missing or has an unexpected type.
pub fn rows(batch: &RecordBatch) -> Result<Vec<Row>, NotEvents> {
    let column = |name: &'static str| batch.column_by_name(name).ok_or(NotEvents { column: name });
    macro_rules! primitive {
        ($name:literal, $type:ty) => {
            column($name)?.as_primitive_opt::<$type>().ok_or(NotEvents { column: $name })?
        };
    }
    let text = |name: &'static str| -> Result<Vec<Option<String>>, NotEvents> {
        let plain = arrow::compute::cast(column(name)?, &arrow::datatypes::DataType::Utf8)
            .map_err(|_| NotEvents { column: name })?;
        let plain = plain.as_string_opt::<i32>().ok_or(NotEvents { column: name })?;
        Ok(plain.iter().map(|value| value.map(str::to_owned)).collect())
    };

    let time = primitive!("time", TimestampMicrosecondType);
    let seq = primitive!("seq", UInt64Type);
    let client = column("client")?.as_fixed_size_binary_opt().ok_or(NotEvents { column: "client" })?;
    let client_port = primitive!("client_port", UInt16Type);
    let transport = primitive!("transport", UInt8Type);
    let opcode = primitive!("opcode", UInt8Type);
    let mut domain = text("domain")?;
    let mut reg_domain = text("reg_domain")?;
    let qtype = primitive!("qtype", UInt16Type);
    let qclass = primitive!("qclass", UInt16Type);
    let flags = primitive!("flags", UInt16Type);
    let outcome = primitive!("outcome", UInt8Type);
    let rcode_header = primitive!("rcode_header", UInt8Type);
    let rcode = primitive!("rcode", UInt16Type);
    let tsig_error = primitive!("tsig_error", UInt16Type);
    let tkey_error = primitive!("tkey_error", UInt16Type);
    let code = primitive!("code", UInt16Type);
    let ede = column("ede")?.as_list_opt::<i32>().ok_or(NotEvents { column: "ede" })?;
    let ede_text = column("ede_text")?.as_list_opt::<i32>().ok_or(NotEvents { column: "ede_text" })?;
    let mut answer = text("answer")?;
    let answer_count = primitive!("answer_count", UInt16Type);
    let ttl = primitive!("ttl", UInt32Type);
    let action = primitive!("action", UInt8Type);
    let mut list = text("list")?;
    let mut rule = text("rule")?;
    let mut trace = text("trace")?;
    let cache = primitive!("cache", UInt8Type);
    let mut upstream = text("upstream")?;
    let upstream_latency = primitive!("upstream_latency", UInt32Type);
    let attempts = primitive!("attempts", UInt8Type);
    let mut key = text("key")?;
    let mut update = text("update")?;
    let mut tenant = text("tenant")?;
    let mut node = text("node")?;
    let repeats = primitive!("repeats", UInt32Type);
    let latency = primitive!("latency", UInt32Type);
    let query_size = primitive!("query_size", UInt16Type);
    let reply_size = primitive!("reply_size", UInt16Type);

    let maybe_u16 = |array: &arrow::array::UInt16Array, i: usize| array.is_valid(i).then(|| array.value(i));
    let maybe_u32 = |array: &arrow::array::UInt32Array, i: usize| array.is_valid(i).then(|| array.value(i));
    let errors = |i: usize| -> Result<Vec<(u16, String)>, NotEvents> {
        if ede.is_null(i) {
            return Ok(Vec::new());
        }
        let numbers = ede.value(i);
        let numbers = numbers.as_primitive_opt::<UInt16Type>().ok_or(NotEvents { column: "ede" })?;
        let texts = if ede_text.is_null(i) {
            None
        } else {
            let cast = arrow::compute::cast(&ede_text.value(i), &arrow::datatypes::DataType::Utf8);
            Some(cast.map_err(|_| NotEvents { column: "ede_text" })?)
        };
        let texts = texts.as_ref().and_then(|texts| texts.as_string_opt::<i32>());
        let text_at = |at: usize| {
            texts.filter(|texts| at < texts.len() && texts.is_valid(at)).map_or("", |texts| texts.value(at)).to_owned()
        };
        Ok(numbers.iter().enumerate().map(|(at, number)| (number.unwrap_or(0), text_at(at))).collect())
    };

    (0..batch.num_rows())
        .map(|i| {
            let address: [u8; 16] = client.value(i).try_into().map_err(|_| NotEvents { column: "client" })?;
            Ok(Row {
                time_micros: time.value(i),
                seq: seq.value(i),
                client: address_from_bytes(address),
                client_port: client_port.value(i),
                transport: Transport::from_number(transport.value(i)).ok_or(NotEvents { column: "transport" })?,
                opcode: opcode.value(i),
                domain: domain[i].take(),
                reg_domain: reg_domain[i].take(),
                qtype: qtype.value(i),
                qclass: qclass.value(i),
                flags: Flags(flags.value(i)),
                outcome: Outcome::from_number(outcome.value(i)).ok_or(NotEvents { column: "outcome" })?,
                rcode_header: rcode_header.is_valid(i).then(|| rcode_header.value(i)),
                rcode: maybe_u16(rcode, i),
                tsig_error: maybe_u16(tsig_error, i),
                tkey_error: maybe_u16(tkey_error, i),
                code: maybe_u16(code, i).map(Code::from_key),
                ede: errors(i)?,
                answer: answer[i].take(),
                answer_count: answer_count.value(i),
                ttl: maybe_u32(ttl, i),
                action: Action::from_number(action.value(i)).ok_or(NotEvents { column: "action" })?,
                list: list[i].take(),
                rule: rule[i].take(),
                trace: trace[i].take(),
                cache: CacheState::from_number(cache.value(i)).ok_or(NotEvents { column: "cache" })?,
                upstream: upstream[i].take(),
                upstream_latency_micros: maybe_u32(upstream_latency, i),
                attempts: attempts.value(i),
                key: key[i].take(),
                update: update[i].take(),
                repeats: maybe_u32(repeats, i).unwrap_or(0),
                latency_micros: latency.value(i),
                query_size: query_size.value(i),
                reply_size: reply_size.value(i),
                tenant: tenant[i].take(),
                node: node[i].take(),
            })
        })
        .collect()
}
