//! One run of a bench: bounded in time, ended by a signal, told by an exit code.
//!
//! What is measured is the bench's own; here is only how it begins and ends.

use std::{process::ExitCode, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use crate::{Result, table::Table};

/// `cargo bench` says so; everybody else who starts the target (a list of tests) gets nothing.
pub fn is_asked_for() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// What it measures, unless that takes too long or somebody ends it.
pub async fn within(
    longest: Duration,
    measuring: impl Future<Output = Result<Table>>,
) -> Result<Table> {
    tokio::select! {
        outcome = timeout(longest, measuring) => {
            outcome.unwrap_or_else(|_| Err(format!("not done after {longest:?}").into()))
        }
        name = interrupted() => Err(format!("ended by {name}").into()),
    }
}

pub fn report(bench: &str, outcome: Result<Table>) -> ExitCode {
    match outcome {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{bench}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() -> &'static str {
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be listened to");
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be listened to");
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
