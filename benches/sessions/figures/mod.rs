//! The figures, each in its file: what is measured, how often, and the lines it adds.

mod bulk;
mod copy;
mod echo;
mod idle;
mod kill;
mod rate;
mod recording;
mod setup;

use crate::{Result, plan::Plan, stage::Stage, table::Table};

pub async fn run_all(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    if plan.wants("setup") {
        setup::run(stage, plan, table).await?;
    }
    if plan.wants("rate") {
        rate::run(stage, plan, table).await?;
    }
    if plan.wants("bulk") {
        bulk::run(stage, plan, table).await?;
    }
    if plan.wants("copy") {
        copy::run(stage, plan, table).await?;
    }
    if plan.wants("echo") {
        echo::run(stage, plan, table).await?;
    }
    // Without a gateway there is nobody whose memory or kills could be measured.
    let Some(gateway) = stage.gateway() else {
        return Ok(());
    };
    if plan.wants("recording") {
        recording::run(stage, gateway, plan, table).await?;
    }
    if plan.wants("kill") {
        kill::run(stage, gateway, plan, table).await?;
    }
    if plan.wants("idle") {
        idle::run(stage, gateway, plan, table).await?;
    }
    Ok(())
}
