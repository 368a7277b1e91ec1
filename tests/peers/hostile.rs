//! Clients that misbehave (`hostile.py`, one deed each): it costs them their connection or
//! nothing, and nobody else notices.

use std::{process::Stdio, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    clients::python,
    scene::{Limits, Scene},
    sshd::Sshd,
};

/// Only keeps a hanging deed from hanging for ever.
const PATIENCE: Duration = Duration::from_secs(200);

/// How much memory any of them may make the gateway take.
const GROWTH_KIB: u64 = 64 * 1024;

/// A gateway whose limits are as they come, with a short patience for those who dawdle.
async fn scene() -> Scene {
    let limits = Limits::AsTheyCome("ssh.handshake_timeout = \"8s\"");
    Scene::before(Sshd::start().await.into(), json!({}), limits).await
}

impl Scene {
    fn deed(&self, name: &str) -> Child {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/hostile.py");
        let way = &self.bridge;
        Command::new(python())
            .args([script, name, &way.port.to_string(), &way.user])
            .arg(&way.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// What came of a deed.
    async fn done(&self, name: &str) -> Vec<String> {
        let ended = tokio::time::timeout(PATIENCE, self.deed(name).wait_with_output());
        let output = ended
            .await
            .unwrap_or_else(|_| panic!("{name} hung"))
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {said}{errors}");
        said.lines().map(str::to_owned).collect()
    }

    /// A deed that goes on until it is let go of: meanwhile others work as ever.
    async fn done_beside_others(&self, name: &str) {
        let mut deed = self.deed(name);
        let mut lines = BufReader::new(deed.stdout.take().unwrap()).lines();
        let holding = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line == "holding" {
                    return;
                }
            }
            let mut errors = String::new();
            let mut stderr = deed.stderr.take().unwrap();
            stderr.read_to_string(&mut errors).await.unwrap();
            panic!("{name} ended early: {errors}");
        };
        let held = tokio::time::timeout(PATIENCE, holding).await;
        held.unwrap_or_else(|_| panic!("{name} hung"));
        self.serves_others(name).await;
        drop(deed.stdin.take());
        tokio::time::timeout(PATIENCE, deed.wait())
            .await
            .unwrap()
            .unwrap();
    }

    /// A client that behaves gets what it wants, from a gateway that has not fallen over and
    /// has not grown.
    async fn serves_others(&self, after: &str) {
        let mut ssh = self.bridge.command("ssh", &self.bridge.home);
        let output = ssh
            .args(["target", "echo in; exit 3"])
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{after}: {output:?}");
        assert_eq!(output.stdout, b"in\n", "{after}");
        let log = self.gateway.log().join("\n");
        assert!(!log.contains("panicked"), "{after}: {log}");
    }

    /// How much memory the gateway has in use, in KiB.
    fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.gateway.pid());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// A deed, and whether what came of it is as it should be.
type Expected<'a> = (&'a str, &'a dyn Fn(&[String]) -> bool);

/// Runs the deeds, expects each to come out so, and a gateway that is none the worse for it.
async fn withstand(deeds: &[Expected<'_>]) {
    let scene = scene().await;
    for (name, fits) in deeds {
        let before = scene.memory();
        let came_of_it = scene.done(name).await;
        assert!(fits(&came_of_it), "{name}: {came_of_it:#?}");
        scene.serves_others(name).await;
        let grown = scene.memory().saturating_sub(before);
        assert!(grown < GROWTH_KIB, "{name}: {grown} KiB more");
    }
}

fn all(word: &'static str) -> impl Fn(&[String]) -> bool {
    move |lines| !lines.is_empty() && lines.iter().all(|line| line.ends_with(word))
}

fn just(expected: &'static [&'static str]) -> impl Fn(&[String]) -> bool {
    move |lines| lines == expected
}

#[tokio::test]
async fn who_greets_strangely_or_not_in_time_is_sent_away() {
    withstand(&[
        ("strange_greetings", &all("closed")),
        ("one_byte_at_a_time", &all("closed")),
        ("impossible_packets", &all("closed")),
    ])
    .await;
}

#[tokio::test]
async fn messages_out_of_turn_end_the_handshake() {
    withstand(&[
        ("messages_out_of_turn", &all("closed")),
        ("before_signing_in", &all("ended")),
    ])
    .await;
}

#[tokio::test]
async fn nobody_signs_in_by_force() {
    withstand(&[
        ("sign_ins", &|lines| {
            lines.len() == 16 && !lines.contains(&"IN".to_owned())
        }),
        ("guesses_without_end", &just(&["few"])),
    ])
    .await;
}

#[tokio::test]
async fn ten_thousand_half_open_connections_keep_nobody_out() {
    let scene = scene().await;
    let before = scene.memory();
    scene.done_beside_others("half_open_flood").await;
    let grown = scene.memory().saturating_sub(before);
    assert!(grown < GROWTH_KIB, "{grown} KiB more");
}

#[tokio::test]
async fn windows_are_kept_to() {
    let scene = scene().await;
    let before = scene.memory();
    assert_eq!(scene.done("more_than_the_window").await, ["ended"]);
    scene
        .done_beside_others("windows_of_nothing_and_of_everything")
        .await;
    scene.done_beside_others("a_client_that_never_reads").await;
    scene.serves_others("windows").await;
    let grown = scene.memory().saturating_sub(before);
    assert!(grown < GROWTH_KIB, "{grown} KiB more");
}

#[tokio::test]
async fn channels_that_are_not_there_or_closed_twice_do_no_harm() {
    withstand(&[
        ("channels_that_are_not_there", &all("no harm")),
        ("twice", &just(&["no harm", "works"])),
        ("channels_without_end", &just(&["32 28", "True", "works"])),
    ])
    .await;
}

#[tokio::test]
async fn what_is_unknown_is_declined_and_the_session_lives_on() {
    withstand(&[
        ("unknown_requests", &just(&["b'through' 50", "works"])),
        (
            "answers_in_their_order",
            &just(&["no yes no yes no yes no no no no", "works"]),
        ),
        ("channels_of_other_kinds", &just(&["works 11"])),
        ("strange_values", &just(&["works"])),
        ("requests_without_end", &|lines| {
            lines == ["works"] || lines == ["ended"]
        }),
    ])
    .await;
}

#[tokio::test]
async fn a_channel_that_comes_too_late_is_told_why() {
    let scene = scene().await;
    let mut deed = scene.deed("channels_after_the_end");
    let mut lines = BufReader::new(deed.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "ready");
    scene.revoke("maintenance is over").await;
    let mut told = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            told.push(line);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    assert!(deed.wait().await.unwrap().success());
    // None, where the client has left before it asked again.
    for line in told {
        assert!(line.starts_with("Access ended: revoked by bob"), "{line}");
    }
}

#[tokio::test]
async fn broken_messages_end_a_connection_at_most() {
    withstand(&[
        ("unknown_messages", &all("no harm")),
        ("messages_cut_short", &all("no harm")),
    ])
    .await;
}

#[tokio::test]
async fn new_keys_are_made_as_often_as_asked_and_nothing_slips_between() {
    withstand(&[
        ("new_keys_without_end", &just(&["60", "works"])),
        ("a_channel_in_the_middle_of_new_keys", &just(&["ended"])),
    ])
    .await;
}
