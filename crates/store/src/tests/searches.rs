//! The table as DataFusion sees it.

use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{DataFrame, SessionContext, col, lit};
use datafusion::scalar::ScalarValue;

use super::*;

/// Runs a plan over the table and reads the rows, which must have exactly the event columns.
pub(crate) fn read(store: &Store, plan: impl FnOnce(DataFrame) -> DataFrame) -> Vec<Row> {
    let batches = collect(store, plan);
    batches
        .iter()
        .flat_map(|batch| {
            assert_eq!(batch.schema().fields(), event::schema().fields());
            event::rows(batch).unwrap()
        })
        .collect()
}

fn collect(store: &Store, plan: impl FnOnce(DataFrame) -> DataFrame) -> Vec<RecordBatch> {
    collect_table(store.table(), plan).unwrap()
}

pub(crate) fn collect_table(
    table: Arc<dyn TableProvider>,
    plan: impl FnOnce(DataFrame) -> DataFrame,
) -> datafusion::error::Result<Vec<RecordBatch>> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let frame = plan(SessionContext::new().read_table(table).unwrap());
    runtime.block_on(frame.collect())
}

fn explain(store: &Store, plan: impl FnOnce(DataFrame) -> DataFrame) -> String {
    let batches = collect(store, |frame| plan(frame).explain(false, false).unwrap());
    arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string()
}

fn at(micros: i64) -> datafusion::prelude::Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(MORNING_MICROS + micros), Some("UTC".into())))
}

/// Three segments of 1,000 events and 500 live ones.
fn sample(folder: &Path) -> Store {
    for part in 0..3 {
        let (store, _) = open(folder);
        put(&store, numbered(part * 1_000..(part + 1) * 1_000));
        store.close();
    }
    let (store, _) = open(folder);
    put(&store, numbered(3_000..3_500));
    store
}

#[test]
fn filters_find_the_same_rows_in_segments_and_live() {
    let folder = tempfile::tempdir().unwrap();
    let store = sample(folder.path());
    let expect: Vec<Row> = support::rows(&numbered(0..3_500).collect::<Vec<_>>(), 0);
    type Case = (datafusion::prelude::Expr, fn(&Row) -> bool);
    let cases: [Case; 6] = [
        (col("rcode").eq(lit(3_u16)), |row| row.rcode == Some(3)),
        (col("list").eq(lit("ads")), |row| row.list.as_deref() == Some("ads")),
        (col("upstream").is_null(), |row| row.upstream.is_none()),
        (col("domain").eq(lit("n2999.example.com")), |row| row.domain.as_deref() == Some("n2999.example.com")),
        (col("time").gt_eq(at(990)).and(col("time").lt(at(3_010))), |row| (990..3_010).contains(&row.seq)),
        (col("latency").gt(lit(3_480_u32)), |row| row.latency_micros > 3_480),
    ];
    for (filter, matches) in cases {
        let name = filter.to_string();
        let mut got = read(&store, |frame| frame.filter(filter).unwrap());
        got.sort_by_key(|row| row.seq);
        let want: Vec<Row> = expect.iter().filter(|row| matches(row)).cloned().collect();
        assert!(!want.is_empty() && got == want, "{name}: {} rows instead of {}", got.len(), want.len());
    }
}

#[test]
fn the_newest_rows_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = sample(folder.path());
    let newest = |filter: datafusion::prelude::Expr| {
        let order = vec![col("time").sort(false, false), col("seq").sort(false, false)];
        let rows = read(&store, |frame| frame.filter(filter).unwrap().sort(order).unwrap().limit(0, Some(3)).unwrap());
        rows.iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(newest(lit(true)), [3_499, 3_498, 3_497]);
    assert_eq!(newest(col("time").lt(at(2_500))), [2_499, 2_498, 2_497]);
    let blocked = support::rows(&numbered(0..1_000).collect::<Vec<_>>(), 0).into_iter().rev();
    let blocked: Vec<u64> = blocked.filter(|row| row.action.number() == 2).map(|row| row.seq).take(3).collect();
    assert_eq!(newest(col("action").eq(lit(2_u8)).and(col("time").lt(at(1_000)))), blocked);
}

#[test]
fn counting_needs_no_column() {
    let folder = tempfile::tempdir().unwrap();
    let store = sample(folder.path());
    let total = |frame: DataFrame| frame.aggregate(vec![], vec![count(lit(1_i64))]).unwrap();
    let text = |batches: Vec<RecordBatch>| arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    assert!(text(collect(&store, total)).contains("| 3500 "));
    let some = |frame: DataFrame| total(frame.filter(col("time").gt_eq(at(1_500))).unwrap());
    assert!(text(collect(&store, some)).contains("| 2000 "));
}

#[test]
fn segments_outside_the_time_asked_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = sample(folder.path());
    let opened = |filter| explain(&store, |frame| frame.filter(filter).unwrap()).matches(".parquet").count();
    assert_eq!(opened(col("rcode").eq(lit(3_u16))), 3);
    assert_eq!(opened(col("time").gt_eq(at(1_000)).and(col("time").lt(at(2_000)))), 1);
    assert_eq!(opened(col("time").between(at(1_999), at(2_000))), 2);
    assert_eq!(opened(at(999).gt_eq(col("time"))), 1);
    assert_eq!(opened(col("time").eq(at(1_000))), 1);
    assert_eq!(opened(col("time").gt(at(2_999))), 0);
}

#[test]
fn a_condition_reaches_the_parquet_scan() {
    let folder = tempfile::tempdir().unwrap();
    let store = sample(folder.path());
    let plan = explain(&store, |frame| frame.filter(col("rcode").eq(lit(3_u16))).unwrap());
    assert!(plan.contains("predicate=rcode"), "{plan}");
}

#[test]
fn a_table_does_not_change_under_a_search() {
    let folder = tempfile::tempdir().unwrap();
    let store = sample(folder.path());
    let table = store.table();
    put(&store, numbered(3_500..4_000));
    store.close();
    let rows =
        |table| -> usize { collect_table(table, |frame| frame).unwrap().iter().map(RecordBatch::num_rows).sum() };
    assert_eq!(rows(table), 3_500);
    assert_eq!(rows(store.table()), 4_000);
}

#[test]
fn an_empty_log_is_an_empty_table() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    assert_eq!(all(&store), []);
}
