//! Chromium, as people use it, through a WebDriver: signs in, asks, waits, sees the page, is
//! cut off, reads why. And what it keeps and sends holds nothing of the target's.

use std::{path::Path, process::Stdio, time::Duration};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    nginx::{Nginx, SECRET, basic},
    sshd::free_port,
    support::{Gateway, PASSWORD, PATIENCE, text},
};

/// One window of a browser of its own.
struct Window {
    client: Client,
    session: String,
    profile: TempDir,
    _driver: Child,
}

impl Window {
    async fn open() -> Self {
        let port = free_port().await;
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromium-driver is installed: scripts/prerequisites peers");
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            // The local authority's certificate is not in Chromium's own list.
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": { "performance": "ALL" },
            "goog:chromeOptions": { "args": arguments },
        } } });
        let driver_at = format!("http://127.0.0.1:{port}");
        let mut tries = 0;
        let made = loop {
            let asked = client.post(format!("{driver_at}/session")).json(&wanted);
            match asked.send().await {
                Ok(answer) => break answer.json::<Value>().await.unwrap(),
                Err(error) if tries == 300 => panic!("chromedriver does not listen: {error}"),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let id = made["value"]["sessionId"].as_str();
        let id = id.unwrap_or_else(|| panic!("chromium is installed and starts: {made}"));
        Self {
            session: format!("{driver_at}/session/{id}"),
            client,
            profile,
            _driver: driver,
        }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.session);
        let mut request = self.client.request(method.clone(), url);
        if method == Method::POST {
            request = request.json(&body);
        }
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["value"].clone()
    }

    async fn go(&self, url: &str) {
        let gone = self.call(Method::POST, "/url", json!({ "url": url })).await;
        assert!(gone.is_null(), "{url}: {gone}");
    }

    async fn url(&self) -> String {
        text(&self.call(Method::GET, "/url", json!({})).await)
    }

    async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.call(Method::POST, "/execute/sync", body).await
    }

    async fn says(&self) -> String {
        let said = self
            .run("return document.body ? document.body.innerText : ''")
            .await;
        said.as_str().unwrap_or_default().to_owned()
    }

    /// Types into a field, or presses a button.
    async fn touch(&self, css: &str, what: &str, body: Value) {
        let using = json!({ "using": "css selector", "value": css });
        let found = self.call(Method::POST, "/element", using).await;
        let element = found
            .as_object()
            .and_then(|it| it.values().next()?.as_str());
        let element = element.unwrap_or_else(|| panic!("{css}: {found}"));
        let path = format!("/element/{element}/{what}");
        let done = self.call(Method::POST, &path, body).await;
        assert!(done.is_null(), "{css}: {done}");
    }

    async fn write(&self, css: &str, text: &str) {
        self.touch(css, "value", json!({ "text": text })).await;
    }

    async fn press(&self, css: &str) {
        self.touch(css, "click", json!({})).await;
    }

    async fn until_it_says(&self, what: &str) -> String {
        let waits = async {
            loop {
                let said = self.says().await;
                if said.contains(what) {
                    return said;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waits).await {
            Ok(said) => said,
            Err(_) => panic!("`{what}` is not on the page: {}", self.says().await),
        }
    }

    /// Everything it sent and got, as its own tools tell it.
    async fn traffic(&self) -> String {
        let wanted = json!({ "type": "performance" });
        self.call(Method::POST, "/se/log", wanted).await.to_string()
    }

    /// Ends it, and answers what it leaves on the disk.
    async fn close(self) -> TempDir {
        self.call(Method::DELETE, "", json!({})).await;
        self.profile
    }
}

/// Files below, by name, whose bytes hold this.
fn holding(folder: &Path, needles: &[&str]) -> (usize, Vec<String>) {
    let (mut looked_at, mut found) = (0, Vec::new());
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // Some of them are removed while it ends.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                looked_at += 1;
                let holds = |needle: &&str| {
                    bytes
                        .windows(needle.len())
                        .any(|part| part == needle.as_bytes())
                };
                if needles.iter().any(holds) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    (looked_at, found)
}

#[tokio::test]
async fn p3_p10_chromium_signs_in_asks_is_served_cut_off_and_told_why() {
    let (gateway, nginx, window) = tokio::join!(Gateway::start(), Nginx::start(), Window::open());
    let target = json!({
        "name": "wiki",
        "address": format!("127.0.0.1:{}", nginx.port),
        "web": { "tls": false, "sign_in": { "by": "basic" } },
    });
    gateway.post(&gateway.root, "/targets", target).await;
    let secret = json!({ "kind": "password", "value": SECRET });
    let account = json!({ "name": "ops", "targets": ["wiki"], "secret": secret });
    gateway.post(&gateway.root, "/accounts", account).await;
    let (_, bob) = gateway.people().await;

    let url = format!(
        "https://wiki.door.localhost:{}/index.html?x=1",
        gateway.web.port()
    );
    window.go(&url).await;
    window.until_it_says("Sign in").await;
    assert!(
        !window.url().await.contains("wiki.door.localhost:"),
        "on the console's host"
    );
    window.write("#user", "alice").await;
    window.write("#password", "wrong").await;
    window.press("button").await;
    window.until_it_says("do not open anything").await;
    window.write("#password", PASSWORD).await;
    window.press("button").await;
    window.until_it_says("Ask for wiki").await;
    assert_eq!(window.url().await, url);

    window.write("#ticket", "CHG0012345").await;
    window.write("#reason", "look it up").await;
    window.press("form[action='/.doorward/ask'] button").await;
    let waits = window.until_it_says("may approve it").await;
    assert!(waits.contains("CHG0012345"), "{waits}");
    let listed = gateway.get(&gateway.root, "/checkouts").await;
    let id = text(&listed["items"][0]["id"]);
    gateway.answer(&bob, &id, "approve", "").await;
    // Nobody touches the window: it goes on by itself.
    window.until_it_says("the wiki").await;
    assert_eq!(window.url().await, url);
    assert_eq!(
        window.run("return document.cookie").await,
        "",
        "no script sees a cookie"
    );
    let html = window
        .run("return document.documentElement.outerHTML")
        .await;

    gateway
        .answer(&bob, &id, "revoke", "maintenance is over")
        .await;
    window.go(&url).await;
    window
        .until_it_says("revoked by bob: maintenance is over")
        .await;
    window
        .press("form[action='/.doorward/sign-out'] button")
        .await;
    window.until_it_says("Signed out").await;
    window.go(&url).await;
    window.until_it_says("Password").await;

    let traffic = window.traffic().await;
    assert!(
        traffic.contains("/.doorward/enter?code=dwh_"),
        "it was listened to"
    );
    let basic = basic();
    for needle in [SECRET, &basic] {
        assert!(!traffic.contains(needle), "in what it sent or got");
        assert!(!html.to_string().contains(needle), "on the page");
    }
    let profile = window.close().await;
    let (looked_at, found) = holding(profile.path(), &[SECRET, &basic]);
    assert!(looked_at > 10, "there is a profile to look at");
    assert!(found.is_empty(), "{found:?}");
    let log = nginx.log();
    assert!(
        log.lines()
            .any(|line| line.starts_with("ops GET /index.html?x=1 200")),
        "{log}"
    );
    assert!(log.lines().all(|line| line.ends_with("cookie=-")), "{log}");
}
