//! Who somebody is: what proves it, what does not, and that a no tells nothing.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    life::{Scene, scene},
    sshd::keygen,
    support::{PASSWORD, Person, outcome_of},
};

/// A copy of this person's key with a certificate of `authority` beside it, where ssh finds it.
async fn vouched(name: &str, authority: &Path, options: &[&str], person: &Person) -> PathBuf {
    let folder = person.key.parent().unwrap();
    let key = folder.join(name);
    let public = folder.join(format!("{name}.pub"));
    std::fs::copy(&person.key, &key).unwrap();
    std::fs::copy(person.key.with_extension("key.pub"), &public).unwrap();
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-I", name, "-n", "alice"])
        .args(options)
        .arg("-s")
        .arg(authority)
        .arg(&public)
        .output()
        .await
        .unwrap();
    assert!(signed.status.success(), "{name}: {signed:?}");
    key
}

#[tokio::test]
async fn a_certificate_proves_nobody_whoever_signed_it() {
    let scene = scene().await;
    scene.approved().await;
    let authority = scene.gateway.dir.path().join("authority");
    keygen(&authority).await;
    let of_hosts = scene.gateway.data().join("ssh/ssh_host_ca");
    let certificates = [
        ("strange", &authority, &[][..]),
        ("expired", &authority, &["-V", "20200101:20200102"]),
        ("early", &authority, &["-V", "20990101:20990102"]),
        ("critical", &authority, &["-O", "critical:x@example.org=y"]),
        ("for-a-host", &authority, &["-h"]),
        ("of-the-gateways-own", &of_hosts, &[]),
        ("of-herself", &scene.alice.key, &[]),
    ];
    for (name, authority, options) in certificates {
        let key = vouched(name, authority, options, &scene.alice).await;
        let alone = "PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com";
        let mut ssh = scene.gateway.ssh_command(&scene.alice, "alice+db1");
        ssh.arg("-i").arg(&key).args(["-o", alone, "true"]);
        let refused = ssh.output().await.unwrap();
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(255), "{name}: {told}");
        assert!(told.contains("Permission denied"), "{name}: {told}");
        assert!(!scene.sshd.log().contains("Accepted"), "{name}");
    }
    let refused =
        |event: &Value| event["event"]["kind"] == "user.sign-in" && outcome_of(event) == "sign-in";
    let event = scene.gateway.audit_event(refused).await;
    assert_eq!(
        event["event"]["actor"]["nobody"]["claimed"], "alice",
        "{event}"
    );
    // The key itself is hers, with or without a certificate beside it.
    let mut ssh = scene.gateway.ssh_command(&scene.alice, "alice+db1");
    ssh.arg("-i")
        .arg(scene.gateway.dir.path().join("strange"))
        .arg("true");
    assert!(ssh.status().await.unwrap().success());
}

/// What a client was told, without the name that it came with.
fn told(output: &Output, name: &str) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).replace(name, "NAME");
    // What ssh says of its own files, and how it counts bytes and time.
    let kept = text.lines().filter(|line| {
        !line.starts_with("debug1:") || line.contains("Authentications that can continue")
    });
    let kept: Vec<_> = kept
        .filter(|line| !line.starts_with("Transferred") && !line.starts_with("Bytes per second"))
        .collect();
    (output.status.code(), kept.join("\n"))
}

impl Scene {
    /// Knows the gateway's host key, so that no later client mentions it.
    async fn known(&self) {
        let mut first = self.gateway.ssh_command(&self.alice, "alice");
        first.arg("help").output().await.unwrap();
    }
}

#[tokio::test]
async fn who_is_unknown_reads_what_somebody_known_reads() {
    let scene = scene().await;
    scene.known().await;
    let dave = scene.gateway.person("dave", &["requester"]).await;
    let root = &scene.gateway.root;
    let disable = "/users/dave/disable";
    scene.gateway.post(root, disable, json!({})).await;
    let key = scene.gateway.dir.path().join("strange");
    keygen(&key).await;
    let token = String::new();
    let strange = Person { token, key };
    let mut seen = Vec::new();
    for (login, person) in [
        ("alice+db1", &strange),
        ("nobody+db1", &strange),
        ("nobody+nowhere", &strange),
        ("alice+nowhere", &strange),
        ("dave+db1", &strange),
        ("dave+db1", &dave),
        ("a@b@c+d+e", &strange),
        ("/../+..", &strange),
        ("nobody", &strange),
        ("alice", &strange),
    ] {
        let mut ssh = scene.gateway.ssh_command(person, login);
        let output = ssh.args(["-v", "true"]).output().await.unwrap();
        seen.push((login, told(&output, login)));
    }
    all_alike(&seen);
    seen.clear();
    for (password, login) in [
        ("not the password", "alice+db1"),
        (PASSWORD, "nobody+db1"),
        (PASSWORD, "dave+db1"),
        (PASSWORD, "alice+db1+"),
    ] {
        let askpass = scene.gateway.dir.path().join("askpass");
        std::fs::write(&askpass, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
        std::fs::set_permissions(&askpass, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut ssh = scene.gateway.ssh_command(&strange, login);
        ssh.args(["-v", "-o", "BatchMode=no"])
            .args(["-o", "PreferredAuthentications=password"])
            .args(["-o", "NumberOfPasswordPrompts=1", "true"])
            .env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force");
        let output = ssh.output().await.unwrap();
        seen.push((login, told(&output, login)));
    }
    all_alike(&seen);
}

/// All refused, each in the words of the first.
fn all_alike(seen: &[(&str, (Option<i32>, String))]) {
    let (_, first) = &seen[0];
    assert_eq!(first.0, Some(255));
    assert!(first.1.contains("Permission denied"), "{first:?}");
    for (login, told) in seen {
        assert_eq!(told, first, "{login}");
    }
}

#[tokio::test]
async fn a_target_one_may_not_know_of_is_as_one_that_is_not_there() {
    let scene = scene().await;
    scene.known().await;
    let gateway = &scene.gateway;
    gateway
        .post(
            &gateway.root,
            "/groups",
            json!({ "name": "dba", "members": [] }),
        )
        .await;
    let policy = json!({ "name": "closed", "terms": { "requesters": ["dba"] } });
    gateway.post(&gateway.root, "/policies", policy).await;
    scene.sshd.enter(gateway, "db2").await;
    let path = "/targets/db2";
    let closed = json!({ "policy": "closed" });
    gateway
        .must(&gateway.root, reqwest::Method::PATCH, path, closed)
        .await;
    for login in ["alice+NAME", "alice+root@NAME", "alice+nobody@NAME"] {
        let mut seen = Vec::new();
        for target in ["nowhere", "db2"] {
            let login = login.replace("NAME", target);
            let mut ssh = gateway.ssh_command(&scene.alice, &login);
            let output = ssh.arg("true").output().await.unwrap();
            seen.push(told(&output, target));
        }
        assert_eq!(seen[0].0, Some(77), "{login}: {seen:?}");
        assert_eq!(seen[1], seen[0], "{login}");
    }
    let mut desk = gateway.ssh_command(&scene.alice, "alice");
    let output = desk.arg("targets").output().await.unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("db1") && !shown.contains("db2"), "{shown}");
}
