//! Nobody gets in who may not, and the target does not hear of them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Client, Scene, scene, scene_with};
use crate::{
    seen::{seen, within},
    support::{outcome_of, serve},
};

/// A pin of a key that nobody has.
pub const OTHER: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A target that only counts who comes.
pub async fn counted(scene: &Scene) -> Arc<AtomicUsize> {
    let visits = Arc::new(AtomicUsize::new(0));
    let counting = visits.clone();
    let port = serve(move |_| {
        counting.fetch_add(1, Ordering::SeqCst);
        std::future::ready(())
    })
    .await;
    scene.enter("win1", port, OTHER, json!({})).await;
    visits
}

#[tokio::test]
async fn a_wrong_secret_touches_no_target_and_is_written_down() {
    let scene = scene().await;
    let visits = counted(&scene).await;
    let client = Client::start().await;
    let refused =
        |event: &Value| event["event"]["kind"] == "user.sign-in" && outcome_of(event) == "sign-in";
    // No check-out at all, then one with another secret.
    for _ in 0..2 {
        let xfreerdp = client.open(&scene.gateway, "alice+win1", "aaaaa-bbbbb-ccccc-ddddd");
        let code = client.ended(xfreerdp).await;
        let told = client.told();
        assert_ne!(code, Some(0));
        assert!(told.contains("STATUS_LOGON_FAILURE"), "{told}");
        scene.gateway.audit_event(refused).await;
        scene.approved("win1").await;
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    assert!(scene.gateway.list("/sessions").await.is_empty());
}

#[tokio::test]
async fn a_client_without_network_level_authentication_is_told_that_it_needs_it() {
    let scene = scene().await;
    let visits = counted(&scene).await;
    for protocols in [0_u8, 1] {
        let mut stream = tokio::net::TcpStream::connect(scene.gateway.rdp())
            .await
            .unwrap();
        let mut request = vec![3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0];
        request.extend([protocols, 0, 0, 0]);
        stream.write_all(&request).await.unwrap();
        let mut answer = Vec::new();
        within("an answer", stream.read_to_end(&mut answer))
            .await
            .unwrap();
        assert_eq!(answer[11], 3, "a failure: {answer:?}");
        assert_eq!(answer[15], 5, "network level authentication is needed");
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_target_that_would_do_with_less_gets_no_credential() {
    let scene = scene().await;
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let port = serve(move |mut stream| {
        let heard = heard.clone();
        async move {
            let mut request = [0; 19];
            stream.read_exact(&mut request).await.unwrap();
            // TLS is enough, it says.
            let mut answer = vec![3, 0, 0, 19, 14, 0xd0, 0, 0, 0, 0, 0, 2, 0, 8, 0];
            answer.extend([1, 0, 0, 0]);
            stream.write_all(&answer).await.unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.ok();
            heard.send(rest.len()).unwrap();
        }
    })
    .await;
    scene
        .enter("win1", port, OTHER, json!({ "security": "nla" }))
        .await;
    let checkout = scene.approved("win1").await;
    let secret = scene.secret(&checkout).await;
    let client = Client::start().await;
    let xfreerdp = client.open(&scene.gateway, "alice+win1", &secret);
    assert_ne!(client.ended(xfreerdp).await, Some(0));
    assert_eq!(within("the target", hears.recv()).await, Some(0));
    let closed = scene.gateway.closed_sessions().await;
    let message = closed[0]["message"].as_str().unwrap();
    assert!(message.contains("nothing weaker is taken"), "{message}");
}

#[tokio::test]
async fn a_certificate_that_is_not_the_pinned_one_gets_no_credential() {
    let scene = scene().await;
    let shadow = super::Shadow::start().await;
    scene.enter("win1", shadow.port, OTHER, json!({})).await;
    let checkout = scene.approved("win1").await;
    let secret = scene.secret(&checkout).await;
    let client = Client::start().await;
    let xfreerdp = client.open(&scene.gateway, "alice+win1", &secret);
    assert_ne!(client.ended(xfreerdp).await, Some(0));
    let closed = scene.gateway.closed_sessions().await;
    let message = closed[0]["message"].as_str().unwrap();
    assert!(
        message.contains("did not prove what is pinned"),
        "{message}"
    );
    let used = |event: &&Value| event["event"]["kind"] == "credential.use";
    let events = scene.gateway.list("/audit?limit=200").await;
    assert_eq!(events.iter().filter(used).count(), 0);
}

#[tokio::test]
async fn where_there_is_no_room_for_a_recording_no_session_opens() {
    let scene = scene_with("recording.reserve_mb = 4000000000").await;
    let visits = counted(&scene).await;
    let checkout = scene.approved("win1").await;
    let secret = scene.secret(&checkout).await;
    let client = Client::start().await;
    let xfreerdp = client.open(&scene.gateway, "alice+win1", &secret);
    assert_ne!(client.ended(xfreerdp).await, Some(0));
    let told = client.told();
    assert!(told.contains("STATUS_ACCOUNT_RESTRICTION"), "{told}");
    let refused = |event: &Value| {
        event["event"]["kind"] == "session.open" && outcome_of(event) == "no-recording"
    };
    scene.gateway.audit_event(refused).await;
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_secret_is_its_holders_alone() {
    let scene = scene().await;
    counted(&scene).await;
    let checkout = scene.approved("win1").await;
    let path = format!("/checkouts/{checkout}/rdp");
    let other = scene
        .gateway
        .person("carol", &["requester", "approver"])
        .await;
    for token in [&scene.bob.token, &other.token, &scene.gateway.root] {
        let (status, answer) = scene
            .gateway
            .call(token, Method::POST, &path, Some(json!({})))
            .await;
        assert!(status.is_client_error(), "{status} {answer}");
        assert!(answer["secret"].is_null());
    }
    // The same each time, also by the command line, and another one for another check-out.
    let first = scene.secret(&checkout).await;
    let file = scene.gateway.dir.path().join("win1.rdp");
    let arguments = ["rdp", "win1", "-o", file.to_str().unwrap()];
    let command = scene.gateway.doorward(&scene.alice.token, &arguments);
    let told = seen(command).await.well().stdout;
    assert!(
        told.contains("alice+win1") && told.contains(&first),
        "{told}"
    );
    let file = std::fs::read_to_string(file).unwrap();
    assert!(file.contains("username:s:alice+win1\r\n"), "{file}");
    assert!(!file.contains(&first), "{file}");
    assert_eq!(scene.secret(&checkout).await, first);
    assert_eq!(first.len(), 23, "{first}");
    let shown =
        |event: &Value| event["event"]["kind"] == "one-time.show" && outcome_of(event).is_empty();
    scene.gateway.audit_event(shown).await;
    scene
        .gateway
        .answer(&scene.alice, &checkout, "check-in", "")
        .await;
    let again = scene.approved("win1").await;
    assert_ne!(scene.secret(&again).await, first);
    let audit = scene
        .gateway
        .call(&scene.gateway.root, Method::GET, "/audit/export", None);
    assert!(!audit.await.1.to_string().contains(&first), "in the audit");
}
