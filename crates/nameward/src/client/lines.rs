//! Where events are written: a table's lines for people, JSON lines for programs.

use std::io::{self, IsTerminal as _, Write as _};

use api::EventRow;

use crate::table::Layout;

/// Characters in a line when the output is no terminal.
const WIDTH_DEFAULT: usize = 160;

/// Characters in a line of the terminal.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH_DEFAULT, |(width, _)| usize::from(width.0))
}

/// Events on standard output, in the form asked for.
pub(crate) struct Lines {
    out: io::BufWriter<io::Stdout>,
    layout: Option<Layout>,
    begun: bool,
}

impl Lines {
    pub(crate) fn new(table: bool) -> Lines {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let layout = table.then(|| Layout { width: width(), colour });
        Lines { out: io::BufWriter::new(io::stdout()), layout, begun: false }
    }

    pub(crate) fn write(&mut self, row: &EventRow) -> anyhow::Result<()> {
        match self.layout {
            Some(layout) => {
                if !std::mem::replace(&mut self.begun, true) {
                    writeln!(self.out, "{}", layout.heading())?;
                }
                writeln!(self.out, "{}", layout.line(row))?;
            }
            None => {
                serde_json::to_writer(&mut self.out, row).map_err(io::Error::from)?;
                writeln!(self.out)?;
            }
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.out.flush()?)
    }
}
