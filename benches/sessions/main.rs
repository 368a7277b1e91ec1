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
mod machine;
mod plan;
mod routes;
mod sshd;
mod stage;
mod stats;
mod table;

use std::process::ExitCode;

use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use self::{plan::Plan, stage::Stage, table::Table};

/// A measurement that fails ends the run: half a table would be believed.
type Error = Box<dyn std::error::Error>;
type Result<T, E = Error> = std::result::Result<T, E>;

// One thread: what is measured is other processes, and a second thread would take from them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // `cargo bench` says so; everybody else who starts the target (a list of tests) gets nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match bench().await {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("sessions: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<Table> {
    let plan = Plan::from_environment(std::env::args().skip(1))?;
    let mut stage = Stage::new()?;
    let outcome = tokio::select! {
        outcome = timeout(plan.longest_run, measure(&mut stage, &plan)) => {
            outcome.unwrap_or_else(|_| Err(format!("not done after {:?}", plan.longest_run).into()))
        }
        name = interrupted() => Err(format!("ended by {name}").into()),
    };
    stage.clear().await;
    outcome
}

async fn measure(stage: &mut Stage, plan: &Plan) -> Result<Table> {
    stage.build(plan).await?;
    let mut table = Table::new(machine::describe().await, plan);
    figures::run_all(stage, plan, &mut table).await?;
    Ok(table)
}

async fn interrupted() -> &'static str {
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be listened to");
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be listened to");
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
