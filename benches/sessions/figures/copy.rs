//! How fast `sftp` and `scp` copy a file both ways, from the start of the program to its end.
//!
//! What arrives goes to `/dev/null`, so no disk is measured.

use std::{path::Path, process::Stdio};

use doorward::clock::Stopwatch;
use tokio::{process::Command, time::timeout};

use crate::{
    Result,
    clients::PATIENCE,
    figures::bulk::{self, Way},
    plan::Plan,
    routes::{Offer, Route},
    stage::Stage,
    stats::median,
    table::{Row, Table},
};

const GOAL: f64 = 0.8;

#[derive(Debug, Clone, Copy)]
enum Program {
    Sftp,
    Scp,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Sftp => "sftp",
            Self::Scp => "scp",
        }
    }
}

pub async fn run(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    let file = bulk::random(stage, plan)?;
    for program in [Program::Sftp, Program::Scp] {
        for (way, what) in [(Way::Down, "down"), (Way::Up, "up")] {
            one(stage, plan, table, program, way, what, &file).await?;
        }
    }
    Ok(())
}

async fn one(
    stage: &Stage,
    plan: &Plan,
    table: &mut Table,
    program: Program,
    way: Way,
    what: &str,
    file: &Path,
) -> Result<()> {
    let mut speeds: Vec<(Route, Vec<f64>)> = stage
        .routes()
        .into_iter()
        .map(|route| (route, Vec::new()))
        .collect();
    for _ in 0..plan.rounds {
        for (route, speeds) in &mut speeds {
            let seconds = copy(stage, program, way, file, route.host()).await?;
            speeds.push(plan.bulk_mib as f64 / seconds);
        }
    }
    let of = |wanted: Route| {
        let found = speeds.iter().find(|(route, _)| *route == wanted);
        found.map(|(_, speeds)| median(speeds))
    };
    let mut row = Row::new(format!(
        "{} {what}, random bytes, aes256-gcm@openssh.com, MiB/s",
        program.name()
    ));
    for (route, speeds) in &speeds {
        row = row.cell(*route, format!("{:.0}", median(speeds)));
    }
    if let (Some(direct), Some(gateway)) = (of(Route::Direct), of(Route::Gateway)) {
        row = row.goal(format!("≥ {GOAL} of direct: {:.2}", gateway / direct));
    }
    table.add(row);
    Ok(())
}

async fn copy(stage: &Stage, program: Program, way: Way, file: &Path, host: &str) -> Result<f64> {
    let config = stage.roads().config(Offer::Curve25519Aes);
    let (near, far) = match way {
        Way::Down => ("/dev/null".into(), file),
        Way::Up => (file.to_owned(), Path::new("/dev/null")),
    };
    let mut command = Command::new(program.name());
    command.arg("-q").arg("-F").arg(config);
    match (program, way) {
        (Program::Sftp, Way::Down) => {
            command.arg(format!("{host}:{}", far.display())).arg(near);
        }
        (Program::Sftp, Way::Up) => {
            let put = format!("put {} {}", near.display(), far.display());
            command.args(["-b", "-"]).arg(host);
            return timed(command, &put).await;
        }
        (Program::Scp, Way::Down) => {
            command.arg(format!("{host}:{}", far.display())).arg(near);
        }
        (Program::Scp, Way::Up) => {
            command.arg(near).arg(format!("{host}:{}", far.display()));
        }
    }
    timed(command, "").await
}

async fn timed(mut command: Command, batch: &str) -> Result<f64> {
    use tokio::io::AsyncWriteExt as _;
    let watch = Stopwatch::start();
    let mut child = command
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(batch.as_bytes()).await?;
    drop(stdin);
    let output = timeout(PATIENCE, child.wait_with_output())
        .await
        .map_err(|_| "a copy stalled")??;
    let took = watch.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("a copy ended with {}: {said}", output.status).into());
    }
    Ok(took.as_secs_f64())
}
