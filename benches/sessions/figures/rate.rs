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
    let title = "curve25519-sha256 everywhere";
    let measured = measure(stage, plan, Offer::Curve25519, Route::host).await?;
    let goal = format!("≥ {GOAL} of direct: {:.2}", measured.share());
    measured.add_to(table, title, goal);

    let title = "curve25519-sha256 everywhere, this user's own shell start-up";
    let measured = measure(stage, plan, Offer::Curve25519, Route::host_with_own_shell).await?;
    let goal = format!("≥ {GOAL} of direct: {:.2}", measured.share());
    measured.add_to(table, title, goal);

    let measured = measure(stage, plan, Offer::Defaults, Route::host).await?;
    let goal = format!("ahead of direct: {:.2} of it", measured.share());
    measured.add_to(table, "the client's defaults", goal);
    Ok(())
}

struct Measured {
    /// Sessions a second, round by round.
    rates: Vec<(Route, Vec<f64>)>,
    /// Milliseconds of processor time of the gateway for one session, round by round.
    cost: Vec<f64>,
}

async fn measure(
    stage: &Stage,
    plan: &Plan,
    offer: Offer,
    host: fn(Route) -> &'static str,
) -> Result<Measured> {
    let rates = stage
        .routes()
        .into_iter()
        .map(|route| (route, Vec::new()))
        .collect();
    let mut measured = Measured {
        rates,
        cost: Vec::new(),
    };
    for (route, _) in &measured.rates {
        // The first connection makes the known hosts and warms every cache.
        time_of_true(stage.roads(), offer, host(*route)).await?;
    }
    for _ in 0..plan.rounds {
        for (route, rates) in &mut measured.rates {
            let gateway = stage.gateway().filter(|_| *route == Route::Gateway);
            let before = gateway
                .map(|gateway| cpu_seconds(gateway.pid()))
                .transpose()?;
            rates.push(burst(stage, plan, offer, host(*route)).await?);
            if let (Some(gateway), Some(before)) = (gateway, before) {
                let used = cpu_seconds(gateway.pid())? - before;
                measured.cost.push(1_000.0 * used / plan.burst as f64);
            }
        }
    }
    Ok(measured)
}

async fn burst(stage: &Stage, plan: &Plan, offer: Offer, host: &str) -> Result<f64> {
    let left = Cell::new(plan.burst);
    let watch = Stopwatch::start();
    let line = async || -> Result<()> {
        while left.get() > 0 {
            left.set(left.get() - 1);
            time_of_true(stage.roads(), offer, host).await?;
        }
        Ok(())
    };
    try_join_all((0..PARALLEL).map(|_| line())).await?;
    Ok(plan.burst as f64 / watch.elapsed().as_secs_f64())
}

impl Measured {
    /// What of the direct rate the gateway reaches; no number without a gateway.
    fn share(&self) -> f64 {
        let rate = |wanted: Route| {
            let found = self.rates.iter().find(|(route, _)| *route == wanted);
            found.map_or(f64::NAN, |(_, rates)| median(rates))
        };
        rate(Route::Gateway) / rate(Route::Direct)
    }

    fn add_to(&self, table: &mut Table, title: &str, goal: String) {
        let mut row = Row::new(format!("sessions per second, {PARALLEL} at once, {title}"));
        for (route, rates) in &self.rates {
            row = row.cell(*route, format!("{:.1}", median(rates)));
        }
        table.add(row.goal(goal));
        if !self.cost.is_empty() {
            let row = Row::new(format!(
                "processor time of the gateway for one of them, {title}, ms"
            ));
            table.add(row.cell(Route::Gateway, format!("{:.1}", median(&self.cost))));
        }
    }
}
