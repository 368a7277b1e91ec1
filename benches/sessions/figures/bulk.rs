//! How fast much data flows through one session, down (the target sends) and up.
//!
//! The clock starts when the far end says that it runs, so set-up is not in it; the client's
//! streams are files and `/dev/null`, so this program moves no byte itself.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use aws_lc_rs::rand;
use doorward::clock::Stopwatch;
use tokio::time::timeout;

use crate::{
    Result,
    clients::{PATIENCE, agreed, ready, ssh},
    machine::cpu_seconds,
    plan::Plan,
    routes::{Offer, Route},
    stage::Stage,
    stats::median,
    table::{Row, Table},
};

const GOAL: f64 = 0.6;
const BLOCK: usize = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Down,
    Up,
}

pub async fn run(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    let binary = random(stage, plan)?;
    let text = text(stage, plan)?;
    for (offer, way, file, what) in [
        (
            Offer::Curve25519Aes,
            Way::Down,
            &binary,
            "down, random bytes",
        ),
        (Offer::Curve25519Aes, Way::Up, &binary, "up, random bytes"),
        (
            Offer::Curve25519Aes,
            Way::Down,
            &text,
            "down, text (recorded in full)",
        ),
        (Offer::Defaults, Way::Down, &binary, "down, random bytes"),
        (Offer::Defaults, Way::Up, &binary, "up, random bytes"),
    ] {
        one(stage, plan, table, offer, way, file, what).await?;
    }
    Ok(())
}

pub fn random(stage: &Stage, plan: &Plan) -> Result<PathBuf> {
    let mut noise = vec![0; BLOCK];
    rand::fill(&mut noise).map_err(|_| "no random bytes")?;
    stage.file("binary", plan.bulk_mib, &noise)
}

pub fn text(stage: &Stage, plan: &Plan) -> Result<PathBuf> {
    let lines: Vec<u8> = (0..)
        .flat_map(|line: u32| {
            format!("{line:>8} some line of a log, as people print it\n").into_bytes()
        })
        .take(BLOCK)
        .collect();
    stage.file("text", plan.bulk_mib, &lines)
}

async fn one(
    stage: &Stage,
    plan: &Plan,
    table: &mut Table,
    offer: Offer,
    way: Way,
    file: &Path,
    what: &str,
) -> Result<()> {
    let cipher = agreed(stage.roads(), offer, Route::Direct.host())
        .await?
        .cipher;
    let mut speeds: Vec<(Route, Vec<f64>)> = stage
        .routes()
        .into_iter()
        .map(|route| (route, Vec::new()))
        .collect();
    let mut cost = Vec::new();
    for _ in 0..plan.rounds {
        for (route, speeds) in &mut speeds {
            let before = stage
                .gateway()
                .map(|gateway| cpu_seconds(gateway.pid()))
                .transpose()?;
            let seconds = move_file(stage, offer, way, file, route.host()).await?;
            speeds.push(plan.bulk_mib as f64 / seconds);
            if let (Route::Gateway, Some(gateway), Some(before)) = (*route, stage.gateway(), before)
            {
                let used = cpu_seconds(gateway.pid())? - before;
                cost.push(used * 1024.0 / plan.bulk_mib as f64);
                gateway.forget_recordings()?;
            }
        }
    }
    let of = |wanted: Route| {
        let found = speeds.iter().find(|(route, _)| *route == wanted);
        found.map(|(_, speeds)| median(speeds))
    };
    let mut row = Row::new(format!("bulk {what}, {cipher}, MiB/s"));
    for (route, speeds) in &speeds {
        row = row.cell(*route, format!("{:.0}", median(speeds)));
    }
    if let (Some(direct), Some(jump), Some(gateway)) =
        (of(Route::Direct), of(Route::Jump), of(Route::Gateway))
    {
        row = row.goal(format!(
            "≥ {GOAL} of direct, ahead of `-J`: {:.2}, {:.2} of `-J`",
            gateway / direct,
            gateway / jump
        ));
    }
    table.add(row);
    if !cost.is_empty() {
        let row = Row::new(format!(
            "processor seconds of the gateway a GiB, {what}, {cipher}"
        ));
        table.add(row.cell(Route::Gateway, format!("{:.2}", median(&cost))));
    }
    Ok(())
}

/// Seconds from the far end's word that it runs until the client has ended.
pub async fn move_file(
    stage: &Stage,
    offer: Offer,
    way: Way,
    file: &Path,
    host: &str,
) -> Result<f64> {
    let mut command = ssh(stage.roads(), offer, host);
    command.stderr(Stdio::piped());
    match way {
        Way::Down => command.arg(format!("printf R >&2; exec cat '{}'", file.display())),
        Way::Up => command
            .stdin(File::open(file)?)
            .arg("printf R >&2; exec cat > /dev/null"),
    };
    let mut child = command.spawn()?;
    let mut stderr = child.stderr.take().expect("it is piped");
    ready(&mut stderr).await?;
    let watch = Stopwatch::start();
    let status = timeout(PATIENCE, child.wait())
        .await
        .map_err(|_| "bulk stalled")??;
    let took = watch.elapsed();
    if !status.success() {
        return Err(format!("moving {} over {host} ended with {status}", file.display()).into());
    }
    Ok(took.as_secs_f64())
}
