//! What a text may ask for: few tables, no functions and signs that make much out of little, and no columns that grow
//! without bound once the engine writes them out.
//!
//! Planning is one step that nobody can stop, and values are counted only once they are made. So what would take too much
//! there is refused before.

use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr as Written, Spanned, Statement, visit_expressions, visit_relations,
};
use datafusion::sql::sqlparser::tokenizer::Span;

/// Most tables a text names, each time counted: a `WITH` that names another one twice doubles what that one costs.
const RELATIONS_MAX: usize = 16;
/// Most signs of one column when all it is made of is written out, as the engine does to filters.
const GROWN_MAX: u64 = 16_384;
/// What a query within an expression counts for there.
const SUBQUERY_SIGNS: u64 = 128;

/// Scalar functions there are: those that give about as much as they are given, or less. Left out is what makes long texts
/// or lists out of short ones, or tells of files.
const SCALAR: &[&str] = &[
    // numbers
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "cot",
    "degrees",
    "exp",
    "factorial",
    "floor",
    "gcd",
    "isnan",
    "iszero",
    "lcm",
    "ln",
    "log",
    "log10",
    "log2",
    "nanvl",
    "pi",
    "power",
    "radians",
    "random",
    "round",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    // one of several
    "coalesce",
    "greatest",
    "least",
    "nullif",
    "nvl",
    "nvl2",
    // text
    "ascii",
    "bit_length",
    "btrim",
    "character_length",
    "chr",
    "contains",
    "ends_with",
    "find_in_set",
    "initcap",
    "left",
    "levenshtein",
    "lower",
    "ltrim",
    "octet_length",
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "reverse",
    "right",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substr_index",
    "to_hex",
    "translate",
    "upper",
    "uuid",
    // time
    "current_date",
    "current_time",
    "date_bin",
    "date_part",
    "date_trunc",
    "from_unixtime",
    "make_date",
    "make_time",
    "now",
    "to_date",
    "to_local_time",
    "to_time",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_nanos",
    "to_timestamp_seconds",
    "to_unixtime",
    // lists
    "array_any_value",
    "array_dims",
    "array_distinct",
    "array_element",
    "array_except",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_intersect",
    "array_length",
    "array_max",
    "array_min",
    "array_ndims",
    "array_pop_back",
    "array_pop_front",
    "array_position",
    "array_positions",
    "array_remove",
    "array_remove_all",
    "array_remove_n",
    "array_reverse",
    "array_slice",
    "array_sort",
    "cardinality",
    "empty",
    "flatten",
    "string_to_array",
    // types
    "arrow_typeof",
];

/// Aggregates that are left out: they join whole columns to one value.
const AGGREGATES_LEFT_OUT: &[&str] = &["array_agg", "string_agg"];

/// Whether there is a scalar function of this name.
pub(super) fn has_scalar(name: &str) -> bool {
    SCALAR.contains(&name)
}

/// Whether there is an aggregate of this name.
pub(super) fn has_aggregate(name: &str) -> bool {
    !AGGREGATES_LEFT_OUT.contains(&name)
}

/// The first thing a text may not have, with its place.
pub(super) fn refused(statement: &Statement) -> Option<(Span, String)> {
    let mut relations = 0;
    let named = visit_relations(statement, |name| {
        relations += 1;
        if relations > RELATIONS_MAX {
            return ControlFlow::Break((name.span(), format!("SQL names at most {RELATIONS_MAX} tables")));
        }
        ControlFlow::Continue(())
    });
    let written = visit_expressions(statement, |written| match sign(written) {
        Some(message) => ControlFlow::Break((written.span(), message)),
        None => ControlFlow::Continue(()),
    });
    named.break_value().or_else(|| written.break_value())
}

fn sign(written: &Written) -> Option<String> {
    let left_out = |what: &str| Some(format!("{what} are not answered here: they make long values out of short ones"));
    match written {
        Written::BinaryOp { op: BinaryOperator::StringConcat, .. } => left_out("texts and lists joined by `||`"),
        Written::Overlay { .. } => left_out("texts joined by `OVERLAY`"),
        Written::Array(array) if !array.elem.iter().all(|item| matches!(item, Written::Value(_))) => {
            left_out("lists of other than constants")
        }
        Written::Tuple(_)
        | Written::Struct { .. }
        | Written::Named { .. }
        | Written::Dictionary(_)
        | Written::Map(_)
        | Written::Lambda(_) => left_out("values made of several"),
        _ => None,
    }
}

/// Fails when a column of a plan, all that it is made of written out, has more signs than may be.
pub(super) fn check_growth(plan: &LogicalPlan) -> Result<(), DataFusionError> {
    grown(plan).map(drop)
}

/// The signs of each column of a plan.
fn grown(plan: &LogicalPlan) -> Result<Vec<u64>, DataFusionError> {
    plan.apply_subqueries(|subquery| grown(subquery).map(|_| TreeNodeRecursion::Continue))?;
    let inputs = plan.inputs();
    let of_inputs = inputs.iter().map(|input| grown(input)).collect::<Result<Vec<_>, _>>()?;
    let of_column = |column: &_| {
        let place = |(input, signs): (&&LogicalPlan, &Vec<u64>)| {
            signs.get(input.schema().maybe_index_of_column(column)?).copied()
        };
        inputs.iter().zip(&of_inputs).find_map(place).unwrap_or(1)
    };
    let of = |expr: &Expr| {
        let mut signs = 0_u64;
        let walked = expr.apply(|node| {
            signs = signs.saturating_add(match node {
                Expr::Column(column) => of_column(column),
                Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                    SUBQUERY_SIGNS
                }
                _ => 1,
            });
            Ok(TreeNodeRecursion::Continue)
        });
        walked.map(|_| signs)
    };
    for expr in plan.expressions() {
        if of(&expr)? > GROWN_MAX {
            return plan_err!("a column of this SQL has more than {GROWN_MAX} signs once it is written out");
        }
    }
    let columns = plan.schema().fields().len();
    Ok(match plan {
        LogicalPlan::Projection(projection) => projection.expr.iter().map(of).collect::<Result<_, _>>()?,
        LogicalPlan::Aggregate(made) if made.group_expr.len() + made.aggr_expr.len() == columns => {
            let groups = made.group_expr.iter().map(of);
            groups.chain(made.aggr_expr.iter().map(|_| Ok(1))).collect::<Result<_, _>>()?
        }
        _ => {
            let all = of_inputs.concat();
            let most = all.iter().copied().max().unwrap_or(1);
            if all.len() == columns { all } else { vec![most; columns] }
        }
    })
}

#[cfg(test)]
mod tests {
    use datafusion::execution::SessionStateDefaults;

    use super::*;

    #[test]
    fn functions_are_those_of_the_engine() {
        let engine: Vec<String> = SessionStateDefaults::default_scalar_functions()
            .iter()
            .map(|function| function.name().to_owned())
            .collect();
        let unknown: Vec<&&str> = SCALAR.iter().filter(|name| !engine.iter().any(|known| known == *name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
