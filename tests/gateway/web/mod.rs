//! Web targets: real clients through the real gateway to targets of other people's making.

mod apps;
mod ask;
mod banner;
mod bodies;
mod files;
mod forms;
mod identity;
mod kill;
mod limits;
mod local;
mod means;
mod nginx;
mod pass;
mod raw;
mod shapes;
mod slow;
mod sockets;
mod unread;
mod upstreams;
mod veil;
mod way;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use self::nginx::{Nginx, SECRET};
use crate::{
    people::Person,
    seen::within,
    support::{Gateway, PATIENCE, text},
};

/// A gateway with a web target behind Basic authentication, somebody who asks and somebody
/// who answers.
struct Scene {
    gateway: Gateway,
    nginx: Nginx,
    alice: Person,
    bob: Person,
}

async fn scene() -> Scene {
    scene_with("").await
}

/// The same with more lines of configuration.
async fn scene_with(more: &str) -> Scene {
    let (gateway, nginx) = tokio::join!(Gateway::start_with(more), Nginx::start());
    let wiki = nginx.target("wiki");
    gateway.enter_web(wiki, nginx::secret()).await;
    let (alice, bob) = gateway.people().await;
    Scene {
        gateway,
        nginx,
        alice,
        bob,
    }
}

/// A target at a port of this machine, with an account.
async fn enter(gateway: &Gateway, name: &str, port: u16, web: Value) {
    let target = json!({ "name": name, "address": format!("127.0.0.1:{port}"), "web": web });
    gateway.enter_web(target, nginx::secret()).await;
}

impl Scene {
    /// The same web server under another name.
    async fn with_other(&self) {
        let other = self.nginx.target("other");
        self.gateway.enter_web(other, nginx::secret()).await;
    }

    /// The account of the target has another password than the target knows.
    async fn with_a_wrong_secret(&self, target: &str) {
        let root = &self.gateway.root;
        let path = format!("/accounts?target={target}");
        let accounts = self.gateway.get(root, &path).await;
        let path = format!("/accounts/{}/secret", text(&accounts["items"][0]["id"]));
        let wrong = json!({ "kind": "password", "value": "another-Wednesday-Quartz" });
        self.gateway.must(root, Method::PUT, &path, wrong).await;
    }

    async fn ask(&self, target: &str) -> Value {
        self.gateway.ask(&self.alice, target).await
    }

    async fn approve(&self, id: &str) {
        self.gateway.answer(&self.bob, id, "approve", "").await;
    }

    /// Alice has an active check-out of the target.
    async fn approved(&self, target: &str) -> String {
        let (alice, bob) = (&self.alice, &self.bob);
        self.gateway.check_out(alice, bob, target).await
    }

    async fn revoke(&self, id: &str) {
        let why = "maintenance is over";
        self.gateway.answer(&self.bob, id, "revoke", why).await;
    }

    fn url(&self, target: &str, path: &str) -> String {
        let port = self.gateway.web.port();
        format!("https://{target}.door.localhost:{port}{path}")
    }

    /// The real `curl`, as alice, with nothing of this machine's configuration.
    fn curl(&self) -> Command {
        let mut curl = self.curl_as(&self.alice.token);
        curl.kill_on_drop(true);
        curl
    }

    fn curl_as(&self, token: &str) -> Command {
        let mut curl = self.strange_curl();
        curl.arg("-H").arg(format!("Doorward-Token: {token}"));
        curl
    }

    /// One that shows nothing.
    fn strange_curl(&self) -> Command {
        let mut curl = Command::new("curl");
        let port = self.gateway.web.port();
        curl.args(["-q", "--silent", "--show-error", "--max-time"])
            .arg(PATIENCE.as_secs().to_string())
            .arg("--cacert")
            .arg(self.gateway.ca());
        for target in ["wiki", "other", "nowhere"] {
            let name = format!("{target}.door.localhost:{port}:127.0.0.1");
            curl.args(["--resolve", &name]);
        }
        curl
    }

    /// Status, headers and body of one GET.
    async fn get(&self, target: &str, path: &str) -> Seen {
        seen(self.curl(), &self.url(target, path)).await
    }

    async fn sessions(&self) -> Vec<Value> {
        self.gateway.list("/sessions").await
    }
}

#[derive(Debug)]
struct Seen {
    status: u16,
    version: String,
    head: String,
    body: String,
}

impl Seen {
    fn problem(&self) -> Value {
        assert!(
            self.head
                .to_lowercase()
                .contains("application/problem+json"),
            "{self:?}"
        );
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

async fn seen(mut curl: Command, url: &str) -> Seen {
    curl.args(["-i", "-w", "\n%{http_code} %{http_version}"])
        .arg(url);
    let output = curl.output().await.expect("curl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}\n{text}");
    let (text, last) = text.rsplit_once('\n').unwrap();
    let (status, version) = last.split_once(' ').unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Seen {
        status: status.parse().unwrap(),
        version: version.to_owned(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Nothing that anybody but the target could read holds the target's password.
async fn secret_is_nowhere(scene: &Scene) {
    let holds = |bytes: &[u8]| {
        let needles = [SECRET.as_bytes(), nginx::basic().as_bytes()].map(<[u8]>::to_vec);
        needles
            .iter()
            .any(|needle| bytes.windows(needle.len()).any(|part| part == needle))
    };
    let log = scene.gateway.log().join("\n");
    assert!(!holds(log.as_bytes()), "in the log");
    let root = &scene.gateway.root;
    let audit = scene.gateway.call(root, Method::GET, "/audit/export", None);
    assert!(!holds(audit.await.1.to_string().as_bytes()), "in the audit");
    let mut folders = vec![scene.gateway.data()];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                looked_at += 1;
                assert!(!holds(&bytes), "in {}", path.display());
            }
        }
    }
    assert!(looked_at > 3, "there are files to look at");
}
