//! The people of the tests, the targets they ask for, and what they say to each other.

use std::{path::PathBuf, process::Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Gateway, PASSWORD, text};

pub struct Person {
    pub token: String,
    /// The private key's file.
    pub key: PathBuf,
}

impl Gateway {
    /// A user with a password, an SSH key and a token.
    pub async fn person(&self, name: &str, roles: &[&str]) -> Person {
        let user = json!({ "name": name, "roles": roles, "password": PASSWORD });
        self.post(&self.root, "/users", user).await;
        let key = self.dir.path().join(format!("{name}.key"));
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&key)
            .status()
            .await
            .expect("ssh-keygen is installed");
        assert!(made.success());
        let sign_in = json!({ "user": name, "password": PASSWORD });
        let token = text(&self.post("", "/sign-in", sign_in).await["token"]);
        let public_key = std::fs::read_to_string(key.with_extension("key.pub")).unwrap();
        let public_key = json!({ "public_key": public_key.trim() });
        self.post(&token, "/me/ssh-keys", public_key).await;
        Person { token, key }
    }

    /// Alice, who asks, and bob, who answers.
    pub async fn people(&self) -> (Person, Person) {
        let alice = self.person("alice", &["requester"]).await;
        let bob = self.person("bob", &["approver"]).await;
        (alice, bob)
    }

    pub async fn disable(&self, name: &str) {
        let path = format!("/users/{name}/disable");
        self.post(&self.root, &path, json!({})).await;
    }

    /// An SSH server of this machine as target `name`, with an account `root` that `secret`
    /// opens; answers the account's id.
    pub async fn enter(
        &self,
        name: &str,
        (port, host_key): (u16, &str),
        login: &str,
        secret: Value,
    ) -> String {
        let target = json!({
            "name": name,
            "protocol": "ssh",
            "address": format!("127.0.0.1:{port}"),
            "host_keys": [host_key],
        });
        self.post(&self.root, "/targets", target).await;
        let account = json!({ "name": "root", "login": login, "targets": [name] });
        let id = text(&self.post(&self.root, "/accounts", account).await["id"]);
        let path = format!("/accounts/{id}/secret");
        self.must(&self.root, Method::PUT, &path, secret).await;
        id
    }

    /// A web target with an account `ops` that holds this secret; answers the account.
    pub async fn enter_web(&self, target: Value, secret: Value) -> Value {
        let account = json!({ "name": "ops", "targets": [target["name"]], "secret": secret });
        self.post(&self.root, "/targets", target).await;
        self.post(&self.root, "/accounts", account).await
    }

    /// Lets a target stand under a policy of its own with these terms.
    pub async fn under(&self, target: &str, terms: Value) {
        let name = format!("of-{target}");
        let policy = json!({ "name": name, "terms": terms });
        self.post(&self.root, "/policies", policy).await;
        let path = format!("/targets/{target}");
        self.patch(&path, json!({ "policy": name })).await;
    }

    /// Somebody asks for a target; answers the check-out.
    pub async fn ask(&self, person: &Person, target: &str) -> Value {
        let ask = json!({ "target": target, "reason": "disk is full", "ticket": "CHG0012345" });
        self.post(&person.token, "/checkouts", ask).await
    }

    /// Somebody's word on a check-out: approve, deny, revoke, ….
    pub async fn answer(&self, person: &Person, id: &str, verb: &str, message: &str) {
        let path = format!("/checkouts/{id}/{verb}");
        let body = json!({ "message": message });
        self.post(&person.token, &path, body).await;
    }

    /// Alice has an active check-out of a target because bob approved it; answers its id.
    pub async fn check_out(&self, alice: &Person, bob: &Person, target: &str) -> String {
        let id = text(&self.ask(alice, target).await["id"]);
        self.answer(bob, &id, "approve", "").await;
        id
    }

    /// The real `ssh`, as this person, to `login`, with nothing of this machine's configuration.
    pub fn ssh_command(&self, person: &Person, login: &str) -> Command {
        let mut command = Command::new("ssh");
        let known = self.dir.path().join("known_hosts");
        command
            .args(["-F", "none", "-o", "BatchMode=yes"])
            .args(["-o", "StrictHostKeyChecking=accept-new"])
            .args(["-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=30"])
            .args(["-o", &format!("UserKnownHostsFile={}", known.display())])
            .arg("-i")
            .arg(&person.key)
            .args(["-p", &self.ssh.port().to_string(), "-l", login, "127.0.0.1"])
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}
