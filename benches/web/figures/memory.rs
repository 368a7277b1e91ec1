//! The gateway's memory while one very large body goes through it, down and then up.

use std::time::Duration;

use crate::{
    Result,
    figures::bulk,
    machine,
    plan::Plan,
    routes::Route,
    stage::Stage,
    table::{Row, Table},
};

const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// Flat is within this much of what it had.
const GOAL_MIB: f64 = 16.0;

pub async fn run(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    let mib = plan.body_mib;
    let down = stage.large(Route::Gateway, &format!("/own/bytes?{}", mib << 20))?;
    let up = stage.large(Route::Gateway, "/own/sink")?;
    let file = stage.hollow_file(mib)?;
    // What any body leaves behind for ever (buffers, threads) is no cost of a large one.
    let warm = stage.large(Route::Gateway, &format!("/own/bytes?{}", 64 << 20))?;
    bulk::down(&warm, 64).await?;
    for name in ["down", "up"] {
        let before = resident(stage)?;
        let body = async {
            match name {
                "down" => bulk::down(&down, mib).await,
                _ => bulk::up(&up, &file, mib).await,
            }
        };
        let (mut most, mut body) = (before, std::pin::pin!(body));
        let moved = loop {
            tokio::select! {
                moved = &mut body => break moved,
                () = tokio::time::sleep(LOOKS_EVERY) => most = most.max(resident(stage)?),
            }
        };
        moved?;
        let after = resident(stage)?;
        table.add(
            Row::new(format!(
                "RSS before, most during, after a body of {mib} MiB {name}, MiB"
            ))
            .cell(
                Route::Gateway,
                format!("{before:.1} / {most:.1} / {after:.1}"),
            )
            .goal(format!(
                "flat (≤ {GOAL_MIB} MiB more): {:.1} MiB",
                most - before
            )),
        );
    }
    Ok(())
}

fn resident(stage: &Stage) -> Result<f64> {
    Ok(machine::memory(stage.gateway().pid())?.rss_kib / 1024.0)
}
