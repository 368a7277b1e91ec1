//! HTTP/2 clients that hold on to what they take, or ask for more than anybody can want: each is
//! cut off, and nobody else notices.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Scene, raw, scene, scene_with, within};

type Client = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

// Types of frames and their flags (RFC 9113 s6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// SETTINGS_INITIAL_WINDOW_SIZE of nothing: not a byte of a body may be sent.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Alice's GET as a block of fields without an index (RFC 7541 s6.2.2).
fn block(scene: &Scene, path: &str) -> Vec<u8> {
    let authority = format!("wiki.door.localhost:{}", scene.gateway.web.port());
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", &authority),
        (":path", path),
        ("doorward-token", &scene.alice.token),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for part in [name, value] {
            block.push(
                u8::try_from(part.len())
                    .ok()
                    .filter(|it| *it < 127)
                    .unwrap(),
            );
            block.extend(part.as_bytes());
        }
    }
    block
}

/// A connection on which these settings were sent, and nothing else.
async fn connect(scene: &Scene, settings: &[u8]) -> Client {
    let mut client = raw::connect_with(scene, b"h2").await;
    let mut first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    first.extend(frame(SETTINGS, 0, 0, settings));
    client.write_all(&first).await.unwrap();
    client
}

/// The next frame: its type, its stream and what it holds; none when the gateway has closed.
async fn next(client: &mut Client) -> Option<(u8, u32, Vec<u8>)> {
    let read = async {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        client.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], stream, payload))
    };
    within("a frame", read).await
}

/// Whether others are served.
async fn is_served(scene: &Scene) {
    let served = scene.get("wiki", "/hello.txt").await;
    assert_eq!(served.status, 200, "{served:?}");
}

/// Reads on until the gateway has closed: the code of its GOAWAY, if it said one (RFC 9113 s7).
async fn how_it_ends(client: &mut Client) -> Option<u32> {
    let mut code = None;
    while let Some((kind, _, payload)) = next(client).await {
        if kind == GOAWAY {
            code = payload[4..8].try_into().ok().map(u32::from_be_bytes);
        }
    }
    code
}

#[tokio::test]
async fn who_never_finishes_a_head_is_cut_off() {
    let scene = scene_with("web.handshake_timeout = \"3s\"").await;
    scene.approved("wiki").await;
    let mut begun = connect(&scene, &[]).await;
    let block = block(&scene, "/hello.txt");
    let half = frame(HEADERS, END_STREAM, 1, &block[..block.len() / 2]);
    begun.write_all(&half).await.unwrap();
    let mut silent = connect(&scene, &[]).await;
    is_served(&scene).await;
    how_it_ends(&mut begun).await;
    how_it_ends(&mut silent).await;
    is_served(&scene).await;
}

#[tokio::test]
async fn who_takes_no_byte_of_a_download_loses_it_with_the_check_out() {
    let scene = scene().await;
    scene.nginx.file("large.bin", 4 << 30);
    let id = scene.approved("wiki").await;
    let mut client = connect(&scene, &NO_WINDOW).await;
    let asked = block(&scene, "/large.bin");
    let flags = END_STREAM | END_HEADERS;
    for stream in [1, 3, 5, 7] {
        let request = frame(HEADERS, flags, stream, &asked);
        client.write_all(&request).await.unwrap();
    }
    let mut answered = 0;
    while answered < 4 {
        let (kind, _, _) = next(&mut client).await.expect("each is answered");
        answered += usize::from(kind == HEADERS);
    }
    is_served(&scene).await;
    scene.revoke(&id).await;
    // Cut as a whole, for it does not read, or each stream by itself.
    let mut cut = 0;
    while cut < 4 {
        match next(&mut client).await {
            Some((RST_STREAM, ..)) => cut += 1,
            Some(_) => {}
            None => break,
        }
    }
}

#[tokio::test]
async fn who_asks_and_takes_back_without_end_is_sent_away() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let mut client = connect(&scene, &[]).await;
    let asked = block(&scene, "/hello.txt");
    let flags = END_STREAM | END_HEADERS;
    let mut flood = Vec::new();
    for stream in (1..4_000).step_by(2) {
        flood.extend(frame(HEADERS, flags, stream, &asked));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    // It is closed while it writes, or at the end.
    client.write_all(&flood).await.ok();
    const ENHANCE_YOUR_CALM: u32 = 11;
    let code = how_it_ends(&mut client).await;
    assert!(
        code.is_none_or(|code| code == ENHANCE_YOUR_CALM),
        "{code:?}"
    );
    is_served(&scene).await;
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let mut client = connect(&scene, &[]).await;
    let mut flood = frame(HEADERS, END_STREAM, 1, &block(&scene, "/hello.txt"));
    // A field with a value of 100 bytes, again and again.
    let mut more = vec![0, 1, b'x', 100];
    more.extend([b'y'; 100]);
    let more = more.repeat(150);
    for _ in 0..200 {
        flood.extend(frame(CONTINUATION, 0, 1, &more));
    }
    client.write_all(&flood).await.ok();
    how_it_ends(&mut client).await;
    is_served(&scene).await;
}

#[tokio::test]
async fn who_asks_for_signs_of_life_and_reads_none_keeps_nobody_out() {
    let scene = scene().await;
    let id = scene.approved("wiki").await;
    let mut client = connect(&scene, &[]).await;
    let asked = block(&scene, "/hello.txt");
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &asked);
    client.write_all(&request).await.unwrap();
    let ping = frame(PING, 0, 0, &[7; 8]).repeat(4_096);
    // As far as the gateway reads: it owes an answer to each.
    let flood = async {
        for _ in 0..256 {
            if client.write_all(&ping).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(3), flood)
        .await
        .ok();
    is_served(&scene).await;
    scene.revoke(&id).await;
    scene.gateway.disable("alice").await;
    how_it_ends(&mut client).await;
}
