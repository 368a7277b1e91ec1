//! What the console feels like on a gateway that has been used for years: its lists with 100,000
//! check-outs and 1,000,000 audit events behind them, and 500 consoles that watch at once.
//!
//! Starts a gateway on loopback with SQLite, asks through it once, multiplies what that wrote in
//! the database while it is stopped, and measures the API as the console calls it. The audit
//! chain of such a database does not verify, which is not measured. Leaves nothing behind.
//!
//! `cargo bench --bench console` runs it; `DOORWARD_BENCH_QUICK=1` takes a tenth of everything.

mod fill;
mod gateway;
#[path = "../sessions/machine.rs"]
#[allow(dead_code)]
mod machine;
#[path = "../sessions/stats.rs"]
#[allow(dead_code)]
mod stats;
mod watch;

use std::{process::ExitCode, time::Instant};

use serde_json::json;

use self::{
    gateway::Gateway,
    stats::{Times, millis},
};

/// A measurement that fails ends the run: half a table would be believed.
type Error = Box<dyn std::error::Error>;
type Result<T, E = Error> = std::result::Result<T, E>;

/// The lists as the console asks for them, and the goal of each, in milliseconds.
const LISTS: [(&str, &str); 12] = [
    (
        "first page of check-outs",
        "/checkouts?view=all&sort=-requested_at&limit=50",
    ),
    ("waiting for me", "/checkouts?view=waiting&limit=50"),
    ("mine", "/checkouts?view=mine&limit=100"),
    ("check-outs by target", "/checkouts?sort=target&limit=50"),
    (
        "check-outs that were revoked",
        "/checkouts?state=revoked&limit=50",
    ),
    (
        "check-outs, text that is often there",
        "/checkouts?q=disk&limit=50",
    ),
    (
        "check-outs, text that is nowhere",
        "/checkouts?q=zzzz&limit=50",
    ),
    (
        "check-outs of one ticket",
        "/checkouts?ticket=CHG0012345&limit=50",
    ),
    ("first page of the audit log", "/audit?limit=50"),
    (
        "audit events of one kind",
        "/audit?kind=checkout.request&limit=50",
    ),
    (
        "audit events, refusals only",
        "/audit?refused=true&limit=50",
    ),
    ("sessions", "/sessions?limit=50"),
];

const GOAL: f64 = 50.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match measure().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("console: {error}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
async fn measure() -> Result<()> {
    let quick = std::env::var("DOORWARD_BENCH_QUICK").is_ok_and(|it| it == "1");
    let part = if quick { 10 } else { 1 };
    let (checkouts, events) = (100_000 / part, 1_000_000 / part);
    let (people, rounds) = (50 / part.min(5), count("ROUNDS", 200)?);
    let folder = tempfile::tempdir()?;
    let mut gateway = Gateway::start(folder.path()).await?;
    gateway.set_up(people).await?;
    gateway.stop().await?;
    let begun = Instant::now();
    fill::fill(folder.path(), checkouts, events).await?;
    eprintln!("filled in {:.0} s", begun.elapsed().as_secs_f64());
    gateway.start_again().await?;

    println!("{}\n", machine::describe().await);
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    println!("{checkouts} check-outs, {events} audit events, SQLite, {build} build\n");
    println!(
        "| list | p50 | p99 | worst | goal: p99 ≤ {GOAL} ms |\n| --- | ---: | ---: | ---: | --- |"
    );
    for (what, path) in LISTS {
        let times = asked(&gateway, path, rounds).await?;
        say(what, &times);
    }
    // The last page is as near as the first: a cursor counts nothing.
    let deep = deep(&gateway).await?;
    let times = asked(&gateway, &deep, rounds).await?;
    say("check-outs, 40 pages further down", &times);

    let streams = people * 10;
    let heard = watch::watch(&gateway, people).await?;
    println!(
        "\n| {streams} consoles on the event stream | p50 | p99 | worst |\n| --- | ---: | ---: | ---: |"
    );
    println!(
        "| from a request's answer until a console knew of it | {:.1} ms | {:.1} ms | {:.1} ms |",
        millis(heard.p50()),
        millis(heard.p99()),
        millis(heard.worst())
    );
    gateway.stop().await
}

/// A count that the environment may change.
fn count(name: &str, usual: usize) -> Result<usize> {
    match std::env::var(format!("DOORWARD_BENCH_{name}")) {
        Ok(text) => Ok(text.parse()?),
        Err(_) => Ok(usual),
    }
}

#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
async fn asked(gateway: &Gateway, path: &str, rounds: usize) -> Result<Times> {
    let mut times = Times::default();
    for round in 0..rounds + 5 {
        let begun = Instant::now();
        gateway.get(path).await?;
        // The first few fill caches that are never empty on a gateway in use.
        if round >= 5 {
            times.add(begun.elapsed());
        }
    }
    Ok(times)
}

async fn deep(gateway: &Gateway) -> Result<String> {
    let base = "/checkouts?sort=-requested_at&limit=50";
    let mut path = base.to_owned();
    for _ in 0..40 {
        let page = gateway.get(&path).await?;
        let next = page["next"].as_str().ok_or("the list ended early")?;
        path = format!("{base}&cursor={next}");
    }
    Ok(path)
}

fn say(what: &str, times: &Times) {
    let (p99, verdict) = (millis(times.p99()), ["no", "yes"]);
    println!(
        "| {what} | {:.1} ms | {p99:.1} ms | {:.1} ms | {} |",
        millis(times.p50()),
        millis(times.worst()),
        verdict[usize::from(p99 <= GOAL)]
    );
}

/// What everybody of the bench asks with.
fn ask() -> serde_json::Value {
    json!({ "target": "db1", "reason": "disk is full", "ticket": "CHG0012345" })
}
