//! Tables for people: a header, rows, two blanks between columns, no lines.
//!
//! Cells are made inert and single-lined here; the width is the terminal's.

use comfy_table::{CellAlignment, ContentArrangement};

use super::screen::{Screen, one_line};

pub struct Table {
    inner: comfy_table::Table,
    columns: usize,
    rows: usize,
}

impl Table {
    pub fn new(header: &[&str]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(comfy_table::presets::NOTHING);
        inner.set_header(header.iter().copied());
        Self {
            inner,
            columns: header.len(),
            rows: 0,
        }
    }

    pub fn row<I>(&mut self, cells: I)
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let cells = cells.into_iter().map(|cell| match cell.as_ref() {
            "" => "-".to_owned(),
            text => one_line(text),
        });
        self.inner.add_row(cells.collect::<Vec<_>>());
        self.rows += 1;
    }

    /// Numbers stand below each other at the right.
    pub fn right(&mut self, column: usize) {
        if let Some(column) = self.inner.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }

    /// The table, or `empty` where it has no row.
    pub fn shown(mut self, screen: &Screen, empty: &str) -> String {
        if self.rows == 0 {
            return empty.to_owned();
        }
        for index in 0..self.columns {
            if let Some(column) = self.inner.column_mut(index) {
                let after = if index + 1 == self.columns { 0 } else { 2 };
                column.set_padding((0, after));
            }
        }
        self.inner
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(screen.width());
        self.inner.trim_fmt()
    }
}

/// Names and values below each other; what is empty is left out.
#[derive(Default)]
pub struct Card {
    lines: Vec<(String, String)>,
}

impl Card {
    pub fn line(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.lines.push((name.to_owned(), value));
        }
    }

    pub fn shown(&self) -> String {
        let widest = self
            .lines
            .iter()
            .map(|(name, _)| name.chars().count())
            .max();
        let widest = widest.unwrap_or_default();
        let lines = self.lines.iter().map(|(name, value)| {
            let value = super::screen::indented(value, widest + 2);
            format!("{name:widest$}  {value}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_plain_columns() {
        let mut table = Table::new(&["CODE", "TARGET"]);
        table.row(["7K3F", "db1"]);
        table.row(["8Q2M", ""]);
        assert_eq!(
            table.shown(&Screen::people(), "Nothing."),
            "CODE  TARGET\n7K3F  db1\n8Q2M  -"
        );
        assert_eq!(
            Table::new(&["A"]).shown(&Screen::people(), "Nothing."),
            "Nothing."
        );
    }

    #[test]
    fn a_cell_cannot_move_the_cursor_or_add_a_line() {
        let mut table = Table::new(&["REASON"]);
        table.row(["a\u{1b}[2J\nb"]);
        assert_eq!(table.shown(&Screen::people(), ""), "REASON\na[2J b");
    }

    #[test]
    fn a_card_lines_up_and_leaves_out_what_is_empty() {
        let mut card = Card::default();
        card.line("target", "db1");
        card.line("ticket", "");
        card.line("reason for it", "one\ntwo");
        assert_eq!(
            card.shown(),
            "target         db1\nreason for it  one\n               two"
        );
    }
}
