//! Segments of older schemas, read as if they had the columns of the present one: what can be made of others is made while
//! reading, the rest is empty. The same as `event::upgrade` makes of batches.

use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{DefaultPhysicalExprAdapter, PhysicalExprAdapter, PhysicalExprAdapterFactory};

/// The column that is made, and of which.
const MADE: &str = "domain_rev";
const MADE_OF: &str = "domain";

/// Makes the adapter of each file.
#[derive(Debug)]
pub(super) struct Columns;

impl PhysicalExprAdapterFactory for Columns {
    fn create(&self, ours: SchemaRef, theirs: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let present = DefaultPhysicalExprAdapter::new(Arc::clone(&ours), Arc::clone(&theirs));
        if theirs.column_with_name(MADE).is_some() {
            return Ok(Arc::new(present));
        }
        Ok(Arc::new(Older { ours, present }))
    }
}

/// Puts what makes a column in its place.
#[derive(Debug)]
struct Older {
    ours: SchemaRef,
    present: DefaultPhysicalExprAdapter,
}

impl PhysicalExprAdapter for Older {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let made = expr.transform(|expr| {
            if expr.downcast_ref::<Column>().is_none_or(|column| column.name() != MADE) {
                return Ok(Transformed::no(expr));
            }
            let of = Arc::new(Column::new_with_schema(MADE_OF, &self.ours)?);
            let text = DataType::Utf8;
            let function =
                create_udf("reversed_domain", vec![text.clone()], text, Volatility::Immutable, Arc::new(reversed));
            let made =
                ScalarFunctionExpr::try_new(Arc::new(function), vec![of], &self.ours, Arc::new(ConfigOptions::new()))?;
            Ok(Transformed::yes(Arc::new(made) as _))
        });
        self.present.rewrite(made.data()?)
    }
}

/// Names from the root down.
fn reversed(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let columns = ColumnarValue::values_to_arrays(arguments)?;
    let Some(names) = columns.first().and_then(|names| names.as_string_opt::<i32>()) else {
        return exec_err!("{MADE_OF} is not text");
    };
    let made: StringArray = names.iter().map(|name| name.map(event::reversed_domain)).collect();
    Ok(ColumnarValue::Array(Arc::new(made)))
}
