//! Events for tests: every field takes a few values, empty ones included, so that random searches find something.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use event::{Action, Builder, CacheState, Ede, Event, Flags, Outcome, Row, Transport};

use crate::{Limits, Searcher, Window};

/// First instant of the sample.
pub(crate) const START: i64 = 1_700_000_000_000_000;
/// The window all of the sample is in: long enough to be read in slices.
pub(crate) const ALL: Window = Window { from: START, to: START + 3_600_000_000 };

pub(crate) const NAMES: &[&str] = &[
    "example.com",
    "www.example.com",
    "badexample.com",
    "ads.tracker.zip",
    "printer.local",
    ".",
    "com",
    "a%b.example.org",
    "a_b.example.org",
    "axb.example.org",
    "a\\.b.example.org",
    "*.example.com",
    "x\\.example.com",
    "b.x\\.example.com",
    "x\\\\.example.com",
    "xn--bcher-kva.example",
];
pub(crate) const CLIENTS: &[&str] =
    &["127.0.0.1", "127.0.0.2", "10.0.0.7", "10.255.0.1", "192.0.2.10", "::1", "2001:db8::1", "fe80::1", "::"];
pub(crate) const TEXTS: &[&str] = &[
    "A 192.0.2.1",
    "A 192.0.2.10",
    "CNAME edge.Example, A 192.0.2.1",
    "phishing",
    "Phish%ing",
    "||ads.example^",
    "udp://192.0.2.53:53",
    "ü\nb",
    "HTTPS 1 . ipv6hint=2001:db8::1, AAAA 2001:DB8::2, A 10.0.0.7",
];

/// A small generator of numbers: the same seed, the same sample.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }

    /// Another run of numbers, which leaves this one where it is.
    fn beside(&self, which: u64) -> Numbers {
        Numbers(self.0 ^ (which << 40))
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn text(&mut self, from: &[&str]) -> Option<Arc<str>> {
        (self.below(4) > 0).then(|| Arc::from(self.pick(from)))
    }
}

/// One event.
pub(crate) fn event(numbers: &mut Numbers) -> Event {
    let client: IpAddr = numbers.pick(CLIENTS).parse().unwrap();
    let ede: Vec<Ede> = (0..numbers.below(3))
        .map(|_| Ede {
            code: numbers.pick(&[0, 6, 15, 22, 4001]),
            text: Arc::from(numbers.beside(2).pick(&["", "why", "Signature_Expired"])),
        })
        .collect();
    Event {
        // Few instants, so that many rows share one and only their numbers order them.
        time_micros: START + numbers.below(40) as i64 * 90_000_000,
        client,
        client_port: numbers.pick(&[53, 1024, 65535]),
        transport: numbers.pick(Transport::ALL),
        opcode: numbers.pick(&[0, 0, 4, 5, 9]),
        domain: numbers.text(NAMES),
        qtype: numbers.pick(&[1, 28, 65, 65280]),
        qclass: numbers.pick(&[1, 3]),
        flags: Flags(numbers.pick(&[0, 1, 9, 0x101, 0x200])),
        outcome: numbers.pick(Outcome::ALL),
        rcode: numbers.pick(&[None, Some(0), Some(2), Some(3), Some(9), Some(16), Some(23), Some(4001)]),
        tsig_error: numbers.pick(&[None, None, None, Some(0), Some(16), Some(17), Some(24)]),
        tkey_error: numbers.pick(&[None, None, None, Some(19), Some(16)]),
        ede: ede.into(),
        answer: numbers.text(TEXTS),
        answer_count: numbers.pick(&[0, 1, 12]),
        ttl: numbers.pick(&[None, Some(0), Some(60), Some(86_400), Some(u32::MAX)]),
        action: numbers.pick(Action::ALL),
        list: numbers.text(TEXTS),
        rule: numbers.text(TEXTS),
        trace: numbers.beside(1).text(TEXTS),
        cache: numbers.pick(CacheState::ALL),
        upstream: numbers.text(TEXTS),
        upstream_latency_micros: numbers.pick(&[None, Some(300), Some(50_000)]),
        attempts: numbers.pick(&[0, 1, 255]),
        key: numbers.text(TEXTS),
        update: numbers.text(TEXTS),
        repeats: numbers.pick(&[0, 0, 0, 1, 900, u32::MAX]),
        latency_micros: numbers.pick(&[0, 300, 1_000, 50_000, u32::MAX]),
        query_size: numbers.pick(&[0, 40, 512]),
        reply_size: numbers.pick(&[0, 100, 1_232, 65_535]),
        tenant: numbers.text(TEXTS),
        node: numbers.text(TEXTS),
    }
}

/// A log that seals small segments and forgets nothing.
pub(crate) fn settings(folder: &Path) -> store::Settings {
    store::Settings {
        folder: folder.to_owned(),
        keep_age: None,
        keep_bytes: None,
        segment_rows: 60,
        segment_age: std::time::Duration::from_secs(3_600),
        sync_every: std::time::Duration::from_millis(1),
        ..store::Settings::default()
    }
}

/// A log with these events in segments, and its rows, newest first.
pub(crate) fn on_disk(folder: &Path, events: &[Event]) -> (store::Store, Vec<Row>) {
    let (log, _) = store::Store::open(settings(folder)).unwrap();
    let mut sender = log.sender();
    events.iter().for_each(|event| sender.offer(event.clone()));
    log.close();
    drop((sender, log));
    let (log, _) = store::Store::open(settings(folder)).unwrap();
    assert!(log.health().segments > 0, "these tests are about segments");
    let searcher = Searcher::new(log.clone(), LIMITS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let rows = runtime.block_on(searcher.rows(&crate::Search::default(), ALL, None, crate::ROWS_MAX)).unwrap();
    assert_eq!(rows.len(), events.len());
    (log, rows)
}

/// Two batches, as the log has several.
pub(crate) fn batches(seed: u64, rows: usize) -> Vec<RecordBatch> {
    let mut numbers = Numbers(seed);
    let mut builder = Builder::new(0);
    let mut half = |rows: usize| {
        for _ in 0..rows {
            builder.push(&event(&mut numbers));
        }
        builder.finish()
    };
    vec![half(rows / 2), half(rows - rows / 2)]
}

pub(crate) const LIMITS: Limits = Limits {
    memory_bytes: 256 << 20,
    search_bytes: 256 << 20,
    time: std::time::Duration::from_secs(60),
    concurrent: 2,
};

pub(crate) fn searcher(batches: Vec<RecordBatch>, limits: Limits) -> Searcher {
    let table = Arc::new(MemTable::try_new(event::schema(), vec![batches]).unwrap());
    Searcher::over(move || Arc::clone(&table) as _, limits)
}

/// A searcher over a sample and the same rows, newest first.
pub(crate) fn sample(seed: u64, rows: usize) -> (Searcher, Vec<Row>) {
    let batches = batches(seed, rows);
    let mut all: Vec<Row> = batches.iter().flat_map(|batch| event::rows(batch).unwrap()).collect();
    all.sort_by_key(|row| std::cmp::Reverse((row.time_micros, row.seq)));
    (searcher(batches, LIMITS), all)
}
