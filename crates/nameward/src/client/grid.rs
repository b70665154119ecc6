//! Tables of values and figures for people: columns as wide as what is in them, as long as the terminal has room.

use std::fmt::Write as _;

use crate::table::clip;

/// Narrowest a column of texts is made when there is no room.
const COLUMN_MIN: usize = 8;
/// Blanks between two columns.
const GAP: usize = 2;

/// Which side a column's cells keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Texts.
    Left,
    /// Figures; never cut.
    Right,
}

/// A table being filled.
pub(crate) struct Grid {
    heads: Vec<(String, Side)>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table with these headings.
    pub(crate) fn new<'a>(heads: impl IntoIterator<Item = (&'a str, Side)>) -> Grid {
        Grid { heads: heads.into_iter().map(|(head, side)| (head.to_owned(), side)).collect(), rows: Vec::new() }
    }

    /// One more row; as many cells as headings.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Lines of at most `width` characters where the figures leave room for that.
    pub(crate) fn text(&self, width: usize) -> String {
        let cell = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |cell| cell.chars().count());
        let mut widths: Vec<usize> = (0..self.heads.len())
            .map(|at| {
                let head = self.heads[at].0.chars().count();
                self.rows.iter().map(|row| cell(row, at)).chain([head]).max().unwrap_or(0)
            })
            .collect();
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > width {
            let texts = widths
                .iter_mut()
                .zip(&self.heads)
                .filter(|(width, (_, side))| *side == Side::Left && **width > COLUMN_MIN);
            let Some((widest, _)) = texts.max_by_key(|(width, _)| **width) else { break };
            *widest -= 1;
        }
        let mut text = String::new();
        let heads: Vec<String> = self.heads.iter().map(|(head, _)| head.clone()).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, (_, side)), width) in row.iter().zip(&self.heads).zip(&widths) {
                let cell = clip(cell, *width);
                let _ = match side {
                    Side::Left => write!(line, "{cell:<width$}"),
                    Side::Right => write!(line, "{cell:>width$}"),
                };
                line.push_str(&" ".repeat(GAP));
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

/// Characters of a small drawing, from nothing to most.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Counts as bars of one line's height; anything above zero is seen.
pub(crate) fn bars(counts: &[u64]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let top = (BARS.len() - 1) as u128;
    counts.iter().map(|count| BARS[(u128::from(*count) * top).div_ceil(u128::from(most)) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_make_room_for_figures() {
        let mut grid = Grid::new([("DOMAIN", Side::Left), ("EVENTS", Side::Right)]);
        grid.row(["a-rather-long-name.of-a-host.example.com".to_owned(), "12".to_owned()]);
        grid.row(["b\u{1b}[31m.example".to_owned(), "123456".to_owned()]);
        insta::assert_snapshot!(grid.text(80), @r"
        DOMAIN                                    EVENTS
        a-rather-long-name.of-a-host.example.com      12
        b·[31m.example                            123456
        ");
        insta::assert_snapshot!(grid.text(30), @r"
        DOMAIN                  EVENTS
        a-rather-long-name.of…      12
        b·[31m.example          123456
        ");
        assert!(grid.text(3).contains("a-rathe…"));
    }

    #[test]
    fn one_event_is_seen_beside_a_million() {
        assert_eq!(bars(&[0, 1, 500_000, 1_000_000]), " ▁▄█");
        assert_eq!(bars(&[0, 0]), "  ");
        assert_eq!(bars(&[u64::MAX]), "█");
    }
}
