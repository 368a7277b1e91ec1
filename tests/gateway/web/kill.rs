//! The end of a check-out ends everything under it, and the next request is told why.

use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{raw, scene, seen, within};
use crate::seen::{drained, shown};

const ENDED: &str = "Access ended: revoked by bob: maintenance is over (check-out ";

#[tokio::test]
async fn p2_p10_a_revoke_cuts_a_download_and_the_next_request_says_why() {
    let scene = scene().await;
    scene.nginx.file("large.bin", 4 << 30);
    for version in ["--http1.1", "--http2"] {
        let id = scene.approved("wiki").await;
        let mut curl = scene.curl();
        let mut download = curl
            .args([version, "-o", "-"])
            .arg(scene.url("wiki", "/large.bin"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        shown(&mut download, 1 << 20).await;
        let drained = drained(&mut download);
        scene.revoke(&id).await;
        let status = within("curl", download.wait()).await.unwrap();
        drained.await.unwrap();
        assert!(!status.success(), "{version}: half a file is no file");
        let refused = scene.get("wiki", "/large.bin").await;
        assert_eq!(refused.status, 403);
        let problem = refused.problem();
        assert_eq!(problem["code"], "revoked", "{problem}");
        assert!(
            problem["detail"].as_str().unwrap().starts_with(ENDED),
            "{problem}"
        );
    }
    let sessions = scene.gateway.closed_sessions().await;
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        assert_eq!(session["outcome"], "revoked");
    }
}

#[tokio::test]
async fn p2_a_revoke_cuts_a_client_that_does_not_read() {
    let scene = scene().await;
    scene.nginx.file("large.bin", 4 << 30);
    let id = scene.approved("wiki").await;
    let mut stream = raw::connect(&scene).await;
    let request = raw::get(&scene, "wiki", "/large.bin");
    stream.write_all(request.as_bytes()).await.unwrap();
    let (head, _) = raw::head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    // From here on nobody reads: sockets and buffers fill up.
    scene.revoke(&id).await;
    let sessions = scene.gateway.closed_sessions().await;
    assert_eq!(sessions[0]["outcome"], "revoked");
    // What was on its way is thrown away, never delivered later.
    let mut rest = Vec::new();
    let end = within("the end", stream.read_to_end(&mut rest)).await;
    assert!(end.is_err(), "reset, after {} bytes", rest.len());
}

#[tokio::test]
async fn p2_a_revoke_ends_a_hundred_streams_of_one_connection() {
    let scene = scene().await;
    scene.nginx.file("large.bin", 4 << 30);
    let id = scene.approved("wiki").await;
    let mut curl = scene.curl();
    let mut downloads = curl
        .args([
            "--http2",
            "--parallel",
            "--parallel-max",
            "100",
            "-o",
            "/dev/null",
        ])
        .arg(scene.url("wiki", "/large.bin?[1-100]"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    scene
        .gateway
        .eventually("a hundred requests", async || {
            let asked = scene.nginx.connections().await;
            (asked >= 50).then_some(())
        })
        .await;
    scene.revoke(&id).await;
    let status = within("curl", downloads.wait()).await.unwrap();
    assert!(!status.success());
    let sessions = scene.gateway.closed_sessions().await;
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["outcome"], "revoked");
}

#[tokio::test]
async fn p2_a_revoke_cuts_an_upload() {
    let scene = scene().await;
    let id = scene.approved("wiki").await;
    let mut curl = scene.curl();
    let mut upload = curl
        .args(["--http1.1", "-T", "-", "-o", "/dev/null"])
        .arg(scene.url("wiki", "/upload/endless"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = upload.stdin.take().unwrap();
    let chunk = vec![7; 1 << 20];
    stdin.write_all(&chunk).await.unwrap();
    let feed = tokio::spawn(async move { while stdin.write_all(&chunk).await.is_ok() {} });
    scene
        .gateway
        .eventually("the upload", async || {
            let sessions = scene.sessions().await;
            (!sessions.is_empty()).then_some(())
        })
        .await;
    scene.revoke(&id).await;
    let output = within("curl", upload.wait_with_output()).await.unwrap();
    feed.abort();
    let there = scene.nginx.dir.path().join("www/upload/endless");
    assert!(!there.exists(), "{output:?}");
    assert_eq!(
        scene.get("wiki", "/hello.txt").await.problem()["code"],
        "revoked"
    );
}

#[tokio::test]
async fn p2_other_targets_on_the_same_connection_go_on() {
    let scene = scene().await;
    let web = json!({ "tls": false, "sign_in": { "by": "basic" } });
    super::enter(&scene.gateway, "other", scene.nginx.port, web).await;
    scene.nginx.file("small.bin", 3 << 20);
    let id = scene.approved("wiki").await;
    scene.approved("other").await;
    let mut stream = raw::connect(&scene).await;
    let mut asked = async |target: &str, path: &str| {
        let request = raw::get(&scene, target, path);
        stream.write_all(request.as_bytes()).await.unwrap();
        let (head, mut body) = raw::head(&mut stream).await;
        let length = head
            .to_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned))
            .unwrap();
        let length: usize = length.parse().unwrap();
        while body.len() < length {
            let mut piece = vec![0; 65_536];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "closed in a body");
            body.extend_from_slice(&piece[..count]);
        }
        head
    };
    assert!(
        asked("wiki", "/hello.txt")
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        asked("other", "/hello.txt")
            .await
            .starts_with("HTTP/1.1 200")
    );
    // An idle connection: its session ends, the connection need not.
    scene.revoke(&id).await;
    assert!(
        asked("wiki", "/hello.txt")
            .await
            .starts_with("HTTP/1.1 403")
    );
    assert!(
        asked("other", "/small.bin")
            .await
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn p2_a_disabled_user_and_a_withdrawn_token_are_out() {
    let scene = scene().await;
    scene.approved("wiki").await;
    assert_eq!(scene.get("wiki", "/hello.txt").await.status, 200);
    let token = scene
        .gateway
        .post(
            &scene.alice.token,
            "/me/tokens",
            json!({ "label": "curl", "scopes": ["request"], "expires_in": "1h" }),
        )
        .await;
    let text = token["token"].as_str().unwrap().to_owned();
    let url = scene.url("wiki", "/hello.txt");
    assert_eq!(seen(scene.curl_as(&text), &url).await.status, 200);
    let reading = json!({ "label": "read", "scopes": ["read"], "expires_in": "1h" });
    let reading = scene
        .gateway
        .post(&scene.alice.token, "/me/tokens", reading)
        .await;
    let narrow = reading["token"].as_str().unwrap();
    assert_eq!(seen(scene.curl_as(narrow), &url).await.status, 403);
    let id = token["id"]
        .as_str()
        .or(token["token_id"].as_str())
        .unwrap_or_default();
    if !id.is_empty() {
        let path = format!("/me/tokens/{id}");
        let delete = reqwest::Method::DELETE;
        scene
            .gateway
            .call(&scene.alice.token, delete, &path, None)
            .await;
        scene
            .gateway
            .eventually("the token's end", async || {
                (seen(scene.curl_as(&text), &url).await.status == 401).then_some(())
            })
            .await;
    }
    scene.gateway.disable("alice").await;
    scene
        .gateway
        .eventually("alice's end", async || {
            let status = scene.get("wiki", "/hello.txt").await.status;
            (status == 401 || status == 403).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_gateway_that_stops_waits_for_no_idle_connection() {
    let mut scene = scene().await;
    scene.approved("wiki").await;
    let mut stream = raw::connect(&scene).await;
    let request = raw::get(&scene, "wiki", "/hello.txt");
    stream.write_all(request.as_bytes()).await.unwrap();
    raw::head(&mut stream).await;
    let status = scene.gateway.terminate().await;
    assert!(status.success(), "{status}");
    let log = scene.gateway.log().join("\n");
    assert!(log.contains("Session closed"), "{log}");
    assert!(log.contains("\"outcome\":\"closed\""), "{log}");
}
