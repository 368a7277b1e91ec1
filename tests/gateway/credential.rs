//! Entering targets: with certificates of the gateway's user authority, and only targets that
//! prove who they are, by a key or by a certificate of an authority of theirs.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    people::Person,
    seen::{Seen, seen},
    sshd::{Sshd, keygen},
    support::{Gateway, text},
};

/// Targets are what each test makes them.
struct Scene {
    gateway: Gateway,
    alice: Person,
    bob: Person,
}

async fn scene() -> Scene {
    let gateway = Gateway::start().await;
    let (alice, bob) = gateway.people().await;
    Scene {
        gateway,
        alice,
        bob,
    }
}

impl Scene {
    async fn approved_for(&self, target: &str) {
        let (alice, bob) = (&self.alice, &self.bob);
        self.gateway.check_out(alice, bob, target).await;
    }

    async fn ssh(&self, target: &str, command: &str) -> Seen {
        let login = format!("alice+{target}");
        let quietly = ["-o", "LogLevel=ERROR", command];
        self.gateway.seen(&self.alice, &login, &quietly).await
    }

    async fn pin(&self, target: &str, lines: Vec<String>) {
        let path = format!("/targets/{target}");
        let change = json!({ "host_keys": lines });
        self.gateway.patch(&path, change).await;
    }

    /// The command line of the first admin: whether it did it, and what it said.
    async fn admin(&self, arguments: &[&str]) -> (bool, String) {
        let done = seen(self.gateway.doorward(&self.gateway.root, arguments)).await;
        (done.status == Some(0), done.stdout + &done.stderr)
    }
}

/// Signs `key` as `who` with `authority`; more options of ssh-keygen in between.
async fn sign(authority: &Path, key: &Path, who: &str, options: &[&str]) {
    let signed = Command::new("ssh-keygen")
        .arg("-q")
        .arg("-s")
        .arg(authority)
        .args(["-I", "test", "-n", who])
        .args(options)
        .arg(key.with_extension("pub"))
        .status()
        .await
        .unwrap();
    assert!(signed.success());
}

fn line(path: &Path) -> String {
    let text = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    text.trim().to_owned()
}

/// A target that trusts the gateway's user authority and nothing else.
async fn trusting(scene: &Scene) -> (Sshd, String) {
    let (done, said) = scene.admin(&["ssh-ca", "--key"]).await;
    assert!(done && said.starts_with("ssh-ed25519 "), "{said}");
    let trusted = scene.gateway.dir.path().join("user_ca.pub");
    std::fs::write(&trusted, &said).unwrap();
    let sshd = Sshd::start_with(&format!(
        "TrustedUserCAKeys {}\nAuthorizedPrincipalsFile {}\n",
        trusted.display(),
        trusted.with_file_name("principals").display()
    ))
    .await;
    std::fs::write(
        trusted.with_file_name("principals"),
        format!("{}\n", sshd.login),
    )
    .unwrap();
    // No other way in.
    std::fs::write(sshd.dir.path().join("authorized_keys"), "").unwrap();
    let id = sshd.enter(&scene.gateway, "db1").await;
    let secret = json!({ "kind": "ssh-ca" });
    let path = format!("/accounts/{id}/secret");
    let root = &scene.gateway.root;
    scene.gateway.must(root, Method::PUT, &path, secret).await;
    (sshd, id)
}

#[tokio::test]
async fn a_target_is_entered_with_a_certificate_for_this_session_alone() {
    let scene = scene().await;
    let (sshd, account) = trusting(&scene).await;
    scene.approved_for("db1").await;
    let done = scene.ssh("db1", "echo in; echo [$SSH_AUTH_SOCK]").await;
    assert_eq!(done.well().stdout, "in\n[]\n");

    // The target's own log names the check-out and the person, and the serial that the
    // auditor has.
    let used = |event: &Value| event["event"]["kind"] == "credential.use";
    let event = scene.gateway.audit_event(used).await;
    let serial = text(&event["event"]["detail"]["serial"]);
    let log = sshd.log();
    let expected = format!("(serial {serial}) CA ED25519");
    assert!(log.contains(&expected), "{serial}: {log}");
    assert!(log.contains("ID \"check-out "), "{log}");
    assert!(log.contains(", alice, session "), "{log}");
    assert_eq!(event["event"]["detail"]["source"], "127.0.0.1");

    // Another session has another one.
    scene.ssh("db1", "true").await;
    let again = |event: &Value| {
        event["event"]["kind"] == "credential.use"
            && event["event"]["detail"]["serial"] != serial.as_str()
    };
    scene.gateway.audit_event(again).await;

    // It is for its account alone: where the target lets somebody else in as that account,
    // it does not help.
    let principals = scene.gateway.dir.path().join("principals");
    for (listed, expected) in [("somebody", Some(69)), (sshd.login.as_str(), Some(0))] {
        std::fs::write(&principals, format!("{listed}\n")).unwrap();
        let done = scene.ssh("db1", "true").await;
        assert_eq!(done.status, expected, "{listed}: {done:?}");
    }
    // A target that trusts another authority lets nobody in.
    let other = sshd.dir.path().join("other_ca");
    keygen(&other).await;
    std::fs::write(scene.gateway.dir.path().join("user_ca.pub"), line(&other)).unwrap();
    let refused = scene.ssh("db1", "true").await;
    assert_eq!(refused.status, Some(69), "{refused:?}");
    let sentence = "refused the credential of root";
    assert!(refused.stderr.contains(sentence), "{refused:?}");
    // And there is nothing to show to anybody.
    let root = &scene.gateway.root;
    let secret = json!({ "kind": "ssh-ca", "value": "x" });
    let path = format!("/accounts/{account}/secret");
    let (refused, _) = scene
        .gateway
        .call(root, Method::PUT, &path, Some(secret))
        .await;
    assert_eq!(refused.as_u16(), 422);
}

#[tokio::test]
async fn the_user_authority_outlives_restarts_and_new_vault_keys() {
    let mut scene = scene().await;
    let (_sshd, _) = trusting(&scene).await;
    scene.approved_for("db1").await;
    let config = scene.gateway.config().display().to_string();
    let (done, said) = scene.admin(&["vault", "rekey", "--config", &config]).await;
    assert!(done, "{said}");
    scene.ssh("db1", "true").await.well();
    scene.gateway.crash_and_restart().await;
    scene.ssh("db1", "true").await.well();
}

#[tokio::test]
async fn a_target_proves_itself_by_one_of_several_keys_or_by_an_authority() {
    let scene = scene().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in [
        "ca",
        "other_ca",
        "next",
        "good",
        "expired",
        "elsewhere",
        "user",
    ] {
        keygen(&at(name)).await;
    }
    sign(&at("ca"), &at("good"), "127.0.0.1", &["-h"]).await;
    sign(
        &at("ca"),
        &at("expired"),
        "127.0.0.1",
        &["-h", "-V", "-2d:-1d"],
    )
    .await;
    sign(&at("ca"), &at("elsewhere"), "db9.example.org", &["-h"]).await;
    sign(&at("ca"), &at("user"), "127.0.0.1", &[]).await;
    let shows = |name: &str| {
        format!(
            "HostKey {0}\nHostCertificate {0}-cert.pub\n",
            at(name).display()
        )
    };
    let authority = |name: &str| format!("@cert-authority {}", line(&at(name)));

    let sshd = Sshd::start().await;
    sshd.enter(&scene.gateway, "db1").await;
    scene.approved_for("db1").await;
    // The next key is pinned before the target has it: nobody notices the change.
    scene
        .pin("db1", vec![line(&at("next")), sshd.host_key.clone()])
        .await;
    scene.ssh("db1", "true").await.well();

    for (shown, pinned, expected) in [
        ("good", "ca", None),
        ("good", "other_ca", Some("which is not pinned")),
        ("expired", "ca", Some("it has expired")),
        (
            "elsewhere",
            "ca",
            Some("it is not for 127.0.0.1 or t-elsewhere"),
        ),
        ("user", "ca", Some("it is not one of a host")),
    ] {
        let name = format!("t-{}{}", shown, if pinned == "ca" { "" } else { "-other" });
        let sshd = Sshd::start_with(&shows(shown)).await;
        sshd.enter(&scene.gateway, &name).await;
        scene.approved_for(&name).await;
        // As it stands in a known_hosts, with host patterns.
        let pin =
            authority(pinned).replacen("@cert-authority ", "@cert-authority *.example.org ", 1);
        scene.pin(&name, vec![pin]).await;
        let done = scene.ssh(&name, "true").await;
        match expected {
            None => assert_eq!(done.status, Some(0), "{shown}: {done:?}"),
            Some(why) => {
                assert_eq!(done.status, Some(69), "{shown}: {done:?}");
                assert!(done.stderr.contains(why), "{shown}: {done:?}");
                assert!(!sshd.log().contains("Accepted"), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn an_admin_looks_at_a_servers_keys_and_pins_them() {
    let scene = scene().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["ca", "certified"] {
        keygen(&at(name)).await;
    }
    sign(&at("ca"), &at("certified"), "127.0.0.1", &["-h"]).await;
    let ecdsa = at("ecdsa");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ecdsa", "-N", "", "-f"])
        .arg(&ecdsa)
        .status();
    assert!(made.await.unwrap().success());
    let sshd = Sshd::start_with(&format!(
        "HostKey {}\nHostCertificate {}-cert.pub\n",
        ecdsa.display(),
        at("certified").display()
    ))
    .await;
    sshd.enter(&scene.gateway, "db1").await;
    scene.pin("db1", vec![line(&at("ca"))]).await;
    scene.approved_for("db1").await;
    assert_eq!(scene.ssh("db1", "true").await.status, Some(69));

    let place = format!("127.0.0.1:{}", sshd.port);
    let (done, said) = scene.admin(&["target", "scan", &place]).await;
    assert!(done, "{said}");
    let fingerprint = Command::new("ssh-keygen").arg("-lf").arg(&ecdsa).output();
    let fingerprint = String::from_utf8(fingerprint.await.unwrap().stdout).unwrap();
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    assert!(said.contains(fingerprint), "{said}");
    // Nobody is asked, so nobody confirms.
    let (done, said) = scene
        .admin(&["target", "scan", &place, "--pin", "db1"])
        .await;
    assert!(!done && said.contains("needs a yes"), "{said}");
    let (done, said) = scene
        .admin(&["target", "scan", &place, "--pin", "db1", "--yes"])
        .await;
    assert!(done, "{said}");
    scene.ssh("db1", "true").await.well();
    assert!(!sshd.log().contains("Accepted publickey for scan"));

    let looked = |event: &Value| event["event"]["kind"] == "target.scan";
    let event = scene.gateway.audit_event(looked).await;
    assert_eq!(event["event"]["detail"]["address"], place.as_str());
    // A port where nobody speaks SSH is told so.
    let admin = format!("127.0.0.1:{}", scene.gateway.admin.port());
    let (done, said) = scene.admin(&["target", "scan", &admin]).await;
    assert!(!done && said.contains("no host key"), "{said}");
}
