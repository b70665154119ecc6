//! SQL for experts: one question, to be read only, over one view of one state of the log.
//!
//! What is refused is refused by what it is, on the parsed statement and on the plan: anything but one `SELECT` (also
//! with `WITH`). There is no other table, no file, no address and no setting to name. The range of time is part of the
//! view, so that no text reaches beyond it. What makes much out of little is left out; see [`bounds`].

mod bounds;

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::config::Dialect;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Parsed;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use futures::StreamExt;

use super::job::Job;
use super::{ROWS_MAX, SearchError, Searcher, Window, view};
use crate::ast::Search;
use crate::fault::{Fault, nearest};

/// Longest SQL text, bytes.
pub const SQL_BYTES_MAX: usize = 65_536;
/// Most words and signs of one text: plans are walked by recursion.
const TOKENS_MAX: usize = 4_096;
/// Deepest nesting.
const NESTING_MAX: usize = 50;
/// Name of the one view.
const VIEW: &str = "events";

/// Largest reply, bytes of its values.
const SQL_REPLY_BYTES_MAX: usize = 64 << 20;

/// What SQL found.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlReply {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows: a value per column.
    pub rows: Vec<Vec<SqlValue>>,
    /// Whether there were more rows than were asked for.
    pub more: bool,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// NULL.
    Empty,
    /// True or false.
    Bool(bool),
    /// A whole number below zero or of a signed type.
    Integer(i64),
    /// A whole number of an unsigned type.
    Unsigned(u64),
    /// Any other number.
    Number(f64),
    /// Text; times as RFC 3339 in UTC.
    Text(String),
    /// A list.
    List(Vec<SqlValue>),
}

impl SqlValue {
    fn bytes(&self) -> usize {
        let beyond = match self {
            SqlValue::Text(text) => text.len(),
            SqlValue::List(values) => values.iter().map(SqlValue::bytes).sum(),
            _ => 0,
        };
        size_of::<SqlValue>() + beyond
    }
}

impl Searcher {
    /// Answers one `SELECT` over the view `events`, which holds the rows of `window` with the columns of
    /// [`crate::sql_columns`]. At most `rows_max` rows, never more than `ROWS_MAX`.
    ///
    /// # Errors
    /// `SearchError::Sql` with the place in the text when it is not one `SELECT`, cannot be read, names what is not
    /// there, asks for too much at once or fails on a value; otherwise as for searches.
    pub async fn sql(&self, text: &str, window: Window, rows_max: usize) -> Result<SqlReply, SearchError> {
        let (text, rows_max) = (text.to_owned(), rows_max.min(ROWS_MAX));
        self.run("sql", text.clone(), move |job| async move {
            let wrong = |error| told(&text, error);
            let statement = read(&text)?;
            let state = state(&job);
            let frame = job.matching(&Search::default(), window)?.select(view::columns())?;
            let engine = SessionContext::new_with_state(state);
            engine.register_table(VIEW, frame.into_view())?;
            let plan = engine.state().statement_to_plan(statement).await.map_err(wrong)?;
            let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
            reading.verify_plan(&plan).map_err(wrong)?;
            bounds::check_growth(&plan).map_err(wrong)?;
            let frame = DataFrame::new(engine.state(), plan).limit(0, Some(rows_max + 1))?;
            let columns = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
            let (mut rows, mut bytes, memory) = (Vec::new(), 0, job.memory("reply"));
            let mut batches = frame.execute_stream().await.map_err(wrong)?;
            while let Some(batch) = batches.next().await {
                let (batch, before) = (batch.map_err(wrong)?, bytes);
                for row in 0..batch.num_rows() {
                    let values = batch.columns().iter().map(|column| value(column, row));
                    let values = values.collect::<Result<Vec<SqlValue>, _>>()?;
                    bytes += values.iter().map(SqlValue::bytes).sum::<usize>();
                    if bytes > SQL_REPLY_BYTES_MAX {
                        let text = format!("a reply to SQL has at most {SQL_REPLY_BYTES_MAX} bytes");
                        return Err(SearchError::Limit(text));
                    }
                    rows.push(values);
                }
                memory.try_grow(bytes - before)?;
            }
            let more = rows.len() > rows_max;
            rows.truncate(rows_max);
            Ok(SqlReply { columns, rows, more })
        })
        .await
    }
}

/// The one statement, if it is one to read by.
fn read(text: &str) -> Result<Statement, SearchError> {
    let refuse = |message: String| Err(SearchError::Sql(Fault::new(0..text.len().min(SQL_BYTES_MAX), message)));
    if text.len() > SQL_BYTES_MAX {
        return refuse(format!("SQL has at most {SQL_BYTES_MAX} bytes"));
    }
    let dialect = PostgreSqlDialect {};
    if let Ok(tokens) = Tokenizer::new(&dialect, text).tokenize() {
        let counted = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).count();
        if counted > TOKENS_MAX {
            return refuse(format!("SQL has at most {TOKENS_MAX} words and signs; this has {counted}"));
        }
    }
    let parsed = datafusion::sql::parser::DFParserBuilder::new(text)
        .with_dialect(&dialect)
        .with_recursion_limit(NESTING_MAX)
        .build()
        .and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| told(text, error))?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(Statement::Statement(parsed)), true) if matches!(*parsed, Parsed::Query(_)) => {
            match bounds::refused(&parsed) {
                None => Ok(Statement::Statement(parsed)),
                Some((at, message)) => {
                    let known = at.start.line > 0;
                    let span = known.then(|| place(text, at.start.line, at.start.column, at.end.column));
                    let span = span.unwrap_or(0..text.len());
                    Err(SearchError::Sql(Fault::new(span, message)))
                }
            }
        }
        (None, _) => refuse("there is no SQL".to_owned()),
        (Some(_), true) => refuse("only SELECT is answered here: the log is read, never changed".to_owned()),
        (Some(_), false) => refuse("one SELECT at a time".to_owned()),
    }
}

/// An engine with one view to be, functions and nothing else.
fn state(job: &Job) -> SessionState {
    let mut config: SessionConfig =
        job.engine.copied_config().with_information_schema(false).with_create_default_catalog_and_schema(true);
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.execution.enable_recursive_ctes = false;
    let scalar = SessionStateDefaults::default_scalar_functions().into_iter();
    let scalar = scalar.filter(|function| bounds::has_scalar(function.name())).chain(view::functions()).collect();
    let aggregates = SessionStateDefaults::default_aggregate_functions().into_iter();
    let aggregates = aggregates.filter(|function| bounds::has_aggregate(function.name())).collect();
    SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(job.engine.runtime_env())
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(scalar)
        .with_aggregate_functions(aggregates)
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .build()
}

/// Whether an error says nothing of the text: files that cannot be read, memory that ran out, faults of the engine.
fn is_of_engine(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ParquetError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::IoError(_)
        | DataFusionError::External(_)
        | DataFusionError::ExecutionJoin(_)
        | DataFusionError::Internal(_)
        | DataFusionError::ResourcesExhausted(_) => true,
        DataFusionError::ArrowError(error, _) => matches!(
            error.as_ref(),
            ArrowError::IoError(..)
                | ArrowError::IpcError(_)
                | ArrowError::ParquetError(_)
                | ArrowError::ExternalError(_)
                | ArrowError::MemoryError(_)
        ),
        _ => false,
    }
}

/// What the engine says of a text, with the place.
fn told(text: &str, error: DataFusionError) -> SearchError {
    if is_of_engine(&error) {
        return SearchError::Engine(error);
    }
    let mut span = None;
    let mut message = None;
    let mut suggestion = None;
    let mut wrong: &DataFusionError = &error;
    loop {
        match wrong {
            DataFusionError::Diagnostic(diagnostic, inner) => {
                span = diagnostic.span.map(|span| place(text, span.start.line, span.start.column, span.end.column));
                wrong = inner;
            }
            DataFusionError::Context(_, inner) => wrong = inner,
            DataFusionError::Shared(inner) => wrong = inner,
            DataFusionError::Collection(errors) => match errors.first() {
                Some(first) => wrong = first,
                None => break,
            },
            DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => {
                message = Some(wrong.strip_backtrace());
                break;
            }
            DataFusionError::SQL(parser, _) => {
                let told = parser.to_string();
                let told = told.strip_prefix("sql parser error: ").unwrap_or(&told).to_owned();
                match told.split_once(" at Line: ") {
                    Some((said, at)) => {
                        let mut numbers = at.split(", Column: ").filter_map(|number| number.trim().parse().ok());
                        if let (Some(line), Some(column)) = (numbers.next(), numbers.next()) {
                            span = Some(place(text, line, column, column));
                        }
                        message = Some(said.to_owned());
                    }
                    None => message = Some(told),
                }
                break;
            }
            DataFusionError::SchemaError(schema, _) => {
                if let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref() {
                    message = Some(format!("no column `{}`", field.name()));
                    let known = valid_fields.iter().map(|known| known.name.as_str());
                    suggestion = nearest(&field.name, known).map(str::to_owned);
                }
                break;
            }
            _ => break,
        }
    }
    let message = message.unwrap_or_else(|| {
        let told = wrong.strip_backtrace();
        // The engine names the catalogue and schema it has looked in, of which nobody here knows.
        if let Some(name) = told.split_once("table '").and_then(|(_, rest)| rest.split_once("' not found")) {
            let name = name.0.rsplit('.').next().unwrap_or_default();
            return format!("no table `{name}`: there is one, `{VIEW}`");
        }
        told.strip_prefix("Error during planning: ").unwrap_or(&told).to_owned()
    });
    SearchError::Sql(Fault::new(span.unwrap_or(0..text.len()), message).suggest(suggestion))
}

/// Lines and columns of characters, from 1, as a range of bytes.
fn place(text: &str, line: u64, column: u64, end: u64) -> std::ops::Range<usize> {
    let line = usize::try_from(line).unwrap_or(1).max(1) - 1;
    let line_start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(line_start..).unwrap_or_default();
    let byte = |column: u64| {
        let chars = usize::try_from(column).unwrap_or(1).max(1) - 1;
        line_start + rest.char_indices().nth(chars).map_or(rest.len(), |(at, _)| at)
    };
    let start = byte(column).min(text.len());
    // A place without an end is that of a whole word.
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    let word = text[start..].find(|char| !is_word(char)).unwrap_or(text.len() - start);
    let first = text[start..].chars().next().map_or(0, char::len_utf8);
    start..byte(end).clamp(start, text.len()).max(start + word.max(first))
}

fn value(column: &dyn Array, row: usize) -> Result<SqlValue, DataFusionError> {
    if column.is_null(row) {
        return Ok(SqlValue::Empty);
    }
    let one = || column.slice(row, 1);
    let cast = |to: &DataType| arrow::compute::cast(&one(), to);
    Ok(match column.data_type() {
        DataType::Null => SqlValue::Empty,
        DataType::Boolean => SqlValue::Bool(column.as_boolean().value(row)),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            SqlValue::Integer(cast(&DataType::Int64)?.as_primitive::<Int64Type>().value(0))
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            SqlValue::Unsigned(cast(&DataType::UInt64)?.as_primitive::<UInt64Type>().value(0))
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            SqlValue::Number(cast(&DataType::Float64)?.as_primitive::<Float64Type>().value(0))
        }
        DataType::Timestamp(..) => {
            let micros = cast(&DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let micros = micros.as_primitive::<TimestampMicrosecondType>();
            match micros.is_valid(0) {
                true => SqlValue::Text(instant(micros.value(0))),
                // Too far away to be told as a time: the number it is.
                false => SqlValue::Integer(cast(&DataType::Int64)?.as_primitive::<Int64Type>().value(0)),
            }
        }
        DataType::Utf8 => SqlValue::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::List(_) => list(&column.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => list(&column.as_list::<i64>().value(row))?,
        DataType::Dictionary(_, of) => value(&cast(of)?, 0)?,
        _ => {
            let options = FormatOptions::default();
            SqlValue::Text(ArrayFormatter::try_new(&one(), &options)?.value(0).try_to_string()?)
        }
    })
}

fn list(values: &Arc<dyn Array>) -> Result<SqlValue, DataFusionError> {
    (0..values.len()).map(|at| value(values, at)).collect::<Result<_, _>>().map(SqlValue::List)
}

fn instant(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| time.to_string())
}
