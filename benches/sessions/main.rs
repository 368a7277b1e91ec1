//! How fast the gateway is, beside the direct connection and `ssh -J` through a second sshd.
//!
//! Starts everything itself on loopback, measures the three routes in turns so that noise hits
//! all alike, and prints one markdown table. Leaves nothing behind, on Ctrl-C neither.
//!
//! `make bench` runs it; `cargo bench --bench sessions -- setup kill` only these figures.
//! `DOORWARD_BENCH_QUICK=1` makes it short, `plan.rs` lists the counts that can be set.

mod clients;
mod figures;
// The web bench uses it too, and other parts of it.
#[allow(dead_code)]
mod gateway;
mod idleness;
mod machine;
mod plan;
mod routes;
mod run;
mod sshd;
mod stage;
mod stats;
mod table;

use std::process::ExitCode;

use self::{plan::Plan, stage::Stage, table::Table};

/// A measurement that fails ends the run: half a table would be believed.
type Error = Box<dyn std::error::Error>;
type Result<T, E = Error> = std::result::Result<T, E>;

// One thread: what is measured is other processes, and a second thread would take from them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if !run::is_asked_for() {
        return ExitCode::SUCCESS;
    }
    run::report("sessions", bench().await)
}

async fn bench() -> Result<Table> {
    let plan = Plan::from_environment(std::env::args().skip(1))?;
    let mut stage = Stage::new()?;
    let outcome = run::within(plan.longest_run, measure(&mut stage, &plan)).await;
    stage.clear().await;
    outcome
}

async fn measure(stage: &mut Stage, plan: &Plan) -> Result<Table> {
    stage.build(plan).await?;
    let mut table = Table::new(machine::describe().await, plan);
    figures::run_all(stage, plan, &mut table).await?;
    Ok(table)
}
