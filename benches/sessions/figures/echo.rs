//! How long one byte takes to the target and back, on a terminal and on a pipe.

use doorward::clock::Stopwatch;
use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

use crate::{
    Result,
    clients::{PATIENCE, end, ready, ssh, ssh_on_a_pty},
    plan::Plan,
    routes::{Offer, Route},
    stage::Stage,
    stats::{Times, millis},
    table::{Row, Table},
};

const GOAL_MS: f64 = 0.15;
/// The first few find cold caches on every route.
const WARM_UP: usize = 20;

pub async fn run(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    let offer = Offer::Curve25519Aes;
    one(stage, plan, table, "a terminal", |host| {
        ssh_on_a_pty(stage.roads(), offer, host, "exec cat")
    })
    .await?;
    one(stage, plan, table, "a pipe", |host| {
        let mut command = ssh(stage.roads(), offer, host);
        command
            .arg("printf R; exec cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    })
    .await
}

async fn one(
    stage: &Stage,
    plan: &Plan,
    table: &mut Table,
    what: &str,
    command: impl Fn(&str) -> Command,
) -> Result<()> {
    let mut times: Vec<(Route, Times)> = stage
        .routes()
        .into_iter()
        .map(|route| (route, Times::default()))
        .collect();
    for _ in 0..plan.rounds {
        for (route, times) in &mut times {
            echo(
                command(route.host()),
                plan.echoes.div_ceil(plan.rounds),
                times,
            )
            .await?;
        }
    }
    let of = |wanted: Route| {
        times
            .iter()
            .find(|(route, _)| *route == wanted)
            .map(|(_, it)| it)
    };
    let mut row = Row::new(format!("one byte there and back on {what}, p50 / p99 ms"));
    for (route, times) in &times {
        row = row.cell(
            *route,
            format!("{:.2} / {:.2}", millis(times.p50()), millis(times.p99())),
        );
    }
    if let (Some(direct), Some(gateway)) = (of(Route::Direct), of(Route::Gateway)) {
        let added = millis(gateway.p50()) - millis(direct.p50());
        row = row.goal(format!("≤ +{GOAL_MS} ms: {added:+.2} ms"));
    }
    table.add(row);
    Ok(())
}

async fn echo(mut command: Command, count: usize, times: &mut Times) -> Result<()> {
    let mut child = command.spawn()?;
    let mut to = child.stdin.take().expect("it is piped");
    let mut from = child.stdout.take().expect("it is piped");
    ready(&mut from).await?;
    let echoing = async {
        for number in 0..WARM_UP + count {
            let mut byte = [0];
            let watch = Stopwatch::start();
            to.write_all(b"x").await?;
            from.read_exact(&mut byte).await?;
            if number >= WARM_UP {
                times.add(watch.elapsed());
            }
            // As a person types, not as fast as the line allows: each byte by itself.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        std::io::Result::Ok(())
    };
    timeout(PATIENCE, echoing)
        .await
        .map_err(|_| "an echo stalled")??;
    end(child).await
}
