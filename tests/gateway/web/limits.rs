//! How much a request may move: refused at once where its length says so, cut where it turns
//! out on the way, and audited either way.

use serde_json::{Value, json};
use tokio::process::Command;

use super::{Scene, scene, seen, within};
use crate::seen::fed;

/// Alice has a check-out of the wiki under a policy with these capabilities.
async fn limited(capabilities: &[&str]) -> Scene {
    let scene = scene().await;
    let terms = json!({ "capabilities": capabilities });
    scene.gateway.under("wiki", terms).await;
    scene.approved("wiki").await;
    scene
}

async fn refusal(scene: &Scene, code: &str) -> Value {
    let event = scene
        .gateway
        .audit_event(|event| event["event"]["kind"] == "web.request")
        .await;
    assert!(event.to_string().contains(code), "{event}");
    event
}

/// Sends bytes whose number nobody says before, and reads what is answered.
async fn streamed(mut curl: Command, bytes: usize, url: &str) -> (String, String) {
    curl.args(["-T", "-", "-w", "\n%{http_code}", url]);
    // Refused in the middle, curl reads no further.
    let text = fed(curl, &vec![b'x'; bytes]).await.stdout;
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

#[tokio::test]
async fn an_upload_that_says_that_it_is_too_long_never_begins() {
    let scene = limited(&["http:PUT /upload/** upload<=10KiB", "http:GET /**"]).await;
    let put = |bytes: usize| {
        let mut curl = scene.curl();
        curl.args(["-X", "PUT", "--data-binary", &"x".repeat(bytes)]);
        curl
    };
    let url = scene.url("wiki", "/upload/notes");
    let refused = seen(put(10 * 1024 + 1), &url).await;
    assert_eq!(refused.status, 413, "{refused:?}");
    let problem = refused.problem();
    assert_eq!(problem["code"], "upload-too-large", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.ends_with("allows uploads of 10KiB at most here"),
        "{detail}"
    );
    assert_eq!(scene.nginx.log(), "", "the target was never asked");
    refusal(&scene, "upload-too-large").await;

    let taken = seen(put(10 * 1024), &url).await;
    assert_eq!(taken.status, 201, "{taken:?}");
    assert_eq!(scene.get("wiki", "/hello.txt").await.status, 200);
}

#[tokio::test]
async fn an_upload_that_turns_out_too_long_is_cut() {
    let scene = limited(&["http:PUT /upload/** upload<=64KiB"]).await;
    let url = scene.url("wiki", "/upload/notes");
    for flag in ["--http1.1", "--http2"] {
        let mut curl = scene.curl();
        curl.arg(flag);
        let (status, body) = streamed(curl, 8 << 20, &url).await;
        assert_eq!(status, "413", "{body}");
        assert!(body.contains("upload-too-large"), "{body}");
    }
    refusal(&scene, "upload-too-large").await;
    let kept = scene.nginx.dir.path().join("www/upload/notes");
    assert!(!kept.exists(), "half an upload was taken for a whole one");
    let mut curl = scene.curl();
    curl.arg("--http1.1");
    let (status, body) = streamed(curl, 64 << 10, &url).await;
    assert_eq!(status, "201", "{body}");
    assert_eq!(kept.metadata().unwrap().len(), 64 << 10);
}

#[tokio::test]
async fn a_download_is_held_to_its_length_said_or_not() {
    let scene = limited(&["http:GET,HEAD /** download<=100KiB"]).await;
    scene.nginx.file("small", 100 << 10);
    scene.nginx.file("large", (100 << 10) + 1);
    let small = scene.get("wiki", "/small").await;
    assert_eq!((small.status, small.body.len()), (200, 100 << 10));
    let large = scene.get("wiki", "/large").await;
    assert_eq!(large.status, 403);
    assert_eq!(large.problem()["code"], "download-too-large");
    refusal(&scene, "download-too-large").await;
    // To ask how long it is moves nothing.
    let mut head = scene.curl();
    head.arg("--head");
    assert_eq!(seen(head, &scene.url("wiki", "/large")).await.status, 200);
    // A part of it is no longer than that part.
    let mut part = scene.curl();
    part.args(["-r", "0-99"]);
    assert_eq!(seen(part, &scene.url("wiki", "/large")).await.status, 206);

    // Compressed on the way, its length is not known before.
    let noise: Vec<u8> = (0..(8 << 20) / 32)
        .flat_map(|block: u32| {
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &block.to_be_bytes())
                .as_ref()
                .to_vec()
        })
        .collect();
    std::fs::write(scene.nginx.dir.path().join("www/noise.txt"), noise).unwrap();
    for flag in ["--http1.1", "--http2"] {
        let mut curl = scene.curl();
        curl.args([flag, "-H", "Accept-Encoding: gzip", "-o", "/dev/null"]);
        curl.args(["-w", "%{http_code} %{size_download}"]);
        let output = within(
            "the download",
            curl.arg(scene.url("wiki", "/packed/noise.txt")).output(),
        );
        let output = output.await.unwrap();
        assert!(!output.status.success(), "curl took a part for the whole");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (status, bytes) = said.split_once(' ').unwrap();
        assert_eq!(status, "200", "{said}");
        assert!(bytes.parse::<u64>().unwrap() <= 100 << 10, "{said}");
    }
}
