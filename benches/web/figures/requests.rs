//! Small answers over connections that stay: how many a second, and how long the slowest take.
//!
//! `wrk` asks for 1 KiB over 32 connections, with TLS but on the direct way.

use doorward::clock::Stopwatch;
use tokio::{process::Command, time::timeout};

use crate::{
    Result,
    link::PATIENCE,
    machine::cpu_seconds,
    plan::Plan,
    programs::output,
    routes::Route,
    stage::{Place, Stage},
    stats::median,
    table::{Row, Table},
};

const CONNECTIONS: usize = 32;

/// What `wrk` said of one round.
struct Round {
    a_second: f64,
    p99_ms: f64,
}

#[derive(Default)]
struct Rounds {
    a_second: Vec<f64>,
    p99_ms: Vec<f64>,
}

pub async fn run(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    let mut all = Route::ALL.map(|route| (route, Rounds::default()));
    let mut micros = Vec::new();
    for _ in 0..plan.rounds {
        for (route, rounds) in &mut all {
            let pid = stage.gateway().pid();
            let used = cpu_seconds(pid)?;
            let watch = Stopwatch::start();
            let round = wrk(&stage.small(*route)?, plan).await?;
            if *route == Route::Gateway {
                let asked = round.a_second * watch.elapsed().as_secs_f64();
                micros.push(1e6 * (cpu_seconds(pid)? - used) / asked);
            }
            rounds.a_second.push(round.a_second);
            rounds.p99_ms.push(round.p99_ms);
        }
    }
    let (mut often, mut slow) = (
        Row::new(format!(
            "1 KiB, keep-alive, {CONNECTIONS} connections, requests a second"
        )),
        Row::new("the same, p99 ms"),
    );
    for (route, rounds) in &all {
        often = often.cell(*route, format!("{:.0}", median(&rounds.a_second)));
        slow = slow.cell(*route, format!("{:.2}", median(&rounds.p99_ms)));
    }
    let [_, (_, nginx), (_, gateway)] = &all;
    let part = median(&gateway.a_second) / median(&nginx.a_second);
    let times = median(&gateway.p99_ms) / median(&nginx.p99_ms);
    table.add(often.goal(format!("≥ 0.8 of nginx: {part:.2}")));
    table.add(slow.goal(format!("≤ 2 × nginx: {times:.2}")));
    table.add(
        Row::new("processor time of the gateway for one of them, µs")
            .cell(Route::Gateway, format!("{:.0}", median(&micros))),
    );
    stage.gateway().forget_recordings()
}

async fn wrk(place: &Place, plan: &Plan) -> Result<Round> {
    let mut command = Command::new("wrk");
    command
        .args(["--latency", "--threads", "1", "--connections"])
        .arg(CONNECTIONS.to_string())
        .arg("--duration")
        .arg(format!("{}s", plan.load_for.as_secs()));
    for header in &place.headers {
        command.arg("--header").arg(header);
    }
    command.arg(&place.url);
    let said = timeout(PATIENCE + plan.load_for, output(command)).await??;
    // These lines are only there when something went wrong.
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        return Err(format!("{}: {said}", place.url).into());
    }
    let after = |key: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(key));
        line.map(str::trim)
            .ok_or_else(|| format!("wrk without {key}: {said}"))
    };
    Ok(Round {
        a_second: after("Requests/sec:")?.parse()?,
        p99_ms: millis(after("99%")?)?,
    })
}

/// `2.20ms`, `870.00us`, `1.02s`.
fn millis(text: &str) -> Result<f64> {
    let (number, factor) = [("us", 0.001), ("ms", 1.0), ("s", 1_000.0), ("m", 60_000.0)]
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))
        .ok_or_else(|| format!("no time: {text}"))?;
    Ok(number.parse::<f64>()? * factor)
}
