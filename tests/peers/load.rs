//! A load of streams over few connections (h2load), and its end while it runs.

use std::process::Stdio;

use tokio::process::Command;

use crate::{
    nginx::{Nginx, secret},
    support::Gateway,
};

/// So many connections, and streams of each at once: together a quarter of what nginx takes.
const CONNECTIONS: usize = 8;
const STREAMS: usize = 8;
/// Of the connections together.
const REQUESTS: u64 = 2000;

fn h2load(gateway: &Gateway, token: &str, much: &[&str]) -> Command {
    let mut load = Command::new("h2load");
    let port = gateway.web.port();
    load.args(["-c", &CONNECTIONS.to_string(), "-m", &STREAMS.to_string()])
        .args(much)
        .arg(format!("--connect-to=127.0.0.1:{port}"))
        .args(["-H", &format!("Doorward-Token: {token}")])
        .arg(format!("https://wiki.door.localhost:{port}/hello.txt"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    load
}

/// How many `what` it counted on the line that begins with `line`.
fn counted(said: &str, line: &str, what: &str) -> u64 {
    let found = said.lines().find_map(|said| said.strip_prefix(line));
    let line = found.unwrap_or_else(|| panic!("no `{line}` in: {said}"));
    let count = line
        .split(',')
        .find_map(|part| part.trim().strip_suffix(what));
    let count = count.and_then(|count| count.trim().parse().ok());
    count.unwrap_or_else(|| panic!("no `{what}` in: {said}"))
}

#[tokio::test]
async fn each_stream_of_a_load_is_answered_and_after_the_end_each_is_refused() {
    let (gateway, nginx) = tokio::join!(Gateway::start(), Nginx::start());
    gateway.enter_web(nginx.target("wiki"), secret()).await;
    let (alice, bob) = gateway.people().await;
    let id = gateway.check_out(&alice, &bob, "wiki").await;

    let whole = ["-n", &REQUESTS.to_string()];
    let output = h2load(&gateway, &alice.token, &whole).output().await;
    let output = output.expect("h2load is installed: scripts/prerequisites peers");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(counted(&said, "status codes:", "2xx"), REQUESTS, "{said}");
    assert_eq!(counted(&said, "requests:", "errored"), 0, "{said}");
    let log = nginx.log();
    let served = log
        .lines()
        .filter(|line| line.contains("GET /hello.txt 200"));
    assert_eq!(served.count() as u64, REQUESTS);

    let load = h2load(&gateway, &alice.token, &["-D", "4"])
        .spawn()
        .unwrap();
    gateway
        .eventually("the load", async || {
            let served = nginx.log().lines().count() as u64;
            (served > REQUESTS + 100).then_some(())
        })
        .await;
    gateway.answer(&bob, &id, "revoke", "it is too much").await;
    let served = nginx.log().lines().count();
    let output = load.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // Each after the end is told so; what was under way then is broken off.
    assert!(counted(&said, "status codes:", "4xx") > 0, "{said}");
    // nginx writes a line when it is done with a request, so those under way come a little later.
    let later = nginx.log().lines().count() - served;
    assert!(
        later <= CONNECTIONS * STREAMS,
        "{later} requests reached the target after the end"
    );
}
