//! What happens when the gateway is stopped, somebody is disabled, time runs out, disks fill.

use std::process::Stdio;

use reqwest::Method;
use serde_json::json;
use tokio::process::{Child, Command};

use crate::{
    life::{Scene, scene, scene_with},
    sshd::Sshd,
    support::{Gateway, PATIENCE, outcome_of},
};

/// A session that runs until it is cut; ready when it has said so.
async fn live(scene: &Scene) -> Child {
    let mut child = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .arg("echo in; sleep 600")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 3];
    let stdout = child.stdout.as_mut().unwrap();
    tokio::io::AsyncReadExt::read_exact(stdout, &mut said)
        .await
        .unwrap();
    child
}

/// What its client was told in the end.
async fn told(live: Child) -> String {
    let ended = tokio::time::timeout(PATIENCE, live.wait_with_output()).await;
    String::from_utf8_lossy(&ended.expect("ssh ends").unwrap().stderr).into_owned()
}

#[tokio::test]
async fn sigterm_takes_nobody_new_tells_the_old_and_ends() {
    let mut scene = scene_with("limits.drain = \"1s\"").await;
    scene.approved().await;
    let live = live(&scene).await;
    let status = scene.gateway.terminate().await;
    assert!(status.success(), "{status}");
    let told = told(live).await;
    assert!(
        told.contains("Access ended: the gateway is being stopped"),
        "{told}"
    );
}

#[tokio::test]
async fn a_disabled_user_loses_sessions_tokens_and_the_way_in() {
    let scene = scene().await;
    let id = scene.approved().await;
    let live = live(&scene).await;
    scene
        .gateway
        .post(&scene.gateway.root, "/users/alice/disable", json!({}))
        .await;
    let told = told(live).await;
    assert!(told.contains("Access ended: "), "{told}");
    let (status, _) = scene
        .gateway
        .call(&scene.alice.token, Method::GET, "/me", None)
        .await;
    assert_eq!(status.as_u16(), 401);
    let again = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .arg("true")
        .output()
        .await
        .unwrap();
    assert_eq!(again.status.code(), Some(255), "not even signed in");
    let checkout = scene
        .gateway
        .get(&scene.gateway.root, &format!("/checkouts/{id}"))
        .await;
    assert_eq!(checkout["state"]["state"], "ended", "{checkout}");
}

#[tokio::test]
async fn a_deleted_target_takes_its_sessions_along() {
    let scene = scene().await;
    scene.approved().await;
    let live = live(&scene).await;
    scene
        .gateway
        .must(
            &scene.gateway.root,
            Method::DELETE,
            "/targets/db1",
            json!({}),
        )
        .await;
    let told = told(live).await;
    assert!(told.contains("Access ended: "), "{told}");
}

#[tokio::test]
async fn p2_expiry_cuts_by_itself_and_says_so() {
    let scene = scene().await;
    let policy = json!({
        "name": "short",
        "terms": { "minimum_duration": "1s", "default_duration": "3s", "maximum_duration": "1h", "duration_presets": [] },
    });
    scene
        .gateway
        .post(&scene.gateway.root, "/policies", policy)
        .await;
    scene
        .gateway
        .must(
            &scene.gateway.root,
            Method::PATCH,
            "/targets/db1",
            json!({ "policy": "short" }),
        )
        .await;
    let id = scene.approved().await;
    let live = live(&scene).await;
    let told = told(live).await;
    assert!(
        told.contains("Access ended: the check-out's time is over (check-out "),
        "{told}"
    );
    let ended = async || {
        let checkout = scene
            .gateway
            .get(&scene.gateway.root, &format!("/checkouts/{id}"))
            .await;
        (checkout["state"]["end"]["reason"] == "expired").then_some(())
    };
    scene.gateway.eventually("the expiry", ended).await;
}

#[tokio::test]
async fn a_full_recording_volume_refuses_sessions_and_still_lets_admins_in() {
    // No volume has so much room: what is to be kept free is more than there is.
    let scene = scene_with("recording.reserve_mb = 4000000000").await;
    scene.approved().await;
    let output = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .arg("true")
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(77), "{told}");
    assert!(
        told.contains("this session must be recorded, and its recording cannot be started"),
        "{told}"
    );
    assert!(
        !scene.sshd.log().contains("Accepted"),
        "the target was never reached"
    );
    scene
        .gateway
        .audit_event(|event| outcome_of(event) == "no-recording")
        .await;
}

#[tokio::test]
async fn a_recording_volume_that_cannot_be_written_refuses_sessions_and_still_lets_admins_in() {
    // Where nobody can make a file, root included, as on a volume that is read-only.
    let scene = scene_with("recording.dir = \"/proc/self/no-such-place\"").await;
    let id = scene.approved().await;
    let mut ssh = scene.gateway.ssh_command(&scene.alice, "alice+db1");
    let output = ssh.arg("true").output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(77), "{told}");
    assert!(told.contains("this session must be recorded"), "{told}");
    assert!(
        !scene.sshd.log().contains("Accepted"),
        "the target was never reached"
    );
    let refused = |event: &serde_json::Value| outcome_of(event) == "no-recording";
    scene.gateway.audit_event(refused).await;
    let me = scene.gateway.get(&scene.gateway.root, "/me").await;
    assert_eq!(me["name"], "root");
    // Where a policy needs no recording the work goes on.
    scene.revoke(&id).await;
    let policy = "/policies/default";
    let mut rules = scene.gateway.get(&scene.gateway.root, policy).await;
    rules["terms"]["recording"] = json!("best-effort");
    let rules = json!({ "description": rules["description"], "terms": rules["terms"] });
    let root = &scene.gateway.root;
    scene.gateway.must(root, Method::PUT, policy, rules).await;
    scene.approved().await;
    let mut ssh = scene.gateway.ssh_command(&scene.alice, "alice+db1");
    assert!(ssh.arg("true").status().await.unwrap().success());
}

#[tokio::test]
async fn the_whole_line_holds_on_postgresql() {
    let database = crate::postgres::Postgres::make().await;
    let scene = scene_with(&database.config()).await;
    let id = scene.approved().await;
    let live = live(&scene).await;
    scene.revoke(&id).await;
    let told = told(live).await;
    assert!(told.contains("Access ended: revoked by bob"), "{told}");
    let verdict = scene
        .gateway
        .get(&scene.gateway.root, "/audit/verify")
        .await;
    assert_eq!(verdict["intact"], true, "{verdict}");
    drop(scene);
    database.drop().await;
}

#[tokio::test]
async fn a_gateway_that_cannot_start_says_why_in_one_sentence() {
    let gateway = Gateway::start().await;
    let sshd = Sshd::start().await;
    let serve = |line: String| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command
            .args(["serve", "--config"])
            .arg(gateway.config())
            .arg("--set")
            .arg(line);
        async move { command.output().await.unwrap() }
    };
    let port = serve(format!("ssh.listen=127.0.0.1:{}", sshd.port)).await;
    let said = String::from_utf8_lossy(&port.stderr).into_owned();
    assert!(said.contains("another program listens there"), "{said}");
    let key = serve("ssh.lisen=127.0.0.1:0".to_owned()).await;
    let said = String::from_utf8_lossy(&key.stderr).into_owned();
    assert!(
        said.contains("ssh.lisen") && said.contains("ssh.listen"),
        "{said}"
    );
    assert!(!port.status.success() && !key.status.success());
}
