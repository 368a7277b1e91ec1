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
    one(stage, plan, table, Offer::Curve25519).await?;
    one(stage, plan, table, Offer::Defaults).await
}

async fn one(stage: &Stage, plan: &Plan, table: &mut Table, offer: Offer) -> Result<()> {
    let routes = stage.routes();
    let mut names = Vec::new();
    for route in &routes {
        // Also the first connection of this offer, which makes the known hosts.
        names.push((*route, agreed(stage.roads(), offer, route.host()).await?));
    }
    let mut times: Vec<(Route, Times)> = routes
        .iter()
        .map(|route| (*route, Times::default()))
        .collect();
    for _ in 0..plan.setups {
        for (route, times) in &mut times {
            times.add(time_of_true(stage.roads(), offer, route.host()).await?);
        }
    }
    let of = |wanted: Route| {
        times
            .iter()
            .find(|(route, _)| *route == wanted)
            .map(|(_, it)| it)
    };
    let title = match offer {
        Offer::Defaults => "the client's defaults",
        Offer::Curve25519 | Offer::Curve25519Aes => "curve25519-sha256 everywhere",
    };
    let mut row = Row::new(format!("`ssh HOST true`, {title}, p50 / p99 ms"));
    for (route, times) in &times {
        row = row.cell(
            *route,
            format!("{:.1} / {:.1}", millis(times.p50()), millis(times.p99())),
        );
    }
    if let (Some(direct), Some(gateway)) = (of(Route::Direct), of(Route::Gateway)) {
        let added = millis(gateway.p50()) - millis(direct.p50());
        row = row.goal(match offer {
            Offer::Defaults => format!("ahead of direct: {added:+.1} ms"),
            Offer::Curve25519 | Offer::Curve25519Aes => format!("≤ +{GOAL_MS} ms: {added:+.1} ms"),
        });
    }
    table.add(row);
    if offer == Offer::Defaults {
        let mut row = Row::new("key exchange and cipher by the client's defaults");
        for (route, agreed) in names {
            row = row.cell(route, format!("{}, {}", agreed.kex, agreed.cipher));
        }
        table.add(row);
    }
    Ok(())
}
