//! The rows that every figure of idle things ends with: processor time, and what came back.

use crate::{
    machine::Memory,
    routes::Route,
    table::{Row, Table},
};

/// The gateway's memory before, with all of them, and after they were gone.
pub type Memories = [Memory; 3];

/// `busy` is how much of a core it took, in percent.
pub fn add_rows(table: &mut Table, count: f64, busy: f64, memories: Memories) {
    table.add(
        Row::new(format!("processor while all {count} idle, % of one core"))
            .cell(Route::Gateway, format!("{busy:.2}"))
            .goal(format!("near zero: {busy:.2} %")),
    );
    let [before, during, after] = memories;
    let grown = during.rss_kib - before.rss_kib;
    let given_back = 100.0 * (during.rss_kib - after.rss_kib) / grown;
    table.add(
        Row::new("RSS before, with all open, after all closed, MiB")
            .cell(
                Route::Gateway,
                memories
                    .map(|memory| format!("{:.0}", memory.rss_kib / 1024.0))
                    .join(" / "),
            )
            .goal(format!("given back: {given_back:.0} % of what came")),
    );
}
