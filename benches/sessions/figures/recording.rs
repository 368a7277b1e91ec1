//! What recording costs: the same bytes down one session, recorded and not recorded in turns.
//!
//! Both through the gateway: what a direct connection does stands in the rows of bulk.

use crate::{
    Result,
    figures::bulk::{self, Way},
    gateway::Gateway,
    plan::Plan,
    routes::{Offer, Route},
    stage::{REVOKED, Stage},
    stats::median,
    table::{Row, Table},
};

const GOAL_PERCENT: f64 = 10.0;

pub async fn run(stage: &Stage, gateway: &Gateway, plan: &Plan, table: &mut Table) -> Result<()> {
    for (file, what) in [
        (bulk::random(stage, plan)?, "random bytes"),
        (bulk::text(stage, plan)?, "text"),
    ] {
        let mut speeds = [("required", Vec::new()), ("off", Vec::new())];
        for _ in 0..plan.rounds {
            for (mode, speeds) in &mut speeds {
                gateway.record(mode).await?;
                let checkout = gateway.check_out("other", "target").await?;
                let offer = Offer::Curve25519Aes;
                let seconds = bulk::move_file(stage, offer, Way::Down, &file, REVOKED).await?;
                speeds.push(plan.bulk_mib as f64 / seconds);
                gateway.revoke(&checkout).await?;
                gateway.forget_recordings()?;
            }
        }
        gateway.record("required").await?;
        let [recorded, unrecorded] = speeds.map(|(_, speeds)| median(&speeds));
        let cost = 100.0 * (1.0 - recorded / unrecorded);
        table.add(
            Row::new(format!(
                "bulk down, {what}, aes256-gcm@openssh.com, recorded / not recorded, MiB/s"
            ))
            .cell(Route::Gateway, format!("{recorded:.0} / {unrecorded:.0}"))
            .goal(format!("costs ≤ {GOAL_PERCENT} %: {cost:.0} %")),
        );
    }
    Ok(())
}
