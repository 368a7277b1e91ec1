//! Pages that say how long the check-out lasts, where the policy asks for it, and nowhere else.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

use super::{Scene, Seen, raw, scene, scene_with, seen};
use crate::support::{PATIENCE, text};

/// The target's whole page.
const PAGE: &str = "<h1>the wiki</h1>\n";

/// What a browser says when somebody opens an address.
fn window(scene: &Scene) -> Command {
    let mut curl = scene.curl();
    curl.args(["-H", "Sec-Fetch-Dest: document", "-H", "Accept: text/html"]);
    curl.args([
        "-H",
        "Sec-Fetch-Mode: navigate",
        "-H",
        "Sec-Fetch-Site: none",
    ]);
    curl.args(["-H", "Accept-Encoding: br, gzip"]);
    curl
}

async fn with_banner() -> Scene {
    with_banner_and("").await
}

async fn with_banner_and(more: &str) -> Scene {
    let scene = scene_with(more).await;
    let terms = json!({ "page_banner": true });
    scene.gateway.under("wiki", terms).await;
    scene
}

async fn time_left(scene: &Scene) -> Seen {
    seen(scene.curl(), &scene.url("wiki", "/.doorward/time")).await
}

#[tokio::test]
async fn a_page_says_when_access_ends_behind_its_last_byte() {
    let scene = with_banner().await;
    assert_eq!(time_left(&scene).await.problem()["code"], "nothing-open");
    let id = scene.approved("wiki").await;
    let checkout = format!("/checkouts/{id}");
    let checkout = scene.gateway.get(&scene.gateway.root, &checkout).await;
    let code = text(&checkout["code"]);
    for version in ["--http1.1", "--http2"] {
        let mut curl = window(&scene);
        curl.arg(version);
        let page = seen(curl, &scene.url("wiki", "/index.html")).await;
        let banner = page.body.strip_prefix(PAGE).expect("the page comes first");
        assert!(banner.contains(&format!("(check-out {code})")), "{banner}");
        assert!(banner.contains("/.doorward/banner.js"), "{banner}");
        let head = page.head.to_lowercase();
        assert!(!head.contains("content-length"), "{head}");
        assert!(!head.contains("content-encoding"), "{head}");
    }
    let left: Value = serde_json::from_str(&time_left(&scene).await.body).unwrap();
    assert_eq!(left["checkout"], code.as_str());
    assert_eq!(left["ends_at"], checkout["state"]["grant"]["ends_at"]);
    let script = seen(
        scene.strange_curl(),
        &scene.url("wiki", "/.doorward/banner.js"),
    )
    .await;
    assert!(
        script.head.to_lowercase().contains("text/javascript"),
        "{script:?}"
    );

    scene.revoke(&id).await;
    assert_eq!(time_left(&scene).await.problem()["code"], "nothing-open");
}

#[tokio::test]
async fn what_no_person_looks_at_is_passed_on_as_it_is() {
    let scene = with_banner().await;
    scene.approved("wiki").await;
    let url = scene.url("wiki", "/index.html");
    let fetched = seen(scene.curl(), &url).await;
    assert_eq!(fetched.body, PAGE, "by a program");
    let mut frame = scene.curl();
    frame.args(["-H", "Sec-Fetch-Dest: iframe"]);
    assert_eq!(seen(frame, &url).await.body, PAGE, "by a frame");
    let mut part = window(&scene);
    part.args(["-H", "Range: bytes=0-3"]);
    let part = seen(part, &url).await;
    assert_eq!((part.status, part.body.as_str()), (206, &PAGE[..4]));
    let file = seen(window(&scene), &scene.url("wiki", "/hello.txt")).await;
    assert_eq!(file.body, "hello from the wiki\n", "what is no page");
}

#[tokio::test]
async fn without_the_policys_word_no_page_is_written_on() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let page = seen(window(&scene), &scene.url("wiki", "/index.html")).await;
    assert_eq!(page.body, PAGE);
}

#[tokio::test]
async fn who_only_asks_how_long_it_is_leaves_with_their_user_all_the_same() {
    // Nothing else is to end the connection.
    let scene = with_banner_and("web.handshake_timeout = \"10m\"").await;
    scene.approved("wiki").await;
    let page = seen(window(&scene), &scene.url("wiki", "/index.html")).await;
    assert_eq!(page.status, 200, "{page:?}");
    let mut stream = raw::connect(&scene).await;
    let request = raw::get(&scene, "wiki", "/.doorward/time");
    stream.write_all(request.as_bytes()).await.unwrap();
    let (head, _) = raw::head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    scene.gateway.disable("alice").await;
    let mut rest = Vec::new();
    let over = stream.read_to_end(&mut rest);
    // Cut or closed: either way nothing comes any more.
    let _ = timeout(PATIENCE, over).await.expect("the connection ends");
}
