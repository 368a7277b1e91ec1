//! What WebSockets that say nothing cost the gateway, and what it gives back when they close.
//!
//! Each is a TLS connection of its own with one of its own to the target behind it.

use std::{fs, time::Duration};

use crate::{
    Result, idleness,
    machine::{cpu_seconds, memory},
    plan::Plan,
    routes::Route,
    stage::Stage,
    table::{Row, Table},
};

const GOAL_KIB: f64 = 40.0;
/// So long a gateway may take to put away what closed ones leave.
const SETTLES_IN: Duration = Duration::from_secs(5);
const IDLE_FOR: Duration = Duration::from_secs(10);
/// Opened and closed before anything is counted.
const FIRST: usize = 64;
/// What the gateway has open besides.
const OTHER_FILES: usize = 400;

pub async fn run(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    let count = allowed(plan.sockets)?;
    let pid = stage.gateway().pid();
    // What any of them leaves behind for ever (pools, threads) is no cost of one.
    drop(stage.links().sockets(FIRST).await?);
    tokio::time::sleep(SETTLES_IN).await;
    let before = memory(pid)?;
    let sockets = stage.links().sockets(count).await?;
    tokio::time::sleep(SETTLES_IN).await;
    let during = memory(pid)?;
    let used = cpu_seconds(pid)?;
    tokio::time::sleep(IDLE_FOR).await;
    let busy = 100.0 * (cpu_seconds(pid)? - used) / IDLE_FOR.as_secs_f64();
    drop(sockets);
    tokio::time::sleep(SETTLES_IN).await;
    let after = memory(pid)?;

    let count = count as f64;
    let each = (during.pss_kib - before.pss_kib) / count;
    table.add(
        Row::new(format!("memory of an idle WebSocket at {count}, PSS KiB"))
            .cell(Route::Gateway, format!("{each:.1}"))
            .goal(format!("≤ {GOAL_KIB} KiB: {each:.1} KiB")),
    );
    idleness::add_rows(table, count, busy, [before, during, after]);
    Ok(())
}

/// So many of them as open files are allowed for: the gateway, which has two for each, inherits
/// this process's limit.
fn allowed(sockets: usize) -> Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let most = line.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    let most = most.map_or(sockets, |most| most.saturating_sub(OTHER_FILES) / 2);
    match most {
        0..FIRST => Err("too few open files are allowed: ulimit -n".into()),
        most => Ok(sockets.min(most)),
    }
}
