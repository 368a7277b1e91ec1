//! A target that writes the credential into its own page, as some do for their scripts.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    enter,
    nginx::{SECRET, basic},
    raw, scene, seen,
};

/// Says how it was asked to send, and then both forms of the password, torn apart.
async fn tell(mut stream: tokio::net::TcpStream) {
    let mut some = [0; 8192];
    let count = stream.read(&mut some).await.unwrap_or(0);
    let asked = String::from_utf8_lossy(&some[..count]).to_lowercase();
    let plainly = asked.contains("accept-encoding: identity\r\n");
    let kind = match asked.starts_with("get /file") {
        true => "application/octet-stream",
        false => "text/html",
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Sum\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.ok();
    let text = format!(
        "plainly={plainly} <b>{SECRET}</b> <i>{}</i> {}",
        basic(),
        &SECRET[..9]
    );
    for piece in text.as_bytes().chunks(7) {
        let line = format!("{:x}\r\n", piece.len());
        let chunk = [line.as_bytes(), piece, b"\r\n"].concat();
        stream.write_all(&chunk).await.ok();
        stream.flush().await.ok();
        tokio::task::yield_now().await;
    }
    stream.write_all(b"0\r\nX-Sum: 1\r\n\r\n").await.ok();
}

#[tokio::test]
async fn p3_a_page_that_says_the_password_says_stars() {
    let scene = scene().await;
    let port = raw::target(tell).await;
    let web = json!({ "tls": false, "sign_in": { "by": "basic" } });
    enter(&scene.gateway, "other", port, web).await;
    scene.approved("other").await;
    let stars = |text: &str| "*".repeat(text.len());
    let covered = format!(
        "plainly=true <b>{}</b> <i>{}</i> {}",
        stars(SECRET),
        stars(&basic()),
        &SECRET[..9]
    );
    for version in ["--http1.1", "--http2"] {
        let mut curl = scene.curl();
        curl.args([
            version,
            "-H",
            "Accept: text/html",
            "-H",
            "Accept-Encoding: br, gzip",
        ]);
        let page = seen(curl, &scene.url("other", "/page")).await;
        // Behind chunks HTTP/1.1 shows the trailer as well.
        assert!(page.body.starts_with(&covered), "{version}: {page:?}");
        assert!(!page.body.contains(SECRET) && !page.body.contains(&basic()));
    }
    // What is no page is passed on as it is, and asked for as it was.
    let mut curl = scene.curl();
    curl.args(["-H", "Accept-Encoding: br, gzip"]);
    let file = seen(curl, &scene.url("other", "/file")).await;
    assert!(file.body.starts_with("plainly=false"), "{file:?}");
    assert!(file.body.contains(SECRET), "{file:?}");
}
