//! The command line as people and programs use it: the real binary against a real gateway.

mod admin;
mod checkout;
mod local;
mod refusal;
mod sign_in;

use std::{path::PathBuf, process::Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

use crate::{
    people::Person,
    seen::within,
    support::{Gateway, text},
};

/// One person's command line, with a configuration folder of its own.
struct Line {
    home: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// What one command came to.
#[derive(Debug)]
struct Outcome {
    code: i32,
    out: String,
    err: String,
}

impl Line {
    /// Nobody is signed in, nothing is trusted yet.
    fn stranger() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    fn of(gateway: &Gateway, token: &str) -> Self {
        Self {
            environment: vec![
                ("DOORWARD_SERVER", gateway.url()),
                ("DOORWARD_CA", gateway.ca().display().to_string()),
                ("DOORWARD_TOKEN", token.to_owned()),
            ],
            ..Self::stranger()
        }
    }

    fn person(gateway: &Gateway, person: &Person) -> Self {
        Self::of(gateway, &person.token)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("TZ", "UTC")
            .envs(self.environment.clone())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Outcome {
        finish(self.command(arguments).spawn().unwrap()).await
    }

    /// The same with something on standard input.
    async fn feed(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        finish(child).await
    }

    /// A command that must succeed; what it said on standard output.
    async fn must(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments).await;
        assert_eq!(outcome.code, 0, "{arguments:?}: {outcome:?}");
        outcome.out
    }

    /// The same with `--json`.
    async fn json(&self, arguments: &[&str]) -> Value {
        let said = self.must(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{arguments:?} is no JSON: {said}"))
    }

    /// A file in this person's home.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn client_toml(&self) -> PathBuf {
        self.home.path().join("config/doorward/client.toml")
    }
}

async fn finish(child: Child) -> Outcome {
    let output = within("the command", child.wait_with_output()).await;
    let output = output.unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

struct Scene {
    gateway: Gateway,
    root: Line,
    alice: Line,
    bob: Line,
    alice_person: Person,
}

/// A gateway with one target that nothing listens behind; asking needs no target that is up.
async fn scene() -> Scene {
    let gateway = Gateway::start().await;
    let root = Line::of(&gateway, &gateway.root);
    let alice_person = gateway.person("alice", &["requester"]).await;
    let bob_person = gateway.person("bob", &["approver"]).await;
    root.must(&["target", "add", "db1", "127.0.0.1:1"]).await;
    let secret = root.file("secret", "not to be seen\n");
    let secret = secret.to_str().unwrap();
    root.must(&[
        "account",
        "add",
        "root",
        "-t",
        "db1",
        "--secret-file",
        secret,
    ])
    .await;
    Scene {
        alice: Line::person(&gateway, &alice_person),
        bob: Line::person(&gateway, &bob_person),
        root,
        alice_person,
        gateway,
    }
}

const ASK: [&str; 6] = ["request", "db1", "-r", "disk is full", "-t", "CHG0012345"];

impl Scene {
    async fn asked(&self) -> String {
        text(&self.alice.json(&ASK).await["code"])
    }

    async fn active(&self) -> String {
        let code = self.asked().await;
        self.bob.must(&["approve", &code]).await;
        code
    }
}
