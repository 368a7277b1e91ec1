//! Who is slow, who is many and who talks nonsense is cut off, and the others are served.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use super::{
    crafted::{Crafted, Form, LOGON_FAILURE, NLA, request},
    refuse::{OTHER, counted},
    scene, scene_with,
};
use crate::{
    seen::within,
    support::{Gateway, serve},
};

/// The target does not answer as it should.
const NO_SERVER: u32 = 0xc000_005e;
const SECRET: &str = "aaaaa-bbbbb-ccccc-ddddd";

/// Between two bytes of somebody slow: each step alone would take longer than the door waits.
const PAUSE: Duration = Duration::from_millis(500);

/// A TSRequest that is as long as one may be, of which nothing is right.
fn long_message(length: u16) -> Vec<u8> {
    let mut message = vec![0x30, 0x82];
    message.extend(length.to_be_bytes());
    message.resize(usize::from(length) + 4, 0xa0);
    message
}

/// Whether the gateway is done with them before they have said all of it.
async fn is_cut_off(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, says: &[u8]) -> bool {
    for byte in says {
        let mut said = [0; 64];
        let sent = async {
            stream.write_all(&[*byte]).await?;
            stream.flush().await
        };
        if sent.await.is_err() {
            return true;
        }
        tokio::select! {
            // It says nothing to somebody who has said nothing whole.
            read = stream.read(&mut said) => return matches!(read, Ok(0) | Err(_)),
            () = sleep(PAUSE) => {}
        }
    }
    false
}

#[tokio::test]
async fn a_client_that_sends_a_byte_now_and_then_is_cut_off_at_each_step() {
    let scene = scene_with("rdp.handshake_timeout = \"3s\"").await;
    let visits = counted(&scene).await;
    let connect = async || TcpStream::connect(scene.gateway.rdp()).await.unwrap();
    let blob = [&1_000_u32.to_le_bytes()[..], &[0; 996]].concat();
    let hello = [&[0x16, 3, 1, 1, 0][..], &[0; 256]].concat();
    let in_tls = async {
        let stream = connect().await;
        let mut stream = stream;
        stream.write_all(&request(NLA)).await.unwrap();
        let mut answer = [0; 19];
        let read = stream.read_exact(&mut answer);
        within("the gateway's choice", read).await.unwrap();
        is_cut_off(stream, &hello).await
    };
    let in_credssp = async {
        let client = Crafted::connect(&scene.gateway, NLA).await;
        is_cut_off(client.stream, &long_message(30_000)).await
    };
    let request = request(NLA);
    let (one, two, three, four) = tokio::join!(
        async { is_cut_off(connect().await, &request).await },
        async { is_cut_off(connect().await, &blob).await },
        in_tls,
        in_credssp,
    );
    assert_eq!([one, two, three, four], [true; 4]);
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    still_serves(&scene.gateway).await;
}

#[tokio::test]
async fn of_three_hundred_who_say_nothing_those_beyond_the_limit_are_turned_away() {
    let limit = 40;
    let more = format!("rdp.max_handshakes = {limit}\nrdp.max_per_address = 300");
    let scene = scene_with(&more).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(scene.gateway.rdp()).await.unwrap());
    }
    // The door takes them one after the other: who is behind these has been looked at.
    let mut turned_away = 0;
    for stream in &mut silent[limit..] {
        let mut said = [0; 1];
        let read = within("the door", stream.read(&mut said)).await;
        turned_away += usize::from(matches!(read, Ok(0) | Err(_)));
    }
    assert_eq!(turned_away, 300 - limit);
    // Those within it are still waited for.
    let mut first = silent.swap_remove(0);
    first.write_all(&request(NLA)).await.unwrap();
    let mut answer = [0; 19];
    within("a choice", first.read_exact(&mut answer))
        .await
        .unwrap();
    drop((first, silent));
    scene
        .gateway
        .eventually("room", async || {
            let mut stream = TcpStream::connect(scene.gateway.rdp()).await.ok()?;
            stream.write_all(&request(NLA)).await.ok()?;
            let mut answer = [0; 19];
            stream.read_exact(&mut answer).await.ok().map(drop)
        })
        .await;
}

#[tokio::test]
async fn nonsense_at_each_step_ends_that_connection_and_no_other() {
    let scene = scene().await;
    let visits = counted(&scene).await;
    let mut too_long = request(NLA);
    too_long[2] = 0xff;
    let mut contradicts = request(NLA);
    contradicts[4] = 200;
    let first: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        &[3, 0, 0, 3],
        &[0xff; 64],
        &too_long,
        &contradicts,
    ];
    for words in first {
        let mut stream = TcpStream::connect(scene.gateway.rdp()).await.unwrap();
        stream.write_all(words).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let read = stream.read_to_end(&mut rest);
        // A reset is an end too.
        within("the end", read).await.ok();
        assert!(rest.is_empty(), "{words:?}: {rest:?}");
    }
    for words in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &long_message(0xffff),
        &long_message(300),
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        &[0x30, 0x00],
        &[0x30, 0x05, 0xa0, 3, 2, 1, 6],
    ] {
        let mut client = Crafted::connect(&scene.gateway, NLA).await;
        client.stream.write_all(words).await.ok();
        client.stream.flush().await.ok();
        client.stream.shutdown().await.ok();
        client.rest().await;
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    still_serves(&scene.gateway).await;
}

#[tokio::test]
async fn a_target_that_speaks_no_rdp_or_stalls_gets_nothing_and_its_client_is_told() {
    let scene = scene().await;
    let silent = serve(|mut stream| async move {
        let mut heard = Vec::new();
        // Until the gateway has had enough of it.
        stream.read_to_end(&mut heard).await.ok();
        assert_eq!(heard.len(), 19, "a request, and nothing else");
    })
    .await;
    let other = serve(|mut stream| async move {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .ok();
    })
    .await;
    let huge = serve(|mut stream| async move {
        stream
            .write_all(&[&[3, 0, 0xff, 0xff][..], &[0; 65_531]].concat())
            .await
            .ok();
    })
    .await;
    for (name, port) in [("silent", silent), ("other", other), ("huge", huge)] {
        let target = json!({
            "name": name,
            "address": format!("127.0.0.1:{port}"),
            "host_keys": [OTHER],
            "rdp": {},
        });
        scene
            .gateway
            .post(&scene.gateway.root, "/targets", target)
            .await;
        let account = json!({
            "name": format!("svc-{name}"),
            "login": "svc",
            "targets": [name],
            "secret": { "kind": "password", "value": "only-for-the-target" },
        });
        scene
            .gateway
            .post(&scene.gateway.root, "/accounts", account)
            .await;
        let checkout = scene.approved(name).await;
        let path = format!("/checkouts/{checkout}/rdp");
        let way = scene
            .gateway
            .post(&scene.alice.token, &path, json!({}))
            .await;
        let (user, secret) = (
            way["login"].as_str().unwrap(),
            way["secret"].as_str().unwrap(),
        );
        let mut client = Crafted::connect(&scene.gateway, NLA).await;
        let refused = client.sign_in(Form::Ntlm, user, secret).await;
        assert_eq!(refused, Err(NO_SERVER), "{name}");
    }
    let closed = scene.gateway.closed_sessions().await;
    assert_eq!(closed.len(), 3);
    let used = scene.gateway.list("/audit?limit=200").await;
    let used = used
        .iter()
        .filter(|event| event["event"]["kind"] == "credential.use");
    assert_eq!(
        used.count(),
        0,
        "no credential was unsealed for any of them"
    );
}

/// Somebody who is refused for good reasons is somebody who is served.
async fn still_serves(gateway: &Gateway) {
    let mut client = Crafted::connect(gateway, NLA).await;
    let refused = client.sign_in(Form::Ntlm, "nobody+nowhere", SECRET).await;
    assert_eq!(refused, Err(LOGON_FAILURE));
}
