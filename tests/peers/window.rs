//! One window of Chromium, driven through chromedriver, and what it sends and leaves behind.

use std::{path::Path, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    sshd::free_port,
    support::{PASSWORD, PATIENCE, text},
};

/// One window of a browser of its own.
pub struct Window {
    client: Client,
    session: String,
    browser: Browser,
    profile: TempDir,
    _driver: Child,
}

/// What somebody holds in front of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Desk,
    Phone,
}

/// The browser's process, which does not end with its driver where a test fails.
struct Browser(Option<i32>);

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
    }
}

impl Window {
    pub async fn open() -> Self {
        Self::on(Screen::Desk).await
    }

    pub async fn on(screen: Screen) -> Self {
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
            // What it would ask of its maker's hosts, where nobody answers.
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--window-size=1280,900".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let mut options = json!({ "args": arguments });
        if screen == Screen::Phone {
            let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 1, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            // The local authority's certificate is not in Chromium's own list.
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" },
            "goog:chromeOptions": options,
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
        let pid = made["value"]["capabilities"]["goog:processID"].as_i64();
        Self {
            session: format!("{driver_at}/session/{id}"),
            browser: Browser(pid.and_then(|pid| i32::try_from(pid).ok())),
            client,
            profile,
            _driver: driver,
        }
    }

    pub async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.session);
        let mut request = self.client.request(method.clone(), url);
        if method == Method::POST {
            request = request.json(&body);
        }
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["value"].clone()
    }

    pub async fn go(&self, url: &str) {
        let gone = self.call(Method::POST, "/url", json!({ "url": url })).await;
        assert!(gone.is_null(), "{url}: {gone}");
    }

    /// Opens one more tab of the same browser there, and turns to it.
    pub async fn tab(&self, url: &str) {
        let made = self
            .call(Method::POST, "/window/new", json!({ "type": "tab" }))
            .await;
        let to = json!({ "handle": text(&made["handle"]) });
        self.call(Method::POST, "/window", to).await;
        self.go(url).await;
    }

    pub async fn url(&self) -> String {
        text(&self.call(Method::GET, "/url", json!({})).await)
    }

    pub async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.call(Method::POST, "/execute/sync", body).await
    }

    pub async fn says(&self) -> String {
        let said = self
            .run("return document.body ? document.body.innerText : ''")
            .await;
        said.as_str().unwrap_or_default().to_owned()
    }

    /// Types into a field, or presses a button, as soon as it is there and can be reached.
    pub async fn touch(&self, css: &str, what: &str, body: Value) {
        let mut said = Value::Null;
        let touching = async {
            loop {
                said = self.try_touch(css, what, &body).await;
                if said.is_null() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, touching).await;
        if done.is_err() {
            panic!("{css}: {said}; the page: {}", self.says().await);
        }
    }

    /// What WebDriver says against it.
    async fn try_touch(&self, css: &str, what: &str, body: &Value) -> Value {
        let using = json!({ "using": "css selector", "value": css });
        let found = self.call(Method::POST, "/element", using).await;
        let elements = found.as_object().filter(|it| !it.contains_key("error"));
        let Some(element) = elements.and_then(|it| it.values().next()?.as_str()) else {
            return found;
        };
        let path = format!("/element/{element}/{what}");
        self.call(Method::POST, &path, body.clone()).await
    }

    pub async fn write(&self, css: &str, text: &str) {
        self.touch(css, "value", json!({ "text": text })).await;
    }

    pub async fn press(&self, css: &str) {
        self.touch(css, "click", json!({})).await;
    }

    /// What a person's hands do, as WebDriver writes it.
    pub async fn acts(&self, actions: Value) {
        let done = self.call(Method::POST, "/actions", actions).await;
        assert!(done.is_null(), "{done}");
    }

    /// The script of a promise, waited for.
    pub async fn promised(&self, script: &str) -> Value {
        let script = format!(
            "const done=arguments[arguments.length-1];\
             (async()=>{{{script}}})().then(done,(error)=>done('failed: '+error));"
        );
        let body = json!({ "script": script, "args": [] });
        self.call(Method::POST, "/execute/async", body).await
    }

    /// Waits until a script answers with something that is true.
    pub async fn until(&self, what: &str, script: &str) -> Value {
        let waits = async {
            loop {
                let answer = self.run(script).await;
                let is_true = match &answer {
                    Value::Null | Value::Bool(false) => false,
                    Value::String(text) => !text.is_empty(),
                    // What WebDriver says where the script failed, the page being loaded.
                    Value::Object(object) => !object.contains_key("error"),
                    _ => true,
                };
                if is_true {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waits).await {
            Ok(answer) => answer,
            Err(_) => panic!("{what} did not come; the page: {}", self.says().await),
        }
    }

    /// Signs in at the console as alice, and asks at the target's address.
    pub async fn sign_in_and_ask(&self, url: &str) {
        self.go(url).await;
        self.until_it_says("Sign in").await;
        self.write("#user", "alice").await;
        self.write("#password", PASSWORD).await;
        self.press("button").await;
        self.until_it_says("Ask for").await;
        self.write("#ticket", "CHG0012345").await;
        self.write("#reason", "look it up").await;
        self.press("form[action='/.doorward/ask'] button").await;
        self.until_it_says("may approve it").await;
    }

    pub async fn until_it_says(&self, what: &str) -> String {
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
    pub async fn traffic(&self) -> String {
        let wanted = json!({ "type": "performance" });
        self.call(Method::POST, "/se/log", wanted).await.to_string()
    }

    /// The names of all the cookies that it holds, those that no script sees too.
    pub async fn cookies(&self) -> Vec<String> {
        let wanted = json!({ "cmd": "Network.getAllCookies", "params": {} });
        let held = self.call(Method::POST, "/goog/cdp/execute", wanted).await;
        let held = held["cookies"]
            .as_array()
            .unwrap_or_else(|| panic!("{held}"));
        held.iter().map(|cookie| text(&cookie["name"])).collect()
    }

    /// Ends it, and answers what it leaves on the disk.
    pub async fn close(mut self) -> TempDir {
        self.call(Method::DELETE, "", json!({})).await;
        self.browser.0 = None;
        self.profile
    }
}

/// Files below, by name, whose bytes hold this.
pub fn holding(folder: &Path, needles: &[&str]) -> (usize, Vec<String>) {
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
