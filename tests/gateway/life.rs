//! The main line: refused, asked, approved, in, cut.

use std::{path::Path, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::{
    people::Person,
    scene::{Scene, scene},
    seen::{drained, ended, shown, within},
    sshd::keygen,
    support::{outcome_of, text},
};

#[tokio::test]
async fn without_a_check_out_nobody_gets_through_and_everybody_is_told() {
    let scene = scene().await;
    let refused = scene.seen(&["true"]).await;
    assert_eq!(refused.status, Some(77));
    assert!(
        refused
            .stderr
            .contains("you have no active check-out for db1"),
        "{refused:?}"
    );
    let opened = |event: &Value| {
        event["event"]["kind"] == "session.open" && outcome_of(event) == "no-checkout"
    };
    scene.gateway.audit_event(opened).await;
    scene.was_never_reached();
}

#[tokio::test]
async fn p1_an_approved_check_out_opens_the_target_with_a_credential_nobody_sees() {
    let scene = scene().await;
    scene.approved().await;
    let done = scene.seen(&["echo out; echo err >&2; exit 7"]).await;
    assert_eq!(done.stdout, "out\n", "{done:?}");
    assert!(done.stderr.ends_with("err\n"), "{done:?}");
    assert_eq!(done.status, Some(7));
    let closed = |event: &Value| event["event"]["kind"] == "session.close";
    let closed = scene.gateway.audit_event(closed).await;
    assert_eq!(closed["event"]["outcome"], "done");
    let sessions = scene.gateway.list("/sessions").await;
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["outcome"], "closed");
}

#[tokio::test]
async fn p2_p10_a_revoke_cuts_a_busy_stream_and_says_why() {
    let scene = scene().await;
    let id = scene.approved().await;
    let mut flood = scene.ssh(&["yes"]).spawn().unwrap();
    shown(&mut flood, 1 << 20).await;
    let drained = drained(&mut flood);
    scene.revoke(&id).await;
    let cut = ended(flood).await;
    drained.await.unwrap();
    assert!(
        cut.stderr
            .contains("Access ended: revoked by bob: maintenance is over (check-out "),
        "{cut:?}"
    );
    assert_ne!(cut.status, Some(0));
    let sessions = scene.gateway.closed_sessions().await;
    assert_eq!(sessions[0]["outcome"], "revoked");
    let again = scene.seen(&["true"]).await;
    assert_eq!(again.status, Some(77), "a revoked person must ask again");
}

#[tokio::test]
async fn p2_a_revoke_cuts_a_client_that_stopped_reading() {
    let scene = scene().await;
    let id = scene.approved().await;
    let pid = scene.sshd.dir.path().join("pid");
    let command = format!("echo $$ > {}; exec yes", pid.display());
    let mut stalled = scene.ssh(&[&command]).spawn().unwrap();
    shown(&mut stalled, 1 << 16).await;
    // From here on nobody reads: pipe, window and sockets fill up.
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene.revoke(&id).await;
    within("ssh", stalled.wait()).await.unwrap();
    let pid = std::fs::read_to_string(pid).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    let gone = async || (!process.exists()).then_some(());
    scene
        .gateway
        .eventually("the end of the target's process", gone)
        .await;
}

#[tokio::test]
async fn p9_a_killed_gateway_leaves_no_open_session_and_resurrects_nothing() {
    let mut scene = scene().await;
    let id = scene.approved().await;
    let mut live = scene.live().await;
    scene.gateway.crash_and_restart().await;
    within("ssh", live.wait()).await.unwrap();
    let sessions = scene.gateway.list("/sessions").await;
    assert_eq!(sessions[0]["outcome"], "lost", "{sessions:?}");
    let checkout = scene
        .gateway
        .get(&scene.alice.token, &format!("/checkouts/{id}"))
        .await;
    assert_eq!(
        checkout["state"]["state"], "active",
        "the check-out itself goes on: {checkout}"
    );
    scene.revoke(&id).await;
    scene.gateway.crash_and_restart().await;
    let refused = scene.seen(&["true"]).await;
    assert_eq!(refused.status, Some(77), "no revoke is lost");
    let verdict = scene
        .gateway
        .get(&scene.gateway.root, "/audit/verify")
        .await;
    assert_eq!(verdict["intact"], true, "{verdict}");
}

/// Asks, approves, goes in and revokes until the gateway is gone. What it was told is done.
async fn bustle(scene: &Scene, by: &Person) -> Vec<(String, &'static str)> {
    let mut done: Vec<(String, &str)> = Vec::new();
    let post = async |token: &str, path: &str, body: Value| {
        let answered = scene
            .gateway
            .try_call(token, Method::POST, path, Some(body));
        let (status, answer) = answered.await.ok()?;
        assert!(status.is_success(), "{path}: {status} {answer}");
        Some(answer)
    };
    loop {
        let ask = json!({ "target": "db1", "reason": "disk is full", "ticket": "CHG0012345" });
        let Some(asked) = post(&by.token, "/checkouts", ask).await else {
            return done;
        };
        done.push((text(&asked["id"]), "requested"));
        let (id, state) = done.last_mut().expect("it was pushed");
        let approve = format!("/checkouts/{id}/approve");
        if post(&scene.bob.token, &approve, json!({})).await.is_none() {
            return done;
        }
        *state = "active";
        let mut ssh = scene.gateway.ssh_command(by, "alice+db1");
        let mut inside = ssh
            .arg("echo in; sleep 600")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // In, or gone in the middle of it.
        let mut some = [0; 3];
        inside
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut some)
            .await
            .ok();
        let revoke = format!("/checkouts/{id}/revoke");
        if post(&scene.bob.token, &revoke, json!({})).await.is_none() {
            return done;
        }
        *state = "ended";
    }
}

#[tokio::test]
async fn p9_killed_at_any_moment_the_gateway_keeps_what_it_said_was_done() {
    let mut scene = scene().await;
    for round in 0..6 {
        let pid = Pid::from_raw(scene.gateway.pid().try_into().unwrap());
        let (done, ()) = tokio::join!(bustle(&scene, &scene.alice), async {
            // Into another write each time, wherever the machine is by then.
            tokio::time::sleep(Duration::from_millis(150 + 93 * round)).await;
            kill(pid, Signal::SIGKILL).unwrap();
        });
        scene.gateway.crash_and_restart().await;
        for (id, state) in &done {
            let path = format!("/checkouts/{id}");
            let found = scene.gateway.get(&scene.gateway.root, &path).await;
            // What was under way when it was killed may have been done or not.
            let found = text(&found["state"]["state"]);
            let fits = match *state {
                "requested" => true,
                "active" => found != "requested",
                ended => found == ended,
            };
            assert!(fits, "round {round}: {id} was {state} and is {found}");
        }
        let live = scene.gateway.list("/sessions?live=true").await;
        assert!(live.is_empty(), "round {round}: {live:?}");
        let verdict = scene
            .gateway
            .get(&scene.gateway.root, "/audit/verify")
            .await;
        assert_eq!(verdict["intact"], true, "round {round}: {verdict}");
        // What was left open is out of the way of the next round.
        for (id, _) in done {
            for (token, verb) in [(&scene.bob.token, "revoke"), (&scene.alice.token, "cancel")] {
                let path = format!("/checkouts/{id}/{verb}");
                let body = Some(json!({}));
                let ended = scene.gateway.call(token, Method::POST, &path, body);
                ended.await;
            }
        }
    }
}

#[tokio::test]
async fn p3_the_secret_is_nowhere_but_in_the_vault() {
    let scene = scene().await;
    scene.approved().await;
    let done = scene.seen(&["-v", "true"]).await;
    let key = std::fs::read_to_string(&scene.sshd.key).unwrap();
    let secret = key
        .lines()
        .nth(2)
        .expect("the middle of a private key")
        .as_bytes()
        .to_vec();
    let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    assert!(!holds(done.stderr.as_bytes()) && !holds(done.stdout.as_bytes()));
    assert!(
        !holds(scene.gateway.log().join("\n").as_bytes()),
        "in the log"
    );
    let mut looked_at = 0;
    let mut folders = vec![scene.gateway.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                looked_at += 1;
                assert!(
                    !holds(&std::fs::read(&path).unwrap()),
                    "in {}",
                    path.display()
                );
            }
        }
    }
    assert!(looked_at > 3, "there are files to look at");
    let audit = scene
        .gateway
        .call(&scene.gateway.root, Method::GET, "/audit/export", None)
        .await;
    assert!(!holds(audit.1.to_string().as_bytes()), "in the audit log");
}

#[tokio::test]
async fn a_stranger_is_refused_once_and_written_down_once() {
    let scene = scene().await;
    let strange = scene.gateway.dir.path().join("strange");
    keygen(&strange).await;
    let nobody = Person {
        token: String::new(),
        key: strange,
    };
    let told = scene.gateway.seen(&nobody, "alice+db1", &["true"]).await;
    assert_eq!(told.status, Some(255));
    assert!(told.stderr.contains("Permission denied"), "{told:?}");
    scene.sign_in_refused("alice").await;
}
