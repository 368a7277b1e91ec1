//! RDP targets: the real xfreerdp through the real gateway to servers of other people's making.

mod crafted;
mod keyboard;
mod knocking;
mod limits;
mod pass;
mod recorded;
mod refuse;
mod screen;
mod server;

use std::{path::PathBuf, process::Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use self::{
    screen::{HEIGHT, Screen, WIDTH},
    server::{LOGIN, SECRET, SHORT_SECRET, Shadow, Xrdp},
};
use crate::{
    people::Person,
    support::{Gateway, text},
};

/// A gateway that takes RDP, somebody who asks and somebody who answers.
struct Scene {
    gateway: Gateway,
    alice: Person,
    bob: Person,
}

async fn scene() -> Scene {
    scene_with("").await
}

/// The same with more lines of configuration.
async fn scene_with(more: &str) -> Scene {
    let gateway = Gateway::start_with(&format!("rdp.listen = \"127.0.0.1:0\"\n{more}")).await;
    let (alice, bob) = gateway.people().await;
    Scene {
        gateway,
        alice,
        bob,
    }
}

impl Scene {
    /// An RDP target at a port of this machine; the policy that is there requires a recording.
    async fn enter(&self, name: &str, port: u16, pin: &str, more: Value) {
        self.enter_with(name, port, pin, more, SECRET).await;
    }

    async fn enter_with(&self, name: &str, port: u16, pin: &str, more: Value, secret: &str) {
        let target = json!({
            "name": name,
            "address": format!("127.0.0.1:{port}"),
            "host_keys": [pin],
            "rdp": more,
        });
        self.gateway
            .post(&self.gateway.root, "/targets", target)
            .await;
        let account = json!({
            "name": "svc",
            "login": LOGIN,
            "targets": [name],
            "secret": { "kind": "password", "value": secret },
        });
        self.gateway
            .post(&self.gateway.root, "/accounts", account)
            .await;
    }

    /// xrdp as target `win1`, entered for what it speaks.
    async fn xrdp(&self) -> Xrdp {
        let xrdp = Xrdp::start().await;
        let more = json!({ "security": "tls" });
        self.enter_with("win1", xrdp.port, &xrdp.pin, more, SHORT_SECRET)
            .await;
        xrdp
    }

    /// The shadow server as target `win1`.
    async fn shadow(&self) -> Shadow {
        let shadow = Shadow::start().await;
        let more = json!({ "security": "nla" });
        self.enter("win1", shadow.port, &shadow.pin, more).await;
        shadow
    }

    async fn approved(&self, target: &str) -> String {
        self.gateway.check_out(&self.alice, &self.bob, target).await
    }

    /// The one-time secret of a check-out, as its holder is told it.
    async fn secret(&self, checkout: &str) -> String {
        let path = format!("/checkouts/{checkout}/rdp");
        let way = self.gateway.post(&self.alice.token, &path, json!({})).await;
        assert_eq!(way["login"], "alice+win1");
        text(&way["secret"])
    }
}

/// The real client on a screen of its own.
struct Client {
    screen: Screen,
    home: TempDir,
}

impl Client {
    async fn start() -> Self {
        Self {
            screen: Screen::start().await,
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn told(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn open(&self, gateway: &Gateway, user: &str, secret: &str) -> Child {
        self.open_with(gateway, user, secret, &[])
    }

    fn open_with(&self, gateway: &Gateway, user: &str, secret: &str, more: &[&str]) -> Child {
        let log = std::fs::File::create(self.log()).unwrap();
        Command::new("xfreerdp")
            .arg(format!("/v:{}", gateway.rdp()))
            .arg(format!("/u:{user}"))
            .arg(format!("/p:{secret}"))
            .arg(format!("/size:{WIDTH}x{HEIGHT}"))
            .args(["/cert:ignore", "-decorations", "+auto-reconnect"])
            .args(more)
            .env("DISPLAY", &self.screen.display)
            .env("HOME", self.home.path())
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("xfreerdp is installed")
    }

    /// Waits for its end; answers its exit code.
    async fn ended(&self, mut client: Child) -> Option<i32> {
        let ended = tokio::time::timeout(crate::support::PATIENCE, client.wait()).await;
        let Ok(status) = ended else {
            panic!("xfreerdp stayed:\n{}", self.told())
        };
        status.unwrap().code()
    }
}
