//! Clients that are slow on purpose (slowhttptest): heads, bodies and reading in drips, from one
//! address by the hundred. Everybody else is served meanwhile, and afterwards they as well.

use std::process::Stdio;

use tokio::process::Command;

use crate::support::{Gateway, PATIENCE};

/// More than one address may have.
const CONNECTIONS: &str = "300";

/// `curl` from an address of its own: what it got in the place of a token.
async fn asked(gateway: &Gateway, from: &str) -> String {
    let port = gateway.web.port();
    let output = Command::new("curl")
        .args(["-q", "--silent", "--show-error", "--interface", from])
        .args([
            "--resolve",
            &format!("wiki.door.localhost:{port}:127.0.0.1"),
        ])
        .arg("--max-time")
        .arg(PATIENCE.as_secs().to_string())
        .arg("--cacert")
        .arg(gateway.ca())
        .args(["--write-out", " %{http_code}"])
        .arg(format!("https://wiki.door.localhost:{port}/"))
        .stdin(Stdio::null())
        .output()
        .await
        .expect("curl is installed");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{from}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        plain + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

/// Answers how many connections it held at the most.
async fn while_slow(gateway: &Gateway, how: &[&str]) -> u64 {
    let port = gateway.web.port();
    let mut slow = Command::new("slowhttptest")
        .args(how)
        .args(["-c", CONNECTIONS, "-r", CONNECTIONS, "-i", "2", "-l", "15"])
        .args(["-u", &format!("https://127.0.0.1:{port}/")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("slowhttptest is installed: scripts/prerequisites peers");
    let mut answers = 0;
    while slow.try_wait().unwrap().is_none() {
        let answer = asked(gateway, "127.0.0.2").await;
        assert!(answer.ends_with(" 401"), "{how:?}: {answer}");
        answers += 1;
    }
    let output = slow.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answers > 0, "{how:?}: {said}");
    // It says again and again how many it holds.
    let most = plain(&said)
        .lines()
        .filter_map(|line| line.split_once("connected:")?.1.trim().parse::<u64>().ok())
        .max();
    // Those that are gone are in nobody's way.
    gateway
        .eventually("an answer for the slow one", async || {
            let answer = Command::new("curl")
                .args(["-q", "--silent", "--insecure", "--max-time", "10"])
                .args(["--output", "/dev/null", "--write-out", "%{http_code}"])
                .arg(format!("https://127.0.0.1:{port}/"))
                .stdin(Stdio::null())
                .output()
                .await
                .unwrap();
            // No target has a number for its name, and that is an answer.
            (answer.stdout == b"421").then_some(())
        })
        .await;
    most.unwrap_or_else(|| panic!("{how:?}: it says nothing of itself: {said}"))
}

#[tokio::test]
async fn slow_clients_of_one_address_keep_nobody_else_out() {
    let gateway = Gateway::start().await;
    let held = while_slow(&gateway, &["-H"]).await;
    assert!(held > 0, "a head may take its time");
    // Who has shown nothing gets a no, and no time for a body.
    while_slow(&gateway, &["-B"]).await;
    while_slow(
        &gateway,
        &["-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1"],
    )
    .await;
}
