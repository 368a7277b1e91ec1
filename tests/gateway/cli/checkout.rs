//! A check-out from asking to its end, as the two people at their terminals do it.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::{ASK, Line, finish, scene};
use crate::{
    seen::{ended, shown},
    sshd::Sshd,
    support::{Gateway, text},
};

#[tokio::test]
async fn a_check_out_lives_through_the_command_line() {
    let scene = scene().await;
    let asked = scene
        .alice
        .must(&[&ASK[..], &["--for", "30m"]].concat())
        .await;
    assert!(asked.starts_with("Requested "), "{asked}");
    assert!(
        asked.contains("root on db1, waiting for an approver"),
        "{asked}"
    );
    let again = scene.alice.must(&ASK).await;
    assert!(again.starts_with("Already requested "), "{again}");

    let code = text(&scene.alice.json(&["checkouts"]).await["items"][0]["code"]);
    let listed = scene.bob.must(&["checkouts", "--waiting"]).await;
    assert!(listed.starts_with("CODE"), "{listed}");
    assert!(
        listed.contains(&code) && listed.contains("CHG0012345"),
        "{listed}"
    );
    let waits = scene.alice.run(&["wait", &code, "--timeout", "1s"]).await;
    assert_eq!(waits.code, 75, "{waits:?}");
    assert!(waits.err.contains("still stands"), "{waits:?}");

    let approved = scene
        .bob
        .must(&["approve", &code, "--for", "20m", "-m", "go"])
        .await;
    assert!(approved.starts_with(&format!("Approved {code}: root on db1 for alice, active")));
    let waited = scene.alice.must(&["wait", &code.to_lowercase()]).await;
    assert!(waited.contains("Connect: doorward ssh db1"), "{waited}");

    let whole = scene.alice.must(&["checkout", &code]).await;
    for part in [
        "disk is full",
        "CHG0012345",
        "approved by",
        "bob for 20m",
        "go",
        "WHEN",
    ] {
        assert!(whole.contains(part), "{part}: {whole}");
    }
    let extended = scene
        .alice
        .must(&["extend", &code, "--for", "10m", "-r", "not done"])
        .await;
    assert!(extended.contains("10m more asked for"), "{extended}");
    let denied = scene.bob.must(&["deny", &code, "-m", "enough"]).await;
    assert!(denied.starts_with("Denied the extension of"), "{denied}");
    let back = scene.alice.must(&["check-in", &code]).await;
    assert_eq!(back, format!("Checked in {code}: root on db1 for alice.\n"));

    let over = scene.alice.run(&["wait", &code]).await;
    assert_eq!(over.code, 5, "{over:?}");
    let json = scene
        .alice
        .json(&["checkouts", "--state", "checked-in"])
        .await;
    assert_eq!(json["items"][0]["code"], code.as_str());
    assert_eq!(json["next"], Value::Null);
}

#[tokio::test]
async fn an_approver_denies_hands_over_grants_and_revokes() {
    let scene = scene().await;
    scene.gateway.person("carol", &["approver"]).await;
    let code = scene.asked().await;
    let handed = scene.bob.must(&["assign", &code, "--to", "carol"]).await;
    assert_eq!(handed, format!("{code} now waits for carol.\n"));
    let not_his = scene.bob.run(&["approve", &code]).await;
    assert_eq!(not_his.code, 5, "{not_his:?}");
    let cancelled = scene.alice.must(&["cancel", &code]).await;
    assert!(cancelled.starts_with("Cancelled"), "{cancelled}");

    let code = scene.asked().await;
    scene.bob.must(&["deny", &code, "-m", "not today"]).await;
    let waited = scene.alice.run(&["wait", &code]).await;
    assert_eq!(waited.code, 5, "{waited:?}");
    assert!(
        waited.err.contains("denied by bob: not today"),
        "{waited:?}"
    );

    let granted = scene
        .bob
        .must(&[
            "grant",
            "db1",
            "--to",
            "alice",
            "-r",
            "night shift",
            "-t",
            "INC1",
        ])
        .await;
    assert!(
        granted.contains("alice gets root on db1, active"),
        "{granted}"
    );
    let code =
        text(&scene.alice.json(&["checkouts", "--state", "active"]).await["items"][0]["code"]);
    let revoked = scene
        .bob
        .must(&["revoke", &code, "-m", "maintenance is over"])
        .await;
    assert_eq!(revoked, format!("Revoked {code}: root on db1 for alice.\n"));
}

#[tokio::test]
async fn a_wait_ends_with_the_answer_and_leaves_the_request_when_it_is_stopped() {
    let scene = scene().await;
    let waiting = scene
        .alice
        .command(&[&ASK[..], &["--wait", "--json"]].concat())
        .spawn()
        .unwrap();
    let code = scene
        .gateway
        .eventually("the request", async || {
            let list = scene.bob.json(&["checkouts", "--waiting"]).await;
            list["items"][0]["code"].as_str().map(str::to_owned)
        })
        .await;
    scene.bob.must(&["approve", &code]).await;
    let outcome = finish(waiting).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let answer: Value = serde_json::from_str(&outcome.out).expect("one JSON and nothing else");
    assert_eq!(answer["status"], "active");
    assert_eq!(outcome.err, "", "no live line for programs");
    scene.alice.must(&["check-in", &code]).await;

    let code = scene.asked().await;
    let waiting = scene.alice.command(&["wait", &code]).spawn().unwrap();
    // It must have set up its handler before it is interrupted; its stream is then open.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let pid = waiting.id().unwrap().to_string();
    let killed = Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .await
        .unwrap();
    assert!(killed.success());
    let outcome = finish(waiting).await;
    assert_eq!(outcome.code, 75, "{outcome:?}");
    assert!(
        outcome
            .err
            .contains(&format!("the request {code} still stands")),
        "{outcome:?}"
    );
    let still = scene.alice.json(&["checkout", &code]).await;
    assert_eq!(still["status"], "requested");
}

#[tokio::test]
async fn a_session_is_opened_listed_killed_and_leaves_a_recording() {
    let (gateway, sshd) = tokio::join!(Gateway::start(), Sshd::start());
    sshd.enter(&gateway, "db1").await;
    let root = Line::of(&gateway, &gateway.root);
    let alice_person = gateway.person("alice", &["requester"]).await;
    let bob = Line::person(&gateway, &gateway.person("bob", &["approver"]).await);
    let alice = Line::person(&gateway, &alice_person);
    let code = text(&alice.json(&ASK).await["code"]);
    bob.must(&["approve", &code]).await;

    let place = format!("127.0.0.1:{}", gateway.ssh.port());
    // What follows the target is ssh's, so our own option comes first.
    let line = alice
        .must(&["--json", "ssh", "--gateway", &place, "db1", "uname", "-a"])
        .await;
    let line: Value = serde_json::from_str(&line).unwrap();
    let port = gateway.ssh.port().to_string();
    assert_eq!(
        line["command"],
        serde_json::json!([
            "ssh",
            "-p",
            port,
            "-l",
            "alice+db1",
            "--",
            "127.0.0.1",
            "uname",
            "-a"
        ])
    );

    let mut ssh = gateway
        .ssh_command(&alice_person, "alice+db1")
        .arg("echo on; sleep 600")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Only what runs on the target is recorded.
    shown(&mut ssh, 3).await;
    let id = gateway
        .eventually("the session", async || {
            let list = alice.json(&["sessions"]).await;
            list["items"][0]["id"].as_str().map(str::to_owned)
        })
        .await;
    let listed = bob.must(&["sessions"]).await;
    assert!(
        listed.contains(&code) && listed.contains("alice") && listed.contains("live"),
        "{listed}"
    );
    let shown = alice.must(&["sessions", &id]).await;
    assert!(shown.contains("OpenSSH"), "{shown}");
    let killed = bob.must(&["kill", &id, "-m", "look up"]).await;
    assert!(killed.contains("its check-out still stands"), "{killed}");
    assert_ne!(ended(ssh).await.status, Some(0));
    let closed = gateway
        .eventually("the end of the session", async || {
            let list = alice.json(&["sessions", "--closed"]).await;
            list["items"][0]["outcome"].as_str().map(str::to_owned)
        })
        .await;
    assert_eq!(closed, "killed");

    let recording = gateway
        .eventually("the recording", async || {
            let list = root
                .json(&["recordings", "list", "--checkout", &code])
                .await;
            let first = &list["items"][0];
            first["finished_at"].is_string().then(|| text(&first["id"]))
        })
        .await;
    let shown = root.must(&["recordings", "show", &recording]).await;
    assert!(shown.contains("root"), "{shown}");
    let cast = root.must(&["recordings", "export", &recording]).await;
    assert!(cast.starts_with("{\"version\":"), "{cast}");
}
