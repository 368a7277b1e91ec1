//! Who somebody is: what proves it, what does not, and that a no tells nothing.

use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use crate::{
    people::Person,
    scene::{Scene, scene},
    seen::{Seen, seen},
    sshd::keygen,
    support::PASSWORD,
};

/// A copy of this person's key with a certificate of `authority` beside it, where ssh finds it.
async fn vouched(name: &str, authority: &Path, options: &[&str], person: &Person) -> PathBuf {
    let folder = person.key.parent().unwrap();
    let key = folder.join(name);
    let public = folder.join(format!("{name}.pub"));
    std::fs::copy(&person.key, &key).unwrap();
    std::fs::copy(person.key.with_extension("key.pub"), &public).unwrap();
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-I", name, "-n", "alice"])
        .args(options)
        .arg("-s")
        .arg(authority)
        .arg(&public);
    seen(sign).await.well();
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
        let mut ssh = scene.ssh(&["-o", alone]);
        ssh.arg("-i").arg(&key).arg("true");
        let refused = seen(ssh).await;
        assert_eq!(refused.status, Some(255), "{name}: {refused:?}");
        let sentence = "Permission denied";
        assert!(refused.stderr.contains(sentence), "{name}: {refused:?}");
        scene.was_never_reached();
    }
    scene.sign_in_refused("alice").await;
    // The key itself is hers, with or without a certificate beside it.
    let strange = scene.gateway.dir.path().join("strange");
    let strange = strange.to_str().unwrap();
    scene.seen(&["-i", strange, "true"]).await.well();
}

/// What a client was told, without the name that it came with.
fn told(seen: &Seen, name: &str) -> (Option<i32>, String) {
    let text = seen.stderr.replace(name, "NAME");
    // What ssh says of its own files, and how it counts bytes and time.
    let kept = text.lines().filter(|line| {
        !line.starts_with("debug1:") || line.contains("Authentications that can continue")
    });
    let kept: Vec<_> = kept
        .filter(|line| !line.starts_with("Transferred") && !line.starts_with("Bytes per second"))
        .collect();
    (seen.status, kept.join("\n"))
}

impl Scene {
    /// Knows the gateway's host key, so that no later client mentions it.
    async fn known(&self) {
        self.gateway.seen(&self.alice, "alice", &["help"]).await;
    }
}

#[tokio::test]
async fn who_is_unknown_reads_what_somebody_known_reads() {
    let scene = scene().await;
    scene.known().await;
    let dave = scene.gateway.person("dave", &["requester"]).await;
    scene.gateway.disable("dave").await;
    let key = scene.gateway.dir.path().join("strange");
    keygen(&key).await;
    let token = String::new();
    let strange = Person { token, key };
    let mut heard = Vec::new();
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
        let seen = scene.gateway.seen(person, login, &["-v", "true"]).await;
        heard.push((login, told(&seen, login)));
    }
    all_alike(&heard);
    heard.clear();
    for (password, login) in [
        ("not the password", "alice+db1"),
        (PASSWORD, "nobody+db1"),
        (PASSWORD, "dave+db1"),
        (PASSWORD, "alice+db1+"),
    ] {
        let mut ssh = scene.gateway.ssh_command(&strange, login);
        scene.gateway.hand(password, &mut ssh);
        ssh.args(["-v", "-o", "BatchMode=no"])
            .args(["-o", "PreferredAuthentications=password"])
            .args(["-o", "NumberOfPasswordPrompts=1", "true"]);
        heard.push((login, told(&seen(ssh).await, login)));
    }
    all_alike(&heard);
}

/// All refused, each in the words of the first.
fn all_alike(heard: &[(&str, (Option<i32>, String))]) {
    let (_, first) = &heard[0];
    assert_eq!(first.0, Some(255));
    assert!(first.1.contains("Permission denied"), "{first:?}");
    for (login, told) in heard {
        assert_eq!(told, first, "{login}");
    }
}

#[tokio::test]
async fn a_target_one_may_not_know_of_is_as_one_that_is_not_there() {
    let scene = scene().await;
    scene.known().await;
    let gateway = &scene.gateway;
    let group = json!({ "name": "dba", "members": [] });
    gateway.post(&gateway.root, "/groups", group).await;
    scene.sshd.enter(gateway, "db2").await;
    gateway.under("db2", json!({ "requesters": ["dba"] })).await;
    for login in ["alice+NAME", "alice+root@NAME", "alice+nobody@NAME"] {
        let mut heard = Vec::new();
        for target in ["nowhere", "db2"] {
            let login = login.replace("NAME", target);
            let seen = gateway.seen(&scene.alice, &login, &["true"]).await;
            heard.push(told(&seen, target));
        }
        assert_eq!(heard[0].0, Some(77), "{login}: {heard:?}");
        assert_eq!(heard[1], heard[0], "{login}");
    }
    let desk = gateway.seen(&scene.alice, "alice", &["targets"]).await;
    let shown = desk.stdout;
    assert!(shown.contains("db1") && !shown.contains("db2"), "{shown}");
}
