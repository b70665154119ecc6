//! Which segments a search need not read.

use datafusion::logical_expr::Between;
use datafusion::prelude::{col, lit};

use super::*;

fn at(micros: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())))
}

/// `None` is no bound.
fn check(filter: Expr, first: Option<i64>, last: Option<i64>) {
    let name = filter.to_string();
    let expect = Span { first: first.unwrap_or(i64::MIN), last: last.unwrap_or(i64::MAX) };
    assert_eq!(Span::of(&[filter]), expect, "{name}");
}

#[test]
fn comparisons_of_time_narrow_the_span() {
    check(col("time").gt_eq(at(5)), Some(5), None);
    check(col("time").gt(at(5)), Some(6), None);
    check(col("time").lt_eq(at(5)), None, Some(5));
    check(col("time").lt(at(5)), None, Some(4));
    check(col("time").eq(at(5)), Some(5), Some(5));
    check(at(5).lt(col("time")), Some(6), None);
    check(at(5).gt_eq(col("time")), None, Some(5));
    check(col("time").between(at(3), at(5)), Some(3), Some(5));
    check(col("time").gt_eq(at(3)).and(col("time").lt(at(9))).and(col("time").gt_eq(at(4))), Some(4), Some(8));
    check(col("time").gt(at(i64::MAX)), Some(i64::MAX), None);
}

#[test]
fn everything_else_narrows_nothing() {
    check(col("time").not_eq(at(5)), None, None);
    check(col("ttl").gt(lit(5_u32)), None, None);
    check(col("time").gt_eq(at(5)).or(col("ttl").gt(lit(5_u32))), None, None);
    let not_between = Between::new(Box::new(col("time")), true, Box::new(at(3)), Box::new(at(5)));
    check(Expr::Between(not_between), None, None);
    check(col("time").gt(lit(ScalarValue::TimestampMicrosecond(None, Some("UTC".into())))), None, None);
    check(col("time").gt_eq(at(5)).and(col("rcode").eq(lit(3_u16))), Some(5), None);
}

#[test]
fn filters_apply_together() {
    let span = Span::of(&[col("time").gt_eq(at(3)), col("time").lt(at(9))]);
    assert_eq!(span, Span { first: 3, last: 8 });
}
