//! The table searches read: segments and live rows of one snapshot as one DataFusion table.
//!
//! Knows time ranges, because segments have them; every other condition is DataFusion's to push down and prune by.

mod older;
mod reader;
mod tenants;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DataFusionError, Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::{TableType, object_store::ObjectStoreUrl};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use futures::future::try_join_all;
use object_store::ObjectStore;
use object_store::path::Path;

use crate::live::Contents;
use crate::remote::SAYS;
use crate::segment::Segment;
use reader::Readers;
use tenants::Tenants;

/// Live batches one partition reads at least: fewer are not worth a task.
const LIVE_BATCHES_PER_PARTITION: usize = 16;

/// Footers a search waits for together: each may be a request to a remote store, once.
const FOOTERS_AT_ONCE: usize = 16;

/// One snapshot as a table.
pub(crate) struct Events {
    snapshot: Arc<Contents>,
    schema: SchemaRef,
}

impl Events {
    pub(crate) fn new(snapshot: Arc<Contents>) -> Events {
        Events { snapshot, schema: event::schema() }
    }

    pub(crate) fn snapshot(&self) -> &Contents {
        &self.snapshot
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (segments, live) = (self.snapshot.segments.len(), self.snapshot.live.len());
        f.debug_struct("Events").field("segments", &segments).field("live_batches", &live).finish()
    }
}

#[async_trait]
impl TableProvider for Events {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    // Inexact: a segment is skipped or read by what its columns span, and DataFusion applies the filter to what
    // remains; pushing it into the Parquet scan is its own, later step.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let span = Span::of(filters);
        // Newest first: a search for the newest rows is then done after the first few, because the files behind
        // cannot hold newer ones.
        let segments: Vec<&Arc<Segment>> =
            self.snapshot.segments.iter().rev().filter(|segment| span.meets(segment)).collect();
        let live = self.live(state, projection)?;
        let (there, here): (Vec<_>, Vec<_>) = segments.into_iter().partition(|segment| segment.entry.remote);
        let mut parts = Vec::with_capacity(3);
        if !here.is_empty() {
            let files = state.runtime_env().object_store(ObjectStoreUrl::local_filesystem())?;
            let place = (ObjectStoreUrl::local_filesystem(), files, &on_disk as &Locate<'_>);
            parts.extend(sealed(state, &self.schema, place, &here, (filters, projection, limit)).await?);
        }
        if let Some(segment) = there.first() {
            let remote = self.snapshot.remote.as_ref().ok_or_else(|| unset(segment))?;
            let (url, files) = remote.store();
            // The engine looks for it when the plan runs.
            state.runtime_env().register_object_store(url.as_ref(), Arc::clone(&files));
            let locate = |segment: &Segment| Ok(remote.location(&segment.entry.file));
            parts.extend(
                sealed(state, &self.schema, (url, files, &locate), &there, (filters, projection, limit)).await?,
            );
        }
        if parts.is_empty() || !self.snapshot.live.is_empty() {
            parts.insert(0, live);
        }
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            last => UnionExec::try_new(parts.into_iter().chain(last).collect()),
        }
    }
}

impl Events {
    fn live(&self, state: &dyn Session, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let batches: Vec<_> = self.snapshot.live.iter().map(|batch| batch.as_ref().clone()).collect();
        let partitions = (batches.len() / LIVE_BATCHES_PER_PARTITION).clamp(1, state.config().target_partitions());
        let size = batches.len().div_ceil(partitions).max(1);
        let mut partitions: Vec<_> = batches.chunks(size).map(<[_]>::to_vec).collect();
        if partitions.is_empty() {
            partitions.push(Vec::new());
        }
        Ok(MemorySourceConfig::try_new_exec(&partitions, Arc::clone(&self.schema), projection.cloned())?)
    }
}

/// One state of the log in two tables, by a range of time.
pub struct Inside {
    /// Segments of which all rows are in the range. The words of one column are in dictionaries, as they are in the files.
    pub segments: Arc<dyn TableProvider>,
    /// Everything else that may be in the range; `None` when there is nothing else.
    pub rest: Option<Arc<dyn TableProvider>>,
}

/// Divides a table of this store by a range of time, microseconds, `to` not included; `column` is the one of which words are to
/// come in dictionaries. `None` for other tables, for columns that are not text and when no segment is inside.
#[must_use]
pub fn inside(table: &dyn TableProvider, from: i64, to: i64, column: &str) -> Option<Inside> {
    let snapshot = table.downcast_ref::<Events>()?.snapshot();
    let mut fields = event::schema().fields().to_vec();
    let words = fields.iter_mut().find(|field| field.name() == column && *field.data_type() == DataType::Utf8)?;
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    *words = Arc::new(words.as_ref().clone().with_data_type(dictionary));
    let is_inside = |segment: &Segment| {
        let entry = &segment.entry;
        from <= entry.time_min_micros && entry.time_max_micros < to && entry.schema_version == event::SCHEMA_VERSION
    };
    let (inside, others): (Vec<_>, Vec<_>) = snapshot.segments.iter().cloned().partition(|segment| is_inside(segment));
    if inside.is_empty() {
        return None;
    }
    let nothing = others.is_empty() && snapshot.live.is_empty();
    let with = |segments, live| {
        let remote = snapshot.remote.clone();
        Arc::new(Contents { version: snapshot.version, segments: Arc::new(segments), live, remote })
    };
    let rest = (!nothing).then(|| Arc::new(Events::new(with(others, snapshot.live.clone()))) as _);
    let segments = Events { snapshot: with(inside, Vec::new()), schema: Arc::new(Schema::new(fields)) };
    Some(Inside { segments: Arc::new(segments), rest })
}

/// Where a place has the file of a segment.
type Locate<'a> = dyn Fn(&Segment) -> Result<Path> + Sync + 'a;

fn on_disk(segment: &Segment) -> Result<Path> {
    Path::from_absolute_path(&segment.path).map_err(|error| DataFusionError::External(error.into()))
}

/// A segment is in the remote store, and nobody said where that is.
fn unset(segment: &Segment) -> DataFusionError {
    let file = &segment.entry.file;
    DataFusionError::Execution(format!("{SAYS}is not set (log.remote.url), and segments/{file} is in one"))
}

/// A scan of the segments of one place; `None` when no row of theirs can match.
async fn sealed(
    state: &dyn Session,
    schema: &SchemaRef,
    (url, files, locate): (ObjectStoreUrl, Arc<dyn ObjectStore>, &Locate<'_>),
    segments: &[&Arc<Segment>],
    (filters, projection, limit): (&[Expr], Option<&Vec<usize>>, Option<usize>),
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let readers = Readers::new(files, state.runtime_env().cache_manager.get_file_metadata_cache());
    let tenants = Tenants::of(state, filters)?;
    let (mut files, mut read) = (Vec::with_capacity(segments.len()), Vec::with_capacity(segments.len()));
    for few in segments.chunks(FOOTERS_AT_ONCE) {
        let picked =
            try_join_all(few.iter().map(|segment| picked(&readers, schema, tenants.as_ref(), segment, locate)));
        for (segment, file) in few.iter().zip(picked.await?) {
            if let Some(file) = file {
                files.push(file);
                read.push(*segment);
            }
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    let source = ParquetSource::new(Arc::clone(schema))
        .with_pushdown_filters(true)
        .with_parquet_file_reader_factory(Arc::new(readers));
    // Runs, not every nth: idle partitions take files from one queue, which must stay newest first.
    let size = files.len().div_ceil(state.config().target_partitions().max(1)).max(1);
    let groups = files.chunks(size).map(|run| FileGroup::new(run.to_vec())).collect();
    let config = FileScanConfigBuilder::new(url, Arc::new(source))
        .with_file_groups(groups)
        .with_statistics(statistics(&read))
        .with_expr_adapter(Some(Arc::new(older::Columns)))
        .with_projection_indices(projection.cloned())?
        .with_limit(limit)
        .build();
    Ok(Some(DataSourceExec::from_data_source(config)))
}

/// What is to be read of a segment; `None` for nothing.
async fn picked(
    readers: &Readers,
    schema: &SchemaRef,
    tenants: Option<&Tenants>,
    segment: &Arc<Segment>,
    locate: &Locate<'_>,
) -> Result<Option<PartitionedFile>> {
    let file = file(segment, schema, locate(segment)?)?;
    let Some(tenants) = tenants.filter(|_| segment.entry.by_client) else { return Ok(Some(file)) };
    let footer = readers.footer(&file).await?;
    Ok(match tenants.rows(&footer, segment.entry.rows)? {
        Some(rows) if !rows.selects_any() => None,
        Some(rows) => Some(file.with_extension(ParquetRowSelection::new(rows))),
        None => Some(file),
    })
}

fn file(segment: &Arc<Segment>, schema: &SchemaRef, location: Path) -> Result<PartitionedFile> {
    let mut file = PartitionedFile::new("", segment.entry.bytes);
    file.object_meta.location = location;
    // The extension is for nobody to read: while a plan or a running scan holds the file, its segment is not removed.
    let file = file.with_statistics(Arc::new(statistics(&[segment]))).with_extension(Arc::clone(segment));
    // Not the copy of the schema in the file: see `segment::load`.
    let version = segment.entry.schema_version;
    if version == event::SCHEMA_VERSION {
        return Ok(file.with_arrow_schema(Arc::clone(schema)));
    }
    let schema = event::schema_of(version)
        .ok_or_else(|| DataFusionError::Execution(format!("schema version {version} is not known")))?;
    Ok(file.with_arrow_schema(schema))
}

/// What the manifest knows of these segments together, exactly.
fn statistics(segments: &[&Arc<Segment>]) -> Statistics {
    let schema = event::schema();
    let mut statistics = Statistics::new_unknown(&schema);
    let rows: u64 = segments.iter().map(|segment| segment.entry.rows).sum();
    statistics.num_rows = Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX));
    let time = |micros: i64| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
    let first = segments.iter().map(|segment| segment.entry.time_min_micros).min();
    let last = segments.iter().map(|segment| segment.entry.time_max_micros).max();
    if let (Ok(at), Some(first), Some(last)) = (schema.index_of("time"), first, last) {
        statistics.column_statistics[at] = ColumnStatistics {
            null_count: Precision::Exact(0),
            min_value: Precision::Exact(time(first)),
            max_value: Precision::Exact(time(last)),
            ..ColumnStatistics::new_unknown()
        };
    }
    statistics
}

/// First and last microsecond that filters leave open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: i64,
    last: i64,
}

impl Span {
    /// The span of all filters together. What is not a plain comparison of `time` with a constant narrows nothing.
    fn of(filters: &[Expr]) -> Span {
        let mut span = Span { first: i64::MIN, last: i64::MAX };
        filters.iter().for_each(|filter| span.narrow(filter));
        span
    }

    fn narrow(&mut self, filter: &Expr) {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.narrow(left);
                self.narrow(right);
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let (true, Some(micros)) = (is_time(left), micros(right)) {
                    self.compare(*op, micros);
                } else if let (Some(micros), true, Some(op)) = (micros(left), is_time(right), op.swap()) {
                    self.compare(op, micros);
                }
            }
            Expr::Between(between) if !between.negated && is_time(&between.expr) => {
                if let (Some(low), Some(high)) = (micros(&between.low), micros(&between.high)) {
                    self.compare(Operator::GtEq, low);
                    self.compare(Operator::LtEq, high);
                }
            }
            _ => {}
        }
    }

    fn compare(&mut self, op: Operator, micros: i64) {
        let (first, last) = match op {
            Operator::Eq => (micros, micros),
            Operator::GtEq => (micros, i64::MAX),
            Operator::Gt => (micros.saturating_add(1), i64::MAX),
            Operator::LtEq => (i64::MIN, micros),
            Operator::Lt => (i64::MIN, micros.saturating_sub(1)),
            _ => return,
        };
        self.first = self.first.max(first);
        self.last = self.last.min(last);
    }

    fn meets(&self, segment: &Segment) -> bool {
        segment.entry.time_min_micros <= self.last && segment.entry.time_max_micros >= self.first
    }
}

fn is_time(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if column.name == "time")
}

fn micros(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::TimestampMicrosecond(micros, _), _) => *micros,
        _ => None,
    }
}

#[cfg(test)]
mod tests;
