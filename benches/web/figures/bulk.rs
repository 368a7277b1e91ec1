//! One large body, down and up, by `curl`: zeroes that nobody keeps, over one connection.
//!
//! A file is hashed on its way, which is most of what it costs; so there is one that is none.

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

const MIB: f64 = 1024.0 * 1024.0;

#[derive(Debug, Clone, Copy)]
enum Way {
    Down,
    /// Of a type that pages are made of, and so not hashed.
    DownUnhashed,
    Up,
}

pub async fn run(stage: &Stage, plan: &Plan, table: &mut Table) -> Result<()> {
    for way in [Way::Down, Way::DownUnhashed, Way::Up] {
        let mut all = Route::ALL.map(|route| (route, Vec::new()));
        let mut cost = Vec::new();
        for _ in 0..plan.rounds {
            for (route, rates) in &mut all {
                let pid = stage.gateway().pid();
                let used = cpu_seconds(pid)?;
                rates.push(moved(stage, *route, way, plan.bulk_mib).await?);
                if *route == Route::Gateway {
                    let gib = plan.bulk_mib as f64 / 1024.0;
                    cost.push((cpu_seconds(pid)? - used) / gib);
                }
            }
        }
        let name = match way {
            Way::Down => "download",
            Way::DownUnhashed => "download that is no file",
            Way::Up => "upload",
        };
        let mut row = Row::new(format!("{name} of {} MiB, MiB/s", plan.bulk_mib));
        for (route, rates) in &all {
            row = row.cell(*route, format!("{:.0}", median(rates)));
        }
        let [_, (_, nginx), (_, gateway)] = &all;
        let part = median(gateway) / median(nginx);
        table.add(row.goal(format!("≥ 1.2 × nginx: {part:.2}")));
        table.add(
            Row::new(format!("processor seconds of the gateway a GiB, {name}"))
                .cell(Route::Gateway, format!("{:.2}", median(&cost))),
        );
    }
    Ok(())
}

async fn moved(stage: &Stage, route: Route, way: Way, mib: u64) -> Result<f64> {
    match way {
        Way::Down => {
            let path = format!("/own/bytes?{}", mib << 20);
            down(&stage.large(route, &path)?, mib).await
        }
        Way::DownUnhashed => {
            let path = format!("/own/style?{}", mib << 20);
            down(&stage.large(route, &path)?, mib).await
        }
        Way::Up => {
            let file = stage.hollow_file(mib)?;
            up(&stage.large(route, "/own/sink")?, &file, mib).await
        }
    }
}

/// MiB a second, as `curl` counted.
pub async fn down(place: &Place, mib: u64) -> Result<f64> {
    let mut curl = curl(place);
    curl.args(["--output", "/dev/null", "--write-out"])
        .arg("%{http_code} %{size_download} %{speed_download}");
    let said = timeout(PATIENCE, output(curl)).await??;
    let words: Vec<&str> = said.split(' ').collect();
    match words[..] {
        ["200", size, speed] if size.parse() == Ok(mib << 20) => Ok(speed.parse::<f64>()? / MIB),
        _ => Err(format!("{}: {said}", place.url).into()),
    }
}

pub async fn up(place: &Place, file: &std::path::Path, mib: u64) -> Result<f64> {
    let mut curl = curl(place);
    curl.arg("--upload-file")
        .arg(file)
        // No waiting for the other side's consent on any route.
        .args(["--header", "Expect:", "--write-out"])
        .arg(" %{http_code} %{speed_upload}");
    let said = timeout(PATIENCE, output(curl)).await??;
    let words: Vec<&str> = said.split(' ').collect();
    match words[..] {
        [size, "200", speed] if size.parse() == Ok(mib << 20) => Ok(speed.parse::<f64>()? / MIB),
        _ => Err(format!("{}: {said}", place.url).into()),
    }
}

fn curl(place: &Place) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-q", "--silent", "--show-error", "--insecure", "--http1.1"]);
    for header in &place.headers {
        curl.arg("--header").arg(header);
    }
    curl.arg(&place.url);
    curl
}
