//! Sessions that nobody uses, that last too long, or whose other end has silently gone.

use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Child,
    sync::watch,
};

use crate::{
    life::{Scene, scene, scene_with},
    support::{PATIENCE, text},
};

impl Scene {
    /// Lets the target stand under a policy with these terms.
    async fn under(&self, terms: Value) {
        let root = &self.gateway.root;
        let policy = json!({ "name": "limited", "terms": terms });
        self.gateway.post(root, "/policies", policy).await;
        let policy = json!({ "policy": "limited" });
        self.gateway
            .must(root, Method::PATCH, "/targets/db1", policy)
            .await;
    }

    fn runs(&self, command: &str) -> Child {
        self.gateway
            .ssh_command(&self.alice, "alice+db1")
            .arg(command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Why the only session has ended, once it has.
    async fn outcome(&self) -> (String, String) {
        self.gateway
            .eventually("the end of the session", async || {
                let list = self.gateway.get(&self.gateway.root, "/sessions").await;
                let row = &list["items"][0];
                row["closed_at"]
                    .is_string()
                    .then(|| (text(&row["outcome"]), text(&row["message"])))
            })
            .await
    }
}

async fn ended(child: Child) -> (Option<i32>, String, String) {
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let ended = ended.expect("ssh ends").unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (
        ended.status.code(),
        text(&ended.stdout),
        text(&ended.stderr),
    )
}

#[tokio::test]
async fn an_idle_session_ends_and_a_busy_one_goes_on() {
    let scene = scene().await;
    scene.under(json!({ "idle_limit": "3s" })).await;
    scene.approved().await;
    let (status, said, told) = ended(scene.runs("echo in; sleep 600")).await;
    assert_eq!((status, said.as_str()), (Some(77), "in\n"), "{told}");
    let why = "Access ended: nothing was typed or shown for 3s";
    assert!(told.contains(why), "{told}");
    assert_eq!(scene.outcome().await.0, "idle-limit");
    // Longer than the limit in all, but never silent for so long.
    let busy = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i; sleep 0.5; done";
    let (status, said, told) = ended(scene.runs(busy)).await;
    assert_eq!(status, Some(0), "{said}{told}");
    assert!(said.ends_with("12\n"), "{said}");
}

#[tokio::test]
async fn a_single_session_lasts_no_longer_than_its_limit() {
    let scene = scene().await;
    scene.under(json!({ "session_limit": "2s" })).await;
    scene.approved().await;
    let (status, _, told) = ended(scene.runs("yes")).await;
    assert_eq!(status, Some(77), "{told}");
    let why = "Access ended: a single session lasts 2s at most";
    assert!(told.contains(why), "{told}");
    assert_eq!(scene.outcome().await.0, "session-limit");
    // The check-out lives on: another session is a new one.
    let (status, said, told) = ended(scene.runs("echo again")).await;
    assert_eq!((status, said.as_str()), (Some(0), "again\n"), "{told}");
}

/// A cable that can be cut without either end being told.
struct Cable {
    port: u16,
    cut: watch::Sender<bool>,
}

impl Cable {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let mut is_cut = is_cut.clone();
                tokio::spawn(async move {
                    let mut near = near;
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let passing = tokio::io::copy_bidirectional(&mut near, &mut far);
                    let cut = async { drop(is_cut.wait_for(|cut| *cut).await) };
                    tokio::select! {
                        _ = passing => {}
                        // The sockets stay open, and nobody reads or writes them any more.
                        () = cut => std::future::pending().await,
                    }
                });
            }
        });
        Self { port: own, cut }
    }

    fn cut(&self) {
        self.cut.send_replace(true);
    }
}

const ALERT: &str = "ssh.alive_interval = \"1s\"\nssh.alive_count = 2";

#[tokio::test]
async fn a_client_that_silently_went_is_noticed() {
    let mut scene = scene_with(ALERT).await;
    let cable = Cable::to(scene.gateway.ssh.port()).await;
    scene.gateway.ssh.set_port(cable.port);
    scene.approved().await;
    let mut client = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .args(["-o", "ServerAliveInterval=0", "-o", "TCPKeepAlive=no"])
        .arg("echo in; sleep 600")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 3];
    let output = client.stdout.as_mut().unwrap();
    output.read_exact(&mut said).await.unwrap();
    cable.cut();
    assert_eq!(scene.outcome().await.0, "closed");
    client.kill().await.unwrap();
}

#[tokio::test]
async fn a_target_that_silently_went_is_noticed_and_the_person_told() {
    let scene = scene_with(ALERT).await;
    let cable = Cable::to(scene.sshd.port).await;
    let address = json!({ "address": format!("127.0.0.1:{}", cable.port) });
    scene
        .gateway
        .must(&scene.gateway.root, Method::PATCH, "/targets/db1", address)
        .await;
    scene.approved().await;
    let mut client = scene.runs("echo in; sleep 600");
    let mut said = [0; 3];
    let output = client.stdout.as_mut().unwrap();
    output.read_exact(&mut said).await.unwrap();
    cable.cut();
    let (status, _, told) = ended(client).await;
    assert_eq!(status, Some(69), "{told}");
    assert!(told.contains("Connection to db1 lost"), "{told}");
    let (outcome, message) = scene.outcome().await;
    assert_eq!(
        (outcome.as_str(), message.as_str()),
        ("target-failed", "Connection to db1 lost")
    );
}

#[tokio::test]
async fn who_does_not_sign_in_is_sent_away() {
    let scene = scene_with("ssh.handshake_timeout = \"2s\"").await;
    let mut mute = TcpStream::connect(scene.gateway.ssh).await.unwrap();
    let mut slow = TcpStream::connect(scene.gateway.ssh).await.unwrap();
    slow.write_all(b"SSH-2.0-slow\r\n").await.unwrap();
    let mut read = Vec::new();
    for stream in [&mut mute, &mut slow] {
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await;
        // An orderly end or a reset: it must only be over.
        end.expect("the gateway closes it").ok();
    }
    // The door still opens for others.
    let (status, _, told) = ended(scene.runs("true")).await;
    assert_eq!(status, Some(77), "{told}");
}
