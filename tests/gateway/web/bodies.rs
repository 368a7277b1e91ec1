//! What requests and answers carry is recorded where the policy asks for it, up to its limit,
//! and the credential is in none of it.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Scene, enter, nginx::SECRET, raw, scene, secret_is_nowhere, seen};
use crate::seen::seen as run;

/// A target `other` that shows everybody what it was sent, the credential included.
async fn shows_all(scene: &Scene, terms: Value) {
    let port = raw::target(|mut stream| async move {
        let (head, mut body) = raw::head(&mut stream).await;
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1);
        let length: usize = length.map_or(0, |it| it.lines().next().unwrap().parse().unwrap());
        let mut piece = [0; 4096];
        while body.len() < length {
            match stream.read(&mut piece).await {
                Ok(count) if count > 0 => body.extend_from_slice(&piece[..count]),
                _ => return,
            }
        }
        let shown = format!(
            "you said\n{head}and your password is {SECRET}\n{}",
            "z".repeat(200)
        );
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{shown}",
            shown.len()
        );
        stream.write_all(answer.as_bytes()).await.ok();
    });
    let web = json!({ "tls": false, "sign_in": { "by": "basic" } });
    enter(&scene.gateway, "other", port.await, web).await;
    scene.gateway.under("other", terms).await;
}

/// The lines of the one recording, once it is closed.
async fn content(scene: &Scene) -> (String, String) {
    let root = &scene.gateway.root;
    let recording = scene.gateway.eventually("the recording", async || {
        let first = scene.gateway.list("/recordings").await.into_iter().next()?;
        first["finished_at"].is_string().then_some(first)
    });
    let id = recording.await["id"].as_str().unwrap().to_owned();
    let path = format!("/recordings/{id}/content");
    let content = scene.gateway.get(root, &path);
    (id, content.await.as_str().unwrap().to_owned())
}

async fn posted(scene: &Scene) {
    let mut curl = scene.curl();
    curl.args([
        "-H",
        "Accept-Encoding: gzip",
        "-H",
        "Content-Type: application/json",
    ]);
    curl.args(["--data", r#"{"title":"a note","api_token":"hunter22"}"#]);
    let answered = seen(curl, &scene.url("other", "/notes")).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert!(
        answered.body.contains(SECRET),
        "the target shows it: {answered:?}"
    );
}

#[tokio::test]
async fn bodies_are_recorded_up_to_the_limit_and_without_the_credential() {
    let scene = scene().await;
    shows_all(&scene, json!({ "record_bodies": "1KiB" })).await;
    let id = scene.approved("other").await;
    posted(&scene).await;
    scene.revoke(&id).await;
    let (recording, content) = content(&scene).await;
    let bodies: Vec<Value> = content
        .lines()
        .filter_map(|line| serde_json::from_str::<(f64, String, String)>(line).ok())
        .filter(|(_, code, _)| code == "body")
        .map(|(_, _, text)| serde_json::from_str(&text).unwrap())
        .collect();
    assert_eq!(bodies.len(), 2, "{content}");
    let (up, down) = (&bodies[0], &bodies[1]);
    assert_eq!(up["direction"], "up");
    assert_eq!(up["text"], r#"{"title":"a note","api_token":"***"}"#);
    let text = down["text"].as_str().unwrap();
    assert!(text.contains("your password is ***"), "{text}");
    assert!(text.contains("accept-encoding: identity"), "{text}");
    assert!(
        text.len() <= 1024 && down["bytes"].as_u64().unwrap() > 200,
        "{down}"
    );
    assert!(!content.contains("hunter22"), "{content}");
    secret_is_nowhere(&scene).await;

    let played = scene
        .gateway
        .doorward(&scene.gateway.root, &["play", &recording]);
    let played = run(played).await.well().stdout;
    assert!(
        played.contains("body up application/json, 41 bytes"),
        "{played}"
    );
    assert!(played.contains("your password is ***"), "{played}");
    let export = ["recordings", "export", &recording, "--har"];
    let export = scene.gateway.doorward(&scene.gateway.root, &export);
    let har: Value = serde_json::from_str(&run(export).await.well().stdout).unwrap();
    let entry = &har["log"]["entries"][0];
    assert_eq!(entry["request"]["postData"]["mimeType"], "application/json");
    assert_eq!(entry["response"]["content"]["text"], text);
}

#[tokio::test]
async fn a_policy_that_says_nothing_of_bodies_records_none() {
    let scene = scene().await;
    shows_all(&scene, json!({})).await;
    let id = scene.approved("other").await;
    posted(&scene).await;
    scene.revoke(&id).await;
    let (_, content) = content(&scene).await;
    assert!(content.contains("/notes"), "{content}");
    assert!(
        !content.contains("a note") && !content.contains("\"body\""),
        "{content}"
    );
}

#[tokio::test]
async fn a_limit_is_between_a_byte_and_a_mebibyte() {
    let gateway = crate::support::Gateway::start().await;
    for (limit, taken) in [
        ("0B", false),
        ("2MiB", false),
        ("64 KiB", false),
        ("1MiB", true),
    ] {
        let policy = json!({ "name": "wiki", "terms": { "record_bodies": limit } });
        let answered = gateway.call(
            &gateway.root,
            reqwest::Method::POST,
            "/policies",
            Some(policy),
        );
        assert_eq!(answered.await.0.is_success(), taken, "{limit}");
    }
}
