//! How many `ssh HOST true` a second with several at once, and what each costs the gateway.

use std::cell::Cell;

use doorward::clock::Stopwatch;
use futures::future::try_join_all;

use crate::{
    Result,
    clients::time_of_true,
    machine::cpu_seconds,
    plan::{PARALLEL, Plan},
    routes::{Offer, Route},
    stage::Stage,
    stats::median,
    table::{Row, Table},
};

const GOAL: f64 = 0.8;

pub async fn run(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    one(
        stage,
        plan,
        table,
        Offer::Curve25519,
        "curve25519-sha256 everywhere",
    )
    .await?;
    one(stage, plan, table, Offer::Defaults, "the client's defaults").await
}

async fn one(
    stage: &Stage,
    plan: &Plan,
    table: &mut Table,
    offer: Offer,
    title: &str,
) -> Result<()> {
    let mut rates: Vec<(Route, Vec<f64>)> = stage
        .routes()
        .into_iter()
        .map(|route| (route, Vec::new()))
        .collect();
    let mut cost = Vec::new();
    for _ in 0..plan.rounds {
        for (route, rates) in &mut rates {
            let before = stage
                .gateway()
                .map(|gateway| cpu_seconds(gateway.pid()))
                .transpose()?;
            rates.push(burst(stage, plan, offer, *route).await?);
            if let (Route::Gateway, Some(gateway), Some(before)) = (*route, stage.gateway(), before)
            {
                let used = cpu_seconds(gateway.pid())? - before;
                cost.push(1_000.0 * used / plan.burst as f64);
            }
        }
    }
    let of = |wanted: Route| {
        let found = rates.iter().find(|(route, _)| *route == wanted);
        found.map(|(_, rates)| median(rates))
    };
    let mut row = Row::new(format!("sessions per second, {PARALLEL} at once, {title}"));
    for (route, rates) in &rates {
        row = row.cell(*route, format!("{:.1}", median(rates)));
    }
    if let (Some(direct), Some(gateway)) = (of(Route::Direct), of(Route::Gateway)) {
        let share = gateway / direct;
        row = row.goal(match offer {
            Offer::Defaults => format!("ahead of direct: {share:.2} of it"),
            Offer::Curve25519 | Offer::Curve25519Aes => {
                format!("≥ {GOAL} of direct: {share:.2}")
            }
        });
    }
    table.add(row);
    if !cost.is_empty() {
        let row = Row::new(format!(
            "processor time of the gateway for one of them, {title}, ms"
        ));
        table.add(row.cell(Route::Gateway, format!("{:.1}", median(&cost))));
    }
    Ok(())
}

async fn burst(stage: &Stage, plan: &Plan, offer: Offer, route: Route) -> Result<f64> {
    let left = Cell::new(plan.burst);
    let watch = Stopwatch::start();
    let line = async || -> Result<()> {
        while left.get() > 0 {
            left.set(left.get() - 1);
            time_of_true(stage.roads(), offer, route.host()).await?;
        }
        Ok(())
    };
    try_join_all((0..PARALLEL).map(|_| line())).await?;
    Ok(plan.burst as f64 / watch.elapsed().as_secs_f64())
}
