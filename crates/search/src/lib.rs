//! What an analyst asks of the log: parse (with spans and suggestions), check, compile to DataFusion, run.
//!
//! Knows the event columns and the store's table; knows nothing of HTTP, of the terminal or of DNS servers.
//!
//! A text becomes a [`Search`] with [`parse`]; a [`Searcher`] runs it over the log, and [`Search::matches`] holds it
//! against one live row. Both ways agree: a property test compares them on random searches and rows.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod ast;
mod compile;
mod complete;
mod fault;
mod fields;
mod functions;
mod matcher;
mod moment;
mod names;
mod net;
mod parser;
mod pattern;
mod print;
mod run;
mod scan;
mod to_sql;
mod tokens;
mod units;
mod values;

#[cfg(test)]
mod code_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod question_tests;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod sample;

pub use ast::Search;
pub use complete::{Completions, PROPOSALS_MAX, Proposal, ProposalKind, complete};
pub use fault::{Fault, caret, nearest};
pub use fields::{FIELDS, Field, field};
pub use moment::instant;
pub use parser::{NESTING_MAX, REGEXES_MAX, TEXT_BYTES_MAX, VALUES_MAX, parse};
pub use run::{
    Around, Change, Compared, Count, Cursor, Distinct, DistinctCount, Explained, Figures, Finding, LINES_MAX, Limits,
    Lines, Matrix, MatrixRow, Order, POINTS_MAX, Quantiles, ROWS_MAX, Rows, Running, SQL_BYTES_MAX, SearchError,
    Searcher, Series, SqlReply, SqlValue, TOP_MAX, Top, ValueQuantiles, Window,
};
pub use to_sql::to_sql;
pub use tokens::{Token, TokenKind, tokens};

/// The columns of the view `events` that SQL reads.
#[must_use]
pub fn sql_columns() -> Vec<&'static str> {
    run::view::names().collect()
}
