//! Second factors where a password signs in: the real `ssh` and the command line.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, process::Stdio};

use serde_json::json;
use tokio::process::Command;

use crate::{
    scene::scene_with,
    seen::{Seen, seen},
    support::{Gateway, PASSWORD},
};

impl Gateway {
    /// `ssh alice+db1` without a key, to be answered with these, prompt by prompt.
    async fn typed(&self, ways: &str, password: &str, code: &str) -> Seen {
        let mut ssh = Command::new("ssh");
        let askpass = self.dir.path().join("askpass");
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in *assword:*) echo '{password}';; *) echo '{code}';; esac\n"
        );
        std::fs::write(&askpass, script).unwrap();
        std::fs::set_permissions(&askpass, Permissions::from_mode(0o700)).unwrap();
        ssh.args(["-F", "none", "-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", &format!("PreferredAuthentications={ways}")])
            .args([
                "-o",
                "PubkeyAuthentication=no",
                "-o",
                "NumberOfPasswordPrompts=1",
            ])
            .args(["-p", &self.ssh.port().to_string()])
            .args(["-l", "alice+db1", "127.0.0.1", "echo in"])
            .env_remove("SSH_AUTH_SOCK")
            .env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::null());
        seen(ssh).await
    }
}

#[tokio::test]
async fn p8_ssh_asks_for_the_code_after_the_password_whichever_way_that_came() {
    // What is tried here in a minute a person tries in ten.
    let scene = scene_with("limits.sign_ins_per_account = 1000").await;
    let gateway = &scene.gateway;
    scene.approved().await;
    let before = gateway.typed("keyboard-interactive", PASSWORD, "").await;
    assert_eq!(before.stdout, "in\n", "{before:?}");
    let mut app = gateway.app_of(&scene.alice.token).await;

    let alone = gateway.typed("password", PASSWORD, "").await;
    assert_eq!(alone.status, Some(255), "a password alone: {alone:?}");
    let wrong = gateway.typed("keyboard-interactive", PASSWORD, "x").await;
    assert_eq!(wrong.status, Some(255), "{wrong:?}");
    assert!(wrong.stderr.contains("This is not right"), "{wrong:?}");
    let code = app.code();
    let asked = gateway.typed("keyboard-interactive", PASSWORD, &code).await;
    assert_eq!(asked.stdout, "in\n", "{asked:?}");
    let again = gateway.typed("keyboard-interactive", PASSWORD, &code).await;
    assert_eq!(again.status, Some(255), "used already: {again:?}");
    let ways = "password,keyboard-interactive";
    let asked = gateway.typed(ways, PASSWORD, &app.code()).await;
    assert_eq!(asked.stdout, "in\n", "{asked:?}");
    // A key is a proof of its own.
    let key = gateway.seen(&scene.alice, "alice+db1", &["echo in"]);
    assert_eq!(key.await.stdout, "in\n");
}

#[tokio::test]
async fn who_must_have_one_is_told_where_and_not_let_in_by_ssh() {
    let gateway = Gateway::start_with("sign_in.second_factor = \"everybody\"").await;
    let user = json!({ "name": "alice", "roles": ["requester"], "password": PASSWORD });
    gateway.post(&gateway.root, "/users", user).await;
    let told = gateway.typed("keyboard-interactive", PASSWORD, "").await;
    assert_eq!(told.status, Some(255), "{told:?}");
    let says = "You must have a second factor here. Set it up at https://";
    assert!(told.stderr.contains(says), "{told:?}");
    let alone = gateway.typed("password", PASSWORD, "").await;
    assert_eq!(alone.status, Some(255), "{alone:?}");
}
