//! The one table: a line a figure, a column a route, in markdown.

use std::fmt;

use crate::{plan::Plan, routes::Route};

pub struct Table {
    machine: String,
    run: String,
    rows: Vec<Row>,
}

pub struct Row {
    what: String,
    cells: Vec<(Route, String)>,
    goal: String,
}

impl Row {
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            cells: Vec::new(),
            goal: String::new(),
        }
    }

    pub fn cell(mut self, route: Route, text: impl Into<String>) -> Self {
        self.cells.push((route, text.into()));
        self
    }

    /// What it should be, and what it is in the same terms.
    pub fn goal(mut self, text: impl Into<String>) -> Self {
        self.goal = text.into();
        self
    }
}

impl Table {
    pub fn new(machine: String, plan: &Plan) -> Self {
        Self {
            machine,
            run: plan.says(),
            rows: Vec::new(),
        }
    }

    /// Takes a line, and shows it already to whoever waits for the end.
    pub fn add(&mut self, row: Row) {
        eprintln!("{row}");
        self.rows.push(row);
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} |", self.what)?;
        for route in Route::ALL {
            let cell = self.cells.iter().find(|(of, _)| *of == route);
            write!(f, " {} |", cell.map_or("–", |(_, text)| text))?;
        }
        write!(f, " {} |", self.goal)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{}\n", self.machine, self.run)?;
        write!(f, "| |")?;
        for route in Route::ALL {
            write!(f, " {} |", route.title())?;
        }
        writeln!(f, " goal: reached |\n| --- | ---: | ---: | ---: | --- |")?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        Ok(())
    }
}
