//! A desktop in the browser: a real Chromium, from the console's page through the gateway to
//! servers of other people's making.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    console::Stage,
    support::text,
    window::{Screen, Window, holding},
};

#[path = "../gateway/rdp/screen.rs"]
#[allow(dead_code)]
mod screen;
#[path = "../gateway/rdp/server.rs"]
#[allow(dead_code)]
mod server;

use server::{LOGIN, SECRET, SHORT_SECRET, Shadow, Xrdp};

/// Whether the target's painting is there, which is of eight colours.
const COLOURS: &str = "const canvas=document.querySelector('canvas');\
    if(!canvas||!canvas.width)return false;\
    const {data}=canvas.getContext('2d').getImageData(0,0,canvas.width,canvas.height);\
    const seen=new Set();\
    for(let at=0;at<data.length;at+=4*97)\
        seen.add((data[at]>>4)<<8|(data[at+1]>>4)<<4|data[at+2]>>4);\
    return seen.size>5";

async fn enter(stage: &Stage, port: u16, pin: &str, more: Value, secret: &str) {
    let gateway = &stage.gateway;
    let target = json!({ "name": "win1", "address": format!("127.0.0.1:{port}"),
        "host_keys": [pin], "rdp": more });
    gateway.post(&gateway.root, "/targets", target).await;
    let account = json!({ "name": "svc", "login": LOGIN, "targets": ["win1"],
        "secret": { "kind": "password", "value": secret } });
    gateway.post(&gateway.root, "/accounts", account).await;
}

#[tokio::test]
async fn a_desktop_opens_in_the_browser_with_a_credential_nobody_held_and_a_revoke_ends_it() {
    let stage = Stage::set_with("").await;
    let gateway = &stage.gateway;
    let shadow = Shadow::start().await;
    let nla = json!({ "security": "nla" });
    enter(&stage, shadow.port, &shadow.pin, nla, SECRET).await;
    let id = gateway.check_out(&stage.alice, &stage.bob, "win1").await;
    let checkout = gateway
        .get(&gateway.root, &format!("/checkouts/{id}"))
        .await;
    let page = format!("/checkouts/{}", text(&checkout["code"]));

    let alice = stage.window(Screen::Desk, "alice", &page).await;
    alice.until_it_says("Open in the browser").await;
    let leads = "return document.querySelector('a[target=_blank][href$=\"/desktop\"]').pathname";
    assert_eq!(alice.run(leads).await, format!("{page}/desktop"));
    alice.go(&stage.at(&format!("{page}/desktop"))).await;
    alice.until("the desktop", COLOURS).await;
    alice.look("desktop").await;
    let sessions = gateway.list("/sessions?live=true").await;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["protocol"], "rdp");
    assert!(
        text(&sessions[0]["client"]).contains("Chrom"),
        "{sessions:?}"
    );
    assert_eq!(recorded(&stage).await, 1, "it is recorded as every desktop");

    let reason = "maintenance is over";
    gateway.answer(&stage.bob, &id, "revoke", reason).await;
    alice
        .until_it_says("Revoked by bob: maintenance is over")
        .await;
    alice.look("desktop-revoked").await;
    let closed = gateway.closed_sessions().await;
    assert_eq!(closed[0]["outcome"], "revoked", "{closed:?}");

    // P3: neither what it sent and got, nor what it leaves.
    assert!(!alice.traffic().await.contains(SECRET));
    let left = alice.close().await;
    assert_eq!(holding(left.path(), &[SECRET]).1, Vec::<String>::new());
    drop(shadow);
}

#[tokio::test]
async fn what_is_typed_and_pointed_at_reaches_a_target_that_knows_tls_alone() {
    let stage = Stage::set_with("").await;
    let gateway = &stage.gateway;
    let xrdp = Xrdp::start().await;
    let tls = json!({ "security": "tls" });
    enter(&stage, xrdp.port, &xrdp.pin, tls, SHORT_SECRET).await;
    let id = gateway.check_out(&stage.alice, &stage.bob, "win1").await;
    let alice = stage.window(Screen::Desk, "alice", "/").await;
    alice
        .go(&stage.at(&format!("/checkouts/{id}/desktop")))
        .await;
    alice.until("the desktop", COLOURS).await;

    let before = moved(&stage).await;
    pointed(&alice).await;
    let after = async || {
        let now = moved(&stage).await;
        (now > before).then_some(())
    };
    gateway.eventually("what was pointed at", after).await;
    alice.look("desktop-xrdp").await;

    let sessions = gateway.list("/sessions?live=true").await;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let kill = format!("/sessions/{}/kill", text(&sessions[0]["id"]));
    let why = json!({ "message": "a moment, please" });
    gateway.post(&stage.bob.token, &kill, why).await;
    // The check-out lives on: it says why, and opens again.
    alice.until_it_says("Open it again").await;
    alice.until_it_says("a moment, please").await;
    alice.look("desktop-killed").await;
    alice.press_named("Open it again").await;
    alice.until("the desktop again", COLOURS).await;
    drop(xrdp);
}

#[tokio::test]
async fn a_target_that_is_not_there_is_said_to_be_so() {
    let stage = Stage::set_with("").await;
    let pin = format!("sha256//{}", data_encoding::BASE64.encode(&[7; 32]));
    enter(&stage, 9, &pin, json!({ "security": "nla" }), SECRET).await;
    let gateway = &stage.gateway;
    let id = gateway.check_out(&stage.alice, &stage.bob, "win1").await;
    let alice = stage.window(Screen::Phone, "alice", "/").await;
    alice
        .go(&stage.at(&format!("/checkouts/{id}/desktop")))
        .await;
    alice.until_it_says("The target could not be reached").await;
    alice.look("phone-desktop-not-reached").await;
}

async fn recorded(stage: &Stage) -> usize {
    let recordings = stage.gateway.list("/recordings").await;
    let desktops = recordings.iter().filter(|it| it["kind"] == "desktop");
    desktops.count()
}

/// How much has come from the browser, as far as it is counted by now.
async fn moved(stage: &Stage) -> u64 {
    let sessions = stage.gateway.list("/sessions?live=true").await;
    let moved = sessions.first().and_then(|it| it["bytes_in"].as_u64());
    moved.unwrap_or_default()
}

async fn pointed(window: &Window) {
    let mut steps = vec![];
    for step in 1..40 {
        steps.push(json!({ "type": "pointerMove", "duration": 20, "x": 200 + step * 5, "y": 200 + step * 3 }));
    }
    steps.push(json!({ "type": "pointerDown", "button": 0 }));
    steps.push(json!({ "type": "pointerUp", "button": 0 }));
    let keys: Vec<Value> = "ls -l"
        .chars()
        .flat_map(|key| {
            let key = key.to_string();
            [
                json!({ "type": "keyDown", "value": key }),
                json!({ "type": "keyUp", "value": key }),
            ]
        })
        .collect();
    let mouse = json!({ "type": "pointer", "id": "mouse", "actions": steps });
    window.acts(json!({ "actions": [mouse] })).await;
    let keyboard = json!({ "type": "key", "id": "keyboard", "actions": keys });
    window.acts(json!({ "actions": [keyboard] })).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
}
