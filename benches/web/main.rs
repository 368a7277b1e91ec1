//! How fast web targets are through the gateway, beside nginx as TLS reverse proxy and the
//! direct connection, on the same cores in one run.
//!
//! Starts everything itself on loopback, measures the three routes in turns, and prints one
//! markdown table. Nothing large is put on the disk, and nothing is left behind.
//!
//! `make bench` runs it; `cargo bench --bench web -- requests kill` only these figures.
//! `DOORWARD_BENCH_QUICK=1` makes it short, `plan.rs` lists the counts that can be set.

mod figures;
#[path = "../sessions/gateway.rs"]
#[allow(dead_code)]
mod gateway;
#[path = "../sessions/idleness.rs"]
mod idleness;
mod link;
#[path = "../sessions/machine.rs"]
mod machine;
mod nginx;
mod plan;
mod programs;
mod routes;
#[path = "../sessions/run.rs"]
mod run;
#[path = "../sessions/sshd.rs"]
#[allow(dead_code)]
mod sshd;
mod stage;
#[path = "../sessions/stats.rs"]
#[allow(dead_code)]
mod stats;
#[path = "../sessions/table.rs"]
mod table;
mod target;

use std::process::ExitCode;

use self::{plan::Plan, stage::Stage, table::Table};

/// A measurement that fails ends the run: half a table would be believed.
type Error = Box<dyn std::error::Error>;
type Result<T, E = Error> = std::result::Result<T, E>;

// One thread: what is measured is other processes, and a second thread would take from them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A process of its own, so that what it costs can be told from the rest.
    if std::env::args()
        .nth(1)
        .is_some_and(|word| word == target::WORD)
    {
        return target::serve().await;
    }
    if !run::is_asked_for() {
        return ExitCode::SUCCESS;
    }
    run::report("web", bench().await)
}

async fn bench() -> Result<Table> {
    let plan = Plan::from_environment(std::env::args().skip(1))?;
    let mut stage = Stage::new()?;
    let outcome = run::within(plan.longest_run, measure(&mut stage, &plan)).await;
    stage.clear().await;
    outcome
}

async fn measure(stage: &mut Stage, plan: &Plan) -> Result<Table> {
    programs::need("wrk", "-v", "wrk").await?;
    programs::need("/usr/sbin/nginx", "-v", "nginx-light").await?;
    programs::need("curl", "-V", "curl").await?;
    stage.build().await?;
    let mut machine = machine::describe().await;
    machine.push_str(", ");
    machine.push_str(&nginx::version().await);
    let mut table = Table::new(machine, plan);
    figures::run_all(stage, plan, &mut table).await?;
    Ok(table)
}
