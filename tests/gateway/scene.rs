//! The scene that most tests play in: a gateway, an sshd behind it as its target `db1`, alice
//! who asks and bob who answers. What the tests of one file need besides stands in that file.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, process::Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{
    people::Person,
    seen::{Seen, seen, shown},
    sshd::Sshd,
    support::{Gateway, outcome_of, text},
};

pub struct Scene {
    pub gateway: Gateway,
    pub sshd: Sshd,
    pub alice: Person,
    pub bob: Person,
}

pub async fn scene() -> Scene {
    scene_of("", "").await
}

/// The same with more lines of the gateway's configuration.
pub async fn scene_with(config: &str) -> Scene {
    scene_of(config, "").await
}

/// The same with more lines of `sshd_config`, too.
pub async fn scene_of(config: &str, sshd: &str) -> Scene {
    let (gateway, sshd) = tokio::join!(Gateway::start_with(config), Sshd::start_with(sshd));
    sshd.enter(&gateway, "db1").await;
    let (alice, bob) = gateway.people().await;
    Scene {
        gateway,
        sshd,
        alice,
        bob,
    }
}

/// How somebody comes to the sshd.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    Direct,
    Gateway,
}

impl Gateway {
    /// The real `ssh` as somebody to `login`, run to its end.
    pub async fn seen(&self, person: &Person, login: &str, arguments: &[&str]) -> Seen {
        let mut command = self.ssh_command(person, login);
        command.args(arguments);
        seen(command).await
    }

    /// Lets an `ssh` that asks for a password have this one.
    pub fn hand(&self, password: &str, ssh: &mut Command) {
        let askpass = self.dir.path().join("askpass");
        std::fs::write(&askpass, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
        std::fs::set_permissions(&askpass, Permissions::from_mode(0o700)).unwrap();
        ssh.env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force");
    }
}

impl Scene {
    /// Alice asks for db1; answers the check-out's id.
    pub async fn ask(&self) -> String {
        text(&self.gateway.ask(&self.alice, "db1").await["id"])
    }

    /// Alice has an active check-out of db1; answers its id.
    pub async fn approved(&self) -> String {
        self.approved_for("db1").await
    }

    /// The same of another target.
    pub async fn approved_for(&self, target: &str) -> String {
        let (alice, bob) = (&self.alice, &self.bob);
        self.gateway.check_out(alice, bob, target).await
    }

    /// Bob's word on a check-out: approve, deny, revoke.
    pub async fn answer(&self, id: &str, verb: &str, message: &str) {
        self.gateway.answer(&self.bob, id, verb, message).await;
    }

    pub async fn revoke(&self, id: &str) {
        self.answer(id, "revoke", "maintenance is over").await;
    }

    /// Lets db1 stand under a policy of its own with these terms.
    pub async fn under(&self, terms: Value) {
        self.gateway.under("db1", terms).await;
    }

    /// The same with no more than which capabilities there are.
    pub async fn capable(&self, capabilities: &[&str]) {
        self.under(json!({ "capabilities": capabilities })).await;
    }

    /// Changes these terms of the default policy.
    pub async fn terms(&self, change: Value) {
        let gateway = &self.gateway;
        let path = "/policies/default";
        let mut policy = gateway.get(&gateway.root, path).await;
        for (name, value) in change.as_object().unwrap() {
            policy["terms"][name] = value.clone();
        }
        let body = json!({ "description": policy["description"], "terms": policy["terms"] });
        gateway.must(&gateway.root, Method::PUT, path, body).await;
    }

    pub async fn checkouts(&self) -> Vec<Value> {
        let gateway = &self.gateway;
        gateway.list("/checkouts?view=all").await
    }

    /// The one check-out that was asked for, once it was; answers its id.
    pub async fn requested(&self) -> String {
        self.gateway
            .eventually("a request", async || {
                let checkouts = self.checkouts().await;
                assert!(checkouts.len() < 2, "one request, not {checkouts:?}");
                checkouts.first().map(|checkout| text(&checkout["id"]))
            })
            .await
    }

    /// The real `ssh`, as alice to db1.
    pub fn ssh(&self, arguments: &[&str]) -> Command {
        let mut command = self.gateway.ssh_command(&self.alice, "alice+db1");
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The same, run to its end.
    pub async fn seen(&self, arguments: &[&str]) -> Seen {
        seen(self.ssh(arguments)).await
    }

    /// A session that runs until it is cut; it is open and has said so.
    pub async fn live(&self) -> Child {
        let mut child = self.ssh(&["echo in; sleep 600"]).spawn().unwrap();
        assert_eq!(shown(&mut child, 3).await, b"in\n");
        child
    }

    /// `sftp` or `scp`, whose `127.0.0.1` is db1, with nothing of this machine's configuration.
    pub fn copier(&self, program: &str, way: Way) -> Command {
        let (user, key, port) = match way {
            Way::Direct => (self.sshd.login.as_str(), &self.sshd.key, self.sshd.port),
            Way::Gateway => ("alice+db1", &self.alice.key, self.gateway.ssh.port()),
        };
        let mut command = Command::new(program);
        command
            .args(["-F", "none", "-q", "-o", "BatchMode=yes"])
            .args(["-o", "StrictHostKeyChecking=no", "-o", "IdentitiesOnly=yes"])
            .args(["-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", &format!("User={user}"), "-P", &port.to_string()])
            .arg("-i")
            .arg(key)
            .env_remove("SSH_AUTH_SOCK")
            .kill_on_drop(true);
        command
    }

    /// Waits until it is in the audit that something was refused for this reason.
    pub async fn refused(&self, code: &str) {
        let refused = |event: &Value| outcome_of(event) == code;
        self.gateway.audit_event(refused).await;
    }

    /// Waits until it is in the audit that somebody with this name was not signed in.
    pub async fn sign_in_refused(&self, claimed: &str) {
        let refused = |event: &Value| {
            event["event"]["kind"] == "user.sign-in" && outcome_of(event) == "sign-in"
        };
        let event = self.gateway.audit_event(refused).await;
        let who = &event["event"]["actor"]["nobody"]["claimed"];
        assert_eq!(who, claimed, "{event}");
    }

    /// The target has let nobody in.
    #[track_caller]
    pub fn was_never_reached(&self) {
        let log = self.sshd.log();
        assert!(!log.contains("Accepted"), "the target was reached: {log}");
    }
}
