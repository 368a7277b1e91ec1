//! `doorward web`: a port of this machine that adds the token, for programs that cannot; and
//! the plain listener that only redirects.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
};

use super::{Scene, enter, raw, scene, sockets, within};
use crate::support::Gateway;

/// `doorward web TARGET`, as alice.
struct Port {
    child: Child,
    _said: Lines<BufReader<ChildStdout>>,
    url: String,
    port: u16,
}

fn doorward(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command
        .args(arguments)
        .env("DOORWARD_SERVER", scene.gateway.url())
        .env("DOORWARD_TOKEN", &scene.alice.token)
        .env("DOORWARD_CA", scene.gateway.ca())
        .env("HOME", scene.gateway.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Port {
    async fn open(scene: &Scene, target: &str) -> Self {
        let mut child = doorward(scene, &["--json", "web", target]).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within("the port", said.next_line()).await.unwrap();
        let Some(line) = line else {
            let output = child.wait_with_output().await.unwrap();
            panic!("{}", String::from_utf8_lossy(&output.stderr));
        };
        let told: Value = serde_json::from_str(&line).unwrap();
        let url = told["url"].as_str().unwrap().to_owned();
        let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
        Self {
            port: port.parse().unwrap(),
            child,
            _said: said,
            url,
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let none = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().redirect(none).no_proxy();
        let url = format!("{}{path}", self.url);
        let mut request = client.build().unwrap().get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// What it says when it ends, and its exit code.
    async fn end(self) -> (Option<i32>, String) {
        let output = within("the end", self.child.wait_with_output())
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }
}

#[tokio::test]
async fn a_port_of_this_machine_adds_the_token_and_ends_with_the_check_out() {
    let scene = scene().await;
    let refused = doorward(&scene, &["web", "wiki"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(5), "{said}");
    assert!(said.contains("doorward request wiki"), "{said}");

    let id = scene.approved("wiki").await;
    let port = Port::open(&scene, "wiki").await;
    let served = port.get("hello.txt", &[]).await;
    assert_eq!(served.status(), 200);
    assert!(served.headers().contains_key("doorward-checkout"));
    assert_eq!(served.text().await.unwrap(), "hello from the wiki\n");
    let moved = port.get("moved", &[]).await;
    assert_eq!(
        moved.headers()["location"],
        format!("{}hello.txt", port.url)
    );
    assert_eq!(moved.headers()["set-cookie"], "sid=1; Path=/");
    // Its own page may, with what a browser says of it.
    let origin = format!("http://127.0.0.1:{}", port.port);
    let page = [("origin", &*origin), ("sec-fetch-site", "same-origin")];
    assert_eq!(port.get("hello.txt", &page).await.status(), 200);
    let seen = scene.nginx.log();
    assert!(
        seen.contains(&format!("origin=http://127.0.0.1:{}", scene.nginx.port)),
        "{seen}"
    );
    assert!(!seen.contains(&scene.alice.token));

    // A page of another site, also by a name that it lets point here, gets nothing.
    let before = scene.nginx.log().lines().count();
    let rebound = format!("evil.example:{}", port.port);
    for (headers, status) in [
        (&[("host", &*rebound)][..], 421),
        (&[("origin", "https://evil.example")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
    ] {
        let refused = port.get("hello.txt", headers).await;
        assert_eq!(refused.status(), status, "{headers:?}");
        assert!(refused.text().await.unwrap().starts_with("doorward: "));
    }
    assert_eq!(scene.nginx.log().lines().count(), before);

    scene.nginx.file("large.bin", 64 << 20);
    let mut slow = port.get("slow/large.bin", &[]).await;
    assert!(slow.chunk().await.unwrap().is_some());
    scene.revoke(&id).await;
    let rest = async { while let Ok(Some(_)) = slow.chunk().await {} };
    within("the download's end", rest).await;
    let (code, said) = port.end().await;
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("revoked by bob") && said.contains("maintenance is over"),
        "{said}"
    );
}

#[tokio::test]
async fn a_websocket_goes_through_the_port() {
    let scene = scene().await;
    let target = raw::target(sockets::echo).await;
    enter(&scene.gateway, "other", target, json!({ "tls": false })).await;
    scene.approved("other").await;
    let port = Port::open(&scene, "other").await;
    #[allow(clippy::disallowed_methods, reason = "a client of the test's own")]
    let mut stream = TcpStream::connect(("127.0.0.1", port.port)).await.unwrap();
    let ask = format!(
        "GET /socket HTTP/1.1\r\nHost: localhost:{0}\r\nOrigin: http://localhost:{0}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        port.port
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let (head, _) = within("the answer", raw::head(&mut stream)).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream.write_all(&sockets::masked("hello")).await.unwrap();
    let frame = within("the echo", sockets::frame(&mut stream)).await;
    assert_eq!(frame, Some((1, b"hello".to_vec())));
}

#[tokio::test]
async fn plain_http_leads_to_the_same_address_and_to_nothing_else() {
    let gateway = Gateway::start_with("web.redirect = \"127.0.0.1:0\"").await;
    let address = gateway.log().iter().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let said = line.to_string();
        let is_it = said.contains("\"listener\":\"redirect\"");
        let address = said.split("\"address\":\"").nth(1)?.split('"').next()?;
        is_it.then(|| address.to_owned())
    });
    let address = address.expect("it says where it listens");
    let ask = async |host: &str, method: &str, path: &str| {
        #[allow(clippy::disallowed_methods, reason = "a client of the test's own")]
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let ask = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut said = String::new();
        within("the answer", stream.read_to_string(&mut said))
            .await
            .unwrap();
        said
    };
    let port = gateway.web.port();
    for method in ["GET", "POST"] {
        let said = ask("wiki.door.localhost", method, "/a?b=%20c")
            .await
            .to_lowercase();
        assert!(said.starts_with("http/1.1 308 "), "{said}");
        let location = format!("location: https://wiki.door.localhost:{port}/a?b=%20c\r\n");
        assert!(said.contains(&location), "{said}");
    }
    for host in [
        "evil.example",
        "door.localhost",
        "127.0.0.1",
        "wiki.door.localhost:1",
    ] {
        let said = ask(host, "GET", "/").await.to_lowercase();
        assert!(said.starts_with("http/1.1 421 "), "{said}");
        assert!(!said.contains("location"), "{said}");
    }
}

#[tokio::test]
async fn a_recording_becomes_a_har_file() {
    let scene = scene().await;
    let id = scene.approved("wiki").await;
    assert_eq!(
        scene
            .get("wiki", "/hello.txt?page=2&api_key=hunter22")
            .await
            .status,
        200
    );
    assert_eq!(scene.get("wiki", "/nothing").await.status, 404);
    scene.revoke(&id).await;
    let root = &scene.gateway.root;
    let finished = async || {
        let page = scene.gateway.get(root, "/recordings").await;
        let first = page["items"][0].clone();
        first["finished_at"]
            .is_string()
            .then(|| first["id"].as_str().unwrap().to_owned())
    };
    let recording = scene.gateway.eventually("the recording", finished).await;
    let file = scene.gateway.dir.path().join("wiki.har");
    let file = file.to_str().unwrap();
    let mut export = doorward(
        &scene,
        &["recordings", "export", &recording, "--har", "-o", file],
    );
    let output = export.env("DOORWARD_TOKEN", root).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("2 requests written"), "{said}");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains("hunter22"), "{text}");
    let har: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(har["log"]["version"], "1.2");
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    let url = scene.url("wiki", "/hello.txt?page=2&api_key=***");
    assert_eq!(entries[0]["request"]["url"], url);
    assert_eq!(entries[0]["request"]["httpVersion"], "HTTP/2");
    assert_eq!(entries[0]["response"]["status"], 200);
    assert_eq!(entries[0]["response"]["content"]["size"], 20);
    assert_eq!(entries[1]["response"]["statusText"], "Not Found");
    let exported = |event: &Value| event["event"]["kind"] == "recording.export";
    scene.gateway.audit_event(exported).await;
}
