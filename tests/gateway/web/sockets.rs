//! WebSockets: through, and gone with a word when the check-out ends.

use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::{Scene, enter, raw, scene, within};

/// Answers the handshake, then sends back what comes, unmasked, until it is closed.
pub(super) async fn echo(mut stream: TcpStream) {
    let (head, _) = raw::head(&mut stream).await;
    assert!(
        head.to_lowercase().contains("\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    let yes = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
               Connection: Upgrade\r\nSec-WebSocket-Accept: made-up\r\n\r\n";
    stream.write_all(yes.as_bytes()).await.unwrap();
    while let Some((opcode, text)) = frame(&mut stream).await {
        let mut answer = vec![0x80 | opcode, u8::try_from(text.len()).unwrap()];
        answer.extend_from_slice(&text);
        if stream.write_all(&answer).await.is_err() || opcode == 8 {
            return;
        }
    }
}

/// One short frame; none at the end.
pub(super) async fn frame(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.ok()?;
    let masked = head[1] & 0x80 != 0;
    let mut mask = [0; 4];
    if masked {
        stream.read_exact(&mut mask).await.ok()?;
    }
    let mut text = vec![0; usize::from(head[1] & 0x7f)];
    stream.read_exact(&mut text).await.ok()?;
    if masked {
        for (at, byte) in text.iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
    }
    Some((head[0] & 0x0f, text))
}

pub(super) fn masked(text: &str) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap()];
    frame.extend_from_slice(&mask);
    frame.extend(
        text.bytes()
            .enumerate()
            .map(|(at, byte)| byte ^ mask[at % 4]),
    );
    frame
}

/// The server at a port of this machine is the target `other`.
async fn stand(scene: &Scene, port: u16) {
    enter(&scene.gateway, "other", port, json!({ "tls": false })).await;
}

/// Alice's client, with its request for a socket sent.
async fn asked(scene: &Scene, more: &str) -> TlsStream<TcpStream> {
    let mut stream = raw::connect(scene).await;
    let request = asking(scene, more);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

fn asking(scene: &Scene, more: &str) -> String {
    format!(
        "GET /socket HTTP/1.1\r\nHost: other.door.localhost:{port}\r\nDoorward-Token: {token}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}\r\n",
        port = scene.gateway.web.port(),
        token = scene.alice.token,
    )
}

#[tokio::test]
async fn p2_p10_a_revoke_closes_a_websocket_with_the_reason() {
    let scene = scene().await;
    stand(&scene, raw::target(echo).await).await;
    let id = scene.approved("other").await;
    let mut stream = asked(&scene, "").await;
    let (head, _) = raw::head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    for text in ["hello", "again"] {
        stream.write_all(&masked(text)).await.unwrap();
        let echoed = within("an echo", frame(&mut stream)).await;
        assert_eq!(echoed, Some((1, text.as_bytes().to_vec())));
    }
    scene.revoke(&id).await;
    let (opcode, text) = within("the close", frame(&mut stream)).await.unwrap();
    assert_eq!((opcode, &text[..2]), (8, &1008_u16.to_be_bytes()[..]));
    let reason = String::from_utf8(text[2..].to_vec()).unwrap();
    assert!(
        reason.starts_with("Access ended: revoked by bob: maintenance is over (check-out "),
        "{reason}"
    );
    assert_eq!(within("the end", frame(&mut stream)).await, None);
    let sessions = scene.gateway.closed_sessions().await;
    assert_eq!(sessions[0]["outcome"], "revoked");
}

#[tokio::test]
async fn p2_a_websocket_over_http2_works_and_ends_like_any_other() {
    let scene = scene().await;
    stand(&scene, raw::target(echo).await).await;
    let id = scene.approved("other").await;
    let stream = raw::connect_with(&scene, b"h2").await;
    let executor = hyper_util::rt::TokioExecutor::new();
    let shaken = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream));
    let (mut way, driver) = shaken.await.unwrap();
    tokio::spawn(driver);
    let url = scene.url("other", "/socket");
    // Whether the server takes it is said in its first frame (RFC 8441 s3): something else first.
    let none = http_body_util::Empty::<bytes::Bytes>::new;
    let first = hyper::Request::get(scene.url("other", "/.doorward/")).body(none());
    let first = within("an answer", way.send_request(first.unwrap())).await;
    assert_eq!(first.unwrap().status(), 404);
    let request = hyper::Request::connect(&url)
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .header("doorward-token", &scene.alice.token)
        .header("sec-websocket-version", "13")
        .body(none())
        .unwrap();
    let answer = within("the answer", way.send_request(request))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{answer:?}");
    let upgraded = within("the socket", hyper::upgrade::on(answer))
        .await
        .unwrap();
    let mut socket = TokioIo::new(upgraded);
    socket.write_all(&masked("over http2")).await.unwrap();
    let echoed = within("an echo", frame(&mut socket)).await;
    assert_eq!(echoed, Some((1, b"over http2".to_vec())));
    scene.revoke(&id).await;
    let (opcode, text) = within("the close", frame(&mut socket)).await.unwrap();
    assert_eq!((opcode, &text[..2]), (8, &1008_u16.to_be_bytes()[..]));
}

#[tokio::test]
async fn p2_a_revoke_cuts_a_websocket_whose_person_does_not_read() {
    let scene = scene().await;
    let flood = |mut stream: TcpStream| async move {
        raw::head(&mut stream).await;
        let yes = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                   Connection: Upgrade\r\n\r\n";
        stream.write_all(yes.as_bytes()).await.unwrap();
        let frame = [&[0x82, 126, 0x40, 0][..], &[7; 0x4000]].concat();
        while stream.write_all(&frame).await.is_ok() {}
    };
    stand(&scene, raw::target(flood).await).await;
    let id = scene.approved("other").await;
    let mut stream = asked(&scene, "").await;
    raw::head(&mut stream).await;
    scene.revoke(&id).await;
    let sessions = scene.gateway.closed_sessions().await;
    assert_eq!(sessions[0]["outcome"], "revoked");
}

#[tokio::test]
async fn a_websocket_needs_its_capability_and_its_own_origin() {
    let scene = scene().await;
    stand(&scene, raw::target(echo).await).await;
    scene.approved("other").await;
    let foreign = asking(&scene, "Origin: https://wiki.door.localhost\r\n");
    let answer = raw::answered(&scene, foreign.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("cross-origin"), "{answer}");
    let port = scene.gateway.web.port();
    let own = format!("Origin: https://other.door.localhost:{port}\r\n");
    let mut stream = asked(&scene, &own).await;
    assert!(raw::head(&mut stream).await.0.starts_with("HTTP/1.1 101"));

    let policy = json!({ "name": "pages", "terms": { "capabilities": ["http"] } });
    scene
        .gateway
        .post(&scene.gateway.root, "/policies", policy)
        .await;
    let web = json!({ "tls": false });
    let port = raw::target(echo).await;
    let target = json!({ "name": "wiki2", "address": format!("127.0.0.1:{port}"), "web": web,
                         "policy": "pages" });
    scene
        .gateway
        .post(&scene.gateway.root, "/targets", target)
        .await;
    let account = json!({ "name": "ops", "targets": ["wiki2"],
                          "secret": { "kind": "password", "value": "x" } });
    scene
        .gateway
        .post(&scene.gateway.root, "/accounts", account)
        .await;
    scene.approved("wiki2").await;
    let other = asking(&scene, "").replace("other.door", "wiki2.door");
    let answer = raw::answered(&scene, other.as_bytes()).await;
    assert!(answer.contains("does not allow WebSockets"), "{answer}");
}
