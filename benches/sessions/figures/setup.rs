//! How long `ssh HOST true` takes, from its start to its end, one after the other.

use crate::{
    Result,
    clients::{agreed, time_of_true},
    plan::Plan,
    routes::{Offer, Route},
    stage::Stage,
    stats::{Times, millis},
    table::{Row, Table},
};

/// What a gateway may add to a direct connection with the same key exchange.
const GOAL_MS: f64 = 10.0;

pub async fn run(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    let title = "curve25519-sha256 everywhere";
    let times = measure(stage, plan, Offer::Curve25519, Route::host).await?;
    let goal = format!("≤ +{GOAL_MS} ms: {:+.1} ms", added(&times));
    table.add(row(title, &times).goal(goal));

    let title = "curve25519-sha256 everywhere, this user's own shell start-up";
    let times = measure(stage, plan, Offer::Curve25519, Route::host_with_own_shell).await?;
    let goal = format!("≤ +{GOAL_MS} ms: {:+.1} ms", added(&times));
    table.add(row(title, &times).goal(goal));

    let times = measure(stage, plan, Offer::Defaults, Route::host).await?;
    let goal = format!("ahead of direct: {:+.1} ms", added(&times));
    table.add(row("the client's defaults", &times).goal(goal));

    let mut row = Row::new("key exchange and cipher by the client's defaults");
    for route in stage.routes() {
        let agreed = agreed(stage.roads(), Offer::Defaults, route.host()).await?;
        row = row.cell(route, format!("{}, {}", agreed.kex, agreed.cipher));
    }
    table.add(row);
    Ok(())
}

type Measured = Vec<(Route, Times)>;

async fn measure(
    stage: &Stage,
    plan: &Plan,
    offer: Offer,
    host: fn(Route) -> &'static str,
) -> Result<Measured> {
    let mut all: Measured = stage
        .routes()
        .into_iter()
        .map(|route| (route, Times::default()))
        .collect();
    for (route, _) in &all {
        // The first connection makes the known hosts and warms every cache.
        time_of_true(stage.roads(), offer, host(*route)).await?;
    }
    for _ in 0..plan.setups {
        for (route, times) in &mut all {
            times.add(time_of_true(stage.roads(), offer, host(*route)).await?);
        }
    }
    Ok(all)
}

fn row(title: &str, all: &Measured) -> Row {
    let mut row = Row::new(format!("`ssh HOST true`, {title}, p50 / p99 ms"));
    for (route, times) in all {
        let cell = format!("{:.1} / {:.1}", millis(times.p50()), millis(times.p99()));
        row = row.cell(*route, cell);
    }
    row
}

/// What the gateway adds to the direct way; no number without a gateway.
fn added(all: &Measured) -> f64 {
    let p50 = |wanted: Route| {
        let found = all.iter().find(|(route, _)| *route == wanted);
        found.map_or(f64::NAN, |(_, times)| millis(times.p50()))
    };
    p50(Route::Gateway) - p50(Route::Direct)
}
