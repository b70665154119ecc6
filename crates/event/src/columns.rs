//! Columns: the one schema that live rows, log records, segments and searches share.
//!
//! Enums are stored as their numbers, addresses as 16 bytes (IPv4 mapped into IPv6), times as microseconds UTC. A
//! column is never renamed or given another type; a new one is added at the end, nullable, and
//! `SCHEMA_VERSION` goes up.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, AsArray, FixedSizeBinaryBuilder, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondBuilder, UInt8Builder, UInt16Array, UInt16Builder, UInt32Builder, UInt64Builder,
    new_null_array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, UInt8Type, UInt16Type};

use crate::Event;
use crate::dictionary::Words;
use crate::names::{Derived, Names};
use wire::code::Code;

/// Version of the schema below, written into every file.
pub const SCHEMA_VERSION: u32 = 4;

/// Columns of each version of the schema, from version 1 on: each is the one before with columns added at its end.
const COLUMNS: [usize; SCHEMA_VERSION as usize] = [33, 35, 38, 39];

/// Bytes of a stored client address.
pub(crate) const ADDRESS_LEN: i32 = 16;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let needed = |name: &str, data: DataType| Field::new(name, data, false);
    let maybe = |name: &str, data: DataType| Field::new(name, data, true);
    let list = |data: DataType| DataType::List(Arc::new(Field::new("item", data, true)));
    let dictionary = || DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        needed("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        needed("seq", DataType::UInt64),
        needed("client", DataType::FixedSizeBinary(ADDRESS_LEN)),
        needed("client_port", DataType::UInt16),
        needed("transport", DataType::UInt8),
        needed("opcode", DataType::UInt8),
        maybe("domain", DataType::Utf8),
        maybe("reg_domain", DataType::Utf8),
        needed("qtype", DataType::UInt16),
        needed("qclass", DataType::UInt16),
        needed("flags", DataType::UInt16),
        needed("outcome", DataType::UInt8),
        maybe("rcode_header", DataType::UInt8),
        maybe("rcode", DataType::UInt16),
        maybe("tsig_error", DataType::UInt16),
        maybe("tkey_error", DataType::UInt16),
        maybe("code", DataType::UInt16),
        maybe("ede", list(DataType::UInt16)),
        maybe("ede_text", list(DataType::Utf8)),
        maybe("answer", DataType::Utf8),
        needed("answer_count", DataType::UInt16),
        maybe("ttl", DataType::UInt32),
        needed("action", DataType::UInt8),
        maybe("list", dictionary()),
        maybe("rule", DataType::Utf8),
        maybe("trace", DataType::Utf8),
        needed("cache", DataType::UInt8),
        maybe("upstream", dictionary()),
        maybe("upstream_latency", DataType::UInt32),
        needed("attempts", DataType::UInt8),
        needed("latency", DataType::UInt32),
        needed("query_size", DataType::UInt16),
        needed("reply_size", DataType::UInt16),
        // Plain text, not a dictionary as `list` and `upstream`: clients choose it, and 65,536 words are soon made up.
        maybe("key", DataType::Utf8),
        maybe("update", DataType::Utf8),
        maybe("tenant", dictionary()),
        maybe("node", dictionary()),
        maybe("domain_rev", DataType::Utf8),
        maybe("repeats", DataType::UInt32),
    ]))
});

/// The Arrow schema of events.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// The schema as it was in this version; `None` for versions we do not know.
#[must_use]
pub fn schema_of(version: u32) -> Option<SchemaRef> {
    let columns = *COLUMNS.get(usize::try_from(version.checked_sub(1)?).ok()?)?;
    let fields: Vec<Arc<Field>> = SCHEMA.fields().iter().take(columns).cloned().collect();
    Some(Arc::new(Schema::new(fields)))
}

/// A batch of any version in the present schema: columns that came later are empty, `domain_rev` is made. `None` when its
/// columns are those of no version.
#[must_use]
pub fn upgrade(batch: &RecordBatch) -> Option<RecordBatch> {
    let found = batch.schema();
    let ours = SCHEMA.fields();
    let known = COLUMNS.contains(&found.fields().len());
    if !known || found.fields().iter().zip(ours.iter()).any(|(theirs, ours)| theirs != ours) {
        return None;
    }
    let later = ours.iter().skip(found.fields().len());
    let added = later.map(|field| match field.name().as_str() {
        "domain_rev" => reversed_names(batch),
        _ => new_null_array(field.data_type(), batch.num_rows()),
    });
    RecordBatch::try_new(schema(), batch.columns().iter().cloned().chain(added).collect()).ok()
}

/// Whether a column follows from others of its row, so that what must be small need not hold it: `derive` makes it again.
#[must_use]
pub fn is_derived(column: &str) -> bool {
    matches!(column, "reg_domain" | "rcode_header" | "code" | "domain_rev")
}

/// Makes a derived column of the columns it follows from; `None` when they are not there, or no column is derived by this name.
#[must_use]
pub fn derive<'a>(column: &str, of: impl Fn(&str) -> Option<&'a ArrayRef>) -> Option<ArrayRef> {
    let numbers = |name: &str| of(name)?.as_primitive_opt::<UInt16Type>();
    let names = || of("domain")?.as_string_opt::<i32>();
    Some(match column {
        "reg_domain" => Arc::new(names()?.iter().map(|name| name.and_then(reg_domain)).collect::<StringArray>()),
        "domain_rev" => Arc::new(names()?.iter().map(|name| name.map(reversed_domain)).collect::<StringArray>()),
        "rcode_header" => Arc::new(numbers("rcode")?.unary::<_, UInt8Type>(header_of)),
        "code" => {
            let errors = numbers("tsig_error")?.iter().zip(numbers("tkey_error")?);
            let codes = numbers("rcode")?.iter().zip(errors);
            let code = |(rcode, (tsig_error, tkey_error))| Code::derive(rcode, tsig_error, tkey_error).map(Code::key);
            Arc::new(codes.map(code).collect::<UInt16Array>())
        }
        _ => return None,
    })
}

/// The part of a return code that is in the header (RFC 6891 §6.1.3).
fn header_of(rcode: u16) -> u8 {
    (rcode & 0xf) as u8
}

fn reversed_names(batch: &RecordBatch) -> ArrayRef {
    let made = derive("domain_rev", |name| batch.column_by_name(name));
    made.unwrap_or_else(|| new_null_array(&DataType::Utf8, batch.num_rows()))
}

/// The 16 bytes an address is stored as.
#[must_use]
pub fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The address stored as these bytes; mapped IPv4 comes back as IPv4.
#[must_use]
pub fn address_from_bytes(bytes: [u8; 16]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
}

/// The part of a name that somebody registered (public suffix plus one label); `None` for suffixes themselves.
#[must_use]
pub fn reg_domain(domain: &str) -> Option<&str> {
    psl::domain_str(domain)
}

/// A name from the root down, each label followed by a dot: `www.example.com` is `com.example.www.`, the root is empty.
/// A name and everything below it are one range of such texts: all that begin with its own.
#[must_use]
pub fn reversed_domain(domain: &str) -> String {
    let mut reversed = String::with_capacity(domain.len() + 1);
    reverse_into(domain, &mut reversed);
    reversed
}

/// Dots behind a backslash are part of a label (RFC 1035 §5.1).
pub(crate) fn reverse_into(domain: &str, reversed: &mut String) {
    let bytes = domain.as_bytes();
    let mut end = bytes.len();
    for at in (0..bytes.len()).rev() {
        if bytes[at] != b'.' {
            continue;
        }
        let escaped = bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
        if !escaped {
            push_label(&domain[at + 1..end], reversed);
            end = at;
        }
    }
    push_label(&domain[..end], reversed);
}

fn push_label(label: &str, reversed: &mut String) {
    if !label.is_empty() {
        reversed.push_str(label);
        reversed.push('.');
    }
}

/// Collects events into columns.
pub struct Builder {
    next_seq: u64,
    rows: usize,
    names: Names,
    time: TimestampMicrosecondBuilder,
    seq: UInt64Builder,
    client: FixedSizeBinaryBuilder,
    client_port: UInt16Builder,
    transport: UInt8Builder,
    opcode: UInt8Builder,
    domain: StringBuilder,
    reg_domain: StringBuilder,
    qtype: UInt16Builder,
    qclass: UInt16Builder,
    flags: UInt16Builder,
    outcome: UInt8Builder,
    rcode_header: UInt8Builder,
    rcode: UInt16Builder,
    tsig_error: UInt16Builder,
    tkey_error: UInt16Builder,
    code: UInt16Builder,
    ede: ListBuilder<UInt16Builder>,
    ede_text: ListBuilder<StringBuilder>,
    answer: StringBuilder,
    answer_count: UInt16Builder,
    ttl: UInt32Builder,
    action: UInt8Builder,
    list: Words,
    rule: StringBuilder,
    trace: StringBuilder,
    cache: UInt8Builder,
    upstream: Words,
    upstream_latency: UInt32Builder,
    attempts: UInt8Builder,
    latency: UInt32Builder,
    query_size: UInt16Builder,
    reply_size: UInt16Builder,
    key: StringBuilder,
    update: StringBuilder,
    tenant: Words,
    node: Words,
    domain_rev: StringBuilder,
    repeats: UInt32Builder,
}

impl Builder {
    /// Starts an empty batch whose first event gets number `first_seq`.
    #[must_use]
    pub fn new(first_seq: u64) -> Builder {
        Builder {
            next_seq: first_seq,
            rows: 0,
            names: Names::default(),
            time: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            seq: UInt64Builder::new(),
            client: FixedSizeBinaryBuilder::new(ADDRESS_LEN),
            client_port: UInt16Builder::new(),
            transport: UInt8Builder::new(),
            opcode: UInt8Builder::new(),
            domain: StringBuilder::new(),
            reg_domain: StringBuilder::new(),
            qtype: UInt16Builder::new(),
            qclass: UInt16Builder::new(),
            flags: UInt16Builder::new(),
            outcome: UInt8Builder::new(),
            rcode_header: UInt8Builder::new(),
            rcode: UInt16Builder::new(),
            tsig_error: UInt16Builder::new(),
            tkey_error: UInt16Builder::new(),
            code: UInt16Builder::new(),
            ede: ListBuilder::new(UInt16Builder::new()),
            ede_text: ListBuilder::new(StringBuilder::new()),
            answer: StringBuilder::new(),
            answer_count: UInt16Builder::new(),
            ttl: UInt32Builder::new(),
            action: UInt8Builder::new(),
            list: Words::default(),
            rule: StringBuilder::new(),
            trace: StringBuilder::new(),
            cache: UInt8Builder::new(),
            upstream: Words::default(),
            upstream_latency: UInt32Builder::new(),
            attempts: UInt8Builder::new(),
            latency: UInt32Builder::new(),
            query_size: UInt16Builder::new(),
            reply_size: UInt16Builder::new(),
            key: StringBuilder::new(),
            update: StringBuilder::new(),
            tenant: Words::default(),
            node: Words::default(),
            domain_rev: StringBuilder::new(),
            repeats: UInt32Builder::new(),
        }
    }

    /// Events collected since the last `finish`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether nothing was collected since the last `finish`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The number the next event gets.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Adds one event.
    pub fn push(&mut self, event: &Event) {
        self.time.append_value(event.time_micros);
        self.seq.append_value(self.next_seq);
        self.next_seq += 1;
        self.rows += 1;
        // `append_value` fails only on a wrong length, which the array type rules out.
        let _ = self.client.append_value(address_bytes(event.client));
        self.client_port.append_value(event.client_port);
        self.transport.append_value(event.transport.number());
        self.opcode.append_value(event.opcode);
        let derived = event.domain.as_deref().map(|domain| self.names.of(domain));
        self.domain.append_option(event.domain.as_deref());
        self.reg_domain.append_option(derived.and_then(Derived::reg_domain));
        self.domain_rev.append_option(derived.map(Derived::reversed));
        self.qtype.append_value(event.qtype);
        self.qclass.append_value(event.qclass);
        self.flags.append_value(event.flags.0);
        self.outcome.append_value(event.outcome.number());
        self.rcode_header.append_option(event.rcode.map(header_of));
        self.rcode.append_option(event.rcode);
        self.tsig_error.append_option(event.tsig_error);
        self.tkey_error.append_option(event.tkey_error);
        let code = Code::derive(event.rcode, event.tsig_error, event.tkey_error);
        self.code.append_option(code.map(Code::key));
        for ede in event.ede.iter() {
            self.ede.values().append_value(ede.code);
            self.ede_text.values().append_value(&ede.text);
        }
        self.ede.append(!event.ede.is_empty());
        self.ede_text.append(!event.ede.is_empty());
        self.answer.append_option(event.answer.as_deref());
        self.answer_count.append_value(event.answer_count);
        self.ttl.append_option(event.ttl);
        self.action.append_value(event.action.number());
        self.list.append(event.list.as_ref());
        self.rule.append_option(event.rule.as_deref());
        self.trace.append_option(event.trace.as_deref());
        self.cache.append_value(event.cache.number());
        self.upstream.append(event.upstream.as_ref());
        self.upstream_latency.append_option(event.upstream_latency_micros);
        self.attempts.append_value(event.attempts);
        self.latency.append_value(event.latency_micros);
        self.query_size.append_value(event.query_size);
        self.reply_size.append_value(event.reply_size);
        self.key.append_option(event.key.as_deref());
        self.update.append_option(event.update.as_deref());
        self.tenant.append(event.tenant.as_ref());
        self.node.append(event.node.as_ref());
        self.repeats.append_option((event.repeats > 0).then_some(event.repeats));
    }

    /// Ends the batch and starts the next one, numbered on.
    #[must_use]
    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.time.finish()),
            Arc::new(self.seq.finish()),
            Arc::new(self.client.finish()),
            Arc::new(self.client_port.finish()),
            Arc::new(self.transport.finish()),
            Arc::new(self.opcode.finish()),
            Arc::new(self.domain.finish()),
            Arc::new(self.reg_domain.finish()),
            Arc::new(self.qtype.finish()),
            Arc::new(self.qclass.finish()),
            Arc::new(self.flags.finish()),
            Arc::new(self.outcome.finish()),
            Arc::new(self.rcode_header.finish()),
            Arc::new(self.rcode.finish()),
            Arc::new(self.tsig_error.finish()),
            Arc::new(self.tkey_error.finish()),
            Arc::new(self.code.finish()),
            Arc::new(self.ede.finish()),
            Arc::new(self.ede_text.finish()),
            Arc::new(self.answer.finish()),
            Arc::new(self.answer_count.finish()),
            Arc::new(self.ttl.finish()),
            Arc::new(self.action.finish()),
            Arc::new(self.list.finish()),
            Arc::new(self.rule.finish()),
            Arc::new(self.trace.finish()),
            Arc::new(self.cache.finish()),
            Arc::new(self.upstream.finish()),
            Arc::new(self.upstream_latency.finish()),
            Arc::new(self.attempts.finish()),
            Arc::new(self.latency.finish()),
            Arc::new(self.query_size.finish()),
            Arc::new(self.reply_size.finish()),
            Arc::new(self.key.finish()),
            Arc::new(self.update.finish()),
            Arc::new(self.tenant.finish()),
            Arc::new(self.node.finish()),
            Arc::new(self.domain_rev.finish()),
            Arc::new(self.repeats.finish()),
        ];
        #[expect(clippy::expect_used, reason = "columns above are the schema's, in order, all of one length")]
        RecordBatch::try_new(schema(), columns).expect("columns fit the schema")
    }
}
