//! Which rows of a merged segment belong to the tenants that a search is about: it says in its footer which rows are whose, so
//! that a search for one reads these, whatever the condition on the name.

use std::sync::Arc;

use arrow::array::{AsArray, DictionaryArray, RecordBatch};
use arrow::datatypes::{Schema, UInt16Type};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ident};
use datafusion::physical_expr::PhysicalExpr;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::ParquetMetaData;

use crate::segment;

const COLUMN: &str = "tenant";

/// Conditions on the tenant alone, all of which must hold.
pub(super) struct Tenants {
    schema: Arc<Schema>,
    conditions: Vec<Arc<dyn PhysicalExpr>>,
}

impl Tenants {
    /// Those among the filters of a scan, if there are any.
    pub(super) fn of(state: &dyn Session, filters: &[Expr]) -> Result<Option<Tenants>> {
        let about_tenants = |filter: &&Expr| {
            let columns = filter.column_refs();
            !columns.is_empty() && columns.iter().all(|column| column.name == COLUMN)
        };
        let field = event::schema().field_with_name(COLUMN)?.clone();
        let schema = Arc::new(Schema::new(vec![field]));
        let known = DFSchema::try_from(Arc::clone(&schema))?;
        // The engine names the table too.
        let bare = |filter: &Expr| {
            let renamed = filter.clone().transform(|expr| match expr {
                Expr::Column(column) => Ok(Transformed::yes(ident(column.name))),
                other => Ok(Transformed::no(other)),
            });
            renamed.data()
        };
        let conditions =
            filters.iter().filter(about_tenants).map(|filter| state.create_physical_expr(bare(filter)?, &known));
        let conditions = conditions.collect::<Result<Vec<_>>>()?;
        Ok((!conditions.is_empty()).then_some(Tenants { schema, conditions }))
    }

    /// The rows of a segment that meet the conditions; `None` when it does not say whose they are.
    pub(super) fn rows(&self, footer: &ParquetMetaData, rows: u64) -> Result<Option<RowSelection>> {
        let keys = footer.file_metadata().key_value_metadata();
        let Some(tenants) = segment::tenants_listed(keys, rows) else { return Ok(None) };
        let names: DictionaryArray<UInt16Type> = tenants.iter().map(|(name, _)| name.as_deref()).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), vec![Arc::new(names)])?;
        let mut wanted = vec![true; tenants.len()];
        for condition in &self.conditions {
            let holds = condition.evaluate(&batch)?.into_array(batch.num_rows())?;
            // An empty answer is no.
            let Some(holds) = holds.as_boolean_opt() else { return Ok(None) };
            wanted.iter_mut().zip(holds).for_each(|(wanted, holds)| *wanted &= holds == Some(true));
        }
        let mut start = 0;
        let mut ranges = Vec::new();
        for ((_, rows), wanted) in tenants.iter().zip(wanted) {
            if wanted {
                ranges.push(start..start + rows);
            }
            start += rows;
        }
        Ok(Some(RowSelection::from_consecutive_ranges(ranges.into_iter(), start)))
    }
}
