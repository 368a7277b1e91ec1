//! What idle recorded sessions cost the gateway, and what it gives back when they close.
//!
//! The sessions are real `ssh` processes with a terminal, each on a connection of its own.

use std::time::Duration;

use futures::future::try_join_all;
use tokio::{io::AsyncWriteExt, process::Child, time::timeout};

use crate::{
    Error, Result,
    clients::{PATIENCE, ready, ssh_on_a_pty},
    gateway::Gateway,
    idleness,
    machine::{cpu_seconds, memory},
    plan::{PARALLEL, Plan},
    routes::{Offer, Route},
    stage::Stage,
    table::{Row, Table},
};

const GOAL_KIB: f64 = 150.0;
/// So long a gateway may take to put away what closed sessions leave.
const SETTLES_IN: Duration = Duration::from_secs(3);
const CLOSES_WITHIN: Duration = Duration::from_secs(60);

pub async fn run(stage: &Stage, gateway: &Gateway, plan: &Plan, table: &mut Table) -> Result<()> {
    // What any session leaves behind for ever (pools, threads) is no cost of one.
    close(gateway, open(stage, PARALLEL).await?).await?;
    tokio::time::sleep(SETTLES_IN).await;
    let before = memory(gateway.pid())?;

    let mut sessions = Vec::new();
    while sessions.len() < plan.idle_sessions {
        let next = PARALLEL.min(plan.idle_sessions - sessions.len());
        sessions.append(&mut open(stage, next).await?);
    }
    tokio::time::sleep(SETTLES_IN).await;
    let during = memory(gateway.pid())?;
    let used = cpu_seconds(gateway.pid())?;
    tokio::time::sleep(plan.idle_for).await;
    let used = cpu_seconds(gateway.pid())? - used;
    let busy = 100.0 * used / plan.idle_for.as_secs_f64();

    close(gateway, sessions).await?;
    tokio::time::sleep(SETTLES_IN).await;
    let after = memory(gateway.pid())?;

    let count = plan.idle_sessions as f64;
    let each = (during.pss_kib - before.pss_kib) / count;
    let each_rss = (during.rss_kib - before.rss_kib) / count;
    table.add(
        Row::new(format!(
            "memory of an idle recorded session at {count}, PSS / RSS KiB"
        ))
        .cell(Route::Gateway, format!("{each:.0} / {each_rss:.0}"))
        .goal(format!("≤ {GOAL_KIB} KiB: {each:.0} KiB")),
    );
    idleness::add_rows(table, count, busy, [before, during, after]);
    Ok(())
}

async fn open(stage: &Stage, count: usize) -> Result<Vec<Child>> {
    let one = async || -> Result<Child> {
        // One byte ends it, as `exit` would.
        let command = "head -c 1 >/dev/null";
        let host = Route::Gateway.host();
        let mut child = ssh_on_a_pty(stage.roads(), Offer::Curve25519, host, command).spawn()?;
        ready(child.stdout.as_mut().expect("it is piped")).await?;
        Ok(child)
    };
    try_join_all((0..count).map(|_| one())).await
}

/// Each by itself, as when people log out; done when the gateway counts none any more.
async fn close(gateway: &Gateway, sessions: Vec<Child>) -> Result<()> {
    for mut session in sessions {
        let stdin = session.stdin.as_mut().expect("it is piped");
        stdin.write_all(b"x").await?;
        stdin.flush().await?;
        timeout(PATIENCE, session.wait())
            .await
            .map_err(|_| "a session did not close")??;
    }
    let closing = async {
        while gateway.live_sessions().await? > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok::<(), Error>(())
    };
    timeout(CLOSES_WITHIN, closing)
        .await
        .map_err(|_| "the gateway still counts sessions")?
}
