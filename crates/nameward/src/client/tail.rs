//! Events as they come: the newest first of all, then each as the server sends it.

use std::io::{BufRead as _, BufReader, Read as _};

use anyhow::{Context as _, bail};
use api::TailRows;

use super::lines::Lines;
use super::{Client, refused};
use crate::cli::Ended;

/// Newest events to begin with when not told.
pub(super) const LAST_DEFAULT: u32 = 10;
/// Longest line of the server, bytes: so many rows in one send are far shorter.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Shows the newest `last` events, oldest of them first, then those that come, until `stop` were shown.
pub(super) fn follow(
    server: &Client,
    search: &str,
    last: u32,
    stop: Option<u64>,
    table: bool,
) -> anyhow::Result<Ended> {
    let last = last.to_string();
    let reply = match server.open("log/tail", &[("q", search), ("last", &last)])? {
        Ok(reply) => reply,
        Err(problem) => return refused(search, &problem),
    };
    let mut lines = Lines::new(table);
    let mut left = stop.map_or(usize::MAX, |stop| usize::try_from(stop).unwrap_or(usize::MAX));
    let mut body = BufReader::new(reply.into_body().into_reader());
    let mut line = String::new();
    loop {
        line.clear();
        let length = body.by_ref().take(LINE_BYTES_MAX).read_line(&mut line).context("the server went away")?;
        if length == 0 {
            bail!("the server closed the connection");
        }
        let Some(data) = line.strip_prefix("data:") else { continue };
        let batch: TailRows = serde_json::from_str(data.trim()).context("the server's reply cannot be read")?;
        batch.rows.iter().rev().take(left).try_for_each(|row| lines.write(row))?;
        left = left.saturating_sub(batch.rows.len());
        lines.flush()?;
        if batch.skipped > 0 {
            eprintln!("({} more events came than are shown)", batch.skipped);
        }
        if left == 0 {
            return Ok(Ended::Done);
        }
    }
}
