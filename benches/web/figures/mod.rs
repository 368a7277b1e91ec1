//! The figures, each in its file: what is measured, how often, and the lines it adds.

mod bulk;
mod kill;
mod memory;
mod requests;
mod sockets;

use crate::{Result, plan::Plan, stage::Stage, table::Table};

pub async fn run_all(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    if plan.wants("requests") {
        requests::run(stage, plan, table).await?;
    }
    if plan.wants("bulk") {
        bulk::run(stage, plan, table).await?;
    }
    if plan.wants("memory") {
        memory::run(stage, plan, table).await?;
    }
    if plan.wants("sockets") {
        sockets::run(stage, plan, table).await?;
    }
    // Last, as it ends the check-out that the others use.
    if plan.wants("kill") {
        kill::run(stage, plan, table).await?;
    }
    Ok(())
}
