//! What an analyst asks of the log: parse (with spans and suggestions), check, compile to DataFusion, run.
//!
//! Knows the event columns and the store's table; knows nothing of HTTP, of the terminal or of DNS servers.
//!
//! A text becomes a [`Search`] with [`parse`]; a [`Searcher`] runs it over the log, and [`Search::matches`] holds it
//! against one live row. Both ways agree: a property test compares them on random searches and rows.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod ast;
mod compile;
mod fault;
mod fields;
mod matcher;
mod moment;
mod net;
mod parser;
mod pattern;
mod print;
mod run;
mod scan;
mod units;
mod values;

#[cfg(test)]
mod code_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod sample;

pub use ast::Search;
pub use fault::{Fault, caret, nearest};
pub use fields::{FIELDS, Field, field};
pub use moment::instant;
pub use parser::{NESTING_MAX, REGEXES_MAX, TEXT_BYTES_MAX, VALUES_MAX, parse};
pub use run::{
    Count, Cursor, Figures, LINES_MAX, Limits, Matrix, MatrixRow, POINTS_MAX, ROWS_MAX, SearchError, Searcher, Series,
    TOP_MAX, Top, Window,
};
