//! How long after a revoke is asked for the last byte of many live streams arrives.
//!
//! From just before the HTTP request is sent: the request, the decision with its audit event,
//! the cut. Every stream is a connection of its own with 1 KiB ten times a second.

use std::time::Duration;

use doorward::clock::Stopwatch;
use futures::future::join_all;
use tokio::time::timeout;

use crate::{
    Result,
    link::PATIENCE,
    plan::Plan,
    routes::Route,
    stage::Stage,
    stats::{Times, millis},
    table::{Row, Table},
};

const GOAL_MS: f64 = 100.0;
/// So that all of them flow.
const FLOWS_AFTER: Duration = Duration::from_millis(500);

pub async fn run(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    let (mut last_bytes, mut ends) = (Times::default(), Times::default());
    let mut checkout = stage.checkout().to_owned();
    for _ in 0..plan.kills {
        let streams = stage.links().streams(plan.streams).await?;
        let watch = Stopwatch::start();
        let revoke = async {
            tokio::time::sleep(FLOWS_AFTER).await;
            let asked = watch.elapsed();
            stage.gateway().revoke(&checkout).await?;
            Ok::<_, crate::Error>(asked)
        };
        let draining = join_all(streams.into_iter().map(|stream| stream.drained(&watch)));
        let ended = async {
            let drained = timeout(PATIENCE, draining).await;
            drained.map(|last| (last, watch.elapsed()))
        };
        let (asked, ended) = tokio::join!(revoke, ended);
        let asked = asked?;
        let (last, end) = ended.map_err(|_| "a stream outlived its check-out")?;
        if last.iter().any(Option::is_none) {
            return Err("a stream said nothing before it was cut".into());
        }
        let last = last.into_iter().flatten().max().unwrap_or_default();
        last_bytes.add(last.saturating_sub(asked));
        ends.add(end.saturating_sub(asked));
        checkout = stage.check_out_again().await?;
    }
    let worst = millis(last_bytes.worst());
    table.add(
        Row::new(format!(
            "revoke → last byte of {} live streams, {} revokes, p50 / worst ms",
            plan.streams,
            last_bytes.len()
        ))
        .cell(
            Route::Gateway,
            format!("{:.1} / {worst:.1}", millis(last_bytes.p50())),
        )
        .goal(format!("≤ {GOAL_MS} ms: {worst:.1} ms")),
    );
    table.add(
        Row::new("revoke → the last of their connections closed, p50 / worst ms").cell(
            Route::Gateway,
            format!("{:.1} / {:.1}", millis(ends.p50()), millis(ends.worst())),
        ),
    );
    Ok(())
}
