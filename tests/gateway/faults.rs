//! What happens when the gateway is stopped, somebody is disabled, time runs out, disks fill.

use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

use crate::{
    postgres::Postgres,
    scene::{scene, scene_with},
    seen::{ended, seen},
    sshd::Sshd,
    support::Gateway,
};

#[tokio::test]
async fn sigterm_takes_nobody_new_tells_the_old_and_ends() {
    let mut scene = scene_with("limits.drain = \"1s\"").await;
    scene.approved().await;
    let live = scene.live().await;
    let status = scene.gateway.terminate().await;
    assert!(status.success(), "{status}");
    let told = ended(live).await.stderr;
    assert!(
        told.contains("Access ended: the gateway is being stopped"),
        "{told}"
    );
}

#[tokio::test]
async fn a_disabled_user_loses_sessions_tokens_and_the_way_in() {
    let scene = scene().await;
    let id = scene.approved().await;
    let live = scene.live().await;
    scene.gateway.disable("alice").await;
    let told = ended(live).await.stderr;
    assert!(told.contains("Access ended: "), "{told}");
    let (status, _) = scene
        .gateway
        .call(&scene.alice.token, Method::GET, "/me", None)
        .await;
    assert_eq!(status.as_u16(), 401);
    let again = scene.seen(&["true"]).await;
    assert_eq!(again.status, Some(255), "not even signed in");
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
    let live = scene.live().await;
    let root = &scene.gateway.root;
    let delete = scene
        .gateway
        .must(root, Method::DELETE, "/targets/db1", json!({}));
    delete.await;
    let told = ended(live).await.stderr;
    assert!(told.contains("Access ended: "), "{told}");
}

#[tokio::test]
async fn p2_expiry_cuts_by_itself_and_says_so() {
    let scene = scene().await;
    scene
        .under(json!({
            "minimum_duration": "1s", "default_duration": "3s", "maximum_duration": "1h",
            "duration_presets": [],
        }))
        .await;
    let id = scene.approved().await;
    let live = scene.live().await;
    let told = ended(live).await.stderr;
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
    let refused = scene.seen(&["true"]).await;
    assert_eq!(refused.status, Some(77), "{refused:?}");
    let sentence = "this session must be recorded, and its recording cannot be started";
    assert!(refused.stderr.contains(sentence), "{refused:?}");
    scene.was_never_reached();
    scene.refused("no-recording").await;
}

#[tokio::test]
async fn a_recording_volume_that_cannot_be_written_refuses_sessions_and_still_lets_admins_in() {
    // Where nobody can make a file, root included, as on a volume that is read-only.
    let scene = scene_with("recording.dir = \"/proc/self/no-such-place\"").await;
    let id = scene.approved().await;
    let refused = scene.seen(&["true"]).await;
    assert_eq!(refused.status, Some(77), "{refused:?}");
    let sentence = "this session must be recorded";
    assert!(refused.stderr.contains(sentence), "{refused:?}");
    scene.was_never_reached();
    scene.refused("no-recording").await;
    let me = scene.gateway.get(&scene.gateway.root, "/me").await;
    assert_eq!(me["name"], "root");
    // Where a policy needs no recording the work goes on.
    scene.revoke(&id).await;
    scene.terms(json!({ "recording": "best-effort" })).await;
    scene.approved().await;
    scene.seen(&["true"]).await.well();
}

#[tokio::test]
async fn the_whole_line_holds_on_postgresql() {
    let database = Postgres::make().await;
    let scene = scene_with(&database.config()).await;
    let id = scene.approved().await;
    let live = scene.live().await;
    scene.revoke(&id).await;
    let told = ended(live).await.stderr;
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
    let serve = async |line: String| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command
            .args(["serve", "--config"])
            .arg(gateway.config())
            .args(["--set", &line]);
        seen(command).await
    };
    let port = serve(format!("ssh.listen=127.0.0.1:{}", sshd.port)).await;
    let said = &port.stderr;
    assert!(said.contains("another program listens there"), "{said}");
    let key = serve("ssh.lisen=127.0.0.1:0".to_owned()).await;
    let said = &key.stderr;
    assert!(
        said.contains("ssh.lisen") && said.contains("ssh.listen"),
        "{said}"
    );
    assert!(port.status != Some(0) && key.status != Some(0));
}
