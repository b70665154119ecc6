//! How little of a merged segment a search reads, as the engine counts it.

use std::sync::Arc;

use datafusion::physical_plan::{ExecutionPlan, collect};

use super::Searcher;
use crate::parse;
use crate::sample::{ALL, LIMITS, Numbers, START, event, settings};

const TENANTS: usize = 16;
const ROWS: u64 = 100_000;

/// A log of one merged segment: tenants of as many events each.
fn merged() -> (tempfile::TempDir, store::Store) {
    let folder = tempfile::tempdir().unwrap();
    let settings = store::Settings { segment_rows: ROWS as usize, ..settings(folder.path()) };
    let (log, _) = store::Store::open(settings.clone()).unwrap();
    let (mut sender, mut numbers) = (log.sender(), Numbers(7));
    for at in 0..ROWS as i64 {
        let mut event = event(&mut numbers);
        let tenant = at as usize % TENANTS;
        event.time_micros = START + at;
        event.tenant = Some(Arc::from(format!("Tenant-{tenant:02}")));
        event.client = std::net::Ipv4Addr::new(10, tenant as u8, 0, numbers.below(200) as u8).into();
        sender.offer(event);
        // No more on the way than a ring takes.
        while log.health().written + store::RING_EVENTS_MAX as u64 / 2 < at as u64 {
            std::thread::yield_now();
        }
    }
    log.close();
    drop((sender, log));
    let (log, _) = store::Store::open(settings).unwrap();
    log.compact().unwrap();
    assert_eq!((log.health().rows, log.health().segments), (ROWS, 1));
    (folder, log)
}

/// Rows that match, and rows that were looked at to find them.
fn read(searcher: &Searcher, text: &str) -> (usize, usize) {
    let search = parse(text).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let job = searcher.job().unwrap();
        let plan = job.matching(&search, ALL).unwrap().create_physical_plan().await.unwrap();
        let found = collect(Arc::clone(&plan), job.engine.task_ctx()).await.unwrap();
        let found = found.iter().map(|batch| batch.num_rows()).sum();
        let looked_at = figure(&plan, "pushdown_rows_matched") + figure(&plan, "pushdown_rows_pruned");
        (found, looked_at)
    })
}

fn figure(plan: &Arc<dyn ExecutionPlan>, name: &str) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name(name)).map_or(0, |value| value.as_usize());
    own + plan.children().into_iter().map(|child| figure(child, name)).sum::<usize>()
}

#[test]
fn of_a_merged_segment_a_tenants_search_reads_the_rows_of_the_tenant() {
    let (_folder, log) = merged();
    let searcher = Searcher::new(log.clone(), LIMITS);
    let of_one = ROWS as usize / TENANTS;
    for (text, tenants) in [
        ("tenant:tenant-07", 1),
        ("tenant:TENANT-0?", 10),
        ("tenant:tenant-03,tenant-12", 2),
        ("tenant:/-1[0-4]$/", 5),
        ("tenant:tenant-07 tenant:*", 1),
        ("-tenant:tenant-0*", 6),
    ] {
        let (found, looked_at) = read(&searcher, text);
        assert_eq!(found, tenants * of_one, "{text}");
        assert!(looked_at <= found, "{text}: {looked_at} rows were looked at");
    }
    assert_eq!(read(&searcher, "tenant:nobody"), (0, 0));
    let (found, looked_at) = read(&searcher, "tenant:tenant-07 qtype:AAAA");
    assert!(found > 0 && looked_at <= of_one, "{looked_at} rows were looked at");
    log.close();
}

#[test]
fn of_a_merged_segment_a_clients_search_reads_a_few_pages() {
    let (_folder, log) = merged();
    let searcher = Searcher::new(log.clone(), LIMITS);
    for text in ["client:10.7.0.9", "client:10.7.0.0/16", "client:10.7.0.9 code:NXDOMAIN"] {
        let (found, looked_at) = read(&searcher, text);
        assert!(found > 0 && looked_at <= ROWS as usize / TENANTS * 3, "{text}: {looked_at} rows were looked at");
    }
    assert_eq!(read(&searcher, "client:10.7.1.9"), (0, 0), "no page can have it");
    log.close();
}
