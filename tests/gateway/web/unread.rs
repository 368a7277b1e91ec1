//! A no that comes while its client still sends: it is read, whole, and what follows on the
//! connection is in order.

use http_body_util::{BodyExt, StreamBody};
use hyper::{Request, StatusCode, body::Frame};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{enter, raw, scene, seen, within};

/// More than both sides' buffers hold, so that somebody must read it.
const LONG: usize = 3 << 20;

#[tokio::test]
async fn curl_reads_every_no_however_much_it_sends() {
    let scene = scene().await;
    let body = scene.gateway.dir.path().join("body");
    std::fs::write(&body, vec![b'x'; LONG]).unwrap();
    let at = format!("@{}", body.display());
    for flag in ["--http1.1", "--http2"] {
        for round in 0..10 {
            let mut curl = scene.curl();
            curl.args([flag, "-H", "Expect:", "--data-binary", &at]);
            let refused = seen(curl, &scene.url("wiki", "/upload/x")).await;
            assert_eq!(refused.status, 403, "{flag} {round}: {refused:?}");
            assert_eq!(refused.problem()["code"], "no-checkout");
        }
        // Nothing of it is sent before the gateway has said that it may be.
        let mut waits = scene.curl();
        waits.args([flag, "-H", "Expect: 100-continue", "--data-binary", &at]);
        let refused = seen(waits, &scene.url("wiki", "/upload/x")).await;
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    assert_eq!(scene.nginx.log(), "", "the target was never asked");
}

/// The target answers without having read, and closes.
#[tokio::test]
async fn a_no_of_the_target_is_read_as_well() {
    let scene = scene().await;
    let port = raw::target(|mut stream| async move {
        raw::head(&mut stream).await;
        let no = b"HTTP/1.1 507 Insufficient Storage\r\ncontent-length: 4\r\n\
                   connection: close\r\n\r\nfull";
        stream.write_all(no).await.ok();
    })
    .await;
    enter(&scene.gateway, "other", port, json!({ "tls": false })).await;
    scene.approved("other").await;
    let body = "x".repeat(100 << 10);
    for flag in ["--http1.1", "--http2"] {
        for round in 0..5 {
            let mut curl = scene.curl();
            curl.args([flag, "-X", "PUT", "--data-binary", &body]);
            let refused = seen(curl, &scene.url("other", "/x")).await;
            // Reset by the target while it was sent to, its answer may be lost on that leg.
            let status = refused.status;
            assert!(
                status == 507 || status == 502,
                "{flag} {round}: {refused:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_client_that_sends_on_is_answered_at_once_and_its_connection_closed() {
    let scene = scene().await;
    let mut stream = raw::connect(&scene).await;
    let head = format!(
        "POST /x HTTP/1.1\r\nHost: wiki.door.localhost:{}\r\nDoorward-Token: {}\r\n\
         Content-Length: {LONG}\r\n\r\n",
        scene.gateway.web.port(),
        scene.alice.token,
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (answer, _) = raw::head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let closes = answer.to_lowercase().contains("\r\nconnection: close\r\n");
    assert!(closes, "{answer}");
    // What is announced is still taken, so that nobody's answer is lost in a reset.
    within("the rest", stream.write_all(&vec![b'x'; LONG]))
        .await
        .unwrap();
    let mut rest = Vec::new();
    within("the end", stream.read_to_end(&mut rest)).await.ok();
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1"));
}

#[tokio::test]
async fn what_is_read_on_is_bounded() {
    let scene = scene().await;
    let mut stream = raw::connect(&scene).await;
    let head = format!(
        "POST /x HTTP/1.1\r\nHost: wiki.door.localhost:{}\r\nDoorward-Token: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        scene.gateway.web.port(),
        scene.alice.token,
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (answer, _) = raw::head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let chunk = [&b"10000\r\n"[..], &[b'x'; 0x1_0000], b"\r\n"].concat();
    let endless = async {
        let mut sent = 0_u64;
        while stream.write_all(&chunk).await.is_ok() {
            sent += 0x1_0000;
        }
        sent
    };
    let sent = within("the gateway", endless).await;
    // What the kernels of both sides hold comes on top.
    assert!(sent < 64 << 20, "{sent} bytes were taken");
}

/// The other streams of a connection never hear of it.
#[tokio::test]
async fn over_http2_the_answer_is_whole_and_the_connection_goes_on() {
    let scene = scene().await;
    let stream = raw::connect_with(&scene, b"h2").await;
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut way, driver) = shaken.await.unwrap();
    tokio::spawn(driver);
    for _ in 0..2 {
        let (feed, fed) = tokio::sync::mpsc::channel::<bytes::Bytes>(1);
        let frames = futures::stream::unfold(fed, |mut fed| async move {
            let piece = fed.recv().await?;
            Some((Ok::<_, std::convert::Infallible>(Frame::data(piece)), fed))
        });
        let request = Request::post(scene.url("wiki", "/x"))
            .header("doorward-token", &scene.alice.token)
            .body(StreamBody::new(Box::pin(frames)))
            .unwrap();
        let answer = within("the answer", way.send_request(request))
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        // Sent after the answer was there: taken to its end, and no stream is reset.
        for _ in 0..LONG >> 17 {
            let piece = bytes::Bytes::from(vec![b'x'; 1 << 16]);
            within("room", feed.send(piece)).await.unwrap();
        }
        drop(feed);
        let text = within("the text", answer.into_body().collect())
            .await
            .unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&text.to_bytes()).unwrap();
        assert_eq!(problem["code"], "no-checkout");
    }
    assert!(!way.is_closed());
}
