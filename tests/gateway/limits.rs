//! Sessions that nobody uses, that last too long, or whose other end has silently gone.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    scene::{Scene, scene, scene_with},
    seen::{ended, shown, within},
    support::text,
};

impl Scene {
    /// Why the only session has ended, once it has.
    async fn outcome(&self) -> (String, String) {
        let sessions = self.gateway.closed_sessions().await;
        let [session] = &sessions[..] else {
            panic!("one session, not {sessions:?}");
        };
        (text(&session["outcome"]), text(&session["message"]))
    }
}

#[tokio::test]
async fn an_idle_session_ends_and_a_busy_one_goes_on() {
    let scene = scene().await;
    scene.under(json!({ "idle_limit": "3s" })).await;
    scene.approved().await;
    let idle = scene.seen(&["echo in; sleep 600"]).await;
    assert_eq!((idle.status, &*idle.stdout), (Some(77), "in\n"), "{idle:?}");
    let why = "Access ended: nothing was typed or shown for 3s";
    assert!(idle.stderr.contains(why), "{idle:?}");
    assert_eq!(scene.outcome().await.0, "idle-limit");
    // Longer than the limit in all, but never silent for so long.
    let busy = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i; sleep 0.5; done";
    let busy = scene.seen(&[busy]).await.well();
    assert!(busy.stdout.ends_with("12\n"), "{busy:?}");
}

#[tokio::test]
async fn a_single_session_lasts_no_longer_than_its_limit() {
    let scene = scene().await;
    scene.under(json!({ "session_limit": "2s" })).await;
    scene.approved().await;
    let long = scene.seen(&["yes"]).await;
    assert_eq!(long.status, Some(77), "{}", long.stderr);
    let why = "Access ended: a single session lasts 2s at most";
    assert!(long.stderr.contains(why), "{}", long.stderr);
    assert_eq!(scene.outcome().await.0, "session-limit");
    // The check-out lives on: another session is a new one.
    let again = scene.seen(&["echo again"]).await.well();
    assert_eq!(again.stdout, "again\n");
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
    let silent = ["-o", "ServerAliveInterval=0", "-o", "TCPKeepAlive=no"];
    let mut client = scene
        .ssh(&silent)
        .arg("echo in; sleep 600")
        .spawn()
        .unwrap();
    shown(&mut client, 3).await;
    cable.cut();
    assert_eq!(scene.outcome().await.0, "closed");
    client.kill().await.unwrap();
}

#[tokio::test]
async fn a_target_that_silently_went_is_noticed_and_the_person_told() {
    let scene = scene_with(ALERT).await;
    let cable = Cable::to(scene.sshd.port).await;
    let address = json!({ "address": format!("127.0.0.1:{}", cable.port) });
    scene.gateway.patch("/targets/db1", address).await;
    scene.approved().await;
    let client = scene.live().await;
    cable.cut();
    let cut = ended(client).await;
    assert_eq!(cut.status, Some(69), "{cut:?}");
    assert!(cut.stderr.contains("Connection to db1 lost"), "{cut:?}");
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
        let end = within("the gateway's hang-up", stream.read_to_end(&mut read)).await;
        // An orderly end or a reset: it must only be over.
        end.ok();
    }
    // The door still opens for others.
    let refused = scene.seen(&["true"]).await;
    assert_eq!(refused.status, Some(77), "{refused:?}");
}
