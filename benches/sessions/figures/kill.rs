//! How long from the moment a revoke is asked for until the person's `ssh` is gone.
//!
//! From just before the HTTP request is sent until the process has been waited for: the
//! request, the decision with its audit event, the cut, the goodbye and the client's own end.

use std::time::Duration;

use doorward::clock::Stopwatch;
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStdout},
    time::timeout,
};

use crate::{
    Error, Result,
    clients::{PATIENCE, ready, ssh_on_a_pty},
    gateway::Gateway,
    plan::Plan,
    routes::{Offer, Route},
    stage::{REVOKED, Stage},
    stats::{Times, millis},
    table::{Row, Table},
};

const GOAL_MS: f64 = 25.0;
/// So much has arrived before a flood counts as one.
const FLOWS: usize = 1024 * 1024;
/// Long enough for every buffer on the way to a client that does not read to fill.
const FILLS_IN: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
enum Busy {
    Idle,
    Flooding,
    NotReading,
}

impl Busy {
    const ALL: [Self; 3] = [Self::Idle, Self::Flooding, Self::NotReading];

    fn title(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Flooding => "flooding (`yes` on the target)",
            Self::NotReading => "flooding, and the client stopped reading",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::Idle => "exec cat",
            Self::Flooding | Self::NotReading => "exec yes",
        }
    }
}

pub async fn run(stage: &Stage, gateway: &Gateway, plan: &Plan, table: &mut Table) -> Result<()> {
    let mut all = Busy::ALL.map(|busy| (busy, Times::default()));
    for _ in 0..plan.kills {
        for (busy, times) in &mut all {
            times.add(kill(stage, gateway, *busy).await?);
        }
    }
    for (busy, times) in all {
        let p99 = millis(times.p99());
        table.add(
            Row::new(format!(
                "revoke → `ssh` gone, {}, {} kills, p50 / p99 / worst ms",
                busy.title(),
                times.len()
            ))
            .cell(
                Route::Gateway,
                format!(
                    "{:.1} / {p99:.1} / {:.1}",
                    millis(times.p50()),
                    millis(times.worst())
                ),
            )
            .goal(format!("p99 ≤ {GOAL_MS} ms: {p99:.1} ms")),
        );
    }
    gateway.forget_recordings()
}

async fn kill(stage: &Stage, gateway: &Gateway, busy: Busy) -> Result<Duration> {
    let checkout = gateway.check_out("other", "target").await?;
    let mut child =
        ssh_on_a_pty(stage.roads(), Offer::Curve25519, REVOKED, busy.command()).spawn()?;
    let mut output = child.stdout.take().expect("it is piped");
    ready(&mut output).await?;
    match busy {
        Busy::Idle => measure(gateway, &checkout, child).await,
        Busy::NotReading => {
            tokio::time::sleep(FILLS_IN).await;
            let took = measure(gateway, &checkout, child).await;
            // Until here it is open, and nobody reads it.
            drop(output);
            took
        }
        Busy::Flooding => {
            let mut left = FLOWS;
            let mut buffer = vec![0; 64 * 1024];
            while left > 0 {
                left = left.saturating_sub(read(&mut output, &mut buffer).await?);
            }
            let draining = async {
                while output.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
                // The measurement ends with the process and not with its output.
                std::future::pending::<()>().await
            };
            tokio::select! {
                took = measure(gateway, &checkout, child) => took,
                () = draining => unreachable!("it never ends"),
            }
        }
    }
}

async fn read(output: &mut ChildStdout, buffer: &mut [u8]) -> Result<usize> {
    match timeout(PATIENCE, output.read(buffer))
        .await
        .map_err(|_| "a flood stalled")??
    {
        0 => Err("a flood ended by itself".into()),
        count => Ok(count),
    }
}

async fn measure(gateway: &Gateway, checkout: &str, mut child: Child) -> Result<Duration> {
    if let Some(status) = child.try_wait()? {
        return Err(format!("`ssh` ended before the revoke, with {status}").into());
    }
    let watch = Stopwatch::start();
    let gone = async {
        timeout(PATIENCE, child.wait())
            .await
            .map_err(|_| "`ssh` outlived its check-out")??;
        Ok::<_, Error>(watch.elapsed())
    };
    let (revoked, gone) = tokio::join!(gateway.revoke(checkout), gone);
    revoked?;
    gone
}
