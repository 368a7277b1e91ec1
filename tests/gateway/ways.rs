//! Forwards either way, the agent and the display, with the real OpenSSH on both sides: the
//! same as directly where a policy names them, one sentence where it does not.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::{
    scene::{Scene, scene_of},
    seen::{echoed, fed, seen, within},
    sshd::free_port,
    support::{Gateway, serve, text},
    wild::{connected, signed_in},
};

/// Alice has an active check-out of db1 with these capabilities.
async fn granted(capabilities: &[&str]) -> Scene {
    granted_with("", capabilities).await
}

async fn granted_with(config: &str, capabilities: &[&str]) -> Scene {
    let sshd = "X11Forwarding yes\nX11UseLocalhost yes\nGatewayPorts no";
    let scene = scene_of(config, sshd).await;
    scene.capable(capabilities).await;
    scene.approved().await;
    scene
}

impl Scene {
    /// The connection log's last word about `place`.
    async fn logged(&self, kind: &str, place: &str) -> Value {
        let fits = |event: &Value| {
            let event = &event["event"];
            event["kind"] == "forward.close"
                && event["detail"]["kind"] == kind
                && event["detail"]["place"] == place
        };
        self.gateway.audit_event(fits).await["event"].clone()
    }
}

/// A server that answers when it has read everything: only a half-close gets an answer.
async fn mirror() -> u16 {
    serve(async |mut stream: TcpStream| {
        let mut all = Vec::new();
        if stream.read_to_end(&mut all).await.is_ok() {
            all.extend_from_slice(b" and back");
            stream.write_all(&all).await.ok();
        }
    })
    .await
}

/// A server that sends back whatever comes while it comes.
async fn echo() -> u16 {
    serve(async |mut stream: TcpStream| {
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.ok();
    })
    .await
}

async fn connect(port: u16) -> TcpStream {
    let connecting = async {
        loop {
            match TcpStream::connect(("127.0.0.1", port)).await {
                Ok(stream) => return stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    within("the forward's port", connecting).await
}

async fn ask(port: u16, question: &str) -> String {
    let mut stream = connect(port).await;
    stream.write_all(question.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    answer
}

/// Reads standard error until a line holds `words`, and returns that line.
async fn said(child: &mut Child, words: &str) -> String {
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(words) {
                return line;
            }
        }
        panic!("ssh ended without saying {words:?}");
    };
    within(words, reading).await
}

#[tokio::test]
async fn local_forwards_reach_what_is_listed_and_are_logged() {
    let port = mirror().await;
    let listed = format!("forward:127.0.0.1:{port}");
    let scene = granted(&["shell", "exec", &listed, "forward:localhost:*"]).await;
    let (fixed, named) = (free_port().await, free_port().await);
    let mut child = scene
        .ssh(&["-N", "-L", &format!("{fixed}:127.0.0.1:{port}")])
        .args(["-L", &format!("{named}:LOCALHOST.:{port}")])
        .spawn()
        .unwrap();
    assert_eq!(ask(fixed, "there").await, "there and back");
    assert_eq!(ask(named, "by name").await, "by name and back");

    let logged = scene.logged("forward", &format!("127.0.0.1:{port}")).await;
    let detail = &logged["detail"];
    assert_eq!(detail["bytes_in"], 5, "{logged}");
    assert_eq!(detail["bytes_out"], 14, "{logged}");
    assert!(detail["duration_ms"].is_u64(), "{logged}");
    let result = text(&detail["result"]);
    assert!(result.starts_with("closed by the "), "{logged}");
    assert!(logged["session"].is_string(), "{logged}");
    scene.logged("forward", &format!("localhost:{port}")).await;
    child.kill().await.unwrap();

    // The one that ssh carries on its own standard input and output.
    let carried = scene.ssh(&["-W", &format!("127.0.0.1:{port}")]);
    assert_eq!(fed(carried, b"through").await.stdout, "through and back");
}

#[tokio::test]
async fn a_dynamic_forward_lets_curl_browse_from_the_target() {
    let port = serve(async |mut stream: TcpStream| {
        let mut request = [0; 1024];
        if stream.read(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        let page = b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\ninside";
        stream.write_all(page).await.ok();
    })
    .await;
    let scene = granted(&[&format!("forward:localhost:{port}")]).await;
    let socks = free_port().await;
    let _child = scene
        .ssh(&["-N", "-D", &socks.to_string()])
        .spawn()
        .unwrap();
    drop(connect(socks).await);
    let proxy = format!("socks5h://127.0.0.1:{socks}");
    let curl = async |host: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--proxy", &proxy, &format!("http://{host}:{port}/")]);
        seen(curl).await
    };
    assert_eq!(curl("localhost").await.stdout, "inside");
    // By its address it is another place.
    assert_ne!(curl("127.0.0.1").await.status, Some(0));
    scene.refused("not-capable").await;
}

#[tokio::test]
async fn remote_forwards_come_back_from_where_they_were_asked_for() {
    let port = mirror().await;
    let scene = granted(&["remote-forward:localhost:*"]).await;
    let fixed = free_port().await;
    let socket = scene.gateway.dir.path().join("mux");
    let control = format!("ControlPath={}", socket.display());
    let to = format!("127.0.0.1:{port}");
    let mut child = scene
        .ssh(&[
            "-N",
            "-o",
            "ExitOnForwardFailure=yes",
            "-o",
            "ControlMaster=yes",
        ])
        .args(["-o", &control, "-R", &format!("{fixed}:{to}")])
        .args(["-R", &format!("0:{to}")])
        .spawn()
        .unwrap();
    let line = said(&mut child, "Allocated port").await;
    let chosen: u16 = line.split(' ').nth(2).unwrap().parse().unwrap();
    assert_eq!(ask(fixed, "fixed").await, "fixed and back");
    assert_eq!(ask(chosen, "chosen").await, "chosen and back");
    let place = format!("localhost:{fixed}");
    let logged = scene.logged("remote-forward", &place).await;
    assert_eq!(logged["detail"]["bytes_in"], 14, "{logged}");
    assert_eq!(logged["detail"]["bytes_out"], 5, "{logged}");

    let mut cancel = scene.ssh(&["-o", &control, "-O", "cancel"]);
    cancel.args(["-R", &format!("{fixed}:{to}")]);
    seen(cancel).await.well();
    let gone = async || TcpStream::connect(("127.0.0.1", fixed)).await.err();
    scene
        .gateway
        .eventually("the end of the listener", gone)
        .await;
    assert_eq!(ask(chosen, "still").await, "still and back");
}

#[tokio::test]
async fn the_agent_is_used_from_the_target_where_a_policy_says_so() {
    for allowed in [true, false] {
        let capabilities = ["exec", "agent"];
        let scene = granted(&capabilities[..1 + usize::from(allowed)]).await;
        let socket = scene.gateway.dir.path().join("agent");
        let mut agent = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        scene.gateway.appears(&socket).await;
        let mut add = Command::new("ssh-add");
        add.arg(&scene.alice.key).env("SSH_AUTH_SOCK", &socket);
        seen(add).await.well();

        let mut command = scene.ssh(&["-A", "ssh-add -l; echo [$SSH_AUTH_SOCK]"]);
        command.env("SSH_AUTH_SOCK", &socket);
        let listed = seen(command).await;
        assert_eq!(listed.stdout.contains("(ED25519)"), allowed, "{listed:?}");
        assert_eq!(listed.stdout.ends_with("[]\n"), !allowed, "{listed:?}");
        match allowed {
            true => {
                scene.logged("agent", "").await;
            }
            false => scene.refused("not-capable").await,
        }
        agent.kill().await.unwrap();
    }
}

/// The first message of an X11 client, with its cookie.
fn x11_setup(cookie: &str) -> Vec<u8> {
    let name = b"MIT-MAGIC-COOKIE-1";
    let cookie = data_encoding::HEXLOWER.decode(cookie.as_bytes()).unwrap();
    let mut setup = vec![b'l', 0, 11, 0, 0, 0];
    setup.extend([name.len() as u8, 0, cookie.len() as u8, 0, 0, 0]);
    setup.extend(name);
    setup.extend([0, 0]);
    setup.extend(cookie);
    setup
}

#[tokio::test]
async fn a_window_of_the_target_reaches_the_persons_display() {
    // A display that says what it got: enough for ssh, which only looks at the first message.
    let display = loop {
        let number = free_port().await % 1000 + 100;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", 6000 + number)).await {
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let mut setup = [0; 48];
                    stream.read_exact(&mut setup).await.ok();
                    stream.write_all(b"drawn").await.ok();
                    stream.shutdown().await.ok();
                }
            });
            break number;
        }
    };
    let scene = granted(&["exec", "x11"]).await;
    let mut command = scene.ssh(&["-Y", "echo $DISPLAY; xauth list $DISPLAY; sleep 600"]);
    let mut child = command
        .env("DISPLAY", format!("127.0.0.1:{display}"))
        .env("XAUTHORITY", scene.gateway.dir.path().join("xauthority"))
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let given = within("DISPLAY", lines.next_line()).await.unwrap().unwrap();
    let line = within("the cookie", lines.next_line()).await.unwrap();
    let line = line.unwrap_or_else(|| panic!("no cookie; DISPLAY is {given:?}"));
    let cookie = line.split_whitespace().last().unwrap();
    let number = given.split([':', '.']).nth(1).unwrap();
    let port = 6000 + number.parse::<u16>().unwrap();
    let mut window = connect(port).await;
    window.write_all(&x11_setup(cookie)).await.unwrap();
    let mut answer = String::new();
    within("the display", window.read_to_string(&mut answer))
        .await
        .unwrap();
    assert_eq!(answer, "drawn");
    drop(window);
    let logged = scene.logged("x11", "").await;
    assert_eq!(logged["detail"]["bytes_in"], 5, "{logged}");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn p6_a_way_that_was_not_granted_is_refused_in_a_sentence() {
    let port = mirror().await;
    let scene = granted(&[
        "exec:echo *",
        "forward:db.internal:5432",
        "forward:10.0.0.0/8:*",
        "remote-forward:localhost:1",
    ])
    .await;
    let gateway_port = scene.gateway.ssh.port();
    // By name, by address, to the gateway itself, to where clouds keep their secrets, and in
    // the spellings that a resolver would take for an address.
    for place in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("127.0.0.1:{gateway_port}"),
        format!("[::1]:{port}"),
        "169.254.169.254:80".to_owned(),
        "2852039166:80".to_owned(),
        "0xa000001:80".to_owned(),
        "010.0.0.1:80".to_owned(),
        "[::ffff:169.254.169.254]:80".to_owned(),
        "db.internal:5433".to_owned(),
        "db.internal.evil.example:5432".to_owned(),
    ] {
        let refused = scene.seen(&["-W", &place]).await;
        assert_ne!(refused.status, Some(0), "{place} {refused:?}");
        let sentence = "open failed: administratively prohibited: check-out ";
        assert!(refused.stderr.contains(sentence), "{place} {refused:?}");
        assert!(
            refused.stderr.contains("does not allow forwarding to "),
            "{place} {refused:?}"
        );
    }
    scene.refused("not-capable").await;

    // What may be connected to is tried by the target, which says why not.
    let tried = scene.seen(&["-W", "db.internal:5432"]).await;
    assert!(
        tried.stderr.contains("open failed: connect failed: "),
        "{tried:?}"
    );

    // The session lives on, whatever else is refused on its connection.
    let free = free_port().await;
    let remote = format!("{free}:127.0.0.1:{port}");
    let mut command = scene.ssh(&["-A", "-Y", "-R", &remote, "echo here"]);
    command
        .env("DISPLAY", "127.0.0.1:77")
        .env("XAUTHORITY", scene.gateway.dir.path().join("xauthority"))
        .env("SSH_AUTH_SOCK", scene.gateway.dir.path().join("nothing"));
    let lives = seen(command).await;
    assert_eq!(lives.stdout, "here\n", "{lives:?}");
    assert!(
        lives
            .stderr
            .contains("remote port forwarding failed for listen port"),
        "{lives:?}"
    );
    assert!(
        lives.stderr.contains("X11 forwarding request failed"),
        "{lives:?}"
    );
    assert!(TcpStream::connect(("127.0.0.1", free)).await.is_err());

    // And a command beside the list is not run.
    for command in ["echo a; id", "echo a b", "id", "echo $HOME", "/bin/echo a"] {
        let refused = scene.seen(&[command]).await;
        assert_eq!(refused.status, Some(77), "{command} {refused:?}");
        assert!(refused.stdout.is_empty(), "{command} {refused:?}");
        assert!(
            refused.stderr.contains("does not allow the command"),
            "{command} {refused:?}"
        );
    }
    assert_eq!(scene.seen(&["echo a"]).await.stdout, "a\n");

    // Sockets of the target have no capability.
    let local = scene.gateway.dir.path().join("local");
    let socket = format!("{}:/run/docker.sock", local.display());
    let mut child = scene.ssh(&["-N", "-L", &socket]).spawn().unwrap();
    // The file is there before anybody listens on it.
    let there = async || tokio::net::UnixStream::connect(&local).await.ok();
    let mut stream = scene.gateway.eventually("the local socket", there).await;
    said(&mut child, "forwarding to the socket /run/docker.sock").await;
    let ended = within("the refusal", stream.read(&mut [0])).await;
    assert!(matches!(ended, Ok(0) | Err(_)));
}

#[tokio::test]
async fn p2_a_revoke_cuts_a_forward_in_the_middle() {
    let port = echo().await;
    let listed = format!("forward:127.0.0.1:{port}");
    let scene = granted(&[&listed]).await;
    let id = scene.requested().await;
    let local = free_port().await;
    let mut child = scene
        .ssh(&["-N", "-L", &format!("{local}:127.0.0.1:{port}")])
        .spawn()
        .unwrap();
    let (mut read, mut write) = connect(local).await.into_split();
    let writer =
        tokio::spawn(async move { while write.write_all(&[b'x'; 64 * 1024]).await.is_ok() {} });
    let mut some = vec![0; 4 << 20];
    within("the stream", read.read_exact(&mut some))
        .await
        .unwrap();
    scene.revoke(&id).await;
    let drained = async { while read.read(&mut some).await.is_ok_and(|count| count > 0) {} };
    within("the end of the stream", drained).await;
    within("the writer's end", writer).await.unwrap();
    let line = said(&mut child, "Access ended").await;
    assert!(
        line.contains("revoked by bob: maintenance is over"),
        "{line}"
    );
    within("ssh", child.wait()).await.unwrap();
    let logged = scene.logged("forward", &format!("127.0.0.1:{port}")).await;
    let result = text(&logged["detail"]["result"]);
    assert!(
        result.starts_with("Access ended: revoked by bob"),
        "{result}"
    );
}

#[tokio::test]
async fn both_directions_of_a_forward_flood_past_a_slow_reader() {
    let port = echo().await;
    let scene = granted(&[&format!("forward:127.0.0.1:{port}")]).await;
    let local = free_port().await;
    let _child = scene
        .ssh(&["-N", "-o", "RekeyLimit=16M"])
        .args(["-L", &format!("{local}:127.0.0.1:{port}")])
        .spawn()
        .unwrap();
    // More than every window and buffer on the way together, on two ways at once.
    let length = 32 << 20;
    let flood = async |pause| {
        let (read, write) = connect(local).await.into_split();
        echoed(write, read, length, pause).await
    };
    let (slow, fast) = (Duration::from_millis(20), Duration::ZERO);
    let both = tokio::join!(flood(slow), flood(fast));
    assert_eq!(both, (length, length));
}

#[tokio::test]
async fn channels_have_a_limit_and_the_next_is_told_so() {
    let port = echo().await;
    let listed = format!("forward:127.0.0.1:{port}");
    let scene = granted_with("ssh.max_channels = 4", &["exec", &listed]).await;
    let local = free_port().await;
    let mut child = scene
        .ssh(&["-N", "-L", &format!("{local}:127.0.0.1:{port}")])
        .spawn()
        .unwrap();
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(local).await;
        stream.write_all(b"x").await.unwrap();
        within("a way", stream.read_exact(&mut [0])).await.unwrap();
        open.push(stream);
    }
    let mut one_more = connect(local).await;
    said(&mut child, "too many channels on this connection").await;
    let ended = within("the refusal", one_more.read(&mut [0])).await;
    assert!(matches!(ended, Ok(0) | Err(_)));
    // One that ends makes room.
    drop(open.pop());
    let again = async || {
        let mut stream = connect(local).await;
        stream.write_all(b"y").await.ok()?;
        let mut answer = [0];
        let read = within("a way", stream.read(&mut answer)).await;
        (read.ok()? == 1).then_some(())
    };
    scene.gateway.eventually("room for one more", again).await;
    for stream in &mut open {
        stream.write_all(b"z").await.unwrap();
        within("a way", stream.read_exact(&mut [0])).await.unwrap();
    }
}

#[tokio::test]
async fn a_flood_of_opens_is_refused_one_by_one_and_others_notice_nothing() {
    let scene = granted(&["exec"]).await;
    let client = signed_in(scene.gateway.ssh, "alice+db1", &scene.alice.key);
    let (client, _) = client.await;
    let opens = (0..500_u32).map(|port| {
        let client = &client;
        async move {
            let host = "10.0.0.1";
            let opened = client.channel_open_direct_tcpip(host, port, "127.0.0.1", 1);
            let failure = opened.await.err();
            matches!(failure, Some(russh::Error::ChannelOpenFailure(_)))
        }
    });
    let refused = within("the flood", futures::future::join_all(opens)).await;
    assert!(refused.iter().all(|refused| *refused));
    for opened in [
        client.channel_open_x11("127.0.0.1", 1).await,
        client
            .channel_open_direct_streamlocal("/run/docker.sock")
            .await,
        client
            .channel_open_direct_tcpip("bad host\u{1b}[2J", 22, "x", 1)
            .await,
    ] {
        assert!(matches!(opened, Err(russh::Error::ChannelOpenFailure(_))));
    }
    for _ in 0..100 {
        let asked = client.tcpip_forward("localhost", 8080).await;
        assert!(matches!(asked, Err(russh::Error::RequestDenied)));
    }
    assert_eq!(scene.seen(&["echo others"]).await.stdout, "others\n");
    let mut session = client.channel_open_session().await.unwrap();
    session.exec(true, "echo still here").await.unwrap();
    let mut heard = Vec::new();
    while let Some(message) = within("the session", session.wait()).await {
        if let russh::ChannelMsg::Data { data } = message {
            heard.extend_from_slice(&data);
        }
    }
    assert_eq!(heard, b"still here\n");
}

#[tokio::test]
async fn a_channel_before_signing_in_ends_the_connection() {
    let gateway = Gateway::start().await;
    let (client, _) = connected(gateway.ssh).await;
    let opened = within("the end", client.channel_open_session()).await;
    assert!(opened.is_err());
    assert!(client.is_closed());
}
