//! What a stock client and the gateway agree on before anything is said: ciphers, compression,
//! host keys and how they change.

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use crate::{
    sshd::Sshd,
    support::{Gateway, PATIENCE, Person, text},
};

struct Scene {
    gateway: Gateway,
    sshd: Sshd,
    alice: Person,
}

/// Alice has an active check-out of db1.
async fn scene() -> Scene {
    let (gateway, sshd) = tokio::join!(Gateway::start(), Sshd::start());
    sshd.enter(&gateway, "db1").await;
    let alice = gateway.person("alice", &["requester"]).await;
    let bob = gateway.person("bob", &["approver"]).await;
    let ask = json!({ "target": "db1", "reason": "disk is full", "ticket": "CHG0012345" });
    let id = text(&gateway.post(&alice.token, "/checkouts", ask).await["id"]);
    let approve = format!("/checkouts/{id}/approve");
    gateway.post(&bob.token, &approve, json!({})).await;
    Scene {
        gateway,
        sshd,
        alice,
    }
}

impl Scene {
    /// Standard output, and what `ssh` tells of itself.
    async fn ssh(&self, options: &[&str], command: &str) -> (Vec<u8>, String) {
        let mut ssh = self.gateway.ssh_command(&self.alice, "alice+db1");
        ssh.args(options)
            .arg(command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = tokio::time::timeout(PATIENCE, ssh.output()).await;
        let output = output.expect("ssh hung").unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        (output.stdout, said)
    }
}

/// Whether AES is done by the processor, as the gateway asks itself.
fn aes_is_fast() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| {
        text.lines()
            .any(|line| line.split_whitespace().any(|flag| flag == "aes"))
    })
}

#[tokio::test]
async fn a_client_that_puts_chacha20_first_gets_aes_and_one_that_knows_nothing_else_gets_chacha20()
{
    let scene = scene().await;
    let cipher = |said: &str, name: &str| {
        let lines = said
            .lines()
            .filter(|line| line.contains("cipher: "))
            .count();
        lines == 2 && said.matches(&format!("cipher: {name}")).count() == 2
    };
    // The order of OpenSSH before 10, which is that of the client where it was not told.
    let usual = "Ciphers=chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com";
    let expected = match aes_is_fast() {
        true => "aes256-gcm@openssh.com",
        false => "chacha20-poly1305@openssh.com",
    };
    for options in [&["-v", "-o", usual][..], &["-v"]] {
        let (_, said) = scene.ssh(options, "true").await;
        assert!(cipher(&said, expected), "{said}");
    }
    for only in ["chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-ctr"] {
        let (out, said) = scene.ssh(&["-v", "-c", only], "echo in").await;
        assert_eq!(out, b"in\n");
        assert!(cipher(&said, only), "{said}");
    }
    // A rekey keeps to what was chosen, and loses nothing.
    let often = ["-v", "-o", "RekeyLimit=1M"];
    let (out, said) = scene.ssh(&often, "seq 1 2000000").await;
    assert!(
        said.matches("SSH2_MSG_NEWKEYS received").count() > 2,
        "{said}"
    );
    let direct = Command::new("seq").args(["1", "2000000"]).output();
    assert!(out == direct.await.unwrap().stdout);
}

#[tokio::test]
async fn compression_is_there_for_who_asks() {
    let scene = scene().await;
    let (out, said) = scene.ssh(&["-C", "-v"], "seq 1 500000").await;
    assert!(said.contains("compression: zlib@openssh.com"), "{said}");
    let direct = Command::new("seq")
        .args(["1", "500000"])
        .output()
        .await
        .unwrap();
    assert!(out == direct.stdout);
    let (out, _) = scene
        .ssh(
            &["-C", "-o", "RekeyLimit=1M"],
            "seq 1 500000; cat /dev/null",
        )
        .await;
    assert!(out == direct.stdout, "over a rekey, too");
    let log = scene.sshd.log();
    assert!(!log.contains("zlib"), "none towards the target");
}

#[tokio::test]
async fn a_client_learns_the_next_host_key_before_it_is_used() {
    let mut scene = scene().await;
    let known = scene.gateway.dir.path().join("known_hosts");
    scene.ssh(&[], "true").await;
    let types = |text: &str| {
        let mut types: Vec<String> = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .map(str::to_owned)
            .collect();
        types.sort();
        types.dedup();
        types
    };
    let before = std::fs::read_to_string(&known).unwrap();
    assert_eq!(types(&before), ["ssh-ed25519"]);

    // The operator adds two keys.
    let folder = scene.gateway.data().join("ssh");
    for kind in ["ecdsa", "rsa"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", "", "-f"])
            .arg(folder.join(format!("ssh_host_{kind}_key")))
            .status()
            .await
            .unwrap();
        assert!(made.success());
    }
    scene.gateway.crash_and_restart().await;
    // On another port now, so it is the same host under another name.
    let port = scene.gateway.ssh.port();
    let line = before.lines().next().unwrap();
    let (_, key) = line.split_once(' ').unwrap();
    std::fs::write(&known, format!("[127.0.0.1]:{port} {key}\n")).unwrap();
    let strict = [
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "UpdateHostKeys=yes",
    ];
    let (_, said) = scene.ssh(&[&strict[..], &["-v"]].concat(), "true").await;
    let after = std::fs::read_to_string(&known).unwrap();
    assert_eq!(
        types(&after),
        ["ecdsa-sha2-nistp256", "ssh-ed25519", "ssh-rsa"],
        "{said}"
    );

    // The old one goes; who has learned the new ones notices nothing.
    std::fs::remove_file(folder.join("ssh_host_ed25519_key")).unwrap();
    scene.gateway.crash_and_restart().await;
    let moved = after.replace(
        &format!(":{port} "),
        &format!(":{} ", scene.gateway.ssh.port()),
    );
    std::fs::write(&known, moved).unwrap();
    let others = "HostKeyAlgorithms=ecdsa-sha2-nistp256,rsa-sha2-512";
    scene
        .ssh(&[&strict[..], &["-o", others]].concat(), "true")
        .await;
}
