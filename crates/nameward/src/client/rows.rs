//! Events that match, page by page.

use api::RowsReply;

use super::lines::Lines;
use super::{Client, SearchArgs, Span, refused};
use crate::cli::Ended;

/// Events in a table when no limit is named.
const TABLE_ROWS_DEFAULT: u32 = 100;
/// Most events that are turned round here; the server turns round all of a range, as a file.
pub(super) const TURNED_MAX: u32 = 100_000;

/// Shows the newest events of the range, newest first, or turned round.
pub(super) fn rows(server: &Client, args: &SearchArgs, span: &Span, table: bool) -> anyhow::Result<Ended> {
    let mut lines = Lines::new(table);
    let limit = args.limit.or(table.then_some(TABLE_ROWS_DEFAULT)).map_or(usize::MAX, |limit| limit as usize);
    let mut turned = Vec::new();
    let mut cursor: Option<String> = None;
    let mut span = span.clone();
    let mut shown = 0;
    while shown < limit {
        let page = (limit - shown).min(api::ROWS_MAX as usize).to_string();
        let mut query = vec![("q", args.search.as_str()), ("from", &span.from), ("to", &span.to), ("limit", &page)];
        if let Some(cursor) = &cursor {
            query.push(("cursor", cursor));
        }
        let reply: RowsReply = match server.get("log/rows", &query)? {
            Ok(reply) => reply,
            Err(problem) => return refused(&args.search, &problem),
        };
        shown += reply.rows.len();
        if args.reverse {
            turned.extend(reply.rows);
        } else {
            reply.rows.iter().try_for_each(|row| lines.write(row))?;
        }
        // Later pages keep to the first page's range: it must not slide while paging.
        let said = format!("from {} to {}", reply.range.from, reply.range.to);
        span = Span { from: reply.range.from, to: reply.range.to, said };
        cursor = reply.next;
        if cursor.is_none() {
            break;
        }
    }
    turned.iter().rev().try_for_each(|row| lines.write(row))?;
    lines.flush()?;
    if shown == 0 {
        return Ok(nothing(&span));
    }
    Ok(Ended::Done)
}

/// Says in which range nothing was found.
pub(super) fn nothing(span: &Span) -> Ended {
    eprintln!("nothing found {}", span.said);
    Ended::Nothing
}
